//! Messages between L1 and L2, byte for byte as the OP Stack defines them: deposits, the L1
//! attributes transaction, `SystemConfig` updates, withdrawals and output roots. Pure functions over
//! bytes; where the bytes come from and what is done with them is left to `bridge-derive` and
//! `bridge-l1`. The layouts are written down in `docs/formats/rollup.md`.
#![cfg_attr(not(test), no_std)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::as_conversions
    )
)]

extern crate alloc;

mod attributes;
mod config_update;
mod deposit;
mod error;
mod reader;
mod withdrawal;

pub use attributes::{
    DA_FOOTPRINT_GAS_SCALAR_DEFAULT, L1_ATTRIBUTES_DEPOSITOR, L1_ATTRIBUTES_GAS,
    L1_ATTRIBUTES_LENGTH, L1_ATTRIBUTES_SELECTOR, L1Attributes, l1_attributes_source_hash,
};
pub use config_update::{CONFIG_UPDATE_TOPIC, ConfigUpdate, decode_config_update};
pub use deposit::{
    DepositLog, TRANSACTION_DEPOSITED_TOPIC, apply_alias, decode_deposit, undo_alias,
    user_deposit_source_hash,
};
pub use error::MessageError;
pub use withdrawal::{
    MESSAGE_PASSED_TOPIC, Withdrawal, decode_withdrawal, output_root, withdrawal_nonce,
    withdrawal_storage_key,
};
