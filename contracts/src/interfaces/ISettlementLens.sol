// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IAttributionSettlement} from "./IAttributionSettlement.sol";

/// @title ISettlementLens
/// @notice From a receipt to a payment, in one call that costs nothing: is the receipt in the epoch, what became of the
/// epoch, how its fee came apart, which pool it went to, and what of that the account can claim. Reads only; everything is
/// checked against what the settlement has stored, and nothing is taken from the caller's word.
interface ISettlementLens {
    /// What the caller brings; the archive of every epoch has it (docs/formats/economy.md).
    struct Question {
        IAttributionSettlement.InferenceReceipt receipt;
        /// Hash of the receipt's attribution record.
        bytes32 attributionHash;
        /// Position in the plain tree over the epoch's receipts.
        bytes32[] receiptProof;
        /// The epoch's post.
        IAttributionSettlement.EpochPost post;
        /// Platform share when the epoch was posted (`ParametersSet`), basis points.
        uint16 platformBps;
        uint256 datanetId;
        address account;
        /// The account's leaf in the tree that is claimed from.
        uint128 cumulative;
        uint256 index;
        IAttributionSettlement.ProofNode[] claimProof;
    }

    /// How the receipt's own fee comes apart, wei. The epoch divides the model's fees as one sum, so shares of single
    /// receipts round down: their sum is below the epoch's by less than a wei per receipt and share.
    struct Shares {
        uint128 fee;
        uint128 platform;
        uint128 stakers;
        uint128 model;
        uint128 contributors;
    }

    struct Explanation {
        bytes32 receiptHash;
        /// The post shown is the epoch's; without this, nothing below is filled in.
        bool postMatches;
        /// The receipt, with this attribution, is in the epoch.
        bool receiptIncluded;
        IAttributionSettlement.EpochStatus status;
        /// Unix seconds until which the epoch can be disputed.
        uint64 deadline;
        /// With this platform share, the epoch's fees come apart with the residual that the settlement has stored; without
        /// this, the shares are not filled in.
        bool sharesMatch;
        Shares shares;
        /// Receives the model's share, less the royalties to models that it derives from.
        address payee;
        /// What of the receipt's model share goes to those, wei; the settlement rounds once an epoch, so to a wei each.
        uint128 royalties;
        /// Fees of the receipt's model in the epoch, and what weights attributed of them, wei.
        uint128 modelFees;
        uint128 modelAttributed;
        /// What the epoch gives the Datanet's pool, wei, which it holds once the epoch is activated.
        uint128 poolAmount;
        /// All that the pool has received and paid, wei.
        uint128 poolFunded;
        uint128 poolClaimed;
        /// What the account was paid from the pool, and what it could claim now, wei.
        uint128 accountClaimed;
        uint128 accountClaimable;
    }

    /// @notice The path from the receipt to the account's payment.
    /// @param q The quantity.
    /// @return The way from the receipt to the payment.
    function explain(Question calldata q) external view returns (Explanation memory);
}
