//! Starts a node's tasks, watches them and stops them together.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::body::Bytes;
use store::Store;
use tokio::{
    sync::{broadcast, mpsc, watch},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use crate::{
    admin::{Admin, SequencerControl},
    chain::{Chain, SealedBlock},
    config::{AuthConfig, FollowConfig, Mode, NodeConfig, Role},
    error::NodeError,
    ethereum::{engine::Engine, miner::Miner},
    feed::{
        client::{Client, StandBy},
        publisher::{Feed, Publisher},
        server::FeedServer,
        stand_in::StandIn,
    },
    fence::{Fence, FollowedKey, KeyView, Times},
    l1::{L1Feed, L1Status},
    lead::{Lead, Leadership},
    pool::{
        BlobRules, Pool,
        journal::{self, Journal, Loaded},
    },
    rpc::{Api, AuthServer, Forwarder, RpcServer},
    safe_heads::SafeHeads,
    sequencer::{Sequencer, Steering},
    unsafe_chain::UnsafeChain,
    verification::Verification,
    verifier::{DerivedHeads, SafeHeadUpdate, Verifier},
};

/// Starts nodes.
#[derive(Debug)]
pub struct Node;

/// What a node is given beside its configuration.
#[derive(Debug)]
pub struct NodeInputs {
    /// Holds the chain; its genesis must be initialised.
    pub store: Arc<Store>,
    /// From the L1 block that [`crate::sequencer::l1_start`] or [`crate::verifier::l1_start`]
    /// names. Without somebody to ask for blocks again, a reorganisation of L1 below the head's origin
    /// ends the node.
    pub l1: L1Feed,
    /// Safe heads of a verifier beside a sequencer; a verifier ignores them. Without one the safe
    /// head stays where the store has it.
    pub safe_heads: Option<DerivedHeads>,
}

impl NodeInputs {
    /// For a node that listens to no L1, as one of an Ethereum chain.
    pub fn without_l1(store: Arc<Store>) -> Self {
        let (_, l1_events) = mpsc::channel(1);
        Self { store, l1: l1_events.into(), safe_heads: None }
    }
}

/// A running node.
#[derive(Debug)]
pub struct NodeHandle {
    rpc_addr: SocketAddr,
    engine_addr: Option<SocketAddr>,
    admin_addr: Option<SocketAddr>,
    feed_addr: Option<SocketAddr>,
    admin: Arc<Admin>,
    chain: Arc<Chain>,
    pool: Arc<Pool>,
    miner: Option<Arc<Miner>>,
    journal: Option<Arc<Journal>>,
    safe_heads: watch::Receiver<SafeHeadUpdate>,
    history: Arc<SafeHeads>,
    shutdown: CancellationToken,
    tasks: JoinSet<(&'static str, Result<(), NodeError>)>,
}

impl Node {
    /// Checks the configuration, takes the port and starts every task. When one of them fails, all
    /// stop and [`NodeHandle::join`] returns its error. `shutdown` stops the node from outside.
    pub async fn start(
        config: NodeConfig,
        inputs: NodeInputs,
        shutdown: CancellationToken,
    ) -> Result<NodeHandle, NodeError> {
        config.validate()?;
        let server = RpcServer::bind(config.rpc.listen).await?;
        let rpc_addr = server.address();
        let shutdown = shutdown.child_token();

        let chain = Arc::new(Chain::new(inputs.store, &config.mode, config.recent_blocks)?);
        check_genesis(&chain)?;
        let pool = Arc::new(Pool::new(config.pool, config.mode.chain_id()));
        pool.on_block(chain.pool_head()?, []);
        pool.set_blob_rules(BlobRules::at(chain.spec(), chain.head()?.header().timestamp));
        let journal = Arc::new(Journal::new(chain.store().path()));
        if config.journal_pool {
            load_pool(&journal, &pool, &chain).await?;
        }
        let (status, l1_status) = watch::channel(L1Status::default());
        let status = Arc::new(status);
        let mut tasks = JoinSet::new();
        let lead = Leadership::open(chain.store().path()).map_err(NodeError::Lead)?;
        let lead = Arc::new(lead);
        let (control, controls) = mpsc::channel(1);
        let mut admin = Admin::default();
        let given = config.follow.as_ref().and_then(|follow| follow.signer);
        let named_key = config.named_key.filter(|_| given.is_none());
        let (mut fence, mut begins) = (None, false);
        let (mut stand_in, mut hidden) = (None, None);
        let own_key = config.feed.as_ref().map(|feed| feed.signer.clone());
        if let Mode::Rollup { rollup, role: Role::Sequencer(sequencer) } = &config.mode {
            begins = lead.get() == Lead::default() && !sequencer.stopped;
            if let (Some(feed), Some(_)) = (&config.feed, &named_key) {
                let head = chain.heads().unsafe_head.number;
                let origin = chain.l2_block_ref(head)?.map_or(0, |head| head.l1_origin.number);
                let times = Times {
                    lease: Duration::from_secs(rollup.max_sequencer_drift),
                    skew: sequencer.clock_skew_max,
                    branch: sequencer.l1_branch_max,
                };
                let genesis = rollup.genesis.l1.number;
                fence = Some(Fence::new(feed.signer.address(), times, genesis, origin));
            } else if begins {
                lead.begin(0).map_err(NodeError::Lead)?;
            }
            let mut steered = SequencerControl::new(control, Arc::clone(&lead), fence.is_some());
            if let Some(feed) = &config.feed {
                let named = Arc::new(StandIn::new(feed.stand_in));
                steered = steered.with_stand_in(Arc::clone(&named), feed.signer.address());
                // Whether the stand-in has it is not known any more.
                if named.is_named() && lead.get().active {
                    hidden = chain.hide_head()?;
                }
                stand_in = Some(named);
            }
            admin.sequencer = steered;
        }
        let admin = Arc::new(admin);
        let feed_addr = match (config.feed, &stand_in) {
            (Some(feed), Some(stand_in)) => {
                let server = FeedServer::bind(feed.listen).await?;
                let address = server.address();
                let lease = fence.as_ref().map(|fence| Arc::clone(fence.lease()));
                let stand_in = Arc::clone(stand_in);
                let feed = Feed::new(Arc::clone(&chain), feed, Arc::clone(&lead), lease, stand_in);
                let feed = Arc::new(feed);
                let publisher = Publisher::new(Arc::clone(&feed));
                spawn(&mut tasks, "feed", &shutdown, move |shutdown| async move {
                    publisher.run(shutdown).await.map_err(NodeError::from)
                });
                spawn(&mut tasks, "feed server", &shutdown, move |shutdown| {
                    server.run(feed, shutdown)
                });
                Some(address)
            }
            _ => None,
        };
        let named = named_key.as_ref().map(|named| named.borrow().key);
        let (followed, signer) = watch::channel(given.or(named).unwrap_or_default());
        let key = named_key.map(|named| FollowedKey { view: KeyView::new(named), followed });
        let unsafe_chain = match (config.follow, &config.mode) {
            (Some(FollowConfig { urls, .. }), Mode::Rollup { rollup, .. }) => {
                let from = chain.heads().unsafe_head.number.saturating_add(1);
                let (mut client, subscription) =
                    Client::new(urls, rollup.l2_chain_id, signer, from);
                if let Some(signer) = own_key {
                    let (chain, lead) = (Arc::clone(&chain), Arc::clone(&lead));
                    client = client.standing_by(StandBy { signer, chain, lead });
                }
                spawn(&mut tasks, "feed client", &shutdown, move |shutdown| async move {
                    client.run(shutdown).await;
                    Ok(())
                });
                let (chain, pool) = (Arc::clone(&chain), Arc::clone(&pool));
                let lead = Arc::clone(&lead);
                let rollup = rollup.clone();
                Some(
                    UnsafeChain::new(rollup, chain, pool, subscription, lead)
                        .map_err(NodeError::Lead)?,
                )
            }
            _ => None,
        };
        let own_api = || {
            Api::new(Arc::clone(&chain), Arc::clone(&pool), config.rpc.clone(), l1_status.clone())
                .with_admin(Arc::clone(&admin))
        };
        let (mut engine_addr, mut admin_addr) = (None, None);
        if let Mode::Ethereum { engine: Some(engine_config), .. } = &config.mode {
            let engine = Engine::new(Arc::clone(&chain), Arc::clone(&pool));
            let api = own_api().with_engine(engine);
            let address =
                serve_callers_with_token("engine API", engine_config, api, &mut tasks, &shutdown);
            engine_addr = Some(address.await?);
        }
        if let Some(admin_config) = &config.admin {
            let address = serve_callers_with_token(
                "admin API",
                admin_config,
                own_api(),
                &mut tasks,
                &shutdown,
            );
            admin_addr = Some(address.await?);
        }
        let history = match inputs.safe_heads.as_ref().and_then(|heads| heads.derived.as_ref()) {
            Some((_, history)) => Arc::clone(history),
            None => {
                let path = chain.store().path();
                Arc::new(SafeHeads::open(path).map_err(NodeError::SafeHeads)?)
            }
        };
        let api = Api::new(Arc::clone(&chain), Arc::clone(&pool), config.rpc, l1_status);
        let mut api = api.with_safe_heads(Arc::clone(&history));
        if let Some(url) = config.forward {
            api = api.with_forwarder(Forwarder::new(url));
        }
        let miner = match &config.mode {
            Mode::Ethereum { miner: Some(miner), .. } => {
                let miner = Miner::new(Arc::clone(&chain), Arc::clone(&pool), *miner)?;
                Some(Arc::new(miner))
            }
            _ => None,
        };
        if let Some(miner) = &miner {
            api = api.with_miner(Arc::clone(miner));
            let miner = Arc::clone(miner);
            spawn(&mut tasks, "miner", &shutdown, move |shutdown| async move {
                miner.run(shutdown).await.map_err(NodeError::from)
            });
        }
        let api = Arc::new(api);

        let heads = chain.heads();
        let start = SafeHeadUpdate {
            safe: heads.safe,
            finalized: heads.finalized,
            ..SafeHeadUpdate::default()
        };
        let (safe_sender, own_safe_heads) = watch::channel(start);
        let (verification, worker) = Verification::new(Arc::clone(&chain), &config.verification);
        spawn(&mut tasks, "verification", &shutdown, move |shutdown| worker.run(shutdown));
        let safe_heads = match config.mode {
            Mode::Rollup { rollup, role: Role::Sequencer(sequencer) } => {
                let derived = inputs.safe_heads.unwrap_or_else(|| own_safe_heads.into());
                let safe_heads = derived.updates.clone();
                let task = Sequencer::new(
                    Arc::new(rollup),
                    Arc::clone(&chain),
                    Arc::clone(&pool),
                    sequencer,
                    inputs.l1,
                    derived,
                    status,
                    Steering {
                        lead,
                        control: controls,
                        unsafe_chain,
                        key,
                        fence,
                        begins,
                        stand_in,
                        hidden,
                    },
                )?
                .with_da_limits(Arc::clone(&admin.da_limits));
                spawn(&mut tasks, "sequencer", &shutdown, move |shutdown| async move {
                    // Held so that the channel stays open without a verifier.
                    let _safe_sender = safe_sender;
                    task.run(shutdown).await.map_err(NodeError::from)
                });
                safe_heads
            }
            Mode::Rollup { rollup, role: Role::Verifier } => {
                let task = Verifier::new(
                    &rollup,
                    Arc::clone(&chain),
                    Arc::clone(&pool),
                    inputs.l1,
                    safe_sender,
                    status,
                    Arc::clone(&history),
                )?
                .with_unsafe_chain(unsafe_chain, key);
                spawn(&mut tasks, "verifier", &shutdown, move |shutdown| async move {
                    task.run(shutdown).await.map_err(NodeError::from)
                });
                own_safe_heads
            }
            Mode::Ethereum { .. } => own_safe_heads,
        };
        spawn(&mut tasks, "rpc", &shutdown, move |shutdown| {
            server.run(api, Arc::new(verification), shutdown)
        });
        let journal = config.journal_pool.then_some(journal);
        if let Some(journal) = &journal {
            let (journal, pool) = (Arc::clone(journal), Arc::clone(&pool));
            spawn(&mut tasks, "pool journal", &shutdown, move |shutdown| async move {
                keep_journal(journal, pool, shutdown).await;
                Ok(())
            });
        }
        Ok(NodeHandle {
            rpc_addr,
            engine_addr,
            admin_addr,
            feed_addr,
            admin,
            chain,
            pool,
            miner,
            journal,
            safe_heads,
            history,
            shutdown,
            tasks,
        })
    }
}

impl NodeHandle {
    /// Where the Engine API listens, if it does.
    pub const fn engine_addr(&self) -> Option<SocketAddr> {
        self.engine_addr
    }

    /// Where operators reach the node, if they do.
    pub const fn admin_addr(&self) -> Option<SocketAddr> {
        self.admin_addr
    }

    /// Where the feed is served, if it is.
    pub const fn feed_addr(&self) -> Option<SocketAddr> {
        self.feed_addr
    }

    /// What may be changed while the node runs.
    pub const fn admin(&self) -> &Arc<Admin> {
        &self.admin
    }

    /// Where HTTP and WebSocket listen.
    pub const fn rpc_addr(&self) -> SocketAddr {
        self.rpc_addr
    }

    pub fn store(&self) -> &Arc<Store> {
        self.chain.store()
    }

    pub const fn chain(&self) -> &Arc<Chain> {
        &self.chain
    }

    pub const fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }

    /// Of a chain that makes its own blocks.
    pub const fn miner(&self) -> Option<&Arc<Miner>> {
        self.miner.as_ref()
    }

    /// Each block from now on.
    pub fn subscribe_blocks(&self) -> broadcast::Receiver<Arc<SealedBlock>> {
        self.chain.subscribe()
    }

    /// The safe and finalized heads: of a verifier, what it derived.
    pub fn safe_heads(&self) -> watch::Receiver<SafeHeadUpdate> {
        self.safe_heads.clone()
    }

    /// What a sequencer beside this verifier follows.
    pub fn derived_heads(&self) -> DerivedHeads {
        DerivedHeads::new(
            self.safe_heads.clone(),
            Arc::clone(&self.chain),
            Arc::clone(&self.history),
        )
    }

    /// Asks every task to stop.
    pub fn shutdown(&self) {
        self.shutdown.cancel();
    }

    /// Cancelled when the node stops, whatever the reason.
    pub fn stopping(&self) -> CancellationToken {
        self.shutdown.clone()
    }

    /// Waits for every task to end and returns the first error.
    pub async fn join(mut self) -> Result<(), NodeError> {
        let mut first = Ok(());
        while let Some(ended) = self.tasks.join_next().await {
            // A task that ends, ends the node.
            self.shutdown.cancel();
            let result = match ended {
                Ok((task, result)) => {
                    if let Err(error) = &result {
                        tracing::error!(task, error = causes(error), "a task of the node failed");
                    }
                    result
                }
                Err(error) if error.is_cancelled() => Ok(()),
                Err(_) => Err(NodeError::Panicked { task: "node" }),
            };
            if first.is_ok() {
                first = result;
            }
        }
        // Last of all: nothing is accepted any more.
        if let Some(journal) = self.journal {
            write_journal(journal, self.pool, true).await;
        }
        first
    }
}

/// Takes the port and answers on it until `shutdown`.
async fn serve_callers_with_token(
    name: &'static str,
    config: &AuthConfig,
    api: Api,
    tasks: &mut JoinSet<(&'static str, Result<(), NodeError>)>,
    shutdown: &CancellationToken,
) -> Result<SocketAddr, NodeError> {
    let server = AuthServer::bind(config.listen).await?;
    let address = server.address();
    let AuthConfig { secret, body_bytes_max, .. } = config.clone();
    let api = Arc::new(api);
    let answer = move |body: Bytes| {
        let api = Arc::clone(&api);
        async move { api.answer(&body, None).await.unwrap_or_default() }
    };
    spawn(tasks, name, shutdown, move |shutdown| {
        server.run(secret, body_bytes_max, answer, shutdown)
    });
    Ok(address)
}

/// Takes back what waited in the pool when the node last stopped. A node without it still works.
async fn load_pool(
    journal: &Arc<Journal>,
    pool: &Arc<Pool>,
    chain: &Arc<Chain>,
) -> Result<(), NodeError> {
    let (journal, pool, chain) = (Arc::clone(journal), Arc::clone(pool), Arc::clone(chain));
    let loading = tokio::task::spawn_blocking(move || journal.load(&pool, &*chain));
    match loading.await.map_err(|_| NodeError::Panicked { task: "pool journal" })? {
        Ok(loaded) if loaded == Loaded::default() => {}
        Ok(loaded) => tracing::info!(
            taken = loaded.taken,
            refused = loaded.refused,
            "transactions of the last run are back in the pool"
        ),
        Err(error) => tracing::warn!(%error, "the pool of the last run could not be read"),
    }
    Ok(())
}

/// Writes the pool now and then until `shutdown`.
async fn keep_journal(journal: Arc<Journal>, pool: Arc<Pool>, shutdown: CancellationToken) {
    let mut due = tokio::time::interval(journal::INTERVAL);
    due.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = due.tick() => {}
        }
        write_journal(Arc::clone(&journal), Arc::clone(&pool), false).await;
    }
}

