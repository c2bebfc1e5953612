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

    /// @notice An agent was registered.
    /// @param agentId Token of the agent at the identity registry, from 1.
    /// @param agentURI Where the agent's description is.
    /// @param owner Who holds the token.
    event Registered(uint256 indexed agentId, string agentURI, address indexed owner);
    /// @notice An agent is described elsewhere.
    /// @param agentId Token of the agent at the identity registry, from 1.
    /// @param newURI Where the agent's description is from now on.
    /// @param updatedBy Owner or operator that did it.
    event URIUpdated(uint256 indexed agentId, string newURI, address indexed updatedBy);
    /// @notice Metadata of an agent was set.
    /// @param agentId Token of the agent at the identity registry, from 1.
    /// @param indexedMetadataKey The key, to search by.
    /// @param metadataKey Name of the entry.
    /// @param metadataValue What is stored under it, any bytes.
    event MetadataSet(
        uint256 indexed agentId, string indexed indexedMetadataKey, string metadataKey, bytes metadataValue
    );

    /// @notice Only the owner or an operator of the token.
    /// @param agentId Token of the agent at the identity registry, from 1.
    /// @param caller Who tried to.
    error AgentIdentity_NotOwner(uint256 agentId, address caller);
    /// @notice `agentWallet` is set by `setAgentWallet` only.
    error AgentIdentity_KeyReserved();
    /// @notice The wallet did not sign, or the signature expired.
    /// @param agentId Token of the agent at the identity registry, from 1.
    /// @param wallet Wallet that did not sign.
    error AgentIdentity_WalletNotProven(uint256 agentId, address wallet);
    /// @notice More metadata entries than the maximum.
    /// @param count How many were given.
    /// @param max The most that is allowed.
    error AgentIdentity_TooManyEntries(uint256 count, uint256 max);

    /// @notice Registers an agent, whose token is the sender's.
    /// @return agentId Token of the new agent.
    function register() external returns (uint256 agentId);
    /// @notice Registers an agent, whose token is the sender's.
    /// @param agentURI Where the agent's description is.
    /// @return agentId Token of the new agent.
    function register(string calldata agentURI) external returns (uint256 agentId);
    /// @notice Registers an agent, whose token is the sender's.
    /// @param agentURI Where the agent's description is.
    /// @param metadata Entries to begin with, 32 at most.
    /// @return agentId Token of the new agent.
    function register(string calldata agentURI, MetadataEntry[] calldata metadata) external returns (uint256 agentId);
    /// @notice Says where the agent is described; its owner or who is approved.
    /// @param agentId Token of the agent at the identity registry, from 1.
    /// @param newURI Where the agent's description is from now on.
    function setAgentURI(uint256 agentId, string calldata newURI) external;
    /// @notice Sets metadata; the agent's owner or who is approved.
    /// @param agentId Token of the agent at the identity registry, from 1.
    /// @param metadataKey Name of the entry.
    /// @param metadataValue What is stored under it, any bytes.
    function setMetadata(uint256 agentId, string calldata metadataKey, bytes calldata metadataValue) external;
    /// @notice Sets the agent's wallet. EIP-712: AgentWalletSet(uint256 agentId,address newWallet,address owner,uint256
    /// deadline), signed by the wallet (ERC-1271 for contracts).
    /// @param agentId Token of the agent at the identity registry, from 1.
    /// @param newWallet Wallet that the agent is paid at.
    /// @param deadline Unix second until which it holds.
    /// @param signature That wallet's, over `AgentWalletSet`.
    function setAgentWallet(uint256 agentId, address newWallet, uint256 deadline, bytes calldata signature) external;
    /// @notice Forgets the agent's wallet; its owner or who is approved.
    /// @param agentId Token of the agent at the identity registry, from 1.
    function unsetAgentWallet(uint256 agentId) external;

    /// @notice Metadata of an agent.
    /// @param agentId Token of the agent at the identity registry, from 1.
    /// @param metadataKey Name of the entry.
    /// @return The value; empty if it was never set.
    function getMetadata(uint256 agentId, string calldata metadataKey) external view returns (bytes memory);
    /// @notice The wallet that has signed for being the agent's.
    /// @param agentId Token of the agent at the identity registry, from 1.
    /// @return The wallet; zero if there is none.
    function getAgentWallet(uint256 agentId) external view returns (address);
    /// @notice True if the account may act for the agent: its owner or an operator of its token.
    /// @param agentId Token of the agent at the identity registry, from 1.
    /// @param account Account to ask about.
    /// @return Whether it owns the token or may act for its owner.
    function isAuthorized(uint256 agentId, address account) external view returns (bool);
}

