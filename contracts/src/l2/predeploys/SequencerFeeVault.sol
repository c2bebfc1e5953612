// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {FeeVault} from "./FeeVault.sol";

/// @title SequencerFeeVault
/// @notice Collects priority fees: it is the coinbase of every L2 block.
contract SequencerFeeVault is FeeVault {
    constructor(address feeRecipient, uint256 minimum) FeeVault(feeRecipient, minimum) {}

    /// @notice `recipient` under its oldest name.
    /// @return The address.
    function l1FeeWallet() external view returns (address) {
        return recipient;
    }
}
