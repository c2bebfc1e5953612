// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @title RollupHashing
/// @notice Hashes and byte layouts that L1, L2 and the node must agree on; all are the OP Stack's
/// (docs/formats/rollup.md). tests/vectors checks them against the Rust side.
library RollupHashing {
    /// @notice Version of `TransactionDeposited` whose payload is `depositPayload`.
    uint256 internal constant DEPOSIT_VERSION = 0;

    /// @notice Version in the two highest bytes of a withdrawal's nonce.
    uint16 internal constant MESSAGE_VERSION = 1;

    /// @notice A message from L2 to L1.
    struct Withdrawal {
        uint256 nonce;
        address sender;
        address target;
        uint256 value;
        uint256 gasLimit;
        bytes data;
    }

    /// @notice What an output root of version 0 commits to.
    struct OutputRootProof {
        bytes32 version;
        bytes32 stateRoot;
        bytes32 messagePasserStorageRoot;
        bytes32 latestBlockhash;
    }

    /// @notice `opaqueData` of a deposit: mint, value, gas limit (8 bytes), creation flag (1 byte), then the call data.
    function depositPayload(uint256 mint, uint256 value, uint64 gasLimit, bool isCreation, bytes memory data)
        internal
        pure
        returns (bytes memory)
    {
        return abi.encodePacked(mint, value, gasLimit, isCreation, data);
    }

    /// @notice Source hash of a user's deposit. `logIndex` counts within the L1 block, not the receipt.
    function depositSourceHash(bytes32 l1BlockHash, uint256 logIndex) internal pure returns (bytes32) {
        return keccak256(abi.encode(uint256(0), keccak256(abi.encode(l1BlockHash, logIndex))));
    }

    /// @notice Source hash of the L1 attributes transaction of the L2 block `sequenceNumber` blocks after its epoch began.
    function attributesSourceHash(bytes32 l1BlockHash, uint64 sequenceNumber) internal pure returns (bytes32) {
        return keccak256(abi.encode(uint256(1), keccak256(abi.encode(l1BlockHash, sequenceNumber))));
    }

    /// @notice Nonce of the `counter`-th withdrawal, with the message version on top.
    function versionedNonce(uint240 counter) internal pure returns (uint256) {
        return uint256(MESSAGE_VERSION) << 240 | counter;
    }

    /// @notice Hash under which a withdrawal is recorded on L2 and proven on L1.
    function withdrawalHash(Withdrawal memory withdrawal) internal pure returns (bytes32) {
        return keccak256(
            abi.encode(
                withdrawal.nonce,
                withdrawal.sender,
                withdrawal.target,
                withdrawal.value,
                withdrawal.gasLimit,
                withdrawal.data
            )
        );
    }

    /// @notice Hash of a messenger's message: of the call that relays it on the other layer.
    function crossDomainMessageHash(
        uint256 nonce,
        address sender,
        address target,
        uint256 value,
        uint256 minGasLimit,
        bytes memory message
    ) internal pure returns (bytes32) {
        return keccak256(
            abi.encodeWithSignature(
                "relayMessage(uint256,address,address,uint256,uint256,bytes)",
                nonce,
                sender,
                target,
                value,
                minGasLimit,
                message
            )
        );
    }

    /// @notice Storage key of a withdrawal in `L2ToL1MessagePasser.sentMessages`, slot 0.
    function withdrawalStorageKey(bytes32 hash) internal pure returns (bytes32) {
        return keccak256(abi.encode(hash, uint256(0)));
    }

    /// @notice Output root, the commitment to an L2 block that is proposed on L1.
    function outputRoot(OutputRootProof memory proof) internal pure returns (bytes32) {
        return
            keccak256(abi.encode(proof.version, proof.stateRoot, proof.messagePasserStorageRoot, proof.latestBlockhash));
    }
}
