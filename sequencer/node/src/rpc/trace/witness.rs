//! `debug_executionWitness*`: what a stranger needs to execute a block, in reth's shape.

use alloy_eips::BlockId;
use alloy_primitives::Bytes;
use serde::Serialize;
use store::StoreError;

use crate::rpc::{Api, error::RpcError};

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
        let witness = recording.witness;
        Ok(ExecutionWitness {
            state: witness.nodes,
            codes: witness.codes,
            keys: recording.keys,
            headers: witness
                .headers
                .iter()
                .map(|header| alloy_rlp::encode(header).into())
                .collect(),
        })
    }
}
