//! Blocks that go: their logs are taken back, their transactions wait again.

use alloy_consensus::TxEip1559;
use alloy_primitives::{B256, TxKind};
use sequencer_node::reorg;
use serde_json::{Value, json};

use crate::{
    execution::{deploy, emitter},
    harness::{CHAIN, Running, World, l1_block, quantity},
    subscriptions::{connect, next, send},
};

#[tokio::test(flavor = "multi_thread")]
async fn logs_of_blocks_that_go_are_taken_back_and_transactions_wait_again() {
    let world = World::new(2);
    let directory = tempfile::tempdir().unwrap();
    let store = world.open(directory.path());
    let node = Running::start(&world, store).await;
    node.l1_block(l1_block(0, world.genesis.timestamp, Vec::new())).await;
    let emitter = deploy(&world, &node, 0, emitter()).await;
    let raw = world.sign(
        0,
        TxEip1559 {
            chain_id: CHAIN,
            nonce: 1,
            gas_limit: 100_000,
            max_fee_per_gas: 3_000_000_000,
            max_priority_fee_per_gas: 1_000_000,
            to: TxKind::Call(emitter.as_str().unwrap().parse().unwrap()),
            input: B256::repeat_byte(0x33).to_vec().into(),
            ..Default::default()
        },
    );
    let receipt = node.sealed(raw).await;
    let number = quantity(&receipt["blockNumber"]);
    node.reach(number + 2).await;
    node.stop().await;

    // Nobody else extends this one's chain.
    let node = Running::verifier(&world, world.open(directory.path())).await;
    let head = node.head().await;
    let mut socket = connect(&node).await;
    send(&mut socket, 1, "eth_subscribe", json!(["logs", {"address": emitter}])).await;
    assert!(next(&mut socket).await["result"].is_string());
    let filter = json!([{"address": emitter}]);
    let logs = node.call("eth_newFilter", filter.clone()).await;
    let blocks = node.call("eth_newBlockFilter", json!([])).await;

    let chain = std::sync::Arc::clone(node.handle.chain());
    let pool = std::sync::Arc::clone(node.handle.pool());
    let unwound = tokio::task::spawn_blocking(move || reorg::unwind(&chain, &pool, number - 1));
    let reinjected = unwound.await.unwrap().unwrap();
    assert_eq!((reinjected.taken, reinjected.refused), (1, 0));
    assert!(head > number);

    let mut expected = receipt["logs"][0].clone();
    expected["removed"] = json!(true);
    assert_eq!(next(&mut socket).await["params"]["result"], expected);
    assert_eq!(node.call("eth_getFilterChanges", json!([logs])).await, json!([expected]));
    assert_eq!(node.call("eth_getFilterChanges", json!([logs])).await, json!([]));
    assert_eq!(node.call("eth_getFilterChanges", json!([blocks])).await, json!([]));
    assert_eq!(node.head().await, number - 1);
    let everything = json!([{"address": emitter, "fromBlock": "0x0"}]);
    assert_eq!(node.call("eth_getLogs", everything).await, json!([]));
    let hash = &receipt["transactionHash"];
    assert_eq!(node.call("eth_getTransactionReceipt", json!([hash])).await, Value::Null);
    let waiting = node.call("eth_getTransactionByHash", json!([hash])).await;
    assert_eq!((&waiting["hash"], &waiting["blockHash"]), (hash, &Value::Null));
    let status = node.call("txpool_status", json!([])).await;
    assert_eq!(status, json!({"pending": "0x1", "queued": "0x0"}));
    node.stop().await;
}
