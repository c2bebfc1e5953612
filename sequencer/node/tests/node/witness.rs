//! `debug_executionWitness`: a stranger with the raw block and its witness comes to the same header.

use alloy_eips::{
    eip2718::Encodable2718,
    eip4895::{Withdrawal, Withdrawals},
};
use alloy_primitives::{B64, B256, Bytes, U64, U256};
use alloy_rlp::Decodable;
use primitives::{Block, Header, PayloadAttributes, RpcPayloadAttributes, TxEnvelope, Witness};
use serde_json::json;
use stf::{BlockError, ChainSpec, execute_stateless};

use crate::{
    execution::start,
    harness::{CHAIN, ETHER, quantity},
};

fn bytes(value: &serde_json::Value) -> Bytes {
    serde_json::from_value(value.clone()).unwrap()
}

fn list(value: &serde_json::Value) -> Vec<Bytes> {
    value.as_array().unwrap().iter().map(bytes).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_executes_blocks_from_their_witnesses() {
    let (world, _directory, node) = start().await;
    let first = node.sealed(world.transfer(0, 0, world.address(1), ETHER)).await;
    let second = node.sealed(world.transfer(2, 0, world.address(9), U256::from(3))).await;
    let spec = ChainSpec::new(CHAIN);
    for receipt in [&first, &second] {
        let (number, hash) = (&receipt["blockNumber"], &receipt["blockHash"]);
        let witness = node.call("debug_executionWitness", json!([number])).await;
        let by_hash = node.call("debug_executionWitnessByBlockHash", json!([hash])).await;
        assert_eq!(by_hash, witness);

        let raw = bytes(&node.call("debug_getRawBlock", json!([number])).await);
        let block = alloy_consensus::Block::<TxEnvelope>::decode(&mut &raw[..]).unwrap();
        let block = Block::from_rlp(block);
        let headers: Vec<Header> = list(&witness["headers"])
            .iter()
            .map(|header| Header::decode(&mut &header[..]).unwrap())
            .collect();
        let parts = Witness::new(list(&witness["state"]), list(&witness["codes"]), headers);
        let again = execute_stateless(&spec, &block, &parts).unwrap();
        let expected: B256 = serde_json::from_value(hash.clone()).unwrap();
        assert_eq!(again.block.hash, expected);
        let sender = bytes(&receipt["from"]);
        assert!(list(&witness["keys"]).contains(&sender), "keys are not hashed");
    }

    // A payload that cannot be executed: what the attempt reads shows it, on a node that never made such a block.
    let parent: B256 = serde_json::from_value(second["blockHash"].clone()).unwrap();
    let number = quantity(&second["blockNumber"]);
    let raw = bytes(&node.call("debug_getRawBlock", json!([second["blockNumber"]])).await);
    let block = alloy_consensus::Block::<TxEnvelope>::decode(&mut &raw[..]).unwrap();
    let mut transactions: Vec<Bytes> =
        block.body.transactions[..1].iter().map(|tx| tx.encoded_2718().into()).collect();
    transactions.push(world.transfer(0, 7, world.address(1), U256::ONE));
    let attributes = RpcPayloadAttributes {
        timestamp: U64::from(block.header.timestamp + 1),
        prev_randao: block.header.mix_hash,
        suggested_fee_recipient: block.header.beneficiary,
        withdrawals: Withdrawals::default(),
        parent_beacon_block_root: block.header.parent_beacon_block_root.unwrap(),
        transactions,
        no_tx_pool: true,
        gas_limit: U64::from(block.header.gas_limit),
        eip1559_params: B64::from_slice(&block.header.extra_data[1..9]),
        min_base_fee: 0,
    };
    let witness = node.call("debug_executePayload", json!([parent, attributes])).await;
    let headers: Vec<Header> = list(&witness["headers"])
        .iter()
        .map(|header| Header::decode(&mut &header[..]).unwrap())
        .collect();
    assert_eq!(headers.last().unwrap().number, number);
    let parts = Witness::new(list(&witness["state"]), list(&witness["codes"]), headers);
    let payload = PayloadAttributes::from(attributes.clone());
    let reason = stf::attempt_stateless(&spec, parent, &payload, &parts).unwrap().unwrap_err();
    assert!(matches!(reason, BlockError::InvalidTransaction { index: 1, .. }), "{reason}");

    let greedy = RpcPayloadAttributes { gas_limit: U64::MAX, ..attributes.clone() };
    let (code, message) = node.error("debug_executePayload", json!([parent, greedy])).await;
    assert!(code == -32_602 && message.contains("a gas limit of"), "{code} {message}");
    let withdrawals = Withdrawals::new(vec![Withdrawal::default()]);
    let paying = RpcPayloadAttributes { withdrawals, ..attributes.clone() };
    let (code, message) = node.error("debug_executePayload", json!([parent, paying])).await;
    assert!(code == -32_602 && message.contains("withdrawals"), "{code} {message}");
    let empty = RpcPayloadAttributes { transactions: Vec::new(), ..attributes.clone() };
    let (_, message) = node.error("debug_executePayload", json!([parent, empty])).await;
    assert!(message.contains("L1 attributes"), "{message}");
    let nowhere = json!([B256::repeat_byte(1), attributes]);
    let (_, message) = node.error("debug_executePayload", nowhere).await;
    assert_eq!(message, "parent block not found");

    let beyond = format!("{:#x}", quantity(&second["blockNumber"]) + 1_000);
    let (code, message) = node.error("debug_executionWitness", json!([beyond])).await;
    assert_eq!((code, message.as_str()), (-32_000, "block not found"));
    let (_, message) = node.error("debug_executionWitness", json!(["earliest"])).await;
    assert!(message.contains("genesis has no witness"), "{message}");
    let unknown = json!([B256::repeat_byte(1)]);
    let (_, message) = node.error("debug_executionWitnessByBlockHash", unknown).await;
    assert_eq!(message, "block not found");
    node.stop().await;
}
