use std::{
    cell::RefCell,
    collections::{HashMap, VecDeque},
    rc::Rc,
    sync::Arc,
};

use alloy_primitives::{B256, Log, LogData, keccak256};
use proptest::{prelude::*, test_runner::TestRunner};

use super::*;

const TIMES: Times = Times {
    lease: Duration::from_secs(30),
    skew: Duration::from_secs(4),
    branch: Duration::from_secs(8),
};
/// Of L1, seconds.
const SLOT: u64 = 2;
/// Where all clocks begin, so that none is ever below zero.
const START: u64 = 10_000;

fn key(node: usize) -> Address {
    Address::repeat_byte(0xa0 + node as u8)
}

fn named(key: Address) -> Log {
    let topics = vec![messages::CONFIG_UPDATE_TOPIC, B256::ZERO, B256::with_last_byte(3)];
    let mut data = Vec::new();
    for word in [B256::with_last_byte(32), B256::with_last_byte(32), key.into_word()] {
        data.extend_from_slice(word.as_slice());
    }
    Log { address: Address::ZERO, data: LogData::new_unchecked(topics, data.into()) }
}

/// The block above `parent`; `salt` tells branches apart.
fn above(parent: Option<&L1Block>, salt: u64, timestamp: u64, names: Option<Address>) -> L1Block {
    let number = parent.map_or(0, |parent| parent.number + 1);
    let parent_hash = parent.map_or(B256::ZERO, |parent| parent.hash);
    let seed = [parent_hash.as_slice(), &salt.to_be_bytes(), &number.to_be_bytes()].concat();
    L1Block {
        hash: keccak256(seed),
        number,
        parent_hash,
        timestamp,
        base_fee: 1,
        blob_base_fee: 1,
        mix_hash: B256::ZERO,
        parent_beacon_block_root: B256::ZERO,
        deposits: Vec::new(),
        inbox: Vec::new(),
        config_updates: names.map(named).into_iter().collect(),
    }
}

/// A chain of blocks a slot apart that name whom they are told to.
fn chain(names: &[Option<usize>]) -> Vec<L1Block> {
    let mut blocks: Vec<L1Block> = Vec::new();
    for (number, name) in names.iter().enumerate() {
        let timestamp = START + SLOT * number as u64;
        blocks.push(above(blocks.last(), 0, timestamp, name.map(key)));
    }
    blocks
}

fn id(block: &L1Block) -> BlockNumHash {
    BlockNumHash { number: block.number, hash: block.hash }
}

fn hears(view: &mut KeyView, blocks: &[L1Block]) {
    for block in blocks {
        view.hear(&L1Event::Block(Arc::new(block.clone())));
    }
}

fn asked_at(block: &L1Block, node: usize) -> (watch::Sender<NamedKey>, KeyView) {
    let (asking, asked) = watch::channel(NamedKey { block: id(block), key: key(node) });
    (asking, KeyView::new(asked))
}

fn key_of(view: &KeyView) -> Option<Address> {
    view.named().map(|named| named.key)
}

#[test]
fn the_first_key_is_what_was_asked_and_blocks_change_it() {
    let blocks = chain(&[None, None, None, Some(1), None, Some(1), Some(2)]);
    let (_asking, mut view) = asked_at(&blocks[2], 0);
    assert_eq!((view.latest(), view.named()), (key(0), None));
    hears(&mut view, &blocks[1..2]);
    assert!(view.named().is_none() && !view.is_caught_up());
    hears(&mut view, &blocks[2..3]);
    let first = blocks[1].block_ref();
    assert_eq!(view.named(), Some(Named { key: key(0), since: first, before: None }));
    hears(&mut view, &blocks[3..6]);
    // Named again by the same: nothing new.
    let since = blocks[3].block_ref();
    assert_eq!(view.named(), Some(Named { key: key(1), since, before: Some((key(0), first)) }));
    hears(&mut view, &blocks[6..]);
    assert_eq!(view.named().unwrap().before, Some((key(1), since)));
    assert_eq!(view.latest(), key(2));

    // Read again from below: what was asked counts until the blocks are there.
    hears(&mut view, &blocks[2..3]);
    assert_eq!(key_of(&view), Some(key(0)));
    hears(&mut view, &blocks[3..7]);
    assert_eq!(key_of(&view), Some(key(2)));
    hears(&mut view, &blocks[..2]);
    assert_eq!((key_of(&view), view.latest()), (None, key(0)));
    hears(&mut view, &blocks[2..]);
    assert_eq!(view.named().unwrap().before, Some((key(1), since)));
}

