//! Verifies L2 from L1 alone, block by block: derivation says what a block is made of, a witness lets
//! it be executed without the state. The node that gives blocks and witnesses is not believed.
//!
//! SOUNDNESS: the first output is the anchor, which is final on L1. From it on, each block follows the
//! one before by hash, takes exactly what derivation gives from L1, and every field of its header
//! follows from its execution. What L1 gives beyond the anchor depends on where in L1 the anchor became safe:
//! so derivation begins below it, at a [`Beginning`] that this role found itself, or at genesis; or, if it was told to, at one
//! that its own node names (`told.rs`).

use std::{path::Path, sync::Arc, time::Duration};

use alloy_eips::BlockNumHash;
use alloy_primitives::B256;
use derive::{L1Event, Step};
use l1::{L1Addresses, L1Client, L1Error, Watcher};
use primitives::{Block, PayloadAttributes, RollupConfig};
use stf::{ChainSpec, RangeVerifier};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{
    Beginning, Beginnings, CheckError, Derivation, Fit, Games, L2Source, Output, Outputs, Verified,
    derivation::fit, outputs::output_root, told::told,
};

/// L1 events that may wait.
const EVENTS_WAITING: usize = 64;
/// Longest wait between two tries.
const RETRY_MAX: Duration = Duration::from_secs(10);

/// The task that verifies.
pub struct Checker {
    l1: L1Client,
    config: RollupConfig,
    games: Games,
    source: L2Source,
    poll: Duration,
    verified: Verified,
    beginnings: Beginnings,
    /// Without records, the node's word of where to begin counts.
    trusts_node: bool,
}

/// A verification under way.
struct Run {
    derivation: Derivation,
    anchor: Anchor,
    /// `None` below the anchor.
    verifier: Option<RangeVerifier>,
    /// Where it began, if that is the node's word.
    told: Option<Told>,
    events: mpsc::Receiver<L1Event>,
    /// The last L1 block given.
    given: Option<BlockNumHash>,
}

/// What the node said, not borne out before the anchor is reached.
#[derive(Clone, Copy, Debug)]
struct Told {
    beginning: Beginning,
    /// L1's head when the anchor was final already: what it is made of is not above.
    l1_head: u64,
}

impl Told {
    /// Below the anchor: what cannot be if the node's word is true.
    fn refuted(self, error: CheckError) -> CheckError {
        match error {
            CheckError::NotDerived { .. }
            | CheckError::Disagrees { .. }
            | CheckError::AnchorNotDerived { .. }
            | CheckError::AnchorNotReached { .. }
            | CheckError::BeginningReplaced { .. } => {
                CheckError::FalseBeginning { told: self.beginning, source: Box::new(error) }
            }
            error => error,
        }
    }
}

/// The newest claim that is final.
#[derive(Clone, Copy, Debug)]
struct Anchor {
    root: B256,
    block: BlockNumHash,
}

impl Run {
    /// An error in the light of where this began.
    fn judged(&self, error: CheckError) -> CheckError {
        match self.told.filter(|_| self.verifier.is_none()) {
            Some(told) => told.refuted(error),
            None => error,
        }
    }
}

impl Checker {
    /// `poll` is the time between two looks at L1; in `directory` stands where verification can begin.
    pub fn new(
        l1: L1Client,
        config: RollupConfig,
        games: Games,
        source: L2Source,
        poll: Duration,
        directory: &Path,
    ) -> Result<Self, CheckError> {
        let verified = Verified::new(source.clone());
        let beginnings = Beginnings::open(directory)?;
        let trusts_node = false;
        Ok(Self { l1, config, games, source, poll, verified, beginnings, trusts_node })
    }

    /// Takes the node's word for where derivation can begin, if there are no records. Only for a node of one's
    /// own: see `told.rs` for what a false word can do.
    #[must_use]
    pub const fn trusting_node_for_beginning(mut self, trusts_node: bool) -> Self {
        self.trusts_node = trusts_node;
        self
    }

    /// What roles judge by.
    pub fn verified(&self) -> Verified {
        self.verified.clone()
    }

    /// Verifies until `shutdown`. After an L1 reorg it begins again at the anchor.
    pub async fn run(mut self, shutdown: CancellationToken) -> Result<(), CheckError> {
        let mut wait = self.poll;
        loop {
            let watching = shutdown.child_token();
            let ended = tokio::select! {
                biased;
                () = shutdown.cancelled() => return Ok(()),
                ended = self.follow(&watching, &mut wait) => ended,
            };
            watching.cancel();
            match ended {
                Ok(()) => tracing::warn!("L1 was reorganised: verifying again from the anchor"),
                Err(error) if error.is_temporary() => self.pause(&error, &mut wait).await,
                Err(error) => return Err(error),
            }
        }
    }

    async fn pause(&self, error: &CheckError, wait: &mut Duration) {
        metrics::counter!("checker_waits_total").increment(1);
        match error {
            // The usual case while a node derives the same block.
            CheckError::Behind { .. } => tracing::debug!(%error, "waiting"),
            _ => tracing::warn!(%error, "nothing can be verified at present"),
        }
        tokio::time::sleep(*wait).await;
        *wait = wait.saturating_mul(2).min(RETRY_MAX);
    }

