// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

import {IAnchorStateRegistry} from "../interfaces/IAnchorStateRegistry.sol";
import {IBondVault} from "../interfaces/IBondVault.sol";
import {IDisputeGame} from "../interfaces/IDisputeGame.sol";

/// @title BondVault
/// @notice Holds the bonds of games in OPEN, and pays them with a delay.
contract BondVault is IBondVault {
    using SafeERC20 for IERC20;

    /// @inheritdoc IBondVault
    address public immutable open;
    /// @inheritdoc IBondVault
    IAnchorStateRegistry public immutable anchorStateRegistry;
    /// @inheritdoc IBondVault
    uint256 public immutable delay;

    /// @inheritdoc IBondVault
    uint256 public totalSupply;
    /// @inheritdoc IBondVault
    mapping(address account => uint256) public balanceOf;
    /// @inheritdoc IBondVault
    mapping(address account => mapping(address recipient => WithdrawalRequest)) public withdrawals;

    /// @param delaySeconds Time between asking for a payment and getting it.
    constructor(address token, IAnchorStateRegistry registry, uint256 delaySeconds) {
        open = token;
        anchorStateRegistry = registry;
        delay = delaySeconds;
    }

    /// @inheritdoc IBondVault
    function deposit(uint256 amount) external {
        // Effect
        _credit(msg.sender, amount);
        emit Deposit(msg.sender, amount);

        // Interaction
        IERC20(open).safeTransferFrom(msg.sender, address(this), amount);
    }

    /// @inheritdoc IBondVault
    function unlock(address recipient, uint256 amount) external {
        WithdrawalRequest storage request = withdrawals[msg.sender][recipient];
        request.amount += amount;
        request.timestamp = block.timestamp;
        emit Unlock(msg.sender, recipient, amount);
    }

    /// @inheritdoc IBondVault
    function withdraw(address recipient, uint256 amount) external {
        // Check
        if (anchorStateRegistry.paused()) revert BondVault_Paused();
        WithdrawalRequest storage request = withdrawals[msg.sender][recipient];
        if (request.amount < amount) revert BondVault_NotUnlocked(request.amount, amount);
        if (block.timestamp < request.timestamp + delay) revert BondVault_DelayNotMet(request.timestamp + delay);

        // Effect
        request.amount -= amount;
        _debit(msg.sender, amount);
        emit Withdrawal(msg.sender, recipient, amount);

        // Interaction
        IERC20(open).safeTransfer(recipient, amount);
    }

    /// @inheritdoc IBondVault
    function hold(address account) external {
        // Check
        if (msg.sender != Ownable(address(anchorStateRegistry.systemConfig())).owner()) {
            revert BondVault_NotOwner(msg.sender);
        }
        // An account without code is no game, whatever the guardian has listed.
        if (account.code.length == 0 || !anchorStateRegistry.isGameBlacklisted(IDisputeGame(account))) {
            revert BondVault_NotVoid(account);
        }

        // Effect
        uint256 amount = balanceOf[account];
        _debit(account, amount);
        emit Held(account, msg.sender, amount);

        // Interaction
        IERC20(open).safeTransfer(msg.sender, amount);
    }

    /// @inheritdoc IBondVault
    function version() external pure returns (string memory) {
        return "1.0.0";
    }

    function _credit(address account, uint256 amount) private {
        balanceOf[account] += amount;
        totalSupply += amount;
    }

    function _debit(address account, uint256 amount) private {
        uint256 balance = balanceOf[account];
        if (balance < amount) revert BondVault_BalanceTooLow(balance, amount);
        balanceOf[account] = balance - amount;
        totalSupply -= amount;
    }
}
