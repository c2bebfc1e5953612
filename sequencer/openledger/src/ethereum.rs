//! `openledger import` and `openledger node` without a role: chains of plain Ethereum, by geth's genesis files.
//!
//! A data directory holds the genesis file it was begun with and the chain's store.

use std::{
    fs::File,
    io::BufReader,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use alloy_genesis::Genesis;
use anyhow::{Context, Result, bail};
use clap::Args;
use node::{
    AuthConfig, MinerConfig, Mode, Node, NodeConfig, NodeInputs,
    ethereum::import::{Imported, import as import_blocks},
    jwt::JwtSecret,
};
use stf::ChainSpec;
use store::{Store, StoreOptions};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::rollup;

/// The copy of the genesis file in a data directory.
const GENESIS_FILE: &str = "genesis.json";
/// The store in it.
const STORE: &str = "ethereum";

/// Where a chain lies and how it begins.
#[derive(Clone, Debug, Args)]
pub struct ChainArgs {
    /// geth's genesis file. Needed once: the data directory keeps a copy.
    #[arg(long, value_name = "FILE")]
    genesis: Option<PathBuf>,
    /// Where the chain lies; made if it is not there.
    #[arg(long, value_name = "DIR", default_value = "chain")]
    data_dir: PathBuf,
}

/// Import an Ethereum chain from a file of blocks in RLP, as `geth export` writes it.
///
/// Every block is executed and compared with its header in all fields; proof of work is not checked.
/// Blocks the chain has already are passed over, so an import that was stopped is continued by the same
/// command. A bad block ends the import; what comes before it is kept.
#[derive(Clone, Debug, Args)]
pub struct ImportArgs {
    #[command(flatten)]
    chain: ChainArgs,
    /// The file of blocks.
    file: PathBuf,
}

/// Run a role of a rollup, or a node of an Ethereum chain.
///
/// A rollup's roles work over the directory that `openledger deploy --out DIR` wrote: each finds
/// genesis.json and rollup.json there and keeps what is its own in DIR/ROLE. A follower needs nothing but
/// these two files and an L1.
#[derive(Clone, Debug, Args)]
#[command(
    after_help = "Examples of a rollup, over ./chain as `openledger deploy --out ./chain` wrote it:\n  \
    openledger node --role sequencer --l1-rpc http://l1:8545 --keystore sequencer.json --password-file p.txt\n  \
    openledger node --role batcher   --l1-rpc http://l1:8545 --l2-rpc http://127.0.0.1:9545 --keystore batcher.json --password-file p.txt\n  \
    openledger node --role follower  --l1-rpc http://l1:8545 --rpc-port 9547 \\\n      \
    --feed ws://sequencer:9548 --sequencer-rpc http://sequencer:9545\n  \
    openledger node --role proposer  --l1-rpc http://l1:8545 --l2-rpc http://127.0.0.1:9547 --attestor http://attestor:9560/ --keystore proposer.json\n  \
    openledger node --role all       --l1-rpc http://l1:8545 --keys ./keys --password-file p.txt\n\n\
    Of an Ethereum chain:\n  \
    openledger import --genesis genesis.json chain.rlp   a chain from a file, into ./chain\n  \
    openledger node                                      serve it at http://127.0.0.1:8545\n  \
    openledger node --jwt-secret jwt.hex                 and follow a consensus client\n  \
    openledger node --genesis g.json --block-time 2      or make a block every two seconds"
)]
pub struct NodeArgs {
    #[command(flatten)]
    chain: ChainArgs,
    #[command(flatten)]
    rollup: rollup::Args,
    /// Address of the JSON-RPC.
    #[arg(long, value_name = "IP", default_value_t = Ipv4Addr::LOCALHOST)]
    rpc_address: Ipv4Addr,
    /// Port of the JSON-RPC; 0 takes a free one. 8545 unless given, 9545 of a sequencer, 9547 of a follower.
    #[arg(long)]
    rpc_port: Option<u16>,
    /// Serve the Engine API for a consensus client that knows the secret in this file (64 hexadecimal
    /// digits). Without it the chain stays as it is. Of a sequencer: the operators' secret, made if the file
    /// is not there.
    #[arg(long, value_name = "FILE")]
    jwt_secret: Option<PathBuf>,
    /// Make a block each so many seconds, as the L1 of `openledger dev` does, with its methods and its
    /// beacon API beside the JSON-RPC.
    #[arg(long, value_name = "SECONDS", conflicts_with = "jwt_secret", value_parser = clap::value_parser!(u64).range(1..=3_600))]
    block_time: Option<u64>,
    /// Address of the Engine API.
    #[arg(long, value_name = "IP", default_value_t = Ipv4Addr::LOCALHOST)]
    engine_address: Ipv4Addr,
    /// Port of the Engine API; 0 takes a free one.
    #[arg(long, default_value_t = 8551)]
    engine_port: u16,
}

