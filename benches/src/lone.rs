//! A sequencer and nothing beside it, in a process of its own: what a transaction costs the node, without
//! batcher, verifier and engine. L1 is made by hand.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use alloy_primitives::{B256, keccak256};
use anyhow::{Context, Result};
use derive::{L1Block, L1Event};
use node::{Node, NodeConfig, NodeInputs, Role, SequencerConfig};
use primitives::RollupConfig;
use serde_json::json;
use store::{Store, StoreOptions};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::world::{World, l1_hash};

/// Seconds between L1 blocks.
const L1_BLOCK_TIME: u64 = 12;

fn l1_block(number: u64, timestamp: u64) -> L1Block {
    L1Block {
        hash: l1_hash(number),
        number,
        parent_hash: number.checked_sub(1).map_or(B256::ZERO, l1_hash),
        timestamp,
        base_fee: 1_000_000_000,
        blob_base_fee: 1,
        mix_hash: keccak256(l1_hash(number)),
        parent_beacon_block_root: B256::ZERO,
        deposits: Vec::new(),
        inbox: Vec::new(),
        config_updates: Vec::new(),
    }
}

fn now() -> Result<u64> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs())
}

/// Runs until it is killed. Prints a line when it answers, and one when it has loaded the tries, as the
/// rollup's node does. A directory that holds a chain goes on.
pub async fn run(directory: &Path, world: &World, gas_limit: u64) -> Result<()> {
    let file = directory.join("rollup.json");
    let store = Store::open(&directory.join("store"), StoreOptions::default())?;
    let rollup: RollupConfig = if file.is_file() {
        serde_json::from_slice(&std::fs::read(&file)?)?
    } else {
        let (genesis, rollup) = world.genesis(now()?.saturating_sub(1), gas_limit)?;
        store.init_genesis(&genesis)?;
        std::fs::write(&file, serde_json::to_vec(&rollup)?)?;
        rollup
    };
    let start = rollup.genesis.l2_time;
    let (l1, l1_events) = mpsc::channel(64);
    let heads = store.heads()?;
    let update =
        node::SafeHeadUpdate { safe: heads.safe, finalized: heads.finalized, ..Default::default() };
    let (_safe, safe_heads) = watch::channel(update);
    let head =
        store.l2_block_ref(heads.unsafe_head.number)?.context("the newest block is missing")?;
    // The genesis names no origin.
    let first = if head.number == 0 { 0 } else { node::sequencer::l1_start(&head) };
    let mut config = NodeConfig::new(rollup, Role::Sequencer(SequencerConfig::default()));
    // Batches can outrun a block of one second: as much room as anvil has, which knows no bound.
    config.pool.transactions_max = 200_000;
    config.pool.bytes_max = 400 << 20;
    let loading = Arc::clone(&store);
    let inputs = NodeInputs { store, l1: l1_events.into(), safe_heads: Some(safe_heads.into()) };
    let handle = Node::start(config, inputs, CancellationToken::new()).await?;
    println!("{}", json!({"address": handle.rpc_addr().to_string()}));
    tokio::spawn(async move {
        for number in first.. {
            let timestamp = start + number * L1_BLOCK_TIME;
            while now().unwrap_or(u64::MAX) < timestamp {
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            if l1.send(L1Event::Block(Arc::new(l1_block(number, timestamp)))).await.is_err() {
                break;
            }
        }
    });
    tokio::task::spawn_blocking(move || loading.load_tries()).await??;
    println!("{}", json!({"tries": "loaded"}));
    Ok(handle.join().await?)
}
