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
    /// @dev keccak256(bytes.concat(keccak256(abi.encode(datanetId, account, cumulative)))), in free memory that is not kept.
    function hashLeaf(uint256 datanetId, address account, uint128 cumulative) internal pure returns (bytes32 hash) {
        assembly ("memory-safe") {
            let free := mload(0x40)
            mstore(free, datanetId)
            mstore(add(free, 0x20), shr(96, shl(96, account)))
            mstore(add(free, 0x40), shr(128, shl(128, cumulative)))
            mstore(0x00, keccak256(free, 0x60))
            hash := keccak256(0x00, 0x20)
        }
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

    /// @notice What (`root`, `total`) are kept as where one word is read for each claim.
    function commit(bytes32 root, uint128 total) internal pure returns (bytes32 commitment) {
        assembly ("memory-safe") {
            mstore(0x00, root)
            mstore(0x20, shr(128, shl(128, total)))
            commitment := keccak256(0x00, 0x40)
        }
    }

    /// @notice True if the node (`hash`, `sum`) is at `index` of the tree's bottom under (`root`, `total`). False as well for a path
    /// that overflows 128 bits or is longer than DEPTH_MAX.
    function verify(
        bytes32 root,
        uint128 total,
        bytes32 hash,
        uint128 sum,
        uint256 index,
        IAttributionSettlement.ProofNode[] calldata proof
    ) internal pure returns (bool) {
        (bool ok, bytes32 top, uint128 sumInAll) = climb(hash, sum, index, proof);
        return ok && top == root && sumInAll == total;
    }

    /// @notice The root and its sum that the path leads to from the node (`hash`, `sum`) at `index` of the bottom. Not `ok` for a
    /// path that overflows 128 bits or is longer than DEPTH_MAX.
    function climb(bytes32 hash, uint128 sum, uint256 index, IAttributionSettlement.ProofNode[] calldata proof)
        internal
        pure
        returns (bool ok, bytes32 root, uint128 total)
    {
        uint256 depth = proof.length;
        if (depth > DEPTH_MAX || index >> depth != 0) return (false, 0, 0);
        uint256 sumInAll = sum;
        // A claim walks one level for each doubling of the accounts: this loop is what grows of its gas.
        // SOUNDNESS: at most 40 sums are added, so where each is below 2^128 nothing wraps; and sums only grow, so if the last one
        // is, none on the way was too large.
        assembly ("memory-safe") {
            root := hash
            // The four words from 0x00 on, of which Solidity's free pointer and its zero are put back below.
            let free := mload(0x40)
            let seen := 0
            let end := add(proof.offset, shl(6, depth))
            // Bit 6 says which half is the own one: the left of what is hashed, or the right.
            index := shl(6, index)
            for { let sibling := proof.offset } lt(sibling, end) { sibling := add(sibling, 0x40) } {
                let own := and(index, 0x40)
                calldatacopy(xor(own, 0x40), sibling, 0x40)
                mstore(own, root)
                mstore(add(own, 0x20), sumInAll)
                let siblingSum := calldataload(add(sibling, 0x20))
                seen := or(seen, siblingSum)
                sumInAll := add(sumInAll, siblingSum)
                root := keccak256(0x00, 0x80)
                index := shr(1, index)
            }
            mstore(0x40, free)
            mstore(0x60, 0)
            ok := iszero(shr(128, or(seen, sumInAll)))
        }
        // Only where it is `ok` is it used.
        // forge-lint: disable-next-line(unsafe-typecast)
        total = uint128(sumInAll);
    }

    /// @notice Sum of all leaves before the one at `index`, of a path that {verify} has found true.
    function prefix(uint256 index, IAttributionSettlement.ProofNode[] calldata proof)
        internal
        pure
        returns (uint128 sum)
    {
        for (uint256 level; level < proof.length; ++level) {
            if ((index >> level) & 1 == 1) sum += proof[level].sum;
        }
    }
}
