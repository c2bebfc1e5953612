// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Merkle} from "../../src/libraries/Merkle.sol";

/// @title SparseTree
/// @notice A plain tree of any size of which only some leaves are ever opened: whatever else is under the root is made up, node by
/// node. So it is as deep as the real one, its proofs are as long, and it is made in no time.
library SparseTree {
    /// @notice Root, and the siblings of those leaves that are `shown`, together.
    /// @param indices Places of the leaves among `count`, ascending. No list is overwritten.
    function fold(uint256[] memory indices, bytes32[] memory leaves, uint256 count, bool[] memory shown)
        internal
        pure
        returns (bytes32 root, bytes32[] memory proof)
    {
        uint256 known = indices.length;
        uint256[] memory places = new uint256[](known);
        bytes32[] memory nodes = new bytes32[](known);
        bool[] memory open = new bool[](known);
        for (uint256 i; i < known; ++i) {
            (places[i], nodes[i], open[i]) = (indices[i], leaves[i], shown[i]);
        }
        proof = new bytes32[](known * 20);
        uint256 used;
        uint256 level;
        for (uint256 width = count; width > 1; width = (width + 1) / 2) {
            uint256 above;
            for (uint256 i; i < known; ++i) {
                uint256 place = places[i];
                (bytes32 node, bool opens) = (nodes[i], open[i]);
                if (place % 2 == 0 && i + 1 < known && places[i + 1] == place + 1) {
                    ++i;
                    if (opens != open[i]) proof[used++] = opens ? nodes[i] : node;
                    (node, opens) = (Merkle.hashNode(node, nodes[i]), opens || open[i]);
                } else if (place % 2 == 1 || place + 1 < width) {
                    bytes32 other = keccak256(abi.encode(level, place ^ 1));
                    if (opens) proof[used++] = other;
                    node = place % 2 == 1 ? Merkle.hashNode(other, node) : Merkle.hashNode(node, other);
                }
                (places[above], nodes[above], open[above]) = (place / 2, node, opens);
                ++above;
            }
            known = above;
            ++level;
        }
        assembly ("memory-safe") {
            mstore(proof, used)
        }
        return (nodes[0], proof);
    }
}
