//! Waiting for transactions that this program sent.

use std::time::Duration;

use alloy_network::Ethereum;
use alloy_provider::PendingTransactionBuilder;
use alloy_rpc_types_eth::TransactionReceipt;
use anyhow::{Context, Result, ensure};

/// How long a transaction is waited for: ten blocks of Ethereum.
const PATIENCE: Duration = Duration::from_secs(120);

/// The receipt of a transaction that should do `what`, and does.
pub async fn succeeded(
    what: &str,
    sent: PendingTransactionBuilder<Ethereum>,
) -> Result<TransactionReceipt> {
    let receipt = included(what, sent).await?;
    let hash = receipt.transaction_hash;
    ensure!(receipt.status(), "the transaction that should {what}, {hash}, failed");
    Ok(receipt)
}

/// The receipt of a transaction that should do `what`, whether it does or fails.
pub async fn included(
    what: &str,
    sent: PendingTransactionBuilder<Ethereum>,
) -> Result<TransactionReceipt> {
    let hash = *sent.tx_hash();
    let waited = tokio::time::timeout(PATIENCE, sent.get_receipt()).await;
    let receipt = waited.with_context(|| {
        format!(
            "the transaction that should {what}, {hash}, is in no block after {} s: look whether the chain goes on, \
             and whether one before it is missing",
            PATIENCE.as_secs()
        )
    })?;
    receipt.with_context(|| format!("cannot wait for the transaction that should {what}, {hash}"))
}
