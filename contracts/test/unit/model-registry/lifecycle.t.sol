// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IModelRegistry} from "../../../src/interfaces/IModelRegistry.sol";
import {Errors} from "../../../src/libraries/Errors.sol";
import {EconomyTest} from "../../utils/EconomyTest.sol";

contract ModelLifecycleTest is EconomyTest {
    uint256 private id;

    function setUp() public override {
        super.setUp();
        id = registerModel(modelParams("m"));
    }

    function test_RevertWhen_ModelUnknown(uint256 unknown) external {
        vm.assume(unknown != id);
        bytes memory reason = abi.encodeWithSelector(Errors.ModelRegistry_ModelUnknown.selector, unknown);
        vm.expectRevert(reason);
        models.setPrices(unknown, 1, 1);
        vm.expectRevert(reason);
        models.retire(unknown);
        vm.expectRevert(reason);
        models.model(unknown);
        vm.expectRevert(reason);
        models.splitOf(unknown);
        vm.expectRevert(reason);
        models.lineage(unknown);
        vm.expectRevert(reason);
        models.usesDatanet(unknown, 1);
        vm.expectRevert(reason);
        models.datanetsOf(unknown);
    }

    function test_RevertWhen_CallerNotOwner(address caller) external {
        vm.assume(caller != builder);
        vm.startPrank(caller);
        vm.expectRevert(abi.encodeWithSelector(Errors.ModelRegistry_NotOwner.selector, id, caller));
        models.setPrices(id, 1, 1);
        vm.expectRevert(abi.encodeWithSelector(Errors.ModelRegistry_NotOwner.selector, id, caller));
        models.retire(id);
    }

    function test_WhenTheOwnerSetsPrices(uint96 priceIn, uint96 priceOut) external {
        (,, IModelRegistry.ModelParams memory before) = models.model(id);
        vm.expectEmit(address(models));
        emit IModelRegistry.PriceChanged(id, priceIn, priceOut);
        vm.prank(builder);
        models.setPrices(id, priceIn, priceOut);
        (,, IModelRegistry.ModelParams memory params) = models.model(id);
        assertEq(params.pricePer1kIn, priceIn);
        assertEq(params.pricePer1kOut, priceOut);
        (before.pricePer1kIn, before.pricePer1kOut) = (priceIn, priceOut);
        assertEq(keccak256(abi.encode(params)), keccak256(abi.encode(before)));
    }

    function test_WhenTheOwnerRetires() external {
        vm.expectEmit(address(models));
        emit IModelRegistry.ModelRetired(id);
        vm.startPrank(builder);
        models.retire(id);
        (, bool retired,) = models.model(id);
        assertTrue(retired);
        (, address paid) = models.splitOf(id);
        assertEq(paid, payee);

        vm.expectRevert(abi.encodeWithSelector(Errors.ModelRegistry_Retired.selector, id));
        models.retire(id);
        vm.expectRevert(abi.encodeWithSelector(Errors.ModelRegistry_Retired.selector, id));
        models.setPrices(id, 1, 1);
    }
}
