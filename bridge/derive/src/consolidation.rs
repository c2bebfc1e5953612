//! Whether a block that somebody built is the one that L1 gives. What agrees need not be executed a
//! second time; what does not is replaced.

use alloy_consensus::BlockHeader;
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{B64, Bytes};
use primitives::{Block, L2BlockRef, PayloadAttributes};

use crate::inputs::EIP1559_DEFAULT;

/// Version of Jovian's extra data.
const EXTRA_DATA_VERSION: u8 = 1;

/// Where a block differs from what L1 gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Difference {
    #[error("its {0} is another")]
    Field(&'static str),
    #[error("it has {found} transactions, not {expected}")]
    Count { expected: usize, found: usize },
    #[error("its transaction {0} is another")]
    Transaction(usize),
}

/// Compares a block on the safe head with the attributes derived for that height, field by field as
/// op-node's `AttributesMatchBlock` does. That its parent is the safe head is the caller's to know.
pub fn check_block(attributes: &PayloadAttributes, block: &Block) -> Result<(), Difference> {
    let header = &block.header;
    let extra_data = extra_data(attributes.eip1559_params, attributes.min_base_fee);
    let fields = [
        ("timestamp", header.timestamp == attributes.timestamp),
        ("mix_hash", header.mix_hash == attributes.prev_randao),
        ("beneficiary", header.beneficiary == attributes.suggested_fee_recipient),
        ("gas_limit", header.gas_limit == attributes.gas_limit),
        (
            "parent_beacon_block_root",
            header.parent_beacon_block_root == Some(attributes.parent_beacon_block_root),
        ),
        ("extra_data", header.extra_data() == &extra_data),
    ];
    if let Some((field, _)) = fields.into_iter().find(|(_, holds)| !holds) {
        return Err(Difference::Field(field));
    }
    let (expected, found) = (attributes.transactions.len(), block.body.transactions.len());
    if expected != found {
        return Err(Difference::Count { expected, found });
    }
    let pairs = attributes.transactions.iter().zip(&block.body.transactions);
    for (index, (expected, found)) in pairs.enumerate() {
        if *expected != Bytes::from(found.encoded_2718()) {
            return Err(Difference::Transaction(index));
        }
    }
    Ok(())
}

/// The attributes that give `block` again, for whoever builds it on the same parent. `reference` is the
/// block's.
pub fn attributes_of(block: &Block, reference: &L2BlockRef) -> PayloadAttributes {
    let header = &block.header;
    let mut eip1559 = [0; 8];
    let mut min_base_fee = [0; 8];
    if let Some(parameters) = header.extra_data.get(1..9) {
        eip1559.copy_from_slice(parameters);
    }
    if let Some(fee) = header.extra_data.get(9..17) {
        min_base_fee.copy_from_slice(fee);
    }
    let transactions = block.body.transactions.iter();
    PayloadAttributes {
        timestamp: header.timestamp,
        prev_randao: header.mix_hash,
        suggested_fee_recipient: header.beneficiary,
        parent_beacon_block_root: header.parent_beacon_block_root.unwrap_or_default(),
        transactions: transactions.map(|transaction| transaction.encoded_2718().into()).collect(),
        no_tx_pool: true,
        gas_limit: header.gas_limit,
        eip1559_params: B64::from(eip1559),
        min_base_fee: u64::from_be_bytes(min_base_fee),
        l1_origin: reference.l1_origin,
        sequence_number: reference.sequence_number,
    }
}

/// Version, denominator, elasticity, minimum base fee (Jovian).
fn extra_data(eip1559: B64, min_base_fee: u64) -> Bytes {
    let [a, b, c, d, e, f, g, h] = eip1559.0;
    let given = (u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h]));
    let (denominator, elasticity) =
        if given.0 == 0 || given.1 == 0 { EIP1559_DEFAULT } else { given };
    let mut data = vec![EXTRA_DATA_VERSION];
    data.extend_from_slice(&denominator.to_be_bytes());
    data.extend_from_slice(&elasticity.to_be_bytes());
    data.extend_from_slice(&min_base_fee.to_be_bytes());
    data.into()
}
