//! Eight recoveries side by side. All lanes do the same steps, so that a lane's digits choose only what is added,
//! never whether.
//!
//! The formulas for adding fail where both points have the same x. Then Z becomes zero and stays so, and the
//! lane has no answer: nobody signs so but on purpose.

use std::{
    arch::x86_64::{
        __m512i, __mmask8, _mm512_cmpeq_epi64_mask, _mm512_i64gather_epi64, _mm512_set1_epi64,
    },
    sync::LazyLock,
};

use alloy_primitives::{Address, U256, keccak256};
use k256::{ProjectivePoint, Scalar, elliptic_curve::sec1::ToEncodedPoint};

pub(crate) use super::field::LANES;
use super::{
    field::{Field, Sum, limbs, load},
    scalars::{Job, WIDE_WINDOWS, WINDOWS},
};

/// Cube root of one: (β·x, y) is λ times (x, y).
const BETA: [u64; 4] =
    [0xc139_6c28_7195_01ee, 0x9cf0_4975_12f5_8995, 0x6e64_479e_ac34_34e9, 0x7ae9_6a2b_657c_0710];

/// Multiples 1 to 128 of G and of 2^128·G: limbs of x, then of y.
static G: LazyLock<[Vec<[u64; 10]>; 2]> = LazyLock::new(|| {
    let upper = Scalar::from(u128::MAX) + Scalar::ONE;
    [Scalar::ONE, upper].map(|scalar| {
        let base = ProjectivePoint::GENERATOR * scalar;
        let mut point = ProjectivePoint::IDENTITY;
        let mut all = Vec::with_capacity(128);
        for _ in 0..128 {
            point += base;
            let encoded = point.to_affine().to_encoded_point(false);
            let mut limbs_of = [0; 10];
            let coordinates = [encoded.x(), encoded.y()];
            for (part, coordinate) in limbs_of.chunks_exact_mut(5).zip(coordinates) {
                let bytes = coordinate.map(|bytes| (*bytes).into()).unwrap_or_default();
                part.copy_from_slice(&limbs(U256::from_be_bytes::<32>(bytes).as_limbs()));
            }
            all.push(limbs_of);
        }
        all
    })
});

/// Of at most eight jobs and at least one.
pub(crate) fn recover(jobs: &[Job]) -> [Option<Address>; LANES] {
    // Lanes to spare repeat the first.
    let lanes: [&Job; LANES] = std::array::from_fn(|lane| jobs.get(lane).unwrap_or(&jobs[0]));
    assert!(super::available());
    // SAFETY: the processor has both, as the line above makes sure.
    unsafe { keys(&lanes) }.map(|key| {
        let [x, y] = key?;
        let mut bytes = [0; 64];
        bytes[..32].copy_from_slice(&U256::from_limbs(x).to_be_bytes::<32>());
        bytes[32..].copy_from_slice(&U256::from_limbs(y).to_be_bytes::<32>());
        Some(Address::from_slice(&keccak256(bytes)[12..]))
    })
}

/// A digit in each lane.
struct Digits {
    /// Without their signs.
    sizes: __m512i,
    negative: __mmask8,
    zero: __mmask8,
}

impl Digits {
    #[target_feature(enable = "avx512f,avx512ifma")]
    #[inline]
    fn new(digits: [i16; LANES]) -> Self {
        let mask = |of: fn(i16) -> bool| {
            digits.iter().rev().fold(0, |mask, digit| mask << 1 | __mmask8::from(of(*digit)))
        };
        Self {
            sizes: load(&digits.map(|digit| u64::from(digit.unsigned_abs()))),
            negative: mask(|digit| digit < 0),
            zero: mask(|digit| digit == 0),
        }
    }
}

/// Points as (X/Z², Y/Z³).
#[derive(Clone, Copy)]
struct Points {
    x: Field,
    y: Field,
    z: Field,
}

