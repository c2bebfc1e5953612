// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IAttributionSettlement} from "../../../src/interfaces/IAttributionSettlement.sol";
import {IRecordTypes} from "../../../src/interfaces/IRecordTypes.sol";
import {Batches} from "../../../src/libraries/Batches.sol";
import {RecordErrors} from "../../../src/libraries/RecordErrors.sol";
import {PlainTree} from "../../utils/PlainTree.sol";
import {RecordTest} from "../../utils/RecordTest.sol";

/// @notice Every fact, shown and not shown. Each call is a transaction of its own, so that its gas is what it costs; kept in
/// contracts/snapshots/RecordDisputeGas.json.
/// forge-config: default.isolate = true
/// forge-config: default.fuzz.runs = 32
contract RecordDisputeTest is RecordTest {
    string private constant GROUP = "RecordDisputeGas";
    IRecordTypes.Payment[] private none;
    IRecordTypes.Claim[] private noClaims;

    function keep(string memory name, uint256 gas) private {
        vm.snapshotValue(GROUP, name, gas);
        assertLt(gas, 1_500_000);
    }

    function postHonest(uint256 count) private returns (IAttributionSettlement.EpochPost memory) {
        honest(count);
        earn(net, alice, uint128(count) * PAYMENT);
        return postCalls();
    }

    /*//////////////////////////////////////////////////////////////////////////
                                        RECORDS
    //////////////////////////////////////////////////////////////////////////*/

    function test_WhenTheEpochIsHonest(uint8 which) external {
        IAttributionSettlement.EpochPost memory post = postHonest(5);
        payHonest();
        commitPayments();
        uint256 i = which % 5;
        expectNotShown(abi.encodeCall(facts.factSums, (opened(i), record(i))));
        expectNotShown(abi.encodeCall(facts.factPayee, (opened(i), record(i), 0)));
        expectNotShown(
            abi.encodeCall(
                facts.factSpan, (opened(i), record(i), 0, itemOf(aliceId), response, spelled(8), bytes(ALICE_TEXT))
            )
        );
        expectNotShown(abi.encodeCall(facts.factDocument, (opened(i), record(i), 0)));
        // Bob's holds the same words, but later.
        expectNotShown(
            abi.encodeCall(
                facts.factEarlier,
                (opened(i), record(i), 0, response, spelled(9), member(bobId, 1), excerptOf(BOB_TEXT), 26)
            )
        );
        expectNotShown(
            abi.encodeCall(
                facts.factCluster,
                (opened(i), record(i), 0, itemOf(aliceId), sketchOf(1, 1, 100), member(bobId, 1), sketchOf(1, 2, 100))
            )
        );
        expectNotShown(abi.encodeCall(records.factSilence, (1)));
        expectNotShown(abi.encodeCall(records.factPaymentFalse, (opened(i), record(i), payment(i))));
        for (uint256 j; j < 7; ++j) {
            expectNotShown(abi.encodeCall(records.factPaymentOrder, (1, payment(j), payment(j + 1))));
        }
        expectNotShown(abi.encodeCall(records.factPaymentMissing, (opened(i), record(i), 0, list(payment(0)))));
        expectNotShown(abi.encodeCall(records.factClaim, (1, claimLeaf(alice), noClaims, none, none)));
        activate(post);
        expectNotShown(abi.encodeCall(facts.factSums, (opened(i), record(i))));
    }

    function test_WhenSumsAreFalse(uint8 kind) external {
        honest(4);
        IRecordTypes.Record storage r = calls[2].record;
        kind = kind % 9;
        if (kind == 0) r.residual += 1;
        else if (kind == 1) r.weights[0].weight *= 2;
        else if (kind == 2) r.weights[0].creditQ16 += 1;
        else if (kind == 3) r.spans[0].creditQ16 += 1;
        else if (kind == 4) r.spans[0].end = 10;
        else if (kind == 5) r.weights.pop();
        else if (kind == 6) r.spans.push(r.spans[0]);
        else if (kind == 7) r.receiptHash = "another";
        else r.totalSurpriseQ16 += 1_000;
        earn(net, alice, 4 * PAYMENT);
        postCalls();
        // The others are true, and do not reject.
        expectNotShown(abi.encodeCall(facts.factSums, (opened(1), record(1))));
        uint256 gas = prove(abi.encodeCall(facts.factSums, (opened(2), record(2))));
        assertLt(gas, 1_500_000);
    }

    function test_WhenThePayeeIsInvented() external {
        honest(2);
        addCall(aliceId, aliceId, mallory);
        earn(net, mallory, 3 * PAYMENT);
        postCalls();
        keep("dispute: payee", prove(abi.encodeCall(facts.factPayee, (opened(2), record(2), 0))));
    }

    function test_WhenTheClusterIsInvented(uint256 cluster) external {
        cluster = bound(cluster, carolId + 1, type(uint256).max);
        honest(1);
        addCall(aliceId, cluster, mallory);
        earn(net, mallory, 2 * PAYMENT);
        postCalls();
        prove(abi.encodeCall(facts.factPayee, (opened(1), record(1), 0)));
    }

    function test_WhenANearCopyIsItsOwnCluster() external {
        addCall(bobId, bobId, bob);
        earn(net, bob, PAYMENT);
        postCalls();
        bytes memory call = abi.encodeCall(
            facts.factCluster,
            (opened(0), record(0), 0, itemOf(bobId), sketchOf(1, 2, 100), member(aliceId, 0), sketchOf(1, 1, 100))
        );
        keep("dispute: cluster", prove(call));
    }

    function test_WhenTheSpanIsFalse() external {
        addCall(carolId, carolId, carol);
        earn(net, carol, PAYMENT);
        postCalls();
        bytes memory call = abi.encodeCall(
            facts.factSpan, (opened(0), record(0), 0, itemOf(carolId), response, spelled(8), bytes(CAROL_TEXT))
        );
        keep("dispute: span", prove(call));
    }

    function test_WhenAnEarlierOneHoldsIt() external {
        addCall(bobId, bobId, bob);
        earn(net, bob, PAYMENT);
        postCalls();
        // Not where the words are not.
        expectNotShown(
            abi.encodeCall(
                facts.factEarlier,
                (opened(0), record(0), 0, response, spelled(9), member(aliceId, 0), excerptOf(ALICE_TEXT), 11)
            )
        );
        bytes memory call = abi.encodeCall(
            facts.factEarlier,
            (opened(0), record(0), 0, response, spelled(9), member(aliceId, 0), excerptOf(ALICE_TEXT), 12)
        );
        keep("dispute: earlier holder", prove(call));
    }

    /// @dev Withdrawn, or shown to be unavailable, falsely sketched or plagiarised: it represents nothing.
    function test_RevertWhen_TheEarlierOneIsRuledOut() external {
        addCall(bobId, bobId, bob);
        earn(net, bob, PAYMENT);
        postCalls();
        Batches.Item memory own = itemOf(aliceId);
        vm.prank(alice);
        challenges.tombstoneDocument(own);
        expectNotShown(
            abi.encodeCall(
                facts.factEarlier,
                (opened(0), record(0), 0, response, spelled(9), member(aliceId, 0), excerptOf(ALICE_TEXT), 12)
            )
        );
    }

    function test_WhenAScoreIsFalse(uint8 row, int32 wrong) external {
        bytes memory query = influenceRow(99);
        IRecordTypes.Score memory score;
        score.row = row % 4;
        int64 product;
        bytes32[] memory items = new bytes32[](4);
        for (uint32 i; i < 4; ++i) {
            product = 0;
            bytes memory sketch = influenceRow(i);
            for (uint256 j; j < 512; ++j) {
                product += int64(int8(uint8(query[j]))) * int8(uint8(sketch[j]));
            }
            if (i == score.row) {
                score.score = product + wrong;
                product = score.score;
            }
            items[i] = keccak256(abi.encode(i, product));
        }
        score.query = query;
        score.rowSketch = influenceRow(score.row);
        (, score.scoreProof) = PlainTree.fold(items, score.row);
        (, score.rowProof) = PlainTree.fold(influenceItems(), score.row);
        honest(1);
        IRecordTypes.InfluenceRecord memory r;
        (r.version, r.queryHash, r.scoresRoot, r.rows) = (2, keccak256(query), PlainTree.rootOf(items), 4);
        // The epoch carries this record for its one receipt.
        earn(net, alice, PAYMENT);
        IAttributionSettlement.EpochPost memory post = onePool(modelOf, RECEIPT_FEE, net, PAYMENT);
        IRecordTypes.Opened memory o;
        (o.epochId, o.receipt) = (1, calls[0].receipt);
        (bytes32 receiptHash,) = settlement.hashReceipt(o.receipt);
        items = new bytes32[](1);
        items[0] = keccak256(abi.encode(receiptHash, keccak256(abi.encode(r))));
        (post.receiptCount, post.receiptsRoot) = (1, PlainTree.rootOf(items));
        postEpoch(post);
        bytes memory call = abi.encodeCall(facts.factInfluence, (o, r, score));
        if (wrong == 0) expectNotShown(call);
        else assertLt(prove(call), 1_500_000);
    }

    /*//////////////////////////////////////////////////////////////////////////
                                       PAYMENTS
    //////////////////////////////////////////////////////////////////////////*/

    function demand() private {
        uint256 stake = records.STAKE();
        vm.deal(bob, stake);
        vm.prank(bob);
        records.demandPayments{value: stake}(1);
    }

    function test_WhenThePosterIsSilent() external {
        postHonest(3);
        demand();
        expectNotShown(abi.encodeCall(records.factSilence, (1)));
        (,,,, uint64 dueAt) = records.paymentsOf(1);
        vm.warp(dueAt + 1);
        keep("dispute: silence", prove(abi.encodeCall(records.factSilence, (1))));
        records.reclaimDemand(1);
        assertEq(records.credit(bob), 2 * records.STAKE());
        vm.expectPartialRevert(RecordErrors.RecordDispute_Untimely.selector);
        records.reclaimDemand(1);
    }

    function test_WhenThePosterAnswers() external {
        postHonest(3);
        demand();
        payHonest();
        commitPayments();
        assertEq(records.credit(poster), records.STAKE());
        vm.expectRevert(abi.encodeWithSelector(RecordErrors.RecordDispute_NotPoster.selector, mallory));
        vm.prank(mallory);
        records.commitPayments(1, "other", 1, 0, 0);
        skip(CHALLENGE_WINDOW);
        expectNotShown(abi.encodeCall(records.factSilence, (1)));
        // Too late for another demand.
        uint256 stake = records.STAKE();
        vm.deal(bob, stake);
        vm.expectPartialRevert(RecordErrors.RecordDispute_Untimely.selector);
        vm.prank(bob);
        records.demandPayments{value: stake}(1);
    }

    function test_WhenPaymentsDoNotAscend() external {
        postHonest(3);
        payHonest();
        (payments[0].receipt, payments[1].receipt) = (payments[1].receipt, payments[0].receipt);
        commitPayments();
        keep("dispute: payment order", prove(abi.encodeCall(records.factPaymentOrder, (1, payment(0), payment(1)))));
    }

    /// @dev Receipts that pay alice are scaled up in the tree, one of no receipt is invented.
    function test_WhenAPaymentIsFalse(bool invented) external {
        honest(3);
        earn(net, alice, 4 * PAYMENT);
        postCalls();
        payHonest();
        if (invented) pay(alice, 77, PAYMENT);
        else payments[1].amount += PAYMENT;
        commitPayments();
        uint256 i = invented ? 3 : 1;
        uint256 call_ = invented ? 0 : 1;
        bytes memory call = abi.encodeCall(records.factPaymentFalse, (opened(call_), record(call_), payment(i)));
        keep("dispute: payment", prove(call));
    }

    function test_WhenAPaymentIsMissing() external {
        honest(2);
        addCall(carolId, carolId, carol);
        earn(net, alice, 3 * PAYMENT);
        postCalls();
        pay(alice, 0, 2 * PAYMENT);
        pay(alice, 1, PAYMENT);
        commitPayments();
        IRecordTypes.Payment memory edge = carol < alice ? payment(0) : payment(1);
        bytes memory call = abi.encodeCall(records.factPaymentMissing, (opened(2), record(2), 0, list(edge)));
        keep("dispute: payment missing", prove(call));
    }

    /// @dev The engine gives mallory's claim what alice's receipts paid.
    function test_WhenAClaimIsBoosted(uint128 boost) external {
        boost = uint128(bound(boost, 1, 3 * PAYMENT - 1));
        honest(3);
        earn(net, alice, 3 * PAYMENT - boost);
        earn(net, mallory, boost);
        postCalls();
        payHonest();
        commitPayments();
        bool below = mallory < alice;
        bytes memory call = abi.encodeCall(
            records.factClaim,
            (1, claimLeaf(mallory), noClaims, below ? none : list(payment(2)), below ? list(payment(0)) : none)
        );
        assertLt(prove(call), 1_500_000);
    }

    /*//////////////////////////////////////////////////////////////////////////
                                      CHALLENGES
    //////////////////////////////////////////////////////////////////////////*/

    function lie() private returns (bytes memory call) {
        honest(2);
        calls[0].record.residual = 0;
        earn(net, alice, 2 * PAYMENT);
        postCalls();
        return abi.encodeCall(facts.factSums, (opened(0), record(0)));
    }

    function test_WhenSeveralShare() external {
        bytes memory call = lie();
        uint256 bond = settlement.epoch(1).bond;
        commitAsChallenger(bob, call);
        commitAsChallenger(carol, call);
        commitAsChallenger(mallory, "0x12345678");
        nextBlock();
        revealAsChallenger(bob, call);
        assertEq(settlement.BURN().balance, bond / 2);
        nextBlock();
        revealAsChallenger(carol, call);
        vm.expectPartialRevert(RecordErrors.RecordDispute_Untimely.selector);
        vm.prank(bob);
        records.takeShare(1);
        vm.warp(vm.getBlockTimestamp() + 2 hours);
        vm.prank(bob);
        assertEq(records.takeShare(1), bond / 4);
        vm.prank(carol);
        records.takeShare(1);
        vm.expectRevert(abi.encodeWithSelector(RecordErrors.RecordDispute_NoShare.selector, 1, mallory));
        vm.prank(mallory);
        records.takeShare(1);
        records.forfeit(1, mallory);
        assertEq(records.bounty(), records.STAKE());
        assertEq(records.credit(bob), bond / 4 + records.STAKE());
        vm.prank(bob);
        records.withdraw(payable(bob));
        assertEq(bob.balance, BOND + bond / 4 + records.STAKE());
    }

    function test_RevertWhen_NotCommittedBefore() external {
        bytes memory call = lie();
        commitAsChallenger(bob, call);
        bytes4 invalid = RecordErrors.RecordDispute_CommitmentInvalid.selector;
        vm.expectRevert(abi.encodeWithSelector(invalid, 1, bob));
        vm.prank(bob);
        records.revealChallenge(1, call, "salt");
        nextBlock();
        // Who sees the call in the pool has no commitment to it.
        vm.expectRevert(abi.encodeWithSelector(invalid, 1, mallory));
        vm.prank(mallory);
        records.revealChallenge(1, call, "salt");
        commitAsChallenger(carol, call);
        revealAsChallenger(bob, call);
        nextBlock();
        // A commitment in the block of the proof is too late.
        vm.expectPartialRevert(RecordErrors.RecordDispute_Untimely.selector);
        vm.prank(carol);
        records.revealChallenge(1, call, "salt");
    }

    function test_RevertWhen_TheCallIsNoFact() external {
        lie();
        bytes memory call = abi.encodeCall(records.bounty, ());
        commitAsChallenger(bob, call);
        nextBlock();
        vm.expectRevert(abi.encodeWithSelector(RecordErrors.RecordDispute_NotFact.selector, records.bounty.selector));
        vm.prank(bob);
        records.revealChallenge(1, call, "salt");
    }

    function test_WhenADrillIsSolved(bool faulty) external {
        honest(1);
        if (faulty) calls[0].record.residual = 1;
        IRecordTypes.Record memory r = record(0);
        vm.deal(governance, 2 ether);
        vm.prank(governance);
        uint256 id = records.setDrill{value: 2 ether}(keccak256(abi.encode(r)), 0);
        vm.startPrank(bob);
        records.commitDrill(id, records.drillCommitmentOf(id, bob, "s"));
        vm.expectPartialRevert(RecordErrors.RecordDispute_DrillInvalid.selector);
        records.solveDrill(id, r, "s");
        skip(13 hours);
        if (!faulty) vm.expectRevert(RecordErrors.RecordDispute_NotFalse.selector);
        records.solveDrill(id, r, "s");
        vm.expectPartialRevert(RecordErrors.RecordDispute_DrillInvalid.selector);
        records.closeDrill(id);
        skip(12 hours);
        records.closeDrill(id);
        vm.stopPrank();
        assertEq(records.credit(faulty ? bob : governance), 2 ether);
    }
}
