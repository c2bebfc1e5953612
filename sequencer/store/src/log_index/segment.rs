//! One segment of the log index: for a run of blocks, which receipts hold which values. Bytes are
//! specified in `docs/formats/store.md`.

use alloy_primitives::{Address, B256, Log};
use primitives::ReceiptEnvelope;

use crate::StoreError;

/// Kind of the emitting address; 0 to 3 are the positions of topics.
const ADDRESS_KIND: u8 = 4;
/// Last block u64, number of keys u32, number of postings u32.
const HEAD_BYTES: usize = 16;
const BLOCK_BITS: u32 = 16;
const TRANSACTION_BITS: u32 = 22;
const LOG_BITS: u32 = 26;
/// Odd numbers without structure: digits of π.
const MULTIPLIERS: [u64; 2] = [0x243f_6a88_85a3_08d3, 0x1319_8a2e_0370_7345];

/// A value that logs are found by, in 64 bits. Values that share them cost a useless look at a
/// receipt, never a wrong answer.
pub(crate) fn address_key(address: &Address) -> u64 {
    hash(ADDRESS_KIND, &address.into_word())
}

/// The key of a topic at a position from 0 to 3.
pub(crate) fn topic_key(position: u8, topic: &B256) -> u64 {
    hash(position, topic)
}

/// A folded multiplication per word.
fn hash(kind: u8, value: &B256) -> u64 {
    let fold = |a: u64, b: u64| {
        let product = u128::from(a) * u128::from(b);
        (product as u64) ^ ((product >> 64) as u64)
    };
    let [first, second] = MULTIPLIERS;
    let (words, _) = value.0.as_chunks::<8>();
    let state = words.iter().fold(second ^ u64::from(kind), |state, word| {
        fold(state ^ u64::from_be_bytes(*word), first)
    });
    fold(state ^ first, second)
}

/// Where a receipt with a log stands: block since the segment's first, transaction, number of the
/// receipt's first log within the block, packed so that their order is the chain's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Posting(u64);

impl Posting {
    fn new(transaction: usize, first_log: usize) -> Option<Self> {
        let transaction = u64::try_from(transaction).ok()?;
        let first_log = u64::try_from(first_log).ok()?;
        if transaction >> TRANSACTION_BITS != 0 || first_log >> LOG_BITS != 0 {
            return None;
        }
        Some(Self(transaction << LOG_BITS | first_log))
    }

    /// The least posting of a block.
    const fn at_block(offset: u64) -> Self {
        Self(offset << (TRANSACTION_BITS + LOG_BITS))
    }

    pub(crate) const fn block(self) -> u64 {
        self.0 >> (TRANSACTION_BITS + LOG_BITS)
    }

    pub(crate) const fn transaction(self) -> usize {
        (self.0 >> LOG_BITS & ((1 << TRANSACTION_BITS) - 1)) as usize
    }

    pub(crate) const fn first_log(self) -> u64 {
        self.0 & ((1 << LOG_BITS) - 1)
    }

    const fn later_by(self, blocks: u64) -> Self {
        Self(self.0.wrapping_add(Self::at_block(blocks).0))
    }
}

/// Blocks a segment may span.
pub(crate) const SPAN_MAX: u64 = 1 << BLOCK_BITS;

/// The segment of one block; `None` when it has no logs.
pub(crate) fn of_block(
    number: u64,
    receipts: &[ReceiptEnvelope],
) -> Result<Option<Vec<u8>>, StoreError> {
    let mut entries: Vec<(u64, Posting)> = Vec::new();
    let mut first_log = 0_usize;
    for (transaction, receipt) in receipts.iter().enumerate() {
        let logs = receipt.logs();
        if logs.is_empty() {
            continue;
        }
        let posting =
            Posting::new(transaction, first_log).ok_or(StoreError::TooManyLogs(number))?;
        for log in logs {
            entries.extend(keys(log).map(|key| (key, posting)));
        }
        first_log = first_log.saturating_add(logs.len());
    }
    if entries.is_empty() {
        return Ok(None);
    }
    entries.sort_unstable();
    entries.dedup();
    let mut writer = Writer::with_capacity(entries.len(), entries.len());
    for (key, posting) in entries {
        writer.push(key, posting);
    }
    Ok(Some(writer.finish(number)))
}

