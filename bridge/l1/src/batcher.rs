//! Posts L2 blocks to L1. The encoder in `bridge-derive` decides on bytes, this task on time, nonces
//! and fees.
//!
//! INVARIANT: a transaction is in the journal before it is sent, and every L2 block above the safe
//! head is either in exactly one channel of the journal that is not superseded or still to be encoded.
//! Whenever that turns out to be broken (a channel lost, L2 or L1 reorganised, the safe head not
//! following), everything above the safe head is encoded again. Blocks posted twice do no harm:
//! derivation skips what exists.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use alloy_eips::BlockNumHash;
use alloy_primitives::{B256, Bytes, keccak256};
use derive::{
    AddOutcome, BatchForm, ChannelEncoder, ChannelId, Compression, EncoderConfig, FRAME_OVERHEAD,
    l2_block_ref,
};
use primitives::{Block, RollupConfig};
use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::{
    BatcherError, DataAvailability, DataLimits, Journal, L1Client, RoleSigner, SourceError,
    Throttle,
    availability::{Market, Sizes, Way, payloads},
    backlog::Backlog,
    journal::{self, PostedChannel},
    posting::{Fees, Poster},
    throttle::{self, Limits},
};

/// L1 accepts no larger transaction (geth's `txMaxSize`), with room for the envelope.
const TRANSACTION_BYTES_MAX: usize = 128 * 1024 - 1_024;
/// Longest wait between two tries while L1 does not answer.
const RETRY_MAX: Duration = Duration::from_secs(30);
/// Blocks encoded before looking at L1 again.
const BLOCKS_PER_STEP: u64 = 256;

/// Where L2 blocks come from; the sequencer's store.
pub trait L2Blocks: Send + Sync + 'static {
    /// Number of the newest block.
    fn latest(&self) -> Result<u64, SourceError>;
    /// The newest block that was derived from L1.
    fn safe(&self) -> Result<BlockNumHash, SourceError>;
    /// A block of the present chain.
    fn block(&self, number: u64) -> Result<Option<Block>, SourceError>;
}

/// When and how much is posted.
#[derive(Clone, Copy, Debug)]
pub struct BatcherConfig {
    /// How channels are made. Its form of batches is `spans`'.
    pub encoder: EncoderConfig,
    /// Span batches, or single ones.
    pub spans: bool,
    /// Brotli's level while channels wait for the encoder.
    pub backlog_level: u32,
    /// When L2 must make less data.
    pub throttle: Throttle,
    /// A channel is closed this long after its first block at the latest. Far below the sequencing
    /// window, which thereby cannot close.
    pub channel_age_max: Duration,
    /// Time between two looks at L1 and L2.
    pub poll: Duration,
    /// The oldest transaction is replaced by a better paying one after this time.
    pub bump_after: Duration,
    /// Most that is paid, wei per gas, unless the sequencing window runs out.
    pub fee_max: u128,
    /// The same, wei per blob gas.
    pub blob_fee_max: u128,
    /// How many times as much may be paid at the window's end.
    pub fee_urgency_max: u32,
    /// Where batches go.
    pub availability: DataAvailability,
    /// Bytes of a frame in a blob, with its overhead.
    pub blob_frame_size_max: usize,
    pub blobs_per_transaction_max: usize,
    /// Proofs of cells, as L1 asks for since Osaka, or of whole blobs.
    pub cell_proofs: bool,
    /// L1 blocks before the end of the sequencing window of its first block at which a channel is closed
    /// however young it is.
    pub window_margin: u64,
    /// Transactions sent and not yet in an L1 block.
    pub pending_max: usize,
    /// If the safe head stands still this long after everything was posted, it is posted again.
    pub safe_lag_max: Duration,
}

impl Default for BatcherConfig {
    fn default() -> Self {
        Self {
            encoder: EncoderConfig::default(),
            spans: true,
            backlog_level: 1,
            throttle: Throttle::default(),
            channel_age_max: Duration::from_secs(4),
            poll: Duration::from_millis(500),
            bump_after: Duration::from_secs(36),
            fee_max: 1_000_000_000_000,
            blob_fee_max: 1_000_000_000_000,
            fee_urgency_max: 5,
            availability: DataAvailability::Calldata,
            blob_frame_size_max: Sizes::BLOB_FRAME_MAX,
            blobs_per_transaction_max: 6,
            cell_proofs: true,
            window_margin: 10,
            pending_max: 16,
            safe_lag_max: Duration::from_secs(180),
        }
    }
}

