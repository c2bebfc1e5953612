//! Attributes answers after they were delivered, one after another in order of their receipts. It picks up where it
//! stopped, so an answer that was delivered before a crash is attributed after it.

use std::{sync::Arc, time::Duration};

use scores::{ModelId, ScoresError, record::AttributionRecord};
use tokio_util::sync::CancellationToken;

use crate::{
    clusters::{CorpusError, TokenCodec},
    epochs::ReceiptSource,
    evidence::{SignedVoucher, StoredReceipt},
    journal::JournalError,
    ledger::{Call, Ledger},
    view::LiveView,
};

/// Pause before a corpus that is not there is asked for again.
const CORPUS_POLL: Duration = Duration::from_millis(500);

/// Why attribution cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum AttributorError {
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error(transparent)]
    Scores(#[from] ScoresError),
    #[error("receipt {receipt}: {source}")]
    Corpus { receipt: u64, source: CorpusError },
    #[error("the worker that attributes panicked")]
    Panicked,
}

/// The attribution task.
pub struct Attributor {
    pub ledger: Arc<Ledger>,
    pub view: Arc<LiveView>,
    pub codec: Arc<dyn TokenCodec>,
}

impl Attributor {
    /// Runs until cancelled.
    pub async fn run(self, cancelled: CancellationToken) -> Result<(), AttributorError> {
        let mut calls = self.ledger.watch_calls();
        loop {
            let number = self.ledger.record_count();
            tokio::select! {
                () = cancelled.cancelled() => return Ok(()),
                waited = calls.wait_for(|count| *count > number) => {
                    if waited.is_err() {
                        return Ok(());
                    }
                }
            }
            let Some(call) = self.ledger.call(number)? else { continue };
            let model = ModelId::try_from(call.receipt.modelId)?;
            let Some(corpus) = self.view.corpus_of(model) else {
                tokio::select! {
                    () = cancelled.cancelled() => return Ok(()),
                    () = tokio::time::sleep(CORPUS_POLL) => continue,
                }
            };
            let (ledger, codec) = (self.ledger.clone(), self.codec.clone());
            let started = std::time::Instant::now();
            let attributed = tokio::task::spawn_blocking(
                move || -> Result<AttributionRecord, AttributorError> {
                    let record = attribute(&corpus, codec.as_ref(), &call);
                    let record = record
                        .map_err(|source| AttributorError::Corpus { receipt: number, source })?;
                    ledger.append_record(&record)?;
                    Ok(record)
                },
            );
            let record = attributed.await.map_err(|_| AttributorError::Panicked)??;
            metrics::histogram!("openledger_attribution_seconds")
                .record(started.elapsed().as_secs_f64());
            metrics::counter!("openledger_attribution_records_total").increment(1);
            tracing::debug!(
                number,
                spans = record.credited().count(),
                residual = record.residual,
                "answer attributed"
            );
        }
    }
}

/// The record of a call.
pub fn attribute(
    corpus: &crate::clusters::Corpus,
    codec: &dyn TokenCodec,
    call: &Call,
) -> Result<AttributionRecord, CorpusError> {
    corpus.record_of(&call.receipt, &call.request, &call.response, codec)
}

impl ReceiptSource for Ledger {
    fn receipts(&self, first: u64, limit: usize) -> Vec<StoredReceipt> {
        let end = first.saturating_add(limit as u64).min(self.record_count());
        let mut receipts = Vec::new();
        for number in first..end {
            match self.stored(number) {
                Ok(Some(stored)) => receipts.push(stored),
                Ok(None) => break,
                Err(error) => {
                    tracing::error!(%error, number, "a receipt cannot be read");
                    break;
                }
            }
        }
        receipts
    }

    fn vouchers(&self) -> Vec<SignedVoucher> {
        Self::vouchers(self)
    }

    fn held(&self, first: u64, count: usize) -> u128 {
        Self::held(self, first, count)
    }
}
