//! `eth_sendRawTransaction` and its waiting form. Signatures are recovered once, off the async
//! threads for batches, all transactions of a batch in parallel.

use std::{sync::Arc, time::Duration};

use alloy_consensus::Transaction;
use alloy_primitives::{Bytes, U64, U256};
use rayon::prelude::*;
use tokio::sync::broadcast::error::RecvError;

use super::{
    Api, convert,
    envelope::Request,
    error::{RpcError, SYNC_NONCE_GAP, SYNC_TIMEOUT},
    params::Params,
};
use crate::{
    error::PoolError,
    pool::{Placement, PoolTransaction},
};

/// A decoded and checked transaction, or why it is none.
pub(super) type Prepared = Result<PoolTransaction, PoolError>;

/// Encoded bytes beyond which decoding and recovery leave the async threads even for one call.
const INLINE_BYTES_MAX: usize = 8 * 1024;

/// Decodes the batch's raw transactions in parallel; `None` for other calls.
pub(super) async fn prepare_batch(
    api: &Arc<Api>,
    requests: &[Result<Request<'_>, RpcError>],
) -> Vec<Option<Prepared>> {
    let mut raw: Vec<Option<Bytes>> = requests
        .iter()
        .map(|request| {
            let request = request.as_ref().ok()?;
            if request.method != "eth_sendRawTransaction" {
                return None;
            }
            Params::parse(request.params).ok()?.required(0).ok()
        })
        .collect();
    if raw.iter().flatten().count() < 2 {
        return Vec::new();
    }
    let api = Arc::clone(api);
    let prepared = tokio::task::spawn_blocking(move || {
        raw.par_iter_mut().map(|raw| raw.take().map(|raw| api.pool.decode(&raw))).collect()
    });
    // Without the head start each call decodes for itself.
    prepared.await.unwrap_or_default()
}

impl Api {
    /// Decodes one transaction and recovers its sender.
    pub(super) async fn prepare(self: &Arc<Self>, raw: Bytes) -> Result<Prepared, RpcError> {
        if raw.len() <= INLINE_BYTES_MAX {
            return Ok(self.pool.decode(&raw));
        }
        let api = Arc::clone(self);
        tokio::task::spawn_blocking(move || api.pool.decode(&raw))
            .await
            .map_err(|error| RpcError::internal(&error))
    }

    /// Gives the transaction to the pool.
    pub(super) fn submit(
        &self,
        prepared: Prepared,
    ) -> Result<(Arc<PoolTransaction>, Placement), RpcError> {
        let transaction = prepared?;
        if let Some(cap) = self.config.fee_cap {
            let fee = U256::from(transaction.gas_limit())
                .saturating_mul(U256::from(transaction.recovered().max_fee_per_gas()));
            if fee > U256::from(cap) {
                return Err(PoolError::FeeCap { fee, cap }.into());
            }
        }
        Ok(self.pool.add(transaction, &*self.chain)?)
    }

    /// EIP-7966: the receipt, as soon as the transaction is in the open block.
    pub(super) async fn submit_and_wait(
        &self,
        prepared: Prepared,
        timeout_ms: Option<u64>,
    ) -> Result<convert::RpcReceipt, RpcError> {
        let wait = timeout_ms
            .map_or(self.config.sync_wait_max, Duration::from_millis)
            .min(self.config.sync_wait_max);
        // Before the pool has it, so that its block cannot be missed.
        let mut blocks = self.chain.subscribe();
        let hash = prepared.as_ref().map(PoolTransaction::hash).map_err(Clone::clone)?;
        let mut preconfirmation = self.chain.pending().wait_for(hash);
        let (transaction, placement) = self.submit(prepared)?;
        if let Placement::Queued { next_nonce } = placement
            && next_nonce < transaction.nonce()
        {
            return Err(RpcError::new(
                SYNC_NONCE_GAP,
                format!("nonce gap: expected nonce {next_nonce}, tx nonce {}", transaction.nonce()),
            )
            .with_data(U64::from(next_nonce)));
        }
        let included = async {
            loop {
                tokio::select! {
                    biased;
                    open = &mut preconfirmation.answer => {
                        let open = open.map_err(|_| shutting_down())?;
                        return Ok(convert::preconfirmed_receipt(&open, &hash));
                    }
                    block = blocks.recv() => match block {
                        Ok(block) => {
                            let mut all = block.transactions().iter();
                            if let Some(index) = all.position(|tx| *tx.hash() == hash) {
                                return Ok(convert::rpc_receipt(&block, index));
                            }
                        }
                        Err(RecvError::Lagged(_)) => {
                            if let Some(receipt) = self.receipt_by_hash(hash)? {
                                return Ok(Some(receipt));
                            }
                        }
                        Err(RecvError::Closed) => return Err(shutting_down()),
                    },
                }
            }
        };
        let timed_out = || {
            RpcError::new(
                SYNC_TIMEOUT,
                format!(
                    "the transaction was added to the pool but not included within {} ms",
                    wait.as_millis()
                ),
            )
            .with_data(hash)
        };
        match tokio::time::timeout(wait, included).await {
            Ok(receipt) => receipt?.ok_or_else(timed_out),
            Err(_) => Err(timed_out()),
        }
    }
}

fn shutting_down() -> RpcError {
    RpcError::server("the node is shutting down")
}
