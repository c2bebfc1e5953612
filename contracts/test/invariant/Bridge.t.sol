// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Test} from "forge-std/Test.sol";

import {BridgeHandler} from "./handlers/BridgeHandler.sol";

/// @notice Tokens of both layers back and forth, with deliveries that fail; see README.md.
contract BridgeInvariant is Test {
    BridgeHandler private handler;

    function setUp() external {
        handler = new BridgeHandler();
        handler.init();
        bytes4[] memory selectors = new bytes4[](6);
        selectors[0] = handler.toL2.selector;
        selectors[1] = handler.backToL1.selector;
        selectors[2] = handler.toL1.selector;
        selectors[3] = handler.backToL2.selector;
        selectors[4] = handler.rob.selector;
        selectors[5] = handler.again.selector;
        targetContract(address(handler));
        targetSelector(FuzzSelector(address(handler), selectors));
    }

    function invariant_DepositsCoverCounterparts() external view {
        for (uint256 i; i < 4; ++i) {
            (uint256 held, uint256 noted, uint256 supply, uint256 moving) = handler.pair(i);
            assertEq(held, noted);
            assertEq(noted, supply + moving);
        }
    }

    function invariant_MessagesAreDeliveredOnce() external view {
        assertLe(handler.delivered(), handler.sentMessages());
    }

    /// @dev There and back, once with a delivery that fails first.
    function test_ATokenComesBack() external {
        handler.toL2(0, 100, true);
        (uint256 held,, uint256 supply, uint256 moving) = handler.pair(0);
        assertEq(held, 100);
        assertEq(supply, 0);
        assertEq(moving, 100);
        handler.again(0);
        (,, supply, moving) = handler.pair(0);
        assertEq(supply, 100);
        assertEq(moving, 0);
        handler.again(0);
        handler.backToL1(0, 40, false);
        (held,, supply,) = handler.pair(0);
        assertEq(held, 60);
        assertEq(supply, 60);
        assertEq(handler.delivered(), 2);
        handler.rob(0, 60);
    }
}
