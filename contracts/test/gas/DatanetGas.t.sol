// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {stdJson} from "forge-std/StdJson.sol";

import {IDatanetRegistry} from "../../src/interfaces/IDatanetRegistry.sol";
import {Batches} from "../../src/libraries/Batches.sol";
import {AdmissionTest} from "../utils/AdmissionTest.sol";
import {PlainTree} from "../utils/PlainTree.sol";

/// @notice Gas of admission and of disputes about content, each call as a transaction of its own. The figures are kept in
/// contracts/snapshots/DatanetGas.json; FORGE_SNAPSHOT_CHECK=true compares.
/// forge-config: default.isolate = true
contract DatanetGasTest is AdmissionTest {
    using stdJson for string;

    string private constant GROUP = "DatanetGas";

    function setUp() public override {
        super.setUp();
        seatReviewers(REVIEWERS);
        // What is written once per Datanet and per account.
        accept(contribute(alice, reviewedDatanet, 1_000));
        accept(contribute(alice, reviewedDatanet, 1_001));
    }

    function record(string memory name) private returns (uint256 gas) {
        gas = vm.lastCallGas().gasTotalUsed;
        vm.snapshotValue(GROUP, name, gas);
    }

    function test_Gas_Batch() external {
        (IDatanetRegistry.Reveal memory r, bytes32[] memory leaves) = batchOf(1_000, 1);
        uint256 id = commitAs(alice, reviewedDatanet, r);
        uint256 total = vm.lastCallGas().gasTotalUsed;
        nextBlock();
        revealAs(alice, id, r);
        total += vm.lastCallGas().gasTotalUsed;
        accept(id);
        total += vm.lastCallGas().gasTotalUsed;
        vm.snapshotValue(GROUP, "batch of 1,000: commit, reveal and accept", total);
        vm.snapshotValue(GROUP, "batch of 1,000: per document", total / 1_000);
        Batches.Item memory item;
        (item.contributionId, item.index, item.document) = (id, 777, documentOf(1, 777));
        (, item.proof) = PlainTree.fold(leaves, 777);
        vm.deal(bob, 1 ether);
        vm.prank(bob);
        challenges.challenge{value: CHALLENGE_BOND}(item, 0);
        record("challenge a document of 1,000");
    }

    function test_Gas_Review() external {
        uint256 id = contribute(alice, reviewedDatanet, 1);
        nextBlock();
        openAs(alice, id);
        uint256 total = record("review: open");
        address[] memory panel = drawPanel(id);
        for (uint256 i; i < 5; ++i) {
            bytes32 commitment = review.commitmentOf(id, panel[i], 80, salt(panel[i]));
            vm.prank(panel[i]);
            review.commitScore(id, commitment);
            if (i == 1) record("review: commit a score");
            total += vm.lastCallGas().gasTotalUsed;
        }
        for (uint256 i; i < 5; ++i) {
            vm.prank(panel[i]);
            review.revealScore(id, 80, salt(panel[i]));
            if (i == 1) record("review: open a ballot");
            total += vm.lastCallGas().gasTotalUsed;
        }
        review.tally(id);
        total += record("review: tally of 5");
        closeAppeal(id);
        review.execute(id);
        total += record("review: accept");
        vm.snapshotValue(GROUP, "review: whole, panel of 5, without the draw", total);
    }

    function test_Gas_Draw() external {
        uint256 id = contribute(alice, reviewedDatanet, 1);
        nextBlock();
        openAs(alice, id);
        for (uint256 i; i < 3; ++i) {
            nextBlock();
        }
        vm.setBlockhash(review.caseOf(id).drawBlock, keccak256("seed"));
        review.draw(id);
        record("review: draw 5 of 24");
    }

    function test_Gas_Copy() external {
        bytes memory sketch = sketchOf(1, 1, 128);
        uint256 first = contributeSketched(alice, reviewedDatanet, 1, sketch);
        uint256 second = contributeSketched(mallory, reviewedDatanet, 2, sketch);
        Batches.Item memory a = itemOf(first);
        Batches.Item memory b = itemOf(second);
        challenges.proveCopy(a, sketch, b, sketch);
        record("dispute: near-copy");
    }

    function test_Gas_FalseSketch() external {
        string memory json = vm.readFile("tests/vectors/attribution.json");
        bytes memory text = json.readBytes(".documents[0].normal");
        bytes memory sketch = json.readBytes(".documents[0].sketch");
        sketch[3] ^= 0x01;
        IDatanetRegistry.Reveal memory r = document(7);
        (r.contentHash, r.sketchHash) = (keccak256(text), keccak256(sketch));
        Batches.Item memory item = itemOf(contributeReveal(mallory, reviewedDatanet, r));
        vm.prank(bob);
        challenges.proveFalseSketch(item, sketch, text, 0);
        record("dispute: false sketch of 240 bytes");
    }
}
