// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Test} from "forge-std/Test.sol";

import {RollupHandler} from "./handlers/RollupHandler.sol";

/// @notice Deposits, exits, proposals and disputes in any order; see README.md.
/// forge-config: default.invariant.runs = 32
/// forge-config: default.invariant.depth = 64
contract RollupInvariant is Test {
    RollupHandler private handler;

    function setUp() external {
        handler = new RollupHandler();
        handler.init();
        bytes4[] memory selectors = new bytes4[](13);
        selectors[0] = handler.deposit.selector;
        selectors[1] = handler.withdraw.selector;
        selectors[2] = handler.proposeClaim.selector;
        selectors[3] = handler.challenge.selector;
        selectors[4] = handler.proveClaim.selector;
        selectors[5] = handler.resolve.selector;
        selectors[6] = handler.claimBond.selector;
        selectors[7] = handler.proveExit.selector;
        selectors[8] = handler.carryOut.selector;
        selectors[9] = handler.pause.selector;
        selectors[10] = handler.declareVoid.selector;
        selectors[11] = handler.elapse.selector;
        selectors[12] = handler.carryOut.selector;
        targetContract(address(handler));
        targetSelector(FuzzSelector(address(handler), selectors));
    }

    function invariant_EscrowCoversL2AndExits() external view {
        (uint256 escrowed, uint256 held) = handler.escrowed();
        assertEq(escrowed, handler.l2Supply() + handler.pendingExits());
        assertEq(held, escrowed);
    }

    function invariant_ExitsAreCarriedOutOnce() external view {
        for (uint256 i; i < handler.withdrawalCount(); ++i) {
            assertLe(handler.timesPaid(handler.withdrawalHashAt(i)), 1);
        }
        assertEq(handler.timesPaid(handler.forgedHash()), 0);
    }

    function invariant_BondsAreConserved() external view {
        (uint256 total, uint256 held, uint256 sum, uint256 paidIn) = handler.bonds();
        assertEq(total, held);
        assertEq(total, sum);
        assertLe(sum, paidIn);
        for (uint256 i; i < handler.claimCount(); ++i) {
            assertLe(handler.balanceOf(i), handler.claimAt(i).paidIn);
        }
    }

    function invariant_LiesDoNotStand() external view {
        for (uint256 i; i < handler.claimCount(); ++i) {
            if (handler.claimAt(i).lie) assertFalse(handler.isValid(i));
        }
        assertFalse(handler.isLie(handler.anchorRoot()));
    }

    /// @dev What has to happen for any of this to mean something, in order.
    function test_AnExitComesThrough() external {
        handler.proposeClaim(0, true);
        handler.proveExit(0, 0);
        handler.elapse(1);
        handler.proveExit(0, 0);
        handler.proveExit(0, 1);
        handler.elapse(2 days);
        handler.elapse(2 days);
        handler.resolve(0);
        handler.resolve(1);
        handler.elapse(2 days);
        handler.carryOut(0);
        handler.carryOut(1);
        assertEq(handler.calls("carried out"), 1);
        // The proposer of the truth, and the watcher for the lie.
        (uint256 before,,,) = handler.bonds();
        handler.claimBond(0);
        handler.claimBond(27);
        handler.elapse(1 days);
        handler.claimBond(0);
        handler.claimBond(27);
        (uint256 left,,,) = handler.bonds();
        assertEq(before - left, 27e18);
        assertEq(left, 0);
    }
}
