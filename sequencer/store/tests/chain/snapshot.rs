//! A store that begins with a snapshot goes on as the one that made it; what is cut, damaged or forged
//! leaves nothing.

use std::path::Path;

use sequencer_store::{SnapshotError, SnapshotSummary, doctor::examine};

use super::*;

/// Numbers whose hashes begin with the same six nibbles, two and two: the branches between them lie among the
/// accounts or slots.
fn alike(hash: impl Fn(u64) -> B256) -> Vec<u64> {
    let (mut seen, mut found) = (BTreeMap::new(), Vec::new());
    for number in 1_000_000.. {
        let begin = hash(number)[..3].to_vec();
        found.extend(seen.insert(begin, number).map(|other| [other, number]).into_iter().flatten());
        if found.len() >= 16 {
            break;
        }
    }
    found
}

fn plain(number: u64) -> Address {
    Address::left_padding_from(&number.to_be_bytes())
}

/// A chain on which accounts and slots come, change and go.
fn busy(blocks: u64) -> Chain {
    let chain = Chain::new();
    let addresses = alike(|number| keccak256(plain(number)));
    let slots = alike(|number| keccak256(B256::from(U256::from(number))));
    for number in 0..blocks {
        let fresh = plain(addresses[number as usize]);
        let value = if number % 3 == 2 { 0 } else { number + 1 };
        chain.block(
            &[],
            &[
                transfer(0, number, fresh, U256::from(number + 1)),
                set(1, number, SETTER, slots[number as usize % 4], value),
                set(2, number, L2_TO_L1_MESSAGE_PASSER, slots[number as usize], 7),
            ],
        );
    }
    chain
}

/// Sequencing window, L1 blocks.
const WINDOW: u64 = 100;

fn export(chain: &Chain, number: u64) -> (SnapshotSummary, Vec<u8>) {
    let mut file = Vec::new();
    let summary = chain.store.export_snapshot(number, WINDOW, &mut file).unwrap();
    (summary, file)
}

fn import(path: &Path, root: B256, file: &[u8]) -> Result<SnapshotSummary, SnapshotError> {
    Store::import_snapshot(path, (&genesis(), WINDOW), root, file)
}

/// What is in a directory.
fn entries(path: &Path) -> usize {
    std::fs::read_dir(path).unwrap().count()
}

#[test]
fn a_store_from_a_snapshot_goes_on_as_the_one_that_made_it() {
    let chain = busy(9);
    // With blocks above it, of which some are in the database and some in the log alone.
    for number in [9, 5, 0] {
        let (exported, file) = export(&chain, number);
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("store");
        let imported = import(&path, exported.output_root, &file).unwrap();
        assert_eq!(imported, exported);
        assert_eq!(entries(directory.path()), 1);
        if number > 0 {
            // Block 0 has no receipts or senders to compare, and is genesis.
            let found = examine(&path, |_, _| {}).unwrap();
            assert_eq!(found.findings, Vec::<String>::new());
        }
        let store = Store::open(&path, StoreOptions::default()).unwrap();
        store.init_genesis(&chain.genesis).unwrap();
        assert_eq!(store.heads().unwrap().safe, exported.block);
        assert_eq!(store.first_block(), number);
        // Every block after it executes to the same, also where the log of an ancestor is asked for.
        for next in number + 1..=9 {
            let block = chain.store.block(next).unwrap().unwrap();
            let parent = store.header(next - 1).unwrap().unwrap();
            let (state, roots) = (store.latest_state().unwrap(), store.head_roots().unwrap());
            let executed = execute_block(&SPEC, &parent, &block, None, state, &roots).unwrap();
            store.commit(&executed).unwrap();
            assert_eq!(store.block_hash(next).unwrap(), Some(block.hash));
        }
        // It can be exported again, to the same bytes.
        let mut again = Vec::new();
        assert_eq!(store.export_snapshot(number, WINDOW, &mut again).unwrap(), exported);
        assert!(again == file, "another file of block {number}");
        if number > 0 {
            let early = store.state_at(number - 1).err().unwrap().to_string();
            assert!(early.contains("began with a snapshot"), "{early}");
            assert!(matches!(
                store.unwind_to(number - 1),
                Err(StoreError::BeforeFirst { first, .. }) if first == number
            ));
        }
    }
    assert!(chain.store.export_snapshot(10, WINDOW, Vec::new()).is_err());
}

