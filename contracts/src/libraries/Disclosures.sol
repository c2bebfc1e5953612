// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @title Disclosures
/// @notice How an epoch's trees are cut into pieces that one transaction can disclose, and how many such transactions
/// an epoch may need: no more than the chain can take in a quarter of its window.
library Disclosures {
    /// Levels of a piece of a sum tree: 256 leaves, 1.4 million gas to disclose.
    uint256 internal constant PIECE_LEVELS = 8;

    /// Answers that an epoch may need for every second of a quarter of its window. The dearest takes 6.5 million gas
    /// (`contracts/snapshots/EpochDisclosureGas.json`), so eight are 52 of the sixty million that a block of a second has.
    uint256 internal constant ANSWERS_PER_SECOND = 8;

    /// @notice Pieces of a sum tree of so many levels.
    /// @param depth Levels above the leaves; at most 40.
    /// @return Number of pieces, a power of two.
    function piecesOf(uint256 depth) internal pure returns (uint256) {
        // One shifted by a number of levels is what is meant.
        // forge-lint: disable-next-line(incorrect-shift)
        return depth <= PIECE_LEVELS ? 1 : 1 << (depth - PIECE_LEVELS);
    }

    /// @notice Levels that one piece of the tree has.
    /// @param depth Levels above the tree's leaves.
    /// @return Levels of a piece.
    function levelsOf(uint256 depth) internal pure returns (uint256) {
        return depth < PIECE_LEVELS ? depth : PIECE_LEVELS;
    }

    /// @notice Answers that disclose an epoch entirely: a receipt each, and all pieces of both sum trees.
    /// @param receiptCount Receipts of the epoch.
    /// @param paymentsDepth Levels of the payments tree.
    /// @param claimsDepth Levels of the claims tree.
    /// @return Number of answers.
    function answersOf(uint256 receiptCount, uint256 paymentsDepth, uint256 claimsDepth)
        internal
        pure
        returns (uint256)
    {
        return receiptCount + piecesOf(paymentsDepth) + piecesOf(claimsDepth);
    }

    /// @notice Answers that an epoch may need.
    /// @param window Seconds of its challenge window.
    /// @return Number of answers.
    function answersMax(uint256 window) internal pure returns (uint256) {
        return ANSWERS_PER_SECOND * ((window + 3) / 4);
    }
}
