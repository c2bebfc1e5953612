//! What the gateway remembers for ever: every answered call with its signed receipt, and the attribution record of
//! each. Receipt numbers are the positions in the first file, so they are consecutive by construction.

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
    sync::Arc,
    time::Duration,
};

use alloy_primitives::{Address, B256, Bytes, TxHash};
use parking_lot::Mutex;
use scores::{
    eip712::InferenceReceipt,
    exchange::{CanonicalRequest, CanonicalResponse, RetrievedChunk},
    record::AttributionRecord,
};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::{
    evidence::{SignedVoucher, StoredReceipt},
    journal::{Journal, JournalError},
    x402::Method,
};

/// How a client can say that it asks the same thing again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RetryKey {
    /// keccak256 of its `Idempotency-Key`.
    Header(B256),
    /// keccak256 of the request's body, for clients that only count their retries.
    Body(B256),
}

/// An answered call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Call {
    pub receipt: InferenceReceipt,
    /// The gateway's, over the receipt's digest.
    pub signature: Bytes,
    /// The customer's debt under its authorisation including this call, wei; 0 without a voucher.
    pub debt: u128,
    /// Covers at least the debt; `None` for a call that cost nothing.
    pub voucher: Option<SignedVoucher>,
    pub request: CanonicalRequest,
    pub response: CanonicalResponse,
    pub retrieved: Vec<RetrievedChunk>,
    /// keccak256 of the `Idempotency-Key`, if the client sent one.
    pub idempotency: Option<B256>,
    /// keccak256 of the request's body.
    pub body: B256,
    /// How it was paid for, if it was paid for by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment: Option<CallPayment>,
}

/// A payment per request, in its call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CallPayment {
    /// Of the [`Payment`](crate::x402::Payment).
    pub id: B256,
    pub method: Method,
    /// Wei; the receipt's fee is part of it.
    pub amount: u128,
    /// What took it.
    pub transaction: TxHash,
}

impl Call {
    fn retry_keys(&self) -> impl Iterator<Item = RetryKey> {
        self.idempotency.map(RetryKey::Header).into_iter().chain([RetryKey::Body(self.body)])
    }
}

/// What is charged to a customer under one authorisation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Charged {
    pub nonce: u64,
    /// Wei, all calls under this nonce.
    pub total: u128,
    /// The latest voucher; its amount can be above `total` when the customer signs for the worst case.
    pub voucher: Option<SignedVoucher>,
}

#[derive(Default)]
struct Indices {
    charged: HashMap<Address, Charged>,
    by_retry_key: HashMap<(Address, RetryKey), u64>,
    by_hash: HashMap<B256, u64>,
    /// Fees of calls by the payment that each was paid with.
    by_payment: HashMap<B256, u128>,
    /// Fees that were paid to the gateway's account, by receipt.
    held: BTreeMap<u64, u128>,
}

impl Indices {
    fn add(&mut self, call: &Call) {
        let receipt = &call.receipt;
        self.by_hash.insert(receipt.receipt_hash(), receipt.number);
        for key in call.retry_keys() {
            self.by_retry_key.insert((receipt.customer, key), receipt.number);
        }
        if let Some(payment) = &call.payment {
            self.by_payment.insert(payment.id, receipt.fee);
            if payment.method == Method::Exact {
                self.held.insert(receipt.number, receipt.fee);
            }
        }
        if let Some(signed) = &call.voucher {
            let charged = self.charged.entry(receipt.customer).or_default();
            let nonce = signed.voucher.nonce;
            if nonce != charged.nonce {
                *charged = Charged { nonce, ..Default::default() };
            }
            charged.total = call.debt;
            let known = charged.voucher.as_ref().map_or(0, |known| known.voucher.cumulative);
            if signed.voucher.cumulative > known || charged.voucher.is_none() {
                charged.voucher = Some(signed.clone());
            }
        }
    }
}

struct Calls {
    journal: Journal<Call>,
    indices: Indices,
}

/// The gateway's books. Methods that write or read files block.
pub struct Ledger {
    calls: Mutex<Calls>,
    records: Mutex<Journal<AttributionRecord>>,
    call_count: watch::Sender<u64>,
    record_count: watch::Sender<u64>,
}

