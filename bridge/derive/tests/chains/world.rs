//! A node that derives, and a batcher's key that posts whatever comes to its mind.

// Not every test binary uses all of it.
#![allow(dead_code)]

use std::sync::{Arc, Mutex};

use alloy_consensus::{SignableTransaction, TxEip1559};
use alloy_eips::{BlockNumHash, eip2718::Encodable2718};
use alloy_primitives::{Address, Bytes, Signature, TxKind, U256, keccak256};
use bridge_derive::{
    BatchForm, ChannelEncoder, ChannelId, Compression, EncoderConfig, Frame, InboxTransaction,
    L1Block, Pipeline, Step, attributes, decode_blob, encode_batcher_transaction, encode_blob,
    l2_block_ref, system_config_of,
};
use primitives::{Block, BlockBody, Header, L2BlockRef, RollupConfig, SystemConfig, TxEnvelope};
use rand::{Rng, SeedableRng, rngs::StdRng, seq::SliceRandom};

use super::{BATCHER, CHAIN, config, deposit, execute, genesis_ref, l1_block};

/// A derived block.
#[derive(Clone)]
pub struct Derived {
    pub block: Arc<Block>,
    pub reference: L2BlockRef,
    pub system_config: SystemConfig,
    /// The L1 block that gave it.
    pub from: u64,
}

/// A node that follows L1 as `sequencer-node`'s verifier does.
pub struct Node {
    config: RollupConfig,
    pipeline: Pipeline,
    /// By number, from genesis on.
    pub chain: Arc<Mutex<Vec<Derived>>>,
    /// L1 blocks of `World::l1` that were given.
    pub given: usize,
}

impl Node {
    pub fn new(config: &RollupConfig) -> Self {
        let header = Header { timestamp: config.genesis.l2_time, ..Default::default() };
        let body = BlockBody::rollup(Vec::new());
        let genesis = Derived {
            block: Arc::new(Block { hash: config.genesis.l2.hash, header, body }),
            reference: genesis_ref(config),
            system_config: config.genesis.system_config,
            from: config.genesis.l1.number,
        };
        let chain = Arc::new(Mutex::new(vec![genesis.clone()]));
        let known = Arc::clone(&chain);
        let pipeline = Pipeline::new(config.clone(), genesis.reference, genesis.system_config)
            .with_blocks(Arc::new(move |number| {
                known.lock().unwrap().get(number as usize).map(|block| block.reference)
            }));
        Self { config: config.clone(), pipeline, chain, given: 0 }
    }

    pub fn head(&self) -> Derived {
        self.chain.lock().unwrap().last().unwrap().clone()
    }

    pub fn give(&mut self, block: &L1Block) {
        self.pipeline.push_l1(Arc::new(block.clone())).unwrap();
        self.derive();
        self.given += 1;
    }

    fn derive(&mut self) {
        while let Step::Attributes(attributes) = self.pipeline.step().unwrap() {
            let decodes = |raw: &Bytes| TxEnvelope::decode_strict(raw).is_ok();
            if !attributes.transactions.iter().all(decodes) {
                // Of a damaged blob.
                self.pipeline.invalid_payload().unwrap();
                continue;
            }
            let block = execute(self.pipeline.safe_head(), &attributes);
            let reference = l2_block_ref(&self.config, &block).unwrap();
            self.pipeline.accepted(reference);
            self.chain.lock().unwrap().push(Derived {
                reference,
                system_config: system_config_of(&block).unwrap(),
                block: Arc::new(block),
                from: self.pipeline.l1_origin().unwrap().number,
            });
        }
    }

    /// Begins again with what L1 gave up to its block `index` of `l1`, all of which was read.
    pub fn restart(&mut self, l1: &[L1Block], index: usize) {
        let common = l1[index].number;
        self.chain.lock().unwrap().retain(|block| block.from <= common);
        let head = self.head();
        self.pipeline.reset(head.reference, head.system_config);
        self.pipeline.settle(common);
        let start = self.pipeline.l1_start();
        for block in l1[..=index].iter().filter(|block| block.number >= start) {
            self.pipeline.push_l1(Arc::new(block.clone())).unwrap();
        }
        self.derive();
        self.given = index + 1;
    }
}

