// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {OptimismMintableERC20} from "./OptimismMintableERC20.sol";

/// @title OptimismMintableERC20Factory
/// @notice Makes tokens that stand for tokens of the other layer. Anyone may; addresses follow from the arguments. Names and
/// decimals are the maker's word: users look at the remote token, and at the bridge's `deposits`.
contract OptimismMintableERC20Factory {
    /// @notice The bridge that mints the tokens made here.
    address public immutable bridge;
    /// @notice Remote token of each token made here; zero for all others.
    mapping(address localToken => address remoteToken) public deployments;

    /// @notice A token was made; older form.
    /// @param remoteToken The token on the other layer.
    /// @param localToken The token on this layer.
    event StandardL2TokenCreated(address indexed remoteToken, address indexed localToken);
    /// @notice A token was made.
    /// @param localToken The token on this layer.
    /// @param remoteToken The token on the other layer.
    /// @param deployer Who created it.
    event OptimismMintableERC20Created(address indexed localToken, address indexed remoteToken, address deployer);

    /// @notice A token has to stand for one.
    error OptimismMintableERC20Factory_RemoteTokenZero();

    constructor(address bridge_) {
        bridge = bridge_;
    }

    /// @notice `bridge` under its older name.
    /// @return The bridge.
    function BRIDGE() external view returns (address) {
        return bridge;
    }

    /// @notice `createOptimismMintableERC20` under its older name.
    /// @param remoteToken The token on the other layer.
    /// @param name The name.
    /// @param symbol The symbol.
    /// @return The new token.
    function createStandardL2Token(address remoteToken, string memory name, string memory symbol)
        external
        returns (address)
    {
        return createOptimismMintableERC20WithDecimals(remoteToken, name, symbol, 18);
    }

    /// @notice Makes a token of 18 decimals.
    /// @param remoteToken The token on the other layer.
    /// @param name The name.
    /// @param symbol The symbol.
    /// @return The new token.
    function createOptimismMintableERC20(address remoteToken, string memory name, string memory symbol)
        external
        returns (address)
    {
        return createOptimismMintableERC20WithDecimals(remoteToken, name, symbol, 18);
    }

    /// @notice Makes a token; fails if there is one of the same arguments.
    /// @param remoteToken The token on the other layer.
    /// @param name The name.
    /// @param symbol The symbol.
    /// @param decimals Decimals.
    /// @return localToken The new token.
    function createOptimismMintableERC20WithDecimals(
        address remoteToken,
        string memory name,
        string memory symbol,
        uint8 decimals
    ) public returns (address localToken) {
        if (remoteToken == address(0)) revert OptimismMintableERC20Factory_RemoteTokenZero();
        bytes32 salt = keccak256(abi.encode(remoteToken, name, symbol, decimals));
        localToken = address(new OptimismMintableERC20{salt: salt}(bridge, remoteToken, name, symbol, decimals));
        deployments[localToken] = remoteToken;
        emit StandardL2TokenCreated(remoteToken, localToken);
        emit OptimismMintableERC20Created(localToken, remoteToken, msg.sender);
    }

    /// @notice Form of this contract.
    /// @return Semantic version.
    function version() external pure returns (string memory) {
        return "1.10.0";
    }
}
