// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @notice What there is to pay and what of it was paid, wei, in one word: one load and one store for each claim. The total is
/// the lower half; no more than the total is ever paid.
type Tally is uint256;

using {total, paid, left, raise, pay, raiseAndPay, unpay} for Tally global;

/// @notice The two amounts as one.
function tally(uint128 total_, uint128 paid_) pure returns (Tally) {
    return Tally.wrap(uint256(paid_) << 128 | total_);
}

/// @notice What there is in all.
function total(Tally self) pure returns (uint128) {
    // The lower half.
    // forge-lint: disable-next-line(unsafe-typecast)
    return uint128(Tally.unwrap(self));
}

/// @notice What of it was paid.
function paid(Tally self) pure returns (uint128) {
    // forge-lint: disable-next-line(unsafe-typecast)
    return uint128(Tally.unwrap(self) >> 128);
}

/// @notice What of it was not paid.
/// @dev Nothing is paid but what is left, so it is never negative.
function left(Tally self) pure returns (uint128) {
    unchecked {
        // forge-lint: disable-next-line(unsafe-typecast)
        return uint128(Tally.unwrap(self)) - uint128(Tally.unwrap(self) >> 128);
    }
}

/// @notice With `amount` more to pay.
function raise(Tally self, uint128 amount) pure returns (Tally) {
    return tally(self.total() + amount, self.paid());
}

/// @notice With `amount` of what is left paid: the caller has asked {left}.
function pay(Tally self, uint128 amount) pure returns (Tally) {
    unchecked {
        return Tally.wrap(Tally.unwrap(self) + (uint256(amount) << 128));
    }
}

/// @notice With `more` to pay, and `amount` of what is left then paid: the caller has seen that the total stays below 2^128.
function raiseAndPay(Tally self, uint128 more, uint128 amount) pure returns (Tally) {
    unchecked {
        return Tally.wrap(Tally.unwrap(self) + more + (uint256(amount) << 128));
    }
}

/// @notice With `amount` of what was paid come back: it was paid before.
function unpay(Tally self, uint128 amount) pure returns (Tally) {
    unchecked {
        return Tally.wrap(Tally.unwrap(self) - (uint256(amount) << 128));
    }
}
