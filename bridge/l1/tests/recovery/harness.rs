//! A real L1 (anvil), a made-up L2, and a deriver that reads back what the batcher posted.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use alloy_consensus::{SignableTransaction, TxEip1559};
use alloy_eips::{
    BlockNumHash,
    eip2718::{Decodable2718, Encodable2718},
};
use alloy_primitives::{Bytes, Signature, TxKind, U256, keccak256};
use alloy_provider::{Provider, RootProvider};
use alloy_signer_local::PrivateKeySigner;
use bridge_l1::{
    Batcher, BatcherConfig, DataAvailability, DataLimits, Journal, L1Addresses, L1Client, L2Blocks,
    RoleSigner, SourceError, Watcher,
    deploy::{DeployParams, Deployment, DisputeParams, VerifierParams, deploy},
};
use derive::{L1Block, L1Event, Pipeline, Step, attributes, l2_block_ref};
use primitives::{
    Block, BlockBody, Header, L2BlockRef, RollupConfig, RollupGenesis, SystemConfig, TxEnvelope,
    transactions_root,
};
use serde_json::{Value, json};
use tests_anvil::AnvilInstance;
use tokio::{sync::mpsc, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use url::Url;

pub const CHAIN_ID: u64 = 16_121;
/// No test waits longer for anything.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// Anvil's well-known accounts.
const KEYS: [&str; 3] = [
    "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
    "59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
    "5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a",
];

pub fn deployer() -> PrivateKeySigner {
    KEYS[0].parse().unwrap()
}

pub fn batcher() -> PrivateKeySigner {
    KEYS[1].parse().unwrap()
}

/// Nobody in particular, with ETH.
pub fn stranger() -> PrivateKeySigner {
    KEYS[2].parse().unwrap()
}

/// A deployed rollup on an anvil of its own.
pub struct L1 {
    _process: AnvilInstance,
    pub client: L1Client,
    pub url: Url,
    provider: RootProvider,
    pub deployment: Deployment,
    pub rollup: RollupConfig,
}

impl L1 {
    /// `None`, with the reason printed, where anvil is not installed.
    pub async fn start() -> Option<Self> {
        let process = tests_anvil::start(&["--chain-id", "16121", "--block-time", "0.2"])?;
        let url = process.endpoint_url();

        let system_config =
            SystemConfig { batcher_address: batcher().address(), ..Default::default() };
        let params = DeployParams {
            owner: deployer().address(),
            timelock: None,
            treasury: None,
            guardian: deployer().address(),
            unsafe_block_signer: deployer().address(),
            l2_chain_id: 16_120,
            system_config,
            genesis_supply: U256::ZERO,
            grants: vec![(deployer().address(), U256::from(1_000))],
            disputes: DisputeParams::devnet(VerifierParams::Devnet {
                executor: deployer().address(),
            }),
            multicall3: None,
        };
        let deployment = deploy(url.clone(), deployer(), &params).await.unwrap();
        let rollup = RollupConfig {
            genesis: RollupGenesis {
                l1: deployment.l1_genesis,
                l2: BlockNumHash { number: 0, hash: keccak256("genesis") },
                l2_time: deployment.l1_timestamp,
                system_config,
            },
            block_time: 1,
            max_sequencer_drift: 1_800,
            seq_window_size: 3_600,
            channel_timeout: 300,
            l1_chain_id: CHAIN_ID,
            l2_chain_id: 16_120,
            batch_inbox_address: deployment.batch_inbox,
            deposit_contract_address: deployment.optimism_portal,
            l1_system_config_address: deployment.system_config,
        };
        let client = L1Client::connect(url.clone(), CHAIN_ID).await.unwrap();
        let provider = RootProvider::new_http(url.clone());
        Some(Self { _process: process, client, url, provider, deployment, rollup })
    }

    pub async fn call(&self, method: &'static str, params: Value) -> Value {
        self.provider.raw_request(method.into(), params).await.unwrap()
    }

    /// Blocks come from now on only by `anvil_mine`.
    pub async fn stop_mining(&self) {
        self.call("evm_setIntervalMining", json!([0])).await;
        self.call("evm_setAutomine", json!([false])).await;
    }

    pub async fn resume_mining(&self) {
        self.call("evm_setIntervalMining", json!([1])).await;
    }

    /// Every transaction to the inbox, as hashes of its data.
    pub async fn inbox(&self) -> Vec<Bytes> {
        let addresses = L1Addresses::from(&self.rollup);
        let mut found = Vec::new();
        for number in self.rollup.genesis.l1.number..=self.client.head().await.unwrap().block.number
        {
            let block = self.client.fetch_block(number, &addresses).await.unwrap().unwrap();
            found.extend(block.inbox.into_iter().map(|transaction| transaction.data));
        }
        found
    }

    /// Numbers of blobs in the transactions to the inbox.
    pub async fn blob_counts(&self) -> Vec<usize> {
        let mut counts = Vec::new();
        for number in 0..=self.client.head().await.unwrap().block.number {
            let block =
                self.call("eth_getBlockByNumber", json!([format!("{number:#x}"), true])).await;
            let transactions = block["transactions"].as_array().unwrap();
            let inbox = json!(self.rollup.batch_inbox_address);
            let blobs = transactions
                .iter()
                .filter(|transaction| transaction["to"] == inbox)
                .filter_map(|transaction| transaction["blobVersionedHashes"].as_array());
            counts.extend(blobs.map(Vec::len));
        }
        counts
    }

    /// The made-up L2 chain of this rollup: all its blocks have the genesis origin.
    pub async fn l2(&self, blocks: u64) -> L2 {
        let addresses = L1Addresses::from(&self.rollup);
        let number = self.rollup.genesis.l1.number;
        let origin = self.client.fetch_block(number, &addresses).await.unwrap().unwrap();
        let l2 = L2 {
            rollup: self.rollup.clone(),
            origin: Arc::new(origin),
            blocks: Arc::default(),
            safe: Arc::default(),
        };
        l2.grow(blocks, 0);
        l2
    }

    /// Runs a batcher until the handle is stopped.
    pub async fn batcher(&self, l2: &L2, journal: &MemoryJournal, config: BatcherConfig) -> Task {
        self.run_batcher(self.client.clone(), batcher(), l2, journal, config, None).await
    }

    /// The same with another key, over another connection, and with somebody to be limited.
    pub async fn run_batcher(
        &self,
        client: L1Client,
        key: impl Into<RoleSigner>,
        l2: &L2,
        journal: &MemoryJournal,
        config: BatcherConfig,
        limits: Option<Arc<dyn DataLimits>>,
    ) -> Task {
        let batcher = Batcher::new(client, &self.rollup, key, config, l2.clone(), journal.clone())
            .await
            .unwrap();
        let batcher = match limits {
            Some(limits) => batcher.with_limits(limits),
            None => batcher,
        };
        let stop = CancellationToken::new();
        Task { task: tokio::spawn(batcher.run(stop.clone())), stop }
    }

    /// Derives in the background and reports the safe head to `l2`. Every derived block must be the
    /// one that `l2` has.
    pub fn deriver(&self, l2: &L2) -> Deriver {
        self.deriver_from(self.client.clone(), l2)
    }

    /// The same from what another connection tells.
    pub fn deriver_from(&self, client: L1Client, l2: &L2) -> Deriver {
        let (sender, receiver) = mpsc::channel(16);
        let start = self.rollup.genesis.l1.number;
        let watcher =
            Watcher::new(client, L1Addresses::from(&self.rollup), start, Duration::from_millis(50));
        let stop = CancellationToken::new();
        let reorgs = Arc::new(AtomicUsize::new(0));
        tokio::spawn(watcher.run(sender, stop.clone()));
        let read = Arc::new(AtomicU64::new(0));
        let task =
            tokio::spawn(derive_all(l2.clone(), receiver, Arc::clone(&reorgs), Arc::clone(&read)));
        Deriver { task, stop, reorgs, read }
    }

    /// Mines a block with this base fee, wei.
    pub async fn mine_at(&self, base_fee: u128) {
        self.call("anvil_setNextBlockBaseFeePerGas", json!([format!("{base_fee:#x}")])).await;
        self.call("anvil_mine", json!(["0x1"])).await;
    }

    /// Most that each waiting transaction pays, wei per gas.
    pub async fn pool_fees(&self) -> Vec<u128> {
        let content = self.call("txpool_content", json!([])).await;
        let kinds = ["pending", "queued"].map(|kind| content[kind].as_object().unwrap().clone());
        let accounts = kinds.iter().flat_map(|kind| kind.values());
        accounts
            .flat_map(|account| account.as_object().unwrap().values())
            .map(|transaction| transaction["maxFeePerGas"].as_str().unwrap().to_owned())
            .map(|fee| u128::from_str_radix(fee.strip_prefix("0x").unwrap(), 16).unwrap())
            .collect()
    }

    /// Waits until L1 holds a transaction with blobs to the inbox.
    pub async fn blobs_arrive(&self) {
        let start = std::time::Instant::now();
        while self.blob_counts().await.is_empty() {
            assert!(start.elapsed() < PATIENCE, "no blobs came");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Puts `data` into the inbox.
    pub async fn send_to_inbox(&self, key: &PrivateKeySigner, data: &'static [u8]) {
        let provider = alloy_provider::ProviderBuilder::new()
            .wallet(alloy_network::EthereumWallet::from(key.clone()))
            .connect_http(self.url.clone());
        let call = alloy_rpc_types_eth::TransactionRequest::default()
            .to(self.rollup.batch_inbox_address)
            .input(Bytes::from_static(data).into());
        let receipt = provider.send_transaction(call).await.unwrap().get_receipt().await.unwrap();
        assert!(receipt.status());
    }
}

pub struct Task {
    pub task: JoinHandle<Result<(), bridge_l1::BatcherError>>,
    stop: CancellationToken,
}

impl Task {
    pub async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap().unwrap();
    }
}

pub struct Deriver {
    pub task: JoinHandle<()>,
    stop: CancellationToken,
    pub reorgs: Arc<AtomicUsize>,
    read: Arc<AtomicU64>,
}

impl Drop for Deriver {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Deriver {
    /// Waits until L1 block `number` was read and derived from.
    pub async fn read_to(&self, number: u64) {
        wait_for(&format!("L1 block {number}"), || {
            assert!(!self.task.is_finished(), "the deriver stopped");
            self.read.load(Ordering::SeqCst) >= number
        })
        .await;
    }

    /// Waits until the safe head is `number`.
    pub async fn reach(&self, l2: &L2, number: u64) {
        wait_for(&format!("safe head {number}"), || {
            assert!(!self.task.is_finished(), "the deriver stopped");
            l2.safe.load(Ordering::SeqCst) == number
        })
        .await;
    }
}

/// Polls until `done`.
pub async fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    let start = std::time::Instant::now();
    while !done() {
        assert!(start.elapsed() < PATIENCE, "{what} did not come in time");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn derive_all(
    l2: L2,
    mut events: mpsc::Receiver<L1Event>,
    reorgs: Arc<AtomicUsize>,
    read: Arc<AtomicU64>,
) {
    let system_config = l2.rollup.genesis.system_config;
    let safe_chain = l2.clone();
    // Blocks that are posted again come in spans that overlap what is safe.
    let mut pipeline = Pipeline::new(l2.rollup.clone(), l2.genesis(), system_config)
        .with_blocks(Arc::new(move |number| safe_chain.reference(number)));
    let mut chain: Vec<Arc<L1Block>> = Vec::new();
    while let Some(event) = events.recv().await {
        match event {
            L1Event::Block(block) => {
                chain.push(Arc::clone(&block));
                pipeline.push_l1(block).unwrap();
            }
            L1Event::Reorg { common } => {
                chain.retain(|block| block.number <= common.number);
                assert_eq!(chain.last().unwrap().hash, common.hash);
                pipeline.reset(l2.genesis(), system_config);
                for block in &chain {
                    pipeline.push_l1(Arc::clone(block)).unwrap();
                }
                l2.safe.store(0, Ordering::SeqCst);
                reorgs.fetch_add(1, Ordering::SeqCst);
            }
            L1Event::Restart { .. } | L1Event::Finalized(_) => {}
        }
        while let Step::Attributes(attributes) = pipeline.step().unwrap() {
            let number = pipeline.safe_head().number + 1;
            let block = l2.block(number).unwrap().expect("derived a block that L2 does not have");
            let transactions: Vec<Bytes> =
                block.body.transactions.iter().map(|t| t.encoded_2718().into()).collect();
            assert_eq!(attributes.timestamp, block.header.timestamp);
            assert_eq!(attributes.transactions, transactions, "block {number}");
            pipeline.accepted(l2_block_ref(&l2.rollup, &block).unwrap());
            l2.safe.store(number, Ordering::SeqCst);
        }
        read.store(chain.last().map_or(0, |block| block.number), Ordering::SeqCst);
    }
}

/// The sequencer's side of the chain.
#[derive(Clone)]
pub struct L2 {
    rollup: RollupConfig,
    origin: Arc<L1Block>,
    /// From block 1 on.
    blocks: Arc<Mutex<Vec<Block>>>,
    pub safe: Arc<AtomicU64>,
}

impl L2 {
    fn genesis(&self) -> L2BlockRef {
        L2BlockRef {
            hash: self.rollup.genesis.l2.hash,
            timestamp: self.rollup.genesis.l2_time,
            l1_origin: self.rollup.genesis.l1,
            ..Default::default()
        }
    }

    fn reference(&self, number: u64) -> Option<L2BlockRef> {
        if number == 0 {
            return Some(self.genesis());
        }
        let block = self.block(number).unwrap()?;
        Some(l2_block_ref(&self.rollup, &block).unwrap())
    }

    /// Adds `count` blocks of one transaction each; `fork` makes their content differ.
    pub fn grow(&self, count: u64, fork: u64) {
        let mut blocks = self.blocks.lock().unwrap();
        for _ in 0..count {
            let parent = blocks
                .last()
                .map_or_else(|| self.genesis(), |block| l2_block_ref(&self.rollup, block).unwrap());
            blocks.push(self.build(&parent, fork));
        }
    }

    /// Replaces everything above `number`.
    pub fn replace_above(&self, number: u64, fork: u64) {
        let count = {
            let mut blocks = self.blocks.lock().unwrap();
            let count = blocks.len() as u64 - number;
            blocks.truncate(number as usize);
            count
        };
        self.grow(count, fork);
    }

    fn build(&self, parent: &L2BlockRef, fork: u64) -> Block {
        let attributes = attributes(
            &self.rollup,
            &self.rollup.genesis.system_config,
            parent,
            &self.origin,
            parent.sequence_number + 1,
            parent.timestamp + 1,
        )
        .unwrap();
        let mut transactions: Vec<TxEnvelope> = attributes
            .transactions
            .iter()
            .map(|raw| TxEnvelope::decode_2718(&mut raw.as_ref()).unwrap())
            .collect();
        let noise = keccak256([parent.number.to_be_bytes(), fork.to_be_bytes()].concat());
        let transfer = TxEip1559 {
            chain_id: self.rollup.l2_chain_id,
            nonce: parent.number,
            gas_limit: 21_000,
            to: TxKind::Call(noise[..20].try_into().unwrap()),
            value: U256::from(fork),
            input: noise.repeat(40).into(),
            ..Default::default()
        };
        let signature = Signature::new(noise.into(), U256::from(1), false);
        transactions.push(TxEnvelope::from(transfer.into_signed(signature)));
        let header = Header {
            parent_hash: parent.hash,
            number: parent.number + 1,
            timestamp: attributes.timestamp,
            transactions_root: transactions_root(&transactions),
            ..Default::default()
        };
        Block { hash: header.hash_slow(), header, body: BlockBody::rollup(transactions) }
    }
}

impl L2Blocks for L2 {
    fn latest(&self) -> Result<u64, SourceError> {
        Ok(self.blocks.lock().unwrap().len() as u64)
    }

    fn safe(&self) -> Result<BlockNumHash, SourceError> {
        let number = self.safe.load(Ordering::SeqCst);
        let hash = match number {
            0 => self.rollup.genesis.l2.hash,
            number => self.block(number)?.unwrap().hash,
        };
        Ok(BlockNumHash { number, hash })
    }

    fn block(&self, number: u64) -> Result<Option<Block>, SourceError> {
        let index = (number as usize).wrapping_sub(1);
        Ok(self.blocks.lock().unwrap().get(index).cloned())
    }
}

/// A journal that can die right after a write became durable.
#[derive(Clone, Default)]
pub struct MemoryJournal {
    pub entries: Arc<Mutex<BTreeMap<Vec<u8>, Vec<u8>>>>,
    dies_at_next_write: Arc<AtomicBool>,
}

impl MemoryJournal {
    pub fn die_after_next_write(&self) {
        self.dies_at_next_write.store(true, Ordering::SeqCst);
    }

    pub fn is_empty(&self) -> bool {
        self.entries.lock().unwrap().is_empty()
    }
}

impl Journal for MemoryJournal {
    fn put(&self, key: &[u8], value: &[u8]) -> Result<(), SourceError> {
        self.entries.lock().unwrap().insert(key.to_vec(), value.to_vec());
        match self.dies_at_next_write.swap(false, Ordering::SeqCst) {
            false => Ok(()),
            true => Err(SourceError::new(std::io::Error::other("power failure"))),
        }
    }

    fn delete(&self, key: &[u8]) -> Result<(), SourceError> {
        self.entries.lock().unwrap().remove(key);
        Ok(())
    }

    fn all(&self) -> Result<Vec<(Vec<u8>, Vec<u8>)>, SourceError> {
        let entries = self.entries.lock().unwrap();
        Ok(entries.iter().map(|(key, value)| (key.clone(), value.clone())).collect())
    }
}

/// The same in blobs: small frames, two blobs in a transaction.
pub fn in_blobs() -> BatcherConfig {
    BatcherConfig {
        availability: DataAvailability::Blobs,
        blob_frame_size_max: 150,
        blobs_per_transaction_max: 2,
        ..fast()
    }
}

/// Small frames, so that channels take several transactions, and short times.
pub fn fast() -> BatcherConfig {
    let mut config = BatcherConfig {
        channel_age_max: Duration::from_millis(200),
        poll: Duration::from_millis(50),
        bump_after: Duration::from_secs(2),
        ..Default::default()
    };
    config.encoder.frame_size_max = 1_000;
    config.encoder.channel_size_target = 2_500;
    config
}
