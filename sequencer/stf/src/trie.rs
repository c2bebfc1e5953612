//! A sparse Merkle–Patricia trie: only the nodes on the paths of changed keys are loaded, changed and
//! rehashed, so a block costs O(changed keys × depth). Nodes are known by their *position* (the
//! nibbles from the root), which never changes for a subtree that is not touched; a reader that
//! stores nodes by position therefore writes only what changed, and a reader that stores them by
//! hash (a witness) serves the same trie.
//!
//! Source: Ethereum yellow paper, appendix D.

use alloc::{boxed::Box, collections::BTreeMap, vec::Vec};
use core::{fmt, ops::Range};

use alloy_primitives::{B256, keccak256};
use alloy_rlp::{Decodable, Encodable};
use alloy_trie::{
    EMPTY_ROOT_HASH, Nibbles, TrieMask,
    nodes::{BranchNode, ExtensionNode, LeafNode, RlpNode, TrieNode},
};

use crate::trie_lookup::is_well_placed;

/// Which trie a node belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TrieId {
    /// The account trie.
    Accounts,
    /// The storage trie of the account with this hashed address.
    Storage(B256),
}

/// Gives nodes of the tries of one state.
pub trait NodeReader {
    /// The RLP of the node at `position`, whose hash is `hash`; `None` if it is not there.
    fn node(
        &self,
        trie: TrieId,
        position: &Nibbles,
        hash: B256,
    ) -> Result<Option<Vec<u8>>, TrieError>;
}

/// Where a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodePlace {
    pub trie: TrieId,
    pub position: Nibbles,
}

impl fmt::Display for NodePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.trie {
            TrieId::Accounts => write!(f, "{:?} of the account trie", self.position),
            TrieId::Storage(owner) => {
                write!(f, "{:?} of the storage trie of {owner} (hashed)", self.position)
            }
        }
    }
}

/// A trie that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TrieError {
    #[error("trie node {hash} at {at} is missing")]
    Missing { at: Box<NodePlace>, hash: B256 },
    #[error("trie node at {at} hashes to {got}, expected {hash}")]
    WrongHash { at: Box<NodePlace>, hash: B256, got: B256 },
    #[error("trie node at {at} is malformed")]
    Malformed { at: Box<NodePlace> },
    #[error("trie nodes cannot be read: {0}")]
    Reader(alloc::string::String),
}

/// Nodes written (RLP) and removed by position, in the order of positions. All nodes lie in one
/// buffer: a block writes thousands.
///
/// INVARIANT: every range is one of `bytes`. Bytes that no range names were replaced.
#[derive(Clone, Debug, Default)]
pub struct NodeUpdates {
    entries: Vec<(Nibbles, Option<Range<usize>>)>,
    bytes: Vec<u8>,
}

impl NodeUpdates {
    /// Of entries that may come in any order, each a range of `bytes` or `None` for a removed node;
    /// ranges outside `bytes` count as removed. A position must come once.
    pub fn from_parts(mut entries: Vec<(Nibbles, Option<Range<usize>>)>, bytes: Vec<u8>) -> Self {
        if !entries.is_sorted_by(|a, b| a.0 < b.0) {
            entries.sort_unstable_by_key(|entry| entry.0);
        }
        for (_, range) in &mut entries {
            range.take_if(|range| bytes.get(range.clone()).is_none());
        }
        Self { entries, bytes }
    }

    /// Number of nodes written and removed.
    pub const fn len(&self) -> usize {
        self.entries.len()
    }

    pub const fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Every position with the node now there, or `None` if it was removed.
    pub fn iter(&self) -> impl Iterator<Item = (&Nibbles, Option<&[u8]>)> {
        self.entries.iter().map(|(position, range)| (position, self.slice(range.as_ref())))
    }

    /// What became of the node at a position: outer `None` if it did not change, inner if it is gone.
    pub fn get(&self, position: &Nibbles) -> Option<Option<&[u8]>> {
        let at = self.entries.binary_search_by(|entry| entry.0.cmp(position)).ok()?;
        let (_, range) = self.entries.get(at)?;
        Some(self.slice(range.as_ref()))
    }

