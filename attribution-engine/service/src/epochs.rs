//! Turns receipts into money: redeems vouchers, assembles the next epoch from attributed receipts, has
//! the engines sign it, posts it, waits out the challenge window and activates it.
//!
//! There is no state of its own to lose. What to do next is read from the chain each time; the evidence
//! bundle is written durably *before* the post, so a process that dies at any instruction continues
//! where the chain is. A bundle of a post that never reached the chain is replaced.

use std::{collections::HashMap, sync::Arc, time::Duration};

use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use scores::{ScoresError, claims::Claims, eip712::EpochPost, spec::EngineSpec};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::{
    audit::{AuditError, Checks, CorpusCache, EpochClaim, recompute},
    chain::{Chain, ChainError, EpochState, EpochStatus},
    challenge::{ChallengeError, payments_of},
    clusters::TokenCodec,
    disclosure::{Disclosures, answers_max, answers_of},
    evidence::{
        BUNDLE_VERSION, EvidenceBundle, EvidenceError, EvidenceStore, SignedVoucher, StoredReceipt,
    },
    records::Records,
};

/// Vouchers per redemption, the escrow's bound.
const VOUCHERS_MAX: usize = 256;

/// A voucher is redeemed at the latest this long before its authorisation expires: the gateway serves up
/// to a minute before expiry, and what is not redeemed by then is lost.
const REDEMPTION_MARGIN: Duration = Duration::from_secs(120);

/// What the poster keeps of its balance for gas when it puts up a bond, wei: 0.05 OPEN.
const GAS_RESERVE: u128 = 50_000_000_000_000_000;

/// Why the poster cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum EpochError {
    #[error(transparent)]
    Chain(#[from] ChainError),
    #[error(transparent)]
    Evidence(#[from] EvidenceError),
    #[error(transparent)]
    Audit(#[from] AuditError),
    #[error(transparent)]
    Scores(#[from] ScoresError),
    #[error("signing the post of epoch {epoch}: {source}")]
    Signing { epoch: u64, source: alloy_signer::Error },
    #[error("epoch {epoch} does not recompute, so no engine signs it: {failures}")]
    NotReproducible { epoch: u64, failures: String },
    #[error("claims under epoch {epoch} hash to {kept}, the chain says {on_chain}")]
    ClaimsMismatch { epoch: u64, kept: B256, on_chain: B256 },
    #[error("what an epoch would pay: {0}")]
    Payments(#[from] ChallengeError),
    #[error(
        "epoch {epoch} cannot be posted: all it commits to would take {needed} answers, and its challenge window has \
         time for {most}; governance must lengthen the window"
    )]
    TooLarge { epoch: u64, needed: usize, most: usize },
    #[error(
        "epoch {epoch} needs a bond of {required} wei, which covers its fees of {fees} wei and what is promised and unclaimed, and \
         {GAS_RESERVE} wei for gas; the poster has {balance} wei, {} wei are missing. Claims for whoever has not claimed lower \
         the bond",
        required.saturating_add(GAS_RESERVE).saturating_sub(*balance)
    )]
    BondMissing { epoch: u64, fees: u128, required: u128, balance: u128 },
    #[error("{found} of our engines are known to the settlement, {needed} must sign")]
    TooFewEngines { found: usize, needed: u8 },
}

impl EpochError {
    /// Whether trying again later may help.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Chain(error)
            | Self::Audit(AuditError::Chain(error))
            | Self::Payments(ChallengeError::Chain(error)) => {
                error.is_temporary() || matches!(error, ChainError::Reverted { .. })
            }
            Self::BondMissing { .. } => true,
            _ => false,
        }
    }
}

/// Result of epoch work.
pub type Result<T, E = EpochError> = std::result::Result<T, E>;

/// Where attributed receipts come from: the gateway's journal.
pub trait ReceiptSource: Send + Sync {
    /// Receipts whose answers are attributed, from number `first` on without a gap, at most `limit`.
    fn receipts(&self, first: u64, limit: usize) -> Vec<StoredReceipt>;
    /// The latest voucher of each customer.
    fn vouchers(&self) -> Vec<SignedVoucher>;
    /// Wei of the fees of `count` receipts from number `first` on that were paid into the gateway's own account, from
    /// which it funds their epoch.
    fn held(&self, _first: u64, _count: usize) -> u128 {
        0
    }
}

