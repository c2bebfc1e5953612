// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IModelRegistry} from "../interfaces/IModelRegistry.sol";
import {Errors} from "./Errors.sol";

/// @title Royalties
/// @notice What a model owes of its model share along its lineage, and how a share comes apart. Everything rounds down; what
/// rounding leaves stays with whoever would have passed it on, so no share is owed twice and none is lost.
library Royalties {
    uint256 internal constant BPS_ONE = 10_000;

    /// Debts under construction, each ancestor once, in the order in which they were met.
    struct List {
        IModelRegistry.Royalty[] items;
        uint256 count;
    }

    function empty(uint256 max) internal pure returns (List memory list) {
        list.items = new IModelRegistry.Royalty[](max);
    }

    /// @notice Adds what a model owes for one source: `terms.bps` of the source's weight, of which the source's own debts pass
    /// on to its ancestors first.
    function addSource(
        List memory list,
        IModelRegistry.Royalty memory terms,
        uint256 weightBps,
        IModelRegistry.Royalty[] storage above
    ) internal view {
        uint256 part = uint256(terms.bps) * weightBps / BPS_ONE;
        uint256 own = part;
        for (uint256 i; i < above.length; ++i) {
            IModelRegistry.Royalty memory r = above[i];
            uint256 passed = part * r.bps / BPS_ONE;
            own -= passed;
            _add(list, r.payee, r.modelId, passed);
        }
        _add(list, terms.payee, terms.modelId, own);
    }

    function _add(List memory list, address payee, uint64 modelId, uint256 bps) private pure {
        if (bps == 0) return;
        uint256 count = list.count;
        for (uint256 i; i < count; ++i) {
            if (list.items[i].modelId != modelId) continue;
            // All debts together are at most 10,000.
            // forge-lint: disable-next-line(unsafe-typecast)
            list.items[i].bps += uint16(bps);
            return;
        }
        if (count == list.items.length) revert Errors.ModelRegistry_TooManyRoyalties(count + 1, count);
        // forge-lint: disable-next-line(unsafe-typecast)
        list.items[count] = IModelRegistry.Royalty(payee, uint16(bps), modelId);
        list.count = count + 1;
    }
}
