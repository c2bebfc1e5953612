//! Figures of the log index: what it adds to a commit and to the disk per log, and what queries cost, as
//! CPU time.
//! `cargo run --release -p sequencer-store --example log_index -- [blocks] [logs per block] [recipients]`

use std::{collections::BTreeMap, path::Path, sync::Arc};

use alloy_consensus::{Eip658Value, Receipt, ReceiptWithBloom, SignableTransaction, TxLegacy};
use alloy_primitives::{Address, B256, Bytes, Log, Signature, U256, keccak256};
use primitives::{Block, BlockBody, GenesisL2, Header};
use primitives::{ReceiptEnvelope, TxEnvelope};
use sequencer_store::{LogQuery, Store, StoreError, StoreOptions};
use stf::{ExecutedBlock, StateChanges, StateRootProvider};

const TOKENS: u64 = 20;
const QUERIES: u64 = 200;

fn holder(number: u64) -> B256 {
    Address::from_slice(&keccak256(number.to_be_bytes())[..20]).into_word()
}

fn token(number: u64) -> Address {
    Address::with_last_byte(number as u8)
}

/// CPU time of the process or of this thread so far, seconds.
fn cpu(clock: libc::clockid_t) -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a timespec that lives longer than the call.
    let result = unsafe { libc::clock_gettime(clock, &raw mut time) };
    assert_eq!(result, 0, "the system has no clock of CPU time");
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

fn main() -> Result<(), StoreError> {
    let mut arguments = std::env::args().skip(1).filter_map(|argument| argument.parse().ok());
    let blocks: u64 = arguments.next().unwrap_or(1_000);
    let per_block: u64 = arguments.next().unwrap_or(1_000);
    let recipients: u64 = arguments.next().unwrap_or(100_000);
    let directory = std::env::temp_dir().join(format!("log-figures-{}", std::process::id()));
    println!("{blocks} blocks of {per_block} token transfers to {recipients} recipients");
    let (without, size_without) = fill(&directory.join("without"), blocks, per_block, None)?;
    let (with, size_with) = fill(&directory.join("with"), blocks, per_block, Some(recipients))?;
    let logs = (blocks * per_block) as f64;
    println!("  commit without logs  {:6.2} us per receipt", without * 1e6 / logs);
    println!("  commit with logs     {:6.2} us per receipt", with * 1e6 / logs);
    println!("  file without logs    {:6.1} bytes per receipt", size_without as f64 / logs);
    println!("  file with logs       {:6.1} bytes per receipt", size_with as f64 / logs);
    queries(&directory.join("with"), recipients)?;
    let _ = std::fs::remove_dir_all(&directory);
    Ok(())
}

/// Commits the blocks; gives CPU seconds of all threads and bytes. Without recipients the receipts have no logs.
fn fill(
    path: &Path,
    blocks: u64,
    per_block: u64,
    recipients: Option<u64>,
) -> Result<(f64, u64), StoreError> {
    let store = Store::open(path, StoreOptions { durable: false, ..StoreOptions::default() })?;
    let mut parent = store.init_genesis(&GenesisL2 {
        chain_id: 1,
        timestamp: 0,
        gas_limit: 60_000_000,
        base_fee_per_gas: 1,
        extra_data: Bytes::new(),
        alloc: BTreeMap::new(),
    })?;
    let changes = StateChanges::default();
    let roots = store.head_roots()?.state_root(&changes)?;
    let mut making = 0.0;
    let start = cpu(libc::CLOCK_PROCESS_CPUTIME_ID);
    for number in 1..=blocks {
        let before = cpu(libc::CLOCK_THREAD_CPUTIME_ID);
        let header = Header { parent_hash: parent.hash_slow(), number, ..parent };
        parent = header.clone();
        let first = number * per_block;
        let receipts = (first..first + per_block).map(|n| receipt(n, recipients)).collect();
        let transactions = (first..first + per_block)
            .map(|nonce| {
                let unsigned = TxLegacy { nonce, ..Default::default() };
                TxEnvelope::from(unsigned.into_signed(Signature::test_signature()))
            })
            .collect();
        let executed = ExecutedBlock {
            block: Block {
                hash: header.hash_slow(),
                header,
                body: BlockBody::rollup(transactions),
            },
            receipts,
            senders: vec![Address::ZERO; per_block as usize],
            changes: changes.clone(),
            roots: roots.clone(),
        };
        making += cpu(libc::CLOCK_THREAD_CPUTIME_ID) - before;
        store.commit(&executed)?;
    }
    store.flush()?;
    let seconds = cpu(libc::CLOCK_PROCESS_CPUTIME_ID) - start - making;
    drop(store);
    Ok((seconds, std::fs::metadata(path.join("mdbx.dat")).map_or(0, |file| file.len())))
}

fn receipt(number: u64, recipients: Option<u64>) -> ReceiptEnvelope {
    let logs = recipients.map(|recipients| {
        let topics = vec![
            keccak256("Transfer(address,address,uint256)"),
            holder(number.wrapping_mul(7_919) % recipients),
            holder(number.wrapping_mul(104_729) % recipients),
        ];
        let value = U256::from(number).to_be_bytes_vec();
        Log::new_unchecked(token(number % TOKENS), topics, value.into())
    });
    ReceiptEnvelope::Legacy(ReceiptWithBloom::from(Receipt {
        status: Eip658Value::Eip658(true),
        cumulative_gas_used: 21_000,
        logs: logs.into_iter().collect(),
    }))
}

fn queries(path: &Path, recipients: u64) -> Result<(), StoreError> {
    let store = Store::open(path, StoreOptions { durable: false, ..StoreOptions::default() })?;
    let one = |number: u64| {
        let to = [holder(number * 31 % recipients)];
        LogQuery::new(&[], [&[][..], &[], &to, &[]])
    };
    measure(&store, "one recipient", one)?;
    let of_token = |number: u64| {
        let to = [holder(number * 31 % recipients)];
        LogQuery::new(&[token(number % TOKENS)], [&[][..], &[], &to, &[]])
    };
    measure(&store, "one recipient of one token", of_token)?;
    Ok(())
}

fn measure(
    store: &Arc<Store>,
    name: &str,
    query: impl Fn(u64) -> LogQuery,
) -> Result<(), StoreError> {
    let mut found = 0_u64;
    let mut each = Vec::new();
    for number in 0..QUERIES {
        let start = cpu(libc::CLOCK_THREAD_CPUTIME_ID);
        store.find_logs::<StoreError>(&query(number), 0, u64::MAX, |receipt| {
            found += u64::from(!receipt.transaction_hash().is_zero());
            Ok(true)
        })?;
        each.push(cpu(libc::CLOCK_THREAD_CPUTIME_ID) - start);
    }
    each.sort_unstable_by(f64::total_cmp);
    let median = each.get(each.len() / 2).copied().unwrap_or_default() * 1e6;
    println!("  {name}: {median:.1} us, {:.1} receipts found", found as f64 / QUERIES as f64);
    Ok(())
}
