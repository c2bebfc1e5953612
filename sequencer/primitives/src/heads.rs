//! References to L1 and L2 blocks and the three heads of the chain.

use alloy_eips::BlockNumHash;
use alloy_primitives::B256;
use serde::{Deserialize, Serialize};

/// An L1 block as derivation refers to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct L1BlockRef {
    pub hash: B256,
    pub number: u64,
    pub parent_hash: B256,
    /// Seconds since the Unix epoch.
    pub timestamp: u64,
}

/// An L2 block with the L1 block it was derived from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct L2BlockRef {
    pub hash: B256,
    pub number: u64,
    pub parent_hash: B256,
    /// Seconds since the Unix epoch.
    pub timestamp: u64,
    #[serde(rename = "l1origin")]
    pub l1_origin: BlockNumHash,
    /// Distance to the first block of this epoch.
    pub sequence_number: u64,
}

impl L2BlockRef {
    /// Number and hash together.
    pub const fn id(&self) -> BlockNumHash {
        BlockNumHash { number: self.number, hash: self.hash }
    }
}

/// `unsafe` (tag `latest`): built or received. `safe`: derived from canonical L1. `finalized`:
/// derived from finalized L1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heads {
    pub unsafe_head: BlockNumHash,
    pub safe: BlockNumHash,
    pub finalized: BlockNumHash,
}
