// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IAttributionSettlement} from "../../../src/interfaces/IAttributionSettlement.sol";
import {IModelRegistry} from "../../../src/interfaces/IModelRegistry.sol";
import {ISettlementLens} from "../../../src/interfaces/ISettlementLens.sol";
import {SettlementLens} from "../../../src/l2/SettlementLens.sol";
import {Errors} from "../../../src/libraries/Errors.sol";
import {EconomyTest} from "../../utils/EconomyTest.sol";
import {PlainTree} from "../../utils/PlainTree.sol";
import {SumTree} from "../../utils/SumTree.sol";

contract ExplainTest is EconomyTest {
    SettlementLens private lens;
    uint256 private datanetId;
    uint256 private modelId;

    function setUp() public override {
        super.setUp();
        lens = new SettlementLens(settlement, models);
        datanetId = publishedDatanet();
        modelId = registerModel(modelParams("m", datanetId));
        fund(gateway, 2 ether);
        earn(datanetId, alice, 0.3 ether);
        earn(datanetId, bob, 0.1 ether);
    }

    /// @dev Three receipts, of which the second is asked about.
    function question() private view returns (ISettlementLens.Question memory q) {
        q.receipt.number = 1;
        q.receipt.modelId = modelId;
        q.receipt.customer = customer;
        q.receipt.gateway = gateway;
        q.receipt.fee = 0.25 ether;
        q.attributionHash = "attribution";
        bytes32[] memory items = new bytes32[](3);
        (bytes32 receiptHash,) = settlement.hashReceipt(q.receipt);
        items[0] = "first";
        items[1] = keccak256(abi.encode(receiptHash, q.attributionHash));
        items[2] = "third";
        q.post = onePool(modelId, 1 ether, datanetId, 0.4 ether);
        q.post.receiptCount = 3;
        q.post.receiptsRoot = PlainTree.rootOf(items);
        (, q.receiptProof) = PlainTree.fold(items, 1);
        q.platformBps = 500;
        q.datanetId = datanetId;
        q.account = alice;
        q.cumulative = 0.3 ether;
        q.index = claimIndex(datanetId, alice);
        q.claimProof = SumTree.proofOf(claims, q.index);
    }

    function test_RevertWhen_ConstructedWithoutAddresses() external {
        vm.expectRevert(Errors.ZeroAddress.selector);
        new SettlementLens(settlement, IModelRegistry(address(0)));
    }

    function test_WhenUnknown() external view {
        ISettlementLens.Explanation memory x = lens.explain(question());
        assertFalse(x.postMatches);
        assertEq(uint8(x.status), 0);
        assertEq(x.shares.fee, 0);
    }

    function test_FromReceiptToPayment() external {
        ISettlementLens.Question memory q = question();
        postEpoch(q.post);
        ISettlementLens.Explanation memory x = lens.explain(q);
        assertTrue(x.postMatches && x.receiptIncluded && x.sharesMatch);
        assertEq(uint8(x.status), uint8(IAttributionSettlement.EpochStatus.Posted));
        assertEq(x.accountClaimable, 0);
        assertEq(x.poolFunded, 0);
        activate(q.post);
        x = lens.explain(q);
        assertEq(uint8(x.status), uint8(IAttributionSettlement.EpochStatus.Activated));
        // A quarter OPEN: 5 % to the platform; of the rest 10 % to stakers, 40 % to the model, 50 % to contributors.
        assertEq(x.shares.platform, 0.0125 ether);
        assertEq(x.shares.stakers, 0.02375 ether);
        assertEq(x.shares.model, 0.095 ether);
        assertEq(x.shares.contributors, 0.11875 ether);
        assertEq(x.payee, payee);
        assertEq(x.modelFees, 1 ether);
        assertEq(x.modelAttributed, 0.4 ether);
        assertEq(x.poolAmount, 0.4 ether);
        assertEq(x.poolFunded, 0.4 ether);
        assertEq(x.accountClaimable, 0.3 ether);
        claimFor(datanetId, alice);
        x = lens.explain(q);
        assertEq(x.accountClaimable, 0);
        assertEq(x.accountClaimed, 0.3 ether);
        assertEq(x.poolClaimed, 0.3 ether);
    }

    function test_WhenTheModelOwesRoyalties(uint16 royaltyBps) external {
        IModelRegistry.ModelParams memory params = modelParams("source");
        params.royaltyBps = uint16(bound(royaltyBps, 0, 3_000));
        uint256 source = registerModel(params);
        uint256 asked = params.royaltyBps;
        params = modelParams("derived", datanetId);
        params.sources = derived(source);
        modelId = registerModel(params);
        ISettlementLens.Question memory q = question();
        postEpoch(q.post);
        ISettlementLens.Explanation memory x = lens.explain(q);
        assertEq(x.shares.model, 0.095 ether);
        assertEq(x.royalties, uint256(0.095 ether) * asked / 10_000);
    }

    function test_WhenSomethingIsAnother() external {
        ISettlementLens.Question memory q = question();
        settle(q.post);
        q.receipt.fee = 0.26 ether;
        assertFalse(lens.explain(q).receiptIncluded);
        q.receipt.fee = 0.25 ether;
        q.attributionHash = "another";
        assertFalse(lens.explain(q).receiptIncluded);
        q.attributionHash = "attribution";
        q.receipt.gateway = mallory;
        assertFalse(lens.explain(q).receiptIncluded);
        q.receipt.gateway = gateway;
        assertTrue(lens.explain(q).receiptIncluded);
        q.platformBps = 700;
        ISettlementLens.Explanation memory x = lens.explain(q);
        assertFalse(x.sharesMatch);
        assertEq(x.shares.fee, 0);
        q.platformBps = 60_000;
        assertFalse(lens.explain(q).sharesMatch);
        q.platformBps = 9_000;
        assertFalse(lens.explain(q).sharesMatch);
        ++q.post.receiptCount;
        assertFalse(lens.explain(q).postMatches);
    }
}
