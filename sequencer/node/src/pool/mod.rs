//! The transaction pool: what clients sent and no block holds yet.
//!
//! Each sender's transactions stand by nonce. The run that can be executed now (consecutive nonces
//! from the account's, covered by its balance with L1 and operator fees, within the block gas
//! limit) is *pending*, the rest is *queued*. Building takes pending transactions best-first by
//! effective tip, ties by arrival. A fee cap below the base fee is no reason to refuse, as in geth:
//! such a transaction waits until the base fee falls.
//!
//! A sender's balance must cover everything it has in the pool, pending or queued, with all fees.
//! Accounts with a delegation (EIP-7702), or with an authorisation waiting in the pool, may have one
//! transaction here: another account's call could void a whole run of theirs at once.
//!
//! The pool is bounded in transactions and bytes. When it is full the worst *last* transaction of
//! any sender goes, so a lower nonce never goes before a higher one of its sender. The pool holds
//! no state and does no I/O: callers bring an [`AccountReader`]. [`journal`] keeps it across
//! restarts, [`Pool::reinject`] takes back what dropped blocks held.

mod best;
mod blobs;
mod conditions;
pub mod journal;
mod sender;
mod transaction;

#[cfg(test)]
mod model;
#[cfg(test)]
mod spam;
#[cfg(test)]
mod tests;

use std::{collections::BTreeSet, sync::Arc, time::Instant};

use alloy_primitives::{
    Address, B256, U256,
    map::{AddressMap, B256Map, Entry as MapEntry},
};
use parking_lot::RwLock;
use primitives::{Recovered, TxEnvelope};
use tokio::sync::broadcast;

pub use best::BestTransactions;
pub use blobs::BlobRules;
pub use conditions::{Conditions, Known, KnownStorage, Unmet};
pub use transaction::PoolTransaction;

use crate::{config::PoolConfig, error::PoolError, fees::L1Fees, senders};
use sender::{Entry, EvictionRank, Sender};
use transaction::Unsigned;

/// Transactions that became executable wait here for slow subscribers; beyond it they miss some.
const EVENTS_KEPT: usize = 4_096;

/// What admission needs to know of an account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AccountState {
    pub nonce: u64,
    /// Wei.
    pub balance: U256,
    pub code: AccountCode,
}

/// Whether an account may send transactions (EIP-3607, EIP-7702).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AccountCode {
    #[default]
    None,
    /// Delegated by EIP-7702: it may send, but any call can change its balance and nonce.
    Delegation,
    Contract,
}

/// Reads accounts of the newest block.
pub trait AccountReader {
    /// The account's state; the default for an account that does not exist.
    fn account(&self, address: Address) -> Result<AccountState, PoolError>;
}

/// What the pool must know of the chain's newest block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Head {
    pub number: u64,
    /// Wei per gas, of the block to be built next.
    pub base_fee: u64,
    /// Of the block to be built next.
    pub gas_limit: u64,
    pub fees: L1Fees,
}

/// Where an accepted transaction stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    Pending,
    /// Waits for the nonce given, or for funds when that is its own.
    Queued {
        next_nonce: u64,
    },
}

/// Sizes of the pool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolStatus {
    pub pending: usize,
    pub queued: usize,
    pub bytes: usize,
}

/// The pool's transactions by sender, cheap to take and free of locks.
#[derive(Clone, Debug, Default)]
pub struct PoolContent {
    /// Ordered by sender, then nonce.
    pub pending: Vec<(Address, Vec<Arc<PoolTransaction>>)>,
    pub queued: Vec<(Address, Vec<Arc<PoolTransaction>>)>,
}

/// The pool. Shared by the RPC server and the sequencer; every method locks for a short, bounded
/// time and never across execution or I/O.
#[derive(Debug)]
pub struct Pool {
    config: PoolConfig,
    chain_id: u64,
    blob_rules: RwLock<Option<BlobRules>>,
    inner: RwLock<Inner>,
    events: broadcast::Sender<Arc<PoolTransaction>>,
}

#[derive(Debug, Default)]
struct Inner {
    head: Head,
    senders: AddressMap<Sender>,
    by_hash: B256Map<Arc<PoolTransaction>>,
    /// INVARIANT: exactly one entry per sender, its current rank.
    eviction: BTreeSet<(EvictionRank, Address)>,
    ranks: AddressMap<EvictionRank>,
    /// How many transactions hold an authorisation of an account.
    authorities: AddressMap<u32>,
    bytes: usize,
    pending: usize,
    arrivals: u64,
    /// How often the accounts' states changed under the pool.
    generation: u64,
}

