// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {ResourceMetering} from "../../../src/l1/ResourceMetering.sol";
import {RollupTest} from "../../utils/RollupTest.sol";

contract MeteringTest is RollupTest {
    uint64 private constant LIMIT = 20_000_000;
    uint128 private constant GWEI = 1e9;

    function test_StartsAtTheLowestPrice() external view {
        (uint128 price, uint64 bought, uint64 number) = portal.params();
        assertEq(price, GWEI);
        assertEq(bought, 0);
        assertEq(number, block.number);
    }

    function test_CountsWithinABlock() external {
        vm.fee(1_000 gwei);
        deposit(1_000_000);
        deposit(2_000_000);
        (, uint64 bought,) = portal.params();
        assertEq(bought, 3_000_000);
        vm.roll(block.number + 1);
        deposit(30_000);
        (, bought,) = portal.params();
        assertEq(bought, 30_000);
    }

    function test_RevertWhen_BlockIsFull() external {
        vm.fee(1_000 gwei);
        deposit(LIMIT);
        vm.expectRevert(ResourceMetering.OutOfGas.selector);
        portal.depositTransaction(alice, 0, 21_000, false, "");
        vm.roll(block.number + 1);
        deposit(LIMIT);
    }

    /// @dev Full is ten times the target: the price moves by (10 - 1) / 8 of itself.
    function test_FullBlockRaisesThePrice() external {
        vm.fee(100_000 gwei);
        deposit(LIMIT);
        vm.roll(block.number + 1);
        deposit(21_000);
        (uint128 price,,) = portal.params();
        assertEq(price, GWEI + GWEI * 9 / 8);
    }

    /// @dev The first step is for the block of the purchase, each further one for an empty block.
    function testFuzz_EmptyBlocksLowerThePrice(uint256 blocks) external {
        vm.fee(1_000_000 gwei);
        for (uint256 i; i < 4; ++i) {
            deposit(LIMIT);
            vm.roll(block.number + 1);
        }
        (uint128 before,,) = portal.params();
        uint256 expected = uint256(before) + uint256(before) * 9 / 8;
        blocks = bound(blocks, 1, 2_000);
        for (uint256 i = 1; i < blocks && expected > GWEI; ++i) {
            expected = expected * 7 / 8;
        }
        vm.roll(block.number + blocks - 1);
        deposit(21_000);
        (uint128 price,,) = portal.params();
        assertApproxEqRel(price, expected < GWEI ? GWEI : expected, 1e12);
        assertGe(price, GWEI);
    }

    function testFuzz_BurnsGas(uint64 gasLimit, uint256 baseFee) external {
        gasLimit = uint64(bound(gasLimit, 21_000, 2_000_000));
        baseFee = bound(baseFee, 0, 4 gwei);
        vm.fee(baseFee);
        uint256 due = uint256(gasLimit) * GWEI / (baseFee > GWEI ? baseFee : GWEI);
        uint256 gasBefore = gasleft();
        deposit(gasLimit);
        uint256 used = gasBefore - gasleft();
        assertGe(used, due);
        assertLe(used, (due > 60_000 ? due : 60_000) + 20_000);
    }

    function deposit(uint64 gasLimit) private {
        portal.depositTransaction(alice, 0, gasLimit, false, "");
    }
}
