//! Counts pieces. Most of the time is spent on waits for memory (docs/design/tokenizer.md): places
//! are requested first and read later, and pieces without an entry wait for `unknown_pieces.rs`.
//! With AVX-512 all pieces are listed first, see `avx512/listed_pieces.rs`.

use crate::token_counter::bpe::key::{Key, MAX_KEY};
use crate::token_counter::bpe::piece::Piece;
use crate::token_counter::bpe::vocabulary::Vocabulary;
use crate::token_counter::cache::{Cache, MAX_MEDIUM, SmallPlace};
use crate::token_counter::lookup::listed::LISTED;
#[cfg(target_arch = "x86_64")]
use crate::token_counter::lookup::listed::Listed;
use crate::token_counter::simd::Simd;
use crate::token_counter::split::block::WINDOW;
use crate::token_counter::split::scan::Pieces;
use crate::token_counter::text::Text;
use std::mem::MaybeUninit;
use std::ops::ControlFlow;

/// Pieces whose places are asked for: one window's on top of what makes reading them worth it.
const ASKED: usize = 2 * WINDOW;
/// So many of them are looked up as soon as they are there.
#[cfg(target_arch = "x86_64")]
const FULL_LIST: usize = LISTED - WINDOW;
/// A text's first window has to have more pieces to be listed: the shortest texts are done sooner
/// piece by piece.
#[cfg(target_arch = "x86_64")]
const FEW: u32 = 8;
/// Pieces that the cache does not know: of one list on top of what makes a batch worth it.
pub(crate) const UNKNOWN: usize = 2 * WINDOW + LISTED;
/// Written behind the last of them: as vectors are stored whole.
pub(crate) const SPILL: usize = 8;
/// Below one unknown piece in so many a text is familiar: its pieces are at hand, and looked up
/// where they are found, which takes fewer steps.
pub(crate) const FAMILIAR_SHARE: usize = 16;
/// With more unknown pieces than this in a window, it is no longer.
const FAMILIAR_WINDOW: usize = 2;
/// Longer ones, of which a window has three at the most.
pub(crate) const LONG_UNKNOWN: usize = 16;
/// And those above 30 bytes.
pub(crate) const WIDE_UNKNOWN: usize = 16;

/// Adds up the tokens of the pieces it is shown.
pub struct Counter<'a> {
    pub(crate) vocabulary: &'a Vocabulary,
    pub(crate) cache: &'a mut Cache,
    pub(crate) start: *const u8,
    /// Without the pieces that wait.
    pub(crate) total: u32,
    pub(crate) limit: u32,
    asked: [MaybeUninit<(SmallPlace, Piece)>; ASKED],
    asked_len: usize,
    #[cfg(target_arch = "x86_64")]
    pub(crate) listed: Listed,
    pub(crate) unknown: [MaybeUninit<Piece>; UNKNOWN + SPILL],
    pub(crate) unknown_len: usize,
    pub(crate) long_unknown: [MaybeUninit<Piece>; LONG_UNKNOWN],
    pub(crate) long_unknown_len: usize,
    pub(crate) wide_unknown: [MaybeUninit<Piece>; WIDE_UNKNOWN],
    pub(crate) wide_unknown_len: usize,
}

impl<'a> Counter<'a> {
    /// Breaks off once more than `limit` are certain.
    #[inline(always)]
    pub fn new(vocabulary: &'a Vocabulary, cache: &'a mut Cache, text: &Text, limit: u32) -> Self {
        Self {
            vocabulary,
            cache,
            start: text.as_ptr(),
            total: 0,
            limit,
            asked: [const { MaybeUninit::uninit() }; ASKED],
            asked_len: 0,
            #[cfg(target_arch = "x86_64")]
            listed: Listed::new(),
            unknown: [const { MaybeUninit::uninit() }; UNKNOWN + SPILL],
            unknown_len: 0,
            long_unknown: [const { MaybeUninit::uninit() }; LONG_UNKNOWN],
            long_unknown_len: 0,
            wide_unknown: [const { MaybeUninit::uninit() }; WIDE_UNKNOWN],
            wide_unknown_len: 0,
        }
    }

    /// The tokens of all pieces shown.
    #[inline(always)]
    pub fn total(&mut self) -> u32 {
        #[cfg(target_arch = "x86_64")]
        if self.listed.len > 0 {
            // SAFETY: only a machine that has the instructions makes a list.
            unsafe { self.look_up_listed() };
        }
        if self.asked_len > 0 {
            self.count_asked();
        }
        if self.unknown_len > 0 {
            self.count_unknown();
        }
        if self.long_unknown_len > 0 {
            self.count_long_unknown();
        }
        if self.wide_unknown_len > 0 {
            self.count_wide_unknown();
        }
        self.total
    }
}