/// What became of the transactions of dropped blocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reinjected {
    pub taken: usize,
    /// Known, invalid on the new chain, or worse than what fills the pool.
    pub refused: usize,
}

impl Pool {
    pub fn new(config: PoolConfig, chain_id: u64) -> Self {
        let (events, _) = broadcast::channel(EVENTS_KEPT);
        let (inner, blob_rules) = (RwLock::default(), RwLock::default());
        Self { config, chain_id, blob_rules, inner, events }
    }

    pub const fn config(&self) -> &PoolConfig {
        &self.config
    }

    /// Decodes and checks the bytes a client sent, without touching the pool.
    pub fn decode(&self, bytes: &[u8]) -> Result<PoolTransaction, PoolError> {
        let unsigned = self.decode_unsigned(bytes)?;
        let sender = senders::recover(unsigned.envelope());
        unsigned.signed_by(sender, self.chain_id)
    }

    /// The same of several, for less than one after another.
    pub fn decode_all<B: AsRef<[u8]>>(&self, all: &[B]) -> Vec<Result<PoolTransaction, PoolError>> {
        let all: Vec<_> = all.iter().map(|bytes| self.decode_unsigned(bytes.as_ref())).collect();
        let envelopes: Vec<_> = all.iter().flatten().map(Unsigned::envelope).collect();
        let mut senders = senders::recover_all(&envelopes).into_iter();
        all.into_iter()
            .map(|unsigned| unsigned?.signed_by(senders.next().flatten(), self.chain_id))
            .collect()
    }

    fn decode_unsigned(&self, bytes: &[u8]) -> Result<Unsigned, PoolError> {
        let rules = *self.blob_rules.read();
        match rules {
            Some(rules) if bytes.first() == Some(&blobs::KIND) => {
                Unsigned::decode_blobs(bytes, self.chain_id, &self.config, &rules)
            }
            _ => Unsigned::decode(bytes, self.chain_id, &self.config),
        }
    }

    /// Takes blob transactions by these rules from now on, or none.
    pub fn set_blob_rules(&self, rules: Option<BlobRules>) {
        *self.blob_rules.write() = rules;
    }

    /// Each transaction that becomes executable, once.
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<PoolTransaction>> {
        self.events.subscribe()
    }

    /// Takes a transaction in, or says why not.
    pub fn add(
        &self,
        transaction: PoolTransaction,
        accounts: &impl AccountReader,
    ) -> Result<(Arc<PoolTransaction>, Placement), PoolError> {
        let transaction = Arc::new(transaction);
        let sender = transaction.sender();
        let result = loop {
            // The account is read outside the lock; if a block arrived meanwhile, read again.
            let (generation, known) = {
                let inner = self.inner.read();
                if inner.by_hash.contains_key(&transaction.hash()) {
                    break Err(PoolError::AlreadyKnown);
                }
                (inner.generation, inner.senders.get(&sender).map(|sender| sender.account))
            };
            let account = match known {
                Some(account) => account,
                None => accounts.account(sender)?,
            };
            let mut inner = self.inner.write();
            if inner.generation == generation {
                break inner.add(&self.config, account, Arc::clone(&transaction));
            }
        };
        match result {
            Ok((placement, promoted)) => {
                self.publish(promoted);
                metrics::counter!("pool_added_total").increment(1);
                Ok((transaction, placement))
            }
            Err(error) => {
                metrics::counter!("pool_refused_total", "reason" => error.label()).increment(1);
                Err(error)
            }
        }
    }

    /// Follows the chain: `changed` are the accounts the block changed with their new state. Drops
    /// what was included or can never be, and counts again what is executable.
    pub fn on_block(&self, head: Head, changed: impl IntoIterator<Item = (Address, AccountState)>) {
        let promoted = self.inner.write().on_block(&self.config, head, changed);
        self.publish(promoted);
        let status = self.status();
        metrics::gauge!("pool_pending").set(status.pending as f64);
        metrics::gauge!("pool_queued").set(status.queued as f64);
        metrics::gauge!("pool_bytes").set(status.bytes as f64);
    }

