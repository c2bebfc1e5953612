//! Etherscan's API over a script in the compiler's place, which prints what a test prepared.

use std::{os::unix::fs::PermissionsExt, path::Path, time::Duration};

use alloy_consensus::TxEip1559;
use alloy_primitives::{Address, Bytes, TxKind, hex};
use sequencer_node::VerificationConfig;
use serde_json::{Value, json};

use crate::{
    execution::with_init,
    harness::{CHAIN, Running, World, l1_block},
};

const VERSION: &str = "v0.8.37+commit.f401782d";

/// Code that stops at once, with `{"ipfs": <hash>}` behind it as Solidity's.
fn runtime(hash: u8) -> Vec<u8> {
    let mut code = vec![0x00, 0xa1, 0x64];
    code.extend(b"ipfs");
    code.extend([0x41, hash, 0x00, 0x08]);
    code
}

/// A compiler of which every input gives a contract `A` with this code, once `go` exists.
fn compiler(directory: &Path, runtime: &[u8]) -> VerificationConfig {
    let creation = with_init(runtime.to_vec());
    let output = json!({"contracts": {"a.sol": {"A": {
        "abi": [{"type": "fallback", "stateMutability": "payable"}],
        "evm": {
            "bytecode": {"object": hex::encode(&creation)},
            "deployedBytecode": {"object": hex::encode(runtime), "immutableReferences": {}},
        },
    }}}});
    let folder = directory.display();
    std::fs::write(directory.join("output"), output.to_string()).unwrap();
    let path = directory.join("solc");
    let script = format!(
        "#!/bin/sh\nif [ \"$1\" = --version ]; then echo Version: 0.8.37+commit.f401782d.x; exit; fi\n\
         cat > /dev/null\nwhile [ ! -e {folder}/go ]; do sleep 0.02; done\ncat {folder}/output\n"
    );
    std::fs::write(&path, script).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    VerificationConfig { compilers: vec![path], ..Default::default() }
}

async fn api(node: &Running, fields: &[(&str, &str)]) -> Value {
    let encode =
        |text: &str| -> String { text.bytes().map(|byte| format!("%{byte:02x}")).collect() };
    let body: Vec<String> =
        fields.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
    let request = node
        .http
        .post(format!("{}/api", node.url))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(body.join("&"));
    serde_json::from_slice(&request.send().await.unwrap().bytes().await.unwrap()).unwrap()
}

async fn get(node: &Running, query: &str) -> Value {
    let url = format!("{}/api/?module=contract&{query}", node.url);
    let response = node.http.get(url).send().await.unwrap();
    serde_json::from_slice(&response.bytes().await.unwrap()).unwrap()
}

async fn submit(node: &Running, address: &str, version: &str, arguments: &str) -> Value {
    let source = r#"{"language":"Solidity","sources":{"a.sol":{"content":"contract A {}"}}}"#;
    api(
        node,
        &[
            ("module", "contract"),
            ("action", "verifysourcecode"),
            ("contractaddress", address),
            ("sourceCode", source),
            ("codeformat", "solidity-standard-json-input"),
            ("contractname", "a.sol:A"),
            ("compilerversion", version),
            ("constructorArguements", arguments),
        ],
    )
    .await
}

