//! The switch of a batcher that works beside this node, for operators. The node itself posts nothing.

use std::{
    fmt::Debug,
    sync::{Arc, OnceLock},
};

/// A batcher that can be paused.
pub trait Batching: Debug + Send + Sync {
    /// New blocks are posted.
    fn start(&self);
    /// No new blocks are posted; what was sent is still followed.
    fn stop(&self);
    /// Whether new blocks are posted.
    fn is_active(&self) -> bool;
}

/// Why a batcher was not started or stopped, in op-batcher's words where it has some.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BatchingError {
    #[error("no batcher works beside this node")]
    Absent,
    #[error("batcher is already running")]
    Running,
    #[error("batcher is not running")]
    Stopped,
}

/// Holds the batcher once there is one.
#[derive(Debug, Default)]
pub struct BatcherSwitch(OnceLock<Arc<dyn Batching>>);

impl BatcherSwitch {
    /// Puts `batcher` under the operators' hands; the first one stays.
    pub fn connect(&self, batcher: Arc<dyn Batching>) {
        let _ = self.0.set(batcher);
    }

    /// Starts it.
    pub fn start(&self) -> Result<(), BatchingError> {
        let batcher = self.0.get().ok_or(BatchingError::Absent)?;
        if batcher.is_active() {
            return Err(BatchingError::Running);
        }
        batcher.start();
        Ok(())
    }

    /// Stops it.
    pub fn stop(&self) -> Result<(), BatchingError> {
        let batcher = self.0.get().ok_or(BatchingError::Absent)?;
        if !batcher.is_active() {
            return Err(BatchingError::Stopped);
        }
        batcher.stop();
        Ok(())
    }
}
