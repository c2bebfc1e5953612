//! Sequencer and follower as processes: stores, L1 watchers and nodes, and what they print.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use alloy_primitives::Address;
use alloy_signer_local::PrivateKeySigner;
use anyhow::{Context, Result, bail, ensure};
use l1::{Blobs, L1Addresses, L1Client, L1Urls, Watcher, contracts::SystemConfigContract};
use node::{
    Admin, AuthConfig, FeedConfig, FollowConfig, L1Feed, NamedKey, Node, NodeConfig, NodeHandle,
    NodeInputs, Role, SequencerConfig, jwt::JwtSecret,
};
use primitives::{BlockNumHash, L2BlockRef, RollupConfig};
use store::{Store, StoreOptions};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::{mpsc, watch},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;
use url::Url;

use super::files::Chain;
use crate::{
    dev::DataDir,
    keys,
    keystore::{KeyArgs, is_devnet},
    snapshot::serve::Server,
};

/// L1 events that may wait for a task.
const L1_EVENTS_WAITING: usize = 64;
/// How often L1 is asked for new blocks.
const L1_POLL: Duration = Duration::from_millis(500);
/// How often L1 is asked whose signature counts in feeds.
const SIGNER_POLL: Duration = Duration::from_secs(12);
/// How often it is asked again at the start.
const NAMED_KEY_TRIES: u32 = 6;
/// How long a new sequencer is waited for until L1 lets it begin.
const BEGIN_MAX: Duration = Duration::from_secs(10);
/// How long tasks may take to end.
const STOP_MAX: Duration = Duration::from_secs(20);

/// The tasks of a process: the first that ends, ends all.
pub struct Tasks {
    running: JoinSet<(&'static str, Result<()>)>,
    shutdown: CancellationToken,
}

impl Tasks {
    pub fn new(shutdown: &CancellationToken) -> Self {
        Self { running: JoinSet::new(), shutdown: shutdown.clone() }
    }

    pub const fn shutdown(&self) -> &CancellationToken {
        &self.shutdown
    }

    pub fn spawn(
        &mut self,
        name: &'static str,
        task: impl Future<Output = Result<()>> + Send + 'static,
    ) {
        let guard = self.shutdown.clone().drop_guard();
        self.running.spawn(async move {
            let _guard = guard;
            (name, task.await)
        });
    }

    /// The set itself, for those who bring tasks of their own.
    pub const fn set(&mut self) -> &mut JoinSet<(&'static str, Result<()>)> {
        &mut self.running
    }

    /// Until Ctrl-C, SIGTERM or the end of a task.
    pub async fn wait(mut self) -> Result<()> {
        let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
        let outcome = tokio::select! {
            _ = tokio::signal::ctrl_c() => Ok(()),
            _ = terminate.recv() => Ok(()),
            ended = self.running.join_next() => failure(ended),
        };
        self.shutdown.cancel();
        let mut outcome = outcome;
        let rest = async {
            while let Some(ended) = self.running.join_next().await {
                // The first to end may only have been told to; the reason is with another.
                if let Ok((task, Err(error))) = ended {
                    tracing::warn!(task, error = format!("{error:#}"), "ended badly");
                    if outcome.as_ref().is_err_and(|first| first.is::<Unexpected>()) {
                        outcome = Err(error.context(format!("the {task} failed")));
                    }
                }
            }
        };
        if tokio::time::timeout(STOP_MAX, rest).await.is_err() {
            tracing::warn!("some tasks did not end within {} s", STOP_MAX.as_secs());
        }
        outcome
    }
}

/// A task ended without an error of its own.
#[derive(Debug)]
struct Unexpected(&'static str);

impl std::fmt::Display for Unexpected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the {} ended unexpectedly", self.0)
    }
}

impl std::error::Error for Unexpected {}

