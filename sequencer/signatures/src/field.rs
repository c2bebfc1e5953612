//! Numbers modulo p = 2^256 − 2^32 − 977 in eight lanes: five limbs of 52 bits, for the instructions that multiply
//! such (AVX-512 IFMA). Those take the lowest 52 bits of a limb and ignore what is above, so bounds are
//! kept by types.

use std::arch::x86_64::{
    __m512i, __mmask8, _mm512_add_epi64, _mm512_and_si512, _mm512_loadu_si512,
    _mm512_madd52hi_epu64, _mm512_madd52lo_epu64, _mm512_mask_mov_epi64, _mm512_set1_epi64,
    _mm512_setzero_si512, _mm512_slli_epi64, _mm512_srli_epi64, _mm512_storeu_si512,
    _mm512_sub_epi64,
};

pub(crate) const LANES: usize = 8;
const LIMB: u64 = (1 << 52) - 1;
/// Bits of the fifth limb below 2^256.
const TOP: u64 = (1 << 48) - 1;
/// 2^256 modulo p.
const FOLD: u64 = 0x1_0000_03d1;
/// 2^260 modulo p.
const FOLD_260: u64 = FOLD << 4;
const P: [u64; 5] = [0xf_fffe_ffff_fc2f, LIMB, LIMB, LIMB, TOP];

/// INVARIANT: the first four limbs are below 2^52 and the fifth is below 2^48 + 2^12. So all are operands of
/// a multiplication, and the whole is below 2·p.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field([__m512i; 5]);

/// A sum on its way: limbs are below 2^63.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sum([__m512i; 5]);

#[target_feature(enable = "avx512f,avx512ifma")]
#[inline]
fn splat(word: u64) -> __m512i {
    _mm512_set1_epi64(word.cast_signed())
}

/// The low and the high halves of all products of limbs, in place. Of the ten sums each has at most 18 parts below 2^52.
#[target_feature(enable = "avx512f,avx512ifma")]
#[inline]
fn accumulate(sums: &mut [__m512i; 10], a: &Field, b: &Field) {
    for i in 0..5 {
        for j in 0..5 {
            sums[i + j] = _mm512_madd52lo_epu64(sums[i + j], a.0[i], b.0[j]);
            sums[i + j + 1] = _mm512_madd52hi_epu64(sums[i + j + 1], a.0[i], b.0[j]);
        }
    }
}

/// Folds the upper five sums, of less than 2^57 each, onto the lower. The limbs grow by less than 2^54.
#[target_feature(enable = "avx512f,avx512ifma")]
#[inline]
fn fold(sums: &[__m512i; 10]) -> Sum {
    let (limb, by) = (splat(LIMB), splat(FOLD_260));
    let mut low = [sums[0], sums[1], sums[2], sums[3], sums[4], _mm512_setzero_si512()];
    for k in 0..5 {
        let part = _mm512_and_si512(sums[5 + k], limb);
        // Below 2^5, so that its product is below 2^52.
        let above = _mm512_srli_epi64::<52>(sums[5 + k]);
        low[k] = _mm512_madd52lo_epu64(low[k], part, by);
        low[k + 1] = _mm512_madd52hi_epu64(low[k + 1], part, by);
        low[k + 1] = _mm512_madd52lo_epu64(low[k + 1], above, by);
    }
    // The sixth is below 2^43.
    low[0] = _mm512_madd52lo_epu64(low[0], low[5], by);
    low[1] = _mm512_madd52hi_epu64(low[1], low[5], by);
    Sum([low[0], low[1], low[2], low[3], low[4]])
}

impl Field {
    #[target_feature(enable = "avx512f,avx512ifma")]
    #[inline]
    pub(crate) fn one() -> Self {
        let zero = _mm512_setzero_si512();
        Self([splat(1), zero, zero, zero, zero])
    }

