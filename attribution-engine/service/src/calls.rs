//! One inference call from admission to receipt: retry detection, retrieval, reservation, generation, and the signed,
//! stored receipt before the answer ends.

use std::{
    collections::HashSet,
    ops::ControlFlow,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use alloy_primitives::{Address, B256, Bytes};
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use alloy_sol_types::Eip712Domain;
use axum::http::StatusCode;
use models::{
    ChatMessage, Completion, Event, FinishReason, GenerateRequest, LanguageModel, ModelError,
    SamplingParams, TokenId,
};
use parking_lot::Mutex;
use scores::{
    eip712::{InferenceReceipt, Voucher, escrow_domain, settlement_domain},
    epoch::fee,
    exchange::{
        CanonicalMessage, CanonicalRequest, CanonicalResponse, EXCHANGE_VERSION, RetrievedChunk,
        retrieval_root,
    },
    spec::EngineSpec,
};
use tokio::sync::{
    Semaphore,
    mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
};

use crate::{
    api_keys::{ApiKeyError, ApiKeyHolder},
    chain::{Authorization, Contracts},
    charging::{Accounts, ChargeError, Reservation, Terms},
    clusters::{RetrievedText, retrieval_query},
    evidence::SignedVoucher,
    journal::JournalError,
    ledger::{Call, CallPayment, Ledger, RetryKey},
    openai::{ApiError, Asked, Envelope, Kind, X402},
    payments::{Payments, TakeError, Taken},
    ports::{ChainView, ServedModel},
    prompt::{OPENING, with_passages},
    x402::{Payment, Quote},
};

/// Callers without a payment that are told the price at the same time.
const QUOTES_MAX: usize = 8;

/// What a gateway is told.
#[derive(Clone, Debug)]
pub struct GatewayConfig {
    pub chain_id: u64,
    pub contracts: Contracts,
    /// Answer length when the client asks for none, tokens.
    pub completion_tokens_default: u32,
    /// Longest answer, tokens; a longer wish is cut to it.
    pub completion_tokens_max: u32,
    /// Prompt tokens up to which retrieved passages are added.
    pub retrieval_prompt_tokens_max: usize,
    /// An authorisation must be valid for so many seconds more.
    pub authorization_margin_s: u64,
}

impl GatewayConfig {
    /// The usual limits for a chain.
    pub fn new(chain_id: u64, contracts: Contracts) -> Self {
        Self {
            chain_id,
            contracts,
            completion_tokens_default: 128,
            completion_tokens_max: 1_024,
            retrieval_prompt_tokens_max: 1_024,
            authorization_margin_s: 60,
        }
    }
}

/// Answers calls.
pub struct Gateway {
    pub config: GatewayConfig,
    pub model: Arc<dyn LanguageModel>,
    pub chain: Arc<dyn ChainView>,
    pub ledger: Arc<Ledger>,
    /// What answers are attributed by.
    pub spec: EngineSpec,
    signer: PrivateKeySigner,
    accounts: Arc<Accounts>,
    terms: Terms,
    receipts: Eip712Domain,
    /// Takes payments per request, where they are accepted.
    payments: Option<Arc<Payments>>,
    /// How many callers without a payment may be told the price at the same time.
    quotes: Semaphore,
    /// Requests that are being answered, so that a retry does not start a second answer.
    running: Arc<Mutex<HashSet<(Address, RetryKey)>>>,
}

/// How a caller pays.
#[derive(Clone, Debug)]
pub enum Means {
    /// Under an authorisation in the escrow.
    Account,
    /// For this request alone.
    Payment(Payment),
    /// Not yet: it is told what to pay.
    Nothing,
}

/// Who calls, and what the request's headers say.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Zero if nobody pays.
    pub customer: Address,
    pub means: Means,
    /// URL of the request.
    pub resource: String,
    /// keccak256 of the `Idempotency-Key`.
    pub idempotency: Option<B256>,
    /// The client says that it sent the same request before.
    pub is_retry: bool,
    /// The `x-openledger-voucher` header.
    pub voucher: Option<String>,
    /// keccak256 of the body.
    pub body: B256,
}

