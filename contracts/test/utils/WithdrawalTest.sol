// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IOptimismPortal} from "../../src/interfaces/IOptimismPortal.sol";
import {IProofDisputeGame} from "../../src/interfaces/IProofDisputeGame.sol";
import {RollupHashing} from "../../src/libraries/RollupHashing.sol";
import {MessagePasserTrie} from "./MessagePasserTrie.sol";
import {RollupTest} from "./RollupTest.sol";

/// @title WithdrawalTest
/// @notice An L2 that is nothing but the list of withdrawals sent on it.
abstract contract WithdrawalTest is RollupTest {
    using RollupHashing for RollupHashing.Withdrawal;

    address internal immutable proposer = makeAddr("proposer");
    address internal immutable bob = makeAddr("bob");

    /// Hashes of everything sent.
    bytes32[] internal sent;
    uint256 internal l2Block;

    function setUp() public virtual override {
        super.setUp();
        lockGenesisSupply();
        // Others' withdrawals, so that the trie has some depth.
        for (uint256 i; i < 20; ++i) {
            send(RollupHashing.Withdrawal(0, bob, bob, 0, 0, abi.encode("filler", i)));
        }
    }

    /// @dev A withdrawal of alice's, sent.
    function withdrawal(address target, uint256 value, uint256 gasLimit, bytes memory data)
        internal
        returns (RollupHashing.Withdrawal memory)
    {
        return send(RollupHashing.Withdrawal(0, alice, target, value, gasLimit, data));
    }

    /// @dev Gives it the next nonce and records it as the message passer does.
    function send(RollupHashing.Withdrawal memory w) internal returns (RollupHashing.Withdrawal memory) {
        w.nonce = RollupHashing.versionedNonce(uint240(sent.length));
        sent.push(w.withdrawalHash());
        return w;
    }

    /// @dev Output root of an L2 block in which everything sent so far is recorded.
    function outputRootProof() internal view returns (RollupHashing.OutputRootProof memory) {
        return outputRootProof(1);
    }

    function outputRootProof(uint8 storedValue) internal view returns (RollupHashing.OutputRootProof memory) {
        return RollupHashing.OutputRootProof({
            version: 0,
            stateRoot: keccak256(abi.encode("state", l2Block)),
            messagePasserStorageRoot: MessagePasserTrie.build(slots(), storedValue, 0).root,
            latestBlockhash: keccak256(abi.encode("block", l2Block))
        });
    }

    /// @dev Nodes that prove the `index`-th withdrawal sent.
    function nodes(uint256 index) internal view returns (bytes[] memory) {
        return MessagePasserTrie.build(slots(), 1, index).proof;
    }

    /// @dev The same trie, if every slot held `value`.
    function trie(uint8 value, uint256 index) internal view returns (MessagePasserTrie.Built memory) {
        return MessagePasserTrie.build(slots(), value, index);
    }

    function slots() internal view returns (bytes32[] memory out) {
        out = new bytes32[](sent.length);
        for (uint256 i; i < sent.length; ++i) {
            out[i] = RollupHashing.withdrawalStorageKey(sent[i]);
        }
    }

    function counterOf(RollupHashing.Withdrawal memory w) internal pure returns (uint256) {
        return uint240(w.nonce);
    }

    /// @dev Proposes what has been sent so far; a second passes, so that it can be proven against.
    function proposeNow() internal returns (IProofDisputeGame game, uint256 index) {
        l2Block += 10;
        index = factory.gameCount();
        game = propose(proposer, RollupHashing.outputRoot(outputRootProof()), l2Block, ANCHOR);
        skip(1);
    }

    function prove(address who, RollupHashing.Withdrawal memory w, uint256 gameIndex) internal {
        bytes[] memory proof = nodes(counterOf(w));
        RollupHashing.OutputRootProof memory parts = outputRootProof();
        vm.prank(who);
        portal.proveWithdrawalTransaction(w, gameIndex, parts, proof);
    }

    function finalize(address who, RollupHashing.Withdrawal memory w) internal {
        vm.prank(who, who);
        portal.finalizeWithdrawalTransaction(w);
    }

    /// @dev Everything that has to happen before a withdrawal can be finalised by `bob`.
    function makeReady(RollupHashing.Withdrawal memory w) internal returns (IProofDisputeGame game) {
        uint256 index;
        (game, index) = proposeNow();
        prove(bob, w, index);
        finish(game);
        skip(MATURITY);
    }

    function expectFinalized(RollupHashing.Withdrawal memory w, bool success) internal {
        vm.expectEmit(address(portal));
        emit IOptimismPortal.WithdrawalFinalized(w.withdrawalHash(), success);
    }
}
