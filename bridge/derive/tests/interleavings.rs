//! Everything at once: frames of several channels in any order, twice, cut, among garbage and from strangers, in call
//! data and in blobs, of span and of single batches, while L1 is reorganised and the node is restarted. Whatever
//! happened on the way, the chain is what a fresh derivation gives of the L1 that stands.

mod chains;

use alloy_primitives::B256;
use bridge_derive::L1Block;
use chains::world::{Node, World};
use primitives::RollupConfig;
use proptest::prelude::*;
use rand::Rng;

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
