//! `debug_trace*`: geth's tracers.

use std::sync::Arc;

use alloy_eips::BlockId;
use alloy_primitives::{B256, Bytes};
use alloy_rlp::Decodable;
use alloy_rpc_types_eth::{Bundle, StateContext, TransactionIndex, TransactionRequest};
use alloy_rpc_types_trace::geth::{
    GethDebugTracerType, GethDebugTracingCallOptions, GethDebugTracingOptions, GethTrace,
};
use primitives::Header;
use revm::{DatabaseCommit, inspector::NoOpInspector};
use revm_inspectors::tracing::{DebugInspector, DebugInspectorError, TransactionContext};
use serde::Serialize;
use stf::ChainEvm;

use super::{Bounded, Db, RECORDED_STEPS_MAX, Replay};
use crate::{
    chain::SealedBlock,
    rpc::{Api, error::RpcError, execution},
};

/// Calls of one `debug_traceCallMany`.
const CALLS_MAX: usize = 100;

/// One transaction of a traced block.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::rpc) struct TracedTransaction {
    tx_hash: Option<B256>,
    result: GethTrace,
}

impl Api {
    /// `debug_traceTransaction`.
    pub(in crate::rpc) fn trace_transaction_geth(
        &self,
        hash: B256,
        options: GethDebugTracingOptions,
    ) -> Result<GethTrace, RpcError> {
        let (block, index) = self
            .traced_transaction(&hash)?
            .ok_or_else(|| RpcError::server("transaction not found"))?;
        let mut replay = self.replay(block, self.geth_inspector(options)?)?;
        replay.skip_to(index)?;
        Ok(replay.next_trace()?.result)
    }

    /// `debug_traceBlockByNumber` and `debug_traceBlockByHash`.
    pub(in crate::rpc) fn trace_block_geth(
        &self,
        id: BlockId,
        options: GethDebugTracingOptions,
    ) -> Result<Vec<TracedTransaction>, RpcError> {
        self.trace_sealed(self.traced_block(id)?, options)
    }

    /// `debug_traceBlock`: a block of this chain, by its RLP.
    pub(in crate::rpc) fn trace_raw_block(
        &self,
        raw: &Bytes,
        options: GethDebugTracingOptions,
    ) -> Result<Vec<TracedTransaction>, RpcError> {
        let undecodable =
            |error| RpcError::invalid_params(format!("could not decode block: {error}"));
        let mut rest: &[u8] = raw;
        let fields = alloy_rlp::Header::decode(&mut rest).map_err(undecodable)?;
        if !fields.list {
            return Err(undecodable(alloy_rlp::Error::UnexpectedString));
        }
        let header = Header::decode(&mut rest).map_err(undecodable)?;
        self.trace_sealed(self.traced_block(header.hash_slow().into())?, options)
    }

    fn trace_sealed(
        &self,
        block: Arc<SealedBlock>,
        options: GethDebugTracingOptions,
    ) -> Result<Vec<TracedTransaction>, RpcError> {
        let mut replay = self.replay(block, self.geth_inspector(options)?)?;
        let mut traces = Vec::with_capacity(replay.block.transactions().len());
        while !replay.is_over() {
            traces.push(replay.next_trace()?);
            replay.evm.inspector_mut().inner.fuse().map_err(tracer_error)?;
        }
        Ok(traces)
    }

    /// `debug_traceCall`: on the state after a block, or before its transaction `txIndex`.
    pub(in crate::rpc) fn trace_call_geth(
        &self,
        call: TransactionRequest,
        id: BlockId,
        options: GethDebugTracingCallOptions,
    ) -> Result<GethTrace, RpcError> {
        let GethDebugTracingCallOptions {
            tracing_options,
            state_overrides,
            block_overrides,
            tx_index,
        } = options;
        let inspector = self.geth_inspector(tracing_options)?;
        let mut simulation = match tx_index {
            None => self.simulation(id, state_overrides, block_overrides)?,
            Some(index) => {
                let block = self.traced_block(id)?;
                let index = usize::try_from(index)
                    .ok()
                    .filter(|index| *index < block.transactions().len())
                    .ok_or_else(|| RpcError::invalid_params("txIndex is not in the block"))?;
                let unwatched = Bounded::new(NoOpInspector, self.deadline(), u64::MAX);
                let mut replay = self.replay(Arc::clone(&block), unwatched)?;
                replay.skip_to(index)?;
                let (header, db) = (block.header(), replay.evm.into_db());
                self.simulation_on(header, db, state_overrides, block_overrides)?
            }
        };
        let gas = call.gas.unwrap_or(simulation.terms.gas_max);
        let tx = simulation.transaction(call, gas)?;
        let spec = self.chain.spec();
        let (config, env) = (simulation.config, simulation.evm.block_env().clone());
        let db = simulation.evm.into_db();
        let mut evm = ChainEvm::new(spec, config, env, db, inspector);
        let outcome = evm.transact(tx.clone()).map_err(execution::execution_error)?;
        let env = evm.block_env().clone();
        let (db, inspector, _) = evm.components_mut();
        inspector.check()?;
        inspector.inner.get_result(None, &tx, &env, &outcome, db).map_err(tracer_error)
    }

