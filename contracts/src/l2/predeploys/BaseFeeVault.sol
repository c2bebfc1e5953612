// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {FeeVault} from "./FeeVault.sol";

/// @title BaseFeeVault
/// @notice Collects the base fee of every L2 transaction; it is not burned.
contract BaseFeeVault is FeeVault {
    constructor(address feeRecipient, uint256 minimum) FeeVault(feeRecipient, minimum) {}
}
