// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";

import {IInferenceEscrow} from "../../../src/interfaces/IInferenceEscrow.sol";
import {InferenceEscrow} from "../../../src/l2/InferenceEscrow.sol";
import {Errors} from "../../../src/libraries/Errors.sol";
import {EconomyTest} from "../../utils/EconomyTest.sol";

/// @notice A wallet that calls a fixed digest signed.
contract Wallet is IERC1271 {
    bytes32 public approved;

    function approve(bytes32 digest) external {
        approved = digest;
    }

    function isValidSignature(bytes32 digest, bytes memory) external view returns (bytes4) {
        return digest == approved ? IERC1271.isValidSignature.selector : bytes4(0);
    }
}

contract RedeemTest is EconomyTest {
    uint64 private expiry;

    function setUp() public override {
        super.setUp();
        expiry = uint64(vm.getBlockTimestamp() + 1 days);
        deposit(customer, 10 ether);
        authorize(4 ether, expiry);
    }

    function signed(uint64 nonce, uint128 cumulative) private view returns (bytes memory) {
        return signVoucher(voucher(nonce, cumulative), customerKey);
    }

    function test_RevertWhen_BatchSizeOutOfBounds() external {
        uint256[2][3] memory sizes = [[uint256(0), 0], [uint256(257), 257], [uint256(2), 1]];
        for (uint256 i; i < 3; ++i) {
            vm.expectRevert(
                abi.encodeWithSelector(Errors.InferenceEscrow_BatchSize.selector, sizes[i][0], sizes[i][1], 256)
            );
            escrow.redeem(new IInferenceEscrow.Voucher[](sizes[i][0]), new bytes[](sizes[i][1]));
        }
    }

    function test_RevertWhen_CallerNotGateway(address caller) external {
        vm.assume(caller != gateway);
        IInferenceEscrow.Voucher[] memory vouchers = new IInferenceEscrow.Voucher[](1);
        vouchers[0] = voucher(1, 1 ether);
        bytes[] memory signatures = new bytes[](1);
        signatures[0] = signed(1, 1 ether);
        vm.expectRevert(abi.encodeWithSelector(Errors.InferenceEscrow_NotGateway.selector, gateway, caller));
        vm.prank(caller);
        escrow.redeem(vouchers, signatures);
    }

    function test_RevertWhen_NonceMismatch(uint64 nonce) external {
        vm.assume(nonce != 1);
        bytes memory signature = signed(nonce, 1 ether);
        vm.expectRevert(abi.encodeWithSelector(Errors.InferenceEscrow_NonceMismatch.selector, nonce, 1));
        redeem(voucher(nonce, 1 ether), signature);
    }

    function test_RevertWhen_NoAuthorization() external {
        IInferenceEscrow.Voucher memory v = voucher(0, 1 ether);
        v.customer = alice;
        vm.expectRevert(abi.encodeWithSelector(Errors.InferenceEscrow_NonceMismatch.selector, 0, 0));
        redeem(v, "");
    }

    function test_WhenRedeemedAlready(uint128 again) external {
        redeem(voucher(1, 2 ether), signed(1, 2 ether));
        assertEq(redeem(voucher(1, uint128(bound(again, 0, 2 ether))), ""), 0);
        vm.warp(expiry + 1);
        assertEq(redeem(voucher(1, 2 ether), ""), 0);
        (uint256 available,) = settlement.fundsOf(gateway);
        assertEq(available, 2 ether);
    }

    function test_RevertWhen_Expired() external {
        vm.warp(expiry + 1);
        bytes memory signature = signed(1, 1);
        vm.expectRevert(
            abi.encodeWithSelector(Errors.InferenceEscrow_AuthorizationExpired.selector, customer, gateway, expiry)
        );
        redeem(voucher(1, 1), signature);
    }

    function test_RevertWhen_CapExceeded(uint128 cumulative) external {
        cumulative = uint128(bound(cumulative, 4 ether + 1, type(uint128).max));
        bytes memory signature = signed(1, cumulative);
        vm.expectRevert(abi.encodeWithSelector(Errors.InferenceEscrow_CapExceeded.selector, cumulative, 4 ether));
        redeem(voucher(1, cumulative), signature);
    }

    function test_RevertWhen_SignerDiffers(uint256 key) external {
        key = bound(key, 1, type(uint128).max);
        vm.assume(key != customerKey);
        expectSignatureInvalid(voucher(1, 1 ether), signVoucher(voucher(1, 1 ether), key));
    }

    function test_RevertWhen_SignedForAnotherAmount(uint128 other) external {
        vm.assume(other != 1 ether);
        expectSignatureInvalid(voucher(1, 1 ether), signed(1, other));
    }

    function test_RevertWhen_SignedForAnotherContract() external {
        bytes32 digest = new InferenceEscrow(settlement).hashVoucher(voucher(1, 1 ether));
        expectSignatureInvalid(voucher(1, 1 ether), sign(customerKey, digest));
    }

    function test_RevertWhen_SignedForAnotherChain(uint64 chainId) external {
        vm.assume(chainId != block.chainid);
        bytes memory signature = signed(1, 1 ether);
        vm.chainId(chainId);
        expectSignatureInvalid(voucher(1, 1 ether), signature);
    }

    function test_RevertWhen_SignedUnderTheOldAuthorization() external {
        bytes memory signature = signed(1, 1 ether);
        vm.warp(expiry + 1);
        authorize(4 ether, expiry + 1 days);
        vm.expectRevert(abi.encodeWithSelector(Errors.InferenceEscrow_NonceMismatch.selector, 1, 2));
        redeem(voucher(1, 1 ether), signature);
        expectSignatureInvalid(voucher(2, 1 ether), signature);
    }

    function expectSignatureInvalid(IInferenceEscrow.Voucher memory v, bytes memory signature) private {
        bytes32 digest = escrow.hashVoucher(v);
        vm.expectRevert(abi.encodeWithSelector(Errors.InferenceEscrow_SignatureInvalid.selector, customer, digest));
        redeem(v, signature);
    }

    function test_WhenTheVoucherIsGood(uint128 first, uint128 second) external {
        first = uint128(bound(first, 1, 4 ether - 1));
        second = uint128(bound(second, first + 1, 4 ether));
        bytes memory signature = signed(1, first);
        vm.expectEmit(address(escrow));
        emit IInferenceEscrow.Redeemed(customer, gateway, first, first);
        assertEq(redeem(voucher(1, first), signature), first);
        signature = signed(1, second);
        vm.expectEmit(address(escrow));
        emit IInferenceEscrow.Redeemed(customer, gateway, second - first, second);
        assertEq(redeem(voucher(1, second), signature), second - first);

        (uint256 free, uint256 locked) = escrow.balanceOf(customer);
        assertEq(free, 6 ether);
        assertEq(locked, 4 ether - second);
        assertEq(escrow.totalHeld(), 10 ether - second);
        assertEq(address(escrow).balance, 10 ether - second);
        (uint256 available, uint256 reserved) = settlement.fundsOf(gateway);
        assertEq(available, second);
        assertEq(reserved, 0);
        assertEq(address(settlement).balance, second);
    }

    function test_WhenTheSignerIsAContract() external {
        Wallet wallet = new Wallet();
        deposit(address(wallet), 1 ether);
        vm.prank(address(wallet));
        escrow.authorize(gateway, address(wallet), 1 ether, expiry);
        IInferenceEscrow.Voucher memory v = voucher(1, 1 ether);
        v.customer = address(wallet);
        bytes32 digest = escrow.hashVoucher(v);
        vm.expectRevert(
            abi.encodeWithSelector(Errors.InferenceEscrow_SignatureInvalid.selector, address(wallet), digest)
        );
        redeem(v, "");
        wallet.approve(digest);
        assertEq(redeem(v, ""), 1 ether);
    }

    function test_WhenTheBatchIsOfSeveralCustomers(uint8 count, uint256 seed) external {
        count = uint8(bound(count, 1, 32));
        IInferenceEscrow.Voucher[] memory vouchers = new IInferenceEscrow.Voucher[](count);
        bytes[] memory signatures = new bytes[](count);
        uint256 total;
        for (uint256 i; i < count; ++i) {
            uint256 key = uint256(keccak256(abi.encode(seed, i))) % 1e18 + 1;
            address who = vm.addr(key);
            deposit(who, 1 ether);
            vm.prank(who);
            escrow.authorize(gateway, who, 1 ether, expiry);
            vouchers[i] = IInferenceEscrow.Voucher(who, gateway, 1, uint128(key % 1 ether));
            total += vouchers[i].cumulative;
            signatures[i] = signVoucher(vouchers[i], key);
        }
        vm.prank(gateway);
        assertEq(escrow.redeem(vouchers, signatures), total);
        (uint256 available,) = settlement.fundsOf(gateway);
        assertEq(available, total);
        // Sent again as it is: nothing moves twice.
        vm.prank(gateway);
        assertEq(escrow.redeem(vouchers, signatures), 0);
    }
}
