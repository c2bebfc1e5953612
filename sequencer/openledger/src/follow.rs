//! `openledger follow`: a node that knows only L1. It derives the chain, executes it, and serves JSON-RPC;
//! the sequencer is not asked for anything, and need not exist. The same as `openledger node --role
//! follower`, with every file named.

use std::{net::SocketAddr, path::PathBuf};

use anyhow::{Context, Result};
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::rollup::{
    files::{self, Chain},
    nodes::{self, FollowerSettings, Tasks},
};

/// Follow a chain from L1 alone.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  \
    openledger follow --l1-rpc http://l1:8545 --rollup rollup.json --genesis genesis.json --data-dir ./follower")]
pub struct Args {
    /// JSON-RPC of an L1 node. Of several (again, or after a comma) the first that answers is asked, and what they
    /// say of a block must be the same.
    #[arg(long, value_name = "URL", value_delimiter = ',', required = true)]
    l1_rpc: Vec<Url>,
    /// Beacon API of L1, from which batches in blobs are read; of several (again, or after a comma) the next is
    /// asked for what one lacks. At the URLs of `--l1-rpc` unless given.
    #[arg(long, value_name = "URL", value_delimiter = ',')]
    l1_beacon_url: Vec<Url>,
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
    /// A sequencer's feed (ws:// or wss://), for blocks that L1 does not have yet; may be given several times.
    #[arg(long = "feed", value_name = "URL")]
    feeds: Vec<String>,
    /// JSON-RPC of the sequencer, to which transactions are handed.
    #[arg(long, value_name = "URL")]
    sequencer_rpc: Option<Url>,
}

/// Reads a JSON file.
pub fn read_json<T: DeserializeOwned>(path: &std::path::Path) -> Result<T> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_slice(&bytes).with_context(|| format!("{} is damaged", path.display()))
}

pub async fn run(args: Args) -> Result<()> {
    let chain = Chain::read(&args.data_dir, Some(&args.genesis), Some(&args.rollup))?;
    let data = files::claim(&args.data_dir)?;
    let l1 = chain.connect(args.l1_rpc.clone(), args.l1_beacon_url).await?;
    let settings = FollowerSettings {
        rpc: args.listen,
        feeds: args.feeds,
        sequencer_rpc: args.sequencer_rpc,
        unsafe_block_signer: None,
        l1_rpc: args.l1_rpc.into(),
    };
    let mut tasks = Tasks::new(&CancellationToken::new());
    nodes::start_follower(&chain, &l1, &data, settings, &mut tasks).await?;
    tasks.wait().await
}
