//! The gateway over HTTP with a fake model and a fake chain: what it answers, what it refuses, and what it charges.

use std::{
    collections::BTreeMap,
    ops::ControlFlow,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use alloy_primitives::{Address, B256, Bytes, Signature};
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use async_trait::async_trait;
use attribution_service::{
    calls::{Gateway, GatewayConfig},
    chain::{Authorization, Contracts, Contribution, CorpusRoots, Model},
    clusters::{Corpus, CorpusDocument, TokenCodec},
    engine_spec,
    gateway::{Api, REQUEST_BYTES_MAX, router},
    ledger::Ledger,
    mint_api_key,
    ports::{ChainView, PortError, ServedModel, ServedModels},
};
use axum::{
    Router,
    body::Body,
    http::{Request, Response, StatusCode},
};
use futures::StreamExt;
use models::{
    ChatMessage, Completion, Event, EventSink, FinishReason, GenerateRequest, LanguageModel,
    ModelError, TokenId,
};
use parking_lot::Mutex;
use scores::{
    ContributionId, DatanetId, ModelId, Sequence,
    document::{Document, DocumentCommitment},
    eip712::{InferenceReceipt, Voucher, escrow_domain, settlement_domain},
    epoch::Split,
};
use serde_json::{Value, json};
use tower::ServiceExt;

const CHAIN_ID: u64 = 16_120;
const CONTEXT: usize = 256;
/// Wei per token of prompt and answer.
const PRICE: u128 = 10;

/// Speaks bytes as tokens and repeats the last word of the prompt for ever.
struct Parrot {
    full: AtomicBool,
    fails_midway: AtomicBool,
    generated: Arc<AtomicUsize>,
    /// Answers as slowly as this per token.
    pause: Mutex<Duration>,
}

impl LanguageModel for Parrot {
    fn sha256(&self) -> [u8; 32] {
        [1; 32]
    }

    fn context(&self) -> usize {
        CONTEXT
    }

    fn tokenizer_fingerprint(&self) -> [u8; 32] {
        [2; 32]
    }

    fn encode(&self, text: &str) -> Result<Vec<TokenId>, ModelError> {
        Ok(text.bytes().map(TokenId::from).collect())
    }

    fn decode(&self, ids: &[TokenId]) -> String {
        String::from_utf8_lossy(&ids.iter().map(|id| *id as u8).collect::<Vec<u8>>()).into_owned()
    }

    fn encode_chat(&self, messages: &[ChatMessage]) -> Result<Vec<TokenId>, ModelError> {
        let text: Vec<&str> = messages.iter().map(|message| message.content.as_str()).collect();
        self.encode(&text.join("\n"))
    }

    fn submit(&self, request: GenerateRequest, mut sink: EventSink) -> Result<(), ModelError> {
        request.check(CONTEXT)?;
        if self.full.load(Ordering::SeqCst) {
            return Err(ModelError::QueueFull { waiting: 16 });
        }
        let fails = self.fails_midway.load(Ordering::SeqCst);
        let prompt = self.decode(&request.prompt);
        let word = format!("{} ", prompt.split_whitespace().last().unwrap_or("?"));
        let (generated, pause) = (self.generated.clone(), *self.pause.lock());
        std::thread::spawn(move || {
            let mut tokens = Vec::new();
            let mut finish = FinishReason::Length;
            for byte in word.bytes().cycle().take(request.max_tokens) {
                std::thread::sleep(pause);
                if fails && tokens.len() == 2 {
                    let _ = sink(Event::Failed(ModelError::Stopped));
                    return;
                }
                tokens.push(TokenId::from(byte));
                generated.fetch_add(1, Ordering::SeqCst);
                if sink(Event::Text(char::from(byte).to_string())).is_break() {
                    finish = FinishReason::Cancelled;
                    break;
                }
            }
            let text = tokens.iter().map(|id| char::from(*id as u8)).collect();
            let completion = Completion {
                tokens,
                text,
                finish,
                prompt_tokens: request.prompt.len(),
                reused_tokens: 0,
                prefill: Duration::ZERO,
                generation: Duration::ZERO,
            };
            let _: ControlFlow<()> = sink(Event::Finished(completion));
        });
        Ok(())
    }

    fn waiting(&self) -> usize {
        0
    }
}

/// One model, one customer's authorisation.
struct FakeChain {
    models: ServedModels,
    authorization: Mutex<Authorization>,
    down: AtomicBool,
}

#[async_trait]
impl ChainView for FakeChain {
    fn models(&self) -> ServedModels {
        self.models.clone()
    }

    async fn authorization(&self, _: Address) -> Result<Authorization, PortError> {
        match self.down.load(Ordering::SeqCst) {
            true => Err("connection refused".into()),
            false => Ok(*self.authorization.lock()),
        }
    }
}

struct Bench {
    router: Router,
    gateway: Arc<Gateway>,
    model: Arc<Parrot>,
    chain: Arc<FakeChain>,
    key: String,
    _directory: tempfile::TempDir,
}

const DOCUMENT: &str = "The heron waits in the shallows until a fish comes near.\n\nThe kingfisher dives from a branch above the water.\n";

fn bench() -> Bench {
    bench_in(tempfile::tempdir().unwrap(), PrivateKeySigner::random(), PrivateKeySigner::random())
}

fn bench_in(
    directory: tempfile::TempDir,
    gateway_key: PrivateKeySigner,
    customer: PrivateKeySigner,
) -> Bench {
    let parrot = Arc::new(Parrot {
        full: AtomicBool::new(false),
        fails_midway: AtomicBool::new(false),
        generated: Arc::default(),
        pause: Mutex::new(Duration::ZERO),
    });
    let model: Arc<dyn LanguageModel> = parrot.clone();
    let spec = engine_spec(model.as_ref());
    let document = Document::normalise(DOCUMENT.as_bytes()).unwrap();
    let contribution = Contribution {
        id: ContributionId(1),
        datanet: DatanetId(1),
        contributor: Address::repeat_byte(5),
        sequence: Sequence(1),
        commitment: DocumentCommitment::of(&document).unwrap(),
        place: None,
    };
    let documents = vec![CorpusDocument { contribution, document }];
    let codec: &dyn TokenCodec = &model.clone();
    let corpus = Ok(Arc::new(Corpus::build(&spec, documents, codec, None).unwrap()));
    let on_chain = |id: u64, name: &str, retrieval_chunks: u8, price: u128| Model {
        id: ModelId(id),
        name: name.into(),
        owner: Address::repeat_byte(6),
        retired: false,
        base_model_hash: B256::repeat_byte(1),
        adapter_set_hash: B256::ZERO,
        engine_spec_hash: spec.hash().unwrap(),
        retrieval_chunks,
        price_1k_in: price * 1_000,
        price_1k_out: price * 1_000,
        split: Split { model_bps: 4_000, contributors_bps: 5_000, stakers_bps: 1_000 },
        payee: Address::repeat_byte(7),
        datanets: vec![],
        roots: CorpusRoots::default(),
    };
    let served = |model: Model, corpus: &Result<Arc<Corpus>, String>| {
        (model.name.clone(), ServedModel { model, seen_at: 0, corpus: corpus.clone() })
    };
    let models: BTreeMap<String, ServedModel> = [
        served(on_chain(1, "parrot", 0, PRICE), &corpus),
        served(on_chain(2, "birds", 1, PRICE), &corpus),
        served(on_chain(3, "free", 0, 0), &corpus),
        served(
            on_chain(4, "org/waiting", 0, PRICE),
            &Err("the document of contribution 9 is not uploaded".into()),
        ),
    ]
    .into();
    let authorization = Authorization {
        signer: gateway_key.address(),
        cap: 1_000_000,
        redeemed: 0,
        expiry: u64::MAX,
        nonce: 1,
    };
    let chain = Arc::new(FakeChain {
        models: Arc::new(models),
        authorization: Mutex::new(authorization),
        down: AtomicBool::new(false),
    });
    let ledger = Ledger::open(directory.path()).unwrap();
    let key = mint_api_key(&customer, gateway_key.address(), CHAIN_ID, u64::MAX).unwrap();
    let config = GatewayConfig::new(CHAIN_ID, Contracts::default());
    let gateway = Arc::new(Gateway::new(config, model, chain.clone(), ledger, spec, gateway_key));
    let router = router(Api { gateway: gateway.clone(), archive: None, metrics: None });
    Bench { router, gateway, model: parrot, chain, key, _directory: directory }
}

impl Bench {
    async fn send(&self, request: Request<Body>) -> Response<Body> {
        self.router.clone().oneshot(request).await.unwrap()
    }

    fn request(
        &self,
        path: &str,
        body: impl Into<Body>,
        headers: &[(&str, &str)],
    ) -> Request<Body> {
        let mut request = Request::post(path)
            .header("authorization", format!("Bearer {}", self.key))
            .header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(body.into()).unwrap()
    }

    async fn ask(
        &self,
        body: &Value,
        headers: &[(&str, &str)],
    ) -> (StatusCode, Value, Response<()>) {
        let response =
            self.send(self.request("/v1/chat/completions", body.to_string(), headers)).await;
        read(response).await
    }

    /// The error of a request that must fail.
    async fn refused(&self, body: &Value) -> (StatusCode, String) {
        let (status, value, head) = self.ask(body, &[]).await;
        assert!(head.headers().contains_key("x-request-id"));
        let error = &value["error"];
        assert!(error["message"].is_string() && error["type"].is_string(), "{value}");
        (status, error["code"].as_str().unwrap_or_default().to_owned())
    }

    fn receipts(&self) -> u64 {
        self.gateway.ledger.call_count()
    }
}

async fn read(response: Response<Body>) -> (StatusCode, Value, Response<()>) {
    let (head, body) = response.into_parts();
    let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let value =
        serde_json::from_slice(&bytes).unwrap_or_else(|_| json!(String::from_utf8_lossy(&bytes)));
    (head.status, value, Response::from_parts(head, ()))
}

fn chat(content: &str) -> Value {
    json!({"model": "parrot", "messages": [{"role": "user", "content": content}], "max_tokens": 6})
}

fn with(mut body: Value, key: &str, value: Value) -> Value {
    body[key] = value;
    body
}

/// The `data:` payloads of a stream.
fn payloads(stream: &Value) -> Vec<String> {
    let text = stream.as_str().unwrap();
    let events = text.split("\n\n").filter(|event| !event.is_empty() && !event.starts_with(':'));
    events.map(|event| event.strip_prefix("data: ").unwrap().to_owned()).collect()
}

#[tokio::test]
async fn an_answer_carries_a_receipt_that_the_gateway_signed() {
    let bench = bench();
    let (status, value, head) = bench.ask(&chat("hello"), &[]).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(value["object"], "chat.completion");
    assert_eq!(value["choices"][0]["message"]["content"], "hello ");
    assert_eq!(value["choices"][0]["finish_reason"], "length");
    assert_eq!(
        value["usage"],
        json!({"prompt_tokens": 5, "completion_tokens": 6, "total_tokens": 11})
    );
    assert_eq!(value["openledger"]["receipt"], 0);
    assert_eq!(value["openledger"]["fee"], (11 * PRICE).to_string());
    assert_eq!(head.headers()["x-openledger-receipt"], "0");

    let call = bench.gateway.ledger.call(0).unwrap().unwrap();
    let receipt: &InferenceReceipt = &call.receipt;
    let digest = receipt.digest(&settlement_domain(CHAIN_ID, Contracts::default().settlement));
    let signer = |bytes: &Bytes, digest: &B256| {
        Signature::from_raw(bytes).unwrap().recover_address_from_prehash(digest).unwrap()
    };
    assert_eq!(signer(&call.signature, &digest), bench.gateway.address());
    assert_eq!(receipt.requestHash, call.request.hash());
    assert_eq!(receipt.responseHash, call.response.hash());
    let signed = call.voucher.unwrap();
    assert_eq!(signed.voucher.cumulative, 11 * PRICE);
    let digest = signed.voucher.digest(&escrow_domain(CHAIN_ID, Contracts::default().escrow));
    assert_eq!(signer(&signed.signature, &digest), bench.gateway.address());
}

#[tokio::test]
async fn receipts_are_consecutive_and_vouchers_cumulative_across_restarts() {
    let (gateway_key, customer) = (PrivateKeySigner::random(), PrivateKeySigner::random());
    let first = bench_in(tempfile::tempdir().unwrap(), gateway_key.clone(), customer.clone());
    for content in ["one", "two"] {
        assert_eq!(first.ask(&chat(content), &[]).await.0, StatusCode::OK);
    }
    let Bench { router, gateway, _directory: directory, .. } = first;
    drop((router, gateway));
    // Tasks of finished calls let go of the books a moment later.
    tokio::time::sleep(Duration::from_millis(50)).await;
    let second = bench_in(directory, gateway_key, customer);
    let (_, value, _) = second.ask(&chat("six"), &[]).await;
    assert_eq!(value["openledger"]["receipt"], 2);
    let cumulative = second.gateway.ledger.vouchers()[0].voucher.cumulative;
    assert_eq!(cumulative, 3 * 9 * PRICE);
}

#[tokio::test]
async fn a_stream_has_the_shape_that_clients_expect() {
    let bench = bench();
    let body = with(
        with(chat("hello"), "stream", json!(true)),
        "stream_options",
        json!({"include_usage": true}),
    );
    let response = bench.send(bench.request("/v1/chat/completions", body.to_string(), &[])).await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let (_, stream, _) = read(response).await;
    let payloads = payloads(&stream);
    assert_eq!(payloads.last().unwrap(), "[DONE]");
    let chunks: Vec<Value> = payloads[..payloads.len() - 1]
        .iter()
        .map(|chunk| serde_json::from_str(chunk).unwrap())
        .collect();
    assert!(
        chunks
            .iter()
            .all(|chunk| chunk["object"] == "chat.completion.chunk"
                && chunk["id"] == chunks[0]["id"])
    );
    assert_eq!(chunks[0]["choices"][0]["delta"]["role"], "assistant");
    let text: String = chunks
        .iter()
        .filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str())
        .collect();
    assert_eq!(text, "hello ");
    let [.., last, usage] = chunks.as_slice() else { panic!() };
    assert_eq!(last["choices"][0]["finish_reason"], "length");
    assert_eq!(last["openledger"]["receipt"], 0);
    assert_eq!(usage["choices"], json!([]));
    assert_eq!(usage["usage"]["completion_tokens"], 6);
}

