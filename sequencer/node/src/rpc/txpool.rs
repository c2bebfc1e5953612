//! `txpool_*`, in geth's shapes.

use std::{collections::BTreeMap, sync::Arc};

use alloy_primitives::{Address, U64};
use serde::Serialize;

use super::{Api, convert};
use crate::pool::PoolTransaction;

/// By sender, by decimal nonce.
type BySender<T> = BTreeMap<String, BTreeMap<String, T>>;

/// Two views of the pool.
#[derive(Serialize)]
pub(super) struct PendingQueued<T> {
    pending: T,
    queued: T,
}

impl Api {
    pub(super) fn txpool_status(&self) -> PendingQueued<U64> {
        let status = self.pool.status();
        PendingQueued { pending: U64::from(status.pending), queued: U64::from(status.queued) }
    }

    pub(super) fn txpool_content(&self) -> PendingQueued<BySender<impl Serialize + use<>>> {
        self.by_sender(|transaction| convert::pending_transaction(transaction))
    }

    pub(super) fn txpool_inspect(&self) -> PendingQueued<BySender<impl Serialize + use<>>> {
        self.by_sender(|transaction| convert::inspect_line(transaction))
    }

    pub(super) fn txpool_content_from(
        &self,
        sender: &Address,
    ) -> PendingQueued<BTreeMap<String, impl Serialize + use<>>> {
        let content = self.pool.content(Some(sender));
        let view = |parts: Vec<(Address, Vec<Arc<PoolTransaction>>)>| {
            parts
                .into_iter()
                .flat_map(|(_, transactions)| transactions)
                .map(|transaction| {
                    (transaction.nonce().to_string(), convert::pending_transaction(&transaction))
                })
                .collect::<BTreeMap<_, _>>()
        };
        PendingQueued { pending: view(content.pending), queued: view(content.queued) }
    }

    fn by_sender<T>(&self, show: impl Fn(&PoolTransaction) -> T) -> PendingQueued<BySender<T>> {
        let content = self.pool.content(None);
        let view = |parts: Vec<(Address, Vec<Arc<PoolTransaction>>)>| {
            parts
                .into_iter()
                .map(|(sender, transactions)| {
                    let by_nonce = transactions
                        .iter()
                        .map(|transaction| (transaction.nonce().to_string(), show(transaction)))
                        .collect();
                    (sender.to_string(), by_nonce)
                })
                .collect()
        };
        PendingQueued { pending: view(content.pending), queued: view(content.queued) }
    }
}
