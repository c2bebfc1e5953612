//! The Engine API's meaning (execution-apis, `src/engine`): a consensus client gives payloads, says which
//! block is the head, and asks for new payloads.
//!
//! A payload on the head is executed when it comes and kept aside until it is made the head. One on
//! another known block is kept unexecuted (ACCEPTED) until fork choice wants it: then the chain goes back
//! to the common ancestor, and if a block of the new branch is bad, the old branch is put back. Calls
//! that change anything are answered one after another.
//!
//! The HTTP side is `rpc::engine`.

mod job;
mod reads;

use std::{collections::VecDeque, sync::Arc};

use alloy_eips::BlockNumHash;
use alloy_primitives::{B256, map::B256Map};
use alloy_rpc_types_engine::{ForkchoiceState, PayloadId, PayloadStatus, PayloadStatusEnum};
use parking_lot::Mutex;
use primitives::Block;
use stf::{BlockError, ExecutedBlock};
use store::StoreError;

use crate::{
    chain::{Chain, SealedBlock},
    error::UnwindError,
    ethereum::payload::{self, Attributes, Built, Candidates},
    pool::{BlobRules, Pool},
    reorg,
};

/// Blocks kept that are not part of the chain.
const ASIDE_MAX: usize = 256;
/// Hashes of bad blocks kept.
const BAD_MAX: usize = 1_024;
/// Payloads being built, kept for who asked.
const JOBS_MAX: usize = 16;

/// What a consensus client talks to.
#[derive(Debug)]
pub struct Engine {
    chain: Arc<Chain>,
    pool: Arc<Pool>,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    aside: Aside,
    /// Bad blocks with the last good one before each.
    bad: Bounded<B256>,
    jobs: VecDeque<job::Job>,
}

/// Blocks that are not part of the chain.
type Aside = Bounded<Arc<AsideBlock>>;

#[derive(Debug)]
struct AsideBlock {
    block: Block,
    /// If it was executed on its parent already.
    executed: Option<ExecutedBlock>,
}

/// A map that forgets what came first.
#[derive(Debug)]
struct Bounded<T> {
    entries: B256Map<T>,
    order: VecDeque<B256>,
}

impl<T> Default for Bounded<T> {
    fn default() -> Self {
        Self { entries: B256Map::default(), order: VecDeque::new() }
    }
}

impl<T> Bounded<T> {
    fn put(&mut self, max: usize, key: B256, value: T) {
        if self.entries.insert(key, value).is_none() {
            self.order.push_back(key);
        }
        while self.entries.len() > max
            && let Some(first) = self.order.pop_front()
        {
            self.entries.remove(&first);
        }
    }

    fn remove(&mut self, key: &B256) {
        if self.entries.remove(key).is_some() {
            self.order.retain(|kept| kept != key);
        }
    }
}

