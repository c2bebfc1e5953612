//! Sending a transaction, and learning of its execution before its block where the node tells: by
//! `eth_sendRawTransactionSync` (EIP-7966), which a node with preconfirmations answers at once. A node without the method is
//! sent to as usual and asked for the receipt.

use std::{
    fmt,
    time::{Duration, Instant},
};

use alloy_consensus::TxEnvelope;
use alloy_network::{Ethereum, eip2718::Encodable2718};
use alloy_primitives::{Bytes, TxHash, U64};
use alloy_provider::{
    DynProvider, Provider, SendableTx,
    fillers::{FillProvider, TxFiller},
};
use alloy_rpc_types_eth::{TransactionReceipt, TransactionRequest};
use alloy_transport::{RpcError, TransportError, TransportResult};
use async_trait::async_trait;

use super::{Chain, Result, call, rpc, succeeded};

/// Longest wait for a transaction that was accepted by the node.
const CONFIRMATION_PATIENCE: Duration = Duration::from_secs(30);

/// Longest time for which the node is asked to hold its answer back, milliseconds: the next transaction waits as long, to
/// be numbered.
const SYNC_WAIT_MS: u64 = 500;

/// A node that had no receipt by then makes blocks slowly, and is sent to as usual for so long.
const SYNC_PAUSE: Duration = Duration::from_secs(60);

/// JSON-RPC: the method does not exist, or takes other parameters; EIP-1474: the method is not supported.
const NOT_OFFERED: [i64; 3] = [-32_601, -32_602, -32_004];

/// EIP-7966: accepted, but not included in time.
const NOT_IN_TIME: i64 = 4;

/// Completes and signs what is to be sent.
#[async_trait]
pub(super) trait Fill: Send + Sync {
    async fn fill(&self, request: TransactionRequest) -> TransportResult<SendableTx<Ethereum>>;
}

#[async_trait]
impl<F: TxFiller<Ethereum>, P: Provider<Ethereum>> Fill for FillProvider<F, P, Ethereum> {
    async fn fill(&self, request: TransactionRequest) -> TransportResult<SendableTx<Ethereum>> {
        Self::fill(self, request).await
    }
}

impl fmt::Debug for dyn Fill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fill")
    }
}

/// A transaction that the node has accepted.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub transaction: TxHash,
    /// What the node said of its execution, if it did. Its block need not be sealed.
    receipt: Option<TransactionReceipt>,
}

/// Whoever holds it numbers and sends the next transaction; what it knows of the node.
#[derive(Debug, Default)]
pub(crate) struct Turn {
    /// When receipts may be asked for with the transaction.
    sync: Preconfirmations,
}

#[derive(Debug, Default)]
enum Preconfirmations {
    #[default]
    Now,
    From(Instant),
    Never,
}

impl Turn {
    async fn send(
        &mut self,
        provider: &DynProvider,
        envelope: &TxEnvelope,
    ) -> TransportResult<Option<TransactionReceipt>> {
        let raw = envelope.encoded_2718();
        let due = match self.sync {
            Preconfirmations::Now => true,
            Preconfirmations::From(time) => time <= Instant::now(),
            Preconfirmations::Never => false,
        };
        if due {
            let parameters = (Bytes::from(raw.clone()), U64::from(SYNC_WAIT_MS));
            let method = "eth_sendRawTransactionSync";
            let answer: TransportResult<TransactionReceipt> =
                provider.client().request(method, parameters).await;
            match answer.map_err(|error| (code(&error), error)) {
                Ok(receipt) => return Ok(Some(receipt)),
                Err((Some(NOT_IN_TIME), _)) => {
                    self.sync = Preconfirmations::From(Instant::now() + SYNC_PAUSE);
                    return Ok(None);
                }
                Err((Some(code), _)) if NOT_OFFERED.contains(&code) => {
                    self.sync = Preconfirmations::Never
                }
                Err((_, error)) => return Err(error),
            }
        }
        // Its receipt is asked for by whoever needs it.
        let _pending = provider.send_raw_transaction(&raw).await?;
        Ok(None)
    }
}

impl Chain {
    /// Sends a transaction, and keeps what the node says of its execution.
    pub(crate) async fn send(
        &self,
        what: &'static str,
        request: TransactionRequest,
    ) -> Result<Sent> {
        let failed = |error: TransportError| call(what)(error.into());
        let Some(filler) = &self.filler else {
            return Err(failed(RpcError::local_usage_str("the connection is for reading")));
        };
        let mut turn = self.turn().await;
        let filled = filler.fill(request).await.map_err(failed)?;
        let SendableTx::Envelope(envelope) = filled else {
            return Err(failed(RpcError::local_usage_str("the transaction is not signed")));
        };
        let receipt = turn.send(&self.provider, &envelope).await.map_err(failed)?;
        Ok(Sent { transaction: *envelope.tx_hash(), receipt })
    }

