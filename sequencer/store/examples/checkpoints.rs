//! What a checkpoint costs when the state is large: blocks that change accounts here and there, then the time, CPU
//! time, page faults and growth of bringing the database up to them.
//! `checkpoints DIRECTORY [accounts] [changed per block] [blocks per checkpoint] [checkpoints]`; a directory that
//! holds a chain goes on.

use std::{collections::BTreeMap, error::Error, path::Path, sync::Arc, time::Instant};

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use primitives::{AccountAllocation, Block, BlockBody, GenesisL2, Header};
use sequencer_store::{Store, StoreError, StoreOptions};
use stf::{AccountChange, ExecutedBlock, StateChanges, StateRootProvider};

fn account(i: u64) -> Address {
    Address::from_slice(&keccak256(i.to_be_bytes())[..20])
}

/// CPU time of this process in the program and in the kernel, seconds, and its page faults.
fn spent() -> (f64, f64, i64) {
    // SAFETY: all zeros are a valid `rusage`, and it is a valid place for one.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        assert_eq!(libc::getrusage(libc::RUSAGE_SELF, &raw mut usage), 0, "no usage of resources");
        usage
    };
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
    (seconds(usage.ru_utime), seconds(usage.ru_stime), usage.ru_minflt + usage.ru_majflt)
}

fn open(directory: &Path) -> Result<Arc<Store>, StoreError> {
    // Checkpoints are made when they are asked for.
    let options = StoreOptions {
        checkpoint_blocks: usize::MAX,
        checkpoint_bytes: usize::MAX,
        lag_blocks_max: usize::MAX,
        lag_bytes_max: usize::MAX,
        trie_cache_bytes: 2 << 30,
        ..Default::default()
    };
    Store::open(directory, options)
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let directory = arguments.next().ok_or("which directory?")?;
    let directory = Path::new(&directory);
    let mut numbers = arguments.filter_map(|argument| argument.parse().ok());
    let accounts: u64 = numbers.next().unwrap_or(1_000_000);
    let per_block: u64 = numbers.next().unwrap_or(3_000);
    let blocks: u64 = numbers.next().unwrap_or(16);
    let checkpoints: u64 = numbers.next().unwrap_or(4);
    if !directory.exists() {
        let balance = U256::from(1_000_000_000_000_000_000_u64);
        let allocation = AccountAllocation { balance, ..Default::default() };
        let mut alloc: BTreeMap<_, _> =
            (0..accounts).map(|i| (account(i), allocation.clone())).collect();
        let storage = (0..100).map(|i| (B256::with_last_byte(i), B256::repeat_byte(1))).collect();
        let contract = AccountAllocation { code: vec![0].into(), storage, ..Default::default() };
        alloc.insert(account(accounts), contract);
        let genesis = GenesisL2 {
            chain_id: 1,
            timestamp: 0,
            gas_limit: 60_000_000,
            base_fee_per_gas: 1,
            extra_data: Bytes::new(),
            alloc,
        };
        let begun = Instant::now();
        open(directory)?.init_genesis(&genesis)?;
        println!("genesis of {accounts} accounts: {:.1} s", begun.elapsed().as_secs_f64());
    }
    let store = open(directory)?;
    let begun = Instant::now();
    store.load_tries()?;
    println!("tries loaded: {:.1} s, {}", begun.elapsed().as_secs_f64(), resident()?);
    let size =
        |store: &Store| std::fs::metadata(store.path().join("mdbx.dat")).map(|file| file.len());
    for _ in 0..checkpoints {
        for _ in 0..blocks {
            block(&store, accounts, per_block)?;
        }
        let (before, length, begun) = (spent(), size(&store)?, Instant::now());
        store.flush()?;
        let (after, took) = (spent(), begun.elapsed().as_secs_f64());
        let changed = (blocks * per_block) as f64;
        println!(
            "each of {changed} changes: CPU {:.1} + {:.1} us in the kernel, {:.2} faults, {:.1} us; the file grew by {} MB, {}",
            (after.0 - before.0) * 1e6 / changed,
            (after.1 - before.1) * 1e6 / changed,
            (after.2 - before.2) as f64 / changed,
            took * 1e6 / changed,
            (size(&store)? - length) >> 20,
            resident()?,
        );
    }
    Ok(())
}

/// Resident memory, as the system says it.
fn resident() -> std::io::Result<String> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = |name| status.lines().find(|line| line.starts_with(name)).unwrap_or_default();
    Ok(format!("{} {}", line("VmRSS"), line("RssFile")).replace('\t', " "))
}

/// A block that raises the nonces of some accounts.
fn block(store: &Arc<Store>, accounts: u64, per_block: u64) -> Result<(), Box<dyn Error>> {
    let state = store.latest_state()?;
    let parent = store.header(state.number())?.ok_or("no newest block")?;
    let mut changes = StateChanges::default();
    for i in 0..per_block {
        let seed = keccak256([(parent.number + 1).to_be_bytes(), i.to_be_bytes()].concat());
        let number = U256::from_be_bytes(seed.0) % U256::from(accounts);
        let address = account(number.to());
        let before = state.account(address)?;
        let after = before.map(|mut account| {
            account.nonce += 1;
            account
        });
        changes.accounts.insert(address, AccountChange { before, after, ..Default::default() });
    }
    let outcome = store.head_roots()?.state_root(&changes)?;
    let header = Header {
        parent_hash: parent.hash_slow(),
        number: parent.number + 1,
        state_root: outcome.state_root,
        mix_hash: B256::with_last_byte(1),
        ..parent
    };
    let hash = header.hash_slow();
    store.commit(&ExecutedBlock {
        block: Block { hash, header, body: BlockBody::default() },
        receipts: Vec::new(),
        senders: Vec::new(),
        changes,
        roots: outcome,
    })?;
    Ok(())
}
