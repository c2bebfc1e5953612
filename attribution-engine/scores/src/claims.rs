//! Cumulative claims as a Merkle-sum tree: a root commits to its total, so it can never promise more
//! than it declares, and `AttributionSettlement` checks the declared total against the funding.
//!
//! Leaf: hash `keccak256(keccak256(abi.encode(datanetId, account, cumulative)))`, sum `cumulative`.
//! Parent: hash `keccak256(abi.encode(leftHash, uint128 leftSum, rightHash, uint128 rightSum))`, sum
//! `leftSum + rightSum`. Leaves ascend by (datanetId, account) and are padded with (0, 0) to a power
//! of two; a single leaf is its own root.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, U256, keccak256};
use alloy_sol_types::SolValue;
use serde::{Deserialize, Serialize};

use crate::{
    error::{Result, ScoresError},
    ids::DatanetId,
};

/// Everything `account` has earned from a Datanet's pool so far, wei.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Claim {
    pub datanet: DatanetId,
    pub account: Address,
    #[serde(with = "crate::claims::wei")]
    pub cumulative: u128,
}

/// A place without a claim. Honest trees have such only behind the last claim, where they need not be listed.
pub(crate) const PADDING: Claim =
    Claim { datanet: DatanetId(0), account: Address::ZERO, cumulative: 0 };

impl Claim {
    pub(crate) const fn key(&self) -> (DatanetId, Address) {
        (self.datanet, self.account)
    }

    fn leaf(&self) -> SumNode {
        if *self == PADDING {
            return SumNode::default();
        }
        let inner = keccak256(
            (self.datanet.to_u256(), self.account, U256::from(self.cumulative)).abi_encode(),
        );
        SumNode { hash: keccak256(inner), sum: self.cumulative }
    }
}

/// A node of the tree: what the contract calls `ProofNode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SumNode {
    pub hash: B256,
    #[serde(with = "crate::claims::wei")]
    pub sum: u128,
}

impl SumNode {
    fn parent(left: Self, right: Self) -> Result<Self> {
        let sum = left.sum.checked_add(right.sum).ok_or(ScoresError::AmountOverflow)?;
        let encoded =
            (left.hash, U256::from(left.sum), right.hash, U256::from(right.sum)).abi_encode();
        Ok(Self { hash: keccak256(encoded), sum })
    }
}

/// The claims of one epoch's root, in leaf order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Claims(Vec<Claim>);

/// What a contributor sends to `AttributionSettlement.claim`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClaimProof {
    #[serde(flatten)]
    pub claim: Claim,
    /// The leaf's position.
    pub index: u64,
    /// Siblings from the bottom up.
    pub proof: Vec<SumNode>,
}

/// A place at the bottom of the tree with its path: a claim, or padding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Absent for padding.
    pub claim: Option<Claim>,
    pub index: u64,
    /// Siblings from the bottom up.
    pub proof: Vec<SumNode>,
}

impl Slot {
    /// The proof of the claim here, if there is one.
    pub fn into_proof(self) -> Option<ClaimProof> {
        let Self { claim, index, proof } = self;
        Some(ClaimProof { claim: claim?, index, proof })
    }
}

impl Claims {
    /// Claims in ascending order of (datanet, account) without repetition.
    pub fn new(claims: Vec<Claim>) -> Result<Self> {
        let ascending = claims.windows(2).all(|pair| match pair {
            [a, b] => a.key() < b.key(),
            _ => true,
        });
        if ascending { Ok(Self(claims)) } else { Err(ScoresError::ClaimsOutOfOrder) }
    }

    /// Claims whose places in the tree are given; between them is padding, and so is the rest of a tree of so many levels.
    /// Nothing is checked: this is what somebody else has made.
    pub fn placed(claims: BTreeMap<usize, Claim>, depth: u8) -> Result<Self> {
        Ok(Self(crate::payments::placed(claims, depth, PADDING)?))
    }

    /// The claims, without padding behind them.
    pub fn as_slice(&self) -> &[Claim] {
        let end = self.0.iter().rposition(|claim| *claim != PADDING);
        end.and_then(|end| self.0.get(..=end)).unwrap_or_default()
    }

