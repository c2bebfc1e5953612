// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @title IAgentIdentity
/// @notice Agents as ERC-8004 identities: an ERC-721 token whose URI is the agent's registration file, with metadata on
/// chain. Whoever owns the token owns the agent. The reserved key `agentWallet` is where the agent is paid; it is set with
/// that wallet's own signature, and cleared when the token changes hands, so a buyer does not pay the seller's wallet.
interface IAgentIdentity {
    struct MetadataEntry {
        string metadataKey;
        bytes metadataValue;
    }

    event Registered(uint256 indexed agentId, string agentURI, address indexed owner);
    event URIUpdated(uint256 indexed agentId, string newURI, address indexed updatedBy);
    event MetadataSet(
        uint256 indexed agentId, string indexed indexedMetadataKey, string metadataKey, bytes metadataValue
    );

    /// @notice Only the owner or an operator of the token.
    error AgentIdentity_NotOwner(uint256 agentId, address caller);
    /// @notice `agentWallet` is set by `setAgentWallet` only.
    error AgentIdentity_KeyReserved();
    /// @notice The wallet did not sign, or the signature expired.
    error AgentIdentity_WalletNotProven(uint256 agentId, address wallet);
    /// @notice More metadata entries than the maximum.
    error AgentIdentity_TooManyEntries(uint256 count, uint256 max);

    function register() external returns (uint256 agentId);
    function register(string calldata agentURI) external returns (uint256 agentId);
    function register(string calldata agentURI, MetadataEntry[] calldata metadata) external returns (uint256 agentId);
    function setAgentURI(uint256 agentId, string calldata newURI) external;
    function setMetadata(uint256 agentId, string calldata metadataKey, bytes calldata metadataValue) external;
    /// @notice Sets the agent's wallet. EIP-712: AgentWalletSet(uint256 agentId,address newWallet,address owner,uint256
    /// deadline), signed by the wallet (ERC-1271 for contracts).
    function setAgentWallet(uint256 agentId, address newWallet, uint256 deadline, bytes calldata signature) external;
    function unsetAgentWallet(uint256 agentId) external;

    function getMetadata(uint256 agentId, string calldata metadataKey) external view returns (bytes memory);
    function getAgentWallet(uint256 agentId) external view returns (address);
    /// @notice True if the account may act for the agent: its owner or an operator of its token.
    function isAuthorized(uint256 agentId, address account) external view returns (bool);
}

/// @title IAgentReputation
/// @notice Feedback about agents in ERC-8004's shape: a signed fixed-point value with two tags, given by clients, revocable
/// by them. Anyone can write; a summary is over the clients that its reader names, because a sum over everybody is a
/// measure of who opened more accounts.
interface IAgentReputation {
    event NewFeedback(
        uint256 indexed agentId,
        address indexed clientAddress,
        uint64 feedbackIndex,
        int128 value,
        uint8 valueDecimals,
        string indexed indexedTag1,
        string tag1,
        string tag2,
        string endpoint,
        string feedbackURI,
        bytes32 feedbackHash
    );
    event FeedbackRevoked(uint256 indexed agentId, address indexed clientAddress, uint64 indexed feedbackIndex);
    event ResponseAppended(
        uint256 indexed agentId,
        address indexed clientAddress,
        uint64 feedbackIndex,
        address indexed responder,
        string responseURI,
        bytes32 responseHash
    );

    /// @notice Nobody rates an agent that it owns or operates.
    error AgentReputation_SelfFeedback(uint256 agentId, address caller);
    /// @notice The value has more than 18 decimals, or is over 10^38.
    error AgentReputation_ValueOutOfBounds(int128 value, uint8 decimals);
    /// @notice The client gave no such feedback.
    error AgentReputation_FeedbackUnknown(uint256 agentId, address client, uint64 index);
    /// @notice It is revoked already.
    error AgentReputation_RevokedAlready(uint256 agentId, address client, uint64 index);
    /// @notice A summary names its clients, at most the maximum.
    error AgentReputation_ClientCount(uint256 count, uint256 max);

    function giveFeedback(
        uint256 agentId,
        int128 value,
        uint8 valueDecimals,
        string calldata tag1,
        string calldata tag2,
        string calldata endpoint,
        string calldata feedbackURI,
        bytes32 feedbackHash
    ) external;
    function revokeFeedback(uint256 agentId, uint64 feedbackIndex) external;
    function appendResponse(
        uint256 agentId,
        address clientAddress,
        uint64 feedbackIndex,
        string calldata responseURI,
        bytes32 responseHash
    ) external;