fn failure(
    ended: Option<Result<(&'static str, Result<()>), tokio::task::JoinError>>,
) -> Result<()> {
    match ended {
        Some(Ok((task, Ok(())))) => Err(Unexpected(task).into()),
        Some(Ok((task, Err(error)))) => Err(error.context(format!("the {task} failed"))),
        Some(Err(error)) => bail!("a task panicked: {error}"),
        None => Ok(()),
    }
}

/// What a sequencer is told.
#[derive(Debug)]
pub struct SequencerSettings {
    pub rpc: SocketAddr,
    pub feed: SocketAddr,
    /// Without it there is no feed.
    pub feed_key: Option<PrivateKeySigner>,
    /// By its feed's key.
    pub stand_in: Option<Address>,
    pub admin: SocketAddr,
    pub jwt_secret: PathBuf,
    pub stopped: bool,
    pub l1_confirmations: u64,
    pub feeds: Vec<String>,
    pub unsafe_block_signer: Option<Address>,
    pub l1_rpc: L1Urls,
}

/// A sequencer that runs: what others of the same process need of it.
pub struct Running {
    pub store: Arc<Store>,
    /// What others may hear of it.
    pub chain: Arc<node::Chain>,
    /// JSON-RPC of the node that derives.
    pub verifier_rpc: SocketAddr,
    /// What operators of the sequencer steer.
    pub admin: Arc<Admin>,
}

/// What a follower is told.
#[derive(Debug)]
pub struct FollowerSettings {
    pub rpc: SocketAddr,
    pub feeds: Vec<String>,
    pub sequencer_rpc: Option<Url>,
    pub unsafe_block_signer: Option<Address>,
    pub l1_rpc: L1Urls,
}

/// The key that signs the feed, if one is given.
pub fn feed_key(
    key: &KeyArgs,
    keys: Option<&Path>,
    rollup: &RollupConfig,
) -> Result<Option<PrivateKeySigner>> {
    match keys {
        Some(directory) => key.of_role(directory, "sequencer").map(Some),
        None if !key.is_given() => {
            // The one that a development plan names.
            let development = is_devnet(rollup.l1_chain_id);
            development.then(|| keys::role_key(keys::Role::Batcher)).transpose()
        }
        None => key.load(rollup.l1_chain_id).map(Some),
    }
}

/// Starts the sequencer's node and the one that derives beside it.
pub async fn start_sequencer(
    chain: &Chain,
    l1: &L1Client,
    data: &DataDir,
    settings: SequencerSettings,
    tasks: &mut Tasks,
) -> Result<Running> {
    let rollup = &chain.rollup;
    let verifier_store = open_store(chain, &data.join("verifier"))?;
    let start = node::verifier::l1_start(rollup, &safe_ref(rollup, &verifier_store)?);
    let blobs = Blobs::From(l1.beacon().clone());
    let feed = watch_l1(chain, l1, "verifier's L1 watcher", start, blobs, tasks);
    let mut config = NodeConfig::new(rollup.clone(), Role::Verifier);
    config.rpc.listen = SocketAddr::from(([127, 0, 0, 1], 0));
    let inputs = NodeInputs { store: verifier_store, l1: feed, safe_heads: None };
    let verifier = Node::start(config, inputs, tasks.shutdown().clone()).await?;

    let store = open_store(chain, &data.join("l2"))?;
    let head = store.heads()?.unsafe_head;
    let start = node::sequencer::l1_start(&reference(rollup, &store, head)?);
    let feed = watch_l1(chain, l1, "sequencer's L1 watcher", start, Blobs::Ignored, tasks);
    let role = Role::Sequencer(SequencerConfig {
        stopped: settings.stopped,
        l1_confirmations: settings.l1_confirmations,
        ..SequencerConfig::default()
    });
    let mut config = NodeConfig::new(rollup.clone(), role);
    config.rpc.listen = settings.rpc;
    let secret = JwtSecret::read_or_create(&settings.jwt_secret)?;
    config.admin = Some(AuthConfig::new(settings.admin, secret));
    let given = settings.unsafe_block_signer;
    if given.is_none() {
        config.named_key = Some(named_key(rollup, l1, &settings.l1_rpc, tasks).await?);
    }
    let expected = given.or(config.named_key.as_ref().map(|named| named.borrow().key));
    let own = settings.feed_key.as_ref().map(PrivateKeySigner::address);
    if let Some(key) = settings.feed_key {
        let own = key.address();
        if let Some(expected) = expected.filter(|expected| *expected != own) {
            let (says, outcome) = match given {
                Some(_) => ("as --unsafe-block-signer says", "followers may refuse it"),
                None => (
                    "whom L1's SystemConfig names",
                    "this node builds nothing until it is named (setUnsafeBlockSigner)",
                ),
            };
            eprintln!("warning: the feed is signed by {own}, not by {expected}, {says}: {outcome}");
        }
        let stand_in = settings.stand_in;
        config.feed = Some(FeedConfig { stand_in, ..FeedConfig::new(settings.feed, key) });
    } else {
        ensure!(settings.stand_in.is_none(), "--feed-stand-in needs a feed: a key (--keystore)");
    }
    if !settings.feeds.is_empty() {
        config.follow = Some(FollowConfig { urls: settings.feeds, signer: given });
    }
    let derived = Some(verifier.derived_heads());
    serve_snapshots(rollup, &store, tasks);
    let inputs = NodeInputs { store: Arc::clone(&store), l1: feed, safe_heads: derived };
    let node = Node::start(config, inputs, tasks.shutdown().clone()).await?;
    println!("JSON-RPC   http://{} and ws://{0}", node.rpc_addr());
    match node.feed_addr() {
        Some(address) => println!("feed       ws://{address}"),
        None => println!("feed       none: it needs a key (--keystore)"),
    }
    if let Some(stand_in) = settings.stand_in {
        println!("stand-in   {stand_in} must acknowledge each block");
    }
    if let Some(address) = node.admin_addr() {
        println!("operators  http://{address} (secret in {})", settings.jwt_secret.display());
    }
    let sequencer = &node.admin().sequencer;
    // A new one begins when it has heard from L1 that it may.
    let waiting = Instant::now();
    while !settings.stopped
        && expected.is_none_or(|expected| own == Some(expected))
        && sequencer.knows_none().unwrap_or_default()
        && waiting.elapsed() < BEGIN_MAX
    {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let lead = sequencer.active().unwrap_or_default();
    println!("sequences  {}", if lead { "yes" } else { "no: admin_startSequencer starts it" });
    let (verifier_rpc, admin) = (verifier.rpc_addr(), Arc::clone(node.admin()));
    let l2 = Arc::clone(node.chain());
    watch_node("verifier", verifier, tasks);
    watch_node("sequencer", node, tasks);
    Ok(Running { store, chain: l2, verifier_rpc, admin })
}

/// Starts a node that derives and follows.
pub async fn start_follower(
    chain: &Chain,
    l1: &L1Client,
    data: &DataDir,
    settings: FollowerSettings,
    tasks: &mut Tasks,
) -> Result<SocketAddr> {
    let rollup = &chain.rollup;
    let store = open_store(chain, &data.join("l2"))?;
    let start = node::verifier::l1_start(rollup, &safe_ref(rollup, &store)?);
    let blobs = Blobs::From(l1.beacon().clone());
    let feed = watch_l1(chain, l1, "L1 watcher", start, blobs, tasks);
    let mut config = NodeConfig::new(rollup.clone(), Role::Verifier);
    config.rpc.listen = settings.rpc;
    let follows = !settings.feeds.is_empty();
    if follows {
        let given = settings.unsafe_block_signer;
        let signer = match given {
            Some(given) => given,
            None => {
                let named = named_key(rollup, l1, &settings.l1_rpc, tasks).await?;
                let key = named.borrow().key;
                config.named_key = Some(named);
                key
            }
        };
        println!("feeds      {} signed by {signer}", settings.feeds.join(", "));
        config.follow = Some(FollowConfig { urls: settings.feeds, signer: given });
    }
    config.forward = settings.sequencer_rpc.as_ref().map(Url::to_string);
    serve_snapshots(rollup, &store, tasks);
    let inputs = NodeInputs { store, l1: feed, safe_heads: None };
    let node = Node::start(config, inputs, tasks.shutdown().clone()).await?;
    let address = node.rpc_addr();
    println!("JSON-RPC   http://{address}");
    if settings.sequencer_rpc.is_none() {
        println!("           transactions stay here: --sequencer-rpc hands them on");
    }
    let heads = node.chain().heads();
    println!("head       block {} (safe: {})", heads.unsafe_head.number, heads.safe.number);
    watch_node("follower", node, tasks);
    Ok(address)
}

/// Lets `openledger snapshot export` have its file while the node runs.
fn serve_snapshots(rollup: &RollupConfig, store: &Arc<Store>, tasks: &mut Tasks) {
    match Server::bind(Arc::clone(store), rollup.seq_window_size) {
        Ok(server) => {
            let shutdown = tasks.shutdown().clone();
            tasks.spawn("giving of snapshots", async move {
                Ok(tokio::task::spawn_blocking(move || server.run(&shutdown)).await?)
            });
        }
        // As where the path is longer than a socket's may be.
        Err(error) => {
            tracing::warn!(%error, "snapshots are to be had while the node is stopped only")
        }
    }
}

fn open_store(chain: &Chain, directory: &Path) -> Result<Arc<Store>> {
    let store = Store::open(directory, StoreOptions::default())?;
    store.init_genesis(&chain.genesis)?;
    // Blocks are made meanwhile; they load themselves what they need.
    let loaded = Arc::clone(&store);
    std::thread::Builder::new().name("tries".to_owned()).spawn(move || {
        if let Err(error) = loaded.load_tries() {
            tracing::warn!(%error, "the state's tries were not loaded");
        }
    })?;
    Ok(store)
}

/// A block of the store with its L1 origin.
fn reference(rollup: &RollupConfig, store: &Store, block: BlockNumHash) -> Result<L2BlockRef> {
    let number = block.number;
    let mut reference =
        store.l2_block_ref(number)?.with_context(|| format!("L2 block {number} is missing"))?;
    if number == rollup.genesis.l2.number {
        reference.l1_origin = rollup.genesis.l1;
    }
    Ok(reference)
}

fn safe_ref(rollup: &RollupConfig, store: &Store) -> Result<L2BlockRef> {
    reference(rollup, store, store.heads()?.safe)
}

/// Starts a task that feeds L1 events from block `start` on.
fn watch_l1(
    chain: &Chain,
    l1: &L1Client,
    name: &'static str,
    start: u64,
    blobs: Blobs,
    tasks: &mut Tasks,
) -> L1Feed {
    let (sender, receiver) = mpsc::channel(L1_EVENTS_WAITING);
    let addresses = L1Addresses::from(&chain.rollup);
    let mut watcher = Watcher::new(l1.clone(), addresses, start, L1_POLL).with_blobs(blobs);
    let feed = L1Feed::new(receiver, watcher.rewinds());
    let shutdown = tasks.shutdown().clone();
    tasks.spawn(name, async move { Ok(watcher.run(sender, shutdown).await?) });
    feed
}

fn watch_node(name: &'static str, node: NodeHandle, tasks: &mut Tasks) {
    tasks.spawn(name, async move { Ok(node.join().await?) });
}

/// Whose signature counts in feeds by L1's word, by and by.
async fn named_key(
    rollup: &RollupConfig,
    l1: &L1Client,
    l1_rpc: &L1Urls,
    tasks: &mut Tasks,
) -> Result<watch::Receiver<NamedKey>> {
    let provider = l1_rpc.provider();
    let contract = SystemConfigContract::new(rollup.l1_system_config_address, provider);
    let l1 = l1.clone();
    let ask = move || {
        let (l1, contract) = (l1.clone(), contract.clone());
        async move {
            let head = l1.head().await?.block;
            let block = BlockNumHash { number: head.number, hash: head.hash };
            let key = contract.unsafeBlockSigner().block(block.hash.into()).call().await?;
            anyhow::Ok(NamedKey { block, key })
        }
    };
    let mut tries = 0;
    let first = loop {
        match ask().await {
            Ok(first) => break first,
            // Of several nodes one may not have the newest block yet.
            Err(_) if tries < NAMED_KEY_TRIES => tries += 1,
            Err(error) => {
                let text = "L1's SystemConfig does not say whose signature counts in feeds";
                return Err(error.context(text));
            }
        }
        tokio::time::sleep(L1_POLL).await;
    };
    let (sender, receiver) = watch::channel(first);
    let shutdown = tasks.shutdown().clone();
    tasks.spawn("watch over the feed's key", async move {
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                () = tokio::time::sleep(SIGNER_POLL) => {}
            }
            // L1 may be away for a while; the last word counts.
            match ask().await {
                Ok(now) => {
                    let before = sender.send_replace(now).key;
                    if before != now.key {
                        tracing::warn!(key = %now.key, "L1 names another key for feeds");
                    }
                }
                Err(error) => tracing::debug!(%error, "L1 does not say whose key counts"),
            }
        }
    });
    Ok(receiver)
}
