//! Receipts as the log and the database hold them: without blooms, which follow from the logs, and in the
//! database behind a table of where each ends, so that one is read without its neighbours.

use alloy_consensus::{Eip658Value, Receipt};
use alloy_primitives::Log;
use alloy_rlp::{Decodable, Encodable};
use primitives::{ReceiptEnvelope, TxType};

use crate::tables::Value;

/// Bytes of one entry of the table of ends.
const END: usize = 4;

/// The receipts of a block: their number u32, where each ends u32 from the end of this table on, then one
/// after the other.
pub(crate) struct Receipts(pub(crate) Vec<ReceiptEnvelope>);

/// The bytes of [`Receipts`] without owning them.
pub(crate) fn encode_receipts(receipts: &[ReceiptEnvelope]) -> Vec<u8> {
    let mut encoded = Vec::with_capacity(24 * receipts.len());
    let mut out = Vec::with_capacity((END + 24) * (1 + receipts.len()));
    // A block's record in the log is below 4 GiB, and its receipts are a part of it.
    out.extend_from_slice(&(receipts.len() as u32).to_be_bytes());
    for receipt in receipts {
        encode_receipt(&mut encoded, receipt);
        out.extend_from_slice(&(encoded.len() as u32).to_be_bytes());
    }
    out.extend_from_slice(&encoded);
    out
}

impl Value for Receipts {
    fn encode(&self) -> Vec<u8> {
        encode_receipts(&self.0)
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (count, ends, encoded) = parts(bytes)?;
        let mut rest = encoded;
        let mut receipts = Vec::with_capacity(count);
        for end in ends {
            receipts.push(decode_receipt(&mut rest)?);
            if encoded.len() - rest.len() != end {
                return None;
            }
        }
        rest.is_empty().then_some(Self(receipts))
    }
}

/// The logs of the receipt at `index` of what [`encode_receipts`] made.
pub(crate) fn logs_at(bytes: &[u8], index: usize) -> Option<Vec<Log>> {
    let (count, mut ends, encoded) = parts(bytes)?;
    if index >= count {
        return None;
    }
    let start = match index.checked_sub(1) {
        Some(before) => ends.nth(before)?,
        None => 0,
    };
    let mut receipt = encoded.get(start..ends.next()?)?;
    let (_, receipt) = decode_fields(&mut receipt)?;
    Some(receipt.logs)
}

/// Number of receipts, where they end, and their bytes.
fn parts(bytes: &[u8]) -> Option<(usize, impl Iterator<Item = usize>, &[u8])> {
    let (count, rest) = bytes.split_first_chunk::<END>()?;
    let count = usize::try_from(u32::from_be_bytes(*count)).ok()?;
    let (ends, encoded) = rest.split_at_checked(count.checked_mul(END)?)?;
    let (ends, _) = ends.as_chunks::<END>();
    // What does not fit is larger than any encoding.
    let ends =
        ends.iter().map(|end| usize::try_from(u32::from_be_bytes(*end)).unwrap_or(usize::MAX));
    Some((count, ends, encoded))
}

/// A receipt without its bloom.
pub(crate) fn encode_receipt(out: &mut Vec<u8>, receipt: &ReceiptEnvelope) {
    let inner = receipt.as_receipt();
    let mut fields = Vec::with_capacity(64);
    u8::from(receipt.tx_type()).encode(&mut fields);
    inner.status.encode(&mut fields);
    Encodable::encode(&inner.cumulative_gas_used, &mut fields);
    inner.logs.encode(&mut fields);
    for field in [receipt.deposit_nonce(), receipt.deposit_receipt_version()].into_iter().flatten()
    {
        Encodable::encode(&field, &mut fields);
    }
    alloy_rlp::Header { list: true, payload_length: fields.len() }.encode(out);
    out.extend_from_slice(&fields);
}

pub(crate) fn decode_receipt(bytes: &mut &[u8]) -> Option<ReceiptEnvelope> {
    let mut fields = alloy_rlp::Header::decode_bytes(bytes, true).ok()?;
    let (kind, receipt) = first_fields(&mut fields)?;
    let mut optional = || match fields {
        [] => Some(None),
        _ => <u64 as Decodable>::decode(&mut fields).ok().map(Some),
    };
    let (nonce, version) = (optional()?, optional()?);
    fields.is_empty().then(|| ReceiptEnvelope::new(kind, receipt, nonce, version))
}

fn decode_fields(bytes: &mut &[u8]) -> Option<(TxType, Receipt)> {
    first_fields(&mut alloy_rlp::Header::decode_bytes(bytes, true).ok()?)
}

/// What receipts of all types have.
fn first_fields(fields: &mut &[u8]) -> Option<(TxType, Receipt)> {
    let kind = TxType::try_from(u8::decode(fields).ok()?).ok()?;
    let receipt = Receipt {
        status: Eip658Value::decode(fields).ok()?,
        cumulative_gas_used: Decodable::decode(fields).ok()?,
        logs: Vec::<Log>::decode(fields).ok()?,
    };
    Some((kind, receipt))
}

#[cfg(test)]
mod tests {
    use alloy_primitives::{Address, B256, Bytes, LogData};
    use proptest::prelude::*;

    use super::*;

    fn log() -> impl Strategy<Value = Log> {
        let topics = proptest::collection::vec(any::<[u8; 32]>().prop_map(B256::from), 0..5);
        let data = proptest::collection::vec(any::<u8>(), 0..80).prop_map(Bytes::from);
        (any::<[u8; 20]>(), topics, data).prop_map(|(address, topics, data)| Log {
            address: Address::from(address),
            data: LogData::new_unchecked(topics, data),
        })
    }

    fn receipt() -> impl Strategy<Value = ReceiptEnvelope> {
        let status = prop_oneof![
            any::<bool>().prop_map(Eip658Value::Eip658),
            any::<[u8; 32]>().prop_map(|root| Eip658Value::PostState(B256::from(root))),
        ];
        let kinds = prop_oneof![Just(0_u8), Just(1), Just(2), Just(3), Just(4), Just(0x7e)];
        (kinds, status, any::<u64>(), proptest::collection::vec(log(), 0..4), any::<u64>())
            .prop_map(|(kind, status, cumulative_gas_used, logs, nonce)| {
                let receipt = Receipt { status, cumulative_gas_used, logs };
                let kind = TxType::try_from(kind).unwrap();
                let deposit = kind == TxType::Deposit;
                ReceiptEnvelope::new(kind, receipt, deposit.then_some(nonce), deposit.then_some(1))
            })
    }

    proptest! {
        #[test]
        fn receipts_round_trip_and_each_is_found(all in proptest::collection::vec(receipt(), 0..6)) {
            let bytes = encode_receipts(&all);
            for (index, receipt) in all.iter().enumerate() {
                let logs = logs_at(&bytes, index);
                prop_assert_eq!(logs.as_deref(), Some(receipt.logs()));
            }
            prop_assert_eq!(logs_at(&bytes, all.len()), None);
            prop_assert_eq!(Receipts::decode(&bytes).map(|found| found.0), Some(all));
            for end in 0..bytes.len() {
                prop_assert!(Receipts::decode(&bytes[..end]).is_none());
            }
        }

        #[test]
        fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200), at in 0_usize..9) {
            let _ = Receipts::decode(&bytes);
            let _ = logs_at(&bytes, at);
        }
    }
}
