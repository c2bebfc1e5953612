//! Follows L1 alone: derives payload attributes, executes them, commits the blocks and reports the
//! safe head.

use primitives::BlockNumHash;

/// What derivation has established.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SafeHeadUpdate {
    /// Newest block derived from canonical L1.
    pub safe: BlockNumHash,
    /// Newest block derived from finalized L1.
    pub finalized: BlockNumHash,
}
