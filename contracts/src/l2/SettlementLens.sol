// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IAttributionSettlement} from "../interfaces/IAttributionSettlement.sol";
import {IModelRegistry} from "../interfaces/IModelRegistry.sol";
import {ISettlementLens} from "../interfaces/ISettlementLens.sol";
import {Errors} from "../libraries/Errors.sol";
import {Shares as FeeShares} from "../libraries/Shares.sol";

/// @title SettlementLens
/// @notice See {ISettlementLens}. It has no storage and no power.
contract SettlementLens is ISettlementLens {
    /// @notice The settlement.
    IAttributionSettlement public immutable settlement;
    /// @notice The registry of models.
    IModelRegistry public immutable models;

    constructor(IAttributionSettlement settlement_, IModelRegistry models_) {
        if (address(settlement_) == address(0) || address(models_) == address(0)) revert Errors.ZeroAddress();
        (settlement, models) = (settlement_, models_);
    }

    /// @inheritdoc ISettlementLens
    function explain(Question calldata q) external view returns (Explanation memory x) {
        uint64 epochId = q.post.epochId;
        IAttributionSettlement.Epoch memory e = settlement.epoch(epochId);
        (x.receiptHash,) = settlement.hashReceipt(q.receipt);
        (x.status, x.deadline) = (e.status, e.deadline);
        x.postMatches = e.status != IAttributionSettlement.EpochStatus.None && settlement.hashPost(q.post) == e.postHash;
        if (!x.postMatches) return x;
        x.receiptIncluded = q.receipt.gateway == e.gateway
            && settlement.containsReceipt(epochId, x.receiptHash, q.attributionHash, q.receipt.number, q.receiptProof);
        if (q.platformBps <= 10_000) _explainFees(q, e.residual, x);
        _explainPool(q, x);
    }

    /// @dev The settlement does not tell an epoch's platform share; the residual that it stored gives a wrong one away.
    function _explainFees(Question calldata q, uint128 residual, Explanation memory x) private view {
        uint128 left;
        for (uint256 i; i < q.post.models.length; ++i) {
            IAttributionSettlement.ModelTotal calldata m = q.post.models[i];
            (FeeShares.Split memory s,) = _split(m.modelId, m.fees, q.platformBps);
            if (m.attributed > s.contributors) return;
            left += s.contributors - m.attributed;
            if (m.modelId == q.receipt.modelId) (x.modelFees, x.modelAttributed) = (m.fees, m.attributed);
        }
        x.sharesMatch = left == residual;
        if (!x.sharesMatch) return;
        FeeShares.Split memory own;
        (own, x.payee) = _split(q.receipt.modelId, q.receipt.fee, q.platformBps);
        IModelRegistry.Royalty[] memory owed = models.royaltiesOf(q.receipt.modelId);
        for (uint256 i; i < owed.length; ++i) {
            x.royalties += FeeShares.bpsDown(own.model, owed[i].bps);
        }
        x.shares = Shares({
            fee: q.receipt.fee,
            platform: own.platform,
            stakers: own.stakers,
            model: own.model,
            contributors: own.contributors
        });
    }

    function _split(uint256 modelId, uint128 fee, uint16 platformBps)
        private
        view
        returns (FeeShares.Split memory s, address payee)
    {
        IModelRegistry.Split memory split;
        (split, payee) = models.splitOf(modelId);
        s = FeeShares.split(fee, platformBps, split.modelBps, split.stakersBps);
    }

    function _explainPool(Question calldata q, Explanation memory x) private view {
        for (uint256 i; i < q.post.pools.length; ++i) {
            if (q.post.pools[i].datanetId == q.datanetId) x.poolAmount = q.post.pools[i].amount;
        }
        x.poolFunded = settlement.poolFunded(q.datanetId);
        x.poolClaimed = settlement.claimedFromPool(q.datanetId);
        x.accountClaimed = settlement.claimedOf(q.datanetId, q.account) - settlement.setAsideOf(q.datanetId, q.account);
        x.accountClaimable = settlement.previewClaim(q.datanetId, q.account, q.cumulative, q.index, q.claimProof);
    }
}
