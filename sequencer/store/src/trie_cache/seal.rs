//! Hashes what a block made, from the deepest nodes up. Nodes of one depth do not depend on each
//! other, of whichever trie they are, so they are hashed together.

use alloy_primitives::B256;
use stf::trie::NodeUpdates;

use super::{
    apply::{Draft, Entry},
    arena::Arena,
    node::{self, Reference},
};
use crate::keccak;

/// How many nodes ahead of the one in work are fetched into the processor's cache.
const AHEAD: usize = 16;

/// Hashes every unhashed node and notes the RLP of those that are stored, trie by trie.
pub(super) fn seal(
    arena: &mut Arena,
    draft: &mut Draft,
    tries: &mut [Vec<Entry>],
) -> Vec<NodeUpdates> {
    let unhashed = &mut draft.unhashed;
    let mut levels: Vec<Vec<usize>> = vec![Vec::new(); 65];
    for (index, node) in unhashed.iter().enumerate() {
        levels[node.depth].push(index);
    }
    let mut buffers: Vec<Vec<u8>> = vec![Vec::new(); tries.len()];
    let mut to_hash = Vec::new();
    let mut hashes = Vec::new();
    for (depth, level) in levels.iter().enumerate().rev() {
        to_hash.clear();
        for (at, &index) in level.iter().enumerate() {
            if let Some(soon) = level.get(at + AHEAD) {
                arena.prefetch(unhashed[*soon].id);
            }
            let (id, trie) = (unhashed[index].id, unhashed[index].trie);
            node::resolve(arena.get_mut(id), |child| &unhashed[child as usize].reference);
            let buffer = &mut buffers[trie];
            let start = buffer.len();
            node::encode(arena.get(id), buffer);
            // A root is hashed and stored however short it is.
            if depth > 0 && buffer.len() - start < 32 {
                unhashed[index].reference = Reference::inline(&buffer[start..]);
                buffer.truncate(start);
            } else {
                tries[trie][unhashed[index].entry].node = Some(start..buffer.len());
                to_hash.push((index, trie, start..buffer.len()));
            }
        }
        let inputs: Vec<&[u8]> =
            to_hash.iter().map(|(_, trie, range)| &buffers[*trie][range.clone()]).collect();
        hashes.clear();
        hashes.resize(inputs.len(), B256::ZERO);
        keccak::hash_many(&inputs, &mut hashes);
        for ((index, ..), hash) in to_hash.iter().zip(&hashes) {
            unhashed[*index].reference = Reference::Hash(hash.0);
        }
    }
    tries.iter_mut().zip(buffers).map(|(entries, buffer)| updates(entries, buffer)).collect()
}

/// What is now stored where, in order of position. Entries come nearly sorted.
fn updates(entries: &mut Vec<Entry>, buffer: Vec<u8>) -> NodeUpdates {
    if !entries.is_sorted_by(|a, b| a.position < b.position) {
        entries.sort_by_key(|entry| entry.position);
        // A wiped trie may have grown again.
        entries.dedup_by(|later, kept| {
            let same = later.position == kept.position;
            if same {
                kept.existed |= later.existed;
                kept.node = kept.node.take().or(later.node.take());
            }
            same
        });
    }
    let changed = entries.drain(..).filter(|entry| entry.existed || entry.node.is_some());
    NodeUpdates::from_parts(changed.map(|entry| (entry.position, entry.node)).collect(), buffer)
}
