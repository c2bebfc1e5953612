//! The sequencer's next block while it is open: executes transactions as they come and tells of them
//! at once. Lives on the sequencer's thread.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use alloy_primitives::{
    Address,
    map::{AddressMap, AddressSet, B256Set},
};
use primitives::{Header, PayloadAttributes, Recovered, TxEnvelope};
use stf::{BlockBuilder, ExecutedBlock, HashMany, TxRejection};

use crate::{
    ahead::Ahead,
    chain::{Chain, SealedBlock},
    error::SequencerError,
    fees::L1Fees,
    pending::{Pending, PendingBlock},
    pool::{Conditions, Pool, PoolTransaction, Unmet},
    queue::Queue,
    senders,
};

/// Gas below which no transaction fits.
const GAS_MIN: u64 = 21_000;
/// A backlog is executed in parts of this time, so that its results are told soon and the rest of the
/// sequencer's work is not kept waiting.
const PART: Duration = Duration::from_millis(2);
/// Transactions in one part, at most: what one publication holds the lock for.
const PART_TRANSACTIONS: usize = 256;

/// Bounds of the estimated compressed size, bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DaMax {
    /// Of a block's transactions together.
    pub(crate) block: u64,
    /// Of each.
    pub(crate) transaction: u64,
}

impl DaMax {
    /// In millionths of a byte, as estimates come.
    const fn scaled(self) -> Self {
        Self {
            block: self.block.saturating_mul(1_000_000),
            transaction: self.transaction.saturating_mul(1_000_000),
        }
    }
}

/// A block that takes transactions.
pub(crate) struct OpenBlock {
    builder: BlockBuilder<store::StateView>,
    ahead: Ahead,
    pending: Arc<PendingBlock>,
    queue: Queue,
    /// Transactions told of.
    published: usize,
    included: B256Set,
    /// Executable only after others of their sender, which have not arrived.
    waiting: AddressMap<BTreeMap<u64, Arc<PoolTransaction>>>,
    /// Senders with a transaction that does not fit: their later ones cannot enter either.
    skipped: AddressSet,
    /// Deposits, which no pool transaction is among.
    opening: usize,
    da_scaled: u64,
    da_scaled_max: DaMax,
    /// Whether pool transactions may enter.
    takes: bool,
}

impl OpenBlock {
    /// Opens the block after the head and publishes it.
    pub(crate) fn open(
        chain: &Chain,
        parent: &SealedBlock,
        attributes: &PayloadAttributes,
        da_max: DaMax,
    ) -> Result<Self, SequencerError> {
        let view = chain.store().state_at(parent.number())?;
        let transactions = senders::decode_all(&attributes.transactions)?;
        let hash_many = Some(store::keccak::hash_many as HashMany);
        let builder = BlockBuilder::open(
            chain.spec(),
            parent.header(),
            attributes,
            transactions,
            view.clone(),
            hash_many,
        )?;
        let fees = builder
            .transactions()
            .first()
            .and_then(|first| L1Fees::from_attributes(alloy_consensus::Transaction::input(first)))
            .unwrap_or_default();
        let header = builder.header().clone();
        let base_fee = header.base_fee_per_gas.unwrap_or_default();
        let mut open = Self {
            opening: builder.len(),
            builder,
            ahead: Ahead::new(chain.store().head_roots()?, view.clone()),
            pending: Arc::new(PendingBlock::new(header, fees, view)),
            queue: Queue::new(base_fee),
            published: 0,
            included: B256Set::default(),
            waiting: AddressMap::default(),
            skipped: AddressSet::default(),
            da_scaled: 0,
            da_scaled_max: da_max.scaled(),
            takes: !attributes.no_tx_pool,
        };
        open.publish(chain.pending());
        chain.pending().set_open(Some(Arc::clone(&open.pending)));
        Ok(open)
    }

    /// Opens a block that somebody else builds on the head, and publishes it.
    pub(crate) fn follow(
        chain: &Chain,
        parent: &SealedBlock,
        attributes: &PayloadAttributes,
    ) -> Result<Self, SequencerError> {
        let da_max = DaMax { block: u64::MAX, transaction: u64::MAX };
        let attributes = PayloadAttributes { no_tx_pool: true, ..attributes.clone() };
        Self::open(chain, parent, &attributes, da_max)
    }

    /// Executes what somebody else put into the block, in his order, and tells of it.
    pub(crate) fn extend(
        &mut self,
        transactions: &[Recovered<TxEnvelope>],
        pending: &Pending,
    ) -> Result<(), String> {
        for transaction in transactions {
            if let Err(rejection) = self.builder.execute(transaction) {
                return Err(rejection.to_string());
            }
        }
        self.publish(pending);
        Ok(())
    }

    /// Transactions so far, deposits included.
    pub(crate) const fn len(&self) -> usize {
        self.builder.len()
    }

    /// Whether the block was opened with this header; its roots are of no account.
    pub(crate) fn opened_as(&self, header: &Header) -> bool {
        let opened = self.pending.header();
        opened.number == header.number
            && opened.parent_hash == header.parent_hash
            && opened.timestamp == header.timestamp
            && opened.beneficiary == header.beneficiary
            && opened.mix_hash == header.mix_hash
            && opened.gas_limit == header.gas_limit
            && opened.base_fee_per_gas == header.base_fee_per_gas
            && opened.extra_data == header.extra_data
            && opened.parent_beacon_block_root == header.parent_beacon_block_root
    }

