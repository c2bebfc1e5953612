//! Two sequencers, each a process with a key of its own, and each the stand-in that must acknowledge the other's blocks:
//! the guardian names the second on L1, the first resigns by itself, the second begins. Then the first is killed, and
//! the second waits for it until its operator says that it need not.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    sync::{Arc, Mutex},
};

use alloy_primitives::{Address, B256};
use anyhow::{Context, Result, ensure};
use futures::StreamExt;
use node::feed::message::{Kind, SignedMessage};
use serde_json::{Value, json};
use tests_anvil::free_ports;
use tokio_tungstenite::tungstenite::Message as Frame;

use crate::{
    disputes::{L1, OWNER, key},
    harness::{anvil, block_number, path, quantity, rpc, run_foundry, wait_for},
    roles::{Process, succeed},
};

/// Development accounts: the one whose key the development plan gives the feed, another, and the guardian.
const FIRST: u32 = 10;
const SECOND: u32 = 22;
const GUARDIAN: u32 = 12;
/// Has OPEN on L2.
const USER: u32 = 0;

/// Every block that a feed tells, by number: all hashes, and who signed them.
type Told = Arc<Mutex<BTreeMap<u64, Vec<(B256, Address)>>>>;

/// Listens to a feed, again and again, until the test ends.
fn listen(url: String, told: &Told) {
    let told = Arc::clone(told);
    tokio::spawn(async move {
        loop {
            if let Ok((mut socket, _)) =
                tokio_tungstenite::connect_async(format!("{url}/?from=1")).await
            {
                while let Some(Ok(frame)) = socket.next().await {
                    let Frame::Binary(bytes) = frame else { continue };
                    let message = SignedMessage::decode(&bytes).expect("a message");
                    let signer = message.signer().expect("a signature");
                    let block = message.message;
                    if block.kind == Kind::Sealed {
                        let mut told = told.lock().expect("nobody panics");
                        let of_number = told.entry(block.number).or_default();
                        if !of_number.contains(&(block.hash, signer)) {
                            of_number.push((block.hash, signer));
                        }
                    }
                }
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    });
}

/// An operator's call; the whole answer.
async fn operator(url: &str, secret: &Path, method: &str, params: Value) -> Result<Value> {
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_secs();
    let token = node::jwt::JwtSecret::read(secret)?.token(now);
    let request = reqwest::Client::new().post(url).bearer_auth(token).json(&body);
    Ok(request.send().await?.json().await?)
}

async fn reach(url: &str, number: u64) -> Result<()> {
    wait_for(&format!("block {number} at {url}"), 60, || async {
        Ok((block_number(url).await? >= number).then_some(()))
    })
    .await
}

async fn hash_of(url: &str, number: u64) -> Result<Value> {
    let at = json!([format!("0x{number:x}"), false]);
    Ok(rpc(url, "eth_getBlockByNumber", at).await?["hash"].clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn two_keys_hand_over_and_no_number_is_told_twice() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let (first_dir, second_dir) = (dir.path().join("first"), dir.path().join("second"));
    let anvil = anvil()?;
    let url = anvil.endpoint();
    let plan = dir.path().join("plan.json");
    fs::write(&plan, succeed(&["deploy", "--print-plan", "devnet"])?)?;
    let deploy = ["deploy", "--l1-rpc", &url, "--plan", path(&plan), "--out", path(&first_dir)];
    succeed(&[&deploy[..], &["--account", OWNER]].concat())?;
    fs::create_dir(&second_dir)?;
    for name in ["genesis.json", "rollup.json"] {
        fs::copy(first_dir.join(name), second_dir.join(name))?;
    }
    let l1 = L1 {
        addresses: serde_json::from_slice(&fs::read(first_dir.join("addresses.json"))?)?,
        rollup: serde_json::from_slice(&fs::read(first_dir.join("rollup.json"))?)?,
        url: url.clone(),
    };
    let address = |account: u32| Ok::<_, anyhow::Error>(key(account)?.address().to_string());
    let [first_feed, second_feed] = free_ports().map(|port| format!("127.0.0.1:{port}"));
    let start = |name: &str, role: &str, data: &Path, ready: &str, more: &[&str]| {
        let common = ["node", "--role", role, "--l1-rpc", &url, "--data-dir", path(data)];
        let log = dir.path().join(format!("{name}.log"));
        Process::start(&log, ready, &[&common[..], &["--rpc-port", "0"], more].concat())
    };
    let sequencer = |own: u32, data: &Path, feeds: (String, String), more: &[&str]| {
        let (account, stand_in) =
            (own.to_string(), address(if own == FIRST { SECOND } else { FIRST })?);
        let (listen, other) = (feeds.0, format!("ws://{}", feeds.1));
        let flags = ["--account", &account, "--feed-listen", &listen, "--feed", &other];
        let flags = [&flags[..], &["--feed-stand-in", &stand_in], more].concat();
        let flags = [&flags[..], &["--admin-listen", "127.0.0.1:0"]].concat();
        start(&format!("sequencer-{own}"), "sequencer", data, "sequences", &flags)
    };
    let feeds = (first_feed.clone(), second_feed.clone());
    let first = sequencer(FIRST, &first_dir, feeds.clone(), &[])?;
    ensure!(first.said("sequences")? == "yes");
    let (first_rpc, first_admin) = (first.said("JSON-RPC")?, first.said("operators")?);
    let first_secret = first_dir.join("sequencer/jwt.hex");
    // Nobody hears of a block that its stand-in does not have.
    let awaits = |admin: String, secret: std::path::PathBuf| async move {
        wait_for("a block that is not acknowledged", 30, || async {
            let status = operator(&admin, &secret, "admin_standIn", json!([])).await?;
            let seconds = quantity(&status["result"]["awaitedSeconds"])?;
            Ok((seconds > 1).then(|| status["result"].clone()))
        })
        .await
    };
    awaits(first_admin.clone(), first_secret.clone()).await?;
    ensure!(block_number(&first_rpc).await? == 0, "it did not wait for its stand-in");

    let told = Told::default();
    for feed in [&first_feed, &second_feed] {
        listen(format!("ws://{feed}"), &told);
    }
    let second =
        sequencer(SECOND, &second_dir, (feeds.1.clone(), feeds.0.clone()), &["--stopped"])?;
    ensure!(second.rest("sequences")?.starts_with("no"));
    let (second_rpc, second_admin) = (second.said("JSON-RPC")?, second.said("operators")?);
    let second_secret = second_dir.join("sequencer/jwt.hex");
    let follows =
        ["--feed", &format!("ws://{first_feed}"), "--feed", &format!("ws://{second_feed}")];
    let follower = start("follower", "follower", &second_dir, "head", &follows)?;
    let followed = follower.said("JSON-RPC")?;
    reach(&followed, 5).await?;
    let user = key(USER)?.to_bytes().to_string();
    let to = "0x00000000000000000000000000000000000000fe";
    let send = ["send", "--rpc-url", &first_rpc, "--private-key", &user, "--value", "1", to];
    run_foundry("cast", &send)?;
    let balance =
        || async { quantity(&rpc(&followed, "eth_getBalance", json!([to, "latest"])).await?) };
    wait_for("the transfer", 30, || async { Ok((balance().await? == 1).then_some(())) }).await?;

    // The guardian names the second: the first resigns, and the second begins on its last block.
    let config = l1.at("SystemConfig")?;
    l1.send(GUARDIAN, config, &["setUnsafeBlockSigner(address)", &address(SECOND)?])?;
    wait_for("the first to resign", 60, || async {
        let active = operator(&first_admin, &first_secret, "admin_sequencerActive", json!([]));
        Ok((active.await?["result"] == false).then_some(()))
    })
    .await?;
    let last = block_number(&first_rpc).await?;
    let last_hash = hash_of(&first_rpc, last).await?;
    // The naming is to lie two minutes deep.
    rpc(&url, "evm_increaseTime", json!([130])).await?;
    rpc(&url, "evm_mine", json!([])).await?;
    wait_for("the second to begin", 60, || async {
        let start =
            operator(&second_admin, &second_secret, "admin_startSequencer", json!([last_hash]));
        Ok(start.await?["error"].is_null().then_some(()))
    })
    .await?;
    for url in [&second_rpc, &first_rpc, &followed] {
        reach(url, last + 4).await?;
        for number in [last, last + 1, last + 4] {
            ensure!(
                hash_of(url, number).await? == hash_of(&second_rpc, number).await?,
                "block {number} differs at {url}"
            );
        }
    }
    ensure!(hash_of(&second_rpc, last).await? == last_hash, "a block is lost");

    // Now the first is the stand-in, and dies.
    drop(first);
    let waits = awaits(second_admin.clone(), second_secret.clone()).await?;
    let stands = block_number(&second_rpc).await?;
    ensure!(waits["connected"] == false && quantity(&waits["awaited"]["number"])? == stands + 1);
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    ensure!(block_number(&followed).await? == stands, "more was told");
    let none = operator(&second_admin, &second_secret, "admin_setStandIn", json!([null])).await?;
    ensure!(none["error"].is_null(), "{none}");
    reach(&followed, stands + 3).await?;
    ensure!(balance().await? == 1);

    let told = told.lock().ok().context("poisoned")?;
    let (first_key, second_key) = (key(FIRST)?.address(), key(SECOND)?.address());
    for (number, blocks) in told.iter() {
        let hash = blocks.first().context("no block")?.0;
        ensure!(blocks.iter().all(|(other, _)| *other == hash), "block {number}: {blocks:?}");
    }
    let by = |key| told.values().flatten().filter(|(_, signer)| *signer == key).count();
    ensure!(by(first_key) >= 5 && by(second_key) >= 5, "too few: {told:?}");
    follower.stop()?;
    second.stop()
}
