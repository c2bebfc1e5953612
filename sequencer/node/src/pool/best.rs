//! A snapshot of the executable transactions in the order in which a block takes them.

use std::{
    cmp::Ordering,
    collections::{BinaryHeap, VecDeque},
    sync::Arc,
};

use super::{
    PoolTransaction,
    sender::{Entry, Sender},
};

/// Yields transactions best-first by effective tip, ties by arrival; a sender's transactions come
/// in nonce order.
#[derive(Debug)]
pub struct BestTransactions {
    base_fee: u64,
    heap: BinaryHeap<Candidate>,
    /// The rest of the run whose first transaction was yielded last.
    current: VecDeque<Entry>,
}

#[derive(Debug)]
struct Candidate {
    tip: u128,
    arrival: u64,
    first: Arc<PoolTransaction>,
    rest: VecDeque<Entry>,
}

impl BestTransactions {
    pub(super) fn new<'a>(base_fee: u64, senders: impl Iterator<Item = &'a Sender>) -> Self {
        let heap = senders
            .filter_map(|sender| candidate(sender.pending().cloned().collect(), base_fee))
            .collect();
        Self { base_fee, heap, current: VecDeque::new() }
    }

    /// Leaves out the rest of the sender of the transaction yielded last: after a transaction that
    /// did not go into the block, its successors cannot either.
    pub fn skip_sender(&mut self) {
        self.current.clear();
    }

    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.heap.is_empty() && self.current.is_empty()
    }
}

impl Iterator for BestTransactions {
    type Item = Arc<PoolTransaction>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = std::mem::take(&mut self.current);
        if let Some(next) = candidate(rest, self.base_fee) {
            self.heap.push(next);
        }
        let best = self.heap.pop()?;
        self.current = best.rest;
        Some(best.first)
    }
}

/// The run's first transaction with its price; `None` at the end or when it does not pay the base
/// fee.
fn candidate(mut run: VecDeque<Entry>, base_fee: u64) -> Option<Candidate> {
    let Entry { transaction, arrival, .. } = run.pop_front()?;
    let tip = transaction.effective_tip(base_fee)?;
    Some(Candidate { tip, arrival, first: transaction, rest: run })
}

impl PartialEq for Candidate {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Candidate {}

impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Candidate {
    fn cmp(&self, other: &Self) -> Ordering {
        self.tip.cmp(&other.tip).then_with(|| other.arrival.cmp(&self.arrival))
    }
}
