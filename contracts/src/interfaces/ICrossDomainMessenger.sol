// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @title ICrossDomainMessenger
/// @notice Sends messages between contracts of L1 and L2, in either direction. Over the portal's bare deposits and withdrawals
/// it adds the sender's name on the other side, and that a message which failed can be sent again: it stays until it succeeds.
/// @dev Functions, events and hashes are the OP Stack's. Messages carry no OPEN: on L1 it is a token, which the portal moves.
/// Trust: each messenger trusts the portal or the alias of the other; nobody owns it. On L1 a pause holds messages up.
interface ICrossDomainMessenger {
    /// @notice A message was sent.
    /// @param target Whom it calls on the other layer.
    /// @param sender Who sent it.
    /// @param message Call data.
    /// @param messageNonce Its number, with the version on top.
    /// @param gasLimit Gas that the call gets at least.
    event SentMessage(address indexed target, address sender, bytes message, uint256 messageNonce, uint256 gasLimit);
    /// @notice More of the same; `value` is 0.
    /// @param sender Who sent it.
    /// @param value Wei of OPEN.
    event SentMessageExtension1(address indexed sender, uint256 value);
    /// @notice A message reached its target.
    /// @param msgHash Hash of nonce, sender, target, value, gas and message.
    event RelayedMessage(bytes32 indexed msgHash);
    /// @notice A message failed; anyone can try again.
    /// @param msgHash Hash of nonce, sender, target, value, gas and message.
    event FailedRelayedMessage(bytes32 indexed msgHash);

    /// @notice Messages carry no value.
    error CrossDomainMessenger_ValueNotCarried();
    /// @notice The guardian's pause lasts.
    error CrossDomainMessenger_Paused();
    /// @notice The nonce is of a form that is not in use.
    /// @param version Version in the nonce.
    error CrossDomainMessenger_UnknownVersion(uint256 version);
    /// @notice Only the other messenger brings new messages; this one has not failed before.
    /// @param msgHash Hash of nonce, sender, target, value, gas and message.
    error CrossDomainMessenger_NotReplayable(bytes32 msgHash);
    /// @notice The message reached its target already.
    /// @param msgHash Hash of nonce, sender, target, value, gas and message.
    error CrossDomainMessenger_AlreadyRelayed(bytes32 msgHash);
    /// @notice The messenger, and what it is served by, take no messages: they would obey it.
    /// @param target Whom it calls on the other layer.
    error CrossDomainMessenger_UnsafeTarget(address target);
    /// @notice No message is being relayed.
    error CrossDomainMessenger_NoMessage();
    /// @notice Tells an estimation of gas that the message failed.
    error CrossDomainMessenger_GasEstimation();

    /// @notice Sends `message` to `target` on the other layer, which is called with at least `minGasLimit` gas.
    /// @param target Whom it calls on the other layer.
    /// @param message Call data.
    /// @param minGasLimit Gas that the call on the other layer gets at least.
    function sendMessage(address target, bytes calldata message, uint32 minGasLimit) external payable;
    /// @notice Calls the target. New messages come from the other messenger; one that failed can be relayed by anyone. A
    /// message that fails, or that gets too little gas, is kept for another try rather than reverted.
    /// @param nonce Its number, with the version on top.
    /// @param sender Who sent it on the other layer.
    /// @param target Whom it calls on the other layer.
    /// @param value Wei of OPEN.
    /// @param minGasLimit Gas that the call on the other layer gets at least.
    /// @param message Call data.
    function relayMessage(
        uint256 nonce,
        address sender,
        address target,
        uint256 value,
        uint256 minGasLimit,
        bytes calldata message
    ) external payable;

    /// @notice Sender of the message that is being relayed; reverts if there is none.
    /// @return Who sent the message that is delivered now; reverts outside of that.
    function xDomainMessageSender() external view returns (address);
    /// @notice The messenger on the other layer.
    /// @return The messenger.
    function otherMessenger() external view returns (ICrossDomainMessenger);
    /// @notice True for the hash of each message that reached its target.
    /// @param msgHash Hash of nonce, sender, target, value, gas and message.
    /// @return Whether it was delivered.
    function successfulMessages(bytes32 msgHash) external view returns (bool);
    /// @notice True for the hash of each message that has ever failed.
    /// @param msgHash Hash of nonce, sender, target, value, gas and message.
    /// @return Whether it failed.
    function failedMessages(bytes32 msgHash) external view returns (bool);
    /// @notice Nonce of the next message, with the message version in its two highest bytes.
    /// @return The nonce, with the version in its upper two bytes.
    function messageNonce() external view returns (uint256);
    /// @notice Gas with which a message is sent so that its target gets `minGasLimit`.
    /// @param message Call data.
    /// @param minGasLimit Gas that the call on the other layer gets at least.
    /// @return Gas to buy so that the call gets its minimum.
    function baseGas(bytes calldata message, uint32 minGasLimit) external pure returns (uint64);
    /// @notice True while messages are held up.
    /// @return Whether deliveries are refused.
    function paused() external view returns (bool);
    /// @notice Form of this contract.
    /// @return Semantic version.
    function version() external pure returns (string memory);
}
