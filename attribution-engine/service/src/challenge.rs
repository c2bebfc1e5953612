//! Disproves a pending epoch: opens its claims tree with published evidence, looks for what the chain's
//! rules refuse, and shows it. Half of the poster's bond is the reward, the other half is burned. Where the
//! chain has `RecordDispute`, the fact is committed to first, so that nobody gains by copying it, and a
//! poster who shows nothing is asked for its payments.

use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    time::Duration,
};

use alloy_primitives::{Address, B256, Bytes, TxHash, U256};
use alloy_rpc_types_eth::TransactionReceipt;
use alloy_sol_types::{SolCall, SolEvent};
use models::Tokenizer;
use scores::{
    DatanetId, ModelId, ScoresError,
    claims::{Claim, ClaimProof, Claims, Slot, SumNode},
    epoch::SettledReceipt,
    faults::{self, ClaimsFault, GrowthFault, PaymentFault},
    merkle,
    payments::{PaymentSlot, Payments},
};
use serde::Serialize;

use crate::{
    chain::{
        Chain, ChainError, EpochStatus, PostedEpoch,
        bindings::{
            disclosure::EpochDisclosure::factWithheldCall,
            dispute::{
                AttributionDispute::{
                    factDecreaseCall, factOmissionCall, factOrderCall, factOverpromiseCall,
                },
                IAttributionDispute, IAttributionSettlement as exhibits,
            },
            records::{
                IAttributionSettlement as record_exhibits, IRecordTypes,
                RecordDispute::{
                    factClaimCall, factPaymentFalseCall, factPaymentMissingCall,
                    factPaymentOrderCall, factSilenceCall,
                },
            },
            settlement::IAttributionSettlement,
        },
        call, mined, post_of,
    },
    clusters::CorpusError,
    disclosed,
    disclosure::{Disclosures, Piece, Tree},
    evidence::{EvidenceBundle, EvidenceError, EvidenceSource, StoredReceipt},
    record_faults::{self, RecordFault, reshape},
    records::{Commitment, Records},
};

/// How often the chain is asked whether a block has come.
const POLL: Duration = Duration::from_millis(200);

/// Why an epoch is not challenged.
#[derive(Debug, thiserror::Error)]
pub enum ChallengeError {
    #[error(transparent)]
    Chain(#[from] ChainError),
    #[error(transparent)]
    Evidence(#[from] EvidenceError),
    #[error(transparent)]
    Scores(#[from] ScoresError),
    #[error(transparent)]
    Corpus(#[from] CorpusError),
    #[error("epoch {epoch} is {status:?}: only a pending epoch can be challenged")]
    NotPending { epoch: u64, status: EpochStatus },
    #[error("the claims published for epoch {epoch} hash to {found}, the chain says {on_chain}")]
    Withheld { epoch: u64, found: B256, on_chain: B256 },
    #[error("transaction {0} rejected no epoch")]
    NothingRejected(TxHash),
    #[error("this chain has no RecordDispute, which alone decides this")]
    NoRecords,
    #[error("the receipts published for epoch {epoch} hash to {found}, the chain says {on_chain}")]
    OtherReceipts { epoch: u64, found: B256, on_chain: B256 },
    #[error("the payments of epoch {epoch} are not published: the chain has their root {on_chain}")]
    PaymentsWithheld { epoch: u64, on_chain: B256 },
    #[error("what was disclosed of receipt {receipt} of epoch {epoch} is no record and response")]
    Unreadable { epoch: u64, receipt: u64 },
    #[error("an exhibit cannot be encoded: {0}")]
    Encoding(alloy_sol_types::Error),
}

/// Result of challenging.
pub type Result<T, E = ChallengeError> = std::result::Result<T, E>;

/// What the chain can be shown of a false epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The claims tree breaks a rule by itself.
    Claims(ClaimsFault),
    /// A claim grew by more than the payments that the poster committed to.
    Growth(GrowthFault),
    /// A record breaks a rule by itself, or a payment is not its record's.
    Record(RecordFault),
    /// The payments were demanded, and are not given in time.
    Silence,
    /// A piece of what the roots commit to was demanded, and is not disclosed in time.
    Withheld(Piece),
}

impl Fault {
    /// What is wrong, as the chain's event names it.
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::Claims(fault) => fault.rule(),
            Self::Growth(_) => "claim",
            Self::Record(fault) => fault.rule,
            Self::Silence => "silence",
            Self::Withheld(_) => "withheld",
        }
    }

    /// What is wrong, for people, where the rule alone does not say it: which span, which document.
    pub fn about(&self) -> Option<&str> {
        match self {
            Self::Record(fault) => Some(&fault.about),
            _ => None,
        }
    }
}

/// A challenge that was won.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Won {
    /// Commitment to the fact, if it was committed to first.
    pub committed: Option<TxHash>,
    pub transaction: TxHash,
    /// Of the transaction that rejected the epoch.
    pub gas: u64,
    /// Half of the bond, wei.
    #[serde(with = "scores::claims::wei")]
    pub reward: u128,
    /// Wei.
    #[serde(with = "scores::claims::wei")]
    pub burned: u128,
}