/// Pauses and resumes a batcher from elsewhere.
#[derive(Clone, Debug)]
pub struct BatcherControl(watch::Sender<bool>);

impl BatcherControl {
    /// New blocks are posted.
    pub fn start(&self) {
        self.0.send_replace(true);
    }

    /// No new blocks are posted; what was sent is still followed.
    pub fn stop(&self) {
        self.0.send_replace(false);
    }

    /// Whether new blocks are posted.
    pub fn is_active(&self) -> bool {
        *self.0.borrow()
    }
}

/// The task that posts.
pub struct Batcher<B, J> {
    client: L1Client,
    rollup: RollupConfig,
    poster: Poster,
    config: BatcherConfig,
    blocks: B,
    journal: J,
    control: BatcherControl,
    /// Who keeps to the limits, if anybody, and those last set.
    limited: Option<Arc<dyn DataLimits>>,
    limits: Limits,
    backlog: Backlog,
    /// In the order of their nonces.
    channels: VecDeque<PostedChannel>,
    /// How the last channel went.
    way: Way,
    open: Option<OpenChannel>,
    next_sequence: u64,
    /// Number of the next L2 block to encode.
    next_block: u64,
    next_nonce: u64,
    /// Nonces below are in L1 blocks.
    mined_nonce: u64,
    /// Nonces below were found to be ours.
    checked_nonce: u64,
    /// Since when a nonce was used, but no transaction of ours with it is found.
    missing_since: Option<Instant>,
    /// Since when L1 lacks nonces below those in the journal.
    forgotten_since: Option<Instant>,
    /// When the oldest pending transaction became that or was replaced.
    oldest_since: Instant,
    sent_at: Instant,
    safe: u64,
    /// Most that may be paid now, wei per gas and per blob gas.
    fee_max: u128,
    blob_fee_max: u128,
    /// When a transaction was last mined or the safe head last moved.
    progress_at: Instant,
}

/// A channel being filled.
struct OpenChannel {
    encoder: ChannelEncoder,
    since: Instant,
    last_hash: B256,
    /// L1 origin of its first block.
    origin: u64,
}

impl<B: L2Blocks, J: Journal> Batcher<B, J> {
    /// Reads the journal and asks L1 for what became of it. The signer must be the batcher of the
    /// rollup's `SystemConfig`.
    pub async fn new(
        client: L1Client,
        rollup: &RollupConfig,
        signer: impl Into<RoleSigner>,
        mut config: BatcherConfig,
        blocks: B,
        journal: J,
    ) -> Result<Self, BatcherError> {
        if config.encoder.frame_size_max.saturating_add(1) > TRANSACTION_BYTES_MAX {
            return Err(BatcherError::Config("a frame that L1 does not accept in one transaction"));
        }
        let blob_frames = FRAME_OVERHEAD.saturating_add(1)..=Sizes::BLOB_FRAME_MAX;
        if !blob_frames.contains(&config.blob_frame_size_max) {
            return Err(BatcherError::Config("a frame that does not fit into a blob"));
        }
        if config.blobs_per_transaction_max == 0 {
            return Err(BatcherError::Config("blobs_per_transaction_max of zero"));
        }
        if config.pending_max == 0 {
            return Err(BatcherError::Config("pending_max of zero"));
        }
        if !config.throttle.is_usable() {
            return Err(BatcherError::Config("a throttle without room"));
        }
        config.encoder.batches = match config.spans {
            true => BatchForm::Span { genesis_time: rollup.genesis.l2_time },
            false => BatchForm::Single,
        };
        let channels = VecDeque::from(journal::read(&journal)?);
        let signer = signer.into();
        let account = signer.address();
        let mined_nonce = client.nonce(account).await?;
        let pending_nonce = client.pending_nonce(account).await?;
        let journal_nonce = channels
            .iter()
            .flat_map(|channel| &channel.transactions)
            .map(|transaction| transaction.nonce.saturating_add(1))
            .max()
            .unwrap_or_default();
        let safe = blocks.safe().map_err(BatcherError::Blocks)?.number;
        let after_journal =
            channels.iter().rev().find(|channel| !channel.superseded).map(|c| c.last_block);
        let next_block = after_journal.map_or(safe, |last| last.max(safe)).saturating_add(1);
        let next_sequence = channels.back().map_or(0, |channel| channel.sequence.saturating_add(1));
        let checked_nonce = channels
            .iter()
            .find_map(|channel| channel.transactions.first())
            .map_or(mined_nonce, |transaction| transaction.nonce);
        let (active, _) = watch::channel(true);
        let now = Instant::now();
        tracing::info!(
            %account, next_block, safe, channels = channels.len(), nonce = mined_nonce,
            "batcher starts"
        );
        let last_way = channels.iter().rev().find_map(way_of);
        Ok(Self {
            client,
            rollup: rollup.clone(),
            way: last_way.unwrap_or(Way::Calldata),
            poster: Poster {
                signer,
                chain_id: rollup.l1_chain_id,
                inbox: rollup.batch_inbox_address,
            },
            config,
            blocks,
            journal,
            control: BatcherControl(active),
            limited: None,
            limits: Limits::default(),
            backlog: Backlog::default(),
            channels,
            open: None,
            next_sequence,
            next_block,
            next_nonce: mined_nonce.max(pending_nonce).max(journal_nonce),
            mined_nonce,
            checked_nonce,
            missing_since: None,
            forgotten_since: None,
            oldest_since: now,
            // Sends again at once what the node does not know.
            sent_at: long_ago(config.bump_after),
            safe,
            fee_max: config.fee_max,
            blob_fee_max: config.blob_fee_max,
            progress_at: now,
        })
    }

