// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IAttributionSettlement} from "../interfaces/IAttributionSettlement.sol";

/// @title MerkleSum
/// @notice Proofs in a tree whose every node also carries the sum of its leaves. The root's sum is what the tree promises
/// at most: a proof shows on its way up that all sums beside it fit, so leaves that sum to more than the root cannot all
/// be proven. docs/formats/economy.md has the layout.
library MerkleSum {
    /// Levels of the largest tree that is opened.
    uint256 internal constant DEPTH_MAX = 40;

    /// @notice Leaf hash of a claim. Hashed twice, so that no 128-byte inner node can be presented as a leaf.
    function hashLeaf(uint256 datanetId, address account, uint128 cumulative) internal pure returns (bytes32) {
        return keccak256(bytes.concat(keccak256(abi.encode(datanetId, account, cumulative))));
    }

    /// @notice Hash of two nodes with their sums: keccak256(abi.encode(left, leftSum, right, rightSum)).
    /// @dev In free memory that is not kept: a claim hashes once per level, and allocating each time would cost more than
    /// the hashing.
    function hashNode(bytes32 left, uint128 leftSum, bytes32 right, uint128 rightSum)
        internal
        pure
        returns (bytes32 hash)
    {
        assembly ("memory-safe") {
            let free := mload(0x40)
            mstore(free, left)
            mstore(add(free, 0x20), shr(128, shl(128, leftSum)))
            mstore(add(free, 0x40), right)
            mstore(add(free, 0x60), shr(128, shl(128, rightSum)))
            hash := keccak256(free, 0x80)
        }
    }

    /// @notice True if the node (`hash`, `sum`) is at `index` of the tree's bottom under (`root`, `total`). `prefix` is the sum
    /// of all leaves before it. False as well for a path that overflows 128 bits or is longer than DEPTH_MAX.
    function verify(
        bytes32 root,
        uint128 total,
        bytes32 hash,
        uint128 sum,
        uint256 index,
        IAttributionSettlement.ProofNode[] calldata proof
    ) internal pure returns (bool ok, uint128 prefix) {
        uint256 depth = proof.length;
        if (depth > DEPTH_MAX || index >> depth != 0) return (false, 0);
        // Nothing here overflows: a sum is checked before it is narrowed, and the siblings on the left cover disjoint
        // leaves, so their sum `prefix` stays below the parent's.
        unchecked {
            for (uint256 level; level < depth; ++level) {
                IAttributionSettlement.ProofNode calldata sibling = proof[level];
                uint128 siblingSum = sibling.sum;
                uint256 parentSum = uint256(sum) + siblingSum;
                if (parentSum > type(uint128).max) return (false, 0);
                if ((index >> level) & 1 == 1) {
                    hash = hashNode(sibling.hash, siblingSum, hash, sum);
                    prefix += siblingSum;
                } else {
                    hash = hashNode(hash, sum, sibling.hash, siblingSum);
                }
                // forge-lint: disable-next-line(unsafe-typecast)
                sum = uint128(parentSum);
            }
        }
        ok = hash == root && sum == total;
    }
}
