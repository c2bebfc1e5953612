//! Figures of the store: state root, commit and reads per changed account, and the start from disk,
//! over a state of many accounts. CPU time of the one thread that does it, medians over the blocks.
//! `state_root [accounts] [changed per block] [blocks]`

use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use primitives::{AccountAllocation, Block, BlockBody, GenesisL2, Header};
use sequencer_store::{Store, StoreError, StoreOptions, keccak};
use stf::{
    Account, AccountChange, ExecutedBlock, StateChanges, StateRootOutcome, StateRootProvider,
};

fn account(i: u64) -> Address {
    Address::from_slice(&keccak256(i.to_be_bytes())[..20])
}

/// CPU time of this thread so far.
fn cpu() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid place for one `timespec`.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    assert_eq!(result, 0, "the system has no clock of a thread's CPU time");
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let before = cpu();
    let result = work();
    (result, cpu().saturating_sub(before))
}

/// Figures of one kind, one per block.
#[derive(Default)]
struct Figures(Vec<Duration>);

impl Figures {
    /// Median and best, in microseconds for each of so many.
    fn each(mut self, count: u64) -> String {
        self.0.sort_unstable();
        let micros = |at: usize| {
            let taken = self.0.get(at).copied().unwrap_or_default();
            taken.as_secs_f64() * 1e6 / count as f64
        };
        format!("{:7.2} us (best {:.2})", micros(self.0.len() / 2), micros(0))
    }
}

fn main() -> Result<(), StoreError> {
    let mut arguments = std::env::args().skip(1).filter_map(|argument| argument.parse().ok());
    let accounts: u64 = arguments.next().unwrap_or(100_000);
    let per_block: u64 = arguments.next().unwrap_or(1_000);
    let blocks: u64 = arguments.next().unwrap_or(30);
    hashing();
    let directory = std::env::temp_dir().join(format!("store-figures-{}", std::process::id()));
    let result = measure(&directory, accounts, per_block, blocks);
    let _ = std::fs::remove_dir_all(&directory);
    result
}

/// One hash at a time against groups, in nanoseconds each.
fn hashing() {
    for len in [20, 110, 532] {
        let messages: Vec<Vec<u8>> = (0..4_096_u32).map(|i| vec![i as u8; len]).collect();
        let (mut one, mut groups) = (Figures::default(), Figures::default());
        for _ in 0..9 {
            one.0.push(timed(|| messages.iter().map(keccak256).collect::<Vec<_>>()).1);
            groups.0.push(timed(|| keccak::hash_all(&messages)).1);
        }
        println!(
            "keccak of {len} bytes: alone {}, in groups {}",
            one.each(4_096),
            groups.each(4_096)
        );
    }
}

fn open(directory: &Path) -> Result<Arc<Store>, StoreError> {
    Store::open(directory, StoreOptions { durable: false, ..Default::default() })
}

fn measure(directory: &Path, accounts: u64, per_block: u64, blocks: u64) -> Result<(), StoreError> {
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
    println!("{accounts} accounts, {per_block} changed in each of {blocks} blocks");
    let store = open(directory)?;
    let (header, took) = timed(|| store.init_genesis(&genesis));
    let mut parent = header?;
    println!(
        "  genesis             {:7.2} us per account",
        took.as_secs_f64() * 1e6 / accounts as f64
    );
    drop(store);
    let (store, took) = timed(|| open(directory));
    let store = store?;
    println!("  open                {:7.2} ms", took.as_secs_f64() * 1e3);

    println!("nothing in memory:");
    round(&store, &mut parent, (0, accounts, per_block, 5), Change::Existing)?;
    let (result, took) = timed(|| store.load_tries());
    result?;
    let stats = store.trie_stats();
    println!(
        "  all tries loaded in {:.2} s, {:.0} bytes per account ({:.0} reserved)",
        took.as_secs_f64(),
        stats.used_bytes as f64 / accounts as f64,
        stats.reserved_bytes as f64 / accounts as f64,
    );
    println!("all tries in memory:");
    round(&store, &mut parent, (5, accounts, per_block, blocks), Change::Existing)?;
    println!("each dropped for the next:");
    again(&store, (5 + blocks, accounts, per_block, blocks))?;
    println!("new accounts:");
    round(&store, &mut parent, (5 + blocks, accounts, per_block, blocks), Change::New)?;
    println!("slots of one contract, first writes then changes:");
    round(&store, &mut parent, (0, 0, per_block, 2), Change::Slots)?;
    round(&store, &mut parent, (0, 0, per_block, 2), Change::Slots)
}

