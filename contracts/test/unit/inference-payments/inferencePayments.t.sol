// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IAttributionSettlement} from "../../../src/interfaces/IAttributionSettlement.sol";
import {IInferencePayments} from "../../../src/interfaces/IInferencePayments.sol";
import {InferencePayments} from "../../../src/l2/payments/InferencePayments.sol";
import {WOPEN} from "../../../src/l2/predeploys/WOPEN.sol";
import {Errors} from "../../../src/libraries/Errors.sol";
import {Predeploys} from "../../../src/libraries/Predeploys.sol";
import {EconomyTest} from "../../utils/EconomyTest.sol";

contract InferencePaymentsTest is EconomyTest {
    WOPEN private constant wopen = WOPEN(payable(Predeploys.WOPEN));
    bytes32 private constant RECEIVE = keccak256(
        "ReceiveWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"
    );
    InferencePayments private payments;

    function setUp() public override {
        super.setUp();
        deployCodeTo("WOPEN.sol:WOPEN", "", address(wopen));
        payments = new InferencePayments(wopen, escrow, settlement);
        vm.deal(customer, 100 ether);
        vm.prank(customer);
        wopen.deposit{value: 100 ether}();
    }

    function terms(uint256 salt) private view returns (IInferencePayments.Terms memory) {
        return IInferencePayments.Terms({
            payer: customer, gateway: gateway, modelId: 7, requestHash: "request", salt: bytes32(salt)
        });
    }

    function signed(bytes32 nonce, uint128 amount) private view returns (IInferencePayments.Authorization memory a) {
        a.amount = amount;
        a.validBefore = vm.getBlockTimestamp() + 60;
        bytes32 hash = keccak256(abi.encode(RECEIVE, customer, payments, uint256(amount), 0, a.validBefore, nonce));
        (a.v, a.r, a.s) = vm.sign(customerKey, keccak256(abi.encodePacked("\x19\x01", wopen.DOMAIN_SEPARATOR(), hash)));
    }

    function payFor(uint256 salt, uint128 amount) private returns (bytes32) {
        IInferencePayments.Authorization memory a = signed(payments.paymentIdOf(terms(salt)), amount);
        vm.prank(mallory);
        return payments.pay(terms(salt), a);
    }

    function capture(bytes32 id, uint128 amount) private returns (uint256) {
        (bytes32[] memory ids, uint128[] memory amounts) = (new bytes32[](1), new uint128[](1));
        (ids[0], amounts[0]) = (id, amount);
        vm.prank(gateway);
        return payments.capture(ids, amounts);
    }

    function test_RevertWhen_ConstructedWithoutAddresses() external {
        vm.expectRevert(Errors.ZeroAddress.selector);
        new InferencePayments(WOPEN(payable(address(0))), escrow, settlement);
        vm.expectRevert(Errors.ZeroAddress.selector);
        new InferencePayments(wopen, escrow, IAttributionSettlement(address(0)));
    }

    function test_HoldsWhatWasSignedFor(uint128 amount) external {
        amount = uint128(bound(amount, 1, 100 ether));
        bytes32 id = payFor(1, amount);
        IInferencePayments.Payment memory p = payments.paymentOf(id);
        assertEq(p.payer, customer);
        assertEq(p.gateway, gateway);
        assertEq(p.amount, amount);
        assertEq(p.expiry, vm.getBlockTimestamp() + 1 days);
        assertEq(payments.totalOpen(), amount);
        assertEq(wopen.balanceOf(address(payments)), amount);
    }

    /// @dev A facilitator cannot change a word of what was signed.
    function test_RevertWhen_TermsAreNotTheSigned() external {
        bytes32 id = payments.paymentIdOf(terms(1));
        IInferencePayments.Authorization memory a = signed(id, 1 ether);
        IInferencePayments.Terms[4] memory other = [terms(1), terms(1), terms(1), terms(2)];
        other[0].gateway = mallory;
        other[1].modelId = 8;
        other[2].requestHash = "another";
        for (uint256 i; i < 4; ++i) {
            vm.expectRevert();
            payments.pay(other[i], a);
        }
        IInferencePayments.Terms memory nobody = terms(1);
        nobody.gateway = address(0);
        vm.expectRevert(Errors.ZeroAddress.selector);
        payments.pay(nobody, a);
        a.amount = 2 ether;
        vm.expectRevert();
        payments.pay(terms(1), a);
        a.amount = 0;
        vm.expectRevert(IInferencePayments.InferencePayments_AmountZero.selector);
        payments.pay(terms(1), a);
        a.amount = 1 ether;
        // Nor bring it to the token past this contract, nor use it as a top-up.
        vm.expectRevert();
        wopen.receiveWithAuthorization(customer, address(payments), 1 ether, 0, a.validBefore, id, a.v, a.r, a.s);
        vm.expectRevert();
        payments.topUp(customer, bytes32(uint256(1)), a);
        payments.pay(terms(1), a);
        vm.expectRevert();
        payments.pay(terms(1), a);
    }

    function testFuzz_CapturesAndRefundsTheRest(uint128 paid, uint128 captured) external {
        paid = uint128(bound(paid, 1, 100 ether));
        captured = uint128(bound(captured, 1, paid));
        bytes32 id = payFor(1, paid);
        assertEq(capture(id, captured), captured);
        (uint256 available,) = settlement.fundsOf(gateway);
        assertEq(available, captured);
        assertEq(wopen.balanceOf(customer), 100 ether - captured);
        assertEq(payments.totalOpen(), 0);
        assertEq(wopen.balanceOf(address(payments)), 0);
        vm.expectPartialRevert(IInferencePayments.InferencePayments_Unknown.selector);
        capture(id, captured);
    }

    function test_CapturesABatch() external {
        bytes32[] memory ids = new bytes32[](50);
        uint128[] memory amounts = new uint128[](50);
        for (uint256 i; i < 50; ++i) {
            (ids[i], amounts[i]) = (payFor(i, 1 ether), 0.5 ether);
        }
        vm.prank(gateway);
        assertEq(payments.capture(ids, amounts), 25 ether);
        assertEq(wopen.balanceOf(customer), 75 ether);
    }

    function test_RevertWhen_CaptureRefused() external {
        vm.expectPartialRevert(IInferencePayments.InferencePayments_BatchSize.selector);
        payments.capture(new bytes32[](0), new uint128[](0));
        vm.expectPartialRevert(IInferencePayments.InferencePayments_BatchSize.selector);
        payments.capture(new bytes32[](257), new uint128[](257));
        vm.expectPartialRevert(IInferencePayments.InferencePayments_BatchSize.selector);
        payments.capture(new bytes32[](2), new uint128[](1));
        bytes32 id = payFor(1, 1 ether);
        (bytes32[] memory ids, uint128[] memory amounts) = (new bytes32[](1), new uint128[](1));
        (ids[0], amounts[0]) = (id, 1 ether);
        vm.expectPartialRevert(IInferencePayments.InferencePayments_NotGateway.selector);
        payments.capture(ids, amounts);
        vm.expectPartialRevert(IInferencePayments.InferencePayments_CaptureOutOfBounds.selector);
        capture(id, 0);
        vm.expectPartialRevert(IInferencePayments.InferencePayments_CaptureOutOfBounds.selector);
        capture(id, 1 ether + 1);
        vm.warp(vm.getBlockTimestamp() + 1 days + 1);
        vm.expectPartialRevert(IInferencePayments.InferencePayments_Expired.selector);
        capture(id, 1 ether);
    }

    function test_Refunds() external {
        bytes32 id = payFor(1, 1 ether);
        bytes32 second = payFor(2, 2 ether);
        vm.expectPartialRevert(IInferencePayments.InferencePayments_Live.selector);
        payments.refund(id);
        vm.prank(gateway);
        payments.refund(id);
        assertEq(wopen.balanceOf(customer), 98 ether);
        vm.expectPartialRevert(IInferencePayments.InferencePayments_Unknown.selector);
        payments.refund(id);
        vm.warp(vm.getBlockTimestamp() + 1 days + 1);
        vm.prank(mallory);
        payments.refund(second);
        assertEq(wopen.balanceOf(customer), 100 ether);
        // What was refunded cannot be paid again with the old signature.
        IInferencePayments.Authorization memory a = signed(id, 1 ether);
        vm.expectRevert();
        payments.pay(terms(1), a);
    }

    function test_TopsUpTheEscrow() external {
        IInferencePayments.Authorization memory a = signed(payments.topUpNonce(customer, "salt"), 3 ether);
        vm.prank(mallory);
        payments.topUp(customer, "salt", a);
        (uint256 free,) = escrow.balanceOf(customer);
        assertEq(free, 3 ether);
        assertEq(address(payments).balance, 0);
        a.amount = 0;
        vm.expectRevert(IInferencePayments.InferencePayments_AmountZero.selector);
        payments.topUp(customer, "salt", a);
        vm.expectPartialRevert(IInferencePayments.InferencePayments_NotWopen.selector);
        payable(address(payments)).transfer(0);
    }

    /// @dev Free-tier traffic: an epoch of receipts without fees stands, and credits nobody; it cannot fund a pool.
    function test_FreeTierPaysNobody() external {
        uint256 datanetId = publishedDatanet();
        uint256 modelId = registerModel(modelParams("m", datanetId));
        settle(onePool(modelId, 0, datanetId, 0));
        assertEq(settlement.nextReceiptOf(gateway), 10);
        assertEq(settlement.credit(platform) + settlement.credit(stakers) + settlement.credit(payee), 0);
        assertEq(settlement.credit(sink), 0);
        earn(datanetId, alice, 1);
        IAttributionSettlement.EpochPost memory post = onePool(modelId, 0, datanetId, 1);
        bytes[] memory signatures = signPost(post, 2);
        vm.deal(poster, BOND_MIN);
        vm.prank(poster);
        vm.expectRevert(abi.encodeWithSelector(Errors.AttributionSettlement_OverAttributed.selector, modelId, 1, 0));
        settlement.postEpoch{value: BOND_MIN}(post, signatures);
    }
}
