//! The task that verifies, on a real L1 node (anvil) with a chain in the middle of which the anchor lies: a
//! role without records begins where its node says, and ends with a message if L1 does not lead from there
//! to the anchor.

use std::{path::Path, sync::Arc, time::Duration};

use alloy_consensus::{Header, SignableTransaction, TxEip1559};
use alloy_eips::{BlockNumHash, eip2718::Encodable2718};
use alloy_network::{EthereumWallet, TransactionBuilder};
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256, keccak256};
use alloy_provider::{Provider, ProviderBuilder};
use alloy_rpc_types_eth::TransactionRequest;
use alloy_signer_local::PrivateKeySigner;
use axum::{Json, Router, routing::post};
use bridge_disputes::{Beginning, Beginnings, CheckError, Checker, Derivation, Games, L2Source};
use derive::{
    ChannelEncoder, ChannelId, EncoderConfig, attributes, encode_batcher_transaction, l2_block_ref,
};
use l1::{
    L1Addresses, L1Client,
    deploy::{DeployParams, DisputeParams, VerifierParams, deploy, set_starting_anchor},
};
use parking_lot::Mutex;
use primitives::{
    Block, BlockBody, PayloadAttributes, RollupConfig, RollupGenesis, SystemConfig, TxEnvelope,
    transactions_root,
};
use serde_json::{Value, json};
use tests_anvil::AnvilInstance;
use tokio_util::sync::CancellationToken;

const L1_CHAIN: u64 = 16_121;
const L2_CHAIN: u64 = 16_120;
/// Anvil's first account: it deploys, and is the batcher.
const KEY: &str = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";
const POLL: Duration = Duration::from_millis(50);
const PATIENCE: Duration = Duration::from_secs(60);

fn key() -> PrivateKeySigner {
    KEY.parse().unwrap()
}

/// A block as its attributes say; nothing is executed, as below the anchor nothing is.
fn execute(parent: &primitives::L2BlockRef, attributes: &PayloadAttributes) -> Block {
    let mut extra_data = vec![1];
    extra_data.extend(attributes.eip1559_params.as_slice());
    extra_data.extend(attributes.min_base_fee.to_be_bytes());
    let decode = |raw: &Bytes| TxEnvelope::decode_strict(raw).unwrap();
    let body = BlockBody::rollup(attributes.transactions.iter().map(decode).collect());
    let header = Header {
        parent_hash: parent.hash,
        number: parent.number + 1,
        timestamp: attributes.timestamp,
        gas_limit: attributes.gas_limit,
        mix_hash: attributes.prev_randao,
        beneficiary: attributes.suggested_fee_recipient,
        parent_beacon_block_root: Some(attributes.parent_beacon_block_root),
        transactions_root: transactions_root(&body.transactions),
        base_fee_per_gas: Some(1),
        withdrawals_root: Some(B256::repeat_byte(2)),
        blob_gas_used: Some(0),
        excess_blob_gas: Some(0),
        extra_data: extra_data.into(),
        ..Default::default()
    };
    Block { hash: header.hash_slow(), header, body }
}

fn transfer(nonce: u64) -> Bytes {
    let transaction = TxEip1559 {
        chain_id: L2_CHAIN,
        nonce,
        gas_limit: 21_000,
        to: TxKind::Call(Address::repeat_byte(1)),
        ..Default::default()
    };
    let r = U256::from_be_bytes(keccak256(nonce.to_be_bytes()).0);
    let raw = transaction.into_signed(Signature::new(r, r, true));
    TxEnvelope::from(raw).encoded_2718().into()
}

struct World {
    anvil: AnvilInstance,
    client: L1Client,
    config: RollupConfig,
    registry: Address,
    blocks: Vec<Block>,
}

impl World {
    /// The chain up to a block is final on L1.
    async fn anchor(&self, block: &Block) {
        let root = messages::output_root(block.header.state_root, B256::repeat_byte(2), block.hash);
        let url = self.anvil.endpoint_url();
        set_starting_anchor(url, key(), self.registry, root, block.header.number).await.unwrap();
    }

