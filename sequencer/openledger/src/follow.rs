//! `openledger follow`: a node that knows only L1. It derives the chain, executes it, and serves JSON-RPC;
//! the sequencer is not asked for anything, and need not exist.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Context, Result, ensure};
use derive::L1Event;
use l1::{L1Addresses, L1Client, Watcher};
use node::{L1Feed, Node, NodeConfig, NodeInputs, Role};
use primitives::{GenesisL2, RollupConfig};
use serde::de::DeserializeOwned;
use store::{Store, StoreOptions};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
};
use tokio_util::sync::CancellationToken;
use url::Url;

/// L1 events that may wait.
const L1_EVENTS_WAITING: usize = 64;
/// How often L1 is asked for new blocks.
const L1_POLL: Duration = Duration::from_millis(500);

/// Follow a chain from L1 alone.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  \
    openledger follow --l1-rpc http://l1:8545 --rollup rollup.json --genesis genesis.json --data-dir ./follower")]
pub struct Args {
    /// JSON-RPC of an L1 node.
    #[arg(long, value_name = "URL")]
    l1_rpc: Url,
    /// Beacon API of L1, from which batches in blobs are read; at the same URL unless given.
    #[arg(long, value_name = "URL")]
    l1_beacon_url: Option<Url>,
    /// The chain's configuration, as `openledger deploy` and `openledger dev` write it.
    #[arg(long, value_name = "FILE")]
    rollup: PathBuf,
    /// The chain's first state.
    #[arg(long, value_name = "FILE")]
    genesis: PathBuf,
    /// Where the chain is kept.
    #[arg(long, value_name = "DIR")]
    data_dir: PathBuf,
    /// Where JSON-RPC is served; port 0 takes any.
    #[arg(long, default_value = "127.0.0.1:9547", value_name = "ADDRESS")]
    listen: SocketAddr,
}

/// Reads a JSON file.
pub fn read_json<T: DeserializeOwned>(path: &std::path::Path) -> Result<T> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_slice(&bytes).with_context(|| format!("{} is damaged", path.display()))
}

pub async fn run(args: Args) -> Result<()> {
    let rollup: RollupConfig = read_json(&args.rollup)?;
    let genesis: GenesisL2 = read_json(&args.genesis)?;
    rollup.validate()?;
    let hash = store::genesis_header(&genesis)?.hash_slow();
    ensure!(
        hash == rollup.genesis.l2.hash,
        "{} has hash {hash}, {} names {}",
        args.genesis.display(),
        args.rollup.display(),
        rollup.genesis.l2.hash
    );
    let mut l1 = L1Client::connect(args.l1_rpc, rollup.l1_chain_id).await?;
    if let Some(url) = args.l1_beacon_url {
        l1 = l1.with_beacon(url);
    }
    let store = Store::open(&args.data_dir, StoreOptions::default())?;
    store.init_genesis(&genesis)?;

    let head = store.heads()?.unsafe_head.number;
    let mut safe =
        store.l2_block_ref(head)?.with_context(|| format!("L2 block {head} is missing"))?;
    if head == rollup.genesis.l2.number {
        safe.l1_origin = rollup.genesis.l1;
    }
    let start = node::verifier::l1_start(&rollup, &safe);
    let shutdown = CancellationToken::new();
    let (sender, l1_events) = mpsc::channel::<L1Event>(L1_EVENTS_WAITING);
    let mut watcher = Watcher::new(l1, L1Addresses::from(&rollup), start, L1_POLL);
    let feed = L1Feed::new(l1_events, watcher.rewinds());
    let stopping = shutdown.clone();
    let watching = tokio::spawn(async move { watcher.run(sender, stopping).await });

    let mut config = NodeConfig::new(rollup, Role::Verifier);
    config.rpc.listen = args.listen;
    let inputs = NodeInputs { store: Arc::clone(&store), l1: feed, safe_heads: None };
    let node = Node::start(config, inputs, shutdown.clone()).await?;
    println!("JSON-RPC   http://{}", node.rpc_addr());

    let mut terminate = signal(SignalKind::terminate())?;
    let node_stopping = node.stopping();
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
        () = node_stopping.cancelled() => {}
        ended = watching => {
            shutdown.cancel();
            ended.context("the L1 watcher panicked")??;
        }
    }
    shutdown.cancel();
    node.shutdown();
    Ok(node.join().await?)
}
