//! Unsafe blocks that somebody else builds: each message of the feed is judged against the chain that is
//! there, sealed blocks are executed again and committed, parts of the open one are executed into the
//! pending block. Used by a follower's verifier and by a sequencer that does not sequence.
//!
//! What L1 gives counts more, always: a block that is safe is never replaced here, and one that is
//! refused here comes by derivation if it was right. Of two blocks of one number and one term the one that
//! came first is kept and the other told of; derivation settles it.

use std::{io, sync::Arc, time::Instant};

use alloy_primitives::{Address, B256};
use primitives::{Block, BlockNumHash, PayloadAttributes, Recovered, RollupConfig};
use stf::BlockBuilder;

use crate::{
    chain::{Chain, SealedBlock},
    error::{FeedError, Refused, VerifierError},
    feed::{
        client::Subscription,
        message::{Content, Kind, Message},
    },
    fence::Predecessor,
    lead::Leadership,
    parts::Parts,
    pool::Pool,
    reorg, senders,
};

/// The sequencer that is listened to.
#[derive(Clone, Copy, Debug)]
struct Leader {
    term: u64,
    heard: Instant,
    resigned: Option<BlockNumHash>,
    signer: Address,
}

/// The unsafe chain as the feed gives it.
pub(crate) struct UnsafeChain {
    rollup: RollupConfig,
    chain: Arc<Chain>,
    pool: Arc<Pool>,
    feed: Subscription,
    lead: Arc<Leadership>,
    /// The newest term of those that gave the unsafe blocks there are.
    held_term: u64,
    leader: Option<Leader>,
    parts: Parts,
    /// What the feed says on top of this head cannot be used; until it changes nothing is asked for again.
    stuck_at: Option<B256>,
}

impl UnsafeChain {
    pub(crate) fn new(
        rollup: RollupConfig,
        chain: Arc<Chain>,
        pool: Arc<Pool>,
        feed: Subscription,
        lead: Arc<Leadership>,
    ) -> io::Result<Self> {
        let held_term = lead.get().seen;
        let parts = Parts::start(Arc::clone(&chain), rollup.clone())?;
        let (leader, stuck_at) = (None, None);
        Ok(Self { rollup, chain, pool, feed, lead, held_term, leader, parts, stuck_at })
    }

    /// The next message; `None` when there will be no more.
    pub(crate) async fn next(&mut self) -> Option<Message> {
        self.feed.next().await
    }

    /// Who is listened to, if anybody was heard.
    pub(crate) fn leader(&self) -> Option<Predecessor> {
        let Leader { term, heard, resigned, signer } = self.leader?;
        Some(Predecessor { term, silent: heard.elapsed(), resigned, signer })
    }

    /// The node itself built blocks in this term.
    pub(crate) fn hold(&mut self, term: u64) {
        self.held_term = self.held_term.max(term);
        self.leader = None;
        self.drop_open();
    }

    /// The head went back, or moved without the feed: what is missing now is asked for.
    pub(crate) fn moved(&mut self) {
        self.drop_open();
        self.stuck_at = None;
        self.feed.restart(self.next_number());
    }

    /// The same for a head that moved on: the feed goes on by itself.
    pub(crate) fn grown(&mut self) {
        self.feed.want(self.next_number());
    }

    fn next_number(&self) -> u64 {
        self.chain.heads().unsafe_head.number.saturating_add(1)
    }

    /// Whether the message comes from a sequencer that may be followed; notes who leads.
    pub(crate) fn notice(&mut self, message: &Message) -> Result<bool, VerifierError> {
        let seen = self.lead.get().seen;
        if message.term < seen {
            tracing::error!(
                term = message.term,
                newest = seen,
                number = message.number,
                "a sequencer whose term is over still publishes: it is refused"
            );
            metrics::counter!("feed_old_term_total").increment(1);
            // Another feed's turn, if there is one.
            return Ok(false);
        }
        let signer = self.feed.signer();
        self.lead.see(message.term, signer).map_err(VerifierError::Lead)?;
        let resigned = matches!(message.kind, Kind::Resigned);
        let resigned = resigned.then(|| message.id());
        self.leader = Some(Leader { term: message.term, heard: Instant::now(), resigned, signer });
        Ok(true)
    }