fn keys(log: &Log) -> impl Iterator<Item = u64> {
    let topics = (0_u8..4).zip(log.topics()).map(|(at, topic)| topic_key(at, topic));
    std::iter::once(address_key(&log.address)).chain(topics)
}

/// Collects entries in the order of keys, then postings.
struct Writer {
    keys: Vec<(u64, u32)>,
    postings: Vec<u8>,
}

impl Writer {
    fn with_capacity(keys: usize, postings: usize) -> Self {
        Self { keys: Vec::with_capacity(keys), postings: Vec::with_capacity(postings * 8) }
    }

    fn push(&mut self, key: u64, posting: Posting) {
        self.postings.extend_from_slice(&posting.0.to_be_bytes());
        let end = (self.postings.len() / 8) as u32;
        match self.keys.last_mut() {
            Some((last, ends)) if *last == key => *ends = end,
            _ => self.keys.push((key, end)),
        }
    }

    fn finish(self, last_block: u64) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEAD_BYTES + self.keys.len() * 12 + self.postings.len());
        out.extend_from_slice(&last_block.to_be_bytes());
        out.extend_from_slice(&(self.keys.len() as u32).to_be_bytes());
        out.extend_from_slice(&((self.postings.len() / 8) as u32).to_be_bytes());
        for (key, end) in &self.keys {
            out.extend_from_slice(&key.to_be_bytes());
            out.extend_from_slice(&end.to_be_bytes());
        }
        out.extend_from_slice(&self.postings);
        out
    }
}

/// A segment as it lies in the database.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Segment<'a> {
    pub(crate) first_block: u64,
    pub(crate) last_block: u64,
    keys: &'a [[u8; 12]],
    postings: &'a [[u8; 8]],
}

impl<'a> Segment<'a> {
    /// `None` when the bytes are no segment.
    pub(crate) fn decode(first_block: u64, bytes: &'a [u8]) -> Option<Self> {
        let (last_block, rest) = bytes.split_first_chunk::<8>()?;
        let (keys, rest) = rest.split_first_chunk::<4>()?;
        let (postings, rest) = rest.split_first_chunk::<4>()?;
        let last_block = u64::from_be_bytes(*last_block);
        let keys = usize::try_from(u32::from_be_bytes(*keys)).ok()?;
        let postings = usize::try_from(u32::from_be_bytes(*postings)).ok()?;
        let (keys, postings_bytes) = rest.split_at_checked(keys.checked_mul(12)?)?;
        let (keys, _) = keys.as_chunks::<12>();
        let (found, rest) = postings_bytes.as_chunks::<8>();
        let span = last_block.checked_sub(first_block)?;
        (rest.is_empty() && found.len() == postings && span < SPAN_MAX).then_some(Self {
            first_block,
            last_block,
            keys,
            postings: found,
        })
    }

    /// Entries, a measure of its size.
    pub(crate) const fn len(&self) -> usize {
        self.postings.len()
    }

    fn key(&self, index: usize) -> (u64, usize) {
        let [a, b, c, d, e, f, g, h, end @ ..] = self.keys.get(index).copied().unwrap_or_default();
        (u64::from_be_bytes([a, b, c, d, e, f, g, h]), u32::from_be_bytes(end) as usize)
    }

