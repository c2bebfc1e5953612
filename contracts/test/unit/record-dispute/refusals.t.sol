// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IAttributionSettlement} from "../../../src/interfaces/IAttributionSettlement.sol";
import {IRecordTypes} from "../../../src/interfaces/IRecordTypes.sol";
import {Errors} from "../../../src/libraries/Errors.sol";
import {Batches} from "../../../src/libraries/Batches.sol";
import {RecordErrors} from "../../../src/libraries/RecordErrors.sol";
import {RecordTest} from "../../utils/RecordTest.sol";
import {SumTree} from "../../utils/SumTree.sol";

/// @notice Exhibits that are somebody else's, and moves at the wrong time: refused, and by which error.
contract RecordRefusalsTest is RecordTest {
    bytes4 private constant MISMATCH = RecordErrors.RecordDispute_ExhibitMismatch.selector;
    bytes4 private constant NOT_FALSE = RecordErrors.RecordDispute_NotFalse.selector;

    IRecordTypes.Payment[] private none;
    IRecordTypes.Claim[] private noClaims;

    function refused(address target, bytes memory call, bytes4 why) private view {
        (bool ok, bytes memory reason) = target.staticcall(call);
        assertFalse(ok);
        assertEq(bytes4(reason), why);
    }

    function postOne() private returns (IAttributionSettlement.EpochPost memory) {
        honest(1);
        earn(net, alice, PAYMENT);
        return postCalls();
    }

    function test_RevertWhen_ExhibitsAreOthers() external {
        postOne();
        IRecordTypes.Record memory r = record(0);
        r.residual += 1;
        address to = address(facts);
        refused(to, abi.encodeCall(facts.factPayee, (opened(0), r, 0)), RecordErrors.RecordDispute_NotInEpoch.selector);
        r = record(0);
        IRecordTypes.Opened memory o = opened(0);
        // A sketch of another, and a member that is not where it is said to be.
        bytes memory a = sketchOf(1, 1, 100);
        bytes memory b = sketchOf(1, 2, 100);
        refused(to, abi.encodeCall(facts.factCluster, (o, r, 0, itemOf(aliceId), b, member(bobId, 1), b)), MISMATCH);
        refused(to, abi.encodeCall(facts.factCluster, (o, r, 0, itemOf(aliceId), a, member(carolId, 0), b)), MISMATCH);
        // A text, a response or a token of another.
        bytes memory text = bytes(ALICE_TEXT);
        Batches.Item memory own = itemOf(aliceId);
        refused(to, abi.encodeCall(facts.factSpan, (o, r, 0, own, response, spelled(8), bytes(BOB_TEXT))), MISMATCH);
        IRecordTypes.Response memory other = response;
        other.version = 2;
        refused(to, abi.encodeCall(facts.factSpan, (o, r, 0, own, other, spelled(8), text)), MISMATCH);
        refusedTokens(spelled(3));
        refusedTokens(spelled(9));
        IRecordTypes.Tokens memory tokens = spelled(8);
        tokens.texts[0] = " omega";
        refusedTokens(tokens);
        // The right ones in another order, none, and another's path.
        tokens = spelled(8);
        (tokens.texts[0], tokens.texts[1]) = (tokens.texts[1], tokens.texts[0]);
        refusedTokens(tokens);
        tokens.texts = new bytes[](0);
        refusedTokens(tokens);
        tokens = spelled(8);
        tokens.proof = spelled(7).proof;
        refusedTokens(tokens);
        refused(
            to,
            abi.encodeCall(
                facts.factEarlier, (o, r, 0, response, spelled(9), member(aliceId, 0), excerptOf(ALICE_TEXT), 12)
            ),
            NOT_FALSE
        );
    }

    function refusedTokens(IRecordTypes.Tokens memory tokens) private view {
        bytes memory text = bytes(ALICE_TEXT);
        refused(
            address(facts),
            abi.encodeCall(facts.factSpan, (opened(0), record(0), 0, itemOf(aliceId), response, tokens, text)),
            MISMATCH
        );
    }

    function test_RevertWhen_TheResponseIsAnothers() external {
        addCall(bobId, bobId, bob);
        earn(net, bob, PAYMENT);
        postCalls();
        IRecordTypes.Response memory other = response;
        other.version = 2;
        bytes memory call = abi.encodeCall(
            facts.factEarlier,
            (opened(0), record(0), 0, other, spelled(9), member(aliceId, 0), excerptOf(ALICE_TEXT), 12)
        );
        refused(address(facts), call, MISMATCH);
    }

    function test_RevertWhen_PaymentsAreCommittedToTwice() external {
        postOne();
        payHonest();
        commitPayments();
        uint64 epochId = settlement.nextEpochId() - 1;
        vm.expectRevert(abi.encodeWithSelector(RecordErrors.RecordDispute_Untimely.selector, epochId));
        vm.prank(poster);
        records.commitPayments(epochId, "root", PAYMENT, 0, 0);
    }

    /// @dev What an answer repeats is shown once, wherever it stands.
    function test_WhenTokensAreRepeated(uint256 seed) external {
        for (uint256 i; i < 9; ++i) {
            response.tokens[i] = uint16((seed >> (8 * i)) % 9);
        }
        addCall(carolId, carolId, carol);
        earn(net, carol, PAYMENT);
        postCalls();
        IRecordTypes.Tokens memory tokens = spelled(8);
        prove(
            abi.encodeCall(
                facts.factSpan, (opened(0), record(0), 0, itemOf(carolId), response, tokens, bytes(CAROL_TEXT))
            )
        );
    }

    function test_WhenASpanIsBeyondTheAnswer() external {
        honest(1);
        calls[0].record.spans[0].end = 10;
        earn(net, alice, PAYMENT);
        postCalls();
        IRecordTypes.Response memory other = response;
        other.version = 2;
        bytes memory call =
            abi.encodeCall(facts.factSpan, (opened(0), record(0), 0, itemOf(aliceId), other, spelled(9), ""));
        refused(address(facts), call, MISMATCH);
        prove(abi.encodeCall(facts.factSpan, (opened(0), record(0), 0, itemOf(aliceId), response, spelled(9), "")));
    }

    function test_RevertWhen_TheRecordIsOfAnotherSpec() external {
        honest(1);
        calls[0].record.engineSpecHash = "other";
        earn(net, alice, PAYMENT);
        postCalls();
        refused(
            address(facts),
            abi.encodeCall(facts.factPayee, (opened(0), record(0), 0)),
            RecordErrors.RecordDispute_SpecMismatch.selector
        );
        // The sums are of every version; a record of another spec has none that hold.
        prove(abi.encodeCall(facts.factSums, (opened(0), record(0))));
    }

    function test_Consistency() external {
        honest(1);
        assertTrue(facts.isConsistent(record(0)));
        IRecordTypes.Record memory r = record(0);
        r.version = 1;
        assertFalse(facts.isConsistent(r));
        r = record(0);
        r.spans[0].end = r.spans[0].start;
        assertFalse(facts.isConsistent(r));
        r = record(0);
        r.spans[0].surpriseQ16 = r.floorQ16;
        assertFalse(facts.isConsistent(r));
        r = record(0);
        r.totalSurpriseQ16 = 0;
        assertFalse(facts.isConsistent(r));
        r = record(0);
        r.weights[0].clusterId = 0;
        assertFalse(facts.isConsistent(r));
        // One cluster gets a quarter at most; the rest is residual.
        r = record(0);
        (r.spans[0].surpriseQ16, r.spans[0].creditQ16, r.weights[0].creditQ16) = (2_100_000, 2_000_000, 2_000_000);
        r.weights[0].weight = 500_000_000;
        r.residual = 500_000_000;
        assertFalse(facts.isConsistent(r));
        (r.weights[0].weight, r.residual) = (250_000_000, 750_000_000);
        assertTrue(facts.isConsistent(r));
    }

    function test_RevertWhen_PaymentsAreOthers() external {
        honest(3);
        earn(net, alice, 3 * PAYMENT);
        postCalls();
        address to = address(records);
        payHonest();
        refused(to, abi.encodeCall(records.factPaymentOrder, (1, payment(0), payment(1))), MISMATCH);
        commitPayments();
        bytes memory call = abi.encodeCall(records.factPaymentFalse, (opened(0), record(0), payment(1)));
        refused(to, call, MISMATCH);
        IRecordTypes.Payment memory p = payment(0);
        p.amount += 1;
        refused(to, abi.encodeCall(records.factPaymentFalse, (opened(0), record(0), p)), MISMATCH);
        IRecordTypes.Payment[] memory two = new IRecordTypes.Payment[](2);
        (two[0], two[1]) = (payment(0), payment(1));
        IRecordTypes.Claim memory c = claimLeaf(alice);
        refused(to, abi.encodeCall(records.factClaim, (1, c, noClaims, two, none)), MISMATCH);
        refused(to, abi.encodeCall(records.factClaim, (1, c, noClaims, list(payment(0)), none)), MISMATCH);
        refused(to, abi.encodeCall(records.factClaim, (1, c, noClaims, none, list(payment(2)))), MISMATCH);
        c.cumulative += 1;
        refused(to, abi.encodeCall(records.factClaim, (1, c, noClaims, none, none)), MISMATCH);
    }

    /// @dev The second epoch pays an account what nobody's receipt paid it. Whatever place the account has among the claims
    /// of before, what it had there is shown, or that it had nothing.
    function test_WhenAClaimOfALaterEpochIsBoosted(uint8 place) external {
        honest(1);
        addCall(carolId, carolId, carol);
        earn(net, alice, PAYMENT);
        earn(net, carol, PAYMENT);
        activate(postCalls());
        SumTree.Claim[] memory old = claims;
        address[4] memory boosted =
            [address(1), address(uint160(old[0].account) + 1), address(type(uint160).max), old[1].account];
        address who = boosted[place % 4];

        delete calls;
        honest(2);
        earn(net, alice, 2 * PAYMENT);
        earn(net, who, 5);
        postCalls();
        payHonest();
        // The five wei are paid to somebody else, so that the payments sum up.
        pay(bob, 3, 5);
        commitPayments();

        IRecordTypes.Claim[] memory before = beforeOf(old, who);
        (IRecordTypes.Payment[] memory left, IRecordTypes.Payment[] memory right) = around(who);
        IRecordTypes.Claim memory c = claimLeaf(who);
        address to = address(records);
        refused(to, abi.encodeCall(records.factClaim, (2, c, noClaims, left, right)), MISMATCH);
        refused(to, abi.encodeCall(records.factClaim, (2, c, new IRecordTypes.Claim[](3), left, right)), MISMATCH);
        before[0].cumulative += 1;
        refused(to, abi.encodeCall(records.factClaim, (2, c, before, left, right)), MISMATCH);
        before[0].cumulative -= 1;
        // An honest claim is not shown to be false, by the same exhibits.
        (left, right) = around(alice);
        refused(
            to, abi.encodeCall(records.factClaim, (2, claimLeaf(alice), beforeOf(old, alice), left, right)), NOT_FALSE
        );
        (left, right) = around(who);
        prove(abi.encodeCall(records.factClaim, (2, c, before, left, right)));
    }

    /// @dev The account's claim in the tree of before, or the neighbours between which it would stand.
    function beforeOf(SumTree.Claim[] memory old, address who)
        private
        view
        returns (IRecordTypes.Claim[] memory list_)
    {
        uint256 i;
        while (i < old.length && old[i].account < who) ++i;
        bool there = i < old.length && old[i].account == who;
        bool between = !there && i != 0 && i != old.length;
        list_ = new IRecordTypes.Claim[](between ? 2 : 1);
        uint256 first = there || i == 0 ? i : i - 1;
        for (uint256 j; j < list_.length; ++j) {
            SumTree.Claim memory c = old[first + j];
            (list_[j].datanetId, list_[j].account) = (c.datanetId, c.account);
            (list_[j].cumulative, list_[j].index) = (c.cumulative, first + j);
            list_[j].proof = SumTree.proofOf(old, first + j);
        }
    }

    /// @dev The payments next to an account's own.
    function around(address who)
        private
        view
        returns (IRecordTypes.Payment[] memory left, IRecordTypes.Payment[] memory right)
    {
        for (uint256 i; i < payments.length; ++i) {
            if (payments[i].account < who) left = list(payment(i));
            if (payments[i].account > who && right.length == 0) right = list(payment(i));
        }
    }

    function test_RevertWhen_MovesAreUntimely() external {
        uint256 stake = records.STAKE();
        bytes4 wrongStake = RecordErrors.RecordDispute_StakeMismatch.selector;
        bytes4 invalid = RecordErrors.RecordDispute_CommitmentInvalid.selector;
        vm.expectPartialRevert(RecordErrors.RecordDispute_NotDisputable.selector);
        records.commitChallenge{value: stake}(1, "c");
        IAttributionSettlement.EpochPost memory post = postOne();
        vm.expectPartialRevert(wrongStake);
        records.commitChallenge{value: stake - 1}(1, "c");
        vm.expectPartialRevert(invalid);
        records.commitChallenge{value: stake}(1, 0);
        records.commitChallenge{value: stake}(1, "c");
        vm.expectPartialRevert(invalid);
        records.commitChallenge{value: stake}(1, "d");
        vm.expectPartialRevert(invalid);
        records.forfeit(1, mallory);
        vm.expectPartialRevert(wrongStake);
        records.demandPayments{value: stake - 1}(1);
        vm.expectRevert(MISMATCH);
        vm.prank(poster);
        records.commitPayments(1, "root", PAYMENT + 1, 3, 0);
        vm.expectRevert(MISMATCH);
        vm.prank(poster);
        records.commitPayments(1, "root", PAYMENT, 41, 0);
        vm.expectRevert(MISMATCH);
        vm.prank(poster);
        records.commitPayments(1, "root", PAYMENT, 0, 41);
        // More pieces than can be disclosed in a quarter of the window: 8 a second.
        vm.expectRevert(abi.encodeWithSelector(RecordErrors.RecordDispute_TooLarge.selector, 1 + 1 + 4_096, 8 * 150));
        vm.prank(poster);
        records.commitPayments(1, "root", PAYMENT, 0, 20);
        activate(post);
        records.forfeit(1, address(this));
        vm.expectPartialRevert(invalid);
        records.forfeit(1, address(this));
        // From forfeited stakes a drill takes half of what its setter puts up at most.
        vm.expectPartialRevert(wrongStake);
        records.setDrill{value: 2 * stake - 1}("drill", stake);
        uint256 id = records.setDrill{value: 2 * stake}("drill", stake);
        vm.expectPartialRevert(RecordErrors.RecordDispute_DrillInvalid.selector);
        records.commitDrill(id, 0);
        skip(13 hours);
        vm.expectPartialRevert(RecordErrors.RecordDispute_DrillInvalid.selector);
        records.commitDrill(id, "late");
    }

    /// @dev A fact of one epoch does not reject another.
    function test_RevertWhen_TheFactIsOfAnotherEpoch() external {
        honest(1);
        calls[0].record.residual += 1;
        earn(net, alice, PAYMENT);
        postCalls();
        bytes memory call = abi.encodeCall(facts.factSums, (opened(0), record(0)));
        prove(call);
        // A rejected epoch stays disputable for those who share; the next one is honest.
        delete calls;
        honest(1);
        postCalls();
        commitAsChallenger(bob, call);
        nextBlock();
        vm.expectRevert(abi.encodeWithSelector(RecordErrors.RecordDispute_NotDisputable.selector, 2));
        vm.prank(bob);
        records.revealChallenge(2, call, "salt");
        assertEq(uint8(settlement.epoch(2).status), uint8(IAttributionSettlement.EpochStatus.Posted));
    }

    /// @dev Neighbours that do not enclose a claim's place in the tree of before say nothing about what was there.
    function test_RevertWhen_NeighboursDoNotEnclose() external {
        address[4] memory who = [address(0x11), address(0x22), address(0x33), address(0x44)];
        honest(1);
        for (uint256 i; i < 4; ++i) {
            if (i != 2) earn(net, who[i], PAYMENT / 4);
        }
        activate(postCalls());
        SumTree.Claim[] memory old = claims;
        delete calls;
        honest(1);
        earn(net, who[2], PAYMENT);
        postCalls();
        payHonest();
        commitPayments();
        IRecordTypes.Claim memory c = claimLeaf(who[2]);
        IRecordTypes.Claim[] memory pair = new IRecordTypes.Claim[](2);
        IRecordTypes.Claim[] memory one_ = new IRecordTypes.Claim[](1);
        // The first two of before: adjacent, and both below.
        (pair[0], pair[1]) = (slotOf(old, 0), slotOf(old, 1));
        refused(address(records), abi.encodeCall(records.factClaim, (2, c, pair, none, none)), MISMATCH);
        // Below and above, but not adjacent.
        (pair[0], pair[1]) = (slotOf(old, 0), slotOf(old, 2));
        refused(address(records), abi.encodeCall(records.factClaim, (2, c, pair, none, none)), MISMATCH);
        // One that is at neither end, and one that is at the end, but padding lies beyond it.
        one_[0] = slotOf(old, 1);
        refused(address(records), abi.encodeCall(records.factClaim, (2, c, one_, none, none)), MISMATCH);
        one_[0] = slotOf(old, 2);
        refused(address(records), abi.encodeCall(records.factClaim, (2, c, one_, none, none)), MISMATCH);
        // The padding at the end is above everybody, and encloses nobody from below.
        one_[0] = slotOf(old, 3);
        refused(address(records), abi.encodeCall(records.factClaim, (2, c, one_, none, none)), MISMATCH);
        (pair[0], pair[1]) = (slotOf(old, 2), slotOf(old, 3));
        refused(address(records), abi.encodeCall(records.factClaim, (2, c, pair, none, none)), MISMATCH);
        // The two between which it would lie show that there was nothing.
        (pair[0], pair[1]) = (slotOf(old, 1), slotOf(old, 2));
        refused(address(records), abi.encodeCall(records.factClaim, (2, c, pair, none, none)), NOT_FALSE);
    }

    /// @dev A slot of the tree of before; beyond the claims it is padding.
    function slotOf(SumTree.Claim[] memory old, uint256 i) private pure returns (IRecordTypes.Claim memory c) {
        if (i < old.length) {
            (c.datanetId, c.account, c.cumulative) = (old[i].datanetId, old[i].account, old[i].cumulative);
        }
        (c.index, c.proof) = (i, SumTree.proofOf(old, i));
    }

    /// @dev Keys ascend by Datanet first: a payment of another Datanet encloses from that side only.
    function test_WhenPaymentsAreOfSeveralDatanets() external {
        honest(2);
        earn(net, alice, 2 * PAYMENT);
        postCalls();
        payHonest();
        // Wei of Datanets before and after, which no receipt of this epoch pays.
        payments.push();
        payments.push();
        for (uint256 i = 3; i > 0; --i) {
            payments[i].datanetId = payments[i - 1].datanetId;
            (payments[i].account, payments[i].receipt) = (payments[i - 1].account, payments[i - 1].receipt);
            payments[i].amount = payments[i - 1].amount;
        }
        (payments[0].datanetId, payments[0].account, payments[0].amount) = (net - 1, alice, 0);
        (payments[3].datanetId, payments[3].account, payments[3].amount) = (net + 1, alice, 0);
        commitPayments();
        address to = address(records);
        IRecordTypes.Claim memory c = claimLeaf(alice);
        // Between the two lies all that is paid to alice, so her claim is true.
        refused(to, abi.encodeCall(records.factClaim, (1, c, noClaims, list(payment(0)), list(payment(3)))), NOT_FALSE);
        // The other way round they enclose nothing.
        refused(to, abi.encodeCall(records.factClaim, (1, c, noClaims, list(payment(3)), none)), MISMATCH);
        refused(to, abi.encodeCall(records.factClaim, (1, c, noClaims, none, list(payment(0)))), MISMATCH);
        // They ascend.
        refused(to, abi.encodeCall(records.factPaymentOrder, (1, payment(0), payment(1))), NOT_FALSE);
        refused(to, abi.encodeCall(records.factPaymentOrder, (1, payment(2), payment(3))), NOT_FALSE);
    }

    /// @dev Padding of the payments tree pays nobody: it is below nothing, and no payment to be false.
    function test_RevertWhen_ThePaymentIsPadding() external {
        honest(3);
        earn(net, alice, 3 * PAYMENT);
        postCalls();
        payHonest();
        commitPayments();
        IRecordTypes.Payment memory p = payment(3);
        p.receipt = 99;
        address to = address(records);
        refused(to, abi.encodeCall(records.factPaymentFalse, (opened(0), record(0), p)), NOT_FALSE);
        IRecordTypes.Claim memory c = claimLeaf(alice);
        refused(to, abi.encodeCall(records.factClaim, (1, c, noClaims, list(payment(3)), none)), MISMATCH);
    }

    function test_RevertWhen_AnotherUpholds() external {
        postOne();
        vm.expectRevert(abi.encodeWithSelector(Errors.AttributionDispute_NotRecords.selector, mallory));
        vm.prank(mallory);
        dispute.uphold(1, mallory, "because");
    }
}
