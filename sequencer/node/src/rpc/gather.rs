//! Transactions that come one by one, over many connections: those that arrive at the same time are decoded
//! together, since eight signatures cost little more than two ([`signatures`]).
//!
//! Nobody waits for company that may not come: whoever comes first starts a task, which lets those have their turn
//! whose requests have arrived, and takes what is there as soon as nobody came in such a turn, or all lanes are full.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use alloy_primitives::Bytes;
use parking_lot::Mutex;
use tokio::{sync::oneshot, task::yield_now};

use super::{Api, error::RpcError, submit::Prepared};
use crate::senders::TOGETHER;

/// Transactions that wait for each task at work before another is started.
const WAITING_MAX: usize = 8;
/// Nobody is expected to come together with a transaction before which none came for so long.
const ALONE: Duration = Duration::from_millis(1);

/// What waits to be decoded.
#[derive(Default)]
pub(super) struct Gathering(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    raw: Vec<Bytes>,
    /// Who waits for each.
    answers: Vec<oneshot::Sender<Prepared>>,
    tasks: usize,
    /// When one came last.
    last: Option<Instant>,
}

/// A task at work.
struct Task {
    api: Arc<Api>,
    /// It is no longer counted.
    ended: bool,
}

impl Drop for Task {
    fn drop(&mut self) {
        if !self.ended {
            self.api.gathering.0.lock().tasks -= 1;
        }
    }
}

impl Api {
    /// Decodes one transaction and recovers its sender, with others that come now.
    pub(super) async fn decode_gathered(
        self: &Arc<Self>,
        raw: Bytes,
    ) -> Result<Prepared, RpcError> {
        if !signatures::available() {
            return Ok(self.pool.decode(&raw));
        }
        let (answer, prepared) = oneshot::channel();
        {
            let mut waiting = self.gathering.0.lock();
            let now = Instant::now();
            let before = waiting.last.replace(now);
            if before.is_none_or(|before| now.duration_since(before) > ALONE) {
                drop(waiting);
                return Ok(self.pool.decode(&raw));
            }
            waiting.raw.push(raw);
            waiting.answers.push(answer);
            if waiting.raw.len() > waiting.tasks * WAITING_MAX {
                waiting.tasks += 1;
                tokio::spawn(decode(Task { api: Arc::clone(self), ended: false }));
            }
        }
        prepared.await.map_err(|error| RpcError::internal(&error))
    }
}

async fn decode(mut task: Task) {
    let api = Arc::clone(&task.api);
    loop {
        let mut there = 0;
        loop {
            yield_now().await;
            let now = api.gathering.0.lock().raw.len();
            // The first one of all came before the first turn.
            if now <= there.max(1) || now >= WAITING_MAX {
                break;
            }
            there = now;
        }
        let (raw, answers): (Vec<_>, Vec<_>) = {
            let mut waiting = api.gathering.0.lock();
            if waiting.raw.is_empty() {
                // While nobody can come who would count on this task.
                waiting.tasks -= 1;
                task.ended = true;
                return;
            }
            let count = waiting.raw.len().min(TOGETHER);
            (waiting.raw.drain(..count).collect(), waiting.answers.drain(..count).collect())
        };
        for (answer, prepared) in answers.into_iter().zip(api.pool.decode_all(&raw)) {
            // Whoever gave up does not hear it.
            let _ = answer.send(prepared);
        }
    }
}
