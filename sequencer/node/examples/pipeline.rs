//! Figures of the path from a socket to a preconfirmed receipt and to a sealed block, in one process:
//! node CPU per transfer by stage, and send → receipt by `eth_sendRawTransactionSync`.
//!
//! `cargo run -p sequencer-node --example pipeline -p deps -- [transfers] [senders]`
//!
//! The node is the real one, on a store that syncs; the client speaks HTTP over its own threads, whose CPU
//! time is told apart by their name. Only transactions found in sealed blocks with status 1 count.

#[allow(dead_code)]
#[path = "../tests/node/harness.rs"]
mod harness;

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use alloy_primitives::{Address, Bytes, U256, keccak256};
use harness::{Running, World, l1_block};

/// Name of the client's threads.
const CLIENT: &str = "client";

type Anyhow<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

#[tokio::main]
async fn main() -> Anyhow<()> {
    let mut arguments = std::env::args().skip(1).filter_map(|argument| argument.parse().ok());
    let transfers: usize = arguments.next().unwrap_or(10_000);
    let senders: usize = arguments.next().unwrap_or(1_000);
    let world = World::with_accounts(2, senders as u64, 500_000_000);
    let directory = tempfile::tempdir()?;
    let node = Running::start(&world, world.open(directory.path())).await;
    node.l1_block(l1_block(0, world.genesis.timestamp, Vec::new())).await;
    node.reach(2).await;
    let address = node.handle.rpc_addr();
    let mut nonces = vec![0; senders];
    let mut sign = |count: usize| -> Vec<Bytes> {
        (0..count)
            .map(|index| {
                let from = index % senders;
                let to = Address::from_word(keccak256((index % 1_000).to_be_bytes()));
                let raw = world.transfer(from, nonces[from], to, U256::from(1));
                nonces[from] += 1;
                raw
            })
            .collect()
    };

    for connections in [1, 16] {
        let mut times = sync(address, &sign(150 * connections), senders, connections)?;
        times.sort_unstable();
        let at = |share: usize| times[(times.len() - 1) * share / 100].as_secs_f64() * 1e3;
        println!(
            "sync, {connections:>2} connections: p50 {:.2} ms, p90 {:.2} ms, p99 {:.2} ms",
            at(50),
            at(90),
            at(99)
        );
    }
    for batch in [1, 100] {
        let raw = sign(transfers);
        let alone = recovery(&raw[..raw.len().min(2_000)])?;
        let from = node.head().await;
        let before = cpu()?;
        let started = Instant::now();
        send(address, &raw, senders, batch)?;
        let sent = started.elapsed();
        let included = included(&node, from, raw.len()).await?;
        let (after, total) = (cpu()?, started.elapsed());
        println!(
            "{included} transfers, {batch} per request: sent in {sent:.2?}, sealed in {total:.2?}"
        );
        let mut all = 0.0;
        for (name, nanos) in &after {
            let spent = nanos - before.get(name).unwrap_or(&0);
            let each = spent as f64 / 1e3 / included as f64;
            if each >= 0.05 {
                println!("  {name:<16} {each:7.2} µs per transfer");
            }
            if name != CLIENT {
                all += each;
            }
        }
        println!(
            "  {:<16} {all:7.2} µs per transfer; a signature recovery alone is {alone:.2} µs, {:.0} % of it",
            "node",
            100.0 * alone / all
        );
    }
    node.stop().await;
    Ok(())
}

