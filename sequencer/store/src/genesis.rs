//! The genesis block from its description, with or without a database.

use std::collections::BTreeMap;

use alloy_consensus::{EMPTY_OMMER_ROOT_HASH, EMPTY_ROOT_HASH};
use alloy_eips::{BlockNumHash, eip1559::INITIAL_BASE_FEE, eip7685::EMPTY_REQUESTS_HASH};
use alloy_genesis::Genesis;
use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256, keccak256};
use primitives::{BlockBody, GenesisL2, Header, SEQUENCER_FEE_VAULT};
use revm::primitives::hardfork::SpecId;
use stf::{
    Account, AccountChange, ChainSpec, EmptyState, StateChanges, StateRootOutcome, trie::TrieError,
};

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

/// The genesis header of an Ethereum chain, by an in-memory trie.
pub fn ethereum_genesis_header(genesis: &Genesis) -> Result<Header, TrieError> {
    Ok(ethereum_header(genesis, &roots(&ethereum_changes(genesis))?))
}

/// The genesis state as a change of nothing.
pub(crate) fn changes(genesis: &GenesisL2) -> StateChanges {
    let mut changes = StateChanges::default();
    for (address, allocation) in &genesis.alloc {
        let (nonce, balance) = (allocation.nonce, allocation.balance);
        allocate(&mut changes, *address, (nonce, balance), &allocation.code, &allocation.storage);
    }
    changes
}

/// The same of geth's genesis file.
pub(crate) fn ethereum_changes(genesis: &Genesis) -> StateChanges {
    let mut changes = StateChanges::default();
    for (address, allocation) in &genesis.alloc {
        let code = allocation.code.clone().unwrap_or_default();
        let storage = allocation.storage.clone().unwrap_or_default();
        let nonce = allocation.nonce.unwrap_or_default();
        allocate(&mut changes, *address, (nonce, allocation.balance), &code, &storage);
    }
    changes
}

fn allocate(
    changes: &mut StateChanges,
    address: Address,
    (nonce, balance): (u64, U256),
    code: &Bytes,
    storage: &BTreeMap<B256, B256>,
) {
    let code_hash = if code.is_empty() {
        KECCAK256_EMPTY
    } else {
        let hash = keccak256(code);
        changes.codes.insert(hash, code.clone());
        hash
    };
    let storage = storage
        .iter()
        .filter(|(_, value)| !value.is_zero())
        .map(|(slot, value)| ((*slot).into(), (U256::ZERO, (*value).into())))
        .collect();
    let after = Some(Account { nonce, balance, code_hash });
    changes.accounts.insert(address, AccountChange { after, storage, ..Default::default() });
}

/// What geth makes of a genesis file: fields that the forks of block 0 have.
pub(crate) fn ethereum_header(genesis: &Genesis, roots: &StateRootOutcome) -> Header {
    let spec = ChainSpec::ethereum(genesis.config.clone()).spec_id(0, genesis.timestamp);
    let at = |fork: SpecId| spec.is_enabled_in(fork);
    let base_fee = genesis.base_fee_per_gas.and_then(|fee| u64::try_from(fee).ok());
    let cancun = at(SpecId::CANCUN);
    Header {
        ommers_hash: EMPTY_OMMER_ROOT_HASH,
        beneficiary: genesis.coinbase,
        state_root: roots.state_root,
        transactions_root: EMPTY_ROOT_HASH,
        receipts_root: EMPTY_ROOT_HASH,
        difficulty: genesis.difficulty,
        gas_limit: genesis.gas_limit,
        timestamp: genesis.timestamp,
        extra_data: genesis.extra_data.clone(),
        mix_hash: genesis.mix_hash,
        nonce: genesis.nonce.into(),
        base_fee_per_gas: at(SpecId::LONDON).then(|| base_fee.unwrap_or(INITIAL_BASE_FEE)),
        withdrawals_root: at(SpecId::SHANGHAI).then_some(EMPTY_ROOT_HASH),
        blob_gas_used: cancun.then(|| genesis.blob_gas_used.unwrap_or_default()),
        excess_blob_gas: cancun.then(|| genesis.excess_blob_gas.unwrap_or_default()),
        parent_beacon_block_root: cancun.then_some(B256::ZERO),
        requests_hash: at(SpecId::PRAGUE).then_some(EMPTY_REQUESTS_HASH),
        ..Default::default()
    }
}

/// The body of a block without transactions.
pub(crate) fn empty_body(header: &Header) -> BlockBody {
    let withdrawals = header.withdrawals_root.map(|_| Default::default());
    BlockBody { withdrawals, ..Default::default() }
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
