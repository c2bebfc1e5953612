//! The clients people use, unmodified: cast, forge, viem, ethers, web3.py, Hardhat, the OpenAI and the
//! x402 library.

use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use crate::{
    coverage,
    harness::{Dev, foundry, path, root, run_foundry, run_node, run_python},
    verification,
};

#[tokio::test(flavor = "multi_thread")]
async fn wallets_foundry_and_openai_clients_work() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let compiler = root().join("scripts/solc").canonicalize()?;
    let dev = Dev::start_with(&dir.path().join("chain"), &["--verify-solc", path(&compiler)])?;
    let project = build_project(dir.path())?;

    // Each has accounts of its own, so that they can share the chain.
    let foundry = || -> Result<()> {
        cast(&dev)?;
        let deployed = forge_create(&dev, &project, "Box", 2, &[])?;
        cast_contract(&dev, &deployed.address)?;
        forge_script(&dev, dir.path())
    };
    // On a thread that may wait: the calls are asynchronous.
    let runtime = tokio::runtime::Handle::current();
    let verify = || -> Result<()> {
        let boxed = forge_create(&dev, &project, "Box", 1, &[])?;
        let arguments = ["7", "1000"];
        let probe = forge_create(&dev, &project, "Probe", 1, &arguments)?;
        let encoded: String = arguments
            .iter()
            .map(|number| Ok(format!("{:064x}", number.parse::<u64>()?)))
            .collect::<Result<_>>()?;
        runtime.block_on(verification::sources_are_verified(
            &dev,
            &project.root,
            (&probe.address, &probe.transaction, &encoded),
            &boxed.address,
        ))
    };
    let run = |script: &str, account: usize, contract: &Contract| -> Result<()> {
        let input = json!({
            "rpc": dev.ready.l2_rpc, "ws": dev.ready.l2_ws, "chainId": dev.ready.l2_chain_id,
            "privateKey": dev.key(account), "abi": contract.abi, "bytecode": contract.bytecode,
        });
        let runner = if script.ends_with(".py") { run_python } else { run_node };
        println!("{}", runner(script, &input)?);
        Ok(())
    };
    let results = std::thread::scope(|scope| {
        let threads = [
            scope.spawn(foundry),
            scope.spawn(verify),
            scope.spawn(|| run("viem.mjs", 4, &project.box_)),
            scope.spawn(|| run("ethers.mjs", 5, &project.probe)),
            scope.spawn(|| run("web3py.py", 6, &project.probe)),
            scope.spawn(|| run("hardhat.mjs", 7, &project.probe)),
        ];
        threads.map(|thread| thread.join().unwrap_or_else(|_| bail!("a client's thread panicked")))
    });
    let failed: Vec<String> =
        results.into_iter().filter_map(|r| r.err().map(|e| format!("{e:#}"))).collect();
    ensure!(failed.is_empty(), "{}", failed.join("\n\n"));

    coverage::every_method_answers(&dev).await?;
    let model = openai(&dev)?;
    refused_by_the_economy(&dev, &model).await
}

/// A tester's own Foundry project outside the repository, with the repository's compiler.
struct Project {
    root: std::path::PathBuf,
    box_: Contract,
    probe: Contract,
}

struct Contract {
    abi: Value,
    bytecode: String,
}

fn build_project(dir: &std::path::Path) -> Result<Project> {
    let project = dir.join("own-project");
    std::fs::create_dir_all(project.join("src"))?;
    std::fs::create_dir_all(project.join("script"))?;
    for source in ["Box.sol", "Probe.sol"] {
        let from = root().join("tests/data/contracts").join(source);
        std::fs::copy(from, project.join("src").join(source))?;
    }
    std::fs::copy(
        root().join("tests/data/contracts/DeployBox.s.sol"),
        project.join("script/DeployBox.s.sol"),
    )?;
    let solc = root().join("scripts/solc").canonicalize()?;
    let libs = root().join("node_modules").canonicalize()?;
    std::fs::write(
        project.join("foundry.toml"),
        format!(
            "[profile.default]\nsrc = \"src\"\nscript = \"script\"\nout = \"out\"\nlibs = []\n\
             offline = true\nsolc = {:?}\nauto_detect_remappings = false\nallow_paths = [{:?}]\n\
             remappings = [\"forge-std/={}/@layerzerolabs/toolbox-foundry/lib/forge-std/\"]\n\
             ignored_error_codes = [4591]\nignored_warnings_from = [{:?}]\n",
            path(&solc),
            path(&libs),
            path(&libs),
            path(&libs)
        ),
    )?;
    forge_in(&project, &["build"])?;
    let artifact = |name: &str| -> Result<Contract> {
        let file = project.join(format!("out/{name}.sol/{name}.json"));
        let artifact: Value = serde_json::from_slice(&std::fs::read(file)?)?;
        Ok(Contract {
            abi: artifact["abi"].clone(),
            bytecode: artifact["bytecode"]["object"].as_str().context("bytecode")?.to_owned(),
        })
    };
    Ok(Project { box_: artifact("Box")?, probe: artifact("Probe")?, root: project })
}

