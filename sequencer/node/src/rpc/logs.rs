//! `eth_getLogs`: through the store's index of addresses and topics; what the index does not hold
//! yet, and filters that name nothing, by looking through the blocks.

use std::time::Instant;

use alloy_eips::BlockNumberOrTag;
use alloy_rpc_types_eth::{Filter, FilterBlockOption, Log};
use store::{FoundReceipt, LogQuery, StoreError};

use super::{
    Api, convert,
    error::{INVALID_PARAMS, LIMIT_EXCEEDED, RpcError},
};

/// Addresses, and topics at one position, that one filter may name (geth's limits).
const ALTERNATIVES_MAX: usize = 1_000;

impl Api {
    /// Logs of the filter's blocks.
    pub(super) fn logs(&self, filter: &Filter) -> Result<Vec<Log>, RpcError> {
        check(filter)?;
        match filter.block_option {
            FilterBlockOption::AtBlockHash(hash) => {
                let block =
                    self.block(hash.into())?.ok_or_else(|| RpcError::server("unknown block"))?;
                Ok(convert::matching_logs(&block, filter))
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
                self.logs_between(filter, from, to.min(head))
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
        let mut answer = Answer {
            logs: Vec::new(),
            max: self.config.logs_max,
            deadline: Instant::now() + self.config.call_time_max,
        };
        let query =
            LogQuery::new(filter.address.iter(), filter.topics.each_ref().map(|t| t.iter()));
        let mut from = from;
        if !query.is_empty() && from <= to {
            let covered = self.chain.store().find_logs::<LogsError>(&query, from, to, |found| {
                answer.add(found_logs(found, filter)).map_err(LogsError::Rpc)?;
                Ok(true)
            });
            from = from.max(covered.map_err(RpcError::from)?.saturating_add(1));
        }
        if from > to {
            return Ok(answer.logs);
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
            match block {
                Some(block) if convert::bloom_matches(block.header(), filter) => {
                    answer.add(convert::matching_logs(&block, filter))?;
                }
                _ => answer.add(Vec::new())?,
            }
        }
        Ok(answer.logs)
    }
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

/// What was found so far, within its bounds.
struct Answer {
    logs: Vec<Log>,
    max: usize,
    deadline: Instant,
}

impl Answer {
    fn add(&mut self, mut logs: Vec<Log>) -> Result<(), RpcError> {
        self.logs.append(&mut logs);
        if self.logs.len() > self.max {
            return Err(RpcError::server(format!("query returned more than {} results", self.max)));
        }
        if Instant::now() > self.deadline {
            return Err(RpcError::new(
                LIMIT_EXCEEDED,
                "query took too long: ask for fewer blocks or name more topics",
            ));
        }
        Ok(())
    }
}

fn found_logs(found: &FoundReceipt<'_>, filter: &Filter) -> Vec<Log> {
    let mut hash = None;
    (found.first_log..)
        .zip(&found.logs)
        .filter(|(_, log)| filter.matches(log))
        .map(|(number, log)| Log {
            inner: log.clone(),
            block_hash: Some(found.block_hash),
            block_number: Some(found.block_number),
            block_timestamp: Some(found.block_timestamp),
            transaction_hash: Some(*hash.get_or_insert_with(|| found.transaction_hash())),
            transaction_index: Some(found.transaction_index as u64),
            log_index: Some(number),
            removed: false,
        })
        .collect()
}

/// Why a search ended.
enum LogsError {
    Store(StoreError),
    Rpc(RpcError),
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
