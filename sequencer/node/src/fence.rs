//! Whom L1 names for the feed, and what follows for a sequencer: as long as its key is named it has a lease that
//! every L1 block renews; when another is named its term ends; and one that nobody handed the chain begins only when
//! the lease of the one before must be over. Why two never publish at once is in
//! `docs/decisions/0093-l1-names-who-may-publish.md`.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use alloy_primitives::Address;
use derive::{L1Block, L1Event};
use messages::{ConfigUpdate, decode_config_update};
use primitives::{BlockNumHash, L1BlockRef, RollupConfig};
use tokio::sync::watch;

use crate::{
    error::ControlError,
    l1::{Heard, Standing},
    lead::Lead,
};

/// How long after its last block's time a resignation can be made use of. Afterwards whoever resigned may begin again
/// by itself.
const HAND_OVER: Duration = Duration::from_secs(600);
/// A sequencer that was heard within this time lives.
const LIVE_WITHIN: Duration = Duration::from_secs(15);

/// The key that `SystemConfig.unsafeBlockSigner` names at the end of an L1 block, as L1 was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NamedKey {
    pub block: BlockNumHash,
    pub key: Address,
}

/// Whom L1 names at the newest block heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) key: Address,
    /// The block that named it, or a later one from which on it certainly was.
    pub(crate) since: L1BlockRef,
    /// Whom it named before, and from which block on at the latest.
    pub(crate) before: Option<(Address, L1BlockRef)>,
}

/// The feed's key at this node's view of L1: what the blocks say that were heard without a gap, and what was asked.
#[derive(Debug)]
pub(crate) struct KeyView {
    asked: watch::Receiver<NamedKey>,
    heard: Heard,
    /// First and newest of the blocks heard without a gap.
    run: Option<(L1BlockRef, L1BlockRef)>,
    /// Named at the first of them, once that is known.
    first: Option<Address>,
    /// Named since, ascending.
    updates: Vec<(L1BlockRef, Address)>,
}

impl KeyView {
    pub(crate) fn new(asked: watch::Receiver<NamedKey>) -> Self {
        Self { asked, heard: Heard::default(), run: None, first: None, updates: Vec::new() }
    }

    pub(crate) fn hear(&mut self, event: &L1Event) {
        match event {
            L1Event::Block(block) => self.block(block),
            L1Event::Reorg { common } => self.reorg(*common),
            L1Event::Restart { .. } | L1Event::Finalized(_) => {}
        }
        self.settle();
    }

    /// Returns when L1 was asked again; never if nobody asks any more.
    pub(crate) async fn asked(&mut self) {
        if self.asked.changed().await.is_err() {
            std::future::pending().await
        }
        self.settle();
    }

    fn block(&mut self, block: &L1Block) {
        let reference = block.block_ref();
        let parent =
            BlockNumHash { number: block.number.saturating_sub(1), hash: block.parent_hash };
        match &mut self.run {
            Some((first, newest))
                if block.number > first.number
                    && self.heard.standing(parent) == Standing::Canonical =>
            {
                *newest = reference;
                self.updates.retain(|(at, _)| at.number < block.number);
            }
            _ => {
                self.run = Some((reference, reference));
                self.first = None;
                self.updates.clear();
            }
        }
        self.heard.push(BlockNumHash { number: block.number, hash: block.hash });
        for log in &block.config_updates {
            // What derivation cannot read ends it; there is nothing to add here.
            if let Ok(ConfigUpdate::UnsafeBlockSigner(key)) = decode_config_update(&log.data) {
                self.updates.push((reference, key));
            }
        }
    }

    fn reorg(&mut self, common: L1BlockRef) {
        let id = BlockNumHash { number: common.number, hash: common.hash };
        let stands = self.heard.standing(id) == Standing::Canonical;
        self.heard.truncate_above(common.number);
        match &mut self.run {
            Some((first, newest)) if stands && first.number <= common.number => {
                *newest = common;
                self.updates.retain(|(at, _)| at.number <= common.number);
            }
            _ => {
                self.run = None;
                self.first = None;
                self.updates.clear();
            }
        }
    }

