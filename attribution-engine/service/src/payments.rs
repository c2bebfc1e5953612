//! Payments per request on chain: each is taken before its answer is delivered, and when the answer is done the gateway
//! gets its fee and the payer the rest. The gateway is its own x402 facilitator.
//!
//! Nothing is lost in a crash. A payment is journalled before it is brought to the chain; what it paid for is in the
//! ledger, on disk before the answer ends; and everything done afterwards can be done twice: a capture empties the
//! payment, and a refund from the gateway's account is an EIP-3009 authorisation whose nonce follows from the payment's.
//! So after a restart each payment that is not finished is captured if it has a receipt, and given back if not.

use std::{
    collections::{BTreeMap, HashSet},
    path::Path,
    sync::Arc,
    time::Duration,
};

use alloy_primitives::{B256, Bytes, Signature, TxHash, U256, keccak256};
use alloy_provider::DynProvider;
use alloy_rpc_types_eth::Filter;
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use alloy_sol_types::{SolEvent, SolValue};
use parking_lot::Mutex;
use scores::eip712::TransferWithAuthorization;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::{
    calls::{blocking, now},
    chain::{
        Chain, ChainError,
        bindings::{
            payments::IInferencePayments::{self, IInferencePaymentsInstance},
            wopen::WOPEN::{self, WOPENErrors, WOPENInstance},
        },
        call,
    },
    journal::{Journal, JournalError},
    ledger::{CallPayment, Ledger},
    openai::ApiError,
    x402::{Method, Payee, Payment, PaymentError, Quote},
};

/// Payments captured in one transaction; `InferencePayments.BATCH_MAX`.
const BATCH_MAX: usize = 256;

/// Pause between looks at what is to be captured or given back.
const POLL: Duration = Duration::from_secs(1);

/// Seconds between looks for a payment that was not on chain.
const LOOK_AGAIN_S: u64 = 60;

/// Seconds within which the block of a payment that was executed is sealed, unless the sequencer lost it.
const SEALED_WITHIN_S: u64 = 15;