/// What is wrong with the claims of a pending epoch, if it is among what `AttributionDispute` decides.
/// The evidence is trusted in nothing: it must hash to the roots on chain. An epoch that is false in
/// another way has no such fault.
pub async fn find_fault(
    chain: &Chain,
    epoch: u64,
    source: &dyn EvidenceSource,
) -> Result<Option<Fault>> {
    let posted = pending(chain, epoch).await?;
    let bundle = source.bundle(epoch).await?;
    let claims = (posted.post.claimsRoot, posted.post.claimsTotal);
    check_opens(epoch, &bundle.claims, claims)?;
    let before = before(chain, epoch, Some(&bundle), source).await?;
    fault_of(chain, &posted, &bundle, before.as_ref()).await
}

/// The claims in force before a pending epoch, wherever they are to be had: in the evidence of either epoch, or in the log
/// of what was disclosed of the earlier one.
pub(crate) async fn before(
    chain: &Chain,
    epoch: u64,
    bundle: Option<&EvidenceBundle>,
    source: &dyn EvidenceSource,
) -> Result<Option<Claims>> {
    let Some(active) = chain.activated_before(epoch).await? else {
        return Ok(Some(Claims::default()));
    };
    let root = (active.claims_root, active.claims_total);
    let opens = |claims: &Claims| check_opens(active.id, claims, root).is_ok();
    if let Some(bundle) = bundle
        && opens(&bundle.previous_claims)
    {
        return Ok(Some(bundle.previous_claims.clone()));
    }
    if let Ok(EvidenceBundle { claims, .. }) = source.bundle(active.id).await
        && opens(&claims)
    {
        return Ok(Some(claims));
    }
    let disclosed = disclosed::claims_of(chain, active.id).await?;
    if disclosed.is_none() {
        tracing::warn!(
            epoch = active.id,
            "the claims in force are nowhere: growth is not measured"
        );
    }
    Ok(disclosed)
}

