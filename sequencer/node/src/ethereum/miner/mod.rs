//! A chain that makes its own blocks: an L1 for development and tests, in one process with what is built on
//! it.
//!
//! Each interval a block takes the pool's best transactions. There is no consensus: `safe` and `finalized`
//! trail the head by fixed numbers of blocks, and [`Miner::reorg`] replaces the newest blocks as a fork
//! choice would. Blobs are kept beside the chain for a while ([`blobs`]). Whatever changes the chain does
//! it one after another; a block is on disk before anybody hears of it.

pub(crate) mod blobs;
mod clock;
mod genesis;
mod reorg;

use std::{sync::Arc, time::Duration};

use alloy_eips::BlockNumHash;
use alloy_primitives::{Address, B256, TxHash};
use parking_lot::Mutex;
use revm::primitives::hardfork::SpecId;
use store::StoreError;
use tokio::sync::{broadcast::error::RecvError, watch};
use tokio_util::sync::CancellationToken;

pub use genesis::{ACCOUNT_BALANCE_ETHER, genesis};
pub use reorg::Reorg;

use crate::{
    chain::{Chain, SealedBlock},
    config::MinerConfig,
    error::MinerError,
    ethereum::{
        beacon,
        payload::{self, Attributes, Candidates},
    },
    pool::{BlobRules, Pool, PoolTransaction},
};
use blobs::BlobStore;
use clock::Clock;

/// Blocks that one call may mine.
pub const BLOCKS_AT_ONCE_MAX: u64 = 10_000;

/// Makes the blocks of a chain. Shared by its task, the RPC and whoever holds the node.
#[derive(Debug)]
pub struct Miner {
    chain: Arc<Chain>,
    pool: Arc<Pool>,
    config: MinerConfig,
    blobs: BlobStore,
    /// Held by whoever changes the chain.
    inner: Mutex<Inner>,
    pace: watch::Sender<Pace>,
}

#[derive(Debug)]
struct Inner {
    clock: Clock,
    snapshots: Vec<BlockNumHash>,
}

/// When blocks are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Between two blocks; `None`: only when asked.
    pub interval: Option<Duration>,
    /// Whether a block follows each transaction at once.
    pub automine: bool,
}

impl Miner {
    /// Goes on from the chain's head.
    pub(crate) fn new(
        chain: Arc<Chain>,
        pool: Arc<Pool>,
        config: MinerConfig,
    ) -> Result<Self, MinerError> {
        let blobs = BlobStore::open(&chain.store().path().join("blobs"))?;
        let clock = Clock::after(chain.head()?.header().timestamp);
        let (pace, _) = watch::channel(Pace { interval: config.interval, automine: false });
        let inner = Mutex::new(Inner { clock, snapshots: Vec::new() });
        Ok(Self { chain, pool, config, blobs, inner, pace })
    }

    pub const fn config(&self) -> &MinerConfig {
        &self.config
    }

    pub const fn chain(&self) -> &Arc<Chain> {
        &self.chain
    }

    pub(crate) const fn blobs(&self) -> &BlobStore {
        &self.blobs
    }

    /// When blocks are made now.
    pub fn pace(&self) -> Pace {
        *self.pace.borrow()
    }

    /// From now on a block each so often, or only when asked; zero counts as `None`.
    pub fn set_interval(&self, interval: Option<Duration>) {
        let interval = interval.filter(|interval| !interval.is_zero());
        self.pace.send_modify(|pace| pace.interval = interval);
    }

    /// Whether a block follows each transaction at once.
    pub fn set_automine(&self, automine: bool) {
        self.pace.send_modify(|pace| pace.automine = automine);
    }

    /// Makes blocks now, the first of the pool's transactions; blocks for the calling thread. `spacing` is
    /// the seconds between them; without it each has the present time, or its parent's and a second.
    pub fn mine(&self, count: u64, spacing: Option<u64>) -> Result<Arc<SealedBlock>, MinerError> {
        if count > BLOCKS_AT_ONCE_MAX {
            return Err(MinerError::TooMany { count, max: BLOCKS_AT_ONCE_MAX });
        }
        let mut inner = self.inner.lock();
        let mut head = self.chain.head()?;
        for index in 0..count {
            if let (1.., Some(spacing)) = (index, spacing) {
                inner.clock.set_next(head.header().timestamp.saturating_add(spacing.max(1)));
            }
            let timestamp = inner.clock.next(head.header().timestamp);
            head = self.extend(&head, timestamp, Candidates::Best(self.pool.best()))?;
        }
        Ok(head)
    }

