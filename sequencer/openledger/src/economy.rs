//! `openledger economy`: what the rules pay, worked out before anybody commits to them. The arithmetic is
//! the settlement's own (`attribution-scores`): the same functions compute the epochs that engines post
//! and auditors recompute. What is assumed is the traffic, and it is printed with the result.

mod adversary;
pub mod drill;
mod simulation;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use alloy_primitives::{U256, utils::parse_ether};
use anyhow::{Context, Result, ensure};
use clap::{Args as ClapArgs, Subcommand, ValueEnum};
use scores::{ModelId, epoch::Split};
use serde::Serialize;
use service::chain::{Chain, Contracts};
use url::Url;

use crate::{
    demo::{self, open},
    dev::Ready,
};
use simulation::{Outcome, Traffic};

/// What the rules of the economy pay.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// What a Datanet and a contributor of it would earn under given traffic.
    Simulate(Box<SimulateArgs>),
    /// Attack the economy on an L2 node with real transactions, and print what each attack cost whom.
    Adversary(AdversaryArgs),
    /// Pay watchers for finding what is false while nobody cheats.
    #[command(subcommand)]
    Drill(drill::Command),
}

/// Starts a development chain of its own and attacks it: noise, copies and split datasets, laundering, bribed and
/// lazy reviewers, a front-run reveal, wash inference, griefing, replays, and false epochs by a majority of
/// engines, each with its figures. It takes about two minutes.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  \
    openledger economy adversary\n  \
    openledger economy adversary --json\n\n\
    The exit status is 0 only if every goal is met.")]
pub struct AdversaryArgs {
    /// Ready file of a running `openledger dev` without settled epochs. Nobody else can post epochs on that
    /// chain afterwards.
    #[arg(long, value_name = "FILE")]
    ready: Option<PathBuf>,
    /// Print the table as JSON; amounts are wei.
    #[arg(long)]
    json: bool,
}

/// Answers are drawn one by one, each draws on some documents of the Datanet, and every day is settled as
/// an epoch by the functions that settle real ones. The same arguments give the same result everywhere.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  \
    openledger economy simulate\n  \
    openledger economy simulate --calls-per-day 20000 --documents 5000 --mine 50 --popularity zipf\n  \
    openledger economy simulate --model 1 --json       prices, split and royalties of a model on chain\n\n\
    What it does not know: whether anybody will ask. --calls-per-day, --attributed and --matches are your\n\
    assumptions; the audit of a real epoch (openledger attribution audit) shows what they were there.")]
