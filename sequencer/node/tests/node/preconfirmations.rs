//! What is told of the open block is what the sealed block holds.

use std::collections::BTreeMap;

use alloy_consensus::TxEip1559;
use alloy_primitives::{Address, Bytes, TxKind, U256, address, hex};
use rand::{Rng, SeedableRng, rngs::StdRng};
use sequencer_node::{NodeError, SequencerError};
use serde_json::{Value, json};

use crate::{
    execution::with_init,
    harness::{CHAIN, ETHER, Running, World, l1_block, quantity},
};

const ALICE: Address = address!("a11ce00000000000000000000000000000000001");

/// Counts its calls in slot 0 and emits as many logs as the first byte of the calldata says; reverts
/// without calldata.
fn logger() -> Bytes {
    // if (!calldatasize) revert; slot0 += 1; for (n = calldata[0]; n != 0; n -= 1) log1(0, 0, n)
    with_init(
        hex!("36156024575f546001015f555f3560f81c5b8015602257805f5fa1600190036011565b005b5f5ffd")
            .to_vec(),
    )
}

/// A node whose blocks are `block_time` seconds apart, the first of them due after one such time.
async fn start(block_time: u64) -> (World, tempfile::TempDir, Running) {
    let mut world = World::new(0);
    world.rollup.block_time = block_time;
    let directory = tempfile::tempdir().unwrap();
    let node = Running::start(&world, world.open(directory.path())).await;
    node.l1_block(l1_block(0, world.genesis.timestamp, Vec::new())).await;
    (world, directory, node)
}

fn call(world: &World, from: usize, nonce: u64, to: TxKind, input: Bytes) -> Bytes {
    world.sign(
        from,
        TxEip1559 {
            chain_id: CHAIN,
            nonce,
            gas_limit: 400_000,
            max_fee_per_gas: 3_000_000_000,
            max_priority_fee_per_gas: 1_000_000 + u128::from(nonce),
            to,
            input,
            ..Default::default()
        },
    )
}

async fn sync(node: &Running, raw: Bytes) -> Value {
    node.call("eth_sendRawTransactionSync", json!([raw])).await
}

/// A receipt without the hash of its block, which is not known before it is sealed.
fn without_block_hash(mut receipt: Value) -> Value {
    receipt["blockHash"] = Value::Null;
    for log in receipt["logs"].as_array_mut().unwrap() {
        log["blockHash"] = Value::Null;
    }
    receipt
}

