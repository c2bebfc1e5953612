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
    event ERC20BridgeInitiated(
        address indexed localToken,
        address indexed remoteToken,
        address indexed from,
        address to,
        uint256 amount,
        bytes extraData
    );
    /// @notice Tokens have come from the other layer.
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
    error StandardBridge_NotEOA(address caller);
    /// @notice Only the bridge on the other layer brings tokens.
    error StandardBridge_NotOtherBridge(address caller);
    /// @notice The guardian's pause lasts.
    error StandardBridge_Paused();
    /// @notice The local token stands for another than the remote one.
    error StandardBridge_WrongRemoteToken(address localToken, address remoteToken);
    /// @notice The token moved another amount than asked for.
    error StandardBridge_InexactTransfer(uint256 expected, uint256 received);
    /// @notice The pair has not taken in so much.
    error StandardBridge_BeyondDeposits(uint256 deposited, uint256 asked);

    /// @notice Sends tokens of the caller to its own address on the other layer. Not for contracts.
    /// @param localToken Token here; the bridge is approved, unless it mints the token.
    /// @param remoteToken Its counterpart.
    /// @param minGasLimit Gas for the transfer on the other layer.
    /// @param extraData Shown in the events.
    function bridgeERC20(
        address localToken,
        address remoteToken,
        uint256 amount,
        uint32 minGasLimit,
        bytes calldata extraData
    ) external;
    /// @notice Sends tokens of the caller to `to` on the other layer.
    function bridgeERC20To(
        address localToken,
        address remoteToken,
        address to,
        uint256 amount,
        uint32 minGasLimit,
        bytes calldata extraData
    ) external;
    /// @notice Delivers tokens; called by the other bridge through the messenger.
    function finalizeBridgeERC20(
        address localToken,
        address remoteToken,
        address from,
        address to,
        uint256 amount,
        bytes calldata extraData
    ) external;
    /// @notice Always refused.
    function bridgeETH(uint32 minGasLimit, bytes calldata extraData) external payable;
    /// @notice Always refused.
    function bridgeETHTo(address to, uint32 minGasLimit, bytes calldata extraData) external payable;

    /// @notice Tokens held here for a counterpart on the other layer.
    function deposits(address localToken, address remoteToken) external view returns (uint256);
    /// @notice Carries the messages.
    function messenger() external view returns (ICrossDomainMessenger);
    /// @notice The bridge on the other layer.
    function otherBridge() external view returns (IStandardBridge);
    /// @notice True while tokens that come in are held up.
    function paused() external view returns (bool);
    /// @notice Form of this contract.
    function version() external pure returns (string memory);
}
