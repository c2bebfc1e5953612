// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {GameStatus} from "../types/Dispute.sol";
import {IAnchorStateRegistry} from "./IAnchorStateRegistry.sol";

/// @title IDisputeGame
/// @notice One proposal of an output root, and the dispute about it: what the portal, the registry and the OP Stack's tools
/// read of a game, whatever its type.
interface IDisputeGame {
    /// @notice The game is decided.
    /// @param status The status it has.
    event Resolved(GameStatus indexed status);

    /// @notice Called once by the factory that made this clone; the bond has arrived.
    function initialize() external;
    /// @notice Decides the game, once that is possible. Anyone may call.
    /// @return status What was decided.
    function resolve() external returns (GameStatus status);

    /// @notice Where the game stands.
    /// @return The status.
    function status() external view returns (GameStatus);
    /// @notice Time of creation, seconds.
    /// @return Unix seconds.
    function createdAt() external view returns (uint64);
    /// @notice Time of the decision, seconds; 0 before.
    /// @return Unix seconds; zero while it is open.
    function resolvedAt() external view returns (uint64);
    /// @notice Type under which the factory made this game.
    /// @return The type.
    function gameType() external view returns (uint32);
    /// @notice Account that made the proposal.
    /// @return The address.
    function gameCreator() external view returns (address);
    /// @notice The proposed output root.
    /// @return The output root.
    function rootClaim() external view returns (bytes32);
    /// @notice Hash of the L1 block before the creation; the proposal is derived from L1 up to there.
    /// @return Hash of the block.
    function l1Head() external view returns (bytes32);
    /// @notice Number of the L2 block proposed.
    /// @return The number.
    function l2SequenceNumber() external view returns (uint256);
    /// @notice Arguments of the type.
    /// @return The bytes.
    function extraData() external view returns (bytes memory);
    /// @notice What the factory knows the game by.
    /// @return gameType The type.
    /// @return rootClaim The output root.
    /// @return extraData The bytes.
    function gameData() external view returns (uint32 gameType, bytes32 rootClaim, bytes memory extraData);
    /// @notice True if withdrawals counted on this type at the time of creation.
    /// @return Whether it was.
    function wasRespectedGameTypeWhenCreated() external view returns (bool);
    /// @notice The registry that judges this game.
    /// @return The registry.
    function anchorStateRegistry() external view returns (IAnchorStateRegistry);
}
