// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {ISponsorPool} from "../../../src/interfaces/ISponsorPool.sol";
import {SponsorPool} from "../../../src/l2/payments/SponsorPool.sol";
import {Errors} from "../../../src/libraries/Errors.sol";
import {EconomyTest} from "../../utils/EconomyTest.sol";

contract SponsorPoolTest is EconomyTest {
    SponsorPool private pool;
    address private immutable sponsor = makeAddr("sponsor");

    function setUp() public override {
        super.setUp();
        pool = new SponsorPool();
        vm.deal(sponsor, 10 ether);
        vm.startPrank(sponsor);
        pool.deposit{value: 10 ether}();
        pool.setLimits(customer, 2 ether);
        vm.stopPrank();
    }

    function grantOf(address account, uint128 amount) private view returns (ISponsorPool.Grant memory) {
        return ISponsorPool.Grant(sponsor, account, amount, uint64(vm.getBlockTimestamp() + 60));
    }

    function bring(ISponsorPool.Grant memory g) private {
        bytes memory signature = sign(customerKey, pool.hashGrant(g));
        vm.prank(mallory);
        pool.grant(g, signature);
    }

    /// @dev `vm.expectPartialRevert` looks at the next call, which would be the hash.
    function refused(ISponsorPool.Grant memory g, bytes4 selector) private {
        bytes memory signature = sign(customerKey, pool.hashGrant(g));
        vm.expectPartialRevert(selector);
        pool.grant(g, signature);
    }

    function test_Balances(uint128 amount) external {
        amount = uint128(bound(amount, 1, 10 ether));
        vm.expectRevert(ISponsorPool.SponsorPool_AmountZero.selector);
        pool.deposit();
        vm.expectPartialRevert(ISponsorPool.SponsorPool_BudgetExceeded.selector);
        pool.withdraw(payable(alice), 1);
        vm.startPrank(sponsor);
        vm.expectRevert(Errors.ZeroAddress.selector);
        pool.withdraw(payable(0), 1);
        vm.expectRevert(ISponsorPool.SponsorPool_AmountZero.selector);
        pool.withdraw(payable(alice), 0);
        pool.withdraw(payable(alice), amount);
        assertEq(alice.balance, amount);
        assertEq(pool.totalHeld(), 10 ether - amount);
        assertEq(address(pool).balance, 10 ether - amount);
        assertEq(pool.sponsorOf(sponsor).balance, 10 ether - amount);
    }

    function test_GrantsOnce(uint128 amount) external {
        amount = uint128(bound(amount, 1, 1 ether));
        bring(grantOf(alice, amount));
        assertEq(alice.balance, amount);
        assertTrue(pool.isSponsored(alice));
        assertEq(pool.totalHeld(), 10 ether - amount);
        refused(grantOf(alice, 1), ISponsorPool.SponsorPool_SponsoredAlready.selector);
    }

    function test_RevertWhen_GrantRefused() external {
        refused(grantOf(address(0), 1), Errors.ZeroAddress.selector);
        refused(grantOf(alice, 0), ISponsorPool.SponsorPool_AmountZero.selector);
        refused(grantOf(alice, 1 ether + 1), ISponsorPool.SponsorPool_GrantTooLarge.selector);
        ISponsorPool.Grant memory g = grantOf(alice, 1);
        g.deadline = uint64(vm.getBlockTimestamp() - 1);
        refused(g, ISponsorPool.SponsorPool_Expired.selector);
        g = grantOf(alice, 1);
        bytes memory signature = sign(engineKeys[0], pool.hashGrant(g));
        vm.expectPartialRevert(ISponsorPool.SponsorPool_SignatureInvalid.selector);
        pool.grant(g, signature);
        vm.prank(sponsor);
        pool.setLimits(address(0), 2 ether);
        refused(g, ISponsorPool.SponsorPool_SignatureInvalid.selector);
    }

    /// @dev A stolen key costs a day's allowance.
    function test_RevertWhen_DayIsSpent() external {
        bring(grantOf(alice, 1 ether));
        bring(grantOf(bob, 1 ether));
        refused(grantOf(gateway, 1), ISponsorPool.SponsorPool_BudgetExceeded.selector);
        vm.warp((vm.getBlockTimestamp() / 1 days + 1) * 1 days);
        bring(grantOf(gateway, 1 ether));
        assertEq(pool.sponsorOf(sponsor).grantedToday, 1 ether);
        vm.prank(sponsor);
        pool.withdraw(payable(sponsor), 7 ether);
        refused(grantOf(poster, 1), ISponsorPool.SponsorPool_BudgetExceeded.selector);
    }
}
