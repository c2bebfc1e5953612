//! `openledger customer`: escrow, authorisation and API keys for the gateway.

use std::{
    path::PathBuf,
    time::{SystemTime, UNIX_EPOCH},
};

use alloy_primitives::{Address, U256, utils::parse_ether};
use alloy_signer_local::PrivateKeySigner;
use anyhow::{Context, Result, ensure};
use clap::{Args as ClapArgs, Subcommand};
use serde_json::Value;
use service::{
    api_keys::mint_api_key,
    chain::{Chain, Contracts},
};

use crate::{dev::Ready, keys};

/// What an inference customer needs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Fund the escrow, authorise the gateway, and print an API key for OpenAI clients.
    Key(KeyArgs),
}

/// Prepare a development account as a customer.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Example:\n  \
    export OPENAI_API_KEY=$(openledger customer key --budget 5)\n\n\
    Only the key is printed on standard output.")]
pub struct KeyArgs {
    /// Development account of the customer.
    #[arg(long, default_value_t = 9, value_parser = clap::value_parser!(u32).range(0..10))]
    account: u32,
    /// OPEN to put into escrow; the most that the gateway can ever draw.
    #[arg(long, default_value = "5")]
    budget: String,
    /// Hours until key and authorisation expire.
    #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u64).range(1..=8_760))]
    hours: u64,
    /// Ready file of the running `openledger dev`.
    #[arg(long, value_name = "FILE")]
    ready: Option<PathBuf>,
}

pub async fn run(command: Command) -> Result<()> {
    let Command::Key(args) = command;
    let ready = Ready::read(&args.ready.unwrap_or_else(Ready::default_path))?;
    let budget = parse_ether(&args.budget)
        .with_context(|| format!("\"{}\" is not an amount of OPEN", args.budget))?;
    let expiry = now().saturating_add(args.hours.saturating_mul(3_600));
    let customer = keys::dev_key(args.account)?;
    let access = prepare(&ready, &customer, budget, expiry).await?;
    eprintln!("authorised the gateway {} for {} OPEN", access.gateway, args.budget);
    println!("{}", access.api_key);
    Ok(())
}

/// A customer's way into the gateway.
#[derive(Clone, Debug)]
pub struct Access {
    pub gateway: Address,
    pub api_key: String,
    /// Transactions that funded and authorised.
    pub transactions: Vec<alloy_primitives::TxHash>,
}

/// Deposits `budget` on top of what is free, authorises the gateway for it and mints a key.
pub async fn prepare(
    ready: &Ready,
    customer: &PrivateKeySigner,
    budget: U256,
    expiry: u64,
) -> Result<Access> {
    let gateway = gateway_address(ready).await?;
    let chain = Chain::connect_with_signer(
        ready.l2_rpc.parse().context("the L2 URL is not a URL")?,
        Contracts::default(),
        customer.clone(),
    )
    .await?;
    let escrow = chain.escrow();
    let mut transactions = Vec::new();
    let deposited = escrow
        .deposit(customer.address())
        .value(budget)
        .send()
        .await
        .context("the escrow refused the deposit")?
        .get_receipt()
        .await?;
    ensure!(deposited.status(), "the escrow deposit {} failed", deposited.transaction_hash);
    transactions.push(deposited.transaction_hash);

    let current = chain.authorization(customer.address(), gateway).await?;
    let live = current.expiry > now();
    let mut cap: u128 = budget.try_into().context("the budget is beyond 2^128 wei")?;
    if live {
        cap = cap.saturating_add(current.cap);
    }
    let expiry_on_chain = if live { current.expiry.max(expiry) } else { expiry };
    let authorised = escrow
        .authorize(gateway, gateway, cap, expiry_on_chain)
        .send()
        .await
        .context("the escrow refused the authorisation")?
        .get_receipt()
        .await?;
    ensure!(authorised.status(), "the authorisation {} failed", authorised.transaction_hash);
    transactions.push(authorised.transaction_hash);
    let api_key = mint_api_key(customer, gateway, ready.l2_chain_id, expiry)?;
    Ok(Access { gateway, api_key, transactions })
}

/// Who the running gateway is.
pub async fn gateway_address(ready: &Ready) -> Result<Address> {
    gateway_at(&ready.gateway).await
}

/// Who the gateway at a URL is.
pub async fn gateway_at(gateway: &str) -> Result<Address> {
    let status: Value = status_at(gateway).await?;
    let text = status["gateway"].as_str().context("the gateway's status names no gateway")?;
    text.parse().context("the gateway's address is malformed")
}

/// What the gateway says of itself.
pub async fn status(ready: &Ready) -> Result<Value> {
    status_at(&ready.gateway).await
}

async fn status_at(gateway: &str) -> Result<Value> {
    let url = format!("{gateway}/v1/status");
    reqwest::get(&url)
        .await
        .and_then(reqwest::Response::error_for_status)
        .with_context(|| format!("the gateway does not answer at {url}"))?
        .json()
        .await
        .context("the gateway's status is not JSON")
}

/// OPEN as a decimal, in wei.
pub fn wei(open: &str) -> Result<u128> {
    let wei = parse_ether(open).with_context(|| format!("\"{open}\" is not an amount of OPEN"))?;
    wei.try_into().with_context(|| format!("{open} OPEN is beyond 2^128 wei"))
}

pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
