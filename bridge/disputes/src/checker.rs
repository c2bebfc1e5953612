//! Verifies L2 from L1 alone, block by block: derivation says what a block is made of, a witness lets
//! it be executed without the state. The node that gives blocks and witnesses is not believed.
//!
//! SOUNDNESS: the first output is the anchor, which is final on L1. From it on, each block follows the
//! one before by hash, takes exactly what derivation gives from L1, and every field of its header
//! follows from its execution.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::Bytes;
use derive::{L1Event, Pipeline, PipelineError, Step, l2_block_ref, system_config_of};
use l1::{L1Addresses, L1Client, Watcher};
use primitives::{Block, L2BlockRef, PayloadAttributes, RollupConfig};
use stf::{ChainSpec, Eip1559Parameters, RangeVerifier};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{
    CheckError, Games, L2Source, Output, Outputs, Verified, ancestors::read_back,
    outputs::output_root,
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
}

/// A derivation under way.
struct Run {
    pipeline: Pipeline,
    /// What was verified, and what it lies on, for span batches that overlap it.
    blocks: Arc<Mutex<BTreeMap<u64, L2BlockRef>>>,
    /// Number of the anchor's L1 origin.
    begun: u64,
    verifier: RangeVerifier,
    events: mpsc::Receiver<L1Event>,
    /// Number of the last L1 block given to the pipeline.
    given: u64,
}

impl Checker {
    /// `poll` is the time between two looks at L1.
    pub fn new(
        l1: L1Client,
        config: RollupConfig,
        games: Games,
        source: L2Source,
        poll: Duration,
    ) -> Self {
        let verified = Verified::new(source.clone());
        Self { l1, config, games, source, poll, verified }
    }

    /// What roles judge by.
    pub fn verified(&self) -> Verified {
        self.verified.clone()
    }