/// An admitted call.
pub enum Admitted {
    /// The same request was answered before; nothing is charged.
    Replayed(Box<Call>),
    Running {
        envelope: Envelope,
        updates: UnboundedReceiver<Update>,
        payment: Option<CallPayment>,
    },
}

/// What becomes of a running call: any number of `Text`, then one of the others.
#[derive(Debug)]
pub enum Update {
    Text(String),
    Done(Box<Call>),
    Failed(ApiError),
}

/// Everything needed to finish a call.
struct Job {
    caller: Caller,
    served: ServedModel,
    request: CanonicalRequest,
    retrieved: Vec<RetrievedChunk>,
    funding: Funding,
    stream: bool,
    _running: RunningGuard,
}

/// Where the money for a call comes from.
enum Funding {
    Free,
    Escrow(Reservation),
    Payment(Taken),
}

/// A checked request with its price.
struct Prepared {
    served: ServedModel,
    request: CanonicalRequest,
    job: GenerateRequest,
    passages: Vec<RetrievedText>,
    /// What the call costs at most, wei.
    worst: u128,
}

impl Prepared {
    fn quote(&self) -> Quote {
        Quote { model_id: self.request.modelId, request_hash: self.request.hash() }
    }
}

/// Keeps retries of a running request out.
struct RunningGuard {
    running: Arc<Mutex<HashSet<(Address, RetryKey)>>>,
    keys: Vec<(Address, RetryKey)>,
}

impl Drop for RunningGuard {
    fn drop(&mut self) {
        let mut running = self.running.lock();
        for key in &self.keys {
            running.remove(key);
        }
    }
}

