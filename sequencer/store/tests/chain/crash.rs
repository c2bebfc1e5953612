//! The block log and its checkpoints: processes killed at every step, torn and damaged logs, full disks,
//! and any mixture of commits, unwinding and restarts against a model in memory.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::LazyLock,
};

use sequencer_store::failpoint;

use super::*;

/// Small enough that a few blocks bring checkpoints, new segments and removed ones: at least one
/// checkpoint for every three blocks, however slow the thread that writes them.
pub const SMALL: fn() -> StoreOptions = || StoreOptions {
    checkpoint_blocks: 2,
    lag_blocks_max: 3,
    log_segment_bytes: 4_000,
    ..StoreOptions::default()
};

/// Nothing but the log: no checkpoint before one is asked for.
pub const LOG_ONLY: fn() -> StoreOptions = || StoreOptions {
    checkpoint_blocks: usize::MAX,
    checkpoint_bytes: usize::MAX,
    durable: false,
    ..StoreOptions::default()
};

/// Blocks that every run below ends with.
const HEIGHT: u64 = 12;
/// Where the unwinding below goes back to, from [`HEIGHT`].
const BACK: u64 = 4;

pub fn open(path: &Path, options: StoreOptions) -> Chain {
    let store = Store::open(path, options).unwrap();
    let genesis = genesis();
    store.init_genesis(&genesis).unwrap();
    Chain { store, genesis, _dir: tempfile::tempdir().unwrap() }
}

/// Builds the next block, which depends on nothing but the chain.
pub fn next_block(chain: &Chain) {
    let nonce = chain.nonce(user(0));
    let transactions = [
        set(0, nonce, SETTER, nonce % 7, nonce % 3),
        transfer(0, nonce + 1, user((nonce % 5) as u8), ONE / U256::from(nonce + 2)),
    ];
    let (_, rejections) = chain.block(&[], &transactions);
    assert_eq!(rejections, []);
}

pub fn head(chain: &Chain) -> u64 {
    chain.store.heads().unwrap().unsafe_head.number
}

pub fn grow(chain: &Chain, height: u64) {
    while head(chain) < height {
        next_block(chain);
        let head = chain.store.heads().unwrap().unsafe_head;
        if head.number % 4 == 0 {
            chain.store.set_safe(head).unwrap();
        }
        println!("durable {} {}", head.number, head.hash);
    }
}

/// What a store that was never killed tells, block by block.
static TWIN: LazyLock<Vec<String>> = LazyLock::new(|| {
    let dir = tempfile::tempdir().unwrap();
    let chain = open(dir.path(), StoreOptions { durable: false, ..SMALL() });
    grow(&chain, HEIGHT);
    everything(&chain.store)
});

const DIRECTORY: &str = "STORE_TEST_FAILPOINT_DIRECTORY";
const TASK: &str = "STORE_TEST_FAILPOINT_TASK";

/// The process that is killed by the next tests.
#[test]
fn works_until_a_step_kills_it() {
    let Some(path) = std::env::var_os(DIRECTORY) else { return };
    let chain = open(path.as_ref(), SMALL());
    match std::env::var(TASK).unwrap().as_str() {
        "grow" => grow(&chain, HEIGHT),
        "unwind" => {
            chain.store.unwind_to(BACK).unwrap();
            println!("durable {BACK} unwound");
        }
        "fail" => {
            let error = loop {
                let state = chain.store.latest_state().unwrap();
                let roots = chain.store.head_roots().unwrap();
                let builder =
                    BlockBuilder::new(&SPEC, &chain.head(), &chain.attributes(&[]), state).unwrap();
                if let Err(error) = chain.store.commit(&builder.finish(&roots).unwrap()) {
                    break error;
                }
                let head = chain.store.heads().unwrap().unsafe_head;
                println!("durable {} {}", head.number, head.hash);
            };
            println!("failed {error}");
            // Nothing is accepted after it.
            let state = chain.store.latest_state().unwrap();
            let roots = chain.store.head_roots().unwrap();
            let builder =
                BlockBuilder::new(&SPEC, &chain.head(), &chain.attributes(&[]), state).unwrap();
            assert!(chain.store.commit(&builder.finish(&roots).unwrap()).is_err());
            println!("refused");
        }
        task => panic!("{task}"),
    }
}

