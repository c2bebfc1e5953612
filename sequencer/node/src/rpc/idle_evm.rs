//! An EVM of each thread, for calls on a state as it is: making one takes longer than a short call, for its
//! table of instructions, its stacks and its maps. Between calls it holds no state and nothing of the last one
//! but memory: the journal is emptied by each run, and settings and block are given anew. One that was left in
//! the middle, by an error or a panic, is not used again.

use std::cell::Cell;

use alloy_primitives::{Address, B256, U256, map::HashMap};
use op_revm::OpHaltReason;
use revm::{
    Database, DatabaseRef,
    bytecode::Bytecode,
    context::{BlockEnv, CfgEnv},
    context_interface::result::{EVMError, ExecutionResult, InvalidTransaction},
    primitives::hardfork::SpecId,
    state::AccountInfo,
};
use stf::{CallEvm, CallTx, ChainSpec};
use store::StoreError;

use crate::chain::StateView;

/// Gas of a run after which the EVM is kept: it bounds what stacks, memory and maps may have grown to, since
/// each of their bytes costs gas.
const GAS_KEPT_MAX: u64 = 100_000;

type Kept = CallEvm<Lent>;

thread_local! {
    /// Taken out while it runs.
    static IDLE: Cell<Option<Box<Kept>>> = const { Cell::new(None) };
}

/// A state that is there while a call runs. The journal asks for accounts and slots once.
#[derive(Debug, Default)]
struct Lent {
    state: Option<StateView>,
    /// What a call asked for: it may ask for a hash as often as it likes.
    hashes: HashMap<u64, B256>,
}

impl Lent {
    fn state(&self) -> Result<&StateView, StoreError> {
        self.state.as_ref().ok_or(StoreError::Uninitialised)
    }
}

impl Database for Lent {
    type Error = StoreError;

    fn basic(&mut self, address: Address) -> Result<Option<AccountInfo>, StoreError> {
        self.state()?.basic_ref(address)
    }

    fn code_by_hash(&mut self, hash: B256) -> Result<Bytecode, StoreError> {
        self.state()?.code_by_hash_ref(hash)
    }

    fn storage(&mut self, address: Address, slot: U256) -> Result<U256, StoreError> {
        self.state()?.storage_ref(address, slot)
    }

    fn block_hash(&mut self, number: u64) -> Result<B256, StoreError> {
        if let Some(hash) = self.hashes.get(&number) {
            return Ok(*hash);
        }
        let hash = self.state()?.block_hash_ref(number)?;
        self.hashes.insert(number, hash);
        Ok(hash)
    }
}

/// Runs a call.
pub(super) fn call(
    spec: &ChainSpec,
    config: &CfgEnv<SpecId>,
    block: &BlockEnv,
    state: StateView,
    transaction: CallTx,
) -> Result<ExecutionResult<OpHaltReason>, EVMError<StoreError, InvalidTransaction>> {
    let idle = IDLE.take().and_then(|mut evm| evm.renew(spec, config, block).then_some(evm));
    let mut evm = idle.unwrap_or_else(|| {
        let (config, block) = (config.clone(), block.clone());
        Box::new(CallEvm::new(spec, config, block, Lent::default()))
    });
    evm.db_mut().state = Some(state);
    let result = evm.call(transaction)?;
    *evm.db_mut() = Lent::default();
    if result.tx_gas_used() <= GAS_KEPT_MAX {
        IDLE.set(Some(evm));
    }
    Ok(result)
}