/// What is wrong with the claims and the payments of a pending epoch, given evidence that hashes to its roots. Without the
/// claims before it, what they grew by is not looked at.
pub(crate) async fn fault_of(
    chain: &Chain,
    posted: &PostedEpoch,
    bundle: &EvidenceBundle,
    before: Option<&Claims>,
) -> Result<Option<Fault>> {
    let epoch = posted.post.epochId;
    let funded = funded(chain, posted, &bundle.claims).await?;
    let none = Claims::default();
    if let Some(fault) = faults::find(before.unwrap_or(&none), &bundle.claims, &funded)? {
        return Ok(Some(Fault::Claims(fault)));
    }
    let Some(records) = Records::on(chain).await? else { return Ok(None) };
    // A poster who has stated nothing is not one who has stated that nothing is paid: it can be asked.
    if !records.is_stated(epoch, posted.block).await? {
        return Ok(None);
    }
    let state = records.payments_of(epoch).await?;
    let is_stated = |payments: &Payments| -> Result<bool> {
        let root = payments.root()?;
        Ok((root.hash, root.sum) == (state.root, state.total))
    };
    let due = payments_of(chain, &bundle.receipts, posted.block).await?;
    let stated = match &bundle.payments {
        _ if is_stated(&due)? => &due,
        Some(payments) if is_stated(payments)? => payments,
        _ => return Err(ChallengeError::PaymentsWithheld { epoch, on_chain: state.root }),
    };
    if let Some(fault) = faults::find_payment(stated, &due)? {
        check_receipts(epoch, bundle, posted.post.receiptsRoot)?;
        return Ok(Some(Fault::Record(payment_fault(epoch, bundle, &fault)?)));
    }
    let Some(before) = before else { return Ok(None) };
    let growth = faults::find_growth(before, &bundle.claims, stated)?;
    Ok(growth.map(Fault::Growth))
}

/// Whether the pending epoch's payments are nowhere on chain yet, so that its poster can be asked for them.
pub async fn is_unstated(chain: &Chain, epoch: u64) -> Result<bool> {
    let Some(records) = Records::on(chain).await? else { return Ok(false) };
    let posted = pending(chain, epoch).await?;
    Ok(!records.is_stated(epoch, posted.block).await?)
}

/// The exhibit of a payment that is not its record's.
fn payment_fault(epoch: u64, bundle: &EvidenceBundle, fault: &PaymentFault) -> Result<RecordFault> {
    let opened = |number: u64| -> Result<(usize, IRecordTypes::Opened)> {
        let receipts = &bundle.receipts;
        let found = receipts.iter().position(|stored| stored.receipt.number == number);
        // For a payment of no receipt any of them will do.
        let index = found.unwrap_or_default();
        let leaves: Vec<B256> =
            receipts.iter().map(|stored| merkle::leaf_hash(leaf_of(stored).as_slice())).collect();
        let receipt = receipts.get(index).ok_or(ScoresError::EmptyTree)?;
        let receipt = reshape(&receipt.receipt)?;
        let proof = merkle::proof(&leaves, index)?;
        Ok((index, IRecordTypes::Opened { epochId: epoch, receipt, proof }))
    };
    let record = |index: usize| -> Result<IRecordTypes::Record> {
        let stored = bundle.receipts.get(index).ok_or(ScoresError::EmptyTree)?;
        reshape(&stored.record.to_abi())
    };
    let about = match fault {
        PaymentFault::Order { left, .. } => {
            format!("payments {} and the next do not ascend", left.index)
        }
        PaymentFault::False { payment, due, .. } => format!(
            "receipt {} is said to pay {} {} wei of Datanet {}, its record {due}",
            payment.receipt, payment.account, payment.amount, payment.datanet
        ),
        PaymentFault::Missing { due, .. } => format!(
            "that receipt {} pays {} {} wei of Datanet {} is left out",
            due.receipt, due.account, due.amount, due.datanet
        ),
    };
    let (receipt, call) = match fault {
        PaymentFault::Order { left, right } => {
            let (left, right) = (payment(left), payment(right));
            (left.receipt, factPaymentOrderCall { epochId: epoch, left, right }.abi_encode())
        }
        PaymentFault::False { slot, payment: stated, .. } => {
            let (index, opened) = opened(stated.receipt)?;
            let mut shown = payment(slot);
            // What is paid to nobody is of any receipt.
            if stated.account == Address::ZERO {
                shown.receipt = opened.receipt.number;
            }
            let record = record(index)?;
            let call = factPaymentFalseCall { opened, record, payment: shown };
            (stated.receipt, call.abi_encode())
        }
        PaymentFault::Missing { due, slots } => {
            let (index, opened) = opened(due.receipt)?;
            let record = record(index)?;
            let (datanet, payee) = (due.datanet.to_u256(), due.account);
            let weight =
                record.weights.iter().position(|w| (w.datanetId, w.payee) == (datanet, payee));
            let weight = U256::from(weight.unwrap_or_default());
            let neighbours = slots.iter().map(payment).collect();
            let call = factPaymentMissingCall { opened, record, weight, neighbours };
            (due.receipt, call.abi_encode())
        }
    };
    Ok(RecordFault { rule: fault.rule(), receipt, about, call: call.into() })
}

