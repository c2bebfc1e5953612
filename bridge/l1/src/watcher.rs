//! Follows L1 block by block and reports what derivation needs, in order. Reorganisations are found
//! by parent hashes; what to do about one is left to the receiver, who can ask for blocks again from
//! any number on: that is how one of any depth is followed.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use alloy_eips::BlockNumHash;
use derive::{L1Block, L1Event};
use futures::{StreamExt, stream};
use primitives::L1BlockRef;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{Blobs, L1Addresses, L1Client, L1Error, WatcherError};

/// Blocks asked for at the same time while behind.
const PREFETCH: usize = 8;
/// References kept to find the common block after a reorganisation; L1 finalizes in fewer.
const REMEMBERED_MAX: usize = 1_024;
/// Requests to begin again that wait; only the last counts.
const REWINDS_WAITING: usize = 4;
/// Longest wait between two tries while L1 does not answer.
const RETRY_MAX: Duration = Duration::from_secs(30);

/// The task that follows L1.
pub struct Watcher {
    client: L1Client,
    addresses: L1Addresses,
    blobs: Blobs,
    /// Number of the next block to report.
    next: u64,
    poll: Duration,
    /// The last blocks reported, contiguous.
    reported: VecDeque<L1BlockRef>,
    finalized: u64,
    /// Where the receiver wants to begin again.
    rewinds: Option<mpsc::Receiver<u64>>,
}

enum Interrupt {
    Failed(WatcherError),
    Cancelled,
    /// The receiver wants blocks from this number on.
    Rewind(u64),
}

impl<E: Into<WatcherError>> From<E> for Interrupt {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

impl Watcher {
    /// `start` is the first block reported, `poll` the time between two looks at L1's head.
    pub fn new(client: L1Client, addresses: L1Addresses, start: u64, poll: Duration) -> Self {
        Self {
            blobs: Blobs::From(client.beacon().clone()),
            client,
            addresses,
            next: start,
            poll,
            reported: VecDeque::new(),
            finalized: 0,
            rewinds: None,
        }
    }

    /// Reads blobs from there and not from the client's beacon API.
    #[must_use]
    pub fn with_blobs(mut self, blobs: Blobs) -> Self {
        self.blobs = blobs;
        self
    }

    /// Where the receiver asks for blocks from a number on. [`L1Event::Restart`] says from when on the
    /// events are the answer.
    pub fn rewinds(&mut self) -> mpsc::Sender<u64> {
        let (sender, receiver) = mpsc::channel(REWINDS_WAITING);
        self.rewinds = Some(receiver);
        sender
    }

