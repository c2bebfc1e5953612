// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";
import {LibZip} from "solady/utils/LibZip.sol";

import {Predeploys} from "../../libraries/Predeploys.sol";
import {L1Block} from "./L1Block.sol";

/// @title GasPriceOracle
/// @notice Tells what a transaction pays on L2 besides gas: the L1 data fee (Fjord's rule) and the operator fee (Jovian's).
/// It reads the same L1 attributes that the execution layer charges by.
contract GasPriceOracle {
    L1Block private constant L1_BLOCK = L1Block(Predeploys.L1_BLOCK);

    /// @notice Decimals of the fee scalars.
    uint256 public constant DECIMALS = 6;

    /// @dev Size of a transaction after Brotli, estimated from its size after FastLZ; bytes times 1e6.
    int256 private constant COST_INTERCEPT = -42_585_600;
    int256 private constant COST_FASTLZ_COEF = 836_500;
    int256 private constant TRANSACTION_SIZE_MIN = 100e6;
    /// @dev Bytes that a signature adds.
    uint256 private constant SIGNATURE_LENGTH = 68;
    /// @dev Gas of a non-zero byte of L1 calldata.
    uint256 private constant CALLDATA_BYTE_GAS = 16;
    /// @dev Wei per unit of gas for each unit of the operator fee scalar.
    uint256 private constant OPERATOR_FEE_MULTIPLIER = 100;

    // Fees

    /// @notice L1 data fee of a transaction that is not signed yet, wei.
    /// @param unsignedTransaction RLP of the transaction without its signature, which counts as 68 incompressible bytes.
    /// @return Wei.
    function getL1Fee(bytes memory unsignedTransaction) external view returns (uint256) {
        return _l1Fee(LibZip.flzCompress(unsignedTransaction).length + SIGNATURE_LENGTH);
    }

    /// @notice L1 data fee that the execution layer charges for a signed transaction, wei, exactly.
    /// @param signedTransaction The transaction as it is sent (EIP-2718).
    /// @return Wei.
    function getL1FeeSigned(bytes memory signedTransaction) external view returns (uint256) {
        return _l1Fee(LibZip.flzCompress(signedTransaction).length);
    }

    /// @notice What `getL1Fee` gives at most for any unsigned transaction of `unsignedSize` bytes. FastLZ spends a byte on
    /// each run of 32 bytes that it cannot compress; the OP Stack's bound, one on 255, fails for such data.
    /// @param unsignedSize Bytes of the transaction without its signature.
    /// @return Wei.
    function getL1FeeUpperBound(uint256 unsignedSize) external view returns (uint256) {
        uint256 size = unsignedSize + SIGNATURE_LENGTH;
        return _l1Fee(size + size / 32 + 16);
    }

    /// @notice L1 gas that the transaction's share of a batch costs; `getL1Fee` is what it pays.
    /// @param unsignedTransaction The transaction without its signature, RLP-encoded.
    /// @return Gas.
    function getL1GasUsed(bytes memory unsignedTransaction) external pure returns (uint256) {
        uint256 size = _estimatedSize(LibZip.flzCompress(unsignedTransaction).length + SIGNATURE_LENGTH);
        return size * CALLDATA_BYTE_GAS / 10 ** DECIMALS;
    }

    /// @notice Operator fee of a transaction that uses `gasUsed`, wei.
    /// @param gasUsed Gas that was used.
    /// @return Wei.
    function getOperatorFee(uint256 gasUsed) external view returns (uint256) {
        return FixedPointMathLib.saturatingAdd(
            FixedPointMathLib.saturatingMul(
                FixedPointMathLib.saturatingMul(gasUsed, L1_BLOCK.operatorFeeScalar()), OPERATOR_FEE_MULTIPLIER
            ),
            L1_BLOCK.operatorFeeConstant()
        );
    }

    // What the fees are reckoned from

    /// @notice Base fee of the current L2 block, wei.
    /// @return Wei.
    function gasPrice() external view returns (uint256) {
        return block.basefee;
    }

    /// @notice Base fee of the current L2 block, wei.
    /// @return Wei.
    function baseFee() external view returns (uint256) {
        return block.basefee;
    }

    /// @notice L1 base fee, wei.
    /// @return Wei.
    function l1BaseFee() public view returns (uint256) {
        return L1_BLOCK.basefee();
    }

    /// @notice L1 blob base fee, wei.
    /// @return Wei.
    function blobBaseFee() public view returns (uint256) {
        return L1_BLOCK.blobBaseFee();
    }

    /// @notice Weight of the L1 base fee, parts per million.
    /// @return Millionths.
    function baseFeeScalar() public view returns (uint32) {
        return L1_BLOCK.baseFeeScalar();
    }

    /// @notice Weight of the L1 blob base fee, parts per million.
    /// @return Millionths.
    function blobBaseFeeScalar() public view returns (uint32) {
        return L1_BLOCK.blobBaseFeeScalar();
    }

    /// @notice Decimals of the fee scalars.
    /// @return The decimals.
    function decimals() external pure returns (uint256) {
        return DECIMALS;
    }

    // Rules in force: all of them since genesis

    /// @notice Whether this upgrade is active: it always is.
    /// @return Always true.
    function isEcotone() external pure returns (bool) {
        return true;
    }

    /// @notice Whether this upgrade is active: it always is.
    /// @return Always true.
    function isFjord() external pure returns (bool) {
        return true;
    }

    /// @notice Whether this upgrade is active: it always is.
    /// @return Always true.
    function isIsthmus() external pure returns (bool) {
        return true;
    }

    /// @notice Whether this upgrade is active: it always is.
    /// @return Always true.
    function isJovian() external pure returns (bool) {
        return true;
    }

    /// @notice Form of this contract.
    /// @return Semantic version.
    function version() external pure returns (string memory) {
        return "1.6.0";
    }

    function _l1Fee(uint256 fastLzSize) private view returns (uint256) {
        uint256 scaledFee =
            baseFeeScalar() * CALLDATA_BYTE_GAS * l1BaseFee() + uint256(blobBaseFeeScalar()) * blobBaseFee();
        return _estimatedSize(fastLzSize) * scaledFee / 10 ** (DECIMALS * 2);
    }

    /// @dev Bytes times 1e6.
    function _estimatedSize(uint256 fastLzSize) private pure returns (uint256) {
        // Sizes of transactions are far below 2^255.
        // forge-lint: disable-next-line(unsafe-typecast)
        int256 size = COST_INTERCEPT + COST_FASTLZ_COEF * int256(fastLzSize);
        return uint256(FixedPointMathLib.max(size, TRANSACTION_SIZE_MIN));
    }
}
