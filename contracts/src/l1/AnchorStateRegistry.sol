// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IAnchorStateRegistry} from "../interfaces/IAnchorStateRegistry.sol";
import {IDisputeGame} from "../interfaces/IDisputeGame.sol";
import {IDisputeGameFactory} from "../interfaces/IDisputeGameFactory.sol";
import {ISystemConfig} from "../interfaces/ISystemConfig.sol";
import {GameStatus, Proposal} from "../types/Dispute.sol";

/// @title AnchorStateRegistry
/// @notice Says which games count, and remembers the latest output root that is final.
contract AnchorStateRegistry is IAnchorStateRegistry {
    /// @inheritdoc IAnchorStateRegistry
    ISystemConfig public immutable systemConfig;
    /// @inheritdoc IAnchorStateRegistry
    IDisputeGameFactory public immutable disputeGameFactory;
    /// @inheritdoc IAnchorStateRegistry
    uint256 public immutable disputeGameFinalityDelaySeconds;
    address private immutable _deployer;

    /// @inheritdoc IAnchorStateRegistry
    IDisputeGame public anchorGame;
    /// @inheritdoc IAnchorStateRegistry
    uint32 public respectedGameType;
    /// @inheritdoc IAnchorStateRegistry
    uint64 public retirementTimestamp;
    /// @inheritdoc IAnchorStateRegistry
    mapping(IDisputeGame game => bool) public disputeGameBlacklist;
    Proposal private _startingAnchor;

    modifier onlyGuardian() {
        if (msg.sender != systemConfig.guardian()) revert AnchorStateRegistry_Unauthorized();
        _;
    }

    /// @param gameType The type on which withdrawals count at first.
    /// @param finalityDelaySeconds Time between the decision of a game and its finality.
    constructor(ISystemConfig config, IDisputeGameFactory factory, uint32 gameType, uint256 finalityDelaySeconds) {
        systemConfig = config;
        disputeGameFactory = factory;
        disputeGameFinalityDelaySeconds = finalityDelaySeconds;
        respectedGameType = gameType;
        _deployer = msg.sender;
    }

    // The anchor

    /// @inheritdoc IAnchorStateRegistry
    function setStartingAnchor(bytes32 root, uint256 l2SequenceNumber) external {
        if (msg.sender != _deployer) revert AnchorStateRegistry_Unauthorized();
        if (_startingAnchor.root != 0) revert AnchorStateRegistry_AlreadyInitialized();
        if (root == 0) revert AnchorStateRegistry_Uninitialized();
        _startingAnchor = Proposal(root, l2SequenceNumber);
        emit StartingAnchorSet(root, l2SequenceNumber);
    }

    /// @inheritdoc IAnchorStateRegistry
    function setAnchorState(IDisputeGame game) external {
        // INVARIANT: the anchor is final and only moves upwards.
        if (!isGameClaimValid(game)) revert AnchorStateRegistry_InvalidAnchorGame();
        (, uint256 anchored) = getAnchorRoot();
        if (game.l2SequenceNumber() <= anchored) revert AnchorStateRegistry_InvalidAnchorGame();
        anchorGame = game;
        emit AnchorUpdated(game);
    }

    /// @inheritdoc IAnchorStateRegistry
    function getAnchorRoot() public view returns (bytes32 root, uint256 l2SequenceNumber) {
        IDisputeGame game = anchorGame;
        if (address(game) != address(0)) return (game.rootClaim(), game.l2SequenceNumber());
        (root, l2SequenceNumber) = (_startingAnchor.root, _startingAnchor.l2SequenceNumber);
        if (root == 0) revert AnchorStateRegistry_Uninitialized();
    }

    /// @inheritdoc IAnchorStateRegistry
    function anchors(uint32) external view returns (bytes32 root, uint256 l2SequenceNumber) {
        return getAnchorRoot();
    }

    // The guardian

    /// @inheritdoc IAnchorStateRegistry
    function setRespectedGameType(uint32 gameType) external onlyGuardian {
        respectedGameType = gameType;
        emit RespectedGameTypeSet(gameType);
    }

    /// @inheritdoc IAnchorStateRegistry
    function updateRetirementTimestamp() external onlyGuardian {
        retirementTimestamp = uint64(block.timestamp);
        emit RetirementTimestampSet(block.timestamp);
    }

    /// @inheritdoc IAnchorStateRegistry
    function blacklistDisputeGame(IDisputeGame game) external onlyGuardian {
        disputeGameBlacklist[game] = true;
        emit DisputeGameBlacklisted(game);
    }

    // Judgement

    /// @inheritdoc IAnchorStateRegistry
    function isGameRegistered(IDisputeGame game) public view returns (bool) {
        (uint32 gameType, bytes32 rootClaim, bytes memory extraData) = game.gameData();
        (IDisputeGame listed,) = disputeGameFactory.games(gameType, rootClaim, extraData);
        return listed == game && address(game.anchorStateRegistry()) == address(this);
    }

    /// @inheritdoc IAnchorStateRegistry
    function isGameRespected(IDisputeGame game) public view returns (bool) {
        return game.wasRespectedGameTypeWhenCreated();
    }

    /// @inheritdoc IAnchorStateRegistry
    function isGameBlacklisted(IDisputeGame game) public view returns (bool) {
        return disputeGameBlacklist[game];
    }

    /// @inheritdoc IAnchorStateRegistry
    function isGameRetired(IDisputeGame game) public view returns (bool) {
        return game.createdAt() <= retirementTimestamp;
    }

    /// @inheritdoc IAnchorStateRegistry
    function isGameProper(IDisputeGame game) public view returns (bool) {
        return isGameRegistered(game) && !isGameBlacklisted(game) && !isGameRetired(game) && !paused();
    }

    /// @inheritdoc IAnchorStateRegistry
    function isGameResolved(IDisputeGame game) public view returns (bool) {
        return game.resolvedAt() != 0 && game.status() != GameStatus.IN_PROGRESS;
    }

    /// @inheritdoc IAnchorStateRegistry
    function isGameFinalized(IDisputeGame game) public view returns (bool) {
        return isGameResolved(game) && block.timestamp - game.resolvedAt() > disputeGameFinalityDelaySeconds;
    }

    /// @inheritdoc IAnchorStateRegistry
    function isGameClaimValid(IDisputeGame game) public view returns (bool) {
        return isGameProper(game) && isGameRespected(game) && isGameFinalized(game)
            && game.status() == GameStatus.DEFENDER_WINS;
    }

    /// @inheritdoc IAnchorStateRegistry
    function paused() public view returns (bool) {
        return systemConfig.paused();
    }

    /// @inheritdoc IAnchorStateRegistry
    function version() external pure returns (string memory) {
        return "3.5.0";
    }
}
