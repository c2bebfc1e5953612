//! What a consensus client reads: bodies of blocks it gave, and blobs that wait in the pool.

use std::sync::Arc;

use alloy_eips::{
    eip4844::{BlobAndProofV1, BlobAndProofV2},
    eip7594::CELLS_PER_EXT_BLOB,
};
use alloy_primitives::{B256, map::B256Map};
use alloy_rpc_types_engine::ExecutionPayloadBodyV1;

use super::{Engine, EngineError};
use crate::{chain::SealedBlock, pool::PoolTransaction};

impl Engine {
    /// Bodies of the chain's blocks with these hashes; `None` for one that is not there.
    pub(crate) fn bodies_by_hash(
        &self,
        hashes: &[B256],
    ) -> Result<Vec<Option<ExecutionPayloadBodyV1>>, EngineError> {
        let body = |hash: &B256| {
            let Some(number) = self.chain.number_of(hash)? else { return Ok(None) };
            let block = self.chain.block(number)?.filter(|block| block.hash() == *hash);
            Ok(block.map(|block| body(&block)))
        };
        hashes.iter().map(body).collect()
    }

    /// Bodies of the chain's blocks from a number on, as far as there are some.
    pub(crate) fn bodies_by_range(
        &self,
        first: u64,
        count: u64,
    ) -> Result<Vec<Option<ExecutionPayloadBodyV1>>, EngineError> {
        let head = self.chain.heads().unsafe_head.number;
        let end = first.saturating_add(count).min(head.saturating_add(1));
        (first..end).map(|number| Ok(self.chain.block(number)?.map(|block| body(&block)))).collect()
    }

    /// Blobs in the pool with the proof of each whole one; `None` for one that is not there so.
    pub(crate) fn blobs_v1(&self, hashes: &[B256]) -> Vec<Option<BlobAndProofV1>> {
        let holders = self.holders(hashes);
        let found = hashes.iter().map(|hash| {
            let sidecar = holders.get(hash)?.sidecar()?.as_eip4844()?;
            let index = sidecar.versioned_hashes().position(|known| known == *hash)?;
            let (blob, proof) = (sidecar.blobs.get(index)?, sidecar.proofs.get(index)?);
            Some(BlobAndProofV1 { blob: Box::new(*blob), proof: *proof })
        });
        found.collect()
    }

    /// Blobs in the pool with the proofs of their cells; nothing unless all are there so (EIP-7594).
    pub(crate) fn blobs_v2(&self, hashes: &[B256]) -> Option<Vec<BlobAndProofV2>> {
        let holders = self.holders(hashes);
        let found = hashes.iter().map(|hash| {
            let sidecar = holders.get(hash)?.sidecar()?.as_eip7594()?;
            let index = sidecar.versioned_hash_index(hash)?;
            let blob = Box::new(*sidecar.blobs.get(index)?);
            let proofs = sidecar.cell_proofs.chunks(CELLS_PER_EXT_BLOB).nth(index)?.to_vec();
            Some(BlobAndProofV2 { blob, proofs })
        });
        found.collect()
    }

    /// The pool's transactions that hold these blobs.
    fn holders(&self, hashes: &[B256]) -> B256Map<Arc<PoolTransaction>> {
        let mut holders = B256Map::default();
        for transaction in self.pool.by_arrival() {
            let Some(sidecar) = transaction.sidecar() else { continue };
            for hash in sidecar.versioned_hashes().filter(|hash| hashes.contains(hash)) {
                holders.insert(hash, Arc::clone(&transaction));
            }
        }
        holders
    }
}

fn body(block: &SealedBlock) -> ExecutionPayloadBodyV1 {
    let body = &block.block().body;
    ExecutionPayloadBodyV1::new(body.withdrawals.clone(), &body.transactions)
}
