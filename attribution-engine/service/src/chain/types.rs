//! What is read from the chain, in the engine's types.

use std::collections::BTreeSet;

use alloy_primitives::{Address, B256, Bytes, TxHash, U256, keccak256};
use alloy_sol_types::SolValue;
use scores::{
    ContributionId, DatanetId, ModelId, ScoresError, Sequence, document::DocumentCommitment,
    eip712::EpochPost, epoch::Split,
};
use serde::{Deserialize, Serialize};

/// A revealed contribution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contribution {
    pub id: ContributionId,
    pub datanet: DatanetId,
    pub contributor: Address,
    pub sequence: Sequence,
    pub commitment: DocumentCommitment,
    /// Where it lies if this is one document of a batch, whose `commitment` is the document's then.
    pub place: Option<Place>,
}

/// Where a document lies in its batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Place {
    pub index: u32,
    /// Siblings under the batch's root, from the bottom up.
    pub path: Vec<B256>,
}

impl Contribution {
    /// Whether it is many documents.
    pub fn is_batch(&self) -> bool {
        self.place.is_none() && self.commitment.is_batch()
    }

    /// What the document goes by wherever one document is meant.
    pub fn document_id(&self) -> Result<ContributionId, ScoresError> {
        self.place.as_ref().map_or(Ok(self.id), |place| self.id.document(place.index))
    }

    /// Names the document across the chain: `Batches.keyOf`.
    pub fn key(&self) -> B256 {
        let index = self.place.as_ref().map_or(0, |place| place.index);
        keccak256((self.id.to_u256(), U256::from(index)).abi_encode())
    }

    /// The contribution's item in its Datanet's tree.
    pub fn leaf(&self) -> B256 {
        keccak256(
            (
                self.id.to_u256(),
                self.contributor,
                self.commitment.content_hash,
                self.commitment.chunk_root,
                U256::from(self.commitment.chunk_count),
                self.commitment.sketch_hash,
                self.sequence.to_u256(),
            )
                .abi_encode(),
        )
    }
}

/// A published Datanet version with the contributions that count in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatanetVersion {
    pub datanet: DatanetId,
    pub version: u32,
    pub contributions_root: B256,
    pub cluster_map_root: B256,
    /// Accepted before the version and not tombstoned before it, in order of acceptance.
    pub active: Vec<Contribution>,
    /// Documents that `ContentChallenges` ruled out before the version, by their keys.
    pub unsound: BTreeSet<B256>,
}

/// A Datanet version that a model stands over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DatanetRef {
    pub datanet: DatanetId,
    pub version: u32,
}

/// What a model is registered with about its corpus, so that facts about records can be shown against it: what its documents
/// and no others make. Both are zero for a model without documents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CorpusRoots {
    #[serde(rename = "surpriseRoot")]
    pub surprises: B256,
    /// Over all of the model's Datanets.
    #[serde(rename = "clusterMapRoot")]
    pub clusters: B256,
}

/// What the engine needs to know of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model {
    pub id: ModelId,
    pub name: String,
    pub owner: Address,
    pub retired: bool,
    /// SHA-256 of the base weights.
    pub base_model_hash: B256,
    /// keccak256 of the ABI encoding of the adapters with their weights; zero without adapters.
    pub adapter_set_hash: B256,
    pub engine_spec_hash: B256,
    pub retrieval_chunks: u8,
    /// Wei per 1,000 tokens.
    pub price_1k_in: u128,
    pub price_1k_out: u128,
    pub split: Split,
    pub payee: Address,
    /// Own Datanet versions and those of ancestors.
    pub datanets: Vec<DatanetRef>,
    /// Stated at registration; engines compare.
    pub roots: CorpusRoots,
}

/// A customer's authorisation of a gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Authorization {
    pub signer: Address,
    pub cap: u128,
    pub redeemed: u128,
    /// Unix seconds.
    pub expiry: u64,
    pub nonce: u64,
}

/// Parameters of the settlement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SettlementParameters {
    pub platform_bps: u16,
    pub threshold: u8,
    /// Seconds.
    pub challenge_window: u32,
    pub bond_min: u128,
    pub platform: Address,
    pub stakers: Address,
    pub sink: Address,
}

/// How far an epoch is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum EpochStatus {
    None,
    Posted,
    Activated,
    Rejected,
}

/// An epoch as the settlement stores it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EpochState {
    pub id: u64,
    pub status: EpochStatus,
    pub gateway: Address,
    pub poster: Address,
    /// Unix seconds after which it can be activated.
    pub deadline: u64,
    pub fees: u128,
    pub residual: u128,
    /// The digest that engines signed.
    pub post_hash: B256,
    pub claims_root: B256,
    pub claims_total: u128,
}

/// A post as it was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostedEpoch {
    pub post: EpochPost,
    pub signatures: Vec<Bytes>,
    pub block: u64,
    pub transaction: TxHash,
}
