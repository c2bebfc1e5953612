// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @title FeeVault
/// @notice Collects one kind of fee that L2's transactions pay. Anyone may send what has gathered to the recipient, which is
/// fixed at genesis and lives on L2. Names and events are the OP Stack's.
abstract contract FeeVault {
    /// @notice Layer on which the recipient is paid.
    enum WithdrawalNetwork {
        L1,
        L2
    }

    /// @notice Least amount that is sent, wei.
    uint256 public immutable minWithdrawalAmount;
    /// @notice Account that is paid.
    address public immutable recipient;
    /// @notice Everything sent so far, wei.
    uint256 public totalProcessed;

    /// @notice The vault was emptied.
    /// @param value Wei.
    /// @param to Who was paid.
    /// @param from Who asked for it; anybody can.
    event Withdrawal(uint256 value, address to, address from);
    /// @notice The vault was emptied; OP Stack's newer form, emitted beside the older one.
    /// @param value Wei.
    /// @param to Who was paid.
    /// @param from Who asked for it; anybody can.
    /// @param withdrawalNetwork The layer on which it is paid.
    event Withdrawal(uint256 value, address to, address from, WithdrawalNetwork withdrawalNetwork);

    /// @notice Less than `minWithdrawalAmount` has gathered.
    /// @param balance What there is, wei.
    /// @param minimum The least that is allowed.
    error FeeVault_BelowMinimum(uint256 balance, uint256 minimum);
    /// @notice The recipient refused the payment.
    /// @param recipient Who did not take it.
    error FeeVault_TransferFailed(address recipient);
    /// @notice Fees need somebody who receives them.
    error FeeVault_RecipientZero();

    constructor(address feeRecipient, uint256 minimum) {
        if (feeRecipient == address(0)) revert FeeVault_RecipientZero();
        recipient = feeRecipient;
        minWithdrawalAmount = minimum;
    }

    /// @notice Fees are paid in.
    receive() external payable {}

    /// @notice Sends all that has gathered to the recipient.
    /// @return value What was withdrawn, wei.
    function withdraw() external returns (uint256 value) {
        // Check
        value = address(this).balance;
        if (value < minWithdrawalAmount) revert FeeVault_BelowMinimum(value, minWithdrawalAmount);

        // Effect
        totalProcessed += value;
        emit Withdrawal(value, recipient, msg.sender);
        emit Withdrawal(value, recipient, msg.sender, WithdrawalNetwork.L2);

        // Interaction
        (bool sent,) = recipient.call{value: value}("");
        if (!sent) revert FeeVault_TransferFailed(recipient);
    }

    /// @notice Layer on which the recipient is paid.
    /// @return L2: payments do not leave it.
    function withdrawalNetwork() public pure returns (WithdrawalNetwork) {
        return WithdrawalNetwork.L2;
    }

    /// @notice `minWithdrawalAmount` under its older name.
    /// @return Wei that must have gathered.
    function MIN_WITHDRAWAL_AMOUNT() external view returns (uint256) {
        return minWithdrawalAmount;
    }

    /// @notice `recipient` under its older name.
    /// @return Who is paid.
    function RECIPIENT() external view returns (address) {
        return recipient;
    }

    /// @notice `withdrawalNetwork` under its older name.
    /// @return L2: payments do not leave it.
    function WITHDRAWAL_NETWORK() external pure returns (WithdrawalNetwork) {
        return withdrawalNetwork();
    }

    /// @notice Form of this contract.
    /// @return Semantic version.
    function version() external pure returns (string memory) {
        return "1.6.0";
    }
}
