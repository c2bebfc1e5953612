//! Logs as JSON, written by hand: a third of what a general serialiser takes. The bytes are the same.

use alloy_primitives::hex;

use super::logs::PlacedLog;

/// Room that an array begins with: five logs with usual topics.
const FIRST_BYTES: usize = 4_096;

/// An array of logs that grows.
#[derive(Debug)]
pub(super) struct LogArray {
    out: Vec<u8>,
    bytes_max: usize,
    is_too_large: bool,
}

impl LogArray {
    pub(super) fn new(bytes_max: usize) -> Self {
        let mut out = Vec::with_capacity(FIRST_BYTES);
        out.push(b'[');
        Self { out, bytes_max, is_too_large: false }
    }

    pub(super) fn push(&mut self, log: &PlacedLog<'_>) {
        if self.is_too_large {
            return;
        }
        if self.out.len() > 1 {
            self.out.push(b',');
        }
        one(&mut self.out, log);
        if self.out.len() > self.bytes_max {
            self.is_too_large = true;
            self.out = Vec::new();
        }
    }

    /// `None` when it grew beyond its bound.
    pub(super) fn finish(mut self) -> Option<String> {
        if self.is_too_large {
            return None;
        }
        self.out.push(b']');
        // All of it is ASCII.
        String::from_utf8(self.out).ok()
    }
}

fn one(out: &mut Vec<u8>, log: &PlacedLog<'_>) {
    out.extend_from_slice(b"{\"address\":");
    bytes(out, log.log.address.as_slice());
    out.extend_from_slice(b",\"topics\":[");
    for (index, topic) in log.log.topics().iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        bytes(out, topic.as_slice());
    }
    out.extend_from_slice(b"],\"data\":");
    bytes(out, &log.log.data.data);
    out.extend_from_slice(b",\"blockHash\":");
    bytes(out, log.block_hash.as_slice());
    out.extend_from_slice(b",\"blockNumber\":");
    quantity(out, log.block_number);
    out.extend_from_slice(b",\"blockTimestamp\":");
    quantity(out, log.block_timestamp);
    out.extend_from_slice(b",\"transactionHash\":");
    bytes(out, log.transaction_hash.as_slice());
    out.extend_from_slice(b",\"transactionIndex\":");
    quantity(out, log.transaction_index);
    out.extend_from_slice(b",\"logIndex\":");
    quantity(out, log.log_index);
    out.extend_from_slice(b",\"removed\":false}");
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
    use alloy_primitives::{Address, B256, Bytes, Log};
    use proptest::prelude::*;

    use super::*;

    fn write(logs: &[PlacedLog<'_>], bytes_max: usize) -> Option<String> {
        let mut array = LogArray::new(bytes_max);
        logs.iter().for_each(|log| array.push(log));
        array.finish()
    }

    proptest! {
        #[test]
        fn the_bytes_are_the_serialisers(
            logs in proptest::collection::vec(
                (
                    any::<[u8; 20]>(),
                    proptest::collection::vec(any::<[u8; 32]>(), 0..=4),
                    proptest::collection::vec(any::<u8>(), 0..100),
                    any::<[u8; 32]>(),
                    any::<[u64; 4]>(),
                    any::<[u8; 32]>(),
                    0_u32..64,
                ),
                0..6,
            ),
        ) {
            let inner: Vec<Log> = logs
                .iter()
                .map(|(address, topics, data, ..)| {
                    Log::new_unchecked(
                        Address::from(*address),
                        topics.iter().map(B256::from).collect(),
                        Bytes::copy_from_slice(data),
                    )
                })
                .collect();
            let placed: Vec<PlacedLog<'_>> = logs
                .iter()
                .zip(&inner)
                .map(|((_, _, _, block, numbers, hash, shift), log)| PlacedLog {
                    log,
                    block_hash: B256::from(block),
                    block_number: numbers[0] >> shift,
                    block_timestamp: numbers[1],
                    transaction_hash: B256::from(hash),
                    transaction_index: numbers[2] >> shift,
                    log_index: numbers[3] >> shift,
                })
                .collect();
            let general: Vec<_> = placed.iter().map(|log| log.to_rpc()).collect();
            let expected = serde_json::to_string(&general).unwrap();
            prop_assert_eq!(write(&placed, expected.len()), Some(expected.clone()));
            if !logs.is_empty() {
                // The closing bracket does not count.
                prop_assert_eq!(write(&placed, expected.len() - 2), None);
            }
        }
    }
}
