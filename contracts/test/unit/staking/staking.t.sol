// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";

import {IAttributionSettlement} from "../../../src/interfaces/IAttributionSettlement.sol";
import {IExpiringPause} from "../../../src/interfaces/IExpiringPause.sol";
import {IStaking} from "../../../src/interfaces/IStaking.sol";
import {Staking} from "../../../src/l2/Staking.sol";
import {Errors} from "../../../src/libraries/Errors.sol";
import {StakingTest} from "../../utils/StakingTest.sol";

contract StakingUnitTest is StakingTest {
    address private immutable op = makeAddr("operator");

    function setUp() public override {
        super.setUp();
        enrollAs(ATTESTOR, op, 2_000 ether, 1_000);
    }

    function expect(bytes4 selector) private {
        vm.expectPartialRevert(selector);
    }

    function test_RevertWhen_ConstructedOutOfBounds() external {
        IStaking.Init memory init = stakingInit();
        init.settlement = address(0);
        vm.expectRevert(Errors.ZeroAddress.selector);
        new Staking(init);
        init = stakingInit();
        init.slashers[1].slasher = address(0);
        vm.expectRevert(Errors.ZeroAddress.selector);
        new Staking(init);
        init = stakingInit();
        init.selfStakeMin = 0;
        vm.expectRevert(IStaking.Staking_AmountZero.selector);
        new Staking(init);
        init = stakingInit();
        init.unbondingSeconds = 2 * (FAULT_CHALLENGE + REPORT_WINDOW);
        vm.expectRevert(
            abi.encodeWithSelector(
                IStaking.Staking_UnbondingTooShort.selector, 20 days, FAULT_CHALLENGE + REPORT_WINDOW
            )
        );
        new Staking(init);
    }

    // Operators

    function test_WhenEnrolled() external view {
        IStaking.Operator memory o = staking.operatorOf(ATTESTOR, op);
        assertEq(o.tokens, 2_000 ether);
        assertEq(o.selfTokens, 2_000 ether);
        assertTrue(o.listed);
        assertEq(staking.listedOf(ATTESTOR).length, 1);
        assertEq(staking.totalOf(ATTESTOR), 2_000 ether);
        assertEq(staking.totalEarning(), 2_000 ether);
        assertTrue(staking.isActive(ATTESTOR, op, 2_000 ether));
        assertFalse(staking.isActive(ATTESTOR, op, 2_000 ether + 1));
    }

    function test_RevertWhen_EnrollRefused() external {
        vm.deal(op, 10_000 ether);
        vm.deal(alice, 10_000 ether);
        vm.startPrank(op);
        expect(IStaking.Staking_EnrolledAlready.selector);
        staking.enroll{value: 1_000 ether}(ATTESTOR, 0, address(0));
        vm.startPrank(alice);
        expect(IStaking.Staking_CommissionOutOfBounds.selector);
        staking.enroll{value: 1_000 ether}(ATTESTOR, 2_001, address(0));
        expect(IStaking.Staking_SelfStakeTooSmall.selector);
        staking.enroll{value: 1_000 ether - 1}(ATTESTOR, 0, address(0));
        vm.startPrank(op);
        expect(IStaking.Staking_ListedAlready.selector);
        staking.list(ATTESTOR, address(0));
    }

    function test_WhenListFull() external {
        for (uint256 i = 1; i < 64; ++i) {
            enrollAs(ATTESTOR, address(uint160(0x1000 + i)), 1_000 ether + i, 0);
        }
        vm.deal(alice, 10_000 ether);
        vm.startPrank(alice);
        expect(IStaking.Staking_ListFull.selector);
        staking.enroll{value: 1_001 ether}(ATTESTOR, 0, op);
        expect(IStaking.Staking_ListFull.selector);
        staking.enroll{value: 1_001 ether}(ATTESTOR, 0, bob);
        staking.enroll{value: 1_001 ether}(ATTESTOR, 0, address(0x1001));
        vm.stopPrank();
        assertEq(staking.listedOf(ATTESTOR).length, 64);
        assertFalse(staking.operatorOf(ATTESTOR, address(0x1001)).listed);
        assertTrue(staking.operatorOf(ATTESTOR, alice).listed);
        // Who gave way can still leave, and come back with more.
        exitAs(ATTESTOR, address(0x1001), address(0x1001), 1 ether);
        stakeAs(ATTESTOR, address(0x1001), address(0x1001), 500 ether);
        vm.prank(address(0x1001));
        staking.list(ATTESTOR, address(0x1002));
        uint256 sum;
        address[] memory all = staking.listedOf(ATTESTOR);
        for (uint256 i; i < all.length; ++i) {
            sum += staking.operatorOf(ATTESTOR, all[i]).tokens;
        }
        assertEq(sum, staking.totalOf(ATTESTOR));
    }

    function test_CommissionOnlyFalls(uint16 commission) external {
        commission = uint16(bound(commission, 0, 999));
        donate(10 ether);
        vm.startPrank(op);
        expect(IStaking.Staking_CommissionOutOfBounds.selector);
        staking.lowerCommission(ATTESTOR, 1_000);
        staking.lowerCommission(ATTESTOR, commission);
        vm.stopPrank();
        assertEq(staking.operatorOf(ATTESTOR, op).commissionBps, commission);
        // What was earned before was earned under the old one.
        assertApproxEqAbs(staking.credit(op), 1 ether, 1e4);
    }

    // Stake

    function test_RevertWhen_StakeRefused() external {
        vm.deal(alice, 1e6 ether);
        vm.startPrank(alice);
        expect(IStaking.Staking_AmountZero.selector);
        staking.stake(ATTESTOR, op);
        expect(IStaking.Staking_NotEnrolled.selector);
        staking.stake{value: 1}(ATTESTOR, bob);
        vm.expectRevert(
            abi.encodeWithSelector(IStaking.Staking_PoolFull.selector, ATTESTOR, op, 20_000 ether + 1, 20_000 ether)
        );
        staking.stake{value: 18_000 ether + 1}(ATTESTOR, op);
        staking.stake{value: 18_000 ether}(ATTESTOR, op);
    }

    /// @dev Over the floor, a pool takes delegations up to a fifth of the role.
    function test_RevertWhen_PoolOverItsShare() external {
        enrollAs(ATTESTOR, bob, 20_000 ether, 0);
        stakeAs(ATTESTOR, bob, alice, 80_000 ether);
        vm.deal(alice, 1 ether);
        vm.prank(alice);
        expect(IStaking.Staking_PoolFull.selector);
        staking.stake{value: 1}(ATTESTOR, bob);
        // A larger role leaves more room.
        enrollAs(ATTESTOR, gateway, 700_000 ether, 0);
        stakeAs(ATTESTOR, bob, alice, 50_000 ether);
    }

    function testFuzz_SharesAtPresentWorth(uint256 amount, uint256 bps) external {
        amount = bound(amount, 1e15, 18_000 ether);
        bps = bound(bps, 1, 4_900);
        slashBy(ATTESTOR, op, bps, "fault");
        uint256 before = staking.operatorOf(ATTESTOR, op).tokens;
        amount = bound(amount, 1e15, before * 9);
        uint256 shares = stakeAs(ATTESTOR, op, alice, amount);
        assertGe(shares, amount);
        assertApproxEqAbs(staking.stakeOf(ATTESTOR, op, alice), amount, 1);
        // Who comes after a slash takes nothing from who was there, and pays nothing for it.
        assertApproxEqAbs(staking.stakeOf(ATTESTOR, op, op), before, 1);
    }

    // Leaving

    function test_RevertWhen_ExitRefused() external {
        uint256 shares = stakeAs(ATTESTOR, op, alice, 100 ether);
        vm.startPrank(alice);
        expect(IStaking.Staking_SharesInsufficient.selector);
        staking.requestExit(ATTESTOR, op, shares + 1);
        expect(IStaking.Staking_AmountZero.selector);
        staking.requestExit(ATTESTOR, op, 0);
        uint256 id = staking.requestExit(ATTESTOR, op, shares);
        vm.warp(vm.getBlockTimestamp() + UNBONDING - 1);
        expect(IStaking.Staking_ExitImmature.selector);
        staking.finishExit(id, payable(alice));
        vm.expectRevert(Errors.ZeroAddress.selector);
        staking.finishExit(id, payable(0));
        vm.warp(vm.getBlockTimestamp() + 1);
        vm.startPrank(mallory);
        expect(IStaking.Staking_NotExitOwner.selector);
        staking.finishExit(id, payable(mallory));
        vm.startPrank(alice);
        assertEq(staking.finishExit(id, payable(alice)), 100 ether);
        expect(IStaking.Staking_NotExitOwner.selector);
        staking.finishExit(id, payable(alice));
    }

    function test_WhenOperatorLeavesTooLittle() external {
        exitAs(ATTESTOR, op, op, 1_000 ether);
        assertTrue(staking.operatorOf(ATTESTOR, op).listed);
        exitAs(ATTESTOR, op, op, 1);
        assertFalse(staking.operatorOf(ATTESTOR, op).listed);
        assertEq(staking.totalEarning(), 0);
        vm.prank(op);
        expect(IStaking.Staking_SelfStakeTooSmall.selector);
        staking.list(ATTESTOR, address(0));
    }

    function test_LeavingStakeStaysAtRisk(uint256 bps) external {
        bps = bound(bps, 1, 9_999);
        uint256 shares = stakeAs(ATTESTOR, op, alice, 100 ether);
        uint256 id = exitAs(ATTESTOR, op, alice, shares);
        slashBy(ATTESTOR, op, bps, "fault");
        vm.warp(vm.getBlockTimestamp() + UNBONDING);
        assertEq(finishAs(alice, id), 100 ether - 100 ether * bps / 10_000);
    }

    function test_WhenSlashedToNothing() external {
        uint256 shares = stakeAs(ATTESTOR, op, alice, 100 ether);
        uint256 id = exitAs(ATTESTOR, op, alice, shares);
        slashBy(ATTESTOR, op, 10_000, "all");
        IStaking.Operator memory o = staking.operatorOf(ATTESTOR, op);
        assertTrue(o.retired);
        assertFalse(o.listed);
        vm.deal(alice, 1 ether);
        vm.prank(alice);
        expect(IStaking.Staking_Retired.selector);
        staking.stake{value: 1 ether}(ATTESTOR, op);
        vm.prank(op);
        expect(IStaking.Staking_Retired.selector);
        staking.list(ATTESTOR, address(0));
        vm.warp(vm.getBlockTimestamp() + UNBONDING);
        assertEq(finishAs(alice, id), 0);
        vm.prank(op);
        expect(IStaking.Staking_AmountZero.selector);
        staking.requestExit(ATTESTOR, op, 1);
    }

    // Fees

    function test_WhenNobodyStaked() external {
        exitAs(ATTESTOR, op, op, 2_000 ether);
        donate(5 ether);
        assertEq(staking.undistributed(), 5 ether);
        enrollAs(ATTESTOR, alice, 1_000 ether, 0);
        donate(1 ether);
        assertEq(staking.undistributed(), 0);
        assertApproxEqAbs(staking.earnedOf(ATTESTOR, alice, alice), 6 ether, 1e4);
    }

    /// @dev Two pools, three stakers, two payments: each has exactly the share of what came while its stake was there.
    function testFuzz_FeesByStake(uint256 first, uint256 second, uint256 delegated) external {
        first = bound(first, 1e9, 1e6 ether);
        second = bound(second, 1e9, 1e6 ether);
        delegated = bound(delegated, 1e15, 18_000 ether);
        enrollAs(ATTESTOR, alice, 3_000 ether, 0);
        donate(first);
        stakeAs(ATTESTOR, op, bob, delegated);
        donate(second);
        uint256 total = 5_000 ether + delegated;
        uint256 pool = second * (2_000 ether + delegated) / total;
        uint256 commission = first * 2 / 5 / 10 + pool / 10;
        uint256 bobs = second * delegated / total * 9 / 10;
        uint256 alices = first * 3 / 5 + second * 3_000 ether / total;
        uint256 ops = first * 2 / 5 * 9 / 10 + second * 2_000 ether / total * 9 / 10;
        assertApproxEqAbs(staking.earnedOf(ATTESTOR, op, bob), bobs, 1e5);
        assertApproxEqAbs(staking.earnedOf(ATTESTOR, alice, alice), alices, 1e5);
        staking.collect(ATTESTOR, op, bob);
        staking.collect(ATTESTOR, op, op);
        staking.collect(ATTESTOR, alice, alice);
        assertApproxEqAbs(staking.credit(bob), bobs, 1e5);
        assertApproxEqAbs(staking.credit(op), ops + commission, 1e5);
        assertLe(staking.credit(bob) + staking.credit(op) + staking.credit(alice), first + second);
        uint256 owed = staking.credit(bob);
        vm.prank(bob);
        staking.withdraw(payable(bob));
        assertEq(bob.balance, owed);
        assertEq(staking.collect(ATTESTOR, op, bob), 0);
    }

    /// @dev Whose stake nobody can take.
    function test_OtherRolesEarnNothing(uint8 which) external {
        IStaking.Role role = [AGENT, IStaking.Role.Reviewer, IStaking.Role.Validator][which % 3];
        enrollAs(role, alice, 5_000 ether, 0);
        donate(1 ether);
        assertEq(staking.earnedOf(role, alice, alice), 0);
        assertApproxEqAbs(staking.earnedOf(ATTESTOR, op, op), 0.9 ether, 1e4);
        assertEq(staking.totalOf(role), 5_000 ether);
        assertEq(staking.totalEarning(), staking.totalOf(ATTESTOR));
    }

    function test_HarvestsTheStakersShare() external {
        assertEq(staking.harvest(), 0);
        vm.prank(governance);
        settlement.setParameters(withStakers());
        uint256 datanetId = publishedDatanet();
        uint256 modelId = registerModel(modelParams("m", datanetId));
        fund(gateway, 100 ether);
        earn(datanetId, alice, 40 ether);
        settle(onePool(modelId, 100 ether, datanetId, 40 ether));
        // 5 % to the platform, and 10 % of the rest to stakers.
        assertEq(staking.harvest(), 9.5 ether);
        assertApproxEqAbs(staking.earnedOf(ATTESTOR, op, op), 8.55 ether, 1e4);
        vm.expectRevert(abi.encodeWithSelector(IStaking.Staking_NotSettlement.selector, address(this)));
        payable(address(staking)).transfer(1);
        expect(IStaking.Staking_AmountZero.selector);
        staking.donate();
    }

    // Slashing

    function test_RevertWhen_SlashRefused() external {
        expect(IStaking.Staking_NotSlasher.selector);
        staking.slash(ATTESTOR, op, 1, "x", bob);
        vm.startPrank(slasher);
        expect(IStaking.Staking_NotSlasher.selector);
        staking.slash(IStaking.Role.Reviewer, op, 1, "x", bob);
        expect(IStaking.Staking_SlashOutOfBounds.selector);
        staking.slash(ATTESTOR, op, 0, "x", bob);
        expect(IStaking.Staking_SlashOutOfBounds.selector);
        staking.slash(ATTESTOR, op, 10_001, "x", bob);
        vm.expectRevert(Errors.ZeroAddress.selector);
        staking.slash(ATTESTOR, op, 1, "x", address(0));
        expect(IStaking.Staking_NotEnrolled.selector);
        staking.slash(ATTESTOR, alice, 1, "x", bob);
        staking.slash(ATTESTOR, op, 1, "x", bob);
        expect(IStaking.Staking_FaultPunished.selector);
        staking.slash(ATTESTOR, op, 1, "x", bob);
    }

    function testFuzz_SlashHalvesAndBurns(uint256 bps, uint256 leaving) external {
        bps = bound(bps, 1, 10_000);
        leaving = bound(leaving, 1, 2_000 ether);
        exitAs(ATTESTOR, op, op, leaving);
        uint256 before = address(staking).balance;
        uint256 amount = slashBy(ATTESTOR, op, bps, "x");
        assertApproxEqAbs(amount, 2_000 ether * bps / 10_000, 1);
        assertEq(staking.credit(bob), amount / 2);
        assertEq(staking.BURN().balance, amount - amount / 2);
        assertEq(address(staking).balance, before - (amount - amount / 2));
        assertTrue(staking.isPunished(slasher, "x"));
        IStaking.Operator memory o = staking.operatorOf(ATTESTOR, op);
        assertEq(uint256(o.tokens) + o.unbonding, 2_000 ether - amount);
        assertEq(staking.totalOf(ATTESTOR), o.listed ? o.tokens : 0);
        assertEq(o.listed, o.selfTokens >= SELF_MIN);
    }

    function test_SlashersComeAndGoSlowly() external {
        expectOwner();
        staking.scheduleSlasher(ATTESTOR, address(dispute), 1 days);
        expectOwner();
        staking.retireSlasher(ATTESTOR, slasher);
        vm.startPrank(governance);
        expect(IStaking.Staking_SlasherNotContract.selector);
        staking.scheduleSlasher(ATTESTOR, alice, 1 days);
        expect(IStaking.Staking_UnbondingTooShort.selector);
        staking.scheduleSlasher(ATTESTOR, address(dispute), UNBONDING / 2);
        expect(IStaking.Staking_SlasherListed.selector);
        staking.scheduleSlasher(ATTESTOR, address(faults), 1 days);
        staking.scheduleSlasher(ATTESTOR, address(dispute), 1 days);
        vm.stopPrank();
        // Who asks for the exit when the slasher is announced is out before it acts.
        uint256 id = exitAs(ATTESTOR, op, op, 2_000 ether);
        vm.prank(address(dispute));
        expect(IStaking.Staking_NotSlasher.selector);
        staking.slash(ATTESTOR, op, 1, "x", bob);
        vm.warp(staking.slasherOf(ATTESTOR, address(dispute)).activeFrom);
        assertEq(finishAs(op, id), 2_000 ether);
        vm.prank(address(dispute));
        staking.slash(ATTESTOR, op, 1, "x", bob);
        vm.startPrank(governance);
        staking.retireSlasher(ATTESTOR, slasher);
        expect(IStaking.Staking_NotSlasher.selector);
        staking.retireSlasher(ATTESTOR, slasher);
        expect(IStaking.Staking_NotSlasher.selector);
        staking.retireSlasher(ATTESTOR, bob);
        vm.stopPrank();
        vm.warp(vm.getBlockTimestamp() + 1 days);
        slashBy(ATTESTOR, op, 1, "a fault of before");
        vm.warp(vm.getBlockTimestamp() + 1);
        vm.prank(slasher);
        expect(IStaking.Staking_NotSlasher.selector);
        staking.slash(ATTESTOR, op, 1, "y", bob);
    }

    // Pause

    function test_PauseEndsByItselfAndHoldsNoExit() external {
        expect(IExpiringPause.ExpiringPause_NotGuardian.selector);
        staking.pause(1);
        vm.startPrank(guardian);
        expect(IExpiringPause.ExpiringPause_DurationOutOfBounds.selector);
        staking.pause(7 days + 1);
        expect(IExpiringPause.ExpiringPause_DurationOutOfBounds.selector);
        staking.pause(0);
        expect(IExpiringPause.ExpiringPause_NotPaused.selector);
        staking.unpause();
        uint256 id = _exitBeforePause();
        vm.warp(vm.getBlockTimestamp() + UNBONDING);
        vm.startPrank(guardian);
        staking.pause(7 days);
        vm.stopPrank();
        assertEq(staking.pausedUntil(), vm.getBlockTimestamp() + 7 days);
        assertTrue(staking.isPaused());
        vm.deal(alice, 2_000 ether);
        vm.startPrank(alice);
        expect(IExpiringPause.ExpiringPause_Paused.selector);
        staking.stake{value: 1 ether}(ATTESTOR, op);
        expect(IExpiringPause.ExpiringPause_Paused.selector);
        staking.enroll{value: 1_000 ether}(ATTESTOR, 0, address(0));
        expect(IExpiringPause.ExpiringPause_NotGuardian.selector);
        staking.unpause();
        vm.stopPrank();
        exitAs(ATTESTOR, op, op, 1 ether);
        assertEq(finishAs(op, id), 1 ether);
        slashBy(ATTESTOR, op, 1, "x");
        vm.warp(vm.getBlockTimestamp() + 7 days);
        assertFalse(staking.isPaused());
        stakeAs(ATTESTOR, op, alice, 1 ether);
        vm.startPrank(guardian);
        expect(IExpiringPause.ExpiringPause_TooSoon.selector);
        staking.pause(1);
        vm.warp(vm.getBlockTimestamp() + 21 days);
        staking.pause(7 days);
        vm.startPrank(governance);
        staking.unpause();
        assertFalse(staking.isPaused());
        staking.setGuardian(bob);
        assertEq(staking.guardian(), bob);
        vm.stopPrank();
        expectOwner();
        staking.setGuardian(mallory);
    }

    function _exitBeforePause() private returns (uint256 id) {
        vm.stopPrank();
        id = exitAs(ATTESTOR, op, op, 1 ether);
    }

    // Concentration

    function test_Nakamoto() external {
        assertEq(staking.nakamoto(IStaking.Role.Validator, 3_333), 0);
        uint256[5] memory stakes = [uint256(10_000), 20_000, 30_000, 1_000, 38_000];
        for (uint256 i; i < 5; ++i) {
            enrollAs(IStaking.Role.Validator, address(uint160(0x100 + i)), stakes[i] * 1 ether, 0);
        }
        // 99,000 in all: 38,000 is more than a third, 38,000 + 30,000 more than half.
        assertEq(staking.nakamoto(IStaking.Role.Validator, 3_333), 1);
        assertEq(staking.nakamoto(IStaking.Role.Validator, 5_000), 2);
        assertEq(staking.nakamoto(IStaking.Role.Validator, 6_900), 3);
        assertEq(staking.nakamoto(IStaking.Role.Validator, 9_999), 5);
        assertEq(staking.weightOf(IStaking.Role.Validator, address(0x104)), 9_900 ether);
        assertEq(staking.weightOf(IStaking.Role.Validator, address(0x103)), 1_000 ether);
        assertEq(staking.weightOf(IStaking.Role.Validator, op), 0);
    }

    function withStakers() private view returns (IAttributionSettlement.Parameters memory p) {
        p = defaultParameters();
        p.stakers = address(staking);
    }

    function expectOwner() private {
        vm.expectRevert(abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, address(this)));
    }
}