async fn write_journal(journal: Arc<Journal>, pool: Arc<Pool>, last: bool) {
    let writing = tokio::task::spawn_blocking(move || {
        if last { journal.save(&pool) } else { journal.save_if_changed(&pool) }
    });
    match writing.await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, "the pool could not be written"),
        Err(error) => tracing::warn!(%error, "writing the pool panicked"),
    }
}

/// Runs a task; when it ends for any reason, the rest is asked to stop, too.
fn spawn<F>(
    tasks: &mut JoinSet<(&'static str, Result<(), NodeError>)>,
    name: &'static str,
    shutdown: &CancellationToken,
    task: impl FnOnce(CancellationToken) -> F,
) where
    F: Future<Output = Result<(), NodeError>> + Send + 'static,
{
    let guard = shutdown.clone().drop_guard();
    let running = task(shutdown.clone());
    tasks.spawn(async move {
        // Dropped at the end of the task, also by a panic.
        let _guard = guard;
        (name, running.await)
    });
}

/// The error with everything that led to it, in one line.
fn causes(error: &NodeError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

fn check_genesis(chain: &Chain) -> Result<(), NodeError> {
    // An Ethereum chain's genesis was compared when the store was initialised with it.
    let Some(rollup) = chain.rollup() else { return Ok(()) };
    let expected = rollup.genesis.l2;
    let found = chain
        .header(expected.number)?
        .map(|header| primitives::Sealable::hash_slow(&header))
        .unwrap_or_default();
    if found != expected.hash {
        return Err(NodeError::OtherChain { expected: expected.hash, found });
    }
    Ok(())
}
