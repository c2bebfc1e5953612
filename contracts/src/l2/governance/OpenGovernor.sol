// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Governor} from "@openzeppelin/contracts/governance/Governor.sol";
import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";
import {GovernorCountingSimple} from "@openzeppelin/contracts/governance/extensions/GovernorCountingSimple.sol";
import {GovernorPreventLateQuorum} from "@openzeppelin/contracts/governance/extensions/GovernorPreventLateQuorum.sol";
import {GovernorSettings} from "@openzeppelin/contracts/governance/extensions/GovernorSettings.sol";
import {GovernorTimelockControl} from "@openzeppelin/contracts/governance/extensions/GovernorTimelockControl.sol";
import {GovernorVotes} from "@openzeppelin/contracts/governance/extensions/GovernorVotes.sol";
import {
    GovernorVotesQuorumFraction
} from "@openzeppelin/contracts/governance/extensions/GovernorVotesQuorumFraction.sol";

import {GOPEN} from "./GOPEN.sol";
import {OpenTimelock} from "./OpenTimelock.sol";

/// @title OpenGovernor
/// @notice OpenZeppelin's Governor over {GOPEN} and {OpenTimelock}, with two things added. Every setting has bounds in code,
/// which no vote can pass. And a proposal that is not queued or executed in time expires, so the longest way from snapshot to
/// execution is known ({CYCLE_MAX}) and shorter than the shortest notice: votes are locked through execution.
/// @dev It decides on parameters within bounds, on lists (engines, slashers, guardians) and on what the treasury spends. It
/// decides no fact: no vote makes an epoch true, a fault proven or a balance move. Times are Unix seconds.
contract OpenGovernor is
    GovernorSettings,
    GovernorCountingSimple,
    GovernorPreventLateQuorum,
    GovernorVotesQuorumFraction,
    GovernorTimelockControl
{
    /// @notice The shortest delay before a vote, seconds.
    uint256 public constant VOTING_DELAY_MIN = 1 hours;
    /// @notice The longest delay before a vote, seconds.
    uint256 public constant VOTING_DELAY_MAX = 3 days;
    /// @notice The shortest vote, seconds.
    uint256 public constant VOTING_PERIOD_MIN = 3 days;
    /// @notice The longest vote, seconds.
    uint256 public constant VOTING_PERIOD_MAX = 14 days;
    /// Votes. Not so high that the small are kept out, nor so low that proposals are spam.
    uint256 public constant PROPOSAL_THRESHOLD_MIN = 100 ether;
    /// @notice The most votes that a proposer may be asked for.
    uint256 public constant PROPOSAL_THRESHOLD_MAX = 1_000_000 ether;
    /// Percent of all votes.
    uint256 public constant QUORUM_MIN = 2;
    /// @notice The largest quorum, percent.
    uint256 public constant QUORUM_MAX = 20;
    /// @notice The longest extension after a late quorum, seconds.
    uint256 public constant LATE_QUORUM_EXTENSION_MAX = 2 days;
    /// A proposal that succeeded is queued within this time of its end, or expires.
    uint256 public constant QUEUE_GRACE = 3 days;
    /// A proposal that is queued is executed within this time of the end of its delay, or expires.
    uint256 public constant EXECUTION_GRACE = 7 days;
    /// Longest delay of the timelock.
    uint256 public constant TIMELOCK_DELAY_MAX = 7 days;

    /// @notice The setting is outside its bounds.
    /// @param setting Name of the setting.
    /// @param value What was given, in the setting's unit.
    /// @param min The least that is allowed.
    /// @param max The most that is allowed.
    error OpenGovernor_OutOfBounds(string setting, uint256 value, uint256 min, uint256 max);
    /// @notice The shortest notice of votes does not cover the way from snapshot to execution, seconds.
    /// @param notice Shortest notice of the votes, seconds.
    /// @param cycle Seconds of the longest way from snapshot to execution.
    error OpenGovernor_NoticeTooShort(uint256 notice, uint256 cycle);
    /// @notice A governor keeps its timelock: another could wait longer than votes are locked.
    error OpenGovernor_TimelockFixed();

    /// @custom:field proposalThreshold Votes that proposing takes.
    /// @custom:field quorumPercent Part of all votes that must be cast for or abstain.
    struct Settings {
        uint48 votingDelay;
        uint32 votingPeriod;
        uint256 proposalThreshold;
        uint256 quorumPercent;
        uint48 lateQuorumExtension;
    }

    constructor(GOPEN votes, OpenTimelock timelock_, Settings memory s)
        Governor("OpenLedger Governor")
        GovernorSettings(s.votingDelay, s.votingPeriod, s.proposalThreshold)
        GovernorPreventLateQuorum(s.lateQuorumExtension)
        GovernorVotes(votes)
        GovernorVotesQuorumFraction(s.quorumPercent)
        GovernorTimelockControl(timelock_)
    {
        _check("timelock.DELAY_MAX", timelock_.DELAY_MAX(), 0, TIMELOCK_DELAY_MAX);
        // INVARIANT: who could vote still has OPEN locked when it is executed.
        if (votes.noticeMin() <= CYCLE_MAX()) revert OpenGovernor_NoticeTooShort(votes.noticeMin(), CYCLE_MAX());
    }

    /// @notice Longest time from a proposal's snapshot to its execution, seconds, whatever the settings are.
    /// @return Seconds from snapshot to the last moment of execution, at the longest settings.
    function CYCLE_MAX() public pure returns (uint256) {
        return VOTING_PERIOD_MAX + LATE_QUORUM_EXTENSION_MAX + QUEUE_GRACE + TIMELOCK_DELAY_MAX + EXECUTION_GRACE;
    }

    /// @inheritdoc Governor
    function state(uint256 proposalId)
        public
        view
        override(Governor, GovernorTimelockControl)
        returns (ProposalState current)
    {
        current = super.state(proposalId);
        if (current == ProposalState.Succeeded && clock() > proposalDeadline(proposalId) + QUEUE_GRACE) {
            return ProposalState.Expired;
        }
        if (current == ProposalState.Queued && clock() > proposalEta(proposalId) + EXECUTION_GRACE) {
            return ProposalState.Expired;
        }
    }

    /// @notice Refused: a new timelock takes a new governor.
    function updateTimelock(TimelockController) public pure override {
        revert OpenGovernor_TimelockFixed();
    }

    /*//////////////////////////////////////////////////////////////////////////
                                       BOUNDS
    //////////////////////////////////////////////////////////////////////////*/

    function _setVotingDelay(uint48 value) internal override {
        _check("votingDelay", value, VOTING_DELAY_MIN, VOTING_DELAY_MAX);
        super._setVotingDelay(value);
    }

    function _setVotingPeriod(uint32 value) internal override {
        _check("votingPeriod", value, VOTING_PERIOD_MIN, VOTING_PERIOD_MAX);
        super._setVotingPeriod(value);
    }

    function _setProposalThreshold(uint256 value) internal override {
        _check("proposalThreshold", value, PROPOSAL_THRESHOLD_MIN, PROPOSAL_THRESHOLD_MAX);
        super._setProposalThreshold(value);
    }

    function _updateQuorumNumerator(uint256 value) internal override {
        _check("quorum", value, QUORUM_MIN, QUORUM_MAX);
        super._updateQuorumNumerator(value);
    }

    function _setLateQuorumVoteExtension(uint48 value) internal override {
        _check("lateQuorumExtension", value, 0, LATE_QUORUM_EXTENSION_MAX);
        super._setLateQuorumVoteExtension(value);
    }

    function _check(string memory setting, uint256 value, uint256 min, uint256 max) private pure {
        if (value < min || value > max) revert OpenGovernor_OutOfBounds(setting, value, min, max);
    }

    /*//////////////////////////////////////////////////////////////////////////
                                 WHAT SOLIDITY ASKS FOR
    //////////////////////////////////////////////////////////////////////////*/

    /// @notice Votes that a proposer must have.
    /// @return Votes that a proposer needs, its delegators' included.
    function proposalThreshold() public view override(Governor, GovernorSettings) returns (uint256) {
        return super.proposalThreshold();
    }

    /// @notice When voting ends.
    /// @param proposalId Id of the proposal.
    /// @return Unix second at which voting ends.
    function proposalDeadline(uint256 proposalId)
        public
        view
        override(Governor, GovernorPreventLateQuorum)
        returns (uint256)
    {
        return super.proposalDeadline(proposalId);
    }

    /// @notice Whether a proposal goes through the timelock: every one does.
    /// @param proposalId Id of the proposal.
    /// @return True: nothing goes round the timelock.
    function proposalNeedsQueuing(uint256 proposalId)
        public
        view
        override(Governor, GovernorTimelockControl)
        returns (bool)
    {
        return super.proposalNeedsQueuing(proposalId);
    }

    function _tallyUpdated(uint256 proposalId) internal override(Governor, GovernorPreventLateQuorum) {
        super._tallyUpdated(proposalId);
    }

    function _queueOperations(
        uint256 proposalId,
        address[] memory targets,
        uint256[] memory values,
        bytes[] memory calldatas,
        bytes32 descriptionHash
    ) internal override(Governor, GovernorTimelockControl) returns (uint48) {
        return super._queueOperations(proposalId, targets, values, calldatas, descriptionHash);
    }

    function _executeOperations(
        uint256 proposalId,
        address[] memory targets,
        uint256[] memory values,
        bytes[] memory calldatas,
        bytes32 descriptionHash
    ) internal override(Governor, GovernorTimelockControl) {
        super._executeOperations(proposalId, targets, values, calldatas, descriptionHash);
    }

    function _cancel(
        address[] memory targets,
        uint256[] memory values,
        bytes[] memory calldatas,
        bytes32 descriptionHash
    ) internal override(Governor, GovernorTimelockControl) returns (uint256) {
        return super._cancel(targets, values, calldatas, descriptionHash);
    }

    function _executor() internal view override(Governor, GovernorTimelockControl) returns (address) {
        return super._executor();
    }
}
