//! One type per identifier, so that a Datanet's number cannot be passed as a contribution's. The
//! registries count from 1 in `uint256`; 64 bits are enough for a counter, and a larger number on
//! chain is refused when it is read.

use alloy_primitives::U256;
use serde::{Deserialize, Serialize};

use crate::error::{Result, ScoresError};

/// Where a document's place in its batch begins in its id.
const DOCUMENT_BITS: u32 = 40;
const CONTRIBUTION_MASK: u64 = (1 << DOCUMENT_BITS) - 1;
/// Documents of one batch that can be told apart.
pub const DOCUMENTS_MAX: u32 = (1 << (64 - DOCUMENT_BITS)) - 1;

macro_rules! identifier {
    ($(#[$docs:meta])* $name:ident) => {
        $(#[$docs])*
        #[derive(
            Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl $name {
            /// As the contracts see it.
            pub fn to_u256(self) -> U256 {
                U256::from(self.0)
            }
        }

        impl TryFrom<U256> for $name {
            type Error = ScoresError;

            fn try_from(value: U256) -> Result<Self> {
                u64::try_from(value)
                    .map(Self)
                    .map_err(|_| ScoresError::IdentifierTooLarge { kind: stringify!($name), value })
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

identifier! {
    /// A contribution's number in `DatanetRegistry`.
    ContributionId
}
impl ContributionId {
    /// The id of the document at `index` of this contribution, a batch: `contribution + (index + 1) · 2^40`. A contribution
    /// that is one document has its own id as a document, too.
    pub fn document(self, index: u32) -> Result<Self> {
        if self.0 >> DOCUMENT_BITS != 0 || index >= DOCUMENTS_MAX {
            return Err(ScoresError::Overflow { what: "documents of a batch" });
        }
        Ok(Self(self.0 | (u64::from(index.saturating_add(1)) << DOCUMENT_BITS)))
    }

    /// Position among documents in the order of their commitments, with a batch's in the order of their places: what
    /// `Batches.orderOf` makes of an id.
    pub const fn order(self) -> (u64, u64) {
        (self.0 & CONTRIBUTION_MASK, self.0 >> DOCUMENT_BITS)
    }

    /// The contribution that a document is of, and its place in it if that is a batch.
    pub fn parts(self) -> (Self, Option<u32>) {
        let place = u32::try_from(self.0 >> DOCUMENT_BITS).unwrap_or(u32::MAX);
        (Self(self.0 & CONTRIBUTION_MASK), place.checked_sub(1))
    }
}

identifier! {
    /// A Datanet's number in `DatanetRegistry`.
    DatanetId
}
identifier! {
    /// A model's number in `ModelRegistry`.
    ModelId
}
identifier! {
    /// Position of a contribution's commitment in the registry-wide order; lower is earlier.
    Sequence
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_of_a_batch_names_its_batch_and_its_place() {
        let batch = ContributionId(7);
        assert_eq!(batch.parts(), (batch, None));
        let first = batch.document(0).unwrap();
        assert_eq!(first.0, (1 << 40) + 7);
        for index in [0, 1, DOCUMENTS_MAX - 1] {
            assert_eq!(batch.document(index).unwrap().parts(), (batch, Some(index)));
        }
        // A batch's documents come in their order, and before what is committed after the batch.
        let ids = [batch, first, batch.document(1).unwrap(), ContributionId(8)];
        assert!(ids.is_sorted_by_key(|id| id.order()) && ids[2] > ids[3]);
        assert!(batch.document(DOCUMENTS_MAX).is_err());
        assert!(first.document(0).is_err(), "a document is no batch");
    }
}
