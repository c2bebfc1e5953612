//! The state transition: from a parent, payload attributes and a state to a block, its receipts and
//! the changes it makes. Pure: no clock, no I/O, no floats, no map order. The sequencer, the
//! verifier and whoever re-executes a range call this one code.
//!
//! * [`BlockBuilder`] executes the attributes' transactions, then whatever the sequencer adds:
//!   `new(spec, parent, attributes, state)`, `execute(transaction)` as often as wished (a rejected
//!   transaction leaves the block as it was), `finish(roots)`.
//! * [`execute_block`] re-executes a finished block and compares every header field.
//! * [`execute_ethereum_block`] and [`EthereumBuilder`] do the same by plain Ethereum's rules of any fork.
//! * [`record_block`] finds out what a block needs of its parent's state, [`execute_stateless`] executes
//!   it from that alone; [`record_attempt`] and [`attempt_stateless`] do so for payloads that may not be executable.
//! * [`StateRootProvider`] computes roots; [`trie`] does it incrementally over any [`trie::NodeReader`],
//!   be it a database or a witness that serves nodes by hash.
//! * [`cfg_env`] and [`block_env`] are the EVM's environment, for calls that are only simulated.
//!
//! State is read through revm's `DatabaseRef`; precompiles go through revm's `Crypto` trait. Rules:
//! OP Stack through Jovian with Prague EVM rules, active from block 0, by `op-revm`.

#![cfg_attr(not(test), no_std)]
#![deny(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::expect_used,
    clippy::float_arithmetic,
    clippy::panic,
    clippy::unwrap_used
)]
#![cfg_attr(
    test,
    allow(
        clippy::arithmetic_side_effects,
        clippy::as_conversions,
        clippy::expect_used,
        clippy::panic,
        clippy::unwrap_used
    )
)]

extern crate alloc;

mod block;
mod call_evm;
mod changes;
mod delta;
mod env;
mod error;
mod ethereum;
mod evm;
mod fees;
mod ordered_root;
mod roots;
mod rules;
mod stateless;
mod system;
pub mod trie;
mod trie_lookup;

pub use block::{BlockBuilder, ExecutedBlock, TxOutcome, execute_block};
pub use call_evm::CallEvm;
pub use changes::{Account, AccountChange, StateChanges};
pub use delta::StateDelta;
pub use env::{block_env, cfg_env};
pub use error::{BlockError, TxRejection, WitnessError};
pub use ethereum::{
    EthereumBuilder, Proposal, execute_ethereum_block, execute_with_requests, signer,
};
pub use evm::{CallTx, ChainEvm, call_tx, recorded_tx};
pub use fees::{Eip1559Parameters, l1_data_fee, next_base_fee};
pub use ordered_root::HashMany;
pub use roots::{
    EmptyState, HashedChange, StateRootOutcome, StateRootProvider, TrieReader, TrieUpdates,
    apply_hashed_changes, compute_hashed_roots, compute_roots, hash_changes,
};
pub use rules::{ChainSpec, EthereumRules, Rules};
pub use stateless::{
    Attempt, RangeVerifier, Recorder, Recording, StateSource, TrieState, VerifiedBlock,
    WitnessState, attempt_stateless, execute_stateless, record_attempt, record_block,
};
pub use system::{begin_block, end_block};
pub use trie_lookup::{leaves, lookup};
