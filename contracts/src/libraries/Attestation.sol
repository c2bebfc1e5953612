// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @title Attestation
/// @notice What somebody who has executed a range of L2 signs: program and public values of a game, by name, so that a signer
/// sees what it vouches for.
library Attestation {
    /// @notice EIP-712 type of an attestation.
    bytes32 internal constant TYPE_HASH = keccak256(
        "Attestation(bytes32 programId,bytes32 l1Head,bytes32 startingOutputRoot,bytes32 rootClaim,uint256 l2SequenceNumber,uint256 l2ChainId)"
    );
    /// @notice Length of public values, bytes.
    uint256 internal constant PUBLIC_VALUES_LENGTH = 160;

    /// @notice The public values of a range, as `IVerifier.verify` gets them.
    struct Range {
        bytes32 l1Head;
        bytes32 startingOutputRoot;
        bytes32 rootClaim;
        uint256 l2SequenceNumber;
        uint256 l2ChainId;
    }

    /// @notice The public values are not five words.
    /// @param length The length.
    error Attestation_PublicValuesLength(uint256 length);

    /// @notice EIP-712 struct hash over a program and public values.
    function structHash(bytes32 programId, bytes memory publicValues) internal pure returns (bytes32) {
        if (publicValues.length != PUBLIC_VALUES_LENGTH) revert Attestation_PublicValuesLength(publicValues.length);
        return keccak256(bytes.concat(TYPE_HASH, programId, publicValues));
    }
}
