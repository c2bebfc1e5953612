// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {stdJson} from "forge-std/StdJson.sol";

import {IContentChallenges} from "../../../src/interfaces/IContentChallenges.sol";
import {IDatanetRegistry} from "../../../src/interfaces/IDatanetRegistry.sol";
import {ContentChallenges} from "../../../src/l2/ContentChallenges.sol";
import {ReviewerPool} from "../../../src/l2/ReviewerPool.sol";
import {AdmissionErrors} from "../../../src/libraries/AdmissionErrors.sol";
import {Batches} from "../../../src/libraries/Batches.sol";
import {Errors} from "../../../src/libraries/Errors.sol";
import {Merkle} from "../../../src/libraries/Merkle.sol";
import {MinHash} from "../../../src/libraries/MinHash.sol";
import {AdmissionTest} from "../../utils/AdmissionTest.sol";
import {PlainTree} from "../../utils/PlainTree.sol";

contract ContentChallengesTest is AdmissionTest {
    using stdJson for string;

    address[3] private notaries;
    uint256[3] private notaryKeys;

    function setUp() public override {
        super.setUp();
        for (uint256 i; i < 3; ++i) {
            (notaries[i], notaryKeys[i]) = (engines[i], engineKeys[i]);
        }
        address[] memory named = new address[](3);
        (named[0], named[1], named[2]) = (notaries[0], notaries[1], notaries[2]);
        challenges.setNotaries(reviewedDatanet, named);
    }

    /// @dev The items are read before the revert is expected, or reading them would be what is expected to revert.
    function expectCopyRefused(uint256 a, bytes memory aSketch, uint256 b, bytes memory bSketch, bytes memory why)
        private
    {
        Batches.Item memory earlier = itemOf(a);
        Batches.Item memory later = itemOf(b);
        if (why.length == 4) vm.expectPartialRevert(bytes4(why));
        else vm.expectRevert(why);
        challenges.proveCopy(earlier, aSketch, later, bSketch);
    }

    function minimum(bytes calldata text, uint256 position) external pure returns (uint32) {
        return MinHash.minimum(text, position);
    }

    function challengeAs(address who, Batches.Item memory item, uint32 chunk) private returns (uint256) {
        vm.deal(who, who.balance + CHALLENGE_BOND);
        vm.prank(who);
        return challenges.challenge{value: CHALLENGE_BOND}(item, chunk);
    }

    /// @dev A document of two chunks, and the way to the second.
    function chunked(address who, uint256 seed)
        private
        returns (uint256 id, bytes[2] memory chunks, bytes32[] memory proof)
    {
        chunks = [bytes("first chunk\n"), bytes(vm.toString(seed))];
        IDatanetRegistry.Reveal memory r = document(seed);
        r.chunkRoot = Merkle.hashNode(Merkle.hashLeaf(chunks[0]), Merkle.hashLeaf(chunks[1]));
        r.chunkCount = 2;
        id = contributeReveal(who, reviewedDatanet, r);
        proof = new bytes32[](1);
        proof[0] = Merkle.hashLeaf(chunks[0]);
    }

    /*//////////////////////////////////////////////////////////////////////////
                                       KEEPING
    //////////////////////////////////////////////////////////////////////////*/

    function test_RevertWhen_NotariesInvalid() external {
        address[] memory named = new address[](1);
        vm.expectRevert(
            abi.encodeWithSelector(AdmissionErrors.ContentChallenges_NotOwner.selector, reviewedDatanet, mallory)
        );
        vm.prank(mallory);
        challenges.setNotaries(reviewedDatanet, named);
        uint256 other = createDatanet();
        vm.expectRevert(abi.encodeWithSelector(AdmissionErrors.ContentChallenges_NotariesFixed.selector, other, 1));
        challenges.setNotaries(other, named);
        named = new address[](9);
        vm.expectRevert(abi.encodeWithSelector(AdmissionErrors.ContentChallenges_NotariesFixed.selector, other, 9));
        challenges.setNotaries(other, named);
        named = new address[](2);
        (named[0], named[1]) = (alice, alice);
        vm.expectRevert(abi.encodeWithSelector(AdmissionErrors.ContentChallenges_NotNotary.selector, alice));
        challenges.setNotaries(other, named);
        named[1] = bob;
        vm.expectRevert(
            abi.encodeWithSelector(AdmissionErrors.ContentChallenges_NotariesFixed.selector, reviewedDatanet, 2)
        );
        challenges.setNotaries(reviewedDatanet, named);
        assertTrue(challenges.isNotary(reviewedDatanet, notaries[2]));
        assertFalse(challenges.isNotary(other, alice));
    }

    function test_WhenKeepingAndReleasing(uint96 amount) external {
        uint256 id = contribute(alice, reviewedDatanet, 1);
        vm.deal(bob, amount);
        vm.prank(bob);
        challenges.keep{value: amount}(id);
        vm.expectRevert(abi.encodeWithSelector(AdmissionErrors.ContentChallenges_NotContributor.selector, id, bob));
        vm.prank(bob);
        challenges.release(id);
        vm.startPrank(alice);
        assertEq(challenges.release(id), 0);
        vm.expectRevert(abi.encodeWithSelector(AdmissionErrors.ContentChallenges_BondHeld.selector, id));
        challenges.release(id);
        vm.stopPrank();
        uint256 caseId = challengeAs(bob, itemOf(id), 0);
        skip(2 * RESPONSE_WINDOW);
        vm.expectRevert(abi.encodeWithSelector(AdmissionErrors.ContentChallenges_BondHeld.selector, id));
        vm.prank(alice);
        challenges.release(id);
        challenges.closeUnanswered(caseId);
        assertEq(challenges.keptBond(id), 0);
        assertEq(challenges.credit(sink), amount - uint256(amount) / 2);
    }

    function test_WhenReleasedUnharmed() external {
        uint256 id = contribute(alice, reviewedDatanet, 1);
        vm.deal(alice, 1 ether);
        vm.startPrank(alice);
        challenges.keep{value: 1 ether}(id);
        challenges.release(id);
        skip(2 * RESPONSE_WINDOW);
        assertEq(challenges.release(id), 1 ether);
        assertEq(challenges.withdraw(payable(alice)), 1 ether);
        vm.expectRevert(abi.encodeWithSelector(Errors.NothingToWithdraw.selector, alice));
        challenges.withdraw(payable(alice));
        vm.stopPrank();
    }

    function test_RevertWhen_ConstructedWithoutAddresses() external {
        vm.expectRevert(Errors.ZeroAddress.selector);
        new ContentChallenges(datanets, review, address(0), 1, 1);
        vm.expectRevert(Errors.ZeroAddress.selector);
        new ReviewerPool(SEAT, address(0), sink);
        vm.expectRevert(abi.encodeWithSelector(AdmissionErrors.ReviewerPool_NotWholeSeats.selector, 0, 0));
        new ReviewerPool(0, address(review), sink);
    }

    /// @dev What is decided about a document that stays in its Datanet is decided once, and it represents nothing.
    function test_RevertWhen_DecidedBefore() external {
        bytes memory sketch = sketchOf(5, 5, 128);
        uint256 first = contributeSketched(alice, reviewedDatanet, 41, sketch);
        uint256 second = contributeSketched(bob, reviewedDatanet, 42, sketch);
        accept(first);
        accept(second);
        uint256 caseId = challengeAs(mallory, itemOf(first), 0);
        skip(RESPONSE_WINDOW + 1);
        challenges.closeUnanswered(caseId);
        Batches.Item memory a = itemOf(first);
        Batches.Item memory b = itemOf(second);
        bytes memory why =
            abi.encodeWithSelector(AdmissionErrors.ContentChallenges_Decided.selector, Batches.keyOf(first, 0));
        vm.deal(mallory, CHALLENGE_BOND);
        vm.expectRevert(why);
        vm.prank(mallory);
        challenges.challenge{value: CHALLENGE_BOND}(a, 0);
        expectCopyRefused(first, sketch, second, sketch, why);
        vm.expectRevert(why);
        challenges.proveFalseSketch(a, sketch, abi.encode("content", 41), 0);
        // Another's sketch shows nothing about this one's.
        vm.expectPartialRevert(AdmissionErrors.ContentChallenges_SketchMismatch.selector);
        challenges.proveFalseSketch(b, sketchOf(6, 6, 128), abi.encode("content", 42), 0);
        // Nobody accuses what was committed after its own.
        IContentChallenges.Evidence memory evidence;
        vm.deal(alice, CHALLENGE_BOND);
        vm.expectPartialRevert(AdmissionErrors.ContentChallenges_NotEarlier.selector);
        vm.prank(alice);
        challenges.accuse{value: CHALLENGE_BOND}(b, sketch, a, sketch, evidence);
    }

    function test_RevertWhen_NotLive() external {
        uint256 id = commitAs(alice, reviewedDatanet, document(1));
        vm.expectRevert(abi.encodeWithSelector(AdmissionErrors.ContentChallenges_NotLive.selector, id));
        challenges.keep(id);
    }

    /*//////////////////////////////////////////////////////////////////////////
                                     AVAILABILITY
    //////////////////////////////////////////////////////////////////////////*/

    function test_RevertWhen_ChallengeInvalid() external {
        uint256 id = contribute(alice, reviewedDatanet, 1);
        Batches.Item memory item = itemOf(id);
        vm.expectRevert(
            abi.encodeWithSelector(AdmissionErrors.ContentChallenges_BondMismatch.selector, 0, CHALLENGE_BOND)
        );
        challenges.challenge(item, 0);
        vm.deal(address(this), 1 ether);
        vm.expectRevert(abi.encodeWithSelector(AdmissionErrors.ContentChallenges_ChunkUnknown.selector, 7, 7));
        challenges.challenge{value: CHALLENGE_BOND}(item, 7);
        item.document.chunkRoot = "another";
        vm.expectRevert(abi.encodeWithSelector(AdmissionErrors.Batches_NotInContribution.selector, id, 0));
        challenges.challenge{value: CHALLENGE_BOND}(item, 0);
    }

    function test_WhenTheChunkIsShown() external {
        (uint256 id, bytes[2] memory chunks, bytes32[] memory proof) = chunked(alice, 5);
        uint256 caseId = challengeAs(mallory, itemOf(id), 1);
        assertTrue(review.isContested(id));
        vm.expectRevert(abi.encodeWithSelector(AdmissionErrors.ContentChallenges_ChunkMismatch.selector, caseId));
        challenges.answer(caseId, chunks[0], proof);
        uint256 deadline = challenges.caseOf(caseId).deadline;
        vm.expectRevert(abi.encodeWithSelector(AdmissionErrors.ContentChallenges_TooEarly.selector, caseId, deadline));
        challenges.closeUnanswered(caseId);
        vm.prank(bob);
        challenges.answer(caseId, chunks[1], proof);
        assertEq(challenges.credit(bob), CHALLENGE_BOND);
        vm.expectRevert(abi.encodeWithSelector(AdmissionErrors.ContentChallenges_NotOpen.selector, caseId));
        challenges.answer(caseId, chunks[1], proof);
        assertFalse(review.isContested(id));
    }

    function test_WhenUnansweredBeforeAdmission() external {
        (uint256 id, bytes[2] memory chunks, bytes32[] memory proof) = chunked(alice, 5);
        uint256 caseId = challengeAs(bob, itemOf(id), 1);
        // Leaving does not save the bond.
        vm.expectRevert(abi.encodeWithSelector(Errors.DatanetRegistry_Contested.selector, id));
        vm.prank(alice);
        datanets.tombstone(id);
        uint256 deadline = challenges.caseOf(caseId).deadline;
        vm.warp(deadline + 1);
        vm.expectRevert(abi.encodeWithSelector(AdmissionErrors.ContentChallenges_TooLate.selector, caseId, deadline));
        challenges.answer(caseId, chunks[1], proof);
        challenges.closeUnanswered(caseId);
        assertEq(challenges.credit(bob), CHALLENGE_BOND);
        assertEq(datanets.credit(bob), BOND / 2);
        assertEq(datanets.credit(sink), BOND / 2);
        assertFalse(challenges.isSound(Batches.keyOf(id, 0)));
        vm.deal(bob, CHALLENGE_BOND);
        Batches.Item memory item = itemOf(id);
        vm.expectRevert(abi.encodeWithSelector(AdmissionErrors.ContentChallenges_NotLive.selector, id));
        vm.prank(bob);
        challenges.challenge{value: CHALLENGE_BOND}(item, 1);
    }

    function test_WhenUnansweredAfterAdmission(uint8 index) external {
        (IDatanetRegistry.Reveal memory r, bytes32[] memory leaves) = batchOf(33, 4);
        uint256 id = contributeReveal(alice, reviewedDatanet, r);
        accept(id);
        vm.deal(alice, 2 ether);
        vm.prank(alice);
        challenges.keep{value: 2 ether}(id);
        Batches.Item memory item;
        item.contributionId = id;
        item.index = index % 33;
        item.document = documentOf(4, item.index);
        (, item.proof) = PlainTree.fold(leaves, item.index);
        uint256 caseId = challengeAs(bob, item, 0);
        vm.warp(uint256(challenges.caseOf(caseId).deadline) + 1);
        challenges.closeUnanswered(caseId);
        assertEq(challenges.credit(bob), CHALLENGE_BOND + 1 ether);
        assertEq(challenges.credit(sink), 1 ether);
        assertFalse(challenges.isSound(Batches.keyOf(id, item.index)));
        assertTrue(challenges.isSound(Batches.keyOf(id, (item.index + 1) % 33)));
    }

    /*//////////////////////////////////////////////////////////////////////////
                                        COPIES
    //////////////////////////////////////////////////////////////////////////*/

    function test_WhenSketchesAgree(uint256 shared) external {
        shared = bound(shared, 0, 128);
        bytes memory a = sketchOf(1, 1, 128);
        bytes memory b = sketchOf(1, 2, shared);
        uint256 first = contributeSketched(alice, reviewedDatanet, 1, a);
        uint256 second = contributeSketched(mallory, reviewedDatanet, 2, b);
        if (shared < 64) {
            bytes memory why = abi.encodeWithSelector(AdmissionErrors.ContentChallenges_NotSimilar.selector, shared, 64);
            expectCopyRefused(first, a, second, b, why);
            return;
        }
        challenges.proveCopy(itemOf(first), a, itemOf(second), b);
        assertEq(challenges.representativeOf(Batches.keyOf(second, 0)), Batches.keyOf(first, 0));
    }

    function test_RevertWhen_NotEarlierOrNotTheirSketch() external {
        bytes memory a = sketchOf(1, 1, 128);
        uint256 first = contributeSketched(alice, reviewedDatanet, 1, a);
        uint256 second = contributeSketched(mallory, reviewedDatanet, 2, a);
        bytes memory why = abi.encodeWithSelector(AdmissionErrors.ContentChallenges_NotEarlier.selector, second, first);
        expectCopyRefused(second, a, first, a, why);
        bytes memory b = sketchOf(1, 2, 127);
        why = abi.encodeWithSelector(
            AdmissionErrors.ContentChallenges_SketchMismatch.selector, keccak256(b), keccak256(a)
        );
        expectCopyRefused(first, a, second, b, why);
    }

    function test_WhenAStillEarlierOneIsShown() external {
        bytes memory a = sketchOf(1, 1, 128);
        uint256 first = contributeSketched(alice, reviewedDatanet, 1, a);
        uint256 second = contributeSketched(bob, reviewedDatanet, 2, a);
        uint256 third = contributeSketched(mallory, reviewedDatanet, 3, a);
        challenges.proveCopy(itemOf(second), a, itemOf(third), a);
        challenges.proveCopy(itemOf(first), a, itemOf(third), a);
        assertEq(challenges.representativeOf(Batches.keyOf(third, 0)), Batches.keyOf(first, 0));
        bytes memory why =
            abi.encodeWithSelector(AdmissionErrors.ContentChallenges_Decided.selector, Batches.keyOf(third, 0));
        expectCopyRefused(second, a, third, a, why);
    }

    function test_WhenInOneBatch() external {
        bytes memory sketch = sketchOf(1, 1, 128);
        bytes32[] memory leaves = new bytes32[](3);
        Batches.Item[] memory items = new Batches.Item[](3);
        for (uint256 i; i < 3; ++i) {
            items[i].document = documentOf(8, i);
            items[i].document.sketchHash = keccak256(sketch);
            leaves[i] = Batches.leafOf(items[i].document);
        }
        (IDatanetRegistry.Reveal memory r,) = batchOf(3, 8);
        r.chunkRoot = PlainTree.rootOf(leaves);
        r.contentHash = Batches.contentHashOf(r.chunkRoot, 3);
        uint256 id = contributeReveal(alice, reviewedDatanet, r);
        for (uint32 i; i < 3; ++i) {
            (items[i].contributionId, items[i].index) = (id, i);
            (, items[i].proof) = PlainTree.fold(leaves, i);
        }
        challenges.proveCopy(items[0], sketch, items[2], sketch);
        assertEq(challenges.representativeOf(Batches.keyOf(id, 2)), Batches.keyOf(id, 0));
        vm.expectRevert(abi.encodeWithSelector(AdmissionErrors.ContentChallenges_NotEarlier.selector, id, id));
        challenges.proveCopy(items[2], sketch, items[1], sketch);
    }

    /*//////////////////////////////////////////////////////////////////////////
                                       SKETCHES
    //////////////////////////////////////////////////////////////////////////*/

    function vector(uint256 i) private view returns (bytes memory text, bytes memory sketch) {
        string memory json = vm.readFile("tests/vectors/attribution.json");
        string memory place = string.concat(".documents[", vm.toString(i), "]");
        text = json.readBytes(string.concat(place, ".normal"));
        sketch = json.readBytes(string.concat(place, ".sketch"));
    }

    /// @dev The sketches of the golden vectors, which the engine computes.
    function test_MinimumIsTheEngines() external view {
        for (uint256 i; i < 4; ++i) {
            (bytes memory text, bytes memory sketch) = vector(i);
            // Every number of the short ones, and as many as the gas of a test allows of the others.
            for (uint256 j; j < 128; j += text.length < 1_000 ? 1 : 16) {
                assertEq(this.minimum(text, j), MinHash.valueAt(sketch, j));
            }
        }
    }

    function test_WhenTheSketchIsFalse(uint256 which, uint256 position, uint32 value) external {
        (bytes memory text, bytes memory sketch) = vector(which % 4);
        position = position % 128;
        if (MinHash.valueAt(sketch, position) == value) value ^= 1;
        for (uint256 i; i < 4; ++i) {
            sketch[4 * position + i] = bytes4(value)[i];
        }
        IDatanetRegistry.Reveal memory r = document(7);
        (r.contentHash, r.sketchHash) = (keccak256(text), keccak256(sketch));
        uint256 id = contributeReveal(mallory, reviewedDatanet, r);
        Batches.Item memory item = itemOf(id);
        vm.expectRevert(
            abi.encodeWithSelector(AdmissionErrors.ContentChallenges_SketchRight.selector, (position + 1) % 128)
        );
        challenges.proveFalseSketch(item, sketch, text, position + 1);
        vm.expectPartialRevert(AdmissionErrors.ContentChallenges_TextMismatch.selector);
        challenges.proveFalseSketch(item, sketch, "other", position);
        vm.prank(bob);
        challenges.proveFalseSketch(item, sketch, text, position);
        assertEq(datanets.credit(bob), BOND / 2);
        vm.expectRevert(abi.encodeWithSelector(AdmissionErrors.ContentChallenges_NotLive.selector, id));
        challenges.proveFalseSketch(item, sketch, text, position);
    }

    function test_WhenTheSketchIsNone() external {
        IDatanetRegistry.Reveal memory r = document(7);
        (r.contentHash, r.sketchHash) = (keccak256("text"), keccak256("no sketch"));
        uint256 id = contributeReveal(mallory, reviewedDatanet, r);
        challenges.proveFalseSketch(itemOf(id), "no sketch", "text", 0);
        assertFalse(challenges.isSound(Batches.keyOf(id, 0)));
    }

    /*//////////////////////////////////////////////////////////////////////////
                                      PLAGIARISM
    //////////////////////////////////////////////////////////////////////////*/

    function evidenceOf(address author, bytes memory sketch, uint64 publishedAt, uint256 count)
        private
        view
        returns (IContentChallenges.Evidence memory evidence)
    {
        bytes32 digest = challenges.hashPublication(reviewedDatanet, author, keccak256(sketch), publishedAt);
        evidence.publishedAt = publishedAt;
        evidence.signatures = new bytes[](count);
        for (uint256 i; i < count; ++i) {
            evidence.signatures[i] = sign(notaryKeys[i], digest);
        }
    }

    function accuseAs(address who, uint256 accused, uint256 own, bytes memory sketch, uint64 date)
        private
        returns (uint256)
    {
        IContentChallenges.Evidence memory evidence = evidenceOf(who, sketch, date, 2);
        Batches.Item memory a = itemOf(accused);
        Batches.Item memory b = itemOf(own);
        vm.deal(who, who.balance + CHALLENGE_BOND);
        vm.prank(who);
        return challenges.accuse{value: CHALLENGE_BOND}(a, sketch, b, sketch, evidence);
    }

    /// @dev mallory registers what alice had published a month before.
    function test_WhenTheAccusedShowsNothing() external {
        bytes memory sketch = sketchOf(1, 1, 128);
        uint64 date = uint64(vm.getBlockTimestamp() - 30 days);
        uint256 stolen = contributeSketched(mallory, reviewedDatanet, 1, sketch);
        uint256 own = contributeSketched(alice, reviewedDatanet, 2, sketch);
        challenges.proveCopy(itemOf(stolen), sketch, itemOf(own), sketch);
        uint256 caseId = accuseAs(alice, stolen, own, sketch, date);
        vm.expectPartialRevert(AdmissionErrors.ContentChallenges_TooEarly.selector);
        challenges.closeAccusation(caseId);
        skip(RESPONSE_WINDOW + 1);
        challenges.closeAccusation(caseId);
        assertEq(challenges.credit(alice), CHALLENGE_BOND);
        assertEq(datanets.credit(alice), BOND / 2);
        assertEq(challenges.representativeOf(Batches.keyOf(stolen, 0)), Batches.keyOf(own, 0));
        assertFalse(challenges.isSound(Batches.keyOf(stolen, 0)));
        // What was stolen represents nobody any more.
        bytes memory why = abi.encodePacked(AdmissionErrors.ContentChallenges_NotLive.selector);
        expectCopyRefused(stolen, sketch, own, sketch, why);
    }

    function test_WhenTheAccusedShowsOlder() external {
        bytes memory sketch = sketchOf(1, 1, 128);
        uint64 date = uint64(vm.getBlockTimestamp() - 30 days);
        uint256 original = contributeSketched(bob, reviewedDatanet, 1, sketch);
        uint256 own = contributeSketched(mallory, reviewedDatanet, 2, sketch);
        uint256 caseId = accuseAs(mallory, original, own, sketch, date);
        IContentChallenges.Evidence memory late = evidenceOf(bob, sketch, date + 1, 2);
        vm.expectPartialRevert(AdmissionErrors.ContentChallenges_EvidenceTooLate.selector);
        challenges.rebut(caseId, keccak256(sketch), late);
        // Of another text, however old.
        IContentChallenges.Evidence memory older = evidenceOf(bob, sketchOf(2, 2, 128), date, 2);
        vm.expectPartialRevert(AdmissionErrors.ContentChallenges_SketchMismatch.selector);
        challenges.rebut(caseId, keccak256(sketchOf(2, 2, 128)), older);
        challenges.rebut(caseId, keccak256(sketch), evidenceOf(bob, sketch, date, 2));
        assertEq(challenges.credit(bob), CHALLENGE_BOND);
        assertTrue(challenges.isSound(Batches.keyOf(original, 0)));
    }

    function test_RevertWhen_TheAccusedIsLate() external {
        bytes memory sketch = sketchOf(1, 1, 128);
        uint64 date = uint64(vm.getBlockTimestamp() - 30 days);
        uint256 original = contributeSketched(bob, reviewedDatanet, 1, sketch);
        uint256 own = contributeSketched(mallory, reviewedDatanet, 2, sketch);
        uint256 caseId = accuseAs(mallory, original, own, sketch, date);
        IContentChallenges.Evidence memory older = evidenceOf(bob, sketch, date - 1, 2);
        skip(RESPONSE_WINDOW + 1);
        vm.expectPartialRevert(AdmissionErrors.ContentChallenges_TooLate.selector);
        challenges.rebut(caseId, keccak256(sketch), older);
        challenges.closeAccusation(caseId);
        assertFalse(challenges.isSound(Batches.keyOf(original, 0)));
    }

    function test_RevertWhen_EvidenceWeak() external {
        bytes memory sketch = sketchOf(1, 1, 128);
        uint256 stolen = contributeSketched(mallory, reviewedDatanet, 1, sketch);
        uint256 own = contributeSketched(alice, reviewedDatanet, 2, sketch);
        uint64 committedAt = datanets.contribution(stolen).committedAt;
        Batches.Item memory a = itemOf(stolen);
        Batches.Item memory b = itemOf(own);
        vm.deal(alice, 10 ether);
        IContentChallenges.Evidence memory e = evidenceOf(alice, sketch, committedAt, 2);
        vm.startPrank(alice);
        vm.expectRevert(
            abi.encodeWithSelector(AdmissionErrors.ContentChallenges_EvidenceTooLate.selector, committedAt, committedAt)
        );
        challenges.accuse{value: CHALLENGE_BOND}(a, sketch, b, sketch, e);
        e = evidenceOf(alice, sketch, committedAt - 1, 1);
        vm.expectRevert(abi.encodeWithSelector(AdmissionErrors.ContentChallenges_NotariesMissing.selector, 1, 2));
        challenges.accuse{value: CHALLENGE_BOND}(a, sketch, b, sketch, e);
        e = evidenceOf(alice, sketch, committedAt - 1, 2);
        e.signatures[1] = e.signatures[0];
        vm.expectRevert(abi.encodeWithSelector(AdmissionErrors.ContentChallenges_NotNotary.selector, notaries[0]));
        challenges.accuse{value: CHALLENGE_BOND}(a, sketch, b, sketch, e);
        // Evidence about somebody else does not help.
        e = evidenceOf(bob, sketch, committedAt - 1, 2);
        vm.expectPartialRevert(AdmissionErrors.ContentChallenges_NotNotary.selector);
        challenges.accuse{value: CHALLENGE_BOND}(a, sketch, b, sketch, e);
        vm.expectPartialRevert(AdmissionErrors.ContentChallenges_NotContributor.selector);
        challenges.accuse{value: CHALLENGE_BOND}(b, sketch, a, sketch, e);
        vm.stopPrank();
    }

    /*//////////////////////////////////////////////////////////////////////////
                                       BATCHES
    //////////////////////////////////////////////////////////////////////////*/

    function test_WhenADocumentIsTombstoned() external {
        (IDatanetRegistry.Reveal memory r, bytes32[] memory leaves) = batchOf(5, 4);
        uint256 id = contributeReveal(alice, reviewedDatanet, r);
        Batches.Item memory item;
        (item.contributionId, item.index, item.document) = (id, 3, documentOf(4, 3));
        (, item.proof) = PlainTree.fold(leaves, 3);
        vm.expectRevert(abi.encodeWithSelector(AdmissionErrors.ContentChallenges_NotContributor.selector, id, mallory));
        vm.prank(mallory);
        challenges.tombstoneDocument(item);
        vm.startPrank(alice);
        challenges.tombstoneDocument(item);
        vm.expectPartialRevert(AdmissionErrors.ContentChallenges_Decided.selector);
        challenges.tombstoneDocument(item);
        vm.stopPrank();
        assertFalse(challenges.isSound(Batches.keyOf(id, 3)));
        assertTrue(challenges.isSound(Batches.keyOf(id, 2)));
    }
}
