//! A proposal that outlives its chain. L1 is reorganised below a deposit; with it goes a withdrawal that had nothing
//! else to take from. The proposal and the proof of the withdrawal come back on the L1 that stands, word for word.
//! The contracts take both, as they cannot know better; the challenger does, and nothing is ever paid.

use std::fs;

use alloy_primitives::{U256, keccak256};
use anyhow::{Context, Result, ensure};
use serde_json::json;

use crate::{
    disputes::{CHALLENGER, CHALLENGER_WINS, L1, LIAR, MEDDLER, OWNER, decided, game_type, key},
    harness::{anvil, path, quantity, rpc, wait_for},
    roles::{Process, succeed},
};

/// Holds ether on L1 and nothing on L2.
const NEWCOMER: u32 = 26;
/// L1 blocks after which L2 goes on without batches.
const WINDOW: u64 = 4;

/// The first word after `name` at the begin of a line.
fn word(text: &str, name: &str) -> Result<String> {
    let line = text.lines().find(|line| line.starts_with(name));
    let line = line.with_context(|| format!("no {name:?} in {text}"))?;
    Ok(line[name.len()..].split_whitespace().next().unwrap_or_default().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proposal_over_a_vanished_chain_is_challenged_and_pays_nobody() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let anvil = anvil()?;
    let url = anvil.endpoint();
    let chain = dir.path().join("chain");
    let plan = dir.path().join("plan.json");
    let mut wanted: serde_json::Value =
        serde_json::from_str(&succeed(&["deploy", "--print-plan", "devnet"])?)?;
    wanted["sequencingWindow"] = json!(WINDOW);
    // What is challenged is decided long before; a slow machine must not be too late to challenge.
    wanted["withdrawals"]["challenge"] = json!(300);
    fs::write(&plan, wanted.to_string())?;
    let deploy = ["deploy", "--l1-rpc", &url, "--plan", path(&plan), "--out", path(&chain)];
    succeed(&[&deploy[..], &["--account", OWNER]].concat())?;
    let l1 = L1 {
        addresses: serde_json::from_slice(&fs::read(chain.join("addresses.json"))?)?,
        rollup: serde_json::from_slice(&fs::read(chain.join("rollup.json"))?)?,
        url: url.clone(),
    };
    let (portal, factory, open) =
        (l1.at("OptimismPortal")?, l1.at("DisputeGameFactory")?, l1.at("OPEN")?);
    let start = |role: &str, ready: &str, more: &[&str]| {
        let common = ["node", "--role", role, "--l1-rpc", &url, "--data-dir", path(&chain)];
        Process::start(&dir.path().join(format!("{role}.log")), ready, &[&common, more].concat())
    };
    let follower = start("follower", "head", &["--rpc-port", "0"])?;
    let l2 = follower.said("JSON-RPC")?;
    let challenger = CHALLENGER.to_string();
    let _challenger = start("challenger", "factory", &["--l2-rpc", &l2, "--account", &challenger])?;
    let escrow = || {
        l1.ask(open, &["balanceOf(address)(uint256)", portal])?
            .parse::<U256>()
            .map_err(anyhow::Error::from)
    };
    let (locked, before) = (escrow()?, rpc(&url, "evm_snapshot", json!([])).await?);

    // A deposit, and a withdrawal that takes from it.
    let newcomer = key(NEWCOMER)?.address().to_string();
    let amount = U256::from(5) * U256::from(10).pow(U256::from(18));
    l1.send(MEDDLER, open, &["approve(address,uint256)", portal, &amount.to_string()])?;
    let deposit = "depositERC20Transaction(address,uint256,uint256,uint64,bool,bytes)";
    let (mint, gas) = (amount.to_string(), "100000");
    l1.send(MEDDLER, portal, &[deposit, &newcomer, &mint, &mint, gas, "false", "0x"])?;
    ensure!(escrow()? == locked + amount, "the deposit is not locked");
    let account = NEWCOMER.to_string();
    let over = ["--l1-rpc", &url, "--l2-rpc", &l2, "--portal", portal, "--account", &account];
    let balance =
        || async { quantity(&rpc(&l2, "eth_getBalance", json!([newcomer, "safe"])).await?) };
    wait_for("the deposit on L2", 60, || async { Ok((balance().await? > 0).then_some(())) })
        .await?;
    let withdraw = ["bridge", "withdraw", "--force", "--amount", "3"];
    let made = succeed(&[&withdraw[..], &over].concat())?;
    let (hash, withdrawal) = (word(&made, "L2 transaction")?, word(&made, "withdrawal")?);
    let number: u64 = word(&made, "L2 block")?.parse()?;

    // It is proposed, rightly, and the withdrawal is proven.
    let at = format!("{number:#x}");
    let output = rpc(&l2, "optimism_outputAtBlock", json!([at])).await?;
    let root = output["outputRoot"].as_str().context("no output root")?.to_owned();
    let extra = format!("0x{number:064x}{:08x}", u32::MAX);
    let game_type = game_type(&l1, factory)?;
    let create = ["create(uint32,bytes32,bytes)", &game_type, &root, &extra];
    l1.allow(LIAR, factory)?;
    l1.send(LIAR, factory, &create)?;
    let proven =
        word(&succeed(&[&["bridge", "prove", "--tx", &hash], &over[..]].concat())?, "proven")?;
    let proof = rpc(&url, "eth_getTransactionByHash", json!([proven])).await?;
    let proof = proof["input"].as_str().context("no input")?.to_owned();

    // L1 becomes another. What was said before is said again.
    ensure!(rpc(&url, "evm_revert", json!([before])).await? == json!(true), "not reverted");
    ensure!(escrow()? == locked && l1.games()?.is_empty(), "L1 is as it was");
    wait_for("the deposit to vanish from L2", 120, || async {
        let there = rpc(&l2, "eth_getTransactionReceipt", json!([hash])).await?;
        Ok((there.is_null() && balance().await? == 0).then_some(()))
    })
    .await?;
    let liar = l1.held(LIAR)?;
    l1.allow(LIAR, factory)?;
    l1.send(LIAR, factory, &create)?;
    // A proof is later than its game.
    rpc(&url, "evm_increaseTime", json!([2])).await?;
    rpc(&url, "evm_mine", json!([])).await?;
    l1.send(NEWCOMER, portal, &[&proof])?;
    let submitters = l1.ask(portal, &["numProofSubmitters(bytes32)(uint256)", &withdrawal])?;
    ensure!(submitters == "1", "the proof was not taken: {submitters}");
    let [game] = l1.games()?.try_into().map_err(|games| anyhow::anyhow!("games {games:?}"))?;

    decided(&l1, &game, CHALLENGER_WINS).await?;
    ensure!(l1.held(LIAR)? < liar, "the bond came back");
    // However long one waits.
    rpc(&url, "evm_increaseTime", json!([86_400])).await?;
    rpc(&url, "evm_mine", json!([])).await?;
    let check = ["checkWithdrawal(bytes32,address)", &withdrawal, &newcomer];
    let refused = match l1.ask(portal, &check) {
        Ok(_) => anyhow::bail!("it would be paid"),
        Err(error) => format!("{error:#}"),
    };
    let selector = keccak256("OptimismPortal_InvalidRootClaim()").to_string()[..10].to_owned();
    ensure!(
        refused.contains(&selector) || refused.contains("InvalidRootClaim"),
        "refused for another reason: {refused}"
    );
    let paid = l1.ask(portal, &["finalizedWithdrawals(bytes32)(bool)", &withdrawal])?;
    ensure!(paid == "false" && escrow()? == locked, "OPEN left the escrow");
    follower.stop()
}
