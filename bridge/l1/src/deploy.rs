//! Puts OPEN, `SystemConfig`, `OptimismPortal` and the contracts of disputes on an L1, locks the
//! genesis supply of L2 in the portal, and hands OPEN to given accounts. All transactions go out at
//! once with fixed nonces, so a deployment takes a few L1 blocks. The first anchor, the output root
//! of L2's genesis, follows when that is made: [`set_starting_anchor`].

mod ownership;
mod params;

use alloy_eips::{BlockNumHash, BlockNumberOrTag};
use alloy_network::{EthereumWallet, TransactionBuilder};
use alloy_primitives::{Address, B256, Bytes, U256, address, keccak256};
use alloy_provider::{Provider, ProviderBuilder};
use alloy_rpc_types_eth::TransactionRequest;
use alloy_sol_types::{SolCall, SolConstructor};
use primitives::SystemConfig;
use serde_json::Value;

use crate::{
    InclusionError, L1Urls, RoleSigner,
    contracts::{
        AnchorStateRegistry, AttestorVerifier, BondVault, DevnetVerifier, DisputeGameFactory,
        IDisputeGameFactory, IProofDisputeGame, ISystemConfig, L1CrossDomainMessenger,
        L1StandardBridge, Open, OptimismMintableERC20Factory, OptimismPortal, ProofDisputeGame,
        SystemConfigContract,
    },
    inclusion::{included, send_all},
};

pub use ownership::TimelockParams;
pub use params::{AttestorParams, DisputeParams, VerifierParams};

/// Multicall3's address on every chain; viem's withdrawal helpers need it on L1.
pub const MULTICALL3: Address = address!("cA11bde05977b3631167028862bE2a173976CA11");

/// Type of the games on which withdrawals count: the OP Stack's number for proof games.
pub const GAME_TYPE: u32 = 10;

/// What is deployed, and for whom.
#[derive(Clone, Debug)]
pub struct DeployParams {
    /// Owns `SystemConfig`, `DisputeGameFactory` and `AttestorVerifier` where there is no timelock.
    pub owner: Address,
    /// Owns them in the owner's stead.
    pub timelock: Option<TimelockParams>,
    /// Gets what of OPEN is neither locked nor handed out; without one it stays with the deployer.
    pub treasury: Option<Address>,
    /// May pause the portal for a bounded time, declare games void, and replace the keys of batcher and
    /// unsafe blocks.
    pub guardian: Address,
    pub unsafe_block_signer: Address,
    pub l2_chain_id: u64,
    pub system_config: SystemConfig,
    /// Sum of the balances of the L2 genesis, wei; locked in the portal.
    pub genesis_supply: U256,
    /// OPEN to hand out on L1, wei.
    pub grants: Vec<(Address, U256)>,
    pub disputes: DisputeParams,
    /// Runtime code of Multicall3, set where the node allows it (anvil) and the code is missing.
    pub multicall3: Option<Bytes>,
}

/// Where everything is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deployment {
    pub open: Address,
    pub optimism_portal: Address,
    pub system_config: Address,
    pub batch_inbox: Address,
    pub anchor_state_registry: Address,
    pub dispute_game_factory: Address,
    pub bond_vault: Address,
    pub verifier: Address,
    /// Implementation of the games of type [`GAME_TYPE`].
    pub dispute_game: Address,
    pub l1_cross_domain_messenger: Address,
    pub l1_standard_bridge: Address,
    pub optimism_mintable_erc20_factory: Address,
    /// The owner, if it is one.
    pub timelock: Option<Address>,
    /// The L1 block after which L2 starts: everything above is in place in it.
    pub l1_genesis: BlockNumHash,
    /// Seconds since the Unix epoch.
    pub l1_timestamp: u64,
}

