// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {RollupHashing} from "../libraries/RollupHashing.sol";
import {IAnchorStateRegistry} from "./IAnchorStateRegistry.sol";
import {IDisputeGame} from "./IDisputeGame.sol";
import {IDisputeGameFactory} from "./IDisputeGameFactory.sol";
import {ISystemConfig} from "./ISystemConfig.sol";

/// @title IOptimismPortal
/// @notice Where OPEN and calls enter and leave L2. A deposit is an L1 event that derivation turns into an L2 transaction: it
/// cannot be refused by the sequencer, and it needs no L2 balance to be included. A withdrawal is a message of
/// `L2ToL1MessagePasser`: it is proven against an output root that somebody has proposed, and carried out once the proof is
/// old enough and the proposal is final.
/// @dev Functions, events and errors are the OP Stack's. OPEN is an ERC-20 on L1, so ETH is refused and OPEN is locked by
/// `depositERC20Transaction`. Trust: the portal trusts its token, `OPEN`, to move exactly what it is asked to (checked) and
/// not to call back; and it trusts the registry for which proposals count. It has no owner, and its code cannot change.
interface IOptimismPortal {
    /// @notice A proof of a withdrawal: the game proven against, and when, seconds.
    struct ProvenWithdrawal {
        IDisputeGame disputeGameProxy;
        uint64 timestamp;
    }

    /// @notice A deposit. `from` is the caller's address on L2, `version` is 0, and `opaqueData` packs mint (32 bytes), value
    /// (32), gas limit (8), creation flag (1) and call data.
    /// @param from Sender on L2: the account, or the alias of a contract.
    /// @param to Whom it calls on L2; of no meaning in a creation.
    /// @param version How `opaqueData` is to be read; always 0.
    /// @param opaqueData Mint, value, gas limit, creation flag and call data, packed.
    event TransactionDeposited(address indexed from, address indexed to, uint256 indexed version, bytes opaqueData);
    /// @notice The OPEN that L2's genesis allocates is locked.
    /// @param from Who paid it.
    /// @param amount Wei that L2 has from its genesis.
    event GenesisSupplyLocked(address indexed from, uint256 amount);

    /// @notice A withdrawal was proven.
    /// @param withdrawalHash Hash of the withdrawal, its name on both layers.
    /// @param from Sender on L2.
    /// @param to Receiver on L1.
    event WithdrawalProven(bytes32 indexed withdrawalHash, address indexed from, address indexed to);
    /// @notice Who proved it.
    /// @param withdrawalHash Hash of the withdrawal, its name on both layers.
    /// @param proofSubmitter Who proved it; each account's proof has a clock of its own.
    event WithdrawalProvenExtension1(bytes32 indexed withdrawalHash, address indexed proofSubmitter);
    /// @notice A withdrawal was carried out; `success` says whether the call to its target succeeded.
    /// @param withdrawalHash Hash of the withdrawal, its name on both layers.
    /// @param success Whether its call succeeded; it is not carried out again if not.
    event WithdrawalFinalized(bytes32 indexed withdrawalHash, bool success);

    /// @notice ETH has no use on L2.
    error OptimismPortal_EtherNotAccepted();
    /// @notice A creation has no target: `to` must be zero. A withdrawal may not call the portal or OPEN, which would obey it.
    error OptimismPortal_BadTarget();
    /// @notice The gas limit does not cover the deposit's calldata; `minimumGasLimit` says how much does.
    error OptimismPortal_GasLimitTooLow();
    /// @notice More than 120,000 bytes of call data.
    error OptimismPortal_CalldataTooLarge();
    /// @notice The guardian has paused deposits that lock OPEN, and withdrawals.
    error OptimismPortal_Paused();
    /// @notice The token moved another amount than asked for.
    /// @param expected Wei that had to arrive.
    /// @param received Wei that did.
    error OptimismPortal_InexactTransfer(uint256 expected, uint256 received);
    /// @notice L2's genesis supply has to be locked first, so that no user's deposit backs it.
    error OptimismPortal_GenesisSupplyNotLocked();
    /// @notice L2's genesis supply is locked once.
    error OptimismPortal_GenesisSupplyLocked();
    /// @notice `SystemConfig` names another portal.
    /// @param optimismPortal The portal that the configuration names.
    error OptimismPortal_ConfigOfAnotherPortal(address optimismPortal);

