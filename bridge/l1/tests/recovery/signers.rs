//! Keys that somebody else keeps: a batcher whose transactions are signed by anvil (which offers
//! `eth_signTransaction` for its accounts, as web3signer does), and signers that are away, refuse or lie.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use alloy_consensus::{
    SignableTransaction, TxEip1559, TxEip4844, TxEip4844Variant, TxEip4844WithSidecar, TxEnvelope,
    TypedTransaction,
};
use alloy_eips::{eip2718::Encodable2718, eip4844::BlobTransactionSidecar};
use alloy_primitives::{Address, B256, TxKind, hex};
use alloy_rpc_types_eth::TransactionRequest;
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use axum::{Json, Router, extract::State, http::StatusCode, response::IntoResponse, routing::post};
use bridge_l1::{BatcherError, RemoteSigner, RemoteTls, RoleSigner, SignError};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use url::Url;

use crate::harness::{L1, MemoryJournal, batcher, fast, stranger, wait_for};

/// What a signer does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    /// Signs what it is asked for.
    Honest,
    /// The same, in geth's form of the answer.
    HonestAsGeth,
    /// Locked, as services tell it.
    Refuses,
    /// Status 503 with a page for people.
    Unavailable,
    /// Never answers.
    Silent,
    /// Pays the most that it can.
    Pays,
    /// Sends it to itself.
    Redirects,
    /// Uses a key of its own.
    OtherKey,
    /// Sends something else.
    Babbles,
}

/// A signer for the batcher's account.
#[derive(Clone)]
struct Service {
    manner: Arc<Mutex<Manner>>,
    asked: Arc<Mutex<Vec<Value>>>,
}