impl Ledger {
    /// Opens the books in `directory`, creating them if they are absent.
    pub fn open(directory: &Path) -> Result<Arc<Self>, JournalError> {
        std::fs::create_dir_all(directory)
            .map_err(|source| JournalError::Io { path: directory.to_owned(), source })?;
        let mut indices = Indices::default();
        let journal =
            Journal::open(&directory.join("calls.journal"), |_, call: Call| indices.add(&call))?;
        let records =
            Journal::open(&directory.join("records.journal"), |_, _: AttributionRecord| {})?;
        let call_count = watch::Sender::new(journal.len());
        let record_count = watch::Sender::new(records.len());
        let calls = Mutex::new(Calls { journal, indices });
        Ok(Arc::new(Self { calls, records: Mutex::new(records), call_count, record_count }))
    }

    /// Gives the next number to `make` and stores what it returns. Nobody else gets the number meanwhile, and nobody
    /// sees the call before it is on disk.
    pub fn append_call<E: From<JournalError>>(
        &self,
        make: impl FnOnce(u64, &Charges<'_>) -> Result<Call, E>,
    ) -> Result<Call, E> {
        let mut calls = self.calls.lock();
        let call = make(calls.journal.len(), &Charges(&calls.indices))?;
        calls.journal.append(&call)?;
        calls.indices.add(&call);
        self.call_count.send_replace(calls.journal.len());
        Ok(call)
    }

    /// Number of calls, which is the number of the next receipt.
    pub fn call_count(&self) -> u64 {
        *self.call_count.borrow()
    }

    /// The call of receipt `number`.
    pub fn call(&self, number: u64) -> Result<Option<Call>, JournalError> {
        self.calls.lock().journal.get(number)
    }

    /// Receipt number of a receipt hash.
    pub fn number_of(&self, receipt_hash: B256) -> Option<u64> {
        self.calls.lock().indices.by_hash.get(&receipt_hash).copied()
    }

    /// The call that answered the same request of this customer before.
    pub fn retried(&self, customer: Address, key: RetryKey) -> Result<Option<Call>, JournalError> {
        let calls = self.calls.lock();
        match calls.indices.by_retry_key.get(&(customer, key)) {
            Some(number) => calls.journal.get(*number),
            None => Ok(None),
        }
    }

    /// What is charged to a customer under authorisation `nonce`.
    pub fn charged(&self, customer: Address, nonce: u64) -> Charged {
        Charges(&self.calls.lock().indices).of(customer, nonce)
    }

    /// The latest voucher of every customer, for redemption, in order of customer.
    pub fn vouchers(&self) -> Vec<SignedVoucher> {
        let calls = self.calls.lock();
        let mut vouchers: Vec<SignedVoucher> =
            calls.indices.charged.values().filter_map(|c| c.voucher.clone()).collect();
        vouchers.sort_by_key(|signed| signed.voucher.customer);
        vouchers
    }

    /// Fee of the call that a payment was made for; `None` if there is no such call.
    pub fn paid(&self, payment: B256) -> Option<u128> {
        self.calls.lock().indices.by_payment.get(&payment).copied()
    }

    /// Wei of the fees of `count` receipts from `first` on that were paid to the gateway's account.
    pub fn held(&self, first: u64, count: usize) -> u128 {
        let end = first.saturating_add(count as u64);
        self.calls.lock().indices.held.range(first..end).map(|(_, fee)| fee).sum()
    }

    /// Stores the record of the first call that has none yet; returns its receipt's number.
    pub fn append_record(&self, record: &AttributionRecord) -> Result<u64, JournalError> {
        let mut records = self.records.lock();
        let number = records.append(record)?;
        self.record_count.send_replace(records.len());
        Ok(number)
    }

    /// Number of calls that are attributed, which is the number of the first that is not.
    pub fn record_count(&self) -> u64 {
        *self.record_count.borrow()
    }

    /// The attribution record of receipt `number`.
    pub fn record(&self, number: u64) -> Result<Option<AttributionRecord>, JournalError> {
        self.records.lock().get(number)
    }

    /// Receipt `number` with its record, `None` until it is attributed.
    pub fn stored(&self, number: u64) -> Result<Option<StoredReceipt>, JournalError> {
        let (Some(call), Some(record)) = (self.call(number)?, self.record(number)?) else {
            return Ok(None);
        };
        let Call { receipt, signature, request, response, retrieved, .. } = call;
        Ok(Some(StoredReceipt { receipt, signature, request, response, retrieved, record }))
    }

    /// Told whenever a call is stored.
    pub fn watch_calls(&self) -> watch::Receiver<u64> {
        self.call_count.subscribe()
    }

    /// Waits until receipt `number` is attributed, at most `patience`; true if it is.
    pub async fn wait_for_record(&self, number: u64, patience: Duration) -> bool {
        let mut count = self.record_count.subscribe();
        let reached = tokio::time::timeout(patience, count.wait_for(|count| *count > number)).await;
        matches!(reached, Ok(Ok(_)))
    }
}

/// What is charged so far, while a call is being added.
pub struct Charges<'a>(&'a Indices);

