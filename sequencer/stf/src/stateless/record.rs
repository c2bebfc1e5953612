//! Taking note of what an execution asks of a state.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};
use core::{cell::RefCell, fmt};

use alloy_primitives::{B256, Bytes};
use alloy_trie::Nibbles;
use primitives::{Header, Witness};

use super::StateSource;
use crate::{
    WitnessError,
    trie::{NodeReader, TrieError, TrieId},
};

/// A witness with what it was recorded from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recording {
    pub witness: Witness,
    /// Addresses (20 bytes) and slots (32 bytes) whose hashes are the keys in the tries: each address,
    /// then its slots. No execution needs them.
    pub keys: Vec<Bytes>,
}

/// Passes everything on from `source` and keeps it.
pub struct Recorder<'s, S> {
    source: &'s S,
    noted: RefCell<Noted>,
}

#[derive(Default)]
struct Noted {
    nodes: BTreeSet<Bytes>,
    codes: BTreeMap<B256, Bytes>,
    /// The earliest block whose hash was asked for.
    oldest: Option<u64>,
}

impl<S> fmt::Debug for Recorder<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let noted = self.noted.borrow();
        f.debug_struct("Recorder")
            .field("nodes", &noted.nodes.len())
            .field("codes", &noted.codes.len())
            .field("oldest", &noted.oldest)
            .finish_non_exhaustive()
    }
}

impl<'s, S: StateSource> Recorder<'s, S> {
    pub const fn new(source: &'s S) -> Self {
        let noted = Noted { nodes: BTreeSet::new(), codes: BTreeMap::new(), oldest: None };
        Self { source, noted: RefCell::new(noted) }
    }

    /// What was asked for of the state after `parent`, and the headers up to it.
    pub fn finish(self, parent: &Header, keys: Vec<Bytes>) -> Result<Recording, WitnessError> {
        let Noted { nodes, codes, oldest } = self.noted.into_inner();
        let mut headers = Vec::new();
        for number in oldest.unwrap_or(parent.number)..parent.number {
            let header = self.source.header(number)?;
            headers.push(header.ok_or(WitnessError::MissingHeader(number))?);
        }
        headers.push(parent.clone());
        let (nodes, codes) = (nodes.into_iter().collect(), codes.into_values().collect());
        Ok(Recording { witness: Witness::new(nodes, codes, headers), keys })
    }
}

impl<S: StateSource> NodeReader for Recorder<'_, S> {
    fn node(
        &self,
        trie: TrieId,
        position: &Nibbles,
        hash: B256,
    ) -> Result<Option<Vec<u8>>, TrieError> {
        let node = self.source.node(trie, position, hash)?;
        if let Some(node) = &node {
            self.noted.borrow_mut().nodes.insert(Bytes::copy_from_slice(node));
        }
        Ok(node)
    }
}

impl<S: StateSource> StateSource for Recorder<'_, S> {
    fn code(&self, hash: B256) -> Result<Option<Bytes>, WitnessError> {
        let code = self.source.code(hash)?;
        if let Some(code) = &code {
            self.noted.borrow_mut().codes.insert(hash, code.clone());
        }
        Ok(code)
    }

    fn header(&self, number: u64) -> Result<Option<Header>, WitnessError> {
        self.source.header(number)
    }

    fn block_hash(&self, number: u64) -> Result<Option<B256>, WitnessError> {
        let hash = self.source.block_hash(number)?;
        if hash.is_some() {
            let oldest = &mut self.noted.borrow_mut().oldest;
            *oldest = Some(oldest.map_or(number, |oldest| oldest.min(number)));
        }
        Ok(hash)
    }
}
