// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @title IExpiringPause
/// @notice A brake for what is new, which lets go by itself. A guardian can stop a contract from taking in new money for at
/// most seven days, and not again for 28 days after it began. What is already inside is never held: no exit, withdrawal,
/// refund, slash or claim asks whether the contract is paused.
/// @dev A pause without an end is custody under another name. One that ends needs no trust in whoever holds the key.
interface IExpiringPause {
    /// @notice New money is refused until `until`, Unix seconds.
    /// @param guardian Who did it.
    /// @param until Unix second at which it ends.
    event Paused(address indexed guardian, uint64 until);
    /// @notice The pause was ended early.
    /// @param caller The guardian or the owner.
    event Unpaused(address indexed caller);
    /// @notice Who may pause from now on; zero for nobody.
    /// @param guardian Who can pause from now on; zero for nobody.
    event GuardianSet(address indexed guardian);

    /// @notice The contract is paused until `until`, Unix seconds.
    /// @param until Unix second at which it ends.
    error ExpiringPause_Paused(uint64 until);
    /// @notice Only the guardian may do this.
    /// @param caller Who tried to.
    error ExpiringPause_NotGuardian(address caller);
    /// @notice The next pause can begin at `from`, Unix seconds.
    /// @param from First Unix second at which it can be paused again.
    error ExpiringPause_TooSoon(uint64 from);
    /// @notice A pause lasts 1 second to seven days.
    /// @param duration What was asked for, seconds.
    /// @param max The most that is allowed.
    error ExpiringPause_DurationOutOfBounds(uint64 duration, uint64 max);
    /// @notice There is no pause to end.
    error ExpiringPause_NotPaused();

    /// @notice Refuses new money for `duration` seconds. Only the guardian, once in 28 days.
    /// @param duration Seconds, 1 to the maximum of seven days.
    function pause(uint64 duration) external;
    /// @notice Ends a pause. The guardian or the owner.
    function unpause() external;
    /// @notice Replaces the guardian; only the owner.
    /// @param guardian Who can pause from now on; zero for nobody.
    function setGuardian(address guardian) external;

    /// @notice Who may pause.
    /// @return Who can pause; zero if nobody can.
    function guardian() external view returns (address);
    /// @notice End of the last pause, Unix seconds; 0 if there was none.
    /// @return Unix second from which new money is taken again; in the past if it is not paused.
    function pausedUntil() external view returns (uint64);
    /// @notice Whether new money is refused at the moment.
    /// @return Whether new money is refused now.
    function isPaused() external view returns (bool);
}
