//! Finds borders that no token of the vocabulary spans: a long piece may be cut there.

use crate::token_counter::split::case_cuts::CaseCuts;
use crate::token_counter::split::characters::Characters;
use crate::token_counter::split::spanned::{character, may_be_crossed};

/// What is known of where no token crosses; a piece may be cut there, and its parts are shown as if
/// they were pieces.
#[derive(Clone, Copy)]
pub struct Cuts<'a> {
    /// The bitmap of pairs.
    pub spanned: &'a [u8],
    /// Where the pattern does not cut there itself.
    pub case: Option<&'a CaseCuts>,
    /// Where merges start from characters.
    pub characters: Option<&'a Characters>,
}

/// Length of the first part of the `len` bytes at `at`, which is all of them when there is nowhere
/// to cut.
///
/// # Safety
/// `bitmap` is a vocabulary's; `len >= 1` bytes of UTF-8 from a character's start, and four more,
/// are readable at `at`.
#[inline(always)]
pub unsafe fn first_part(bitmap: &[u8], at: *const u8, len: usize) -> usize {
    // SAFETY: positions stay below `len`.
    unsafe {
        let (mut left, mut position) = character(at);
        while position < len {
            let (right, length) = character(at.add(position));
            if left >= 0x80 && !may_be_crossed(bitmap, left, *at.add(position - 1), right) {
                return position;
            }
            left = right;
            position += length;
        }
    }
    len
}

/// Calls `part` with the parts that a piece may be cut into, in order.
///
/// # Safety
/// As for [`first_part`].
#[inline(always)]
pub unsafe fn parts(bitmap: &[u8], at: *const u8, len: usize, mut part: impl FnMut(*const u8, usize)) {
    let mut done = 0;
    while done < len {
        // SAFETY: `done < len`.
        unsafe {
            let start = at.add(done);
            let length = first_part(bitmap, start, len - done);
            part(start, length);
            done += length;
        }
    }
}
