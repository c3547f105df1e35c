//! Members of a pool against plain counts: caps hold, what a member counted leaves with it, and a
//! memory that JavaScript scribbled on harms nothing.
#![no_main]

use fast_litellm_core::CoreError;
use fast_litellm_core::connection_pool::{CONNECTIONS, Full, HEADER, MAX_MEMBERS, Member, expired, join, own_at, room_for, totals};
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering::Relaxed;

const LIMITS: [usize; 4] = [1, 3, 16, 100];
const STEPS: usize = 300;

#[derive(Arbitrary, Debug)]
enum Call {
    Join,
    JoinWith { limit: u32 },
    Leave,
    Place { origin: String },
    Reserve { place: u8, most: u8 },
    ReserveAny { place: u32, most: u32 },
    Release { place: u8 },
    ReleaseAny { place: u32 },
    Forget { place: u8 },
    Scribble { at: u16, word: i32 },
}

#[derive(Arbitrary, Debug)]
struct Input {
    limit: u8,
    steps: Vec<(u8, Call)>,
    expires: Vec<f64>,
    now_ms: f64,
    found: u8,
}

/// A member as it should be: connections by place, and the places that it holds.
struct Known {
    member: Member,
    connections: BTreeMap<u32, usize>,
    held: BTreeSet<u32>,
}

struct Run {
    limit: usize,
    members: Vec<Known>,
    /// Nothing is known any more once JavaScript has written what it likes.
    is_scribbled: bool,
    origins: BTreeMap<String, u32>,
}

impl Run {
    fn all(&self) -> usize {
        self.members.iter().flat_map(|known| known.connections.values()).sum()
    }

    fn at(&self, place: u32) -> usize {
        self.members.iter().filter_map(|known| known.connections.get(&place)).sum()
    }

    fn join(&mut self, limit: usize) {
        match join("fuzz", limit) {
            Ok(member) => {
                assert!(limit == self.limit || self.members.is_empty());
                self.limit = limit;
                assert!(self.members.iter().all(|known| known.member.index() != member.index()));
                self.members.push(Known { member, connections: BTreeMap::new(), held: BTreeSet::new() });
            }
            Err(CoreError::TooManyMembers) => assert_eq!(self.members.len(), MAX_MEMBERS),
            Err(CoreError::PoolLimit { expected, got }) => assert_eq!((expected, got), (self.limit, limit)),
            Err(CoreError::RegionBytes(_)) => assert!(self.members.is_empty()),
            Err(error) => panic!("{error}"),
        }
    }

    fn reserve(&mut self, who: usize, place: u32, most: usize) {
        let (all, here) = (self.all(), self.at(place));
        let is_place = (place as usize) < room_for(self.limit);
        let known = &mut self.members[who];
        let answer = known.member.reserve(place, most);
        if self.is_scribbled {
            return;
        }
        let expected = if !is_place || here >= most {
            Err(Full::Endpoint)
        } else if all >= self.limit {
            Err(Full::Pool)
        } else {
            *known.connections.entry(place).or_default() += 1;
            Ok(())
        };
        assert_eq!(answer, expected);
    }

    fn release(&mut self, who: usize, place: u32) {
        let known = &mut self.members[who];
        known.member.release(place);
        if let Some(count) = known.connections.get_mut(&place) {
            *count = count.saturating_sub(1);
        }
    }

    fn forget(&mut self, who: usize, place: u32) {
        let known = &mut self.members[who];
        known.member.forget(place);
        known.held.remove(&place);
        self.drop_origins();
    }

    /// A place is free once no member holds it.
    fn drop_origins(&mut self) {
        let members = &self.members;
        self.origins.retain(|_, place| members.iter().any(|known| known.held.contains(place)));
    }

    fn place(&mut self, who: usize, origin: &str) {
        let place = self.members[who].member.place(origin);
        match (place, self.origins.get(origin)) {
            (Some(place), Some(known)) => assert_eq!(place, *known),
            (Some(place), None) => assert!((place as usize) < room_for(self.limit) && self.origins.values().all(|held| *held != place)),
            (None, known) => assert!(known.is_none() && self.origins.len() == room_for(self.limit)),
        }
        if let Some(place) = place {
            self.origins.insert(origin.to_owned(), place);
            self.members[who].held.insert(place);
        }
    }

    fn step(&mut self, who: u8, call: &Call) {
        match call {
            Call::Join => return self.join(self.limit),
            Call::JoinWith { limit } => {
                return if *limit > 1 << 22 {
                    self.join(*limit as usize)
                };
            }
            _ if self.members.is_empty() => return,
            _ => {}
        }
        let who = usize::from(who) % self.members.len();
        match *call {
            Call::Join | Call::JoinWith { .. } => {}
            Call::Leave => {
                drop(self.members.swap_remove(who));
                self.drop_origins();
            }
            Call::Place { ref origin } => self.place(who, origin),
            Call::Reserve { place, most } => self.reserve(who, place.into(), most.into()),
            Call::ReserveAny { place, most } => self.reserve(who, place, most as usize),
            Call::Release { place } => self.release(who, place.into()),
            Call::ReleaseAny { place } => self.release(who, place),
            Call::Forget { place } => self.forget(who, place.into()),
            Call::Scribble { at, word } => {
                let words = self.members[who].member.region().integers();
                words[usize::from(at) % words.len()].store(word, Relaxed);
                self.is_scribbled = true;
            }
        }
    }

    fn check(&self) {
        let Some(known) = self.members.first() else { return };
        let mut origins = known.member.origins();
        origins.sort();
        let mut expected: Vec<_> = self.origins.iter().map(|(origin, place)| (*place, origin.clone())).collect();
        expected.sort();
        assert_eq!(origins, expected);
        let (words, room) = (known.member.region().integers(), room_for(self.limit));
        let mut leased = vec![-1; room];
        let all = totals(words, room, &mut leased);
        totals(words, room * 2, &mut leased[..room / 2]);
        if self.is_scribbled {
            return;
        }
        assert_eq!((all.connections as usize, all.leased, all.waiting), (self.all(), 0, 0));
        assert_eq!(words[CONNECTIONS].load(Relaxed) as usize, self.all());
        for known in &self.members {
            let own = own_at(room, known.member.index());
            for (place, count) in &known.connections {
                assert_eq!(words[own + HEADER + *place as usize].load(Relaxed) as usize, *count);
            }
        }
    }
}

fuzz_target!(|input: Input| {
    let mut found = vec![-1; usize::from(input.found)];
    let count = expired(&input.expires, input.now_ms, &mut found);
    let over = input.expires.iter().enumerate().filter(|(_, at_ms)| **at_ms <= input.now_ms).map(|(slot, _)| slot as i32);
    assert!(over.take(found.len()).eq(found[..count].iter().copied()));

    let limit = LIMITS[usize::from(input.limit) % LIMITS.len()];
    // The region outlives the pool: what another input scribbled goes first.
    join("fuzz", limit).expect("a member").region().integers().iter().for_each(|word| word.store(0, Relaxed));
    let mut run = Run { limit, members: Vec::new(), is_scribbled: false, origins: BTreeMap::new() };
    for (who, call) in input.steps.iter().take(STEPS) {
        run.step(*who, call);
    }
    run.check();
});
