//! A typed view of an L1 node: only what the watcher and the batcher ask for. Each request has a time
//! limit; the reactions to failures are the callers'.
//!
//! The L1 node is trusted, as op-node trusts its own with `--l1.trustrpc`: headers are checked against
//! their hashes and logs against the block, but logs and transactions are not proven against roots.

use std::{collections::BTreeMap, future::IntoFuture, time::Duration};

use alloy_consensus::{BlockHeader, Transaction as _, Typed2718};
use alloy_eips::{BlockNumberOrTag, eip7840::BlobParams};
use alloy_network::{Ethereum, TransactionResponse};
use alloy_primitives::{Address, B256, Bytes, TxHash};
use alloy_provider::{Provider, RootProvider};
use alloy_rpc_types_eth::{Block, Filter, Log, Transaction, TransactionReceipt};
use alloy_transport::TransportError;
use derive::{InboxTransaction, L1Block, decode_blob};
use messages::{CONFIG_UPDATE_TOPIC, DepositLog, TRANSACTION_DEPOSITED_TOPIC, decode_deposit};
use primitives::{L1BlockRef, RollupConfig, TxDeposit};
use url::Url;

use crate::{BeaconClient, L1Error};

/// No answer within this time counts as none.
const REQUEST_TIME_MAX: Duration = Duration::from_secs(10);
/// EIP-4844. With the types below it (legacy, 2930 and 1559) all that may carry batches.
const BLOB_TRANSACTION_TYPE: u8 = 3;

/// Where the blobs of a block come from.
#[derive(Clone, Debug)]
pub enum Blobs {
    /// From a beacon node.
    From(BeaconClient),
    /// Batches do not matter to the caller.
    Ignored,
}

/// The addresses on L1 that concern one rollup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct L1Addresses {
    pub optimism_portal: Address,
    pub system_config: Address,
    pub batch_inbox: Address,
}

impl From<&RollupConfig> for L1Addresses {
    fn from(config: &RollupConfig) -> Self {
        Self {
            optimism_portal: config.deposit_contract_address,
            system_config: config.l1_system_config_address,
            batch_inbox: config.batch_inbox_address,
        }
    }
}

/// Head of L1 with what fees depend on.
#[derive(Clone, Copy, Debug)]
pub struct L1Head {
    pub block: L1BlockRef,
    /// Wei per gas.
    pub base_fee: u64,
}

/// A connection to one L1 node. Clones share it.
#[derive(Clone, Debug)]
pub struct L1Client {
    provider: RootProvider<Ethereum>,
    beacon: BeaconClient,
    /// Without user, password and query, which can hold keys.
    shown_url: String,
}

impl L1Client {
    /// Connects and makes sure that the node follows the right chain.
    pub async fn connect(url: Url, expected_chain_id: u64) -> Result<Self, L1Error> {
        let shown_url = show(&url);
        let beacon = BeaconClient::new(url.clone());
        let client = Self { provider: RootProvider::new_http(url), beacon, shown_url };
        let found = client.ask("eth_chainId", client.provider.get_chain_id()).await?;
        if found != expected_chain_id {
            return Err(L1Error::WrongChain {
                url: client.shown_url,
                expected: expected_chain_id,
                found,
            });
        }
        Ok(client)
    }

    /// With a beacon API elsewhere. Otherwise it is looked for at the URL of the JSON-RPC, where
    /// development L1s have it.
    #[must_use]
    pub fn with_beacon(mut self, url: Url) -> Self {
        self.beacon = BeaconClient::new(url);
        self
    }

    /// Where blobs come from.
    pub const fn beacon(&self) -> &BeaconClient {
        &self.beacon
    }

    /// The newest block.
    pub async fn head(&self) -> Result<L1Head, L1Error> {
        let block =
            self.header(BlockNumberOrTag::Latest).await?.ok_or(L1Error::MissingBlock("latest"))?;
        let number = block.header.number;
        let base_fee = block.header.base_fee_per_gas.ok_or(L1Error::NoBaseFee(number))?;
        Ok(L1Head { block: reference(&block), base_fee })
    }