impl Points {
    #[target_feature(enable = "avx512f,avx512ifma")]
    #[inline(never)]
    fn double(&mut self) {
        let squared = self.y.square();
        let s = self.x.mul(&squared);
        let x2 = self.x.squared();
        let m = x2.plus(&x2).plus(&x2).carry();
        // X' = M² − 8·S', Y' = M·(4·S' − X') − 8·Y⁴, Z' = 2·Y·Z, where S' = X·Y².
        let x = m.squared().minus::<3>(&s).carry();
        let fourth = squared.square();
        let rest = s.sum().shifted::<2>().minus::<0>(&x).carry();
        self.z = self.y.times(&self.z).shifted::<1>().carry();
        self.y = m.times(&rest).minus::<3>(&fourth).carry();
        self.x = x;
    }

    /// Adds (x, y), or takes it away in lanes of `negative`. Gives H, by which Z grew.
    #[target_feature(enable = "avx512f,avx512ifma")]
    #[inline]
    fn plus(&self, x: &Field, y: &Field, negative: __mmask8) -> (Self, Field) {
        let zz = self.z.square();
        let u2 = x.times(&zz);
        let s2 = y.mul(&self.z.mul(&zz));
        let s2 = s2.select(negative, &zero().minus::<0>(&s2).carry());
        let h = u2.minus::<0>(&self.x).carry();
        let r = s2.sum().minus::<0>(&self.y).carry();
        let hh = h.square();
        let hhh = h.mul(&hh);
        let v = self.x.mul(&hh);
        let x = r.squared().minus::<0>(&hhh).minus::<1>(&v).carry();
        let rest = v.sum().minus::<0>(&x).carry();
        let minus_y = zero().minus::<0>(&self.y).carry();
        let y = r.times_plus(&rest, &minus_y, &hhh).carry();
        (Self { x, y, z: self.z.mul(&h) }, h)
    }

    /// Adds the digits' multiples, given as (x, y) without signs. `empty` are the lanes that hold nothing yet.
    #[target_feature(enable = "avx512f,avx512ifma")]
    #[inline(never)]
    fn add(&mut self, x: &Field, y: &Field, digits: &Digits, empty: &mut __mmask8) {
        let (sum, _) = self.plus(x, y, digits.negative);
        let added = !digits.zero & !*empty;
        self.x = self.x.select(added, &sum.x);
        self.y = self.y.select(added, &sum.y);
        self.z = self.z.select(added, &sum.z);
        let first = !digits.zero & *empty;
        if first != 0 {
            let negated = zero().minus::<0>(y).carry();
            self.x = self.x.select(first, x);
            self.y = self.y.select(first, &y.select(digits.negative, &negated));
            self.z = self.z.select(first, &Field::one());
            *empty &= !first;
        }
    }
}

#[target_feature(enable = "avx512f,avx512ifma")]
#[inline]
fn zero() -> Sum {
    Field::splat(&[0; 4]).sum()
}

/// The first eight multiples of points, with one Z for all.
struct Multiples {
    x: [Field; 8],
    y: [Field; 8],
    z: Field,
}

impl Multiples {
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn new(x: Field, y: Field) -> Self {
        let first = Points { x, y, z: Field::one() };
        let mut points = [first; 8];
        // What Z grew by from each to the next.
        let mut growth = [first.z; 8];
        let mut second = first;
        second.double();
        points[1] = second;
        growth[1] = second.z;
        for i in 2..8 {
            (points[i], growth[i]) = points[i - 1].plus(&x, &y, 0);
        }
        let mut all = Self { x: [x; 8], y: [y; 8], z: points[7].z };
        let mut factor = Field::one();
        for i in (0..8).rev() {
            let square = factor.square();
            all.x[i] = points[i].x.mul(&square);
            all.y[i] = points[i].y.mul(&square.mul(&factor));
            factor = factor.mul(&growth[i]);
        }
        all
    }
}

/// What each lane's digit stands for; anything where that is zero.
#[target_feature(enable = "avx512f,avx512ifma")]
#[inline]
fn choose(digits: &Digits, x: &[Field; 8], y: &[Field; 8]) -> (Field, Field) {
    let mut chosen = (x[0], y[0]);
    for i in 1..8 {
        let mask = _mm512_cmpeq_epi64_mask(digits.sizes, _mm512_set1_epi64(i as i64 + 1));
        chosen = (chosen.0.select(mask, &x[i]), chosen.1.select(mask, &y[i]));
    }
    chosen
}