    /// What L1 was asked says who was named at the first block, if nothing changed in between.
    fn settle(&mut self) {
        let asked = *self.asked.borrow_and_update();
        let Some((first, newest)) = self.run else { return };
        let number = asked.block.number;
        if self.first.is_none()
            && (first.number..=newest.number).contains(&number)
            && self.heard.standing(asked.block) == Standing::Canonical
            && self.updates.iter().all(|(at, _)| at.number > number)
        {
            self.first = Some(asked.key);
        }
    }

    /// The newest block heard.
    pub(crate) fn newest(&self) -> Option<L1BlockRef> {
        self.run.map(|(_, newest)| newest)
    }

    /// At the newest block heard.
    pub(crate) fn named(&self) -> Option<Named> {
        let (start, _) = self.run?;
        let first = self.first.map(|key| (start, key));
        let mut named: Option<Named> = None;
        for (since, key) in first.into_iter().chain(self.updates.iter().copied()) {
            named = match named {
                Some(same) if same.key == key => Some(same),
                other => {
                    let before = other.map(|before| (before.key, before.since));
                    Some(Named { key, since, before })
                }
            };
        }
        named
    }

    /// Whether the blocks heard reach as far as L1 was asked.
    pub(crate) fn is_caught_up(&self) -> bool {
        let asked = self.asked.borrow().block.number;
        self.run.is_some_and(|(_, newest)| newest.number >= asked)
    }

    /// At the newest block that is known of in any way.
    pub(crate) fn latest(&self) -> Address {
        match self.named() {
            Some(named) if self.is_caught_up() => named.key,
            _ => self.asked.borrow().key,
        }
    }

    /// Names other than `own`, from blocks above `number`.
    fn another_above(&self, number: u64, own: Address) -> Option<Address> {
        let other = |(at, key): &&(L1BlockRef, Address)| at.number > number && *key != own;
        self.updates.iter().rev().find(other).map(|(_, key)| *key)
    }
}

/// Returns when L1 was asked again; never without a view.
pub(crate) async fn asked(view: Option<&mut KeyView>) {
    match view {
        Some(view) => view.asked().await,
        None => std::future::pending().await,
    }
}

/// The key whose feed is listened to, as L1 names it.
#[derive(Debug)]
pub(crate) struct FollowedKey {
    pub(crate) view: KeyView,
    /// What the listener is told.
    pub(crate) followed: watch::Sender<Address>,
}

impl FollowedKey {
    pub(crate) fn follow(&self, key: Address) {
        self.followed.send_if_modified(|followed| {
            let is_other = *followed != key;
            if is_other {
                tracing::warn!(before = %followed, now = %key, "the feed of another key is followed");
            }
            *followed = key;
            is_other
        });
    }
}

/// Until when this node may publish, for all who ask in it.
#[derive(Debug, Default)]
pub(crate) struct Lease {
    /// Milliseconds since the Unix epoch.
    until: AtomicU64,
}

impl Lease {
    pub(crate) fn holds_at(&self, clock: Duration) -> bool {
        clock < self.until()
    }

    pub(crate) fn holds(&self) -> bool {
        self.holds_at(clock())
    }

    fn until(&self) -> Duration {
        Duration::from_millis(self.until.load(Ordering::Acquire))
    }

    /// It never becomes shorter: what an L1 block gave, it gave.
    fn extend(&self, until: Duration) {
        let until = u64::try_from(until.as_millis()).unwrap_or(u64::MAX);
        self.until.fetch_max(until, Ordering::AcqRel);
    }
}

/// The times that both sides of a cut line know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Times {
    /// What a block that names a key gives its owner, from the block's timestamp on.
    pub(crate) lease: Duration,
    /// By how much clocks of sequencers may differ.
    pub(crate) skew: Duration,
    /// For how long after it parted a branch may be built on that L1 leaves.
    pub(crate) branch: Duration,
}

impl Times {
    /// After the naming block's timestamp the one before has no lease any more, by anybody's clock.
    fn wait(&self) -> Duration {
        self.lease.saturating_add(self.branch).saturating_add(self.skew)
    }
}

