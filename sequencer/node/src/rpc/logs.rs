//! `eth_getLogs`: headers' blooms first, receipts only where one may match.

use std::sync::Arc;

use alloy_eips::BlockNumberOrTag;
use alloy_rpc_types_eth::{Filter, FilterBlockOption, Log};

use super::{
    Api, convert,
    error::{INVALID_PARAMS, RpcError},
};

impl Api {
    /// Logs of the filter's blocks.
    pub(super) fn logs(&self, filter: &Filter) -> Result<Vec<Log>, RpcError> {
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
        let config = self.config();
        if to.saturating_sub(from) >= config.log_blocks_max {
            return Err(RpcError::server(format!(
                "query exceeds max block range {}",
                config.log_blocks_max
            )));
        }
        let mut logs = Vec::new();
        for number in from..=to {
            let Some(block) = self.block_if_bloom_matches(filter, number)? else { continue };
            logs.append(&mut convert::matching_logs(&block, filter));
            if logs.len() > config.logs_max {
                return Err(RpcError::server(format!(
                    "query returned more than {} results",
                    config.logs_max
                )));
            }
        }
        Ok(logs)
    }

    fn block_if_bloom_matches(
        &self,
        filter: &Filter,
        number: u64,
    ) -> Result<Option<Arc<crate::chain::SealedBlock>>, RpcError> {
        if let Some(block) = self.chain.recent(number) {
            return Ok(convert::bloom_matches(block.header(), filter).then_some(block));
        }
        let header = self.chain.header(number).map_err(|error| RpcError::internal(&error))?;
        match header {
            Some(header) if convert::bloom_matches(&header, filter) => self.block_at(number),
            _ => Ok(None),
        }
    }
}
