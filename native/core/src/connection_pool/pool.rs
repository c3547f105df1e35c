//! Pools by name, their members, and the places of endpoints.

use super::{CONNECTIONS, HEADER, MAX_MEMBERS, OWN_CONNECTIONS, own_at, room_for, words_for};
use crate::CoreError;
use crate::shared_memory::Region;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::atomic::AtomicI32;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Release};
use std::sync::{Arc, LazyLock};

static POOLS: LazyLock<Mutex<HashMap<String, Arc<Pool>>>> = LazyLock::new(Mutex::default);

struct Pool {
    name: String,
    max_connections: usize,
    room: usize,
    region: Region,
    names: Mutex<Names>,
}

#[derive(Default)]
struct Names {
    /// A bit per member.
    members: u64,
    places: HashMap<String, Place>,
    free: Vec<u32>,
    used: u32,
}

struct Place {
    number: u32,
    /// A bit per member that holds it.
    holders: u64,
}

/// Which cap is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    Endpoint,
    Pool,
}

/// One instance's part in a pool. What it counted leaves the books with it.
pub struct Member {
    pool: Arc<Pool>,
    index: usize,
}

/// The name of the memory of a pool: another limit is another memory, as a region keeps its size.
fn region_name(name: &str, max_connections: usize) -> String {
    format!("connection pool {max_connections} {name}")
}

/// Joins the pool of this name as one more member.
///
/// # Errors
/// When a member counts with another limit, or there are 64.
pub fn join(name: &str, max_connections: usize) -> Result<Member, CoreError> {
    let mut pools = POOLS.lock();
    let pool = match pools.get(name) {
        Some(pool) if pool.max_connections == max_connections => Arc::clone(pool),
        Some(pool) => return Err(CoreError::PoolLimit { expected: pool.max_connections, got: max_connections }),
        None => {
            let room = room_for(max_connections);
            let region = Region::named(&region_name(name, max_connections), words_for(room) * size_of::<i32>())?;
            let pool = Arc::new(Pool { name: name.to_owned(), max_connections, room, region, names: Mutex::default() });
            pools.insert(name.to_owned(), Arc::clone(&pool));
            pool
        }
    };
    let index = {
        let mut names = pool.names.lock();
        let index = names.members.trailing_ones() as usize;
        if index == MAX_MEMBERS {
            return Err(CoreError::TooManyMembers);
        }
        names.members |= 1 << index;
        index
    };
    Ok(Member { pool, index })
}

impl Member {
    #[must_use]
    pub fn index(&self) -> usize {
        self.index
    }

    /// The memory, under a name that stays with it.
    #[must_use]
    pub fn region(&self) -> Region {
        self.pool.region
    }

    /// The place of an endpoint, the same for all members, held until `forget`; `None` where all
    /// are held.
    #[must_use]
    pub fn place(&self, origin: &str) -> Option<u32> {
        let mut names = self.pool.names.lock();
        let bit = 1 << self.index;
        if let Some(place) = names.places.get_mut(origin) {
            place.holders |= bit;
            return Some(place.number);
        }
        let number = match names.free.pop() {
            Some(number) => number,
            None if (names.used as usize) < self.pool.room => {
                names.used += 1;
                names.used - 1
            }
            None => return None,
        };
        names.places.insert(origin.to_owned(), Place { number, holders: bit });
        Some(number)
    }

    /// Counts one more connection to the endpoint of a place, which must be the member's.
    ///
    /// # Errors
    /// When the endpoint has so many already, or the pool is full.
    pub fn reserve(&self, place: u32, most_per_endpoint: usize) -> Result<(), Full> {
        let pool = &self.pool;
        let Some([all, here, own, own_here]) = self.counts(place) else { return Err(Full::Endpoint) };
        if !raise(here, most_per_endpoint) {
            return Err(Full::Endpoint);
        }
        if !raise(all, pool.max_connections) {
            here.fetch_sub(1, AcqRel);
            return Err(Full::Pool);
        }
        own.fetch_add(1, AcqRel);
        own_here.fetch_add(1, AcqRel);
        Ok(())
    }

    /// Counts one less, of those that `reserve` has counted.
    pub fn release(&self, place: u32) {
        let Some(counts) = self.counts(place) else { return };
        let [_, _, _, own_here] = counts;
        if own_here.load(Acquire) > 0 {
            for count in counts {
                count.fetch_sub(1, AcqRel);
            }
        }
    }

    /// Connections in all, to the endpoint, the member's, and the member's to the endpoint; `None`
    /// for what is no place.
    fn counts(&self, place: u32) -> Option<[&'static AtomicI32; 4]> {
        let words = self.pool.region.integers();
        let own = own_at(self.pool.room, self.index);
        let place = HEADER + place as usize;
        (place < HEADER + self.pool.room).then(|| [&words[CONNECTIONS], &words[place], &words[own + OWN_CONNECTIONS], &words[own + place]])
    }

    /// Gives a place back.
    pub fn forget(&self, number: u32) {
        self.pool.names.lock().release(self.index, |place| place.number == number);
    }

    /// The origins of all places that are held.
    #[must_use]
    pub fn origins(&self) -> Vec<(u32, String)> {
        let names = self.pool.names.lock();
        names.places.iter().map(|(origin, place)| (place.number, origin.clone())).collect()
    }
}

impl Names {
    fn release(&mut self, member: usize, which: impl Fn(&Place) -> bool) {
        let bit = 1 << member;
        let free = &mut self.free;
        self.places.retain(|_, place| {
            if place.holders & bit == 0 || !which(place) {
                return true;
            }
            place.holders &= !bit;
            if place.holders == 0 {
                free.push(place.number);
            }
            place.holders != 0
        });
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let mut pools = POOLS.lock();
        let pool = &self.pool;
        let words = pool.region.integers();
        let own = own_at(pool.room, self.index);
        give_back(&words[CONNECTIONS], &words[own + OWN_CONNECTIONS]);
        for place in 0..pool.room {
            give_back(&words[HEADER + place], &words[own + HEADER + place]);
        }
        for word in &words[own..own_at(pool.room, self.index + 1)] {
            word.store(0, Release);
        }
        let mut names = pool.names.lock();
        names.release(self.index, |_| true);
        names.members &= !(1 << self.index);
        if names.members == 0 {
            pools.remove(&pool.name);
        }
    }
}

/// Adds 1 where that stays within `most`.
fn raise(count: &AtomicI32, most: usize) -> bool {
    let most = i32::try_from(most).unwrap_or(i32::MAX);
    count.fetch_update(AcqRel, Acquire, |count| (count < most).then_some(count + 1)).is_ok()
}

fn give_back(all: &AtomicI32, own: &AtomicI32) {
    all.fetch_sub(own.load(Acquire), AcqRel);
}