impl Charges<'_> {
    pub fn of(&self, customer: Address, nonce: u64) -> Charged {
        let charged = self.0.charged.get(&customer).filter(|charged| charged.nonce == nonce);
        charged.cloned().unwrap_or(Charged { nonce, ..Default::default() })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use alloy_primitives::U256;
    use scores::eip712::Voucher;

    use super::*;

    /// A call of `fee` wei by customer 0x01…01 under authorisation `nonce`.
    pub(crate) fn call(number: u64, fee: u128, nonce: u64, cumulative: u128) -> Call {
        let customer = Address::repeat_byte(1);
        let gateway = Address::repeat_byte(2);
        Call {
            receipt: InferenceReceipt {
                number,
                modelId: U256::from(1),
                customer,
                gateway,
                requestHash: B256::ZERO,
                responseHash: B256::ZERO,
                tokensIn: 1,
                tokensOut: 2,
                fee,
                timestamp: 3,
                engineSpecHash: B256::ZERO,
                adapterSetHash: B256::ZERO,
                retrievalRoot: B256::ZERO,
            },
            signature: Bytes::new(),
            debt: cumulative,
            voucher: Some(SignedVoucher {
                voucher: Voucher { customer, gateway, nonce, cumulative },
                signature: Bytes::new(),
            }),
            request: CanonicalRequest {
                version: 1,
                modelId: U256::from(1),
                messages: vec![],
                maxTokens: 1,
                temperatureMillionths: 0,
                topPMillionths: 0,
                seed: 0,
                stop: vec![],
            },
            response: CanonicalResponse {
                version: 1,
                tokens: vec![1, 2],
                text: "x".into(),
                finishReason: "stop".into(),
            },
            retrieved: vec![],
            idempotency: Some(B256::repeat_byte(9)),
            body: B256::repeat_byte(8),
            payment: None,
        }
    }

    fn append(ledger: &Ledger, fee: u128, nonce: u64) -> Call {
        let result = ledger.append_call::<JournalError>(|number, charges| {
            let total = charges.of(Address::repeat_byte(1), nonce).total;
            Ok(call(number, fee, nonce, total + fee))
        });
        result.unwrap()
    }

    #[test]
    fn numbers_debts_and_keys_survive_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let customer = Address::repeat_byte(1);
        let huge = u128::from(u64::MAX) * 1_000;
        {
            let ledger = Ledger::open(dir.path()).unwrap();
            assert_eq!(append(&ledger, huge, 1).receipt.number, 0);
            assert_eq!(append(&ledger, 5, 1).receipt.number, 1);
        }
        let ledger = Ledger::open(dir.path()).unwrap();
        assert_eq!(ledger.call_count(), 2);
        assert_eq!(ledger.charged(customer, 1).total, huge + 5);
        assert_eq!(ledger.vouchers().len(), 1);
        assert_eq!(ledger.vouchers()[0].voucher.cumulative, huge + 5);
        let again =
            ledger.retried(customer, RetryKey::Header(B256::repeat_byte(9))).unwrap().unwrap();
        assert_eq!(again.receipt.number, 1);
        assert_eq!(ledger.number_of(again.receipt.receipt_hash()), Some(1));
        assert_eq!(append(&ledger, 5, 1).receipt.number, 2);
    }

    #[test]
    fn a_new_authorisation_starts_at_zero() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(dir.path()).unwrap();
        append(&ledger, 5, 1);
        append(&ledger, 7, 2);
        let customer = Address::repeat_byte(1);
        assert_eq!(ledger.charged(customer, 2).total, 7);
        assert_eq!(ledger.charged(customer, 1).total, 0);
        assert_eq!(ledger.vouchers()[0].voucher.nonce, 2);
    }

    #[test]
    fn a_refused_call_takes_no_number() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(dir.path()).unwrap();
        #[derive(Debug)]
        struct Refused;
        impl From<JournalError> for Refused {
            fn from(_: JournalError) -> Self {
                Refused
            }
        }
        assert!(ledger.append_call(|_, _| Err(Refused)).is_err());
        assert_eq!(append(&ledger, 1, 1).receipt.number, 0);
    }
}