    fn slice(&self, range: Option<&Range<usize>>) -> Option<&[u8]> {
        self.bytes.get(range?.clone())
    }

    /// Takes up what a later block changed, so that both are written in one pass. Nodes stay where they lie
    /// until half of the buffer is of replaced ones: a block is merged from many parts.
    pub fn merge(&mut self, later: &Self) {
        let offset = self.bytes.len();
        self.bytes.extend_from_slice(&later.bytes);
        let moved = |range: &Range<usize>| range.start + offset..range.end + offset;
        let earlier = core::mem::take(&mut self.entries);
        self.entries.reserve_exact(earlier.len() + later.entries.len());
        let mut earlier = earlier.into_iter().peekable();
        for (position, range) in &later.entries {
            while let Some(before) = earlier.next_if(|before| before.0 <= *position) {
                if before.0 < *position {
                    self.entries.push(before);
                }
            }
            self.entries.push((*position, range.as_ref().map(moved)));
        }
        self.entries.extend(earlier);
        let ranges = self.entries.iter().filter_map(|entry| entry.1.as_ref());
        let used: usize = ranges.map(ExactSizeIterator::len).sum();
        if used < self.bytes.len() / 2 {
            let mut compact = Self {
                entries: Vec::with_capacity(self.entries.len()),
                bytes: Vec::with_capacity(used),
            };
            self.iter().for_each(|(position, node)| compact.push(*position, node));
            *self = compact;
        }
    }

    /// Appends in order.
    fn push(&mut self, position: Nibbles, node: Option<&[u8]>) {
        let range = node.map(|node| {
            let start = self.bytes.len();
            self.bytes.extend_from_slice(node);
            start..self.bytes.len()
        });
        self.entries.push((position, range));
    }
}

impl FromIterator<(Nibbles, Option<Vec<u8>>)> for NodeUpdates {
    fn from_iter<I: IntoIterator<Item = (Nibbles, Option<Vec<u8>>)>>(nodes: I) -> Self {
        let nodes: BTreeMap<_, _> = nodes.into_iter().collect();
        let mut updates = Self::default();
        nodes.into_iter().for_each(|(position, node)| updates.push(position, node.as_deref()));
        updates
    }
}

impl PartialEq for NodeUpdates {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for NodeUpdates {}

/// Nodes while they are collected.
type Collected = BTreeMap<Nibbles, Option<Vec<u8>>>;

/// A node with its reference as its parent holds it, while it is unchanged.
#[derive(Clone, Debug)]
struct Node {
    kind: Kind,
    reference: Option<RlpNode>,
}

#[derive(Clone, Debug)]
enum Kind {
    Empty,
    /// Not loaded; `reference` is always there.
    Stub,
    Leaf {
        suffix: Nibbles,
        value: Vec<u8>,
    },
    Extension {
        prefix: Nibbles,
        child: Box<Node>,
    },
    Branch {
        children: Box<[Node; 16]>,
    },
}

impl Node {
    const EMPTY: Self = Self { kind: Kind::Empty, reference: None };

    const fn dirty(kind: Kind) -> Self {
        Self { kind, reference: None }
    }

    const fn stub(reference: RlpNode) -> Self {
        Self { kind: Kind::Stub, reference: Some(reference) }
    }

    fn leaf(suffix: Nibbles, value: Vec<u8>) -> Self {
        Self::dirty(Kind::Leaf { suffix, value })
    }

    /// An extension, or what it extends if the prefix is empty.
    fn extension(prefix: Nibbles, child: Self) -> Self {
        if prefix.is_empty() {
            child
        } else {
            Self::dirty(Kind::Extension { prefix, child: Box::new(child) })
        }
    }

    const fn is_empty(&self) -> bool {
        matches!(self.kind, Kind::Empty)
    }
}

/// One trie, loaded as far as it was asked for.
pub struct SparseTrie<'r, R> {
    reader: &'r R,
    id: TrieId,
    root: Node,
    /// Positions of nodes that the reader gave.
    loaded: Vec<Nibbles>,
}

