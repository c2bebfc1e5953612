// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {GameStatus} from "../types/Dispute.sol";
import {IAnchorStateRegistry} from "./IAnchorStateRegistry.sol";

/// @title IDisputeGame
/// @notice One proposal of an output root, and the dispute about it: what the portal, the registry and the OP Stack's tools
/// read of a game, whatever its type.
interface IDisputeGame {
    /// @notice The game is decided.
    event Resolved(GameStatus indexed status);

    /// @notice Called once by the factory that made this clone; the bond has arrived.
    function initialize() external;
    /// @notice Decides the game, once that is possible. Anyone may call.
    function resolve() external returns (GameStatus status);

    /// @notice Where the game stands.
    function status() external view returns (GameStatus);
    /// @notice Time of creation, seconds.
    function createdAt() external view returns (uint64);
    /// @notice Time of the decision, seconds; 0 before.
    function resolvedAt() external view returns (uint64);
    /// @notice Type under which the factory made this game.
    function gameType() external view returns (uint32);
    /// @notice Account that made the proposal.
    function gameCreator() external view returns (address);
    /// @notice The proposed output root.
    function rootClaim() external view returns (bytes32);
    /// @notice Hash of the L1 block before the creation; the proposal is derived from L1 up to there.
    function l1Head() external view returns (bytes32);
    /// @notice Number of the L2 block proposed.
    function l2SequenceNumber() external view returns (uint256);
    /// @notice Arguments of the type.
    function extraData() external view returns (bytes memory);
    /// @notice What the factory knows the game by.
    function gameData() external view returns (uint32 gameType, bytes32 rootClaim, bytes memory extraData);
    /// @notice True if withdrawals counted on this type at the time of creation.
    function wasRespectedGameTypeWhenCreated() external view returns (bool);
    /// @notice The registry that judges this game.
    function anchorStateRegistry() external view returns (IAnchorStateRegistry);
}