#[test]
fn cut_damaged_and_forged_snapshots_leave_nothing() {
    let chain = busy(4);
    let (summary, file) = export(&chain, 3);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let refuse = |root: B256, file: &[u8]| {
        let error = import(&path, root, file).unwrap_err();
        assert_eq!(entries(directory.path()), 0, "{error} left something");
        error
    };
    let root = summary.output_root;
    for length in [0, 4, 8, 12, 13, 40, file.len() / 2, file.len() - 9, file.len() - 1] {
        let error = refuse(root, &file[..length]);
        assert!(
            matches!(error, SnapshotError::Cut(_) | SnapshotError::Version),
            "{length}: {error}"
        );
    }
    for at in (0..file.len()).step_by(file.len() / 40) {
        let mut damaged = file.clone();
        damaged[at] ^= 0x10;
        refuse(root, &damaged);
    }
    let mut longer = file.clone();
    longer.push(0);
    assert!(matches!(refuse(root, &longer), SnapshotError::Trailing));
    assert!(matches!(refuse(B256::ZERO, &file), SnapshotError::OutputRoot { number: 3, .. }));

    // Whole, but the state is another: what a server that lies would send.
    let forged = rewritten(&file, |kind, payload| {
        if kind == 3 {
            // The first account's balance: after hash, length of the nonce, nonce, length.
            let nonce = usize::from(payload[32]);
            payload[32 + 1 + nonce + 1] ^= 1;
        }
    });
    let error = refuse(root, &forged);
    assert!(
        matches!(error, SnapshotError::StateRoot { .. } | SnapshotError::Malformed { .. }),
        "{error}"
    );
    // Another chain's node does not take it.
    let other = GenesisL2 { chain_id: 5, ..genesis() };
    let error = Store::import_snapshot(&path, (&other, WINDOW), root, file.as_slice()).unwrap_err();
    assert!(matches!(error, SnapshotError::OtherChain { expected: 5, found: CHAIN_ID }));
    // What a killed import left is no hindrance; what is there stays.
    std::fs::create_dir(directory.path().join(".store.importing")).unwrap();
    import(&path, root, &file).unwrap();
    assert!(matches!(import(&path, root, &file), Err(SnapshotError::Exists(_))));
}

/// A file of other chunks: each kind and payload as `change` leaves it, with checks that are right.
fn rewritten(file: &[u8], mut change: impl FnMut(u8, &mut Vec<u8>)) -> Vec<u8> {
    let mut rest = &file[8..];
    let mut digest = keccak256(&file[..8]);
    let mut written = file[..8].to_vec();
    while !rest.is_empty() {
        let length = u32::from_be_bytes(rest[1..5].try_into().unwrap()) as usize;
        let (chunk, after) = rest.split_at(5 + length + 8);
        let (kind, mut payload) = (chunk[0], chunk[5..5 + length].to_vec());
        change(kind, &mut payload);
        let length = (payload.len() as u32).to_be_bytes();
        let chunk = [[kind].as_slice(), &length, &payload].concat();
        digest = keccak256([digest.as_slice(), &chunk].concat());
        written.extend_from_slice(&chunk);
        written.extend_from_slice(&digest[..8]);
        rest = after;
    }
    written
}

