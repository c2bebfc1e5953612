//! Root of a list's trie, grown with the list.

use alloc::vec::Vec;

use alloy_primitives::B256;
use alloy_trie::{HashBuilder, Nibbles};

/// The trie that maps `rlp(index)` to an item, which transactions and receipts are committed to by
/// (Yellow Paper, 4.4). All but the right edge is hashed as items come, so that little is left to do
/// when the list ends.
#[derive(Debug, Default)]
pub(crate) struct OrderedRoot {
    builder: HashBuilder,
    /// Item 0. Its key `0x80` comes after those of 1 to 127, and the builder wants keys in order.
    first: Vec<u8>,
    len: usize,
}

/// Items whose key is one byte, but for the first.
const SINGLE_BYTES: usize = 0x80;

impl OrderedRoot {
    /// Appends an item, given by its encoding.
    pub(crate) fn push(&mut self, item: &[u8]) {
        match self.len {
            0 => self.first = item.to_vec(),
            index => {
                if index == SINGLE_BYTES {
                    self.add_first();
                }
                add(&mut self.builder, index, item);
            }
        }
        self.len = self.len.saturating_add(1);
    }

    /// The root over all items.
    pub(crate) fn finish(mut self) -> B256 {
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
    builder.add_leaf(Nibbles::unpack(alloy_rlp::encode_fixed_size(&index)), item);
}

#[cfg(test)]
mod tests {
    use alloy_trie::root::ordered_trie_root_encoded;
    use proptest::prelude::*;

    use super::*;

    fn root(items: &[Vec<u8>]) -> B256 {
        let mut root = OrderedRoot::default();
        items.iter().for_each(|item| root.push(item));
        root.finish()
    }

    #[test]
    fn is_the_same_as_over_the_whole_list_at_every_length() {
        let items: Vec<Vec<u8>> = (0..300_usize).map(|i| alloy_rlp::encode(i * 7_919)).collect();
        for len in 0..items.len() {
            assert_eq!(root(&items[..len]), ordered_trie_root_encoded(&items[..len]), "{len}");
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
