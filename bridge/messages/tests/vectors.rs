//! The vectors that viem wrote and Solidity checks too (`tests/vectors/README.md`).

use std::{fs, path::Path};

use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, B256, Bytes, LogData, U256, keccak256};
use alloy_sol_types::SolValue;
use bridge_messages::{
    DepositLog, L1Attributes, TRANSACTION_DEPOSITED_TOPIC, Withdrawal, apply_alias, decode_deposit,
    l1_attributes_source_hash, output_root, undo_alias, withdrawal_nonce, withdrawal_storage_key,
};
use serde_json::Value;

fn read(name: &str) -> Value {
    let path = Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap())
        .join("../../tests/vectors")
        .join(name);
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// Numbers are JSON numbers or decimal strings.
fn number(value: &Value) -> U256 {
    match value {
        Value::String(text) => U256::from_str_radix(text, 10).unwrap(),
        other => U256::from(other.as_u64().unwrap()),
    }
}

fn parse<T: std::str::FromStr<Err: std::fmt::Debug>>(value: &Value) -> T {
    value.as_str().unwrap().parse().unwrap()
}

fn cases<'a>(file: &'a Value, key: &str) -> &'a Vec<Value> {
    let cases = file[key].as_array().unwrap();
    assert!(!cases.is_empty());
    cases
}

#[test]
fn aliases() {
    for case in cases(&read("deposits.json"), "aliases") {
        let (l1, l2) = (parse::<Address>(&case["l1"]), parse::<Address>(&case["l2"]));
        assert_eq!(apply_alias(l1), l2);
        assert_eq!(undo_alias(l2), l1);
    }
}

#[test]
fn deposits() {
    for case in cases(&read("deposits.json"), "deposits") {
        let from: Address = parse(&case["from"]);
        let to = case["to"].as_str().map_or(Address::ZERO, |to| to.parse().unwrap());
        let opaque: Bytes = parse(&case["opaque_data"]);
        let topics =
            vec![TRANSACTION_DEPOSITED_TOPIC, from.into_word(), to.into_word(), B256::ZERO];
        let data = LogData::new_unchecked(topics, opaque.abi_encode().into());
        let deposit = decode_deposit(DepositLog {
            data: &data,
            l1_block_hash: parse(&case["l1_block_hash"]),
            log_index: number(&case["log_index"]).to(),
        })
        .unwrap();
        assert_eq!(deposit.source_hash, parse::<B256>(&case["source_hash"]));
        assert_eq!(deposit.mint, number(&case["mint"]).to::<u128>());
        assert_eq!(deposit.value, number(&case["value"]));
        assert_eq!(deposit.gas_limit, number(&case["gas_limit"]).to::<u64>());
        assert_eq!(deposit.to.is_create(), case["is_creation"].as_bool().unwrap());
        let encoded = deposit.encoded_2718();
        assert_eq!(Bytes::from(encoded.clone()), parse::<Bytes>(&case["encoded"]));
        assert_eq!(keccak256(encoded), parse::<B256>(&case["transaction_hash"]));
    }
}

#[test]
fn l1_attributes() {
    for case in cases(&read("l1_attributes.json"), "attributes") {
        let attributes = L1Attributes {
            base_fee_scalar: number(&case["base_fee_scalar"]).to(),
            blob_base_fee_scalar: number(&case["blob_base_fee_scalar"]).to(),
            sequence_number: number(&case["sequence_number"]).to(),
            timestamp: number(&case["l1_timestamp"]).to(),
            number: number(&case["l1_number"]).to(),
            base_fee: number(&case["l1_base_fee"]),
            blob_base_fee: number(&case["l1_blob_base_fee"]),
            hash: parse(&case["l1_hash"]),
            batcher_hash: parse(&case["batcher_hash"]),
            operator_fee_scalar: number(&case["operator_fee_scalar"]).to(),
            operator_fee_constant: number(&case["operator_fee_constant"]).to(),
            da_footprint_gas_scalar: number(&case["da_footprint_gas_scalar"]).to(),
        };
        let data: Bytes = parse(&case["calldata_jovian"]);
        assert_eq!(attributes.encode(), data);
        assert_eq!(L1Attributes::decode(&data), Ok(attributes));
        assert_eq!(
            l1_attributes_source_hash(attributes.hash, attributes.sequence_number),
            parse::<B256>(&case["source_hash"])
        );
        let encoded = attributes.transaction().encoded_2718();
        assert_eq!(keccak256(encoded), parse::<B256>(&case["transaction_hash"]));
    }
}

#[test]
fn withdrawals_and_output_roots() {
    let file = read("withdrawals.json");
    for case in cases(&file, "withdrawals") {
        let withdrawal = Withdrawal {
            nonce: withdrawal_nonce(number(&case["counter"])),
            sender: parse(&case["sender"]),
            target: parse(&case["target"]),
            value: number(&case["value"]),
            gas_limit: number(&case["gas_limit"]),
            data: parse(&case["data"]),
        };
        assert_eq!(withdrawal.nonce, number(&case["nonce"]));
        assert_eq!(withdrawal.hash(), parse::<B256>(&case["withdrawal_hash"]));
        assert_eq!(withdrawal_storage_key(withdrawal.hash()), parse::<B256>(&case["storage_key"]));
    }
    for case in cases(&file, "output_roots") {
        let root = output_root(
            parse(&case["state_root"]),
            parse(&case["message_passer_storage_root"]),
            parse(&case["block_hash"]),
        );
        assert_eq!(root, parse::<B256>(&case["output_root"]));
    }
}
