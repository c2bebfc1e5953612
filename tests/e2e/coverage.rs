//! Every JSON-RPC method that clients may expect, asked once. What is missing is listed, so that neither the list nor
//! `docs/rpc.md` can say more or less than the node answers.

use alloy_consensus::{SignableTransaction, TxEip1559};
use alloy_eips::eip2718::Encodable2718;
use alloy_network::TxSignerSync;
use alloy_primitives::{Address, TxKind, U256};
use alloy_signer_local::PrivateKeySigner;
use anyhow::{Context, Result, bail, ensure};
use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::harness::{Dev, quantity, root, rpc, rpc_admin, rpc_raw};

/// Methods of [`METHODS`] that the node does not answer yet. Take a name off when its method arrives.
const MISSING: &[&str] = &[];

/// The shape of a good answer.
#[derive(Clone, Copy, Debug)]
enum Answer {
    /// `0x…` without leading zeros.
    Quantity,
    /// `0x…` of whole bytes.
    Data,
    /// `0x…` of 32 bytes.
    Word,
    /// A string that is no hex.
    Text,
    Bool,
    /// A JSON number.
    Number,
    Object,
    Array,
    /// `null`, since what was asked for does not exist.
    Null,
    /// An error with this code, since what was asked for cannot be had.
    Error(i64),
}
use Answer::{Array, Bool, Data, Error, Null, Number, Object, Quantity, Text, Word};

