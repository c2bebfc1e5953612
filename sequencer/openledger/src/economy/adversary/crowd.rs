//! Many people at once: their accounts, their transactions in bulk, and what they contribute.

use std::collections::BTreeMap;

use alloy_network::{EthereumWallet, TransactionBuilder};
use alloy_primitives::{Address, B256, Bytes, TxHash, U256, address, keccak256};
use alloy_provider::{Provider, ProviderBuilder};
use alloy_rpc_types_eth::{TransactionReceipt, TransactionRequest};
use alloy_signer_local::PrivateKeySigner;
use alloy_sol_types::{SolValue, sol};
use anyhow::{Context, Result, ensure};
use futures::{StreamExt, TryStreamExt, stream};
use scores::{
    document::{Document, DocumentCommitment},
    merkle,
};
use service::chain::{
    Chain, Contracts,
    bindings::datanets::IDatanetRegistry::{self, DatanetParams, Reveal},
};

use super::{BOND, POLL, Person, event};
use crate::dev::Ready;

/// In every genesis.
pub(super) const MULTICALL3: Address = address!("0xcA11bde05977b3631167028862bE2a173976CA11");
/// Requests that wait for an answer at a time: a node takes only so many connections of one peer.
const AT_ONCE: usize = 32;
/// Looks at what a request would take, before it is believed that it fails.
const ESTIMATES_MAX: u32 = 20;
/// Contributions that one transaction accepts at most.
const ACCEPTED_MAX: usize = 64;
/// First word of what a batch's content hash hashes (`Batches.sol`).
const BATCH_TAG: &str = "OpenLedger batch of documents, version 1";

sol! {
    #[sol(rpc)]
    interface Multicall3 {
        struct Call3Value { address target; bool allowFailure; uint256 value; bytes callData; }
        struct Call3 { address target; bool allowFailure; bytes callData; }
        struct Result { bool success; bytes returnData; }
        function aggregate3(Call3[] calldata calls) external payable returns (Result[] memory results);
        function aggregate3Value(Call3Value[] calldata calls) external payable returns (Result[] memory results);
    }
}

/// People whom nobody has seen before, each with `each` wei of the treasurer's.
pub(super) async fn gather(
    ready: &Ready,
    treasurer: &Person,
    count: u64,
    each: U256,
) -> Result<Vec<Person>> {
    let keys = (0..count).map(|index| {
        let secret = keccak256(("openledger economy adversary", U256::from(index)).abi_encode());
        Ok(PrivateKeySigner::from_bytes(&secret)?)
    });
    let keys: Vec<PrivateKeySigner> = keys.collect::<Result<_>>()?;
    let mut wallet = EthereumWallet::default();
    keys.iter().for_each(|key| wallet.register_signer(key.clone()));
    // One connection for all of them; each is asked for its nonce, as in `service::chain`.
    let url: url::Url = ready.l2_rpc.parse().context("the L2 URL is not a URL")?;
    let sender = ProviderBuilder::new()
        .disable_recommended_fillers()
        .with_gas_estimation()
        .with_simple_nonce_management()
        .fetch_chain_id()
        .wallet(wallet)
        .connect_http(url.clone())
        .erased();
    let l2 = Chain::connect(url, Contracts::default()).await?;
    let person = |key| Person { key, l2: l2.clone(), sender: sender.clone() };
    let people: Vec<Person> = keys.into_iter().map(person).collect();
    let gift = |person: &Person| Multicall3::Call3Value {
        target: person.address(),
        allowFailure: false,
        value: each,
        callData: Bytes::new(),
    };
    let gifts = Multicall3::new(MULTICALL3, treasurer.l2.provider());
    let gifts = gifts.aggregate3Value(people.iter().map(gift).collect());
    let sum = each.saturating_mul(U256::from(count));
    send_all(vec![(treasurer, vec![gifts.value(sum).into_transaction_request()])]).await?;
    Ok(people)
}

