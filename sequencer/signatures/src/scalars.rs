//! What is to be multiplied with what: a signature's key is `u1·G + u2·R`, with R the point that has `r` as x.
//! Arithmetic is modulo the order of the group.

#![cfg_attr(not(target_arch = "x86_64"), allow(dead_code, reason = "no lanes there yet"))]

use alloy_primitives::U256;
use k256::{
    Scalar,
    elliptic_curve::{
        PrimeField,
        ops::{Invert, Reduce},
    },
};

use super::Signed;

/// Windows of four bits in 128, and a carry.
pub(crate) const WINDOWS: usize = 33;
/// Windows of eight bits in 128, and a carry.
pub(crate) const WIDE_WINDOWS: usize = 17;

/// Half of the group's order, rounded down: the largest `s` (EIP-2).
const S_MAX: U256 = U256::from_limbs([
    0xdfe9_2f46_681b_20a0,
    0x5d57_6e73_57a4_501d,
    0xffff_ffff_ffff_ffff,
    0x7fff_ffff_ffff_ffff,
]);

/// One signature's share of a group.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    /// Where it stands among all.
    pub index: usize,
    pub x: U256,
    pub y_odd: bool,
    /// Digits of `k1` and `k2` with `k1 + λ·k2 = u2`, the lowest first; each in −7..=8, or the negative of that.
    pub r: [[i8; WINDOWS]; 2],
    /// Digits of the lower and the upper half of `u1`; each in −127..=128.
    pub g: [[i16; WIDE_WINDOWS]; 2],
}

/// What is to be done for each signature whose numbers are in range.
pub(crate) fn jobs(signed: &[Signed]) -> Vec<Job> {
    let mut valid: Vec<(usize, &Signed, Scalar, Scalar)> = Vec::with_capacity(signed.len());
    for (index, signed) in signed.iter().enumerate() {
        let (Some(r), Some(s)) = (scalar(signed.r), scalar(signed.s)) else { continue };
        if !signed.r.is_zero() && !signed.s.is_zero() && signed.s <= S_MAX {
            valid.push((index, signed, r, s));
        }
    }
    // One inversion for all: of the product, from which each is taken back.
    let mut before = Vec::with_capacity(valid.len());
    let mut product = Scalar::ONE;
    for (_, _, r, _) in &valid {
        before.push(product);
        product *= r;
    }
    let Some(mut inverse) = Option::<Scalar>::from(product.invert_vartime()) else {
        return Vec::new();
    };
    let mut jobs = Vec::with_capacity(valid.len());
    for ((index, signed, r, s), before) in valid.into_iter().zip(before).rev() {
        let r_inverse = inverse * before;
        inverse *= r;
        let hash = <Scalar as Reduce<k256::U256>>::reduce_bytes(&signed.hash.0.into());
        let u1 = integer(&-(hash * r_inverse));
        let Some((k1, k2)) = split(&(s * r_inverse)) else { continue };
        jobs.push(Job {
            index,
            x: signed.r,
            y_odd: signed.y_odd,
            r: [k1.digits(), k2.digits()],
            g: [low(u1), low(u1 >> 128)].map(wide_digits),
        });
    }
    jobs
}

fn scalar(value: U256) -> Option<Scalar> {
    Scalar::from_repr(value.to_be_bytes::<32>().into()).into()
}

fn integer(scalar: &Scalar) -> U256 {
    U256::from_be_bytes::<32>(scalar.to_bytes().into())
}

fn low(value: U256) -> u128 {
    let [low, high, ..] = *value.as_limbs();
    u128::from(high) << 64 | u128::from(low)
}

/// A number of 128 bits and its sign.
#[derive(Clone, Copy, Debug)]
struct Half {
    negative: bool,
    size: u128,
}

impl Half {
    /// `None` if it has more bits.
    fn new(scalar: &Scalar) -> Option<Self> {
        let value = integer(scalar);
        let negative = value > S_MAX;
        let size = if negative { integer(&-*scalar) } else { value };
        (size >> 128_usize).is_zero().then(|| Self { negative, size: low(size) })
    }

    fn digits(self) -> [i8; WINDOWS] {
        let mut rest = self.size;
        let mut carry = 0;
        std::array::from_fn(|_| {
            let mut digit = (rest & 15) as i8 + carry;
            rest >>= 4;
            carry = i8::from(digit > 8);
            digit -= 16 * carry;
            if self.negative { -digit } else { digit }
        })
    }
}

fn wide_digits(number: u128) -> [i16; WIDE_WINDOWS] {
    let mut rest = number;
    let mut carry = 0;
    std::array::from_fn(|_| {
        let mut digit = (rest & 255) as i16 + carry;
        rest >>= 8;
        carry = i16::from(digit > 128);
        digit -= 256 * carry;
        digit
    })
}