impl Pieces for Counter<'_> {
    const IN_ANY_ORDER: bool = true;

    #[inline(always)]
    unsafe fn window<C: Simd>(&mut self, base: usize, starts: u64, end: usize) -> ControlFlow<()> {
        #[cfg(target_arch = "x86_64")]
        if C::LISTS_PIECES && (base > 0 || starts.count_ones() > FEW) {
            // SAFETY: the machine has the instructions, and `look_up_listed` makes room for one
            // more window.
            unsafe {
                self.list(base, starts, end);
                if self.listed.len >= FULL_LIST {
                    self.look_up_listed();
                }
            }
            return self.check();
        }
        if self.cache.is_familiar {
            self.look_up(base, starts, end);
        } else {
            self.ask_for(base, starts, end);
        }
        self.check()
    }

    #[inline(always)]
    fn piece(&mut self, start: usize, end: usize) -> ControlFlow<()> {
        let len = end - start;
        // SAFETY: the piece lies in the text.
        unsafe {
            let at = self.start.add(start);
            if len > MAX_KEY {
                self.total += self.count_long_later(start, len);
            } else {
                // At once: beyond ASCII the matcher takes longer than the look-up, and pieces come
                // again soon.
                let (known, count) = self.cache.small(Cache::small_place(Key::read(at, len), len));
                if known {
                    self.total += count;
                } else {
                    self.unknown.get_unchecked_mut(self.unknown_len).write(Piece::new(start, len));
                    self.unknown_len += 1;
                }
            }
        }
        self.check()
    }
}

/// Calls `piece` with where each piece of a window starts, and its length.
#[inline(always)]
fn each_piece(base: usize, starts: u64, end: usize, mut piece: impl FnMut(usize, usize)) {
    // A border where the last piece ends; behind a whole window there is no bit for it, and none
    // left to find either.
    let mut rest = starts & (starts - 1) | if end < WINDOW { 1 << end } else { 0 };
    let mut from = 0;
    loop {
        let to = rest.trailing_zeros() as usize;
        rest &= rest.wrapping_sub(1);
        piece(base + from, to - from);
        from = to;
        if to == end {
            break;
        }
    }
}

impl Counter<'_> {
    /// Looks up the pieces of a window at once.
    #[inline(always)]
    fn look_up(&mut self, base: usize, starts: u64, end: usize) {
        // In registers, which the compiler cannot do for fields beside an array that is written to.
        let known_pieces = self.cache.small_table();
        let mut total = self.total;
        let mut unknown = self.unknown_len;
        each_piece(base, starts, end, |start, len| {
            // SAFETY: the piece lies in the text; one window fits behind what `check` leaves.
            unsafe {
                if len <= MAX_KEY {
                    let (known, count) = known_pieces.find(Cache::small_place(Key::read(self.start.add(start), len), len));
                    // No branch here: whether a piece is known cannot be predicted.
                    total += if known { count } else { 0 };
                    self.unknown.get_unchecked_mut(unknown).write(Piece::new(start, len));
                    unknown += usize::from(!known);
                } else {
                    total += self.count_long_later(start, len);
                }
            }
        });
        self.cache.is_familiar = unknown <= self.unknown_len + FAMILIAR_WINDOW;
        self.total = total;
        self.unknown_len = unknown;
    }

    /// Asks for the places of the pieces of a window.
    #[inline(always)]
    fn ask_for(&mut self, base: usize, starts: u64, end: usize) {
        // As above.
        let known_pieces = self.cache.small_table();
        let mut asked = self.asked_len;
        each_piece(base, starts, end, |start, len| {
            // SAFETY: as above.
            unsafe {
                if len <= MAX_KEY {
                    let place = Cache::small_place(Key::read(self.start.add(start), len), len);
                    known_pieces.prefetch(place);
                    self.asked.get_unchecked_mut(asked).write((place, Piece::new(start, len)));
                    asked += 1;
                } else {
                    self.total += self.count_long_later(start, len);
                }
            }
        });
        self.asked_len = asked;
    }

    /// Makes room for one more window.
    #[inline(always)]
    fn check(&mut self) -> ControlFlow<()> {
        if self.asked_len >= ASKED - WINDOW {
            self.count_asked();
        }
        if self.unknown_len >= UNKNOWN - LISTED {
            self.count_unknown();
        }
        if self.long_unknown_len > LONG_UNKNOWN - WINDOW.div_ceil(MAX_KEY + 1) {
            self.count_long_unknown();
        }
        if self.wide_unknown_len > WIDE_UNKNOWN - WINDOW.div_ceil(MAX_MEDIUM + 1) {
            self.count_wide_unknown();
        }
        if self.total > self.limit { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    /// Reads the places asked for.
    #[inline(always)]
    fn count_asked(&mut self) {
        let known_pieces = self.cache.small_table();
        let mut total = self.total;
        let mut unknown = self.unknown_len;
        let count = std::mem::take(&mut self.asked_len);
        for asked in &self.asked[..count] {
            // SAFETY: these were written; `check` leaves room for all of them.
            unsafe {
                let (place, piece) = asked.assume_init();
                let (known, count) = known_pieces.find(place);
                // No branch here: whether a piece is known cannot be predicted.
                total += if known { count } else { 0 };
                self.unknown.get_unchecked_mut(unknown).write(piece);
                unknown += usize::from(!known);
            }
        }
        self.cache.is_familiar = (unknown - self.unknown_len) * FAMILIAR_SHARE < count;
        self.total = total;
        self.unknown_len = unknown;
    }
}