pub(crate) fn leaf_of(stored: &StoredReceipt) -> B256 {
    SettledReceipt { receipt: stored.receipt.clone(), record: stored.record.clone() }.leaf()
}

fn check_receipts(epoch: u64, bundle: &EvidenceBundle, on_chain: B256) -> Result<()> {
    let found = merkle::root_of(bundle.receipts.iter().map(leaf_of))?;
    if found == on_chain {
        Ok(())
    } else {
        Err(ChallengeError::OtherReceipts { epoch, found, on_chain })
    }
}

/// What is wrong with one of the records of a pending epoch, if it is among what `RecordDispute` decides. `tokenizer` is
/// that of the engine spec. Nothing of the evidence is trusted: the receipts and records must hash to the root on chain.
pub async fn find_record_fault(
    chain: &Chain,
    epoch: u64,
    source: &dyn EvidenceSource,
    tokenizer: &Tokenizer,
) -> Result<Option<Fault>> {
    let Some(records) = Records::on(chain).await? else { return Ok(None) };
    let posted = pending(chain, epoch).await?;
    let mut bundle = source.bundle(epoch).await?;
    check_receipts(epoch, &bundle, posted.post.receiptsRoot)?;
    bundle.post = posted.post;
    let limits = records.limits().await?;
    let fault = record_faults::find(chain, epoch, &bundle, source, tokenizer, &limits).await?;
    Ok(fault.map(Fault::Record))
}

/// What an epoch's receipts and records, as published, pay; `block` is that of the post.
pub(crate) async fn payments_of(
    chain: &Chain,
    receipts: &[StoredReceipt],
    block: u64,
) -> Result<Payments> {
    let mut splits = BTreeMap::new();
    let mut settled = Vec::with_capacity(receipts.len());
    for StoredReceipt { receipt, record, .. } in receipts {
        let model = ModelId::try_from(receipt.modelId)?;
        if let Entry::Vacant(vacant) = splits.entry(model) {
            vacant.insert(chain.model(model).await?.split);
        }
        settled.push(SettledReceipt { receipt: receipt.clone(), record: record.clone() });
    }
    Ok(Payments::of(&settled, &splits, chain.platform_bps_at(block).await?)?)
}

/// Shows the fault to the chain: by commitment where it can be, else in one transaction.
pub async fn prove(chain: &Chain, epoch: u64, fault: &Fault) -> Result<Won> {
    match (Records::on(chain).await?, fault) {
        (Some(records), _) => {
            let fact = fact(chain, epoch, fault).await?;
            let commitment = records.commit(epoch, fact).await?;
            reveal(chain, &records, &commitment).await
        }
        (None, Fault::Claims(fault)) => prove_directly(chain, epoch, fault).await,
        (None, _) => Err(ChallengeError::NoRecords),
    }
}

/// Demands the payments of a poster who has not stated them, and shows its silence if it does not answer.
/// `None` if it did. The demand's stake is the poster's then.
pub async fn demand(chain: &Chain, epoch: u64) -> Result<Option<Won>> {
    let records = Records::on(chain).await?.ok_or(ChallengeError::NoRecords)?;
    let posted = chain.posted_epoch(epoch).await?.block;
    // Somebody else may have asked, and does not have to be in earnest.
    let own = records.payments_of(epoch).await?.demanded_at == 0;
    if own {
        records.demand_payments(epoch).await?;
    }
    let due = records.payments_of(epoch).await?.due_at;
    loop {
        if records.is_stated(epoch, posted).await? {
            return Ok(None);
        }
        if chain.latest_block().await?.1 > due {
            break;
        }
        tokio::time::sleep(POLL).await;
    }
    // Not before it is sure: there is one commitment to an epoch, and another fact may be there to be shown.
    let won = prove(chain, epoch, &Fault::Silence).await?;
    if own {
        records.reclaim_demand(epoch).await?;
    }
    Ok(Some(won))
}

