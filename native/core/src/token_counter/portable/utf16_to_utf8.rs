//! UTF-16 to UTF-8 without shuffles of bytes.

/// As [`Simd::to_utf8`](crate::token_counter::simd::Simd::to_utf8).
///
/// # Safety
/// `out` must have room for `3 * units.len() + 16` bytes.
#[inline(always)]
pub unsafe fn to_utf8(units: &[u16], out: *mut u8) -> usize {
    let mut read = 0;
    let mut written = 0;
    while read < units.len() {
        // SAFETY: `read <= units.len()`, and `written <= 3 * read`, so the caller's room covers the
        // store.
        let ascii = unsafe { ascii_to_utf8(&units[read..], out.add(written)) };
        read += ascii;
        written += ascii;
        // One stretch of other characters, up to the next ASCII one.
        while read < units.len() && units[read] >= 0x80 {
            // SAFETY: at most three bytes a unit, as above.
            let (units_read, bytes) = unsafe { one_to_utf8(units, read, out.add(written)) };
            read += units_read;
            written += bytes;
        }
    }
    written
}

/// Narrows the ASCII at the start of `units` and returns how many there were.
///
/// # Safety
/// `out` must have room for `units.len() + 16` bytes.
#[inline(always)]
unsafe fn ascii_to_utf8(units: &[u16], out: *mut u8) -> usize {
    let mut i = 0;
    #[cfg(target_arch = "x86_64")]
    {
        use core::arch::x86_64::{
            __m128i, _mm_and_si128, _mm_cmpeq_epi16, _mm_loadu_si128, _mm_movemask_epi8, _mm_or_si128, _mm_packus_epi16, _mm_set1_epi16,
            _mm_setzero_si128, _mm_storel_epi64, _mm_storeu_si128,
        };
        // SAFETY: plain arithmetic; SSE2 is part of x86-64.
        let is_ascii = |units: __m128i| unsafe {
            _mm_movemask_epi8(_mm_cmpeq_epi16(_mm_and_si128(units, _mm_set1_epi16(!0x7f)), _mm_setzero_si128())) == 0xffff
        };
        while i + 16 <= units.len() {
            // SAFETY: 16 units are readable from `i` on, 16 bytes writable; SSE2 is part of x86-64.
            unsafe {
                let low = _mm_loadu_si128(units.as_ptr().add(i).cast::<__m128i>());
                let high = _mm_loadu_si128(units.as_ptr().add(i + 8).cast::<__m128i>());
                if !is_ascii(_mm_or_si128(low, high)) {
                    break;
                }
                _mm_storeu_si128(out.add(i).cast::<__m128i>(), _mm_packus_epi16(low, high));
            }
            i += 16;
        }
        if i + 8 <= units.len() {
            // SAFETY: 8 units are readable from `i` on, 8 bytes writable.
            unsafe {
                let eight = _mm_loadu_si128(units.as_ptr().add(i).cast::<__m128i>());
                if is_ascii(eight) {
                    _mm_storel_epi64(out.add(i).cast::<__m128i>(), _mm_packus_epi16(eight, eight));
                    i += 8;
                }
            }
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    while i + 16 <= units.len() {
        // Written so that the compiler can use the vectors of the machine.
        let chunk = &units[i..i + 16];
        if chunk.iter().fold(0, |all, unit| all | unit) >= 0x80 {
            break;
        }
        // SAFETY: `out` has room for 16 bytes behind `i`.
        let target = unsafe { core::slice::from_raw_parts_mut(out.add(i), 16) };
        target.iter_mut().zip(chunk).for_each(|(byte, unit)| *byte = *unit as u8);
        i += 16;
    }
    while i < units.len() && units[i] < 0x80 {
        // SAFETY: one byte per unit read.
        unsafe { *out.add(i) = units[i] as u8 };
        i += 1;
    }
    i
}

/// Writes one character above ASCII; returns the units read and the bytes written.
///
/// # Safety
/// `out` must have room for three bytes per unit read.
#[inline(always)]
pub unsafe fn one_to_utf8(units: &[u16], at: usize, out: *mut u8) -> (usize, usize) {
    let unit = u32::from(units[at]);
    let store = |i: usize, byte: u32| {
        // SAFETY: `i` stays below the number of bytes returned.
        unsafe { *out.add(i) = byte as u8 };
    };
    if unit < 0x800 {
        store(0, 0xc0 | unit >> 6);
        store(1, 0x80 | unit & 0x3f);
        return (1, 2);
    }
    if unit & 0xf800 != 0xd800 {
        store(0, 0xe0 | unit >> 12);
        store(1, 0x80 | unit >> 6 & 0x3f);
        store(2, 0x80 | unit & 0x3f);
        return (1, 3);
    }
    if let Some(low) = units.get(at + 1).map(|low| u32::from(*low)).filter(|low| unit < 0xdc00 && low & 0xfc00 == 0xdc00) {
        let point = 0x1_0000 + ((unit & 0x3ff) << 10 | low & 0x3ff);
        store(0, 0xf0 | point >> 18);
        store(1, 0x80 | point >> 12 & 0x3f);
        store(2, 0x80 | point >> 6 & 0x3f);
        store(3, 0x80 | point & 0x3f);
        return (2, 4);
    }
    store(0, 0xef);
    store(1, 0xbf);
    store(2, 0xbd);
    (1, 3)
}
