use super::*;
use crate::CoreError;
use proptest::prelude::*;
use std::collections::HashMap;
use std::sync::atomic::{AtomicI32, Ordering::Relaxed};

/// Opens a connection and leases it, which JavaScript counts by itself.
fn open(member: &Member, place: u32, room: usize) {
    let words = member.region().integers();
    let own = own_at(room, member.index());
    assert_eq!(member.reserve(place, usize::MAX), Ok(()));
    words[own + HEADER + room + place as usize].fetch_add(1, Relaxed);
}

fn totals_of(member: &Member, room: usize) -> (Totals, Vec<i32>) {
    let mut leased = vec![-1; room];
    (totals(member.region().integers(), room, &mut leased), leased)
}

#[test]
fn a_member_that_leaves_takes_its_counts_and_no_others() {
    let room = room_for(5);
    let first = join("leaving", 5).expect("a member");
    let second = join("leaving", 5).expect("another");
    assert_eq!([first.index(), second.index()], [0, 1]);
    let place = first.place("http://a").expect("a place");
    assert_eq!(second.place("http://a"), Some(place));
    open(&first, place, room);
    open(&first, place, room);
    open(&second, place, room);
    let (all, leased) = totals_of(&second, room);
    assert_eq!((all, leased[place as usize]), (Totals { connections: 3, leased: 3, waiting: 0 }, 3));
    drop(first);
    let (all, leased) = totals_of(&second, room);
    assert_eq!((all, leased[place as usize]), (Totals { connections: 1, leased: 1, waiting: 0 }, 1));
    assert_eq!(second.origins(), [(place, "http://a".to_owned())]);
    let region = second.region();
    drop(second);
    assert!(region.integers().iter().all(|word| word.load(Relaxed) == 0));
    // The name is free for another limit.
    assert!(join("leaving", 6).is_ok());
}

#[test]
fn limits_are_one_for_all_and_members_are_few() {
    let members: Vec<Member> = (0..MAX_MEMBERS).map(|_| join("crowd", 3).expect("a member")).collect();
    assert_eq!(join("crowd", 3).err(), Some(CoreError::TooManyMembers));
    assert_eq!(join("crowd", 4).err(), Some(CoreError::PoolLimit { expected: 3, got: 4 }));
    drop(members);
    assert!(join("crowd", 4).is_ok());
}

#[test]
fn caps_are_of_all_members_and_a_refusal_counts_nothing() {
    let members = [join("caps", 3).expect("a member"), join("caps", 3).expect("another")];
    let [first, second] = &members;
    let places = ["http://a", "http://b"].map(|origin| first.place(origin).expect("a place"));
    assert_eq!([first.reserve(places[0], 2), second.reserve(places[0], 2)], [Ok(()), Ok(())]);
    assert_eq!(first.reserve(places[0], 2), Err(Full::Endpoint));
    assert_eq!([second.reserve(places[1], 2), second.reserve(places[1], 2)], [Ok(()), Err(Full::Pool)]);
    // What is not its own, or no place at all, a member cannot give back.
    first.release(places[1]);
    first.release(u32::MAX);
    assert_eq!(first.reserve(u32::MAX, 2), Err(Full::Endpoint));
    assert_eq!(first.reserve(places[1], 2), Err(Full::Pool));
    second.release(places[1]);
    assert_eq!(first.reserve(places[1], 2), Ok(()));
    let words = first.region().integers();
    let in_all = [CONNECTIONS, HEADER + places[0] as usize, HEADER + places[1] as usize].map(|at| words[at].load(Relaxed));
    assert_eq!(in_all, [3, 2, 1]);
}

#[test]
fn caps_hold_among_threads() {
    const THREADS: usize = 4;
    let members: Vec<Member> = (0..THREADS).map(|_| join("caps of threads", 5).expect("a member")).collect();
    let place = members[0].place("http://a").expect("a place");
    let most = AtomicI32::new(0);
    let open = AtomicI32::new(0);
    std::thread::scope(|scope| {
        for member in &members {
            scope.spawn(|| {
                for _ in 0..20_000 {
                    if member.reserve(place, 3).is_ok() {
                        most.fetch_max(open.fetch_add(1, Relaxed) + 1, Relaxed);
                        open.fetch_sub(1, Relaxed);
                        member.release(place);
                    }
                }
            });
        }
    });
    assert!((1..=3).contains(&most.load(Relaxed)));
    assert_eq!(totals(members[0].region().integers(), room_for(5), &mut []).connections, 0);
}

#[test]
fn only_idle_connections_expire_and_as_many_as_asked_for() {
    let slots = [10.0, f64::INFINITY, 10.5, f64::NAN, f64::MAX];
    let mut found = [-1; 4];
    assert_eq!(expired(&slots, 9.9, &mut found), 0);
    assert_eq!(expired(&slots, 10.0, &mut found), 1);
    assert_eq!((expired(&slots, 1e300, &mut found), found), (2, [0, 2, -1, -1]));
    assert_eq!(expired(&slots, 1e300, &mut found[..1]), 1);
    assert_eq!(expired(&slots, f64::NAN, &mut found), 0);
}