impl<'r, R: NodeReader> SparseTrie<'r, R> {
    /// The trie with this root.
    pub fn new(reader: &'r R, id: TrieId, root: B256) -> Self {
        let root = if root == EMPTY_ROOT_HASH {
            Node::EMPTY
        } else {
            Node::stub(RlpNode::word_rlp(&root))
        };
        Self { reader, id, root, loaded: Vec::new() }
    }

    /// Sets a key's value; `value` must not be empty.
    pub fn insert(&mut self, key: B256, value: Vec<u8>) -> Result<(), TrieError> {
        let root = core::mem::replace(&mut self.root, Node::EMPTY);
        self.root = self.insert_at(root, Nibbles::new(), Nibbles::unpack(key), value)?;
        Ok(())
    }

    /// Removes a key; nothing happens if it is not there.
    pub fn remove(&mut self, key: B256) -> Result<(), TrieError> {
        let root = core::mem::replace(&mut self.root, Node::EMPTY);
        self.root = self.remove_at(root, Nibbles::new(), Nibbles::unpack(key))?;
        Ok(())
    }

    /// Rehashes what changed; the root and the node updates.
    pub fn seal(&mut self) -> (B256, NodeUpdates) {
        let mut updates = Collected::new();
        let root = self.hash(&mut updates);
        let mut kept = Vec::new();
        positions(&self.root, Nibbles::new(), &mut kept);
        kept.sort_unstable();
        for position in &self.loaded {
            if kept.binary_search(position).is_err() {
                updates.entry(*position).or_insert(None);
            }
        }
        (root, updates.into_iter().collect())
    }

    /// The nodes on a key's path from the root down, as `eth_getProof` gives them (EIP-1186).
    pub fn proof(&mut self, key: B256) -> Result<Vec<Vec<u8>>, TrieError> {
        let mut discarded = Collected::new();
        self.hash(&mut discarded);
        let mut proof = Vec::new();
        let mut node = self.root.clone();
        let mut position = Nibbles::new();
        let key = Nibbles::unpack(key);
        loop {
            node = self.load(node, &position)?;
            if node.is_empty() {
                return Ok(proof);
            }
            let rlp = encode(&node);
            if rlp.len() >= 32 || position.is_empty() {
                proof.push(rlp);
            }
            node = match node.kind {
                Kind::Extension { prefix, child } => {
                    if !key.slice(position.len()..).starts_with(&prefix) {
                        return Ok(proof);
                    }
                    position.extend(&prefix);
                    *child
                }
                Kind::Branch { children } => {
                    let Some(nibble) = key.get(position.len()) else { return Ok(proof) };
                    position.push(nibble);
                    let mut children = *children;
                    core::mem::replace(&mut children[usize::from(nibble)], Node::EMPTY)
                }
                Kind::Empty | Kind::Stub | Kind::Leaf { .. } => return Ok(proof),
            };
        }
    }

    fn hash(&mut self, updates: &mut Collected) -> B256 {
        if self.root.is_empty() {
            return EMPTY_ROOT_HASH;
        }
        let reference = seal_node(&mut self.root, Nibbles::new(), updates);
        match reference.as_hash() {
            Some(hash) => hash,
            // A root shorter than 32 bytes is hashed all the same.
            None => keccak256(encode(&self.root)),
        }
    }

