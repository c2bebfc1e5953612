//! Disproves a pending epoch before `AttributionDispute`: opens its claims tree with published evidence,
//! looks for what the chain's rules refuse, and sends the exhibits. Half of the poster's bond is credited
//! to who does this first, the other half is burned.

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::{Address, B256, TxHash, U256};
use alloy_sol_types::SolEvent;
use scores::{
    DatanetId, ScoresError,
    claims::{ClaimProof, Claims, Slot, SumNode},
    faults::{self, ClaimsFault},
};
use serde::Serialize;

use crate::{
    chain::{
        Chain, ChainError, EpochStatus, PostedEpoch,
        bindings::{
            dispute::{IAttributionDispute, IAttributionSettlement as exhibits},
            settlement::IAttributionSettlement,
        },
        call, mined,
    },
    evidence::{EvidenceError, EvidenceSource},
};

/// Why an epoch is not challenged.
#[derive(Debug, thiserror::Error)]
pub enum ChallengeError {
    #[error(transparent)]
    Chain(#[from] ChainError),
    #[error(transparent)]
    Evidence(#[from] EvidenceError),
    #[error(transparent)]
    Scores(#[from] ScoresError),
    #[error("epoch {epoch} is {status:?}: only a pending epoch can be challenged")]
    NotPending { epoch: u64, status: EpochStatus },
    #[error("the claims published for epoch {epoch} hash to {found}, the chain says {on_chain}")]
    Withheld { epoch: u64, found: B256, on_chain: B256 },
    #[error("transaction {0} rejected no epoch")]
    NothingRejected(TxHash),
}

/// Result of challenging.
pub type Result<T, E = ChallengeError> = std::result::Result<T, E>;

/// A challenge that was won.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Won {
    pub transaction: TxHash,
    pub gas: u64,
    /// Credited to the challenger at the settlement, wei.
    #[serde(with = "scores::claims::wei")]
    pub reward: u128,
    /// Wei.
    #[serde(with = "scores::claims::wei")]
    pub burned: u128,
}

/// What is wrong with the claims of a pending epoch, if it is among what `AttributionDispute` decides.
/// The evidence is trusted in nothing: it must hash to the roots on chain.
pub async fn find_fault(
    chain: &Chain,
    epoch: u64,
    source: &dyn EvidenceSource,
) -> Result<Option<ClaimsFault>> {
    let posted = pending(chain, epoch).await?;
    let bundle = source.bundle(epoch).await?;
    let claims = (posted.post.claimsRoot, posted.post.claimsTotal);
    check_opens(epoch, &bundle.claims, claims)?;
    let before = match chain.activated_before(epoch).await? {
        None => Claims::default(),
        Some(active) => {
            let root = (active.claims_root, active.claims_total);
            if check_opens(active.id, &bundle.previous_claims, root).is_ok() {
                bundle.previous_claims
            } else {
                let claims = source.bundle(active.id).await?.claims;
                check_opens(active.id, &claims, root)?;
                claims
            }
        }
    };
    let funded = funded(chain, &posted, &bundle.claims).await?;
    Ok(faults::find(&before, &bundle.claims, &funded)?)
}

/// Shows the fault to the chain.
pub async fn prove(chain: &Chain, epoch: u64, fault: &ClaimsFault) -> Result<Won> {
    let what = "disputing an epoch";
    let dispute = chain.dispute();
    let sent = match fault {
        ClaimsFault::Order { left, right } => {
            dispute.disputeOrder(epoch, slot(left), slot(right)).send().await
        }
        ClaimsFault::Decrease { before, later } => {
            dispute.disputeDecrease(epoch, leaf(before), leaf(later)).send().await
        }
        ClaimsFault::Omission { before, slots } => {
            let slots = slots.iter().map(slot).collect();
            dispute.disputeOmission(epoch, leaf(before), slots).send().await
        }
        ClaimsFault::Overpromise { first, last, .. } => {
            let post = post(&pending(chain, epoch).await?);
            dispute.disputeOverpromise(post, leaf(first), leaf(last)).send().await
        }
    };
    let receipt = mined(what, sent.map_err(call(what))?.get_receipt().await)?;
    let rejected = receipt
        .logs()
        .iter()
        .find_map(|log| IAttributionSettlement::EpochRejected::decode_log(&log.inner).ok())
        .ok_or(ChallengeError::NothingRejected(receipt.transaction_hash))?;
    Ok(Won {
        transaction: receipt.transaction_hash,
        gas: receipt.gas_used,
        reward: rejected.reward,
        burned: rejected.burned,
    })
}

async fn pending(chain: &Chain, epoch: u64) -> Result<PostedEpoch> {
    let status = chain.epoch(epoch).await?.status;
    if status != EpochStatus::Posted {
        return Err(ChallengeError::NotPending { epoch, status });
    }
    Ok(chain.posted_epoch(epoch).await?)
}

fn check_opens(epoch: u64, claims: &Claims, on_chain: (B256, u128)) -> Result<()> {
    let root = claims.root()?;
    if (root.hash, root.sum) == on_chain {
        Ok(())
    } else {
        Err(ChallengeError::Withheld { epoch, found: root.hash, on_chain: on_chain.0 })
    }
}

/// What each pool that the claims name has, with what the pending epoch adds, wei.
async fn funded(
    chain: &Chain,
    posted: &PostedEpoch,
    claims: &Claims,
) -> Result<BTreeMap<DatanetId, u128>> {
    let datanets: BTreeSet<DatanetId> =
        claims.as_slice().iter().map(|claim| claim.datanet).collect();
    let mut funded = BTreeMap::new();
    for datanet in datanets {
        let added = posted.post.pools.iter().find(|pool| pool.datanetId == datanet.to_u256());
        let added = added.map_or(0, |pool| pool.amount);
        let before = chain.pool_funded(datanet).await?;
        funded.insert(datanet, before.saturating_add(added));
    }
    Ok(funded)
}

fn nodes(proof: &[SumNode]) -> Vec<exhibits::ProofNode> {
    proof.iter().map(|node| exhibits::ProofNode { hash: node.hash, sum: node.sum }).collect()
}

fn leaf(proof: &ClaimProof) -> IAttributionDispute::Leaf {
    IAttributionDispute::Leaf {
        datanetId: proof.claim.datanet.to_u256(),
        account: proof.claim.account,
        cumulative: proof.claim.cumulative,
        index: U256::from(proof.index),
        proof: nodes(&proof.proof),
    }
}

fn slot(slot: &Slot) -> IAttributionDispute::Slot {
    let claim = slot.claim;
    IAttributionDispute::Slot {
        padding: claim.is_none(),
        datanetId: claim.map_or(U256::ZERO, |claim| claim.datanet.to_u256()),
        account: claim.map_or(Address::ZERO, |claim| claim.account),
        cumulative: claim.map_or(0, |claim| claim.cumulative),
        index: U256::from(slot.index),
        proof: nodes(&slot.proof),
    }
}

fn post(posted: &PostedEpoch) -> exhibits::EpochPost {
    let post = &posted.post;
    exhibits::EpochPost {
        epochId: post.epochId,
        gateway: post.gateway,
        engineSpecHash: post.engineSpecHash,
        receiptsRoot: post.receiptsRoot,
        firstReceipt: post.firstReceipt,
        receiptCount: post.receiptCount,
        claimsRoot: post.claimsRoot,
        claimsTotal: post.claimsTotal,
        models: post
            .models
            .iter()
            .map(|model| exhibits::ModelTotal {
                modelId: model.modelId,
                fees: model.fees,
                attributed: model.attributed,
            })
            .collect(),
        pools: post
            .pools
            .iter()
            .map(|pool| exhibits::PoolTotal { datanetId: pool.datanetId, amount: pool.amount })
            .collect(),
    }
}
