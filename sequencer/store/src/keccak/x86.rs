//! The permutation with AVX2, four states at a time, and with AVX-512, eight at a time.

use std::arch::x86_64::{
    __m256i, __m512i, _mm256_andnot_si256, _mm256_or_si256, _mm256_set1_epi64x, _mm256_slli_epi64,
    _mm256_srli_epi64, _mm256_xor_si256, _mm512_maskz_loadu_epi8, _mm512_maskz_set1_epi8,
    _mm512_maskz_set1_epi64, _mm512_or_si512, _mm512_rol_epi64, _mm512_set1_epi64,
    _mm512_setzero_si512, _mm512_shuffle_i64x2, _mm512_ternarylogic_epi64, _mm512_unpackhi_epi64,
    _mm512_unpacklo_epi64, _mm512_xor_si512,
};

use super::{RATE, Rests, Row, States, Step, absorb, permute};

/// With AVX2, if the processor has it.
pub(super) fn avx2() -> Option<Step<4>> {
    fn checked(states: &mut States<4>, rests: &Rests<'_, 4>) {
        absorb(states, rests);
        // SAFETY: given out below only where the processor has AVX2.
        unsafe { permute_avx2(states) }
    }
    is_x86_feature_detected!("avx2").then_some(checked as Step<4>)
}

/// With AVX-512, if the processor has it.
pub(super) fn avx512() -> Option<Step<8>> {
    fn checked(states: &mut States<8>, rests: &Rests<'_, 8>) {
        // SAFETY: given out below only where the processor has AVX-512F and AVX-512BW.
        unsafe { step_avx512(states, rests) }
    }
    let is_there = is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw");
    is_there.then_some(checked as Step<8>)
}

/// # Safety
/// The processor must have AVX2.
#[target_feature(enable = "avx2")]
unsafe fn permute_avx2(states: &mut States<4>) {
    // SAFETY: both are 25 rows of 256 bits, and every pattern of bits is valid in both. `Four` is only
    // used here, where AVX2 is there.
    let rows = unsafe { &mut *std::ptr::from_mut(&mut states.0).cast::<[Four; 25]>() };
    permute(rows);
}

/// # Safety
/// The processor must have AVX-512F and AVX-512BW.
#[target_feature(enable = "avx512f,avx512bw")]
unsafe fn step_avx512(states: &mut States<8>, rests: &Rests<'_, 8>) {
    // SAFETY: both are 25 rows of 512 bits, aligned to 64 bytes by `States`, and every pattern of
    // bits is valid in both. `Eight` is only used here, where AVX-512F is there.
    let rows = unsafe { &mut *std::ptr::from_mut(&mut states.0).cast::<[Eight; 25]>() };
    let mut last = 0_u8;
    for (lane, rest) in rests.iter().enumerate() {
        last |= u8::from(rest.is_some_and(|rest| rest.len() < RATE)) << lane;
    }
    let words = transposed(beside(rests, 0));
    for (row, word) in rows[..8].iter_mut().zip(&words) {
        row.0 = _mm512_xor_si512(row.0, *word);
    }
    let words = transposed(beside(rests, 64));
    for (row, word) in rows[8..16].iter_mut().zip(&words) {
        row.0 = _mm512_xor_si512(row.0, *word);
    }
    let [word, ..] = transposed(beside(rests, 128));
    let end = _mm512_maskz_set1_epi64(last, i64::MIN);
    rows[16].0 = _mm512_ternarylogic_epi64::<XOR3>(rows[16].0, word, end);
    permute(rows);
}

/// A part of each lane's block, one below the other.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn beside([a, b, c, d, e, f, g, h]: &Rests<'_, 8>, at: usize) -> [__m512i; 8] {
    [
        load(*a, at),
        load(*b, at),
        load(*c, at),
        load(*d, at),
        load(*e, at),
        load(*f, at),
        load(*g, at),
        load(*h, at),
    ]
}

/// Up to 64 bytes from a place of a block on, up to its end, with the first byte of the padding if the
/// message ends there, and zeroes behind.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn load(rest: Option<&[u8]>, at: usize) -> __m512i {
    let Some(rest) = rest else { return _mm512_setzero_si512() };
    let room = (RATE - at).min(64);
    if rest.len() >= at + room {
        let mask = u64::MAX >> (64 - room);
        // SAFETY: only the bytes of the mask are read, and they are in `rest`.
        return unsafe { _mm512_maskz_loadu_epi8(mask, rest.as_ptr().wrapping_add(at).cast()) };
    }
    let Some(len) = rest.len().checked_sub(at) else { return _mm512_setzero_si512() };
    let pad = 1_u64 << len;
    // SAFETY: as above.
    let bytes = unsafe { _mm512_maskz_loadu_epi8(pad - 1, rest.as_ptr().wrapping_add(at).cast()) };
    _mm512_or_si512(bytes, _mm512_maskz_set1_epi8(pad, 1))
}

