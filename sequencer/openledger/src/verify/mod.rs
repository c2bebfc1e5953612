//! `openledger verify`: blocks that somebody else built, executed again without their state.
//!
//! Each block is executed from its witness alone and must follow from the one before; with an L1 node,
//! what L1 forces on it is compared, too. Nothing that the source says is believed but the hash of the
//! block before the first, and that only if no other is given.

mod report;
mod source;
#[cfg(test)]
mod tests;

use std::{path::PathBuf, str::FromStr, sync::Arc, time::Instant};

use alloy_primitives::B256;
use anyhow::{Context, Result, bail, ensure};
use derive::{L1Block, check_l1_inputs, l2_block_ref, system_config_of};
use l1::{L1Addresses, L1Client};
use primitives::{Block, RollupConfig, SystemConfig};
use stf::{ChainSpec, RangeVerifier};
use url::Url;

use crate::dev::Ready;
use report::Report;
use source::{Evidence, Source};

/// Execute blocks again from their witnesses and compare everything that follows from them.
///
/// What is checked: that every field of each header (state root, receipts, gas, …) follows from the
/// block before, the transactions and the witness; that the hashes form one chain; that the output roots
/// are those that the node states; and with --l1-rpc, that L1 attributes, deposits and the header's
/// fields that L1 decides are those of the L1 block each block names, and that this block is on L1's
/// chain. What is not: whether the transactions were posted to L1 (a follower that derives the
/// chain checks that), and the block before the first, whose hash is trusted (--trusted).
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    openledger verify --range 1..100\n  \
    openledger verify --range 1.. --rpc http://127.0.0.1:9545 --l1-rpc http://127.0.0.1:8545\n  \
    openledger verify --range 500..600 --data-dir ./chain --json")]
pub struct Args {
    /// Blocks A..B, both included; A.. ends at the newest.
    #[arg(long, value_name = "A..B")]
    range: Range,
    /// JSON-RPC of an L2 node; the running `openledger dev` if not given.
    #[arg(long, value_name = "URL", conflicts_with = "data_dir")]
    rpc: Option<Url>,
    /// Directory of a chain store on which no node runs, or of `openledger dev --data-dir`.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// JSON-RPC of an L1 node, to compare what L1 forces; that of the running `openledger dev` if the
    /// L2 node is its, too. Of several (again, or after a comma) the first that answers is asked, and what they
    /// say of a block must be the same.
    #[arg(long, value_name = "URL", value_delimiter = ',')]
    l1_rpc: Vec<Url>,
    /// Hash of the block before the first, as the one to trust; the source's word if not given.
    #[arg(long, value_name = "HASH")]
    trusted: Option<B256>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// First and last block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Range {
    first: u64,
    last: Option<u64>,
}

impl FromStr for Range {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |part: &str| {
            let part = part.trim_start_matches('=');
            part.parse::<u64>().map_err(|_| format!("\"{part}\" is no block number"))
        };
        let (first, last) = match text.split_once("..") {
            None => (number(text)?, Some(number(text)?)),
            Some((first, "")) => (number(first)?, None),
            Some((first, last)) => (number(first)?, Some(number(last)?)),
        };
        if first == 0 {
            return Err("the genesis block is not executed; begin with 1".to_owned());
        }
        if last.is_some_and(|last| last < first) {
            return Err(format!("{text} is empty"));
        }
        Ok(Self { first, last })
    }
}

pub async fn run(args: Args) -> Result<()> {
    let (source, l1_rpc) = match (&args.data_dir, &args.rpc) {
        (Some(directory), _) => (Source::open(directory)?, args.l1_rpc.clone()),
        (None, Some(url)) => (Source::connect(url.clone()).await?, args.l1_rpc.clone()),
        (None, None) => {
            let ready = Ready::read(&Ready::default_path())?;
            let l2 = ready.l2_rpc.parse().context("the ready file holds no URL")?;
            let l1: Url = ready.l1_rpc.parse().context("the ready file holds no URL")?;
            let given = args.l1_rpc.clone();
            (Source::connect(l2).await?, if given.is_empty() { vec![l1] } else { given })
        }
    };
    let report = verify(source, args.range, args.trusted, l1_rpc).await?;
    if args.json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        report.print();
    }
    match &report.failure {
        None => Ok(()),
        Some(failure) => bail!("block {} does not hold: {}", failure.block, failure.reason),
    }
}