#[test]
fn a_memory_of_any_length_is_read() {
    let words: Vec<AtomicI32> = (0..40).map(AtomicI32::new).collect();
    for len in 0..words.len() {
        for room in [0, 1, 16, 1000] {
            totals(&words[..len], room, &mut [0; 3]);
        }
    }
}

proptest! {
    /// Places are one for all members, held as long as anybody holds them, and never given twice.
    #[test]
    fn places_follow_a_model(steps in prop::collection::vec((0usize..3, 0u32..6, any::<bool>()), 1..80), name in "[a-z]{12}") {
        let members: Vec<Member> = (0..3).map(|_| join(&name, 2).expect("a member")).collect();
        let mut held: HashMap<String, (u32, u64)> = HashMap::new();
        for (member, origin, takes) in steps {
            let origin = format!("http://{origin}");
            let bit = 1 << member;
            if takes {
                let place = members[member].place(&origin).expect("room for all");
                let known = held.entry(origin).or_insert((place, 0));
                prop_assert_eq!(known.0, place);
                known.1 |= bit;
            } else if let Some((place, holders)) = held.get_mut(&origin) {
                members[member].forget(*place);
                *holders &= !bit;
                if *holders == 0 {
                    held.remove(&origin);
                }
            }
            let mut places: Vec<_> = members[0].origins();
            places.sort();
            let mut expected: Vec<_> = held.iter().map(|(origin, (place, _))| (*place, origin.clone())).collect();
            expected.sort();
            prop_assert_eq!(places.iter().map(|(place, _)| place).collect::<std::collections::HashSet<_>>().len(), places.len());
            prop_assert_eq!(places, expected);
        }
    }
}

/// The file that TypeScript replays too.
#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Vectors {
    expired: Vec<ExpiredVector>,
    totals: Vec<TotalsVector>,
    places: Vec<PlacesVector>,
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct ExpiredVector {
    name: String,
    /// `None` is without end.
    expires_at_ms: Vec<Option<f64>>,
    now_ms: f64,
    most: usize,
    found: Vec<i32>,
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct TotalsVector {
    name: String,
    max_connections: usize,
    connections: i32,
    members: Vec<Part>,
    total: Sum,
    leased: HashMap<usize, i32>,
}

#[derive(serde::Deserialize)]
struct Part {
    waiting: i32,
    places: HashMap<usize, i32>,
}

#[derive(serde::Deserialize)]
struct Sum {
    connections: i32,
    leased: i32,
    waiting: i32,
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct PlacesVector {
    max_connections: usize,
    steps: Vec<Step>,
    origins: HashMap<u32, String>,
}

#[derive(serde::Deserialize)]
#[serde(tag = "call", rename_all = "camelCase")]
enum Step {
    Place { member: usize, origin: String, answer: i64 },
    Forget { member: usize, place: u32 },
    Leave { member: usize },
}

fn vectors() -> Vectors {
    serde_json::from_str(include_str!("../../../../test/vectors/connection-pool.json")).expect("the vectors")
}

#[test]
fn expired_as_the_vectors_say() {
    for vector in vectors().expired {
        let expires_at_ms: Vec<f64> = vector.expires_at_ms.iter().map(|at_ms| at_ms.unwrap_or(f64::INFINITY)).collect();
        let mut found = vec![-1; vector.most];
        let count = expired(&expires_at_ms, vector.now_ms, &mut found);
        assert_eq!(found[..count], vector.found, "{}", vector.name);
    }
}

#[test]
fn totals_as_the_vectors_say() {
    for vector in vectors().totals {
        let room = room_for(vector.max_connections);
        let words: Vec<AtomicI32> = (0..words_for(room)).map(|_| AtomicI32::new(0)).collect();
        words[CONNECTIONS].store(vector.connections, Relaxed);
        for (member, part) in vector.members.iter().enumerate() {
            words[own_at(room, member) + OWN_WAITING].store(part.waiting, Relaxed);
            for (place, count) in &part.places {
                words[own_at(room, member) + HEADER + room + place].store(*count, Relaxed);
            }
        }
        let mut leased = vec![7; room];
        let Sum { connections, leased: all, waiting } = vector.total;
        assert_eq!(totals(&words, room, &mut leased), Totals { connections, leased: all, waiting }, "{}", vector.name);
        for (place, count) in leased.iter().enumerate() {
            assert_eq!(*count, vector.leased.get(&place).copied().unwrap_or(0), "{}", vector.name);
        }
    }
}

#[test]
fn places_as_the_vectors_say() {
    for (index, vector) in vectors().places.into_iter().enumerate() {
        let name = format!("vector {index}");
        let mut members: Vec<Option<Member>> = (0..3).map(|_| join(&name, vector.max_connections).ok()).collect();
        for step in vector.steps {
            match step {
                Step::Place { member, origin, answer } => {
                    let place = members[member].as_ref().and_then(|member| member.place(&origin)).map_or(-1, i64::from);
                    assert_eq!(place, answer, "{origin}");
                }
                Step::Forget { member, place } => members[member].as_ref().expect("a member").forget(place),
                Step::Leave { member } => members[member] = None,
            }
        }
        let origins: HashMap<u32, String> = members[0].as_ref().expect("a member").origins().into_iter().collect();
        assert_eq!(origins, vector.origins);
    }
}
