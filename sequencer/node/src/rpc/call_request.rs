//! What a call is to do, from its JSON. The general type looks through an object several times, for the sake of
//! fields that few calls have.

use alloy_primitives::{Address, Bytes, TxKind, U64, U128, U256};
use alloy_rpc_types_eth::{AccessList, TransactionInput, TransactionRequest};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Usual {
    from: Option<Address>,
    to: Option<TxKind>,
    gas: Option<U64>,
    gas_price: Option<U128>,
    max_fee_per_gas: Option<U128>,
    max_priority_fee_per_gas: Option<U128>,
    value: Option<U256>,
    input: Option<Bytes>,
    data: Option<Bytes>,
    nonce: Option<U64>,
    chain_id: Option<U64>,
    access_list: Option<AccessList>,
}

/// A call with nothing but usual fields, the same as the general type has it. `None` says nothing of the JSON.
pub(super) fn usual(json: &str) -> Option<TransactionRequest> {
    if !json.starts_with('{') {
        // A list would be taken for the fields in their order.
        return None;
    }
    let usual: Usual = serde_json::from_str(json).ok()?;
    Some(TransactionRequest {
        from: usual.from,
        to: usual.to,
        gas: usual.gas.map(|gas| gas.to()),
        gas_price: usual.gas_price.map(|price| price.to()),
        max_fee_per_gas: usual.max_fee_per_gas.map(|price| price.to()),
        max_priority_fee_per_gas: usual.max_priority_fee_per_gas.map(|price| price.to()),
        value: usual.value,
        input: TransactionInput { input: usual.input, data: usual.data },
        nonce: usual.nonce.map(|nonce| nonce.to()),
        chain_id: usual.chain_id.map(|id| id.to()),
        access_list: usual.access_list,
        ..TransactionRequest::default()
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEYS: [&str; 16] = [
        "from",
        "to",
        "gas",
        "gasPrice",
        "maxFeePerGas",
        "maxPriorityFeePerGas",
        "value",
        "input",
        "data",
        "nonce",
        "chainId",
        "accessList",
        "type",
        "blobVersionedHashes",
        "sidecar",
        "other",
    ];

    fn value() -> impl Strategy<Value = String> {
        let quantity = any::<u128>().prop_flat_map(|value| {
            (0_u32..128).prop_map(move |shift| format!("\"0x{:x}\"", value >> shift))
        });
        let decimal = any::<u32>().prop_map(|value| format!("\"{value}\""));
        let number = any::<u32>().prop_map(|value| value.to_string());
        let address = any::<[u8; 20]>().prop_map(|bytes| format!("\"{}\"", Address::from(bytes)));
        let data = proptest::collection::vec(any::<u8>(), 0..70)
            .prop_map(|bytes| format!("\"{}\"", Bytes::from(bytes)));
        let fixed = prop::sample::select(vec![
            "null",
            "\"\"",
            "\"0x\"",
            "\"0x0\"",
            "[]",
            "[1,2]",
            "[300]",
            "{}",
            "true",
            "-1",
            "1.5",
            "\"0xzz\"",
            "\"12\"",
            r#"[{"address":"0x0000000000000000000000000000000000000001","storageKeys":[]}]"#,
        ]);
        prop_oneof![4 => quantity, 1 => decimal, 1 => number, 4 => address, 3 => data, 2 => fixed.prop_map(str::to_owned)]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        /// Also where a field is there twice or of the wrong type.
        #[test]
        fn it_is_what_the_general_type_makes_of_it(
            fields in proptest::collection::vec((0..KEYS.len(), value()), 0..5),
        ) {
            let fields: Vec<String> =
                fields.into_iter().map(|(key, value)| format!("\"{}\": {value}", KEYS[key])).collect();
            let json = format!("{{{}}}", fields.join(", "));
            let general = serde_json::from_str::<TransactionRequest>(&json);
            if let Some(call) = usual(&json) {
                prop_assert_eq!(Some(call), general.ok(), "{}", json);
            }
        }
    }

    #[test]
    fn usual_calls_are_taken() {
        for json in [
            "{}",
            r#"{"to":"0x00000000000000000000000000000000000070c3","data":"0x70a08231"}"#,
            r#"{"from":"0x00000000000000000000000000000000000070c3","input":"0x","gas":"0x5208","value":"0x1"}"#,
            r#"{"to":null,"maxFeePerGas":"0x1","maxPriorityFeePerGas":"0x0","nonce":"0x1","chainId":"0x1"}"#,
        ] {
            assert_eq!(usual(json), Some(serde_json::from_str(json).unwrap()), "{json}");
        }
        assert_eq!(usual(r#"{"type":"0x2"}"#), None);
        let list = format!("[{}]", ["null"; 12].join(","));
        assert_eq!(usual(&list), None);
    }
}
