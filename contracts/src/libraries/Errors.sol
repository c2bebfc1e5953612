// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IAttributionSettlement} from "../interfaces/IAttributionSettlement.sol";
import {IDatanetRegistry} from "../interfaces/IDatanetRegistry.sol";

/// @title Errors
/// @notice Errors of the economy contracts, prefixed by the contract that raises them, with what the caller needs to
/// understand them.
library Errors {
    /*//////////////////////////////////////////////////////////////////////////
                                      SHARED
    //////////////////////////////////////////////////////////////////////////*/

    /// @notice An address that has to be set is zero.
    error ZeroAddress();

    /// @notice The caller has no credit to withdraw.
    error NothingToWithdraw(address account);

    /*//////////////////////////////////////////////////////////////////////////
                                 DATANET REGISTRY
    //////////////////////////////////////////////////////////////////////////*/

    /// @notice No Datanet has this id.
    error DatanetRegistry_DatanetUnknown(uint256 datanetId);

    /// @notice No contribution has this id.
    error DatanetRegistry_ContributionUnknown(uint256 contributionId);

    /// @notice The Datanet has no version of this number.
    error DatanetRegistry_VersionUnknown(uint256 datanetId, uint32 number);

    /// @notice Only the owner of the Datanet may do this.
    error DatanetRegistry_NotOwner(uint256 datanetId, address caller);

    /// @notice Only the owner and the curators of the Datanet may do this.
    error DatanetRegistry_NotCurator(uint256 datanetId, address caller);

    /// @notice Only who committed the contribution may do this.
    error DatanetRegistry_NotContributor(uint256 contributionId, address caller);

    /// @notice The name is empty or longer than the maximum.
    error DatanetRegistry_NameLength(uint256 length, uint256 max);

    /// @notice The licence is not an SPDX identifier: 1 to `max` printable characters without space.
    error DatanetRegistry_LicenceInvalid(string licence, uint256 max);

    /// @notice The reveal window is outside its bounds, in seconds.
    error DatanetRegistry_RevealWindowOutOfBounds(uint32 window, uint32 min, uint32 max);

    /// @notice More curators than the maximum.
    error DatanetRegistry_TooManyCurators(uint256 count, uint256 max);

    /// @notice The value sent is not the bond of the Datanet.
    error DatanetRegistry_BondMismatch(uint256 sent, uint256 bond);

    /// @notice A hash that must be given is zero.
    error DatanetRegistry_HashMissing();

    /// @notice The contribution is not in the status that this step needs.
    error DatanetRegistry_StatusInvalid(uint256 contributionId, IDatanetRegistry.Status status);

    /// @notice A reveal has to wait for the block after the commitment.
    error DatanetRegistry_RevealTooEarly(uint256 contributionId, uint256 committedBlock);

    /// @notice The reveal window closed at `deadline`.
    error DatanetRegistry_RevealTooLate(uint256 contributionId, uint256 deadline);

    /// @notice The commitment can still be revealed until `deadline`.
    error DatanetRegistry_RevealWindowOpen(uint256 contributionId, uint256 deadline);

    /// @notice What was revealed does not hash to what was committed.
    error DatanetRegistry_CommitmentMismatch(uint256 contributionId, bytes32 committed, bytes32 revealed);

    /// @notice The contribution does not carry the Datanet's licence.
    error DatanetRegistry_LicenceMismatch(bytes32 required, bytes32 given);

    /// @notice A contribution has at least one chunk and one byte, and not more chunks than bytes.
    error DatanetRegistry_ContentEmpty(uint32 chunkCount, uint32 byteLength);

    /// @notice The text is longer than the maximum, in bytes.
    error DatanetRegistry_TextTooLong(uint256 length, uint256 max);

    /// @notice More provenance edges than the maximum.
    error DatanetRegistry_TooManyEdges(uint256 count, uint256 max);

    /// @notice The contribution that this one is said to derive from is not revealed.
    error DatanetRegistry_ProvenanceUnknown(uint256 contributionId);

    /// @notice None, or more ids than the maximum.
    error DatanetRegistry_BatchSize(uint256 count, uint256 max);

    /// @notice The Datanet has handed admission to a module already.
    error DatanetRegistry_AdmissionFixed(uint256 datanetId, address module);

    /// @notice Only the admission module of the Datanet may do this.
    error DatanetRegistry_NotAdmission(uint256 datanetId, address caller);

    /// @notice A case about the contribution is open at the admission module.
    error DatanetRegistry_Contested(uint256 contributionId);

    /// @notice There is no accepted contribution to publish.
    error DatanetRegistry_NothingAccepted(uint256 datanetId);

    /*//////////////////////////////////////////////////////////////////////////
                                  MODEL REGISTRY
    //////////////////////////////////////////////////////////////////////////*/

    /// @notice No model has this id.
    error ModelRegistry_ModelUnknown(uint256 modelId);

    /// @notice Only the owner of the model may do this.
    error ModelRegistry_NotOwner(uint256 modelId, address caller);

    /// @notice The model is out of service.
    error ModelRegistry_Retired(uint256 modelId);

    /// @notice The name is not 1 to `max` printable characters without space.
    error ModelRegistry_NameInvalid(string name, uint256 max);

    /// @notice Another model has this name.
    error ModelRegistry_NameTaken(string name, uint256 modelId);

    /// @notice The base model hash or the engine-spec hash is missing.
    error ModelRegistry_HashMissing();

    /// @notice The lineage would have more generations than the maximum.
    error ModelRegistry_LineageTooDeep(uint256 depth, uint256 max);

    /// @notice The lineage would have more ancestors than the maximum.
    error ModelRegistry_TooManyAncestors(uint256 count, uint256 max);

    /// @notice More sources than the maximum.
    error ModelRegistry_TooManySources(uint256 count, uint256 max);

    /// @notice Sources must be strictly ascending and weigh something.
    error ModelRegistry_SourceInvalid(uint256 modelId, uint16 weightBps);

    /// @notice The weights of the sources do not sum to 10,000 basis points.
    error ModelRegistry_WeightsInvalid(uint256 sum);

    /// @notice The royalty is above the maximum.
    error ModelRegistry_RoyaltyTooHigh(uint16 royaltyBps, uint16 max);

    /// @notice The model would owe royalties to more ancestors than the maximum.
    error ModelRegistry_TooManyRoyalties(uint256 count, uint256 max);

    /// @notice The licence is longer than `max`, or holds other than printable characters without space.
    error ModelRegistry_LicenceInvalid(string licence, uint256 max);

    /// @notice The source's own licence forbids derived works.
    error ModelRegistry_SourceForbidsDerivatives(uint256 modelId);

    /// @notice An ancestor's own licence forbids selling what derives from it.
    error ModelRegistry_SourceForbidsSale(uint256 modelId);

    /// @notice The source's licence has to be that of what derives from it.
    error ModelRegistry_SourceSharesAlike(uint256 modelId);

    /// @notice More adapters than the maximum.
    error ModelRegistry_TooManyAdapters(uint256 count, uint256 max);

    /// @notice The adapter has no hash, is listed twice, or its weight is not 1 to 10,000 basis points.
    error ModelRegistry_AdapterInvalid(bytes32 adapterHash, uint16 weightBps);

    /// @notice More Datanets than the maximum.
    error ModelRegistry_TooManyDatanets(uint256 count, uint256 max);

    /// @notice Datanets must be strictly ascending.
    error ModelRegistry_DatanetsNotAscending(uint256 previous, uint256 datanetId);

    /// @notice The Datanet has not published this version.
    error ModelRegistry_VersionUnknown(uint256 datanetId, uint32 version);

    /// @notice The licence of a Datanet of the lineage forbids derived works.
    error ModelRegistry_LicenceForbidsDerivatives(uint256 datanetId);

    /// @notice The licence of a Datanet of the lineage forbids selling the model.
    error ModelRegistry_LicenceForbidsSale(uint256 datanetId);

    /// @notice The shares do not sum to 10,000 basis points, or contributors get less than the minimum.
    error ModelRegistry_SplitInvalid(uint256 sum, uint256 contributorsBps, uint256 contributorsMin);

    /// @notice More chunks to retrieve per call than the maximum.
    error ModelRegistry_TooManyChunks(uint8 chunks, uint8 max);

    /*//////////////////////////////////////////////////////////////////////////
                                 INFERENCE ESCROW
    //////////////////////////////////////////////////////////////////////////*/

    /// @notice The value or the amount is zero.
    error InferenceEscrow_AmountZero();

    /// @notice The customer's free balance is smaller than what is needed.
    error InferenceEscrow_BalanceInsufficient(address customer, uint256 free, uint256 needed);

    /// @notice The expiry is not in the future, or further than the maximum.
    error InferenceEscrow_ExpiryOutOfBounds(uint64 expiry, uint256 min, uint256 max);

    /// @notice A live authorisation can only be raised and extended, by the same signer.
    error InferenceEscrow_AuthorizationReduced(address signer, uint128 cap, uint64 expiry);

    /// @notice The authorisation still accepts vouchers.
    error InferenceEscrow_AuthorizationLive(address customer, address gateway, uint64 expiry);

    /// @notice There is no authorisation between the two.
    error InferenceEscrow_AuthorizationAbsent(address customer, address gateway);

    /// @notice The authorisation expired.
    error InferenceEscrow_AuthorizationExpired(address customer, address gateway, uint64 expiry);

    /// @notice Only the gateway that a voucher names can redeem it.
    error InferenceEscrow_NotGateway(address gateway, address caller);

    /// @notice The voucher was signed under another authorisation.
    error InferenceEscrow_NonceMismatch(uint64 given, uint64 current);

    /// @notice The voucher is for more than the cap.
    error InferenceEscrow_CapExceeded(uint128 cumulative, uint128 cap);

    /// @notice The voucher is not signed by the authorised signer.
    error InferenceEscrow_SignatureInvalid(address signer, bytes32 digest);

    /// @notice None, or more vouchers than the maximum, or not one signature for each.
    error InferenceEscrow_BatchSize(uint256 vouchers, uint256 signatures, uint256 max);

    /*//////////////////////////////////////////////////////////////////////////
                              ATTRIBUTION SETTLEMENT
    //////////////////////////////////////////////////////////////////////////*/

    /// @notice A parameter is outside its bounds.
    error AttributionSettlement_ParameterOutOfBounds(string name, uint256 value, uint256 min, uint256 max);

    /// @notice The engine is in that state already.
    error AttributionSettlement_EngineUnchanged(address engine, bool allowed);

    /// @notice The number of engines would leave its bounds.
    error AttributionSettlement_EngineCount(uint256 count, uint256 min, uint256 max);

    /// @notice The epoch is not the next one.
    error AttributionSettlement_EpochNotNext(uint64 given, uint64 next);

    /// @notice The previous epoch is neither activated nor rejected yet.
    error AttributionSettlement_EpochPending(uint64 epochId);

    /// @notice The epoch is not pending.
    error AttributionSettlement_EpochNotPending(uint64 epochId, IAttributionSettlement.EpochStatus status);

    /// @notice Fewer signatures than the threshold, or more than there are engines.
    error AttributionSettlement_SignatureCount(uint256 given, uint256 threshold, uint256 engines);

    /// @notice The signature is by nobody in the engine set.
    error AttributionSettlement_NotEngine(address signer);

    /// @notice Signers must be distinct and ascending.
    error AttributionSettlement_SignersNotAscending(address previous, address signer);

    /// @notice Receipts must follow the gateway's previous epoch, and there must be at least one.
    error AttributionSettlement_ReceiptsNotContiguous(uint64 given, uint64 expected, uint32 count);

    /// @notice A root that must be given is zero.
    error AttributionSettlement_RootMissing();

    /// @notice None, or more models or pools than the maximum.
    error AttributionSettlement_ListLength(uint256 models, uint256 pools, uint256 max);

    /// @notice Models must be strictly ascending.
    error AttributionSettlement_ModelsNotAscending(uint256 previous, uint256 modelId);

    /// @notice Pools must be strictly ascending.
    error AttributionSettlement_PoolsNotAscending(uint256 previous, uint256 datanetId);

    /// @notice A pool of nothing is left out.
    error AttributionSettlement_PoolEmpty(uint256 datanetId);

    /// @notice None of the epoch's models uses the Datanet.
    error AttributionSettlement_PoolUnused(uint256 datanetId);

    /// @notice More is attributed than the contributors' share of the model.
    error AttributionSettlement_OverAttributed(uint256 modelId, uint256 attributed, uint256 contributors);

    /// @notice What is attributed to the models and what the pools receive differ.
    error AttributionSettlement_PoolsMismatch(uint256 attributed, uint256 pools);

    /// @notice The total of the claims tree is not the last activated total plus the pools.
    error AttributionSettlement_ClaimsTotalMismatch(uint256 given, uint256 expected);

    /// @notice The epoch's fees are more than the gateway has redeemed and not spent.
    error AttributionSettlement_Underfunded(address gateway, uint256 fees, uint256 available);

    /// @notice The bond is less than the fees of the epoch or the minimum.
    error AttributionSettlement_BondTooSmall(uint256 given, uint256 required);

    /// @notice The post is not the one that was posted.
    error AttributionSettlement_PostMismatch(uint64 epochId, bytes32 given, bytes32 posted);

    /// @notice The challenge window is open until `deadline`.
    error AttributionSettlement_WindowOpen(uint64 epochId, uint64 deadline);

    /// @notice Only the dispute contract may reject an epoch.
    error AttributionSettlement_NotDispute(address caller);

    /// @notice The claim is not in the last activated tree.
    error AttributionSettlement_ProofInvalid(uint256 datanetId, address account, uint128 cumulative);

    /// @notice The order was good until `deadline`, Unix seconds.
    error AttributionSettlement_OrderExpired(uint64 deadline);

    /// @notice The order is not signed by its account.
    error AttributionSettlement_OrderInvalid(address account);

    /// @notice The fee of the order is more than the claim pays.
    error AttributionSettlement_FeeTooHigh(uint128 fee, uint128 paid);

    /// @notice Everything up to `cumulative` is paid.
    error AttributionSettlement_NothingToClaim(uint256 datanetId, address account, uint128 claimed);

    /// @notice The pool of the Datanet holds less than the claim.
    error AttributionSettlement_PoolInsolvent(uint256 datanetId, uint256 left, uint256 amount);

    /// @notice All claims together would exceed what the root promises.
    error AttributionSettlement_RootInsolvent(uint256 promised, uint256 paid);

    /*//////////////////////////////////////////////////////////////////////////
                                ATTRIBUTION DISPUTE
    //////////////////////////////////////////////////////////////////////////*/

    /// @notice The epoch is not pending, so there is nothing to dispute.
    error AttributionDispute_NotPending(uint64 epochId, IAttributionSettlement.EpochStatus status);

    /// @notice The leaf or slot is not at this index of the tree.
    error AttributionDispute_ProofInvalid(bytes32 root, uint256 index);

    /// @notice The exhibits are of different accounts or Datanets.
    error AttributionDispute_KeyMismatch();

    /// @notice The amount did not decrease.
    error AttributionDispute_NotDecreased(uint128 before, uint128 later);

    /// @notice The slots do not enclose the account.
    error AttributionDispute_NotOmitted();

    /// @notice The slots are not neighbours.
    error AttributionDispute_NotAdjacent(uint256 left, uint256 right);

    /// @notice The slots are in order.
    error AttributionDispute_InOrder();

    /// @notice A padding slot has no other content.
    error AttributionDispute_PaddingNotEmpty();

    /// @notice The leaves promise no more than the pool holds.
    error AttributionDispute_Funded(uint256 datanetId, uint256 promised, uint256 funded);

    /// @notice The post is not the one that was posted.
    error AttributionDispute_PostMismatch(uint64 epochId);

    /// @notice Only the contract of disputes about records may do this.
    error AttributionDispute_NotRecords(address caller);
}
