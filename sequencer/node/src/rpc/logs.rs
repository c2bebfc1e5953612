//! `eth_getLogs`: through the store's index of addresses and topics; what the index does not hold
//! yet, and filters that name nothing, by looking through the blocks.

use std::time::Instant;

use alloy_eips::BlockNumberOrTag;
use alloy_primitives::B256;
use alloy_rpc_types_eth::{Filter, FilterBlockOption, Log};
use store::{FoundReceipt, LogQuery, StoreError};

use super::{
    Api, convert,
    error::{INVALID_PARAMS, LIMIT_EXCEEDED, RpcError, RpcResult},
    log_json::LogArray,
    too_large,
};

/// Addresses, and topics at one position, that one filter may name (geth's limits).
const ALTERNATIVES_MAX: usize = 1_000;

/// Receipts found between looks at the clock.
const FOUND_PER_LOOK: u32 = 16;

/// A log in a block of the chain, where it was found.
#[derive(Clone, Copy, Debug)]
pub(super) struct PlacedLog<'a> {
    pub(super) log: &'a alloy_primitives::Log,
    pub(super) block_hash: B256,
    pub(super) block_number: u64,
    /// Unix seconds.
    pub(super) block_timestamp: u64,
    pub(super) transaction_hash: B256,
    pub(super) transaction_index: u64,
    /// In the block.
    pub(super) log_index: u64,
}

impl PlacedLog<'_> {
    pub(super) fn to_rpc(self) -> Log {
        Log {
            inner: self.log.clone(),
            block_hash: Some(self.block_hash),
            block_number: Some(self.block_number),
            block_timestamp: Some(self.block_timestamp),
            transaction_hash: Some(self.transaction_hash),
            transaction_index: Some(self.transaction_index),
            log_index: Some(self.log_index),
            removed: false,
        }
    }
}

impl Api {
    /// Logs of the filter's blocks.
    pub(super) fn logs(&self, filter: &Filter) -> Result<Vec<Log>, RpcError> {
        let mut logs = Vec::new();
        self.visit_logs(filter, |log| logs.push(log.to_rpc()))?;
        Ok(logs)
    }

    /// The same as JSON.
    pub(super) fn logs_json(&self, filter: &Filter) -> RpcResult {
        let mut array = LogArray::new(self.config.response_bytes_max);
        self.visit_logs(filter, |log| array.push(log))?;
        array.finish().ok_or_else(too_large)
    }

