//! Payments per request over HTTP against the real contracts: both x402 schemes from the 402 answer to the contributors'
//! money, and every way in which a payment can be wrong, come twice, or be interrupted; agents' purses and sponsors besides.

#[expect(dead_code, reason = "each test program uses a part of the world")]
mod support;

use std::{
    ops::ControlFlow,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use alloy_primitives::{Address, B256, Bytes, TxHash, U256};
use alloy_provider::Provider;
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use alloy_sol_types::{SolStruct, SolValue};
use async_trait::async_trait;
use attribution_service::{
    agents::{AgentContracts, Agents, Limits},
    api_keys::mint_delegated_key,
    batches::items,
    calls::{Gateway, GatewayConfig},
    chain::{
        Authorization, Chain, ChainError, PaymentContracts,
        bindings::{agents::IAgentAccount, sponsors::ISponsorPool, wopen::WOPEN},
    },
    clusters::TokenCodec,
    epochs::Progress,
    gateway::{Api, Archive, router},
    ledger::Ledger,
    payments::Payments,
    ports::{ChainView, PortError, ServedModel, ServedModels},
    sponsors::{GRANT_MAX, SignedGrant, Sponsors},
    x402::{Method, Payee, Payment, Quote},
};
use axum::{
    Router,
    body::Body,
    http::{HeaderMap, Request, StatusCode},
};
use base64::{Engine as _, prelude::BASE64_STANDARD as STANDARD};
use models::{
    ChatMessage, Completion, Event, EventSink, FinishReason, GenerateRequest, LanguageModel,
    ModelError, TokenId, Tokenizer,
};
use scores::{document::DocumentCommitment, eip712::Voucher};
use serde_json::{Value, json};
use support::{World, byte_tokenizer, key};
use tower::ServiceExt;

alloy_sol_types::sol! {
    /// EIP-3009.
    struct CancelAuthorization {
        address authorizer;
        bytes32 nonce;
    }
}

const CONTEXT: usize = 8_192;
const PAYER: u32 = 9;
/// 0.1 OPEN, wei.
const WRAPPED: u64 = 100_000_000_000_000_000;

/// Answers everything with the beginning of one text, a byte a token.
struct Quoter {
    codec: Tokenizer,
    text: String,
    fails: AtomicBool,
    full: AtomicBool,
}

impl LanguageModel for Quoter {
    fn sha256(&self) -> [u8; 32] {
        [7; 32]
    }

    fn context(&self) -> usize {
        CONTEXT
    }

    fn tokenizer_fingerprint(&self) -> [u8; 32] {
        TokenCodec::fingerprint(&self.codec).0
    }

    fn encode(&self, text: &str) -> Result<Vec<TokenId>, ModelError> {
        Ok(TokenCodec::encode(&self.codec, text).unwrap())
    }

    fn decode(&self, ids: &[TokenId]) -> String {
        String::from_utf8_lossy(&ids.iter().map(|id| *id as u8).collect::<Vec<u8>>()).into_owned()
    }

    fn encode_chat(&self, messages: &[ChatMessage]) -> Result<Vec<TokenId>, ModelError> {
        let text: Vec<&str> = messages.iter().map(|message| message.content.as_str()).collect();
        self.encode(&text.join("\n"))
    }

    fn submit(&self, request: GenerateRequest, mut sink: EventSink) -> Result<(), ModelError> {
        if self.full.load(Ordering::SeqCst) {
            return Err(ModelError::QueueFull { waiting: 16 });
        }
        let fails = self.fails.load(Ordering::SeqCst);
        let mut tokens = self.encode(&self.text)?;
        // Less than was asked for, so that something is left to give back.
        tokens.truncate(request.max_tokens - 1);
        let text = self.decode(&tokens);
        std::thread::spawn(move || {
            if sink(Event::Text(text.clone())).is_break() {
                return;
            }
            let completion = Completion {
                tokens,
                text,
                finish: FinishReason::Stop,
                prompt_tokens: request.prompt.len(),
                reused_tokens: 0,
                prefill: Duration::ZERO,
                generation: Duration::ZERO,
            };
            let end = match fails {
                true => Event::Failed(ModelError::Stopped),
                false => Event::Finished(completion),
            };
            let _: ControlFlow<()> = sink(end);
        });
        Ok(())
    }

    fn waiting(&self) -> usize {
        0
    }
}

/// The world's model, and authorisations as they are on chain.
struct View {
    models: ServedModels,
    chain: Chain,
    gateway: Address,
}

#[async_trait]
impl ChainView for View {
    fn models(&self) -> ServedModels {
        self.models.clone()
    }

    async fn authorization(&self, customer: Address) -> Result<Authorization, PortError> {
        Ok(self.chain.authorization(customer, self.gateway).await?)
    }
}

/// A gateway in front of the world.
struct Shop {
    world: World,
    chain: Chain,
    model: Arc<Quoter>,
    view: Arc<View>,
    router: Router,
    ledger: Arc<Ledger>,
    payments: Arc<Payments>,
    payer: PrivateKeySigner,
    directory: tempfile::TempDir,
}

impl Shop {
    async fn open() -> Self {
        Self::open_in(World::start().await, "alice").await
    }

    /// A gateway that quotes one of the world's documents.
    async fn open_in(world: World, quoted: &str) -> Self {
        let wopen = world.deploy("WOPEN", vec![]).await;
        let on = world.chain.contracts();
        let arguments = (wopen, on.escrow, on.settlement).abi_encode_params();
        let payments = world.deploy("InferencePayments", arguments).await;
        let chain =
            world.chain.clone().with_payment_contracts(PaymentContracts { wopen, payments });
        let payer = key(PAYER);
        let token = WOPEN::new(wopen, world.provider().clone());
        let wrapped = token.deposit().value(U256::from(WRAPPED)).from(payer.address()).send().await;
        assert!(wrapped.unwrap().get_receipt().await.unwrap().status());
        let text = world.document(quoted).text().to_owned();
        let model = Arc::new(Quoter {
            codec: byte_tokenizer(),
            text,
            fails: AtomicBool::new(false),
            full: AtomicBool::new(false),
        });
        let served = ServedModel {
            model: world.chain.model(world.model()).await.unwrap(),
            seen_at: 0,
            corpus: Ok(world.corpus()),
        };
        let view = Arc::new(View {
            models: Arc::new([(served.model.name.clone(), served)].into()),
            chain: chain.clone(),
            gateway: world.gateway,
        });
        let directory = tempfile::tempdir().unwrap();
        let (router, ledger, payments) =
            serve(&world, &chain, model.clone(), view.clone(), directory.path());
        Self { world, chain, model, view, router, ledger, payments, payer, directory }
    }

    /// Another gateway on the books as they lie on disk now, as after a crash.
    fn reopen(self) -> Self {
        let Self { world, chain, model, view, payer, directory, .. } = self;
        let kept = tempfile::tempdir().unwrap();
        for file in std::fs::read_dir(directory.path()).unwrap() {
            let file = file.unwrap();
            std::fs::copy(file.path(), kept.path().join(file.file_name())).unwrap();
        }
        let (router, ledger, payments) =
            serve(&world, &chain, model.clone(), view.clone(), kept.path());
        Self { world, chain, model, view, router, ledger, payments, payer, directory: kept }
    }

    fn payee(&self) -> &Payee {
        self.payments.payee()
    }

    async fn wrapped(&self, account: Address) -> U256 {
        let token = WOPEN::new(self.payee().contracts.wopen, self.chain.provider().clone());
        token.balanceOf(account).call().await.unwrap()
    }

    async fn ask(&self, body: &Value, headers: &[(&str, &str)]) -> (StatusCode, HeaderMap, String) {
        let mut request = Request::post("/v1/chat/completions")
            .header("host", "shop.test")
            .header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::from(body.to_string())).unwrap();
        let (head, body) = self.router.clone().oneshot(request).await.unwrap().into_parts();
        let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        (head.status, head.headers, String::from_utf8(bytes.to_vec()).unwrap())
    }

    /// What a request without payment is asked for: (offers of version 2, amount).
    async fn offers(&self, body: &Value) -> (Value, u128) {
        let (status, headers, text) = self.ask(body, &[]).await;
        assert_eq!(status, StatusCode::PAYMENT_REQUIRED, "{text}");
        let answer: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(answer["error"]["code"], "payment_required");
        assert_eq!(answer["x402Version"], 1);
        let required = decode(&headers["payment-required"]);
        assert_eq!(required["x402Version"], 2);
        assert_eq!(required["resource"]["url"], "http://shop.test/v1/chat/completions");
        let amount = required["accepts"][0]["amount"].as_str().unwrap().to_owned();
        assert_eq!(answer["accepts"][0]["maxAmountRequired"], json!(amount));
        (required["accepts"].clone(), amount.parse().unwrap())
    }

    /// A payment as a client makes it from an offer.
    async fn pay(&self, method: Method, body: &Value) -> Payment {
        let (offers, amount) = self.offers(body).await;
        let offers = offers.as_array().unwrap().clone();
        let offer = offers.iter().find(|offer| offer["scheme"] == method.scheme()).unwrap();
        let random = B256::from(rand::random::<[u8; 32]>());
        let mut payment = Payment {
            method,
            payer: self.payer.address(),
            amount,
            valid_after: 0,
            valid_before: now() + offer["maxTimeoutSeconds"].as_u64().unwrap(),
            nonce: random,
            signature: Bytes::new(),
            salt: B256::ZERO,
        };
        if method == Method::Capture {
            let quote = Quote {
                model_id: offer["extra"]["modelId"].as_str().unwrap().parse().unwrap(),
                request_hash: offer["extra"]["requestHash"].as_str().unwrap().parse().unwrap(),
            };
            payment.salt = random;
            let terms = payment.terms(self.payee(), &quote);
            payment.nonce = terms.id(self.payee().chain_id, self.payee().contracts.payments);
        }
        self.sign(payment)
    }

    fn sign(&self, mut payment: Payment) -> Payment {
        let signature = self.payer.sign_hash_sync(&self.payee().digest(&payment)).unwrap();
        payment.signature = Bytes::from(signature.as_bytes());
        payment
    }

    fn header(&self, payment: &Payment) -> String {
        let payee = self.payee();
        let to = match payment.method {
            Method::Exact => payee.gateway,
            Method::Capture => payee.contracts.payments,
        };
        let value = json!({
            "x402Version": 2,
            "accepted": {"scheme": payment.method.scheme(), "network": payee.network()},
            "payload": {
                "signature": payment.signature,
                "salt": payment.salt,
                "authorization": {
                    "from": payment.payer,
                    "to": to,
                    "value": payment.amount.to_string(),
                    "validAfter": payment.valid_after.to_string(),
                    "validBefore": payment.valid_before.to_string(),
                    "nonce": payment.nonce,
                },
            },
        });
        STANDARD.encode(value.to_string().as_bytes())
    }

    /// A request with a payment that must be answered; returns the answer and its fee.
    async fn buy(&self, body: &Value, payment: &Payment) -> (Value, u128) {
        let header = self.header(payment);
        let (status, headers, text) = self.ask(body, &[("payment-signature", &header)]).await;
        assert_eq!(status, StatusCode::OK, "{text}");
        let paid = decode(&headers["payment-response"]);
        assert_eq!(headers["payment-response"], headers["x-payment-response"]);
        assert_eq!(paid["success"], true);
        assert_eq!(paid["payer"], json!(payment.payer));
        let transaction: TxHash = paid["transaction"].as_str().unwrap().parse().unwrap();
        let receipt = self.chain.provider().get_transaction_receipt(transaction).await.unwrap();
        assert!(receipt.unwrap().status());
        let answer: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(answer["openledger"]["payment"]["transaction"], json!(transaction));
        let fee = answer["openledger"]["fee"].as_str().unwrap().parse().unwrap();
        (answer, fee)
    }

    /// The code with which a request is refused.
    async fn refused(&self, body: &Value, payment: &Payment) -> String {
        let header = self.header(payment);
        let (status, headers, text) = self.ask(body, &[("payment-signature", &header)]).await;
        assert_eq!(status, StatusCode::PAYMENT_REQUIRED, "{text}");
        if let Some(response) = headers.get("payment-response") {
            assert_eq!(decode(response)["success"], false);
            assert!(headers.contains_key("payment-required"));
        }
        let answer: Value = serde_json::from_str(&text).unwrap();
        answer["error"]["code"].as_str().unwrap().to_owned()
    }

    fn attribute(&self) {
        let call = self.ledger.call(self.ledger.record_count()).unwrap().unwrap();
        let record = self
            .world
            .corpus()
            .record_of(&call.receipt, &call.request, &call.response, &byte_tokenizer())
            .unwrap();
        self.ledger.append_record(&record).unwrap();
    }
}