pub struct SimulateArgs {
    /// Answers a day that the model sells.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    calls_per_day: u32,
    /// Days; calls a day times days is at most 1,000,000.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=3_650))]
    days: u32,
    /// Prompt tokens of an answer.
    #[arg(long, default_value_t = 400)]
    tokens_in: u32,
    /// Tokens of an answer.
    #[arg(long, default_value_t = 200)]
    tokens_out: u32,
    /// OPEN per 1,000 prompt tokens.
    #[arg(long, default_value = "0.001", value_name = "OPEN", conflicts_with = "model")]
    price_in: String,
    /// OPEN per 1,000 answer tokens.
    #[arg(long, default_value = "0.002", value_name = "OPEN", conflicts_with = "model")]
    price_out: String,
    /// Platform's part of a fee, basis points; the settlement allows at most 1,500.
    #[arg(long, default_value_t = 500, conflicts_with = "model",
        value_parser = clap::value_parser!(u16).range(0..=1_500))]
    platform_bps: u16,
    /// Model's part of the rest, basis points; what remains beside --stakers-bps is the contributors',
    /// at least 2,000.
    #[arg(long, default_value_t = 4_000, conflicts_with = "model")]
    model_bps: u16,
    /// Stakers' part of the rest, basis points.
    #[arg(long, default_value_t = 1_000, conflicts_with = "model")]
    stakers_bps: u16,
    /// Take prices, split, royalties and the platform's part from this model on chain.
    #[arg(long, value_name = "ID")]
    model: Option<u64>,
    /// L2 node for --model; the running `openledger dev` if not given.
    #[arg(long, value_name = "URL", requires = "model")]
    l2_rpc: Option<Url>,
    /// Documents of the Datanet, near-copies counted once: a copy earns for the first, not for itself.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    documents: u32,
    /// How many of them are yours.
    #[arg(long, default_value_t = 10)]
    mine: u32,
    /// Part of an answer that is found in the Datanet, in thousandths. The rest is paid to nobody: it goes
    /// to the declared sink.
    #[arg(long, default_value_t = 300, value_name = "THOUSANDTHS",
        value_parser = clap::value_parser!(u32).range(0..=1_000))]
    attributed: u32,
    /// Documents that an answer draws on.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=16))]
    matches: u32,
    /// Which documents answers draw on.
    #[arg(long, value_enum, default_value_t = Popularity::Even)]
    popularity: Popularity,
    /// What one document costs you in OPEN: the panel's fee and gas. Bonds come back and are no cost.
    #[arg(long, default_value = "0", value_name = "OPEN")]
    document_cost: String,
    /// Another seed, another month of the same traffic.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Print the assumptions, the totals and every day as JSON; amounts are wei as decimal strings.
    #[arg(long)]
    json: bool,
}

/// How answers choose among documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Popularity {
    /// Each is as likely as any other.
    Even,
    /// The n-th is 1/n as likely as the first. Yours lie evenly among the ranks.
    Zipf,
}

pub async fn run(command: Command) -> Result<()> {
    match command {
        Command::Simulate(args) => simulate(*args).await,
        Command::Adversary(args) => attack(args).await,
        Command::Drill(command) => drill::run(command).await,
    }
}

async fn attack(args: AdversaryArgs) -> Result<()> {
    let lines = match &args.ready {
        Some(path) => adversary::run(&Ready::read(path)?).await?,
        None => {
            let (mut dev, ready) = demo::start_dev().await?;
            let lines = adversary::run(&ready).await;
            demo::stop(&mut dev).await;
            lines?
        }
    };
    if args.json {
        println!("{}", serde_json::to_string_pretty(&lines)?);
    } else {
        println!("| attack | goal | measured | gas | attacker's gain |");
        println!("| --- | --- | --- | --- | --- |");
        for line in &lines {
            let gas = line.gas.map_or_else(String::new, |gas| gas.to_string());
            let gain = line.gain.map_or_else(String::new, adversary::signed);
            println!("| {} | {} | {} | {gas} | {gain} |", line.attack, line.goal, line.measured);
        }
    }
    let missed: Vec<&str> =
        lines.iter().filter(|line| !line.holds).map(|line| line.attack.as_str()).collect();
    ensure!(missed.is_empty(), "goals missed: {}", missed.join("; "));
    Ok(())
}

async fn simulate(args: SimulateArgs) -> Result<()> {
    let traffic = traffic(&args).await?;
    let cost = amount(&args.document_cost)?;
    let outcome = simulation::run(&traffic, cost)?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&outcome)?);
    } else {
        print(&outcome);
    }
    Ok(())
}

/// The arguments as one checked set of assumptions.
async fn traffic(args: &SimulateArgs) -> Result<Traffic> {
    let mut traffic = Traffic {
        calls_per_day: args.calls_per_day,
        days: args.days,
        tokens_in: args.tokens_in,
        tokens_out: args.tokens_out,
        price_1k_in: amount(&args.price_in)?,
        price_1k_out: amount(&args.price_out)?,
        platform_bps: args.platform_bps,
        split: Split {
            model_bps: args.model_bps,
            contributors_bps: 10_000_u16
                .checked_sub(args.model_bps)
                .and_then(|rest| rest.checked_sub(args.stakers_bps))
                .context("--model-bps and --stakers-bps are more than 10,000 together")?,
            stakers_bps: args.stakers_bps,
        },
        royalty_bps: 0,
        documents: args.documents,
        mine: args.mine,
        attributed_thousandths: args.attributed,
        matches: args.matches,
        popularity: args.popularity,
        seed: args.seed,
    };
    if let Some(model) = args.model {
        read_model(&mut traffic, ModelId(model), args.l2_rpc.clone()).await?;
    }
    traffic.check()?;
    Ok(traffic)
}

