// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";

import {IVerifier} from "../interfaces/IVerifier.sol";
import {Attestation} from "../libraries/Attestation.sol";

/// @title DevnetVerifier
/// @notice Takes the word of one key, for development networks: a proof is the key's signature over the public values. It
/// cannot be deployed on any other chain, and does not work on one that a development network is forked into.
contract DevnetVerifier is IVerifier, EIP712 {
    /// @notice L1 of a devnet.
    uint256 public constant DEVNET_L1 = 16_121;
    /// @notice Chain id of anvil, and of tests.
    uint256 public constant ANVIL = 31_337;

    /// @notice The key that re-executes ranges.
    address public immutable executor;

    /// @notice This is not a development network.
    /// @param chainId The chain.
    error DevnetVerifier_NotDevnet(uint256 chainId);
    /// @notice The proof is not the executor's signature over these values.
    error DevnetVerifier_InvalidProof();

    constructor(address executor_) EIP712("OpenLedger devnet verifier", "1") {
        _checkChain();
        executor = executor_;
    }

    /// @inheritdoc IVerifier
    function verify(bytes32 programId, bytes calldata publicValues, bytes calldata proof) external view {
        _checkChain();
        (address signer, ECDSA.RecoverError fault,) = ECDSA.tryRecoverCalldata(digestOf(programId, publicValues), proof);
        if (fault != ECDSA.RecoverError.NoError || signer != executor) revert DevnetVerifier_InvalidProof();
    }

    /// @notice What the executor signs (EIP-712).
    /// @param programId The program that was proven.
    /// @param publicValues What the proof is about.
    /// @return The digest.
    function digestOf(bytes32 programId, bytes calldata publicValues) public view returns (bytes32) {
        return _hashTypedDataV4(Attestation.structHash(programId, publicValues));
    }

    /// @inheritdoc IVerifier
    function verifierType() external pure returns (string memory) {
        return "devnet";
    }

    function _checkChain() private view {
        if (block.chainid != DEVNET_L1 && block.chainid != ANVIL) revert DevnetVerifier_NotDevnet(block.chainid);
    }
}
