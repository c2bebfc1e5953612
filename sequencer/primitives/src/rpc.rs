//! Payload attributes as JSON-RPC names them.

use alloc::vec::Vec;

use alloy_eips::eip4895::Withdrawals;
use alloy_primitives::{Address, B64, B256, Bytes, U64};
use serde::{Deserialize, Serialize};

use crate::PayloadAttributes;

/// [`PayloadAttributes`] in JSON: `PayloadAttributesV3` of execution-apis with what the OP Stack adds to it
/// (specs, "L2 Execution Engine"). Where a block stands in its epoch is not in it; the L1 attributes transaction says so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RpcPayloadAttributes {
    pub timestamp: U64,
    pub prev_randao: B256,
    pub suggested_fee_recipient: Address,
    /// A rollup has none; whoever takes attributes refuses others.
    #[serde(default)]
    pub withdrawals: Withdrawals,
    pub parent_beacon_block_root: B256,
    pub transactions: Vec<Bytes>,
    #[serde(default)]
    pub no_tx_pool: bool,
    pub gas_limit: U64,
    pub eip1559_params: B64,
    /// Wei; a JSON number, as op-alloy writes it.
    pub min_base_fee: u64,
}

impl From<&PayloadAttributes> for RpcPayloadAttributes {
    fn from(attributes: &PayloadAttributes) -> Self {
        Self {
            timestamp: U64::from(attributes.timestamp),
            prev_randao: attributes.prev_randao,
            suggested_fee_recipient: attributes.suggested_fee_recipient,
            withdrawals: Withdrawals::default(),
            parent_beacon_block_root: attributes.parent_beacon_block_root,
            transactions: attributes.transactions.clone(),
            no_tx_pool: attributes.no_tx_pool,
            gas_limit: U64::from(attributes.gas_limit),
            eip1559_params: attributes.eip1559_params,
            min_base_fee: attributes.min_base_fee,
        }
    }
}

impl From<RpcPayloadAttributes> for PayloadAttributes {
    /// Origin and sequence number, which execution does not look at, are left empty.
    fn from(attributes: RpcPayloadAttributes) -> Self {
        Self {
            timestamp: attributes.timestamp.to(),
            prev_randao: attributes.prev_randao,
            suggested_fee_recipient: attributes.suggested_fee_recipient,
            parent_beacon_block_root: attributes.parent_beacon_block_root,
            transactions: attributes.transactions,
            no_tx_pool: attributes.no_tx_pool,
            gas_limit: attributes.gas_limit.to(),
            eip1559_params: attributes.eip1559_params,
            min_base_fee: attributes.min_base_fee,
            l1_origin: Default::default(),
            sequence_number: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::bytes;
    use serde_json::json;

    use super::*;

    #[test]
    fn names_and_quantities_are_those_of_the_op_stack() {
        let attributes = PayloadAttributes {
            timestamp: 1_700_000_000,
            prev_randao: B256::repeat_byte(1),
            suggested_fee_recipient: crate::SEQUENCER_FEE_VAULT,
            parent_beacon_block_root: B256::repeat_byte(2),
            transactions: vec![bytes!("7e01")],
            no_tx_pool: true,
            gas_limit: 60_000_000,
            eip1559_params: B64::with_last_byte(6),
            min_base_fee: 7,
            l1_origin: Default::default(),
            sequence_number: 0,
        };
        let written = serde_json::to_value(RpcPayloadAttributes::from(&attributes)).unwrap();
        let expected = json!({
            "timestamp": "0x6553f100",
            "prevRandao": B256::repeat_byte(1),
            "suggestedFeeRecipient": "0x4200000000000000000000000000000000000011",
            "withdrawals": [],
            "parentBeaconBlockRoot": B256::repeat_byte(2),
            "transactions": ["0x7e01"],
            "noTxPool": true,
            "gasLimit": "0x3938700",
            "eip1559Params": "0x0000000000000006",
            "minBaseFee": 7,
        });
        assert_eq!(written, expected);
        let read: RpcPayloadAttributes = serde_json::from_value(written).unwrap();
        assert_eq!(PayloadAttributes::from(read), attributes);
    }
}
