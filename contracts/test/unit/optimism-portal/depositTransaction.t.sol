// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IOptimismPortal} from "../../../src/interfaces/IOptimismPortal.sol";
import {AddressAlias} from "../../../src/libraries/AddressAlias.sol";
import {Depositor, RollupTest} from "../../utils/RollupTest.sol";

contract DepositTransactionTest is RollupTest {
    function test_RevertWhen_EtherIsSent() external {
        vm.deal(alice, 1);
        vm.prank(alice, alice);
        vm.expectRevert(IOptimismPortal.OptimismPortal_EtherNotAccepted.selector);
        portal.depositTransaction{value: 1}(alice, 0, GAS, false, "");
    }

    function test_RevertWhen_EtherIsSentPlainly() external {
        vm.deal(alice, 1);
        vm.prank(alice, alice);
        (bool ok,) = address(portal).call{value: 1}("");
        assertFalse(ok);
    }

    function test_RevertWhen_CreationHasTarget() external {
        vm.expectRevert(IOptimismPortal.OptimismPortal_BadTarget.selector);
        portal.depositTransaction(alice, 0, GAS, true, "");
    }

    function test_RevertWhen_DataTooLong() external {
        vm.expectRevert(IOptimismPortal.OptimismPortal_CalldataTooLarge.selector);
        portal.depositTransaction(alice, 0, 10_000_000, false, new bytes(120_001));
    }

    function test_LongestData() external {
        portal.depositTransaction(alice, 0, portal.minimumGasLimit(120_000), false, new bytes(120_000));
    }

    function testFuzz_RevertWhen_GasLimitTooLow(uint256 length, uint64 gasLimit) external {
        length = bound(length, 0, 2_000);
        uint64 least = uint64(21_000 + 40 * length);
        assertEq(portal.minimumGasLimit(uint64(length)), least);
        gasLimit = uint64(bound(gasLimit, 0, least - 1));
        vm.expectRevert(IOptimismPortal.OptimismPortal_GasLimitTooLow.selector);
        portal.depositTransaction(alice, 0, gasLimit, false, new bytes(length));

        portal.depositTransaction(alice, 0, least, false, new bytes(length));
    }

    function test_WhenPaused() external {
        vm.prank(guardian);
        config.pause();
        assertTrue(portal.paused());
        expectDeposit(alice, alice, abi.encodePacked(uint256(0), uint256(1), GAS, false));
        vm.prank(alice, alice);
        portal.depositTransaction(alice, 1, GAS, false, "");
    }

    function testFuzz_WhenSenderOfTransaction(
        address from,
        address to,
        uint256 value,
        uint64 gasLimit,
        bytes memory data
    ) external {
        vm.assume(from != address(0));
        gasLimit = uint64(bound(gasLimit, portal.minimumGasLimit(uint64(data.length)), 1_000_000));
        expectDeposit(from, to, bytes.concat(bytes32(0), bytes32(value), bytes8(gasLimit), bytes1(0), data));
        vm.prank(from, from);
        portal.depositTransaction(to, value, gasLimit, false, data);
        assertEq(portal.escrowed(), 0);
        assertEq(open.balanceOf(address(portal)), 0);
    }

    function test_Creation() external {
        expectDeposit(alice, address(0), abi.encodePacked(uint256(0), uint256(0), GAS, true, hex"6000"));
        vm.prank(alice, alice);
        portal.depositTransaction(address(0), 0, GAS, true, hex"6000");
    }

    function testFuzz_WhenContract(address to, uint256 value) external {
        Depositor depositor = new Depositor();
        expectDeposit(AddressAlias.toL2(address(depositor)), to, abi.encodePacked(uint256(0), value, GAS, false));
        vm.prank(alice, alice);
        depositor.deposit(portal, to, value, GAS, "");
    }

    function testFuzz_WhenDelegated(address delegate) external {
        vm.etch(alice, abi.encodePacked(hex"ef0100", delegate));
        expectDeposit(alice, alice, abi.encodePacked(uint256(0), uint256(1), GAS, false));
        vm.prank(alice, treasury);
        portal.depositTransaction(alice, 1, GAS, false, "");
    }

    function test_WhenCodeLooksDelegated() external {
        bytes[3] memory codes = [
            abi.encodePacked(hex"ee0100", treasury),
            abi.encodePacked(hex"60ef0100", treasury),
            abi.encodePacked(hex"600100", treasury)
        ];
        for (uint256 i; i < codes.length; ++i) {
            vm.etch(alice, codes[i]);
            expectDeposit(AddressAlias.toL2(alice), alice, abi.encodePacked(uint256(0), uint256(1), GAS, false));
            vm.prank(alice, treasury);
            portal.depositTransaction(alice, 1, GAS, false, "");
        }
    }

    function testFuzz_AliasIsABijection(address account) external pure {
        assertEq(AddressAlias.toL1(AddressAlias.toL2(account)), account);
        assertTrue(AddressAlias.toL2(account) != account);
    }
}
