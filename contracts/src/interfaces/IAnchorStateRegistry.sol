// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IDisputeGame} from "./IDisputeGame.sol";
import {IDisputeGameFactory} from "./IDisputeGameFactory.sol";
import {ISystemConfig} from "./ISystemConfig.sol";

/// @title IAnchorStateRegistry
/// @notice Says which games count, and remembers the latest output root that is final: the anchor from which new games start.
/// @dev Functions, events and errors are the OP Stack's (registry 3). Trust: the guardian of `SystemConfig` can declare games
/// void and choose the type that counts. It can so delay withdrawals, which then have to be proven again against another
/// game, but it cannot make a game count that its own rules did not decide. Liveness: nothing here needs the guardian; a
/// valid proposal becomes final and the anchor moves by calls that anyone may make.
interface IAnchorStateRegistry {
    /// @notice The anchor moved to the claim of `game`.
    /// @param game The game whose claim is the anchor now.
    event AnchorUpdated(IDisputeGame indexed game);
    /// @notice The first anchor is set.
    /// @param root Output root of the first anchor.
    /// @param l2SequenceNumber Number of the L2 block.
    event StartingAnchorSet(bytes32 root, uint256 l2SequenceNumber);
    /// @notice Withdrawals count on games of this type from now on.
    /// @param gameType Number of the rules that its implementation plays by.
    event RespectedGameTypeSet(uint32 gameType);
    /// @notice Games created at or before `timestamp`, seconds, do not count any more.
    /// @param timestamp Unix second; games of then or before do not count.
    event RetirementTimestampSet(uint256 timestamp);
    /// @notice This game does not count any more.
    /// @param disputeGame The game that does not count.
    event DisputeGameBlacklisted(IDisputeGame indexed disputeGame);

    /// @notice The caller is not the one who may do this.
    error AnchorStateRegistry_Unauthorized();
    /// @notice The game's claim is not final, or not newer than the anchor.
    error AnchorStateRegistry_InvalidAnchorGame();
    /// @notice The first anchor was set already.
    error AnchorStateRegistry_AlreadyInitialized();
    /// @notice There is no anchor yet.
    error AnchorStateRegistry_Uninitialized();

    /// @notice Sets the first anchor, the output root of L2's genesis, once; the deployer only, who has no other right and
    /// none afterwards. L2's genesis is made after the L1 contracts, whose block it names; games need an anchor, deposits do
    /// not.
    /// @param root Output root of the first anchor.
    /// @param l2SequenceNumber Number of the L2 block.
    function setStartingAnchor(bytes32 root, uint256 l2SequenceNumber) external;
    /// @notice Moves the anchor to the claim of a valid and newer game. Anyone may call.
    /// @param game A final and valid game, above the present anchor.
    function setAnchorState(IDisputeGame game) external;
    /// @notice Chooses the type on which withdrawals count, for games to come; guardian only.
    /// @param gameType Number of the rules that its implementation plays by.
    function setRespectedGameType(uint32 gameType) external;
    /// @notice Makes all games created until now void; guardian only.
    function updateRetirementTimestamp() external;
    /// @notice Makes a game void for good; guardian only.
    /// @param game The game that is not to count.
    function blacklistDisputeGame(IDisputeGame game) external;

    /// @notice True if the factory made this game and the game is judged here.
    /// @param game The game to ask about.
    /// @return Whether the factory made it for this registry.
    function isGameRegistered(IDisputeGame game) external view returns (bool);
    /// @notice True if its type counted when it was created.
    /// @param game The game to ask about.
    /// @return Whether its type was the respected one when it was created.
    function isGameRespected(IDisputeGame game) external view returns (bool);
    /// @notice True if the guardian has declared it void.
    /// @param game The game to ask about.
    /// @return Whether the guardian has declared it void.
    function isGameBlacklisted(IDisputeGame game) external view returns (bool);
    /// @notice True if it was created at or before the retirement timestamp.
    /// @param game The game to ask about.
    /// @return Whether it was created at the retirement time or before.
    function isGameRetired(IDisputeGame game) external view returns (bool);
    /// @notice True if it is registered and not blacklisted or retired, and there is no pause.
    /// @param game The game to ask about.
    /// @return Whether it is registered, not void, not retired, and nothing is paused.
    function isGameProper(IDisputeGame game) external view returns (bool);
    /// @notice True if it is decided.
    /// @param game The game to ask about.
    /// @return Whether it is decided.
    function isGameResolved(IDisputeGame game) external view returns (bool);
    /// @notice True if it was decided more than `disputeGameFinalityDelaySeconds` ago.
    /// @param game The game to ask about.
    /// @return Whether it has been decided for the finality delay.
    function isGameFinalized(IDisputeGame game) external view returns (bool);
    /// @notice True if it is proper, respected, final and won by its defender: withdrawals may count on its claim.
    /// @param game The game to ask about.
    /// @return Whether its claim stands: proper, respected, final and won by its proposer.
    function isGameClaimValid(IDisputeGame game) external view returns (bool);

    /// @notice The latest final output root and its L2 block; reverts before there is one.
    /// @return root The output root.
    /// @return l2SequenceNumber Number of its L2 block.
    function getAnchorRoot() external view returns (bytes32 root, uint256 l2SequenceNumber);
    /// @notice `getAnchorRoot` under its older name; all types share one anchor.
    /// @param gameType Number of the rules that its implementation plays by.
    /// @return root The output root.
    /// @return l2SequenceNumber Number of its L2 block.
    function anchors(uint32 gameType) external view returns (bytes32 root, uint256 l2SequenceNumber);
    /// @notice The game whose claim the anchor is; zero if it is the first anchor.
    /// @return The game.
    function anchorGame() external view returns (IDisputeGame);
    /// @notice The type on which withdrawals count.
    /// @return The type.
    function respectedGameType() external view returns (uint32);
    /// @notice Games created at or before this time, seconds, are void.
    /// @return Unix second; games of then or before do not count.
    function retirementTimestamp() external view returns (uint64);
    /// @notice True if the guardian has declared the game void.
    /// @param game The game to ask about.
    /// @return Whether it is.
    function disputeGameBlacklist(IDisputeGame game) external view returns (bool);
    /// @notice Time between the decision of a game and its finality, seconds: the guardian's time to look at it.
    /// @return Seconds between a game's end and payments by it.
    function disputeGameFinalityDelaySeconds() external view returns (uint256);
    /// @notice The factory whose games are judged.
    /// @return The factory.
    function disputeGameFactory() external view returns (IDisputeGameFactory);
    /// @notice Says who guardian and owner are, and whether there is a pause.
    /// @return The configuration.
    function systemConfig() external view returns (ISystemConfig);
    /// @notice True while the guardian's pause lasts.
    /// @return Whether the guardian has paused the bridge.
    function paused() external view returns (bool);
    /// @notice Form of this contract.
    /// @return Semantic version.
    function version() external pure returns (string memory);
}