    /// Takes what the message says into the chain, if it belongs there. The block it brought is returned.
    pub(crate) async fn hear(
        &mut self,
        message: Message,
    ) -> Result<Option<Arc<SealedBlock>>, VerifierError> {
        if !self.notice(&message)? {
            return Ok(None);
        }
        let content = match message.content() {
            Ok(content) => content,
            Err(error) => {
                self.refuse(&message, &error);
                return Ok(None);
            }
        };
        match content {
            Content::Sealed(block) => self.sealed(message.term, block).await,
            Content::Partial(part) => {
                self.parts.execute(part);
                Ok(None)
            }
            Content::Alive | Content::Resigned => {
                let head = self.chain.heads().unsafe_head;
                if message.number > head.number {
                    self.gap(head);
                }
                Ok(None)
            }
            // For the listener, or for a sequencer's ears.
            Content::Challenge(_) | Content::Acknowledged(_) => Ok(None),
        }
    }

    async fn sealed(
        &mut self,
        term: u64,
        block: Block,
    ) -> Result<Option<Arc<SealedBlock>>, VerifierError> {
        let heads = self.chain.heads();
        let head = heads.unsafe_head;
        let number = block.header.number;
        if number > head.number.saturating_add(1) {
            self.gap(head);
            return Ok(None);
        }
        let before = number.saturating_sub(1);
        let parent = self.chain.l2_block_ref(before)?.map(|block| block.hash);
        let fits = parent == Some(block.header.parent_hash);
        if number <= head.number {
            let held = self.chain.l2_block_ref(number)?.map(|block| block.hash);
            if held == Some(block.hash) {
                if number == head.number {
                    self.held_term = self.held_term.max(term);
                }
                return Ok(None);
            }
            if number <= heads.safe.number {
                tracing::error!(
                    number, hash = %block.hash, ?held,
                    "the feed has another block than L1 gives: L1's stays"
                );
                metrics::counter!("feed_contradicts_l1_total").increment(1);
                return Ok(None);
            }
            if term <= self.held_term {
                tracing::error!(
                    number, hash = %block.hash, ?held, term,
                    "the sequencer published two blocks of one number: the first stays until L1 decides"
                );
                metrics::counter!("feed_equivocations_total").increment(1);
                return Ok(None);
            }
        }
        if !fits {
            if term > self.held_term && self.stuck_at != Some(head.hash) {
                // A new sequencer, whose chain parts from this one further below.
                self.stuck_at = Some(head.hash);
                self.feed.restart(heads.safe.number.saturating_add(1));
            } else if self.stuck_at != Some(head.hash) {
                self.stuck_at = Some(head.hash);
                tracing::error!(
                    number, hash = %block.hash, parent = %block.header.parent_hash, head = %head.hash,
                    "the feed builds on another block than this chain's head: L1 decides"
                );
                metrics::counter!("feed_forks_total").increment(1);
            }
            return Ok(None);
        }
        self.drop_open();
        if number <= head.number {
            tracing::warn!(
                number,
                term,
                head = head.number,
                "a sequencer of a later term builds on an earlier block: its chain is taken"
            );
            self.unwind(before).await?;
        }
        self.execute(term, block).await
    }

    async fn unwind(&self, number: u64) -> Result<(), VerifierError> {
        let (chain, pool) = (Arc::clone(&self.chain), Arc::clone(&self.pool));
        tokio::task::spawn_blocking(move || reorg::unwind(&chain, &pool, number))
            .await
            .map_err(|_| VerifierError::ExecutorPanicked)??;
        Ok(())
    }

