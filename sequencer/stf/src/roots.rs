//! Roots of the state after a block.

use alloc::{collections::BTreeMap, vec::Vec};

use alloy_primitives::{B256, U256, keccak256};
use alloy_trie::{EMPTY_ROOT_HASH, TrieAccount};
use primitives::L2_TO_L1_MESSAGE_PASSER;

use crate::{
    changes::{Account, StateChanges},
    trie::{NodeReader, NodeUpdates, SparseTrie, TrieError, TrieId},
};

/// Trie nodes that a block writes and removes. Where nodes came and went within the block, places may be
/// named with what they had before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrieUpdates {
    pub accounts: NodeUpdates,
    /// By hashed address.
    pub storages: BTreeMap<B256, NodeUpdates>,
    /// New storage roots by hashed address.
    pub storage_roots: BTreeMap<B256, B256>,
}

impl TrieUpdates {
    /// Takes up what a later block changed, so that both are written in one pass.
    pub fn merge(&mut self, later: &Self) {
        self.accounts.merge(&later.accounts);
        for (owner, nodes) in &later.storages {
            self.storages.entry(*owner).or_default().merge(nodes);
        }
        self.storage_roots.extend(&later.storage_roots);
    }
}

/// The roots a header commits to, and what makes them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateRootOutcome {
    pub state_root: B256,
    /// Storage root of the message passer, the header's `withdrawals_root` (Isthmus).
    pub withdrawals_root: B256,
    pub updates: TrieUpdates,
}

/// Computes the roots after `changes` to one fixed state.
pub trait StateRootProvider {
    fn state_root(&self, changes: &StateChanges) -> Result<StateRootOutcome, TrieError>;
}

/// The tries of one state.
pub trait TrieReader: NodeReader {
    /// Root of the account trie.
    fn account_root(&self) -> Result<B256, TrieError>;
    /// Storage root of an account; the empty root if there is none.
    fn storage_root(&self, hashed_address: B256) -> Result<B256, TrieError>;
}

/// A change by hashed keys, which is the order of the trie.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HashedChange {
    /// The account afterwards (inner `None`: gone). Storage never changes without its account being
    /// named here; outer `None` is only the default before it is.
    pub account: Option<Option<Account>>,
    /// Hashed slot to value afterwards; zero is absence.
    pub storage: BTreeMap<B256, U256>,
    /// Whether the storage trie starts empty. Nodes of the one before are then not among the updates:
    /// nothing refers to them.
    pub wiped: bool,
}

/// Applies changes to the tries that a reader gives.
pub fn compute_roots<R: TrieReader>(
    reader: &R,
    changes: &StateChanges,
) -> Result<StateRootOutcome, TrieError> {
    compute_hashed_roots(reader, &hash_changes(changes))
}

/// The changes by hashed keys.
pub fn hash_changes(changes: &StateChanges) -> BTreeMap<B256, HashedChange> {
    changes
        .accounts
        .iter()
        .map(|(address, change)| {
            let storage = change
                .storage
                .iter()
                .map(|(slot, (_, after))| (keccak256(slot.to_be_bytes::<32>()), *after))
                .collect();
            let wiped = change.wiped;
            (keccak256(address), HashedChange { account: Some(change.after), storage, wiped })
        })
        .collect()
}

/// As [`compute_roots`], from hashed keys.
pub fn compute_hashed_roots<R: TrieReader>(
    reader: &R,
    changes: &BTreeMap<B256, HashedChange>,
) -> Result<StateRootOutcome, TrieError> {
    let mut trie = SparseTrie::new(reader, TrieId::Accounts, reader.account_root()?);
    let mut updates = apply_hashed_changes(reader, &mut trie, changes)?;
    let (state_root, nodes) = trie.seal();
    updates.accounts = nodes;
    let passer = keccak256(L2_TO_L1_MESSAGE_PASSER);
    let withdrawals_root = match updates.storage_roots.get(&passer) {
        Some(root) => *root,
        None => reader.storage_root(passer)?,
    };
    Ok(StateRootOutcome { state_root, withdrawals_root, updates })
}

/// Changes an account trie and the storage tries below it; the account trie stays unsealed.
pub fn apply_hashed_changes<R: TrieReader>(
    reader: &R,
    trie: &mut SparseTrie<'_, R>,
    changes: &BTreeMap<B256, HashedChange>,
) -> Result<TrieUpdates, TrieError> {
    let mut updates = TrieUpdates::default();
    for (hashed, change) in changes {
        let mut storage_root =
            if change.wiped { EMPTY_ROOT_HASH } else { reader.storage_root(*hashed)? };
        if change.wiped || !change.storage.is_empty() {
            let mut storage = SparseTrie::new(reader, TrieId::Storage(*hashed), storage_root);
            for (slot, value) in &change.storage {
                if value.is_zero() {
                    storage.remove(*slot)?;
                } else {
                    storage.insert(*slot, alloy_rlp::encode(value))?;
                }
            }
            let (root, nodes) = storage.seal();
            storage_root = root;
            updates.storages.insert(*hashed, nodes);
            updates.storage_roots.insert(*hashed, root);
        }
        match change.account.flatten() {
            Some(account) => {
                let leaf = TrieAccount {
                    nonce: account.nonce,
                    balance: account.balance,
                    storage_root,
                    code_hash: account.code_hash,
                };
                trie.insert(*hashed, alloy_rlp::encode(leaf))?;
            }
            None => trie.remove(*hashed)?,
        }
    }
    Ok(updates)
}

/// The empty state, for a genesis.
#[derive(Clone, Copy, Debug, Default)]
pub struct EmptyState;

impl NodeReader for EmptyState {
    fn node(
        &self,
        _: TrieId,
        _: &alloy_trie::Nibbles,
        _: B256,
    ) -> Result<Option<Vec<u8>>, TrieError> {
        Ok(None)
    }
}

impl TrieReader for EmptyState {
    fn account_root(&self) -> Result<B256, TrieError> {
        Ok(EMPTY_ROOT_HASH)
    }

    fn storage_root(&self, _: B256) -> Result<B256, TrieError> {
        Ok(EMPTY_ROOT_HASH)
    }
}

impl StateRootProvider for EmptyState {
    fn state_root(&self, changes: &StateChanges) -> Result<StateRootOutcome, TrieError> {
        compute_roots(self, changes)
    }
}
