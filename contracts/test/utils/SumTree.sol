// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IAttributionSettlement} from "../../src/interfaces/IAttributionSettlement.sol";
import {MerkleSum} from "../../src/libraries/MerkleSum.sol";

/// @title SumTree
/// @notice Builds claims trees and their proofs, the other side of MerkleSum.sol. Takes any leaves, also wrong ones.
library SumTree {
    struct Claim {
        uint256 datanetId;
        address account;
        uint128 cumulative;
    }

    /// @notice Bottom of the tree: the leaves, padded to a power of two.
    function leavesOf(Claim[] memory claims) internal pure returns (IAttributionSettlement.ProofNode[] memory leaves) {
        uint256 width = 1;
        while (width < claims.length) width <<= 1;
        leaves = new IAttributionSettlement.ProofNode[](width);
        for (uint256 i; i < claims.length; ++i) {
            leaves[i].hash = MerkleSum.hashLeaf(claims[i].datanetId, claims[i].account, claims[i].cumulative);
            leaves[i].sum = claims[i].cumulative;
        }
    }

    function rootOf(Claim[] memory claims) internal pure returns (bytes32 root, uint128 total) {
        if (claims.length == 0) return (0, 0);
        (root, total,) = fold(leavesOf(claims), 0);
    }

    function proofOf(Claim[] memory claims, uint256 index)
        internal
        pure
        returns (IAttributionSettlement.ProofNode[] memory proof)
    {
        (,, proof) = fold(leavesOf(claims), index);
    }

    /// @notice Root of the tree over `level`, a power of two wide, and the siblings of the node at `index`.
    function fold(IAttributionSettlement.ProofNode[] memory level, uint256 index)
        internal
        pure
        returns (bytes32 root, uint128 total, IAttributionSettlement.ProofNode[] memory proof)
    {
        uint256 depth;
        while (1 << depth < level.length) ++depth;
        proof = new IAttributionSettlement.ProofNode[](depth);
        for (uint256 height; height < depth; ++height) {
            proof[height] = level[(index >> height) ^ 1];
            IAttributionSettlement.ProofNode[] memory above = new IAttributionSettlement.ProofNode[](level.length / 2);
            for (uint256 i; i < above.length; ++i) {
                IAttributionSettlement.ProofNode memory l = level[2 * i];
                IAttributionSettlement.ProofNode memory r = level[2 * i + 1];
                above[i].hash = MerkleSum.hashNode(l.hash, l.sum, r.hash, r.sum);
                above[i].sum = l.sum + r.sum;
            }
            level = above;
        }
        return (level[0].hash, level[0].sum, proof);
    }
}