/// Demands all that an epoch commits to of a poster who publishes nothing, and shows what it withholds. `None` if nothing
/// is withheld: it stands in the chain's logs then. Stakes of what is disclosed are the poster's.
pub async fn demand_all(chain: &Chain, epoch: u64) -> Result<Option<Won>> {
    Ok(demand_trees(chain, epoch, &Tree::ALL).await?.map(|(_, won)| won))
}

/// The same of some of its trees.
pub(crate) async fn demand_trees(
    chain: &Chain,
    epoch: u64,
    trees: &[Tree],
) -> Result<Option<(Fault, Won)>> {
    let disclosures = Disclosures::on(chain).await?.ok_or(ChallengeError::NoRecords)?;
    let block = chain.posted_epoch(epoch).await?.block;
    disclosures.demand_missing(epoch, block, trees).await?;
    loop {
        let mut open = disclosures.open(epoch, block).await?;
        open.retain(|piece| trees.contains(&piece.tree));
        let Some(first) = open.first() else { return Ok(None) };
        let due = disclosures.due_at(epoch, *first).await?;
        if chain.latest_block().await?.1 <= due {
            tokio::time::sleep(POLL).await;
            continue;
        }
        let fault = Fault::Withheld(*first);
        let won = prove(chain, epoch, &fault).await?;
        for piece in open {
            if disclosures.demander(epoch, piece).await? == chain.sender() {
                disclosures.reclaim(epoch, piece).await?;
            }
        }
        disclosures.collect().await?;
        return Ok(Some((fault, won)));
    }
}

/// Takes what a challenge won, and pays it out: waits for the end of the share window. Returns what was
/// paid, wei, stakes included.
pub async fn collect(chain: &Chain, epoch: u64) -> Result<U256> {
    let account = chain.sender().unwrap_or_default();
    let mut paid = U256::ZERO;
    if let Some(records) = Records::on(chain).await? {
        let pot = records.pot(epoch).await?;
        if pot.shareable_at != 0 {
            wait_until(chain, |_, time| time > pot.shareable_at).await?;
            records.take_share(epoch).await?;
        }
        let credit = records.credit(account).await?;
        if !credit.is_zero() {
            records.withdraw(account).await?;
            paid += credit;
        }
    }
    let credit = chain.credit(account).await?;
    if !credit.is_zero() {
        chain.withdraw(account).await?;
        paid += credit;
    }
    Ok(paid)
}

/// Shows in a later block what was committed to.
async fn reveal(chain: &Chain, records: &Records, commitment: &Commitment) -> Result<Won> {
    wait_until(chain, |number, _| number > commitment.block).await?;
    let won = won(&records.reveal(commitment).await?)?;
    Ok(Won { committed: Some(commitment.transaction), ..won })
}

/// Waits for a latest block of which `enough` holds, given its number and timestamp.
async fn wait_until(chain: &Chain, enough: impl Fn(u64, u64) -> bool) -> Result<()> {
    loop {
        let (number, time) = chain.latest_block().await?;
        if enough(number, time) {
            return Ok(());
        }
        tokio::time::sleep(POLL).await;
    }
}