/// Why a finished answer has no receipt.
#[derive(Debug, thiserror::Error)]
enum SettleError {
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error(transparent)]
    Sign(#[from] alloy_signer::Error),
    #[error(transparent)]
    Scores(#[from] scores::ScoresError),
    #[error("{0} does not fit 32 bits")]
    TooMany(&'static str),
}

impl Gateway {
    pub fn new(
        config: GatewayConfig,
        model: Arc<dyn LanguageModel>,
        chain: Arc<dyn ChainView>,
        ledger: Arc<Ledger>,
        spec: EngineSpec,
        signer: PrivateKeySigner,
    ) -> Self {
        let terms = Terms {
            gateway: signer.address(),
            escrow: escrow_domain(config.chain_id, config.contracts.escrow),
            margin_s: config.authorization_margin_s,
        };
        let receipts = settlement_domain(config.chain_id, config.contracts.settlement);
        Self {
            config,
            model,
            chain,
            ledger,
            spec,
            signer,
            accounts: Arc::default(),
            terms,
            receipts,
            payments: None,
            quotes: Semaphore::new(QUOTES_MAX),
            running: Arc::default(),
        }
    }

    /// Accepts payments per request.
    pub fn with_payments(mut self, payments: Arc<Payments>) -> Self {
        self.payments = Some(payments);
        self
    }

    /// Payments per request, if they are accepted.
    pub fn payments(&self) -> Option<&Arc<Payments>> {
        self.payments.as_ref()
    }

    /// The gateway's own address.
    pub fn address(&self) -> Address {
        self.terms.gateway
    }

    /// Checks a request, reserves its worst case and starts the answer.
    pub async fn admit(
        self: &Arc<Self>,
        caller: Caller,
        asked: Asked,
    ) -> Result<Admitted, ApiError> {
        let Some(served) = self.chain.models().get(&asked.model).cloned() else {
            let message =
                format!("the model `{}` does not exist or is not served here", asked.model);
            return Err(ApiError {
                param: Some("model"),
                ..ApiError::not_found("model_not_found", message)
            });
        };
        if matches!(caller.means, Means::Nothing) {
            return Err(self.quote(&caller, &asked, served).await?);
        }
        let guard = match self.claim(&caller).await? {
            Claim::Answered(call) => return Ok(Admitted::Replayed(call)),
            Claim::New(guard) => guard,
        };
        let prepared = self.prepare(&caller, &asked, served).await?;
        let quote = prepared.quote();
        let Prepared { served, request, job, passages, worst } = prepared;
        let reservation = match &caller.means {
            _ if worst == 0 => None,
            Means::Payment(payment) => {
                self.check_payment(&caller, payment, quote, worst).await?;
                None
            }
            _ => Some(self.reserve(&caller, worst).await?),
        };

        let (updates, receiver) = unbounded_channel();
        let (events, heard) = unbounded_channel();
        let listening = updates.clone();
        let sink = Box::new(move |event| {
            // Both channels are bounded by the length of the answer. A client that hung up dropped its receiver.
            let heard = events.send(event).is_ok();
            if heard && !listening.is_closed() {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        });
        self.model.submit(job, sink).map_err(model_error)?;
        // The answer begins while the payment is on its way, and is delivered once it is there. Without it nobody hears
        // the model any more, and it stops.
        let funding = match (reservation, &caller.means) {
            (Some(reservation), _) => Funding::Escrow(reservation),
            (None, Means::Payment(payment)) if worst != 0 => {
                Funding::Payment(self.take_payment(&caller, payment, quote, worst).await?)
            }
            _ => Funding::Free,
        };
        let payment = match &funding {
            Funding::Payment(taken) => Some(taken.in_call()),
            _ => None,
        };
        let created = now();
        let id =
            format!("{}{:016x}{:016x}", asked.kind.id_prefix(), created, rand::random::<u64>());
        let envelope = Envelope { kind: asked.kind, id, created, model: asked.model };
        let retrieved = passages.into_iter().map(|passage| passage.reference).collect();
        let job = Job {
            caller,
            served,
            request,
            retrieved,
            funding,
            stream: asked.stream,
            _running: guard,
        };
        tokio::spawn(self.clone().drive(job, heard, updates));
        Ok(Admitted::Running { envelope, updates: receiver, payment })
    }

    /// Composes the prompt and says what the call costs at most.
    async fn prepare(
        self: &Arc<Self>,
        caller: &Caller,
        asked: &Asked,
        served: ServedModel,
    ) -> Result<Prepared, ApiError> {
        let request = self.canonical(caller, asked, &served);
        let (prompt, passages) = self.compose(asked, &served, &request).await?;
        let context = self.model.context();
        let max_tokens = match asked.max_tokens {
            Some(wish) => wish.min(self.config.completion_tokens_max),
            // Whatever room there is, at least one token: a prompt that fills the context is refused below.
            None => {
                let room = u32::try_from(context.saturating_sub(prompt.len())).unwrap_or(u32::MAX);
                self.config.completion_tokens_default.min(room).max(1)
            }
        };
        let request = CanonicalRequest { maxTokens: max_tokens, ..request };
        let job = GenerateRequest {
            prompt,
            max_tokens: max_tokens as usize,
            sampling: SamplingParams {
                temperature: request.temperatureMillionths as f32 / 1e6,
                top_p: request.topPMillionths as f32 / 1e6,
                seed: request.seed,
            },
            stop: request.stop.clone(),
        };
        job.check(context).map_err(model_error)?;
        let tokens_in = u32::try_from(job.prompt.len()).map_err(ApiError::internal)?;
        let (price_in, price_out) = (served.model.price_1k_in, served.model.price_1k_out);
        let worst = fee(tokens_in, max_tokens, price_in, price_out).map_err(ApiError::internal)?;
        Ok(Prepared { served, request, job, passages, worst })
    }

    /// The answer to a request that nobody pays for: what to pay.
    async fn quote(
        self: &Arc<Self>,
        caller: &Caller,
        asked: &Asked,
        served: ServedModel,
    ) -> Result<ApiError, ApiError> {
        let busy = || {
            let message = "too many requests without payment; ask again";
            let kind = "rate_limit_error";
            let busy = ApiError::new(StatusCode::TOO_MANY_REQUESTS, kind, "quotes_busy", message);
            ApiError { retry_after: Some(1), ..busy }
        };
        let _permit = self.quotes.try_acquire().map_err(|_| busy())?;
        let prepared = self.prepare(caller, asked, served).await?;
        // A call that costs nothing cannot be paid for: it takes a key.
        let payments = self.payments.as_ref().filter(|_| prepared.worst != 0);
        let Some(payments) = payments else { return Ok(ApiError::key(ApiKeyError::Missing)) };
        let message = "no payment: send an x402 payment for one of `accepts`, or an API key as \
                       `Authorization: Bearer ol-…`";
        let error = ApiError::payment("payment_required", message);
        let required = payments.payee().required(
            &prepared.quote(),
            prepared.worst,
            &caller.resource,
            "payment required",
        );
        let x402 = X402 { required: Some(required), response: None };
        Ok(ApiError { x402: Some(Box::new(x402)), ..error })
    }

    /// Whether a payment is for this request, enough, and can be taken, as far as can be told before.
    async fn check_payment(
        &self,
        caller: &Caller,
        payment: &Payment,
        quote: Quote,
        worst: u128,
    ) -> Result<(), ApiError> {
        let payments = self.payments.as_ref().ok_or_else(|| ApiError::internal("no payments"))?;
        let checked = match payment.check_request(payments.payee(), &quote, worst) {
            Ok(()) => payments.check(payment).await,
            Err(error) => Err(error.into()),
        };
        checked.map_err(|error| unpaid(payments, caller, payment, quote, worst, error))
    }

    async fn take_payment(
        &self,
        caller: &Caller,
        payment: &Payment,
        quote: Quote,
        worst: u128,
    ) -> Result<Taken, ApiError> {
        let payments = self.payments.as_ref().ok_or_else(|| ApiError::internal("no payments"))?;
        let taken = payments.take(payment.clone(), quote).await;
        taken.map_err(|error| unpaid(payments, caller, payment, quote, worst, error))
    }

    /// Finds an earlier answer to the same request, or makes this one the request's only one.
    async fn claim(self: &Arc<Self>, caller: &Caller) -> Result<Claim, ApiError> {
        let body = RetryKey::Body(caller.body);
        let asked_before = match caller.idempotency {
            Some(hash) => Some(RetryKey::Header(hash)),
            None => caller.is_retry.then_some(body),
        };
        // The running one is looked for first: an answer is stored before it stops running.
        let keys = [caller.idempotency.map(RetryKey::Header), Some(body)].into_iter().flatten();
        let keys: Vec<_> = keys.map(|key| (caller.customer, key)).collect();
        let guard = {
            let mut running = self.running.lock();
            if let Some(key) = asked_before
                && running.contains(&(caller.customer, key))
            {
                let message = "the same request is being answered; ask again when it is done";
                let conflict = ApiError::new(
                    StatusCode::CONFLICT,
                    "invalid_request_error",
                    "request_in_progress",
                    message,
                );
                return Err(ApiError { retry_after: Some(1), ..conflict });
            }
            // Equal bodies may run side by side when nobody says that they are one request: the first of them holds the key.
            let keys = keys.into_iter().filter(|key| running.insert(*key)).collect();
            RunningGuard { running: self.running.clone(), keys }
        };
        let Some(key) = asked_before else { return Ok(Claim::New(guard)) };
        let (ledger, customer) = (self.ledger.clone(), caller.customer);
        let before =
            blocking(move || ledger.retried(customer, key)).await?.map_err(ApiError::internal)?;
        match before {
            None => Ok(Claim::New(guard)),
            Some(call) if call.body == caller.body => Ok(Claim::Answered(Box::new(call))),
            Some(_) if matches!(caller.means, Means::Payment(_)) => {
                Err(ApiError::payment("payment_used", "the payment was used for another request"))
            }
            Some(_) => {
                let message = "the Idempotency-Key was used for another request";
                Err(ApiError::invalid("idempotency_key_reused", None, message))
            }
        }
    }

    /// The request as it is hashed; its answer length is filled in later.
    fn canonical(&self, caller: &Caller, asked: &Asked, served: &ServedModel) -> CanonicalRequest {
        let messages = asked.messages.iter().map(|message| CanonicalMessage {
            role: match asked.kind {
                Kind::Chat => message.role.as_str().to_owned(),
                Kind::Completion => String::new(),
            },
            content: message.content.clone(),
        });
        let seed = match asked.temperature_millionths {
            0 => asked.seed.unwrap_or(0),
            _ => asked.seed.unwrap_or_else(|| match caller.means {
                Means::Account => rand::random(),
                // What a payment is signed for must be the same when the request comes again with it.
                _ => u64::from_be_bytes(caller.body.0[..8].try_into().unwrap_or_default()),
            }),
        };
        CanonicalRequest {
            version: EXCHANGE_VERSION,
            modelId: served.model.id.to_u256(),
            messages: messages.collect(),
            maxTokens: 0,
            temperatureMillionths: asked.temperature_millionths,
            topPMillionths: asked.top_p_millionths,
            seed,
            stop: asked.stop.clone(),
        }
    }

    /// The prompt's tokens and the passages in it. Passages are left out, worst first, until the prompt is short enough;
    /// the customer's own words are never cut.
    async fn compose(
        self: &Arc<Self>,
        asked: &Asked,
        served: &ServedModel,
        request: &CanonicalRequest,
    ) -> Result<(Vec<TokenId>, Vec<RetrievedText>), ApiError> {
        let corpus = match &served.corpus {
            Ok(corpus) => corpus.clone(),
            Err(reason) => {
                return Err(ApiError::unavailable(
                    "model_not_ready",
                    format!("the model cannot answer yet: {reason}"),
                ));
            }
        };
        let limit = match asked.kind {
            Kind::Chat => usize::from(served.model.retrieval_chunks),
            Kind::Completion => 0,
        };
        let (model, kind, messages) = (self.model.clone(), asked.kind, asked.messages.clone());
        let question = retrieval_query(request).to_owned();
        let (room, enough) = (self.model.context(), self.config.retrieval_prompt_tokens_max);
        let answer = asked
            .max_tokens
            .unwrap_or(self.config.completion_tokens_default)
            .min(self.config.completion_tokens_max);
        let composed = blocking(move || {
            let plain = tokenise(model.as_ref(), kind, &messages)?;
            if plain.len().saturating_add(answer as usize) > room || limit == 0 {
                return Ok((plain, Vec::new()));
            }
            let mut passages = corpus.retrieve(&question, limit);
            while !passages.is_empty() {
                let mut prompt =
                    tokenise(model.as_ref(), kind, &with_passages(&messages, &passages))?;
                prompt.extend(model.encode(OPENING)?);
                if prompt.len() <= enough.max(plain.len())
                    && prompt.len().saturating_add(answer as usize) <= room
                {
                    return Ok((prompt, passages));
                }
                passages.pop();
            }
            Ok((plain, passages))
        });
        composed.await?.map_err(model_error)
    }

    /// Whether a key's signer may call as its customer: if it signs the customer's vouchers.
    pub async fn check_delegate(&self, holder: ApiKeyHolder) -> Result<(), ApiError> {
        let authorization = self.authorization(holder.customer).await?;
        let live = authorization.nonce != 0 && authorization.expiry > now();
        match live && authorization.signer == holder.signer {
            true => Ok(()),
            false => Err(ApiError::key(ApiKeyError::WrongSignature)),
        }
    }

    async fn authorization(&self, customer: Address) -> Result<Authorization, ApiError> {
        self.chain.authorization(customer).await.map_err(|cause| {
            tracing::warn!(%cause, "the chain does not answer");
            ApiError::unavailable(
                "chain_unavailable",
                "the gateway cannot read the chain at the moment",
            )
        })
    }

    async fn reserve(&self, caller: &Caller, worst: u128) -> Result<Reservation, ApiError> {
        let authorization = self.authorization(caller.customer).await?;
        let charged = || self.ledger.charged(caller.customer, authorization.nonce);
        let voucher = caller.voucher.as_deref();
        let reserved = self.accounts.reserve(
            &self.terms,
            caller.customer,
            authorization,
            worst,
            now(),
            voucher,
            charged,
        );
        reserved.map_err(|error| {
            let code = match error {
                ChargeError::Unauthorised { .. } => "authorization_missing",
                ChargeError::Expiring { .. } => "authorization_expiring",
                ChargeError::Exhausted { .. } => "escrow_exhausted",
                ChargeError::VoucherMissing { .. } => "voucher_required",
                ChargeError::VoucherSignature { .. } | ChargeError::VoucherMalformed => {
                    "voucher_invalid"
                }
            };
            ApiError::payment(code, error.to_string())
        })
    }

    /// Passes the answer on and settles it.
    async fn drive(
        self: Arc<Self>,
        job: Job,
        mut events: UnboundedReceiver<Event>,
        updates: UnboundedSender<Update>,
    ) {
        while let Some(event) = events.recv().await {
            match event {
                Event::Prefilled(_) => {}
                Event::Text(text) => {
                    let _ = updates.send(Update::Text(text));
                }
                Event::Failed(error) => {
                    let _ = updates.send(Update::Failed(model_error(error)));
                    return;
                }
                Event::Finished(completion) => {
                    observe(&completion);
                    // Whoever hangs up pays for what was streamed until then; without streaming nothing was delivered.
                    if completion.finish == FinishReason::Cancelled
                        && (!job.stream || completion.tokens.is_empty())
                    {
                        return;
                    }
                    let settled = blocking(move || self.settle(job, completion)).await;
                    let update = match settled {
                        Ok(Ok(call)) => Update::Done(Box::new(call)),
                        Ok(Err(error)) => Update::Failed(ApiError::internal(error)),
                        Err(error) => Update::Failed(error),
                    };
                    let _ = updates.send(update);
                    return;
                }
            }
        }
        let _ = updates.send(Update::Failed(model_error(ModelError::Stopped)));
    }

    /// Signs and stores the receipt; the call is on disk when this returns.
    fn settle(&self, job: Job, completion: Completion) -> Result<Call, SettleError> {
        let Job { caller, served, request, retrieved, funding, .. } = &job;
        let tokens_in = u32::try_from(completion.prompt_tokens)
            .map_err(|_| SettleError::TooMany("prompt tokens"))?;
        let tokens_out = u32::try_from(completion.tokens.len())
            .map_err(|_| SettleError::TooMany("answer tokens"))?;
        let fee = fee(tokens_in, tokens_out, served.model.price_1k_in, served.model.price_1k_out)?;
        // What was generated, which is what is paid for: an answer cut at a stop string was longer than what was delivered.
        let text = self.model.decode(&completion.tokens);
        let response = CanonicalResponse {
            version: EXCHANGE_VERSION,
            tokens: completion.tokens,
            text,
            finishReason: finish_reason(completion.finish).to_owned(),
        };
        let retrieval_root = retrieval_root(retrieved)?;
        let call = self.ledger.append_call::<SettleError>(|number, charges| {
            let (debt, voucher) = match funding {
                Funding::Free | Funding::Payment(_) => (0, None),
                Funding::Escrow(reservation) => {
                    let charged = charges
                        .of(caller.customer, reservation.nonce)
                        .total
                        .max(reservation.redeemed);
                    let debt = charged.saturating_add(fee);
                    (debt, Some(self.voucher(reservation, debt)?))
                }
            };
            let receipt = InferenceReceipt {
                number,
                modelId: served.model.id.to_u256(),
                customer: caller.customer,
                gateway: self.address(),
                requestHash: request.hash(),
                responseHash: response.hash(),
                tokensIn: tokens_in,
                tokensOut: tokens_out,
                fee,
                timestamp: now(),
                engineSpecHash: served.model.engine_spec_hash,
                adapterSetHash: served.model.adapter_set_hash,
                retrievalRoot: retrieval_root,
            };
            let signature = self.sign(receipt.digest(&self.receipts))?;
            Ok(Call {
                receipt,
                signature,
                debt,
                voucher,
                request: request.clone(),
                response,
                retrieved: retrieved.clone(),
                idempotency: caller.idempotency,
                body: caller.body,
                payment: match funding {
                    Funding::Payment(taken) => Some(taken.in_call()),
                    _ => None,
                },
            })
        })?;
        if let Funding::Payment(taken) = job.funding {
            taken.keep(fee);
        }
        metrics::counter!("openledger_gateway_receipts_total").increment(1);
        Ok(call)
    }

    /// The customer's voucher, or the gateway's own for the debt.
    fn voucher(&self, reservation: &Reservation, debt: u128) -> Result<SignedVoucher, SettleError> {
        if let Some(voucher) = &reservation.voucher {
            return Ok(voucher.clone());
        }
        let voucher = Voucher {
            customer: reservation.customer,
            gateway: self.address(),
            nonce: reservation.nonce,
            cumulative: debt,
        };
        let signature = self.sign(voucher.digest(&self.terms.escrow))?;
        Ok(SignedVoucher { voucher, signature })
    }

    fn sign(&self, digest: B256) -> Result<Bytes, SettleError> {
        Ok(Bytes::from(self.signer.sign_hash_sync(&digest)?.as_bytes().to_vec()))
    }
}

/// What a client is given of a response: its text up to the first stop string.
pub fn delivered<'a>(request: &CanonicalRequest, response: &'a CanonicalResponse) -> &'a str {
    let stop = request.stop.iter().filter_map(|stop| response.text.find(stop.as_str())).min();
    stop.map_or(&response.text, |at| &response.text[..at])
}

/// A payment that was not taken, with what would be.
fn unpaid(
    payments: &Payments,
    caller: &Caller,
    payment: &Payment,
    quote: Quote,
    worst: u128,
    error: TakeError,
) -> ApiError {
    let error = match error {
        TakeError::Payment(error) => error,
        TakeError::Chain(error) => {
            tracing::warn!(%error, "a payment cannot be taken");
            let message = "the gateway cannot reach the chain at the moment; the payment was not used, or will be \
                           given back";
            return ApiError::unavailable("chain_unavailable", message);
        }
        TakeError::Journal(error) => return ApiError::internal(error),
        TakeError::Task(error) => return error,
    };
    let (code, reason) = error.codes();
    let payee = payments.payee();
    let required = payee.required(&quote, worst, &caller.resource, reason);
    let response = payee.response(payment.payer, Err(reason));
    let x402 = X402 { required: Some(required), response: Some(response) };
    ApiError { x402: Some(Box::new(x402)), ..ApiError::payment(code, error.to_string()) }
}

enum Claim {
    Answered(Box<Call>),
    New(RunningGuard),
}

/// How a canonical response names the reason.
fn finish_reason(finish: FinishReason) -> &'static str {
    match finish {
        FinishReason::Stop => "stop",
        FinishReason::Length => "length",
        FinishReason::Cancelled => "cancelled",
    }
}

