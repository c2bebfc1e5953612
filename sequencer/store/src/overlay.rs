//! The newest blocks in memory: those that the log holds and the database does not yet. Readers look
//! here first and then into the database; a block leaves only after the database has it, so that what
//! is not found here is there.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use alloy_eips::BlockNumHash;
use alloy_primitives::{
    Address, B256, Bytes, U256, keccak256,
    map::{AddressMap, AddressSet, B256Map, B256Set, HashMap},
};
use alloy_trie::{EMPTY_ROOT_HASH, Nibbles};
use parking_lot::RwLock;
use primitives::{Block, Heads, ReceiptEnvelope};
use stf::{
    Account, ExecutedBlock, StateChanges, StateRootOutcome, TrieReader,
    trie::{NodeReader, TrieError, TrieId},
};

use crate::StoreError;

/// A block with its receipts and senders, shared between everyone who holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredBlock {
    pub block: Block,
    /// One per transaction.
    pub receipts: Vec<ReceiptEnvelope>,
    /// One per transaction.
    pub senders: Vec<Address>,
}

/// A block that is not in the database yet.
#[derive(Debug)]
pub(crate) struct Recent {
    pub(crate) shared: Arc<StoredBlock>,
    pub(crate) changes: StateChanges,
    pub(crate) roots: StateRootOutcome,
    /// Of its record in the log.
    pub(crate) sequence: u64,
    /// Bytes of its record, a measure of what it takes.
    pub(crate) bytes: usize,
    accounts: AddressMap<Option<Account>>,
    storage: HashMap<(Address, U256), U256>,
    transactions: B256Map<u32>,
    /// Hashed addresses of accounts that ended and have no storage now.
    ended: B256Set,
    /// Accounts of whose storage nothing is left but what is in `storage`.
    cleared: AddressSet,
}

impl Recent {
    pub(crate) fn new(executed: ExecutedBlock, sequence: u64, bytes: usize) -> Self {
        let ExecutedBlock { block, receipts, senders, changes, roots } = executed;
        let accounts =
            changes.accounts.iter().map(|(address, change)| (*address, change.after)).collect();
        let storage = changes
            .accounts
            .iter()
            .flat_map(|(address, change)| {
                change.storage.iter().map(|(slot, (_, after))| ((*address, *slot), *after))
            })
            .collect();
        let hashes = block.body.transactions.iter().map(|transaction| transaction.tx_hash());
        let transactions = hashes.zip(0_u32..).collect();
        let ended = changes
            .accounts
            .iter()
            .filter(|(_, change)| change.after.is_none())
            .map(|(address, _)| keccak256(address))
            .collect();
        let cleared = changes
            .accounts
            .iter()
            .filter(|(_, change)| change.clears_storage())
            .map(|(address, _)| *address)
            .collect();
        let shared = Arc::new(StoredBlock { block, receipts, senders });
        Self {
            shared,
            changes,
            roots,
            sequence,
            bytes,
            accounts,
            storage,
            transactions,
            ended,
            cleared,
        }
    }

    pub(crate) fn number(&self) -> u64 {
        self.shared.block.header.number
    }
}

/// The newest blocks and the heads.
#[derive(Debug, Default)]
pub(crate) struct Overlay {
    state: RwLock<State>,
    /// No read transaction begun before this was read sees a checkpoint beyond it.
    checkpoint_max: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    /// Contiguous, the first follows the checkpoint. The last is the tip.
    blocks: VecDeque<Arc<Recent>>,
    /// `None` before the genesis.
    heads: Option<Heads>,
    /// The newest block, which may not be durable yet.
    tip: BlockNumHash,
    tip_root: B256,
    /// The newest block in the database.
    checkpoint: u64,
}

impl Overlay {
    /// Starts with what the database holds.
    pub(crate) fn start(&self, heads: Heads, root: B256) {
        let mut state = self.state.write();
        self.checkpoint_max.store(heads.unsafe_head.number, Ordering::SeqCst);
        *state = State {
            blocks: VecDeque::new(),
            heads: Some(heads),
            tip: heads.unsafe_head,
            tip_root: root,
            checkpoint: heads.unsafe_head.number,
        };
    }

    /// The heads; the unsafe one is the newest durable block.
    pub(crate) fn heads(&self) -> Result<Heads, StoreError> {
        self.state.read().heads.ok_or(StoreError::Uninitialised)
    }

    pub(crate) fn set_heads(&self, change: impl FnOnce(&mut Heads)) -> Result<(), StoreError> {
        self.state.write().heads.as_mut().map(change).ok_or(StoreError::Uninitialised)
    }

    /// The newest block with its state root; it may not be durable yet.
    pub(crate) fn tip(&self) -> Result<(BlockNumHash, B256), StoreError> {
        let state = self.state.read();
        state.heads.map(|_| (state.tip, state.tip_root)).ok_or(StoreError::Uninitialised)
    }

    /// The newest block in the database.
    pub(crate) fn checkpoint(&self) -> u64 {
        self.state.read().checkpoint
    }

    /// Number of blocks here and the bytes of their records.
    pub(crate) fn size(&self) -> (usize, usize) {
        let state = self.state.read();
        (state.blocks.len(), state.blocks.iter().map(|block| block.bytes).sum())
    }

    pub(crate) fn push(&self, block: Recent) -> Arc<Recent> {
        let block = Arc::new(block);
        let mut state = self.state.write();
        state.tip = block.shared.block.id();
        state.tip_root = block.shared.block.header.state_root;
        state.blocks.push_back(Arc::clone(&block));
        block
    }