    /// Pauses and resumes this batcher.
    pub fn control(&self) -> BatcherControl {
        self.control.clone()
    }

    /// Tells `limits` how much data L2 may make while a backlog waits for L1.
    #[must_use]
    pub fn with_limits(mut self, limits: Arc<dyn DataLimits>) -> Self {
        limits.set(0, 0);
        self.limited = Some(limits);
        self
    }

    /// Posts until `shutdown`, which is no error. While L1 does not answer it keeps trying.
    pub async fn run(mut self, shutdown: CancellationToken) -> Result<(), BatcherError> {
        let mut wait = self.config.poll;
        loop {
            let step = tokio::select! {
                biased;
                () = shutdown.cancelled() => return Ok(()),
                step = self.step() => step,
            };
            match step {
                Ok(()) => wait = self.config.poll,
                Err(error) if error.is_temporary() => {
                    metrics::counter!("batcher_failures_total").increment(1);
                    wait = wait.saturating_mul(2).min(RETRY_MAX);
                    tracing::warn!(%error, retry_ms = wait.as_millis() as u64, "batcher waits");
                }
                Err(error) => return Err(error),
            }
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return Ok(()),
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// One look at L1 and L2. Cancelling it between two requests loses nothing: the journal and L1
    /// hold everything that matters.
    async fn step(&mut self) -> Result<(), BatcherError> {
        // First, since a backlog grows above all while L1 does not answer.
        self.throttle()?;
        self.follow_l1().await?;
        self.follow_safe_head().await?;
        self.follow_window().await?;
        self.resend().await?;
        if self.control.is_active() {
            self.encode().await?;
        }
        let pending = self.next_nonce.saturating_sub(self.mined_nonce);
        metrics::gauge!("batcher_pending_transactions").set(pending as f64);
        Ok(())
    }

    /// Measures what waits for L1, and has L2 make less if it is too much. Whoever stops the batcher does
    /// not stop this: blocks wait then, too.
    fn throttle(&mut self) -> Result<(), BatcherError> {
        let latest = self.blocks.latest().map_err(BatcherError::Blocks)?;
        let posted = self.channels.iter().filter(|channel| !channel.superseded);
        let in_l1 = posted
            .take_while(|channel| channel.transactions.iter().all(|t| t.nonce < self.checked_nonce))
            .last();
        let done = in_l1.map_or(self.safe, |channel| channel.last_block.max(self.safe));
        self.backlog.follow(&self.blocks, done, latest).map_err(BatcherError::Blocks)?;
        let bytes = self.backlog.bytes();
        metrics::gauge!("batcher_backlog_bytes").set(bytes as f64);
        let limits = self.config.throttle.limits(bytes);
        if let Some(limited) = &self.limited
            && limits != self.limits
        {
            if (limits.block == 0) != (self.limits.block == 0) {
                tracing::warn!(
                    bytes,
                    ?limits,
                    "L2 is throttled, or no longer, by what waits for L1"
                );
            }
            limited.set(limits.transaction, limits.block);
            metrics::gauge!("batcher_throttle_block_bytes").set(limits.block as f64);
            self.limits = limits;
        }
        Ok(())
    }

    /// How the next channel is made: quickly while others wait behind it.
    fn encoder_config(&self) -> EncoderConfig {
        let waiting = self.backlog.bytes_from(self.next_block);
        let usual = self.config.encoder;
        let Compression::Brotli { level } = usual.compression;
        let target = usual.channel_size_target;
        let level = throttle::level(level, self.config.backlog_level, waiting, target);
        EncoderConfig { compression: Compression::Brotli { level }, ..usual }
    }

    /// Sees which transactions are in L1 blocks, and that they are ours.
    async fn follow_l1(&mut self) -> Result<(), BatcherError> {
        let mined = self.client.nonce(self.poster.signer.address()).await?;
        if mined != self.mined_nonce {
            // Fewer than before: L1 was reorganised. The transactions may have to be sent again.
            self.checked_nonce = self.checked_nonce.min(mined);
            self.mined_nonce = mined;
            self.oldest_since = Instant::now();
            self.progress_at = Instant::now();
        }
        while self.checked_nonce < mined {
            if !self.is_ours(self.checked_nonce).await? {
                let since = *self.missing_since.get_or_insert_with(Instant::now);
                if since.elapsed() > self.config.bump_after {
                    tracing::warn!(
                        nonce = self.checked_nonce,
                        "another transaction took the batcher's nonce: does a second batcher run?"
                    );
                    self.missing_since = None;
                    self.checked_nonce = mined;
                    self.post_again()?;
                }
                return Ok(());
            }
            self.missing_since = None;
            self.checked_nonce = self.checked_nonce.saturating_add(1);
        }
        self.next_nonce = self.next_nonce.max(mined);
        self.close_nonce_gap().await
    }

    /// L1 can lose transactions that had left the journal, by a reorganisation that also reverts the
    /// safe head. Nothing with a later nonce would ever be mined, so posting begins again at the first
    /// nonce that L1 lacks.
    async fn close_nonce_gap(&mut self) -> Result<(), BatcherError> {
        let first_followed = self
            .channels
            .iter()
            .find_map(|channel| channel.transactions.first())
            .map_or(self.next_nonce, |transaction| transaction.nonce);
        if self.mined_nonce >= first_followed {
            self.forgotten_since = None;
            return Ok(());
        }
        // Nodes put the transactions of reverted blocks back into their pools.
        let known = self.client.pending_nonce(self.poster.signer.address()).await?;
        if known >= first_followed {
            self.forgotten_since = None;
            return Ok(());
        }
        let since = *self.forgotten_since.get_or_insert_with(Instant::now);
        if since.elapsed() <= self.config.bump_after {
            return Ok(());
        }
        tracing::warn!(
            first_lost = known,
            first_followed,
            "L1 has forgotten transactions of blocks that were safe"
        );
        while let Some(channel) = self.channels.pop_back() {
            self.journal.delete(&channel.key()).map_err(BatcherError::Journal)?;
        }
        self.forgotten_since = None;
        self.next_nonce = known;
        self.post_again()
    }

    /// Whether a form of the transaction with this nonce is in L1. Nonces that are not in the journal
    /// concern nobody.
    async fn is_ours(&self, nonce: u64) -> Result<bool, BatcherError> {
        let transaction = self
            .channels
            .iter()
            .filter(|channel| !channel.superseded)
            .flat_map(|channel| &channel.transactions)
            .find(|transaction| transaction.nonce == nonce);
        let Some(transaction) = transaction else {
            return Ok(true);
        };
        for hash in transaction.hashes() {
            if self.client.receipt(hash).await?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Forgets channels that were derived and notices those that were not.
    async fn follow_safe_head(&mut self) -> Result<(), BatcherError> {
        let safe = self.blocks.safe().map_err(BatcherError::Blocks)?.number;
        if safe != self.safe {
            self.safe = safe;
            self.progress_at = Instant::now();
        }
        while let Some(channel) = self.channels.front() {
            let mined = channel.transactions.iter().all(|t| t.nonce < self.checked_nonce);
            if !mined || !(channel.superseded || channel.last_block <= safe) {
                break;
            }
            self.journal.delete(&channel.key()).map_err(BatcherError::Journal)?;
            self.channels.pop_front();
        }
        for channel in &mut self.channels {
            // Made safe by other transactions: these only hold nonces now, and the next channel need
            // not follow them.
            if !channel.superseded && channel.last_block <= safe {
                channel.superseded = true;
                self.journal
                    .put(&channel.key(), &channel.encode_entry())
                    .map_err(BatcherError::Journal)?;
            }
        }
        if safe >= self.next_block {
            // Posted by somebody else, or derived without being posted.
            self.open = None;
            self.next_block = safe.saturating_add(1);
        }

        let posted = self.channels.iter().filter(|channel| !channel.superseded);
        let mut covered = posted.clone().map(|channel| channel.first_block);
        let first = covered.next().or_else(|| self.open_blocks().map(|(first, _)| first));
        let gap = first.unwrap_or(self.next_block) > safe.saturating_add(1);
        let replaced = match posted.clone().next_back() {
            Some(last) => {
                let block = self.blocks.block(last.last_block).map_err(BatcherError::Blocks)?;
                block.is_none_or(|block| block.hash != last.last_hash)
            }
            None => false,
        };
        let waiting = posted.clone().next().is_some()
            && self.mined_nonce >= self.next_nonce
            && self.progress_at.elapsed() > self.config.safe_lag_max;
        if gap || replaced || waiting {
            tracing::warn!(
                gap,
                replaced,
                waiting,
                safe,
                "everything above the safe head is posted again"
            );
            let cancelled = if replaced { self.cancel_pending().await? } else { Vec::new() };
            self.post_again()?;
            for raw in &cancelled {
                send(&self.client, raw).await?;
            }
        }
        Ok(())
    }

    /// Sees how much of the sequencing window is left for the oldest block that is not safe.
    async fn follow_window(&mut self) -> Result<(), BatcherError> {
        let oldest = self.safe.saturating_add(1);
        let oldest = self.blocks.block(oldest).map_err(BatcherError::Blocks)?;
        let age = match oldest {
            Some(block) => {
                let reference = l2_block_ref(&self.rollup, &block);
                let origin = reference.map_err(derive::EncodeError::from)?.l1_origin.number;
                self.client.head().await?.block.number.saturating_sub(origin)
            }
            None => 0,
        };
        let (times, margin) = (self.config.fee_urgency_max, self.config.window_margin);
        let cap = |usual| throttle::fee_cap(usual, times, age, self.rollup.seq_window_size, margin);
        let (fee_max, blob_fee_max) = (cap(self.config.fee_max), cap(self.config.blob_fee_max));
        if fee_max > self.config.fee_max && self.fee_max == self.config.fee_max {
            tracing::warn!(age, "the sequencing window runs out: more may be paid");
        }
        (self.fee_max, self.blob_fee_max) = (fee_max, blob_fee_max);
        Ok(())
    }

    /// Takes the frames out of transactions that are not in L1 yet: blocks that L2 has replaced would
    /// otherwise become the chain after all. The nonces stay used, by transactions without data. The
    /// caller journals and sends them.
    async fn cancel_pending(&mut self) -> Result<Vec<Bytes>, BatcherError> {
        let market = self.market().await?;
        let (fee_max, blob_fee_max) = (self.fee_max, self.blob_fee_max);
        let mut cancelled = Vec::new();
        let channels = self.channels.iter().filter(|channel| !channel.superseded);
        for transaction in channels.flat_map(|channel| &channel.transactions) {
            if transaction.nonce < self.mined_nonce {
                continue;
            }
            let offer = market.offer(way_of_fees(transaction.fees()), blob_fee_max);
            let replacement = transaction.fees().replacement(offer, fee_max, blob_fee_max);
            let Some(fees) = replacement else {
                tracing::warn!(nonce = transaction.nonce, "too dear to cancel");
                continue;
            };
            cancelled.push(self.poster.cancel(transaction, fees).await?);
        }
        // All or none: a signer can fail between two.
        let raw = cancelled.iter().map(|transaction| transaction.raw.clone()).collect();
        let channels = self.channels.iter_mut().filter(|channel| !channel.superseded);
        for transaction in channels.flat_map(|channel| &mut channel.transactions) {
            if let Some(at) = cancelled.iter().position(|new| new.nonce == transaction.nonce) {
                *transaction = cancelled.swap_remove(at);
            }
        }
        Ok(raw)
    }

    /// Encodes everything above the safe head again. Transactions that are still pending keep their
    /// nonces and are followed until they are mined.
    fn post_again(&mut self) -> Result<(), BatcherError> {
        for channel in &mut self.channels {
            if !channel.superseded {
                channel.superseded = true;
                self.journal
                    .put(&channel.key(), &channel.encode_entry())
                    .map_err(BatcherError::Journal)?;
            }
        }
        metrics::counter!("batcher_resets_total").increment(1);
        self.open = None;
        self.next_block = self.safe.saturating_add(1);
        self.progress_at = Instant::now();
        Ok(())
    }

    /// Sends what the node has lost and pays more for what it does not include.
    async fn resend(&mut self) -> Result<(), BatcherError> {
        let pending = |nonce| nonce >= self.mined_nonce;
        if !self.channels.iter().flat_map(|c| &c.transactions).any(|t| pending(t.nonce)) {
            return Ok(());
        }
        if self.sent_at.elapsed() >= self.config.bump_after {
            self.sent_at = Instant::now();
            for transaction in self.channels.iter().flat_map(|channel| &channel.transactions) {
                if transaction.nonce >= self.mined_nonce
                    && !self.client.knows_transaction(transaction.hash).await?
                {
                    send(&self.client, &transaction.raw).await?;
                }
            }
        }
        if self.oldest_since.elapsed() >= self.config.bump_after {
            self.bump_oldest().await?;
        }
        Ok(())
    }

    async fn bump_oldest(&mut self) -> Result<(), BatcherError> {
        let market = self.market().await?;
        let mined_nonce = self.mined_nonce;
        let (fee_max, blob_fee_max) = (self.fee_max, self.blob_fee_max);
        let oldest = self.channels.iter_mut().find_map(|channel| {
            let index = channel.transactions.iter().position(|t| t.nonce >= mined_nonce)?;
            Some((channel, index))
        });
        let Some((channel, index)) = oldest else {
            return Ok(());
        };
        let Some(old) = channel.transactions.get_mut(index) else {
            return Ok(());
        };
        self.oldest_since = Instant::now();
        let offer = market.offer(way_of_fees(old.fees()), blob_fee_max);
        let Some(fees) = old.fees().replacement(offer, fee_max, blob_fee_max) else {
            tracing::warn!(
                nonce = old.nonce,
                fee_max,
                blob_fee_max,
                "L1 asks for more than the batcher may pay"
            );
            return Ok(());
        };
        *old = self.poster.replace(old, fees).await?;
        let raw = old.raw.clone();
        self.journal.put(&channel.key(), &channel.encode_entry()).map_err(BatcherError::Journal)?;
        metrics::counter!("batcher_fee_bumps_total").increment(1);
        send(&self.client, &raw).await
    }

    async fn market(&self) -> Result<Market, BatcherError> {
        let base_fee = self.client.head().await?.base_fee;
        let priority_fee = self.client.priority_fee().await?;
        let blob_base_fee = match self.config.availability {
            DataAvailability::Calldata => None,
            DataAvailability::Blobs | DataAvailability::Cheapest => {
                self.client.blob_base_fee().await?
            }
        };
        let fees = Fees::suggested(base_fee, priority_fee, self.fee_max);
        Ok(Market { fees, base_fee, blob_base_fee })
    }

    /// Fills channels with new blocks and posts those that are full or old enough.
    async fn encode(&mut self) -> Result<(), BatcherError> {
        loop {
            let pending = self.next_nonce.saturating_sub(self.mined_nonce);
            if usize::try_from(pending).unwrap_or(usize::MAX) >= self.config.pending_max {
                return Ok(());
            }
            let latest = self.blocks.latest().map_err(BatcherError::Blocks)?;
            let backlog = latest.saturating_add(1).saturating_sub(self.next_block);
            metrics::gauge!("batcher_backlog_blocks").set(backlog as f64);
            let Some(full) = self.add_blocks(latest).await? else {
                return Ok(());
            };
            let old = self
                .open
                .as_ref()
                .is_some_and(|open| open.since.elapsed() >= self.config.channel_age_max);
            if full || old || self.window_closes().await? {
                if !self.post().await? {
                    return Ok(());
                }
            } else if self.next_block > latest {
                return Ok(());
            }
        }
    }

    /// Whether the open channel must be in L1 soon for its first block to count.
    async fn window_closes(&self) -> Result<bool, BatcherError> {
        let Some(open) = &self.open else {
            return Ok(false);
        };
        let window_end = open.origin.saturating_add(self.rollup.seq_window_size);
        let last_call = window_end.saturating_sub(self.config.window_margin);
        Ok(self.client.head().await?.block.number >= last_call)
    }

    /// Adds blocks up to `latest` to the open channel; true when it is full, `None` if they do not
    /// follow what was encoded before.
    async fn add_blocks(&mut self, latest: u64) -> Result<Option<bool>, BatcherError> {
        let end = latest.min(self.next_block.saturating_add(BLOCKS_PER_STEP));
        let mut blocks = Vec::new();
        for number in self.next_block..=end {
            match self.blocks.block(number).map_err(BatcherError::Blocks)? {
                Some(block) => blocks.push(block),
                // Taken away since the head was asked for: what is left is another chain.
                None => break,
            }
        }
        let Some(first) = blocks.first() else {
            return Ok(Some(false));
        };
        let last_posted = self.channels.iter().rev().find(|channel| !channel.superseded);
        let parent = match (&self.open, last_posted) {
            (Some(open), _) => Some(open.last_hash),
            (None, Some(channel)) => Some(channel.last_hash),
            (None, None) => None,
        };
        if parent.is_some_and(|parent| parent != first.header.parent_hash) {
            // L2 was replaced. Whether that concerns posted blocks, the next step sees.
            let after = last_posted.map_or(self.safe, |channel| channel.last_block);
            self.next_block = after.saturating_add(1);
            self.open = None;
            return Ok(None);
        }
        let mut open = match self.open.take() {
            Some(open) => open,
            None => OpenChannel {
                encoder: ChannelEncoder::new(self.channel_id(first.hash), self.encoder_config())?,
                since: Instant::now(),
                last_hash: first.header.parent_hash,
                origin: l2_block_ref(&self.rollup, first)
                    .map_err(derive::EncodeError::from)?
                    .l1_origin
                    .number,
            },
        };
        // Compression is work of milliseconds, too long for the tasks' threads.
        let (open, outcome) = tokio::task::spawn_blocking(move || {
            let outcome = add_all(&mut open, &blocks);
            (open, outcome)
        })
        .await
        .map_err(|_| BatcherError::EncoderPanicked)?;
        let full = outcome?;
        if let Some((_, last)) = open.encoder.blocks() {
            self.next_block = last.saturating_add(1);
        }
        self.open = Some(open);
        Ok(Some(full))
    }

    /// Closes the open channel, writes it down and sends it; false if it must stay open until
    /// transactions of the other kind are in blocks.
    async fn post(&mut self) -> Result<bool, BatcherError> {
        // Asked first: if L1 does not answer, the channel stays open.
        let market = self.market().await?;
        let Some(open) = &self.open else {
            return Ok(true);
        };
        let sizes = Sizes {
            calldata_frame: self.config.encoder.frame_size_max,
            blob_frame: self.config.blob_frame_size_max,
            blobs_per_transaction: self.config.blobs_per_transaction_max,
        };
        let bytes = open.encoder.size_estimate();
        let way = market.choose(self.config.availability, self.way, bytes, &sizes);
        let mut pending = self.channels.iter().flat_map(|channel| &channel.transactions);
        let other_kind = |transaction: &journal::PostedTransaction| {
            transaction.nonce >= self.mined_nonce && way_of_fees(transaction.fees()) != way
        };
        if pending.any(other_kind) {
            return Ok(false);
        }
        let Some(open) = self.open.take() else {
            return Ok(true);
        };
        let Some(closed) = open.encoder.close_into(sizes.frame(way))? else {
            return Ok(true);
        };
        if way != self.way {
            tracing::info!(?way, base_fee = market.base_fee, ?market.blob_base_fee, "the batcher posts in another way");
            self.way = way;
        }
        let fees = market.offer(way, self.blob_fee_max);
        let (blobs_max, cell_proofs) = (sizes.blobs_per_transaction, self.config.cell_proofs);
        // Proofs are work of some hundred milliseconds a blob.
        let (closed, payloads) = tokio::task::spawn_blocking(move || {
            let payloads = payloads(&closed, way, blobs_max, cell_proofs);
            (closed, payloads)
        })
        .await
        .map_err(|_| BatcherError::EncoderPanicked)?;
        let mut channel = PostedChannel {
            sequence: self.next_sequence,
            id: closed.id,
            first_block: closed.first_block,
            last_block: closed.last_block,
            last_hash: open.last_hash,
            superseded: false,
            transactions: Vec::new(),
        };
        for (nonce, payload) in (self.next_nonce..).zip(payloads?) {
            match self.poster.sign(nonce, fees, payload).await {
                Ok(signed) => channel.transactions.push(signed),
                Err(error) => {
                    // Nothing of the channel was written down: its blocks are encoded anew.
                    self.next_block = closed.first_block;
                    return Err(error);
                }
            }
        }
        self.journal.put(&channel.key(), &channel.encode_entry()).map_err(BatcherError::Journal)?;
        if self.next_nonce <= self.mined_nonce {
            self.oldest_since = Instant::now();
        }
        self.next_sequence = self.next_sequence.saturating_add(1);
        let count = u64::try_from(channel.transactions.len()).unwrap_or(u64::MAX);
        self.next_nonce = self.next_nonce.saturating_add(count);
        self.progress_at = Instant::now();
        self.sent_at = Instant::now();
        let raw: Vec<Bytes> = channel.transactions.iter().map(|t| t.raw.clone()).collect();
        self.channels.push_back(channel);

        metrics::counter!("batcher_channels_total").increment(1);
        metrics::counter!("batcher_transactions_total").increment(count);
        metrics::counter!("batcher_l2_transactions_total").increment(closed.transactions);
        metrics::counter!("batcher_l1_bytes_total").increment(closed.compressed_bytes as u64);
        tracing::info!(
            first = closed.first_block,
            last = closed.last_block,
            txs = closed.transactions,
            raw_bytes = closed.raw_bytes,
            bytes = closed.compressed_bytes,
            frames = closed.frames.len(),
            ?way,
            "channel posted"
        );
        for raw in &raw {
            if let Err(error) = send(&self.client, raw).await {
                self.sent_at = long_ago(self.config.bump_after);
                return Err(error);
            }
        }
        Ok(true)
    }

    fn open_blocks(&self) -> Option<(u64, u64)> {
        self.open.as_ref().and_then(|open| open.encoder.blocks())
    }

    /// Differs between channels of different blocks and between postings of the same blocks.
    fn channel_id(&self, first_block: B256) -> ChannelId {
        let mut seed = first_block.to_vec();
        seed.extend_from_slice(self.poster.signer.address().as_slice());
        seed.extend_from_slice(&self.next_sequence.to_be_bytes());
        seed.extend_from_slice(&self.next_nonce.to_be_bytes());
        ChannelId::from_slice(keccak256(seed).get(..16).unwrap_or_default())
    }
}

/// How a channel went; `None` if it has no transactions.
fn way_of(channel: &PostedChannel) -> Option<Way> {
    channel.transactions.last().map(|transaction| way_of_fees(transaction.fees()))
}

const fn way_of_fees(fees: Fees) -> Way {
    if fees.blob_fee > 0 { Way::Blobs } else { Way::Calldata }
}

/// So early that `wait` has passed since.
fn long_ago(wait: Duration) -> Instant {
    let now = Instant::now();
    now.checked_sub(wait).unwrap_or(now)
}

/// Adds blocks until the channel is full; whether it is.
fn add_all(open: &mut OpenChannel, blocks: &[Block]) -> Result<bool, derive::EncodeError> {
    for block in blocks {
        let outcome = open.encoder.add_block(block)?;
        if outcome != AddOutcome::Rejected {
            open.last_hash = block.hash;
        }
        if outcome != AddOutcome::Added {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Hands a transaction to L1. What the node answers is only logged: whether it is in a block shows in
/// the account's nonce, and what is not is sent again.
async fn send(client: &L1Client, raw: &Bytes) -> Result<(), BatcherError> {
    match client.send_raw(raw).await {
        Ok(()) => Ok(()),
        Err(error) => match error.answer() {
            Some(answer) => {
                tracing::debug!(answer, "L1 does not take the transaction now");
                Ok(())
            }
            None => Err(error.into()),
        },
    }
}
