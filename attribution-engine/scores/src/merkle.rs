//! Plain Merkle trees over an ordered list: chunks, contributions, receipts, cluster maps. Leaves and
//! inner nodes are hashed in different domains (RFC 6962), and a node without a sibling is carried
//! up unchanged, so that no padding can be passed off as a leaf. A verifier knows index *and* leaf
//! count; at a level where the node has no sibling the proof holds nothing.

use std::collections::BTreeSet;

use alloy_primitives::{B256, Keccak256};

use crate::error::{Result, ScoresError};

/// `keccak256(0x00 ‖ leaf)`.
pub fn leaf_hash(leaf: &[u8]) -> B256 {
    let mut hasher = Keccak256::new();
    hasher.update([0x00]);
    hasher.update(leaf);
    hasher.finalize()
}

/// `keccak256(0x01 ‖ left ‖ right)`.
pub fn node_hash(left: B256, right: B256) -> B256 {
    let mut hasher = Keccak256::new();
    hasher.update([0x01]);
    hasher.update(left);
    hasher.update(right);
    hasher.finalize()
}

/// Root over leaf hashes ([`leaf_hash`]) in order.
pub fn root(leaves: &[B256]) -> Result<B256> {
    let mut level = leaves.to_vec();
    while level.len() > 1 {
        level = parents(&level);
    }
    level.first().copied().ok_or(ScoresError::EmptyTree)
}

/// Root over the leaves themselves.
pub fn root_of<L: AsRef<[u8]>>(leaves: impl IntoIterator<Item = L>) -> Result<B256> {
    let hashes: Vec<B256> = leaves.into_iter().map(|leaf| leaf_hash(leaf.as_ref())).collect();
    root(&hashes)
}

/// Siblings of leaf `index`, from the bottom up.
pub fn proof(leaves: &[B256], index: usize) -> Result<Vec<B256>> {
    if index >= leaves.len() {
        return Err(ScoresError::NoSuchLeaf { index: count(index), count: count(leaves.len()) });
    }
    let mut siblings = Vec::new();
    let mut level = leaves.to_vec();
    let mut position = index;
    while level.len() > 1 {
        if let Some(sibling) = level.get(position ^ 1) {
            siblings.push(*sibling);
        }
        level = parents(&level);
        position >>= 1;
    }
    Ok(siblings)
}

/// Siblings of every leaf, from the bottom up.
pub fn proofs(leaves: &[B256]) -> Vec<Vec<B256>> {
    let mut paths = vec![Vec::new(); leaves.len()];
    // The node above each leaf at this level.
    let mut nodes: Vec<usize> = (0..leaves.len()).collect();
    let mut level = leaves.to_vec();
    while level.len() > 1 {
        for (path, node) in paths.iter_mut().zip(&mut nodes) {
            path.extend(level.get(*node ^ 1));
            *node >>= 1;
        }
        level = parents(&level);
    }
    paths
}

/// Siblings that show the leaves at `indices` together: from the bottom up, of each level from left to right, none that is
/// known from those below.
pub fn proof_of(leaves: &[B256], indices: &BTreeSet<usize>) -> Result<Vec<B256>> {
    if let Some(index) = indices.last().filter(|last| **last >= leaves.len()) {
        return Err(ScoresError::NoSuchLeaf { index: count(*index), count: count(leaves.len()) });
    }
    let mut siblings = Vec::new();
    let mut level = leaves.to_vec();
    let mut known = indices.clone();
    while level.len() > 1 {
        let others = known.iter().map(|index| index ^ 1).filter(|other| !known.contains(other));
        siblings.extend(others.filter_map(|other| level.get(other)));
        level = parents(&level);
        known = known.into_iter().map(|index| index >> 1).collect();
    }
    Ok(siblings)
}

/// Whether `leaf` (a leaf hash) stands at `index` of a tree of `leaf_count` leaves with `root`.
pub fn verify(root: B256, leaf: B256, index: u64, leaf_count: u64, siblings: &[B256]) -> bool {
    if index >= leaf_count {
        return false;
    }
    let mut siblings = siblings.iter();
    let (mut hash, mut position, mut width) = (leaf, index, leaf_count);
    while width > 1 {
        if position ^ 1 < width {
            let Some(sibling) = siblings.next() else {
                return false;
            };
            hash = if position & 1 == 0 {
                node_hash(hash, *sibling)
            } else {
                node_hash(*sibling, hash)
            };
        }
        position >>= 1;
        width = width.div_ceil(2);
    }
    siblings.next().is_none() && hash == root
}