#[tokio::test]
async fn a_failure_in_mid_stream_is_an_error_event_and_free() {
    let bench = bench();
    bench.model.fails_midway.store(true, Ordering::SeqCst);
    let body = with(chat("hello"), "stream", json!(true));
    let (status, stream, _) =
        read(bench.send(bench.request("/v1/chat/completions", body.to_string(), &[])).await).await;
    assert_eq!(status, StatusCode::OK);
    let payloads = payloads(&stream);
    let error: Value = serde_json::from_str(&payloads[payloads.len() - 2]).unwrap();
    assert_eq!(error["error"]["code"], "model_stopped");
    assert_eq!(bench.receipts(), 0);
    assert_eq!(
        bench.refused(&chat("hello")).await,
        (StatusCode::SERVICE_UNAVAILABLE, "model_stopped".into())
    );
}

#[tokio::test]
async fn a_plain_completion_continues_its_prompt() {
    let bench = bench();
    let body = json!({"model": "parrot", "prompt": "hey", "max_tokens": 4});
    let (status, value, _) =
        read(bench.send(bench.request("/v1/completions", body.to_string(), &[])).await).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(
        (value["object"].as_str(), value["choices"][0]["text"].as_str()),
        (Some("text_completion"), Some("hey "))
    );
}

#[tokio::test]
async fn bad_requests_are_refused_with_the_right_codes() {
    let bench = bench();
    let cases = [
        (with(chat("x"), "model", json!("nobody")), StatusCode::NOT_FOUND, "model_not_found"),
        (chat(" "), StatusCode::BAD_REQUEST, "empty_prompt"),
        (chat(&"x".repeat(CONTEXT)), StatusCode::BAD_REQUEST, "context_length_exceeded"),
        (
            with(chat("x"), "max_tokens", json!(CONTEXT)),
            StatusCode::BAD_REQUEST,
            "context_length_exceeded",
        ),
        (with(chat("x"), "temperature", json!(9)), StatusCode::BAD_REQUEST, "invalid_value"),
        (
            with(chat("x"), "model", json!("org/waiting")),
            StatusCode::SERVICE_UNAVAILABLE,
            "model_not_ready",
        ),
    ];
    for (body, status, code) in cases {
        assert_eq!(bench.refused(&body).await, (status, code.to_owned()), "{body}");
    }
    let (status, value, _) =
        read(bench.send(bench.request("/v1/chat/completions", "{\"model\"", &[])).await).await;
    assert_eq!(
        (status, value["error"]["code"].as_str()),
        (StatusCode::BAD_REQUEST, Some("malformed_request"))
    );
    let large = "x".repeat(REQUEST_BYTES_MAX + 1);
    let (status, value, _) =
        read(bench.send(bench.request("/v1/chat/completions", large, &[])).await).await;
    assert_eq!(
        (status, value["error"]["code"].as_str()),
        (StatusCode::PAYLOAD_TOO_LARGE, Some("request_too_large"))
    );
    let (status, value, _) =
        read(bench.send(Request::get("/v2/x").body(Body::empty()).unwrap()).await).await;
    assert_eq!(
        (status, value["error"]["code"].as_str()),
        (StatusCode::NOT_FOUND, Some("not_found"))
    );
    let (status, value, _) =
        read(bench.send(Request::get("/v1/chat/completions").body(Body::empty()).unwrap()).await)
            .await;
    assert_eq!(
        (status, value["error"]["code"].as_str()),
        (StatusCode::METHOD_NOT_ALLOWED, Some("method_not_allowed"))
    );
    assert_eq!(bench.receipts(), 0);
}