/// The same from a table of G's.
#[target_feature(enable = "avx512f,avx512ifma")]
#[inline]
fn look_up(table: &[[u64; 10]], digits: [i16; LANES]) -> (Field, Field) {
    let offsets = load(&digits.map(|digit| 10 * u64::from(digit.unsigned_abs().max(1) - 1)));
    let last = digits.iter().map(|digit| usize::from(digit.unsigned_abs())).max();
    assert!(last <= Some(table.len()));
    let gather = |limb: usize| {
        // SAFETY: each digit is at most the table's length, so that the offsets, in words, are those of rows of ten
        // words in it, and `limb` is below ten.
        unsafe { _mm512_i64gather_epi64::<8>(offsets, table.as_ptr().cast::<i64>().add(limb)) }
    };
    // INVARIANT: the tables hold limbs of numbers below 2^256.
    let x = Field::from_limbs([gather(0), gather(1), gather(2), gather(3), gather(4)]);
    let y = Field::from_limbs([gather(5), gather(6), gather(7), gather(8), gather(9)]);
    (x, y)
}

/// The public keys.
#[target_feature(enable = "avx512f,avx512ifma")]
fn keys(jobs: &[&Job; LANES]) -> [Option<[[u64; 4]; 2]>; LANES] {
    // R from its x: y² = x³ + 7, of which the one that is odd or even is taken.
    let x = Field::new(&jobs.map(|job| *job.x.as_limbs()));
    let seven = Field::splat(&[7, 0, 0, 0]);
    let square = x.square().times(&x).plus(&seven.sum()).carry();
    let y = square.root();
    let on_curve = y.square().numbers();
    let wanted = square.numbers();
    let numbers = y.numbers();
    let mut other = 0;
    for (lane, job) in jobs.iter().enumerate() {
        other |= __mmask8::from((numbers[lane][0] & 1 == 1) != job.y_odd) << lane;
    }
    let y = y.select(other, &zero().minus::<0>(&y).carry());

    // As if the multiples' Z were one: on the curve where that is so, the formulas are the same, and
    // G's multiples are moved there.
    let multiples = Multiples::new(x, y);
    let beta = Field::splat(&BETA);
    let endomorphic: [Field; 8] = std::array::from_fn(|i| multiples.x[i].mul(&beta));
    let z2 = multiples.z.square();
    let z3 = z2.mul(&multiples.z);

    let mut sum = Points { x, y, z: Field::one() };
    let mut empty: __mmask8 = !0;
    for window in (0..WINDOWS).rev() {
        if empty != !0 {
            for _ in 0..4 {
                sum.double();
            }
        }
        for (half, xs) in [&multiples.x, &endomorphic].into_iter().enumerate() {
            let digits = Digits::new(jobs.map(|job| i16::from(job.r[half][window])));
            let (x, y) = choose(&digits, xs, &multiples.y);
            sum.add(&x, &y, &digits, &mut empty);
        }
        if window % 2 == 0 && window / 2 < WIDE_WINDOWS {
            for (half, table) in G.iter().enumerate() {
                let all = jobs.map(|job| job.g[half][window / 2]);
                let (x, y) = look_up(table, all);
                sum.add(&x.mul(&z2), &y.mul(&z3), &Digits::new(all), &mut empty);
            }
        }
    }

    let z = sum.z.mul(&multiples.z);
    let inverse = z.inverse();
    let inverse2 = inverse.square();
    let x = sum.x.mul(&inverse2).numbers();
    let y = sum.y.mul(&inverse2.mul(&inverse)).numbers();
    let z = z.numbers();
    std::array::from_fn(|lane| {
        let found = on_curve[lane] == wanted[lane] && z[lane] != [0; 4] && empty >> lane & 1 == 0;
        found.then(|| [x[lane], y[lane]])
    })
}
