//! The genesis block from its description, with or without a database.

use std::collections::BTreeMap;

use alloy_consensus::{EMPTY_OMMER_ROOT_HASH, EMPTY_ROOT_HASH};
use alloy_eips::{BlockNumHash, eip7685::EMPTY_REQUESTS_HASH};
use alloy_primitives::{KECCAK256_EMPTY, U256, keccak256};
use primitives::{GenesisL2, Header, SEQUENCER_FEE_VAULT};
use stf::{Account, AccountChange, EmptyState, StateChanges, StateRootOutcome, trie::TrieError};

use crate::trie_cache::TrieCache;

/// The genesis header, by an in-memory trie.
pub fn genesis_header(genesis: &GenesisL2) -> Result<Header, TrieError> {
    Ok(header(genesis, &roots(&changes(genesis))?))
}

/// Roots of the genesis state.
pub(crate) fn roots(changes: &StateChanges) -> Result<StateRootOutcome, TrieError> {
    let nothing = (BlockNumHash::default(), EMPTY_ROOT_HASH);
    TrieCache::new(usize::MAX).state_root(&EmptyState, nothing, changes)
}

/// The genesis state as a change of nothing.
pub(crate) fn changes(genesis: &GenesisL2) -> StateChanges {
    let mut codes = BTreeMap::new();
    let mut accounts = BTreeMap::new();
    for (address, allocation) in &genesis.alloc {
        let code_hash = if allocation.code.is_empty() {
            KECCAK256_EMPTY
        } else {
            let hash = keccak256(&allocation.code);
            codes.insert(hash, allocation.code.clone());
            hash
        };
        let storage = allocation
            .storage
            .iter()
            .filter(|(_, value)| !value.is_zero())
            .map(|(slot, value)| ((*slot).into(), (U256::ZERO, (*value).into())))
            .collect();
        let account = Account { nonce: allocation.nonce, balance: allocation.balance, code_hash };
        let change = AccountChange { before: None, after: Some(account), storage };
        accounts.insert(*address, change);
    }
    StateChanges { accounts, codes }
}

pub(crate) fn header(genesis: &GenesisL2, roots: &StateRootOutcome) -> Header {
    Header {
        ommers_hash: EMPTY_OMMER_ROOT_HASH,
        beneficiary: SEQUENCER_FEE_VAULT,
        state_root: roots.state_root,
        transactions_root: EMPTY_ROOT_HASH,
        receipts_root: EMPTY_ROOT_HASH,
        withdrawals_root: Some(roots.withdrawals_root),
        gas_limit: genesis.gas_limit,
        timestamp: genesis.timestamp,
        extra_data: genesis.extra_data.clone(),
        base_fee_per_gas: Some(genesis.base_fee_per_gas),
        blob_gas_used: Some(0),
        excess_blob_gas: Some(0),
        parent_beacon_block_root: Some(Default::default()),
        requests_hash: Some(EMPTY_REQUESTS_HASH),
        ..Default::default()
    }
}
