// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IProofDisputeGame} from "../../src/interfaces/IProofDisputeGame.sol";
import {RollupHashing} from "../../src/libraries/RollupHashing.sol";
import {WithdrawalTest} from "../utils/WithdrawalTest.sol";

/// @notice Gas of entering and leaving L2 and of disputes, each call as a transaction of its own: intrinsic gas and calldata
/// included. The figures are kept in contracts/snapshots/RollupGas.json; FORGE_SNAPSHOT_CHECK=true compares.
/// forge-config: default.isolate = true
contract RollupGasTest is WithdrawalTest {
    string private constant GROUP = "RollupGas";

    function record(string memory name) private {
        vm.snapshotValue(GROUP, name, vm.lastCallGas().gasTotalUsed);
    }

    function test_Gas_Deposit() external {
        fund(alice, 2e18);
        vm.startPrank(alice, alice);
        // The least L2 gas: what is burned for it is below what the deposit uses anyway.
        portal.depositERC20Transaction(alice, 1e18, 1e18, 21_000, false, "");
        portal.depositERC20Transaction(alice, 1e18, 1e18, 21_000, false, "");
        record("portal: deposit OPEN");
        portal.depositTransaction(alice, 1e18, 21_000, false, "");
        record("portal: force a transfer");
    }

    function test_Gas_Withdrawal() external {
        // Two messages, so that nothing is written for the first time but what is a withdrawal's own.
        RollupHashing.Withdrawal memory first = withdrawal(bob, 1e18, 0, "");
        RollupHashing.Withdrawal memory w = withdrawal(alice, 1e18, 0, "");
        (IProofDisputeGame game, uint256 index) = proposeNow();
        prove(bob, first, index);
        bytes[] memory proof = nodes(counterOf(w));
        RollupHashing.OutputRootProof memory parts = outputRootProof();
        vm.prank(bob);
        portal.proveWithdrawalTransaction(w, index, parts, proof);
        record(string.concat("portal: prove, ", vm.toString(proof.length), " nodes of 22 withdrawals"));
        finish(game);
        skip(MATURITY);
        finalize(bob, first);
        finalize(bob, w);
        record("portal: finalise, plain payment");
    }

    /// @dev A trie of the depth that a hundred thousand withdrawals make: the path of one leaf beside arbitrary siblings.
    function test_Gas_DeepProof() external {
        RollupHashing.Withdrawal memory w = withdrawal(alice, 1e18, 0, "");
        bytes32 slot = RollupHashing.withdrawalStorageKey(sent[sent.length - 1]);
        (bytes[] memory proof, bytes32 root) = deepProof(keccak256(abi.encode(slot)), 5);
        RollupHashing.OutputRootProof memory parts = RollupHashing.OutputRootProof(0, "state", root, "block");
        propose(proposer, RollupHashing.outputRoot(parts), 10, ANCHOR);
        skip(1);
        vm.prank(bob);
        portal.proveWithdrawalTransaction(w, 0, parts, proof);
        record("portal: prove, 5 nodes of about 100,000 withdrawals");
    }

    function test_Gas_Games() external {
        propose(proposer, "first", 5, ANCHOR);
        IProofDisputeGame game = propose(proposer, "root", 10, ANCHOR);
        record("game: create");
        challengeAs(alice, game);
        record("game: challenge");
        bytes memory proof = proofFor(game);
        vm.prank(bob);
        game.prove(proof);
        record("game: prove, one signature");
        game.resolve();
        record("game: resolve");
        skip(AIRGAP + 1);
        game.claimCredit(proposer);
        record("game: close and unlock");
        skip(BOND_DELAY);
        game.claimCredit(proposer);
        record("game: claim");
    }

    /// @dev Full branches above a leaf.
    function deepProof(bytes32 key, uint256 depth) private pure returns (bytes[] memory proof, bytes32 root) {
        proof = new bytes[](depth);
        uint256 taken = depth - 1;
        // What is left of the key, of 64 nibbles.
        uint256 rest = 64 - taken;
        bytes memory path = abi.encodePacked(
            uint8(0x20 + (rest % 2 == 1 ? 0x10 + (uint8(uint256(key) >> (252 - 4 * taken)) & 15) : 0))
        );
        for (uint256 i = taken + rest % 2; i < 64; i += 2) {
            path = abi.encodePacked(path, uint8(uint256(key) >> (248 - 4 * i)));
        }
        bytes memory leaf = abi.encodePacked(uint8(0x80 + path.length), path, uint8(1));
        proof[depth - 1] = abi.encodePacked(uint8(0xc0 + leaf.length), leaf);
        for (uint256 level = taken; level > 0; --level) {
            bytes32 child = keccak256(proof[level]);
            bytes memory branch;
            for (uint256 nibble; nibble < 16; ++nibble) {
                bool onPath = nibble == uint8(uint256(key) >> (252 - 4 * (level - 1))) & 15;
                branch = abi.encodePacked(branch, uint8(0xa0), onPath ? child : keccak256(abi.encode(level, nibble)));
            }
            branch = abi.encodePacked(branch, uint8(0x80));
            proof[level - 1] = abi.encodePacked(uint8(0xf9), uint16(branch.length), branch);
        }
        root = keccak256(proof[0]);
    }
}
