//! The gateway over HTTP: the OpenAI API for customers, documents for contributors, and the evidence that anyone may
//! read. Bodies and queues are bounded; every error has OpenAI's shape.

use std::{sync::Arc, time::Duration};

use alloy_primitives::{Address, B256, Bytes, keccak256};
use axum::{
    Json, Router,
    body::{self, Body},
    extract::{DefaultBodyLimit, Path, Query, Request, State, rejection::BytesRejection},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    middleware::{self, Next},
    response::{
        IntoResponse, Response,
        sse::{Event as SseEvent, KeepAlive, Sse},
    },
    routing::{get, post, put},
};
use futures::{StreamExt, stream};
use scores::{ContributionId, DatanetId, record::AttributionRecord};
use serde::Deserialize;
use serde_json::{Value, json};
use tower_http::{
    catch_panic::CatchPanicLayer,
    cors::{Any, CorsLayer},
};

use crate::{
    api_keys::{ApiKeyError, read_api_key},
    calls::{Admitted, Caller, Gateway, Means, Update, blocking, delivered, now},
    chain::{Chain, ChainError, Contribution, Place},
    content::{ContentError, ContentStore},
    evidence::{EvidenceError, EvidenceStore},
    ledger::{Call, CallPayment},
    openai::{
        ApiError, Envelope, Kind, PAYMENT_REQUIRED_HEADER, PAYMENT_RESPONSE_HEADER, Usage,
        X_PAYMENT_RESPONSE_HEADER, insert, parse,
    },
    ports::ServedModel,
    x402::PaymentError,
};

/// Largest body of an inference request.
pub const REQUEST_BYTES_MAX: usize = 1 << 20;

/// Largest document.
pub const DOCUMENT_BYTES_MAX: usize = 8 << 20;

/// Longest that a client may wait for an attribution record.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// How long an answer is held back for its record when the client asked for that.
const ATTRIBUTION_PATIENCE: Duration = Duration::from_secs(30);

/// A comment is sent on a silent stream this often.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

const CHAT_PATH: &str = "/v1/chat/completions";
const COMPLETION_PATH: &str = "/v1/completions";

/// x402 versions 2 and 1: the payment.
const PAYMENT_HEADER: &str = "payment-signature";
const X_PAYMENT_HEADER: &str = "x-payment";

/// The API key of clients that must send one and pay by x402.
const X402_KEY: &str = "x402";

const RECEIPT_HEADER: HeaderName = HeaderName::from_static("x-openledger-receipt");
const REQUEST_ID_HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// What the handlers share.
#[derive(Clone)]
pub struct Api {
    pub gateway: Arc<Gateway>,
    /// Documents and evidence; absent in tests of the inference side alone.
    pub archive: Option<Arc<Archive>>,
    /// Renders Prometheus metrics, if the process keeps any.
    pub metrics: Option<Arc<dyn Fn() -> String + Send + Sync>>,
}

/// Documents and evidence with the chain that they are checked against.
pub struct Archive {
    pub chain: Chain,
    pub content: Arc<ContentStore>,
    pub evidence: Arc<EvidenceStore>,
    /// Told when a document arrives, so that models waiting for it are looked at again.
    pub arrived: Arc<tokio::sync::Notify>,
}