#[test]
fn a_reorganisation_and_a_gap_take_back_what_was_heard() {
    let blocks = chain(&[None, None, Some(1), Some(2), None]);
    let (asking, mut view) = asked_at(&blocks[0], 0);
    hears(&mut view, &blocks);
    assert_eq!(key_of(&view), Some(key(2)));
    view.hear(&L1Event::Reorg { common: blocks[2].block_ref() });
    assert_eq!(key_of(&view), Some(key(1)));
    view.hear(&L1Event::Reorg { common: blocks[1].block_ref() });
    assert_eq!(key_of(&view), Some(key(0)));
    // Another branch names nobody.
    let other = above(Some(&blocks[1]), 1, START + 9, None);
    hears(&mut view, std::slice::from_ref(&other));
    assert_eq!(key_of(&view), Some(key(0)));

    // Of a branch that was never heard: nothing is known but what was asked.
    let foreign = above(Some(&other), 7, START + 11, None);
    view.hear(&L1Event::Reorg { common: foreign.block_ref() });
    assert_eq!((key_of(&view), view.latest()), (None, key(0)));

    // A gap is not believed to be empty, and a word about another branch says nothing of this one.
    hears(&mut view, &blocks[..2]);
    assert_eq!(key_of(&view), Some(key(0)));
    hears(&mut view, &blocks[4..]);
    assert_eq!(key_of(&view), None);
    let elsewhere = BlockNumHash { number: 4, hash: other.hash };
    asking.send_replace(NamedKey { block: elsewhere, key: key(1) });
    hears(&mut view, &[]);
    view.settle();
    assert_eq!(key_of(&view), None);
    asking.send_replace(NamedKey { block: id(&blocks[4]), key: key(2) });
    view.settle();
    assert_eq!(key_of(&view), Some(key(2)));
}

fn at(seconds: u64) -> Duration {
    Duration::from_secs(START + seconds)
}

/// A node whose key is the second, at this view of L1.
fn stand_in(view: &KeyView) -> Fence {
    let mut fence = Fence::new(key(1), TIMES, 0, 0);
    fence.look(view);
    fence
}

