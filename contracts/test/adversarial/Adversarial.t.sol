// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {console} from "forge-std/console.sol";
import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";

import {IAttributionSettlement} from "../../src/interfaces/IAttributionSettlement.sol";
import {IContentChallenges} from "../../src/interfaces/IContentChallenges.sol";
import {IDatanetRegistry} from "../../src/interfaces/IDatanetRegistry.sol";
import {IInferenceEscrow} from "../../src/interfaces/IInferenceEscrow.sol";
import {IModelRegistry} from "../../src/interfaces/IModelRegistry.sol";
import {IRecordTypes} from "../../src/interfaces/IRecordTypes.sol";
import {Batches} from "../../src/libraries/Batches.sol";
import {Errors} from "../../src/libraries/Errors.sol";
import {RecordErrors} from "../../src/libraries/RecordErrors.sol";
import {PlainTree} from "../utils/PlainTree.sol";
import {RecordTest} from "../utils/RecordTest.sol";

/// @notice Known attacks on the real contracts, each with its goal asserted and its figures printed:
///     forge test --match-path 'contracts/test/adversarial/*' -vv | grep '^  |'
/// Scores are drawn here, from the distributions each test states, with fixed seeds, and paid by the real settlement. Every
/// call is a transaction of its own, so gas is what it costs; losses leave gas out where they say so.
/// forge-config: default.isolate = true
contract AdversarialTest is RecordTest {
    IRecordTypes.Payment[] private none;
    IRecordTypes.Claim[] private noClaims;

    function row(string memory attack, string memory figures) private pure {
        console.log(string.concat("| ", attack, " | ", figures, " |"));
    }

    /// @dev Parts per million as per cent with four digits.
    function percent(uint256 ppm) private pure returns (string memory) {
        string memory digits = vm.toString(ppm % 10_000);
        while (bytes(digits).length < 4) digits = string.concat("0", digits);
        return string.concat(vm.toString(ppm / 10_000), ".", digits, " %");
    }

    function milli(uint256 amount) private pure returns (string memory) {
        string memory digits = vm.toString(amount / 1e14 % 10_000);
        while (bytes(digits).length < 4) digits = string.concat("0", digits);
        return string.concat(vm.toString(amount / 1 ether), ".", digits, " OPEN");
    }

    /*//////////////////////////////////////////////////////////////////////////
                                    NOISE AND COPIES
    //////////////////////////////////////////////////////////////////////////*/

    /// @dev A standard normal draw in 1e18, by Marsaglia's polar method; the generator is keccak256 of a counter.
    function normal(uint256 seed) private pure returns (int256) {
        for (uint256 i;; ++i) {
            uint256 h = uint256(keccak256(abi.encode(seed, i)));
            int256 u = int256(h % 2e18) - 1e18;
            int256 v = int256((h >> 128) % 2e18) - 1e18;
            uint256 s = uint256(u * u + v * v) / 1e18;
            if (s == 0 || s >= 1e18) continue;
            int256 ratio = -2 * FixedPointMathLib.lnWad(int256(s)) * 1e18 / int256(s);
            return u * int256(FixedPointMathLib.sqrt(uint256(ratio) * 1e18)) / 1e18;
        }
        return 0;
    }

    /// @dev The draws are normal as far as 20,000 of them tell: five standard deviations around what the tails should hold.
    function test_DrawsAreNormal() external pure {
        uint256 two;
        uint256 three;
        for (uint256 i; i < 20_000; ++i) {
            uint256 free;
            assembly ("memory-safe") {
                free := mload(0x40)
            }
            uint256 z = FixedPointMathLib.abs(normal(uint256(keccak256(abi.encode("tail", i)))));
            if (z > 2e18) ++two;
            if (z > 3e18) ++three;
            assembly ("memory-safe") {
                mstore(0x40, free)
            }
        }
        assertApproxEqAbs(two, 910, 148);
        assertApproxEqAbs(three, 54, 37);
    }

    /// @dev The threshold sqrt(2 ln N) for N = 11,000, in 1e18.
    int256 private constant THRESHOLD = 4.3144e18;

    /// @dev Sum of what `count` rows score above the threshold, of which the first `relevant` have an effect of six sigmas.
    function above(uint256 seed, uint256 count, uint256 relevant) external pure returns (uint256 sum) {
        for (uint256 i; i < count; ++i) {
            uint256 free;
            assembly ("memory-safe") {
                free := mload(0x40)
            }
            int256 z = normal(uint256(keccak256(abi.encode(seed, i)))) - THRESHOLD;
            if (i < relevant) z += 6e18;
            if (z > 0) sum += uint256(z);
            // The draws leave nothing that is needed.
            assembly ("memory-safe") {
                mstore(0x40, free)
            }
        }
    }

    /// @dev Scores: N(0, 1) for every row, plus 6 for 20 relevant ones of 1,000 honest rows. Credit: what is above the
    /// threshold, over a fixed denominator of 20 · 6. Twenty answers, paid by one epoch.
    function test_Noise() external {
        uint256 attacker;
        uint256 honest_;
        for (uint256 answer; answer < 20; ++answer) {
            honest_ += this.above(2 * answer, 1_000, 20);
            attacker += this.above(2 * answer + 1, 10_000, 0);
        }
        uint128 pool_ = 20 * 0.475 ether;
        uint128 toAttacker = uint128(uint256(pool_) * attacker / (20 * 120e18));
        uint128 toHonest = uint128(uint256(pool_) * honest_ / (20 * 120e18));
        earn(net, alice, toHonest);
        if (toAttacker != 0) earn(net, mallory, toAttacker);
        settle(onePool(modelOf, 20 ether, net, toHonest + toAttacker));
        uint256 got = toAttacker == 0 ? 0 : claimFor(net, mallory);
        uint256 share = got * 1_000_000 / pool_;
        assertLt(share, 1_000);
        // Ten batches of a thousand rows ask for this much in bonds.
        uint256 bonds = 10 * uint256(BOND) + 10_000 * uint256(DOCUMENT_BOND);
        row(
            "10,000 noise rows against 1,000 honest",
            string.concat(
                "attacker's share of the pool ",
                percent(share),
                ", honest ",
                percent(uint256(toHonest) * 1_000_000 / pool_),
                ", the rest residual; bonds at stake ",
                milli(bonds)
            )
        );
    }

    /// @dev mallory submits k near-copies of alice's row (72 of 128 numbers of the sketch agree), in one batch.
    function test_CopiesOfAnother() external {
        uint256[3] memory ks = [uint256(1), 10, 1_000];
        Batches.Item memory original = itemOf(aliceId);
        for (uint256 n; n < 3; ++n) {
            uint256 k = ks[n];
            bytes memory sketch = bytes.concat(sketchOf(1, 1, 128), "");
            bytes memory copied = sketchOf(1, 50 + n, 72);
            bytes32[] memory leaves = new bytes32[](k);
            for (uint256 i; i < k; ++i) {
                Batches.Document memory d = documentOf(60 + n, i);
                d.sketchHash = keccak256(copied);
                leaves[i] = Batches.leafOf(d);
            }
            (IDatanetRegistry.Reveal memory r,) = batchOf(1, 60 + n);
            (r.chunkRoot, r.chunkCount) = (PlainTree.rootOf(leaves), uint32(k));
            r.byteLength = uint32(700 * k);
            r.contentHash = Batches.contentHashOf(r.chunkRoot, r.chunkCount);
            uint256 id = contributeReveal(mallory, net, r);
            Batches.Item memory item;
            (item.contributionId, item.index) = (id, uint32(k - 1));
            item.document = documentOf(60 + n, k - 1);
            item.document.sketchHash = keccak256(copied);
            (, item.proof) = PlainTree.fold(leaves, k - 1);
            sketch = sketchOf(1, 1, 100);
            challenges.proveCopy(original, sketch, item, copied);
            uint256 gas = vm.lastCallGas().gasTotalUsed;
            assertEq(challenges.representativeOf(Batches.keyOf(id, uint32(k - 1))), Batches.keyOf(aliceId, 0));
            // An engine that pays the copy as its own cluster is disproved: `test_FalseEpochs`, copy.
            delete calls;
            addCall(aliceId, aliceId, alice);
            earn(net, alice, PAYMENT);
            IAttributionSettlement.EpochPost memory post = postCalls();
            activate(post);
            vm.expectPartialRevert(Errors.AttributionSettlement_ProofInvalid.selector);
            settlement.claim(net, mallory, PAYMENT, 0, new IAttributionSettlement.ProofNode[](0));
            assertEq(settlement.claimedOf(net, mallory), 0);
            row(
                string.concat(vm.toString(k), " near-copies of another's row"),
                string.concat("gain 0; a copy is shown with ", vm.toString(gas), " gas")
            );
        }
    }

    /// @dev alice adds k near-copies of her own row, in a batch. Engines that pay one of them as a cluster of its own are
    /// disproved, engines that pay the founder pay once: with copies she earns what she earns without them.
    function test_CopiesOfOnesOwn() external {
        uint256[3] memory ks = [uint256(1), 10, 1_000];
        for (uint256 n; n < 3; ++n) {
            net = createDatanet();
            aliceId = contributeText(alice, ALICE_TEXT, 1);
            bytes memory copied = sketchOf(1, 70 + n, 100);
            Batches.Item memory copy = ownCopies(ks[n], 70 + n, keccak256(copied));
            accept(aliceId);
            accept(copy.contributionId);
            vm.prank(curator);
            datanets.publishVersion(net, "clusters");
            modelOf = registerModel(modelParams(string.concat("own-copies-", vm.toString(n)), net));

            uint256 copyId = Batches.idOf(copy.contributionId, copy.index, true);
            addCall(copyId, copyId, alice);
            earn(net, alice, PAYMENT);
            postCalls();
            IRecordTypes.Member memory original;
            original.item = itemOf(aliceId);
            bytes32[] memory leaves = new bytes32[](2);
            (leaves[0], leaves[1]) = (datanets.leafOf(aliceId), datanets.leafOf(copy.contributionId));
            (, original.proof) = PlainTree.fold(leaves, 0);
            uint256 gas = prove(
                abi.encodeCall(
                    facts.factCluster, (opened(0), record(0), 0, copy, copied, original, sketchOf(1, 1, 100))
                )
            );
            assertLt(gas, 1_500_000);
            delete calls;

            uint256 before = alice.balance;
            addCall(aliceId, aliceId, alice);
            activate(postCalls());
            assertEq(claimFor(net, alice), PAYMENT);
            assertEq(alice.balance - before, PAYMENT);
            delete calls;
            row(
                string.concat(vm.toString(ks[n]), ks[n] == 1 ? " near-copy" : " near-copies", " of one's own row"),
                string.concat(
                    "gain 0 and the gas of a batch; paid as a cluster of its own, it falls with ",
                    vm.toString(gas),
                    " gas"
                )
            );
        }
    }

    /// @dev The last document of alice's batch of copies, all with this sketch.
    function ownCopies(uint256 count, uint256 seed, bytes32 sketchHash) private returns (Batches.Item memory item) {
        bytes32[] memory leaves = new bytes32[](count);
        for (uint256 i; i < count; ++i) {
            item.document = documentOf(seed, i);
            item.document.sketchHash = sketchHash;
            leaves[i] = Batches.leafOf(item.document);
        }
        IDatanetRegistry.Reveal memory r = document(seed);
        (r.chunkRoot, r.chunkCount) = (PlainTree.rootOf(leaves), uint32(count));
        r.byteLength = uint32(700 * count);
        r.contentHash = Batches.contentHashOf(r.chunkRoot, r.chunkCount);
        r.sketchHash = r.contentHash;
        item.contributionId = contributeReveal(alice, net, r);
        item.index = uint32(count - 1);
        (, item.proof) = PlainTree.fold(leaves, count - 1);
    }

    /// @dev 100 rows, each a cluster of 8,000,000 of 10^9 weight, of one identity and of 100: two epochs, the same fee.
    function test_ShellCompanies() external {
        uint128 share_ = uint128(uint256(0.475 ether) * 8_000_000 / 1e9);
        earn(net, alice, 100 * share_);
        activate(postPool(100 * share_));
        uint256 whole = claimFor(net, alice);
        for (uint256 i; i < 100; ++i) {
            earn(net, address(uint160(0xC0FFEE0000 + i)), share_);
        }
        activate(postPool(100 * share_));
        uint256 split;
        for (uint256 i; i < 100; ++i) {
            split += claimFor(net, address(uint160(0xC0FFEE0000 + i)));
        }
        assertLe(split * 100, whole * 101);
        row("one dataset split over 100 identities", string.concat("gain ", milli(split - whole), " of ", milli(whole)));
    }

    function postPool(uint128 amount) private returns (IAttributionSettlement.EpochPost memory post) {
        post = onePool(modelOf, 1 ether, net, amount);
        postEpoch(post);
    }

    /*//////////////////////////////////////////////////////////////////////////
                                   PRIORITY
    //////////////////////////////////////////////////////////////////////////*/

    /// @dev mallory registers a paraphrase of what alice published a month before, before alice does. Notaries date it.
    function test_Laundering() external {
        address[] memory notaries = new address[](3);
        (notaries[0], notaries[1], notaries[2]) = (engines[0], engines[1], engines[2]);
        challenges.setNotaries(reviewedDatanet, notaries);
        bytes memory own = sketchOf(7, 7, 128);
        bytes memory paraphrase = sketchOf(7, 8, 70);
        uint64 date = uint64(vm.getBlockTimestamp() - 30 days);
        vm.deal(mallory, 0);
        uint256 stolen = contributeSketched(mallory, reviewedDatanet, 80, paraphrase);
        uint256 mine = contributeSketched(alice, reviewedDatanet, 81, own);
        bytes32 digest = challenges.hashPublication(reviewedDatanet, alice, keccak256(own), date);
        IContentChallenges.Evidence memory e;
        e.publishedAt = date;
        e.signatures = new bytes[](2);
        (e.signatures[0], e.signatures[1]) = (sign(engineKeys[0], digest), sign(engineKeys[1], digest));
        Batches.Item memory a = itemOf(stolen);
        Batches.Item memory b = itemOf(mine);
        vm.deal(alice, CHALLENGE_BOND);
        vm.prank(alice);
        uint256 id = challenges.accuse{value: CHALLENGE_BOND}(a, paraphrase, b, own, e);
        uint256 gas = vm.lastCallGas().gasTotalUsed;
        skip(RESPONSE_WINDOW + 1);
        challenges.closeAccusation(id);
        gas += vm.lastCallGas().gasTotalUsed;
        assertEq(mallory.balance + datanets.credit(mallory) + challenges.credit(mallory), 0);
        assertEq(challenges.representativeOf(Batches.keyOf(stolen, 0)), Batches.keyOf(mine, 0));
        row(
            "paraphrase laundering after dispute",
            string.concat("loss ", milli(BOND), ", priority lost; dispute ", vm.toString(gas), " gas")
        );
    }

    /// @dev mallory sees alice's commitment, and later her reveal, before they are in a block.
    function test_FrontRunning() external {
        IDatanetRegistry.Reveal memory r = document(90);
        bytes32 seen = datanets.commitmentOf(net, alice, r);
        vm.deal(mallory, 10 ether);
        // The commitment, copied, does not open for her.
        vm.prank(mallory);
        uint256 copied = datanets.commit{value: BOND}(net, seen);
        uint256 own = commitAs(alice, net, r);
        nextBlock();
        vm.expectPartialRevert(Errors.DatanetRegistry_CommitmentMismatch.selector);
        vm.prank(mallory);
        datanets.reveal(copied, r);
        // The reveal, copied into a commitment of her own, comes later in the order, whatever the order in the block.
        bytes32 later = datanets.commitmentOf(net, mallory, r);
        vm.prank(mallory);
        uint256 late = datanets.commit{value: BOND}(net, later);
        vm.expectPartialRevert(Errors.DatanetRegistry_RevealTooEarly.selector);
        vm.prank(mallory);
        datanets.reveal(late, r);
        revealAs(alice, own, r);
        nextBlock();
        vm.prank(mallory);
        datanets.reveal(late, r);
        assertLt(datanets.contribution(own).sequence, datanets.contribution(late).sequence);
        skip(REVEAL_WINDOW);
        datanets.expire(copied);
        assertEq(datanets.credit(sink), BOND);
        row("front-run a reveal", string.concat("refused; copied commitment loses ", milli(BOND)));
    }

    /*//////////////////////////////////////////////////////////////////////////
                                   SELF-DEALING
    //////////////////////////////////////////////////////////////////////////*/

    /// @dev One actor is the customer, the gateway and any subset of model payee, stakers and contributor, at two volumes; all
    /// of the contributors' share is attributed, the best case for it.
    function test_SelfDealing() external {
        address actor = customer;
        uint256 least = type(uint256).max;
        for (uint256 mask; mask < 8; ++mask) {
            for (uint256 v; v < 2; ++v) {
                uint128 volume = v == 0 ? 1 ether : 100 ether;
                uint256 loss = washed(actor, mask, volume);
                assertGt(loss, 0);
                // Whatever the actor does not own is lost to it as well; what it owns comes back, but the platform's share.
                uint256 expected = volume * 5 / 100;
                uint256 rest = volume - expected;
                if (mask & 1 == 0) expected += rest * 4 / 10;
                if (mask & 2 == 0) expected += rest / 10;
                if (mask & 4 == 0) expected += rest / 2;
                assertEq(loss, expected);
                if (loss * 1_000_000 / volume < least) least = loss * 1_000_000 / volume;
            }
        }
        assertEq(least, 50_000);
        row(
            "self-dealing wash inference, 8 subsets of roles, 1 and 100 OPEN",
            string.concat("least loss ", percent(least), " of the volume (the platform's share), and gas")
        );
    }

    /// @dev Whatever the volume and whichever roles one actor has: the platform's share is lost, and no rounding pays it back.
    function testFuzz_SelfDealing(uint8 roles, uint128 volume) external {
        volume = uint128(bound(volume, 1_000, 1e9 ether));
        uint256 loss = washed(customer, roles % 8, volume);
        assertGe(loss, uint256(volume) * 5 / 100);
        assertGt(loss, 0);
    }

    function washed(address actor, uint256 mask, uint128 volume) private returns (uint256 loss) {
        IModelRegistry.ModelParams memory params =
            modelParams(string.concat("wash-", vm.toString(mask), "-", vm.toString(volume)), net);
        if (mask & 1 != 0) params.payee = actor;
        uint256 id = registerModel(params);
        IAttributionSettlement.Parameters memory p = defaultParameters();
        if (mask & 2 != 0) p.stakers = actor;
        vm.prank(governance);
        settlement.setParameters(p);
        address contributor = mask & 4 != 0 ? actor : alice;
        vm.deal(actor, volume);
        vm.startPrank(actor);
        escrow.deposit{value: volume}(actor);
        escrow.authorize(gateway, actor, volume, uint64(vm.getBlockTimestamp() + 1 days));
        vm.stopPrank();
        uint64 nonce = escrow.authorization(actor, gateway).nonce;
        IInferenceEscrow.Voucher memory vo = voucher(nonce, volume);
        redeem(vo, signVoucher(vo, customerKey));
        uint128 amount = volume * 95 / 200;
        earn(net, contributor, amount);
        settle(onePool(id, volume, net, amount));
        if (contributor == actor) claimFor(net, actor);
        if (settlement.credit(actor) != 0) {
            vm.prank(actor);
            settlement.withdraw(payable(actor));
        }
        loss = volume - actor.balance;
        // The next authorisation begins anew.
        vm.warp(vm.getBlockTimestamp() + 2 days);
    }

    /*//////////////////////////////////////////////////////////////////////////
                                   LYING ENGINES
    //////////////////////////////////////////////////////////////////////////*/

    function lied(string memory name, bytes memory call) private {
        IAttributionSettlement.Epoch memory e = settlement.epoch(settlement.nextEpochId() - 1);
        uint256 gas = prove(call);
        assertLt(gas, 1_500_000);
        assertEq(settlement.credit(poster), 0);
        assertGe(e.bond, e.fees);
        row(
            string.concat("false epoch of ", vm.toString(calls.length), " receipts: ", name),
            string.concat("won with ", vm.toString(gas), " gas; poster loses ", milli(e.bond), ", gains 0")
        );
        delete calls;
        delete claims;
        delete payments;
    }

    /// @dev All engines sign; one watcher looks. Poster and payee collude.
    function test_FalseEpochs() external {
        honest(16);
        calls[3].record.weights[0].weight *= 2;
        earn(net, alice, 17 * PAYMENT);
        postCalls();
        lied("scale (a weight doubled)", abi.encodeCall(facts.factSums, (opened(3), record(3))));

        honest(16);
        earn(net, alice, 8 * PAYMENT);
        earn(net, mallory, 8 * PAYMENT);
        postCalls();
        payHonest();
        commitPayments();
        bool below = mallory < alice;
        lied(
            "boost (half of the payments to another)",
            abi.encodeCall(
                records.factClaim,
                (
                    settlement.nextEpochId() - 1,
                    claimLeaf(mallory),
                    noClaims,
                    below ? none : list(payment(15)),
                    below ? list(payment(0)) : none
                )
            )
        );

        honest(15);
        addCall(carolId, carolId, carol);
        earn(net, alice, 16 * PAYMENT);
        postCalls();
        pay(alice, 0, 2 * PAYMENT);
        for (uint64 i = 1; i < 15; ++i) {
            pay(alice, i, PAYMENT);
        }
        commitPayments();
        IRecordTypes.Payment memory edge = carol < alice ? payment(0) : payment(14);
        if (carol < alice) {
            lied(
                "omit (a payment left out)",
                abi.encodeCall(records.factPaymentMissing, (opened(15), record(15), 0, list(edge)))
            );
        } else {
            // Fifteen leaves and one of padding enclose the key.
            IRecordTypes.Payment[] memory two = new IRecordTypes.Payment[](2);
            (two[0], two[1]) = (edge, payment(15));
            lied(
                "omit (a payment left out)",
                abi.encodeCall(records.factPaymentMissing, (opened(15), record(15), 0, two))
            );
        }

        honest(15);
        addCall(aliceId, aliceId, mallory);
        earn(net, mallory, 16 * PAYMENT);
        postCalls();
        lied("invent (another payee)", abi.encodeCall(facts.factPayee, (opened(15), record(15), 0)));

        honest(15);
        addCall(carolId, carolId, carol);
        earn(net, carol, 16 * PAYMENT);
        postCalls();
        lied(
            "false span",
            abi.encodeCall(
                facts.factSpan, (opened(15), record(15), 0, itemOf(carolId), response, spelled(8), bytes(CAROL_TEXT))
            )
        );

        addCall(bobId, bobId, bob);
        earn(net, bob, PAYMENT);
        postCalls();
        lied(
            "copy (a near-copy paid as its own cluster)",
            abi.encodeCall(
                facts.factCluster,
                (opened(0), record(0), 0, itemOf(bobId), sketchOf(1, 2, 100), member(aliceId, 0), sketchOf(1, 1, 100))
            )
        );

        honest(16);
        earn(net, mallory, 16 * PAYMENT);
        postCalls();
        uint64 epochId = settlement.nextEpochId() - 1;
        uint256 stake = records.STAKE();
        vm.deal(bob, stake);
        vm.prank(bob);
        records.demandPayments{value: stake}(epochId);
        (,,,, uint64 dueAt) = records.paymentsOf(epochId);
        vm.warp(dueAt + 1);
        lied("silence (payments not given)", abi.encodeCall(records.factSilence, (epochId)));
    }

    /*//////////////////////////////////////////////////////////////////////////
                                      REVIEWERS
    //////////////////////////////////////////////////////////////////////////*/

    /// @dev 100 seats of 100 accounts, of which a share is bribed; 500 draws of the real pool. A bribe works if it holds the
    /// majority of the panel, and after an appeal that of the larger one.
    function test_Bribery() external {
        seatReviewers(100);
        for (uint256 percent_ = 10; percent_ <= 40; percent_ += 10) {
            uint256 first;
            uint256 both;
            for (uint256 i; i < 500; ++i) {
                address[] memory panel = pool.draw(keccak256(abi.encode(percent_, i)), 5, new address[](0));
                if (!bribed(panel, percent_)) continue;
                ++first;
                if (bribed(pool.draw(keccak256(abi.encode("appeal", percent_, i)), 11, panel), percent_)) ++both;
            }
            row(
                string.concat("reviewer bribery, ", vm.toString(percent_), " % of seats"),
                string.concat(
                    "panel of 5 held in ",
                    percent(first * 2_000),
                    ", and the 11 of the appeal in ",
                    percent(both * 2_000)
                )
            );
            // A fifth of the seats holds both in less than one of a hundred.
            if (percent_ <= 20) assertLt(both, 5);
        }
    }

    function bribed(address[] memory panel, uint256 percent_) private pure returns (bool) {
        uint256 count;
        for (uint256 i; i < panel.length; ++i) {
            if (uint160(panel[i]) - 0xBEEF0000 < percent_) ++count;
        }
        return count * 2 > panel.length;
    }

    /// @dev Qualities: seven of ten contributions 60 to 100, three 0 to 40, uniform; honest scores are the quality and
    /// N(0, 8). A lazy reviewer votes 70 without reading, in 40 real reviews with four honest ones.
    function test_LazyReview() external {
        seatReviewers(5);
        uint256 lazy;
        uint256 honest_;
        for (uint256 n; n < 40; ++n) {
            uint256 id = contribute(carol, reviewedDatanet, 1_000 + n);
            nextBlock();
            openAs(carol, id);
            address[] memory panel = drawPanel(id);
            uint256 h = uint256(keccak256(abi.encode("quality", n)));
            uint256 quality = h % 10 < 7 ? 60 + (h >> 8) % 41 : (h >> 8) % 41;
            uint8[] memory scores = new uint8[](panel.length);
            for (uint256 i; i < panel.length; ++i) {
                int256 z = int256(quality) + 8 * normal(uint256(keccak256(abi.encode(n, i)))) / 1e18;
                // forge-lint: disable-next-line(unsafe-typecast)
                scores[i] =
                    panel[i] == reviewer(0) ? 70 : uint8(uint256(z < 0 ? int256(0) : (z > 100 ? int256(100) : z)));
            }
            vote(id, panel, scores);
        }
        lazy = review.credit(reviewer(0));
        for (uint256 i = 1; i < 5; ++i) {
            honest_ += review.credit(reviewer(i)) / 4;
        }
        assertLt(lazy, honest_);
        row(
            "lazy review, 40 cases, always 70",
            string.concat(
                "paid ",
                percent(lazy * 1_000_000 / (40 * uint256(FEE))),
                " of the fees; an honest one ",
                percent(honest_ * 1_000_000 / (40 * uint256(FEE)))
            )
        );
    }

    /*//////////////////////////////////////////////////////////////////////////
                                       REFUSALS
    //////////////////////////////////////////////////////////////////////////*/

    /// @dev Signatures of engines, of another epoch and of another chain; a reveal that re-enters is in the unit tests.
    function test_Replays() external {
        honest(1);
        earn(net, alice, PAYMENT);
        IAttributionSettlement.EpochPost memory post = onePool(modelOf, RECEIPT_FEE, net, PAYMENT);
        bytes[] memory signatures = signPost(post, 2);
        vm.deal(poster, 10 ether);
        vm.chainId(16_121);
        vm.expectPartialRevert(Errors.AttributionSettlement_NotEngine.selector);
        vm.prank(poster);
        settlement.postEpoch{value: 1 ether}(post, signatures);
        vm.chainId(16_120);
        settle(post);
        vm.expectPartialRevert(Errors.AttributionSettlement_EpochNotNext.selector);
        vm.prank(poster);
        settlement.postEpoch{value: 1 ether}(post, signatures);
        post.epochId = 2;
        post.firstReceipt = 10;
        earn(net, alice, PAYMENT);
        post.claimsTotal = 2 * PAYMENT;
        vm.expectRevert();
        vm.prank(poster);
        settlement.postEpoch{value: 1 ether}(post, signatures);
        row("signatures replayed on another chain, epoch or range", "refused");
    }
}