/// All routes.
pub fn router(api: Api) -> Router {
    let inference = Router::new()
        .route(CHAT_PATH, post(chat))
        .route(COMPLETION_PATH, post(completion))
        .layer(DefaultBodyLimit::max(REQUEST_BYTES_MAX));
    let documents = Router::new()
        .route("/v1/datanets/{datanet}/contributions/{contribution}/content", put(upload))
        .route(
            "/v1/datanets/{datanet}/contributions/{contribution}/documents/{index}",
            put(upload_of_batch),
        )
        .layer(DefaultBodyLimit::max(DOCUMENT_BYTES_MAX));
    Router::new()
        .route("/v1/models", get(list_models))
        .route("/v1/models/{*id}", get(get_model))
        .route("/v1/attribution/receipts/{number}", get(receipt))
        .route("/v1/attribution/epochs/{epoch}", get(epoch))
        .route("/v1/attribution/documents/{hash}", get(document))
        .route("/v1/attribution/batches/{hash}", get(batch))
        .route("/v1/attribution/claims/{account}", get(claims))
        .route("/v1/status", get(status))
        .route("/metrics", get(render_metrics))
        .merge(inference)
        .merge(documents)
        .fallback(async || {
            ApiError::not_found("not_found", "there is no such path here; the API is under /v1")
        })
        .method_not_allowed_fallback(async || {
            ApiError::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "invalid_request_error",
                "method_not_allowed",
                "the method is not allowed here",
            )
        })
        .layer(CatchPanicLayer::custom(|_: Box<dyn std::any::Any + Send>| {
            ApiError::internal("a handler panicked").into_response()
        }))
        .layer(
            CorsLayer::new()
                .allow_origin(Any)
                .allow_methods(Any)
                .allow_headers(Any)
                .expose_headers([
                    RECEIPT_HEADER,
                    REQUEST_ID_HEADER,
                    PAYMENT_REQUIRED_HEADER,
                    PAYMENT_RESPONSE_HEADER,
                    X_PAYMENT_RESPONSE_HEADER,
                ]),
        )
        .layer(middleware::from_fn(name_request))
        .with_state(api)
}

/// Gives every response an id that a user can quote, and counts it.
async fn name_request(request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let method = request.method().clone();
    let id = format!("req_{:032x}", rand::random::<u128>());
    let mut response = next.run(request).await;
    metrics::counter!("openledger_gateway_requests_total", "status" => response.status().as_u16().to_string()).increment(1);
    tracing::debug!(%method, path, id, status = response.status().as_u16(), "request");
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID_HEADER, value);
    }
    response
}

async fn chat(
    State(api): State<Api>,
    headers: HeaderMap,
    body: Result<body::Bytes, BytesRejection>,
) -> Result<Response, ApiError> {
    infer(api, Kind::Chat, headers, body).await
}

async fn completion(
    State(api): State<Api>,
    headers: HeaderMap,
    body: Result<body::Bytes, BytesRejection>,
) -> Result<Response, ApiError> {
    infer(api, Kind::Completion, headers, body).await
}

async fn infer(
    api: Api,
    kind: Kind,
    headers: HeaderMap,
    body: Result<body::Bytes, BytesRejection>,
) -> Result<Response, ApiError> {
    let (customer, means) = authenticate(&api.gateway, &headers).await?;
    let body = read_body(body, REQUEST_BYTES_MAX)?;
    let asked = parse(kind, &body)?;
    let caller = Caller {
        customer,
        resource: resource(&headers, kind),
        // The same payment is for the same request.
        idempotency: match &means {
            Means::Payment(payment) => Some(payment.id()),
            _ => text(&headers, "idempotency-key").map(keccak256),
        },
        means,
        is_retry: text(&headers, "x-stainless-retry-count").is_some_and(|count| count != "0"),
        voucher: text(&headers, "x-openledger-voucher").map(str::to_owned),
        body: keccak256(&body),
    };
    let (stream, include_usage, wait) =
        (asked.stream, asked.include_usage, asked.wait_for_attribution);
    let model = asked.model.clone();
    match api.gateway.admit(caller, asked).await? {
        Admitted::Replayed(call) => {
            let created = call.receipt.timestamp;
            let envelope = Envelope {
                kind,
                id: format!("{}{:x}", kind.id_prefix(), call.receipt.receipt_hash()),
                created,
                model,
            };
            let text = delivered(&call.request, &call.response).to_owned();
            let paid = call.payment.map(|payment| (call.receipt.customer, payment));
            let (sender, updates) = tokio::sync::mpsc::unbounded_channel();
            for update in [Update::Text(text), Update::Done(call)] {
                // The receiver is still here.
                let _ = sender.send(update);
            }
            let response = with_payment(&api.gateway, paid);
            Ok(response(answer(api, envelope, updates, stream, include_usage, wait).await?))
        }
        Admitted::Running { envelope, updates, payment } => {
            let response = with_payment(&api.gateway, payment.map(|payment| (customer, payment)));
            Ok(response(answer(api, envelope, updates, stream, include_usage, wait).await?))
        }
    }
}

