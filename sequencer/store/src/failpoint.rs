//! Named steps at which a test can end the process, or make the disk fail or slow. Which one is read once from
//! the environment; without it each step costs one load of a value that never changes.
//!
//! `OPENLEDGER_FAILPOINT=step` aborts the process, as kill −9 would end it, at the first pass of that
//! step; `step:3` at the third; `step:3:full` makes the step fail as on a full disk instead;
//! `step:3:slow:700` makes it take 700 ms longer, at the third pass and ever after.

use std::{
    io,
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
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
    /// Passes until the first that counts, it included.
    left: AtomicU64,
    fault: Fault,
}

#[derive(Clone, Copy, Debug)]
enum Fault {
    Abort,
    Full,
    /// From then on.
    Slow(Duration),
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
                fault: match (parts.next(), parts.next()) {
                    (Some("full"), _) => Fault::Full,
                    (Some("slow"), Some(millis)) => {
                        Fault::Slow(Duration::from_millis(millis.parse().ok()?))
                    }
                    _ => Fault::Abort,
                },
            })
        })
        .as_ref()
}

/// Passes a step: goes on, at once or late, never returns, or fails as on a full disk.
pub fn pass(step: &str) -> io::Result<()> {
    let Some(armed) = armed() else { return Ok(()) };
    if armed.step != step {
        return Ok(());
    }
    // Ends at zero.
    let left = armed
        .left
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1))
        .unwrap_or(0);
    match (left, armed.fault) {
        (0 | 1, Fault::Slow(late)) => std::thread::sleep(late),
        (1, Fault::Full) => return Err(io::Error::from(io::ErrorKind::StorageFull)),
        // Nothing is flushed, nothing unwinds.
        (1, Fault::Abort) => std::process::abort(),
        _ => {}
    }
    Ok(())
}
