// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {stdJson} from "forge-std/StdJson.sol";

import {IAdmission} from "../../../src/interfaces/IAdmission.sol";
import {IAttributionSettlement} from "../../../src/interfaces/IAttributionSettlement.sol";
import {IInferenceEscrow} from "../../../src/interfaces/IInferenceEscrow.sol";
import {DatanetRegistry} from "../../../src/l2/DatanetRegistry.sol";
import {InferenceEscrow} from "../../../src/l2/InferenceEscrow.sol";
import {ModelRegistry} from "../../../src/l2/ModelRegistry.sol";
import {Errors} from "../../../src/libraries/Errors.sol";
import {EconomyTest} from "../../utils/EconomyTest.sol";

/// @notice Who may call what. Every function of the economy contracts has a row, and a contract that gains or loses a
/// function fails here until its row is written. Rows with a role are also called as somebody else.
contract EconomyAccessTest is EconomyTest {
    using stdJson for string;

    enum Who {
        /// Reads only.
        View,
        /// Open to all: acts on the sender's own account, or does the same whoever sends it.
        Anyone,
        /// The owner of the record named in the call.
        RecordOwner,
        /// Owner or curator of the Datanet.
        Curator,
        /// Who committed the contribution.
        Contributor,
        /// The module that the Datanet handed admission to.
        Admission,
        /// The gateway that the voucher names.
        Gateway,
        /// The owner of the contract: governance.
        Governance,
        /// The dispute contract.
        Dispute,
        /// The contract of disputes about records.
        Records
    }

    struct Row {
        string signature;
        Who who;
        /// For a role: the call, made as a stranger, and the error it must meet.
        bytes call;
        bytes4 refusal;
    }

    string private constant REVEAL = "(bytes32,bytes32,uint32,uint32,bytes32,bytes32,uint256[],string,bytes32)";
    string private constant POST =
        "(uint64,address,bytes32,bytes32,uint64,uint32,bytes32,uint128,(uint256,uint128,uint128)[],(uint256,uint128)[])";
    string private constant LEAF = "(uint256,address,uint128,uint256,(bytes32,uint128)[])";
    string private constant SLOT = "(bool,uint256,address,uint128,uint256,(bytes32,uint128)[])";

    Row[] private rows;

    function reads(string memory signature) private {
        rows.push(Row(signature, Who.View, "", 0));
    }

    function open(string memory signature) private {
        rows.push(Row(signature, Who.Anyone, "", 0));
    }

    function only(Who who, string memory signature, bytes memory call, bytes4 refusal) private {
        rows.push(Row(signature, who, call, refusal));
    }

    function test_DatanetRegistry() external {
        uint256 datanetId = createDatanet();
        uint256 committed = commitAs(alice, datanetId, document(1));
        uint256 revealed = contribute(alice, datanetId, 2);
        accept(contribute(alice, datanetId, 3));

        reads("ACCEPT_BATCH_MAX()");
        reads("CURATORS_MAX()");
        reads("EDGES_MAX()");
        reads("LICENCE_LENGTH_MAX()");
        reads("NAME_LENGTH_MAX()");
        reads("REVEAL_WINDOW_MAX()");
        reads("REVEAL_WINDOW_MIN()");
        reads("TEXT_LENGTH_MAX()");
        reads("acceptedCount(uint256)");
        reads("admissionOf(uint256)");
        reads(string.concat("commitmentOf(uint256,address,", REVEAL, ")"));
        reads("contribution(uint256)");
        reads("contributionCount()");
        reads("contributionsRoot(uint256)");
        reads("credit(address)");
        reads("datanet(uint256)");
        reads("datanetCount()");
        reads("isCurator(uint256,address)");
        reads("leafOf(uint256)");
        reads("licenceOf(uint256)");
        reads("licenceTermsOf(uint256)");
        reads("ownerOf(uint256)");
        reads("sink()");
        reads("version(uint256,uint32)");
        reads("versionCount(uint256)");
        open("commit(uint256,bytes32)");
        open("createDatanet((string,string,bytes32,bytes32,uint96,uint32,address[]))");
        open("expire(uint256)");
        open("withdraw(address)");
        bytes4 refusal = Errors.DatanetRegistry_NotCurator.selector;
        only(Who.Curator, "accept(uint256[])", abi.encodeCall(datanets.accept, (one(revealed))), refusal);
        only(Who.Curator, "reject(uint256,string)", abi.encodeCall(datanets.reject, (revealed, "")), refusal);
        only(
            Who.Curator,
            "publishVersion(uint256,bytes32)",
            abi.encodeCall(datanets.publishVersion, (datanetId, "clusters")),
            refusal
        );
        only(
            Who.RecordOwner,
            "setCurator(uint256,address,bool)",
            abi.encodeCall(datanets.setCurator, (datanetId, mallory, true)),
            Errors.DatanetRegistry_NotOwner.selector
        );
        only(
            Who.RecordOwner,
            "setAdmission(uint256,address)",
            abi.encodeCall(datanets.setAdmission, (datanetId, IAdmission(mallory))),
            Errors.DatanetRegistry_NotOwner.selector
        );
        only(
            Who.Admission,
            "rejectForFault(uint256,address,string)",
            abi.encodeCall(datanets.rejectForFault, (revealed, mallory, "")),
            Errors.DatanetRegistry_NotAdmission.selector
        );
        refusal = Errors.DatanetRegistry_NotContributor.selector;
        only(
            Who.Contributor,
            string.concat("reveal(uint256,", REVEAL, ")"),
            abi.encodeCall(datanets.reveal, (committed, document(1))),
            refusal
        );
        only(Who.Contributor, "tombstone(uint256)", abi.encodeCall(datanets.tombstone, (revealed)), refusal);
        check("DatanetRegistry", address(datanets));
        // A curator is not the owner.
        vm.expectRevert(abi.encodeWithSelector(Errors.DatanetRegistry_NotOwner.selector, datanetId, curator));
        vm.prank(curator);
        datanets.setCurator(datanetId, mallory, true);
    }

    function test_ModelRegistry() external {
        uint256 modelId = registerModel(modelParams("m"));
        reads("ADAPTERS_MAX()");
        reads("BPS_ONE()");
        reads("CHUNKS_MAX()");
        reads("CONTRIBUTORS_BPS_MIN()");
        reads("DATANETS_EFFECTIVE_MAX()");
        reads("DATANETS_MAX()");
        reads("LINEAGE_MAX()");
        reads("NAME_LENGTH_MAX()");
        reads("datanets()");
        reads("datanetsOf(uint256)");
        reads("firstUnused(uint256[],uint256[])");
        reads("lineage(uint256)");
        reads("ANCESTORS_MAX()");
        reads("LICENCE_LENGTH_MAX()");
        reads("ROYALTIES_MAX()");
        reads("ROYALTY_BPS_MAX()");
        reads("SOURCES_MAX()");
        reads("royaltiesOf(uint256)");
        reads("model(uint256)");
        reads("modelCount()");
        reads("modelIdByName(string)");
        reads("splitOf(uint256)");
        reads("usesDatanet(uint256,uint256)");
        open(
            "registerModel((string,(uint256,uint16)[],bytes32,(bytes32,uint16)[],(uint256,uint32)[],bytes32,bytes32,bytes32,bytes32,bytes32,uint8,uint96,uint96,(uint16,uint16,uint16),address,uint16,string))"
        );
        bytes4 refusal = Errors.ModelRegistry_NotOwner.selector;
        only(Who.RecordOwner, "retire(uint256)", abi.encodeCall(models.retire, (modelId)), refusal);
        only(
            Who.RecordOwner,
            "setPrices(uint256,uint96,uint96)",
            abi.encodeCall(models.setPrices, (modelId, 0, 0)),
            refusal
        );
        check("ModelRegistry", address(models));
    }

    function test_InferenceEscrow() external {
        reads("AUTHORIZATION_MAX()");
        reads("VOUCHERS_MAX()");
        reads("authorization(address,address)");
        reads("balanceOf(address)");
        reads("eip712Domain()");
        reads("hashVoucher((address,address,uint64,uint128))");
        reads("settlement()");
        reads("totalHeld()");
        open("authorize(address,address,uint128,uint64)");
        open("deposit(address)");
        open("release(address,address)");
        open("withdraw(address,uint256)");
        deposit(customer, 1 ether);
        authorize(1 ether, uint64(vm.getBlockTimestamp() + 1));
        IInferenceEscrow.Voucher[] memory vouchers = new IInferenceEscrow.Voucher[](1);
        vouchers[0] = voucher(1, 1 ether);
        bytes[] memory signatures = new bytes[](1);
        signatures[0] = signVoucher(vouchers[0], customerKey);
        only(
            Who.Gateway,
            "redeem((address,address,uint64,uint128)[],bytes[])",
            abi.encodeCall(escrow.redeem, (vouchers, signatures)),
            Errors.InferenceEscrow_NotGateway.selector
        );
        check("InferenceEscrow", address(escrow));
    }

    function test_AttributionSettlement() external {
        reads("BURN()");
        reads("CHALLENGE_WINDOW_MAX()");
        reads("ENGINES_MAX()");
        reads("MODELS_MAX()");
        reads("PLATFORM_BPS_MAX()");
        reads("POOLS_MAX()");
        reads("challengeWindowMin()");
        reads("claimedFromPool(uint256)");
        reads("claimedOf(uint256,address)");
        reads("promised()");
        reads("containsReceipt(uint64,bytes32,bytes32,uint64,bytes32[])");
        reads("credit(address)");
        reads("dispute()");
        reads("eip712Domain()");
        reads("engineCount()");
        reads("epoch(uint64)");
        reads("fundsOf(address)");
        reads("hashOrder((uint256,address,uint128,address,uint128,uint64))");
        reads(string.concat("hashPost(", POST, ")"));
        reads(
            "hashReceipt((uint64,uint256,address,address,bytes32,bytes32,uint32,uint32,uint128,uint64,bytes32,bytes32,bytes32))"
        );
        reads("isEngine(address)");
        reads("lastActivated()");
        reads("models()");
        reads("nextEpochId()");
        reads("nextReceiptOf(address)");
        reads("owner()");
        reads("parameters()");
        reads("pendingOwner()");
        reads("platformBpsOf(uint64)");
        reads("poolFunded(uint256)");
        reads("previewClaim(uint256,address,uint128,uint256,(bytes32,uint128)[])");
        reads("setAsideOf(uint256,address)");
        reads("unclaimed()");
        reads("bondFor(uint128)");
        open("claim(uint256,address,uint128,uint256,(bytes32,uint128)[])");
        // The account's signature decides, not the sender.
        only(
            Who.Anyone,
            "claimFor((uint256,address,uint128,address,uint128,uint64),bytes,uint256,(bytes32,uint128)[])",
            abi.encodeCall(
                settlement.claimFor,
                (
                    IAttributionSettlement.ClaimOrder(1, alice, 1, mallory, 0, type(uint64).max),
                    "",
                    0,
                    new IAttributionSettlement.ProofNode[](0)
                )
            ),
            Errors.AttributionSettlement_OrderInvalid.selector
        );
        open("fund(address)");
        open(string.concat("activate(", POST, ")"));
        // The signatures decide, not the sender.
        open(string.concat("postEpoch(", POST, ",bytes[])"));
        open("withdraw(address)");
        open("skim(uint256[])");
        only(
            Who.Dispute,
            "rejectEpoch(uint64,address,string)",
            abi.encodeCall(settlement.rejectEpoch, (1, mallory, "")),
            Errors.AttributionSettlement_NotDispute.selector
        );
        bytes4 refusal = Ownable.OwnableUnauthorizedAccount.selector;
        only(Who.Governance, "setEngine(address,bool)", abi.encodeCall(settlement.setEngine, (mallory, true)), refusal);
        only(
            Who.Governance,
            "setParameters((uint16,uint8,uint32,uint128,address,address,address))",
            abi.encodeCall(settlement.setParameters, (defaultParameters())),
            refusal
        );
        only(
            Who.Governance,
            "transferOwnership(address)",
            abi.encodeCall(settlement.transferOwnership, (mallory)),
            refusal
        );
        only(Who.Governance, "renounceOwnership()", abi.encodeCall(settlement.renounceOwnership, ()), refusal);
        only(Who.Governance, "acceptOwnership()", abi.encodeCall(settlement.acceptOwnership, ()), refusal);
        check("AttributionSettlement", address(settlement));
    }

    function test_AttributionDispute() external {
        reads("settlement()");
        // The exhibits decide, not the sender.
        open(string.concat("disputeDecrease(uint64,", LEAF, ",", LEAF, ")"));
        open(string.concat("disputeOmission(uint64,", LEAF, ",", SLOT, "[])"));
        open(string.concat("disputeOrder(uint64,", SLOT, ",", SLOT, ")"));
        open(string.concat("disputeOverpromise(", POST, ",", LEAF, ",", LEAF, ")"));
        reads("RECORDS()");
        reads(string.concat("factDecrease(uint64,", LEAF, ",", LEAF, ")"));
        reads(string.concat("factOmission(uint64,", LEAF, ",", SLOT, "[])"));
        reads(string.concat("factOrder(uint64,", SLOT, ",", SLOT, ")"));
        reads(string.concat("factOverpromise(", POST, ",", LEAF, ",", LEAF, ")"));
        only(
            Who.Records,
            "uphold(uint64,address,string)",
            abi.encodeCall(dispute.uphold, (1, mallory, "")),
            Errors.AttributionDispute_NotRecords.selector
        );
        check("AttributionDispute", address(dispute));
    }

    /// @dev Governance holds every power it has over the settlement and still takes nothing out of it.
    function test_GovernanceMovesNoFunds() external {
        uint256 datanetId = publishedDatanet();
        uint256 modelId = registerModel(modelParams("m", datanetId));
        fund(gateway, 2 ether);
        earn(datanetId, alice, 0.4 ether);
        settle(onePool(modelId, 1 ether, datanetId, 0.4 ether));
        IAttributionSettlement.Parameters memory p = defaultParameters();
        (p.platform, p.stakers, p.sink, p.platformBps) = (governance, governance, governance, 1_500);
        vm.startPrank(governance);
        settlement.setParameters(p);
        settlement.setEngine(governance, true);
        vm.expectRevert(abi.encodeWithSelector(Errors.NothingToWithdraw.selector, governance));
        settlement.withdraw(payable(governance));
        vm.stopPrank();
        assertEq(settlement.credit(platform), 0.05 ether);
        assertEq(claimFor(datanetId, alice), 0.4 ether);
    }

    function test_RevertWhen_ConstructedWithoutAddresses() external {
        vm.expectRevert(Errors.ZeroAddress.selector);
        new DatanetRegistry(address(0));
        vm.expectRevert(Errors.ZeroAddress.selector);
        new ModelRegistry(DatanetRegistry(address(0)));
        vm.expectRevert(Errors.ZeroAddress.selector);
        new InferenceEscrow(IAttributionSettlement(address(0)));
    }

    function check(string memory name, address target) private {
        string memory json = vm.readFile(string.concat("contracts/out/", name, ".sol/", name, ".json"));
        string[] memory signatures = vm.parseJsonKeys(json, ".methodIdentifiers");
        for (uint256 i; i < signatures.length; ++i) {
            bool found;
            for (uint256 j; j < rows.length && !found; ++j) {
                found = keccak256(bytes(rows[j].signature)) == keccak256(bytes(signatures[i]));
            }
            assertTrue(found, string.concat(name, " has no row for ", signatures[i]));
        }
        assertEq(rows.length, signatures.length, string.concat(name, " has a row too many"));
        for (uint256 i; i < rows.length; ++i) {
            if (rows[i].refusal == 0) continue;
            assertEq(bytes4(rows[i].call), bytes4(keccak256(bytes(rows[i].signature))), rows[i].signature);
            vm.prank(mallory);
            (bool ok, bytes memory reason) = target.call(rows[i].call);
            assertFalse(ok, rows[i].signature);
            assertEq(bytes4(reason), rows[i].refusal, rows[i].signature);
        }
    }
}
