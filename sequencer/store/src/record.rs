//! A block as the log holds it: everything that a checkpoint needs, but for the trie nodes, which are
//! computed again and checked against the header when a block is read back. Bytes:
//! `docs/formats/store.md`.

use std::collections::BTreeMap;

use alloy_consensus::Header;
use alloy_eips::BlockNumHash;
use alloy_primitives::{Address, Bytes, KECCAK256_EMPTY, U256};
use alloy_rlp::{Decodable, Encodable};
use primitives::{Block, ReceiptEnvelope};
use stf::{Account, AccountChange, StateChanges};

use crate::{
    input::{Input, integer},
    receipts::{decode_receipt, encode_receipt},
    tables::{Value, decode_body, encode_body},
};

const BEFORE: u8 = 1;
const AFTER: u8 = 2;
const CODE_BEFORE: u8 = 4;
const CODE_AFTER: u8 = 8;
const WIPED: u8 = 16;

/// The parts of a block that the log holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BlockRecord {
    pub(crate) block: Block,
    pub(crate) receipts: Vec<ReceiptEnvelope>,
    pub(crate) senders: Vec<Address>,
    pub(crate) changes: StateChanges,
}

/// The payload of a block's record.
pub(crate) fn encode_block(
    block: &Block,
    receipts: &[ReceiptEnvelope],
    senders: &[Address],
    changes: &StateChanges,
) -> Vec<u8> {
    let mut out = Vec::with_capacity(512 * (1 + block.body.transactions.len()));
    out.extend_from_slice(block.hash.as_slice());
    section(&mut out, |out| block.header.encode(out));
    section(&mut out, |out| encode_body(&block.body, out));
    section(&mut out, |out| {
        for receipt in receipts {
            encode_receipt(out, receipt);
        }
    });
    section(&mut out, |out| out.extend(senders.iter().flat_map(|sender| sender.0.0)));
    section(&mut out, |out| {
        for (address, change) in &changes.accounts {
            encode_change(out, address, change);
        }
    });
    section(&mut out, |out| {
        for (hash, code) in &changes.codes {
            out.extend_from_slice(hash.as_slice());
            section(out, |out| out.extend_from_slice(code));
        }
    });
    out
}

pub(crate) fn decode_block(bytes: &[u8]) -> Option<BlockRecord> {
    let mut input = Input(bytes);
    let hash = input.word()?;
    let header = exact(input.section()?)?;
    let body = decode_body(input.section()?)?;
    let mut receipts = Vec::with_capacity(body.transactions.len());
    let mut rest = input.section()?;
    while !rest.is_empty() {
        receipts.push(decode_receipt(&mut rest)?);
    }
    let senders = <Vec<Address> as Value>::decode(input.section()?)?;
    let mut changes = StateChanges::default();
    let mut rest = Input(input.section()?);
    while !rest.0.is_empty() {
        let (address, change) = decode_change(&mut rest)?;
        changes.accounts.insert(address, change);
    }
    let mut rest = Input(input.section()?);
    while !rest.0.is_empty() {
        let hash = rest.word()?;
        changes.codes.insert(hash, Bytes::copy_from_slice(rest.section()?));
    }
    let block = Block { hash, header, body };
    let same = receipts.len() == block.body.transactions.len() && senders.len() == receipts.len();
    (input.0.is_empty() && same).then_some(BlockRecord { block, receipts, senders, changes })
}

/// The payload of a record of two heads.
pub(crate) fn encode_heads(safe: BlockNumHash, finalized: BlockNumHash) -> Vec<u8> {
    [safe.encode(), finalized.encode()].concat()
}

pub(crate) fn decode_heads(bytes: &[u8]) -> Option<(BlockNumHash, BlockNumHash)> {
    let (safe, finalized) = bytes.split_at_checked(40)?;
    Some((BlockNumHash::decode(safe)?, BlockNumHash::decode(finalized)?))
}

