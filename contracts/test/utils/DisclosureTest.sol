// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IAttributionSettlement} from "../../src/interfaces/IAttributionSettlement.sol";
import {IEpochDisclosure} from "../../src/interfaces/IEpochDisclosure.sol";
import {RecordTest} from "./RecordTest.sol";
import {SumTree} from "./SumTree.sol";

/// @title DisclosureTest
/// @notice Demands for pieces of the last posted epoch, and the honest answers to them.
abstract contract DisclosureTest is RecordTest {
    IEpochDisclosure.Tree internal constant RECEIPTS = IEpochDisclosure.Tree.Receipts;
    IEpochDisclosure.Tree internal constant PAYMENTS = IEpochDisclosure.Tree.Payments;
    IEpochDisclosure.Tree internal constant CLAIMS = IEpochDisclosure.Tree.Claims;
    /// Leaves of a piece.
    uint256 internal constant PIECE = 256;

    function current() internal view returns (uint64) {
        return settlement.nextEpochId() - 1;
    }

    function allOf(IEpochDisclosure.Tree tree) internal view returns (uint256[] memory places) {
        places = new uint256[](disclosure.pieceCount(current(), tree));
        for (uint256 i; i < places.length; ++i) {
            places[i] = i;
        }
    }

    function demandAs(address who, IEpochDisclosure.Tree tree, uint256[] memory places) internal {
        uint256 value = disclosure.stake() * places.length;
        uint64 epochId = current();
        vm.deal(who, who.balance + value);
        vm.prank(who);
        disclosure.demand{value: value}(epochId, tree, places);
    }

    function dueAtOf(IEpochDisclosure.Tree tree, uint256 place) internal view returns (uint64 dueAt) {
        (, dueAt,,) = disclosure.demandOf(current(), tree, place);
    }

    /// @dev The leaves of a piece, and the path above it.
    function pieceOf(IEpochDisclosure.Tree tree, uint256 place)
        internal
        view
        returns (IEpochDisclosure.Entry[] memory entries, IAttributionSettlement.ProofNode[] memory path)
    {
        uint256 count = tree == CLAIMS ? claims.length : payments.length;
        uint256 first = place * PIECE;
        uint256 last = first + PIECE < count ? first + PIECE : count;
        entries = new IEpochDisclosure.Entry[](last > first ? last - first : 0);
        for (uint256 i; i < entries.length; ++i) {
            entries[i] = tree == CLAIMS
                ? IEpochDisclosure.Entry(
                    claims[first + i].datanetId, claims[first + i].account, 0, claims[first + i].cumulative
                )
                : IEpochDisclosure.Entry(
                    payments[first + i].datanetId,
                    payments[first + i].account,
                    payments[first + i].receipt,
                    payments[first + i].amount
                );
        }
        IAttributionSettlement.ProofNode[] memory leaves = tree == CLAIMS ? SumTree.leavesOf(claims) : paymentLeaves();
        (,, IAttributionSettlement.ProofNode[] memory proof) = SumTree.fold(leaves, first);
        path = new IAttributionSettlement.ProofNode[](proof.length > 8 ? proof.length - 8 : 0);
        for (uint256 i; i < path.length; ++i) {
            path[i] = proof[i + 8];
        }
    }

    function disclose(IEpochDisclosure.Tree tree, uint256 place) internal {
        (IEpochDisclosure.Entry[] memory entries, IAttributionSettlement.ProofNode[] memory path) = pieceOf(tree, place);
        disclosure.discloseEntries(current(), tree, place, entries, path);
    }

    function discloseCall(uint256 i) internal {
        disclosure.discloseReceipt(
            current(), calls[i].receipt, abi.encode(record(i)), abi.encode(response), opened(i).proof
        );
    }
}
