// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IBondVault} from "../../../src/interfaces/IBondVault.sol";
import {IDisputeGame} from "../../../src/interfaces/IDisputeGame.sol";
import {IProofDisputeGame} from "../../../src/interfaces/IProofDisputeGame.sol";
import {RollupTest} from "../../utils/RollupTest.sol";

contract BondVaultTest is RollupTest {
    address private immutable bob = makeAddr("bob");

    function depositAs(address who, uint256 amount) private {
        vm.prank(treasury);
        open.transfer(who, amount);
        vm.startPrank(who);
        open.approve(address(vault), amount);
        vault.deposit(amount);
        vm.stopPrank();
    }

    function testFuzz_Deposit(uint256 first, uint256 second) external {
        first = bound(first, 0, 1e26);
        second = bound(second, 0, 1e26);
        depositAs(alice, first);
        depositAs(bob, second);
        depositAs(alice, second);
        assertEq(vault.balanceOf(alice), first + second);
        assertEq(vault.balanceOf(bob), second);
        assertEq(vault.totalSupply(), first + 2 * second);
        assertEq(open.balanceOf(address(vault)), vault.totalSupply());
    }

    function test_RevertWhen_Paused() external {
        depositAs(alice, 5);
        vm.prank(alice);
        vault.unlock(bob, 5);
        skip(BOND_DELAY);
        vm.prank(guardian);
        config.pause();
        vm.startPrank(alice);
        vm.expectRevert(IBondVault.BondVault_Paused.selector);
        vault.withdraw(bob, 5);
        skip(config.PAUSE_DURATION());
        vault.withdraw(bob, 5);
    }

    function testFuzz_RevertWhen_NotUnlocked(uint256 unlocked, uint256 asked, address recipient) external {
        depositAs(alice, 1e18);
        unlocked = bound(unlocked, 0, 1e18 - 1);
        asked = bound(asked, unlocked + 1, 1e18);
        vm.startPrank(alice);
        vault.unlock(bob, unlocked);
        skip(BOND_DELAY);
        vm.expectRevert(abi.encodeWithSelector(IBondVault.BondVault_NotUnlocked.selector, unlocked, asked));
        vault.withdraw(bob, asked);
        vm.assume(recipient != bob);
        vm.expectRevert(abi.encodeWithSelector(IBondVault.BondVault_NotUnlocked.selector, 0, asked));
        vault.withdraw(recipient, asked);
    }

    function testFuzz_RevertWhen_DelayNotMet(uint256 wait) external {
        depositAs(alice, 10);
        vm.startPrank(alice);
        vault.unlock(bob, 5);
        uint256 since = vm.getBlockTimestamp();
        skip(bound(wait, 0, BOND_DELAY - 1));
        vm.expectRevert(abi.encodeWithSelector(IBondVault.BondVault_DelayNotMet.selector, since + BOND_DELAY));
        vault.withdraw(bob, 5);
        vault.unlock(bob, 1);
        since = vm.getBlockTimestamp();
        skip(BOND_DELAY - 1);
        vm.expectRevert(abi.encodeWithSelector(IBondVault.BondVault_DelayNotMet.selector, since + BOND_DELAY));
        vault.withdraw(bob, 5);
        skip(1);
        vault.withdraw(bob, 6);
        assertEq(open.balanceOf(bob), 6);
    }

    function test_RevertWhen_BalanceTooLow() external {
        depositAs(alice, 5);
        depositAs(bob, 5);
        vm.startPrank(alice);
        vault.unlock(bob, 6);
        skip(BOND_DELAY);
        vm.expectRevert(abi.encodeWithSelector(IBondVault.BondVault_BalanceTooLow.selector, 5, 6));
        vault.withdraw(bob, 6);
    }

    function test_PaysOnce() external {
        depositAs(alice, 10);
        vm.startPrank(alice);
        vault.unlock(bob, 5);
        skip(BOND_DELAY);
        vm.expectEmit(address(vault));
        emit IBondVault.Withdrawal(alice, bob, 5);
        vault.withdraw(bob, 5);
        vm.expectRevert(abi.encodeWithSelector(IBondVault.BondVault_NotUnlocked.selector, 0, 5));
        vault.withdraw(bob, 5);
        assertEq(vault.balanceOf(alice), 5);
        assertEq(vault.totalSupply(), 5);
    }

    function test_Hold() external {
        IProofDisputeGame game = propose("root", 10);
        IProofDisputeGame other = propose("other", 10);
        depositAs(alice, 10);
        vm.startPrank(guardian);
        registry.blacklistDisputeGame(IDisputeGame(alice));
        vm.stopPrank();
        vm.startPrank(owner);
        vm.expectRevert(abi.encodeWithSelector(IBondVault.BondVault_NotVoid.selector, alice));
        vault.hold(alice);
        vm.expectRevert(abi.encodeWithSelector(IBondVault.BondVault_NotVoid.selector, address(game)));
        vault.hold(address(game));
        vm.stopPrank();
        vm.prank(guardian);
        registry.blacklistDisputeGame(game);
        vm.prank(owner);
        vault.hold(address(game));
        assertEq(open.balanceOf(owner), PROPOSER_BOND);
        assertEq(vault.balanceOf(address(game)), 0);
        assertEq(vault.balanceOf(address(other)), PROPOSER_BOND);
        assertEq(vault.balanceOf(alice), 10);
        assertEq(vault.totalSupply(), PROPOSER_BOND + 10);
    }
}
