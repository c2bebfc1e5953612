// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IAttributionDispute} from "../../../src/interfaces/IAttributionDispute.sol";
import {IAttributionSettlement} from "../../../src/interfaces/IAttributionSettlement.sol";
import {AttributionDispute} from "../../../src/l2/AttributionDispute.sol";
import {Errors} from "../../../src/libraries/Errors.sol";
import {EconomyTest} from "../../utils/EconomyTest.sol";
import {SumTree} from "../../utils/SumTree.sol";

/// @notice Epoch 1 is honest and active: three accounts with 0.1 ether each in one Datanet. The tests post epoch 2 with
/// whatever tree they like, signed by two engines that lie.
contract DisputeTest is EconomyTest {
    uint256 private datanetId;
    uint256 private modelId;
    address[3] private accounts;
    SumTree.Claim[] private active;
    address private immutable watcher = makeAddr("watcher");

    function setUp() public override {
        super.setUp();
        datanetId = publishedDatanet();
        modelId = registerModel(modelParams("m", datanetId));
        fund(gateway, 100 ether);
        accounts = [address(0x10), address(0x20), address(0x30)];
        for (uint256 i; i < 3; ++i) {
            earn(datanetId, accounts[i], 0.1 ether);
        }
        settle(onePool(modelId, 1 ether, datanetId, 0.3 ether));
        active = claims;
    }

    /// @dev Posts epoch 2 with `tree`, the sum of which must be 0.3 ether and `amount`.
    function postTree(SumTree.Claim[] memory tree, uint128 amount)
        private
        returns (IAttributionSettlement.EpochPost memory post)
    {
        delete claims;
        for (uint256 i; i < tree.length; ++i) {
            claims.push(tree[i]);
        }
        post = onePool(modelId, 1 ether, datanetId, amount);
        postEpoch(post);
    }

    function leaf(SumTree.Claim[] memory tree, uint256 index) private pure returns (IAttributionDispute.Leaf memory) {
        SumTree.Claim memory c = tree[index];
        return IAttributionDispute.Leaf(c.datanetId, c.account, c.cumulative, index, SumTree.proofOf(tree, index));
    }

    function slot(SumTree.Claim[] memory tree, uint256 index) private pure returns (IAttributionDispute.Slot memory s) {
        if (index < tree.length) {
            s.datanetId = tree[index].datanetId;
            s.account = tree[index].account;
            s.cumulative = tree[index].cumulative;
        } else {
            s.padding = true;
        }
        s.index = index;
        s.proof = SumTree.proofOf(tree, index);
    }

    function slots(IAttributionDispute.Slot memory a) private pure returns (IAttributionDispute.Slot[] memory list) {
        list = new IAttributionDispute.Slot[](1);
        list[0] = a;
    }

    function slots(IAttributionDispute.Slot memory a, IAttributionDispute.Slot memory b)
        private
        pure
        returns (IAttributionDispute.Slot[] memory list)
    {
        list = new IAttributionDispute.Slot[](2);
        (list[0], list[1]) = (a, b);
    }

    /// @dev A tree of the accounts with these amounts; zero leaves one out.
    function tree3(uint128 a, uint128 b, uint128 c) private view returns (SumTree.Claim[] memory tree) {
        uint128[3] memory amounts = [a, b, c];
        uint256 count;
        for (uint256 i; i < 3; ++i) {
            if (amounts[i] != 0) ++count;
        }
        tree = new SumTree.Claim[](count);
        count = 0;
        for (uint256 i; i < 3; ++i) {
            if (amounts[i] != 0) tree[count++] = SumTree.Claim(datanetId, accounts[i], amounts[i]);
        }
    }

    function assertRejected() private view {
        assertEq(uint8(settlement.epoch(2).status), uint8(IAttributionSettlement.EpochStatus.Rejected));
        assertEq(settlement.credit(watcher), 0.65 ether);
        assertEq(settlement.BURN().balance, 0.65 ether);
        (uint256 available, uint256 reserved) = settlement.fundsOf(gateway);
        assertEq(available, 99 ether);
        assertEq(reserved, 0);
    }

    function expectRejection(string memory reason) private {
        vm.expectEmit(address(settlement));
        emit IAttributionSettlement.EpochRejected(2, watcher, 0.65 ether, 0.65 ether, reason);
        vm.prank(watcher);
    }

    /// @dev A fact is one for as long as the epoch is pending and after it fell: those who committed to it can still show it.
    function assertFact(bytes memory call, string memory reason) private view {
        (bool ok, bytes memory answer) = address(dispute).staticcall(call);
        assertTrue(ok, "no fact");
        (uint64 epochId, string memory given) = abi.decode(answer, (uint64, string));
        assertEq(epochId, 2);
        assertEq(given, reason);
    }

    /*//////////////////////////////////////////////////////////////////////////
                                      DECREASE
    //////////////////////////////////////////////////////////////////////////*/

    function test_RevertWhen_ConstructedWithoutSettlement() external {
        vm.expectRevert(Errors.ZeroAddress.selector);
        new AttributionDispute(IAttributionSettlement(address(0)));
    }

    function test_RevertWhen_NotPending() external {
        SumTree.Claim[] memory tree = active;
        IAttributionDispute.Leaf memory l = leaf(tree, 0);
        IAttributionDispute.Slot memory s = slot(tree, 0);
        bytes memory activated = abi.encodeWithSelector(
            Errors.AttributionDispute_NotPending.selector, 1, IAttributionSettlement.EpochStatus.Activated
        );
        vm.expectRevert(activated);
        dispute.disputeDecrease(1, l, l);
        vm.expectRevert(activated);
        dispute.disputeOmission(1, l, slots(s));
        vm.expectRevert(activated);
        dispute.disputeOrder(1, s, s);
        IAttributionSettlement.EpochPost memory post = onePool(modelId, 1 ether, datanetId, 0);
        vm.expectRevert(
            abi.encodeWithSelector(
                Errors.AttributionDispute_NotPending.selector, 2, IAttributionSettlement.EpochStatus.None
            )
        );
        dispute.disputeOverpromise(post, l, l);
    }

    function test_RevertWhen_ExhibitNotInTree() external {
        SumTree.Claim[] memory tree = tree3(0.3 ether, 0.2 ether, 0.1 ether);
        IAttributionSettlement.EpochPost memory post = postTree(tree, 0.3 ether);
        bytes32 activeRoot = settlement.epoch(1).claimsRoot;
        IAttributionDispute.Leaf memory before = leaf(active, 0);
        IAttributionDispute.Leaf memory later = leaf(tree, 0);
        IAttributionDispute.Leaf memory forged = leaf(tree, 0);
        forged.cumulative = 0.05 ether;
        bytes memory reason =
            abi.encodeWithSelector(Errors.AttributionDispute_ProofInvalid.selector, post.claimsRoot, 0);
        vm.expectRevert(reason);
        dispute.disputeDecrease(2, before, forged);
        vm.expectRevert(abi.encodeWithSelector(Errors.AttributionDispute_ProofInvalid.selector, activeRoot, 0));
        dispute.disputeDecrease(2, forged, later);
        vm.expectRevert(reason);
        dispute.disputeOverpromise(post, forged, later);
        IAttributionDispute.Slot memory s = slot(tree, 0);
        s.cumulative = 1;
        vm.expectRevert(reason);
        dispute.disputeOrder(2, s, slot(tree, 1));
        vm.expectRevert(reason);
        dispute.disputeOmission(2, before, slots(s));
        s.padding = true;
        vm.expectRevert(Errors.AttributionDispute_PaddingNotEmpty.selector);
        dispute.disputeOmission(2, before, slots(s));
    }

    function test_RevertWhen_KeysDiffer() external {
        SumTree.Claim[] memory tree = tree3(0.05 ether, 0.45 ether, 0.1 ether);
        postTree(tree, 0.3 ether);
        vm.expectRevert(Errors.AttributionDispute_KeyMismatch.selector);
        dispute.disputeDecrease(2, leaf(active, 1), leaf(tree, 0));
    }

    function test_RevertWhen_NotDecreased(uint128 more) external {
        more = uint128(bound(more, 0, 0.3 ether));
        SumTree.Claim[] memory tree = tree3(0.1 ether + more, 0.4 ether - more, 0.1 ether);
        postTree(tree, 0.3 ether);
        vm.expectRevert(
            abi.encodeWithSelector(Errors.AttributionDispute_NotDecreased.selector, 0.1 ether, 0.1 ether + more)
        );
        dispute.disputeDecrease(2, leaf(active, 0), leaf(tree, 0));
    }

    function test_WhenDecreased(uint128 less, bool late) external {
        less = uint128(bound(less, 1, 0.1 ether - 1));
        SumTree.Claim[] memory tree = tree3(0.4 ether + less, 0.1 ether, 0.1 ether - less);
        postTree(tree, 0.3 ether);
        if (late) vm.warp(vm.getBlockTimestamp() + 1 days);
        IAttributionDispute.Leaf memory before = leaf(active, 2);
        IAttributionDispute.Leaf memory later = leaf(tree, 2);
        bytes memory fact = abi.encodeCall(dispute.factDecrease, (2, before, later));
        assertFact(fact, "decrease");
        expectRejection("decrease");
        dispute.disputeDecrease(2, before, later);
        assertRejected();
        assertFact(fact, "decrease");
        vm.prank(watcher);
        settlement.withdraw(payable(watcher));
        assertEq(watcher.balance, 0.65 ether);
    }

    /*//////////////////////////////////////////////////////////////////////////
                                      OMISSION
    //////////////////////////////////////////////////////////////////////////*/

    function test_RevertWhen_NothingIsOmitted(uint8 account, uint8 place, bool two) external {
        SumTree.Claim[] memory tree = tree3(0.4 ether, 0.1 ether, 0.1 ether);
        postTree(tree, 0.3 ether);
        place = uint8(bound(place, 0, 3));
        IAttributionDispute.Leaf memory before = leaf(active, bound(account, 0, 2));
        IAttributionDispute.Slot[] memory list =
            two && place != 3 ? slots(slot(tree, place), slot(tree, place + 1)) : slots(slot(tree, place));
        vm.expectRevert(Errors.AttributionDispute_NotOmitted.selector);
        dispute.disputeOmission(2, before, list);
    }

    function test_RevertWhen_SlotsAreNoneTooManyOrApart() external {
        SumTree.Claim[] memory tree = tree3(0.5 ether, 0, 0.1 ether);
        postTree(tree, 0.3 ether);
        IAttributionDispute.Leaf memory before = leaf(active, 1);
        IAttributionDispute.Slot memory s = slot(tree, 0);
        vm.expectRevert(Errors.AttributionDispute_NotOmitted.selector);
        dispute.disputeOmission(2, before, new IAttributionDispute.Slot[](0));
        IAttributionDispute.Slot[] memory list = new IAttributionDispute.Slot[](3);
        list[0] = list[1] = list[2] = s;
        vm.expectRevert(Errors.AttributionDispute_NotOmitted.selector);
        dispute.disputeOmission(2, before, list);
        // Neighbours, but the wrong way around.
        vm.expectRevert(Errors.AttributionDispute_NotOmitted.selector);
        dispute.disputeOmission(2, before, slots(slot(tree, 1), s));
    }

    function test_WhenOmittedBetweenTwo() external {
        SumTree.Claim[] memory tree = tree3(0.5 ether, 0, 0.1 ether);
        postTree(tree, 0.3 ether);
        expectRejectionOfOmission(1, slots(slot(tree, 0), slot(tree, 1)));
    }

    function test_WhenOmittedBeforeTheFirst() external {
        SumTree.Claim[] memory tree = tree3(0, 0.5 ether, 0.1 ether);
        postTree(tree, 0.3 ether);
        expectRejectionOfOmission(0, slots(slot(tree, 0)));
    }

    function test_WhenOmittedAfterTheLast() external {
        SumTree.Claim[] memory tree = tree3(0.1 ether, 0.5 ether, 0);
        postTree(tree, 0.3 ether);
        expectRejectionOfOmission(2, slots(slot(tree, 1)));
    }

    function test_WhenOmittedBeforePadding() external {
        SumTree.Claim[] memory tree = new SumTree.Claim[](3);
        tree[0] = SumTree.Claim(datanetId, address(1), 0.1 ether);
        tree[1] = SumTree.Claim(datanetId, accounts[0], 0.1 ether);
        tree[2] = SumTree.Claim(datanetId, accounts[1], 0.4 ether);
        postTree(tree, 0.3 ether);
        expectRejectionOfOmission(2, slots(slot(tree, 2), slot(tree, 3)));
    }

    function test_WhenOmittedInATreeOfOne() external {
        SumTree.Claim[] memory tree = tree3(0, 0.6 ether, 0);
        postTree(tree, 0.3 ether);
        expectRejectionOfOmission(0, slots(slot(tree, 0)));
    }

    function expectRejectionOfOmission(uint256 account, IAttributionDispute.Slot[] memory list) private {
        IAttributionDispute.Leaf memory before = leaf(active, account);
        bytes memory fact = abi.encodeCall(dispute.factOmission, (2, before, list));
        assertFact(fact, "omission");
        expectRejection("omission");
        dispute.disputeOmission(2, before, list);
        assertRejected();
        assertFact(fact, "omission");
    }

    /*//////////////////////////////////////////////////////////////////////////
                                        ORDER
    //////////////////////////////////////////////////////////////////////////*/

    function test_RevertWhen_NotAdjacent() external {
        SumTree.Claim[] memory tree = tree3(0.4 ether, 0.1 ether, 0.1 ether);
        postTree(tree, 0.3 ether);
        vm.expectRevert(abi.encodeWithSelector(Errors.AttributionDispute_NotAdjacent.selector, 2, 0));
        dispute.disputeOrder(2, slot(tree, 2), slot(tree, 0));
    }

    function test_RevertWhen_InOrder(uint8 place) external {
        place = uint8(bound(place, 0, 2));
        SumTree.Claim[] memory tree = tree3(0.4 ether, 0.1 ether, 0.1 ether);
        postTree(tree, 0.3 ether);
        vm.expectRevert(Errors.AttributionDispute_InOrder.selector);
        dispute.disputeOrder(2, slot(tree, place), slot(tree, place + 1));
    }

    function test_WhenDescendingOrRepeated(bool repeated) external {
        SumTree.Claim[] memory tree = tree3(0.4 ether, 0.1 ether, 0.1 ether);
        if (repeated) tree[2].account = tree[1].account;
        else (tree[1], tree[2]) = (tree[2], tree[1]);
        postTree(tree, 0.3 ether);
        IAttributionDispute.Slot memory left = slot(tree, 1);
        IAttributionDispute.Slot memory right = slot(tree, 2);
        bytes memory fact = abi.encodeCall(dispute.factOrder, (2, left, right));
        assertFact(fact, "order");
        expectRejection("order");
        dispute.disputeOrder(2, left, right);
        assertRejected();
        assertFact(fact, "order");
    }

    function test_WhenDatanetsDescend() external {
        SumTree.Claim[] memory tree = tree3(0.4 ether, 0.1 ether, 0.1 ether);
        tree[0].datanetId += 1;
        postTree(tree, 0.3 ether);
        IAttributionDispute.Slot memory left = slot(tree, 0);
        IAttributionDispute.Slot memory right = slot(tree, 1);
        expectRejection("order");
        dispute.disputeOrder(2, left, right);
    }

    /// @dev A tree that is not padded: one leaf hangs a level higher. In it the third account could be left out without two
    /// neighbours that show it.
    function test_WhenTheDepthIsUneven() external {
        SumTree.Claim[] memory tree = tree3(0.1 ether, 0.4 ether, 0.1 ether);
        SumTree.Claim[] memory lower = new SumTree.Claim[](2);
        (lower[0], lower[1]) = (tree[0], tree[1]);
        IAttributionSettlement.ProofNode[] memory top = new IAttributionSettlement.ProofNode[](2);
        (top[0].hash, top[0].sum) = SumTree.rootOf(lower);
        SumTree.Claim[] memory upper = new SumTree.Claim[](1);
        upper[0] = tree[2];
        (top[1].hash, top[1].sum) = SumTree.rootOf(upper);
        IAttributionSettlement.EpochPost memory post = onePool(modelId, 1 ether, datanetId, 0.3 ether);
        (post.claimsRoot, post.claimsTotal,) = SumTree.fold(top, 0);
        postEpoch(post);
        IAttributionDispute.Slot memory right = slot(tree, 2);
        right.index = 1;
        (,, right.proof) = SumTree.fold(top, 1);
        IAttributionDispute.Slot memory left = slot(lower, 1);
        IAttributionSettlement.ProofNode[] memory path = new IAttributionSettlement.ProofNode[](2);
        (path[0], path[1]) = (left.proof[0], top[1]);
        left.proof = path;
        expectRejection("uneven");
        dispute.disputeOrder(2, left, right);
        assertRejected();
    }

    /// @dev Padding in the middle would end the search for an account early.
    function test_WhenALeafFollowsPadding() external {
        SumTree.Claim[] memory tree = tree3(0.4 ether, 0.1 ether, 0.1 ether);
        IAttributionSettlement.ProofNode[] memory leaves = SumTree.leavesOf(tree);
        (leaves[1], leaves[3]) = (leaves[3], leaves[1]);
        IAttributionSettlement.EpochPost memory post = onePool(modelId, 1 ether, datanetId, 0.3 ether);
        (post.claimsRoot, post.claimsTotal,) = SumTree.fold(leaves, 0);
        postEpoch(post);
        IAttributionDispute.Slot memory left = slot(tree, 3);
        left.index = 1;
        (,, left.proof) = SumTree.fold(leaves, 1);
        IAttributionDispute.Slot memory right = slot(tree, 2);
        (,, right.proof) = SumTree.fold(leaves, 2);
        expectRejection("order");
        dispute.disputeOrder(2, left, right);
        assertRejected();
    }

    /*//////////////////////////////////////////////////////////////////////////
                                     OVERPROMISE
    //////////////////////////////////////////////////////////////////////////*/

    function test_RevertWhen_AnotherPost() external {
        SumTree.Claim[] memory tree = tree3(0.4 ether, 0.1 ether, 0.1 ether);
        IAttributionSettlement.EpochPost memory post = postTree(tree, 0.3 ether);
        post.pools[0].amount = 1;
        vm.expectRevert(abi.encodeWithSelector(Errors.AttributionDispute_PostMismatch.selector, 2));
        dispute.disputeOverpromise(post, leaf(tree, 0), leaf(tree, 2));
    }

    function test_RevertWhen_LeavesDoNotSpanADatanet() external {
        SumTree.Claim[] memory tree = tree3(0.4 ether, 0.1 ether, 0.1 ether);
        tree[2].datanetId += 1;
        IAttributionSettlement.EpochPost memory post = postTree(tree, 0.3 ether);
        vm.expectRevert(Errors.AttributionDispute_KeyMismatch.selector);
        dispute.disputeOverpromise(post, leaf(tree, 0), leaf(tree, 2));
        vm.expectRevert(abi.encodeWithSelector(Errors.AttributionDispute_NotAdjacent.selector, 1, 0));
        dispute.disputeOverpromise(post, leaf(tree, 1), leaf(tree, 0));
    }

    function test_RevertWhen_Funded(uint128 toFirst) external {
        toFirst = uint128(bound(toFirst, 0, 0.3 ether));
        SumTree.Claim[] memory tree = tree3(0.1 ether + toFirst, 0.4 ether - toFirst, 0.1 ether);
        IAttributionSettlement.EpochPost memory post = postTree(tree, 0.3 ether);
        vm.expectRevert(
            abi.encodeWithSelector(Errors.AttributionDispute_Funded.selector, datanetId, 0.6 ether, 0.6 ether)
        );
        dispute.disputeOverpromise(post, leaf(tree, 0), leaf(tree, 2));
    }

    /// @dev The total holds, but another Datanet's leaves take some of what this pool was funded with, or the reverse.
    function test_WhenADatanetIsOverpromised(uint128 amount) external {
        amount = uint128(bound(amount, 1, 0.3 ether));
        SumTree.Claim[] memory tree = new SumTree.Claim[](5);
        for (uint256 i; i < 3; ++i) {
            tree[i] = active[i];
        }
        tree[0].cumulative += 0.3 ether - amount;
        tree[3] = SumTree.Claim(datanetId + 1, address(7), amount - amount / 2);
        tree[4] = SumTree.Claim(datanetId + 1, address(8), amount / 2);
        IAttributionSettlement.EpochPost memory post = postTree(tree, 0.3 ether);
        IAttributionDispute.Leaf memory first = leaf(tree, 3);
        IAttributionDispute.Leaf memory last = leaf(tree, 4);
        bytes memory fact = abi.encodeCall(dispute.factOverpromise, (post, first, last));
        assertFact(fact, "overpromise");
        expectRejection("overpromise");
        dispute.disputeOverpromise(post, first, last);
        assertRejected();
        assertFact(fact, "overpromise");
    }
}