    /// Waits until a transaction is executed, be its block sealed or not. Before it is sealed the sequencer's word is all
    /// there is for it.
    pub(crate) async fn executed(
        &self,
        what: &'static str,
        sent: Sent,
    ) -> Result<TransactionReceipt> {
        match sent.receipt {
            Some(receipt) => succeeded(what, receipt),
            None => self.confirm(what, sent.transaction).await,
        }
    }

    /// Waits for a transaction until its block is sealed.
    pub(crate) async fn confirm(
        &self,
        what: &'static str,
        transaction: TxHash,
    ) -> Result<TransactionReceipt> {
        let started = Instant::now();
        let mut pause = Duration::from_millis(5);
        while started.elapsed() < CONFIRMATION_PATIENCE {
            let receipt = self.provider.get_transaction_receipt(transaction).await;
            if let Some(receipt) = receipt.map_err(rpc(what))? {
                return succeeded(what, receipt);
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(200));
        }
        Err(super::ChainError::Unconfirmed { what, transaction })
    }
}

fn code(error: &TransportError) -> Option<i64> {
    error.as_error_resp().map(|error| error.code)
}

#[cfg(test)]
mod tests {
    use alloy_network::{EthereumWallet, NetworkTransactionBuilder, TransactionBuilder};
    use alloy_primitives::{Address, B256};
    use alloy_provider::ProviderBuilder;
    use alloy_signer_local::PrivateKeySigner;
    use alloy_transport::mock::Asserter;
    use serde_json::json;

    use super::*;

    async fn envelope() -> TxEnvelope {
        let request = TransactionRequest::default()
            .with_to(Address::repeat_byte(1))
            .with_nonce(0)
            .with_chain_id(16_120)
            .with_gas_limit(21_000)
            .with_max_fee_per_gas(1)
            .with_max_priority_fee_per_gas(1);
        request.build(&EthereumWallet::from(PrivateKeySigner::random())).await.unwrap()
    }

    fn refusal(code: i64) -> alloy_transport::mock::MockResponse {
        let payload = json!({"code": code, "message": "no"});
        alloy_transport::mock::MockResponse::Failure(serde_json::from_value(payload).unwrap())
    }

    fn receipt() -> serde_json::Value {
        json!({
            "type": "0x2", "status": "0x1", "cumulativeGasUsed": "0x5208", "logs": [],
            "logsBloom": format!("0x{}", "00".repeat(256)),
            "transactionHash": B256::repeat_byte(2), "transactionIndex": "0x0",
            "blockHash": B256::ZERO, "blockNumber": "0x1", "gasUsed": "0x5208",
            "effectiveGasPrice": "0x1", "from": Address::ZERO, "to": Address::ZERO,
            "contractAddress": null,
        })
    }

    struct Node {
        asserter: Asserter,
        provider: DynProvider,
        turn: Turn,
    }

    impl Node {
        fn new() -> Self {
            let asserter = Asserter::new();
            let provider = ProviderBuilder::new()
                .disable_recommended_fillers()
                .connect_mocked_client(asserter.clone())
                .erased();
            Self { asserter, provider, turn: Turn::default() }
        }

        /// Sends once; every prepared answer must have been asked for.
        async fn send(&mut self) -> TransportResult<Option<TransactionReceipt>> {
            let sent = self.turn.send(&self.provider, &envelope().await).await;
            assert!(self.asserter.read_q().is_empty(), "the node was asked too little");
            sent
        }
    }

    #[tokio::test]
    async fn a_node_that_tells_at_once_is_asked_once() {
        let mut node = Node::new();
        for _ in 0..2 {
            node.asserter.push_success(&receipt());
            assert!(node.send().await.unwrap().unwrap().status());
        }
    }

    #[tokio::test]
    async fn a_node_without_the_method_is_sent_to_as_usual_from_then_on() {
        for code in NOT_OFFERED {
            let mut node = Node::new();
            node.asserter.push(refusal(code));
            node.asserter.push_success(&B256::ZERO);
            assert_eq!(node.send().await.unwrap(), None);
            node.asserter.push_success(&B256::ZERO);
            assert_eq!(node.send().await.unwrap(), None);
        }
    }

    /// A transaction that was not in a block in time is in the pool: it must not be sent again.
    #[tokio::test]
    async fn a_slow_node_is_not_kept_waiting_for() {
        let mut node = Node::new();
        node.asserter.push(refusal(NOT_IN_TIME));
        assert_eq!(node.send().await.unwrap(), None);
        node.asserter.push_success(&B256::ZERO);
        assert_eq!(node.send().await.unwrap(), None);
        node.turn.sync = Preconfirmations::From(Instant::now());
        node.asserter.push_success(&receipt());
        assert!(node.send().await.unwrap().is_some());
    }

    #[tokio::test]
    async fn a_refused_transaction_is_an_error() {
        let mut node = Node::new();
        node.asserter.push(refusal(-32_000));
        assert_eq!(code(&node.send().await.unwrap_err()), Some(-32_000));
    }
}
