// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {BondDistributionMode, Proposal} from "../types/Dispute.sol";
import {IAnchorStateRegistry} from "./IAnchorStateRegistry.sol";
import {IBondVault} from "./IBondVault.sol";
import {IDisputeGame} from "./IDisputeGame.sol";
import {IDisputeGameFactory} from "./IDisputeGameFactory.sol";
import {IVerifier} from "./IVerifier.sol";

/// @title IProofDisputeGame
/// @notice A proposal that stands unless it is challenged, and once challenged stands only if it is proven: the OP Stack's ZK
/// dispute game (type 10) with bonds in OPEN.
///
/// Bonds. Whoever proposes pays `initBonds` of the factory, whoever challenges pays `challengerBond`.
///   unchallenged until the deadline      the proposer gets the bond back
///   proven, unchallenged                 the same, without waiting for the deadline
///   challenged, not proven in time       the challenger gets both bonds
///   challenged, proven in time           the prover gets the challenger's bond, the proposer its own
///   the parent lost                      the challenger gets both; without one the bond is burned
///   the parent was declared void         everyone gets back what they paid, and the claim does not stand
///   this game was declared void          everyone gets back what they paid
/// Payment takes two calls of `claimCredit`: one after the game is final, which unlocks, and one after the vault's delay.
///
/// Parents. A game starts from the anchor or from another game's claim, in `extraData`: `l2SequenceNumber` (32 bytes) and the
/// parent's index in the factory (4 bytes), of which the largest means the anchor. A child is decided after its parent.
///
/// @dev Trust: a proposal that nobody challenges stands unproven, so one honest watcher with a bond is needed; the verifier is
/// trusted for challenged ones. A challenger may be a friend of the proposer: that keeps the bond in the family, but the
/// false claim still loses. A proof is public once it is sent, and pays whoever sends it first.
interface IProofDisputeGame is IDisputeGame {
    /// @notice How far a claim got.
    enum ProposalStatus {
        Unchallenged,
        Challenged,
        UnchallengedAndValidProofProvided,
        ChallengedAndValidProofProvided,
        Resolved
    }

    /// @notice The claim and who is in dispute about it. `deadline` is in seconds: of the challenge, then of the proof.
    struct ClaimData {
        uint32 parentIndex;
        address counteredBy;
        address prover;
        bytes32 claim;
        ProposalStatus status;
        uint64 deadline;
    }

    /// @notice What all games of an implementation share.
    /// @custom:field programId Program that the verifier holds the claim to.
    /// @custom:field challengerBond OPEN that a challenge costs, wei.
    /// @custom:field maxChallengeDuration Time to challenge, seconds.
    /// @custom:field maxProveDuration Time to prove after a challenge, seconds.
    struct Init {
        uint32 gameType;
        IDisputeGameFactory factory;
        IAnchorStateRegistry registry;
        IBondVault vault;
        IVerifier verifier;
        bytes32 programId;
        uint256 l2ChainId;
        uint256 challengerBond;
        uint64 maxChallengeDuration;
        uint64 maxProveDuration;
    }

    /// @notice Somebody disputes the claim.
    /// @param challenger Who put up the challenger's bond.
    event Challenged(address indexed challenger);
    /// @notice The claim is proven.
    /// @param prover Who brought the proof.
    event Proved(address indexed prover);
    /// @notice It is decided how the bonds are paid.
    /// @param bondDistributionMode How bonds are paid.
    event GameClosed(BondDistributionMode bondDistributionMode);

    /// @notice Windows of no length.
    error ProofDisputeGame_DurationZero();
    /// @notice Only the factory makes games, and it initialises each once.
    error ProofDisputeGame_NotFactory();
    /// @notice `extraData` is not 36 bytes.
    /// @param length Bytes that were given.
    error ProofDisputeGame_ExtraDataLength(uint256 length);
    /// @notice The parent is of another type, void, lost, or not above the anchor.
    error ProofDisputeGame_InvalidParent();
    /// @notice The claim is not above what it starts from.
    /// @param l2SequenceNumber Number of the L2 block.
    /// @param startingSequenceNumber Number of the block it starts from.
    error ProofDisputeGame_NotAboveStart(uint256 l2SequenceNumber, uint256 startingSequenceNumber);
    /// @notice The claim was challenged, proven or decided before.
    error ProofDisputeGame_AlreadyChallenged();
    /// @notice The claim was proven or decided before.
    error ProofDisputeGame_AlreadyProven();
    /// @notice The window has closed.
    error ProofDisputeGame_GameOver();
    /// @notice The window is open until `deadline`, seconds.
    /// @param deadline Unix second until which it holds.
    error ProofDisputeGame_GameNotOver(uint64 deadline);
    /// @notice The game is decided already.
    error ProofDisputeGame_AlreadyResolved();
    /// @notice The parent has to be decided first.
    error ProofDisputeGame_ParentNotResolved();
    /// @notice The game is not final yet.
    error ProofDisputeGame_NotFinalized();
    /// @notice The guardian's pause holds closing up, so that it is not taken for a verdict.
    error ProofDisputeGame_Paused();
    /// @notice There is nothing for this account.
    /// @param recipient Who has none.
    error ProofDisputeGame_NoCreditToClaim(address recipient);

