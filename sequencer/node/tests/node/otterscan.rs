//! `ots_*` and state by ranges, against what the transactions are known to do.

use alloy_consensus::TxEip1559;
use alloy_primitives::{Address, B256, TxKind, U256, hex, keccak256};
use serde_json::{Value, json};

use crate::{
    execution::{deploy, emitter, reverter, start, with_init},
    harness::{CHAIN, ETHER, Running, World, quantity},
};

/// Gets one wei from the worker, and nothing else ever.
const PAID: Address = Address::repeat_byte(0xaa);

/// Sends one wei to [`PAID`], then creates a contract.
fn worker() -> Vec<u8> {
    [
        // CALL(gas, PAID, 1, 0, 0, 0, 0) POP
        hex!("5f5f5f5f600173").as_slice(),
        PAID.as_slice(),
        &hex!("5af150"),
        // Init code that returns 33ff (SELFDESTRUCT to the caller); CREATE(0, 21, 11) POP STOP
        &hex!("6a6133ff6000526002601ef35f52600b60155ff05000"),
    ]
    .concat()
}

async fn call(world: &World, node: &Running, nonce: u64, to: &Value, value: u64) -> Value {
    let raw = world.sign(
        0,
        TxEip1559 {
            chain_id: CHAIN,
            nonce,
            gas_limit: 200_000,
            max_fee_per_gas: 3_000_000_000,
            max_priority_fee_per_gas: 1_000_000,
            to: TxKind::Call(address(to)),
            value: U256::from(value),
            input: U256::from(7).to_be_bytes::<32>().into(),
            ..Default::default()
        },
    );
    node.sealed(raw).await
}

fn address(value: &Value) -> Address {
    value.as_str().unwrap().parse().unwrap()
}

