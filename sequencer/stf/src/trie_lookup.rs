//! Reading a trie without changing it: one key's value, or the proof that it has none.

use alloc::{boxed::Box, vec::Vec};

use alloy_primitives::{B256, keccak256};
use alloy_rlp::Decodable;
use alloy_trie::{
    EMPTY_ROOT_HASH, Nibbles,
    nodes::{RlpNode, TrieNode},
};

use crate::trie::{NodePlace, NodeReader, TrieError, TrieId};

/// Nibbles of a key, which is a hash.
pub(crate) const KEY_NIBBLES: usize = 64;

/// The value under `key` in the trie with this root; `None` if the nodes prove that there is none.
pub fn lookup<R: NodeReader>(
    reader: &R,
    trie: TrieId,
    root: B256,
    key: B256,
) -> Result<Option<Vec<u8>>, TrieError> {
    if root == EMPTY_ROOT_HASH {
        return Ok(None);
    }
    let key = Nibbles::unpack(key);
    let mut position = Nibbles::new();
    let mut reference = RlpNode::word_rlp(&root);
    loop {
        let at = || Box::new(NodePlace { trie, position });
        let malformed = || TrieError::Malformed { at: at() };
        let rlp = match reference.as_hash() {
            None => reference.as_ref().to_vec(),
            Some(hash) => {
                let rlp = reader
                    .node(trie, &position, hash)?
                    .ok_or_else(|| TrieError::Missing { at: at(), hash })?;
                let got = keccak256(&rlp);
                if got != hash {
                    return Err(TrieError::WrongHash { at: at(), hash, got });
                }
                rlp
            }
        };
        let node = TrieNode::decode(&mut rlp.as_slice()).map_err(|_| malformed())?;
        if !is_well_placed(&node, &position) {
            return Err(malformed());
        }
        let rest = key.slice(position.len()..);
        match node {
            TrieNode::EmptyRoot => return Ok(None),
            TrieNode::Leaf(leaf) => return Ok((leaf.key == rest).then_some(leaf.value)),
            TrieNode::Extension(extension) => {
                if !rest.starts_with(&extension.key) {
                    return Ok(None);
                }
                position.extend(&extension.key);
                reference = extension.child;
            }
            TrieNode::Branch(branch) => {
                let nibble = rest.get(0).ok_or_else(malformed)?;
                if !branch.state_mask.is_bit_set(nibble) {
                    return Ok(None);
                }
                let before = (0..nibble).filter(|below| branch.state_mask.is_bit_set(*below));
                reference = branch.stack.get(before.count()).ok_or_else(malformed)?.clone();
                position.push(nibble);
            }
        }
    }
}

/// Whether a node can be at a position of a trie whose keys all have one length. What does not fit
/// comes from no trie of ours and would lead nowhere, or on without end.
pub(crate) fn is_well_placed(node: &TrieNode, position: &Nibbles) -> bool {
    let Some(left) = KEY_NIBBLES.checked_sub(position.len()) else { return false };
    match node {
        TrieNode::EmptyRoot => position.is_empty(),
        TrieNode::Leaf(leaf) => leaf.key.len() == left,
        TrieNode::Extension(extension) => (1..left).contains(&extension.key.len()),
        TrieNode::Branch(_) => left > 0,
    }
}