    /// From numbers below 2^256, as limbs of 64 bits.
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(crate) fn new(lanes: &[[u64; 4]; LANES]) -> Self {
        let limbs = lanes.map(|n| limbs(&n));
        Self(std::array::from_fn(|limb| load(&limbs.map(|limbs| limbs[limb]))))
    }

    /// The same number in all lanes.
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(crate) fn splat(number: &[u64; 4]) -> Self {
        let [a, b, c, d, e] = limbs(number);
        Self([splat(a), splat(b), splat(c), splat(d), splat(e)])
    }

    /// From five limbs that fulfil the invariant.
    #[target_feature(enable = "avx512f,avx512ifma")]
    #[inline]
    pub(crate) fn from_limbs(limbs: [__m512i; 5]) -> Self {
        Self(limbs)
    }

    /// Below 2^57 each limb, like all products.
    #[target_feature(enable = "avx512f,avx512ifma")]
    #[inline]
    pub(crate) fn times(&self, other: &Self) -> Sum {
        let mut sums = [_mm512_setzero_si512(); 10];
        accumulate(&mut sums, self, other);
        fold(&sums)
    }

    /// `self · other + a · b`.
    #[target_feature(enable = "avx512f,avx512ifma")]
    #[inline]
    pub(crate) fn times_plus(&self, other: &Self, a: &Self, b: &Self) -> Sum {
        let mut sums = [_mm512_setzero_si512(); 10];
        accumulate(&mut sums, self, other);
        accumulate(&mut sums, a, b);
        fold(&sums)
    }

    #[target_feature(enable = "avx512f,avx512ifma")]
    #[inline]
    pub(crate) fn mul(&self, other: &Self) -> Self {
        self.times(other).carry()
    }

    #[target_feature(enable = "avx512f,avx512ifma")]
    #[inline]
    pub(crate) fn squared(&self) -> Sum {
        let a = &self.0;
        let mut sums = [_mm512_setzero_si512(); 10];
        for i in 0..5 {
            for j in i + 1..5 {
                sums[i + j] = _mm512_madd52lo_epu64(sums[i + j], a[i], a[j]);
                sums[i + j + 1] = _mm512_madd52hi_epu64(sums[i + j + 1], a[i], a[j]);
            }
        }
        for sum in &mut sums {
            *sum = _mm512_add_epi64(*sum, *sum);
        }
        for i in 0..5 {
            sums[2 * i] = _mm512_madd52lo_epu64(sums[2 * i], a[i], a[i]);
            sums[2 * i + 1] = _mm512_madd52hi_epu64(sums[2 * i + 1], a[i], a[i]);
        }
        fold(&sums)
    }

    #[target_feature(enable = "avx512f,avx512ifma")]
    #[inline]
    pub(crate) fn square(&self) -> Self {
        self.squared().carry()
    }

    #[target_feature(enable = "avx512f,avx512ifma")]
    #[inline(never)]
    fn squares(&self, times: usize) -> Self {
        let mut all = *self;
        for _ in 0..times {
            all = all.square();
        }
        all
    }

    #[target_feature(enable = "avx512f,avx512ifma")]
    #[inline]
    pub(crate) fn sum(&self) -> Sum {
        Sum(self.0)
    }

    /// `self` in lanes that the mask leaves out, `other` in those it has.
    #[target_feature(enable = "avx512f,avx512ifma")]
    #[inline]
    pub(crate) fn select(&self, mask: __mmask8, other: &Self) -> Self {
        let mut all = self.0;
        for i in 0..5 {
            all[i] = _mm512_mask_mov_epi64(all[i], mask, other.0[i]);
        }
        Self(all)
    }

    /// Powers that square roots and inverses share: 2^2 − 1, 2^22 − 1 and 2^223 − 1.
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn powers(&self) -> [Self; 3] {
        let x2 = self.square().mul(self);
        let x3 = x2.square().mul(self);
        let x6 = x3.squares(3).mul(&x3);
        let x9 = x6.squares(3).mul(&x3);
        let x11 = x9.squares(2).mul(&x2);
        let x22 = x11.squares(11).mul(&x11);
        let x44 = x22.squares(22).mul(&x22);
        let x88 = x44.squares(44).mul(&x44);
        let x176 = x88.squares(88).mul(&x88);
        let x220 = x176.squares(44).mul(&x44);
        let x223 = x220.squares(3).mul(&x3);
        [x2, x22, x223]
    }

