//! Whatever is found in lanes is what recovery finds that knows nothing of lanes (k256).

use alloy_primitives::{Address, B256, U256, keccak256};
use k256::{
    ProjectivePoint, Scalar,
    ecdsa::{RecoveryId, Signature, SigningKey, VerifyingKey},
    elliptic_curve::{PrimeField, point::AffineCoordinates},
};
use proptest::prelude::*;
use sequencer_signatures::{Signed, available, recover};

fn signed(seed: u64) -> Signed {
    let key = SigningKey::from_slice(keccak256(seed.to_be_bytes()).as_slice()).unwrap();
    let hash = keccak256((seed + 1_000_000).to_be_bytes());
    let (signature, parity) = key.sign_prehash_recoverable(hash.as_slice()).unwrap();
    let (r, s) = signature.split_bytes();
    Signed {
        hash,
        r: U256::from_be_bytes::<32>(r.into()),
        s: U256::from_be_bytes::<32>(s.into()),
        y_odd: parity.is_y_odd(),
    }
}

/// What is right. A high `s` is not (EIP-2).
fn expected(signed: &Signed) -> Option<Address> {
    let (r, s) = (signed.r.to_be_bytes::<32>(), signed.s.to_be_bytes::<32>());
    let signature = Signature::from_scalars(r, s).ok()?;
    if signature.normalize_s().is_some() {
        return None;
    }
    let parity = RecoveryId::new(signed.y_odd, false);
    let key =
        VerifyingKey::recover_from_prehash(signed.hash.as_slice(), &signature, parity).ok()?;
    let point = key.to_encoded_point(false);
    Some(Address::from_slice(&keccak256(&point.as_bytes()[1..])[12..]))
}

/// Nothing that is found may be wrong.
#[track_caller]
fn check(signed: &[Signed]) -> usize {
    let found = recover(signed);
    assert_eq!(found.len(), signed.len());
    for (signed, found) in signed.iter().zip(&found) {
        if let Some(found) = found {
            assert_eq!(Some(*found), expected(signed), "{signed:?}");
        }
    }
    found.iter().flatten().count()
}

#[test]
fn all_that_keys_signed_is_found() {
    let all: Vec<Signed> = (0..2_000).map(signed).collect();
    assert_eq!(check(&all), if available() { all.len() } else { 0 });
    for count in 0..30 {
        // One group more for the rest, if it is worth its while.
        let rest = count % 8;
        let least = if rest < 3 { count - rest } else { count };
        assert_eq!(check(&all[..count]), if available() { least } else { 0 });
    }
}

#[test]
fn one_bad_signature_leaves_the_others_alone() {
    let mut all: Vec<Signed> = (0..64).map(signed).collect();
    all[3].s = U256::ZERO;
    all[9].r = U256::MAX;
    // No point has this x.
    all[17].r = U256::from(5);
    all[33].s = U256::MAX;
    let found = check(&all);
    if available() {
        // Without three of them there are 61 left, in eight groups, of which one finds one less.
        assert_eq!(found, 60);
    }
}

#[test]
fn points_that_meet_are_left_to_others_or_found_rightly() {
    // R is a small multiple of G, so that multiples of both meet on the way, and hashes and s are such that
    // the multipliers are small, equal or opposite.
    let order_minus = |value: u64| -Scalar::from(value);
    let number = |scalar: Scalar| U256::from_be_bytes::<32>(scalar.to_bytes().into());
    let mut all = Vec::new();
    for multiple in [1_u64, 2, 3, 5, 8, 16, 17, 128, 256, 4_096] {
        for negative in [false, true] {
            let k = if negative { order_minus(multiple) } else { Scalar::from(multiple) };
            let point = (ProjectivePoint::GENERATOR * k).to_affine();
            let r = Scalar::from_repr(point.x()).unwrap();
            let y_odd = bool::from(point.y_is_odd());
            for u2 in [1_u64, 2, 7, 8, 9, 16, 127, 128, 129, 255, 256, 65_536] {
                for u1 in [0_u64, 1, 2, 8, 16, 128, 129, 256, multiple * u2, multiple * u2 + 1] {
                    for flipped in [false, true] {
                        let u1 = if flipped { order_minus(u1) } else { Scalar::from(u1) };
                        // u1 = −hash / r and u2 = s / r.
                        let s = Scalar::from(u2) * r;
                        let hash = B256::from(number(-(u1 * r)));
                        all.push(Signed { hash, r: number(r), s: number(s), y_odd });
                        all.push(Signed { hash, r: number(r), s: number(-s), y_odd });
                    }
                }
            }
        }
    }
    let found = check(&all);
    if available() {
        assert!(found > all.len() / 4, "{found} of {}", all.len());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_numbers_get_the_right_answer_or_none(
        parts in proptest::collection::vec(any::<([u64; 4], [u64; 4], [u8; 32], bool)>(), 3..20),
        small in any::<u64>(),
    ) {
        let mut all: Vec<Signed> = parts
            .into_iter()
            .map(|(r, s, hash, y_odd)| Signed {
                hash: hash.into(),
                r: U256::from_limbs(r),
                s: U256::from_limbs(s) >> 1,
                y_odd,
            })
            .collect();
        all[0].r = U256::from(small);
        all[1].s = U256::from(small);
        let expected: Vec<_> = all.iter().map(expected).collect();
        let found = recover(&all);
        for (found, expected) in found.iter().zip(&expected) {
            prop_assert!(found.is_none() || found == expected);
        }
        // Whole groups of valid ones leave none out.
        let valid = expected.iter().flatten().count();
        if available() && all.len() % 8 == 0 && valid == all.len() {
            prop_assert_eq!(found, expected);
        }
    }
}
