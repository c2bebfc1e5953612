// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {LibClone} from "solady/utils/LibClone.sol";

import {IAnchorStateRegistry} from "../interfaces/IAnchorStateRegistry.sol";
import {IBondVault} from "../interfaces/IBondVault.sol";
import {IDisputeGame} from "../interfaces/IDisputeGame.sol";
import {IDisputeGameFactory} from "../interfaces/IDisputeGameFactory.sol";
import {IProofDisputeGame} from "../interfaces/IProofDisputeGame.sol";
import {IVerifier} from "../interfaces/IVerifier.sol";
import {BondDistributionMode, GameStatus, Proposal} from "../types/Dispute.sol";

/// @title ProofDisputeGame
/// @notice A proposal that stands unless it is challenged, and once challenged stands only if it is proven. The factory makes
/// a clone of this contract for each proposal; what differs between clones is in the arguments behind their code: creator
/// (20 bytes), root claim (32), L1 head (32), L2 sequence number (32), parent index (4).
contract ProofDisputeGame is IProofDisputeGame {
    using SafeERC20 for IERC20;

    /// @dev Parent index that means the anchor.
    uint32 private constant NO_PARENT = type(uint32).max;
    uint256 private constant EXTRA_DATA_OFFSET = 84;
    uint256 private constant EXTRA_DATA_LENGTH = 36;
    /// @dev Gets what nobody has a right to.
    address private constant BURN = 0x000000000000000000000000000000000000dEaD;

    /// @inheritdoc IDisputeGame
    uint32 public immutable gameType;
    /// @inheritdoc IProofDisputeGame
    IDisputeGameFactory public immutable disputeGameFactory;
    /// @inheritdoc IDisputeGame
    IAnchorStateRegistry public immutable anchorStateRegistry;
    /// @inheritdoc IProofDisputeGame
    IBondVault public immutable vault;
    /// @inheritdoc IProofDisputeGame
    IVerifier public immutable verifier;
    /// @inheritdoc IProofDisputeGame
    bytes32 public immutable programId;
    /// @inheritdoc IProofDisputeGame
    uint256 public immutable l2ChainId;
    /// @inheritdoc IProofDisputeGame
    uint256 public immutable challengerBond;
    /// @inheritdoc IProofDisputeGame
    uint64 public immutable maxChallengeDuration;
    /// @inheritdoc IProofDisputeGame
    uint64 public immutable maxProveDuration;

    /// @inheritdoc IDisputeGame
    uint64 public createdAt;
    /// @inheritdoc IDisputeGame
    uint64 public resolvedAt;
    /// @inheritdoc IDisputeGame
    GameStatus public status;
    /// @inheritdoc IDisputeGame
    bool public wasRespectedGameTypeWhenCreated;
    /// @inheritdoc IProofDisputeGame
    BondDistributionMode public bondDistributionMode;
    /// @inheritdoc IProofDisputeGame
    ClaimData public claimData;
    /// @inheritdoc IProofDisputeGame
    mapping(address recipient => uint256) public normalModeCredit;
    /// @inheritdoc IProofDisputeGame
    mapping(address recipient => uint256) public refundModeCredit;
    /// @inheritdoc IProofDisputeGame
    mapping(address recipient => bool) public hasUnlockedCredit;
    Proposal private _startingProposal;
    /// @dev What the proposer paid: the factory's bond may change later.
    uint256 private _proposerBond;

    constructor(Init memory init) {
        if (init.maxChallengeDuration == 0 || init.maxProveDuration == 0) revert ProofDisputeGame_DurationZero();
        gameType = init.gameType;
        disputeGameFactory = init.factory;
        anchorStateRegistry = init.registry;
        vault = init.vault;
        verifier = init.verifier;
        programId = init.programId;
        l2ChainId = init.l2ChainId;
        challengerBond = init.challengerBond;
        maxChallengeDuration = init.maxChallengeDuration;
        maxProveDuration = init.maxProveDuration;
    }

    // The proposal

    /// @inheritdoc IDisputeGame
    function initialize() external {
        // Check
        if (msg.sender != address(disputeGameFactory) || createdAt != 0) revert ProofDisputeGame_NotFactory();
        uint256 length = _arguments().length - EXTRA_DATA_OFFSET;
        if (length != EXTRA_DATA_LENGTH) revert ProofDisputeGame_ExtraDataLength(length);
        uint32 parent = parentIndex();
        Proposal memory start = parent == NO_PARENT ? _anchor() : _claimOf(parent);
        if (l2SequenceNumber() <= start.l2SequenceNumber) {
            revert ProofDisputeGame_NotAboveStart(l2SequenceNumber(), start.l2SequenceNumber);
        }

        // Effect
        _startingProposal = start;
        createdAt = uint64(block.timestamp);
        wasRespectedGameTypeWhenCreated = anchorStateRegistry.respectedGameType() == gameType;
        claimData = ClaimData({
            parentIndex: parent,
            counteredBy: address(0),
            prover: address(0),
            claim: rootClaim(),
            status: ProposalStatus.Unchallenged,
            deadline: uint64(block.timestamp) + maxChallengeDuration
        });
        uint256 bond = disputeGameFactory.initBonds(gameType);
        _proposerBond = bond;
        refundModeCredit[gameCreator()] += bond;

        // Interaction
        _store(bond);
    }

    /// @dev The claim of a game that this one may follow.
    function _claimOf(uint32 index) private view returns (Proposal memory) {
        (uint32 type_,, IDisputeGame parent) = disputeGameFactory.gameAtIndex(index);
        if (
            type_ != gameType || !anchorStateRegistry.isGameRegistered(parent)
                || !anchorStateRegistry.isGameRespected(parent) || anchorStateRegistry.isGameBlacklisted(parent)
                || anchorStateRegistry.isGameRetired(parent) || parent.status() == GameStatus.CHALLENGER_WINS
                || parent.l2SequenceNumber() <= _anchor().l2SequenceNumber
        ) revert ProofDisputeGame_InvalidParent();
        return Proposal(parent.rootClaim(), parent.l2SequenceNumber());
    }

    function _anchor() private view returns (Proposal memory anchor) {
        (anchor.root, anchor.l2SequenceNumber) = anchorStateRegistry.getAnchorRoot();
    }

    // The dispute

    /// @inheritdoc IProofDisputeGame
    function challenge() external returns (ProposalStatus) {
        // Check
        if (claimData.status != ProposalStatus.Unchallenged) revert ProofDisputeGame_AlreadyChallenged();
        if (gameOver()) revert ProofDisputeGame_GameOver();

        // Effect
        claimData.counteredBy = msg.sender;
        claimData.status = ProposalStatus.Challenged;
        claimData.deadline = uint64(block.timestamp) + maxProveDuration;
        refundModeCredit[msg.sender] += challengerBond;
        emit Challenged(msg.sender);

        // Interaction
        if (challengerBond != 0) {
            IERC20(vault.open()).safeTransferFrom(msg.sender, address(this), challengerBond);
        }
        _store(challengerBond);
        return ProposalStatus.Challenged;
    }

    /// @inheritdoc IProofDisputeGame
    function prove(bytes calldata proof) external returns (ProposalStatus) {
        // Check
        ProposalStatus before = claimData.status;
        if (before != ProposalStatus.Unchallenged && before != ProposalStatus.Challenged) {
            revert ProofDisputeGame_AlreadyProven();
        }
        if (gameOver()) revert ProofDisputeGame_GameOver();
        verifier.verify(programId, publicValues(), proof);

        // Effect
        ProposalStatus proven = before == ProposalStatus.Challenged
            ? ProposalStatus.ChallengedAndValidProofProvided
            : ProposalStatus.UnchallengedAndValidProofProvided;
        claimData.status = proven;
        claimData.prover = msg.sender;
        emit Proved(msg.sender);
        return proven;
    }

    /// @inheritdoc IDisputeGame
    function resolve() external returns (GameStatus outcome) {
        // Check
        ProposalStatus proposal = claimData.status;
        if (proposal == ProposalStatus.Resolved) revert ProofDisputeGame_AlreadyResolved();
        (GameStatus parentStatus, bool parentVoid) = _parentStatus();
        if (parentStatus == GameStatus.IN_PROGRESS) revert ProofDisputeGame_ParentNotResolved();

        // Effect
        address proposer = gameCreator();
        address challenger = claimData.counteredBy;
        uint256 bonds = _proposerBond + (challenger == address(0) ? 0 : challengerBond);
        if (parentVoid) {
            outcome = GameStatus.CHALLENGER_WINS;
            normalModeCredit[proposer] += _proposerBond;
            if (challenger != address(0)) normalModeCredit[challenger] += challengerBond;
        } else if (parentStatus == GameStatus.CHALLENGER_WINS) {
            outcome = GameStatus.CHALLENGER_WINS;
            normalModeCredit[challenger == address(0) ? BURN : challenger] = bonds;
        } else if (!gameOver()) {
            revert ProofDisputeGame_GameNotOver(claimData.deadline);
        } else if (proposal == ProposalStatus.Challenged) {
            outcome = GameStatus.CHALLENGER_WINS;
            normalModeCredit[challenger] = bonds;
        } else {
            outcome = GameStatus.DEFENDER_WINS;
            normalModeCredit[proposer] = _proposerBond;
            // Without a challenger, a prover gains the time only.
            if (challenger != address(0)) normalModeCredit[claimData.prover] += challengerBond;
        }
        claimData.status = ProposalStatus.Resolved;
        status = outcome;
        resolvedAt = uint64(block.timestamp);
        emit Resolved(outcome);
    }

    /// @dev Outcome of what this game starts from, and whether the guardian has declared it void since.
    function _parentStatus() private view returns (GameStatus, bool) {
        uint32 index = claimData.parentIndex;
        if (index == NO_PARENT) return (GameStatus.DEFENDER_WINS, false);
        (,, IDisputeGame parent) = disputeGameFactory.gameAtIndex(index);
        if (anchorStateRegistry.isGameBlacklisted(parent)) return (GameStatus.CHALLENGER_WINS, true);
        return (parent.status(), false);
    }

    /// @inheritdoc IProofDisputeGame
    function gameOver() public view returns (bool) {
        ProposalStatus proposal = claimData.status;
        return proposal == ProposalStatus.UnchallengedAndValidProofProvided
            || proposal == ProposalStatus.ChallengedAndValidProofProvided || block.timestamp > claimData.deadline;
    }

    // The bonds

    /// @inheritdoc IProofDisputeGame
    function closeGame() public {
        if (bondDistributionMode != BondDistributionMode.UNDECIDED) return;

        // Check
        if (anchorStateRegistry.paused()) revert ProofDisputeGame_Paused();
        if (!anchorStateRegistry.isGameFinalized(this)) revert ProofDisputeGame_NotFinalized();

        // Effect
        BondDistributionMode mode =
            anchorStateRegistry.isGameProper(this) ? BondDistributionMode.NORMAL : BondDistributionMode.REFUND;
        bondDistributionMode = mode;
        emit GameClosed(mode);

        // Interaction: the anchor may be above already, and a lost game cannot become it.
        try anchorStateRegistry.setAnchorState(this) {} catch {}
    }

    /// @inheritdoc IProofDisputeGame
    function claimCredit(address recipient) external {
        closeGame();

        if (!hasUnlockedCredit[recipient]) {
            uint256 amount = credit(recipient);
            if (amount == 0) revert ProofDisputeGame_NoCreditToClaim(recipient);
            hasUnlockedCredit[recipient] = true;
            vault.unlock(recipient, amount);
            return;
        }

        (uint256 unlocked,) = vault.withdrawals(address(this), recipient);
        if (unlocked == 0) revert ProofDisputeGame_NoCreditToClaim(recipient);
        normalModeCredit[recipient] = 0;
        refundModeCredit[recipient] = 0;
        vault.withdraw(recipient, unlocked);
    }

    /// @inheritdoc IProofDisputeGame
    function credit(address recipient) public view returns (uint256) {
        return
            bondDistributionMode == BondDistributionMode.REFUND
                ? refundModeCredit[recipient]
                : normalModeCredit[recipient];
    }

    function _store(uint256 amount) private {
        if (amount == 0) return;
        IERC20(vault.open()).forceApprove(address(vault), amount);
        vault.deposit(amount);
    }

    // Views

    /// @inheritdoc IProofDisputeGame
    function publicValues() public view returns (bytes memory) {
        return abi.encode(l1Head(), _startingProposal.root, rootClaim(), l2SequenceNumber(), l2ChainId);
    }

    /// @inheritdoc IProofDisputeGame
    function startingProposal() external view returns (Proposal memory) {
        return _startingProposal;
    }

    /// @inheritdoc IProofDisputeGame
    function startingBlockNumber() external view returns (uint256) {
        return _startingProposal.l2SequenceNumber;
    }

    /// @inheritdoc IProofDisputeGame
    function startingRootHash() external view returns (bytes32) {
        return _startingProposal.root;
    }

    /// @inheritdoc IDisputeGame
    function gameData() external view returns (uint32, bytes32, bytes memory) {
        return (gameType, rootClaim(), extraData());
    }

    /// @inheritdoc IDisputeGame
    function gameCreator() public view returns (address) {
        return address(bytes20(_word(0)));
    }

    /// @inheritdoc IDisputeGame
    function rootClaim() public view returns (bytes32) {
        return _word(20);
    }

    /// @inheritdoc IDisputeGame
    function l1Head() public view returns (bytes32) {
        return _word(52);
    }

    /// @inheritdoc IDisputeGame
    function extraData() public view returns (bytes memory) {
        return LibClone.argsOnClone(address(this), EXTRA_DATA_OFFSET);
    }

    /// @inheritdoc IDisputeGame
    function l2SequenceNumber() public view returns (uint256) {
        return uint256(_word(EXTRA_DATA_OFFSET));
    }

    /// @inheritdoc IProofDisputeGame
    function l2BlockNumber() external view returns (uint256) {
        return l2SequenceNumber();
    }

    /// @inheritdoc IProofDisputeGame
    function parentIndex() public view returns (uint32) {
        return uint32(bytes4(_word(EXTRA_DATA_OFFSET + 32)));
    }

    /// @inheritdoc IProofDisputeGame
    function version() external pure returns (string memory) {
        return "1.0.0";
    }

    function _arguments() private view returns (bytes memory) {
        return LibClone.argsOnClone(address(this));
    }

    /// @dev 32 bytes of the clone's arguments; what is beyond their end reads as zero.
    function _word(uint256 offset) private view returns (bytes32) {
        return bytes32(LibClone.argsOnClone(address(this), offset, offset + 32));
    }
}
