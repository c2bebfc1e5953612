// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {StandardBridge} from "../bridge/StandardBridge.sol";
import {IOptimismPortal} from "../interfaces/IOptimismPortal.sol";
import {IStandardBridge} from "../interfaces/IStandardBridge.sol";
import {ISystemConfig} from "../interfaces/ISystemConfig.sol";
import {Predeploys} from "../libraries/Predeploys.sol";
import {L1CrossDomainMessenger} from "./L1CrossDomainMessenger.sol";

/// @title L1StandardBridge
/// @notice The bridge for ERC-20 tokens on L1.
contract L1StandardBridge is StandardBridge {
    /// @dev Kept apart from `messenger` for its type.
    IOptimismPortal private immutable _portal;
    address private immutable _open;

    /// @notice Older form of `ERC20BridgeInitiated`.
    /// @param l1Token The token on L1.
    /// @param l2Token The token on L2.
    /// @param from Who gave it up.
    /// @param to Who receives it.
    /// @param amount Units of the token.
    /// @param extraData Data that travels along and is not read here.
    event ERC20DepositInitiated(
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
    event ERC20WithdrawalFinalized(
        address indexed l1Token,
        address indexed l2Token,
        address indexed from,
        address to,
        uint256 amount,
        bytes extraData
    );

    constructor(L1CrossDomainMessenger messenger_)
        StandardBridge(messenger_, IStandardBridge(Predeploys.L2_STANDARD_BRIDGE))
    {
        _portal = messenger_.portal();
        _open = _portal.open();
    }

    /// @notice `bridgeERC20` under its older name.
    /// @param l1Token The token on L1.
    /// @param l2Token The token on L2.
    /// @param amount Units of the token.
    /// @param minGasLimit Gas that the call on the other layer gets at least.
    /// @param extraData Data that travels along and is not read here.
    function depositERC20(
        address l1Token,
        address l2Token,
        uint256 amount,
        uint32 minGasLimit,
        bytes calldata extraData
    ) external onlyEOA {
        _initiate(l1Token, l2Token, msg.sender, amount, minGasLimit, extraData);
    }

    /// @notice `bridgeERC20To` under its older name.
    /// @param l1Token The token on L1.
    /// @param l2Token The token on L2.
    /// @param to Who receives it.
    /// @param amount Units of the token.
    /// @param minGasLimit Gas that the call on the other layer gets at least.
    /// @param extraData Data that travels along and is not read here.
    function depositERC20To(
        address l1Token,
        address l2Token,
        address to,
        uint256 amount,
        uint32 minGasLimit,
        bytes calldata extraData
    ) external {
        _initiate(l1Token, l2Token, to, amount, minGasLimit, extraData);
    }

    /// @notice `finalizeBridgeERC20` under its older name.
    /// @param l1Token The token on L1.
    /// @param l2Token The token on L2.
    /// @param from Who gave it up.
    /// @param to Who receives it.
    /// @param amount Units of the token.
    /// @param extraData Data that travels along and is not read here.
    function finalizeERC20Withdrawal(
        address l1Token,
        address l2Token,
        address from,
        address to,
        uint256 amount,
        bytes calldata extraData
    ) external {
        finalizeBridgeERC20(l1Token, l2Token, from, to, amount, extraData);
    }

    /// @notice Always refused.
    function depositETH(uint32, bytes calldata) external payable {
        revert StandardBridge_EtherNotBridged();
    }

    /// @notice Always refused.
    function depositETHTo(address, uint32, bytes calldata) external payable {
        revert StandardBridge_EtherNotBridged();
    }

    /// @notice `otherBridge` under its older name.
    /// @return The bridge.
    function l2TokenBridge() external view returns (address) {
        return address(otherBridge);
    }

    /// @notice The rollup's parameters.
    /// @return The configuration.
    function systemConfig() external view returns (ISystemConfig) {
        return _portal.systemConfig();
    }

    /// @inheritdoc IStandardBridge
    function paused() public view override returns (bool) {
        return _portal.paused();
    }

    /// @inheritdoc IStandardBridge
    function version() external pure returns (string memory) {
        return "2.6.0";
    }

    function _isRefused(address localToken) internal view override returns (bool) {
        return localToken == _open;
    }

    function _noteInitiated(
        address localToken,
        address remoteToken,
        address to,
        uint256 amount,
        bytes calldata extraData
    ) internal override {
        emit ERC20DepositInitiated(localToken, remoteToken, msg.sender, to, amount, extraData);
    }

    function _noteFinalized(
        address localToken,
        address remoteToken,
        address from,
        address to,
        uint256 amount,
        bytes calldata extraData
    ) internal override {
        emit ERC20WithdrawalFinalized(localToken, remoteToken, from, to, amount, extraData);
    }
}
