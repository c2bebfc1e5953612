// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Test} from "forge-std/Test.sol";

import {BaseFeeVault} from "../../../src/l2/predeploys/BaseFeeVault.sol";
import {FeeVault} from "../../../src/l2/predeploys/FeeVault.sol";
import {SequencerFeeVault} from "../../../src/l2/predeploys/SequencerFeeVault.sol";

contract FeeVaultTest is Test {
    uint256 private constant MINIMUM = 1 ether;

    address private immutable recipient = makeAddr("recipient");
    FeeVault private vault = new BaseFeeVault(recipient, MINIMUM);

    function test_RevertWhen_RecipientZero() external {
        vm.expectRevert(FeeVault.FeeVault_RecipientZero.selector);
        new BaseFeeVault(address(0), MINIMUM);
    }

    function testFuzz_RevertWhen_BelowMinimum(uint256 balance) external {
        balance = bound(balance, 0, MINIMUM - 1);
        vm.deal(address(vault), balance);
        vm.expectRevert(abi.encodeWithSelector(FeeVault.FeeVault_BelowMinimum.selector, balance, MINIMUM));
        vault.withdraw();
    }

    function test_RevertWhen_RecipientRefuses() external {
        vm.etch(recipient, hex"5f5ffd");
        vm.deal(address(vault), MINIMUM);
        vm.expectRevert(abi.encodeWithSelector(FeeVault.FeeVault_TransferFailed.selector, recipient));
        vault.withdraw();
        assertEq(vault.totalProcessed(), 0);
    }

    function testFuzz_Withdraw(address caller, uint128 first, uint128 second) external {
        first = uint128(bound(first, MINIMUM, type(uint128).max));
        second = uint128(bound(second, MINIMUM, type(uint128).max));
        withdraw(caller, first);
        withdraw(caller, second);
        assertEq(vault.totalProcessed(), uint256(first) + second);
        assertEq(recipient.balance, uint256(first) + second);
    }

    function test_Names() external {
        assertEq(vault.RECIPIENT(), recipient);
        assertEq(vault.MIN_WITHDRAWAL_AMOUNT(), MINIMUM);
        assertEq(uint8(vault.WITHDRAWAL_NETWORK()), 1);
        assertEq(new SequencerFeeVault(recipient, 0).l1FeeWallet(), recipient);
    }

    function withdraw(address caller, uint256 amount) private {
        vm.deal(address(vault), amount);
        vm.expectEmit(address(vault));
        emit FeeVault.Withdrawal(amount, recipient, caller);
        vm.expectEmit(address(vault));
        emit FeeVault.Withdrawal(amount, recipient, caller, FeeVault.WithdrawalNetwork.L2);
        vm.prank(caller);
        assertEq(vault.withdraw(), amount);
        assertEq(address(vault).balance, 0);
    }
}
