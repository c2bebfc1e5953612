// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {SafeTransferLib} from "solady/utils/SafeTransferLib.sol";

import {IInferenceEscrow} from "../../../src/interfaces/IInferenceEscrow.sol";
import {Errors} from "../../../src/libraries/Errors.sol";
import {EconomyTest} from "../../utils/EconomyTest.sol";
import {Reentrant, Refuser} from "../../utils/Payees.sol";

contract EscrowBalanceTest is EconomyTest {
    function test_RevertWhen_DepositForNobody() external {
        vm.expectRevert(Errors.ZeroAddress.selector);
        escrow.deposit{value: 1}(address(0));
    }

    function test_RevertWhen_DepositOfNothing() external {
        vm.expectRevert(Errors.InferenceEscrow_AmountZero.selector);
        escrow.deposit(customer);
    }

    function test_RevertWhen_MoneyIsSentPlainly() external {
        (bool ok,) = address(escrow).call{value: 1 ether}("");
        assertFalse(ok);
    }

    function test_WhenAnyonePays(address from, address to, uint96 amount) external {
        vm.assume(to != address(0) && amount != 0);
        vm.deal(from, amount);
        vm.expectEmit(address(escrow));
        emit IInferenceEscrow.Deposited(to, from, amount);
        vm.prank(from);
        escrow.deposit{value: amount}(to);
        (uint256 free, uint256 locked) = escrow.balanceOf(to);
        assertEq(free, amount);
        assertEq(locked, 0);
        assertEq(escrow.totalHeld(), amount);
        assertEq(address(escrow).balance, amount);
    }

    function test_RevertWhen_WithdrawnToNobody() external {
        vm.expectRevert(Errors.ZeroAddress.selector);
        escrow.withdraw(payable(address(0)), 1);
    }

    function test_RevertWhen_WithdrawnNothing() external {
        vm.expectRevert(Errors.InferenceEscrow_AmountZero.selector);
        escrow.withdraw(payable(alice), 0);
    }

    function test_RevertWhen_BalanceInsufficient(uint128 held, uint128 cap, uint256 amount) external {
        held = uint128(bound(held, 1, 1e30));
        cap = uint128(bound(cap, 1, held));
        amount = bound(amount, held - cap + 1, type(uint256).max);
        deposit(customer, held);
        authorize(cap, uint64(block.timestamp + 1 days));
        vm.expectRevert(
            abi.encodeWithSelector(Errors.InferenceEscrow_BalanceInsufficient.selector, customer, held - cap, amount)
        );
        vm.prank(customer);
        escrow.withdraw(payable(customer), amount);
    }

    function test_RevertWhen_ReceiverRefuses() external {
        deposit(customer, 1 ether);
        address refuser = address(new Refuser());
        vm.expectRevert(SafeTransferLib.ETHTransferFailed.selector);
        vm.prank(customer);
        escrow.withdraw(payable(refuser), 1 ether);
    }

    function test_WhenTheReceiverCallsBack() external {
        Reentrant account = new Reentrant();
        deposit(address(account), 2 ether);
        account.arm(address(escrow), abi.encodeCall(escrow.withdraw, (payable(address(account)), 1 ether)));
        vm.prank(address(account));
        escrow.withdraw(payable(address(account)), 1 ether);
        assertTrue(account.called());
        assertFalse(account.succeeded());
        assertEq(address(account).balance, 1 ether);
        assertEq(escrow.totalHeld(), 1 ether);
    }

    function test_WhenTheFreeBalanceSuffices(uint128 held, uint256 amount) external {
        held = uint128(bound(held, 1, 1e30));
        amount = bound(amount, 1, held);
        deposit(customer, held);
        vm.expectEmit(address(escrow));
        emit IInferenceEscrow.Withdrawn(customer, alice, amount);
        vm.prank(customer);
        escrow.withdraw(payable(alice), amount);
        assertEq(alice.balance, amount);
        (uint256 free,) = escrow.balanceOf(customer);
        assertEq(free, held - amount);
        assertEq(escrow.totalHeld(), held - amount);
    }
}
