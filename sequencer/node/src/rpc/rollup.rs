//! `optimism_*`: heads with their L1 origins, and output roots.

use alloy_primitives::B256;
use primitives::{BlockNumHash, L1BlockRef, L2BlockRef};
use serde::Serialize;

use super::{Api, error::RpcError};
use crate::chain::HeadRefs;

/// op-node's field names.
#[derive(Serialize)]
pub(super) struct SyncStatus {
    current_l1: L1BlockRef,
    current_l1_finalized: L1BlockRef,
    head_l1: L1BlockRef,
    safe_l1: L1BlockRef,
    finalized_l1: L1BlockRef,
    unsafe_l2: L2BlockRef,
    safe_l2: L2BlockRef,
    finalized_l2: L2BlockRef,
    pending_safe_l2: L2BlockRef,
    cross_unsafe_l2: L2BlockRef,
    local_safe_l2: L2BlockRef,
}

/// Output root version 0 with what it commits to.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Output {
    version: B256,
    output_root: B256,
    block_ref: L2BlockRef,
    withdrawal_storage_root: B256,
    state_root: B256,
    sync_status: SyncStatus,
}

/// The answer of `optimism_safeHeadAtL1Block`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SafeHeadAtL1 {
    l1_block: BlockNumHash,
    safe_head: BlockNumHash,
}

impl Api {
    /// What was safe when L1 had been read up to this block, and the L1 block that had made it so.
    pub(super) fn safe_head_at_l1_block(&self, number: u64) -> Result<SafeHeadAtL1, RpcError> {
        let heads = self.safe_heads.as_ref();
        let heads = heads.ok_or_else(|| RpcError::server("safe head database not enabled"))?;
        let record = heads.at(number).map_err(|error| RpcError::internal(&error))?;
        let record = record.ok_or_else(|| RpcError::server("safe head not found"))?;
        Ok(SafeHeadAtL1 { l1_block: record.l1, safe_head: record.safe })
    }

    pub(super) fn sync_status(&self) -> Result<SyncStatus, RpcError> {
        let l1 = *self.l1.borrow();
        if self.chain.rollup().is_none() {
            return Err(RpcError::header_not_found());
        }
        let heads = self.chain.head_refs().map_err(|error| RpcError::internal(&error))?;
        let HeadRefs { unsafe_head: unsafe_l2, safe: safe_l2, finalized: finalized_l2 } = heads;
        Ok(SyncStatus {
            current_l1: l1.current,
            current_l1_finalized: l1.finalized,
            head_l1: l1.head,
            safe_l1: l1.finalized,
            finalized_l1: l1.finalized,
            unsafe_l2,
            safe_l2,
            finalized_l2,
            pending_safe_l2: safe_l2,
            cross_unsafe_l2: unsafe_l2,
            local_safe_l2: safe_l2,
        })
    }

    pub(super) fn output_at_block(&self, number: u64) -> Result<Output, RpcError> {
        let block = self.block_at(number)?.ok_or_else(RpcError::header_not_found)?;
        let header = block.header();
        let rollup = self.chain.rollup().ok_or_else(RpcError::header_not_found)?;
        // Of this very block, which may be gone by now.
        let block_ref = derive::l2_block_ref(rollup, block.block())
            .map_err(|error| RpcError::internal(&error))?;
        // Isthmus: the header's withdrawals root is the message passer's storage root.
        let withdrawal_storage_root = header.withdrawals_root.unwrap_or_default();
        Ok(Output {
            version: B256::ZERO,
            output_root: messages::output_root(
                header.state_root,
                withdrawal_storage_root,
                block.hash(),
            ),
            block_ref,
            withdrawal_storage_root,
            state_root: header.state_root,
            sync_status: self.sync_status()?,
        })
    }
}
