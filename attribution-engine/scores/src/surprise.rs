//! Surprise of a token: −log₂ of its share in the corpus, in bits as Q16 fixed point (1 bit = 65,536).
//! Only cluster founders' documents are counted, so that copies can neither make a phrase look common
//! nor raise the floor.

use std::collections::BTreeSet;

use alloy_primitives::{B256, U256};
use alloy_sol_types::SolValue;

use crate::{error::Result, merkle};

/// Distinct values of a token: 16 bits.
pub const TOKEN_VALUES: usize = 1 << 16;
/// One bit of surprise.
pub const ONE_BIT_Q16: u64 = 1 << 16;

/// ⌊log₂(x)·2¹⁶⌋ by repeated squaring of the mantissa, 63 fractional bits; of zero, zero. Exact integer
/// steps, so every machine computes the same table.
pub fn log2_q16(x: u64) -> u64 {
    let Some(whole) = x.checked_ilog2() else {
        return 0;
    };
    let whole = u64::from(whole);
    // x / 2^whole in [1, 2) with 63 fractional bits.
    let mut mantissa = u128::from(x) << 63_u64.saturating_sub(whole);
    let mut fraction = 0_u64;
    for _ in 0..16 {
        mantissa = mantissa.saturating_mul(mantissa) >> 63;
        fraction <<= 1;
        if mantissa >= 1 << 64 {
            mantissa >>= 1;
            fraction |= 1;
        }
    }
    (whole << 16) | fraction
}

/// Counts of every token in the counted documents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnigramCounts {
    counts: Vec<u64>,
    total: u64,
}

impl Default for UnigramCounts {
    fn default() -> Self {
        Self { counts: vec![0; TOKEN_VALUES], total: 0 }
    }
}

impl UnigramCounts {
    /// Counts one more document.
    pub fn add(&mut self, tokens: &[u16]) {
        for token in tokens {
            self.add_many(*token, 1);
        }
    }

    /// Counts `token` another `times` times.
    pub fn add_many(&mut self, token: u16, times: u64) {
        if let Some(count) = self.counts.get_mut(usize::from(token)) {
            *count = count.saturating_add(times);
            self.total = self.total.saturating_add(times);
        }
    }

    /// Tokens counted.
    pub const fn total(&self) -> u64 {
        self.total
    }

    pub fn count(&self, token: u16) -> u64 {
        self.counts.get(usize::from(token)).copied().unwrap_or_default()
    }
}

/// The table of surprises that a corpus gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SurpriseTable {
    values: Vec<u64>,
    total_log2: u64,
}

impl SurpriseTable {
    /// log₂(total) − log₂(count), where a token that never occurs counts as occurring once.
    pub fn new(counts: &UnigramCounts) -> Self {
        let total_log2 = log2_q16(counts.total);
        let values =
            counts.counts.iter().map(|count| total_log2.saturating_sub(log2_q16(*count))).collect();
        Self { values, total_log2 }
    }

    /// Surprise of one token, Q16 bits.
    pub fn of(&self, token: u16) -> u64 {
        self.values.get(usize::from(token)).copied().unwrap_or_default()
    }

    /// Surprises of tokens in order.
    pub fn of_all(&self, tokens: &[u16]) -> Vec<u64> {
        tokens.iter().map(|token| self.of(*token)).collect()
    }

    /// What `surpriseRoot` of a model is over: for every token value its surprise, and last the floor.
    pub fn tree(&self, margin_q16: u64) -> SurpriseTree {
        let values = self.values.iter().copied().chain([self.floor(margin_q16)]);
        let leaf = |(index, value): (u64, u64)| {
            merkle::leaf_hash(&(U256::from(index), U256::from(value)).abi_encode())
        };
        SurpriseTree { leaves: (0..).zip(values).map(leaf).collect() }
    }

    /// What a match must exceed to earn: log₂ of the corpus size, the surprise at which one chance match
    /// per position is expected, plus the engine spec's margin.
    pub const fn floor(&self, margin_q16: u64) -> u64 {
        self.total_log2.saturating_add(margin_q16)
    }
}