fn encode_change(out: &mut Vec<u8>, address: &Address, change: &AccountChange) {
    out.extend_from_slice(address.as_slice());
    let flags =
        [(change.before, BEFORE, CODE_BEFORE), (change.after, AFTER, CODE_AFTER)]
            .into_iter()
            .filter_map(|(account, exists, code)| {
                account.map(|account| {
                    if account.code_hash == KECCAK256_EMPTY { exists } else { exists | code }
                })
            })
            .fold(if change.wiped { WIPED } else { 0 }, |all, flag| all | flag);
    out.push(flags);
    for account in [change.before, change.after].into_iter().flatten() {
        integer(out, U256::from(account.nonce));
        integer(out, account.balance);
        if account.code_hash != KECCAK256_EMPTY {
            out.extend_from_slice(account.code_hash.as_slice());
        }
    }
    out.extend_from_slice(&(change.storage.len() as u32).to_be_bytes());
    for (slot, (before, after)) in &change.storage {
        integer(out, *slot);
        integer(out, *before);
        integer(out, *after);
    }
}

fn decode_change(input: &mut Input<'_>) -> Option<(Address, AccountChange)> {
    let address = Address::from(*input.take::<20>()?);
    let [flags] = *input.take::<1>()?;
    let mut account = |exists: u8, code: u8| -> Option<Option<Account>> {
        if flags & exists == 0 {
            return Some(None);
        }
        let nonce = u64::try_from(input.integer()?).ok()?;
        let balance = input.integer()?;
        let code_hash = if flags & code == 0 { KECCAK256_EMPTY } else { input.word()? };
        Some(Some(Account { nonce, balance, code_hash }))
    };
    let before = account(BEFORE, CODE_BEFORE)?;
    let after = account(AFTER, CODE_AFTER)?;
    let count = u32::from_be_bytes(*input.take::<4>()?);
    let mut storage = BTreeMap::new();
    for _ in 0..count {
        let slot = input.integer()?;
        storage.insert(slot, (input.integer()?, input.integer()?));
    }
    let wiped = flags & WIPED != 0;
    Some((address, AccountChange { before, after, storage, wiped }))
}

/// Length u32, then what `fill` writes.
fn section(out: &mut Vec<u8>, fill: impl FnOnce(&mut Vec<u8>)) {
    let at = out.len();
    out.extend_from_slice(&[0; 4]);
    fill(out);
    // A record is below 4 GiB or it is refused as a whole.
    let length = (out.len() - at - 4) as u32;
    if let Some(place) = out.get_mut(at..at + 4) {
        place.copy_from_slice(&length.to_be_bytes());
    }
}

fn exact(mut bytes: &[u8]) -> Option<Header> {
    let header = Header::decode(&mut bytes).ok()?;
    bytes.is_empty().then_some(header)
}

#[cfg(test)]
mod tests {
    use alloy_primitives::B256;
    use primitives::BlockBody;
    use proptest::prelude::*;

    use super::*;

    fn account() -> impl Strategy<Value = Option<Account>> {
        proptest::option::of((any::<u64>(), any::<[u8; 32]>(), any::<Option<[u8; 32]>>()).prop_map(
            |(nonce, balance, code)| Account {
                nonce,
                balance: U256::from_be_bytes(balance),
                code_hash: code.map_or(KECCAK256_EMPTY, B256::from),
            },
        ))
    }

    fn changes() -> impl Strategy<Value = StateChanges> {
        let word = || any::<[u8; 32]>().prop_map(U256::from_be_bytes::<32>);
        let storage = proptest::collection::btree_map(word(), (word(), word()), 0..4);
        let change = (account(), account(), storage, any::<bool>()).prop_map(
            |(before, after, storage, wiped)| AccountChange { before, after, storage, wiped },
        );
        let address = any::<[u8; 20]>().prop_map(Address::from);
        let code = proptest::collection::vec(any::<u8>(), 0..40).prop_map(Bytes::from);
        let codes =
            proptest::collection::btree_map(any::<[u8; 32]>().prop_map(B256::from), code, 0..3);
        (proptest::collection::btree_map(address, change, 0..6), codes)
            .prop_map(|(accounts, codes)| StateChanges { accounts, codes })
    }

    proptest! {
        #[test]
        fn changes_round_trip(changes in changes(), number: u64) {
            let header = Header { number, ..Default::default() };
            let block = Block { hash: header.hash_slow(), header, body: BlockBody::default() };
            let bytes = encode_block(&block, &[], &[], &changes);
            let record = BlockRecord { block, receipts: Vec::new(), senders: Vec::new(), changes };
            prop_assert_eq!(decode_block(&bytes), Some(record));
            for end in 0..bytes.len() {
                prop_assert_eq!(decode_block(&bytes[..end]), None);
            }
        }

        #[test]
        fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = decode_block(&bytes);
            let _ = decode_heads(&bytes);
        }
    }
}