fn left(result: Result<u64, ControlError>) -> u64 {
    match result {
        Err(ControlError::Wait { left, .. } | ControlError::MayBeFollowed { left }) => {
            left.as_secs()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_stand_in_waits_until_the_lease_before_is_over() {
    let mut names = vec![None; 40];
    names[10] = Some(1);
    let blocks = chain(&names);
    let (_asking, mut view) = asked_at(&blocks[0], 0);
    let other = Lead { seen: 3, signer: Some(key(0)), ..Lead::default() };
    let may = |view: &KeyView, lead: &Lead, seconds| {
        stand_in(view).may_begin(view, lead, Claim::None, None, at(seconds))
    };
    hears(&mut view, &blocks[..10]);
    let refused = may(&view, &other, 19);
    assert_eq!(refused, Err(ControlError::NotNamed { named: key(0), own: key(1) }));

    hears(&mut view, &blocks[10..]);
    // Named at 20: lease, branch and skew of 42 s.
    assert_eq!(left(may(&view, &other, 20)), 42);
    assert_eq!(left(may(&view, &other, 61)), 1);
    assert_eq!(may(&view, &other, 62), Ok(10));
    // The newest block is of second 78: with it the own lease begins.
    assert_eq!(may(&view, &other, 107), Ok(10));
    let old = ControlError::L1Old { number: 39, behind: Duration::from_secs(30) };
    assert_eq!(may(&view, &other, 108), Err(old));

    // L1 cannot stop one that signs with the same key.
    let shared = ControlError::SharedKey { key: key(1), term: 3 };
    let same = Lead { signer: Some(key(1)), ..other };
    assert_eq!(may(&view, &same, 62), Err(shared));
    // It is not known with which: the naming tells.
    assert_eq!(may(&view, &Lead { signer: None, ..other }, 62), Ok(10));
    let (_asking, mut late) = asked_at(&blocks[20], 1);
    hears(&mut late, &blocks[15..]);
    let shared = ControlError::SharedKey { key: key(1), term: 3 };
    assert_eq!(may(&late, &Lead { signer: None, ..other }, 100), Err(shared));
    // Since when is not known: since what was heard first.
    assert_eq!(left(may(&late, &other, 62)), 10);
    assert_eq!(may(&late, &other, 72), Ok(15));

    // The naming lies deep enough.
    let (_asking, mut shallow) = asked_at(&blocks[0], 0);
    hears(&mut shallow, &blocks[..13]);
    assert_eq!(left(may(&shallow, &other, 51)), 11);
    let mut early = stand_in(&shallow);
    early.times.lease = Duration::ZERO;
    early.lease.extend(at(1_000));
    assert_eq!(left(early.may_begin(&shallow, &other, Claim::None, None, at(500))), 4);
}

#[test]
fn a_resignation_ends_the_wait_and_binds_whoever_gave_it() {
    let mut names = vec![None; 400];
    names[10] = Some(1);
    let blocks = chain(&names);
    let (_asking, mut view) = asked_at(&blocks[0], 0);
    hears(&mut view, &blocks[..14]);
    let other = Lead { seen: 3, signer: Some(key(0)), ..Lead::default() };
    let may = |view: &KeyView, lead: &Lead, claim, seconds| {
        stand_in(view).may_begin(view, lead, claim, None, at(seconds))
    };
    let by = |node: usize, last: u64| Claim::Resigned { signer: key(node), last: START + last };
    // Named at 20, the newest block is of second 26: not deep enough yet.
    assert_eq!(left(may(&view, &other, by(0, 18), 28)), 2);
    hears(&mut view, &blocks[14..15]);
    assert_eq!(may(&view, &other, by(0, 18), 28), Ok(10));
    // Not of the key that was named before: somebody else led in between.
    assert_eq!(left(may(&view, &other, by(2, 18), 28)), 34);
    // Of before that key was named: of an earlier term of its.
    let old = Claim::Resigned { signer: key(0), last: START - 1 };
    assert_eq!(left(may(&view, &other, old, 28)), 34);
    // One key for both: nothing but the clock tells how old the word is.
    let same = Lead { signer: Some(key(1)), ..other };
    assert_eq!(may(&view, &same, by(1, 18), 28), Ok(10));
    let late = stand_in(&view);
    late.lease.extend(at(10_000));
    let refused = late.may_begin(&view, &same, by(1, 18), None, at(618));
    assert_eq!(refused, Err(ControlError::SharedKey { key: key(1), term: 3 }));

    // Whoever resigned may take it back when nobody can make use of it any more.
    let (_asking, mut own) = asked_at(&blocks[0], 1);
    hears(&mut own, &chain(&[None; 308]));
    let resigned = Lead { term: 3, seen: 3, ..Lead::default() };
    let back = |view: &KeyView, lead: &Lead, claim, seconds| {
        stand_in(view).may_begin(view, lead, claim, Some(START + 10), at(seconds))
    };
    // Until 610, seen on L1 with a branch's 8 s, and by the clock with 4 s of skew.
    assert_eq!(left(back(&own, &resigned, Claim::Own, 600)), 14);
    assert_eq!(left(back(&own, &resigned, Claim::Own, 615)), 4);
    // Also when it has heard of the one after: of L1 it may have heard less.
    let after = Lead { seen: 4, signer: Some(key(0)), ..resigned };
    assert_eq!(left(back(&own, &after, Claim::None, 615)), 4);
    assert_eq!(left(back(&own, &after, by(0, 14), 615)), 4);
    hears(&mut own, &chain(&[None; 310])[308..]);
    assert_eq!(back(&own, &resigned, Claim::Own, 618), Ok(0));
    assert_eq!(back(&own, &after, Claim::None, 618), Ok(0));
    assert_eq!(may(&own, &resigned, Claim::Own, 618), Ok(0));
    // Somebody else was named in between: as anybody.
    let mut between = vec![None; 310];
    (between[300], between[301]) = (Some(0), Some(1));
    let (_asking, mut own) = asked_at(&blocks[0], 1);
    hears(&mut own, &chain(&between));
    assert_eq!(left(back(&own, &resigned, Claim::Own, 620)), 24);
}

#[test]
fn a_new_chain_needs_no_wait_and_a_term_ends_with_the_naming() {
    let blocks = chain(&[None, None, Some(0), Some(1)]);
    let (_asking, mut view) = asked_at(&blocks[0], 1);
    let mut fence = stand_in(&view);
    let nobody = Lead::default();
    let unknown = fence.may_begin(&view, &nobody, Claim::None, None, at(1));
    assert_eq!(unknown, Err(ControlError::KeyUnknown));
    hears(&mut view, &blocks[..2]);
    fence.look(&view);
    assert_eq!(fence.may_begin(&view, &nobody, Claim::None, None, at(3)), Ok(0));
    // Not after somebody was heard of.
    let other = Lead { seen: 1, signer: Some(key(0)), ..nobody };
    assert_eq!(left(fence.may_begin(&view, &other, Claim::None, None, at(3))), 39);
    fence.begun(0);
    assert!(fence.lease().holds_at(at(31)) && !fence.lease().holds_at(at(32)));
    assert_eq!((fence.replaced(), fence.left(at(30))), (None, Duration::from_secs(2)));

    // That another was named in between ends the term, though this one is named again.
    hears(&mut view, &blocks[2..]);
    fence.look(&view);
    assert_eq!((view.latest(), fence.replaced()), (key(1), Some(key(0))));
    // What was known when the term began does not.
    let mut later = Fence::new(key(1), TIMES, 0, 2);
    later.look(&view);
    assert_eq!(later.replaced(), None);
    // What was asked counts before the blocks are heard.
    let (_asking, ahead) = asked_at(&blocks[2], 0);
    later.look(&ahead);
    assert_eq!(later.replaced(), Some(key(0)));
}

/// What an operator, a guardian, a network and L1 do.
#[derive(Clone, Copy, Debug)]
enum Deed {
    Name(usize),
    Stop(usize),
    /// The operator of this node tries to start it, each second from now on.
    Push(usize, bool),
    Restart(usize),
    CutL1(usize, bool),
    CutLine(usize, usize, bool),
    Stall(usize, u64),
    Lag(usize, u64),
    Ask(usize),
    Reorganise(usize, bool),
}

const NODES: usize = 3;

fn deed() -> impl Strategy<Value = Deed> {
    let node = 0..NODES;
    prop_oneof![
        3 => node.clone().prop_map(Deed::Name),
        1 => node.clone().prop_map(Deed::Stop),
        3 => (node.clone(), prop::bool::weighted(0.8)).prop_map(|(n, on)| Deed::Push(n, on)),
        1 => node.clone().prop_map(Deed::Restart),
        2 => (node.clone(), any::<bool>()).prop_map(|(n, cut)| Deed::CutL1(n, cut)),
        2 => (node.clone(), node.clone(), any::<bool>())
            .prop_map(|(a, b, cut)| Deed::CutLine(a, b, cut)),
        1 => (node.clone(), 1..80_u64).prop_map(|(n, time)| Deed::Stall(n, time)),
        1 => (node.clone(), 0..25_u64).prop_map(|(n, time)| Deed::Lag(n, time)),
        1 => node.prop_map(Deed::Ask),
        2 => (1..4_usize, any::<bool>()).prop_map(|(n, keeps)| Deed::Reorganise(n, keeps)),
    ]
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    /// A block on an L1 block.
    Block {
        at: BlockNumHash,
        parent: B256,
        origin: u64,
    },
    Resigned(BlockNumHash),
}

#[derive(Clone, Copy, Debug)]
struct Said {
    time: u64,
    term: u64,
    word: Word,
}

#[derive(Clone, Copy, Debug)]
struct Head {
    at: BlockNumHash,
    origin: u64,
    term: u64,
}

/// A block that the stand-in is to have before it is said.
#[derive(Clone, Copy, Debug)]
struct Offer {
    at: BlockNumHash,
    parent: B256,
    origin: u64,
    /// The head without it.
    before: Head,
    /// When the stand-in heard of it.
    heard: Option<u64>,
    acknowledged: bool,
}

impl Offer {
    const fn word(&self) -> Word {
        Word::Block { at: self.at, parent: self.parent, origin: self.origin }
    }
}

/// Whose acknowledgement a node waits for.
const fn stand_in_of(node: usize) -> usize {
    (node + 1) % NODES
}

/// The parents of all blocks there ever were.
type Parents = Rc<RefCell<HashMap<B256, B256>>>;

/// A sequencer: the real view, fence and claim, and around them what the task does with a chain of numbers.
struct SimNode {
    own: usize,
    /// Its clock is so far ahead.
    ahead: u64,
    lag: u64,
    sees_l1: bool,
    /// Its L1 node is as far as L1 was then; another one after a restart can be further behind.
    seen_at: u64,
    stalled_until: u64,
    pushed: bool,
    asking: watch::Sender<NamedKey>,
    view: KeyView,
    fence: Fence,
    reported: Vec<L1Block>,
    target: Rc<Vec<L1Block>>,
    lead: Lead,
    heard: Option<Predecessor>,
    head: Head,
    /// Whether it waits for its stand-in, and with which block.
    stands_by: bool,
    offer: Option<Offer>,
    parents: Parents,
    said: Vec<Said>,
    /// How much of what each other node said was heard.
    read: [usize; NODES],
}

fn named_at(blocks: &[L1Block]) -> Address {
    let named = |log: &Log| match decode_config_update(&log.data) {
        Ok(ConfigUpdate::UnsafeBlockSigner(key)) => Some(key),
        _ => None,
    };
    let update = blocks.iter().rev().find_map(|block| block.config_updates.last().and_then(named));
    update.unwrap_or(key(0))
}

impl SimNode {
    fn new(
        own: usize,
        ahead: u64,
        l1: &Rc<Vec<L1Block>>,
        stands_by: bool,
        parents: Parents,
    ) -> Self {
        let (asking, view) = asked_at(&l1[0], 0);
        Self {
            own,
            ahead,
            lag: 0,
            sees_l1: true,
            seen_at: 0,
            stalled_until: 0,
            pushed: false,
            asking,
            view,
            fence: Fence::new(key(own), TIMES, 0, 0),
            reported: Vec::new(),
            target: Rc::clone(l1),
            lead: Lead::default(),
            heard: None,
            head: Head { at: BlockNumHash::default(), origin: 0, term: 0 },
            stands_by,
            offer: None,
            parents,
            said: Vec::new(),
            read: [0; NODES],
        }
    }

    fn clock(&self, now: u64) -> Duration {
        at(now + self.ahead)
    }

    /// The process ends and begins again, with what it has on disk.
    fn restart(&mut self) {
        let newest = self.target.last().unwrap();
        let named = NamedKey { block: id(newest), key: named_at(&self.target) };
        let (asking, asked) = watch::channel(named);
        (self.asking, self.view) = (asking, KeyView::new(asked));
        self.fence = Fence::new(key(self.own), TIMES, 0, self.head.origin);
        self.reported.clear();
        self.heard = None;
    }

    fn ask(&self) {
        let newest = self.target.last().unwrap();
        self.asking.send_replace(NamedKey { block: id(newest), key: named_at(&self.target) });
    }

    fn hear_l1(&mut self) {
        let target = Rc::clone(&self.target);
        let stands = |block: &L1Block| {
            target.get(block.number as usize).is_some_and(|now| now.hash == block.hash)
        };
        let before = self.reported.len();
        while self.reported.last().is_some_and(|last| !stands(last)) {
            self.reported.pop();
        }
        if self.reported.len() < before {
            match self.reported.last() {
                Some(last) => self.view.hear(&L1Event::Reorg { common: last.block_ref() }),
                None => {
                    let from = self.head.origin.min(target.len() as u64 - 1);
                    self.view.hear(&L1Event::Reorg { common: target[from as usize].block_ref() });
                }
            }
            self.fence.look(&self.view);
        }
        let next = self.reported.last().map_or(self.head.origin, |last| last.number + 1);
        for block in target.iter().skip(next as usize) {
            self.view.hear(&L1Event::Block(Arc::new(block.clone())));
            self.fence.look(&self.view);
            self.reported.push(block.clone());
        }
    }

    fn say(&mut self, time: u64, word: Word) {
        self.said.push(Said { time, term: self.lead.term, word });
    }

    /// Builds and says one block, as long as the lease holds: whether it did. With a stand-in, it says the one that it
    /// acknowledged, or builds the next one for it.
    fn publish(&mut self, now: u64) -> bool {
        if !self.lead.active || !self.fence.lease().holds_at(self.clock(now)) {
            return false;
        }
        match self.offer {
            Some(offer) if offer.acknowledged => {
                self.offer = None;
                self.say(now, offer.word());
                true
            }
            Some(_) => false,
            None => {
                let offer = self.build(now);
                if self.stands_by {
                    self.offer = Some(offer);
                    return false;
                }
                self.say(now, offer.word());
                true
            }
        }
    }

    fn build(&mut self, now: u64) -> Offer {
        let before = self.head;
        let Head { at, origin, .. } = before;
        let newest = self.view.newest().map_or(origin, |newest| newest.number);
        let origin = newest.min(origin + 1).max(origin);
        let seed = [at.hash.as_slice(), &[self.own as u8], &now.to_be_bytes()].concat();
        let parent = at.hash;
        let at = BlockNumHash { number: at.number + 1, hash: keccak256(seed) };
        self.parents.borrow_mut().insert(at.hash, parent);
        self.head = Head { at, origin, term: self.lead.term };
        Offer { at, parent, origin, before, heard: None, acknowledged: false }
    }

    /// Takes back what the stand-in did not acknowledge; gives what it did and was not said.
    fn take_back(&mut self) -> Option<Offer> {
        let offer = self.offer.take()?;
        if !offer.acknowledged {
            self.head = offer.before;
        }
        Some(offer).filter(|offer| offer.acknowledged)
    }

    fn resign(&mut self, now: u64) {
        let unsaid = self.take_back();
        let last = self.head.at;
        if self.fence.lease().holds_at(self.clock(now)) {
            if let Some(offer) = unsaid {
                self.say(now, offer.word());
            }
            self.say(now, Word::Resigned(last));
        }
        (self.lead.active, self.lead.resigned) = (false, Some(last));
    }

    /// Is offered what this one built, and acknowledges it in a later second.
    fn stand_by(&mut self, leader: &mut Self, now: u64) {
        let term = leader.lead.term;
        let Some(offer) = &mut leader.offer else { return };
        if offer.parent == self.head.at.hash && !self.lead.active {
            self.hear(Said { time: now, term, word: offer.word() }, key(leader.own), now);
        }
        if self.head.at == offer.at && !self.lead.active {
            let heard = *offer.heard.get_or_insert(now);
            offer.acknowledged |= heard < now;
        }
    }

    /// Whether a block is of its chain.
    fn has(&self, block: BlockNumHash) -> bool {
        let parents = self.parents.borrow();
        let mut at = self.head.at;
        while at.number > block.number {
            let Some(parent) = parents.get(&at.hash) else { return false };
            at = BlockNumHash { number: at.number - 1, hash: *parent };
        }
        at == block
    }

    /// Hears what another one said; `false` if that key is not listened to.
    fn hear(&mut self, said: Said, signer: Address, now: u64) -> bool {
        if self.fence.listens_to(&self.view, &self.lead, self.clock(now)) != signer {
            return false;
        }
        if said.term < self.lead.seen || self.lead.active && said.term <= self.lead.term {
            return true;
        }
        if self.lead.active {
            self.take_back();
            (self.lead.active, self.lead.resigned) = (false, None);
        }
        (self.lead.seen, self.lead.signer) = (said.term, Some(signer));
        let mut resigned = None;
        match said.word {
            Word::Resigned(last) => resigned = Some(last),
            Word::Block { at, parent, origin } => {
                if parent == self.head.at.hash || said.term > self.head.term {
                    self.head = Head { at, origin, term: said.term };
                }
            }
        }
        let silent = Duration::from_secs(60);
        self.heard = Some(Predecessor { term: said.term, silent, resigned, signer });
        true
    }

    fn start(&mut self, rollup: &RollupConfig, now: u64, overridden: bool) -> Option<Claim> {
        if self.lead.active {
            return None;
        }
        let claim =
            match claim(rollup, &self.lead, self.heard, true, self.head.at, |at| self.has(at)) {
                Ok(claim) => claim,
                Err(_) if overridden => own_claim(&self.lead),
                Err(_) => return None,
            };
        let clock = self.clock(now);
        let resigned = resigned_at(rollup, &self.lead);
        let number = self.fence.may_begin(&self.view, &self.lead, claim, resigned, clock).ok()?;
        let term = (self.lead.seen.max(self.lead.term) + 1).max(number + 1);
        self.lead = Lead { term, seen: term, active: true, resigned: None, signer: None };
        self.fence.begun(number);
        self.heard = None;
        Some(claim)
    }
}

/// What came of a play.
#[derive(Clone, Copy, Debug, Default)]
struct Outcome {
    blocks: usize,
    by_wait: usize,
    by_resignation: usize,
    back: usize,
    /// Numbers of which two blocks were published.
    twice: usize,
}

fn rollup() -> RollupConfig {
    RollupConfig {
        genesis: primitives::RollupGenesis {
            l1: BlockNumHash::default(),
            l2: BlockNumHash::default(),
            l2_time: START,
            system_config: primitives::SystemConfig::default(),
        },
        block_time: 1,
        max_sequencer_drift: TIMES.lease.as_secs(),
        seq_window_size: 100,
        channel_timeout: 100,
        l1_chain_id: 1,
        l2_chain_id: 2,
        batch_inbox_address: Address::ZERO,
        deposit_contract_address: Address::ZERO,
        l1_system_config_address: Address::ZERO,
    }
}

/// Plays `seconds`; panics when two publish at once, or an earlier one after a later one has begun.
fn play(seconds: u64, ahead: [u64; NODES], l1_late: u64, deeds: &[(u64, Deed)]) -> Outcome {
    play_with(false, seconds, ahead, l1_late, deeds)
}

/// The same where each node waits for its stand-in to acknowledge each block, if `stands_by`. Operators override with
/// the stand-in of whoever published last, then.
fn play_with(
    stands_by: bool,
    seconds: u64,
    ahead: [u64; NODES],
    l1_late: u64,
    deeds: &[(u64, Deed)],
) -> Outcome {
    let rollup = rollup();
    let parents = Parents::default();
    let mut first: HashMap<u64, B256> = HashMap::new();
    let mut outcome = Outcome::default();
    let stamp = |now: u64| START + now - l1_late.min(now);
    let mut l1 = Rc::new(vec![above(None, 0, START, None)]);
    let mut past: VecDeque<Rc<Vec<L1Block>>> = VecDeque::from([Rc::clone(&l1)]);
    let mut salt = 0;
    let mut waiting: Vec<Address> = Vec::new();
    let mut nodes: Vec<SimNode> = (0..NODES)
        .map(|own| SimNode::new(own, ahead[own], &l1, stands_by, Rc::clone(&parents)))
        .collect();
    nodes[0].pushed = true;
    let mut cut = [[false; NODES]; NODES];
    let mut newest_term = (0, 0);
    let mut told = [0; NODES];
    let mut deeds = deeds.to_vec();
    deeds.sort_by_key(|(time, _)| *time);
    let mut deeds = VecDeque::from(deeds);
    for now in 1..seconds {
        while let Some((_, deed)) = deeds.pop_front_if(|(time, _)| *time <= now) {
            match deed {
                Deed::Name(node) => waiting.push(key(node)),
                Deed::Stop(node) if nodes[node].lead.active => nodes[node].resign(now),
                Deed::Stop(_) => {}
                Deed::Push(node, on) => nodes[node].pushed = on,
                Deed::Restart(node) => {
                    let node = &mut nodes[node];
                    if node.sees_l1 {
                        node.seen_at = now.saturating_sub(node.lag).max(1);
                        let lag = (now - node.seen_at) as usize;
                        node.target = Rc::clone(past.get(lag).unwrap_or(&past[0]));
                    }
                    node.restart();
                }
                Deed::CutL1(node, is_cut) => nodes[node].sees_l1 = !is_cut,
                Deed::CutLine(a, b, is_cut) => (cut[a][b], cut[b][a]) = (is_cut, is_cut),
                Deed::Stall(node, time) => nodes[node].stalled_until = now + time,
                Deed::Lag(node, time) => nodes[node].lag = time,
                Deed::Ask(node) => nodes[node].ask(),
                Deed::Reorganise(depth, keeps) => {
                    salt += 1;
                    let mut blocks = l1.as_ref().clone();
                    let depth = depth.min(blocks.len() - 1);
                    let left = blocks.split_off(blocks.len() - depth);
                    for block in left {
                        let names =
                            block.config_updates.first().map(|_| named_at(&[block.clone()]));
                        let names = names.filter(|_| keeps);
                        let next = above(blocks.last(), salt, block.timestamp, names);
                        blocks.push(next);
                    }
                    l1 = Rc::new(blocks);
                }
            }
        }
        if now % SLOT == 0 && stamp(now) > l1.last().unwrap().timestamp {
            let mut blocks = l1.as_ref().clone();
            let names = (!waiting.is_empty()).then(|| waiting.remove(0));
            blocks.push(above(blocks.last(), salt, stamp(now), names));
            l1 = Rc::new(blocks);
        }
        past.push_front(Rc::clone(&l1));
        past.truncate(64);

        let mut published = None;
        for turn in 0..NODES {
            let (before, rest) = nodes.split_at_mut(turn);
            let Some((node, after)) = rest.split_first_mut() else { continue };
            if node.stalled_until > now {
                continue;
            }
            // Its publisher is faster than the task that hears of L1.
            if node.publish(now) {
                outcome.blocks += 1;
                assert_eq!(published.replace(turn), None, "two publish at second {now}");
                let (term, holder) = newest_term;
                let lead = node.lead;
                assert!(
                    lead.term > term || lead.term == term && holder == turn,
                    "second {now}: {turn} publishes in term {}, {holder} did in {term}",
                    lead.term
                );
                newest_term = (lead.term, turn);
            }
            for said in &node.said[told[turn]..] {
                if let Word::Block { at, .. } = said.word {
                    let same = *first.entry(at.number).or_insert(at.hash) == at.hash;
                    outcome.twice += usize::from(!same);
                }
            }
            told[turn] = node.said.len();
            if node.sees_l1 {
                node.seen_at = node.seen_at.max(now.saturating_sub(node.lag));
                let lag = ((now - node.seen_at) as usize).min(past.len() - 1);
                node.target = Rc::clone(&past[lag]);
            }
            node.hear_l1();
            if now % 12 == turn as u64 {
                node.ask();
                node.view.settle();
                node.fence.look(&node.view);
            }
            if node.lead.active && node.fence.replaced().is_some() {
                node.resign(now);
            }
            for (other, speaker) in before.iter().chain(after.iter()).map(|n| (n.own, n)) {
                while !cut[turn][other]
                    && let Some(said) = speaker.said.get(node.read[other])
                    && said.time + node.lag / 4 <= now
                    && node.hear(*said, key(other), now)
                {
                    node.read[other] += 1;
                }
            }
            for leader in before.iter_mut().chain(after.iter_mut()) {
                if stand_in_of(leader.own) == turn
                    && !cut[turn][leader.own]
                    && leader.stalled_until <= now
                {
                    node.stand_by(leader, now);
                }
            }
            let (term, holder) = newest_term;
            let overrides =
                !stands_by || term == 0 || holder == turn || stand_in_of(holder) == turn;
            if node.pushed
                && let Some(claim) = node.start(&rollup, now, overrides)
            {
                match claim {
                    Claim::Resigned { .. } => outcome.by_resignation += 1,
                    Claim::Own => outcome.back += 1,
                    Claim::None => outcome.by_wait += 1,
                }
            }
        }
    }
    outcome
}

#[test]
fn a_cut_sequencer_stops_before_its_stand_in_begins() {
    // Both lines of the leader are cut; it goes on until its lease is over.
    let deeds = [
        (20, Deed::CutL1(0, true)),
        (20, Deed::CutLine(0, 1, true)),
        (22, Deed::Name(1)),
        (22, Deed::Push(1, true)),
    ];
    let outcome = play(200, [3, 0, 0], 0, &deeds);
    assert_eq!((outcome.by_wait, outcome.by_resignation), (2, 0), "{outcome:?}");
    // 47 s of the one, and all but the wait of the other.
    assert!(outcome.blocks > 47 + 100, "{outcome:?}");
    // What it published alone is replaced.
    assert!(outcome.twice > 20, "{outcome:?}");
    // With a stand-in that acknowledges each block it publishes nothing alone.
    let outcome = play_with(true, 200, [3, 0, 0], 0, &deeds);
    assert_eq!((outcome.by_wait, outcome.by_resignation), (2, 0), "{outcome:?}");
    assert_eq!(outcome.twice, 0);
    assert!((20..100).contains(&outcome.blocks), "{outcome:?}");

    // It hears L1: its word reaches the stand-in, which waits for a branch's time only.
    let deeds = [(22, Deed::Name(1)), (22, Deed::Push(1, true))];
    let outcome = play(200, [0, 3, 0], 1, &deeds);
    assert_eq!((outcome.by_wait, outcome.by_resignation), (1, 1), "{outcome:?}");
    assert!(outcome.blocks > 180, "{outcome:?}");

    // Nothing is ever gained by naming one that nobody starts.
    let outcome = play(200, [0; NODES], 0, &[(22, Deed::Name(1))]);
    assert!(outcome.blocks < 30, "{outcome:?}");
}

/// Mutations of the rules are found: without one of the times two publish at once.
#[test]
fn the_play_finds_two_that_publish_at_once() {
    let found = std::panic::catch_unwind(|| {
        let deeds = [
            (20, Deed::CutL1(0, true)),
            (20, Deed::CutLine(0, 1, true)),
            (22, Deed::Name(1)),
            (22, Deed::Push(1, true)),
        ];
        // A clock that is further off than is assumed.
        play(200, [0, 25, 0], 0, &deeds)
    });
    assert!(found.is_err());
}

/// Whatever is cut, delayed, stalled, restarted, named, reorganised and started: no two publish at once, and none after
/// another has begun in its stead.
#[test]
fn two_never_publish_at_once() {
    let plays = (
        prop::array::uniform3(0..4_u64),
        0..6_u64,
        prop::collection::vec((1..1_400_u64, deed()), 0..80),
    );
    let all = RefCell::new(Outcome::default());
    let mut runner = TestRunner::default();
    runner
        .run(&plays, |(ahead, l1_late, deeds)| {
            let outcome = play(1_500, ahead, l1_late, &deeds);
            let mut all = all.borrow_mut();
            all.by_wait += outcome.by_wait;
            all.by_resignation += outcome.by_resignation;
            all.back += outcome.back;
            Ok(())
        })
        .unwrap();
    // Of each kind there was enough to be found out.
    let (all, plays) = (all.into_inner(), runner.config().cases as usize);
    println!("{plays} plays: {all:?}");
    assert!(all.by_wait > plays && all.by_resignation > plays / 4 && all.back > plays / 16);
}

/// With stand-ins that acknowledge each block no number is ever published with two blocks, whatever is cut, delayed,
/// stalled, restarted, named, reorganised and started; and without them some are, in the same plays.
#[test]
fn no_number_is_published_twice_with_a_stand_in() {
    let plays = (
        prop::array::uniform3(0..4_u64),
        0..6_u64,
        prop::collection::vec((1..1_400_u64, deed()), 0..80),
    );
    let (all, twice) = (RefCell::new(Outcome::default()), RefCell::new(0));
    // Each is played twice.
    let config = ProptestConfig::default();
    let mut runner = TestRunner::new(ProptestConfig { cases: config.cases / 2, ..config });
    runner
        .run(&plays, |(ahead, l1_late, deeds)| {
            let outcome = play_with(true, 1_500, ahead, l1_late, &deeds);
            prop_assert_eq!(outcome.twice, 0);
            let mut all = all.borrow_mut();
            all.blocks += outcome.blocks;
            all.by_wait += outcome.by_wait;
            all.by_resignation += outcome.by_resignation;
            all.back += outcome.back;
            let alone = play(1_500, ahead, l1_late, &deeds);
            *twice.borrow_mut() += usize::from(alone.twice > 0);
            Ok(())
        })
        .unwrap();
    let (all, twice, plays) =
        (all.into_inner(), twice.into_inner(), runner.config().cases as usize);
    println!("{plays} plays: {all:?}; without a stand-in {twice} of them publish a number twice");
    assert!(all.by_wait > plays / 2 && all.by_resignation > plays / 8 && all.blocks > plays * 50);
    assert!(twice > plays / 16, "{twice}");
}

#[test]
fn a_stand_in_may_begin_above_the_block_that_was_resigned_with() {
    let block = |number| BlockNumHash { number, hash: B256::repeat_byte(number as u8) };
    let rollup = rollup();
    let lead = Lead { seen: 3, signer: Some(key(0)), ..Lead::default() };
    let silent = Duration::from_secs(60);
    let heard = Predecessor { term: 3, silent, resigned: Some(block(7)), signer: key(0) };
    let on = |head: u64, has: bool| claim(&rollup, &lead, Some(heard), true, block(head), |_| has);
    let resigned = Ok(Claim::Resigned { signer: key(0), last: rollup.block_timestamp(7) });
    assert_eq!(on(7, false), resigned);
    assert_eq!(on(8, true), resigned);
    // Of another chain, or not far enough.
    for (head, has) in [(8, false), (6, true), (6, false)] {
        let (term, resigned, head_is) = (3, block(7), block(head));
        let expected = ControlError::OtherLast { term, resigned, head: head_is };
        assert_eq!(on(head, has), Err(expected));
    }
}