/// Why a call has no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EngineError {
    #[error("Invalid forkchoice state")]
    ForkchoiceState,
    #[error("Invalid payload attributes: {0}")]
    Attributes(&'static str),
    #[error("Unknown payload")]
    UnknownPayload,
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Reorg(#[from] UnwindError),
    #[error("a block could not be executed for a reason that is not in it")]
    Execution(#[source] BlockError),
}

/// What a block turned out to be.
enum Verdict {
    Good(Box<ExecutedBlock>),
    Bad(BlockError),
}

impl Engine {
    pub(crate) fn new(chain: Arc<Chain>, pool: Arc<Pool>) -> Self {
        Self { chain, pool, inner: Mutex::default() }
    }

    pub(crate) const fn chain(&self) -> &Arc<Chain> {
        &self.chain
    }

    /// `newPayload`, of a block whose hash is what its header gives.
    pub(crate) fn new_payload(&self, block: Block) -> Result<PayloadStatus, EngineError> {
        let mut inner = self.inner.lock();
        let (hash, parent) = (block.hash, block.header.parent_hash);
        if self.chain.number_of(&hash)?.is_some() {
            return Ok(valid(hash));
        }
        if let Some(known) = inner.aside.entries.get(&hash) {
            let executed = known.executed.is_some();
            return Ok(if executed { valid(hash) } else { accepted() });
        }
        if let Some(last_good) = inner.bad.entries.get(&hash).or(inner.bad.entries.get(&parent)) {
            let last_good = *last_good;
            inner.bad.put(BAD_MAX, hash, last_good);
            return Ok(invalid("links to a rejected block", Some(last_good)));
        }
        let head = self.chain.heads().unsafe_head;
        if parent != head.hash {
            let parent_known = inner.aside.entries.contains_key(&parent)
                || self.chain.number_of(&parent)?.is_some();
            if !parent_known {
                return Ok(PayloadStatus::from_status(PayloadStatusEnum::Syncing));
            }
            let aside = AsideBlock { block, executed: None };
            inner.aside.put(ASIDE_MAX, hash, Arc::new(aside));
            return Ok(accepted());
        }
        match self.execute(&block)? {
            Verdict::Good(executed) => {
                let aside = AsideBlock { block, executed: Some(*executed) };
                inner.aside.put(ASIDE_MAX, hash, Arc::new(aside));
                Ok(valid(hash))
            }
            Verdict::Bad(reason) => {
                inner.bad.put(BAD_MAX, hash, parent);
                Ok(invalid(&reason, Some(parent)))
            }
        }
    }

    /// The last good block for an answer about a payload that is not even a block.
    pub(crate) fn last_good(&self, parent: B256) -> Result<Option<B256>, EngineError> {
        Ok(self.chain.number_of(&parent)?.map(|_| parent))
    }

    /// `forkchoiceUpdated` without attributes: moves the heads.
    pub(crate) fn set_forkchoice(
        &self,
        state: &ForkchoiceState,
    ) -> Result<PayloadStatus, EngineError> {
        let mut inner = self.inner.lock();
        let target = state.head_block_hash;
        if target.is_zero() {
            return Err(EngineError::ForkchoiceState);
        }
        if let Some(last_good) = inner.bad.entries.get(&target) {
            return Ok(invalid("links to a rejected block", Some(*last_good)));
        }
        let Some((ancestor, branch)) = self.branch_to(&inner.aside, target)? else {
            return Ok(PayloadStatus::from_status(PayloadStatusEnum::Syncing));
        };
        let named = |hash: B256| -> Result<Option<BlockNumHash>, EngineError> {
            if hash.is_zero() {
                return Ok(None);
            }
            if let Some(aside) = branch.iter().find(|aside| aside.block.hash == hash) {
                return Ok(Some(aside.block.id()));
            }
            let number = self.chain.number_of(&hash)?.filter(|number| *number <= ancestor);
            let number = number.ok_or(EngineError::ForkchoiceState)?;
            Ok(Some(BlockNumHash { number, hash }))
        };
        let safe = named(state.safe_block_hash)?;
        let finalized = named(state.finalized_block_hash)?;
        // What is final does not go.
        if ancestor < self.chain.heads().finalized.number {
            return Err(EngineError::ForkchoiceState);
        }
        if let Some(status) = self.switch(&mut inner, ancestor, &branch)? {
            return Ok(status);
        }
        let heads = self.chain.heads();
        self.chain.set_safe(safe.unwrap_or(heads.safe), finalized.unwrap_or(heads.finalized))?;
        Ok(valid(target))
    }

    /// Number of the chain's block where a branch leaves it, and the branch up to `target`, oldest first;
    /// `None` if a block of it is not known.
    fn branch_to(
        &self,
        aside: &Aside,
        target: B256,
    ) -> Result<Option<(u64, Vec<Arc<AsideBlock>>)>, EngineError> {
        let mut branch = Vec::new();
        let mut at = target;
        loop {
            if let Some(number) = self.chain.number_of(&at)? {
                branch.reverse();
                return Ok(Some((number, branch)));
            }
            let Some(block) = aside.entries.get(&at) else { return Ok(None) };
            at = block.block.header.parent_hash;
            branch.push(Arc::clone(block));
        }
    }

    /// Goes back to `ancestor` and on along the branch. Says what is wrong if a block of it is bad; the
    /// chain is then what it was.
    fn switch(
        &self,
        inner: &mut Inner,
        ancestor: u64,
        branch: &[Arc<AsideBlock>],
    ) -> Result<Option<PayloadStatus>, EngineError> {
        let before = self.go_back(inner, ancestor)?;
        for (index, aside) in branch.iter().enumerate() {
            match self.advance(aside)? {
                None => inner.aside.remove(&aside.block.hash),
                Some(reason) => {
                    let last_good = aside.block.header.parent_hash;
                    for bad in &branch[index..] {
                        inner.aside.remove(&bad.block.hash);
                        inner.bad.put(BAD_MAX, bad.block.hash, last_good);
                    }
                    self.go_back(inner, ancestor)?;
                    for block in before.iter().rev() {
                        let aside = AsideBlock { block: block.block().clone(), executed: None };
                        if let Some(reason) = self.advance(&aside)? {
                            return Err(EngineError::Execution(reason));
                        }
                        inner.aside.remove(&block.hash());
                    }
                    return Ok(Some(invalid(&reason, Some(last_good))));
                }
            }
        }
        Ok(None)
    }

    /// Takes the blocks above `number` away and keeps them aside. Gives them, newest first.
    fn go_back(
        &self,
        inner: &mut Inner,
        number: u64,
    ) -> Result<Vec<Arc<SealedBlock>>, EngineError> {
        let head = self.chain.heads().unsafe_head.number;
        if number >= head {
            return Ok(Vec::new());
        }
        let dropped = (number + 1..=head)
            .rev()
            .map(|number| self.chain.block(number)?.ok_or(StoreError::MissingBlock(number)))
            .collect::<Result<Vec<_>, _>>()?;
        reorg::unwind(&self.chain, &self.pool, number)?;
        for block in &dropped {
            let aside = AsideBlock { block: block.block().clone(), executed: None };
            inner.aside.put(ASIDE_MAX, block.hash(), Arc::new(aside));
        }
        Ok(dropped)
    }

    /// Puts a block on the head, unless it is bad.
    fn advance(&self, aside: &AsideBlock) -> Result<Option<BlockError>, EngineError> {
        let executed = match &aside.executed {
            Some(executed) => executed.clone(),
            None => match self.execute(&aside.block)? {
                Verdict::Good(executed) => *executed,
                Verdict::Bad(reason) => return Ok(Some(reason)),
            },
        };
        let (sealed, changed) = self.chain.commit(executed)?;
        self.pool.on_block(self.chain.pool_head_of(&sealed), changed);
        let rules = BlobRules::at(self.chain.spec(), sealed.header().timestamp);
        self.pool.set_blob_rules(rules);
        self.chain.announce(sealed);
        Ok(None)
    }

    /// Executes a block on the head, whose child it is.
    fn execute(&self, block: &Block) -> Result<Verdict, EngineError> {
        let spec = self.chain.spec();
        let number = block.header.number;
        // SOUNDNESS: proof of work is not checked; a consensus client has no say before the merge.
        if !spec.as_ethereum().is_some_and(|rules| rules.is_merged(number)) {
            return Ok(Verdict::Bad(BlockError::BeforeMerge(number)));
        }
        let store = self.chain.store();
        let head = self.chain.head()?;
        let fork = spec.spec_id(number, block.header.timestamp);
        let senders: Option<Vec<_>> = {
            use rayon::prelude::*;
            let transactions = block.body.transactions.par_iter();
            transactions.map(|transaction| stf::signer(transaction, fork)).collect()
        };
        let executed = stf::execute_ethereum_block(
            spec,
            head.header(),
            block,
            // Without all of them execution says which one is missing.
            senders.as_deref(),
            store.latest_state()?,
            &store.head_roots()?,
        );
        match executed {
            Ok(executed) => Ok(Verdict::Good(Box::new(executed))),
            Err(error @ (BlockError::State(_) | BlockError::Trie(_))) => {
                Err(EngineError::Execution(error))
            }
            Err(error) => Ok(Verdict::Bad(error)),
        }
    }

    /// Begins a payload on the head. The block is made when it is asked for.
    pub(crate) fn begin_payload(&self, attributes: Attributes) -> Result<PayloadId, EngineError> {
        let head = self.chain.head()?;
        if attributes.timestamp <= head.header().timestamp {
            return Err(EngineError::Attributes("the timestamp is not above the head's"));
        }
        let job = job::Job::new(head.hash(), attributes);
        let id = job.id;
        let mut inner = self.inner.lock();
        if inner.jobs.iter().all(|known| known.id != id) {
            inner.jobs.push_back(job);
            if inner.jobs.len() > JOBS_MAX {
                inner.jobs.pop_front();
            }
        }
        Ok(id)
    }

    /// `getPayload`: the block, made of what the pool has when it is first asked for.
    pub(crate) fn payload(&self, id: PayloadId) -> Result<Arc<Built>, EngineError> {
        let mut inner = self.inner.lock();
        let job = inner.jobs.iter_mut().find(|job| job.id == id);
        let job = job.ok_or(EngineError::UnknownPayload)?;
        if let Some(built) = &job.built {
            return Ok(Arc::clone(built));
        }
        let head = self.chain.head()?;
        if head.hash() != job.parent {
            return Err(EngineError::UnknownPayload);
        }
        let candidates = Candidates::Best(self.pool.best());
        let built = payload::build(&self.chain, candidates, &head, &job.attributes)
            .map_err(EngineError::Execution)?;
        Ok(Arc::clone(job.built.insert(Arc::new(built))))
    }
}

pub(crate) const fn valid(hash: B256) -> PayloadStatus {
    PayloadStatus::new(PayloadStatusEnum::Valid, Some(hash))
}

pub(crate) fn invalid(reason: impl ToString, last_good: Option<B256>) -> PayloadStatus {
    let validation_error = reason.to_string();
    PayloadStatus::new(PayloadStatusEnum::Invalid { validation_error }, last_good)
}

const fn accepted() -> PayloadStatus {
    PayloadStatus::from_status(PayloadStatusEnum::Accepted)
}