    /// The postings of the key at `index`. Nothing if the bytes are damaged.
    fn run(&self, index: usize) -> &'a [[u8; 8]] {
        let start = index.checked_sub(1).map_or(0, |before| self.key(before).1);
        self.postings.get(start..self.key(index).1).unwrap_or_default()
    }

    /// The postings of a key in the blocks `from..=to`.
    pub(crate) fn find(&self, key: u64, from: u64, to: u64) -> Postings<'a> {
        if from > self.last_block || to < self.first_block {
            return Postings(&[]);
        }
        // Keys are spread evenly: begin where this one is to be expected and widen.
        let count = self.keys.len();
        let guess = ((u128::from(key) * count as u128) >> 64) as usize;
        let (mut low, mut high) = (guess, guess);
        let mut step = 8;
        while low > 0 && self.key(low).0 >= key {
            low = low.saturating_sub(step);
            step *= 4;
        }
        step = 8;
        while high < count && self.key(high).0 <= key {
            high = high.saturating_add(step).min(count);
            step *= 4;
        }
        while low < high {
            let middle = low + (high - low) / 2;
            if self.key(middle).0 < key {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        if low == count || self.key(low).0 != key {
            return Postings(&[]);
        }
        let run = Postings(self.run(low));
        let start = from.saturating_sub(self.first_block);
        let start = run.count_below(Posting::at_block(start));
        let end = match to.saturating_sub(self.first_block) {
            to if to >= SPAN_MAX - 1 => run.len(),
            to => run.count_below(Posting::at_block(to + 1)),
        };
        Postings(run.0.get(start..end).unwrap_or_default())
    }

    /// Whether every posting of a segment of one block is in this one, too.
    pub(crate) fn holds(&self, block: &Self) -> bool {
        let number = block.first_block;
        let offset = number.saturating_sub(self.first_block);
        (0..block.keys.len()).all(|index| {
            let expected =
                Postings(block.run(index)).iter().map(|posting| posting.later_by(offset));
            expected.eq(self.find(block.key(index).0, number, number).iter())
        })
    }

    /// The part up to `last_block`; `None` when nothing is left.
    pub(crate) fn up_to(&self, last_block: u64) -> Option<Vec<u8>> {
        let mut writer = Writer::with_capacity(self.keys.len(), self.postings.len());
        for index in 0..self.keys.len() {
            let key = self.key(index).0;
            for posting in self.find(key, 0, last_block).iter() {
                writer.push(key, posting);
            }
        }
        (!writer.keys.is_empty()).then(|| writer.finish(last_block.min(self.last_block)))
    }
}

/// Postings of one key, ascending.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Postings<'a>(&'a [[u8; 8]]);

impl<'a> Postings<'a> {
    pub(crate) const fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = Posting> + 'a {
        self.0.iter().map(|bytes| Posting(u64::from_be_bytes(*bytes)))
    }

    fn count_below(&self, posting: Posting) -> usize {
        self.0.partition_point(|bytes| u64::from_be_bytes(*bytes) < posting.0)
    }

    /// Whether it holds the posting; forgets everything before it. For ascending questions.
    pub(crate) fn advance_to(&mut self, posting: Posting) -> bool {
        // Near first: consecutive questions are usually close to each other.
        let mut reach = 8;
        while reach < self.0.len()
            && self.0.get(reach).is_some_and(|bytes| u64::from_be_bytes(*bytes) < posting.0)
        {
            reach *= 4;
        }
        let near = Self(self.0.get(..reach.saturating_add(1)).unwrap_or(self.0));
        self.0 = self.0.get(near.count_below(posting)..).unwrap_or_default();
        self.0.first().is_some_and(|bytes| u64::from_be_bytes(*bytes) == posting.0)
    }
}

/// One segment of several that follow each other.
pub(crate) fn merge(parts: &[Segment<'_>]) -> Vec<u8> {
    let (Some(first), Some(last)) = (parts.first(), parts.last()) else { return Vec::new() };
    let keys: usize = parts.iter().map(|part| part.keys.len()).sum();
    let mut runs: Vec<(u64, u32, u32)> = Vec::with_capacity(keys);
    for (at, part) in (0_u32..).zip(parts) {
        runs.extend(
            (0_u32..).zip(part.keys).map(|(index, _)| (part.key(index as usize).0, at, index)),
        );
    }
    // Stable and quick on what is sorted in runs.
    runs.sort_by_key(|(key, part, _)| (*key, *part));
    let mut writer = Writer::with_capacity(keys, parts.iter().map(Segment::len).sum());
    for (key, part, index) in runs {
        let Some(part) = parts.get(part as usize) else { continue };
        let later = part.first_block.saturating_sub(first.first_block);
        for posting in Postings(part.run(index as usize)).iter() {
            writer.push(key, posting.later_by(later));
        }
    }
    writer.finish(last.last_block)
}