/// Sends each person's transactions in order, all people at once. Returns the receipts in the same order once
/// all are in blocks; every one must have succeeded.
pub(super) async fn send_all(
    batches: Vec<(&Person, Vec<TransactionRequest>)>,
) -> Result<Vec<Vec<TransactionReceipt>>> {
    let sent = batches.into_iter().map(|(person, requests)| async move {
        let mut hashes = Vec::with_capacity(requests.len());
        for request in requests {
            let request = request.from(person.address());
            // What comes before it in its block may make it dearer than it is now.
            let gas = estimated(person, &request, !hashes.is_empty()).await?;
            let request = request.with_gas_limit(gas.saturating_mul(2));
            hashes.push(*person.sender.send_transaction(request).await?.tx_hash());
        }
        anyhow::Ok((person, hashes))
    });
    let sent: Vec<_> = stream::iter(sent).buffered(AT_ONCE).try_collect().await?;
    let receipts = sent.into_iter().map(|(person, hashes)| async move {
        let mut receipts = Vec::with_capacity(hashes.len());
        for hash in hashes {
            let receipt = included(person, hash).await?;
            ensure!(receipt.status(), "transaction {hash} to {:?} failed", receipt.to);
            receipts.push(receipt);
        }
        anyhow::Ok(receipts)
    });
    stream::iter(receipts).buffered(AT_ONCE).try_collect().await
}

/// Gas of a request. What the one before it does is in the block in the making only once it was executed, a moment
/// after the pool took it.
async fn estimated(person: &Person, request: &TransactionRequest, follows: bool) -> Result<u64> {
    let mut tries = if follows { ESTIMATES_MAX } else { 1 };
    loop {
        tries -= 1;
        match person.sender.estimate_gas(request.clone()).await {
            Err(error) if tries > 0 && error.is_error_resp() => tokio::time::sleep(POLL).await,
            gas => return Ok(gas?),
        }
    }
}

/// Sends a transaction that must fail, with enough gas to find out, and says whether it did.
pub(super) async fn refused(person: &Person, request: TransactionRequest) -> Result<bool> {
    Ok(!mined(person, request).await?.status())
}

/// Sends a transaction with gas for whatever it does, and returns its receipt, successful or not.
pub(super) async fn mined(
    person: &Person,
    request: TransactionRequest,
) -> Result<TransactionReceipt> {
    let request = request.from(person.address()).with_gas_limit(3_000_000);
    let hash = *person.sender.send_transaction(request).await?.tx_hash();
    included(person, hash).await
}

/// The receipt of a transaction whose block is the latest or before it.
async fn included(person: &Person, hash: TxHash) -> Result<TransactionReceipt> {
    loop {
        if let Some(receipt) = person.l2.provider().get_transaction_receipt(hash).await?
            && let Some(number) = receipt.block_number
            && person.l2.latest_block().await?.0 >= number
        {
            return Ok(receipt);
        }
        tokio::time::sleep(POLL).await;
    }
}

pub(super) async fn wait_for_blocks(person: &Person, count: u64) -> Result<()> {
    let head = person.l2.latest_block().await?.0;
    while person.l2.latest_block().await?.0 < head.saturating_add(count) {
        tokio::time::sleep(POLL).await;
    }
    Ok(())
}

/// A Datanet of public domain texts.
pub(super) fn datanet_params(name: &str) -> DatanetParams {
    DatanetParams {
        name: name.into(),
        licence: "CC0-1.0".into(),
        licenceTextHash: keccak256("CC0-1.0"),
        schemaHash: B256::ZERO,
        bond: BOND.to(),
        revealWindow: 3_600,
        curators: Vec::new(),
    }
}

pub(super) async fn datanet(owner: &Person, name: &str) -> Result<U256> {
    let registry = owner.l2.datanets();
    let request = registry.createDatanet(datanet_params(name)).into_transaction_request();
    let receipts = send_all(vec![(owner, vec![request])]).await?;
    let receipt = receipts.first().and_then(|own| own.first()).context("no receipt")?;
    Ok(event::<IDatanetRegistry::DatanetCreated>(receipt)?.datanetId)
}

/// What is revealed of one document.
pub(super) fn document(text: &str) -> Result<Reveal> {
    Ok(reveal(&DocumentCommitment::of(&Document::normalise(text.as_bytes())?)?))
}

fn reveal(commitment: &DocumentCommitment) -> Reveal {
    Reveal {
        contentHash: commitment.content_hash,
        chunkRoot: commitment.chunk_root,
        chunkCount: commitment.chunk_count,
        byteLength: commitment.byte_length,
        sketchHash: commitment.sketch_hash,
        licenceHash: keccak256("CC0-1.0"),
        provenance: Vec::new(),
        archive: String::new(),
        salt: B256::from(rand::random::<[u8; 32]>()),
    }
}

