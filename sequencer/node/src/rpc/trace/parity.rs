//! `trace_*`: traces in the form of Parity and OpenEthereum.

use std::sync::Arc;

use alloy_eips::BlockId;
use alloy_primitives::{B256, map::HashSet};
use alloy_rpc_types_eth::{BlockOverrides, TransactionRequest, state::StateOverride};
use alloy_rpc_types_trace::{
    filter::TraceFilter,
    parity::{LocalizedTransactionTrace, TraceResults, TraceResultsWithTransactionHash, TraceType},
};
use revm::DatabaseCommit;
use revm_inspectors::tracing::{TracingInspector, TracingInspectorConfig};
use stf::ChainEvm;

use super::{Bounded, RECORDED_STEPS_MAX, Replay};
use crate::{
    chain::SealedBlock,
    rpc::{Api, error::RpcError, execution},
};

/// Blocks one `trace_filter` may run again.
const FILTER_BLOCKS_MAX: u64 = 100;
/// Calls of one `trace_callMany`.
const CALLS_MAX: usize = 100;

type Traces = Vec<LocalizedTransactionTrace>;

impl Api {
    /// `trace_block`; `null` for a block that is not there.
    pub(in crate::rpc) fn trace_block(&self, id: BlockId) -> Result<Option<Traces>, RpcError> {
        let Some(block) = self.block(id)? else { return Ok(None) };
        let mut replay = self.replay(block, self.call_inspector())?;
        replay.all_traces().map(Some)
    }

    /// `trace_transaction`; `null` for an unknown one.
    pub(in crate::rpc) fn trace_transaction(&self, hash: B256) -> Result<Option<Traces>, RpcError> {
        let Some((block, index)) = self.traced_transaction(&hash)? else { return Ok(None) };
        let mut replay = self.replay(block, self.call_inspector())?;
        replay.skip_to(index)?;
        replay.next_traces().map(Some)
    }

    /// `trace_get`: the trace of a transaction at a path through its calls.
    pub(in crate::rpc) fn trace_get(
        &self,
        hash: B256,
        path: &[usize],
    ) -> Result<Option<LocalizedTransactionTrace>, RpcError> {
        let traces = self.trace_transaction(hash)?.unwrap_or_default();
        Ok(traces.into_iter().find(|trace| trace.trace.trace_address == path))
    }

    /// `trace_filter`: over at most [`FILTER_BLOCKS_MAX`] blocks.
    pub(in crate::rpc) fn trace_filter(&self, filter: &TraceFilter) -> Result<Traces, RpcError> {
        let head = self.chain.heads().unsafe_head.number;
        let to = filter.to_block.unwrap_or(head).min(head);
        // Nothing happened in the genesis block.
        let first = self.chain.genesis_number() + 1;
        let from = filter.from_block.unwrap_or(first).max(first);
        if filter.from_block.zip(filter.to_block).is_some_and(|(from, to)| from > to) {
            return Err(RpcError::invalid_params("fromBlock is above toBlock"));
        }
        if to.saturating_sub(from) >= FILTER_BLOCKS_MAX {
            return Err(RpcError::invalid_params(format!(
                "block range too wide: at most {FILTER_BLOCKS_MAX} blocks"
            )));
        }
        let matcher = filter.matcher();
        let mut after = filter.after.unwrap_or(0);
        let count = filter.count.unwrap_or(u64::MAX);
        let deadline = self.deadline();
        let mut found = Traces::new();
        for number in from..=to {
            let Some(block) = self.block_at(number)? else { break };
            let inspector = Bounded::new(TracingInspector::new(calls_only()), deadline, u64::MAX);
            for trace in self.replay(block, inspector)?.all_traces()? {
                if found.len() as u64 >= count {
                    return Ok(found);
                }
                if !matcher.matches(&trace.trace) {
                    continue;
                }
                if after > 0 {
                    after -= 1;
                } else {
                    found.push(trace);
                }
            }
        }
        Ok(found)
    }

    /// `trace_replayTransaction`.
    pub(in crate::rpc) fn trace_replay_transaction(
        &self,
        hash: B256,
        types: &HashSet<TraceType>,
    ) -> Result<Option<TraceResults>, RpcError> {
        let Some((block, index)) = self.traced_transaction(&hash)? else { return Ok(None) };
        let mut replay = self.replay(block, self.typed_inspector(types))?;
        replay.skip_to(index)?;
        replay.next_results(types).map(Some)
    }

    /// `trace_replayBlockTransactions`.
    pub(in crate::rpc) fn trace_replay_block(
        &self,
        id: BlockId,
        types: &HashSet<TraceType>,
    ) -> Result<Option<Vec<TraceResultsWithTransactionHash>>, RpcError> {
        let Some(block) = self.block(id)? else { return Ok(None) };
        let mut replay =
            self.replay(Arc::<SealedBlock>::clone(&block), self.typed_inspector(types))?;
        let mut results = Vec::with_capacity(block.transactions().len());
        for transaction in block.transactions() {
            results.push(TraceResultsWithTransactionHash {
                full_trace: replay.next_results(types)?,
                transaction_hash: *transaction.hash(),
            });
        }
        Ok(Some(results))
    }

