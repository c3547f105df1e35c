//! Rate limits: who may pass, decided and taken in one step, exact in every thread of the process.
//!
//! A key costs 32 bytes and its share of an index of 4-byte entries while little was taken under it, and a queue of at most 64 instants when much was. Where
//! busy keys are asked about, each entry has a hint of 4 bytes beside it.

mod busy;
mod forgotten;
mod hints;
mod index;
mod key;
mod lend;
mod log;
mod policy;
mod registry;
mod ring;
mod several;
mod shard;
mod slot;
mod space;
mod state;
mod verdict;

#[cfg(test)]
mod oracle_tests;
#[cfg(test)]
mod space_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod vector_tests;

pub use key::{Key, hash_text, secret};
pub use lend::STATE_NUMBERS;
pub use policy::{Code, Policy, Spec};
pub use registry::{intern, policy_of, release};
pub use several::Scope;
pub use space::{Space, Stats};
pub use verdict::{Ask, DECISION_FIELDS, Decision};

use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

/// A space that is open, and how often.
struct Open {
    name: Option<String>,
    space: Arc<Space>,
    times: usize,
}

#[derive(Default)]
struct Spaces {
    open: HashMap<u32, Open>,
    named: HashMap<String, u32>,
    next: u32,
}

static SPACES: LazyLock<Mutex<Spaces>> = LazyLock::new(Mutex::default);

/// Opens a space: one for all who name it, or a private one.
pub fn open(name: Option<&str>, max_keys: usize) -> (u32, Arc<Space>) {
    let mut spaces = SPACES.lock();
    let spaces = &mut *spaces;
    if let Some(&handle) = name.and_then(|name| spaces.named.get(name))
        && let Some(open) = spaces.open.get_mut(&handle)
    {
        open.times += 1;
        open.space.set_max_keys(max_keys);
        return (handle, Arc::clone(&open.space));
    }
    let handle = spaces.next;
    spaces.next += 1;
    if let Some(name) = name {
        spaces.named.insert(name.to_owned(), handle);
    }
    let space = Arc::new(Space::new(max_keys));
    let open = Open { name: name.map(str::to_owned), space: Arc::clone(&space), times: 1 };
    spaces.open.insert(handle, open);
    (handle, space)
}

/// Closes what one `open` opened; the last one forgets the keys, once no thread decides in it.
pub fn close(handle: u32) {
    let mut spaces = SPACES.lock();
    let Some(open) = spaces.open.get_mut(&handle) else {
        return;
    };
    open.times -= 1;
    if open.times == 0
        && let Some(Open { name: Some(name), .. }) = spaces.open.remove(&handle)
    {
        spaces.named.remove(&name);
    }
}
