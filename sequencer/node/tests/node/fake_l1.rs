//! An L1 of made-up blocks that can be reorganised, reported to nodes as `bridge-l1`'s watcher does.

use std::{sync::Arc, time::Duration};

use alloy_primitives::{Address, B256, Log, LogData, keccak256};
use derive::{
    ChannelEncoder, ChannelId, EncoderConfig, InboxTransaction, L1Block, L1Event,
    batcher_transactions,
};
use parking_lot::Mutex;
use primitives::{Block, BlockNumHash, TxDeposit};
use sequencer_node::{L1Feed, NamedKey};
use tokio::sync::{mpsc, watch};

use crate::harness::{BATCHER, World, l1_block, now};

pub const L1_BLOCK_TIME: u64 = 2;

/// The canonical chain; the index is the number.
#[derive(Clone)]
pub struct FakeL1 {
    blocks: Arc<Mutex<Vec<L1Block>>>,
    names: Arc<Mutex<Option<Address>>>,
    start: u64,
}

impl FakeL1 {
    pub fn new(world: &World) -> Self {
        let start = world.genesis.timestamp;
        let blocks = Arc::new(Mutex::new(vec![l1_block(0, start, Vec::new())]));
        Self { blocks, names: Arc::default(), start }
    }

    /// Adds a block of a fork, changed before it is hashed.
    pub fn extend(&self, fork: u64, deposits: Vec<TxDeposit>, change: impl FnOnce(&mut L1Block)) {
        let mut blocks = self.blocks.lock();
        let block = self.next(&blocks, fork, deposits, change);
        blocks.push(block);
    }

    /// Names a key for the feed in the next block of [`Self::keep_time`].
    pub fn name(&self, key: Address) {
        *self.names.lock() = Some(key);
    }

    /// Adds empty blocks as their time comes, until the L1 is dropped.
    pub fn keep_time(&self) {
        let (blocks, names) = (Arc::downgrade(&self.blocks), Arc::downgrade(&self.names));
        let start = self.start;
        tokio::spawn(async move {
            while let (Some(blocks), Some(names)) = (blocks.upgrade(), names.upgrade()) {
                let l1 = Self { blocks, names, start };
                while start + (l1.tip() + 1) * L1_BLOCK_TIME <= now() {
                    let named = l1.names.lock().take();
                    l1.extend(0, Vec::new(), |block| {
                        block.config_updates = named.map(named_key).into_iter().collect();
                    });
                }
                drop(l1);
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        });
    }

    /// Whom L1 named at first, as it was asked.
    pub fn named_at_first(&self, key: Address) -> watch::Receiver<NamedKey> {
        let first = self.block(0);
        let block = BlockNumHash { number: first.number, hash: first.hash };
        watch::channel(NamedKey { block, key }).1
    }

    /// Replaces the newest `depth` blocks by `count` empty ones of another fork.
    pub fn reorg(&self, depth: usize, fork: u64, deposits: Vec<Vec<TxDeposit>>) {
        let mut blocks = self.blocks.lock();
        let left = blocks.len() - depth;
        blocks.truncate(left);
        for deposits in deposits {
            let block = self.next(&blocks, fork, deposits, |_| {});
            blocks.push(block);
        }
    }

    fn next(
        &self,
        blocks: &[L1Block],
        fork: u64,
        deposits: Vec<TxDeposit>,
        change: impl FnOnce(&mut L1Block),
    ) -> L1Block {
        let parent = blocks.last().unwrap();
        let number = parent.number + 1;
        let mut block = l1_block(number, self.start + number * L1_BLOCK_TIME, deposits);
        change(&mut block);
        block.parent_hash = parent.hash;
        let seed = [parent.hash.as_slice(), &fork.to_be_bytes()].concat();
        block.hash = keccak256(seed);
        for (index, deposit) in block.deposits.iter_mut().enumerate() {
            // As real ones, keyed by their block.
            deposit.source_hash = keccak256([block.hash.as_slice(), &[index as u8]].concat());
        }
        block
    }

    pub fn tip(&self) -> u64 {
        self.blocks.lock().len() as u64 - 1
    }

    pub fn block(&self, number: u64) -> L1Block {
        self.blocks.lock()[number as usize].clone()
    }

    /// Reports from block `start` on, remembering `remembered` blocks.
    pub fn feed(&self, start: u64, remembered: usize) -> L1Feed {
        self.feed_over(start, remembered, watch::channel(false).1)
    }

    /// The same over a line that can be cut.
    pub fn feed_over(
        &self,
        start: u64,
        remembered: usize,
        is_cut: watch::Receiver<bool>,
    ) -> L1Feed {
        let (sender, events) = mpsc::channel(16);
        let (rewinds, mut asked) = mpsc::channel(4);
        let chain = Arc::clone(&self.blocks);
        tokio::spawn(async move {
            let mut reported: Vec<L1Block> = Vec::new();
            let mut next = start;
            loop {
                if *is_cut.borrow() && !sender.is_closed() {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                    continue;
                }
                let event = match asked.try_recv() {
                    Ok(from) => {
                        reported.clear();
                        next = from;
                        Some(L1Event::Restart { from })
                    }
                    Err(_) => look(&chain.lock(), &mut reported, &mut next),
                };
                if reported.len() > remembered {
                    reported.remove(0);
                }
                match event {
                    Some(event) => {
                        if sender.send(event).await.is_err() {
                            return;
                        }
                    }
                    None if sender.is_closed() => return,
                    None => tokio::time::sleep(Duration::from_millis(5)).await,
                }
            }
        });
        L1Feed::new(events, rewinds)
    }
}

/// The log with which `SystemConfig` names a key for the feed.
pub fn named_key(key: Address) -> Log {
    let topics = vec![messages::CONFIG_UPDATE_TOPIC, B256::ZERO, B256::with_last_byte(3)];
    let words = [B256::with_last_byte(32), B256::with_last_byte(32), key.into_word()];
    let data: Vec<u8> = words.iter().flatten().copied().collect();
    Log { address: Address::repeat_byte(0xcc), data: LogData::new_unchecked(topics, data.into()) }
}

/// What is new.
fn look(chain: &[L1Block], reported: &mut Vec<L1Block>, next: &mut u64) -> Option<L1Event> {
    let stands = |block: &L1Block| {
        chain.get(block.number as usize).is_some_and(|now| now.hash == block.hash)
    };
    if reported.last().is_some_and(|last| !stands(last)) {
        let mut oldest = 0;
        while let Some(last) = reported.last().filter(|last| !stands(last)) {
            oldest = last.number;
            reported.pop();
        }
        let below = (oldest as usize - 1).min(chain.len() - 1);
        let common = reported.last().cloned().unwrap_or_else(|| chain[below].clone());
        *next = common.number + 1;
        return Some(L1Event::Reorg { common: common.block_ref() });
    }
    let block = chain.get(*next as usize)?;
    *next += 1;
    reported.push(block.clone());
    Some(L1Event::Block(Arc::new(block.clone())))
}

/// The batcher transactions of one channel with these blocks.
pub fn batches(channel: u8, blocks: &[Block]) -> Vec<InboxTransaction> {
    let mut encoder =
        ChannelEncoder::new(ChannelId::from([channel; 16]), EncoderConfig::default()).unwrap();
    for block in blocks {
        encoder.add_block(block).unwrap();
    }
    let closed = encoder.close().unwrap().unwrap();
    batcher_transactions(&closed)
        .into_iter()
        .map(|data| InboxTransaction { from: BATCHER, data })
        .collect()
}