/// Says in the headers of an answer which transaction paid for it.
fn with_payment(
    gateway: &Gateway,
    payment: Option<(Address, CallPayment)>,
) -> impl FnOnce(Response) -> Response + use<> {
    let payee = gateway.payments().map(|payments| payments.payee());
    let paid = payee.zip(payment);
    let value = paid.map(|(payee, (payer, paid))| payee.response(payer, Ok(paid.transaction)));
    move |mut response| {
        insert(&mut response, PAYMENT_RESPONSE_HEADER, value.clone());
        insert(&mut response, X_PAYMENT_RESPONSE_HEADER, value);
        response
    }
}

type Updates = tokio::sync::mpsc::UnboundedReceiver<Update>;

async fn answer(
    api: Api,
    envelope: Envelope,
    updates: Updates,
    streamed: bool,
    include_usage: bool,
    wait: bool,
) -> Result<Response, ApiError> {
    match streamed {
        true => Ok(stream_answer(api, envelope, updates, include_usage, wait)),
        false => whole_answer(api, envelope, updates, wait).await,
    }
}

async fn whole_answer(
    api: Api,
    envelope: Envelope,
    mut updates: Updates,
    wait: bool,
) -> Result<Response, ApiError> {
    loop {
        match updates.recv().await {
            Some(Update::Text(_)) => {}
            Some(Update::Failed(error)) => return Err(error),
            Some(Update::Done(call)) => {
                let openledger = summary(&api, &call, wait).await;
                let text = delivered(&call.request, &call.response);
                let value =
                    envelope.answer(text, &call.response.finishReason, usage(&call), openledger);
                let mut response = Json(value).into_response();
                response
                    .headers_mut()
                    .insert(RECEIPT_HEADER, HeaderValue::from(call.receipt.number));
                return Ok(response);
            }
            None => return Err(ApiError::internal("the answer ended without a result")),
        }
    }
}

fn stream_answer(
    api: Api,
    envelope: Envelope,
    updates: Updates,
    include_usage: bool,
    wait: bool,
) -> Response {
    let first = envelope.first_chunk().map(data);
    let rest = stream::unfold(Some(updates), move |updates| {
        let (api, envelope) = (api.clone(), envelope.clone());
        async move {
            let mut updates = updates?;
            let events = match updates.recv().await {
                Some(Update::Text(text)) => {
                    return Some((vec![data(envelope.text_chunk(&text))], Some(updates)));
                }
                Some(Update::Done(call)) => {
                    let openledger = summary(&api, &call, wait).await;
                    let mut events = vec![data(
                        envelope.last_chunk(&call.response.finishReason, openledger.clone()),
                    )];
                    if include_usage {
                        events.push(data(envelope.usage_chunk(usage(&call), openledger)));
                    }
                    events
                }
                Some(Update::Failed(error)) => vec![data(error.body())],
                None => vec![data(ApiError::internal("the answer ended without a result").body())],
            };
            Some((events.into_iter().chain([SseEvent::default().data("[DONE]")]).collect(), None))
        }
    });
    let events = stream::iter(first)
        .chain(rest.flat_map(stream::iter))
        .map(Ok::<_, std::convert::Infallible>);
    Sse::new(events)
        .keep_alive(KeepAlive::new().interval(KEEP_ALIVE).text("keep-alive"))
        .into_response()
}

fn data(value: Value) -> SseEvent {
    SseEvent::default().data(value.to_string())
}

fn usage(call: &Call) -> Usage {
    Usage { prompt: call.receipt.tokensIn, completion: call.receipt.tokensOut }
}

