//! What the system does in a block beside its transactions: calls before the first (EIP-2935,
//! EIP-4788), execution requests after the last (EIP-7685), rewards and withdrawals. Over any state
//! that can be committed to, for builders and for blocks that are only simulated.

use alloc::{string::ToString, vec::Vec};

use alloy_consensus::Header;
use alloy_eips::{
    eip2935::HISTORY_STORAGE_ADDRESS,
    eip4788::BEACON_ROOTS_ADDRESS,
    eip4895::Withdrawals,
    eip6110::{DEPOSIT_REQUEST_TYPE, MAINNET_DEPOSIT_CONTRACT_ADDRESS},
    eip7002::{WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS, WITHDRAWAL_REQUEST_TYPE},
    eip7251::{CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS, CONSOLIDATION_REQUEST_TYPE},
    eip7685::Requests,
};
use alloy_evm::{
    Database,
    eth::{EthEvmContext, eip6110::accumulate_deposits_from_receipts},
};
use alloy_op_evm::OpEvmContext;
use alloy_primitives::{Address, Bytes};
use op_revm::OpHaltReason;
use primitives::ReceiptEnvelope;
use revm::{
    DatabaseCommit, Inspector,
    context_interface::result::{EVMError, ExecutionResult, InvalidTransaction, ResultAndState},
    database_interface::DatabaseCommitExt,
    handler::SYSTEM_ADDRESS,
    primitives::hardfork::SpecId,
};

use crate::{ChainEvm, ChainSpec, error::BlockError, ethereum::rewards};

/// A call by the system; nothing but the contract's own account changes. Gives what it returned;
/// `None` if there is no contract.
pub(crate) fn call<DB, I>(
    evm: &mut ChainEvm<DB, I>,
    contract: Address,
    data: Bytes,
) -> Result<Option<ExecutionResult<OpHaltReason>>, BlockError>
where
    DB: Database + DatabaseCommit,
    I: Inspector<OpEvmContext<DB>> + Inspector<EthEvmContext<DB>>,
{
    let code = evm
        .db_mut()
        .basic(contract)
        .map_err(|error| BlockError::State(error.to_string()))?
        .is_some_and(|account| !account.is_empty_code_hash());
    if !code {
        return Ok(None);
    }
    let ResultAndState { result, mut state } = evm
        .transact_system_call(SYSTEM_ADDRESS, contract, data)
        .map_err(|error| BlockError::SystemCall { contract, reason: describe(error) })?;
    state.retain(|address, _| *address == contract);
    evm.db_mut().commit(state);
    Ok(Some(result))
}

/// What comes before the first transaction of the block with this header: its parent's hash and its
/// beacon block's root are stored, from the forks on that know of them.
pub fn begin_block<DB, I>(
    spec: &ChainSpec,
    header: &Header,
    evm: &mut ChainEvm<DB, I>,
) -> Result<(), BlockError>
where
    DB: Database + DatabaseCommit,
    I: Inspector<OpEvmContext<DB>> + Inspector<EthEvmContext<DB>>,
{
    let fork = spec.spec_id(header.number, header.timestamp);
    if fork.is_enabled_in(SpecId::CANCUN) {
        let root = header.parent_beacon_block_root.unwrap_or_default();
        call(evm, BEACON_ROOTS_ADDRESS, root.into())?;
    }
    if fork.is_enabled_in(SpecId::PRAGUE) {
        call(evm, HISTORY_STORAGE_ADDRESS, header.parent_hash.into())?;
    }
    Ok(())
}

/// What comes after the last transaction: execution requests, which a rollup has none of, then rewards
/// and withdrawals. `None` before Prague.
pub fn end_block<DB, I>(
    spec: &ChainSpec,
    header: &Header,
    receipts: &[ReceiptEnvelope],
    ommers: &[Header],
    withdrawals: Option<&Withdrawals>,
    evm: &mut ChainEvm<DB, I>,
) -> Result<Option<Requests>, BlockError>
where
    DB: Database + DatabaseCommit,
    I: Inspector<OpEvmContext<DB>> + Inspector<EthEvmContext<DB>>,
{
    let fork = spec.spec_id(header.number, header.timestamp);
    let rules = spec.as_ethereum();
    let requests = match rules {
        _ if !fork.is_enabled_in(SpecId::PRAGUE) => None,
        None => Some(Requests::default()),
        Some(rules) => {
            let deposits = rules.config().deposit_contract_address;
            let deposits = deposits.unwrap_or(MAINNET_DEPOSIT_CONTRACT_ADDRESS);
            Some(requests(deposits, receipts, evm)?)
        }
    };
    let mut increments = match rules {
        Some(rules) => rewards::balances(rules, header, ommers)?,
        None => Vec::new(),
    };
    increments.extend(rewards::withdrawn(withdrawals));
    for (address, amount) in increments {
        if amount > 0 {
            // One after the other: an account may be named twice.
            evm.db_mut()
                .increment_balances([(address, amount)])
                .map_err(|error| BlockError::State(error.to_string()))?;
        }
    }
    Ok(requests)
}

/// Deposits from logs (EIP-6110), withdrawals (EIP-7002) and consolidations (EIP-7251) from the
/// contracts' queues.
fn requests<DB, I>(
    deposit_contract: Address,
    receipts: &[ReceiptEnvelope],
    evm: &mut ChainEvm<DB, I>,
) -> Result<Requests, BlockError>
where
    DB: Database + DatabaseCommit,
    I: Inspector<OpEvmContext<DB>> + Inspector<EthEvmContext<DB>>,
{
    let mut deposits = Vec::new();
    accumulate_deposits_from_receipts(deposit_contract, receipts, &mut deposits)
        .map_err(|error| BlockError::DepositRequest(error.to_string()))?;
    let mut requests = Requests::default();
    if !deposits.is_empty() {
        requests.push_request_with_type(DEPOSIT_REQUEST_TYPE, deposits);
    }
    for (contract, kind) in [
        (WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS, WITHDRAWAL_REQUEST_TYPE),
        (CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS, CONSOLIDATION_REQUEST_TYPE),
    ] {
        let invalid = |reason: &str| BlockError::SystemCall { contract, reason: reason.into() };
        match call(evm, contract, Bytes::new())? {
            Some(ExecutionResult::Success { output, .. }) => {
                let data = output.into_data();
                if !data.is_empty() {
                    requests.push_request_with_type(kind, data);
                }
            }
            Some(_) => return Err(invalid("the call failed")),
            None => return Err(invalid("there is no contract")),
        }
    }
    Ok(requests)
}

pub(crate) fn describe<E: core::fmt::Display>(
    error: EVMError<E, InvalidTransaction>,
) -> alloc::string::String {
    match error {
        EVMError::Database(error) => error.to_string(),
        EVMError::Header(error) => error.to_string(),
        EVMError::Transaction(error) => error.to_string(),
        EVMError::Custom(error) => error,
        _ => "the EVM failed".to_string(),
    }
}
