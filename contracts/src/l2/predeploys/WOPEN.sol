// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC3009} from "@openzeppelin/contracts/token/ERC20/extensions/draft-ERC3009.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";

/// @title WOPEN
/// @notice OPEN as an ERC-20 on L2, one for one: WETH9's functions and events, with signed approvals (EIP-2612) and signed
/// transfers (EIP-3009). Unlike WETH9 it has no fallback: a call to a function that does not exist fails rather than
/// passing for a deposit.
/// @dev INVARIANT: the balance of this contract is at least `totalSupply`.
contract WOPEN is ERC20, ERC20Permit, ERC3009 {
    /// @notice OPEN was wrapped.
    /// @param dst Whose wrapped OPEN it is now.
    /// @param wad Wei.
    event Deposit(address indexed dst, uint256 wad);
    /// @notice OPEN was unwrapped.
    /// @param src Whose wrapped OPEN it was.
    /// @param wad Wei.
    event Withdrawal(address indexed src, uint256 wad);

    /// @notice The receiver refused the OPEN.
    /// @param receiver Who did not take it.
    error WOPEN_TransferFailed(address receiver);

    constructor() ERC20("Wrapped OPEN", "WOPEN") ERC20Permit("Wrapped OPEN") {}

    /// @notice Wraps what is sent.
    receive() external payable {
        deposit();
    }

    /// @notice Wraps the OPEN sent along.
    function deposit() public payable {
        _mint(msg.sender, msg.value);
        emit Deposit(msg.sender, msg.value);
    }

    /// @notice Unwraps `wad` and sends it to the caller.
    /// @param wad Wei of the sender's wrapped OPEN.
    function withdraw(uint256 wad) external {
        // Effect
        _burn(msg.sender, wad);
        emit Withdrawal(msg.sender, wad);

        // Interaction
        (bool sent,) = msg.sender.call{value: wad}("");
        if (!sent) revert WOPEN_TransferFailed(msg.sender);
    }

    /// @inheritdoc ERC20
    /// @dev As in WETH9, owners need no allowance to move their own balance.
    function transferFrom(address from, address to, uint256 value) public override returns (bool) {
        if (from != msg.sender) _spendAllowance(from, msg.sender, value);
        _transfer(from, to, value);
        return true;
    }
}
