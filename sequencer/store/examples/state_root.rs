//! Figures of the store: state root and commit per changed account, and reads, over a state of many
//! accounts. `cargo run --release -p sequencer-store --example state_root -- [accounts] [per block]`

use std::{collections::BTreeMap, time::Instant};

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use primitives::{AccountAllocation, Block, BlockBody, GenesisL2, Header};
use sequencer_store::{Store, StoreError, StoreOptions};
use stf::{AccountChange, ExecutedBlock, StateChanges, StateRootProvider};

const BLOCKS: u64 = 10;

fn account(i: u64) -> Address {
    Address::from_slice(&keccak256(i.to_be_bytes())[..20])
}

fn main() -> Result<(), StoreError> {
    let mut arguments = std::env::args().skip(1).filter_map(|argument| argument.parse().ok());
    let accounts: u64 = arguments.next().unwrap_or(100_000);
    let per_block: u64 = arguments.next().unwrap_or(1_000);
    let directory = std::env::temp_dir().join(format!("store-figures-{}", std::process::id()));
    for durable in [false, true] {
        measure(&directory, accounts, per_block, durable)?;
        let _ = std::fs::remove_dir_all(&directory);
    }
    Ok(())
}

fn measure(
    directory: &std::path::Path,
    accounts: u64,
    per_block: u64,
    durable: bool,
) -> Result<(), StoreError> {
    let balance = U256::from(1_000_000_000_000_000_000_u64);
    let allocation = AccountAllocation { balance, ..Default::default() };
    let alloc: BTreeMap<_, _> = (0..accounts).map(|i| (account(i), allocation.clone())).collect();
    let genesis = GenesisL2 {
        chain_id: 1,
        timestamp: 0,
        gas_limit: 60_000_000,
        base_fee_per_gas: 1,
        extra_data: Bytes::new(),
        alloc,
    };
    let store = Store::open(directory, StoreOptions { durable, ..Default::default() })?;
    let start = Instant::now();
    let mut parent = store.init_genesis(&genesis)?;
    println!("{accounts} accounts, {per_block} changed per block, durable: {durable}");
    println!("  genesis {:?}", start.elapsed());

    let (mut roots_time, mut commit_time, mut read_time) = Default::default();
    for block in 0..BLOCKS {
        let state = store.latest_state()?;
        let changed: Vec<Address> =
            (0..per_block).map(|i| account((block * 7_919 + i * 104_729) % accounts)).collect();
        let start = Instant::now();
        let mut changes = StateChanges::default();
        for address in changed {
            let before = state.account(address)?;
            let after = before.map(|mut account| {
                account.nonce += 1;
                account
            });
            changes
                .accounts
                .insert(address, AccountChange { before, after, storage: BTreeMap::new() });
        }
        read_time += start.elapsed();
        let start = Instant::now();
        let roots = store.head_roots()?.state_root(&changes)?;
        roots_time += start.elapsed();
        let header = Header {
            parent_hash: parent.hash_slow(),
            number: parent.number + 1,
            state_root: roots.state_root,
            mix_hash: B256::with_last_byte(1),
            ..parent.clone()
        };
        parent = header.clone();
        let hash = header.hash_slow();
        let executed = ExecutedBlock {
            block: Block { hash, header, body: BlockBody::default() },
            receipts: Vec::new(),
            senders: Vec::new(),
            changes,
            roots,
        };
        let start = Instant::now();
        store.commit(&executed)?;
        commit_time += start.elapsed();
    }
    let each = |time: std::time::Duration| time.as_secs_f64() * 1e6 / (BLOCKS * per_block) as f64;
    println!("  read       {:6.2} us per account", each(read_time));
    println!("  state root {:6.2} us per changed account", each(roots_time));
    println!("  commit     {:6.2} us per changed account", each(commit_time));
    Ok(())
}
