//! Blocks made of the pool's transactions: payloads for a consensus client that proposes, and what a chain
//! that mines by itself grows by.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use alloy_consensus::Transaction as _;
use alloy_eips::{
    eip2718::Encodable2718, eip4895::Withdrawals, eip7594::BlobTransactionSidecarVariant,
    eip7685::Requests,
};
use alloy_primitives::{Address, B256, U256};
use stf::{BlockError, EthereumBuilder, ExecutedBlock, Proposal};

use crate::{
    chain::{Chain, SealedBlock},
    pool::{BestTransactions, BlobRules, PoolTransaction},
};

/// How long transactions are put into a block.
const FILL_MAX: Duration = Duration::from_millis(800);
/// Bytes of a block's transactions, at most: EIP-7934's 8 MiB less the rest of a block.
const BYTES_MAX: usize = (8 << 20) - (256 << 10);
/// Gas of the least transaction.
const GAS_MIN: u64 = 21_000;

/// What whoever proposes wants of a block.
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

/// Where a block's transactions come from.
#[derive(Debug)]
pub(crate) enum Candidates {
    /// The pool, best-paying first.
    Best(BestTransactions),
    /// These, in their order.
    Given(std::vec::IntoIter<Arc<PoolTransaction>>),
}

impl Candidates {
    fn next(&mut self) -> Option<Arc<PoolTransaction>> {
        match self {
            Self::Best(best) => best.next(),
            Self::Given(given) => given.next(),
        }
    }

    /// After one that did not go into the block.
    fn skip_sender(&mut self) {
        if let Self::Best(best) = self {
            best.skip_sender();
        }
    }
}

/// A finished block.
#[derive(Debug)]
pub(crate) struct Built {
    pub executed: ExecutedBlock,
    /// Wei that the fee recipient gets.
    pub value: U256,
    pub requests: Requests,
    /// The transactions' blobs, in their order.
    pub sidecars: Vec<BlobTransactionSidecarVariant>,
}

/// Makes a block on the head of those candidates that fit.
pub(crate) fn build(
    chain: &Chain,
    mut candidates: Candidates,
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
    while let Some(transaction) = candidates.next() {
        if builder.gas_left() < GAS_MIN || Instant::now() > deadline {
            break;
        }
        let larger = bytes + transaction.recovered().inner().encode_2718_len();
        // Proofs of the kind that was right before Osaka prove nothing after it.
        let proofs_fit = transaction.sidecar().is_none_or(|sidecar| {
            rules.is_some_and(|rules| rules.cell_proofs == sidecar.is_eip7594())
        });
        if larger > BYTES_MAX || !proofs_fit {
            candidates.skip_sender();
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
            Err(_) => candidates.skip_sender(),
        }
    }
    let (executed, requests) = builder.finish(attributes.withdrawals.clone(), &roots)?;
    Ok(Built { executed, value, requests, sidecars })
}
