//! Who holds what after a deployment. With a timelock, nothing stays with the key that deployed: the
//! timelock is the owner from the first block on, and what is left of OPEN goes to the treasury. Read
//! back from L1, not believed.

use alloy_primitives::{Address, B256, U256, keccak256};
use alloy_provider::Provider;
use alloy_sol_types::SolConstructor;

use super::{DeployError, Deployment, Step};
use crate::contracts::{
    AttestorVerifier, DisputeGameFactory, Open, RollupTimelock, SystemConfigContract,
};

/// What stands before the owner's changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimelockParams {
    /// Seconds from scheduling a change to the first moment in which it can be carried out. Can be made
    /// longer later, never shorter.
    pub delay: u64,
    /// May schedule and cancel.
    pub proposers: Vec<Address>,
    /// May carry out what is due; empty: anyone.
    pub executors: Vec<Address>,
}

impl TimelockParams {
    pub(super) fn step(&self) -> Step {
        let executors = match self.executors.is_empty() {
            // OpenZeppelin's sign for anyone.
            true => vec![Address::ZERO],
            false => self.executors.clone(),
        };
        let call = RollupTimelock::constructorCall {
            delay: U256::from(self.delay),
            proposers: self.proposers.clone(),
            executors,
        };
        Step::create("deploy RollupTimelock", &RollupTimelock::BYTECODE, call.abi_encode())
    }
}

/// Roles of OpenZeppelin's `TimelockController`.
fn roles() -> [(&'static str, B256); 4] {
    [
        ("DEFAULT_ADMIN_ROLE", B256::ZERO),
        ("PROPOSER_ROLE", keccak256("PROPOSER_ROLE")),
        ("CANCELLER_ROLE", keccak256("CANCELLER_ROLE")),
        ("EXECUTOR_ROLE", keccak256("EXECUTOR_ROLE")),
    ]
}

/// Reads back who the owners are, that nobody waits to become one, and that the deployer has no role in
/// the timelock.
pub(super) async fn check<P: Provider>(
    l1: &P,
    at: &Deployment,
    attestors: bool,
    owner: Address,
    deployer: Address,
) -> Result<(), DeployError> {
    let config = SystemConfigContract::new(at.system_config, l1);
    let factory = DisputeGameFactory::new(at.dispute_game_factory, l1);
    let mut found = vec![
        ("SystemConfig", config.owner().call().await?, config.pendingOwner().call().await?),
        ("DisputeGameFactory", factory.owner().call().await?, factory.pendingOwner().call().await?),
    ];
    if attestors {
        let verifier = AttestorVerifier::new(at.verifier, l1);
        let pending = verifier.pendingOwner().call().await?;
        found.push(("AttestorVerifier", verifier.owner().call().await?, pending));
    }
    for (contract, of, pending) in found {
        if of != owner || !pending.is_zero() {
            return Err(DeployError::Owner { contract, of, pending, owner });
        }
    }
    let Some(timelock) = at.timelock else { return Ok(()) };
    let timelock = RollupTimelock::new(timelock, l1);
    for (role, hash) in roles() {
        if timelock.hasRole(hash, deployer).call().await? {
            return Err(DeployError::RoleKept { role, deployer });
        }
    }
    Ok(())
}

/// All of the deployer's OPEN.
pub(super) async fn rest<P: Provider>(
    l1: &P,
    open: Address,
    deployer: Address,
) -> Result<U256, DeployError> {
    Ok(Open::new(open, l1).balanceOf(deployer).call().await?)
}
