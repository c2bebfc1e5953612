//! A sequencer whose disk is slow, or stalls: nobody hears of a block before it is on disk, so a stand-in
//! takes over without a gap and without a second block of any number. The sequencer is a process of its
//! own, as the slow disk is a fail point of the process.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use alloy_primitives::{Address, B256, U256};
use serde_json::{Value, json};
use store::failpoint;
use tests_anvil::free_ports;

use crate::{
    fake_l1::FakeL1,
    feed::{block, key},
    handover::{LEASE, ask_operator, fenced, message, operator, override_until_started, sequencer},
    harness::{Running, World, now, quantity},
};

const DIRECTORY: &str = "NODE_TEST_SLOW_DIRECTORY";
const START: &str = "NODE_TEST_SLOW_START";
const PORTS: &str = "NODE_TEST_SLOW_PORTS";
/// For one answer of a node that may be waiting for its disk.
const PATIENCE: Duration = Duration::from_secs(60);

/// With an L1 that goes on, block for block the same for all.
fn world(start: u64) -> (World, FakeL1) {
    let mut world = World::starting(start, 10, 60_000_000);
    world.rollup.max_sequencer_drift = LEASE;
    let l1 = FakeL1::new(&world);
    l1.keep_time();
    (world, l1)
}

/// The process of the next tests: a sequencer with a feed that leads until it is killed.
#[tokio::test(flavor = "multi_thread")]
async fn leads_until_killed() {
    let Some(path) = std::env::var_os(DIRECTORY) else { return };
    let (world, l1) = world(std::env::var(START).unwrap().parse().unwrap());
    let ports = std::env::var(PORTS).unwrap();
    let (own, other) = ports.split_once(',').unwrap();
    let ports = (own.parse().unwrap(), other.parse().unwrap());
    let node = sequencer(&world, path.as_ref(), &l1, ports, false).await;
    println!("listening {} {}", node.url, node.handle.admin_addr().unwrap());
    let error = node.handle.join().await;
    panic!("the node ended by itself: {error:?}");
}

/// That process; it ends with its value.
struct Leader {
    child: Child,
    url: String,
    operators: String,
    http: reqwest::Client,
}

impl Drop for Leader {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Leader {
    fn start(directory: &Path, start: u64, (own, other): (u16, u16), disk: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "slow_disk::leads_until_killed", "--nocapture"])
            .env(DIRECTORY, directory)
            .env(START, start.to_string())
            .env(PORTS, format!("{own},{other}"))
            .env(failpoint::VARIABLE, disk)
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let said = lines.find_map(|line| {
            line.unwrap().split_once("listening ").map(|(_, said)| said.to_owned())
        });
        let (url, operators) = said.as_deref().unwrap().split_once(' ').unwrap();
        let (url, operators) = (url.to_owned(), format!("http://{operators}"));
        // A kept connection could be closed by the node just when it is used again.
        let http = reqwest::Client::builder().timeout(PATIENCE).pool_max_idle_per_host(0);
        let http = http.build().unwrap();
        Self { child, url, operators, http }
    }

    /// `None` if there was no answer in time.
    async fn ask(&self, method: &str, params: Value, within: Duration) -> Option<Value> {
        let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let answer = async {
            let sent = self.http.post(&self.url).timeout(within).json(&request).send().await?;
            sent.json::<Value>().await
        };
        match answer.await {
            Ok(answer) => Some(answer["result"].clone()),
            Err(error) if error.is_timeout() => None,
            Err(error) => panic!("{method}: {error:?}"),
        }
    }

    async fn head(&self) -> u64 {
        quantity(&self.ask("eth_blockNumber", json!([]), PATIENCE).await.unwrap())
    }
}

