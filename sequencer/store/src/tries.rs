//! The tries of any block's state, for witnesses. Stored are the head's; those of an earlier block are
//! the head's with what came after taken back, in memory.

use std::{collections::BTreeMap, fmt, sync::Arc};

use alloy_primitives::{B256, Bytes};
use alloy_trie::Nibbles;
use libmdbx::RO;
use primitives::{Header, PayloadAttributes};
use stf::{
    Attempt, ChainSpec, ExecutedBlock, Recording, StateChanges, StateSource, TrieState,
    TrieUpdates, WitnessError,
    trie::{NodeReader, NodeUpdates, TrieError, TrieId},
};

use crate::{
    HeadRoots, Store, StoreError, db::Txn, header_entry, heads, proof::PROOF_BLOCKS_BACK_MAX,
    reverse_changes, tables::Table,
};

/// The tries after one block, then after the next. Holds a read transaction: pages that later
/// checkpoints free are not used again while it lives.
pub struct TriesAt<'s> {
    store: &'s Arc<Store>,
    txn: Txn<'s, RO>,
    number: u64,
    /// What differs from the nodes in the transaction; `None` where it has one and these tries do not.
    nodes: BTreeMap<TrieId, BTreeMap<Nibbles, Option<Box<[u8]>>>>,
}

impl fmt::Debug for TriesAt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TriesAt").field("number", &self.number).finish_non_exhaustive()
    }
}

impl Store {
    /// The tries after `number`, which may lie up to [`PROOF_BLOCKS_BACK_MAX`] blocks back. Each block
    /// back costs its changes.
    pub fn tries_at(self: &Arc<Self>, number: u64) -> Result<TriesAt<'_>, StoreError> {
        if number > self.heads()?.unsafe_head.number {
            return Err(StoreError::MissingBlock(number));
        }
        self.checkpoints.reach(number)?;
        let txn = self.db.read()?;
        let head = heads(&txn)?.unsafe_head.number;
        let distance = head.saturating_sub(number);
        if distance > PROOF_BLOCKS_BACK_MAX {
            return Err(StoreError::TooFarBack { number, distance, max: PROOF_BLOCKS_BACK_MAX });
        }
        let (_, header) = header_entry(&txn, number)?;
        let changes = reverse_changes(&txn, number, head)?;
        let reversed = HeadRoots { txn: &txn }.reversed(&changes)?;
        if reversed.state_root != header.state_root {
            let table = Table::Changes.name();
            return Err(StoreError::Malformed { table, key: number.to_string() });
        }
        let mut tries = TriesAt { store: self, txn, number, nodes: BTreeMap::new() };
        tries.take(&reversed.updates);
        Ok(tries)
    }

    /// What executing block `number` needs of the state before it, found by executing it again.
    pub fn record(
        self: &Arc<Self>,
        spec: &ChainSpec,
        number: u64,
    ) -> Result<Recording, StoreError> {
        let before = number.checked_sub(1).ok_or(StoreError::MissingBlock(number))?;
        Ok(self.tries_at(before)?.record_next(spec)?.1)
    }
}

impl TriesAt<'_> {
    /// The block after which these tries are.
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// Executes the next block again, compares its header, and keeps what it needed. The tries are
    /// then those after it.
    pub fn record_next(
        &mut self,
        spec: &ChainSpec,
    ) -> Result<(ExecutedBlock, Recording), StoreError> {
        let number = self.number.saturating_add(1);
        let parent = self.store.header(self.number)?;
        let parent = parent.ok_or(StoreError::MissingBlock(self.number))?;
        let stored = self.store.stored_block(number)?.ok_or(StoreError::MissingBlock(number))?;
        let senders = Some(stored.senders.as_slice());
        let (executed, recording) = stf::record_block(spec, &parent, &stored.block, senders, self)
            .map_err(|source| StoreError::Reexecution { number, source: Box::new(source) })?;
        self.take(&executed.roots.updates);
        self.number = number;
        Ok((executed, recording))
    }

    /// Tries to execute a payload as the next block, and keeps what that needed. The tries stay as they are.
    pub fn record_attempt(
        &self,
        spec: &ChainSpec,
        attributes: &PayloadAttributes,
    ) -> Result<(Attempt, Recording), StoreError> {
        let parent = self.store.header(self.number)?;
        let parent = parent.ok_or(StoreError::MissingBlock(self.number))?;
        stf::record_attempt(spec, &parent, attributes, self).map_err(|source| {
            StoreError::Reexecution {
                number: self.number.saturating_add(1),
                source: Box::new(source),
            }
        })
    }

    /// Makes changes to the state with this root, whose tries these are, and gives the root after them. The
    /// tries are then those of no block any more, and good for further changes only.
    pub fn change(&mut self, root: B256, changes: &StateChanges) -> Result<B256, StoreError> {
        let outcome = stf::compute_roots(&TrieState::new(self, root), changes)?;
        self.take(&outcome.updates);
        Ok(outcome.state_root)
    }

    fn take(&mut self, updates: &TrieUpdates) {
        let mut take = |trie, nodes: &NodeUpdates| {
            let kept = self.nodes.entry(trie).or_default();
            kept.extend(nodes.iter().map(|(position, node)| (*position, node.map(Box::from))));
        };
        take(TrieId::Accounts, &updates.accounts);
        for (owner, nodes) in &updates.storages {
            take(TrieId::Storage(*owner), nodes);
        }
    }
}

impl NodeReader for TriesAt<'_> {
    fn node(
        &self,
        trie: TrieId,
        position: &Nibbles,
        hash: B256,
    ) -> Result<Option<Vec<u8>>, TrieError> {
        match self.nodes.get(&trie).and_then(|nodes| nodes.get(position)) {
            Some(node) => Ok(node.as_ref().map(|node| node.to_vec())),
            None => HeadRoots { txn: &self.txn }.node(trie, position, hash),
        }
    }
}

impl StateSource for TriesAt<'_> {
    fn code(&self, hash: B256) -> Result<Option<Bytes>, WitnessError> {
        match self.store.state_at(self.number).and_then(|state| state.code(hash)) {
            Ok(code) => Ok(Some(code)),
            Err(StoreError::MissingCode(_)) => Ok(None),
            Err(error) => Err(reader(error)),
        }
    }

    fn header(&self, number: u64) -> Result<Option<Header>, WitnessError> {
        self.store.header(number).map_err(reader)
    }

    fn block_hash(&self, number: u64) -> Result<Option<B256>, WitnessError> {
        self.store.block_hash(number).map_err(reader)
    }
}

fn reader(error: StoreError) -> WitnessError {
    TrieError::from(error).into()
}
