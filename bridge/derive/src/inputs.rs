//! Whether a finished block took from L1 what L1 forces on it. Derivation makes attributes and never
//! needs this; whoever verifies blocks that somebody else built does.

use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::Bytes;
use primitives::{Block, L2BlockRef, RollupConfig, SystemConfig};

use crate::{InputsError, L1Block, attributes, l2_block_ref, system_config_of};

/// EIP-1559 parameters that zero stands for (OP Stack, Holocene).
pub(crate) const EIP1559_DEFAULT: (u32, u32) = (250, 6);

/// Checks a block against the L1 block that it names as its origin, which the caller takes from the
/// canonical L1: the L1 attributes, the deposits of a first block of an epoch and no others, and the
/// header's fields that L1 decides. Beyond the drift limit there are no other transactions.
///
/// `system_config` is that in force at `parent`. What is in force at the block is returned.
///
/// Not checked: what follows from execution, and whether the block's other transactions were posted to
/// L1.
pub fn check_l1_inputs(
    config: &RollupConfig,
    system_config: &SystemConfig,
    parent: &L2BlockRef,
    block: &Block,
    origin: &L1Block,
) -> Result<SystemConfig, InputsError> {
    let header = &block.header;
    let number = header.number;
    let sequence_number = l2_block_ref(config, block)?.sequence_number;
    let timestamp = header.timestamp;
    let forced = attributes(config, system_config, parent, origin, sequence_number, timestamp)?;

    let is_deposit = |index: usize| block.body.transactions.get(index).map(|tx| tx.is_deposit());
    for (index, expected) in forced.transactions.iter().enumerate() {
        let found = block.body.transactions.get(index).map(|tx| Bytes::from(tx.encoded_2718()));
        if found.as_ref() != Some(expected) {
            return Err(InputsError::Forced { number, index, origin: origin.number });
        }
    }
    let rest = forced.transactions.len()..block.body.transactions.len();
    if let Some(index) = rest.clone().find(|index| is_deposit(*index) == Some(true)) {
        return Err(InputsError::NoSuchDeposit { number, index, origin: origin.number });
    }
    if timestamp > origin.timestamp.saturating_add(config.max_sequencer_drift) && !rest.is_empty() {
        return Err(InputsError::Drift { number, origin: origin.number });
    }

    let in_force = system_config_of(block)?;
    let [a, b, c, d, e, f, g, h] = forced.eip1559_params.0;
    let given = (u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h]));
    let eip1559 = if given.0 == 0 || given.1 == 0 { EIP1559_DEFAULT } else { given };
    let beacon_root = Some(forced.parent_beacon_block_root);
    let fields = [
        ("mix_hash", header.mix_hash == forced.prev_randao),
        ("parent_beacon_block_root", header.parent_beacon_block_root == beacon_root),
        ("beneficiary", header.beneficiary == forced.suggested_fee_recipient),
        ("gas_limit", header.gas_limit == forced.gas_limit),
        (
            "extra_data",
            (in_force.eip1559_denominator, in_force.eip1559_elasticity) == eip1559
                && in_force.min_base_fee == forced.min_base_fee,
        ),
    ];
    match fields.into_iter().find(|(_, holds)| !holds) {
        Some((field, _)) => Err(InputsError::Field { number, field, origin: origin.number }),
        None => Ok(in_force),
    }
}

#[cfg(test)]
mod tests {
    use alloy_consensus::{Header, SignableTransaction, TxLegacy};
    use alloy_eips::BlockNumHash;
    use alloy_primitives::{Address, B256, Signature, U256};
    use primitives::{BlockBody, RollupGenesis, TxDeposit, TxEnvelope};

    use super::*;

    const DRIFT: u64 = 20;

    fn config() -> RollupConfig {
        RollupConfig {
            genesis: RollupGenesis {
                l1: BlockNumHash { number: 3, hash: B256::repeat_byte(3) },
                l2: BlockNumHash { number: 0, hash: B256::repeat_byte(0xa0) },
                l2_time: 100,
                system_config: SystemConfig::default(),
            },
            block_time: 1,
            max_sequencer_drift: DRIFT,
            seq_window_size: 10,
            channel_timeout: 5,
            l1_chain_id: 1,
            l2_chain_id: 2,
            batch_inbox_address: Address::ZERO,
            deposit_contract_address: Address::ZERO,
            l1_system_config_address: Address::ZERO,
        }
    }

    fn parent() -> L2BlockRef {
        let genesis = config().genesis;
        L2BlockRef {
            hash: genesis.l2.hash,
            number: 0,
            parent_hash: B256::ZERO,
            timestamp: 100,
            l1_origin: genesis.l1,
            sequence_number: 0,
        }
    }

