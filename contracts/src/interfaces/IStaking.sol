// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @title IStaking
/// @notice OPEN staked by those who work for the network, and by those who trust them with theirs. What can be lost
/// to a proven fault earns a part of the fees that customers paid. It earns nothing else: there is no rate, and in a month
/// without customers there is no reward.
/// @dev Rules by subject.
/// Operators: an account enrols in a role with at least `selfStakeMin` of its own; at most 64 are listed in a role, and a
/// full list gives way to whoever has more stake than the operator it names. Only listed stake earns and counts.
/// Delegation: anyone stakes behind an operator, up to nine times what the operator has of its own, and up to a fifth of
/// the role's stake or `poolFloor`, whichever is more. Own and delegated stake share gains and losses alike, by pool shares.
/// Commission: set at enrolment, at most 20 %, and can only be lowered: nobody's terms change after they staked.
/// Fees: the stakers' share of every epoch arrives here as credit at the settlement; `harvest` moves it in and raises one
/// index. No call's cost depends on how many stakers there are. Attestors alone earn, as their stake alone is at risk: what
/// reviewers, validators and agents stake here is a bond that counts where it is asked for, and no contract can take it.
/// Leaving: stake asked back stops earning at once and is paid out after `unbondingSeconds`; until it is paid out, it can
/// be slashed. INVARIANT: `unbondingSeconds` is more than twice the fault window of every slasher, so nobody outruns the
/// evidence; a slasher with a longer window is refused.
/// Slashing: only contracts listed as slashers, each for one role, which decide on evidence and not by vote. One fault is
/// punished once. Half goes to who reported it, half is burned, so reporting oneself still costs half.
/// Owner: governance. It lists slashers, which act only after `unbondingSeconds` (who does not trust one has left by
/// then), and names the guardian. It cannot slash, move or hold anybody's stake.
interface IStaking {
    enum Role {
        /// Signs epochs of attribution.
        Attestor,
        /// Reviews contributions. Seats on panels are at {IReviewerPool}.
        Reviewer,
        /// Re-executes and watches.
        Validator,
        /// Acts for somebody.
        Agent
    }

    struct Operator {
        /// Active stake of the pool, wei.
        uint128 tokens;
        /// Of which the operator's own, wei.
        uint128 selfTokens;
        /// Stake on its way out and still at risk, wei.
        uint128 unbonding;
        uint256 shares;
        uint16 commissionBps;
        /// In the role's list: earns and counts.
        bool listed;
        /// Slashed so far that it takes no new stake, ever.
        bool retired;
    }

    struct Exit {
        address account;
        Role role;
        address operator;
        /// Shares in what the operator's pool has on its way out.
        uint256 shares;
        /// Unix seconds from which it is paid out.
        uint64 maturesAt;
    }

    struct Slasher {
        /// Unix seconds from and up to which it may slash; zero if it never could.
        uint64 activeFrom;
        uint64 activeUntil;
        /// Longest time from a fault to its punishment, seconds.
        uint32 faultWindow;
    }

    /// @custom:field unbondingSeconds Seconds from asking stake back to its payment.
    /// @custom:field selfStakeMin Least own stake of a listed operator, wei.
    /// @custom:field poolFloor Size up to which the share cap on pools does not apply, wei.
    struct Init {
        address owner;
        address guardian;
        address settlement;
        uint32 unbondingSeconds;
        uint128 selfStakeMin;
        uint128 poolFloor;
        SlasherInit[] slashers;
    }

    struct SlasherInit {
        Role role;
        address slasher;
        uint32 faultWindow;
    }

