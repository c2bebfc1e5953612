//! `openledger node --role …`: every process of a rollup, over the files that `openledger deploy` wrote.
//!
//! [`files`] reads the chain, [`nodes`] runs what executes it (sequencer, follower), [`batcher`] posts it;
//! proposer, attestor and challenger are in [`crate::roles`].

pub mod batcher;
pub mod files;
pub mod nodes;

use std::{
    net::{Ipv4Addr, SocketAddr, SocketAddrV4},
    path::PathBuf,
};

use alloy_primitives::Address;
use anyhow::{Context, Result, bail, ensure};
use clap::{Args as ClapArgs, ValueEnum};
use l1::L1Urls;
use node::{AuthConfig, FollowConfig, OperatorsPort, jwt::JwtSecret};
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::{
    dev::Batches,
    keystore::KeyArgs,
    roles::{self, AttestorArgs, ChallengerArgs, Common, ProposerArgs},
};

/// Where operators reach a sequencer and a batcher unless they say otherwise.
const SEQUENCER_OPERATORS: SocketAddr = loopback(9_549);
const BATCHER_OPERATORS: SocketAddr = loopback(9_550);

/// What a process does for a rollup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Role {
    /// Builds blocks and tells them in its feed. Derives beside it from L1.
    Sequencer,
    /// Derives from L1, follows feeds, answers JSON-RPC, hands transactions to the sequencer.
    Follower,
    /// Posts the sequencer's blocks to L1.
    Batcher,
    /// Proposes L2's outputs on L1.
    Proposer,
    /// Signs what it executed again, when asked.
    Attestor,
    /// Challenges wrong proposals, decides games, pays bonds.
    Challenger,
    /// Everything of one operator in one process.
    All,
}

impl Role {
    const fn name(self) -> &'static str {
        match self {
            Self::Sequencer => "sequencer",
            Self::Follower => "follower",
            Self::Batcher => "batcher",
            Self::Proposer => "proposer",
            Self::Attestor => "attestor",
            Self::Challenger => "challenger",
            Self::All => "all",
        }
    }
}

