//! Where logs are, by emitting address and by topic, so that a query reads only receipts that may
//! match.
//!
//! A B-tree keyed by address or topic would be written at random places, some for each log. Here
//! each block appends one small sorted *segment*; whenever the blocks of an aligned run are complete
//! their segments are merged into one, as a log-structured tree does. A query looks into each
//! segment of its range, and a chain of any length has few of them. Hashes of values are kept
//! instead of values: whoever asks looks at the logs themselves before it answers.

mod read;
mod segment;

#[cfg(test)]
mod tests;

use libmdbx::{RW, TransactionKind};
use primitives::ReceiptEnvelope;

use crate::{
    StoreError,
    db::Txn,
    tables::{Table, block_key},
};
pub use read::{BlockLogs, FoundReceipt, LogQuery};
use segment::Segment;

/// Lengths of aligned runs of blocks whose segments are merged when they are complete.
const RUNS: [u64; 5] = [32_768, 4_096, 512, 64, 8];
const _: () = assert!(RUNS[0] <= segment::SPAN_MAX);
/// Entries beyond which segments are not merged further: what bounds the time of a commit.
const ENTRIES_MAX: usize = if cfg!(test) { 200 } else { 1 << 18 };

/// Adds the logs of the next block.
pub(crate) fn write(
    txn: &Txn<'_, RW>,
    number: u64,
    receipts: &[ReceiptEnvelope],
) -> Result<(), StoreError> {
    if let Some(segment) = segment::of_block(number, receipts)? {
        txn.put(&block_key(Table::LogIndex, number), &segment)?;
    }
    let next = number.saturating_add(1);
    match RUNS.iter().find(|run| next.is_multiple_of(**run)) {
        Some(run) => merge(txn, next - run),
        None => Ok(()),
    }
}

/// Merges neighbours among the segments from block `from` on, as far as their size allows.
fn merge(txn: &Txn<'_, RW>, from: u64) -> Result<(), StoreError> {
    let mut groups: Vec<(Vec<u64>, Vec<u8>)> = Vec::new();
    {
        let stored =
            txn.values_from(&block_key(Table::LogIndex, from), &[Table::LogIndex as u8])?;
        let segments =
            stored.iter().map(|(key, value)| decode(key, value)).collect::<Result<Vec<_>, _>>()?;
        let mut rest = segments.as_slice();
        while let Some(first) = rest.first() {
            let mut entries = first.len();
            let more = rest.iter().skip(1).take_while(|segment| {
                entries = entries.saturating_add(segment.len());
                entries <= ENTRIES_MAX
            });
            let (group, after) = rest.split_at(1 + more.count());
            rest = after;
            if group.len() > 1 {
                let blocks = group.iter().map(|segment| segment.first_block).collect();
                groups.push((blocks, segment::merge(group)));
            }
        }
    }
    for (blocks, merged) in groups {
        for block in blocks.iter().skip(1) {
            txn.delete(&block_key(Table::LogIndex, *block))?;
        }
        if let Some(first) = blocks.first() {
            txn.put(&block_key(Table::LogIndex, *first), &merged)?;
        }
    }
    Ok(())
}

/// Forgets the logs of every block above `number`.
pub(crate) fn unwind(txn: &Txn<'_, RW>, number: u64) -> Result<(), StoreError> {
    let mut changes: Vec<(Vec<u8>, Option<Vec<u8>>)> = Vec::new();
    let from = block_key(Table::LogIndex, number.saturating_add(1));
    txn.scan_from_before(&from, &[Table::LogIndex as u8], |key, value| {
        let segment = decode(key, value)?;
        if segment.last_block > number {
            changes.push((key.to_vec(), segment.up_to(number)));
        }
        Ok(true)
    })?;
    for (key, left) in changes {
        match left {
            Some(segment) => txn.put(&key, &segment)?,
            None => txn.delete(&key)?,
        }
    }
    Ok(())
}

/// Whether the logs of a block are found.
pub(crate) fn holds<K: TransactionKind>(
    txn: &Txn<'_, K>,
    number: u64,
    receipts: &[ReceiptEnvelope],
) -> Result<bool, StoreError> {
    let Some(block) = segment::of_block(number, receipts)? else { return Ok(true) };
    let at = block_key(Table::LogIndex, number);
    let block = decode(&at, &block)?;
    let mut holds = false;
    txn.scan_from_before(&at, &[Table::LogIndex as u8], |key, value| {
        let segment = decode(key, value)?;
        holds |=
            (segment.first_block..=segment.last_block).contains(&number) && segment.holds(&block);
        Ok(!holds && segment.first_block <= number)
    })?;
    Ok(holds)
}

fn decode<'a>(key: &[u8], value: &'a [u8]) -> Result<Segment<'a>, StoreError> {
    let first = key.get(1..).and_then(|number| Some(u64::from_be_bytes(number.try_into().ok()?)));
    first.and_then(|first| Segment::decode(first, value)).ok_or_else(|| StoreError::Malformed {
        table: Table::LogIndex.name(),
        key: alloy_primitives::Bytes::copy_from_slice(key).to_string(),
    })
}