    fn insert_at(
        &mut self,
        node: Node,
        position: Nibbles,
        key: Nibbles,
        value: Vec<u8>,
    ) -> Result<Node, TrieError> {
        let node = self.load(node, &position)?;
        match node.kind {
            Kind::Empty | Kind::Stub => Ok(Node::leaf(key, value)),
            Kind::Leaf { suffix, value: old } => {
                if suffix == key {
                    return Ok(Node {
                        reference: node.reference.filter(|_| old == value),
                        kind: Kind::Leaf { suffix, value },
                    });
                }
                let shared = suffix.common_prefix_length(&key);
                let mut children = empty_children();
                put_leaf(&mut children, &suffix, shared, old);
                put_leaf(&mut children, &key, shared, value);
                Ok(Node::extension(key.slice(..shared), Node::dirty(Kind::Branch { children })))
            }
            Kind::Extension { prefix, child } => {
                let shared = prefix.common_prefix_length(&key);
                if shared == prefix.len() {
                    let child =
                        self.insert_at(*child, position.join(&prefix), key.slice(shared..), value)?;
                    return Ok(Node::extension(prefix, child));
                }
                let mut children = empty_children();
                let nibble = usize::from(prefix.get_unchecked(shared));
                children[nibble] =
                    Node::extension(prefix.slice(shared.saturating_add(1)..), *child);
                put_leaf(&mut children, &key, shared, value);
                Ok(Node::extension(prefix.slice(..shared), Node::dirty(Kind::Branch { children })))
            }
            Kind::Branch { mut children } => {
                let nibble = key.get_unchecked(0);
                let slot = &mut children[usize::from(nibble)];
                let child = core::mem::replace(slot, Node::EMPTY);
                let mut below = position;
                below.push(nibble);
                *slot = self.insert_at(child, below, key.slice(1..), value)?;
                Ok(Node::dirty(Kind::Branch { children }))
            }
        }
    }

    fn remove_at(
        &mut self,
        node: Node,
        position: Nibbles,
        key: Nibbles,
    ) -> Result<Node, TrieError> {
        let node = self.load(node, &position)?;
        match node.kind {
            Kind::Empty | Kind::Stub => Ok(Node::EMPTY),
            Kind::Leaf { suffix, value } => {
                if suffix == key {
                    Ok(Node::EMPTY)
                } else {
                    Ok(Node { kind: Kind::Leaf { suffix, value }, reference: node.reference })
                }
            }
            Kind::Extension { prefix, child } => {
                if !key.starts_with(&prefix) {
                    return Ok(Node {
                        kind: Kind::Extension { prefix, child },
                        reference: node.reference,
                    });
                }
                let child =
                    self.remove_at(*child, position.join(&prefix), key.slice(prefix.len()..))?;
                Ok(match child.kind {
                    Kind::Empty => Node::EMPTY,
                    Kind::Leaf { suffix, value } => Node::leaf(prefix.join(&suffix), value),
                    Kind::Extension { prefix: below, child } => {
                        Node::extension(prefix.join(&below), *child)
                    }
                    Kind::Branch { .. } | Kind::Stub => {
                        let unchanged = node.reference.filter(|_| child.reference.is_some());
                        Node {
                            kind: Kind::Extension { prefix, child: Box::new(child) },
                            reference: unchanged,
                        }
                    }
                })
            }
            Kind::Branch { mut children } => {
                let nibble = key.get_unchecked(0);
                let slot = &mut children[usize::from(nibble)];
                if slot.is_empty() {
                    return Ok(Node { kind: Kind::Branch { children }, reference: node.reference });
                }
                let child = core::mem::replace(slot, Node::EMPTY);
                let mut below = position;
                below.push(nibble);
                *slot = self.remove_at(child, below, key.slice(1..))?;
                let unchanged = node.reference.filter(|_| slot.reference.is_some());
                let mut present = (0_u8..16).filter(|i| !children[usize::from(*i)].is_empty());
                match (present.next(), present.next()) {
                    (Some(only), None) => self.collapse(*children, position, only),
                    _ => Ok(Node { kind: Kind::Branch { children }, reference: unchanged }),
                }
            }
        }
    }

    /// A branch with one child left becomes that child with a longer path.
    fn collapse(
        &mut self,
        mut children: [Node; 16],
        position: Nibbles,
        only: u8,
    ) -> Result<Node, TrieError> {
        let child = core::mem::replace(&mut children[usize::from(only)], Node::EMPTY);
        let mut below = position;
        below.push(only);
        let child = self.load(child, &below)?;
        let mut prefix = Nibbles::new();
        prefix.push(only);
        Ok(match child.kind {
            Kind::Leaf { suffix, value } => Node::leaf(prefix.join(&suffix), value),
            Kind::Extension { prefix: more, child } => Node::extension(prefix.join(&more), *child),
            Kind::Branch { .. } | Kind::Stub | Kind::Empty => Node::extension(prefix, child),
        })
    }

