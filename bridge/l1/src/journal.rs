//! What the batcher writes down before it sends anything: each closed channel with its signed L1
//! transactions. After a crash the same transactions are sent again, so no block is posted under two
//! nonces and none is skipped. The bytes are written down in `docs/formats/batcher-journal.md`.

use alloy_primitives::{B256, Bytes, TxHash, hex, keccak256};
use alloy_rlp::{Decodable, Encodable, RlpDecodable, RlpEncodable};
use derive::ChannelId;

use crate::{BatcherError, SourceError};

const VERSION: u8 = 2;
/// Entries of batchers that knew no blobs.
const VERSION_WITHOUT_BLOBS: u8 = 1;

/// Key and value of an entry.
pub type JournalEntry = (Vec<u8>, Vec<u8>);

/// Where the batcher keeps its records; the node's store implements it.
pub trait Journal: Send + Sync + 'static {
    /// Writes an entry; durable when this returns.
    fn put(&self, key: &[u8], value: &[u8]) -> Result<(), SourceError>;
    /// Removes an entry.
    fn delete(&self, key: &[u8]) -> Result<(), SourceError>;
    /// Every entry in key order.
    fn all(&self) -> Result<Vec<JournalEntry>, SourceError>;
}

/// A closed channel on its way into L1.
#[derive(Clone, Debug, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub(crate) struct PostedChannel {
    /// Counts channels of this journal; the key.
    pub(crate) sequence: u64,
    pub(crate) id: ChannelId,
    /// Numbers of the first and last L2 block.
    pub(crate) first_block: u64,
    pub(crate) last_block: u64,
    pub(crate) last_hash: B256,
    /// Its blocks are posted again in a later channel; only its nonces still matter.
    pub(crate) superseded: bool,
    /// One per frame, with consecutive nonces.
    pub(crate) transactions: Vec<PostedTransaction>,
}

/// An L1 transaction with frames, one in call data or one in each blob.
#[derive(Clone, Debug, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub(crate) struct PostedTransaction {
    pub(crate) nonce: u64,
    /// Wei per gas.
    pub(crate) fee_max: u128,
    /// Wei per gas.
    pub(crate) priority_fee: u128,
    /// Wei per blob gas; 0 of a transaction without blobs.
    pub(crate) blob_fee: u128,
    /// Of the newest form.
    pub(crate) hash: TxHash,
    /// The newest signed form (EIP-2718), with its blobs.
    pub(crate) raw: Bytes,
    /// Hashes of forms that paid less; any of them may be the one in L1.
    pub(crate) replaced: Vec<TxHash>,
}

impl PostedTransaction {
    /// Newest form first.
    pub(crate) fn hashes(&self) -> impl Iterator<Item = TxHash> + '_ {
        std::iter::once(self.hash).chain(self.replaced.iter().rev().copied())
    }
}

/// A channel as version 1 wrote it.
#[derive(RlpDecodable)]
struct OldChannel {
    sequence: u64,
    id: ChannelId,
    first_block: u64,
    last_block: u64,
    last_hash: B256,
    superseded: bool,
    transactions: Vec<OldTransaction>,
}

#[derive(RlpDecodable)]
struct OldTransaction {
    nonce: u64,
    fee_max: u128,
    priority_fee: u128,
    raw: Bytes,
    replaced: Vec<TxHash>,
}

impl From<OldChannel> for PostedChannel {
    fn from(old: OldChannel) -> Self {
        let transactions = old.transactions.into_iter().map(|old| PostedTransaction {
            nonce: old.nonce,
            fee_max: old.fee_max,
            priority_fee: old.priority_fee,
            blob_fee: 0,
            hash: keccak256(&old.raw),
            raw: old.raw,
            replaced: old.replaced,
        });
        Self {
            sequence: old.sequence,
            id: old.id,
            first_block: old.first_block,
            last_block: old.last_block,
            last_hash: old.last_hash,
            superseded: old.superseded,
            transactions: transactions.collect(),
        }
    }
}

impl PostedChannel {
    pub(crate) fn key(&self) -> [u8; 8] {
        self.sequence.to_be_bytes()
    }

    pub(crate) fn encode_entry(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        self.encode(&mut out);
        out
    }

