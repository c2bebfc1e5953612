// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @notice Where a game stands. The numbers are the OP Stack's.
enum GameStatus {
    IN_PROGRESS,
    CHALLENGER_WINS,
    DEFENDER_WINS
}

/// @notice How a closed game pays its bonds: by its outcome, or each back to whoever paid it.
enum BondDistributionMode {
    UNDECIDED,
    NORMAL,
    REFUND
}

/// @notice An output root and the L2 block that it stands for.
struct Proposal {
    bytes32 root;
    uint256 l2SequenceNumber;
}
