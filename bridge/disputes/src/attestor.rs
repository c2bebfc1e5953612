//! Signs claims that were verified. A signature is asked for over HTTP, by the game's address; what is
//! signed is read from L1.
//!
//! ```text
//! POST / {"game": "0x…"} -> 200 {"signer": "0x…", "signature": "0x…"} | 409 {"error": "…"}
//! ```

use std::{sync::Arc, time::Duration};

use alloy_primitives::{Address, B256, Bytes, U256, hex};
use alloy_provider::Provider;
use alloy_sol_types::{Eip712Domain, SolCall, SolStruct, SolValue, eip712_domain, sol};
use axum::{Json, Router, extract::State, http::StatusCode, response::IntoResponse, routing::post};
use l1::contracts::AttestorVerifier;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{Games, Judgement, RoleError, Sender, Verified, proposer::ensure_allowance};

sol! {
    /// What attestors sign (`docs/formats/rollup.md`, games).
    struct Attestation {
        bytes32 programId;
        bytes32 l1Head;
        bytes32 startingOutputRoot;
        bytes32 rootClaim;
        uint256 l2SequenceNumber;
        uint256 l2ChainId;
    }
}

/// What a signature is asked for.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct AttestationRequest {
    pub game: Address,
}

/// A signature over a game's public values.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AttestationAnswer {
    pub signer: Address,
    /// `r ‖ s ‖ v`, 65 bytes.
    pub signature: Bytes,
}

/// What was signed, so that one range never gets two.
#[derive(Debug, Serialize, Deserialize)]
struct Signed {
    root_claim: B256,
}

/// How an attestor works.
#[derive(Clone, Copy, Debug)]
pub struct AttestorConfig {
    /// How long a request waits for the verification to reach its claim.
    pub patience: Duration,
}

impl Default for AttestorConfig {
    fn default() -> Self {
        Self { patience: Duration::from_secs(5) }
    }
}

/// The task that signs.
pub struct Attestor {
    games: Games,
    verified: Verified,
    sender: Sender,
    config: AttestorConfig,
}

impl Attestor {
    pub const fn new(
        games: Games,
        verified: Verified,
        sender: Sender,
        config: AttestorConfig,
    ) -> Self {
        Self { games, verified, sender, config }
    }