/// Prices, split, platform's part and royalties as they are on chain.
async fn read_model(traffic: &mut Traffic, id: ModelId, l2_rpc: Option<Url>) -> Result<()> {
    let l2_rpc = match l2_rpc {
        Some(url) => url,
        None => Ready::read(&Ready::default_path())?
            .l2_rpc
            .parse()
            .context("the ready file holds no URL")?,
    };
    let chain = Chain::connect(l2_rpc, Contracts::default()).await?;
    let model = chain.model(id).await?;
    let owed = chain.models().royaltiesOf(id.to_u256()).call().await?;
    traffic.price_1k_in = model.price_1k_in;
    traffic.price_1k_out = model.price_1k_out;
    traffic.split = model.split;
    traffic.royalty_bps = owed.iter().map(|royalty| royalty.bps).sum();
    traffic.platform_bps = chain.settlement_parameters().await?.platform_bps;
    Ok(())
}

fn amount(text: &str) -> Result<u128> {
    let wei = parse_ether(text).with_context(|| format!("\"{text}\" is not an amount of OPEN"))?;
    let wei = u128::try_from(wei).ok().filter(|wei| *wei < 1 << 96);
    wei.with_context(|| format!("{text} OPEN is more than there can be"))
}

fn print(outcome: &Outcome) {
    let (traffic, total, mine) = (&outcome.assumptions, &outcome.total, &outcome.contributor);
    let say = |name: &str, wei: u128| println!("  {name:<28} {:>22}", open(U256::from(wei)));
    println!(
        "{} answers a day for {} days, {} + {} tokens, {} a call",
        traffic.calls_per_day,
        traffic.days,
        traffic.tokens_in,
        traffic.tokens_out,
        open(U256::from(outcome.fee_per_call))
    );
    println!("where the fees go");
    say("fees", total.fees);
    say("platform", total.platform);
    say("model", total.model);
    say("royalties to its sources", total.royalties);
    say("stakers", total.stakers);
    say("this Datanet's contributors", total.datanet);
    say("attributed to nobody (sink)", total.residual);
    println!("you, with {} of {} documents", traffic.mine, traffic.documents);
    say("earned", mine.earned);
    say("a document", mine.per_document);
    say("worst day", mine.day_min);
    say("median day", mine.day_median);
    say("best day", mine.day_max);
    println!("  {:<28} {:>22}", "answers that paid you", mine.paying_calls);
    if outcome.document_cost > 0 {
        say("cost of the documents", mine.cost);
        match mine.paid_back_on_day {
            Some(day) => println!("  {:<28} {:>22}", "paid back on day", day),
            None => println!("  {:<28} {:>22}", "paid back on day", "not in this time"),
        }
    }
}

impl Traffic {
    /// Bounds that are not a single argument's.
    fn check(&self) -> Result<()> {
        let calls = u64::from(self.calls_per_day).saturating_mul(self.days.into());
        ensure!(calls <= 1_000_000, "{calls} calls are more than 1,000,000: take fewer days");
        ensure!(self.mine <= self.documents, "--mine is more than --documents");
        ensure!(self.matches <= self.documents, "--matches is more than --documents");
        ensure!(
            self.split.contributors_bps >= 2_000,
            "contributors get {} basis points; the registry asks for 2,000 at least",
            self.split.contributors_bps
        );
        Ok(())
    }
}
