//! Queries of the log index.

use std::borrow::Cow;

use alloy_primitives::{Address, B256, Log, keccak256};
use libmdbx::TransactionKind;
use primitives::Header;
use primitives::ReceiptEnvelope;

use super::{
    decode,
    segment::{self, Posting, Postings, Segment, address_key, topic_key},
};
use crate::{
    Store, StoreError,
    db::Txn,
    heads,
    receipts::logs_at,
    tables::{Table, block_key},
};

/// What the logs looked for have: one of the addresses, and at each position one of the topics.
/// What is empty matches anything.
#[derive(Clone, Debug, Default)]
pub struct LogQuery {
    /// Alternatives; none is empty.
    groups: Vec<Vec<u64>>,
}

impl LogQuery {
    pub fn new<'a, T>(addresses: impl IntoIterator<Item = &'a Address>, topics: [T; 4]) -> Self
    where
        T: IntoIterator<Item = &'a B256>,
    {
        let mut groups: Vec<Vec<u64>> = vec![addresses.into_iter().map(address_key).collect()];
        groups.extend((0_u8..).zip(topics).map(|(position, topics)| {
            topics.into_iter().map(|topic| topic_key(position, topic)).collect()
        }));
        groups.retain(|group| !group.is_empty());
        Self { groups }
    }

    /// Whether it names nothing, so that the index is of no use.
    pub const fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// Receipts of a segment that have a value of each group, ascending.
    fn candidates(&self, segment: &Segment<'_>, from: u64, to: u64) -> Vec<Posting> {
        let mut groups: Vec<Vec<Postings<'_>>> = Vec::with_capacity(self.groups.len());
        for group in &self.groups {
            let found: Vec<_> = group
                .iter()
                .map(|key| segment.find(*key, from, to))
                .filter(|postings| postings.len() > 0)
                .collect();
            if found.is_empty() {
                return Vec::new();
            }
            groups.push(found);
        }
        let Some(rarest) = (0..groups.len()).min_by_key(|at| {
            groups.get(*at).map(|group| group.iter().map(Postings::len).sum::<usize>())
        }) else {
            return Vec::new();
        };
        let rarest = groups.swap_remove(rarest);
        let mut candidates: Vec<Posting> =
            rarest.iter().flat_map(|postings| postings.iter()).collect();
        if rarest.len() > 1 {
            candidates.sort_unstable();
            candidates.dedup();
        }
        for mut group in groups {
            candidates.retain(|posting| {
                // Every alternative must move on, whether or not an earlier one matched.
                group.iter_mut().fold(false, |any, postings| postings.advance_to(*posting) | any)
            });
        }
        candidates
    }
}

/// A receipt that may hold logs of a query, and where it stands.
#[derive(Clone, Debug)]
pub struct FoundReceipt<'a> {
    pub block_number: u64,
    pub block_hash: B256,
    /// Unix seconds.
    pub block_timestamp: u64,
    pub transaction_index: usize,
    /// Number of the receipt's first log within its block.
    pub first_log: u64,
    /// All of the receipt.
    pub logs: Vec<Log>,
    transaction: &'a [u8],
}

impl FoundReceipt<'_> {
    /// Hash of the transaction; costs one keccak.
    pub fn transaction_hash(&self) -> B256 {
        keccak256(self.transaction)
    }
}

/// The index of one block, for blocks that are not in the database yet.
#[derive(Debug)]
pub struct BlockLogs {
    number: u64,
    segment: Option<Vec<u8>>,
}

impl BlockLogs {
    pub fn new(number: u64, receipts: &[ReceiptEnvelope]) -> Result<Self, StoreError> {
        Ok(Self { number, segment: segment::of_block(number, receipts)? })
    }

    /// Receipts that may hold a log of the query: index of the transaction, and number of its first
    /// log within the block. All that do, ascending, and some that do not.
    pub fn find(&self, query: &LogQuery) -> Vec<(usize, u64)> {
        let segment =
            self.segment.as_ref().and_then(|segment| Segment::decode(self.number, segment));
        let candidates = segment
            .map(|segment| query.candidates(&segment, self.number, self.number))
            .unwrap_or_default();
        candidates.iter().map(|posting| (posting.transaction(), posting.first_log())).collect()
    }
}

