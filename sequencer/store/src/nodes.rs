//! Trie nodes out of the database.

use alloy_primitives::B256;
use alloy_trie::Nibbles;
use libmdbx::{Cursor, RO};
use parking_lot::Mutex;
use stf::trie::{NodeReader, TrieError, TrieId};

use crate::{
    StoreError,
    db::Entry,
    tables::{Table, node_key},
};

/// Nodes for a reader that asks in the order of their keys, as a walk through a whole trie does: each
/// is the next entry of the table.
pub(crate) struct Scan<'t>(Mutex<(Cursor<'t, RO>, Option<Entry>)>);

impl<'t> Scan<'t> {
    pub(crate) fn new(cursor: Cursor<'t, RO>) -> Self {
        Self(Mutex::new((cursor, None)))
    }
}

impl NodeReader for Scan<'_> {
    fn node(
        &self,
        trie: TrieId,
        position: &Nibbles,
        _: B256,
    ) -> Result<Option<Vec<u8>>, TrieError> {
        let (_, at) = trie_key(&trie, position);
        let (cursor, ahead) = &mut *self.0.lock();
        let found = match ahead.take() {
            Some(entry) if entry.0 == at => Some(entry),
            _ => cursor.set_range(&at).map_err(StoreError::from)?,
        };
        *ahead = cursor.next().map_err(StoreError::from)?;
        Ok(found.filter(|(key, _)| *key == at).map(|(_, node)| node))
    }
}

/// Table and key of a trie node.
pub(crate) fn trie_key(trie: &TrieId, position: &Nibbles) -> (Table, Vec<u8>) {
    match trie {
        TrieId::Accounts => (Table::AccountTrie, node_key(None, position)),
        TrieId::Storage(owner) => (Table::StorageTrie, node_key(Some(owner), position)),
    }
}
