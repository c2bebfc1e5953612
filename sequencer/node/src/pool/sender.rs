//! The transactions of one account, by nonce, and how many of them can be executed now.

use std::{collections::BTreeMap, sync::Arc};

use alloy_primitives::U256;

use super::{AccountCode, AccountState, Head, PoolTransaction};

/// One account's part of the pool. A new highest nonce, the usual case, costs the same however many
/// stand before it.
#[derive(Debug)]
pub(super) struct Sender {
    pub(super) account: AccountState,
    pub(super) transactions: BTreeMap<u64, Entry>,
    /// INVARIANT: the first `pending` entries have consecutive nonces from `account.nonce`, fit
    /// the block gas limit and are covered by `account.balance`, all costs added up; one at most
    /// while the account is delegated.
    pub(super) pending: usize,
    /// Wei that the pending ones cost together.
    pub(super) pending_cost: U256,
    /// Wei that all cost together.
    pub(super) total_cost: U256,
    /// Least effective tip of all, wei per gas: nobody reaches the last without paying it.
    pub(super) least_tip: u128,
}

/// A pooled transaction with its arrival number, which breaks ties.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) transaction: Arc<PoolTransaction>,
    pub(super) arrival: u64,
    /// Wei that it may cost at the head.
    cost: U256,
    /// Wei per gas for the sequencer at the head; nothing while the fee cap is below the base fee.
    tip: u128,
}

/// Where a sender's last transaction stands in the order of eviction: the smallest goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct EvictionRank {
    class: EvictionClass,
    /// Least effective tip on the way to the transaction: nobody reaches it without paying those.
    tip: u128,
    /// Later arrivals go first.
    age: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum EvictionClass {
    /// Waits for a nonce or for funds.
    Queued,
    /// Executable, but beyond the guaranteed slots.
    BeyondSlots,
    Executable,
}

impl Sender {
    pub(super) const fn new(account: AccountState) -> Self {
        Self {
            account,
            transactions: BTreeMap::new(),
            pending: 0,
            pending_cost: U256::ZERO,
            total_cost: U256::ZERO,
            least_tip: u128::MAX,
        }
    }

    /// Puts a transaction in; gives back the one it replaces.
    pub(super) fn insert(&mut self, entry: Entry, head: &Head) -> Option<Entry> {
        let nonce = entry.transaction.nonce();
        let appended = nonce >= self.next_nonce();
        let (tip, cost) = (entry.tip, entry.cost);
        let replaced = self.transactions.insert(nonce, entry);
        if appended && replaced.is_none() {
            self.least_tip = self.least_tip.min(tip);
            self.total_cost = self.total_cost.saturating_add(cost);
            self.extend(head);
        } else {
            self.recount(head);
        }
        replaced
    }

    /// Takes a transaction out.
    pub(super) fn remove(&mut self, nonce: u64, head: &Head) {
        let Some(entry) = self.transactions.remove(&nonce) else { return };
        let last = self.transactions.last_key_value().is_none_or(|(left, _)| *left < nonce);
        // The usual case is the last one, when the pool is full. Costs that met the bound of numbers
        // cannot be taken apart.
        if !last || entry.tip == self.least_tip || self.total_cost == U256::MAX {
            return self.recount(head);
        }
        self.total_cost = self.total_cost.saturating_sub(entry.cost);
        if self.pending > self.transactions.len() {
            self.pending = self.transactions.len();
            self.pending_cost = self.pending_cost.saturating_sub(entry.cost);
        }
    }

    /// Prices every transaction at a new head, and counts again.
    pub(super) fn reprice(&mut self, head: &Head) {
        for entry in self.transactions.values_mut() {
            entry.price(head);
        }
        self.recount(head);
    }

    /// Counts again how many transactions are executable, and what they pay.
    pub(super) fn recount(&mut self, head: &Head) {
        self.pending = 0;
        self.pending_cost = U256::ZERO;
        self.least_tip =
            self.transactions.values().map(|entry| entry.tip).min().unwrap_or(u128::MAX);
        self.total_cost = self
            .transactions
            .values()
            .fold(U256::ZERO, |cost, entry| cost.saturating_add(entry.cost));
        self.extend(head);
    }

    /// Lengthens the run of executable transactions as far as it goes.
    fn extend(&mut self, head: &Head) {
        let mut expected = self.next_nonce();
        for (nonce, entry) in self.transactions.range(expected..) {
            let cost = self.pending_cost.saturating_add(entry.cost);
            if *nonce != expected
                || self.pending >= self.pending_max()
                || cost > self.account.balance
                || entry.transaction.gas_limit() > head.gas_limit
            {
                break;
            }
            self.pending += 1;
            self.pending_cost = cost;
            expected = expected.saturating_add(1);
        }
    }

    /// How many may be executable at once. Any call may move a delegated account's funds and nonce,
    /// which would void a whole run: it has one (EIP-7702).
    const fn pending_max(&self) -> usize {
        match self.account.code {
            AccountCode::Delegation => 1,
            _ => usize::MAX,
        }
    }

    /// Wei that all transactions beside the one with this nonce may cost.
    pub(super) fn cost_beside(&self, nonce: u64) -> U256 {
        let own = self.transactions.get(&nonce).map_or(U256::ZERO, |entry| entry.cost);
        self.total_cost.saturating_sub(own)
    }

    /// The executable transactions from `nonce` on.
    pub(super) fn pending_from(&self, nonce: u64) -> impl Iterator<Item = &Entry> {
        let end = self.next_nonce();
        self.transactions.range(nonce.min(end)..end).map(|(_, entry)| entry)
    }

    /// The nonce a new transaction needs to be executable.
    pub(super) fn next_nonce(&self) -> u64 {
        self.account.nonce.saturating_add(self.pending as u64)
    }

    pub(super) fn pending(&self) -> impl Iterator<Item = &Entry> {
        self.transactions.values().take(self.pending)
    }

    pub(super) fn queued(&self) -> impl Iterator<Item = &Entry> {
        self.transactions.values().skip(self.pending)
    }

    /// Where the last transaction stands; `None` without one.
    pub(super) fn eviction_rank(&self, slots: usize) -> Option<EvictionRank> {
        let (_, last) = self.transactions.last_key_value()?;
        let class = if self.pending < self.transactions.len() {
            EvictionClass::Queued
        } else if self.transactions.len() > slots {
            EvictionClass::BeyondSlots
        } else {
            EvictionClass::Executable
        };
        Some(EvictionRank { class, tip: self.least_tip, age: u64::MAX - last.arrival })
    }
}

impl Entry {
    pub(super) fn new(transaction: Arc<PoolTransaction>, arrival: u64, head: &Head) -> Self {
        let mut entry = Self { transaction, arrival, cost: U256::ZERO, tip: 0 };
        entry.price(head);
        entry
    }

    fn price(&mut self, head: &Head) {
        self.cost = self.transaction.total_cost(&head.fees);
        self.tip = self.transaction.effective_tip(head.base_fee).unwrap_or(0);
    }
}
