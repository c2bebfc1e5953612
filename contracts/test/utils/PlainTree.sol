// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Merkle} from "../../src/libraries/Merkle.sol";

/// @title PlainTree
/// @notice Builds plain trees and their proofs level by level, the other side of Merkle.sol and MerkleFrontier.sol.
library PlainTree {
    function rootOf(bytes32[] memory items) internal pure returns (bytes32 root) {
        if (items.length == 0) return 0;
        (root,) = fold(items, 0);
    }

    function fold(bytes32[] memory items, uint256 index) internal pure returns (bytes32 root, bytes32[] memory proof) {
        bytes32[] memory leaves = new bytes32[](items.length);
        for (uint256 i; i < items.length; ++i) {
            leaves[i] = Merkle.hashLeaf(items[i]);
        }
        return foldLeaves(leaves, index);
    }

    /// @dev Of items of any length, such as chunks.
    function fold(bytes[] memory items, uint256 index) internal pure returns (bytes32 root, bytes32[] memory proof) {
        bytes32[] memory leaves = new bytes32[](items.length);
        for (uint256 i; i < items.length; ++i) {
            leaves[i] = Merkle.hashLeaf(items[i]);
        }
        return foldLeaves(leaves, index);
    }

    /// @notice Root and the siblings of several items together, ascending.
    function foldMany(bytes32[] memory items, uint256[] memory indices)
        internal
        pure
        returns (bytes32 root, bytes32[] memory proof)
    {
        bytes32[] memory level = new bytes32[](items.length);
        bool[] memory known = new bool[](items.length);
        for (uint256 i; i < items.length; ++i) {
            level[i] = Merkle.hashLeaf(items[i]);
        }
        for (uint256 i; i < indices.length; ++i) {
            known[indices[i]] = true;
        }
        bytes32[] memory siblings = new bytes32[](indices.length * 20);
        uint256 used;
        while (level.length > 1) {
            bytes32[] memory above = new bytes32[]((level.length + 1) / 2);
            bool[] memory aboveKnown = new bool[](above.length);
            for (uint256 i; i < above.length; ++i) {
                (uint256 l, uint256 r) = (2 * i, 2 * i + 1);
                if (r == level.length) {
                    (above[i], aboveKnown[i]) = (level[l], known[l]);
                    continue;
                }
                (above[i], aboveKnown[i]) = (Merkle.hashNode(level[l], level[r]), known[l] || known[r]);
                if (known[l] != known[r]) siblings[used++] = level[known[l] ? r : l];
            }
            (level, known) = (above, aboveKnown);
        }
        proof = new bytes32[](used);
        for (uint256 i; i < used; ++i) {
            proof[i] = siblings[i];
        }
        return (level[0], proof);
    }

    function foldLeaves(bytes32[] memory level, uint256 index)
        private
        pure
        returns (bytes32 root, bytes32[] memory proof)
    {
        bytes32[] memory siblings = new bytes32[](256);
        uint256 used;
        while (level.length > 1) {
            if ((index ^ 1) < level.length) siblings[used++] = level[index ^ 1];
            index >>= 1;
            bytes32[] memory above = new bytes32[]((level.length + 1) / 2);
            for (uint256 i; i < above.length; ++i) {
                above[i] = 2 * i + 1 < level.length ? Merkle.hashNode(level[2 * i], level[2 * i + 1]) : level[2 * i];
            }
            level = above;
        }
        proof = new bytes32[](used);
        for (uint256 i; i < used; ++i) {
            proof[i] = siblings[i];
        }
        return (level[0], proof);
    }
}
