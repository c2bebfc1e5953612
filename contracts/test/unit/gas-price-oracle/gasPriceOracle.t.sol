// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {LibZip} from "solady/utils/LibZip.sol";

import {GasPriceOracle} from "../../../src/l2/predeploys/GasPriceOracle.sol";
import {L1Block} from "../../../src/l2/predeploys/L1Block.sol";
import {Predeploys} from "../../../src/libraries/Predeploys.sol";
import {RollupTest} from "../../utils/RollupTest.sol";

/// @dev The genesis tests of the node compare the oracle with what the execution layer charges, over many transactions.
contract GasPriceOracleTest is RollupTest {
    GasPriceOracle private constant oracle = GasPriceOracle(Predeploys.GAS_PRICE_ORACLE);

    /// @dev OP Mainnet, block 124665056, transaction
    /// 0x1059e8004daff32caa1f1b1ef97fe3a07a8cf40508f5b835b66d9420d87c4a4a.
    bytes private constant MAINNET_TRANSACTION =
        hex"02f904940a8303fba78401d6d2798401db2b6d830493e0943e6f4f7866654c18f536170780344aa8772950b680b904246a761202000000000000000000000000087000a300de7200382b55d40045000000e5d60e0000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000014000000000000000000000000000000000000000000000000000000000000000010000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000003a0000000000000000000000000000000000000000000000000000000000000022482ad56cb0000000000000000000000000000000000000000000000000000000000000020000000000000000000000000000000000000000000000000000000000000000200000000000000000000000000000000000000000000000000000000000000400000000000000000000000000000000000000000000000000000000000000120000000000000000000000000dc6ff44d5d932cbd77b52e5612ba0529dc6226f1000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000600000000000000000000000000000000000000000000000000000000000000044095ea7b300000000000000000000000021c4928109acb0659a88ae5329b5374a3024694c0000000000000000000000000000000000000000000000049b9ca9a6943400000000000000000000000000000000000000000000000000000000000000000000000000000000000021c4928109acb0659a88ae5329b5374a3024694c000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000600000000000000000000000000000000000000000000000000000000000000024b6b55f250000000000000000000000000000000000000000000000049b9ca9a694340000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000415ec214a3950bea839a7e6fbb0ba1540ac2076acd50820e2d5ef83d0902cdffb24a47aff7de5190290769c4f0a9c6fabf63012986a0d590b1b571547a8c7050ea1b00000000000000000000000000000000000000000000000000000000000000c080a06db770e6e25a617fe9652f0958bd9bd6e49281a53036906386ed39ec48eadf63a07f47cf51a4a40b4494cf26efc686709a9b03939e20ee27e59682f5faa536667e";

    function setUp() public override {
        construct(Predeploys.L1_BLOCK, type(L1Block).creationCode, "");
        construct(Predeploys.GAS_PRICE_ORACLE, type(GasPriceOracle).creationCode, "");
    }

    function test_MainnetTransaction() external {
        setAttributes(attributes(5_227, 1_014_213, 1_055_991_687, 1, 0, 0));
        assertEq(oracle.getL1FeeSigned(MAINNET_TRANSACTION), 24_681_034_813);
    }

    function test_ShortTransaction() external {
        setAttributes(attributes(1_000, 1_000, 1_000, 1_000, 0, 0));
        // 100 bytes * (1000 * 1000 * 16 + 1000 * 1000) / 1e6
        assertEq(oracle.getL1FeeSigned(hex"facade"), 1_700);
        assertEq(oracle.getL1GasUsed(hex"facade"), 1_600);
    }

    function testFuzz_UnsignedCountsSignature(bytes memory transaction, uint64 l1BaseFee, uint64 l1BlobBaseFee)
        external
    {
        setAttributes(attributes(1_368, 810_949, l1BaseFee, l1BlobBaseFee, 0, 0));
        int256 size = 836_500 * int256(LibZip.flzCompress(transaction).length + 68) - 42_585_600;
        if (size < 100e6) size = 100e6;
        uint256 scaled = uint256(1_368) * 16 * l1BaseFee + uint256(810_949) * l1BlobBaseFee;
        assertEq(oracle.getL1Fee(transaction), uint256(size) * scaled / 1e12);
        assertEq(oracle.getL1GasUsed(transaction), uint256(size) * 16 / 1e6);
    }

    function testFuzz_UpperBound(bytes32 seed, uint256 length) external {
        setAttributes(attributes(1_368, 810_949, 30 gwei, 1 gwei, 0, 0));
        length = bound(length, 1, 3_000);
        bytes memory transaction = new bytes(length);
        for (uint256 i; i < length; ++i) {
            transaction[i] = keccak256(abi.encode(seed, i))[0];
        }
        assertGe(oracle.getL1FeeUpperBound(length), oracle.getL1Fee(transaction));
    }

    function testFuzz_OperatorFee(uint64 gasUsed, uint32 scalar, uint64 constant_) external {
        setAttributes(attributes(0, 0, 0, 0, scalar, constant_));
        assertEq(oracle.getOperatorFee(gasUsed), uint256(gasUsed) * scalar * 100 + constant_);
        if (scalar != 0) assertEq(oracle.getOperatorFee(type(uint256).max), type(uint256).max);
    }

    function test_Views() external {
        setAttributes(attributes(1, 2, 3, 4, 5, 6));
        vm.fee(7);
        assertEq(oracle.baseFeeScalar(), 1);
        assertEq(oracle.blobBaseFeeScalar(), 2);
        assertEq(oracle.l1BaseFee(), 3);
        assertEq(oracle.blobBaseFee(), 4);
        assertEq(oracle.baseFee(), 7);
        assertEq(oracle.gasPrice(), 7);
        assertEq(oracle.decimals(), 6);
        assertTrue(oracle.isEcotone() && oracle.isFjord() && oracle.isIsthmus() && oracle.isJovian());
    }
}