    /// Follows a reorganisation: reads the account of every sender again and takes back the users'
    /// transactions among `dropped`, which the blocks that went held, in their order. Those that the
    /// new chain holds or forbids are left out. `head` is the new head; the accounts must be those
    /// after it.
    pub fn reinject(
        &self,
        head: Head,
        dropped: impl IntoIterator<Item = Recovered<TxEnvelope>>,
        accounts: &impl AccountReader,
    ) -> Result<Reinjected, PoolError> {
        let senders: Vec<Address> = self.inner.read().senders.keys().copied().collect();
        let changed = senders
            .into_iter()
            .map(|sender| Ok((sender, accounts.account(sender)?)))
            .collect::<Result<Vec<_>, PoolError>>()?;
        self.on_block(head, changed);
        let mut reinjected = Reinjected::default();
        let dropped = dropped
            .into_iter()
            .filter_map(|dropped| PoolTransaction::from_dropped_block(dropped, self.chain_id));
        for transaction in dropped {
            match self.add(transaction, accounts) {
                Ok(_) => reinjected.taken += 1,
                Err(error @ PoolError::State(_)) => return Err(error),
                Err(_) => reinjected.refused += 1,
            }
        }
        Ok(reinjected)
    }

    /// Drops a transaction that block building found to be invalid. Higher nonces of the sender
    /// stay and become queued.
    pub fn remove(&self, hash: B256) {
        self.inner.write().remove(&self.config, hash);
    }

    /// Drops queued transactions older than the configured lifetime.
    pub fn expire(&self, now: Instant) {
        self.inner.write().expire(&self.config, now);
    }

    /// A snapshot of the executable transactions, best first.
    pub fn best(&self) -> BestTransactions {
        let inner = self.inner.read();
        BestTransactions::new(
            inner.head.base_fee,
            inner.senders.values().filter(|sender| sender.pending > 0),
        )
    }

    pub fn get(&self, hash: &B256) -> Option<Arc<PoolTransaction>> {
        self.inner.read().by_hash.get(hash).map(Arc::clone)
    }

    /// The nonce the sender's next transaction needs; `None` when it has none in the pool.
    pub fn next_nonce(&self, sender: &Address) -> Option<u64> {
        self.inner.read().senders.get(sender).map(Sender::next_nonce)
    }

    pub fn head(&self) -> Head {
        self.inner.read().head
    }

    pub fn status(&self) -> PoolStatus {
        let inner = self.inner.read();
        PoolStatus {
            pending: inner.pending,
            queued: inner.by_hash.len() - inner.pending,
            bytes: inner.bytes,
        }
    }

    /// Every transaction in the order of arrival.
    pub fn by_arrival(&self) -> Vec<Arc<PoolTransaction>> {
        let inner = self.inner.read();
        let mut entries: Vec<&Entry> =
            inner.senders.values().flat_map(|sender| sender.transactions.values()).collect();
        entries.sort_unstable_by_key(|entry| entry.arrival);
        entries.into_iter().map(|entry| Arc::clone(&entry.transaction)).collect()
    }

    /// Transactions ever taken in.
    pub fn arrivals(&self) -> u64 {
        self.inner.read().arrivals
    }

    /// Everything in the pool, or one sender's part of it.
    pub fn content(&self, only: Option<&Address>) -> PoolContent {
        let inner = self.inner.read();
        let mut content = PoolContent::default();
        let share = |entry: &Entry| Arc::clone(&entry.transaction);
        for (address, sender) in &inner.senders {
            if only.is_some_and(|only| only != address) {
                continue;
            }
            let pending: Vec<_> = sender.pending().map(share).collect();
            let queued: Vec<_> = sender.queued().map(share).collect();
            if !pending.is_empty() {
                content.pending.push((*address, pending));
            }
            if !queued.is_empty() {
                content.queued.push((*address, queued));
            }
        }
        content.pending.sort_unstable_by_key(|(address, _)| *address);
        content.queued.sort_unstable_by_key(|(address, _)| *address);
        content
    }

    fn publish(&self, promoted: Vec<Arc<PoolTransaction>>) {
        for transaction in promoted {
            // An error only says that nobody listens.
            let _ = self.events.send(transaction);
        }
    }
}

