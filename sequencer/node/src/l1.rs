//! What the node knows of L1: the events it hears, the window of blocks from which origins are chosen,
//! and the status that `optimism_syncStatus` shows.

use std::{collections::VecDeque, sync::Arc};

use alloy_primitives::B256;
use derive::{L1Block, L1Event};
use primitives::{BlockNumHash, L1BlockRef};
use tokio::sync::mpsc;

/// References of heard blocks that are remembered, to tell of what fork others speak.
const HEARD_MAX: usize = 8_192;

/// L1 as last seen by the tasks that follow it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct L1Status {
    /// The newest block the watcher reported.
    pub head: L1BlockRef,
    pub finalized: L1BlockRef,
    /// The block up to which derivation or origin selection has read.
    pub current: L1BlockRef,
}

/// L1 as one task hears it. Whoever watches L1 is asked here for blocks again.
#[derive(Debug)]
pub struct L1Feed {
    events: mpsc::Receiver<L1Event>,
    rewinds: Option<mpsc::Sender<u64>>,
    /// Asked for, not answered: what comes before the answer is out of date.
    awaited: Option<u64>,
}

/// Nobody can be asked for L1 blocks again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("L1 must be read again from block {0} on, and nobody can be asked for that")]
pub struct NoRewind(pub u64);

impl L1Feed {
    /// `rewinds` takes the number of the block from which events shall come again; the answer begins
    /// with [`L1Event::Restart`].
    pub const fn new(events: mpsc::Receiver<L1Event>, rewinds: mpsc::Sender<u64>) -> Self {
        Self { events, rewinds: Some(rewinds), awaited: None }
    }

    /// The next event; `None` when there will be no more.
    pub(crate) async fn next(&mut self) -> Option<L1Event> {
        loop {
            let event = self.events.recv().await?;
            match (self.awaited, &event) {
                (None, _) => return Some(event),
                (Some(awaited), L1Event::Restart { from }) if *from == awaited => {
                    self.awaited = None;
                }
                (Some(_), _) => {}
            }
        }
    }

    /// Whether blocks that were asked for again have not begun to come.
    pub(crate) const fn awaits(&self) -> bool {
        self.awaited.is_some()
    }

    /// Asks for the blocks from `from` on. Nothing heard before counts any more.
    pub(crate) fn restart(&mut self, from: u64) -> Result<(), NoRewind> {
        let rewinds = self.rewinds.as_ref().ok_or(NoRewind(from))?;
        // One request at a time is under way, so there is room; when the watcher has ended, so do its
        // events.
        let _ = rewinds.try_send(from);
        self.awaited = Some(from);
        Ok(())
    }
}

impl From<mpsc::Receiver<L1Event>> for L1Feed {
    /// A feed that cannot be asked for anything again.
    fn from(events: mpsc::Receiver<L1Event>) -> Self {
        Self { events, rewinds: None, awaited: None }
    }
}

/// What is known of an L1 block that somebody else speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    Canonical,
    /// Another block has its number.
    Foreign,
    /// Above the newest block heard.
    Ahead,
    /// Below the oldest one remembered.
    Unknown,
}

/// The newest canonical L1 blocks by number.
#[derive(Debug, Default)]
pub(crate) struct Heard(VecDeque<BlockNumHash>);

impl Heard {
    pub(crate) fn push(&mut self, block: BlockNumHash) {
        self.truncate_above(block.number.saturating_sub(1));
        if self.0.back().is_some_and(|last| last.number.saturating_add(1) != block.number) {
            self.0.clear();
        }
        if self.0.len() >= HEARD_MAX {
            self.0.pop_front();
        }
        self.0.push_back(block);
    }

    pub(crate) fn truncate_above(&mut self, number: u64) {
        while self.0.back().is_some_and(|block| block.number > number) {
            self.0.pop_back();
        }
    }

    pub(crate) fn standing(&self, block: BlockNumHash) -> Standing {
        let (Some(first), Some(last)) = (self.0.front(), self.0.back()) else {
            return Standing::Ahead;
        };
        if block.number > last.number {
            return Standing::Ahead;
        }
        if block.number < first.number {
            return Standing::Unknown;
        }
        match self.0.contains(&block) {
            true => Standing::Canonical,
            false => Standing::Foreign,
        }
    }
}