fn tokenise(
    model: &dyn LanguageModel,
    kind: Kind,
    messages: &[ChatMessage],
) -> Result<Vec<TokenId>, ModelError> {
    match kind {
        Kind::Chat => model.encode_chat(messages),
        Kind::Completion => {
            let texts: Vec<&str> =
                messages.iter().map(|message| message.content.as_str()).collect();
            model.encode(&texts.concat())
        }
    }
}

fn model_error(error: ModelError) -> ApiError {
    match error {
        ModelError::EmptyPrompt => {
            ApiError::invalid("empty_prompt", Some("messages"), error.to_string())
        }
        ModelError::ContextExceeded { .. } => {
            ApiError::invalid("context_length_exceeded", Some("messages"), error.to_string())
        }
        ModelError::Parameter { name, .. } => {
            ApiError::invalid("invalid_value", Some(name), error.to_string())
        }
        ModelError::Template(_) => {
            ApiError::invalid("invalid_messages", Some("messages"), error.to_string())
        }
        ModelError::QueueFull { .. } => {
            let full = ApiError::new(
                StatusCode::TOO_MANY_REQUESTS,
                "rate_limit_error",
                "queue_full",
                error.to_string(),
            );
            ApiError { retry_after: Some(5), ..full }
        }
        ModelError::Stopped => ApiError::unavailable("model_stopped", error.to_string()),
        other => ApiError::internal(other),
    }
}

fn observe(completion: &Completion) {
    metrics::counter!("openledger_gateway_prompt_tokens_total")
        .increment(completion.prompt_tokens as u64);
    metrics::counter!("openledger_gateway_answer_tokens_total")
        .increment(completion.tokens.len() as u64);
    metrics::histogram!("openledger_gateway_prefill_seconds")
        .record(completion.prefill.as_secs_f64());
    metrics::histogram!("openledger_gateway_generation_seconds")
        .record(completion.generation.as_secs_f64());
}

/// Runs `work` where blocking is allowed. A panic in it fails this request only.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ApiError> {
    tokio::task::spawn_blocking(work).await.map_err(ApiError::internal)
}

/// Unix seconds.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
