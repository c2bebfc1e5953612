// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {SafeTransferLib} from "solady/utils/SafeTransferLib.sol";

import {Errors} from "./Errors.sol";

/// @title Credit
/// @notice Balances that a contract owes and that their owners fetch: a payee that cannot receive blocks nobody else.
library Credit {
    struct Book {
        mapping(address account => uint256 amount) owed;
    }

    /// @notice Owes `amount` more to `account`.
    function add(Book storage self, address account, uint256 amount) internal {
        if (amount != 0) self.owed[account] += amount;
    }

    /// @notice Pays all that `account` is owed to `to`. The effect comes before the transfer.
    function withdraw(Book storage self, address account, address payable to) internal returns (uint256 amount) {
        // Check
        if (to == address(0)) revert Errors.ZeroAddress();
        amount = self.owed[account];
        if (amount == 0) revert Errors.NothingToWithdraw(account);

        // Effect
        self.owed[account] = 0;

        // Interaction
        SafeTransferLib.safeTransferETH(to, amount);
    }
}
