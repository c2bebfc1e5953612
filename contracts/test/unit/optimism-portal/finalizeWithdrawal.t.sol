// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {stdError} from "forge-std/StdError.sol";

import {IOptimismPortal} from "../../../src/interfaces/IOptimismPortal.sol";
import {IProofDisputeGame} from "../../../src/interfaces/IProofDisputeGame.sol";
import {ISystemConfig} from "../../../src/interfaces/ISystemConfig.sol";
import {RollupHashing} from "../../../src/libraries/RollupHashing.sol";
import {SafeCall} from "../../../src/libraries/SafeCall.sol";
import {WithdrawalTest} from "../../utils/WithdrawalTest.sol";

/// forge-config: default.fuzz.runs = 48
contract FinalizeWithdrawalTest is WithdrawalTest {
    using RollupHashing for RollupHashing.Withdrawal;

    address private constant NOBODY = 0x000000000000000000000000000000000000dEaD;

    Target private target;
    RollupHashing.Withdrawal private w;

    function setUp() public override {
        super.setUp();
        target = new Target(portal);
        w = withdrawal(address(target), 3e18, 200_000, abi.encodeCall(Target.note, ()));
    }

    function refused(bytes4 refusal) private {
        vm.expectRevert(refusal);
        finalize(bob, w);
    }

    function test_WhenPaused() external {
        makeReady(w);
        vm.prank(guardian);
        config.pause();
        refused(IOptimismPortal.OptimismPortal_Paused.selector);
        skip(config.PAUSE_DURATION());
        uint256 again = vm.getBlockTimestamp() - config.PAUSE_DURATION() + config.PAUSE_INTERVAL();
        vm.expectRevert(abi.encodeWithSelector(ISystemConfig.SystemConfig_PauseTooSoon.selector, again));
        vm.prank(guardian);
        config.pause();
        finalize(bob, w);
    }

    function test_RevertWhen_NotProven() external {
        refused(IOptimismPortal.OptimismPortal_Unproven.selector);
    }

    function test_WhenProvenByAnother() external {
        makeReady(w);
        vm.expectRevert(IOptimismPortal.OptimismPortal_Unproven.selector);
        finalize(alice, w);
        vm.prank(alice);
        portal.finalizeWithdrawalTransactionExternalProof(w, bob);
        assertTrue(portal.finalizedWithdrawals(w.withdrawalHash()));
    }

    function testFuzz_RevertWhen_NotMature(uint256 age) external {
        (IProofDisputeGame game,) = proposeNow();
        finish(game);
        prove(bob, w, 0);
        uint256 provenAt = vm.getBlockTimestamp();
        vm.warp(provenAt + bound(age, 0, MATURITY));
        refused(IOptimismPortal.OptimismPortal_ProofNotOldEnough.selector);
        vm.warp(provenAt + MATURITY + 1);
        finalize(bob, w);
    }

    function test_RevertWhen_NotDecided() external {
        proposeNow();
        prove(bob, w, 0);
        skip(MATURITY + 1);
        refused(IOptimismPortal.OptimismPortal_InvalidRootClaim.selector);
    }

    function testFuzz_RevertWhen_DecidedTooRecently(uint256 age) external {
        (IProofDisputeGame game,) = proposeNow();
        prove(bob, w, 0);
        skip(MATURITY + CHALLENGE_WINDOW + 1);
        game.resolve();
        uint256 decidedAt = vm.getBlockTimestamp();
        vm.warp(decidedAt + bound(age, 0, AIRGAP));
        refused(IOptimismPortal.OptimismPortal_InvalidRootClaim.selector);
        vm.warp(decidedAt + AIRGAP + 1);
        finalize(bob, w);
    }

    function test_RevertWhen_GameLostSince() external {
        (IProofDisputeGame game,) = proposeNow();
        prove(bob, w, 0);
        challengeAs(alice, game);
        skip(PROVE_WINDOW + 1);
        game.resolve();
        skip(AIRGAP + MATURITY);
        refused(IOptimismPortal.OptimismPortal_InvalidRootClaim.selector);
        makeReady(w);
        finalize(bob, w);
    }

    function test_RevertWhen_BlacklistedSince() external {
        IProofDisputeGame game = makeReady(w);
        uint256 ready = vm.snapshotState();
        finalize(bob, w);
        vm.revertToState(ready);
        vm.prank(guardian);
        registry.blacklistDisputeGame(game);
        assertTrue(portal.disputeGameBlacklist(game));
        refused(IOptimismPortal.OptimismPortal_InvalidRootClaim.selector);
        makeReady(w);
        finalize(bob, w);
    }

    function test_WhenBlacklistedAfterwards() external {
        IProofDisputeGame game = makeReady(w);
        finalize(bob, w);
        vm.prank(guardian);
        registry.blacklistDisputeGame(game);
        makeReady(w);
        refused(IOptimismPortal.OptimismPortal_AlreadyFinalized.selector);
    }

    function test_RevertWhen_CarriedOutBefore() external {
        makeReady(w);
        finalize(bob, w);
        refused(IOptimismPortal.OptimismPortal_AlreadyFinalized.selector);
        proposeNow();
        prove(alice, w, 1);
        skip(MATURITY + AIRGAP);
        vm.expectRevert(IOptimismPortal.OptimismPortal_AlreadyFinalized.selector);
        finalize(alice, w);
        assertEq(open.balanceOf(address(target)), 3e18);
    }

    function testFuzz_WhenGasDoesNotSuffice(uint256 gasLimit, uint256 gas) external {
        gasLimit = bound(gasLimit, 50_000, 2_000_000);
        w = withdrawal(address(target), 1, gasLimit, abi.encodeCall(Target.measure, ()));
        makeReady(w);
        gas = bound(gas, 100_000, 3_000_000);
        vm.prank(bob);
        (bool ok, bytes memory reason) =
            address(portal).call{gas: gas}(abi.encodeCall(portal.finalizeWithdrawalTransaction, (w)));
        if (ok) {
            // Some of the promised gas goes into the target's dispatch.
            assertGe(target.gasSeen(), gasLimit - 1_000, "less gas than promised");
        } else {
            assertTrue(reason.length == 0 || bytes4(reason) == SafeCall.SafeCall_NotEnoughGas.selector);
            assertFalse(portal.finalizedWithdrawals(w.withdrawalHash()));
            finalize(bob, w);
            assertGe(target.gasSeen(), gasLimit - 1_000, "less gas than promised");
        }
    }

    function test_WhenTargetReentersWithTheSame() external {
        w = withdrawal(address(target), 3e18, 1_000_000, abi.encodeCall(Target.reenter, (bob)));
        makeReady(w);
        target.set(w);
        expectFinalized(w, true);
        finalize(bob, w);
        assertEq(target.reason(), abi.encodeWithSelector(IOptimismPortal.OptimismPortal_NoReentrancy.selector));
        assertEq(open.balanceOf(address(target)), 3e18);
    }

    function test_WhenTargetReentersWithAnother() external {
        RollupHashing.Withdrawal memory other = withdrawal(alice, 1e18, 0, "");
        w = withdrawal(address(target), 3e18, 1_000_000, abi.encodeCall(Target.reenter, (bob)));
        (IProofDisputeGame game,) = proposeNow();
        prove(bob, w, 0);
        prove(bob, other, 0);
        finish(game);
        skip(MATURITY);
        target.set(other);
        finalize(bob, w);
        assertEq(target.reason(), abi.encodeWithSelector(IOptimismPortal.OptimismPortal_NoReentrancy.selector));
        assertFalse(portal.finalizedWithdrawals(other.withdrawalHash()));
        // Afterwards it can be carried out.
        finalize(bob, other);
        assertEq(open.balanceOf(alice), 1e18);
    }

    function test_WhenTargetDeposits() external {
        w = withdrawal(address(target), 3e18, 1_000_000, abi.encodeCall(Target.depositBack, (1e18)));
        makeReady(w);
        expectFinalized(w, true);
        finalize(bob, w);
        assertEq(open.balanceOf(address(target)), 2e18);
        assertEq(portal.escrowed(), GENESIS_SUPPLY - 2e18);
        assertEq(open.balanceOf(address(portal)), GENESIS_SUPPLY - 2e18);
    }

    function test_WhenTargetReverts() external {
        w = withdrawal(address(target), 3e18, 100_000, abi.encodeCall(Target.fail, ()));
        makeReady(w);
        uint256 ready = vm.snapshotState();
        vm.prank(bob, address(1));
        vm.expectRevert(IOptimismPortal.OptimismPortal_GasEstimation.selector);
        portal.finalizeWithdrawalTransaction(w);
        vm.revertToState(ready);

        expectFinalized(w, false);
        finalize(bob, w);
        assertEq(open.balanceOf(address(target)), 3e18);
        assertEq(portal.l2Sender(), NOBODY);
        refused(IOptimismPortal.OptimismPortal_AlreadyFinalized.selector);
    }

    function test_WhenTargetReturnsALot() external {
        w = withdrawal(address(target), 0, 100_000, abi.encodeCall(Target.bomb, ()));
        makeReady(w);
        vm.prank(bob);
        uint256 gasBefore = gasleft();
        portal.finalizeWithdrawalTransaction{gas: 800_000}(w);
        assertLt(gasBefore - gasleft(), 800_000);
        assertTrue(portal.finalizedWithdrawals(w.withdrawalHash()));
    }

    /// @dev Cannot come about while L2's rules hold; if it does, nothing is paid from plain transfers.
    function test_RevertWhen_MoreThanEscrowed() external {
        w = withdrawal(alice, GENESIS_SUPPLY + 1, 0, "");
        vm.prank(treasury);
        open.transfer(address(portal), 1e18);
        makeReady(w);
        vm.expectRevert(stdError.arithmeticError);
        finalize(bob, w);
    }

    function test_WhenNoData() external {
        w = withdrawal(address(target), 3e18, type(uint256).max, "");
        makeReady(w);
        expectFinalized(w, true);
        finalize(bob, w);
        assertEq(open.balanceOf(address(target)), 3e18);
        assertFalse(target.called());
    }

    function testFuzz_WhenEverythingHolds(uint256 value, address sender) external {
        value = bound(value, 0, GENESIS_SUPPLY);
        w = RollupHashing.Withdrawal(0, sender, address(target), value, 200_000, abi.encodeCall(Target.note, ()));
        w = send(w);
        makeReady(w);
        assertEq(portal.l2Sender(), NOBODY);
        portal.checkWithdrawal(w.withdrawalHash(), bob);
        expectFinalized(w, true);
        finalize(bob, w);
        assertEq(target.l2Sender(), sender);
        assertEq(target.balance(), value);
        assertEq(portal.l2Sender(), NOBODY);
        assertEq(open.balanceOf(address(target)), value);
        assertEq(portal.escrowed(), GENESIS_SUPPLY - value);
        assertEq(open.balanceOf(address(portal)), GENESIS_SUPPLY - value);
    }

    function test_Views() external view {
        assertEq(portal.proofMaturityDelaySeconds(), MATURITY);
        assertEq(portal.disputeGameFinalityDelaySeconds(), AIRGAP);
        assertEq(portal.respectedGameType(), GAME_TYPE);
        assertEq(portal.respectedGameTypeUpdatedAt(), 0);
        assertEq(address(portal.disputeGameFactory()), address(factory));
    }
}

