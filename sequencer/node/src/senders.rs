//! Who signed what: recovered once per transaction in this process. A transaction's hash covers its
//! signature, so a sender found for a hash is the sender wherever the transaction turns up again: in the
//! pool, in a block to be re-executed, in a batch derived from L1.

use std::sync::LazyLock;

use alloy_consensus::transaction::SignerRecoverable;
use alloy_primitives::{Address, B256, Bytes, map::B256Map};
use parking_lot::Mutex;
use primitives::Recovered;
use primitives::TxEnvelope;
use rayon::prelude::*;
use signatures::Signed;
use stf::BlockError;

/// Senders kept: two generations of so many in all shards together.
const GENERATION: usize = 1 << 16;
const SHARDS: usize = 16;
/// Transactions whose senders one thread recovers together: several groups of those that lanes take.
pub(crate) const TOGETHER: usize = 32;

static CACHE: LazyLock<[Mutex<Shard>; SHARDS]> = LazyLock::new(Default::default);

/// What was used lately moves to the younger generation; when that is full the older is forgotten.
#[derive(Debug, Default)]
struct Shard {
    young: B256Map<Address>,
    old: B256Map<Address>,
}

fn shard(hash: &B256) -> &'static Mutex<Shard> {
    &CACHE[usize::from(hash[0]) % SHARDS]
}

/// Keeps the sender of a transaction, which must have been recovered from its signature.
pub(crate) fn remember(hash: B256, sender: Address) {
    let mut shard = shard(&hash).lock();
    if shard.young.len() >= GENERATION / SHARDS {
        shard.old = std::mem::take(&mut shard.young);
    }
    shard.young.insert(hash, sender);
}

fn known(hash: &B256) -> Option<Address> {
    let shard = shard(hash).lock();
    shard.young.get(hash).or_else(|| shard.old.get(hash)).copied()
}

/// The sender of a transaction, recovered unless it is known.
pub(crate) fn recover(transaction: &TxEnvelope) -> Option<Address> {
    if let TxEnvelope::Deposit(deposit) = transaction {
        return Some(deposit.from);
    }
    let hash = transaction.tx_hash();
    known(&hash).or_else(|| recover_unknown(transaction))
}

fn recover_unknown(transaction: &TxEnvelope) -> Option<Address> {
    let sender = transaction.recover_signer().ok()?;
    remember(transaction.tx_hash(), sender);
    Some(sender)
}

/// The senders of several transactions: those that are not known in lanes where the processor has them.
pub(crate) fn recover_all(transactions: &[&TxEnvelope]) -> Vec<Option<Address>> {
    let mut senders: Vec<Option<Address>> =
        transactions.iter().map(|transaction| known(&transaction.tx_hash())).collect();
    let unknown: Vec<usize> =
        (0..transactions.len()).filter(|index| senders[*index].is_none()).collect();
    let found = in_lanes(unknown.iter().map(|index| transactions[*index]));
    for (index, found) in unknown.into_iter().zip(found) {
        let transaction = transactions[index];
        senders[index] = match (found, transaction) {
            (Some(sender), _) => {
                remember(transaction.tx_hash(), sender);
                Some(sender)
            }
            (None, TxEnvelope::Deposit(deposit)) => Some(deposit.from),
            (None, _) => recover_unknown(transaction),
        };
    }
    senders
}

/// Senders as far as lanes find them; `None` says nothing.
pub(crate) fn in_lanes<'a>(
    transactions: impl ExactSizeIterator<Item = &'a TxEnvelope>,
) -> Vec<Option<Address>> {
    let count = transactions.len();
    if !signatures::available() {
        return vec![None; count];
    }
    let mut signed = Vec::with_capacity(count);
    let mut places = Vec::with_capacity(count);
    for (place, transaction) in transactions.enumerate() {
        if let Some((signature, hash)) = transaction.signed() {
            let (r, s) = (signature.r(), signature.s());
            signed.push(Signed { hash, r, s, y_odd: signature.v() });
            places.push(place);
        }
    }
    let mut senders = vec![None; count];
    for (place, sender) in places.into_iter().zip(signatures::recover(&signed)) {
        senders[place] = sender;
    }
    senders
}

/// Decodes a block's encoded transactions with their senders, on all cores.
pub(crate) fn decode_all(transactions: &[Bytes]) -> Result<Vec<Recovered<TxEnvelope>>, BlockError> {
    let parts = transactions.par_chunks(TOGETHER).enumerate();
    let parts: Vec<Vec<_>> = parts
        .map(|(part, raw)| decode_together(part * TOGETHER, raw))
        .collect::<Result<_, BlockError>>()?;
    Ok(parts.into_iter().flatten().collect())
}

fn decode_together(first: usize, raw: &[Bytes]) -> Result<Vec<Recovered<TxEnvelope>>, BlockError> {
    let decode = |(index, raw): (usize, &Bytes)| {
        TxEnvelope::decode_strict(raw).map_err(|_| BlockError::Undecodable { index })
    };
    let transactions = (first..).zip(raw).map(decode).collect::<Result<Vec<_>, _>>()?;
    let senders = recover_all(&transactions.iter().collect::<Vec<_>>());
    (first..)
        .zip(transactions)
        .zip(senders)
        .map(|((index, transaction), sender)| {
            let sender = sender.ok_or(BlockError::BadSignature { index })?;
            Ok(Recovered::new_unchecked(transaction, sender))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use alloy_consensus::{SignableTransaction, TxEip1559, TxEnvelope};
    use alloy_eips::eip2718::Encodable2718;
    use alloy_signer::SignerSync;
    use alloy_signer_local::PrivateKeySigner;

    use super::*;

    fn signed(key: u8, nonce: u64) -> (Bytes, Address) {
        let signer = PrivateKeySigner::from_bytes(&B256::with_last_byte(key)).unwrap();
        let transaction = TxEip1559 { chain_id: 1, nonce, ..Default::default() };
        let signature = signer.sign_hash_sync(&transaction.signature_hash()).unwrap();
        let envelope = TxEnvelope::from(transaction.into_signed(signature));
        (envelope.encoded_2718().into(), signer.address())
    }

    #[test]
    fn senders_are_those_who_signed_whether_known_or_not() {
        let all: Vec<_> = (0..200_u64).map(|nonce| signed(1 + (nonce % 7) as u8, nonce)).collect();
        let raw: Vec<Bytes> = all.iter().map(|(raw, _)| raw.clone()).collect();
        for _ in 0..2 {
            let decoded = decode_all(&raw).unwrap();
            for (recovered, (_, sender)) in decoded.iter().zip(&all) {
                assert_eq!(recovered.signer(), *sender);
                assert_eq!(known(&recovered.inner().tx_hash()), Some(*sender));
            }
        }
    }

    #[test]
    fn what_cannot_be_decoded_is_named() {
        let (good, _) = signed(1, 7_000);
        let broken = decode_all(&[good.clone(), Bytes::from_static(b"\x02\x00")]);
        assert_eq!(broken, Err(BlockError::Undecodable { index: 1 }));
        let mut trailing = good.to_vec();
        trailing.push(0);
        assert_eq!(decode_all(&[trailing.into()]), Err(BlockError::Undecodable { index: 0 }));
        // An r that is no coordinate of a point on the curve, or an s of zero.
        let mut unsigned = good.to_vec();
        let end = unsigned.len();
        unsigned[end - 65..end - 33].fill(0xff);
        assert_eq!(
            decode_all(&[good, unsigned.into()]),
            Err(BlockError::BadSignature { index: 1 })
        );
    }
}
