//! `openledger proposer | attestor | challenger`: the roles around withdrawals, each a process of its own
//! against any L1 and any L2 node; and the same roles as tasks of `openledger dev`.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use alloy_primitives::Address;
use alloy_provider::Provider;
use anyhow::{Context, Result, ensure};
use clap::Args as ClapArgs;
use disputes::{
    Attestor, AttestorConfig, Challenger, ChallengerConfig, Checker, Games, L2Source, Proposer,
    ProposerConfig, RecordDir, Sender, SenderConfig, Verified,
};
use l1::{L1Client, L1Urls, RoleSigner};
use primitives::RollupConfig;
use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::{
    dev::DataDir,
    keys::{self, Role as KeyRole},
    keystore::KeyArgs,
};

/// How often a role looks at L1.
const POLL: Duration = Duration::from_millis(500);

/// What every role needs.
#[derive(Clone, Debug, ClapArgs)]
pub struct Common {
    /// JSON-RPC of an L1 node, which is believed. Of several (again, or after a comma) the first that answers is
    /// asked, and what they say of a block must be the same.
    #[arg(long, value_name = "URL", value_delimiter = ',', required = true)]
    pub l1_rpc: Vec<Url>,
    /// Beacon API of L1, from which batches in blobs are read; of several (again, or after a comma) the next is
    /// asked for what one lacks. At the URLs of `--l1-rpc` unless given.
    #[arg(long, value_name = "URL", value_delimiter = ',')]
    pub l1_beacon_url: Vec<Url>,
    /// JSON-RPC of an L2 node that gives blocks and witnesses. It is not believed, so anybody's will do;
    /// one's own follower is not in the hands of the operator.
    #[arg(long, value_name = "URL")]
    pub l2_rpc: Url,
    /// `rollup.json` of the chain. Without it the L2 node says which chain it is.
    #[arg(long, value_name = "FILE")]
    pub rollup: Option<PathBuf>,
    /// Where the role keeps what it is about to do; one directory serves one role.
    #[arg(long, value_name = "DIR")]
    pub data_dir: PathBuf,
    /// Begin, while there are no records in the directory, where the L2 node says that derivation can begin
    /// (optimism_safeHeadAtL1Block), not at genesis. Derivation must still arrive at the anchor on L1. Only for a node of
    /// your own that derives from L1: a false word is found out, unless whoever gave it posts L2's batches, too.
    #[arg(long)]
    pub trust_node_for_beginning: bool,
    /// L1 blocks that must confirm a transaction, its own included.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    pub confirmations: u64,
    /// Most that is paid, gwei per gas.
    #[arg(long, default_value_t = 1_000)]
    pub fee_max_gwei: u64,
    #[command(flatten)]
    pub key: KeyArgs,
}

/// Propose L2's outputs on L1, each after verifying it from L1 and witnesses; prove what is right and
/// challenged.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Example:\n  \
    openledger proposer --l1-rpc http://l1:8545 --l2-rpc http://follower:9545 --data-dir ./proposer \\\n      \
    --keystore proposer.json --password-file password.txt --attestor http://attestor-1:9560/")]
pub struct ProposerArgs {
    #[command(flatten)]
    pub common: Common,
    /// L2 blocks between two proposals.
    #[arg(long, default_value_t = 3_600, value_parser = clap::value_parser!(u64).range(1..))]
    pub interval: u64,
    /// L1 blocks on top of the data of what is proposed.
    #[arg(long, default_value_t = 10)]
    pub depth: u64,
    /// Where an attestor answers; may be given several times.
    #[arg(long = "attestor", value_name = "URL")]
    pub attestors: Vec<Url>,
}

/// Execute every range again and sign what is right, when asked over HTTP.
#[derive(Debug, ClapArgs)]
pub struct AttestorArgs {
    #[command(flatten)]
    pub common: Common,
    /// Where to answer.
    #[arg(long, default_value = "127.0.0.1:9560", value_name = "ADDRESS")]
    pub listen: SocketAddr,
}

/// Challenge wrong proposals; decide games, move the anchor and pay bonds when their time has come.
#[derive(Debug, ClapArgs)]
pub struct ChallengerArgs {
    #[command(flatten)]
    pub common: Common,
}

/// A role that is ready to run.
struct Prepared {
    games: Games,
    checker: Checker,
    verified: Verified,
    sender: Sender,
}

