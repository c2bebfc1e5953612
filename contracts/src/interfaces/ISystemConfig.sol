// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {ResourceMetering} from "../l1/ResourceMetering.sol";

/// @title ISystemConfig
/// @notice Parameters of the rollup that its owner can change on L1. Derivation starts from the values in `rollup.json` and
/// follows the `ConfigUpdate` events; nothing on L2 reads this contract.
/// @dev Getters, event and encodings are the OP Stack's, so that its tools read them. Every parameter is bounded here, so
/// that no setting can make L2 blocks that cannot be derived.
interface ISystemConfig {
    /// @notice Kind of a change; the payloads are described at the setters.
    enum UpdateType {
        BATCHER,
        FEE_SCALARS,
        GAS_LIMIT,
        UNSAFE_BLOCK_SIGNER,
        EIP_1559_PARAMS,
        OPERATOR_FEE_PARAMS,
        MIN_BASE_FEE,
        DA_FOOTPRINT_GAS_SCALAR
    }

    /// @notice First settings. Nothing is emitted for them: the genesis part of `rollup.json` holds the same values.
    /// @custom:field guardian May pause, and declare games void; may be zero.
    /// @custom:field batcherHash Address of the batcher, left-padded to 32 bytes.
    /// @custom:field optimismPortal The portal. It and the following three may be deployed after this contract, at foreseen
    /// addresses.
    struct Init {
        address owner;
        address guardian;
        address optimismPortal;
        address l1CrossDomainMessenger;
        address l1StandardBridge;
        address optimismMintableERC20Factory;
        address batchInbox;
        bytes32 batcherHash;
        address unsafeBlockSigner;
        uint256 l2ChainId;
        uint64 gasLimit;
        uint32 basefeeScalar;
        uint32 blobbasefeeScalar;
        uint32 eip1559Denominator;
        uint32 eip1559Elasticity;
        uint32 operatorFeeScalar;
        uint64 operatorFeeConstant;
        uint64 minBaseFee;
        uint16 daFootprintGasScalar;
    }

    /// @notice A parameter changed. `version` is 0.
    /// @param version How it is to be read; always 0.
    /// @param updateType What was changed, as derivation numbers it.
    /// @param data The new values, encoded.
    event ConfigUpdate(uint256 indexed version, UpdateType indexed updateType, bytes data);
    /// @notice The owner named another guardian.
    /// @param guardian Who can pause from now on.
    event GuardianSet(address indexed guardian);
    /// @notice Deposits that lock OPEN, withdrawals and payments of bonds are refused until `until`, seconds.
    /// @param until Unix second at which it ends.
    event Paused(uint256 until);
    /// @notice A pause ended before its time.
    event Unpaused();

    /// @notice The gas limit is below what deposits can fill, or above the largest that can be proven.
    /// @param gasLimit What was asked for.
    /// @param min The least that is allowed.
    /// @param max The most that is allowed.
    error SystemConfig_GasLimitOutOfBounds(uint64 gasLimit, uint64 min, uint64 max);
    /// @notice EIP-1559 denominator and elasticity must both be at least 1.
    error SystemConfig_EIP1559ParamsZero();
    /// @notice Only the guardian may do this.
    /// @param caller Who tried to.
    error SystemConfig_NotGuardian(address caller);
    /// @notice A pause began less than `PAUSE_INTERVAL` ago; the guardian must wait until `until`, seconds.
    /// @param until Unix second at which it ends.
    error SystemConfig_PauseTooSoon(uint256 until);
    /// @notice There is no pause to end.
    error SystemConfig_NotPaused();

