// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @title IModelRegistry
/// @notice ModelFactory: models, fine-tunes, adapters and merged sets with their lineage, prices, split and royalties. A
/// record is immutable except for prices and retirement; a change is a new model whose source is the old one.
/// @dev A model stands over its own Datanet versions and over those of its ancestors (its *effective* Datanets). Where both a
/// model and an ancestor name a Datanet, the model's version counts; where two sources do, the first source's. Arrays are
/// bounded: adapters 16, own Datanets 16, effective Datanets 32, sources 8, ancestors 32, generations 8, royalties 8.
///
/// Licences are checked along every edge. A Datanet of the lineage may not forbid derived works; if one forbids commercial
/// use, the prices are zero; if one is to be shared alike, the model's licence is its licence. A model's own licence binds what derives from it in the same way, and if it is to be shared
/// alike, what derives from it has the same one.
///
/// A model commits to what its corpus makes, the surprise of every token and the cluster of every document: what a dispute about
/// records opens. The registry cannot compute the two roots. No honest engine serves a model whose roots are not what the
/// documents of its effective Datanets make.
///
/// A model that derives from others owes each of them a part of its model share: the source's `royaltyBps` of the source's
/// weight in the merge. What a source receives so is income of its own, of which it owes its sources. The registry works
/// the whole lineage out once, at registration, so terms cannot change afterwards and paying them costs the same however
/// deep the lineage is. At most 3,000 basis points of a model share leave, so a model keeps 70 % of it at least.
interface IModelRegistry {
    /// A model that another derives from.
    struct Source {
        uint256 modelId;
        /// Weight in the merge in basis points; those of all sources sum to 10,000. A fine-tune has one source of 10,000.
        uint16 weightBps;
    }

    /// What a model owes to one ancestor, in one slot.
    struct Royalty {
        address payee;
        /// Of the model share.
        uint16 bps;
        uint64 modelId;
    }

    struct DatanetRef {
        uint256 datanetId;
        uint32 version;
    }

    struct Adapter {
        bytes32 adapterHash;
        /// Merge weight in basis points, 1 to 10,000. Weights need not sum to 10,000: adapters add up.
        uint16 weightBps;
    }

    /// Shares of the net fee in basis points; they sum to 10,000 and contributors get at least 2,000.
    struct Split {
        uint16 modelBps;
        uint16 contributorsBps;
        uint16 stakersBps;
    }

    struct ModelParams {
        /// Unique; what an OpenAI client writes in `model`. 1 to 64 printable ASCII characters without space.
        string name;
        /// What it derives from, strictly ascending; none for a model of its own.
        Source[] sources;
        /// SHA-256 of the base weights file.
        bytes32 baseModelHash;
        Adapter[] adapters;
        /// Own Datanet versions, strictly ascending by Datanet.
        DatanetRef[] datanets;
        bytes32 trainingManifestRoot;
        bytes32 sketchRoot;
        /// Root of the corpus's surprises and floor (docs/formats/attribution.md); zero without effective Datanets.
        bytes32 surpriseRoot;
        /// Root of the cluster map over all effective Datanets; zero without any.
        bytes32 clusterMapRoot;
        /// keccak256 of the canonical engine-spec JSON (docs/formats/attribution.md).
        bytes32 engineSpecHash;
        /// Datanet chunks to retrieve into the prompt per call; 0 for none, at most 16.
        uint8 retrievalChunks;
        /// Wei per 1,000 prompt tokens.
        uint96 pricePer1kIn;
        /// Wei per 1,000 completion tokens.
        uint96 pricePer1kOut;
        Split split;
        /// Receives the model share, less royalties, and royalties of models that derive from it.
        address payee;
        /// What models that derive from this one owe it of their model share, in basis points; at most 3,000.
        uint16 royaltyBps;
        /// SPDX identifier of the terms for models that derive from this one; empty for none. At most 64 printable characters.
        string licence;
    }

