//! `openledger sponsor`: first OPEN for newcomers who hold none, through `SponsorPool`.

use std::path::PathBuf;

use alloy_primitives::{Address, U256, utils::format_ether};
use anyhow::{Context, Result, ensure};
use clap::{Args as ClapArgs, Subcommand};
use service::{
    chain::{Chain, Contracts},
    sponsors::{GRANT_MAX, SPONSOR_POOL, SignedGrant, Sponsors},
};

use crate::{
    customer::{now, wei},
    dev::Ready,
    keys,
};

/// Pay in, grant, and bring grants.
#[derive(Debug, Subcommand)]
#[command(
    after_help = "An account gets one grant ever, of at most 1 OPEN; a sponsor spends at most its \
    allowance a day.\nExamples:\n  \
    openledger sponsor fund --account 0 --amount 10 --per-day 1\n  \
    openledger sponsor grant 0x1234…abcd --account 0 --amount 0.05"
)]
pub enum Command {
    /// Pay in as a sponsor, with a limit a day. The account signs its own grants.
    Fund(FundArgs),
    /// Sign a grant for a newcomer and bring it to the chain.
    Grant(GrantArgs),
    /// Bring a grant that somebody else signed; anyone may.
    Bring(BringArgs),
}

/// Whose key, on which chain.
#[derive(Debug, ClapArgs)]
struct From {
    /// Development account that signs.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..10))]
    account: u32,
    /// Ready file of the running `openledger dev`.
    #[arg(long, value_name = "FILE")]
    ready: Option<PathBuf>,
}

#[derive(Debug, ClapArgs)]
pub struct FundArgs {
    #[command(flatten)]
    from: From,
    /// OPEN to pay in.
    #[arg(long)]
    amount: String,
    /// OPEN that may be granted in a day.
    #[arg(long)]
    per_day: String,
}

#[derive(Debug, ClapArgs)]
pub struct GrantArgs {
    /// The newcomer.
    newcomer: Address,
    #[command(flatten)]
    from: From,
    /// OPEN to grant, at most 1.
    #[arg(long, default_value = "0.05")]
    amount: String,
    /// Hours until the grant is void.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=8_760))]
    hours: u64,
    /// Print the grant as JSON and send nothing.
    #[arg(long)]
    print: bool,
}

#[derive(Debug, ClapArgs)]
pub struct BringArgs {
    /// File with the grant, as `sponsor grant --print` wrote it.
    grant: PathBuf,
    #[command(flatten)]
    from: From,
}

pub async fn run(command: Command) -> Result<()> {
    match command {
        Command::Fund(args) => fund(args).await,
        Command::Grant(args) => grant(args).await,
        Command::Bring(args) => bring(args).await,
    }
}

async fn fund(args: FundArgs) -> Result<()> {
    let (pool, sponsor) = connect(&args.from).await?;
    let per_day = wei(&args.per_day)?;
    pool.deposit(U256::from(wei(&args.amount)?)).await?;
    pool.set_limits(sponsor, per_day).await?;
    let state = pool.sponsor(sponsor).await?;
    println!("{sponsor} has {} OPEN to grant, {} a day", open(state.balance), open(state.per_day));
    Ok(())
}

async fn grant(args: GrantArgs) -> Result<()> {
    let amount = wei(&args.amount)?;
    ensure!(0 < amount && amount <= GRANT_MAX, "a grant is more than nothing and at most 1 OPEN");
    let (pool, sponsor) = connect(&args.from).await?;
    ensure!(
        !pool.is_sponsored(args.newcomer).await?,
        "{} had its grant: an account gets one",
        args.newcomer
    );
    let deadline = now().saturating_add(args.hours.saturating_mul(3_600));
    let key = keys::dev_key(args.from.account)?;
    let grant = pool.sign(&key, sponsor, args.newcomer, amount, deadline)?;
    if args.print {
        println!("{}", serde_json::to_string(&grant)?);
        return Ok(());
    }
    deliver(&pool, &grant).await
}

async fn bring(args: BringArgs) -> Result<()> {
    let text = std::fs::read(&args.grant)
        .with_context(|| format!("cannot read {}", args.grant.display()))?;
    let grant: SignedGrant = serde_json::from_slice(&text)
        .with_context(|| format!("{} holds no grant", args.grant.display()))?;
    let (pool, _) = connect(&args.from).await?;
    deliver(&pool, &grant).await
}

async fn deliver(pool: &Sponsors, grant: &SignedGrant) -> Result<()> {
    let state = pool.sponsor(grant.sponsor).await?;
    ensure!(
        state.balance >= grant.amount,
        "the sponsor {} has {} OPEN left: `openledger sponsor fund` pays in",
        grant.sponsor,
        open(state.balance)
    );
    let receipt = pool.bring(grant).await?;
    println!(
        "granted {} OPEN to {} in transaction {}",
        open(grant.amount),
        grant.account,
        receipt.transaction_hash
    );
    Ok(())
}

async fn connect(from: &From) -> Result<(Sponsors, Address)> {
    let ready = Ready::read(&from.ready.clone().unwrap_or_else(Ready::default_path))?;
    let key = keys::dev_key(from.account)?;
    let address = key.address();
    let url = ready.l2_rpc.parse().context("the L2 URL is not a URL")?;
    let chain = Chain::connect_with_signer(url, Contracts::default(), key).await?;
    Ok((Sponsors::at(&chain, SPONSOR_POOL), address))
}

fn open(wei: u128) -> String {
    format_ether(wei)
}