/// Why a payment cannot be taken.
#[derive(Debug, thiserror::Error)]
pub enum TakeError {
    #[error(transparent)]
    Payment(#[from] PaymentError),
    #[error(transparent)]
    Chain(#[from] ChainError),
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error("{0:?}")]
    Task(ApiError),
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Entry {
    /// About to be brought to the chain, for this model and request.
    Begun { payment: Payment, model_id: U256, request_hash: B256 },
    /// Nothing is left to be done for the payment with this id.
    Done(B256),
}

/// A payment that something is left to be done for.
#[derive(Clone)]
struct Open {
    payment: Payment,
    /// What it is for.
    quote: Quote,
    /// Wei to keep, the rest goes back; `None` while the call is running.
    fee: Option<u128>,
    /// Unix seconds at which it was executed, perhaps in a block that is not sealed.
    taken: Option<u64>,
    /// Unix seconds before which the chain need not be asked again.
    look_at: u64,
}

impl Open {
    const fn new(payment: Payment, quote: Quote) -> Self {
        Self { payment, quote, fee: None, taken: None, look_at: 0 }
    }
}

struct Books {
    journal: Journal<Entry>,
    open: BTreeMap<B256, Open>,
    /// Every payment that was ever tried.
    known: HashSet<B256>,
}

/// The payments of one gateway.
pub struct Payments {
    payee: Payee,
    chain: Chain,
    signer: PrivateKeySigner,
    token: WOPENInstance<DynProvider>,
    contract: IInferencePaymentsInstance<DynProvider>,
    books: Mutex<Books>,
}

impl Payments {
    /// Opens the journal in `directory`. `ledger` tells what payments of an earlier run paid for. Reads files.
    pub fn open(
        directory: &Path,
        chain: Chain,
        signer: PrivateKeySigner,
        ledger: &Ledger,
    ) -> Result<Arc<Self>, JournalError> {
        std::fs::create_dir_all(directory)
            .map_err(|source| JournalError::Io { path: directory.to_owned(), source })?;
        let (mut open, mut known) = (BTreeMap::new(), HashSet::new());
        let journal = Journal::open(&directory.join("payments.journal"), |_, entry| match entry {
            Entry::Begun { payment, model_id, request_hash } => {
                let id = payment.id();
                known.insert(id);
                open.insert(id, Open::new(payment, Quote { model_id, request_hash }));
            }
            Entry::Done(id) => {
                open.remove(&id);
            }
        })?;
        for (id, left) in &mut open {
            left.fee = Some(ledger.paid(*id).unwrap_or(0));
        }
        let payee = Payee {
            chain_id: chain.chain_id(),
            gateway: signer.address(),
            contracts: chain.payment_contracts(),
        };
        let books = Mutex::new(Books { journal, open, known });
        let token = WOPEN::new(payee.contracts.wopen, chain.provider().clone());
        let contract = IInferencePayments::new(payee.contracts.payments, chain.provider().clone());
        Ok(Arc::new(Self { payee, chain, signer, token, contract, books }))
    }

    pub const fn payee(&self) -> &Payee {
        &self.payee
    }

    /// Payments that are taken, or may be, and neither captured nor given back.
    pub fn open_count(&self) -> usize {
        self.books.lock().open.len()
    }

    /// Asks the chain whether the payment can be taken.
    pub async fn check(&self, payment: &Payment) -> Result<(), TakeError> {
        payment.check_window(now())?;
        let token = &self.token;
        let (used, balance) = (
            token.authorizationState(payment.payer, payment.nonce),
            token.balanceOf(payment.payer),
        );
        let (used, balance) = tokio::join!(used.call(), balance.call());
        if used.map_err(call("reading an authorisation"))? {
            return Err(PaymentError::Used.into());
        }
        let balance = balance.map_err(call("reading a balance of wrapped OPEN"))?;
        if balance < U256::from(payment.amount) {
            return Err(PaymentError::Balance { balance, paid: payment.amount }.into());
        }
        Ok(())
    }

    /// Brings the payment to the chain and waits until it is executed there. Whatever becomes of the returned right, and of
    /// this future, the payment ends captured or given back.
    pub async fn take(
        self: &Arc<Self>,
        payment: Payment,
        quote: Quote,
    ) -> Result<Taken, TakeError> {
        let (this, begun) = (self.clone(), payment.clone());
        let journalled = blocking(move || this.begin(begun, quote)).await;
        let mut taken = journalled.map_err(TakeError::Task)??;
        taken.transaction = self.bring(&payment, quote).await?;
        metrics::counter!("openledger_gateway_payments_total", "scheme" => payment.method.scheme())
            .increment(1);
        if let Some(open) = self.books.lock().open.get_mut(&taken.id) {
            open.taken = Some(now());
        }
        Ok(taken)
    }

    /// Sends the payment and waits until it is executed, which the node may know before the block is sealed.
    async fn bring(&self, payment: &Payment, quote: Quote) -> Result<TxHash, TakeError> {
        let &Payment { payer, amount, valid_after, valid_before, nonce, .. } = payment;
        let (v, r, s) = parts(&payment.signature).ok_or(PaymentError::Signature(payer))?;
        let what = "taking a payment";
        let request = match payment.method {
            Method::Exact => {
                let transfer = self.token.transferWithAuthorization(
                    payer,
                    self.payee.gateway,
                    U256::from(amount),
                    U256::from(valid_after),
                    U256::from(valid_before),
                    nonce,
                    v,
                    r,
                    s,
                );
                transfer.into_transaction_request()
            }
            Method::Capture => {
                let terms = payment.terms(&self.payee, &quote);
                let terms = IInferencePayments::Terms {
                    payer,
                    gateway: terms.gateway,
                    modelId: terms.model_id,
                    requestHash: terms.request_hash,
                    salt: terms.salt,
                };
                let authorization = IInferencePayments::Authorization {
                    amount,
                    validAfter: U256::from(valid_after),
                    validBefore: U256::from(valid_before),
                    v,
                    r,
                    s,
                };
                self.contract.pay(terms, authorization).into_transaction_request()
            }
        };
        let sent = self.chain.send(what, request).await.map_err(refusal)?;
        let transaction = sent.transaction;
        match self.chain.executed(what, sent).await {
            Ok(_) => Ok(transaction),
            Err(ChainError::Reverted { .. }) => {
                let cause = format!("transaction {transaction} reverted");
                Err(PaymentError::Refused(cause).into())
            }
            Err(error) => Err(error.into()),
        }
    }

    fn begin(self: &Arc<Self>, payment: Payment, quote: Quote) -> Result<Taken, TakeError> {
        let mut books = self.books.lock();
        let id = payment.id();
        if books.known.contains(&id) {
            return Err(PaymentError::Used.into());
        }
        let Quote { model_id, request_hash } = quote;
        books.journal.append(&Entry::Begun { payment: payment.clone(), model_id, request_hash })?;
        books.known.insert(id);
        let taken = Taken {
            payments: self.clone(),
            id,
            method: payment.method,
            amount: payment.amount,
            transaction: TxHash::ZERO,
            fee: 0,
        };
        books.open.insert(id, Open::new(payment, quote));
        Ok(taken)
    }

    fn decide(&self, id: B256, fee: u128) {
        if let Some(open) = self.books.lock().open.get_mut(&id) {
            open.fee = Some(fee);
        }
    }

    /// Captures and gives back until cancelled. The chain's failures are tried again.
    pub async fn run(self: Arc<Self>, cancelled: CancellationToken) {
        while !cancelled.is_cancelled() {
            if let Err(error) = self.settle().await {
                tracing::warn!(%error, "payments are not settled yet; will retry");
            }
            tokio::select! {
                () = cancelled.cancelled() => {}
                // What is decided at the same time goes into one transaction.
                () = tokio::time::sleep(POLL) => {}
            }
        }
    }

    /// Captures or gives back every payment whose call has ended.
    pub async fn settle(self: &Arc<Self>) -> Result<(), TakeError> {
        let asked_at = now();
        let decided: Vec<(Open, u128)> = {
            let books = self.books.lock();
            let open = books.open.values().filter(|open| open.look_at <= asked_at);
            open.filter_map(|open| Some((open.clone(), open.fee?))).collect()
        };
        let (mut captures, mut sent) = (Vec::new(), Vec::new());
        for (open, fee) in decided {
            if !self.is_on_chain(&open, fee).await? {
                continue;
            }
            let payment = open.payment;
            match payment.method {
                Method::Exact => sent.extend(self.send_back(&payment, fee).await?),
                Method::Capture => {
                    let what = "reading a payment";
                    let stored =
                        self.contract.paymentOf(payment.nonce).call().await.map_err(call(what))?;
                    if stored.amount == 0 {
                        self.finish(&payment).await?;
                    } else if fee == 0 || stored.expiry <= asked_at {
                        sent.push(self.refund(&payment, fee).await?);
                    } else {
                        captures.push((payment, fee));
                    }
                }
            }
        }
        for batch in captures.chunks(BATCH_MAX) {
            self.capture(batch).await?;
        }
        for (payment, transaction) in sent {
            self.chain.confirm("giving a payment back", transaction).await?;
            self.finish(&payment).await?;
        }
        Ok(())
    }

    /// Whether the payment is in a sealed block. One that was lost with an unsealed block, or whose transaction was, is
    /// brought again if it is owed; one that can arrive no more is finished.
    async fn is_on_chain(self: &Arc<Self>, open: &Open, fee: u128) -> Result<bool, TakeError> {
        let what = "reading an authorisation";
        let payment = &open.payment;
        let state = self.token.authorizationState(payment.payer, payment.nonce);
        if state.call().await.map_err(call(what))? {
            return Ok(true);
        }
        let (_, time) = self.chain.latest_block().await?;
        if time >= payment.valid_before {
            if fee != 0 {
                self.stand_in(payment, fee).await?;
            }
            self.finish(payment).await?;
            return Ok(false);
        }
        let asked_at = now();
        if open.taken.is_some_and(|taken| asked_at < taken.saturating_add(SEALED_WITHIN_S)) {
            return Ok(false);
        }
        let mut taken = None;
        if fee != 0 {
            match self.bring(payment, open.quote).await {
                Ok(transaction) => {
                    tracing::warn!(payment = %payment.nonce, %transaction, "a payment was brought again");
                    taken = Some(now());
                }
                // Until it expires; then the gateway stands in for it.
                Err(error) => {
                    tracing::warn!(payment = %payment.nonce, %error, "a payment is owed and not on chain");
                }
            }
        }
        if let Some(open) = self.books.lock().open.get_mut(&payment.id()) {
            match taken {
                Some(_) => open.taken = taken,
                None => open.look_at = asked_at.saturating_add(LOOK_AGAIN_S),
            }
        }
        Ok(false)
    }

    /// Funds the epoch of a fee that can be captured no more: it is the gateway's loss, because a receipt without funds
    /// would hold up all that follow. What was to be paid to the gateway's account it funds with its receipts anyway.
    async fn stand_in(&self, payment: &Payment, fee: u128) -> Result<(), TakeError> {
        tracing::error!(payment = %payment.nonce, fee, "a payment was not captured in time");
        if payment.method == Method::Capture {
            self.chain.fund(self.payee.gateway, fee).await?;
        }
        Ok(())
    }

    async fn capture(self: &Arc<Self>, batch: &[(Payment, u128)]) -> Result<(), TakeError> {
        let what = "capturing payments";
        let (ids, amounts) = batch.iter().map(|(payment, fee)| (payment.nonce, *fee)).unzip();
        let capture = self.contract.capture(ids, amounts);
        let sent = self.chain.send(what, capture.into_transaction_request()).await?;
        self.chain.confirm(what, sent.transaction).await?;
        for (payment, _) in batch {
            self.finish(payment).await?;
        }
        Ok(())
    }

    /// Gives back what `InferencePayments` holds.
    async fn refund(
        self: &Arc<Self>,
        payment: &Payment,
        fee: u128,
    ) -> Result<(Payment, TxHash), TakeError> {
        if fee != 0 {
            self.stand_in(payment, fee).await?;
        }
        let refund = self.contract.refund(payment.nonce).into_transaction_request();
        let sent = self.chain.send("refunding a payment", refund).await?;
        Ok((payment.clone(), sent.transaction))
    }

    /// Sends back what is not used of a payment to the gateway's account.
    async fn send_back(
        self: &Arc<Self>,
        payment: &Payment,
        fee: u128,
    ) -> Result<Option<(Payment, TxHash)>, TakeError> {
        let token = &self.token;
        let what = "giving a payment back";
        let rest = payment.amount.saturating_sub(fee);
        let nonce = refund_nonce(payment);
        let gateway = self.payee.gateway;
        let done = token.authorizationState(gateway, nonce).call().await.map_err(call(what))?;
        if rest == 0 || done || !self.arrived(payment).await? {
            self.finish(payment).await?;
            return Ok(None);
        }
        let back = TransferWithAuthorization {
            from: gateway,
            to: payment.payer,
            value: U256::from(rest),
            validAfter: U256::ZERO,
            validBefore: U256::MAX,
            nonce,
        };
        let signed = self.signer.sign_hash_sync(&back.digest(&self.payee.token_domain()));
        let signature = signed.map_err(|error| PaymentError::Refused(error.to_string()))?;
        let (v, r, s) = split(&signature);
        let transfer = token.transferWithAuthorization(
            back.from,
            back.to,
            back.value,
            back.validAfter,
            back.validBefore,
            nonce,
            v,
            r,
            s,
        );
        let sent = self.chain.send(what, transfer.into_transaction_request()).await?;
        Ok(Some((payment.clone(), sent.transaction)))
    }

    /// Whether an authorisation that is used was a transfer: its payer may have cancelled it.
    async fn arrived(&self, payment: &Payment) -> Result<bool, TakeError> {
        if self.books.lock().open.get(&payment.id()).is_some_and(|open| open.taken.is_some()) {
            return Ok(true);
        }
        let used = Filter::new()
            .address(self.payee.contracts.wopen)
            .event_signature(WOPEN::AuthorizationUsed::SIGNATURE_HASH)
            .topic1(payment.payer)
            .topic2(payment.nonce);
        Ok(!self.chain.logs(used, 0).await?.is_empty())
    }

    async fn finish(self: &Arc<Self>, payment: &Payment) -> Result<(), TakeError> {
        let (this, id) = (self.clone(), payment.id());
        let finished = blocking(move || {
            let mut books = this.books.lock();
            books.journal.append(&Entry::Done(id))?;
            books.open.remove(&id);
            Ok::<_, JournalError>(())
        });
        Ok(finished.await.map_err(TakeError::Task)??)
    }
}

/// A payment that is being taken, or is. Dropped, it is given back but for its fee.
pub struct Taken {
    payments: Arc<Payments>,
    pub id: B256,
    pub method: Method,
    /// Wei.
    pub amount: u128,
    pub transaction: TxHash,
    fee: u128,
}

impl Taken {
    /// As the call that it pays for remembers it.
    pub fn in_call(&self) -> CallPayment {
        let Self { id, method, amount, transaction, .. } = *self;
        CallPayment { id, method, amount, transaction }
    }

    /// Keeps `fee` wei of it, at most its amount.
    pub fn keep(mut self, fee: u128) {
        self.fee = fee.min(self.amount);
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.payments.decide(self.id, self.fee);
    }
}

/// The nonce under which the gateway gives a payment back, once.
fn refund_nonce(payment: &Payment) -> B256 {
    keccak256((keccak256("OpenLedger refund"), payment.payer, payment.nonce).abi_encode())
}

fn parts(signature: &Bytes) -> Option<(u8, B256, B256)> {
    Signature::from_raw(signature).ok().map(|signature| split(&signature))
}

fn split(signature: &Signature) -> (u8, B256, B256) {
    (27 + u8::from(signature.v()), signature.r().into(), signature.s().into())
}

/// What the contracts say is the payer's doing; anything else is the gateway's or the node's.
fn refusal(error: ChainError) -> TakeError {
    let ChainError::Call { source, .. } = &error else { return error.into() };
    if source.as_revert_data().is_none() {
        return error.into();
    }
    match source.as_decoded_interface_error::<WOPENErrors>() {
        Some(WOPENErrors::ERC3009UsedAuthorization(_)) => PaymentError::Used.into(),
        Some(known) => PaymentError::Refused(format!("{known:?}")).into(),
        None => PaymentError::Refused(source.to_string()).into(),
    }
}
