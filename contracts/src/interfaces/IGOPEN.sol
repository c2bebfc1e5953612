// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @title IGOPEN
/// @notice Votes for locked OPEN. A holder locks wrapped OPEN and chooses a *notice*: the time that must pass between asking
/// for it back and getting it. Votes are the amount times notice over the longest notice, so a vote weighs what it risks: a
/// holder with two years' notice lives with the outcome for two years.
/// @dev Unlike a lock with an end date, weight does not fade while one is locked, so it is a plain checkpoint that OpenZeppelin's
/// Governor reads. Asking for OPEN back takes the votes away at once.
/// INVARIANT: the shortest notice is longer than the longest way from a proposal's snapshot to its execution, so whoever could
/// vote on something still has OPEN locked when it happens ({OpenGovernor} refuses to be deployed otherwise).
/// What is locked cannot be transferred, approved or pledged, and there is no function that pretends so: no fallback, no
/// `transfer`. Nobody but the holder can move it, and there is no owner. `balanceOf` and `totalSupply` are of locked OPEN, wei;
/// `getVotes` and its kin of votes. The clock is the block's timestamp.
interface IGOPEN {
    struct Unlock {
        address account;
        uint128 amount;
        /// Unix seconds from which it is paid.
        uint64 availableAt;
    }

    event Locked(address indexed account, uint256 amount, uint32 notice, uint256 votes);
    event UnlockRequested(uint256 indexed unlockId, address indexed account, uint256 amount, uint64 availableAt);
    event Unlocked(uint256 indexed unlockId, address indexed to, uint256 amount);

    /// @notice The notice is outside its bounds or shorter than the present one, seconds.
    error GOPEN_NoticeOutOfBounds(uint256 notice, uint256 min, uint256 max);
    /// @notice The amount is zero.
    error GOPEN_AmountZero();
    /// @notice The account has less locked.
    error GOPEN_LockedInsufficient(uint256 locked, uint256 asked);
    /// @notice Only who asked for it may fetch it.
    error GOPEN_NotUnlockOwner(uint256 unlockId, address caller);
    /// @notice It is paid from `availableAt`.
    error GOPEN_NoticeRuns(uint256 unlockId, uint64 availableAt);

    /// @notice Locks `amount` of the sender's wrapped OPEN. All that an account has locked has one notice; it can only grow.
    function lock(uint128 amount, uint32 notice) external;
    /// @notice Wraps the value and locks it.
    function lockNative(uint32 notice) external payable;
    /// @notice Takes a signed approval (EIP-2612) first. An approval that was used already by somebody else does no harm.
    function lockWithPermit(uint128 amount, uint32 notice, uint256 deadline, uint8 v, bytes32 r, bytes32 s) external;
    /// @notice Lengthens the notice of all that the sender has locked.
    function raiseNotice(uint32 notice) external;
    /// @notice Takes votes away and starts the notice.
    function requestUnlock(uint128 amount) external returns (uint256 unlockId);
    /// @notice Pays what the notice has run out for, in wrapped OPEN.
    function unlock(uint256 unlockId, address to) external;

    function noticeMin() external view returns (uint32);
    function noticeOf(address account) external view returns (uint32);
    function unlockOf(uint256 unlockId) external view returns (Unlock memory);
    function balanceOf(address account) external view returns (uint256);
    function totalSupply() external view returns (uint256);
}