#[tokio::test]
async fn only_a_signed_key_gets_in() {
    let bench = bench();
    for header in
        [None, Some("Bearer "), Some("Bearer sk-x"), Some("Basic abc"), Some("Bearer ol-AAAA")]
    {
        let mut request = Request::post("/v1/chat/completions");
        if let Some(header) = header {
            request = request.header("authorization", header);
        }
        let (status, value, _) =
            read(bench.send(request.body(Body::from(chat("x").to_string())).unwrap()).await).await;
        assert_eq!(
            (status, value["error"]["code"].as_str()),
            (StatusCode::UNAUTHORIZED, Some("invalid_api_key")),
            "{header:?}"
        );
    }
}

#[tokio::test]
async fn a_full_queue_says_when_to_come_back() {
    let bench = bench();
    bench.model.full.store(true, Ordering::SeqCst);
    let (status, value, head) = bench.ask(&chat("hello"), &[]).await;
    assert_eq!(
        (status, value["error"]["code"].as_str()),
        (StatusCode::TOO_MANY_REQUESTS, Some("queue_full"))
    );
    assert_eq!(head.headers()["retry-after"], "5");
    bench.model.full.store(false, Ordering::SeqCst);
    assert_eq!(bench.ask(&chat("hello"), &[]).await.0, StatusCode::OK);
}

