//! Bad input of every kind: a clear error, nothing lost, and the node goes on.

use std::process::{Command, Stdio};

use alloy_consensus::{SignableTransaction, TxEip1559, TxLegacy};
use alloy_eips::eip2718::Encodable2718;
use alloy_network::TxSignerSync;
use alloy_primitives::{Address, TxKind, U256};
use alloy_signer_local::PrivateKeySigner;
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::harness::{Dev, binary, block_number, path, quantity, root, rpc, rpc_raw, wait_for};

#[tokio::test(flavor = "multi_thread")]
async fn bad_transactions_and_requests_get_clear_errors() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let dev = Dev::start(&dir.path().join("chain"))?;
    let url = dev.ready.l2_rpc.clone();
    let signer: PrivateKeySigner = dev.key(0).parse()?;
    let chain = dev.ready.l2_chain_id;
    let nonce = quantity(
        &rpc(&url, "eth_getTransactionCount", json!([signer.address(), "latest"])).await?,
    )?;

    let transfer = |chain_id: u64, nonce: u64, max_fee: u128| TxEip1559 {
        chain_id,
        nonce,
        gas_limit: 21_000,
        max_fee_per_gas: max_fee,
        max_priority_fee_per_gas: max_fee.min(1_000_000),
        to: TxKind::Call(Address::repeat_byte(0x11)),
        value: U256::from(1),
        ..Default::default()
    };
    let send = async |tx: TxEip1559| -> Result<Value> {
        let raw = sign(tx, &signer)?;
        rpc_raw(&url, "eth_sendRawTransaction", json!([raw])).await
    };

    let gwei = 1_000_000_000_u128;
    refused(&send(transfer(chain + 1, nonce, 2 * gwei)).await?, "chain")?;
    // A good one, then its nonce again.
    let good = send(transfer(chain, nonce, 2 * gwei)).await?;
    let hash = good["result"].as_str().with_context(|| format!("refused: {good}"))?.to_owned();
    wait_for("the transfer", 20, || async {
        let receipt = rpc(&url, "eth_getTransactionReceipt", json!([hash])).await?;
        Ok((!receipt.is_null()).then_some(()))
    })
    .await?;
    refused(&send(transfer(chain, nonce, 2 * gwei)).await?, "nonce too low")?;
    refused(
        &send(TxEip1559 { value: U256::MAX >> 8, ..transfer(chain, nonce + 1, 2 * gwei) }).await?,
        "insufficient funds",
    )?;
    refused(
        &send(TxEip1559 { gas_limit: 20_000, ..transfer(chain, nonce + 1, 2 * gwei) }).await?,
        "intrinsic gas too low",
    )?;
    refused(
        &send(TxEip1559 { max_priority_fee_per_gas: 0, ..transfer(chain, nonce + 1, 2 * gwei) })
            .await?,
        "underpriced",
    )?;

    // A gap waits, and is known meanwhile; filling it releases both.
    let gapped = send(transfer(chain, nonce + 2, 2 * gwei)).await?;
    ensure!(gapped["result"].is_string(), "a gapped nonce is queued: {gapped}");
    refused(&send(transfer(chain, nonce + 2, 2 * gwei)).await?, "already known")?;
    let same_price = TxEip1559 { value: U256::from(2), ..transfer(chain, nonce + 2, 2 * gwei) };
    refused(&send(same_price).await?, "replacement transaction underpriced")?;
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    let count = rpc(&url, "eth_getTransactionCount", json!([signer.address(), "latest"])).await?;
    ensure!(quantity(&count)? == nonce + 1, "a gapped transaction was included");
    let filler = send(transfer(chain, nonce + 1, 2 * gwei)).await?;
    ensure!(filler["result"].is_string(), "{filler}");
    wait_for("both transactions", 20, || async {
        let count =
            rpc(&url, "eth_getTransactionCount", json!([signer.address(), "latest"])).await?;
        Ok((quantity(&count)? == nonce + 3).then_some(()))
    })
    .await?;

    // No replay protection.
    let mut unprotected = TxLegacy {
        chain_id: None,
        nonce: nonce + 3,
        gas_price: 2 * gwei,
        gas_limit: 21_000,
        to: TxKind::Call(Address::repeat_byte(0x11)),
        value: U256::from(1),
        ..Default::default()
    };
    let signature = signer.sign_transaction_sync(&mut unprotected)?;
    let raw = format!("0x{}", hex::encode(unprotected.into_signed(signature).encoded_2718()));
    refused(&rpc_raw(&url, "eth_sendRawTransaction", json!([raw])).await?, "replay-protected")?;
    ensure!(
        rpc_raw(&url, "eth_sendRawTransaction", json!(["0x02ffff"])).await?["error"].is_object()
    );

    // The envelope.
    let client = reqwest::Client::new();
    let post = async |body: String| -> Result<(u16, Value)> {
        let answer =
            client.post(&url).header("content-type", "application/json").body(body).send().await?;
        let status = answer.status().as_u16();
        Ok((status, answer.json().await.unwrap_or(Value::Null)))
    };
    ensure!(post("{".into()).await?.1["error"]["code"] == -32700);
    ensure!(post("{\"jsonrpc\":\"2.0\",\"id\":1}".into()).await?.1["error"]["code"] == -32600);
    ensure!(rpc_raw(&url, "eth_noSuchMethod", json!([])).await?["error"]["code"] == -32601);
    ensure!(rpc_raw(&url, "eth_getBalance", json!(["0x12"])).await?["error"]["code"] == -32602);
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let deep = post(deep).await?.1;
    ensure!(deep[0]["error"]["code"] == -32600, "100,000 nested arrays are no request: {deep}");
    let (status, _) = post(format!("\"{}\"", "x".repeat(64 * 1024 * 1024))).await?;
    ensure!(status == 413, "an oversize body got status {status}");

    // The node goes on.
    let before = block_number(&url).await?;
    wait_for("another block", 10, || async {
        Ok((block_number(&url).await? > before).then_some(()))
    })
    .await
}

