//! `debug_trace*` and `trace_*` against what the contracts are known to do.

use alloy_consensus::TxEip1559;
use alloy_primitives::{Address, B256, TxKind, U256};
use serde_json::{Value, json};

use crate::{
    execution::{TOPIC, deploy, emitter, reverter, start},
    harness::{CHAIN, Running, World, quantity},
};

/// 21,000, four for each of 31 zero bytes, sixteen for the last one.
const INTRINSIC: u64 = 21_000 + 31 * 4 + 16;

async fn call_contract(world: &World, node: &Running, nonce: u64, to: &Value) -> Value {
    let raw = world.sign(
        0,
        TxEip1559 {
            chain_id: CHAIN,
            nonce,
            gas_limit: 200_000,
            max_fee_per_gas: 3_000_000_000,
            max_priority_fee_per_gas: 1_000_000,
            to: TxKind::Call(to.as_str().unwrap().parse().unwrap()),
            input: U256::from(7).to_be_bytes::<32>().into(),
            ..Default::default()
        },
    );
    node.sealed(raw).await
}

#[tokio::test(flavor = "multi_thread")]
async fn transactions_are_traced_as_they_ran() {
    let (world, _directory, node) = start().await;
    let emitter = deploy(&world, &node, 0, emitter()).await;
    let reverter = deploy(&world, &node, 1, reverter()).await;
    let receipt = call_contract(&world, &node, 2, &emitter).await;
    let failed = call_contract(&world, &node, 3, &reverter).await;
    let (hash, block) = (&receipt["transactionHash"], &receipt["blockNumber"]);
    let used = quantity(&receipt["gasUsed"]);

    // Struct logs: the code's own operations, whose costs are the gas beyond the intrinsic.
    let logs = node.call("debug_traceTransaction", json!([hash])).await;
    let names: Vec<&str> =
        logs["structLogs"].as_array().unwrap().iter().map(|s| s["op"].as_str().unwrap()).collect();
    let expected = [
        "PUSH0",
        "CALLDATALOAD",
        "DUP1",
        "PUSH0",
        "SSTORE",
        "PUSH0",
        "MSTORE",
        "PUSH32",
        "PUSH1",
        "PUSH0",
        "LOG1",
        "STOP",
    ];
    assert_eq!(names, expected);
    let costs = logs["structLogs"].as_array().unwrap().iter();
    let costs: u64 = costs.map(|step| step["gasCost"].as_u64().unwrap()).sum();
    assert_eq!(costs + INTRINSIC, used);
    assert_eq!((logs["gas"].as_u64(), &logs["failed"]), (Some(used), &json!(false)));

    // The call tracer, alone and within its block, where the L1 attributes come first.
    let options = json!({"tracer": "callTracer", "tracerConfig": {"withLog": true}});
    let call = node.call("debug_traceTransaction", json!([hash, options])).await;
    assert_eq!(quantity(&call["gasUsed"]), used);
    assert_eq!((&call["type"], &call["to"]), (&json!("CALL"), &emitter));
    assert_eq!(call["logs"][0]["topics"], json!([TOPIC]));
    let in_block = node.call("debug_traceBlockByNumber", json!([block, options])).await;
    let index = usize::try_from(quantity(&receipt["transactionIndex"])).unwrap();
    assert_eq!(in_block[index]["result"], call);
    assert_eq!(&in_block[index]["txHash"], hash);
    let by_hash = node.call("debug_traceBlockByHash", json!([receipt["blockHash"], options])).await;
    assert_eq!(by_hash, in_block);
    let raw = node.call("debug_getRawBlock", json!([block])).await;
    assert_eq!(node.call("debug_traceBlock", json!([raw, options])).await, in_block);

    // Roots on the way through each block: the last one is the header's.
    for number in 1..=quantity(&failed["blockNumber"]) {
        let header =
            node.call("eth_getBlockByNumber", json!([format!("{number:#x}"), false])).await;
        let roots = node.call("debug_intermediateRoots", json!([header["hash"]])).await;
        let roots = roots.as_array().unwrap();
        assert_eq!(roots.len(), header["transactions"].as_array().unwrap().len());
        assert_eq!(roots.last(), Some(&header["stateRoot"]), "block {number}");
        assert!(
            roots.windows(2).all(|pair| pair[0] != pair[1]),
            "each transaction changes the state"
        );
    }
    let genesis = node.call("eth_getBlockByNumber", json!(["0x0", false])).await;
    let (code, message) = node.error("debug_intermediateRoots", json!([genesis["hash"]])).await;
    assert_eq!((code, message.as_str()), (-32_000, "genesis is not traceable"));
    let (code, message) =
        node.error("debug_intermediateRoots", json!([B256::repeat_byte(1)])).await;
    assert_eq!((code, message.as_str()), (-32_000, "block not found"));

    // A revert, with its reason.
    let options = json!({"tracer": "callTracer"});
    let call =
        node.call("debug_traceTransaction", json!([failed["transactionHash"], options])).await;
    assert_eq!(
        (&call["error"], &call["revertReason"]),
        (&json!("execution reverted"), &json!("nope"))
    );

    // The difference the transaction made is that of the states around it.
    let options = json!({"tracer": "prestateTracer", "tracerConfig": {"diffMode": true}});
    let diff = node.call("debug_traceTransaction", json!([hash, options])).await;
    let sender = format!("{:?}", world.address(0));
    let before = format!("{:#x}", quantity(block) - 1);
    for (side, at) in [("pre", json!(before)), ("post", block.clone())] {
        let balance = node.call("eth_getBalance", json!([sender, at])).await;
        assert_eq!(diff[side][&sender]["balance"], balance, "{side}: {diff}");
    }
    let slot = &diff["post"][emitter.as_str().unwrap()]["storage"][B256::ZERO.to_string()];
    assert_eq!(slot, &json!(B256::with_last_byte(7)));

    // Parity's form agrees.
    let traces = node.call("trace_transaction", json!([hash])).await;
    assert_eq!(traces.as_array().unwrap().len(), 1);
    assert_eq!(traces[0]["action"]["to"], emitter);
    assert_eq!(quantity(&traces[0]["result"]["gasUsed"]) + INTRINSIC, used);
    let all = node.call("trace_block", json!([block])).await;
    assert!(all.as_array().unwrap().contains(&traces[0]), "{all}");
    let filter = json!({"fromBlock": "0x1", "toBlock": block, "toAddress": [emitter]});
    let found = node.call("trace_filter", json!([filter])).await;
    assert!(found.as_array().unwrap().contains(&traces[0]), "{found}");
    assert_eq!(node.call("trace_get", json!([hash, []])).await, traces[0]);
    let types = json!(["trace", "stateDiff", "vmTrace"]);
    let replayed = node.call("trace_replayTransaction", json!([hash, types])).await;
    assert_eq!(replayed["trace"][0]["action"], traces[0]["action"]);
    assert_eq!(replayed["vmTrace"]["ops"].as_array().unwrap().len(), expected.len());
    let results = node.call("trace_replayBlockTransactions", json!([block, types])).await;
    assert_eq!(results[index]["stateDiff"], replayed["stateDiff"]);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_are_traced_and_bad_requests_refused() {
    let (world, _directory, node) = start().await;
    let emitter = deploy(&world, &node, 0, emitter()).await;
    let receipt = call_contract(&world, &node, 1, &emitter).await;
    let word = |value: u8| B256::with_last_byte(value);

    // Slot 0 is empty before the transaction and 7 after it, so storing 7 again costs less.
    let call = json!({"from": world.address(1), "to": emitter, "data": word(7)});
    let index = &receipt["transactionIndex"];
    let options = json!({"tracer": "callTracer"});
    let at_index = json!({"tracer": "callTracer", "txIndex": index});
    let block = &receipt["blockNumber"];
    let after = node.call("debug_traceCall", json!([call, block, options])).await;
    let before = node.call("debug_traceCall", json!([call, block, at_index])).await;
    assert_eq!(quantity(&before["gasUsed"]), quantity(&receipt["gasUsed"]));
    // SSTORE: 22,100 for a fresh slot; 2,200 for the value it has.
    assert_eq!(quantity(&before["gasUsed"]) - quantity(&after["gasUsed"]), 22_100 - 2_200);
    let overridden = json!({
        "tracer": "callTracer",
        "stateOverrides": {emitter.as_str().unwrap(): {"state": {}}},
    });
    let empty = node.call("debug_traceCall", json!([call, block, overridden])).await;
    assert_eq!(empty["gasUsed"], before["gasUsed"]);

    // Of two calls, the second sees what the first stored.
    let other = json!({"from": world.address(1), "to": emitter, "data": word(9)});
    let calls = json!([[other, ["stateDiff"]], [call, ["stateDiff"]]]);
    let many = node.call("trace_callMany", json!([calls, block])).await;
    let slot = |at: usize| {
        many[at]["stateDiff"][emitter.as_str().unwrap()]["storage"][word(0).to_string()]["*"]
            .clone()
    };
    assert_eq!(slot(0), json!({"from": word(7), "to": word(9)}));
    assert_eq!(slot(1), json!({"from": word(9), "to": word(7)}));

    // The same two in geth's form; the second is cheap, since the slot then has what it gets back.
    let bundles = json!([{"transactions": [other, other]}, {"transactions": [call]}]);
    let many =
        json!([bundles, {"blockNumber": block, "transactionIndex": quantity(index)}, options]);
    let many = node.call("debug_traceCallMany", many).await;
    let gas = |bundle: usize, at: usize| quantity(&many[bundle][at]["gasUsed"]);
    assert_eq!(gas(0, 0), quantity(&before["gasUsed"]));
    // SSTORE of the value that is there, and of another where the slot was not empty.
    assert_eq!(gas(0, 0) - gas(0, 1), 22_100 - 2_200);
    assert_eq!(gas(0, 0) - gas(1, 0), 22_100 - 5_000);
    let outside = json!([[], {"blockNumber": block, "transactionIndex": 1_000}]);
    assert_eq!(node.error("debug_traceCallMany", outside).await.0, -32_602);

    let script = json!({"tracer": "{step: function() {}, fault: function() {}}"});
    let hash = &receipt["transactionHash"];
    let (code, message) = node.error("debug_traceTransaction", json!([hash, script])).await;
    assert_eq!(code, -32_000);
    assert!(message.contains("tracer not found"), "{message}");
    let (code, message) = node.error("debug_traceTransaction", json!([word(1)])).await;
    assert_eq!((code, message.as_str()), (-32_000, "transaction not found"));
    let (_, message) = node.error("debug_traceBlockByNumber", json!(["0x0"])).await;
    assert_eq!(message, "genesis is not traceable");
    assert_eq!(node.error("debug_traceBlock", json!(["0x01"])).await.0, -32_602);
    assert_eq!(node.error("trace_replayTransaction", json!([hash, ["all"]])).await.0, -32_602);
    let wide = json!({"fromBlock": "0x5", "toBlock": "0x1", "fromAddress": [Address::ZERO]});
    assert_eq!(node.error("trace_filter", json!([wide])).await.0, -32_602);
    assert_eq!(node.call("trace_transaction", json!([word(1)])).await, Value::Null);
    node.stop().await;
}
