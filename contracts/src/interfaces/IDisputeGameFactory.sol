// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IDisputeGame} from "./IDisputeGame.sol";

/// @title IDisputeGameFactory
/// @notice Makes games and lists them. Anyone may propose an output root by creating a game with a bond in OPEN.
/// @dev Functions, events and game ids are the OP Stack's; the bond is an ERC-20, so ETH is refused and the caller approves
/// this contract for `initBonds(gameType)` OPEN. Trust: the owner chooses the implementations of game types for games to
/// come; it cannot touch a game that exists. On a public network it has to be a timelock whose delay is longer than the
/// time a withdrawal takes.
interface IDisputeGameFactory {
    /// @notice A game as `findLatestGames` lists it. `metadata` is the game's id: type (4 bytes), time (8), address (20).
    struct GameSearchResult {
        uint256 index;
        bytes32 metadata;
        uint64 timestamp;
        bytes32 rootClaim;
        bytes extraData;
    }

    /// @notice A game type as the deployment sets it.
    struct GameConfig {
        uint32 gameType;
        IDisputeGame implementation;
        uint256 initBond;
    }

    /// @notice A game was created.
    /// @param disputeProxy The new game, a clone.
    /// @param gameType Number of the rules that its implementation plays by.
    /// @param rootClaim The output root that is claimed.
    event DisputeGameCreated(address indexed disputeProxy, uint32 indexed gameType, bytes32 indexed rootClaim);
    /// @notice Games of this type are clones of `impl` from now on.
    /// @param impl What games to come are clones of.
    /// @param gameType Number of the rules that its implementation plays by.
    event ImplementationSet(address indexed impl, uint32 indexed gameType);
    /// @notice Games of this type cost `newBond` OPEN from now on, wei.
    /// @param gameType Number of the rules that its implementation plays by.
    /// @param newBond Bond of games to come, wei of OPEN.
    event InitBondUpdated(uint32 indexed gameType, uint256 indexed newBond);

    /// @notice There are no games of this type.
    /// @param gameType Number of the rules that its implementation plays by.
    error NoImplementation(uint32 gameType);
    /// @notice The same claim was made with the same arguments already.
    /// @param uuid Hash of type, claim and arguments.
    error GameAlreadyExists(bytes32 uuid);
    /// @notice Bonds are paid in OPEN; ETH is refused.
    error IncorrectBondAmount();

    /// @notice Proposes `rootClaim`. Takes `initBonds(gameType)` OPEN of the caller as a bond.
    /// @param gameType Number of the rules that its implementation plays by.
    /// @param rootClaim The output root that is claimed.
    /// @param extraData Number of the L2 block and place of the parent, packed.
    /// @return proxy The new game.
    function create(uint32 gameType, bytes32 rootClaim, bytes calldata extraData)
        external
        payable
        returns (IDisputeGame proxy);
    /// @notice Sets the implementation of a type; zero ends it. Owner only.
    /// @param gameType Number of the rules that its implementation plays by.
    /// @param impl What games to come are clones of; zero for none.
    function setImplementation(uint32 gameType, IDisputeGame impl) external;
    /// @notice Sets the bond of a type, wei; owner only.
    /// @param gameType Number of the rules that its implementation plays by.
    /// @param initBond Bond of a proposal, wei.
    function setInitBond(uint32 gameType, uint256 initBond) external;

    /// @notice Number of games created.
    /// @return How many were created; places count from 0.
    function gameCount() external view returns (uint256);
    /// @notice The game of this claim; zero if there is none.
    /// @param gameType Number of the rules that its implementation plays by.
    /// @param rootClaim The output root that is claimed.
    /// @param extraData Data that travels along and is not read here.
    /// @return proxy The game; zero if there is none.
    /// @return timestamp Unix second of its creation.
    function games(uint32 gameType, bytes32 rootClaim, bytes calldata extraData)
        external
        view
        returns (IDisputeGame proxy, uint64 timestamp);
    /// @notice The `index`-th game, in the order of creation.
    /// @param index Its place in the list.
    /// @return gameType Number of the rules that its implementation plays by.
    /// @return timestamp Unix second of its creation.
    /// @return proxy The game.
    function gameAtIndex(uint256 index) external view returns (uint32 gameType, uint64 timestamp, IDisputeGame proxy);
    /// @notice Up to `n` games of a type, from index `start` downwards.
    /// @param gameType Number of the rules that its implementation plays by.
    /// @param start Place to begin at, downwards.
    /// @param n How many at most.
    /// @return The games, latest first.
    function findLatestGames(uint32 gameType, uint256 start, uint256 n)
        external
        view
        returns (GameSearchResult[] memory);
    /// @notice What identifies a claim: `keccak256(abi.encode(gameType, rootClaim, extraData))`.
    /// @param gameType Number of the rules that its implementation plays by.
    /// @param rootClaim The output root that is claimed.
    /// @param extraData Data that travels along and is not read here.
    /// @return The name.
    function getGameUUID(uint32 gameType, bytes32 rootClaim, bytes calldata extraData) external pure returns (bytes32);
    /// @notice Implementation of a type; zero if there is none.
    /// @param gameType Number of the rules that its implementation plays by.
    /// @return What games to come are clones of; zero if there are none.
    function gameImpls(uint32 gameType) external view returns (IDisputeGame);
    /// @notice Bond of a type, wei of OPEN.
    /// @param gameType Number of the rules that its implementation plays by.
    /// @return Wei of OPEN that a proposer puts up.
    function initBonds(uint32 gameType) external view returns (uint256);
    /// @notice Form of this contract.
    /// @return Semantic version.
    function version() external pure returns (string memory);
}
