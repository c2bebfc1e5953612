//! Output roots that were verified, and what they say about a claim.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use alloy_primitives::B256;
use parking_lot::RwLock;
use primitives::Block;

use crate::{CheckError, Claim, L2Source};

/// Verified outputs kept in memory; older ones are found again by following parents.
const KEPT_MAX: usize = 100_000;

/// State of L2 after a block, as L1 determines it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Output {
    /// Output root, version 0.
    pub root: B256,
    /// Hash of the L2 block.
    pub hash: B256,
    /// Number of the L1 block that completes the data of the L2 block.
    pub derived_from: u64,
}

/// Everything verified so far.
#[derive(Clone, Debug)]
pub struct Outputs {
    /// Where verification began or what is left of older outputs.
    floor: (u64, Output),
    above: BTreeMap<u64, Output>,
    /// L1 is read up to this block: what is not derived by now is not determined by it.
    read_to: u64,
}

/// What a claim is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    Right,
    Wrong(Wrong),
    /// L1 is not yet read up to the claim's L1 head.
    Unknown,
}

/// Why a claim is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// The block's output root is another.
    Root { expected: B256 },
    /// At the claim's L1 head the block's data were not on L1.
    NotOnL1 { read_to: u64 },
}

impl Outputs {
    /// Verification begins at a trusted output.
    pub const fn new(number: u64, trusted: Output) -> Self {
        Self { floor: (number, trusted), above: BTreeMap::new(), read_to: 0 }
    }

    /// The newest verified block and its output.
    pub fn newest(&self) -> (u64, Output) {
        match self.above.last_key_value() {
            Some((number, output)) => (*number, *output),
            None => self.floor,
        }
    }

    /// The newest verified block whose data are complete at an L1 block.
    pub fn newest_at(&self, l1_number: u64) -> (u64, Output) {
        let newest = self.above.iter().rev().find(|(_, output)| output.derived_from <= l1_number);
        newest.map_or(self.floor, |(number, output)| (*number, *output))
    }

    /// The output of a block that is not older than what is kept.
    pub fn at(&self, number: u64) -> Option<Output> {
        if number == self.floor.0 { Some(self.floor.1) } else { self.above.get(&number).copied() }
    }

    /// L1 is read up to this block.
    pub const fn read_to(&self) -> u64 {
        self.read_to
    }

    pub(crate) fn insert(&mut self, number: u64, output: Output) {
        self.above.insert(number, output);
        while self.above.len() > KEPT_MAX
            && let Some(oldest) = self.above.pop_first()
        {
            self.floor = oldest;
        }
    }

    pub(crate) const fn has_read(&mut self, l1_number: u64) {
        self.read_to = l1_number;
    }

    /// Judges by what is kept; `None` for a block below it.
    fn judge(&self, claim: &Claim) -> Option<Judgement> {
        if claim.l2_block < self.floor.0 {
            return None;
        }
        Some(match self.at(claim.l2_block) {
            Some(output) if output.root != claim.root => {
                Judgement::Wrong(Wrong::Root { expected: output.root })
            }
            Some(output) if output.derived_from > claim.l1_head => {
                Judgement::Wrong(Wrong::NotOnL1 { read_to: claim.l1_head })
            }
            Some(_) => Judgement::Right,
            None if self.read_to >= claim.l1_head => {
                Judgement::Wrong(Wrong::NotOnL1 { read_to: claim.l1_head })
            }
            None => Judgement::Unknown,
        })
    }
}

/// What all roles of a process judge by. Clones share it.
#[derive(Clone, Debug)]
pub struct Verified {
    outputs: Arc<RwLock<Option<Outputs>>>,
    /// Counts the beginnings.
    generation: Arc<AtomicU64>,
    source: L2Source,
}

impl Verified {
    pub(crate) fn new(source: L2Source) -> Self {
        Self { outputs: Arc::default(), generation: Arc::default(), source }
    }

    pub(crate) fn begin(&self, outputs: Outputs) {
        *self.outputs.write() = Some(outputs);
        self.generation.fetch_add(1, Ordering::Release);
    }