impl Inner {
    fn add(
        &mut self,
        config: &PoolConfig,
        account: AccountState,
        transaction: Arc<PoolTransaction>,
    ) -> Result<(Placement, Vec<Arc<PoolTransaction>>), PoolError> {
        self.check(config, account, &transaction)?;

        let address = transaction.sender();
        let nonce = transaction.nonce();
        let arrival = self.arrivals;
        self.arrivals += 1;
        self.bytes += transaction.memory_bytes();
        self.by_hash.insert(transaction.hash(), Arc::clone(&transaction));
        for authority in transaction.authorities() {
            *self.authorities.entry(*authority).or_default() += 1;
        }
        let sender = match self.senders.entry(address) {
            MapEntry::Occupied(entry) => entry.into_mut(),
            MapEntry::Vacant(entry) => entry.insert(Sender::new(account)),
        };
        let entry = Entry::new(Arc::clone(&transaction), arrival, &self.head);
        let (was_pending, first_new) = (sender.pending, sender.next_nonce());
        let replaced = sender.insert(entry, &self.head);
        let next_nonce = sender.next_nonce();
        // A replacement is announced itself; of a longer run, everything new.
        let mut promoted: Vec<_> =
            sender.pending_from(first_new).map(|entry| Arc::clone(&entry.transaction)).collect();
        if nonce < first_new.min(next_nonce) {
            promoted.push(Arc::clone(&transaction));
        }
        self.pending = self.pending - was_pending + sender.pending;
        if let Some(replaced) = replaced {
            self.forget(&replaced.transaction);
        }
        self.rerank(config, address);
        self.evict(config);

        if !self.by_hash.contains_key(&transaction.hash()) {
            return Err(PoolError::Underpriced);
        }
        let placement =
            if nonce < next_nonce { Placement::Pending } else { Placement::Queued { next_nonce } };
        Ok((placement, promoted))
    }

    /// Every check that needs state, in geth's order. Changes nothing.
    fn check(
        &self,
        config: &PoolConfig,
        account: AccountState,
        transaction: &PoolTransaction,
    ) -> Result<(), PoolError> {
        if self.by_hash.contains_key(&transaction.hash()) {
            return Err(PoolError::AlreadyKnown);
        }
        if transaction.gas_limit() > self.head.gas_limit {
            return Err(PoolError::GasLimit);
        }
        if account.code == AccountCode::Contract {
            return Err(PoolError::SenderNotEoa(transaction.sender()));
        }
        let nonce = transaction.nonce();
        if nonce < account.nonce {
            return Err(PoolError::NonceTooLow { next: account.nonce, nonce });
        }

        let sender = self.senders.get(&transaction.sender());
        let old = sender.and_then(|sender| sender.transactions.get(&nonce));
        let beside = sender.map_or(U256::ZERO, |sender| sender.cost_beside(nonce));
        let cost = transaction.total_cost(&self.head.fees).saturating_add(beside);
        if cost > account.balance {
            return Err(PoolError::InsufficientFunds { balance: account.balance, cost });
        }
        if let Some(old) = old
            && !transaction.outbids(&old.transaction, config.replacement_bump_percent)
        {
            return Err(PoolError::ReplacementUnderpriced);
        }
        self.check_authorities(transaction, old.is_some())?;
        if old.is_some() {
            return Ok(());
        }
        let held = sender.map_or(0, |sender| sender.transactions.len());
        if account.code == AccountCode::Delegation
            || self.authorities.contains_key(&transaction.sender())
        {
            // One transaction at a time (geth, reth).
            if nonce != account.nonce {
                return Err(PoolError::DelegatedGap);
            }
            if held > 0 {
                return Err(PoolError::DelegatedInFlight);
            }
        }
        if held >= config.sender_slots_max {
            return Err(PoolError::SenderSlots(held));
        }
        Ok(())
    }

    /// An account that signed an authorisation may have one transaction here, which is the rule for
    /// delegated accounts (geth: `validateAuth`).
    fn check_authorities(
        &self,
        transaction: &PoolTransaction,
        replaces: bool,
    ) -> Result<(), PoolError> {
        for authority in transaction.authorities() {
            let held = self.senders.get(authority).map_or(0, |sender| sender.transactions.len());
            // This transaction is the one of its sender.
            let own = usize::from(*authority == transaction.sender() && !replaces);
            if held + own > 1 {
                return Err(PoolError::AuthorityReserved(*authority));
            }
        }
        Ok(())
    }

