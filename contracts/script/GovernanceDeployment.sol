// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IAttributionSettlement} from "../src/interfaces/IAttributionSettlement.sol";
import {IStaking} from "../src/interfaces/IStaking.sol";
import {AttestorFaults} from "../src/l2/AttestorFaults.sol";
import {AttributionSettlement} from "../src/l2/AttributionSettlement.sol";
import {Staking} from "../src/l2/Staking.sol";
import {EconomyParameters} from "../src/l2/governance/EconomyParameters.sol";
import {GOPEN} from "../src/l2/governance/GOPEN.sol";
import {OpenGovernor} from "../src/l2/governance/OpenGovernor.sol";
import {OpenTimelock} from "../src/l2/governance/OpenTimelock.sol";
import {WOPEN} from "../src/l2/predeploys/WOPEN.sol";

/// @title GovernanceDeployment
/// @notice Puts staking and governance in place with the published parameters. Each contract has its others as immutables,
/// so addresses are foretold: `deployer` makes nothing else in between. What it deploys, it does not own.
library GovernanceDeployment {
    uint48 internal constant VOTING_DELAY = 1 days;
    uint32 internal constant VOTING_PERIOD = 7 days;
    uint256 internal constant PROPOSAL_THRESHOLD = 10_000 ether;
    uint256 internal constant QUORUM_PERCENT = 4;
    uint48 internal constant LATE_QUORUM_EXTENSION = 1 days;
    uint256 internal constant TIMELOCK_DELAY = 2 days;
    uint32 internal constant NOTICE_MIN = 35 days;

    uint32 internal constant UNBONDING = 21 days;
    uint128 internal constant SELF_STAKE_MIN = 1_000 ether;
    uint128 internal constant POOL_FLOOR = 100_000 ether;
    uint32 internal constant CHALLENGE_WINDOW_MAX = 7 days;
    uint32 internal constant REPORT_WINDOW = 3 days;
    uint16 internal constant ATTESTOR_SLASH_BPS = 5_000;

    struct Deployment {
        Staking staking;
        AttestorFaults faults;
        GOPEN votes;
        OpenTimelock timelock;
        OpenGovernor governor;
        EconomyParameters parameters;
    }

    /// @param addresses Where the six contracts will be, in the order of {Deployment}: the caller's next six CREATEs.
    function deploy(AttributionSettlement settlement, WOPEN wopen, address guardian, address[6] memory addresses)
        internal
        returns (Deployment memory d)
    {
        IStaking.Init memory init;
        init.owner = addresses[3];
        init.guardian = guardian;
        init.settlement = address(settlement);
        init.unbondingSeconds = UNBONDING;
        init.selfStakeMin = SELF_STAKE_MIN;
        init.poolFloor = POOL_FLOOR;
        init.slashers = new IStaking.SlasherInit[](1);
        init.slashers[0] =
            IStaking.SlasherInit(IStaking.Role.Attestor, addresses[1], CHALLENGE_WINDOW_MAX + REPORT_WINDOW);
        d.staking = new Staking(init);
        d.faults = new AttestorFaults(
            IAttributionSettlement(address(settlement)),
            d.staking,
            CHALLENGE_WINDOW_MAX,
            REPORT_WINDOW,
            ATTESTOR_SLASH_BPS
        );
        d.votes = new GOPEN(wopen, NOTICE_MIN);
        d.timelock = new OpenTimelock(TIMELOCK_DELAY, addresses[4]);
        d.governor = new OpenGovernor(
            d.votes,
            d.timelock,
            OpenGovernor.Settings({
                votingDelay: VOTING_DELAY,
                votingPeriod: VOTING_PERIOD,
                proposalThreshold: PROPOSAL_THRESHOLD,
                quorumPercent: QUORUM_PERCENT,
                lateQuorumExtension: LATE_QUORUM_EXTENSION
            })
        );
        d.parameters =
            new EconomyParameters(address(d.timelock), settlement, d.staking, d.votes, d.governor, d.timelock);
    }
}
