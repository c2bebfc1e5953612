// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IAccessControl} from "@openzeppelin/contracts/access/IAccessControl.sol";
import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";

import {IDisputeGame} from "../../../src/interfaces/IDisputeGame.sol";
import {RollupTimelock} from "../../../src/l1/RollupTimelock.sol";
import {RollupTest} from "../../utils/RollupTest.sol";

/// @notice The timelock as the owner of what has one.
contract RollupTimelockTest is RollupTest {
    uint256 private constant DELAY = 30 days;

    address private immutable council = makeAddr("council");
    RollupTimelock private timelock;

    function setUp() public override {
        super.setUp();
        address[] memory proposers = new address[](1);
        proposers[0] = council;
        // The zero address: anyone.
        timelock = new RollupTimelock(DELAY, proposers, new address[](1));
        vm.startPrank(owner);
        config.transferOwnership(address(timelock));
        factory.transferOwnership(address(timelock));
        vm.stopPrank();
        vm.startPrank(address(timelock));
        config.acceptOwnership();
        factory.acceptOwnership();
        vm.stopPrank();
    }

    function schedule(address target, bytes memory call) private {
        vm.prank(council);
        timelock.schedule(target, 0, call, 0, 0, DELAY);
    }

    function execute(address target, bytes memory call) private {
        timelock.execute(target, 0, call, 0, 0);
    }

    function test_DeployerHasNoRole() external view {
        bytes32[4] memory roles = [
            timelock.DEFAULT_ADMIN_ROLE(), timelock.PROPOSER_ROLE(), timelock.CANCELLER_ROLE(), timelock.EXECUTOR_ROLE()
        ];
        for (uint256 i; i < roles.length; ++i) {
            assertFalse(timelock.hasRole(roles[i], address(this)));
        }
        assertTrue(timelock.hasRole(timelock.DEFAULT_ADMIN_ROLE(), address(timelock)));
        assertEq(timelock.getMinDelay(), DELAY);
        assertEq(timelock.delayMin(), DELAY);
    }

    /// @dev Until the last second nothing changes, then anyone carries the change out, once.
    function testFuzz_ChangesTakeTheDelay(uint256 wait, address caller) external {
        vm.assume(caller != address(timelock));
        wait = bound(wait, 0, DELAY - 1);
        bytes memory call = abi.encodeCall(factory.setImplementation, (GAME_TYPE, IDisputeGame(address(0xbad))));
        schedule(address(factory), call);
        uint256 start = vm.getBlockTimestamp();
        vm.warp(start + wait);
        vm.prank(caller);
        vm.expectPartialRevert(TimelockController.TimelockUnexpectedOperationState.selector);
        execute(address(factory), call);
        assertEq(address(factory.gameImpls(GAME_TYPE)), address(gameImpl));

        vm.warp(start + DELAY);
        vm.prank(caller);
        execute(address(factory), call);
        assertEq(address(factory.gameImpls(GAME_TYPE)), address(0xbad));
        vm.expectPartialRevert(TimelockController.TimelockUnexpectedOperationState.selector);
        execute(address(factory), call);
    }

    function test_RevertWhen_TheFormerOwnerSets() external {
        vm.startPrank(owner);
        vm.expectRevert(abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, owner));
        config.setGasLimit(30_000_000);
        vm.expectRevert(abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, owner));
        factory.setInitBond(GAME_TYPE, 0);
        vm.stopPrank();
    }

    function test_RevertWhen_ScheduledTooShortOrByAStranger() external {
        bytes memory call = abi.encodeCall(config.setGasLimit, (30_000_000));
        vm.prank(council);
        vm.expectRevert(abi.encodeWithSelector(TimelockController.TimelockInsufficientDelay.selector, DELAY - 1, DELAY));
        timelock.schedule(address(config), 0, call, 0, 0, DELAY - 1);
        bytes32 role = timelock.PROPOSER_ROLE();
        vm.prank(guardian);
        vm.expectRevert(
            abi.encodeWithSelector(IAccessControl.AccessControlUnauthorizedAccount.selector, guardian, role)
        );
        timelock.schedule(address(config), 0, call, 0, 0, DELAY);
    }

    function test_Cancelled() external {
        bytes memory call = abi.encodeCall(config.setGasLimit, (30_000_000));
        schedule(address(config), call);
        bytes32 id = timelock.hashOperation(address(config), 0, call, 0, 0);
        vm.prank(council);
        timelock.cancel(id);
        skip(DELAY);
        vm.expectPartialRevert(TimelockController.TimelockUnexpectedOperationState.selector);
        execute(address(config), call);
        assertEq(config.gasLimit(), 60_000_000);
    }

    /// @dev Longer and back, never below what was promised; the change of the delay itself takes the delay.
    function testFuzz_TheDelayNeverFallsBelowTheFirst(uint256 shorter, uint256 longer) external {
        shorter = bound(shorter, 0, DELAY - 1);
        longer = bound(longer, DELAY + 1, 3650 days);
        vm.expectRevert(abi.encodeWithSelector(TimelockController.TimelockUnauthorizedCaller.selector, address(this)));
        timelock.updateDelay(longer);

        bytes memory call = abi.encodeCall(timelock.updateDelay, (shorter));
        schedule(address(timelock), call);
        skip(DELAY);
        vm.expectRevert(abi.encodeWithSelector(RollupTimelock.RollupTimelock_DelayTooShort.selector, shorter, DELAY));
        execute(address(timelock), call);
        assertEq(timelock.getMinDelay(), DELAY);

        call = abi.encodeCall(timelock.updateDelay, (longer));
        schedule(address(timelock), call);
        skip(DELAY);
        execute(address(timelock), call);
        assertEq(timelock.getMinDelay(), longer);

        call = abi.encodeCall(timelock.updateDelay, (DELAY));
        vm.prank(council);
        timelock.schedule(address(timelock), 0, call, 0, 0, longer);
        skip(longer);
        execute(address(timelock), call);
        assertEq(timelock.getMinDelay(), DELAY);
    }

    /// @dev What mends an emergency does not wait.
    function test_TheGuardianActsAtOnce() external {
        IDisputeGame game = IDisputeGame(address(propose("root", 10)));
        vm.startPrank(guardian);
        config.pause();
        assertTrue(config.paused());
        registry.blacklistDisputeGame(game);
        assertTrue(registry.isGameBlacklisted(game));
        config.setBatcherHash(bytes32(uint256(0xbb)));
        config.setUnsafeBlockSigner(address(0xcc));
        vm.stopPrank();
        assertEq(config.batcherHash(), bytes32(uint256(0xbb)));
        assertEq(config.unsafeBlockSigner(), address(0xcc));
    }
}