impl Service {
    async fn start(manner: Manner) -> (Self, Url) {
        let service = Self { manner: Arc::new(Mutex::new(manner)), asked: Arc::default() };
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
        let router = Router::new().route("/", post(answer)).with_state(service.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (service, url)
    }

    fn set(&self, manner: Manner) {
        *self.manner.lock().unwrap() = manner;
    }

    fn asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

async fn answer(State(service): State<Service>, Json(call): Json<Value>) -> impl IntoResponse {
    let manner = *service.manner.lock().unwrap();
    let reply = |result: Value| Json(json!({"jsonrpc": "2.0", "id": call["id"], "result": result}));
    if call["method"] == "eth_accounts" {
        return reply(json!([batcher().address()])).into_response();
    }
    assert_eq!(call["method"], "eth_signTransaction");
    service.asked.lock().unwrap().push(call["params"][0].clone());
    let refusal = json!({"code": -32000, "message": "authentication needed: password or unlock"});
    match manner {
        Manner::Refuses => {
            Json(json!({"jsonrpc": "2.0", "id": 1, "error": refusal})).into_response()
        }
        Manner::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "<html>").into_response(),
        Manner::Silent => std::future::pending().await,
        Manner::Babbles => reply(json!("0x02c0")).into_response(),
        _ => {
            let raw = json!(hex::encode_prefixed(sign(manner, &call["params"][0])));
            match manner {
                Manner::HonestAsGeth => reply(json!({"raw": raw, "tx": {}})).into_response(),
                _ => reply(raw).into_response(),
            }
        }
    }
}

/// The signed form of what is asked for, or of something like it.
fn sign(manner: Manner, asked: &Value) -> Vec<u8> {
    let request: TransactionRequest = serde_json::from_value(asked.clone()).unwrap();
    assert_eq!(request.from, Some(batcher().address()));
    let key = if manner == Manner::OtherKey { stranger() } else { batcher() };
    let sign = |hash: B256| key.sign_hash_sync(&hash).unwrap();
    let envelope = match request.build_consensus_tx().unwrap() {
        TypedTransaction::Eip1559(mut transaction) => {
            match manner {
                Manner::Pays => transaction.max_priority_fee_per_gas = transaction.max_fee_per_gas,
                Manner::Redirects => transaction.to = TxKind::Call(stranger().address()),
                _ => {}
            }
            let signature = sign(transaction.signature_hash());
            TxEnvelope::from(transaction.into_signed(signature))
        }
        TypedTransaction::Eip4844(TxEip4844Variant::TxEip4844(transaction)) => {
            let signature = sign(transaction.signature_hash());
            TxEnvelope::from(transaction.into_signed(signature))
        }
        other => panic!("nobody asks for {other:?}"),
    };
    envelope.encoded_2718()
}

async fn connect(url: &Url, account: Address) -> Result<RemoteSigner, SignError> {
    RemoteSigner::connect(url.clone(), account, &RemoteTls::default()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batcher_posts_with_a_key_that_its_l1_node_keeps() {
    let Some(l1) = L1::start().await else { return };
    let nobody = PrivateKeySigner::random().address();
    let error = connect(&l1.url, nobody).await.unwrap_err();
    assert!(matches!(error, SignError::NoSuchAccount { account, .. } if account == nobody));

    let (l2, journal) = (l1.l2(12).await, MemoryJournal::default());
    let deriver = l1.deriver(&l2);
    let signer = connect(&l1.url, batcher().address()).await.unwrap();
    let task = l1.run_batcher(l1.client.clone(), signer, &l2, &journal, fast(), None).await;
    deriver.reach(&l2, 12).await;
    task.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signer_that_is_away_is_waited_for() {
    let Some(l1) = L1::start().await else { return };
    let (l2, journal) = (l1.l2(8).await, MemoryJournal::default());
    let (service, url) = Service::start(Manner::Refuses).await;
    let account = batcher().address();
    let limit = Duration::from_millis(200);
    let signer = RemoteSigner::with_time_limit(url, account, &RemoteTls::default(), limit).unwrap();
    let task = l1.run_batcher(l1.client.clone(), signer, &l2, &journal, fast(), None).await;
    for manner in [Manner::Unavailable, Manner::Silent] {
        let before = service.asked();
        wait_for("another request", || service.asked() > before).await;
        service.set(manner);
    }
    assert!(journal.is_empty(), "something unsigned was written down");
    assert!(!task.task.is_finished());
    service.set(Manner::HonestAsGeth);
    l1.deriver(&l2).reach(&l2, 8).await;
    task.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signer_that_changes_a_transaction_ends_the_batcher_and_posts_nothing() {
    let Some(l1) = L1::start().await else { return };
    let account = batcher().address();
    for (manner, expected) in [
        (Manner::Pays, "signed another transaction than it was asked for: priority fee"),
        (Manner::Redirects, "signed another transaction than it was asked for: recipient"),
        (Manner::OtherKey, "signed with the key of 0x3C44"),
    ] {
        let (l2, journal) = (l1.l2(3).await, MemoryJournal::default());
        let (_service, url) = Service::start(manner).await;
        let signer = connect(&url, account).await.unwrap();
        let task = l1.run_batcher(l1.client.clone(), signer, &l2, &journal, fast(), None).await;
        let error = task.task.await.unwrap().unwrap_err();
        assert!(matches!(error, BatcherError::Signer { .. }), "{manner:?}: {error}");
        assert!(error.to_string().contains(expected), "{manner:?}: {error}");
        assert!(journal.is_empty() && l1.inbox().await.is_empty(), "{manner:?}");
    }
}

#[tokio::test]
async fn every_failure_is_named() {
    let account = batcher().address();
    let transaction = TxEip1559 { chain_id: 5, to: TxKind::Call(account), ..Default::default() };
    let limit = Duration::from_millis(100);
    let signer = |url: &Url| -> RoleSigner {
        let tls = RemoteTls::default();
        RemoteSigner::with_time_limit(url.clone(), account, &tls, limit).unwrap().into()
    };
    for (manner, temporary, expected) in [
        (Manner::Refuses, true, "authentication needed: password or unlock (-32000)"),
        (Manner::Unavailable, true, "answered with HTTP status 503"),
        (Manner::Silent, true, "does not answer"),
        (Manner::Babbles, true, "it is no signed transaction"),
        (Manner::OtherKey, false, "signed with the key of"),
    ] {
        let (_service, url) = Service::start(manner).await;
        let error = signer(&url).sign(&transaction).await.unwrap_err();
        assert!(error.to_string().contains(expected), "{manner:?}: {error}");
        assert_eq!(error.is_temporary(), temporary, "{manner:?}");
    }
    let (_service, url) = Service::start(Manner::Honest).await;
    let signature = signer(&url).sign(&transaction).await.unwrap();
    let hash = transaction.signature_hash();
    assert_eq!(signature.recover_address_from_prehash(&hash).unwrap(), account);

    // The signer gets the hashes of blobs, and the batcher keeps the rest.
    let (service, url) = Service::start(Manner::Honest).await;
    let transaction =
        TxEip4844 { chain_id: 5, blob_versioned_hashes: vec![B256::ZERO], ..Default::default() };
    let sidecar = BlobTransactionSidecar::default();
    let transaction = TxEip4844WithSidecar::from_tx_and_sidecar(transaction, sidecar);
    let signature = signer(&url).sign(&transaction).await.unwrap();
    let hash = transaction.signature_hash();
    assert_eq!(signature.recover_address_from_prehash(&hash).unwrap(), account);
    let asked = service.asked.lock().unwrap().clone();
    assert_eq!(asked[0]["blobVersionedHashes"], json!([B256::ZERO]));
    assert!(asked[0].get("blobs").is_none());

    let absent: Url = "http://user:secret@127.0.0.1:1/path".parse().unwrap();
    let error = connect(&absent, account).await.unwrap_err().to_string();
    assert!(error.starts_with("the signer at http://127.0.0.1:1 does not answer"), "{error}");
    assert!(!error.contains("secret"), "{error}");
    let file: Url = "file:///tmp/signer".parse().unwrap();
    assert!(matches!(connect(&file, account).await, Err(SignError::Config { .. })));
    let tls = RemoteTls { identity: Some("/nowhere/key.pem".into()), ..Default::default() };
    let error = RemoteSigner::connect(url, account, &tls).await.unwrap_err().to_string();
    assert!(error.contains("/nowhere/key.pem"), "{error}");
}
