// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Votes} from "@openzeppelin/contracts/governance/utils/Votes.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {Time} from "@openzeppelin/contracts/utils/types/Time.sol";

import {IGOPEN} from "../../interfaces/IGOPEN.sol";
import {Errors} from "../../libraries/Errors.sol";
import {WOPEN} from "../predeploys/WOPEN.sol";

/// @title GOPEN
/// @notice See {IGOPEN}.
contract GOPEN is IGOPEN, Votes {
    using SafeCast for uint256;

    /// @notice Name of the token.
    string public constant name = "Governance OPEN";
    /// @notice Symbol of the token.
    string public constant symbol = "gOPEN";
    /// @notice Decimals of votes.
    uint8 public constant decimals = 18;
    /// @notice The longest notice, seconds.
    uint32 public constant NOTICE_MAX = 730 days;

    struct Lock {
        // slot 0
        uint128 amount;
        uint32 notice;
    }

    /// @notice The token that is locked or paid with.
    WOPEN public immutable wopen;
    /// @inheritdoc IGOPEN
    uint32 public immutable noticeMin;

    /// @inheritdoc IGOPEN
    uint256 public totalSupply;
    uint256 private _unlockCount;

    mapping(address account => Lock) private _locks;
    mapping(uint256 unlockId => Unlock) private _unlocks;

    constructor(WOPEN wopen_, uint32 noticeMin_) EIP712("Governance OPEN", "1") {
        if (address(wopen_) == address(0)) revert Errors.ZeroAddress();
        if (noticeMin_ == 0 || noticeMin_ > NOTICE_MAX) revert GOPEN_NoticeOutOfBounds(noticeMin_, 1, NOTICE_MAX);
        wopen = wopen_;
        noticeMin = noticeMin_;
    }

    /*//////////////////////////////////////////////////////////////////////////
                                        LOCKS
    //////////////////////////////////////////////////////////////////////////*/

    /// @inheritdoc IGOPEN
    function lock(uint128 amount, uint32 notice) public {
        _lock(amount, notice);

        // Interaction; WOPEN reverts rather than returning false
        // forge-lint: disable-next-line(erc20-unchecked-transfer)
        wopen.transferFrom(msg.sender, address(this), amount);
    }

    /// @inheritdoc IGOPEN
    function lockNative(uint32 notice) external payable {
        _lock(msg.value.toUint128(), notice);

        // Interaction
        wopen.deposit{value: msg.value}();
    }

    /// @inheritdoc IGOPEN
    function lockWithPermit(uint128 amount, uint32 notice, uint256 deadline, uint8 v, bytes32 r, bytes32 s) external {
        try wopen.permit(msg.sender, address(this), amount, deadline, v, r, s) {} catch {}
        lock(amount, notice);
    }

    function _lock(uint128 amount, uint32 notice) private {
        // Check
        if (amount == 0) revert GOPEN_AmountZero();

        // Effect
        if (delegates(msg.sender) == address(0)) _delegate(msg.sender, msg.sender);
        totalSupply += amount;
        _update(_locks[msg.sender].amount + amount, notice);
        emit Locked(msg.sender, amount, notice, _getVotingUnits(msg.sender));
    }

    /// @inheritdoc IGOPEN
    function raiseNotice(uint32 notice) external {
        uint128 amount = _locks[msg.sender].amount;
        if (amount == 0) revert GOPEN_AmountZero();
        _update(amount, notice);
        emit Locked(msg.sender, 0, notice, _getVotingUnits(msg.sender));
    }

    /// @dev Sets the sender's lock, which only grows here, and mints the difference in votes.
    function _update(uint128 amount, uint32 notice) private {
        Lock storage l = _locks[msg.sender];
        uint32 least = l.notice > noticeMin ? l.notice : noticeMin;
        if (notice < least || notice > NOTICE_MAX) revert GOPEN_NoticeOutOfBounds(notice, least, NOTICE_MAX);
        uint256 before = _getVotingUnits(msg.sender);
        (l.amount, l.notice) = (amount, notice);
        _transferVotingUnits(address(0), msg.sender, _getVotingUnits(msg.sender) - before);
    }

    /// @inheritdoc IGOPEN
    function requestUnlock(uint128 amount) external returns (uint256 unlockId) {
        // Check
        Lock storage l = _locks[msg.sender];
        if (amount == 0) revert GOPEN_AmountZero();
        if (amount > l.amount) revert GOPEN_LockedInsufficient(l.amount, amount);

        // Effect
        uint64 availableAt = uint64(block.timestamp) + l.notice;
        uint256 before = _getVotingUnits(msg.sender);
        l.amount -= amount;
        // Who has left altogether begins anew.
        if (l.amount == 0) l.notice = 0;
        totalSupply -= amount;
        _transferVotingUnits(msg.sender, address(0), before - _getVotingUnits(msg.sender));
        unlockId = ++_unlockCount;
        _unlocks[unlockId] = Unlock({account: msg.sender, amount: amount, availableAt: availableAt});
        emit UnlockRequested(unlockId, msg.sender, amount, availableAt);
    }

    /// @inheritdoc IGOPEN
    function unlock(uint256 unlockId, address to) external {
        // Check
        Unlock memory u = _unlocks[unlockId];
        if (u.account != msg.sender) revert GOPEN_NotUnlockOwner(unlockId, msg.sender);
        if (block.timestamp < u.availableAt) revert GOPEN_NoticeRuns(unlockId, u.availableAt);

        // Effect
        delete _unlocks[unlockId];
        emit Unlocked(unlockId, to, u.amount);

        // Interaction; WOPEN reverts rather than returning false
        // forge-lint: disable-next-line(erc20-unchecked-transfer)
        wopen.transfer(to, u.amount);
    }

    /*//////////////////////////////////////////////////////////////////////////
                                        VIEWS
    //////////////////////////////////////////////////////////////////////////*/

    /// @inheritdoc IGOPEN
    function noticeOf(address account) external view returns (uint32) {
        return _locks[account].notice;
    }

    /// @inheritdoc IGOPEN
    function unlockOf(uint256 unlockId) external view returns (Unlock memory) {
        return _unlocks[unlockId];
    }

    /// @inheritdoc IGOPEN
    function balanceOf(address account) external view returns (uint256) {
        return _locks[account].amount;
    }

    /// @notice Unix seconds (ERC-6372).
    /// @return Unix seconds.
    function clock() public view override returns (uint48) {
        return Time.timestamp();
    }

    /// @notice ERC-6372.
    /// @return The mode, as EIP-6372 writes it.
    function CLOCK_MODE() public pure override returns (string memory) {
        return "mode=timestamp";
    }

    /// @dev Votes of all that the account has locked.
    function _getVotingUnits(address account) internal view override returns (uint256) {
        Lock storage l = _locks[account];
        return uint256(l.amount) * l.notice / NOTICE_MAX;
    }
}
