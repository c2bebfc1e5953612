// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Test} from "forge-std/Test.sol";
import {Vm} from "forge-std/Vm.sol";

import {IOptimismPortal} from "../../src/interfaces/IOptimismPortal.sol";
import {ISystemConfig} from "../../src/interfaces/ISystemConfig.sol";
import {OPEN} from "../../src/l1/OPEN.sol";
import {OptimismPortal} from "../../src/l1/OptimismPortal.sol";
import {SystemConfig} from "../../src/l1/SystemConfig.sol";
import {RollupTest} from "../utils/RollupTest.sol";

/// @notice Deposits, transfers, pauses and elapsing blocks in any order. After each:
/// 1. What L2 may mint, the genesis supply and every emitted mint, equals `escrowed()`.
/// 2. The portal holds at least `escrowed()`; the difference is what was sent by plain transfers.
/// 3. Nothing leaves the portal.
/// 4. No block sells more than 20,000,000 L2 gas, and the price never falls below 1 gwei.
/// 5. The bridge is never paused for longer than 7 days.
contract PortalEscrowInvariant is RollupTest {
    PortalHandler private handler;

    function setUp() public override {
        super.setUp();
        lockGenesisSupply();
        handler = new PortalHandler(open, portal, config, guardian);
        vm.prank(treasury);
        open.transfer(address(handler), 1_000_000e18);
        targetContract(address(handler));
    }

    function invariant_EscrowEqualsWhatL2Mints() external view {
        assertEq(GENESIS_SUPPLY + handler.minted(), portal.escrowed());
    }

    function invariant_EscrowIsHeld() external view {
        assertEq(open.balanceOf(address(portal)), portal.escrowed() + handler.donated());
    }

    function invariant_SupplyIsConserved() external view {
        assertEq(
            open.balanceOf(treasury) + open.balanceOf(address(handler)) + open.balanceOf(address(portal)), open.SUPPLY()
        );
    }

    function invariant_GasMarketIsBounded() external view {
        (uint128 price, uint64 bought,) = portal.params();
        assertLe(bought, 20_000_000);
        assertGe(price, 1 gwei);
    }

    function invariant_PauseIsBounded() external view {
        assertLe(config.pausedUntil(), vm.getBlockTimestamp() + config.PAUSE_DURATION());
    }
}

contract PortalHandler is Test {
    OPEN private immutable open;
    OptimismPortal private immutable portal;
    SystemConfig private immutable config;
    address private immutable guardian;

    /// Sum of the mints in the events, wei.
    uint256 public minted;
    /// Sum of plain transfers, wei.
    uint256 public donated;

    constructor(OPEN open_, OptimismPortal portal_, SystemConfig config_, address guardian_) {
        (open, portal, config, guardian) = (open_, portal_, config_, guardian_);
        // A high L1 base fee keeps the gas that is burned small.
        vm.fee(1_000_000 gwei);
    }

    function deposit(address to, uint256 mint, uint256 value, uint64 gasLimit, uint256 length) external {
        length = bound(length, 0, 200);
        mint = bound(mint, 0, open.balanceOf(address(this)) / 10);
        gasLimit = uint64(bound(gasLimit, portal.minimumGasLimit(uint64(length)), 4_000_000));
        open.approve(address(portal), mint);
        vm.recordLogs();
        try portal.depositERC20Transaction(to, mint, value, gasLimit, false, new bytes(length)) {
            record();
        } catch {
            (, uint64 bought,) = portal.params();
            assertTrue(config.paused() || bought + gasLimit > 20_000_000, "refused without a reason");
        }
    }

    function force(address to, uint256 value) external {
        vm.recordLogs();
        try portal.depositTransaction(to, value, 21_000, false, "") {
            record();
        } catch {
            (, uint64 bought,) = portal.params();
            assertGt(bought + 21_000, 20_000_000, "refused without a reason");
        }
    }

    function donate(uint256 amount) external {
        amount = bound(amount, 0, 1e18);
        open.transfer(address(portal), amount);
        donated += amount;
    }

    function pause() external {
        vm.prank(guardian);
        try config.pause() {}
        catch (bytes memory reason) {
            assertEq(bytes4(reason), ISystemConfig.SystemConfig_PauseTooSoon.selector);
        }
    }

    function elapse(uint256 blocks) external {
        blocks = bound(blocks, 1, 100_000);
        vm.roll(vm.getBlockNumber() + blocks);
        vm.warp(vm.getBlockTimestamp() + 12 * blocks);
    }

    /// @dev Adds up the mints as derivation reads them.
    function record() private {
        Vm.Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i; i < logs.length; ++i) {
            if (logs[i].topics[0] != IOptimismPortal.TransactionDeposited.selector) continue;
            bytes memory opaqueData = abi.decode(logs[i].data, (bytes));
            minted += uint256(bytes32(opaqueData));
        }
    }
}