/// Cause: a follower that began with a snapshot in the middle of a span did not know the block on which the
/// span builds, and ended.
#[test]
fn the_blocks_before_it_are_known_for_a_sequencing_window() {
    let chain = Chain::new();
    for number in 0..290 {
        let transfers = (0..number % 3).map(|index| {
            let nonce = (0..number).map(|before| before % 3).sum::<u64>() + index;
            transfer(0, nonce, user(1), U256::ONE)
        });
        chain.block(&[], &transfers.collect::<Vec<_>>());
    }
    let directory = tempfile::tempdir().unwrap();
    // Origins grow by one per block. Hashes are wanted of 256 blocks in any case.
    for (number, window, oldest) in [(290, 20, 34), (290, 270, 19), (290, 400, 0), (280, 258, 21)] {
        let mut file = Vec::new();
        let summary = chain.store.export_snapshot(number, window, &mut file).unwrap();
        let path = directory.path().join(format!("{number} {window}"));
        let take = |path: &Path, window: u64, file: &[u8]| {
            Store::import_snapshot(path, (&chain.genesis, window), summary.output_root, file)
        };
        // Too few blocks, or too many, for a chain with another window.
        let others = [(window + 300, oldest > 0), (0, window > 256)];
        for (other, _) in others.into_iter().filter(|(_, refused)| *refused) {
            let error = take(&path, other, &file).unwrap_err();
            assert!(matches!(error, SnapshotError::Malformed { .. }), "{window} {other}: {error}");
        }
        take(&path, window, &file).unwrap();
        let store = Store::open(&path, StoreOptions::default()).unwrap();
        store.init_genesis(&chain.genesis).unwrap();
        assert_eq!(store.oldest_reference().unwrap(), oldest);
        for before in oldest.max(1)..=number {
            let expected = chain.store.l2_block_ref(before).unwrap().unwrap();
            assert_eq!(store.l2_block_ref(before).unwrap(), Some(expected));
        }
        if oldest > 1 {
            assert_eq!(store.l2_block_ref(oldest - 1).unwrap(), None);
        }
        let mut again = Vec::new();
        store.export_snapshot(number, window, &mut again).unwrap();
        assert!(again == file, "another file of block {number}");
        drop(store);
        let examined = examine(&path, |_, _| {}).unwrap();
        assert_eq!(examined.findings, Vec::<String>::new());
        assert_eq!(examined.ancestors, number - oldest);
    }
}

#[test]
fn an_ancestor_with_another_origin_is_refused() {
    let chain = busy(6);
    let (summary, file) = export(&chain, 5);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let refuse = |file: &[u8]| {
        let error = import(&path, summary.output_root, file).unwrap_err();
        assert!(matches!(error, SnapshotError::Malformed { chunk: 2, .. }), "{error}");
        assert_eq!(entries(directory.path()), 0);
    };
    // The origin of block 4 is 81; its attributes stand in the file as they are.
    let attributes = l1_attributes(4).encoded_2718();
    let found = |payload: &[u8]| payload.windows(attributes.len()).position(|at| at == attributes);
    refuse(&rewritten(&file, |kind, payload| {
        if kind == 2 {
            let at = found(payload).unwrap();
            let input = l1_attributes(4).input().to_vec();
            let calldata = payload[at..].windows(input.len()).position(|at| at == input).unwrap();
            payload[at + calldata + 35] ^= 1;
        }
    }));
    // One is left out, there is none, there is one more.
    refuse(&rewritten(&file, |kind, payload| {
        if kind == 2 {
            let at = found(payload).unwrap();
            payload.drain(..at + attributes.len());
        }
    }));
    refuse(&rewritten(&file, |kind, payload| {
        if kind == 2 {
            payload.clear();
        }
    }));
    refuse(&rewritten(&file, |kind, payload| {
        if kind == 2 {
            payload.extend_from_within(..);
        }
    }));
    // Cut short anywhere, with checks that are right.
    for left in [1, 30, 700, 1_500] {
        refuse(&rewritten(&file, |kind, payload| {
            if kind == 2 {
                payload.truncate(left);
            }
        }));
    }
}
