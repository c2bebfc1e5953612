// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {FeeVault} from "./FeeVault.sol";

/// @title L1FeeVault
/// @notice Collects the L1 data fee, which pays for batches.
contract L1FeeVault is FeeVault {
    constructor(address feeRecipient, uint256 minimum) FeeVault(feeRecipient, minimum) {}
}
