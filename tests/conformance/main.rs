//! The public JSON-RPC conformance suite of Ethereum's execution clients against our node in Ethereum
//! mode: its chain is imported into a fresh store, its heads are set, and each request is sent to the
//! real server over HTTP.
//!
//! The suite is not part of this repository: it is looked for beside the working copy, in
//! `../shared/conformance/execution-apis`, or where `OPENLEDGER_CONFORMANCE` says. How to run it and what
//! does not pass: `docs/conformance.md`.

mod exceptions;
mod roots;
mod suite;

use std::{
    collections::BTreeMap,
    fs::File,
    io::BufReader,
    path::{Path, PathBuf},
};

use alloy_genesis::Genesis;
use anyhow::{Context, Result, ensure};
use node::{Node, NodeConfig, NodeHandle, NodeInputs, ethereum::import::import};
use serde_json::Value;
use stf::ChainSpec;
use store::{Store, StoreOptions};
use suite::Case;
use tokio_util::sync::CancellationToken;

/// Names the folder of the suite.
const FOLDER: &str = "OPENLEDGER_CONFORMANCE";

/// Files that passed and all, of one method.
#[derive(Default)]
struct Count {
    passed: usize,
    total: usize,
}

#[tokio::test(flavor = "multi_thread")]
async fn execution_apis() -> Result<()> {
    let Some(folder) = folder() else {
        println!("skipped: the suite is not here; name its folder with {FOLDER}");
        return Ok(());
    };
    let directory = tempfile::tempdir()?;
    let node = start(&folder, directory.path()).await?;
    let cases = suite::read(&folder)?;
    ensure!(!cases.is_empty(), "there are no files in {}", folder.display());

    let client = reqwest::Client::new();
    let url = format!("http://{}", node.rpc_addr());
    let mut table: BTreeMap<&str, Count> = BTreeMap::new();
    let (mut failed, mut excepted, mut needless) = (Vec::new(), 0, Vec::new());
    for case in &cases {
        let wrong = replay(&client, &url, case).await?;
        let count = table.entry(&case.method).or_default();
        count.total += 1;
        let covered = exceptions::covers(&case.method, &case.name);
        match wrong {
            None => {
                count.passed += 1;
                if covered {
                    needless.push(&case.name);
                }
            }
            Some(_) if covered => excepted += 1,
            Some(wrong) => failed.push((&case.name, wrong)),
        }
    }
    node.shutdown();
    node.join().await?;

    println!("{:<44} {:>6} / {:>5}", "method", "passed", "total");
    for (method, count) in &table {
        println!("{method:<44} {:>6} / {:>5}", count.passed, count.total);
    }
    let passed: usize = table.values().map(|count| count.passed).sum();
    println!("{:<44} {passed:>6} / {:>5}   ({excepted} exceptions)", "all", cases.len());
    for (name, wrong) in &failed {
        println!("FAILED {name}: {}", shortened(wrong));
    }
    for name in &needless {
        println!("PASSED in spite of its exception: {name}");
    }
    ensure!(failed.is_empty(), "{} files failed", failed.len());
    ensure!(needless.is_empty(), "{} exceptions are needless", needless.len());
    Ok(())
}

fn folder() -> Option<PathBuf> {
    if let Some(folder) = std::env::var_os(FOLDER) {
        return Some(PathBuf::from(folder));
    }
    let beside = Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap())
        .join("../../shared/conformance/execution-apis");
    beside.is_dir().then_some(beside)
}

/// A node with the suite's chain and heads.
async fn start(folder: &Path, directory: &Path) -> Result<NodeHandle> {
    let read = |name: &str| {
        std::fs::read_to_string(folder.join(name)).with_context(|| format!("cannot read {name}"))
    };
    let genesis: Genesis = serde_json::from_str(&read("genesis.json")?)?;
    let store = Store::open(directory, StoreOptions { durable: false, ..Default::default() })?;
    store.init_ethereum_genesis(&genesis)?;
    let spec = ChainSpec::ethereum(genesis.config);
    let chain = BufReader::new(File::open(folder.join("chain.rlp"))?);
    let imported = import(&store, &spec, chain, |_| {})?;
    let node = Node::start(
        NodeConfig::ethereum(spec),
        NodeInputs::without_l1(store),
        CancellationToken::new(),
    )
    .await?;
    let update: Value = serde_json::from_str(&read("headfcu.json")?)?;
    let heads = &update["params"][0];
    let named = |head: &str| -> Result<_> {
        let hash = serde_json::from_value(heads[head].clone())?;
        let number = node.chain().number_of(&hash)?.with_context(|| format!("{head}: no block"))?;
        Ok(primitives(number, hash))
    };
    ensure!(named("headBlockHash")? == imported.head, "the chain's head is not the suite's");
    node.chain().set_safe(named("safeBlockHash")?, named("finalizedBlockHash")?)?;
    Ok(node)
}

fn primitives(number: u64, hash: alloy_primitives::B256) -> alloy_eips::BlockNumHash {
    alloy_eips::BlockNumHash { number, hash }
}

/// What went wrong, if anything.
async fn replay(client: &reqwest::Client, url: &str, case: &Case) -> Result<Option<String>> {
    for exchange in &case.exchanges {
        let request = client
            .post(url)
            .header("content-type", "application/json")
            .body(exchange.request.clone());
        let answer = request.send().await?.error_for_status()?.text().await?;
        let got: Value = serde_json::from_str(&answer)
            .with_context(|| format!("{}: the answer is no JSON: {answer}", case.name))?;
        if let Some(wrong) = suite::compare(&exchange.expected, &got, case.form_only) {
            return Ok(Some(wrong));
        }
    }
    Ok(None)
}

/// Enough of a text to see what is wrong.
fn shortened(text: &str) -> String {
    text.chars().take(600).collect()
}
