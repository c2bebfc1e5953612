// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IDatanetRegistry} from "../../../src/interfaces/IDatanetRegistry.sol";
import {Errors} from "../../../src/libraries/Errors.sol";
import {EconomyTest} from "../../utils/EconomyTest.sol";

abstract contract ReviewTest is EconomyTest {
    uint256 internal datanetId;
    uint256 internal id;

    function setUp() public override {
        super.setUp();
        datanetId = createDatanet();
        id = contribute(alice, datanetId, 1);
    }

    function expectStatus(uint256 contribution, IDatanetRegistry.Status status) internal {
        vm.expectRevert(abi.encodeWithSelector(Errors.DatanetRegistry_StatusInvalid.selector, contribution, status));
    }

    function assertStatus(IDatanetRegistry.Status status) internal view {
        assertEq(uint8(datanets.contribution(id).status), uint8(status));
    }
}

contract RejectTest is ReviewTest {
    function test_RevertWhen_NotRevealed() external {
        accept(id);
        expectStatus(id, IDatanetRegistry.Status.Accepted);
        vm.prank(curator);
        datanets.reject(id, "late");
    }

    function test_RevertWhen_CallerNotCurator(address caller) external {
        vm.assume(caller != curator && caller != address(this));
        vm.expectRevert(abi.encodeWithSelector(Errors.DatanetRegistry_NotCurator.selector, datanetId, caller));
        vm.prank(caller);
        datanets.reject(id, "no");
    }

    function test_RevertWhen_ReasonTooLong() external {
        vm.expectRevert(abi.encodeWithSelector(Errors.DatanetRegistry_TextTooLong.selector, 257, 256));
        vm.prank(curator);
        datanets.reject(id, string(new bytes(257)));
    }

    function test_WhenACuratorDeclines() external {
        vm.expectEmit(address(datanets));
        emit IDatanetRegistry.ContributionRejected(datanetId, id, "off topic");
        vm.expectEmit(address(datanets));
        emit IDatanetRegistry.BondReturned(id, alice, BOND);
        vm.prank(curator);
        datanets.reject(id, "off topic");
        assertStatus(IDatanetRegistry.Status.Rejected);
        assertEq(alice.balance, BOND);
        assertEq(datanets.acceptedCount(datanetId), 0);
    }
}

contract ExpireTest is ReviewTest {
    function test_RevertWhen_NotCommitted() external {
        expectStatus(id, IDatanetRegistry.Status.Revealed);
        datanets.expire(id);
    }

    function test_RevertWhen_WindowOpen(uint256 elapsed) external {
        uint256 hidden = commitAs(bob, datanetId, document(2));
        uint256 deadline = vm.getBlockTimestamp() + REVEAL_WINDOW;
        vm.warp(vm.getBlockTimestamp() + bound(elapsed, 0, REVEAL_WINDOW));
        vm.expectRevert(abi.encodeWithSelector(Errors.DatanetRegistry_RevealWindowOpen.selector, hidden, deadline));
        datanets.expire(hidden);
    }

    function test_WhenTheWindowClosed(address caller, uint256 late) external {
        uint256 hidden = commitAs(bob, datanetId, document(2));
        vm.warp(vm.getBlockTimestamp() + REVEAL_WINDOW + bound(late, 1, 1_000 days));
        vm.expectEmit(address(datanets));
        emit IDatanetRegistry.ContributionExpired(datanetId, hidden);
        vm.expectEmit(address(datanets));
        emit IDatanetRegistry.BondForfeited(hidden, sink, BOND);
        vm.prank(caller);
        datanets.expire(hidden);
        assertEq(datanets.credit(sink), BOND);
        expectStatus(hidden, IDatanetRegistry.Status.Expired);
        datanets.expire(hidden);

        vm.expectEmit(address(datanets));
        emit IDatanetRegistry.Withdrawn(sink, alice, BOND);
        vm.prank(sink);
        datanets.withdraw(payable(alice));
        assertEq(alice.balance, BOND);
        vm.expectRevert(abi.encodeWithSelector(Errors.NothingToWithdraw.selector, sink));
        vm.prank(sink);
        datanets.withdraw(payable(alice));
    }

    function test_RevertWhen_WithdrawnToZero() external {
        vm.expectRevert(Errors.ZeroAddress.selector);
        datanets.withdraw(payable(address(0)));
    }
}

contract TombstoneTest is ReviewTest {
    function test_RevertWhen_CallerNotContributor(address caller) external {
        vm.assume(caller != alice);
        vm.expectRevert(abi.encodeWithSelector(Errors.DatanetRegistry_NotContributor.selector, id, caller));
        vm.prank(caller);
        datanets.tombstone(id);
    }

    function test_RevertWhen_NeitherRevealedNorAccepted() external {
        uint256 hidden = commitAs(alice, datanetId, document(2));
        expectStatus(hidden, IDatanetRegistry.Status.Committed);
        vm.prank(alice);
        datanets.tombstone(hidden);
    }

    function test_WhenRevealed() external {
        vm.expectEmit(address(datanets));
        emit IDatanetRegistry.ContributionTombstoned(datanetId, id);
        vm.prank(alice);
        datanets.tombstone(id);
        assertStatus(IDatanetRegistry.Status.Tombstoned);
        assertEq(alice.balance, BOND);
        expectStatus(id, IDatanetRegistry.Status.Tombstoned);
        accept(id);
    }

    function test_WhenAccepted() external {
        accept(id);
        bytes32 root = datanets.contributionsRoot(datanetId);
        vm.prank(alice);
        datanets.tombstone(id);
        assertStatus(IDatanetRegistry.Status.Tombstoned);
        assertEq(alice.balance, BOND);
        assertEq(datanets.contributionsRoot(datanetId), root);
        assertEq(datanets.acceptedCount(datanetId), 1);
        expectStatus(id, IDatanetRegistry.Status.Tombstoned);
        vm.prank(alice);
        datanets.tombstone(id);
    }
}