    /// @notice A withdrawal is under way; another cannot be carried out from within.
    error OptimismPortal_NoReentrancy();
    /// @notice The game was made by another factory, or is void.
    error OptimismPortal_ImproperDisputeGame();
    /// @notice The game is of a type that does not count, or it has lost.
    error OptimismPortal_InvalidDisputeGame();
    /// @notice These are not the parts of the game's output root.
    error OptimismPortal_InvalidOutputRootProof();
    /// @notice The withdrawal is not in the message passer's storage. A proof that leads into a node that is none may be
    /// refused by the decoder's `RLPInvalidEncoding` instead.
    error OptimismPortal_InvalidMerkleProof();
    /// @notice This submitter has not proven the withdrawal.
    error OptimismPortal_Unproven();
    /// @notice The proof is not younger than the game.
    error OptimismPortal_InvalidProofTimestamp();
    /// @notice The proof has not matured.
    error OptimismPortal_ProofNotOldEnough();
    /// @notice The game's claim is not final, or does not count.
    error OptimismPortal_InvalidRootClaim();
    /// @notice The withdrawal was carried out before.
    error OptimismPortal_AlreadyFinalized();
    /// @notice Tells an estimation of gas that the target's call failed for lack of it.
    error OptimismPortal_GasEstimation();

    /// @notice The token locked here.
    /// @return The token OPEN.
    function open() external view returns (address);
    /// @notice The rollup's parameters.
    /// @return The configuration.
    function systemConfig() external view returns (ISystemConfig);
    /// @notice OPEN that L2's genesis allocates.
    /// @return Wei that are locked once, for what L2 has from its genesis.
    function genesisSupply() external view returns (uint256);
    /// @notice OPEN locked for L2. INVARIANT: equals L2's supply plus exits under way, plus deposits not yet on L2. OPEN sent
    /// here by a plain transfer is not counted and cannot be recovered, nor can an exit to this contract, to OPEN or to zero.
    /// @return Wei; the portal holds at least as much.
    function escrowed() external view returns (uint256);
    /// @notice True while the guardian's pause lasts.
    /// @return Whether minting deposits, proofs and payments are refused.
    function paused() external view returns (bool);
    /// @notice Account that may pause.
    /// @return Who can pause and replace keys.
    function guardian() external view returns (address);
    /// @notice Least gas limit of a deposit with `byteCount` bytes of call data: 40 gas per byte and 21,000.
    /// @param byteCount Length of the call data.
    /// @return 21,000 and 40 a byte.
    function minimumGasLimit(uint64 byteCount) external pure returns (uint64);
    /// @notice Form of this contract; 3 tells the OP Stack's tools which calls to make.
    /// @return Semantic version.
    function version() external pure returns (string memory);

    /// @notice Locks the OPEN of L2's genesis from the caller's balance, once. Anyone may pay.
    function lockGenesisSupply() external;

    /// @notice Forces a transaction into L2 without locking OPEN; `value` comes from the sender's L2 balance. Never paused:
    /// it is the way to act on L2, and to leave it, without the sequencer.
    /// @param to Target on L2; zero for a creation.
    /// @param value OPEN to send to the target, wei.
    /// @param gasLimit L2 gas, paid for on L1.
    /// @param isCreation True if `data` is init code.
    /// @param data Call data on L2, 120,000 bytes at most.
    function depositTransaction(address to, uint256 value, uint64 gasLimit, bool isCreation, bytes calldata data)
        external
        payable;

    /// @notice Locks `mint` OPEN of the caller, who has approved this contract, and forces a transaction into L2. The sender
    /// is credited on L2 with `mint` before the call, and keeps it if the call fails.
    /// @param to Where it goes.
    /// @param mint OPEN to lock here and to mint to the sender on L2, wei.
    /// @param value OPEN that goes with the call, of the sender's on L2, wei.
    /// @param gasLimit Gas of the call on L2, at least `minimumGasLimit`; burned on L1 by the gas market.
    /// @param isCreation Whether it creates a contract.
    /// @param data Call data on L2, 120,000 bytes at most.
    function depositERC20Transaction(
        address to,
        uint256 mint,
        uint256 value,
        uint64 gasLimit,
        bool isCreation,
        bytes calldata data
    ) external;

