//! Batches: L2 blocks as a batcher posts them, without what L1 gives anyway. One block in a batch, or a run of
//! them ([`crate::SpanBatch`]).

use alloy_eips::{BlockNumHash, eip2718::Encodable2718};
use alloy_primitives::{B256, Bytes};
use alloy_rlp::{Decodable, Encodable, Header};
use primitives::{Block, TxType};

use crate::{AttributesError, BatchError, SpanBatch, attributes::l1_attributes_of};

/// Type of a batch of one block.
const SINGLE: u8 = 0;
/// Type of a batch of several blocks.
pub(crate) const SPAN: u8 = 1;

/// What a channel holds one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Batch {
    Single(SingleBatch),
    Span(SpanBatch),
}

/// One L2 block: `0x00 || rlp([parent_hash, epoch_number, epoch_hash, timestamp, [tx...]])`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SingleBatch {
    pub parent_hash: B256,
    /// The L1 origin.
    pub epoch: BlockNumHash,
    /// Seconds since the Unix epoch.
    pub timestamp: u64,
    /// Encoded (EIP-2718), without deposits.
    pub transactions: Vec<Bytes>,
}

impl SingleBatch {
    /// What must be posted for `block`, which is not genesis.
    pub fn from_block(block: &Block) -> Result<Self, AttributesError> {
        let l1 = l1_attributes_of(block)?;
        let transactions = block.body.transactions.iter();
        Ok(Self {
            parent_hash: block.header.parent_hash,
            epoch: BlockNumHash { number: l1.number, hash: l1.hash },
            timestamp: block.header.timestamp,
            transactions: transactions
                .filter(|transaction| transaction.tx_type() != TxType::Deposit)
                .map(|transaction| transaction.encoded_2718().into())
                .collect(),
        })
    }

    /// Appends the batch as a channel holds it: an RLP string of type and payload.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let fields = self.fields_length();
        let list = Header { list: true, payload_length: fields };
        let payload_length = fields.saturating_add(list.length()).saturating_add(1);
        Header { list: false, payload_length }.encode(out);
        out.push(SINGLE);
        list.encode(out);
        self.parent_hash.encode(out);
        self.epoch.number.encode(out);
        self.epoch.hash.encode(out);
        self.timestamp.encode(out);
        self.transactions.encode(out);
    }

    fn fields_length(&self) -> usize {
        self.parent_hash
            .length()
            .saturating_add(self.epoch.number.length())
            .saturating_add(self.epoch.hash.length())
            .saturating_add(self.timestamp.length())
            .saturating_add(self.transactions.length())
    }

    /// Reads what follows the type, the first byte of `bytes`.
    fn decode(bytes: &Bytes) -> Result<Self, BatchError> {
        let (_, mut rest) = bytes.split_first().ok_or(BatchError::Empty)?;
        let mut fields = Header::decode_bytes(&mut rest, true)?;
        if !rest.is_empty() {
            return Err(BatchError::Trailing(rest.len()));
        }
        let parent_hash = B256::decode(&mut fields)?;
        let number = u64::decode(&mut fields)?;
        let hash = B256::decode(&mut fields)?;
        let timestamp = u64::decode(&mut fields)?;
        let mut list = Header::decode_bytes(&mut fields, true)?;
        if !fields.is_empty() {
            return Err(BatchError::Trailing(fields.len()));
        }
        let mut transactions = Vec::new();
        while !list.is_empty() {
            // Shares the channel's memory.
            transactions.push(bytes.slice_ref(Header::decode_bytes(&mut list, false)?));
        }
        let epoch = BlockNumHash { number, hash };
        Ok(Self { parent_hash, epoch, timestamp, transactions })
    }
}

/// The batches of one channel, in order, until the first that does not decode.
#[derive(Clone, Debug)]
pub struct BatchReader {
    data: Bytes,
    position: usize,
    chain_id: u64,
}