#[tokio::test]
async fn nothing_is_served_beyond_the_authorisation() {
    let bench = bench();
    let set = |change: &dyn Fn(&mut Authorization)| change(&mut bench.chain.authorization.lock());
    // Worst case of a call: 5 prompt tokens and 6 of answer.
    let worst = 11 * PRICE;
    set(&|a| a.cap = worst - 1);
    assert_eq!(
        bench.refused(&chat("hello")).await,
        (StatusCode::PAYMENT_REQUIRED, "escrow_exhausted".into())
    );
    set(&|a| a.cap = 2 * worst);
    for _ in 0..2 {
        assert_eq!(bench.ask(&chat("hello"), &[]).await.0, StatusCode::OK);
    }
    assert_eq!(
        bench.refused(&chat("hello")).await,
        (StatusCode::PAYMENT_REQUIRED, "escrow_exhausted".into())
    );
    set(&|a| (a.cap, a.expiry) = (u128::MAX, 1));
    assert_eq!(
        bench.refused(&chat("hello")).await,
        (StatusCode::PAYMENT_REQUIRED, "authorization_expiring".into())
    );
    set(&|a| a.nonce = 0);
    assert_eq!(
        bench.refused(&chat("hello")).await,
        (StatusCode::PAYMENT_REQUIRED, "authorization_missing".into())
    );
    bench.chain.down.store(true, Ordering::SeqCst);
    assert_eq!(
        bench.refused(&chat("hello")).await,
        (StatusCode::SERVICE_UNAVAILABLE, "chain_unavailable".into())
    );
    // A model without a price needs no authorisation.
    let (status, value, _) = bench.ask(&with(chat("hello"), "model", json!("free")), &[]).await;
    assert_eq!((status, value["openledger"]["fee"].as_str()), (StatusCode::OK, Some("0")));
}

