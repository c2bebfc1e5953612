//! `eth_call`, `eth_estimateGas` and `eth_createAccessList`: executions that change nothing, by
//! the rules of the block they run on.
//!
//! As in geth, a call without a gas price runs with a base fee of zero, nonces and the sender's
//! code are not checked, and value must be covered by the balance. The L1 data fee is not part of
//! a simulation: gas is what is estimated.

use alloy_eips::{
    BlockId,
    eip2930::{AccessList, AccessListItem, AccessListResult},
};
use alloy_primitives::{Address, B256, Bytes, TxKind, U256};
use alloy_rpc_types_eth::{BlockOverrides, TransactionRequest, state::StateOverride};
use op_revm::OpHaltReason;
use primitives::Header;
use revm::{
    DatabaseRef,
    context::{BlockEnv, CfgEnv, TxEnv, either::Either, result::HaltReason},
    context_interface::result::{EVMError, ExecutionResult, InvalidTransaction, ResultAndState},
    database::CacheDB,
    inspector::NoOpInspector,
    primitives::hardfork::SpecId,
};
use stf::{CallTx, ChainEvm, ChainSpec};

use super::{Api, error::RpcError, idle_evm, overrides};
use crate::{chain::StateView, config::RpcConfig};

/// Gas of a plain transfer.
const TRANSFER_GAS: u64 = 21_000;
/// Gas a call keeps for itself beside the 63/64 it may pass on (EIP-150), with the stipend.
const CALL_STIPEND: u64 = 2_300;
/// An estimate may exceed the least sufficient gas by 1/64 (geth: 1.5 %).
const ESTIMATE_ERROR_DENOMINATOR: u64 = 64;
/// Rounds in which an access list must become stable.
const ACCESS_LIST_ROUNDS: usize = 8;
/// No address above is a precompile of the rules in force.
const PRECOMPILE_LAST: u64 = 0x1ff;

type Outcome = ResultAndState<OpHaltReason>;

/// A state and a block environment on which calls can run, one after the other, from the same
/// start.
pub(super) struct Simulation<S>
where
    S: DatabaseRef<Error: std::error::Error + Send + Sync + 'static> + std::fmt::Debug,
{
    pub(super) evm: ChainEvm<CacheDB<S>, NoOpInspector>,
    /// The rules the calls run by.
    pub(super) config: CfgEnv<SpecId>,
    pub(super) terms: Terms,
}

/// What calls on a block must keep to.
pub(super) struct Terms {
    /// Most gas one run may use.
    pub(super) gas_max: u64,
    chain_id: u64,
    base_fee: u64,
}

impl Api {
    /// `eth_call`: what the call returns.
    pub(super) fn call_contract(
        &self,
        call: TransactionRequest,
        block: BlockId,
        state: Option<StateOverride>,
        overrides: Option<BlockOverrides>,
    ) -> Result<Bytes, RpcError> {
        let result = if state.is_none() && overrides.is_none() {
            self.plain_call(call, block)?
        } else {
            let mut simulation = self.simulation(block, state, overrides)?;
            let gas = call.gas.unwrap_or(simulation.terms.gas_max);
            let transaction = simulation.transaction(call, gas)?;
            simulation.run(transaction)?.result
        };
        match result {
            ExecutionResult::Success { output, .. } => Ok(output.into_data()),
            ExecutionResult::Revert { output, .. } => Err(RpcError::revert(&output)),
            ExecutionResult::Halt { reason, .. } => Err(halted(&reason)),
        }
    }

    /// Runs a call on the state after a block as it is.
    fn plain_call(
        &self,
        call: TransactionRequest,
        block: BlockId,
    ) -> Result<ExecutionResult<OpHaltReason>, RpcError> {
        let (header, view) = self.header_and_state(block)?;
        let spec = self.chain.spec();
        let mut env = stf::block_env(spec, &header);
        let config = config_for_calls(spec, &header);
        let mut terms = Terms::new(spec, &self.config, &env);
        let gas = call.gas.unwrap_or(terms.gas_max);
        let transaction = terms.transaction(call, gas, &mut env)?;
        idle_evm::call(spec, &config, &env, view, transaction).map_err(execution_error)
    }