    /// Lets time jump ahead by so many seconds. Gives how far it is ahead of the system's clock.
    pub fn increase_time(&self, seconds: u64) -> i64 {
        self.inner.lock().clock.increase(seconds)
    }

    /// The next block has this time, seconds since the Unix epoch, and time goes on from it.
    pub fn set_next_time(&self, timestamp: u64) -> Result<(), MinerError> {
        let mut inner = self.inner.lock();
        let parent = self.chain.head()?.header().timestamp;
        if timestamp <= parent {
            return Err(MinerError::TimeBackwards { timestamp, parent });
        }
        inner.clock.set_next(timestamp);
        Ok(())
    }

    /// Drops everything that waits, and says how much that was.
    pub fn drop_transactions(&self) -> usize {
        let all = self.pool.by_arrival();
        for transaction in &all {
            self.pool.remove(transaction.hash());
        }
        all.len()
    }

    /// Drops one transaction that waits; whether it was there.
    pub fn drop_transaction(&self, hash: TxHash) -> bool {
        let known = self.pool.get(&hash).is_some();
        self.pool.remove(hash);
        known
    }

    /// Makes a block on the head, which it becomes.
    fn extend(
        &self,
        head: &SealedBlock,
        timestamp: u64,
        candidates: Candidates,
    ) -> Result<Arc<SealedBlock>, MinerError> {
        let fork = self.chain.spec().spec_id(head.number().saturating_add(1), timestamp);
        let attributes = Attributes {
            timestamp,
            // Nobody can foresee it, and two blocks on one parent differ.
            prev_randao: B256::from(rand::random::<[u8; 32]>()),
            fee_recipient: self.config.fee_recipient,
            withdrawals: fork.is_enabled_in(SpecId::SHANGHAI).then(Default::default),
            parent_beacon_block_root: Some(beacon::block_root(self, head)?),
        };
        let built = payload::build(&self.chain, candidates, head, &attributes)?;
        // Before the block is: whoever knows the block finds its blobs.
        self.blobs.put(&built.executed.block, &built.sidecars)?;
        let (sealed, changed) = self.chain.commit(built.executed)?;
        self.pool.on_block(self.chain.pool_head_of(&sealed), changed);
        self.pool.set_blob_rules(BlobRules::at(self.chain.spec(), timestamp));
        self.move_tags()?;
        self.blobs.prune(timestamp.saturating_sub(self.config.blob_retention.as_secs()))?;
        self.chain.announce(Arc::clone(&sealed));
        Ok(sealed)
    }

    /// Lets `safe` and `finalized` follow the head.
    fn move_tags(&self) -> Result<(), MinerError> {
        let heads = self.chain.heads();
        let behind = |lag: u64| -> Result<BlockNumHash, StoreError> {
            let number = heads.unsafe_head.number.saturating_sub(lag);
            let hash = self.chain.block(number)?.ok_or(StoreError::MissingBlock(number))?.hash();
            Ok(BlockNumHash { number, hash })
        };
        let (safe, finalized) = (behind(self.config.safe_lag)?, behind(self.config.finalized_lag)?);
        Ok(self.chain.set_safe(safe, finalized)?)
    }

    /// Makes blocks at the set pace until `shutdown`.
    pub(crate) async fn run(
        self: Arc<Self>,
        shutdown: CancellationToken,
    ) -> Result<(), MinerError> {
        let mut pace = self.pace.subscribe();
        let mut arrivals = self.pool.subscribe();
        let mut last = tokio::time::Instant::now();
        loop {
            let Pace { interval, automine } = *pace.borrow_and_update();
            let due = async {
                match interval {
                    Some(interval) => tokio::time::sleep_until(last + interval).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return Ok(()),
                // It cannot close: the sender is ours.
                _ = pace.changed() => continue,
                () = due => {
                    last = tokio::time::Instant::now();
                    self.pool.expire(std::time::Instant::now());
                }
                arrival = arrivals.recv(), if automine => {
                    if matches!(arrival, Err(RecvError::Closed)) {
                        return Ok(());
                    }
                    // One block for all that came together.
                    arrivals = arrivals.resubscribe();
                }
            }
            let miner = Arc::clone(&self);
            tokio::task::spawn_blocking(move || miner.mine(1, None))
                .await
                .map_err(|_| MinerError::Panicked)??;
        }
    }
}

/// Who is paid for the blocks of [`MinerConfig::default`]: nobody.
pub(crate) const FEE_RECIPIENT: Address = Address::ZERO;

/// Transactions that a block is given, beside the pool.
pub(crate) type Given = Vec<Arc<PoolTransaction>>;
