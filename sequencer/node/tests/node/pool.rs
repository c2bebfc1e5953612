//! The pool as clients and restarts see it.

use alloy_primitives::{Address, U256};
use serde_json::{Value, json};

use crate::harness::{Running, World, l1_block, quantity};

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_survives_a_restart() {
    let world = World::new(2);
    let directory = tempfile::tempdir().unwrap();
    // Without L1 no block is built.
    let node = Running::start(&world, world.open(directory.path())).await;
    let mut hashes = Vec::new();
    for (from, nonce) in [(0, 0), (0, 1), (1, 0), (2, 4)] {
        let raw = world.transfer(from, nonce, Address::ZERO, U256::ONE);
        hashes.push(node.call("eth_sendRawTransaction", json!([raw])).await);
    }
    let status = node.call("txpool_status", json!([])).await;
    assert_eq!(status, json!({"pending": "0x3", "queued": "0x1"}));
    node.stop().await;

    let node = Running::start(&world, world.open(directory.path())).await;
    assert_eq!(node.call("txpool_status", json!([])).await, status);
    node.l1_block(l1_block(0, world.genesis.timestamp, Vec::new())).await;
    for hash in &hashes[..3] {
        assert_eq!(node.receipt(hash).await["status"], "0x1");
    }
    node.stop().await;

    // What is included is not taken back; what waits still is.
    let node = Running::start(&world, world.open(directory.path())).await;
    let status = node.call("txpool_status", json!([])).await;
    assert_eq!(status, json!({"pending": "0x0", "queued": "0x1"}));
    node.stop().await;

    // A torn file: what can be read counts, and the node starts.
    let journal = directory.path().join("pool.journal");
    let mut bytes = std::fs::read(&journal).unwrap();
    bytes.extend_from_slice(&[0, 0, 1, 0, 7]);
    std::fs::write(&journal, bytes).unwrap();
    let node = Running::start(&world, world.open(directory.path())).await;
    assert_eq!(node.call("txpool_status", json!([])).await, status);
    node.stop().await;
    std::fs::write(&journal, b"something else").unwrap();
    let node = Running::start(&world, world.open(directory.path())).await;
    let empty = json!({"pending": "0x0", "queued": "0x0"});
    assert_eq!(node.call("txpool_status", json!([])).await, empty);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn conditional_transactions_enter_only_while_their_conditions_hold() {
    const METHOD: &str = "eth_sendRawTransactionConditional";
    let world = World::new(2);
    let directory = tempfile::tempdir().unwrap();
    let node = Running::start(&world, world.open(directory.path())).await;
    node.l1_block(l1_block(0, world.genesis.timestamp, Vec::new())).await;
    node.reach(1).await;
    let raw = |nonce| world.transfer(0, nonce, Address::ZERO, U256::ONE);
    let contract = primitives::L2_TO_L1_MESSAGE_PASSER;
    let proof = node.call("eth_getProof", json!([contract, ["0x0"], "latest"])).await;
    let root = &proof["storageHash"];
    let other = format!("0x{}", "11".repeat(32));
    let zero = format!("0x{}", "00".repeat(32));
    let far = "0xffffffff";

    for unmet in [
        json!({"knownAccounts": {contract.to_string(): other}}),
        json!({"knownAccounts": {contract.to_string(): {zero.as_str(): other}}}),
        json!({"blockNumberMax": "0x0"}),
        json!({"blockNumberMin": far}),
        json!({"timestampMax": "0x1"}),
        json!({"timestampMin": far}),
        json!({"blockNumberMin": "0x5", "blockNumberMax": "0x4"}),
    ] {
        let error = node.error(METHOD, json!([raw(0), unmet])).await;
        assert_eq!(error.0, -32_003, "{unmet}: {error:?}");
    }
    let slots: serde_json::Map<String, Value> =
        (0..1_001_u32).map(|slot| (format!("{slot:#066x}"), json!(zero))).collect();
    let costly = json!({"knownAccounts": {contract.to_string(): slots}});
    assert_eq!(node.error(METHOD, json!([raw(0), costly])).await.0, -32_005);
    assert_eq!(node.error(METHOD, json!([raw(0)])).await.0, -32_602);

    let met = json!({
        "knownAccounts": {
            contract.to_string(): root,
            primitives::L1_BLOCK.to_string(): {other.as_str(): zero},
        },
        "blockNumberMin": "0x1", "blockNumberMax": far, "timestampMin": "0x1", "timestampMax": far,
    });
    let hash = node.call(METHOD, json!([raw(0), met])).await;
    assert_eq!(node.receipt(&hash).await["status"], "0x1");

    // Met at the head, but not when a block could take it.
    let head = node.call("eth_getBlockByNumber", json!(["latest", false])).await;
    let now = json!({"blockNumberMax": head["number"]});
    let answer = node.answer(METHOD, json!([raw(1), now])).await;
    // A block may have come in between.
    if let Some(hash) = answer.get("result") {
        node.reach(quantity(&head["number"]) + 3).await;
        assert_eq!(node.call("eth_getTransactionByHash", json!([hash])).await, Value::Null);
    } else {
        assert_eq!(answer["error"]["code"], -32_003, "{answer}");
    }
    let hash = node.call("eth_sendRawTransaction", json!([raw(1)])).await;
    assert_eq!(node.receipt(&hash).await["status"], "0x1");
    node.stop().await;
}
