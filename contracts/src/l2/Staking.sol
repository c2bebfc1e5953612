// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {LibSort} from "solady/utils/LibSort.sol";
import {SafeTransferLib} from "solady/utils/SafeTransferLib.sol";

import {IAttributionSettlement} from "../interfaces/IAttributionSettlement.sol";
import {IStaking} from "../interfaces/IStaking.sol";
import {Credit} from "../libraries/Credit.sol";
import {Errors} from "../libraries/Errors.sol";
import {ExpiringPause} from "./governance/ExpiringPause.sol";

/// @title Staking
/// @notice See {IStaking}.
contract Staking is IStaking, ExpiringPause, ReentrancyGuardTransient {
    using Credit for Credit.Book;
    using SafeCast for uint256;

    /*//////////////////////////////////////////////////////////////////////////
                                     CONSTANTS
    //////////////////////////////////////////////////////////////////////////*/

    /// @notice Listed operators of a role at most.
    uint256 public constant OPERATORS_MAX = 64;
    /// @notice Basis points of a whole.
    uint256 public constant BPS_ONE = 10_000;
    /// @notice The largest commission in basis points.
    uint16 public constant COMMISSION_BPS_MAX = 2_000;
    /// A pool holds at most this many times the operator's own stake.
    uint256 public constant POOL_MULTIPLE_MAX = 10;
    /// A pool over the floor takes delegations up to this part of the role's stake.
    uint256 public constant POOL_SHARE_BPS_MAX = 2_000;
    /// Most with which one operator counts where stake is weight.
    uint256 public constant WEIGHT_BPS_MAX = 1_000;
    /// A share that slashing left with less than this part of a wei retires the pool: share numbers stay small.
    uint256 public constant SHARE_VALUE_MIN = 1_000;
    /// Half of a slash goes here, out of reach of everybody.
    address public constant BURN = 0x000000000000000000000000000000000000dEaD;

    /// Of the reward indices.
    uint256 private constant ONE = 1e27;

    /*//////////////////////////////////////////////////////////////////////////
                                      STORAGE
    //////////////////////////////////////////////////////////////////////////*/

    struct Pool {
        // slot 0
        uint128 tokens;
        uint128 unbonding;
        // slots 1 and 2
        uint256 shares;
        uint256 unbondingShares;
        // slots 3 and 4: the reward index when the pool was last settled, and rewards per share since the beginning
        uint256 index;
        uint256 perShare;
        // slot 5
        uint16 commissionBps;
        bool enrolled;
        bool retired;
        // position in the role's list plus one, 0 if not listed
        uint32 listedAt;
    }

    struct Position {
        uint256 shares;
        uint256 perShare;
    }

    /// @notice Where the stakers' share of fees waits.
    IAttributionSettlement public immutable settlement;
    /// @notice Seconds from asking stake back to its payment.
    uint32 public immutable unbondingSeconds;
    /// @notice Least own stake of a listed operator, wei.
    uint128 public immutable selfStakeMin;
    /// @notice Size up to which the share cap on pools does not apply, wei.
    uint128 public immutable poolFloor;

    /// @notice Rewards per staked wei since the beginning, times 1e27.
    uint256 public rewardIndex;
    /// @notice Listed stake that earns: the attestors', wei.
    uint256 public totalEarning;
    /// @notice Rewards that came while nobody was staked; the next ones take them along, wei.
    uint256 public undistributed;
    uint256 private _exitCount;

    mapping(Role role => mapping(address operator => Pool)) private _pools;
    mapping(Role role => mapping(address operator => mapping(address account => Position))) private _positions;
    mapping(Role role => address[]) private _lists;
    mapping(Role role => uint256) private _totals;
    mapping(uint256 exitId => Exit) private _exits;
    mapping(Role role => mapping(address slasher => Slasher)) private _slashers;
    mapping(address slasher => mapping(bytes32 fault => bool)) private _punished;
    Credit.Book private _credit;

    constructor(Init memory init) Ownable(init.owner) {
        if (init.settlement == address(0)) revert Errors.ZeroAddress();
        settlement = IAttributionSettlement(init.settlement);
        unbondingSeconds = init.unbondingSeconds;
        selfStakeMin = init.selfStakeMin;
        poolFloor = init.poolFloor;
        if (init.selfStakeMin == 0) revert Staking_AmountZero();
        for (uint256 i; i < init.slashers.length; ++i) {
            SlasherInit memory s = init.slashers[i];
            _addSlasher(s.role, s.slasher, s.faultWindow, block.timestamp);
        }
        _setGuardian(init.guardian);
    }

    /// @notice What the settlement owes the stakers arrives here.
    receive() external payable {
        if (msg.sender != address(settlement)) revert Staking_NotSettlement(msg.sender);
    }

    /*//////////////////////////////////////////////////////////////////////////
                                     OPERATORS
    //////////////////////////////////////////////////////////////////////////*/

    /// @inheritdoc IStaking
    function enroll(Role role, uint16 commissionBps, address evict) external payable whenNotPaused {
        // Check
        Pool storage pool = _pools[role][msg.sender];
        if (pool.enrolled) revert Staking_EnrolledAlready(role, msg.sender);
        if (commissionBps > COMMISSION_BPS_MAX) {
            revert Staking_CommissionOutOfBounds(commissionBps, COMMISSION_BPS_MAX);
        }

        // Effect
        pool.enrolled = true;
        pool.commissionBps = commissionBps;
        emit Enrolled(role, msg.sender, commissionBps);
        _stake(role, msg.sender, pool);
        _list(role, msg.sender, pool, evict);
    }

    /// @inheritdoc IStaking
    function lowerCommission(Role role, uint16 commissionBps) external {
        // Check
        Pool storage pool = _enrolled(role, msg.sender);
        if (commissionBps >= pool.commissionBps) {
            revert Staking_CommissionOutOfBounds(commissionBps, pool.commissionBps);
        }

        // Effect; what was earned until now was earned under the old one
        _settle(role, msg.sender, pool);
        pool.commissionBps = commissionBps;
        emit CommissionLowered(role, msg.sender, commissionBps);
    }

    /// @inheritdoc IStaking
    function list(Role role, address evict) external whenNotPaused {
        Pool storage pool = _enrolled(role, msg.sender);
        if (pool.listedAt != 0) revert Staking_ListedAlready(role, msg.sender);
        if (pool.retired) revert Staking_Retired(role, msg.sender);
        _list(role, msg.sender, pool, evict);
    }

    function _list(Role role, address operator, Pool storage pool, address evict) private {
        // Check
        uint256 own = _worth(pool, _positions[role][operator][operator].shares);
        if (own < selfStakeMin) revert Staking_SelfStakeTooSmall(own, selfStakeMin);
        address[] storage operators = _lists[role];
        if (operators.length == OPERATORS_MAX) {
            Pool storage weaker = _pools[role][evict];
            if (weaker.listedAt == 0 || weaker.tokens >= pool.tokens) revert Staking_ListFull(role, evict);
            _delist(role, evict, weaker);
        }

        // Effect
        operators.push(operator);
        pool.listedAt = operators.length.toUint32();
        pool.index = rewardIndex;
        _grow(role, pool.tokens);
        emit Listed(role, operator);
    }

    /// @dev The last of the list takes its place.
    function _delist(Role role, address operator, Pool storage pool) private {
        _settle(role, operator, pool);
        _shrink(role, pool.tokens);
        address[] storage operators = _lists[role];
        address last = operators[operators.length - 1];
        operators[pool.listedAt - 1] = last;
        _pools[role][last].listedAt = pool.listedAt;
        operators.pop();
        pool.listedAt = 0;
        emit Delisted(role, operator);
    }

    /// @dev An operator without enough of its own at risk works for nobody.
    function _delistIfWeak(Role role, address operator, Pool storage pool) private {
        if (pool.listedAt == 0) return;
        if (_worth(pool, _positions[role][operator][operator].shares) < selfStakeMin) _delist(role, operator, pool);
    }

    /*//////////////////////////////////////////////////////////////////////////
                                       STAKE
    //////////////////////////////////////////////////////////////////////////*/

    /// @inheritdoc IStaking
    function stake(Role role, address operator) external payable whenNotPaused returns (uint256 shares) {
        Pool storage pool = _enrolled(role, operator);
        shares = _stake(role, operator, pool);
        // Own stake is capped by nothing: it is the operator's own loss.
        if (msg.sender != operator) _checkCap(role, operator, pool);
    }

    function _stake(Role role, address operator, Pool storage pool) private returns (uint256 shares) {
        // Check
        if (msg.value == 0) revert Staking_AmountZero();
        if (pool.retired) revert Staking_Retired(role, operator);

        // Effect
        _settle(role, operator, pool);
        _collect(role, operator, pool, msg.sender);
        shares = pool.shares == 0 ? msg.value : Math.mulDiv(msg.value, pool.shares, pool.tokens);
        if (shares == 0) revert Staking_AmountZero();
        pool.tokens += msg.value.toUint128();
        pool.shares += shares;
        _positions[role][operator][msg.sender].shares += shares;
        if (pool.listedAt != 0) _grow(role, msg.value);
        emit Staked(role, operator, msg.sender, msg.value, shares);
    }

    function _checkCap(Role role, address operator, Pool storage pool) private view {
        uint256 tokens = pool.tokens;
        uint256 cap = Math.max(poolFloor, _totals[role] * POOL_SHARE_BPS_MAX / BPS_ONE);
        uint256 own = _worth(pool, _positions[role][operator][operator].shares);
        cap = Math.min(cap, own * POOL_MULTIPLE_MAX);
        if (tokens > cap) revert Staking_PoolFull(role, operator, tokens, cap);
    }

    /// @inheritdoc IStaking
    function requestExit(Role role, address operator, uint256 shares) external returns (uint256 exitId) {
        // Check
        Pool storage pool = _enrolled(role, operator);
        Position storage position = _positions[role][operator][msg.sender];
        if (shares > position.shares) revert Staking_SharesInsufficient(position.shares, shares);
        uint256 amount = _worth(pool, shares);
        if (amount == 0) revert Staking_AmountZero();

        // Effect
        _settle(role, operator, pool);
        _collect(role, operator, pool, msg.sender);
        position.shares -= shares;
        pool.shares -= shares;
        pool.tokens -= amount.toUint128();
        if (pool.listedAt != 0) _shrink(role, amount);
        exitId = _openExit(role, operator, pool, amount);
        if (msg.sender == operator) _delistIfWeak(role, operator, pool);
    }

    function _openExit(Role role, address operator, Pool storage pool, uint256 amount)
        private
        returns (uint256 exitId)
    {
        // Leaving stake is zero only with active stake at zero, after which nothing more can leave: no division by zero.
        uint256 shares = pool.unbondingShares == 0 ? amount : Math.mulDiv(amount, pool.unbondingShares, pool.unbonding);
        pool.unbonding += amount.toUint128();
        pool.unbondingShares += shares;
        uint64 maturesAt = uint64(block.timestamp) + unbondingSeconds;
        exitId = ++_exitCount;
        _exits[exitId] =
            Exit({account: msg.sender, role: role, operator: operator, shares: shares, maturesAt: maturesAt});
        emit ExitRequested(exitId, role, operator, msg.sender, amount, maturesAt);
    }

    /// @inheritdoc IStaking
    function finishExit(uint256 exitId, address payable to) external nonReentrant returns (uint256 amount) {
        // Check
        if (to == address(0)) revert Errors.ZeroAddress();
        Exit memory e = _exits[exitId];
        if (e.account != msg.sender) revert Staking_NotExitOwner(exitId, msg.sender);
        if (block.timestamp < e.maturesAt) revert Staking_ExitImmature(exitId, e.maturesAt);

        // Effect
        delete _exits[exitId];
        Pool storage pool = _pools[e.role][e.operator];
        amount = Math.mulDiv(e.shares, pool.unbonding, pool.unbondingShares);
        pool.unbonding -= amount.toUint128();
        pool.unbondingShares -= e.shares;
        emit ExitPaid(exitId, to, amount);

        // Interaction
        if (amount != 0) SafeTransferLib.safeTransferETH(to, amount);
    }

    /*//////////////////////////////////////////////////////////////////////////
                                        FEES
    //////////////////////////////////////////////////////////////////////////*/

    /// @inheritdoc IStaking
    function harvest() external nonReentrant returns (uint256 amount) {
        if (settlement.credit(address(this)) == 0) return 0;
        amount = settlement.withdraw(payable(address(this)));
        _distribute(amount);
    }

    /// @inheritdoc IStaking
    function donate() external payable {
        if (msg.value == 0) revert Staking_AmountZero();
        _distribute(msg.value);
    }

    function _distribute(uint256 amount) private {
        emit Harvested(amount);
        amount += undistributed;
        uint256 total = totalEarning;
        if (total == 0) {
            undistributed = amount;
            return;
        }
        undistributed = 0;
        rewardIndex += Math.mulDiv(amount, ONE, total);
    }

    /// @dev Brings the pool up to the reward index: commission to the operator, the rest to the shares. Rounds down, so
    /// what is booked never exceeds what came in.
    function _settle(Role role, address operator, Pool storage pool) private {
        if (pool.listedAt == 0 || !_earns(role)) return;
        uint256 reward = Math.mulDiv(pool.tokens, rewardIndex - pool.index, ONE);
        pool.index = rewardIndex;
        if (reward == 0 || pool.shares == 0) return;
        uint256 commission = reward * pool.commissionBps / BPS_ONE;
        _credit.add(operator, commission);
        pool.perShare += Math.mulDiv(reward - commission, ONE, pool.shares);
    }

    /// @inheritdoc IStaking
    function collect(Role role, address operator, address account) external returns (uint256 amount) {
        Pool storage pool = _enrolled(role, operator);
        _settle(role, operator, pool);
        return _collect(role, operator, pool, account);
    }

    /// @dev The pool must be settled.
    function _collect(Role role, address operator, Pool storage pool, address account)
        private
        returns (uint256 amount)
    {
        Position storage position = _positions[role][operator][account];
        amount = Math.mulDiv(position.shares, pool.perShare - position.perShare, ONE);
        position.perShare = pool.perShare;
        if (amount == 0) return 0;
        _credit.add(account, amount);
        emit Collected(role, operator, account, amount);
    }

    /// @inheritdoc IStaking
    function withdraw(address payable to) external nonReentrant returns (uint256 amount) {
        amount = _credit.withdraw(msg.sender, to);
        emit Withdrawn(msg.sender, to, amount);
    }

    /*//////////////////////////////////////////////////////////////////////////
                                      SLASHING
    //////////////////////////////////////////////////////////////////////////*/

    /// @inheritdoc IStaking
    function slash(Role role, address operator, uint256 bps, bytes32 fault, address reporter)
        external
        nonReentrant
        returns (uint256 amount)
    {
        // Check
        Slasher memory s = _slashers[role][msg.sender];
        if (s.activeFrom == 0 || block.timestamp < s.activeFrom || block.timestamp > s.activeUntil) {
            revert Staking_NotSlasher(role, msg.sender);
        }
        if (bps == 0 || bps > BPS_ONE) revert Staking_SlashOutOfBounds(bps);
        if (reporter == address(0)) revert Errors.ZeroAddress();
        if (_punished[msg.sender][fault]) revert Staking_FaultPunished(msg.sender, fault);
        Pool storage pool = _enrolled(role, operator);

        // Effect
        _punished[msg.sender][fault] = true;
        _settle(role, operator, pool);
        uint256 active = uint256(pool.tokens) * bps / BPS_ONE;
        uint256 leaving = uint256(pool.unbonding) * bps / BPS_ONE;
        pool.tokens -= active.toUint128();
        pool.unbonding -= leaving.toUint128();
        if (pool.listedAt != 0) _shrink(role, active);
        if (uint256(pool.tokens) * SHARE_VALUE_MIN < pool.shares) pool.retired = true;
        _delistIfWeak(role, operator, pool);
        amount = active + leaving;
        uint256 reward = amount / 2;
        _credit.add(reporter, reward);
        emit Slashed(role, operator, reporter, fault, reward, amount - reward);

        // Interaction
        if (amount != reward) SafeTransferLib.safeTransferETH(BURN, amount - reward);
    }

    /// @inheritdoc IStaking
    function scheduleSlasher(Role role, address slasher, uint32 faultWindow) external onlyOwner {
        if (slasher.code.length == 0) revert Staking_SlasherNotContract(slasher);
        _addSlasher(role, slasher, faultWindow, block.timestamp + unbondingSeconds);
    }

    function _addSlasher(Role role, address slasher, uint32 faultWindow, uint256 activeFrom) private {
        // Check
        if (slasher == address(0)) revert Errors.ZeroAddress();
        // INVARIANT: evidence of a fault is in time while the stake of its day is still here, with a margin of two.
        if (unbondingSeconds <= 2 * uint256(faultWindow)) {
            revert Staking_UnbondingTooShort(unbondingSeconds, faultWindow);
        }
        if (_slashers[role][slasher].activeFrom != 0) revert Staking_SlasherListed(role, slasher);

        // Effect
        uint64 from = activeFrom.toUint64();
        _slashers[role][slasher] = Slasher({activeFrom: from, activeUntil: type(uint64).max, faultWindow: faultWindow});
        emit SlasherScheduled(role, slasher, faultWindow, from);
    }

    /// @inheritdoc IStaking
    function retireSlasher(Role role, address slasher) external onlyOwner {
        // Check
        Slasher storage s = _slashers[role][slasher];
        if (s.activeFrom == 0 || s.activeUntil != type(uint64).max) revert Staking_NotSlasher(role, slasher);

        // Effect
        s.activeUntil = uint64(block.timestamp) + s.faultWindow;
        emit SlasherRetired(role, slasher, s.activeUntil);
    }

    /*//////////////////////////////////////////////////////////////////////////
                                       VIEWS
    //////////////////////////////////////////////////////////////////////////*/

    /// @inheritdoc IStaking
    function operatorOf(Role role, address operator) external view returns (Operator memory) {
        Pool storage pool = _pools[role][operator];
        return Operator({
            tokens: pool.tokens,
            selfTokens: _worth(pool, _positions[role][operator][operator].shares).toUint128(),
            unbonding: pool.unbonding,
            shares: pool.shares,
            commissionBps: pool.commissionBps,
            listed: pool.listedAt != 0,
            retired: pool.retired
        });
    }

    /// @inheritdoc IStaking
    function listedOf(Role role) external view returns (address[] memory) {
        return _lists[role];
    }

    /// @inheritdoc IStaking
    function totalOf(Role role) external view returns (uint256) {
        return _totals[role];
    }

    /// @inheritdoc IStaking
    function sharesOf(Role role, address operator, address account) external view returns (uint256) {
        return _positions[role][operator][account].shares;
    }

    /// @inheritdoc IStaking
    function stakeOf(Role role, address operator, address account) external view returns (uint256) {
        return _worth(_pools[role][operator], _positions[role][operator][account].shares);
    }

    /// @inheritdoc IStaking
    function earnedOf(Role role, address operator, address account) external view returns (uint256) {
        Pool storage pool = _pools[role][operator];
        uint256 perShare = pool.perShare;
        if (pool.listedAt != 0 && _earns(role) && pool.shares != 0) {
            uint256 reward = Math.mulDiv(pool.tokens, rewardIndex - pool.index, ONE);
            perShare += Math.mulDiv(reward - reward * pool.commissionBps / BPS_ONE, ONE, pool.shares);
        }
        Position storage position = _positions[role][operator][account];
        return Math.mulDiv(position.shares, perShare - position.perShare, ONE);
    }

    /// @inheritdoc IStaking
    function exitOf(uint256 exitId) external view returns (Exit memory) {
        return _exits[exitId];
    }

    /// @inheritdoc IStaking
    function slasherOf(Role role, address slasher) external view returns (Slasher memory) {
        return _slashers[role][slasher];
    }

    /// @inheritdoc IStaking
    function isPunished(address slasher, bytes32 fault) external view returns (bool) {
        return _punished[slasher][fault];
    }

    /// @inheritdoc IStaking
    function credit(address account) external view returns (uint256) {
        return _credit.owed[account];
    }

    /// @inheritdoc IStaking
    function isActive(Role role, address operator, uint256 tokens) external view returns (bool) {
        Pool storage pool = _pools[role][operator];
        return pool.listedAt != 0 && pool.tokens >= tokens;
    }

    /// @inheritdoc IStaking
    function weightOf(Role role, address operator) external view returns (uint256) {
        Pool storage pool = _pools[role][operator];
        if (pool.listedAt == 0) return 0;
        return Math.min(pool.tokens, _totals[role] * WEIGHT_BPS_MAX / BPS_ONE);
    }

    /// @inheritdoc IStaking
    function nakamoto(Role role, uint256 bps) external view returns (uint256 count) {
        address[] storage operators = _lists[role];
        uint256[] memory stakes = new uint256[](operators.length);
        for (uint256 i; i < stakes.length; ++i) {
            stakes[i] = _pools[role][operators[i]].tokens;
        }
        LibSort.sort(stakes);
        uint256 needed = _totals[role] * bps;
        uint256 held;
        while (count < stakes.length && held * BPS_ONE <= needed) {
            ++count;
            held += stakes[stakes.length - count];
        }
    }

    function _enrolled(Role role, address operator) private view returns (Pool storage pool) {
        pool = _pools[role][operator];
        if (!pool.enrolled) revert Staking_NotEnrolled(role, operator);
    }

    function _worth(Pool storage pool, uint256 shares) private view returns (uint256) {
        return shares == 0 ? 0 : Math.mulDiv(shares, pool.tokens, pool.shares);
    }

    /// @dev Only stake that a contract can take on evidence: of the other roles nothing is said that code can show to be false.
    function _earns(Role role) private pure returns (bool) {
        return role == Role.Attestor;
    }

    function _grow(Role role, uint256 amount) private {
        _totals[role] += amount;
        if (_earns(role)) totalEarning += amount;
    }

    function _shrink(Role role, uint256 amount) private {
        _totals[role] -= amount;
        if (_earns(role)) totalEarning -= amount;
    }
}
