//! OPEN goes back to L1: by viem, by our own command; and what stands between a wrong proposal and the
//! escrow.

use alloy_primitives::{U256, hex, keccak256};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::{
    conservation::Conservation,
    harness::{Dev, block_number, path, rpc, run_foundry, run_node, wait_for},
};

/// `GameStatus`.
const CHALLENGER_WINS: u64 = 1;
const DEFENDER_WINS: u64 = 2;
/// Bonds of a development chain, wei.
const BOND: &str = "10000000000000000000";
/// Parent index that means the anchor.
const FROM_ANCHOR: &str = "ffffffff";

#[tokio::test(flavor = "multi_thread")]
async fn withdrawals_are_paid_and_wrong_proposals_lose_their_bond() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let dev = Dev::start(&dir.path().join("chain"))?;
    let watch = Conservation::start(&dev.ready)?;
    // viem proves with any game that claims a late enough block: false ones come afterwards.
    both(|| viem(&dev), || command(&dev))?;
    both(|| wrong_proposal(&dev), || wrong_challenge(&dev))?;
    the_anchor_moves(&dev).await?;
    let paid = watch.stop().await?;
    // 1.25 by viem, 5 by the command.
    ensure!(paid == U256::from(6_250_000_000_000_000_000_u64), "L1 paid {paid} wei");
    Ok(())
}

/// What viem does is the same on an L1 that is not ours.
#[tokio::test(flavor = "multi_thread")]
async fn viem_withdraws_to_anvil_too() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let dev = Dev::start_with(&dir.path().join("chain"), &["--l1", "anvil"])?;
    let client =
        rpc(&dev.ready.l1_rpc, "web3_clientVersion", json!([])).await?.as_str().map(str::to_owned);
    ensure!(client.is_some_and(|name| name.starts_with("anvil/")), "L1 is not anvil");
    let watch = Conservation::start(&dev.ready)?;
    tokio::task::block_in_place(|| viem(&dev))?;
    let paid = watch.stop().await?;
    ensure!(paid == U256::from(1_250_000_000_000_000_000_u64), "L1 paid {paid} wei");
    Ok(())
}

/// Runs two stories at a time and tells what became of each.
fn both(
    one: impl FnOnce() -> Result<()> + Send,
    other: impl FnOnce() -> Result<()> + Send,
) -> Result<()> {
    let (one, other) = std::thread::scope(|scope| {
        // Threads of their own, where runtimes can be started.
        let (one, other) = (scope.spawn(one), scope.spawn(other));
        let panicked = |_| Err(anyhow::anyhow!("a thread panicked"));
        (one.join().unwrap_or_else(panicked), other.join().unwrap_or_else(panicked))
    });
    let failed: Vec<String> =
        [one, other].into_iter().filter_map(|r| r.err().map(|e| format!("{e:#}"))).collect();
    ensure!(failed.is_empty(), "{}", failed.join("\n\n"));
    Ok(())
}

fn viem(dev: &Dev) -> Result<()> {
    let ready = &dev.ready;
    let input = json!({
        "l1Rpc": ready.l1_rpc, "l2Rpc": ready.l2_rpc, "l1ChainId": ready.l1_chain_id,
        "l2ChainId": ready.l2_chain_id, "privateKey": dev.key(4), "contracts": ready.contracts,
    });
    println!("{}", run_node("withdraw.mjs", &input)?);
    Ok(())
}