    /// `eth_estimateGas`: 21000 for a plain transfer, else the least sufficient gas limit to
    /// within a 64th.
    pub(super) fn estimate_gas(
        &self,
        call: TransactionRequest,
        block: BlockId,
        state: Option<StateOverride>,
        overrides: Option<BlockOverrides>,
    ) -> Result<U256, RpcError> {
        let mut simulation = self.simulation(block, state, overrides)?;
        let from = call.from.unwrap_or_default();
        let value = call.value.unwrap_or_default();
        let fee_cap = call.max_fee_per_gas.or(call.gas_price).unwrap_or_default();

        let mut high = call
            .gas
            .filter(|gas| *gas >= TRANSFER_GAS)
            .unwrap_or(simulation.terms.gas_max)
            .min(simulation.terms.gas_max);
        if fee_cap > 0 {
            high = high.min(simulation.affordable_gas(from, value, fee_cap)?);
        }

        let template = simulation.transaction(call, high)?;
        if simulation.is_plain_transfer(&template)? {
            let outcome = simulation.run(with_gas(&template, TRANSFER_GAS));
            if outcome.is_ok_and(|outcome| outcome.result.is_success()) {
                return Ok(U256::from(TRANSFER_GAS));
            }
        }

        let first = simulation.run(template.clone())?.result;
        let (used, refunded) = match &first {
            ExecutionResult::Success { gas, .. } => (gas.tx_gas_used(), gas.inner_refunded()),
            ExecutionResult::Revert { output, .. } => return Err(RpcError::revert(output)),
            ExecutionResult::Halt {
                reason: OpHaltReason::Base(HaltReason::OutOfGas(_)), ..
            } => {
                return Err(exceeds_allowance(high));
            }
            ExecutionResult::Halt { reason, .. } => return Err(halted(reason)),
        };

        // Refunds come after execution and calls keep a 64th: this is usually enough at once.
        let mut low = used.saturating_sub(1);
        let enough =
            used.saturating_add(refunded).saturating_add(CALL_STIPEND).saturating_mul(64) / 63;
        let mut next = if enough < high { enough } else { midpoint(low, high) };
        while low + 1 < high && high - low > low.max(1) / ESTIMATE_ERROR_DENOMINATOR {
            if simulation.suffices(&template, next)? {
                high = next;
            } else {
                low = next;
            }
            // Most estimates lie close above the gas used: look there first.
            next = midpoint(low, high).min(low.saturating_mul(2).max(low + 1));
        }
        Ok(U256::from(high))
    }

    /// `eth_createAccessList`: what the call touches, and its gas with that list.
    pub(super) fn create_access_list(
        &self,
        call: TransactionRequest,
        block: BlockId,
        state: Option<StateOverride>,
    ) -> Result<AccessListResult, RpcError> {
        let mut simulation = self.simulation(block, state, None)?;
        let gas = call.gas.unwrap_or(simulation.terms.gas_max);
        let mut transaction = simulation.transaction(call, gas)?;
        if transaction.base.tx_type == 0 {
            transaction.base.tx_type = 1;
        }
        let mut round = 0;
        loop {
            let outcome = simulation.run(transaction.clone())?;
            let list = touched(&outcome, &transaction);
            let stable = list == transaction.base.access_list;
            round += 1;
            if stable || round == ACCESS_LIST_ROUNDS {
                let error = match &outcome.result {
                    ExecutionResult::Success { .. } => None,
                    ExecutionResult::Revert { output, .. } => {
                        Some(RpcError::revert(output).message.into_owned())
                    }
                    ExecutionResult::Halt { reason, .. } => {
                        Some(halted(reason).message.into_owned())
                    }
                };
                return Ok(AccessListResult {
                    access_list: list,
                    gas_used: U256::from(outcome.result.tx_gas_used()),
                    error,
                });
            }
            transaction.base.access_list = list;
        }
    }