    /// `trace_call`.
    pub(in crate::rpc) fn trace_call(
        &self,
        call: TransactionRequest,
        types: HashSet<TraceType>,
        id: BlockId,
        state: Option<StateOverride>,
        overrides: Option<BlockOverrides>,
    ) -> Result<TraceResults, RpcError> {
        let mut results = self.trace_calls(vec![(call, types)], id, state, overrides)?;
        results.pop().ok_or_else(|| RpcError::invalid_params("no call"))
    }

    /// `trace_callMany`: each call on the state the one before left.
    pub(in crate::rpc) fn trace_calls(
        &self,
        calls: Vec<(TransactionRequest, HashSet<TraceType>)>,
        id: BlockId,
        state: Option<StateOverride>,
        overrides: Option<BlockOverrides>,
    ) -> Result<Vec<TraceResults>, RpcError> {
        if calls.len() > CALLS_MAX {
            return Err(RpcError::invalid_params(format!("too many calls, limit {CALLS_MAX}")));
        }
        let deadline = self.deadline();
        let mut simulation = self.simulation(id, state, overrides)?;
        let mut steps_left = RECORDED_STEPS_MAX;
        let mut results = Vec::with_capacity(calls.len());
        for (call, types) in calls {
            let gas = call.gas.unwrap_or(simulation.terms.gas_max);
            let env = simulation.evm.block_env().clone();
            let tx = simulation.transaction(call, gas)?;
            let steps_max = if records_steps(&types) { steps_left } else { u64::MAX };
            let inspector =
                TracingInspector::new(TracingInspectorConfig::from_parity_config(&types));
            let mut evm = ChainEvm::new(
                self.chain.spec(),
                simulation.config.clone(),
                simulation.evm.block_env().clone(),
                simulation.evm.db_mut().clone(),
                Bounded::new(inspector, deadline, steps_max),
            );
            let outcome = evm.transact(tx).map_err(execution::execution_error)?;
            let (db, inspector, _) = evm.components_mut();
            inspector.check()?;
            if records_steps(&types) {
                steps_left = inspector.steps_left();
            }
            let tracer =
                std::mem::replace(&mut inspector.inner, TracingInspector::new(calls_only()));
            let result = tracer
                .into_parity_builder()
                .into_trace_results_with_state(&outcome, &types, &*db)
                .map_err(|error| RpcError::internal(&error))?;
            results.push(result);
            simulation.evm.db_mut().commit(outcome.state);
            // A call without a price has switched the base fee off for itself alone.
            *simulation.evm.block_env_mut() = env;
        }
        Ok(results)
    }

    fn call_inspector(&self) -> Bounded<TracingInspector> {
        Bounded::new(TracingInspector::new(calls_only()), self.deadline(), u64::MAX)
    }

    fn typed_inspector(&self, types: &HashSet<TraceType>) -> Bounded<TracingInspector> {
        let steps_max = if records_steps(types) { RECORDED_STEPS_MAX } else { u64::MAX };
        let config = TracingInspectorConfig::from_parity_config(types);
        Bounded::new(TracingInspector::new(config), self.deadline(), steps_max)
    }
}

impl Replay<TracingInspector> {
    fn all_traces(&mut self) -> Result<Traces, RpcError> {
        let mut traces = Traces::new();
        while !self.is_over() {
            traces.append(&mut self.next_traces()?);
        }
        Ok(traces)
    }

    fn next_traces(&mut self) -> Result<Traces, RpcError> {
        let info = self.info();
        let (_, outcome) = self.watch()?;
        let builder = self.take_tracer().into_parity_builder();
        self.keep(outcome);
        Ok(builder.into_localized_transaction_traces(info))
    }

    fn next_results(&mut self, types: &HashSet<TraceType>) -> Result<TraceResults, RpcError> {
        let (_, outcome) = self.watch()?;
        let builder = self.take_tracer().into_parity_builder();
        let results = builder
            .into_trace_results_with_state(&outcome, types, &*self.evm.db_mut())
            .map_err(|error| RpcError::internal(&error))?;
        self.keep(outcome);
        Ok(results)
    }

    /// What was recorded; the tracer begins anew.
    fn take_tracer(&mut self) -> TracingInspector {
        let tracer = &mut self.evm.inspector_mut().inner;
        let recorded = tracer.clone();
        tracer.fuse();
        recorded
    }
}

fn records_steps(types: &HashSet<TraceType>) -> bool {
    types.contains(&TraceType::VmTrace)
}

const fn calls_only() -> TracingInspectorConfig {
    TracingInspectorConfig::default_parity()
}
