//! Fuzz targets: every decoder that reads bytes from outside, as a function of those bytes that
//! panics when a promise is broken. Two programs run them: the test beside this crate, which
//! mutates the seeds for a bounded time in every test run, and libFuzzer, steered by coverage
//! (`scripts/fuzz`).
//!
//! The promises: no input panics or allocates without bound, and what decodes encodes back to the
//! same bytes, so that no two encodings pass for one object.

mod chain;
mod l1;
mod network;

/// One decoder.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    pub name: &'static str,
    pub run: fn(&[u8]),
    /// Inputs to begin with, most of them valid.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// Every target; `scripts/fuzz` finds them by name.
pub const TARGETS: &[Target] = &[
    Target { name: "transaction", run: chain::transaction, seeds: chain::transactions },
    Target { name: "receipt", run: chain::receipt, seeds: chain::receipts },
    Target { name: "block", run: chain::block, seeds: chain::blocks },
    Target { name: "log_record", run: chain::log_record, seeds: chain::log_records },
    Target { name: "snapshot", run: chain::snapshot, seeds: chain::snapshots },
    Target { name: "witness", run: chain::witness, seeds: chain::witnesses },
    Target { name: "pool", run: network::pool, seeds: chain::transactions },
    Target { name: "json_rpc", run: network::json_rpc, seeds: network::bodies },
    Target { name: "feed", run: network::feed, seeds: network::feed_messages },
    Target { name: "frames", run: l1::frames, seeds: l1::batcher_transactions },
    Target { name: "blob", run: l1::blob, seeds: l1::blobs },
    Target { name: "channel", run: l1::channel, seeds: l1::channels },
    Target { name: "batches", run: l1::batches, seeds: l1::batch_lists },
    Target { name: "span", run: l1::span, seeds: l1::spans },
    Target { name: "inbox", run: l1::inbox, seeds: l1::batcher_transactions },
    Target { name: "deposit_log", run: l1::deposit_log, seeds: l1::deposit_logs },
    Target { name: "l1_attributes", run: l1::l1_attributes, seeds: l1::attributes },
    Target { name: "config_update", run: l1::config_update, seeds: l1::config_updates },
];