    async fn head(&self) -> u64 {
        self.client.head().await.unwrap().block.number
    }

    async fn call(&self, method: &'static str, params: Value) {
        let l1 = ProviderBuilder::new().connect_http(self.anvil.endpoint_url());
        let _: Value = l1.raw_request(method.into(), params).await.unwrap();
    }

    async fn new() -> Option<Self> {
        let anvil = tests_anvil::start(&["--chain-id", "16121", "--block-time", "0.2"])?;
        let account = key().address();
        let system_config = SystemConfig { batcher_address: account, ..Default::default() };
        let params = DeployParams {
            owner: account,
            timelock: None,
            treasury: None,
            guardian: account,
            unsafe_block_signer: account,
            l2_chain_id: L2_CHAIN,
            system_config,
            genesis_supply: U256::ZERO,
            grants: Vec::new(),
            disputes: DisputeParams::devnet(VerifierParams::Devnet { executor: account }),
            multicall3: None,
        };
        let at = deploy(anvil.endpoint_url(), key(), &params).await.unwrap();
        let header = Header {
            timestamp: at.l1_timestamp,
            transactions_root: transactions_root(&[]),
            ..Default::default()
        };
        let genesis =
            Block { hash: header.hash_slow(), header, body: BlockBody::rollup(Vec::new()) };
        let config = RollupConfig {
            genesis: RollupGenesis {
                l1: at.l1_genesis,
                l2: BlockNumHash { number: 0, hash: genesis.hash },
                l2_time: at.l1_timestamp,
                system_config,
            },
            block_time: 1,
            max_sequencer_drift: 1_800,
            seq_window_size: 3_600,
            channel_timeout: 300,
            l1_chain_id: L1_CHAIN,
            l2_chain_id: L2_CHAIN,
            batch_inbox_address: at.batch_inbox,
            deposit_contract_address: at.optimism_portal,
            l1_system_config_address: at.system_config,
        };
        let client = L1Client::connect(anvil.endpoint_url(), L1_CHAIN).await.unwrap();
        let registry = at.anchor_state_registry;
        Some(Self { anvil, client, config, registry, blocks: vec![genesis] })
    }

    /// The next block, with a user's transaction, on the newest L1 block that it may name.
    async fn build(&mut self) -> u64 {
        let parent = l2_block_ref(&self.config, self.blocks.last().unwrap()).unwrap();
        let addresses = L1Addresses::from(&self.config);
        let timestamp = parent.timestamp + 1;
        let at = parent.l1_origin.number;
        let next = self.client.fetch_block(at + 1, &addresses).await.unwrap();
        let (origin, sequence) = match next.filter(|next| next.timestamp <= timestamp) {
            Some(next) => (next, 0),
            None => {
                let same = self.client.fetch_block(at, &addresses).await.unwrap().unwrap();
                (same, parent.sequence_number + 1)
            }
        };
        let in_force = self.config.genesis.system_config;
        let made = attributes(&self.config, &in_force, &parent, &origin, sequence, timestamp);
        let mut made = made.unwrap();
        made.transactions.push(transfer(parent.number));
        self.blocks.push(execute(&parent, &made));
        origin.number
    }

    /// Posts blocks from `first` on; the L1 block that holds them, and the newest of them.
    async fn post(&self, first: u64) -> Beginning {
        let mut encoder =
            ChannelEncoder::new(ChannelId::from(u128::from(first)), EncoderConfig::default())
                .unwrap();
        for block in &self.blocks[first as usize..] {
            encoder.add_block(block).unwrap();
        }
        let frames = encoder.close().unwrap().unwrap().frames;
        let data = encode_batcher_transaction(&frames);
        let batcher = ProviderBuilder::new()
            .wallet(EthereumWallet::from(key()))
            .connect_http(self.anvil.endpoint_url());
        let to = self.config.batch_inbox_address;
        let request = TransactionRequest::default().with_to(to).with_input(data);
        let receipt = batcher.send_transaction(request).await.unwrap().get_receipt().await.unwrap();
        assert!(receipt.status());
        let l1 = BlockNumHash {
            number: receipt.block_number.unwrap(),
            hash: receipt.block_hash.unwrap(),
        };
        Beginning { l1, safe: self.blocks.last().map(Block::id).unwrap() }
    }
}