/// @title IAgentReputation
/// @notice Feedback about agents in ERC-8004's shape: a signed fixed-point value with two tags, given by clients, revocable
/// by them. Anyone can write; a summary is over the clients that its reader names, because a sum over everybody is a
/// measure of who opened more accounts.
interface IAgentReputation {
    /// @notice Feedback was given.
    /// @param agentId Token of the agent at the identity registry, from 1.
    /// @param clientAddress Who gave the feedback.
    /// @param feedbackIndex Number of the feedback of this client, from 1.
    /// @param value The value, with so many decimals.
    /// @param valueDecimals Decimals of the value, 0 to 18.
    /// @param indexedTag1 The tag, to search by.
    /// @param tag1 First tag of the feedback, any text.
    /// @param tag2 Second tag of the feedback, any text.
    /// @param endpoint The endpoint that was used.
    /// @param feedbackURI Where the feedback is described.
    /// @param feedbackHash Hash of what is there.
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
    /// @notice Feedback was taken back.
    /// @param agentId Token of the agent at the identity registry, from 1.
    /// @param clientAddress Who gave the feedback.
    /// @param feedbackIndex Number of the feedback of this client, from 1.
    event FeedbackRevoked(uint256 indexed agentId, address indexed clientAddress, uint64 indexed feedbackIndex);
    /// @notice Somebody responded to feedback.
    /// @param agentId Token of the agent at the identity registry, from 1.
    /// @param clientAddress Who gave the feedback.
    /// @param feedbackIndex Number of the feedback of this client, from 1.
    /// @param responder Who responded; anybody can.
    /// @param responseURI Where the response is described.
    /// @param responseHash Hash of what is there.
    event ResponseAppended(
        uint256 indexed agentId,
        address indexed clientAddress,
        uint64 feedbackIndex,
        address indexed responder,
        string responseURI,
        bytes32 responseHash
    );

    /// @notice Nobody rates an agent that it owns or operates.
    /// @param agentId Token of the agent at the identity registry, from 1.
    /// @param caller Who tried to.
    error AgentReputation_SelfFeedback(uint256 agentId, address caller);
    /// @notice The value has more than 18 decimals, or is over 10^38.
    /// @param value The value, with so many decimals.
    /// @param decimals Decimals that were given; 18 at most.
    error AgentReputation_ValueOutOfBounds(int128 value, uint8 decimals);
    /// @notice The client gave no such feedback.
    /// @param agentId Token of the agent at the identity registry, from 1.
    /// @param client Who would have given it.
    /// @param index Number of it among the client's, from 1.
    error AgentReputation_FeedbackUnknown(uint256 agentId, address client, uint64 index);
    /// @notice It is revoked already.
    /// @param agentId Token of the agent at the identity registry, from 1.
    /// @param client Who gave it.
    /// @param index Number of it among the client's, from 1.
    error AgentReputation_RevokedAlready(uint256 agentId, address client, uint64 index);
    /// @notice A summary names its clients, at most the maximum.
    /// @param count How many were named; 1 to 64.
    /// @param max The most that is allowed.
    error AgentReputation_ClientCount(uint256 count, uint256 max);

    /// @notice Rates an agent; not its owner nor who is approved.
    /// @param agentId Token of the agent at the identity registry, from 1.
    /// @param value The value, with so many decimals.
    /// @param valueDecimals Decimals of the value, 0 to 18.
    /// @param tag1 First tag of the feedback, any text.
    /// @param tag2 Second tag of the feedback, any text.
    /// @param endpoint The endpoint that was used.
    /// @param feedbackURI Where the feedback is described.
    /// @param feedbackHash Hash of what is there.
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
    /// @notice Takes the sender's feedback back.
    /// @param agentId Token of the agent at the identity registry, from 1.
    /// @param feedbackIndex Number of the feedback of this client, from 1.
    function revokeFeedback(uint256 agentId, uint64 feedbackIndex) external;
    /// @notice Responds to feedback; anyone.
    /// @param agentId Token of the agent at the identity registry, from 1.
    /// @param clientAddress Who gave the feedback.
    /// @param feedbackIndex Number of the feedback of this client, from 1.
    /// @param responseURI Where the response is described.
    /// @param responseHash Hash of what is there.
    function appendResponse(
        uint256 agentId,
        address clientAddress,
        uint64 feedbackIndex,
        string calldata responseURI,
        bytes32 responseHash
    ) external;

