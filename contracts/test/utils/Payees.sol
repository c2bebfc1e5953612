// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @notice An account that takes no money.
contract Refuser {
    receive() external payable {
        revert("no");
    }
}

/// @notice An account that takes money only while it is open.
contract Door {
    bool public open;

    function set(bool open_) external {
        open = open_;
    }

    receive() external payable {
        require(open, "closed");
    }
}

/// @notice Forces what it is made with on an account.
contract Forcer {
    constructor(address payable target) payable {
        selfdestruct(target);
    }
}

/// @notice An account that burns all gas it is given.
contract GasGuzzler {
    uint256 private n;

    receive() external payable {
        while (true) ++n;
    }
}

/// @notice An account that calls back when it is paid, once armed.
contract Reentrant {
    address private target;
    bytes private data;
    bool public called;
    bool public succeeded;

    function arm(address target_, bytes calldata data_) external {
        (target, data) = (target_, data_);
    }

    receive() external payable {
        if (target == address(0)) return;
        called = true;
        (succeeded,) = target.call(data);
    }
}