    /// @notice Disputes the claim; takes `challengerBond` OPEN of the caller, who has approved this game. Once, and in time.
    /// @return The case, or the state the proposal is in then.
    function challenge() external returns (ProposalStatus);
    /// @notice Proves the claim, challenged or not, in time. Reverts if the verifier does.
    /// @param proof What the verifier takes for `publicValues`.
    /// @return The state the proposal is in then.
    function prove(bytes calldata proof) external returns (ProposalStatus);
    /// @notice Fixes how the bonds are paid, and moves the anchor here if it can. Anyone may call, once the game is final.
    function closeGame() external;
    /// @notice Unlocks `recipient`'s part, or, after the vault's delay, pays it. Anyone may call.
    /// @param recipient Whose bond or gain is unlocked first, then paid.
    function claimCredit(address recipient) external;

    /// @notice The claim and its dispute.
    /// @return parentIndex Number of the game that it builds on.
    /// @return counteredBy Who challenged.
    /// @return prover Who proved.
    /// @return claim The output root.
    /// @return status The state.
    /// @return deadline Unix second at which the step ends.
    function claimData()
        external
        view
        returns (
            uint32 parentIndex,
            address counteredBy,
            address prover,
            bytes32 claim,
            ProposalStatus status,
            uint64 deadline
        );
    /// @notice True if the window has closed, or the claim is proven.
    /// @return Whether nobody can challenge or prove any more.
    function gameOver() external view returns (bool);
    /// @notice What the verifier is asked: `abi.encode(l1Head, startingOutputRoot, rootClaim, l2SequenceNumber, l2ChainId)`.
    /// @return What is proven: roots, numbers, L1 head and chain, encoded.
    function publicValues() external view returns (bytes memory);
    /// @notice Output root and L2 block that the claim starts from.
    /// @return The proposal.
    function startingProposal() external view returns (Proposal memory);
    /// @notice Number of the L2 block that the claim starts from.
    /// @return Number of the L2 block that the claim goes on from.
    function startingBlockNumber() external view returns (uint256);
    /// @notice Output root that the claim starts from.
    /// @return Output root of that block.
    function startingRootHash() external view returns (bytes32);
    /// @notice Index of the parent in the factory; the largest number means the anchor.
    /// @return Place of the game that it builds on; 2^32 - 1 for the anchor.
    function parentIndex() external view returns (uint32);
    /// @notice `l2SequenceNumber` under its older name.
    /// @return Number of the L2 block that is claimed.
    function l2BlockNumber() external view returns (uint256);
    /// @notice How the bonds are paid.
    /// @return The mode.
    function bondDistributionMode() external view returns (BondDistributionMode);
    /// @notice What `recipient` gets, wei of OPEN; by the outcome unless the game is closed for refund.
    /// @param recipient Account to ask about.
    /// @return Wei that `claimCredit` would unlock for it.
    function credit(address recipient) external view returns (uint256);
    /// @notice Part of `recipient` by the outcome, not paid yet.
    /// @param recipient Account to ask about.
    /// @return Wei if the game counts.
    function normalModeCredit(address recipient) external view returns (uint256);
    /// @notice What `recipient` paid, and has not got back.
    /// @param recipient Account to ask about.
    /// @return Wei if the game is void: what it put up.
    function refundModeCredit(address recipient) external view returns (uint256);
    /// @notice True once `claimCredit` has unlocked `recipient`'s part.
    /// @param recipient Account to ask about.
    /// @return Whether its delay runs or has run.
    function hasUnlockedCredit(address recipient) external view returns (bool);
    /// @notice OPEN that a challenge costs, wei.
    /// @return Wei of OPEN, fixed by the implementation.
    function challengerBond() external view returns (uint256);
    /// @notice Time to challenge, seconds.
    /// @return Seconds, fixed by the implementation.
    function maxChallengeDuration() external view returns (uint64);
    /// @notice Time to prove after a challenge, seconds.
    /// @return Seconds from a challenge, fixed by the implementation.
    function maxProveDuration() external view returns (uint64);
    /// @notice Decides on proofs.
    /// @return The verifier.
    function verifier() external view returns (IVerifier);
    /// @notice Program that the verifier holds the claim to.
    /// @return The program.
    function programId() external view returns (bytes32);
    /// @notice Chain id of L2.
    /// @return The chain.
    function l2ChainId() external view returns (uint256);
    /// @notice Holds the bonds.
    /// @return The vault.
    function vault() external view returns (IBondVault);
    /// @notice The factory that makes these games.
    /// @return The factory.
    function disputeGameFactory() external view returns (IDisputeGameFactory);
    /// @notice Form of this contract.
    /// @return Semantic version.
    function version() external pure returns (string memory);
}
