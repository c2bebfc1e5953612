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

    /// @notice OPEN was locked for votes.
    /// @param account Whose lock it is.
    /// @param amount What was added, wei.
    /// @param notice Notice of all that the account has locked, seconds.
    /// @param votes Votes of all that it has locked: wei times notice, over two years.
    event Locked(address indexed account, uint256 amount, uint32 notice, uint256 votes);
    /// @notice OPEN was asked back; its votes are gone.
    /// @param unlockId Id of the exit, from 1.
    /// @param account Whose lock it is.
    /// @param amount What was asked back, wei.
    /// @param availableAt Unix second from which it can be.
    event UnlockRequested(uint256 indexed unlockId, address indexed account, uint256 amount, uint64 availableAt);
    /// @notice OPEN was paid back.
    /// @param unlockId Id of the exit, from 1.
    /// @param to Who was paid.
    /// @param amount Wei of wrapped OPEN.
    event Unlocked(uint256 indexed unlockId, address indexed to, uint256 amount);

    /// @notice The notice is outside its bounds or shorter than the present one, seconds.
    /// @param notice What was asked for, seconds.
    /// @param min The least that is allowed.
    /// @param max The most that is allowed.
    error GOPEN_NoticeOutOfBounds(uint256 notice, uint256 min, uint256 max);
    /// @notice The amount is zero.
    error GOPEN_AmountZero();
    /// @notice The account has less locked.
    /// @param locked What is locked, wei.
    /// @param asked What was asked back, wei.
    error GOPEN_LockedInsufficient(uint256 locked, uint256 asked);
    /// @notice Only who asked for it may fetch it.
    /// @param unlockId Id of the exit, from 1.
    /// @param caller Who tried to fetch it.
    error GOPEN_NotUnlockOwner(uint256 unlockId, address caller);
    /// @notice It is paid from `availableAt`.
    /// @param unlockId Id of the exit, from 1.
    /// @param availableAt Unix second from which it can be.
    error GOPEN_NoticeRuns(uint256 unlockId, uint64 availableAt);

    /// @notice Locks `amount` of the sender's wrapped OPEN. All that an account has locked has one notice; it can only grow.
    /// @param amount Wei of wrapped OPEN, more than zero.
    /// @param notice Seconds, not below the present notice.
    function lock(uint128 amount, uint32 notice) external;
    /// @notice Wraps the value and locks it.
    /// @param notice Seconds, not below the present notice.
    function lockNative(uint32 notice) external payable;
    /// @notice Takes a signed approval (EIP-2612) first. An approval that was used already by somebody else does no harm.
    /// @param amount Wei of wrapped OPEN, more than zero.
    /// @param notice Seconds, not below the present notice.
    /// @param deadline Unix second until which it holds.
    /// @param v Of the approval's signature.
    /// @param r Of the approval's signature.
    /// @param s Of the approval's signature.
    function lockWithPermit(uint128 amount, uint32 notice, uint256 deadline, uint8 v, bytes32 r, bytes32 s) external;
    /// @notice Lengthens the notice of all that the sender has locked.
    /// @param notice Seconds, not below the present notice.
    function raiseNotice(uint32 notice) external;
    /// @notice Takes votes away and starts the notice.
    /// @param amount Wei, at most what is locked.
    /// @return unlockId Id of the exit.
    function requestUnlock(uint128 amount) external returns (uint256 unlockId);
    /// @notice Pays what the notice has run out for, in wrapped OPEN.
    /// @param unlockId Id of the exit, from 1.
    /// @param to Who is paid.
    function unlock(uint256 unlockId, address to) external;

    /// @notice The shortest notice, seconds.
    /// @return Seconds, fixed at deployment.
    function noticeMin() external view returns (uint32);
    /// @notice The notice that an account has chosen.
    /// @param account Whose lock it is.
    /// @return Seconds; zero if it never locked anything.
    function noticeOf(address account) external view returns (uint32);
    /// @notice An exit.
    /// @param unlockId Id of the exit, from 1.
    /// @return Whose it is, wei, and when it can be fetched.
    function unlockOf(uint256 unlockId) external view returns (Unlock memory);
    /// @notice OPEN that an account has locked; what it may vote with is `getVotes`.
    /// @param account Whose lock it is.
    /// @return Wei.
    function balanceOf(address account) external view returns (uint256);
    /// @notice OPEN that all have locked.
    /// @return Wei.
    function totalSupply() external view returns (uint256);
}
