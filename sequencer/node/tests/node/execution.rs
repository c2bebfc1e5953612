//! Calls, estimates, logs and proofs against hand-assembled contracts.

use alloy_consensus::TxEip1559;
use alloy_primitives::{Address, B256, Bytes, TxKind, U64, U256, b256, hex};
use serde_json::{Value, json};

use crate::harness::{CHAIN, Running, World, l1_block, quantity};

/// Emits one log with this topic and the first word of the calldata, and stores the word.
pub const TOPIC: B256 = b256!("00000000000000000000000000000000000000000000000000000000cafe0001");

pub fn emitter() -> Bytes {
    // PUSH0 CALLDATALOAD DUP1 PUSH0 SSTORE PUSH0 MSTORE PUSH32 topic PUSH1 32 PUSH0 LOG1 STOP
    with_init([hex!("5f35805f555f527f").as_slice(), TOPIC.as_slice(), &hex!("60205fa100")].concat())
}

pub fn reverter() -> Bytes {
    // revert(Error("nope"))
    let mut text = [0_u8; 32];
    text[..4].copy_from_slice(b"nope");
    with_init(
        [
            hex!("6308c379a060e01b5f5260206004526004602452").as_slice(),
            &hex!("7f"),
            &text,
            &hex!("60445260645ffd"),
        ]
        .concat(),
    )
}

/// Constructor code that returns `runtime`.
pub fn with_init(runtime: Vec<u8>) -> Bytes {
    let length = u8::try_from(runtime.len()).unwrap();
    let mut code = vec![0x60, length, 0x80, 0x60, 0x0a, 0x5f, 0x39, 0x5f, 0xf3, 0x00];
    code.extend(runtime);
    code.into()
}

pub async fn deploy(world: &World, node: &Running, nonce: u64, code: Bytes) -> Value {
    let raw = world.sign(
        0,
        TxEip1559 {
            chain_id: CHAIN,
            nonce,
            gas_limit: 500_000,
            max_fee_per_gas: 3_000_000_000,
            max_priority_fee_per_gas: 1_000_000,
            to: TxKind::Create,
            input: code,
            ..Default::default()
        },
    );
    let receipt = node.sealed(raw).await;
    assert_eq!(receipt["status"], "0x1", "{receipt}");
    receipt["contractAddress"].clone()
}

