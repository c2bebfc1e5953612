//! The index against looking at every log, over chains that grow, lose blocks and are reopened.

use std::{collections::BTreeMap, sync::Arc};

use alloy_consensus::{Eip658Value, Receipt, ReceiptWithBloom, SignableTransaction, TxLegacy};
use alloy_primitives::{Address, B256, Bytes, Log, Signature};
use primitives::{Block, BlockBody, GenesisL2, Header};
use primitives::{ReceiptEnvelope, TxEnvelope};
use proptest::{collection::vec, prelude::*};
use stf::{ExecutedBlock, StateChanges, StateRootProvider};

use super::*;
use crate::{Store, StoreOptions};

fn genesis() -> GenesisL2 {
    GenesisL2 {
        chain_id: 1,
        timestamp: 0,
        gas_limit: 60_000_000,
        base_fee_per_gas: 1,
        extra_data: Bytes::new(),
        alloc: BTreeMap::new(),
    }
}

/// Address and topics.
type Spec = (u8, Vec<u8>);

fn address(value: u8) -> Address {
    Address::with_last_byte(value)
}

fn topic(value: u8) -> B256 {
    B256::with_last_byte(value)
}

fn receipt(logs: &[Spec]) -> ReceiptEnvelope {
    let logs = logs
        .iter()
        .map(|(from, topics)| {
            Log::new_unchecked(
                address(*from),
                topics.iter().map(|value| topic(*value)).collect(),
                Bytes::new(),
            )
        })
        .collect();
    let receipt = Receipt { status: Eip658Value::Eip658(true), cumulative_gas_used: 21_000, logs };
    ReceiptEnvelope::Legacy(ReceiptWithBloom::from(receipt))
}

fn commit(store: &Arc<Store>, receipts: Vec<ReceiptEnvelope>) {
    let number = store.heads().unwrap().unsafe_head.number;
    let parent = store.header(number).unwrap().unwrap();
    let changes = StateChanges::default();
    let roots = store.head_roots().unwrap().state_root(&changes).unwrap();
    let header = Header {
        parent_hash: store.block_hash(number).unwrap().unwrap(),
        number: number + 1,
        timestamp: parent.timestamp + 1,
        ..parent
    };
    let transactions = (0..receipts.len() as u64)
        .map(|nonce| {
            let unsigned = TxLegacy { nonce, gas_limit: number, ..Default::default() };
            TxEnvelope::from(unsigned.into_signed(Signature::test_signature()))
        })
        .collect();
    let senders = vec![Address::ZERO; receipts.len()];
    let block = Block { hash: header.hash_slow(), header, body: BlockBody::rollup(transactions) };
    store.commit(&ExecutedBlock { block, receipts, senders, changes, roots }).unwrap();
}

/// Alternatives for the address and for each position.
type Query = (Vec<u8>, [Vec<u8>; 4]);

fn has(log: &Log, (addresses, topics): &Query) -> bool {
    (addresses.is_empty() || addresses.iter().any(|value| address(*value) == log.address))
        && topics.iter().enumerate().all(|(at, alternatives)| {
            alternatives.is_empty()
                || log
                    .topics()
                    .get(at)
                    .is_some_and(|found| alternatives.iter().any(|value| topic(*value) == *found))
        })
}

/// Block, transaction hash, number in the block: what identifies a log to a client.
type Place = (u64, B256, u64);

fn looked_at(store: &Store, query: &Query, from: u64, to: u64) -> Vec<Place> {
    let mut places = Vec::new();
    for number in from..=to.min(store.heads().unwrap().unsafe_head.number) {
        let block = store.block(number).unwrap().unwrap();
        let mut log_number = 0;
        for (at, receipt) in store.receipts(number).unwrap().unwrap().iter().enumerate() {
            for log in receipt.logs() {
                if has(log, query) {
                    places.push((number, *block.body.transactions[at].hash(), log_number));
                }
                log_number += 1;
            }
        }
    }
    places
}

/// With the last block that the index covers.
fn found(store: &Store, query: &Query, from: u64, to: u64) -> (Vec<Place>, u64) {
    let addresses: Vec<Address> = query.0.iter().map(|value| address(*value)).collect();
    let topics = query.1.each_ref().map(|set| set.iter().map(|v| topic(*v)).collect::<Vec<_>>());
    let query_of_index = LogQuery::new(&addresses, topics.each_ref());
    let mut places = Vec::new();
    let covered = store
        .find_logs::<StoreError>(&query_of_index, from, to, |found| {
            let header = store.header(found.block_number)?.unwrap();
            assert_eq!(found.block_hash, header.hash_slow());
            assert_eq!(found.block_timestamp, header.timestamp);
            // Of the values of one receipt, each group's is there, though not in one log.
            for (at, group) in [&query.0].into_iter().chain(&query.1).enumerate() {
                let one: Query = if at == 0 {
                    (group.clone(), Default::default())
                } else {
                    let mut topics: [Vec<u8>; 4] = Default::default();
                    topics[at - 1].clone_from(group);
                    (Vec::new(), topics)
                };
                assert!(found.logs.iter().any(|log| has(log, &one)));
            }
            for (number, log) in (found.first_log..).zip(&found.logs) {
                if has(log, query) {
                    places.push((found.block_number, found.transaction_hash(), number));
                }
            }
            Ok(true)
        })
        .unwrap();
    assert!(covered <= to.min(store.heads().unwrap().unsafe_head.number));
    (places, covered)
}