/// A method, its parameters, and what comes back. `$names` in the parameters are replaced by [`Names`].
const METHODS: &[(&str, &str, Answer)] = &[
    ("web3_clientVersion", "[]", Text),
    ("web3_sha3", r#"["0x00"]"#, Word),
    ("net_version", "[]", Text),
    ("net_listening", "[]", Bool),
    ("net_peerCount", "[]", Quantity),
    ("rpc_modules", "[]", Object),
    ("eth_chainId", "[]", Quantity),
    ("eth_blockNumber", "[]", Quantity),
    ("eth_syncing", "[]", Bool),
    ("eth_accounts", "[]", Array),
    ("eth_coinbase", "[]", Data),
    // Blocks.
    ("eth_getBlockByNumber", r#"["$number", true]"#, Object),
    ("eth_getBlockByHash", r#"["$block", false]"#, Object),
    ("eth_getHeaderByNumber", r#"["$number"]"#, Object),
    ("eth_getHeaderByHash", r#"["$block"]"#, Object),
    ("eth_getBlockTransactionCountByNumber", r#"["$number"]"#, Quantity),
    ("eth_getBlockTransactionCountByHash", r#"["$block"]"#, Quantity),
    ("eth_getBlockReceipts", r#"["$number"]"#, Array),
    ("eth_getUncleCountByBlockNumber", r#"["$number"]"#, Quantity),
    ("eth_getUncleCountByBlockHash", r#"["$block"]"#, Quantity),
    ("eth_getUncleByBlockNumberAndIndex", r#"["$number", "0x0"]"#, Null),
    ("eth_getUncleByBlockHashAndIndex", r#"["$block", "0x0"]"#, Null),
    // Transactions.
    ("eth_getTransactionByHash", r#"["$transaction"]"#, Object),
    ("eth_getTransactionByBlockHashAndIndex", r#"["$block", "0x0"]"#, Object),
    ("eth_getTransactionByBlockNumberAndIndex", r#"["$number", "0x0"]"#, Object),
    ("eth_getTransactionReceipt", r#"["$transaction"]"#, Object),
    ("eth_sendRawTransaction", r#"["$raw0"]"#, Word),
    ("eth_sendRawTransactionSync", r#"["$raw1"]"#, Object),
    ("eth_sendRawTransactionConditional", r#"["$raw2", {}]"#, Word),
    // State.
    ("eth_getBalance", r#"["$account", "latest"]"#, Quantity),
    ("eth_getCode", r#"["$contract", "latest"]"#, Data),
    ("eth_getStorageAt", r#"["$contract", "0x0", "latest"]"#, Word),
    ("eth_getStorageValues", r#"[{"$contract": ["0x0"]}, "latest"]"#, Object),
    ("eth_getTransactionCount", r#"["$account", "pending"]"#, Quantity),
    ("eth_getProof", r#"["$contract", ["0x0"], "$number"]"#, Object),
    // Execution.
    ("eth_call", r#"[{"to": "$contract", "data": "0x54fd4d50"}, "latest", {}, {}]"#, Data),
    ("eth_estimateGas", r#"[{"from": "$account", "to": "$account", "value": "0x1"}]"#, Quantity),
    ("eth_createAccessList", r#"[{"to": "$contract", "data": "0x54fd4d50"}, "latest"]"#, Object),
    (
        "eth_simulateV1",
        r#"[{"blockStateCalls": [{"calls": [{"from": "$account", "to": "$account"}]}]}, "latest"]"#,
        Array,
    ),
    (
        "eth_callMany",
        r#"[[{"transactions": [{"from": "$account", "to": "$account"}]}], {"blockNumber": "latest"}]"#,
        Array,
    ),
    ("eth_fillTransaction", r#"[{"from": "$account", "to": "$account", "value": "0x1"}]"#, Object),
    // Fees.
    ("eth_gasPrice", "[]", Quantity),
    ("eth_maxPriorityFeePerGas", "[]", Quantity),
    ("eth_baseFee", "[]", Quantity),
    ("eth_blobBaseFee", "[]", Quantity),
    ("eth_feeHistory", r#"["0x2", "latest", [50]]"#, Object),
    ("eth_capabilities", "[]", Object),
    ("eth_config", "[]", Object),
    // Logs and filters.
    ("eth_getLogs", r#"[{"fromBlock": "$number", "toBlock": "$number"}]"#, Array),
    ("eth_newFilter", r#"[{"fromBlock": "latest"}]"#, Quantity),
    ("eth_newBlockFilter", "[]", Quantity),
    ("eth_newPendingTransactionFilter", "[]", Quantity),
    ("eth_getFilterChanges", r#"["$filter"]"#, Array),
    ("eth_getFilterLogs", r#"["$filter"]"#, Array),
    ("eth_uninstallFilter", r#"["$filter"]"#, Bool),
    // Debug.
    ("debug_traceTransaction", r#"["$transaction", {"tracer": "callTracer"}]"#, Object),
    ("debug_traceBlockByNumber", r#"["$number", {"tracer": "callTracer"}]"#, Array),
    ("debug_traceBlockByHash", r#"["$block", {"tracer": "callTracer"}]"#, Array),
    ("debug_traceCall", r#"[{"to": "$contract"}, "latest", {"tracer": "callTracer"}]"#, Object),
    (
        "debug_traceCallMany",
        r#"[[{"transactions": [{"to": "$contract"}]}], {"blockNumber": "latest"}, {"tracer": "callTracer"}]"#,
        Array,
    ),
    ("debug_getRawHeader", r#"["$number"]"#, Data),
    ("debug_getRawBlock", r#"["$number"]"#, Data),
    ("debug_getRawTransaction", r#"["$transaction"]"#, Data),
    ("debug_getRawReceipts", r#"["$number"]"#, Array),
    ("debug_getBadBlocks", "[]", Array),
    ("debug_executionWitness", r#"["$number"]"#, Object),
    ("debug_executionWitnessByBlockHash", r#"["$block"]"#, Object),
    ("debug_intermediateRoots", r#"["$block"]"#, Array),
    ("debug_storageRangeAt", r#"["$block", 0, "$contract", "0x00", 10]"#, Object),
    ("debug_accountRange", r#"["$number", "0x", 10, true, true, true]"#, Object),
    ("debug_getModifiedAccountsByNumber", r#"["$number"]"#, Array),
    ("debug_getModifiedAccountsByHash", r#"["$block"]"#, Array),
    ("trace_block", r#"["$number"]"#, Array),
    ("trace_transaction", r#"["$transaction"]"#, Array),
    ("trace_filter", r#"[{"fromBlock": "$number", "toBlock": "$number"}]"#, Array),
    ("trace_call", r#"[{"to": "$contract"}, ["trace"], "latest"]"#, Object),
    ("trace_replayTransaction", r#"["$transaction", ["trace"]]"#, Object),
    ("trace_replayBlockTransactions", r#"["$number", ["trace"]]"#, Array),
    // Otterscan.
    ("ots_getApiLevel", "[]", Number),
    ("ots_hasCode", r#"["$contract", "latest"]"#, Bool),
    ("ots_getHeaderByNumber", r#"["$number"]"#, Object),
    ("ots_getBlockDetails", r#"["$number"]"#, Object),
    ("ots_getBlockDetailsByHash", r#"["$block"]"#, Object),
    ("ots_getBlockTransactions", r#"["$number", 0, 25]"#, Object),
    ("ots_getTransactionError", r#"["$transaction"]"#, Data),
    ("ots_traceTransaction", r#"["$transaction"]"#, Array),
    ("ots_getInternalOperations", r#"["$transaction"]"#, Array),
    ("ots_getTransactionBySenderAndNonce", r#"["$account", 1000000]"#, Null),
    ("ots_getContractCreator", r#"["$contract"]"#, Null),
    ("ots_searchTransactionsBefore", r#"["$account", 0, 25]"#, Object),
    ("ots_searchTransactionsAfter", r#"["$account", 0, 25]"#, Object),
    // Pool.
    ("txpool_status", "[]", Object),
    ("txpool_content", "[]", Object),
    ("txpool_contentFrom", r#"["$account"]"#, Object),
    ("txpool_inspect", "[]", Object),
    // Rollup and operators.
    ("optimism_version", "[]", Text),
    ("optimism_rollupConfig", "[]", Object),
    ("optimism_syncStatus", "[]", Object),
    ("optimism_outputAtBlock", r#"["$number"]"#, Object),
    ("optimism_safeHeadAtL1Block", r#"["$origin"]"#, Object),
    ("admin_nodeInfo", "[]", Object),
    ("admin_peers", "[]", Array),
    ("admin_stopBatcher", "[]", Null),
    ("admin_startBatcher", "[]", Null),
    ("miner_setMaxDASize", r#"["0x0", "0x0"]"#, Bool),
    // Made up, so that the test is known to see the difference.
    ("eth_noSuchMethod", "[]", Error(-32601)),
];

/// What the `$names` in parameters stand for.
struct Names(Vec<(&'static str, String)>);

impl Names {
    async fn new(dev: &Dev, url: &str) -> Result<Self> {
        let latest = rpc(url, "eth_getBlockByNumber", json!(["latest", false])).await?;
        let text = |value: &Value| value.as_str().map(str::to_owned).context("not a string");
        let signer: PrivateKeySigner = dev.key(9).parse()?;
        let nonce =
            rpc(url, "eth_getTransactionCount", json!([signer.address(), "latest"])).await?;
        let nonce = quantity(&nonce)?;
        let raw = |nonce| raw_transfer(dev.ready.l2_chain_id, nonce, &signer);
        Ok(Self(vec![
            ("$number", text(&latest["number"])?),
            ("$block", text(&latest["hash"])?),
            ("$transaction", text(&latest["transactions"][0])?),
            ("$contract", dev.ready.contracts["L1Block"].clone()),
            ("$account", dev.address(9).to_owned()),
            (
                "$origin",
                rpc(&dev.ready.l1_rpc, "eth_blockNumber", json!([]))
                    .await
                    .and_then(|n| text(&n))?,
            ),
            ("$filter", text(&rpc(url, "eth_newFilter", json!([{}])).await?)?),
            ("$raw0", raw(nonce)?),
            ("$raw1", raw(nonce + 1)?),
            ("$raw2", raw(nonce + 2)?),
        ]))
    }

    fn fill(&self, params: &str) -> Result<Value> {
        let filled =
            self.0.iter().fold(params.to_owned(), |text, (name, value)| text.replace(name, value));
        Ok(serde_json::from_str(&filled)?)
    }
}

fn raw_transfer(chain_id: u64, nonce: u64, signer: &PrivateKeySigner) -> Result<String> {
    let mut tx = TxEip1559 {
        chain_id,
        nonce,
        gas_limit: 21_000,
        max_fee_per_gas: 2_000_000_000,
        max_priority_fee_per_gas: 1_000_000,
        to: TxKind::Call(Address::repeat_byte(0x22)),
        value: U256::from(1),
        ..Default::default()
    };
    let signature = signer.sign_transaction_sync(&mut tx)?;
    Ok(format!("0x{}", hex::encode(tx.into_signed(signature).encoded_2718())))
}

impl Answer {
    fn fits(self, answer: &Value) -> bool {
        let result = &answer["result"];
        let hex = result.as_str().and_then(|text| text.strip_prefix("0x"));
        let digits = hex.is_some_and(|hex| hex.chars().all(|c| c.is_ascii_hexdigit()));
        match self {
            Error(code) => answer["error"]["code"] == code,
            _ if !answer["error"].is_null() || answer.get("result").is_none() => false,
            Quantity => {
                digits && hex.is_some_and(|h| h == "0" || !h.is_empty() && !h.starts_with('0'))
            }
            Data => digits && hex.is_some_and(|hex| hex.len() % 2 == 0),
            Word => digits && hex.is_some_and(|hex| hex.len() == 64),
            Text => hex.is_none() && result.as_str().is_some_and(|text| !text.is_empty()),
            Bool => result.is_boolean(),
            Number => result.is_u64(),
            Object => result.is_object(),
            Array => result.is_array(),
            Null => result.is_null(),
        }
    }
}

/// Asks every method once over HTTP, and for pushes over a WebSocket; reports all that is not as it should be.
pub async fn every_method_answers(dev: &Dev) -> Result<()> {
    let url = dev.ready.l2_rpc.as_str();
    let names = Names::new(dev, url).await?;
    let mut wrong = Vec::new();
    for (method, params, expected) in METHODS {
        let mut answer = rpc_raw(url, method, names.fill(params)?).await?;
        if method.starts_with("admin_") || method.starts_with("miner_") {
            if answer["error"]["code"] != -32601 {
                wrong.push(format!("{method} is for operators alone: {answer}"));
            }
            answer = rpc_admin(&dev.ready, method, names.fill(params)?).await?;
        }
        let unknown = answer["error"]["code"] == -32601;
        let short: String = answer.to_string().chars().take(200).collect();
        match (unknown, MISSING.contains(method)) {
            (true, true) => println!("rpc: {method} answers -32601"),
            (false, true) => wrong.push(format!("{method} is there: take it off MISSING: {short}")),
            (..) if !expected.fits(&answer) => {
                wrong.push(format!("{method}: expected {expected:?}, got {short}"));
            }
            _ => {}
        }
    }
    wrong.extend(subscriptions(&dev.ready.l2_ws).await?);
    ensure!(wrong.is_empty(), "JSON-RPC:\n{}", wrong.join("\n"));
    println!("rpc: {} methods asked, {} known to be missing", METHODS.len(), MISSING.len());
    Ok(())
}

/// `eth_subscribe` of each kind, its first push where one is due, and `eth_unsubscribe`.
async fn subscriptions(url: &str) -> Result<Vec<String>> {
    let mut wrong = Vec::new();
    let (mut socket, _) = tokio_tungstenite::connect_async(url).await?;
    for (kind, pushes) in
        [("newHeads", true), ("logs", false), ("newPendingTransactions", false), ("syncing", false)]
    {
        let request =
            json!({"jsonrpc": "2.0", "id": 1, "method": "eth_subscribe", "params": [kind]});
        let answer = ask(&mut socket, &request).await?;
        let Some(id) = answer["result"].as_str().map(str::to_owned) else {
            wrong.push(format!("eth_subscribe {kind}: {answer}"));
            continue;
        };
        if pushes {
            let push = next(&mut socket).await?;
            if push["method"] != "eth_subscription" || push["params"]["subscription"] != id {
                wrong.push(format!("eth_subscribe {kind} pushed {push}"));
            }
        }
        let request =
            json!({"jsonrpc": "2.0", "id": 1, "method": "eth_unsubscribe", "params": [id]});
        let answer = ask(&mut socket, &request).await?;
        if answer["result"] != true {
            wrong.push(format!("eth_unsubscribe {kind}: {answer}"));
        }
    }
    Ok(wrong)
}

type Socket =
    tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>>;

/// Sends a request and skips pushes until its answer.
async fn ask(socket: &mut Socket, request: &Value) -> Result<Value> {
    socket.send(Message::text(request.to_string())).await?;
    loop {
        let message = next(socket).await?;
        if message["id"] == request["id"] {
            return Ok(message);
        }
    }
}

async fn next(socket: &mut Socket) -> Result<Value> {
    let wait = std::time::Duration::from_secs(20);
    loop {
        let message = tokio::time::timeout(wait, socket.next()).await.context("no message")?;
        match message.context("the connection was closed")?? {
            Message::Text(text) => return Ok(serde_json::from_str(&text)?),
            Message::Ping(_) | Message::Pong(_) => {}
            other => bail!("unexpected message: {other:?}"),
        }
    }
}

#[test]
fn the_reference_names_the_methods_that_answer() -> Result<()> {
    let reference = std::fs::read_to_string(root().join("docs/rpc.md"))?;
    for (method, _, expected) in METHODS {
        let there = !MISSING.contains(method) && !matches!(expected, Error(-32601));
        ensure!(
            reference.contains(&format!("`{method}`")) == there,
            "docs/rpc.md {} {method}",
            if there { "does not name" } else { "names the missing" }
        );
    }
    for method in MISSING {
        ensure!(METHODS.iter().any(|(name, ..)| name == method), "{method} is not asked for");
    }
    Ok(())
}
