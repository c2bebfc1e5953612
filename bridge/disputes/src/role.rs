//! What the roles that watch games have in common.

use std::{collections::BTreeMap, time::Duration};

use tokio_util::sync::CancellationToken;

use crate::{Game, Games, RoleError, Verified};

/// A task that looks at L1 again and again and does what is to be done.
pub(crate) trait Role {
    /// For logs.
    const NAME: &'static str;
    /// Counts steps that are tried again.
    const FAILURES: &'static str;

    /// Time between two steps.
    fn poll(&self) -> Duration;

    fn step(&mut self) -> impl Future<Output = Result<(), RoleError>> + Send;
}

/// Steps until `shutdown`. A transaction under way is in the record and goes on at the next start.
pub(crate) async fn run<R: Role>(
    mut role: R,
    shutdown: CancellationToken,
) -> Result<(), RoleError> {
    loop {
        let step = tokio::select! {
            biased;
            () = shutdown.cancelled() => return Ok(()),
            step = role.step() => step,
        };
        match step {
            Ok(()) => {}
            Err(error) if error.is_temporary() => {
                metrics::counter!(R::FAILURES).increment(1);
                tracing::warn!(%error, "the {} tries again", R::NAME);
            }
            Err(error) => return Err(error),
        }
        tokio::select! {
            biased;
            () = shutdown.cancelled() => return Ok(()),
            () = tokio::time::sleep(role.poll()) => {}
        }
    }
}

/// Games with something left to do, by their place.
#[derive(Debug, Default)]
pub(crate) struct OpenGames {
    pub(crate) open: BTreeMap<u64, Game>,
    /// Place of the next game to look at.
    next: u64,
    /// Of the verification when the games were read.
    generation: u64,
}

impl OpenGames {
    /// Reads games that are new; all of them once the verification has begun again.
    pub(crate) async fn read_new(
        &mut self,
        games: &Games,
        verified: &Verified,
    ) -> Result<(), RoleError> {
        let generation = verified.generation();
        if generation != self.generation {
            // L1 may have other games now.
            *self = Self { generation, ..Self::default() };
        }
        let count = games.count().await?;
        while self.next < count {
            if let Some(game) = games.at(self.next).await? {
                self.open.insert(game.index, game);
            }
            self.next = self.next.saturating_add(1);
        }
        Ok(())
    }
}
