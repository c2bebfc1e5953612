//! Challenges wrong proposals, decides games when their time has come, moves the anchor, and sees to it
//! that bonds are paid. Nothing here needs a permission: any account with a bond can do it.

use std::time::Duration;

use alloy_eips::BlockNumberOrTag;
use alloy_primitives::Address;
use alloy_provider::Provider;
use alloy_sol_types::SolCall;
use l1::contracts::ProofDisputeGame;
use tokio_util::sync::CancellationToken;

use crate::{
    Game, Games, Judgement, RoleError, SendError, Sender, Verified,
    games::{GameState, Outcome, Progress},
    proposer::ensure_allowance,
    role::{self, OpenGames, Role},
};

/// How a challenger works.
#[derive(Clone, Copy, Debug)]
pub struct ChallengerConfig {
    pub poll: Duration,
}

impl Default for ChallengerConfig {
    fn default() -> Self {
        Self { poll: Duration::from_millis(500) }
    }
}

/// The task that challenges.
pub struct Challenger {
    games: Games,
    verified: Verified,
    sender: Sender,
    config: ChallengerConfig,
    watched: OpenGames,
}

/// What became of the try to settle a game.
enum Settled {
    Whole,
    /// By a transaction.
    OneStep,
    /// For its time.
    Waits,
}

impl Role for Challenger {
    const NAME: &'static str = "challenger";
    const FAILURES: &'static str = "challenger_failures_total";

    fn poll(&self) -> Duration {
        self.config.poll
    }

    async fn step(&mut self) -> Result<(), RoleError> {
        self.sender.settle().await?;
        // While L1 took a transaction, a wrong claim may have come in, which has a deadline.
        while self.round().await? {}
        metrics::gauge!("challenger_open_games").set(self.watched.open.len() as f64);
        Ok(())
    }
}

impl Challenger {
    pub fn new(games: Games, verified: Verified, sender: Sender, config: ChallengerConfig) -> Self {
        Self { games, verified, sender, config, watched: OpenGames::default() }
    }

    /// Watches until `shutdown`.
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), RoleError> {
        role::run(self, shutdown).await
    }

    /// Challenges every wrong claim, then settles games until a transaction was sent for one; false if there was none to send.
    async fn round(&mut self) -> Result<bool, RoleError> {
        self.watched.read_new(&self.games, &self.verified).await?;
        let games: Vec<Game> = self.watched.open.values().copied().collect();
        for game in &games {
            let state = self.games.state(game.address).await?;
            if state.progress == Progress::Unchallenged && !state.over {
                self.examine(game).await?;
            }
        }
        for game in &games {
            // One game that cannot be settled must not keep the others from it.
            match self.settle(game).await {
                Ok(Settled::Whole) => {
                    self.watched.open.remove(&game.index);
                }
                Ok(Settled::OneStep) => return Ok(true),
                Ok(Settled::Waits) => {}
                Err(RoleError::Send(SendError::Refused { what, reason, .. })) => {
                    tracing::debug!(game = %game.address, what, reason, "later");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }

    /// Challenges a wrong claim.
    async fn examine(&self, game: &Game) -> Result<(), RoleError> {
        let Judgement::Wrong(reason) = self.verified.judge(&game.claim).await? else {
            return Ok(());
        };
        tracing::warn!(
            game = %game.address,
            l2_block = game.claim.l2_block,
            claimed = %game.claim.root,
            ?reason,
            proposer = %game.creator,
            "a wrong proposal"
        );
        let bond = self.games.challenger_bond;
        ensure_allowance(&self.games, &self.sender, game.address, bond, bond).await?;
        let call = ProofDisputeGame::challengeCall {};
        let what = format!("challenge the claim of L2 block {}", game.claim.l2_block);
        self.sender.send(&what, game.address, call.abi_encode().into()).await?;
        metrics::counter!("challenger_challenges_total").increment(1);
        Ok(())
    }

    /// Takes the next step towards the end of a game, one transaction at most.
    async fn settle(&self, game: &Game) -> Result<Settled, RoleError> {
        let state = self.games.state(game.address).await?;
        if state.outcome == Outcome::InProgress {
            if !state.over {
                return Ok(Settled::Waits);
            }
            let call = ProofDisputeGame::resolveCall {};
            let what = format!("decide the claim of L2 block {}", game.claim.l2_block);
            self.sender.send(&what, game.address, call.abi_encode().into()).await?;
            return Ok(Settled::OneStep);
        }
        if !state.closed {
            return self.close(game, &state).await;
        }
        self.pay(game, &state).await
    }

    /// Closes a game that is final; that moves the anchor.
    async fn close(&self, game: &Game, state: &GameState) -> Result<Settled, RoleError> {
        let delay = self.games.registry().disputeGameFinalityDelaySeconds().call().await?;
        if self.now().await? <= state.resolved_at.saturating_add(delay.saturating_to()) {
            return Ok(Settled::Waits);
        }
        let call = ProofDisputeGame::closeGameCall {};
        let what = format!("close the game of L2 block {}", game.claim.l2_block);
        self.sender.send(&what, game.address, call.abi_encode().into()).await?;
        Ok(Settled::OneStep)
    }

    /// Has the bonds unlocked, and paid when the vault's delay has passed.
    async fn pay(&self, game: &Game, state: &GameState) -> Result<Settled, RoleError> {
        let contract = self.games.game(game.address);
        let mut settled = Settled::Whole;
        let mut paid: Vec<Address> = Vec::new();
        for recipient in [game.creator, state.challenger, state.prover] {
            if recipient.is_zero() || paid.contains(&recipient) {
                continue;
            }
            paid.push(recipient);
            if contract.credit(recipient).call().await?.is_zero() {
                continue;
            }
            settled = Settled::Waits;
            if contract.hasUnlockedCredit(recipient).call().await? {
                let request =
                    self.games.vault().withdrawals(game.address, recipient).call().await?;
                let delay = self.games.vault().delay().call().await?;
                if self.now().await? < (request.timestamp + delay).saturating_to() {
                    continue;
                }
            }
            let call = ProofDisputeGame::claimCreditCall { recipient };
            let what = format!("pay the bond of the game of L2 block {}", game.claim.l2_block);
            self.sender.send(&what, game.address, call.abi_encode().into()).await?;
            return Ok(Settled::OneStep);
        }
        Ok(settled)
    }

    /// Time of the newest L1 block, seconds since the Unix epoch.
    async fn now(&self) -> Result<u64, RoleError> {
        let latest = self.games.provider.get_block_by_number(BlockNumberOrTag::Latest).await?;
        Ok(latest.map_or(0, |block| block.header.timestamp))
    }
}