/// Reads the file to its end or to the first bad block.
pub fn import(args: &ImportArgs) -> Result<()> {
    let file =
        File::open(&args.file).with_context(|| format!("cannot open {}", args.file.display()))?;
    let (store, spec) = open(&args.chain)?;
    let started = Instant::now();
    let mut done = Imported { head: store.heads()?.unsafe_head, ..Default::default() };
    let result = import_blocks(&store, &spec, BufReader::with_capacity(1 << 20, file), |now| {
        done = *now;
        eprint!("\r  block {}: {} new blocks ", now.head.number, now.blocks);
    });
    eprintln!();
    // Also after a bad block: what came before it is to be found at the next start without the log.
    store.flush()?;
    let head = store.heads()?.unsafe_head;
    match result {
        Ok(done) => {
            println!(
                "imported {} blocks with {} transactions ({} Mgas) in {:.1} s; {} were there already",
                done.blocks,
                done.transactions,
                done.gas_used / 1_000_000,
                started.elapsed().as_secs_f64(),
                done.known,
            );
            println!("head: block {} ({})", head.number, head.hash);
            Ok(())
        }
        Err(error) => Err(error).with_context(|| {
            format!(
                "the import of {} stopped; the chain is kept up to block {} ({})",
                args.file.display(),
                head.number,
                head.hash
            )
        }),
    }
}

/// Serves until Ctrl-C or the first failure.
pub async fn run(args: NodeArgs) -> Result<()> {
    if let Some(role) = args.rollup.role {
        let port = args.rpc_port.unwrap_or(match role {
            rollup::Role::Follower => 9_547,
            _ => 9_545,
        });
        anyhow::ensure!(args.block_time.is_none(), "--block-time is for chains of plain Ethereum");
        let shared = rollup::Shared {
            data_dir: args.chain.data_dir,
            genesis: args.chain.genesis,
            rpc: SocketAddr::from((args.rpc_address, port)),
            jwt_secret: args.jwt_secret,
        };
        return rollup::run(role, args.rollup, shared).await;
    }
    let (store, spec) = open(&args.chain)?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut config = match args.block_time {
        Some(seconds) => {
            let interval = Some(Duration::from_secs(seconds));
            NodeConfig::mining(spec, MinerConfig { interval, ..Default::default() })
        }
        None => NodeConfig::ethereum(spec),
    };
    config.rpc.listen = SocketAddr::from((args.rpc_address, args.rpc_port.unwrap_or(8_545)));
    if let (Some(path), Mode::Ethereum { engine, .. }) = (&args.jwt_secret, &mut config.mode) {
        let listen = SocketAddr::from((args.engine_address, args.engine_port));
        *engine = Some(AuthConfig::new(listen, JwtSecret::read(path)?));
    }
    let handle =
        Node::start(config, NodeInputs::without_l1(store), CancellationToken::new()).await?;
    let head = handle.chain().heads().unsafe_head;
    println!("JSON-RPC  http://{} and ws://{0}", handle.rpc_addr());
    if let Some(address) = handle.engine_addr() {
        println!("Engine    http://{address}");
    }
    println!("head      block {} ({})", head.number, head.hash);
    let stopping = handle.stopping();
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
        () = stopping.cancelled() => {}
    }
    handle.shutdown();
    handle.join().await?;
    Ok(())
}

/// Opens the chain, or begins it with the genesis file.
fn open(args: &ChainArgs) -> Result<(Arc<Store>, ChainSpec)> {
    let directory = &args.data_dir;
    let kept = directory.join(GENESIS_FILE);
    let path = match &args.genesis {
        Some(path) => path,
        None if kept.is_file() => &kept,
        None => bail!(
            "there is no chain in {}: name its genesis file with --genesis",
            directory.display()
        ),
    };
    let text =
        std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let genesis: Genesis = serde_json::from_str(&text)
        .with_context(|| format!("{} is no genesis file of geth's form", path.display()))?;
    std::fs::create_dir_all(directory)
        .with_context(|| format!("cannot make {}", directory.display()))?;
    let store = Store::open(&directory.join(STORE), StoreOptions::default())?;
    store.init_ethereum_genesis(&genesis).with_context(|| {
        format!("{} is not the genesis of the chain in {}", path.display(), directory.display())
    })?;
    // Also of a kept chain: its file may name forks that were not planned yet.
    if args.genesis.is_some() {
        std::fs::write(&kept, text).with_context(|| format!("cannot write {}", kept.display()))?;
    }
    Ok((store, ChainSpec::ethereum(genesis.config)))
}