/// Flags of rollup roles; `--data-dir`, `--genesis`, `--rpc-address`, `--rpc-port` and `--jwt-secret` are
/// shared with chains of plain Ethereum.
#[derive(Clone, Debug, ClapArgs)]
#[command(next_help_heading = "Rollup (with --role)")]
pub struct Args {
    /// What this process does for a rollup. Without it: a node of an Ethereum chain.
    #[arg(long, value_enum)]
    pub role: Option<Role>,
    /// The chain's configuration, as `openledger deploy` writes it; in the data directory unless given.
    #[arg(long, value_name = "FILE", requires = "role")]
    rollup: Option<PathBuf>,
    /// JSON-RPC of an L1 node, which is believed. Of several (again, or after a comma) the first that answers is
    /// asked, and what they say of a block must be the same before L2 is derived from it.
    #[arg(long, value_name = "URL", value_delimiter = ',', requires = "role")]
    l1_rpc: Vec<Url>,
    /// Beacon API of L1, from which batches in blobs are read; of several (again, or after a comma) the next is
    /// asked for what one lacks. At the URLs of `--l1-rpc` unless given.
    #[arg(long, value_name = "URL", value_delimiter = ',', requires = "role")]
    l1_beacon_url: Vec<Url>,
    /// JSON-RPC of an L2 node: batcher, proposer, attestor, challenger. Of the sequencer's node for a batcher;
    /// anybody's for the others, and best one's own follower's.
    #[arg(long, value_name = "URL", requires = "role")]
    l2_rpc: Option<Url>,
    /// Operators' port of the sequencer's node, with its --jwt-secret: there a batcher holds the sequencer back
    /// (miner_setMaxDASize) while L1 takes its data slower than they come.
    #[arg(long, value_name = "URL", requires = "role")]
    l2_operators: Option<Url>,
    /// A sequencer's feed to follow (ws:// or wss://); may be given several times, one at a time is listened to. A
    /// sequencer names those of its stand-ins.
    #[arg(long = "feed", value_name = "URL", requires = "role")]
    feeds: Vec<String>,
    /// JSON-RPC of the sequencer, to which a follower hands transactions.
    #[arg(long, value_name = "URL", requires = "role")]
    sequencer_rpc: Option<Url>,
    /// Where a sequencer serves its feed.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9548")]
    feed_listen: SocketAddr,
    /// A stand-in, by the address of its own feed key, that must acknowledge each block, on its disk, before anybody else
    /// hears of it: then it replaces nothing that was published when it takes over. While it is away no block is
    /// built; admin_setStandIn names another or none. (docs/rollup.md, "A stand-in that acknowledges")
    #[arg(long, value_name = "ADDRESS", requires = "role")]
    feed_stand_in: Option<Address>,
    /// Whose signature counts in feeds; what SystemConfig says on L1 unless given. Given, a sequencer does not learn
    /// that another was named in its stead, and refuses admin_overrideLeader.
    #[arg(long, value_name = "ADDRESS", requires = "role")]
    unsafe_block_signer: Option<Address>,
    /// Where operators reach a sequencer (admin_startSequencer and the like; 127.0.0.1:9549 unless given) or a
    /// batcher (admin_startBatcher, admin_stopBatcher; 127.0.0.1:9550), for holders of --jwt-secret.
    #[arg(long, value_name = "ADDRESS", requires = "role")]
    admin_listen: Option<SocketAddr>,
    /// A new sequencer waits for admin_startSequencer: the stand-in of another one.
    #[arg(long, requires = "role")]
    stopped: bool,
    /// L1 blocks that must lie on top of a block before L2 builds on it.
    #[arg(long, default_value_t = 0, value_name = "BLOCKS")]
    l1_confirmations: u64,
    /// A role without records begins where the L2 node says that derivation can begin; only for a node of your own
    /// (`openledger proposer --help`).
    #[arg(long)]
    trust_node_for_beginning: bool,
    /// Where a batcher posts.
    #[arg(long, value_enum, default_value_t = Batches::Calldata)]
    batches: Batches,
    /// Most that is paid on L1, gwei per gas; up to five times as much when the sequencing window runs out.
    #[arg(long, default_value_t = 1_000)]
    fee_max_gwei: u64,
    /// L2 blocks between two proposals.
    #[arg(long, default_value_t = 3_600, value_parser = clap::value_parser!(u64).range(1..))]
    interval: u64,
    /// L1 blocks on top of the data of what is proposed.
    #[arg(long, default_value_t = 10)]
    depth: u64,
    /// Where an attestor answers a proposer; may be given several times.
    #[arg(long = "attestor", value_name = "URL", requires = "role")]
    attestors: Vec<Url>,
    /// Where an attestor answers.
    #[arg(long, default_value = "127.0.0.1:9560", value_name = "ADDRESS")]
    attestor_listen: SocketAddr,
    /// `--role all`: keys by role, DIR/batcher.json and so on, encrypted with one password or with remote
    /// signers (see --keystore). On a development
    /// chain its well-known keys serve instead.
    #[arg(long, value_name = "DIR", requires = "role")]
    keys: Option<PathBuf>,
    #[command(flatten)]
    key: KeyArgs,
}

/// What is shared with chains of plain Ethereum.
#[derive(Clone, Debug)]
pub struct Shared {
    pub data_dir: PathBuf,
    pub genesis: Option<PathBuf>,
    pub rpc: SocketAddr,
    pub jwt_secret: Option<PathBuf>,
}

