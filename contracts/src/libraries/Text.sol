// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @title Text
/// @notice Checks on names that people and clients compare by eye.
library Text {
    /// @notice True if all characters are printable ASCII other than space (0x21 to 0x7e).
    function isPrintable(bytes calldata text) internal pure returns (bool) {
        for (uint256 i; i < text.length; ++i) {
            if (text[i] < 0x21 || text[i] > 0x7e) return false;
        }
        return true;
    }
}
