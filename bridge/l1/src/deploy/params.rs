//! Windows, bonds and the verifier of a deployment's disputes.

use alloy_primitives::{Address, B256, U256, keccak256};

/// Windows and bonds of withdrawals and disputes; times are in seconds, bonds in wei of OPEN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DisputeParams {
    /// From the proof of a withdrawal to carrying it out.
    pub proof_maturity_delay: u64,
    /// From the decision of a game to its finality.
    pub finality_delay: u64,
    pub challenge_window: u64,
    pub prove_window: u64,
    /// From asking for a bond to getting it.
    pub bond_delay: u64,
    pub proposer_bond: U256,
    pub challenger_bond: U256,
    /// Program that claims are proven with.
    pub program_id: B256,
    pub verifier: VerifierParams,
}

/// What decides a game that was challenged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VerifierParams {
    /// The word of one key; the contract refuses to be on any but a development network.
    Devnet { executor: Address },
    /// The signatures of a majority of staked attestors.
    Attestors(AttestorParams),
}

/// Times are in seconds, the stake in wei of OPEN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttestorParams {
    pub attestors: Vec<Address>,
    /// How many must sign; more than half.
    pub threshold: u64,
    pub min_stake: U256,
    /// From asking for a stake to getting it. More than twice the longest dispute.
    pub unbonding: u64,
    /// From naming another set to its taking over.
    pub rotation_delay: u64,
}

impl DisputeParams {
    /// Seconds instead of days.
    pub fn devnet(verifier: VerifierParams) -> Self {
        Self {
            proof_maturity_delay: 4,
            finality_delay: 2,
            challenge_window: 10,
            prove_window: 20,
            bond_delay: 2,
            proposer_bond: open(10),
            challenger_bond: open(10),
            program_id: program_id(),
            verifier,
        }
    }

    /// The windows of a public chain (L2-FACTS of the OP Stack's: 7 days of maturity, 3.5 days of
    /// airgap).
    pub fn public(verifier: VerifierParams) -> Self {
        const DAY: u64 = 86_400;
        Self {
            proof_maturity_delay: 7 * DAY,
            finality_delay: 7 * DAY / 2,
            challenge_window: 7 * DAY / 2,
            prove_window: 3 * DAY,
            bond_delay: 7 * DAY,
            proposer_bond: open(1_000),
            challenger_bond: open(1_000),
            program_id: program_id(),
            verifier,
        }
    }

    /// Longest time from a proposal to its finality, seconds.
    pub const fn dispute_seconds(&self) -> u64 {
        self.challenge_window + self.prove_window + self.finality_delay
    }
}

impl AttestorParams {
    /// A bare majority with little at stake.
    pub fn devnet(attestors: Vec<Address>) -> Self {
        let threshold = attestors.len() as u64 / 2 + 1;
        Self { attestors, threshold, min_stake: open(10), unbonding: 120, rotation_delay: 60 }
    }
}

/// Wei of whole tokens.
fn open(tokens: u64) -> U256 {
    U256::from(tokens) * U256::from(10).pow(U256::from(18))
}

/// Names the state transition that claims are held to.
fn program_id() -> B256 {
    keccak256("openledger stf 1")
}
