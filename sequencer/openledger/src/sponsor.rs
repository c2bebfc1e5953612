//! `openledger sponsor`: first OPEN for newcomers who hold none, through `SponsorPool`.

use std::path::PathBuf;

use alloy_primitives::{Address, U256, utils::format_ether};
use anyhow::{Context, Result, ensure};
use clap::{Args as ClapArgs, Subcommand};
use service::sponsors::{GRANT_MAX, SPONSOR_POOL, SignedGrant, Sponsors};

use crate::{
    acting::{Acting, Actor},
    customer::{now, wei},
};

/// Pay in, grant, and bring grants.
#[derive(Debug, Subcommand)]
#[command(
    after_help = "An account gets one grant ever, of at most 1 OPEN; a sponsor spends at most its \
    allowance a day.\nExamples:\n  \
    openledger sponsor fund --account 0 --amount 10 --per-day 1\n  \
    openledger sponsor grant 0x1234…abcd --account 0 --amount 0.05\n  \
    openledger sponsor grant 0x1234…abcd --keystore sponsor.json --password-file password.txt \\\n    \
    --l2-rpc https://l2.example"
)]
pub enum Command {
    /// Pay in as a sponsor, with a limit a day. The account signs its own grants.
    Fund(FundArgs),
    /// Sign a grant for a newcomer and bring it to the chain.
    Grant(GrantArgs),
    /// Bring a grant that somebody else signed; anyone may.
    Bring(BringArgs),
}

#[derive(Debug, ClapArgs)]
pub struct FundArgs {
    #[command(flatten)]
    acting: Acting,
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
    acting: Acting,
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
    acting: Acting,
}

pub async fn run(command: Command) -> Result<()> {
    match command {
        Command::Fund(args) => fund(args).await,
        Command::Grant(args) => grant(args).await,
        Command::Bring(args) => bring(args).await,
    }
}

async fn fund(args: FundArgs) -> Result<()> {
    let (pool, actor) = connect(&args.acting).await?;
    let sponsor = actor.address();
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
    let (pool, actor) = connect(&args.acting).await?;
    ensure!(
        !pool.is_sponsored(args.newcomer).await?,
        "{} had its grant: an account gets one",
        args.newcomer
    );
    let deadline = now().saturating_add(args.hours.saturating_mul(3_600));
    let grant = pool.grant(actor.address(), args.newcomer, amount, deadline);
    let signature = actor.signer.sign_typed_data(&grant.digest, &grant.typed_data).await?;
    let grant = grant.content.signed(&signature);
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
    let (pool, _) = connect(&args.acting).await?;
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

async fn connect(acting: &Acting) -> Result<(Sponsors, Actor)> {
    let actor = acting.connect().await?;
    Ok((Sponsors::at(&actor.chain, SPONSOR_POOL), actor))
}

fn open(wei: u128) -> String {
    format_ether(wei)
}