    /// Verifies until `shutdown`. After an L1 reorg it begins again at the anchor.
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), CheckError> {
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
        &self,
        watching: &CancellationToken,
        wait: &mut Duration,
    ) -> Result<(), CheckError> {
        let mut run = self.begin(watching).await?;
        *wait = self.poll;
        loop {
            match self.advance(&mut run).await {
                Ok(()) => *wait = self.poll,
                Err(error) if error.is_temporary() && !error.begins_again() => {
                    self.pause(&error, wait).await;
                    continue;
                }
                Err(error) => return Err(error),
            }
            match run.events.recv().await {
                Some(L1Event::Block(block)) => {
                    run.given = block.number;
                    run.pipeline.push_l1(block)?;
                }
                // Nobody asks for a restart here.
                Some(L1Event::Finalized(_) | L1Event::Restart { .. }) => {}
                Some(L1Event::Reorg { .. }) => return Ok(()),
                None => return Err(CheckError::WatcherEnded),
            }
        }
    }

    async fn begin(&self, watching: &CancellationToken) -> Result<Run, CheckError> {
        let (claimed, number) = self.games.anchor().await?;
        let block = self.source.block(number).await?.ok_or(CheckError::Behind { number })?;
        let found = output_root(&block);
        if found != claimed {
            return Err(CheckError::WrongAnchor { number, claimed, found });
        }
        let safe = l2_block_ref(&self.config, &block)?;
        let system_config = match number == self.config.genesis.l2.number {
            true => self.config.genesis.system_config,
            false => system_config_of(&block)?,
        };
        let blocks = Arc::new(Mutex::new(BTreeMap::from([(number, safe)])));
        let known = Arc::clone(&blocks);
        let at = move |number: u64| known.lock().ok()?.get(&number).copied();
        let pipeline =
            Pipeline::new(self.config.clone(), safe, system_config).with_blocks(Arc::new(at));
        let trusted = Output { root: found, hash: block.hash, derived_from: 0 };
        self.verified.begin(Outputs::new(number, trusted));
        let (sender, events) = mpsc::channel(EVENTS_WAITING);
        let start = pipeline.l1_start();
        let addresses = L1Addresses::from(&self.config);
        let watcher = Watcher::new(self.l1.clone(), addresses, start, self.poll);
        let watching = watching.clone();
        tokio::spawn(async move {
            if let Err(error) = watcher.run(sender, watching).await {
                tracing::warn!(%error, "the checker's L1 watcher ended");
            }
        });
        let spec = ChainSpec::new(self.config.l2_chain_id);
        let verifier = RangeVerifier::new(spec, block.hash);
        tracing::info!(number, root = %found, "verifying from the anchor on");
        let begun = safe.l1_origin.number;
        Ok(Run { pipeline, blocks, begun, verifier, events, given: 0 })
    }

    /// Verifies what can be derived from the L1 blocks given so far.
    async fn advance(&self, run: &mut Run) -> Result<(), CheckError> {
        loop {
            let step = match run.pipeline.step() {
                Err(PipelineError::MissingBlock(number)) => {
                    let Run { blocks, begun, .. } = &*run;
                    let (source, config) = (&self.source, &self.config);
                    if let Some(oldest) = read_back(source, config, blocks, *begun, number).await? {
                        run.pipeline.forget_below(oldest);
                    }
                    continue;
                }
                step => step?,
            };
            let Step::Attributes(attributes) = step else {
                let given = run.given;
                self.verified.change(|outputs| outputs.has_read(given));
                return Ok(());
            };
            self.verify(run, &attributes).await?;
        }
    }

    async fn verify(
        &self,
        run: &mut Run,
        attributes: &PayloadAttributes,
    ) -> Result<(), CheckError> {
        let number = run.pipeline.safe_head().number.saturating_add(1);
        let block = self.source.block(number).await?.ok_or(CheckError::Behind { number })?;
        if block.header.number != number || block.header.parent_hash != run.verifier.last() {
            let expected = run.verifier.last();
            return Err(CheckError::Disagrees {
                number,
                expected,
                found: block.header.parent_hash,
            });
        }
        if let Err(field) = made_of(&block, attributes) {
            // A batch that cannot be executed leaves a block with its deposits alone (Holocene).
            let deposits_alone = field == "transactions"
                && block.body.transactions.iter().all(|tx| tx.is_deposit())
                && block.body.transactions.len() < attributes.transactions.len();
            if !deposits_alone {
                return Err(CheckError::NotDerived { number, field });
            }
            let parent = run.verifier.last();
            let witness = self.source.payload_witness(number, parent, attributes).await?;
            let (spec, payload) = (ChainSpec::new(self.config.l2_chain_id), attributes.clone());
            let attempt = tokio::task::spawn_blocking(move || {
                stf::attempt_stateless(&spec, parent, &payload, &witness)
            });
            let attempt = attempt.await.map_err(|_| CheckError::Panicked)?;
            return match attempt.map_err(|source| CheckError::Block { number, source })? {
                Ok(_) => Err(CheckError::NotDerived { number, field }),
                Err(reason) => {
                    tracing::warn!(number, %reason, "a batch cannot be executed: deposits only");
                    run.pipeline.invalid_payload()?;
                    Ok(())
                }
            };
        }
        let witness = self.source.witness(number).await?;
        let mut verifier = run.verifier.clone();
        let reference = l2_block_ref(&self.config, &block)?;
        let outcome = tokio::task::spawn_blocking(move || {
            let verified = verifier.verify(&block, &witness);
            (verifier, verified)
        });
        let (verifier, verified) = outcome.await.map_err(|_| CheckError::Panicked)?;
        let verified = verified.map_err(|source| CheckError::Block { number, source })?;
        run.verifier = verifier;
        let derived_from = run.pipeline.l1_origin().map_or(run.given, |origin| origin.number);
        if let Ok(mut blocks) = run.blocks.lock() {
            blocks.insert(number, reference);
        }
        run.pipeline.accepted(reference);
        let output =
            Output { root: verified.output_root, hash: verified.executed.block.hash, derived_from };
        self.verified.change(|outputs| outputs.insert(number, output));
        metrics::gauge!("checker_verified_number").set(number as f64);
        Ok(())
    }
}

/// Names the first part of a block that is not what L1 determines.
fn made_of(block: &Block, attributes: &PayloadAttributes) -> Result<(), &'static str> {
    let header = &block.header;
    let fees =
        Eip1559Parameters::from_attributes(attributes.eip1559_params, attributes.min_base_fee);
    let beacon_root = Some(attributes.parent_beacon_block_root);
    let fields = [
        ("timestamp", header.timestamp == attributes.timestamp),
        ("mix_hash", header.mix_hash == attributes.prev_randao),
        ("beneficiary", header.beneficiary == attributes.suggested_fee_recipient),
        ("gas_limit", header.gas_limit == attributes.gas_limit),
        ("parent_beacon_block_root", header.parent_beacon_block_root == beacon_root),
        ("extra_data", header.extra_data == fees.to_extra_data()),
    ];
    if let Some((field, _)) = fields.into_iter().find(|(_, holds)| !holds) {
        return Err(field);
    }
    let found = block.body.transactions.iter().map(|tx| Bytes::from(tx.encoded_2718()));
    match found.eq(attributes.transactions.iter().cloned()) {
        true => Ok(()),
        false => Err("transactions"),
    }
}