/// The outcome of a submission that was taken.
async fn outcome(node: &Running, submitted: &Value) -> Value {
    assert_eq!(submitted["status"], "1", "{submitted}");
    let id = submitted["result"].as_str().unwrap();
    for _ in 0..600 {
        let status = get(node, &format!("action=checkverifystatus&guid={id}")).await;
        if status["result"] != "Pending in queue" {
            return status;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the verification did not end");
}

async fn deploy(world: &World, node: &Running, init: &[u8]) -> Value {
    let transaction = TxEip1559 {
        chain_id: CHAIN,
        gas_limit: 500_000,
        max_fee_per_gas: 3_000_000_000,
        max_priority_fee_per_gas: 1_000_000,
        to: TxKind::Create,
        input: Bytes::copy_from_slice(init),
        ..Default::default()
    };
    node.sealed(world.sign(0, transaction)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn sources_are_verified_and_survive_a_restart() {
    let world = World::new(2);
    let directory = tempfile::tempdir().unwrap();
    let store = world.open(&directory.path().join("store"));
    let verification = compiler(directory.path(), &runtime(7));
    std::fs::write(directory.path().join("go"), "").unwrap();
    let node = Running::try_start(&world, store, |config| config.verification = verification)
        .await
        .unwrap();
    node.l1_block(l1_block(0, world.genesis.timestamp, Vec::new())).await;

    let arguments = "00000000000000000000000000000000000000000000000000000000000000ff";
    let init = [with_init(runtime(7)).to_vec(), hex::decode(arguments).unwrap()].concat();
    let receipt = deploy(&world, &node, &init).await;
    let address = receipt["contractAddress"].as_str().unwrap().to_owned();

    let unverified = get(&node, &format!("action=getabi&address={address}")).await;
    assert_eq!(unverified["result"], "Contract source code not verified");
    let nobody = Address::repeat_byte(9).to_string();
    let nothing = submit(&node, &nobody, VERSION, "").await;
    assert!(nothing["result"].as_str().unwrap().starts_with("Unable to locate ContractCode at"));
    let other = submit(&node, &address, "v0.8.36+commit.00000000", "").await;
    assert!(other["result"].as_str().unwrap().contains(VERSION), "{other}");

    let wrong = submit(&node, &address, VERSION, &"11".repeat(32)).await;
    let wrong = outcome(&node, &wrong).await;
    assert_eq!(wrong["result"], "Fail - Unable to verify");
    assert!(wrong["reason"].as_str().unwrap().contains(arguments), "{wrong}");

    let right = submit(&node, &address, VERSION, arguments).await;
    assert_eq!(outcome(&node, &right).await["result"], "Pass - Verified");
    let again = submit(&node, &address, VERSION, arguments).await;
    assert_eq!(again["result"], "Contract source code already verified");
    let created =
        get(&node, &format!("action=getcontractcreation&contractaddresses={address}")).await;
    assert_eq!(created["result"][0]["txHash"], receipt["transactionHash"]);
    assert_eq!(created["result"][0]["contractCreator"], receipt["from"]);

    node.stop().await;
    let store = world.open(&directory.path().join("store"));
    let node = Running::start(&world, store).await;
    let abi = get(&node, &format!("action=getabi&address={address}")).await;
    let abi: Value = serde_json::from_str(abi["result"].as_str().unwrap()).unwrap();
    assert_eq!(abi, json!([{"type": "fallback", "stateMutability": "payable"}]));
    let source = get(&node, &format!("action=getsourcecode&address={address}")).await;
    let source = &source["result"][0];
    assert_eq!(source["ContractName"], "A");
    assert_eq!(source["CompilerVersion"], VERSION);
    assert_eq!(source["ConstructorArguments"], arguments);
    assert_eq!((&source["Match"], &source["CreationKnown"]), (&json!("full"), &json!("1")));
    let off = submit(&node, &address, VERSION, "").await;
    assert!(off["result"].as_str().unwrap().contains("no compiler"), "{off}");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn submissions_wait_in_a_bounded_queue() {
    let world = World::new(2);
    let directory = tempfile::tempdir().unwrap();
    let store = world.open(&directory.path().join("store"));
    // Other code than what is deployed.
    let verification = VerificationConfig { queue_max: 2, ..compiler(directory.path(), &[0x01]) };
    let node = Running::try_start(&world, store, |config| config.verification = verification)
        .await
        .unwrap();
    node.l1_block(l1_block(0, world.genesis.timestamp, Vec::new())).await;
    let receipt = deploy(&world, &node, &with_init(runtime(7))).await;
    let address = receipt["contractAddress"].as_str().unwrap();

    // One is compiled, two wait; the worker takes the first at its leisure.
    let mut taken = Vec::new();
    let refused = loop {
        let submitted = submit(&node, address, VERSION, "").await;
        if submitted["status"] == "0" {
            break submitted;
        }
        taken.push(submitted);
        assert!(taken.len() <= 3, "the queue has no bound");
    };
    assert!(refused["result"].as_str().unwrap().contains("too many"), "{refused}");
    assert!(taken.len() >= 2);
    std::fs::write(directory.path().join("go"), "").unwrap();
    for submitted in &taken {
        let failed = outcome(&node, submitted).await;
        assert_eq!(failed["result"], "Fail - Unable to verify");
        assert!(failed["reason"].as_str().unwrap().contains("differs"), "{failed}");
    }
    let unknown = get(&node, "action=checkverifystatus&guid=00").await;
    assert_eq!(unknown["result"], "Unknown UID");
    node.stop().await;
}
