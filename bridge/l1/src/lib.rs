//! Tasks that talk to L1: deployment, the watcher that feeds derivation, and the batcher.

pub mod contracts;
pub mod deploy;