/// What the process said before it ended, and whether it was aborted.
fn run(path: &Path, task: &str, step: &str) -> (Vec<String>, bool) {
    use std::os::unix::process::ExitStatusExt;
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::works_until_a_step_kills_it", "--nocapture"])
        .env(DIRECTORY, path)
        .env(TASK, task)
        .env(failpoint::VARIABLE, step)
        .stderr(Stdio::null())
        .output()
        .unwrap();
    let lines = String::from_utf8(output.stdout).unwrap();
    let aborted = output.status.signal() == Some(6);
    assert!(aborted || output.status.success(), "{step}: {:?} {lines}", output.status);
    (lines.lines().map(str::to_owned).collect(), aborted)
}

/// Numbers and hashes that the process said to be durable.
fn acknowledged(lines: &[String]) -> Vec<(u64, String)> {
    lines
        .iter()
        .filter_map(|line| {
            let (number, hash) = line.split("durable ").nth(1)?.split_once(' ')?;
            Some((number.parse().unwrap(), hash.to_owned()))
        })
        .collect()
}

#[test]
fn killed_at_any_step_nothing_durable_is_lost_and_the_chain_goes_on_as_its_twin() {
    let steps = failpoint::STEPS.iter().filter(|step| !step.starts_with("unwind"));
    for step in steps {
        for pass in [1, 2, 3] {
            let dir = tempfile::tempdir().unwrap();
            let case = format!("{step}:{pass}");
            let (lines, aborted) = run(dir.path(), "grow", &case);
            assert!(aborted, "{case} was never passed");
            let chain = open(dir.path(), SMALL());
            for (number, hash) in acknowledged(&lines) {
                let kept = chain.store.block_hash(number).unwrap();
                assert_eq!(kept.map(|kept| kept.to_string()), Some(hash), "{case}");
            }
            assert_eq!(everything(&chain.store), TWIN[..=head(&chain) as usize], "{case}");
            grow(&chain, HEIGHT);
            assert_eq!(everything(&chain.store), *TWIN, "{case}");
            let proof = chain.store.proof(SETTER, &[B256::ZERO], HEIGHT).unwrap();
            assert_eq!(proof.nonce, 1, "{case}");
        }
    }
}

#[test]
fn killed_while_unwinding_it_is_done_or_not_begun() {
    for step in ["log-appended", "log-synced", "unwind-logged", "unwind-committed"] {
        let dir = tempfile::tempdir().unwrap();
        {
            let chain = open(dir.path(), SMALL());
            grow(&chain, HEIGHT);
            chain.store.flush().unwrap();
        }
        let (_, aborted) = run(dir.path(), "unwind", step);
        assert!(aborted, "{step} was never passed");
        let chain = open(dir.path(), SMALL());
        let now = head(&chain);
        assert!([BACK, HEIGHT].contains(&now), "{step}: {now}");
        assert!(now == BACK || step.starts_with("log"), "{step}");
        assert_eq!(everything(&chain.store), TWIN[..=now as usize], "{step}");
        grow(&chain, HEIGHT);
        assert_eq!(everything(&chain.store), *TWIN, "{step}");
    }
}