/// The three commands, each a process of its own, and what comes before and after them.
fn command(dev: &Dev) -> Result<()> {
    let file = dev.data_dir.join("ready.json");
    let run = |args: &[&str]| -> Result<String> {
        let arguments = [&["bridge"], args, &["--ready", path(&file), "--account", "2"]].concat();
        let output = dev.openledger(&arguments)?;
        ensure!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8(output.stdout)?)
    };
    let receiver = "0x000000000000000000000000000000000a11ce03";
    let started = run(&["withdraw", "--amount", "5", "--to", receiver])?;
    let line =
        started.lines().find(|line| line.starts_with("L2 transaction")).context("no hash")?;
    let hash = line.split_whitespace().last().context("no hash")?.to_owned();
    let early = dev.openledger(&[
        "bridge",
        "finalize",
        "--tx",
        &hash,
        "--ready",
        path(&file),
        "--account",
        "2",
    ])?;
    ensure!(!early.status.success(), "a withdrawal was paid without a proof");
    run(&["prove", "--tx", &hash])?;
    let status = run(&["status", "--tx", &hash])?;
    ensure!(status.contains("waiting"), "{status}");
    run(&["finalize", "--tx", &hash])?;
    ensure!(run(&["status", "--tx", &hash])?.ends_with("paid\n"));
    let again = run(&["finalize", "--tx", &hash])?;
    ensure!(again.contains("paid before"), "{again}");
    let held = call(dev, "OPEN", "balanceOf(address)(uint256)", &[receiver])?;
    ensure!(held == U256::from(5) * U256::from(10).pow(U256::from(18)), "{held} wei arrived");
    Ok(())
}

/// A root that is not L2's, and a block that L1 does not determine: both are challenged, nobody proves
/// them, and the proposer's bond goes to the challenger.
fn wrong_proposal(dev: &Dev) -> Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    let head = runtime.block_on(block_number(&dev.ready.verifier_rpc))?;
    let proposer = dev.address(6).to_owned();
    let before = call(dev, "OPEN", "balanceOf(address)(uint256)", &[&proposer])?;
    let root = keccak256("not the root").to_string();
    let games = [propose(dev, 6, &root, head.max(1))?, propose(dev, 6, &root, head + 1_000_000)?];
    for game in &games {
        ensure!(outcome(&runtime, dev, game)? == CHALLENGER_WINS, "a false claim stands");
    }
    let after = call(dev, "OPEN", "balanceOf(address)(uint256)", &[&proposer])?;
    let bond: U256 = BOND.parse()?;
    ensure!(before - after == bond * U256::from(2), "the bonds came back: {before} to {after}");
    for game in &games {
        // Both bonds, the challenger's own and the proposer's.
        let challenger =
            game_call(dev, game, "claimData()(uint32,address,address,bytes32,uint8,uint64)")?;
        let challenger = challenger.lines().nth(1).context("claimData")?.trim().to_owned();
        runtime.block_on(wait_for("the bonds to be paid", 120, || async {
            let credit = run_foundry(
                "cast",
                &[
                    "call",
                    "--rpc-url",
                    &dev.ready.l1_rpc,
                    game,
                    "credit(address)(uint256)",
                    &challenger,
                ],
            )?;
            Ok((credit.trim() == "0").then_some(()))
        }))?;
        let left = call(dev, "BondVault", "balanceOf(address)(uint256)", &[game])?;
        ensure!(left.is_zero(), "{left} wei of bonds are left in {game}");
    }
    Ok(())
}

/// A right proposal that is challenged is proven by the attestors' signatures, and the challenger pays.
fn wrong_challenge(dev: &Dev) -> Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    let griefer = dev.address(7).to_owned();
    let before = call(dev, "OPEN", "balanceOf(address)(uint256)", &[&griefer])?;
    // A stranger's right proposal, of the newest block that L1 determines.
    let (number, root) = runtime.block_on(wait_for("a derived block", 60, || async {
        let number = block_number(&dev.ready.verifier_rpc).await?;
        if number == 0 {
            return Ok(None);
        }
        let output =
            rpc(&dev.ready.verifier_rpc, "optimism_outputAtBlock", json!([format!("{number:#x}")]))
                .await?;
        Ok(Some((number, output["outputRoot"].as_str().context("outputRoot")?.to_owned())))
    }))?;
    let game = match propose(dev, 8, &root, number) {
        Ok(game) => game,
        // The chain's own proposer made the same claim.
        Err(error) if error.to_string().contains("GameAlreadyExists") => {
            let extra = format!("0x{number:064x}{FROM_ANCHOR}");
            let factory = dev.ready.contracts["DisputeGameFactory"].as_str();
            let rpc = dev.ready.l1_rpc.as_str();
            let signature = "games(uint32,bytes32,bytes)(address,uint64)";
            let arguments = ["call", "--rpc-url", rpc, factory, signature, "10", &root, &extra];
            let found = run_foundry("cast", &arguments)?;
            found.lines().next().context("games")?.trim().to_owned()
        }
        Err(error) => return Err(error),
    };
    send(dev, 7, &dev.ready.contracts["OPEN"], "approve(address,uint256)", &[&game, BOND])?;
    send(dev, 7, &game, "challenge()", &[])?;
    ensure!(outcome(&runtime, dev, &game)? == DEFENDER_WINS, "a right claim fell");
    let after = call(dev, "OPEN", "balanceOf(address)(uint256)", &[&griefer])?;
    ensure!(before - after == BOND.parse::<U256>()?, "the griefer paid {}", before - after);
    Ok(())
}