    /// @notice The registry of agents that this one is about.
    /// @return {AgentIdentity}, fixed at deployment.
    function getIdentityRegistry() external view returns (address);
    /// @notice Number and mean of what the clients gave and did not revoke, with 18 decimals. Tags that are empty match all. At
    /// most 64 clients, of each the last 64.
    /// @param agentId Token of the agent at the identity registry, from 1.
    /// @param clientAddresses Clients whose feedback counts, 1 to 64; whom to trust is the reader's choice.
    /// @param tag1 Only with this first tag; empty for any.
    /// @param tag2 Only with this second tag; empty for any.
    /// @return count Feedback that counts.
    /// @return summaryValue The average of its values.
    /// @return summaryValueDecimals Decimals of the average.
    function getSummary(uint256 agentId, address[] calldata clientAddresses, string calldata tag1, string calldata tag2)
        external
        view
        returns (uint64 count, int128 summaryValue, uint8 summaryValueDecimals);
    /// @notice A piece of feedback.
    /// @param agentId Token of the agent at the identity registry, from 1.
    /// @param clientAddress Who gave the feedback.
    /// @param feedbackIndex Number of the feedback of this client, from 1.
    /// @return value The value, with `valueDecimals` decimals.
    /// @return valueDecimals Decimals of the value, 0 to 18.
    /// @return tag1 First tag of the feedback, any text.
    /// @return tag2 Second tag of the feedback, any text.
    /// @return isRevoked Whether it was taken back.
    function readFeedback(uint256 agentId, address clientAddress, uint64 feedbackIndex)
        external
        view
        returns (int128 value, uint8 valueDecimals, string memory tag1, string memory tag2, bool isRevoked);
    /// @notice All feedback for an agent that matches, each client's in order, up to 64 of each client: the latest.
    /// @param agentId Token of the agent at the identity registry, from 1.
    /// @param clientAddresses Whose feedback, at most 64; none for everybody's, where no more than 64 have given any.
    /// @param tag1 Only with this tag; empty for any.
    /// @param tag2 Only with this second tag; empty for any.
    /// @param includeRevoked Whether to return what was taken back as well.
    /// @return clients Who gave it.
    /// @return feedbackIndexes Its number among that client's.
    /// @return values Its value.
    /// @return valueDecimals Decimals of the value, 0 to 18.
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
    /// @param agentId Token of the agent at the identity registry, from 1.
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
    /// @param agentId Token of the agent at the identity registry, from 1.
    /// @param clientAddress Who gave the feedback.
    /// @return The number; zero if there is none.
    function getLastIndex(uint256 agentId, address clientAddress) external view returns (uint64);
    /// @notice Who has given feedback.
    /// @param agentId Token of the agent at the identity registry, from 1.
    /// @return Everybody that ever gave it feedback.
    function getClients(uint256 agentId) external view returns (address[] memory);
}