pub struct World {
    pub rng: StdRng,
    pub config: RollupConfig,
    pub l1: Vec<L1Block>,
    pub forks: u64,
    channels: u128,
}

impl World {
    pub fn new(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let config = config(rng.random_range(5..16), rng.random_range(1..6));
        Self { rng, config, l1: vec![l1_block(10, 0, Vec::new())], forks: 0, channels: 0 }
    }

    pub fn next_l1(&mut self, inbox: Vec<InboxTransaction>) {
        let parent = self.l1.last().unwrap();
        let deposits = (0..self.rng.random_range(0..3)).map(|_| deposit(&mut self.rng)).collect();
        let mut block = l1_block(parent.number + 1, 0, deposits);
        block.parent_hash = parent.hash;
        block.hash = keccak256([parent.hash.as_slice(), &self.forks.to_be_bytes()].concat());
        block.inbox = inbox;
        self.l1.push(block);
    }

    /// Blocks on `head` as a sequencer makes them, now and then as one that breaks the rules does.
    pub fn build(&mut self, head: Derived, count: usize) -> Vec<Block> {
        let (mut parent, mut in_force) = (head.reference, head.system_config);
        let rogue = self.rng.random_ratio(1, 6);
        let mut blocks = Vec::new();
        for _ in 0..count {
            if rogue && self.rng.random_ratio(1, 3) {
                self.pretend(&mut parent);
            }
            let timestamp = parent.timestamp + 1;
            let at = self.l1.iter().position(|l1| l1.hash == parent.l1_origin.hash).unwrap();
            let next = self.l1.get(at + 1).filter(|next| next.timestamp <= timestamp);
            let (origin, sequence_number) = match next {
                Some(next) => (next, 0),
                None => (&self.l1[at], parent.sequence_number + 1),
            };
            let made =
                attributes(&self.config, &in_force, &parent, origin, sequence_number, timestamp);
            let mut made = made.unwrap();
            for _ in 0..self.rng.random_range(0..3) {
                made.transactions.push(transfer(&mut self.rng));
            }
            let block = execute(&parent, &made);
            parent = l2_block_ref(&self.config, &block).unwrap();
            in_force = system_config_of(&block).unwrap();
            blocks.push(block);
        }
        blocks
    }

    /// Makes of a parent one that was not there: of another epoch, time or hash.
    fn pretend(&mut self, parent: &mut L2BlockRef) {
        match self.rng.random_range(0..8) {
            0 => parent.timestamp += 1,
            1 => parent.timestamp -= 1,
            2 => parent.hash = keccak256(parent.hash),
            _ => {}
        }
        let now = parent.timestamp;
        let begun = self.l1.iter().take_while(|l1| l1.timestamp <= now).count();
        // Before the first L1 block there is no epoch to pretend.
        let Some(last) = begun.checked_sub(1) else {
            parent.timestamp = self.l1[0].timestamp;
            return;
        };
        let origin = &self.l1[self.rng.random_range(last.saturating_sub(4)..=last)];
        parent.l1_origin = BlockNumHash { number: origin.number, hash: origin.hash };
    }

    /// The frames of a channel with these blocks.
    fn frames(&mut self, blocks: &[Block]) -> Vec<Frame> {
        self.channels += 1;
        let genesis_time = self.config.genesis.l2_time;
        let span = BatchForm::Span { genesis_time };
        let config = EncoderConfig {
            batches: if self.rng.random() { span } else { BatchForm::Single },
            compression: Compression::Brotli { level: self.rng.random_range(0..5) },
            frame_size_max: self.rng.random_range(40..600),
            ..Default::default()
        };
        let mut encoder = ChannelEncoder::new(ChannelId::from(self.channels), config).unwrap();
        for block in blocks {
            encoder.add_block(block).unwrap();
        }
        encoder.close().unwrap().map_or(Vec::new(), |channel| channel.frames)
    }