    /// The block that L1 will not revert; `None` while there is no such block.
    pub async fn finalized(&self) -> Result<Option<L1BlockRef>, L1Error> {
        match self.header(BlockNumberOrTag::Finalized).await {
            Ok(block) => Ok(block.as_ref().map(reference)),
            // Nodes answer a missing tag with null or with an error.
            Err(error) if error.answer().is_some() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The canonical block with this number; `None` above the head.
    pub async fn block_ref(&self, number: u64) -> Result<Option<L1BlockRef>, L1Error> {
        Ok(self.header(number.into()).await?.as_ref().map(reference))
    }

    /// The canonical block with this number, reduced to what derivation reads; `None` above the head. Of
    /// transactions with blobs nothing is in the inbox.
    pub async fn fetch_block(
        &self,
        number: u64,
        addresses: &L1Addresses,
    ) -> Result<Option<L1Block>, L1Error> {
        self.fetch_block_with(number, addresses, &Blobs::Ignored).await
    }

    /// The same with the data of blobs to the inbox, each as if it were a transaction of its own. Call
    /// data of blob transactions does not count (OP Stack, Ecotone), nor do blobs in another form.
    pub async fn fetch_block_with(
        &self,
        number: u64,
        addresses: &L1Addresses,
        blobs_from: &Blobs,
    ) -> Result<Option<L1Block>, L1Error> {
        let request = self.provider.get_block_by_number(number.into()).full();
        let Some(block) = self.ask("eth_getBlockByNumber", request).await? else {
            return Ok(None);
        };
        let hash = checked_hash(&block)?;
        // By hash, so that logs and header are of the same fork.
        let filter = Filter::new()
            .at_block_hash(hash)
            .address(vec![addresses.optimism_portal, addresses.system_config])
            .event_signature(vec![TRANSACTION_DEPOSITED_TOPIC, CONFIG_UPDATE_TOPIC]);
        let mut logs = self.ask("eth_getLogs", self.provider.get_logs(&filter)).await?;
        logs.sort_by_key(|log| log.log_index);
        let transactions = inbox(&block, addresses)?;
        let blobs = blob_hashes(&transactions);
        let found = match blobs_from {
            Blobs::Ignored => BTreeMap::new(),
            _ if blobs.is_empty() => BTreeMap::new(),
            Blobs::From(beacon) => {
                let contents = beacon.blobs(&reference(&block), &blobs).await?;
                blobs.into_iter().zip(contents).collect::<BTreeMap<_, _>>()
            }
        };
        reduce(&block, logs, addresses, &transactions, &found).map(Some)
    }

    /// Transactions of `account` in blocks up to the head.
    pub async fn nonce(&self, account: Address) -> Result<u64, L1Error> {
        self.ask("eth_getTransactionCount", self.provider.get_transaction_count(account)).await
    }

    /// The same with those that wait in the node's pool.
    pub async fn pending_nonce(&self, account: Address) -> Result<u64, L1Error> {
        let request = self.provider.get_transaction_count(account).pending();
        self.ask("eth_getTransactionCount", request).await
    }

    /// Wei per gas that the node suggests as priority fee.
    pub async fn priority_fee(&self) -> Result<u128, L1Error> {
        self.ask("eth_maxPriorityFeePerGas", self.provider.get_max_priority_fee_per_gas()).await
    }

    /// Wei per blob gas in the next block; `None` from a node that knows no blobs.
    pub async fn blob_base_fee(&self) -> Result<Option<u128>, L1Error> {
        match self.ask("eth_blobBaseFee", self.provider.get_blob_base_fee()).await {
            Ok(fee) => Ok(Some(fee)),
            Err(error) if error.answer().is_some() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Receipt of a transaction that is in a canonical block.
    pub async fn receipt(&self, hash: TxHash) -> Result<Option<TransactionReceipt>, L1Error> {
        let request = self.provider.get_transaction_receipt(hash);
        self.ask("eth_getTransactionReceipt", request).await
    }

    /// Whether the node has the transaction, in a block or in its pool.
    pub async fn knows_transaction(&self, hash: TxHash) -> Result<bool, L1Error> {
        let request = self.provider.get_transaction_by_hash(hash);
        Ok(self.ask("eth_getTransactionByHash", request).await?.is_some())
    }

    /// Hands a signed transaction to the node.
    pub async fn send_raw(&self, raw: &Bytes) -> Result<(), L1Error> {
        let _pending =
            self.ask("eth_sendRawTransaction", self.provider.send_raw_transaction(raw)).await?;
        Ok(())
    }

    async fn header(&self, block: BlockNumberOrTag) -> Result<Option<Block>, L1Error> {
        self.ask("eth_getBlockByNumber", self.provider.get_block_by_number(block)).await
    }

    async fn ask<T>(
        &self,
        request: &'static str,
        answer: impl IntoFuture<Output = Result<T, TransportError>>,
    ) -> Result<T, L1Error> {
        match tokio::time::timeout(REQUEST_TIME_MAX, answer.into_future()).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(source)) => {
                Err(L1Error::Transport { url: self.shown_url.clone(), request, source })
            }
            Err(_) => Err(L1Error::Timeout {
                url: self.shown_url.clone(),
                request,
                limit: REQUEST_TIME_MAX,
            }),
        }
    }
}

fn reference(block: &Block) -> L1BlockRef {
    L1BlockRef {
        hash: block.header.hash,
        number: block.header.number,
        parent_hash: block.header.parent_hash,
        timestamp: block.header.timestamp,
    }
}

fn checked_hash(block: &Block) -> Result<B256, L1Error> {
    let (claimed, computed) = (block.header.hash, block.header.inner.hash_slow());
    if claimed == computed {
        return Ok(computed);
    }
    Err(L1Error::HeaderHash { number: block.header.number, claimed, computed })
}

/// Transactions to the inbox that may carry batches, in their order.
fn inbox<'a>(block: &'a Block, addresses: &L1Addresses) -> Result<Vec<&'a Transaction>, L1Error> {
    let number = block.header.number;
    let transactions = block.transactions.as_transactions().ok_or(L1Error::HashesOnly(number))?;
    let to_inbox = |transaction: &&Transaction| {
        transaction.inner.to() == Some(addresses.batch_inbox)
            && transaction.inner.ty() <= BLOB_TRANSACTION_TYPE
    };
    Ok(transactions.iter().filter(to_inbox).collect())
}

