//! Polled filters. Each remembers how far it was read; one that nobody polls goes away.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use alloy_primitives::{B256, U64};
use alloy_rpc_types_eth::{Filter, FilterBlockOption, Log};
use parking_lot::Mutex;
use rand::RngCore;
use serde::Serialize;
use tokio::sync::broadcast::{self, error::TryRecvError};

use super::{Api, convert, convert::Transaction, error::RpcError, logs};
use crate::pool::PoolTransaction;

/// Blocks one poll of a block filter returns at most; the rest follows with the next poll.
const BLOCKS_PER_POLL_MAX: u64 = 10_000;

/// The installed filters.
pub struct Filters {
    installed: Mutex<HashMap<U64, Installed>>,
    max: usize,
    lifetime: Duration,
}

struct Installed {
    kind: Kind,
    polled: Instant,
    /// Blocks taken away that the poller knows of.
    removed: u64,
}

enum Kind {
    Logs {
        filter: Arc<Filter>,
        /// First block not reported yet.
        next: u64,
    },
    Blocks {
        next: u64,
    },
    Pending {
        transactions: broadcast::Receiver<Arc<PoolTransaction>>,
        full: bool,
    },
}

/// What a poll returns.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Changes {
    Hashes(Vec<B256>),
    Transactions(Vec<Transaction>),
    Logs(Vec<Log>),
}

impl Filters {
    pub fn new(max: usize, lifetime: Duration) -> Self {
        Self { installed: Mutex::default(), max, lifetime }
    }

    fn install(&self, kind: Kind, removed: u64) -> U64 {
        let id = U64::from(rand::rng().next_u64());
        let now = Instant::now();
        let mut installed = self.installed.lock();
        installed.retain(|_, filter| now.duration_since(filter.polled) < self.lifetime);
        if installed.len() >= self.max
            && let Some(oldest) =
                installed.iter().min_by_key(|(_, filter)| filter.polled).map(|(id, _)| *id)
        {
            installed.remove(&oldest);
        }
        installed.insert(id, Installed { kind, polled: now, removed });
        id
    }
}

impl Api {
    pub(super) fn new_log_filter(&self, filter: Filter) -> Result<U64, RpcError> {
        logs::check(&filter)?;
        if let FilterBlockOption::Range { from_block: Some(from), to_block: Some(to) } =
            filter.block_option
            && let (Some(from), Some(to)) = (from.as_number(), to.as_number())
            && from > to
        {
            return Err(RpcError::invalid_params("invalid block range params"));
        }
        let next = self.chain.heads().unsafe_head.number + 1;
        Ok(self.filters.install(Kind::Logs { filter: Arc::new(filter), next }, self.removed()))
    }

    pub(super) fn new_block_filter(&self) -> U64 {
        let next = self.chain.heads().unsafe_head.number + 1;
        self.filters.install(Kind::Blocks { next }, self.removed())
    }

    pub(super) fn new_pending_filter(&self, full: bool) -> U64 {
        let kind = Kind::Pending { transactions: self.pool.subscribe(), full };
        self.filters.install(kind, self.removed())
    }

    /// Blocks ever taken away.
    fn removed(&self) -> u64 {
        self.chain.removed_since(u64::MAX).1
    }

    pub(super) fn uninstall_filter(&self, id: U64) -> bool {
        self.filters.installed.lock().remove(&id).is_some()
    }

    /// What is new since the last poll.
    pub(super) fn filter_changes(&self, id: U64) -> Result<Changes, RpcError> {
        let head = self.chain.heads().unsafe_head.number;
        // The lock is not held while blocks are read: take what the poll covers, mark it read.
        let mut gone = Vec::new();
        let (range, filter) = {
            let mut installed = self.filters.installed.lock();
            let filter = live(&mut installed, id, self.filters.lifetime)?;
            if let Kind::Blocks { next } | Kind::Logs { next, .. } = &mut filter.kind {
                // What was reported and is gone is taken back, and what replaces it is new.
                let (removed, count) = self.chain.removed_since(filter.removed);
                filter.removed = count;
                for block in removed {
                    if block.number() < *next {
                        *next = block.number();
                        gone.push(block);
                    }
                }
            }
            match &mut filter.kind {
                Kind::Pending { transactions, full } => {
                    return Ok(drain(transactions, *full));
                }
                Kind::Blocks { next } => {
                    let first = *next;
                    let last = head.min(first.saturating_add(BLOCKS_PER_POLL_MAX - 1));
                    *next = first.max(last + 1);
                    (first..=last, None)
                }
                Kind::Logs { filter, next } => {
                    let first = *next;
                    let last = head.min(first.saturating_add(self.config.log_blocks_max - 1));
                    *next = first.max(last + 1);
                    (first..=last, Some(Arc::clone(filter)))
                }
            }
        };
        match filter {
            None => {
                let mut hashes = Vec::new();
                for number in range {
                    if let Some(block) = self.block_at(number)? {
                        hashes.push(block.hash());
                    }
                }
                Ok(Changes::Hashes(hashes))
            }
            Some(filter) => {
                let (from, to) = match filter.block_option {
                    FilterBlockOption::Range { from_block, to_block } => (
                        from_block.and_then(|tag| tag.as_number()).unwrap_or(0),
                        to_block.and_then(|tag| tag.as_number()).unwrap_or(u64::MAX),
                    ),
                    FilterBlockOption::AtBlockHash(_) => (0, u64::MAX),
                };
                let (first, last) = (from.max(*range.start()), to.min(*range.end()));
                let mut logs: Vec<Log> = gone
                    .iter()
                    .filter(|block| (from..=to).contains(&block.number()))
                    .flat_map(|block| convert::matching_logs(block, &filter).into_iter().rev())
                    .map(|log| Log { removed: true, ..log })
                    .collect();
                if first <= last {
                    logs.append(&mut self.logs_between(&filter, first, last)?);
                }
                Ok(Changes::Logs(logs))
            }
        }
    }

    /// All logs of a log filter, as `eth_getLogs` would give them.
    pub(super) fn filter_logs(&self, id: U64) -> Result<Vec<Log>, RpcError> {
        let filter = {
            let mut installed = self.filters.installed.lock();
            match &live(&mut installed, id, self.filters.lifetime)?.kind {
                Kind::Logs { filter, .. } => Arc::clone(filter),
                _ => return Err(filter_not_found()),
            }
        };
        self.logs(&filter)
    }
}

fn live(
    installed: &mut HashMap<U64, Installed>,
    id: U64,
    lifetime: Duration,
) -> Result<&mut Installed, RpcError> {
    let now = Instant::now();
    installed.retain(|_, filter| now.duration_since(filter.polled) < lifetime);
    let filter = installed.get_mut(&id).ok_or_else(filter_not_found)?;
    filter.polled = now;
    Ok(filter)
}

fn drain(transactions: &mut broadcast::Receiver<Arc<PoolTransaction>>, full: bool) -> Changes {
    let mut received = Vec::new();
    loop {
        match transactions.try_recv() {
            Ok(transaction) => received.push(transaction),
            // Pending transactions are announced at best effort.
            Err(TryRecvError::Lagged(_)) => {}
            Err(TryRecvError::Empty | TryRecvError::Closed) => break,
        }
    }
    if full {
        Changes::Transactions(
            received.iter().map(|transaction| convert::pending_transaction(transaction)).collect(),
        )
    } else {
        Changes::Hashes(received.iter().map(|transaction| transaction.hash()).collect())
    }
}

fn filter_not_found() -> RpcError {
    RpcError::server("filter not found")
}