/// `k1` and `k2`, both short, with `k1 + λ·k2 = k`, where multiplying by λ is multiplying x by β. By rounding
/// in the lattice of such pairs that are zero (Gallant, Lambert and Vanstone); libsecp256k1 explains the constants.
fn split(k: &Scalar) -> Option<(Half, Half)> {
    const G1: U256 = U256::from_limbs([
        0xe893_209a_45db_b031,
        0x3daa_8a14_71e8_ca7f,
        0xe86c_90e4_9284_eb15,
        0x3086_d221_a7d4_6bcd,
    ]);
    const G2: U256 = U256::from_limbs([
        0x1571_b4ae_8ac4_7f71,
        0x2212_08ac_9df5_06c6,
        0x6f54_7fa9_0abf_e4c4,
        0xe443_7ed6_010e_8828,
    ]);
    const MINUS_B1: U256 = U256::from_limbs([0x6f54_7fa9_0abf_e4c3, 0xe443_7ed6_010e_8828, 0, 0]);
    const MINUS_B2: U256 = U256::from_limbs([
        0xd765_cda8_3db1_562c,
        0x8a28_0ac5_0774_346d,
        0xffff_ffff_ffff_fffe,
        0xffff_ffff_ffff_ffff,
    ]);
    let number = integer(k);
    let c1 = scalar(round_384(number, G1)?)?;
    let c2 = scalar(round_384(number, G2)?)?;
    let k2 = c1 * scalar(MINUS_B1)? + c2 * scalar(MINUS_B2)?;
    let k1 = *k - k2 * scalar(LAMBDA)?;
    Some((Half::new(&k1)?, Half::new(&k2)?))
}

const LAMBDA: U256 = U256::from_limbs([
    0xdf02_967c_1b23_bd72,
    0x122e_22ea_2081_6678,
    0xa526_1c02_8812_645a,
    0x5363_ad4c_c05c_30e0,
]);

/// The product over 2^384, to the nearest.
fn round_384(a: U256, b: U256) -> Option<U256> {
    let [.., below, low, high] = *a.widening_mul::<256, 4, 512, 8>(b).as_limbs();
    U256::from_limbs([low, high, 0, 0]).checked_add(U256::from(below >> 63))
}

#[cfg(test)]
mod tests {
    use alloy_primitives::{B256, keccak256};

    use super::*;

    fn value(half: Half) -> Scalar {
        let size = Scalar::from(half.size);
        if half.negative { -size } else { size }
    }

    #[test]
    fn halves_make_the_whole_and_digits_the_halves() {
        let mut k =
            vec![Scalar::ONE, -Scalar::ONE, scalar(LAMBDA).unwrap(), -scalar(LAMBDA).unwrap()];
        k.extend([scalar(S_MAX).unwrap(), scalar(S_MAX + U256::from(1)).unwrap(), Scalar::ZERO]);
        k.extend((0..10_000_u64).map(|seed| {
            <Scalar as Reduce<k256::U256>>::reduce_bytes(&keccak256(seed.to_be_bytes()).0.into())
        }));
        for k in k {
            let (k1, k2) = split(&k).unwrap();
            assert_eq!(value(k1) + value(k2) * scalar(LAMBDA).unwrap(), k);
            for half in [k1, k2] {
                let mut sum = Scalar::ZERO;
                for digit in half.digits().into_iter().rev() {
                    assert!(digit.abs() <= 8);
                    let size = Scalar::from(u64::from(digit.unsigned_abs()));
                    sum = sum * Scalar::from(16_u64) + if digit < 0 { -size } else { size };
                }
                assert_eq!(sum, value(half));
                let mut sum = Scalar::ZERO;
                for digit in wide_digits(half.size).into_iter().rev() {
                    assert!(digit.abs() <= 128);
                    let size = Scalar::from(u64::from(digit.unsigned_abs()));
                    sum = sum * Scalar::from(256_u64) + if digit < 0 { -size } else { size };
                }
                assert_eq!(sum, Scalar::from(half.size));
            }
        }
        for digits in [u128::MAX, u128::MAX - 7, 0x8888_8888_8888_8888_8888_8888_8888_8888] {
            let half = Half { negative: true, size: digits };
            assert!(half.digits().iter().all(|digit| digit.abs() <= 8));
        }
    }

    #[test]
    fn numbers_out_of_range_are_left_out() {
        let order = S_MAX + S_MAX + U256::from(1);
        let good = Signed { hash: B256::ZERO, r: U256::from(1), s: S_MAX, y_odd: false };
        let bad = [
            Signed { r: U256::ZERO, ..good },
            Signed { s: U256::ZERO, ..good },
            Signed { r: order, ..good },
            Signed { r: U256::MAX, ..good },
            Signed { s: S_MAX + U256::from(1), ..good },
            Signed { s: order, ..good },
        ];
        assert!(jobs(&bad).is_empty());
        let mixed: Vec<Signed> = bad.iter().flat_map(|bad| [*bad, good]).collect();
        let mut indices: Vec<usize> = jobs(&mixed).iter().map(|job| job.index).collect();
        indices.sort_unstable();
        assert_eq!(indices, [1, 3, 5, 7, 9, 11]);
    }
}
