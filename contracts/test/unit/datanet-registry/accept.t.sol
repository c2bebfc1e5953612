// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IDatanetRegistry} from "../../../src/interfaces/IDatanetRegistry.sol";
import {Errors} from "../../../src/libraries/Errors.sol";
import {EconomyTest} from "../../utils/EconomyTest.sol";
import {GasGuzzler, Reentrant, Refuser} from "../../utils/Payees.sol";
import {PlainTree} from "../../utils/PlainTree.sol";

contract AcceptTest is EconomyTest {
    uint256 private datanetId;

    function setUp() public override {
        super.setUp();
        datanetId = createDatanet();
    }

    function test_RevertWhen_BatchSizeOutOfBounds(uint256 count) external {
        count = count % 2 == 0 ? 0 : bound(count, 65, 200);
        vm.expectRevert(abi.encodeWithSelector(Errors.DatanetRegistry_BatchSize.selector, count, 64));
        vm.prank(curator);
        datanets.accept(new uint256[](count));
    }

    function test_RevertWhen_Unknown(uint256 id) external {
        vm.expectRevert(abi.encodeWithSelector(Errors.DatanetRegistry_ContributionUnknown.selector, id));
        accept(id);
    }

    function test_RevertWhen_NotRevealed() external {
        uint256 id = commitAs(alice, datanetId, document(1));
        vm.expectRevert(
            abi.encodeWithSelector(Errors.DatanetRegistry_StatusInvalid.selector, id, IDatanetRegistry.Status.Committed)
        );
        accept(id);
    }

    function test_RevertWhen_ListedTwice() external {
        uint256[] memory ids = new uint256[](2);
        ids[0] = ids[1] = contribute(alice, datanetId, 1);
        vm.expectRevert(
            abi.encodeWithSelector(
                Errors.DatanetRegistry_StatusInvalid.selector, ids[0], IDatanetRegistry.Status.Accepted
            )
        );
        vm.prank(curator);
        datanets.accept(ids);
    }

    function test_RevertWhen_CallerNotCurator(address caller) external {
        vm.assume(caller != curator && caller != address(this));
        uint256 id = contribute(alice, datanetId, 1);
        vm.expectRevert(abi.encodeWithSelector(Errors.DatanetRegistry_NotCurator.selector, datanetId, caller));
        vm.prank(caller);
        datanets.accept(one(id));
    }

    function test_RevertWhen_OneIsOfAnotherDatanet() external {
        vm.prank(mallory);
        uint256 other = datanets.createDatanet(datanetParams());
        vm.prank(mallory);
        datanets.setCurator(other, curator, false);
        uint256[] memory ids = new uint256[](2);
        ids[0] = contribute(alice, datanetId, 1);
        ids[1] = contribute(alice, other, 2);
        vm.expectRevert(abi.encodeWithSelector(Errors.DatanetRegistry_NotCurator.selector, other, curator));
        vm.prank(curator);
        datanets.accept(ids);
    }

    function test_WhenACuratorAcceptsRevealedContributions(uint8 count, bool byOwner) external {
        count = uint8(bound(count, 1, 64));
        uint256[] memory ids = new uint256[](count);
        bytes32[] memory leaves = new bytes32[](count);
        for (uint256 i; i < count; ++i) {
            // Accepted in the reverse order of commitment: the tree follows acceptance.
            ids[count - 1 - i] = contribute(i % 2 == 0 ? alice : bob, datanetId, i);
        }
        for (uint256 i; i < count; ++i) {
            leaves[i] = datanets.leafOf(ids[i]);
            vm.expectEmit(address(datanets));
            // forge-lint: disable-next-line(unsafe-typecast)
            emit IDatanetRegistry.ContributionAccepted(datanetId, ids[i], uint32(i));
        }
        vm.expectEmit(address(datanets));
        emit IDatanetRegistry.BondReturned(ids[0], datanets.contribution(ids[0]).contributor, BOND);
        vm.prank(byOwner ? address(this) : curator);
        datanets.accept(ids);

        assertEq(datanets.acceptedCount(datanetId), count);
        assertEq(datanets.contributionsRoot(datanetId), PlainTree.rootOf(leaves));
        assertEq(address(datanets).balance, 0);
        assertEq(alice.balance + bob.balance, count * uint256(BOND));
        for (uint256 i; i < count; ++i) {
            IDatanetRegistry.Contribution memory c = datanets.contribution(ids[i]);
            assertEq(uint8(c.status), uint8(IDatanetRegistry.Status.Accepted));
            assertEq(c.bond, 0);
        }
    }

    function test_WhenAnAccountRefusesTheBond() external {
        assertCredited(address(new Refuser()));
    }

    function test_WhenAnAccountUsesTooMuchGas() external {
        assertCredited(address(new GasGuzzler()));
    }

    function test_WhenAnAccountReenters() external {
        Reentrant payeeAccount = new Reentrant();
        uint256 id = contribute(address(payeeAccount), datanetId, 1);
        payeeAccount.arm(address(datanets), abi.encodeCall(datanets.tombstone, (id)));
        accept(id);
        assertFalse(payeeAccount.succeeded());
        assertEq(address(payeeAccount).balance, BOND);
        assertEq(uint8(datanets.contribution(id).status), uint8(IDatanetRegistry.Status.Accepted));
    }

    function assertCredited(address account) private {
        uint256[] memory ids = new uint256[](2);
        ids[0] = contribute(account, datanetId, 1);
        ids[1] = contribute(bob, datanetId, 2);
        vm.prank(curator);
        datanets.accept(ids);
        assertEq(datanets.credit(account), BOND);
        assertEq(account.balance, 0);
        assertEq(bob.balance, BOND);
        assertEq(address(datanets).balance, BOND);

        vm.prank(account);
        assertEq(datanets.withdraw(payable(alice)), BOND);
        assertEq(alice.balance, BOND);
    }
}