    /// A square root of what has one: the power (p + 1) / 4.
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(crate) fn root(&self) -> Self {
        let [x2, x22, x223] = self.powers();
        x223.squares(23).mul(&x22).squares(6).mul(&x2).squares(2)
    }

    /// The power p − 2: of zero, zero.
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(crate) fn inverse(&self) -> Self {
        let [x2, x22, x223] = self.powers();
        let power = x223.squares(23).mul(&x22).squares(5).mul(self);
        power.squares(3).mul(&x2).squares(2).mul(self)
    }

    /// The numbers below p, as limbs of 64 bits.
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(crate) fn numbers(&self) -> [[u64; 4]; LANES] {
        let limbs = self.0.map(|limb| store(limb));
        std::array::from_fn(|lane| reduced(limbs.map(|limb| limb[lane])))
    }
}

impl Sum {
    #[target_feature(enable = "avx512f,avx512ifma")]
    #[inline]
    pub(crate) fn plus(&self, other: &Self) -> Self {
        let mut all = self.0;
        for i in 0..5 {
            all[i] = _mm512_add_epi64(all[i], other.0[i]);
        }
        Self(all)
    }

    /// Times 2^BITS.
    #[target_feature(enable = "avx512f,avx512ifma")]
    #[inline]
    pub(crate) fn shifted<const BITS: u32>(&self) -> Self {
        let mut all = self.0;
        for limb in &mut all {
            *limb = _mm512_slli_epi64::<BITS>(*limb);
        }
        Self(all)
    }

    /// Minus 2^BITS times another. What is added first is a multiple of p whose every limb is larger than
    /// the other's, so that none gets negative.
    #[target_feature(enable = "avx512f,avx512ifma")]
    #[inline]
    pub(crate) fn minus<const BITS: u32>(&self, other: &Field) -> Self {
        let mut all = self.0;
        for i in 0..5 {
            let added = splat(P[i] << (BITS + 1));
            let taken = _mm512_slli_epi64::<BITS>(other.0[i]);
            all[i] = _mm512_sub_epi64(_mm512_add_epi64(all[i], added), taken);
        }
        Self(all)
    }

    /// Whatever is above 2^256 in the fifth limb is folded first, so that one pass of carries ends below the bounds: what
    /// the fifth gets then is less than 2^12.
    #[target_feature(enable = "avx512f,avx512ifma")]
    #[inline]
    pub(crate) fn carry(&self) -> Field {
        let limb = splat(LIMB);
        let [mut a, mut b, mut c, mut d, mut e] = self.0;
        // Below 2^15 · 2^33.
        a = _mm512_madd52lo_epu64(a, _mm512_srli_epi64::<48>(e), splat(FOLD));
        e = _mm512_and_si512(e, splat(TOP));
        b = _mm512_add_epi64(b, _mm512_srli_epi64::<52>(a));
        a = _mm512_and_si512(a, limb);
        c = _mm512_add_epi64(c, _mm512_srli_epi64::<52>(b));
        b = _mm512_and_si512(b, limb);
        d = _mm512_add_epi64(d, _mm512_srli_epi64::<52>(c));
        c = _mm512_and_si512(c, limb);
        e = _mm512_add_epi64(e, _mm512_srli_epi64::<52>(d));
        d = _mm512_and_si512(d, limb);
        Field([a, b, c, d, e])
    }
}

#[target_feature(enable = "avx512f,avx512ifma")]
#[inline]
pub(crate) fn load(lanes: &[u64; LANES]) -> __m512i {
    // SAFETY: eight words are 64 bytes; no alignment is asked for.
    unsafe { _mm512_loadu_si512(lanes.as_ptr().cast()) }
}

