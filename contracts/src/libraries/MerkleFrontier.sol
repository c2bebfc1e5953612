// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Merkle} from "./Merkle.sol";

/// @title MerkleFrontier
/// @notice Appends to a plain tree (Merkle.sol) while storing only its frontier: the roots of the perfect subtrees that the
/// binary digits of the leaf count name. An append writes one slot and hashes as often as the count has trailing ones,
/// once on average; the root is folded from the frontier when it is asked for.
library MerkleFrontier {
    struct Frontier {
        uint256 count;
        /// Root of the perfect subtree of 2^level leaves, meaningful where bit `level` of `count` is set.
        mapping(uint256 level => bytes32 node) nodes;
    }

    /// @notice Appends a leaf node and returns its index.
    function append(Frontier storage self, bytes32 node) internal returns (uint256 index) {
        index = self.count;
        uint256 level;
        for (; (index >> level) & 1 == 1; ++level) {
            node = Merkle.hashNode(self.nodes[level], node);
        }
        self.nodes[level] = node;
        self.count = index + 1;
    }

    /// @notice Root over all leaves appended; zero when there are none.
    function root(Frontier storage self) internal view returns (bytes32 node) {
        uint256 count = self.count;
        bool found;
        for (uint256 level; count >> level != 0; ++level) {
            if ((count >> level) & 1 == 0) continue;
            node = found ? Merkle.hashNode(self.nodes[level], node) : self.nodes[level];
            found = true;
        }
    }
}