pub async fn start() -> (World, tempfile::TempDir, Running) {
    let world = World::new(2);
    let directory = tempfile::tempdir().unwrap();
    let node = Running::start(&world, world.open(directory.path())).await;
    node.l1_block(l1_block(0, world.genesis.timestamp, Vec::new())).await;
    (world, directory, node)
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_estimates_and_reverts() {
    let (world, _directory, node) = start().await;
    let emitter = deploy(&world, &node, 0, emitter()).await;
    let reverter = deploy(&world, &node, 1, reverter()).await;

    for method in ["eth_call", "eth_estimateGas"] {
        let answer = node.answer(method, json!([{"to": reverter}, "latest"])).await;
        let error = &answer["error"];
        assert_eq!(error["code"], 3, "{method}: {answer}");
        assert_eq!(error["message"], "execution reverted: nope");
        assert!(error["data"].as_str().unwrap().starts_with("0x08c379a0"));
    }

    // cast sends data and input; both are taken when equal, refused when they differ.
    let data = format!("0x{}", "22".repeat(32));
    let call = json!([{"to": emitter, "data": data, "input": data}, "latest"]);
    assert_eq!(node.call("eth_call", call).await, "0x");
    let call = json!([{"to": emitter, "data": data, "input": "0x00"}, "latest"]);
    assert_eq!(node.error("eth_call", call).await.0, -32_602);

    // From a contract's address, from nobody, with overrides.
    assert_eq!(node.call("eth_call", json!([{"from": emitter, "to": emitter}])).await, "0x");
    let code = json!({emitter.as_str().unwrap(): {"code": "0x425f5260205ff3"}});
    let block = json!({"time": "0x1234"});
    let timestamp = node.call("eth_call", json!([{"to": emitter}, "latest", code, block])).await;
    assert_eq!(timestamp, json!(B256::from(U256::from(0x1234))));
    let poor = json!([{"from": Address::repeat_byte(9), "to": emitter, "value": "0x1"}]);
    let (code, message) = node.error("eth_call", poor).await;
    assert_eq!(code, -32_000);
    assert!(message.starts_with("insufficient funds for gas * price + value"), "{message}");
    let cheap = json!([{"to": emitter, "gasPrice": "0x1"}]);
    let (_, message) = node.error("eth_call", cheap).await;
    assert!(message.starts_with("max fee per gas less than block base fee"), "{message}");

    let transfer =
        json!([{"from": world.address(1), "to": Address::repeat_byte(5), "value": "0x1"}]);
    assert_eq!(node.call("eth_estimateGas", transfer).await, "0x5208");
    let call = json!({"from": world.address(0), "to": emitter, "data": data});
    let estimate = quantity(&node.call("eth_estimateGas", json!([call])).await);
    let raw = |gas_limit, nonce| {
        world.sign(
            0,
            TxEip1559 {
                chain_id: CHAIN,
                nonce,
                gas_limit,
                max_fee_per_gas: 3_000_000_000,
                max_priority_fee_per_gas: 1_000_000,
                to: TxKind::Call(emitter.as_str().unwrap().parse().unwrap()),
                input: data.parse().unwrap(),
                ..Default::default()
            },
        )
    };
    let receipt = node.sealed(raw(estimate, 2)).await;
    assert_eq!(receipt["status"], "0x1");
    let used = quantity(&receipt["gasUsed"]);
    assert!(estimate >= used && estimate < used + used / 32, "{estimate} against {used}");

    let list = node.call("eth_createAccessList", json!([call])).await;
    let item = &list["accessList"][0];
    assert_eq!(item["address"], emitter);
    assert_eq!(item["storageKeys"], json!([B256::ZERO]));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_see_their_block_and_nothing_of_others() {
    let (world, _directory, node) = start().await;
    // Returns the stored word, the transient one and the block's number, and writes 9 to both.
    let runtime = hex!("5f545f525f5c6020524360405260095f5560095f5d60605ff3");
    let contract = deploy(&world, &node, 0, with_init(runtime.to_vec())).await;
    let first = quantity(&node.call("eth_blockNumber", json!([])).await);
    deploy(&world, &node, 1, emitter()).await;
    let second = quantity(&node.call("eth_blockNumber", json!([])).await);
    assert!(second > first);

    let answer = |stored: u64, block: u64| {
        let words = [stored, 0, block].map(|word| B256::from(U256::from(word)));
        json!(Bytes::from(words.concat()))
    };
    let contract_text = contract.as_str().unwrap();
    let stored =
        json!({contract_text: {"stateDiff": {B256::ZERO.to_string(): B256::with_last_byte(5)}}});
    let gone = json!({contract_text: {"code": "0x5fff"}});
    let block = |number: u64| json!(U64::from(number));
    for round in 0..20_u64 {
        let number = if round % 2 == 0 { first } else { second };
        // A refused one, one that ends in the middle, one that is dear: whatever went before.
        let poor =
            json!([{"from": Address::repeat_byte(9), "to": contract, "value": "0x1"}, "latest"]);
        assert_eq!(node.error("eth_call", poor).await.0, -32_000);
        let out_of_gas = json!([{"to": contract, "gas": U64::from(25_000 + round)}, "latest"]);
        assert_eq!(node.error("eth_call", out_of_gas).await.1, "out of gas");
        let call = json!([{"to": contract, "gas": "0x100000"}, block(number)]);
        assert_eq!(node.call("eth_call", call).await, answer(0, number));
        let changed = json!([{"to": contract}, block(number), stored]);
        assert_eq!(node.call("eth_call", changed).await, answer(5, number));
        let later = json!([{"to": contract}, block(number), {}, {"number": "0x1234"}]);
        assert_eq!(node.call("eth_call", later).await, answer(0, 0x1234));
        let ended = json!([{"to": contract}, block(number), gone]);
        assert_eq!(node.call("eth_call", ended).await, "0x");
    }
    // On every thread at once.
    let calls = (0..200_u64).map(|index| {
        let (node, contract) = (&node, &contract);
        async move {
            let number = if index % 3 == 0 { first } else { second };
            let call = json!([{"to": contract}, U64::from(number)]);
            (number, node.call("eth_call", call).await)
        }
    });
    for (number, found) in futures::future::join_all(calls).await {
        assert_eq!(found, answer(0, number));
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn precompiles_are_moved_and_replaced() {
    let (_world, _directory, node) = start().await;
    let sha256 = Address::with_last_byte(2);
    let elsewhere = Address::repeat_byte(0x77);
    let empty_hash = b256!("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_eq!(node.call("eth_call", json!([{"to": sha256}])).await, json!(empty_hash));

    let moved = json!({sha256.to_string(): {"movePrecompileToAddress": elsewhere}});
    let call = |to| json!([{"to": to}, "latest", moved]);
    assert_eq!(node.call("eth_call", call(elsewhere)).await, json!(empty_hash));
    assert_eq!(node.call("eth_call", call(sha256)).await, "0x");
    // Other calls are not affected.
    assert_eq!(node.call("eth_call", json!([{"to": sha256}])).await, json!(empty_hash));

    // PUSH1 7 PUSH0 MSTORE PUSH1 32 PUSH0 RETURN in the precompile's place.
    let code = json!({sha256.to_string(): {"code": "0x60075f5260205ff3"}});
    let answer = node.call("eth_call", json!([{"to": sha256}, "latest", code])).await;
    assert_eq!(answer, json!(B256::with_last_byte(7)));

    let identity = Address::with_last_byte(4);
    for refused in [
        json!({elsewhere.to_string(): {"movePrecompileToAddress": sha256}}),
        json!({sha256.to_string(): {"movePrecompileToAddress": sha256}}),
        json!({
            sha256.to_string(): {"movePrecompileToAddress": elsewhere},
            elsewhere.to_string(): {"balance": "0x1"},
        }),
    ] {
        let (code, _) = node.error("eth_call", json!([{"to": sha256}, "latest", refused])).await;
        assert_eq!(code, -32_000, "{refused}");
    }
    // Of two at one address the one that was higher is there (`eth_simulateV1`'s suite lets them).
    let both = json!({
        identity.to_string(): {"movePrecompileToAddress": elsewhere},
        sha256.to_string(): {"movePrecompileToAddress": elsewhere},
    });
    let call = json!([{"to": elsewhere, "data": "0x1234"}, "latest", both]);
    assert_eq!(node.call("eth_call", call).await, "0x1234");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_slots_in_one_request() {
    let (world, _directory, node) = start().await;
    let emitter = deploy(&world, &node, 0, emitter()).await;
    let word = B256::repeat_byte(0x44);
    let before = node.call("eth_blockNumber", json!([])).await;
    let raw = world.sign(
        0,
        TxEip1559 {
            chain_id: CHAIN,
            nonce: 1,
            gas_limit: 100_000,
            max_fee_per_gas: 3_000_000_000,
            max_priority_fee_per_gas: 1_000_000,
            to: TxKind::Call(emitter.as_str().unwrap().parse().unwrap()),
            input: word.to_vec().into(),
            ..Default::default()
        },
    );
    node.sealed(raw).await;
    let (here, nowhere) = (emitter.as_str().unwrap(), Address::repeat_byte(9).to_string());
    let slots = json!({here: ["0x0", B256::with_last_byte(1)], nowhere.to_lowercase(): ["0x5"]});
    let values = node.call("eth_getStorageValues", json!([slots, "latest"])).await;
    let expected = json!({here: [word, B256::ZERO], nowhere.to_lowercase(): [B256::ZERO]});
    assert_eq!(values, expected);
    let values = node.call("eth_getStorageValues", json!([{here: ["0x0"]}, before])).await;
    assert_eq!(values, json!({here: [B256::ZERO]}));

    assert_eq!(node.error("eth_getStorageValues", json!([{}])).await.0, -32_602);
    let many = json!([{here: vec!["0x0"; 1_025]}]);
    assert_eq!(node.error("eth_getStorageValues", many).await.0, -38_026);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_filters_storage_and_proofs() {
    let (world, _directory, node) = start().await;
    let emitter = deploy(&world, &node, 0, emitter()).await;
    let everything = json!([{"address": emitter, "fromBlock": "0x0"}]);
    let filter = node.call("eth_newFilter", everything).await;
    let blocks = node.call("eth_newBlockFilter", json!([])).await;
    let pending = node.call("eth_newPendingTransactionFilter", json!([])).await;

    let word = B256::repeat_byte(0x33);
    let raw = world.sign(
        0,
        TxEip1559 {
            chain_id: CHAIN,
            nonce: 1,
            gas_limit: 100_000,
            max_fee_per_gas: 3_000_000_000,
            max_priority_fee_per_gas: 1_000_000,
            to: TxKind::Call(emitter.as_str().unwrap().parse().unwrap()),
            input: word.to_vec().into(),
            ..Default::default()
        },
    );
    let receipt = node.sealed(raw).await;
    let log = &receipt["logs"][0];
    assert_eq!(log["topics"], json!([TOPIC]));
    assert_eq!(log["data"], json!(word));

    for filter in [
        json!({"fromBlock": "0x0", "toBlock": "latest", "address": emitter}),
        json!({"fromBlock": "earliest", "topics": [TOPIC]}),
        json!({"fromBlock": "0x0", "topics": [[TOPIC, B256::ZERO]]}),
        json!({"blockHash": receipt["blockHash"]}),
    ] {
        let logs = node.call("eth_getLogs", json!([filter])).await;
        assert_eq!(logs, json!([log]), "{filter}");
    }
    for filter in [
        json!({"fromBlock": "0x0", "address": Address::ZERO}),
        json!({"fromBlock": "0x0", "topics": [null, TOPIC]}),
        json!({"fromBlock": "0xfffffff", "toBlock": "0xfffffff"}),
    ] {
        assert_eq!(node.call("eth_getLogs", json!([filter])).await, json!([]), "{filter}");
    }

    assert_eq!(node.call("eth_getFilterChanges", json!([filter])).await, json!([log]));
    assert_eq!(node.call("eth_getFilterChanges", json!([filter])).await, json!([]));
    assert_eq!(node.call("eth_getFilterLogs", json!([filter])).await, json!([log]));
    let hashes = node.call("eth_getFilterChanges", json!([blocks])).await;
    assert!(hashes.as_array().unwrap().contains(&receipt["blockHash"]));
    let hashes = node.call("eth_getFilterChanges", json!([pending])).await;
    assert_eq!(hashes, json!([receipt["transactionHash"]]));
    assert_eq!(node.call("eth_uninstallFilter", json!([pending])).await, json!(true));
    assert_eq!(node.call("eth_uninstallFilter", json!([pending])).await, json!(false));

    assert_eq!(node.call("eth_getStorageAt", json!([emitter, "0x0", "latest"])).await, json!(word));
    let code = node.call("eth_getCode", json!([emitter, "latest"])).await;
    assert!(code.as_str().unwrap().starts_with("0x5f35"));
    let proof = node.call("eth_getProof", json!([emitter, ["0x0", B256::ZERO], "latest"])).await;
    assert_eq!(proof["storageProof"][0]["key"], "0x0");
    assert_eq!(proof["storageProof"][0]["value"], json!(U256::from_be_bytes(word.0)));
    assert_eq!(proof["storageProof"][1]["key"], json!(B256::ZERO));
    assert_eq!(proof["nonce"], "0x1");
    assert!(!proof["accountProof"].as_array().unwrap().is_empty());

    let history = node.call("eth_feeHistory", json!(["0x4", "latest", [10, 50]])).await;
    let count = history["gasUsedRatio"].as_array().unwrap().len();
    assert_eq!(history["baseFeePerGas"].as_array().unwrap().len(), count + 1);
    assert_eq!(history["reward"].as_array().unwrap().len(), count);
    let history = node.call("eth_feeHistory", json!([4, "latest", null])).await;
    assert!(history["reward"].is_null());
    assert!(quantity(&node.call("eth_gasPrice", json!([])).await) > 0);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_for_a_gap_says_so() {
    let world = World::new(2);
    let directory = tempfile::tempdir().unwrap();
    // Without L1 no block is built: the wait must end by itself.
    let node = Running::start(&world, world.open(directory.path())).await;
    let raw = world.transfer(4, 5, Address::ZERO, U256::ONE);
    let answer = node.answer("eth_sendRawTransactionSync", json!([raw])).await;
    assert_eq!((&answer["error"]["code"], &answer["error"]["data"]), (&json!(6), &json!("0x0")));
    let raw = world.transfer(5, 0, Address::ZERO, U256::ONE);
    let answer = node.answer("eth_sendRawTransactionSync", json!([raw, 50])).await;
    assert_eq!(answer["error"]["code"], 4, "{answer}");
    node.l1_block(l1_block(0, world.genesis.timestamp, Vec::new())).await;
    node.receipt(&answer["error"]["data"]).await;
    node.stop().await;
}
