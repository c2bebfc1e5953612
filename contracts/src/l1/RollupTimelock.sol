// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";

/// @title RollupTimelock
/// @notice Owns what has an owner on L1: what it changes was announced a delay before, long enough to withdraw first. The
/// delay can be made longer and never shorter than it was at deployment, so what users were promised stays.
contract RollupTimelock is TimelockController {
    /// @notice The shortest delay, seconds: that of the deployment.
    uint256 public immutable delayMin;

    /// @notice The delay would be shorter than at deployment.
    /// @param delay Seconds.
    /// @param min The least that is allowed, seconds.
    error RollupTimelock_DelayTooShort(uint256 delay, uint256 min);

    /// @param delay Seconds from scheduling a change to the first moment in which it can be carried out.
    /// @param proposers May schedule and cancel.
    /// @param executors May carry out what is due; the zero address stands for anyone.
    /// @dev Nobody is admin, the deployer neither: roles change by a scheduled change or not at all.
    constructor(uint256 delay, address[] memory proposers, address[] memory executors)
        TimelockController(delay, proposers, executors, address(0))
    {
        delayMin = delay;
    }

    /// @inheritdoc TimelockController
    function updateDelay(uint256 newDelay) public override {
        if (newDelay < delayMin) revert RollupTimelock_DelayTooShort(newDelay, delayMin);
        super.updateDelay(newDelay);
    }
}
