// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IContentChallenges} from "../../../src/interfaces/IContentChallenges.sol";
import {IContributionReview} from "../../../src/interfaces/IContributionReview.sol";
import {IDatanetRegistry} from "../../../src/interfaces/IDatanetRegistry.sol";
import {IReviewerPool} from "../../../src/interfaces/IReviewerPool.sol";
import {ContributionReview} from "../../../src/l2/ContributionReview.sol";
import {AddressAlias} from "../../../src/libraries/AddressAlias.sol";
import {AdmissionErrors} from "../../../src/libraries/AdmissionErrors.sol";
import {Errors} from "../../../src/libraries/Errors.sol";
import {AdmissionTest} from "../../utils/AdmissionTest.sol";

contract ContributionReviewTest is AdmissionTest {
    uint256 private id;

    function setUp() public override {
        super.setUp();
        seatReviewers(REVIEWERS);
        id = contribute(alice, reviewedDatanet, 1);
        nextBlock();
    }

    function assertStatus(uint256 contribution, IDatanetRegistry.Status status) private view {
        assertEq(uint8(datanets.contribution(contribution).status), uint8(status));
    }

    function decided(uint8 score) private returns (address[] memory panel) {
        openAs(alice, id);
        panel = drawPanel(id);
        vote(id, panel, score);
    }

    /*//////////////////////////////////////////////////////////////////////////
                                     SET POLICY
    //////////////////////////////////////////////////////////////////////////*/

    function test_RevertWhen_PolicySetByStranger() external {
        uint256 other = createDatanet();
        vm.expectRevert(abi.encodeWithSelector(AdmissionErrors.ContributionReview_NotOwner.selector, other, mallory));
        vm.prank(mallory);
        review.setPolicy(other, defaultPolicy());
    }

    function test_WhenPolicySet(IContributionReview.Policy memory p) external {
        p.panel = uint8(3 + 2 * bound(p.panel, 0, 2));
        p.acceptMin = uint8(bound(p.acceptMin, 1, 100));
        p.faultMax = uint8(bound(p.faultMax, 0, p.acceptMin - 1));
        p.commitWindow = uint32(bound(p.commitWindow, 1 minutes, 3 days));
        p.revealWindow = uint32(bound(p.revealWindow, 1 minutes, 3 days));
        p.appealWindow = uint32(bound(p.appealWindow, 1 minutes, 3 days));
        uint256 other = createDatanet();
        vm.expectEmit(address(review));
        emit IContributionReview.PolicySet(other, p);
        review.setPolicy(other, p);
        assertEq(abi.encode(review.policyOf(other)), abi.encode(p));
    }

    function test_RevertWhen_ConstructedWithoutAnAddress(uint8 missing) external {
        address[4] memory a = [address(datanets), address(pool), address(challenges), sink];
        a[missing % 4] = address(0);
        vm.expectRevert(Errors.ZeroAddress.selector);
        new ContributionReview(IDatanetRegistry(a[0]), IReviewerPool(a[1]), IContentChallenges(a[2]), a[3]);
    }

    function test_RevertWhen_PolicySetTwice() external {
        vm.expectRevert(
            abi.encodeWithSelector(AdmissionErrors.ContributionReview_PolicyFixed.selector, reviewedDatanet)
        );
        review.setPolicy(reviewedDatanet, defaultPolicy());
    }

    function test_RevertWhen_PolicyOutOfBounds(uint8 member) external {
        uint256 other = createDatanet();
        IContributionReview.Policy memory p = defaultPolicy();
        member = member % 7;
        if (member == 0) p.panel = 2;
        else if (member == 1) p.panel = 4;
        else if (member == 2) p.panel = 9;
        else if (member == 3) p.commitWindow = 59;
        else if (member == 4) p.revealWindow = 3 days + 1;
        else if (member == 5) p.appealWindow = 0;
        else p.acceptMin = p.faultMax;
        vm.expectPartialRevert(AdmissionErrors.ContributionReview_PolicyOutOfBounds.selector);
        review.setPolicy(other, p);
    }

    /*//////////////////////////////////////////////////////////////////////////
                                    OPEN REVIEW
    //////////////////////////////////////////////////////////////////////////*/

    function test_RevertWhen_NoPolicy() external {
        uint256 other = contribute(alice, createDatanet(), 2);
        vm.expectPartialRevert(AdmissionErrors.ContributionReview_PolicyMissing.selector);
        review.openReview(other);
    }

    function test_RevertWhen_AdmissionNotHandedOver() external {
        uint256 other = createDatanet();
        review.setPolicy(other, defaultPolicy());
        uint256 contribution = contribute(alice, other, 2);
        vm.expectRevert(abi.encodeWithSelector(AdmissionErrors.ContributionReview_NotReviewable.selector, contribution));
        review.openReview(contribution);
    }

    function test_RevertWhen_ValueIsNotThePrice(uint96 value) external {
        vm.assume(value != 5 * FEE);
        vm.deal(alice, value);
        vm.expectRevert(
            abi.encodeWithSelector(AdmissionErrors.ContributionReview_ValueMismatch.selector, value, 5 * FEE)
        );
        vm.prank(alice);
        review.openReview{value: value}(id);
    }

    function test_RevertWhen_OpenedTwice() external {
        openAs(alice, id);
        vm.expectRevert(abi.encodeWithSelector(AdmissionErrors.ContributionReview_StageInvalid.selector, id, 1));
        review.openReview(id);
    }

    function test_WhenABatch(uint8 count) external {
        uint256 n = bound(count, 1, 40);
        (IDatanetRegistry.Reveal memory r,) = batchOf(n, 9);
        uint256 batch = contributeReveal(alice, reviewedDatanet, r);
        uint256 cost = 5 * uint256(FEE) + n * DOCUMENT_BOND;
        assertEq(review.costOf(batch), cost);
        vm.deal(bob, cost);
        vm.expectRevert(abi.encodeWithSelector(AdmissionErrors.ContributionReview_NotReviewable.selector, batch));
        vm.prank(bob);
        review.openReview{value: cost}(batch);
        openAs(alice, batch);
        assertEq(review.caseOf(batch).documentBond, n * DOCUMENT_BOND);
    }

    /*//////////////////////////////////////////////////////////////////////////
                                        DRAW
    //////////////////////////////////////////////////////////////////////////*/

    function test_RevertWhen_DrawnTooEarly() external {
        openAs(alice, id);
        uint256 drawBlock = review.caseOf(id).drawBlock;
        vm.roll(drawBlock);
        vm.expectRevert(abi.encodeWithSelector(AdmissionErrors.ContributionReview_DrawTooEarly.selector, id, drawBlock));
        review.draw(id);
    }

    function test_WhenTheSeedIsForgotten() external {
        openAs(alice, id);
        vm.roll(vm.getBlockNumber() + 1_000);
        review.draw(id);
        assertEq(review.caseOf(id).drawBlock, vm.getBlockNumber() + 2);
        assertEq(drawPanel(id).length, 5);
    }

    function test_WhenTooFewReviewers() external {
        for (uint256 i = 2; i < REVIEWERS; ++i) {
            vm.prank(reviewer(i));
            pool.giveUp(1);
        }
        openAs(alice, id);
        drawPanel(id);
        assertEq(uint8(review.caseOf(id).outcome), uint8(IContributionReview.Outcome.Lapsed));
        assertEq(review.credit(alice), 5 * FEE);
        // It can be asked for again.
        openAs(alice, id);
    }

    function test_WhenEnoughReviewers(bytes32 seed) external {
        joinAs(alice, 40);
        openAs(bob, id);
        for (uint256 i; i < 3; ++i) {
            nextBlock();
        }
        vm.assume(seed != 0);
        vm.setBlockhash(review.caseOf(id).drawBlock, seed);
        review.draw(id);
        address[] memory panel = review.panelOf(id, 0);
        for (uint256 i; i < panel.length; ++i) {
            assertNotEq(panel[i], alice);
            for (uint256 j; j < i; ++j) {
                assertNotEq(panel[i], panel[j]);
            }
        }
    }

    /*//////////////////////////////////////////////////////////////////////////
                                      BALLOTS
    //////////////////////////////////////////////////////////////////////////*/

    function test_RevertWhen_BallotInvalid() external {
        openAs(alice, id);
        address[] memory panel = drawPanel(id);
        bytes4 invalid = AdmissionErrors.ContributionReview_BallotInvalid.selector;
        vm.expectRevert(abi.encodeWithSelector(AdmissionErrors.ContributionReview_NotOnPanel.selector, id, mallory));
        vm.prank(mallory);
        review.commitScore(id, "x");
        vm.startPrank(panel[0]);
        vm.expectRevert(abi.encodeWithSelector(invalid, id, panel[0]));
        review.commitScore(id, 0);
        review.commitScore(id, review.commitmentOf(id, panel[0], 70, "s"));
        vm.expectRevert(abi.encodeWithSelector(invalid, id, panel[0]));
        review.commitScore(id, "again");
        // Not before the time to commit is over.
        vm.expectRevert(abi.encodeWithSelector(AdmissionErrors.ContributionReview_StageInvalid.selector, id, 2));
        review.revealScore(id, 70, "s");
        vm.warp(uint256(review.caseOf(id).deadline) + 1);
        vm.expectRevert(abi.encodeWithSelector(invalid, id, panel[0]));
        review.revealScore(id, 71, "s");
        vm.expectRevert(abi.encodeWithSelector(AdmissionErrors.ContributionReview_ScoreInvalid.selector, 101));
        review.revealScore(id, 101, "s");
        vm.stopPrank();
        // Somebody else cannot open, or copy, the ballot.
        vm.expectRevert(abi.encodeWithSelector(invalid, id, panel[1]));
        vm.prank(panel[1]);
        review.revealScore(id, 70, "s");
    }

    function test_RevertWhen_CommittedLate() external {
        openAs(alice, id);
        address[] memory panel = drawPanel(id);
        uint256 deadline = review.caseOf(id).deadline;
        vm.warp(deadline + 1);
        vm.expectRevert(abi.encodeWithSelector(AdmissionErrors.ContributionReview_TooLate.selector, id, deadline));
        vm.prank(panel[0]);
        review.commitScore(id, "x");
    }

    function test_RevertWhen_RevealedLate() external {
        openAs(alice, id);
        address[] memory panel = drawPanel(id);
        for (uint256 i; i < 5; ++i) {
            vm.prank(panel[i]);
            review.commitScore(id, "x");
        }
        uint256 deadline = review.caseOf(id).deadline;
        vm.warp(deadline + 1);
        vm.expectRevert(abi.encodeWithSelector(AdmissionErrors.ContributionReview_TooLate.selector, id, deadline));
        vm.prank(panel[0]);
        review.revealScore(id, 1, "x");
    }

    /*//////////////////////////////////////////////////////////////////////////
                                       TALLY
    //////////////////////////////////////////////////////////////////////////*/

    function test_RevertWhen_BallotsOutstanding() external {
        openAs(alice, id);
        address[] memory panel = drawPanel(id);
        vm.expectRevert(abi.encodeWithSelector(AdmissionErrors.ContributionReview_StageInvalid.selector, id, 2));
        review.tally(id);
        for (uint256 i; i < 5; ++i) {
            vm.prank(panel[i]);
            review.commitScore(id, "x");
        }
        vm.expectPartialRevert(AdmissionErrors.ContributionReview_TooEarly.selector);
        review.tally(id);
    }

    function test_WhenNobodyVotes() external {
        openAs(alice, id);
        address[] memory panel = drawPanel(id);
        vm.warp(uint256(review.caseOf(id).deadline) + 1);
        review.tally(id);
        assertEq(uint8(review.caseOf(id).outcome), uint8(IContributionReview.Outcome.Lapsed));
        assertEq(review.credit(alice), 5 * FEE);
        for (uint256 i; i < 5; ++i) {
            (uint256 seated,,) = pool.stakeOf(panel[i]);
            assertEq(seated, SEAT - SEAT / 20);
        }
        assertEq(sink.balance, 5 * SEAT / 20);
        assertFalse(review.isContested(id));
    }

    /// @dev A panel that committed and never opened kept the case, and the contribution in it, open for ever: only an opening
    /// moved the stage on.
    function test_WhenNobodyOpensWhatWasCommitted(uint8 committed, uint32 late) external {
        openAs(alice, id);
        address[] memory panel = drawPanel(id);
        committed = uint8(bound(committed, 1, 4));
        for (uint256 i; i < committed; ++i) {
            vm.prank(panel[i]);
            review.commitScore(id, "sealed");
        }
        uint256 deadline = uint256(review.caseOf(id).deadline) + 1 hours;
        vm.warp(deadline);
        vm.expectRevert(abi.encodeWithSelector(AdmissionErrors.ContributionReview_TooEarly.selector, id, deadline));
        review.tally(id);
        vm.warp(deadline + 1 + late);
        // Nor does it help to open after the time.
        vm.expectRevert(abi.encodeWithSelector(AdmissionErrors.ContributionReview_TooLate.selector, id, deadline));
        vm.prank(panel[0]);
        review.revealScore(id, 80, "salt");
        review.tally(id);
        assertEq(uint8(review.caseOf(id).outcome), uint8(IContributionReview.Outcome.Lapsed));
        assertEq(review.credit(alice), 5 * FEE);
        assertEq(sink.balance, 5 * SEAT / 20);
        assertFalse(review.isContested(id));
    }

    function test_WhenLessThanHalfOpened() external {
        openAs(alice, id);
        address[] memory panel = drawPanel(id);
        for (uint256 i; i < 2; ++i) {
            bytes32 commitment = review.commitmentOf(id, panel[i], 80, salt(panel[i]));
            vm.prank(panel[i]);
            review.commitScore(id, commitment);
        }
        vm.warp(uint256(review.caseOf(id).deadline) + 1);
        for (uint256 i; i < 2; ++i) {
            vm.prank(panel[i]);
            review.revealScore(id, 80, salt(panel[i]));
        }
        review.tally(id);
        assertEq(review.credit(panel[0]), FEE);
        assertEq(review.credit(alice), 3 * FEE);
        (uint256 seated,,) = pool.stakeOf(panel[2]);
        assertEq(seated, SEAT - SEAT / 20);
        (seated,,) = pool.stakeOf(panel[1]);
        assertEq(seated, SEAT);
        assertStatus(id, IDatanetRegistry.Status.Revealed);
    }

    function test_WhenMoreThanHalfOpened(uint8[5] memory scores) external {
        openAs(alice, id);
        address[] memory panel = drawPanel(id);
        uint8[] memory list = new uint8[](5);
        uint8[] memory sorted = new uint8[](5);
        for (uint256 i; i < 5; ++i) {
            list[i] = scores[i] % 101;
            uint256 j = i;
            for (; j != 0 && sorted[j - 1] > list[i]; --j) {
                sorted[j] = sorted[j - 1];
            }
            sorted[j] = list[i];
        }
        vote(id, panel, list);
        IContributionReview.Case memory k = review.caseOf(id);
        assertEq(k.median, sorted[2]);
        uint256 paid;
        for (uint256 i; i < 5; ++i) {
            uint256 distance = list[i] > k.median ? list[i] - k.median : k.median - list[i];
            assertEq(review.credit(panel[i]), distance > 20 ? 0 : FEE);
            paid += review.credit(panel[i]);
        }
        assertEq(review.credit(sink), 5 * FEE - paid);
        assertEq(address(review).balance, 5 * FEE);
    }

    /// @dev Two of five bribed to any score do not move the outcome of three honest ones.
    function test_WhenAMinorityIsExtreme(uint8 a, uint8 b) external {
        openAs(alice, id);
        address[] memory panel = drawPanel(id);
        uint8[] memory list = new uint8[](5);
        (list[0], list[1], list[2], list[3], list[4]) = (a % 101, b % 101, 70, 75, 80);
        vote(id, panel, list);
        uint8 median = review.caseOf(id).median;
        assertGe(median, 70);
        assertLe(median, 80);
    }

    /*//////////////////////////////////////////////////////////////////////////
                                      EXECUTE
    //////////////////////////////////////////////////////////////////////////*/

    function test_RevertWhen_AppealOpen() external {
        decided(80);
        vm.expectPartialRevert(AdmissionErrors.ContributionReview_TooEarly.selector);
        review.execute(id);
    }

    function test_WhenAccepted() external {
        decided(60);
        closeAppeal(id);
        review.execute(id);
        assertStatus(id, IDatanetRegistry.Status.Accepted);
        assertEq(alice.balance, BOND);
        vm.expectRevert(abi.encodeWithSelector(AdmissionErrors.ContributionReview_StageInvalid.selector, id, 5));
        review.execute(id);
    }

    function test_WhenRejected() external {
        decided(59);
        closeAppeal(id);
        review.execute(id);
        assertStatus(id, IDatanetRegistry.Status.Rejected);
        assertEq(alice.balance, BOND);
    }

    function test_WhenAtFault() external {
        decided(20);
        closeAppeal(id);
        review.execute(id);
        assertStatus(id, IDatanetRegistry.Status.Rejected);
        assertEq(alice.balance, 0);
        assertEq(datanets.credit(sink), BOND);
    }

    function test_WhenABatchIsDecided(bool fault) external {
        (IDatanetRegistry.Reveal memory r,) = batchOf(10, 9);
        id = contributeReveal(alice, reviewedDatanet, r);
        decided(fault ? 0 : 100);
        closeAppeal(id);
        review.execute(id);
        assertEq(review.credit(alice), fault ? 0 : 10 * DOCUMENT_BOND);
        assertEq(review.credit(sink), fault ? 10 * DOCUMENT_BOND : 0);
        if (fault) return;
        vm.prank(alice);
        assertEq(review.withdraw(payable(alice)), 10 * DOCUMENT_BOND);
    }

    /*//////////////////////////////////////////////////////////////////////////
                                       APPEAL
    //////////////////////////////////////////////////////////////////////////*/

    function test_RevertWhen_AppealedLate() external {
        decided(0);
        uint256 deadline = review.caseOf(id).deadline;
        closeAppeal(id);
        vm.expectRevert(abi.encodeWithSelector(AdmissionErrors.ContributionReview_TooLate.selector, id, deadline));
        review.appeal(id);
    }

    function test_WhenTheLargerPanelOverrules() external {
        address[] memory first = decided(0);
        appealAs(alice, id);
        address[] memory second = drawPanel(id);
        assertEq(second.length, 11);
        for (uint256 i; i < 11; ++i) {
            for (uint256 j; j < 5; ++j) {
                assertNotEq(second[i], first[j]);
            }
        }
        vote(id, second, 90);
        vm.expectRevert(abi.encodeWithSelector(AdmissionErrors.ContributionReview_StageInvalid.selector, id, 4));
        review.appeal(id);
        review.execute(id);
        assertStatus(id, IDatanetRegistry.Status.Accepted);
        assertEq(review.panelOf(id, 0), first);
    }

    function test_WhenTheLargerPanelDoesNotOpen() external {
        decided(90);
        appealAs(mallory, id);
        drawPanel(id);
        vm.warp(uint256(review.caseOf(id).deadline) + 1);
        review.tally(id);
        assertEq(review.credit(mallory), 11 * FEE);
        review.execute(id);
        assertStatus(id, IDatanetRegistry.Status.Accepted);
    }

    function test_WhenTheLargerPanelCannotBeDrawn() external {
        decided(90);
        for (uint256 i; i < REVIEWERS; ++i) {
            vm.prank(reviewer(i));
            pool.giveUp(1);
        }
        appealAs(mallory, id);
        drawPanel(id);
        review.execute(id);
        assertStatus(id, IDatanetRegistry.Status.Accepted);
    }

    /*//////////////////////////////////////////////////////////////////////////
                                      REGISTRY
    //////////////////////////////////////////////////////////////////////////*/

    function test_WhenACaseIsOpen() external {
        openAs(alice, id);
        vm.expectRevert(abi.encodeWithSelector(Errors.DatanetRegistry_NotAdmission.selector, reviewedDatanet, curator));
        accept(id);
        vm.expectRevert(abi.encodeWithSelector(Errors.DatanetRegistry_Contested.selector, id));
        vm.prank(alice);
        datanets.tombstone(id);
    }

    function test_WhenNoCaseIsOpen() external {
        vm.expectRevert(abi.encodeWithSelector(Errors.DatanetRegistry_NotAdmission.selector, reviewedDatanet, curator));
        vm.prank(curator);
        datanets.reject(id, "no");
        accept(id);
        assertStatus(id, IDatanetRegistry.Status.Accepted);
    }

    function test_RevertWhen_AdmissionSetTwiceOrByStranger() external {
        vm.expectRevert(
            abi.encodeWithSelector(Errors.DatanetRegistry_AdmissionFixed.selector, reviewedDatanet, address(review))
        );
        datanets.setAdmission(reviewedDatanet, ContributionReview(mallory));
        vm.expectRevert(abi.encodeWithSelector(Errors.DatanetRegistry_NotOwner.selector, reviewedDatanet, mallory));
        vm.prank(mallory);
        datanets.setAdmission(reviewedDatanet, ContributionReview(mallory));
        uint256 other = createDatanet();
        vm.expectRevert(Errors.ZeroAddress.selector);
        datanets.setAdmission(other, ContributionReview(address(0)));
        assertEq(address(datanets.admissionOf(reviewedDatanet)), address(review));
    }

    function test_RevertWhen_FaultFoundByAnotherThanTheModule(address caller) external {
        vm.assume(caller != address(review));
        vm.expectRevert(abi.encodeWithSelector(Errors.DatanetRegistry_NotAdmission.selector, reviewedDatanet, caller));
        vm.prank(caller);
        datanets.rejectForFault(id, caller, "mine");
    }

    function test_WhenCondemned() external {
        openAs(alice, id);
        vm.expectRevert(abi.encodeWithSelector(AdmissionErrors.ContributionReview_NotChallenges.selector, mallory));
        vm.prank(mallory);
        review.condemn(id, mallory, "x");
        vm.startPrank(address(challenges));
        assertTrue(review.condemn(id, bob, "unavailable"));
        assertFalse(review.condemn(id, bob, "again"));
        vm.stopPrank();
        assertEq(datanets.credit(bob), BOND / 2);
        assertEq(datanets.credit(sink), BOND / 2);
        assertEq(review.credit(alice), 5 * FEE);
    }

    /// @dev A deposit from L1 by a contract arrives with its aliased address as sender, by an account with its own. The
    /// sequencer cannot leave a deposit out, so it can neither refuse a commitment nor let its reveal window pass.
    function test_WhenForcedFromL1(address l1Contract) external {
        vm.assume(l1Contract != address(0));
        address sender = AddressAlias.toL2(l1Contract);
        vm.assume(sender.code.length == 0 && uint160(sender) > 0xFFFF);
        uint256 forced = contribute(sender, reviewedDatanet, 77);
        assertEq(datanets.contribution(forced).contributor, sender);
        assertStatus(forced, IDatanetRegistry.Status.Revealed);
    }
}
