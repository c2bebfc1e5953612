// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// A tester's own contract: storage, an event, and a revert with a reason.
contract Box {
    error Broken(uint256 value);

    event Set(address indexed by, uint256 value);

    uint256 public value;

    function set(uint256 newValue) external {
        value = newValue;
        emit Set(msg.sender, newValue);
    }

    function fail() external view {
        revert Broken(value);
    }
}
