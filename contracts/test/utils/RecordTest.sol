// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IAttributionSettlement} from "../../src/interfaces/IAttributionSettlement.sol";
import {IDatanetRegistry} from "../../src/interfaces/IDatanetRegistry.sol";
import {IModelRegistry} from "../../src/interfaces/IModelRegistry.sol";
import {IRecordTypes} from "../../src/interfaces/IRecordTypes.sol";
import {EpochDisclosure} from "../../src/l2/EpochDisclosure.sol";
import {RecordDispute} from "../../src/l2/RecordDispute.sol";
import {RecordFacts} from "../../src/l2/RecordFacts.sol";
import {SurpriseFacts} from "../../src/l2/SurpriseFacts.sol";
import {Batches} from "../../src/libraries/Batches.sol";
import {Merkle} from "../../src/libraries/Merkle.sol";
import {AdmissionTest} from "./AdmissionTest.sol";
import {PlainTree} from "./PlainTree.sol";
import {SparseTree} from "./SparseTree.sol";
import {SumTree} from "./SumTree.sol";

/// @title RecordTest
/// @notice Epochs with real receipts, records and payments under their roots, and what disputes about them exhibit. Fees
/// are 1 OPEN a receipt; every honest record pays the founder of one cluster an eighth of the receipt's pool.
abstract contract RecordTest is AdmissionTest {
    RecordDispute internal constant records = RecordDispute(payable(0x4f50454e00000000000000000000000000000014));
    RecordFacts internal constant facts = RecordFacts(0x4f50454E00000000000000000000000000000015);
    SurpriseFacts internal constant surpriseFacts = SurpriseFacts(0x4f50454e00000000000000000000000000000017);
    EpochDisclosure internal constant disclosure = EpochDisclosure(0x4F50454e00000000000000000000000000000016);

    uint128 internal constant RECEIPT_FEE = 1 ether;
    /// 95 % of the fee, of that half, of that an eighth.
    uint128 internal constant PAYMENT = 0.059375 ether;
    string internal constant ALICE_TEXT = "so it begins alpha beta gamma delta epsilon zeta eta theta and ends\n";
    string internal constant BOB_TEXT = "another document of bob's: alpha beta gamma delta epsilon zeta eta theta\n";
    string internal constant CAROL_TEXT = "nothing of the kind is in here, at all\n";

    uint256 internal constant CHUNK = 1_024;

    struct Call {
        IAttributionSettlement.InferenceReceipt receipt;
        IRecordTypes.Record record;
    }

    /// Of the tree of surprises; place by place, as long as the vocabulary.
    uint64 internal floorQ16 = 100_000;
    uint64[] internal surpriseValues;

    bytes[] internal vocabulary;
    IRecordTypes.Request internal request;
    IRecordTypes.Response internal response;
    uint256 internal net;
    uint256 internal modelOf;
    uint256 internal aliceId;
    uint256 internal bobId;
    uint256 internal carolId;
    address internal immutable carol = makeAddr("carol");

    /// The epoch in the making.
    Call[] internal calls;
    IRecordTypes.Payment[] internal payments;

    function setUp() public virtual override {
        super.setUp();
        string[9] memory words =
            [" alpha", " beta", " gamma", " delta", " epsilon", " zeta", " eta", " theta", " omega"];
        bytes32[] memory items = new bytes32[](9);
        for (uint256 i; i < 9; ++i) {
            vocabulary.push(bytes(words[i]));
            items[i] = keccak256(vocabulary[i]);
            // Eight have as much as a record's span, all nine as the answer (`addCall`).
            surpriseValues.push(i < 8 ? 75_000 : 3_400_000);
        }
        IRecordTypes.Spec memory spec = IRecordTypes.Spec(SPEC, 250_000_000, 6, 64, PlainTree.rootOf(items), 9);
        deployFacts(spec);
        deployCodeTo(
            "RecordDispute.sol:RecordDispute",
            abi.encode(dispute, facts, surpriseFacts, disclosure, settlement, models, datanets, spec, uint32(1 hours)),
            address(records)
        );
        deployCodeTo(
            "EpochDisclosure.sol:EpochDisclosure", abi.encode(settlement, records, models), address(disclosure)
        );
        response.version = 1;
        for (uint16 i; i < 9; ++i) {
            response.tokens.push(i);
        }
        response.text = " alpha beta gamma delta epsilon zeta eta theta omega";
        request.version = 1;
        request.messages.push(IRecordTypes.Message("user", "what comes after alpha beta"));

        net = createDatanet();
        aliceId = contributeText(alice, ALICE_TEXT, 1);
        bobId = contributeText(bob, BOB_TEXT, 2);
        carolId = contributeText(carol, CAROL_TEXT, 3);
        accept(aliceId);
        accept(bobId);
        accept(carolId);
        // Bob's is near alice's.
        (bytes32 root,) = PlainTree.fold(clusterMap(), 0);
        vm.prank(curator);
        datanets.publishVersion(net, root);
        IModelRegistry.ModelParams memory params = corpusParams("m");
        params.sketchRoot = influenceRoot();
        modelOf = registerModel(params);
        fund(gateway, 1_000 ether);
    }

    function deployFacts(IRecordTypes.Spec memory spec) internal {
        bytes memory arguments = abi.encode(settlement, models, datanets, challenges, spec);
        deployCodeTo("RecordFacts.sol:RecordFacts", arguments, address(facts));
        deployCodeTo("SurpriseFacts.sol:SurpriseFacts", arguments, address(surpriseFacts));
    }

    /// @dev A model over the Datanet's version, with the roots of what that makes.
    function corpusParams(string memory name) internal view returns (IModelRegistry.ModelParams memory params) {
        params = modelParams(name, net);
        params.surpriseRoot = surpriseRoot();
        (params.clusterMapRoot,) = PlainTree.fold(clusterMap(), 0);
    }

    function clusterMap() internal view returns (bytes[] memory leaves) {
        leaves = new bytes[](3);
        leaves[0] = abi.encode(aliceId, aliceId);
        leaves[1] = abi.encode(bobId, aliceId);
        leaves[2] = abi.encode(carolId, carolId);
    }

    function contributeText(address who, string memory text, uint256 seed) internal returns (uint256) {
        IDatanetRegistry.Reveal memory r = document(seed);
        r.contentHash = keccak256(bytes(text));
        bytes[] memory chunks = chunksOf(text);
        (r.chunkRoot,) = PlainTree.fold(chunks, 0);
        r.chunkCount = uint32(chunks.length);
        r.sketchHash = keccak256(sketchOf(seed == 3 ? 3 : 1, seed, 100));
        return contributeReveal(who, net, r);
    }

    /// @dev Chunks may be cut anywhere.
    function chunksOf(string memory text) internal pure returns (bytes[] memory chunks) {
        bytes memory all = bytes(text);
        chunks = new bytes[]((all.length + CHUNK - 1) / CHUNK);
        for (uint256 i; i < chunks.length; ++i) {
            uint256 from = i * CHUNK;
            uint256 length = all.length - from < CHUNK ? all.length - from : CHUNK;
            chunks[i] = new bytes(length);
            for (uint256 j; j < length; ++j) {
                chunks[i][j] = all[from + j];
            }
        }
    }

    /// @dev `count` chunks of a text from `first` on.
    function excerptOf(string memory text, uint32 first, uint256 count)
        internal
        pure
        returns (IRecordTypes.Excerpt memory e)
    {
        bytes[] memory chunks = chunksOf(text);
        (e.first, e.chunks, e.proofs) = (first, new bytes[](count), new bytes32[][](count));
        for (uint256 i; i < count; ++i) {
            e.chunks[i] = chunks[first + i];
            (, e.proofs[i]) = PlainTree.fold(chunks, first + i);
        }
    }

    /// @dev All of a text.
    function excerptOf(string memory text) internal pure returns (IRecordTypes.Excerpt memory) {
        return excerptOf(text, 0, chunksOf(text).length);
    }

    /// @dev Four rows of 512 dimensions.
    function influenceRow(uint256 row) internal pure returns (bytes memory sketch) {
        for (uint256 i; i < 16; ++i) {
            sketch = bytes.concat(sketch, keccak256(abi.encode("row", row, i)));
        }
    }

    function influenceRoot() internal pure returns (bytes32) {
        return PlainTree.rootOf(influenceItems());
    }

    function influenceItems() internal pure returns (bytes32[] memory items) {
        items = new bytes32[](4);
        for (uint256 i; i < 4; ++i) {
            items[i] = keccak256(influenceRow(i));
        }
    }

    /*//////////////////////////////////////////////////////////////////////////
                                        EPOCHS
    //////////////////////////////////////////////////////////////////////////*/

    /// @dev Adds a receipt whose whole answer but its last token comes from `documentId`.
    function addCall(uint256 documentId, uint256 clusterId, address payee_) internal {
        Call storage c = calls.push();
        c.receipt.number = settlement.nextReceiptOf(gateway) + uint64(calls.length - 1);
        c.receipt.modelId = modelOf;
        c.receipt.customer = customer;
        c.receipt.gateway = gateway;
        c.receipt.requestHash = keccak256(abi.encode(request));
        c.receipt.responseHash = keccak256(abi.encode(response));
        c.receipt.fee = RECEIPT_FEE;
        c.receipt.engineSpecHash = SPEC;
        (bytes32 receiptHash,) = settlement.hashReceipt(c.receipt);
        c.record.version = 4;
        c.record.receiptHash = receiptHash;
        c.record.engineSpecHash = SPEC;
        c.record.answerTokens = 9;
        c.record.totalSurpriseQ16 = 4_000_000;
        c.record.floorQ16 = 100_000;
        c.record.spans.push(IRecordTypes.Span(0, 8, documentId, clusterId, 3, 600_000, 500_000));
        (uint256 founder,) = Batches.split(clusterId);
        c.record.weights.push(IRecordTypes.Weight(founder, net, payee_, 500_000, 125_000_000));
        c.record.residual = 875_000_000;
    }

    function honest(uint256 count) internal {
        for (uint256 i; i < count; ++i) {
            addCall(aliceId, aliceId, alice);
        }
    }

    function pay(address account, uint64 receipt, uint128 amount) internal {
        uint256 i = payments.length;
        payments.push();
        for (; i != 0; --i) {
            IRecordTypes.Payment storage b = payments[i - 1];
            if (b.account < account || (b.account == account && b.receipt < receipt)) break;
            (payments[i].datanetId, payments[i].account) = (b.datanetId, b.account);
            (payments[i].receipt, payments[i].amount) = (b.receipt, b.amount);
        }
        (payments[i].datanetId, payments[i].account) = (net, account);
        (payments[i].receipt, payments[i].amount) = (receipt, amount);
    }

    function payHonest() internal {
        for (uint256 i; i < calls.length; ++i) {
            pay(calls[i].record.weights[0].payee, calls[i].receipt.number, PAYMENT);
        }
    }

    /// @dev Posts the calls as the next epoch, with `claims` as they are; the pool is what claims grew by.
    function postCalls() internal returns (IAttributionSettlement.EpochPost memory post) {
        (, uint128 total) = SumTree.rootOf(claims);
        uint128 promised = settlement.promised();
        post = onePool(modelOf, uint128(calls.length) * RECEIPT_FEE, net, total - promised);
        post.receiptCount = uint32(calls.length);
        post.receiptsRoot = PlainTree.rootOf(receiptItems());
        postEpoch(post);
    }

    function receiptItems() internal view returns (bytes32[] memory items) {
        items = new bytes32[](calls.length);
        for (uint256 i; i < calls.length; ++i) {
            (bytes32 receiptHash,) = settlement.hashReceipt(calls[i].receipt);
            items[i] = keccak256(abi.encode(receiptHash, keccak256(abi.encode(calls[i].record))));
        }
    }

    function opened(uint256 i) internal view returns (IRecordTypes.Opened memory o) {
        o.epochId = settlement.nextEpochId() - 1;
        o.receipt = calls[i].receipt;
        (, o.proof) = PlainTree.fold(receiptItems(), i);
    }

    function record(uint256 i) internal view returns (IRecordTypes.Record memory) {
        return calls[i].record;
    }

    function member(uint256 id, uint256 index) internal view returns (IRecordTypes.Member memory) {
        return member(itemOf(id), index);
    }

    /// @dev With the place of the item's contribution in the version.
    function member(Batches.Item memory item, uint256 index) internal view returns (IRecordTypes.Member memory m) {
        bytes32[] memory leaves = new bytes32[](3);
        (leaves[0], leaves[1], leaves[2]) = (datanets.leafOf(aliceId), datanets.leafOf(bobId), datanets.leafOf(carolId));
        (m.item, m.index) = (item, index);
        (, m.proof) = PlainTree.fold(leaves, index);
    }

    function spelled(uint256 count) internal view returns (IRecordTypes.Tokens memory) {
        return spelled(0, count);
    }

    /// @dev Tokens of the answer, each once.
    function spelled(uint256 from, uint256 count) internal view returns (IRecordTypes.Tokens memory tokens) {
        bytes32[] memory items = new bytes32[](9);
        bool[] memory shown = new bool[](9);
        for (uint256 i; i < count; ++i) {
            shown[response.tokens[from + i]] = true;
        }
        uint256[] memory ids = new uint256[](9);
        uint256 used;
        for (uint256 i; i < 9; ++i) {
            items[i] = keccak256(vocabulary[i]);
            if (shown[i]) ids[used++] = i;
        }
        assembly ("memory-safe") {
            mstore(ids, used)
        }
        tokens.texts = new bytes[](used);
        for (uint256 i; i < used; ++i) {
            tokens.texts[i] = vocabulary[ids[i]];
        }
        (, tokens.proof) = PlainTree.foldMany(items, ids);
    }

    /// @dev Places of the tokens that the tree of surprises is made for.
    function surprisePlaces() internal view virtual returns (uint256[] memory places) {
        places = new uint256[](surpriseValues.length);
        for (uint256 i; i < places.length; ++i) {
            places[i] = i;
        }
    }

    function surpriseRoot() internal view returns (bytes32 root) {
        (root,) = surpriseTree(new bool[](surpriseValues.length + 1));
    }

    /// @dev Those of places that are `shown`; the floor, which is behind them, always is.
    function surpriseTree(bool[] memory shown) private view returns (bytes32 root, bytes32[] memory proof) {
        uint256[] memory some = surprisePlaces();
        uint256 count = some.length;
        uint256[] memory places = new uint256[](count + 1);
        bytes32[] memory leaves = new bytes32[](count + 1);
        for (uint256 i; i < count; ++i) {
            (places[i], leaves[i]) = (some[i], Merkle.hashLeaf(abi.encode(some[i], surpriseValues[i])));
        }
        (places[count], leaves[count]) = (65_536, Merkle.hashLeaf(abi.encode(65_536, floorQ16)));
        shown[count] = true;
        return SparseTree.fold(places, leaves, 65_537, shown);
    }

    /// @dev Of tokens of the answer, each once, with the floor.
    function surprisesOf(uint256 from, uint256 count) internal view returns (IRecordTypes.Surprises memory s) {
        uint256[] memory places = surprisePlaces();
        bool[] memory shown = new bool[](places.length + 1);
        uint64[] memory values = new uint64[](places.length);
        uint256 used;
        for (uint256 i; i < places.length; ++i) {
            for (uint256 j = from; j < from + count && !shown[i]; ++j) {
                shown[i] = response.tokens[j] == places[i];
            }
            if (shown[i]) values[used++] = surpriseValues[i];
        }
        assembly ("memory-safe") {
            mstore(values, used)
        }
        (s.values, s.floor) = (values, floorQ16);
        (, s.proof) = surpriseTree(shown);
    }

    /*//////////////////////////////////////////////////////////////////////////
                                       PAYMENTS
    //////////////////////////////////////////////////////////////////////////*/

    function paymentLeaves() internal view returns (IAttributionSettlement.ProofNode[] memory leaves) {
        uint256 width = 1;
        while (width < payments.length) width <<= 1;
        leaves = new IAttributionSettlement.ProofNode[](width);
        for (uint256 i; i < payments.length; ++i) {
            IRecordTypes.Payment storage p = payments[i];
            leaves[i].hash = keccak256(bytes.concat(keccak256(abi.encode(p.datanetId, p.account, p.receipt, p.amount))));
            leaves[i].sum = p.amount;
        }
    }

    function commitPayments() internal {
        (bytes32 root, uint128 total, IAttributionSettlement.ProofNode[] memory proof) =
            SumTree.fold(paymentLeaves(), 0);
        uint64 epochId = settlement.nextEpochId() - 1;
        uint8 claimsDepth;
        while (1 << claimsDepth < claims.length) ++claimsDepth;
        vm.prank(poster);
        records.commitPayments(epochId, root, total, uint8(proof.length), claimsDepth);
    }

    function payment(uint256 i) internal view returns (IRecordTypes.Payment memory p) {
        if (i < payments.length) p = payments[i];
        p.index = i;
        (,, p.proof) = SumTree.fold(paymentLeaves(), i);
    }

    function claimLeaf(address account) internal view returns (IRecordTypes.Claim memory c) {
        c.index = claimIndex(net, account);
        (c.datanetId, c.account, c.cumulative) = (net, account, claims[c.index].cumulative);
        c.proof = SumTree.proofOf(claims, c.index);
    }

    function list(IRecordTypes.Payment memory p) internal pure returns (IRecordTypes.Payment[] memory l) {
        l = new IRecordTypes.Payment[](1);
        l[0] = p;
    }

    /*//////////////////////////////////////////////////////////////////////////
                                      CHALLENGES
    //////////////////////////////////////////////////////////////////////////*/

    function commitAsChallenger(address who, bytes memory call) internal {
        uint64 epochId = settlement.nextEpochId() - 1;
        bytes32 commitment = records.commitmentOf(epochId, who, call, "salt");
        uint256 stake = records.STAKE();
        vm.deal(who, who.balance + stake);
        vm.prank(who);
        records.commitChallenge{value: stake}(epochId, commitment);
    }

    function revealAsChallenger(address who, bytes memory call) internal returns (uint256 gas) {
        uint64 epochId = settlement.nextEpochId() - 1;
        vm.prank(who);
        records.revealChallenge(epochId, call, "salt");
        return vm.lastCallGas().gasTotalUsed;
    }

    /// @dev A whole challenge by one watcher; returns the gas of the transaction that rejects.
    function prove(bytes memory call) internal returns (uint256 gas) {
        commitAsChallenger(bob, call);
        nextBlock();
        gas = revealAsChallenger(bob, call);
        IAttributionSettlement.Epoch memory e = settlement.epoch(settlement.nextEpochId() - 1);
        assertEq(uint8(e.status), uint8(IAttributionSettlement.EpochStatus.Rejected));
    }

    function expectNotShown(bytes memory call) internal {
        (bool ok,) = address(facts).staticcall(call);
        (bool also,) = address(records).staticcall(call);
        (bool too,) = address(surpriseFacts).staticcall(call);
        assertFalse(ok || also || too);
    }
}
