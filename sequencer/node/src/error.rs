//! Errors of this crate. A user's bad transaction is a [`PoolError`]; what ends a node is a
//! [`NodeError`].

use std::net::SocketAddr;

use alloy_eips::BlockNumHash;
use alloy_primitives::{Address, B256, U256};

/// A configuration no node can run with.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error(transparent)]
    Rollup(#[from] primitives::ConfigError),
    #[error("{0} must be at least 1")]
    Zero(&'static str),
    #[error("sender_slots_max ({max}) is below sender_slots_guaranteed ({guaranteed})")]
    SenderSlots { guaranteed: usize, max: usize },
    #[error("call_gas_max ({0}) is below the 21000 gas of a transfer")]
    CallGas(u64),
    #[error("fill_budget_permille must be between 1 and 1000, got {0}")]
    FillBudget(u32),
}

/// Why a transaction was not taken. The texts are geth's: viem, ethers and web3.py match on them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PoolError {
    #[error("already known")]
    AlreadyKnown,
    #[error("typed transaction too short")]
    TooShort,
    #[error("rlp: {0}")]
    Decode(alloy_rlp::Error),
    #[error("transaction type not supported")]
    TypeNotSupported,
    #[error("oversized data: transaction size {size}, limit {limit}")]
    Oversized { size: usize, limit: usize },
    #[error("max initcode size exceeded: code size {size}, limit {limit}")]
    InitCodeTooLarge { size: usize, limit: usize },
    #[error("exceeds block gas limit")]
    GasLimit,
    #[error("max priority fee per gas higher than max fee per gas")]
    TipAboveFeeCap,
    #[error("invalid sender")]
    InvalidSender,
    #[error("invalid sender: invalid chain id for signer: have {have} want {want}")]
    ChainId { have: u64, want: u64 },
    #[error("only replay-protected (EIP-155) transactions allowed over RPC")]
    NotReplayProtected,
    #[error("intrinsic gas too low: gas {gas}, minimum needed {needed}")]
    IntrinsicGas { gas: u64, needed: u64 },
    #[error("insufficient gas for floor data gas cost: gas {gas}, minimum needed {needed}")]
    FloorDataGas { gas: u64, needed: u64 },
    #[error("transaction underpriced: gas tip cap {tip}, minimum needed {needed}")]
    TipTooLow { tip: u128, needed: u128 },
    #[error("transaction underpriced")]
    Underpriced,
    #[error("replacement transaction underpriced")]
    ReplacementUnderpriced,
    #[error("nonce too low: next nonce {next}, tx nonce {nonce}")]
    NonceTooLow { next: u64, nonce: u64 },
    #[error("nonce has max value")]
    NonceMax,
    #[error(
        "insufficient funds for gas * price + value: balance {balance}, tx cost {cost}, overshot {}",
        cost.saturating_sub(*balance)
    )]
    InsufficientFunds { balance: U256, cost: U256 },
    #[error("sender not an eoa: address {0}")]
    SenderNotEoa(Address),
    #[error("set code tx must have at least one authorization tuple")]
    EmptyAuthorizationList,
    #[error("gapped-nonce tx from delegated accounts")]
    DelegatedGap,
    #[error("in-flight transaction limit reached for delegated accounts")]
    DelegatedInFlight,
    #[error("account limit exceeded: {0} transactions of this sender are in the pool")]
    SenderSlots(usize),
    #[error("tx fee ({fee} wei) exceeds the configured cap ({cap} wei)")]
    FeeCap { fee: U256, cap: u128 },
    #[error("state is unavailable: {0}")]
    State(String),
}

impl PoolError {
    /// A short, stable word for metrics.
    pub const fn label(&self) -> &'static str {
        match self {
            Self::AlreadyKnown => "already_known",
            Self::TooShort | Self::Decode(_) => "malformed",
            Self::TypeNotSupported => "type",
            Self::Oversized { .. } | Self::InitCodeTooLarge { .. } => "oversized",
            Self::GasLimit => "gas_limit",
            Self::TipAboveFeeCap | Self::TipTooLow { .. } | Self::Underpriced => "underpriced",
            Self::InvalidSender | Self::SenderNotEoa(_) => "sender",
            Self::ChainId { .. } | Self::NotReplayProtected => "chain_id",
            Self::IntrinsicGas { .. } | Self::FloorDataGas { .. } => "intrinsic_gas",
            Self::ReplacementUnderpriced => "replacement",
            Self::NonceTooLow { .. } | Self::NonceMax => "nonce",
            Self::InsufficientFunds { .. } | Self::FeeCap { .. } => "funds",
            Self::EmptyAuthorizationList | Self::DelegatedGap | Self::DelegatedInFlight => {
                "delegation"
            }
            Self::SenderSlots(_) => "sender_slots",
            Self::State(_) => "state",
        }
    }
}