/// Runs a role until Ctrl-C, SIGTERM or the first failure.
pub async fn run(role: Role, args: Args, shared: Shared) -> Result<()> {
    let name = role.name();
    ensure!(!args.l1_rpc.is_empty(), "a {name} needs --l1-rpc URL");
    let l1_rpc = L1Urls::from(args.l1_rpc.clone());
    check(role, &args)?;
    let chain =
        files::Chain::read(&shared.data_dir, shared.genesis.as_deref(), args.rollup.as_deref())?;
    let data = files::claim(&shared.data_dir.join(name))?;
    let l1 = chain.connect(l1_rpc.clone(), args.l1_beacon_url.clone()).await?;
    println!("role       {name}");
    println!("chain      {} on L1 {}", chain.rollup.l2_chain_id, chain.rollup.l1_chain_id);
    let shutdown = CancellationToken::new();
    let needs_l2 = || {
        let l2_rpc = args.l2_rpc.clone();
        l2_rpc.with_context(|| format!("a {name} needs --l2-rpc URL of an L2 node"))
    };
    let common = |l2_rpc: Url| Common {
        l1_rpc: args.l1_rpc.clone(),
        l1_beacon_url: args.l1_beacon_url.clone(),
        l2_rpc,
        rollup: Some(chain.rollup_file.clone()),
        data_dir: data.join("records"),
        trust_node_for_beginning: args.trust_node_for_beginning,
        confirmations: 1,
        fee_max_gwei: args.fee_max_gwei,
        key: args.key.clone(),
    };
    match role {
        Role::Sequencer | Role::All => {
            let settings = nodes::SequencerSettings {
                rpc: shared.rpc,
                feed: args.feed_listen,
                feed_key: nodes::feed_key(&args.key, args.keys.as_deref(), &chain.rollup)?,
                stand_in: args.feed_stand_in,
                admin: args.admin_listen.unwrap_or(SEQUENCER_OPERATORS),
                jwt_secret: shared.jwt_secret.unwrap_or_else(|| data.join("jwt.hex")),
                stopped: args.stopped,
                l1_confirmations: args.l1_confirmations,
                feeds: args.feeds.clone(),
                unsafe_block_signer: args.unsafe_block_signer,
                l1_rpc: l1_rpc.clone(),
            };
            let mut tasks = nodes::Tasks::new(&shutdown);
            let running = nodes::start_sequencer(&chain, &l1, &data, settings, &mut tasks).await?;
            if role == Role::All {
                let operator = batcher::Operator {
                    key: args.key.clone(),
                    keys: args.keys.clone(),
                    availability: args.batches.into(),
                    fee_max_gwei: args.fee_max_gwei,
                    interval: args.interval,
                    depth: args.depth,
                };
                operator.start(&chain, &l1, l1_rpc, &data, &running, &mut tasks).await?;
            }
            tasks.wait().await
        }
        Role::Follower => {
            let settings = nodes::FollowerSettings {
                rpc: shared.rpc,
                feeds: args.feeds.clone(),
                sequencer_rpc: args.sequencer_rpc.clone(),
                unsafe_block_signer: args.unsafe_block_signer,
                l1_rpc: l1_rpc.clone(),
            };
            let mut tasks = nodes::Tasks::new(&shutdown);
            nodes::start_follower(&chain, &l1, &data, settings, &mut tasks).await?;
            tasks.wait().await
        }
        Role::Batcher => {
            let key = args.key.signer(chain.rollup.l1_chain_id).await?;
            let mut tasks = nodes::Tasks::new(&shutdown);
            let blocks = batcher::RpcBlocks::new(needs_l2()?);
            let journal = batcher::FileJournal::open(data.join("journal"))?;
            let config = batcher::config(args.batches.into(), args.fee_max_gwei);
            let (sequencer, secret) = match (args.l2_operators, shared.jwt_secret) {
                (Some(operators), Some(file)) => {
                    let secret = JwtSecret::read(&file)?;
                    (batcher::Sequencer::There { operators, secret: secret.clone() }, secret)
                }
                (Some(_), None) => bail!("--l2-operators needs --jwt-secret FILE of the sequencer"),
                (None, Some(file)) => (batcher::Sequencer::Unlimited, JwtSecret::read(&file)?),
                (None, None) => {
                    let secret = JwtSecret::read_or_create(&data.join("jwt.hex"))?;
                    (batcher::Sequencer::Unlimited, secret)
                }
            };
            let listen = args.admin_listen.unwrap_or(BATCHER_OPERATORS);
            let operators = OperatorsPort::bind(AuthConfig::new(listen, secret)).await?;
            let control =
                batcher::start(&chain, l1, key, config, blocks, journal, sequencer, &mut tasks)
                    .await?;
            batcher::serve_operators(operators, control, &mut tasks);
            tasks.wait().await
        }
        Role::Proposer => {
            let (interval, depth, attestors) = (args.interval, args.depth, args.attestors.clone());
            let common = common(needs_l2()?);
            roles::propose(ProposerArgs { common, interval, depth, attestors }).await
        }
        Role::Attestor => {
            let common = common(needs_l2()?);
            roles::attest(AttestorArgs { common, listen: args.attestor_listen }).await
        }
        Role::Challenger => roles::challenge(ChallengerArgs { common: common(needs_l2()?) }).await,
    }
}

