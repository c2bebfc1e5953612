// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @title EconomyStore
/// @notice What happened, as the people in the handler saw it: the other side of every invariant.
contract EconomyStore {
    struct Commitment {
        uint256 id;
        uint256 datanetId;
        address contributor;
        uint256 seed;
    }

    struct Publication {
        uint256 datanetId;
        uint32 number;
        uint32 count;
        bytes32 root;
    }

    /// Everybody who may hold a balance somewhere.
    address[] public customers;
    address[] public gateways;
    address[] public contributors;
    address[] public payees;
    uint256[] public datanetIds;

    /// In the order in which they were made.
    Commitment[] public commitments;
    Publication[] public publications;
    mapping(uint256 datanetId => bytes32[]) private _accepted;

    /// Wei that people sent to the contracts, and wei that arrived with people.
    uint256 public paidIn;
    uint256 public paidOut;
    uint256 public redeemed;
    uint256 public fees;
    uint256 public attributed;
    uint256 public burned;
    /// Forced on the settlement and not skimmed.
    uint256 public forced;

    mapping(uint256 datanetId => mapping(address => uint256)) public earned;
    mapping(uint256 datanetId => mapping(address => uint256)) public paid;
    mapping(address gateway => uint256) public receipts;

    uint256 public liesPosted;
    uint256 public liesRejected;
    uint256 public liesActivated;
    uint256 public epochsActivated;
    mapping(bytes32 action => uint256) public calls;

    function addPeople(
        address[] calldata customers_,
        address[] calldata gateways_,
        address[] calldata contributors_,
        address[] calldata payees_
    ) external {
        customers = customers_;
        gateways = gateways_;
        contributors = contributors_;
        payees = payees_;
    }

    function addDatanet(uint256 id) external {
        datanetIds.push(id);
    }

    function addCommitment(uint256 id, uint256 datanetId, address contributor, uint256 seed) external {
        commitments.push(Commitment(id, datanetId, contributor, seed));
    }

    function addAccepted(uint256 datanetId, bytes32 leaf) external {
        _accepted[datanetId].push(leaf);
    }

    function addPublication(uint256 datanetId, uint32 number, uint32 count, bytes32 root) external {
        publications.push(Publication(datanetId, number, count, root));
    }

    function addIn(uint256 amount) external {
        paidIn += amount;
    }

    function addOut(uint256 amount) external {
        paidOut += amount;
    }

    function addForced(uint256 amount) external {
        forced += amount;
    }

    function subForced(uint256 amount) external {
        forced -= amount;
    }

    function addRedeemed(uint256 amount) external {
        redeemed += amount;
    }

    function addBurned(uint256 amount) external {
        burned += amount;
        paidOut += amount;
    }

    function addEarned(uint256 datanetId, address account, uint256 amount) external {
        earned[datanetId][account] += amount;
    }

    function addPaid(uint256 datanetId, address account, uint256 amount) external {
        paid[datanetId][account] += amount;
        paidOut += amount;
    }

    function addEpoch(address gateway, uint256 receiptCount, uint256 fees_, uint256 attributed_) external {
        ++epochsActivated;
        receipts[gateway] += receiptCount;
        fees += fees_;
        attributed += attributed_;
    }

    function addLie(bool posted, bool rejected) external {
        if (posted) ++liesPosted;
        else if (rejected) ++liesRejected;
        else ++liesActivated;
    }

    function addCall(bytes32 action) external {
        ++calls[action];
    }

    function accepted(uint256 datanetId) external view returns (bytes32[] memory) {
        return _accepted[datanetId];
    }

    function people() external view returns (address[] memory, address[] memory, address[] memory, address[] memory) {
        return (customers, gateways, contributors, payees);
    }

    function datanets() external view returns (uint256[] memory) {
        return datanetIds;
    }

    function commitmentCount() external view returns (uint256) {
        return commitments.length;
    }

    function publicationCount() external view returns (uint256) {
        return publications.length;
    }
}
