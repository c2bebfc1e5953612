//! Derivation: L1 data in, L2 payload attributes out, and the inverse, L2 blocks in, L1 data out.
//! Everything here is pure: no clock, no I/O, no async. Reading L1 and posting to it is left to
//! `bridge-l1`, execution to `sequencer-stf`.
//!
//! The rules are the OP Stack's with all forks through Jovian active from genesis, so Holocene's
//! strict ordering is the only one: frames count in order only, there is one channel at a time, and an
//! invalid batch discards the rest of its channel. The bytes are written down in
//! `docs/formats/batches.md`.
//!
//! ```text
//! L1 block -> inbox transactions -> frames -> channel -> batches -> validity -> attributes
//! ```
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

mod attributes;
mod batch;
mod blob;
mod channel;
mod columns;
mod compression;
mod consolidation;
mod encoder;
mod error;
mod frame;
mod inputs;
mod l1_data;
mod pipeline;
mod span;
mod span_encoder;
mod system_config;
mod validity;

pub use attributes::{attributes, l2_block_ref, system_config_of};
pub use batch::{Batch, BatchReader, SingleBatch};
pub use blob::{BLOB_DATA_MAX, BLOB_SIZE, decode_blob, encode_blob};
pub use channel::ChannelAssembler;
pub use compression::{CompressionError, Decompressed, decompress};
pub use consolidation::{Difference, attributes_of, check_block};
pub use encoder::{
    AddOutcome, BatchForm, ChannelEncoder, ClosedChannel, Compression, EncoderConfig,
    batcher_transactions,
};
pub use error::{
    AttributesError, BatchError, BlobError, EncodeError, FrameError, InputsError, PipelineError,
    Severity,
};
pub use frame::{
    ChannelId, FRAME_OVERHEAD, Frame, decode_batcher_transaction, encode_batcher_transaction,
};
pub use inputs::check_l1_inputs;
pub use l1_data::{InboxTransaction, L1Block, L1Event};
pub use pipeline::{Pipeline, SafeBlocks, Step};
pub use span::{SPAN_ELEMENTS_MAX, SpanBatch, SpanBlock};
pub use span_encoder::SpanEncoder;
pub use system_config::apply_config_updates;
pub use validity::{BatchContext, BatchValidity, DropReason, SpanContext, check_batch, check_span};

/// Decompressed bytes of a channel that count; the rest is as if it were not there.
pub const RLP_BYTES_PER_CHANNEL_MAX: usize = 100_000_000;
/// Payload bytes of a frame.
pub const FRAME_DATA_MAX: usize = 1_000_000;