    /// What stands in the inbox of one L1 block after another for these blocks.
    pub fn post(&mut self, blocks: &[Block]) {
        let mut lists: Vec<Vec<Frame>> = Vec::new();
        let mut rest = blocks;
        while !rest.is_empty() {
            let (now, later) = rest.split_at(self.rng.random_range(1..=rest.len()));
            lists.push(self.frames(now));
            rest = later;
        }
        let mut frames = match self.rng.random_range(0..4) {
            // Channels side by side.
            0 => self.merge(lists),
            // In any order.
            1 => {
                let mut frames = lists.concat();
                frames.shuffle(&mut self.rng);
                frames
            }
            _ => lists.concat(),
        };
        for _ in 0..self.rng.random_range(0..3) {
            let twice = frames[self.rng.random_range(0..frames.len())].clone();
            frames.insert(self.rng.random_range(0..=frames.len()), twice);
        }
        let mut inbox = Vec::new();
        let mut rest = frames.as_slice();
        while !rest.is_empty() {
            let (now, later) = rest.split_at(self.rng.random_range(1..=rest.len().min(4)));
            let data = encode_batcher_transaction(now);
            self.garbage(&data, &mut inbox);
            self.put(BATCHER, data, &mut inbox);
            rest = later;
            if self.rng.random_ratio(1, 3) {
                self.next_l1(std::mem::take(&mut inbox));
            }
        }
        self.next_l1(inbox);
    }

    fn merge(&mut self, mut lists: Vec<Vec<Frame>>) -> Vec<Frame> {
        let mut merged = Vec::new();
        while !lists.is_empty() {
            let index = self.rng.random_range(0..lists.len());
            merged.push(lists[index].remove(0));
            lists.retain(|list| !list.is_empty());
        }
        merged
    }

    /// Call data, or a blob, which counts only if it is whole.
    fn put(&mut self, from: Address, data: Bytes, inbox: &mut Vec<InboxTransaction>) {
        let data = match self.rng.random_ratio(1, 4) {
            false => Ok(data),
            true => {
                let mut blob = encode_blob(&data).unwrap();
                if self.rng.random_ratio(1, 10) {
                    blob[self.rng.random_range(0..200)] = self.rng.random();
                }
                decode_blob(&blob).map(Bytes::from)
            }
        };
        inbox.extend(data.map(|data| InboxTransaction { from, data }));
    }

    fn garbage(&mut self, genuine: &Bytes, inbox: &mut Vec<InboxTransaction>) {
        let noise: Vec<u8> = (0..self.rng.random_range(0..60)).map(|_| self.rng.random()).collect();
        let cut = self.rng.random_range(0..genuine.len());
        let (from, data) = match self.rng.random_range(0..8) {
            0 => (BATCHER, noise.into()),
            1 => (BATCHER, [&[0], noise.as_slice()].concat().into()),
            2 => (Address::repeat_byte(1), genuine.clone()),
            3 => (BATCHER, genuine.slice(..cut)),
            4 => {
                let id = ChannelId::from(self.rng.random::<u128>() | 1 << 127);
                let number = self.rng.random_range(0..3);
                let frame = Frame { id, number, data: noise.into(), is_last: self.rng.random() };
                (BATCHER, encode_batcher_transaction([&frame]))
            }
            _ => return,
        };
        self.put(from, data, inbox);
    }
}

fn transfer(rng: &mut StdRng) -> Bytes {
    let transaction = TxEip1559 {
        chain_id: CHAIN,
        nonce: rng.random_range(0..50),
        gas_limit: 21_000,
        to: TxKind::Call(Address::repeat_byte(rng.random())),
        value: U256::from(rng.random::<u64>()),
        ..Default::default()
    };
    let word = U256::from_be_bytes(rng.random::<[u8; 32]>());
    let signature = Signature::new(word, word, rng.random());
    TxEnvelope::from(transaction.into_signed(signature)).encoded_2718().into()
}
