//! A node killed under load, at a step or from outside: what it said to be in a block is in that block
//! when it starts again, and the whole chain is what a twin that was never killed makes of it.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use alloy_primitives::{Address, U256};
use serde_json::{Value, json};
use stf::ChainSpec;
use store::{Store, StoreOptions, failpoint};

use crate::harness::{CHAIN, Running, World, l1_block, now};

const DIRECTORY: &str = "NODE_TEST_CRASH_DIRECTORY";
const START: &str = "NODE_TEST_CRASH_START";

fn world(start: u64) -> World {
    World::starting(start, 10, 60_000_000)
}

/// The process that the next test kills: a node that serves until then.
#[tokio::test(flavor = "multi_thread")]
async fn serves_until_killed() {
    let Some(path) = std::env::var_os(DIRECTORY) else { return };
    let world = world(std::env::var(START).unwrap().parse().unwrap());
    let node = Running::start(&world, world.open(path.as_ref())).await;
    println!("listening {}", node.url);
    node.l1_block(l1_block(0, world.genesis.timestamp, Vec::new())).await;
    let error = node.handle.join().await;
    panic!("the node ended by itself: {error:?}");
}

fn spawn(directory: &Path, start: u64, step: &str) -> (Child, String) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::serves_until_killed", "--nocapture"])
        .env(DIRECTORY, directory)
        .env(START, start.to_string())
        .env(failpoint::VARIABLE, step)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let url = lines
        .find_map(|line| line.unwrap().split_once("listening ").map(|(_, url)| url.to_owned()))
        .unwrap();
    (child, url)
}

async fn ask(client: &reqwest::Client, url: &str, method: &str, params: Value) -> Option<Value> {
    let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
    let answer = client.post(url).json(&request).send().await.ok()?;
    let answer: Value = answer.json().await.ok()?;
    Some(answer["result"].clone())
}

/// Loads the node until it is gone, or kills it after so many sealed transactions; the blocks that it
/// said its transactions to be in.
async fn load(
    world: &World,
    mut child: Child,
    url: &str,
    kill_after: Option<usize>,
) -> BTreeMap<String, String> {
    let client = reqwest::Client::new();
    let mut sealed = BTreeMap::new();
    let mut waiting: Vec<String> = Vec::new();
    for nonce in 0.. {
        let raw = world.transfer(0, nonce, Address::repeat_byte(1), U256::from(nonce));
        let sent = ask(&client, url, "eth_sendRawTransactionSync", json!([raw])).await;
        let Some(receipt) = sent else { break };
        assert_eq!(receipt["status"], "0x1", "{receipt}");
        waiting.push(receipt["transactionHash"].as_str().unwrap().to_owned());
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        let Some(first) = waiting.first() else { continue };
        let Some(receipt) = ask(&client, url, "eth_getTransactionReceipt", json!([first])).await
        else {
            break;
        };
        if let Some(block) = receipt["blockHash"].as_str() {
            sealed.insert(waiting.remove(0), block.to_owned());
        }
        if kill_after.is_some_and(|count| sealed.len() >= count) {
            child.kill().unwrap();
            break;
        }
    }
    child.wait().unwrap();
    sealed
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_node_keeps_what_it_acknowledged_and_its_chain_is_its_twins() {
    let cases = [
        ("log-half-appended:10", None),
        ("log-appended:9", None),
        ("log-synced:10", None),
        ("block-durable:9", None),
        ("none", Some(60)),
    ];
    let cases = cases.map(|(step, kill_after)| async move {
        let start = now() - 2;
        let world = world(start);
        let directory = tempfile::tempdir().unwrap();
        let (child, url) = spawn(directory.path(), start, step);
        let sealed = load(&world, child, &url, kill_after).await;
        assert!(!sealed.is_empty(), "{step}: nothing was sealed before the end");

        let store = world.open(directory.path());
        for (transaction, block) in &sealed {
            let hash = transaction.parse().unwrap();
            let (number, _) = store.transaction_location(hash).unwrap().expect(step);
            let found = store.block_hash(number).unwrap().unwrap();
            assert_eq!(found.to_string(), *block, "{step}");
        }
        // The twin executes every block anew.
        let twin_directory = tempfile::tempdir().unwrap();
        let options = StoreOptions { durable: false, ..Default::default() };
        let twin = Store::open(twin_directory.path(), options).unwrap();
        let mut parent = twin.init_genesis(&world.genesis).unwrap();
        for number in 1..=store.heads().unwrap().unsafe_head.number {
            let block = store.block(number).unwrap().unwrap();
            let executed = stf::execute_block(
                &ChainSpec::new(CHAIN),
                &parent,
                &block,
                None,
                twin.latest_state().unwrap(),
                &twin.head_roots().unwrap(),
            )
            .unwrap();
            assert_eq!(store.receipts(number).unwrap().unwrap(), executed.receipts, "{step}");
            parent = block.header;
            twin.commit(&executed).unwrap();
        }
        // It goes on from there.
        let height = store.heads().unwrap().unsafe_head.number;
        let node = Running::start(&world, store).await;
        node.l1_block(l1_block(0, world.genesis.timestamp, Vec::new())).await;
        node.reach(height + 1).await;
        node.stop().await;
    });
    futures::future::join_all(cases).await;
}
