// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Test} from "forge-std/Test.sol";

import {EpochDisclosure} from "../../src/l2/EpochDisclosure.sol";
import {DisclosureHandler} from "./handlers/DisclosureHandler.sol";

/// @notice E1 to E3 of the README.
contract DisclosureInvariantTest is Test {
    EpochDisclosure private constant disclosure = EpochDisclosure(0x4F50454e00000000000000000000000000000016);

    DisclosureHandler private handler;

    function setUp() public {
        handler = new DisclosureHandler();
        handler.setUp();
        targetContract(address(handler));
        bytes4[] memory selectors = new bytes4[](8);
        selectors[0] = handler.post.selector;
        selectors[1] = handler.demand.selector;
        selectors[2] = handler.answer.selector;
        selectors[3] = handler.show.selector;
        selectors[4] = handler.activate.selector;
        selectors[5] = handler.wait.selector;
        selectors[6] = handler.reclaim.selector;
        selectors[7] = handler.withdraw.selector;
        targetSelector(FuzzSelector(address(handler), selectors));
    }

    /// @dev E1.
    function invariant_DisclosureCoversWhatItOwes() external view {
        uint256 owed = disclosure.credit(handler.watchers(0)) + disclosure.credit(handler.watchers(1))
            + disclosure.credit(handler.whoPosts());
        for (uint256 i; i < handler.askedCount(); ++i) {
            (,,,, uint256 stake, bool open,) = handler.asked(i);
            if (open) owed += stake;
        }
        assertEq(address(disclosure).balance, owed);
        assertEq(owed, handler.moneyIn() - handler.moneyOut());
    }

    /// @dev E2.
    function invariant_WhoAnswersDoesNotFall() external view {
        assertEq(handler.answerRefused(), 0);
        assertEq(handler.honestFell(), 0);
    }

    /// @dev E3.
    function invariant_SilenceDoesNotStand() external view {
        assertEq(handler.silenceStood(), 0);
    }
}