    /// @notice `depositERC20Transaction` with an EIP-2612 approval of `mint` until `deadline`, seconds. A permit that was
    /// already used, by the caller or by someone who saw it, does no harm: the approval is there.
    /// @param to Where it goes.
    /// @param mint OPEN to lock here and to mint to the sender on L2, wei.
    /// @param value OPEN that goes with the call, of the sender's on L2, wei.
    /// @param gasLimit Gas of the call on L2, at least `minimumGasLimit`; burned on L1 by the gas market.
    /// @param isCreation Whether it creates a contract.
    /// @param data Call data on L2, 120,000 bytes at most.
    /// @param deadline Unix second until which it holds.
    /// @param v The signature's `v`.
    /// @param r The signature's `r`.
    /// @param s The signature's `s`.
    function depositERC20TransactionWithPermit(
        address to,
        uint256 mint,
        uint256 value,
        uint64 gasLimit,
        bool isCreation,
        bytes calldata data,
        uint256 deadline,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external;

    /// @notice Proves that a message was sent on L2, against the `disputeGameIndex`-th proposal, which need not be final. May
    /// be repeated, against another game too; each submitter's last proof counts, and its age counts from then.
    /// @param outputRootProof Parts of the proposed output root.
    /// @param withdrawalProof Nodes of the message passer's storage trie, from the root to the withdrawal's slot.
    /// @param withdrawal The message as L2 sent it.
    /// @param disputeGameIndex Place of the proposal's game in the factory, from 0.
    function proveWithdrawalTransaction(
        RollupHashing.Withdrawal calldata withdrawal,
        uint256 disputeGameIndex,
        RollupHashing.OutputRootProof calldata outputRootProof,
        bytes[] calldata withdrawalProof
    ) external;

    /// @notice Carries out a withdrawal that the caller has proven.
    /// @param withdrawal The message as L2 sent it, proven by the caller.
    function finalizeWithdrawalTransaction(RollupHashing.Withdrawal calldata withdrawal) external;

    /// @notice Carries out a withdrawal that `proofSubmitter` has proven: pays `value` OPEN to the target, then, if there is
    /// `data`, calls it with at least `gasLimit` gas. During the call `l2Sender` names the sender. A withdrawal is carried
    /// out once, whatever comes of the call: if it fails, the target keeps the OPEN, and sending the message again is up to
    /// the messenger.
    /// @param withdrawal The message as L2 sent it.
    /// @param proofSubmitter Who proved it; each account's proof has a clock of its own.
    function finalizeWithdrawalTransactionExternalProof(
        RollupHashing.Withdrawal calldata withdrawal,
        address proofSubmitter
    ) external;

    /// @notice Reverts with the reason why the withdrawal cannot be carried out by this submitter's proof, if there is one.
    /// @param withdrawalHash Hash of the withdrawal, its name on both layers.
    /// @param proofSubmitter Who proved it; each account's proof has a clock of its own.
    function checkWithdrawal(bytes32 withdrawalHash, address proofSubmitter) external view;
    /// @notice The last proof of a withdrawal by a submitter.
    /// @param withdrawalHash Hash of the withdrawal, its name on both layers.
    /// @param proofSubmitter Who proved it; each account's proof has a clock of its own.
    /// @return disputeGameProxy The game that it was proven against.
    /// @return timestamp Unix second of the proof.
    function provenWithdrawals(bytes32 withdrawalHash, address proofSubmitter)
        external
        view
        returns (IDisputeGame disputeGameProxy, uint64 timestamp);
    /// @notice True if the withdrawal was carried out.
    /// @param withdrawalHash Hash of the withdrawal, its name on both layers.
    /// @return Whether it was carried out.
    function finalizedWithdrawals(bytes32 withdrawalHash) external view returns (bool);
    /// @notice Submitters of proofs of a withdrawal, in order, one entry per proof.
    /// @param withdrawalHash Hash of the withdrawal, its name on both layers.
    /// @param index Its place in the list.
    /// @return The address.
    function proofSubmitters(bytes32 withdrawalHash, uint256 index) external view returns (address);
    /// @notice Number of proofs of a withdrawal.
    /// @param withdrawalHash Hash of the withdrawal, its name on both layers.
    /// @return How many have proven it.
    function numProofSubmitters(bytes32 withdrawalHash) external view returns (uint256);
    /// @notice Sender on L2 of the withdrawal that is being carried out; `0x…dEaD` if there is none.
    /// @return Sender on L2 of the withdrawal that is carried out now; a fixed other address outside of that.
    function l2Sender() external view returns (address);
    /// @notice Time between proving and carrying out a withdrawal, seconds.
    /// @return Seconds between proof and payment at least.
    function proofMaturityDelaySeconds() external view returns (uint256);
    /// @notice Time between the decision of a game and its finality, seconds.
    /// @return Seconds between a game's end and payments by it.
    function disputeGameFinalityDelaySeconds() external view returns (uint256);
    /// @notice The type of game on which withdrawals count.
    /// @return Type of games that count.
    function respectedGameType() external view returns (uint32);
    /// @notice Games created at or before this time, seconds, do not count.
    /// @return Unix seconds.
    function respectedGameTypeUpdatedAt() external view returns (uint64);
    /// @notice True if the guardian has declared the game void.
    /// @param game The game.
    /// @return Whether the guardian has declared it void.
    function disputeGameBlacklist(IDisputeGame game) external view returns (bool);
    /// @notice Makes the games.
    /// @return The factory.
    function disputeGameFactory() external view returns (IDisputeGameFactory);
    /// @notice Says which games count.
    /// @return The registry.
    function anchorStateRegistry() external view returns (IAnchorStateRegistry);
}
