// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";

import {ISystemConfig} from "../../../src/interfaces/ISystemConfig.sol";
import {ResourceMetering} from "../../../src/l1/ResourceMetering.sol";
import {SystemConfig} from "../../../src/l1/SystemConfig.sol";
import {RollupTest} from "../../utils/RollupTest.sol";

contract SystemConfigTest is RollupTest {
    function test_Constructor() external view {
        assertEq(config.owner(), owner);
        assertEq(config.guardian(), guardian);
        assertEq(config.optimismPortal(), address(portal));
        assertEq(config.batchInbox(), address(0x00a1));
        assertEq(config.batcherHash(), bytes32(uint256(0xba7c)));
        assertEq(config.unsafeBlockSigner(), address(0x51));
        assertEq(config.l2ChainId(), 16_120);
        assertEq(config.gasLimit(), 60_000_000);
        assertEq(config.basefeeScalar(), 1_368);
        assertEq(config.blobbasefeeScalar(), 810_949);
        assertEq(config.scalar(), uint256(1) << 248 | uint256(810_949) << 32 | 1_368);
        assertEq(config.eip1559Denominator(), 250);
        assertEq(config.eip1559Elasticity(), 6);
        assertEq(config.minBaseFee(), 1_000_000);
        assertEq(config.daFootprintGasScalar(), 400);
        assertTrue(config.isFeatureEnabled("CUSTOM_GAS_TOKEN"));
        assertFalse(config.isFeatureEnabled("ETH_LOCKBOX"));
        assertEq(portal.guardian(), guardian);
        ResourceMetering.ResourceConfig memory r = config.resourceConfig();
        assertEq(config.minimumGasLimit(), uint64(r.maxResourceLimit) + r.systemTxMaxGas);
    }

    function test_RevertWhen_ConstructedOutOfBounds() external {
        ISystemConfig.Init memory bad = init(address(portal));
        bad.gasLimit = config.minimumGasLimit() - 1;
        vm.expectRevert(
            abi.encodeWithSelector(
                ISystemConfig.SystemConfig_GasLimitOutOfBounds.selector, bad.gasLimit, 21_000_000, 500_000_000
            )
        );
        new SystemConfig(bad);
        bad = init(address(portal));
        bad.eip1559Elasticity = 0;
        vm.expectRevert(ISystemConfig.SystemConfig_EIP1559ParamsZero.selector);
        new SystemConfig(bad);
    }

    function test_Topic() external pure {
        assertEq(
            ISystemConfig.ConfigUpdate.selector, 0x1d2b0bda21d56b8bd12d4f94ebacffdfb35f5e226f84b461103bb8beab6353be
        );
    }

    /// @dev Each setter as a stranger and as the owner, with the payload that the OP Stack's derivation reads.
    function testFuzz_Setters(address stranger, uint64 a, uint32 b, uint32 c) external {
        vm.assume(stranger != owner && stranger != guardian);
        uint64 limit = uint64(bound(a, config.minimumGasLimit(), config.maximumGasLimit()));
        b = uint32(bound(b, 1, type(uint32).max));
        c = uint32(bound(c, 1, type(uint32).max));
        check(stranger, 0, abi.encodeCall(config.setBatcherHash, (bytes32(uint256(a)))), abi.encode(uint256(a)));
        check(
            stranger,
            1,
            abi.encodeCall(config.setGasConfigEcotone, (b, c)),
            abi.encode(uint256(0), uint256(1) << 248 | uint256(c) << 32 | b)
        );
        check(stranger, 2, abi.encodeCall(config.setGasLimit, (limit)), abi.encode(uint256(limit)));
        check(stranger, 3, abi.encodeCall(config.setUnsafeBlockSigner, (address(uint160(a)))), abi.encode(uint256(a)));
        check(stranger, 4, abi.encodeCall(config.setEIP1559Params, (b, c)), abi.encode(uint256(b) << 32 | uint256(c)));
        check(
            stranger, 5, abi.encodeCall(config.setOperatorFeeScalars, (b, a)), abi.encode(uint256(b) << 64 | uint256(a))
        );
        check(stranger, 6, abi.encodeCall(config.setMinBaseFee, (a)), abi.encode(uint256(a)));
        check(stranger, 7, abi.encodeCall(config.setDAFootprintGasScalar, (uint16(b))), abi.encode(uint256(uint16(b))));

        assertEq(config.batcherHash(), bytes32(uint256(a)));
        assertEq(config.basefeeScalar(), b);
        assertEq(config.blobbasefeeScalar(), c);
        assertEq(config.gasLimit(), limit);
        assertEq(config.unsafeBlockSigner(), address(uint160(a)));
        assertEq(config.eip1559Denominator(), b);
        assertEq(config.eip1559Elasticity(), c);
        assertEq(config.operatorFeeScalar(), b);
        assertEq(config.operatorFeeConstant(), a);
        assertEq(config.minBaseFee(), a);
        assertEq(config.daFootprintGasScalar(), uint16(b));
    }

    function test_RevertWhen_GasLimitOutOfBounds() external {
        vm.startPrank(owner);
        vm.expectRevert(
            abi.encodeWithSelector(
                ISystemConfig.SystemConfig_GasLimitOutOfBounds.selector, 500_000_001, 21_000_000, 500_000_000
            )
        );
        config.setGasLimit(500_000_001);
        vm.expectRevert(ISystemConfig.SystemConfig_EIP1559ParamsZero.selector);
        config.setEIP1559Params(0, 1);
        vm.stopPrank();
    }

    function testFuzz_RevertWhen_StrangerSetsGuardian(address stranger) external {
        vm.assume(stranger != owner);
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, stranger));
        config.setGuardian(stranger);
    }

    function testFuzz_OwnerReplacesGuardian(address next) external {
        vm.assume(next != owner && next != guardian);
        vm.expectEmit(address(config));
        emit ISystemConfig.GuardianSet(next);
        vm.prank(owner);
        config.setGuardian(next);
        assertEq(config.guardian(), next);
        vm.prank(guardian);
        vm.expectRevert(abi.encodeWithSelector(ISystemConfig.SystemConfig_NotGuardian.selector, guardian));
        config.pause();
        vm.prank(next);
        config.pause();
        assertTrue(config.paused());
    }

    function testFuzz_RevertWhen_StrangerPauses(address stranger) external {
        vm.assume(stranger != owner && stranger != guardian);
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(ISystemConfig.SystemConfig_NotGuardian.selector, stranger));
        config.pause();
        vm.prank(guardian);
        config.pause();
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(ISystemConfig.SystemConfig_NotGuardian.selector, stranger));
        config.unpause();
    }

    /// @dev However often a guardian pauses, the bridge is open three quarters of the time.
    function test_PauseExpiresAndCannotBeProlonged() external {
        vm.startPrank(guardian);
        config.pause();
        uint256 again = block.timestamp + config.PAUSE_INTERVAL();
        skip(config.PAUSE_DURATION());
        assertFalse(config.paused());
        vm.expectRevert(abi.encodeWithSelector(ISystemConfig.SystemConfig_PauseTooSoon.selector, again));
        config.pause();
        vm.warp(again);
        config.pause();
        assertTrue(config.paused());

        config.unpause();
        assertFalse(config.paused());
        vm.expectRevert(ISystemConfig.SystemConfig_NotPaused.selector);
        config.unpause();
        vm.expectRevert(
            abi.encodeWithSelector(ISystemConfig.SystemConfig_PauseTooSoon.selector, again + config.PAUSE_INTERVAL())
        );
        config.pause();
        vm.stopPrank();
    }

    function test_OwnerEndsAPause() external {
        vm.prank(guardian);
        config.pause();
        vm.prank(owner);
        config.unpause();
        assertFalse(config.paused());
    }

    /// @dev A stolen key is out of office before an owner's delay is over; nothing else is the guardian's to set.
    function test_GuardianReplacesKeys() external {
        vm.startPrank(guardian);
        config.setBatcherHash(bytes32(uint256(0xbb)));
        config.setUnsafeBlockSigner(address(0xcc));
        assertEq(config.batcherHash(), bytes32(uint256(0xbb)));
        assertEq(config.unsafeBlockSigner(), address(0xcc));

        bytes[] memory others = new bytes[](8);
        others[0] = abi.encodeCall(config.setGasConfigEcotone, (1, 1));
        others[1] = abi.encodeCall(config.setGasLimit, (30_000_000));
        others[2] = abi.encodeCall(config.setEIP1559Params, (1, 1));
        others[3] = abi.encodeCall(config.setOperatorFeeScalars, (1, 1));
        others[4] = abi.encodeCall(config.setMinBaseFee, (1));
        others[5] = abi.encodeCall(config.setDAFootprintGasScalar, (1));
        others[6] = abi.encodeCall(config.setGuardian, (alice));
        others[7] = abi.encodeCall(config.transferOwnership, (alice));
        for (uint256 i; i < others.length; ++i) {
            (bool ok, bytes memory reason) = address(config).call(others[i]);
            assertFalse(ok);
            assertEq(reason, abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, guardian));
        }
        vm.stopPrank();
    }

    function check(address stranger, uint8 kind, bytes memory call, bytes memory payload) private {
        vm.prank(stranger);
        (bool ok, bytes memory reason) = address(config).call(call);
        assertFalse(ok);
        assertEq(reason, abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, stranger));

        vm.expectEmit(address(config));
        emit ISystemConfig.ConfigUpdate(0, ISystemConfig.UpdateType(kind), payload);
        vm.prank(owner);
        (ok,) = address(config).call(call);
        assertTrue(ok);
    }
}
