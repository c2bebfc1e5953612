//! Directories that earlier versions wrote, committed under `tests/vectors/stores`: a later version opens
//! them with the same chain, or refuses them with what to do and leaves them as they are.
//!
//! A directory is one file, `LAYOUT.z`: zlib over its files, each as the length of its name (u16,
//! big-endian), the name, its length and the length without zeros at its end (u64 each), and the bytes
//! without those. What must be found in it stands beside it in `LAYOUT.txt`.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{Read, Write},
    path::{Path, PathBuf},
};

use flate2::{Compression, read::ZlibDecoder, write::ZlibEncoder};
use sequencer_store::{SCHEMA, doctor::examine};

use super::{
    crash::{LOG_ONLY, SMALL, grow, head, next_block, open},
    *,
};

/// Set, it makes the test below write the directory of this version.
const WRITE: &str = "STORE_GOLDEN_WRITE";
/// Blocks that are in the tables, and all that there are: the log holds the others.
const CHECKPOINTED: u64 = 6;
const HEIGHT: u64 = 9;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/stores")
}

/// What a directory must have, as lines of a name and a value.
fn facts(chain: &Chain) -> String {
    let heads = chain.store.heads().unwrap();
    let mut lines = vec![
        format!("head {} {}", heads.unsafe_head.number, heads.unsafe_head.hash),
        format!("safe {} {}", heads.safe.number, heads.safe.hash),
        format!("state_root {}", chain.head().state_root),
    ];
    for number in 0..=heads.unsafe_head.number {
        let block = chain.store.block(number).unwrap().unwrap();
        let receipts = chain.store.receipts(number).unwrap().unwrap();
        let gas = receipts.iter().map(|receipt| receipt.cumulative_gas_used()).max();
        lines.push(format!("block {number} {} {}", block.hash, gas.unwrap_or_default()));
    }
    for by in 0..5 {
        lines.push(format!("balance {} {}", user(by), chain.balance(user(by))));
    }
    lines.join("\n") + "\n"
}

fn files(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for folder in [directory.to_path_buf(), directory.join("log")] {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(directory).unwrap().to_str().unwrap().to_owned();
            // The lock of who has it open is nobody's data.
            if path.is_file() && name != "mdbx.lck" {
                found.insert(name, fs::read(path).unwrap());
            }
        }
    }
    found
}

fn pack(directory: &Path) -> Vec<u8> {
    let mut packed = ZlibEncoder::new(Vec::new(), Compression::best());
    for (name, bytes) in files(directory) {
        let kept = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        packed.write_all(&(name.len() as u16).to_be_bytes()).unwrap();
        packed.write_all(name.as_bytes()).unwrap();
        packed.write_all(&(bytes.len() as u64).to_be_bytes()).unwrap();
        packed.write_all(&(kept as u64).to_be_bytes()).unwrap();
        packed.write_all(&bytes[..kept]).unwrap();
    }
    packed.finish().unwrap()
}

fn unpack(packed: &[u8], directory: &Path) {
    fn number<const N: usize>(bytes: &mut &[u8]) -> u64 {
        let mut word = [0; 8];
        bytes.read_exact(&mut word[8 - N..]).unwrap();
        u64::from_be_bytes(word)
    }
    let mut bytes = Vec::new();
    ZlibDecoder::new(packed).read_to_end(&mut bytes).unwrap();
    let mut rest = bytes.as_slice();
    while !rest.is_empty() {
        let (name, after) = {
            let length = number::<2>(&mut rest) as usize;
            rest.split_at(length)
        };
        rest = after;
        let (length, kept) = (number::<8>(&mut rest), number::<8>(&mut rest) as usize);
        let path = directory.join(std::str::from_utf8(name).unwrap());
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut file = File::create(path).unwrap();
        file.write_all(&rest[..kept]).unwrap();
        file.set_len(length).unwrap();
        rest = &rest[kept..];
    }
}

/// `STORE_GOLDEN_WRITE=1 cargo test -p sequencer-store golden` writes the directory of this version's layout.
#[test]
fn the_directory_of_this_layout_is_written() {
    if std::env::var_os(WRITE).is_none() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let chain = open(dir.path(), SMALL());
    grow(&chain, CHECKPOINTED);
    chain.store.flush().unwrap();
    drop(chain);
    let chain = open(dir.path(), LOG_ONLY());
    grow(&chain, HEIGHT);
    let facts = facts(&chain);
    drop(chain);
    fs::create_dir_all(folder()).unwrap();
    fs::write(folder().join(format!("{SCHEMA}.z")), pack(dir.path())).unwrap();
    fs::write(folder().join(format!("{SCHEMA}.txt")), facts).unwrap();
}

#[test]
fn directories_of_earlier_versions_are_opened_with_their_chain_or_refused_as_they_are() {
    let mut seen = Vec::new();
    for entry in fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "z") {
            continue;
        }
        let layout: u32 = path.file_stem().unwrap().to_str().unwrap().parse().unwrap();
        seen.push(layout);
        let dir = tempfile::tempdir().unwrap();
        unpack(&fs::read(&path).unwrap(), dir.path());
        if layout != SCHEMA {
            let before = files(dir.path());
            let error = Store::open(dir.path(), StoreOptions::default()).unwrap_err();
            assert!(
                matches!(&error, StoreError::Schema { found, .. } if *found == u64::from(layout)),
                "{layout}: {error}"
            );
            let text = error.to_string();
            assert!(text.contains("use the version that wrote it, or delete"), "{text}");
            assert_eq!(files(dir.path()), before, "{layout}: the directory was changed");
            continue;
        }

        let expected = fs::read_to_string(path.with_extension("txt")).unwrap();
        let chain = open(dir.path(), StoreOptions::default());
        assert_eq!(facts(&chain), expected);
        assert_eq!(head(&chain), HEIGHT);
        // It goes on from there, and what it holds agrees with itself.
        next_block(&chain);
        drop(chain);
        let examined = examine(dir.path(), |_, _| {}).unwrap();
        assert_eq!((examined.findings, examined.found), (Vec::new(), 0));
        assert_eq!(examined.heads.unsafe_head.number, HEIGHT + 1);
    }
    assert!(
        seen.contains(&SCHEMA),
        "there is no directory of layout {SCHEMA}: write one ({WRITE}=1)"
    );
}