    fn on_block(
        &mut self,
        config: &PoolConfig,
        head: Head,
        changed: impl IntoIterator<Item = (Address, AccountState)>,
    ) -> Vec<Arc<PoolTransaction>> {
        let reprice = head.base_fee != self.head.base_fee
            || head.gas_limit != self.head.gas_limit
            || head.fees != self.head.fees;
        self.head = head;
        self.generation += 1;
        let mut promoted = Vec::new();
        let mut gone = Vec::new();
        for (address, account) in changed {
            let Some(sender) = self.senders.get_mut(&address) else { continue };
            let old_pending = sender.pending;
            let first_new = sender.next_nonce();
            sender.account = account;
            let kept = sender.transactions.split_off(&account.nonce);
            for entry in std::mem::replace(&mut sender.transactions, kept).into_values() {
                gone.push(entry.transaction);
            }
            sender.recount(&self.head);
            promoted
                .extend(sender.pending_from(first_new).map(|entry| Arc::clone(&entry.transaction)));
            self.pending = self.pending - old_pending + sender.pending;
            for transaction in gone.drain(..) {
                self.forget(&transaction);
            }
            if !reprice {
                self.rerank(config, address);
            }
        }
        if reprice {
            self.reprice(config, &mut promoted);
        }
        promoted
    }

    /// Counts and ranks every sender again, after a change that concerns all.
    fn reprice(&mut self, config: &PoolConfig, promoted: &mut Vec<Arc<PoolTransaction>>) {
        self.pending = 0;
        self.eviction.clear();
        self.ranks.clear();
        self.senders.retain(|_, sender| !sender.transactions.is_empty());
        for (address, sender) in &mut self.senders {
            let first_new = sender.next_nonce();
            sender.reprice(&self.head);
            self.pending += sender.pending;
            promoted
                .extend(sender.pending_from(first_new).map(|entry| Arc::clone(&entry.transaction)));
            if let Some(rank) = sender.eviction_rank(config.sender_slots_guaranteed) {
                self.eviction.insert((rank, *address));
                self.ranks.insert(*address, rank);
            }
        }
    }

    fn remove(&mut self, config: &PoolConfig, hash: B256) {
        let Some(transaction) = self.by_hash.get(&hash).map(Arc::clone) else { return };
        self.forget(&transaction);
        let address = transaction.sender();
        if let Some(sender) = self.senders.get_mut(&address) {
            let old_pending = sender.pending;
            sender.remove(transaction.nonce(), &self.head);
            self.pending = self.pending - old_pending + sender.pending;
        }
        self.rerank(config, address);
    }

    /// Takes a transaction out of everything that is not its sender's.
    fn forget(&mut self, transaction: &PoolTransaction) {
        self.bytes -= transaction.memory_bytes();
        self.by_hash.remove(&transaction.hash());
        for authority in transaction.authorities() {
            if let MapEntry::Occupied(mut count) = self.authorities.entry(*authority) {
                *count.get_mut() -= 1;
                if *count.get() == 0 {
                    count.remove();
                }
            }
        }
    }

    /// Drops worst last transactions until the pool is within its bounds.
    fn evict(&mut self, config: &PoolConfig) {
        while self.by_hash.len() > config.transactions_max || self.bytes > config.bytes_max {
            let Some((_, address)) = self.eviction.first().copied() else { return };
            let Some(last) = self
                .senders
                .get(&address)
                .and_then(|sender| sender.transactions.last_key_value())
                .map(|(_, entry)| entry.transaction.hash())
            else {
                return;
            };
            self.remove(config, last);
            metrics::counter!("pool_evicted_total").increment(1);
        }
    }

    fn expire(&mut self, config: &PoolConfig, now: Instant) {
        let expired: Vec<B256> = self
            .senders
            .values()
            .flat_map(Sender::queued)
            .filter(|entry| {
                now.saturating_duration_since(entry.transaction.received()) > config.queued_lifetime
            })
            .map(|entry| entry.transaction.hash())
            .collect();
        for hash in expired {
            self.remove(config, hash);
        }
    }

    /// Puts the sender where its last transaction now belongs; forgets a sender without any.
    fn rerank(&mut self, config: &PoolConfig, address: Address) {
        if let Some(rank) = self.ranks.remove(&address) {
            self.eviction.remove(&(rank, address));
        }
        let rank = self
            .senders
            .get(&address)
            .and_then(|sender| sender.eviction_rank(config.sender_slots_guaranteed));
        match rank {
            Some(rank) => {
                self.eviction.insert((rank, address));
                self.ranks.insert(address, rank);
            }
            None => {
                self.senders.remove(&address);
            }
        }
    }
}
