//! Everything at once: frames of several channels in any order, twice, cut, among garbage and from strangers, in call
//! data and in blobs, of span and of single batches, while L1 is reorganised and the node is restarted. Whatever
//! happened on the way, the chain is what a fresh derivation gives of the L1 that stands.

mod chains;

use std::sync::{Arc, Mutex};

use alloy_consensus::{SignableTransaction, TxEip1559};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256, keccak256};
use bridge_derive::{
    BatchForm, ChannelEncoder, ChannelId, Compression, EncoderConfig, Frame, InboxTransaction,
    L1Block, Pipeline, Step, attributes, decode_blob, encode_batcher_transaction, encode_blob,
    l2_block_ref, system_config_of,
};
use chains::{BATCHER, CHAIN, config, deposit, execute, genesis_ref, l1_block};
use primitives::{Block, L2BlockRef, RollupConfig, SystemConfig, TxEnvelope};
use proptest::prelude::*;
use rand::{Rng, SeedableRng, rngs::StdRng, seq::SliceRandom};

/// A derived block.
#[derive(Clone, Copy)]
struct Derived {
    reference: L2BlockRef,
    system_config: SystemConfig,
    /// The L1 block that gave it.
    from: u64,
}

/// A node that follows L1 as `sequencer-node`'s verifier does.
struct Node {
    config: RollupConfig,
    pipeline: Pipeline,
    /// By number, from genesis on.
    chain: Arc<Mutex<Vec<Derived>>>,
    /// L1 blocks of `World::l1` that were given.
    given: usize,
}

impl Node {
    fn new(config: &RollupConfig) -> Self {
        let genesis = Derived {
            reference: genesis_ref(config),
            system_config: config.genesis.system_config,
            from: config.genesis.l1.number,
        };
        let chain = Arc::new(Mutex::new(vec![genesis]));
        let known = Arc::clone(&chain);
        let pipeline = Pipeline::new(config.clone(), genesis.reference, genesis.system_config)
            .with_blocks(Arc::new(move |number| {
                known.lock().unwrap().get(number as usize).map(|block| block.reference)
            }));
        Self { config: config.clone(), pipeline, chain, given: 0 }
    }

    fn head(&self) -> Derived {
        *self.chain.lock().unwrap().last().unwrap()
    }

    fn give(&mut self, block: &L1Block) {
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
                from: self.pipeline.l1_origin().unwrap().number,
            });
        }
    }

    /// Begins again with what L1 gave up to its block `index` of `l1`, all of which was read.
    fn restart(&mut self, l1: &[L1Block], index: usize) {
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

struct World {
    rng: StdRng,
    config: RollupConfig,
    l1: Vec<L1Block>,
    forks: u64,
    channels: u128,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let config = config(rng.random_range(5..16), rng.random_range(1..6));
        Self { rng, config, l1: vec![l1_block(10, 0, Vec::new())], forks: 0, channels: 0 }
    }

    fn next_l1(&mut self, inbox: Vec<InboxTransaction>) {
        let parent = self.l1.last().unwrap();
        let deposits = (0..self.rng.random_range(0..3)).map(|_| deposit(&mut self.rng)).collect();
        let mut block = l1_block(parent.number + 1, 0, deposits);
        block.parent_hash = parent.hash;
        block.hash = keccak256([parent.hash.as_slice(), &self.forks.to_be_bytes()].concat());
        block.inbox = inbox;
        self.l1.push(block);
    }

    /// Blocks on `head` as a sequencer makes them.
    fn build(&mut self, head: Derived, count: usize) -> Vec<Block> {
        let (mut parent, mut in_force) = (head.reference, head.system_config);
        let mut blocks = Vec::new();
        for _ in 0..count {
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
    fn post(&mut self, blocks: &[Block]) {
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

/// The chain that a node without a past derives, and how many blocks have users' transactions.
fn fresh(config: &RollupConfig, l1: &[L1Block]) -> Vec<B256> {
    let mut node = Node::new(config);
    l1.iter().for_each(|block| node.give(block));
    node.chain.lock().unwrap().iter().map(|block| block.reference.hash).collect()
}

/// Lives through `rounds` and returns the node's chain, a fresh one's, and the number of users' blocks that
/// were posted.
fn live(seed: u64, rounds: usize) -> (Vec<B256>, Vec<B256>, usize) {
    let mut world = World::new(seed);
    let mut node = Node::new(&world.config);
    node.give(&world.l1[0]);
    let mut posted = Vec::new();
    for _ in 0..rounds {
        match world.rng.random_range(0..6) {
            0 if world.l1.len() > 1 => {
                let depth = world.rng.random_range(1..world.l1.len().min(9));
                world.l1.truncate(world.l1.len() - depth);
                world.forks += 1;
                if node.given > world.l1.len() {
                    node.restart(&world.l1, world.l1.len() - 1);
                }
            }
            // After a crash the node begins where it was.
            1 => node.restart(&world.l1, node.given - 1),
            _ => {}
        }
        // What is not read yet changes nothing; what was posted in it may be posted again.
        let count = world.rng.random_range(1..9);
        let blocks = world.build(node.head(), count);
        posted.extend(blocks.iter().map(|block| block.hash));
        world.post(&blocks);
        let unread = world.rng.random_range(0..2).min(world.l1.len() - node.given);
        for index in node.given..world.l1.len() - unread {
            node.give(&world.l1[index]);
        }
    }
    for _ in 0..world.config.seq_window_size + 2 {
        world.next_l1(Vec::new());
    }
    for index in node.given..world.l1.len() {
        node.give(&world.l1[index]);
    }
    let chain: Vec<B256> =
        node.chain.lock().unwrap().iter().map(|block| block.reference.hash).collect();
    let counted = chain.iter().filter(|hash| posted.contains(hash)).count();
    let fresh = fresh(&world.config, &world.l1);
    (chain, fresh, counted)
}

#[test]
fn much_of_what_is_posted_counts() {
    // Or else the property below would be one of empty chains.
    let counted: usize = (0..40).map(|seed| live(seed, 10).2).sum();
    assert!(counted > 400, "{counted}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn whatever_happens_the_chain_is_that_of_a_fresh_derivation(seed: u64, rounds in 1_usize..14) {
        let (chain, fresh, _) = live(seed, rounds);
        prop_assert_eq!(chain, fresh);
    }
}
