// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IDatanetRegistry} from "../../../src/interfaces/IDatanetRegistry.sol";
import {Errors} from "../../../src/libraries/Errors.sol";
import {EconomyTest} from "../../utils/EconomyTest.sol";

contract CommitTest is EconomyTest {
    uint256 private datanetId;

    function setUp() public override {
        super.setUp();
        datanetId = createDatanet();
        vm.deal(alice, 100 ether);
    }

    function test_RevertWhen_DatanetUnknown(uint256 unknown) external {
        vm.assume(unknown != datanetId);
        vm.expectRevert(abi.encodeWithSelector(Errors.DatanetRegistry_DatanetUnknown.selector, unknown));
        vm.prank(alice);
        datanets.commit{value: BOND}(unknown, "commitment");
    }

    function test_RevertWhen_ValueNotBond(uint256 value) external {
        value = bound(value, 0, 100 ether);
        vm.assume(value != BOND);
        vm.expectRevert(abi.encodeWithSelector(Errors.DatanetRegistry_BondMismatch.selector, value, BOND));
        vm.prank(alice);
        datanets.commit{value: value}(datanetId, "commitment");
    }

    function test_RevertWhen_CommitmentZero() external {
        vm.expectRevert(Errors.DatanetRegistry_HashMissing.selector);
        vm.prank(alice);
        datanets.commit{value: BOND}(datanetId, 0);
    }

    function test_WhenTheBondIsPaid(bytes32 commitment) external {
        vm.assume(commitment != 0);
        uint256 other = createDatanet();
        assertEq(commitAs(bob, other, document(9)), 1);

        vm.expectEmit(address(datanets));
        emit IDatanetRegistry.ContributionCommitted(datanetId, 2, alice, commitment, 2);
        vm.prank(alice);
        assertEq(datanets.commit{value: BOND}(datanetId, commitment), 2);

        assertEq(datanets.contributionCount(), 2);
        assertEq(address(datanets).balance, 2 * BOND);
        IDatanetRegistry.Contribution memory c = datanets.contribution(2);
        assertEq(c.datanetId, datanetId);
        assertEq(c.contributor, alice);
        assertEq(uint8(c.status), uint8(IDatanetRegistry.Status.Committed));
        assertEq(c.sequence, 2);
        assertEq(c.committedAt, block.timestamp);
        assertEq(c.bond, BOND);
        assertEq(c.commitment, commitment);
        assertEq(c.contentHash, 0);
        assertEq(c.chunkCount, 0);
    }
}
