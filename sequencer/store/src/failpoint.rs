//! Named steps at which a test can end the process or make the disk fail. Which one is read once from
//! the environment; without it each step costs one load of a value that never changes.
//!
//! `OPENLEDGER_FAILPOINT=step` aborts the process, as kill −9 would end it, at the first pass of that
//! step; `step:3` at the third; `step:3:full` makes the step fail as on a full disk instead.

use std::{
    io,
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

/// Names the step, its pass and what happens there.
pub const VARIABLE: &str = "OPENLEDGER_FAILPOINT";

/// Every step there is, in the order in which a block passes them.
pub const STEPS: [&str; 13] = [
    "block-executed",
    "log-before-append",
    "log-half-appended",
    "log-appended",
    "log-synced",
    "block-durable",
    "checkpoint-begun",
    "checkpoint-written",
    "checkpoint-committed",
    "log-segment-created",
    "log-segment-removed",
    "unwind-logged",
    "unwind-committed",
];

#[derive(Debug)]
struct Armed {
    step: String,
    left: AtomicU64,
    full: bool,
}

static ARMED: OnceLock<Option<Armed>> = OnceLock::new();

fn armed() -> Option<&'static Armed> {
    ARMED
        .get_or_init(|| {
            let value = std::env::var(VARIABLE).ok()?;
            let mut parts = value.split(':');
            Some(Armed {
                step: parts.next()?.to_owned(),
                left: parts.next().and_then(|pass| pass.parse().ok()).unwrap_or(1).into(),
                full: parts.next() == Some("full"),
            })
        })
        .as_ref()
}

/// Passes a step: goes on, never returns, or fails as on a full disk.
pub fn pass(step: &str) -> io::Result<()> {
    let Some(armed) = armed() else { return Ok(()) };
    if armed.step != step || armed.left.fetch_sub(1, Ordering::Relaxed) != 1 {
        return Ok(());
    }
    if armed.full {
        return Err(io::Error::from(io::ErrorKind::StorageFull));
    }
    // Nothing is flushed, nothing unwinds.
    std::process::abort()
}