/// A node that has these blocks and says this of where to begin.
async fn node(blocks: Vec<Block>, told: Arc<Mutex<Beginning>>) -> L2Source {
    changing_node(Arc::new(Mutex::new(blocks)), told, Arc::default()).await
}

/// The same with blocks that may change, and what it was asked of them.
async fn changing_node(
    blocks: Arc<Mutex<Vec<Block>>>,
    told: Arc<Mutex<Beginning>>,
    asked: Arc<Mutex<Vec<(String, usize)>>>,
) -> L2Source {
    let answer = post(move |Json(request): Json<Value>| async move {
        let number = request["params"][0].as_str().unwrap_or_default().trim_start_matches("0x");
        let number = usize::from_str_radix(number, 16).unwrap_or(usize::MAX);
        let id = |id: BlockNumHash| json!({"hash": id.hash, "number": id.number});
        let method = request["method"].as_str().unwrap();
        asked.lock().push((method.to_owned(), number));
        let result = match method {
            "optimism_safeHeadAtL1Block" => {
                let told = *told.lock();
                json!({"l1Block": id(told.l1), "safeHead": id(told.safe)})
            }
            "debug_getRawBlock" => {
                let blocks = blocks.lock();
                let block = blocks.get(number);
                json!(block.map(|block| Bytes::from(alloy_rlp::encode(block.to_rlp()))))
            }
            _ => Value::Null,
        };
        Json(json!({"jsonrpc": "2.0", "id": request["id"], "result": result}))
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/", answer)).await });
    L2Source::new(url)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_begins_where_its_node_says_and_ends_when_that_was_false() {
    let Some(mut world) = World::new().await else { return };
    for _ in 0..3 {
        world.build().await;
    }
    let truth = world.post(1).await;
    // Until the last block's origin lies beyond what made the first ones safe.
    while world.client.head().await.unwrap().block.number < truth.l1.number + 4 {
        tokio::time::sleep(POLL).await;
    }
    while world.build().await <= truth.l1.number + 1 {}
    world.post(4).await;
    let anchor = world.blocks.last().unwrap().clone();
    let number = anchor.header.number;
    let root = messages::output_root(anchor.header.state_root, B256::repeat_byte(2), anchor.hash);
    let url = world.anvil.endpoint_url();
    set_starting_anchor(url.clone(), key(), world.registry, root, number).await.unwrap();
    let games = Games::of_portal(url, world.config.deposit_contract_address).await.unwrap();

    let word = Arc::new(Mutex::new(truth));
    let source = node(world.blocks.clone(), Arc::clone(&word)).await;
    let directory = tempfile::tempdir().unwrap();
    let checker = |directory: &Path, trusts: bool| {
        let (client, config) = (world.client.clone(), world.config.clone());
        Checker::new(client, config, games.clone(), source.clone(), POLL, directory)
            .unwrap()
            .trusting_node_for_beginning(trusts)
    };

    let first = world.blocks[1].id();
    let lies = [
        // Too late for the block: the batch of the next one is not read any more.
        Beginning { safe: first, ..truth },
        // Genesis, with all that came since left out.
        Beginning { safe: world.config.genesis.l2, ..truth },
        // Another block than the chain's.
        Beginning { safe: BlockNumHash { hash: first.hash, ..truth.safe }, ..truth },
        // Another L1.
        Beginning { l1: BlockNumHash { hash: B256::repeat_byte(9), ..truth.l1 }, ..truth },
    ];
    for lie in lies {
        *word.lock() = lie;
        let running = checker(directory.path(), true).run(CancellationToken::new());
        let ended = tokio::time::timeout(PATIENCE, running)
            .await
            .unwrap_or_else(|_| panic!("{lie:?} is not noticed; truth {truth:?}, anchor {number}"));
        let error = ended.unwrap_err();
        assert!(
            matches!(&error, CheckError::FalseBeginning { told, .. } if *told == lie),
            "{error}"
        );
        let text = error.to_string();
        assert!(text.contains("does not arrive at the anchor"), "{text}");
        assert!(text.contains("begin without --trust-node-for-beginning"), "{text}");
        // Nothing of it stays.
        let kept = Beginnings::open(directory.path()).unwrap();
        assert_eq!(kept.newest_below(u64::MAX), None);
    }

    // The truth leads to the anchor, and so does genesis for who believes nobody.
    for trusts in [true, false] {
        *word.lock() = if trusts { truth } else { lies[0] };
        let directory = tempfile::tempdir().unwrap();
        let checker = checker(directory.path(), trusts);
        let verified = checker.verified();
        let stop = CancellationToken::new();
        let running = tokio::spawn(checker.run(stop.clone()));
        let reached = async {
            loop {
                if let Some((newest, output)) = verified.ask(|outputs| outputs.newest()) {
                    return (newest, output.root);
                }
                tokio::time::sleep(POLL).await;
            }
        };
        let reached = tokio::time::timeout(PATIENCE, reached).await.expect("the anchor is reached");
        assert_eq!(reached, (number, root));
        stop.cancel();
        running.await.unwrap().unwrap();
    }
    assert_ne!(Derivation::genesis(&world.config), truth);
}

/// A node can follow a reorganisation of L1 before the role has heard of it, and then gives blocks that do not fit what
/// the role has read. The role asked for them again for ever, and never listened to its watcher meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn a_role_whose_node_followed_a_reorganisation_first_begins_again() {
    let Some(mut world) = World::new().await else { return };
    // One block above the anchor, and the first of its origin.
    let mut last = world.build().await;
    while last + 2 < world.head().await {
        last = world.build().await;
    }
    let origin = loop {
        let next = world.build().await;
        if next > last {
            break next;
        }
    };
    let [.., anchor, above] = &world.blocks[..] else { panic!("too few blocks") };
    let (anchor, above) = (anchor.clone(), above.clone());
    let number = above.header.number as usize;
    world.post(1).await;
    world.anchor(&anchor).await;

    let blocks = Arc::new(Mutex::new(world.blocks[..number].to_vec()));
    let word = Arc::new(Mutex::new(Derivation::genesis(&world.config)));
    let asked: Arc<Mutex<Vec<(String, usize)>>> = Arc::default();
    let source = changing_node(Arc::clone(&blocks), word, Arc::clone(&asked)).await;
    let games =
        Games::of_portal(world.anvil.endpoint_url(), world.config.deposit_contract_address).await;
    let directory = tempfile::tempdir().unwrap();
    let (client, config) = (world.client.clone(), world.config.clone());
    let checker =
        Checker::new(client, config, games.unwrap(), source, POLL, directory.path()).unwrap();
    let stop = CancellationToken::new();
    let running = tokio::spawn(checker.run(stop.clone()));
    let asked_for = async |method: &str| {
        let waiting = async {
            while !asked.lock().iter().any(|(of, at)| of == method && *at == number) {
                tokio::time::sleep(POLL).await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, waiting).await;
        waited.unwrap_or_else(|_| panic!("nobody asks for {method} of block {number}"));
    };
    // It has read L1 and waits for the block.
    asked_for("debug_getRawBlock").await;

    world.call("evm_setIntervalMining", json!([0])).await;
    let before = world.client.agreed(origin).await.unwrap().unwrap();
    let depth = world.head().await + 1 - origin;
    world.call("anvil_reorg", json!([depth, []])).await;
    world.call("evm_setIntervalMining", json!([1])).await;
    let after = world.client.agreed(origin).await.unwrap().unwrap();
    assert_ne!(before.hash, after.hash);
    world.blocks.pop();
    world.build().await;
    assert_ne!(world.blocks[number].hash, above.hash);
    world.post(1).await;
    world.anchor(&anchor).await;

    *blocks.lock() = world.blocks.clone();
    // The block is what L1 gives now: it is to be executed.
    asked_for("debug_executionWitness").await;
    stop.cancel();
    running.await.unwrap().unwrap();
}