const fn loopback(port: u16) -> SocketAddr {
    SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port))
}

/// Refuses flags that the role would silently leave out.
fn check(role: Role, args: &Args) -> Result<()> {
    let name = role.name();
    let sequences = matches!(role, Role::Sequencer | Role::All);
    if args.stopped && !sequences {
        bail!("--stopped is for a sequencer; a {name} does not sequence");
    }
    if !args.feeds.is_empty() && !sequences && role != Role::Follower {
        bail!("--feed is for a follower or a sequencer; a {name} listens to none");
    }
    if args.feed_stand_in.is_some() && !sequences {
        bail!("--feed-stand-in is for a sequencer; a {name} waits for nobody");
    }
    if args.sequencer_rpc.is_some() && role != Role::Follower {
        bail!("--sequencer-rpc is for a follower; a {name} hands no transactions on");
    }
    if args.l2_rpc.is_some() && (sequences || role == Role::Follower) {
        bail!("--l2-rpc is not for a {name}: it is an L2 node itself");
    }
    if args.l2_operators.is_some() && role != Role::Batcher {
        bail!("--l2-operators is for a batcher; a {name} limits no sequencer");
    }
    if args.admin_listen.is_some() && !sequences && role != Role::Batcher {
        bail!("--admin-listen is for a sequencer or a batcher; a {name} has no operators' port");
    }
    if let Some(url) = args.feeds.iter().find(|url| !FollowConfig::is_feed(url)) {
        bail!("--feed {url}: a feed's URL begins with ws:// or wss://");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn refused(line: &str, expected: &str) {
        let words = ["node"].into_iter().chain(line.split_whitespace());
        let error = match Line::try_parse_from(words) {
            Ok(Line { args }) => check(args.role.unwrap(), &args).unwrap_err().to_string(),
            Err(error) => error.to_string(),
        };
        assert!(error.contains(expected), "{line}: {error}");
    }

    #[test]
    fn flags_of_other_roles_are_refused() {
        refused("--feed ws://a:1", "--role");
        refused("--role follower --stopped", "does not sequence");
        let address = "0x00000000000000000000000000000000000000aa";
        refused(&format!("--role follower --feed-stand-in {address}"), "waits for nobody");
        refused("--role sequencer --feed-stand-in me", "invalid value 'me'");
        refused("--role follower --l2-operators http://a:1", "limits no sequencer");
        refused("--role batcher --feed ws://a:1", "listens to none");
        refused("--role follower --admin-listen 127.0.0.1:1", "has no operators' port");
        refused("--role sequencer --sequencer-rpc http://a:1", "hands no transactions on");
        refused("--role follower --l2-rpc http://a:1", "an L2 node itself");
        refused("--role follower --feed http://a:1", "begins with ws://");
        refused("--role admiral", "possible values: sequencer, follower");
        let line =
            "node --role follower --feed ws://a:1 --feed wss://b:2 --sequencer-rpc http://c:3";
        let Line { args } = Line::try_parse_from(line.split(' ')).unwrap();
        check(Role::Follower, &args).unwrap();
        assert_eq!(args.feeds.len(), 2);
        let line = "node --role follower --l1-rpc http://a:1,https://b:2 --l1-rpc http://c:3";
        let Line { args } = Line::try_parse_from(line.split(' ')).unwrap();
        assert_eq!(args.l1_rpc.len(), 3);
    }
}
