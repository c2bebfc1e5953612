//! `debug_intermediateRoots` over the suite's chain, where two things say what it must give: before Byzantium
//! each receipt holds the root after its transaction, and after the merge a block that ends without
//! withdrawals and requests ends with its last transaction.

use anyhow::{Result, ensure};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn roots_between_transactions() -> Result<()> {
    let Some(folder) = super::folder() else {
        println!("skipped: the suite is not here; name its folder with {}", super::FOLDER);
        return Ok(());
    };
    let directory = tempfile::tempdir()?;
    let node = super::start(&folder, directory.path()).await?;
    let client = reqwest::Client::new();
    let url = format!("http://{}", node.rpc_addr());
    let call = async |method: &str, params: Value| -> Result<Value> {
        let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let answer: Value = client.post(&url).json(&request).send().await?.json().await?;
        ensure!(answer["error"].is_null(), "{method}: {answer}");
        Ok(answer["result"].clone())
    };
    let (mut from_receipts, mut from_headers) = (0, 0);
    for number in 1..=node.chain().heads().unsafe_head.number {
        let tag = format!("{number:#x}");
        let block = call("eth_getBlockByNumber", json!([tag, false])).await?;
        let receipts = call("eth_getBlockReceipts", json!([tag])).await?;
        let roots = call("debug_intermediateRoots", json!([block["hash"]])).await?;
        let receipts = receipts.as_array().map_or(&[][..], Vec::as_slice);
        let roots = roots.as_array().map_or(&[][..], Vec::as_slice);
        ensure!(roots.len() == receipts.len(), "block {number} has {} roots", roots.len());
        for (receipt, root) in receipts.iter().zip(roots) {
            if let Some(expected) = receipt.get("root") {
                ensure!(expected == root, "block {number}: {root} instead of {receipt}");
                from_receipts += 1;
            }
        }
        let withdrawals = block["withdrawals"].as_array().is_some_and(|all| !all.is_empty());
        let ends_there =
            block["difficulty"] == "0x0" && !withdrawals && block["requestsHash"].is_null();
        if let (true, Some(last)) = (ends_there, roots.last()) {
            ensure!(*last == block["stateRoot"], "block {number} ends with another root");
            from_headers += 1;
        }
    }
    node.shutdown();
    node.join().await?;
    println!("{from_receipts} roots as in receipts, {from_headers} as in headers");
    ensure!(from_receipts > 0 && from_headers > 0, "the chain shows nothing");
    Ok(())
}
