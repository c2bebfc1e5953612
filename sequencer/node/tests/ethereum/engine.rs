//! The Engine API, driven as a consensus client does.

use std::time::{SystemTime, UNIX_EPOCH};

use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, B256};
use alloy_rpc_types_engine::ExecutionPayload;
use primitives::Block;
use sequencer_node::{AuthConfig, Mode, Node, NodeConfig, NodeHandle, NodeInputs, jwt::JwtSecret};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::harness::{CHAIN, ETHER, Forge, World};

const SECRET: [u8; 32] = [0x5e; 32];

/// A node and whoever tells it what to do.
struct Driven {
    handle: NodeHandle,
    http: reqwest::Client,
    _directory: tempfile::TempDir,
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

impl Driven {
    async fn start(world: &World) -> Self {
        Self::with_body_limit(world, 1 << 20).await
    }

    async fn with_body_limit(world: &World, bytes: usize) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = world.open(directory.path());
        let mut config = NodeConfig::ethereum(world.spec());
        let mut engine = AuthConfig::new(([127, 0, 0, 1], 0).into(), JwtSecret::new(SECRET));
        engine.body_bytes_max = bytes;
        config.mode = Mode::Ethereum { spec: world.spec(), engine: Some(engine), miner: None };
        let inputs = NodeInputs::without_l1(store);
        let handle = Node::start(config, inputs, CancellationToken::new()).await.unwrap();
        Self { handle, http: reqwest::Client::new(), _directory: directory }
    }

    fn url(&self) -> String {
        format!("http://{}", self.handle.engine_addr().unwrap())
    }

    async fn answer(&self, url: &str, method: &str, params: Value) -> Value {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let request = self.http.post(url).bearer_auth(JwtSecret::new(SECRET).token(now()));
        request.json(&body).send().await.unwrap().json().await.unwrap()
    }

    async fn engine(&self, method: &str, params: Value) -> Value {
        let mut answer = self.answer(&self.url(), method, params).await;
        assert!(answer["error"].is_null(), "{method}: {answer}");
        answer["result"].take()
    }

    async fn engine_error(&self, method: &str, params: Value) -> i64 {
        let answer = self.answer(&self.url(), method, params).await;
        answer["error"]["code"].as_i64().unwrap_or_else(|| panic!("{method}: {answer}"))
    }

    async fn eth(&self, method: &str, params: Value) -> Value {
        let url = format!("http://{}", self.handle.rpc_addr());
        let mut answer = self.answer(&url, method, params).await;
        assert!(answer["error"].is_null(), "{method}: {answer}");
        answer["result"].take()
    }

    /// Gives a block that has no requests.
    async fn give(&self, block: &Block) -> Value {
        self.engine("engine_newPayloadV4", given(block)).await
    }

    async fn choose(&self, head: B256, finalized: B256) -> Value {
        let update = self.engine("engine_forkchoiceUpdatedV3", choice(head, finalized)).await;
        update["payloadStatus"].clone()
    }

    /// Gives a block and makes it the head.
    async fn follow(&self, block: &Block) {
        assert_eq!(self.give(block).await, status("VALID", Some(block.hash)));
        assert_eq!(self.choose(block.hash, B256::ZERO).await, status("VALID", Some(block.hash)));
    }

    async fn head(&self) -> B256 {
        let block = self.eth("eth_getBlockByNumber", json!(["latest", false])).await;
        serde_json::from_value(block["hash"].clone()).unwrap()
    }

    async fn stop(self) {
        self.handle.shutdown();
        self.handle.join().await.unwrap();
    }
}

/// The parameters of `engine_newPayloadV4`.
fn given(block: &Block) -> Value {
    let (payload, _) = ExecutionPayload::from_block_unchecked(block.hash, &block.to_rlp());
    json!([payload, [], block.header.parent_beacon_block_root, []])
}

fn choice(head: B256, finalized: B256) -> Value {
    json!([
        {"headBlockHash": head, "safeBlockHash": finalized, "finalizedBlockHash": finalized},
        null
    ])
}

fn status(status: &str, latest_valid: Option<B256>) -> Value {
    json!({"status": status, "latestValidHash": latest_valid, "validationError": null})
}

/// Whether an answer is INVALID with this last good block and a reason.
#[track_caller]
fn assert_invalid(answer: &Value, last_good: Option<B256>) {
    assert_eq!(answer["status"], "INVALID", "{answer}");
    assert_eq!(answer["latestValidHash"], json!(last_good), "{answer}");
    assert!(answer["validationError"].is_string(), "{answer}");
}

