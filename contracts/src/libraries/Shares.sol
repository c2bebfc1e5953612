// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @title Shares
/// @notice How a fee comes apart. Everything rounds down but the contributors' share, which is the rest: their weights
/// round down again, and what nobody earns goes to the declared sink, so no wei is lost and none is invented.
library Shares {
    uint256 internal constant BPS_ONE = 10_000;

    /// The four shares of a fee; they sum to it.
    struct Split {
        uint128 platform;
        uint128 stakers;
        uint128 model;
        uint128 contributors;
    }

    /// @notice Splits `fee`: the platform's part of it, then the stakers' and the model's part of the net.
    /// @param platformBps Basis points of the fee, at most 10,000.
    /// @param modelBps Basis points of the net.
    /// @param stakersBps Basis points of the net; with `modelBps` at most 10,000.
    function split(uint128 fee, uint256 platformBps, uint256 modelBps, uint256 stakersBps)
        internal
        pure
        returns (Split memory s)
    {
        s.platform = bpsDown(fee, platformBps);
        uint128 net = fee - s.platform;
        s.stakers = bpsDown(net, stakersBps);
        s.model = bpsDown(net, modelBps);
        s.contributors = net - s.stakers - s.model;
    }

    /// @notice `amount * bps / 10,000`, rounded down, for at most 10,000 basis points.
    function bpsDown(uint128 amount, uint256 bps) internal pure returns (uint128) {
        // The quotient is at most `amount`.
        // forge-lint: disable-next-line(unsafe-typecast)
        return uint128(uint256(amount) * bps / BPS_ONE);
    }
}
