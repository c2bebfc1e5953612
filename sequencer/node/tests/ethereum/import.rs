//! Importing files: whole, again, broken in every way.

use std::sync::Arc;

use alloy_consensus::{Header, proofs::calculate_ommers_root};
use alloy_primitives::{Address, B256, U256};
use primitives::{Block, BlockBody};
use revm::DatabaseRef;
use sequencer_node::{
    ImportError,
    ethereum::import::{Imported, import},
};
use stf::BlockError;
use store::Store;

use crate::harness::{ETHER, Forge, World, file};

struct Target {
    world: World,
    store: Arc<Store>,
    directory: tempfile::TempDir,
}

impl Target {
    fn new(world: &World) -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self { world: world.clone(), store: world.open(directory.path()), directory }
    }

    fn import(&self, bytes: &[u8]) -> Result<Imported, ImportError> {
        import(&self.store, &self.world.spec(), bytes, |_| {})
    }

    fn head(&self) -> u64 {
        self.store.heads().unwrap().unsafe_head.number
    }
}

#[test]
fn a_whole_chain_and_the_same_again() {
    let world = World::new();
    let forge = Forge::new(&world);
    let blocks = forge.chain(300);
    let bytes = file(&blocks);
    let target = Target::new(&world);
    let done = target.import(&bytes).unwrap();
    assert_eq!((done.blocks, done.transactions, done.known), (300, 300, 0));
    assert_eq!(done.head, blocks[299].id());
    assert_eq!(target.store.block(300).unwrap().unwrap(), blocks[299]);
    let paid = target.store.latest_state().unwrap().basic_ref(Forge::receiver(7));
    assert_eq!(paid.unwrap().unwrap().balance, U256::from(8));

    let again = target.import(&bytes).unwrap();
    assert_eq!((again.blocks, again.known, again.head), (0, 300, done.head));
    // What was imported is there after a restart.
    let Target { world, store, directory } = target;
    drop(store);
    let store = world.open(directory.path());
    assert_eq!(store.heads().unwrap().unsafe_head, done.head);
}

#[test]
fn a_file_cut_anywhere_is_continued() {
    let world = World::new();
    let forge = Forge::new(&world);
    let blocks = forge.chain(4);
    let bytes = file(&blocks);
    let third = file(&blocks[..2]).len();
    let target = Target::new(&world);
    for cut in [third + 1, third + 2, third + 300, bytes.len() - 1] {
        let error = target.import(&bytes[..cut]).unwrap_err();
        let before = if cut < third + 4 + 300 { 2 } else { 3 };
        assert!(
            matches!(error, ImportError::Truncated { previous: Some(number), .. } if number == before),
            "cut at {cut}: {error}"
        );
        assert_eq!(target.head(), before);
    }
    let done = target.import(&bytes).unwrap();
    assert_eq!((done.blocks, done.known, done.head), (1, 3, blocks[3].id()));
}

#[test]
fn what_is_no_chain_is_refused_and_nothing_lost() {
    let world = World::new();
    let forge = Forge::new(&world);
    let blocks = forge.chain(6);
    let good = file(&blocks[..3]);
    let changed = |change: fn(&mut Block)| {
        let mut block = blocks[3].clone();
        change(&mut block);
        block.hash = block.header.hash_slow();
        [good.clone(), file([&block])].concat()
    };
    type Check = fn(&ImportError) -> bool;
    let cases: Vec<(&str, Vec<u8>, Check)> = vec![
        ("garbage", [good.clone(), b"garbage".to_vec()].concat(), |error| {
            matches!(error, ImportError::NotABlock { previous: Some(3), .. })
        }),
        ("a list that is no block", [good.clone(), vec![0xc3, 1, 2, 3]].concat(), |error| {
            matches!(error, ImportError::Malformed { previous: Some(3), .. })
        }),
        ("an endless block", [good.clone(), vec![0xff; 9]].concat(), |error| {
            matches!(error, ImportError::TooLong { previous: Some(3), .. })
        }),
        ("a block left out", file([&blocks[0], &blocks[1], &blocks[2], &blocks[4]]), |error| {
            matches!(error, ImportError::Gap { expected: 4, found: 5 })
        }),
        ("another parent", changed(|block| block.header.parent_hash = B256::ZERO), |error| {
            matches!(
                error,
                ImportError::Block { number: 4, source: BlockError::WrongParent { .. } }
            )
        }),
        ("another state root", changed(|block| block.header.state_root = B256::ZERO), |error| {
            matches!(
                error,
                ImportError::Block {
                    number: 4,
                    source: BlockError::Mismatch { field: "state_root", .. }
                }
            )
        }),
        ("a transaction left out", changed(|block| block.body.transactions.clear()), |error| {
            matches!(error, ImportError::Block { number: 4, source: BlockError::Mismatch { .. } })
        }),
        (
            "a nonce used twice",
            changed(|block| {
                let twice = block.body.transactions[0].clone();
                block.body.transactions.push(twice);
            }),
            |error| {
                matches!(
                    error,
                    ImportError::Block {
                        number: 4,
                        source: BlockError::InvalidTransaction { index: 1, .. }
                    }
                )
            },
        ),
    ];
    for (name, bytes, check) in cases {
        let target = Target::new(&world);
        let error = target.import(&bytes).unwrap_err();
        assert!(check(&error), "{name}: {error:?}");
        assert_eq!(target.head(), 3, "{name}");
        // The right file goes on from there.
        assert_eq!(target.import(&file(&blocks)).unwrap().blocks, 3, "{name}");
    }
    // A file of a chain that forks off below the head.
    let other = Forge::new(&world);
    other.extend(&[]);
    let fork = other.store.block(1).unwrap().unwrap();
    let target = Target::new(&world);
    target.import(&file(&blocks)).unwrap();
    let error = target.import(&file([&fork])).unwrap_err();
    assert!(matches!(error, ImportError::OtherBlock { number: 1, .. }), "{error}");
    assert_eq!(target.head(), 6);
}

