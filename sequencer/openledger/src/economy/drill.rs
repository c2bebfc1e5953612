//! `openledger economy drill`: records that may be false, with a bounty for whoever says so. `openledger attribution watch`
//! finds them by itself.

use alloy_primitives::{U256, utils::parse_ether};
use anyhow::{Context, Result, ensure};
use clap::{Args as ClapArgs, Subcommand};
use service::{
    chain::Chain,
    drills::{Drills, falsified},
    evidence::{EvidenceSource, HttpEvidence},
    records::Records,
};

use crate::{acting::Acting, demo::open};

/// Set drills, and take back what nobody earned.
#[derive(Debug, Subcommand)]
#[command(
    after_help = "A drill lasts a day: who finds its record false commits in the first half and shows it in the second; all who \
    do share the bounty, and if nobody does it is the setter's again.\nExamples:\n  \
    openledger economy drill set --epoch 3 --bounty 1 --account 0\n  \
    openledger economy drill set --epoch 3 --bounty 1 --honest --account 0     one with nothing to find\n  \
    openledger economy drill close --account 0"
)]
pub enum Command {
    /// Set a drill: a record of a real answer, made false in one place.
    Set(SetArgs),
    /// Do what is due about all drills, as `attribution watch` does: commit, show, close; then withdraw.
    Close(CloseArgs),
}

#[derive(Debug, ClapArgs)]
pub struct SetArgs {
    /// Epoch whose evidence the record is taken from.
    #[arg(long)]
    epoch: u64,
    /// OPEN for who finds it.
    #[arg(long, value_name = "OPEN")]
    bounty: String,
    /// OPEN from forfeited stakes beside it, up to half of the bounty and of what there is.
    #[arg(long, value_name = "OPEN", default_value = "0")]
    from_stakes: String,
    /// Leave the record as it is: who looks at drills has to look.
    #[arg(long)]
    honest: bool,
    #[command(flatten)]
    acting: Acting,
}

#[derive(Debug, ClapArgs)]
pub struct CloseArgs {
    #[command(flatten)]
    acting: Acting,
}

pub async fn run(command: Command) -> Result<()> {
    match command {
        Command::Set(args) => set(args).await,
        Command::Close(args) => close(args).await,
    }
}

async fn set(args: SetArgs) -> Result<()> {
    let amount =
        |text: &str| parse_ether(text).with_context(|| format!("\"{text}\" is no amount of OPEN"));
    let (bounty, from_stakes) = (amount(&args.bounty)?, amount(&args.from_stakes)?);
    let evidence = HttpEvidence::new(args.acting.gateway_url()?.join("/v1/")?);
    let bundle = evidence.bundle(args.epoch).await?;
    let stored = bundle.receipts.iter().max_by_key(|stored| stored.record.weights.len());
    let record = &stored.context("the epoch has no receipts")?.record;
    let record = if args.honest { record.clone() } else { falsified(record) };
    let chain = args.acting.connect().await?.chain;
    let drills = of(&chain).await?;
    let available = drills.bounty().await?;
    ensure!(
        from_stakes <= available && from_stakes.saturating_mul(U256::from(2)) <= bounty,
        "forfeited stakes are {}, and a drill takes at most half of its setter's bounty from them",
        open(available)
    );
    let id = drills.set(&record, bounty, from_stakes).await?;
    println!(
        "drill {id}: {} for who finds out about record {}",
        open(bounty + from_stakes),
        record.hash()
    );
    Ok(())
}

async fn close(args: CloseArgs) -> Result<()> {
    let chain = args.acting.connect().await?.chain;
    for done in tend(&chain, &mut of(&chain).await?, 0).await? {
        println!("{done}");
    }
    Ok(())
}

/// Does what is due about every drill from block `from` on, and withdraws what it earned. Says what it did.
pub async fn tend(chain: &Chain, drills: &mut Drills, from: u64) -> Result<Vec<String>> {
    let mut done = Vec::new();
    for drill in drills.list(from).await? {
        if let Some(step) = drills.tend(&drill).await? {
            done.push(format!("drill {}: {step:?}", drill.id));
        }
    }
    let (account, records) = (chain.sender().unwrap_or_default(), Records::on(chain).await?);
    if let Some(records) = records {
        let owed = records.credit(account).await?;
        if !owed.is_zero() {
            let transaction = records.withdraw(account).await?;
            done.push(format!("{} paid to {account} in transaction {transaction}", open(owed)));
        }
    }
    Ok(done)
}

async fn of(chain: &Chain) -> Result<Drills> {
    Drills::on(chain).await?.context("this chain has no RecordDispute, which keeps drills")
}
