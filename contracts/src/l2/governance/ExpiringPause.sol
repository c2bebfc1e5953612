// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Ownable2Step} from "@openzeppelin/contracts/access/Ownable2Step.sol";

import {IExpiringPause} from "../../interfaces/IExpiringPause.sol";

/// @title ExpiringPause
/// @notice See {IExpiringPause}. A contract that inherits it marks what takes in new money with `whenNotPaused`.
abstract contract ExpiringPause is IExpiringPause, Ownable2Step {
    /// @notice The longest pause, seconds.
    uint64 public constant PAUSE_MAX = 7 days;
    /// @notice Seconds from one pause to the next at least.
    uint64 public constant PAUSE_INTERVAL = 28 days;

    // one slot
    /// @inheritdoc IExpiringPause
    address public guardian;
    /// Start of the last pause, so that one cannot follow upon another.
    uint48 private _pausedAt;
    uint48 private _pausedUntil;

    /// @dev Refuses while a pause lasts.
    modifier whenNotPaused() {
        _requireNotPaused();
        _;
    }

    function _requireNotPaused() private view {
        if (isPaused()) revert ExpiringPause_Paused(_pausedUntil);
    }

    /// @inheritdoc IExpiringPause
    function pause(uint64 duration) external {
        // Check
        if (msg.sender != guardian) revert ExpiringPause_NotGuardian(msg.sender);
        if (duration == 0 || duration > PAUSE_MAX) revert ExpiringPause_DurationOutOfBounds(duration, PAUSE_MAX);
        uint64 from = _pausedAt + PAUSE_INTERVAL;
        if (_pausedAt != 0 && block.timestamp < from) revert ExpiringPause_TooSoon(from);

        // Effect
        _pausedAt = uint48(block.timestamp);
        // forge-lint: disable-next-line(unsafe-typecast)
        _pausedUntil = uint48(block.timestamp + duration);
        emit Paused(msg.sender, _pausedUntil);
    }

    /// @inheritdoc IExpiringPause
    function unpause() external {
        // Check
        if (msg.sender != guardian && msg.sender != owner()) revert ExpiringPause_NotGuardian(msg.sender);
        if (!isPaused()) revert ExpiringPause_NotPaused();

        // Effect
        _pausedUntil = uint48(block.timestamp);
        emit Unpaused(msg.sender);
    }

    /// @inheritdoc IExpiringPause
    function setGuardian(address guardian_) external onlyOwner {
        _setGuardian(guardian_);
    }

    function _setGuardian(address guardian_) internal {
        guardian = guardian_;
        emit GuardianSet(guardian_);
    }

    /// @inheritdoc IExpiringPause
    function pausedUntil() external view returns (uint64) {
        return _pausedUntil;
    }

    /// @inheritdoc IExpiringPause
    function isPaused() public view returns (bool) {
        return block.timestamp < _pausedUntil;
    }
}
