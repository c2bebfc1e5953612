//! Transactions of an account of ours, until they are in blocks.

use std::time::{Duration, Instant};

use alloy_consensus::{Transaction, TxEnvelope};
use alloy_eips::eip2718::Encodable2718;
use alloy_network::{Ethereum, TransactionBuilder};
use alloy_primitives::TxHash;
use alloy_provider::{
    PendingTransactionBuilder, PendingTransactionError, Provider, SendableTx,
    fillers::{FillProvider, TxFiller},
};
use alloy_rpc_types_eth::{TransactionReceipt, TransactionRequest};
use alloy_transport::{RpcError, TransportResult};

use crate::posting::Fees;

/// How long a transaction is waited for.
#[derive(Clone, Copy, Debug)]
struct Patience {
    /// It is replaced by a better paying one after this time, and again each time after twice the last.
    replace_after: Duration,
    /// Fees that rise for some minutes are outlasted, a transaction that the node has lost is not.
    end: Duration,
}

/// Three blocks of Ethereum first, as the batcher.
const PATIENCE: Patience =
    Patience { replace_after: Duration::from_secs(36), end: Duration::from_secs(600) };

/// A transaction that did not do what it should.
#[derive(Debug, thiserror::Error)]
pub enum InclusionError {
    #[error("cannot wait for the transaction that should {what}: {source}")]
    Unknown { what: &'static str, source: PendingTransactionError },
    #[error(
        "the transaction that should {what}, {hash}, is in no block after {} s: the node may have lost it, its \
         fees may be too low, or one before it is missing; try again once the account has none waiting",
        waited.as_secs()
    )]
    Late { what: &'static str, hash: TxHash, waited: Duration },
    #[error("the transaction that should {what} failed: {hash}")]
    Failed { what: &'static str, hash: TxHash },
}

type Result<T, E = InclusionError> = std::result::Result<T, E>;

fn unknown<E: Into<PendingTransactionError>>(what: &'static str) -> impl Fn(E) -> InclusionError {
    move |source| InclusionError::Unknown { what, source: source.into() }
}

/// The receipt of a transaction that did not fail, once it is in a block.
pub(crate) async fn included(
    what: &'static str,
    sent: PendingTransactionBuilder<Ethereum>,
) -> Result<TransactionReceipt> {
    included_within(PATIENCE.end, what, sent).await
}

async fn included_within(
    patience: Duration,
    what: &'static str,
    sent: PendingTransactionBuilder<Ethereum>,
) -> Result<TransactionReceipt> {
    let hash = *sent.tx_hash();
    let receipt = tokio::time::timeout(patience, sent.get_receipt())
        .await
        .map_err(|_| InclusionError::Late { what, hash, waited: patience })?
        .map_err(unknown(what))?;
    succeeded(what, receipt)
}

fn succeeded(what: &'static str, receipt: TransactionReceipt) -> Result<TransactionReceipt> {
    let hash = receipt.transaction_hash;
    match receipt.status() {
        true => Ok(receipt),
        false => Err(InclusionError::Failed { what, hash }),
    }
}

/// Sends transactions of one account, each with what it should do and its nonce, all at once in the order of the
/// nonces, and returns their receipts. What is not included soon is replaced, and what comes after it given to the node
/// again: fees may have risen, and anvil 1.7.1 neither includes nor refuses a transaction that arrives while the one
/// before it gets into a block.
pub(crate) async fn send_all<F: TxFiller<Ethereum>, P: Provider<Ethereum>>(
    node: &FillProvider<F, P, Ethereum>,
    steps: Vec<(&'static str, TransactionRequest)>,
) -> Result<Vec<TransactionReceipt>> {
    send_all_within(PATIENCE, node, steps).await
}

async fn send_all_within<F: TxFiller<Ethereum>, P: Provider<Ethereum>>(
    patience: Patience,
    node: &FillProvider<F, P, Ethereum>,
    steps: Vec<(&'static str, TransactionRequest)>,
) -> Result<Vec<TransactionReceipt>> {
    let mut sent = Vec::with_capacity(steps.len());
    for (what, request) in steps {
        let signed = signed(node, request.clone()).await.map_err(unknown(what))?;
        let _pending = node.send_tx_envelope(signed.clone()).await.map_err(unknown(what))?;
        sent.push(Sent { what, request, hashes: vec![*signed.tx_hash()], signed });
    }
    let mut receipts = Vec::with_capacity(sent.len());
    let mut rest = sent.as_mut_slice();
    while let Some((first, later)) = rest.split_first_mut() {
        let receipt = first.receipt(patience, node, later).await?;
        receipts.push(succeeded(first.what, receipt)?);
        rest = later;
    }
    Ok(receipts)
}

async fn signed<F: TxFiller<Ethereum>, P: Provider<Ethereum>>(
    node: &FillProvider<F, P, Ethereum>,
    request: TransactionRequest,
) -> TransportResult<TxEnvelope> {
    match node.fill(request).await? {
        SendableTx::Envelope(envelope) => Ok(envelope),
        SendableTx::Builder(_) => Err(RpcError::local_usage_str("there is no wallet that signs")),
    }
}

/// A transaction that the node took.
struct Sent {
    what: &'static str,
    request: TransactionRequest,
    signed: TxEnvelope,
    /// Of it and of those that it replaced.
    hashes: Vec<TxHash>,
}

impl Sent {
    /// Waits for its block, and does what it can that there will be one.
    async fn receipt<F: TxFiller<Ethereum>, P: Provider<Ethereum>>(
        &mut self,
        patience: Patience,
        node: &FillProvider<F, P, Ethereum>,
        later: &[Self],
    ) -> Result<TransactionReceipt> {
        let (what, started) = (self.what, Instant::now());
        let (mut since, mut replace_after) = (started, patience.replace_after);
        loop {
            for hash in &self.hashes {
                let receipt = node.get_transaction_receipt(*hash).await.map_err(unknown(what))?;
                if let Some(receipt) = receipt {
                    return Ok(receipt);
                }
            }
            if started.elapsed() >= patience.end {
                let hash = *self.signed.tx_hash();
                return Err(InclusionError::Late { what, hash, waited: patience.end });
            }
            if since.elapsed() >= replace_after {
                (since, replace_after) = (Instant::now(), replace_after.saturating_mul(2));
                self.replace(node).await.map_err(unknown(what))?;
                for Self { what, signed, .. } in later {
                    give(node, signed).await.map_err(unknown(what))?;
                }
            }
            tokio::time::sleep(node.client().poll_interval()).await;
        }
    }

    /// Pays more.
    async fn replace<F: TxFiller<Ethereum>, P: Provider<Ethereum>>(
        &mut self,
        node: &FillProvider<F, P, Ethereum>,
    ) -> TransportResult<()> {
        let old = Fees {
            fee_max: self.signed.max_fee_per_gas(),
            priority_fee: self.signed.max_priority_fee_per_gas().unwrap_or_default(),
            blob_fee: 0,
        };
        let market = node.estimate_eip1559_fees().await?;
        let market = Fees {
            fee_max: market.max_fee_per_gas,
            priority_fee: market.max_priority_fee_per_gas,
            blob_fee: 0,
        };
        let Some(fees) = old.replacement(market, u128::MAX, 0) else { return Ok(()) };
        let request = self
            .request
            .clone()
            .with_max_fee_per_gas(fees.fee_max)
            .with_max_priority_fee_per_gas(fees.priority_fee);
        self.signed = signed(node, request).await?;
        let hash = *self.signed.tx_hash();
        tracing::warn!(what = self.what, %hash, fee_max = fees.fee_max, "a transaction waits: it is replaced");
        self.hashes.push(hash);
        give(node, &self.signed).await
    }
}

/// Gives a node what it may have already.
async fn give<P: Provider<Ethereum>>(node: &P, signed: &TxEnvelope) -> TransportResult<()> {
    match node.send_raw_transaction(&signed.encoded_2718()).await {
        // Included meanwhile, or known.
        Err(error) if error.is_error_resp() => Ok(()),
        answer => answer.map(drop),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use alloy_eips::eip2718::Decodable2718;
    use alloy_network::EthereumWallet;
    use alloy_primitives::{Address, B256, Bytes, U64};
    use alloy_provider::ProviderBuilder;
    use alloy_signer_local::PrivateKeySigner;
    use alloy_transport::mock::Asserter;
    use axum::{Json, Router, routing::post};
    use serde_json::{Value, json};

    use super::*;

    fn receipt(status: &str) -> Value {
        json!({
            "type": "0x2", "status": status, "cumulativeGasUsed": "0x5208", "logs": [],
            "logsBloom": format!("0x{}", "00".repeat(256)), "transactionHash": B256::ZERO,
            "transactionIndex": "0x0", "blockHash": B256::ZERO, "blockNumber": "0x1",
            "gasUsed": "0x5208", "effectiveGasPrice": "0x1", "contractAddress": null,
            "from": format!("0x{}", "00".repeat(20)), "to": format!("0x{}", "00".repeat(20)),
        })
    }

    /// What becomes of a transaction about which the node answers so, again and again.
    async fn after(answer: Value) -> Result<TransactionReceipt, InclusionError> {
        let node = Asserter::new();
        let provider = ProviderBuilder::new().connect_mocked_client(node.clone());
        (0..10_000).for_each(|_| node.push_success(&answer));
        let sent = PendingTransactionBuilder::new(provider.root().clone(), B256::ZERO);
        included_within(Duration::from_millis(500), "test", sent).await
    }

    #[tokio::test]
    async fn what_failed_and_what_is_lost_is_said() {
        assert!(after(receipt("0x1")).await.unwrap().status());
        let failed = after(receipt("0x0")).await.unwrap_err();
        assert!(matches!(failed, InclusionError::Failed { what: "test", .. }), "{failed}");
        let late = after(Value::Null).await.unwrap_err();
        assert!(matches!(late, InclusionError::Late { .. }), "{late}");
        assert!(late.to_string().contains("in no block after 0 s"), "{late}");
    }

    /// A node that includes nothing that it is given for the first time.
    #[derive(Default)]
    struct Stubborn {
        given: Vec<TxEnvelope>,
        /// Nonces of what is in blocks.
        mined: Vec<u64>,
        /// It keeps what it does not include.
        keeps: bool,
    }

    impl Stubborn {
        fn answer(&mut self, method: &str, parameter: &Value) -> Result<Value, &'static str> {
            Ok(match method {
                "eth_sendRawTransaction" => {
                    let raw: Bytes = serde_json::from_value(parameter.clone()).unwrap();
                    let new = TxEnvelope::decode_2718(&mut raw.as_ref()).unwrap();
                    let next = self.mined.len() as u64;
                    let before = self.given.iter().rfind(|old| nonce(old) == nonce(&new));
                    match before {
                        Some(old) if self.keeps && old.tx_hash() == new.tx_hash() => {
                            return Err("already known");
                        }
                        Some(old) if old.max_fee_per_gas() >= new.max_fee_per_gas() => {}
                        Some(_) if nonce(&new) == next => self.mined.push(next),
                        _ => {}
                    }
                    self.given.push(new.clone());
                    json!(new.tx_hash())
                }
                "eth_getTransactionReceipt" => {
                    let known = self.given.iter().find(|tx| json!(tx.tx_hash()) == *parameter);
                    match known {
                        // The last of a nonce is what was included.
                        Some(tx) if self.mined.contains(&nonce(tx)) => {
                            let last = self.given.iter().rfind(|last| nonce(last) == nonce(tx));
                            let mut receipt = receipt("0x1");
                            receipt["transactionHash"] = parameter.clone();
                            match last.unwrap().tx_hash() == tx.tx_hash() {
                                true => receipt,
                                false => Value::Null,
                            }
                        }
                        _ => Value::Null,
                    }
                }
                "eth_feeHistory" => json!({
                    "oldestBlock": "0x1", "baseFeePerGas": ["0x64", "0x64"], "gasUsedRatio": [0.5],
                    "reward": [["0x1"]],
                }),
                "eth_getBlockByNumber" => Value::Null,
                _ => json!("0x5208"),
            })
        }
    }

    fn nonce(transaction: &TxEnvelope) -> u64 {
        transaction.nonce()
    }

    async fn sent_to(node: Stubborn) -> (Result<Vec<TransactionReceipt>>, Vec<TxEnvelope>) {
        let node = Arc::new(Mutex::new(node));
        let router = Router::new().fallback(post({
            let node = Arc::clone(&node);
            move |Json(request): Json<Value>| async move {
                let method = request["method"].as_str().unwrap();
                let answer = node.lock().unwrap().answer(method, &request["params"][0]);
                let id = &request["id"];
                Json(match answer {
                    Ok(result) => json!({ "jsonrpc": "2.0", "id": id, "result": result }),
                    Err(message) => json!({
                        "jsonrpc": "2.0", "id": id, "error": { "code": -32_000, "message": message },
                    }),
                })
            }
        }));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        let wallet = EthereumWallet::from(PrivateKeySigner::from_bytes(&[1; 32].into()).unwrap());
        let provider = ProviderBuilder::new().wallet(wallet).connect_http(url);
        let steps = (0..3)
            .map(|nonce| ("test", TransactionRequest::default().to(Address::ZERO).nonce(nonce)));
        let patience =
            Patience { replace_after: Duration::from_millis(100), end: Duration::from_secs(20) };
        let receipts = send_all_within(patience, &provider, steps.collect()).await;
        let given = std::mem::take(&mut node.lock().unwrap().given);
        (receipts, given)
    }

    #[tokio::test]
    async fn what_waits_is_replaced_and_what_is_lost_given_again() {
        for keeps in [true, false] {
            let (receipts, given) = sent_to(Stubborn { keeps, ..Default::default() }).await;
            let receipts = receipts.unwrap();
            assert_eq!(receipts.len(), 3);
            for (place, receipt) in (0..).zip(receipts) {
                let forms = given.iter().filter(|tx| nonce(tx) == place);
                let fees = |tx: &TxEnvelope| {
                    (tx.max_fee_per_gas(), tx.max_priority_fee_per_gas().unwrap())
                };
                let (first, last) = (forms.clone().next().unwrap(), forms.last().unwrap());
                assert_eq!(receipt.transaction_hash, *last.tx_hash());
                // Nodes ask for a tenth more of each.
                assert!(fees(last).0 * 10 >= fees(first).0 * 11, "{first:?} {last:?}");
                assert!(fees(last).1 * 10 >= fees(first).1 * 11, "{first:?} {last:?}");
            }
        }
    }

    /// The state in which anvil leaves what arrives while the one before it gets into a block: the account is there,
    /// the transaction waits.
    #[tokio::test]
    async fn what_anvil_keeps_waiting_is_replaced() {
        let args = ["--mixed-mining", "--block-time", "1"];
        let Some(anvil) = tests_anvil::start(&args) else { return };
        let key = PrivateKeySigner::from(anvil.first_key().clone());
        let from = key.address();
        let provider = ProviderBuilder::new()
            .wallet(EthereumWallet::from(key))
            .connect_http(anvil.endpoint_url());
        let steps = (1..3)
            .map(|nonce| ("test", TransactionRequest::default().to(from).nonce(nonce)))
            .collect();
        let patience =
            Patience { replace_after: Duration::from_secs(3), end: Duration::from_secs(60) };
        let stuck = async {
            let queued = || provider.raw_request::<_, Value>("txpool_status".into(), ());
            while queued().await.unwrap()["queued"] != "0x2" {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            let set = (from, U64::from(1));
            provider.raw_request::<_, ()>("anvil_setNonce".into(), set).await.unwrap();
        };
        let stuck = tokio::time::timeout(Duration::from_secs(2), stuck);
        let (receipts, _) = tokio::join!(send_all_within(patience, &provider, steps), stuck);
        assert_eq!(receipts.unwrap().len(), 2);
        assert_eq!(provider.get_transaction_count(from).await.unwrap(), 3);
    }
}