/// Goes through the range and stops at the first block that does not hold. An error is one of asking,
/// not of what was answered.
async fn verify(
    mut source: Source,
    range: Range,
    trusted: Option<B256>,
    l1_rpc: Vec<Url>,
) -> Result<Report> {
    let started = Instant::now();
    let newest = source.newest().await?;
    let last = range.last.unwrap_or(newest);
    ensure!(
        range.first <= last && last <= newest,
        "the newest block is {newest}: there is nothing to verify from {} to {last}",
        range.first
    );
    let before = source.block(range.first - 1).await?;
    // Of genesis the configuration says which it is.
    let configured = match source.rollup() {
        Some(config) if config.genesis.l2.number == before.header.number => {
            Some(config.genesis.l2.hash)
        }
        _ => None,
    };
    let anchor = trusted.or(configured).unwrap_or(before.hash);
    let mut inputs = match l1_rpc.is_empty() {
        true => None,
        false => {
            let config = source.rollup().cloned().context(
                "the source has no rollup configuration, so L1's inputs cannot be checked",
            )?;
            Some(Inputs::new(l1_rpc, config, before).await?)
        }
    };
    let mut verifier = RangeVerifier::new(ChainSpec::new(source.chain_id()), anchor);
    let mut report = Report::new(source.chain_id(), range.first, anchor, trusted, configured);
    source.begin(range.first, last).await?;
    while let Some(evidence) = source.next().await? {
        let number = evidence.number;
        match check(&mut verifier, &mut inputs, evidence, &mut report).await? {
            Ok(()) => {}
            Err(reason) => {
                report.fail(number, reason);
                break;
            }
        }
        if number.is_multiple_of(10) || number == last {
            eprint!("\r  block {number} of {last} ");
        }
    }
    eprintln!();
    report.seconds = started.elapsed().as_secs_f64();
    Ok(report)
}

/// Inner errors are the block's fault.
async fn check(
    verifier: &mut RangeVerifier,
    inputs: &mut Option<Inputs>,
    evidence: Evidence,
    report: &mut Report,
) -> Result<Result<(), String>> {
    let Evidence { number, block, witness, stated_output_root } = evidence;
    if block.header.number != number {
        return Ok(Err(format!("the source gave block {} for it", block.header.number)));
    }
    let verified = tokio::task::block_in_place(|| verifier.verify(&block, &witness));
    let verified = match verified {
        Ok(verified) => verified,
        Err(error) => return Ok(Err(error.to_string())),
    };
    if let Some(stated) = stated_output_root {
        if stated != verified.output_root {
            let found = verified.output_root;
            return Ok(Err(format!("its output root is {found}, the node states {stated}")));
        }
        report.output_roots += 1;
    }
    if let Some(inputs) = inputs {
        if let Err(reason) = inputs.check(&block).await? {
            return Ok(Err(reason));
        }
        report.l1_inputs += 1;
    }
    report.add(&block, &witness, verified.output_root);
    Ok(Ok(()))
}

/// What L1 forces on blocks in a row.
struct Inputs {
    client: L1Client,
    config: RollupConfig,
    /// In force at the last block.
    system_config: SystemConfig,
    parent: Block,
    origin: Option<Arc<L1Block>>,
}

impl Inputs {
    async fn new(urls: Vec<Url>, config: RollupConfig, parent: Block) -> Result<Self> {
        let client = L1Client::connect(urls, config.l1_chain_id).await?;
        let system_config = match parent.header.number == config.genesis.l2.number {
            true => config.genesis.system_config,
            false => system_config_of(&parent)?,
        };
        Ok(Self { client, config, system_config, parent, origin: None })
    }

    /// Inner errors are the block's fault.
    async fn check(&mut self, block: &Block) -> Result<Result<(), String>> {
        let parent = match l2_block_ref(&self.config, &self.parent) {
            Ok(parent) => parent,
            Err(error) => return Ok(Err(error.to_string())),
        };
        let named = match l2_block_ref(&self.config, block) {
            Ok(reference) => reference.l1_origin,
            Err(error) => return Ok(Err(error.to_string())),
        };
        let origin = match &self.origin {
            Some(origin) if origin.number == named.number => Arc::clone(origin),
            _ => {
                let addresses = L1Addresses::from(&self.config);
                let fetched = self.client.fetch_block(named.number, &addresses).await?;
                let Some(fetched) = fetched else {
                    return Ok(Err(format!(
                        "it names L1 block {}, which is not there",
                        named.number
                    )));
                };
                let agreed = self.client.agreed(named.number).await?;
                ensure!(
                    agreed.is_some_and(|agreed| agreed.hash == fetched.hash),
                    "L1 block {} was replaced while it was read",
                    named.number
                );
                Arc::new(fetched)
            }
        };
        self.origin = Some(Arc::clone(&origin));
        if origin.hash != named.hash {
            let (number, found) = (named.number, origin.hash);
            return Ok(Err(format!(
                "it names L1 block {number} as {}, L1 has {found}",
                named.hash
            )));
        }
        match check_l1_inputs(&self.config, &self.system_config, &parent, block, &origin) {
            Ok(in_force) => {
                self.system_config = in_force;
                self.parent = block.clone();
                Ok(Ok(()))
            }
            Err(error) => Ok(Err(error.to_string())),
        }
    }
}