    /// `debug_traceCallMany` (reth's): bundles of calls, each call on the state the one before left, from
    /// the state after a block or before one of its transactions.
    pub(in crate::rpc) fn trace_call_many_geth(
        &self,
        bundles: Vec<Bundle>,
        context: StateContext,
        options: GethDebugTracingCallOptions,
    ) -> Result<Vec<Vec<GethTrace>>, RpcError> {
        let GethDebugTracingCallOptions {
            tracing_options, state_overrides, block_overrides, ..
        } = options;
        if bundles.iter().map(|bundle| bundle.transactions.len()).sum::<usize>() > CALLS_MAX {
            return Err(RpcError::invalid_params(format!("too many calls, limit {CALLS_MAX}")));
        }
        let block = self.traced_block(context.block_number.unwrap_or_default())?;
        let unwatched = Bounded::new(NoOpInspector, self.deadline(), u64::MAX);
        let mut db = match context.transaction_index {
            None | Some(TransactionIndex::All) => {
                let state = self.chain.state(block.number());
                Db::new(state.map_err(|error| RpcError::internal(&error))?)
            }
            Some(TransactionIndex::Index(index)) => {
                if index >= block.transactions().len() {
                    return Err(RpcError::invalid_params("transactionIndex is not in the block"));
                }
                let mut replay = self.replay(Arc::clone(&block), unwatched)?;
                replay.skip_to(index)?;
                replay.evm.into_db()
            }
        };
        let mut state_overrides = state_overrides;
        let deadline = self.deadline();
        let mut steps_left = RECORDED_STEPS_MAX;
        let mut traces = Vec::with_capacity(bundles.len());
        for bundle in bundles {
            let overrides = bundle.block_override.or_else(|| block_overrides.clone());
            let mut simulation =
                self.simulation_on(block.header(), db, state_overrides.take(), overrides)?;
            let env = simulation.evm.block_env().clone();
            let mut results = Vec::with_capacity(bundle.transactions.len());
            for call in bundle.transactions {
                let gas = call.gas.unwrap_or(simulation.terms.gas_max);
                let tx = simulation.transaction(call, gas)?;
                let mut inspector = self.geth_inspector(tracing_options.clone())?;
                inspector.bound(deadline, steps_left);
                let config = simulation.config.clone();
                let call_env = simulation.evm.block_env().clone();
                let state = simulation.evm.db_mut().clone();
                let mut evm = ChainEvm::new(self.chain.spec(), config, call_env, state, inspector);
                let outcome = evm.transact(tx.clone()).map_err(execution::execution_error)?;
                let call_env = evm.block_env().clone();
                let (state, inspector, _) = evm.components_mut();
                inspector.check()?;
                if tracing_options.tracer.is_none() {
                    steps_left = inspector.steps_left();
                }
                let result = inspector.inner.get_result(None, &tx, &call_env, &outcome, state);
                results.push(result.map_err(tracer_error)?);
                simulation.evm.db_mut().commit(outcome.state);
                // A call without a price has switched the base fee off for itself alone.
                *simulation.evm.block_env_mut() = env.clone();
            }
            traces.push(results);
            db = simulation.evm.into_db();
        }
        Ok(traces)
    }

    /// Bounded by time, and by steps where the tracer keeps each.
    fn geth_inspector(
        &self,
        options: GethDebugTracingOptions,
    ) -> Result<Bounded<DebugInspector>, RpcError> {
        if let Some(GethDebugTracerType::JsTracer(_)) = &options.tracer {
            return Err(RpcError::server(
                "tracer not found: only the native tracers are available, no JavaScript",
            ));
        }
        let steps_max = if options.tracer.is_none() { RECORDED_STEPS_MAX } else { u64::MAX };
        let inspector = DebugInspector::new(options).map_err(tracer_error)?;
        Ok(Bounded::new(inspector, self.deadline(), steps_max))
    }
}

impl Replay<DebugInspector> {
    /// Runs the next transaction and says what happened in it.
    fn next_trace(&mut self) -> Result<TracedTransaction, RpcError> {
        let info = self.info();
        let (tx, outcome) = self.watch()?;
        let context = TransactionContext {
            block_hash: info.block_hash,
            tx_index: Some(self.next),
            tx_hash: info.hash,
        };
        let env = self.evm.block_env().clone();
        let (db, inspector, _): (&mut Db, _, _) = self.evm.components_mut();
        let result = inspector
            .inner
            .get_result(Some(context), &tx, &env, &outcome, db)
            .map_err(tracer_error)?;
        self.keep(outcome);
        Ok(TracedTransaction { tx_hash: info.hash, result })
    }
}

fn tracer_error<E: std::error::Error + 'static>(error: DebugInspectorError<E>) -> RpcError {
    match error {
        DebugInspectorError::Database(error) => RpcError::internal(&error),
        error => RpcError::invalid_params(error.to_string()),
    }
}
