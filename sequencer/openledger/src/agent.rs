//! `openledger agent`: ERC-8004 identities with purses that buy inference up to a cap per period.

use alloy_primitives::{Address, U256, utils::format_ether};
use anyhow::{Context, Result};
use clap::{Args as ClapArgs, Subcommand};
use serde_json::json;
use service::{
    agents::{AgentContracts, Agents, Limits},
    api_keys::unsigned_key,
};

use crate::{
    acting::{Acting, Actor, check_development},
    customer::{now, wei},
    keys,
};

/// Register agents, and say what they may spend.
#[derive(Debug, Subcommand)]
#[command(after_help = "Example, account 0 owning an agent whose key is account 7's:\n  \
    openledger agent register --account 0 --uri https://agent.example/card.json\n  \
    openledger agent limits 1 --account 0 --key-account 7 --cap 1\n  \
    openledger agent fund 1 --account 0 --amount 5\n  \
    openledger agent authorize 1 --account 7 --amount 0.5\n\n\
    On a chain of one's own: --keystore FILE or --signer-url URL instead of --account, --l2-rpc and --gateway.")]
pub enum Command {
    /// Register an agent and create its purse.
    Register(RegisterArgs),
    /// Pay into an agent's purse; anyone may.
    Fund(FundArgs),
    /// Name the purse's key, its cap per period, and let it pay the running gateway.
    Limits(LimitsArgs),
    /// As the purse's key: authorise the running gateway, and print an API key for the purse.
    Authorize(AuthorizeArgs),
    /// Pay what the purse holds back to its owner.
    Recover(OwnArgs),
    /// What a purse holds and may spend, as JSON.
    Show(OwnArgs),
}

#[derive(Debug, ClapArgs)]
pub struct RegisterArgs {
    #[command(flatten)]
    acting: Acting,
    /// The agent's registration file (ERC-8004).
    #[arg(long, default_value = "")]
    uri: String,
}

#[derive(Debug, ClapArgs)]
pub struct FundArgs {
    /// The agent's number.
    agent: u64,
    #[command(flatten)]
    acting: Acting,
    /// OPEN to pay in.
    #[arg(long)]
    amount: String,
}

#[derive(Debug, ClapArgs)]
pub struct LimitsArgs {
    /// The agent's number.
    agent: u64,
    #[command(flatten)]
    acting: Acting,
    /// The purse's key.
    #[arg(long, required_unless_present = "key_account", conflicts_with = "key_account")]
    key: Option<Address>,
    /// The same, as a development account.
    #[arg(long, value_parser = clap::value_parser!(u32).range(0..10))]
    key_account: Option<u32>,
    /// OPEN that the key may lock in a period.
    #[arg(long)]
    cap: String,
    /// Length of a period.
    #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u32).range(1..=8_760))]
    period_hours: u32,
    /// Days until the key is good for nothing.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=3_650))]
    days: u64,
}

#[derive(Debug, ClapArgs)]
pub struct AuthorizeArgs {
    /// The agent's number.
    agent: u64,
    #[command(flatten)]
    acting: Acting,
    /// OPEN that the gateway may draw, what it drew before included.
    #[arg(long)]
    amount: String,
    /// Hours until authorisation and API key expire.
    #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u64).range(1..=8_760))]
    hours: u64,
}

#[derive(Debug, ClapArgs)]
pub struct OwnArgs {
    /// The agent's number.
    agent: u64,
    #[command(flatten)]
    acting: Acting,
}

pub async fn run(command: Command) -> Result<()> {
    match command {
        Command::Register(args) => {
            let (agents, _) = connect(&args.acting).await?;
            let (agent, purse) = agents.register(&args.uri).await?;
            println!("{}", json!({"agent": agent, "purse": purse}));
            Ok(())
        }
        Command::Fund(args) => {
            let (agents, _) = connect(&args.acting).await?;
            agents.fund(args.agent, U256::from(wei(&args.amount)?)).await?;
            show(&agents, args.agent).await
        }
        Command::Limits(args) => limits(args).await,
        Command::Authorize(args) => authorize(args).await,
        Command::Recover(args) => {
            let (agents, owner) = connect(&args.acting).await?;
            agents.recover(args.agent, owner.address()).await?;
            show(&agents, args.agent).await
        }
        Command::Show(args) => {
            let agents = Agents::at(&args.acting.read().await?, AgentContracts::default());
            show(&agents, args.agent).await
        }
    }
}

async fn limits(args: LimitsArgs) -> Result<()> {
    let (agents, owner) = connect(&args.acting).await?;
    let key = match (args.key, args.key_account) {
        (Some(key), _) => key,
        (None, account) => {
            check_development(owner.chain.chain_id())?;
            keys::dev_key(account.unwrap_or_default())?.address()
        }
    };
    let limits = Limits {
        key,
        cap: wei(&args.cap)?,
        period: args.period_hours.saturating_mul(3_600),
        key_expiry: now().saturating_add(args.days.saturating_mul(86_400)),
    };
    agents.set_limits(args.agent, limits).await?;
    agents.allow(args.agent, args.acting.gateway().await?, true).await?;
    show(&agents, args.agent).await
}

async fn authorize(args: AuthorizeArgs) -> Result<()> {
    let (agents, actor) = connect(&args.acting).await?;
    let gateway = args.acting.gateway().await?;
    let expiry = now().saturating_add(args.hours.saturating_mul(3_600));
    let amount = wei(&args.amount)?;
    let purse = agents.purse(args.agent).await?;
    agents.authorize(args.agent, gateway, amount, expiry).await.with_context(|| {
        format!(
            "the purse authorises nothing more: the period has room for {} OPEN, its key is {}",
            format_ether(purse.left_in_period),
            purse.limits.key
        )
    })?;
    let purse = purse.account;
    let key = unsigned_key(purse, gateway, actor.chain.chain_id(), expiry);
    let signature = actor.signer.sign_typed_data(&key.digest, &key.typed_data).await?;
    eprintln!(
        "the purse {purse} authorised the gateway {gateway}; its key signs a voucher for each call"
    );
    println!("{}", key.content.signed(&signature));
    Ok(())
}

async fn show(agents: &Agents, agent: u64) -> Result<()> {
    let purse = agents.purse(agent).await?;
    println!(
        "{}",
        json!({
            "agent": agent,
            "purse": purse.account,
            "key": purse.limits.key,
            "keyExpiry": purse.limits.key_expiry,
            "cap": format_ether(purse.limits.cap),
            "periodSeconds": purse.limits.period,
            "leftInPeriod": format_ether(purse.left_in_period),
            "balance": format_ether(purse.balance),
        })
    );
    Ok(())
}

async fn connect(acting: &Acting) -> Result<(Agents, Actor)> {
    let actor = acting.connect().await?;
    Ok((Agents::at(&actor.chain, AgentContracts::default()), actor))
}