#[tokio::test]
async fn concurrent_calls_cannot_overdraw() {
    let bench = Arc::new(bench());
    let worst = 11 * PRICE;
    bench.chain.authorization.lock().cap = 3 * worst;
    *bench.model.pause.lock() = Duration::from_millis(5);
    let contents = ["aaaaa", "bbbbb", "ccccc", "ddddd", "eeeee", "fffff", "ggggg", "hhhhh"];
    let asked = contents.map(|content| {
        let bench = bench.clone();
        tokio::spawn(async move { bench.ask(&chat(content), &[]).await.0 })
    });
    let statuses: Vec<StatusCode> =
        futures::future::join_all(asked).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(statuses.iter().filter(|status| **status == StatusCode::OK).count(), 3);
    assert_eq!(
        statuses.iter().filter(|status| **status == StatusCode::PAYMENT_REQUIRED).count(),
        5
    );
    assert_eq!(bench.gateway.ledger.vouchers()[0].voucher.cumulative, 3 * worst);
}

#[tokio::test]
async fn a_customer_can_sign_every_voucher() {
    let bench = bench();
    let device = PrivateKeySigner::random();
    bench.chain.authorization.lock().signer = device.address();
    let (status, value, _) = bench.ask(&chat("hello"), &[]).await;
    assert_eq!(
        (status, value["error"]["code"].as_str()),
        (StatusCode::PAYMENT_REQUIRED, Some("voucher_required"))
    );
    let signed = |cumulative: u128, by: &PrivateKeySigner| {
        let customer =
            attribution_service::verify_api_key(&bench.key, bench.gateway.address(), CHAIN_ID, 0)
                .unwrap();
        let voucher = Voucher { customer, gateway: bench.gateway.address(), nonce: 1, cumulative };
        let signature = by
            .sign_hash_sync(&voucher.digest(&escrow_domain(CHAIN_ID, Contracts::default().escrow)))
            .unwrap();
        json!({"nonce": 1, "cumulative": cumulative.to_string(), "signature": Bytes::from(signature.as_bytes().to_vec())}).to_string()
    };
    let (status, value, _) = bench
        .ask(&chat("hello"), &[("x-openledger-voucher", &signed(110, &PrivateKeySigner::random()))])
        .await;
    assert_eq!(
        (status, value["error"]["code"].as_str()),
        (StatusCode::PAYMENT_REQUIRED, Some("voucher_invalid"))
    );
    let (status, ..) =
        bench.ask(&chat("hello"), &[("x-openledger-voucher", &signed(150, &device))]).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(bench.gateway.ledger.vouchers()[0].voucher.cumulative, 150);
}