#[tokio::test(flavor = "multi_thread")]
async fn preconfirmed_receipts_are_the_sealed_ones() {
    let (world, _directory, node) = start(1).await;
    let deployed = sync(&node, call(&world, 0, 0, TxKind::Create, logger())).await;
    let logger: Address = deployed["contractAddress"].as_str().unwrap().parse().unwrap();
    let mut told = BTreeMap::from([(deployed["transactionHash"].to_string(), deployed)]);
    // Several clients at once, until a few blocks are sealed.
    let until = node.head().await + 3;
    let clients = (1..9_usize).map(|client| {
        let (world, node) = (&world, &node);
        async move {
            let mut random = StdRng::seed_from_u64(client as u64);
            let mut receipts = Vec::new();
            let mut nonce = 0;
            while node.head().await < until {
                let raw = match random.random_range(0..4) {
                    0 => world.transfer(client, nonce, ALICE, U256::from(nonce)),
                    1 => call(world, client, nonce, TxKind::Call(logger), Bytes::new()),
                    _ => {
                        let count = random.random_range(0..4);
                        call(world, client, nonce, TxKind::Call(logger), [count].into())
                    }
                };
                receipts.push(sync(node, raw).await);
                nonce += 1;
            }
            receipts
        }
    });
    for receipt in futures::future::join_all(clients).await.into_iter().flatten() {
        told.insert(receipt["transactionHash"].to_string(), receipt);
    }
    let last = told.values().map(|receipt| quantity(&receipt["blockNumber"])).max().unwrap();
    node.reach(last).await;

    assert!(told.values().any(|receipt| receipt["status"] == "0x0"));
    assert!(told.values().any(|receipt| receipt["logs"].as_array().unwrap().len() > 1));
    assert!(told.values().any(|receipt| quantity(&receipt["transactionIndex"]) > 1));
    let mut found = 0;
    for number in 1..=last {
        let receipts = node.call("eth_getBlockReceipts", json!([format!("{number:#x}")])).await;
        // The first is the L1 attributes; everything else was told before.
        for sealed in receipts.as_array().unwrap().iter().skip(1) {
            let receipt = told[&sealed["transactionHash"].to_string()].clone();
            assert_eq!(receipt["blockHash"], json!(alloy_primitives::B256::ZERO));
            assert_eq!(without_block_hash(receipt), without_block_hash(sealed.clone()));
            found += 1;
        }
    }
    assert_eq!(found, told.len());
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pending_tag_reads_the_open_block() {
    let (world, directory, node) = start(600).await;
    let deployed = sync(&node, call(&world, 0, 0, TxKind::Create, logger())).await;
    assert_eq!((&deployed["status"], &deployed["blockNumber"]), (&json!("0x1"), &json!("0x1")));
    let logger = deployed["contractAddress"].clone();
    let to = TxKind::Call(logger.as_str().unwrap().parse().unwrap());
    let logged = sync(&node, call(&world, 0, 1, to, [2].into())).await;
    assert_eq!(logged["logs"][1]["logIndex"], "0x1");
    sync(&node, world.transfer(1, 0, ALICE, ETHER)).await;

    // Nothing of it is sealed.
    assert_eq!(node.head().await, 0);
    let one = json!("0xde0b6b3a7640000");
    for (tag, balance, nonce, count) in
        [("latest", json!("0x0"), "0x0", 0), ("pending", one, "0x2", 1)]
    {
        assert_eq!(node.call("eth_getBalance", json!([ALICE, tag])).await, balance, "{tag}");
        let sent = node.call("eth_getTransactionCount", json!([world.address(0), tag])).await;
        assert_eq!(sent, nonce, "{tag}");
        let slot = node.call("eth_getStorageAt", json!([logger, "0x0", tag])).await;
        assert_eq!(slot, json!(alloy_primitives::B256::with_last_byte(count)), "{tag}");
    }
    assert_eq!(node.call("eth_getCode", json!([logger, "latest"])).await, "0x");
    let code = node.call("eth_getCode", json!([logger, "pending"])).await;
    assert!(code.as_str().unwrap().starts_with("0x3615"), "{code}");
    assert_eq!(node.call("eth_call", json!([{"to": logger}, "latest"])).await, "0x");
    assert_eq!(node.error("eth_call", json!([{"to": logger}, "pending"])).await.0, 3);

    let block = node.call("eth_getBlockByNumber", json!(["pending", true])).await;
    assert_eq!(block["number"], "0x1");
    assert_eq!(quantity(&block["timestamp"]), world.genesis.timestamp + 600);
    assert_eq!(block["transactions"].as_array().unwrap().len(), 4);
    assert_eq!(block["transactions"][2]["hash"], logged["transactionHash"]);
    assert_eq!(
        block["gasUsed"],
        node.call("eth_getBlockReceipts", json!(["pending"])).await[3]["cumulativeGasUsed"]
    );

    // A transaction in it is still on its way for whoever does not ask for more.
    let hash = &logged["transactionHash"];
    let waiting = node.call("eth_getTransactionByHash", json!([hash])).await;
    assert_eq!((&waiting["hash"], &waiting["blockNumber"]), (hash, &Value::Null));
    assert_eq!(node.call("eth_getTransactionReceipt", json!([hash])).await, Value::Null);
    assert_eq!(node.call("eth_getTransactionReceipt", json!([hash, "pending"])).await, logged);

    // A node that is stopped keeps what it promised.
    node.stop().await;
    let store = world.open(directory.path());
    let sealed = store.block(1).unwrap().unwrap();
    assert_eq!(json!(sealed.body.transactions[2].tx_hash()), *hash);
    assert_eq!(sealed.body.transactions.len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_funded_in_the_open_block_pays_in_it() {
    let (mut world, _directory, node) = start(600).await;
    let fresh = alloy_signer_local::PrivateKeySigner::from_bytes(
        &alloy_primitives::B256::with_last_byte(99),
    )
    .unwrap();
    let raw = world.transfer(2, 0, fresh.address(), ETHER);
    world.accounts.push(fresh);
    let spend = world.transfer(world.accounts.len() - 1, 0, ALICE, U256::ONE);
    assert_eq!(node.error("eth_sendRawTransactionSync", json!([spend])).await.0, -32_000);
    sync(&node, raw).await;
    let receipt = sync(&node, spend).await;
    assert_eq!((&receipt["status"], &receipt["blockNumber"]), (&json!("0x1"), &json!("0x1")));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_is_taken_best_price_first() {
    let mut world = World::new(0);
    world.rollup.block_time = 600;
    let directory = tempfile::tempdir().unwrap();
    let node = Running::start(&world, world.open(directory.path())).await;
    // Without L1 no block is open yet: these wait in the pool.
    for (from, tip) in [(0, 5), (1, 9), (2, 7)] {
        for nonce in 0..2 {
            let raw = world.sign(
                from,
                TxEip1559 {
                    chain_id: CHAIN,
                    nonce,
                    gas_limit: 21_000,
                    max_fee_per_gas: 3_000_000_000,
                    max_priority_fee_per_gas: 1_000_000 * tip + 100_000 * u128::from(nonce),
                    to: TxKind::Call(ALICE),
                    ..Default::default()
                },
            );
            node.call("eth_sendRawTransaction", json!([raw])).await;
        }
    }
    node.l1_block(l1_block(0, world.genesis.timestamp, Vec::new())).await;
    // The last of them is in the block when this is.
    sync(&node, world.transfer(3, 0, ALICE, U256::ONE)).await;
    let block = node.call("eth_getBlockByNumber", json!(["pending", true])).await;
    let order: Vec<(Value, u64)> = block["transactions"].as_array().unwrap()[1..7]
        .iter()
        .map(|transaction| (transaction["from"].clone(), quantity(&transaction["nonce"])))
        .collect();
    let expected: Vec<(Value, u64)> = [1, 1, 2, 2, 0, 0]
        .into_iter()
        .zip([0, 1, 0, 1, 0, 1])
        .map(|(from, nonce)| (json!(format!("{:?}", world.address(from))), nonce))
        .collect();
    assert_eq!(order, expected);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_far_behind_the_chain_stops_the_sequencer() {
    let mut world = World::new(0);
    // As if the clock had been set back by an hour since the newest block.
    world.genesis.timestamp += 3_600;
    let header = store::genesis_header(&world.genesis).unwrap();
    world.rollup.genesis.l2.hash = primitives::Sealable::hash_slow(&header);
    let directory = tempfile::tempdir().unwrap();
    let node = Running::start(&world, world.open(directory.path())).await;
    node.l1_block(l1_block(0, world.genesis.timestamp, Vec::new())).await;
    let error = node.handle.join().await.unwrap_err();
    assert!(
        matches!(&error, NodeError::Sequencer(SequencerError::ClockBehind { clock, head })
            if head - clock > 3_000),
        "{error:?}"
    );
}
