//! The loop, twice, across a power failure; conservation of OPEN after every block; the same chain
//! derived from L1 alone; the same epoch root from a second process.

use alloy_primitives::U256;
use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use crate::{
    conservation::Conservation,
    harness::{Dev, Ready, block_number, quantity, rpc, wait_for},
};

#[tokio::test(flavor = "multi_thread")]
async fn the_loop_closes_twice_and_after_a_power_failure() -> Result<()> {
    the_loop_closes("embedded").await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_loop_closes_on_anvil_too() -> Result<()> {
    the_loop_closes("anvil").await
}

/// The main story on a kind of L1.
async fn the_loop_closes(l1: &str) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let data = dir.path().join("chain");
    let dev = Dev::start_with(&data, &["--l1", l1])?;

    let watch = Conservation::start(&dev.ready)?;
    let first = dev.demo()?;
    check_demo(&first)?;
    let escaped = first["ledgers"].as_array().into_iter().flatten();
    let escaped = escaped.filter(|ledger| ledger["title"] == "The escape on L1");
    ensure!(escaped.count() == 1, "nobody escaped a dead operator");
    // What a second run on the same chain could break has nothing to do with the kind of L1.
    if l1 == "embedded" {
        check_demo(&dev.demo_with(&["--no-escape"])?)?;
    }
    watch.stop().await?;

    // The verifier derives the same hashes from L1 alone.
    let head = block_number(&dev.ready.l2_rpc).await?;
    same_hashes(&dev.ready, head).await?;
    let genesis = block_hash(&dev.ready.l2_rpc, 0).await?;
    let middle = block_hash(&dev.ready.l2_rpc, head / 2).await?;

    // The audit on a second process gives the posted root.
    let epoch = first["epoch"].as_u64().context("the demo names its epoch")?;
    audit(&dev, epoch)?;

    // Every block follows from its witness, and takes from L1 what L1 forces on it.
    let l2_rpc = dev.ready.l2_rpc.clone();
    // One of the L1 nodes that are named is out.
    let l1_rpc = format!("http://127.0.0.1:1/,{}", dev.ready.l1_rpc);
    let range = format!("1..{head}");
    let report = verify(&dev, &["--range", &range, "--rpc", &l2_rpc, "--l1-rpc", &l1_rpc])?;
    ensure!(
        report["blocks"] == head && report["outputRoots"] == head && report["l1Inputs"] == head,
        "not everything was verified: {report}"
    );

    // A power failure, a restart over the same directory: the same chains go on, the demo too.
    let final_l1 =
        rpc(&dev.ready.l1_rpc, "eth_getBlockByNumber", json!(["finalized", false])).await?;
    let data = dev.kill_hard()?;
    let dev = Dev::start(&data)?;
    let kept = quantity(&final_l1["number"])?;
    ensure!(
        block_hash(&dev.ready.l1_rpc, kept).await? == final_l1["hash"],
        "L1 block {kept} changed by the restart"
    );
    ensure!(block_hash(&dev.ready.l2_rpc, 0).await? == genesis, "another chain after the restart");
    ensure!(
        block_hash(&dev.ready.l2_rpc, head / 2).await? == middle,
        "block {} changed by the restart",
        head / 2
    );
    let third = dev.demo_with(&["--no-escape"])?;
    check_demo(&third)?;
    audit(&dev, epoch)?;
    same_hashes(&dev.ready, block_number(&dev.ready.l2_rpc).await?).await?;

    // Ctrl-C ends it cleanly.
    let (data, status) = dev.interrupt()?;
    ensure!(status.success(), "dev ended with {status} on Ctrl-C");

    // The chain cannot move to another L1.
    let other = if l1 == "anvil" { "embedded" } else { "anvil" };
    let Err(error) = Dev::start_with(&data, &["--l1", other]) else {
        bail!("a chain on {l1} was started on {other}");
    };
    ensure!(
        error.to_string().contains(&format!("lives on its {l1} L1")),
        "no clear message: {error:#}"
    );
    Ok(())
}

/// What every run of the demo must show, beyond its own exit code.
fn check_demo(report: &Value) -> Result<()> {
    ensure!(report["ok"] == true, "the demo did not say ok");
    for ledger in report["ledgers"].as_array().context("ledgers")? {
        let mut sum = alloy_primitives::I256::ZERO;
        for row in ledger["rows"].as_array().context("rows")? {
            let wei: alloy_primitives::I256 = row["wei"].as_str().context("wei")?.parse()?;
            sum = sum.checked_add(wei).context("overflow")?;
        }
        ensure!(sum.is_zero(), "ledger {} sums to {sum}", ledger["title"]);
    }
    let earned = &report["earned"];
    let of = |name: &str| -> Result<U256> {
        Ok(earned[name].as_str().with_context(|| format!("earned.{name}"))?.parse()?)
    };
    ensure!(of("mallory")?.is_zero(), "the near-copy earned {}", of("mallory")?);
    let honest = of("alice")? + of("bob")? + of("carol")?;
    ensure!(honest > U256::ZERO, "no contributor earned anything");
    let disputed = report["ledgers"].as_array().into_iter().flatten();
    let bond = disputed.filter(|ledger| ledger["title"] == "The bond of the false epoch");
    ensure!(bond.count() == 1, "no false epoch was disproved");
    Ok(())
}

fn audit(dev: &Dev, epoch: u64) -> Result<()> {
    let output = dev.openledger(&[
        "attribution",
        "audit",
        &epoch.to_string(),
        "--l2-rpc",
        &dev.ready.l2_rpc,
        "--gateway",
        &dev.ready.gateway,
        "--json",
    ])?;
    ensure!(
        output.status.success(),
        "the audit failed: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    let report: Value = serde_json::from_slice(&output.stdout)?;
    ensure!(
        report["recomputed"]["claimsRoot"] == report["posted"]["claimsRoot"]
            && report["recomputed"]["claimsRoot"].is_string(),
        "the audit's root differs: {report}"
    );
    Ok(())
}

fn verify(dev: &Dev, arguments: &[&str]) -> Result<Value> {
    let output = dev.openledger(&[&["verify", "--json"], arguments].concat())?;
    ensure!(
        output.status.success(),
        "the verification failed: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(serde_json::from_slice(&output.stdout)?)
}

async fn block_hash(url: &str, number: u64) -> Result<Value> {
    let block = rpc(url, "eth_getBlockByNumber", json!([format!("{number:#x}"), false])).await?;
    ensure!(!block.is_null(), "no block {number} at {url}");
    Ok(block["hash"].clone())
}

/// Waits until the verifier has derived `number` and compares every block up to it.
async fn same_hashes(ready: &Ready, number: u64) -> Result<()> {
    wait_for("the verifier to derive the chain from L1", 120, || async {
        Ok((block_number(&ready.verifier_rpc).await? >= number).then_some(()))
    })
    .await?;
    for block in 0..=number {
        let ours = block_hash(&ready.l2_rpc, block).await?;
        let derived = block_hash(&ready.verifier_rpc, block).await?;
        ensure!(ours == derived, "block {block}: sequencer {ours}, verifier {derived}");
    }
    let safe = rpc(&ready.l2_rpc, "eth_getBlockByNumber", json!(["safe", false])).await?;
    ensure!(quantity(&safe["number"])? > 0, "the sequencer's safe head does not move");
    Ok(())
}