#[tokio::test]
async fn a_retry_is_answered_again_and_charged_once() {
    let bench = bench();
    let (_, first, _) = bench.ask(&chat("hello"), &[("idempotency-key", "k1")]).await;
    let (status, again, head) = bench.ask(&chat("hello"), &[("idempotency-key", "k1")]).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(again["choices"], first["choices"]);
    assert_eq!(again["openledger"]["receipt_hash"], first["openledger"]["receipt_hash"]);
    assert_eq!(head.headers()["x-openledger-receipt"], "0");
    // Another request under the same key is a mistake; without a key it is a new one.
    let (status, value, _) = bench.ask(&chat("other"), &[("idempotency-key", "k1")]).await;
    assert_eq!(
        (status, value["error"]["code"].as_str()),
        (StatusCode::BAD_REQUEST, Some("idempotency_key_reused"))
    );
    assert_eq!(bench.receipts(), 1);
    assert_eq!(bench.ask(&chat("hello"), &[]).await.1["openledger"]["receipt"], 1);
    // OpenAI's clients have no key, they count their tries.
    let (_, value, _) = bench.ask(&chat("hello"), &[("x-stainless-retry-count", "1")]).await;
    assert_eq!(value["openledger"]["receipt"], 1);
    let (_, value, _) = bench.ask(&chat("hello"), &[("x-stainless-retry-count", "0")]).await;
    assert_eq!(value["openledger"]["receipt"], 2);
    // A retry can come as a stream.
    let body = with(chat("hello"), "stream", json!(true)).to_string();
    for _ in 0..2 {
        let request =
            bench.request("/v1/chat/completions", body.clone(), &[("idempotency-key", "k2")]);
        let (_, stream, _) = read(bench.send(request).await).await;
        assert!(stream.as_str().unwrap().contains("\"receipt\":3"), "{stream}");
    }
}

