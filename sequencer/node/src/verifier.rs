//! Follows L1 alone: derives payload attributes, executes them, commits the blocks to its own
//! store and reports the safe head. Nothing is taken from the sequencer, so that equal hashes
//! prove that L1 holds everything.
//!
//! Beside a sequencer the reports go through [`SafeHeadUpdate`] into the sequencer's store, which
//! compares them with what it built.

use std::{collections::VecDeque, sync::Arc, time::Instant};

use derive::{L1Event, Pipeline, Step};
use primitives::{BlockNumHash, L1BlockRef, L2BlockRef, PayloadAttributes, RollupConfig};
use stf::BlockBuilder;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::{
    chain::{Chain, SealedBlock},
    error::VerifierError,
    l1::L1Status,
    pool::Pool,
    senders,
    sequencer::system_config_at,
};

/// What derivation has established.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SafeHeadUpdate {
    /// Newest block derived from canonical L1.
    pub safe: BlockNumHash,
    /// Newest block derived from finalized L1.
    pub finalized: BlockNumHash,
}

/// The task that derives.
pub struct Verifier {
    chain: Arc<Chain>,
    pool: Arc<Pool>,
    pipeline: Pipeline,
    l1_events: mpsc::Receiver<L1Event>,
    safe_heads: watch::Sender<SafeHeadUpdate>,
    status: Arc<watch::Sender<L1Status>>,
    /// Newest L1 block given to the pipeline.
    read: L1BlockRef,
    finalized_l1: u64,
    /// For each safe block above the finalized one, the L1 block that made it safe.
    derived_from: VecDeque<(u64, BlockNumHash)>,
}

/// Number of the L1 block from which a verifier with this safe head needs events: frames of a
/// channel that is still open may lie up to the channel timeout before the head's origin.
pub fn l1_start(rollup: &RollupConfig, safe: &L2BlockRef) -> u64 {
    safe.l1_origin.number.saturating_sub(rollup.channel_timeout).max(rollup.genesis.l1.number)
}

impl Verifier {
    /// Continues from the chain's head, all of which was derived before.
    pub fn new(
        rollup: &RollupConfig,
        chain: Arc<Chain>,
        pool: Arc<Pool>,
        l1_events: mpsc::Receiver<L1Event>,
        safe_heads: watch::Sender<SafeHeadUpdate>,
        status: Arc<watch::Sender<L1Status>>,
    ) -> Result<Self, VerifierError> {
        let head = chain.head()?;
        let safe = chain
            .l2_block_ref(head.number())?
            .ok_or(VerifierError::MissingReference(head.number()))?;
        let system_config = system_config_at(rollup, &head)?;
        let pipeline = Pipeline::new(rollup.clone(), safe, system_config);
        Ok(Self {
            chain,
            pool,
            pipeline,
            l1_events,
            safe_heads,
            status,
            read: L1BlockRef::default(),
            finalized_l1: 0,
            derived_from: VecDeque::new(),
        })
    }

    /// Derives until `shutdown`. An error ends the node.
    pub async fn run(mut self, shutdown: CancellationToken) -> Result<(), VerifierError> {
        loop {
            while !shutdown.is_cancelled() {
                match self.pipeline.step()? {
                    Step::NeedL1 => break,
                    Step::Attributes(attributes) => self.apply(*attributes).await?,
                }
            }
            let event = tokio::select! {
                biased;
                () = shutdown.cancelled() => return Ok(()),
                event = self.l1_events.recv() => event,
            };
            match event {
                Some(event) => self.hear_l1(event)?,
                None if shutdown.is_cancelled() => return Ok(()),
                None => return Err(VerifierError::L1Closed),
            }
        }
    }