    /// @notice An operator enrolled.
    /// @param role Role of the operator.
    /// @param operator Account that enrolled in the role.
    /// @param commissionBps Commission in basis points of what the pool earns.
    event Enrolled(Role indexed role, address indexed operator, uint16 commissionBps);
    /// @notice An operator asks for less.
    /// @param role Role of the operator.
    /// @param operator Account that enrolled in the role.
    /// @param commissionBps Commission in basis points of what the pool earns.
    event CommissionLowered(Role indexed role, address indexed operator, uint16 commissionBps);
    /// @notice An operator is listed.
    /// @param role Role of the operator.
    /// @param operator Account that enrolled in the role.
    event Listed(Role indexed role, address indexed operator);
    /// @notice An operator left the list.
    /// @param role Role of the operator.
    /// @param operator Account that enrolled in the role.
    event Delisted(Role indexed role, address indexed operator);
    /// @notice Stake was added to a pool.
    /// @param role Role of the operator.
    /// @param operator Account that enrolled in the role.
    /// @param account Whose stake it is.
    /// @param amount Wei.
    /// @param shares Shares of the operator's pool for it.
    event Staked(Role indexed role, address indexed operator, address indexed account, uint256 amount, uint256 shares);
    /// @notice Stake was asked back; it stays at risk until it is paid.
    /// @param exitId Id of the exit, from 1.
    /// @param role Role of the operator.
    /// @param operator Account that enrolled in the role.
    /// @param account Whose stake it is.
    /// @param amount What the shares are worth now, wei; slashing can make it less.
    /// @param maturesAt Unix second from which it can be finished.
    event ExitRequested(
        uint256 indexed exitId,
        Role role,
        address indexed operator,
        address indexed account,
        uint256 amount,
        uint64 maturesAt
    );
    /// @notice Stake was paid.
    /// @param exitId Id of the exit, from 1.
    /// @param to Who was paid.
    /// @param amount Wei.
    event ExitPaid(uint256 indexed exitId, address indexed to, uint256 amount);
    /// @notice The stakers' share was taken from the settlement.
    /// @param amount Wei that stakers share.
    event Harvested(uint256 amount);
    /// @notice An account's earnings were credited.
    /// @param role Role of the operator.
    /// @param operator Account that enrolled in the role.
    /// @param account Who has it as credit.
    /// @param amount Wei.
    event Collected(Role indexed role, address indexed operator, address indexed account, uint256 amount);
    /// @notice Credit was paid out.
    /// @param account Whose credit it was.
    /// @param to Who was paid.
    /// @param amount Wei of OPEN.
    event Withdrawn(address indexed account, address indexed to, uint256 amount);
    /// @notice An operator was slashed.
    /// @param role Role of the operator.
    /// @param operator Account that enrolled in the role.
    /// @param reporter Who has the reward as credit.
    /// @param fault Name of the fault, which is punished once.
    /// @param reward What the reporter gets, wei.
    /// @param burned The other half, wei, sent to where nobody can take it from.
    event Slashed(
        Role indexed role,
        address indexed operator,
        address indexed reporter,
        bytes32 fault,
        uint256 reward,
        uint256 burned
    );
    /// @notice A slasher was announced.
    /// @param role Role of the operator.
    /// @param slasher Contract that decides on faults in the role.
    /// @param faultWindow Seconds after a fault in which it can be shown.
    /// @param activeFrom Unix second from which it judges.
    event SlasherScheduled(Role indexed role, address indexed slasher, uint32 faultWindow, uint64 activeFrom);
    /// @notice A slasher was retired.
    /// @param role Role of the operator.
    /// @param slasher Contract that decides on faults in the role.
    /// @param activeUntil Unix second until which it judges.
    event SlasherRetired(Role indexed role, address indexed slasher, uint64 activeUntil);

