// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IAttributionSettlement} from "../../../src/interfaces/IAttributionSettlement.sol";
import {IModelRegistry} from "../../../src/interfaces/IModelRegistry.sol";
import {Errors} from "../../../src/libraries/Errors.sol";
import {EconomyTest} from "../../utils/EconomyTest.sol";
import {PlainTree} from "../../utils/PlainTree.sol";

contract ActivateTest is EconomyTest {
    uint256 private datanetId;
    uint256 private modelId;

    function setUp() public override {
        super.setUp();
        datanetId = publishedDatanet();
        modelId = registerModel(modelParams("m", datanetId));
        fund(gateway, 10 ether);
    }

    function good() private returns (IAttributionSettlement.EpochPost memory) {
        earn(datanetId, alice, 0.4 ether);
        return onePool(modelId, 1 ether, datanetId, 0.4 ether);
    }

    function test_RevertWhen_NotPending() external {
        IAttributionSettlement.EpochPost memory post = good();
        expectNotPending(1, IAttributionSettlement.EpochStatus.None);
        settlement.activate(post);
        settle(post);
        expectNotPending(1, IAttributionSettlement.EpochStatus.Activated);
        settlement.activate(post);
    }

    function expectNotPending(uint64 epochId, IAttributionSettlement.EpochStatus status) private {
        vm.expectRevert(abi.encodeWithSelector(Errors.AttributionSettlement_EpochNotPending.selector, epochId, status));
    }

    function test_RevertWhen_AnotherPost(uint128 amount) external {
        vm.assume(amount != 0.4 ether);
        IAttributionSettlement.EpochPost memory post = good();
        postEpoch(post);
        bytes32 posted = settlement.hashPost(post);
        vm.warp(vm.getBlockTimestamp() + CHALLENGE_WINDOW + 1);
        post.pools[0].amount = amount;
        bytes32 given = settlement.hashPost(post);
        vm.expectRevert(abi.encodeWithSelector(Errors.AttributionSettlement_PostMismatch.selector, 1, given, posted));
        settlement.activate(post);
    }

    function test_RevertWhen_WindowOpen(uint256 elapsed) external {
        IAttributionSettlement.EpochPost memory post = good();
        postEpoch(post);
        uint64 deadline = settlement.epoch(1).deadline;
        vm.warp(vm.getBlockTimestamp() + bound(elapsed, 0, CHALLENGE_WINDOW));
        vm.expectRevert(abi.encodeWithSelector(Errors.AttributionSettlement_WindowOpen.selector, 1, deadline));
        settlement.activate(post);
    }

    struct Expected {
        uint128 platform;
        uint128 model;
        uint128 stakers;
        uint128 attributed;
        uint128 residual;
    }

    /// @dev The formulas of docs/formats/economy.md, written out for a split of 40 : 50 : 10.
    function expected(uint128 fees, uint16 bps, uint128 attributed) private pure returns (Expected memory x) {
        x.platform = fees * bps / 10_000;
        uint128 net = fees - x.platform;
        x.stakers = net * 1_000 / 10_000;
        x.model = net * 4_000 / 10_000;
        uint128 contributors = net - x.stakers - x.model;
        x.attributed = uint128(bound(attributed, 0, contributors));
        x.residual = contributors - x.attributed;
    }

    function test_WhenTheWindowPassed(uint128 fees, uint16 bps, uint128 attributed, address caller) external {
        IAttributionSettlement.Parameters memory p = defaultParameters();
        p.platformBps = bps = uint16(bound(bps, 0, 1_500));
        vm.prank(governance);
        settlement.setParameters(p);
        fees = uint128(bound(fees, 0, 10 ether));
        Expected memory x = expected(fees, bps, attributed);
        if (x.attributed != 0) earn(datanetId, alice, x.attributed);
        IAttributionSettlement.EpochPost memory post = onePool(modelId, fees, datanetId, x.attributed);
        postEpoch(post);
        uint256 held = address(settlement).balance;

        vm.warp(settlement.epoch(1).deadline + 1);
        expectActivation(x);
        vm.prank(caller);
        settlement.activate(post);

        assertEq(settlement.credit(platform), x.platform);
        assertEq(settlement.credit(payee), x.model);
        assertEq(settlement.credit(stakers), x.stakers);
        assertEq(settlement.credit(sink), x.residual);
        assertEq(settlement.credit(poster), settlement.epoch(1).bond);
        assertEq(settlement.poolFunded(datanetId), x.attributed);
        assertEq(settlement.epoch(1).residual, x.residual);
        assertEq(x.platform + x.model + x.stakers + x.attributed + x.residual, fees);
        assertEq(address(settlement).balance, held);
        assertActivated(fees, x.attributed);
    }

    function expectActivation(Expected memory x) private {
        if (x.attributed != 0) {
            vm.expectEmit(address(settlement));
            emit IAttributionSettlement.PoolFunded(1, datanetId, x.attributed);
        }
        vm.expectEmit(address(settlement));
        emit IAttributionSettlement.ModelPaid(1, modelId, payee, x.model);
        vm.expectEmit(address(settlement));
        emit IAttributionSettlement.SharesPaid(1, platform, stakers, sink);
        vm.expectEmit(address(settlement));
        emit IAttributionSettlement.EpochActivated(1, x.platform, x.model, x.stakers, x.attributed, x.residual);
    }

    function assertActivated(uint128 fees, uint128 attributed) private view {
        (uint256 available, uint256 reserved) = settlement.fundsOf(gateway);
        assertEq(available, 10 ether - fees);
        assertEq(reserved, 0);
        assertEq(settlement.lastActivated(), 1);
        assertEq(settlement.nextReceiptOf(gateway), 10);
        assertEq(settlement.promised(), attributed);
    }

    /// @dev Many models with their own splits and payees, many pools: nothing is lost and nothing invented.
    function test_WhenThereAreManyModels(uint8 count, uint256 seed) external {
        count = uint8(bound(count, 2, 16));
        IAttributionSettlement.ModelTotal[] memory m = new IAttributionSettlement.ModelTotal[](count);
        IAttributionSettlement.PoolTotal[] memory pools = new IAttributionSettlement.PoolTotal[](count);
        uint256 fees;
        for (uint256 i; i < count; ++i) {
            uint256 random = uint256(keccak256(abi.encode(seed, i)));
            uint256 pool = publishedDatanet();
            IModelRegistry.ModelParams memory params = modelParams(vm.toString(i), pool);
            uint16 contributors = uint16(2_000 + random % 8_001);
            uint16 model = uint16((random >> 32) % (10_001 - contributors));
            params.split = IModelRegistry.Split(model, contributors, 10_000 - contributors - model);
            params.payee = address(uint160(0xaa00 + i % 3));
            m[i].modelId = registerModel(params);
            m[i].fees = uint128((random >> 64) % 0.5 ether);
            m[i].attributed = uint128(uint256(m[i].fees) * 95 / 100 * contributors / 10_000);
            if (m[i].attributed == 0) m[i].attributed = 1;
            if (m[i].fees < 100) m[i].fees = 100;
            pools[i] = IAttributionSettlement.PoolTotal(pool, m[i].attributed);
            earn(pool, i % 2 == 0 ? alice : bob, m[i].attributed);
            fees += m[i].fees;
        }
        settle(postOf(m, pools));
        uint256 credited = settlement.credit(platform) + settlement.credit(stakers) + settlement.credit(sink);
        for (uint256 i; i < 3; ++i) {
            credited += settlement.credit(address(uint160(0xaa00 + i)));
        }
        for (uint256 i; i < count; ++i) {
            credited += settlement.poolFunded(pools[i].datanetId);
        }
        assertEq(credited, fees);
        for (uint256 i; i < claims.length; ++i) {
            claimFor(claims[i].datanetId, claims[i].account);
        }
        uint256 paid;
        for (uint256 i; i < count; ++i) {
            paid += settlement.claimedFromPool(pools[i].datanetId);
        }
        assertEq(settlement.promised(), paid);
    }

    function test_WhenAModelIsRetired() external {
        IAttributionSettlement.EpochPost memory post = good();
        vm.prank(builder);
        models.retire(modelId);
        settle(post);
        assertEq(settlement.credit(payee), 0.38 ether);
    }

    function test_WhenGatewaysTakeTurns() external {
        settle(good());
        address other = makeAddr("other gateway");
        fund(other, 1 ether);
        IAttributionSettlement.EpochPost memory post = good();
        (post.gateway, post.firstReceipt) = (other, 0);
        settle(post);
        assertEq(settlement.nextReceiptOf(gateway), 10);
        assertEq(settlement.nextReceiptOf(other), 10);
        settle(good());
        assertEq(settlement.nextReceiptOf(gateway), 20);
        assertEq(settlement.lastActivated(), 3);
    }

    function test_RevertWhen_RejectedByAnyoneElse(address caller) external {
        vm.assume(caller != address(dispute));
        postEpoch(good());
        vm.expectRevert(abi.encodeWithSelector(Errors.AttributionSettlement_NotDispute.selector, caller));
        vm.prank(caller);
        settlement.rejectEpoch(1, caller, "because");
    }

    function test_RevertWhen_RejectedWithoutPending() external {
        expectNotPending(1, IAttributionSettlement.EpochStatus.None);
        vm.prank(address(dispute));
        settlement.rejectEpoch(1, mallory, "");
        settle(good());
        expectNotPending(1, IAttributionSettlement.EpochStatus.Activated);
        vm.prank(address(dispute));
        settlement.rejectEpoch(1, mallory, "");
    }

    function test_WhenTheDisputeContractRejects(uint128 fees, bool late) external {
        settle(good());
        uint256 posterCredit = settlement.credit(poster);
        fees = uint128(bound(fees, 1, 9 ether));
        IAttributionSettlement.EpochPost memory post = onePool(modelId, fees, datanetId, 0);
        postEpoch(post);
        uint128 bond = settlement.epoch(2).bond;
        if (late) vm.warp(vm.getBlockTimestamp() + 30 days);

        vm.expectEmit(address(settlement));
        emit IAttributionSettlement.EpochRejected(2, bob, bond / 2, bond - bond / 2, "false");
        vm.prank(address(dispute));
        settlement.rejectEpoch(2, bob, "false");

        assertEq(settlement.credit(bob), bond / 2);
        assertEq(settlement.BURN().balance, bond - bond / 2);
        assertEq(settlement.credit(poster), posterCredit);
        (uint256 available, uint256 reserved) = settlement.fundsOf(gateway);
        assertEq(available, 9 ether);
        assertEq(reserved, 0);
        assertEq(settlement.lastActivated(), 1);
        assertEq(settlement.nextReceiptOf(gateway), 10);
        expectNotPending(2, IAttributionSettlement.EpochStatus.Rejected);
        settlement.activate(post);
        assertEq(claimFor(datanetId, alice), 0.4 ether);

        // The old post, with its signatures, is of an epoch that is past.
        bytes[] memory signatures = signPost(post, 2);
        vm.deal(poster, bond);
        vm.expectRevert(abi.encodeWithSelector(Errors.AttributionSettlement_EpochNotNext.selector, 2, 3));
        vm.prank(poster);
        settlement.postEpoch{value: bond}(post, signatures);
        post.epochId = 3;
        settle(post);
        assertEq(settlement.nextReceiptOf(gateway), 20);
    }

    function test_ContainsReceipt(uint8 count, uint8 number, bytes32 seed) external {
        count = uint8(bound(count, 1, 64));
        number = uint8(bound(number, 0, count - 1));
        settle(good());
        bytes32[] memory items = new bytes32[](count);
        for (uint256 i; i < count; ++i) {
            items[i] = keccak256(abi.encode(keccak256(abi.encode(seed, i)), bytes32(i)));
        }
        IAttributionSettlement.EpochPost memory post = good();
        bytes32[] memory proof;
        (post.receiptsRoot, proof) = PlainTree.fold(items, number);
        post.receiptCount = count;
        postEpoch(post);
        bytes32 receiptHash = keccak256(abi.encode(seed, uint256(number)));
        assertTrue(settlement.containsReceipt(2, receiptHash, bytes32(uint256(number)), 10 + number, proof));
        assertFalse(settlement.containsReceipt(2, receiptHash, bytes32(uint256(number)), 9, proof));
        assertFalse(settlement.containsReceipt(2, receiptHash, bytes32(uint256(number)), 10 + count, proof));
        assertFalse(settlement.containsReceipt(2, receiptHash, "forged", 10 + number, proof));
        assertFalse(settlement.containsReceipt(3, receiptHash, bytes32(uint256(number)), 10 + number, proof));
    }
}