impl Common {
    async fn prepare(&self) -> Result<Prepared> {
        let source = L2Source::new(self.l2_rpc.clone());
        let config: RollupConfig = match &self.rollup {
            Some(path) => {
                let text = std::fs::read(path)
                    .with_context(|| format!("cannot read {}", path.display()))?;
                serde_json::from_slice(&text)
                    .with_context(|| format!("{} is no rollup.json", path.display()))?
            }
            None => source.rollup_config().await.context("the L2 node names no chain")?,
        };
        config.validate()?;
        let key = self.key.signer(config.l1_chain_id).await?;
        let l1 = L1Client::connect(self.l1_rpc.clone(), config.l1_chain_id).await?;
        let l1 = l1.with_beacons(self.l1_beacon_url.clone());
        let games = Games::of_portal(self.l1_rpc.clone(), config.deposit_contract_address)
            .await
            .context("cannot find the contracts of games on L1")?;
        let sender = Sender::new(
            self.l1_rpc.clone(),
            config.l1_chain_id,
            key,
            RecordDir::open(&self.data_dir)?,
            SenderConfig {
                confirmations: self.confirmations,
                fee_max: u128::from(self.fee_max_gwei) * 1_000_000_000,
                ..SenderConfig::default()
            },
        );
        let checker = Checker::new(l1, config, games.clone(), source, POLL, &self.data_dir)?
            .trusting_node_for_beginning(self.trust_node_for_beginning);
        let verified = checker.verified();
        println!("account    {}", sender.address());
        println!("portal     {}", games.portal);
        println!("factory    {}", games.factory);
        Ok(Prepared { games, checker, verified, sender })
    }
}

/// Runs a role beside its verification until Ctrl-C, SIGTERM or the first failure.
async fn run<F>(checker: Checker, shutdown: CancellationToken, role: F) -> Result<()>
where
    F: Future<Output = Result<(), disputes::RoleError>> + Send + 'static,
{
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    let mut tasks: JoinSet<Result<()>> = JoinSet::new();
    let stopping = shutdown.clone();
    tasks.spawn(async move { Ok(checker.run(stopping).await?) });
    tasks.spawn(async move { Ok(role.await?) });
    let ended = tokio::select! {
        _ = tokio::signal::ctrl_c() => Ok(()),
        _ = terminate.recv() => Ok(()),
        ended = tasks.join_next() => match ended {
            Some(Ok(result)) => result.and_then(|()| anyhow::bail!("a task ended unexpectedly")),
            Some(Err(error)) => Err(error.into()),
            None => Ok(()),
        },
    };
    shutdown.cancel();
    while tasks.join_next().await.is_some() {}
    ended
}

pub async fn propose(args: ProposerArgs) -> Result<()> {
    let Prepared { games, checker, verified, sender } = args.common.prepare().await?;
    let config = ProposerConfig {
        interval: args.interval,
        confirmations: args.depth,
        poll: POLL,
        attestors: args.attestors,
    };
    let shutdown = CancellationToken::new();
    let proposer = Proposer::new(games, verified, sender, config);
    run(checker, shutdown.clone(), proposer.run(shutdown)).await
}

pub async fn attest(args: AttestorArgs) -> Result<()> {
    let Prepared { games, checker, verified, sender } = args.common.prepare().await?;
    let listener = TcpListener::bind(args.listen)
        .await
        .with_context(|| format!("cannot listen on {}", args.listen))?;
    println!("answers at http://{}/", listener.local_addr()?);
    let shutdown = CancellationToken::new();
    let attestor = Attestor::new(games, verified, sender, AttestorConfig::default());
    run(checker, shutdown.clone(), attestor.run(listener, shutdown)).await
}

pub async fn challenge(args: ChallengerArgs) -> Result<()> {
    let Prepared { games, checker, verified, sender } = args.common.prepare().await?;
    let shutdown = CancellationToken::new();
    let challenger = Challenger::new(games, verified, sender, ChallengerConfig { poll: POLL });
    run(checker, shutdown.clone(), challenger.run(shutdown)).await
}

/// Keys of the roles around withdrawals.
pub struct OperatorKeys {
    /// With the names of their directories.
    pub attestors: Vec<(String, RoleSigner)>,
    pub proposer: RoleSigner,
    pub challenger: RoleSigner,
}

impl OperatorKeys {
    /// Those of development chains.
    pub fn development() -> Result<Self> {
        let names = keys::ATTESTOR_NAMES.iter().map(|name| (*name).to_owned());
        Ok(Self {
            attestors: names
                .zip(keys::attestor_keys()?.into_iter().map(RoleSigner::from))
                .collect(),
            proposer: keys::role_key(KeyRole::Proposer)?.into(),
            challenger: keys::role_key(KeyRole::Challenger)?.into(),
        })
    }
}

