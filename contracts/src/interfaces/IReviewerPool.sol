// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @title IReviewerPool
/// @notice Who reviews: accounts that hold *seats*, each bought with the same stake, so that a draw over seats weighs
/// accounts by stake and splitting one account into many changes nothing.
/// @dev Trust. Only the review contract, fixed at deployment, may slash, and it does so only for what the chain shows: a
/// drawn reviewer who did not open a ballot. Nobody can take a seat from an account. A seat that is given up stays
/// slashable for the unbonding time, which is more than twice the longest case.
interface IReviewerPool {
    /// @notice Seats were bought.
    /// @param reviewer Whose seats they are.
    /// @param seats How many were bought.
    event SeatsTaken(address indexed reviewer, uint256 seats);
    /// @notice Seats were given up.
    /// @param reviewer Whose seats they are.
    /// @param seats How many were given up.
    /// @param amount Stake that is unbonding for it, wei.
    /// @param payableAt Unix second from which it is paid.
    event SeatsLeft(address indexed reviewer, uint256 seats, uint256 amount, uint256 payableAt);
    /// @notice A reviewer was punished.
    /// @param reviewer Whose seats they are.
    /// @param amount What went to the sink, wei.
    event Slashed(address indexed reviewer, uint256 amount);
    /// @notice A reviewer's stake was paid.
    /// @param reviewer Whose seats they are.
    /// @param to Who was paid.
    /// @param amount Wei.
    event StakePaid(address indexed reviewer, address indexed to, uint256 amount);

    /// @notice Buys as many seats as the value pays for; it must be a positive multiple of `seatStake`.
    function join() external payable;
    /// @notice Gives up the sender's last `seats` seats. Their stake can be fetched after the unbonding time, which starts
    /// anew for all that is unbonding with each call.
    /// @param seats 1 to the sender's.
    function giveUp(uint256 seats) external;
    /// @notice Pays the unbonded stake.
    /// @param to Who is paid.
    /// @return amount What was paid, wei.
    function fetch(address payable to) external returns (uint256 amount);
    /// @notice Takes up to `amount` of a reviewer's stake, the unbonding part first, and sends it to the sink. A seat whose
    /// stake is gone is lost. Only the review contract.
    /// @param reviewer Whose seats they are.
    /// @param amount What to take, wei; less is taken where there is less.
    /// @return taken What was taken, wei.
    function slash(address reviewer, uint256 amount) external returns (uint256 taken);

    /// @notice Up to `count` distinct accounts drawn by seats from `seed`, none of them in `excluded`. Fewer when so many
    /// different ones do not turn up in eight tries for each.
    /// @param seed What the draw depends on.
    /// @param count Accounts wanted.
    /// @param excluded Who must not be drawn.
    /// @return Distinct reviewers, fewer than asked for if there are too few.
    function draw(bytes32 seed, uint256 count, address[] calldata excluded) external view returns (address[] memory);
    /// @notice Wei a seat costs.
    /// @return Wei, fixed at deployment.
    function seatStake() external view returns (uint256);
    /// @notice Seconds between leaving and being paid.
    /// @return Seconds, fixed at deployment.
    function unbonding() external view returns (uint256);
    /// @notice Number of seats.
    /// @return All reviewers' seats together, from which panels are drawn.
    function seatCount() external view returns (uint256);
    /// @notice Seats of a reviewer.
    /// @param reviewer Whose seats they are.
    /// @return Seats it can be drawn by; each has put up one stake.
    function seatsOf(address reviewer) external view returns (uint256);
    /// @notice What the reviewer has at stake in seats, and what is unbonding until when.
    /// @param reviewer Whose seats they are.
    /// @return seated Behind seats, wei.
    /// @return leaving Unbonding, and still to be slashed, wei.
    /// @return payableAt Unix second from which that is paid.
    function stakeOf(address reviewer) external view returns (uint256 seated, uint256 leaving, uint256 payableAt);
}
