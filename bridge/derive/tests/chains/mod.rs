//! Made-up chains: an L1 of hashed numbers, and a sequencer that executes nothing.

// Not every test binary uses all of it.
#![allow(dead_code)]

pub mod world;

use alloy_eips::{BlockNumHash, eip2718::Decodable2718};
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, keccak256};
use bridge_derive::{L1Block, attributes, l2_block_ref, system_config_of};
use primitives::{
    Block, BlockBody, Header, L2BlockRef, PayloadAttributes, RollupConfig, RollupGenesis,
    SystemConfig, TxDeposit, TxEnvelope,
};
use rand::{Rng, rngs::StdRng};

pub const BATCHER: Address = Address::repeat_byte(0xba);
/// Id of the L2 chain.
pub const CHAIN: u64 = 16_120;
pub const L1_BLOCK_TIME: u64 = 2;
pub const START: u64 = 1_700_000_000;

pub fn config(seq_window_size: u64, channel_timeout: u64) -> RollupConfig {
    let system_config = SystemConfig { batcher_address: BATCHER, ..Default::default() };
    let l1 = l1_block(10, 0, Vec::new());
    RollupConfig {
        genesis: RollupGenesis {
            l1: BlockNumHash { number: l1.number, hash: l1.hash },
            l2: BlockNumHash { number: 0, hash: keccak256("genesis") },
            l2_time: l1.timestamp,
            system_config,
        },
        block_time: 1,
        max_sequencer_drift: 1_800,
        seq_window_size,
        channel_timeout,
        l1_chain_id: 16_121,
        l2_chain_id: CHAIN,
        batch_inbox_address: Address::repeat_byte(0xff),
        deposit_contract_address: Address::repeat_byte(0xdd),
        l1_system_config_address: Address::repeat_byte(0xcc),
    }
}

/// Blocks of one `fork` link up; forks share nothing.
pub fn l1_block(number: u64, fork: u64, deposits: Vec<TxDeposit>) -> L1Block {
    let hash = |number: u64| keccak256([number.to_be_bytes(), fork.to_be_bytes()].concat());
    L1Block {
        hash: hash(number),
        number,
        parent_hash: hash(number - 1),
        timestamp: START + (number - 10) * L1_BLOCK_TIME,
        base_fee: 1_000_000_000 + number,
        blob_base_fee: 1,
        mix_hash: keccak256(hash(number)),
        parent_beacon_block_root: B256::ZERO,
        deposits,
        inbox: Vec::new(),
        config_updates: Vec::new(),
    }
}

pub fn deposit(rng: &mut StdRng) -> TxDeposit {
    TxDeposit {
        source_hash: rng.random::<[u8; 32]>().into(),
        from: rng.random::<[u8; 20]>().into(),
        to: TxKind::Call(rng.random::<[u8; 20]>().into()),
        mint: rng.random(),
        value: U256::from(rng.random::<u64>()),
        gas_limit: 100_000,
        is_system_transaction: false,
        input: Bytes::new(),
    }
}

/// A block whose hash depends on everything in the attributes, without executing anything.
pub fn execute(parent: &L2BlockRef, attributes: &PayloadAttributes) -> Block {
    let mut extra_data = vec![1];
    extra_data.extend(attributes.eip1559_params.as_slice());
    extra_data.extend(attributes.min_base_fee.to_be_bytes());
    let header = Header {
        parent_hash: parent.hash,
        number: parent.number + 1,
        timestamp: attributes.timestamp,
        gas_limit: attributes.gas_limit,
        mix_hash: attributes.prev_randao,
        beneficiary: attributes.suggested_fee_recipient,
        parent_beacon_block_root: Some(attributes.parent_beacon_block_root),
        transactions_root: keccak256(attributes.transactions.concat()),
        extra_data: extra_data.into(),
        ..Default::default()
    };
    let transactions = attributes.transactions.iter();
    let transactions =
        transactions.map(|tx| TxEnvelope::decode_2718(&mut tx.as_ref()).unwrap()).collect();
    Block { hash: header.hash_slow(), header, body: BlockBody::rollup(transactions) }
}

pub fn genesis_ref(config: &RollupConfig) -> L2BlockRef {
    L2BlockRef {
        hash: config.genesis.l2.hash,
        number: 0,
        parent_hash: B256::ZERO,
        timestamp: config.genesis.l2_time,
        l1_origin: config.genesis.l1,
        sequence_number: 0,
    }
}

/// L2 blocks over `l1` until its last block is the origin.
pub fn sequence(
    config: &RollupConfig,
    l1: &[L1Block],
    rng: &mut StdRng,
    transaction: fn(&mut StdRng) -> Bytes,
) -> Vec<Block> {
    let mut parent = genesis_ref(config);
    let mut system_config = config.genesis.system_config;
    let mut blocks = Vec::new();
    loop {
        let timestamp = parent.timestamp + config.block_time;
        let current = l1.iter().position(|block| block.hash == parent.l1_origin.hash).unwrap();
        let Some(next) = l1.get(current + 1) else {
            return blocks;
        };
        let (origin, sequence_number) = if next.timestamp <= timestamp {
            (next, 0)
        } else {
            (&l1[current], parent.sequence_number + 1)
        };
        let mut attributes =
            attributes(config, &system_config, &parent, origin, sequence_number, timestamp)
                .unwrap();
        for _ in 0..rng.random_range(0..4) {
            attributes.transactions.push(transaction(rng));
        }
        let block = execute(&parent, &attributes);
        parent = l2_block_ref(config, &block).unwrap();
        system_config = system_config_of(&block).unwrap();
        blocks.push(block);
    }
}

pub fn hashes(blocks: &[Block]) -> Vec<B256> {
    blocks.iter().map(|block| block.hash).collect()
}

pub fn l1_chain(length: u64, rng: &mut StdRng) -> Vec<L1Block> {
    (10..10 + length)
        .map(|number| {
            let deposits = (0..rng.random_range(0..3)).map(|_| deposit(rng)).collect();
            l1_block(number, 0, deposits)
        })
        .collect()
}
