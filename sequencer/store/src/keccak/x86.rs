//! The permutation with AVX2, four states at a time, and with AVX-512, eight at a time.

use std::arch::x86_64::{
    __m256i, __m512i, _mm256_andnot_si256, _mm256_or_si256, _mm256_set1_epi64x, _mm256_slli_epi64,
    _mm256_srli_epi64, _mm256_xor_si256, _mm512_rol_epi64, _mm512_set1_epi64,
    _mm512_ternarylogic_epi64, _mm512_xor_si512,
};

use super::{Permute, Row, States, permute};

/// With AVX2, if the processor has it.
pub(super) fn avx2() -> Option<Permute<4>> {
    fn checked(states: &mut States<4>) {
        // SAFETY: given out below only where the processor has AVX2.
        unsafe { permute_avx2(states) }
    }
    is_x86_feature_detected!("avx2").then_some(checked as Permute<4>)
}

/// With AVX-512, if the processor has it.
pub(super) fn avx512() -> Option<Permute<8>> {
    fn checked(states: &mut States<8>) {
        // SAFETY: given out below only where the processor has AVX-512F.
        unsafe { permute_avx512(states) }
    }
    is_x86_feature_detected!("avx512f").then_some(checked as Permute<8>)
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
/// The processor must have AVX-512F.
#[target_feature(enable = "avx512f")]
unsafe fn permute_avx512(states: &mut States<8>) {
    // SAFETY: both are 25 rows of 512 bits, aligned to 64 bytes by `States`, and every pattern of
    // bits is valid in both. `Eight` is only used here, where AVX-512F is there.
    let rows = unsafe { &mut *std::ptr::from_mut(&mut states.0).cast::<[Eight; 25]>() };
    permute(rows);
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
