//! Proposes outputs on L1, and proves proposals that are right and were challenged all the same.
//!
//! INVARIANT: nothing is claimed that was not verified, and a claim is made once: the transaction is in
//! the record before it is sent, and whether to propose is decided by the games on L1 alone.

use std::{collections::BTreeMap, time::Duration};

use alloy_primitives::{Address, Bytes, Signature, U256};
use alloy_provider::Provider;
use alloy_sol_types::SolCall;
use l1::{
    contracts::{DisputeGameFactory, Open, ProofDisputeGame},
    deploy::GAME_TYPE,
};
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::{
    Game, Games, Judgement, RoleError, Sender, Verified,
    attestor::{self, AttestationAnswer, AttestationRequest},
    extra_data,
    games::{FROM_ANCHOR, Outcome, Progress},
    role::{self, OpenGames, Role},
};

/// Bonds that the factory may take before it is allowed again.
const BONDS_ALLOWED: u64 = 64;

/// How often and how carefully is proposed.
#[derive(Clone, Debug)]
pub struct ProposerConfig {
    /// L2 blocks between two proposals.
    pub interval: u64,
    /// L1 blocks on top of the data of what is proposed.
    pub confirmations: u64,
    pub poll: Duration,
    /// Where attestors answer; asked when a right proposal is challenged.
    pub attestors: Vec<Url>,
}

impl Default for ProposerConfig {
    fn default() -> Self {
        Self {
            interval: 10,
            confirmations: 0,
            poll: Duration::from_millis(500),
            attestors: Vec::new(),
        }
    }
}

/// The task that proposes.
pub struct Proposer {
    games: Games,
    verified: Verified,
    sender: Sender,
    config: ProposerConfig,
    /// Those that are not decided.
    watched: OpenGames,
    http: reqwest::Client,
}

impl Role for Proposer {
    const NAME: &'static str = "proposer";
    const FAILURES: &'static str = "proposer_failures_total";

    fn poll(&self) -> Duration {
        self.config.poll
    }

    async fn step(&mut self) -> Result<(), RoleError> {
        self.sender.settle().await?;
        let highest = self.look_at_games().await?;
        self.defend().await?;
        self.propose(highest).await
    }
}

impl Proposer {
    pub fn new(games: Games, verified: Verified, sender: Sender, config: ProposerConfig) -> Self {
        let http = reqwest::Client::new();
        Self { games, verified, sender, config, watched: OpenGames::default(), http }
    }

