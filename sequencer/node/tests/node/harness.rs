//! A node in this process: real store in a temporary directory, real execution, real sockets; only
//! L1 is made by hand.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use alloy_consensus::{SignableTransaction, TxEip1559, TxEnvelope};
use alloy_eips::{BlockNumHash, eip2718::Encodable2718};
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, keccak256};
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use derive::{L1Block, L1Event};
use primitives::{
    AccountAllocation, GenesisL2, RollupConfig, RollupGenesis, SystemConfig, TxDeposit,
};
use sequencer_node::{
    DerivedHeads, L1Feed, Mode, Node, NodeConfig, NodeError, NodeHandle, NodeInputs, Role,
    SafeHeadUpdate, SequencerConfig,
};
use serde_json::{Value, json};
use store::Store;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

pub const CHAIN: u64 = 16_120;
pub const BATCHER: Address = Address::repeat_byte(0xba);
pub const ETHER: U256 = U256::from_limbs([1_000_000_000_000_000_000, 0, 0, 0]);

/// One chain's unchanging part.
pub struct World {
    pub genesis: GenesisL2,
    pub rollup: RollupConfig,
    pub accounts: Vec<PrivateKeySigner>,
}

impl World {
    /// Ten funded accounts; L2 begins `age` seconds ago.
    pub fn new(age: u64) -> Self {
        Self::with_accounts(age, 10, SystemConfig::default().gas_limit)
    }

    pub fn with_accounts(age: u64, accounts: u64, gas_limit: u64) -> Self {
        Self::starting(now() - age, accounts, gas_limit)
    }

    /// L2 begins at `start`, seconds since the Unix epoch.
    pub fn starting(start: u64, accounts: u64, gas_limit: u64) -> Self {
        let accounts: Vec<PrivateKeySigner> = (1..=accounts)
            .map(|index| PrivateKeySigner::from_bytes(&B256::from(U256::from(index))).unwrap())
            .collect();
        let system_config =
            SystemConfig { batcher_address: BATCHER, gas_limit, ..Default::default() };
        let mut genesis = GenesisL2 {
            chain_id: CHAIN,
            timestamp: start,
            gas_limit: system_config.gas_limit,
            base_fee_per_gas: 1_000_000_000,
            extra_data: extra_data(&system_config),
            alloc: Default::default(),
        };
        for account in &accounts {
            let funded =
                AccountAllocation { balance: ETHER * U256::from(1_000), ..Default::default() };
            genesis.alloc.insert(account.address(), funded);
        }
        let artifacts = [
            (primitives::L1_BLOCK, include_str!("../../../../contracts/artifacts/L1Block.json")),
            (
                primitives::L2_TO_L1_MESSAGE_PASSER,
                include_str!("../../../../contracts/artifacts/L2ToL1MessagePasser.json"),
            ),
        ];
        for (address, artifact) in artifacts {
            let artifact: Value = serde_json::from_str(artifact).unwrap();
            let code = artifact["deployedBytecode"].as_str().unwrap().parse().unwrap();
            genesis.alloc.insert(address, AccountAllocation { code, ..Default::default() });
        }
        let header = store::genesis_header(&genesis).unwrap();
        let l2 = BlockNumHash { number: 0, hash: primitives::Sealable::hash_slow(&header) };
        let l1 = l1_block(0, start, Vec::new());
        let rollup = RollupConfig {
            genesis: RollupGenesis {
                l1: BlockNumHash { number: l1.number, hash: l1.hash },
                l2,
                l2_time: start,
                system_config,
            },
            block_time: 1,
            max_sequencer_drift: 1_800,
            seq_window_size: 3_600,
            channel_timeout: 300,
            l1_chain_id: 16_121,
            l2_chain_id: CHAIN,
            batch_inbox_address: Address::repeat_byte(0xff),
            deposit_contract_address: Address::repeat_byte(0xdd),
            l1_system_config_address: Address::repeat_byte(0xcc),
        };
        Self { genesis, rollup, accounts }
    }

    pub fn open(&self, directory: &std::path::Path) -> Arc<Store> {
        let store = crate::released::open(directory);
        store.init_genesis(&self.genesis).unwrap();
        store
    }

    /// A signed transfer with sensible fees.
    pub fn transfer(&self, from: usize, nonce: u64, to: Address, value: U256) -> Bytes {
        self.sign(
            from,
            TxEip1559 {
                chain_id: CHAIN,
                nonce,
                gas_limit: 21_000,
                max_fee_per_gas: 3_000_000_000,
                max_priority_fee_per_gas: 1_000_000,
                to: TxKind::Call(to),
                value,
                ..Default::default()
            },
        )
    }

    pub fn sign(&self, from: usize, transaction: TxEip1559) -> Bytes {
        let signature = self.accounts[from].sign_hash_sync(&transaction.signature_hash()).unwrap();
        TxEnvelope::from(transaction.into_signed(signature)).encoded_2718().into()
    }

    pub fn address(&self, index: usize) -> Address {
        self.accounts[index].address()
    }
}

/// Jovian: version 1, denominator, elasticity, minimum base fee.
fn extra_data(config: &SystemConfig) -> Bytes {
    let mut data = vec![1];
    data.extend(config.eip1559_denominator.to_be_bytes());
    data.extend(config.eip1559_elasticity.to_be_bytes());
    data.extend(config.min_base_fee.to_be_bytes());
    data.into()
}

pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// A made-up L1 block whose hash depends on its number only, so that chains link up.
pub fn l1_block(number: u64, timestamp: u64, deposits: Vec<TxDeposit>) -> L1Block {
    let hash = |number: u64| keccak256(number.to_be_bytes());
    L1Block {
        hash: hash(number),
        number,
        parent_hash: if number == 0 { B256::ZERO } else { hash(number - 1) },
        timestamp,
        base_fee: 1_000_000_000,
        blob_base_fee: 1,
        mix_hash: keccak256(hash(number)),
        parent_beacon_block_root: B256::ZERO,
        deposits,
        inbox: Vec::new(),
        config_updates: Vec::new(),
    }
}

/// A node with the sending ends of its channels.
pub struct Running {
    pub handle: NodeHandle,
    pub l1: mpsc::Sender<L1Event>,
    pub safe: watch::Sender<SafeHeadUpdate>,
    pub url: String,
    pub http: reqwest::Client,
}

impl Running {
    /// Starts a verifier on `store`.
    pub async fn verifier(world: &World, store: Arc<Store>) -> Self {
        let rollup = world.rollup.clone();
        let change = |config: &mut NodeConfig| {
            config.mode = Mode::Rollup { rollup, role: Role::Verifier };
        };
        Self::try_start(world, store, change).await.unwrap()
    }

    /// Starts a sequencer on `store`.
    pub async fn start(world: &World, store: Arc<Store>) -> Self {
        Self::try_start(world, store, |_| {}).await.unwrap()
    }

    pub async fn try_start(
        world: &World,
        store: Arc<Store>,
        change: impl FnOnce(&mut NodeConfig),
    ) -> Result<Self, NodeError> {
        let (l1, l1_events) = mpsc::channel(64);
        let mut running = Self::with_feeds(world, store, l1_events.into(), None, change).await?;
        running.l1 = l1;
        Ok(running)
    }

    /// Starts a node that hears of L1 by `feed`, of derived heads by `derived` or the `safe` sender.
    pub async fn with_feeds(
        world: &World,
        store: Arc<Store>,
        feed: L1Feed,
        derived: Option<DerivedHeads>,
        change: impl FnOnce(&mut NodeConfig),
    ) -> Result<Self, NodeError> {
        let heads = store.heads().unwrap();
        let (safe, safe_heads) = watch::channel(SafeHeadUpdate {
            safe: heads.safe,
            finalized: heads.finalized,
            ..Default::default()
        });
        let mut config =
            NodeConfig::new(world.rollup.clone(), Role::Sequencer(SequencerConfig::default()));
        change(&mut config);
        let safe_heads = Some(derived.unwrap_or_else(|| safe_heads.into()));
        let inputs = NodeInputs { store, l1: feed, safe_heads };
        let handle = Node::start(config, inputs, CancellationToken::new()).await?;
        let url = format!("http://{}", handle.rpc_addr());
        let (l1, _) = mpsc::channel(1);
        Ok(Self { handle, l1, safe, url, http: reqwest::Client::new() })
    }

    pub async fn l1_block(&self, block: L1Block) {
        self.l1.send(L1Event::Block(Arc::new(block))).await.unwrap();
    }

    /// Sends a body as it is.
    pub async fn post(&self, body: impl Into<String>) -> (u16, String) {
        let response = self
            .http
            .post(&self.url)
            .header("content-type", "application/json")
            .body(body.into())
            .send()
            .await
            .unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    }

    /// The whole answer to one call.
    pub async fn answer(&self, method: &str, params: Value) -> Value {
        let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let (_, text) = self.post(request.to_string()).await;
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{method}: {error}: {text}"))
    }

    /// The result of a call that must succeed.
    pub async fn call(&self, method: &str, params: Value) -> Value {
        let answer = self.answer(method, params).await;
        assert!(answer.get("error").is_none(), "{method}: {answer}");
        answer["result"].clone()
    }

    /// Code and message of a call that must fail.
    pub async fn error(&self, method: &str, params: Value) -> (i64, String) {
        let answer = self.answer(method, params).await;
        let error = &answer["error"];
        assert!(error.is_object(), "{method} should fail: {answer}");
        (error["code"].as_i64().unwrap(), error["message"].as_str().unwrap().to_owned())
    }

    /// The receipt, once there is one.
    pub async fn receipt(&self, hash: &Value) -> Value {
        for _ in 0..200 {
            let receipt = self.call("eth_getTransactionReceipt", json!([hash])).await;
            if !receipt.is_null() {
                return receipt;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("no receipt for {hash}");
    }

    /// Sends a transaction and waits until its block is sealed.
    pub async fn sealed(&self, raw: Bytes) -> Value {
        let hash = self.call("eth_sendRawTransaction", json!([raw])).await;
        self.receipt(&hash).await
    }

    pub async fn head(&self) -> u64 {
        quantity(&self.call("eth_blockNumber", json!([])).await)
    }

    pub async fn reach(&self, number: u64) {
        for _ in 0..1_200 {
            if self.head().await >= number {
                return;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("block {number} was not built");
    }

    pub async fn stop(self) {
        self.handle.shutdown();
        self.handle.join().await.unwrap();
    }
}

/// A hex quantity as a number.
pub fn quantity(value: &Value) -> u64 {
    let text = value.as_str().unwrap_or_else(|| panic!("no quantity: {value}"));
    u64::from_str_radix(text.trim_start_matches("0x"), 16).unwrap()
}
