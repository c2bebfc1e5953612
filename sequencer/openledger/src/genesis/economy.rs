//! The economy's contracts in the genesis: where they stand and what they are constructed with. The
//! published parameters of staking and governance are those of `docs/economy.md`; a test compares.
//!
//! Records are disputed under one engine spec, that of the default model (`service::pinned`); the address of
//! `RecordDispute` is fixed in `AttributionDispute`.

use alloy_primitives::{Address, U256, address};
use alloy_sol_types::{SolValue, sol};
use anyhow::{Context, Result};
use service::pinned;

use super::{GenesisParams, WOPEN};

pub const DATANET_REGISTRY: Address = address!("4f50454E00000000000000000000000000000001");
pub const MODEL_REGISTRY: Address = address!("4f50454E00000000000000000000000000000002");
pub const INFERENCE_ESCROW: Address = address!("4f50454E00000000000000000000000000000003");
pub const ATTRIBUTION_SETTLEMENT: Address = address!("4f50454E00000000000000000000000000000004");
pub const ATTRIBUTION_DISPUTE: Address = address!("4f50454E00000000000000000000000000000005");
pub const SETTLEMENT_LENS: Address = address!("4f50454E00000000000000000000000000000006");
pub const STAKING: Address = address!("4f50454E00000000000000000000000000000007");
pub const ATTESTOR_FAULTS: Address = address!("4f50454E00000000000000000000000000000008");
pub const GOPEN: Address = address!("4f50454E00000000000000000000000000000009");
pub const OPEN_TIMELOCK: Address = address!("4f50454E0000000000000000000000000000000a");
pub const OPEN_GOVERNOR: Address = address!("4f50454E0000000000000000000000000000000b");
pub const ECONOMY_PARAMETERS: Address = address!("4f50454E0000000000000000000000000000000c");
pub const DATANET_GOVERNANCE: Address = address!("4f50454E0000000000000000000000000000000d");
pub const INFERENCE_PAYMENTS: Address = address!("4f50454E0000000000000000000000000000000e");
pub const SPONSOR_POOL: Address = address!("4f50454E0000000000000000000000000000000f");
pub const REVIEWER_POOL: Address = address!("4f50454E00000000000000000000000000000011");
pub const CONTRIBUTION_REVIEW: Address = address!("4f50454E00000000000000000000000000000012");
pub const CONTENT_CHALLENGES: Address = address!("4f50454E00000000000000000000000000000013");
pub const RECORD_DISPUTE: Address = address!("4f50454E00000000000000000000000000000014");
pub const RECORD_FACTS: Address = address!("4f50454E00000000000000000000000000000015");
pub const EPOCH_DISCLOSURE: Address = address!("4f50454E00000000000000000000000000000016");
pub const SURPRISE_FACTS: Address = address!("4f50454E00000000000000000000000000000017");
pub const AGENT_IDENTITY: Address = address!("4f50454E00000000000000000000000000000021");
pub const AGENT_REPUTATION: Address = address!("4f50454E00000000000000000000000000000022");
pub const AGENT_VALIDATION: Address = address!("4f50454E00000000000000000000000000000023");
pub const AGENT_ACCOUNTS: Address = address!("4f50454E00000000000000000000000000000024");

/// Contracts of the economy under the names that users see.
pub const NAMES: [(&str, Address); 26] = [
    ("DatanetRegistry", DATANET_REGISTRY),
    ("ModelRegistry", MODEL_REGISTRY),
    ("InferenceEscrow", INFERENCE_ESCROW),
    ("AttributionSettlement", ATTRIBUTION_SETTLEMENT),
    ("AttributionDispute", ATTRIBUTION_DISPUTE),
    ("SettlementLens", SETTLEMENT_LENS),
    ("Staking", STAKING),
    ("AttestorFaults", ATTESTOR_FAULTS),
    ("GOPEN", GOPEN),
    ("OpenTimelock", OPEN_TIMELOCK),
    ("OpenGovernor", OPEN_GOVERNOR),
    ("EconomyParameters", ECONOMY_PARAMETERS),
    ("DatanetGovernance", DATANET_GOVERNANCE),
    ("InferencePayments", INFERENCE_PAYMENTS),
    ("SponsorPool", SPONSOR_POOL),
    ("ReviewerPool", REVIEWER_POOL),
    ("ContributionReview", CONTRIBUTION_REVIEW),
    ("ContentChallenges", CONTENT_CHALLENGES),
    ("RecordDispute", RECORD_DISPUTE),
    ("RecordFacts", RECORD_FACTS),
    ("EpochDisclosure", EPOCH_DISCLOSURE),
    ("SurpriseFacts", SURPRISE_FACTS),
    ("AgentIdentity", AGENT_IDENTITY),
    ("AgentReputation", AGENT_REPUTATION),
    ("AgentValidation", AGENT_VALIDATION),
    ("AgentAccounts", AGENT_ACCOUNTS),
];

