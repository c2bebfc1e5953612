// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IAttributionDispute} from "../../src/interfaces/IAttributionDispute.sol";
import {IAttributionSettlement} from "../../src/interfaces/IAttributionSettlement.sol";
import {IContentChallenges} from "../../src/interfaces/IContentChallenges.sol";
import {IRecordTypes} from "../../src/interfaces/IRecordTypes.sol";
import {Batches} from "../../src/libraries/Batches.sol";
import {PlainTree} from "../utils/PlainTree.sol";
import {RecordTest} from "../utils/RecordTest.sol";
import {SumTree} from "../utils/SumTree.sol";

/// @notice Gas of the disputes that `record-dispute` and the other files here do not measure: about claims trees of 1,024
/// accounts, by one transaction; about sums, scores, payments and claims, the transaction after the commitment; about
/// content. Kept in contracts/snapshots/DisputeGas.json; FORGE_SNAPSHOT_CHECK=true compares.
/// forge-config: default.isolate = true
contract DisputeGasTest is RecordTest {
    string private constant GROUP = "DisputeGas";
    uint160 private constant ACCOUNTS = 1_024;

    IRecordTypes.Payment[] private none;
    IRecordTypes.Claim[] private noClaims;

    function record(string memory name, uint256 gas) private {
        assertLt(gas, 1_500_000);
        vm.snapshotValue(GROUP, name, gas);
    }

    function prove(string memory name, bytes memory call) private {
        record(name, prove(call));
    }

    /*//////////////////////////////////////////////////////////////////////////
                                    CLAIMS TREES
    //////////////////////////////////////////////////////////////////////////*/

    /// @dev An active epoch of 1,024 accounts with 10^14 wei each, and a pending one of `tree` that adds as much as is missing.
    function post(SumTree.Claim[] memory tree) private {
        delete claims;
        uint128 sum;
        for (uint256 i; i < tree.length; ++i) {
            claims.push(tree[i]);
            sum += tree[i].cumulative;
        }
        uint128 promised = settlement.promised();
        postEpoch(onePool(modelOf, 2 ether, net, sum - promised));
    }

    function activeTree() private returns (SumTree.Claim[] memory tree) {
        tree = new SumTree.Claim[](ACCOUNTS);
        for (uint160 i; i < ACCOUNTS; ++i) {
            tree[i] = SumTree.Claim(net, address(i + 1), 1e14);
            claims.push(tree[i]);
        }
        activate(postedPool(uint128(ACCOUNTS) * 1e14));
    }

    function postedPool(uint128 amount) private returns (IAttributionSettlement.EpochPost memory p) {
        p = onePool(modelOf, 2 ether, net, amount);
        postEpoch(p);
    }

    function leaf(SumTree.Claim[] memory tree, uint256 i) private pure returns (IAttributionDispute.Leaf memory) {
        return
            IAttributionDispute.Leaf(
                tree[i].datanetId, tree[i].account, tree[i].cumulative, i, SumTree.proofOf(tree, i)
            );
    }

    function slot(SumTree.Claim[] memory tree, uint256 i) private pure returns (IAttributionDispute.Slot memory s) {
        (s.datanetId, s.account, s.cumulative) = (tree[i].datanetId, tree[i].account, tree[i].cumulative);
        (s.index, s.proof) = (i, SumTree.proofOf(tree, i));
    }

    function test_Gas_Decrease() external {
        SumTree.Claim[] memory active = activeTree();
        SumTree.Claim[] memory tree = activeCopy(active);
        tree[500].cumulative -= 1;
        tree[501].cumulative += 1e14;
        post(tree);
        vm.prank(mallory);
        dispute.disputeDecrease(2, leaf(active, 500), leaf(tree, 500));
        record("decrease among 1,024 accounts", vm.lastCallGas().gasTotalUsed);
    }

    function test_Gas_Omission() external {
        SumTree.Claim[] memory active = activeTree();
        SumTree.Claim[] memory tree = activeCopy(active);
        // The account's money goes to one above all.
        for (uint256 i = 500; i + 1 < tree.length; ++i) {
            tree[i] = tree[i + 1];
        }
        tree[tree.length - 1] = SumTree.Claim(net, address(ACCOUNTS + 1), 2e14);
        post(tree);
        IAttributionDispute.Slot[] memory around = new IAttributionDispute.Slot[](2);
        (around[0], around[1]) = (slot(tree, 499), slot(tree, 500));
        vm.prank(mallory);
        dispute.disputeOmission(2, leaf(active, 500), around);
        record("omission among 1,024 accounts", vm.lastCallGas().gasTotalUsed);
    }

    function test_Gas_Order() external {
        SumTree.Claim[] memory tree = activeCopy(activeTree());
        (tree[500], tree[501]) = (tree[501], tree[500]);
        tree[1_023].cumulative += 1e14;
        post(tree);
        vm.prank(mallory);
        dispute.disputeOrder(2, slot(tree, 500), slot(tree, 501));
        record("order among 1,024 accounts", vm.lastCallGas().gasTotalUsed);
    }

    function activeCopy(SumTree.Claim[] memory tree) private pure returns (SumTree.Claim[] memory copy) {
        copy = new SumTree.Claim[](tree.length);
        for (uint256 i; i < tree.length; ++i) {
            copy[i] = SumTree.Claim(tree[i].datanetId, tree[i].account, tree[i].cumulative);
        }
    }

    /*//////////////////////////////////////////////////////////////////////////
                               RECORDS, PAYMENTS, CLAIMS
    //////////////////////////////////////////////////////////////////////////*/

    function test_Gas_Sums() external {
        honest(4);
        calls[2].record.weights[0].weight *= 2;
        earn(net, alice, 4 * PAYMENT);
        postCalls();
        prove("sums", abi.encodeCall(facts.factSums, (opened(2), record(2))));
    }

    function test_Gas_PaymentFalse() external {
        honest(3);
        earn(net, alice, 4 * PAYMENT);
        postCalls();
        payHonest();
        payments[1].amount += PAYMENT;
        commitPayments();
        prove("payment false", abi.encodeCall(records.factPaymentFalse, (opened(1), record(1), payment(1))));
    }

    function test_Gas_Claim() external {
        honest(3);
        earn(net, alice, 2 * PAYMENT);
        earn(net, mallory, PAYMENT);
        postCalls();
        payHonest();
        commitPayments();
        bool below = mallory < alice;
        prove(
            "claim beyond its payments",
            abi.encodeCall(
                records.factClaim,
                (1, claimLeaf(mallory), noClaims, below ? none : list(payment(2)), below ? list(payment(0)) : none)
            )
        );
    }

    /// @dev A dot product of 512 dimensions.
    function test_Gas_Score() external {
        IRecordTypes.Score memory score;
        (score.query, score.rowSketch, score.score) = (influenceRow(99), influenceRow(1), 1);
        score.row = 1;
        bytes32[] memory items = new bytes32[](4);
        for (uint32 i; i < 4; ++i) {
            items[i] = keccak256(abi.encode(i, int64(1)));
        }
        (, score.scoreProof) = PlainTree.fold(items, 1);
        (, score.rowProof) = PlainTree.fold(influenceItems(), 1);
        honest(1);
        IRecordTypes.InfluenceRecord memory r;
        (r.version, r.queryHash, r.scoresRoot, r.rows) = (2, keccak256(score.query), PlainTree.rootOf(items), 4);
        earn(net, alice, PAYMENT);
        IAttributionSettlement.EpochPost memory p = onePool(modelOf, RECEIPT_FEE, net, PAYMENT);
        IRecordTypes.Opened memory o;
        (o.epochId, o.receipt) = (1, calls[0].receipt);
        (bytes32 receiptHash,) = settlement.hashReceipt(o.receipt);
        items = new bytes32[](1);
        items[0] = keccak256(abi.encode(receiptHash, keccak256(abi.encode(r))));
        (p.receiptCount, p.receiptsRoot) = (1, PlainTree.rootOf(items));
        postEpoch(p);
        prove("score of 512 dimensions", abi.encodeCall(facts.factInfluence, (o, r, score)));
    }

    /*//////////////////////////////////////////////////////////////////////////
                                        CONTENT
    //////////////////////////////////////////////////////////////////////////*/

    function test_Gas_Plagiarism() external {
        address[] memory notaries = new address[](3);
        (notaries[0], notaries[1], notaries[2]) = (engines[0], engines[1], engines[2]);
        challenges.setNotaries(reviewedDatanet, notaries);
        bytes memory own = sketchOf(7, 7, 128);
        bytes memory paraphrase = sketchOf(7, 8, 70);
        uint256 stolen = contributeSketched(mallory, reviewedDatanet, 80, paraphrase);
        uint256 mine = contributeSketched(alice, reviewedDatanet, 81, own);
        IContentChallenges.Evidence memory e;
        e.publishedAt = uint64(vm.getBlockTimestamp() - 30 days);
        bytes32 digest = challenges.hashPublication(reviewedDatanet, alice, keccak256(own), e.publishedAt);
        e.signatures = new bytes[](2);
        (e.signatures[0], e.signatures[1]) = (sign(engineKeys[0], digest), sign(engineKeys[1], digest));
        (Batches.Item memory accused, Batches.Item memory original) = (itemOf(stolen), itemOf(mine));
        vm.deal(alice, CHALLENGE_BOND);
        vm.prank(alice);
        uint256 id = challenges.accuse{value: CHALLENGE_BOND}(accused, paraphrase, original, own, e);
        record("plagiarism: accuse", vm.lastCallGas().gasTotalUsed);
        skip(RESPONSE_WINDOW + 1);
        challenges.closeAccusation(id);
        record("plagiarism: close", vm.lastCallGas().gasTotalUsed);
    }

    function test_Gas_Unanswered() external {
        Batches.Item memory item = itemOf(contribute(mallory, reviewedDatanet, 82));
        vm.deal(alice, CHALLENGE_BOND);
        vm.prank(alice);
        uint256 caseId = challenges.challenge{value: CHALLENGE_BOND}(item, 0);
        skip(RESPONSE_WINDOW + 1);
        challenges.closeUnanswered(caseId);
        record("availability: close unanswered", vm.lastCallGas().gasTotalUsed);
    }
}
