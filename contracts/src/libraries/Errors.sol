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
    /// @param account Who asked.
    error NothingToWithdraw(address account);

    /*//////////////////////////////////////////////////////////////////////////
                                 DATANET REGISTRY
    //////////////////////////////////////////////////////////////////////////*/

    /// @notice No Datanet has this id.
    /// @param datanetId Id that was given.
    error DatanetRegistry_DatanetUnknown(uint256 datanetId);

    /// @notice No contribution has this id.
    /// @param contributionId Id that was given.
    error DatanetRegistry_ContributionUnknown(uint256 contributionId);

    /// @notice The Datanet has no version of this number.
    /// @param datanetId Id that was given.
    /// @param number Number that was given; versions count from 1.
    error DatanetRegistry_VersionUnknown(uint256 datanetId, uint32 number);

    /// @notice Only the owner of the Datanet may do this.
    /// @param datanetId Id that was given.
    /// @param caller Who tried to.
    error DatanetRegistry_NotOwner(uint256 datanetId, address caller);

    /// @notice Only the owner and the curators of the Datanet may do this.
    /// @param datanetId Id that was given.
    /// @param caller Who tried to.
    error DatanetRegistry_NotCurator(uint256 datanetId, address caller);

    /// @notice Only who committed the contribution may do this.
    /// @param contributionId Id that was given.
    /// @param caller Who tried to.
    error DatanetRegistry_NotContributor(uint256 contributionId, address caller);

    /// @notice The name is empty or longer than the maximum.
    /// @param length Bytes that were given.
    /// @param max The most that is allowed.
    error DatanetRegistry_NameLength(uint256 length, uint256 max);

    /// @notice The licence is not an SPDX identifier: 1 to `max` printable characters without space.
    /// @param licence What was given.
    /// @param max The most that is allowed.
    error DatanetRegistry_LicenceInvalid(string licence, uint256 max);

    /// @notice The reveal window is outside its bounds, in seconds.
    /// @param window What was asked for, seconds.
    /// @param min The least that is allowed.
    /// @param max The most that is allowed.
    error DatanetRegistry_RevealWindowOutOfBounds(uint32 window, uint32 min, uint32 max);

    /// @notice More curators than the maximum.
    /// @param count How many were given.
    /// @param max The most that is allowed.
    error DatanetRegistry_TooManyCurators(uint256 count, uint256 max);

    /// @notice The value sent is not the bond of the Datanet.
    /// @param sent What was sent, wei.
    /// @param bond What the Datanet asks for, wei.
    error DatanetRegistry_BondMismatch(uint256 sent, uint256 bond);

    /// @notice A hash that must be given is zero.
    error DatanetRegistry_HashMissing();

    /// @notice The contribution is not in the status that this step needs.
    /// @param contributionId Id that was given.
    /// @param status The status it is in.
    error DatanetRegistry_StatusInvalid(uint256 contributionId, IDatanetRegistry.Status status);

    /// @notice A reveal has to wait for the block after the commitment.
    /// @param contributionId Id that was given.
    /// @param committedBlock Number of the block of the commitment.
    error DatanetRegistry_RevealTooEarly(uint256 contributionId, uint256 committedBlock);

    /// @notice The reveal window closed at `deadline`.
    /// @param contributionId Id that was given.
    /// @param deadline Last Unix second in which it could be revealed.
    error DatanetRegistry_RevealTooLate(uint256 contributionId, uint256 deadline);

    /// @notice The commitment can still be revealed until `deadline`.
    /// @param contributionId Id that was given.
    /// @param deadline Last Unix second in which it can be revealed.
    error DatanetRegistry_RevealWindowOpen(uint256 contributionId, uint256 deadline);

    /// @notice What was revealed does not hash to what was committed.
    /// @param contributionId Id that was given.
    /// @param committed The commitment.
    /// @param revealed The commitment to what was opened, by who opened it.
    error DatanetRegistry_CommitmentMismatch(uint256 contributionId, bytes32 committed, bytes32 revealed);

    /// @notice The contribution does not carry the Datanet's licence.
    /// @param required keccak256 of the Datanet's SPDX identifier.
    /// @param given What the reveal has instead.
    error DatanetRegistry_LicenceMismatch(bytes32 required, bytes32 given);

    /// @notice A contribution has at least one chunk and one byte, and not more chunks than bytes.
    /// @param chunkCount Chunks that were given.
    /// @param byteLength Bytes that were given.
    error DatanetRegistry_ContentEmpty(uint32 chunkCount, uint32 byteLength);

    /// @notice The text is longer than the maximum, in bytes.
    /// @param length Bytes that were given.
    /// @param max The most that is allowed.
    error DatanetRegistry_TextTooLong(uint256 length, uint256 max);

    /// @notice More provenance edges than the maximum.
    /// @param count How many were given.
    /// @param max The most that is allowed.
    error DatanetRegistry_TooManyEdges(uint256 count, uint256 max);

    /// @notice The contribution that this one is said to derive from is not revealed.
    /// @param contributionId Id that provenance names.
    error DatanetRegistry_ProvenanceUnknown(uint256 contributionId);

    /// @notice None, or more ids than the maximum.
    /// @param count How many were given.
    /// @param max The most that is allowed.
    error DatanetRegistry_BatchSize(uint256 count, uint256 max);

    /// @notice The Datanet has handed admission to a module already.
    /// @param datanetId Id that was given.
    /// @param module Contract that decides there.
    error DatanetRegistry_AdmissionFixed(uint256 datanetId, address module);

    /// @notice Only the admission module of the Datanet may do this.
    /// @param datanetId Id that was given.
    /// @param caller Who tried to.
    error DatanetRegistry_NotAdmission(uint256 datanetId, address caller);

    /// @notice A case about the contribution is open at the admission module.
    /// @param contributionId Id that was given.
    error DatanetRegistry_Contested(uint256 contributionId);

    /// @notice There is no accepted contribution to publish.
    /// @param datanetId Id that was given.
    error DatanetRegistry_NothingAccepted(uint256 datanetId);

    /*//////////////////////////////////////////////////////////////////////////
                                  MODEL REGISTRY
    //////////////////////////////////////////////////////////////////////////*/

    /// @notice No model has this id.
    /// @param modelId Id that was given.
    error ModelRegistry_ModelUnknown(uint256 modelId);

    /// @notice Only the owner of the model may do this.
    /// @param modelId Id that was given.
    /// @param caller Who tried to.
    error ModelRegistry_NotOwner(uint256 modelId, address caller);

    /// @notice The model is out of service.
    /// @param modelId Id that was given.
    error ModelRegistry_Retired(uint256 modelId);

    /// @notice The name is not 1 to `max` printable characters without space.
    /// @param name What was given.
    /// @param max The most that is allowed.
    error ModelRegistry_NameInvalid(string name, uint256 max);

    /// @notice Another model has this name.
    /// @param name What was given.
    /// @param modelId Id of the model that has it.
    error ModelRegistry_NameTaken(string name, uint256 modelId);

    /// @notice The base model hash or the engine-spec hash is missing.
    error ModelRegistry_HashMissing();

    /// @notice The lineage would have more generations than the maximum.
    /// @param depth Generations that it would have.
    /// @param max The most that is allowed.
    error ModelRegistry_LineageTooDeep(uint256 depth, uint256 max);

    /// @notice The lineage would have more ancestors than the maximum.
    /// @param count How many it would have.
    /// @param max The most that is allowed.
    error ModelRegistry_TooManyAncestors(uint256 count, uint256 max);

    /// @notice More sources than the maximum.
    /// @param count How many were given.
    /// @param max The most that is allowed.
    error ModelRegistry_TooManySources(uint256 count, uint256 max);

    /// @notice Sources must be strictly ascending and weigh something.
    /// @param modelId Id of the source.
    /// @param weightBps Its weight, basis points.
    error ModelRegistry_SourceInvalid(uint256 modelId, uint16 weightBps);

    /// @notice The weights of the sources do not sum to 10,000 basis points.
    /// @param sum What they sum to, basis points.
    error ModelRegistry_WeightsInvalid(uint256 sum);

    /// @notice The royalty is above the maximum.
    /// @param royaltyBps Royalty in basis points of the model share.
    /// @param max The most that is allowed.
    error ModelRegistry_RoyaltyTooHigh(uint16 royaltyBps, uint16 max);

    /// @notice The model would owe royalties to more ancestors than the maximum.
    /// @param count How many it would owe.
    /// @param max The most that is allowed.
    error ModelRegistry_TooManyRoyalties(uint256 count, uint256 max);

    /// @notice The licence is longer than `max`, or holds other than printable characters without space.
    /// @param licence What was given.
    /// @param max The most that is allowed.
    error ModelRegistry_LicenceInvalid(string licence, uint256 max);

    /// @notice The source's own licence forbids derived works.
    /// @param modelId Id of the source.
    error ModelRegistry_SourceForbidsDerivatives(uint256 modelId);

    /// @notice An ancestor's own licence forbids selling what derives from it.
    /// @param modelId Id of the ancestor.
    error ModelRegistry_SourceForbidsSale(uint256 modelId);

    /// @notice The source's licence has to be that of what derives from it.
    /// @param modelId Id of the source.
    error ModelRegistry_SourceSharesAlike(uint256 modelId);

    /// @notice More adapters than the maximum.
    /// @param count How many were given.
    /// @param max The most that is allowed.
    error ModelRegistry_TooManyAdapters(uint256 count, uint256 max);

    /// @notice The adapter has no hash, is listed twice, or its weight is not 1 to 10,000 basis points.
    /// @param adapterHash Hash that was given.
    /// @param weightBps Weight that was given, basis points.
    error ModelRegistry_AdapterInvalid(bytes32 adapterHash, uint16 weightBps);

    /// @notice More Datanets than the maximum.
    /// @param count How many were given.
    /// @param max The most that is allowed.
    error ModelRegistry_TooManyDatanets(uint256 count, uint256 max);

    /// @notice Datanets must be strictly ascending.
    /// @param previous What stands before it in the list.
    /// @param datanetId Id that was given.
    error ModelRegistry_DatanetsNotAscending(uint256 previous, uint256 datanetId);

    /// @notice The Datanet has not published this version.
    /// @param datanetId Id that was given.
    /// @param version Number that was given; versions count from 1.
    error ModelRegistry_VersionUnknown(uint256 datanetId, uint32 version);

    /// @notice A model over Datanets has a root of surprises and one of clusters, one over none has neither.
    /// @param datanets Number of effective Datanets.
    /// @param surpriseRoot Root that was given.
    /// @param clusterMapRoot Root that was given.
    error ModelRegistry_CorpusRootsInvalid(uint256 datanets, bytes32 surpriseRoot, bytes32 clusterMapRoot);

    /// @notice The licence of a Datanet of the lineage has to be the model's.
    /// @param datanetId Id of that Datanet.
    error ModelRegistry_LicenceSharesAlike(uint256 datanetId);

    /// @notice The licence of a Datanet of the lineage forbids derived works.
    /// @param datanetId Id of that Datanet.
    error ModelRegistry_LicenceForbidsDerivatives(uint256 datanetId);

    /// @notice The licence of a Datanet of the lineage forbids selling the model.
    /// @param datanetId Id of that Datanet.
    error ModelRegistry_LicenceForbidsSale(uint256 datanetId);

    /// @notice The shares do not sum to 10,000 basis points, or contributors get less than the minimum.
    /// @param sum What they sum to, basis points.
    /// @param contributorsBps The contributors' share in basis points.
    /// @param contributorsMin The contributors' least share in basis points.
    error ModelRegistry_SplitInvalid(uint256 sum, uint256 contributorsBps, uint256 contributorsMin);

    /// @notice More chunks to retrieve per call than the maximum.
    /// @param chunks How many were asked for.
    /// @param max The most that is allowed.
    error ModelRegistry_TooManyChunks(uint8 chunks, uint8 max);

    /*//////////////////////////////////////////////////////////////////////////
                                 INFERENCE ESCROW
    //////////////////////////////////////////////////////////////////////////*/

    /// @notice The value or the amount is zero.
    error InferenceEscrow_AmountZero();

    /// @notice The customer's free balance is smaller than what is needed.
    /// @param customer Whose balance it is.
    /// @param free What is free, wei.
    /// @param needed What was asked for, wei.
    error InferenceEscrow_BalanceInsufficient(address customer, uint256 free, uint256 needed);

    /// @notice The expiry is not in the future, or further than the maximum.
    /// @param expiry Unix second that was given.
    /// @param min The least that is allowed.
    /// @param max The most that is allowed.
    error InferenceEscrow_ExpiryOutOfBounds(uint64 expiry, uint256 min, uint256 max);

    /// @notice A live authorisation can only be raised and extended, by the same signer.
    /// @param signer Signer of the live one.
    /// @param cap Cap of the live one, wei.
    /// @param expiry Last Unix second of the live one.
    error InferenceEscrow_AuthorizationReduced(address signer, uint128 cap, uint64 expiry);

    /// @notice The authorisation still accepts vouchers.
    /// @param customer Whose balance it is.
    /// @param gateway Gateway that was named.
    /// @param expiry Its last Unix second.
    error InferenceEscrow_AuthorizationLive(address customer, address gateway, uint64 expiry);

    /// @notice There is no authorisation between the two.
    /// @param customer Whose balance it is.
    /// @param gateway Gateway that was named.
    error InferenceEscrow_AuthorizationAbsent(address customer, address gateway);

    /// @notice The authorisation expired.
    /// @param customer Whose balance it is.
    /// @param gateway Gateway that was named.
    /// @param expiry Its last Unix second.
    error InferenceEscrow_AuthorizationExpired(address customer, address gateway, uint64 expiry);

    /// @notice Only the gateway that a voucher names can redeem it.
    /// @param gateway Gateway that was named.
    /// @param caller Who tried to.
    error InferenceEscrow_NotGateway(address gateway, address caller);

    /// @notice The voucher was signed under another authorisation.
    /// @param given Nonce of the voucher.
    /// @param current Nonce of the authorisation.
    error InferenceEscrow_NonceMismatch(uint64 given, uint64 current);

    /// @notice The voucher is for more than the cap.
    /// @param cumulative What the voucher says, wei.
    /// @param cap The most, wei.
    error InferenceEscrow_CapExceeded(uint128 cumulative, uint128 cap);

    /// @notice The voucher is not signed by the authorised signer.
    /// @param signer Whose signature was wanted.
    /// @param digest Over which digest.
    error InferenceEscrow_SignatureInvalid(address signer, bytes32 digest);

    /// @notice None, or more vouchers than the maximum, or not one signature for each.
    /// @param vouchers How many vouchers were given.
    /// @param signatures How many signatures were given.
    /// @param max The most vouchers in a call.
    error InferenceEscrow_BatchSize(uint256 vouchers, uint256 signatures, uint256 max);

    /*//////////////////////////////////////////////////////////////////////////
                              ATTRIBUTION SETTLEMENT
    //////////////////////////////////////////////////////////////////////////*/

    /// @notice A parameter is outside its bounds.
    /// @param name Name of the parameter.
    /// @param value What was given, in the parameter's unit.
    /// @param min The least that is allowed.
    /// @param max The most that is allowed.
    error AttributionSettlement_ParameterOutOfBounds(string name, uint256 value, uint256 min, uint256 max);

    /// @notice The engine is in that state already.
    /// @param engine The engine's address.
    /// @param allowed The state it is in.
    error AttributionSettlement_EngineUnchanged(address engine, bool allowed);

    /// @notice The number of engines would leave its bounds.
    /// @param count How many there would be.
    /// @param min The least that is allowed.
    /// @param max The most that is allowed.
    error AttributionSettlement_EngineCount(uint256 count, uint256 min, uint256 max);

    /// @notice The epoch is not the next one.
    /// @param given Number of the post.
    /// @param next The one that is next.
    error AttributionSettlement_EpochNotNext(uint64 given, uint64 next);

    /// @notice The previous epoch is neither activated nor rejected yet.
    /// @param epochId Number of the previous epoch.
    error AttributionSettlement_EpochPending(uint64 epochId);

    /// @notice The epoch is not pending.
    /// @param epochId Number of the epoch.
    /// @param status The status it is in.
    error AttributionSettlement_EpochNotPending(uint64 epochId, IAttributionSettlement.EpochStatus status);

    /// @notice Fewer signatures than the threshold, or more than there are engines.
    /// @param given How many signatures were given.
    /// @param threshold How many engines must sign.
    /// @param engines How many engines there are.
    error AttributionSettlement_SignatureCount(uint256 given, uint256 threshold, uint256 engines);

    /// @notice The signature is by nobody in the engine set.
    /// @param signer Whose signature it is; zero if nobody's.
    error AttributionSettlement_NotEngine(address signer);

    /// @notice Signers must be distinct and ascending.
    /// @param previous Signer of the one before.
    /// @param signer Signer that is not above it.
    error AttributionSettlement_SignersNotAscending(address previous, address signer);

    /// @notice Receipts must follow the gateway's previous epoch, and there must be at least one.
    /// @param given First receipt of the post.
    /// @param expected First receipt that is not settled yet.
    /// @param count How many receipts the post has.
    error AttributionSettlement_ReceiptsNotContiguous(uint64 given, uint64 expected, uint32 count);

    /// @notice A root that must be given is zero.
    error AttributionSettlement_RootMissing();

    /// @notice None, or more models or pools than the maximum.
    /// @param models Number of models.
    /// @param pools Number of pools.
    /// @param max The most that is allowed.
    error AttributionSettlement_ListLength(uint256 models, uint256 pools, uint256 max);

    /// @notice Models must be strictly ascending.
    /// @param previous What stands before it in the list.
    /// @param modelId Id that was given.
    error AttributionSettlement_ModelsNotAscending(uint256 previous, uint256 modelId);

    /// @notice Pools must be strictly ascending.
    /// @param previous What stands before it in the list.
    /// @param datanetId Id that was given.
    error AttributionSettlement_PoolsNotAscending(uint256 previous, uint256 datanetId);

    /// @notice A pool of nothing is left out.
    /// @param datanetId Id of its Datanet.
    error AttributionSettlement_PoolEmpty(uint256 datanetId);

    /// @notice None of the epoch's models uses the Datanet.
    /// @param datanetId Id that was given.
    error AttributionSettlement_PoolUnused(uint256 datanetId);

    /// @notice More is attributed than the contributors' share of the model.
    /// @param modelId Id that was given.
    /// @param attributed What of its fees is attributed, wei.
    /// @param contributors The contributors' share of its fees, wei.
    error AttributionSettlement_OverAttributed(uint256 modelId, uint256 attributed, uint256 contributors);

    /// @notice What is attributed to the models and what the pools receive differ, or what is promised and what the pools listed were
    /// funded with.
    /// @param attributed Sum over the models, or what is promised, wei.
    /// @param pools Sum over the pools, wei.
    error AttributionSettlement_PoolsMismatch(uint256 attributed, uint256 pools);

    /// @notice The total of the claims tree is not the last activated total plus the pools.
    /// @param given Total of the post, wei.
    /// @param expected What it must be, wei.
    error AttributionSettlement_ClaimsTotalMismatch(uint256 given, uint256 expected);

    /// @notice The epoch's fees are more than the gateway has redeemed and not spent.
    /// @param gateway Gateway that was named.
    /// @param fees Fees of the post, wei.
    /// @param available What of its funds is not reserved, wei.
    error AttributionSettlement_Underfunded(address gateway, uint256 fees, uint256 available);

    /// @notice The bond is less than the fees of the epoch and what is promised and unclaimed, or than the minimum.
    /// @param given Value that was sent, wei.
    /// @param required The least bond of this epoch, wei.
    error AttributionSettlement_BondTooSmall(uint256 given, uint256 required);

    /// @notice The post is not the one that was posted.
    /// @param epochId Number of the epoch.
    /// @param given Hash of the post that was given.
    /// @param posted Hash of the one that was posted.
    error AttributionSettlement_PostMismatch(uint64 epochId, bytes32 given, bytes32 posted);

    /// @notice The challenge window is open until `deadline`.
    /// @param epochId Number of the epoch.
    /// @param deadline Last Unix second of the window.
    error AttributionSettlement_WindowOpen(uint64 epochId, uint64 deadline);

    /// @notice Only the dispute contract may reject an epoch.
    /// @param caller Who tried to.
    error AttributionSettlement_NotDispute(address caller);

    /// @notice The claim is not in the last activated tree.
    /// @param datanetId Id that was given.
    /// @param account Account of the leaf.
    /// @param cumulative Amount of the leaf, wei.
    error AttributionSettlement_ProofInvalid(uint256 datanetId, address account, uint128 cumulative);

    /// @notice The order was good until `deadline`, Unix seconds.
    /// @param deadline Its last Unix second.
    error AttributionSettlement_OrderExpired(uint64 deadline);

    /// @notice The order is not signed by its account.
    /// @param account Account that had to sign.
    error AttributionSettlement_OrderInvalid(address account);

    /// @notice The fee of the order is more than the claim pays.
    /// @param fee Fee in the order, wei.
    /// @param paid What the claim pays, wei.
    error AttributionSettlement_FeeTooHigh(uint128 fee, uint128 paid);

    /// @notice Everything up to `cumulative` is paid.
    /// @param datanetId Id that was given.
    /// @param account Account of the leaf.
    /// @param claimed What it was paid so far, wei.
    error AttributionSettlement_NothingToClaim(uint256 datanetId, address account, uint128 claimed);

    /// @notice The pool of the Datanet holds less than the claim.
    /// @param datanetId Id that was given.
    /// @param left What the pool still holds, wei.
    /// @param amount What the claim would pay, wei.
    error AttributionSettlement_PoolInsolvent(uint256 datanetId, uint256 left, uint256 amount);

    /*//////////////////////////////////////////////////////////////////////////
                                ATTRIBUTION DISPUTE
    //////////////////////////////////////////////////////////////////////////*/

    /// @notice The epoch is not pending, so there is nothing to dispute.
    /// @param epochId Number of the epoch.
    /// @param status The status it is in.
    error AttributionDispute_NotPending(uint64 epochId, IAttributionSettlement.EpochStatus status);

    /// @notice The leaf or slot is not at this index of the tree.
    /// @param root Root that the path was checked against.
    /// @param index Its place in the list.
    error AttributionDispute_ProofInvalid(bytes32 root, uint256 index);

    /// @notice The exhibits are of different accounts or Datanets.
    error AttributionDispute_KeyMismatch();

    /// @notice The amount did not decrease.
    /// @param before Amount in the tree in force, wei.
    /// @param later Amount in the pending tree, wei.
    error AttributionDispute_NotDecreased(uint128 before, uint128 later);

    /// @notice The slots do not enclose the account.
    error AttributionDispute_NotOmitted();

    /// @notice The slots are not neighbours.
    /// @param left Index of the left slot.
    /// @param right Index of the right slot.
    error AttributionDispute_NotAdjacent(uint256 left, uint256 right);

    /// @notice The slots are in order.
    error AttributionDispute_InOrder();

    /// @notice A padding slot has no other content.
    error AttributionDispute_PaddingNotEmpty();

    /// @notice The leaves promise no more than the pool holds.
    /// @param datanetId Id that was given.
    /// @param promised What the leaves promise, wei.
    /// @param funded What the pool was funded with, wei.
    error AttributionDispute_Funded(uint256 datanetId, uint256 promised, uint256 funded);

    /// @notice The post is not the one that was posted.
    /// @param epochId Number of the epoch.
    error AttributionDispute_PostMismatch(uint64 epochId);

    /// @notice Only the contract of disputes about records may do this.
    /// @param caller Who tried to.
    error AttributionDispute_NotRecords(address caller);
}
