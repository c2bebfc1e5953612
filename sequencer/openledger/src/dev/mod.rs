//! `openledger dev`: L1, L2, batcher, verifier, proposer, attestors, challenger, attribution engine and
//! gateway on one machine, in one process.
//!
//! Start order: directory and ports are claimed, L1 is started, contracts are deployed (a new chain) or
//! found (a kept one), then the L2 tasks, then the engine. The first task that fails stops everything.

mod args;
mod l1;
mod manifest;
mod ready;

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use ::l1::{
    Batcher, BatcherConfig, Blobs, Journal, L1Addresses, L1Client, L2Blocks, SourceError, Watcher,
    deploy::{AttestorParams, DeployParams, DisputeParams, VerifierParams, set_starting_anchor},
};
use alloy_network::{EthereumWallet, TransactionBuilder};
use alloy_primitives::{Address, Bytes, U256, utils::parse_ether};
use alloy_provider::{Provider, ProviderBuilder};
use alloy_rpc_types_eth::TransactionRequest;
use anyhow::{Context, Result, bail};
use models::{ModelError, default_model_path};
use node::{
    AuthConfig, L1Feed, Node, NodeConfig, NodeHandle, NodeInputs, Role, SequencerConfig,
    jwt::JwtSecret,
};
use primitives::{Block, BlockNumHash, RollupConfig, RollupGenesis, SystemConfig};
use service::{Service, ServiceConfig, ServiceHandle, epochs::PosterConfig};
use store::{Store, StoreOptions};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::{broadcast, mpsc},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;
use url::Url;

pub use args::{Args, Batches};
pub use manifest::DataDir;
pub use ready::Ready;

use self::l1::{Choice, L1};
use crate::{
    deploy,
    genesis::{self, BridgeParams, EconomyParams, GenesisParams},
    included::succeeded,
    keys::{self, Role as KeyRole},
    limits::{Limits, Switch},
    roles::{self, OperatorKeys, OperatorRoles},
};
use args::{CHAIN_IDS, ClaimedPorts, L1Kind};
use manifest::{L1Contracts, Manifest, SCHEMA};

/// L1 events that may wait for a task.
const L1_EVENTS_WAITING: usize = 64;
/// How often L1 is asked for new blocks.
const L1_POLL: Duration = Duration::from_millis(250);

/// Runs until Ctrl-C or the first failure.
pub async fn run(args: Args) -> Result<()> {
    // What can be refused is refused before anything is started.
    let model_path = args.model.clone().unwrap_or_else(default_model_path);
    let (path, temporary) = match &args.data_dir {
        Some(path) => (path.clone(), None),
        None => {
            let dir = tempfile::Builder::new()
                .prefix("openledger-dev-")
                .tempdir()
                .context("cannot create a temporary directory")?;
            (dir.path().to_path_buf(), Some(dir))
        }
    };
    let data = DataDir::open(&path)?;
    let stored = data.manifest()?;
    let l1_choice = Choice::new(&args, stored.as_ref())?;
    let ports = args.claim_ports()?;
    if !model_path.is_file() {
        return Err(ModelError::Missing { path: model_path }.into());
    }

    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let shutdown = CancellationToken::new();
    let mut dev = Dev::start(&args, data, stored, l1_choice, ports, model_path, &shutdown).await?;

    let ready_paths = [Ready::default_path(), path.join("ready.json")];
    for ready_path in &ready_paths {
        dev.ready.write(ready_path)?;
    }
    if args.json {
        println!("{}", serde_json::to_string(&dev.ready)?);
    } else {
        dev.ready.print(&dev.manifest, args.data_dir.as_deref());
    }

    let mut blocks = dev.sequencer.subscribe_blocks();
    let outcome = loop {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => break Ok(()),
            _ = terminate.recv() => break Ok(()),
            error = dev.failure() => break Err(error),
            block = blocks.recv() => match block {
                Ok(block) if !args.json => print_block(&block),
                Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => {}
                // The node is ending; its error follows.
                Err(broadcast::error::RecvError::Closed) => {
                    break Err(dev.failure().await);
                }
            },
        }
    };
    if !args.json {
        println!("\nstopping …");
    }
    for ready_path in &ready_paths {
        // Only ours: another `dev` may have started since.
        if Ready::read(ready_path).is_ok_and(|other| other.l2_rpc == dev.ready.l2_rpc) {
            let _ = std::fs::remove_file(ready_path);
        }
    }
    shutdown.cancel();
    dev.stop().await;
    drop(temporary);
    outcome
}

