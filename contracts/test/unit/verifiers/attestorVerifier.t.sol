// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {IDisputeGame} from "../../../src/interfaces/IDisputeGame.sol";
import {IAttestorVerifier} from "../../../src/interfaces/IAttestorVerifier.sol";
import {IProofDisputeGame} from "../../../src/interfaces/IProofDisputeGame.sol";
import {AttestorVerifier} from "../../../src/l1/AttestorVerifier.sol";
import {ProofDisputeGame} from "../../../src/l1/ProofDisputeGame.sol";
import {Attestation} from "../../../src/libraries/Attestation.sol";
import {GameStatus} from "../../../src/types/Dispute.sol";
import {RollupTest} from "../../utils/RollupTest.sol";

contract AttestorVerifierTest is RollupTest {
    address private constant BURN = 0x000000000000000000000000000000000000dEaD;
    uint256 private constant MIN_STAKE = 100e18;
    uint256 private constant DISPUTE = CHALLENGE_WINDOW + PROVE_WINDOW + AIRGAP;
    uint256 private constant UNBONDING = 2 * DISPUTE + 1;
    uint256 private constant ROTATION = 7 days;

    AttestorVerifier private attesting;
    /// Ascending by address.
    uint256[5] private keys;
    bytes private values = abi.encode(bytes32("head"), bytes32("start"), bytes32("claim"), uint256(7), L2_CHAIN_ID);

    function setUp() public override {
        super.setUp();
        uint256 count;
        for (uint256 key = 1; count < 5; ++key) {
            uint256 place = count++;
            while (place > 0 && vm.addr(keys[place - 1]) > vm.addr(key)) {
                keys[place] = keys[place - 1];
                --place;
            }
            keys[place] = key;
        }
        attesting = new AttestorVerifier(init_(3));
        for (uint256 i; i < 5; ++i) {
            stakeAs(vm.addr(keys[i]), MIN_STAKE);
        }
        // Games of this verifier.
        IProofDisputeGame.Init memory game = gameInit();
        game.verifier = attesting;
        vm.startPrank(owner);
        factory.setImplementation(GAME_TYPE, IDisputeGame(address(new ProofDisputeGame(game))));
        vm.stopPrank();
    }

    function init_(uint256 threshold) private view returns (AttestorVerifier.Init memory) {
        return AttestorVerifier.Init({
            owner: owner,
            open: address(open),
            registry: registry,
            minStake: MIN_STAKE,
            unbondingSeconds: UNBONDING,
            disputeSeconds: DISPUTE,
            rotationDelay: ROTATION,
            attestors: set(5),
            threshold: threshold
        });
    }

    function set(uint256 count) private view returns (address[] memory out) {
        out = new address[](count);
        for (uint256 i; i < count; ++i) {
            out[i] = vm.addr(keys[i]);
        }
    }

    function stakeAs(address who, uint256 amount) private {
        vm.prank(treasury);
        open.transfer(who, amount);
        vm.startPrank(who);
        open.approve(address(attesting), amount);
        attesting.stake(amount);
        vm.stopPrank();
    }

    function signature(uint256 key, bytes memory what) private view returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, attesting.digestOf(PROGRAM, what));
        return abi.encodePacked(r, s, v);
    }

    /// @dev Signatures of the attestors whose bits are set.
    function proof(uint256 mask) private view returns (bytes memory out) {
        for (uint256 i; i < 5; ++i) {
            if (mask >> i & 1 == 1) out = bytes.concat(out, signature(keys[i], values));
        }
    }

    function refused(bytes memory what, bytes memory refusal) private {
        vm.expectRevert(refusal);
        attesting.verify(PROGRAM, values, what);
    }

    // constructor

    function test_RevertWhen_UnbondingTooShort() external {
        AttestorVerifier.Init memory i = init_(3);
        i.unbondingSeconds = 2 * DISPUTE;
        vm.expectRevert(
            abi.encodeWithSelector(IAttestorVerifier.AttestorVerifier_UnbondingTooShort.selector, 2 * DISPUTE, DISPUTE)
        );
        new AttestorVerifier(i);
    }

    function test_RevertWhen_SetIsInvalid() external {
        bytes4 invalid = IAttestorVerifier.AttestorVerifier_InvalidSet.selector;
        vm.startPrank(owner);
        address[] memory s = set(4);
        vm.expectRevert(invalid);
        attesting.scheduleAttestors(s, 2);
        vm.expectRevert(invalid);
        attesting.scheduleAttestors(s, 5);
        attesting.scheduleAttestors(s, 3);
        (s[0], s[1]) = (s[1], s[0]);
        vm.expectRevert(invalid);
        attesting.scheduleAttestors(s, 3);
        s[0] = s[1];
        vm.expectRevert(invalid);
        attesting.scheduleAttestors(s, 3);
        s[0] = address(0);
        vm.expectRevert(invalid);
        attesting.scheduleAttestors(s, 3);
        vm.expectRevert(invalid);
        attesting.scheduleAttestors(new address[](0), 0);
        vm.expectRevert(invalid);
        attesting.scheduleAttestors(new address[](65), 40);
        AttestorVerifier.Init memory i = init_(2);
        vm.expectRevert(invalid);
        new AttestorVerifier(i);
    }

    // verify

    function testFuzz_RevertWhen_ProofIsNoList(bytes calldata what) external {
        vm.assume(what.length % 65 != 0);
        refused(what, abi.encodeWithSelector(IAttestorVerifier.AttestorVerifier_ProofLength.selector, what.length));
    }

    function testFuzz_Threshold(uint256 mask) external {
        mask = bound(mask, 0, 31);
        uint256 count;
        for (uint256 i; i < 5; ++i) {
            count += mask >> i & 1;
        }
        bytes memory what = proof(mask);
        if (count < 3) {
            refused(what, abi.encodeWithSelector(IAttestorVerifier.AttestorVerifier_BelowThreshold.selector, count, 3));
        } else {
            attesting.verify(PROGRAM, values, what);
        }
    }

    function test_RevertWhen_RepeatedOrOutOfOrder() external {
        bytes memory first = signature(keys[0], values);
        bytes memory second = signature(keys[1], values);
        bytes4 invalid = IAttestorVerifier.AttestorVerifier_InvalidSignature.selector;
        refused(bytes.concat(first, second, second), abi.encodeWithSelector(invalid, 2));
        refused(bytes.concat(first, first, second), abi.encodeWithSelector(invalid, 1));
        refused(bytes.concat(second, first, signature(keys[2], values)), abi.encodeWithSelector(invalid, 1));
    }

    /// @dev The other signature that the curve allows is not taken for a second one, nor for a first.
    function test_RevertWhen_SignatureIsMalleated() external {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(keys[2], attesting.digestOf(PROGRAM, values));
        uint256 order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;
        bytes memory other = abi.encodePacked(r, order - uint256(s), v == 27 ? uint8(28) : uint8(27));
        refused(
            bytes.concat(proof(3), other),
            abi.encodeWithSelector(IAttestorVerifier.AttestorVerifier_InvalidSignature.selector, 2)
        );
    }

    function testFuzz_RevertWhen_SignerIsNobody(uint256 key) external {
        key = boundPrivateKey(key);
        address signer = vm.addr(key);
        vm.assume(!attesting.isActive(signer) && signer > vm.addr(keys[1]));
        stakeAs(signer, MIN_STAKE);
        refused(
            bytes.concat(proof(3), signature(key, values)),
            abi.encodeWithSelector(IAttestorVerifier.AttestorVerifier_NotActive.selector, signer)
        );
    }

    function test_RevertWhen_StakeTooLow() external {
        address third = vm.addr(keys[2]);
        bytes memory what = proof(7);
        attesting.verify(PROGRAM, values, what);
        vm.prank(third);
        attesting.unbond(1);
        assertFalse(attesting.isActive(third));
        refused(what, abi.encodeWithSelector(IAttestorVerifier.AttestorVerifier_NotActive.selector, third));
        stakeAs(third, 1);
        attesting.verify(PROGRAM, values, what);
    }

    function testFuzz_RevertWhen_SomethingDiffers(uint256 position, uint8 difference) external {
        bytes memory what = proof(7);
        vm.expectRevert();
        attesting.verify("another program", values, what);
        values[bound(position, 0, 159)] ^= bytes1(uint8(bound(difference, 1, 255)));
        vm.expectRevert();
        attesting.verify(PROGRAM, values, what);
    }

    function test_RevertWhen_OtherChainOrContract() external {
        bytes memory what = proof(7);
        uint256 here = block.chainid;
        vm.chainId(1);
        vm.expectRevert();
        attesting.verify(PROGRAM, values, what);
        vm.chainId(here);
        attesting.verify(PROGRAM, values, what);
        attesting = new AttestorVerifier(init_(3));
        for (uint256 i; i < 5; ++i) {
            stakeAs(vm.addr(keys[i]), MIN_STAKE);
        }
        vm.expectRevert();
        attesting.verify(PROGRAM, values, what);
    }

    /// @dev A game proven by the attestors.
    function test_ProvesAGame() external {
        IProofDisputeGame game = propose("root", 10);
        challengeAs(alice, game);
        values = game.publicValues();
        game.prove(proof(28));
        game.resolve();
        assertEq(uint8(game.status()), uint8(GameStatus.DEFENDER_WINS));
        assertEq(attesting.verifierType(), "attestors");
    }

    // The set

    function test_Rotation() external {
        vm.expectRevert(abi.encodeWithSelector(IAttestorVerifier.AttestorVerifier_NotReady.selector, 0));
        attesting.applyAttestors();
        vm.prank(owner);
        attesting.scheduleAttestors(set(1), 1);
        uint256 readyAt = vm.getBlockTimestamp() + ROTATION;
        (address[] memory waiting, uint256 threshold, uint256 place) = attesting.scheduled();
        assertEq(waiting, set(1));
        assertEq(threshold, 1);
        assertEq(place, readyAt);
        skip(ROTATION - 1);
        vm.expectRevert(abi.encodeWithSelector(IAttestorVerifier.AttestorVerifier_NotReady.selector, readyAt));
        attesting.applyAttestors();
        assertEq(attesting.attestors(), set(5));
        assertEq(attesting.threshold(), 3);
        // Another set: the clock starts anew.
        vm.prank(owner);
        attesting.scheduleAttestors(set(3), 2);
        skip(1);
        vm.expectPartialRevert(IAttestorVerifier.AttestorVerifier_NotReady.selector);
        attesting.applyAttestors();
        skip(ROTATION);
        attesting.applyAttestors();
        assertEq(attesting.attestors(), set(3));
        attesting.verify(PROGRAM, values, proof(3));
        assertFalse(attesting.isActive(vm.addr(keys[4])));
        refused(
            proof(17), abi.encodeWithSelector(IAttestorVerifier.AttestorVerifier_NotActive.selector, vm.addr(keys[4]))
        );
        vm.expectRevert(abi.encodeWithSelector(IAttestorVerifier.AttestorVerifier_NotReady.selector, 0));
        attesting.applyAttestors();
    }

    // Stakes

    function testFuzz_Unstake(uint256 amount, uint256 wait) external {
        amount = bound(amount, 1, MIN_STAKE);
        address who = vm.addr(keys[0]);
        vm.startPrank(who);
        vm.expectRevert(
            abi.encodeWithSelector(IAttestorVerifier.AttestorVerifier_StakeTooLow.selector, MIN_STAKE, MIN_STAKE + 1)
        );
        attesting.unbond(MIN_STAKE + 1);
        attesting.unbond(amount);
        uint256 until = vm.getBlockTimestamp() + UNBONDING;
        skip(bound(wait, 0, UNBONDING - 1));
        vm.expectRevert(abi.encodeWithSelector(IAttestorVerifier.AttestorVerifier_StillBonded.selector, until));
        attesting.unstake();
        vm.warp(until);
        attesting.unstake();
        assertEq(open.balanceOf(who), amount);
        vm.expectPartialRevert(IAttestorVerifier.AttestorVerifier_StillBonded.selector);
        attesting.unstake();
        assertEq(attesting.stakeOf(who).bonded, MIN_STAKE - amount);
        assertEq(open.balanceOf(address(attesting)), 5 * MIN_STAKE - amount);
    }

    // Faults

    function range(bytes32 claim) private pure returns (Attestation.Range memory) {
        return Attestation.Range("head", "start", claim, 7, L2_CHAIN_ID);
    }

    function equivocation(Attestation.Range memory other, uint256 otherKey) private {
        bytes memory otherValues = abi.encode(other);
        attesting.slashEquivocation(
            PROGRAM, values, signature(keys[0], values), otherValues, signature(otherKey, otherValues)
        );
    }

    function testFuzz_RevertWhen_NoEquivocation(uint256 field) external {
        Attestation.Range memory other = range("other claim");
        field = bound(field, 0, 5);
        if (field == 0) other.l1Head = "other head";
        if (field == 1) other.startingOutputRoot = "other start";
        if (field == 2) other.rootClaim = "claim";
        if (field == 3) other.l2SequenceNumber = 8;
        if (field == 4) other.l2ChainId = 1;
        uint256 key = field == 5 ? keys[1] : keys[0];
        bytes memory otherValues = abi.encode(other);
        bytes memory one = signature(keys[0], values);
        bytes memory two = signature(key, otherValues);
        vm.expectRevert(IAttestorVerifier.AttestorVerifier_NoFault.selector);
        attesting.slashEquivocation(PROGRAM, values, one, otherValues, two);
        // The same program has to be meant.
        other = range("other claim");
        otherValues = abi.encode(other);
        two = signature(keys[0], otherValues);
        vm.expectRevert(IAttestorVerifier.AttestorVerifier_NoFault.selector);
        attesting.slashEquivocation("other program", values, one, otherValues, two);
    }

    function testFuzz_Equivocation(uint256 unbonding) external {
        address who = vm.addr(keys[0]);
        unbonding = bound(unbonding, 0, MIN_STAKE);
        vm.prank(who);
        attesting.unbond(unbonding);
        skip(UNBONDING - 1);
        vm.expectEmit(address(attesting));
        emit IAttestorVerifier.Slashed(who, address(this), MIN_STAKE);
        equivocation(range("other claim"), keys[0]);
        assertEq(open.balanceOf(address(this)), MIN_STAKE / 2);
        assertEq(open.balanceOf(BURN), MIN_STAKE - MIN_STAKE / 2);
        assertEq(open.balanceOf(address(attesting)), 4 * MIN_STAKE);
        assertFalse(attesting.isActive(who));
        bytes memory otherValues = abi.encode(range("other claim"));
        bytes memory one = signature(keys[0], values);
        bytes memory two = signature(keys[0], otherValues);
        vm.expectRevert(abi.encodeWithSelector(IAttestorVerifier.AttestorVerifier_NothingToSlash.selector, who));
        attesting.slashEquivocation(PROGRAM, values, one, otherValues, two);
        vm.startPrank(who);
        vm.expectRevert(abi.encodeWithSelector(IAttestorVerifier.AttestorVerifier_Slashed.selector, who));
        attesting.stake(1);
        vm.expectPartialRevert(IAttestorVerifier.AttestorVerifier_StillBonded.selector);
        attesting.unstake();
    }

    /// @dev A false claim with its signature, and another that becomes final.
    function dispute() private returns (IProofDisputeGame lie, IProofDisputeGame truth, bytes memory lieSignature) {
        lie = propose("lie", 10);
        truth = propose("truth", 10);
        lieSignature = signature(keys[0], lie.publicValues());
    }

    function noFault(IProofDisputeGame lie, IProofDisputeGame truth, bytes memory sig) private {
        vm.expectRevert(IAttestorVerifier.AttestorVerifier_NoFault.selector);
        attesting.slashContradicted(lie, truth, sig);
    }

    function test_Contradicted() external {
        (IProofDisputeGame lie, IProofDisputeGame truth, bytes memory sig) = dispute();
        IProofDisputeGame elsewhere = propose("elsewhere", 11);
        challengeAs(alice, lie);
        skip(PROVE_WINDOW + 1);
        truth.resolve();
        elsewhere.resolve();
        skip(AIRGAP + 1);
        // In progress still.
        noFault(lie, truth, sig);
        lie.resolve();
        noFault(lie, lie, sig);
        noFault(lie, elsewhere, sig);
        noFault(truth, lie, sig);
        address honest = vm.addr(keys[1]);
        bytes memory honestSignature = signature(keys[1], truth.publicValues());
        // A signature under the true claim says nothing about the false one.
        vm.expectPartialRevert(IAttestorVerifier.AttestorVerifier_NothingToSlash.selector);
        attesting.slashContradicted(lie, truth, honestSignature);
        attesting.slashContradicted(lie, truth, sig);
        assertFalse(attesting.isActive(vm.addr(keys[0])));
        assertTrue(attesting.isActive(honest));
    }

    /// @dev The quorum itself lied: the guardian declares the game void, the truth becomes final.
    function test_ContradictedAfterProof() external {
        (IProofDisputeGame lie, IProofDisputeGame truth, bytes memory sig) = dispute();
        values = lie.publicValues();
        challengeAs(alice, lie);
        lie.prove(proof(7));
        lie.resolve();
        skip(PROVE_WINDOW + 1);
        truth.resolve();
        vm.prank(guardian);
        registry.blacklistDisputeGame(lie);
        noFault(lie, truth, sig);
        skip(AIRGAP + 1);
        attesting.slashContradicted(lie, truth, sig);
        attesting.slashContradicted(lie, truth, signature(keys[1], values));
        assertEq(open.balanceOf(address(this)), MIN_STAKE);
    }

    /// @dev Two claims that both stand are for the guardian to sort out, not for this contract.
    function test_RevertWhen_BothStand() external {
        (IProofDisputeGame lie, IProofDisputeGame truth, bytes memory sig) = dispute();
        skip(CHALLENGE_WINDOW + 1);
        lie.resolve();
        truth.resolve();
        skip(AIRGAP + 1);
        noFault(lie, truth, sig);
    }

    function test_RevertWhen_CalledByOther() external {
        address[] memory s = set(3);
        vm.expectRevert(abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, address(this)));
        attesting.scheduleAttestors(s, 2);
    }
}
