//! `openledger attribution audit`: recompute an epoch from the chain and published evidence. What is done
//! about one that does not hold is in [`crate::watch`]. `openledger attribution roots`: compute from the same what a model
//! is to be registered with.

use std::{path::PathBuf, str::FromStr};

use anyhow::{Context, Result, bail};
use clap::{Args as ClapArgs, Subcommand};
use models::{Tokenizer, default_model_path, parts, read_model};
use scores::{DatanetId, spec::EngineSpec};
use service::{
    audit::{audit, corpus_over},
    chain::{Chain, Contracts, DatanetRef},
    clusters::TokenCodec,
    evidence::{CollectedEvidence, HttpEvidence},
};
use url::Url;

use crate::{
    dev::Ready,
    explain::{self, ExplainArgs},
    watch::{self, ChallengeArgs, WatchArgs},
};

/// The attribution engine's public side.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Recompute a posted epoch and compare every root; the exit status says whether all held.
    Audit(AuditArgs),
    /// Why somebody was paid: from a receipt to its payments, every step checked.
    Explain(ExplainArgs),
    /// Recompute a pending epoch and, if it is false, have it rejected on chain for half of its bond.
    Challenge(ChallengeArgs),
    /// Do so with every epoch that is posted, until stopped.
    Watch(WatchArgs),
    /// What a model over Datanet versions is to be registered with: its surpriseRoot and clusterMapRoot.
    Roots(RootsArgs),
}

/// Recompute an epoch from public inputs: the chain, and a gateway's evidence, which is trusted in
/// nothing.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  \
    openledger attribution audit 1\n  \
    openledger attribution audit 7 --l2-rpc http://127.0.0.1:9545 --gateway http://127.0.0.1:9550 --json")]
pub struct AuditArgs {
    /// Number of the epoch.
    epoch: u64,
    #[command(flatten)]
    inputs: Inputs,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
}

/// Compute the two roots of a corpus, which the model registry asks for, from the chain and the documents that a
/// gateway has, with the usual parameters. Engines serve no model whose roots are others.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  \
    openledger attribution roots 1:1\n  \
    openledger attribution roots 1:3 4:1 --json")]
pub struct RootsArgs {
    /// The versions that the model stands over, those of its sources included.
    #[arg(required = true, value_name = "DATANET:VERSION")]
    datanets: Vec<Version>,
    #[command(flatten)]
    inputs: Inputs,
    /// Print the roots as JSON.
    #[arg(long)]
    json: bool,
}

/// A version as it is written on the command line.
#[derive(Clone, Copy, Debug)]
struct Version(DatanetRef);

impl FromStr for Version {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let (datanet, version) = text.split_once(':').context("a version is DATANET:VERSION")?;
        let datanet = DatanetId(datanet.parse().context("no number of a Datanet")?);
        Ok(Self(DatanetRef { datanet, version: version.parse().context("no version")? }))
    }
}

/// Where public inputs come from.
#[derive(Debug, ClapArgs)]
pub struct Inputs {
    /// L2 node; the running `openledger dev` if not given.
    #[arg(long, value_name = "URL")]
    l2_rpc: Option<Url>,
    /// Where the epoch's evidence is served; the running `openledger dev` if not given.
    #[arg(long, value_name = "URL")]
    gateway: Option<Url>,
    /// Model file whose tokenizer the engine spec pins.
    #[arg(long, value_name = "FILE", env = "OPENLEDGER_MODEL")]
    model: Option<PathBuf>,
    /// Directory with evidence of posters that do not publish at that gateway, a file `<epoch>.json` each.
    #[arg(long, value_name = "DIR")]
    evidence: Option<PathBuf>,
}

impl Inputs {
    /// Where the L2 node and the gateway are.
    pub fn addresses(&self) -> Result<(Url, Url)> {
        if let (Some(l2_rpc), Some(gateway)) = (&self.l2_rpc, &self.gateway) {
            return Ok((l2_rpc.clone(), gateway.clone()));
        }
        let ready = Ready::read(&Ready::default_path())?;
        let parse = |url: &str| url.parse::<Url>().context("the ready file holds no URL");
        Ok((
            self.l2_rpc.clone().map_or_else(|| parse(&ready.l2_rpc), Ok)?,
            self.gateway.clone().map_or_else(|| parse(&ready.gateway), Ok)?,
        ))
    }

    /// The tokenizer that the engine spec pins.
    pub fn tokenizer(&self) -> Result<Tokenizer> {
        let path = self.model.clone().unwrap_or_else(default_model_path);
        Ok(parts(&read_model(&path, None)?)?.1)
    }

    /// Evidence as it is published.
    pub fn source(&self) -> Result<CollectedEvidence> {
        let (_, gateway) = self.addresses()?;
        let base = gateway.join("/v1/").context("the gateway's URL cannot carry a path")?;
        Ok(CollectedEvidence { directory: self.evidence.clone(), gateway: HttpEvidence::new(base) })
    }
}

pub async fn run(command: Command) -> Result<()> {
    match command {
        Command::Audit(args) => run_audit(args).await,
        Command::Explain(args) => explain::run(args).await,
        Command::Challenge(args) => watch::challenge(args).await,
        Command::Watch(args) => watch::watch(args).await,
        Command::Roots(args) => roots(args).await,
    }
}

async fn roots(args: RootsArgs) -> Result<()> {
    let (l2_rpc, _) = args.inputs.addresses()?;
    let tokenizer = args.inputs.tokenizer()?;
    let chain = Chain::connect(l2_rpc, Contracts::default()).await?;
    // Roots do not depend on the weights.
    let spec =
        EngineSpec { tokenizer_hash: TokenCodec::fingerprint(&tokenizer), ..EngineSpec::default() };
    let datanets: Vec<DatanetRef> = args.datanets.iter().map(|version| version.0).collect();
    let source = args.inputs.source()?;
    let roots = corpus_over(&chain, &datanets, &spec, &source, &tokenizer).await?.roots()?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&roots)?);
    } else {
        println!("surpriseRoot    {}\nclusterMapRoot  {}", roots.surprises, roots.clusters);
    }
    Ok(())
}

async fn run_audit(args: AuditArgs) -> Result<()> {
    let (l2_rpc, _) = args.inputs.addresses()?;
    let tokenizer = args.inputs.tokenizer()?;
    let chain = Chain::connect(l2_rpc, Contracts::default()).await?;
    let report = audit(&chain, args.epoch, &args.inputs.source()?, &tokenizer).await?;

    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        println!("epoch {} ({:?}), {} receipts", report.epoch, report.status, report.receipts);
        for check in &report.checks {
            println!(
                "  {} {:<24} {}",
                if check.ok { "ok " } else { "BAD" },
                check.name,
                check.detail
            );
        }
        println!("posted claims root      {}", report.posted.claims_root);
        match &report.recomputed {
            Some(roots) => println!("recomputed claims root  {}", roots.claims_root),
            None => println!("recomputed claims root  cannot be computed from this evidence"),
        }
    }
    if !report.ok {
        let failed: Vec<&str> = report.failures().map(|check| check.name).collect();
        bail!("epoch {} does not hold: {}", report.epoch, failed.join(", "));
    }
    Ok(())
}
