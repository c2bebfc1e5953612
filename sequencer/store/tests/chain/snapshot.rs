//! A store that begins with a snapshot goes on as the one that made it; what is cut, damaged or forged
//! leaves nothing.

use std::path::Path;

use sequencer_store::{SnapshotError, SnapshotSummary, doctor::examine};

use super::*;

/// A chain on which accounts and slots come, change and go.
fn busy(blocks: u64) -> Chain {
    let chain = Chain::new();
    for number in 0..blocks {
        let fresh = Address::repeat_byte(0x30 + number as u8);
        let value = if number % 3 == 2 { 0 } else { number + 1 };
        chain.block(
            &[],
            &[
                transfer(0, number, fresh, U256::from(number + 1)),
                set(1, number, SETTER, number % 4, value),
                set(2, number, L2_TO_L1_MESSAGE_PASSER, number, 7),
            ],
        );
    }
    chain
}

fn export(chain: &Chain, number: u64) -> (SnapshotSummary, Vec<u8>) {
    let mut file = Vec::new();
    let summary = chain.store.export_snapshot(number, &mut file).unwrap();
    (summary, file)
}

fn import(path: &Path, root: B256, file: &[u8]) -> Result<SnapshotSummary, SnapshotError> {
    Store::import_snapshot(path, &genesis(), root, file)
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
        assert_eq!(store.export_snapshot(number, &mut again).unwrap(), exported);
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
    assert!(chain.store.export_snapshot(10, Vec::new()).is_err());
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
    let mut forged = Vec::new();
    let mut rest = &file[8..];
    let mut digest = keccak256(&file[..8]);
    forged.extend_from_slice(&file[..8]);
    while !rest.is_empty() {
        let length = u32::from_be_bytes(rest[1..5].try_into().unwrap()) as usize;
        let (chunk, after) = rest.split_at(5 + length + 8);
        let mut chunk = chunk[..5 + length].to_vec();
        if chunk[0] == 3 {
            // The first account's balance: after hash, length of the nonce, nonce, length.
            let nonce = usize::from(chunk[5 + 32]);
            chunk[5 + 32 + 1 + nonce + 1] ^= 1;
        }
        digest = keccak256([digest.as_slice(), &chunk].concat());
        forged.extend_from_slice(&chunk);
        forged.extend_from_slice(&digest[..8]);
        rest = after;
    }
    let error = refuse(root, &forged);
    assert!(
        matches!(error, SnapshotError::StateRoot { .. } | SnapshotError::Malformed { .. }),
        "{error}"
    );
    // Another chain's node does not take it.
    let other = GenesisL2 { chain_id: 5, ..genesis() };
    let error = Store::import_snapshot(&path, &other, root, file.as_slice()).unwrap_err();
    assert!(matches!(error, SnapshotError::OtherChain { expected: 5, found: CHAIN_ID }));
    // What a killed import left is no hindrance; what is there stays.
    std::fs::create_dir(directory.path().join(".store.importing")).unwrap();
    import(&path, root, &file).unwrap();
    assert!(matches!(import(&path, root, &file), Err(SnapshotError::Exists(_))));
}
