//! A typed view of an L1 node: only what the watcher and the batcher ask for. Each request has a time
//! limit; the reactions to failures are the callers'.
//!
//! There may be several nodes ([`crate::endpoints`]). The node is believed as to which blocks are L1's, and not as to what is in them: a block's header is
//! checked against its hash, transactions and receipts against the header ([`crate::block`]), blobs against
//! the transactions. So a lie is an error, which the watcher meets by asking again.

use std::{collections::BTreeMap, future::IntoFuture, sync::Arc};

use alloy_eips::BlockNumberOrTag;
use alloy_network::Ethereum;
use alloy_primitives::{Address, B256, Bytes, TxHash};
use alloy_provider::{Provider, RootProvider};
use alloy_rpc_types_eth::{Block, TransactionReceipt};
use alloy_transport::TransportError;
use derive::L1Block;
use primitives::{L1BlockRef, RollupConfig};
use url::Url;

use crate::{
    BeaconClient, L1Error, L1Urls,
    block::{CheckedBlock, InboxCall, checked_hash, reference},
    contracts::SystemConfigContract,
    endpoints::{Endpoints, REQUEST_TIME_MAX},
};

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

/// A connection to an L1 node, or to several that are asked in turn and compared. Clones share it.
#[derive(Clone, Debug)]
pub struct L1Client {
    provider: RootProvider<Ethereum>,
    endpoints: Arc<Endpoints>,
    beacon: BeaconClient,
    /// Without user, password and query, which can hold keys.
    shown_url: String,
}

impl L1Client {
    /// Connects and makes sure that the nodes follow the right chain. Of several, one must answer.
    pub async fn connect(urls: impl Into<L1Urls>, expected_chain_id: u64) -> Result<Self, L1Error> {
        let urls = urls.into();
        let shown_url = urls.shown();
        if urls.all().is_empty() {
            return Err(L1Error::NoneAnswers { count: 0 });
        }
        let (provider, preferred) = urls.failover();
        let client = Self {
            provider,
            endpoints: Arc::new(Endpoints::new(&urls, preferred)),
            beacon: BeaconClient::new(urls.all().to_vec()),
            shown_url,
        };
        if client.endpoints.are_several() {
            client.endpoints.check_chain(expected_chain_id).await?;
        }
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

    /// With beacon APIs elsewhere, asked in turn. Otherwise they are looked for at the URLs of the JSON-RPC,
    /// where development L1s have it.
    #[must_use]
    pub fn with_beacons(mut self, urls: Vec<Url>) -> Self {
        if !urls.is_empty() {
            self.beacon = BeaconClient::new(urls);
        }
        self
    }

    /// Where blobs come from.
    pub const fn beacon(&self) -> &BeaconClient {
        &self.beacon
    }

    /// The newest block.
    pub async fn head(&self) -> Result<L1Head, L1Error> {
        if self.endpoints.are_several() {
            self.endpoints.prefer_one_that_moves().await;
        }
        let block =
            self.header(BlockNumberOrTag::Latest).await?.ok_or(L1Error::MissingBlock("latest"))?;
        let number = block.header.number;
        let base_fee = block.header.base_fee_per_gas.ok_or(L1Error::NoBaseFee(number))?;
        Ok(L1Head { block: reference(&block), base_fee })
    }

    /// The block that L1 will not revert; `None` while there is no such block.
    pub async fn finalized(&self) -> Result<Option<L1BlockRef>, L1Error> {
        if self.endpoints.are_several() {
            return self.endpoints.finalized().await;
        }
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

    /// The same, if all nodes that can be reached say so.
    pub async fn agreed(&self, number: u64) -> Result<Option<L1BlockRef>, L1Error> {
        match self.endpoints.are_several() {
            true => self.endpoints.agreed(number).await,
            false => self.block_ref(number).await,
        }
    }

    /// Makes sure that all nodes that can be reached have this block: a header of each, if there are several.
    pub(crate) async fn agree_on(&self, block: &L1BlockRef) -> Result<(), L1Error> {
        if !self.endpoints.are_several() {
            return Ok(());
        }
        match self.endpoints.agreed(block.number).await? {
            Some(agreed) if agreed.hash == block.hash => Ok(()),
            // Replaced since it was read.
            _ => Err(L1Error::MissingBlock("with this hash any more")),
        }
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
        if block.header.number != number {
            return Err(L1Error::OtherBlock { asked: number, given: block.header.number });
        }
        let block = CheckedBlock::new(&block)?;
        // Most blocks hold nothing for the rollup, and their header shows it.
        let logs = match block.may_log(addresses) {
            true => {
                let by_hash = self.provider.get_block_receipts(block.reference().hash.into());
                let receipts = self.ask("eth_getBlockReceipts", by_hash).await?;
                block.logs(receipts.ok_or(L1Error::MissingBlock("with these receipts"))?)?
            }
            false => Vec::new(),
        };
        let inbox = block.inbox(addresses)?;
        let blobs = match blobs_from {
            Blobs::Ignored => BTreeMap::new(),
            Blobs::From(beacon) => self.blobs(beacon, &block, &inbox, addresses).await?,
        };
        block.reduce(logs, addresses, &inbox, &blobs).map(Some)
    }

    /// The contents of the blobs to the inbox. Anyone can send some that no node keeps: those that
    /// are missing must be the batcher's to matter.
    async fn blobs(
        &self,
        beacon: &BeaconClient,
        block: &CheckedBlock<'_>,
        inbox: &[InboxCall<'_>],
        addresses: &L1Addresses,
    ) -> Result<BTreeMap<B256, Bytes>, L1Error> {
        let reference = block.reference();
        let all: Vec<B256> = inbox.iter().flat_map(InboxCall::blobs).collect();
        if all.is_empty() {
            return Ok(BTreeMap::new());
        }
        let missing = match beacon.blobs(&reference, &all).await {
            Ok(contents) => return Ok(all.into_iter().zip(contents).collect()),
            Err(error @ L1Error::MissingBlobs { .. }) => error,
            Err(error) => return Err(error),
        };
        let contract = SystemConfigContract::new(addresses.system_config, &self.provider);
        let batcher = contract.batcherHash().block(reference.hash.into());
        let batcher = tokio::time::timeout(REQUEST_TIME_MAX, batcher.call().into_future()).await;
        // A node without the block's state leaves it open whose they are: they may be the batcher's.
        let Ok(Ok(batcher)) = batcher else { return Err(missing) };
        let batcher = Address::from_word(batcher);
        let of_batcher = inbox.iter().filter(|call| call.from == batcher);
        let needed: Vec<B256> = of_batcher.flat_map(InboxCall::blobs).collect();
        if needed.len() == all.len() {
            return Err(missing);
        }
        tracing::debug!(block = reference.number, %missing, "foreign blobs are left out");
        if needed.is_empty() {
            return Ok(BTreeMap::new());
        }
        let contents = beacon.blobs(&reference, &needed).await?;
        Ok(needed.into_iter().zip(contents).collect())
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
        let request = self.provider.get_block_by_number(block);
        let Some(block) = self.ask("eth_getBlockByNumber", request).await? else {
            return Ok(None);
        };
        checked_hash(&block)?;
        Ok(Some(block))
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