/// The encoded call that shows a fault.
async fn fact(chain: &Chain, epoch: u64, fault: &Fault) -> Result<Bytes> {
    let encoded = match fault {
        Fault::Claims(ClaimsFault::Order { left, right }) => {
            factOrderCall { epochId: epoch, left: slot(left), right: slot(right) }.abi_encode()
        }
        Fault::Claims(ClaimsFault::Decrease { before, later }) => {
            factDecreaseCall { epochId: epoch, before: leaf(before), later: leaf(later) }
                .abi_encode()
        }
        Fault::Claims(ClaimsFault::Omission { before, slots }) => factOmissionCall {
            epochId: epoch,
            before: leaf(before),
            slots: slots.iter().map(slot).collect(),
        }
        .abi_encode(),
        Fault::Claims(ClaimsFault::Overpromise { first, last, .. }) => factOverpromiseCall {
            post: post(&pending(chain, epoch).await?),
            first: leaf(first),
            last: leaf(last),
        }
        .abi_encode(),
        Fault::Growth(fault) => factClaimCall {
            epochId: epoch,
            claim: claim(fault.claim.claim, fault.claim.index, &fault.claim.proof),
            before: fault
                .before
                .iter()
                .map(|slot| claim(slot.claim.unwrap_or(NO_CLAIM), slot.index, &slot.proof))
                .collect(),
            left: fault.left.iter().map(payment).collect(),
            right: fault.right.iter().map(payment).collect(),
        }
        .abi_encode(),
        Fault::Record(fault) => return Ok(fault.call.clone()),
        Fault::Silence => factSilenceCall { epochId: epoch }.abi_encode(),
        Fault::Withheld(Piece { tree, place }) => {
            factWithheldCall { epochId: epoch, tree: *tree as u8, place: U256::from(*place) }
                .abi_encode()
        }
    };
    Ok(encoded.into())
}

/// In one transaction, which whoever sees it can copy.
async fn prove_directly(chain: &Chain, epoch: u64, fault: &ClaimsFault) -> Result<Won> {
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
    won(&mined(what, sent.map_err(call(what))?).await?)
}

fn won(receipt: &TransactionReceipt) -> Result<Won> {
    let rejected = receipt
        .logs()
        .iter()
        .find_map(|log| IAttributionSettlement::EpochRejected::decode_log(&log.inner).ok())
        .ok_or(ChallengeError::NothingRejected(receipt.transaction_hash))?;
    Ok(Won {
        committed: None,
        transaction: receipt.transaction_hash,
        gas: receipt.gas_used,
        reward: rejected.reward,
        burned: rejected.burned,
    })
}

pub(crate) async fn pending(chain: &Chain, epoch: u64) -> Result<PostedEpoch> {
    let status = chain.epoch(epoch).await?.status;
    if status != EpochStatus::Posted {
        return Err(ChallengeError::NotPending { epoch, status });
    }
    Ok(chain.posted_epoch(epoch).await?)
}

pub(crate) fn check_opens(epoch: u64, claims: &Claims, on_chain: (B256, u128)) -> Result<()> {
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

/// What stands for padding.
const NO_CLAIM: Claim = Claim { datanet: DatanetId(0), account: Address::ZERO, cumulative: 0 };

fn claim(claim: Claim, index: u64, proof: &[SumNode]) -> IRecordTypes::Claim {
    IRecordTypes::Claim {
        datanetId: claim.datanet.to_u256(),
        account: claim.account,
        cumulative: claim.cumulative,
        index: U256::from(index),
        proof: record_nodes(proof),
    }
}

fn payment(slot: &PaymentSlot) -> IRecordTypes::Payment {
    let payment = slot.payment;
    IRecordTypes::Payment {
        datanetId: payment.map_or(U256::ZERO, |payment| payment.datanet.to_u256()),
        account: payment.map_or(Address::ZERO, |payment| payment.account),
        receipt: payment.map_or(0, |payment| payment.receipt),
        amount: payment.map_or(0, |payment| payment.amount),
        index: U256::from(slot.index),
        proof: record_nodes(&slot.proof),
    }
}

fn record_nodes(proof: &[SumNode]) -> Vec<record_exhibits::ProofNode> {
    let node = |node: &SumNode| record_exhibits::ProofNode { hash: node.hash, sum: node.sum };
    proof.iter().map(node).collect()
}

fn post(posted: &PostedEpoch) -> exhibits::EpochPost {
    post_of!(exhibits, &posted.post)
}
