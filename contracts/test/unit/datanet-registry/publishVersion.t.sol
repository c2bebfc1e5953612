// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IDatanetRegistry} from "../../../src/interfaces/IDatanetRegistry.sol";
import {Errors} from "../../../src/libraries/Errors.sol";
import {EconomyTest} from "../../utils/EconomyTest.sol";
import {PlainTree} from "../../utils/PlainTree.sol";

contract PublishVersionTest is EconomyTest {
    uint256 private datanetId;

    function setUp() public override {
        super.setUp();
        datanetId = createDatanet();
    }

    function test_RevertWhen_CallerNotCurator(address caller) external {
        vm.assume(caller != curator && caller != address(this));
        accept(contribute(alice, datanetId, 1));
        vm.expectRevert(abi.encodeWithSelector(Errors.DatanetRegistry_NotCurator.selector, datanetId, caller));
        vm.prank(caller);
        datanets.publishVersion(datanetId, "clusters");
    }

    function test_RevertWhen_NothingAccepted() external {
        contribute(alice, datanetId, 1);
        vm.expectRevert(abi.encodeWithSelector(Errors.DatanetRegistry_NothingAccepted.selector, datanetId));
        datanets.publishVersion(datanetId, "clusters");
    }

    function test_RevertWhen_ClusterMapRootMissing() external {
        accept(contribute(alice, datanetId, 1));
        vm.expectRevert(Errors.DatanetRegistry_HashMissing.selector);
        datanets.publishVersion(datanetId, 0);
    }

    function test_WhenThereAreAcceptedContributions(uint8 versions) external {
        versions = uint8(bound(versions, 1, 8));
        bytes32[] memory leaves = new bytes32[](0);
        bytes32[] memory roots = new bytes32[](versions);
        for (uint32 i; i < versions; ++i) {
            uint256 id = contribute(alice, datanetId, i);
            accept(id);
            bytes32[] memory longer = new bytes32[](i + 1);
            for (uint256 j; j < i; ++j) {
                longer[j] = leaves[j];
            }
            longer[i] = datanets.leafOf(id);
            leaves = longer;
            roots[i] = PlainTree.rootOf(leaves);
            bytes32 clusters = keccak256(abi.encode(i));
            vm.expectEmit(address(datanets));
            emit IDatanetRegistry.VersionPublished(datanetId, i + 1, i + 1, roots[i], clusters);
            vm.prank(curator);
            assertEq(datanets.publishVersion(datanetId, clusters), i + 1);
        }
        assertEq(datanets.versionCount(datanetId), versions);
        for (uint32 i; i < versions; ++i) {
            IDatanetRegistry.Version memory v = datanets.version(datanetId, i + 1);
            assertEq(v.parent, i);
            assertEq(v.contributionCount, i + 1);
            assertEq(v.contributionsRoot, roots[i]);
            assertEq(v.clusterMapRoot, keccak256(abi.encode(i)));
            assertGt(v.publishedAt, 0);
        }
    }

    function test_RevertWhen_VersionNotPublished(uint32 number) external {
        accept(contribute(alice, datanetId, 1));
        datanets.publishVersion(datanetId, "clusters");
        vm.assume(number != 1);
        vm.expectRevert(abi.encodeWithSelector(Errors.DatanetRegistry_VersionUnknown.selector, datanetId, number));
        datanets.version(datanetId, number);
    }

    function test_RevertWhen_LeafOfSomethingHidden() external {
        uint256 hidden = commitAs(alice, datanetId, document(1));
        vm.expectRevert(
            abi.encodeWithSelector(
                Errors.DatanetRegistry_StatusInvalid.selector, hidden, IDatanetRegistry.Status.Committed
            )
        );
        datanets.leafOf(hidden);
    }
}