/// Starts a stand-in as soon as it may, on the head that it is to have.
async fn start(node: &Running, head: B256) {
    for _ in 0..1_500 {
        let started = operator(node, "admin_startSequencer", json!([head])).await;
        if started["error"].is_null() {
            return;
        }
        let text = message(&started);
        assert!(text.contains("is live") || text.contains("does not match"), "{text}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{head} was not started on: {:?}", node.handle.chain().heads());
}

/// Waits until a node is where the clock is.
async fn in_time(node: &Running, world: &World) {
    for _ in 0..3_000 {
        let due = (now() - world.genesis.timestamp) / world.rollup.block_time;
        if node.head().await + 2 >= due {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the chain does not catch up with the clock: {:?}", node.handle.chain().heads());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_disk_hands_over_without_a_gap_and_the_stand_in_catches_up() {
    let begun = now() - 2;
    let (world, l1) = world(begun);
    let (a_dir, b_dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let [a_port, b_port] = free_ports();
    // Longer than a block's time from the fourth sync on: it falls behind the clock.
    let a = Leader::start(a_dir.path(), begun, (a_port, b_port), "log-synced:4:slow:1500");
    let b = sequencer(&world, b_dir.path(), &l1, (b_port, a_port), true).await;

    // What it says to be in a sealed block is acknowledged as durable.
    let mut acknowledged = Vec::new();
    for nonce in 0..4 {
        let raw = world.transfer(0, nonce, Address::repeat_byte(7), U256::from(nonce));
        let hash = a.ask("eth_sendRawTransaction", json!([raw]), PATIENCE).await.unwrap();
        loop {
            let asked = a.ask("eth_getTransactionReceipt", json!([hash]), PATIENCE).await.unwrap();
            if let Some(block) = asked["blockHash"].as_str() {
                acknowledged.push((quantity(&asked["blockNumber"]), block.to_owned()));
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    b.reach(6).await;

    let stopped = ask_operator(&a.operators, "admin_stopSequencer", json!([])).await;
    let last: B256 =
        stopped["result"].as_str().unwrap_or_else(|| panic!("{stopped}")).parse().unwrap();
    start(&b, last).await;
    let first = loop {
        let number = b.handle.chain().heads().unsafe_head.number;
        let found = (1..=number).map(|at| block(&b, at)).find(|of| of.header.parent_hash == last);
        if let Some(first) = found {
            break first;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    // No number and no second is left out, and what the slow one was behind is made good.
    let before = block(&b, first.header.number - 1);
    assert_eq!(before.hash, last);
    assert_eq!(first.header.timestamp, before.header.timestamp + world.rollup.block_time);
    in_time(&b, &world).await;

    for (number, hash) in &acknowledged {
        assert_eq!(block(&b, *number).hash.to_string(), *hash);
    }
    drop(a);
    let of_a = world.open(a_dir.path());
    let height = of_a.heads().unwrap().unsafe_head.number;
    assert!(height >= before.header.number);
    b.reach(height).await;
    for number in 1..=height {
        let published = of_a.block_hash(number).unwrap().unwrap();
        assert_eq!(published, block(&b, number).hash, "two blocks {number}");
    }
    b.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_stalls_publishes_nothing_more_and_its_block_gives_way() {
    let begun = now() - 2;
    let (world, l1) = world(begun);
    let (a_dir, b_dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let [a_port, b_port] = free_ports();
    let a = Leader::start(a_dir.path(), begun, (a_port, b_port), "log-synced:12:slow:3600000");
    let b = fenced(&world, b_dir.path(), (&l1, l1.feed(0, 10)), (b_port, a_port), (true, 0x5f));
    let b = b.await;

    // Loaded until it stands still: the block that it waits for has a transaction.
    let short = Duration::from_secs(2);
    let mut nonce = 0;
    let stuck = loop {
        let before = a.head().await;
        let raw = world.transfer(0, nonce, Address::repeat_byte(7), U256::ONE);
        nonce += 1;
        let sent = a.ask("eth_sendRawTransactionSync", json!([raw]), short).await;
        if sent.is_some() {
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        }
        tokio::time::sleep(3 * short).await;
        if a.head().await == before {
            break before;
        }
    };
    // What was sealed and is not on disk, nobody has heard of.
    assert!(b.handle.chain().heads().unsafe_head.number <= stuck);
    let hidden =
        a.ask("eth_getBlockByNumber", json!([format!("{:#x}", stuck + 1), false]), PATIENCE);
    assert_eq!(hidden.await, Some(Value::Null));
    b.reach(stuck).await;

    drop(a);
    let head = b.handle.chain().heads().unsafe_head;
    assert_eq!(head.number, stuck);
    l1.name(key(0x5f).address());
    override_until_started(&b, head.hash).await;
    b.reach(stuck + 2).await;
    let first = block(&b, stuck + 1);
    assert_eq!(first.header.parent_hash, head.hash);

    // It has the block that it never showed, and gives it up for the one that everybody knows.
    let of_a = world.open(a_dir.path());
    assert_eq!(of_a.heads().unwrap().unsafe_head.number, stuck + 1);
    let unshown = of_a.block(stuck + 1).unwrap().unwrap();
    // Two that hold nothing but their attributes are the same block.
    if unshown.body.transactions.len() > 1 {
        assert_ne!(unshown.hash, first.hash);
    }
    for number in 1..=stuck {
        assert_eq!(of_a.block_hash(number).unwrap().unwrap(), block(&b, number).hash);
    }
    drop(of_a);
    let a = fenced(&world, a_dir.path(), (&l1, l1.feed(0, 10)), (a_port, b_port), (false, 0x5e));
    let a = a.await;
    let number = b.head().await + 2;
    a.reach(number).await;
    for number in stuck..=number {
        assert_eq!(block(&a, number).hash, block(&b, number).hash, "two blocks {number}");
    }
    assert_eq!(operator(&a, "admin_sequencerActive", json!([])).await["result"], false);
    a.stop().await;
    b.stop().await;
}
