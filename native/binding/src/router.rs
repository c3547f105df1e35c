//! Routing: `lib/router/engine/native.ts` passes the arrays that JavaScript reads and writes.

use crate::error::{Error, Result, from_core};
use crate::shared_words::SharedWords;
use fast_litellm_core::router::{self, COUNT, Members, Memory, Participant, QUESTION, Question, Strategy};
use napi::bindgen_prelude::{Float64ArraySlice, Int32ArraySlice, Uint8ArraySlice};
use napi_derive::napi;
use std::cell::RefCell;
use std::sync::atomic::{AtomicI32, AtomicU64};

thread_local! {
    /// The states that this thread takes part in. They are left when the thread ends, which
    /// releases its requests in flight.
    static PARTICIPANTS: RefCell<Vec<Participant>> = const { RefCell::new(Vec::new()) };
}

/// Takes part in the state of this name, and returns the number of this thread in it. Its memory is
/// `router/<name>`;
/// `router/<name>/threads` holds a row of requests in flight per thread.
#[napi(catch_unwind)]
pub fn router_open(name: String, capacity: u32) -> Result<u32> {
    PARTICIPANTS.with_borrow_mut(|participants| {
        if let Some(known) = participants.iter().find(|participant| participant.name() == name) {
            return Ok(known.thread);
        }
        let participant = Participant::new(&name, capacity as usize).map_err(|error| from_core(&error))?;
        let thread = participant.thread;
        participants.push(participant);
        Ok(thread)
    })
}

/// The slot of a deployment in the state of this name, or -1.
#[napi(catch_unwind)]
#[must_use]
pub fn router_slot(name: String, id: String) -> i32 {
    router::slot(&name, &id).map_or(-1, |slot| slot as i32)
}

/// The position of the member that the strategy prefers, or -1.
#[napi(catch_unwind)]
pub fn router_scan(
    #[napi(ts_arg_type = "Int32Array")] ints: SharedWords<AtomicI32>,
    #[napi(ts_arg_type = "Float64Array")] doubles: SharedWords<AtomicU64>,
    #[napi(ts_arg_type = "Int32Array")] rows: SharedWords<AtomicI32>,
    slots: Int32ArraySlice,
    facts: Float64ArraySlice,
    excluded: Uint8ArraySlice,
    mut question: Float64ArraySlice,
) -> Result<i32> {
    let memory = Memory::new(ints.words(), doubles.words(), rows.words()).ok_or_else(|| wrong("ints and doubles"))?;
    let members = Members::new(memory, &slots, &facts).ok_or_else(|| wrong("slots and facts"))?;
    let numbers: &[f64; QUESTION] = (*question).try_into().map_err(|_| wrong("question"))?;
    let strategy = Strategy::from_number(numbers[0]).ok_or_else(|| wrong("question"))?;
    let (found, count) = router::scan(&members, strategy, &excluded, &Question::read(numbers));
    // SAFETY: the array belongs to the caller, and JavaScript does not run meanwhile.
    let answers = unsafe { question.as_mut() };
    answers[COUNT] = count as f64;
    Ok(found.map_or(-1, |position| position as i32))
}

fn wrong(what: &str) -> Error {
    Error::new("INVALID_ARGUMENT", format!("{what}: must have the lengths of a router's arrays"))
}
