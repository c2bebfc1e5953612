//! Transactions on their way into the open block: best price first, each sender's by nonce. When the
//! block keeps up with the arrivals there is never more than one here, and the order is that of
//! arrival.

use std::{
    collections::{BTreeMap, BinaryHeap},
    sync::Arc,
};

use alloy_primitives::{Address, map::AddressMap};

use crate::pool::PoolTransaction;

/// The queue of one open block.
#[derive(Debug)]
pub(crate) struct Queue {
    base_fee: u64,
    senders: AddressMap<BTreeMap<u64, Arc<PoolTransaction>>>,
    heap: BinaryHeap<Candidate>,
    arrivals: u64,
}

/// A sender whose first transaction pays this; ties by arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Candidate {
    tip: u128,
    age: u64,
    sender: Address,
}

impl Queue {
    /// For a block with this base fee, wei per gas.
    pub(crate) fn new(base_fee: u64) -> Self {
        Self { base_fee, senders: AddressMap::default(), heap: BinaryHeap::new(), arrivals: 0 }
    }

    /// Takes a transaction in, in place of one with the same sender and nonce. What does not pay the
    /// base fee stays in the pool.
    pub(crate) fn push(&mut self, transaction: Arc<PoolTransaction>) {
        let Some(tip) = transaction.effective_tip(self.base_fee) else { return };
        let (sender, nonce) = (transaction.sender(), transaction.nonce());
        let run = self.senders.entry(sender).or_default();
        run.insert(nonce, transaction);
        // A sender may stand in the heap more than once: it is looked up when its turn comes.
        if run.first_key_value().is_some_and(|(first, _)| *first == nonce) {
            self.arrivals += 1;
            self.heap.push(Candidate { tip, age: u64::MAX - self.arrivals, sender });
        }
    }

    /// The best transaction.
    pub(crate) fn pop(&mut self) -> Option<Arc<PoolTransaction>> {
        loop {
            let candidate = self.heap.pop()?;
            let Some(run) = self.senders.get_mut(&candidate.sender) else { continue };
            let Some((_, transaction)) = run.pop_first() else { continue };
            match run.first_key_value() {
                Some((_, next)) => {
                    let tip = next.effective_tip(self.base_fee).unwrap_or(0);
                    self.heap.push(Candidate { tip, ..candidate });
                }
                None => {
                    self.senders.remove(&candidate.sender);
                }
            }
            return Some(transaction);
        }
    }

    /// Drops everything of a sender: what comes after a transaction that stays out cannot enter.
    pub(crate) fn drop_sender(&mut self, sender: &Address) {
        self.senders.remove(sender);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.senders.is_empty()
    }
}
