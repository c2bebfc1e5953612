//! Root of a list's trie, grown with the list.

use alloc::vec::Vec;

use alloy_primitives::B256;
use alloy_trie::{HashBuilder, Nibbles, nodes::LeafNodeRef};

/// Hashes each message into the place of the same index, several at once if that is cheaper.
pub type HashMany = fn(&[&[u8]], &mut [B256]);

/// The trie that maps `rlp(index)` to an item, which transactions and receipts are committed to by
/// (Yellow Paper, 4.4). All but the right edge is hashed as items come, so that little is left to do
/// when the list ends.
#[derive(Debug, Default)]
pub(crate) struct OrderedRoot {
    builder: HashBuilder,
    /// Item 0. Its key `0x80` comes after those of 1 to 127, and the builder wants keys in order.
    first: Vec<u8>,
    len: usize,
    hash_many: Option<HashMany>,
    /// Leaves to be hashed together, from an index on that is a multiple of [`GROUP`].
    group: Vec<Leaf>,
}

/// A leaf below a branch that tells it by the last digit of its key.
#[derive(Debug)]
struct Leaf {
    node: Vec<u8>,
    /// Bytes of the item at its end.
    item: usize,
}

/// Leaves that are hashed together. Their keys differ in the last digit only, so that nothing of those is left for the
/// leaves.
const GROUP: usize = 8;
/// Bytes from which on a node is referred to by its hash.
const HASHED_BYTES: usize = 32;

/// Items whose key is one byte, but for the first.
const SINGLE_BYTES: usize = 0x80;

impl OrderedRoot {
    /// An empty list, whose items are hashed in groups if `hash_many` is given.
    pub(crate) fn new(hash_many: Option<HashMany>) -> Self {
        Self { hash_many, ..Self::default() }
    }

    /// Appends an item, given by its encoding.
    pub(crate) fn push(&mut self, item: &[u8]) {
        match self.len {
            0 => self.first = item.to_vec(),
            index => {
                if index == SINGLE_BYTES {
                    self.add_first();
                }
                let begins = self.hash_many.is_some() && index.is_multiple_of(GROUP);
                if begins || !self.group.is_empty() {
                    let node = alloy_rlp::encode(LeafNodeRef::new(&Nibbles::default(), item));
                    self.group.push(Leaf { node, item: item.len() });
                } else {
                    add(&mut self.builder, index, item);
                }
            }
        }
        self.len = self.len.saturating_add(1);
        if self.group.len() == GROUP {
            self.add_group();
        }
    }

    fn add_group(&mut self) {
        let group = core::mem::take(&mut self.group);
        let first = self.len.saturating_sub(group.len());
        let hashed =
            group.len() == GROUP && group.iter().all(|leaf| leaf.node.len() >= HASHED_BYTES);
        match self.hash_many {
            Some(hash_many) if hashed => {
                let nodes: [&[u8]; GROUP] = core::array::from_fn(|index| &*group[index].node);
                let mut hashes = [B256::ZERO; GROUP];
                hash_many(&nodes, &mut hashes);
                for (index, hash) in (first..).zip(hashes) {
                    self.builder.add_branch(key(index), hash, false);
                }
            }
            _ => {
                for (index, leaf) in (first..).zip(&group) {
                    let item = leaf.node.len().saturating_sub(leaf.item);
                    add(&mut self.builder, index, &leaf.node[item..]);
                }
            }
        }
    }

    /// The root over all items.
    pub(crate) fn finish(mut self) -> B256 {
        self.add_group();
        if (1..=SINGLE_BYTES).contains(&self.len) {
            self.add_first();
        }
        self.builder.root()
    }

    fn add_first(&mut self) {
        add(&mut self.builder, 0, &core::mem::take(&mut self.first));
    }
}

fn add(builder: &mut HashBuilder, index: usize, item: &[u8]) {
    builder.add_leaf(key(index), item);
}

fn key(index: usize) -> Nibbles {
    Nibbles::unpack(alloy_rlp::encode_fixed_size(&index))
}

#[cfg(test)]
mod tests {
    use alloy_trie::root::ordered_trie_root_encoded;
    use proptest::prelude::*;

    use super::*;

    fn root_of(items: &[Vec<u8>], hash_many: Option<HashMany>) -> B256 {
        let mut root = OrderedRoot::new(hash_many);
        items.iter().for_each(|item| root.push(item));
        root.finish()
    }

    /// Whether hashed one by one or in groups.
    fn root(items: &[Vec<u8>]) -> B256 {
        let hash_many: HashMany = |messages, hashes| {
            assert_eq!(messages.len(), hashes.len());
            for (message, hash) in messages.iter().zip(hashes) {
                *hash = alloy_primitives::keccak256(message);
            }
        };
        let root = root_of(items, None);
        assert_eq!(root_of(items, Some(hash_many)), root);
        root
    }

    #[test]
    fn is_the_same_as_over_the_whole_list_at_every_length() {
        // Nodes within those above them, hashed ones, and both.
        let sizes: [fn(usize) -> usize; 3] = [|_| 0, |_| 100, |i| if i % 5 == 0 { 0 } else { 40 }];
        for size in sizes {
            let item = |i| [alloy_rlp::encode(i * 7_919), vec![7; size(i)]].concat();
            let items: Vec<Vec<u8>> = (0..300_usize).map(item).collect();
            for len in 0..items.len() {
                assert_eq!(root(&items[..len]), ordered_trie_root_encoded(&items[..len]), "{len}");
            }
        }
        // Keys of three bytes.
        let many: Vec<Vec<u8>> = (0..66_000_usize).map(alloy_rlp::encode).collect();
        assert_eq!(root(&many), ordered_trie_root_encoded(&many));
    }

    proptest! {
        #[test]
        fn is_the_same_for_items_of_any_size(
            items in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..200), 0..200),
        ) {
            prop_assert_eq!(root(&items), ordered_trie_root_encoded(&items));
        }
    }
}