/// The `openledger` object of an answer: its receipt, and its record if the client waits for that.
async fn summary(api: &Api, call: &Call, wait: bool) -> Value {
    let number = call.receipt.number;
    let record =
        match wait && api.gateway.ledger.wait_for_record(number, ATTRIBUTION_PATIENCE).await {
            true => read_record(api, number).await.ok().flatten(),
            false => None,
        };
    let mut value = receipt_json(call);
    value["retrieved"] = json!(call.retrieved);
    value["attribution"] =
        record.as_ref().map_or(Value::Null, |record| record_json(api, call, record));
    value["attribution_url"] = json!(format!("/v1/attribution/receipts/{number}"));
    value
}

/// A receipt as the API shows it: wei in decimal strings.
fn receipt_json(call: &Call) -> Value {
    let receipt = &call.receipt;
    json!({
        "receipt": receipt.number,
        "receipt_hash": receipt.receipt_hash(),
        "signature": call.signature,
        "fee": receipt.fee.to_string(),
        "payment": call.payment.map(|payment| json!({
            "id": payment.id,
            "scheme": payment.method.scheme(),
            "amount": payment.amount.to_string(),
            "refund": payment.amount.saturating_sub(receipt.fee).to_string(),
            "transaction": payment.transaction,
        })),
        "signed": {
            "number": receipt.number,
            "modelId": receipt.modelId.to_string(),
            "customer": receipt.customer,
            "gateway": receipt.gateway,
            "requestHash": receipt.requestHash,
            "responseHash": receipt.responseHash,
            "tokensIn": receipt.tokensIn,
            "tokensOut": receipt.tokensOut,
            "fee": receipt.fee.to_string(),
            "timestamp": receipt.timestamp,
            "engineSpecHash": receipt.engineSpecHash,
            "adapterSetHash": receipt.adapterSetHash,
            "retrievalRoot": receipt.retrievalRoot,
        },
    })
}

/// A record as the API shows it: a span of a batch with the document it stands in, and where that lies in the batch.
fn record_json(api: &Api, call: &Call, record: &AttributionRecord) -> Value {
    let mut value = json!(record);
    value["attributionHash"] = json!(record.hash());
    let models = api.gateway.chain.models();
    let served = models.values().find(|served| served.model.id.to_u256() == call.receipt.modelId);
    let Some(corpus) = served.and_then(|served| served.corpus.as_ref().ok()) else { return value };
    for (place, span) in record.spans.iter().enumerate() {
        let Some(document) = corpus.document(span.contribution) else { continue };
        if let Some(Place { index, path }) = &document.contribution.place {
            value["spans"][place]["document"] = json!({
                "batch": document.contribution.id,
                "index": index,
                "contentHash": document.contribution.commitment.content_hash,
                "path": path,
            });
        }
    }
    value
}

async fn list_models(State(api): State<Api>) -> Json<Value> {
    let models = api.gateway.chain.models();
    Json(json!({"object": "list", "data": models.values().map(model_json).collect::<Vec<_>>()}))
}

async fn get_model(
    State(api): State<Api>,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let models = api.gateway.chain.models();
    let found = models.get(&id).map(model_json).map(Json);
    found.ok_or_else(|| {
        ApiError::not_found(
            "model_not_found",
            format!("the model `{id}` does not exist or is not served here"),
        )
    })
}

fn model_json(served: &ServedModel) -> Value {
    let model = &served.model;
    let datanets: Vec<Value> = model
        .datanets
        .iter()
        .map(|d| json!({"datanet": d.datanet, "version": d.version}))
        .collect();
    json!({
        "id": model.name,
        "object": "model",
        "created": 0,
        "owned_by": model.owner,
        "openledger": {
            "model": model.id,
            "ready": served.corpus.is_ok(),
            "waiting_for": served.corpus.as_ref().err(),
            "price_per_1k_in": model.price_1k_in.to_string(),
            "price_per_1k_out": model.price_1k_out.to_string(),
            "retrieval_chunks": model.retrieval_chunks,
            "engine_spec_hash": model.engine_spec_hash,
            "datanets": datanets,
        },
    })
}

#[derive(Deserialize)]
struct Patience {
    /// Milliseconds to wait for the attribution record.
    wait: Option<u64>,
}

