//! Wrong bytes, wrong JSON, wrong transactions: a clear answer each, and the node lives on.

use alloy_consensus::TxEip1559;
use alloy_primitives::{Address, TxKind, U256};
use sequencer_node::NodeError;
use serde_json::{Value, json};

use crate::harness::{CHAIN, ETHER, Running, World, l1_block};

async fn node() -> (World, tempfile::TempDir, Running) {
    let world = World::new(2);
    let directory = tempfile::tempdir().unwrap();
    let store = world.open(directory.path());
    let node = Running::try_start(&world, store, |config| {
        config.rpc.body_bytes_max = 100_000;
        config.rpc.batch_max = 5;
    })
    .await
    .unwrap();
    node.l1_block(l1_block(0, world.genesis.timestamp, Vec::new())).await;
    node.reach(1).await;
    (world, directory, node)
}

#[tokio::test(flavor = "multi_thread")]
async fn transactions_are_refused_in_geths_words() {
    let (world, _directory, node) = node().await;
    let to = Address::repeat_byte(1);
    let good = TxEip1559 {
        chain_id: CHAIN,
        nonce: 0,
        gas_limit: 21_000,
        max_fee_per_gas: 3_000_000_000,
        max_priority_fee_per_gas: 1_000_000,
        to: TxKind::Call(to),
        ..Default::default()
    };
    let cases = [
        (TxEip1559 { chain_id: 1, ..good.clone() }, "invalid sender: invalid chain id for signer"),
        (TxEip1559 { gas_limit: 20_000, ..good.clone() }, "intrinsic gas too low"),
        (TxEip1559 { gas_limit: 100_000_000, ..good.clone() }, "exceeds block gas limit"),
        (
            TxEip1559 { value: ETHER * U256::from(2_000), ..good.clone() },
            "insufficient funds for gas * price + value",
        ),
        (TxEip1559 { max_priority_fee_per_gas: 0, ..good.clone() }, "transaction underpriced"),
        (
            TxEip1559 { max_priority_fee_per_gas: 4_000_000_000, ..good.clone() },
            "max priority fee per gas higher than max fee per gas",
        ),
    ];
    for (transaction, expected) in cases {
        let raw = world.sign(0, transaction);
        let (code, message) = node.error("eth_sendRawTransaction", json!([raw])).await;
        assert!(code == -32_000 && message.starts_with(expected), "{expected}: {code} {message}");
    }

    // A gap waits, and is known meanwhile; the missing nonce releases it; then both are used up.
    // What waits for a gap enters no block, however slow the machine is; what is executed may at any time.
    let gapped = world.transfer(0, 1, to, ETHER);
    let second = node.call("eth_sendRawTransaction", json!([gapped])).await;
    let status = node.call("txpool_status", json!([])).await;
    assert_eq!(status, json!({"pending": "0x0", "queued": "0x1"}));
    let (_, message) = node.error("eth_sendRawTransaction", json!([gapped])).await;
    assert_eq!(message, "already known");
    let (_, message) =
        node.error("eth_sendRawTransaction", json!([world.transfer(0, 1, to, U256::ONE)])).await;
    assert_eq!(message, "replacement transaction underpriced");
    let missing = world.transfer(0, 0, to, ETHER);
    node.call("eth_sendRawTransaction", json!([missing])).await;
    node.receipt(&second).await;
    for used in [missing, gapped] {
        let (_, message) = node.error("eth_sendRawTransaction", json!([used])).await;
        assert!(message.starts_with("nonce too low"), "{message}");
    }

    for malformed in ["0x", "0x02", "0xc0", "0x7e", "0x03c0"] {
        let (code, _) = node.error("eth_sendRawTransaction", json!([malformed])).await;
        assert_eq!(code, -32_000, "{malformed}");
    }
    for no_bytes in [json!([]), json!(["zz"]), json!([1]), json!(["0x1"]), json!(["0x", 1])] {
        let (code, _) = node.error("eth_sendRawTransaction", no_bytes.clone()).await;
        assert_eq!(code, -32_602, "{no_bytes}");
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn envelopes_are_answered_by_the_book() {
    let (_world, _directory, node) = node().await;
    let code = |text: &str| -> i64 {
        let answer: Value = serde_json::from_str(text).unwrap();
        answer["error"]["code"].as_i64().unwrap_or_else(|| panic!("no error: {text}"))
    };
    for (body, expected) in [
        ("{", -32_700),
        ("", -32_700),
        ("[]", -32_600),
        ("{}", -32_600),
        ("1", -32_600),
        ("[1,2,3,4,5,6]", -32_600),
        (r#"{"jsonrpc":"2.0","id":1,"method":"eth_nope"}"#, -32_601),
        (r#"{"jsonrpc":"2.0","id":1,"method":"eth_call","params":{"a":1}}"#, -32_602),
        (r#"{"jsonrpc":"2.0","id":1,"method":"eth_getBalance","params":[]}"#, -32_602),
        (r#"{"jsonrpc":"2.0","id":1,"method":"eth_getBalance","params":["0x1"]}"#, -32_602),
        (r#"{"jsonrpc":"2.0","id":1,"method":"eth_subscribe","params":["newHeads"]}"#, -32_000),
    ] {
        let (_, text) = node.post(body).await;
        assert_eq!(code(&text), expected, "{body}: {text}");
    }
    let deep = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"eth_call","params":[{}{}]}}"#,
        "[".repeat(20_000),
        "]".repeat(20_000)
    );
    assert_eq!(code(&node.post(deep).await.1), -32_602);
    let (status, text) = node.post("x".repeat(200_000)).await;
    assert_eq!((status, code(&text)), (413, -32_600));

    // A batch keeps its order, answers each item for itself and leaves notifications out.
    let batch = json!([
        {"jsonrpc": "2.0", "id": "a", "method": "eth_chainId"},
        {"jsonrpc": "2.0", "method": "eth_chainId"},
        {"jsonrpc": "2.0", "id": null, "method": "eth_nope"},
        7,
        {"jsonrpc": "2.0", "id": 2, "method": "net_version"},
    ]);
    let (_, text) = node.post(batch.to_string()).await;
    let answers: Vec<Value> = serde_json::from_str(&text).unwrap();
    assert_eq!(answers.len(), 4);
    assert_eq!(answers[0], json!({"jsonrpc": "2.0", "id": "a", "result": "0x3ef8"}));
    assert_eq!((&answers[1]["id"], &answers[1]["error"]["code"]), (&Value::Null, &json!(-32_601)));
    assert_eq!(answers[2]["error"]["code"], -32_600);
    assert_eq!(answers[3]["result"], "16120");
    let notification = r#"{"jsonrpc":"2.0","method":"eth_chainId"}"#;
    assert_eq!(node.post(notification).await, (200, String::new()));
    assert_eq!(node.post(format!("[{notification}]")).await, (200, String::new()));

    // Browsers ask first.
    let preflight = node
        .http
        .request(reqwest::Method::OPTIONS, &node.url)
        .header("origin", "https://dapp.example")
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "content-type")
        .send()
        .await
        .unwrap();
    assert!(preflight.status().is_success());
    assert_eq!(preflight.headers()["access-control-allow-origin"], "*");
    assert_eq!(preflight.headers()["allow"], "GET,HEAD,POST");
    assert!(node.http.get(&node.url).send().await.unwrap().status().is_success());
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_things_are_null_or_a_clean_error() {
    let (_world, _directory, node) = node().await;
    let nothing = format!("0x{}", "11".repeat(32));
    for (method, params) in [
        ("eth_getBlockByNumber", json!(["0xffffff", false])),
        ("eth_getBlockByHash", json!([nothing, true])),
        ("eth_getTransactionByHash", json!([nothing])),
        ("eth_getTransactionReceipt", json!([nothing])),
        ("eth_getBlockReceipts", json!(["0xffffff"])),
        ("eth_getTransactionByBlockNumberAndIndex", json!(["latest", "0x99"])),
        ("eth_getUncleByBlockNumberAndIndex", json!(["latest", "0x0"])),
    ] {
        assert_eq!(node.call(method, params).await, Value::Null, "{method}");
    }
    let zero = Address::ZERO;
    for (method, params) in [
        ("eth_getBalance", json!([zero, "0xffffff"])),
        ("eth_getBalance", json!([zero, {"blockHash": nothing, "requireCanonical": true}])),
        ("eth_call", json!([{"to": zero}, "0xffffff"])),
        ("eth_getFilterChanges", json!(["0x123"])),
        ("eth_getLogs", json!([{"blockHash": nothing}])),
    ] {
        assert_eq!(node.error(method, params).await.0, -32_000, "{method}");
    }
    let range = json!([{"fromBlock": "0x5", "toBlock": "0x1"}]);
    assert_eq!(node.error("eth_getLogs", range).await.0, -32_602);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_port_is_named() {
    let (world, _directory, node) = node().await;
    let address = node.handle.rpc_addr();
    let other = tempfile::tempdir().unwrap();
    let result =
        Running::try_start(&world, world.open(other.path()), |c| c.rpc.listen = address).await;
    match result {
        Err(NodeError::PortTaken(taken)) => {
            assert_eq!(taken, address);
            let text = NodeError::PortTaken(taken).to_string();
            assert!(text.contains(&format!("port {}", address.port())), "{text}");
        }
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("two servers on one port"),
    }
    node.stop().await;
}
