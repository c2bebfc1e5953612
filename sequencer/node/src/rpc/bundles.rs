//! `eth_callMany`: bundles of calls, each on the state the one before left (reth, Erigon).

use alloy_rpc_types_eth::{
    Bundle, EthCallResponse, StateContext, TransactionIndex, state::StateOverride,
};
use revm::{DatabaseCommit as _, context_interface::result::ExecutionResult};

use super::{Api, error::RpcError, execution};

/// Calls of all bundles together, at most.
const CALLS_MAX: usize = 1_000;

impl Api {
    /// On the state after a block, or before its transaction with the index given. Block overrides hold
    /// for their bundle, state overrides from the first call on. A call that fails is answered in its
    /// place; one that cannot run at all is the request's error.
    pub(super) fn call_many(
        &self,
        bundles: Vec<Bundle>,
        context: Option<StateContext>,
        state: Option<StateOverride>,
    ) -> Result<Vec<Vec<EthCallResponse>>, RpcError> {
        if bundles.is_empty() {
            return Err(RpcError::invalid_params("bundles are empty"));
        }
        if bundles.iter().map(|bundle| bundle.transactions.len()).sum::<usize>() > CALLS_MAX {
            return Err(RpcError::invalid_params(format!("too many calls, limit {CALLS_MAX}")));
        }
        let StateContext { block_number, transaction_index } = context.unwrap_or_default();
        let id = block_number.unwrap_or_default();
        let (header, mut db) = match transaction_index.unwrap_or_default() {
            TransactionIndex::All => self.start_after(id)?,
            TransactionIndex::Index(index) => {
                let (block, db) = self.state_before(id, index)?;
                (block.header().clone(), db)
            }
        };
        let deadline = std::time::Instant::now() + self.config.request_timeout;
        let mut gas_left = self.config.call_gas_max;
        let mut state = state;
        let mut answers = Vec::with_capacity(bundles.len());
        for Bundle { transactions, block_override } in bundles {
            let mut answer = Vec::with_capacity(transactions.len());
            let mut simulation = self.simulation_on(&header, db, state.take(), block_override)?;
            let base_fee = simulation.evm.block_env().basefee;
            for call in transactions {
                if std::time::Instant::now() > deadline {
                    return Err(RpcError::new(
                        super::error::RESOURCE_UNAVAILABLE,
                        "the calls took too long",
                    ));
                }
                let gas = call.gas.unwrap_or(simulation.terms.gas_max).min(gas_left);
                simulation.set_base_fee(base_fee);
                let transaction = simulation.transaction(call, gas)?;
                let outcome =
                    simulation.evm.transact(transaction).map_err(execution::execution_error)?;
                simulation.evm.db_mut().commit(outcome.state);
                gas_left = gas_left.saturating_sub(outcome.result.tx_gas_used());
                answer.push(match outcome.result {
                    ExecutionResult::Success { output, .. } => {
                        EthCallResponse { value: Some(output.into_data()), error: None }
                    }
                    ExecutionResult::Revert { output, .. } => failed(RpcError::revert(&output)),
                    ExecutionResult::Halt { reason, .. } => failed(execution::halted(&reason)),
                });
            }
            db = simulation.evm.into_db();
            answers.push(answer);
        }
        Ok(answers)
    }
}

fn failed(error: RpcError) -> EthCallResponse {
    EthCallResponse { value: None, error: Some(error.message.into_owned()) }
}