impl BatchReader {
    /// `data` is a decompressed channel of the L2 chain `chain_id`.
    pub fn new(data: impl Into<Bytes>, chain_id: u64) -> Self {
        Self { data: data.into(), position: 0, chain_id }
    }

    fn read(&mut self) -> Result<Option<Batch>, BatchError> {
        let mut rest = self.data.get(self.position..).unwrap_or_default();
        if rest.is_empty() {
            return Ok(None);
        }
        let batch = self.data.slice_ref(Header::decode_bytes(&mut rest, false)?);
        self.position = self.data.len().saturating_sub(rest.len());
        match batch.split_first().ok_or(BatchError::Empty)? {
            (&SINGLE, _) => SingleBatch::decode(&batch).map(|single| Some(Batch::Single(single))),
            (&SPAN, rest) => {
                SpanBatch::decode(rest, self.chain_id).map(|span| Some(Batch::Span(span)))
            }
            (kind, _) => Err(BatchError::Type(*kind)),
        }
    }
}

impl Iterator for BatchReader {
    type Item = Result<Batch, BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        let result = self.read();
        if result.is_err() {
            self.position = self.data.len();
        }
        result.transpose()
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::hex;
    use proptest::prelude::*;

    use super::*;

    fn batch() -> impl Strategy<Value = SingleBatch> {
        let transactions =
            proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..200), 0..5);
        (any::<([u8; 32], u64, [u8; 32], u64)>(), transactions).prop_map(|(f, transactions)| {
            SingleBatch {
                parent_hash: f.0.into(),
                epoch: BlockNumHash { number: f.1, hash: f.2.into() },
                timestamp: f.3,
                transactions: transactions.into_iter().map(Bytes::from).collect(),
            }
        })
    }

    #[test]
    fn layout() {
        let batch = SingleBatch {
            parent_hash: B256::repeat_byte(1),
            epoch: BlockNumHash { number: 5, hash: B256::repeat_byte(2) },
            timestamp: 0x1234,
            transactions: vec![Bytes::from_static(&[0x7f]), Bytes::from_static(&[2, 3])],
        };
        let mut out = Vec::new();
        batch.encode(&mut out);
        let expected = hex!(
            "b84e" "00" "f84b"
            "a00101010101010101010101010101010101010101010101010101010101010101"
            "05"
            "a00202020202020202020202020202020202020202020202020202020202020202"
            "821234"
            "c4" "7f" "820203"
        );
        assert_eq!(out, expected);
    }

    #[test]
    fn a_bad_batch_ends_the_channel() {
        let good = SingleBatch {
            parent_hash: B256::ZERO,
            epoch: BlockNumHash::default(),
            timestamp: 1,
            transactions: Vec::new(),
        };
        let mut data = Vec::new();
        good.encode(&mut data);
        data.extend([0x82, 9, 9]);
        good.encode(&mut data);
        let read: Vec<_> = BatchReader::new(data, 1).collect();
        assert_eq!(read, [Ok(Batch::Single(good)), Err(BatchError::Type(9))]);
    }

    proptest! {
        #[test]
        fn decoding_undoes_encoding(batches in proptest::collection::vec(batch(), 0..4)) {
            let mut data = Vec::new();
            for batch in &batches {
                batch.encode(&mut data);
            }
            let read: Result<Vec<_>, _> = BatchReader::new(data, 1).collect();
            prop_assert_eq!(read, Ok(batches.into_iter().map(Batch::Single).collect()));
        }

        #[test]
        fn any_bytes_decode_or_fail(data in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = BatchReader::new(data.clone(), 1).count();
            let mut span = vec![0xb9, 0x01, 0x2d, 0x01, 0x05, 0x03];
            span.extend(&data);
            span.resize(304, 0);
            let _ = BatchReader::new(span, 1).count();
            let mut typed = vec![0xb9, 0x01, 0x2d, 0x00, 0xf9, 0x01, 0x29];
            typed.extend(data);
            let _ = BatchReader::new(typed, 1).count();
        }
    }
}