    /// @notice Address of the batcher, left-padded.
    /// @return The address, in 32 bytes.
    function batcherHash() external view returns (bytes32);
    /// @notice Gas limit of L2 blocks.
    /// @return Gas of an L2 block.
    function gasLimit() external view returns (uint64);
    /// @notice Weight of the L1 base fee in the L1 data fee, parts per million.
    /// @return Millionths.
    function basefeeScalar() external view returns (uint32);
    /// @notice Weight of the L1 blob base fee in the L1 data fee, parts per million.
    /// @return Millionths.
    function blobbasefeeScalar() external view returns (uint32);
    /// @notice Both fee scalars in the OP Stack's packed form, version 1 in the highest byte.
    /// @return The word.
    function scalar() external view returns (uint256);
    /// @notice Denominator of L2's EIP-1559 rule.
    /// @return By how much of itself the base fee changes at most, inverted.
    function eip1559Denominator() external view returns (uint32);
    /// @notice Elasticity of L2's EIP-1559 rule.
    /// @return How many times the target a full block is.
    function eip1559Elasticity() external view returns (uint32);
    /// @notice Operator fee: 100 wei per unit of gas for each unit of the scalar.
    /// @return Millionths.
    function operatorFeeScalar() external view returns (uint32);
    /// @notice Operator fee per transaction, wei.
    /// @return Wei of each transaction.
    function operatorFeeConstant() external view returns (uint64);
    /// @notice Floor of L2's base fee, wei.
    /// @return Wei that the base fee of L2 does not go below.
    function minBaseFee() external view returns (uint64);
    /// @notice Gas that a byte of data availability counts as; 0 means 400.
    /// @return Gas.
    function daFootprintGasScalar() external view returns (uint16);
    /// @notice Key that signs blocks before they are on L1.
    /// @return The address.
    function unsafeBlockSigner() external view returns (address);
    /// @notice Receiver of batches on L1.
    /// @return The address.
    function batchInbox() external view returns (address);
    /// @notice L1 block at which this contract was created.
    /// @return The number.
    function startBlock() external view returns (uint256);
    /// @notice The portal.
    /// @return The address.
    function optimismPortal() external view returns (address);
    /// @notice The messenger on L1.
    /// @return The address.
    function l1CrossDomainMessenger() external view returns (address);
    /// @notice The bridge for tokens on L1.
    /// @return The address.
    function l1StandardBridge() external view returns (address);
    /// @notice Makes tokens on L1 that stand for tokens of L2.
    /// @return The address.
    function optimismMintableERC20Factory() external view returns (address);
    /// @notice Makes the games, as the portal says.
    /// @return The address.
    function disputeGameFactory() external view returns (address);
    /// @notice Chain id of L2.
    /// @return The chain.
    function l2ChainId() external view returns (uint256);
    /// @notice Smallest gas limit: deposits of one L1 block and the L1 attributes fit into one L2 block.
    /// @return Gas.
    function minimumGasLimit() external view returns (uint64);
    /// @notice Largest gas limit.
    /// @return Gas.
    function maximumGasLimit() external view returns (uint64);
    /// @notice Fee market of deposits.
    /// @return The settings.
    function resourceConfig() external view returns (ResourceMetering.ResourceConfig memory);
    /// @notice True for "CUSTOM_GAS_TOKEN": OPEN is L2's currency.
    /// @param feature The feature.
    /// @return Whether it is.
    function isFeatureEnabled(bytes32 feature) external view returns (bool);
    /// @notice True: L2's currency is not ether.
    /// @return True: OPEN pays for gas.
    function isCustomGasToken() external view returns (bool);
    /// @notice Account that may pause, and declare games void.
    /// @return The address.
    function guardian() external view returns (address);
    /// @notice End of the latest pause, seconds; 0 if it was ended.
    /// @return Unix second at which the pause ends; in the past if there is none.
    function pausedUntil() external view returns (uint256);
    /// @notice True while a pause lasts.
    /// @return Whether a pause lasts.
    function paused() external view returns (bool);
    /// @notice Form of this contract.
    /// @return Semantic version.
    function version() external view returns (string memory);

    /// @notice Sets the batcher; owner or guardian. Payload: `abi.encode(bytes32)`. A stolen key must be replaced before an
    /// owner's delay is over, and whoever batches cannot keep anybody from leaving: deposits are forced in by derivation.
    /// @param batcherHash The batcher's address, as a word.
    function setBatcherHash(bytes32 batcherHash) external;
    /// @notice Sets both fee scalars; owner only. Payload: `abi.encode(uint256(0), scalar())`.
    /// @param basefeeScalar Scalar of L1's base fee, millionths.
    /// @param blobbasefeeScalar Scalar of the blob base fee, millionths.
    function setGasConfigEcotone(uint32 basefeeScalar, uint32 blobbasefeeScalar) external;
    /// @notice Sets L2's gas limit; owner only. Payload: `abi.encode(uint64)`.
    /// @param gasLimit Gas of an L2 block, within the bounds.
    function setGasLimit(uint64 gasLimit) external;
    /// @notice Sets the signer of unsafe blocks; owner or guardian, for the same reason. Payload: `abi.encode(address)`.
    /// @param unsafeBlockSigner Who signs blocks before they are on L1.
    function setUnsafeBlockSigner(address unsafeBlockSigner) external;
    /// @notice Sets L2's EIP-1559 rule; owner only. Payload: `abi.encode(uint256(denominator) << 32 | elasticity)`.
    /// @param denominator Not zero.
    /// @param elasticity Not zero.
    function setEIP1559Params(uint32 denominator, uint32 elasticity) external;
    /// @notice Sets the operator fee; owner only. Payload: `abi.encode(uint256(scalar) << 64 | constant)`.
    /// @param operatorFeeScalar Scalar of the operator's fee, millionths.
    /// @param operatorFeeConstant The operator's fee per transaction, wei.
    function setOperatorFeeScalars(uint32 operatorFeeScalar, uint64 operatorFeeConstant) external;
    /// @notice Sets the floor of L2's base fee; owner only. Payload: `abi.encode(uint64)`.
    /// @param minBaseFee The least base fee, wei.
    function setMinBaseFee(uint64 minBaseFee) external;
    /// @notice Sets what a byte of data availability counts as; owner only. Payload: `abi.encode(uint16)`.
    /// @param daFootprintGasScalar Gas for a byte of footprint.
    function setDAFootprintGasScalar(uint16 daFootprintGasScalar) external;
    /// @notice Names the guardian; owner only.
    /// @param guardian Who can pause from now on.
    function setGuardian(address guardian) external;
    /// @notice Refuses deposits that lock OPEN, withdrawals, and payments of bonds for `PAUSE_DURATION`; guardian only. Deposits
    /// without a mint, which carry forced transactions and exits, are never refused; games go on. Liveness: pauses begin at
    /// least `PAUSE_INTERVAL` apart, so a lost or hostile guardian cannot keep the bridge closed.
    function pause() external;
    /// @notice Ends a pause; guardian or owner.
    function unpause() external;
}