    /// Returns after an L1 reorg.
    async fn follow(
        &mut self,
        watching: &CancellationToken,
        wait: &mut Duration,
    ) -> Result<(), CheckError> {
        let mut run = self.begin(watching).await?;
        *wait = self.poll;
        loop {
            match self.advance(&mut run).await.map_err(|error| run.judged(error)) {
                Ok(()) => *wait = self.poll,
                Err(error) if error.is_temporary() && !error.begins_again() => {
                    self.pause(&error, wait).await;
                    let is_behind = matches!(error, CheckError::Behind { .. });
                    if !is_behind && !self.stands(run.given).await {
                        return Ok(());
                    }
                    continue;
                }
                Err(error) => return Err(error),
            }
            match run.events.recv().await {
                Some(L1Event::Block(block)) => {
                    run.given = Some(BlockNumHash { number: block.number, hash: block.hash });
                    run.derivation.push_l1(block).map_err(|error| run.judged(error))?;
                }
                // Nobody asks for a restart here.
                Some(L1Event::Finalized(_) | L1Event::Restart { .. }) => {}
                Some(L1Event::Reorg { common }) => {
                    return self.beginnings.forget_from(common.number.saturating_add(1));
                }
                None => return Err(CheckError::WatcherEnded),
            }
        }
    }

    /// Whether an L1 block is still L1's. A node that has followed a reorganisation gives blocks that do not fit what
    /// was read before it, and while they are asked for again nobody listens to the watcher.
    async fn stands(&self, given: Option<BlockNumHash>) -> bool {
        let Some(given) = given else { return true };
        match self.l1.agreed(given.number).await {
            Ok(Some(there)) => there.hash == given.hash,
            // It is shorter for the moment, or does not answer.
            Ok(None) | Err(_) => true,
        }
    }

    async fn begin(&mut self, watching: &CancellationToken) -> Result<Run, CheckError> {
        // What was verified before may be of another L1.
        self.verified.forget();
        let (claimed, number) = self.games.anchor().await?;
        let block = self.source.block(number).await?.ok_or(CheckError::Behind { number })?;
        let found = output_root(&block);
        if found != claimed {
            return Err(CheckError::WrongAnchor { number, claimed, found });
        }
        let anchor = Anchor {
            root: found,
            block: BlockNumHash { number: block.header.number, hash: block.hash },
        };
        let (beginning, told) = match self.beginning(number).await? {
            Some(known) => (known, None),
            None if self.trusts_node => {
                let beginning = told(&self.source, &self.config, &block).await?;
                let l1_head = self.l1.head().await?.block.number;
                tracing::warn!(
                    safe = beginning.safe.number,
                    l1 = beginning.l1.number,
                    "derivation begins where the L2 node says that it can"
                );
                (beginning, Some(Told { beginning, l1_head }))
            }
            None => (Derivation::genesis(&self.config), None),
        };
        let safe = match beginning.safe.number == number {
            true => block,
            false => {
                let number = beginning.safe.number;
                self.source.block(number).await?.ok_or(CheckError::NoPast { number })?
            }
        };
        if safe.hash != beginning.safe.hash {
            let (number, expected, found) = (beginning.safe.number, beginning.safe.hash, safe.hash);
            let error = CheckError::Disagrees { number, expected, found };
            return Err(match told {
                Some(told) => told.refuted(error),
                None => error,
            });
        }
        let derivation = Derivation::new(&self.config, &safe, beginning.l1)?;
        let (sender, events) = mpsc::channel(EVENTS_WAITING);
        let start = derivation.l1_start();
        let addresses = L1Addresses::from(&self.config);
        let watcher = Watcher::new(self.l1.clone(), addresses, start, self.poll);
        let watching = watching.clone();
        tokio::spawn(async move {
            if let Err(error) = watcher.run(sender, watching).await {
                tracing::warn!(%error, "the checker's L1 watcher ended");
            }
        });
        tracing::info!(
            anchor = number, root = %anchor.root, from = beginning.safe.number, l1 = start,
            "deriving up to the anchor, to verify from it on"
        );
        let mut run = Run { derivation, anchor, verifier: None, told, events, given: None };
        self.reach(&mut run)?;
        Ok(run)
    }

    /// The newest place on record to begin with that is not above the anchor and on the L1 that stands.
    async fn beginning(&mut self, anchor: u64) -> Result<Option<Beginning>, CheckError> {
        let mut newest = None;
        while let Some(known) = self.beginnings.newest_below(anchor) {
            let there = self.l1.agreed(known.l1.number).await?;
            let there = there.ok_or(L1Error::MissingBlock("up to which it had been read yet"))?;
            if there.hash == known.l1.hash {
                newest = Some(known);
                break;
            }
            self.beginnings.forget_from(known.l1.number)?;
        }
        let Some(newest) = newest else { return Ok(None) };
        // L1 can take back what is not older than its finality.
        self.beginnings
            .forget_below(newest.l1.number.saturating_sub(self.config.seq_window_size))?;
        Ok(Some(newest))
    }

