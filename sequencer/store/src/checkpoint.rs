//! Brings the database up behind the log, several blocks in one transaction, on a thread of its own.

use std::{
    fmt, fs,
    sync::Arc,
    thread::{self, JoinHandle},
};

use alloy_eips::BlockNumHash;
use parking_lot::{Condvar, Mutex, MutexGuard};
use primitives::Heads;

use crate::{
    StoreError, StoreOptions,
    db::Db,
    failpoint,
    log::BlockLog,
    overlay::{Overlay, Recent},
    read_cache::ReadCache,
    trie_cache::TrieCache,
    write,
};

/// What the thread shares with the store.
pub(crate) struct Checkpoints {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl fmt::Debug for Checkpoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checkpoints").finish_non_exhaustive()
    }
}

struct Shared {
    db: Arc<Db>,
    overlay: Arc<Overlay>,
    log: Arc<Mutex<BlockLog>>,
    trie: Arc<TrieCache>,
    reads: Arc<ReadCache>,
    options: StoreOptions,
    control: Mutex<Control>,
    /// The thread has something to do.
    wake: Condvar,
    /// A checkpoint ended.
    done: Condvar,
    /// Held while the database is written.
    running: Mutex<()>,
}

#[derive(Default)]
struct Control {
    /// Blocks up to this one are waited for.
    wanted: u64,
    stop: bool,
    /// Why there will be no more checkpoints.
    failed: Option<Failure>,
}

#[derive(Clone)]
enum Failure {
    Full,
    Other(String),
}

impl Failure {
    fn error(&self) -> StoreError {
        match self {
            Self::Full => StoreError::Full,
            Self::Other(reason) => StoreError::Checkpoint(reason.clone()),
        }
    }
}

impl Checkpoints {
    pub(crate) fn start(
        db: Arc<Db>,
        overlay: Arc<Overlay>,
        log: Arc<Mutex<BlockLog>>,
        (trie, reads): (Arc<TrieCache>, Arc<ReadCache>),
        options: StoreOptions,
    ) -> Result<Self, StoreError> {
        let shared = Arc::new(Shared {
            db,
            overlay,
            log,
            trie,
            reads,
            options,
            control: Mutex::default(),
            wake: Condvar::new(),
            done: Condvar::new(),
            running: Mutex::default(),
        });
        let own = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("checkpoints".to_owned())
            .spawn(move || own.run())
            .map_err(|error| StoreError::Checkpoint(error.to_string()))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Waits until the lag allows another block.
    pub(crate) fn admit(&self) -> Result<(), StoreError> {
        let shared = &self.shared;
        let mut control = shared.control.lock();
        loop {
            if let Some(failure) = &control.failed {
                return Err(failure.error());
            }
            let (blocks, bytes) = shared.overlay.size();
            if blocks < shared.options.lag_blocks_max && bytes < shared.options.lag_bytes_max {
                return Ok(());
            }
            control.wanted = control.wanted.max(shared.overlay.checkpoint() + 1);
            shared.wake.notify_one();
            shared.done.wait(&mut control);
        }
    }

    /// A block became durable.
    pub(crate) fn notify(&self) {
        if self.shared.is_due() {
            let _control = self.shared.control.lock();
            self.shared.wake.notify_one();
        }
    }

    /// Waits until the database holds the blocks up to `number`, which must be durable.
    pub(crate) fn reach(&self, number: u64) -> Result<(), StoreError> {
        let shared = &self.shared;
        let mut control = shared.control.lock();
        while shared.overlay.checkpoint() < number {
            if let Some(failure) = &control.failed {
                return Err(failure.error());
            }
            control.wanted = control.wanted.max(number);
            shared.wake.notify_one();
            shared.done.wait(&mut control);
        }
        Ok(())
    }

    /// Keeps checkpoints from running.
    pub(crate) fn pause(&self) -> MutexGuard<'_, ()> {
        self.shared.running.lock()
    }

    /// The number of waited-for blocks is void: some are gone.
    pub(crate) fn lower(&self, number: u64) {
        let mut control = self.shared.control.lock();
        control.wanted = control.wanted.min(number);
        self.shared.done.notify_all();
    }
}

impl Drop for Checkpoints {
    fn drop(&mut self) {
        self.shared.control.lock().stop = true;
        self.shared.wake.notify_one();
        if let Some(thread) = self.thread.take() {
            // A panic there was told already; the log has what the database lacks.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn is_due(&self) -> bool {
        let (blocks, bytes) = self.overlay.size();
        blocks >= self.options.checkpoint_blocks || bytes >= self.options.checkpoint_bytes
    }

    fn run(&self) {
        loop {
            {
                let mut control = self.control.lock();
                while !control.stop && control.wanted <= self.overlay.checkpoint() && !self.is_due()
                {
                    self.wake.wait(&mut control);
                }
                if control.stop {
                    return;
                }
            }
            let result = self.checkpoint();
            let mut control = self.control.lock();
            match result {
                Ok(true) => {}
                // Nothing is durable yet: the next block wakes.
                Ok(false) => {
                    if !control.stop {
                        self.wake.wait_for(&mut control, std::time::Duration::from_millis(10));
                    }
                }
                Err(error) => {
                    tracing::error!(%error, "the database cannot follow the log");
                    control.failed = Some(match error {
                        StoreError::Full => Failure::Full,
                        error => Failure::Other(error.to_string()),
                    });
                    self.done.notify_all();
                    return;
                }
            }
            self.done.notify_all();
        }
    }

    /// Writes what is durable; whether there was anything.
    fn checkpoint(&self) -> Result<bool, StoreError> {
        let running = self.running.lock();
        let blocks = self.overlay.durable();
        let Some(last) = blocks.last() else { return Ok(false) };
        let heads = clamped(self.overlay.heads()?, last.shared.block.id());
        self.overlay.checkpoint_begins(last.number());
        step("checkpoint-begun")?;
        let txn = self.db.write()?;
        write::write_blocks(&txn, &blocks)?;
        crate::write_heads(&txn, &heads)?;
        crate::write_log_position(&txn, last.sequence)?;
        step("checkpoint-written")?;
        let reads = self.reads.commit(blocks.iter().map(|block| (block.number(), &block.changes)));
        txn.commit()?;
        reads.finish();
        step("checkpoint-committed")?;
        self.overlay.checkpoint_ends(last.number());
        self.trie.checkpointed(last.number());
        drop(running);
        let covered = self.log.lock().take_covered(last.sequence);
        for path in covered {
            fs::remove_file(&path).map_err(|source| StoreError::Log { path, source })?;
            step("log-segment-removed")?;
        }
        Ok(true)
    }
}

/// Passes a step whose failure is the database's.
fn step(name: &str) -> Result<(), StoreError> {
    failpoint::pass(name).map_err(|_| StoreError::Full)
}

/// The heads as far as the database has their blocks.
fn clamped(heads: Heads, newest: BlockNumHash) -> Heads {
    crate::overlay::lowered(heads, newest)
}

/// The sum of several blocks' trie nodes.
pub(crate) fn merged_nodes(blocks: &[Arc<Recent>]) -> stf::TrieUpdates {
    let mut all = stf::TrieUpdates::default();
    for block in blocks {
        all.merge(&block.roots.updates);
    }
    all
}
