// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IInferenceEscrow} from "../../../src/interfaces/IInferenceEscrow.sol";
import {Errors} from "../../../src/libraries/Errors.sol";
import {EconomyTest} from "../../utils/EconomyTest.sol";

contract AuthorizeTest is EconomyTest {
    uint64 private expiry;

    function setUp() public override {
        super.setUp();
        expiry = uint64(vm.getBlockTimestamp() + 1 days);
        deposit(customer, 10 ether);
    }

    function assertBalance(uint256 free, uint256 locked) private view {
        (uint256 f, uint256 l) = escrow.balanceOf(customer);
        assertEq(f, free, "free");
        assertEq(l, locked, "locked");
    }

    function test_RevertWhen_AddressZero() external {
        vm.startPrank(customer);
        vm.expectRevert(Errors.ZeroAddress.selector);
        escrow.authorize(address(0), customer, 1 ether, expiry);
        vm.expectRevert(Errors.ZeroAddress.selector);
        escrow.authorize(gateway, address(0), 1 ether, expiry);
    }

    function test_RevertWhen_CapZero() external {
        vm.expectRevert(Errors.InferenceEscrow_AmountZero.selector);
        authorize(0, expiry);
    }

    function test_RevertWhen_ExpiryOutOfBounds(uint64 when) external {
        uint256 start = vm.getBlockTimestamp();
        vm.assume(when <= start || when > start + 366 days);
        vm.expectRevert(
            abi.encodeWithSelector(Errors.InferenceEscrow_ExpiryOutOfBounds.selector, when, start + 1, start + 366 days)
        );
        authorize(1 ether, when);
    }

    function test_RevertWhen_BalanceInsufficient(uint128 cap) external {
        cap = uint128(bound(cap, 10 ether + 1, type(uint128).max));
        vm.expectRevert(
            abi.encodeWithSelector(Errors.InferenceEscrow_BalanceInsufficient.selector, customer, 10 ether, cap)
        );
        authorize(cap, expiry);
    }

    function test_WhenThereIsNone(address signer, uint128 cap) external {
        vm.assume(signer != address(0));
        cap = uint128(bound(cap, 1, 10 ether));
        vm.expectEmit(address(escrow));
        emit IInferenceEscrow.Authorized(customer, gateway, signer, cap, expiry, 1);
        vm.prank(customer);
        escrow.authorize(gateway, signer, cap, expiry);
        assertBalance(10 ether - cap, cap);
        IInferenceEscrow.Authorization memory a = escrow.authorization(customer, gateway);
        assertEq(a.signer, signer);
        assertEq(a.cap, cap);
        assertEq(a.redeemed, 0);
        assertEq(a.expiry, expiry);
        assertEq(a.nonce, 1);
    }

    function test_WhenItExpired(uint128 redeemed, uint128 cap) external {
        redeemed = uint128(bound(redeemed, 0, 4 ether));
        cap = uint128(bound(cap, 1, 10 ether - redeemed));
        authorize(4 ether, expiry);
        if (redeemed != 0) redeem(voucher(1, redeemed), signVoucher(voucher(1, redeemed), customerKey));
        vm.warp(expiry + 1);
        if (redeemed != 4 ether) {
            vm.expectEmit(address(escrow));
            emit IInferenceEscrow.Released(customer, gateway, 4 ether - redeemed);
        }
        vm.prank(customer);
        escrow.authorize(gateway, alice, cap, expiry + 1 days);
        assertBalance(10 ether - redeemed - cap, cap);
        IInferenceEscrow.Authorization memory a = escrow.authorization(customer, gateway);
        assertEq(a.signer, alice);
        assertEq(a.nonce, 2);
        assertEq(a.redeemed, 0);
        assertEq(a.cap, cap);
    }

    function test_RevertWhen_ALiveOneIsReduced() external {
        authorize(4 ether, expiry);
        bytes memory reason =
            abi.encodeWithSelector(Errors.InferenceEscrow_AuthorizationReduced.selector, customer, 4 ether, expiry);
        vm.startPrank(customer);
        vm.expectRevert(reason);
        escrow.authorize(gateway, customer, 4 ether - 1, expiry);
        vm.expectRevert(reason);
        escrow.authorize(gateway, customer, 4 ether, expiry - 1);
        vm.expectRevert(reason);
        escrow.authorize(gateway, alice, 5 ether, expiry);
        vm.warp(expiry);
        vm.expectRevert(reason);
        escrow.authorize(gateway, alice, 1 ether, expiry + 1);
    }

    function test_WhenALiveOneIsRaised(uint128 cap, uint64 longer) external {
        cap = uint128(bound(cap, 4 ether, 10 ether));
        longer = uint64(bound(longer, expiry, vm.getBlockTimestamp() + 366 days));
        authorize(4 ether, expiry);
        redeem(voucher(1, 1 ether), signVoucher(voucher(1, 1 ether), customerKey));
        authorize(cap, longer);
        assertBalance(10 ether - cap, cap - 1 ether);
        IInferenceEscrow.Authorization memory a = escrow.authorization(customer, gateway);
        assertEq(a.cap, cap);
        assertEq(a.redeemed, 1 ether);
        assertEq(a.nonce, 1);
        assertEq(a.expiry, longer);
    }

    function test_RevertWhen_ReleasedWithNothingLeft() external {
        bytes memory reason =
            abi.encodeWithSelector(Errors.InferenceEscrow_AuthorizationAbsent.selector, customer, gateway);
        vm.expectRevert(reason);
        escrow.release(customer, gateway);
        authorize(4 ether, expiry);
        vm.warp(expiry + 1);
        escrow.release(customer, gateway);
        vm.expectRevert(reason);
        escrow.release(customer, gateway);
    }

    function test_RevertWhen_ReleasedWhileLive(uint256 when) external {
        authorize(4 ether, expiry);
        vm.warp(bound(when, vm.getBlockTimestamp(), expiry));
        vm.expectRevert(
            abi.encodeWithSelector(Errors.InferenceEscrow_AuthorizationLive.selector, customer, gateway, expiry)
        );
        escrow.release(customer, gateway);
    }

    function test_WhenReleasedAfterExpiry(address caller, uint128 redeemed) external {
        redeemed = uint128(bound(redeemed, 1, 4 ether - 1));
        authorize(4 ether, expiry);
        redeem(voucher(1, redeemed), signVoucher(voucher(1, redeemed), customerKey));
        vm.warp(expiry + 1);
        vm.expectEmit(address(escrow));
        emit IInferenceEscrow.Released(customer, gateway, 4 ether - redeemed);
        vm.prank(caller);
        escrow.release(customer, gateway);
        assertBalance(10 ether - redeemed, 0);
        assertEq(escrow.totalHeld(), 10 ether - redeemed);
    }
}
