// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

import {IAnchorStateRegistry} from "../interfaces/IAnchorStateRegistry.sol";
import {IDisputeGame} from "../interfaces/IDisputeGame.sol";
import {IDisputeGameFactory} from "../interfaces/IDisputeGameFactory.sol";
import {IOptimismPortal} from "../interfaces/IOptimismPortal.sol";
import {ISystemConfig} from "../interfaces/ISystemConfig.sol";
import {AddressAlias} from "../libraries/AddressAlias.sol";
import {RollupHashing} from "../libraries/RollupHashing.sol";
import {SafeCall} from "../libraries/SafeCall.sol";
import {SenderEOA} from "../libraries/SenderEOA.sol";
import {StorageProof} from "../libraries/StorageProof.sol";
import {GameStatus} from "../types/Dispute.sol";
import {ResourceMetering} from "./ResourceMetering.sol";

/// @title OptimismPortal
/// @notice Where OPEN and calls enter and leave L2.
contract OptimismPortal is IOptimismPortal, ResourceMetering {
    using SafeERC20 for IERC20;

    /// @dev Keeps a deposit within what L1 nodes accept as one transaction (128 KiB).
    uint256 private constant CALLDATA_LENGTH_MAX = 120_000;
    /// @dev `l2Sender` while no withdrawal is under way.
    address private constant DEFAULT_L2_SENDER = 0x000000000000000000000000000000000000dEaD;
    /// @dev Sender of transactions whose gas is being estimated, in the OP Stack's tools.
    address private constant ESTIMATION_ADDRESS = address(1);

    /// @inheritdoc IOptimismPortal
    address public immutable open;
    /// @inheritdoc IOptimismPortal
    ISystemConfig public immutable systemConfig;
    /// @inheritdoc IOptimismPortal
    uint256 public immutable genesisSupply;
    /// @inheritdoc IOptimismPortal
    IAnchorStateRegistry public immutable anchorStateRegistry;
    /// @inheritdoc IOptimismPortal
    uint256 public immutable proofMaturityDelaySeconds;

    /// @inheritdoc IOptimismPortal
    uint256 public escrowed;
    bool private _genesisSupplyLocked;
    /// @inheritdoc IOptimismPortal
    mapping(bytes32 withdrawalHash => bool) public finalizedWithdrawals;
    /// @inheritdoc IOptimismPortal
    mapping(bytes32 withdrawalHash => mapping(address proofSubmitter => ProvenWithdrawal)) public provenWithdrawals;
    /// @inheritdoc IOptimismPortal
    mapping(bytes32 withdrawalHash => address[]) public proofSubmitters;
    /// @dev Zero while no withdrawal is under way.
    address private transient _l2Sender;
    /// @dev Apart from `_l2Sender`, because a message's sender may be any address.
    bool private transient _withdrawing;

    /// @param config Must name this contract as its portal.
    /// @param supply OPEN that L2's genesis allocates, wei.
    /// @param registry Says which games count; may be deployed later, at a foreseen address.
    /// @param maturityDelaySeconds Time between proving and carrying out a withdrawal.
    constructor(
        address token,
        ISystemConfig config,
        uint256 supply,
        IAnchorStateRegistry registry,
        uint256 maturityDelaySeconds
    ) ResourceMetering(config.resourceConfig()) {
        if (config.optimismPortal() != address(this)) {
            revert OptimismPortal_ConfigOfAnotherPortal(config.optimismPortal());
        }
        open = token;
        systemConfig = config;
        genesisSupply = supply;
        anchorStateRegistry = registry;
        proofMaturityDelaySeconds = maturityDelaySeconds;
        _genesisSupplyLocked = supply == 0;
    }

    // Views

    /// @inheritdoc IOptimismPortal
    function paused() public view returns (bool) {
        return systemConfig.paused();
    }

    /// @inheritdoc IOptimismPortal
    function guardian() external view returns (address) {
        return systemConfig.guardian();
    }

    /// @inheritdoc IOptimismPortal
    function minimumGasLimit(uint64 byteCount) public pure returns (uint64) {
        return byteCount * 40 + 21_000;
    }

    /// @inheritdoc IOptimismPortal
    function version() external pure returns (string memory) {
        return "3.0.0";
    }

    // Genesis

    /// @inheritdoc IOptimismPortal
    function lockGenesisSupply() external {
        // Check
        if (_genesisSupplyLocked) revert OptimismPortal_GenesisSupplyLocked();

        // Effect
        _genesisSupplyLocked = true;
        emit GenesisSupplyLocked(msg.sender, genesisSupply);

        // Interaction
        _lock(genesisSupply);
    }

    // Deposits

    /// @inheritdoc IOptimismPortal
    function depositTransaction(address to, uint256 value, uint64 gasLimit, bool isCreation, bytes calldata data)
        external
        payable
        metered(gasLimit)
    {
        if (msg.value != 0) revert OptimismPortal_EtherNotAccepted();
        _deposit(to, 0, value, gasLimit, isCreation, data);
    }

    /// @inheritdoc IOptimismPortal
    function depositERC20Transaction(
        address to,
        uint256 mint,
        uint256 value,
        uint64 gasLimit,
        bool isCreation,
        bytes calldata data
    ) external metered(gasLimit) {
        _lockForDeposit(mint);
        _deposit(to, mint, value, gasLimit, isCreation, data);
    }

    /// @inheritdoc IOptimismPortal
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
    ) external metered(gasLimit) {
        // A failure is not final: if the approval is missing, the transfer fails.
        try IERC20Permit(open).permit(msg.sender, address(this), mint, deadline, v, r, s) {} catch {}
        _lockForDeposit(mint);
        _deposit(to, mint, value, gasLimit, isCreation, data);
    }

    function _deposit(address to, uint256 mint, uint256 value, uint64 gasLimit, bool isCreation, bytes calldata data)
        private
    {
        if (isCreation && to != address(0)) revert OptimismPortal_BadTarget();
        if (data.length > CALLDATA_LENGTH_MAX) revert OptimismPortal_CalldataTooLarge();
        if (gasLimit < minimumGasLimit(uint64(data.length))) revert OptimismPortal_GasLimitTooLow();

        address from = SenderEOA.isSenderEOA() ? msg.sender : AddressAlias.toL2(msg.sender);
        emit TransactionDeposited(
            from,
            to,
            RollupHashing.DEPOSIT_VERSION,
            RollupHashing.depositPayload(mint, value, gasLimit, isCreation, data)
        );
    }

    function _lockForDeposit(uint256 amount) private {
        if (amount == 0) return;
        if (paused()) revert OptimismPortal_Paused();
        if (!_genesisSupplyLocked) revert OptimismPortal_GenesisSupplyNotLocked();
        _lock(amount);
    }

    /// @dev INVARIANT: `escrowed` grows by exactly what arrived.
    function _lock(uint256 amount) private {
        escrowed += amount;
        uint256 balanceBefore = IERC20(open).balanceOf(address(this));
        IERC20(open).safeTransferFrom(msg.sender, address(this), amount);
        uint256 received = IERC20(open).balanceOf(address(this)) - balanceBefore;
        if (received != amount) revert OptimismPortal_InexactTransfer(amount, received);
    }

    // Withdrawals

    /// @inheritdoc IOptimismPortal
    function proveWithdrawalTransaction(
        RollupHashing.Withdrawal calldata withdrawal,
        uint256 disputeGameIndex,
        RollupHashing.OutputRootProof calldata outputRootProof,
        bytes[] calldata withdrawalProof
    ) external {
        // Check
        if (paused()) revert OptimismPortal_Paused();
        _checkTarget(withdrawal.target);
        (,, IDisputeGame game) = disputeGameFactory().gameAtIndex(disputeGameIndex);
        if (!anchorStateRegistry.isGameProper(game)) revert OptimismPortal_ImproperDisputeGame();
        if (!anchorStateRegistry.isGameRespected(game) || game.status() == GameStatus.CHALLENGER_WINS) {
            revert OptimismPortal_InvalidDisputeGame();
        }
        if (block.timestamp <= game.createdAt()) revert OptimismPortal_InvalidProofTimestamp();
        if (outputRootProof.version != 0 || game.rootClaim() != RollupHashing.outputRoot(outputRootProof)) {
            revert OptimismPortal_InvalidOutputRootProof();
        }
        // SOUNDNESS: the hash commits to every field of the withdrawal and names one storage slot, which only the message
        // passer's own code can set.
        bytes32 withdrawalHash = RollupHashing.withdrawalHash(withdrawal);
        bytes32 slot = RollupHashing.withdrawalStorageKey(withdrawalHash);
        if (!StorageProof.holdsOne(outputRootProof.messagePasserStorageRoot, slot, withdrawalProof)) {
            revert OptimismPortal_InvalidMerkleProof();
        }

        // Effect
        provenWithdrawals[withdrawalHash][msg.sender] = ProvenWithdrawal(game, uint64(block.timestamp));
        proofSubmitters[withdrawalHash].push(msg.sender);
        emit WithdrawalProven(withdrawalHash, withdrawal.sender, withdrawal.target);
        emit WithdrawalProvenExtension1(withdrawalHash, msg.sender);
    }

    /// @inheritdoc IOptimismPortal
    function finalizeWithdrawalTransaction(RollupHashing.Withdrawal calldata withdrawal) external {
        finalizeWithdrawalTransactionExternalProof(withdrawal, msg.sender);
    }

    /// @inheritdoc IOptimismPortal
    function finalizeWithdrawalTransactionExternalProof(
        RollupHashing.Withdrawal calldata withdrawal,
        address proofSubmitter
    ) public {
        // Check
        if (paused()) revert OptimismPortal_Paused();
        if (_withdrawing) revert OptimismPortal_NoReentrancy();
        _checkTarget(withdrawal.target);
        bytes32 withdrawalHash = RollupHashing.withdrawalHash(withdrawal);
        checkWithdrawal(withdrawalHash, proofSubmitter);

        // Effect
        finalizedWithdrawals[withdrawalHash] = true;
        escrowed -= withdrawal.value;

        // Interaction
        if (withdrawal.value != 0) IERC20(open).safeTransfer(withdrawal.target, withdrawal.value);
        bool success = true;
        if (withdrawal.data.length != 0) {
            _withdrawing = true;
            _l2Sender = withdrawal.sender;
            success = SafeCall.callWithMinGas(withdrawal.target, withdrawal.gasLimit, withdrawal.data);
            _l2Sender = address(0);
            _withdrawing = false;
        }
        emit WithdrawalFinalized(withdrawalHash, success);

        // solhint-disable-next-line avoid-tx-origin
        if (!success && tx.origin == ESTIMATION_ADDRESS) revert OptimismPortal_GasEstimation();
    }

    /// @inheritdoc IOptimismPortal
    function checkWithdrawal(bytes32 withdrawalHash, address proofSubmitter) public view {
        if (finalizedWithdrawals[withdrawalHash]) revert OptimismPortal_AlreadyFinalized();
        ProvenWithdrawal memory proven = provenWithdrawals[withdrawalHash][proofSubmitter];
        if (proven.timestamp == 0) revert OptimismPortal_Unproven();
        if (proven.timestamp <= proven.disputeGameProxy.createdAt()) revert OptimismPortal_InvalidProofTimestamp();
        if (block.timestamp - proven.timestamp <= proofMaturityDelaySeconds) {
            revert OptimismPortal_ProofNotOldEnough();
        }
        if (!anchorStateRegistry.isGameClaimValid(proven.disputeGameProxy)) revert OptimismPortal_InvalidRootClaim();
    }

    /// @inheritdoc IOptimismPortal
    function numProofSubmitters(bytes32 withdrawalHash) external view returns (uint256) {
        return proofSubmitters[withdrawalHash].length;
    }

    /// @inheritdoc IOptimismPortal
    function l2Sender() external view returns (address) {
        return _withdrawing ? _l2Sender : DEFAULT_L2_SENDER;
    }

    /// @inheritdoc IOptimismPortal
    function disputeGameFactory() public view returns (IDisputeGameFactory) {
        return anchorStateRegistry.disputeGameFactory();
    }

    /// @inheritdoc IOptimismPortal
    function disputeGameFinalityDelaySeconds() external view returns (uint256) {
        return anchorStateRegistry.disputeGameFinalityDelaySeconds();
    }

    /// @inheritdoc IOptimismPortal
    function respectedGameType() external view returns (uint32) {
        return anchorStateRegistry.respectedGameType();
    }

    /// @inheritdoc IOptimismPortal
    function respectedGameTypeUpdatedAt() external view returns (uint64) {
        return anchorStateRegistry.retirementTimestamp();
    }

    /// @inheritdoc IOptimismPortal
    function disputeGameBlacklist(IDisputeGame game) external view returns (bool) {
        return anchorStateRegistry.disputeGameBlacklist(game);
    }

    /// @dev SOUNDNESS: the portal owns the escrow and calls on behalf of anyone, so it never calls the token, which would
    /// move the escrow, nor itself.
    function _checkTarget(address target) private view {
        if (target == address(this) || target == open) revert OptimismPortal_BadTarget();
    }

    function _resourceConfig() internal view override returns (ResourceConfig memory) {
        return systemConfig.resourceConfig();
    }
}
