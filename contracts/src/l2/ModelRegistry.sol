// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IDatanetRegistry} from "../interfaces/IDatanetRegistry.sol";
import {IModelRegistry} from "../interfaces/IModelRegistry.sol";
import {Errors} from "../libraries/Errors.sol";
import {Licences} from "../libraries/Licences.sol";
import {Royalties} from "../libraries/Royalties.sol";
import {Text} from "../libraries/Text.sol";

/// @title ModelRegistry
/// @notice See {IModelRegistry}.
contract ModelRegistry is IModelRegistry {
    using Royalties for Royalties.List;

    /*//////////////////////////////////////////////////////////////////////////
                                     CONSTANTS
    //////////////////////////////////////////////////////////////////////////*/

    /// @notice Length of a name at most, bytes.
    uint256 public constant NAME_LENGTH_MAX = 64;
    /// Generations above a model.
    uint256 public constant LINEAGE_MAX = 8;
    /// @notice Ancestors of a model at most.
    uint256 public constant ANCESTORS_MAX = 32;
    /// @notice Sources of a model at most.
    uint256 public constant SOURCES_MAX = 8;
    /// Each costs an epoch with the model one payment.
    uint256 public constant ROYALTIES_MAX = 8;
    /// @notice The largest royalty in basis points of the model share.
    uint16 public constant ROYALTY_BPS_MAX = 3_000;
    /// @notice Length of an SPDX identifier at most, bytes.
    uint256 public constant LICENCE_LENGTH_MAX = 64;
    /// @notice Adapters of a model at most.
    uint256 public constant ADAPTERS_MAX = 16;
    /// @notice Datanets of a model's own at most.
    uint256 public constant DATANETS_MAX = 16;
    /// @notice Datanets of a model and its ancestors at most.
    uint256 public constant DATANETS_EFFECTIVE_MAX = 32;
    /// @notice Chunks put into a prompt at most.
    uint8 public constant CHUNKS_MAX = 16;
    /// @notice Basis points of a whole.
    uint16 public constant BPS_ONE = 10_000;
    /// @notice The contributors' least share in basis points of what the platform leaves.
    uint16 public constant CONTRIBUTORS_BPS_MIN = 2_000;

    /*//////////////////////////////////////////////////////////////////////////
                                      STORAGE
    //////////////////////////////////////////////////////////////////////////*/

    struct Record {
        // slot 0
        address owner;
        bool retired;
        uint8 generation;
        /// One of the effective Datanets is under a licence that forbids sale: `notForSale` is its id.
        uint64 notForSale;
        // slot 1: terms for what derives from this model
        /// An ancestor whose own licence forbids sale, zero when there is none.
        uint64 notForSaleSource;
        bool derivatives;
        bool commercial;
        bool shareAlike;
        ModelParams params;
    }

    /// @notice The registry of Datanets.
    IDatanetRegistry public immutable datanets;

    /// @inheritdoc IModelRegistry
    uint256 public modelCount;

    mapping(uint256 modelId => Record) private _models;
    mapping(bytes32 nameHash => uint256 modelId) private _byName;
    /// Version of an effective Datanet; versions start at 1, so zero means that the model does not use it.
    mapping(uint256 modelId => mapping(uint256 datanetId => uint32 version)) private _uses;
    mapping(uint256 modelId => DatanetRef[]) private _effective;
    mapping(uint256 modelId => uint256[]) private _ancestors;
    mapping(uint256 modelId => Royalty[]) private _royalties;

    constructor(IDatanetRegistry datanets_) {
        if (address(datanets_) == address(0)) revert Errors.ZeroAddress();
        datanets = datanets_;
    }

    /*//////////////////////////////////////////////////////////////////////////
                                       MODELS
    //////////////////////////////////////////////////////////////////////////*/

    /// @inheritdoc IModelRegistry
    function registerModel(ModelParams calldata params) external returns (uint256 modelId) {
        // Check
        _checkParams(params);
        bytes32 nameHash = keccak256(bytes(params.name));
        if (_byName[nameHash] != 0) revert Errors.ModelRegistry_NameTaken(params.name, _byName[nameHash]);
        uint8 generation = _checkSources(params);

        // Effect
        modelId = ++modelCount;
        _byName[nameHash] = modelId;
        Record storage record = _models[modelId];
        record.owner = msg.sender;
        record.generation = generation;
        (record.derivatives, record.commercial, record.shareAlike) = Licences.termsOf(bytes(params.licence));
        _store(record.params, params);
        _addOwn(modelId, params.datanets);
        _derive(modelId, params.sources);
        record.notForSale = _checkLicences(modelId, keccak256(bytes(params.licence)));
        _checkPrices(record, params.pricePer1kIn, params.pricePer1kOut);
        _checkRoots(_effective[modelId].length, params.surpriseRoot, params.clusterMapRoot);
        emit ModelRegistered(modelId, msg.sender, params.name, params);
    }

    function _checkParams(ModelParams calldata params) private pure {
        bytes calldata name = bytes(params.name);
        if (name.length == 0 || name.length > NAME_LENGTH_MAX || !Text.isPrintable(name)) {
            revert Errors.ModelRegistry_NameInvalid(params.name, NAME_LENGTH_MAX);
        }
        if (params.baseModelHash == bytes32(0) || params.engineSpecHash == bytes32(0)) {
            revert Errors.ModelRegistry_HashMissing();
        }
        if (params.payee == address(0)) revert Errors.ZeroAddress();
        if (params.royaltyBps > ROYALTY_BPS_MAX) {
            revert Errors.ModelRegistry_RoyaltyTooHigh(params.royaltyBps, ROYALTY_BPS_MAX);
        }
        bytes calldata licence = bytes(params.licence);
        if (licence.length > LICENCE_LENGTH_MAX || !Text.isPrintable(licence)) {
            revert Errors.ModelRegistry_LicenceInvalid(params.licence, LICENCE_LENGTH_MAX);
        }
        if (params.retrievalChunks > CHUNKS_MAX) {
            revert Errors.ModelRegistry_TooManyChunks(params.retrievalChunks, CHUNKS_MAX);
        }
        Split calldata split = params.split;
        uint256 sum = uint256(split.modelBps) + split.contributorsBps + split.stakersBps;
        if (sum != BPS_ONE || split.contributorsBps < CONTRIBUTORS_BPS_MIN) {
            revert Errors.ModelRegistry_SplitInvalid(sum, split.contributorsBps, CONTRIBUTORS_BPS_MIN);
        }
        uint256 adapters = params.adapters.length;
        if (adapters > ADAPTERS_MAX) revert Errors.ModelRegistry_TooManyAdapters(adapters, ADAPTERS_MAX);
        for (uint256 i; i < adapters; ++i) {
            Adapter calldata a = params.adapters[i];
            bool valid = a.adapterHash != bytes32(0) && a.weightBps != 0 && a.weightBps <= BPS_ONE;
            for (uint256 j; valid && j < i; ++j) {
                valid = params.adapters[j].adapterHash != a.adapterHash;
            }
            if (!valid) revert Errors.ModelRegistry_AdapterInvalid(a.adapterHash, a.weightBps);
        }
    }

    /// @dev Checks weights, depth and the licences of the sources; returns the model's generation. Asked before the model
    /// exists, so that it cannot be its own source.
    function _checkSources(ModelParams calldata params) private view returns (uint8 generation) {
        uint256 count = params.sources.length;
        if (count == 0) return 0;
        if (count > SOURCES_MAX) revert Errors.ModelRegistry_TooManySources(count, SOURCES_MAX);
        uint256 previous;
        uint256 sum;
        uint256 deepest;
        for (uint256 i; i < count; ++i) {
            Source calldata s = params.sources[i];
            Record storage source = _known(s.modelId);
            if (s.modelId <= previous || s.weightBps == 0) {
                revert Errors.ModelRegistry_SourceInvalid(s.modelId, s.weightBps);
            }
            previous = s.modelId;
            sum += s.weightBps;
            if (uint256(source.generation) + 1 > deepest) deepest = uint256(source.generation) + 1;
            if (!source.derivatives) revert Errors.ModelRegistry_SourceForbidsDerivatives(s.modelId);
            if (source.shareAlike && keccak256(bytes(source.params.licence)) != keccak256(bytes(params.licence))) {
                revert Errors.ModelRegistry_SourceSharesAlike(s.modelId);
            }
        }
        if (sum != BPS_ONE) revert Errors.ModelRegistry_WeightsInvalid(sum);
        if (deepest > LINEAGE_MAX) revert Errors.ModelRegistry_LineageTooDeep(deepest, LINEAGE_MAX);
        // forge-lint: disable-next-line(unsafe-typecast)
        generation = uint8(deepest);
    }

    /// @dev What a model has from its sources: ancestors, Datanets, terms and debts.
    function _derive(uint256 modelId, Source[] calldata sources) private {
        Royalties.List memory owed = Royalties.empty(ROYALTIES_MAX);
        uint256[] memory ancestors = new uint256[](ANCESTORS_MAX);
        uint256 count;
        for (uint256 i; i < sources.length; ++i) {
            count = _addAncestor(ancestors, count, sources[i].modelId);
        }
        for (uint256 i; i < sources.length; ++i) {
            uint256 id = sources[i].modelId;
            Record storage source = _models[id];
            uint256[] storage above = _ancestors[id];
            for (uint256 j; j < above.length; ++j) {
                count = _addAncestor(ancestors, count, above[j]);
            }
            if (_models[modelId].notForSaleSource == 0) {
                // Ids are counted one by one.
                // forge-lint: disable-next-line(unsafe-typecast)
                _models[modelId].notForSaleSource = source.commercial ? source.notForSaleSource : uint64(id);
            }
            _inherit(modelId, id);
            // forge-lint: disable-next-item(unsafe-typecast)
            owed.addSource(
                Royalty(source.params.payee, source.params.royaltyBps, uint64(id)), sources[i].weightBps, _royalties[id]
            );
        }
        for (uint256 i; i < count; ++i) {
            _ancestors[modelId].push(ancestors[i]);
        }
        for (uint256 i; i < owed.count; ++i) {
            _royalties[modelId].push(owed.items[i]);
        }
    }

    function _addAncestor(uint256[] memory ancestors, uint256 count, uint256 id) private pure returns (uint256) {
        for (uint256 i; i < count; ++i) {
            if (ancestors[i] == id) return count;
        }
        if (count == ANCESTORS_MAX) revert Errors.ModelRegistry_TooManyAncestors(count + 1, ANCESTORS_MAX);
        ancestors[count] = id;
        return count + 1;
    }

    /// @dev Element by element: a calldata array of structs cannot be assigned to storage.
    function _store(ModelParams storage to, ModelParams calldata from) private {
        to.name = from.name;
        to.baseModelHash = from.baseModelHash;
        for (uint256 i; i < from.sources.length; ++i) {
            to.sources.push(from.sources[i]);
        }
        for (uint256 i; i < from.adapters.length; ++i) {
            to.adapters.push(from.adapters[i]);
        }
        for (uint256 i; i < from.datanets.length; ++i) {
            to.datanets.push(from.datanets[i]);
        }
        to.trainingManifestRoot = from.trainingManifestRoot;
        to.sketchRoot = from.sketchRoot;
        to.surpriseRoot = from.surpriseRoot;
        to.clusterMapRoot = from.clusterMapRoot;
        to.engineSpecHash = from.engineSpecHash;
        to.retrievalChunks = from.retrievalChunks;
        to.pricePer1kIn = from.pricePer1kIn;
        to.pricePer1kOut = from.pricePer1kOut;
        to.split = from.split;
        to.payee = from.payee;
        to.royaltyBps = from.royaltyBps;
        to.licence = from.licence;
    }

    function _addOwn(uint256 modelId, DatanetRef[] calldata refs) private {
        if (refs.length > DATANETS_MAX) revert Errors.ModelRegistry_TooManyDatanets(refs.length, DATANETS_MAX);
        uint256 previous;
        for (uint256 i; i < refs.length; ++i) {
            DatanetRef calldata ref = refs[i];
            if (ref.datanetId <= previous) {
                revert Errors.ModelRegistry_DatanetsNotAscending(previous, ref.datanetId);
            }
            previous = ref.datanetId;
            if (ref.version == 0 || ref.version > datanets.versionCount(ref.datanetId)) {
                revert Errors.ModelRegistry_VersionUnknown(ref.datanetId, ref.version);
            }
            _addEffective(modelId, ref);
        }
    }

    /// @dev A source's effective list holds what its own ancestors added, so one level is the whole lineage.
    function _inherit(uint256 modelId, uint256 source) private {
        DatanetRef[] storage inherited = _effective[source];
        uint256 count = inherited.length;
        for (uint256 i; i < count; ++i) {
            DatanetRef memory ref = inherited[i];
            if (_uses[modelId][ref.datanetId] == 0) _addEffective(modelId, ref);
        }
        count = _effective[modelId].length;
        if (count > DATANETS_EFFECTIVE_MAX) {
            revert Errors.ModelRegistry_TooManyDatanets(count, DATANETS_EFFECTIVE_MAX);
        }
    }

    function _addEffective(uint256 modelId, DatanetRef memory ref) private {
        _uses[modelId][ref.datanetId] = ref.version;
        _effective[modelId].push(ref);
    }

    /// @dev What is under the roots is for engines to check.
    function _checkRoots(uint256 count, bytes32 surpriseRoot, bytes32 clusterMapRoot) private pure {
        bool any = count != 0;
        if ((surpriseRoot != 0) != any || (clusterMapRoot != 0) != any) {
            revert Errors.ModelRegistry_CorpusRootsInvalid(count, surpriseRoot, clusterMapRoot);
        }
    }

    /// @dev Of all Datanets of the lineage. Returns one whose licence forbids sale, zero when there is none.
    function _checkLicences(uint256 modelId, bytes32 licenceHash) private view returns (uint64 notForSale) {
        DatanetRef[] storage refs = _effective[modelId];
        uint256 count = refs.length;
        for (uint256 i; i < count; ++i) {
            uint256 datanetId = refs[i].datanetId;
            (bool derivatives, bool commercial, bool shareAlike) = datanets.licenceTermsOf(datanetId);
            if (!derivatives) revert Errors.ModelRegistry_LicenceForbidsDerivatives(datanetId);
            if (shareAlike && datanets.licenceOf(datanetId) != licenceHash) {
                revert Errors.ModelRegistry_LicenceSharesAlike(datanetId);
            }
            // forge-lint: disable-next-line(unsafe-typecast)
            if (!commercial) notForSale = uint64(datanetId);
        }
    }

    function _checkPrices(Record storage record, uint96 pricePer1kIn, uint96 pricePer1kOut) private view {
        if (pricePer1kIn == 0 && pricePer1kOut == 0) return;
        if (record.notForSale != 0) revert Errors.ModelRegistry_LicenceForbidsSale(record.notForSale);
        if (record.notForSaleSource != 0) revert Errors.ModelRegistry_SourceForbidsSale(record.notForSaleSource);
    }

    /// @inheritdoc IModelRegistry
    function setPrices(uint256 modelId, uint96 pricePer1kIn, uint96 pricePer1kOut) external {
        // Check
        Record storage record = _inService(modelId);
        _checkPrices(record, pricePer1kIn, pricePer1kOut);

        // Effect
        record.params.pricePer1kIn = pricePer1kIn;
        record.params.pricePer1kOut = pricePer1kOut;
        emit PriceChanged(modelId, pricePer1kIn, pricePer1kOut);
    }

    /// @inheritdoc IModelRegistry
    function retire(uint256 modelId) external {
        _inService(modelId).retired = true;
        emit ModelRetired(modelId);
    }

    /*//////////////////////////////////////////////////////////////////////////
                                       VIEWS
    //////////////////////////////////////////////////////////////////////////*/

    /// @inheritdoc IModelRegistry
    function model(uint256 modelId) external view returns (address owner, bool retired, ModelParams memory params) {
        Record storage record = _known(modelId);
        return (record.owner, record.retired, record.params);
    }

    /// @inheritdoc IModelRegistry
    function modelIdByName(string calldata name) external view returns (uint256) {
        return _byName[keccak256(bytes(name))];
    }

    /// @inheritdoc IModelRegistry
    function splitOf(uint256 modelId) external view returns (Split memory split, address payee) {
        ModelParams storage params = _known(modelId).params;
        return (params.split, params.payee);
    }

    /// @inheritdoc IModelRegistry
    function usesDatanet(uint256 modelId, uint256 datanetId) external view returns (bool) {
        _known(modelId);
        return _uses[modelId][datanetId] != 0;
    }

    /// @inheritdoc IModelRegistry
    function firstUnused(uint256[] calldata modelIds, uint256[] calldata datanetIds) external view returns (uint256 i) {
        for (; i < datanetIds.length; ++i) {
            uint256 m;
            while (m < modelIds.length && _uses[modelIds[m]][datanetIds[i]] == 0) ++m;
            if (m == modelIds.length) break;
        }
    }

    /// @inheritdoc IModelRegistry
    function datanetsOf(uint256 modelId) external view returns (DatanetRef[] memory) {
        _known(modelId);
        return _effective[modelId];
    }

    /// @inheritdoc IModelRegistry
    function lineage(uint256 modelId) external view returns (uint256[] memory) {
        _known(modelId);
        return _ancestors[modelId];
    }

    /// @inheritdoc IModelRegistry
    function royaltiesOf(uint256 modelId) external view returns (Royalty[] memory) {
        _known(modelId);
        return _royalties[modelId];
    }

    /*//////////////////////////////////////////////////////////////////////////
                                       CHECKS
    //////////////////////////////////////////////////////////////////////////*/

    function _known(uint256 modelId) private view returns (Record storage record) {
        record = _models[modelId];
        if (record.owner == address(0)) revert Errors.ModelRegistry_ModelUnknown(modelId);
    }

    /// @dev Also checks that the caller owns the model.
    function _inService(uint256 modelId) private view returns (Record storage record) {
        record = _known(modelId);
        if (record.owner != msg.sender) revert Errors.ModelRegistry_NotOwner(modelId, msg.sender);
        if (record.retired) revert Errors.ModelRegistry_Retired(modelId);
    }
}
