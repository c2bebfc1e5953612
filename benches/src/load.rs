//! Load on a node: closed loop (the next request when the last is answered) and open loop (at a rate,
//! whatever the node does, latency counted from when a request was due).

use std::{
    collections::HashSet,
    net::SocketAddr,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use alloy_primitives::B256;
use anyhow::{Context, Result, anyhow, ensure};
use serde_json::{Value, json};

use crate::{
    client::{Connection, body, drive, post, quantity, request},
    target::{Target, cpu_seconds},
    world::{Signed, World},
};

/// Longest wait for inclusion.
const INCLUSION_MAX: Duration = Duration::from_secs(300);
/// Transactions whose receipts are looked at.
const RECEIPTS: usize = 200;

/// What a load did.
#[derive(Clone, Copy, Debug)]
pub struct Outcome {
    pub included: usize,
    /// From the first request to the last block.
    pub elapsed: Duration,
    /// CPU time per included transaction, microseconds: the node's and this program's.
    pub node_us: f64,
    pub load_us: f64,
    /// Resident memory of the node afterwards, bytes.
    pub rss: f64,
}

impl Outcome {
    pub fn per_second(&self) -> f64 {
        self.included as f64 / self.elapsed.as_secs_f64()
    }
}

/// Runs `work` for each connection, on a thread of its own, which measures best how long an answer takes.
pub fn connections<T: Send>(
    address: SocketAddr,
    count: usize,
    work: impl Fn(usize, Connection) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..count)
            .map(|index| {
                let work = &work;
                scope.spawn(move || work(index, Connection::open(address)?))
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().map_err(|_| anyhow!("a connection panicked"))?)
            .collect()
    })
}

fn raw_request(method: &str, transaction: &Signed) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":["{}"]}}"#, transaction.raw)
}

/// Sends everything, `batch` in a request, and waits until all of it is in blocks. A sender's transactions
/// go through one connection.
pub fn closed(
    target: &Target,
    world: &World,
    transactions: &[Signed],
    count: usize,
    batch: usize,
) -> Result<Outcome> {
    let mut watch = target.connect()?;
    let before = watch.quantity("eth_blockNumber", json!([]))?;
    let (node_cpu, own_cpu) = (target.cpu()?, cpu_seconds(std::process::id())?);
    let started = Instant::now();
    drive(target.address, count, async |index, mut connection| {
        let own: Vec<&Signed> =
            transactions.iter().filter(|transaction| transaction.sender % count == index).collect();
        for part in own.chunks(batch) {
            let calls: Vec<String> =
                part.iter().map(|one| raw_request("eth_sendRawTransaction", one)).collect();
            let answer = connection.send(&post(&body(&calls))).await?;
            // Each answer of a batch is as long as the next.
            let shown: String = answer.chars().take(300).collect();
            ensure!(!answer.contains("\"error\""), "a transaction was refused: {shown}");
        }
        Ok(())
    })?;
    let included = await_inclusion(&mut watch, before, transactions)?;
    let elapsed = started.elapsed();
    let each = 1e6 / included as f64;
    let outcome = Outcome {
        included,
        elapsed,
        node_us: (target.cpu()? - node_cpu) * each,
        load_us: (cpu_seconds(std::process::id())? - own_cpu) * each,
        rss: target.rss()?,
    };
    check(target, &mut watch, world, transactions)?;
    Ok(outcome)
}

