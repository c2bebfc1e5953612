// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IGovernor} from "@openzeppelin/contracts/governance/IGovernor.sol";
import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";
import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";

import {IAttributionSettlement} from "../../../src/interfaces/IAttributionSettlement.sol";
import {IGOPEN} from "../../../src/interfaces/IGOPEN.sol";
import {EconomyParameters} from "../../../src/l2/governance/EconomyParameters.sol";
import {GOPEN} from "../../../src/l2/governance/GOPEN.sol";
import {OpenGovernor} from "../../../src/l2/governance/OpenGovernor.sol";
import {OpenTimelock} from "../../../src/l2/governance/OpenTimelock.sol";
import {WOPEN} from "../../../src/l2/predeploys/WOPEN.sol";
import {Errors} from "../../../src/libraries/Errors.sol";
import {GovernanceTest} from "../../utils/GovernanceTest.sol";

contract GovernanceUnitTest is GovernanceTest {
    uint32 private constant YEAR = 365 days;
    bytes32 private constant PERMIT =
        keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)");

    // Votes

    function test_RevertWhen_LockRefused() external {
        vm.expectRevert(Errors.ZeroAddress.selector);
        new GOPEN(WOPEN(payable(address(0))), 1 days);
        vm.expectPartialRevert(IGOPEN.GOPEN_NoticeOutOfBounds.selector);
        new GOPEN(wopen, 0);
        vm.expectPartialRevert(IGOPEN.GOPEN_NoticeOutOfBounds.selector);
        new GOPEN(wopen, 730 days + 1);
        vm.deal(alice, 10 ether);
        vm.startPrank(alice);
        vm.expectRevert(IGOPEN.GOPEN_AmountZero.selector);
        votes.lockNative(YEAR);
        vm.expectRevert(IGOPEN.GOPEN_AmountZero.selector);
        votes.raiseNotice(YEAR);
        vm.expectRevert(abi.encodeWithSelector(IGOPEN.GOPEN_NoticeOutOfBounds.selector, 35 days - 1, 35 days, 730 days));
        votes.lockNative{value: 1 ether}(35 days - 1);
        vm.expectPartialRevert(IGOPEN.GOPEN_NoticeOutOfBounds.selector);
        votes.lockNative{value: 1 ether}(730 days + 1);
        votes.lockNative{value: 1 ether}(YEAR);
        vm.expectPartialRevert(IGOPEN.GOPEN_NoticeOutOfBounds.selector);
        votes.lockNative{value: 1 ether}(YEAR - 1);
        vm.expectPartialRevert(IGOPEN.GOPEN_NoticeOutOfBounds.selector);
        votes.raiseNotice(YEAR - 1);
    }

    function testFuzz_VotesByAmountAndNotice(uint128 amount, uint32 notice, uint32 longer) external {
        amount = uint128(bound(amount, 1, 1e9 ether));
        notice = uint32(bound(notice, 35 days, 730 days));
        longer = uint32(bound(longer, notice, 730 days));
        lockAs(alice, amount, notice);
        assertEq(votes.getVotes(alice), uint256(amount) * notice / 730 days);
        vm.warp(vm.getBlockTimestamp() + 10);
        vm.prank(alice);
        votes.raiseNotice(longer);
        uint256 now_ = vm.getBlockTimestamp();
        assertEq(votes.getVotes(alice), uint256(amount) * longer / 730 days);
        vm.warp(now_ + 1);
        assertEq(votes.getPastVotes(alice, now_ - 1), uint256(amount) * notice / 730 days);
        assertEq(votes.getPastTotalSupply(now_), votes.getVotes(alice));
        assertEq(votes.balanceOf(alice), amount);
        assertEq(votes.totalSupply(), amount);
        assertEq(votes.noticeOf(alice), longer);
        assertEq(wopen.balanceOf(address(votes)), amount);
    }

    function test_LocksWithApprovals() external {
        vm.deal(customer, 10 ether);
        vm.startPrank(customer);
        wopen.deposit{value: 10 ether}();
        wopen.approve(address(votes), 4 ether);
        votes.lock(4 ether, YEAR);
        vm.stopPrank();
        uint256 deadline = vm.getBlockTimestamp();
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(customerKey, permitDigest(6 ether, deadline));
        // Somebody uses the approval first; the lock goes through all the same.
        wopen.permit(customer, address(votes), 6 ether, deadline, v, r, s);
        vm.prank(customer);
        votes.lockWithPermit(6 ether, YEAR, deadline, v, r, s);
        assertEq(votes.getVotes(customer), 5 ether);
        vm.prank(customer);
        vm.expectRevert();
        votes.lockWithPermit(1 ether, YEAR, deadline, v, r, s);
    }

    function permitDigest(uint256 value, uint256 deadline) private view returns (bytes32) {
        bytes32 hash = keccak256(abi.encode(PERMIT, customer, votes, value, wopen.nonces(customer), deadline));
        return keccak256(abi.encodePacked("\x19\x01", wopen.DOMAIN_SEPARATOR(), hash));
    }

    function test_AskingBackTakesVotesAtOnce() external {
        lockAs(alice, 10 ether, YEAR);
        vm.startPrank(alice);
        vm.expectRevert(IGOPEN.GOPEN_AmountZero.selector);
        votes.requestUnlock(0);
        vm.expectRevert(abi.encodeWithSelector(IGOPEN.GOPEN_LockedInsufficient.selector, 10 ether, 10 ether + 1));
        votes.requestUnlock(10 ether + 1);
        uint256 id = votes.requestUnlock(10 ether);
        assertEq(votes.getVotes(alice), 0);
        assertEq(votes.totalSupply(), 0);
        vm.warp(vm.getBlockTimestamp() + YEAR - 1);
        vm.expectPartialRevert(IGOPEN.GOPEN_NoticeRuns.selector);
        votes.unlock(id, alice);
        vm.warp(vm.getBlockTimestamp() + 1);
        vm.startPrank(mallory);
        vm.expectPartialRevert(IGOPEN.GOPEN_NotUnlockOwner.selector);
        votes.unlock(id, mallory);
        vm.startPrank(alice);
        votes.unlock(id, bob);
        assertEq(wopen.balanceOf(bob), 10 ether);
        vm.expectPartialRevert(IGOPEN.GOPEN_NotUnlockOwner.selector);
        votes.unlock(id, bob);
        vm.stopPrank();
        // With nothing locked, a shorter notice is a new beginning.
        lockAs(alice, 1 ether, 35 days);
        assertEq(votes.noticeOf(alice), 35 days);
    }

    function test_NoPhantomFunctions() external {
        bytes[4] memory calls = [
            abi.encodeWithSignature("transfer(address,uint256)", bob, 0),
            abi.encodeWithSignature("approve(address,uint256)", bob, 0),
            abi.encodeWithSignature(
                "permit(address,address,uint256,uint256,uint8,bytes32,bytes32)", bob, bob, 0, 0, 0, 0, 0
            ),
            bytes("")
        ];
        for (uint256 i; i < 4; ++i) {
            (bool ok,) = address(votes).call(calls[i]);
            assertFalse(ok);
        }
        assertEq(votes.CLOCK_MODE(), "mode=timestamp");
        assertEq(votes.clock(), vm.getBlockTimestamp());
    }

    function test_DelegatesVotesAndNotTokens() external {
        lockAs(alice, 10 ether, 730 days);
        vm.prank(alice);
        votes.delegate(bob);
        assertEq(votes.getVotes(bob), 10 ether);
        lockAs(alice, 1 ether, 730 days);
        assertEq(votes.getVotes(bob), 11 ether);
        vm.prank(alice);
        votes.requestUnlock(11 ether);
        assertEq(votes.getVotes(bob), 0);
    }

    // Bounds

    function settings() private pure returns (OpenGovernor.Settings memory) {
        return OpenGovernor.Settings(1 days, 7 days, 10_000 ether, 4, 1 days);
    }

    function test_RevertWhen_DeployedOutOfBounds() external {
        OpenGovernor.Settings[9] memory s;
        for (uint256 i; i < 9; ++i) {
            s[i] = settings();
        }
        s[0].votingDelay = 1 hours - 1;
        s[1].votingDelay = 3 days + 1;
        s[2].votingPeriod = 3 days - 1;
        s[3].votingPeriod = 14 days + 1;
        s[4].proposalThreshold = 100 ether - 1;
        s[5].proposalThreshold = 1_000_000 ether + 1;
        s[6].quorumPercent = 1;
        s[7].quorumPercent = 21;
        s[8].lateQuorumExtension = 2 days + 1;
        for (uint256 i; i < 9; ++i) {
            vm.expectPartialRevert(OpenGovernor.OpenGovernor_OutOfBounds.selector);
            new OpenGovernor(votes, timelock, s[i]);
        }
        GOPEN hasty = new GOPEN(wopen, 33 days);
        vm.expectRevert(abi.encodeWithSelector(OpenGovernor.OpenGovernor_NoticeTooShort.selector, 33 days, 33 days));
        new OpenGovernor(hasty, timelock, settings());
        vm.mockCall(address(timelock), abi.encodeCall(timelock.DELAY_MAX, ()), abi.encode(7 days + 1));
        vm.expectPartialRevert(OpenGovernor.OpenGovernor_OutOfBounds.selector);
        new OpenGovernor(votes, timelock, settings());
        vm.expectPartialRevert(OpenTimelock.OpenTimelock_DelayOutOfBounds.selector);
        new OpenTimelock(1 days - 1, address(governor));
        vm.expectPartialRevert(OpenTimelock.OpenTimelock_DelayOutOfBounds.selector);
        new OpenTimelock(7 days + 1, address(governor));
    }

    function test_NoVotePassesTheBounds() external {
        lockAs(alice, 1e6 ether, 730 days);
        vm.warp(vm.getBlockTimestamp() + 1);
        bytes[5] memory calls = [
            abi.encodeCall(governor.setVotingPeriod, (15 days)),
            abi.encodeCall(governor.setVotingDelay, (0)),
            abi.encodeCall(governor.setProposalThreshold, (1e9 ether)),
            abi.encodeCall(governor.updateQuorumNumerator, (50)),
            abi.encodeCall(governor.updateTimelock, (TimelockController(payable(address(1)))))
        ];
        for (uint256 i; i < 5; ++i) {
            pass(address(governor), calls[i]);
            vm.expectRevert();
            this.executeOutside(address(governor), calls[i]);
        }
        bytes memory call = abi.encodeCall(timelock.updateDelay, (30 days));
        pass(address(timelock), call);
        vm.expectPartialRevert(OpenTimelock.OpenTimelock_DelayOutOfBounds.selector);
        this.executeOutside(address(timelock), call);
        call = abi.encodeCall(governor.setVotingPeriod, (10 days));
        pass(address(governor), call);
        execute(address(governor), call);
        assertEq(governor.votingPeriod(), 10 days);
    }

    function executeOutside(address target, bytes calldata call) external {
        execute(target, call);
    }

    // Proposals

    function test_RevertWhen_ProposerHasTooFewVotes() external {
        lockAs(alice, 10_000 ether - 1, 730 days);
        vm.warp(vm.getBlockTimestamp() + 1);
        (address[] memory targets, uint256[] memory values, bytes[] memory calls) = actions(address(1), "");
        vm.expectPartialRevert(IGovernor.GovernorInsufficientProposerVotes.selector);
        vm.prank(alice);
        governor.propose(targets, values, calls, "");
    }

    /// @dev Only its proposer takes a proposal back, and only before anybody can vote on it.
    function test_ProposersTakeBack() external {
        lockAs(alice, 1e6 ether, 730 days);
        vm.warp(vm.getBlockTimestamp() + 1);
        bytes memory call = abi.encodeCall(staking.setGuardian, (bob));
        (address[] memory targets, uint256[] memory values, bytes[] memory calls) = actions(address(staking), call);
        bytes32 hash = keccak256("mistaken");
        vm.prank(alice);
        uint256 id = governor.propose(targets, values, calls, "mistaken");
        assertTrue(governor.proposalNeedsQueuing(id));
        vm.prank(bob);
        vm.expectPartialRevert(IGovernor.GovernorUnableToCancel.selector);
        governor.cancel(targets, values, calls, hash);
        vm.prank(alice);
        governor.cancel(targets, values, calls, hash);
        assertEq(uint8(governor.state(id)), uint8(IGovernor.ProposalState.Canceled));
        vm.warp(governor.proposalSnapshot(id) + 1);
        vm.prank(alice);
        vm.expectPartialRevert(IGovernor.GovernorUnexpectedProposalState.selector);
        governor.castVote(id, 1);

        hash = keccak256("meant");
        vm.prank(alice);
        id = governor.propose(targets, values, calls, "meant");
        vm.warp(governor.proposalSnapshot(id) + 1);
        vm.prank(alice);
        vm.expectPartialRevert(IGovernor.GovernorUnableToCancel.selector);
        governor.cancel(targets, values, calls, hash);
    }

    /// @dev Whoever asks for OPEN back as soon as the vote can no longer be taken from them, still has it locked when the
    /// proposal is carried out, even at the last moment of the slowest way.
    function test_VotesAreLockedThroughExecution() external {
        lockAs(alice, 100_000 ether, 35 days * 10);
        lockAs(bob, 100_000 ether, 35 days);
        vm.warp(vm.getBlockTimestamp() + 1);
        IAttributionSettlement.Parameters memory p = defaultParameters();
        (p.stakers, p.platformBps) = (address(staking), 700);
        bytes memory call = abi.encodeCall(parameters.setParameters, (p));
        (address[] memory targets, uint256[] memory values, bytes[] memory calls) = actions(address(parameters), call);
        vm.prank(alice);
        uint256 id = governor.propose(targets, values, calls, "change");
        vm.warp(governor.proposalSnapshot(id) + 1);
        vm.startPrank(bob);
        uint256 unlockId = votes.requestUnlock(100_000 ether);
        governor.castVote(id, 1);
        vm.stopPrank();
        vm.prank(alice);
        governor.castVote(id, 1);
        vm.warp(governor.proposalDeadline(id) + governor.QUEUE_GRACE());
        governor.queue(targets, values, calls, keccak256("change"));
        vm.warp(governor.proposalEta(id) + governor.EXECUTION_GRACE());
        vm.prank(bob);
        vm.expectPartialRevert(IGOPEN.GOPEN_NoticeRuns.selector);
        votes.unlock(unlockId, bob);
        // The timelock takes it from the governor only.
        vm.expectPartialRevert(0xe2517d3f);
        timelock.executeBatch(targets, values, calls, 0, 0);
        execute(address(parameters), call);
        (uint16 platformBps,,,,,,) = settlement.parameters();
        assertEq(platformBps, 700);
    }

    function test_ProposalsExpire() external {
        lockAs(alice, 1e6 ether, 730 days);
        vm.warp(vm.getBlockTimestamp() + 1);
        bytes memory call = abi.encodeCall(staking.setGuardian, (bob));
        (address[] memory targets, uint256[] memory values, bytes[] memory calls) = actions(address(staking), call);
        vm.prank(alice);
        uint256 id = governor.propose(targets, values, calls, "late");
        vm.warp(governor.proposalSnapshot(id) + 1);
        vm.prank(alice);
        governor.castVote(id, 1);
        vm.warp(governor.proposalDeadline(id) + governor.QUEUE_GRACE());
        assertEq(uint8(governor.state(id)), uint8(IGovernor.ProposalState.Succeeded));
        vm.warp(governor.proposalDeadline(id) + governor.QUEUE_GRACE() + 1);
        assertEq(uint8(governor.state(id)), uint8(IGovernor.ProposalState.Expired));
        vm.expectPartialRevert(IGovernor.GovernorUnexpectedProposalState.selector);
        governor.queue(targets, values, calls, keccak256("late"));
        id = pass(address(staking), call);
        vm.warp(governor.proposalEta(id) + governor.EXECUTION_GRACE() + 1);
        assertEq(uint8(governor.state(id)), uint8(IGovernor.ProposalState.Expired));
        vm.expectPartialRevert(IGovernor.GovernorUnexpectedProposalState.selector);
        this.executeOutside(address(staking), call);
    }

    // Parameters

    function test_RevertWhen_ParametersOutOfBounds() external {
        vm.expectPartialRevert(Ownable.OwnableUnauthorizedAccount.selector);
        parameters.setParameters(defaultParameters());
        vm.expectPartialRevert(Ownable.OwnableUnauthorizedAccount.selector);
        parameters.setEngine(mallory, true);
        vm.expectPartialRevert(Ownable.OwnableUnauthorizedAccount.selector);
        parameters.handOver(mallory);
        IAttributionSettlement.Parameters memory good = defaultParameters();
        good.stakers = address(staking);
        IAttributionSettlement.Parameters[5] memory p;
        for (uint256 i; i < 5; ++i) {
            p[i] = abi.decode(abi.encode(good), (IAttributionSettlement.Parameters));
        }
        p[0].platformBps = 1_501;
        p[1].challengeWindow = 10 minutes - 1;
        p[2].challengeWindow = 7 days + 1;
        p[3].bondMin = 0.1 ether - 1;
        p[4].bondMin = 1_000_001 ether;
        vm.startPrank(address(timelock));
        for (uint256 i; i < 5; ++i) {
            vm.expectPartialRevert(EconomyParameters.EconomyParameters_OutOfBounds.selector);
            parameters.setParameters(p[i]);
        }
        vm.expectPartialRevert(EconomyParameters.EconomyParameters_NotStaking.selector);
        parameters.setParameters(defaultParameters());
        good.threshold = 1;
        vm.expectRevert(abi.encodeWithSelector(EconomyParameters.EconomyParameters_NoMajority.selector, 1, 3));
        parameters.setParameters(good);
        // Two of four is no majority.
        vm.expectRevert(abi.encodeWithSelector(EconomyParameters.EconomyParameters_NoMajority.selector, 2, 4));
        parameters.setEngine(bob, true);
        good.threshold = 3;
        parameters.setParameters(good);
        parameters.setEngine(bob, true);
        assertEq(settlement.engineCount(), 4);
        parameters.handOver(bob);
        assertEq(settlement.pendingOwner(), bob);
        // The bounds keep evidence in time while stake is still there.
        assertLt(2 * (parameters.CHALLENGE_WINDOW_MAX() + faults.reportWindow()), uint256(staking.unbondingSeconds()));
    }

    /// @dev Fails when docs/economy.md says something else than what is deployed: a value, a bound, a row.
    function test_DocumentsAreWhatIsDeployed() external {
        IAttributionSettlement.Parameters memory p = defaultParameters();
        p.stakers = address(staking);
        vm.prank(address(timelock));
        parameters.setParameters(p);
        EconomyParameters.Parameter[] memory live = parameters.all();
        string[] memory lines = vm.split(vm.readFile("docs/economy.md"), "\n");
        uint256 rows;
        bool inside;
        for (uint256 i; i < lines.length; ++i) {
            if (vm.contains(lines[i], "<!-- parameters -->")) inside = !inside;
            if (!inside || !vm.contains(lines[i], "| `")) continue;
            string[] memory cells = vm.split(lines[i], "|");
            EconomyParameters.Parameter memory expected = live[rows++];
            assertEq(vm.trim(cells[1]), string.concat("`", expected.name, "`"));
            assertEq(vm.trim(cells[2]), vm.toString(expected.value), expected.name);
            assertEq(vm.trim(cells[3]), vm.toString(expected.min), expected.name);
            assertEq(vm.trim(cells[4]), vm.toString(expected.max), expected.name);
            assertEq(vm.trim(cells[5]), expected.unit, expected.name);
            assertGe(expected.value, expected.min, expected.name);
            assertLe(expected.value, expected.max, expected.name);
        }
        assertEq(rows, live.length, "rows of the table");
    }
}