    async fn execute(
        &mut self,
        term: u64,
        block: Block,
    ) -> Result<Option<Arc<SealedBlock>>, VerifierError> {
        let (number, hash) = (block.header.number, block.hash);
        let (chain, pool) = (Arc::clone(&self.chain), Arc::clone(&self.pool));
        let rollup = self.rollup.clone();
        let executed = tokio::task::spawn_blocking(move || execute(&chain, &pool, &rollup, &block))
            .await
            .map_err(|_| VerifierError::ExecutorPanicked)??;
        match executed {
            Ok(sealed) => {
                self.held_term = self.held_term.max(term);
                self.stuck_at = None;
                self.grown();
                metrics::gauge!("chain_unsafe_number").set(number as f64);
                self.chain.announce(Arc::clone(&sealed));
                Ok(Some(sealed))
            }
            Err(refused) => {
                self.stuck_at = Some(self.chain.heads().unsafe_head.hash);
                tracing::error!(
                    number, %hash, %refused,
                    "a block of the feed is not what its execution gives: it is refused"
                );
                metrics::counter!("feed_refused_total").increment(1);
                Ok(None)
            }
        }
    }

    /// Blocks between the head and what the feed speaks of are missing.
    fn gap(&mut self, head: BlockNumHash) {
        self.drop_open();
        if self.stuck_at == Some(head.hash) {
            return;
        }
        // Asked for once: if they do not come, L1 gives them.
        self.stuck_at = Some(head.hash);
        metrics::counter!("feed_gaps_total").increment(1);
        self.feed.restart(head.number.saturating_add(1));
    }

    fn refuse(&self, message: &Message, error: &FeedError) {
        tracing::error!(number = message.number, %error, "a message of the feed is refused");
        metrics::counter!("feed_refused_total").increment(1);
    }

    fn drop_open(&self) {
        self.parts.clear();
    }
}

/// The next message of a feed that there may be; for ever if there is none, or none any more.
pub(crate) async fn next_message(unsafe_chain: &mut Option<UnsafeChain>) -> Message {
    match unsafe_chain {
        Some(unsafe_chain) => match unsafe_chain.next().await {
            Some(message) => message,
            None => std::future::pending().await,
        },
        None => std::future::pending().await,
    }
}

pub(crate) fn attributes_of(
    rollup: &RollupConfig,
    block: &Block,
) -> Result<PayloadAttributes, Refused> {
    let reference = derive::l2_block_ref(rollup, block)?;
    Ok(derive::attributes_of(block, &reference))
}

/// Executes a block on the head and commits it, if what comes out is that block. The inner error is why
/// it is not.
fn execute(
    chain: &Chain,
    pool: &Pool,
    rollup: &RollupConfig,
    block: &Block,
) -> Result<Result<Arc<SealedBlock>, Refused>, VerifierError> {
    let started = Instant::now();
    let parent = chain.head()?;
    let expected = parent.header().timestamp.saturating_add(rollup.block_time);
    if block.header.timestamp != expected {
        let found = block.header.timestamp;
        return Ok(Err(Refused::Timestamp { expected, found }));
    }
    let attributes = match attributes_of(rollup, block) {
        Ok(attributes) => attributes,
        Err(refused) => return Ok(Err(refused)),
    };
    let view = chain.state(parent.number())?;
    let roots = chain.store().head_roots()?;
    let executed = senders::decode_all(&attributes.transactions)
        .and_then(|transactions: Vec<Recovered<_>>| {
            BlockBuilder::open(
                chain.spec(),
                parent.header(),
                &attributes,
                transactions,
                view,
                Some(store::keccak::hash_many),
            )
        })
        .and_then(|builder| builder.finish(&roots));
    let executed = match executed {
        Ok(executed) => executed,
        Err(error) if error.is_invalid_payload() => return Ok(Err(error.into())),
        Err(error) => return Err(error.into()),
    };
    if executed.block.hash != block.hash {
        let (expected, found) = (block.hash, executed.block.hash);
        return Ok(Err(Refused::Hash { expected, found }));
    }
    let (sealed, changed) = chain.commit(executed)?;
    pool.on_block(chain.pool_head()?, changed);
    tracing::info!(
        number = sealed.number(),
        txs = sealed.transactions().len(),
        gas = sealed.header().gas_used,
        ms = started.elapsed().as_millis() as u64,
        hash = %sealed.hash(),
        "followed"
    );
    Ok(Ok(sealed))
}