impl Store {
    /// Visits, in the order of the chain, each receipt of the blocks `from..=to` that may hold a log
    /// of the query: all that do, and some that do not. Ends early when `visit` returns false. Gives
    /// the last block the answer covers: what is not in the database yet the caller must look
    /// through itself.
    pub fn find_logs<E: From<StoreError>>(
        &self,
        query: &LogQuery,
        from: u64,
        to: u64,
        mut visit: impl FnMut(&FoundReceipt<'_>) -> Result<bool, E>,
    ) -> Result<u64, E> {
        let txn = self.db.read()?;
        let to = to.min(heads(&txn)?.unsafe_head.number);
        let mut block: Option<BlockReader<'_>> = None;
        let mut failed = None;
        txn.scan_from_before(
            &block_key(Table::LogIndex, from),
            &[Table::LogIndex as u8],
            |key, value| {
                let segment = decode(key, value)?;
                if segment.first_block > to {
                    return Ok(false);
                }
                for posting in query.candidates(&segment, from, to) {
                    let number = segment.first_block.saturating_add(posting.block());
                    let reader = match &mut block {
                        Some(reader) if reader.number == number => reader,
                        _ => block.insert(BlockReader::open(&txn, number)?),
                    };
                    match visit(&reader.read(posting)?) {
                        Ok(true) => {}
                        Ok(false) => return Ok(false),
                        Err(error) => {
                            failed = Some(error);
                            return Ok(false);
                        }
                    }
                }
                Ok(true)
            },
        )?;
        failed.map_or(Ok(to), Err)
    }
}

/// Reads single receipts of a block, in ascending order.
struct BlockReader<'t> {
    number: u64,
    hash: B256,
    timestamp: u64,
    transactions: Items<'t>,
    receipts: Cow<'t, [u8]>,
}

impl<'t> BlockReader<'t> {
    fn open<K: TransactionKind>(txn: &'t Txn<'_, K>, number: u64) -> Result<Self, StoreError> {
        let (hash, header) = txn
            .get::<(B256, Header)>(Table::Headers, &block_key(Table::Headers, number))?
            .ok_or(StoreError::MissingBlock(number))?;
        let bytes =
            |table| txn.bytes(&block_key(table, number))?.ok_or_else(|| malformed(table, number));
        Ok(Self {
            number,
            hash,
            timestamp: header.timestamp,
            transactions: Items::new(bytes(Table::Bodies)?)
                .ok_or_else(|| malformed(Table::Bodies, number))?,
            receipts: bytes(Table::Receipts)?,
        })
    }

    fn read(&mut self, posting: Posting) -> Result<FoundReceipt<'_>, StoreError> {
        let transaction_index = posting.transaction();
        let logs = logs_at(&self.receipts, transaction_index)
            .ok_or_else(|| malformed(Table::Receipts, self.number))?;
        let transaction = self
            .transactions
            .get(transaction_index)
            .ok_or_else(|| malformed(Table::Bodies, self.number))?;
        Ok(FoundReceipt {
            block_number: self.number,
            block_hash: self.hash,
            block_timestamp: self.timestamp,
            transaction_index,
            first_log: posting.first_log(),
            logs,
            transaction,
        })
    }
}

fn malformed(table: Table, number: u64) -> StoreError {
    StoreError::Malformed { table: table.name(), key: format!("{number}") }
}

/// An RLP list of byte strings, walked once; a body has more after it.
struct Items<'t> {
    bytes: Cow<'t, [u8]>,
    /// Of the list.
    end: usize,
    /// Where the item numbered `next` begins.
    at: usize,
    next: usize,
}

impl<'t> Items<'t> {
    fn new(bytes: Cow<'t, [u8]>) -> Option<Self> {
        let mut rest: &[u8] = &bytes;
        let header = alloy_rlp::Header::decode(&mut rest).ok()?;
        let at = bytes.len() - rest.len();
        let end = at.checked_add(header.payload_length)?;
        (header.list && end <= bytes.len()).then_some(Self { bytes, end, at, next: 0 })
    }

    /// The item at `index`, which must not lie before the last one asked for.
    fn get(&mut self, index: usize) -> Option<&[u8]> {
        let (mut at, mut next) = (self.at, self.next);
        loop {
            let (start, end) = item(self.bytes.get(..self.end)?, at)?;
            if next == index {
                (self.at, self.next) = (at, next);
                return self.bytes.get(start..end);
            }
            (at, next) = (end, next + 1);
        }
    }
}

/// Where the content of the byte string at `at` begins and ends. The list was written by us: whether
/// lengths are spelt in the shortest way is not looked at.
fn item(bytes: &[u8], at: usize) -> Option<(usize, usize)> {
    let first = *bytes.get(at)?;
    let (start, length) = match first {
        0..0x80 => (at, 1),
        0x80..0xb8 => (at + 1, usize::from(first - 0x80)),
        0xb8..0xc0 => {
            let digits = bytes.get(at + 1..)?.get(..usize::from(first - 0xb7))?;
            let length = digits.iter().fold(0_u64, |length, digit| length << 8 | u64::from(*digit));
            (at + 1 + digits.len(), usize::try_from(length).ok()?)
        }
        _ => return None,
    };
    Some((start, start.checked_add(length)?))
}