/// A block before the merge that is valid on the store's head: fields that execution decides are taken
/// from what it says they should be.
fn mined(target: &Target, miner: Address, ommers: Vec<Header>) -> Block {
    let store = &target.store;
    let parent = store.header(target.head()).unwrap().unwrap();
    let header = Header {
        parent_hash: parent.hash_slow(),
        number: parent.number + 1,
        beneficiary: miner,
        difficulty: parent.difficulty,
        gas_limit: parent.gas_limit,
        timestamp: parent.timestamp + 13,
        ommers_hash: calculate_ommers_root(&ommers),
        transactions_root: alloy_consensus::EMPTY_ROOT_HASH,
        receipts_root: alloy_consensus::EMPTY_ROOT_HASH,
        ..Default::default()
    };
    let body = BlockBody { ommers, ..Default::default() };
    let mut block = Block { hash: header.hash_slow(), header, body };
    let executed = stf::execute_ethereum_block(
        &target.world.spec(),
        &parent,
        &block,
        None,
        store.latest_state().unwrap(),
        &store.head_roots().unwrap(),
    );
    match executed {
        Err(BlockError::Mismatch { field: "state_root", expected, .. }) => {
            block.header.state_root = expected.parse().unwrap();
        }
        other => panic!("only the state root is open: {other:?}"),
    }
    block.hash = block.header.hash_slow();
    block
}

#[test]
fn miners_and_their_ommers_are_paid_and_stray_ommers_refused() {
    let world = World::of_homestead();
    let target = Target::new(&world);
    let miner = Address::repeat_byte(0xaa);
    let uncle = Address::repeat_byte(0xbb);
    let put = |block: &Block| target.import(&file([block])).unwrap();

    let first = mined(&target, miner, Vec::new());
    let beside = Header { beneficiary: uncle, ..first.header.clone() };
    put(&first);
    let ommer_of_second = {
        let block = mined(&target, uncle, Vec::new());
        block.header
    };
    put(&mined(&target, miner, vec![beside.clone()]));
    let balance = |address| {
        let account = target.store.latest_state().unwrap().basic_ref(address).unwrap();
        account.map_or(U256::ZERO, |account| account.balance)
    };
    // Frontier's reward of 5 ETH; 1/32 of it for the ommer, whose miner has 7/8 (yellow paper, 11.3).
    let reward = U256::from(5 * u128::from(ETHER));
    assert_eq!(balance(miner), reward * U256::from(2) + reward / U256::from(32));
    assert_eq!(balance(uncle), reward * U256::from(7) / U256::from(8));

    let twice = mined(&target, miner, vec![beside]);
    let ancestor = mined(&target, miner, vec![first.header.clone()]);
    let mut stray = first.header.clone();
    stray.parent_hash = B256::repeat_byte(7);
    let stray = mined(&target, miner, vec![stray]);
    for (block, expected) in [
        (twice, "was an ommer before"),
        (ancestor, "is an ancestor of the block"),
        (stray, "is no child of an ancestor"),
    ] {
        match target.import(&file([&block])).unwrap_err() {
            ImportError::Ommer { number: 3, index: 0, reason } => assert_eq!(reason, expected),
            error => panic!("{expected}: {error}"),
        }
    }
    put(&mined(&target, miner, vec![ommer_of_second]));
    assert_eq!(target.head(), 3);
}
