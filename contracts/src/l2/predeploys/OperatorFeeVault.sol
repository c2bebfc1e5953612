// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {FeeVault} from "./FeeVault.sol";

/// @title OperatorFeeVault
/// @notice Collects the operator fee, which pays for proving.
contract OperatorFeeVault is FeeVault {
    constructor(address feeRecipient, uint256 minimum) FeeVault(feeRecipient, minimum) {}
}