async fn receipt(
    State(api): State<Api>,
    Path(name): Path<String>,
    Query(patience): Query<Patience>,
) -> Result<Json<Value>, ApiError> {
    let unknown =
        || ApiError::not_found("receipt_not_found", format!("there is no receipt `{name}`"));
    let number = match name.parse::<B256>() {
        Ok(hash) if name.starts_with("0x") => {
            api.gateway.ledger.number_of(hash).ok_or_else(unknown)?
        }
        _ => name.parse::<u64>().map_err(|_| unknown())?,
    };
    let ledger = api.gateway.ledger.clone();
    let call = blocking(move || ledger.call(number))
        .await?
        .map_err(ApiError::internal)?
        .ok_or_else(unknown)?;
    if let Some(wait) = patience.wait {
        api.gateway.ledger.wait_for_record(number, Duration::from_millis(wait).min(WAIT_MAX)).await;
    }
    let record = read_record(&api, number).await?;
    let mut value = receipt_json(&call);
    value["retrieved"] = json!(call.retrieved);
    value["request"] = json!(call.request);
    value["response"] = json!(call.response);
    value["attribution"] =
        record.as_ref().map_or(Value::Null, |record| record_json(&api, &call, record));
    Ok(Json(value))
}

async fn read_record(api: &Api, number: u64) -> Result<Option<AttributionRecord>, ApiError> {
    let ledger = api.gateway.ledger.clone();
    blocking(move || ledger.record(number)).await?.map_err(ApiError::internal)
}

async fn upload(
    State(api): State<Api>,
    Path((datanet, contribution)): Path<(u64, u64)>,
    body: Result<body::Bytes, BytesRejection>,
) -> Result<Response, ApiError> {
    let archive = archive(&api)?;
    let body = read_body(body, DOCUMENT_BYTES_MAX)?;
    let on_chain = revealed(&archive, datanet, contribution).await?;
    let content = archive.content.clone();
    let hash = on_chain.commitment.content_hash;
    if on_chain.is_batch() {
        let texts: Texts = serde_json::from_slice(&body).map_err(|error| {
            let message = format!("contribution {contribution} is a batch: {error}");
            ApiError::invalid("malformed_request", None, message)
        })?;
        let stored = blocking(move || content.accept_batch(&on_chain, &texts.documents)).await?;
        let count = stored.map_err(content_error)?.len();
        archive.arrived.notify_one();
        let location = format!("/v1/attribution/batches/{hash}");
        let answer = json!({
            "contribution": contribution, "contentHash": hash, "documents": count, "location": location,
        });
        return Ok((StatusCode::CREATED, Json(answer)).into_response());
    }
    let stored = blocking(move || content.accept(&on_chain, &body)).await?;
    stored.map_err(content_error)?;
    archive.arrived.notify_one();
    let location = format!("/v1/attribution/documents/{hash}");
    Ok((
        StatusCode::CREATED,
        Json(json!({"contribution": contribution, "contentHash": hash, "location": location})),
    )
        .into_response())
}

/// All documents of a batch, in order.
#[derive(Deserialize)]
struct Texts {
    documents: Vec<String>,
}

/// Where a document lies under its batch's root.
#[derive(Deserialize)]
struct Under {
    /// Siblings from the bottom up, 0x-hex, separated by commas; empty for a batch of one.
    #[serde(default)]
    path: String,
}

async fn upload_of_batch(
    State(api): State<Api>,
    Path((datanet, contribution, index)): Path<(u64, u64, u32)>,
    Query(under): Query<Under>,
    body: Result<body::Bytes, BytesRejection>,
) -> Result<Response, ApiError> {
    let archive = archive(&api)?;
    let body = read_body(body, DOCUMENT_BYTES_MAX)?;
    let siblings = under.path.split(',').filter(|sibling| !sibling.is_empty());
    let path = siblings.map(str::parse).collect::<Result<Vec<B256>, _>>().map_err(|_| {
        let message = "`path` is hashes in 0x-hex, separated by commas";
        ApiError::invalid("malformed_request", Some("path"), message)
    })?;
    let batch = revealed(&archive, datanet, contribution).await?;
    if !batch.is_batch() {
        let message = format!("contribution {contribution} is one document: PUT it as its content");
        return Err(ApiError::invalid("not_a_batch", None, message));
    }
    let content = archive.content.clone();
    let stored =
        blocking(move || content.accept_of_batch(&batch, &Place { index, path }, &body)).await?;
    let hash = stored.map_err(content_error)?.content_hash;
    archive.arrived.notify_one();
    let location = format!("/v1/attribution/documents/{hash}");
    let answer = json!({
        "contribution": contribution, "index": index, "contentHash": hash, "location": location,
    });
    Ok((StatusCode::CREATED, Json(answer)).into_response())
}