fn parents(level: &[B256]) -> Vec<B256> {
    level
        .chunks(2)
        .filter_map(|pair| match pair {
            [left, right] => Some(node_hash(*left, *right)),
            [carried] => Some(*carried),
            _ => None,
        })
        .collect()
}

fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

#[cfg(test)]
pub(crate) mod tests {
    use alloy_primitives::keccak256;
    use proptest::prelude::*;

    use super::*;

    fn leaves(count: usize) -> Vec<B256> {
        (0..count).map(|i| leaf_hash(&i.to_be_bytes())).collect()
    }

    #[test]
    fn a_single_leaf_is_the_root_and_no_leaf_is_an_error() {
        let one = leaves(1);
        assert_eq!(root(&one), Ok(one[0]));
        assert_eq!(root(&[]), Err(ScoresError::EmptyTree));
        assert!(verify(one[0], one[0], 0, 1, &[]));
    }

    #[test]
    fn an_unpaired_node_is_carried_up() {
        let l = leaves(3);
        assert_eq!(root(&l), Ok(node_hash(node_hash(l[0], l[1]), l[2])));
        assert_eq!(proof(&l, 2), Ok(vec![node_hash(l[0], l[1])]));
    }

    #[test]
    fn a_leaf_cannot_be_read_as_a_node() {
        let l = leaves(2);
        let forged = [&[0x01][..], l[0].as_slice(), l[1].as_slice()].concat();
        assert_ne!(leaf_hash(&forged), root(&l).unwrap());
        assert_eq!(keccak256(&forged), root(&l).unwrap());
    }

    /// `Merkle.verifyMany`.
    pub(crate) fn verify_many(
        root: B256,
        leaves: &[(u64, B256)],
        count: u64,
        siblings: &[B256],
    ) -> bool {
        let mut siblings = siblings.iter();
        let (mut known, mut width) = (leaves.to_vec(), count);
        while width > 1 {
            let mut above = Vec::new();
            let mut nodes = known.into_iter().peekable();
            while let Some((index, node)) = nodes.next() {
                let right = nodes.next_if(|(next, _)| index % 2 == 0 && *next == index + 1);
                let node = match right {
                    Some((_, right)) => node_hash(node, right),
                    None if index ^ 1 < width => match (siblings.next(), index % 2) {
                        (None, _) => return false,
                        (Some(right), 0) => node_hash(node, *right),
                        (Some(left), _) => node_hash(*left, node),
                    },
                    None => node,
                };
                above.push((index / 2, node));
            }
            (known, width) = (above, width.div_ceil(2));
        }
        siblings.next().is_none() && known == [(0, root)]
    }

    proptest! {
        #[test]
        fn leaves_are_shown_together(count in 1_usize..70, picks in prop::collection::vec(any::<prop::sample::Index>(), 1..20)) {
            let l = leaves(count);
            let root = root(&l).unwrap();
            let indices: BTreeSet<usize> = picks.iter().map(|pick| pick.index(count)).collect();
            let siblings = proof_of(&l, &indices).unwrap();
            let shown: Vec<(u64, B256)> = indices.iter().map(|i| (*i as u64, l[*i])).collect();
            prop_assert!(verify_many(root, &shown, count as u64, &siblings));
            if let [(index, _)] = shown[..] {
                prop_assert_eq!(siblings, proof(&l, index as usize).unwrap());
            } else {
                let mut wrong = shown.clone();
                wrong[1].1 = B256::ZERO;
                prop_assert!(!verify_many(root, &wrong, count as u64, &siblings));
            }
            prop_assert!(proof_of(&l, &BTreeSet::from([count])).is_err());
        }

        #[test]
        fn proofs_verify_for_their_leaf_and_no_other(count in 1_usize..70, pick in any::<prop::sample::Index>()) {
            let l = leaves(count);
            let index = pick.index(count);
            let root = root(&l).unwrap();
            let siblings = proof(&l, index).unwrap();
            assert_eq!(proofs(&l)[index], siblings);
            let (n, i) = (count as u64, index as u64);
            prop_assert!(verify(root, l[index], i, n, &siblings));
            for other in 0..n {
                prop_assert_eq!(verify(root, l[index], other, n, &siblings), other == i);
            }
            prop_assert!(!verify(root, B256::ZERO, i, n, &siblings));
            let mut longer = siblings.clone();
            longer.push(B256::ZERO);
            prop_assert!(!verify(root, l[index], i, n, &longer));
            if !siblings.is_empty() {
                prop_assert!(!verify(root, l[index], i, n, &siblings[1..]));
            }
        }
    }
}
