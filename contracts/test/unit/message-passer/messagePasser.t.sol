// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Test} from "forge-std/Test.sol";

import {L2ToL1MessagePasser} from "../../../src/l2/predeploys/L2ToL1MessagePasser.sol";
import {RollupHashing} from "../../../src/libraries/RollupHashing.sol";

contract L2ToL1MessagePasserTest is Test {
    L2ToL1MessagePasser private passer = new L2ToL1MessagePasser();

    function testFuzz_InitiateWithdrawal(
        address sender,
        address target,
        uint128 value,
        uint256 gasLimit,
        bytes memory data,
        uint8 count
    ) external {
        vm.assume(sender != address(passer));
        count = uint8(bound(count, 1, 5));
        vm.deal(sender, uint256(value) * count);
        for (uint256 i; i < count; ++i) {
            uint256 nonce = (uint256(1) << 240) + i;
            assertEq(passer.messageNonce(), nonce);
            bytes32 hash = keccak256(abi.encode(nonce, sender, target, uint256(value), gasLimit, data));
            assertFalse(passer.sentMessages(hash));

            vm.expectEmit(address(passer));
            emit L2ToL1MessagePasser.MessagePassed(nonce, sender, target, value, gasLimit, data, hash);
            vm.prank(sender);
            passer.initiateWithdrawal{value: value}(target, gasLimit, data);

            assertTrue(passer.sentMessages(hash));
            assertEq(vm.load(address(passer), RollupHashing.withdrawalStorageKey(hash)), bytes32(uint256(1)));
        }
        assertEq(address(passer).balance, uint256(value) * count);
    }

    function test_Topic() external pure {
        assertEq(
            L2ToL1MessagePasser.MessagePassed.selector,
            0x02a52367d10742d8032712c1bb8e0144ff1ec5ffda1ed7d70bb05a2744955054
        );
    }

    function testFuzz_Receive(address sender, uint128 value) external {
        vm.assume(sender != address(passer));
        vm.deal(sender, value);
        uint256 nonce = passer.messageNonce();
        bytes32 hash = keccak256(abi.encode(nonce, sender, sender, uint256(value), uint256(100_000), bytes("")));
        vm.prank(sender);
        (bool ok,) = address(passer).call{value: value}("");
        assertTrue(ok);
        assertTrue(passer.sentMessages(hash));
    }

    function testFuzz_Burn(uint128 value, address caller) external {
        vm.deal(address(this), value);
        passer.initiateWithdrawal{value: value}(address(1), 0, "");
        vm.expectEmit(address(passer));
        emit L2ToL1MessagePasser.WithdrawerBalanceBurnt(value);
        address burner = vm.computeCreateAddress(address(passer), vm.getNonce(address(passer)));
        vm.prank(caller);
        passer.burn();
        assertEq(address(passer).balance, 0);
        assertEq(burner.balance, 0);
    }
}