async fn revealed(
    archive: &Archive,
    datanet: u64,
    contribution: u64,
) -> Result<Contribution, ApiError> {
    match archive.chain.contribution(ContributionId(contribution)).await {
        Ok(found) if found.datanet == DatanetId(datanet) => Ok(found),
        Ok(_) | Err(ChainError::NotFound(_)) => Err(ApiError::not_found(
            "contribution_not_found",
            format!("datanet {datanet} has no revealed contribution {contribution}"),
        )),
        Err(error) => Err(chain_error(&error)),
    }
}

/// What the documents of a batch are, in order.
async fn batch(State(api): State<Api>, Path(hash): Path<B256>) -> Result<Response, ApiError> {
    let content = archive(&api)?.content.clone();
    let list = blocking(move || content.list_of(hash)).await?;
    Ok(Json(list.map_err(content_error)?).into_response())
}

fn content_error(error: ContentError) -> ApiError {
    match error {
        ContentError::NotFound(_) | ContentError::Incomplete { .. } => {
            ApiError::not_found("document_not_found", error.to_string())
        }
        ContentError::WrongDocument { .. }
        | ContentError::WrongBatch { .. }
        | ContentError::WrongPlace { .. } => ApiError::new(
            StatusCode::CONFLICT,
            "invalid_request_error",
            "wrong_document",
            error.to_string(),
        ),
        ContentError::Invalid(_) => ApiError::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "invalid_request_error",
            "invalid_document",
            error.to_string(),
        ),
        other => ApiError::internal(other),
    }
}

async fn document(State(api): State<Api>, Path(hash): Path<B256>) -> Result<Response, ApiError> {
    let content = archive(&api)?.content.clone();
    let document = blocking(move || content.get(hash)).await?.map_err(content_error)?;
    Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], document.into_text())
        .into_response())
}

async fn epoch(State(api): State<Api>, Path(epoch): Path<u64>) -> Result<Response, ApiError> {
    let archive = archive(&api)?;
    let bundle = blocking(move || archive.evidence.json(epoch)).await?.map_err(evidence_error)?;
    Ok(([(header::CONTENT_TYPE, "application/json")], Body::from(bundle)).into_response())
}

/// What an account may claim under the last activated epoch, with proofs for `AttributionSettlement.claim`.
async fn claims(
    State(api): State<Api>,
    Path(account): Path<Address>,
) -> Result<Json<Value>, ApiError> {
    let archive = archive(&api)?;
    let epoch = archive.chain.last_activated().await.map_err(|error| chain_error(&error))?;
    if epoch == 0 {
        return Ok(Json(json!({"epoch": 0, "account": account, "claims": []})));
    }
    let proofs = blocking(move || archive.evidence.claim_proofs(epoch, account))
        .await?
        .map_err(evidence_error)?;
    Ok(Json(json!({"epoch": epoch, "account": account, "claims": proofs})))
}