/// Waits until every transaction is found in a block after `before`.
fn await_inclusion(
    connection: &mut Connection,
    before: u64,
    transactions: &[Signed],
) -> Result<usize> {
    let mut missing: HashSet<B256> = transactions.iter().map(|one| one.hash).collect();
    let started = Instant::now();
    let mut next = before + 1;
    loop {
        let head = connection.quantity("eth_blockNumber", json!([]))?;
        while next <= head {
            let block =
                connection.call("eth_getBlockByNumber", json!([format!("{next:#x}"), false]))?;
            for hash in block["transactions"].as_array().context("transactions")? {
                missing.remove(&serde_json::from_value::<B256>(hash.clone())?);
            }
            next += 1;
        }
        if missing.is_empty() {
            return Ok(transactions.len());
        }
        ensure!(
            started.elapsed() < INCLUSION_MAX,
            "{} of {} transactions are in no block",
            missing.len(),
            transactions.len()
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A sample of receipts must be successes, and each sender's nonce what was sent.
fn check(
    target: &Target,
    connection: &mut Connection,
    world: &World,
    transactions: &[Signed],
) -> Result<()> {
    let step = (transactions.len() / RECEIPTS).max(1);
    let sample: Vec<Value> = transactions
        .iter()
        .step_by(step)
        .filter(|_| target.keeps_receipts())
        .map(|one| json!([one.hash]))
        .collect();
    for part in sample.chunks(50) {
        for receipt in connection.batch("eth_getTransactionReceipt", part)? {
            ensure!(receipt["status"] == "0x1", "a transaction failed: {receipt}");
        }
    }
    let senders: Vec<Value> =
        world.senders.iter().map(|sender| json!([sender.address(), "latest"])).collect();
    let mut expected = world.nonces().iter();
    for part in senders.chunks(100) {
        for nonce in connection.batch("eth_getTransactionCount", part)? {
            ensure!(Some(&quantity(&nonce)?) == expected.next(), "a sender's nonce is another");
        }
    }
    Ok(())
}

/// Latencies, sorted.
#[derive(Clone, Debug, Default)]
pub struct Latencies(Vec<Duration>);

impl Latencies {
    fn new(parts: Vec<Vec<Duration>>) -> Self {
        let mut all: Vec<Duration> = parts.into_iter().flatten().collect();
        all.sort_unstable();
        Self(all)
    }

    /// Milliseconds at this share (percent).
    pub fn at(&self, percent: usize) -> f64 {
        let index = self.0.len().saturating_sub(1) * percent / 100;
        self.0.get(index).map_or(f64::NAN, |latency| latency.as_secs_f64() * 1e3)
    }
}

fn sync(connection: &mut Connection, transaction: &Signed) -> Result<()> {
    let answer = connection.post(&raw_request("eth_sendRawTransactionSync", transaction))?;
    ensure!(answer.contains(r#""status":"0x1""#), "no successful receipt: {answer}");
    Ok(())
}

/// Send → receipt with `eth_sendRawTransactionSync`; one connection pauses between two transactions.
pub fn sync_latency(target: &Target, transactions: &[Signed], count: usize) -> Result<Latencies> {
    let parts = connections(target.address, count, |index, mut connection| {
        let own = transactions.iter().filter(|transaction| transaction.sender % count == index);
        let mut times = Vec::new();
        for transaction in own {
            let started = Instant::now();
            sync(&mut connection, transaction)?;
            times.push(started.elapsed());
            if count == 1 {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        Ok(times)
    })?;
    Ok(Latencies::new(parts))
}

/// The same at a rate, per second: a transaction is sent when it is due, over any free connection.
pub fn open_loop(
    target: &Target,
    transactions: &[Signed],
    rate: f64,
    count: usize,
) -> Result<Latencies> {
    let next = AtomicUsize::new(0);
    let started = Instant::now();
    let parts = connections(target.address, count, |_, mut connection| {
        let mut times = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(transaction) = transactions.get(index) else { return Ok(times) };
            let due = started + Duration::from_secs_f64(index as f64 / rate);
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            sync(&mut connection, transaction)?;
            times.push(due.elapsed());
        }
    })?;
    Ok(Latencies::new(parts))
}

/// Calls per second and node CPU per call, microseconds.
#[derive(Clone, Copy, Debug)]
pub struct Reads {
    pub per_second: f64,
    pub node_us: f64,
}

/// The same calls over and over for a while, closed loop.
pub fn read(
    target: &Target,
    method: &str,
    params: &[Value],
    count: usize,
    batch: usize,
    time: Duration,
) -> Result<Reads> {
    let calls: Vec<String> = params.iter().map(|params| request(method, params)).collect();
    let requests: Vec<Vec<u8>> = (0..calls.len())
        .map(|first| {
            let part: Vec<String> = calls.iter().cycle().skip(first).take(batch).cloned().collect();
            post(&body(&part))
        })
        .collect();
    let cpu = target.cpu()?;
    let started = Instant::now();
    let calls: usize = drive(target.address, count, async |index, mut connection| {
        let mut calls = 0;
        for request in requests.iter().cycle().skip(index) {
            if started.elapsed() >= time {
                break;
            }
            let answer = connection.send(request).await?;
            ensure!(!answer.contains("\"error\""), "{method}: {answer}");
            calls += batch;
        }
        Ok(calls)
    })?
    .iter()
    .sum();
    let elapsed = started.elapsed().as_secs_f64();
    Ok(Reads {
        per_second: calls as f64 / elapsed,
        node_us: (target.cpu()? - cpu) * 1e6 / calls as f64,
    })
}

/// Runs `work` while calls are made at a rate, per second, over so many connections; whatever is not made in time is made
/// later. Gives how many were made in fact, per second.
pub fn while_reading<T>(
    target: &Target,
    method: &str,
    params: &[Value],
    rate: f64,
    count: usize,
    work: impl FnOnce() -> Result<T>,
) -> Result<(T, f64)> {
    let requests: Vec<Vec<u8>> =
        params.iter().map(|params| post(&request(method, params))).collect();
    let (next, made, done) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicBool::new(false));
    let started = Instant::now();
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            drive(target.address, count, async |_, mut connection| {
                while !done.load(Ordering::Relaxed) {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let due = started + Duration::from_secs_f64(index as f64 / rate);
                    if due > Instant::now() {
                        tokio::time::sleep_until(due.into()).await;
                    }
                    let request = requests.get(index % requests.len()).context("no calls")?;
                    let answer = connection.send(request).await?;
                    ensure!(!answer.contains("\"error\""), "{method}: {answer}");
                    made.fetch_add(1, Ordering::Relaxed);
                }
                Ok(())
            })
        });
        let result = work();
        let made = made.load(Ordering::Relaxed) as f64 / started.elapsed().as_secs_f64();
        done.store(true, Ordering::Relaxed);
        reader.join().map_err(|_| anyhow!("a reader panicked"))??;
        Ok((result?, made))
    })
}