    /// Adds `amount` to what `account` has earned from `datanet`.
    pub fn add(&mut self, datanet: DatanetId, account: Address, amount: u128) -> Result<()> {
        match self.0.binary_search_by_key(&(datanet, account), Claim::key) {
            Ok(found) => {
                if let Some(claim) = self.0.get_mut(found) {
                    claim.cumulative =
                        claim.cumulative.checked_add(amount).ok_or(ScoresError::AmountOverflow)?;
                }
            }
            Err(_) if amount == 0 => {}
            Err(place) => self.0.insert(place, Claim { datanet, account, cumulative: amount }),
        }
        Ok(())
    }

    /// Root hash and total; of no claims, zero and zero.
    pub fn root(&self) -> Result<SumNode> {
        root_of(self.leaves())
    }

    /// The proof of what `account` may claim from `datanet`, if anything.
    pub fn proof(&self, datanet: DatanetId, account: Address) -> Result<Option<ClaimProof>> {
        let place = self.as_slice().binary_search_by_key(&(datanet, account), Claim::key);
        let Ok(position) = place else {
            return Ok(None);
        };
        Ok(self.slot(position)?.and_then(Slot::into_proof))
    }

    /// Places at the bottom of the tree: the claims, padded to a power of two.
    pub fn width(&self) -> usize {
        if self.0.is_empty() { 0 } else { self.0.len().next_power_of_two() }
    }

    /// What is at a place at the bottom of the tree, whatever the order of the claims; nothing beyond it.
    pub fn slot(&self, position: usize) -> Result<Option<Slot>> {
        if position >= self.width() {
            return Ok(None);
        }
        let proof = path_of(self.leaves(), position)?;
        let index = u64::try_from(position)
            .map_err(|_| ScoresError::Overflow { what: "leaf positions" })?;
        let claim = self.0.get(position).copied().filter(|claim| *claim != PADDING);
        Ok(Some(Slot { claim, index, proof }))
    }

    /// All proofs of one account, over all Datanets.
    pub fn proofs_of(&self, account: Address) -> Result<Vec<ClaimProof>> {
        self.0
            .iter()
            .filter(|claim| claim.account == account)
            .filter_map(|claim| self.proof(claim.datanet, account).transpose())
            .collect()
    }

    fn leaves(&self) -> Vec<SumNode> {
        padded(self.0.iter().map(Claim::leaf).collect())
    }
}

impl ClaimProof {
    /// Whether the proof leads to `root`; what the contract computes.
    pub fn verify(&self, root: SumNode) -> bool {
        let mut node = self.claim.leaf();
        let mut index = self.index;
        for sibling in &self.proof {
            let parent = if index & 1 == 0 {
                SumNode::parent(node, *sibling)
            } else {
                SumNode::parent(*sibling, node)
            };
            let Ok(parent) = parent else { return false };
            node = parent;
            index >>= 1;
        }
        index == 0 && node == root
    }
}

/// Leaves padded to a power of two; none stay none.
pub(crate) fn padded(mut leaves: Vec<SumNode>) -> Vec<SumNode> {
    if !leaves.is_empty() {
        leaves.resize(leaves.len().next_power_of_two(), SumNode::default());
    }
    leaves
}

/// The root over padded leaves; of none, zero and zero.
pub(crate) fn root_of(mut level: Vec<SumNode>) -> Result<SumNode> {
    while level.len() > 1 {
        level = parents(&level)?;
    }
    Ok(level.first().copied().unwrap_or_default())
}

/// Siblings of a leaf from the bottom up, over padded leaves.
pub(crate) fn path_of(mut level: Vec<SumNode>, mut position: usize) -> Result<Vec<SumNode>> {
    let mut path = Vec::new();
    while level.len() > 1 {
        path.push(level.get(position ^ 1).copied().unwrap_or_default());
        level = parents(&level)?;
        position >>= 1;
    }
    Ok(path)
}

fn parents(level: &[SumNode]) -> Result<Vec<SumNode>> {
    level
        .chunks(2)
        .map(|pair| match pair {
            [left, right] => SumNode::parent(*left, *right),
            _ => Err(ScoresError::EmptyTree),
        })
        .collect()
}

/// Wei amounts as decimal strings in JSON, which many readers parse as 64-bit floats otherwise.
pub mod wei {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(value: &u128, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&value.to_string())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u128, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn claim(datanet: u64, account: u8, cumulative: u128) -> Claim {
        Claim { datanet: DatanetId(datanet), account: Address::repeat_byte(account), cumulative }
    }

