// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {stdJson} from "forge-std/StdJson.sol";

import {IAttributionSettlement} from "../../../src/interfaces/IAttributionSettlement.sol";
import {IDatanetRegistry} from "../../../src/interfaces/IDatanetRegistry.sol";
import {IInferenceEscrow} from "../../../src/interfaces/IInferenceEscrow.sol";
import {IInferencePayments} from "../../../src/interfaces/IInferencePayments.sol";
import {IModelRegistry} from "../../../src/interfaces/IModelRegistry.sol";
import {InferencePayments} from "../../../src/l2/payments/InferencePayments.sol";
import {WOPEN} from "../../../src/l2/predeploys/WOPEN.sol";
import {Merkle} from "../../../src/libraries/Merkle.sol";
import {MerkleFrontier} from "../../../src/libraries/MerkleFrontier.sol";
import {MerkleSum} from "../../../src/libraries/MerkleSum.sol";
import {EconomyTest} from "../../utils/EconomyTest.sol";
import {PlainTree} from "../../utils/PlainTree.sol";
import {SumTree} from "../../utils/SumTree.sol";

/// @notice The contracts reach the golden bytes of tests/vectors/economy.json.
contract EconomyVectorsTest is EconomyTest {
    using MerkleFrontier for MerkleFrontier.Frontier;
    using stdJson for string;

    string private json;
    MerkleFrontier.Frontier private frontier;

    function setUp() public override {
        super.setUp();
        json = vm.readFile("tests/vectors/economy.json");
    }

    function test_Addresses() public view {
        assertEq(block.chainid, json.readUint(".chain_id"));
        assertEq(address(datanets), json.readAddress(".contracts.DatanetRegistry"));
        assertEq(address(models), json.readAddress(".contracts.ModelRegistry"));
        assertEq(address(escrow), json.readAddress(".contracts.InferenceEscrow"));
        assertEq(address(settlement), json.readAddress(".contracts.AttributionSettlement"));
        assertEq(address(dispute), json.readAddress(".contracts.AttributionDispute"));
    }

    function test_Commitment() public view {
        IDatanetRegistry.Reveal memory r;
        r.contentHash = json.readBytes32(".commitment.content_hash");
        r.chunkRoot = json.readBytes32(".commitment.chunk_root");
        r.sketchHash = json.readBytes32(".commitment.sketch_hash");
        r.salt = json.readBytes32(".commitment.salt");
        bytes32 commitment = datanets.commitmentOf(
            json.readUint(".commitment.datanet_id"), json.readAddress(".commitment.contributor"), r
        );
        assertEq(commitment, json.readBytes32(".commitment.commitment"));
    }

    /// @dev The registry itself makes the leaves: contributions get the ids of the vectors, 3, 6, …, 15.
    function test_Contributions() public {
        uint256 datanetId = createDatanet();
        bytes32[] memory roots = json.readBytes32Array(".contributions.roots");
        assertEq(datanets.contributionsRoot(datanetId), roots[0]);
        for (uint256 i; i < 5; ++i) {
            string memory path = string.concat(".contributions.leaves[", vm.toString(i), "]");
            address who = json.readAddress(string.concat(path, ".contributor"));
            IDatanetRegistry.Reveal memory r = document(i);
            r.contentHash = json.readBytes32(string.concat(path, ".content_hash"));
            r.chunkRoot = json.readBytes32(string.concat(path, ".chunk_root"));
            // forge-lint: disable-next-line(unsafe-typecast)
            r.chunkCount = uint32(json.readUint(string.concat(path, ".chunk_count")));
            r.sketchHash = json.readBytes32(string.concat(path, ".sketch_hash"));
            commitAs(mallory, datanetId, r);
            commitAs(mallory, datanetId, r);
            uint256 id = commitAs(who, datanetId, r);
            assertEq(id, json.readUint(string.concat(path, ".contribution_id")));
            assertEq(datanets.contribution(id).sequence, json.readUint(string.concat(path, ".sequence")));
            nextBlock();
            revealAs(who, id, r);
            assertEq(datanets.leafOf(id), json.readBytes32(string.concat(path, ".leaf")));
            accept(id);
            assertEq(datanets.contributionsRoot(datanetId), roots[i + 1]);
        }
    }

    function test_PlainTrees() public {
        bytes32[] memory items = json.readBytes32Array(".merkle.items");
        for (uint256 count; count <= items.length; ++count) {
            string memory path = string.concat(".merkle.trees[", vm.toString(count), "]");
            bytes32 root = json.readBytes32(string.concat(path, ".root"));
            if (count != 0) frontier.append(Merkle.hashLeaf(items[count - 1]));
            assertEq(frontier.root(), root);
            bytes32[] memory some = new bytes32[](count);
            for (uint256 i; i < count; ++i) {
                some[i] = items[i];
            }
            assertEq(PlainTree.rootOf(some), root);
            for (uint256 i; i < count; ++i) {
                bytes32[] memory proof = json.readBytes32Array(string.concat(path, ".proofs[", vm.toString(i), "]"));
                assertTrue(this.verifyPlain(root, Merkle.hashLeaf(items[i]), i, count, proof));
            }
        }
    }

    function test_LeavesShownTogether() public view {
        string memory cases = vm.readFile("tests/vectors/together.json");
        bytes32[] memory items = cases.readBytes32Array(".items");
        uint256 i;
        for (; vm.keyExistsJson(cases, string.concat(".cases[", vm.toString(i), "]")); ++i) {
            string memory path = string.concat(".cases[", vm.toString(i), "]");
            uint256[] memory indices = cases.readUintArray(string.concat(path, ".indices"));
            bytes32[] memory some = new bytes32[](cases.readUint(string.concat(path, ".count")));
            for (uint256 j; j < some.length; ++j) {
                some[j] = items[j];
            }
            bytes32[] memory nodes = new bytes32[](indices.length);
            for (uint256 j; j < indices.length; ++j) {
                nodes[j] = Merkle.hashLeaf(items[indices[j]]);
            }
            bytes32[] memory proof = cases.readBytes32Array(string.concat(path, ".proof"));
            (bytes32 root, bytes32[] memory ours) = PlainTree.foldMany(some, indices);
            assertEq(ours, proof);
            assertTrue(this.verifyMany(root, nodes, indices, some.length, proof));
        }
        assertGt(i, 50);
    }

    /// @dev The registry works the debts out, the settlement pays them: every wei as in the vectors.
    function test_Royalties() public {
        uint256 count = 14;
        for (uint256 i = 1; i <= count; ++i) {
            string memory path = string.concat(".royalties.models[", vm.toString(i - 1), "]");
            IModelRegistry.ModelParams memory params = modelParams(string.concat("model-", vm.toString(i)));
            params.payee = json.readAddress(string.concat(path, ".payee"));
            // forge-lint: disable-next-line(unsafe-typecast)
            params.royaltyBps = uint16(json.readUint(string.concat(path, ".royalty_bps")));
            uint256[] memory sources = json.readUintArray(string.concat(path, ".sources"));
            uint256[] memory weights = json.readUintArray(string.concat(path, ".weights_bps"));
            params.sources = new IModelRegistry.Source[](sources.length);
            for (uint256 j; j < sources.length; ++j) {
                // forge-lint: disable-next-line(unsafe-typecast)
                params.sources[j] = IModelRegistry.Source(sources[j], uint16(weights[j]));
            }
            assertEq(registerModel(params), i);
            IModelRegistry.Royalty[] memory owed = models.royaltiesOf(i);
            uint256[] memory expected = json.readUintArray(string.concat(path, ".owed_bps"));
            assertEq(owed.length, expected.length);
            uint256[] memory to = json.readUintArray(string.concat(path, ".owed_to"));
            for (uint256 j; j < owed.length; ++j) {
                assertEq(owed[j].bps, expected[j]);
                assertEq(owed[j].modelId, to[j]);
                (, address ancestor) = models.splitOf(to[j]);
                assertEq(owed[j].payee, ancestor);
            }
        }
        for (uint256 i; i < 4; ++i) {
            string memory path = string.concat(".royalties.payments[", vm.toString(i), "]");
            uint256 modelId = json.readUint(string.concat(path, ".model"));
            // forge-lint: disable-next-line(unsafe-typecast)
            uint128 fees = uint128(json.readUint(string.concat(path, ".fees")));
            IModelRegistry.Royalty[] memory owed = models.royaltiesOf(modelId);
            (, address own) = models.splitOf(modelId);
            uint256[] memory before = new uint256[](owed.length);
            for (uint256 j; j < owed.length; ++j) {
                before[j] = settlement.credit(owed[j].payee);
            }
            uint256 ownBefore = settlement.credit(own);
            fund(gateway, fees);
            settle(onePool(modelId, fees, 0, 0));
            uint256[] memory amounts = json.readUintArray(string.concat(path, ".amounts"));
            for (uint256 j; j < owed.length; ++j) {
                assertEq(settlement.credit(owed[j].payee) - before[j], amounts[j]);
            }
            assertEq(settlement.credit(own) - ownBefore, json.readUint(string.concat(path, ".own")));
        }
    }

    function test_SumTrees() public view {
        SumTree.Claim[] memory all = new SumTree.Claim[](7);
        for (uint256 i; i < 7; ++i) {
            string memory path = string.concat(".merkle_sum.claims[", vm.toString(i), "]");
            all[i].datanetId = json.readUint(string.concat(path, ".datanet_id"));
            all[i].account = json.readAddress(string.concat(path, ".account"));
            // forge-lint: disable-next-line(unsafe-typecast)
            all[i].cumulative = uint128(json.readUint(string.concat(path, ".cumulative")));
            assertEq(
                MerkleSum.hashLeaf(all[i].datanetId, all[i].account, all[i].cumulative),
                json.readBytes32(string.concat(path, ".leaf"))
            );
        }
        for (uint256 count = 1; count <= 7; ++count) {
            string memory path = string.concat(".merkle_sum.trees[", vm.toString(count - 1), "]");
            SumTree.Claim[] memory some = new SumTree.Claim[](count);
            for (uint256 i; i < count; ++i) {
                some[i] = all[i];
            }
            (bytes32 root, uint128 total) = SumTree.rootOf(some);
            assertEq(root, json.readBytes32(string.concat(path, ".root")));
            assertEq(total, json.readUint(string.concat(path, ".total")));
            for (uint256 i; i < count; ++i) {
                IAttributionSettlement.ProofNode[] memory proof =
                    readProof(string.concat(path, ".proofs[", vm.toString(i), "]"), count);
                assertTrue(this.verifySum(root, total, some[i], i, proof));
            }
        }
    }

    function readProof(string memory path, uint256 count)
        private
        view
        returns (IAttributionSettlement.ProofNode[] memory proof)
    {
        uint256 depth;
        while (1 << depth < count) ++depth;
        proof = new IAttributionSettlement.ProofNode[](depth);
        for (uint256 i; i < depth; ++i) {
            string memory node = string.concat(path, "[", vm.toString(i), "]");
            proof[i].hash = json.readBytes32(string.concat(node, ".hash"));
            // forge-lint: disable-next-line(unsafe-typecast)
            proof[i].sum = uint128(json.readUint(string.concat(node, ".sum")));
        }
    }

    function test_Voucher() public view {
        IInferenceEscrow.Voucher memory v;
        v.customer = json.readAddress(".voucher.message.customer");
        v.gateway = json.readAddress(".voucher.message.gateway");
        v.nonce = u64(".voucher.message.nonce");
        v.cumulative = u128(".voucher.message.cumulative");
        assertEq(escrow.hashVoucher(v), json.readBytes32(".voucher.digest"));
    }

    function test_Receipt() public view {
        IAttributionSettlement.InferenceReceipt memory r;
        r.number = u64(".receipt.message.number");
        r.modelId = json.readUint(".receipt.message.modelId");
        r.customer = json.readAddress(".receipt.message.customer");
        r.gateway = json.readAddress(".receipt.message.gateway");
        r.requestHash = json.readBytes32(".receipt.message.requestHash");
        r.responseHash = json.readBytes32(".receipt.message.responseHash");
        r.tokensIn = u32(".receipt.message.tokensIn");
        r.tokensOut = u32(".receipt.message.tokensOut");
        r.fee = u128(".receipt.message.fee");
        r.timestamp = u64(".receipt.message.timestamp");
        r.engineSpecHash = json.readBytes32(".receipt.message.engineSpecHash");
        r.adapterSetHash = json.readBytes32(".receipt.message.adapterSetHash");
        r.retrievalRoot = json.readBytes32(".receipt.message.retrievalRoot");
        (bytes32 receiptHash, bytes32 digest) = settlement.hashReceipt(r);
        assertEq(receiptHash, json.readBytes32(".receipt.struct_hash"));
        assertEq(digest, json.readBytes32(".receipt.digest"));
        bytes32 attributionHash = json.readBytes32(".receipt.attribution_hash");
        assertEq(keccak256(abi.encode(receiptHash, attributionHash)), json.readBytes32(".receipt.epoch_leaf"));
    }

    function test_ClaimOrder() public view {
        IAttributionSettlement.ClaimOrder memory o;
        o.datanetId = json.readUint(".claim_order.message.datanetId");
        o.account = json.readAddress(".claim_order.message.account");
        o.cumulative = u128(".claim_order.message.cumulative");
        o.to = json.readAddress(".claim_order.message.to");
        o.fee = u128(".claim_order.message.fee");
        o.deadline = u64(".claim_order.message.deadline");
        assertEq(settlement.hashOrder(o), json.readBytes32(".claim_order.digest"));
    }

    /// @dev Leaves as {RecordDispute} hashes them, in the tree of claims.
    function test_Payments() public view {
        IAttributionSettlement.ProofNode[] memory leaves = new IAttributionSettlement.ProofNode[](4);
        for (uint256 i; i < 3; ++i) {
            string memory path = string.concat(".payments.leaves[", vm.toString(i), "]");
            leaves[i].sum = u128(string.concat(path, ".amount"));
            leaves[i].hash = keccak256(
                bytes.concat(
                    keccak256(
                        abi.encode(
                            json.readUint(string.concat(path, ".datanet_id")),
                            json.readAddress(string.concat(path, ".account")),
                            u64(string.concat(path, ".receipt")),
                            leaves[i].sum
                        )
                    )
                )
            );
            assertEq(leaves[i].hash, json.readBytes32(string.concat(path, ".leaf")));
        }
        (bytes32 root, uint128 total, IAttributionSettlement.ProofNode[] memory proof) = SumTree.fold(leaves, 0);
        assertEq(root, json.readBytes32(".payments.root"));
        assertEq(total, u128(".payments.total"));
        assertEq(proof.length, json.readUint(".payments.depth"));
    }

    /// @dev The token and the payments contract take the signature, at the addresses of the genesis.
    function test_X402() public {
        InferencePayments payments = InferencePayments(payable(json.readAddress(".x402.payments")));
        WOPEN wopen = WOPEN(payable(json.readAddress(".x402.wopen")));
        deployCodeTo("WOPEN.sol:WOPEN", "", address(wopen));
        deployCodeTo(
            "InferencePayments.sol:InferencePayments", abi.encode(wopen, escrow, settlement), address(payments)
        );
        IInferencePayments.Terms memory terms;
        terms.payer = json.readAddress(".x402.terms.payer");
        terms.gateway = json.readAddress(".x402.terms.gateway");
        terms.modelId = json.readUint(".x402.terms.modelId");
        terms.requestHash = json.readBytes32(".x402.terms.requestHash");
        terms.salt = json.readBytes32(".x402.terms.salt");
        bytes32 id = json.readBytes32(".x402.payment_id");
        assertEq(payments.paymentIdOf(terms), id);
        IInferencePayments.Authorization memory a;
        a.amount = u128(".x402.authorization.amount");
        a.validAfter = json.readUint(".x402.authorization.valid_after");
        a.validBefore = json.readUint(".x402.authorization.valid_before");
        a.v = uint8(json.readUint(".x402.signature.v"));
        a.r = json.readBytes32(".x402.signature.r");
        a.s = json.readBytes32(".x402.signature.s");
        vm.deal(terms.payer, a.amount);
        vm.prank(terms.payer);
        wopen.deposit{value: a.amount}();
        assertEq(payments.pay(terms, a), id);
        assertEq(payments.paymentOf(id).amount, a.amount);
    }

    function test_EpochPost() public view {
        IAttributionSettlement.EpochPost memory post;
        post.epochId = u64(".epoch.message.epochId");
        post.gateway = json.readAddress(".epoch.message.gateway");
        post.engineSpecHash = json.readBytes32(".epoch.message.engineSpecHash");
        post.receiptsRoot = json.readBytes32(".epoch.message.receiptsRoot");
        post.firstReceipt = u64(".epoch.message.firstReceipt");
        post.receiptCount = u32(".epoch.message.receiptCount");
        post.claimsRoot = json.readBytes32(".epoch.message.claimsRoot");
        post.claimsTotal = u128(".epoch.message.claimsTotal");
        post.models = new IAttributionSettlement.ModelTotal[](2);
        post.pools = new IAttributionSettlement.PoolTotal[](2);
        for (uint256 i; i < 2; ++i) {
            string memory path = string.concat(".epoch.models[", vm.toString(i), "]");
            post.models[i].modelId = json.readUint(string.concat(path, ".modelId"));
            post.models[i].fees = u128(string.concat(path, ".fees"));
            post.models[i].attributed = u128(string.concat(path, ".attributed"));
            path = string.concat(".epoch.pools[", vm.toString(i), "]");
            post.pools[i].datanetId = json.readUint(string.concat(path, ".datanetId"));
            post.pools[i].amount = u128(string.concat(path, ".amount"));
        }
        assertEq(keccak256(abi.encode(post.models)), json.readBytes32(".epoch.message.modelsHash"));
        assertEq(keccak256(abi.encode(post.pools)), json.readBytes32(".epoch.message.poolsHash"));
        assertEq(settlement.hashPost(post), json.readBytes32(".epoch.digest"));
    }

    function verifyPlain(bytes32 root, bytes32 node, uint256 index, uint256 count, bytes32[] calldata proof)
        external
        pure
        returns (bool)
    {
        return Merkle.verify(root, node, index, count, proof);
    }

    function verifyMany(
        bytes32 root,
        bytes32[] memory nodes,
        uint256[] memory indices,
        uint256 count,
        bytes32[] calldata proof
    ) external pure returns (bool) {
        return Merkle.verifyMany(root, nodes, indices, count, proof);
    }

    function verifySum(
        bytes32 root,
        uint128 total,
        SumTree.Claim calldata c,
        uint256 index,
        IAttributionSettlement.ProofNode[] calldata proof
    ) external pure returns (bool) {
        bytes32 leaf = MerkleSum.hashLeaf(c.datanetId, c.account, c.cumulative);
        return MerkleSum.verify(root, total, leaf, c.cumulative, index, proof);
    }

    function u32(string memory key) private view returns (uint32) {
        return uint32(vm.parseJsonUint(json, key));
    }

    function u64(string memory key) private view returns (uint64) {
        return uint64(vm.parseJsonUint(json, key));
    }

    function u128(string memory key) private view returns (uint128) {
        return uint128(vm.parseJsonUint(json, key));
    }
}