    /// The header and the state that a call after this block runs with.
    pub(super) fn start_after(
        &self,
        block: BlockId,
    ) -> Result<(Header, CacheDB<StateView>), RpcError> {
        let (header, view) = self.header_and_state(block)?;
        Ok((header.clone(), CacheDB::new(view)))
    }

    pub(super) fn simulation(
        &self,
        block: BlockId,
        state: Option<StateOverride>,
        overrides: Option<BlockOverrides>,
    ) -> Result<Simulation<StateView>, RpcError> {
        let (header, db) = self.start_after(block)?;
        self.simulation_on(&header, db, state, overrides)
    }

    /// The same, from a state in the middle of a block.
    pub(super) fn simulation_on(
        &self,
        header: &Header,
        mut db: CacheDB<StateView>,
        state: Option<StateOverride>,
        overrides: Option<BlockOverrides>,
    ) -> Result<Simulation<StateView>, RpcError> {
        let spec = self.chain.spec();
        let mut env = stf::block_env(spec, header);
        let precompiles = match state {
            Some(state) => overrides::apply_state(&mut db, state)?,
            None => overrides::PrecompileChanges::default(),
        };
        if let Some(overrides) = overrides {
            overrides::apply_block(&mut env, &mut db, overrides)?;
        }
        let config = config_for_calls(spec, header);
        let terms = Terms::new(spec, &self.config, &env);
        let mut evm = ChainEvm::new(spec, config.clone(), env, db, NoOpInspector);
        evm.set_inspector_enabled(false);
        precompiles.install(&mut evm)?;
        Ok(Simulation { terms, config, evm })
    }
}

/// The rules of a block, without the checks that calls do without.
fn config_for_calls(spec: &ChainSpec, header: &Header) -> CfgEnv<SpecId> {
    let mut config = stf::cfg_env(spec, header.number, header.timestamp);
    config.disable_nonce_check = true;
    config.disable_eip3607 = true;
    // EIP-7825 bounds transactions, which calls are not (geth).
    config.tx_gas_limit_cap = Some(u64::MAX);
    config
}

impl Terms {
    fn new(spec: &ChainSpec, config: &RpcConfig, block: &BlockEnv) -> Self {
        Self {
            gas_max: config.call_gas_max.min(block.gas_limit),
            chain_id: spec.chain_id,
            base_fee: block.basefee,
        }
    }

    /// The call as the EVM takes it.
    fn transaction(
        &mut self,
        call: TransactionRequest,
        gas: u64,
        block: &mut BlockEnv,
    ) -> Result<CallTx, RpcError> {
        if let Some(have) = call.chain_id
            && have != self.chain_id
        {
            return Err(RpcError::invalid_params(format!(
                "chainId does not match node's (have={have}, want={})",
                self.chain_id
            )));
        }
        if call.gas_price.is_some()
            && (call.max_fee_per_gas.is_some() || call.max_priority_fee_per_gas.is_some())
        {
            return Err(RpcError::invalid_params(
                "both gasPrice and (maxFeePerGas or maxPriorityFeePerGas) specified",
            ));
        }
        let from = call.from.unwrap_or_default();
        let price = call.max_fee_per_gas.or(call.gas_price).unwrap_or_default();
        let tip = call.max_priority_fee_per_gas.or(call.max_fee_per_gas.map(|_| 0));
        if let Some(tip) = call.max_priority_fee_per_gas
            && call.max_fee_per_gas.is_some_and(|cap| tip > cap)
        {
            return Err(RpcError::server(format!(
                "max priority fee per gas higher than max fee per gas: address {from}, \
                 maxPriorityFeePerGas: {tip}, maxFeePerGas: {price}"
            )));
        }
        if price == 0 {
            // No price, no base fee: otherwise nothing could be called for free.
            block.basefee = 0;
            self.base_fee = 0;
        } else if price < u128::from(self.base_fee) {
            return Err(RpcError::server(format!(
                "max fee per gas less than block base fee: address {from}, maxFeePerGas: {price}, \
                 baseFee: {}",
                self.base_fee
            )));
        }

        let authorizations = call.authorization_list.unwrap_or_default();
        let access_list = call.access_list;
        let tx_type = if !authorizations.is_empty() {
            4
        } else if tip.is_some() && price > 0 {
            2
        } else if access_list.is_some() {
            1
        } else {
            0
        };
        let kind = call.to.unwrap_or(TxKind::Create);
        if tx_type == 4 && kind.is_create() {
            return Err(RpcError::server("EIP-7702 transaction cannot be used to create contract"));
        }
        let data = call
            .input
            .try_into_unique_input()
            .map_err(|error| RpcError::invalid_params(error.to_string()))?
            .unwrap_or_default();
        let base = TxEnv {
            tx_type,
            caller: from,
            gas_limit: gas.min(self.gas_max),
            gas_price: price,
            kind,
            value: call.value.unwrap_or_default(),
            data,
            nonce: call.nonce.unwrap_or_default(),
            chain_id: Some(self.chain_id),
            access_list: access_list.unwrap_or_default(),
            gas_priority_fee: if tx_type >= 2 { tip } else { None },
            authorization_list: authorizations.into_iter().map(Either::Left).collect(),
            ..Default::default()
        };
        Ok(stf::call_tx(base))
    }
}

