//! The transactions of one account, by nonce, and how many of them can be executed now.

use std::{collections::BTreeMap, sync::Arc};

use alloy_primitives::U256;

use super::{AccountState, Head, PoolTransaction};

/// One account's part of the pool.
#[derive(Debug)]
pub(super) struct Sender {
    pub(super) account: AccountState,
    pub(super) transactions: BTreeMap<u64, Entry>,
    /// INVARIANT: the first `pending` entries have consecutive nonces from `account.nonce`, fit
    /// the block gas limit and are covered by `account.balance`, all costs added up.
    pub(super) pending: usize,
}

/// A pooled transaction with its arrival number, which breaks ties.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) transaction: Arc<PoolTransaction>,
    pub(super) arrival: u64,
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
        Self { account, transactions: BTreeMap::new(), pending: 0 }
    }

    /// Counts again how many transactions are executable.
    pub(super) fn recount(&mut self, head: &Head) {
        let mut expected = self.account.nonce;
        let mut cost = U256::ZERO;
        let mut pending = 0;
        for (nonce, entry) in &self.transactions {
            cost = cost.saturating_add(entry.transaction.total_cost(&head.fees));
            if *nonce != expected
                || cost > self.account.balance
                || entry.transaction.gas_limit() > head.gas_limit
            {
                break;
            }
            pending += 1;
            expected = expected.saturating_add(1);
        }
        self.pending = pending;
    }

    /// Wei that the pooled transactions below `nonce` may cost.
    pub(super) fn cost_below(&self, nonce: u64, head: &Head) -> U256 {
        self.transactions.range(..nonce).fold(U256::ZERO, |cost, (_, entry)| {
            cost.saturating_add(entry.transaction.total_cost(&head.fees))
        })
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
    pub(super) fn eviction_rank(&self, head: &Head, slots: usize) -> Option<EvictionRank> {
        let (_, last) = self.transactions.last_key_value()?;
        let class = if self.pending < self.transactions.len() {
            EvictionClass::Queued
        } else if self.transactions.len() > slots {
            EvictionClass::BeyondSlots
        } else {
            EvictionClass::Executable
        };
        let tip = self
            .transactions
            .values()
            .map(|entry| entry.transaction.effective_tip(head.base_fee).unwrap_or(0))
            .min()
            .unwrap_or(0);
        Some(EvictionRank { class, tip, age: u64::MAX - last.arrival })
    }
}
