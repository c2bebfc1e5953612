//! One type per identifier, so that a Datanet's number cannot be passed as a contribution's. The
//! registries count from 1 in `uint256`; 64 bits are enough for a counter, and a larger number on
//! chain is refused when it is read.

use alloy_primitives::U256;
use serde::{Deserialize, Serialize};

use crate::error::{Result, ScoresError};

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
