//! Says in the feed what the sequencer does: each block when it is durable, and what is executed into the
//! open one meanwhile. Signing is here, once for all listeners.

use std::{sync::Arc, time::Duration};

use alloy_primitives::{Address, B256, Bytes};
use alloy_signer_local::PrivateKeySigner;
use primitives::BlockNumHash;
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;

use super::{
    log::{Log, Standing},
    message::{Content, Message, Part, SignedMessage},
    stand_in::StandIn,
};
use crate::{
    chain::{Chain, ChainEvent, SealedBlock},
    config::FeedConfig,
    error::{FeedError, PublishError},
    fence::Lease,
    lead::{Lead, Leadership},
    pending::PendingBlock,
};

/// What publisher and listeners share.
#[derive(Debug)]
pub(crate) struct Feed {
    pub(crate) chain: Arc<Chain>,
    pub(crate) log: Log,
    pub(crate) config: FeedConfig,
    pub(crate) stand_in: Arc<StandIn>,
    signer: PrivateKeySigner,
    lead: Arc<Leadership>,
    /// While L1 names the key; without it, always.
    lease: Option<Arc<Lease>>,
}

impl Feed {
    pub(crate) fn new(
        chain: Arc<Chain>,
        config: FeedConfig,
        lead: Arc<Leadership>,
        lease: Option<Arc<Lease>>,
        stand_in: Arc<StandIn>,
    ) -> Self {
        let log = Log::new(config.messages_max, config.bytes_max);
        Self { chain, log, signer: config.signer.clone(), config, stand_in, lead, lease }
    }

    /// Whether something new may be said. INVARIANT: asked before each new message, so that no stalled
    /// task says anything after the lease is over.
    fn may_speak(&self) -> bool {
        self.lease.as_ref().is_none_or(|lease| lease.holds())
    }

    /// A sealed block out of the chain; `None` if it has none of this number.
    pub(crate) fn history(&self, number: u64) -> Result<Option<Bytes>, PublishError> {
        let Some(block) = self.chain.block(number)? else { return Ok(None) };
        Ok(Some(self.sign(Message::sealed(
            self.chain_id(),
            self.lead.get().term,
            block.block(),
        ))?))
    }

    /// A sealed block for the stand-in; `None` while nothing may be said.
    pub(crate) fn offer(&self, block: &SealedBlock) -> Result<Option<Bytes>, FeedError> {
        let lead = self.lead.get();
        if !lead.active || self.log.standing() != Standing::Live || !self.may_speak() {
            return Ok(None);
        }
        self.sign(Message::sealed(self.chain_id(), lead.term, block.block())).map(Some)
    }

    /// What a listener is to prove with that it is the stand-in.
    pub(crate) fn challenge(&self, challenge: B256) -> Result<Bytes, FeedError> {
        self.sign(Message::challenge(self.chain_id(), self.lead.get().term, challenge))
    }

    /// The block that whoever signed this answer to a challenge has as its head.
    pub(crate) fn acknowledged(
        &self,
        bytes: &[u8],
        by: Address,
        challenge: B256,
    ) -> Result<BlockNumHash, FeedError> {
        let message = SignedMessage::decode(bytes)?.verify(self.chain_id(), by)?;
        match message.content()? {
            Content::Acknowledged(said) if said == challenge => Ok(message.id()),
            _ => Err(FeedError::Disagrees),
        }
    }

    fn chain_id(&self) -> u64 {
        self.chain.spec().chain_id
    }

    fn sign(&self, message: Message) -> Result<Bytes, FeedError> {
        Ok(message.sign(&self.signer)?.encode())
    }
}

/// The task that publishes.
pub(crate) struct Publisher {
    feed: Arc<Feed>,
    /// The newest block said.
    said: BlockNumHash,
    /// What of the open block was said.
    open: Option<(Arc<PendingBlock>, usize)>,
}

impl Publisher {
    pub(crate) fn new(feed: Arc<Feed>) -> Self {
        Self { feed, said: BlockNumHash::default(), open: None }
    }

