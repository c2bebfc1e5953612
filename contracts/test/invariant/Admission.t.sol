// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Test} from "forge-std/Test.sol";

import {IContentChallenges} from "../../src/interfaces/IContentChallenges.sol";
import {IContributionReview} from "../../src/interfaces/IContributionReview.sol";
import {IDatanetRegistry} from "../../src/interfaces/IDatanetRegistry.sol";
import {ContentChallenges} from "../../src/l2/ContentChallenges.sol";
import {ContributionReview} from "../../src/l2/ContributionReview.sol";
import {DatanetRegistry} from "../../src/l2/DatanetRegistry.sol";
import {ReviewerPool} from "../../src/l2/ReviewerPool.sol";
import {Batches} from "../../src/libraries/Batches.sol";
import {AdmissionHandler} from "./handlers/AdmissionHandler.sol";

/// @notice A1 to A6, C1 to C4 of the README.
contract AdmissionInvariantTest is Test {
    DatanetRegistry private constant datanets = DatanetRegistry(0x4F50454E00000000000000000000000000000001);
    ReviewerPool private constant pool = ReviewerPool(0x4f50454E00000000000000000000000000000011);
    ContributionReview private constant review = ContributionReview(0x4F50454E00000000000000000000000000000012);
    ContentChallenges private constant challenges = ContentChallenges(0x4f50454e00000000000000000000000000000013);

    AdmissionHandler private handler;

    function setUp() public {
        handler = new AdmissionHandler();
        handler.setUp();
        for (uint256 i; i < handler.seats(); ++i) {
            handler.join(i, 1);
        }
        // Something to decide on from the first call.
        for (uint256 i; i < 4; ++i) {
            handler.submit(i % 2 == 0, i == 3 ? 3 : 1);
            handler.openReview(i);
        }
        targetContract(address(handler));
        bytes4[] memory selectors = new bytes4[](15);
        selectors[0] = handler.join.selector;
        selectors[1] = handler.giveUp.selector;
        selectors[2] = handler.fetch.selector;
        selectors[3] = handler.submit.selector;
        selectors[4] = handler.openReview.selector;
        selectors[5] = handler.draw.selector;
        selectors[6] = handler.ballot.selector;
        selectors[7] = handler.appeal.selector;
        selectors[8] = handler.execute.selector;
        selectors[9] = handler.withdraw.selector;
        selectors[10] = handler.keep.selector;
        selectors[11] = handler.release.selector;
        selectors[12] = handler.challenge.selector;
        selectors[13] = handler.resolve.selector;
        selectors[14] = handler.copy.selector;
        targetSelector(FuzzSelector(address(handler), selectors));
    }

    /// @dev A1.
    function invariant_PoolHoldsTheStake() external view {
        address[] memory all = handler.people();
        uint256 stake;
        for (uint256 i; i < all.length; ++i) {
            (uint256 seated, uint256 leaving,) = pool.stakeOf(all[i]);
            stake += seated + leaving;
        }
        assertEq(address(pool).balance, stake);
        assertEq(stake, handler.poolIn() - handler.poolOut());
    }

    /// @dev A2.
    function invariant_SeatsAreBacked() external view {
        address[] memory all = handler.people();
        uint256 seats;
        for (uint256 i; i < all.length; ++i) {
            (uint256 seated,,) = pool.stakeOf(all[i]);
            uint256 held = pool.seatsOf(all[i]);
            seats += held;
            assertLe(held * pool.seatStake(), seated + pool.seatStake() / 2);
        }
        assertEq(pool.seatCount(), seats);
    }

    /// @dev A3.
    function invariant_NoStakeLeavesEarly() external view {
        assertEq(handler.earlyFetches(), 0);
    }

    /// @dev A4.
    function invariant_ReviewCoversWhatItOwes() external view {
        address[] memory all = handler.people();
        uint256 owed;
        for (uint256 i; i < all.length; ++i) {
            owed += review.credit(all[i]);
        }
        for (uint256 i; i < handler.idCount(); ++i) {
            IContributionReview.Case memory k = review.caseOf(handler.ids(i));
            owed += uint256(k.fees) + k.documentBond;
        }
        assertEq(address(review).balance, owed);
        assertEq(owed, handler.reviewIn() - handler.reviewOut());
    }

    /// @dev A5.
    function invariant_PanelsAreOfDistinctStrangers() external view {
        for (uint256 i; i < handler.idCount(); ++i) {
            uint256 id = handler.ids(i);
            IContributionReview.Case memory k = review.caseOf(id);
            bool running = k.stage != IContributionReview.Stage.None && k.stage != IContributionReview.Stage.Closed;
            if (!running || k.stage == IContributionReview.Stage.Drawing) continue;
            address contributor = datanets.contribution(id).contributor;
            address[] memory first = review.panelOf(id, 0);
            address[] memory second = k.round == 0 ? new address[](0) : review.panelOf(id, 1);
            for (uint256 a; a < first.length + second.length; ++a) {
                address one = a < first.length ? first[a] : second[a - first.length];
                assertNotEq(one, contributor);
                for (uint256 b = a + 1; b < first.length + second.length; ++b) {
                    assertNotEq(one, b < first.length ? first[b] : second[b - first.length]);
                }
            }
        }
    }

    /// @dev A6.
    function invariant_PanelsDecide() external view {
        assertEq(handler.minorityDecided(), 0);
        assertEq(handler.decidedTwice(), 0);
        for (uint256 i; i < handler.idCount(); ++i) {
            uint256 id = handler.ids(i);
            IContributionReview.Case memory k = review.caseOf(id);
            IDatanetRegistry.Status status = datanets.contribution(id).status;
            if (k.stage != IContributionReview.Stage.Closed) {
                assertTrue(status == IDatanetRegistry.Status.Revealed || status == IDatanetRegistry.Status.Rejected);
            } else if (k.outcome == IContributionReview.Outcome.Accept) {
                assertTrue(status == IDatanetRegistry.Status.Accepted);
            } else if (k.outcome != IContributionReview.Outcome.Lapsed) {
                assertTrue(status == IDatanetRegistry.Status.Rejected);
                assertEq(datanets.contribution(id).bond, 0);
            }
        }
    }

    /// @dev C1.
    function invariant_ChallengesCoverWhatTheyOwe() external view {
        address[] memory all = handler.people();
        uint256 owed;
        for (uint256 i; i < all.length; ++i) {
            owed += challenges.credit(all[i]);
        }
        for (uint256 i; i < handler.idCount(); ++i) {
            owed += challenges.keptBond(handler.ids(i));
        }
        for (uint256 i; i < handler.caseCount(); ++i) {
            IContentChallenges.Case memory k = challenges.caseOf(handler.cases(i));
            if (k.open) owed += k.bond;
        }
        assertEq(address(challenges).balance, owed);
        assertEq(owed, handler.challengesIn() - handler.challengesOut());
    }

    /// @dev C2.
    function invariant_OpenCasesAreCounted() external view {
        uint256 open;
        for (uint256 i; i < handler.caseCount(); ++i) {
            if (challenges.caseOf(handler.cases(i)).open) ++open;
        }
        uint256 counted;
        for (uint256 i; i < handler.idCount(); ++i) {
            counted += challenges.openCasesOf(handler.ids(i));
        }
        assertEq(counted, open);
    }

    /// @dev C3.
    function invariant_OnlyTheUnansweredAreConvicted() external view {
        assertEq(handler.answeredConvicted(), 0);
        for (uint256 i; i < handler.idCount(); ++i) {
            bytes32 key = Batches.keyOf(handler.ids(i), 0);
            assertEq(challenges.isSound(key), !handler.convicted(key));
        }
    }

    /// @dev C4.
    function invariant_RepresentativesAreEarlier() external view {
        for (uint256 i; i < handler.idCount(); ++i) {
            uint256 id = handler.ids(i);
            bytes32 representative = challenges.representativeOf(Batches.keyOf(id, 0));
            if (representative == 0) continue;
            uint256 order = handler.orderOf(representative);
            assertGt(order, 0);
            assertLt(order, id);
        }
    }

    /// @dev The campaign reaches what it is for.
    function test_HandlerReachesEverything() external {
        handler.submit(true, 1);
        handler.draw(0);
        handler.ballot(0, 1, 0, 2);
        handler.appeal(0);
        handler.draw(0);
        handler.ballot(0, 2, 1, 0);
        handler.execute(0);
        handler.draw(3);
        handler.ballot(3, 7, 0, 0);
        handler.execute(3);
        for (uint256 i; i < 12; ++i) {
            handler.withdraw(i, true);
        }
        assertGt(handler.reviewOut(), 0);
        // A silent reviewer lost a twentieth of a seat.
        assertGt(handler.poolOut(), 0);
        handler.giveUp(0, 1);
        handler.fetch(0, 50 days);
        handler.keep(1, 1 ether);
        handler.copy(4, 2);
        assertEq(challenges.representativeOf(Batches.keyOf(handler.ids(4), 0)), Batches.keyOf(handler.ids(2), 0));
        handler.challenge(2);
        handler.resolve(0);
        handler.challenge(1);
        handler.resolve(1);
        assertTrue(handler.convicted(Batches.keyOf(handler.ids(1), 0)));
        handler.withdraw(14, false);
        assertGt(handler.challengesOut(), 0);
    }
}
