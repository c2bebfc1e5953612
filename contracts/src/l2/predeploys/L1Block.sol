// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Predeploys} from "../../libraries/Predeploys.sol";

/// @title L1Block
/// @notice What L2 knows of L1: attributes of the L1 block from which the current L2 block is derived, written by the first
/// transaction of every L2 block.
/// @dev INVARIANT: the execution layer reads fees from slots 1, 3, 7 and 8 directly, so the storage below is consensus. It
/// is the OP Stack's (docs/formats/rollup.md), and so are the packed calldata forms.
contract L1Block {
    /// @notice The caller is not the depositor account.
    error NotDepositor();

    // Slot 0

    /// @notice Number of the L1 block.
    uint64 public number;
    /// @notice Timestamp of the L1 block, seconds.
    uint64 public timestamp;

    // Slot 1

    /// @notice Base fee of the L1 block, wei.
    uint256 public basefee;

    // Slot 2

    /// @notice Hash of the L1 block.
    bytes32 public hash;

    // Slot 3

    /// @notice Number of L2 blocks of the same L1 block before this one.
    uint64 public sequenceNumber;
    /// @notice Weight of the blob base fee in the L1 data fee, parts per million.
    uint32 public blobBaseFeeScalar;
    /// @notice Weight of the base fee in the L1 data fee, parts per million.
    uint32 public baseFeeScalar;

    // Slot 4

    /// @notice The batcher, left-padded.
    bytes32 public batcherHash;

    // Slots 5 and 6

    /// @notice Always zero: part of the fee rule before Ecotone. Keeps its slot.
    uint256 public l1FeeOverhead;
    /// @notice Always zero: part of the fee rule before Ecotone. Keeps its slot.
    uint256 public l1FeeScalar;

    // Slot 7

    /// @notice Blob base fee of the L1 block, wei.
    uint256 public blobBaseFee;

    // Slot 8

    /// @notice Operator fee per transaction, wei.
    uint64 public operatorFeeConstant;
    /// @notice Operator fee per unit of gas, in units of 100 wei.
    uint32 public operatorFeeScalar;
    /// @notice Gas that a byte of data availability counts as; 0 means 400.
    uint16 public daFootprintGasScalar;

    modifier onlyDepositor() {
        if (msg.sender != Predeploys.DEPOSITOR_ACCOUNT) revert NotDepositor();
        _;
    }

    /// @notice Writes the attributes from 178 packed bytes: those of `setL1BlockValuesIsthmus`, then daFootprintGasScalar (2).
    /// The arguments are not the ABI's, but bytes packed after the selector; this is the form in use.
    function setL1BlockValuesJovian() external onlyDepositor {
        _setCommonValues();
        assembly ("memory-safe") {
            // Twelve bytes of operator fee, and above them two bytes of footprint scalar.
            sstore(operatorFeeConstant.slot, or(shl(96, shr(240, calldataload(176))), shr(160, calldataload(164))))
        }
    }

    /// @notice Writes the attributes from 176 packed bytes: selector (4), baseFeeScalar (4), blobBaseFeeScalar (4),
    /// sequenceNumber (8), timestamp (8), number (8), basefee (32), blobBaseFee (32), hash (32), batcherHash (32),
    /// operatorFeeScalar (4), operatorFeeConstant (8).
    function setL1BlockValuesIsthmus() external onlyDepositor {
        _setCommonValues();
        assembly ("memory-safe") {
            sstore(operatorFeeConstant.slot, shr(160, calldataload(164)))
        }
    }

    function _setCommonValues() private {
        assembly ("memory-safe") {
            sstore(sequenceNumber.slot, shr(128, calldataload(4)))
            sstore(number.slot, shr(128, calldataload(20)))
            sstore(basefee.slot, calldataload(36))
            sstore(blobBaseFee.slot, calldataload(68))
            sstore(hash.slot, calldataload(100))
            sstore(batcherHash.slot, calldataload(132))
        }
    }

    /// @notice The only caller of the setters.
    /// @return The address.
    function DEPOSITOR_ACCOUNT() external pure returns (address) {
        return Predeploys.DEPOSITOR_ACCOUNT;
    }

    /// @notice True: L2's currency is not ETH.
    /// @return Whether it is.
    function isCustomGasToken() external pure returns (bool) {
        return true;
    }

    /// @notice L2's currency under its conventional address, with its decimals.
    /// @return token The token's address.
    /// @return decimals Its decimals.
    function gasPayingToken() external pure returns (address token, uint8 decimals) {
        return (0xEeeeeEeeeEeEeeEeEeEeeEEEeeeeEeeeeeeeEEeE, 18);
    }

    /// @notice Name of L2's currency.
    /// @return The name.
    function gasPayingTokenName() external pure returns (string memory) {
        return "OPEN";
    }

    /// @notice Symbol of L2's currency.
    /// @return The symbol.
    function gasPayingTokenSymbol() external pure returns (string memory) {
        return "OPEN";
    }

    /// @notice Form of this contract.
    /// @return Semantic version.
    function version() external pure returns (string memory) {
        return "1.8.0";
    }
}