/// All roles of one operator in one process, as `openledger dev` and `node --role all` run them.
pub struct OperatorRoles<'a> {
    pub l1: L1Client,
    pub l1_rpc: L1Urls,
    /// A node that derives from L1 alone.
    pub l2_rpc: Url,
    pub rollup: &'a RollupConfig,
    pub data: &'a DataDir,
    /// L2 blocks between two proposals.
    pub interval: u64,
    /// L1 blocks on top of the data of what is proposed.
    pub depth: u64,
    pub keys: OperatorKeys,
}

impl OperatorRoles<'_> {
    /// Starts the roles over one verification, as one machine needs no second one.
    pub async fn start(
        &self,
        shutdown: &CancellationToken,
        tasks: &mut JoinSet<(&'static str, Result<()>)>,
    ) -> Result<()> {
        let portal = self.rollup.deposit_contract_address;
        let games = Games::of_portal(self.l1_rpc.clone(), portal)
            .await
            .context("cannot find the contracts of games on L1")?;
        let source = L2Source::new(self.l2_rpc.clone());
        let config = self.rollup.clone();
        let records = self.data.join("roles").join("checker");
        let checker = Checker::new(self.l1.clone(), config, games.clone(), source, POLL, &records)?;
        let verified = checker.verified();
        let stopping = shutdown.clone();
        spawn(tasks, "checker", shutdown, async move { Ok(checker.run(stopping).await?) });

        let mut attestors = Vec::new();
        for (name, key) in &self.keys.attestors {
            let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
            attestors.push(format!("http://{}/", listener.local_addr()?).parse()?);
            let sender = self.sender(key.clone(), name)?;
            let attestor =
                Attestor::new(games.clone(), verified.clone(), sender, AttestorConfig::default());
            let stopping = shutdown.clone();
            let role = async move { Ok(attestor.run(listener, stopping).await?) };
            spawn(tasks, "attestor", shutdown, role);
        }
        let config = ProposerConfig {
            interval: self.interval,
            confirmations: self.depth,
            poll: POLL,
            attestors,
        };
        let sender = self.sender(self.keys.proposer.clone(), "proposer")?;
        let proposer = Proposer::new(games.clone(), verified.clone(), sender, config);
        let stopping = shutdown.clone();
        spawn(tasks, "proposer", shutdown, async move { Ok(proposer.run(stopping).await?) });

        let sender = self.sender(self.keys.challenger.clone(), "challenger")?;
        let config = ChallengerConfig { poll: POLL };
        let challenger = Challenger::new(games, verified, sender, config);
        let stopping = shutdown.clone();
        spawn(tasks, "challenger", shutdown, async move { Ok(challenger.run(stopping).await?) });
        Ok(())
    }

    fn sender(&self, key: RoleSigner, name: &str) -> Result<Sender> {
        let records = RecordDir::open(&self.data.join("roles").join(name))?;
        let chain_id = self.rollup.l1_chain_id;
        let config = SenderConfig { poll: Duration::from_millis(250), ..SenderConfig::default() };
        Ok(Sender::new(self.l1_rpc.clone(), chain_id, key, records, config))
    }
}

fn spawn(
    tasks: &mut JoinSet<(&'static str, Result<()>)>,
    name: &'static str,
    shutdown: &CancellationToken,
    role: impl Future<Output = Result<()>> + Send + 'static,
) {
    let shutdown = shutdown.clone();
    tasks.spawn(async move {
        let result = role.await;
        shutdown.cancel();
        (name, result)
    });
}

/// Accounts on L1 that need ether and OPEN for a development chain's roles.
pub fn dev_accounts() -> Result<Vec<Address>> {
    let mut accounts = keys::addresses(&keys::attestor_keys()?);
    accounts.push(keys::role_key(KeyRole::Proposer)?.address());
    accounts.push(keys::role_key(KeyRole::Challenger)?.address());
    Ok(accounts)
}

/// The chain id of an L1.
pub async fn l1_chain_id(l1_rpc: &L1Urls) -> Result<u64> {
    let asked = l1_rpc.provider().get_chain_id().await;
    let chain_id = asked.with_context(|| format!("no L1 node answers at {l1_rpc}"))?;
    ensure!(chain_id != 0, "the L1 node has no chain id");
    Ok(chain_id)
}
