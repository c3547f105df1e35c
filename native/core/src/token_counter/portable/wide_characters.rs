//! The characters beyond ASCII in a window, one by one.

use crate::token_counter::cpu_features::by_machine;
use crate::token_counter::simd::WideCharacters;
use crate::token_counter::split::block::{Masks, Wide};
use crate::token_counter::split::classes::{LOWER, MARK, OTHER_LETTER, UPPER, class_of};
use crate::token_counter::split::spanned::may_be_crossed;
use crate::token_counter::split::wide_characters::{Character, is_cut_at};

// What `classify_wide` makes of the digits of a class.
const _: () = assert!(UPPER == 0b001 && LOWER == 0b010 && OTHER_LETTER == 0b011 && MARK == 0b100);

by_machine! {
/// The characters that start at `leads` and end before `len`. How long one is, which class of those
/// that can be placed it has, and whether a token crosses to it cannot be predicted, so nothing
/// branches on that.
///
/// # Safety
/// As for [`Simd::classify_wide`](crate::token_counter::simd::Simd::classify_wide).
pub unsafe fn classify_wide(characters: &WideCharacters, masks: &mut Masks) -> (usize, Wide) {
    let WideCharacters { at, len, leads, inner, spanned } = *characters;
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
            // SAFETY: the caller's. With no such character before this one, what is found is not
            // used.
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
