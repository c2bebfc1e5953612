// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IAttributionSettlement} from "../../../src/interfaces/IAttributionSettlement.sol";
import {IEpochDisclosure} from "../../../src/interfaces/IEpochDisclosure.sol";
import {IModelRegistry} from "../../../src/interfaces/IModelRegistry.sol";
import {Disclosures} from "../../../src/libraries/Disclosures.sol";
import {Errors} from "../../../src/libraries/Errors.sol";
import {RecordErrors} from "../../../src/libraries/RecordErrors.sol";
import {EpochDisclosure} from "../../../src/l2/EpochDisclosure.sol";
import {RecordDispute} from "../../../src/l2/RecordDispute.sol";
import {DisclosureTest} from "../../utils/DisclosureTest.sol";

/// @notice Demands for pieces of an epoch's trees, answers, and silence: `disclosure.tree`.
/// forge-config: default.fuzz.runs = 32
contract EpochDisclosureTest is DisclosureTest {
    bytes4 private constant MISMATCH = RecordErrors.EpochDisclosure_Mismatch.selector;
    bytes4 private constant UNTIMELY = RecordErrors.EpochDisclosure_Untimely.selector;
    bytes4 private constant NOT_FALSE = RecordErrors.RecordDispute_NotFalse.selector;

    IAttributionSettlement.EpochPost private post;

    function setUp() public override {
        super.setUp();
        honest(3);
        earn(net, alice, 3 * PAYMENT);
        IAttributionSettlement.EpochPost memory p = postCalls();
        payHonest();
        (post.epochId, post.gateway, post.engineSpecHash) = (p.epochId, p.gateway, p.engineSpecHash);
        (post.receiptsRoot, post.firstReceipt, post.receiptCount) = (p.receiptsRoot, p.firstReceipt, p.receiptCount);
        (post.claimsRoot, post.claimsTotal) = (p.claimsRoot, p.claimsTotal);
        post.models.push(p.models[0]);
        post.pools.push(p.pools[0]);
    }

    function test_RevertWhen_TheStakeIsAnother(uint256 value) external {
        commitPayments();
        uint256 stake = disclosure.stake();
        value = bound(value, 0, 2 * stake - 1);
        vm.deal(address(this), 4 * stake);
        uint256[] memory two = new uint256[](2);
        two[1] = 1;
        vm.expectRevert(abi.encodeWithSelector(RecordErrors.EpochDisclosure_StakeMismatch.selector, value, 2 * stake));
        disclosure.demand{value: value}(1, RECEIPTS, two);
        vm.expectPartialRevert(RecordErrors.EpochDisclosure_StakeMismatch.selector);
        disclosure.demand{value: 2 * stake + 1}(1, RECEIPTS, two);
        disclosure.demand{value: 2 * stake + 2}(1, RECEIPTS, two);
        (address by, uint64 dueAt, bool answered, uint128 staked) = disclosure.demandOf(1, RECEIPTS, 1);
        assertEq(by, address(this));
        assertEq(dueAt, block.timestamp + CHALLENGE_WINDOW / 4);
        assertFalse(answered);
        assertEq(staked, stake + 1);
    }

    /// @dev It pays the dearest answer twice, at whatever gas costs.
    function test_TheStakeFollowsTheBaseFee(uint64 fee) external {
        vm.fee(fee);
        uint256 paid = 2 * disclosure.ANSWER_GAS() * uint256(fee);
        assertEq(disclosure.stake(), paid > 0.005 ether ? paid : 0.005 ether);
    }

    function test_RevertWhen_ThePiecesAreNoneOrTooMany() external {
        vm.expectRevert(abi.encodeWithSelector(RecordErrors.EpochDisclosure_PlaceCount.selector, 0, 256));
        disclosure.demand(1, RECEIPTS, new uint256[](0));
        vm.expectRevert(abi.encodeWithSelector(RecordErrors.EpochDisclosure_PlaceCount.selector, 257, 256));
        disclosure.demand(1, RECEIPTS, new uint256[](257));
    }

    function test_RevertWhen_ThePieceDoesNotExistOrIsDemanded(uint256 place) external {
        commitPayments();
        uint256 stake = disclosure.stake();
        vm.deal(address(this), 10 * stake);
        place = bound(place, 3, type(uint256).max);
        bytes4 invalid = RecordErrors.EpochDisclosure_PlaceInvalid.selector;
        vm.expectRevert(abi.encodeWithSelector(invalid, 1, place));
        disclosure.demand{value: stake}(1, RECEIPTS, one(place));
        vm.expectRevert(abi.encodeWithSelector(invalid, 1, 1));
        disclosure.demand{value: stake}(1, CLAIMS, one(1));
        vm.expectRevert(abi.encodeWithSelector(invalid, 1, 1));
        disclosure.demand{value: stake}(1, PAYMENTS, one(1));
        disclosure.demand{value: stake}(1, RECEIPTS, one(2));
        vm.expectRevert(abi.encodeWithSelector(invalid, 1, 2));
        disclosure.demand{value: stake}(1, RECEIPTS, one(2));
        // Twice in one call.
        vm.expectRevert(abi.encodeWithSelector(invalid, 1, 0));
        disclosure.demand{value: 2 * stake}(1, RECEIPTS, new uint256[](2));
    }

    function test_WhenPaymentsAreNotStated() external {
        assertEq(disclosure.pieceCount(1, CLAIMS), 0);
        uint256 stake = disclosure.stake();
        vm.deal(address(this), 3 * stake);
        vm.expectRevert(abi.encodeWithSelector(RecordErrors.EpochDisclosure_PlaceInvalid.selector, 1, 0));
        disclosure.demand{value: stake}(1, CLAIMS, one(0));
        disclosure.demand{value: stake}(1, RECEIPTS, one(0));
        commitPayments();
        assertEq(disclosure.pieceCount(1, CLAIMS), 1);
        disclosure.demand{value: stake}(1, CLAIMS, one(0));
    }

    function test_RevertWhen_ItIsTooLateToDemand() external {
        uint256 stake = disclosure.stake();
        vm.deal(address(this), 4 * stake);
        uint256 half = settlement.epoch(1).postedAt + CHALLENGE_WINDOW / 2;
        vm.warp(half + 1);
        vm.expectRevert(abi.encodeWithSelector(UNTIMELY, 1));
        disclosure.demand{value: stake}(1, RECEIPTS, one(0));
        vm.warp(half);
        disclosure.demand{value: stake}(1, RECEIPTS, one(0));
        activate(post);
        vm.expectRevert(abi.encodeWithSelector(UNTIMELY, 1));
        disclosure.demand{value: stake}(1, RECEIPTS, one(1));
    }

    function test_WhenAllPiecesAreDemandedAtOnce() external {
        commitPayments();
        uint256 stake = disclosure.stake();
        demandAs(bob, RECEIPTS, allOf(RECEIPTS));
        demandAs(bob, PAYMENTS, allOf(PAYMENTS));
        demandAs(carol, CLAIMS, allOf(CLAIMS));
        assertEq(address(disclosure).balance, 5 * stake);
        for (uint256 i; i < 3; ++i) {
            discloseCall(i);
        }
        disclose(PAYMENTS, 0);
        disclose(CLAIMS, 0);
        assertEq(disclosure.credit(poster), 5 * stake);
        vm.prank(poster);
        assertEq(disclosure.withdraw(payable(poster)), 5 * stake);
        assertEq(address(disclosure).balance, 0);
    }

    /// @dev An epoch of any size that can state its payments needs no more answers than a quarter of its window takes.
    function test_WhatIsStatedCanBeDisclosed(uint32 receipts, uint8 depth, uint8 claimsDepth, uint32 window)
        external
        pure
    {
        depth = uint8(bound(depth, 0, 40));
        claimsDepth = uint8(bound(claimsDepth, 0, 40));
        uint256 answers = Disclosures.answersOf(receipts, depth, claimsDepth);
        assertGe(answers * 256, uint256(receipts) * 256 + 2 ** depth + 2 ** claimsDepth);
        uint256 seconds_ = (uint256(window) + 3) / 4;
        assertEq(Disclosures.answersMax(window) / 8, seconds_);
        assertEq(Disclosures.levelsOf(depth), depth < 8 ? depth : 8);
    }

    function test_WhenTheLeavesAreTheTrees() external {
        commitPayments();
        demandAs(bob, CLAIMS, one(0));
        (IEpochDisclosure.Entry[] memory entries, IAttributionSettlement.ProofNode[] memory path) = pieceOf(CLAIMS, 0);
        vm.expectEmit();
        emit IEpochDisclosure.EntriesDisclosed(1, CLAIMS, 0, entries);
        vm.prank(mallory);
        disclosure.discloseEntries(1, CLAIMS, 0, entries, path);
        assertEq(disclosure.credit(poster), disclosure.stake());
        assertEq(disclosure.credit(mallory), 0);
        (,, bool answered,) = disclosure.demandOf(1, CLAIMS, 0);
        assertTrue(answered);
    }

    function test_RevertWhen_TheLeavesAreOthers() external {
        commitPayments();
        demandAs(bob, PAYMENTS, one(0));
        demandAs(bob, CLAIMS, one(0));
        (IEpochDisclosure.Entry[] memory entries, IAttributionSettlement.ProofNode[] memory path) = pieceOf(PAYMENTS, 0);
        assertEq(entries.length, 3);
        bytes memory wrong = abi.encodeWithSelector(MISMATCH, 1, 0);
        // Of another tree.
        vm.expectRevert(wrong);
        disclosure.discloseEntries(1, CLAIMS, 0, entries, path);
        vm.expectRevert(wrong);
        disclosure.discloseEntries(1, RECEIPTS, 0, entries, path);
        // At another place.
        vm.expectRevert(abi.encodeWithSelector(MISMATCH, 1, 1));
        disclosure.discloseEntries(1, PAYMENTS, 1, entries, path);
        // With a path that the stated depth does not have.
        vm.expectRevert(wrong);
        disclosure.discloseEntries(1, PAYMENTS, 0, entries, new IAttributionSettlement.ProofNode[](1));
        // More leaves than the piece spans.
        vm.expectRevert(wrong);
        disclosure.discloseEntries(1, PAYMENTS, 0, new IEpochDisclosure.Entry[](5), path);
        // One that says padding; one with another amount; one less.
        entries[1].account = address(0);
        vm.expectRevert(wrong);
        disclosure.discloseEntries(1, PAYMENTS, 0, entries, path);
        (entries,) = pieceOf(PAYMENTS, 0);
        entries[1].amount += 1;
        vm.expectRevert(wrong);
        disclosure.discloseEntries(1, PAYMENTS, 0, entries, path);
        (entries,) = pieceOf(PAYMENTS, 0);
        assembly ("memory-safe") {
            mstore(entries, 2)
        }
        vm.expectRevert(wrong);
        disclosure.discloseEntries(1, PAYMENTS, 0, entries, path);
        // Claims are of no receipt.
        (entries, path) = pieceOf(CLAIMS, 0);
        entries[0].receipt = 1;
        vm.expectRevert(wrong);
        disclosure.discloseEntries(1, CLAIMS, 0, entries, path);
        assertEq(disclosure.credit(poster), 0);
    }

    function test_RevertWhen_TheReceiptIsAnother() external {
        demandAs(bob, RECEIPTS, allOf(RECEIPTS));
        bytes memory r = abi.encode(record(1));
        bytes memory answer = abi.encode(response);
        bytes32[] memory proof = opened(1).proof;
        bytes32[] memory otherProof = opened(0).proof;
        IAttributionSettlement.InferenceReceipt memory receipt = calls[1].receipt;
        bytes memory wrong = abi.encodeWithSelector(MISMATCH, 1, 1);
        vm.expectRevert(wrong);
        disclosure.discloseReceipt(1, receipt, abi.encode(record(0)), answer, proof);
        vm.expectRevert(wrong);
        disclosure.discloseReceipt(1, receipt, r, "another answer", proof);
        vm.expectRevert(wrong);
        disclosure.discloseReceipt(1, receipt, r, answer, otherProof);
        receipt.fee += 1;
        vm.expectRevert(wrong);
        disclosure.discloseReceipt(1, receipt, r, answer, proof);
        receipt.fee -= 1;
        vm.expectEmit();
        emit IEpochDisclosure.ReceiptDisclosed(1, 1, receipt, r, answer);
        disclosure.discloseReceipt(1, receipt, r, answer, proof);
    }

    function test_RevertWhen_NobodyAskedOrTimeIsUp() external {
        commitPayments();
        (IEpochDisclosure.Entry[] memory entries, IAttributionSettlement.ProofNode[] memory path) = pieceOf(PAYMENTS, 0);
        bytes memory untimely = abi.encodeWithSelector(UNTIMELY, 1);
        vm.expectRevert(untimely);
        disclosure.discloseEntries(1, PAYMENTS, 0, entries, path);
        demandAs(bob, PAYMENTS, one(0));
        vm.warp(dueAtOf(PAYMENTS, 0) + 1);
        vm.expectRevert(untimely);
        disclosure.discloseEntries(1, PAYMENTS, 0, entries, path);
        vm.warp(dueAtOf(PAYMENTS, 0));
        disclosure.discloseEntries(1, PAYMENTS, 0, entries, path);
        vm.expectRevert(untimely);
        disclosure.discloseEntries(1, PAYMENTS, 0, entries, path);
        vm.expectRevert(untimely);
        disclosure.reclaim(1, PAYMENTS, 0);
    }

    function test_WhenAPieceIsNotDisclosed() external {
        demandAs(bob, RECEIPTS, one(1));
        bytes memory call = abi.encodeCall(disclosure.factWithheld, (1, RECEIPTS, 1));
        refused(call);
        vm.warp(dueAtOf(RECEIPTS, 1));
        refused(call);
        vm.expectRevert(abi.encodeWithSelector(UNTIMELY, 1));
        disclosure.reclaim(1, RECEIPTS, 1);
        vm.warp(dueAtOf(RECEIPTS, 1) + 1);
        prove(call);
        vm.expectEmit();
        emit IEpochDisclosure.StakeReclaimed(1, RECEIPTS, 1, bob, disclosure.stake());
        disclosure.reclaim(1, RECEIPTS, 1);
        assertEq(disclosure.credit(bob), disclosure.stake());
        vm.expectRevert(abi.encodeWithSelector(UNTIMELY, 1));
        disclosure.reclaim(1, RECEIPTS, 1);
    }

    function test_WhenItWasDisclosedOrNobodyShowsIt() external {
        demandAs(bob, RECEIPTS, allOf(RECEIPTS));
        discloseCall(0);
        vm.warp(dueAtOf(RECEIPTS, 0) + 1);
        refused(abi.encodeCall(disclosure.factWithheld, (1, RECEIPTS, 0)));
        refused(abi.encodeCall(disclosure.factWithheld, (1, CLAIMS, 0)));
        (uint64 epochId, string memory reason) = disclosure.factWithheld(1, RECEIPTS, 1);
        assertEq(epochId, 1);
        assertEq(reason, "withheld");
        // Nobody shows it while there is time.
        activate(post);
        refused(abi.encodeCall(disclosure.factWithheld, (1, RECEIPTS, 1)));
        disclosure.reclaim(1, RECEIPTS, 1);
        assertEq(disclosure.credit(bob), disclosure.stake());
    }

    /// @dev What could still be answered when the epoch fell is nobody's share of the pot.
    function test_WhenTheEpochFellBefore() external {
        demandAs(bob, RECEIPTS, one(0));
        skip(10);
        demandAs(carol, RECEIPTS, one(1));
        bytes memory early = abi.encodeCall(disclosure.factWithheld, (1, RECEIPTS, 0));
        bytes memory late = abi.encodeCall(disclosure.factWithheld, (1, RECEIPTS, 1));
        uint256 stake = records.STAKE();
        vm.deal(carol, 2 * stake);
        vm.startPrank(carol);
        records.commitChallenge{value: stake}(1, records.commitmentOf(1, carol, late, "salt"));
        vm.stopPrank();
        commitAsChallenger(alice, early);
        vm.warp(dueAtOf(RECEIPTS, 0) + 1);
        prove(early);
        skip(11);
        vm.expectRevert(abi.encodeWithSelector(NOT_FALSE));
        vm.prank(carol);
        records.revealChallenge(1, late, "salt");
        revealAsChallenger(alice, early);
        (, uint256 winners,) = records.potOf(1);
        assertEq(winners, 2);
    }

    /// @dev The same for payments: a demand that fell due after the epoch fell was not met with silence.
    function test_WhenTheEpochFellBeforeItsPaymentsWereDue() external {
        uint256 stake = records.STAKE();
        demandAs(bob, RECEIPTS, one(0));
        skip(10);
        vm.deal(carol, stake);
        vm.prank(carol);
        records.demandPayments{value: stake}(1);
        bytes memory silence = abi.encodeCall(records.factSilence, (1));
        commitAsChallenger(carol, silence);
        vm.warp(dueAtOf(RECEIPTS, 0) + 1);
        prove(abi.encodeCall(disclosure.factWithheld, (1, RECEIPTS, 0)));
        skip(11);
        vm.expectRevert(abi.encodeWithSelector(NOT_FALSE));
        vm.prank(carol);
        records.revealChallenge(1, silence, "salt");
    }

    function test_RevertWhen_ConstructedWithoutItsParts() external {
        vm.expectRevert(Errors.ZeroAddress.selector);
        new EpochDisclosure(IAttributionSettlement(address(0)), records, models);
        vm.expectRevert(Errors.ZeroAddress.selector);
        new EpochDisclosure(settlement, RecordDispute(payable(0)), models);
        vm.expectRevert(Errors.ZeroAddress.selector);
        new EpochDisclosure(settlement, records, IModelRegistry(address(0)));
    }

    function refused(bytes memory call) private view {
        (bool ok, bytes memory reason) = address(disclosure).staticcall(call);
        assertFalse(ok);
        assertEq(bytes4(reason), NOT_FALSE);
    }
}
