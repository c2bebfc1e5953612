// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {AdmissionErrors} from "../../../src/libraries/AdmissionErrors.sol";
import {Errors} from "../../../src/libraries/Errors.sol";
import {AdmissionTest} from "../../utils/AdmissionTest.sol";

contract ReviewerPoolTest is AdmissionTest {
    function test_RevertWhen_NotWholeSeats(uint96 value) external {
        vm.assume(value % SEAT != 0 || value == 0 || value / SEAT > 64);
        vm.deal(alice, value);
        vm.expectRevert(abi.encodeWithSelector(AdmissionErrors.ReviewerPool_NotWholeSeats.selector, value, SEAT));
        vm.prank(alice);
        pool.join{value: value}();
    }

    /// @dev Random joins and leaves: every seat has its holder, and the pool holds exactly the stakes.
    function test_WhenJoiningAndLeaving(uint8[12] memory moves) external {
        uint256 total;
        for (uint256 i; i < moves.length; ++i) {
            address who = reviewer(moves[i] % 4);
            uint256 seats = moves[i] % 5 + 1;
            if (pool.seatsOf(who) >= seats) {
                vm.prank(who);
                pool.giveUp(seats);
            } else {
                joinAs(who, seats);
                total += seats * SEAT;
            }
        }
        uint256 seated;
        uint256 held;
        for (uint256 i; i < 4; ++i) {
            (uint256 s, uint256 l,) = pool.stakeOf(reviewer(i));
            assertEq(s, pool.seatsOf(reviewer(i)) * SEAT);
            seated += pool.seatsOf(reviewer(i));
            held += s + l;
        }
        assertEq(pool.seatCount(), seated);
        assertEq(held, total);
        assertEq(address(pool).balance, total);
    }

    function test_RevertWhen_FewerSeatsHeld() external {
        joinAs(alice, 2);
        vm.expectRevert(abi.encodeWithSelector(AdmissionErrors.ReviewerPool_SeatsInsufficient.selector, alice, 2, 3));
        vm.prank(alice);
        pool.giveUp(3);
    }

    function test_WhenFetching(uint256 early) external {
        joinAs(alice, 2);
        vm.startPrank(alice);
        pool.giveUp(2);
        uint256 payableAt = vm.getBlockTimestamp() + 45 days;
        uint256 start = vm.getBlockTimestamp();
        vm.warp(start + bound(early, 0, 45 days - 1));
        vm.expectRevert(abi.encodeWithSelector(AdmissionErrors.ReviewerPool_Unbonding.selector, alice, payableAt));
        pool.fetch(payable(alice));
        vm.warp(payableAt);
        vm.expectRevert(Errors.ZeroAddress.selector);
        pool.fetch(payable(address(0)));
        assertEq(pool.fetch(payable(bob)), 2 * SEAT);
        assertEq(bob.balance, 2 * SEAT);
        vm.expectRevert(abi.encodeWithSelector(Errors.NothingToWithdraw.selector, alice));
        pool.fetch(payable(alice));
    }

    function test_RevertWhen_SlashedByStranger() external {
        vm.expectRevert(abi.encodeWithSelector(AdmissionErrors.ReviewerPool_NotReview.selector, mallory));
        vm.prank(mallory);
        pool.slash(alice, 1);
    }

    function test_WhenSlashed(uint96 amount) external {
        joinAs(alice, 3);
        vm.prank(alice);
        pool.giveUp(1);
        uint256 take = bound(amount, 0, 40 ether);
        vm.prank(address(review));
        uint256 taken = pool.slash(alice, take);
        assertEq(taken, take > 30 ether ? 30 ether : take);
        assertEq(sink.balance, taken);
        (uint256 seated, uint256 leaving,) = pool.stakeOf(alice);
        assertEq(seated + leaving, 30 ether - taken);
        assertEq(address(pool).balance, 30 ether - taken);
        assertLe(pool.seatsOf(alice) * SEAT, seated + SEAT / 2 * pool.seatsOf(alice));
        if (taken < 10 ether) assertEq(seated, 20 ether);
        if (pool.seatsOf(alice) == 0) assertEq(seated, 0);
    }

    function test_WhenFewExist() external {
        assertEq(pool.draw("seed", 5, new address[](0)).length, 0);
        joinAs(alice, 10);
        assertEq(pool.draw("seed", 5, new address[](0)).length, 1);
        address[] memory excluded = new address[](1);
        excluded[0] = alice;
        assertEq(pool.draw("seed", 5, excluded).length, 0);
    }

    /// @dev The first place of a panel goes to an account as often as its share of seats says, however many accounts the
    /// rest is split over.
    function test_WhenSplitOverManyAccounts() external {
        joinAs(alice, 10);
        for (uint256 i; i < 30; ++i) {
            joinAs(reviewer(i), 1);
        }
        uint256 hits;
        for (uint256 i; i < 2_000; ++i) {
            if (pool.draw(keccak256(abi.encode(i)), 1, new address[](0))[0] == alice) ++hits;
        }
        // A quarter of the seats; five standard deviations of 2,000 draws are 97.
        assertApproxEqAbs(hits, 500, 97);
    }
}