    fn hear_l1(&mut self, event: L1Event) -> Result<(), VerifierError> {
        match event {
            L1Event::Block(block) => {
                self.read = block.block_ref();
                self.pipeline.push_l1(block)?;
                let read = self.read;
                self.status.send_modify(|status| {
                    status.head = read;
                    status.current = read;
                });
            }
            L1Event::Reorg { common } => {
                let safe = self.chain.heads().safe.number;
                let origin = self
                    .chain
                    .l2_block_ref(safe)?
                    .ok_or(VerifierError::MissingReference(safe))?
                    .l1_origin;
                return Err(VerifierError::L1Reorganised { origin, common: common.number });
            }
            L1Event::Finalized(block) => {
                self.finalized_l1 = block.number;
                self.status.send_modify(|status| status.finalized = block);
                self.advance_finalized()?;
            }
        }
        Ok(())
    }

    /// Executes what was derived. A payload that cannot be executed is replaced by its deposits,
    /// as derivation rules say; deposits alone cannot fail.
    async fn apply(&mut self, attributes: PayloadAttributes) -> Result<(), VerifierError> {
        let chain = Arc::clone(&self.chain);
        let pool = Arc::clone(&self.pool);
        let executed = tokio::task::spawn_blocking(move || execute(&chain, &pool, &attributes))
            .await
            .map_err(|_| VerifierError::ExecutorPanicked)??;
        let sealed = match executed {
            Ok(sealed) => sealed,
            Err(invalid) => {
                tracing::warn!(reason = %invalid, "a derived payload is invalid: deposits only");
                metrics::counter!("verifier_invalid_payloads_total").increment(1);
                self.pipeline.invalid_payload()?;
                return Ok(());
            }
        };
        let reference = self
            .chain
            .l2_block_ref(sealed.number())?
            .ok_or(VerifierError::MissingReference(sealed.number()))?;
        self.pipeline.accepted(reference);
        let read = self.pipeline.l1_origin().map_or(self.read.number, |block| block.number);
        self.derived_from.push_back((read, reference.id()));
        let finalized = self.chain.heads().finalized;
        self.chain.set_safe(reference.id(), finalized)?;
        self.chain.announce(sealed);
        self.report();
        self.advance_finalized()
    }

    /// A block is final when the L1 block that made it safe is.
    fn advance_finalized(&mut self) -> Result<(), VerifierError> {
        let mut finalized = None;
        while let Some((read, id)) = self.derived_from.front().copied()
            && read <= self.finalized_l1
        {
            finalized = Some(id);
            self.derived_from.pop_front();
        }
        if let Some(finalized) = finalized {
            let safe = self.chain.heads().safe;
            self.chain.set_safe(safe, finalized)?;
            self.report();
        }
        Ok(())
    }

    fn report(&self) {
        let heads = self.chain.heads();
        let update = SafeHeadUpdate { safe: heads.safe, finalized: heads.finalized };
        metrics::gauge!("verifier_safe_number").set(update.safe.number as f64);
        self.safe_heads.send_replace(update);
    }
}

/// Executes and commits; the inner error is a payload that breaks the rules.
fn execute(
    chain: &Chain,
    pool: &Pool,
    attributes: &PayloadAttributes,
) -> Result<Result<Arc<SealedBlock>, stf::BlockError>, VerifierError> {
    let started = Instant::now();
    let parent = chain.head()?;
    let view = chain.state(parent.number())?;
    let roots = chain.store().head_roots()?;
    let executed = match senders::decode_all(&attributes.transactions)
        .and_then(|transactions| {
            BlockBuilder::open(chain.spec(), parent.header(), attributes, transactions, view)
        })
        .and_then(|builder| builder.finish(&roots))
    {
        Ok(executed) => executed,
        Err(error) if error.is_invalid_payload() => return Ok(Err(error)),
        Err(error) => return Err(error.into()),
    };
    let (sealed, changed) = chain.commit(executed)?;
    pool.on_block(chain.pool_head()?, changed);
    tracing::info!(
        number = sealed.number(),
        txs = sealed.transactions().len(),
        gas = sealed.header().gas_used,
        ms = started.elapsed().as_millis() as u64,
        hash = %sealed.hash(),
        "derived"
    );
    Ok(Ok(sealed))
}
