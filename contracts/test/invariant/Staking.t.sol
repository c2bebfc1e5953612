// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IStaking} from "../../src/interfaces/IStaking.sol";
import {StakingTest} from "../utils/StakingTest.sol";
import {StakingHandler} from "./handlers/StakingHandler.sol";

/// @notice S1 to S8 of the README.
contract StakingInvariantTest is StakingTest {
    StakingHandler private handler;

    function setUp() public override {
        super.setUp();
        handler = new StakingHandler();
        handler.enroll(0, 5_000 ether, 500);
        handler.enroll(3, 5_000 ether, 0);
        targetContract(address(handler));
        bytes4[] memory selectors = new bytes4[](9);
        selectors[0] = handler.enroll.selector;
        selectors[1] = handler.relist.selector;
        selectors[2] = handler.stake.selector;
        selectors[3] = handler.exit.selector;
        selectors[4] = handler.finish.selector;
        selectors[5] = handler.pay.selector;
        selectors[6] = handler.collect.selector;
        selectors[7] = handler.withdraw.selector;
        selectors[8] = handler.slash.selector;
        targetSelector(FuzzSelector(address(handler), selectors));
    }

    function owed() private view returns (uint256 sum) {
        for (uint256 i; i < 4; ++i) {
            IStaking.Operator memory o = staking.operatorOf(handler.roleOf(i), handler.operators(i));
            sum += uint256(o.tokens) + o.unbonding;
        }
        sum += credits() + pending() + staking.undistributed();
    }

    function credits() private view returns (uint256 sum) {
        for (uint256 i; i < 5; ++i) {
            sum += staking.credit(handler.accounts(i));
        }
        sum += staking.credit(bob);
    }

    function pending() private view returns (uint256 sum) {
        for (uint256 i; i < 4; ++i) {
            for (uint256 j; j < 5; ++j) {
                sum += staking.earnedOf(handler.roleOf(i), handler.operators(i), handler.accounts(j));
            }
        }
    }

    /// @dev S1.
    function invariant_CoversWhatItOwes() external view {
        assertGe(address(staking).balance, owed());
    }

    /// @dev S2.
    function invariant_MoneyIsConserved() external view {
        assertEq(address(staking).balance + handler.paidOut() + handler.burned(), handler.paidIn());
        assertEq(staking.BURN().balance, handler.burned());
    }

    /// @dev S3.
    function invariant_SharesAddUp() external view {
        for (uint256 i; i < 4; ++i) {
            uint256 sum;
            for (uint256 j; j < 5; ++j) {
                sum += staking.sharesOf(handler.roleOf(i), handler.operators(i), handler.accounts(j));
            }
            assertEq(sum, staking.operatorOf(handler.roleOf(i), handler.operators(i)).shares);
        }
    }

    /// @dev S4.
    function invariant_TotalsAreTheListedStake() external view {
        uint256 attestors;
        uint256 agents;
        for (uint256 i; i < 4; ++i) {
            IStaking.Operator memory o = staking.operatorOf(handler.roleOf(i), handler.operators(i));
            if (!o.listed) continue;
            if (handler.roleOf(i) == AGENT) agents += o.tokens;
            else attestors += o.tokens;
        }
        assertEq(staking.totalOf(ATTESTOR), attestors);
        assertEq(staking.totalOf(AGENT), agents);
        assertEq(staking.totalEarning(), attestors);
    }

    /// @dev S5.
    function invariant_ListedHaveTheirOwnAtRisk() external view {
        for (uint256 i; i < 4; ++i) {
            IStaking.Operator memory o = staking.operatorOf(handler.roleOf(i), handler.operators(i));
            if (o.listed) assertGe(o.selfTokens, SELF_MIN);
            if (o.retired) assertFalse(o.listed);
        }
    }

    /// @dev S6.
    function invariant_NoExitBeforeItsTime() external view {
        assertEq(handler.earlyExits(), 0);
    }

    /// @dev S7.
    function invariant_AttestorsAloneEarn() external view {
        for (uint256 j; j < 5; ++j) {
            assertEq(staking.earnedOf(AGENT, handler.operators(3), handler.accounts(j)), 0);
        }
    }

    /// @dev S8.
    function invariant_FewestDeciders() external view {
        uint256 third = staking.nakamoto(ATTESTOR, 3_333);
        uint256 half = staking.nakamoto(ATTESTOR, 5_000);
        assertLe(third, half);
        assertLe(half, staking.listedOf(ATTESTOR).length);
        assertEq(third == 0, staking.totalOf(ATTESTOR) == 0);
    }

    /// @dev The campaign reaches what it is for.
    function test_HandlerReachesEverything() external {
        handler.enroll(1, 20_000 ether, 2_000);
        handler.stake(1, 4, 100 ether);
        handler.pay(10 ether);
        handler.collect(1, 4);
        handler.withdraw(4);
        handler.exit(1, 4, type(uint256).max);
        handler.slash(1, 3_001);
        handler.finish(0, 30 days);
        assertEq(handler.exitCount(), 0);
        assertGt(handler.paidOut(), 69 ether);
        handler.slash(0, 8);
        assertTrue(staking.operatorOf(ATTESTOR, handler.operators(0)).retired);
        handler.relist(1);
        assertGt(handler.slashed(), 5_000 ether);
        assertGe(address(staking).balance, owed());
    }
}
