//! Routing: `lib/router/engine/native.ts` hands over the arrays that JavaScript works on.

use crate::error::{Error, Result, from_core};
use crate::shared_words::SharedWords;
use fast_litellm_core::router::{self, Members, Memory, Participant, Question, Seen};
use napi::bindgen_prelude::{Float64ArraySlice, Int32ArraySlice, Uint8ArraySlice};
use napi_derive::napi;
use std::cell::RefCell;
use std::sync::atomic::{AtomicI32, AtomicU64};

/// Where a question's answers are written.
const WAKE_AT_MS: usize = 8;
const COUNT: usize = 9;

thread_local! {
    /// The states that this thread takes part in. A thread that ends gives back what it had under way.
    static PARTICIPANTS: RefCell<Vec<Participant>> = const { RefCell::new(Vec::new()) };
}

/// Takes part in the state of this name, and gives the number of this thread in it: its memory is `router/<name>`, that of what all threads have under way
/// `router/<name>/threads`, a row for each.
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

/// The position of the best member, or -1.
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
    let members = members(&ints, &doubles, rows.words(), &slots, &facts)?;
    let (found, count) = router::scan(&members, &excluded, &asked(&question)?);
    // SAFETY: an array of the caller's that nobody else uses meanwhile: JavaScript does not run.
    let numbers = unsafe { question.as_mut() };
    numbers[COUNT] = count as f64;
    Ok(found.map_or(-1, |position| position as i32))
}

/// Ranks the members.
#[napi(catch_unwind)]
#[allow(clippy::too_many_arguments, reason = "arrays cross the border, objects cost more than the work")]
pub fn router_rank(
    #[napi(ts_arg_type = "Int32Array")] ints: SharedWords<AtomicI32>,
    #[napi(ts_arg_type = "Float64Array")] doubles: SharedWords<AtomicU64>,
    #[napi(ts_arg_type = "Int32Array")] rows: SharedWords<AtomicI32>,
    slots: Int32ArraySlice,
    facts: Float64ArraySlice,
    mut question: Float64ArraySlice,
    mut keys: Float64ArraySlice,
    ties: Int32ArraySlice,
    mut winners: Int32ArraySlice,
) -> Result<()> {
    let members = members(&ints, &doubles, rows.words(), &slots, &facts)?;
    let asked = asked(&question)?;
    if keys.len() < members.len() || ties.len() != keys.len() || winners.len() != 2 * keys.len() {
        return Err(wrong("keys, ties and winners"));
    }
    // SAFETY: arrays of the caller's that nobody else uses meanwhile: JavaScript does not run.
    let (keys, winners, numbers) = unsafe { (keys.as_mut(), winners.as_mut(), question.as_mut()) };
    tell(numbers, &router::rank(&members, &asked, keys, &ties, winners));
    Ok(())
}

/// Makes the alias table.
#[napi(catch_unwind)]
pub fn router_lottery(
    #[napi(ts_arg_type = "Int32Array")] ints: SharedWords<AtomicI32>,
    #[napi(ts_arg_type = "Float64Array")] doubles: SharedWords<AtomicU64>,
    slots: Int32ArraySlice,
    facts: Float64ArraySlice,
    mut question: Float64ArraySlice,
    mut chances: Float64ArraySlice,
    mut aliases: Int32ArraySlice,
) -> Result<()> {
    // How many requests are under way does not matter to a draw.
    let members = members(&ints, &doubles, &[], &slots, &facts)?;
    let asked = asked(&question)?;
    if chances.len() < members.len() || aliases.len() < 2 * members.len() {
        return Err(wrong("chances and aliases"));
    }
    // SAFETY: as above.
    let (chances, aliases, numbers) = unsafe { (chances.as_mut(), aliases.as_mut(), question.as_mut()) };
    tell(numbers, &router::lottery(&members, &asked, chances, aliases));
    Ok(())
}

fn tell(numbers: &mut [f64], seen: &Seen) {
    numbers[WAKE_AT_MS] = seen.wake_at_ms;
    numbers[COUNT] = seen.count as f64;
}

fn wrong(what: &str) -> Error {
    Error::new("INVALID_ARGUMENT", format!("{what}: must have the lengths of a router's arrays"))
}

fn members<'a>(
    ints: &'a SharedWords<AtomicI32>,
    doubles: &'a SharedWords<AtomicU64>,
    rows: &'a [AtomicI32],
    slots: &'a [i32],
    facts: &'a [f64],
) -> Result<Members<'a>> {
    let memory = Memory::new(ints.words(), doubles.words(), rows).ok_or_else(|| wrong("ints and doubles"))?;
    Members::new(memory, slots, facts).ok_or_else(|| wrong("slots and facts"))
}

fn asked(question: &[f64]) -> Result<Question> {
    question.try_into().ok().and_then(Question::read).ok_or_else(|| wrong("question"))
}
