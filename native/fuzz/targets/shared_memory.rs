//! Regions, states of routers and their slots, by any name and size.
#![no_main]

use fast_litellm_core::CoreError;
use fast_litellm_core::router::{Participant, slot};
use fast_litellm_core::shared_memory::Region;
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use std::cell::RefCell;
use std::collections::HashMap;

/// Regions are never given back: names and sizes are few.
const NAMES: u8 = 64;
const LARGEST: u32 = 1 << 16;
const TOO_LARGE: u32 = 1 << 30;

#[derive(Arbitrary, Debug)]
enum Call {
    Region { bytes: u32 },
    Open { capacity: u32 },
    Leave,
    Slot { id: String },
}

thread_local! {
    static SIZES: RefCell<HashMap<String, usize>> = RefCell::default();
    static CAPACITIES: RefCell<HashMap<String, usize>> = RefCell::default();
}

fn check_region(name: &str, bytes: usize) {
    SIZES.with_borrow_mut(|sizes| match Region::named(name, bytes) {
        Ok(region) => {
            assert_eq!((region.bytes(), region.integers().len(), region.doubles().len()), (bytes, bytes / 4, bytes / 8));
            assert_eq!(*sizes.entry(name.to_owned()).or_insert(bytes), bytes);
        }
        Err(CoreError::RegionSize { expected, got }) => assert_eq!((sizes.get(name), got), (Some(&expected), bytes)),
        Err(CoreError::RegionBytes(_)) => assert!(bytes == 0 || bytes % 8 != 0 || bytes > TOO_LARGE as usize),
        Err(error) => panic!("{error}"),
    });
}

fuzz_target!(|steps: Vec<(u8, Call)>| {
    let mut participants: Vec<Participant> = Vec::new();
    for (name, call) in steps.iter().take(200) {
        let name = format!("fuzz {}", name % NAMES);
        match call {
            Call::Region { bytes } if *bytes > LARGEST && *bytes <= TOO_LARGE => check_region(&name, *bytes as usize % LARGEST as usize),
            Call::Region { bytes } => check_region(&name, *bytes as usize),
            Call::Open { capacity } => {
                let capacity = if *capacity > TOO_LARGE { *capacity as usize } else { *capacity as usize % 256 };
                match Participant::new(&name, capacity) {
                    Ok(participant) => {
                        assert_eq!(participant.name(), name);
                        let known = CAPACITIES.with_borrow_mut(|all| *all.entry(name.clone()).or_insert(capacity));
                        assert_eq!(participant.memory().map(|memory| memory.capacity()), Some(known));
                        assert!(participants.iter().all(|other| other.name() != name || other.thread != participant.thread));
                        participants.push(participant);
                    }
                    Err(CoreError::TooManyMembers) => assert_eq!(participants.iter().filter(|other| other.name() == name).count(), 64),
                    Err(CoreError::RegionBytes(_) | CoreError::RegionSize { .. }) => {}
                    Err(error) => panic!("{error}"),
                }
            }
            Call::Leave => drop(participants.pop()),
            Call::Slot { id } => {
                let found = slot(&name, id);
                assert_eq!(found, slot(&name, id));
                let capacity = CAPACITIES.with_borrow(|all| all.get(&name).copied()).unwrap_or(0);
                assert!(found.is_none_or(|slot| (slot as usize) < capacity));
            }
        }
    }
});
