//! Evidence as the chain has it: what the poster of an epoch did not publish and had to disclose, read back from the log of
//! `EpochDisclosure` and put together as if it had been published. A watcher who has nothing but the chain demands the
//! trees that it is not shown, and looks for the same faults in them as in anybody's evidence.
//!
//! What was asked and what was retrieved is nobody's to demand: no fact is about it, so bundles made here have none.

use std::collections::BTreeMap;

use alloy_primitives::{B256, Bytes, U256};
use alloy_sol_types::SolValue;
use models::Tokenizer;
use scores::{
    DatanetId,
    claims::{Claim, Claims},
    exchange::{CanonicalRequest, CanonicalResponse},
    merkle,
    payments::{Payments, ReceiptPayment},
    record::{AbiRecord, AttributionRecord},
};

use crate::{
    chain::{
        Chain, EpochStatus, PostedEpoch,
        bindings::disclosure::EpochDisclosure::{EntriesDisclosed, ReceiptDisclosed},
    },
    challenge::{
        ChallengeError, Fault, Result, Won, before, check_opens, demand, demand_trees, fault_of,
        leaf_of, payments_of, pending, prove,
    },
    disclosure::{Disclosures, PIECE, Tree},
    evidence::{BUNDLE_VERSION, EvidenceBundle, EvidenceSource, StoredReceipt},
    record_faults::{self, reshape},
    records::Records,
};

/// What became of an epoch whose poster was asked for what it had not published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Compelled {
    /// It fell: by what its poster kept back, or by what it had to disclose.
    Fell { fault: Fault, won: Won },
    /// All of it is known now, and the chain can be shown nothing against it.
    Stands,
}

/// What is known of the trees of an epoch, each checked against its root.
#[derive(Clone, Debug, Default)]
struct Known {
    receipts: Option<Vec<StoredReceipt>>,
    claims: Option<Claims>,
    payments: Option<Payments>,
}

/// Makes the poster of a pending epoch show what it has not published, and has the epoch rejected for what it keeps back
/// or for what is false in all that is known then. Stakes of what is disclosed are the poster's, so only the trees are
/// demanded that `source` does not have.
pub async fn compel(
    chain: &Chain,
    epoch: u64,
    source: &dyn EvidenceSource,
    tokenizer: &Tokenizer,
) -> Result<Compelled> {
    let records = Records::on(chain).await?.ok_or(ChallengeError::NoRecords)?;
    let disclosures = Disclosures::on(chain).await?.ok_or(ChallengeError::NoRecords)?;
    let posted = pending(chain, epoch).await?;
    let published = source.bundle(epoch).await.ok();
    let mut known = match &published {
        Some(bundle) => Known::of(&posted, bundle, chain.model_count().await?)?,
        None => Known::default(),
    };
    // Receipts need no statement of the poster's to be demanded, and are disclosed while it makes its own.
    if known.receipts.is_none() {
        disclosures.demand_missing(epoch, posted.block, &[Tree::Receipts]).await?;
    }
    if !records.is_stated(epoch, posted.block).await?
        && let Some(won) = demand(chain, epoch).await?
    {
        return Ok(Compelled::Fell { fault: Fault::Silence, won });
    }
    let root = records.payments_of(epoch).await?;
    let due = match &known.receipts {
        Some(receipts) => Some(payments_of(chain, receipts, posted.block).await?),
        None => None,
    };
    for payments in published.iter().filter_map(|bundle| bundle.payments.clone()).chain(due) {
        let opened = payments.root()?;
        if (opened.hash, opened.sum) == (root.root, root.total) {
            known.payments = Some(payments);
        }
    }
    if let Some((fault, won)) = demand_trees(chain, epoch, &known.missing()).await? {
        return Ok(Compelled::Fell { fault, won });
    }
    let bundle = known.complete(&disclosures, chain, posted.clone()).await?;
    let previous = before(chain, epoch, published.as_ref(), source).await?;
    let limits = records.limits().await?;
    let record = record_faults::find(chain, epoch, &bundle, source, tokenizer, &limits).await?;
    let fault = match record {
        Some(fault) => Some(Fault::Record(fault)),
        None => fault_of(chain, &posted, &bundle, previous.as_ref()).await?,
    };
    match fault {
        Some(fault) => {
            let won = prove(chain, epoch, &fault).await?;
            Ok(Compelled::Fell { fault, won })
        }
        None => Ok(Compelled::Stands),
    }
}