    /// Proposes until `shutdown`.
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), RoleError> {
        role::run(self, shutdown).await
    }

    /// Highest block that is claimed rightly, or final.
    async fn look_at_games(&mut self) -> Result<u64, RoleError> {
        self.watched.read_new(&self.games, &self.verified).await?;
        let (_, mut highest) = self.games.anchor().await?;
        let mut decided = Vec::new();
        for game in self.watched.open.values() {
            let state = self.games.state(game.address).await?;
            match state.outcome {
                Outcome::ChallengerWins => decided.push(game.index),
                Outcome::DefenderWins if game.claim.l2_block <= highest => decided.push(game.index),
                Outcome::DefenderWins => highest = highest.max(game.claim.l2_block),
                Outcome::InProgress => {
                    if self.verified.judge(&game.claim).await? == Judgement::Right {
                        highest = highest.max(game.claim.l2_block);
                    }
                }
            }
        }
        for index in decided {
            self.watched.open.remove(&index);
        }
        Ok(highest)
    }

    async fn propose(&self, highest: u64) -> Result<(), RoleError> {
        let confirmed =
            self.games.provider.get_block_number().await?.saturating_sub(self.config.confirmations);
        let Some((number, output)) = self.verified.ask(|outputs| outputs.newest_at(confirmed))
        else {
            return Ok(());
        };
        if number < highest.saturating_add(self.config.interval) {
            return Ok(());
        }
        let bond = self.games.proposer_bond;
        let ahead = bond.saturating_mul(U256::from(BONDS_ALLOWED));
        ensure_allowance(&self.games, &self.sender, self.games.factory, bond, ahead).await?;
        let call = DisputeGameFactory::createCall {
            gameType: GAME_TYPE,
            rootClaim: output.root,
            extraData: extra_data(number, FROM_ANCHOR),
        };
        let what = format!("propose L2 block {number}");
        let receipt = self.sender.send(&what, self.games.factory, call.abi_encode().into()).await?;
        metrics::counter!("proposer_proposals_total").increment(1);
        metrics::gauge!("proposer_proposed_number").set(number as f64);
        tracing::info!(number, root = %output.root, transaction = %receipt.hash, "proposed");
        Ok(())
    }

    /// Proves what is right and challenged, whoever proposed it: the challenger's bond pays for it.
    async fn defend(&self) -> Result<(), RoleError> {
        if self.config.attestors.is_empty() {
            return Ok(());
        }
        for game in self.watched.open.values() {
            let state = self.games.state(game.address).await?;
            if state.progress != Progress::Challenged
                || state.over
                || self.verified.judge(&game.claim).await? != Judgement::Right
            {
                continue;
            }
            let proof = self.collect(game).await?;
            let call = ProofDisputeGame::proveCall { proof };
            let what = format!("prove L2 block {}", game.claim.l2_block);
            self.sender.send(&what, game.address, call.abi_encode().into()).await?;
            metrics::counter!("proposer_proofs_total").increment(1);
        }
        Ok(())
    }

    /// Signatures of enough attestors, in ascending order of their addresses.
    async fn collect(&self, game: &Game) -> Result<Bytes, RoleError> {
        let verifier = self.games.attestors();
        let needed = verifier.threshold().call().await?.saturating_to::<usize>();
        let digest = attestor::digest_of_game(&self.games, game.address).await?;
        let mut signatures: BTreeMap<Address, Bytes> = BTreeMap::new();
        for url in &self.config.attestors {
            let answer = match self.ask(url, game.address).await {
                Ok(answer) => answer,
                Err(error) => {
                    tracing::warn!(%error, attestor = %url, "an attestor gives no signature");
                    continue;
                }
            };
            let signer = Signature::from_raw(&answer.signature)
                .ok()
                .and_then(|signature| signature.recover_address_from_prehash(&digest).ok());
            match signer {
                Some(signer) if verifier.isActive(signer).call().await? => {
                    signatures.insert(signer, answer.signature);
                }
                _ => tracing::warn!(attestor = %url, "an attestor's signature is worth nothing"),
            }
        }
        if signatures.len() < needed {
            let found = signatures.len();
            return Err(RoleError::TooFewSignatures { game: game.address, found, needed });
        }
        Ok(signatures.into_values().take(needed).flat_map(|signature| signature.to_vec()).collect())
    }

    async fn ask(&self, url: &Url, game: Address) -> Result<AttestationAnswer, reqwest::Error> {
        let request = self.http.post(url.clone()).json(&AttestationRequest { game });
        let answer = request.timeout(Duration::from_secs(10)).send().await?;
        answer.error_for_status()?.json().await
    }
}

/// Lets a contract take a bond, if it may not yet; then it may take `allowed` in all.
pub(crate) async fn ensure_allowance(
    games: &Games,
    sender: &Sender,
    spender: Address,
    needed: U256,
    allowed: U256,
) -> Result<(), RoleError> {
    let account = sender.address();
    let held = games.open().balanceOf(account).call().await?;
    if held < needed {
        return Err(RoleError::Bond { account, held, needed });
    }
    if games.open().allowance(account, spender).call().await? >= needed {
        return Ok(());
    }
    let call = Open::approveCall { spender, value: allowed };
    sender.send("let a bond be taken", games.open, call.abi_encode().into()).await?;
    Ok(())
}