/// Contiguous L1 blocks, the current origin first.
#[derive(Debug, Default)]
pub(crate) struct L1Window {
    blocks: VecDeque<Arc<L1Block>>,
}

/// A block that does not extend the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "L1 block {number} ({hash}) does not follow {expected_parent}: its parent is {parent_hash}"
)]
pub struct L1Gap {
    pub number: u64,
    pub hash: B256,
    pub parent_hash: B256,
    pub expected_parent: B256,
}

impl L1Window {
    pub(crate) fn push(&mut self, block: Arc<L1Block>) -> Result<(), L1Gap> {
        if let Some(last) = self.blocks.back()
            && (block.parent_hash != last.hash || block.number != last.number + 1)
        {
            return Err(L1Gap {
                number: block.number,
                hash: block.hash,
                parent_hash: block.parent_hash,
                expected_parent: last.hash,
            });
        }
        self.blocks.push_back(block);
        Ok(())
    }

    pub(crate) fn clear(&mut self) {
        self.blocks.clear();
    }

    /// Forgets everything above `number`.
    pub(crate) fn truncate_above(&mut self, number: u64) {
        while self.blocks.back().is_some_and(|block| block.number > number) {
            self.blocks.pop_back();
        }
    }

    /// Forgets everything below `number`.
    pub(crate) fn prune_below(&mut self, number: u64) {
        while self.blocks.front().is_some_and(|block| block.number < number) {
            self.blocks.pop_front();
        }
    }

    pub(crate) fn get(&self, number: u64) -> Option<&Arc<L1Block>> {
        let first = self.blocks.front()?.number;
        let index = usize::try_from(number.checked_sub(first)?).ok()?;
        self.blocks.get(index)
    }

    pub(crate) fn head(&self) -> Option<&Arc<L1Block>> {
        self.blocks.back()
    }

    pub(crate) fn len(&self) -> usize {
        self.blocks.len()
    }
}

/// The origin of the next L2 block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Stay in the epoch. `empty`: only deposits may enter, the drift limit is passed.
    Same { origin: Arc<L1Block>, empty: bool },
    /// The first block of the next epoch.
    Next(Arc<L1Block>),
    /// The drift limit is passed and the next L1 block is not known: a block now could turn out to
    /// be invalid.
    Wait,
}