/// Columns of eight rows of eight words.
#[inline]
#[target_feature(enable = "avx512f")]
fn transposed(rows: [__m512i; 8]) -> [__m512i; 8] {
    let [a, b, c, d, e, f, g, h] = rows;
    // Of each two rows the even words, or the odd ones.
    let (ab, cd) = (_mm512_unpacklo_epi64(a, b), _mm512_unpacklo_epi64(c, d));
    let (ef, gh) = (_mm512_unpacklo_epi64(e, f), _mm512_unpacklo_epi64(g, h));
    let [c0, c2, c4, c6] = quarters([ab, cd, ef, gh]);
    let (ab, cd) = (_mm512_unpackhi_epi64(a, b), _mm512_unpackhi_epi64(c, d));
    let (ef, gh) = (_mm512_unpackhi_epi64(e, f), _mm512_unpackhi_epi64(g, h));
    let [c1, c3, c5, c7] = quarters([ab, cd, ef, gh]);
    [c0, c1, c2, c3, c4, c5, c6, c7]
}

/// The first quarters of four rows, their second ones, and so on.
#[inline]
#[target_feature(enable = "avx512f")]
fn quarters([a, b, c, d]: [__m512i; 4]) -> [__m512i; 4] {
    let ab = _mm512_shuffle_i64x2::<0b01_00_01_00>(a, b);
    let cd = _mm512_shuffle_i64x2::<0b01_00_01_00>(c, d);
    let ab_high = _mm512_shuffle_i64x2::<0b11_10_11_10>(a, b);
    let cd_high = _mm512_shuffle_i64x2::<0b11_10_11_10>(c, d);
    [
        _mm512_shuffle_i64x2::<0b10_00_10_00>(ab, cd),
        _mm512_shuffle_i64x2::<0b11_01_11_01>(ab, cd),
        _mm512_shuffle_i64x2::<0b10_00_10_00>(ab_high, cd_high),
        _mm512_shuffle_i64x2::<0b11_01_11_01>(ab_high, cd_high),
    ]
}

const _: () = assert!(
    size_of::<States<4>>() >= size_of::<[Four; 25]>()
        && size_of::<States<8>>() == size_of::<[Eight; 25]>()
        && align_of::<States<4>>() >= align_of::<Four>()
        && align_of::<States<8>>() >= align_of::<Eight>()
);

#[derive(Clone, Copy)]
#[repr(transparent)]
struct Four(__m256i);

impl Row for Four {
    #[inline(always)]
    fn splat(word: u64) -> Self {
        // SAFETY: only used where AVX2 is there.
        Self(unsafe { _mm256_set1_epi64x(word as i64) })
    }

    #[inline(always)]
    fn xor(self, other: Self) -> Self {
        // SAFETY: only used where AVX2 is there.
        Self(unsafe { _mm256_xor_si256(self.0, other.0) })
    }

    #[inline(always)]
    fn xor5(self, b: Self, c: Self, d: Self, e: Self) -> Self {
        self.xor(b).xor(c.xor(d)).xor(e)
    }

    #[inline(always)]
    fn chi(self, b: Self, c: Self) -> Self {
        // SAFETY: only used where AVX2 is there.
        self.xor(Self(unsafe { _mm256_andnot_si256(b.0, c.0) }))
    }

    #[inline(always)]
    fn rotate<const BITS: i32, const REST: i32>(self) -> Self {
        // SAFETY: only used where AVX2 is there.
        Self(unsafe {
            _mm256_or_si256(_mm256_slli_epi64::<BITS>(self.0), _mm256_srli_epi64::<REST>(self.0))
        })
    }
}

#[derive(Clone, Copy)]
#[repr(transparent)]
struct Eight(__m512i);

/// Truth tables of three inputs: xor of all, and `a ^ (!b & c)`.
const XOR3: i32 = 0x96;
const CHI: i32 = 0xd2;

impl Row for Eight {
    #[inline(always)]
    fn splat(word: u64) -> Self {
        // SAFETY: only used where AVX-512F is there.
        Self(unsafe { _mm512_set1_epi64(word as i64) })
    }

    #[inline(always)]
    fn xor(self, other: Self) -> Self {
        // SAFETY: only used where AVX-512F is there.
        Self(unsafe { _mm512_xor_si512(self.0, other.0) })
    }

    #[inline(always)]
    fn xor5(self, b: Self, c: Self, d: Self, e: Self) -> Self {
        // SAFETY: only used where AVX-512F is there.
        Self(unsafe {
            let three = _mm512_ternarylogic_epi64::<XOR3>(self.0, b.0, c.0);
            _mm512_ternarylogic_epi64::<XOR3>(three, d.0, e.0)
        })
    }

    #[inline(always)]
    fn chi(self, b: Self, c: Self) -> Self {
        // SAFETY: only used where AVX-512F is there.
        Self(unsafe { _mm512_ternarylogic_epi64::<CHI>(self.0, b.0, c.0) })
    }

    #[inline(always)]
    fn rotate<const BITS: i32, const REST: i32>(self) -> Self {
        // SAFETY: only used where AVX-512F is there.
        Self(unsafe { _mm512_rol_epi64::<BITS>(self.0) })
    }
}
