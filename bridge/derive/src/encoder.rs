//! L2 blocks to channels and frames: the batcher's pure half. Span batches or single ones, one brotli
//! stream per channel, frames of a bounded size.
//!
//! Brotli's level is a trade of CPU against L1 bytes: four fifths of a compressed transfer are its
//! signature, which no level shortens, so high levels spend most of their time on nothing. In a span
//! signatures stand together, and brotli passes over them quickly.

use std::io::Write;

use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::Bytes;
use primitives::Block;

use crate::{
    ChannelId, EncodeError, FRAME_DATA_MAX, FRAME_OVERHEAD, Frame, RLP_BYTES_PER_CHANNEL_MAX,
    SingleBatch, SpanEncoder, compression::BROTLI, encode_batcher_transaction,
};

/// Bits of brotli's window: 4 MiB.
const WINDOW_BITS: u32 = 22;
const BUFFER: usize = 4 * 1024;
/// Blocks of a channel stay this far below [`RLP_BYTES_PER_CHANNEL_MAX`].
const RLP_MARGIN: usize = 1_000_000;
/// Most that a batch of one block has beside its transactions.
const BLOCK_OVERHEAD: usize = 128;
/// Most that a transaction has in a list or in columns beside its own bytes.
const TRANSACTION_OVERHEAD: usize = 8;
/// A span of so many bytes is closed and the next one begun, so that the compressor has work while a
/// channel fills and its size is known. Larger spans gain nothing measurable.
const SPAN_BYTES: usize = 256 * 1024;

/// How a channel is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Level 0 (fast) to 11 (small).
    Brotli { level: u32 },
}

/// What a channel holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchForm {
    /// A batch for each block.
    Single,
    /// Runs of blocks in columns. They name their time from the chain's beginning: `genesis_time`, seconds
    /// since the Unix epoch.
    Span { genesis_time: u64 },
}

/// Form and sizes of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EncoderConfig {
    pub batches: BatchForm,
    pub compression: Compression,
    /// Bytes of a frame with its overhead.
    pub frame_size_max: usize,
    /// Compressed bytes at which a channel is full. The last block may exceed it.
    pub channel_size_target: usize,
}

impl Default for EncoderConfig {
    /// Calldata: one frame per transaction, below the 128 KiB that L1 nodes accept.
    fn default() -> Self {
        Self {
            batches: BatchForm::Single,
            compression: Compression::Brotli { level: 5 },
            frame_size_max: 119_999,
            channel_size_target: 4 * 119_000,
        }
    }
}

/// What became of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddOutcome {
    /// It is in; there is room for more.
    Added,
    /// It is in; the channel should be closed.
    AddedFull,
    /// It is not in: close the channel and add it to the next.
    Rejected,
}

/// A channel being filled.
pub struct ChannelEncoder {
    id: ChannelId,
    config: EncoderConfig,
    compressor: brotli::CompressorWriter<Vec<u8>>,
    /// Blocks that the compressor was not given yet.
    span: Option<SpanEncoder>,
    /// Numbers of the first and last block.
    blocks: Option<(u64, u64)>,
    transactions: u64,
    raw_bytes: usize,
    /// Raw bytes for which the compressor had given output at the last look, and that output.
    flushed: (usize, usize),
}

/// A finished channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClosedChannel {
    pub id: ChannelId,
    /// Numbers of the first and last L2 block.
    pub first_block: u64,
    pub last_block: u64,
    /// Transactions other than deposits.
    pub transactions: u64,
    pub raw_bytes: usize,
    pub compressed_bytes: usize,
    pub frames: Vec<Frame>,
}

impl ChannelEncoder {
    /// An empty channel. `id` must differ from those of other recent channels.
    pub fn new(id: ChannelId, config: EncoderConfig) -> Result<Self, EncodeError> {
        if config.frame_size_max <= FRAME_OVERHEAD {
            return Err(EncodeError::FrameSize(config.frame_size_max));
        }
        let Compression::Brotli { level } = config.compression;
        let compressor =
            brotli::CompressorWriter::new(vec![BROTLI], BUFFER, level.min(11), WINDOW_BITS);
        Ok(Self {
            id,
            config,
            compressor,
            span: new_span(config.batches),
            blocks: None,
            transactions: 0,
            raw_bytes: 0,
            flushed: (0, 0),
        })
    }

