// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// What client libraries have to decode: constructor arguments, immutables, events, and every kind of failure.
contract Probe {
    error Insufficient(address who, uint256 have, uint256 want);

    event Moved(address indexed from, uint256 indexed id, uint256 amount, string note);
    event Tick(uint256 indexed n);

    uint256 public total;
    mapping(uint256 => uint256) public stored;
    address public immutable owner;
    uint256 public immutable scale;

    constructor(uint256 scale_, uint256 total_) payable {
        owner = msg.sender;
        scale = scale_;
        total = total_;
    }

    function move(uint256 id, uint256 amount, string calldata note) external payable returns (uint256) {
        total += amount * scale;
        stored[id] += amount;
        emit Moved(msg.sender, id, amount, note);
        return total;
    }

    function ticks(uint256 count) external {
        for (uint256 i = 0; i < count; i++) {
            emit Tick(i);
        }
    }

    function demand(uint256 want) external view returns (uint256) {
        if (want > total) revert Insufficient(msg.sender, total, want);
        return total - want;
    }

    function refuse() external pure {
        revert("not today");
    }

    function divide(uint256 a, uint256 b) external pure returns (uint256) {
        return a / b;
    }

    function context() external view returns (uint256, uint256, uint256, address, uint256) {
        return (block.chainid, block.number, block.timestamp, msg.sender, address(this).balance);
    }
}
