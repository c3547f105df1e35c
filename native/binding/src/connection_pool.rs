//! The books of connection pools that threads share.

use crate::error::{Error, Result, from_core};
use crate::shared_words::SharedWords;
use fast_litellm_core::connection_pool::{self, Full, Member};
use napi::bindgen_prelude::{Float64ArraySlice, Int32ArraySlice};
use napi::{Env, sys};
use napi_derive::napi;
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::atomic::AtomicI32;

/// Of all members of a pool together.
#[napi(object)]
pub struct ConnectionPoolTotals {
    pub connections: i32,
    pub leased: i32,
    pub waiting: i32,
}

/// An endpoint and its place in the memory.
#[napi(object)]
pub struct ConnectionPoolPlace {
    pub place: u32,
    pub origin: String,
}

/// A membership: its handle, and which part of the memory is its own.
#[napi(object)]
pub struct ConnectionPoolMember {
    pub handle: u32,
    pub member: u32,
}

#[derive(Default)]
struct Members {
    last: u32,
    open: HashMap<u32, (sys::napi_env, Member)>,
}

thread_local! {
    static MEMBERS: RefCell<Members> = RefCell::default();
}

/// Joins the pool of this name. An environment that ends leaves the pools that it joined. Throws
/// `INVALID_ARGUMENT` and `OUT_OF_RESOURCES`.
#[napi(catch_unwind)]
pub fn connection_pool_join(env: Env, name: String, max_connections: u32) -> Result<ConnectionPoolMember> {
    let member = connection_pool::join(&name, max_connections as usize).map_err(|error| from_core(&error))?;
    let index = member.index() as u32;
    let raw = env.raw();
    let (handle, known) = MEMBERS.with_borrow_mut(|members| {
        let known = members.open.values().any(|(env, _)| *env == raw);
        members.last += 1;
        members.open.insert(members.last, (raw, member));
        (members.last, known)
    });
    if !known {
        // Dropped members leave.
        env.add_env_cleanup_hook(raw, |env| MEMBERS.with_borrow_mut(|members| members.open.retain(|_, (owner, _)| *owner != env)))
            .map_err(|error| Error::new("OUT_OF_RESOURCES", error.to_string()))?;
    }
    Ok(ConnectionPoolMember { handle, member: index })
}

/// Takes what the member counted out of the books. More than once is safe.
#[napi(catch_unwind)]
pub fn connection_pool_leave(handle: u32) {
    MEMBERS.with_borrow_mut(|members| members.open.remove(&handle));
}

/// The place of an endpoint, the same for all members; -1 where all are held. Throws
/// `INVALID_ARGUMENT`.
#[napi(catch_unwind)]
pub fn connection_pool_place(handle: u32, origin: String) -> Result<i32> {
    with_member(handle, |member| member.place(&origin).map_or(-1, |place| place as i32))
}

/// Counts one more connection to the endpoint of a place: 1, or 0 where that is at its cap, or -1
/// where the pool is. Throws `INVALID_ARGUMENT`.
#[napi(catch_unwind)]
pub fn connection_pool_reserve(handle: u32, place: u32, most_per_endpoint: u32) -> Result<i32> {
    with_member(handle, |member| match member.reserve(place, most_per_endpoint as usize) {
        Ok(()) => 1,
        Err(Full::Endpoint) => 0,
        Err(Full::Pool) => -1,
    })
}

/// Counts one less. Throws `INVALID_ARGUMENT`.
#[napi(catch_unwind)]
pub fn connection_pool_release(handle: u32, place: u32) -> Result<()> {
    with_member(handle, |member| member.release(place))
}

/// Gives a place back. Throws `INVALID_ARGUMENT`.
#[napi(catch_unwind)]
pub fn connection_pool_forget(handle: u32, place: u32) -> Result<()> {
    with_member(handle, |member| member.forget(place))
}

/// The origins of all places that are held. Throws `INVALID_ARGUMENT`.
#[napi(catch_unwind)]
pub fn connection_pool_origins(handle: u32) -> Result<Vec<ConnectionPoolPlace>> {
    with_member(handle, |member| member.origins().into_iter().map(|(place, origin)| ConnectionPoolPlace { place, origin }).collect())
}

/// Writes the slots of connections whose time is over into `found`, and returns how many.
#[napi(catch_unwind)]
pub fn connection_pool_expired(expires_at_ms: Float64ArraySlice, now_ms: f64, mut found: Int32ArraySlice) -> u32 {
    // SAFETY: JavaScript waits meanwhile, and the arrays are two.
    connection_pool::expired(&expires_at_ms, now_ms, unsafe { found.as_mut() }) as u32
}

/// Adds the members up; `leased` gets the leased connections per place.
#[napi(catch_unwind)]
pub fn connection_pool_totals(
    #[napi(ts_arg_type = "Int32Array")] words: SharedWords<AtomicI32>,
    room: u32,
    mut leased: Int32ArraySlice,
) -> ConnectionPoolTotals {
    // SAFETY: JavaScript waits meanwhile, and the array is its own.
    let totals = connection_pool::totals(words.words(), room as usize, unsafe { leased.as_mut() });
    ConnectionPoolTotals { connections: totals.connections, leased: totals.leased, waiting: totals.waiting }
}

fn with_member<T>(handle: u32, work: impl FnOnce(&Member) -> T) -> Result<T> {
    MEMBERS.with_borrow(|members| match members.open.get(&handle) {
        Some((_, member)) => Ok(work(member)),
        None => Err(Error::new("INVALID_ARGUMENT", "handle: must be of a member".to_owned())),
    })
}
