//! `openledger attribution audit`: recompute an epoch from the chain and published evidence.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::{Args as ClapArgs, Subcommand};
use models::{default_model_path, parts, read_model};
use service::{
    audit::audit,
    chain::{Chain, Contracts},
    evidence::HttpEvidence,
};
use url::Url;

use crate::dev::Ready;

/// The attribution engine's public side.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Recompute a posted epoch and compare every root; the exit status says whether all held.
    Audit(AuditArgs),
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
    /// L2 node; the running `openledger dev` if not given.
    #[arg(long, value_name = "URL")]
    l2_rpc: Option<Url>,
    /// Where the epoch's evidence is served; the running `openledger dev` if not given.
    #[arg(long, value_name = "URL")]
    gateway: Option<Url>,
    /// Model file whose tokenizer the engine spec pins.
    #[arg(long, value_name = "FILE", env = "OPENLEDGER_MODEL")]
    model: Option<PathBuf>,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
}

pub async fn run(command: Command) -> Result<()> {
    let Command::Audit(args) = command;
    let (l2_rpc, gateway) = match (args.l2_rpc, args.gateway) {
        (Some(l2_rpc), Some(gateway)) => (l2_rpc, gateway),
        (l2_rpc, gateway) => {
            let ready = Ready::read(&Ready::default_path())?;
            let parse = |url: &str| url.parse::<Url>().context("the ready file holds no URL");
            (
                l2_rpc.map_or_else(|| parse(&ready.l2_rpc), Ok)?,
                gateway.map_or_else(|| parse(&ready.gateway), Ok)?,
            )
        }
    };
    let path = args.model.unwrap_or_else(default_model_path);
    let (_, tokenizer) = parts(&read_model(&path, None)?)?;
    let chain = Chain::connect(l2_rpc, Contracts::default()).await?;
    let base = gateway.join("/v1/").context("the gateway's URL cannot carry a path")?;
    let report = audit(&chain, args.epoch, &HttpEvidence::new(base), &tokenizer).await?;

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