    function getIdentityRegistry() external view returns (address);
    /// @notice Number and mean of what the clients gave and did not revoke, with 18 decimals. Tags that are empty match all. At
    /// most 64 clients, of each the last 64.
    function getSummary(uint256 agentId, address[] calldata clientAddresses, string calldata tag1, string calldata tag2)
        external
        view
        returns (uint64 count, int128 summaryValue, uint8 summaryValueDecimals);
    function readFeedback(uint256 agentId, address clientAddress, uint64 feedbackIndex)
        external
        view
        returns (int128 value, uint8 valueDecimals, string memory tag1, string memory tag2, bool isRevoked);
    /// @notice All feedback for an agent that matches, each client's in order, up to 64 of each client: the latest.
    /// @param agentId The agent.
    /// @param clientAddresses Whose feedback, at most 64; none for everybody's, where no more than 64 have given any.
    /// @param tag1 Only with this tag; empty for any.
    /// @param tag2 Only with this second tag; empty for any.
    /// @param includeRevoked Whether to return what was taken back as well.
    /// @return clients Who gave it.
    /// @return feedbackIndexes Its number among that client's.
    /// @return values Its value.
    /// @return valueDecimals Decimals of the value.
    /// @return tag1s Its tag.
    /// @return tag2s Its second tag.
    /// @return revokedStatuses Whether it was taken back.
    function readAllFeedback(
        uint256 agentId,
        address[] calldata clientAddresses,
        string calldata tag1,
        string calldata tag2,
        bool includeRevoked
    )
        external
        view
        returns (
            address[] memory clients,
            uint64[] memory feedbackIndexes,
            int128[] memory values,
            uint8[] memory valueDecimals,
            string[] memory tag1s,
            string[] memory tag2s,
            bool[] memory revokedStatuses
        );
    /// @notice How often feedback was responded to.
    /// @param agentId The agent.
    /// @param clientAddress Whose feedback; zero for everybody's, where no more than 64 have given any.
    /// @param feedbackIndex Its number; 0 for all, up to 64 of each client: the latest.
    /// @param responders Whose responses, at most 64; none for everybody's.
    /// @return count The number of responses.
    function getResponseCount(
        uint256 agentId,
        address clientAddress,
        uint64 feedbackIndex,
        address[] calldata responders
    ) external view returns (uint64 count);
    /// @notice Index of the client's last feedback; they start at 1.
    function getLastIndex(uint256 agentId, address clientAddress) external view returns (uint64);
    function getClients(uint256 agentId) external view returns (address[] memory);
}

/// @title IAgentValidation
/// @notice Requests to validators and their answers, 0 to 100, in ERC-8004's shape. A validator may answer again, for steps
/// of finality; the last answer counts.
interface IAgentValidation {
    event ValidationRequest(
        address indexed validatorAddress, uint256 indexed agentId, string requestURI, bytes32 indexed requestHash
    );
    event ValidationResponse(
        address indexed validatorAddress,
        uint256 indexed agentId,
        bytes32 indexed requestHash,
        uint8 response,
        string responseURI,
        bytes32 responseHash,
        string tag
    );

    /// @notice Only who may act for the agent.
    error AgentValidation_NotOwner(uint256 agentId, address caller);
    /// @notice A request of this hash exists, or none does.
    error AgentValidation_RequestExists(bytes32 requestHash);
    error AgentValidation_RequestUnknown(bytes32 requestHash);
    /// @notice Only the validator that was asked.
    error AgentValidation_NotValidator(bytes32 requestHash, address caller);
    /// @notice An answer is 0 to 100.
    error AgentValidation_ResponseOutOfBounds(uint8 response);
    /// @notice More validators are named than a summary is over.
    /// @param count How many are named.
    /// @param max The most that is allowed.
    error AgentValidation_ValidatorCount(uint256 count, uint256 max);

    function validationRequest(
        address validatorAddress,
        uint256 agentId,
        string calldata requestURI,
        bytes32 requestHash
    ) external;
    function validationResponse(
        bytes32 requestHash,
        uint8 response,
        string calldata responseURI,
        bytes32 responseHash,
        string calldata tag
    ) external;