/// What keeps a sequencer from publishing beside another.
#[derive(Debug)]
pub(crate) struct Fence {
    own: Address,
    times: Times,
    /// Nobody sequenced before L2's first L1 block.
    genesis: u64,
    lease: std::sync::Arc<Lease>,
    /// Up to this L1 block nothing was against the own term.
    since: u64,
    /// Somebody else was named since.
    replaced: Option<Address>,
}

/// How a start is justified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    /// The last one resigned: the key that signed it, and its last block's timestamp.
    Resigned { signer: Address, last: u64 },
    /// The own term was the last that was heard of.
    Own,
    /// The operator says so, or nothing was ever heard.
    None,
}

/// Another sequencer, as it was heard last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Predecessor {
    pub(crate) term: u64,
    /// How long nothing was heard of it.
    pub(crate) silent: Duration,
    /// With which block it resigned.
    pub(crate) resigned: Option<BlockNumHash>,
    /// Whose messages its are.
    pub(crate) signer: Address,
}

/// On what a start on this head rests: the sequencer of the newest term heard of must have resigned with it, or with a
/// block below it. `listens`: whether others would be heard of; `has`: whether a block is of the own chain.
///
/// Blocks above a resignation come of a sequencer that did not hear its stand-in acknowledge them, and so told nobody
/// else: the stand-in need not drop them.
pub(crate) fn claim(
    rollup: &RollupConfig,
    lead: &Lead,
    heard: Option<Predecessor>,
    listens: bool,
    head: BlockNumHash,
    has: impl FnOnce(BlockNumHash) -> bool,
) -> Result<Claim, ControlError> {
    let other = heard.filter(|heard| heard.term == lead.seen && heard.term > lead.term);
    let Some(Predecessor { term, silent, resigned, signer }) = other else {
        return match lead.resigned {
            // Its own was the last term, for all it knows.
            Some(_) if listens => Err(ControlError::Resigned),
            // Or there never was any.
            _ if lead.seen == lead.term => Ok(own_claim(lead)),
            _ => Err(ControlError::NotResigned { term: lead.seen }),
        };
    };
    match resigned {
        None if silent < LIVE_WITHIN => Err(ControlError::Live { term, silent }),
        None => Err(ControlError::NotResigned { term }),
        Some(resigned) if resigned != head && (resigned.number > head.number || !has(resigned)) => {
            Err(ControlError::OtherLast { term, resigned, head })
        }
        Some(resigned) => {
            Ok(Claim::Resigned { signer, last: rollup.block_timestamp(resigned.number) })
        }
    }
}

/// On what a start rests that nobody else's word is there for.
pub(crate) const fn own_claim(lead: &Lead) -> Claim {
    if lead.term == 0 || lead.seen != lead.term { Claim::None } else { Claim::Own }
}

/// The timestamp of the block with which the node resigned, if its own term ended so.
pub(crate) fn resigned_at(rollup: &RollupConfig, lead: &Lead) -> Option<u64> {
    lead.resigned.map(|last| rollup.block_timestamp(last.number))
}

impl Fence {
    /// Of a node whose head is built on L1 block `origin`: what L1 said up to there is known to it.
    pub(crate) fn new(own: Address, times: Times, genesis: u64, origin: u64) -> Self {
        let lease = std::sync::Arc::default();
        Self { own, times, genesis, lease, since: origin, replaced: None }
    }

    pub(crate) const fn own(&self) -> Address {
        self.own
    }

    pub(crate) const fn lease(&self) -> &std::sync::Arc<Lease> {
        &self.lease
    }

    /// How long the lease still lasts.
    pub(crate) fn left(&self, clock: Duration) -> Duration {
        self.lease.until().saturating_sub(clock)
    }

    /// Draws what follows from a new view of L1.
    pub(crate) fn look(&mut self, view: &KeyView) {
        if let Some(other) = view.another_above(self.since, self.own) {
            self.replaced = Some(other);
        }
        let latest = view.latest();
        if latest != self.own {
            self.replaced = Some(latest);
        }
        let is_named = view.named().is_some_and(|named| named.key == self.own);
        if let Some(newest) = view.newest().filter(|_| is_named) {
            self.lease.extend(seconds(newest.timestamp).saturating_add(self.times.lease));
        }
    }

    /// Who was named in the stead of a sequencer that is in its term.
    pub(crate) const fn replaced(&self) -> Option<Address> {
        self.replaced
    }