impl<S> Simulation<S>
where
    S: DatabaseRef<Error: std::error::Error + Send + Sync + 'static> + std::fmt::Debug,
{
    /// Puts the base fee back, wei per gas: a call without a price lowers it to zero.
    pub(super) fn set_base_fee(&mut self, base_fee: u64) {
        self.evm.block_env_mut().basefee = base_fee;
        self.terms.base_fee = base_fee;
    }

    /// The call as the EVM takes it.
    pub(super) fn transaction(
        &mut self,
        call: TransactionRequest,
        gas: u64,
    ) -> Result<CallTx, RpcError> {
        self.terms.transaction(call, gas, self.evm.block_env_mut())
    }

    /// Runs the call from the start state.
    fn run(&mut self, transaction: CallTx) -> Result<Outcome, RpcError> {
        self.evm.transact(transaction).map_err(execution_error)
    }

    fn suffices(&mut self, template: &CallTx, gas: u64) -> Result<bool, RpcError> {
        use InvalidTransaction::{CallGasCostMoreThanGasLimit, GasFloorMoreThanGasLimit};
        match self.evm.transact(with_gas(template, gas)) {
            Ok(outcome) => Ok(outcome.result.is_success()),
            Err(EVMError::Transaction(
                CallGasCostMoreThanGasLimit { .. } | GasFloorMoreThanGasLimit { .. },
            )) => Ok(false),
            Err(error) => Err(execution_error(error)),
        }
    }

    /// Gas that `from` can pay for beside `value`.
    fn affordable_gas(
        &mut self,
        from: Address,
        value: U256,
        fee_cap: u128,
    ) -> Result<u64, RpcError> {
        let balance = self.account(from)?.map_or(U256::ZERO, |info| info.balance);
        let Some(available) = balance.checked_sub(value) else {
            return Err(RpcError::server(format!(
                "insufficient funds for gas * price + value: address {from} have {balance} want \
                 {value}"
            )));
        };
        Ok((available / U256::from(fee_cap)).saturating_to())
    }

    /// Whether the call only moves value to an account without code.
    fn is_plain_transfer(&mut self, call: &CallTx) -> Result<bool, RpcError> {
        let TxKind::Call(to) = call.base.kind else { return Ok(false) };
        if !call.base.data.is_empty()
            || !call.base.access_list.is_empty()
            || !call.base.authorization_list.is_empty()
        {
            return Ok(false);
        }
        Ok(self.account(to)?.is_none_or(|info| info.is_empty_code_hash()))
    }

    fn account(&mut self, address: Address) -> Result<Option<revm::state::AccountInfo>, RpcError> {
        let db = self.evm.db_mut();
        revm::Database::basic(db, address).map_err(|error| RpcError::internal(&error))
    }
}

fn with_gas(template: &CallTx, gas: u64) -> CallTx {
    let mut transaction = template.clone();
    transaction.base.gas_limit = gas;
    transaction
}

const fn midpoint(low: u64, high: u64) -> u64 {
    low + (high - low) / 2
}

