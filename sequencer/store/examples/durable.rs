//! What it takes to make a block durable, beside one bare append of 4 KiB with fdatasync on the same disk,
//! taken in turns. `cargo run -p sequencer-store --example durable -p deps -- [blocks] [changed accounts]`

use std::{
    fs::File,
    io::Write,
    time::{Duration, Instant},
};

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use primitives::{AccountAllocation, Block, BlockBody, GenesisL2, Header};
use sequencer_store::{Store, StoreOptions};
use stf::{AccountChange, ExecutedBlock, StateChanges, StateRootProvider};

const ACCOUNTS: u64 = 10_000;

fn account(i: u64) -> Address {
    Address::from_slice(&keccak256(i.to_be_bytes())[..20])
}

fn print(name: &str, mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    let at = |share: usize| times[(times.len() - 1) * share / 100].as_secs_f64() * 1e3;
    println!("{name:<28} p50 {:7.3} ms  p90 {:7.3} ms  p99 {:7.3} ms", at(50), at(90), at(99));
    at(50)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1).filter_map(|argument| argument.parse().ok());
    let blocks: u64 = arguments.next().unwrap_or(200);
    let per_block: u64 = arguments.next().unwrap_or(200);
    let directory = tempfile::tempdir()?;
    let store = Store::open(&directory.path().join("l2"), StoreOptions::default())?;
    let balance = U256::from(1_000_000_000_000_000_000_u64);
    let allocation = AccountAllocation { balance, ..Default::default() };
    let mut parent = store.init_genesis(&GenesisL2 {
        chain_id: 1,
        timestamp: 0,
        gas_limit: 60_000_000,
        base_fee_per_gas: 1,
        extra_data: Bytes::new(),
        alloc: (0..ACCOUNTS).map(|i| (account(i), allocation.clone())).collect(),
    })?;
    let mut file = File::create(directory.path().join("bare"))?;
    let (mut bare, mut appended, mut durable) = (Vec::new(), Vec::new(), Vec::new());
    for number in 0..blocks {
        let started = Instant::now();
        file.write_all(&[number as u8; 4_096])?;
        file.sync_data()?;
        bare.push(started.elapsed());

        let state = store.latest_state()?;
        let mut changes = StateChanges::default();
        for i in 0..per_block {
            let address = account((number * 7_919 + i * 104_729) % ACCOUNTS);
            let before = state.account(address)?;
            let after = before.map(|before| stf::Account { nonce: before.nonce + 1, ..before });
            let change = AccountChange { before, after, ..Default::default() };
            changes.accounts.insert(address, change);
        }
        let roots = store.head_roots()?.state_root(&changes)?;
        let header = Header {
            parent_hash: parent.hash_slow(),
            number: parent.number + 1,
            state_root: roots.state_root,
            mix_hash: B256::with_last_byte(1),
            ..parent.clone()
        };
        parent = header.clone();
        let executed = ExecutedBlock {
            block: Block { hash: header.hash_slow(), header, body: BlockBody::default() },
            receipts: Vec::new(),
            senders: Vec::new(),
            changes,
            roots,
        };
        let started = Instant::now();
        let block = store.append(executed)?;
        appended.push(started.elapsed());
        store.sync(&block)?;
        durable.push(started.elapsed());
    }
    println!("{blocks} blocks of {per_block} changed accounts");
    let one = print("bare append and fdatasync", bare);
    print("block appended", appended);
    let ours = print("block durable", durable);
    println!("durable over bare: {:.2} x", ours / one);
    Ok(())
}
