// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @title SenderEOA
/// @notice Tells accounts with a private key from contracts, as the OP Stack's portal does since EIP-7702.
library SenderEOA {
    /// @notice First bytes of a delegated account's code, followed by the 20-byte address it delegates to (EIP-7702).
    bytes3 private constant DELEGATION_PREFIX = 0xef0100;
    uint256 private constant DELEGATION_LENGTH = 23;

    /// @notice True if `msg.sender` has a private key that can act at the same address on L2: it sent this transaction,
    /// or its code is a delegation. No contract can have such code, since EIP-3541 refuses to create code that begins
    /// with 0xef.
    function isSenderEOA() internal view returns (bool) {
        // solhint-disable-next-line avoid-tx-origin
        if (msg.sender == tx.origin) return true;
        if (msg.sender.code.length != DELEGATION_LENGTH) return false;
        bytes memory code = msg.sender.code;
        // The first three bytes are what is meant.
        // forge-lint: disable-next-line(unsafe-typecast)
        return bytes3(code) == DELEGATION_PREFIX;
    }
}
