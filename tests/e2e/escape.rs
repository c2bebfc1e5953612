//! The escape hatch. The sequencer, its batcher and its proposer die and never come back. A stranger who
//! has an L1 URL and the chain's two public files derives on, forces a contribution to a Datanet and a withdrawal
//! into L2, proposes, proves, and receives OPEN on L1.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
    sync::mpsc,
    time::Duration,
};

use alloy_primitives::{Address, B256, U256, hex, keccak256};
use alloy_sol_types::{SolCall, sol};
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
/// Who contributes, of the accounts that everybody has the keys of.
const CONTRIBUTOR: usize = 5;
/// Bond of a contribution, wei: 0.1 OPEN.
const BOND: u64 = 100_000_000_000_000_000;
/// `IDatanetRegistry.Status.Revealed`.
const REVEALED: u8 = 2;

sol! {
    struct DatanetParams {
        string name; string licence; bytes32 licenceTextHash; bytes32 schemaHash; uint96 bond; uint32 revealWindow;
        address[] curators;
    }
    struct Reveal {
        bytes32 contentHash; bytes32 chunkRoot; uint32 chunkCount; uint32 byteLength; bytes32 sketchHash;
        bytes32 licenceHash; uint256[] provenance; string archive; bytes32 salt;
    }
    struct Contribution {
        uint256 datanetId; address contributor; uint8 status; uint64 sequence; uint64 committedAt; uint96 bond;
        bytes32 commitment; bytes32 contentHash; bytes32 chunkRoot; uint32 chunkCount; uint32 byteLength;
        bytes32 sketchHash;
    }
    interface Registry {
        function createDatanet(DatanetParams params) external returns (uint256 datanetId);
        function commitmentOf(uint256 datanetId, address contributor, Reveal reveal) external view returns (bytes32);
        function commit(uint256 datanetId, bytes32 commitment) external payable returns (uint256 contributionId);
        function reveal(uint256 contributionId, Reveal r) external;
        function contributionCount() external view returns (uint256);
        function contribution(uint256 contributionId) external view returns (Contribution memory);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_leaves_without_the_operator() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let anvil = anvil()?;
    let l1 = anvil.endpoint();
    let data = dir.path().join("operator");
    let dev = Dev::start_with(
        &data,
        &["--l1-url", &l1, "--l1-block-time", "1", "--sequencing-window", WINDOW],
    )?;
    let ready = dev.ready.clone();
    let registry = ready.contracts["DatanetRegistry"].clone();
    let contributor = dev.address(CONTRIBUTOR).to_owned();
    found_datanet(&ready.l2_rpc, &registry, dev.key(0))?;
    // What the operator's last blocks held and L1 has not is lost with it.
    let founded = block_number(&ready.l2_rpc).await?;
    wait_for("a safe head", 120, || async {
        let safe = rpc(&ready.l2_rpc, "eth_getBlockByNumber", json!(["safe", false])).await?;
        Ok((quantity(&safe["number"])? >= founded.max(5)).then_some(()))
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
    let before_contribution = open_on_l1(&l1, &ready.contracts["OPEN"], &contributor)?;
    contribute(&l2, &registry, &contributor, &chain).await?;
    let after_contribution = open_on_l1(&l1, &ready.contracts["OPEN"], &contributor)?;
    ensure!(
        before_contribution - after_contribution == U256::from(BOND),
        "the bond was not the contributor's OPEN on L1"
    );
    let escrow = escrow + U256::from(BOND);
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

/// A Datanet that asks for a bond, while there is a sequencer.
fn found_datanet(l2: &str, registry: &str, key: &str) -> Result<()> {
    let params = DatanetParams {
        name: "Harbours".into(),
        licence: "CC0-1.0".into(),
        licenceTextHash: keccak256("CC0-1.0"),
        schemaHash: B256::ZERO,
        bond: U256::from(BOND).to(),
        revealWindow: 3_600,
        curators: Vec::new(),
    };
    let data = hex::encode_prefixed(Registry::createDatanetCall { params }.abi_encode());
    run_foundry("cast", &["send", "--rpc-url", l2, "--private-key", key, registry, &data])?;
    Ok(())
}

/// Commits to a document and reveals it, both by deposits on L1. The bond is minted by the first.
async fn contribute(l2: &str, registry: &str, contributor: &str, chain: &[&str]) -> Result<()> {
    let reveal = Reveal {
        contentHash: keccak256("a page of the harbour book"),
        chunkRoot: keccak256("its chunks"),
        chunkCount: 1,
        byteLength: 900,
        sketchHash: keccak256("its sketch"),
        licenceHash: keccak256("CC0-1.0"),
        provenance: Vec::new(),
        archive: String::new(),
        salt: keccak256("salt"),
    };
    let (datanet, sender): (U256, Address) = (U256::ONE, contributor.parse()?);
    let call = Registry::commitmentOfCall {
        datanetId: datanet,
        contributor: sender,
        reveal: reveal.clone(),
    };
    let commitment = read(l2, registry, &call).await?;
    let account = CONTRIBUTOR.to_string();
    let force = |amount: &str, data: Vec<u8>| {
        let data = hex::encode_prefixed(data);
        let deposit = ["bridge", "deposit", "--amount", amount, "--to", registry, "--data", &data];
        openledger(&[&deposit[..], &["--account", &account], chain].concat())
    };
    let commit = Registry::commitCall { datanetId: datanet, commitment };
    println!("{}", force("0.1", commit.abi_encode())?);
    let id = read(l2, registry, &Registry::contributionCountCall {}).await?;
    let reveal_call = Registry::revealCall { contributionId: id, r: reveal.clone() };
    println!("{}", force("0", reveal_call.abi_encode())?);

    let held = read(l2, registry, &Registry::contributionCall { contributionId: id }).await?;
    ensure!(
        held.contributor == sender
            && held.status == REVEALED
            && held.contentHash == reveal.contentHash
            && held.bond == U256::from(BOND).to::<alloy_primitives::Uint<96, 2>>(),
        "L2 has contribution {id} as {} of {}",
        held.status,
        held.contributor
    );
    Ok(())
}

async fn read<C: SolCall>(l2: &str, to: &str, call: &C) -> Result<C::Return> {
    let request = json!([{"to": to, "data": hex::encode_prefixed(call.abi_encode())}, "latest"]);
    let answer = rpc(l2, "eth_call", request).await?;
    Ok(C::abi_decode_returns(&hex::decode(answer.as_str().context("no data")?)?)?)
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