    fn visit_logs(
        &self,
        filter: &Filter,
        mut visit: impl FnMut(&PlacedLog<'_>),
    ) -> Result<(), RpcError> {
        check(filter)?;
        match filter.block_option {
            FilterBlockOption::AtBlockHash(hash) => {
                let block =
                    self.block(hash.into())?.ok_or_else(|| RpcError::server("unknown block"))?;
                convert::visit_matching_logs(&block, filter, &query_of(filter), |log| {
                    visit(log);
                    Ok(())
                })
            }
            FilterBlockOption::Range { from_block, to_block } => {
                let head = self.chain.heads().unsafe_head.number;
                let number = |tag: Option<BlockNumberOrTag>| match tag {
                    // Beyond the head is an empty range, not an error.
                    Some(BlockNumberOrTag::Number(number)) => number,
                    tag => self.resolve_tag(tag.unwrap_or_default()).unwrap_or(head),
                };
                let (from, to) = (number(from_block), number(to_block));
                if from > to {
                    return Err(RpcError::new(INVALID_PARAMS, "invalid block range params"));
                }
                self.visit_logs_between(filter, from, to.min(head), visit)
            }
        }
    }

    /// Logs of the blocks `from..=to`.
    pub(super) fn logs_between(
        &self,
        filter: &Filter,
        from: u64,
        to: u64,
    ) -> Result<Vec<Log>, RpcError> {
        let mut logs = Vec::new();
        self.visit_logs_between(filter, from, to, |log| logs.push(log.to_rpc()))?;
        Ok(logs)
    }

    fn visit_logs_between(
        &self,
        filter: &Filter,
        from: u64,
        to: u64,
        mut visit: impl FnMut(&PlacedLog<'_>),
    ) -> Result<(), RpcError> {
        let mut bounds = Bounds {
            left: self.config.logs_max,
            max: self.config.logs_max,
            deadline: Instant::now() + self.config.call_time_max,
        };
        let query = query_of(filter);
        let mut from = from;
        if !query.is_empty() && from <= to {
            let mut receipts = 0_u32;
            let covered = self.chain.store().find_logs::<LogsError>(&query, from, to, |found| {
                visit_found(found, filter, |log| {
                    bounds.count()?;
                    visit(log);
                    Ok(())
                })?;
                receipts = receipts.wrapping_add(1);
                if receipts.is_multiple_of(FOUND_PER_LOOK) {
                    bounds.look_at_the_clock()?;
                }
                Ok(true)
            });
            from = from.max(covered.map_err(RpcError::from)?.saturating_add(1));
        }
        if from > to {
            return Ok(());
        }
        let config = self.config();
        if to - from >= config.log_blocks_max {
            return Err(RpcError::server(format!(
                "query exceeds max block range {}",
                config.log_blocks_max
            )));
        }
        for number in from..=to {
            let block = match self.chain.recent(number) {
                Some(block) => Some(block),
                None => {
                    let header =
                        self.chain.header(number).map_err(|error| RpcError::internal(&error))?;
                    match header {
                        Some(header) if convert::bloom_matches(&header, filter) => {
                            self.block_at(number)?
                        }
                        _ => None,
                    }
                }
            };
            if let Some(block) = block
                && convert::bloom_matches(block.header(), filter)
            {
                convert::visit_matching_logs(&block, filter, &query, |log| {
                    bounds.count()?;
                    visit(log);
                    Ok::<_, RpcError>(())
                })?;
            }
            bounds.look_at_the_clock()?;
        }
        Ok(())
    }
}

/// What the index is asked.
pub(super) fn query_of(filter: &Filter) -> LogQuery {
    LogQuery::new(filter.address.iter(), filter.topics.each_ref().map(|topics| topics.iter()))
}

/// Refuses filters that name more than the search may cost.
pub(super) fn check(filter: &Filter) -> Result<(), RpcError> {
    let largest = filter.topics.iter().map(|topics| topics.len()).max().unwrap_or_default();
    if filter.address.len().max(largest) > ALTERNATIVES_MAX {
        return Err(RpcError::new(
            INVALID_PARAMS,
            format!("exceed max addresses or topics per search position, limit {ALTERNATIVES_MAX}"),
        ));
    }
    Ok(())
}

/// What one search may find and take.
struct Bounds {
    left: usize,
    max: usize,
    deadline: Instant,
}

impl Bounds {
    /// One more log was found.
    fn count(&mut self) -> Result<(), RpcError> {
        self.left = self.left.checked_sub(1).ok_or_else(|| {
            RpcError::server(format!("query returned more than {} results", self.max))
        })?;
        Ok(())
    }

    fn look_at_the_clock(&self) -> Result<(), RpcError> {
        if Instant::now() > self.deadline {
            return Err(RpcError::new(
                LIMIT_EXCEEDED,
                "query took too long: ask for fewer blocks or name more topics",
            ));
        }
        Ok(())
    }
}

fn visit_found(
    found: &FoundReceipt<'_>,
    filter: &Filter,
    mut visit: impl FnMut(&PlacedLog<'_>) -> Result<(), RpcError>,
) -> Result<(), RpcError> {
    let mut hash = None;
    for (number, log) in (found.first_log..).zip(&found.logs) {
        if !filter.matches(log) {
            continue;
        }
        visit(&PlacedLog {
            log,
            block_hash: found.block_hash,
            block_number: found.block_number,
            block_timestamp: found.block_timestamp,
            transaction_hash: *hash.get_or_insert_with(|| found.transaction_hash()),
            transaction_index: found.transaction_index as u64,
            log_index: number,
        })?;
    }
    Ok(())
}

/// Why a search ended.
enum LogsError {
    Store(StoreError),
    Rpc(RpcError),
}

impl From<RpcError> for LogsError {
    fn from(error: RpcError) -> Self {
        Self::Rpc(error)
    }
}

impl From<StoreError> for LogsError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<LogsError> for RpcError {
    fn from(error: LogsError) -> Self {
        match error {
            LogsError::Store(error) => Self::internal(&error),
            LogsError::Rpc(error) => error,
        }
    }
}
