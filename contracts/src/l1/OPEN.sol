// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";

/// @title OPEN
/// @notice The token of OpenLedger on L1; on L2 it is the native currency. The supply is fixed: all of it is minted at
/// deployment, there is no owner and nobody can mint, pause or seize. What circulates on L2 is locked in `OptimismPortal`.
contract OPEN is ERC20, ERC20Permit {
    /// @notice One billion OPEN, 18 decimals.
    uint256 public constant SUPPLY = 1_000_000_000e18;

    /// @param holder Receives the whole supply.
    constructor(address holder) ERC20("OpenLedger", "OPEN") ERC20Permit("OpenLedger") {
        _mint(holder, SUPPLY);
    }
}