/// Everything that runs.
struct Dev {
    manifest: Manifest,
    ready: Ready,
    l1: L1,
    sequencer: NodeHandle,
    tasks: JoinSet<(&'static str, Result<()>)>,
    _data: DataDir,
}

impl Dev {
    async fn start(
        args: &Args,
        data: DataDir,
        stored: Option<Manifest>,
        l1_choice: Choice,
        ports: ClaimedPorts,
        model_path: PathBuf,
        shutdown: &CancellationToken,
    ) -> Result<Self> {
        let l1_kind = l1_choice.kind();
        let l1_node = L1::start(l1_choice, args, &data, stored.as_ref(), ports).await?;
        let l1_url = l1_node.url.clone();
        let manifest = match stored {
            Some(manifest) => manifest,
            None => {
                let manifest = create_chain(args, l1_kind, &l1_url).await?;
                let names = contract_names(&manifest.l1_contracts);
                deploy::write_files(&data.join(""), &manifest.genesis, &manifest.rollup, &names)?;
                data.write_manifest(&manifest)?;
                manifest
            }
        };
        let rollup = Arc::new(manifest.rollup.clone());
        let l1 = L1Client::connect(l1_url.clone(), rollup.l1_chain_id)
            .await
            .context("cannot use the L1")?;
        check_l1(&l1, &manifest).await?;

        let mut tasks = JoinSet::new();
        let l1 = l1.with_beacons(args.l1_beacon_url.clone());
        let verifier = start_verifier(&data, &manifest, &l1, ports, shutdown, &mut tasks).await?;
        let jwt_secret = data.join("jwt.hex");
        let config = sequencer_config(args, &manifest, ports, &jwt_secret)?;
        let sequencer =
            start_sequencer(&data, &manifest, &l1, config, &verifier, shutdown, &mut tasks).await?;
        let verifier_rpc = format!("http://{}", verifier.rpc_addr());
        OperatorRoles {
            l1: l1.clone(),
            l1_rpc: l1_url.clone().into(),
            l2_rpc: verifier_rpc.parse()?,
            rollup: &rollup,
            data: &data,
            interval: args.proposal_interval,
            depth: 0,
            keys: OperatorKeys::development()?,
        }
        .start(shutdown, &mut tasks)
        .await?;
        watch_node(&mut tasks, "verifier", verifier);
        start_batcher(args, &manifest, &l1, &sequencer, shutdown, &mut tasks).await?;
        let service =
            start_service(&data, &manifest, &sequencer, ports, model_path, shutdown).await?;
        let gateway = format!("http://{}", service.address);
        {
            let shutdown = shutdown.clone();
            tasks.spawn(async move {
                let result = match service.join.await {
                    Ok(result) => result.map_err(anyhow::Error::from),
                    Err(error) => Err(error.into()),
                };
                shutdown.cancel();
                ("attribution engine", result)
            });
        }
        let l2 = sequencer.rpc_addr();
        let ready = Ready {
            l1_rpc: l1_url.to_string().trim_end_matches('/').to_owned(),
            l1_beacon: l1_node.beacon(),
            l2_rpc: format!("http://{l2}"),
            l2_ws: format!("ws://{l2}"),
            gateway,
            verifier_rpc,
            l2_admin: sequencer.admin_addr().map(|at| format!("http://{at}")).unwrap_or_default(),
            jwt_secret,
            l1_chain_id: rollup.l1_chain_id,
            l2_chain_id: rollup.l2_chain_id,
            contracts: contract_names(&manifest.l1_contracts),
            accounts: keys::user_keys()?
                .iter()
                .map(|key| ready::Account {
                    address: key.address(),
                    private_key: keys::private_key_hex(key),
                })
                .collect(),
        };
        Ok(Self { manifest, ready, l1: l1_node, sequencer, tasks, _data: data })
    }

