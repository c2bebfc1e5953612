// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {DevnetVerifier} from "../../../src/l1/DevnetVerifier.sol";
import {Attestation} from "../../../src/libraries/Attestation.sol";
import {RollupTest} from "../../utils/RollupTest.sol";

contract DevnetVerifierTest is RollupTest {
    bytes private values = abi.encode(bytes32("head"), bytes32("start"), bytes32("claim"), uint256(7), L2_CHAIN_ID);

    function sign(uint256 key, bytes32 program, bytes memory what) private view returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, verifier.digestOf(program, what));
        return abi.encodePacked(r, s, v);
    }

    function testFuzz_RevertWhen_OtherChain(uint64 chain) external {
        vm.assume(chain != 16_121 && chain != 31_337);
        bytes memory proof = sign(executorKey, PROGRAM, values);
        vm.chainId(chain);
        vm.expectRevert(abi.encodeWithSelector(DevnetVerifier.DevnetVerifier_NotDevnet.selector, chain));
        new DevnetVerifier(executor);
        vm.expectRevert(abi.encodeWithSelector(DevnetVerifier.DevnetVerifier_NotDevnet.selector, chain));
        verifier.verify(PROGRAM, values, proof);
    }

    /// @dev From one development network to the other a signature does not carry over.
    function test_RevertWhen_OtherDevnet() external {
        bytes memory proof = sign(executorKey, PROGRAM, values);
        vm.chainId(16_121);
        vm.expectRevert(DevnetVerifier.DevnetVerifier_InvalidProof.selector);
        verifier.verify(PROGRAM, values, proof);
    }

    function testFuzz_RevertWhen_OtherLength(bytes calldata what) external {
        vm.assume(what.length != 160);
        vm.expectRevert(abi.encodeWithSelector(Attestation.Attestation_PublicValuesLength.selector, what.length));
        verifier.verify(PROGRAM, what, "");
    }

    function testFuzz_RevertWhen_OtherSigner(uint256 key) external {
        key = boundPrivateKey(key);
        vm.assume(key != executorKey);
        bytes memory proof = sign(key, PROGRAM, values);
        vm.expectRevert(DevnetVerifier.DevnetVerifier_InvalidProof.selector);
        verifier.verify(PROGRAM, values, proof);
    }

    function testFuzz_RevertWhen_ValuesDiffer(uint256 position, uint8 difference) external {
        bytes memory proof = sign(executorKey, PROGRAM, values);
        vm.expectRevert(DevnetVerifier.DevnetVerifier_InvalidProof.selector);
        verifier.verify("another program", values, proof);
        values[bound(position, 0, 159)] ^= bytes1(uint8(bound(difference, 1, 255)));
        vm.expectRevert(DevnetVerifier.DevnetVerifier_InvalidProof.selector);
        verifier.verify(PROGRAM, values, proof);
    }

    function test_WhenExecutorSigned() external view {
        verifier.verify(PROGRAM, values, sign(executorKey, PROGRAM, values));
        assertEq(verifier.verifierType(), "devnet");
    }

    /// @dev The digest is that of EIP-712, field by field.
    function testFuzz_Digest(Attestation.Range calldata range, bytes32 program) external view {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("OpenLedger devnet verifier"),
                keccak256("1"),
                block.chainid,
                address(verifier)
            )
        );
        bytes32 structHash = keccak256(
            abi.encode(
                keccak256(
                    "Attestation(bytes32 programId,bytes32 l1Head,bytes32 startingOutputRoot,bytes32 rootClaim,uint256 l2SequenceNumber,uint256 l2ChainId)"
                ),
                program,
                range.l1Head,
                range.startingOutputRoot,
                range.rootClaim,
                range.l2SequenceNumber,
                range.l2ChainId
            )
        );
        assertEq(
            verifier.digestOf(program, abi.encode(range)), keccak256(abi.encodePacked("\x19\x01", domain, structHash))
        );
    }
}
