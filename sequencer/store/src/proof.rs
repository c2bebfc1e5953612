//! `eth_getProof`: from the stored tries at the head, and from tries rewound in memory for earlier
//! blocks.

use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256, keccak256};
use alloy_trie::{EMPTY_ROOT_HASH, TrieAccount};
use libmdbx::TransactionKind;
use stf::{
    TrieReader,
    trie::{SparseTrie, TrieId},
};

use crate::{
    HeadRoots, StoreError,
    db::Txn,
    header_entry, heads, reverse_changes,
    tables::{StoredAccount, Table, account_key, slot_key},
};

/// How far back from the head a proof can be made; each block back costs its changes.
pub const PROOF_BLOCKS_BACK_MAX: u64 = 10_000;

/// An account with its Merkle proof (EIP-1186).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountProof {
    pub nonce: u64,
    /// Wei.
    pub balance: U256,
    pub code_hash: B256,
    pub storage_root: B256,
    /// Nodes from the root down.
    pub nodes: Vec<Bytes>,
    /// One per slot asked for.
    pub storage: Vec<StorageProof>,
}

/// A slot with its Merkle proof against the account's storage root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageProof {
    pub value: U256,
    /// Nodes from the root down.
    pub nodes: Vec<Bytes>,
}

pub(crate) fn prove<K: TransactionKind>(
    txn: &Txn<'_, K>,
    address: Address,
    slots: &[B256],
    number: u64,
) -> Result<AccountProof, StoreError> {
    let head = heads(txn)?.unsafe_head.number;
    let target = header_entry(txn, number)?.1;
    let distance = head.saturating_sub(number);
    if distance > PROOF_BLOCKS_BACK_MAX {
        return Err(StoreError::TooFarBack { number, distance, max: PROOF_BLOCKS_BACK_MAX });
    }
    let reader = HeadRoots { txn };
    let changes = reverse_changes(txn, number, head)?;
    let hashed = keccak256(address);

    // Storage first: the account's leaf holds its root.
    let current = txn.get::<StoredAccount>(Table::Accounts, &account_key(&hashed))?;
    let root_now = current.map_or(EMPTY_ROOT_HASH, |stored| stored.storage_root);
    let mut storage_trie = SparseTrie::new(&reader, TrieId::Storage(hashed), root_now);
    if let Some(change) = changes.get(&hashed) {
        for (slot, value) in &change.storage {
            if value.is_zero() {
                storage_trie.remove(*slot)?;
            } else {
                storage_trie.insert(*slot, alloy_rlp::encode(value))?;
            }
        }
    }
    let (storage_root, _) = storage_trie.seal();
    let mut storage = Vec::with_capacity(slots.len());
    for slot in slots {
        let slot = keccak256(slot);
        let now = slot_key(&hashed, &slot);
        let value = match changes.get(&hashed).and_then(|change| change.storage.get(&slot)) {
            Some(value) => *value,
            None => txn.get::<U256>(Table::Storage, &now)?.unwrap_or_default(),
        };
        let nodes = storage_trie.proof(slot)?.into_iter().map(Bytes::from).collect();
        storage.push(StorageProof { value, nodes });
    }

    let mut trie = SparseTrie::new(&reader, TrieId::Accounts, reader.account_root()?);
    if !changes.is_empty() {
        stf::apply_hashed_changes(&reader, &mut trie, &changes)?;
    }
    let (root, _) = trie.seal();
    if root != target.state_root {
        return Err(StoreError::Malformed {
            table: Table::Changes.name(),
            key: number.to_string(),
        });
    }
    let account = match changes.get(&hashed).and_then(|change| change.account) {
        Some(account) => account,
        None => current.map(|stored| stored.account),
    };
    let nodes = trie.proof(hashed)?.into_iter().map(Bytes::from).collect();
    let leaf = account.map_or(
        TrieAccount { code_hash: KECCAK256_EMPTY, ..Default::default() },
        |account| TrieAccount {
            nonce: account.nonce,
            balance: account.balance,
            storage_root,
            code_hash: account.code_hash,
        },
    );
    Ok(AccountProof {
        nonce: leaf.nonce,
        balance: leaf.balance,
        code_hash: leaf.code_hash,
        storage_root: leaf.storage_root,
        nodes,
        storage,
    })
}