fn forge_in(project: &std::path::Path, args: &[&str]) -> Result<String> {
    let output = Command::new(foundry("forge")?)
        .current_dir(project)
        .env("FOUNDRY_DISABLE_NIGHTLY_WARNING", "1")
        .args(args)
        .output()?;
    ensure!(
        output.status.success(),
        "forge {}: {}\n{}",
        args.join(" "),
        String::from_utf8_lossy(&output.stderr),
        String::from_utf8_lossy(&output.stdout)
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn cast(dev: &Dev) -> Result<()> {
    let rpc = ["--rpc-url", dev.ready.l2_rpc.as_str()];
    let chain_id = run_foundry("cast", &["chain-id", rpc[0], rpc[1]])?;
    ensure!(chain_id.trim() == dev.ready.l2_chain_id.to_string(), "cast chain-id: {chain_id}");
    let sent: Value = serde_json::from_str(&run_foundry(
        "cast",
        &[
            "send",
            rpc[0],
            rpc[1],
            "--private-key",
            dev.key(0),
            "--json",
            dev.address(1),
            "--value",
            "1ether",
        ],
    )?)?;
    ensure!(sent["status"] == "0x1", "cast send: {sent}");
    let hash = sent["transactionHash"].as_str().context("transactionHash")?;
    let receipt: Value =
        serde_json::from_str(&run_foundry("cast", &["receipt", rpc[0], rpc[1], hash, "--json"])?)?;
    ensure!(receipt["gasUsed"] == "0x5208", "cast receipt: {receipt}");
    let tx: Value =
        serde_json::from_str(&run_foundry("cast", &["tx", rpc[0], rpc[1], hash, "--json"])?)?;
    ensure!(tx["hash"] == hash, "cast tx: {tx}");
    run_foundry("cast", &["block", rpc[0], rpc[1], "latest"])?;
    Ok(())
}

struct Created {
    address: String,
    transaction: String,
}

fn forge_create(
    dev: &Dev,
    project: &Project,
    name: &str,
    account: usize,
    arguments: &[&str],
) -> Result<Created> {
    let contract = format!("src/{name}.sol:{name}");
    let mut args = vec!["create", &contract, "--rpc-url", &dev.ready.l2_rpc, "--private-key"];
    args.extend([dev.key(account), "--broadcast", "--json"]);
    if !arguments.is_empty() {
        args.push("--constructor-args");
        args.extend(arguments);
    }
    let created: Value = serde_json::from_str(&forge_in(&project.root, &args)?)?;
    let text = |name: &str| created[name].as_str().map(str::to_owned).context("forge create");
    Ok(Created { address: text("deployedTo")?, transaction: text("transactionHash")? })
}

fn cast_contract(dev: &Dev, contract: &str) -> Result<()> {
    let rpc = dev.ready.l2_rpc.as_str();
    run_foundry(
        "cast",
        &["send", "--rpc-url", rpc, "--private-key", dev.key(2), contract, "set(uint256)", "7"],
    )?;
    let value = run_foundry("cast", &["call", "--rpc-url", rpc, contract, "value()(uint256)"])?;
    ensure!(value.trim() == "7", "cast call: {value}");
    let logs: Value = serde_json::from_str(&run_foundry(
        "cast",
        &[
            "logs",
            "--rpc-url",
            rpc,
            "--address",
            contract,
            "--from-block",
            "0",
            "--json",
            "Set(address indexed,uint256)",
        ],
    )?)?;
    ensure!(logs.as_array().is_some_and(|logs| logs.len() == 1), "cast logs: {logs}");
    let failed = run_foundry("cast", &["call", "--rpc-url", rpc, contract, "fail()"])
        .err()
        .context("a revert must be an error")?;
    ensure!(failed.to_string().contains("revert"), "cast call fail(): {failed}");
    Ok(())
}

fn forge_script(dev: &Dev, dir: &std::path::Path) -> Result<()> {
    let project = dir.join("own-project");
    let output = forge_in(
        &project,
        &[
            "script",
            "script/DeployBox.s.sol:DeployBox",
            "--rpc-url",
            &dev.ready.l2_rpc,
            "--private-key",
            dev.key(3),
            "--broadcast",
            "--json",
        ],
    )?;
    ensure!(!output.is_empty(), "forge script printed nothing");
    let run: Value = serde_json::from_slice(&std::fs::read(
        project
            .join(format!("broadcast/DeployBox.s.sol/{}/run-latest.json", dev.ready.l2_chain_id)),
    )?)?;
    let receipts = run["receipts"].as_array().context("receipts")?;
    ensure!(receipts.len() == 3, "forge script sent {} transactions", receipts.len());
    for receipt in receipts {
        ensure!(receipt["status"] == "0x1", "forge script: {receipt}");
    }
    Ok(())
}

/// Sets a model up through the demo, then uses it with the OpenAI library.
fn openai(dev: &Dev) -> Result<String> {
    let report = dev.demo_with(&["--no-escape"])?;
    let model = report["model"].as_str().context("the demo names its model")?;
    let key = report["apiKey"].as_str().context("the demo names its customer's API key")?;
    let done = run_node(
        "openai.mjs",
        &json!({
            "gateway": dev.ready.gateway, "apiKey": key, "model": model,
            "question": "What is a checkpoint in write-ahead logging?",
        }),
    )?;
    println!("openai: {done}");
    // Without account and escrow, by the x402 library.
    let paid = run_node(
        "x402.mjs",
        &json!({
            "rpc": dev.ready.l2_rpc, "gateway": dev.ready.gateway, "chainId": dev.ready.l2_chain_id,
            "privateKey": dev.key(3), "model": model, "question": "What does a checkpoint do?",
        }),
    )?;
    println!("x402: {paid}");
    Ok(model.to_owned())
}

/// What contributors, customers and claimants must not get away with, on the running chain.
async fn refused_by_the_economy(dev: &Dev, model: &str) -> Result<()> {
    let client = reqwest::Client::new();

    // A document that is not the one its contribution committed to.
    let url = format!("{}/v1/datanets/1/contributions/1/content", dev.ready.gateway);
    let answer = client.put(&url).body("Not what was revealed.").send().await?;
    ensure!(answer.status() == 409, "a wrong document got {}", answer.status());
    let error: Value = answer.json().await?;
    ensure!(error["error"]["code"] == "wrong_document", "{error}");

    // A customer whose escrow cannot cover an answer.
    let ready = dev.data_dir.join("ready.json");
    let output = dev.openledger(&[
        "customer",
        "key",
        "--account",
        "8",
        "--budget",
        "0.000001",
        "--ready",
        path(&ready),
    ])?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let key = String::from_utf8(output.stdout)?;
    let url = format!("{}/v1/chat/completions", dev.ready.gateway);
    let body = json!({"model": model, "messages": [{"role": "user", "content": "What is WAL?"}]});
    let answer = client.post(&url).bearer_auth(key.trim()).json(&body).send().await?;
    ensure!(answer.status() == 402, "an exhausted escrow got {}", answer.status());

    // A claim with a forged proof, and a reveal of what was never committed.
    let call = |contract: &str, signature: &str, arguments: &[&str]| -> Result<String> {
        let mut args =
            vec!["call", "--rpc-url", dev.ready.l2_rpc.as_str(), "--from", dev.address(4)];
        let address = &dev.ready.contracts[contract];
        args.extend([address.as_str(), signature]);
        args.extend(arguments);
        let refused = run_foundry("cast", &args).err();
        Ok(refused.with_context(|| format!("{contract}.{signature} succeeded"))?.to_string())
    };
    let forged = call(
        "AttributionSettlement",
        "claim(uint256,address,uint128,uint256,(bytes32,uint128)[])",
        &["1", dev.address(4), "1000000000000000000", "0", "[]"],
    )?;
    ensure!(forged.contains("revert"), "a forged claim: {forged}");
    let zero = "0x0000000000000000000000000000000000000000000000000000000000000001";
    let reveal = format!("({zero},{zero},1,1,{zero},{zero},[],none,{zero})");
    let uncommitted = call(
        "DatanetRegistry",
        "reveal(uint256,(bytes32,bytes32,uint32,uint32,bytes32,bytes32,uint256[],string,bytes32))",
        &["999999", &reveal],
    )?;
    ensure!(uncommitted.contains("revert"), "a reveal without a commit: {uncommitted}");
    Ok(())
}