/// When epochs are posted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PosterConfig {
    /// An epoch is posted once its first receipt is this old.
    pub interval: Duration,
    /// … or once it has this many receipts; no epoch has more.
    pub receipts_max: usize,
    /// Pause between looks at the chain.
    pub poll: Duration,
}

impl Default for PosterConfig {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(600),
            receipts_max: 4_096,
            poll: Duration::from_secs(1),
        }
    }
}

/// What a step of the poster did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// There are no receipts to settle, or their epoch is not due.
    Idle,
    /// Receipts wait for vouchers that cover them.
    Unfunded,
    /// An epoch was posted.
    Posted(u64),
    /// An epoch waits for its challenge window to close, at this Unix second.
    InWindow { epoch: u64, deadline: u64 },
    /// An epoch was activated.
    Activated(u64),
}

/// The task that posts epochs for one gateway.
pub struct EpochPoster {
    /// Sends from the gateway's account: only it may redeem its vouchers.
    pub chain: Chain,
    pub gateway: Address,
    /// Keys of the engines that sign, at least as many as the settlement's threshold.
    pub engines: Vec<PrivateKeySigner>,
    pub spec: EngineSpec,
    pub codec: Arc<dyn TokenCodec>,
    pub receipts: Arc<dyn ReceiptSource>,
    pub evidence: Arc<EvidenceStore>,
    pub config: PosterConfig,
    cache: CorpusCache,
    /// The last epoch whose payments were committed to.
    answered: Option<u64>,
    /// Expiry (Unix seconds) of authorisations by customer and nonce, as last read.
    expiries: HashMap<(Address, u64), u64>,
}