/// Waits until so many transfers are in blocks above `from`.
async fn included(node: &Running, from: u64, count: usize) -> Anyhow<usize> {
    let chain = node.handle.chain();
    let mut found = 0;
    let mut number = from;
    while found < count {
        while number >= chain.heads().unsafe_head.number {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        number += 1;
        let block = chain.block(number)?.ok_or("a block is missing")?;
        let receipts = block.receipts().iter().skip(1);
        found += receipts.filter(|receipt| receipt.status()).count();
    }
    Ok(found)
}

/// Nanoseconds on a CPU, by name of the thread.
fn cpu() -> Anyhow<BTreeMap<String, u64>> {
    let mut all = BTreeMap::new();
    for task in fs::read_dir("/proc/self/task")? {
        let path = task?.path();
        let name = fs::read_to_string(path.join("comm"))?.trim().to_owned();
        let times = fs::read_to_string(path.join("schedstat"))?;
        let nanos: u64 = times.split(' ').next().ok_or("schedstat")?.parse()?;
        *all.entry(name).or_insert(0) += nanos;
    }
    Ok(all)
}

/// CPU microseconds of decoding a transaction and recovering its sender, on this thread alone.
fn recovery(raw: &[Bytes]) -> Anyhow<f64> {
    use alloy_consensus::transaction::SignerRecoverable;
    use alloy_eips::eip2718::Decodable2718;
    let nanos = || -> Anyhow<u64> {
        let times = fs::read_to_string("/proc/thread-self/schedstat")?;
        Ok(times.split(' ').next().ok_or("schedstat")?.parse()?)
    };
    let before = nanos()?;
    for raw in raw {
        std::hint::black_box(primitives::TxEnvelope::decode_2718_exact(raw)?.recover_signer()?);
    }
    Ok((nanos()? - before) as f64 / 1e3 / raw.len() as f64)
}

/// One HTTP connection.
struct Connection {
    reader: BufReader<TcpStream>,
}

impl Connection {
    fn open(address: SocketAddr) -> Anyhow<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        Ok(Self { reader: BufReader::new(stream) })
    }

    fn post(&mut self, body: &str) -> Anyhow<String> {
        let request = format!(
            "POST / HTTP/1.1\r\nhost: node\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        self.reader.get_mut().write_all(request.as_bytes())?;
        let mut length = 0;
        loop {
            let mut line = String::new();
            self.reader.read_line(&mut line)?;
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse()?;
            }
            if line.trim().is_empty() {
                break;
            }
        }
        let mut answer = vec![0; length];
        self.reader.read_exact(&mut answer)?;
        Ok(String::from_utf8(answer)?)
    }
}

fn call(id: usize, method: &str, raw: &Bytes) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":["{raw}"]}}"#)
}

/// Runs `work` on a share of `items` per connection, on the client's threads; a sender's transactions
/// go through one connection.
fn each_connection<T: Send>(
    items: &[Bytes],
    senders: usize,
    connections: usize,
    work: impl Fn(&[Bytes]) -> Anyhow<T> + Sync,
) -> Anyhow<Vec<T>> {
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..connections)
            .map(|connection| {
                let own = |index: &usize| index % senders % connections == connection;
                let part: Vec<Bytes> = (0..items.len())
                    .filter(own)
                    .filter_map(|index| items.get(index).cloned())
                    .collect();
                let work = &work;
                std::thread::Builder::new()
                    .name(CLIENT.to_owned())
                    .spawn_scoped(scope, move || work(&part))
            })
            .collect::<Result<_, _>>()?;
        threads.into_iter().map(|thread| thread.join().map_err(|_| "a client panicked")?).collect()
    })
}

fn sync(
    address: SocketAddr,
    raw: &[Bytes],
    senders: usize,
    connections: usize,
) -> Anyhow<Vec<Duration>> {
    let times = each_connection(raw, senders, connections, |part| {
        let mut connection = Connection::open(address)?;
        let mut times = Vec::new();
        for raw in part {
            let body = call(1, "eth_sendRawTransactionSync", raw);
            let started = Instant::now();
            let answer = connection.post(&body)?;
            times.push(started.elapsed());
            if !answer.contains(r#""status":"0x1""#) {
                return Err(answer.into());
            }
            // Idle between two.
            if connections == 1 {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        Ok(times)
    })?;
    Ok(times.into_iter().flatten().collect())
}

fn send(address: SocketAddr, raw: &[Bytes], senders: usize, batch: usize) -> Anyhow<()> {
    each_connection(raw, senders, 8, |part| {
        let mut connection = Connection::open(address)?;
        for chunk in part.chunks(batch) {
            let calls: Vec<String> = chunk
                .iter()
                .enumerate()
                .map(|(id, raw)| call(id, "eth_sendRawTransaction", raw))
                .collect();
            let body = match calls.as_slice() {
                [only] => only.clone(),
                calls => format!("[{}]", calls.join(",")),
            };
            let answer = connection.post(&body)?;
            if answer.contains("error") {
                return Err(answer.into());
            }
        }
        Ok(())
    })?;
    Ok(())
}
