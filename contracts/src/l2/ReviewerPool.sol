// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {SafeTransferLib} from "solady/utils/SafeTransferLib.sol";

import {IReviewerPool} from "../interfaces/IReviewerPool.sol";
import {AdmissionErrors} from "../libraries/AdmissionErrors.sol";
import {Errors} from "../libraries/Errors.sol";

/// @title ReviewerPool
/// @notice See {IReviewerPool}.
contract ReviewerPool is IReviewerPool, ReentrancyGuardTransient {
    /*//////////////////////////////////////////////////////////////////////////
                                     CONSTANTS
    //////////////////////////////////////////////////////////////////////////*/

    /// A case lasts at most two rounds of commit, reveal and appeal at three days each: twice that, and a margin.
    uint256 public constant unbonding = 45 days;
    /// Seats bought or left in one call, so that no call runs out of gas.
    uint256 public constant SEATS_PER_CALL_MAX = 64;

    uint256 private constant TRIES_PER_SEAT = 8;

    /*//////////////////////////////////////////////////////////////////////////
                                      STORAGE
    //////////////////////////////////////////////////////////////////////////*/

    struct Reviewer {
        // slot 0
        uint128 seated;
        uint128 leaving;
        // slot 1
        uint64 payableAt;
        // slot 2: places in `_seats`, in no order
        uint256[] places;
    }

    /// @inheritdoc IReviewerPool
    uint256 public immutable seatStake;
    /// @notice The contract of reviews.
    address public immutable review;
    /// @notice Who gets what is nobody's.
    address public immutable sink;

    address[] private _seats;
    /// Index of a seat's entry in its holder's `places`.
    mapping(uint256 place => uint256 entry) private _entryOf;
    mapping(address reviewer => Reviewer) private _reviewers;

    constructor(uint256 seatStake_, address review_, address sink_) {
        if (review_ == address(0) || sink_ == address(0)) revert Errors.ZeroAddress();
        if (seatStake_ == 0) revert AdmissionErrors.ReviewerPool_NotWholeSeats(0, 0);
        seatStake = seatStake_;
        review = review_;
        sink = sink_;
    }

    /*//////////////////////////////////////////////////////////////////////////
                                       SEATS
    //////////////////////////////////////////////////////////////////////////*/

    /// @inheritdoc IReviewerPool
    function join() external payable {
        // Check
        uint256 seats = msg.value / seatStake;
        if (seats == 0 || seats > SEATS_PER_CALL_MAX || msg.value % seatStake != 0) {
            revert AdmissionErrors.ReviewerPool_NotWholeSeats(msg.value, seatStake);
        }

        // Effect
        Reviewer storage r = _reviewers[msg.sender];
        // Native supply is far below 2^128.
        // forge-lint: disable-next-line(unsafe-typecast)
        r.seated += uint128(msg.value);
        for (uint256 i; i < seats; ++i) {
            _entryOf[_seats.length] = r.places.length;
            r.places.push(_seats.length);
            _seats.push(msg.sender);
        }
        emit SeatsTaken(msg.sender, seats);
    }

    /// @inheritdoc IReviewerPool
    function giveUp(uint256 seats) external {
        // Check
        Reviewer storage r = _reviewers[msg.sender];
        uint256 held = r.places.length;
        if (seats == 0 || seats > held || seats > SEATS_PER_CALL_MAX) {
            revert AdmissionErrors.ReviewerPool_SeatsInsufficient(msg.sender, held, seats);
        }

        // Effect; the last seat takes whatever a slash left beyond whole seats
        uint256 amount = seats == held ? r.seated : seats * seatStake;
        if (amount > r.seated) amount = r.seated;
        // forge-lint: disable-next-item(unsafe-typecast)
        {
            r.seated -= uint128(amount);
            r.leaving += uint128(amount);
            r.payableAt = uint64(block.timestamp + unbonding);
        }
        _vacate(r, seats);
        emit SeatsLeft(msg.sender, seats, amount, r.payableAt);
    }

    /// @dev Takes a reviewer's last seats away; the last of all seats moves into each place that becomes free.
    function _vacate(Reviewer storage r, uint256 seats) private {
        for (uint256 i; i < seats; ++i) {
            uint256 place = r.places[r.places.length - 1];
            r.places.pop();
            uint256 last = _seats.length - 1;
            if (place != last) {
                address mover = _seats[last];
                uint256 entry = _entryOf[last];
                _seats[place] = mover;
                _entryOf[place] = entry;
                _reviewers[mover].places[entry] = place;
            }
            _seats.pop();
        }
    }

    /// @inheritdoc IReviewerPool
    function fetch(address payable to) external nonReentrant returns (uint256 amount) {
        // Check
        if (to == address(0)) revert Errors.ZeroAddress();
        Reviewer storage r = _reviewers[msg.sender];
        amount = r.leaving;
        if (amount == 0) revert Errors.NothingToWithdraw(msg.sender);
        if (block.timestamp < r.payableAt) revert AdmissionErrors.ReviewerPool_Unbonding(msg.sender, r.payableAt);

        // Effect
        r.leaving = 0;
        emit StakePaid(msg.sender, to, amount);

        // Interaction
        SafeTransferLib.safeTransferETH(to, amount);
    }

    /// @inheritdoc IReviewerPool
    function slash(address reviewer, uint256 amount) external nonReentrant returns (uint256 taken) {
        // Check
        if (msg.sender != review) revert AdmissionErrors.ReviewerPool_NotReview(msg.sender);

        // Effect
        Reviewer storage r = _reviewers[reviewer];
        uint256 fromLeaving = amount < r.leaving ? amount : r.leaving;
        uint256 rest = amount - fromLeaving;
        uint256 fromSeats = rest < r.seated ? rest : r.seated;
        taken = fromLeaving + fromSeats;
        // forge-lint: disable-next-item(unsafe-typecast)
        {
            r.leaving -= uint128(fromLeaving);
            r.seated -= uint128(fromSeats);
        }
        // A seat stands for at least half of its price; below that it is lost.
        uint256 standing = (r.seated + seatStake / 2) / seatStake;
        if (standing < r.places.length) _vacate(r, r.places.length - standing);
        if (r.places.length == 0 && r.seated != 0) {
            (r.leaving, r.seated) = (r.leaving + r.seated, 0);
            // forge-lint: disable-next-line(unsafe-typecast)
            r.payableAt = uint64(block.timestamp + unbonding);
        }
        emit Slashed(reviewer, taken);

        // Interaction
        if (taken != 0) SafeTransferLib.forceSafeTransferETH(sink, taken);
    }

    /*//////////////////////////////////////////////////////////////////////////
                                       VIEWS
    //////////////////////////////////////////////////////////////////////////*/

    /// @inheritdoc IReviewerPool
    function draw(bytes32 seed, uint256 count, address[] calldata excluded)
        external
        view
        returns (address[] memory panel)
    {
        panel = new address[](count);
        uint256 seats = _seats.length;
        uint256 drawn;
        for (uint256 i; seats != 0 && drawn < count && i < count * TRIES_PER_SEAT; ++i) {
            address candidate = _seats[uint256(keccak256(abi.encode(seed, i))) % seats];
            bool taken;
            for (uint256 j; !taken && j < excluded.length; ++j) {
                taken = excluded[j] == candidate;
            }
            for (uint256 j; !taken && j < drawn; ++j) {
                taken = panel[j] == candidate;
            }
            if (!taken) panel[drawn++] = candidate;
        }
        // The array is shortened in place to what was drawn.
        assembly ("memory-safe") {
            mstore(panel, drawn)
        }
    }

    /// @inheritdoc IReviewerPool
    function seatCount() external view returns (uint256) {
        return _seats.length;
    }

    /// @inheritdoc IReviewerPool
    function seatsOf(address reviewer) external view returns (uint256) {
        return _reviewers[reviewer].places.length;
    }

    /// @inheritdoc IReviewerPool
    function stakeOf(address reviewer) external view returns (uint256 seated, uint256 leaving, uint256 payableAt) {
        Reviewer storage r = _reviewers[reviewer];
        return (r.seated, r.leaving, r.payableAt);
    }
}
