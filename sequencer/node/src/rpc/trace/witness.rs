//! `debug_executionWitness*` and `debug_executePayload`: what a stranger needs to execute a block, or to see that a
//! payload cannot be executed, in reth's shape.

use alloy_eips::BlockId;
use alloy_primitives::{B256, Bytes};
use primitives::{PayloadAttributes, RpcPayloadAttributes};
use serde::Serialize;
use stf::Recording;
use store::StoreError;

use crate::rpc::{Api, error::RpcError};

/// Times the parent's gas limit that a payload may name. A payload's own limit is not believed further: it bounds the
/// work.
const PAYLOAD_GAS_FACTOR_MAX: u64 = 4;

/// Trie nodes, codes and headers as RLP or as they are; keys as they were before hashing.
#[derive(Serialize)]
pub(in crate::rpc) struct ExecutionWitness {
    state: Vec<Bytes>,
    codes: Vec<Bytes>,
    keys: Vec<Bytes>,
    headers: Vec<Bytes>,
}

impl Api {
    pub(in crate::rpc) fn execution_witness(
        &self,
        id: BlockId,
    ) -> Result<ExecutionWitness, RpcError> {
        let number = self.traced_block(id)?.number();
        if number <= self.chain.genesis_number() {
            return Err(RpcError::server("genesis has no witness: nothing is executed"));
        }
        let recording = self.chain.store().record(self.chain.spec(), number);
        let recording = recording.map_err(|error| match error {
            StoreError::TooFarBack { .. } => RpcError::server(error.to_string()),
            error => RpcError::internal(&error),
        })?;
        Ok(recording.into())
    }

    /// What executing a payload after a block of the chain needs, or finding that it cannot be executed. Nothing
    /// is kept.
    pub(in crate::rpc) fn execute_payload(
        &self,
        parent: B256,
        attributes: RpcPayloadAttributes,
    ) -> Result<ExecutionWitness, RpcError> {
        if self.chain.rollup().is_none() {
            return Err(RpcError::method_not_found("debug_executePayload"));
        }
        if !attributes.withdrawals.is_empty() {
            return Err(RpcError::invalid_params("a rollup's payload has no withdrawals"));
        }
        let header = self.block(parent.into())?;
        let header = header.ok_or_else(|| RpcError::server("parent block not found"))?;
        let gas_max = header.header().gas_limit.saturating_mul(PAYLOAD_GAS_FACTOR_MAX);
        let attributes = PayloadAttributes::from(attributes);
        if attributes.gas_limit > gas_max {
            return Err(RpcError::invalid_params(format!(
                "a gas limit of {}, at most {gas_max} is executed after this parent",
                attributes.gas_limit
            )));
        }
        let recorded = self
            .chain
            .store()
            .tries_at(header.number())
            .and_then(|tries| tries.record_attempt(self.chain.spec(), &attributes));
        match recorded {
            Ok((_, recording)) => Ok(recording.into()),
            // No node's state is at fault: attributes that derivation never makes.
            Err(error @ (StoreError::TooFarBack { .. } | StoreError::Reexecution { .. })) => {
                Err(RpcError::server(error.to_string()))
            }
            Err(error) => Err(RpcError::internal(&error)),
        }
    }
}

impl From<Recording> for ExecutionWitness {
    fn from(Recording { witness, keys }: Recording) -> Self {
        Self {
            state: witness.nodes,
            codes: witness.codes,
            keys,
            headers: witness
                .headers
                .iter()
                .map(|header| alloy_rlp::encode(header).into())
                .collect(),
        }
    }
}
