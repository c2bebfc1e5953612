//! Transactions, receipts, blocks and witnesses.

use alloy_consensus::{
    BlockBody, Eip658Value, Header, Receipt, SignableTransaction, TxEip1559, TxEip2930, TxEip4844,
    TxEip7702, TxLegacy, transaction::SignerRecoverable,
};
use alloy_eips::{Decodable2718, Encodable2718};
use alloy_primitives::{Address, B256, Bytes, Log, Signature, U256, keccak256};
use alloy_rlp::Decodable;
use primitives::{ReceiptEnvelope, TxDeposit, TxEnvelope, TxType, Witness};
use stf::{
    WitnessState, lookup,
    trie::{SparseTrie, TrieId},
};

/// EIP-2718 bytes of a transaction.
pub(crate) fn transaction(data: &[u8]) {
    let Ok(decoded) = TxEnvelope::decode_strict(data) else { return };
    assert_eq!(decoded.encoded_2718(), data, "two encodings of one transaction");
    // Whether it recovers is the signature's business; that it ends is ours.
    let _ = decoded.recover_signer();
}

/// EIP-2718 bytes of a receipt.
pub(crate) fn receipt(data: &[u8]) {
    let Ok(decoded) = ReceiptEnvelope::decode_2718_exact(data) else { return };
    let encoded = decoded.encoded_2718();
    assert_eq!(ReceiptEnvelope::decode_2718_exact(&encoded).ok(), Some(decoded));
}

/// RLP of a block, as an import file holds it.
pub(crate) fn block(data: &[u8]) {
    let mut rest = data;
    let Ok(decoded) = alloy_consensus::Block::<TxEnvelope>::decode(&mut rest) else { return };
    let encoded = alloy_rlp::encode(&decoded);
    let mut again = encoded.as_slice();
    assert_eq!(
        alloy_consensus::Block::<TxEnvelope>::decode(&mut again).map(|block| block.header),
        Ok(decoded.header)
    );
}

/// A record of the block log.
pub(crate) fn log_record(data: &[u8]) {
    store::fuzzing::block_record(data);
}

/// A snapshot, or a chunk of one.
pub(crate) fn snapshot(data: &[u8]) {
    store::fuzzing::snapshot(data);
}

pub(crate) fn snapshots() -> Vec<Vec<u8>> {
    store::fuzzing::snapshot_seeds()
}

/// A witness, and its nodes as tries: the first node is taken for a root, keys lead into all of them.
pub(crate) fn witness(data: &[u8]) {
    let data = Bytes::copy_from_slice(data);
    let Ok(decoded) = Witness::decode(&data) else { return };
    assert_eq!(decoded.encode(), data, "two encodings of one witness");
    let Some(last) = decoded.headers.last() else { return };
    let Ok(state) = WitnessState::new(&decoded, last.hash_slow()) else { return };
    for (index, node) in (0_u8..8).zip(&decoded.nodes) {
        let root = keccak256(node);
        let mut trie = SparseTrie::new(&state, TrieId::Accounts, root);
        for key in [B256::ZERO, B256::repeat_byte(index << 4), keccak256([index])] {
            let found = lookup(&state, TrieId::Accounts, root, key);
            assert_eq!(found.is_ok(), trie.proof(key).is_ok(), "two ways to the same key differ");
            if trie.insert(key, vec![1; 40]).is_err() || trie.remove(key).is_err() {
                break;
            }
        }
    }
}

/// A trie of a few leaves of every depth, with code and headers that follow each other.
pub(crate) fn witnesses() -> Vec<Vec<u8>> {
    let nothing = Witness { headers: vec![Header::default()], ..Default::default() };
    let empty = WitnessState::new(&nothing, Header::default().hash_slow())
        .unwrap_or_else(|error| panic!("{error}"));
    let mut trie = SparseTrie::new(&empty, TrieId::Accounts, alloy_consensus::EMPTY_ROOT_HASH);
    for last in [1, 2, 0x10, 0x80] {
        for key in [B256::with_last_byte(last), keccak256([last])] {
            trie.insert(key, vec![last; usize::from(last)]).unwrap_or_else(|e| panic!("{e}"));
        }
    }
    let (_, updates) = trie.seal();
    let nodes = updates.iter().filter_map(|(_, node)| node.map(Bytes::copy_from_slice)).collect();
    let parent = Header { number: 4, ..Default::default() };
    let header = Header { number: 5, parent_hash: parent.hash_slow(), ..Default::default() };
    let codes = vec![Bytes::from_static(&[0x60, 0]), Bytes::from_static(&[0xef, 1, 0])];
    let whole = Witness::new(nodes, codes, vec![parent, header]);
    vec![whole.encode(), nothing.encode(), Witness::default().encode()]
}