    /// Nothing is verified until the next beginning.
    pub(crate) fn forget(&self) {
        *self.outputs.write() = None;
    }

    /// Grows whenever verification begins again, as after a reorganisation of L1: what was read of L1
    /// before is to be read again.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    pub(crate) fn change(&self, change: impl FnOnce(&mut Outputs)) {
        if let Some(outputs) = self.outputs.write().as_mut() {
            change(outputs);
        }
    }

    /// Asks about what is verified; `None` before the first L1 block is read.
    pub fn ask<T>(&self, question: impl FnOnce(&Outputs) -> T) -> Option<T> {
        self.outputs.read().as_ref().map(question)
    }

    /// Whether a claim on L1 is what L1 determines. The proposer asks before it proposes, the attestor
    /// before it signs, the challenger before it pays a bond.
    pub async fn judge(&self, claim: &Claim) -> Result<Judgement, CheckError> {
        let Some((judged, floor)) = self.ask(|outputs| (outputs.judge(claim), outputs.floor))
        else {
            return Ok(Judgement::Unknown);
        };
        if let Some(judgement) = judged {
            return Ok(judgement);
        }
        let root = self.ancestor(floor, claim.l2_block).await?;
        Ok(match root == claim.root {
            true => Judgement::Right,
            false => Judgement::Wrong(Wrong::Root { expected: root }),
        })
    }

    /// Output root of a block below the kept ones.
    ///
    /// SOUNDNESS: each block must be the parent of the one above it, by hash, from a verified block down.
    async fn ancestor(&self, from: (u64, Output), number: u64) -> Result<B256, CheckError> {
        let mut expected = from.1.hash;
        let mut at = from.0;
        loop {
            let block = self.source.block(at).await?.ok_or(CheckError::Behind { number: at })?;
            if block.hash != expected {
                return Err(CheckError::Disagrees { number: at, expected, found: block.hash });
            }
            if at == number {
                return Ok(output_root(&block));
            }
            expected = block.header.parent_hash;
            at = at.saturating_sub(1);
        }
    }
}

/// Output root, version 0. Isthmus: the header's withdrawals root is the message passer's storage root.
pub(crate) fn output_root(block: &Block) -> B256 {
    let header = &block.header;
    let withdrawals = header.withdrawals_root.unwrap_or_default();
    messages::output_root(header.state_root, withdrawals, block.hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(n: u8, derived_from: u64) -> Output {
        Output { root: B256::repeat_byte(n), hash: B256::repeat_byte(n + 100), derived_from }
    }

    fn claim(l2_block: u64, root: u8, l1_head: u64) -> Claim {
        Claim { l2_block, root: B256::repeat_byte(root), l1_head }
    }

    #[test]
    fn claims_are_judged_by_their_l1_head() {
        let mut outputs = Outputs::new(10, output(10, 0));
        outputs.insert(11, output(11, 5));
        outputs.insert(12, output(12, 7));
        outputs.has_read(8);
        let judge = |claim: Claim| outputs.judge(&claim);
        assert_eq!(judge(claim(11, 11, 5)), Some(Judgement::Right));
        assert_eq!(judge(claim(12, 12, 9)), Some(Judgement::Right));
        assert_eq!(
            judge(claim(12, 13, 9)),
            Some(Judgement::Wrong(Wrong::Root { expected: B256::repeat_byte(12) }))
        );
        // Right by now, but L1 could not tell when it was claimed.
        let early = Judgement::Wrong(Wrong::NotOnL1 { read_to: 6 });
        assert_eq!(judge(claim(12, 12, 6)), Some(early));
        // Beyond what L1 determines, and beyond what was read of it.
        let beyond = Judgement::Wrong(Wrong::NotOnL1 { read_to: 8 });
        assert_eq!(judge(claim(13, 13, 8)), Some(beyond));
        assert_eq!(judge(claim(13, 13, 9)), Some(Judgement::Unknown));
        assert_eq!(judge(claim(9, 9, 9)), None);
        assert_eq!(outputs.newest().0, 12);
        assert_eq!(outputs.newest_at(6).0, 11);
        assert_eq!(outputs.newest_at(4).0, 10);
    }
}