/// Chooses the origin as op-node's `FindL1Origin` does: the next L1 block as soon as its time is
/// not after the L2 block's, if `confirmations` blocks lie on top of it.
///
/// `timestamp` is that of the L2 block to be built, `current` the parent's origin, `drift` the
/// seconds an L2 block may be ahead of its origin.
pub(crate) fn choose_origin(
    window: &L1Window,
    current: u64,
    timestamp: u64,
    drift: u64,
    confirmations: u64,
) -> Option<Origin> {
    let origin = window.get(current)?;
    let head = window.head()?.number;
    let next = window.get(current + 1);
    let past_drift = timestamp > origin.timestamp.saturating_add(drift);
    Some(match next {
        // Past the drift limit even an unconfirmed origin must be adopted: derivation allows
        // nothing else.
        Some(next)
            if next.timestamp <= timestamp
                && (past_drift || next.number.saturating_add(confirmations) <= head) =>
        {
            Origin::Next(Arc::clone(next))
        }
        None if past_drift => Origin::Wait,
        _ => Origin::Same { origin: Arc::clone(origin), empty: past_drift },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(number: u64, timestamp: u64) -> Arc<L1Block> {
        Arc::new(L1Block {
            hash: B256::with_last_byte(number as u8),
            number,
            parent_hash: B256::with_last_byte((number - 1) as u8),
            timestamp,
            base_fee: 1,
            blob_base_fee: 1,
            mix_hash: B256::ZERO,
            parent_beacon_block_root: B256::ZERO,
            deposits: Vec::new(),
            inbox: Vec::new(),
            config_updates: Vec::new(),
        })
    }

    fn window(times: &[u64]) -> L1Window {
        let mut window = L1Window::default();
        for (index, time) in times.iter().enumerate() {
            window.push(block(10 + index as u64, *time)).unwrap();
        }
        window
    }

    #[test]
    fn the_window_is_contiguous_and_forgets_both_ends() {
        let mut window = window(&[100, 102, 104]);
        assert!(window.push(block(14, 108)).is_err());
        assert_eq!(window.get(11).unwrap().timestamp, 102);
        assert!(window.get(9).is_none() && window.get(13).is_none());
        window.truncate_above(11);
        window.push(block(12, 105)).unwrap();
        window.prune_below(11);
        assert!(window.get(10).is_none());
        assert_eq!((window.len(), window.head().unwrap().number), (2, 12));
    }

    #[test]
    fn what_others_speak_of_is_told_apart() {
        let id = |number: u64, byte: u8| BlockNumHash { number, hash: B256::repeat_byte(byte) };
        let mut heard = Heard::default();
        assert_eq!(heard.standing(id(1, 1)), Standing::Ahead);
        for number in 5..8 {
            heard.push(id(number, 1));
        }
        assert_eq!(heard.standing(id(6, 1)), Standing::Canonical);
        assert_eq!(heard.standing(id(6, 2)), Standing::Foreign);
        assert_eq!(heard.standing(id(8, 1)), Standing::Ahead);
        assert_eq!(heard.standing(id(4, 1)), Standing::Unknown);
        heard.truncate_above(6);
        assert_eq!(heard.standing(id(7, 1)), Standing::Ahead);
        // Read again from an earlier block on.
        heard.push(id(3, 2));
        assert_eq!(heard.standing(id(3, 2)), Standing::Canonical);
        assert_eq!(heard.standing(id(5, 1)), Standing::Ahead);
    }

    #[tokio::test]
    async fn what_came_before_the_answer_is_out_of_date() {
        let (sender, events) = mpsc::channel(8);
        let (rewinds, mut asked) = mpsc::channel(1);
        let mut feed = L1Feed::new(events, rewinds);
        sender.send(L1Event::Block(block(10, 100))).await.unwrap();
        feed.restart(7).unwrap();
        assert_eq!(asked.recv().await, Some(7));
        sender.send(L1Event::Restart { from: 7 }).await.unwrap();
        sender.send(L1Event::Block(block(7, 94))).await.unwrap();
        let Some(L1Event::Block(first)) = feed.next().await else { panic!("a block was sent") };
        assert_eq!(first.number, 7);
        let (_, events) = mpsc::channel(1);
        assert_eq!(L1Feed::from(events).restart(3), Err(NoRewind(3)));
    }

    #[test]
    fn origins_follow_op_node() {
        let blocks = window(&[100, 102]);
        let choose = |timestamp, drift, confirmations| {
            choose_origin(&blocks, 10, timestamp, drift, confirmations).unwrap()
        };
        let (first, second) = (block(10, 100), block(11, 102));
        let same = |empty| Origin::Same { origin: Arc::clone(&first), empty };
        // Not before its time.
        assert_eq!(choose(101, 1_800, 0), same(false));
        assert_eq!(choose(102, 1_800, 0), Origin::Next(Arc::clone(&second)));
        // Not before its confirmations, unless drift forces it.
        assert_eq!(choose(102, 1_800, 1), same(false));
        assert_eq!(choose(102, 1, 1), Origin::Next(second));
        // Past the drift with the next origin still in the future: empty blocks only.
        let late = window(&[100, 200]);
        assert_eq!(choose_origin(&late, 10, 150, 20, 0), Some(same(true)));
        // Past the drift without a next origin: wait.
        let alone = window(&[100]);
        assert_eq!(choose_origin(&alone, 10, 150, 20, 0), Some(Origin::Wait));
        assert_eq!(choose_origin(&alone, 10, 110, 20, 0), Some(same(false)));
        assert_eq!(choose_origin(&alone, 9, 110, 20, 0), None);
    }
}
