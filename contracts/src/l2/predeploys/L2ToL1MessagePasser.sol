// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {RollupHashing} from "../../libraries/RollupHashing.sol";

/// @title L2ToL1MessagePasser
/// @notice Where messages and OPEN leave L2. A message is recorded by its hash; the root of this contract's storage is part
/// of every output root, against which it is proven on L1.
/// @dev INVARIANT: `sentMessages` is in slot 0, nothing else writes to it, and only `true` is ever written.
contract L2ToL1MessagePasser {
    /// @notice Version of the message format, the highest two bytes of a nonce.
    uint16 public constant MESSAGE_VERSION = RollupHashing.MESSAGE_VERSION;
    /// @dev L1 gas of an exit that is made by a plain transfer to this contract.
    uint256 internal constant RECEIVE_DEFAULT_GAS_LIMIT = 100_000;

    /// @notice True for the hash of each message sent.
    mapping(bytes32 withdrawalHash => bool) public sentMessages;
    uint240 private _nonce;

    /// @notice A message was sent.
    /// @param nonce Its number, with the version on top.
    /// @param sender Who sent it.
    /// @param target Receiver on L1.
    /// @param value Wei that leave L2.
    /// @param gasLimit Gas of the call on L1.
    /// @param data Call data on L1.
    /// @param withdrawalHash Hash of the withdrawal.
    event MessagePassed(
        uint256 indexed nonce,
        address indexed sender,
        address indexed target,
        uint256 value,
        uint256 gasLimit,
        bytes data,
        bytes32 withdrawalHash
    );
    /// @notice OPEN that is leaving was taken out of L2's supply.
    /// @param amount Wei that left the supply of L2.
    event WithdrawerBalanceBurnt(uint256 indexed amount);

    /// @notice Sends the received OPEN to the sender's address on L1.
    receive() external payable {
        initiateWithdrawal(msg.sender, RECEIVE_DEFAULT_GAS_LIMIT, bytes(""));
    }

    /// @notice Sends a message with the received OPEN.
    /// @param target Receiver on L1.
    /// @param gasLimit L1 gas that the call gets at least.
    /// @param data Call data.
    function initiateWithdrawal(address target, uint256 gasLimit, bytes memory data) public payable {
        RollupHashing.Withdrawal memory withdrawal = RollupHashing.Withdrawal({
            nonce: messageNonce(), sender: msg.sender, target: target, value: msg.value, gasLimit: gasLimit, data: data
        });
        bytes32 withdrawalHash = RollupHashing.withdrawalHash(withdrawal);

        sentMessages[withdrawalHash] = true;
        unchecked {
            ++_nonce;
        }

        emit MessagePassed(withdrawal.nonce, msg.sender, target, msg.value, gasLimit, data, withdrawalHash);
    }

    /// @notice Destroys the OPEN held here, all of which is leaving L2. Anyone may call.
    function burn() external {
        uint256 amount = address(this).balance;
        emit WithdrawerBalanceBurnt(amount);
        new Burner{value: amount}();
    }

    /// @notice Nonce of the next message.
    /// @return The nonce, with the version in its upper two bytes.
    function messageNonce() public view returns (uint256) {
        return RollupHashing.versionedNonce(_nonce);
    }

    /// @notice Form of this contract.
    /// @return Semantic version.
    function version() external pure returns (string memory) {
        return "1.2.0";
    }
}

/// @dev Takes its endowment out of existence: a contract that destroys itself in the transaction that creates it, in favour
/// of itself, loses its balance (EIP-6780).
contract Burner {
    constructor() payable {
        selfdestruct(payable(address(this)));
    }
}
