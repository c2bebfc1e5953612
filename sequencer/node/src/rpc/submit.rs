//! `eth_sendRawTransaction` and its waiting form. Signatures are recovered once, off the async
//! threads for batches, all transactions of a batch in parallel.

use std::{sync::Arc, time::Duration};

use alloy_consensus::Transaction;
use alloy_primitives::{Address, B256, Bytes, U64, U256};
use alloy_rpc_types_eth::erc4337::{AccountStorage, TransactionConditional};
use rayon::prelude::*;
use store::{StateView, StoreError};
use tokio::sync::broadcast::error::RecvError;

use super::{
    Api, convert,
    envelope::Request,
    error::{LIMIT_EXCEEDED, RpcError, SYNC_NONCE_GAP, SYNC_TIMEOUT, TRANSACTION_REJECTED},
    params::Params,
};
use crate::{
    error::PoolError,
    pool::{Conditions, Known, KnownStorage, Placement, PoolTransaction, Unmet},
    senders::TOGETHER,
};

/// A decoded and checked transaction, or why it is none.
pub(super) type Prepared = Result<PoolTransaction, PoolError>;

/// Look-ups that one transaction's conditions may cost (op-geth's limit).
const CONDITIONS_COST_MAX: usize = 1_000;
/// Encoded bytes beyond which decoding and recovery leave the async threads even for one call.
pub(super) const INLINE_BYTES_MAX: usize = 8 * 1024;

/// Decodes the batch's raw transactions in parallel; `None` for other calls.
pub(super) async fn prepare_batch(
    api: &Arc<Api>,
    requests: &[Result<Request<'_>, RpcError>],
) -> Vec<Option<Prepared>> {
    let mut places = Vec::new();
    let mut all: Vec<Bytes> = Vec::new();
    let raw = requests.iter().map(|request| {
        let request = request.as_ref().ok()?;
        if request.method != "eth_sendRawTransaction" {
            return None;
        }
        Params::parse(request.params).ok()?.required(0).ok()
    });
    for (place, raw) in raw.enumerate() {
        if let Some(raw) = raw {
            places.push(place);
            all.push(raw);
        }
    }
    if all.len() < 2 {
        return Vec::new();
    }
    let api = Arc::clone(api);
    let prepared = tokio::task::spawn_blocking(move || -> Vec<Prepared> {
        all.par_chunks(TOGETHER).flat_map_iter(|raw| api.pool.decode_all(raw)).collect()
    });
    // Without the head start each call decodes for itself.
    let prepared = prepared.await.unwrap_or_default();
    let mut in_place: Vec<Option<Prepared>> = requests.iter().map(|_| None).collect();
    for (place, prepared) in places.into_iter().zip(prepared) {
        in_place[place] = Some(prepared);
    }
    in_place
}

impl Api {
    /// Decodes one transaction and recovers its sender.
    pub(super) async fn prepare(self: &Arc<Self>, raw: Bytes) -> Result<Prepared, RpcError> {
        if raw.len() <= INLINE_BYTES_MAX {
            return self.decode_gathered(raw).await;
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

    /// `eth_sendRawTransactionConditional`: the conditions must hold at the head, and again when a
    /// block takes the transaction.
    pub(super) fn submit_conditional(
        &self,
        prepared: Prepared,
        conditions: TransactionConditional,
    ) -> Result<B256, RpcError> {
        let conditions = conditions_of(conditions)?;
        let cost = conditions.cost();
        if cost > CONDITIONS_COST_MAX {
            return Err(RpcError::new(
                LIMIT_EXCEEDED,
                format!("conditional cost, {cost}, exceeded max: {CONDITIONS_COST_MAX}"),
            ));
        }
        let head = self.chain.head().map_err(|error| RpcError::internal(&error))?;
        let unmet = |unmet: Unmet| {
            RpcError::new(TRANSACTION_REJECTED, format!("conditions do not hold: {unmet}"))
        };
        conditions.check_block(head.number(), head.header().timestamp).map_err(unmet)?;
        let view = self.chain.store().state_at(head.number());
        let view = view.map_err(|error| RpcError::internal(&error))?;
        conditions
            .check_storage(&Stored(view))
            .map_err(|error| RpcError::internal(&error))?
            .map_err(unmet)?;
        let transaction = prepared?.with_conditions(conditions);
        Ok(self.submit(Ok(transaction))?.0.hash())
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

/// Refuses bounds that nothing can meet.
fn conditions_of(given: TransactionConditional) -> Result<Conditions, RpcError> {
    let crossed = |min: Option<u64>, max: Option<u64>| min.zip(max).is_some_and(|(a, b)| a > b);
    if crossed(given.block_number_min, given.block_number_max)
        || crossed(given.timestamp_min, given.timestamp_max)
    {
        return Err(RpcError::new(
            TRANSACTION_REJECTED,
            "failed conditional validation: a minimum is above its maximum",
        ));
    }
    let known = given.known_accounts.into_iter().map(|(address, storage)| {
        let known = match storage {
            AccountStorage::RootHash(root) => Known::Root(root),
            AccountStorage::Slots(slots) => {
                Known::Slots(slots.into_iter().map(|(at, value)| (at, value.into())).collect())
            }
        };
        (address, known)
    });
    Ok(Conditions {
        known: known.collect(),
        number_min: given.block_number_min,
        number_max: given.block_number_max,
        timestamp_min: given.timestamp_min,
        timestamp_max: given.timestamp_max,
    })
}

/// The head's storage.
struct Stored(StateView);

impl KnownStorage for Stored {
    type Error = StoreError;

    fn slot(&self, address: Address, slot: U256) -> Result<U256, StoreError> {
        self.0.storage(address, slot)
    }

    fn root(&self, address: Address) -> Result<B256, StoreError> {
        self.0.storage_root(address)
    }
}
