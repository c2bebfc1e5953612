// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {StandardBridge} from "../../bridge/StandardBridge.sol";
import {ICrossDomainMessenger} from "../../interfaces/ICrossDomainMessenger.sol";
import {ILegacyMintableERC20} from "../../interfaces/IOptimismMintableERC20.sol";
import {IStandardBridge} from "../../interfaces/IStandardBridge.sol";
import {Predeploys} from "../../libraries/Predeploys.sol";

/// @title L2StandardBridge
/// @notice The bridge for ERC-20 tokens on L2.
contract L2StandardBridge is StandardBridge {
    /// @notice Older form of `ERC20BridgeInitiated`.
    /// @param l1Token The token on L1.
    /// @param l2Token The token on L2.
    /// @param from Who gave it up.
    /// @param to Who receives it.
    /// @param amount Units of the token.
    /// @param extraData Data that travels along and is not read here.
    event WithdrawalInitiated(
        address indexed l1Token,
        address indexed l2Token,
        address indexed from,
        address to,
        uint256 amount,
        bytes extraData
    );
    /// @notice Older form of `ERC20BridgeFinalized`.
    /// @param l1Token The token on L1.
    /// @param l2Token The token on L2.
    /// @param from Who gave it up.
    /// @param to Who receives it.
    /// @param amount Units of the token.
    /// @param extraData Data that travels along and is not read here.
    event DepositFinalized(
        address indexed l1Token,
        address indexed l2Token,
        address indexed from,
        address to,
        uint256 amount,
        bytes extraData
    );

    constructor(IStandardBridge l1Bridge)
        StandardBridge(ICrossDomainMessenger(Predeploys.L2_CROSS_DOMAIN_MESSENGER), l1Bridge)
    {}

    /// @notice Sends a mintable token of the caller back to L1. Not for contracts; OPEN goes through the message passer.
    /// @param l2Token The token on L2.
    /// @param amount Units of the token.
    /// @param minGasLimit Gas that the call on the other layer gets at least.
    /// @param extraData Data that travels along and is not read here.
    function withdraw(address l2Token, uint256 amount, uint32 minGasLimit, bytes calldata extraData)
        external
        payable
        onlyEOA
    {
        _withdraw(l2Token, msg.sender, amount, minGasLimit, extraData);
    }

    /// @notice Sends a mintable token of the caller back to `to` on L1.
    /// @param l2Token The token on L2.
    /// @param to Who receives it.
    /// @param amount Units of the token.
    /// @param minGasLimit Gas that the call on the other layer gets at least.
    /// @param extraData Data that travels along and is not read here.
    function withdrawTo(address l2Token, address to, uint256 amount, uint32 minGasLimit, bytes calldata extraData)
        external
        payable
    {
        _withdraw(l2Token, to, amount, minGasLimit, extraData);
    }

    function _withdraw(address l2Token, address to, uint256 amount, uint32 minGasLimit, bytes calldata extraData)
        private
    {
        if (msg.value != 0) revert StandardBridge_EtherNotBridged();
        _initiate(l2Token, ILegacyMintableERC20(l2Token).l1Token(), to, amount, minGasLimit, extraData);
    }

    /// @notice `otherBridge` under its older name.
    /// @return The bridge.
    function l1TokenBridge() external view returns (address) {
        return address(otherBridge);
    }

    /// @inheritdoc IStandardBridge
    function paused() public pure override returns (bool) {
        return false;
    }

    /// @inheritdoc IStandardBridge
    function version() external pure returns (string memory) {
        return "1.13.0";
    }

    function _isRefused(address) internal pure override returns (bool) {
        return false;
    }

    function _noteInitiated(
        address localToken,
        address remoteToken,
        address to,
        uint256 amount,
        bytes calldata extraData
    ) internal override {
        emit WithdrawalInitiated(remoteToken, localToken, msg.sender, to, amount, extraData);
    }

    function _noteFinalized(
        address localToken,
        address remoteToken,
        address from,
        address to,
        uint256 amount,
        bytes calldata extraData
    ) internal override {
        emit DepositFinalized(remoteToken, localToken, from, to, amount, extraData);
    }
}