    function getIdentityRegistry() external view returns (address);
    function getValidationStatus(bytes32 requestHash)
        external
        view
        returns (
            address validatorAddress,
            uint256 agentId,
            uint8 response,
            bytes32 responseHash,
            string memory tag,
            uint256 lastUpdate
        );
    /// @notice The mean of what validators have responded about an agent, over its latest 256 requests. A response of 0 counts,
    /// no response does not.
    /// @param agentId The agent.
    /// @param validatorAddresses Whose responses, at most 64; none for everybody's.
    /// @param tag Only with this tag; empty for any.
    /// @return count Responses that count.
    /// @return averageResponse Their mean, rounded down.
    function getSummary(uint256 agentId, address[] calldata validatorAddresses, string calldata tag)
        external
        view
        returns (uint64 count, uint8 averageResponse);
    /// @notice The requests about an agent, in order: the latest 256.
    /// @param agentId The agent.
    /// @return requestHashes Their hashes.
    function getAgentValidations(uint256 agentId) external view returns (bytes32[] memory requestHashes);
    /// @notice The requests to a validator, in order: the latest 256.
    /// @param validatorAddress Who validates.
    /// @return requestHashes Their hashes.
    function getValidatorRequests(address validatorAddress) external view returns (bytes32[] memory requestHashes);
    /// @notice The last 256 requests about an agent before a place in their order, so that all can be read piece by piece.
    /// @param agentId The agent.
    /// @param end The place; how many there are or more for the latest.
    /// @return requestHashes Their hashes, in order.
    function agentValidationsBefore(uint256 agentId, uint256 end)
        external
        view
        returns (bytes32[] memory requestHashes);
    /// @notice The last 256 requests to a validator before a place in their order, so that all can be read piece by piece.
    /// @param validatorAddress Who validates.
    /// @param end The place; how many there are or more for the latest.
    /// @return requestHashes Their hashes, in order.
    function validatorRequestsBefore(address validatorAddress, uint256 end)
        external
        view
        returns (bytes32[] memory requestHashes);
}

/// @title IAgentAccounts
/// @notice The purse of an agent. Its owner (whoever owns the agent's token) pays in and names a key; the key buys inference
/// through the escrow, and nothing else: up to a cap per period, from gateways the owner allows, until the key expires. So a
/// stolen or misled agent costs at most a period's cap. The account is the customer in the escrow, so every receipt of what
/// an agent bought names it, and {agentOf} tells which agent that is.
/// @dev One contract for each agent, at an address that follows from the agent's id, so that balances and authorisations in
/// the escrow are its own. There is no admin: what is not spent goes back to the owner only.
interface IAgentAccounts {
    event AccountCreated(uint256 indexed agentId, address account);

    /// @notice Creates the account of an agent, or returns the one there is. Anyone may call it.
    function create(uint256 agentId) external returns (address account);
    /// @notice Where the agent's account is or will be.
    function accountOf(uint256 agentId) external view returns (address);
    /// @notice The agent of an account made here; 0 for any other address. Ids start at 1.
    function agentOf(address account) external view returns (uint256);
}

/// @title IAgentAccount
/// @notice See {IAgentAccounts}.
interface IAgentAccount {
    struct Limits {
        /// May authorise gateways and signs vouchers; zero for nobody.
        address key;
        /// Most that the key may lock in a period, wei.
        uint128 cap;
        /// Length of a period, seconds.
        uint32 period;
        /// Unix seconds after which the key is good for nothing.
        uint64 keyExpiry;
    }

    event LimitsSet(address indexed key, uint128 cap, uint32 period, uint64 keyExpiry);
    event GatewaySet(address indexed gateway, bool allowed);
    event Spent(address indexed gateway, uint128 amount, uint128 spentInPeriod);
    event Recovered(address indexed to, uint256 amount);

    /// @notice Only who may act for the agent.
    error AgentAccount_NotOwner(address caller);
    /// @notice Only the key, and only until it expires.
    error AgentAccount_NotKey(address caller);
    /// @notice The owner has not allowed this gateway.
    error AgentAccount_GatewayRefused(address gateway);
    /// @notice The period has room for `left` wei.
    error AgentAccount_CapExceeded(uint128 left, uint128 amount);
    /// @notice A period is at least an hour.
    error AgentAccount_PeriodTooShort(uint32 period, uint32 min);

    /// @notice Names the key and its limits; only the owner. What was spent in the running period stays spent.
    function setLimits(Limits calldata limits) external;
    /// @notice Allows or forbids a gateway; only the owner.
    function setGateway(address gateway, bool allowed) external;
    /// @notice Authorises a gateway in the escrow up to `cap` until `expiry`, with the key as signer of vouchers. What it
    /// newly locks counts against the period's cap. Only the key.
    function authorize(address gateway, uint128 cap, uint64 expiry) external;
    /// @notice Pays free balance in the escrow and what the account holds to `to`; only the owner. What is authorised comes
    /// back after its expiry.
    function recover(address payable to) external returns (uint256 amount);

    function agentId() external view returns (uint256);
    function limits() external view returns (Limits memory);
    function isAllowed(address gateway) external view returns (bool);
    /// @notice What the key can still lock in the running period, wei.
    function leftInPeriod() external view returns (uint128);
}