/// 1 OPEN, wei.
const OPEN: u128 = 1_000_000_000_000_000_000;
const DAY: u32 = 86_400;

/// Price of a reviewer's seat: 10 OPEN, wei.
const REVIEWER_SEAT: u128 = 10 * OPEN;
/// Bond of a challenge to content: 0.1 OPEN, wei.
const CHALLENGE_BOND: u128 = OPEN / 10;

/// Longest challenge window that governance may set, and how long a fault can be reported after it,
/// seconds; unbonding is more than twice their sum.
const CHALLENGE_WINDOW_MAX: u32 = 7 * DAY;
const REPORT_WINDOW: u32 = 3 * DAY;
/// What of an attestor's stake a proven fault costs, basis points.
const ATTESTOR_SLASH_BPS: u16 = 5_000;

sol! {
    /// Constructor argument of `AttributionSettlement`.
    struct Parameters {
        uint16 platformBps;
        uint8 threshold;
        uint32 challengeWindow;
        uint128 bondMin;
        address platform;
        address stakers;
        address sink;
    }

    /// Constructor argument of `RecordDispute`, `RecordFacts` and `SurpriseFacts`.
    struct RecordSpec {
        bytes32 engineSpecHash;
        uint32 clusterWeightMax;
        uint32 matchTokensMin;
        uint32 sketchMatchesMin;
        bytes32 vocabularyRoot;
        uint32 vocabularySize;
    }

    struct SlasherInit {
        uint8 role;
        address slasher;
        uint32 faultWindow;
    }

    /// Constructor argument of `Staking`.
    struct StakingInit {
        address owner;
        address guardian;
        address settlement;
        uint32 unbondingSeconds;
        uint128 selfStakeMin;
        uint128 poolFloor;
        SlasherInit[] slashers;
    }

    /// Constructor argument of `OpenGovernor`.
    struct GovernorSettings {
        uint48 votingDelay;
        uint32 votingPeriod;
        uint256 proposalThreshold;
        uint256 quorumPercent;
        uint48 lateQuorumExtension;
    }
}

macro_rules! artifact {
    ($name:literal) => {
        include_str!(concat!("../../../../contracts/artifacts/", $name, ".json"))
    };
}

