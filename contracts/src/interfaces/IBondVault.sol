// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IAnchorStateRegistry} from "./IAnchorStateRegistry.sol";

/// @title IBondVault
/// @notice Holds the bonds of games in OPEN, and pays them with a delay: the OP Stack's `DelayedWETH` for a token. Every
/// account has a balance of its own; games are the accounts that matter.
/// @dev Trust: a balance is paid where its account says, after the delay. The one exception needs two roles: what a game
/// holds that the guardian has declared void can be taken by the owner of `SystemConfig`, to be given back by hand. It is
/// for a game whose rules are broken; the rules themselves refund the bonds of a void game. Liveness: a pause, which
/// expires, holds payments up.
interface IBondVault {
    /// @notice A payment under way. `timestamp` is when it was asked for, seconds; the delay counts from the last time.
    struct WithdrawalRequest {
        uint256 amount;
        uint256 timestamp;
    }

    /// @notice `amount` was added to the balance of `account`.
    /// @param account The game.
    /// @param amount Wei of OPEN.
    event Deposit(address indexed account, uint256 amount);
    /// @notice `account` asked to pay `amount` more to `recipient`.
    /// @param account The game.
    /// @param recipient Whose bond or gain it is.
    /// @param amount Wei of OPEN.
    event Unlock(address indexed account, address indexed recipient, uint256 amount);
    /// @notice `account` paid `amount` to `recipient`.
    /// @param account The game.
    /// @param recipient Whose bond or gain it is.
    /// @param amount Wei of OPEN.
    event Withdrawal(address indexed account, address indexed recipient, uint256 amount);
    /// @notice The balance of a void game was taken by the owner.
    /// @param account The game.
    /// @param owner Who took it, to give it back by hand.
    /// @param amount Wei of OPEN.
    event Held(address indexed account, address indexed owner, uint256 amount);

    /// @notice More than was unlocked for this recipient.
    /// @param unlocked From when it can be withdrawn.
    /// @param asked Wei that were asked for.
    error BondVault_NotUnlocked(uint256 unlocked, uint256 asked);
    /// @notice The delay lasts until `until`, seconds.
    /// @param until Unix second at which it ends.
    error BondVault_DelayNotMet(uint256 until);
    /// @notice More than the caller's balance.
    /// @param balance What there is, wei.
    /// @param asked Wei that were asked for.
    error BondVault_BalanceTooLow(uint256 balance, uint256 asked);
    /// @notice The guardian has paused payments.
    error BondVault_Paused();
    /// @notice The caller is not the owner of `SystemConfig`.
    /// @param caller Who tried to.
    error BondVault_NotOwner(address caller);
    /// @notice Only the balance of a game that the guardian has declared void can be held.
    /// @param account The game.
    error BondVault_NotVoid(address account);

    /// @notice Takes `amount` OPEN of the caller, who has approved this contract, into the caller's balance.
    /// @param amount Wei of OPEN.
    function deposit(uint256 amount) external;
    /// @notice Allows `amount` more of the caller's balance to be paid to `recipient`, after the delay.
    /// @param recipient Whose bond or gain it is.
    /// @param amount Wei of OPEN.
    function unlock(address recipient, uint256 amount) external;
    /// @notice Pays `amount` of the caller's balance to `recipient`, for whom it was unlocked.
    /// @param recipient Whose bond or gain it is.
    /// @param amount Wei of OPEN.
    function withdraw(address recipient, uint256 amount) external;
    /// @notice Takes the balance of a game that the guardian has declared void; owner of `SystemConfig` only.
    /// @param account The game.
    function hold(address account) external;

    /// @notice The token.
    /// @return The token OPEN.
    function open() external view returns (address);
    /// @notice Time between asking for a payment and getting it, seconds.
    /// @return Seconds between unlocking and payment.
    function delay() external view returns (uint256);
    /// @notice Says which games are void.
    /// @return The registry.
    function anchorStateRegistry() external view returns (IAnchorStateRegistry);
    /// @notice What an account holds, unlocked parts included.
    /// @param account The game.
    /// @return Wei that the game's parties have here.
    function balanceOf(address account) external view returns (uint256);
    /// @notice Sum of all balances. INVARIANT: at most what this contract holds.
    /// @return Wei of all games; the vault holds as much.
    function totalSupply() external view returns (uint256);
    /// @notice What `account` has unlocked for `recipient`.
    /// @param account The game.
    /// @param recipient Whose bond or gain it is.
    /// @return amount Wei of OPEN.
    /// @return timestamp Unix second of the request.
    function withdrawals(address account, address recipient) external view returns (uint256 amount, uint256 timestamp);
    /// @notice Form of this contract.
    /// @return Semantic version.
    function version() external pure returns (string memory);
}