#[derive(Clone, Copy)]
enum Change {
    Existing,
    New,
    Slots,
}

/// Blocks on the head that are computed twice in turn, and none is committed.
fn again(
    store: &Arc<Store>,
    (first, accounts, per_block, blocks): (u64, u64, u64, u64),
) -> Result<(), StoreError> {
    let state = store.latest_state()?;
    let mut candidates = Vec::new();
    for block in first..first + blocks {
        let mut changes = StateChanges::default();
        for i in 0..per_block {
            let address = account((block * per_block + i) * 104_729 % accounts);
            changes.accounts.insert(address, raised(state.account(address)?));
        }
        candidates.push(changes);
    }
    let mut roots = Roots::default();
    for changes in candidates.iter().chain(&candidates) {
        roots.measure(store, changes)?;
    }
    roots.print(per_block);
    Ok(())
}

/// What state roots cost, with the parts of it that the store measures.
#[derive(Default)]
struct Roots {
    all: Figures,
    walk: Figures,
    hash: Figures,
}

impl Roots {
    fn measure(
        &mut self,
        store: &Arc<Store>,
        changes: &StateChanges,
    ) -> Result<StateRootOutcome, StoreError> {
        let before = store.trie_stats();
        let provider = store.head_roots()?;
        let (outcome, took) = timed(|| provider.state_root(changes));
        let after = store.trie_stats();
        self.all.0.push(took);
        self.walk.0.push(after.walk - before.walk);
        self.hash.0.push(after.hash - before.hash);
        Ok(outcome?)
    }

    fn print(self, per_block: u64) {
        println!("  state root, CPU     {}", self.all.each(per_block));
        println!("    walk, wall        {}", self.walk.each(per_block));
        println!("    hash, wall        {}", self.hash.each(per_block));
    }
}

/// An account's nonce is raised.
fn raised(before: Option<Account>) -> AccountChange {
    let mut after = before.unwrap_or_default();
    after.nonce += 1;
    AccountChange { before, after: Some(after), ..Default::default() }
}

/// Some blocks of one kind, numbered from `first`.
fn round(
    store: &Arc<Store>,
    parent: &mut Header,
    (first, accounts, per_block, blocks): (u64, u64, u64, u64),
    kind: Change,
) -> Result<(), StoreError> {
    let (mut read, mut read_again) = (Figures::default(), Figures::default());
    let (mut roots, mut commit) = (Roots::default(), Figures::default());
    for block in first..first + blocks {
        let state = store.latest_state()?;
        let mut changes = StateChanges::default();
        let numbers = (0..per_block).map(|i| (block * per_block + i) * 104_729);
        let addresses: Vec<Address> = match kind {
            Change::Existing => numbers.map(|i| account(i % accounts)).collect(),
            Change::New => numbers.map(|i| account(accounts + i)).collect(),
            Change::Slots => vec![account(0)],
        };
        let mut found = Vec::new();
        for times in [&mut read, &mut read_again] {
            let (result, took) = timed(|| {
                addresses.iter().map(|address| state.account(*address)).collect::<Result<_, _>>()
            });
            (found, _) = (result?, times.0.push(took));
        }
        for (address, before) in addresses.iter().zip(found) {
            let mut change = raised(before);
            if let Change::Slots = kind {
                for slot in (0..per_block).map(|i| U256::from(block * per_block + i)) {
                    let before = state.storage(*address, slot)?;
                    let after = before + U256::from(parent.number + 1);
                    change.storage.insert(slot, (before, after));
                }
            }
            changes.accounts.insert(*address, change);
        }
        let outcome = roots.measure(store, &changes)?;
        let header = Header {
            parent_hash: parent.hash_slow(),
            number: parent.number + 1,
            state_root: outcome.state_root,
            mix_hash: B256::with_last_byte(1),
            ..parent.clone()
        };
        *parent = header.clone();
        let hash = header.hash_slow();
        let executed = ExecutedBlock {
            block: Block { hash, header, body: BlockBody::default() },
            receipts: Vec::new(),
            senders: Vec::new(),
            changes,
            roots: outcome,
        };
        let (result, took) = timed(|| store.commit(&executed));
        result?;
        commit.0.push(took);
    }
    if !matches!(kind, Change::Slots) {
        println!("  read                {}", read.each(per_block));
        println!("  read again          {}", read_again.each(per_block));
    }
    roots.print(per_block);
    println!("  commit, this thread {}", commit.each(per_block));
    Ok(())
}
