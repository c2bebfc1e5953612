//! A payload that a consensus client asked for, under the name that it is told.

use std::sync::Arc;

use alloy_primitives::{B256, keccak256};
use alloy_rpc_types_engine::PayloadId;

use crate::ethereum::payload::{Attributes, Built};

/// A payload that was asked for.
#[derive(Debug)]
pub(super) struct Job {
    pub id: PayloadId,
    pub parent: B256,
    pub attributes: Attributes,
    pub built: Option<Arc<Built>>,
}

impl Job {
    pub(super) fn new(parent: B256, attributes: Attributes) -> Self {
        // The same wish on the same block has the same name.
        let mut text = parent.to_vec();
        text.extend(attributes.timestamp.to_be_bytes());
        text.extend(attributes.prev_randao);
        text.extend(attributes.fee_recipient);
        text.extend(alloy_rlp::encode(attributes.withdrawals.clone().unwrap_or_default().0));
        text.extend(attributes.parent_beacon_block_root.unwrap_or_default());
        let mut id = [0; 8];
        id.copy_from_slice(&keccak256(text)[..8]);
        Self { id: PayloadId::new(id), parent, attributes, built: None }
    }
}