async fn status(State(api): State<Api>) -> Json<Value> {
    let gateway = &api.gateway;
    let models = gateway.chain.models();
    let ready = models.values().filter(|served| served.corpus.is_ok()).count();
    Json(json!({
        "gateway": gateway.address(),
        "chain_id": gateway.config.chain_id,
        "contracts": gateway.config.contracts,
        "payments": gateway.payments().map(|payments| json!({
            "network": payments.payee().network(),
            "contracts": payments.payee().contracts,
            "open": payments.open_count(),
        })),
        "base_model_hash": Bytes::from(gateway.model.sha256()),
        "tokenizer_hash": Bytes::from(gateway.model.tokenizer_fingerprint()),
        "engine_spec": gateway.spec.canonical_json().ok(),
        "engine_spec_hash": gateway.spec.hash().ok(),
        "context": gateway.model.context(),
        "models": {"served": models.len(), "ready": ready},
        "receipts": gateway.ledger.call_count(),
        "attributed": gateway.ledger.record_count(),
        "requests_waiting": gateway.model.waiting(),
        "time": now(),
    }))
}

async fn render_metrics(State(api): State<Api>) -> Result<Response, ApiError> {
    let Some(render) = &api.metrics else {
        return Err(ApiError::not_found("not_found", "this process keeps no metrics"));
    };
    metrics::gauge!("openledger_gateway_requests_waiting").set(api.gateway.model.waiting() as f64);
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], render()).into_response())
}

/// Who calls and how it is paid for: an x402 payment first, then an API key, then nothing, to which the price is the
/// answer where payments per request are accepted.
async fn authenticate(
    gateway: &Gateway,
    headers: &HeaderMap,
) -> Result<(Address, Means), ApiError> {
    let payments = gateway.payments().map(|payments| payments.payee());
    let payment = text(headers, PAYMENT_HEADER).or_else(|| text(headers, X_PAYMENT_HEADER));
    if let (Some(payee), Some(payment)) = (payments, payment) {
        let payment = payee.parse(payment).map_err(|error| match error {
            PaymentError::Malformed(_) => {
                ApiError::invalid(error.codes().0, None, error.to_string())
            }
            _ => ApiError::payment(error.codes().0, error.to_string()),
        })?;
        return Ok((payment.payer, Means::Payment(payment)));
    }
    let bearer = text(headers, header::AUTHORIZATION.as_str()).and_then(|value| {
        let (scheme, key) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
    });
    let key = bearer.filter(|key| !key.is_empty());
    if payments.is_some() && key.is_none_or(|key| key == X402_KEY) {
        return Ok((Address::ZERO, Means::Nothing));
    }
    let chain_id = gateway.config.chain_id;
    let holder = key
        .ok_or(ApiKeyError::Missing)
        .and_then(|key| read_api_key(key, gateway.address(), chain_id, now()))
        .map_err(ApiError::key)?;
    if holder.signer != holder.customer {
        gateway.check_delegate(holder).await?;
    }
    Ok((holder.customer, Means::Account))
}

/// The URL that a request was sent to, as far as its headers tell.
fn resource(headers: &HeaderMap, kind: Kind) -> String {
    let path = match kind {
        Kind::Chat => CHAT_PATH,
        Kind::Completion => COMPLETION_PATH,
    };
    let scheme = text(headers, "x-forwarded-proto").filter(|scheme| *scheme == "https");
    let host = text(headers, header::HOST.as_str()).unwrap_or("localhost");
    format!("{}://{host}{path}", scheme.unwrap_or("http"))
}

fn read_body(
    body: Result<body::Bytes, BytesRejection>,
    limit: usize,
) -> Result<body::Bytes, ApiError> {
    body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            let message = format!("the body is over {limit} bytes");
            ApiError::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "invalid_request_error",
                "request_too_large",
                message,
            )
        }
        _ => ApiError::invalid("malformed_request", None, "the body cannot be read"),
    })
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn archive(api: &Api) -> Result<Arc<Archive>, ApiError> {
    api.archive
        .clone()
        .ok_or_else(|| ApiError::not_found("not_found", "this gateway keeps no documents"))
}

fn chain_error(error: &ChainError) -> ApiError {
    tracing::warn!(%error, "the chain does not answer");
    ApiError::unavailable("chain_unavailable", "the gateway cannot read the chain at the moment")
}

fn evidence_error(error: EvidenceError) -> ApiError {
    match error {
        EvidenceError::NotFound(_) => ApiError::not_found("epoch_not_found", error.to_string()),
        other => ApiError::internal(other),
    }
}