    /// Verifies what can be derived from the L1 blocks given so far.
    async fn advance(&mut self, run: &mut Run) -> Result<(), CheckError> {
        loop {
            let Step::Attributes(attributes) = run.derivation.step(&self.source).await? else {
                let given = run.derivation.given();
                let unproven = run.told.filter(|_| run.verifier.is_none());
                if let Some(told) = unproven {
                    if given >= told.l1_head {
                        let number = run.anchor.block.number;
                        return Err(CheckError::AnchorNotReached { number, l1: given });
                    }
                } else if let Some(beginning) = run.derivation.beginning() {
                    self.beginnings.record(beginning)?;
                }
                self.verified.change(|outputs| outputs.has_read(given));
                return Ok(());
            };
            let number = run.derivation.safe_head().number.saturating_add(1);
            let block = self.source.block(number).await?;
            let block = block.ok_or(match run.verifier {
                Some(_) => CheckError::Behind { number },
                None => CheckError::NoPast { number },
            })?;
            let expected = run.derivation.safe_head().hash;
            if block.header.number != number || block.header.parent_hash != expected {
                let found = block.header.parent_hash;
                return Err(CheckError::Disagrees { number, expected, found });
            }
            match run.verifier.take() {
                Some(verifier) => {
                    let verified = self.verify(run, &verifier, block, &attributes).await;
                    run.verifier = Some(verifier);
                    if let Some(verifier) = verified? {
                        run.verifier = Some(verifier);
                    }
                }
                None => {
                    match fit(&block, &attributes)? {
                        Fit::AsDerived => run.derivation.accept(&block)?,
                        Fit::DepositsAlone => run.derivation.refuse()?,
                    }
                    self.reach(run)?;
                }
            }
        }
    }

    /// Begins to execute when the anchor is reached.
    ///
    /// SOUNDNESS: below it nothing is executed. The anchor's hash stands for every block there, so that
    /// each had the body that was compared with what L1 gives.
    fn reach(&self, run: &mut Run) -> Result<(), CheckError> {
        let (Anchor { root, block }, safe) = (run.anchor, run.derivation.safe_head());
        if safe.number < block.number {
            return Ok(());
        }
        if safe.hash != block.hash {
            let (number, expected, found) = (block.number, block.hash, safe.hash);
            return Err(CheckError::AnchorNotDerived { number, expected, found });
        }
        let trusted = Output { root, hash: block.hash, derived_from: 0 };
        self.verified.begin(Outputs::new(block.number, trusted));
        let spec = ChainSpec::new(self.config.l2_chain_id);
        run.verifier = Some(RangeVerifier::new(spec, block.hash));
        tracing::info!(number = block.number, %root, "verifying from the anchor on");
        Ok(())
    }

    /// Executes a block above the anchor. `None` if L1's batch for it cannot be executed, so that the block
    /// is to be compared with its deposits.
    async fn verify(
        &self,
        run: &mut Run,
        verifier: &RangeVerifier,
        block: Block,
        attributes: &PayloadAttributes,
    ) -> Result<Option<RangeVerifier>, CheckError> {
        let number = block.header.number;
        if fit(&block, attributes)? == Fit::DepositsAlone {
            let parent = verifier.last();
            let witness = self.source.payload_witness(number, parent, attributes).await?;
            let (spec, payload) = (ChainSpec::new(self.config.l2_chain_id), attributes.clone());
            let attempt = tokio::task::spawn_blocking(move || {
                stf::attempt_stateless(&spec, parent, &payload, &witness)
            });
            let attempt = attempt.await.map_err(|_| CheckError::Panicked)?;
            return match attempt.map_err(|source| CheckError::Block { number, source })? {
                Ok(_) => Err(CheckError::NotDerived { number, field: "transactions" }),
                Err(reason) => {
                    tracing::warn!(number, %reason, "a batch cannot be executed: deposits only");
                    run.derivation.refuse()?;
                    Ok(None)
                }
            };
        }
        let witness = self.source.witness(number).await?;
        let (block, executing) = (Arc::new(block), verifier.clone());
        let executed = Arc::clone(&block);
        let outcome = tokio::task::spawn_blocking(move || {
            let mut verifier = executing;
            let verified = verifier.verify(&executed, &witness);
            (verifier, verified)
        });
        let (verifier, verified) = outcome.await.map_err(|_| CheckError::Panicked)?;
        let verified = verified.map_err(|source| CheckError::Block { number, source })?;
        let derived_from = run.derivation.reading();
        run.derivation.accept(&block)?;
        let output =
            Output { root: verified.output_root, hash: verified.executed.block.hash, derived_from };
        self.verified.change(|outputs| outputs.insert(number, output));
        metrics::gauge!("checker_verified_number").set(number as f64);
        Ok(Some(verifier))
    }
}