/// The accounts and slots the run touched beside those every transaction may touch for free.
fn touched(outcome: &Outcome, transaction: &CallTx) -> AccessList {
    let free = [
        transaction.base.caller,
        primitives::SEQUENCER_FEE_VAULT,
        primitives::BASE_FEE_VAULT,
        primitives::L1_FEE_VAULT,
        primitives::OPERATOR_FEE_VAULT,
    ];
    let mut items: Vec<AccessListItem> = outcome
        .state
        .iter()
        .filter_map(|(address, account)| {
            let mut storage_keys: Vec<B256> =
                account.storage.keys().map(|slot| B256::from(*slot)).collect();
            storage_keys.sort_unstable();
            let is_free = free.contains(address)
                || transaction.base.kind == TxKind::Call(*address)
                || account.is_created()
                || U256::from_be_slice(address.as_slice()) <= U256::from(PRECOMPILE_LAST);
            (!is_free || !storage_keys.is_empty())
                .then_some(AccessListItem { address: *address, storage_keys })
        })
        .collect();
    items.sort_unstable_by_key(|item| item.address);
    AccessList(items)
}

fn exceeds_allowance(gas: u64) -> RpcError {
    RpcError::server(format!("gas required exceeds allowance ({gas})"))
}

/// geth's words for executions that end without a revert.
pub(super) fn halted(reason: &OpHaltReason) -> RpcError {
    let OpHaltReason::Base(reason) = reason else {
        return RpcError::server("failed deposit");
    };
    match reason {
        HaltReason::OutOfGas(_) => RpcError::server("out of gas"),
        HaltReason::OpcodeNotFound | HaltReason::NotActivated => RpcError::server("invalid opcode"),
        HaltReason::InvalidFEOpcode => RpcError::server("invalid opcode: INVALID"),
        HaltReason::InvalidJump => RpcError::server("invalid jump destination"),
        HaltReason::OutOfOffset => RpcError::server("return data out of bounds"),
        HaltReason::CreateCollision => RpcError::server("contract address collision"),
        HaltReason::CreateContractSizeLimit => RpcError::server("max code size exceeded"),
        HaltReason::CreateInitCodeSizeLimit => RpcError::server("max initcode size exceeded"),
        HaltReason::CreateContractStartingWithEF => {
            RpcError::server("invalid code: must not begin with 0xef")
        }
        HaltReason::StateChangeDuringStaticCall => RpcError::server("write protection"),
        HaltReason::OutOfFunds => RpcError::server("insufficient balance for transfer"),
        HaltReason::CallTooDeep => RpcError::server("max call depth exceeded"),
        other => RpcError::server(other.to_string()),
    }
}

/// geth's words for calls that cannot start.
pub(super) fn execution_error<E: std::error::Error + 'static>(
    error: EVMError<E, InvalidTransaction>,
) -> RpcError {
    let error = match error {
        EVMError::Transaction(error) => error,
        EVMError::Database(error) => return RpcError::internal(&error),
        other => return RpcError::server(other.to_string()),
    };
    match error {
        InvalidTransaction::LackOfFundForMaxFee { fee, balance } => RpcError::server(format!(
            "insufficient funds for gas * price + value: have {balance} want {fee}"
        )),
        InvalidTransaction::GasPriceLessThanBasefee => {
            RpcError::server("max fee per gas less than block base fee")
        }
        InvalidTransaction::PriorityFeeGreaterThanMaxFee => {
            RpcError::server("max priority fee per gas higher than max fee per gas")
        }
        InvalidTransaction::CallGasCostMoreThanGasLimit { initial_gas, gas_limit } => {
            RpcError::server(format!("intrinsic gas too low: have {gas_limit}, want {initial_gas}"))
        }
        InvalidTransaction::GasFloorMoreThanGasLimit { gas_floor, gas_limit } => RpcError::server(
            format!("insufficient gas for floor data gas cost: have {gas_limit}, want {gas_floor}"),
        ),
        InvalidTransaction::CreateInitCodeSizeLimit => {
            RpcError::server("max initcode size exceeded")
        }
        other => RpcError::server(other.to_string()),
    }
}