    fn origin() -> L1Block {
        L1Block {
            hash: B256::repeat_byte(4),
            number: 4,
            parent_hash: B256::repeat_byte(3),
            timestamp: 101,
            base_fee: 7,
            blob_base_fee: 1,
            mix_hash: B256::repeat_byte(0x44),
            parent_beacon_block_root: B256::repeat_byte(0x45),
            deposits: vec![TxDeposit { mint: 5, gas_limit: 50_000, ..Default::default() }],
            inbox: Vec::new(),
            config_updates: Vec::new(),
        }
    }

    fn transfer() -> TxEnvelope {
        let signature = Signature::new(U256::from(1), U256::from(1), false);
        TxLegacy { chain_id: Some(2), ..Default::default() }.into_signed(signature).into()
    }

    /// The block that a sequencer builds on the origin, with one transaction of its own.
    fn block(origin: &L1Block) -> Block {
        let config = config();
        let system_config = config.genesis.system_config;
        let forced = attributes(&config, &system_config, &parent(), origin, 0, 101).unwrap();
        let decode = |raw: &Bytes| TxEnvelope::decode_strict(raw).unwrap();
        let mut transactions: Vec<TxEnvelope> = forced.transactions.iter().map(decode).collect();
        transactions.push(transfer());
        let mut extra_data = vec![1];
        extra_data.extend_from_slice(forced.eip1559_params.as_slice());
        extra_data.extend_from_slice(&forced.min_base_fee.to_be_bytes());
        let header = Header {
            number: 1,
            parent_hash: parent().hash,
            timestamp: 101,
            beneficiary: forced.suggested_fee_recipient,
            mix_hash: forced.prev_randao,
            parent_beacon_block_root: Some(forced.parent_beacon_block_root),
            gas_limit: forced.gas_limit,
            extra_data: extra_data.into(),
            ..Default::default()
        };
        Block { hash: header.hash_slow(), header, body: BlockBody::rollup(transactions) }
    }

    fn check(block: &Block, origin: &L1Block) -> Result<SystemConfig, InputsError> {
        let config = config();
        check_l1_inputs(&config, &config.genesis.system_config, &parent(), block, origin)
    }

    #[test]
    fn a_block_as_l1_forces_it_is_accepted() {
        let in_force = check(&block(&origin()), &origin()).unwrap();
        // The scalar's zero stands for 400.
        let expected = SystemConfig { da_footprint_gas_scalar: 400, ..Default::default() };
        assert_eq!(in_force, expected);
    }

    #[test]
    fn whatever_differs_from_l1_is_named() {
        let refused = |change: fn(&mut Block)| {
            let mut other = block(&origin());
            change(&mut other);
            check(&other, &origin()).unwrap_err()
        };
        let forced = |index| InputsError::Forced { number: 1, index, origin: 4 };
        // A deposit left out, changed, or said twice.
        assert_eq!(refused(|block| drop(block.body.transactions.remove(1))), forced(1));
        assert_eq!(
            refused(|block| {
                let richer = TxDeposit { mint: 6, gas_limit: 50_000, ..Default::default() };
                block.body.transactions[1] = richer.into();
            }),
            forced(1)
        );
        assert_eq!(
            refused(|block| {
                let again = block.body.transactions[1].clone();
                block.body.transactions.push(again);
            }),
            InputsError::NoSuchDeposit { number: 1, index: 3, origin: 4 }
        );
        let field = |field| InputsError::Field { number: 1, field, origin: 4 };
        assert_eq!(refused(|block| block.header.gas_limit += 1), field("gas_limit"));
        assert_eq!(refused(|block| block.header.mix_hash = B256::ZERO), field("mix_hash"));
        assert_eq!(refused(|block| block.header.beneficiary = Address::ZERO), field("beneficiary"));
        assert_eq!(
            refused(|block| block.header.parent_beacon_block_root = None),
            field("parent_beacon_block_root")
        );
        assert_eq!(
            refused(|block| {
                let mut extra = block.header.extra_data.to_vec();
                extra[16] ^= 1;
                block.header.extra_data = extra.into();
            }),
            field("extra_data")
        );
        assert!(matches!(refused(|block| block.header.timestamp += 1), InputsError::Attributes(_)));
    }

    #[test]
    fn another_l1_block_is_no_origin() {
        let built = block(&origin());
        let other = L1Block { base_fee: 8, ..origin() };
        let forced = InputsError::Forced { number: 1, index: 0, origin: 4 };
        assert_eq!(check(&built, &other), Err(forced));
        let skipped = L1Block { parent_hash: B256::ZERO, ..origin() };
        assert!(matches!(check(&built, &skipped), Err(InputsError::Attributes(_))));
    }

    #[test]
    fn beyond_the_drift_limit_only_forced_transactions_are_allowed() {
        let old = L1Block { timestamp: 101 - DRIFT - 1, ..origin() };
        let mut built = block(&old);
        assert_eq!(check(&built, &old), Err(InputsError::Drift { number: 1, origin: 4 }));
        built.body.transactions.pop();
        check(&built, &old).unwrap();
        let at_the_limit = L1Block { timestamp: 101 - DRIFT, ..origin() };
        check(&block(&at_the_limit), &at_the_limit).unwrap();
    }
}
