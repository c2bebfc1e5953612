//! Importing a chain from a file: blocks in RLP, one after the other, as geth exports them.
//!
//! One thread reads, decodes and, with the others' help, recovers who signed; this one executes each
//! block on the one before and puts it into the store. Blocks the store has already are compared and
//! passed over, so an import can be stopped and done again. When a block is bad, everything before it
//! is on disk.

use std::{
    io::{self, Read},
    sync::{Arc, mpsc},
};

use alloy_eips::BlockNumHash;
use alloy_primitives::Address;
use alloy_rlp::Decodable;
use primitives::{Block, TxEnvelope};
use rayon::prelude::*;
use stf::ChainSpec;
use store::{Appended, Store, StoreError};

use super::ommers;
use crate::{error::ImportError, senders};

/// Bytes of one block; more is taken for garbage. Far above EIP-7934's 8 MiB, for chains without it.
const BLOCK_BYTES_MAX: u64 = 128 << 20;
/// Blocks whose signatures are recovered together.
const BATCH_BLOCKS: usize = 256;
/// Bytes of them.
const BATCH_BYTES: u64 = 8 << 20;
/// Batches that wait for execution.
const BATCHES_WAITING: usize = 2;

/// What an import did so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// Blocks that are new.
    pub blocks: u64,
    /// Their transactions.
    pub transactions: u64,
    pub gas_used: u64,
    /// Blocks that were there already.
    pub known: u64,
    /// The newest block of the chain.
    pub head: BlockNumHash,
}

/// A decoded block with its senders.
struct SignedBlock {
    block: Block,
    senders: Vec<Address>,
}

/// Imports all blocks of `input` into a store with the same genesis. `progress` hears after each few
/// blocks, when they are on disk.
pub fn import<R: Read + Send>(
    store: &Arc<Store>,
    spec: &ChainSpec,
    input: R,
    mut progress: impl FnMut(&Imported),
) -> Result<Imported, ImportError> {
    let (sender, batches) = mpsc::sync_channel(BATCHES_WAITING);
    std::thread::scope(|scope| {
        // Dropped when this ends for whatever reason, so that the reader does not wait for ever.
        let batches = batches;
        let reader = scope.spawn(move || {
            let mut reader = BlockReader { input, offset: 0, previous: None };
            loop {
                let (batch, end) = reader.batch(spec);
                let failed = end.is_some();
                // What came before an error is worth keeping.
                if !batch.is_empty() && sender.send(Ok(batch)).is_err() {
                    return;
                }
                if let Some(Err(error)) = end {
                    // The other side is gone only if it failed itself.
                    let _ = sender.send(Err(error));
                }
                if failed {
                    return;
                }
            }
        });
        let mut importer = Importer::new(store, spec)?;
        for batch in &batches {
            importer.execute(batch?)?;
            progress(&importer.done);
        }
        reader.join().map_err(|_| ImportError::ReaderPanicked)?;
        Ok(importer.done)
    })
}

/// Puts blocks into the store.
struct Importer<'a> {
    store: &'a Arc<Store>,
    spec: &'a ChainSpec,
    done: Imported,
}

impl<'a> Importer<'a> {
    fn new(store: &'a Arc<Store>, spec: &'a ChainSpec) -> Result<Self, ImportError> {
        let failed = |source| ImportError::Store { number: 0, source };
        let head = store.heads().map_err(failed)?.unsafe_head;
        Ok(Self { store, spec, done: Imported { head, ..Default::default() } })
    }

    /// Executes blocks; those before a bad one are on disk when this returns.
    fn execute(&mut self, batch: Vec<SignedBlock>) -> Result<(), ImportError> {
        let mut last = None;
        let mut result = Ok(());
        for SignedBlock { block, senders } in batch {
            let number = block.header.number;
            match self.append(block, &senders) {
                Ok(appended) => last = appended.or(last),
                Err(error) => {
                    result = Err(error);
                    break;
                }
            }
            debug_assert!(self.done.head.number >= number, "a block was left out");
        }
        if let Some(appended) = last {
            let number = self.done.head.number;
            self.store.sync(&appended).map_err(|source| ImportError::Store { number, source })?;
        }
        result
    }

    /// `None` if the chain has the block.
    fn append(
        &mut self,
        block: Block,
        senders: &[Address],
    ) -> Result<Option<Appended>, ImportError> {
        let number = block.header.number;
        let failed = |source| ImportError::Store { number, source };
        let head = self.done.head;
        if number <= head.number {
            let stored = self.store.block_hash(number).map_err(failed)?.unwrap_or_default();
            if stored != block.hash {
                return Err(ImportError::OtherBlock { number, stored, found: block.hash });
            }
            self.done.known += 1;
            return Ok(None);
        }
        if number != head.number.saturating_add(1) {
            return Err(ImportError::Gap {
                expected: head.number.saturating_add(1),
                found: number,
            });
        }
        let parent = self.store.header(head.number).map_err(failed)?;
        let parent = parent.ok_or_else(|| failed(StoreError::MissingBlock(head.number)))?;
        if let Some(bad) = ommers::check(self.store, &block).map_err(failed)? {
            return Err(ImportError::Ommer { number, index: bad.index, reason: bad.reason });
        }
        let executed = stf::execute_ethereum_block(
            self.spec,
            &parent,
            &block,
            Some(senders),
            self.store.latest_state().map_err(failed)?,
            &self.store.head_roots().map_err(failed)?,
        )
        .map_err(|source| ImportError::Block { number, source })?;
        self.done.head = block.id();
        self.done.blocks += 1;
        self.done.transactions += executed.receipts.len() as u64;
        self.done.gas_used += block.header.gas_used;
        self.store.append(executed).map(Some).map_err(failed)
    }
}

