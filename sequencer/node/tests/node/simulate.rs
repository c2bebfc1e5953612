//! Simulated blocks and bundles of calls, filled transactions, and what the node says it serves.

use alloy_primitives::{Address, B256, U256, keccak256};
use serde_json::{Value, json};

use crate::{
    execution::{deploy, emitter, reverter, start},
    harness::{CHAIN, quantity},
};

const POOR: Address = Address::repeat_byte(0x51);
const HEIR: Address = Address::repeat_byte(0x52);

/// Blocks link up, numbers and times that were left out are filled in, and what one block leaves the
/// next begins with.
#[tokio::test(flavor = "multi_thread")]
async fn blocks_follow_each_other() {
    let (_world, _directory, node) = start().await;
    node.reach(2).await;
    let base = node.call("eth_getBlockByNumber", json!(["0x2", false])).await;
    // Returns BLOCKHASH of NUMBER - 1.
    let hash_of_parent = "0x60014303405f5260205ff3";
    let contract = Address::repeat_byte(0x53);
    let (poor, address) = (POOR.to_string(), contract.to_string());
    let payload = json!({
        "blockStateCalls": [
            {
                "stateOverrides": {poor: {"balance": "0x64"}},
                "calls": [{"from": POOR, "to": HEIR, "value": "0x3c"}],
            },
            {
                "blockOverrides": {"number": "0x5"},
                "stateOverrides": {address: {"code": hash_of_parent}},
                "calls": [
                    {"from": HEIR, "to": POOR, "value": "0x3c"},
                    {"to": contract},
                ],
            },
        ],
        "traceTransfers": true,
    });
    let blocks = node.call("eth_simulateV1", json!([payload, "0x2"])).await;
    let blocks = blocks.as_array().unwrap();
    let numbers: Vec<u64> = blocks.iter().map(|block| quantity(&block["number"])).collect();
    assert_eq!(numbers, [3, 4, 5]);
    let mut parent = &base;
    for block in blocks {
        assert_eq!(block["parentHash"], parent["hash"]);
        assert_eq!(quantity(&block["timestamp"]), quantity(&parent["timestamp"]) + 12);
        assert_eq!(block["baseFeePerGas"], "0x0");
        parent = block;
    }
    // An empty block changes nothing.
    assert_eq!(blocks[1]["stateRoot"], blocks[0]["stateRoot"]);
    assert_ne!(blocks[0]["stateRoot"], base["stateRoot"]);

    let log = &blocks[0]["calls"][0]["logs"][0];
    assert_eq!(log["address"], "0xeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee");
    assert_eq!(log["topics"][0], json!(keccak256("Transfer(address,address,uint256)")));
    assert_eq!(log["topics"][1], json!(POOR.into_word()));
    assert_eq!(log["topics"][2], json!(HEIR.into_word()));
    assert_eq!(log["data"], json!(B256::from(U256::from(0x3c))));
    assert_eq!(log["blockHash"], blocks[0]["hash"]);
    // It is no log of the block.
    assert_eq!(quantity(&blocks[0]["calls"][0]["gasUsed"]), 21_000);
    assert!(blocks[0]["logsBloom"].as_str().unwrap()[2..].bytes().all(|digit| digit == b'0'));

    assert_eq!(blocks[2]["calls"][0]["status"], "0x1");
    assert_eq!(blocks[2]["calls"][1]["returnData"], blocks[1]["hash"]);
    node.stop().await;
}