fn blob_hashes(transactions: &[&Transaction]) -> Vec<B256> {
    let blobs =
        transactions.iter().filter_map(|transaction| transaction.inner.blob_versioned_hashes());
    blobs.flatten().copied().collect()
}

/// What derivation reads of one transaction to the inbox.
fn inbox_data(transaction: &Transaction, blobs: &BTreeMap<B256, Bytes>) -> Vec<InboxTransaction> {
    let from = transaction.from();
    if transaction.inner.ty() != BLOB_TRANSACTION_TYPE {
        return vec![InboxTransaction { from, data: transaction.inner.input().clone() }];
    }
    let hashes = transaction.inner.blob_versioned_hashes().unwrap_or_default();
    let contents = hashes.iter().filter_map(|hash| blobs.get(hash));
    contents
        .filter_map(|blob| match decode_blob(blob) {
            Ok(data) => Some(InboxTransaction { from, data: data.into() }),
            Err(error) => {
                tracing::debug!(transaction = %transaction.tx_hash(), %error, "a blob holds no data");
                None
            }
        })
        .collect()
}

fn reduce(
    block: &Block,
    logs: Vec<Log>,
    addresses: &L1Addresses,
    transactions: &[&Transaction],
    blobs: &BTreeMap<B256, Bytes>,
) -> Result<L1Block, L1Error> {
    let header = &block.header;
    let number = header.number;
    let mut deposits: Vec<TxDeposit> = Vec::new();
    let mut config_updates = Vec::new();
    for log in logs {
        if log.block_hash != Some(header.hash) {
            return Err(L1Error::ForeignLog { expected: header.hash, found: log.block_hash });
        }
        let log_index = log.log_index.ok_or(L1Error::LogWithoutIndex(number))?;
        let is_deposit = log.address() == addresses.optimism_portal
            && log.topic0() == Some(&TRANSACTION_DEPOSITED_TOPIC);
        let is_update =
            log.address() == addresses.system_config && log.topic0() == Some(&CONFIG_UPDATE_TOPIC);
        if is_deposit {
            let place = DepositLog { data: log.data(), l1_block_hash: header.hash, log_index };
            let deposit = decode_deposit(place).map_err(|source| L1Error::Deposit {
                block: number,
                log_index,
                source,
            })?;
            deposits.push(deposit);
        } else if is_update {
            config_updates.push(log.into_inner());
        }
    }
    let inbox =
        transactions.iter().flat_map(|transaction| inbox_data(transaction, blobs)).collect();
    Ok(L1Block {
        hash: header.hash,
        number,
        parent_hash: header.parent_hash,
        timestamp: header.timestamp,
        base_fee: header.base_fee_per_gas.ok_or(L1Error::NoBaseFee(number))?,
        // Of Prague's schedule, whatever later schedule L1 follows: every node must see the same.
        blob_base_fee: header.inner.blob_fee(BlobParams::prague()).unwrap_or(1),
        mix_hash: header.mix_hash().unwrap_or_default(),
        parent_beacon_block_root: header.parent_beacon_block_root.unwrap_or_default(),
        deposits,
        inbox,
        config_updates,
    })
}

pub(crate) fn show(url: &Url) -> String {
    let mut shown = format!("{}://{}", url.scheme(), url.host_str().unwrap_or_default());
    if let Some(port) = url.port() {
        shown.push_str(&format!(":{port}"));
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_of_the_url_are_not_shown() {
        let url = "https://user:pass@l1.example:8443/v3/key?token=1".parse().unwrap();
        assert_eq!(show(&url), "https://l1.example:8443");
    }

    #[tokio::test]
    async fn an_absent_node_is_named() {
        let url: Url = "http://127.0.0.1:1/".parse().unwrap();
        let error = L1Client::connect(url, 1).await.unwrap_err();
        assert!(error.is_temporary());
        assert!(
            error.to_string().starts_with("L1 at http://127.0.0.1:1 did not answer eth_chainId")
        );
    }
}
