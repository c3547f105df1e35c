//! The characters beyond ASCII in a window: their bytes join the masks of their class, so that the window need not end before them.

use super::classes::{LOWER, MARK, OTHER_LETTER, UPPER, class_of};
use super::classify::{Classify, Masks};
use super::cuts::may_be_crossed;
use super::machine::by_machine;

// What `classify_each` makes of the digits of a class.
const _: () = assert!(UPPER == 0b001 && LOWER == 0b010 && OTHER_LETTER == 0b011 && MARK == 0b100);

/// What a window's masks do not tell of these characters.
#[derive(Default, Clone, Copy)]
pub struct Wide {
    /// Letters that o200k takes for upper and for lower case.
    pub either: u64,
    /// In o200k a part of words too, or of punctuation, elsewhere punctuation.
    pub marks: u64,
    /// All bytes of a character but its first.
    pub(super) inner: u64,
    /// The characters, by their first byte, behind which and another of them no token is: where a piece may be cut, see `cuts.rs`.
    pub cuts: u64,
}

/// Whether pieces are cut at such characters, by their first byte: Chinese and Japanese, punctuation and signs, and what takes four bytes.
/// In scripts that have spaces a word is known as a whole more often.
#[inline(always)]
fn is_cut_at(lead: u8) -> bool {
    matches!(lead, 0xe2..=0xe9 | 0xef..)
}

impl Wide {
    /// Where the characters end, in the next byte, that start at `starts`.
    #[inline(always)]
    pub fn behind(self, starts: u64) -> u64 {
        let second = starts << 1;
        // Adding a bit to a run of ones clears it and sets the bit behind it.
        (second & self.inner).wrapping_add(self.inner) & !self.inner | second & !self.inner
    }
}

/// Classifies the characters whose bytes are `high`, up to the first that the window's bit operations cannot place: a number, which counts
/// by characters, white space, or one that is not whole. Returns how many bytes are left before it.
///
/// # Safety
/// `spanned` is a vocabulary's, and the machine has `C`'s instructions.
/// A character starts at the first `high` byte, `high` has bits below `len` only, and four bytes are readable behind each.
#[inline(always)]
pub unsafe fn classify<C: Classify>(at: *const u8, len: usize, high: u64, spanned: &[u8], masks: &mut Masks) -> (usize, Wide) {
    // SAFETY: the caller's.
    unsafe {
        let inner = C::inner_bytes(at) & high;
        let mut leads = high & !inner;
        let last = leads.ilog2();
        let reaches_beyond = last as usize + Character::read(at.add(last as usize)).width as usize > len;
        leads ^= u64::from(reaches_beyond) << last;
        let len = if reaches_beyond { last as usize } else { len };
        #[cfg(target_arch = "x86_64")]
        if C::HAS_512_BITS {
            return super::wide_characters_avx512::classify_each(at, len, leads, inner, spanned, masks);
        }
        classify_each(at, len, leads, inner, spanned, masks)
    }
}

by_machine! {
/// The characters that start at `leads` and end before `len`. How long one is, which class of those that can be placed it has, and whether a token
/// crosses to it cannot be predicted, so nothing branches on that.
///
/// # Safety
/// As for `classify`.
unsafe fn classify_each(
    at: *const u8,
    len: usize,
    leads: u64,
    inner: u64,
    spanned: &[u8],
    masks: &mut Masks,
) -> (usize, Wide) {
    // The classes in binary: bit i of each belongs to the character that starts at byte i.
    let (mut ones, mut twos, mut fours) = (0, 0, 0);
    let mut cuts = 0;
    let (mut left, mut last_of_left) = (0, 0);
    let mut end = len;
    let mut rest = leads;
    while rest != 0 {
        let start = rest.trailing_zeros() as usize;
        // SAFETY: the caller's.
        let character = unsafe { Character::read(at.add(start)) };
        // SAFETY: a character's code point.
        let class = unsafe { class_of(character.point()) };
        if class > MARK {
            end = start;
            break;
        }
        rest &= rest - 1;
        ones |= u64::from(class & 1) << start;
        twos |= u64::from(class >> 1 & 1) << start;
        fours |= u64::from(class >> 2) << start;
        if is_cut_at(character.lead()) {
            let right = character.key();
            // SAFETY: the caller's. With no such character before this one, what is found is not used.
            let crossed = unsafe { may_be_crossed(spanned, left, last_of_left, right) };
            cuts |= u64::from(!crossed & (left != 0)) << start;
            (left, last_of_left) = (right, character.last());
        } else {
            left = 0;
        }
    }
    let bytes_of = |starts: u64| (1..4).fold(starts, |bytes, _| bytes | bytes << 1 & inner);
    masks.upper |= bytes_of(ones & !twos);
    masks.lower |= bytes_of(twos & !ones);
    // Where the byte before is inside a character, that is the one before.
    (end, Wide { either: bytes_of(ones & twos), marks: bytes_of(fours), inner, cuts: cuts & inner << 1 })
}
}

/// The bytes of a character beyond ASCII, and what may be of the next one, the first one highest.
#[derive(Clone, Copy)]
struct Character {
    bytes: u32,
    width: u32,
}

impl Character {
    /// # Safety
    /// Four bytes must be readable at `at`, where such a character starts.
    #[inline(always)]
    unsafe fn read(at: *const u8) -> Self {
        // SAFETY: the caller's.
        let bytes = u32::from_be(unsafe { at.cast::<u32>().read_unaligned() });
        Self { bytes, width: (!bytes).leading_zeros() }
    }

    #[inline(always)]
    fn lead(self) -> u8 {
        (self.bytes >> 24) as u8
    }

    #[inline(always)]
    fn last(self) -> u8 {
        (self.bytes >> (32 - 8 * self.width)) as u8
    }

    /// As `cuts.rs` wants it.
    #[inline(always)]
    fn key(self) -> u32 {
        self.bytes.swap_bytes() & u32::MAX >> (32 - 8 * self.width)
    }

    #[inline(always)]
    fn point(self) -> u32 {
        // Six bits of each byte but the first, put together in pairs; then what belongs to the next character goes, and what tells the width.
        let pairs = (self.bytes & 0xff00_3f00) >> 2 | self.bytes & 0x003f_003f;
        let all = pairs >> 4 & 0x03ff_f000 | pairs & 0x0fff;
        (all >> (24 - 6 * self.width)) & ((2 << (5 * self.width)) - 1)
    }
}
