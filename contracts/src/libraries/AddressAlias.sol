// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @title AddressAlias
/// @notice L2 addresses of L1 contracts. A contract's address is shifted, so that whoever can create a contract at some
/// address on one layer gains nothing at the same address on the other; the shift wraps around 2^160 and is a bijection.
library AddressAlias {
    uint160 internal constant OFFSET = uint160(0x1111000000000000000000000000000000001111);

    /// @notice Address on L2 of the contract `l1Address`.
    function toL2(address l1Address) internal pure returns (address) {
        unchecked {
            return address(uint160(l1Address) + OFFSET);
        }
    }

    /// @notice The contract whose L2 address is `l2Address`; the inverse of `toL2`.
    function toL1(address l2Address) internal pure returns (address) {
        unchecked {
            return address(uint160(l2Address) - OFFSET);
        }
    }
}
