// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @title IOptimismMintableERC20
/// @notice A token that stands for one on the other layer; the bridge mints and burns it. The functions make the interface id
/// by which bridges know it.
interface IOptimismMintableERC20 {
    /// @notice The token on the other layer.
    /// @return The token.
    function remoteToken() external view returns (address);
    /// @notice The bridge, which alone may mint and burn.
    /// @return The bridge.
    function bridge() external returns (address);
    /// @notice Mints; bridge only.
    /// @param to Where it goes.
    /// @param amount Wei.
    function mint(address to, uint256 amount) external;
    /// @notice Burns, without an allowance; bridge only.
    /// @param from Where it comes from.
    /// @param amount Wei.
    function burn(address from, uint256 amount) external;
}

/// @title ILegacyMintableERC20
/// @notice The same in its older form.
interface ILegacyMintableERC20 {
    /// @notice Mints; bridge only.
    /// @param to Where it goes.
    /// @param amount Wei.
    function mint(address to, uint256 amount) external;
    /// @notice Burns; bridge only.
    /// @param from Where it comes from.
    /// @param amount Wei.
    function burn(address from, uint256 amount) external;
    /// @notice The token on L1.
    /// @return The token.
    function l1Token() external view returns (address);
}