impl EpochPoster {
    #[expect(
        clippy::too_many_arguments,
        reason = "the poster's parts, each named at the only call"
    )]
    pub fn new(
        chain: Chain,
        gateway: Address,
        engines: Vec<PrivateKeySigner>,
        spec: EngineSpec,
        codec: Arc<dyn TokenCodec>,
        receipts: Arc<dyn ReceiptSource>,
        evidence: Arc<EvidenceStore>,
        config: PosterConfig,
    ) -> Self {
        Self {
            chain,
            gateway,
            engines,
            spec,
            codec,
            receipts,
            evidence,
            config,
            cache: CorpusCache::default(),
            answered: None,
            expiries: HashMap::new(),
        }
    }

    /// Posts and activates epochs until cancelled. Returns early only if going on cannot help.
    pub async fn run(mut self, cancelled: CancellationToken) -> Result<()> {
        while !cancelled.is_cancelled() {
            match self.step().await {
                Ok(Progress::Posted(epoch)) => info!(epoch, "epoch posted"),
                Ok(Progress::Activated(epoch)) => info!(epoch, "epoch activated"),
                Ok(progress) => debug!(?progress, "no epoch to move"),
                Err(error) if error.is_temporary() => {
                    warn!(%error, "epoch step failed; will retry")
                }
                Err(error) => return Err(error),
            }
            tokio::select! {
                () = cancelled.cancelled() => {}
                () = tokio::time::sleep(self.config.poll) => {}
            }
        }
        Ok(())
    }

    /// Does the next thing that the chain's state asks for.
    pub async fn step(&mut self) -> Result<Progress> {
        let next = self.chain.next_epoch_id().await?;
        let last = match next {
            0 | 1 => None,
            _ => Some(self.chain.epoch(next - 1).await?),
        };
        let pending = last.filter(|last| last.status == EpochStatus::Posted);
        // Before anything that may fail: who answers no demand in time loses the epoch.
        if let Some(pending) = &pending {
            self.answer(pending).await;
            if let Err(error) = self.disclose(pending).await {
                warn!(epoch = pending.id, %error, "what was demanded is not disclosed yet");
            }
        }
        self.redeem_expiring().await?;
        match pending {
            Some(pending) => self.activate(&pending).await,
            None => self.post(next).await,
        }
    }

    async fn activate(&self, state: &EpochState) -> Result<Progress> {
        let (_, now) = self.chain.latest_block().await?;
        if now <= state.deadline {
            return Ok(Progress::InWindow { epoch: state.id, deadline: state.deadline });
        }
        // From the chain, so that another poster's epoch does not hold ours up.
        let posted = self.chain.posted_epoch(state.id).await?;
        let activated = self.chain.activate(&posted.post).await;
        // Anybody may activate it, or have it rejected, in the meantime: also in the block in the making.
        match (self.chain.epoch(state.id).await?.status, activated) {
            (EpochStatus::Posted, Err(error)) => {
                warn!(epoch = state.id, %error, "not activated; will look again");
                Ok(Progress::InWindow { epoch: state.id, deadline: state.deadline })
            }
            (EpochStatus::Rejected, _) => Ok(Progress::Idle),
            _ => Ok(Progress::Activated(state.id)),
        }
    }

    async fn post(&mut self, epoch_id: u64) -> Result<Progress> {
        let first = self.chain.next_receipt_of(self.gateway).await?;
        let mut receipts = self.receipts.receipts(first, self.config.receipts_max);
        // Most looks find nothing, and cost the chain one question then.
        if receipts.is_empty() {
            return Ok(Progress::Idle);
        }
        let parameters = self.chain.settlement_parameters().await?;
        let disclosed = Disclosures::on(&self.chain).await?.is_some();
        let answers = if disclosed { answers_max(parameters.challenge_window) } else { usize::MAX };
        // Payments and claims have a piece each at the least.
        let receipts_max = self.config.receipts_max.min(answers.saturating_sub(2));
        receipts.truncate(receipts_max);
        let (_, now) = self.chain.latest_block().await?;
        let due = receipts.len() >= receipts_max
            || receipts
                .first()
                .is_some_and(|r| r.receipt.timestamp + self.config.interval.as_secs() <= now);
        if !due {
            return Ok(Progress::Idle);
        }
        self.redeem().await?;
        let funds = self.fund(&receipts).await?;
        receipts.truncate(affordable(&receipts, funds));
        if receipts.is_empty() {
            warn!(first, %funds, "the next receipt is not covered by redeemed vouchers");
            return Ok(Progress::Unfunded);
        }
        let fees: u128 = receipts.iter().map(|stored| stored.receipt.fee).sum();
        let bond = self.bond(epoch_id, fees).await?;
        let bundle = self.assemble_disclosable(epoch_id, receipts, answers).await?;
        self.evidence.put(&bundle)?;
        let posted = self.chain.post_epoch(&bundle.post, bundle.signatures.clone(), bond).await;
        if let Err(error) = posted {
            // Somebody else may have been first, also in the block in the making; ours is the next then.
            warn!(epoch = epoch_id, %error, "not posted; will look again");
            return Ok(Progress::Idle);
        }
        self.answer(&self.chain.epoch(epoch_id).await?).await;
        Ok(Progress::Posted(epoch_id))
    }

    /// What to put up for an epoch with these fees at most: the least that is taken and a hundredth more if the poster has it, so that
    /// nobody can have the post refused by forcing a little money on the settlement just before. What earlier bonds left as
    /// credit is withdrawn if it is needed.
    async fn bond(&self, epoch: u64, fees: u128) -> Result<u128> {
        let required = self.chain.bond_for(fees).await?;
        let wanted = required.saturating_add(required / 100);
        let mut balance: u128 = self.chain.balance().await?.saturating_to();
        if balance < wanted.saturating_add(GAS_RESERVE)
            && let Some(poster) = self.chain.sender()
            && !self.chain.credit(poster).await?.is_zero()
        {
            self.chain.withdraw(poster).await?;
            balance = self.chain.balance().await?.saturating_to();
        }
        let most = balance.saturating_sub(GAS_RESERVE);
        if most < required {
            return Err(EpochError::BondMissing { epoch, fees, required, balance });
        }
        Ok(wanted.min(most))
    }

    /// Pays in what the receipts lack and the gateway holds for them; returns the gateway's funds.
    async fn fund(&self, receipts: &[StoredReceipt]) -> Result<U256> {
        let available = self.chain.funds_available(self.gateway).await?;
        let first = receipts.first().map_or(0, |stored| stored.receipt.number);
        let fees: u128 = receipts.iter().map(|stored| stored.receipt.fee).sum();
        let lacking: u128 = U256::from(fees).saturating_sub(available).saturating_to();
        let amount = lacking.min(self.receipts.held(first, receipts.len()));
        if amount == 0 {
            return Ok(available);
        }
        self.chain.fund(self.gateway, amount).await?;
        Ok(self.chain.funds_available(self.gateway).await?)
    }

    /// Commits to the payments of our own pending epoch, whether they were demanded or not: whoever demands
    /// them and gets none has the epoch rejected. A failure is tried again at the next step.
    async fn answer(&mut self, state: &EpochState) {
        if Some(state.poster) != self.chain.sender() || self.answered == Some(state.id) {
            return;
        }
        match self.commit_payments(state.id).await {
            Ok(true) => self.answered = Some(state.id),
            Ok(false) => {}
            Err(error) => warn!(epoch = state.id, %error, "payments are not committed to yet"),
        }
    }

    /// Whether there is nothing more to say of the epoch.
    async fn commit_payments(&self, epoch: u64) -> Result<bool, ChallengeError> {
        let Some(records) = Records::on(&self.chain).await? else { return Ok(true) };
        let stated = records.payments_of(epoch).await?;
        let bundle = self.evidence.get(epoch)?;
        let block = self.chain.posted_epoch(epoch).await?.block;
        let payments = payments_of(&self.chain, &bundle.receipts, block).await?;
        // An epoch that pays nobody has nothing to say until it is asked.
        let unasked = payments.as_slice().is_empty() && stated.demanded_at == 0;
        if stated.root.is_zero() && !unasked {
            records.commit_payments(epoch, &payments, &bundle.claims).await?;
        }
        Ok(!unasked)
    }

    /// Discloses what was demanded of our own pending epoch: what is not in time has it rejected.
    async fn disclose(&self, state: &EpochState) -> Result<(), ChallengeError> {
        if Some(state.poster) != self.chain.sender() {
            return Ok(());
        }
        let Some(disclosures) = Disclosures::on(&self.chain).await? else { return Ok(()) };
        let block = self.chain.posted_epoch(state.id).await?.block;
        let open = disclosures.open(state.id, block).await?;
        if open.is_empty() {
            return Ok(());
        }
        let bundle = self.evidence.get(state.id)?;
        let payments = payments_of(&self.chain, &bundle.receipts, block).await?;
        for piece in open {
            // One that cannot be disclosed any more is no reason to leave out the others.
            if let Err(error) = disclosures.disclose(piece, &bundle, &payments).await {
                warn!(epoch = state.id, ?piece, %error, "a piece is not disclosed");
            }
        }
        disclosures.collect().await?;
        Ok(())
    }

    /// Redeems everything as soon as one voucher's authorisation is about to expire, whether an epoch is due
    /// or not.
    async fn redeem_expiring(&mut self) -> Result<()> {
        let (_, now) = self.chain.latest_block().await?;
        let horizon = now.saturating_add(REDEMPTION_MARGIN.as_secs());
        let mut expiring = false;
        for SignedVoucher { voucher, .. } in self.receipts.vouchers() {
            let key = (voucher.customer, voucher.nonce);
            if self.expiries.get(&key).is_some_and(|expiry| *expiry > horizon) {
                continue;
            }
            // Unknown, or to be extended in the meantime.
            let authorized = self.chain.authorization(voucher.customer, voucher.gateway).await?;
            if authorized.nonce == voucher.nonce && authorized.expiry > now {
                self.expiries.insert(key, authorized.expiry);
                expiring |=
                    authorized.expiry <= horizon && voucher.cumulative > authorized.redeemed;
            } else {
                // Gone for good: a new authorisation has a new nonce.
                self.expiries.insert(key, u64::MAX);
            }
        }
        if expiring { self.redeem().await } else { Ok(()) }
    }

    /// Redeems every voucher that is worth more than what was redeemed before.
    async fn redeem(&self) -> Result<()> {
        let (_, now) = self.chain.latest_block().await?;
        let mut worthwhile = Vec::new();
        for SignedVoucher { voucher, signature } in self.receipts.vouchers() {
            let authorized = self.chain.authorization(voucher.customer, voucher.gateway).await?;
            if voucher.gateway == self.gateway
                && voucher.nonce == authorized.nonce
                && voucher.cumulative > authorized.redeemed
                && authorized.expiry > now
            {
                worthwhile.push((voucher, signature));
            }
        }
        for batch in worthwhile.chunks(VOUCHERS_MAX) {
            self.chain.redeem(batch).await?;
        }
        Ok(())
    }

    /// The evidence of the receipts, or of the first of them: of an epoch that needs so many answers at most. The
    /// payments of a larger one could not be stated, and whoever demanded them would have it rejected.
    async fn assemble_disclosable(
        &mut self,
        epoch_id: u64,
        mut receipts: Vec<StoredReceipt>,
        answers: usize,
    ) -> Result<EvidenceBundle> {
        loop {
            let count = receipts.len();
            let bundle = self.assemble(epoch_id, receipts).await?;
            let (block, _) = self.chain.latest_block().await?;
            let payments = payments_of(&self.chain, &bundle.receipts, block).await?;
            let needed = answers_of(count, &payments, &bundle.claims);
            if needed <= answers {
                return Ok(bundle);
            }
            let fewer = count.saturating_sub(needed - answers);
            if fewer == 0 {
                return Err(EpochError::TooLarge { epoch: epoch_id, needed, most: answers });
            }
            receipts = bundle.receipts;
            receipts.truncate(fewer);
        }
    }

    /// Computes the epoch from public inputs, as an auditor would, and has the engines sign it.
    async fn assemble(
        &mut self,
        epoch_id: u64,
        receipts: Vec<StoredReceipt>,
    ) -> Result<EvidenceBundle> {
        let engine_spec = self.spec.canonical_json()?;
        let previous_claims = self.previous_claims(epoch_id).await?;
        let claim = EpochClaim {
            epoch_id,
            gateway: self.gateway,
            engine_spec: &engine_spec,
            engine_spec_hash: self.spec.hash()?,
            receipts: &receipts,
            previous_claims: &previous_claims,
            platform_bps: self.chain.settlement_parameters().await?.platform_bps,
        };
        let mut checks = Checks::default();
        let outcome = recompute(
            &self.chain,
            &claim,
            &*self.evidence,
            &*self.codec,
            &mut self.cache,
            &mut checks,
        )
        .await?;
        // INVARIANT: an engine signs only what it has recomputed from public inputs.
        let outcome = outcome.filter(|_| checks.all_ok()).ok_or_else(|| {
            EpochError::NotReproducible { epoch: epoch_id, failures: checks.failures() }
        })?;
        let signatures = self.sign(&outcome.epoch.post).await?;
        Ok(EvidenceBundle {
            version: BUNDLE_VERSION,
            chain_id: self.chain.chain_id(),
            contracts: self.chain.contracts(),
            engine_spec,
            post: outcome.epoch.post,
            signatures,
            receipts,
            corpora: outcome.corpora,
            previous_claims,
            claims: outcome.epoch.claims,
            payments: None,
        })
    }

    /// Claims under the root in force, from our own bundle or, for another poster's epoch, as kept.
    async fn previous_claims(&self, epoch_id: u64) -> Result<Claims> {
        let Some(previous) = self.chain.activated_before(epoch_id).await? else {
            return Ok(Claims::default());
        };
        let claims = self.evidence.get(previous.id)?.claims;
        let kept = claims.root()?;
        if kept.hash != previous.claims_root || kept.sum != previous.claims_total {
            return Err(EpochError::ClaimsMismatch {
                epoch: previous.id,
                kept: kept.hash,
                on_chain: previous.claims_root,
            });
        }
        Ok(claims)
    }

    /// Signatures of as many engines as the settlement needs, in ascending order of address.
    async fn sign(&self, post: &EpochPost) -> Result<Vec<Bytes>> {
        let needed = self.chain.settlement_parameters().await?.threshold;
        let digest = post.digest(&self.chain.settlement_domain());
        let mut engines: Vec<&PrivateKeySigner> = self.engines.iter().collect();
        engines.sort_by_key(|engine| engine.address());
        engines.dedup_by_key(|engine| engine.address());
        let mut signatures = Vec::new();
        for engine in engines {
            if signatures.len() == usize::from(needed) {
                break;
            }
            if self.chain.is_engine(engine.address()).await? {
                let signature = engine
                    .sign_hash_sync(&digest)
                    .map_err(|source| EpochError::Signing { epoch: post.epochId, source })?;
                signatures.push(Bytes::from(signature.as_bytes()));
            }
        }
        if signatures.len() < usize::from(needed) {
            return Err(EpochError::TooFewEngines { found: signatures.len(), needed });
        }
        Ok(signatures)
    }
}

/// How many of the first receipts `funds` pay for.
fn affordable(receipts: &[StoredReceipt], funds: U256) -> usize {
    let mut sum = U256::ZERO;
    receipts
        .iter()
        .take_while(|stored| {
            sum = sum.saturating_add(U256::from(stored.receipt.fee));
            sum <= funds
        })
        .count()
}
