//! State read from tries and nothing else.

use alloc::{
    boxed::Box,
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};
use core::{cell::RefCell, fmt};

use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256, keccak256};
use alloy_rlp::Decodable;
use alloy_trie::{EMPTY_ROOT_HASH, Nibbles, TrieAccount};
use primitives::Header;
use revm::{DatabaseRef, bytecode::Bytecode, state::AccountInfo};

use crate::{
    StateChanges, StateRootOutcome, StateRootProvider, TrieReader, WitnessError, compute_roots,
    trie::{NodePlace, NodeReader, TrieError, TrieId},
    trie_lookup::lookup,
};

/// Where the parts of a state come from, each by its hash or number.
pub trait StateSource: NodeReader {
    /// Code with this hash.
    fn code(&self, hash: B256) -> Result<Option<Bytes>, WitnessError>;
    /// Header of a block of the chain that the state belongs to.
    fn header(&self, number: u64) -> Result<Option<Header>, WitnessError>;
    /// Hash of that header.
    fn block_hash(&self, number: u64) -> Result<Option<B256>, WitnessError>;
}

/// The state with one root. Remembers what was read.
pub struct TrieState<'s, S> {
    source: &'s S,
    root: B256,
    read: RefCell<BTreeMap<Address, Read>>,
}

/// What was read of an account.
struct Read {
    storage_root: B256,
    slots: BTreeSet<U256>,
}

impl<S> fmt::Debug for TrieState<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TrieState").field("root", &self.root).finish_non_exhaustive()
    }
}

impl<'s, S: StateSource> TrieState<'s, S> {
    pub const fn new(source: &'s S, root: B256) -> Self {
        Self { source, root, read: RefCell::new(BTreeMap::new()) }
    }

    /// Addresses and slots that were read, and those that `changes` names, as they were before
    /// hashing: each address, then its slots.
    pub(super) fn keys(&self, changes: &StateChanges) -> Vec<Bytes> {
        let mut keys: BTreeMap<Address, BTreeSet<U256>> = BTreeMap::new();
        for (address, read) in self.read.borrow().iter() {
            keys.entry(*address).or_default().extend(&read.slots);
        }
        for (address, change) in &changes.accounts {
            keys.entry(*address).or_default().extend(change.storage.keys());
        }
        let mut flat = Vec::new();
        for (address, slots) in keys {
            flat.push(Bytes::copy_from_slice(address.as_slice()));
            flat.extend(slots.iter().map(|slot| Bytes::from(slot.to_be_bytes::<32>())));
        }
        flat
    }

    fn account(&self, hashed: B256) -> Result<Option<TrieAccount>, TrieError> {
        let leaf = lookup(self.source, TrieId::Accounts, self.root, hashed)?;
        leaf.map(|leaf| exact(&leaf, TrieId::Accounts, hashed)).transpose()
    }
}

/// A leaf's value without anything after it.
fn exact<T: Decodable>(mut leaf: &[u8], trie: TrieId, key: B256) -> Result<T, TrieError> {
    match T::decode(&mut leaf) {
        Ok(value) if leaf.is_empty() => Ok(value),
        _ => {
            let at = NodePlace { trie, position: Nibbles::unpack(key) };
            Err(TrieError::Malformed { at: Box::new(at) })
        }
    }
}

impl<S: StateSource> DatabaseRef for TrieState<'_, S> {
    type Error = WitnessError;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, WitnessError> {
        let account = self.account(keccak256(address))?;
        let storage_root = account.map_or(EMPTY_ROOT_HASH, |account| account.storage_root);
        let read = || Read { storage_root, slots: BTreeSet::new() };
        self.read.borrow_mut().entry(address).or_insert_with(read);
        Ok(account.map(|account| AccountInfo {
            nonce: account.nonce,
            balance: account.balance,
            code_hash: account.code_hash,
            // Loaded by its hash when it runs; the default would be «no code».
            code: None,
            ..Default::default()
        }))
    }

    fn code_by_hash_ref(&self, hash: B256) -> Result<Bytecode, WitnessError> {
        if hash == KECCAK256_EMPTY || hash.is_zero() {
            return Ok(Bytecode::default());
        }
        let code = self.source.code(hash)?.ok_or(WitnessError::MissingCode(hash))?;
        Bytecode::new_raw_checked(code).map_err(|_| WitnessError::MalformedCode(hash))
    }

    fn storage_ref(&self, address: Address, slot: U256) -> Result<U256, WitnessError> {
        let known = self.read.borrow().get(&address).map(|read| read.storage_root);
        let hashed = keccak256(address);
        let root = match known {
            Some(root) => root,
            None => self.storage_root(hashed)?,
        };
        let read = || Read { storage_root: root, slots: BTreeSet::new() };
        self.read.borrow_mut().entry(address).or_insert_with(read).slots.insert(slot);
        let key = keccak256(slot.to_be_bytes::<32>());
        let trie = TrieId::Storage(hashed);
        let leaf = lookup(self.source, trie, root, key)?;
        let value = leaf.map(|leaf| exact(&leaf, trie, key)).transpose()?;
        Ok(value.unwrap_or_default())
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, WitnessError> {
        self.source.block_hash(number)?.ok_or(WitnessError::MissingHeader(number))
    }
}

impl<S: StateSource> NodeReader for TrieState<'_, S> {
    fn node(
        &self,
        trie: TrieId,
        position: &Nibbles,
        hash: B256,
    ) -> Result<Option<Vec<u8>>, TrieError> {
        self.source.node(trie, position, hash)
    }
}

impl<S: StateSource> TrieReader for TrieState<'_, S> {
    fn account_root(&self) -> Result<B256, TrieError> {
        Ok(self.root)
    }

    fn storage_root(&self, hashed_address: B256) -> Result<B256, TrieError> {
        let account = self.account(hashed_address)?;
        Ok(account.map_or(EMPTY_ROOT_HASH, |account| account.storage_root))
    }
}

impl<S: StateSource> StateRootProvider for TrieState<'_, S> {
    fn state_root(&self, changes: &StateChanges) -> Result<StateRootOutcome, TrieError> {
        compute_roots(self, changes)
    }
}
