//! Transactions of a role across crashes, on a real L1 node.

use std::{path::Path, time::Duration};

use alloy_primitives::{Address, B256, Bytes, TxHash, U256, address, hex};
use alloy_provider::{Provider, RootProvider};
use alloy_signer_local::PrivateKeySigner;
use alloy_sol_types::{SolStruct, eip712_domain};
use bridge_disputes::{
    Attestation, RecordDir, SendError, Sender, SenderConfig, attestation_typed_data,
};
use l1::{RemoteSigner, RemoteTls, RoleSigner};
use serde_json::Value;
use tests_anvil::AnvilInstance;
use url::Url;

const CHAIN_ID: u64 = 16_121;
const TO: Address = address!("00000000000000000000000000000000000a11ce");
/// Anvil's first account.
const KEY: &str = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";

struct Anvil {
    _process: AnvilInstance,
    url: Url,
    provider: RootProvider,
}

impl Anvil {
    /// Mines only when told to. `None`, with the reason printed, where anvil is not installed.
    fn start() -> Option<Self> {
        let process = tests_anvil::start(&["--chain-id", "16121", "--no-mining"])?;
        let url = process.endpoint_url();
        let provider = RootProvider::new_http(url.clone());
        Some(Self { _process: process, url, provider })
    }

    fn sender(&self, records: &Path, bump_after: Duration) -> Sender {
        let key: PrivateKeySigner = KEY.parse().unwrap();
        let config =
            SenderConfig { poll: Duration::from_millis(20), bump_after, ..SenderConfig::default() };
        Sender::new(self.url.clone(), CHAIN_ID, key, RecordDir::open(records).unwrap(), config)
    }

    async fn raw(&self, method: &'static str, params: Value) -> Value {
        self.provider.raw_request(method.into(), params).await.unwrap()
    }

    /// Hashes of the waiting transactions.
    async fn waiting(&self) -> Vec<TxHash> {
        let content = self.raw("txpool_content", serde_json::json!([])).await;
        let mut hashes = Vec::new();
        for account in content["pending"].as_object().unwrap().values() {
            for transaction in account.as_object().unwrap().values() {
                hashes.push(transaction["hash"].as_str().unwrap().parse().unwrap());
            }
        }
        hashes
    }

