//! Transactions become blocks; blocks survive restarts; L1 decides origins and safe heads.

use std::time::Duration;

use alloy_consensus::Sealable;
use alloy_eips::BlockNumHash;
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, address};
use primitives::TxDeposit;
use sequencer_node::{NodeError, SafeHeadUpdate, SequencerError};
use serde_json::json;

use crate::harness::{ETHER, Running, World, l1_block, quantity};

const ALICE: Address = address!("a11ce00000000000000000000000000000000001");

#[tokio::test(flavor = "multi_thread")]
async fn transfers_are_included_with_receipts_in_op_geths_shape() {
    let world = World::new(2);
    let directory = tempfile::tempdir().unwrap();
    let node = Running::start(&world, world.open(directory.path())).await;
    node.l1_block(l1_block(0, world.genesis.timestamp, Vec::new())).await;

    let raw = world.transfer(0, 0, ALICE, ETHER);
    let hash = node.call("eth_sendRawTransaction", json!([raw])).await;
    let pooled = node.call("eth_getTransactionByHash", json!([hash])).await;
    assert_eq!(pooled["from"], json!(format!("{:?}", world.address(0))));
    let receipt = node.receipt(&hash).await;
    assert_eq!(receipt["status"], "0x1");
    assert_eq!(receipt["type"], "0x2");
    assert_eq!(receipt["gasUsed"], "0x5208");
    assert_eq!(receipt["transactionIndex"], "0x1");
    for field in [
        "l1Fee",
        "l1GasUsed",
        "l1GasPrice",
        "l1BaseFeeScalar",
        "l1BlobBaseFee",
        "l1BlobBaseFeeScalar",
        "operatorFeeScalar",
        "operatorFeeConstant",
        "daFootprintGasScalar",
    ] {
        assert!(receipt[field].is_string() || receipt[field].is_number(), "{field}: {receipt}");
    }
    assert_eq!(
        node.call("eth_getBalance", json!([ALICE, "latest"])).await,
        json!("0xde0b6b3a7640000")
    );
    for tag in ["latest", "pending"] {
        let nonce = node.call("eth_getTransactionCount", json!([world.address(0), tag])).await;
        assert_eq!(nonce, "0x1", "{tag}");
    }
    // State before the transfer is still served.
    let before = quantity(&receipt["blockNumber"]) - 1;
    let balance = node.call("eth_getBalance", json!([ALICE, format!("{before:#x}")])).await;
    assert_eq!(balance, "0x0");

    // The block opens with the L1 attributes deposit.
    let block = node.call("eth_getBlockByNumber", json!([receipt["blockNumber"], true])).await;
    assert_eq!(block["hash"], receipt["blockHash"]);
    let attributes = &block["transactions"][0];
    assert_eq!(attributes["type"], "0x7e");
    assert_eq!(attributes["from"], "0xdeaddeaddeaddeaddeaddeaddeaddeaddead0001");
    for field in ["sourceHash", "mint", "nonce", "gasPrice", "r", "s", "v"] {
        assert!(attributes[field].is_string() || field == "mint", "{field}: {attributes}");
    }
    let deposit = node.receipt(&attributes["hash"]).await;
    assert_eq!(deposit["type"], "0x7e");
    assert_eq!(deposit["depositReceiptVersion"], "0x1");
    assert!(deposit["depositNonce"].is_string());
    assert_eq!(block["transactions"][1]["hash"], hash);
    assert_eq!(node.call("eth_getTransactionByHash", json!([hash])).await["chainId"], "0x3ef8");

    let receipts = node.call("eth_getBlockReceipts", json!([receipt["blockNumber"]])).await;
    assert_eq!(receipts[1], receipt);
    let by_hash = json!([{"blockHash": receipt["blockHash"], "requireCanonical": true}]);
    assert_eq!(node.call("eth_getBlockReceipts", by_hash).await, receipts);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deposits_open_the_first_block_of_their_epoch() {
    let world = World::new(4);
    let directory = tempfile::tempdir().unwrap();
    let node = Running::start(&world, world.open(directory.path())).await;
    let start = world.genesis.timestamp;
    let deposit = TxDeposit {
        source_hash: B256::repeat_byte(7),
        from: ALICE,
        to: TxKind::Call(ALICE),
        mint: ETHER.to(),
        value: U256::ZERO,
        gas_limit: 100_000,
        is_system_transaction: false,
        input: Bytes::new(),
    };
    let hash = deposit.hash_slow();
    node.l1_block(l1_block(0, start, Vec::new())).await;
    node.l1_block(l1_block(1, start + 2, vec![deposit])).await;

    let receipt = node.receipt(&json!(hash)).await;
    assert_eq!((&receipt["blockNumber"], &receipt["status"]), (&json!("0x2"), &json!("0x1")));
    assert_eq!(receipt["transactionIndex"], "0x1");
    assert_eq!(
        node.call("eth_getBalance", json!([ALICE, "latest"])).await,
        json!("0xde0b6b3a7640000")
    );
    let status = node.call("optimism_syncStatus", json!([])).await;
    assert_eq!(status["unsafe_l2"]["l1origin"]["number"], 1);
    assert_eq!(status["head_l1"]["number"], 1);
    assert_eq!(status["safe_l2"]["number"], 0);
    let output = node.call("optimism_outputAtBlock", json!(["0x2"])).await;
    assert_eq!(output["version"], json!(B256::ZERO));
    assert_eq!(output["blockRef"]["number"], 2);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_continues_the_chain_and_catches_up() {
    let world = World::new(30);
    let directory = tempfile::tempdir().unwrap();
    let (height, head) = {
        let node = Running::start(&world, world.open(directory.path())).await;
        for number in 0..20 {
            let time = world.genesis.timestamp + 2 * number;
            node.l1_block(l1_block(number, time, Vec::new())).await;
        }
        let hash =
            node.call("eth_sendRawTransaction", json!([world.transfer(0, 0, ALICE, ETHER)])).await;
        node.receipt(&hash).await;
        // Thirty slots were missed: they are built at once.
        node.reach(30).await;
        let block = node.call("eth_getBlockByNumber", json!(["latest", false])).await;
        node.stop().await;
        (quantity(&block["number"]), block["hash"].clone())
    };
    let store = world.open(directory.path());
    let reference = store.l2_block_ref(store.heads().unwrap().unsafe_head.number).unwrap().unwrap();
    let from = sequencer_node::sequencer::l1_start(&reference);
    let node = Running::start(&world, store).await;
    assert!(node.head().await >= height);
    let again = node.call("eth_getBlockByNumber", json!([format!("{height:#x}"), false])).await;
    assert_eq!(again["hash"], head);
    assert!(from > 0);
    // Earlier blocks, as a verifier on the same watcher needs them, do no harm.
    for number in from - 1..40 {
        let time = world.genesis.timestamp + 2 * number;
        node.l1_block(l1_block(number, time, Vec::new())).await;
    }
    node.reach(height + 1).await;
    let hash =
        node.call("eth_sendRawTransaction", json!([world.transfer(0, 1, ALICE, ETHER)])).await;
    node.receipt(&hash).await;
    // Every block one second after the other, whenever it was built.
    for number in 1..=node.head().await {
        let block = node.call("eth_getBlockByNumber", json!([format!("{number:#x}"), false])).await;
        assert_eq!(quantity(&block["timestamp"]), world.genesis.timestamp + number);
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn safe_heads_move_the_tags_and_a_mismatch_ends_the_node() {
    let world = World::new(5);
    let directory = tempfile::tempdir().unwrap();
    let node = Running::start(&world, world.open(directory.path())).await;
    node.l1_block(l1_block(0, world.genesis.timestamp, Vec::new())).await;
    node.reach(4).await;

    let built = node.handle.chain().block(3).unwrap().unwrap();
    let genesis = node.handle.chain().rollup().unwrap().genesis.l2;
    let safe = BlockNumHash { number: 3, hash: built.hash() };
    let derived_from = BlockNumHash { number: 0, hash: l1_block(0, 0, Vec::new()).hash };
    let update = SafeHeadUpdate { safe, finalized: genesis, derived_from, resets: 0 };
    node.safe.send(update).unwrap();
    for _ in 0..100 {
        let block = node.call("eth_getBlockByNumber", json!(["safe", false])).await;
        if block["number"] == "0x3" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let block = node.call("eth_getBlockByNumber", json!(["safe", false])).await;
    assert_eq!(block["hash"], json!(built.hash()));
    let block = node.call("eth_getBlockByNumber", json!(["finalized", false])).await;
    assert_eq!(block["number"], "0x0");

    let wrong = BlockNumHash { number: 4, hash: B256::repeat_byte(9) };
    node.safe.send(SafeHeadUpdate { safe: wrong, ..update }).unwrap();
    let error = node.handle.join().await.unwrap_err();
    assert!(
        matches!(
            &error,
            NodeError::Sequencer(SequencerError::SafeMismatch { derived, .. }) if *derived == wrong
        ),
        "{error:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn l1_fees_are_charged_as_the_receipt_says() {
    let world = World::new(2);
    let directory = tempfile::tempdir().unwrap();
    let node = Running::start(&world, world.open(directory.path())).await;
    node.l1_block(l1_block(0, world.genesis.timestamp, Vec::new())).await;
    let before = node.call("eth_getBalance", json!([world.address(3), "latest"])).await;
    let hash =
        node.call("eth_sendRawTransaction", json!([world.transfer(3, 0, ALICE, ETHER)])).await;
    let receipt = node.receipt(&hash).await;
    let after = node.call("eth_getBalance", json!([world.address(3), "latest"])).await;
    let amount = |value: &serde_json::Value| -> U256 { value.as_str().unwrap().parse().unwrap() };
    let gas = amount(&receipt["gasUsed"]) * amount(&receipt["effectiveGasPrice"]);
    assert!(amount(&receipt["l1Fee"]) > U256::ZERO);
    assert_eq!(amount(&before) - amount(&after), ETHER + gas + amount(&receipt["l1Fee"]));
    node.stop().await;
}