/// A deployment that did not happen.
#[derive(Debug, thiserror::Error)]
pub enum DeployError {
    #[error("L1 does not answer: {0}")]
    Transport(#[from] alloy_transport::TransportError),
    #[error("on L1, {0}")]
    Inclusion(#[from] InclusionError),
    #[error("the deployer {0} has no ether on L1 to pay for the deployment")]
    DeployerUnfunded(Address),
    #[error("L1 has no latest block")]
    NoBlock,
    #[error("cannot read what was deployed: {0}")]
    Contract(#[from] alloy_contract::Error),
    /// `pending` is zero where nobody is to become owner.
    #[error("{contract} is owned by {of} (next: {pending}) and should be by {owner} alone")]
    Owner { contract: &'static str, of: Address, pending: Address, owner: Address },
    #[error("the deployer {deployer} has {role} in the timelock")]
    RoleKept { role: &'static str, deployer: Address },
}

/// Conventional inbox address: version byte 0, then 19 bytes of keccak256 of the chain id.
pub fn batch_inbox(l2_chain_id: u64) -> Address {
    let hash = keccak256(B256::from(U256::from(l2_chain_id)));
    let mut bytes = [0_u8; 20];
    bytes[1..].copy_from_slice(&hash[..19]);
    Address::from(bytes)
}

/// Deploys everything and waits until it is in an L1 block.
pub async fn deploy(
    l1: impl Into<L1Urls>,
    deployer: impl Into<RoleSigner>,
    params: &DeployParams,
) -> Result<Deployment, DeployError> {
    let deployer = deployer.into();
    let from = deployer.address();
    let provider = ProviderBuilder::new()
        .wallet(EthereumWallet::from(deployer))
        .connect_client(l1.into().client());
    if provider.get_balance(from).await?.is_zero() {
        return Err(DeployError::DeployerUnfunded(from));
    }
    if let Some(code) = &params.multicall3 {
        install(&provider, MULTICALL3, code).await?;
    }

    // The contracts name each other, so each stands at the address of its place below.
    let first = provider.get_transaction_count(from).pending().await?;
    let open = from.create(first);
    let system_config = from.create(first + 1);
    let optimism_portal = from.create(first + 2);
    let anchor_state_registry = from.create(first + 3);
    let dispute_game_factory = from.create(first + 4);
    let bond_vault = from.create(first + 5);
    let verifier = from.create(first + 6);
    let dispute_game = from.create(first + 7);
    let l1_cross_domain_messenger = from.create(first + 8);
    let l1_standard_bridge = from.create(first + 9);
    let optimism_mintable_erc20_factory = from.create(first + 10);
    let timelock = params.timelock.as_ref().map(|_| from.create(first + 11));
    let owner = timelock.unwrap_or(params.owner);
    let batch_inbox = batch_inbox(params.l2_chain_id);
    let init = ISystemConfig::Init {
        owner,
        optimismPortal: optimism_portal,
        l1CrossDomainMessenger: l1_cross_domain_messenger,
        l1StandardBridge: l1_standard_bridge,
        optimismMintableERC20Factory: optimism_mintable_erc20_factory,
        batchInbox: batch_inbox,
        ..init(params)
    };
    let disputes = &params.disputes;

    let mut steps = vec![
        Step::create(
            "deploy OPEN",
            &Open::BYTECODE,
            Open::constructorCall { holder: from }.abi_encode(),
        ),
        Step::create(
            "deploy SystemConfig",
            &SystemConfigContract::BYTECODE,
            SystemConfigContract::constructorCall { init }.abi_encode(),
        ),
        Step::create(
            "deploy OptimismPortal",
            &OptimismPortal::BYTECODE,
            OptimismPortal::constructorCall {
                token: open,
                config: system_config,
                supply: params.genesis_supply,
                registry: anchor_state_registry,
                maturityDelaySeconds: U256::from(disputes.proof_maturity_delay),
            }
            .abi_encode(),
        ),
        Step::create(
            "deploy AnchorStateRegistry",
            &AnchorStateRegistry::BYTECODE,
            AnchorStateRegistry::constructorCall {
                config: system_config,
                factory: dispute_game_factory,
                gameType: GAME_TYPE,
                finalityDelaySeconds: U256::from(disputes.finality_delay),
            }
            .abi_encode(),
        ),
        Step::create(
            "deploy DisputeGameFactory",
            &DisputeGameFactory::BYTECODE,
            DisputeGameFactory::constructorCall {
                owner,
                token: open,
                configs: vec![IDisputeGameFactory::GameConfig {
                    gameType: GAME_TYPE,
                    implementation: dispute_game,
                    initBond: disputes.proposer_bond,
                }],
            }
            .abi_encode(),
        ),
        Step::create(
            "deploy BondVault",
            &BondVault::BYTECODE,
            BondVault::constructorCall {
                token: open,
                registry: anchor_state_registry,
                delaySeconds: U256::from(disputes.bond_delay),
            }
            .abi_encode(),
        ),
        verifier_step(params, owner, open, anchor_state_registry),
        Step::create(
            "deploy ProofDisputeGame",
            &ProofDisputeGame::BYTECODE,
            ProofDisputeGame::constructorCall {
                init: IProofDisputeGame::Init {
                    gameType: GAME_TYPE,
                    factory: dispute_game_factory,
                    registry: anchor_state_registry,
                    vault: bond_vault,
                    verifier,
                    programId: disputes.program_id,
                    l2ChainId: U256::from(params.l2_chain_id),
                    challengerBond: disputes.challenger_bond,
                    maxChallengeDuration: disputes.challenge_window,
                    maxProveDuration: disputes.prove_window,
                },
            }
            .abi_encode(),
        ),
        Step::create(
            "deploy L1CrossDomainMessenger",
            &L1CrossDomainMessenger::BYTECODE,
            L1CrossDomainMessenger::constructorCall { portal_: optimism_portal }.abi_encode(),
        ),
        Step::create(
            "deploy L1StandardBridge",
            &L1StandardBridge::BYTECODE,
            L1StandardBridge::constructorCall { messenger_: l1_cross_domain_messenger }
                .abi_encode(),
        ),
        Step::create(
            "deploy OptimismMintableERC20Factory",
            &OptimismMintableERC20Factory::BYTECODE,
            OptimismMintableERC20Factory::constructorCall { bridge_: l1_standard_bridge }
                .abi_encode(),
        ),
    ];
    steps.extend(params.timelock.as_ref().map(TimelockParams::step));
    if !params.genesis_supply.is_zero() {
        let approve = Open::approveCall { spender: optimism_portal, value: params.genesis_supply };
        steps.push(Step::call("approve the genesis supply", open, approve.abi_encode()));
        let lock = OptimismPortal::lockGenesisSupplyCall {};
        steps.push(Step::call("lock the genesis supply", optimism_portal, lock.abi_encode()));
    }
    for (to, value) in &params.grants {
        let transfer = Open::transferCall { to: *to, value: *value };
        steps.push(Step::call("hand out OPEN", open, transfer.abi_encode()));
    }

    let steps = (first..).zip(steps);
    let steps = steps
        .map(|(nonce, Step { what, request })| (what, request.with_from(from).with_nonce(nonce)));
    let mut last = BlockNumHash::default();
    for receipt in send_all(&provider, steps.collect()).await? {
        last.number = receipt.block_number.unwrap_or(last.number);
        last.hash = receipt.block_hash.unwrap_or(last.hash);
    }
    let block = provider
        .get_block_by_number(BlockNumberOrTag::Number(last.number))
        .await?
        .ok_or(DeployError::NoBlock)?;
    let deployment = Deployment {
        open,
        optimism_portal,
        system_config,
        batch_inbox,
        anchor_state_registry,
        dispute_game_factory,
        bond_vault,
        verifier,
        dispute_game,
        l1_cross_domain_messenger,
        l1_standard_bridge,
        optimism_mintable_erc20_factory,
        timelock,
        l1_genesis: last,
        l1_timestamp: block.header.timestamp,
    };
    if let Some(treasury) = params.treasury {
        let value = ownership::rest(&provider, open, from).await?;
        let transfer = Open::transferCall { to: treasury, value }.abi_encode();
        let step = Step::call("hand the rest of OPEN to the treasury", open, transfer);
        send(&provider, step).await?;
    }
    let attestors = matches!(params.disputes.verifier, VerifierParams::Attestors(_));
    ownership::check(&provider, &deployment, attestors, owner, from).await?;
    Ok(deployment)
}

/// Sends a step and waits until it is in an L1 block.
async fn send<P: Provider>(l1: &P, step: Step) -> Result<(), DeployError> {
    included(step.what, l1.send_transaction(step.request).await?).await?;
    Ok(())
}

/// Names the output root of L2's genesis as the first anchor. Games can be created from then on.
/// Only the deployer can do this, and only once.
pub async fn set_starting_anchor(
    l1: impl Into<L1Urls>,
    deployer: impl Into<RoleSigner>,
    registry: Address,
    output_root: B256,
    l2_block: u64,
) -> Result<(), DeployError> {
    let wallet = EthereumWallet::from(deployer.into());
    let provider = ProviderBuilder::new().wallet(wallet).connect_client(l1.into().client());
    let call = AnchorStateRegistry::setStartingAnchorCall {
        root: output_root,
        l2SequenceNumber: U256::from(l2_block),
    };
    send(&provider, Step::call("set the first anchor", registry, call.abi_encode())).await
}

fn verifier_step(params: &DeployParams, owner: Address, open: Address, registry: Address) -> Step {
    let attestors = match &params.disputes.verifier {
        VerifierParams::Devnet { executor } => {
            return Step::create(
                "deploy DevnetVerifier",
                &DevnetVerifier::BYTECODE,
                DevnetVerifier::constructorCall { executor_: *executor }.abi_encode(),
            );
        }
        VerifierParams::Attestors(attestors) => attestors,
    };
    // The contract wants them in ascending order.
    let mut set = attestors.attestors.clone();
    set.sort_unstable();
    let init = AttestorVerifier::Init {
        owner,
        open,
        registry,
        minStake: attestors.min_stake,
        unbondingSeconds: U256::from(attestors.unbonding),
        disputeSeconds: U256::from(params.disputes.dispute_seconds()),
        rotationDelay: U256::from(attestors.rotation_delay),
        attestors: set,
        threshold: U256::from(attestors.threshold),
    };
    Step::create(
        "deploy AttestorVerifier",
        &AttestorVerifier::BYTECODE,
        AttestorVerifier::constructorCall { init }.abi_encode(),
    )
}

/// The settings that `params` hold; the addresses of contracts and of a timelock are not among them.
fn init(params: &DeployParams) -> ISystemConfig::Init {
    let config = &params.system_config;
    ISystemConfig::Init {
        owner: params.owner,
        guardian: params.guardian,
        optimismPortal: Address::ZERO,
        l1CrossDomainMessenger: Address::ZERO,
        l1StandardBridge: Address::ZERO,
        optimismMintableERC20Factory: Address::ZERO,
        batchInbox: Address::ZERO,
        batcherHash: config.batcher_address.into_word(),
        unsafeBlockSigner: params.unsafe_block_signer,
        l2ChainId: U256::from(params.l2_chain_id),
        gasLimit: config.gas_limit,
        basefeeScalar: config.base_fee_scalar,
        blobbasefeeScalar: config.blob_base_fee_scalar,
        eip1559Denominator: config.eip1559_denominator,
        eip1559Elasticity: config.eip1559_elasticity,
        operatorFeeScalar: config.operator_fee_scalar,
        operatorFeeConstant: config.operator_fee_constant,
        minBaseFee: config.min_base_fee,
        daFootprintGasScalar: config.da_footprint_gas_scalar,
    }
}

struct Step {
    what: &'static str,
    request: TransactionRequest,
}

impl Step {
    /// Gas is given, not estimated: what a step calls is not deployed yet when it is sent.
    fn create(what: &'static str, code: &Bytes, arguments: Vec<u8>) -> Self {
        let mut input = code.to_vec();
        input.extend_from_slice(&arguments);
        let request =
            TransactionRequest::default().with_deploy_code(input).with_gas_limit(6_000_000);
        Self { what, request }
    }

    fn call(what: &'static str, to: Address, input: Vec<u8>) -> Self {
        let request =
            TransactionRequest::default().with_to(to).with_input(input).with_gas_limit(200_000);
        Self { what, request }
    }
}

/// Sets code on a development node; on any other the missing contract is only reported.
async fn install<P: Provider>(provider: &P, at: Address, code: &Bytes) -> Result<(), DeployError> {
    if !provider.get_code_at(at).await?.is_empty() {
        return Ok(());
    }
    let set = provider.raw_request::<_, Value>("anvil_setCode".into(), (at, code)).await;
    if let Err(error) = set {
        tracing::warn!(
            %error,
            address = %at,
            "L1 lacks Multicall3 and cannot be given it; viem's withdrawal helpers will not work"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inbox_follows_the_convention() {
        let inbox = batch_inbox(16_120);
        assert_eq!(inbox[0], 0);
        let hash = keccak256(U256::from(16_120).to_be_bytes::<32>());
        assert_eq!(&inbox[1..], &hash[..19]);
    }
}