#[derive(Clone, Debug)]
enum Step {
    Blocks(Vec<Vec<Vec<Spec>>>),
    Unwind(u64),
    /// The database catches up.
    Flush,
    Reopen,
}

fn log() -> impl Strategy<Value = Spec> {
    (0_u8..6, vec(0_u8..8, 0..=4))
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => vec(vec(vec(log(), 0..4), 0..4), 1..40).prop_map(Step::Blocks),
        2 => (0_u64..60).prop_map(Step::Unwind),
        3 => Just(Step::Flush),
        1 => Just(Step::Reopen),
    ]
}

fn query() -> impl Strategy<Value = (Query, u64, u64)> {
    let set = |weight| {
        prop_oneof![
            3 => Just(Vec::new()),
            weight => vec(0_u8..9, 1..3),
        ]
    };
    ((set(2), [set(2), set(2), set(1), set(1)]), 0_u64..150, 0_u64..200).prop_filter(
        "the index needs a value",
        |((addresses, topics), ..)| {
            !addresses.is_empty() || topics.iter().any(|set| !set.is_empty())
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn finds_exactly_what_looking_at_every_log_finds(
        steps in vec(step(), 1..10),
        queries in vec(query(), 1..30),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let options = StoreOptions { durable: false, ..StoreOptions::default() };
        let mut store = Store::open(dir.path(), options).unwrap();
        store.init_genesis(&genesis()).unwrap();
        for step in steps {
            let flushed = matches!(step, Step::Flush);
            match step {
                Step::Flush => store.flush().unwrap(),
                Step::Blocks(blocks) => for block in blocks {
                    commit(&store, block.iter().map(|logs| receipt(logs)).collect());
                },
                Step::Unwind(back) => {
                    let head = store.heads().unwrap().unsafe_head.number;
                    store.unwind_to(head.saturating_sub(back)).unwrap();
                }
                Step::Reopen => {
                    drop(store);
                    store = Store::open(dir.path(), options).unwrap();
                }
            }
            for (query, from, length) in &queries {
                let to = from + length;
                let (places, covered) = found(&store, query, *from, to);
                prop_assert_eq!(places, looked_at(&store, query, *from, covered));
                prop_assert!(!flushed || covered == to.min(store.heads().unwrap().unsafe_head.number));
            }
        }
    }

    #[test]
    fn damage_is_told(bytes in vec(any::<u8>(), 0..200)) {
        if let Some(segment) = Segment::decode(5, &bytes) {
            let _ = segment.find(7, 0, 100).iter().count();
            let _ = segment.up_to(6);
        }
    }
}

/// Few segments are left however many blocks there were, and none is larger than allowed.
#[test]
fn segments_are_merged_as_far_as_their_size_allows() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), StoreOptions { durable: false, ..StoreOptions::default() })
        .unwrap();
    store.init_genesis(&genesis()).unwrap();
    for number in 1_u8..=255 {
        // One address, two topics: three entries a block.
        commit(&store, vec![receipt(&[(1, vec![2, number])])]);
    }
    store.flush().unwrap();
    let txn = store.db.read().unwrap();
    let from = block_key(Table::LogIndex, 0);
    let segments = txn.values_from(&from, &[Table::LogIndex as u8]).unwrap();
    let sizes: Vec<usize> =
        segments.iter().map(|(key, value)| decode(key, value).unwrap().len()).collect();
    assert_eq!(sizes.iter().sum::<usize>(), 3 * 255);
    assert!(sizes.iter().all(|size| *size <= ENTRIES_MAX), "{sizes:?}");
    assert!(sizes.len() <= 6, "{sizes:?}");
    drop(segments);

    // Stopping early, and the order.
    let query = LogQuery::new(&[address(1)], [&[], &[], &[], &[]]);
    let mut numbers = Vec::new();
    store
        .find_logs::<StoreError>(&query, 100, u64::MAX, |found| {
            numbers.push(found.block_number);
            Ok(numbers.len() < 50)
        })
        .unwrap();
    assert_eq!(numbers, (100..150).collect::<Vec<u64>>());
}

/// The doctor compares the index with the receipts.
#[test]
fn a_lost_segment_is_found_by_the_doctor() {
    let dir = tempfile::tempdir().unwrap();
    let lost = |findings: &[String]| {
        findings.iter().filter(|finding| finding.contains("by the log index")).count()
    };
    {
        let store = Store::open(dir.path(), StoreOptions::default()).unwrap();
        store.init_genesis(&genesis()).unwrap();
        for number in 1..20 {
            commit(&store, vec![receipt(&[]), receipt(&[(1, vec![2, number])])]);
        }
    }
    let examined = crate::doctor::examine(dir.path(), |_, _| {}).unwrap();
    assert_eq!(lost(&examined.findings), 0);
    {
        let store = Store::open(dir.path(), StoreOptions::default()).unwrap();
        let txn = store.db.write().unwrap();
        // Those of blocks 8 to 15 are merged.
        txn.delete(&block_key(Table::LogIndex, 8)).unwrap();
        txn.commit().unwrap();
    }
    let examined = crate::doctor::examine(dir.path(), |_, _| {}).unwrap();
    assert_eq!(lost(&examined.findings), 8);
}
