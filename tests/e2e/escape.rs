//! The escape hatch. The sequencer, its batcher and its proposer die and never come back. A stranger who
//! has an L1 URL and the chain's two public files derives on, forces a withdrawal into L2, proposes,
//! proves, and receives OPEN on L1.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
    sync::mpsc,
    time::Duration,
};

use alloy_primitives::U256;
use anyhow::{Context, Result, ensure};
use serde_json::json;

use crate::harness::{
    Dev, Process, anvil, binary, block_number, path, quantity, root, rpc, run_foundry, wait_for,
};

/// L1 blocks; short, so that the sequencer's silence is noticed within the test.
const WINDOW: &str = "30";
/// Who leaves, and who proposes for the bond's return.
const USER: &str = "3";
const STRANGER: &str = "8";

#[tokio::test(flavor = "multi_thread")]
async fn everybody_leaves_without_the_operator() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let (_anvil, l1) = anvil().await?;
    let data = dir.path().join("operator");
    let dev = Dev::start_with(
        &data,
        &["--l1-url", &l1, "--l1-block-time", "1", "--sequencing-window", WINDOW],
    )?;
    let ready = dev.ready.clone();
    wait_for("a safe head", 120, || async {
        let safe = rpc(&ready.l2_rpc, "eth_getBlockByNumber", json!(["safe", false])).await?;
        Ok((quantity(&safe["number"])? >= 5).then_some(()))
    })
    .await?;
    let portal = ready.contracts["OptimismPortal"].clone();
    let user = dev.address(3).to_owned();
    let stopped_at = block_number(&ready.l2_rpc).await?;

    // For good.
    dev.kill_hard()?;
    let public = dir.path().join("public");
    std::fs::create_dir(&public)?;
    for file in ["rollup.json", "genesis.json"] {
        std::fs::copy(data.join(file), public.join(file))?;
    }
    std::fs::remove_dir_all(&data)?;

    let (_follower, l2) = follower(&public, &l1, &dir.path().join("follower"))?;
    let escrow = open_on_l1(&l1, &ready.contracts["OPEN"], &portal)?;
    let before = open_on_l1(&l1, &ready.contracts["OPEN"], &user)?;

    // L2 goes on by itself once the sequencing window has closed, with what L1 forces into it.
    // One of the L1 nodes that are named is out.
    let nodes = format!("http://127.0.0.1:1/,{l1}");
    let chain = ["--l1-rpc", &nodes, "--l2-rpc", &l2, "--portal", &portal];
    let forced = openledger(
        &[&["bridge", "withdraw", "--force", "--amount", "7", "--account", USER], &chain[..]]
            .concat(),
    )?;
    println!("{forced}");
    let line = forced.lines().find(|line| line.starts_with("L2 transaction")).context("no hash")?;
    let hash = line.split_whitespace().last().context("no hash")?.to_owned();
    let receipt = rpc(&l2, "eth_getTransactionReceipt", json!([hash])).await?;
    ensure!(receipt["type"] == "0x7e" && receipt["status"] == "0x1", "{receipt}");

    // Anyone proposes, with a bond.
    let records = dir.path().join("proposer");
    let _proposer = spawn(
        &[
            "proposer",
            "--l1-rpc",
            &l1,
            "--l2-rpc",
            &l2,
            "--rollup",
            path(&public.join("rollup.json")),
            "--data-dir",
            path(&records),
            "--account",
            STRANGER,
            "--interval",
            "1",
            "--depth",
            "0",
        ],
        &dir.path().join("proposer.log"),
    )?;
    let step = |name: &str| {
        openledger(&[&["bridge", name, "--tx", &hash, "--account", USER], &chain[..]].concat())
    };
    println!("{}", step("prove")?);
    // Nobody decides games here but whoever wants to be paid.
    println!("{}", step("finalize")?);

    let paid = U256::from(7) * U256::from(10).pow(U256::from(18));
    let after = open_on_l1(&l1, &ready.contracts["OPEN"], &user)?;
    ensure!(after - before == paid, "the user got {} wei", after - before);
    let left = open_on_l1(&l1, &ready.contracts["OPEN"], &portal)?;
    ensure!(escrow - left == paid, "the escrow paid {} wei", escrow - left);
    let passer = "0x4200000000000000000000000000000000000016";
    let held = rpc(&l2, "eth_getBalance", json!([passer, "latest"])).await?;
    ensure!(held.as_str().context("balance")?.parse::<U256>()? == paid, "L2 let {held} go");
    ensure!(
        block_number(&l2).await? > stopped_at,
        "the chain did not go on after block {stopped_at}, where the sequencer stopped"
    );
    Ok(())
}

fn follower(public: &Path, l1: &str, data: &Path) -> Result<(Process, String)> {
    let log = std::fs::File::create(data.with_extension("log"))?;
    let mut child = Command::new(binary()?)
        .current_dir(root())
        .args(["follow", "--l1-rpc", l1, "--listen", "127.0.0.1:0", "--rollup"])
        .arg(public.join("rollup.json"))
        .arg("--genesis")
        .arg(public.join("genesis.json"))
        .arg("--data-dir")
        .arg(data)
        .env("RUST_LOG", "info")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()?;
    let stdout = child.stdout.take().context("no standard output")?;
    let process = Process(child);
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                // Keep draining.
            }
        }
    });
    let line =
        receiver.recv_timeout(Duration::from_secs(60)).context("the follower says nothing")?;
    let url = line.split_whitespace().last().context("no URL")?.to_owned();
    Ok((process, url))
}

fn spawn(args: &[&str], log: &Path) -> Result<Process> {
    let log = std::fs::File::create(log)?;
    let child = Command::new(binary()?)
        .current_dir(root())
        .args(args)
        .env("RUST_LOG", "info")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()?;
    Ok(Process(child))
}

fn openledger(args: &[&str]) -> Result<String> {
    let output = Command::new(binary()?).current_dir(root()).args(args).output()?;
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.success(), "{args:?}: {stderr}\n{stdout}");
    Ok(stdout)
}

fn open_on_l1(l1: &str, token: &str, holder: &str) -> Result<U256> {
    let answer = run_foundry(
        "cast",
        &["call", "--rpc-url", l1, token, "balanceOf(address)(uint256)", holder],
    )?;
    Ok(answer.split_whitespace().next().context("no answer")?.parse()?)
}