    pub(crate) fn decode_entry(bytes: &[u8]) -> Result<Self, alloy_rlp::Error> {
        let (version, mut rest) = bytes.split_first().ok_or(alloy_rlp::Error::InputTooShort)?;
        let channel = match *version {
            VERSION => Self::decode(&mut rest)?,
            VERSION_WITHOUT_BLOBS => OldChannel::decode(&mut rest)?.into(),
            _ => return Err(alloy_rlp::Error::Custom("unknown version of the entry")),
        };
        match rest.is_empty() {
            true => Ok(channel),
            false => Err(alloy_rlp::Error::UnexpectedLength),
        }
    }
}

/// Reads the journal and checks that the blocks of its channels link up.
pub(crate) fn read(journal: &impl Journal) -> Result<Vec<PostedChannel>, BatcherError> {
    let mut channels: Vec<PostedChannel> = Vec::new();
    for (key, value) in journal.all().map_err(BatcherError::Journal)? {
        let channel = PostedChannel::decode_entry(&value)
            .map_err(|source| BatcherError::JournalEntry { key: hex::encode(key), source })?;
        channels.push(channel);
    }
    channels.sort_by_key(|channel| channel.sequence);
    let mut previous: Option<u64> = None;
    for channel in channels.iter().filter(|channel| !channel.superseded) {
        if let Some(previous) = previous
            && previous.checked_add(1) != Some(channel.first_block)
        {
            return Err(BatcherError::JournalGap {
                previous,
                first: channel.first_block,
                last: channel.last_block,
            });
        }
        previous = Some(channel.last_block);
    }
    Ok(channels)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn channel() -> PostedChannel {
        PostedChannel {
            sequence: 3,
            id: ChannelId::repeat_byte(7),
            first_block: 10,
            last_block: 12,
            last_hash: B256::repeat_byte(1),
            superseded: false,
            transactions: vec![PostedTransaction {
                nonce: 5,
                fee_max: 1 << 70,
                priority_fee: 1,
                blob_fee: 9,
                hash: keccak256(b"raw"),
                raw: Bytes::from_static(b"raw"),
                replaced: vec![B256::repeat_byte(2), B256::repeat_byte(3)],
            }],
        }
    }

    #[test]
    fn entries_survive() {
        let channel = channel();
        let bytes = channel.encode_entry();
        assert_eq!(PostedChannel::decode_entry(&bytes), Ok(channel));
    }

    #[test]
    fn damaged_entries_are_refused() {
        let bytes = channel().encode_entry();
        for length in 0..bytes.len() {
            assert!(PostedChannel::decode_entry(&bytes[..length]).is_err(), "{length}");
        }
        let mut version = bytes.clone();
        version[0] = 3;
        assert!(PostedChannel::decode_entry(&version).is_err());
        let mut longer = bytes;
        longer.push(0);
        assert!(PostedChannel::decode_entry(&longer).is_err());
    }

    #[test]
    fn entries_of_the_first_version_are_read() {
        // Written by hand: sequence 3, channel, blocks 10 to 12, hash, not superseded, one transaction of
        // nonce 5, fees 7 and 1, raw 0xaabb, nothing replaced.
        let bytes = [
            &[1, 0xf8, 0x3f, 3, 0x90][..],
            &[7; 16],
            &[10, 12, 0xa0],
            &[1; 32],
            &[0x80, 0xc8, 0xc7, 5, 7, 1, 0x82, 0xaa, 0xbb, 0xc0],
        ]
        .concat();
        let channel = PostedChannel::decode_entry(&bytes).unwrap();
        assert_eq!((channel.first_block, channel.last_block), (10, 12));
        let transaction = &channel.transactions[0];
        assert_eq!((transaction.nonce, transaction.fee_max, transaction.blob_fee), (5, 7, 0));
        assert_eq!(transaction.hash, keccak256([0xaa, 0xbb]));
    }

    #[test]
    fn the_newest_form_is_asked_for_first() {
        let channel = channel();
        let hashes: Vec<_> = channel.transactions[0].hashes().collect();
        assert_eq!(hashes, [keccak256(b"raw"), B256::repeat_byte(3), B256::repeat_byte(2)]);
    }
}
