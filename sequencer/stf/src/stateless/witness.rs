//! A witness as a state.

use alloc::{collections::BTreeMap, vec::Vec};

use alloy_primitives::{B256, Bytes, keccak256, map::B256Map};
use alloy_trie::Nibbles;
use primitives::{Header, Witness};

use super::StateSource;
use crate::{
    WitnessError,
    trie::{NodeReader, TrieError, TrieId},
};

/// What a witness holds, by hash. Nothing depends on the order of its maps: they are only asked.
#[derive(Clone, Debug)]
pub struct WitnessState<'w> {
    nodes: B256Map<&'w Bytes>,
    codes: B256Map<&'w Bytes>,
    headers: BTreeMap<u64, (B256, &'w Header)>,
    parent: &'w Header,
}

impl<'w> WitnessState<'w> {
    /// Hashes everything and checks that the headers follow each other up to the one with the hash
    /// `parent`.
    pub fn new(witness: &'w Witness, parent: B256) -> Result<Self, WitnessError> {
        let by_hash = |items: &'w [Bytes]| items.iter().map(|item| (keccak256(item), item));
        let mut headers = BTreeMap::new();
        let mut expected = parent;
        let mut child: Option<u64> = None;
        for header in witness.headers.iter().rev() {
            let hash = header.hash_slow();
            let follows = child.is_none_or(|child| header.number.checked_add(1) == Some(child));
            if hash != expected || !follows {
                return Err(WitnessError::ForeignHeader { number: header.number, hash, expected });
            }
            headers.insert(header.number, (hash, header));
            expected = header.parent_hash;
            child = Some(header.number);
        }
        Ok(Self {
            nodes: by_hash(&witness.nodes).collect(),
            codes: by_hash(&witness.codes).collect(),
            headers,
            parent: witness.headers.last().ok_or(WitnessError::NoParent(parent))?,
        })
    }

    /// The header after which this is the state.
    pub const fn parent(&self) -> &'w Header {
        self.parent
    }
}

impl NodeReader for WitnessState<'_> {
    fn node(&self, _: TrieId, _: &Nibbles, hash: B256) -> Result<Option<Vec<u8>>, TrieError> {
        Ok(self.nodes.get(&hash).map(|node| node.to_vec()))
    }
}

impl StateSource for WitnessState<'_> {
    fn code(&self, hash: B256) -> Result<Option<Bytes>, WitnessError> {
        Ok(self.codes.get(&hash).map(|code| (*code).clone()))
    }

    fn header(&self, number: u64) -> Result<Option<Header>, WitnessError> {
        Ok(self.headers.get(&number).map(|(_, header)| (*header).clone()))
    }

    fn block_hash(&self, number: u64) -> Result<Option<B256>, WitnessError> {
        Ok(self.headers.get(&number).map(|(hash, _)| *hash))
    }
}
