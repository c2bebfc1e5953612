//! Roots beside execution: what an open block changed so far enters the tries on another thread, so
//! that little is left to hash when the block is sealed, which keeps the next one waiting.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use revm::DatabaseRef;
use stf::{Account, StateChanges, StateDelta};
use store::{StateView, StoreRoots};

/// Changed accounts that are worth a round: each one costs the upper levels of the tries.
const ACCOUNTS_MIN: usize = 512;

/// The changes of an open block that the tries do not have yet.
pub(crate) struct Ahead {
    roots: Arc<StoreRoots>,
    parent: StateView,
    changes: StateChanges,
    /// One round at a time.
    is_running: Arc<AtomicBool>,
}

impl Ahead {
    pub(crate) fn new(roots: StoreRoots, parent: StateView) -> Self {
        let changes = StateChanges::default();
        Self { roots: Arc::new(roots), parent, changes, is_running: Arc::default() }
    }

    /// Computes the block's roots.
    pub(crate) fn roots(&self) -> &StoreRoots {
        &self.roots
    }

    /// Takes note of values that changed, and sends them off if they are many. Needs a tokio runtime.
    pub(crate) fn note(&mut self, delta: &StateDelta) {
        self.changes.take_in(delta);
        if self.changes.accounts.len() >= ACCOUNTS_MIN
            && !self.is_running.swap(true, Ordering::AcqRel)
        {
            let changes = std::mem::take(&mut self.changes);
            let (roots, parent) = (Arc::clone(&self.roots), self.parent.clone());
            let is_running = Arc::clone(&self.is_running);
            tokio::task::spawn_blocking(move || {
                prepare(&roots, &parent, changes);
                is_running.store(false, Ordering::Release);
            });
        }
    }
}

fn prepare(roots: &StoreRoots, parent: &StateView, mut changes: StateChanges) {
    // Touched is not changed: a called contract, for example.
    changes.accounts.retain(|address, change| {
        let before = || parent.basic_ref(*address).ok().flatten().as_ref().map(Account::from);
        !change.storage.is_empty() || before() != change.after
    });
    // The block was sealed or dropped meanwhile, or sealing it will meet the same error.
    if let Err(error) = roots.prepare(&changes) {
        tracing::debug!(%error, "an open block's changes did not enter the tries ahead of it");
    }
}