#[target_feature(enable = "avx512f,avx512ifma")]
#[inline]
fn store(row: __m512i) -> [u64; LANES] {
    let mut lanes = [0; LANES];
    // SAFETY: eight words are 64 bytes; no alignment is asked for.
    unsafe { _mm512_storeu_si512(lanes.as_mut_ptr().cast(), row) };
    lanes
}

/// Limbs of 52 bits of a number below 2^256.
pub(crate) const fn limbs(number: &[u64; 4]) -> [u64; 5] {
    let [a, b, c, d] = *number;
    [
        a & LIMB,
        (a >> 52 | b << 12) & LIMB,
        (b >> 40 | c << 24) & LIMB,
        (c >> 28 | d << 36) & LIMB,
        d >> 16,
    ]
}

/// A number below 2·p, given as a field element's limbs, modulo p.
fn reduced(limbs: [u64; 5]) -> [u64; 4] {
    let carried = |mut limbs: [u64; 5], add: u64| {
        limbs[0] += add;
        for i in 0..4 {
            limbs[i + 1] += limbs[i] >> 52;
            limbs[i] &= LIMB;
        }
        limbs
    };
    // Adding 2^256 − p reaches 2^256 if it is p or more.
    let more = carried(limbs, FOLD);
    let [a, b, c, d, e] = if more[4] > TOP { more } else { limbs };
    let e = e & TOP;
    [a | b << 52, b >> 12 | c << 40, c >> 24 | d << 28, d >> 36 | e << 16]
}

#[cfg(test)]
mod tests {
    use alloy_primitives::{U256, keccak256};

    use super::*;

    const MODULUS: U256 = U256::from_limbs([
        0xffff_fffe_ffff_fc2f,
        0xffff_ffff_ffff_ffff,
        0xffff_ffff_ffff_ffff,
        0xffff_ffff_ffff_ffff,
    ]);

    /// Numbers next to every bound, and others.
    fn numbers() -> Vec<U256> {
        let one = U256::from(1);
        let mut all = vec![U256::ZERO, one, MODULUS - one, MODULUS, MODULUS + one, U256::MAX];
        for bits in [32, 33, 52, 104, 156, 208, 255] {
            let power = one << bits;
            all.extend([power - one, power, MODULUS - power, U256::MAX - power]);
        }
        all.extend((0..40_u64).map(|seed| U256::from_be_bytes(keccak256(seed.to_be_bytes()).0)));
        all
    }

    /// In groups of eight pairs.
    fn pairs() -> Vec<[[U256; LANES]; 2]> {
        let all = numbers();
        let pairs: Vec<[U256; 2]> = all.iter().flat_map(|a| all.iter().map(|b| [*a, *b])).collect();
        pairs
            .chunks_exact(LANES)
            .map(|group| [0, 1].map(|side| std::array::from_fn(|lane| group[lane][side])))
            .collect()
    }

    fn words(numbers: &[U256; LANES]) -> [[u64; 4]; LANES] {
        numbers.map(|number| *number.as_limbs())
    }

    fn expect(found: &Field, mut expected: impl FnMut(usize) -> U256) {
        // SAFETY: tests end before where the processor lacks it.
        let found = unsafe { found.numbers() };
        for (lane, found) in found.iter().enumerate() {
            assert_eq!(U256::from_limbs(*found), expected(lane), "lane {lane}");
        }
    }

    #[test]
    fn arithmetic_is_modulo_p() {
        if !crate::available() {
            return;
        }
        for [a, b] in pairs() {
            // SAFETY: the processor has it.
            unsafe { check(&a, &b) }
        }
    }

