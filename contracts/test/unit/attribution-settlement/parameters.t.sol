// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";

import {IAttributionSettlement} from "../../../src/interfaces/IAttributionSettlement.sol";
import {IModelRegistry} from "../../../src/interfaces/IModelRegistry.sol";
import {AttributionSettlement} from "../../../src/l2/AttributionSettlement.sol";
import {Errors} from "../../../src/libraries/Errors.sol";
import {EconomyTest} from "../../utils/EconomyTest.sol";

contract SettlementParametersTest is EconomyTest {
    function test_RevertWhen_ConstructedWithoutContracts() external {
        address[] memory set = new address[](2);
        (set[0], set[1]) = (engines[0], engines[1]);
        IAttributionSettlement.Parameters memory p = defaultParameters();
        vm.expectRevert(Errors.ZeroAddress.selector);
        new AttributionSettlement(governance, IModelRegistry(address(0)), address(dispute), 1, p, set);
        vm.expectRevert(Errors.ZeroAddress.selector);
        new AttributionSettlement(governance, models, address(0), 1, p, set);
    }

    function test_RevertWhen_ConstructedWithFewerEnginesThanTheThreshold() external {
        address[] memory set = new address[](1);
        set[0] = engines[0];
        IAttributionSettlement.Parameters memory p = defaultParameters();
        expectOutOfBounds("threshold", 2, 1, 1);
        new AttributionSettlement(governance, models, address(dispute), 1, p, set);
    }

    function test_WhenConstructed() external view {
        assertEq(settlement.owner(), governance);
        assertEq(settlement.engineCount(), 3);
        for (uint256 i; i < 3; ++i) {
            assertTrue(settlement.isEngine(engines[i]));
        }
        assertEq(address(settlement.models()), address(models));
        assertEq(settlement.dispute(), address(dispute));
        assertEq(settlement.challengeWindowMin(), CHALLENGE_WINDOW_MIN);
        assertParameters(defaultParameters());
        assertEq(settlement.nextEpochId(), 1);
        assertEq(settlement.lastActivated(), 0);
    }

    function assertParameters(IAttributionSettlement.Parameters memory p) private view {
        (uint16 bps, uint8 threshold, uint32 window, uint128 bondMin, address to, address stake, address rest) =
            settlement.parameters();
        assertEq(bps, p.platformBps);
        assertEq(threshold, p.threshold);
        assertEq(window, p.challengeWindow);
        assertEq(bondMin, p.bondMin);
        assertEq(to, p.platform);
        assertEq(stake, p.stakers);
        assertEq(rest, p.sink);
    }

    function test_RevertWhen_CallerNotOwner(address caller) external {
        vm.assume(caller != governance);
        IAttributionSettlement.Parameters memory p = defaultParameters();
        vm.startPrank(caller);
        vm.expectRevert(abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, caller));
        settlement.setEngine(caller, true);
        vm.expectRevert(abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, caller));
        settlement.setParameters(p);
        vm.expectRevert(abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, caller));
        settlement.transferOwnership(caller);
    }

    function test_RevertWhen_EngineInvalid() external {
        vm.startPrank(governance);
        vm.expectRevert(Errors.ZeroAddress.selector);
        settlement.setEngine(address(0), true);
        vm.expectRevert(abi.encodeWithSelector(Errors.AttributionSettlement_EngineUnchanged.selector, engines[0], true));
        settlement.setEngine(engines[0], true);
        vm.expectRevert(abi.encodeWithSelector(Errors.AttributionSettlement_EngineUnchanged.selector, mallory, false));
        settlement.setEngine(mallory, false);
    }

    function test_RevertWhen_EngineCountOutOfBounds() external {
        vm.startPrank(governance);
        settlement.setEngine(engines[0], false);
        vm.expectRevert(abi.encodeWithSelector(Errors.AttributionSettlement_EngineCount.selector, 1, 2, 32));
        settlement.setEngine(engines[1], false);
        for (uint160 i = 2; i < 32; ++i) {
            settlement.setEngine(address(0xe000 + i), true);
        }
        vm.expectRevert(abi.encodeWithSelector(Errors.AttributionSettlement_EngineCount.selector, 33, 2, 32));
        settlement.setEngine(mallory, true);
    }

    function test_WhenTheOwnerSetsEngines(address engine) external {
        vm.assume(engine != address(0) && !settlement.isEngine(engine));
        vm.startPrank(governance);
        vm.expectEmit(address(settlement));
        emit IAttributionSettlement.EngineSet(engine, true);
        settlement.setEngine(engine, true);
        assertTrue(settlement.isEngine(engine));
        assertEq(settlement.engineCount(), 4);
        vm.expectEmit(address(settlement));
        emit IAttributionSettlement.EngineSet(engine, false);
        settlement.setEngine(engine, false);
        assertFalse(settlement.isEngine(engine));
        assertEq(settlement.engineCount(), 3);
    }

    function test_RevertWhen_ParameterOutOfBounds(uint16 bps, uint8 threshold, uint32 window) external {
        vm.startPrank(governance);
        IAttributionSettlement.Parameters memory p = defaultParameters();
        p.platformBps = uint16(bound(bps, 1_501, type(uint16).max));
        expectOutOfBounds("platformBps", p.platformBps, 0, 1_500);
        settlement.setParameters(p);

        p = defaultParameters();
        p.threshold = threshold % 2 == 0 ? 0 : uint8(bound(threshold, 4, 255));
        expectOutOfBounds("threshold", p.threshold, 1, 3);
        settlement.setParameters(p);

        p = defaultParameters();
        p.challengeWindow = window % 2 == 0
            ? uint32(bound(window, 0, CHALLENGE_WINDOW_MIN - 1))
            : uint32(bound(window, 30 days + 1, type(uint32).max));
        expectOutOfBounds("challengeWindow", p.challengeWindow, CHALLENGE_WINDOW_MIN, 30 days);
        settlement.setParameters(p);
    }

    function expectOutOfBounds(string memory name, uint256 value, uint256 min, uint256 max) private {
        vm.expectRevert(
            abi.encodeWithSelector(Errors.AttributionSettlement_ParameterOutOfBounds.selector, name, value, min, max)
        );
    }

    function test_RevertWhen_ReceiverZero() external {
        vm.startPrank(governance);
        for (uint256 i; i < 3; ++i) {
            IAttributionSettlement.Parameters memory p = defaultParameters();
            if (i == 0) p.platform = address(0);
            if (i == 1) p.stakers = address(0);
            if (i == 2) p.sink = address(0);
            vm.expectRevert(Errors.ZeroAddress.selector);
            settlement.setParameters(p);
        }
    }

    function test_WhenTheOwnerSetsParameters(IAttributionSettlement.Parameters memory p) external {
        vm.assume(p.platform != address(0) && p.stakers != address(0) && p.sink != address(0));
        p.platformBps = uint16(bound(p.platformBps, 0, 1_500));
        p.threshold = uint8(bound(p.threshold, 1, 3));
        p.challengeWindow = uint32(bound(p.challengeWindow, CHALLENGE_WINDOW_MIN, 30 days));
        vm.expectEmit(address(settlement));
        emit IAttributionSettlement.ParametersSet(
            p.platformBps, p.threshold, p.challengeWindow, p.bondMin, p.platform, p.stakers, p.sink
        );
        vm.prank(governance);
        settlement.setParameters(p);
        assertParameters(p);
    }

    /// @dev The platform share rises while an epoch is pending that hands out all of its contributors' share.
    function test_WhenAnEpochIsPending() external {
        uint256 datanetId = publishedDatanet();
        uint256 modelId = registerModel(modelParams("m", datanetId));
        fund(gateway, 1 ether);
        earn(datanetId, alice, 0.475 ether);
        IAttributionSettlement.EpochPost memory post = onePool(modelId, 1 ether, datanetId, 0.475 ether);
        postEpoch(post);
        uint64 deadline = settlement.epoch(1).deadline;
        IAttributionSettlement.Parameters memory p = defaultParameters();
        (p.platformBps, p.challengeWindow) = (1_500, 30 days);
        vm.prank(governance);
        settlement.setParameters(p);
        assertEq(settlement.epoch(1).deadline, deadline);
        activate(post);
        assertEq(settlement.credit(platform), 0.05 ether);
        assertEq(settlement.credit(sink), 0);
    }
}
