//! Ommers against the blocks before them: the state transition sees only one parent.

use alloy_primitives::B256;
use primitives::{Block, Header};
use store::{Store, StoreError};

/// Generations between a block and an ancestor of which an ommer may be the child (yellow paper,
/// 11.1: an ommer is at most a sixth-generation ancestor's equal).
const GENERATIONS: u64 = 7;

/// An ommer that has no place in its block.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadOmmer {
    pub index: usize,
    pub reason: &'static str,
}

/// Whether each ommer is a child of one of the block's ancestors, is none itself, and was not an ommer
/// before. The block comes after the newest one in the store.
pub(super) fn check(store: &Store, block: &Block) -> Result<Option<BadOmmer>, StoreError> {
    if block.body.ommers.is_empty() {
        return Ok(None);
    }
    let first = block.header.number.saturating_sub(GENERATIONS);
    let mut ancestors: Vec<(u64, B256)> = Vec::new();
    let mut used: Vec<B256> = Vec::new();
    for number in first..block.header.number {
        let ancestor = store.block(number)?.ok_or(StoreError::MissingBlock(number))?;
        used.extend(ancestor.body.ommers.iter().map(Header::hash_slow));
        ancestors.push((number, ancestor.hash));
    }
    Ok(block.body.ommers.iter().enumerate().find_map(|(index, ommer)| {
        let hash = ommer.hash_slow();
        let parent = (ommer.number.saturating_sub(1), ommer.parent_hash);
        // The block's own parent has no other child that could be older than the block.
        let may_be_parent = ancestors.iter().rev().skip(1).any(|ancestor| *ancestor == parent);
        let reason = if ancestors.iter().any(|(_, ancestor)| *ancestor == hash) {
            "is an ancestor of the block"
        } else if used.contains(&hash) {
            "was an ommer before"
        } else if !may_be_parent {
            "is no child of an ancestor"
        } else {
            return None;
        };
        Some(BadOmmer { index, reason })
    }))
}
