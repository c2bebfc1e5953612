//! Roles begin at the anchor, and the batcher's key may have posted anything before: batches out of order, early, late
//! and twice, among garbage, while L1 was reorganised. Wherever the anchor lies, a role that begins there derives
//! what a derivation from genesis on derives, and executes nothing below the anchor.

// As the made-up chains of the derivation's own tests name it.
extern crate derive as bridge_derive;

#[path = "../../derive/tests/chains/mod.rs"]
mod chains;

use std::sync::Arc;

use bridge_disputes::{Beginning, Beginnings, Derivation, Fit, fit};
use chains::world::{Derived, Node, World};
use derive::{L1Block, Step};
use primitives::RollupConfig;
use proptest::prelude::*;
use rand::Rng;

/// A role with what it has on disk.
struct Role {
    config: RollupConfig,
    directory: tempfile::TempDir,
    derivation: Derivation,
    beginnings: Beginnings,
    /// L1 blocks of `World::l1` that were given.
    given: usize,
    /// How often it began above genesis.
    begun_above: usize,
}

impl Role {
    fn new(config: &RollupConfig, genesis: &Derived) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let beginnings = Beginnings::open(directory.path()).unwrap();
        let l1 = Derivation::genesis(config).l1;
        let derivation = Derivation::new(config, &genesis.block, l1).unwrap();
        Self { config: config.clone(), directory, derivation, beginnings, given: 0, begun_above: 0 }
    }

    /// Begins at an anchor, as `Checker` does.
    fn begin(&mut self, anchor: u64, l1: &[L1Block], chain: &[Derived]) {
        self.beginnings = Beginnings::open(self.directory.path()).unwrap();
        let stands = |known: &Beginning| l1.iter().any(|block| block.hash == known.l1.hash);
        let beginning = loop {
            match self.beginnings.newest_below(anchor) {
                Some(known) if stands(&known) => break known,
                Some(known) => self.beginnings.forget_from(known.l1.number).unwrap(),
                None => break Derivation::genesis(&self.config),
            }
        };
        self.begun_above += usize::from(beginning.safe.number > 0);
        assert!(beginning.safe.number <= anchor);
        let safe = &chain[beginning.safe.number as usize];
        assert_eq!(safe.reference.hash, beginning.safe.hash, "it would begin at another block");
        self.derivation = Derivation::new(&self.config, &safe.block, beginning.l1).unwrap();
        let start = self.derivation.l1_start();
        self.given = l1.iter().position(|block| block.number == start).unwrap();
    }

    /// Reads L1; every block of `chain` must be what it gives.
    fn read(&mut self, l1: &[L1Block], chain: &[Derived]) -> u64 {
        for block in &l1[self.given..] {
            self.derivation.push_l1(Arc::new(block.clone())).unwrap();
            while let Step::Attributes(attributes) = self.advance(chain) {
                let number = self.derivation.safe_head().number + 1;
                let there = chain.get(number as usize).expect("more is derived than from genesis");
                let parent = self.derivation.safe_head().hash;
                assert_eq!(there.block.header.parent_hash, parent, "block {number}");
                match fit(&there.block, &attributes).unwrap() {
                    Fit::AsDerived => self.derivation.accept(&there.block).unwrap(),
                    Fit::DepositsAlone => self.derivation.refuse().unwrap(),
                }
            }
            if let Some(beginning) = self.derivation.beginning() {
                self.beginnings.record(beginning).unwrap();
            }
        }
        self.given = l1.len();
        self.derivation.safe_head().number
    }

    /// Spans that begin below where the role began ask for blocks there.
    fn advance(&mut self, chain: &[Derived]) -> Step {
        loop {
            match self.derivation.advance() {
                Ok(step) => return step,
                Err(derive::PipelineError::MissingBlock(number)) => {
                    self.derivation.know(chain[number as usize].reference);
                }
                Err(error) => panic!("{error}"),
            }
        }
    }
}

/// Lives through `rounds`; gives how often a role began above genesis.
fn live(seed: u64, rounds: usize) -> usize {
    let mut world = World::new(seed);
    let mut node = Node::new(&world.config);
    node.give(&world.l1[0]);
    let mut role = Role::new(&world.config, &node.head());
    for round in 0..rounds {
        if world.rng.random_ratio(1, 6) && world.l1.len() > 1 {
            let depth = world.rng.random_range(1..world.l1.len().min(9));
            world.l1.truncate(world.l1.len() - depth);
            world.forks += 1;
            node.restart(&world.l1, world.l1.len() - 1);
            // A role that runs hears of it, another finds it out.
            if role.given > world.l1.len() {
                if world.rng.random() {
                    let common = world.l1.last().unwrap().number;
                    role.beginnings.forget_from(common + 1).unwrap();
                }
                let chain = node.chain.lock().unwrap().clone();
                role.begin(world.rng.random_range(0..chain.len() as u64), &world.l1, &chain);
            }
        }
        // Some of it lies on blocks that are not the head any more.
        let from = match world.rng.random_ratio(1, 3) {
            true => {
                let chain = node.chain.lock().unwrap();
                chain[chain.len() / 2].clone()
            }
            false => node.head(),
        };
        let count = world.rng.random_range(1..9);
        let blocks = world.build(from, count);
        world.post(&blocks);
        if round + 1 == rounds {
            for _ in 0..world.config.seq_window_size + 2 {
                world.next_l1(Vec::new());
            }
        }
        for index in node.given..world.l1.len() {
            node.give(&world.l1[index]);
        }
        let chain = node.chain.lock().unwrap().clone();
        if world.rng.random() {
            role.begin(world.rng.random_range(0..chain.len() as u64), &world.l1, &chain);
        }
        assert_eq!(role.read(&world.l1, &chain), node.head().reference.number);
    }
    let fresh = {
        let mut fresh = Node::new(&world.config);
        world.l1.iter().for_each(|block| fresh.give(block));
        fresh.head().reference.hash
    };
    assert_eq!(role.derivation.safe_head().hash, fresh);
    role.begun_above
}

#[test]
fn roles_do_begin_above_genesis() {
    // Or else the property below would be one of derivations from genesis.
    let begun: usize = (0..40).map(|seed| live(seed, 10)).sum();
    assert!(begun > 100, "{begun}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn from_any_anchor_on_the_chain_is_that_of_a_derivation_from_genesis(
        seed: u64,
        rounds in 1_usize..14,
    ) {
        live(seed, rounds);
    }
}
