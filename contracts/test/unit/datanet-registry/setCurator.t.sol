// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Vm} from "forge-std/Vm.sol";

import {IDatanetRegistry} from "../../../src/interfaces/IDatanetRegistry.sol";
import {Errors} from "../../../src/libraries/Errors.sol";
import {EconomyTest} from "../../utils/EconomyTest.sol";

contract SetCuratorTest is EconomyTest {
    uint256 private datanetId;

    function setUp() public override {
        super.setUp();
        datanetId = createDatanet();
    }

    function test_RevertWhen_DatanetUnknown(uint256 unknown) external {
        vm.assume(unknown != datanetId);
        vm.expectRevert(abi.encodeWithSelector(Errors.DatanetRegistry_DatanetUnknown.selector, unknown));
        datanets.setCurator(unknown, alice, true);
    }

    function test_RevertWhen_CallerNotOwner(address caller) external {
        vm.assume(caller != address(this));
        vm.expectRevert(abi.encodeWithSelector(Errors.DatanetRegistry_NotOwner.selector, datanetId, caller));
        vm.prank(caller);
        datanets.setCurator(datanetId, caller, true);
    }

    function test_RevertWhen_CuratorZero() external {
        vm.expectRevert(Errors.ZeroAddress.selector);
        datanets.setCurator(datanetId, address(0), true);
    }

    function test_RevertWhen_TooManyCurators() external {
        for (uint160 i = 1; i < 16; ++i) {
            datanets.setCurator(datanetId, address(0xc000 + i), true);
        }
        vm.expectRevert(abi.encodeWithSelector(Errors.DatanetRegistry_TooManyCurators.selector, 17, 16));
        datanets.setCurator(datanetId, alice, true);
        datanets.setCurator(datanetId, curator, false);
        datanets.setCurator(datanetId, alice, true);
    }

    function test_WhenTheOwnerCalls(address account) external {
        vm.assume(account != address(0) && account != curator && account != address(this));
        vm.expectEmit(address(datanets));
        emit IDatanetRegistry.CuratorSet(datanetId, account, true);
        datanets.setCurator(datanetId, account, true);
        assertTrue(datanets.isCurator(datanetId, account));
        assertEq(datanets.datanet(datanetId).curatorCount, 2);

        vm.recordLogs();
        datanets.setCurator(datanetId, account, true);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        assertEq(logs.length, 0);
        assertEq(datanets.datanet(datanetId).curatorCount, 2);

        vm.expectEmit(address(datanets));
        emit IDatanetRegistry.CuratorSet(datanetId, account, false);
        datanets.setCurator(datanetId, account, false);
        assertFalse(datanets.isCurator(datanetId, account));
        assertEq(datanets.datanet(datanetId).curatorCount, 1);
    }
}
