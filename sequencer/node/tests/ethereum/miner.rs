//! A chain that makes its own blocks: its tags, blobs, reorganisations and time, as tests of what follows
//! an L1 use them, over HTTP.

use std::{path::Path, time::Duration};

use alloy_eips::{
    eip2718::Encodable2718,
    eip4844::{BlobTransactionSidecar, env_settings::EnvKzgSettings, kzg_to_versioned_hash},
};
use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_rpc_types_beacon::{
    genesis::GenesisResponse,
    header::HeaderResponse,
    sidecar::{BeaconBlobBundle, GetBlobsResponse},
};
use sequencer_node::{MinerConfig, Node, NodeConfig, NodeHandle, NodeInputs};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::harness::World;

/// A running chain.
struct Chain {
    handle: NodeHandle,
    http: reqwest::Client,
}

/// Blocks come only when asked.
fn by_hand() -> MinerConfig {
    MinerConfig { interval: None, ..Default::default() }
}

impl Chain {
    async fn start(world: &World, directory: &Path, miner: MinerConfig) -> Self {
        let store = world.open(directory);
        let config = NodeConfig::mining(world.spec(), miner);
        let inputs = NodeInputs::without_l1(store);
        let handle = Node::start(config, inputs, CancellationToken::new()).await.unwrap();
        Self { handle, http: reqwest::Client::new() }
    }

    fn url(&self) -> String {
        format!("http://{}", self.handle.rpc_addr())
    }

    async fn answer(&self, method: &str, params: Value) -> Value {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let answer = self.http.post(self.url()).json(&body).send().await.unwrap();
        answer.json().await.unwrap()
    }

    async fn call(&self, method: &str, params: Value) -> Value {
        let mut answer = self.answer(method, params).await;
        assert!(answer["error"].is_null(), "{method}: {answer}");
        answer["result"].take()
    }

    async fn block(&self, tag: &str) -> Value {
        self.call("eth_getBlockByNumber", json!([tag, false])).await
    }

    async fn number(&self, tag: &str) -> u64 {
        quantity(&self.block(tag).await["number"])
    }

    async fn send(&self, bytes: &[u8]) -> B256 {
        let hash = self.call("eth_sendRawTransaction", json!([Bytes::copy_from_slice(bytes)]));
        serde_json::from_value(hash.await).unwrap()
    }

    async fn mine(&self, blocks: u64) {
        self.call("anvil_mine", json!([blocks])).await;
    }

    async fn receipt(&self, hash: B256) -> Value {
        self.call("eth_getTransactionReceipt", json!([hash])).await
    }