#[test]
fn a_full_disk_stops_the_store_with_its_reason_and_loses_nothing() {
    for (step, reason) in [
        ("log-before-append:2:full", "no storage space"),
        ("log-half-appended:3:full", "no storage space"),
        ("log-synced:2:full", "no storage space"),
        ("log-segment-created:2:full", "no storage space"),
        ("checkpoint-written:1:full", "disk is full"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let (lines, aborted) = run(dir.path(), "fail", step);
        assert!(!aborted);
        let failed = lines.iter().find_map(|line| line.strip_prefix("failed ")).unwrap();
        assert!(failed.contains(reason), "{step}: {failed}");
        assert!(lines.iter().any(|line| line == "refused"), "{step}: {lines:?}");
        let chain = open(dir.path(), SMALL());
        for (number, hash) in acknowledged(&lines) {
            let kept = chain.store.block_hash(number).unwrap();
            assert_eq!(kept.map(|kept| kept.to_string()), Some(hash), "{step}");
        }
        next_block(&chain);
    }
}

/// The log's files, oldest first.
fn segments(store: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(store.join("log")).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

/// A store with this many blocks in nothing but one file of its log.
fn logged(blocks: u64) -> (tempfile::TempDir, PathBuf, Vec<u8>, Vec<String>) {
    let dir = tempfile::tempdir().unwrap();
    let told = {
        let chain = open(dir.path(), LOG_ONLY());
        grow(&chain, blocks);
        assert_eq!(chain.store.checkpoint(), 0);
        everything(&chain.store)
    };
    let [path] = segments(dir.path()).try_into().unwrap();
    let bytes = fs::read(&path).unwrap();
    (dir, path, bytes, told)
}

#[test]
fn a_torn_end_is_cut_off_wherever_it_is_torn() {
    let (dir, path, bytes, told) = logged(3);
    let record = b"OLRC";
    let last = (0..bytes.len()).rev().find(|at| bytes[*at..].starts_with(record)).unwrap();
    for end in (last..bytes.len()).step_by(97) {
        fs::write(&path, &bytes[..end]).unwrap();
        let chain = open(dir.path(), LOG_ONLY());
        assert_eq!((head(&chain), chain.store.log_cut()), (2, (end - last) as u64), "{end}");
        assert_eq!(everything(&chain.store), told[..3]);
        drop(chain);
        assert_eq!(fs::metadata(&path).unwrap().len(), last as u64);
    }
    // What a disk may leave of a record that was not synced.
    let mut zeroed = bytes.clone();
    zeroed[last..].fill(0);
    fs::write(&path, &zeroed).unwrap();
    let chain = open(dir.path(), LOG_ONLY());
    assert_eq!(head(&chain), 2);
    // It is built again, and is the same.
    grow(&chain, 3);
    assert_eq!(everything(&chain.store), told);
}

#[test]
fn a_damaged_log_is_refused_with_its_place() {
    let refused = |path: &Path| Store::open(path, LOG_ONLY()).map(|_| ()).unwrap_err();
    let (dir, path, bytes, _) = logged(4);
    // In the header, in the payload and in the length of a record that others follow.
    for at in [8, 8 + 10, 8 + 36, 8 + 36 + 300] {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x55;
        fs::write(&path, &damaged).unwrap();
        let error = refused(dir.path());
        assert!(matches!(error, StoreError::LogDamaged { record: 1, offset: 8, .. }), "{error}");
        assert!(error.to_string().contains("restore a copy"), "{error}");
    }
    fs::write(&path, &bytes).unwrap();
    // A later segment is there, an earlier one is not.
    {
        let chain = open(dir.path(), LOG_ONLY());
        grow(&chain, 5);
    }
    fs::remove_file(&path).unwrap();
    let error = refused(dir.path());
    assert!(matches!(error, StoreError::LogMissing { from: 1, .. }), "{error}");
    // Another chain's log.
    let other = tempfile::tempdir().unwrap();
    let store = Store::open(other.path(), LOG_ONLY()).unwrap();
    store.init_genesis(&GenesisL2 { timestamp: 5, ..genesis() }).unwrap();
    drop(store);
    fs::write(other.path().join("log").join("0000000000000001.log"), &bytes).unwrap();
    let error = refused(other.path());
    assert!(matches!(error, StoreError::LogForeign { record: 1, .. }), "{error}");
}

#[test]
fn a_store_whose_database_was_cut_is_refused_though_its_log_is_whole() {
    let (dir, _, _, _) = logged(3);
    let file = dir.path().join("mdbx.dat");
    let data = fs::read(&file).unwrap();
    fs::write(&file, &data[..4 * 4_096]).unwrap();
    let error = Store::open(dir.path(), LOG_ONLY()).map(|_| ()).unwrap_err();
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
}

#[test]
fn covered_segments_are_removed_and_the_lag_is_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let options = StoreOptions {
        lag_blocks_max: 4,
        checkpoint_blocks: usize::MAX,
        log_segment_bytes: 1,
        durable: false,
        ..StoreOptions::default()
    };
    let chain = open(dir.path(), options);
    grow(&chain, 20);
    // A commit waits rather than let the lag grow.
    assert!(chain.store.checkpoint() >= 16, "{}", chain.store.checkpoint());
    chain.store.flush().unwrap();
    next_block(&chain);
    chain.store.flush().unwrap();
    assert_eq!(chain.store.checkpoint(), 21);
    drop(chain);
    assert_eq!(segments(dir.path()).len(), 1);
    let chain = open(dir.path(), options);
    assert_eq!(head(&chain), 21);
}

/// The safe head moved after the last checkpoint, and a block in the database was taken away.
#[test]
fn the_safe_head_survives_unwinding_and_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let options = StoreOptions { durable: false, ..StoreOptions::default() };
    let chain = open(dir.path(), options);
    grow(&chain, 5);
    chain.store.flush().unwrap();
    let hash = chain.store.block_hash(3).unwrap().unwrap();
    let safe = alloy_eips::BlockNumHash { number: 3, hash };
    chain.store.set_safe(safe).unwrap();
    chain.store.unwind_to(4).unwrap();
    assert_eq!(chain.store.heads().unwrap().safe, safe);
    drop(chain);
    assert_eq!(open(dir.path(), options).store.heads().unwrap().safe, safe);
}