    /// The first failure of anything that must not end.
    async fn failure(&mut self) -> anyhow::Error {
        let stopping = self.sequencer.stopping();
        tokio::select! {
            ended = self.tasks.join_next() => match ended {
                Some(Ok((task, Ok(())))) => anyhow::anyhow!("the {task} ended unexpectedly"),
                Some(Ok((task, Err(error)))) => error.context(format!("the {task} failed")),
                Some(Err(error)) => anyhow::anyhow!("a task panicked: {error}"),
                None => anyhow::anyhow!("no task is left"),
            },
            result = self.l1.wait() => match result {
                Ok(()) => anyhow::anyhow!("L1 ended"),
                Err(error) => error,
            },
            () = stopping.cancelled() => anyhow::anyhow!(
                "the sequencer stopped; its reason is in the log (RUST_LOG=info)"
            ),
        }
    }

    /// Stops in an order in which nobody misses what he needs: L2 first, L1 last.
    async fn stop(mut self) {
        self.sequencer.shutdown();
        let rest = async {
            if let Err(error) = self.sequencer.join().await {
                tracing::error!(%error, "the sequencer ended badly");
            }
            while let Some(ended) = self.tasks.join_next().await {
                if let Ok((task, Err(error))) = ended {
                    tracing::warn!(task, %error, "ended badly");
                }
            }
        };
        if tokio::time::timeout(Duration::from_secs(20), rest).await.is_err() {
            tracing::warn!("some tasks did not end within 20 s");
        }
        self.l1.stop().await;
    }
}

/// Deploys the L1 contracts and makes the L2 genesis that they back.
async fn create_chain(args: &Args, l1_kind: L1Kind, l1_url: &Url) -> Result<Manifest> {
    let governance = keys::role_key(KeyRole::Governance)?;
    let batcher = keys::role_key(KeyRole::Batcher)?;
    let system_config = SystemConfig {
        batcher_address: batcher.address(),
        gas_limit: args.gas_limit,
        ..Default::default()
    };
    let params = genesis_params(args, system_config)?;
    let supply = genesis::supply(&genesis::build(&params)?);
    let l1_chain_id = ProviderBuilder::new()
        .connect_http(l1_url.clone())
        .get_chain_id()
        .await
        .with_context(|| format!("the L1 at {l1_url} does not answer"))?;
    let mut roles = roles::dev_accounts()?;
    let grant = parse_ether("100000")?;
    let users = keys::addresses(&keys::user_keys()?);
    let grants = users.iter().chain(&roles).map(|account| (*account, grant)).collect();
    roles.extend([governance.address(), batcher.address()]);
    fund_roles(l1_url, &roles).await?;
    let attestors = AttestorParams::devnet(keys::addresses(&keys::attestor_keys()?));
    let deployment = ::l1::deploy::deploy(
        l1_url.clone(),
        governance.clone(),
        &DeployParams {
            owner: governance.address(),
            timelock: None,
            treasury: None,
            guardian: governance.address(),
            unsafe_block_signer: batcher.address(),
            l2_chain_id: CHAIN_IDS.1,
            system_config,
            genesis_supply: supply,
            grants,
            disputes: DisputeParams::devnet(VerifierParams::Attestors(attestors)),
            multicall3: Some(multicall3()?),
        },
    )
    .await
    .context("cannot deploy the L1 contracts")?;
    let genesis = genesis::build(&GenesisParams {
        timestamp: deployment.l1_timestamp,
        bridge: BridgeParams {
            l1_cross_domain_messenger: deployment.l1_cross_domain_messenger,
            l1_standard_bridge: deployment.l1_standard_bridge,
        },
        ..params
    })?;
    let header = store::genesis_header(&genesis).context("cannot compute the L2 genesis")?;
    let l2_genesis_hash = header.hash_slow();
    let withdrawals_root = header.withdrawals_root.unwrap_or_default();
    set_starting_anchor(
        l1_url.clone(),
        governance,
        deployment.anchor_state_registry,
        messages::output_root(header.state_root, withdrawals_root, l2_genesis_hash),
        0,
    )
    .await
    .context("cannot name L2's genesis as the first anchor")?;
    let rollup = RollupConfig {
        genesis: RollupGenesis {
            l1: deployment.l1_genesis,
            l2: primitives::BlockNumHash { number: 0, hash: l2_genesis_hash },
            l2_time: genesis.timestamp,
            system_config,
        },
        block_time: 1,
        max_sequencer_drift: 1_800,
        seq_window_size: args.sequencing_window,
        channel_timeout: 300,
        l1_chain_id,
        l2_chain_id: CHAIN_IDS.1,
        batch_inbox_address: deployment.batch_inbox,
        deposit_contract_address: deployment.optimism_portal,
        l1_system_config_address: deployment.system_config,
    };
    rollup.validate().context("the chain's configuration cannot work")?;
    Ok(Manifest {
        schema: SCHEMA,
        l1_block_time: args.l1_block_time,
        l1: l1_kind,
        l1_url: args.l1_url.clone(),
        l1_contracts: L1Contracts::from(&deployment),
        rollup,
        genesis,
        l2_genesis_hash,
        epoch_seconds: args.epoch_seconds,
    })
}

/// Gives ether to roles that have none on L1, from the first user account: an L1 that was started by
/// somebody else usually funds the user accounts only.
async fn fund_roles(l1_url: &Url, roles: &[Address]) -> Result<()> {
    let user = keys::dev_key(0)?;
    let from = user.address();
    let provider =
        ProviderBuilder::new().wallet(EthereumWallet::from(user)).connect_http(l1_url.clone());
    // All are sent before the first is waited for: L1 has a block only every few seconds.
    let mut sent = Vec::new();
    for role in roles {
        if !provider.get_balance(*role).await?.is_zero() {
            continue;
        }
        let transfer = TransactionRequest::default().with_to(*role).with_value(parse_ether("100")?);
        sent.push(provider.send_transaction(transfer).await.with_context(|| {
            format!("{role} has no ether on L1 and the development account {from} cannot help")
        })?);
    }
    for transfer in sent {
        succeeded("fund a role on L1", transfer).await?;
    }
    Ok(())
}

/// Balances and parameters of a development chain.
fn genesis_params(args: &Args, system_config: SystemConfig) -> Result<GenesisParams> {
    let address = |role| anyhow::Ok(keys::role_key(role)?.address());
    let engines = keys::addresses(&keys::engine_keys()?);
    let user = parse_ether("10000")?;
    let worker = parse_ether("1000")?;
    let mut balances: BTreeMap<Address, U256> =
        keys::user_keys()?.iter().map(|key| (key.address(), user)).collect();
    balances.insert(address(KeyRole::Gateway)?, worker);
    balances.insert(address(KeyRole::Governance)?, worker);
    for engine in &engines {
        balances.insert(*engine, worker);
    }
    Ok(GenesisParams {
        chain_id: CHAIN_IDS.1,
        timestamp: 0,
        base_fee: 1_000_000_000,
        system_config,
        governance: address(KeyRole::Governance)?,
        economy: EconomyParams {
            platform_bps: 500,
            engines,
            threshold: keys::ENGINE_THRESHOLD,
            challenge_window: args.challenge_window,
            challenge_window_min: 1,
            bond_min: parse_ether("1")?.to(),
            share_window: 3,
            response_window: args.challenge_window,
            platform: address(KeyRole::Platform)?,
            sink: address(KeyRole::Sink)?,
        },
        // Known when L1's contracts are deployed.
        bridge: BridgeParams::default(),
        balances,
    })
}

/// Runtime code of Multicall3, which anvil lacks and viem needs on L1.
fn multicall3() -> Result<Bytes> {
    let list: serde_json::Value =
        serde_json::from_str(include_str!("../../../../contracts/artifacts/preinstalls.json"))?;
    let found = list
        .as_array()
        .into_iter()
        .flatten()
        .find(|entry| entry["name"] == "MultiCall3")
        .and_then(|entry| entry["code"].as_str())
        .context("preinstalls.json has no MultiCall3")?;
    Ok(found.parse()?)
}

/// Refuses an L1 that is not the one this chain was made on.
async fn check_l1(l1: &L1Client, manifest: &Manifest) -> Result<()> {
    let expected = manifest.rollup.genesis.l1;
    let found = l1
        .block_ref(expected.number)
        .await
        .with_context(|| format!("cannot read L1 block {}", expected.number))?
        .map(|block| block.hash);
    if found != Some(expected.hash) {
        bail!(
            "L1 block {} is not the one this chain starts from (expected {}, found {}): the data \
             directory and the L1 do not belong together",
            expected.number,
            expected.hash,
            found.map_or_else(|| "nothing".to_owned(), |hash| hash.to_string())
        );
    }
    Ok(())
}

fn open_store(data: &DataDir, name: &str, manifest: &Manifest) -> Result<Arc<Store>> {
    let store = Store::open(&data.join(name), StoreOptions::default())?;
    store.init_genesis(&manifest.genesis)?;
    // Blocks are made meanwhile; they load themselves what they need.
    let loaded = Arc::clone(&store);
    std::thread::Builder::new().name(format!("tries-{name}")).spawn(move || {
        if let Err(error) = loaded.load_tries() {
            tracing::warn!(%error, "the state's tries were not loaded");
        }
    })?;
    Ok(store)
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

/// Starts a task that feeds L1 events from block `start` on.
fn watch_l1(
    l1: &L1Client,
    manifest: &Manifest,
    name: &'static str,
    start: u64,
    blobs: Blobs,
    shutdown: &CancellationToken,
    tasks: &mut JoinSet<(&'static str, Result<()>)>,
) -> L1Feed {
    let (sender, receiver) = mpsc::channel(L1_EVENTS_WAITING);
    let addresses = L1Addresses::from(&manifest.rollup);
    let mut watcher = Watcher::new(l1.clone(), addresses, start, L1_POLL).with_blobs(blobs);
    let feed = L1Feed::new(receiver, watcher.rewinds());
    let shutdown = shutdown.clone();
    tasks.spawn(async move {
        let result = watcher.run(sender, shutdown.clone()).await.map_err(anyhow::Error::from);
        shutdown.cancel();
        (name, result)
    });
    feed
}

async fn start_verifier(
    data: &DataDir,
    manifest: &Manifest,
    l1: &L1Client,
    ports: ClaimedPorts,
    shutdown: &CancellationToken,
    tasks: &mut JoinSet<(&'static str, Result<()>)>,
) -> Result<NodeHandle> {
    let store = open_store(data, "verifier", manifest)?;
    let start = first_l1_block(&store, manifest, node::verifier::l1_start)?;
    let mut config = NodeConfig::new(manifest.rollup.clone(), Role::Verifier);
    config.rpc.listen = loopback(ports.verifier);
    let l1 = watch_l1(
        l1,
        manifest,
        "verifier's L1 watcher",
        start,
        Blobs::From(l1.beacon().clone()),
        shutdown,
        tasks,
    );
    let inputs = NodeInputs { store, l1, safe_heads: None };
    Ok(Node::start(config, inputs, shutdown.clone()).await?)
}

fn sequencer_config(
    args: &Args,
    manifest: &Manifest,
    ports: ClaimedPorts,
    jwt_secret: &std::path::Path,
) -> Result<NodeConfig> {
    let role = Role::Sequencer(SequencerConfig::default());
    let mut config = NodeConfig::new(manifest.rollup.clone(), role);
    config.rpc.listen = loopback(ports.l2);
    config.verification.compilers.clone_from(&args.verify_solc);
    config.admin = Some(AuthConfig::new(loopback(0), JwtSecret::read_or_create(jwt_secret)?));
    Ok(config)
}

async fn start_sequencer(
    data: &DataDir,
    manifest: &Manifest,
    l1: &L1Client,
    config: NodeConfig,
    verifier: &NodeHandle,
    shutdown: &CancellationToken,
    tasks: &mut JoinSet<(&'static str, Result<()>)>,
) -> Result<NodeHandle> {
    let store = open_store(data, "l2", manifest)?;
    let start = first_l1_block(&store, manifest, |_, head| node::sequencer::l1_start(head))?;
    // Batches are the verifier's to read.
    let blobs = Blobs::Ignored;
    let l1 = watch_l1(l1, manifest, "sequencer's L1 watcher", start, blobs, shutdown, tasks);
    let inputs = NodeInputs { store, l1, safe_heads: Some(verifier.derived_heads()) };
    Ok(Node::start(config, inputs, shutdown.clone()).await?)
}

/// The L1 block from which a node with this store needs events.
fn first_l1_block(
    store: &Store,
    manifest: &Manifest,
    rule: impl FnOnce(&RollupConfig, &primitives::L2BlockRef) -> u64,
) -> Result<u64> {
    let number = store.heads()?.unsafe_head.number;
    let mut head =
        store.l2_block_ref(number)?.with_context(|| format!("L2 block {number} is missing"))?;
    if number == manifest.rollup.genesis.l2.number {
        head.l1_origin = manifest.rollup.genesis.l1;
    }
    Ok(rule(&manifest.rollup, &head))
}

fn watch_node(
    tasks: &mut JoinSet<(&'static str, Result<()>)>,
    name: &'static str,
    node: NodeHandle,
) {
    tasks.spawn(async move { (name, node.join().await.map_err(anyhow::Error::from)) });
}

async fn start_batcher(
    args: &Args,
    manifest: &Manifest,
    l1: &L1Client,
    sequencer: &NodeHandle,
    shutdown: &CancellationToken,
    tasks: &mut JoinSet<(&'static str, Result<()>)>,
) -> Result<()> {
    let batcher = Batcher::new(
        l1.clone(),
        &manifest.rollup,
        keys::role_key(KeyRole::Batcher)?,
        BatcherConfig { availability: args.batches.into(), ..BatcherConfig::default() },
        ChainBlocks(Arc::clone(sequencer.chain())),
        StoreJournal(Arc::clone(sequencer.store())),
    )
    .await?
    .with_limits(Arc::new(Limits(Arc::clone(sequencer.admin()))));
    sequencer.admin().batcher.connect(Arc::new(Switch(batcher.control())));
    let shutdown = shutdown.clone();
    tasks.spawn(async move {
        let result = batcher.run(shutdown.clone()).await.map_err(anyhow::Error::from);
        shutdown.cancel();
        ("batcher", result)
    });
    Ok(())
}

async fn start_service(
    data: &DataDir,
    manifest: &Manifest,
    sequencer: &NodeHandle,
    ports: ClaimedPorts,
    model_path: PathBuf,
    shutdown: &CancellationToken,
) -> Result<ServiceHandle> {
    let config = ServiceConfig::new(
        loopback(ports.gateway),
        format!("http://{}", sequencer.rpc_addr()).parse()?,
        keys::role_key(KeyRole::Gateway)?,
        keys::engine_keys()?,
        data.join("engine"),
    );
    let config = ServiceConfig {
        model_path,
        metrics: Some(install_metrics()?),
        epochs: PosterConfig {
            interval: Duration::from_secs(manifest.epoch_seconds),
            ..PosterConfig::default()
        },
        ..config
    };
    Ok(Service::start(config, shutdown.clone()).await?)
}

/// Collects the metrics of every part of this process; the gateway serves them at `/metrics`.
fn install_metrics() -> Result<Arc<dyn Fn() -> String + Send + Sync>> {
    let handle = metrics_exporter_prometheus::PrometheusBuilder::new()
        .install_recorder()
        .context("cannot collect metrics")?;
    Ok(Arc::new(move || {
        handle.run_upkeep();
        handle.render()
    }))
}

/// Names under which contracts are printed.
fn contract_names(l1: &L1Contracts) -> BTreeMap<String, Address> {
    [
        ("OPEN", l1.open),
        ("OptimismPortal", l1.optimism_portal),
        ("SystemConfig", l1.system_config),
        ("BatchInbox", l1.batch_inbox),
        ("AnchorStateRegistry", l1.anchor_state_registry),
        ("DisputeGameFactory", l1.dispute_game_factory),
        ("BondVault", l1.bond_vault),
        ("AttestorVerifier", l1.verifier),
        ("L1CrossDomainMessenger", l1.l1_cross_domain_messenger),
        ("L1StandardBridge", l1.l1_standard_bridge),
        ("OptimismMintableERC20Factory", l1.optimism_mintable_erc20_factory),
        ("WOPEN", genesis::WOPEN),
        ("GasPriceOracle", genesis::GAS_PRICE_ORACLE),
        ("L1Block", primitives::L1_BLOCK),
        ("L2ToL1MessagePasser", primitives::L2_TO_L1_MESSAGE_PASSER),
    ]
    .into_iter()
    .chain(genesis::ECONOMY_NAMES)
    .map(|(name, address)| (name.to_owned(), address))
    .collect()
}

fn print_block(block: &node::SealedBlock) {
    let header = block.header();
    println!(
        "block {:>6}  {}  txs {:>4}  gas {:>10}  base fee {} wei",
        header.number,
        block.hash(),
        block.transactions().len(),
        header.gas_used,
        header.base_fee_per_gas.unwrap_or_default()
    );
}

/// The sequencer's blocks for the batcher, as far as others may hear of them.
pub struct ChainBlocks(pub Arc<node::Chain>);

impl L2Blocks for ChainBlocks {
    fn latest(&self) -> Result<u64, SourceError> {
        Ok(self.0.heads().unsafe_head.number)
    }

    fn safe(&self) -> Result<BlockNumHash, SourceError> {
        Ok(self.0.heads().safe)
    }

    fn block(&self, number: u64) -> Result<Option<Block>, SourceError> {
        if number > self.latest()? {
            return Ok(None);
        }
        self.0.store().block(number).map_err(SourceError::new)
    }
}

/// The batcher's write-ahead journal in the sequencer's store.
pub struct StoreJournal(pub Arc<Store>);

/// What the journal's entries are kept under.
const JOURNAL: &str = "batcher";

impl Journal for StoreJournal {
    fn put(&self, key: &[u8], value: &[u8]) -> Result<(), SourceError> {
        self.0.journal_put(JOURNAL, key, value).map_err(SourceError::new)
    }

    fn delete(&self, key: &[u8]) -> Result<(), SourceError> {
        self.0.journal_delete(JOURNAL, key).map_err(SourceError::new)
    }

    fn all(&self) -> Result<Vec<(Vec<u8>, Vec<u8>)>, SourceError> {
        self.0.journal_all(JOURNAL).map_err(SourceError::new)
    }
}