    /// @notice `unbonding` is not more than twice the fault window.
    /// @param unbonding Seconds until stake is paid.
    /// @param faultWindow Seconds after a fault in which it can be shown.
    error Staking_UnbondingTooShort(uint256 unbonding, uint256 faultWindow);
    /// @notice The account is enrolled in the role already.
    /// @param role Role of the operator.
    /// @param operator Account that enrolled in the role.
    error Staking_EnrolledAlready(Role role, address operator);
    /// @notice The account is not enrolled in the role.
    /// @param role Role of the operator.
    /// @param operator Account that enrolled in the role.
    error Staking_NotEnrolled(Role role, address operator);
    /// @notice The commission is over the maximum, or not below the present one.
    /// @param commissionBps Commission in basis points of what the pool earns.
    /// @param max The most that is allowed.
    error Staking_CommissionOutOfBounds(uint16 commissionBps, uint16 max);
    /// @notice The operator's own stake is below the minimum.
    /// @param stake The operator's own, wei.
    /// @param min The least that is allowed.
    error Staking_SelfStakeTooSmall(uint256 stake, uint256 min);
    /// @notice The operator is listed already.
    /// @param role Role of the operator.
    /// @param operator Account that enrolled in the role.
    error Staking_ListedAlready(Role role, address operator);
    /// @notice The list is full, and the operator named to give way is not in it or has as much stake.
    /// @param role Role of the operator.
    /// @param evict Who leaves the list for it; zero for nobody.
    error Staking_ListFull(Role role, address evict);
    /// @notice The operator was slashed to nearly nothing and takes no stake.
    /// @param role Role of the operator.
    /// @param operator Account that enrolled in the role.
    error Staking_Retired(Role role, address operator);
    /// @notice The amount is zero, or too small to be worth a share.
    error Staking_AmountZero();
    /// @notice The pool would hold more than its cap.
    /// @param role Role of the operator.
    /// @param operator Account that enrolled in the role.
    /// @param tokens What the pool would hold, wei.
    /// @param cap The most the pool may hold, wei.
    error Staking_PoolFull(Role role, address operator, uint256 tokens, uint256 cap);
    /// @notice The account holds fewer shares.
    /// @param held Shares that the account has.
    /// @param asked What was asked for.
    error Staking_SharesInsufficient(uint256 held, uint256 asked);
    /// @notice Only who asked for the exit may fetch it.
    /// @param exitId Id of the exit, from 1.
    /// @param caller Who tried to fetch it.
    error Staking_NotExitOwner(uint256 exitId, address caller);
    /// @notice The exit is paid out from `maturesAt`.
    /// @param exitId Id of the exit, from 1.
    /// @param maturesAt Unix second from which it can be finished.
    error Staking_ExitImmature(uint256 exitId, uint64 maturesAt);
    /// @notice The caller may not slash this role now.
    /// @param role Role of the operator.
    /// @param caller Who tried to slash.
    error Staking_NotSlasher(Role role, address caller);
    /// @notice The slasher is listed for the role already.
    /// @param role Role of the operator.
    /// @param slasher Contract that decides on faults in the role.
    error Staking_SlasherListed(Role role, address slasher);
    /// @notice Only contracts decide on faults; this address has no code.
    /// @param slasher Contract that decides on faults in the role.
    error Staking_SlasherNotContract(address slasher);
    /// @notice The fault was punished already.
    /// @param slasher Contract that decides on faults in the role.
    /// @param fault Name of the fault, which is punished once.
    error Staking_FaultPunished(address slasher, bytes32 fault);
    /// @notice The part to slash is not between 1 and 10,000 basis points.
    /// @param bps What was asked for, basis points.
    error Staking_SlashOutOfBounds(uint256 bps);
    /// @notice OPEN is accepted from the settlement only; others stake or donate.
    /// @param sender Who sent it instead.
    error Staking_NotSettlement(address sender);

    /// @notice Becomes an operator in the role with the value as own stake, and is listed. `evict` is an operator with less
    /// stake that gives way when the list is full; it is not looked at otherwise.
    /// @param role Role to work in.
    /// @param commissionBps Commission in basis points of what the pool earns.
    /// @param evict Who leaves the list for it; zero for nobody.
    function enroll(Role role, uint16 commissionBps, address evict) external payable;
    /// @notice Lowers the sender's commission in the role.
    /// @param role Role of the operator.
    /// @param commissionBps Commission in basis points of what the pool earns.
    function lowerCommission(Role role, uint16 commissionBps) external;
    /// @notice Lists the sender again, once its own stake is at least the minimum.
    /// @param role Role of the operator.
    /// @param evict Who leaves the list for it; zero for nobody.
    function list(Role role, address evict) external;
    /// @notice Stakes the value behind the operator, for the sender.
    /// @param role Role of the operator.
    /// @param operator Account that enrolled in the role.
    /// @return shares Shares that it gave.
    function stake(Role role, address operator) external payable returns (uint256 shares);
    /// @notice Asks `shares` of the sender's back. They stop earning now and are paid out after `unbondingSeconds`.
    /// @param role Role of the operator.
    /// @param operator Account that enrolled in the role.
    /// @param shares Shares of the pool to give up, at most the sender's.
    /// @return exitId Id of the exit.
    function requestExit(Role role, address operator, uint256 shares) external returns (uint256 exitId);
    /// @notice Pays a mature exit of the sender's to `to`: what slashing has left of it.
    /// @param exitId Id of the exit, from 1.
    /// @param to Who is paid.
    /// @return amount What was paid, wei.
    function finishExit(uint256 exitId, address payable to) external returns (uint256 amount);
    /// @notice Moves the stakers' share that waits at the settlement into the index. Anyone may call it.
    /// @return amount What was taken, wei.
    function harvest() external returns (uint256 amount);
    /// @notice Adds the value to what stakers share.
    function donate() external payable;
    /// @notice Books what the account has earned with the operator as its credit. Anyone may call it.
    /// @param role Role of the operator.
    /// @param operator Account that enrolled in the role.
    /// @param account Who staked with the operator.
    /// @return amount What was credited, wei.
    function collect(Role role, address operator, address account) external returns (uint256 amount);
    /// @notice Pays the sender's credit (rewards, commissions, rewards for reporting) to `to`.
    /// @param to Who is paid.
    /// @return amount What was paid, wei.
    function withdraw(address payable to) external returns (uint256 amount);
    /// @notice Takes `bps` of all that the operator's pool holds in the role, also of what is on its way out. Only a slasher
    /// of the role; `fault` names what was proven, and is punished once.
    /// @param role Role of the operator.
    /// @param operator Account that enrolled in the role.
    /// @param bps Part of the pool, 1 to 10,000 basis points.
    /// @param fault Name of the fault, which is punished once.
    /// @param reporter Who has half as credit.
    /// @return amount What was taken, wei.
    function slash(Role role, address operator, uint256 bps, bytes32 fault, address reporter)
        external
        returns (uint256 amount);
    /// @notice Lists a slasher, which may act after `unbondingSeconds`; only the owner.
    /// @param role Role of the operator.
    /// @param slasher Contract that decides on faults in the role.
    /// @param faultWindow Seconds after a fault in which it can be shown.
    function scheduleSlasher(Role role, address slasher, uint32 faultWindow) external;
    /// @notice Ends a slasher's power after its fault window, so that no fault of before goes free; only the owner.
    /// @param role Role of the operator.
    /// @param slasher Contract that decides on faults in the role.
    function retireSlasher(Role role, address slasher) external;