    #[test]
    fn no_claims_have_the_zero_root_and_one_is_its_own() {
        assert_eq!(Claims::default().root(), Ok(SumNode::default()));
        let one = Claims::new(vec![claim(1, 1, 5)]).unwrap();
        assert_eq!(one.root().unwrap(), claim(1, 1, 5).leaf());
        assert_eq!(one.proof(DatanetId(1), Address::repeat_byte(1)).unwrap().unwrap().proof, []);
    }

    #[test]
    fn order_and_repetition_are_checked() {
        let twice = vec![claim(1, 1, 5), claim(1, 1, 6)];
        assert_eq!(Claims::new(twice), Err(ScoresError::ClaimsOutOfOrder));
        let descending = vec![claim(2, 1, 5), claim(1, 9, 6)];
        assert_eq!(Claims::new(descending), Err(ScoresError::ClaimsOutOfOrder));
    }

    #[test]
    fn totals_cannot_overflow() {
        let two = Claims::new(vec![claim(1, 1, u128::MAX), claim(1, 2, 1)]).unwrap();
        assert_eq!(two.root(), Err(ScoresError::AmountOverflow));
        let mut one = Claims::new(vec![claim(1, 1, u128::MAX)]).unwrap();
        let more = one.add(DatanetId(1), Address::repeat_byte(1), 1);
        assert_eq!(more, Err(ScoresError::AmountOverflow));
    }

    #[test]
    fn a_hole_in_a_tree_is_out_of_order() {
        let at = |places: [usize; 2]| {
            let claims = [claim(1, 1, 5), claim(1, 2, 6)];
            Claims::placed(places.into_iter().zip(claims).collect(), 2).unwrap()
        };
        let rule = |claims: &Claims| {
            let funded = BTreeMap::from([(DatanetId(1), 11)]);
            let fault = crate::faults::find(&Claims::default(), claims, &funded).unwrap();
            fault.map(|fault| fault.rule())
        };
        assert_eq!(rule(&at([0, 2])), Some("order"));
        assert_eq!(rule(&at([1, 2])), Some("order"));
        // Padding behind them makes a deeper tree, which is no fault.
        let deeper = at([0, 1]);
        assert_eq!((rule(&deeper), deeper.as_slice().len()), (None, 2));
        let proof = deeper.proof(DatanetId(1), Address::repeat_byte(2)).unwrap().unwrap();
        assert_eq!(proof.proof.len(), 2);
        assert!(proof.verify(deeper.root().unwrap()));
    }

    proptest! {
        #[test]
        fn every_proof_verifies_and_no_other_amount_does(
            entries in prop::collection::vec((1_u64..4, any::<u8>(), 1_u128..1_000_000), 1..40),
        ) {
            let mut claims = Claims::default();
            for (datanet, account, amount) in &entries {
                claims.add(DatanetId(*datanet), Address::repeat_byte(*account), *amount).unwrap();
            }
            let root = claims.root().unwrap();
            prop_assert_eq!(root.sum, entries.iter().map(|(_, _, amount)| amount).sum::<u128>());
            prop_assert_eq!(&Claims::new(claims.as_slice().to_vec()).unwrap(), &claims);
            for claim in claims.as_slice() {
                let proof = claims.proof(claim.datanet, claim.account).unwrap().unwrap();
                prop_assert!(proof.verify(root));
                let mut more = proof.clone();
                more.claim.cumulative += 1;
                prop_assert!(!more.verify(root));
                let mut elsewhere = proof.clone();
                elsewhere.index ^= 1;
                prop_assert!(!elsewhere.verify(root));
                let mut beyond = proof;
                beyond.index += 1 << beyond.proof.len();
                prop_assert!(!beyond.verify(root));
            }
            prop_assert_eq!(claims.proof(DatanetId(9), Address::ZERO), Ok(None));
        }

        #[test]
        fn adding_in_any_order_gives_the_same_claims(
            mut entries in prop::collection::vec((1_u64..4, 0_u8..5, 1_u128..100), 1..20),
        ) {
            let gather = |entries: &[(u64, u8, u128)]| {
                let mut claims = Claims::default();
                for (datanet, account, amount) in entries {
                    claims.add(DatanetId(*datanet), Address::repeat_byte(*account), *amount).unwrap();
                }
                claims
            };
            let forward = gather(&entries);
            entries.reverse();
            prop_assert_eq!(gather(&entries), forward);
        }
    }
}