    /// Whether more transactions may enter.
    pub(crate) fn takes_more(&self) -> bool {
        self.takes && self.builder.gas_left() >= GAS_MIN
    }

    /// Whether there is something to execute.
    pub(crate) fn has_work(&self) -> bool {
        self.takes_more() && !self.queue.is_empty()
    }

    /// Pool transactions included so far.
    pub(crate) const fn included(&self) -> usize {
        self.builder.len() - self.opening
    }

    /// Takes a pool transaction into the queue.
    pub(crate) fn push(&mut self, transaction: Arc<PoolTransaction>) {
        if self.takes
            && !self.included.contains(&transaction.hash())
            && !self.skipped.contains(&transaction.sender())
        {
            self.queue.push(transaction);
        }
    }

    /// Executes a part of the queue, at most until `deadline`, and tells of it. What is invalid is
    /// removed from the pool.
    pub(crate) fn execute_part(
        &mut self,
        pool: &Pool,
        pending: &Pending,
        deadline: Instant,
    ) -> Result<(), SequencerError> {
        let end = deadline.min(Instant::now() + PART);
        for _ in 0..PART_TRANSACTIONS {
            if !self.takes_more() {
                break;
            }
            let Some(transaction) = self.queue.pop() else { break };
            if let Some(conditions) = transaction.conditions() {
                // They are compared with everything executed before.
                self.publish(pending);
                if let Err(unmet) = self.check(conditions)? {
                    tracing::debug!(hash = %transaction.hash(), %unmet, "conditions do not hold");
                    metrics::counter!("sequencer_conditions_unmet_total").increment(1);
                    pool.remove(transaction.hash());
                    continue;
                }
            }
            self.take(transaction, pool)?;
            if Instant::now() >= end {
                break;
            }
        }
        self.publish(pending);
        Ok(())
    }

    /// Whether the conditions hold after what was told.
    fn check(&self, conditions: &Conditions) -> Result<Result<(), Unmet>, SequencerError> {
        let header = self.pending.header();
        if let Err(unmet) = conditions.check_block(header.number, header.timestamp) {
            return Ok(Err(unmet));
        }
        Ok(conditions.check_storage(&self.pending.state())?)
    }

    fn take(
        &mut self,
        transaction: Arc<PoolTransaction>,
        pool: &Pool,
    ) -> Result<(), SequencerError> {
        let sender = transaction.sender();
        if self.skipped.contains(&sender) || self.included.contains(&transaction.hash()) {
            return Ok(());
        }
        let da_after = self.da_scaled.saturating_add(transaction.size_scaled());
        if transaction.gas_limit() > self.builder.gas_left()
            || transaction.size_scaled() > self.da_scaled_max.transaction
            || da_after > self.da_scaled_max.block
        {
            self.skip(sender);
            return Ok(());
        }
        match self.builder.execute_estimated(transaction.recovered(), transaction.size_scaled()) {
            Ok(_) => {
                self.da_scaled = da_after;
                self.included.insert(transaction.hash());
                // Events of the pool may come in any order.
                for next in self.waiting.remove(&sender).into_iter().flatten() {
                    self.push(next.1);
                }
            }
            Err(TxRejection::State(error)) => return Err(SequencerError::State(error)),
            Err(rejection) if rejection.is_nonce_gap() => {
                let waiting = self.waiting.entry(sender).or_default();
                waiting.insert(transaction.nonce(), transaction);
            }
            Err(rejection) if rejection.is_temporary() => self.skip(sender),
            Err(rejection) => {
                tracing::debug!(
                    hash = %transaction.hash(),
                    reason = %rejection,
                    "a pooled transaction turned out to be invalid"
                );
                metrics::counter!("sequencer_invalid_total").increment(1);
                pool.remove(transaction.hash());
            }
        }
        Ok(())
    }

    /// The sender's transactions wait for the next block.
    fn skip(&mut self, sender: Address) {
        self.queue.drop_sender(&sender);
        self.waiting.remove(&sender);
        self.skipped.insert(sender);
    }

    /// Tells of what was executed since the last time.
    fn publish(&mut self, waiters: &Pending) {
        let first = self.published;
        self.published = self.builder.len();
        if first == self.published {
            return;
        }
        let delta = self.builder.take_delta();
        self.ahead.note(&delta);
        let transactions = self.builder.transactions().get(first..).unwrap_or_default();
        let senders = self.builder.senders().iter().skip(first);
        let receipts = self.builder.receipts().iter().skip(first);
        let told = transactions.iter().zip(senders).zip(receipts);
        let told = told.map(|((transaction, sender), receipt)| (transaction, *sender, receipt));
        self.pending.publish(told, delta, self.builder.da_footprint());
        waiters.answer(&self.pending, transactions);
    }

    /// Closes the block. What comes out is what was told, or an error.
    pub(crate) fn seal(mut self, chain: &Chain) -> Result<ExecutedBlock, SequencerError> {
        self.publish(chain.pending());
        let executed = self.builder.finish(self.ahead.roots())?;
        match self.pending.broken_promise(&executed) {
            Some(what) => {
                Err(SequencerError::PromiseBroken { number: executed.block.header.number, what })
            }
            None => Ok(executed),
        }
    }
}
