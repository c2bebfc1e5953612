//! What a transaction did inside, as Otterscan lists it.

use alloy_primitives::{B256, Bytes, U256};
use alloy_rpc_types_trace::{
    geth::{
        CallFrame, GethDebugBuiltInTracerType, GethDebugTracerType, GethDebugTracingOptions,
        GethTrace,
    },
    otterscan::{InternalOperation, OperationType, TraceEntry},
};

use crate::rpc::{Api, error::RpcError};

impl Api {
    /// What a failed transaction returned; empty if it did not fail.
    pub(super) fn ots_transaction_error(&self, hash: B256) -> Result<Bytes, RpcError> {
        let frame = self.call_frame(hash)?;
        Ok(if frame.error.is_some() { frame.output.unwrap_or_default() } else { Bytes::new() })
    }

    /// Every call in the order in which they began.
    pub(super) fn ots_trace(&self, hash: B256) -> Result<Vec<TraceEntry>, RpcError> {
        let mut entries = Vec::new();
        walk(&self.call_frame(hash)?, 0, &mut |frame, depth| {
            entries.push(TraceEntry {
                r#type: frame.typ.clone(),
                depth,
                from: frame.from,
                to: frame.to.unwrap_or_default(),
                // Calls that cannot carry value say null, not zero.
                value: frame.value.filter(|_| carries_value(&frame.typ)),
                input: frame.input.clone(),
                output: frame.output.clone().unwrap_or_default(),
            });
            true
        });
        Ok(entries)
    }

    /// Transfers of value, creations and self-destructs below the transaction's own call; what a
    /// failed call did is undone and not told.
    pub(super) fn ots_internal_operations(
        &self,
        hash: B256,
    ) -> Result<Vec<InternalOperation>, RpcError> {
        let mut operations = Vec::new();
        walk(&self.call_frame(hash)?, 0, &mut |frame, depth| {
            if frame.error.is_some() {
                return false;
            }
            let value = frame.value.unwrap_or_default();
            let kind = match frame.typ.as_str() {
                "CREATE" => Some(OperationType::OpCreate),
                "CREATE2" => Some(OperationType::OpCreate2),
                "SELFDESTRUCT" => Some(OperationType::OpSelfDestruct),
                "CALL" if value > U256::ZERO => Some(OperationType::OpTransfer),
                _ => None,
            };
            if let (Some(r#type), true) = (kind, depth > 0) {
                let to = frame.to.unwrap_or_default();
                operations.push(InternalOperation { r#type, from: frame.from, to, value });
            }
            true
        });
        Ok(operations)
    }

    fn call_frame(&self, hash: B256) -> Result<CallFrame, RpcError> {
        let tracer = GethDebugTracerType::BuiltInTracer(GethDebugBuiltInTracerType::CallTracer);
        let options = GethDebugTracingOptions { tracer: Some(tracer), ..Default::default() };
        match self.trace_transaction_geth(hash, options)? {
            GethTrace::CallTracer(frame) => Ok(frame),
            _ => Err(RpcError::server("the call tracer gave another tracer's answer")),
        }
    }
}

fn carries_value(kind: &str) -> bool {
    !matches!(kind, "STATICCALL" | "DELEGATECALL")
}

/// Visits a call and, where `visit` says so, the calls in it. Calls nest at most 1,024 deep.
fn walk(frame: &CallFrame, depth: u32, visit: &mut impl FnMut(&CallFrame, u32) -> bool) {
    if visit(frame, depth) {
        frame.calls.iter().for_each(|call| walk(call, depth + 1, visit));
    }
}
