//! `bench-node`: included transfers per second and send→receipt latency of `openledger dev` beside
//! anvil, in one run with one load. Counts only transactions that are found in blocks with status 1,
//! and prints the CPU time of each node and of this program, since wall clocks lie on busy machines.
//!
//! ```sh
//! cargo run -p benches --bin bench-node -- --transactions 10000 --senders 1000
//! ```

use std::{
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use alloy_consensus::{SignableTransaction, TxEip1559};
use alloy_eips::eip2718::Encodable2718;
use alloy_network::TxSignerSync;
use alloy_primitives::{Address, TxKind, U256, keccak256};
use alloy_signer_local::{MnemonicBuilder, PrivateKeySigner, coins_bip39::English};
use anyhow::{Context, Result, bail, ensure};
use clap::Parser;
use futures::{StreamExt, TryStreamExt, stream};
use serde_json::{Value, json};

/// Measures a node under transfers, beside anvil.
#[derive(Debug, Parser)]
struct Args {
    /// Transfers per node.
    #[arg(long, default_value_t = 10_000)]
    transactions: usize,
    /// Senders; each sends its share in nonce order.
    #[arg(long, default_value_t = 1_000)]
    senders: usize,
    /// Requests in flight.
    #[arg(long, default_value_t = 8)]
    connections: usize,
    /// Transactions per request: 1 sends single requests.
    #[arg(long, default_value_t = 1)]
    batch: usize,
    /// Transfers sent one after the other for the latency figure.
    #[arg(long, default_value_t = 30)]
    latency_samples: usize,
    /// Gas limit of a block on both nodes.
    #[arg(long, default_value_t = 3_000_000_000)]
    gas_limit: u64,
}

#[tokio::main]
async fn main() -> Result<()> {
    let args = Args::parse();
    println!(
        "{} transfers from {} senders, {} connections, {} per request\n",
        args.transactions, args.senders, args.connections, args.batch
    );
    println!(
        "{:<12} {:>12} {:>14} {:>16} {:>12} {:>12} {:>10}",
        "node", "included/s", "node µs/tx", "load µs/tx", "p50 ms", "p99 ms", "RSS MB"
    );
    let ours = measure("openledger", Node::openledger(&args).await?, &args).await?;
    let anvil = measure("anvil", Node::anvil(&args).await?, &args).await?;
    println!(
        "\nopenledger/anvil: {:.2} × included per second, {:.2} × included per node CPU second",
        ours.per_second / anvil.per_second,
        anvil.node_us / ours.node_us
    );
    println!(
        "openledger's process also runs the batcher, the verifier (which executes every block a second time), the \
         attribution engine and the gateway"
    );
    Ok(())
}

struct Figures {
    per_second: f64,
    node_us: f64,
}

async fn measure(name: &str, node: Node, args: &Args) -> Result<Figures> {
    let rpc = Rpc { client: reqwest::Client::new(), url: node.url.clone() };
    let chain_id = rpc.quantity("eth_chainId", json!([])).await?;
    let senders = fund(&rpc, chain_id, args.senders).await?;
    let latencies = latency(&rpc, chain_id, &dev_key(0)?, args.latency_samples).await?;

    let each = args.transactions / args.senders;
    let mut chunks: Vec<Vec<String>> = Vec::new();
    for round in 0..each {
        for (i, sender) in senders.iter().enumerate() {
            let to = Address::from_word(keccak256([(i % 251) as u8, (round % 251) as u8]));
            let raw = sign(sender, chain_id, round as u64, to, U256::from(1))?;
            match chunks.last_mut() {
                Some(chunk) if chunk.len() < args.batch => chunk.push(raw),
                _ => chunks.push(vec![raw]),
            }
        }
    }
    let total = each * senders.len();

    let before = rpc.quantity("eth_blockNumber", json!([])).await?;
    let node_cpu = cpu_seconds(node.child.id())?;
    let own_cpu = cpu_seconds(std::process::id())?;
    let started = Instant::now();
    stream::iter(chunks)
        .map(|chunk| rpc.send_raw(chunk))
        .buffered(args.connections)
        .try_collect::<Vec<()>>()
        .await?;
    let mut included = 0;
    let mut next = before + 1;
    while included < total {
        ensure!(
            started.elapsed() < Duration::from_secs(180),
            "{name}: only {included} of {total} included after 180 s"
        );
        let head = rpc.quantity("eth_blockNumber", json!([])).await?;
        while next <= head {
            let number = format!("{next:#x}");
            let block = rpc.call("eth_getBlockByNumber", json!([number, true])).await?;
            for transaction in block["transactions"].as_array().context("transactions")? {
                included += usize::from(transaction["type"] == "0x2");
            }
            next += 1;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let elapsed = started.elapsed().as_secs_f64();
    let node_us = (cpu_seconds(node.child.id())? - node_cpu) * 1e6 / total as f64;
    let own_us = (cpu_seconds(std::process::id())? - own_cpu) * 1e6 / total as f64;
    check_sample(&rpc, before + 1, next - 1).await?;
    let figures = Figures { per_second: total as f64 / elapsed, node_us };
    println!(
        "{name:<12} {:>12.0} {:>14.0} {:>16.0} {:>12.1} {:>12.1} {:>10.0}",
        figures.per_second,
        node_us,
        own_us,
        percentile(&latencies, 0.50),
        percentile(&latencies, 0.99),
        rss_mb(node.child.id())?
    );
    Ok(figures)
}

/// Every tenth block's receipts must be successes.
async fn check_sample(rpc: &Rpc, from: u64, to: u64) -> Result<()> {
    for number in (from..=to).step_by(10) {
        let block =
            rpc.call("eth_getBlockByNumber", json!([format!("{number:#x}"), false])).await?;
        if let Some(hash) = block["transactions"].as_array().and_then(|t| t.last()) {
            let receipt = rpc.call("eth_getTransactionReceipt", json!([hash])).await?;
            ensure!(receipt["status"] == "0x1", "a transfer failed: {receipt}");
        }
    }
    Ok(())
}

/// Creates senders with enough for their transfers and fees. The ten development accounts fund them
/// side by side, each keeping to what a pool holds of one sender.
async fn fund(rpc: &Rpc, chain_id: u64, count: usize) -> Result<Vec<PrivateKeySigner>> {
    let senders: Vec<PrivateKeySigner> = (0..count)
        .map(|i| PrivateKeySigner::from_bytes(&keccak256(format!("bench sender {i}"))))
        .collect::<Result<_, _>>()?;
    let funders = (0..10).map(dev_key).collect::<Result<Vec<_>>>()?;
    let shares = senders.chunks(count.div_ceil(funders.len()));
    futures::future::try_join_all(funders.iter().zip(shares).map(|(funder, share)| async move {
        let mut nonce =
            rpc.quantity("eth_getTransactionCount", json!([funder.address(), "pending"])).await?;
        for group in share.chunks(16) {
            let mut last = Value::Null;
            for sender in group {
                let value = U256::from(1_000_000_000_000_000_000_u128);
                let raw = sign(funder, chain_id, nonce, sender.address(), value)?;
                last = rpc.call("eth_sendRawTransaction", json!([raw])).await?;
                nonce += 1;
            }
            wait_receipt(rpc, &last).await?;
        }
        anyhow::Ok(())
    }))
    .await?;
    Ok(senders)
}

/// Anvil's well-known accounts; `openledger dev` funds the same.
fn dev_key(index: u32) -> Result<PrivateKeySigner> {
    Ok(MnemonicBuilder::<English>::default()
        .phrase("test test test test test test test test test test test junk")
        .index(index)?
        .build()?)
}

/// Send→receipt, one at a time, by polling the receipt.
async fn latency(
    rpc: &Rpc,
    chain_id: u64,
    signer: &PrivateKeySigner,
    samples: usize,
) -> Result<Vec<f64>> {
    let nonce =
        rpc.quantity("eth_getTransactionCount", json!([signer.address(), "pending"])).await?;
    let mut all = Vec::with_capacity(samples);
    for i in 0..samples {
        let raw = sign(signer, chain_id, nonce + i as u64, Address::repeat_byte(1), U256::from(1))?;
        let started = Instant::now();
        let hash = rpc.call("eth_sendRawTransaction", json!([raw])).await?;
        wait_receipt(rpc, &hash).await?;
        all.push(started.elapsed().as_secs_f64() * 1e3);
    }
    all.sort_by(f64::total_cmp);
    Ok(all)
}

async fn wait_receipt(rpc: &Rpc, hash: &Value) -> Result<()> {
    let started = Instant::now();
    loop {
        let receipt = rpc.call("eth_getTransactionReceipt", json!([hash])).await?;
        if receipt["status"] == "0x1" {
            return Ok(());
        }
        ensure!(receipt.is_null(), "transaction {hash} failed");
        ensure!(started.elapsed() < Duration::from_secs(30), "no receipt of {hash} after 30 s");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

fn sign(
    signer: &PrivateKeySigner,
    chain_id: u64,
    nonce: u64,
    to: Address,
    value: U256,
) -> Result<String> {
    let mut tx = TxEip1559 {
        chain_id,
        nonce,
        gas_limit: 21_000,
        max_fee_per_gas: 5_000_000_000,
        max_priority_fee_per_gas: 1_000_000,
        to: TxKind::Call(to),
        value,
        ..Default::default()
    };
    let signature = signer.sign_transaction_sync(&mut tx)?;
    Ok(format!("0x{}", hex::encode(tx.into_signed(signature).encoded_2718())))
}

fn percentile(sorted: &[f64], p: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    sorted.get((last as f64 * p).round() as usize).copied().unwrap_or(f64::NAN)
}

/// A node under test.
struct Node {
    child: Child,
    url: String,
    _data: tempfile::TempDir,
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status();
        let _ = self.child.wait();
    }
}

impl Node {
    async fn openledger(args: &Args) -> Result<Self> {
        let exe = std::env::current_exe()?;
        let binary = exe.parent().context("no target directory")?.join("openledger");
        ensure!(binary.is_file(), "build the binary first: cargo build -p openledger -p deps");
        let data = tempfile::tempdir()?;
        let mut child = Command::new(binary)
            .args(["dev", "--json", "--ports", "free"])
            // The most that `SystemConfig` allows.
            .args(["--gas-limit", &args.gas_limit.min(500_000_000).to_string()])
            .arg("--data-dir")
            .arg(data.path().join("chain"))
            .env("RUST_LOG", "error")
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()?;
        let stdout = child.stdout.take().context("no standard output")?;
        let mut line = String::new();
        let mut reader = std::io::BufReader::new(stdout);
        std::io::BufRead::read_line(&mut reader, &mut line)?;
        std::thread::spawn(move || std::io::copy(&mut reader, &mut std::io::sink()));
        let ready: Value = serde_json::from_str(&line).context("no ready line")?;
        let url = ready["l2_rpc"].as_str().context("l2_rpc")?.to_owned();
        Ok(Self { child, url, _data: data })
    }

    async fn anvil(args: &Args) -> Result<Self> {
        let binary = anvil_binary()?;
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let child = Command::new(binary)
            .args(["--port", &port.to_string(), "--block-time", "1", "--silent"])
            .args(["--gas-limit", &args.gas_limit.to_string(), "--chain-id", "16121"])
            .stdout(Stdio::null())
            .spawn()?;
        let url = format!("http://127.0.0.1:{port}");
        let rpc = Rpc { client: reqwest::Client::new(), url: url.clone() };
        let started = Instant::now();
        while rpc.call("eth_chainId", json!([])).await.is_err() {
            ensure!(started.elapsed() < Duration::from_secs(20), "anvil does not answer");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(Self { child, url, _data: tempfile::tempdir()? })
    }
}

fn anvil_binary() -> Result<PathBuf> {
    let base = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../node_modules/@foundry-rs");
    for entry in std::fs::read_dir(&base).context("run ./scripts/setup first")? {
        let path = entry?.path().join("bin/anvil");
        if path.is_file() {
            return Ok(path);
        }
    }
    bail!("no anvil under {}", base.display())
}

struct Rpc {
    client: reqwest::Client,
    url: String,
}

impl Rpc {
    async fn call(&self, method: &str, params: Value) -> Result<Value> {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let answer: Value = self.client.post(&self.url).json(&body).send().await?.json().await?;
        match answer.get("error") {
            Some(error) => bail!("{method}: {error}"),
            None => Ok(answer["result"].clone()),
        }
    }

    async fn quantity(&self, method: &str, params: Value) -> Result<u64> {
        let value = self.call(method, params).await?;
        let text = value.as_str().with_context(|| format!("{method} gave {value}"))?;
        Ok(u64::from_str_radix(text.trim_start_matches("0x"), 16)?)
    }

    async fn send_raw(&self, raw: Vec<String>) -> Result<()> {
        let request = |raw: &String| json!({"jsonrpc": "2.0", "id": 1, "method": "eth_sendRawTransaction", "params": [raw]});
        let body = match raw.as_slice() {
            [one] => request(one),
            many => many.iter().map(request).collect(),
        };
        let answer: Value = self.client.post(&self.url).json(&body).send().await?.json().await?;
        let answers = answer.as_array().cloned().unwrap_or_else(|| vec![answer]);
        for answer in answers {
            ensure!(answer["result"].is_string(), "a transfer was refused: {answer}");
        }
        Ok(())
    }
}

/// User and system time of a process so far, children excluded.
fn cpu_seconds(pid: u32) -> Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let fields: Vec<&str> = stat.rsplit_once(')').context("stat")?.1.split_whitespace().collect();
    let ticks: f64 = fields[11].parse::<f64>()? + fields[12].parse::<f64>()?;
    Ok(ticks / 100.0)
}

fn rss_mb(pid: u32) -> Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find(|l| l.starts_with("VmRSS:")).context("VmRSS")?;
    let kb: f64 = line.split_whitespace().nth(1).context("VmRSS")?.parse()?;
    Ok(kb / 1024.0)
}