/// Many documents in one contribution (docs/formats/economy.md).
pub(super) struct Batch {
    pub documents: Vec<DocumentCommitment>,
    pub leaves: Vec<B256>,
    pub reveal: Reveal,
}

impl Batch {
    pub(super) fn of(texts: &[String]) -> Result<Self> {
        let documents = texts
            .iter()
            .map(|text| Ok(DocumentCommitment::of(&Document::normalise(text.as_bytes())?)?))
            .collect::<Result<Vec<_>>>()?;
        let leaf = |d: &DocumentCommitment| {
            let (chunks, bytes) = (U256::from(d.chunk_count), U256::from(d.byte_length));
            let item = (d.content_hash, d.chunk_root, chunks, bytes, d.sketch_hash).abi_encode();
            merkle::leaf_hash(keccak256(item).as_slice())
        };
        let leaves: Vec<B256> = documents.iter().map(leaf).collect();
        let (root, count) = (merkle::root(&leaves)?, u32::try_from(leaves.len())?);
        let whole = DocumentCommitment {
            content_hash: keccak256((keccak256(BATCH_TAG), root, U256::from(count)).abi_encode()),
            chunk_root: root,
            chunk_count: count,
            byte_length: documents.iter().map(|d| d.byte_length).sum(),
            // Of its documents each has one.
            sketch_hash: root,
        };
        Ok(Self { documents, leaves, reveal: reveal(&whole) })
    }
}

/// Somebody's contribution to a Datanet.
pub(super) struct Offer<'a> {
    pub who: &'a Person,
    pub datanet: U256,
    pub reveal: Reveal,
}

/// Commits to all, and reveals all once the commitments are in a block. Returns their ids.
pub(super) async fn contribute(offers: &[Offer<'_>]) -> Result<Vec<U256>> {
    let commits = by_sender(offers, |_, offer| {
        let (registry, r) = (offer.who.l2.datanets(), &offer.reveal);
        let commitment = (
            (U256::from(offer.who.l2.chain_id()), *registry.address(), offer.datanet),
            (offer.who.address(), r.contentHash, r.chunkRoot, r.sketchHash, r.salt),
        );
        let commitment = keccak256(commitment.abi_encode());
        registry.commit(offer.datanet, commitment).value(BOND).into_transaction_request()
    });
    let mut ids = vec![U256::ZERO; offers.len()];
    for (receipt, place) in send_placed(commits).await? {
        let committed = event::<IDatanetRegistry::ContributionCommitted>(&receipt)?;
        *ids.get_mut(place).context("no such offer")? = committed.contributionId;
    }
    let reveals = by_sender(offers, |place, offer| {
        let id = ids.get(place).copied().unwrap_or_default();
        offer.who.l2.datanets().reveal(id, offer.reveal.clone()).into_transaction_request()
    });
    send_placed(reveals).await?;
    Ok(ids)
}

/// Takes contributions into the owner's Datanet.
pub(super) async fn accept(owner: &Person, ids: &[U256]) -> Result<()> {
    let registry = owner.l2.datanets();
    let requests = ids.chunks(ACCEPTED_MAX);
    let requests =
        requests.map(|ids| registry.accept(ids.to_vec()).into_transaction_request()).collect();
    send_all(vec![(owner, requests)]).await?;
    Ok(())
}

type Placed<'a> = BTreeMap<Address, (&'a Person, Vec<usize>, Vec<TransactionRequest>)>;

/// A transaction for each offer, by who sends it.
fn by_sender<'a>(
    offers: &[Offer<'a>],
    request: impl Fn(usize, &Offer<'a>) -> TransactionRequest,
) -> Placed<'a> {
    let mut senders: Placed<'a> = BTreeMap::new();
    for (place, offer) in offers.iter().enumerate() {
        let sender = senders.entry(offer.who.address());
        let (_, places, requests) = sender.or_insert_with(|| (offer.who, Vec::new(), Vec::new()));
        places.push(place);
        requests.push(request(place, offer));
    }
    senders
}

/// Receipts with the places of their offers.
async fn send_placed(senders: Placed<'_>) -> Result<Vec<(TransactionReceipt, usize)>> {
    let (mut places, mut batches) = (Vec::new(), Vec::new());
    for (who, own, requests) in senders.into_values() {
        places.extend(own);
        batches.push((who, requests));
    }
    Ok(send_all(batches).await?.into_iter().flatten().zip(places).collect())
}
