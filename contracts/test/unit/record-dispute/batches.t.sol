// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IDatanetRegistry} from "../../../src/interfaces/IDatanetRegistry.sol";
import {IModelRegistry} from "../../../src/interfaces/IModelRegistry.sol";
import {IRecordTypes} from "../../../src/interfaces/IRecordTypes.sol";
import {AdmissionErrors} from "../../../src/libraries/AdmissionErrors.sol";
import {Batches} from "../../../src/libraries/Batches.sol";
import {Merkle} from "../../../src/libraries/Merkle.sol";
import {RecordErrors} from "../../../src/libraries/RecordErrors.sol";
import {PlainTree} from "../../utils/PlainTree.sol";
import {RecordTest} from "../../utils/RecordTest.sol";

/// @notice Facts about documents of batches. A Datanet of three contributions: alice's batch of a thousand documents, of which
/// the second and the third hold the answer's words, bob's document, which does, and carol's batch of one that does.
/// Kept in contracts/snapshots/BatchDisputeGas.json.
/// forge-config: default.isolate = true
/// forge-config: default.fuzz.runs = 8
contract RecordBatchesTest is RecordTest {
    string private constant GROUP = "BatchDisputeGas";
    bytes4 private constant MISMATCH = RecordErrors.RecordDispute_ExhibitMismatch.selector;
    bytes4 private constant NOT_FALSE = RecordErrors.RecordDispute_NotFalse.selector;
    bytes4 private constant NOT_THERE = AdmissionErrors.Batches_NotInContribution.selector;
    string private constant WORDS = " alpha beta gamma delta epsilon zeta eta theta";
    uint32 private constant DOCUMENTS = 1_000;

    function setUp() public override {
        super.setUp();
        net = createDatanet();
        aliceId = contributeReveal(alice, net, revealOf(1, DOCUMENTS));
        IDatanetRegistry.Reveal memory r = document(77);
        (r.contentHash, r.sketchHash) = (keccak256(bytes(textOf(2, 1))), keccak256(sketchIn(2, 1)));
        (r.chunkRoot, r.chunkCount) = (Merkle.hashLeaf(bytes(textOf(2, 1))), 1);
        bobId = contributeReveal(bob, net, r);
        carolId = contributeReveal(carol, net, revealOf(3, 1));
        accept(aliceId);
        accept(bobId);
        accept(carolId);
        vm.prank(curator);
        datanets.publishVersion(net, "clusters");
        modelOf = registerModel(modelParams("batched", net));
    }

    /*//////////////////////////////////////////////////////////////////////////
                                       DOCUMENTS
    //////////////////////////////////////////////////////////////////////////*/

    function holds(uint256 batch, uint256 index) private pure returns (bool) {
        return batch == 1 ? index == 1 || index == 2 : true;
    }

    function textOf(uint256 batch, uint256 index) private pure returns (string memory) {
        string memory head = string.concat("document ", vm.toString(index), " of ", vm.toString(batch));
        return string.concat(head, holds(batch, index) ? WORDS : " without them", "\n");
    }

    /// @dev Where the words begin in `textOf`.
    function placeOf(uint256 batch, uint256 index) private pure returns (uint256) {
        return bytes(string.concat("document ", vm.toString(index), " of ", vm.toString(batch))).length;
    }

    function sketchIn(uint256 batch, uint256 index) private pure returns (bytes memory) {
        return sketchOf(holds(batch, index) ? 50 : 1_000 * batch + index, 100_000 * batch + index, 100);
    }

    function documentIn(uint256 batch, uint256 index) private pure returns (Batches.Document memory d) {
        d.contentHash = keccak256(bytes(textOf(batch, index)));
        d.chunkRoot = Merkle.hashLeaf(bytes(textOf(batch, index)));
        (d.chunkCount, d.byteLength) = (1, 60);
        // Thousands of sketches take long to make; those that nobody exhibits need not be sketches.
        d.sketchHash =
            holds(batch, index) || index == 0 ? keccak256(sketchIn(batch, index)) : keccak256(abi.encode(batch, index));
    }

    function leavesOf(uint256 batch, uint32 count) private pure returns (bytes32[] memory leaves) {
        leaves = new bytes32[](count);
        for (uint256 i; i < count; ++i) {
            leaves[i] = Batches.leafOf(documentIn(batch, i));
        }
    }

    function revealOf(uint256 batch, uint32 count) private pure returns (IDatanetRegistry.Reveal memory r) {
        r = document(batch);
        (r.chunkRoot, r.chunkCount) = (PlainTree.rootOf(leavesOf(batch, count)), count);
        r.contentHash = Batches.contentHashOf(r.chunkRoot, count);
        r.sketchHash = r.contentHash;
    }

    function itemIn(uint256 batch, uint32 index) private view returns (Batches.Item memory item) {
        (item.contributionId, item.index) = (batch == 1 ? aliceId : carolId, index);
        item.document = documentIn(batch, index);
        (, item.proof) = PlainTree.fold(leavesOf(batch, batch == 1 ? DOCUMENTS : 1), index);
    }

    function idIn(uint256 batch, uint32 index) private view returns (uint256) {
        return Batches.idOf(batch == 1 ? aliceId : carolId, index, true);
    }

    /*//////////////////////////////////////////////////////////////////////////
                                        CALLS
    //////////////////////////////////////////////////////////////////////////*/

    function postSpan(uint256 documentId, uint256 clusterId, address payee_) private {
        addCall(documentId, clusterId, payee_);
        earn(net, payee_, PAYMENT);
        postCalls();
    }

    function spanCall(Batches.Item memory own, string memory text) private view returns (bytes memory) {
        return abi.encodeCall(facts.factSpan, (opened(0), record(0), 0, own, response, spelled(8), bytes(text)));
    }

    function earlierCall(IRecordTypes.Member memory earlier, uint256 batch, uint32 index)
        private
        view
        returns (bytes memory)
    {
        IRecordTypes.Excerpt memory excerpt = excerptOf(textOf(batch, index));
        return abi.encodeCall(
            facts.factEarlier, (opened(0), record(0), 0, response, spelled(9), earlier, excerpt, placeOf(batch, index))
        );
    }

    function clusterCall(
        Batches.Item memory own,
        bytes memory ownSketch,
        IRecordTypes.Member memory earlier,
        bytes memory earlierSketch
    ) private view returns (bytes memory) {
        return abi.encodeCall(facts.factCluster, (opened(0), record(0), 0, own, ownSketch, earlier, earlierSketch));
    }

    function documentCall() private view returns (bytes memory) {
        return abi.encodeCall(facts.factDocument, (opened(0), record(0), 0));
    }

    function keep(string memory name, uint256 gas) private {
        vm.snapshotValue(GROUP, name, gas);
        assertLt(gas, 1_500_000);
    }

    function refused(bytes memory call, bytes4 why) private view {
        (bool ok, bytes memory reason) = address(facts).staticcall(call);
        assertFalse(ok);
        assertEq(bytes4(reason), why);
    }

    /*//////////////////////////////////////////////////////////////////////////
                                       HONEST
    //////////////////////////////////////////////////////////////////////////*/

    function test_WhenTheSpanIsHonest(uint256 other) external {
        uint32 index = uint32(bound(other, 0, DOCUMENTS - 1));
        postSpan(idIn(1, 1), idIn(1, 1), alice);
        refused(abi.encodeCall(facts.factSums, (opened(0), record(0))), NOT_FALSE);
        refused(abi.encodeCall(facts.factPayee, (opened(0), record(0), 0)), NOT_FALSE);
        refused(documentCall(), NOT_FALSE);
        refused(spanCall(itemIn(1, 1), textOf(1, 1)), NOT_FALSE);
        // Any other document of the batch is not the one that was named …
        bytes memory call = spanCall(itemIn(1, index), textOf(1, index));
        refused(call, index == 1 ? NOT_FALSE : MISMATCH);
        // … nor an earlier one that holds the words.
        call = earlierCall(member(itemIn(1, index), 0), 1, index);
        refused(call, NOT_FALSE);
        refused(earlierCall(member(bobId, 1), 2, 1), NOT_FALSE);
        refused(earlierCall(member(itemIn(3, 0), 2), 3, 0), NOT_FALSE);
        // Those that are near it are later.
        refused(clusterCall(itemIn(1, 1), sketchIn(1, 1), member(itemIn(1, 2), 0), sketchIn(1, 2)), NOT_FALSE);
        refused(clusterCall(itemIn(1, 1), sketchIn(1, 1), member(itemIn(3, 0), 2), sketchIn(3, 0)), NOT_FALSE);
        // The one before is not near.
        refused(clusterCall(itemIn(1, 1), sketchIn(1, 1), member(itemIn(1, 0), 0), sketchIn(1, 0)), NOT_FALSE);
    }

    /// @dev A near-copy in the cluster of its original is where it belongs.
    function test_WhenTheCopyIsInItsOriginalsCluster() external {
        postSpan(idIn(1, 2), idIn(1, 1), alice);
        refused(documentCall(), NOT_FALSE);
        refused(clusterCall(itemIn(1, 2), sketchIn(1, 2), member(itemIn(1, 1), 0), sketchIn(1, 1)), NOT_FALSE);
    }

    /*//////////////////////////////////////////////////////////////////////////
                                        FALSE
    //////////////////////////////////////////////////////////////////////////*/

    function test_WhenTheSpanIsFalse(uint256 which) external {
        uint32 index = uint32(bound(which, 3, DOCUMENTS - 1));
        postSpan(idIn(1, index), idIn(1, index), alice);
        refused(documentCall(), NOT_FALSE);
        assertLt(prove(spanCall(itemIn(1, index), textOf(1, index))), 1_500_000);
    }

    function test_WhenTheSpanOfTheFirstDocumentIsFalse() external {
        postSpan(idIn(1, 0), idIn(1, 0), alice);
        keep("dispute: span in a batch of 1,000", prove(spanCall(itemIn(1, 0), textOf(1, 0))));
    }

    function test_WhenAnEarlierOneOfTheBatchHoldsIt() external {
        postSpan(idIn(1, 2), idIn(1, 1), alice);
        refused(earlierCall(member(itemIn(1, 1), 0), 1, 2), MISMATCH);
        keep("dispute: earlier holder in a batch of 1,000", prove(earlierCall(member(itemIn(1, 1), 0), 1, 1)));
    }

    function test_WhenAnEarlierBatchHoldsIt(bool single) external {
        uint256 id = single ? bobId : idIn(3, 0);
        postSpan(id, id, single ? bob : carol);
        // Not where it is not, and not under another Datanet's leaf.
        refused(earlierCall(member(itemIn(1, 0), 0), 1, 0), NOT_FALSE);
        refused(earlierCall(member(itemIn(1, 1), 1), 1, 1), MISMATCH);
        assertLt(prove(earlierCall(member(itemIn(1, 1), 0), 1, 1)), 1_500_000);
    }

    function test_WhenAContributionOfItsOwnHoldsIt() external {
        postSpan(idIn(3, 0), idIn(3, 0), carol);
        assertLt(prove(earlierCall(member(bobId, 1), 2, 1)), 1_500_000);
    }

    function test_WhenANearCopyOfTheBatchIsItsOwnCluster() external {
        postSpan(idIn(1, 2), idIn(1, 2), alice);
        bytes memory call = clusterCall(itemIn(1, 2), sketchIn(1, 2), member(itemIn(1, 1), 0), sketchIn(1, 1));
        keep("dispute: cluster in a batch of 1,000", prove(call));
    }

    function test_WhenANearCopyOfAnotherIsItsOwnCluster(bool single) external {
        uint256 id = single ? bobId : idIn(3, 0);
        postSpan(id, id, single ? bob : carol);
        Batches.Item memory own = single ? itemOf(bobId) : itemIn(3, 0);
        bytes memory sketch = single ? sketchIn(2, 1) : sketchIn(3, 0);
        assertLt(prove(clusterCall(own, sketch, member(itemIn(1, 1), 0), sketchIn(1, 1))), 1_500_000);
    }

    /*//////////////////////////////////////////////////////////////////////////
                                       REFUSED
    //////////////////////////////////////////////////////////////////////////*/

    function test_RevertWhen_TheEarlierOneWasWithdrawn() external {
        postSpan(idIn(1, 2), idIn(1, 2), alice);
        Batches.Item memory first = itemIn(1, 1);
        vm.prank(alice);
        challenges.tombstoneDocument(first);
        refused(earlierCall(member(first, 0), 1, 1), MISMATCH);
        refused(clusterCall(itemIn(1, 2), sketchIn(1, 2), member(first, 0), sketchIn(1, 1)), MISMATCH);
    }

    /// @dev A document under another index, by another's path, by a path of another batch, or of no path.
    function test_RevertWhen_TheExhibitLiesElsewhere(uint32 index, uint256 bit) external {
        postSpan(idIn(1, 0), idIn(1, 0), alice);
        string memory text = textOf(1, 0);
        Batches.Item memory item = itemIn(1, 0);
        if (index == 0) index = 1;
        item.index = index;
        refused(spanCall(item, text), NOT_THERE);
        item.index = 0;
        bit = bound(bit, 0, 256 * item.proof.length - 1);
        item.proof[bit / 256] ^= bytes32(1 << (bit % 256));
        refused(spanCall(item, text), NOT_THERE);
        item.proof = itemIn(3, 0).proof;
        refused(spanCall(item, text), NOT_THERE);
        item = itemIn(3, 0);
        refused(spanCall(item, textOf(3, 0)), MISMATCH);
        item.contributionId = aliceId;
        refused(spanCall(item, textOf(3, 0)), NOT_THERE);
        // The batch itself is no document.
        refused(spanCall(itemOf(aliceId), text), NOT_THERE);
        refused(spanCall(itemOf(bobId), textOf(2, 1)), MISMATCH);
        // A text, and sketches, of another.
        refused(spanCall(itemIn(1, 0), textOf(1, 3)), MISMATCH);
        refused(clusterCall(itemIn(1, 0), sketchIn(1, 1), member(itemIn(1, 1), 0), sketchIn(1, 1)), MISMATCH);
    }

    /*//////////////////////////////////////////////////////////////////////////
                                         IDS
    //////////////////////////////////////////////////////////////////////////*/

    function test_WhenThePlaceIsBeyondTheBatch(uint32 index) external {
        uint256 id = Batches.idOf(aliceId, uint32(bound(index, DOCUMENTS, 2 ** 24 - 2)), true);
        postSpan(id, id, alice);
        prove(documentCall());
    }

    function test_WhenThePlaceIsTheOneAfterTheBatch() external {
        postSpan(idIn(1, DOCUMENTS), idIn(1, 0), alice);
        keep("dispute: document beyond its batch", prove(documentCall()));
    }

    function test_WhenTheContributionIsNoBatch(uint32 index) external {
        uint256 id = Batches.idOf(bobId, uint32(bound(index, 0, 2 ** 24 - 2)), true);
        postSpan(id, bobId, bob);
        prove(documentCall());
    }

    function test_WhenTheWholeBatchIsNamed(bool asCluster) external {
        postSpan(asCluster ? idIn(1, 1) : aliceId, asCluster ? aliceId : idIn(1, 1), alice);
        prove(documentCall());
    }

    function test_WhenNobodyCommittedIt(uint256 id) external {
        id = bound(id, datanets.contributionCount() + 1, 2 ** 40 - 1);
        postSpan(id, bobId, bob);
        prove(documentCall());
    }

    /// @dev Zero is the prompt, which earns nothing.
    function test_WhenTheIdIsZero() external {
        postSpan(0, bobId, bob);
        refused(documentCall(), NOT_FALSE);
        prove(abi.encodeCall(facts.factSums, (opened(0), record(0))));
    }

    function test_WhenItWasNeverAccepted() external {
        uint256 id = contributeText(bob, BOB_TEXT, 9);
        postSpan(id, bobId, bob);
        prove(documentCall());
    }

    /// @dev Of another Datanet than the model's, or accepted into the right one after the version.
    function test_WhenItIsNotOfTheVersion(bool younger) external {
        uint256 other = younger ? net : createDatanet();
        nextBlock();
        uint256 id = contributeReveal(bob, other, document(5));
        accept(id);
        postSpan(id, bobId, bob);
        prove(documentCall());
    }

    /// @dev What was withdrawn after the version still counted in it.
    function test_RevertWhen_ItWasWithdrawnSince() external {
        postSpan(bobId, idIn(1, 1), alice);
        vm.prank(bob);
        datanets.tombstone(bobId);
        refused(documentCall(), NOT_FALSE);
    }

    /// @dev Nobody's original is in the cluster of what came later.
    function test_WhenTheClusterIsLater(bool within) external {
        postSpan(idIn(1, 1), within ? idIn(1, 2) : bobId, within ? alice : bob);
        prove(documentCall());
    }

    /// @dev Clusters that documents of one batch found are one weight, with one cap.
    function test_WhenClustersOfABatchAreWeighed(uint256 id) external {
        addCall(idIn(1, 1), idIn(1, 1), alice);
        IRecordTypes.Record storage stored = calls[0].record;
        stored.spans[0].end = 4;
        stored.spans.push(IRecordTypes.Span(4, 8, idIn(1, 5), idIn(1, 5), 0, 350_000, 250_000));
        assertFalse(facts.isConsistent(record(0)));
        IRecordTypes.Record memory r = record(0);
        (r.weights[0].creditQ16, r.weights[0].weight, r.residual) = (750_000, 187_500_000, 812_500_000);
        assertTrue(facts.isConsistent(r));
        // Together they have the cap of one.
        (r.spans[1].surpriseQ16, r.spans[1].creditQ16) = (1_100_000, 1_000_000);
        (r.weights[0].creditQ16, r.weights[0].weight, r.residual) = (1_500_000, 250_000_000, 750_000_000);
        assertTrue(facts.isConsistent(r));
        // Two weights of one batch are none.
        r = record(0);
        IRecordTypes.Weight[] memory two = new IRecordTypes.Weight[](2);
        two[0] = r.weights[0];
        two[1] = IRecordTypes.Weight(idIn(1, 5), net, alice, 250_000, 62_500_000);
        (r.weights, r.residual) = (two, 812_500_000);
        assertFalse(facts.isConsistent(r));
        two[1].clusterId = two[0].clusterId;
        assertFalse(facts.isConsistent(r));
        // More than 64 bits name nothing.
        r = record(0);
        (r.weights[0].creditQ16, r.weights[0].weight, r.residual) = (750_000, 187_500_000, 812_500_000);
        uint256 beyond = bound(id, 1, type(uint192).max) << 64;
        r.spans[1].documentId |= beyond;
        assertFalse(facts.isConsistent(r));
        r.spans[1].documentId = idIn(1, 5);
        r.spans[0].clusterId |= beyond;
        assertFalse(facts.isConsistent(r));
    }

    /// @dev Ids split into what they were made of, and order as commitments do.
    function testFuzz_Ids(uint256 a, uint256 b, uint32 i, uint32 j) external pure {
        a = bound(a, 1, 2 ** 40 - 1);
        b = bound(b, 1, 2 ** 40 - 1);
        (i, j) = (uint32(bound(i, 0, 2 ** 24 - 2)), uint32(bound(j, 0, 2 ** 24 - 2)));
        (uint256 first, uint256 second) = (Batches.idOf(a, i, true), Batches.idOf(b, j, true));
        (uint256 contributionId, uint256 place) = Batches.split(first);
        assertEq(contributionId, a);
        assertEq(place, uint256(i) + 1);
        assertLt(first, 2 ** 64);
        assertEq(Batches.orderOf(first) < Batches.orderOf(second), a < b || (a == b && i < j));
        assertEq(Batches.idOf(b, 0, false), b);
    }
}