    /// @notice A model was registered.
    /// @param modelId Id of the model, from 1.
    /// @param owner Who registered it, and can set prices and retire it.
    /// @param name Its name, which no other model has.
    /// @param params What it was registered with, and keeps but for prices.
    event ModelRegistered(uint256 indexed modelId, address indexed owner, string name, ModelParams params);
    /// @notice A model's prices changed.
    /// @param modelId Id of the model, from 1.
    /// @param pricePer1kIn Price of a thousand tokens of prompt, wei.
    /// @param pricePer1kOut Price of a thousand tokens of answer, wei.
    event PriceChanged(uint256 indexed modelId, uint96 pricePer1kIn, uint96 pricePer1kOut);
    /// @notice A model was retired.
    /// @param modelId Id of the model, from 1.
    event ModelRetired(uint256 indexed modelId);

    /// @notice Registers a model owned by the sender. Ids start at 1.
    /// @param params Each member within the bounds at its field; licences are checked along every edge.
    /// @return modelId Id of the new model.
    function registerModel(ModelParams calldata params) external returns (uint256 modelId);
    /// @notice Changes the prices of calls to come; only the model's owner, and not after retirement.
    /// @param modelId Id of the model, from 1.
    /// @param pricePer1kIn Price of a thousand tokens of prompt, wei.
    /// @param pricePer1kOut Price of a thousand tokens of answer, wei.
    function setPrices(uint256 modelId, uint96 pricePer1kIn, uint96 pricePer1kOut) external;
    /// @notice Takes the model out of service for ever; only its owner. Receipts of before can still be settled.
    /// @param modelId Id of the model, from 1.
    function retire(uint256 modelId) external;

    /// @notice Number of models; ids count them from 1.
    /// @return Id of the model registered last; zero before the first.
    function modelCount() external view returns (uint256);
    /// @notice A model as it was registered.
    /// @param modelId Id of the model, from 1.
    /// @return owner Who registered it.
    /// @return retired Whether it is retired.
    /// @return params What it was registered with.
    function model(uint256 modelId) external view returns (address owner, bool retired, ModelParams memory params);
    /// @notice The model of a name; zero if there is none.
    /// @param name The name, as registered.
    /// @return Id of the model; zero if there is none.
    function modelIdByName(string calldata name) external view returns (uint256);
    /// @notice How a model's fees are split, and who gets the model's share.
    /// @param modelId Id of the model, from 1.
    /// @return split Basis points of what is left of a fee after the platform's share; they sum to 10,000.
    /// @return payee Who gets the model's share.
    function splitOf(uint256 modelId) external view returns (Split memory split, address payee);
    /// @notice True if the Datanet is among the model's effective ones.
    /// @param modelId Id of the model, from 1.
    /// @param datanetId Id of the Datanet.
    /// @return Whether the model or one of its ancestors names it.
    function usesDatanet(uint256 modelId, uint256 datanetId) external view returns (bool);
    /// @notice Index of the first Datanet that none of the models uses, or the number of Datanets when each is used.
    /// @param modelIds Ids of models.
    /// @param datanetIds Ids of Datanets.
    /// @return The place in the list; its length if all are used.
    function firstUnused(uint256[] calldata modelIds, uint256[] calldata datanetIds) external view returns (uint256);
    /// @notice The effective Datanet versions: the model's own, then those its ancestors add.
    /// @param modelId Id of the model, from 1.
    /// @return The Datanets with their versions.
    function datanetsOf(uint256 modelId) external view returns (DatanetRef[] memory);
    /// @notice Ancestors of a model, each once: its sources, then their ancestors; nearest first in a line of single sources.
    /// @param modelId Id of the model, from 1.
    /// @return Ids, 32 at most.
    function lineage(uint256 modelId) external view returns (uint256[] memory);
    /// @notice What a model owes of its model share, each ancestor once; the rest is its payee's. The sum is at most 3,000.
    /// @param modelId Id of the model, from 1.
    /// @return Ancestor, payee and basis points of the model share; 8 at most.
    function royaltiesOf(uint256 modelId) external view returns (Royalty[] memory);
}