    /// Status and body of a route of the beacon API.
    async fn ask(&self, route: &str) -> (u16, Value) {
        let answer = self.http.get(format!("{}{route}", self.url())).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    async fn beacon<T: DeserializeOwned>(&self, route: &str) -> T {
        let (status, body) = self.ask(route).await;
        assert_eq!(status, 200, "{route}: {body}");
        serde_json::from_value(body).unwrap()
    }

    /// The slot of a block.
    async fn slot(&self, tag: &str) -> u64 {
        let genesis: GenesisResponse = self.beacon("/eth/v1/beacon/genesis").await;
        quantity(&self.block(tag).await["timestamp"]) - genesis.data.genesis_time
    }

    async fn stop(self) {
        self.handle.shutdown();
        self.handle.join().await.unwrap();
    }
}

fn quantity(value: &Value) -> u64 {
    value.as_str().unwrap().parse::<U256>().unwrap().to()
}

fn to(byte: u8) -> Address {
    Address::repeat_byte(byte)
}

#[tokio::test(flavor = "multi_thread")]
async fn blocks_come_by_themselves_and_become_final() {
    let (world, directory) = (World::new(), tempfile::tempdir().unwrap());
    let miner = MinerConfig {
        interval: Some(Duration::from_millis(50)),
        safe_lag: 2,
        finalized_lag: 4,
        ..Default::default()
    };
    let chain = Chain::start(&world, directory.path(), miner).await;
    let hash = chain.send(&world.transfer(0, 0, to(1), 7).encoded_2718()).await;
    while chain.receipt(hash).await.is_null() || chain.number("latest").await < 6 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(chain.receipt(hash).await["status"], "0x1");
    chain.call("evm_setIntervalMining", json!([0])).await;
    // A block may have been under way.
    chain.mine(1).await;
    let head = chain.number("latest").await;
    assert_eq!(chain.number("safe").await, head - 2);
    assert_eq!(chain.number("finalized").await, head - 4);
    let tagged = chain.block("finalized").await["hash"].clone();
    assert_eq!(tagged, chain.block(&format!("{:#x}", head - 4)).await["hash"]);
    // Each with a transaction at once.
    chain.call("evm_setAutomine", json!([true])).await;
    let hash = chain.send(&world.transfer(0, 1, to(1), 7).encoded_2718()).await;
    while chain.receipt(hash).await.is_null() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    chain.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn blobs_are_served_as_a_beacon_node_does_and_dropped_in_time() {
    let (world, directory) = (World::new(), tempfile::tempdir().unwrap());
    let miner = MinerConfig { blob_retention: Duration::from_secs(100), ..by_hand() };
    let chain = Chain::start(&world, directory.path(), miner).await;
    let (bytes, hash, blob_hash) = world.blob(0, 0);
    assert_eq!(chain.send(&bytes).await, hash);
    chain.mine(2).await;
    assert_eq!(chain.receipt(hash).await["blockNumber"], "0x1");

    let slot = chain.slot("0x1").await;
    let bundle: BeaconBlobBundle =
        chain.beacon(&format!("/eth/v1/beacon/blob_sidecars/{slot}?indices=0")).await;
    let [found] = bundle.data.as_slice() else { panic!("{} blobs", bundle.len()) };
    assert_eq!(kzg_to_versioned_hash(found.kzg_commitment.as_slice()), blob_hash);
    let sidecar = BlobTransactionSidecar {
        blobs: vec![*found.blob],
        commitments: vec![found.kzg_commitment],
        proofs: vec![found.kzg_proof],
    };
    sidecar.validate(&[blob_hash], EnvKzgSettings::Default.get()).unwrap();
    assert_eq!(found.signed_block_header.message.slot, slot);
    assert_eq!(found.kzg_commitment_inclusion_proof.len(), 17);
    // The same header, and the root that the next block and the EVM know (EIP-4788).
    let header: HeaderResponse = chain.beacon(&format!("/eth/v1/beacon/headers/{slot}")).await;
    assert_eq!(header.data.header, found.signed_block_header);
    let named = chain.block("0x2").await["parentBeaconBlockRoot"].clone();
    assert_eq!(json!(header.data.root), named);
    let root = header.data.root;
    let by_root: HeaderResponse = chain.beacon(&format!("/eth/v1/beacon/headers/{root}")).await;
    assert_eq!(by_root.data.header.message.slot, slot);

    let all = format!("/eth/v1/beacon/blobs/{slot}");
    let blobs: GetBlobsResponse = chain.beacon(&all).await;
    assert_eq!(blobs.data, vec![*found.blob]);
    let asked = format!("{all}?versioned_hashes={blob_hash},{}", B256::repeat_byte(1));
    assert_eq!(chain.beacon::<GetBlobsResponse>(&asked).await.data, blobs.data);
    let other = format!("{all}?versioned_hashes={}", B256::repeat_byte(1));
    assert!(chain.beacon::<GetBlobsResponse>(&other).await.data.is_empty());
    let none = format!("/eth/v1/beacon/blob_sidecars/{slot}?indices=1");
    assert!(chain.beacon::<BeaconBlobBundle>(&none).await.is_empty());
    assert!(chain.beacon::<BeaconBlobBundle>("/eth/v1/beacon/blob_sidecars/head").await.is_empty());
    let spec: Value = chain.beacon("/eth/v1/config/spec").await;
    assert_eq!(spec["data"]["SECONDS_PER_SLOT"], "1");
    assert_eq!(chain.ask(&format!("/eth/v1/beacon/blobs/{}", slot + 1_000)).await.0, 404);
    assert_eq!(chain.ask("/eth/v1/beacon/blobs/0x12").await.0, 400);
    assert_eq!(chain.ask(&format!("{none}&indices=x")).await.0, 400);

    // A restart keeps chain and blobs; a long time does not.
    let head = chain.block("latest").await["hash"].clone();
    chain.stop().await;
    let chain = Chain::start(&world, directory.path(), miner).await;
    assert_eq!(chain.block("latest").await["hash"], head);
    assert_eq!(chain.beacon::<GetBlobsResponse>(&all).await.data, blobs.data);
    chain.call("evm_increaseTime", json!([90])).await;
    chain.mine(1).await;
    assert_eq!(chain.ask(&all).await.0, 200);
    chain.call("evm_increaseTime", json!([20])).await;
    chain.mine(1).await;
    let (status, body) = chain.ask(&all).await;
    assert_eq!((status, body["code"].clone()), (404, json!(404)));
    assert_eq!(std::fs::read_dir(directory.path().join("blobs")).unwrap().count(), 0);
    chain.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reorganisation_replaces_blocks_and_what_they_held() {
    let (world, directory) = (World::new(), tempfile::tempdir().unwrap());
    let chain = Chain::start(&world, directory.path(), by_hand()).await;
    let early = chain.send(&world.transfer(0, 0, to(1), 7).encoded_2718()).await;
    chain.mine(2).await;
    let late = chain.send(&world.transfer(0, 1, to(2), 8).encoded_2718()).await;
    let (bytes, blobs, _) = world.blob(1, 0);
    chain.send(&bytes).await;
    chain.mine(3).await;
    let old = chain.block("latest").await;
    assert_eq!(chain.receipt(late).await["blockNumber"], "0x3");
    let slot = chain.slot("0x3").await;

    // As anvil: what the old blocks held is gone, what is given stands in its block.
    let given = world.transfer(2, 0, to(3), 9);
    let given_hash = B256::from(*given.tx_hash());
    let pairs = json!([[Bytes::from(given.encoded_2718()), 1]]);
    chain.call("anvil_reorg", json!([3, pairs])).await;
    let new = chain.block("latest").await;
    assert_eq!((&new["number"], &new["timestamp"]), (&old["number"], &old["timestamp"]));
    assert_ne!(new["hash"], old["hash"]);
    assert!(chain.call("eth_getBlockByHash", json!([old["hash"], false])).await.is_null());
    assert_eq!(chain.receipt(early).await["blockNumber"], "0x1");
    assert_eq!(chain.receipt(given_hash).await["blockNumber"], "0x4");
    for gone in [late, blobs] {
        assert!(chain.call("eth_getTransactionByHash", json!([gone])).await.is_null());
    }
    assert_eq!(chain.call("txpool_status", json!([])).await["pending"], "0x0");
    let held: BeaconBlobBundle =
        chain.beacon(&format!("/eth/v1/beacon/blob_sidecars/{slot}")).await;
    assert!(held.is_empty());

    // As a real L1: it comes back into the pool, with its blobs, and into a later block.
    for bytes in [world.transfer(0, 1, to(2), 8).encoded_2718(), bytes] {
        chain.send(&bytes).await;
    }
    chain.mine(1).await;
    assert_eq!(chain.receipt(blobs).await["blockNumber"], "0x6");
    chain.call("anvil_reorg", json!([4, [], true])).await;
    assert_eq!(chain.number("latest").await, 6);
    assert!(chain.receipt(blobs).await.is_null());
    assert_eq!(chain.call("txpool_status", json!([])).await["pending"], "0x3");
    chain.mine(1).await;
    for back in [late, blobs, given_hash] {
        assert_eq!(chain.receipt(back).await["blockNumber"], "0x7");
    }
    let slot = chain.slot("0x7").await;
    let held: GetBlobsResponse = chain.beacon(&format!("/eth/v1/beacon/blobs/{slot}")).await;
    assert_eq!(held.data.len(), 1);

    // Down to genesis, but no deeper; the tags follow.
    let error = chain.answer("anvil_reorg", json!([8, []])).await;
    assert_eq!(error["error"]["code"], -32602, "{error}");
    let error = chain.answer("anvil_reorg", json!([1, [[Bytes::from(bytes_of(&world)), 1]]])).await;
    assert_eq!(error["error"]["code"], -32602, "{error}");
    chain.call("anvil_reorg", json!([7, []])).await;
    assert_eq!(chain.number("latest").await, 7);
    assert_eq!(chain.number("finalized").await, 5);
    assert_eq!(chain.call("eth_getBalance", json!([to(1), "latest"])).await, "0x0");
    chain.stop().await;
}

fn bytes_of(world: &World) -> Vec<u8> {
    world.transfer(2, 5, to(3), 9).encoded_2718()
}

#[tokio::test(flavor = "multi_thread")]
async fn tests_can_go_back_and_jump_ahead() {
    let (world, directory) = (World::new(), tempfile::tempdir().unwrap());
    let chain = Chain::start(&world, directory.path(), by_hand()).await;
    chain.mine(2).await;
    let before = chain.block("latest").await["hash"].clone();
    let snapshot = chain.call("evm_snapshot", json!([])).await;
    let hash = chain.send(&world.transfer(0, 0, to(1), 7).encoded_2718()).await;
    chain.mine(3).await;
    assert_eq!(chain.number("latest").await, 5);
    assert_eq!(chain.call("evm_revert", json!([snapshot])).await, true);
    assert_eq!(chain.block("latest").await["hash"], before);
    assert!(chain.call("eth_getTransactionByHash", json!([hash])).await.is_null());
    // It is used up.
    assert_eq!(chain.call("evm_revert", json!([snapshot])).await, false);
    chain.call("anvil_rollback", json!([1])).await;
    assert_eq!(chain.number("latest").await, 1);

    let at = quantity(&chain.block("latest").await["timestamp"]) + 5_000;
    chain.call("evm_setNextBlockTimestamp", json!([at])).await;
    chain.mine(1).await;
    assert_eq!(quantity(&chain.block("latest").await["timestamp"]), at);
    let error = chain.answer("evm_setNextBlockTimestamp", json!([at])).await;
    assert_eq!(error["error"]["code"], -32602, "{error}");
    chain.call("anvil_mine", json!([2, 60])).await;
    let first = quantity(&chain.block("0x3").await["timestamp"]);
    assert_eq!(quantity(&chain.block("0x4").await["timestamp"]), first + 60);
    let error = chain.answer("anvil_mine", json!([10_001])).await;
    assert_eq!(error["error"]["code"], -32602, "{error}");
    // Only a chain that makes its own blocks can be told to.
    let error = chain.answer("anvil_setCode", json!([to(1), "0x00"])).await;
    assert_eq!(error["error"]["code"], -32601, "{error}");

    chain.send(&world.transfer(0, 0, to(1), 7).encoded_2718()).await;
    chain.call("anvil_dropAllTransactions", json!([])).await;
    chain.mine(1).await;
    assert_eq!(
        chain.call("eth_getTransactionCount", json!([world.accounts[0].address(), "latest"])).await,
        "0x0"
    );
    chain.stop().await;
}
