//! What only operators may ask.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use alloy_consensus::TxEip1559;
use alloy_primitives::{Address, Bytes, TxKind, U256};
use sequencer_node::{AuthConfig, BatcherSwitch, Batching, OperatorsPort, jwt::JwtSecret};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::harness::{CHAIN, Running, World, l1_block, now, quantity};

const SECRET: [u8; 32] = [7; 32];

async fn start() -> (World, tempfile::TempDir, Running) {
    let world = World::new(2);
    let directory = tempfile::tempdir().unwrap();
    let store = world.open(directory.path());
    let node = Running::try_start(&world, store, |config| {
        config.admin = Some(AuthConfig::new(([127, 0, 0, 1], 0).into(), JwtSecret::new(SECRET)));
    });
    let node = node.await.unwrap();
    node.l1_block(l1_block(0, world.genesis.timestamp, Vec::new())).await;
    (world, directory, node)
}

async fn ask(node: &Running, token: Option<String>, method: &str, params: Value) -> (u16, String) {
    let url = format!("http://{}", node.handle.admin_addr().unwrap());
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
    let mut request = node.http.post(url).json(&body);
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

async fn operator(node: &Running, method: &str, params: Value) -> Value {
    let (status, text) = ask(node, Some(JwtSecret::new(SECRET).token(now())), method, params).await;
    assert_eq!(status, 200, "{text}");
    serde_json::from_str(&text).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_methods_want_a_token() {
    let (_world, _directory, node) = start().await;
    for (method, params) in [
        ("admin_nodeInfo", json!([])),
        ("admin_peers", json!([])),
        ("miner_setMaxDASize", json!(["0x0", "0x0"])),
    ] {
        let (code, _) = node.error(method, params.clone()).await;
        assert_eq!(code, -32_601, "{method} on the open port");
        assert_eq!(ask(&node, None, method, params.clone()).await.0, 401);
        let other = JwtSecret::new([8; 32]).token(now());
        assert_eq!(ask(&node, Some(other), method, params.clone()).await.0, 401);
        let answer = operator(&node, method, params).await;
        assert!(answer["error"].is_null(), "{answer}");
    }
    let answer = operator(&node, "admin_nodeInfo", json!([])).await;
    assert_eq!(answer["result"]["protocols"]["eth"]["network"], CHAIN);
    let bad = operator(&node, "miner_setMaxDASize", json!([true, "0x0"])).await;
    assert_eq!(bad["error"]["code"], -32_602);
    // As on the other port.
    let head = operator(&node, "eth_blockNumber", json!([])).await;
    quantity(&head["result"]);
    node.stop().await;
}

#[derive(Debug, Default)]
struct Switched(AtomicBool);

impl Batching for Switched {
    fn start(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    fn stop(&self) {
        self.0.store(false, Ordering::SeqCst);
    }

    fn is_active(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_start_and_stop_the_batcher() {
    let (_world, _directory, node) = start().await;
    let call = async |method: &str| operator(&node, method, json!([])).await;
    let absent = call("admin_stopBatcher").await;
    assert_eq!(absent["error"]["message"], "no batcher works beside this node");
    let batcher = Arc::new(Switched::default());
    node.handle.admin().batcher.connect(batcher.clone());
    for (method, active, refusal) in [
        ("admin_startBatcher", true, "batcher is already running"),
        ("admin_stopBatcher", false, "batcher is not running"),
        ("admin_startBatcher", true, "batcher is already running"),
    ] {
        let done = call(method).await;
        assert!(done["error"].is_null() && done["result"].is_null(), "{done}");
        assert_eq!(batcher.is_active(), active);
        assert_eq!(call(method).await["error"]["message"], refusal);
        assert_eq!(batcher.is_active(), active);
    }
    assert_eq!(node.error("admin_stopBatcher", json!([])).await.0, -32_601, "on the open port");
    assert!(batcher.is_active());
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_costs_too_much_data_waits_until_it_may() {
    let (world, _directory, node) = start().await;
    let set = operator(&node, "miner_setMaxDASize", json!(["0x1f4", "0x0"])).await;
    assert_eq!(set["result"], true);
    // Blocks opened before know nothing of it.
    node.reach(node.head().await + 2).await;
    let noise: Vec<u8> =
        (0..4_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let large = world.sign(
        1,
        TxEip1559 {
            chain_id: CHAIN,
            gas_limit: 500_000,
            max_fee_per_gas: 3_000_000_000,
            max_priority_fee_per_gas: 1_000_000,
            to: TxKind::Call(Address::repeat_byte(0x22)),
            input: Bytes::from(noise),
            ..Default::default()
        },
    );
    let large = node.call("eth_sendRawTransaction", json!([large])).await;
    for nonce in 0..2 {
        let small = world.transfer(0, nonce, Address::repeat_byte(0x22), U256::from(1));
        assert_eq!(node.sealed(small).await["status"], "0x1");
    }
    let receipt = node.call("eth_getTransactionReceipt", json!([large])).await;
    assert!(receipt.is_null(), "{receipt}");
    assert_eq!(node.call("txpool_status", json!([])).await["pending"], "0x1");
    operator(&node, "miner_setMaxDASize", json!(["0x0", "0x0"])).await;
    assert_eq!(node.receipt(&large).await["status"], "0x1");
    node.stop().await;
}

/// A batcher that is a process of its own: the same names, the same token, nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn a_batcher_without_a_node_is_switched_on_a_port_of_its_own() {
    let config = AuthConfig::new(([127, 0, 0, 1], 0).into(), JwtSecret::new(SECRET));
    let port = OperatorsPort::bind(config).await.unwrap();
    let url = format!("http://{}", port.address());
    let batcher = Arc::new(Switched(AtomicBool::new(true)));
    let switch = Arc::new(BatcherSwitch::default());
    switch.connect(batcher.clone());
    let shutdown = CancellationToken::new();
    let serving = tokio::spawn(port.run(switch, shutdown.clone()));
    let http = reqwest::Client::new();
    let call = async |token: Option<String>, body: Value| {
        let mut request = http.post(&url).json(&body);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    };
    let stop = json!({"jsonrpc": "2.0", "id": 1, "method": "admin_stopBatcher", "params": []});
    assert_eq!(call(None, stop.clone()).await.0, 401);
    assert_eq!(call(Some(JwtSecret::new([8; 32]).token(now())), stop.clone()).await.0, 401);
    assert!(batcher.is_active());
    let operator = async |body: Value| {
        let (status, text) = call(Some(JwtSecret::new(SECRET).token(now())), body).await;
        assert_eq!(status, 200, "{text}");
        serde_json::from_str::<Value>(&text).unwrap()
    };
    assert_eq!(operator(stop.clone()).await, json!({"jsonrpc": "2.0", "id": 1, "result": null}));
    assert!(!batcher.is_active());
    assert_eq!(operator(stop).await["error"]["message"], "batcher is not running");
    let start = json!({"jsonrpc": "2.0", "id": "a", "method": "admin_startBatcher"});
    let other = json!({"jsonrpc": "2.0", "id": 2, "method": "eth_blockNumber"});
    let answers = operator(json!([start, other])).await;
    assert_eq!((&answers[0]["id"], &answers[0]["result"]), (&json!("a"), &Value::Null));
    assert_eq!(answers[1]["error"]["code"], -32_601);
    assert!(batcher.is_active());
    shutdown.cancel();
    serving.await.unwrap().unwrap();
}
