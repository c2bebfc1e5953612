//! Blocks in a row: each is executed from its witness and follows the one before.

use alloy_primitives::B256;
use primitives::{Block, Witness};

use super::execute_stateless;
use crate::{BlockError, ChainSpec, ExecutedBlock};

/// Verifies a range of a rollup's blocks, from the one after a trusted block on. A proposer calls it
/// before it proposes, an attestor before it signs, a challenger to know what to dispute.
#[derive(Clone, Debug)]
pub struct RangeVerifier {
    spec: ChainSpec,
    last: B256,
}

/// A block that follows from the one before.
#[derive(Clone, Debug)]
pub struct VerifiedBlock {
    pub executed: ExecutedBlock,
    /// Version 0, of the state after the block: what a proposal on L1 claims.
    pub output_root: B256,
}

impl RangeVerifier {
    /// The range after the block with hash `trusted`.
    pub const fn new(spec: ChainSpec, trusted: B256) -> Self {
        Self { spec, last: trusted }
    }

    /// Hash of the last block that was verified, or of the trusted one.
    pub const fn last(&self) -> B256 {
        self.last
    }

    /// Verifies the next block. After an error the range still ends where it did.
    pub fn verify(
        &mut self,
        block: &Block,
        witness: &Witness,
    ) -> Result<VerifiedBlock, BlockError> {
        if block.header.parent_hash != self.last {
            return Err(BlockError::WrongParent {
                parent: self.last,
                block: block.header.parent_hash,
            });
        }
        let executed = execute_stateless(&self.spec, block, witness)?;
        self.last = executed.block.hash;
        let header = &executed.block.header;
        // Isthmus: the header's withdrawals root is the message passer's storage root.
        let output_root = messages::output_root(
            header.state_root,
            header.withdrawals_root.unwrap_or_default(),
            self.last,
        );
        Ok(VerifiedBlock { executed, output_root })
    }
}
