// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {ICrossDomainMessenger} from "../interfaces/ICrossDomainMessenger.sol";
import {RollupHashing} from "../libraries/RollupHashing.sol";
import {SafeCall} from "../libraries/SafeCall.sol";

/// @title CrossDomainMessenger
/// @notice What the messengers of L1 and L2 have in common; they differ in how a message travels.
abstract contract CrossDomainMessenger is ICrossDomainMessenger {
    /// @notice Version of the message format.
    uint16 public constant MESSAGE_VERSION = RollupHashing.MESSAGE_VERSION;
    /// @notice Gas of a relay besides everything below.
    uint64 public constant RELAY_CONSTANT_OVERHEAD = 200_000;
    /// @notice With the denominator: a call passes on at most 63/64 of the gas.
    uint64 public constant MIN_GAS_DYNAMIC_OVERHEAD_NUMERATOR = 64;
    /// @notice See the numerator.
    uint64 public constant MIN_GAS_DYNAMIC_OVERHEAD_DENOMINATOR = 63;
    /// @notice Gas per byte of call data.
    uint64 public constant MIN_GAS_CALLDATA_OVERHEAD = 16;
    /// @notice Gas of the call to the target itself.
    uint64 public constant RELAY_CALL_OVERHEAD = 40_000;
    /// @notice Gas kept back to record the outcome.
    uint64 public constant RELAY_RESERVED_GAS = 40_000;
    /// @notice Gas between the check and the call.
    uint64 public constant RELAY_GAS_CHECK_BUFFER = 5_000;
    /// @notice Gas of any transaction.
    uint64 public constant TX_BASE_GAS = 21_000;
    /// @notice Least gas per byte of a transaction's data (EIP-7623).
    uint64 public constant FLOOR_CALLDATA_OVERHEAD = 40;
    /// @notice Bytes that `relayMessage` adds to a message: selector, six words, the length, and padding.
    uint64 public constant ENCODING_OVERHEAD = 260;

    /// @dev Sender of transactions whose gas is being estimated, in the OP Stack's tools.
    address private constant ESTIMATION_ADDRESS = address(1);

    /// @inheritdoc ICrossDomainMessenger
    ICrossDomainMessenger public immutable otherMessenger;

    /// @inheritdoc ICrossDomainMessenger
    mapping(bytes32 msgHash => bool) public successfulMessages;
    /// @inheritdoc ICrossDomainMessenger
    mapping(bytes32 msgHash => bool) public failedMessages;
    uint240 private _nonce;
    address private transient _sender;
    bool private transient _relaying;

    constructor(ICrossDomainMessenger other) {
        otherMessenger = other;
    }

    /// @inheritdoc ICrossDomainMessenger
    function sendMessage(address target, bytes calldata message, uint32 minGasLimit) external payable {
        // Check
        if (msg.value != 0) revert CrossDomainMessenger_ValueNotCarried();

        // Effect
        uint256 nonce = messageNonce();
        unchecked {
            ++_nonce;
        }
        emit SentMessage(target, msg.sender, message, nonce, minGasLimit);
        emit SentMessageExtension1(msg.sender, 0);

        // Interaction
        _send(
            baseGas(message, minGasLimit),
            abi.encodeCall(this.relayMessage, (nonce, msg.sender, target, 0, minGasLimit, message))
        );
    }

    /// @inheritdoc ICrossDomainMessenger
    function relayMessage(
        uint256 nonce,
        address sender,
        address target,
        uint256 value,
        uint256 minGasLimit,
        bytes calldata message
    ) external payable {
        // Check
        if (paused()) revert CrossDomainMessenger_Paused();
        if (nonce >> 240 != MESSAGE_VERSION) revert CrossDomainMessenger_UnknownVersion(nonce >> 240);
        if (msg.value != 0 || value != 0) revert CrossDomainMessenger_ValueNotCarried();
        if (target == address(this) || _isUnsafeTarget(target)) revert CrossDomainMessenger_UnsafeTarget(target);
        bytes32 hash = RollupHashing.crossDomainMessageHash(nonce, sender, target, value, minGasLimit, message);
        if (!_isOtherMessenger() && !failedMessages[hash]) revert CrossDomainMessenger_NotReplayable(hash);
        if (successfulMessages[hash]) revert CrossDomainMessenger_AlreadyRelayed(hash);

        // A message within a message would have the wrong sender's name; it waits for its turn.
        if (_relaying || !SafeCall.hasMinGas(minGasLimit, RELAY_RESERVED_GAS + RELAY_GAS_CHECK_BUFFER)) {
            _fail(hash);
            return;
        }

        // Interaction. INVARIANT: a hash is in `successfulMessages` after at most one call that succeeded: inner calls of
        // this function do not get here.
        _relaying = true;
        _sender = sender;
        bool success = SafeCall.call(target, gasleft() - RELAY_RESERVED_GAS, 0, message);
        _sender = address(0);
        _relaying = false;

        // Effect
        if (success) {
            successfulMessages[hash] = true;
            emit RelayedMessage(hash);
        } else {
            _fail(hash);
        }
    }

    function _fail(bytes32 hash) private {
        failedMessages[hash] = true;
        emit FailedRelayedMessage(hash);
        // solhint-disable-next-line avoid-tx-origin
        if (tx.origin == ESTIMATION_ADDRESS) revert CrossDomainMessenger_GasEstimation();
    }

    /// @inheritdoc ICrossDomainMessenger
    function xDomainMessageSender() external view returns (address) {
        if (!_relaying) revert CrossDomainMessenger_NoMessage();
        return _sender;
    }

    /// @notice `otherMessenger` under its older name.
    /// @return The messenger.
    function OTHER_MESSENGER() external view returns (ICrossDomainMessenger) {
        return otherMessenger;
    }

    /// @inheritdoc ICrossDomainMessenger
    function messageNonce() public view returns (uint256) {
        return RollupHashing.versionedNonce(_nonce);
    }

    /// @inheritdoc ICrossDomainMessenger
    function baseGas(bytes calldata message, uint32 minGasLimit) public pure returns (uint64) {
        uint64 execution = RELAY_CONSTANT_OVERHEAD + uint64(minGasLimit) * MIN_GAS_DYNAMIC_OVERHEAD_NUMERATOR
            / MIN_GAS_DYNAMIC_OVERHEAD_DENOMINATOR + RELAY_CALL_OVERHEAD + RELAY_RESERVED_GAS + RELAY_GAS_CHECK_BUFFER;
        uint64 length = uint64(message.length) + ENCODING_OVERHEAD;
        uint64 full = TX_BASE_GAS + execution + length * MIN_GAS_CALLDATA_OVERHEAD;
        uint64 floor = TX_BASE_GAS + length * FLOOR_CALLDATA_OVERHEAD;
        return full > floor ? full : floor;
    }

    /// @inheritdoc ICrossDomainMessenger
    function paused() public view virtual returns (bool);

    /// @dev Sends `data` to the other messenger.
    function _send(uint64 gasLimit, bytes memory data) internal virtual;

    /// @dev True if the caller brings a new message of the other messenger.
    function _isOtherMessenger() internal view virtual returns (bool);

    /// @dev True for contracts that give this one more rights than others.
    function _isUnsafeTarget(address target) internal view virtual returns (bool);
}
