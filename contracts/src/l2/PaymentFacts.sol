// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IAttributionSettlement} from "../interfaces/IAttributionSettlement.sol";
import {IModelRegistry} from "../interfaces/IModelRegistry.sol";
import {IRecordDispute} from "../interfaces/IRecordDispute.sol";
import {MerkleSum} from "../libraries/MerkleSum.sol";
import {RecordErrors} from "../libraries/RecordErrors.sol";
import {RecordBase} from "./RecordBase.sol";

/// @title PaymentFacts
/// @notice What can be shown about an epoch's payments tree. Views only; {RecordDispute} acts on them.
abstract contract PaymentFacts is IRecordDispute, RecordBase {
    struct Payments {
        // slot 0
        bytes32 root;
        // slot 1
        uint128 total;
        uint8 depth;
        bool answered;
        uint8 claimsDepth;
        // slot 2
        uint64 demandedAt;
        uint64 dueAt;
    }

    mapping(uint64 epochId => Payments) internal _payments;

    /*//////////////////////////////////////////////////////////////////////////
                                       PAYMENTS
    //////////////////////////////////////////////////////////////////////////*/

    /// @inheritdoc IRecordDispute
    function factSilence(uint64 epochId) external view returns (uint64, string memory) {
        _disputable(epochId);
        Payments storage p = _payments[epochId];
        // What was not yet due when the epoch fell could not be answered any more.
        uint256 fellAt = _fellAt(epochId);
        uint256 until = fellAt == 0 ? block.timestamp : fellAt;
        if (p.demandedAt == 0 || p.answered || until <= p.dueAt) revert RecordErrors.RecordDispute_NotFalse();
        return (epochId, "silence");
    }

    /// @dev Unix second at which the epoch fell; zero if it did not, or if nobody shares in it.
    function _fellAt(uint64 epochId) internal view virtual returns (uint256);

    /// @inheritdoc IRecordDispute
    function factPaymentOrder(uint64 epochId, Payment calldata left, Payment calldata right)
        external
        view
        returns (uint64, string memory)
    {
        _provePayment(epochId, left);
        _provePayment(epochId, right);
        bool ascending = right.account == address(0)
            || (left.account != address(0) && _isBelow(left, right.datanetId, right.account, right.receipt));
        if (left.index + 1 != right.index || ascending) revert RecordErrors.RecordDispute_NotFalse();
        return (epochId, "payment order");
    }

    /// @inheritdoc IRecordDispute
    function factPaymentFalse(Opened calldata opened, Record calldata record, Payment calldata payment)
        external
        view
        returns (uint64, string memory)
    {
        _provePayment(opened.epochId, payment);
        IAttributionSettlement.Epoch memory e = settlement.epoch(opened.epochId);
        // A payment for a receipt that the epoch does not have needs no record to be false.
        if (payment.receipt >= e.firstReceipt && payment.receipt < uint256(e.firstReceipt) + e.receiptCount) {
            _openRecord(opened, record);
            if (opened.receipt.number != payment.receipt) revert RecordErrors.RecordDispute_ExhibitMismatch();
            if (_due(opened, record, payment.datanetId, payment.account) == payment.amount) {
                revert RecordErrors.RecordDispute_NotFalse();
            }
        } else if (payment.account == address(0)) {
            revert RecordErrors.RecordDispute_NotFalse();
        }
        return (opened.epochId, "payment");
    }

    /// @inheritdoc IRecordDispute
    function factPaymentMissing(
        Opened calldata opened,
        Record calldata record,
        uint256 weight,
        Payment[] calldata neighbours
    ) external view returns (uint64, string memory) {
        _openRecord(opened, record);
        Weight calldata w = record.weights[weight];
        uint64 number = opened.receipt.number;
        for (uint256 i; i < neighbours.length; ++i) {
            _provePayment(opened.epochId, neighbours[i]);
        }
        bool missing;
        if (neighbours.length == 2) {
            missing = neighbours[0].index + 1 == neighbours[1].index
                && _isBelow(neighbours[0], w.datanetId, w.payee, number)
                && _isAbove(neighbours[1], w.datanetId, w.payee, number);
        } else if (neighbours.length == 1) {
            Payment calldata n = neighbours[0];
            missing = (n.index == 0 && _isAbove(n, w.datanetId, w.payee, number))
                || (n.index + 1 == 2 ** _payments[opened.epochId].depth && _isBelow(n, w.datanetId, w.payee, number));
        }
        if (!missing || _due(opened, record, w.datanetId, w.payee) == 0) {
            revert RecordErrors.RecordDispute_NotFalse();
        }
        return (opened.epochId, "payment missing");
    }

    /// @inheritdoc IRecordDispute
    function factClaim(
        uint64 epochId,
        Claim calldata claim,
        Claim[] calldata before,
        Payment[] calldata left,
        Payment[] calldata right
    ) external view returns (uint64, string memory) {
        _disputable(epochId);
        {
            IAttributionSettlement.Epoch memory e = settlement.epoch(epochId);
            _proveClaim(e.claimsRoot, e.claimsTotal, claim);
        }
        uint256 before_ = _claimBefore(claim, before);
        if (claim.cumulative <= before_ + _paidBetween(epochId, claim, left, right)) {
            revert RecordErrors.RecordDispute_NotFalse();
        }
        return (epochId, "claim");
    }

    /// @dev What lies between the two payments that enclose a key: at least what is the key's own.
    function _paidBetween(uint64 epochId, Claim calldata claim, Payment[] calldata left, Payment[] calldata right)
        private
        view
        returns (uint256)
    {
        Payments storage p = _payments[epochId];
        if (!p.answered || left.length > 1 || right.length > 1) revert RecordErrors.RecordDispute_ExhibitMismatch();
        uint256 from;
        uint256 to = p.total;
        if (left.length == 1) {
            from = _provePayment(epochId, left[0]) + left[0].amount;
            if (!_isBelow(left[0], claim.datanetId, claim.account, 0)) {
                revert RecordErrors.RecordDispute_ExhibitMismatch();
            }
        }
        if (right.length == 1) {
            to = _provePayment(epochId, right[0]);
            if (!_isAbove(right[0], claim.datanetId, claim.account, type(uint64).max)) {
                revert RecordErrors.RecordDispute_ExhibitMismatch();
            }
        }
        return to > from ? to - from : 0;
    }

    /// @dev The amount of the same key in the active tree: shown, or shown to be absent.
    function _claimBefore(Claim calldata claim, Claim[] calldata before) private view returns (uint256) {
        (bytes32 root, uint128 total) = _activeTree();
        if (root == 0) return 0;
        if (before.length == 0 || before.length > 2) revert RecordErrors.RecordDispute_ExhibitMismatch();
        for (uint256 i; i < before.length; ++i) {
            _proveClaim(root, total, before[i]);
        }
        Claim calldata b = before[0];
        if (before.length == 1) {
            if (b.datanetId == claim.datanetId && b.account == claim.account) return b.cumulative;
            bool first = b.index == 0 && _claimAbove(b, claim);
            bool last = b.index + 1 == 2 ** b.proof.length && _claimBelow(b, claim);
            if (!first && !last) revert RecordErrors.RecordDispute_ExhibitMismatch();
            return 0;
        }
        if (b.index + 1 != before[1].index || !_claimBelow(b, claim) || !_claimAbove(before[1], claim)) {
            revert RecordErrors.RecordDispute_ExhibitMismatch();
        }
        return 0;
    }

    function _claimBelow(Claim calldata c, Claim calldata key) private pure returns (bool) {
        if (c.account == address(0)) return false;
        return c.datanetId < key.datanetId || (c.datanetId == key.datanetId && c.account < key.account);
    }

    function _claimAbove(Claim calldata c, Claim calldata key) private pure returns (bool) {
        if (c.account == address(0)) return true;
        return c.datanetId > key.datanetId || (c.datanetId == key.datanetId && c.account > key.account);
    }

    function _proveClaim(bytes32 root, uint128 total, Claim calldata c) private pure {
        bytes32 hash;
        if (c.account != address(0)) hash = MerkleSum.hashLeaf(c.datanetId, c.account, c.cumulative);
        if (!MerkleSum.verify(root, total, hash, c.cumulative, c.index, c.proof)) {
            revert RecordErrors.RecordDispute_ExhibitMismatch();
        }
    }

    /// @inheritdoc IRecordDispute
    function paymentsOf(uint64 epochId)
        external
        view
        returns (bytes32 root, uint128 total, uint8 depth, uint64 demandedAt, uint64 dueAt)
    {
        Payments storage p = _payments[epochId];
        return (p.root, p.total, p.depth, p.demandedAt, p.dueAt);
    }

    /// @inheritdoc IRecordDispute
    function depthsOf(uint64 epochId) external view returns (uint8 payments, uint8 claims, bool stated) {
        Payments storage p = _payments[epochId];
        return (p.depth, p.claimsDepth, p.answered);
    }

    /*//////////////////////////////////////////////////////////////////////////
                                       EXHIBITS
    //////////////////////////////////////////////////////////////////////////*/
    function _activeTree() internal view returns (bytes32 root, uint128 total) {
        IAttributionSettlement.Epoch memory e = settlement.epoch(settlement.lastActivated());
        return (e.claimsRoot, e.claimsTotal);
    }

    /// @dev What the record pays an account from its Datanet's pool: each weight's part of the receipt's pool, rounded down.
    function _due(Opened calldata opened, Record calldata record, uint256 datanetId, address account)
        private
        view
        returns (uint256 due)
    {
        (IModelRegistry.Split memory split,) = models.splitOf(opened.receipt.modelId);
        uint256 net = 10_000 - uint256(settlement.platformBpsOf(opened.epochId));
        uint256 pool = uint256(opened.receipt.fee) * net * split.contributorsBps / 100_000_000;
        for (uint256 i; i < record.weights.length; ++i) {
            Weight calldata w = record.weights[i];
            if (w.datanetId == datanetId && w.payee == account) due += pool * w.weight / WEIGHT_ONE;
        }
    }

    /// @dev Returns the sum of all payments before this one.
    function _provePayment(uint64 epochId, Payment calldata payment) private view returns (uint256) {
        _disputable(epochId);
        Payments storage p = _payments[epochId];
        bytes32 hash;
        if (payment.account != address(0)) {
            hash = keccak256(
                bytes.concat(keccak256(abi.encode(payment.datanetId, payment.account, payment.receipt, payment.amount)))
            );
        }
        if (
            !MerkleSum.verify(p.root, p.total, hash, payment.amount, payment.index, payment.proof) || !p.answered
                || payment.proof.length != p.depth
        ) revert RecordErrors.RecordDispute_ExhibitMismatch();
        return MerkleSum.prefix(payment.index, payment.proof);
    }

    /// @dev Keys ascend by Datanet, account, receipt; padding is above all.
    function _isBelow(Payment calldata p, uint256 datanetId, address account, uint64 receipt)
        private
        pure
        returns (bool)
    {
        if (p.account == address(0)) return false;
        if (p.datanetId != datanetId) return p.datanetId < datanetId;
        if (p.account != account) return p.account < account;
        return p.receipt < receipt;
    }

    function _isAbove(Payment calldata p, uint256 datanetId, address account, uint64 receipt)
        private
        pure
        returns (bool)
    {
        if (p.account == address(0)) return true;
        if (p.datanetId != datanetId) return p.datanetId > datanetId;
        if (p.account != account) return p.account > account;
        return p.receipt > receipt;
    }
}
