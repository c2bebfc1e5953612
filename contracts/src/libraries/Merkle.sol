// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @title Merkle
/// @notice Proofs in a plain, ordered tree: the one of RFC 6962 over keccak256. Leaves and inner nodes hash under
/// different prefixes, so neither can be passed off as the other; a node without a right neighbour is carried up
/// unchanged, so no padding leaf exists that could be claimed. docs/formats/economy.md has the layout.
library Merkle {
    /// @notice Leaf node of a 32-byte item.
    function hashLeaf(bytes32 item) internal pure returns (bytes32 hash) {
        assembly ("memory-safe") {
            mstore8(0x00, 0x00)
            mstore(0x01, item)
            hash := keccak256(0x00, 0x21)
        }
    }

    /// @notice Leaf node of an item of any length, such as a chunk of a document.
    function hashLeaf(bytes memory item) internal pure returns (bytes32) {
        return keccak256(bytes.concat(bytes1(0x00), item));
    }

    /// @notice Parent of two nodes: keccak256(abi.encodePacked(bytes1(0x01), left, right)).
    /// @dev In free memory that is not kept: a path hashes once for each level.
    function hashNode(bytes32 left, bytes32 right) internal pure returns (bytes32 hash) {
        assembly ("memory-safe") {
            let free := mload(0x40)
            mstore8(free, 0x01)
            mstore(add(free, 0x01), left)
            mstore(add(free, 0x21), right)
            hash := keccak256(free, 0x41)
        }
    }

    /// @notice True if `node` is leaf `index` of the `count` leaves under `root`. `proof` holds the siblings from the bottom
    /// up, and none where the node is carried up. The work is bounded by the bits of `count`.
    function verify(bytes32 root, bytes32 node, uint256 index, uint256 count, bytes32[] calldata proof)
        internal
        pure
        returns (bool)
    {
        if (index >= count) return false;
        uint256 used;
        for (uint256 width = count; width > 1; width = (width + 1) >> 1) {
            if (index & 1 == 1 || index + 1 < width) {
                if (used == proof.length) return false;
                bytes32 sibling = proof[used++];
                node = index & 1 == 1 ? hashNode(sibling, node) : hashNode(node, sibling);
            }
            index >>= 1;
        }
        return used == proof.length && node == root;
    }

    /// @notice True if `nodes` are the leaves at `indices` of the `count` leaves under `root`. Indices ascend, each once; there is
    /// one at least. `proof` holds the siblings from the bottom up, of each level from left to right, none that follows from
    /// those below. Both lists are overwritten.
    /// @dev SOUNDNESS: what is hashed with what follows from the indices and `count` alone, so a list of siblings either has
    /// exactly those or is refused.
    function verifyMany(
        bytes32 root,
        bytes32[] memory nodes,
        uint256[] memory indices,
        uint256 count,
        bytes32[] calldata proof
    ) internal pure returns (bool) {
        uint256 known = nodes.length;
        if (known == 0 || known != indices.length || indices[known - 1] >= count) return false;
        for (uint256 i = 1; i < known; ++i) {
            if (indices[i] <= indices[i - 1]) return false;
        }
        uint256 used;
        for (uint256 width = count; width > 1; width = (width + 1) >> 1) {
            uint256 above;
            for (uint256 i; i < known; ++i) {
                (uint256 index, bytes32 node) = (indices[i], nodes[i]);
                if (index & 1 == 0 && i + 1 < known && indices[i + 1] == index + 1) {
                    node = hashNode(node, nodes[++i]);
                } else if (index & 1 == 1 || index + 1 < width) {
                    if (used == proof.length) return false;
                    bytes32 sibling = proof[used++];
                    node = index & 1 == 1 ? hashNode(sibling, node) : hashNode(node, sibling);
                }
                (indices[above], nodes[above]) = (index >> 1, node);
                ++above;
            }
            known = above;
        }
        return used == proof.length && nodes[0] == root;
    }
}
