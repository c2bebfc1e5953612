//! Storage roots and proofs of withdrawals against those of anvil, which `OptimismPortal` is held to
//! as well (`tests/vectors/README.md`): what our node proves, the portal on L1 accepts.

use std::{fs, path::Path};

use alloy_primitives::{B256, Bytes, U256, keccak256};
use messages::withdrawal_storage_key;
use sequencer_stf::trie::{NodeReader, SparseTrie, TrieError, TrieId};
use serde_json::Value;

/// Nothing is stored: the tries are built from nothing.
struct Nothing;

impl NodeReader for Nothing {
    fn node(
        &self,
        _: TrieId,
        _: &alloy_trie::Nibbles,
        _: B256,
    ) -> Result<Option<Vec<u8>>, TrieError> {
        Ok(None)
    }
}

fn parse<T: std::str::FromStr<Err: std::fmt::Debug>>(value: &Value) -> T {
    value.as_str().unwrap().parse().unwrap()
}

fn nodes(value: &Value) -> Vec<Vec<u8>> {
    value.as_array().unwrap().iter().map(|node| parse::<Bytes>(node).to_vec()).collect()
}

#[test]
fn tries_and_proofs_are_those_of_anvil() {
    let path = Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap())
        .join("../../tests/vectors/storage_proofs.json");
    let file: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let hashes: Vec<B256> =
        file["withdrawal_hashes"].as_array().unwrap().iter().map(parse).collect();
    let cases = file["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 4);
    for case in cases {
        let size = case["size"].as_u64().unwrap();
        let mut trie = SparseTrie::new(&Nothing, TrieId::Accounts, alloy_trie::EMPTY_ROOT_HASH);
        let mut set = |slot: B256, value: u64| {
            trie.insert(keccak256(slot), alloy_rlp::encode(U256::from(value))).unwrap();
        };
        for hash in hashes.iter().take(usize::try_from(size).unwrap()) {
            set(withdrawal_storage_key(*hash), 1);
        }
        // The counter of messages.
        set(B256::from(U256::from(1)), size);
        let (root, _) = trie.seal();
        assert_eq!(root, parse::<B256>(&case["storage_root"]), "of {size} withdrawals");
        for proof in case["proofs"].as_array().unwrap() {
            let slot = withdrawal_storage_key(parse(&proof["withdrawal_hash"]));
            assert_eq!(slot, parse::<B256>(&proof["storage_key"]));
            assert_eq!(trie.proof(keccak256(slot)).unwrap(), nodes(&proof["nodes"]));
        }
        let absent: B256 = parse(&case["absent"]["storage_key"]);
        assert_eq!(trie.proof(keccak256(absent)).unwrap(), nodes(&case["absent"]["nodes"]));
    }
}