    /// @notice An operator.
    /// @param role Role of the operator.
    /// @param operator Account that enrolled in the role.
    /// @return Stake, shares, commission and state; all zero if it never enrolled.
    function operatorOf(Role role, address operator) external view returns (Operator memory);
    /// @notice Operators that earn and count, in no order; at most 64.
    /// @param role Role of the operator.
    /// @return Addresses, 64 at most.
    function listedOf(Role role) external view returns (address[] memory);
    /// @notice Stake of all listed operators in the role, wei.
    /// @param role Role of the operator.
    /// @return Wei.
    function totalOf(Role role) external view returns (uint256);
    /// @notice Shares of an account in a pool.
    /// @param role Role of the operator.
    /// @param operator Account that enrolled in the role.
    /// @param account Who staked with the operator.
    /// @return Shares, own stake of an operator included.
    function sharesOf(Role role, address operator, address account) external view returns (uint256);
    /// @notice What the account's shares are worth now, wei.
    /// @param role Role of the operator.
    /// @param operator Account that enrolled in the role.
    /// @param account Who staked with the operator.
    /// @return Wei, rounded down.
    function stakeOf(Role role, address operator, address account) external view returns (uint256);
    /// @notice What `collect` would book now, wei; without what still waits at the settlement.
    /// @param role Role of the operator.
    /// @param operator Account that enrolled in the role.
    /// @param account Who staked with the operator.
    /// @return Wei, rounded down.
    function earnedOf(Role role, address operator, address account) external view returns (uint256);
    /// @notice An exit.
    /// @param exitId Id of the exit, from 1.
    /// @return Whose it is, shares and when it can be fetched; all zero once it was.
    function exitOf(uint256 exitId) external view returns (Exit memory);
    /// @notice When a slasher judges.
    /// @param role Role of the operator.
    /// @param slasher Contract that decides on faults in the role.
    /// @return From when to when it may slash, and its fault window; all zero if it never could.
    function slasherOf(Role role, address slasher) external view returns (Slasher memory);
    /// @notice True if the slasher has punished the fault.
    /// @param slasher Contract that decides on faults in the role.
    /// @param fault Name of the fault, which is punished once.
    /// @return Whether its pool has paid for it.
    function isPunished(address slasher, bytes32 fault) external view returns (bool);
    /// @notice What `withdraw` would pay, wei.
    /// @param account Account to ask about.
    /// @return Wei that `withdraw` would pay it.
    function credit(address account) external view returns (uint256);
    /// @notice True if the operator is listed in the role with at least `tokens` of stake.
    /// @param role Role of the operator.
    /// @param operator Account that enrolled in the role.
    /// @param tokens Least stake of the pool, wei.
    /// @return Whether it is listed with as much now.
    function isActive(Role role, address operator, uint256 tokens) external view returns (bool);

    /// @notice Stake with which the operator counts where stake is weight: its pool, but at most a tenth of the role's.
    /// @param role Role of the operator.
    /// @param operator Account that enrolled in the role.
    /// @return Wei, at most a tenth of the role's stake.
    function weightOf(Role role, address operator) external view returns (uint256);
    /// @notice Fewest operators that together hold more than `bps` of the role's stake: with 3,333 those who could halt,
    /// with 5,000 those who could decide. 0 if the role has no stake.
    /// @param role Role of the operator.
    /// @param bps Part of the role's stake, basis points.
    /// @return How many operators it takes, delegations to them included.
    function nakamoto(Role role, uint256 bps) external view returns (uint256);
}
