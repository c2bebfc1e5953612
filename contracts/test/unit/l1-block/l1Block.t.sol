// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {L1Block} from "../../../src/l2/predeploys/L1Block.sol";
import {Predeploys} from "../../../src/libraries/Predeploys.sol";
import {RollupTest} from "../../utils/RollupTest.sol";

contract L1BlockTest is RollupTest {
    L1Block private constant l1Block = L1Block(Predeploys.L1_BLOCK);

    struct Fields {
        uint32 baseFeeScalar;
        uint32 blobBaseFeeScalar;
        uint64 sequenceNumber;
        uint64 timestamp;
        uint64 number;
        uint256 basefee;
        uint256 blobBaseFee;
        bytes32 hash;
        bytes32 batcherHash;
        uint32 operatorFeeScalar;
        uint64 operatorFeeConstant;
        uint16 daFootprintGasScalar;
    }

    function setUp() public override {
        construct(Predeploys.L1_BLOCK, type(L1Block).creationCode, "");
    }

    function test_Selectors() external pure {
        assertEq(L1Block.setL1BlockValuesJovian.selector, bytes4(0x3db6be2b));
        assertEq(L1Block.setL1BlockValuesIsthmus.selector, bytes4(0x098999be));
    }

    function testFuzz_RevertWhen_CallerIsNotDepositor(address caller) external {
        vm.assume(caller != Predeploys.DEPOSITOR_ACCOUNT);
        vm.startPrank(caller);
        vm.expectRevert(L1Block.NotDepositor.selector);
        l1Block.setL1BlockValuesJovian();
        vm.expectRevert(L1Block.NotDepositor.selector);
        l1Block.setL1BlockValuesIsthmus();
        vm.stopPrank();
    }

    function testFuzz_Jovian(Fields memory f, Fields memory before) external {
        setAttributes(pack(0x3db6be2b, before));
        setAttributes(pack(0x3db6be2b, f));
        assertFields(f);
    }

    /// @dev The older form leaves no footprint scalar behind.
    function testFuzz_Isthmus(Fields memory f, Fields memory before) external {
        setAttributes(pack(0x3db6be2b, before));
        bytes memory packed = pack(0x098999be, f);
        assembly ("memory-safe") {
            mstore(packed, 176)
        }
        setAttributes(packed);
        f.daFootprintGasScalar = 0;
        assertFields(f);
    }

    function test_Currency() external view {
        assertTrue(l1Block.isCustomGasToken());
        assertEq(l1Block.gasPayingTokenName(), "OPEN");
        assertEq(l1Block.gasPayingTokenSymbol(), "OPEN");
        (address token, uint8 decimals) = l1Block.gasPayingToken();
        assertEq(token, 0xEeeeeEeeeEeEeeEeEeEeeEEEeeeeEeeeeeeeEEeE);
        assertEq(decimals, 18);
        assertEq(l1Block.DEPOSITOR_ACCOUNT(), Predeploys.DEPOSITOR_ACCOUNT);
    }

    function pack(bytes4 selector, Fields memory f) private pure returns (bytes memory) {
        return bytes.concat(
            abi.encodePacked(selector, f.baseFeeScalar, f.blobBaseFeeScalar, f.sequenceNumber, f.timestamp, f.number),
            abi.encodePacked(f.basefee, f.blobBaseFee, f.hash, f.batcherHash),
            abi.encodePacked(f.operatorFeeScalar, f.operatorFeeConstant, f.daFootprintGasScalar)
        );
    }

    function assertFields(Fields memory f) private view {
        assertEq(l1Block.baseFeeScalar(), f.baseFeeScalar);
        assertEq(l1Block.blobBaseFeeScalar(), f.blobBaseFeeScalar);
        assertEq(l1Block.sequenceNumber(), f.sequenceNumber);
        assertEq(l1Block.timestamp(), f.timestamp);
        assertEq(l1Block.number(), f.number);
        assertEq(l1Block.basefee(), f.basefee);
        assertEq(l1Block.blobBaseFee(), f.blobBaseFee);
        assertEq(l1Block.hash(), f.hash);
        assertEq(l1Block.batcherHash(), f.batcherHash);
        assertEq(l1Block.operatorFeeScalar(), f.operatorFeeScalar);
        assertEq(l1Block.operatorFeeConstant(), f.operatorFeeConstant);
        assertEq(l1Block.daFootprintGasScalar(), f.daFootprintGasScalar);
        assertEq(l1Block.l1FeeOverhead(), 0);
        assertEq(l1Block.l1FeeScalar(), 0);
    }
}
