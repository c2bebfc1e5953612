// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IContributionReview} from "../../src/interfaces/IContributionReview.sol";
import {IDatanetRegistry} from "../../src/interfaces/IDatanetRegistry.sol";
import {ContentChallenges} from "../../src/l2/ContentChallenges.sol";
import {ContributionReview} from "../../src/l2/ContributionReview.sol";
import {ReviewerPool} from "../../src/l2/ReviewerPool.sol";
import {Batches} from "../../src/libraries/Batches.sol";
import {EconomyTest} from "./EconomyTest.sol";
import {PlainTree} from "./PlainTree.sol";

/// @title AdmissionTest
/// @notice The economy with reviewers, review and content challenges beside it, and a Datanet that handed admission over.
abstract contract AdmissionTest is EconomyTest {
    ReviewerPool internal constant pool = ReviewerPool(0x4f50454E00000000000000000000000000000011);
    ContributionReview internal constant review = ContributionReview(0x4F50454E00000000000000000000000000000012);
    ContentChallenges internal constant challenges = ContentChallenges(0x4f50454e00000000000000000000000000000013);

    uint256 internal constant SEAT = 10 ether;
    uint96 internal constant FEE = 0.01 ether;
    uint96 internal constant DOCUMENT_BOND = 0.001 ether;
    uint256 internal constant REVIEWERS = 24;
    uint256 internal constant CHALLENGE_BOND = 0.1 ether;
    uint256 internal constant RESPONSE_WINDOW = 1 days;

    uint256 internal reviewedDatanet;

    function setUp() public virtual override {
        super.setUp();
        deployCodeTo("ReviewerPool.sol:ReviewerPool", abi.encode(SEAT, review, sink), address(pool));
        deployCodeTo(
            "ContributionReview.sol:ContributionReview", abi.encode(datanets, pool, challenges, sink), address(review)
        );
        deployCodeTo(
            "ContentChallenges.sol:ContentChallenges",
            abi.encode(datanets, review, sink, CHALLENGE_BOND, RESPONSE_WINDOW),
            address(challenges)
        );
        reviewedDatanet = createDatanet();
        review.setPolicy(reviewedDatanet, defaultPolicy());
        datanets.setAdmission(reviewedDatanet, review);
    }

    function defaultPolicy() internal pure returns (IContributionReview.Policy memory) {
        return IContributionReview.Policy({
            fee: FEE,
            documentBond: DOCUMENT_BOND,
            commitWindow: 1 hours,
            revealWindow: 1 hours,
            appealWindow: 1 hours,
            panel: 5,
            acceptMin: 60,
            faultMax: 20,
            curatorsAccept: true
        });
    }

    function reviewer(uint256 i) internal pure returns (address) {
        return address(uint160(0xBEEF0000 + i));
    }

    function seatReviewers(uint256 count) internal {
        for (uint256 i; i < count; ++i) {
            joinAs(reviewer(i), 1);
        }
    }

    function joinAs(address who, uint256 seats) internal {
        vm.deal(who, who.balance + seats * SEAT);
        vm.prank(who);
        pool.join{value: seats * SEAT}();
    }

    function openAs(address who, uint256 id) internal {
        uint256 cost = review.costOf(id);
        vm.deal(who, who.balance + cost);
        vm.prank(who);
        review.openReview{value: cost}(id);
    }

    function appealAs(address who, uint256 id) internal {
        uint256 cost = review.costOf(id);
        vm.deal(who, who.balance + cost);
        vm.prank(who);
        review.appeal{value: cost}(id);
    }

    function drawPanel(uint256 id) internal returns (address[] memory panel) {
        for (uint256 i; i < 3; ++i) {
            nextBlock();
        }
        vm.setBlockhash(review.caseOf(id).drawBlock, keccak256(abi.encode("block", id, vm.getBlockNumber())));
        review.draw(id);
        panel = review.panelOf(id, review.caseOf(id).round);
    }

    function salt(address who) internal pure returns (bytes32) {
        return keccak256(abi.encode("salt of", who));
    }

    /// @dev Everybody on the panel commits to and opens `score`.
    function vote(uint256 id, address[] memory panel, uint8 score) internal {
        uint8[] memory scores = new uint8[](panel.length);
        for (uint256 i; i < panel.length; ++i) {
            scores[i] = score;
        }
        vote(id, panel, scores);
    }

    function vote(uint256 id, address[] memory panel, uint8[] memory scores) internal {
        for (uint256 i; i < panel.length; ++i) {
            bytes32 commitment = review.commitmentOf(id, panel[i], scores[i], salt(panel[i]));
            vm.prank(panel[i]);
            review.commitScore(id, commitment);
        }
        for (uint256 i; i < panel.length; ++i) {
            vm.prank(panel[i]);
            review.revealScore(id, scores[i], salt(panel[i]));
        }
        review.tally(id);
    }

    function closeAppeal(uint256 id) internal {
        uint256 closed = uint256(review.caseOf(id).deadline) + 1;
        if (vm.getBlockTimestamp() < closed) vm.warp(closed);
    }

    /// @dev Documents of a batch and the contribution that holds them.
    function batchOf(uint256 count, uint256 seed)
        internal
        pure
        returns (IDatanetRegistry.Reveal memory r, bytes32[] memory leaves)
    {
        leaves = new bytes32[](count);
        for (uint256 i; i < count; ++i) {
            leaves[i] = Batches.leafOf(documentOf(seed, i));
        }
        r = document(seed);
        r.chunkRoot = PlainTree.rootOf(leaves);
        // forge-lint: disable-next-item(unsafe-typecast)
        {
            r.chunkCount = uint32(count);
            r.byteLength = uint32(count * 700);
        }
        r.contentHash = Batches.contentHashOf(r.chunkRoot, r.chunkCount);
    }

    function documentOf(uint256 seed, uint256 i) internal pure returns (Batches.Document memory) {
        return Batches.Document({
            contentHash: keccak256(abi.encode("content", seed, i)),
            chunkRoot: keccak256(abi.encode("chunks", seed, i)),
            chunkCount: 1,
            byteLength: 700,
            sketchHash: keccak256(abi.encode("sketch", seed, i))
        });
    }

    /// @dev The item of a contribution that is one document.
    function itemOf(uint256 id) internal view returns (Batches.Item memory item) {
        IDatanetRegistry.Contribution memory c = datanets.contribution(id);
        item.contributionId = id;
        item.document = Batches.Document(c.contentHash, c.chunkRoot, c.chunkCount, c.byteLength, c.sketchHash);
    }

    /// @dev A sketch of which the first `shared` of 128 numbers are those of `family`, the rest those of `seed`.
    function sketchOf(uint256 family, uint256 seed, uint256 shared) internal pure returns (bytes memory sketch) {
        for (uint256 i; i < 128; ++i) {
            bytes32 h = keccak256(abi.encode(i < shared ? family : seed, i));
            sketch = bytes.concat(sketch, bytes4(h));
        }
    }

    /// @dev A document with that sketch.
    function contributeSketched(address who, uint256 datanetId, uint256 seed, bytes memory sketch)
        internal
        returns (uint256)
    {
        IDatanetRegistry.Reveal memory r = document(seed);
        r.sketchHash = keccak256(sketch);
        return contributeReveal(who, datanetId, r);
    }

    function contributeReveal(address who, uint256 datanetId, IDatanetRegistry.Reveal memory r)
        internal
        returns (uint256 id)
    {
        id = commitAs(who, datanetId, r);
        nextBlock();
        revealAs(who, id, r);
    }
}