/// Address, artifact and ABI-encoded constructor arguments of each contract. A contract comes after those
/// that its constructor calls.
pub(super) fn constructions(
    params: &GenesisParams,
) -> Result<Vec<(Address, &'static str, Vec<u8>)>> {
    let economy = &params.economy;
    let spec = pinned::engine_spec();
    let record_spec = RecordSpec {
        engineSpecHash: spec.hash().context("the default model's engine spec has no hash")?,
        clusterWeightMax: spec.credit.cluster_weight_max,
        matchTokensMin: spec.credit.match_tokens_min,
        sketchMatchesMin: spec.cluster.sketch_matches_min,
        vocabularyRoot: pinned::VOCABULARY_ROOT,
        vocabularySize: pinned::VOCABULARY_SIZE,
    };
    let facts = (
        ATTRIBUTION_SETTLEMENT,
        MODEL_REGISTRY,
        DATANET_REGISTRY,
        CONTENT_CHALLENGES,
        record_spec.clone(),
    )
        .abi_encode_params();
    let records = (
        ATTRIBUTION_DISPUTE,
        RECORD_FACTS,
        SURPRISE_FACTS,
        EPOCH_DISCLOSURE,
        ATTRIBUTION_SETTLEMENT,
        MODEL_REGISTRY,
        DATANET_REGISTRY,
        record_spec,
        economy.share_window,
    );
    // What is governed belongs to votes: the settlement to the parameters with their bounds, they to the
    // timelock, that to the governor.
    let settlement = (
        ECONOMY_PARAMETERS,
        MODEL_REGISTRY,
        ATTRIBUTION_DISPUTE,
        economy.challenge_window_min,
        Parameters {
            platformBps: economy.platform_bps,
            threshold: economy.threshold,
            challengeWindow: economy.challenge_window,
            bondMin: economy.bond_min,
            platform: economy.platform,
            stakers: STAKING,
            sink: economy.sink,
        },
        economy.engines.clone(),
    )
        .abi_encode_params();
    let staking = StakingInit {
        owner: OPEN_TIMELOCK,
        guardian: params.governance,
        settlement: ATTRIBUTION_SETTLEMENT,
        unbondingSeconds: 21 * DAY,
        selfStakeMin: 1_000 * OPEN,
        poolFloor: 100_000 * OPEN,
        slashers: vec![SlasherInit {
            // Attestors.
            role: 0,
            slasher: ATTESTOR_FAULTS,
            faultWindow: CHALLENGE_WINDOW_MAX + REPORT_WINDOW,
        }],
    };
    let attestor_faults = (
        ATTRIBUTION_SETTLEMENT,
        STAKING,
        CHALLENGE_WINDOW_MAX,
        REPORT_WINDOW,
        U256::from(ATTESTOR_SLASH_BPS),
    );
    let governor = GovernorSettings {
        votingDelay: U256::from(DAY).to(),
        votingPeriod: 7 * DAY,
        proposalThreshold: U256::from(10_000 * OPEN),
        quorumPercent: U256::from(4),
        lateQuorumExtension: U256::from(DAY).to(),
    };
    let parameters =
        (OPEN_TIMELOCK, ATTRIBUTION_SETTLEMENT, STAKING, GOPEN, OPEN_GOVERNOR, OPEN_TIMELOCK);
    let challenges = (
        DATANET_REGISTRY,
        CONTRIBUTION_REVIEW,
        economy.sink,
        U256::from(CHALLENGE_BOND),
        economy.response_window,
    );
    Ok(vec![
        (DATANET_REGISTRY, artifact!("DatanetRegistry"), (economy.sink,).abi_encode_params()),
        (MODEL_REGISTRY, artifact!("ModelRegistry"), (DATANET_REGISTRY,).abi_encode_params()),
        (
            INFERENCE_ESCROW,
            artifact!("InferenceEscrow"),
            (ATTRIBUTION_SETTLEMENT,).abi_encode_params(),
        ),
        (ATTRIBUTION_SETTLEMENT, artifact!("AttributionSettlement"), settlement),
        (
            ATTRIBUTION_DISPUTE,
            artifact!("AttributionDispute"),
            (ATTRIBUTION_SETTLEMENT,).abi_encode_params(),
        ),
        (
            SETTLEMENT_LENS,
            artifact!("SettlementLens"),
            (ATTRIBUTION_SETTLEMENT, MODEL_REGISTRY).abi_encode_params(),
        ),
        (STAKING, artifact!("Staking"), (staking,).abi_encode_params()),
        (ATTESTOR_FAULTS, artifact!("AttestorFaults"), attestor_faults.abi_encode_params()),
        (GOPEN, artifact!("GOPEN"), (WOPEN, 35 * DAY).abi_encode_params()),
        (OPEN_TIMELOCK, artifact!("OpenTimelock"), (2 * DAY, OPEN_GOVERNOR).abi_encode_params()),
        (
            OPEN_GOVERNOR,
            artifact!("OpenGovernor"),
            (GOPEN, OPEN_TIMELOCK, governor).abi_encode_params(),
        ),
        (ECONOMY_PARAMETERS, artifact!("EconomyParameters"), parameters.abi_encode_params()),
        (
            DATANET_GOVERNANCE,
            artifact!("DatanetGovernance"),
            (DATANET_REGISTRY, ATTRIBUTION_SETTLEMENT).abi_encode_params(),
        ),
        (
            INFERENCE_PAYMENTS,
            artifact!("InferencePayments"),
            (WOPEN, INFERENCE_ESCROW, ATTRIBUTION_SETTLEMENT).abi_encode_params(),
        ),
        (SPONSOR_POOL, artifact!("SponsorPool"), vec![]),
        (
            REVIEWER_POOL,
            artifact!("ReviewerPool"),
            (U256::from(REVIEWER_SEAT), CONTRIBUTION_REVIEW, economy.sink).abi_encode_params(),
        ),
        (
            CONTRIBUTION_REVIEW,
            artifact!("ContributionReview"),
            (DATANET_REGISTRY, REVIEWER_POOL, CONTENT_CHALLENGES, economy.sink).abi_encode_params(),
        ),
        (CONTENT_CHALLENGES, artifact!("ContentChallenges"), challenges.abi_encode_params()),
        (RECORD_FACTS, artifact!("RecordFacts"), facts.clone()),
        (SURPRISE_FACTS, artifact!("SurpriseFacts"), facts),
        (RECORD_DISPUTE, artifact!("RecordDispute"), records.abi_encode_params()),
        (
            EPOCH_DISCLOSURE,
            artifact!("EpochDisclosure"),
            (ATTRIBUTION_SETTLEMENT, RECORD_DISPUTE, MODEL_REGISTRY).abi_encode_params(),
        ),
        (AGENT_IDENTITY, artifact!("AgentIdentity"), vec![]),
        (AGENT_REPUTATION, artifact!("AgentReputation"), (AGENT_IDENTITY,).abi_encode_params()),
        (AGENT_VALIDATION, artifact!("AgentValidation"), (AGENT_IDENTITY,).abi_encode_params()),
        (
            AGENT_ACCOUNTS,
            artifact!("AgentAccounts"),
            (AGENT_IDENTITY, INFERENCE_ESCROW).abi_encode_params(),
        ),
    ])
}

/// What constructors create: the account that agents' accounts are clones of.
pub(super) fn created() -> [Address; 1] {
    [AGENT_ACCOUNTS.create(1)]
}