    /// Whether a term may begin now; gives the number of the L1 block that named it. `resigned`: the timestamp of
    /// the block with which the node's own last term was resigned, if it was.
    pub(crate) fn may_begin(
        &self,
        view: &KeyView,
        lead: &Lead,
        claim: Claim,
        resigned: Option<u64>,
        clock: Duration,
    ) -> Result<u64, ControlError> {
        let own = self.own;
        let latest = view.latest();
        if latest != own {
            return Err(ControlError::NotNamed { named: latest, own });
        }
        let named = view.named().filter(|named| named.key == own && view.is_caught_up());
        let (Some(named), Some(newest)) = (named, view.newest()) else {
            return Err(ControlError::KeyUnknown);
        };
        if !self.lease.holds_at(clock) {
            let behind = clock.saturating_sub(seconds(newest.timestamp));
            return Err(ControlError::L1Old { number: newest.number, behind });
        }
        let number = named.since.number;
        let since = seconds(named.since.timestamp);
        // Nobody has a lease from before any more.
        let mut left = since.saturating_add(self.times.wait()).saturating_sub(clock);
        // The naming stays, whatever becomes of L1's newest blocks.
        let newest_time = seconds(newest.timestamp);
        let settles = since.saturating_add(self.times.branch).saturating_sub(newest_time);
        // A stand-in that had its word has been named by then, or comes too late.
        let mut bound = resigned.filter(|_| number <= self.since).map_or(Duration::ZERO, |last| {
            let usable = seconds(last).saturating_add(HAND_OVER);
            let by_clock = usable.saturating_add(self.times.skew).saturating_sub(clock);
            by_clock.max(usable.saturating_add(self.times.branch).saturating_sub(newest_time))
        });
        match claim {
            Claim::Resigned { signer, last } => {
                let usable = seconds(last).saturating_add(HAND_OVER);
                let handed = named
                    .before
                    .is_some_and(|(key, since)| key == signer && since.timestamp <= last);
                if signer == own && clock < usable {
                    return Ok(number);
                }
                if handed && since < usable {
                    (left, bound) = (Duration::ZERO, Duration::ZERO);
                }
            }
            Claim::Own | Claim::None if !bound.is_zero() => {}
            Claim::Own if number <= self.since => return Ok(number),
            Claim::None if lead.seen == 0 && number <= self.genesis => return Ok(number),
            Claim::Own | Claim::None => {}
        }
        // The word it gave binds it, whatever it has heard since: its view of L1 may be older than the naming of
        // one that made use of it.
        if !bound.is_zero() {
            return Err(ControlError::MayBeFollowed { left: bound });
        }
        if lead.seen > lead.term {
            // A naming that this node saw came after what it had heard.
            let other = lead.signer.or(named.before.map(|(key, _)| key));
            match other {
                Some(signer) if signer != own => {}
                _ => return Err(ControlError::SharedKey { key: own, term: lead.seen }),
            }
        }
        let left = left.max(settles);
        if !left.is_zero() {
            return Err(ControlError::Wait { number, left });
        }
        Ok(number)
    }

    /// A term begins, on a key that is named since this L1 block.
    pub(crate) fn begun(&mut self, number: u64) {
        self.since = number;
        self.replaced = None;
    }

    /// Whose messages a sequencer that does not sequence takes: while the one before can still have a lease, its
    /// last blocks count though L1 names this node already.
    pub(crate) fn listens_to(&self, view: &KeyView, lead: &Lead, clock: Duration) -> Address {
        let latest = view.latest();
        if latest != self.own || lead.active {
            return latest;
        }
        let named = view.named().filter(|named| named.key == self.own);
        if named.is_some_and(|named| {
            clock >= seconds(named.since.timestamp).saturating_add(self.times.wait())
        }) {
            return latest;
        }
        let before = named.and_then(|named| named.before).map(|(key, _)| key);
        before.or(lead.signer.filter(|_| lead.seen > lead.term)).unwrap_or(latest)
    }
}

/// Since the Unix epoch.
pub(crate) fn clock() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

const fn seconds(timestamp: u64) -> Duration {
    Duration::from_secs(timestamp)
}

#[cfg(test)]
mod tests;