    /// The oldest blocks, durable all of them.
    pub(crate) fn durable(&self) -> Vec<Arc<Recent>> {
        let state = self.state.read();
        let durable = state.heads.map_or(0, |heads| heads.unsafe_head.number);
        state.blocks.iter().filter(|block| block.number() <= durable).cloned().collect()
    }

    /// From here on a read transaction may see the checkpoint at `number`.
    pub(crate) fn checkpoint_begins(&self, number: u64) {
        self.checkpoint_max.store(number, Ordering::SeqCst);
    }

    /// The database holds the blocks up to `number`: they leave.
    pub(crate) fn checkpoint_ends(&self, number: u64) {
        let gone: Vec<Arc<Recent>>;
        {
            let mut state = self.state.write();
            let count = state.blocks.iter().take_while(|block| block.number() <= number).count();
            gone = state.blocks.drain(..count).collect();
            state.checkpoint = number;
        }
        // Freed without the lock.
        drop(gone);
    }

    /// Whether a read transaction that is open now is surely not ahead of the state after `number`.
    pub(crate) fn is_newest(&self, number: u64) -> bool {
        number >= self.checkpoint_max.load(Ordering::SeqCst)
    }

    /// Removes the blocks above `number`, which must be here or the checkpoint.
    pub(crate) fn truncate(&self, number: u64, target: BlockNumHash, root: B256) {
        let mut state = self.state.write();
        while state.blocks.back().is_some_and(|block| block.number() > number) {
            state.blocks.pop_back();
        }
        state.tip = target;
        state.tip_root = root;
        state.checkpoint = state.checkpoint.min(number);
        self.checkpoint_max.store(state.checkpoint, Ordering::SeqCst);
        if let Some(heads) = &mut state.heads {
            *heads = lowered(*heads, target);
        }
    }

    pub(crate) fn block(&self, number: u64) -> Option<Arc<Recent>> {
        let state = self.state.read();
        let first = state.blocks.front()?.number();
        let index = usize::try_from(number.checked_sub(first)?).ok()?;
        state.blocks.get(index).cloned()
    }

    pub(crate) fn number_of(&self, hash: &B256) -> Option<u64> {
        let state = self.state.read();
        let found = state.blocks.iter().rev().find(|block| block.shared.block.hash == *hash);
        found.map(|block| block.number())
    }

    pub(crate) fn transaction(&self, hash: &B256) -> Option<(u64, usize)> {
        let state = self.state.read();
        state.blocks.iter().rev().find_map(|block| {
            let index = *block.transactions.get(hash)?;
            Some((block.number(), usize::try_from(index).ok()?))
        })
    }

    /// The account after `number`, if a block here changed it up to there.
    pub(crate) fn account(&self, address: &Address, number: u64) -> Option<Option<Account>> {
        self.newest(number, |block| block.accounts.get(address).copied())
    }

    /// The slot's value after `number`, if a block here changed it up to there.
    pub(crate) fn storage(&self, address: &Address, slot: U256, number: u64) -> Option<U256> {
        self.newest(number, |block| {
            let changed = block.storage.get(&(*address, slot)).copied();
            changed.or_else(|| block.cleared.contains(address).then_some(U256::ZERO))
        })
    }

    pub(crate) fn code(&self, hash: &B256) -> Option<Bytes> {
        let state = self.state.read();
        state.blocks.iter().find_map(|block| block.changes.codes.get(hash).cloned())
    }

    fn newest<T>(&self, number: u64, find: impl Fn(&Recent) -> Option<T>) -> Option<T> {
        let state = self.state.read();
        state.blocks.iter().rev().filter(|block| block.number() <= number).find_map(|b| find(b))
    }

    /// Everything that is here now.
    pub(crate) fn snapshot(&self) -> Vec<Arc<Recent>> {
        self.state.read().blocks.iter().cloned().collect()
    }
}

/// The heads after the blocks above `target` are gone.
pub(crate) fn lowered(heads: Heads, target: BlockNumHash) -> Heads {
    let down = |head: BlockNumHash| if head.number > target.number { target } else { head };
    Heads { unsafe_head: target, safe: down(heads.safe), finalized: down(heads.finalized) }
}

/// The tries after the tip: what blocks here changed, then the database. The blocks must be taken before
/// the transaction is begun.
pub(crate) struct TipRoots<R> {
    pub(crate) blocks: Vec<Arc<Recent>>,
    /// The database.
    pub(crate) below: R,
}

impl<R: NodeReader> NodeReader for TipRoots<R> {
    fn node(
        &self,
        trie: TrieId,
        position: &Nibbles,
        hash: B256,
    ) -> Result<Option<Vec<u8>>, TrieError> {
        for block in self.blocks.iter().rev() {
            let updates = &block.roots.updates;
            let nodes = match &trie {
                TrieId::Accounts => Some(&updates.accounts),
                TrieId::Storage(owner) => updates.storages.get(owner),
            };
            if let Some(node) = nodes.and_then(|nodes| nodes.get(position)) {
                return Ok(node.map(<[u8]>::to_vec));
            }
        }
        self.below.node(trie, position, hash)
    }
}

impl<R: TrieReader> TrieReader for TipRoots<R> {
    fn account_root(&self) -> Result<B256, TrieError> {
        match self.blocks.last() {
            Some(tip) => Ok(tip.shared.block.header.state_root),
            None => self.below.account_root(),
        }
    }

    fn storage_root(&self, hashed: B256) -> Result<B256, TrieError> {
        for block in self.blocks.iter().rev() {
            if block.ended.contains(&hashed) {
                return Ok(EMPTY_ROOT_HASH);
            }
            if let Some(root) = block.roots.updates.storage_roots.get(&hashed) {
                return Ok(*root);
            }
        }
        self.below.storage_root(hashed)
    }
}
