// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IAttributionDispute} from "../../../src/interfaces/IAttributionDispute.sol";
import {IAttributionSettlement} from "../../../src/interfaces/IAttributionSettlement.sol";
import {Errors} from "../../../src/libraries/Errors.sol";
import {RecordErrors} from "../../../src/libraries/RecordErrors.sol";
import {RecordTest} from "../../utils/RecordTest.sol";
import {SumTree} from "../../utils/SumTree.sol";

/// @notice Facts about claims, shown directly or by commitment, and who is paid for which. Epoch 1 is honest and gives alice
/// a claim; epoch 2 gives her one wei and carol the rest.
contract ClaimsChallengeTest is RecordTest {
    address private immutable copier = makeAddr("copier");
    IAttributionDispute.Leaf private before;
    IAttributionDispute.Leaf private later;
    /// Half of the bond.
    uint256 private reward;

    function setUp() public override {
        super.setUp();
        honest(1);
        earn(net, alice, PAYMENT);
        activate(postCalls());
        toLeaf(before);
        claims[0].cumulative = 1;
        earn(net, carol, PAYMENT - 1);
        delete calls;
        honest(1);
        postCalls();
        toLeaf(later);
        reward = settlement.epoch(2).bond / 2;
    }

    function toLeaf(IAttributionDispute.Leaf storage l) private {
        uint256 index = claimIndex(net, alice);
        (l.datanetId, l.account, l.cumulative, l.index) = (net, alice, claims[index].cumulative, index);
        IAttributionSettlement.ProofNode[] memory proof = SumTree.proofOf(claims, index);
        for (uint256 i; i < proof.length; ++i) {
            l.proof.push(proof[i]);
        }
    }

    function fact() private view returns (bytes memory) {
        return abi.encodeCall(dispute.factDecrease, (2, before, later));
    }

    function disputeAs(address who) private {
        vm.prank(who);
        dispute.disputeDecrease(2, before, later);
        assertEq(uint8(settlement.epoch(2).status), uint8(IAttributionSettlement.EpochStatus.Rejected));
    }

    function take(address who) private returns (uint256) {
        vm.prank(who);
        return records.takeShare(2);
    }

    function test_AFactAboutClaimsIsShownByCommitment() external {
        prove(fact());
        skip(records.shareWindow() + 1);
        assertEq(take(bob), reward);
    }

    function test_WhoeverDisputesFirstIsPaidAtOnce() external {
        disputeAs(copier);
        assertEq(settlement.credit(copier), reward);
        (,, uint64 shareableAt) = records.potOf(2);
        assertEq(shareableAt, 0);
    }

    /// @dev The copier has seen bob's reveal, and calls the rule directly before it.
    function test_ACopyOfARevealEarnsNothing() external {
        commitAsChallenger(bob, fact());
        nextBlock();
        disputeAs(copier);
        assertEq(settlement.credit(copier), 0);
        revealAsChallenger(bob, fact());
        vm.expectRevert(abi.encodeWithSelector(RecordErrors.RecordDispute_Untimely.selector, 2));
        take(bob);
        skip(records.shareWindow() + 1);
        vm.expectRevert(abi.encodeWithSelector(RecordErrors.RecordDispute_NoShare.selector, 2, copier));
        take(copier);
        assertEq(take(bob), reward);
        assertEq(records.credit(bob), reward + records.STAKE());
    }

    function test_IfNobodyShowsWhatWasCommittedTheFinderIsPaid() external {
        commitAsChallenger(bob, "nonsense");
        nextBlock();
        disputeAs(copier);
        vm.expectRevert(abi.encodeWithSelector(RecordErrors.RecordDispute_Untimely.selector, 2));
        records.forfeit(2, bob);
        skip(records.shareWindow() + 1);
        records.forfeit(2, bob);
        assertEq(records.bounty(), records.STAKE());
        assertEq(take(copier), reward);
        vm.expectRevert(abi.encodeWithSelector(RecordErrors.RecordDispute_NoShare.selector, 2, copier));
        take(copier);
        assertEq(address(records).balance, reward + records.STAKE());
    }

    /// @dev Committing in the block of the dispute, having seen it, takes nothing from who disputes.
    function test_ACommitmentInTheSameBlockSharesNothing() external {
        commitAsChallenger(bob, fact());
        commitAsChallenger(carol, "nonsense");
        disputeAs(copier);
        assertEq(settlement.credit(copier), reward);
        (uint256 pot,, uint64 shareableAt) = records.potOf(2);
        assertEq(pot, 0);
        nextBlock();
        vm.expectRevert(abi.encodeWithSelector(RecordErrors.RecordDispute_Untimely.selector, 2));
        vm.prank(bob);
        records.revealChallenge(2, fact(), "salt");
        vm.warp(shareableAt + 1);
        records.forfeit(2, carol);
        assertEq(records.bounty(), records.STAKE());
    }

    function test_RevertWhen_TheEpochIsDecided() external {
        disputeAs(copier);
        vm.expectRevert(
            abi.encodeWithSelector(
                Errors.AttributionDispute_NotPending.selector, 2, IAttributionSettlement.EpochStatus.Rejected
            )
        );
        dispute.disputeDecrease(2, before, later);
        vm.expectRevert(
            abi.encodeWithSelector(
                Errors.AttributionDispute_NotPending.selector, 1, IAttributionSettlement.EpochStatus.Activated
            )
        );
        dispute.factDecrease(1, before, later);
    }

    function test_RevertWhen_AnotherSaysThatAnEpochFell() external {
        vm.expectRevert(abi.encodeWithSelector(RecordErrors.RecordDispute_NotDispute.selector, copier));
        vm.prank(copier);
        records.fell(2, copier);
    }
}
