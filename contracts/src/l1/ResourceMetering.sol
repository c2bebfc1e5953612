// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";

/// @title ResourceMetering
/// @notice Sells the L2 gas of deposits on L1. Deposits are forced into L2 blocks and pay no L2 fee, so their gas is bounded
/// per L1 block and has a fee market of its own in the form of EIP-1559. The price is paid by burning L1 gas: the more a
/// deposit asks of L2, the more L1 gas it uses. Curve and storage are those of the OP Stack's contract of the same name.
abstract contract ResourceMetering {
    /// @custom:field prevBaseFee Price in wei per unit of L2 gas in block `prevBlockNum`.
    /// @custom:field prevBoughtGas L2 gas bought in that block.
    /// @custom:field prevBlockNum L1 block of the latest purchase.
    struct ResourceParams {
        uint128 prevBaseFee;
        uint64 prevBoughtGas;
        uint64 prevBlockNum;
    }

    /// @custom:field maxResourceLimit L2 gas that can be bought in one L1 block.
    /// @custom:field elasticityMultiplier Limit divided by target.
    /// @custom:field baseFeeMaxChangeDenominator Bounds the change of the price from block to block.
    /// @custom:field minimumBaseFee Lowest price, wei.
    /// @custom:field systemTxMaxGas Gas of the L1 attributes transaction, which shares the block with the deposits.
    /// @custom:field maximumBaseFee Highest price, wei.
    struct ResourceConfig {
        uint32 maxResourceLimit;
        uint8 elasticityMultiplier;
        uint8 baseFeeMaxChangeDenominator;
        uint32 minimumBaseFee;
        uint32 systemTxMaxGas;
        uint128 maximumBaseFee;
    }

    /// @notice The deposits of this L1 block would exceed the L2 gas that it can buy.
    error OutOfGas();

    uint256 private constant WAD = 1e18;
    /// @dev L1 base fee that a purchase reckons with at least, so that a base fee near zero does not make it burn absurd
    /// amounts of gas.
    uint256 private constant L1_BASE_FEE_MIN = 1 gwei;

    /// @notice State of the fee market.
    ResourceParams public params;

    constructor(ResourceConfig memory config) {
        params =
            ResourceParams({prevBaseFee: config.minimumBaseFee, prevBoughtGas: 0, prevBlockNum: uint64(block.number)});
    }

    /// @dev Charges for `amount` of L2 gas; the L1 gas that the body uses counts towards the price.
    modifier metered(uint64 amount) {
        uint256 gasBefore = gasleft();
        _;
        _buy(amount, gasBefore);
    }

    /// @dev Parameters of the fee market.
    function _resourceConfig() internal view virtual returns (ResourceConfig memory);

    function _buy(uint64 amount, uint256 gasBefore) private {
        ResourceConfig memory config = _resourceConfig();
        ResourceParams memory market = params;

        uint256 blocks = block.number - market.prevBlockNum;
        if (blocks != 0) {
            market.prevBaseFee = _nextBaseFee(config, market, blocks);
            market.prevBoughtGas = 0;
            market.prevBlockNum = uint64(block.number);
        }
        market.prevBoughtGas += amount;
        if (market.prevBoughtGas > config.maxResourceLimit) revert OutOfGas();
        params = market;

        uint256 price = uint256(amount) * market.prevBaseFee;
        uint256 gasDue = price / FixedPointMathLib.max(block.basefee, L1_BASE_FEE_MIN);
        uint256 gasUsed = gasBefore - gasleft();
        if (gasDue > gasUsed) _burnGas(gasDue - gasUsed);
    }

    /// @dev Price `blocks` blocks after the latest purchase: one step by what was bought then, and the decay of an unused
    /// market for each further block.
    function _nextBaseFee(ResourceConfig memory config, ResourceParams memory market, uint256 blocks)
        private
        pure
        returns (uint128)
    {
        int256 target = int256(uint256(config.maxResourceLimit / config.elasticityMultiplier));
        int256 denominator = int256(uint256(config.baseFeeMaxChangeDenominator));
        int256 baseFee = int256(uint256(market.prevBaseFee));
        int256 delta = baseFee * (int256(uint256(market.prevBoughtGas)) - target) / (target * denominator);
        uint256 next = _clamp(config, uint256(FixedPointMathLib.max(baseFee + delta, int256(0))));
        if (blocks > 1) {
            // By logarithm and exponential as in the OP Stack: exact powers would differ from it in the last wei.
            // At most WAD, and blocks times WAD: far below 2^255.
            // forge-lint: disable-next-line(unsafe-typecast)
            int256 step = int256(WAD - WAD / config.baseFeeMaxChangeDenominator);
            // forge-lint: disable-next-line(unsafe-typecast)
            uint256 decay = uint256(FixedPointMathLib.powWad(step, int256((blocks - 1) * WAD)));
            next = _clamp(config, FixedPointMathLib.mulWad(next, decay));
        }
        // forge-lint: disable-next-line(unsafe-typecast)
        return uint128(next);
    }

    function _clamp(ResourceConfig memory config, uint256 baseFee) private pure returns (uint256) {
        return FixedPointMathLib.clamp(baseFee, config.minimumBaseFee, config.maximumBaseFee);
    }

    function _burnGas(uint256 amount) private view {
        uint256 gasBefore = gasleft();
        while (gasBefore - gasleft() < amount) {}
    }
}
