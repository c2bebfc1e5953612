//! Payloads: blocks made of the pool's transactions for a consensus client that proposes.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use alloy_consensus::Transaction as _;
use alloy_eips::{
    eip2718::Encodable2718, eip4895::Withdrawals, eip7594::BlobTransactionSidecarVariant,
    eip7685::Requests,
};
use alloy_primitives::{Address, B256, U256, keccak256};
use alloy_rpc_types_engine::PayloadId;
use primitives::Block;
use stf::{BlockError, EthereumBuilder, Proposal};

use crate::{
    chain::{Chain, SealedBlock},
    pool::{BlobRules, Pool},
};

/// How long transactions are put into a block.
const FILL_MAX: Duration = Duration::from_millis(800);
/// Bytes of a block's transactions, at most: EIP-7934's 8 MiB less the rest of a block.
const BYTES_MAX: usize = (8 << 20) - (256 << 10);
/// Gas of the least transaction.
const GAS_MIN: u64 = 21_000;

/// What a consensus client wants of a block.
#[derive(Clone, Debug)]
pub(crate) struct Attributes {
    /// Seconds since the Unix epoch.
    pub timestamp: u64,
    pub prev_randao: B256,
    pub fee_recipient: Address,
    /// Since Shanghai.
    pub withdrawals: Option<Withdrawals>,
    /// Since Cancun.
    pub parent_beacon_block_root: Option<B256>,
}

/// A payload that was asked for.
#[derive(Debug)]
pub(super) struct Job {
    pub id: PayloadId,
    pub parent: B256,
    pub attributes: Attributes,
    pub built: Option<Arc<Built>>,
}

/// A finished payload.
#[derive(Debug)]
pub(crate) struct Built {
    pub block: Block,
    /// Wei that the fee recipient gets.
    pub value: U256,
    pub requests: Requests,
    /// The transactions' blobs, in their order.
    pub sidecars: Vec<BlobTransactionSidecarVariant>,
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

/// Makes a block on the head, best-paying transactions first.
pub(super) fn build(
    chain: &Chain,
    pool: &Pool,
    head: &SealedBlock,
    attributes: &Attributes,
) -> Result<Built, BlockError> {
    let state = |error: store::StoreError| BlockError::State(error.to_string());
    let roots = chain.store().head_roots().map_err(state)?;
    let proposal = Proposal {
        timestamp: attributes.timestamp,
        fee_recipient: attributes.fee_recipient,
        gas_limit: head.header().gas_limit,
        prev_randao: attributes.prev_randao,
        extra_data: Default::default(),
        parent_beacon_block_root: attributes.parent_beacon_block_root.unwrap_or_default(),
    };
    let parent_state = chain.store().latest_state().map_err(state)?;
    let mut builder = EthereumBuilder::new(chain.spec(), head.header(), &proposal, parent_state)?;
    let base_fee = builder.header().base_fee_per_gas.unwrap_or_default();
    let rules = BlobRules::at(chain.spec(), attributes.timestamp);
    let mut sidecars = Vec::new();
    let (mut bytes, mut value) = (0_usize, U256::ZERO);
    let deadline = Instant::now() + FILL_MAX;
    let mut best = pool.best();
    while let Some(transaction) = best.next() {
        if builder.gas_left() < GAS_MIN || Instant::now() > deadline {
            break;
        }
        let larger = bytes + transaction.recovered().inner().encode_2718_len();
        // Proofs of the kind that was right before Osaka prove nothing after it.
        let proofs_fit = transaction.sidecar().is_none_or(|sidecar| {
            rules.is_some_and(|rules| rules.cell_proofs == sidecar.is_eip7594())
        });
        if larger > BYTES_MAX || !proofs_fit {
            best.skip_sender();
            continue;
        }
        match builder.execute(transaction.recovered(), &roots) {
            Ok(outcome) => {
                bytes = larger;
                sidecars.extend(transaction.sidecar().cloned());
                let tip = transaction.recovered().effective_tip_per_gas(base_fee);
                value += U256::from(tip.unwrap_or_default()) * U256::from(outcome.gas_used);
            }
            Err(stf::TxRejection::State(error)) => return Err(BlockError::State(error)),
            // It may fit a later block; what never will leaves the pool when its account changes.
            Err(_) => best.skip_sender(),
        }
    }
    let (executed, requests) = builder.finish(attributes.withdrawals.clone(), &roots)?;
    Ok(Built { block: executed.block, value, requests, sidecars })
}
