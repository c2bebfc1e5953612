//! JSON forms of the signed structs: identifiers as numbers, wei as decimal strings, hashes and
//! addresses as hex.

#![allow(non_snake_case)]

use alloy_primitives::{Address, B256, U256};
use serde::{Deserialize, Serialize};

/// Declares a struct with the fields of `super::$name` and the conversions both ways.
macro_rules! mirror {
    ($name:ident { $($(#[$attribute:meta])* $field:ident: $type:ty),* $(,)? }) => {
        #[derive(Serialize, Deserialize)]
        pub(crate) struct $name {
            $($(#[$attribute])* $field: $type,)*
        }

        impl From<super::$name> for $name {
            fn from(value: super::$name) -> Self {
                Self { $($field: value.$field),* }
            }
        }

        impl From<$name> for super::$name {
            fn from(value: $name) -> Self {
                Self { $($field: value.$field),* }
            }
        }
    };
}

mirror!(Voucher {
    customer: Address,
    gateway: Address,
    nonce: u64,
    #[serde(with = "crate::claims::wei")]
    cumulative: u128,
});

mirror!(InferenceReceipt {
    number: u64,
    modelId: U256,
    customer: Address,
    gateway: Address,
    requestHash: B256,
    responseHash: B256,
    tokensIn: u32,
    tokensOut: u32,
    #[serde(with = "crate::claims::wei")]
    fee: u128,
    timestamp: u64,
    engineSpecHash: B256,
    adapterSetHash: B256,
    retrievalRoot: B256,
});

mirror!(ModelTotal {
    modelId: U256,
    #[serde(with = "crate::claims::wei")]
    fees: u128,
    #[serde(with = "crate::claims::wei")]
    attributed: u128,
});

mirror!(PoolTotal {
    datanetId: U256,
    #[serde(with = "crate::claims::wei")]
    amount: u128,
});

mirror!(EpochPost {
    epochId: u64,
    gateway: Address,
    engineSpecHash: B256,
    receiptsRoot: B256,
    firstReceipt: u64,
    receiptCount: u32,
    claimsRoot: B256,
    #[serde(with = "crate::claims::wei")]
    claimsTotal: u128,
    models: Vec<super::ModelTotal>,
    pools: Vec<super::PoolTotal>,
});