/// An empty simulated block has the state root of the block it follows, however far back that is.
#[tokio::test(flavor = "multi_thread")]
async fn roots_follow_from_any_block() {
    let (world, _directory, node) = start().await;
    for nonce in 0..3 {
        let raw = world.transfer(0, nonce, HEIR, U256::from(1));
        node.sealed(raw).await;
    }
    let mut roots = Vec::new();
    for number in 1..=node.head().await {
        let number = format!("{number:#x}");
        let base = node.call("eth_getBlockByNumber", json!([number, false])).await;
        let payload = json!({"blockStateCalls": [{}]});
        let blocks = node.call("eth_simulateV1", json!([payload, number])).await;
        assert_eq!(blocks[0]["stateRoot"], base["stateRoot"], "after {number}");
        assert_eq!(blocks[0]["withdrawalsRoot"], base["withdrawalsRoot"]);
        roots.push(base["stateRoot"].to_string());
    }
    roots.dedup();
    assert!(roots.len() > 3, "the chain's state never changed");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_simulated_has_its_code() {
    let (world, _directory, node) = start().await;
    let reverter = deploy(&world, &node, 0, reverter()).await;
    let call = |call: Value| json!([{"blockStateCalls": [{"calls": [call]}]}]);
    let valid = |call: Value| json!([{"blockStateCalls": [{"calls": [call]}], "validation": true}]);
    let rich = world.address(1);
    let fees = |mut call: Value| {
        call["maxFeePerGas"] = json!("0x77359400");
        call["from"] = json!(rich);
        call["gas"] = json!("0x7530");
        call
    };
    let cases = [
        (json!([{"blockStateCalls": []}]), -32_602),
        (json!([{"blockStateCalls": vec![json!({}); 257]}]), -38_026),
        (json!([{"blockStateCalls": [{"blockOverrides": {"number": "0xffffff"}}]}]), -38_026),
        (json!([{"blockStateCalls": [{"blockOverrides": {"number": "0x0"}}]}]), -38_020),
        (json!([{"blockStateCalls": [{"blockOverrides": {"time": "0x1"}}]}]), -38_021),
        (call(json!({"from": POOR, "to": HEIR, "value": "0x1"})), -38_014),
        (call(json!({"to": HEIR, "gas": "0x1"})), -38_013),
        (call(json!({"to": HEIR, "gas": "0xffffffffffff"})), -38_015),
        (valid(json!({"from": rich, "to": HEIR})), -32_602),
        (valid(fees(json!({"to": HEIR, "nonce": "0x7"}))), -38_011),
        (json!([{"blockStateCalls": [{}]}, "0xffff"]), -32_000),
    ];
    for (params, code) in cases {
        assert_eq!(node.error("eth_simulateV1", params.clone()).await.0, code, "{params}");
    }
    let paid = valid(fees(json!({"to": HEIR, "value": "0x1"})));
    let blocks = node.call("eth_simulateV1", paid).await;
    assert_eq!(blocks[0]["calls"][0]["status"], "0x1");
    assert_ne!(blocks[0]["baseFeePerGas"], "0x0");

    let blocks = node.call("eth_simulateV1", call(json!({"to": reverter}))).await;
    let failed = &blocks[0]["calls"][0];
    assert_eq!((&failed["status"], &failed["error"]["code"]), (&json!("0x0"), &json!(-32_000)));
    assert_eq!(failed["error"]["message"], "execution reverted: nope");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bundles_run_one_after_the_other() {
    let (world, _directory, node) = start().await;
    let emitter = deploy(&world, &node, 0, emitter()).await;
    let reverter = deploy(&world, &node, 1, reverter()).await;
    // Returns slot 0.
    let reader = json!({emitter.as_str().unwrap(): {"code": "0x5f545f5260205ff3"}});
    let store = format!("0x{}", "07".repeat(32));
    let bundles = json!([
        {"transactions": [{"to": emitter, "data": store}, {"to": reverter}]},
        {"transactions": [{"from": world.address(1), "to": POOR, "value": "0x5"}]},
        {"transactions": [{"from": POOR, "to": HEIR, "value": "0x5"}],
         "blockOverride": {"number": "0x1000"}},
    ]);
    let answers = node.call("eth_callMany", json!([bundles, {"blockNumber": "latest"}])).await;
    assert_eq!(
        answers,
        json!([
            [{"value": "0x"}, {"error": "execution reverted: nope"}],
            [{"value": "0x"}],
            [{"value": "0x"}],
        ])
    );
    let read = json!([{"transactions": [{"to": emitter}]}]);
    let answers = node.call("eth_callMany", json!([read, null, reader])).await;
    assert_eq!(answers[0][0]["value"], json!(B256::ZERO), "nothing was kept");
    assert_eq!(node.error("eth_callMany", json!([[]])).await.0, -32_602);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn transactions_are_filled() {
    let (world, _directory, node) = start().await;
    node.sealed(world.transfer(1, 0, HEIR, U256::from(1))).await;
    let request = json!({"from": world.address(1), "to": HEIR, "value": "0x5"});
    let filled = node.call("eth_fillTransaction", json!([request])).await;
    let tx = &filled["tx"];
    assert_eq!(
        (&tx["nonce"], &tx["gas"], &tx["type"], quantity(&tx["chainId"])),
        (&json!("0x1"), &json!("0x5208"), &json!("0x2"), CHAIN)
    );
    let head = node.call("eth_getBlockByNumber", json!(["latest", false])).await;
    assert!(quantity(&tx["maxFeePerGas"]) > quantity(&head["baseFeePerGas"]));
    assert!(filled["raw"].as_str().unwrap().starts_with("0x02"));
    let given = json!({"from": world.address(1), "to": HEIR, "gas": "0x9999", "nonce": "0x20",
        "maxFeePerGas": "0x77359400", "maxPriorityFeePerGas": "0x3"});
    let filled = node.call("eth_fillTransaction", json!([given])).await;
    for field in ["gas", "nonce", "maxFeePerGas", "maxPriorityFeePerGas"] {
        assert_eq!(filled["tx"][field], given[field], "{field}");
    }
    let (_, message) = node.error("eth_fillTransaction", json!([{"from": POOR}])).await;
    assert_eq!(message, "contract creation without any data provided");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_served_is_told() {
    let (_world, _directory, node) = start().await;
    node.reach(1).await;
    let served = node.call("eth_capabilities", json!([])).await;
    let head = format!("{:#x}", quantity(&served["head"]["number"]));
    let block = node.call("eth_getBlockByNumber", json!([head, false])).await;
    assert_eq!(served["head"]["hash"], block["hash"]);
    for resource in ["state", "tx", "logs", "receipts", "blocks"] {
        let expected =
            json!({"disabled": false, "oldestBlock": "0x0", "deleteStrategy": {"type": "none"}});
        assert_eq!(served[resource], expected, "{resource}");
    }
    assert_eq!(
        served["stateproofs"]["deleteStrategy"],
        json!({"type": "window", "retentionBlocks": 10_000})
    );

    let config = node.call("eth_config", json!([])).await;
    let current = &config["current"];
    assert_eq!(quantity(&current["chainId"]), CHAIN);
    assert_eq!(current["precompiles"]["ECREC"], json!(Address::with_last_byte(1)));
    assert_eq!(
        current["systemContracts"]["HISTORY_STORAGE_ADDRESS"],
        "0x0000f90827f1c53a10cb7a02335b175320002935"
    );
    assert_eq!(current["forkId"].as_str().unwrap().len(), 10);
    assert_eq!((&config["next"], &config["last"]), (&Value::Null, &Value::Null));
    node.stop().await;
}