#[tokio::test]
async fn a_retry_of_a_running_request_waits_its_turn() {
    let bench = Arc::new(bench());
    *bench.model.pause.lock() = Duration::from_millis(40);
    let ours = bench.clone();
    let running =
        tokio::spawn(async move { ours.ask(&chat("hello"), &[("idempotency-key", "k")]).await.0 });
    tokio::time::sleep(Duration::from_millis(60)).await;
    let (status, value, _) = bench.ask(&chat("hello"), &[("idempotency-key", "k")]).await;
    assert_eq!(
        (status, value["error"]["code"].as_str()),
        (StatusCode::CONFLICT, Some("request_in_progress"))
    );
    assert_eq!(running.await.unwrap(), StatusCode::OK);
    assert_eq!(
        bench.ask(&chat("hello"), &[("idempotency-key", "k")]).await.1["openledger"]["receipt"],
        0
    );
    assert_eq!(bench.receipts(), 1);
}

#[tokio::test]
async fn whoever_hangs_up_stops_the_model_and_pays_for_what_was_streamed() {
    let bench = bench();
    *bench.model.pause.lock() = Duration::from_millis(10);
    let body = with(with(chat("hello"), "stream", json!(true)), "max_tokens", json!(200));
    let response = bench.send(bench.request("/v1/chat/completions", body.to_string(), &[])).await;
    let mut stream = response.into_body().into_data_stream();
    for _ in 0..4 {
        stream.next().await.unwrap().unwrap();
    }
    drop(stream);
    tokio::time::sleep(Duration::from_millis(200)).await;
    let generated = bench.model.generated.load(Ordering::SeqCst);
    assert!(generated < 20, "{generated} tokens were generated");
    let call = bench.gateway.ledger.call(0).unwrap().unwrap();
    assert_eq!(call.response.finishReason, "cancelled");
    assert_eq!(call.response.tokens.len(), generated);

    // Without streaming nothing was delivered, so nothing is paid.
    let body = with(chat("hello"), "max_tokens", json!(200));
    let asked = bench.ask(&body, &[]);
    assert!(tokio::time::timeout(Duration::from_millis(50), asked).await.is_err());
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(bench.model.generated.load(Ordering::SeqCst) < generated + 20);
    assert_eq!(bench.receipts(), 1);
}

