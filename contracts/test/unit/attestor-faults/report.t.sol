// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IAttestorFaults} from "../../../src/interfaces/IAttestorFaults.sol";
import {IAttributionSettlement} from "../../../src/interfaces/IAttributionSettlement.sol";
import {IStaking} from "../../../src/interfaces/IStaking.sol";
import {AttestorFaults} from "../../../src/l2/AttestorFaults.sol";
import {Errors} from "../../../src/libraries/Errors.sol";
import {StakingTest} from "../../utils/StakingTest.sol";

contract ReportTest is StakingTest {
    bytes private encoded;
    bytes[] private signatures;

    /// @dev A post that the first two engines signed; the first is an attestor with stake.
    function setUp() public override {
        super.setUp();
        enrollAs(ATTESTOR, engines[0], 2_000 ether, 0);
        uint256 datanetId = publishedDatanet();
        uint256 modelId = registerModel(modelParams("m", datanetId));
        fund(gateway, 2 ether);
        earn(datanetId, alice, 0.4 ether);
        IAttributionSettlement.EpochPost memory p = onePool(modelId, 1 ether, datanetId, 0.4 ether);
        encoded = abi.encode(p);
        signatures = signPost(p, 2);
        postEpoch(p);
    }

    function posted() private view returns (IAttributionSettlement.EpochPost memory) {
        return abi.decode(encoded, (IAttributionSettlement.EpochPost));
    }

    function report(IAttributionSettlement.EpochPost memory p, bytes[] memory s) private returns (uint256) {
        return faults.report(p, s);
    }

    function reject() private {
        vm.prank(address(dispute));
        settlement.rejectEpoch(1, bob, "decrease");
    }

    function test_RevertWhen_ConstructedOutOfBounds() external {
        vm.expectRevert(Errors.ZeroAddress.selector);
        new AttestorFaults(IAttributionSettlement(address(0)), staking, 1, 1, 1);
        vm.expectRevert(Errors.ZeroAddress.selector);
        new AttestorFaults(settlement, IStaking(address(0)), 1, 1, 1);
        vm.expectRevert(abi.encodeWithSelector(IAttestorFaults.AttestorFaults_SlashOutOfBounds.selector, 0));
        new AttestorFaults(settlement, staking, 1, 1, 0);
        vm.expectRevert(abi.encodeWithSelector(IAttestorFaults.AttestorFaults_SlashOutOfBounds.selector, 10_001));
        new AttestorFaults(settlement, staking, 1, 1, 10_001);
    }

    function test_RevertWhen_NotRejected() external {
        vm.expectPartialRevert(IAttestorFaults.AttestorFaults_NotRejected.selector);
        report(posted(), signatures);
        activate(posted());
        vm.expectPartialRevert(IAttestorFaults.AttestorFaults_NotRejected.selector);
        report(posted(), signatures);
    }

    function test_RevertWhen_ReportRefused() external {
        reject();
        vm.expectPartialRevert(IAttestorFaults.AttestorFaults_SignatureCount.selector);
        report(posted(), new bytes[](0));
        vm.expectPartialRevert(IAttestorFaults.AttestorFaults_SignatureCount.selector);
        report(posted(), new bytes[](33));
        IAttributionSettlement.EpochPost memory other = posted();
        ++other.receiptCount;
        vm.expectPartialRevert(IAttestorFaults.AttestorFaults_PostMismatch.selector);
        report(other, signatures);
        vm.warp(uint256(settlement.epoch(posted().epochId).deadline) + REPORT_WINDOW + 1);
        vm.expectPartialRevert(IAttestorFaults.AttestorFaults_TooLate.selector);
        report(posted(), signatures);
    }

    /// @dev The last second of the report window is still before anybody who signed can be paid out.
    function test_SlashesSignersOnce() external {
        uint256 id = exitAs(ATTESTOR, engines[0], engines[0], 1_500 ether);
        reject();
        vm.warp(uint256(settlement.epoch(posted().epochId).deadline) + REPORT_WINDOW);
        vm.prank(alice);
        assertEq(report(posted(), signatures), 1);
        assertEq(staking.credit(alice), 500 ether);
        assertEq(staking.BURN().balance - BOND_MIN, 500 ether);
        assertEq(report(posted(), signatures), 0);
        IStaking.Operator memory o = staking.operatorOf(ATTESTOR, engines[0]);
        assertEq(o.tokens, 250 ether);
        assertEq(o.unbonding, 750 ether);
        assertEq(staking.exitOf(id).shares, 1_500 ether);
        assertLt(faults.faultWindow() * 2, staking.unbondingSeconds());
        assertEq(faults.faultWindow(), staking.slasherOf(ATTESTOR, address(faults)).faultWindow);
    }

    function test_WhoDidNotSignIsNotSlashed() external {
        enrollAs(ATTESTOR, engines[2], 2_000 ether, 0);
        reject();
        bytes[] memory forged = new bytes[](1);
        // A signature of another digest recovers to somebody unknown.
        forged[0] = sign(engineKeys[2], keccak256("another"));
        assertEq(report(posted(), forged), 0);
        assertEq(staking.operatorOf(ATTESTOR, engines[2]).tokens, 2_000 ether);
    }
}