/// Creates a game and returns its address.
fn propose(dev: &Dev, account: usize, root: &str, l2_block: u64) -> Result<String> {
    let factory = dev.ready.contracts["DisputeGameFactory"].clone();
    send(
        dev,
        account,
        &dev.ready.contracts["OPEN"],
        "approve(address,uint256)",
        &[&factory, BOND],
    )?;
    let extra = format!("0x{l2_block:064x}{FROM_ANCHOR}");
    let sent = send(dev, account, &factory, "create(uint32,bytes32,bytes)", &["10", root, &extra])?;
    let created = keccak256("DisputeGameCreated(address,uint32,bytes32)").to_string();
    let logs = sent["logs"].as_array().context("logs")?;
    let log = logs.iter().find(|log| log["topics"][0] == created.as_str()).context("no game")?;
    let topic = hex::decode(log["topics"][1].as_str().context("topic")?)?;
    Ok(hex::encode_prefixed(&topic[12..]))
}

/// What a game comes to.
fn outcome(runtime: &tokio::runtime::Runtime, dev: &Dev, game: &str) -> Result<u64> {
    runtime.block_on(wait_for("a game to be decided", 180, || async {
        let status: u64 = game_call(dev, game, "status()(uint8)")?.trim().parse()?;
        Ok((status != 0).then_some(status))
    }))
}

/// The newest final claim is above genesis and L2's own.
async fn the_anchor_moves(dev: &Dev) -> Result<()> {
    let registry = &dev.ready.contracts["AnchorStateRegistry"];
    let (root, number) = wait_for("the anchor to move", 120, || async {
        let answer = game_call(dev, registry, "getAnchorRoot()(bytes32,uint256)")?;
        let mut lines = answer.lines();
        let root = lines.next().context("root")?.trim().to_owned();
        let number = lines.next().context("number")?;
        let number: u64 = number.split_whitespace().next().context("number")?.parse()?;
        Ok((number > 0).then_some((root, number)))
    })
    .await?;
    let output =
        rpc(&dev.ready.l2_rpc, "optimism_outputAtBlock", json!([format!("{number:#x}")])).await?;
    ensure!(output["outputRoot"] == root.as_str(), "anchor {number}: {root}, L2 has {output}");
    Ok(())
}

fn send(dev: &Dev, account: usize, to: &str, signature: &str, args: &[&str]) -> Result<Value> {
    let rpc = dev.ready.l1_rpc.as_str();
    let mut arguments = vec!["send", "--rpc-url", rpc, "--private-key", dev.key(account), "--json"];
    arguments.extend([to, signature]);
    arguments.extend(args);
    let receipt: Value = serde_json::from_str(&run_foundry("cast", &arguments)?)?;
    ensure!(receipt["status"] == "0x1", "{signature}: {receipt}");
    Ok(receipt)
}

fn game_call(dev: &Dev, contract: &str, signature: &str) -> Result<String> {
    run_foundry("cast", &["call", "--rpc-url", &dev.ready.l1_rpc, contract, signature])
}

fn call(dev: &Dev, contract: &str, signature: &str, args: &[&str]) -> Result<U256> {
    let address = dev.ready.contracts[contract].as_str();
    let mut arguments = vec!["call", "--rpc-url", &dev.ready.l1_rpc, address, signature];
    arguments.extend(args);
    let answer = run_foundry("cast", &arguments)?;
    Ok(answer.split_whitespace().next().context("no answer")?.parse()?)
}