impl Known {
    /// What of a published bundle hashes to what the chain has. A receipt of none of the chain's models is none: no fact
    /// could be shown about it, so it cannot be disclosed either, and is demanded like what is not published.
    fn of(posted: &PostedEpoch, bundle: &EvidenceBundle, models: u64) -> Result<Self> {
        let receipts = &bundle.receipts;
        let of_models = U256::from(1)..=U256::from(models);
        let answered = receipts.iter().all(|StoredReceipt { receipt, response, .. }| {
            response.hash() == receipt.responseHash && of_models.contains(&receipt.modelId)
        });
        let root = match receipts.is_empty() {
            true => B256::ZERO,
            false => merkle::root_of(receipts.iter().map(leaf_of))?,
        };
        let counted = u32::try_from(receipts.len()) == Ok(posted.post.receiptCount);
        let receipts = answered && counted && root == posted.post.receiptsRoot;
        let (epoch, claims) =
            (posted.post.epochId, (posted.post.claimsRoot, posted.post.claimsTotal));
        Ok(Self {
            receipts: receipts.then(|| bundle.receipts.clone()),
            claims: check_opens(epoch, &bundle.claims, claims)
                .is_ok()
                .then(|| bundle.claims.clone()),
            payments: None,
        })
    }

    fn missing(&self) -> Vec<Tree> {
        let absent = |tree: &Tree| match tree {
            Tree::Receipts => self.receipts.is_none(),
            Tree::Payments => self.payments.is_none(),
            Tree::Claims => self.claims.is_none(),
        };
        Tree::ALL.into_iter().filter(absent).collect()
    }

    /// The bundle that would have been published, from what is known and what the log has.
    async fn complete(
        self,
        disclosures: &Disclosures,
        chain: &Chain,
        posted: PostedEpoch,
    ) -> Result<EvidenceBundle> {
        let logged = disclosures.logged(posted.post.epochId, posted.block).await?;
        let (payments_depth, claims_depth) = disclosures.depths(posted.post.epochId).await?;
        let receipts = match self.receipts {
            Some(receipts) => receipts,
            None => logged.receipts.into_values().collect(),
        };
        let claims = match self.claims {
            Some(claims) => claims,
            None => Claims::placed(logged.claims, claims_depth)?,
        };
        let payments = match self.payments {
            Some(payments) => payments,
            None => Payments::placed(logged.payments, payments_depth)?,
        };
        Ok(EvidenceBundle {
            version: BUNDLE_VERSION,
            chain_id: chain.chain_id(),
            contracts: chain.contracts(),
            engine_spec: String::new(),
            post: posted.post,
            signatures: posted.signatures,
            receipts,
            corpora: vec![],
            previous_claims: Claims::default(),
            claims,
            payments: Some(payments),
        })
    }
}

/// What stands in the log of an epoch's disclosures, by its place in its tree.
#[derive(Clone, Debug, Default)]
pub struct Logged {
    pub receipts: BTreeMap<u64, StoredReceipt>,
    pub payments: BTreeMap<usize, ReceiptPayment>,
    pub claims: BTreeMap<usize, Claim>,
}

impl Logged {
    /// Takes in a receipt. The contract has checked it against the epoch's root.
    pub(crate) fn receipt(&mut self, event: &ReceiptDisclosed) -> Result<()> {
        let (epoch, receipt) = (event.epochId, event.receipt.number);
        let unreadable = |_| ChallengeError::Unreadable { epoch, receipt };
        let record = AbiRecord::abi_decode(&event.record).map_err(unreadable)?;
        let response = CanonicalResponse::abi_decode(&event.response).map_err(unreadable)?;
        let stored = StoredReceipt {
            receipt: reshape(&event.receipt)?,
            signature: Bytes::new(),
            request: CanonicalRequest {
                version: 0,
                modelId: U256::ZERO,
                messages: vec![],
                maxTokens: 0,
                temperatureMillionths: 0,
                topPMillionths: 0,
                seed: 0,
                stop: vec![],
            },
            response,
            retrieved: vec![],
            record: AttributionRecord::from_abi(&record)?,
        };
        self.receipts.insert(event.place.saturating_to(), stored);
        Ok(())
    }

    /// Takes in leaves of a sum tree. What follows them in their piece is padding.
    pub(crate) fn entries(&mut self, event: &EntriesDisclosed) -> Result<()> {
        let first = event.place.saturating_to::<usize>().saturating_mul(PIECE);
        for (place, entry) in (first..).zip(&event.entries) {
            let (datanet, account) = (DatanetId::try_from(entry.datanetId)?, entry.account);
            if event.tree == Tree::Payments as u8 {
                let (receipt, amount) = (entry.receipt, entry.amount);
                self.payments.insert(place, ReceiptPayment { datanet, account, receipt, amount });
            } else {
                self.claims.insert(place, Claim { datanet, account, cumulative: entry.amount });
            }
        }
        Ok(())
    }
}

/// The claims of a decided epoch as its poster had to disclose them, if all of them were demanded.
pub(crate) async fn claims_of(chain: &Chain, epoch: u64) -> Result<Option<Claims>> {
    let Some(disclosures) = Disclosures::on(chain).await? else { return Ok(None) };
    let state = chain.epoch(epoch).await?;
    if state.status == EpochStatus::None {
        return Ok(None);
    }
    let block = chain.posted_epoch(epoch).await?.block;
    let (_, depth) = disclosures.depths(epoch).await?;
    let claims = Claims::placed(disclosures.logged(epoch, block).await?.claims, depth)?;
    let opens = check_opens(epoch, &claims, (state.claims_root, state.claims_total)).is_ok();
    Ok(opens.then_some(claims))
}
