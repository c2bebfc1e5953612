// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {GOPEN} from "../../src/l2/governance/GOPEN.sol";
import {InferencePayments} from "../../src/l2/payments/InferencePayments.sol";
import {SponsorPool} from "../../src/l2/payments/SponsorPool.sol";
import {WOPEN} from "../../src/l2/predeploys/WOPEN.sol";
import {Predeploys} from "../../src/libraries/Predeploys.sol";
import {EconomyTest} from "../utils/EconomyTest.sol";
import {PaymentsHandler} from "./handlers/PaymentsHandler.sol";

/// @notice V1 to V3, X1 to X4 of the README.
contract PaymentsInvariantTest is EconomyTest {
    WOPEN private constant wopen = WOPEN(payable(Predeploys.WOPEN));
    GOPEN private votes;
    InferencePayments private payments;
    SponsorPool private pool;
    PaymentsHandler private handler;

    function setUp() public override {
        super.setUp();
        deployCodeTo("WOPEN.sol:WOPEN", "", address(wopen));
        votes = new GOPEN(wopen, 35 days);
        payments = new InferencePayments(wopen, escrow, settlement);
        pool = new SponsorPool();
        handler = new PaymentsHandler(votes, payments, pool);
        targetContract(address(handler));
        bytes4[] memory selectors = new bytes4[](10);
        selectors[0] = handler.lock.selector;
        selectors[1] = handler.raise.selector;
        selectors[2] = handler.delegate.selector;
        selectors[3] = handler.ask.selector;
        selectors[4] = handler.unlock.selector;
        selectors[5] = handler.pay.selector;
        selectors[6] = handler.capture.selector;
        selectors[7] = handler.refund.selector;
        selectors[8] = handler.sponsorMore.selector;
        selectors[9] = handler.grant.selector;
        targetSelector(FuzzSelector(address(handler), selectors));
    }

    /// @dev V1.
    function invariant_VotesAreBacked() external view {
        uint256 locked;
        for (uint256 i; i < 3; ++i) {
            locked += votes.balanceOf(handler.voters(i));
        }
        assertEq(votes.totalSupply(), locked);
        assertEq(wopen.balanceOf(address(votes)), locked + handler.leaving());
    }

    /// @dev V2.
    function invariant_VotesAreOfLocks() external view {
        uint256 units;
        uint256 cast;
        for (uint256 i; i < 3; ++i) {
            address voter = handler.voters(i);
            units += votes.balanceOf(voter) * votes.noticeOf(voter) / votes.NOTICE_MAX();
            cast += votes.getVotes(voter);
            if (votes.balanceOf(voter) != 0) assertGe(votes.noticeOf(voter), votes.noticeMin());
        }
        assertEq(units, cast);
        assertLe(cast, votes.totalSupply());
    }

    /// @dev V3.
    function invariant_NoticeRunsOut() external view {
        assertEq(handler.earlyUnlocks(), 0);
    }

    /// @dev X1.
    function invariant_PaymentsAreHeld() external view {
        assertEq(wopen.balanceOf(address(payments)), payments.totalOpen());
        assertEq(payments.totalOpen(), handler.paid() - handler.captured() - handler.refunded());
        assertEq(address(payments).balance, 0);
    }

    /// @dev X2.
    function invariant_PaymentsEndWhereTheyMust() external view {
        (uint256 available,) = settlement.fundsOf(gateway);
        assertEq(available, handler.captured());
        assertEq(wopen.balanceOf(customer), handler.refunded());
        assertGe(address(wopen).balance, wopen.totalSupply());
    }

    /// @dev X3.
    function invariant_SponsorsAreCovered() external view {
        assertEq(address(pool).balance, pool.totalHeld());
        assertEq(pool.totalHeld(), handler.sponsored() - handler.granted());
        assertEq(pool.sponsorOf(handler.sponsor()).balance, pool.totalHeld());
    }

    /// @dev X4.
    function invariant_ADayCostsItsAllowance() external view {
        assertLe(handler.grantedInADayMax(), 2 ether);
    }

    /// @dev The campaign reaches what it is for.
    function test_HandlerReachesEverything() external {
        handler.lock(0, 100 ether, 35 days);
        handler.raise(0, 90 days);
        handler.delegate(0, 1);
        handler.ask(0, 40 ether);
        handler.unlock(0, 400 days);
        assertEq(handler.leaving(), 0);
        handler.pay(10 ether);
        handler.pay(10 ether);
        handler.capture(0, 4 ether);
        handler.refund(0);
        assertEq(handler.refunded(), 16 ether);
        handler.sponsorMore(5 ether);
        handler.grant(0xa001, 1 ether);
        handler.grant(0xa001, 1 ether);
        handler.grant(0xa002, 1 ether);
        handler.grant(0xa003, 1 ether);
        assertEq(handler.granted(), 2 ether);
    }
}