fn changed(block: &Block, change: impl FnOnce(&mut Block)) -> Block {
    let mut block = block.clone();
    change(&mut block);
    block.hash = block.header.hash_slow();
    block
}

#[tokio::test(flavor = "multi_thread")]
async fn only_who_has_the_secret_may_call() {
    let node = Driven::with_body_limit(&World::new(), 4_096).await;
    let call = async |token: Option<String>, body: String| {
        let mut request = node.http.post(node.url()).header("content-type", "application/json");
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        request.body(body).send().await.unwrap().status().as_u16()
    };
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":[]}"#.to_owned();
    let (ours, other) = (JwtSecret::new(SECRET), JwtSecret::new([1; 32]));
    assert_eq!(call(Some(ours.token(now())), body.clone()).await, 200);
    assert_eq!(call(None, body.clone()).await, 401);
    assert_eq!(call(Some(other.token(now())), body.clone()).await, 401);
    assert_eq!(call(Some(ours.token(now() - 120)), body.clone()).await, 401);
    assert_eq!(call(Some(ours.token(now() + 120)), body.clone()).await, 401);
    assert_eq!(call(Some("a.b.c".to_owned()), body.clone()).await, 401);
    assert_eq!(call(Some(ours.token(now())), " ".repeat(5_000)).await, 413);
    assert_eq!(call(None, " ".repeat(5_000)).await, 401);
    // The other port knows nothing of it, and this one serves what a consensus client reads.
    let url = format!("http://{}", node.handle.rpc_addr());
    let answer = node.answer(&url, "engine_exchangeCapabilities", json!([[]])).await;
    assert_eq!(answer["error"]["code"], -32601);
    assert_eq!(node.engine("eth_chainId", json!([])).await, format!("{CHAIN:#x}"));
    let methods = node.engine("engine_exchangeCapabilities", json!([[]])).await;
    assert!(methods.as_array().unwrap().contains(&json!("engine_newPayloadV4")));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_is_followed_block_by_block() {
    let world = World::new();
    let forge = Forge::new(&world);
    let blocks = forge.chain(12);
    let node = Driven::start(&world).await;
    let genesis = node.head().await;
    // Before its parent there is nothing to put it on.
    assert_eq!(node.give(&blocks[1]).await, status("SYNCING", None));
    assert_eq!(node.choose(blocks[1].hash, B256::ZERO).await, status("SYNCING", None));
    assert_eq!(node.give(&blocks[0]).await, status("VALID", Some(blocks[0].hash)));
    // A good payload is not the head before it is chosen.
    assert_eq!(node.head().await, genesis);
    for block in &blocks {
        node.follow(block).await;
        assert_eq!(node.head().await, block.hash);
    }
    assert_eq!(node.give(&blocks[4]).await, status("VALID", Some(blocks[4].hash)));
    let last = blocks[11].hash;
    assert_eq!(node.choose(last, blocks[8].hash).await, status("VALID", Some(last)));
    for tag in ["safe", "finalized"] {
        let block = node.eth("eth_getBlockByNumber", json!([tag, false])).await;
        assert_eq!(block["hash"], json!(blocks[8].hash), "{tag}");
    }
    let paid = node.eth("eth_getBalance", json!([Forge::receiver(11), "latest"])).await;
    assert_eq!(paid, "0xc");
    // Heads that are no ancestors of the head, and none at all.
    let stray = choice(last, B256::repeat_byte(9));
    assert_eq!(node.engine_error("engine_forkchoiceUpdatedV3", stray).await, -38002);
    let nothing = choice(B256::ZERO, B256::ZERO);
    assert_eq!(node.engine_error("engine_forkchoiceUpdatedV3", nothing).await, -38002);
    assert_eq!(node.head().await, last);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_payloads_are_told_and_change_nothing() {
    let world = World::new();
    let forge = Forge::new(&world);
    let blocks = forge.chain(3);
    let node = Driven::start(&world).await;
    node.follow(&blocks[0]).await;
    let parent = blocks[0].hash;
    let good = &blocks[1];
    type Change = fn(&mut Block);
    let changes: [(&str, Change); 11] = [
        ("state root", |block| block.header.state_root = B256::ZERO),
        ("receipts root", |block| block.header.receipts_root = B256::ZERO),
        ("bloom", |block| block.header.logs_bloom.0[7] ^= 1),
        ("gas used", |block| block.header.gas_used += 1),
        ("gas limit", |block| block.header.gas_limit *= 2),
        ("base fee", |block| block.header.base_fee_per_gas = Some(1)),
        ("timestamp", |block| block.header.timestamp -= 12),
        ("number", |block| block.header.number += 1),
        ("excess blob gas", |block| block.header.excess_blob_gas = Some(1 << 20)),
        ("extra data", |block| block.header.extra_data = vec![0; 33].into()),
        ("a transaction twice", |block| {
            let twice = block.body.transactions[0].clone();
            block.body.transactions.push(twice);
            block.header.transactions_root =
                primitives::transactions_root(&block.body.transactions);
        }),
    ];
    for (name, change) in changes {
        let bad = changed(good, change);
        println!("{name}");
        assert_invalid(&node.give(&bad).await, Some(parent));
        // Nor can it be chosen, where it was understood as a block at all.
        let chosen = node.choose(bad.hash, B256::ZERO).await;
        assert!(chosen["status"] == "INVALID" || name == "extra data", "{chosen}");
    }
    // What is built on a bad block is bad, too.
    let bad = changed(good, |block| block.header.state_root = B256::ZERO);
    let child = changed(&blocks[2], |block| block.header.parent_hash = bad.hash);
    assert_invalid(&node.give(&child).await, Some(parent));

    let with = |at: &str, value: Value| {
        let mut params = given(good);
        *params.pointer_mut(at).unwrap() = value;
        params
    };
    let call = async |params| node.engine("engine_newPayloadV4", params).await;
    assert_invalid(&call(with("/0/blockHash", json!(B256::repeat_byte(1)))).await, None);
    assert_invalid(&call(with("/0/transactions/0", json!("0x02c0"))).await, Some(parent));
    assert_invalid(&call(with("/1", json!([B256::repeat_byte(1)]))).await, None);
    // Requests and roots are covered by the hash.
    assert_invalid(&call(with("/2", json!(B256::repeat_byte(1)))).await, None);
    assert_invalid(&call(with("/3", json!(["0x0102"]))).await, None);
    for unordered in [json!(["0x01"]), json!(["0x0202", "0x0101"]), json!(["0x0101", "0x0101"])] {
        let code = node.engine_error("engine_newPayloadV4", with("/3", unordered)).await;
        assert_eq!(code, -32602);
    }
    // Other versions are of other forks.
    let older = json!([given(good)[0], [], B256::ZERO]);
    assert_eq!(node.engine_error("engine_newPayloadV3", older).await, -38005);
    assert_eq!(node.engine_error("engine_newPayloadV5", given(good)).await, -38005);
    assert_eq!(node.engine_error("engine_newPayloadV4", json!([{}])).await, -32602);

    assert_eq!(node.head().await, parent);
    node.follow(good).await;
    node.follow(&blocks[2]).await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fork_choice_goes_over_to_another_branch_and_back() {
    let world = World::new();
    let (ours, theirs) = (Forge::new(&world), Forge::new(&world));
    let first = ours.chain(5);
    let mut second = first[..2].to_vec();
    for block in &second {
        theirs.adopt(block);
    }
    for nonce in 0..4 {
        let transaction = world.transfer(1, nonce, Address::repeat_byte(0x77), 7);
        second.push(theirs.extend(&[transaction]));
    }
    let node = Driven::start(&world).await;
    for block in &first {
        node.follow(block).await;
    }
    for block in &second[2..] {
        assert_eq!(node.give(block).await, status("ACCEPTED", None));
    }
    let gone = first[4].body.transactions[0].tx_hash();
    let tip = second[5].hash;
    assert_eq!(node.choose(tip, B256::ZERO).await, status("VALID", Some(tip)));
    assert_eq!(node.head().await, tip);
    let balance = json!([Address::repeat_byte(0x77), "latest"]);
    assert_eq!(node.eth("eth_getBalance", balance.clone()).await, "0x1c");
    let receipt = node.eth("eth_getTransactionReceipt", json!([gone])).await;
    assert!(receipt.is_null(), "{receipt}");
    // What only the old branch held waits again.
    let waiting = node.eth("eth_getTransactionByHash", json!([gone])).await;
    assert!(waiting.is_object() && waiting["blockHash"].is_null(), "{waiting}");

    let old = first[4].hash;
    assert_eq!(node.choose(old, B256::ZERO).await, status("VALID", Some(old)));
    assert_eq!(node.head().await, old);
    assert_eq!(node.eth("eth_getBalance", balance).await, "0x0");
    let receipt = node.eth("eth_getTransactionReceipt", json!([gone])).await;
    assert_eq!(receipt["blockHash"], json!(old));

    // A branch whose second block is bad: the chain is then what it was.
    let bad = changed(&second[3], |block| block.header.state_root = B256::ZERO);
    let child = changed(&second[4], |block| block.header.parent_hash = bad.hash);
    assert_eq!(node.give(&second[2]).await, status("ACCEPTED", None));
    assert_eq!(node.give(&bad).await, status("ACCEPTED", None));
    assert_eq!(node.give(&child).await, status("ACCEPTED", None));
    assert_invalid(&node.choose(child.hash, B256::ZERO).await, Some(second[2].hash));
    assert_eq!(node.head().await, old);
    assert_invalid(&node.give(&child).await, Some(second[2].hash));
    let receipt = node.eth("eth_getTransactionReceipt", json!([gone])).await;
    assert_eq!(receipt["blockHash"], json!(old));

    // What is final does not go.
    assert_eq!(node.choose(old, first[3].hash).await, status("VALID", Some(old)));
    let back = choice(tip, B256::ZERO);
    assert_eq!(node.engine_error("engine_forkchoiceUpdatedV3", back).await, -38002);
    assert_eq!(node.head().await, old);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn blobs_go_with_the_payload_that_names_them() {
    let world = World::new();
    let (proposer, follower) = (Driven::start(&world).await, Driven::start(&world).await);
    let (raw, hash, blob) = world.blob(0, 0);
    let raw = alloy_primitives::hex::encode_prefixed(raw);
    let sent = proposer.eth("eth_sendRawTransaction", json!([raw])).await;
    assert_eq!(sent, json!(hash));
    let kept = proposer.eth("eth_getRawTransactionByHash", json!([hash])).await;
    assert_eq!(kept, json!(raw));

    let mut wish = choice(proposer.head().await, B256::ZERO);
    wish[1] = json!({
        "timestamp": format!("{:#x}", world.genesis.timestamp + 12),
        "prevRandao": B256::ZERO,
        "suggestedFeeRecipient": Address::repeat_byte(0xfe),
        "withdrawals": [],
        "parentBeaconBlockRoot": B256::ZERO,
    });
    let update = proposer.engine("engine_forkchoiceUpdatedV3", wish).await;
    let built = proposer.engine("engine_getPayloadV5", json!([update["payloadId"]])).await;
    let bundle = &built["blobsBundle"];
    let count = |what: &str| bundle[what].as_array().unwrap().len();
    assert_eq!((count("blobs"), count("commitments"), count("proofs")), (1, 1, 128));
    let payload = &built["executionPayload"];
    assert_eq!(payload["blobGasUsed"], "0x20000");

    // Whoever waits for the block can take the blob from the pool: all that are asked for, or nothing.
    let pooled = proposer.engine("engine_getBlobsV2", json!([[blob]])).await;
    assert_eq!(pooled[0]["blob"], bundle["blobs"][0]);
    assert_eq!(pooled[0]["proofs"], bundle["proofs"]);
    let missing = proposer.engine("engine_getBlobsV2", json!([[blob, B256::ZERO]])).await;
    assert!(missing.is_null());
    assert_eq!(proposer.engine_error("engine_getBlobsV1", json!([[blob]])).await, -38005);
    let many = json!([vec![blob; 129]]);
    assert_eq!(proposer.engine_error("engine_getBlobsV2", many).await, -38004);

    let given = |blobs: Value| json!([payload, blobs, B256::ZERO, []]);
    for other in [json!([]), json!([B256::ZERO]), json!([blob, blob])] {
        assert_invalid(&follower.engine("engine_newPayloadV4", given(other)).await, None);
    }
    let block: B256 = serde_json::from_value(payload["blockHash"].clone()).unwrap();
    let answer = follower.engine("engine_newPayloadV4", given(json!([blob]))).await;
    assert_eq!(answer, status("VALID", Some(block)));
    assert_eq!(follower.choose(block, B256::ZERO).await, status("VALID", Some(block)));
    let receipt = follower.eth("eth_getTransactionReceipt", json!([hash])).await;
    assert_eq!(receipt["blobGasUsed"], "0x20000", "{receipt}");
    assert_eq!((&receipt["blobGasPrice"], &receipt["type"]), (&json!("0x1"), &json!("0x3")));
    assert!(receipt["l1Fee"].is_null());
    // The body has the transaction as the payload had it, without its blobs.
    let bodies = "engine_getPayloadBodiesByHashV1";
    let bodies = follower.engine(bodies, json!([[block, B256::ZERO]])).await;
    let body = json!({"transactions": payload["transactions"], "withdrawals": []});
    assert_eq!(bodies, json!([body, null]));
    let range = "engine_getPayloadBodiesByRangeV1";
    assert_eq!(follower.engine(range, json!(["0x1", "0x20"])).await, json!([body]));
    assert_eq!(follower.engine(range, json!(["0x2", "0x1"])).await, json!([]));
    assert_eq!(follower.engine_error(range, json!(["0x0", "0x1"])).await, -32602);
    assert_eq!(follower.engine_error(range, json!(["0x1", "0x401"])).await, -38004);
    proposer.stop().await;
    follower.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payload_built_by_one_node_is_good_on_another() {
    let world = World::new();
    let (proposer, follower) = (Driven::start(&world).await, Driven::start(&world).await);
    let to = Address::repeat_byte(0x42);
    let mut hashes = Vec::new();
    for (from, nonce) in [(0, 0), (0, 1), (1, 0), (2, 0)] {
        let raw = world.transfer(from, nonce, to, 5).encoded_2718();
        let raw = alloy_primitives::hex::encode_prefixed(raw);
        hashes.push(proposer.eth("eth_sendRawTransaction", json!([raw])).await);
    }
    let head = proposer.head().await;
    let time = world.genesis.timestamp;
    let attributes = |timestamp: u64| {
        json!({
            "timestamp": format!("{timestamp:#x}"),
            "prevRandao": B256::repeat_byte(3),
            "suggestedFeeRecipient": Address::repeat_byte(0xfe),
            "withdrawals": [{
                "index": "0x0", "validatorIndex": "0x1", "address": to, "amount": "0x3"
            }],
            "parentBeaconBlockRoot": B256::repeat_byte(4),
        })
    };
    let wish = |attributes: Value| {
        let mut params = choice(head, B256::ZERO);
        params[1] = attributes;
        params
    };
    let fcu = "engine_forkchoiceUpdatedV3";
    assert_eq!(proposer.engine_error(fcu, wish(attributes(time))).await, -38003);
    let mut no_root = attributes(time + 12);
    no_root.as_object_mut().unwrap().remove("parentBeaconBlockRoot");
    assert_eq!(proposer.engine_error(fcu, wish(no_root)).await, -38003);
    let update = proposer.engine(fcu, wish(attributes(time + 12))).await;
    assert_eq!(update["payloadStatus"]["status"], "VALID");
    let id = update["payloadId"].clone();

    assert_eq!(
        proposer.engine_error("engine_getPayloadV5", json!(["0x0000000000000001"])).await,
        -38001
    );
    assert_eq!(proposer.engine_error("engine_getPayloadV4", json!([id])).await, -38005);
    let built = proposer.engine("engine_getPayloadV5", json!([id])).await;
    let payload = &built["executionPayload"];
    assert_eq!(payload["transactions"].as_array().unwrap().len(), 4);
    assert_eq!(built["executionRequests"], json!([]));
    // Four transfers with a tip of 1 gwei.
    assert_eq!(built["blockValue"], format!("{:#x}", 4_u64 * 21_000 * 1_000_000_000));
    assert_eq!(proposer.head().await, head, "a payload is only proposed");

    let hash: B256 = serde_json::from_value(payload["blockHash"].clone()).unwrap();
    let params = json!([payload, [], B256::repeat_byte(4), []]);
    for node in [&follower, &proposer] {
        let answer = node.engine("engine_newPayloadV4", params.clone()).await;
        assert_eq!(answer, status("VALID", Some(hash)));
        assert_eq!(node.choose(hash, B256::ZERO).await, status("VALID", Some(hash)));
        for transaction in &hashes {
            let receipt = node.eth("eth_getTransactionReceipt", json!([transaction])).await;
            assert_eq!((&receipt["status"], &receipt["blockHash"]), (&json!("0x1"), &json!(hash)));
        }
        // Withdrawals are in gwei.
        let balance = node.eth("eth_getBalance", json!([to, "latest"])).await;
        assert_eq!(balance, format!("{:#x}", 4 * 5 + 3 * (ETHER / 1_000_000_000)));
    }
    let pool = proposer.eth("txpool_status", json!([])).await;
    assert_eq!((&pool["pending"], &pool["queued"]), (&json!("0x0"), &json!("0x0")));
    // The head has moved on.
    assert_eq!(proposer.engine("engine_getPayloadV5", json!([id])).await, built);
    proposer.stop().await;
    follower.stop().await;
}
