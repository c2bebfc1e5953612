//! `openledger customer`: escrow, authorisation and API keys for the gateway.

use std::time::{SystemTime, UNIX_EPOCH};

use alloy_primitives::{Address, U256, utils::parse_ether};
use anyhow::{Context, Result};
use clap::{Args as ClapArgs, Subcommand};
use serde_json::Value;
use service::api_keys::unsigned_key;

use crate::{
    acting::{Acting, Actor},
    dev::Ready,
    included::succeeded,
};

/// What an inference customer needs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Fund the escrow, authorise the gateway, and print an API key for OpenAI clients.
    Key(KeyArgs),
}

/// Prepare an account as a customer. On a development chain the last of its user accounts if no key is named.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  \
    export OPENAI_API_KEY=$(openledger customer key --budget 5)\n  \
    openledger customer key --keystore customer.json --password-file password.txt \\\n    \
    --l2-rpc https://l2.example --gateway https://gateway.example\n\n\
    Only the key is printed on standard output.")]
pub struct KeyArgs {
    #[command(flatten)]
    acting: Acting,
    /// OPEN to put into escrow; the most that the gateway can ever draw.
    #[arg(long, default_value = "5")]
    budget: String,
    /// Hours until key and authorisation expire.
    #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u64).range(1..=8_760))]
    hours: u64,
}

/// Customer where none is named, on a development chain.
const ACCOUNT: u32 = 9;

pub async fn run(command: Command) -> Result<()> {
    let Command::Key(args) = command;
    let budget = parse_ether(&args.budget)
        .with_context(|| format!("\"{}\" is not an amount of OPEN", args.budget))?;
    let expiry = now().saturating_add(args.hours.saturating_mul(3_600));
    let customer = args.acting.connect_or(ACCOUNT).await?;
    let access = prepare(&customer, args.acting.gateway().await?, budget, expiry).await?;
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
    customer: &Actor,
    gateway: Address,
    budget: U256,
    expiry: u64,
) -> Result<Access> {
    let chain = &customer.chain;
    let escrow = chain.escrow();
    let mut transactions = Vec::new();
    let deposited = escrow
        .deposit(customer.address())
        .value(budget)
        .send()
        .await
        .context("the escrow refused the deposit")?;
    let deposited = succeeded("deposit for the customer", deposited).await?;
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
        .context("the escrow refused the authorisation")?;
    let authorised = succeeded("authorise the gateway", authorised).await?;
    transactions.push(authorised.transaction_hash);
    let api_key = api_key(customer, gateway, expiry).await?;
    Ok(Access { gateway, api_key, transactions })
}

/// A key for the gateway, signed by whoever signs for the customer.
async fn api_key(customer: &Actor, gateway: Address, expiry: u64) -> Result<String> {
    let key = unsigned_key(customer.address(), gateway, customer.chain.chain_id(), expiry);
    let signature = customer.signer.sign_typed_data(&key.digest, &key.typed_data).await?;
    Ok(key.content.signed(&signature))
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

#[cfg(test)]
mod tests {
    use axum::{Json, Router, routing::post};
    use clap::Parser;
    use serde_json::json;
    use service::verify_api_key;

    use super::*;
    use crate::keystore;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(subcommand)]
        command: Command,
    }

    /// On an L2 that is nobody's development chain, a customer with an encrypted key has one that gateways take.
    #[tokio::test]
    async fn a_keystore_signs_an_api_key_on_any_chain_and_a_development_account_does_not() {
        let answer = |Json(request): Json<Value>| async move {
            Json(json!({"jsonrpc": "2.0", "id": request["id"], "result": "0xa"}))
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let l2_rpc = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(axum::serve(listener, Router::new().route("/", post(answer))).into_future());
        let directory = tempfile::tempdir().unwrap();
        let [file, password] = ["key.json", "pass"].map(|name| directory.path().join(name));
        std::fs::write(&password, "a password\n").unwrap();
        let customer = keystore::new(&file, "a password").unwrap().address();
        let acting = |key: &[&str]| {
            let line = [&["openledger", "key", "--l2-rpc", &l2_rpc][..], key].concat();
            let Command::Key(args) = Line::try_parse_from(line).unwrap().command;
            args.acting
        };
        let named = acting(&[
            "--keystore",
            file.to_str().unwrap(),
            "--password-file",
            password.to_str().unwrap(),
        ]);
        let actor = named.connect_or(ACCOUNT).await.unwrap();
        let gateway = Address::repeat_byte(7);
        let expiry = now() + 60;
        let key = api_key(&actor, gateway, expiry).await.unwrap();
        let verified = verify_api_key(&key, gateway, 10, now()).unwrap();
        assert_eq!((verified, actor.address()), (customer, customer));
        for account in [&["--account", "9"][..], &[]] {
            let refused = acting(account).connect_or(ACCOUNT).await.err().unwrap().to_string();
            assert!(refused.contains("development accounts are refused"), "{refused}");
        }
    }
}