    /// Replaces a stub by its node.
    fn load(&mut self, node: Node, position: &Nibbles) -> Result<Node, TrieError> {
        if !matches!(node.kind, Kind::Stub) {
            return Ok(node);
        }
        let trie = self.id;
        let at = || Box::new(NodePlace { trie, position: *position });
        let malformed = || TrieError::Malformed { at: at() };
        let reference = node.reference.ok_or_else(malformed)?;
        let rlp = match reference.as_hash() {
            None => reference.as_ref().to_vec(),
            Some(hash) => {
                let rlp = self
                    .reader
                    .node(self.id, position, hash)?
                    .ok_or(TrieError::Missing { at: at(), hash })?;
                let got = keccak256(&rlp);
                if got != hash {
                    return Err(TrieError::WrongHash { at: at(), hash, got });
                }
                self.loaded.push(*position);
                rlp
            }
        };
        let node = TrieNode::decode(&mut rlp.as_slice()).map_err(|_| malformed())?;
        if !is_well_placed(&node, position) {
            return Err(malformed());
        }
        let kind = match node {
            TrieNode::EmptyRoot => Kind::Empty,
            TrieNode::Leaf(leaf) => Kind::Leaf { suffix: leaf.key, value: leaf.value },
            TrieNode::Extension(extension) => Kind::Extension {
                prefix: extension.key,
                child: Box::new(Node::stub(extension.child)),
            },
            TrieNode::Branch(branch) => {
                let mut children = empty_children();
                let mut stack = branch.stack.into_iter();
                for nibble in 0_u8..16 {
                    if branch.state_mask.is_bit_set(nibble) {
                        let child = stack.next().ok_or_else(malformed)?;
                        children[usize::from(nibble)] = Node::stub(child);
                    }
                }
                Kind::Branch { children }
            }
        };
        Ok(Node { kind, reference: Some(reference) })
    }
}

fn empty_children() -> Box<[Node; 16]> {
    Box::new([const { Node::EMPTY }; 16])
}

/// Puts a leaf under the nibble at `shared`; keys are of equal length, so that nibble exists.
fn put_leaf(children: &mut [Node; 16], key: &Nibbles, shared: usize, value: Vec<u8>) {
    let nibble = usize::from(key.get_unchecked(shared));
    children[nibble] = Node::leaf(key.slice(shared.saturating_add(1)..), value);
}

/// Computes references bottom-up and records every changed node that is referred to by hash.
fn seal_node(node: &mut Node, position: Nibbles, updates: &mut Collected) -> RlpNode {
    if let Some(reference) = &node.reference {
        return reference.clone();
    }
    match &mut node.kind {
        Kind::Empty | Kind::Stub | Kind::Leaf { .. } => {}
        Kind::Extension { prefix, child } => {
            let reference = seal_node(child, position.join(prefix), updates);
            child.reference = Some(reference);
        }
        Kind::Branch { children } => {
            for (nibble, child) in (0_u8..).zip(children.iter_mut()) {
                if !child.is_empty() {
                    let mut below = position;
                    below.push(nibble);
                    let reference = seal_node(child, below, updates);
                    child.reference = Some(reference);
                }
            }
        }
    }
    let rlp = encode(node);
    let reference = RlpNode::from_rlp(&rlp);
    if rlp.len() >= 32 || position.is_empty() {
        updates.insert(position, Some(rlp));
    }
    node.reference = Some(reference.clone());
    reference
}

/// RLP of a node whose children are sealed.
fn encode(node: &Node) -> Vec<u8> {
    let mut out = Vec::new();
    match &node.kind {
        Kind::Empty | Kind::Stub => out.push(alloy_rlp::EMPTY_STRING_CODE),
        Kind::Leaf { suffix, value } => {
            LeafNode { key: *suffix, value: value.clone() }.encode(&mut out);
        }
        Kind::Extension { prefix, child } => {
            let child = child.reference.clone().unwrap_or_default();
            ExtensionNode { key: *prefix, child }.encode(&mut out);
        }
        Kind::Branch { children } => {
            let mut mask = TrieMask::default();
            let mut stack = Vec::new();
            for (nibble, child) in (0_u8..).zip(children.iter()) {
                if !child.is_empty() {
                    mask.set_bit(nibble);
                    stack.push(child.reference.clone().unwrap_or_default());
                }
            }
            BranchNode { stack, state_mask: mask }.encode(&mut out);
        }
    }
    out
}