/// A table of surprises as a tree: leaf *i* is `abi.encode(i, surprise of token i)`, that of the floor comes after all tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SurpriseTree {
    leaves: Vec<B256>,
}

impl SurpriseTree {
    /// `surpriseRoot`.
    pub fn root(&self) -> Result<B256> {
        merkle::root(&self.leaves)
    }

    /// Siblings that show the surprises of some tokens, and the floor, together.
    pub fn proof(&self, tokens: &[u16]) -> Result<Vec<B256>> {
        let shown: BTreeSet<usize> =
            tokens.iter().map(|token| usize::from(*token)).chain([TOKEN_VALUES]).collect();
        merkle::proof_of(&self.leaves, &shown)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::merkle::tests::verify_many;

    #[test]
    fn known_logarithms() {
        assert_eq!(log2_q16(0), 0);
        assert_eq!(log2_q16(1), 0);
        assert_eq!(log2_q16(2), ONE_BIT_Q16);
        assert_eq!(log2_q16(1 << 40), 40 * ONE_BIT_Q16);
        // log2(3) = 1.584962500721156, times 65,536 = 103,872.10.
        assert_eq!(log2_q16(3), 103_872);
        // log2(10) = 3.321928094887362, times 65,536 = 217,705.88.
        assert_eq!(log2_q16(10), 217_705);
        assert_eq!(log2_q16(u64::MAX), 64 * ONE_BIT_Q16 - 1);
    }

    #[test]
    fn rare_tokens_surprise_more_and_unseen_ones_most() {
        let mut counts = UnigramCounts::default();
        counts.add(&[1, 1, 1, 1, 2, 2, 3, 4]);
        let table = SurpriseTable::new(&counts);
        assert_eq!(table.of(1), ONE_BIT_Q16);
        assert_eq!(table.of(2), 2 * ONE_BIT_Q16);
        assert_eq!(table.of(3), 3 * ONE_BIT_Q16);
        assert_eq!(table.of(9), 3 * ONE_BIT_Q16);
        assert_eq!(table.floor(ONE_BIT_Q16), 4 * ONE_BIT_Q16);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(8))]

        #[test]
        fn surprises_of_any_tokens_are_shown_with_the_floor(
            counted in prop::collection::vec((any::<u16>(), 1_u64..1_000), 0..40),
            others in prop::collection::vec(any::<u16>(), 0..20),
            margin in 0_u64..1 << 22,
        ) {
            let mut counts = UnigramCounts::default();
            for (token, times) in &counted {
                counts.add_many(*token, *times);
            }
            let table = SurpriseTable::new(&counts);
            let tree = table.tree(margin);
            let tokens: Vec<u16> = counted.iter().map(|(token, _)| *token).chain(others).collect();
            let distinct: BTreeSet<u16> = tokens.iter().copied().collect();
            let leaf = |(index, value): (u64, u64)| {
                (index, merkle::leaf_hash(&(U256::from(index), U256::from(value)).abi_encode()))
            };
            let mut shown: Vec<(u64, B256)> =
                distinct.iter().map(|token| leaf((u64::from(*token), table.of(*token)))).collect();
            shown.push(leaf((65_536, table.floor(margin))));
            let (root, proof) = (tree.root().unwrap(), tree.proof(&tokens).unwrap());
            prop_assert!(verify_many(root, &shown, 65_537, &proof));
            shown[0] = leaf((shown[0].0, table.of(0).max(table.floor(margin)) + 1));
            prop_assert!(!verify_many(root, &shown, 65_537, &proof));
        }
    }

    proptest! {
        #[test]
        fn the_logarithm_is_the_real_one_rounded_down(x in 1_u64..(1 << 50)) {
            let real = (x as f64).log2() * 65_536.0;
            prop_assert!((log2_q16(x) as f64 - real.floor()).abs() <= 1.0);
        }

        #[test]
        fn the_logarithm_is_monotone(x in 1_u64..u64::MAX) {
            prop_assert!(log2_q16(x) <= log2_q16(x + 1));
        }
    }
}
