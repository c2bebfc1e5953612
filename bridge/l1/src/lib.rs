//! Tasks that talk to L1: deployment, the watcher that feeds derivation, the batcher that posts L2
//! blocks, and a user's deposits and withdrawals. What the bytes mean is left to `bridge-derive` and `bridge-messages`.

pub mod contracts;
pub mod deploy;

mod availability;
mod backlog;
mod batcher;
mod beacon;
mod block;
mod client;
mod deposit;
mod endpoints;
mod error;
mod inclusion;
mod journal;
mod posting;
mod signer;
mod throttle;
mod watcher;
mod withdrawal;

pub use availability::DataAvailability;
pub use batcher::{Batcher, BatcherConfig, BatcherControl, L2Blocks};
pub use beacon::BeaconClient;
pub use client::{Blobs, L1Addresses, L1Client, L1Head};
pub use deposit::{Deposit, DepositReceipt, deposit};
pub use endpoints::L1Urls;
pub use error::{
    BatcherError, DepositError, L1Error, SignError, SourceError, WatcherError, WithdrawalError,
};
pub use inclusion::InclusionError;
pub use journal::{Journal, JournalEntry};
pub use signer::{RemoteSigner, RemoteTls, RoleSigner};
pub use throttle::{DataLimits, Throttle};
pub use watcher::Watcher;
pub use withdrawal::{
    Initiated, Proposal, Wait, WithdrawalStatus, Withdrawals, initiateWithdrawalCall,
};