/// Positions of all loaded nodes of a sealed trie that are referred to by hash.
fn positions(node: &Node, position: Nibbles, out: &mut Vec<Nibbles>) {
    let by_hash = node.reference.as_ref().is_some_and(RlpNode::is_hash) || position.is_empty();
    if by_hash && !matches!(node.kind, Kind::Empty | Kind::Stub) {
        out.push(position);
    }
    match &node.kind {
        Kind::Empty | Kind::Stub | Kind::Leaf { .. } => {}
        Kind::Extension { prefix, child } => positions(child, position.join(prefix), out),
        Kind::Branch { children } => {
            for (nibble, child) in (0_u8..).zip(children.iter()) {
                let mut below = position;
                below.push(nibble);
                positions(child, below, out);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use alloy_trie::HashBuilder;
    use proptest::prelude::*;

    use super::*;

    /// Nodes by position, as a store keeps them.
    #[derive(Default)]
    struct Memory(BTreeMap<Nibbles, Vec<u8>>);

    impl NodeReader for Memory {
        fn node(
            &self,
            _: TrieId,
            position: &Nibbles,
            _: B256,
        ) -> Result<Option<Vec<u8>>, TrieError> {
            Ok(self.0.get(position).cloned())
        }
    }

    impl Memory {
        fn apply(&mut self, updates: NodeUpdates) {
            for (position, node) in updates.iter() {
                match node {
                    Some(node) => self.0.insert(*position, node.to_vec()),
                    None => self.0.remove(position),
                };
            }
        }
    }

    fn from_scratch(content: &BTreeMap<B256, Vec<u8>>) -> B256 {
        let mut builder = HashBuilder::default();
        for (key, value) in content {
            builder.add_leaf(Nibbles::unpack(key), value);
        }
        builder.root()
    }

    /// Keys that share prefixes of every length, so that nodes split and merge everywhere.
    fn key() -> impl Strategy<Value = B256> {
        (0_usize..=32, 0_u8..4, 0_u8..40).prop_map(|(at, high, low)| {
            let mut key = B256::ZERO;
            if at < 32 {
                key.0[at] = low.wrapping_mul(37);
            }
            key.0[31] ^= low;
            key.0[0] ^= high << 6;
            key
        })
    }

    /// Short values make inline nodes; long ones hashed nodes.
    fn value() -> impl Strategy<Value = Option<Vec<u8>>> {
        proptest::option::weighted(
            0.65,
            prop_oneof![
                proptest::collection::vec(1_u8.., 1..3),
                proptest::collection::vec(any::<u8>(), 33..80)
            ],
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]
        #[test]
        fn incremental_root_equals_a_rebuild(
            blocks in proptest::collection::vec(
                proptest::collection::vec((key(), value()), 0..25),
                1..12,
            )
        ) {
            let mut memory = Memory::default();
            let mut content = BTreeMap::new();
            let mut root = EMPTY_ROOT_HASH;
            for block in blocks {
                let mut trie = SparseTrie::new(&memory, TrieId::Accounts, root);
                for (key, value) in block {
                    match value {
                        Some(value) => {
                            trie.insert(key, value.clone()).unwrap();
                            content.insert(key, value);
                        }
                        None => {
                            trie.remove(key).unwrap();
                            content.remove(&key);
                        }
                    }
                }
                let (new_root, updates) = trie.seal();
                root = new_root;
                memory.apply(updates);
                prop_assert_eq!(root, from_scratch(&content));
                // Nothing is left behind: what is stored is exactly the trie.
                let mut fresh = Memory::default();
                let mut rebuilt = SparseTrie::new(&fresh, TrieId::Accounts, EMPTY_ROOT_HASH);
                for (key, value) in &content {
                    rebuilt.insert(*key, value.clone()).unwrap();
                }
                let (_, all) = rebuilt.seal();
                fresh.apply(all);
                prop_assert_eq!(&memory.0, &fresh.0);
            }
        }

        #[test]
        fn proofs_verify(
            content in proptest::collection::btree_map(
                key(), proptest::collection::vec(1_u8.., 1..60), 0..40,
            ),
            asked in key(),
        ) {
            let mut memory = Memory::default();
            let (root, updates) = {
                let mut trie = SparseTrie::new(&memory, TrieId::Accounts, EMPTY_ROOT_HASH);
                for (key, value) in &content {
                    trie.insert(*key, value.clone()).unwrap();
                }
                trie.seal()
            };
            memory.apply(updates);
            let found = crate::lookup(&memory, TrieId::Accounts, root, asked).unwrap();
            prop_assert_eq!(found.as_ref(), content.get(&asked));
            for limit in [0, 3, 100] {
                let expected: Vec<_> =
                    content.range(asked..).take(limit).map(|(k, v)| (*k, v.clone())).collect();
                let found = crate::leaves(&memory, TrieId::Accounts, root, asked, limit).unwrap();
                prop_assert_eq!(found, expected);
            }
            let mut trie = SparseTrie::new(&memory, TrieId::Accounts, root);
            let proof: Vec<alloy_primitives::Bytes> =
                trie.proof(asked).unwrap().into_iter().map(Into::into).collect();
            alloy_trie::proof::verify_proof(
                root,
                Nibbles::unpack(asked),
                content.get(&asked).cloned(),
                &proof,
            ).unwrap();
        }
    }

    proptest! {
        #[test]
        fn merged_updates_equal_updates_one_after_another(
            blocks in proptest::collection::vec(
                proptest::collection::btree_map(
                    proptest::collection::vec(0_u8..3, 0..4),
                    proptest::option::of(proptest::collection::vec(any::<u8>(), 1..4)),
                    0..12,
                ),
                1..12,
            )
        ) {
            let updates = |block: &BTreeMap<Vec<u8>, Option<Vec<u8>>>| {
                let nodes = block.iter().map(|(p, n)| (Nibbles::from_nibbles(p), n.clone()));
                nodes.collect::<NodeUpdates>()
            };
            let mut expected = BTreeMap::new();
            let mut merged = NodeUpdates::default();
            for block in &blocks {
                merged.merge(&updates(block));
                expected.extend(block.clone());
            }
            prop_assert_eq!(&merged, &updates(&expected));
            for (position, node) in &expected {
                prop_assert_eq!(merged.get(&Nibbles::from_nibbles(position)), Some(node.as_deref()));
            }
            prop_assert_eq!(merged.get(&Nibbles::from_nibbles([9])), None);
            prop_assert!(merged.iter().is_sorted_by(|a, b| a.0 < b.0));
            let used: usize = expected.values().flatten().map(Vec::len).sum();
            prop_assert!(merged.bytes.len() <= 2 * used + 1, "{} bytes for {used}", merged.bytes.len());
        }
    }

    #[test]
    fn a_missing_or_altered_node_is_named() {
        let mut memory = Memory::default();
        let (root, updates) = {
            let mut trie = SparseTrie::new(&memory, TrieId::Accounts, EMPTY_ROOT_HASH);
            for i in 0_u8..20 {
                trie.insert(keccak256([i]), alloc::vec![i.max(1); 40]).unwrap();
            }
            trie.seal()
        };
        memory.apply(updates);
        let missing = Memory::default();
        let mut trie = SparseTrie::new(&missing, TrieId::Accounts, root);
        assert!(matches!(trie.remove(keccak256([1])), Err(TrieError::Missing { .. })));
        memory.0.get_mut(&Nibbles::new()).unwrap()[5] ^= 1;
        let mut trie = SparseTrie::new(&memory, TrieId::Accounts, root);
        assert!(matches!(trie.remove(keccak256([1])), Err(TrieError::WrongHash { .. })));
    }
}