fn serve(
    world: &World,
    chain: &Chain,
    model: Arc<Quoter>,
    view: Arc<View>,
    books: &std::path::Path,
) -> (Router, Arc<Ledger>, Arc<Payments>) {
    let ledger = Ledger::open(books).unwrap();
    let gateway_key = world.gateway_key().clone();
    let payments = Payments::open(books, chain.clone(), gateway_key.clone(), &ledger).unwrap();
    let config = GatewayConfig::new(chain.chain_id(), chain.contracts());
    let spec = world.spec().clone();
    let gateway = Gateway::new(config, model, view, ledger.clone(), spec, gateway_key)
        .with_payments(payments.clone());
    let archive = Archive {
        chain: chain.clone(),
        content: world.evidence.content().clone(),
        evidence: world.evidence.clone(),
        arrived: Arc::default(),
    };
    let api = Api { gateway: Arc::new(gateway), archive: Some(Arc::new(archive)), metrics: None };
    (router(api), ledger, payments)
}

fn decode(header: &axum::http::HeaderValue) -> Value {
    let bytes = STANDARD.decode(header.to_str().unwrap()).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn question(text: &str) -> Value {
    json!({
        "model": "sqlite-guide",
        "messages": [{"role": "user", "content": text}],
        "max_tokens": 400,
    })
}

#[tokio::test]
async fn both_schemes_pay_the_gateway_its_fee_the_payer_the_rest_and_contributors_by_epoch() {
    let shop = Shop::open().await;
    let payer = shop.payer.address();
    let mut fees = 0;
    for (method, text) in [(Method::Exact, "What is a WAL?"), (Method::Capture, "And a journal?")] {
        let body = question(text);
        let payment = shop.pay(method, &body).await;
        let before = shop.wrapped(payer).await;
        let (answer, fee) = shop.buy(&body, &payment).await;
        assert!(0 < fee && fee < payment.amount, "an answer shorter than asked leaves a rest");
        assert_eq!(shop.wrapped(payer).await, before - U256::from(payment.amount));
        assert_eq!(answer["openledger"]["signed"]["customer"], json!(payer));

        // Asked again with the same payment, the same answer comes at no cost.
        let (again, _) = shop.buy(&body, &payment).await;
        assert_eq!(again["openledger"]["receipt"], answer["openledger"]["receipt"]);
        assert_eq!(shop.refused(&question("Something else"), &payment).await, "payment_used");

        shop.payments.settle().await.unwrap();
        assert_eq!(shop.wrapped(payer).await, before - U256::from(fee));
        assert_eq!(shop.payments.open_count(), 0);
        shop.payments.settle().await.unwrap();
        assert_eq!(shop.wrapped(payer).await, before - U256::from(fee));
        shop.attribute();
        fees += fee;
    }
    assert_eq!(shop.ledger.call_count(), 2);

    // What was captured is the gateway's funds already; what its account holds for the receipts is paid in with them.
    let mut poster = shop.world.poster_of(shop.ledger.clone(), Duration::ZERO);
    poster.chain = shop.chain.clone();
    assert_eq!(poster.step().await.unwrap(), Progress::Posted(1));
    assert_eq!(shop.chain.funds_available(shop.world.gateway).await.unwrap(), U256::ZERO);
    assert_eq!(shop.chain.epoch(1).await.unwrap().fees, fees);
    assert_eq!(shop.wrapped(shop.world.gateway).await, U256::ZERO);
    shop.world.advance(support::CHALLENGE_WINDOW + 1).await;
    assert_eq!(poster.step().await.unwrap(), Progress::Activated(1));
    let alice = shop.world.address("alice");
    let claims = shop.world.evidence.claim_proofs(1, alice).unwrap();
    assert!(!claims.is_empty(), "the quoted author is paid");
}

#[tokio::test]
async fn a_stream_is_paid_for_before_its_first_byte_and_a_failed_answer_costs_nothing() {
    let shop = Shop::open().await;
    let payer = shop.payer.address();
    let before = shop.wrapped(payer).await;
    let mut spent = 0;
    for method in [Method::Exact, Method::Capture] {
        let mut body = question("Stream it.");
        body["stream"] = json!(true);
        body["salt"] = json!(method.scheme());
        let payment = shop.pay(method, &body).await;
        let header = shop.header(&payment);
        let (status, headers, text) = shop.ask(&body, &[("x-payment", &header)]).await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(decode(&headers["payment-response"])["success"], true);
        assert!(text.ends_with("data: [DONE]\n\n"));
        let call = shop.ledger.call(shop.ledger.call_count() - 1).unwrap().unwrap();
        assert_eq!(call.payment.unwrap().id, payment.id());
        spent += call.receipt.fee;

        shop.model.fails.store(true, Ordering::SeqCst);
        let body = question(method.scheme());
        let payment = shop.pay(method, &body).await;
        let header = shop.header(&payment);
        let (status, _, _) = shop.ask(&body, &[("payment-signature", &header)]).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        shop.model.fails.store(false, Ordering::SeqCst);

        // A full queue is found out before anything is taken.
        shop.model.full.store(true, Ordering::SeqCst);
        let count = shop.payments.open_count();
        let payment = shop.pay(method, &body).await;
        let header = shop.header(&payment);
        let (status, _, _) = shop.ask(&body, &[("payment-signature", &header)]).await;
        assert_eq!(status, StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(shop.payments.open_count(), count);
        shop.model.full.store(false, Ordering::SeqCst);
    }
    settle_all(&shop).await;
    assert_eq!(shop.wrapped(payer).await, before - U256::from(spent));
    assert_eq!(shop.ledger.call_count(), 2);
}

/// A batch over HTTP: uploaded document by document or as a whole, listed, and named by the answers that quote it.
#[tokio::test]
async fn a_batch_is_uploaded_by_paths_and_answers_name_its_documents() {
    let mut world = World::start().await;
    let [first, second] = ["carol/tempfiles.txt", "carol/queryplanner.txt"].map(support::sample);
    let batch = world.add_batch(&[("first", &first), ("second", &second)]).await;
    let shop = Shop::open_in(world, "second").await;
    let send = async |method: &str, path: String, body: String| {
        let request = Request::builder().method(method).uri(path).body(Body::from(body)).unwrap();
        let (head, body) = shop.router.clone().oneshot(request).await.unwrap().into_parts();
        let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        (head.status.as_u16(), serde_json::from_slice::<Value>(&bytes).unwrap())
    };
    let hash = batch.commitment.content_hash;
    let (_, list) = send("GET", format!("/v1/attribution/batches/{hash}"), String::new()).await;
    assert_eq!(list.as_array().unwrap().len(), 2);
    let list: Vec<DocumentCommitment> = serde_json::from_value(list).unwrap();
    let items = items(&batch, &list).unwrap();
    let place = items[1].place.clone().unwrap();
    let path = |index: u32| {
        let siblings: Vec<String> = place.path.iter().map(B256::to_string).collect();
        let siblings = siblings.join(",");
        format!("/v1/datanets/1/contributions/4/documents/{index}?path={siblings}")
    };
    let (status, answer) = send("PUT", path(1), second.clone()).await;
    assert_eq!((status, &answer["contentHash"]), (201, &json!(list[1].content_hash)));
    for (path, text) in [(path(0), &second), (path(1), &first)] {
        let (status, answer) = send("PUT", path, text.clone()).await;
        assert_eq!((status, &answer["error"]["code"]), (409, &json!("wrong_document")));
    }
    let whole = "/v1/datanets/1/contributions/4/content".to_owned();
    let (status, answer) =
        send("PUT", whole.clone(), json!({"documents": [first, second]}).to_string()).await;
    assert_eq!((status, &answer["documents"]), (201, &json!(2)));
    let (status, _) = send("PUT", whole, json!({"documents": [second, first]}).to_string()).await;
    assert_eq!(status, 409);

    let mut body = question("What is it about?");
    body["model"] = json!("sqlite-library");
    let payment = shop.pay(Method::Exact, &body).await;
    shop.buy(&body, &payment).await;
    shop.attribute();
    let (_, receipt) = send("GET", "/v1/attribution/receipts/0".into(), String::new()).await;
    let span = &receipt["attribution"]["spans"][0];
    // The second document of the fourth contribution.
    assert_eq!(span["contribution"], 4_u64 + (2 << 40));
    assert_eq!(span["document"]["batch"], 4);
    assert_eq!(span["document"]["index"], 1);
    assert_eq!(span["document"]["path"], json!(place.path));
    assert_eq!(span["document"]["contentHash"], json!(list[1].content_hash));
}

/// A call ends a moment after its answer: settles until nothing is open.
async fn settle_all(shop: &Shop) {
    for _ in 0..500 {
        shop.payments.settle().await.unwrap();
        if shop.payments.open_count() == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{} payments stay open", shop.payments.open_count());
}

#[tokio::test]
async fn what_is_wrong_is_refused_and_costs_nothing() {
    let mut shop = Shop::open().await;
    let before = shop.wrapped(shop.payer.address()).await;
    let body = question("What is a checkpoint?");
    let (status, _, text) = shop.ask(&body, &[("x-payment", "not base64")]).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "{text}");
    assert!(text.contains("payment_malformed"));
    // A key that is wrong stays wrong; the key `x402` asks for the price.
    let (status, ..) = shop.ask(&body, &[("authorization", "Bearer ol-x")]).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    let (status, ..) = shop.ask(&body, &[("authorization", "Bearer x402")]).await;
    assert_eq!(status, StatusCode::PAYMENT_REQUIRED);

    for method in [Method::Exact, Method::Capture] {
        let good = shop.pay(method, &body).await;
        let amount = good.amount;
        let with = |change: &dyn Fn(&mut Payment)| {
            let mut payment = good.clone();
            change(&mut payment);
            shop.sign(payment)
        };
        let less = with(&|payment| payment.amount = amount - 1);
        assert_eq!(shop.refused(&body, &less).await, "payment_too_small");
        let late = with(&|payment| payment.valid_before = now());
        assert_eq!(shop.refused(&body, &late).await, "payment_window");
        let early = with(&|payment| payment.valid_after = now() + 60);
        assert_eq!(shop.refused(&body, &early).await, "payment_window");
        let rich = with(&|payment| payment.amount = u128::from(WRAPPED) + 1);
        assert_eq!(shop.refused(&body, &rich).await, "payment_balance");
        let mut forged = good.clone();
        forged.signature = shop.sign(Payment { amount: 1, ..good.clone() }).signature;
        assert_eq!(shop.refused(&body, &forged).await, "payment_signature");
        if method == Method::Capture {
            let other = question("Another question");
            assert_eq!(shop.refused(&other, &good).await, "payment_nonce");
        }
        // Cancelled by its payer at the token.
        let token = WOPEN::new(shop.payee().contracts.wopen, shop.world.provider().clone());
        let domain = shop.payee().token_domain();
        let cancel = CancelAuthorization { authorizer: good.payer, nonce: good.nonce };
        let digest = cancel.eip712_signing_hash(&domain);
        let signature = shop.payer.sign_hash_sync(&digest).unwrap();
        let (v, r, s) = (27 + u8::from(signature.v()), signature.r().into(), signature.s().into());
        let cancelled = token.cancelAuthorization(good.payer, good.nonce, v, r, s);
        let cancelled = cancelled.from(good.payer).send().await.unwrap();
        assert!(cancelled.get_receipt().await.unwrap().status());
        assert_eq!(shop.refused(&body, &good).await, "payment_used");
    }
    assert_eq!(shop.payments.open_count(), 0);
    assert_eq!(shop.wrapped(shop.payer.address()).await, before);

    let payment = shop.pay(Method::Exact, &body).await;
    shop.world.stop_chain();
    let header = shop.header(&payment);
    let (status, _, text) = shop.ask(&body, &[("payment-signature", &header)]).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(text.contains("chain_unavailable"));
    assert_eq!(shop.ledger.call_count(), 0);
}

/// The gateway ends after it answered and before it settled, and in the middle of another answer.
#[tokio::test]
async fn after_a_restart_answers_are_paid_for_and_the_rest_is_given_back() {
    let shop = Shop::open().await;
    let payer = shop.payer.address();
    let before = shop.wrapped(payer).await;
    let mut spent = 0;
    for method in [Method::Exact, Method::Capture] {
        let body = question(method.scheme());
        let payment = shop.pay(method, &body).await;
        spent += shop.buy(&body, &payment).await.1;
        let body = question("Never answered");
        let payment = shop.pay(method, &body).await;
        let quote = Quote { model_id: U256::from(1), request_hash: B256::ZERO };
        let payment = match method {
            Method::Exact => payment,
            Method::Capture => {
                let terms = payment.terms(shop.payee(), &quote);
                let nonce = terms.id(shop.payee().chain_id, shop.payee().contracts.payments);
                shop.sign(Payment { nonce, ..payment })
            }
        };
        // The right to it is lost with the process: nobody decides what becomes of it.
        std::mem::forget(shop.payments.take(payment, quote).await.unwrap());
    }
    let taken = shop.wrapped(payer).await;
    assert!(taken < before - U256::from(spent));
    let shop = shop.reopen();
    assert_eq!(shop.payments.open_count(), 4);
    settle_all(&shop).await;
    assert_eq!(shop.wrapped(payer).await, before - U256::from(spent));
    let shop = shop.reopen();
    assert_eq!(shop.payments.open_count(), 0);
}

/// The contracts' own errors, by the four bytes of their selectors, in what a transaction was refused with.
fn is<E: alloy_sol_types::SolError>(error: &ChainError) -> bool {
    match error {
        ChainError::Call { source, .. } => {
            source.as_revert_data().is_some_and(|data| data.starts_with(&E::SELECTOR))
        }
        _ => false,
    }
}

#[tokio::test]
async fn a_purse_pays_under_its_cap_and_no_further() {
    let shop = Shop::open().await;
    let identity = shop.world.deploy("AgentIdentity", vec![]).await;
    let escrow = shop.chain.contracts().escrow;
    let accounts = (identity, escrow).abi_encode_params();
    let accounts = shop.world.deploy("AgentAccounts", accounts).await;
    let contracts = AgentContracts { identity, accounts };
    let owner = Agents::at(&shop.world.connect(PAYER).await, contracts);
    let (agent, purse) = owner.register("https://agent.example/card.json").await.unwrap();
    assert_eq!(owner.agent_of(purse).await.unwrap(), Some(agent));
    assert_eq!(owner.agent_of(shop.payer.address()).await.unwrap(), None);

    // What a call of this question costs at most.
    let body = question("What is a WAL?");
    let (_, worst) = shop.offers(&body).await;
    let cap = worst * 3 / 2;
    let gateway = shop.world.gateway;
    let agent_key = key(support::CUSTOMER);
    owner.fund(agent, U256::from(worst * 10)).await.unwrap();
    let limits = Limits { key: agent_key.address(), cap, period: 3_600, key_expiry: u64::MAX };
    owner.set_limits(agent, limits).await.unwrap();
    let (_, time) = shop.chain.latest_block().await.unwrap();
    let expiry = time + support::AUTHORIZATION;
    let spender = Agents::at(&shop.world.connect(support::CUSTOMER).await, contracts);
    let refused = spender.authorize(agent, gateway, cap, expiry).await.unwrap_err();
    assert!(is::<IAgentAccount::AgentAccount_GatewayRefused>(&refused), "{refused}");
    owner.allow(agent, gateway, true).await.unwrap();
    let refused = owner.authorize(agent, gateway, cap, expiry).await.unwrap_err();
    assert!(is::<IAgentAccount::AgentAccount_NotKey>(&refused), "{refused}");
    let refused = spender.authorize(agent, gateway, cap + 1, expiry).await.unwrap_err();
    assert!(is::<IAgentAccount::AgentAccount_CapExceeded>(&refused), "{refused}");

    // Before anything is authorised the key opens nothing; somebody else's never does.
    let chain_id = shop.chain.chain_id();
    let mint = |signer: &PrivateKeySigner| {
        let key = mint_delegated_key(purse, signer, gateway, chain_id, u64::MAX).unwrap();
        format!("Bearer {key}")
    };
    let (api_key, stolen) = (mint(&agent_key), mint(&shop.payer));
    let (status, ..) = shop.ask(&body, &[("authorization", &api_key)]).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    spender.authorize(agent, gateway, cap, expiry).await.unwrap();
    assert_eq!(spender.purse(agent).await.unwrap().left_in_period, 0);
    let (status, ..) = shop.ask(&body, &[("authorization", &stolen)]).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);

    // Its key signs for what a call costs at most, and the call is charged what it used.
    let ask = async |cumulative: u128, by: &PrivateKeySigner| {
        let voucher = Voucher { customer: purse, gateway, nonce: 1, cumulative };
        let signature = by.sign_hash_sync(&voucher.digest(&shop.chain.escrow_domain())).unwrap();
        let signature = Bytes::from(signature.as_bytes());
        let voucher = json!({
            "nonce": 1, "cumulative": cumulative.to_string(), "signature": signature,
        });
        let voucher = voucher.to_string();
        let headers =
            [("authorization", api_key.as_str()), ("x-openledger-voucher", voucher.as_str())];
        let (status, _, text) = shop.ask(&body, &headers).await;
        (status, serde_json::from_str::<Value>(&text).unwrap())
    };
    let (status, answer) = ask(worst, &shop.payer).await;
    assert_eq!(
        (status, &answer["error"]["code"]),
        (StatusCode::PAYMENT_REQUIRED, &json!("voucher_invalid"))
    );
    let (status, answer) = ask(worst, &agent_key).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    assert_eq!(answer["openledger"]["signed"]["customer"], json!(purse));
    let fee: u128 = answer["openledger"]["fee"].as_str().unwrap().parse().unwrap();
    assert!(fee + worst > cap, "a second call is beyond the cap");
    let (status, answer) = ask(fee + worst, &agent_key).await;
    assert_eq!(
        (status, &answer["error"]["code"]),
        (StatusCode::PAYMENT_REQUIRED, &json!("escrow_exhausted"))
    );
    let refused = spender.authorize(agent, gateway, cap * 2, expiry).await.unwrap_err();
    assert!(is::<IAgentAccount::AgentAccount_CapExceeded>(&refused), "{refused}");

    // The voucher pays the gateway; the next period has room again.
    let signed = shop.ledger.vouchers().pop().unwrap();
    assert_eq!(signed.voucher.customer, purse);
    shop.chain.redeem(&[(signed.voucher, signed.signature)]).await.unwrap();
    assert!(shop.chain.funds_available(gateway).await.unwrap() >= U256::from(fee));
    shop.world.advance(3_601).await;
    spender.authorize(agent, gateway, cap * 2, expiry).await.unwrap();
    // What was redeemed was signed for the worst case, so the next voucher is above that.
    let (status, answer) = ask(worst * 2, &agent_key).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let before = shop.world.balance(shop.payer.address()).await;
    owner.recover(agent, shop.payer.address()).await.unwrap();
    assert!(shop.world.balance(shop.payer.address()).await > before);
}

#[tokio::test]
async fn a_newcomer_gets_one_grant_within_its_sponsors_limits_and_pays_with_it() {
    let world = World::start().await;
    let pool = world.deploy("SponsorPool", vec![]).await;
    let chain = world.connect(PAYER).await;
    let sponsors = Sponsors::at(&chain, pool);
    let (sponsor, signer) = (key(PAYER).address(), key(support::CUSTOMER));
    let (newcomer, second) = (PrivateKeySigner::random(), Address::repeat_byte(0x51));
    let amount = GRANT_MAX / 10;
    sponsors.deposit(U256::from(GRANT_MAX * 2)).await.unwrap();
    sponsors.set_limits(signer.address(), GRANT_MAX / 8).await.unwrap();
    let (_, time) = chain.latest_block().await.unwrap();
    let sign = |account: Address, amount: u128, by: &PrivateKeySigner, deadline: u64| {
        sponsors.sign(by, sponsor, account, amount, deadline).unwrap()
    };
    // Anyone brings it: a stranger without a part in anything.
    let bringer = Sponsors::at(&world.stranger().await, pool);
    let refused = async |grant: SignedGrant| bringer.bring(&grant).await.unwrap_err();
    let later = time + 3_600;
    let forged = refused(sign(newcomer.address(), amount, &key(PAYER), later)).await;
    assert!(is::<ISponsorPool::SponsorPool_SignatureInvalid>(&forged), "{forged}");
    let late = refused(sign(newcomer.address(), amount, &signer, time - 1)).await;
    assert!(is::<ISponsorPool::SponsorPool_Expired>(&late), "{late}");
    let large = refused(sign(newcomer.address(), GRANT_MAX + 1, &signer, later)).await;
    assert!(is::<ISponsorPool::SponsorPool_GrantTooLarge>(&large), "{large}");

    let grant = sign(newcomer.address(), amount, &signer, later);
    let json = serde_json::to_string(&grant).unwrap();
    assert!(json.contains(&format!("\"amount\":\"{amount}\"")), "{json}");
    assert_eq!(serde_json::from_str::<SignedGrant>(&json).unwrap(), grant);
    bringer.bring(&grant).await.unwrap();
    assert_eq!(world.balance(newcomer.address()).await, U256::from(amount));
    assert!(sponsors.is_sponsored(newcomer.address()).await.unwrap());
    let again = refused(grant).await;
    assert!(is::<ISponsorPool::SponsorPool_SponsoredAlready>(&again), "{again}");
    // A day's allowance is left for less than a second grant.
    let beyond = refused(sign(second, amount, &signer, later)).await;
    assert!(is::<ISponsorPool::SponsorPool_BudgetExceeded>(&beyond), "{beyond}");
    let state = sponsors.sponsor(sponsor).await.unwrap();
    assert_eq!((state.balance, state.signer), (GRANT_MAX * 2 - amount, signer.address()));
    sponsors.withdraw(state.balance).await.unwrap();
    assert_eq!(sponsors.sponsor(sponsor).await.unwrap().balance, 0);

    // The newcomer's first action, with nothing but the grant.
    let own = world.connect_as(newcomer.clone()).await;
    let escrow = own.escrow();
    let deposit = escrow.deposit(newcomer.address()).value(U256::from(amount / 2));
    assert!(deposit.send().await.unwrap().get_receipt().await.unwrap().status());
}
