// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {RLP} from "@openzeppelin/contracts/utils/RLP.sol";

import {IDisputeGame} from "../../../src/interfaces/IDisputeGame.sol";
import {IOptimismPortal} from "../../../src/interfaces/IOptimismPortal.sol";
import {IProofDisputeGame} from "../../../src/interfaces/IProofDisputeGame.sol";
import {AnchorStateRegistry} from "../../../src/l1/AnchorStateRegistry.sol";
import {ProofDisputeGame} from "../../../src/l1/ProofDisputeGame.sol";
import {RollupHashing} from "../../../src/libraries/RollupHashing.sol";
import {WithdrawalTest} from "../../utils/WithdrawalTest.sol";

/// forge-config: default.fuzz.runs = 48
contract ProveWithdrawalTest is WithdrawalTest {
    using RollupHashing for RollupHashing.Withdrawal;

    RollupHashing.Withdrawal private w;
    IProofDisputeGame private game;
    uint256 private index;

    function setUp() public override {
        super.setUp();
        w = withdrawal(alice, 3e18, 100_000, "hello");
        (game, index) = proposeNow();
    }

    function attempt(
        RollupHashing.Withdrawal memory what,
        RollupHashing.OutputRootProof memory parts,
        bytes[] memory proof
    ) private {
        vm.prank(bob);
        portal.proveWithdrawalTransaction(what, index, parts, proof);
    }

    /// @dev The proof of `w`, which holds, while `refusal` stands in the way.
    function refused(bytes4 refusal) private {
        RollupHashing.OutputRootProof memory parts = outputRootProof();
        bytes[] memory proof = nodes(counterOf(w));
        vm.expectRevert(refusal);
        attempt(w, parts, proof);
    }

    function test_WhenPaused() external {
        vm.prank(guardian);
        config.pause();
        refused(IOptimismPortal.OptimismPortal_Paused.selector);
        skip(config.PAUSE_DURATION());
        prove(bob, w, index);
    }

    function test_RevertWhen_TargetIsPortal() external {
        w = withdrawal(address(portal), 0, 0, "");
        (game, index) = proposeNow();
        refused(IOptimismPortal.OptimismPortal_BadTarget.selector);
    }

    function test_RevertWhen_TargetIsOpen() external {
        w = withdrawal(address(open), 0, 100_000, abi.encodeCall(open.transfer, (alice, 1e18)));
        (game, index) = proposeNow();
        refused(IOptimismPortal.OptimismPortal_BadTarget.selector);
    }

    function test_RevertWhen_NoSuchGame() external {
        index = 1;
        RollupHashing.OutputRootProof memory parts = outputRootProof();
        bytes[] memory proof = nodes(counterOf(w));
        vm.expectRevert();
        attempt(w, parts, proof);
    }

    function test_RevertWhen_JudgedByAnother() external {
        IProofDisputeGame.Init memory init_ = gameInit();
        init_.registry = new AnchorStateRegistry(config, factory, GAME_TYPE, AIRGAP);
        init_.registry.setStartingAnchor(GENESIS_ROOT, 0);
        IDisputeGame other = IDisputeGame(address(new ProofDisputeGame(init_)));
        vm.prank(owner);
        factory.setImplementation(GAME_TYPE, other);
        (game, index) = proposeNow();
        refused(IOptimismPortal.OptimismPortal_ImproperDisputeGame.selector);
    }

    function test_RevertWhen_Blacklisted() external {
        vm.prank(guardian);
        registry.blacklistDisputeGame(game);
        refused(IOptimismPortal.OptimismPortal_ImproperDisputeGame.selector);
    }

    function test_RevertWhen_Retired() external {
        vm.prank(guardian);
        registry.updateRetirementTimestamp();
        refused(IOptimismPortal.OptimismPortal_ImproperDisputeGame.selector);
        skip(1);
        (game, index) = proposeNow();
        prove(bob, w, index);
    }

    function test_RevertWhen_TypeDoesNotCount() external {
        vm.prank(guardian);
        registry.setRespectedGameType(11);
        assertEq(portal.respectedGameType(), 11);
        // The game of before still counts.
        prove(bob, w, index);
        (game, index) = proposeNow();
        refused(IOptimismPortal.OptimismPortal_InvalidDisputeGame.selector);
    }

    function test_RevertWhen_GameLost() external {
        challengeAs(alice, game);
        skip(PROVE_WINDOW + 1);
        game.resolve();
        refused(IOptimismPortal.OptimismPortal_InvalidDisputeGame.selector);
    }

    function test_RevertWhen_GameOfThisBlock() external {
        vm.warp(game.createdAt());
        refused(IOptimismPortal.OptimismPortal_InvalidProofTimestamp.selector);
        skip(1);
        prove(bob, w, index);
    }

    function testFuzz_RevertWhen_OutputRootDiffers(uint256 field, uint256 bit) external {
        RollupHashing.OutputRootProof memory parts = outputRootProof();
        bytes32 flip = bytes32(1 << bound(bit, 0, 255));
        field = bound(field, 0, 3);
        if (field == 0) parts.version ^= flip;
        if (field == 1) parts.stateRoot ^= flip;
        if (field == 2) parts.messagePasserStorageRoot ^= flip;
        if (field == 3) parts.latestBlockhash ^= flip;
        bytes[] memory proof = nodes(counterOf(w));
        vm.expectRevert(IOptimismPortal.OptimismPortal_InvalidOutputRootProof.selector);
        attempt(w, parts, proof);
    }

    /// @dev Even if somebody proposes a root of another version, it proves nothing.
    function test_RevertWhen_OtherVersion() external {
        RollupHashing.OutputRootProof memory parts = outputRootProof();
        parts.version = bytes32(uint256(1));
        index = factory.gameCount();
        propose(proposer, RollupHashing.outputRoot(parts), 20, ANCHOR);
        skip(1);
        bytes[] memory proof = nodes(counterOf(w));
        vm.expectRevert(IOptimismPortal.OptimismPortal_InvalidOutputRootProof.selector);
        attempt(w, parts, proof);
    }

    function testFuzz_RevertWhen_WithdrawalDiffers(uint256 field, uint256 change) external {
        change = bound(change, 1, type(uint64).max);
        field = bound(field, 0, 6);
        RollupHashing.Withdrawal memory other = w;
        if (field == 0) other.nonce += change;
        if (field == 1) other.sender = address(uint160(other.sender) ^ uint160(change));
        if (field == 2) other.target = address(uint160(other.target) ^ uint160(change));
        if (field == 3) other.value += change;
        if (field == 4) other.gasLimit += change;
        if (field == 5) other.data = bytes.concat(other.data, hex"00");
        // The nonce without its version.
        if (field == 6) other.nonce = uint240(other.nonce);
        w = other;
        refusedProof(nodes(uint240(sent.length - 1)));
    }

    function testFuzz_RevertWhen_ProofOfSibling(uint256 other) external {
        other = bound(other, 0, sent.length - 2);
        bytes[] memory proof = nodes(other);
        RollupHashing.OutputRootProof memory parts = outputRootProof();
        vm.expectRevert(IOptimismPortal.OptimismPortal_InvalidMerkleProof.selector);
        attempt(w, parts, proof);
    }

    /// @dev The same withdrawal in the storage of another chain: its proof holds there, and its root is not proposed here.
    function test_RevertWhen_OtherChain() external {
        sent.push("a message of the other chain");
        bytes[] memory proof = nodes(counterOf(w));
        RollupHashing.OutputRootProof memory parts = outputRootProof();
        vm.expectRevert(IOptimismPortal.OptimismPortal_InvalidOutputRootProof.selector);
        attempt(w, parts, proof);
        sent.pop();
        parts = outputRootProof();
        vm.expectRevert(IOptimismPortal.OptimismPortal_InvalidMerkleProof.selector);
        attempt(w, parts, proof);
    }

    function testFuzz_RevertWhen_StoredValueIsNotOne(uint8 value) external {
        value = uint8(bound(value, 2, 127));
        l2Block += 10;
        RollupHashing.OutputRootProof memory parts = outputRootProof(value);
        index = factory.gameCount();
        propose(proposer, RollupHashing.outputRoot(parts), l2Block, ANCHOR);
        skip(1);
        bytes[] memory proof = trie(value, counterOf(w)).proof;
        vm.expectRevert(IOptimismPortal.OptimismPortal_InvalidMerkleProof.selector);
        attempt(w, parts, proof);
    }

    function testFuzz_RevertWhen_NodeDiffers(uint256 node, uint256 position, uint8 difference) external {
        bytes[] memory proof = nodes(counterOf(w));
        node = bound(node, 0, proof.length - 1);
        position = bound(position, 0, proof[node].length - 1);
        difference = uint8(bound(difference, 1, 255));
        proof[node][position] ^= bytes1(difference);
        refusedProof(proof);
    }

    /// @dev Length prefixes with more bytes than needed say the same to a lenient decoder.
    function test_RevertWhen_NodeIsEncodedLonger() external {
        bytes[] memory proof = nodes(counterOf(w));
        for (uint256 i; i < proof.length; ++i) {
            bytes[] memory other = nodes(counterOf(w));
            bytes memory node = proof[i];
            uint8 prefix = uint8(node[0]);
            // Short lists in the form of long ones, long ones with a zero before their length.
            other[i] = prefix > 0xf7
                ? bytes.concat(bytes1(prefix + 1), hex"00", slice(node, 1))
                : bytes.concat(hex"f8", bytes1(prefix - 0xc0), slice(node, 1));
            refusedProof(other);
            other[i] = bytes.concat(node, hex"00");
            refusedProof(other);
        }
        // The value 1 as a string of length one, in the leaf.
        bytes memory leaf = proof[proof.length - 1];
        assertEq(leaf[leaf.length - 1], bytes1(0x01));
        leaf[leaf.length - 1] = 0x81;
        proof[proof.length - 1] = bytes.concat(bytes1(uint8(leaf[0]) + 1), slice(leaf, 1), hex"01");
        refusedProof(proof);
    }

    function test_RevertWhen_ProofIsTruncated() external {
        bytes[] memory proof = nodes(counterOf(w));
        assertGt(proof.length, 1);
        for (uint256 length; length < proof.length; ++length) {
            bytes[] memory head = new bytes[](length);
            bytes[] memory tail = new bytes[](length);
            for (uint256 i; i < length; ++i) {
                head[i] = proof[i];
                tail[i] = proof[proof.length - length + i];
            }
            refusedProof(head);
            refusedProof(tail);
        }
        // The last node cut short.
        for (uint256 i; i < proof.length; ++i) {
            bytes[] memory other = nodes(counterOf(w));
            bytes memory node = other[i];
            assembly ("memory-safe") {
                mstore(node, sub(mload(node), 1))
            }
            refusedProof(other);
            other[i] = "";
            refusedProof(other);
        }
    }

    function test_RevertWhen_ProofGoesOn() external {
        bytes[] memory proof = nodes(counterOf(w));
        bytes[] memory longer = new bytes[](proof.length + 1);
        for (uint256 i; i < proof.length; ++i) {
            longer[i] = proof[i];
        }
        refusedProof(longer);
        longer[proof.length] = proof[proof.length - 1];
        refusedProof(longer);
    }

    function test_WhenEverythingHolds() external {
        bytes32 hash = w.withdrawalHash();
        vm.expectEmit(address(portal));
        emit IOptimismPortal.WithdrawalProven(hash, alice, alice);
        vm.expectEmit(address(portal));
        emit IOptimismPortal.WithdrawalProvenExtension1(hash, bob);
        prove(bob, w, index);
        (IDisputeGame against, uint64 timestamp) = portal.provenWithdrawals(hash, bob);
        assertEq(address(against), address(game));
        assertEq(timestamp, vm.getBlockTimestamp());

        prove(alice, w, index);
        assertEq(portal.numProofSubmitters(hash), 2);
        assertEq(portal.proofSubmitters(hash, 0), bob);
        assertEq(portal.proofSubmitters(hash, 1), alice);

        skip(MATURITY);
        prove(bob, w, index);
        (, timestamp) = portal.provenWithdrawals(hash, bob);
        assertEq(timestamp, vm.getBlockTimestamp());
        (, timestamp) = portal.provenWithdrawals(hash, alice);
        assertEq(timestamp, vm.getBlockTimestamp() - MATURITY);
    }

    /// @dev Any number of withdrawals, any of them.
    function testFuzz_WhenEverythingHolds(uint256 count, uint256 which, bytes32 seed) external {
        count = bound(count, 1, 40);
        while (sent.length > 0) sent.pop();
        RollupHashing.Withdrawal[] memory all = new RollupHashing.Withdrawal[](count);
        for (uint256 i; i < count; ++i) {
            all[i] = withdrawal(address(uint160(uint256(keccak256(abi.encode(seed, i))))), i, i, abi.encode(seed));
        }
        (game, index) = proposeNow();
        which = bound(which, 0, count - 1);
        prove(bob, all[which], index);
        assertEq(portal.numProofSubmitters(all[which].withdrawalHash()), 1);
    }

    /// @dev Whatever is said to be a proof, only the trie's own nodes are one.
    function testFuzz_RevertWhen_ProofIsGarbage(bytes[] memory proof) external {
        refusedProof(proof);
    }

    /// @dev Refused with the portal's error, or by the decoder of RLP.
    function refusedProof(bytes[] memory proof) private {
        RollupHashing.OutputRootProof memory parts = outputRootProof();
        vm.prank(bob);
        (bool ok, bytes memory reason) =
            address(portal).call(abi.encodeCall(portal.proveWithdrawalTransaction, (w, index, parts, proof)));
        assertFalse(ok, "a false proof was taken");
        assertTrue(
            bytes4(reason) == IOptimismPortal.OptimismPortal_InvalidMerkleProof.selector
                || bytes4(reason) == RLP.RLPInvalidEncoding.selector,
            "refused for another reason"
        );
    }

    function slice(bytes memory data, uint256 from) private pure returns (bytes memory out) {
        out = new bytes(data.length - from);
        for (uint256 i; i < out.length; ++i) {
            out[i] = data[from + i];
        }
    }
}