/// Takes blocks off a stream of bytes.
struct BlockReader<R> {
    input: R,
    /// Where the next block begins.
    offset: u64,
    /// Number of the block before.
    previous: Option<u64>,
}

impl<R: Read> BlockReader<R> {
    /// Blocks with their senders; then the end of the input, or what is wrong with it, if it came.
    fn batch(&mut self, spec: &ChainSpec) -> (Vec<SignedBlock>, Option<Result<(), ImportError>>) {
        let mut blocks = Vec::new();
        let first = self.offset;
        let mut end = None;
        while blocks.len() < BATCH_BLOCKS && self.offset - first < BATCH_BYTES {
            match self.next() {
                Ok(Some(block)) => blocks.push(block),
                Ok(None) => {
                    end = Some(Ok(()));
                    break;
                }
                Err(error) => {
                    end = Some(Err(error));
                    break;
                }
            }
        }
        let recovered: Vec<_> = blocks.into_par_iter().map(|block| recover(spec, block)).collect();
        let mut good = Vec::with_capacity(recovered.len());
        for block in recovered {
            match block {
                Ok(block) => good.push(block),
                Err(error) => return (good, Some(Err(error))),
            }
        }
        (good, end)
    }

    fn next(&mut self) -> Result<Option<Block>, ImportError> {
        let Some(bytes) = self.item()? else { return Ok(None) };
        let (offset, previous) = (self.offset, self.previous);
        let malformed = |error| ImportError::Malformed { offset, previous, error };
        let mut rest = bytes.as_slice();
        let block = alloy_consensus::Block::<TxEnvelope>::decode(&mut rest).map_err(malformed)?;
        if !rest.is_empty() {
            return Err(malformed(alloy_rlp::Error::UnexpectedLength));
        }
        self.offset += bytes.len() as u64;
        self.previous = Some(block.header.number);
        Ok(Some(Block::from_rlp(block)))
    }

    /// The bytes of the next list; `None` at the end.
    fn item(&mut self) -> Result<Option<Vec<u8>>, ImportError> {
        let (offset, previous) = (self.offset, self.previous);
        let mut bytes = Vec::new();
        self.fill(&mut bytes, 1)?;
        let Some(kind) = bytes.first().copied() else { return Ok(None) };
        // A list of more than 55 bytes names in how many bytes its length follows (yellow paper, B).
        let length = match kind {
            0xc0..=0xf7 => u64::from(kind - 0xc0),
            0xf8..=0xff => {
                let width = u64::from(kind - 0xf7);
                if self.fill(&mut bytes, width)? < width {
                    return Err(ImportError::Truncated { offset, previous });
                }
                let digits = bytes.iter().skip(1);
                digits.fold(0_u64, |sum, digit| sum.wrapping_shl(8) | u64::from(*digit))
            }
            _ => return Err(ImportError::NotABlock { offset, previous }),
        };
        if length > BLOCK_BYTES_MAX {
            let max = BLOCK_BYTES_MAX;
            return Err(ImportError::TooLong { offset, previous, length, max });
        }
        if self.fill(&mut bytes, length)? < length {
            return Err(ImportError::Truncated { offset, previous });
        }
        Ok(Some(bytes))
    }

    /// Reads up to `count` bytes more, and gives how many there were. Room is made only for what
    /// comes.
    fn fill(&mut self, bytes: &mut Vec<u8>, count: u64) -> Result<u64, ImportError> {
        let offset = self.offset;
        let read = io::Read::by_ref(&mut self.input).take(count).read_to_end(bytes);
        read.map(|read| read as u64).map_err(|source| ImportError::Read { offset, source })
    }
}

fn recover(spec: &ChainSpec, block: Block) -> Result<SignedBlock, ImportError> {
    let number = block.header.number;
    let fork = spec.spec_id(number, block.header.timestamp);
    let transactions = &block.body.transactions;
    let found = senders::in_lanes(transactions.iter());
    let senders =
        transactions.iter().zip(found).enumerate().map(|(index, (transaction, found))| {
            let sender = found.or_else(|| stf::signer(transaction, fork));
            sender.ok_or(ImportError::Signature { number, index })
        });
    let senders = senders.collect::<Result<_, _>>()?;
    Ok(SignedBlock { block, senders })
}