    async fn wait_for_waiting(&self, what: impl Fn(&[TxHash]) -> bool) -> Vec<TxHash> {
        for _ in 0..500 {
            let waiting = self.waiting().await;
            if what(&waiting) {
                return waiting;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("the pool holds {:?}", self.waiting().await);
    }

    async fn mine(&self) {
        self.raw("evm_mine", serde_json::json!([])).await;
    }

    async fn used(&self) -> u64 {
        let key: PrivateKeySigner = KEY.parse().unwrap();
        self.provider.get_transaction_count(key.address()).await.unwrap()
    }
}

const NEVER: Duration = Duration::from_secs(3_600);

/// Begins to send and dies when the transaction is on its way; returns its hash.
async fn die_while_sending(anvil: &Anvil, records: &Path) -> TxHash {
    let sender = anvil.sender(records, NEVER);
    let input = Bytes::from(hex!("01"));
    let sending = tokio::spawn(async move { sender.send("try", TO, input).await });
    let waiting = anvil.wait_for_waiting(|waiting| waiting.len() == 1).await;
    sending.abort();
    assert!(sending.await.unwrap_err().is_cancelled());
    waiting[0]
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_sent_before_a_crash_is_followed_and_not_sent_anew() {
    let Some(anvil) = Anvil::start() else { return };
    let dir = tempfile::tempdir().unwrap();
    let hash = die_while_sending(&anvil, dir.path()).await;

    let sender = anvil.sender(dir.path(), NEVER);
    let settling = tokio::spawn(async move {
        let settled = sender.settle().await;
        (sender, settled)
    });
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(anvil.waiting().await, [hash]);
    anvil.mine().await;
    let (sender, settled) = settling.await.unwrap();
    settled.unwrap();
    assert_eq!(anvil.used().await, 1);
    // Nothing is left to do.
    sender.settle().await.unwrap();
    assert!(anvil.waiting().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_l1_lost_is_sent_again_as_it_was() {
    let Some(anvil) = Anvil::start() else { return };
    let dir = tempfile::tempdir().unwrap();
    let hash = die_while_sending(&anvil, dir.path()).await;
    // As if the crash had come after the record and before the transaction was sent.
    anvil.raw("anvil_dropAllTransactions", serde_json::json!([])).await;
    assert!(anvil.waiting().await.is_empty());

    let sender = anvil.sender(dir.path(), NEVER);
    // Another transaction waits for the first.
    let next = tokio::spawn(async move { sender.send("next", TO, Bytes::from(hex!("02"))).await });
    assert_eq!(anvil.wait_for_waiting(|waiting| !waiting.is_empty()).await, [hash]);
    anvil.mine().await;
    anvil.wait_for_waiting(|waiting| waiting.len() == 1 && waiting[0] != hash).await;
    anvil.mine().await;
    next.await.unwrap().unwrap();
    assert_eq!(anvil.used().await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_waits_is_paid_better_and_happens_once() {
    let Some(anvil) = Anvil::start() else { return };
    let dir = tempfile::tempdir().unwrap();
    let sender = anvil.sender(dir.path(), Duration::from_millis(100));
    let sending = tokio::spawn(async move { sender.send("try", TO, Bytes::new()).await });
    let first = anvil.wait_for_waiting(|waiting| waiting.len() == 1).await;
    anvil.wait_for_waiting(|waiting| waiting.len() == 1 && waiting != first).await;
    anvil.mine().await;
    let receipt = sending.await.unwrap().unwrap();
    assert_ne!(receipt.hash, first[0]);
    assert_eq!(anvil.used().await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_l1_would_refuse_is_not_sent() {
    let Some(anvil) = Anvil::start() else { return };
    let dir = tempfile::tempdir().unwrap();
    // PUSH0 PUSH0 REVERT.
    anvil.raw("anvil_setCode", serde_json::json!([TO, "0x5f5ffd"])).await;
    let sender = anvil.sender(dir.path(), NEVER);
    let refused = sender.send("try", TO, Bytes::new()).await;
    assert!(matches!(refused, Err(SendError::Refused { .. })), "{refused:?}");
    assert!(anvil.waiting().await.is_empty());
    assert!(!dir.path().join("transaction.json").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nonce_that_somebody_else_used_is_noticed() {
    let Some(anvil) = Anvil::start() else { return };
    let dir = tempfile::tempdir().unwrap();
    die_while_sending(&anvil, dir.path()).await;
    anvil.raw("anvil_dropAllTransactions", serde_json::json!([])).await;
    // The same key elsewhere.
    let key: PrivateKeySigner = KEY.parse().unwrap();
    let transfer = serde_json::json!([{"from": key.address(), "to": TO, "value": U256::from(1)}]);
    anvil.raw("eth_sendTransaction", transfer).await;
    anvil.mine().await;
    let sender = anvil.sender(dir.path(), NEVER);
    sender.settle().await.unwrap();
    assert!(!dir.path().join("transaction.json").exists());
    assert_eq!(anvil.used().await, 1);
}

#[test]
fn damaged_records_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let records = RecordDir::open(dir.path()).unwrap();
    records.write("a.json", &7_u64).unwrap();
    assert_eq!(records.read::<u64>("a.json").unwrap(), Some(7));
    assert_eq!(records.read::<u64>("b.json").unwrap(), None);
    std::fs::write(dir.path().join("a.json"), "7x").unwrap();
    let error = records.read::<u64>("a.json").unwrap_err();
    assert!(error.to_string().contains("a.json is damaged"), "{error}");
    records.remove("a.json").unwrap();
    records.remove("a.json").unwrap();
    assert_eq!(records.read::<u64>("a.json").unwrap(), None);
}

/// Anvil keeps the key: it signs transactions and attestations, and what it signs is what was asked for.
#[tokio::test(flavor = "multi_thread")]
async fn a_role_works_with_a_key_that_somebody_else_keeps() {
    let Some(anvil) = Anvil::start() else { return };
    let dir = tempfile::tempdir().unwrap();
    let key: PrivateKeySigner = KEY.parse().unwrap();
    let tls = RemoteTls::default();
    let remote = RemoteSigner::connect(anvil.url.clone(), key.address(), &tls).await.unwrap();
    let signer = RoleSigner::from(remote);

    let attestation = Attestation {
        programId: B256::repeat_byte(1),
        l1Head: B256::repeat_byte(2),
        startingOutputRoot: B256::repeat_byte(3),
        rootClaim: B256::repeat_byte(4),
        l2SequenceNumber: U256::from(u64::MAX),
        l2ChainId: U256::from(16_120),
    };
    let domain = eip712_domain! {
        name: "OpenLedger attestations",
        version: "1",
        chain_id: CHAIN_ID,
        verifying_contract: TO,
    };
    let typed_data = attestation_typed_data(&attestation, &domain);
    let digest = attestation.eip712_signing_hash(&domain);
    let signature = signer.sign_typed_data(&digest, &typed_data).await.unwrap();
    assert_eq!(signature.recover_address_from_prehash(&digest).unwrap(), key.address());
    // What it signed is not what another digest stands for.
    let error = signer.sign_typed_data(&B256::ZERO, &typed_data).await.unwrap_err();
    assert!(error.to_string().contains("its signature is not used"), "{error}");

    let config = SenderConfig { poll: Duration::from_millis(20), ..SenderConfig::default() };
    let records = RecordDir::open(dir.path()).unwrap();
    let sender = Sender::new(anvil.url.clone(), CHAIN_ID, signer, records, config);
    let sending = tokio::spawn(async move { sender.send("try", TO, Bytes::new()).await });
    let waiting = anvil.wait_for_waiting(|waiting| waiting.len() == 1).await;
    anvil.mine().await;
    assert_eq!(sending.await.unwrap().unwrap().hash, waiting[0]);
}
