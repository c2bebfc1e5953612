//! An ethrex node on one machine, to be measured beside ours by `bench-node --ethrex`: the published crates'
//! storage, pool, execution and JSON-RPC server, with a block each second. Its own binary, and the
//! producer in it, are not published; the producer here uses the same functions as ethrex's Engine API,
//! without the requests around them.

mod network;

use std::{
    collections::HashSet,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result, ensure};
use clap::Parser;
use ethrex_blockchain::{
    Blockchain, BlockchainOptions,
    fork_choice::apply_fork_choice,
    payload::{BuildPayloadArgs, create_payload},
};
use ethrex_common::{
    Address, Bytes, H256,
    types::{Block, BlockHash, ELASTICITY_MULTIPLIER, Genesis},
};
use ethrex_rpc::{ClientVersion, RpcNamespace, start_api};
use ethrex_storage::{EngineType, Store};
use network::Network;
use tokio_util::sync::CancellationToken;

/// As in ethrex's own binary.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Payload attributes of version 3 (Cancun).
const PAYLOAD_VERSION: u8 = 3;

#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    /// geth's genesis file.
    genesis: PathBuf,
    /// JSON-RPC over HTTP is served here, on loopback.
    #[arg(long)]
    port: u16,
    #[arg(long)]
    gas_limit: u64,
    /// Transactions that the pool holds at most; ethrex's own default is 10,000.
    #[arg(long, default_value_t = 1_000_000)]
    pool: usize,
    /// Build a payload again and again as transactions come in, as ethrex does between two calls of its
    /// Engine API; otherwise each block is built once, when it is due.
    #[arg(long)]
    rebuild: bool,
    /// RocksDB in this directory (feature `rocksdb`); otherwise everything is in memory.
    #[arg(long)]
    data: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let cli = Cli::parse();
    let storage = store(&cli.genesis, cli.data.as_deref()).await?;
    let options = BlockchainOptions { max_mempool_size: cli.pool, ..Default::default() };
    let blockchain = Arc::new(Blockchain::new(storage.clone(), options));
    blockchain.set_synced();
    let cancel = CancellationToken::new();
    let network = Network::new(&storage, &blockchain, cancel.clone()).await?;
    let version = ["ethrex", env!("CARGO_PKG_VERSION"), "bench", "", "", ""].map(ToOwned::to_owned);
    let [client, number, branch, commit, system, compiler] = version;
    let api = start_api(
        SocketAddr::from(([127, 0, 0, 1], cli.port)),
        None,
        SocketAddr::from(([127, 0, 0, 1], 0)),
        storage.clone(),
        blockchain.clone(),
        Bytes::from_static(&[7; 32]),
        network.node,
        network.record,
        network.syncer,
        network.peers,
        ClientVersion::new(client, number, branch, commit, system, compiler),
        None,
        cli.gas_limit,
        String::new(),
        HashSet::from([RpcNamespace::Eth, RpcNamespace::Net, RpcNamespace::Web3]),
        cancel,
    );
    let producer = Producer { storage, blockchain, gas_limit: cli.gas_limit, rebuild: cli.rebuild };
    tokio::select! {
        served = api => served.map_err(|error| anyhow::anyhow!("{error:?}")),
        produced = producer.run() => produced,
    }
}

/// The genesis state under Cancun's rules: Prague's want contracts that it lacks.
async fn store(genesis: &Path, data: Option<&Path>) -> Result<Store> {
    let file = std::fs::read(genesis).with_context(|| genesis.display().to_string())?;
    let mut genesis: Genesis = serde_json::from_slice(&file)?;
    genesis.config.prague_time = None;
    let mut store = match data {
        None => Store::new("", EngineType::InMemory)?,
        #[cfg(feature = "rocksdb")]
        Some(directory) => Store::new(directory, EngineType::RocksDB)?,
        #[cfg(not(feature = "rocksdb"))]
        Some(_) => anyhow::bail!("--data wants the feature `rocksdb`"),
    };
    store.add_initial_state(genesis).await?;
    Ok(store)
}

/// Makes a block each second.
struct Producer {
    storage: Store,
    blockchain: Arc<Blockchain>,
    gas_limit: u64,
    rebuild: bool,
}

impl Producer {
    async fn run(self) -> Result<()> {
        let newest = self.storage.get_latest_block_number().await?;
        let header =
            self.storage.get_block_header(newest)?.context("the newest block is missing")?;
        let (mut head, mut timestamp) = (header.hash(), header.timestamp);
        loop {
            // Two blocks cannot have one timestamp.
            let due = (now()?.as_secs() + 1).max(timestamp + 1);
            let args = self.arguments(head, due);
            let block = if self.rebuild {
                let id = args.id().map_err(|error| anyhow::anyhow!("{error}"))?;
                let empty = create_payload(&args, &self.storage, Bytes::new())?;
                self.blockchain.clone().initiate_payload_build(empty, id).await;
                sleep_until(due).await?;
                self.blockchain.get_payload(id).await?.payload
            } else {
                sleep_until(due).await?;
                let empty = create_payload(&args, &self.storage, Bytes::new())?;
                let blockchain = self.blockchain.clone();
                tokio::task::spawn_blocking(move || blockchain.build_payload(empty)).await??.payload
            };
            head = self.take(block).await?;
            timestamp = due;
        }
    }

    fn arguments(&self, parent: BlockHash, timestamp: u64) -> BuildPayloadArgs {
        BuildPayloadArgs {
            parent,
            timestamp,
            fee_recipient: Address::repeat_byte(0xfe),
            random: H256::zero(),
            withdrawals: Some(Vec::new()),
            beacon_root: Some(H256::zero()),
            slot_number: None,
            version: PAYLOAD_VERSION,
            elasticity_multiplier: ELASTICITY_MULTIPLIER,
            gas_ceil: self.gas_limit,
        }
    }

    /// What `engine_newPayload` and then `engine_forkchoiceUpdated` do with a block of our own.
    async fn take(&self, block: Block) -> Result<BlockHash> {
        let hash = block.hash();
        let (blockchain, imported) = (self.blockchain.clone(), block.clone());
        tokio::task::spawn_blocking(move || blockchain.add_block_pipeline(imported, None))
            .await??;
        let head = apply_fork_choice(&self.storage, hash, hash, hash, None)
            .await
            .map_err(|error| anyhow::anyhow!("{error}"))?;
        ensure!(head.hash() == hash, "the block is not the head");
        self.blockchain.remove_block_transactions_from_pool(&block)?;
        Ok(hash)
    }
}

fn now() -> Result<Duration> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?)
}

/// Waits for a second of the clock.
async fn sleep_until(second: u64) -> Result<()> {
    tokio::time::sleep(Duration::from_secs(second).saturating_sub(now()?)).await;
    Ok(())
}