/// @title IAgentValidation
/// @notice Requests to validators and their answers, 0 to 100, in ERC-8004's shape. A validator may answer again, for steps
/// of finality; the last answer counts.
interface IAgentValidation {
    /// @notice A validation was asked for.
    /// @param validatorAddress Who is asked to validate.
    /// @param agentId Token of the agent at the identity registry, from 1.
    /// @param requestURI Where the request is described.
    /// @param requestHash Name of the request; each is used once.
    event ValidationRequest(
        address indexed validatorAddress, uint256 indexed agentId, string requestURI, bytes32 indexed requestHash
    );
    /// @notice A validator responded.
    /// @param validatorAddress Who is asked to validate.
    /// @param agentId Token of the agent at the identity registry, from 1.
    /// @param requestHash Name of the request; each is used once.
    /// @param response 0 to 100.
    /// @param responseURI Where the response is explained.
    /// @param responseHash Hash of what is there.
    /// @param tag Kind of the response, any text.
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
    /// @param agentId Token of the agent at the identity registry, from 1.
    /// @param caller Who tried to.
    error AgentValidation_NotOwner(uint256 agentId, address caller);
    /// @notice A request of this hash exists, or none does.
    /// @param requestHash Name of the request; each is used once.
    error AgentValidation_RequestExists(bytes32 requestHash);
    /// @notice There is no such request.
    /// @param requestHash Name of the request; each is used once.
    error AgentValidation_RequestUnknown(bytes32 requestHash);
    /// @notice Only the validator that was asked.
    /// @param requestHash Name of the request; each is used once.
    /// @param caller Who tried to.
    error AgentValidation_NotValidator(bytes32 requestHash, address caller);
    /// @notice An answer is 0 to 100.
    /// @param response What was given.
    error AgentValidation_ResponseOutOfBounds(uint8 response);
    /// @notice More validators are named than a summary is over.
    /// @param count How many are named.
    /// @param max The most that is allowed.
    error AgentValidation_ValidatorCount(uint256 count, uint256 max);

    /// @notice Asks a validator to look at something; the agent's owner or who is approved.
    /// @param validatorAddress Who is asked to validate.
    /// @param agentId Token of the agent at the identity registry, from 1.
    /// @param requestURI Where the request is described.
    /// @param requestHash Name of the request; each is used once.
    function validationRequest(
        address validatorAddress,
        uint256 agentId,
        string calldata requestURI,
        bytes32 requestHash
    ) external;
    /// @notice The validator's response, which can be given again.
    /// @param requestHash Name of the request; each is used once.
    /// @param response 0 to 100.
    /// @param responseURI Where the response is explained.
    /// @param responseHash Hash of what is there.
    /// @param tag Kind of the response, any text.
    function validationResponse(
        bytes32 requestHash,
        uint8 response,
        string calldata responseURI,
        bytes32 responseHash,
        string calldata tag
    ) external;

    /// @notice The registry of agents that this one is about.
    /// @return {AgentIdentity}, fixed at deployment.
    function getIdentityRegistry() external view returns (address);
    /// @notice What became of a request.
    /// @param requestHash Name of the request; each is used once.
    /// @return validatorAddress Who is asked to validate.
    /// @return agentId Token of the agent at the identity registry, from 1.
    /// @return response 0 to 100, and 0 as long as there is none.
    /// @return responseHash Hash of the explanation.
    /// @return tag Kind of the response.
    /// @return lastUpdate Unix second of the last change.
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
    /// @param agentId Token of the agent at the identity registry, from 1.
    /// @param validatorAddresses Whose responses, at most 64; none for everybody's.
    /// @param tag Only with this tag; empty for any.
    /// @return count Responses that count.
    /// @return averageResponse Their mean, rounded down.
    function getSummary(uint256 agentId, address[] calldata validatorAddresses, string calldata tag)
        external
        view
        returns (uint64 count, uint8 averageResponse);
    /// @notice The requests about an agent, in order: the latest 256.
    /// @param agentId Token of the agent at the identity registry, from 1.
    /// @return requestHashes The latest 256 at most.
    function getAgentValidations(uint256 agentId) external view returns (bytes32[] memory requestHashes);
    /// @notice The requests to a validator, in order: the latest 256.
    /// @param validatorAddress Who is asked to validate.
    /// @return requestHashes The latest 256 at most.
    function getValidatorRequests(address validatorAddress) external view returns (bytes32[] memory requestHashes);
    /// @notice The last 256 requests about an agent before a place in their order, so that all can be read piece by piece.
    /// @param agentId Token of the agent at the identity registry, from 1.
    /// @param end The place; how many there are or more for the latest.
    /// @return requestHashes Their hashes, in order.
    function agentValidationsBefore(uint256 agentId, uint256 end) external view returns (bytes32[] memory requestHashes);
    /// @notice The last 256 requests to a validator before a place in their order, so that all can be read piece by piece.
    /// @param validatorAddress Who is asked to validate.
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
    /// @notice An agent has an account.
    /// @param agentId Token of the agent at the identity registry, from 1.
    /// @param account The agent's purse.
    event AccountCreated(uint256 indexed agentId, address account);

