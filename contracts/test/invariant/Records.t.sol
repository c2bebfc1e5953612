// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Test} from "forge-std/Test.sol";

import {IAttributionSettlement} from "../../src/interfaces/IAttributionSettlement.sol";
import {AttributionSettlement} from "../../src/l2/AttributionSettlement.sol";
import {RecordDispute} from "../../src/l2/RecordDispute.sol";
import {RecordHandler} from "./handlers/RecordHandler.sol";

/// @notice D1 to D6 of the README.
contract RecordsInvariantTest is Test {
    AttributionSettlement private constant settlement =
        AttributionSettlement(0x4f50454E00000000000000000000000000000004);
    RecordDispute private constant records = RecordDispute(payable(0x4f50454e00000000000000000000000000000014));

    RecordHandler private handler;

    function setUp() public {
        handler = new RecordHandler();
        handler.setUp();
        targetContract(address(handler));
        bytes4[] memory selectors = new bytes4[](16);
        selectors[0] = handler.post.selector;
        selectors[1] = handler.activate.selector;
        selectors[2] = handler.wait.selector;
        selectors[3] = handler.commit.selector;
        selectors[4] = handler.reveal.selector;
        selectors[5] = handler.takeShare.selector;
        selectors[6] = handler.forfeit.selector;
        selectors[7] = handler.demand.selector;
        selectors[8] = handler.answer.selector;
        selectors[9] = handler.reclaim.selector;
        selectors[10] = handler.setDrill.selector;
        selectors[11] = handler.commitDrill.selector;
        selectors[12] = handler.solveDrill.selector;
        selectors[13] = handler.closeDrill.selector;
        selectors[14] = handler.withdraw.selector;
        selectors[15] = handler.show.selector;
        targetSelector(FuzzSelector(address(handler), selectors));
    }

    /// @dev D1.
    function invariant_RecordsCoverWhatTheyOwe() external view {
        uint256 owed = handler.credits() + records.bounty() + handler.dust();
        for (uint256 i; i < handler.markCount(); ++i) {
            (,,, bool open,,) = handler.marks(i);
            if (open) owed += records.STAKE();
        }
        owed += handler.demandsOpen() * records.STAKE();
        for (uint256 i; i < handler.epochCount(); ++i) {
            uint64 epochId = handler.epochs(i);
            (uint256 pot,,) = records.potOf(epochId);
            owed += pot - handler.sharesTaken(epochId);
        }
        for (uint256 id = 1; id <= handler.drills(); ++id) {
            owed += handler.drillBounty(id);
        }
        assertEq(address(records).balance, owed);
        assertEq(owed, handler.moneyIn() - handler.moneyOut());
    }

    /// @dev D2.
    function invariant_SharesAreEqualAndWithinThePot() external view {
        for (uint256 i; i < handler.epochCount(); ++i) {
            uint64 epochId = handler.epochs(i);
            (uint256 pot, uint256 winners,) = records.potOf(epochId);
            assertLe(handler.sharesTaken(epochId), pot);
            if (winners == 0) assertEq(pot, 0);
            else assertEq(handler.sharesTaken(epochId) % (pot / winners), 0);
        }
    }

    /// @dev D3.
    function invariant_OnlyFalseEpochsFall() external view {
        assertEq(handler.honestFell(), 0);
        assertEq(handler.untruthHeard(), 0);
    }

    /// @dev D4.
    function invariant_TheTruthIsHeard() external view {
        assertEq(handler.truthRefused(), 0);
    }

    /// @dev D6.
    function invariant_NothingIsShownAboutHonestRecords() external view {
        assertEq(handler.honestShown(), 0);
    }

    /// @dev D5.
    function invariant_HalfOfABondIsBurned() external view {
        uint256 pots;
        for (uint256 i; i < handler.epochCount(); ++i) {
            uint64 epochId = handler.epochs(i);
            IAttributionSettlement.Epoch memory e = settlement.epoch(epochId);
            (uint256 pot,,) = records.potOf(epochId);
            if (e.status == IAttributionSettlement.EpochStatus.Rejected) assertEq(pot, e.bond / 2);
            else assertEq(pot, 0);
            pots += pot;
        }
        assertEq(settlement.BURN().balance, pots);
    }

    /// @dev The campaign reaches what it is for.
    function test_HandlerReachesEverything() external {
        // A lie, two who show it and one who is wrong.
        handler.post(2, 0);
        handler.commit(0, 0, 0, 0);
        handler.commit(1, 0, 0, 0);
        handler.commit(2, 12, 0, 0);
        handler.reveal(2);
        handler.reveal(0);
        handler.reveal(1);
        handler.takeShare(0);
        handler.takeShare(1);
        handler.forfeit(2);
        assertEq(records.bounty(), records.STAKE());
        assertEq(handler.sharesTaken(1), 0.5 ether);
        // Silence after a demand.
        handler.post(0, 0);
        handler.demand(3);
        handler.wait(200);
        handler.commit(0, 11, 0, 0);
        handler.reveal(3);
        handler.reclaim(1);
        assertEq(handler.demandsOpen(), 0);
        // An answer, and the epoch stands.
        handler.post(0, 0);
        handler.demand(3);
        handler.answer();
        handler.commit(0, 0, 0, 0);
        handler.reveal(4);
        handler.activate();
        assertEq(settlement.lastActivated(), 3);
        handler.forfeit(4);
        // A drill.
        handler.setDrill(1 ether, 0.1 ether);
        handler.commitDrill(0, 0);
        handler.commitDrill(1, 0);
        handler.commitDrill(2, 0);
        handler.solveDrill(0, 0, true);
        handler.solveDrill(1, 0, false);
        handler.wait(600);
        vm.warp(vm.getBlockTimestamp() + 1 days);
        handler.closeDrill(0);
        assertEq(handler.drillBounty(1), 0);
        handler.withdraw(0);
        handler.withdraw(4);
        assertGt(handler.moneyOut(), 0);
    }

    /// @dev Each kind of record against each fact with each exhibit: what is so is shown, whatever else is tried is not.
    function test_HandlerShowsWhatIsSo() external {
        uint256 committed;
        for (uint8 kind; kind < 12; ++kind) {
            handler.post(kind, 3);
            uint256 before = handler.truthsShown();
            for (uint8 fact; fact < 11; ++fact) {
                for (uint256 span; span < 3; ++span) {
                    for (uint256 which; which < 9; ++which) {
                        handler.show(fact, span, which);
                    }
                }
            }
            assertEq(handler.truthsShown() > before, !handler.isHonest());
            // The same by a challenge.
            uint8[12] memory shown = [uint8(7), 9, 0, 7, 3, 5, 4, 9, 8, 8, 8, 10];
            uint256[12] memory exhibits = [uint256(0), 0, 0, 0, 1, 0, 2, 1, 0, 0, 0, 8];
            // Behind the only span comes the whole answer.
            handler.commit(0, shown[kind], kind == 10 ? 1 : 0, exhibits[kind]);
            handler.reveal(committed++);
            IAttributionSettlement.Epoch memory e = settlement.epoch(settlement.nextEpochId() - 1);
            assertEq(e.status == IAttributionSettlement.EpochStatus.Rejected, !handler.isHonest());
            handler.activate();
        }
        assertEq(handler.truthRefused() + handler.untruthHeard() + handler.honestShown(), 0);
    }
}
