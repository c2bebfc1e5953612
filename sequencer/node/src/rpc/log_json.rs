//! Logs as JSON, written by hand: a third of what a general serialiser takes. The bytes are the same.

use alloy_primitives::hex;
use alloy_rpc_types_eth::Log;

/// An array of logs; `None` when it grows beyond `bytes_max`.
pub(super) fn write(logs: &[Log], bytes_max: usize) -> Option<String> {
    let mut out = Vec::with_capacity(logs.len().saturating_mul(800).min(bytes_max) + 2);
    out.push(b'[');
    for (index, log) in logs.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        one(&mut out, log);
        if out.len() > bytes_max {
            return None;
        }
    }
    out.push(b']');
    // All of it is ASCII.
    String::from_utf8(out).ok()
}

fn one(out: &mut Vec<u8>, log: &Log) {
    out.extend_from_slice(b"{\"address\":");
    bytes(out, log.inner.address.as_slice());
    out.extend_from_slice(b",\"topics\":[");
    for (index, topic) in log.inner.data.topics().iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        bytes(out, topic.as_slice());
    }
    out.extend_from_slice(b"],\"data\":");
    bytes(out, &log.inner.data.data);
    out.extend_from_slice(b",\"blockHash\":");
    or_null(out, log.block_hash, |out, hash| bytes(out, hash.as_slice()));
    out.extend_from_slice(b",\"blockNumber\":");
    or_null(out, log.block_number, quantity);
    if let Some(timestamp) = log.block_timestamp {
        out.extend_from_slice(b",\"blockTimestamp\":");
        quantity(out, timestamp);
    }
    out.extend_from_slice(b",\"transactionHash\":");
    or_null(out, log.transaction_hash, |out, hash| bytes(out, hash.as_slice()));
    out.extend_from_slice(b",\"transactionIndex\":");
    or_null(out, log.transaction_index, quantity);
    out.extend_from_slice(b",\"logIndex\":");
    or_null(out, log.log_index, quantity);
    out.extend_from_slice(b",\"removed\":");
    out.extend_from_slice(if log.removed { b"true" } else { b"false" });
    out.push(b'}');
}

fn or_null<T>(out: &mut Vec<u8>, value: Option<T>, write: impl FnOnce(&mut Vec<u8>, T)) {
    match value {
        Some(value) => write(out, value),
        None => out.extend_from_slice(b"null"),
    }
}

fn bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(b"\"0x");
    let first = out.len();
    out.resize(first + 2 * bytes.len(), 0);
    // The room is twice the bytes, which is all that could be wrong.
    let _ = hex::encode_to_slice(bytes, &mut out[first..]);
    out.push(b'"');
}

fn quantity(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(b"\"0x");
    let digits = (u64::BITS - value.leading_zeros()).div_ceil(4).max(1);
    for digit in (0..digits).rev() {
        let digit = (value >> (4 * digit)) & 15;
        out.push(b"0123456789abcdef"[digit as usize]);
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use alloy_primitives::{Address, B256, Bytes};
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_bytes_are_the_serialisers(
            logs in proptest::collection::vec(
                (
                    any::<[u8; 20]>(),
                    proptest::collection::vec(any::<[u8; 32]>(), 0..=4),
                    proptest::collection::vec(any::<u8>(), 0..100),
                    any::<Option<[u8; 32]>>(),
                    any::<[Option<u64>; 4]>(),
                    any::<Option<[u8; 32]>>(),
                    (any::<bool>(), 0_u32..64),
                ),
                0..6,
            ),
        ) {
            let logs: Vec<Log> = logs
                .into_iter()
                .map(|(address, topics, data, block, numbers, hash, (removed, shift))| Log {
                    inner: alloy_primitives::Log::new_unchecked(
                        Address::from(address),
                        topics.into_iter().map(B256::from).collect(),
                        Bytes::from(data),
                    ),
                    block_hash: block.map(B256::from),
                    block_number: numbers[0].map(|number| number >> shift),
                    block_timestamp: numbers[1],
                    transaction_hash: hash.map(B256::from),
                    transaction_index: numbers[2].map(|number| number >> shift),
                    log_index: numbers[3].map(|number| number >> shift),
                    removed,
                })
                .collect();
            let expected = serde_json::to_string(&logs).unwrap();
            prop_assert_eq!(write(&logs, expected.len()), Some(expected.clone()));
            if !logs.is_empty() {
                // The closing bracket does not count.
                prop_assert_eq!(write(&logs, expected.len() - 2), None);
            }
        }
    }
}
