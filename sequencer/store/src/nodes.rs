//! Trie nodes out of the database.

use std::borrow::Cow;

use alloy_primitives::B256;
use alloy_trie::Nibbles;
use libmdbx::{Cursor, RO};
use parking_lot::Mutex;
use stf::trie::{NodeReader, TrieError, TrieId};

use crate::{
    StoreError,
    db::Txn,
    tables::{Table, node_key},
};

/// Entries between a node and the next: its account.
const STEPS_MAX: usize = 3;

/// Nodes for a reader that asks in the order of positions, as a walk through a whole trie does: each is one of the
/// next entries of the table. Nodes near the root are read by a cursor of their own.
pub(crate) struct Scan<'t>(Mutex<[Cursor<'t, RO>; 2]>);

impl<'t> Scan<'t> {
    pub(crate) fn new(txn: &'t Txn<'_, RO>) -> Result<Self, StoreError> {
        Ok(Self(Mutex::new([txn.cursor()?, txn.cursor()?])))
    }
}

impl NodeReader for Scan<'_> {
    fn node(
        &self,
        trie: TrieId,
        position: &Nibbles,
        _: B256,
    ) -> Result<Option<Vec<u8>>, TrieError> {
        let (table, at) = trie_key(&trie, position);
        let near_root = matches!(table, Table::AccountTrie | Table::StorageTrie);
        let cursor = &mut self.0.lock()[usize::from(near_root)];
        for _ in 0..STEPS_MAX {
            let next = cursor.next::<Cow<'_, [u8]>, Cow<'_, [u8]>>().map_err(StoreError::from)?;
            match next {
                Some((key, node)) if *key == at => return Ok(Some(node.into_owned())),
                Some((key, _)) if *key < *at => {}
                _ => break,
            }
        }
        Ok(cursor.set::<Vec<u8>>(&at).map_err(StoreError::from)?)
    }
}

/// Table and key of a trie node.
pub(crate) fn trie_key(trie: &TrieId, position: &Nibbles) -> (Table, Vec<u8>) {
    match trie {
        TrieId::Accounts => node_key(None, position),
        TrieId::Storage(owner) => node_key(Some(owner), position),
    }
}