    /// Publishes until `shutdown`.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) -> Result<(), PublishError> {
        let mut events = self.feed.chain.subscribe_events();
        let mut leads = self.feed.lead.subscribe();
        let mut parts = ticker(self.feed.config.partial_interval);
        let mut alive = ticker(self.feed.config.alive_interval);
        self.follow_lead(*leads.borrow_and_update())?;
        loop {
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return Ok(()),
                // A block that is announced was built before the lead changed.
                event = events.recv() => match event {
                    Ok(ChainEvent::Added(_)) | Err(RecvError::Lagged(_)) => self.blocks(None)?,
                    Ok(ChainEvent::Removed(block)) => {
                        let mut lowest = block.number();
                        while let Ok(event) = events.try_recv() {
                            if let ChainEvent::Removed(block) = event {
                                lowest = lowest.min(block.number());
                            }
                        }
                        self.step_back(lowest.saturating_sub(1))?;
                    }
                    Err(RecvError::Closed) => return Ok(()),
                },
                changed = leads.changed() => {
                    if changed.is_err() {
                        return Ok(());
                    }
                    let lead = *leads.borrow_and_update();
                    self.follow_lead(lead)?;
                }
                _ = parts.tick() => self.part()?,
                _ = alive.tick() => self.alive()?,
            }
        }
    }

    fn live(&self) -> bool {
        self.feed.log.standing() == Standing::Live && self.feed.may_speak()
    }

    /// Begins, says the last word, or falls silent.
    fn follow_lead(&mut self, lead: Lead) -> Result<(), PublishError> {
        let head = self.feed.chain.heads().unsafe_head;
        let was = self.feed.log.standing();
        match (lead.active, lead.resigned) {
            (true, _) if was != Standing::Live => {
                self.said = head;
                self.feed.log.set(Standing::Live, head.number.saturating_add(1));
                self.alive()?;
            }
            (true, _) => {}
            (false, Some(last)) if lead.seen <= lead.term && was != Standing::Ended => {
                // Everything up to the last block first.
                if was == Standing::Live {
                    self.blocks(Some(last.number))?;
                }
                let block = self.feed.chain.block(last.number)?;
                let block = block.filter(|block| block.hash() == last.hash);
                let Some(block) = block.filter(|_| self.feed.may_speak()) else {
                    self.feed.log.set(Standing::Silent, 0);
                    return Ok(());
                };
                let parent = block.header().parent_hash;
                let message = Message::resigned(self.feed.chain_id(), lead.term, last, parent);
                let message = self.feed.sign(message)?;
                let next = last.number.saturating_add(1);
                self.feed.log.push(message, Some(next));
                self.feed.log.set(Standing::Ended, next);
            }
            (false, Some(_)) if lead.seen <= lead.term => {}
            _ => self.feed.log.set(Standing::Silent, 0),
        }
        Ok(())
    }

    /// Says every block that is durable and was not said yet.
    fn blocks(&mut self, last: Option<u64>) -> Result<(), PublishError> {
        if !self.live() {
            return Ok(());
        }
        let head = self.feed.chain.heads().unsafe_head.number;
        let last = last.map_or(head, |last| last.min(head));
        for number in self.feed.log.next_block()..=last {
            let Some(block) = self.feed.chain.block(number)? else { break };
            if !self.live() {
                return Ok(());
            }
            if number > 0 && block.header().parent_hash != self.said.hash {
                // Blocks went and nobody told; nothing final goes.
                return self.step_back(self.feed.chain.heads().finalized.number);
            }
            self.say(&block)?;
        }
        Ok(())
    }

    fn say(&mut self, block: &SealedBlock) -> Result<(), PublishError> {
        let term = self.feed.lead.get().term;
        let message = Message::sealed(self.feed.chain_id(), term, block.block());
        self.said = block.block().id();
        let message = self.feed.sign(message)?;
        self.feed.log.push(message, Some(block.number().saturating_add(1)));
        metrics::counter!("feed_blocks_total").increment(1);
        Ok(())
    }

    /// Blocks above `standing` went: what is there now is said.
    fn step_back(&mut self, standing: u64) -> Result<(), PublishError> {
        if !self.live() {
            return Ok(());
        }
        let chain = &self.feed.chain;
        let number = standing.min(self.said.number).min(chain.heads().unsafe_head.number);
        let Some(block) = chain.block(number)? else { return Ok(()) };
        self.said = block.block().id();
        self.feed.log.set(Standing::Live, number.saturating_add(1));
        // Only as far as the chain is one: more may be taken away this moment.
        let head = chain.heads().unsafe_head.number;
        for number in self.feed.log.next_block()..=head {
            let Some(block) = self.feed.chain.block(number)? else { break };
            if block.header().parent_hash != self.said.hash || !self.live() {
                break;
            }
            self.say(&block)?;
        }
        Ok(())
    }

    /// Says what was executed into the open block since the last time.
    fn part(&mut self) -> Result<(), PublishError> {
        if !self.live() {
            return Ok(());
        }
        let Some(open) = self.feed.chain.pending_block() else { return Ok(()) };
        if open.header().parent_hash != self.said.hash {
            // The block before is not durable yet.
            return Ok(());
        }
        let said = match &self.open {
            Some((known, said)) if Arc::ptr_eq(known, &open) => *said,
            _ => 0,
        };
        let transactions = open.encoded_from(said);
        if transactions.is_empty() {
            return Ok(());
        }
        let told = said + transactions.len();
        let part = Part::new(said as u64, open.header(), transactions);
        self.open = Some((open, told));
        let term = self.feed.lead.get().term;
        let message = Message::partial(self.feed.chain_id(), term, &part);
        let message = self.feed.sign(message)?;
        self.feed.log.push(message, None);
        metrics::counter!("feed_parts_total").increment(1);
        Ok(())
    }

    fn alive(&self) -> Result<(), PublishError> {
        if !self.live() {
            return Ok(());
        }
        let parent = self.feed.chain.block(self.said.number)?;
        let parent = parent.map_or(B256::ZERO, |block| block.header().parent_hash);
        let term = self.feed.lead.get().term;
        let message = Message::alive(self.feed.chain_id(), term, self.said, parent);
        let message = self.feed.sign(message)?;
        self.feed.log.push(message, None);
        Ok(())
    }
}

fn ticker(period: Duration) -> tokio::time::Interval {
    let mut ticker = tokio::time::interval(period);
    ticker.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    ticker
}
