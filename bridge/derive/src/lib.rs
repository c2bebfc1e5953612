//! Derivation: L1 data in, L2 payload attributes out. A pure state machine: no clock, no I/O, no
//! async.

mod l1_data;

pub use l1_data::{InboxTransaction, L1Block, L1Event};
