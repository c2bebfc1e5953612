//! A chain that makes its own blocks, seen through a beacon node's eyes: what rollups ask for beside the
//! execution layer (beacon-APIs: genesis, spec, headers, blobs). A slot is a second, so each block has its
//! own, and most are empty.

pub(super) mod ssz;

use std::{collections::BTreeMap, sync::Arc};

use alloy_eips::{
    eip4844::{
        Blob, BlobTransactionSidecar, Bytes48, env_settings::EnvKzgSettings, kzg_to_versioned_hash,
    },
    eip7594::BlobTransactionSidecarVariant,
};
use alloy_primitives::{B256, Bytes, FixedBytes};
use alloy_rpc_types_beacon::{
    genesis::GenesisData,
    header::{BeaconBlockHeader, Header, HeaderData},
    sidecar::BlobData,
};
use store::StoreError;

use crate::{chain::SealedBlock, error::MinerError, ethereum::miner::Miner};

/// Seconds of a slot.
const SLOT_SECONDS: u64 = 1;
/// Slots of an epoch.
const EPOCH_SLOTS: u64 = 32;
/// Blocks that a look-up by root goes back.
const ROOT_SEARCH_MAX: u64 = 1_024;
/// Bytes of a BLS signature.
const SIGNATURE_BYTES: usize = 96;
/// The fork whose block bodies [`ssz`] knows, in a beacon node's words.
pub(crate) const FORK: &str = "fulu";

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BeaconError {
    #[error("Invalid block ID: {0}")]
    BlockId(String),
    #[error("Block not found")]
    NoBlock,
    #[error("The blobs of block {0} are older than what is kept")]
    Pruned(u64),
    #[error(transparent)]
    Miner(#[from] MinerError),
    #[error("KZG proofs cannot be computed: {0}")]
    Kzg(String),
}

impl From<StoreError> for BeaconError {
    fn from(error: StoreError) -> Self {
        Self::Miner(error.into())
    }
}

/// An answer with what is known of its block.
pub(crate) struct Found<T> {
    pub data: T,
    pub finalized: bool,
}

/// A block with its blobs.
struct Slot {
    block: Arc<SealedBlock>,
    slot: u64,
    sidecars: Vec<BlobTransactionSidecarVariant>,
}

impl Slot {
    fn commitments(&self) -> Vec<Bytes48> {
        self.sidecars.iter().flat_map(|sidecar| sidecar.commitments()).copied().collect()
    }
}

/// The root of the beacon block around a block; its children name it (EIP-4788).
pub(super) fn block_root(miner: &Miner, block: &SealedBlock) -> Result<B256, MinerError> {
    let sidecars = miner.blobs().get(block.block())?.unwrap_or_default();
    let commitments: Vec<Bytes48> =
        sidecars.iter().flat_map(|sidecar| sidecar.commitments()).copied().collect();
    let slot = slot_of(miner, block.header().timestamp)?;
    Ok(ssz::header_root(&ssz::header(block.block(), slot, &commitments)))
}

/// The network that the chain would be.
pub(crate) fn genesis(miner: &Miner) -> Result<GenesisData, BeaconError> {
    let block = miner.chain().header(0)?.ok_or(StoreError::MissingBlock(0))?;
    Ok(GenesisData {
        genesis_time: block.timestamp,
        // There are no validators; the genesis block's hash tells such networks apart.
        genesis_validators_root: primitives::Sealable::hash_slow(&block),
        genesis_fork_version: FixedBytes::ZERO,
    })
}

/// The constants that clients read.
pub(crate) fn spec(miner: &Miner) -> BTreeMap<String, String> {
    let epochs = miner.config().blob_retention.as_secs() / (SLOT_SECONDS * EPOCH_SLOTS);
    let spec = miner.chain().spec();
    let blobs = spec.as_ethereum().and_then(|rules| rules.blob_params(u64::MAX));
    let blobs = blobs.map_or(0, |params| params.max_blob_count);
    let values = [
        ("PRESET_BASE", "mainnet".to_owned()),
        ("CONFIG_NAME", "openledger-dev".to_owned()),
        ("DEPOSIT_CHAIN_ID", spec.chain_id.to_string()),
        ("DEPOSIT_NETWORK_ID", spec.chain_id.to_string()),
        ("SECONDS_PER_SLOT", SLOT_SECONDS.to_string()),
        ("SLOT_DURATION_MS", (SLOT_SECONDS * 1_000).to_string()),
        ("SLOTS_PER_EPOCH", EPOCH_SLOTS.to_string()),
        ("GENESIS_FORK_VERSION", FixedBytes::<4>::ZERO.to_string()),
        ("MAX_BLOBS_PER_BLOCK", blobs.to_string()),
        ("MAX_BLOBS_PER_BLOCK_ELECTRA", blobs.to_string()),
        ("MAX_BLOB_COMMITMENTS_PER_BLOCK", "4096".to_owned()),
        ("FIELD_ELEMENTS_PER_BLOB", "4096".to_owned()),
        ("KZG_COMMITMENT_INCLUSION_PROOF_DEPTH", "17".to_owned()),
        ("MIN_EPOCHS_FOR_BLOB_SIDECARS_REQUESTS", epochs.to_string()),
        ("MIN_EPOCHS_FOR_DATA_COLUMN_SIDECARS_REQUESTS", epochs.to_string()),
    ];
    let forks = ["ALTAIR", "BELLATRIX", "CAPELLA", "DENEB", "ELECTRA", "FULU"];
    let epochs = forks.iter().map(|fork| (format!("{fork}_FORK_EPOCH"), "0".to_owned()));
    let versions =
        forks.iter().map(|fork| (format!("{fork}_FORK_VERSION"), "0x00000000".to_owned()));
    values
        .map(|(name, value)| (name.to_owned(), value))
        .into_iter()
        .chain(epochs)
        .chain(versions)
        .collect()
}

/// The header of a block.
pub(crate) fn header(miner: &Miner, id: &str) -> Result<Found<HeaderData>, BeaconError> {
    let slot = find(miner, id)?;
    let message = ssz::header(slot.block.block(), slot.slot, &slot.commitments());
    let root = ssz::header_root(&message);
    let data = HeaderData { root, canonical: true, header: signed(message) };
    Ok(Found { data, finalized: is_final(miner, &slot) })
}

/// A block's blobs with commitments and proofs, all or those with these indices.
pub(crate) fn blob_sidecars(
    miner: &Miner,
    id: &str,
    indices: &[u64],
) -> Result<Found<Vec<BlobData>>, BeaconError> {
    let slot = find(miner, id)?;
    let commitments = slot.commitments();
    let header = signed(ssz::header(slot.block.block(), slot.slot, &commitments));
    let blobs = slot.sidecars.iter().flat_map(|sidecar| {
        let proofs = sidecar.as_eip4844().map(|sidecar| sidecar.proofs.as_slice());
        let proofs = proofs.unwrap_or_default();
        sidecar.blobs().iter().enumerate().map(move |(index, blob)| (blob, proofs.get(index)))
    });
    let mut data = Vec::new();
    for (index, (blob, proof)) in blobs.enumerate() {
        let number = index as u64;
        if !indices.is_empty() && !indices.contains(&number) {
            continue;
        }
        // With cell proofs came none of the whole blob.
        let kzg_proof = match proof {
            Some(proof) => *proof,
            None => whole_proof(blob)?,
        };
        let Some(kzg_commitment) = commitments.get(index).copied() else { continue };
        let proof = ssz::inclusion_proof(slot.block.block(), &commitments, index);
        data.push(BlobData {
            index: number,
            blob: Box::new(*blob),
            kzg_commitment,
            kzg_proof,
            signed_block_header: header.clone(),
            kzg_commitment_inclusion_proof: proof.unwrap_or_default(),
        });
    }
    Ok(Found { data, finalized: is_final(miner, &slot) })
}

/// A block's blobs in their order, all or those with these hashes.
pub(crate) fn blobs(
    miner: &Miner,
    id: &str,
    hashes: &[B256],
) -> Result<Found<Vec<Bytes>>, BeaconError> {
    let slot = find(miner, id)?;
    let all = slot
        .sidecars
        .iter()
        .flat_map(|sidecar| sidecar.blobs().iter().zip(sidecar.commitments()))
        .filter(|(_, commitment)| {
            hashes.is_empty() || hashes.contains(&kzg_to_versioned_hash(commitment.as_slice()))
        });
    let data = all.map(|(blob, _)| Bytes::copy_from_slice(blob.as_slice())).collect();
    Ok(Found { data, finalized: is_final(miner, &slot) })
}

/// The slot of the newest block.
pub(crate) fn head_slot(miner: &Miner) -> Result<u64, BeaconError> {
    Ok(slot_of(miner, miner.chain().head()?.header().timestamp)?)
}

/// `head`, `genesis`, `finalized`, `justified`, a slot or a root.
fn find(miner: &Miner, id: &str) -> Result<Slot, BeaconError> {
    let chain = miner.chain();
    let heads = chain.heads();
    let number = match id {
        "head" => Some(heads.unsafe_head.number),
        "genesis" => Some(0),
        "finalized" => Some(heads.finalized.number),
        "justified" => Some(heads.safe.number),
        root if root.starts_with("0x") => {
            let root = root.parse().map_err(|_| BeaconError::BlockId(id.to_owned()))?;
            by_root(miner, root)?
        }
        slot => {
            let slot = slot.parse().map_err(|_| BeaconError::BlockId(id.to_owned()))?;
            by_slot(miner, slot)?
        }
    };
    let block = chain.block(number.ok_or(BeaconError::NoBlock)?)?.ok_or(BeaconError::NoBlock)?;
    let slot = slot_of(miner, block.header().timestamp)?;
    let sidecars = miner.blobs().get(block.block())?;
    if sidecars.is_none() && block.header().blob_gas_used.unwrap_or_default() > 0 {
        return Err(BeaconError::Pruned(block.number()));
    }
    Ok(Slot { block, slot, sidecars: sidecars.unwrap_or_default() })
}

/// Number of the block with a slot's time. Times grow with numbers. Blocks may go meanwhile.
fn by_slot(miner: &Miner, slot: u64) -> Result<Option<u64>, BeaconError> {
    let chain = miner.chain();
    let (mut low, mut high) = (0, chain.heads().unsafe_head.number);
    while low <= high {
        let middle = low + (high - low) / 2;
        let header = chain.header(middle)?.ok_or(BeaconError::NoBlock)?;
        match slot_of(miner, header.timestamp)?.cmp(&slot) {
            std::cmp::Ordering::Equal => return Ok(Some(middle)),
            std::cmp::Ordering::Less => low = middle + 1,
            std::cmp::Ordering::Greater if middle == 0 => break,
            std::cmp::Ordering::Greater => high = middle - 1,
        }
    }
    Ok(None)
}

/// Number of the block with a root, if it is one of the newest: each names its parent's.
fn by_root(miner: &Miner, root: B256) -> Result<Option<u64>, BeaconError> {
    let chain = miner.chain();
    let head = chain.head()?;
    if block_root(miner, &head)? == root {
        return Ok(Some(head.number()));
    }
    for number in (1..=head.number()).rev().take(ROOT_SEARCH_MAX as usize) {
        let header = chain.header(number)?.ok_or(BeaconError::NoBlock)?;
        if header.parent_beacon_block_root == Some(root) {
            return Ok(Some(number - 1));
        }
    }
    Ok(None)
}

fn slot_of(miner: &Miner, timestamp: u64) -> Result<u64, MinerError> {
    let genesis = miner.chain().header(0)?.ok_or(StoreError::MissingBlock(0))?;
    Ok(timestamp.saturating_sub(genesis.timestamp) / SLOT_SECONDS)
}

fn is_final(miner: &Miner, slot: &Slot) -> bool {
    slot.block.number() <= miner.chain().heads().finalized.number
}

fn signed(message: BeaconBlockHeader) -> Header {
    Header { message, signature: vec![0; SIGNATURE_BYTES].into() }
}

/// The proof of a whole blob (EIP-4844).
fn whole_proof(blob: &Blob) -> Result<Bytes48, BeaconError> {
    let failed = |error: &dyn std::fmt::Display| BeaconError::Kzg(error.to_string());
    let settings = EnvKzgSettings::Default.get();
    let sidecar = BlobTransactionSidecar::try_from_blobs_with_settings(vec![*blob], settings)
        .map_err(|error| failed(&error))?;
    sidecar.proofs.first().copied().ok_or_else(|| failed(&"no proof"))
}
