//! `debug_executionWitness`: a stranger with the raw block and its witness comes to the same header.

use alloy_primitives::{B256, Bytes, U256};
use alloy_rlp::Decodable;
use primitives::{Block, Header, TxEnvelope, Witness};
use serde_json::json;
use stf::{ChainSpec, execute_stateless};

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
