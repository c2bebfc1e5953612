//! `debug_trace*`: geth's tracers.

use std::sync::Arc;

use alloy_eips::BlockId;
use alloy_primitives::{B256, Bytes};
use alloy_rlp::Decodable;
use alloy_rpc_types_eth::TransactionRequest;
use alloy_rpc_types_trace::geth::{
    GethDebugTracerType, GethDebugTracingCallOptions, GethDebugTracingOptions, GethTrace,
};
use primitives::Header;
use revm::inspector::NoOpInspector;
use revm_inspectors::tracing::{DebugInspector, DebugInspectorError, TransactionContext};
use serde::Serialize;
use stf::ChainEvm;

use super::{Bounded, Db, RECORDED_STEPS_MAX, Replay};
use crate::{
    chain::SealedBlock,
    rpc::{Api, error::RpcError, execution},
};

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
        let gas = call.gas.unwrap_or(simulation.gas_max);
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