pub(crate) fn log_records() -> Vec<Vec<u8>> {
    vec![store::fuzzing::block_record_seed(), Vec::new()]
}

pub(crate) fn envelopes() -> Vec<TxEnvelope> {
    let to = Address::repeat_byte(0x22);
    let input = Bytes::from_static(&[0xa9, 0x05, 0x9c, 0xbb, 1, 2, 3]);
    let signature = Signature::new(U256::from(7), U256::from(9), true);
    vec![
        TxLegacy { chain_id: Some(16_120), to: to.into(), gas_limit: 21_000, ..Default::default() }
            .into_signed(signature)
            .into(),
        TxLegacy { chain_id: None, gas_price: 1, ..Default::default() }
            .into_signed(signature)
            .into(),
        TxEip2930 { chain_id: 16_120, input: input.clone(), to: to.into(), ..Default::default() }
            .into_signed(signature)
            .into(),
        TxEip1559 {
            chain_id: 16_120,
            nonce: 3,
            gas_limit: 100_000,
            max_fee_per_gas: 2_000_000_000,
            max_priority_fee_per_gas: 1_000_000,
            to: to.into(),
            value: U256::from(10).pow(U256::from(18)),
            input: input.clone(),
            ..Default::default()
        }
        .into_signed(signature)
        .into(),
        TxEip4844 {
            chain_id: 1,
            to,
            blob_versioned_hashes: vec![B256::with_last_byte(1)],
            max_fee_per_blob_gas: 1,
            ..Default::default()
        }
        .into_signed(signature)
        .into(),
        TxEip7702 { chain_id: 16_120, to, ..Default::default() }.into_signed(signature).into(),
        TxDeposit { to: to.into(), mint: 5, gas_limit: 1_000_000, input, ..Default::default() }
            .into(),
    ]
}

pub(crate) fn transactions() -> Vec<Vec<u8>> {
    envelopes().iter().map(Encodable2718::encoded_2718).collect()
}

pub(crate) fn receipts() -> Vec<Vec<u8>> {
    let log = Log::new_unchecked(
        Address::repeat_byte(1),
        vec![B256::repeat_byte(2), B256::repeat_byte(3)],
        Bytes::from_static(b"data"),
    );
    let kinds = [TxType::Legacy, TxType::Eip1559, TxType::Eip4844, TxType::Deposit];
    kinds
        .into_iter()
        .flat_map(|kind| {
            [Eip658Value::Eip658(true), Eip658Value::PostState(B256::repeat_byte(4))].map(
                |status| {
                    let receipt =
                        Receipt { status, cumulative_gas_used: 21_000, logs: vec![log.clone()] };
                    ReceiptEnvelope::new(kind, receipt, Some(1), Some(1)).encoded_2718()
                },
            )
        })
        .collect()
}

pub(crate) fn blocks() -> Vec<Vec<u8>> {
    let body = |transactions, withdrawals| BlockBody::<TxEnvelope> {
        transactions,
        ommers: vec![Header::default()],
        withdrawals,
    };
    let old = body(envelopes(), None).into_block(Header::default());
    let header = Header {
        base_fee_per_gas: Some(1),
        withdrawals_root: Some(B256::ZERO),
        blob_gas_used: Some(0),
        excess_blob_gas: Some(0),
        parent_beacon_block_root: Some(B256::ZERO),
        requests_hash: Some(B256::ZERO),
        ..Default::default()
    };
    let new = body(envelopes(), Some(Default::default())).into_block(header);
    vec![alloy_rlp::encode(&old), alloy_rlp::encode(&new)]
}