#[tokio::test]
async fn an_answer_ends_before_a_stop_string_and_the_receipt_covers_what_was_generated() {
    let bench = bench();
    // The parrot ignores stop strings, as if it came upon one within a token.
    let (_, value, _) = bench.ask(&with(chat("hello"), "stop", json!("lo")), &[]).await;
    assert_eq!(value["choices"][0]["message"]["content"], "hel");
    let call = bench.gateway.ledger.call(0).unwrap().unwrap();
    assert_eq!(call.response.text, "hello ");
}

#[tokio::test]
async fn a_retrieving_model_sees_the_best_passage() {
    let bench = bench();
    let body = with(chat("Where does the kingfisher dive from?"), "model", json!("birds"));
    let (status, value, _) = bench.ask(&body, &[]).await;
    assert_eq!(status, StatusCode::OK, "{value}");
    let retrieved = value["openledger"]["retrieved"].as_array().unwrap();
    assert_eq!(retrieved.len(), 1);
    assert_eq!(retrieved[0]["contribution"], 1);
    assert!(value["usage"]["prompt_tokens"].as_u64().unwrap() > 60);
    let root = bench.gateway.ledger.call(0).unwrap().unwrap().receipt.retrievalRoot;
    assert_ne!(root, B256::ZERO);
    // The receipt covers the customer's words, not what was put before them.
    let request = bench.gateway.ledger.call(0).unwrap().unwrap().request;
    assert_eq!(request.messages[0].content, "Where does the kingfisher dive from?");
}

#[tokio::test]
async fn models_and_receipts_can_be_looked_up() {
    let bench = bench();
    let get = async |path: String| {
        let (status, value, _) =
            read(bench.send(Request::get(path).body(Body::empty()).unwrap()).await).await;
        (status, value)
    };
    let (_, list) = get("/v1/models".into()).await;
    let ids: Vec<&str> = list["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|model| model["id"].as_str().unwrap())
        .collect();
    assert_eq!(ids, ["birds", "free", "org/waiting", "parrot"]);
    assert_eq!(get("/v1/models/org/waiting".into()).await.1["openledger"]["ready"], false);
    assert_eq!(get("/v1/models/org%2Fwaiting".into()).await.0, StatusCode::OK);
    assert_eq!(get("/v1/models/nobody".into()).await.1["error"]["code"], "model_not_found");

    assert_eq!(
        get("/v1/attribution/receipts/0".into()).await.1["error"]["code"],
        "receipt_not_found"
    );
    let (_, answer, _) = bench.ask(&chat("hello"), &[]).await;
    let (status, by_number) = get("/v1/attribution/receipts/0?wait=10".into()).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(by_number["signed"]["tokensOut"], 6);
    assert_eq!(by_number["attribution"], Value::Null);
    let hash = answer["openledger"]["receipt_hash"].as_str().unwrap();
    assert_eq!(get(format!("/v1/attribution/receipts/{hash}")).await.1, by_number);
    let (_, status) = get("/v1/status".into()).await;
    assert_eq!(
        (status["receipts"].as_u64(), status["chain_id"].as_u64()),
        (Some(1), Some(CHAIN_ID))
    );
}