    #[target_feature(enable = "avx512f,avx512ifma")]
    fn check(a: &[U256; LANES], b: &[U256; LANES]) {
        let (x, y) = (Field::new(&words(a)), Field::new(&words(b)));
        expect(&x, |lane| a[lane].reduce_mod(MODULUS));
        expect(&x.mul(&y), |lane| a[lane].mul_mod(b[lane], MODULUS));
        expect(&x.square(), |lane| a[lane].mul_mod(a[lane], MODULUS));
        expect(&x.sum().plus(&y.sum()).carry(), |lane| a[lane].add_mod(b[lane], MODULUS));
        let minus = |a: U256, b: U256| a.add_mod(MODULUS - b.reduce_mod(MODULUS), MODULUS);
        expect(&x.sum().minus::<0>(&y).carry(), |lane| minus(a[lane], b[lane]));
        let eight = |b: U256| b.mul_mod(U256::from(8), MODULUS);
        expect(&x.squared().minus::<3>(&y).carry(), |lane| {
            minus(a[lane].mul_mod(a[lane], MODULUS), eight(b[lane]))
        });
        expect(&x.sum().shifted::<3>().carry(), |lane| eight(a[lane]));
        let negative = Field::splat(&[0; 4]).sum().minus::<0>(&y).carry();
        expect(&x.times_plus(&y, &x, &negative).carry(), |_| U256::ZERO);
        expect(&x.select(0b1010_0101, &y), |lane| {
            let chosen = if 0b1010_0101 >> lane & 1 == 1 { b } else { a };
            chosen[lane].reduce_mod(MODULUS)
        });
    }

    #[test]
    fn the_largest_limbs_are_multiplied_rightly() {
        if !crate::available() {
            return;
        }
        // SAFETY: the processor has it.
        unsafe { largest() }
    }

    #[target_feature(enable = "avx512f,avx512ifma")]
    fn largest() {
        // What the invariant allows at most, and each limb alone.
        let bounds = [LIMB, LIMB, LIMB, LIMB, (1 << 48) + (1 << 12) - 1];
        let value = |limbs: [u64; 5]| {
            limbs.iter().rev().fold(U256::ZERO, |sum, limb| {
                let scaled = sum.mul_mod(U256::from(1_u64 << 52), MODULUS);
                scaled.add_mod(U256::from(*limb), MODULUS)
            })
        };
        for bits in 0..32_u32 {
            for other in 0..32_u32 {
                let limbs = |bits: u32| {
                    std::array::from_fn(|i| if bits >> i & 1 == 1 { bounds[i] } else { 0 })
                };
                let field = |limbs: [u64; 5]| Field(limbs.map(|limb| load(&[limb; LANES])));
                let (a, b) = (limbs(bits), limbs(other));
                let (x, y) = (field(a), field(b));
                let product = value(a).mul_mod(value(b), MODULUS);
                expect(&x, |_| value(a));
                expect(&x.mul(&y), |_| product);
                expect(&x.times_plus(&y, &x, &y).carry(), |_| product.add_mod(product, MODULUS));
                expect(&x.square(), |_| value(a).mul_mod(value(a), MODULUS));
                let minus = value(a).add_mod(MODULUS - value(b), MODULUS);
                expect(&x.sum().minus::<0>(&y).carry(), |_| minus);
                let carried = [x.mul(&y), x.square(), x.sum().minus::<3>(&y).carry()];
                for carried in carried {
                    for (limb, bound) in carried.0.into_iter().zip(bounds) {
                        assert!(store(limb).iter().all(|limb| *limb <= bound));
                    }
                }
            }
        }
    }

    #[test]
    fn roots_and_inverses_are_those() {
        if !crate::available() {
            return;
        }
        // SAFETY: the processor has it.
        unsafe { powers() }
    }

    #[target_feature(enable = "avx512f,avx512ifma")]
    fn powers() {
        for group in numbers().chunks_exact(LANES) {
            let group: [U256; LANES] = std::array::from_fn(|lane| group[lane]);
            let x = Field::new(&words(&group));
            let one = |lane: usize| U256::from(u64::from(!(group[lane] % MODULUS).is_zero()));
            expect(&x.inverse().mul(&x), one);
            let square = x.square();
            expect(&square.root().square(), |lane| group[lane].mul_mod(group[lane], MODULUS));
        }
    }
}
