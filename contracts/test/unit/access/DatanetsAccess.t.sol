// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IContentChallenges} from "../../../src/interfaces/IContentChallenges.sol";
import {IDatanetRegistry} from "../../../src/interfaces/IDatanetRegistry.sol";
import {IEpochDisclosure} from "../../../src/interfaces/IEpochDisclosure.sol";
import {IRecordTypes} from "../../../src/interfaces/IRecordTypes.sol";
import {AdmissionErrors} from "../../../src/libraries/AdmissionErrors.sol";
import {Batches} from "../../../src/libraries/Batches.sol";
import {Errors} from "../../../src/libraries/Errors.sol";
import {RecordErrors} from "../../../src/libraries/RecordErrors.sol";
import {AccessTable} from "../../utils/AccessTable.sol";
import {RecordTest} from "../../utils/RecordTest.sol";

/// @notice Who may write what in admission by panels, challenges of content and disputes about records.
contract DatanetsAccessTest is RecordTest, AccessTable {
    string private constant ITEM = "(uint256,uint32,(bytes32,bytes32,uint32,uint32,bytes32),bytes32[])";
    string private constant RECORD =
        "(uint16,bytes32,bytes32,uint32,uint32,uint64,uint64,(uint32,uint32,uint256,uint256,uint32,uint64,uint64)[],(uint256,uint256,address,uint64,uint32)[],uint32)";
    bytes4 private constant NOTHING = Errors.NothingToWithdraw.selector;

    function test_ReviewerPool() external {
        anyone("join()");
        // Own seats and own stake.
        only(
            "giveUp(uint256)", AdmissionErrors.ReviewerPool_SeatsInsufficient.selector, abi.encodeCall(pool.giveUp, (1))
        );
        only("fetch(address)", NOTHING, abi.encodeCall(pool.fetch, (payable(mallory))));
        only(
            "slash(address,uint256)",
            AdmissionErrors.ReviewerPool_NotReview.selector,
            abi.encodeCall(pool.slash, (alice, 1))
        );
        check("ReviewerPool", address(pool), mallory);
    }

    function test_ContributionReview() external {
        seatReviewers(REVIEWERS);
        uint256 committing = contribute(alice, reviewedDatanet, 11);
        openAs(alice, committing);
        drawPanel(committing);
        uint256 revealing = contribute(alice, reviewedDatanet, 12);
        openAs(alice, revealing);
        address[] memory panel = drawPanel(revealing);
        for (uint256 i; i < panel.length; ++i) {
            bytes32 commitment = review.commitmentOf(revealing, panel[i], 70, salt(panel[i]));
            vm.prank(panel[i]);
            review.commitScore(revealing, commitment);
        }

        // Whoever pays for it; the decision is the panel's.
        anyone("appeal(uint256)");
        anyone("openReview(uint256)");
        // The same whoever calls.
        anyone("draw(uint256)");
        anyone("execute(uint256)");
        anyone("tally(uint256)");
        only(
            "setPolicy(uint256,(uint96,uint96,uint32,uint32,uint32,uint8,uint8,uint8,bool))",
            AdmissionErrors.ContributionReview_NotOwner.selector,
            abi.encodeCall(review.setPolicy, (createDatanet(), defaultPolicy()))
        );
        only(
            "commitScore(uint256,bytes32)",
            AdmissionErrors.ContributionReview_NotOnPanel.selector,
            abi.encodeCall(review.commitScore, (committing, "vote"))
        );
        only(
            "revealScore(uint256,uint8,bytes32)",
            AdmissionErrors.ContributionReview_BallotInvalid.selector,
            abi.encodeCall(review.revealScore, (revealing, 70, salt(panel[0])))
        );
        only(
            "condemn(uint256,address,string)",
            AdmissionErrors.ContributionReview_NotChallenges.selector,
            abi.encodeCall(review.condemn, (committing, mallory, ""))
        );
        only("withdraw(address)", NOTHING, abi.encodeCall(review.withdraw, (payable(mallory))));
        check("ContributionReview", address(review), mallory);
    }

    /// @dev A batch's document bond goes back to its contributor, so nobody else opens its review.
    function test_RevertWhen_AStrangerOpensTheReviewOfABatch() external {
        (IDatanetRegistry.Reveal memory r,) = batchOf(3, 13);
        uint256 id = contributeReveal(alice, reviewedDatanet, r);
        uint256 cost = review.costOf(id);
        vm.deal(mallory, cost);
        vm.expectRevert(abi.encodeWithSelector(AdmissionErrors.ContributionReview_NotReviewable.selector, id));
        vm.prank(mallory);
        review.openReview{value: cost}(id);
    }

    function test_ContentChallenges() external {
        bytes memory sketch = sketchOf(9, 9, 128);
        uint256 first = contributeSketched(alice, reviewedDatanet, 14, sketch);
        uint256 second = contributeSketched(alice, reviewedDatanet, 15, sketch);
        IContentChallenges.Evidence memory evidence;

        anyone(string.concat("challenge(", ITEM, ",uint32)"));
        anyone("keep(uint256)");
        // Who shows it is right, whoever it is; who is paid is in the case.
        anyone("answer(uint256,bytes,bytes32[])");
        anyone("closeAccusation(uint256)");
        anyone("closeUnanswered(uint256)");
        anyone(string.concat("proveCopy(", ITEM, ",bytes,", ITEM, ",bytes)"));
        anyone(string.concat("proveFalseSketch(", ITEM, ",bytes,bytes,uint256)"));
        anyone("rebut(uint256,bytes32,(uint64,bytes[]))");
        onlyPaid(
            string.concat("accuse(", ITEM, ",bytes,", ITEM, ",bytes,(uint64,bytes[]))"),
            AdmissionErrors.ContentChallenges_NotContributor.selector,
            abi.encodeCall(challenges.accuse, (itemOf(first), sketch, itemOf(second), sketch, evidence)),
            CHALLENGE_BOND
        );
        only(
            "release(uint256)",
            AdmissionErrors.ContentChallenges_NotContributor.selector,
            abi.encodeCall(challenges.release, (first))
        );
        only(
            "setNotaries(uint256,address[])",
            AdmissionErrors.ContentChallenges_NotOwner.selector,
            abi.encodeCall(challenges.setNotaries, (reviewedDatanet, new address[](2)))
        );
        only(
            string.concat("tombstoneDocument(", ITEM, ")"),
            AdmissionErrors.ContentChallenges_NotContributor.selector,
            abi.encodeCall(challenges.tombstoneDocument, (itemOf(first)))
        );
        only("withdraw(address)", NOTHING, abi.encodeCall(challenges.withdraw, (payable(mallory))));
        check("ContentChallenges", address(challenges), mallory);
        assertTrue(challenges.isSound(Batches.keyOf(first, 0)));
    }

    function test_RecordDispute() external {
        honest(1);
        calls[0].record.residual += 1;
        earn(net, alice, PAYMENT);
        postCalls();
        bytes memory call = abi.encodeCall(facts.factSums, (opened(0), record(0)));
        commitAsChallenger(bob, call);
        nextBlock();
        IRecordTypes.Record memory faulty;
        records.setDrill{value: 1 ether}(keccak256(abi.encode(faulty)), 0);
        bytes32 commitment = records.drillCommitmentOf(1, bob, "salt");
        vm.prank(bob);
        records.commitDrill(1, commitment);

        // With a stake, or money, of the sender's own.
        anyone("commitChallenge(uint64,bytes32)");
        anyone("commitDrill(uint256,bytes32)");
        anyone("demandPayments(uint64)");
        anyone("setDrill(bytes32,uint256)");
        // Who is paid is in the record.
        anyone("closeDrill(uint256)");
        anyone("forfeit(uint64,address)");
        anyone("reclaimDemand(uint64)");
        only(
            "commitPayments(uint64,bytes32,uint128,uint8,uint8)",
            RecordErrors.RecordDispute_NotPoster.selector,
            abi.encodeCall(records.commitPayments, (1, "root", PAYMENT, 0, 0))
        );
        // Another's challenge, to the letter.
        only(
            "revealChallenge(uint64,bytes,bytes32)",
            RecordErrors.RecordDispute_CommitmentInvalid.selector,
            abi.encodeCall(records.revealChallenge, (1, call, "salt"))
        );
        only(
            "fell(uint64,address)",
            RecordErrors.RecordDispute_NotDispute.selector,
            abi.encodeCall(records.fell, (1, mallory))
        );
        only("takeShare(uint64)", RecordErrors.RecordDispute_NoShare.selector, abi.encodeCall(records.takeShare, (1)));
        skip(records.DRILL_WINDOW() * 3 / 4);
        only(
            string.concat("solveDrill(uint256,", RECORD, ",bytes32)"),
            RecordErrors.RecordDispute_DrillInvalid.selector,
            abi.encodeCall(records.solveDrill, (1, faulty, "salt"))
        );
        only("withdraw(address)", NOTHING, abi.encodeCall(records.withdraw, (payable(mallory))));
        check("RecordDispute", address(records), mallory);

        // What the stranger was refused, the one who committed does.
        vm.startPrank(bob);
        records.solveDrill(1, faulty, "salt");
        records.revealChallenge(1, call, "salt");
        vm.stopPrank();
        (, uint256 winners,) = records.potOf(1);
        assertEq(winners, 1);
    }

    /// @dev Pots come from the settlement; nobody's transfer is mistaken for one.
    function test_RevertWhen_AnybodySendsToTheDispute() external {
        vm.deal(mallory, 1 ether);
        vm.prank(mallory);
        (bool ok, bytes memory reason) = address(records).call{value: 1 ether}("");
        assertFalse(ok);
        assertEq(bytes4(reason), RecordErrors.RecordDispute_ExhibitMismatch.selector);
    }

    function test_EpochDisclosure() external {
        honest(1);
        earn(net, alice, PAYMENT);
        postCalls();
        uint256 stake = disclosure.stake();
        vm.deal(bob, stake);
        uint256[] memory places = new uint256[](1);
        vm.prank(bob);
        disclosure.demand{value: stake}(1, IEpochDisclosure.Tree.Receipts, places);

        // With a stake of the sender's own.
        anyone("demand(uint64,uint8,uint256[])");
        // What answers is what the roots commit to, and who is paid is the poster.
        anyone("discloseEntries(uint64,uint8,uint256,(uint256,address,uint64,uint128)[],(bytes32,uint128)[])");
        anyone(
            string.concat(
                "discloseReceipt(uint64,",
                "(uint64,uint256,address,address,bytes32,bytes32,uint32,uint32,uint128,uint64,bytes32,bytes32,bytes32)",
                ",bytes,bytes,bytes32[])"
            )
        );
        // Who is paid is in the demand.
        anyone("reclaim(uint64,uint8,uint256)");
        only("withdraw(address)", NOTHING, abi.encodeCall(disclosure.withdraw, (payable(mallory))));
        check("EpochDisclosure", address(disclosure), mallory);
    }

    function test_RecordFacts() external {
        // Views only: a verdict changes nothing by itself.
        check("RecordFacts", address(facts), mallory);
    }

    function test_SurpriseFacts() external {
        // As those of RecordFacts.
        check("SurpriseFacts", address(surpriseFacts), mallory);
    }
}
