// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {Ownable2Step} from "@openzeppelin/contracts/access/Ownable2Step.sol";

import {IAttributionSettlement} from "../../interfaces/IAttributionSettlement.sol";
import {AttributionSettlement} from "../AttributionSettlement.sol";
import {Staking} from "../Staking.sol";
import {GOPEN} from "./GOPEN.sol";
import {OpenGovernor} from "./OpenGovernor.sol";
import {OpenTimelock} from "./OpenTimelock.sol";

/// @title EconomyParameters
/// @notice Owns the settlement on behalf of governance, and passes on only what keeps the economy's inequalities: whatever a
/// vote decides, stake stays longer than evidence takes, engines agree by majority, and the stakers' share goes to stakers.
/// Its one table, {all}, is every published parameter with its bounds, read from the contracts that live by them; a test
/// compares it with docs/economy.md.
contract EconomyParameters is Ownable2Step {
    /// @notice The platform's largest share in basis points of the fees.
    uint16 public constant PLATFORM_BPS_MAX = 1_500;
    /// @notice The shortest challenge window, seconds.
    uint32 public constant CHALLENGE_WINDOW_MIN = 10 minutes;
    /// Twice this and the report window of faults is under the unbonding time of 21 days.
    uint32 public constant CHALLENGE_WINDOW_MAX = 7 days;
    /// @notice The smallest least bond of an epoch, wei.
    uint128 public constant BOND_MIN_MIN = 0.1 ether;
    /// @notice The largest least bond of an epoch, wei.
    uint128 public constant BOND_MIN_MAX = 1_000_000 ether;

    /// One published parameter: seconds, wei, basis points or percent, as `unit` says. `min` and `max` are equal where it
    /// is fixed in the code.
    struct Parameter {
        string name;
        uint256 value;
        uint256 min;
        uint256 max;
        string unit;
    }

    /// @notice The settlement.
    AttributionSettlement public immutable settlement;
    /// @notice The staking contract.
    Staking public immutable staking;
    /// @notice The vote token.
    GOPEN public immutable votes;
    /// @notice The governor.
    OpenGovernor public immutable governor;
    /// @notice The timelock.
    OpenTimelock public immutable timelock;

    /// @notice The parameter is outside its bounds.
    /// @param name Name of the parameter.
    /// @param value What was given, in the parameter's unit.
    /// @param min The least that is allowed.
    /// @param max The most that is allowed.
    error EconomyParameters_OutOfBounds(string name, uint256 value, uint256 min, uint256 max);
    /// @notice Fewer than a majority of the engines would decide.
    /// @param threshold Engines that would have to sign.
    /// @param engines How many engines there are.
    error EconomyParameters_NoMajority(uint256 threshold, uint256 engines);
    /// @notice The stakers' share must go to the staking contract.
    /// @param stakers Who gets the stakers' share.
    error EconomyParameters_NotStaking(address stakers);

    constructor(
        address owner_,
        AttributionSettlement settlement_,
        Staking staking_,
        GOPEN votes_,
        OpenGovernor governor_,
        OpenTimelock timelock_
    ) Ownable(owner_) {
        settlement = settlement_;
        staking = staking_;
        votes = votes_;
        governor = governor_;
        timelock = timelock_;
    }

    /// @notice Takes over the settlement, once its owner has offered it. Anyone may call it.
    function acceptSettlement() external {
        settlement.acceptOwnership();
    }

    /// @notice Offers the settlement to a successor; only the owner. Bounds of a successor are what governance then votes on.
    /// @param successor Who can accept the settlement's ownership.
    function handOver(address successor) external onlyOwner {
        settlement.transferOwnership(successor);
    }

    /// @notice Sets the settlement's parameters within the bounds; only the owner.
    /// @param p What the settlement is given; each member within its bounds.
    function setParameters(IAttributionSettlement.Parameters calldata p) external onlyOwner {
        _check("settlement.platformBps", p.platformBps, 0, PLATFORM_BPS_MAX);
        _check("settlement.challengeWindow", p.challengeWindow, CHALLENGE_WINDOW_MIN, CHALLENGE_WINDOW_MAX);
        _check("settlement.bondMin", p.bondMin, BOND_MIN_MIN, BOND_MIN_MAX);
        if (p.stakers != address(staking)) revert EconomyParameters_NotStaking(p.stakers);
        _checkMajority(p.threshold, settlement.engineCount());
        settlement.setParameters(p);
    }

    /// @notice Adds or removes an engine; only the owner.
    /// @param engine Address that signs epochs.
    /// @param allowed Whether its signature counts from now on.
    function setEngine(address engine, bool allowed) external onlyOwner {
        settlement.setEngine(engine, allowed);
        (, uint8 threshold,,,,,) = settlement.parameters();
        _checkMajority(threshold, settlement.engineCount());
    }

    /// @notice Every published parameter, as it is now.
    /// @return list The parameters with their bounds.
    function all() external view returns (Parameter[] memory list) {
        (uint16 platformBps,, uint32 challengeWindow, uint128 bondMin,,,) = settlement.parameters();
        list = new Parameter[](16);
        list[0] = Parameter("settlement.platformBps", platformBps, 0, PLATFORM_BPS_MAX, "bp");
        list[1] =
            Parameter("settlement.challengeWindow", challengeWindow, CHALLENGE_WINDOW_MIN, CHALLENGE_WINDOW_MAX, "s");
        list[2] = Parameter("settlement.bondMin", bondMin, BOND_MIN_MIN, BOND_MIN_MAX, "wei");
        list[3] = _fixed("staking.unbonding", staking.unbondingSeconds(), "s");
        list[4] = _fixed("staking.selfStakeMin", staking.selfStakeMin(), "wei");
        list[5] = _fixed("staking.poolFloor", staking.poolFloor(), "wei");
        list[6] = _fixed("staking.poolShareMax", staking.POOL_SHARE_BPS_MAX(), "bp");
        list[7] = _fixed("staking.poolMultipleMax", staking.POOL_MULTIPLE_MAX(), "times");
        list[8] = _fixed("staking.commissionMax", staking.COMMISSION_BPS_MAX(), "bp");
        _governance(list);
    }

    function _governance(Parameter[] memory list) private view {
        OpenGovernor g = governor;
        list[9] = Parameter("governor.votingDelay", g.votingDelay(), g.VOTING_DELAY_MIN(), g.VOTING_DELAY_MAX(), "s");
        list[10] =
            Parameter("governor.votingPeriod", g.votingPeriod(), g.VOTING_PERIOD_MIN(), g.VOTING_PERIOD_MAX(), "s");
        list[11] = Parameter(
            "governor.proposalThreshold",
            g.proposalThreshold(),
            g.PROPOSAL_THRESHOLD_MIN(),
            g.PROPOSAL_THRESHOLD_MAX(),
            "votes"
        );
        list[12] = Parameter("governor.quorum", g.quorumNumerator(), g.QUORUM_MIN(), g.QUORUM_MAX(), "percent");
        list[13] = Parameter(
            "governor.lateQuorumExtension", g.lateQuorumVoteExtension(), 0, g.LATE_QUORUM_EXTENSION_MAX(), "s"
        );
        list[14] = Parameter("timelock.delay", timelock.getMinDelay(), timelock.DELAY_MIN(), timelock.DELAY_MAX(), "s");
        list[15] = _fixed("votes.noticeMin", votes.noticeMin(), "s");
    }

    function _fixed(string memory name, uint256 value, string memory unit) private pure returns (Parameter memory) {
        return Parameter(name, value, value, value, unit);
    }

    function _check(string memory name, uint256 value, uint256 min, uint256 max) private pure {
        if (value < min || value > max) revert EconomyParameters_OutOfBounds(name, value, min, max);
    }

    function _checkMajority(uint256 threshold, uint256 engines) private pure {
        if (threshold * 2 <= engines) revert EconomyParameters_NoMajority(threshold, engines);
    }
}
