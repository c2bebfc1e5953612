//! `openledger bridge`: OPEN from L1 to L2. Withdrawals come with the proposals they need.

use std::{path::PathBuf, time::Duration};

use alloy_primitives::{Address, TxHash, U256, utils::parse_ether};
use alloy_provider::{Provider, ProviderBuilder};
use alloy_signer_local::PrivateKeySigner;
use anyhow::{Context, Result, bail, ensure};
use clap::{Args as ClapArgs, Subcommand};
use l1::{Deposit, DepositReceipt};
use url::Url;

use crate::{demo::open, dev::Ready, keys};

/// Move OPEN between the layers.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Lock OPEN in the portal on L1; the same amount is minted on L2.
    Deposit(DepositArgs),
}

/// Deposit OPEN from a development account.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  \
    openledger bridge deposit --amount 25\n  \
    openledger bridge deposit --amount 0.5 --account 3 --to 0x70997970C51812dc3A010C7d01b50e0d17dc79C8")]
pub struct DepositArgs {
    /// OPEN to move, in whole tokens with up to 18 decimals.
    #[arg(long)]
    amount: String,
    /// Development account that pays.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..10))]
    account: u32,
    /// Receiver on L2; the payer if not given.
    #[arg(long)]
    to: Option<Address>,
    /// Ready file of the running `openledger dev`.
    #[arg(long, value_name = "FILE")]
    ready: Option<PathBuf>,
}

pub async fn run(command: Command) -> Result<()> {
    let Command::Deposit(args) = command;
    let ready = Ready::read(&args.ready.unwrap_or_else(Ready::default_path))?;
    let amount = parse_ether(&args.amount)
        .ok()
        .filter(|amount| !amount.is_zero())
        .with_context(|| format!("\"{}\" is not an amount of OPEN", args.amount))?;
    let key = keys::dev_key(args.account)?;
    let to = args.to.unwrap_or_else(|| key.address());
    println!("locking {} on L1 …", open(amount));
    let deposit = deposit(&ready, key, to, amount).await?;
    println!("L1 transaction  {}", deposit.l1_transaction);
    println!("waiting for L2 to derive it (its first block after that L1 block) …");
    wait_on_l2(&ready, deposit.l2_transaction).await?;
    println!("L2 transaction  {}", deposit.l2_transaction);
    println!("{} arrived at {to}", open(amount));
    Ok(())
}

/// Approves if needed and deposits.
pub async fn deposit(
    ready: &Ready,
    key: PrivateKeySigner,
    to: Address,
    amount: U256,
) -> Result<DepositReceipt> {
    let deposit = Deposit {
        open: ready.contract("OPEN")?,
        optimism_portal: ready.contract("OptimismPortal")?,
        to,
        amount,
    };
    let url: Url = ready.l1_rpc.parse().context("the L1 URL is not a URL")?;
    Ok(l1::deposit(url, key, &deposit).await?)
}

/// Waits until a deposit is executed on L2 and checks that it succeeded.
pub async fn wait_on_l2(ready: &Ready, transaction: TxHash) -> Result<()> {
    let url: Url = ready.l2_rpc.parse().context("the L2 URL is not a URL")?;
    let provider = ProviderBuilder::new().connect_http(url);
    for _ in 0..300 {
        // The receipt of a deposit has fields that plain Ethereum types lack.
        let receipt: serde_json::Value =
            provider.raw_request("eth_getTransactionReceipt".into(), (transaction,)).await?;
        if let Some(status) = receipt["status"].as_str() {
            ensure!(status == "0x1", "the deposit {transaction} failed on L2");
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    bail!("the deposit {transaction} did not reach L2 within a minute; does L2 follow L1?")
}
