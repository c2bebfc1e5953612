//! Types that every part of the node agrees on: chain configuration, heads, payload attributes and
//! blocks. No I/O, no clocks. Transaction and receipt types come from `op-alloy-consensus` and are
//! re-exported here so that the workspace names one source. Without std, as whatever re-executes blocks
//! inside a proof needs it.

#![cfg_attr(not(test), no_std)]

extern crate alloc;

mod block;
mod config;
mod heads;
mod rpc;
mod transaction;
mod witness;

pub use alloy_consensus::{Header, Sealable, Sealed, transaction::Recovered};
pub use alloy_eips::BlockNumHash;
pub use op_alloy_consensus::TxDeposit;

pub use block::{Block, BlockBody, PayloadAttributes, transactions_root};
pub use config::{
    AccountAllocation, ConfigError, GenesisL2, L1_CHAIN_ID_DEV, L2_CHAIN_ID_DEV, RollupConfig,
    RollupGenesis, SystemConfig,
};
pub use heads::{Heads, L1BlockRef, L2BlockRef};
pub use rpc::RpcPayloadAttributes;
pub use transaction::{ReceiptEnvelope, TxEnvelope, TxType, TypedTransaction};
pub use witness::{
    WITNESS_BYTES_MAX, WITNESS_CODE_BYTES_MAX, WITNESS_CODES_MAX, WITNESS_HEADERS_MAX,
    WITNESS_NODE_BYTES_MAX, WITNESS_NODE_BYTES_MIN, WITNESS_VERSION, Witness, WitnessDecodeError,
};

/// The L2 block's fee recipient: the `SequencerFeeVault` predeploy (OP Stack predeploy list).
pub const SEQUENCER_FEE_VAULT: alloy_primitives::Address =
    alloy_primitives::address!("4200000000000000000000000000000000000011");
/// Where the base fee of every L2 block is paid; nothing is burned on L2.
pub const BASE_FEE_VAULT: alloy_primitives::Address =
    alloy_primitives::address!("4200000000000000000000000000000000000019");
/// Where the L1 data fee is paid.
pub const L1_FEE_VAULT: alloy_primitives::Address =
    alloy_primitives::address!("420000000000000000000000000000000000001A");
/// Where the operator fee is paid.
pub const OPERATOR_FEE_VAULT: alloy_primitives::Address =
    alloy_primitives::address!("420000000000000000000000000000000000001b");
/// The predeploy that holds the L1 attributes.
pub const L1_BLOCK: alloy_primitives::Address =
    alloy_primitives::address!("4200000000000000000000000000000000000015");
/// The predeploy whose storage root is committed in each header's `withdrawals_root` (Isthmus).
pub const L2_TO_L1_MESSAGE_PASSER: alloy_primitives::Address =
    alloy_primitives::address!("4200000000000000000000000000000000000016");
