//! Reading a trie without changing it: one key's value, or the proof that it has none; keys in order.

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
        let rest = key.slice(position.len()..);
        match read(reader, trie, &position, &reference)? {
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
                let malformed = || malformed(trie, &position);
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

/// Keys from `start` on with their values, ascending, at most `limit` of them.
pub fn leaves<R: NodeReader>(
    reader: &R,
    trie: TrieId,
    root: B256,
    start: B256,
    limit: usize,
) -> Result<Vec<(B256, Vec<u8>)>, TrieError> {
    let mut walk = Walk { reader, trie, start: Nibbles::unpack(start), limit, found: Vec::new() };
    if root != EMPTY_ROOT_HASH {
        walk.visit(Nibbles::new(), &RlpNode::word_rlp(&root))?;
    }
    Ok(walk.found)
}

struct Walk<'r, R> {
    reader: &'r R,
    trie: TrieId,
    start: Nibbles,
    limit: usize,
    found: Vec<(B256, Vec<u8>)>,
}

impl<R: NodeReader> Walk<'_, R> {
    /// Every visit goes deeper, and keys have an end.
    fn visit(&mut self, position: Nibbles, reference: &RlpNode) -> Result<(), TrieError> {
        // All keys below are before the start.
        let is_before = position < self.start.slice(..position.len());
        if self.found.len() >= self.limit || is_before {
            return Ok(());
        }
        match read(self.reader, self.trie, &position, reference)? {
            TrieNode::EmptyRoot => {}
            TrieNode::Leaf(leaf) => {
                let key = position.join(&leaf.key);
                if key >= self.start {
                    self.found.push((B256::from_slice(&key.pack()), leaf.value));
                }
            }
            TrieNode::Extension(extension) => {
                self.visit(position.join(&extension.key), &extension.child)?;
            }
            TrieNode::Branch(branch) => {
                let nibbles = (0_u8..16).filter(|nibble| branch.state_mask.is_bit_set(*nibble));
                for (nibble, child) in nibbles.zip(&branch.stack) {
                    let mut below = position;
                    below.push(nibble);
                    self.visit(below, child)?;
                }
            }
        }
        Ok(())
    }
}

/// The node that a reference stands for; its hash is checked.
fn read<R: NodeReader>(
    reader: &R,
    trie: TrieId,
    position: &Nibbles,
    reference: &RlpNode,
) -> Result<TrieNode, TrieError> {
    let at = || Box::new(NodePlace { trie, position: *position });
    let rlp = match reference.as_hash() {
        None => reference.as_ref().to_vec(),
        Some(hash) => {
            let rlp = reader
                .node(trie, position, hash)?
                .ok_or_else(|| TrieError::Missing { at: at(), hash })?;
            let got = keccak256(&rlp);
            if got != hash {
                return Err(TrieError::WrongHash { at: at(), hash, got });
            }
            rlp
        }
    };
    let node = TrieNode::decode(&mut rlp.as_slice()).map_err(|_| malformed(trie, position))?;
    if is_well_placed(&node, position) { Ok(node) } else { Err(malformed(trie, position)) }
}

fn malformed(trie: TrieId, position: &Nibbles) -> TrieError {
    TrieError::Malformed { at: Box::new(NodePlace { trie, position: *position }) }
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
