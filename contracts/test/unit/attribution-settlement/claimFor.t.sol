// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";

import {IAttributionSettlement} from "../../../src/interfaces/IAttributionSettlement.sol";
import {Errors} from "../../../src/libraries/Errors.sol";
import {EconomyTest} from "../../utils/EconomyTest.sol";
import {SumTree} from "../../utils/SumTree.sol";

/// @notice A wallet that calls every digest signed.
contract Willing is IERC1271 {
    function isValidSignature(bytes32, bytes memory) external pure returns (bytes4) {
        return IERC1271.isValidSignature.selector;
    }
}

contract ClaimForTest is EconomyTest {
    uint256 private datanetId;
    uint256 private modelId;

    /// @dev The customer's key stands for a contributor who holds no OPEN for gas.
    function setUp() public override {
        super.setUp();
        datanetId = publishedDatanet();
        modelId = registerModel(modelParams("m", datanetId));
        fund(gateway, 100 ether);
        earn(datanetId, customer, 0.3 ether);
        settle(onePool(modelId, 1 ether, datanetId, 0.3 ether));
    }

    function order(uint128 fee) private view returns (IAttributionSettlement.ClaimOrder memory) {
        uint64 deadline = uint64(vm.getBlockTimestamp() + 60);
        return IAttributionSettlement.ClaimOrder(datanetId, customer, 0.3 ether, alice, fee, deadline);
    }

    function signed(IAttributionSettlement.ClaimOrder memory o) private view returns (bytes memory) {
        return sign(customerKey, settlement.hashOrder(o));
    }

    function bring(address sender, IAttributionSettlement.ClaimOrder memory o, bytes memory signature)
        private
        returns (uint128)
    {
        uint256 index = claimIndex(datanetId, o.account);
        IAttributionSettlement.ProofNode[] memory proof = SumTree.proofOf(claims, index);
        vm.prank(sender);
        return settlement.claimFor(o, signature, index, proof);
    }

    function test_PaysWhomTheAccountNamed(uint128 fee) external {
        fee = uint128(bound(fee, 0, 0.3 ether));
        IAttributionSettlement.ClaimOrder memory o = order(fee);
        uint256 before = settlement.previewClaim(
            datanetId, customer, 0.3 ether, claimIndex(datanetId, customer), SumTree.proofOf(claims, 0)
        );
        assertEq(before, 0.3 ether);
        assertEq(bring(bob, o, signed(o)), 0.3 ether);
        assertEq(bob.balance, fee);
        assertEq(alice.balance, 1 ether + 0.3 ether - fee);
        assertEq(settlement.claimedOf(datanetId, customer), 0.3 ether);
        bytes memory signature = signed(o);
        vm.expectPartialRevert(Errors.AttributionSettlement_NothingToClaim.selector);
        bring(bob, o, signature);
        // Nor does the order reach what is earned later.
        earn(datanetId, customer, 0.1 ether);
        settle(onePool(modelId, 1 ether, datanetId, 0.1 ether));
        o.deadline = type(uint64).max;
        signature = signed(o);
        vm.expectPartialRevert(Errors.AttributionSettlement_ProofInvalid.selector);
        bring(bob, o, signature);
    }

    /// @dev A wallet that takes no money and calls nobody has its earnings sent elsewhere, also after somebody pushed them at it.
    function test_PaysWhatWasSetAside(uint128 fee) external {
        fee = uint128(bound(fee, 0, 0.2 ether));
        address wallet = address(new Willing());
        earn(datanetId, wallet, 0.2 ether);
        settle(onePool(modelId, 1 ether, datanetId, 0.2 ether));
        assertEq(claimFor(datanetId, wallet), 0);
        assertEq(settlement.setAsideOf(datanetId, wallet), 0.2 ether);
        uint64 deadline = uint64(vm.getBlockTimestamp() + 60);
        IAttributionSettlement.ClaimOrder memory o =
            IAttributionSettlement.ClaimOrder(datanetId, wallet, 0.2 ether, alice, fee, deadline);
        uint256 before = alice.balance;
        assertEq(bring(bob, o, ""), 0.2 ether);
        assertEq(alice.balance - before, 0.2 ether - fee);
        assertEq(settlement.setAsideOf(datanetId, wallet), 0);
        assertEq(settlement.unclaimed(), 0.3 ether);
        vm.expectPartialRevert(Errors.AttributionSettlement_NothingToClaim.selector);
        bring(bob, o, "");
    }

    function test_RevertWhen_AWordIsAnother(uint8 field) external {
        field = uint8(bound(field, 0, 3));
        IAttributionSettlement.ClaimOrder memory o = order(1);
        bytes memory signature = signed(o);
        if (field == 0) o.to = mallory;
        if (field == 1) o.fee = 2;
        if (field == 2) ++o.deadline;
        if (field == 3) --o.cumulative;
        vm.expectRevert(abi.encodeWithSelector(Errors.AttributionSettlement_OrderInvalid.selector, customer));
        bring(mallory, o, signature);
    }

    function test_RevertWhen_SignedForAnotherChain() external {
        IAttributionSettlement.ClaimOrder memory o = order(1);
        vm.chainId(1);
        bytes memory signature = signed(o);
        vm.chainId(16_120);
        vm.expectPartialRevert(Errors.AttributionSettlement_OrderInvalid.selector);
        bring(mallory, o, signature);
    }

    function test_RevertWhen_OrderRefused() external {
        IAttributionSettlement.ClaimOrder memory o = order(0.3 ether + 1);
        bytes memory signature = signed(o);
        vm.expectRevert(
            abi.encodeWithSelector(Errors.AttributionSettlement_FeeTooHigh.selector, 0.3 ether + 1, 0.3 ether)
        );
        bring(bob, o, signature);
        o = order(0);
        o.to = address(0);
        signature = signed(o);
        vm.expectRevert(Errors.ZeroAddress.selector);
        bring(bob, o, signature);
        o = order(0);
        signature = signed(o);
        vm.warp(o.deadline + 1);
        vm.expectRevert(abi.encodeWithSelector(Errors.AttributionSettlement_OrderExpired.selector, o.deadline));
        bring(bob, o, signature);
    }

    function test_TheAccountItself() external {
        bring(customer, order(0), "");
        assertEq(alice.balance, 1 ether + 0.3 ether);
    }

    function test_AContractsSignature() external {
        address wallet = address(new Willing());
        earn(datanetId, wallet, 0.1 ether);
        settle(onePool(modelId, 1 ether, datanetId, 0.1 ether));
        IAttributionSettlement.ClaimOrder memory o = order(0);
        (o.account, o.cumulative) = (wallet, 0.1 ether);
        bring(bob, o, "");
        assertEq(alice.balance, 1 ether + 0.1 ether);
    }
}