    /// @notice Creates the account of an agent, or returns the one there is. Anyone may call it.
    /// @param agentId Token of the agent at the identity registry, from 1.
    /// @return account The agent's purse.
    function create(uint256 agentId) external returns (address account);
    /// @notice Where the agent's account is or will be.
    /// @param agentId Token of the agent at the identity registry, from 1.
    /// @return The account; zero if there is none.
    function accountOf(uint256 agentId) external view returns (address);
    /// @notice The agent of an account made here; 0 for any other address. Ids start at 1.
    /// @param account A purse.
    /// @return The agent; zero if it is no account of one.
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

    /// @notice The owner set what a key may spend.
    /// @param key Key that spends.
    /// @param cap The most in a period, wei.
    /// @param period Seconds.
    /// @param keyExpiry Unix second until which the key may spend.
    event LimitsSet(address indexed key, uint128 cap, uint32 period, uint64 keyExpiry);
    /// @notice A gateway was allowed, or is not any more.
    /// @param gateway Gateway that the key can, or can no longer, buy from.
    /// @param allowed Whether it can from now on.
    event GatewaySet(address indexed gateway, bool allowed);
    /// @notice The key authorised a gateway.
    /// @param gateway Who was authorised.
    /// @param amount By how much more, wei.
    /// @param spentInPeriod What the key has spent in this period, wei.
    event Spent(address indexed gateway, uint128 amount, uint128 spentInPeriod);
    /// @notice The rest went back to the owner.
    /// @param to Who was paid.
    /// @param amount Wei.
    event Recovered(address indexed to, uint256 amount);

    /// @notice Only who may act for the agent.
    /// @param caller Who tried to.
    error AgentAccount_NotOwner(address caller);
    /// @notice Only the key, and only until it expires.
    /// @param caller Who tried to.
    error AgentAccount_NotKey(address caller);
    /// @notice The owner has not allowed this gateway.
    /// @param gateway Gateway that is not on the owner's list.
    error AgentAccount_GatewayRefused(address gateway);
    /// @notice The period has room for `left` wei.
    /// @param left What is left of the period's cap, wei.
    /// @param amount What was asked for, wei.
    error AgentAccount_CapExceeded(uint128 left, uint128 amount);
    /// @notice A period is at least an hour.
    /// @param period What was asked for, seconds.
    /// @param min The least that is allowed.
    error AgentAccount_PeriodTooShort(uint32 period, uint32 min);

    /// @notice Names the key and its limits; only the owner. What was spent in the running period stays spent.
    /// @param limits Key, cap, period and expiry.
    function setLimits(Limits calldata limits) external;
    /// @notice Allows or forbids a gateway; only the owner.
    /// @param gateway Gateway that the key can, or can no longer, buy from.
    /// @param allowed Whether it can from now on.
    function setGateway(address gateway, bool allowed) external;
    /// @notice Authorises a gateway in the escrow up to `cap` until `expiry`, with the key as signer of vouchers. What it
    /// newly locks counts against the period's cap. Only the key.
    /// @param gateway Gateway on the owner's list.
    /// @param cap Cap of the authorisation, wei; what it adds counts against the period's cap.
    /// @param expiry Unix second until which it holds.
    function authorize(address gateway, uint128 cap, uint64 expiry) external;
    /// @notice Pays free balance in the escrow and what the account holds to `to`; only the owner. What is authorised comes
    /// back after its expiry.
    /// @param to Who is paid.
    /// @return amount What was recovered, wei.
    function recover(address payable to) external returns (uint256 amount);

    /// @notice The agent that this is the account of.
    /// @return Token of the agent, fixed when the purse was made.
    function agentId() external view returns (uint256);
    /// @notice What the key may spend.
    /// @return Key, cap, period and expiry.
    function limits() external view returns (Limits memory);
    /// @notice Whether the key may buy from a gateway.
    /// @param gateway Gateway to ask about.
    /// @return Whether the key can buy from it.
    function isAllowed(address gateway) external view returns (bool);
    /// @notice What the key can still lock in the running period, wei.
    /// @return Wei that the key can still authorise in this period.
    function leftInPeriod() external view returns (uint128);
}
