// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @title SafeCall
/// @notice Calls that promise the callee an amount of gas. The caller of a relay chooses the gas of the transaction; without
/// these checks anyone could make a message fail for good by giving it too little.
library SafeCall {
    /// @dev Upper bound of what CALL itself costs beyond the gas that it passes on, memory and code aside.
    uint256 private constant CALL_OVERHEAD = 40_000;

    /// @notice The gas left does not suffice for what was promised.
    /// @param minGas Gas that the call must get.
    error SafeCall_NotEnoughGas(uint256 minGas);

    /// @notice True if a call made now can get `minGas`, with `reserved` left over afterwards. A call passes on at most 63/64
    /// of the gas (EIP-150).
    function hasMinGas(uint256 minGas, uint256 reserved) internal view returns (bool) {
        // More than any block has: the products below must not overflow.
        if (minGas > type(uint64).max) return false;
        return gasleft() * 63 >= minGas * 64 + (CALL_OVERHEAD + reserved) * 63;
    }

    /// @notice Calls with all gas, of which the callee gets at least `minGas`; reverts if there is less. What the callee
    /// returns is not copied.
    function callWithMinGas(address target, uint256 minGas, bytes memory data) internal returns (bool ok) {
        if (!hasMinGas(minGas, 0)) revert SafeCall_NotEnoughGas(minGas);
        return call(target, gasleft(), 0, data);
    }

    /// @notice Calls with `gas_` at most. What the callee returns is not copied.
    function call(address target, uint256 gas_, uint256 value, bytes memory data) internal returns (bool ok) {
        assembly ("memory-safe") {
            ok := call(gas_, target, value, add(data, 32), mload(data), 0, 0)
        }
    }
}
