// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ERC165Checker} from "@openzeppelin/contracts/utils/introspection/ERC165Checker.sol";

import {ICrossDomainMessenger} from "../interfaces/ICrossDomainMessenger.sol";
import {ILegacyMintableERC20, IOptimismMintableERC20} from "../interfaces/IOptimismMintableERC20.sol";
import {IStandardBridge} from "../interfaces/IStandardBridge.sol";
import {SenderEOA} from "../libraries/SenderEOA.sol";

/// @title StandardBridge
/// @notice What the bridges of L1 and L2 have in common.
abstract contract StandardBridge is IStandardBridge {
    using SafeERC20 for IERC20;

    /// @inheritdoc IStandardBridge
    ICrossDomainMessenger public immutable messenger;
    /// @inheritdoc IStandardBridge
    IStandardBridge public immutable otherBridge;
    /// @inheritdoc IStandardBridge
    mapping(address localToken => mapping(address remoteToken => uint256)) public deposits;

    modifier onlyEOA() {
        if (!SenderEOA.isSenderEOA()) revert StandardBridge_NotEOA(msg.sender);
        _;
    }

    modifier onlyOtherBridge() {
        if (msg.sender != address(messenger) || messenger.xDomainMessageSender() != address(otherBridge)) {
            revert StandardBridge_NotOtherBridge(msg.sender);
        }
        _;
    }

    constructor(ICrossDomainMessenger messenger_, IStandardBridge other) {
        messenger = messenger_;
        otherBridge = other;
    }

    /// @notice Always refused: native value is moved by the portal.
    receive() external payable {
        revert StandardBridge_EtherNotBridged();
    }

    /// @inheritdoc IStandardBridge
    function bridgeERC20(
        address localToken,
        address remoteToken,
        uint256 amount,
        uint32 minGasLimit,
        bytes calldata extraData
    ) external onlyEOA {
        _initiate(localToken, remoteToken, msg.sender, amount, minGasLimit, extraData);
    }

    /// @inheritdoc IStandardBridge
    function bridgeERC20To(
        address localToken,
        address remoteToken,
        address to,
        uint256 amount,
        uint32 minGasLimit,
        bytes calldata extraData
    ) external {
        _initiate(localToken, remoteToken, to, amount, minGasLimit, extraData);
    }

    /// @inheritdoc IStandardBridge
    function finalizeBridgeERC20(
        address localToken,
        address remoteToken,
        address from,
        address to,
        uint256 amount,
        bytes calldata extraData
    ) public onlyOtherBridge {
        // Check
        if (paused()) revert StandardBridge_Paused();

        if (_isMintable(localToken)) {
            _checkPair(localToken, remoteToken);
            IOptimismMintableERC20(localToken).mint(to, amount);
        } else {
            uint256 deposited = deposits[localToken][remoteToken];
            if (deposited < amount) revert StandardBridge_BeyondDeposits(deposited, amount);
            deposits[localToken][remoteToken] = deposited - amount;
            IERC20(localToken).safeTransfer(to, amount);
        }
        _noteFinalized(localToken, remoteToken, from, to, amount, extraData);
        emit ERC20BridgeFinalized(localToken, remoteToken, from, to, amount, extraData);
    }

    /// @inheritdoc IStandardBridge
    function bridgeETH(uint32, bytes calldata) external payable {
        revert StandardBridge_EtherNotBridged();
    }

    /// @inheritdoc IStandardBridge
    function bridgeETHTo(address, uint32, bytes calldata) external payable {
        revert StandardBridge_EtherNotBridged();
    }

    /// @notice `messenger` under its older name.
    /// @return The messenger.
    function MESSENGER() external view returns (ICrossDomainMessenger) {
        return messenger;
    }

    /// @notice `otherBridge` under its older name.
    /// @return The bridge.
    function OTHER_BRIDGE() external view returns (IStandardBridge) {
        return otherBridge;
    }

    /// @inheritdoc IStandardBridge
    function paused() public view virtual returns (bool);

    /// @dev Takes the tokens of the caller and tells the other bridge.
    function _initiate(
        address localToken,
        address remoteToken,
        address to,
        uint256 amount,
        uint32 minGasLimit,
        bytes calldata extraData
    ) internal {
        if (_isRefused(localToken)) revert StandardBridge_OpenNotBridged();
        if (_isMintable(localToken)) {
            _checkPair(localToken, remoteToken);
            IOptimismMintableERC20(localToken).burn(msg.sender, amount);
        } else {
            _take(localToken, amount);
            deposits[localToken][remoteToken] += amount;
        }
        _noteInitiated(localToken, remoteToken, to, amount, extraData);
        emit ERC20BridgeInitiated(localToken, remoteToken, msg.sender, to, amount, extraData);
        // The tokens change places: what is local here is remote there.
        bytes memory message =
            abi.encodeCall(this.finalizeBridgeERC20, (remoteToken, localToken, msg.sender, to, amount, extraData));
        messenger.sendMessage(address(otherBridge), message, minGasLimit);
    }

    /// @dev A token that keeps a part, or calls back and moves more, would break the sum of deposits.
    function _take(address token, uint256 amount) private {
        uint256 balanceBefore = IERC20(token).balanceOf(address(this));
        IERC20(token).safeTransferFrom(msg.sender, address(this), amount);
        uint256 received = IERC20(token).balanceOf(address(this)) - balanceBefore;
        if (received != amount) revert StandardBridge_InexactTransfer(amount, received);
    }

    function _isMintable(address token) private view returns (bool) {
        return ERC165Checker.supportsInterface(token, type(ILegacyMintableERC20).interfaceId)
            || ERC165Checker.supportsInterface(token, type(IOptimismMintableERC20).interfaceId);
    }

    function _checkPair(address localToken, address remoteToken) private view {
        address standsFor = ERC165Checker.supportsInterface(localToken, type(ILegacyMintableERC20).interfaceId)
            ? ILegacyMintableERC20(localToken).l1Token()
            : IOptimismMintableERC20(localToken).remoteToken();
        if (standsFor != remoteToken) revert StandardBridge_WrongRemoteToken(localToken, remoteToken);
    }

    /// @dev True for tokens with another way to the other layer.
    function _isRefused(address localToken) internal view virtual returns (bool);

    /// @dev The older event of a departure.
    function _noteInitiated(
        address localToken,
        address remoteToken,
        address to,
        uint256 amount,
        bytes calldata extraData
    ) internal virtual;

    /// @dev The older event of an arrival.
    function _noteFinalized(
        address localToken,
        address remoteToken,
        address from,
        address to,
        uint256 amount,
        bytes calldata extraData
    ) internal virtual;
}