    /// Adds the block after the last one added.
    pub fn add_block(&mut self, block: &Block) -> Result<AddOutcome, EncodeError> {
        let number = block.header.number;
        if let Some((_, last)) = self.blocks
            && last.checked_add(1) != Some(number)
        {
            return Err(EncodeError::NotConsecutive { last, found: number });
        }
        if self.is_full() {
            return Ok(AddOutcome::Rejected);
        }
        let limit = RLP_BYTES_PER_CHANNEL_MAX.saturating_sub(RLP_MARGIN);
        let bytes = bytes_at_most(block);
        if bytes > limit {
            return Err(EncodeError::BlockTooLarge { number, bytes });
        }
        if self.raw_bytes().saturating_add(bytes) > limit {
            return Ok(AddOutcome::Rejected);
        }
        let count = match &mut self.span {
            Some(span) => {
                let count = span.add_block(block)?;
                if span.bytes() >= SPAN_BYTES {
                    self.close_span()?;
                }
                count
            }
            None => {
                let batch = SingleBatch::from_block(block)?;
                let mut raw = Vec::new();
                batch.encode(&mut raw);
                self.compress(&raw)?;
                u64::try_from(batch.transactions.len()).unwrap_or(u64::MAX)
            }
        };
        self.transactions = self.transactions.saturating_add(count);
        self.blocks = Some((self.blocks.map_or(number, |(first, _)| first), number));
        Ok(if self.is_full() { AddOutcome::AddedFull } else { AddOutcome::Added })
    }

    /// Compressed size if closed now. What the compressor still holds back is taken at three
    /// quarters of its size, a little more than signatures leave.
    pub fn size_estimate(&self) -> usize {
        let held = self.raw_bytes().saturating_sub(self.flushed.0);
        self.flushed.1.saturating_add(held.saturating_sub(held / 4))
    }

    /// Whether the target size is reached.
    pub fn is_full(&self) -> bool {
        self.blocks.is_some() && self.size_estimate() >= self.config.channel_size_target
    }

    /// Numbers of the first and last block, if any.
    pub const fn blocks(&self) -> Option<(u64, u64)> {
        self.blocks
    }

    /// Ends the stream and cuts it into frames. `None` if no block was added.
    pub fn close(self) -> Result<Option<ClosedChannel>, EncodeError> {
        let frame_size = self.config.frame_size_max;
        self.close_into(frame_size)
    }

    /// The same with frames of another size, as where the channel is posted decides.
    pub fn close_into(mut self, frame_size: usize) -> Result<Option<ClosedChannel>, EncodeError> {
        if frame_size <= FRAME_OVERHEAD {
            return Err(EncodeError::FrameSize(frame_size));
        }
        let Some((first_block, last_block)) = self.blocks else {
            return Ok(None);
        };
        self.close_span()?;
        let data = Bytes::from(self.compressor.into_inner());
        let frames =
            cut(self.id, &data, frame_size).ok_or(EncodeError::TooManyFrames { frame_size })?;
        Ok(Some(ClosedChannel {
            id: self.id,
            first_block,
            last_block,
            transactions: self.transactions,
            raw_bytes: self.raw_bytes,
            compressed_bytes: data.len(),
            frames,
        }))
    }

    /// With what waits in the span.
    fn raw_bytes(&self) -> usize {
        self.raw_bytes.saturating_add(self.span.as_ref().map_or(0, SpanEncoder::bytes))
    }

    /// Gives the compressor the blocks that wait, and begins another span.
    fn close_span(&mut self) -> Result<(), EncodeError> {
        let Some(span) = self.span.take() else {
            return Ok(());
        };
        self.span = new_span(self.config.batches);
        let mut raw = Vec::new();
        span.finish(&mut raw);
        self.compress(&raw)
    }

    fn compress(&mut self, raw: &[u8]) -> Result<(), EncodeError> {
        self.compressor.write_all(raw).map_err(|error| EncodeError::Compressor(error.kind()))?;
        self.raw_bytes = self.raw_bytes.saturating_add(raw.len());
        let output = self.compressor.get_ref().len();
        if output > self.flushed.1 {
            self.flushed = (self.raw_bytes, output);
        }
        Ok(())
    }
}

fn new_span(batches: BatchForm) -> Option<SpanEncoder> {
    match batches {
        BatchForm::Single => None,
        BatchForm::Span { genesis_time } => Some(SpanEncoder::new(genesis_time)),
    }
}

/// What a block takes in a channel before compression, in either form.
fn bytes_at_most(block: &Block) -> usize {
    let of_users = block.body.transactions.iter().filter(|transaction| !transaction.is_deposit());
    of_users
        .map(|transaction| transaction.encode_2718_len().saturating_add(TRANSACTION_OVERHEAD))
        .fold(BLOCK_OVERHEAD, usize::saturating_add)
}

/// One batcher transaction per frame.
pub fn batcher_transactions(channel: &ClosedChannel) -> Vec<Bytes> {
    channel.frames.iter().map(|frame| encode_batcher_transaction([frame])).collect()
}

fn cut(id: ChannelId, data: &Bytes, frame_size: usize) -> Option<Vec<Frame>> {
    let payload = frame_size.saturating_sub(FRAME_OVERHEAD).clamp(1, FRAME_DATA_MAX);
    let mut frames = Vec::with_capacity(data.len().div_ceil(payload));
    for (index, chunk) in data.chunks(payload).enumerate() {
        let number = u16::try_from(index).ok()?;
        frames.push(Frame { id, number, data: data.slice_ref(chunk), is_last: false });
    }
    frames.last_mut()?.is_last = true;
    Some(frames)
}
