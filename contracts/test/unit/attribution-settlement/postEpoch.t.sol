// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

import {IAttributionSettlement} from "../../../src/interfaces/IAttributionSettlement.sol";
import {IModelRegistry} from "../../../src/interfaces/IModelRegistry.sol";
import {AttributionSettlement} from "../../../src/l2/AttributionSettlement.sol";
import {Errors} from "../../../src/libraries/Errors.sol";
import {EconomyTest} from "../../utils/EconomyTest.sol";
import {Forcer, Reentrant} from "../../utils/Payees.sol";
import {SumTree} from "../../utils/SumTree.sol";

contract PostEpochTest is EconomyTest {
    uint256 private datanetId;
    uint256 private modelId;

    function setUp() public override {
        super.setUp();
        datanetId = publishedDatanet();
        modelId = registerModel(modelParams("m", datanetId));
        fund(gateway, 10 ether);
    }

    /// @dev Fees of 1 ether, of which 0.4 of the 0.475 for contributors are attributed to alice.
    function good() private returns (IAttributionSettlement.EpochPost memory) {
        earn(datanetId, alice, 0.4 ether);
        return onePool(modelId, 1 ether, datanetId, 0.4 ether);
    }

    function expectRevertOnPost(IAttributionSettlement.EpochPost memory post, bytes memory reason) private {
        bytes[] memory signatures = signPost(post, 2);
        vm.deal(poster, 100 ether);
        vm.expectRevert(reason);
        vm.prank(poster);
        settlement.postEpoch{value: 20 ether}(post, signatures);
    }

    function test_RevertWhen_FundedForNobody() external {
        vm.expectRevert(Errors.ZeroAddress.selector);
        settlement.fund{value: 1}(address(0));
    }

    function test_WhenAnyonePays(address from, address to, uint96 amount) external {
        vm.assume(to != address(0) && to != gateway);
        vm.deal(from, amount);
        vm.expectEmit(address(settlement));
        emit IAttributionSettlement.Funded(to, amount);
        vm.prank(from);
        settlement.fund{value: amount}(to);
        (uint256 available, uint256 reserved) = settlement.fundsOf(to);
        assertEq(available, amount);
        assertEq(reserved, 0);
    }

    function test_RevertWhen_EpochNotNext(uint64 epochId) external {
        vm.assume(epochId != 1);
        IAttributionSettlement.EpochPost memory post = good();
        post.epochId = epochId;
        expectRevertOnPost(post, abi.encodeWithSelector(Errors.AttributionSettlement_EpochNotNext.selector, epochId, 1));
    }

    function test_RevertWhen_PreviousPending() external {
        postEpoch(good());
        IAttributionSettlement.EpochPost memory post = good();
        expectRevertOnPost(post, abi.encodeWithSelector(Errors.AttributionSettlement_EpochPending.selector, 1));
        vm.warp(vm.getBlockTimestamp() + 30 days);
        expectRevertOnPost(post, abi.encodeWithSelector(Errors.AttributionSettlement_EpochPending.selector, 1));
    }

    function test_RevertWhen_ReceiptsNotContiguous(uint64 first, uint32 count) external {
        settle(good());
        vm.assume(first != 10 || count == 0);
        IAttributionSettlement.EpochPost memory post = good();
        (post.firstReceipt, post.receiptCount) = (first, count);
        expectRevertOnPost(
            post, abi.encodeWithSelector(Errors.AttributionSettlement_ReceiptsNotContiguous.selector, first, 10, count)
        );
    }

    function test_RevertWhen_NoReceipts() external {
        IAttributionSettlement.EpochPost memory post = good();
        post.receiptCount = 0;
        expectRevertOnPost(
            post, abi.encodeWithSelector(Errors.AttributionSettlement_ReceiptsNotContiguous.selector, 0, 0, 0)
        );
    }

    function test_RevertWhen_RootMissing() external {
        bytes memory reason = abi.encodeWithSelector(Errors.AttributionSettlement_RootMissing.selector);
        IAttributionSettlement.EpochPost memory post = good();
        post.receiptsRoot = 0;
        expectRevertOnPost(post, reason);
        post = onePool(modelId, 1 ether, datanetId, 0.4 ether);
        post.engineSpecHash = 0;
        expectRevertOnPost(post, reason);
        post = onePool(modelId, 1 ether, datanetId, 0.4 ether);
        post.claimsRoot = 0;
        expectRevertOnPost(post, reason);
        post.claimsRoot = "root";
        post.claimsTotal = 0;
        expectRevertOnPost(post, reason);
    }

    function test_RevertWhen_ListLengthOutOfBounds() external {
        uint256[2][3] memory lengths = [[uint256(0), 0], [uint256(65), 0], [uint256(1), 65]];
        for (uint256 i; i < 3; ++i) {
            IAttributionSettlement.EpochPost memory post = postOf(
                new IAttributionSettlement.ModelTotal[](lengths[i][0]),
                new IAttributionSettlement.PoolTotal[](lengths[i][1])
            );
            expectRevertOnPost(
                post,
                abi.encodeWithSelector(
                    Errors.AttributionSettlement_ListLength.selector, lengths[i][0], lengths[i][1], 64
                )
            );
        }
    }

    function expectRevertOnSignatures(
        IAttributionSettlement.EpochPost memory post,
        bytes[] memory signatures,
        bytes memory reason
    ) private {
        vm.deal(poster, 100 ether);
        vm.expectRevert(reason);
        vm.prank(poster);
        settlement.postEpoch{value: 20 ether}(post, signatures);
    }

    function test_RevertWhen_SignatureCountOutOfBounds() external {
        IAttributionSettlement.EpochPost memory post = good();
        uint256[3] memory counts = [uint256(0), 1, 4];
        for (uint256 i; i < 3; ++i) {
            expectRevertOnSignatures(
                post,
                new bytes[](counts[i]),
                abi.encodeWithSelector(Errors.AttributionSettlement_SignatureCount.selector, counts[i], 2, 3)
            );
        }
    }

    function test_RevertWhen_SignedByAStranger(uint256 key) external {
        key = bound(key, 1, type(uint128).max);
        address stranger = vm.addr(key);
        vm.assume(!settlement.isEngine(stranger));
        IAttributionSettlement.EpochPost memory post = good();
        bytes[] memory signatures = signPost(post, 2);
        uint256 place = stranger < engines[0] ? 0 : 1;
        signatures[place] = sign(key, settlement.hashPost(post));
        expectRevertOnSignatures(
            post, signatures, abi.encodeWithSelector(Errors.AttributionSettlement_NotEngine.selector, stranger)
        );
    }

    function test_RevertWhen_SignedByAnEngineThatWasRemoved() external {
        IAttributionSettlement.EpochPost memory post = good();
        bytes[] memory signatures = signPost(post, 2);
        vm.prank(governance);
        settlement.setEngine(engines[1], false);
        expectRevertOnSignatures(
            post, signatures, abi.encodeWithSelector(Errors.AttributionSettlement_NotEngine.selector, engines[1])
        );
    }

    function test_RevertWhen_OneEngineSignsTwice() external {
        IAttributionSettlement.EpochPost memory post = good();
        bytes[] memory signatures = signPost(post, 2);
        signatures[1] = signatures[0];
        expectRevertOnSignatures(
            post,
            signatures,
            abi.encodeWithSelector(Errors.AttributionSettlement_SignersNotAscending.selector, engines[0], engines[0])
        );
    }

    function test_RevertWhen_SignersDescend() external {
        IAttributionSettlement.EpochPost memory post = good();
        bytes[] memory signatures = signPost(post, 2);
        (signatures[0], signatures[1]) = (signatures[1], signatures[0]);
        expectRevertOnSignatures(
            post,
            signatures,
            abi.encodeWithSelector(Errors.AttributionSettlement_SignersNotAscending.selector, engines[1], engines[0])
        );
    }

    function test_RevertWhen_ASignatureIsMalformed() external {
        IAttributionSettlement.EpochPost memory post = good();
        bytes[] memory signatures = signPost(post, 2);
        signatures[0] = "too short";
        expectRevertOnSignatures(
            post, signatures, abi.encodeWithSelector(ECDSA.ECDSAInvalidSignatureLength.selector, 9)
        );
    }

    /// @dev Any change after signing recovers other signers, none of which is an engine.
    function test_RevertWhen_ThePostIsNotWhatWasSigned(uint8 field) external {
        IAttributionSettlement.EpochPost memory post = good();
        bytes[] memory signatures = signPost(post, 2);
        field = uint8(bound(field, 0, 4));
        if (field == 0) post.claimsRoot = "other";
        if (field == 1) post.receiptsRoot = "other";
        if (field == 2) post.receiptCount += 1;
        if (field == 3) post.models[0].fees += 1;
        if (field == 4) post.engineSpecHash = "other";
        vm.deal(poster, 100 ether);
        vm.expectRevert();
        vm.prank(poster);
        settlement.postEpoch{value: 20 ether}(post, signatures);
    }

    function test_RevertWhen_SignedForAnotherContract() external {
        IAttributionSettlement.EpochPost memory post = good();
        address[] memory set = new address[](3);
        (set[0], set[1], set[2]) = (engines[0], engines[1], engines[2]);
        AttributionSettlement other =
            new AttributionSettlement(governance, models, address(dispute), 1, defaultParameters(), set);
        assertNotEq(other.hashPost(post), settlement.hashPost(post));
    }

    function test_RevertWhen_ModelsNotAscending() external {
        IAttributionSettlement.ModelTotal[] memory m = new IAttributionSettlement.ModelTotal[](2);
        m[0].modelId = m[1].modelId = modelId;
        expectRevertOnPost(
            postOf(m, new IAttributionSettlement.PoolTotal[](0)),
            abi.encodeWithSelector(Errors.AttributionSettlement_ModelsNotAscending.selector, modelId, modelId)
        );
    }

    function test_RevertWhen_ModelUnknown(uint256 unknown) external {
        vm.assume(unknown > modelId);
        expectRevertOnPost(
            onePool(unknown, 1 ether, 0, 0), abi.encodeWithSelector(Errors.ModelRegistry_ModelUnknown.selector, unknown)
        );
    }

    function test_RevertWhen_OverAttributed(uint128 fees, uint128 excess) external {
        fees = uint128(bound(fees, 0, 10 ether));
        uint256 platformShare = uint256(fees) * 500 / 10_000;
        uint256 net = fees - platformShare;
        uint128 contributors = uint128(net - net * 1_000 / 10_000 - net * 4_000 / 10_000);
        uint128 attributed = contributors + uint128(bound(excess, 1, 1e20));
        earn(datanetId, alice, attributed);
        expectRevertOnPost(
            onePool(modelId, fees, datanetId, attributed),
            abi.encodeWithSelector(
                Errors.AttributionSettlement_OverAttributed.selector, modelId, attributed, contributors
            )
        );
    }

    function test_RevertWhen_PoolsDiffer(uint128 amount) external {
        amount = uint128(bound(amount, 1, 10 ether));
        vm.assume(amount != 0.4 ether);
        IAttributionSettlement.EpochPost memory post = good();
        post.pools[0].amount = amount;
        expectRevertOnPost(
            post,
            abi.encodeWithSelector(Errors.AttributionSettlement_PoolsMismatch.selector, uint128(0.4 ether), amount)
        );
    }

    function test_RevertWhen_PoolsInvalid() external {
        IAttributionSettlement.EpochPost memory post = good();
        post.pools[0].amount = 0;
        expectRevertOnPost(post, abi.encodeWithSelector(Errors.AttributionSettlement_PoolEmpty.selector, datanetId));
        post.pools = new IAttributionSettlement.PoolTotal[](2);
        post.pools[0] = post.pools[1] = IAttributionSettlement.PoolTotal(datanetId, 0.2 ether);
        expectRevertOnPost(
            post, abi.encodeWithSelector(Errors.AttributionSettlement_PoolsNotAscending.selector, datanetId, datanetId)
        );
    }

    function test_RevertWhen_PoolUnused() external {
        uint256 other = publishedDatanet();
        earn(other, alice, 0.4 ether);
        expectRevertOnPost(
            onePool(modelId, 1 ether, other, 0.4 ether),
            abi.encodeWithSelector(Errors.AttributionSettlement_PoolUnused.selector, other)
        );
    }

    function test_RevertWhen_ClaimsTotalDiffers(uint128 total) external {
        settle(good());
        IAttributionSettlement.EpochPost memory post = good();
        vm.assume(total != 0.8 ether && total != 0);
        post.claimsTotal = total;
        expectRevertOnPost(
            post,
            abi.encodeWithSelector(Errors.AttributionSettlement_ClaimsTotalMismatch.selector, total, uint128(0.8 ether))
        );
    }

    function test_RevertWhen_Underfunded(uint128 fees) external {
        fees = uint128(bound(fees, 10 ether + 1, 20 ether));
        expectRevertOnPost(
            onePool(modelId, fees, 0, 0),
            abi.encodeWithSelector(Errors.AttributionSettlement_Underfunded.selector, gateway, fees, uint128(10 ether))
        );
    }

    function test_RevertWhen_BondTooSmall(uint128 fees, uint256 bond) external {
        fees = uint128(bound(fees, 0, 10 ether));
        uint256 required = fees > BOND_MIN ? fees : BOND_MIN;
        bond = bound(bond, 0, required - 1);
        IAttributionSettlement.EpochPost memory post = onePool(modelId, fees, 0, 0);
        bytes[] memory signatures = signPost(post, 2);
        vm.deal(poster, bond);
        vm.expectRevert(abi.encodeWithSelector(Errors.AttributionSettlement_BondTooSmall.selector, bond, required));
        vm.prank(poster);
        settlement.postEpoch{value: bond}(post, signatures);
    }

    /// @dev What earlier epochs promised and nobody has claimed is to be covered as well, to the wei.
    function test_RevertWhen_TheBondDoesNotCoverWhatIsUnclaimed(uint128 promised, bool claimed, uint256 short)
        external
    {
        promised = uint128(bound(promised, 1, 4.75 ether));
        earn(datanetId, alice, promised);
        settle(onePool(modelId, 10 ether, datanetId, promised));
        fund(gateway, 1 ether);
        if (claimed) claimFor(datanetId, alice);
        earn(datanetId, bob, 0.1 ether);
        uint256 atRisk = claimed ? 0 : promised;
        IAttributionSettlement.EpochPost memory post = onePool(modelId, 1 ether, datanetId, 0.1 ether);
        uint256 required = 1 ether + atRisk;
        if (required < BOND_MIN) required = BOND_MIN;
        assertEq(settlement.unclaimed(), atRisk);
        assertEq(settlement.bondFor(1 ether), required);
        short = bound(short, 1, required);
        bytes[] memory signatures = signPost(post, 2);
        vm.deal(poster, required);
        vm.expectRevert(
            abi.encodeWithSelector(Errors.AttributionSettlement_BondTooSmall.selector, required - short, required)
        );
        vm.prank(poster);
        settlement.postEpoch{value: required - short}(post, signatures);
        vm.prank(poster);
        settlement.postEpoch{value: required}(post, signatures);
        assertEq(settlement.unclaimed(), atRisk);
    }

    /// @dev Whatever comes and goes that is not contributors': it is not at risk.
    function test_WhenOtherMoneyMoves(uint128 more, bool rejected) external {
        settle(good());
        assertEq(settlement.unclaimed(), 0.4 ether);
        more = uint128(bound(more, 0, 1e24));
        fund(bob, more);
        assertEq(settlement.unclaimed(), 0.4 ether);
        vm.prank(platform);
        settlement.withdraw(payable(platform));
        assertEq(settlement.unclaimed(), 0.4 ether);
        IAttributionSettlement.EpochPost memory post = good();
        postEpoch(post);
        assertEq(settlement.unclaimed(), 0.4 ether);
        if (rejected) {
            vm.prank(address(dispute));
            settlement.rejectEpoch(2, bob, "false");
            vm.prank(bob);
            settlement.withdraw(payable(bob));
            assertEq(settlement.unclaimed(), 0.4 ether);
        } else {
            activate(post);
            assertEq(settlement.unclaimed(), 0.8 ether);
            assertEq(claimFor(datanetId, alice), 0.8 ether);
            assertEq(settlement.unclaimed(), 0);
        }
        vm.prank(poster);
        settlement.withdraw(payable(poster));
    }

    function test_WhenMoneyIsForced(uint128 amount) external {
        settle(good());
        amount = uint128(bound(amount, 1, 1e24));
        uint256 bond = settlement.bondFor(2 ether);
        vm.deal(address(this), amount);
        new Forcer{value: amount}(payable(address(settlement)));
        assertEq(settlement.bondFor(2 ether), bond + amount);
        uint256 before = settlement.credit(sink);
        uint256[] memory ids = new uint256[](1);
        ids[0] = datanetId;
        vm.expectEmit(address(settlement));
        emit IAttributionSettlement.Skimmed(sink, amount);
        vm.prank(mallory);
        assertEq(settlement.skim(ids), amount);
        assertEq(settlement.credit(sink), before + amount);
        assertEq(settlement.unclaimed(), 0.4 ether);
        assertEq(settlement.bondFor(2 ether), bond);
        vm.expectRevert(abi.encodeWithSelector(Errors.NothingToWithdraw.selector, settlement));
        settlement.skim(ids);
        assertEq(claimFor(datanetId, alice), 0.4 ether);
        vm.prank(sink);
        settlement.withdraw(payable(sink));
    }

    function test_RevertWhen_SkimmedWithoutAllPools() external {
        uint256 other = publishedDatanet();
        IModelRegistry.ModelParams memory params = modelParams("both", other);
        params.sources = derived(modelId);
        uint256 both = registerModel(params);
        earn(datanetId, alice, 0.1 ether);
        earn(other, alice, 0.2 ether);
        IAttributionSettlement.PoolTotal[] memory pools = new IAttributionSettlement.PoolTotal[](2);
        pools[0] = IAttributionSettlement.PoolTotal(datanetId, 0.1 ether);
        pools[1] = IAttributionSettlement.PoolTotal(other, 0.2 ether);
        IAttributionSettlement.ModelTotal[] memory m = new IAttributionSettlement.ModelTotal[](1);
        m[0] = IAttributionSettlement.ModelTotal({modelId: both, fees: 1 ether, attributed: 0.3 ether});
        settle(postOf(m, pools));
        vm.deal(address(this), 1);
        new Forcer{value: 1}(payable(address(settlement)));
        uint256[] memory ids = new uint256[](1);
        ids[0] = other;
        vm.expectRevert(
            abi.encodeWithSelector(
                Errors.AttributionSettlement_PoolsMismatch.selector, uint128(0.3 ether), uint128(0.2 ether)
            )
        );
        settlement.skim(ids);
        ids = new uint256[](3);
        (ids[0], ids[1], ids[2]) = (datanetId, other, other);
        vm.expectRevert(abi.encodeWithSelector(Errors.AttributionSettlement_PoolsNotAscending.selector, other, other));
        settlement.skim(ids);
        (ids[1], ids[2]) = (other, other + 1);
        assertEq(settlement.skim(ids), 1);
    }

    /// @dev While an order's fee is on its way, the rest of it is in no pool and not paid: it must not be taken for forced money.
    function test_RevertWhen_SkimmedWhileAnOrderIsPaid() external {
        earn(datanetId, customer, 0.4 ether);
        settle(onePool(modelId, 1 ether, datanetId, 0.4 ether));
        Reentrant taker = new Reentrant();
        uint256[] memory ids = new uint256[](1);
        ids[0] = datanetId;
        taker.arm(address(settlement), abi.encodeCall(settlement.skim, (ids)));
        uint256 index = claimIndex(datanetId, customer);
        IAttributionSettlement.ClaimOrder memory order = IAttributionSettlement.ClaimOrder({
            datanetId: datanetId,
            account: customer,
            cumulative: 0.4 ether,
            to: bob,
            fee: 0.1 ether,
            deadline: uint64(vm.getBlockTimestamp())
        });
        bytes memory signature = sign(customerKey, settlement.hashOrder(order));
        vm.prank(address(taker));
        settlement.claimFor(order, signature, index, SumTree.proofOf(claims, index));
        assertTrue(taker.called());
        assertFalse(taker.succeeded());
        assertEq(settlement.unclaimed(), 0);
    }

    function test_WhenEverythingHolds(uint128 fees, uint128 attributed, uint256 bond, bool all) external {
        fees = uint128(bound(fees, 0, 10 ether));
        attributed = uint128(bound(attributed, 0, uint256(fees) * 475 / 1_000));
        bond = bound(bond, fees > BOND_MIN ? fees : BOND_MIN, 100 ether);
        if (attributed != 0) earn(datanetId, alice, attributed);
        IAttributionSettlement.EpochPost memory post = onePool(modelId, fees, datanetId, attributed);
        bytes[] memory signatures = signPost(post, all ? 3 : 2);
        vm.deal(poster, bond);
        uint64 deadline = uint64(vm.getBlockTimestamp() + CHALLENGE_WINDOW);

        vm.expectEmit(address(settlement));
        emit IAttributionSettlement.EpochPosted(1, poster, post, deadline, uint128(bond));
        vm.prank(poster);
        settlement.postEpoch{value: bond}(post, signatures);

        (uint256 available, uint256 reserved) = settlement.fundsOf(gateway);
        assertEq(available, 10 ether - fees);
        assertEq(reserved, fees);
        assertEq(address(settlement).balance, 10 ether + bond);
        assertEq(settlement.nextEpochId(), 2);
        assertEq(settlement.lastActivated(), 0);
        assertEq(settlement.nextReceiptOf(gateway), 0);
        assertEq(settlement.poolFunded(datanetId), 0);
        assertEq(settlement.credit(platform) + settlement.credit(payee) + settlement.credit(sink), 0);
        IAttributionSettlement.Epoch memory e = settlement.epoch(1);
        assertEq(uint8(e.status), uint8(IAttributionSettlement.EpochStatus.Posted));
        assertEq(e.poster, poster);
        assertEq(e.postedAt, vm.getBlockTimestamp());
        assertEq(e.deadline, deadline);
        assertEq(e.bond, bond);
        assertEq(e.fees, fees);
        assertEq(e.postHash, settlement.hashPost(post));
        assertEq(e.receiptsRoot, post.receiptsRoot);
        assertEq(e.claimsRoot, post.claimsRoot);
        assertEq(e.claimsTotal, attributed);
        assertEq(e.firstReceipt, 0);
        assertEq(e.receiptCount, 10);
        assertEq(e.engineSpecHash, SPEC);
        assertEq(e.gateway, gateway);
    }
}
