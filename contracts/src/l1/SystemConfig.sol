// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {Ownable2Step} from "@openzeppelin/contracts/access/Ownable2Step.sol";

import {IOptimismPortal} from "../interfaces/IOptimismPortal.sol";
import {ISystemConfig} from "../interfaces/ISystemConfig.sol";
import {ResourceMetering} from "./ResourceMetering.sol";

/// @title SystemConfig
/// @notice Parameters of the rollup that its owner can change on L1.
contract SystemConfig is ISystemConfig, Ownable2Step {
    /// @notice Version of `ConfigUpdate`.
    uint256 public constant VERSION = 0;
    /// @notice Length of a pause.
    uint256 public constant PAUSE_DURATION = 7 days;
    /// @notice Least time between the beginnings of two pauses.
    uint256 public constant PAUSE_INTERVAL = 28 days;

    /// @dev OP Stack's bound; blocks above it are not known to be provable.
    uint64 private constant GAS_LIMIT_MAX = 500_000_000;
    uint32 private constant DEPOSIT_GAS_LIMIT = 20_000_000;
    uint32 private constant ATTRIBUTES_GAS = 1_000_000;

    /// @inheritdoc ISystemConfig
    address public immutable batchInbox;
    /// @inheritdoc ISystemConfig
    address public immutable optimismPortal;
    /// @inheritdoc ISystemConfig
    address public immutable l1CrossDomainMessenger;
    /// @inheritdoc ISystemConfig
    address public immutable l1StandardBridge;
    /// @inheritdoc ISystemConfig
    address public immutable optimismMintableERC20Factory;
    /// @inheritdoc ISystemConfig
    uint256 public immutable l2ChainId;
    /// @inheritdoc ISystemConfig
    uint256 public immutable startBlock;

    /// @inheritdoc ISystemConfig
    bytes32 public batcherHash;
    /// @inheritdoc ISystemConfig
    uint64 public gasLimit;
    /// @inheritdoc ISystemConfig
    uint32 public basefeeScalar;
    /// @inheritdoc ISystemConfig
    uint32 public blobbasefeeScalar;
    /// @inheritdoc ISystemConfig
    uint32 public eip1559Denominator;
    /// @inheritdoc ISystemConfig
    uint32 public eip1559Elasticity;
    /// @inheritdoc ISystemConfig
    uint32 public operatorFeeScalar;
    /// @inheritdoc ISystemConfig
    uint64 public operatorFeeConstant;
    /// @inheritdoc ISystemConfig
    uint64 public minBaseFee;
    /// @inheritdoc ISystemConfig
    uint16 public daFootprintGasScalar;
    /// @inheritdoc ISystemConfig
    address public unsafeBlockSigner;
    /// @inheritdoc ISystemConfig
    address public guardian;
    /// @inheritdoc ISystemConfig
    uint256 public pausedUntil;

    /// @dev Beginning of the latest pause, seconds; 0 if there was none.
    uint256 private _pausedAt;

    /// @dev Strangers meet the owner's refusal.
    modifier onlyOwnerOrGuardian() {
        if (msg.sender != guardian) _checkOwner();
        _;
    }

    constructor(Init memory init) Ownable(init.owner) {
        _checkGasLimit(init.gasLimit);
        _checkEIP1559Params(init.eip1559Denominator, init.eip1559Elasticity);

        batchInbox = init.batchInbox;
        optimismPortal = init.optimismPortal;
        l1CrossDomainMessenger = init.l1CrossDomainMessenger;
        l1StandardBridge = init.l1StandardBridge;
        optimismMintableERC20Factory = init.optimismMintableERC20Factory;
        l2ChainId = init.l2ChainId;
        startBlock = block.number;
        batcherHash = init.batcherHash;
        gasLimit = init.gasLimit;
        basefeeScalar = init.basefeeScalar;
        blobbasefeeScalar = init.blobbasefeeScalar;
        eip1559Denominator = init.eip1559Denominator;
        eip1559Elasticity = init.eip1559Elasticity;
        operatorFeeScalar = init.operatorFeeScalar;
        operatorFeeConstant = init.operatorFeeConstant;
        minBaseFee = init.minBaseFee;
        daFootprintGasScalar = init.daFootprintGasScalar;
        unsafeBlockSigner = init.unsafeBlockSigner;
        guardian = init.guardian;
    }

    // Parameters of L2

    /// @inheritdoc ISystemConfig
    function setBatcherHash(bytes32 newBatcherHash) external onlyOwnerOrGuardian {
        batcherHash = newBatcherHash;
        emit ConfigUpdate(VERSION, UpdateType.BATCHER, abi.encode(newBatcherHash));
    }

    /// @inheritdoc ISystemConfig
    function setGasConfigEcotone(uint32 newBasefeeScalar, uint32 newBlobbasefeeScalar) external onlyOwner {
        basefeeScalar = newBasefeeScalar;
        blobbasefeeScalar = newBlobbasefeeScalar;
        emit ConfigUpdate(VERSION, UpdateType.FEE_SCALARS, abi.encode(uint256(0), scalar()));
    }

    /// @inheritdoc ISystemConfig
    function setGasLimit(uint64 newGasLimit) external onlyOwner {
        _checkGasLimit(newGasLimit);
        gasLimit = newGasLimit;
        emit ConfigUpdate(VERSION, UpdateType.GAS_LIMIT, abi.encode(newGasLimit));
    }

    /// @inheritdoc ISystemConfig
    function setUnsafeBlockSigner(address newUnsafeBlockSigner) external onlyOwnerOrGuardian {
        unsafeBlockSigner = newUnsafeBlockSigner;
        emit ConfigUpdate(VERSION, UpdateType.UNSAFE_BLOCK_SIGNER, abi.encode(newUnsafeBlockSigner));
    }

    /// @inheritdoc ISystemConfig
    function setEIP1559Params(uint32 denominator, uint32 elasticity) external onlyOwner {
        _checkEIP1559Params(denominator, elasticity);
        eip1559Denominator = denominator;
        eip1559Elasticity = elasticity;
        emit ConfigUpdate(VERSION, UpdateType.EIP_1559_PARAMS, abi.encode(uint256(denominator) << 32 | elasticity));
    }

    /// @inheritdoc ISystemConfig
    function setOperatorFeeScalars(uint32 newScalar, uint64 newConstant) external onlyOwner {
        operatorFeeScalar = newScalar;
        operatorFeeConstant = newConstant;
        emit ConfigUpdate(VERSION, UpdateType.OPERATOR_FEE_PARAMS, abi.encode(uint256(newScalar) << 64 | newConstant));
    }

    /// @inheritdoc ISystemConfig
    function setMinBaseFee(uint64 newMinBaseFee) external onlyOwner {
        minBaseFee = newMinBaseFee;
        emit ConfigUpdate(VERSION, UpdateType.MIN_BASE_FEE, abi.encode(newMinBaseFee));
    }

    /// @inheritdoc ISystemConfig
    function setDAFootprintGasScalar(uint16 newDAFootprintGasScalar) external onlyOwner {
        daFootprintGasScalar = newDAFootprintGasScalar;
        emit ConfigUpdate(VERSION, UpdateType.DA_FOOTPRINT_GAS_SCALAR, abi.encode(newDAFootprintGasScalar));
    }

    /// @inheritdoc ISystemConfig
    function scalar() public view returns (uint256) {
        return uint256(1) << 248 | uint256(blobbasefeeScalar) << 32 | basefeeScalar;
    }

    /// @inheritdoc ISystemConfig
    function minimumGasLimit() public pure returns (uint64) {
        return uint64(DEPOSIT_GAS_LIMIT) + ATTRIBUTES_GAS;
    }

    /// @inheritdoc ISystemConfig
    function maximumGasLimit() public pure returns (uint64) {
        return GAS_LIMIT_MAX;
    }

    /// @inheritdoc ISystemConfig
    function resourceConfig() external pure returns (ResourceMetering.ResourceConfig memory) {
        return ResourceMetering.ResourceConfig({
            maxResourceLimit: DEPOSIT_GAS_LIMIT,
            elasticityMultiplier: 10,
            baseFeeMaxChangeDenominator: 8,
            minimumBaseFee: 1 gwei,
            systemTxMaxGas: ATTRIBUTES_GAS,
            maximumBaseFee: type(uint128).max
        });
    }

    /// @inheritdoc ISystemConfig
    function isFeatureEnabled(bytes32 feature) external pure returns (bool) {
        return feature == "CUSTOM_GAS_TOKEN";
    }

    /// @inheritdoc ISystemConfig
    function isCustomGasToken() external pure returns (bool) {
        return true;
    }

    /// @inheritdoc ISystemConfig
    function disputeGameFactory() external view returns (address) {
        return address(IOptimismPortal(optimismPortal).disputeGameFactory());
    }

    /// @inheritdoc ISystemConfig
    function version() external pure returns (string memory) {
        return "3.0.0";
    }

    // Pausing

    /// @inheritdoc ISystemConfig
    function setGuardian(address newGuardian) external onlyOwner {
        guardian = newGuardian;
        emit GuardianSet(newGuardian);
    }

    /// @inheritdoc ISystemConfig
    function pause() external {
        if (msg.sender != guardian) revert SystemConfig_NotGuardian(msg.sender);
        if (_pausedAt != 0 && block.timestamp < _pausedAt + PAUSE_INTERVAL) {
            revert SystemConfig_PauseTooSoon(_pausedAt + PAUSE_INTERVAL);
        }
        _pausedAt = block.timestamp;
        pausedUntil = block.timestamp + PAUSE_DURATION;
        emit Paused(pausedUntil);
    }

    /// @inheritdoc ISystemConfig
    function unpause() external {
        if (msg.sender != guardian && msg.sender != owner()) revert SystemConfig_NotGuardian(msg.sender);
        if (!paused()) revert SystemConfig_NotPaused();
        pausedUntil = 0;
        emit Unpaused();
    }

    /// @inheritdoc ISystemConfig
    function paused() public view returns (bool) {
        return block.timestamp < pausedUntil;
    }

    // Checks

    function _checkGasLimit(uint64 limit) private pure {
        if (limit < minimumGasLimit() || limit > maximumGasLimit()) {
            revert SystemConfig_GasLimitOutOfBounds(limit, minimumGasLimit(), maximumGasLimit());
        }
    }

    function _checkEIP1559Params(uint32 denominator, uint32 elasticity) private pure {
        if (denominator == 0 || elasticity == 0) revert SystemConfig_EIP1559ParamsZero();
    }
}