    /// Reports until `shutdown`, which is no error. While L1 does not answer it keeps trying.
    pub async fn run(
        mut self,
        events: mpsc::Sender<L1Event>,
        shutdown: CancellationToken,
    ) -> Result<(), WatcherError> {
        let mut wait = self.poll;
        loop {
            match self.catch_up(&events, &shutdown).await {
                Ok(()) => wait = self.poll,
                Err(Interrupt::Cancelled) => return Ok(()),
                Err(Interrupt::Rewind(from)) => {
                    match self.restart(from, &events, &shutdown).await {
                        Ok(()) => continue,
                        Err(Interrupt::Failed(error)) => return Err(error),
                        Err(Interrupt::Cancelled | Interrupt::Rewind(_)) => return Ok(()),
                    }
                }
                // Usual among several nodes, for as long as a block takes to reach them all.
                Err(Interrupt::Failed(WatcherError::L1(error @ L1Error::Behind { .. }))) => {
                    wait = self.poll;
                    tracing::debug!(%error, "waiting");
                }
                Err(Interrupt::Failed(WatcherError::L1(error))) if error.is_temporary() => {
                    metrics::counter!("l1_watcher_failures_total").increment(1);
                    wait = wait.saturating_mul(2).min(RETRY_MAX);
                    tracing::warn!(%error, retry_ms = wait.as_millis() as u64, "L1 is not readable");
                }
                Err(Interrupt::Failed(error)) => return Err(error),
            }
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return Ok(()),
                from = asked(&mut self.rewinds) => {
                    let restarted = self.restart(from, &events, &shutdown).await;
                    if let Err(Interrupt::Failed(error)) = restarted {
                        return Err(error);
                    }
                }
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Forgets what was reported and begins again at the last block asked for.
    async fn restart(
        &mut self,
        mut from: u64,
        events: &mpsc::Sender<L1Event>,
        shutdown: &CancellationToken,
    ) -> Result<(), Interrupt> {
        while let Some(Ok(later)) = self.rewinds.as_mut().map(mpsc::Receiver::try_recv) {
            from = later;
        }
        tracing::info!(from, "L1 is read again");
        self.next = from;
        self.reported.clear();
        self.finalized = 0;
        send(events, L1Event::Restart { from }, shutdown).await
    }

    /// Ends what is being done if the receiver wants to begin again.
    fn check_rewinds(&mut self) -> Result<(), Interrupt> {
        match self.rewinds.as_mut().map(mpsc::Receiver::try_recv) {
            Some(Ok(from)) => Err(Interrupt::Rewind(from)),
            _ => Ok(()),
        }
    }

    /// Reports everything up to the present head.
    async fn catch_up(
        &mut self,
        events: &mpsc::Sender<L1Event>,
        shutdown: &CancellationToken,
    ) -> Result<(), Interrupt> {
        let head = self.client.head().await?.block;
        metrics::gauge!("l1_head_number").set(head.number as f64);
        if head.number < self.next {
            self.check_tip(head, events, shutdown).await?;
        }
        'behind: while self.next <= head.number {
            let (client, addresses) = (self.client.clone(), self.addresses);
            let from = self.blobs.clone();
            let mut blocks = stream::iter(self.next..=head.number)
                .map(|number| agreed_block(&client, number, &addresses, &from))
                .buffered(PREFETCH);
            while let Some(block) = blocks.next().await {
                self.check_rewinds()?;
                // Gone again: the next look at the head tells why.
                let Some(block) = block? else { break 'behind };
                if self.reported.back().is_some_and(|last| last.hash != block.parent_hash) {
                    drop(blocks);
                    self.rewind(events, shutdown).await?;
                    continue 'behind;
                }
                self.report_block(block, events, shutdown).await?;
            }
        }
        self.report_finalized(events, shutdown).await
    }

    /// A head at or below the last block reported is either the same chain seen by a slower node or
    /// another chain.
    async fn check_tip(
        &mut self,
        head: L1BlockRef,
        events: &mpsc::Sender<L1Event>,
        shutdown: &CancellationToken,
    ) -> Result<(), Interrupt> {
        let known = self.reported.iter().rev().find(|block| block.number == head.number);
        match known {
            Some(known) if known.hash != head.hash => self.rewind(events, shutdown).await,
            _ => Ok(()),
        }
    }

    /// Goes back to the newest reported block that is still canonical.
    async fn rewind(
        &mut self,
        events: &mpsc::Sender<L1Event>,
        shutdown: &CancellationToken,
    ) -> Result<(), Interrupt> {
        let mut oldest = L1BlockRef::default();
        while let Some(block) = self.reported.back().copied() {
            // Nothing is taken back on the word of one node of several.
            let canonical = self.client.agreed(block.number).await?;
            if canonical.is_some_and(|canonical| canonical.hash == block.hash) {
                return self.report_reorg(block, events, shutdown).await;
            }
            oldest = block;
            // The last one stays until it is known what takes its place.
            if self.reported.len() <= 1 {
                break;
            }
            self.reported.pop_back();
        }
        // Deeper than is remembered. A receiver that can ask again compares with what it knows.
        if self.rewinds.is_none() || oldest.number == 0 {
            let oldest = BlockNumHash { number: oldest.number, hash: oldest.hash };
            return Err(WatcherError::ReorgTooDeep { oldest }.into());
        }
        let head = self.client.head().await?.block;
        let below = oldest.number.saturating_sub(1).min(head.number);
        let common =
            self.client.agreed(below).await?.ok_or(L1Error::MissingBlock("below the oldest"))?;
        self.reported.clear();
        self.report_reorg(common, events, shutdown).await
    }

    async fn report_reorg(
        &mut self,
        common: L1BlockRef,
        events: &mpsc::Sender<L1Event>,
        shutdown: &CancellationToken,
    ) -> Result<(), Interrupt> {
        tracing::warn!(
            common = common.number,
            dropped = self.next.saturating_sub(common.number).saturating_sub(1),
            "L1 was reorganised"
        );
        metrics::counter!("l1_reorgs_total").increment(1);
        self.next = common.number.saturating_add(1);
        self.finalized = self.finalized.min(common.number);
        send(events, L1Event::Reorg { common }, shutdown).await
    }

    async fn report_block(
        &mut self,
        block: L1Block,
        events: &mpsc::Sender<L1Event>,
        shutdown: &CancellationToken,
    ) -> Result<(), Interrupt> {
        let reference = block.block_ref();
        metrics::gauge!("l1_watcher_number").set(reference.number as f64);
        send(events, L1Event::Block(Arc::new(block)), shutdown).await?;
        self.next = reference.number.saturating_add(1);
        if self.reported.len() >= REMEMBERED_MAX {
            self.reported.pop_front();
        }
        self.reported.push_back(reference);
        Ok(())
    }

    /// Only blocks that were reported can be reported as final.
    async fn report_finalized(
        &mut self,
        events: &mpsc::Sender<L1Event>,
        shutdown: &CancellationToken,
    ) -> Result<(), Interrupt> {
        let Some(block) = self.client.finalized().await? else {
            return Ok(());
        };
        let was_reported = self.reported.iter().any(|known| known.hash == block.hash);
        if block.number <= self.finalized || !was_reported {
            return Ok(());
        }
        send(events, L1Event::Finalized(block), shutdown).await?;
        self.finalized = block.number;
        Ok(())
    }
}

/// A block that every node has which can be reached; `None` above the head.
async fn agreed_block(
    client: &L1Client,
    number: u64,
    addresses: &L1Addresses,
    blobs: &Blobs,
) -> Result<Option<L1Block>, L1Error> {
    let Some(block) = client.fetch_block_with(number, addresses, blobs).await? else {
        return Ok(None);
    };
    client.agree_on(&block.block_ref()).await?;
    Ok(Some(block))
}

/// The next request to begin again; never, if nobody can ask.
async fn asked(rewinds: &mut Option<mpsc::Receiver<u64>>) -> u64 {
    if let Some(receiver) = rewinds
        && let Some(from) = receiver.recv().await
    {
        return from;
    }
    *rewinds = None;
    std::future::pending().await
}

/// Waits for room: a slow receiver slows the watcher, nothing is dropped.
async fn send(
    events: &mpsc::Sender<L1Event>,
    event: L1Event,
    shutdown: &CancellationToken,
) -> Result<(), Interrupt> {
    tokio::select! {
        biased;
        () = shutdown.cancelled() => Err(Interrupt::Cancelled),
        sent = events.send(event) => match sent {
            Ok(()) => Ok(()),
            Err(_) => Err(WatcherError::ReceiverClosed.into()),
        },
    }
}
