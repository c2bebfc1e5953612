//! Payload attributes from an L1 origin, and what can be read back from a finished L2 block. The
//! sequencer and derivation both use these functions, so that they cannot differ.

use alloy_eips::{BlockNumHash, eip2718::Encodable2718};
use alloy_primitives::{Address, B64, Bytes, U256};
use messages::{DA_FOOTPRINT_GAS_SCALAR_DEFAULT, L1Attributes};
use primitives::{
    Block, L2BlockRef, PayloadAttributes, RollupConfig, SEQUENCER_FEE_VAULT, SystemConfig,
    TxEnvelope,
};

use crate::{AttributesError, L1Block, apply_config_updates};

/// The attributes of the block after `parent` with the given origin. They hold what L1 forces into
/// the block: the L1 attributes transaction and, if `sequence_number` is 0, the origin's deposits.
///
/// `system_config` is that in force at `parent`; in the first block of an epoch the origin's updates
/// are applied here. `no_tx_pool` is false: derivation appends its batch and sets it.
pub fn attributes(
    config: &RollupConfig,
    system_config: &SystemConfig,
    parent: &L2BlockRef,
    origin: &L1Block,
    sequence_number: u64,
    timestamp: u64,
) -> Result<PayloadAttributes, AttributesError> {
    let id = BlockNumHash { number: origin.number, hash: origin.hash };
    let first_of_epoch = sequence_number == 0;
    let follows = if first_of_epoch {
        origin.parent_hash == parent.l1_origin.hash
            && Some(origin.number) == parent.l1_origin.number.checked_add(1)
    } else {
        id == parent.l1_origin && Some(sequence_number) == parent.sequence_number.checked_add(1)
    };
    if !follows {
        return Err(AttributesError::Origin { parent: parent.l1_origin, found: id });
    }
    let expected = parent.timestamp.saturating_add(config.block_time);
    if timestamp != expected {
        return Err(AttributesError::Timestamp { expected, found: timestamp });
    }
    if timestamp < origin.timestamp {
        return Err(AttributesError::BeforeOrigin { timestamp, origin: origin.timestamp });
    }
    let in_force = match first_of_epoch {
        true => apply_config_updates(*system_config, origin)?,
        false => *system_config,
    };

    let l1_attributes = l1_attributes(&in_force, origin, sequence_number).transaction();
    let mut transactions = vec![encode(TxEnvelope::from(l1_attributes))];
    if first_of_epoch {
        let deposits = origin.deposits.iter().cloned();
        transactions.extend(deposits.map(|deposit| encode(TxEnvelope::from(deposit))));
    }
    let mut eip1559_params = in_force.eip1559_denominator.to_be_bytes().to_vec();
    eip1559_params.extend_from_slice(&in_force.eip1559_elasticity.to_be_bytes());
    Ok(PayloadAttributes {
        timestamp,
        prev_randao: origin.mix_hash,
        suggested_fee_recipient: SEQUENCER_FEE_VAULT,
        parent_beacon_block_root: origin.parent_beacon_block_root,
        transactions,
        no_tx_pool: false,
        gas_limit: in_force.gas_limit,
        eip1559_params: B64::from_slice(&eip1559_params),
        min_base_fee: in_force.min_base_fee,
        l1_origin: id,
        sequence_number,
    })
}

/// Origin and sequence number of a block, from its L1 attributes transaction.
pub fn l2_block_ref(config: &RollupConfig, block: &Block) -> Result<L2BlockRef, AttributesError> {
    let genesis = &config.genesis;
    let header = &block.header;
    let (l1_origin, sequence_number) = if header.number == genesis.l2.number {
        if block.hash != genesis.l2.hash {
            return Err(AttributesError::NotGenesis { expected: genesis.l2, found: block.id() });
        }
        (genesis.l1, 0)
    } else {
        let l1 = l1_attributes_of(block)?;
        (BlockNumHash { number: l1.number, hash: l1.hash }, l1.sequence_number)
    };
    Ok(L2BlockRef {
        hash: block.hash,
        number: header.number,
        parent_hash: header.parent_hash,
        timestamp: header.timestamp,
        l1_origin,
        sequence_number,
    })
}

/// The configuration in force at a block other than genesis, from its header and its L1 attributes.
/// A DA footprint scalar of 0 comes back as the 400 that it stands for.
pub fn system_config_of(block: &Block) -> Result<SystemConfig, AttributesError> {
    let l1 = l1_attributes_of(block)?;
    let extra = block.header.extra_data.as_ref();
    let wrong = || AttributesError::ExtraData { number: block.header.number, length: extra.len() };
    // Version 1, denominator, elasticity, minimum base fee (Jovian).
    let ([version], rest) = extra.split_first_chunk::<1>().ok_or_else(wrong)?;
    let (denominator, rest) = rest.split_first_chunk::<4>().ok_or_else(wrong)?;
    let (elasticity, rest) = rest.split_first_chunk::<4>().ok_or_else(wrong)?;
    let min_base_fee: &[u8; 8] = rest.try_into().map_err(|_| wrong())?;
    if *version != 1 {
        return Err(wrong());
    }
    Ok(SystemConfig {
        batcher_address: Address::from_word(l1.batcher_hash),
        gas_limit: block.header.gas_limit,
        base_fee_scalar: l1.base_fee_scalar,
        blob_base_fee_scalar: l1.blob_base_fee_scalar,
        eip1559_denominator: u32::from_be_bytes(*denominator),
        eip1559_elasticity: u32::from_be_bytes(*elasticity),
        operator_fee_scalar: l1.operator_fee_scalar,
        operator_fee_constant: l1.operator_fee_constant,
        min_base_fee: u64::from_be_bytes(*min_base_fee),
        da_footprint_gas_scalar: l1.da_footprint_gas_scalar,
    })
}

/// What the block's first transaction says about L1.
pub(crate) fn l1_attributes_of(block: &Block) -> Result<L1Attributes, AttributesError> {
    let number = block.header.number;
    let deposit = block
        .body
        .transactions
        .first()
        .and_then(|transaction| transaction.as_deposit())
        .ok_or(AttributesError::NoL1Attributes(number))?;
    L1Attributes::decode(&deposit.input)
        .map_err(|source| AttributesError::L1Attributes { number, source })
}

fn l1_attributes(config: &SystemConfig, origin: &L1Block, sequence_number: u64) -> L1Attributes {
    let da_footprint_gas_scalar = match config.da_footprint_gas_scalar {
        0 => DA_FOOTPRINT_GAS_SCALAR_DEFAULT,
        scalar => scalar,
    };
    L1Attributes {
        base_fee_scalar: config.base_fee_scalar,
        blob_base_fee_scalar: config.blob_base_fee_scalar,
        sequence_number,
        timestamp: origin.timestamp,
        number: origin.number,
        base_fee: U256::from(origin.base_fee),
        blob_base_fee: U256::from(origin.blob_base_fee),
        hash: origin.hash,
        batcher_hash: config.batcher_address.into_word(),
        operator_fee_scalar: config.operator_fee_scalar,
        operator_fee_constant: config.operator_fee_constant,
        da_footprint_gas_scalar,
    }
}

fn encode(transaction: TxEnvelope) -> Bytes {
    transaction.encoded_2718().into()
}
