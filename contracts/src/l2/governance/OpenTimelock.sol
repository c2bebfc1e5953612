// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";

/// @title OpenTimelock
/// @notice OpenZeppelin's timelock with bounds on its delay: long enough that whoever disagrees can leave what leaves at
/// once, short enough that votes are still locked at execution ({OpenGovernor} adds it up). It owns what governance owns.
contract OpenTimelock is TimelockController {
    /// @notice The shortest delay, seconds.
    uint256 public constant DELAY_MIN = 1 days;
    /// @notice The longest delay, seconds.
    uint256 public constant DELAY_MAX = 7 days;

    /// @notice The delay is outside its bounds, seconds.
    /// @param delay Seconds.
    /// @param min The least that is allowed.
    /// @param max The most that is allowed.
    error OpenTimelock_DelayOutOfBounds(uint256 delay, uint256 min, uint256 max);

    /// @param governor Alone proposes, cancels and executes, so that its expiry of proposals holds.
    /// @dev Nobody is admin: roles change by a vote or not at all.
    constructor(uint256 delay, address governor)
        TimelockController(_checked(delay), _only(governor), _only(governor), address(0))
    {}

    /// @inheritdoc TimelockController
    function updateDelay(uint256 newDelay) public override {
        super.updateDelay(_checked(newDelay));
    }

    function _checked(uint256 delay) private pure returns (uint256) {
        if (delay < DELAY_MIN || delay > DELAY_MAX) revert OpenTimelock_DelayOutOfBounds(delay, DELAY_MIN, DELAY_MAX);
        return delay;
    }

    function _only(address account) private pure returns (address[] memory accounts) {
        accounts = new address[](1);
        accounts[0] = account;
    }
}