/// @notice Where the withdrawals of these tests go.
contract Target {
    IOptimismPortal private immutable portal;
    bool public called;
    address public l2Sender;
    uint256 public balance;
    uint256 public gasSeen;
    bytes public reason;
    RollupHashing.Withdrawal private w;

    constructor(IOptimismPortal portal_) {
        portal = portal_;
    }

    fallback() external {
        called = true;
    }

    function set(RollupHashing.Withdrawal calldata withdrawal) external {
        w = withdrawal;
    }

    function note() external {
        called = true;
        l2Sender = portal.l2Sender();
        (, bytes memory out) = portal.open().staticcall(abi.encodeWithSignature("balanceOf(address)", address(this)));
        balance = abi.decode(out, (uint256));
    }

    function measure() external {
        gasSeen = gasleft();
    }

    function reenter(address submitter) external {
        try portal.finalizeWithdrawalTransactionExternalProof(w, submitter) {}
        catch (bytes memory why) {
            reason = why;
        }
    }

    function depositBack(uint256 amount) external {
        (bool ok,) = portal.open().call(abi.encodeWithSignature("approve(address,uint256)", address(portal), amount));
        require(ok);
        portal.depositERC20Transaction(address(this), amount, amount, 21_000, false, "");
    }

    function fail() external pure {
        revert("no");
    }

    function bomb() external pure {
        assembly {
            revert(0, 10000)
        }
    }
}
