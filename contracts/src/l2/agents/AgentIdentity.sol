// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {ERC721} from "@openzeppelin/contracts/token/ERC721/ERC721.sol";
import {ERC721URIStorage} from "@openzeppelin/contracts/token/ERC721/extensions/ERC721URIStorage.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {EIP712} from "solady/utils/EIP712.sol";

import {IAgentIdentity} from "../../interfaces/IAgents.sol";

/// @title AgentIdentity
/// @notice See {IAgentIdentity}. It has no owner; ids start at 1.
contract AgentIdentity is IAgentIdentity, ERC721URIStorage, EIP712 {
    /// @notice Metadata in one registration at most.
    uint256 public constant ENTRIES_MAX = 32;

    bytes32 private constant WALLET_TYPEHASH =
        keccak256("AgentWalletSet(uint256 agentId,address newWallet,address owner,uint256 deadline)");
    bytes32 private constant WALLET_KEY = keccak256("agentWallet");

    /// @notice Number of agents; ids count them from 1.
    uint256 public agentCount;
    mapping(uint256 agentId => mapping(bytes32 key => bytes)) private _metadata;

    constructor() ERC721("OpenLedger Agents", "AGENT") {}

    modifier onlyAuthorized(uint256 agentId) {
        if (!isAuthorized(agentId, msg.sender)) revert AgentIdentity_NotOwner(agentId, msg.sender);
        _;
    }

    /// @inheritdoc IAgentIdentity
    function register() external returns (uint256 agentId) {
        agentId = _register("");
    }

    /// @inheritdoc IAgentIdentity
    function register(string calldata agentURI) external returns (uint256 agentId) {
        agentId = _register(agentURI);
    }

    /// @inheritdoc IAgentIdentity
    function register(string calldata agentURI, MetadataEntry[] calldata metadata) external returns (uint256 agentId) {
        uint256 count = metadata.length;
        if (count > ENTRIES_MAX) revert AgentIdentity_TooManyEntries(count, ENTRIES_MAX);
        agentId = _register(agentURI);
        for (uint256 i; i < count; ++i) {
            _setMetadata(agentId, metadata[i].metadataKey, metadata[i].metadataValue);
        }
    }

    /// @dev Minting calls nobody, so a contract that registers need not know about tokens.
    function _register(string memory agentURI) private returns (uint256 agentId) {
        agentId = ++agentCount;
        _mint(msg.sender, agentId);
        if (bytes(agentURI).length != 0) _setTokenURI(agentId, agentURI);
        emit Registered(agentId, agentURI, msg.sender);
    }

    /// @inheritdoc IAgentIdentity
    function setAgentURI(uint256 agentId, string calldata newURI) external onlyAuthorized(agentId) {
        _setTokenURI(agentId, newURI);
        emit URIUpdated(agentId, newURI, msg.sender);
    }

    /// @inheritdoc IAgentIdentity
    function setMetadata(uint256 agentId, string calldata metadataKey, bytes calldata metadataValue)
        external
        onlyAuthorized(agentId)
    {
        _setMetadata(agentId, metadataKey, metadataValue);
    }

    function _setMetadata(uint256 agentId, string calldata metadataKey, bytes calldata metadataValue) private {
        bytes32 key = keccak256(bytes(metadataKey));
        if (key == WALLET_KEY) revert AgentIdentity_KeyReserved();
        _metadata[agentId][key] = metadataValue;
        emit MetadataSet(agentId, metadataKey, metadataKey, metadataValue);
    }

    /// @inheritdoc IAgentIdentity
    function setAgentWallet(uint256 agentId, address newWallet, uint256 deadline, bytes calldata signature)
        external
        onlyAuthorized(agentId)
    {
        bytes32 hash = keccak256(abi.encode(WALLET_TYPEHASH, agentId, newWallet, ownerOf(agentId), deadline));
        if (
            newWallet == address(0) || block.timestamp > deadline
                || !SignatureChecker.isValidSignatureNowCalldata(newWallet, _hashTypedData(hash), signature)
        ) revert AgentIdentity_WalletNotProven(agentId, newWallet);
        _setWallet(agentId, abi.encodePacked(newWallet));
    }

    /// @inheritdoc IAgentIdentity
    function unsetAgentWallet(uint256 agentId) external onlyAuthorized(agentId) {
        _setWallet(agentId, "");
    }

    function _setWallet(uint256 agentId, bytes memory value) private {
        _metadata[agentId][WALLET_KEY] = value;
        emit MetadataSet(agentId, "agentWallet", "agentWallet", value);
    }

    /// @inheritdoc ERC721
    function _update(address to, uint256 agentId, address auth) internal override returns (address from) {
        from = super._update(to, agentId, auth);
        if (from != address(0) && _metadata[agentId][WALLET_KEY].length != 0) _setWallet(agentId, "");
    }

    /// @inheritdoc IAgentIdentity
    function getMetadata(uint256 agentId, string calldata metadataKey) external view returns (bytes memory) {
        return _metadata[agentId][keccak256(bytes(metadataKey))];
    }

    /// @inheritdoc IAgentIdentity
    function getAgentWallet(uint256 agentId) external view returns (address) {
        return address(bytes20(_metadata[agentId][WALLET_KEY]));
    }

    /// @inheritdoc IAgentIdentity
    function isAuthorized(uint256 agentId, address account) public view returns (bool) {
        return account != address(0) && _isAuthorized(_requireOwned(agentId), account, agentId);
    }

    /// @dev EIP-712 name and version.
    function _domainNameAndVersion() internal pure override returns (string memory, string memory) {
        return ("AgentIdentity", "1");
    }
}