#[test]
fn appended_blocks_are_built_on_and_become_the_head_when_synced() {
    let chain = Chain::new();
    let build = || {
        let state = chain.store.latest_state().unwrap();
        let number = state.number();
        let parent = chain.store.header(number).unwrap().unwrap();
        let roots = chain.store.head_roots().unwrap();
        let attributes = PayloadAttributes {
            timestamp: parent.timestamp + 1,
            transactions: vec![l1_attributes(number + 1).encoded_2718().into()],
            ..chain.attributes(&[])
        };
        let mut builder = BlockBuilder::new(&SPEC, &parent, &attributes, state).unwrap();
        builder.execute(&transfer(0, number, user(1), ONE)).unwrap();
        builder.finish(&roots).unwrap()
    };
    let first = chain.store.append(build()).unwrap();
    let second = chain.store.append(build()).unwrap();
    assert_eq!(second.block.block.header.parent_hash, first.block.block.hash);
    assert_eq!(chain.store.heads().unwrap().unsafe_head.number, 0);
    // One sync serves both.
    chain.store.sync(&second).unwrap();
    assert_eq!(chain.store.heads().unwrap().unsafe_head, second.block.block.id());
    chain.store.sync(&first).unwrap();
    assert_eq!(chain.store.heads().unwrap().unsafe_head, second.block.block.id());
    assert_eq!(chain.balance(user(1)), ONE * U256::from(1_002));
}

#[derive(Clone, Debug)]
enum Step {
    Blocks(u8),
    Unwind(u8),
    Restart,
    Flush,
    Safe(u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1..5_u8).prop_map(Step::Blocks),
        2 => (0..9_u8).prop_map(Step::Unwind),
        2 => Just(Step::Restart),
        1 => Just(Step::Flush),
        2 => (0..9_u8).prop_map(Step::Safe),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn any_commits_unwinding_and_restarts_agree_with_a_model(
        steps in proptest::collection::vec(step(), 1..14),
        checkpoint_blocks in 1..6_usize,
        log_segment_bytes in prop_oneof![Just(1_u64), Just(5_000), Just(1 << 20)],
    ) {
        let options = StoreOptions {
            checkpoint_blocks,
            log_segment_bytes,
            durable: false,
            ..StoreOptions::default()
        };
        let dir = tempfile::tempdir().unwrap();
        let mut chain = Some(open(dir.path(), options));
        let mut model = everything(&chain.as_ref().unwrap().store);
        let mut safe = 0;
        for step in steps {
            let now = chain.as_ref().unwrap();
            let top = model.len() as u64 - 1;
            match step {
                Step::Blocks(count) => {
                    for _ in 0..count {
                        next_block(now);
                        let all = everything(&now.store);
                        prop_assert_eq!(&all[..model.len()], &model[..]);
                        model = all;
                    }
                }
                Step::Unwind(back) => {
                    let to = top.saturating_sub(back.into());
                    now.store.unwind_to(to).unwrap();
                    model.truncate(to as usize + 1);
                    safe = safe.min(to);
                }
                Step::Restart => {
                    drop(chain.take());
                    chain = Some(open(dir.path(), options));
                }
                Step::Flush => {
                    now.store.flush().unwrap();
                    prop_assert_eq!(now.store.checkpoint(), top);
                }
                Step::Safe(back) => {
                    safe = top.saturating_sub(back.into());
                    let hash = now.store.block_hash(safe).unwrap().unwrap();
                    now.store.set_safe(alloy_eips::BlockNumHash { number: safe, hash }).unwrap();
                }
            }
            let store = &chain.as_ref().unwrap().store;
            prop_assert_eq!(&everything(store), &model);
            prop_assert_eq!(store.heads().unwrap().safe.number, safe);
        }
        let chain = chain.unwrap();
        let newest = head(&chain);
        for number in newest.saturating_sub(2)..=newest {
            chain.store.proof(SETTER, &[B256::ZERO], number).unwrap();
        }
        next_block(&chain);
    }
}