    /// Stakes what is missing of the least stake, then answers on `listener` until `shutdown`.
    pub async fn run(
        self,
        listener: TcpListener,
        shutdown: CancellationToken,
    ) -> Result<(), RoleError> {
        loop {
            let staked = tokio::select! {
                biased;
                () = shutdown.cancelled() => return Ok(()),
                staked = self.stake() => staked,
            };
            match staked {
                Ok(()) => break,
                Err(error) if error.is_temporary() => {
                    tracing::warn!(%error, "the attestor tries again to stake");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
                Err(error) => return Err(error),
            }
        }
        let router = Router::new().route("/", post(answer)).with_state(Arc::new(self));
        axum::serve(listener, router)
            .with_graceful_shutdown(shutdown.cancelled_owned())
            .await
            .map_err(RoleError::Serve)
    }

    async fn stake(&self) -> Result<(), RoleError> {
        self.sender.settle().await?;
        let account = self.sender.address();
        let verifier = self.games.attestors();
        if !verifier.attestors().call().await?.contains(&account) {
            return Err(RoleError::NotAnAttestor { account, verifier: self.games.verifier });
        }
        let least = verifier.minStake().call().await?;
        let staked = U256::from(verifier.stakeOf(account).call().await?.bonded);
        if staked >= least {
            return Ok(());
        }
        let missing = least - staked;
        let spender = self.games.verifier;
        ensure_allowance(&self.games, &self.sender, spender, missing, missing).await?;
        let call = AttestorVerifier::stakeCall { amount: missing };
        self.sender.send("stake", self.games.verifier, call.abi_encode().into()).await?;
        Ok(())
    }

    /// Signs what the game claims, if it is right. The outer error is ours, the inner the claim's.
    async fn attest(&self, game: Address) -> Result<Result<AttestationAnswer, String>, RoleError> {
        if !self.games.is_registered(game).await? {
            return Ok(Err("the factory did not make this game".to_owned()));
        }
        let read = self.games.read(0, game).await?;
        let start = crate::Claim {
            l2_block: read.start.0,
            root: read.start.1,
            l1_head: read.claim.l1_head,
        };
        let give_up = tokio::time::Instant::now() + self.config.patience;
        loop {
            let judged =
                (self.verified.judge(&start).await?, self.verified.judge(&read.claim).await?);
            match judged {
                (Judgement::Right, Judgement::Right) => break,
                (Judgement::Wrong(reason), _) => {
                    return Ok(Err(format!("the claim starts from a wrong output: {reason:?}")));
                }
                (_, Judgement::Wrong(reason)) => {
                    return Ok(Err(format!("the claim is wrong: {reason:?}")));
                }
                _ if tokio::time::Instant::now() >= give_up => {
                    return Ok(Err("the claim is not yet verified".to_owned()));
                }
                _ => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
        let attestation = attestation_of_game(&self.games, game).await?;
        // INVARIANT: a range from one start at one L1 head gets one signature, also across restarts.
        let range = alloy_primitives::keccak256(
            (
                attestation.l1Head,
                attestation.startingOutputRoot,
                attestation.l2SequenceNumber,
                attestation.l2ChainId,
            )
                .abi_encode(),
        );
        let name = format!("signed-{}.json", hex::encode(range));
        let records = self.sender.records();
        match records.read::<Signed>(&name)? {
            Some(signed) if signed.root_claim != attestation.rootClaim => {
                return Ok(Err(format!("{} was signed for this range", signed.root_claim)));
            }
            Some(_) => {}
            None => records.write(&name, &Signed { root_claim: attestation.rootClaim })?,
        }
        let domain = domain(&self.games).await?;
        let digest = attestation.eip712_signing_hash(&domain);
        let typed_data = attestation_typed_data(&attestation, &domain);
        let signed = self.sender.signer().sign_typed_data(&digest, &typed_data).await;
        let signature = signed.map_err(|source| crate::SendError::Signer {
            account: self.sender.address(),
            source,
        })?;
        metrics::counter!("attestor_signatures_total").increment(1);
        Ok(Ok(AttestationAnswer {
            signer: self.sender.address(),
            signature: signature.as_bytes().into(),
        }))
    }
}

async fn answer(
    State(attestor): State<Arc<Attestor>>,
    Json(request): Json<AttestationRequest>,
) -> impl IntoResponse {
    match attestor.attest(request.game).await {
        Ok(Ok(answer)) => Json(answer).into_response(),
        Ok(Err(reason)) => {
            tracing::info!(game = %request.game, reason, "no signature");
            (StatusCode::CONFLICT, Json(json!({ "error": reason }))).into_response()
        }
        Err(error) => {
            tracing::warn!(game = %request.game, %error, "cannot judge a game");
            let error = json!({ "error": error.to_string() });
            (StatusCode::SERVICE_UNAVAILABLE, Json(error)).into_response()
        }
    }
}

/// What is to be signed for a game.
async fn attestation_of_game(games: &Games, game: Address) -> Result<Attestation, RoleError> {
    let contract = games.game(game);
    Ok(Attestation {
        programId: contract.programId().call().await?,
        l1Head: contract.l1Head().call().await?,
        startingOutputRoot: contract.startingRootHash().call().await?,
        rootClaim: contract.rootClaim().call().await?,
        l2SequenceNumber: contract.l2SequenceNumber().call().await?,
        l2ChainId: contract.l2ChainId().call().await?,
    })
}

/// The EIP-712 digest of an attestation in the verifier's domain.
pub async fn attestation_digest(
    games: &Games,
    attestation: &Attestation,
) -> Result<B256, RoleError> {
    Ok(attestation.eip712_signing_hash(&domain(games).await?))
}

async fn domain(games: &Games) -> Result<Eip712Domain, RoleError> {
    let chain_id = games.provider.get_chain_id().await?;
    Ok(eip712_domain! {
        name: "OpenLedger attestations",
        version: "1",
        chain_id: chain_id,
        verifying_contract: games.verifier,
    })
}

/// An attestation as signers elsewhere take it (`eth_signTypedData`). Large numbers are decimal text.
pub fn attestation_typed_data(attestation: &Attestation, domain: &Eip712Domain) -> Value {
    let field = |(name, kind): &(&str, &str)| json!({ "name": name, "type": kind });
    let fields = |fields: &[(&str, &str)]| fields.iter().map(field).collect::<Vec<_>>();
    json!({
        "types": {
            "EIP712Domain": fields(&[
                ("name", "string"),
                ("version", "string"),
                ("chainId", "uint256"),
                ("verifyingContract", "address"),
            ]),
            "Attestation": fields(&[
                ("programId", "bytes32"),
                ("l1Head", "bytes32"),
                ("startingOutputRoot", "bytes32"),
                ("rootClaim", "bytes32"),
                ("l2SequenceNumber", "uint256"),
                ("l2ChainId", "uint256"),
            ]),
        },
        "primaryType": "Attestation",
        "domain": {
            "name": domain.name,
            "version": domain.version,
            "chainId": domain.chain_id.unwrap_or_default().saturating_to::<u64>(),
            "verifyingContract": domain.verifying_contract,
        },
        "message": {
            "programId": attestation.programId,
            "l1Head": attestation.l1Head,
            "startingOutputRoot": attestation.startingOutputRoot,
            "rootClaim": attestation.rootClaim,
            "l2SequenceNumber": attestation.l2SequenceNumber.to_string(),
            "l2ChainId": attestation.l2ChainId.to_string(),
        },
    })
}

pub(crate) async fn digest_of_game(games: &Games, game: Address) -> Result<B256, RoleError> {
    let kind = games.attestors().verifierType().call().await?;
    if kind != "attestors" {
        return Err(RoleError::OtherVerifier(games.verifier));
    }
    attestation_digest(games, &attestation_of_game(games, game).await?).await
}