fn hashes(page: &Value) -> Vec<Value> {
    page["txs"].as_array().unwrap().iter().map(|tx| tx["hash"].clone()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn otterscan_finds_what_happened() {
    let (world, _directory, node) = start().await;
    let contract = deploy(&world, &node, 0, with_init(worker())).await;
    let worked = call(&world, &node, 1, &contract, 5).await;
    let (hash, number) = (&worked["transactionHash"], &worked["blockNumber"]);
    assert_eq!(worked["status"], "0x1");
    let failing = deploy(&world, &node, 2, reverter()).await;
    let failed = call(&world, &node, 3, &failing, 0).await;
    let child = json!(address(&contract).create(1));

    assert_eq!(node.call("ots_getApiLevel", json!([])).await, 8);
    assert_eq!(node.call("ots_hasCode", json!([contract, "latest"])).await, true);
    assert_eq!(node.call("ots_hasCode", json!([PAID, "latest"])).await, false);
    let header = node.call("ots_getHeaderByNumber", json!([quantity(number)])).await;
    assert_eq!(header["hash"], worked["blockHash"]);

    // Calls, and what moved below the transaction's own.
    let trace = node.call("ots_traceTransaction", json!([hash])).await;
    let calls: Vec<(&str, u64)> = trace
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| (entry["type"].as_str().unwrap(), entry["depth"].as_u64().unwrap()))
        .collect();
    assert_eq!(calls, [("CALL", 0), ("CALL", 1), ("CREATE", 1)]);
    let operations = node.call("ots_getInternalOperations", json!([hash])).await;
    let expected = json!([
        {"type": 0, "from": contract, "to": PAID, "value": "0x1"},
        {"type": 2, "from": contract, "to": child, "value": "0x0"},
    ]);
    assert_eq!(operations.to_string().to_lowercase(), expected.to_string().to_lowercase());
    let error = node.call("ots_getTransactionError", json!([failed["transactionHash"]])).await;
    assert!(error.as_str().unwrap().starts_with("0x08c379a0"), "{error}");
    assert_eq!(node.call("ots_getTransactionError", json!([hash])).await, "0x");

    // Creators: of a contract by a contract, by an account, and of no contract.
    let creator = node.call("ots_getContractCreator", json!([child])).await;
    assert_eq!((&creator["hash"], address(&creator["creator"])), (hash, address(&contract)));
    let creator = node.call("ots_getContractCreator", json!([contract])).await;
    assert_eq!(address(&creator["creator"]), world.address(0));
    assert_eq!(node.call("ots_getContractCreator", json!([PAID])).await, Value::Null);
    let by_nonce = json!([world.address(0), 1]);
    assert_eq!(node.call("ots_getTransactionBySenderAndNonce", by_nonce).await, *hash);
    let by_nonce = json!([world.address(0), 4]);
    assert_eq!(node.call("ots_getTransactionBySenderAndNonce", by_nonce).await, Value::Null);

    // Blocks.
    let details = node.call("ots_getBlockDetails", json!([quantity(number)])).await;
    let by_hash = node.call("ots_getBlockDetailsByHash", json!([worked["blockHash"]])).await;
    assert_eq!(details, by_hash);
    let receipts = node.call("eth_getBlockReceipts", json!([number])).await;
    let receipts = receipts.as_array().unwrap();
    let fees: u64 =
        receipts.iter().map(|r| quantity(&r["gasUsed"]) * quantity(&r["effectiveGasPrice"])).sum();
    assert_eq!(quantity(&details["totalFees"]), fees);
    assert_eq!(details["block"]["transactionCount"], receipts.len());
    let page = json!([quantity(number), 0, 1]);
    let page = node.call("ots_getBlockTransactions", page).await;
    let shown = &page["fullblock"]["transactions"];
    assert_eq!(shown.as_array().unwrap().len(), 1);
    assert_eq!(shown[0]["hash"], receipts.last().unwrap()["transactionHash"]);
    assert_eq!(page["receipts"][0]["logs"], Value::Null);
    let beyond = json!([quantity(number), 9, 25]);
    let page = node.call("ots_getBlockTransactions", beyond).await;
    assert_eq!(page["fullblock"]["transactions"], json!([]));

    // Searches: an account that only a call inside reached, and pages of a sender.
    let paid = node.call("ots_searchTransactionsBefore", json!([PAID, 0, 25])).await;
    assert_eq!(hashes(&paid), std::slice::from_ref(hash));
    assert_eq!((&paid["firstPage"], &paid["lastPage"]), (&json!(true), &json!(true)));
    let sender = world.address(0);
    let newest = node.call("ots_searchTransactionsBefore", json!([sender, 0, 1])).await;
    assert_eq!(hashes(&newest)[0], failed["transactionHash"]);
    assert_eq!((&newest["firstPage"], &newest["lastPage"]), (&json!(true), &json!(false)));
    let before = json!([sender, quantity(number) + 1, 25]);
    let older = node.call("ots_searchTransactionsBefore", before).await;
    assert_eq!(&hashes(&older)[0], hash);
    assert_eq!((hashes(&older).len(), &older["lastPage"]), (2, &json!(true)));
    let oldest = node.call("ots_searchTransactionsAfter", json!([sender, 0, 1])).await;
    assert_eq!(hashes(&oldest), hashes(&older)[1..]);
    assert_eq!((&oldest["firstPage"], &oldest["lastPage"]), (&json!(false), &json!(true)));
    let after = json!([sender, quantity(number) - 1, 25]);
    let newer = node.call("ots_searchTransactionsAfter", after).await;
    assert_eq!(hashes(&newer)[0], failed["transactionHash"], "newest first");
    assert_eq!(newer["firstPage"], true);
    let too_many = json!([sender, 0, 26]);
    assert_eq!(node.error("ots_searchTransactionsAfter", too_many).await.0, -32_602);
    assert_eq!(node.error("ots_unheardOf", json!([])).await.0, -32_601);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn state_is_read_by_ranges() {
    let (world, _directory, node) = start().await;
    let contract = deploy(&world, &node, 0, emitter()).await;
    let stored = call(&world, &node, 1, &contract, 0).await;
    let (block, number) = (&stored["blockHash"], &stored["blockNumber"]);
    let index = quantity(&stored["transactionIndex"]);
    let slot = keccak256(B256::ZERO).to_string();
    let range = |index: u64, start: &str, count: u64| {
        node.call("debug_storageRangeAt", json!([block, index, contract, start, count]))
    };
    // Before the transaction and after it; then a page that ends before the slot, and one behind it.
    assert_eq!(range(index, "0x", 10).await, json!({"storage": {}, "nextKey": null}));
    let after = range(index + 1, "0x00", 10).await;
    let word = |value: u8| json!(B256::with_last_byte(value));
    assert_eq!(after["storage"][&slot], json!({"key": word(0), "value": word(7)}));
    assert_eq!(after["nextKey"], Value::Null);
    let none = range(index + 1, "0x00", 0).await;
    assert_eq!((&none["storage"], &none["nextKey"]), (&json!({}), &json!(slot)));
    let beyond = range(index + 1, &format!("0x{}", "ff".repeat(32)), 10).await;
    assert_eq!(beyond["storage"], json!({}));
    // From the trie, where nobody knows the slot behind the hash.
    node.reach(quantity(number) + 1).await;
    let next = format!("{:#x}", quantity(number) + 1);
    let later = json!([next, 0, contract, "0x00", 10]);
    let later = node.call("debug_storageRangeAt", later).await;
    assert_eq!(later["storage"][&slot], json!({"key": null, "value": word(7)}));
    let outside = json!([block, 1_000, contract, "0x00", 10]);
    let (_, message) = node.error("debug_storageRangeAt", outside).await;
    assert!(message.contains("out of range"), "{message}");

    // Accounts, all at once and one by one.
    let all = node.call("debug_accountRange", json!([number, "0x", 256, true, true, true])).await;
    let accounts = all["accounts"].as_object().unwrap();
    let sender = &accounts[&format!("pre({})", keccak256(world.address(0)))];
    let balance = node.call("eth_getBalance", json!([world.address(0), number])).await;
    let balance: U256 = serde_json::from_value(balance).unwrap();
    assert_eq!((&sender["balance"], &sender["nonce"]), (&json!(balance.to_string()), &json!(2)));
    assert_eq!(all.get("next"), None);
    let mut start = json!("0x");
    let mut seen = 0;
    while !start.is_null() {
        let page = node.call("debug_accountRange", json!([number, start, 3, true])).await;
        for (key, account) in page["accounts"].as_object().unwrap() {
            assert_eq!(&accounts[key], account);
            seen += 1;
        }
        start = page["next"].clone();
    }
    assert_eq!(seen, accounts.len());
    let with_storage = json!([number, "0x", 1, true, false]);
    assert_eq!(node.error("debug_accountRange", with_storage).await.0, -32_602);

    // What changed in one block, and over several.
    let paid = node.sealed(world.transfer(1, 0, PAID, ETHER)).await;
    let at = &paid["blockNumber"];
    let list = |value: Value| -> Vec<Address> { serde_json::from_value(value).unwrap() };
    let one = list(node.call("debug_getModifiedAccountsByNumber", json!([at])).await);
    assert!(one.contains(&PAID) && one.contains(&world.address(1)), "{one:?}");
    assert!(!one.contains(&world.address(0)) && !one.contains(&address(&contract)), "{one:?}");
    let hash = json!([paid["blockHash"]]);
    assert_eq!(list(node.call("debug_getModifiedAccountsByHash", hash).await), one);
    let before = format!("{:#x}", quantity(number) - 1);
    let many = list(node.call("debug_getModifiedAccountsByNumber", json!([before, at])).await);
    assert!(many.contains(&PAID) && many.contains(&address(&contract)), "{many:?}");
    let backwards = json!([at, before]);
    let (_, message) = node.error("debug_getModifiedAccountsByNumber", backwards).await;
    assert!(message.contains("must be less than"), "{message}");
    node.stop().await;
}