fn sign(mut tx: TxEip1559, signer: &PrivateKeySigner) -> Result<String> {
    let signature = signer.sign_transaction_sync(&mut tx)?;
    Ok(format!("0x{}", hex::encode(tx.into_signed(signature).encoded_2718())))
}

fn message(answer: &Value) -> Result<&str> {
    answer["error"]["message"].as_str().with_context(|| format!("no error in {answer}"))
}

fn refused(answer: &Value, text: &str) -> Result<()> {
    let message = message(answer)?;
    ensure!(message.contains(text), "expected \"{text}\", got: {answer}");
    Ok(())
}

#[test]
fn starting_badly_ends_with_one_message() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let run = |args: &[&str], envs: &[(&str, &str)]| -> Result<(bool, String)> {
        let output = Command::new(binary()?)
            .current_dir(root())
            .arg("dev")
            .args(args)
            .envs(envs.iter().copied())
            .stdin(Stdio::null())
            .output()?;
        Ok((output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned()))
    };
    let expect = |(success, stderr): (bool, String), text: &str| -> Result<()> {
        ensure!(!success, "dev succeeded where it must not");
        let errors: Vec<&str> = stderr.lines().filter(|l| l.starts_with("error:")).collect();
        ensure!(errors.len() == 1, "not one message: {stderr}");
        ensure!(errors[0].contains(text), "expected \"{text}\" in: {}", errors[0]);
        Ok(())
    };

    // A taken port.
    let taken = std::net::TcpListener::bind("127.0.0.1:0")?;
    let port = taken.local_addr()?.port().to_string();
    let data = dir.path().join("a");
    expect(run(&["--data-dir", path(&data), "--l2-port", &port], &[])?, "is taken")?;
    // Missing tools.
    let data = dir.path().join("b");
    let free = ["--data-dir", path(&data), "--ports", "free"];
    let anvil = [&free[..], &["--l1", "anvil"]].concat();
    expect(run(&anvil, &[("OPENLEDGER_ANVIL", "/no/anvil")])?, "anvil")?;
    expect(run(&[&free[..], &["--l1-safe-lag", "3"]].concat(), &[])?, "finalized")?;
    expect(
        run(
            &["--data-dir", path(&data), "--ports", "free"],
            &[("OPENLEDGER_MODEL", "/no/model.gguf")],
        )?,
        "model",
    )?;
    // A corrupt data directory.
    let data = dir.path().join("c");
    std::fs::create_dir_all(&data)?;
    std::fs::write(data.join("dev.json"), "{\"schema\":")?;
    expect(run(&["--data-dir", path(&data), "--ports", "free"], &[])?, "is corrupt")?;
    // A directory that cannot be one.
    let file = dir.path().join("file");
    std::fs::write(&file, "x")?;
    expect(run(&["--data-dir", path(&file), "--ports", "free"], &[])?, "data directory")?;
    Ok(())
}
