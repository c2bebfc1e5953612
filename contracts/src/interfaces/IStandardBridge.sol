// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {ICrossDomainMessenger} from "./ICrossDomainMessenger.sol";

/// @title IStandardBridge
/// @notice Moves ERC-20 tokens between L1 and L2. A token is held on the layer it comes from, and stands as an
/// `OptimismMintableERC20` on the other.
/// @dev Functions and events are the OP Stack's. Ether has no place on L2, and OPEN goes through the portal, so both are
/// refused. Trust: the messenger, and each token for itself. INVARIANT: the bridge holds at least the sum over `remote` of
/// `deposits[local][remote]` of each local token, and a pair pays out no more than it took in: a broken token on the other
/// layer can take what was deposited for it, and nothing else.
interface IStandardBridge {
    /// @notice Tokens are on their way to the other layer.
    /// @param localToken The token on this layer.
    /// @param remoteToken The token on the other layer.
    /// @param from Who gave it up.
    /// @param to Who receives it.
    /// @param amount Units of the token.
    /// @param extraData Data that travels along and is not read here.
    event ERC20BridgeInitiated(
        address indexed localToken,
        address indexed remoteToken,
        address indexed from,
        address to,
        uint256 amount,
        bytes extraData
    );
    /// @notice Tokens have come from the other layer.
    /// @param localToken The token on this layer.
    /// @param remoteToken The token on the other layer.
    /// @param from Who gave it up.
    /// @param to Who receives it.
    /// @param amount Units of the token.
    /// @param extraData Data that travels along and is not read here.
    event ERC20BridgeFinalized(
        address indexed localToken,
        address indexed remoteToken,
        address indexed from,
        address to,
        uint256 amount,
        bytes extraData
    );

    /// @notice Ether is not bridged.
    error StandardBridge_EtherNotBridged();
    /// @notice OPEN goes through the portal.
    error StandardBridge_OpenNotBridged();
    /// @notice Contracts say to whom the tokens go: they may have another owner on the other layer.
    /// @param caller The contract that called.
    error StandardBridge_NotEOA(address caller);
    /// @notice Only the bridge on the other layer brings tokens.
    /// @param caller Who called instead.
    error StandardBridge_NotOtherBridge(address caller);
    /// @notice The guardian's pause lasts.
    error StandardBridge_Paused();
    /// @notice The local token stands for another than the remote one.
    /// @param localToken The token on this layer.
    /// @param remoteToken The token on the other layer.
    error StandardBridge_WrongRemoteToken(address localToken, address remoteToken);
    /// @notice The token moved another amount than asked for.
    /// @param expected Units that had to arrive.
    /// @param received Units that did.
    error StandardBridge_InexactTransfer(uint256 expected, uint256 received);
    /// @notice The pair has not taken in so much.
    /// @param deposited What was deposited, wei.
    /// @param asked Units that were asked for.
    error StandardBridge_BeyondDeposits(uint256 deposited, uint256 asked);

    /// @notice Sends tokens of the caller to its own address on the other layer. Not for contracts.
    /// @param localToken Token here; the bridge is approved, unless it mints the token.
    /// @param remoteToken Its counterpart on the other layer.
    /// @param minGasLimit Gas for the transfer on the other layer.
    /// @param extraData Anything; it is shown in the events of both layers.
    /// @param amount Units of the token.
    function bridgeERC20(
        address localToken,
        address remoteToken,
        uint256 amount,
        uint32 minGasLimit,
        bytes calldata extraData
    ) external;
    /// @notice Sends tokens of the caller to `to` on the other layer.
    /// @param localToken The token on this layer.
    /// @param remoteToken The token on the other layer.
    /// @param to Who receives it.
    /// @param amount Units of the token.
    /// @param minGasLimit Gas that the call on the other layer gets at least.
    /// @param extraData Data that travels along and is not read here.
    function bridgeERC20To(
        address localToken,
        address remoteToken,
        address to,
        uint256 amount,
        uint32 minGasLimit,
        bytes calldata extraData
    ) external;
    /// @notice Delivers tokens; called by the other bridge through the messenger.
    /// @param localToken The token on this layer.
    /// @param remoteToken The token on the other layer.
    /// @param from Who gave it up.
    /// @param to Who receives it.
    /// @param amount Units of the token.
    /// @param extraData Data that travels along and is not read here.
    function finalizeBridgeERC20(
        address localToken,
        address remoteToken,
        address from,
        address to,
        uint256 amount,
        bytes calldata extraData
    ) external;
    /// @notice Always refused.
    /// @param minGasLimit Gas that the call on the other layer gets at least.
    /// @param extraData Data that travels along and is not read here.
    function bridgeETH(uint32 minGasLimit, bytes calldata extraData) external payable;
    /// @notice Always refused.
    /// @param to Who receives it.
    /// @param minGasLimit Gas that the call on the other layer gets at least.
    /// @param extraData Data that travels along and is not read here.
    function bridgeETHTo(address to, uint32 minGasLimit, bytes calldata extraData) external payable;

    /// @notice Tokens held here for a counterpart on the other layer.
    /// @param localToken The token on this layer.
    /// @param remoteToken The token on the other layer.
    /// @return Amount of the local token.
    function deposits(address localToken, address remoteToken) external view returns (uint256);
    /// @notice Carries the messages.
    /// @return The messenger.
    function messenger() external view returns (ICrossDomainMessenger);
    /// @notice The bridge on the other layer.
    /// @return The bridge.
    function otherBridge() external view returns (IStandardBridge);
    /// @notice True while tokens that come in are held up.
    /// @return Whether deliveries are refused.
    function paused() external view returns (bool);
    /// @notice Form of this contract.
    /// @return Semantic version.
    function version() external pure returns (string memory);
}
