//! Keccak-256 of many messages at once.

use alloy_primitives::{B256, keccak256};

/// Hashes each message.
pub(crate) fn hash_many(messages: &[&[u8]], out: &mut [B256]) {
    for (message, out) in messages.iter().zip(out) {
        *out = keccak256(message);
    }
}

/// The hashes of these messages, in order.
pub(crate) fn hash_all<T: AsRef<[u8]>>(messages: &[T]) -> Vec<B256> {
    let messages: Vec<&[u8]> = messages.iter().map(AsRef::as_ref).collect();
    let mut hashes = vec![B256::ZERO; messages.len()];
    hash_many(&messages, &mut hashes);
    hashes
}
