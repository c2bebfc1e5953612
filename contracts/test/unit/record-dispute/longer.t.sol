// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IDatanetRegistry} from "../../../src/interfaces/IDatanetRegistry.sol";
import {IModelRegistry} from "../../../src/interfaces/IModelRegistry.sol";
import {IRecordTypes} from "../../../src/interfaces/IRecordTypes.sol";
import {Batches} from "../../../src/libraries/Batches.sol";
import {RecordErrors} from "../../../src/libraries/RecordErrors.sol";
import {PlainTree} from "../../utils/PlainTree.sol";
import {RecordTest} from "../../utils/RecordTest.sol";

/// @notice Facts about whose an answer's tokens are. Alice's document is long and holds the first eight of the answer's nine words
/// across two of its chunks; bob's holds them, too, and carol's only the third and the fourth.
/// forge-config: default.isolate = true
/// forge-config: default.fuzz.runs = 32
contract RecordLongerTest is RecordTest {
    string private constant GROUP = "RecordDisputeGas";
    bytes4 private constant MISMATCH = RecordErrors.RecordDispute_ExhibitMismatch.selector;
    bytes4 private constant NOT_FALSE = RecordErrors.RecordDispute_NotFalse.selector;
    string private constant WORDS = " alpha beta gamma delta epsilon zeta eta theta";
    /// Where the words begin in alice's text.
    uint256 private constant ALICE_PLACE = 1_003;
    string private constant BOBS = "bob says alpha beta gamma delta epsilon zeta eta theta";
    uint256 private constant BOB_PLACE = 8;
    string private constant CAROLS = "carol says gamma delta only, and no more\n";
    uint256 private constant PROMPT = 0;

    string private alices;

    function setUp() public override {
        super.setUp();
        alices = string.concat(filler(ALICE_PLACE), WORDS, " ", filler(30_000), "\n");
        net = createDatanet();
        aliceId = contributeText(alice, alices, 1);
        bobId = contributeText(bob, BOBS, 2);
        carolId = contributeText(carol, CAROLS, 3);
        accept(aliceId);
        accept(bobId);
        accept(carolId);
        // Bob's is near alice's.
        (bytes32 root,) = PlainTree.fold(clusterMap(), 0);
        vm.prank(curator);
        datanets.publishVersion(net, root);
        modelOf = registerModel(corpusParams("long"));
    }

    function filler(uint256 length) private pure returns (string memory) {
        bytes memory text = new bytes(length);
        for (uint256 i; i < length; ++i) {
            text[i] = "x";
        }
        return string(text);
    }

    /// @dev Words of three to ten letters.
    function prose(uint256 length) private pure returns (string memory) {
        bytes memory letters = "eeetttaaooiinnsshhrrddlcumwfgypbvkjxqz";
        bytes memory text = new bytes(length);
        uint256 left;
        for (uint256 i; i < length; ++i) {
            uint256 random = uint256(keccak256(abi.encode(i)));
            if (left == 0) (text[i], left) = (" ", 3 + random % 8);
            else (text[i], left) = (letters[random % letters.length], left - 1);
        }
        return string(text);
    }

    /*//////////////////////////////////////////////////////////////////////////
                                       RECORDS
    //////////////////////////////////////////////////////////////////////////*/

    /// @dev Adds a span to the record in the making.
    function lay(uint32 start, uint32 end, uint256 id, bool earns) private {
        if (calls.length == 0) {
            addCall(aliceId, aliceId, alice);
            calls[0].record.spans.pop();
            calls[0].record.weights.pop();
            calls[0].record.residual = 1_000_000_000;
        }
        IRecordTypes.Record storage r = calls[0].record;
        uint64 credit = earns ? 500_000 : 0;
        r.spans.push(IRecordTypes.Span(start, end, id, id, 0, earns ? 600_000 : 50_000, credit));
        if (id == PROMPT) r.promptTokens += end - start;
        if (!earns) return;
        address who = id == aliceId ? alice : id == bobId ? bob : carol;
        uint256 i;
        while (i < r.weights.length && r.weights[i].clusterId != id) ++i;
        if (i == r.weights.length) r.weights.push(IRecordTypes.Weight(id, net, who, 0, 0));
        r.weights[i].creditQ16 += credit;
        r.weights[i].weight += 125_000_000;
        r.residual -= 125_000_000;
    }

    function post() private {
        assertTrue(facts.isConsistent(record(0)));
        earn(net, alice, PAYMENT);
        postCalls();
    }

    /// @dev Forgets the epoch's record.
    function again() private {
        delete calls;
    }

    function textOf(uint256 id) private view returns (string memory) {
        return id == aliceId ? alices : id == bobId ? BOBS : CAROLS;
    }

    function memberOf(uint256 id) private view returns (IRecordTypes.Member memory) {
        return member(id, id - aliceId);
    }

    /// @dev Tokens of the answer where a document has them, in no more chunks than it takes.
    function runOf(uint32 from, uint32 to, uint256 id) private view returns (IRecordTypes.Run memory run) {
        (run.from, run.to, run.holder) = (from, to, memberOf(id));
        uint256 place = id == aliceId ? ALICE_PLACE : BOB_PLACE;
        for (uint256 i; i < from; ++i) {
            place += vocabulary[i].length;
        }
        uint256 end = place;
        for (uint256 i = from; i < to; ++i) {
            end += vocabulary[i].length;
        }
        if (end == bytes(textOf(id)).length) --end;
        uint256 first = place / CHUNK;
        run.excerpt = excerptOf(textOf(id), uint32(first), end / CHUNK + 1 - first);
        run.place = place - first * CHUNK;
    }

    function longerCall(uint256 span, IRecordTypes.Run memory run) private view returns (bytes memory) {
        IRecordTypes.Tokens memory tokens = spelled(run.from, run.to + 1 - run.from);
        return abi.encodeCall(facts.factLonger, (opened(0), record(0), span, response, tokens, run));
    }

    function keep(string memory name, uint256 gas) private {
        vm.snapshotValue(GROUP, name, gas);
        assertLt(gas, 1_500_000);
    }

    function refused(bytes memory call, bytes4 why) private view {
        (bool ok, bytes memory reason) = address(facts).staticcall(call);
        assertFalse(ok);
        assertEq(bytes4(reason), why);
    }

    /*//////////////////////////////////////////////////////////////////////////
                                     LONGER RUNS
    //////////////////////////////////////////////////////////////////////////*/

    /// @dev What follows a span, or precedes it, stands beside it in alice's document, and is said to be nobody's.
    function test_WhenTheSpanIsCutShort(uint32 start, uint32 end, bool bobs) external {
        start = uint32(bound(start, 0, 7));
        end = uint32(bound(end, start + 1, start == 0 ? 7 : 8));
        lay(start, end, aliceId, true);
        post();
        refused(longerCall(0, runOf(start, end, aliceId)), NOT_FALSE);
        // Whoever holds more than what is credited shows it, be it a later one.
        assertLt(prove(longerCall(0, runOf(0, 8, bobs ? bobId : aliceId))), 1_500_000);
    }

    function test_WhenTheSpanIsCutShortByOne() external {
        lay(0, 7, aliceId, true);
        post();
        keep("dispute: longer run", prove(longerCall(0, runOf(0, 8, aliceId))));
    }

    /// @dev A later document has what is beside the span, with or without credit.
    function test_WhenALaterOneHasTheRest(bool earns, uint32 middle) external {
        middle = uint32(bound(middle, 1, 7));
        lay(0, middle, aliceId, true);
        lay(middle, 8, bobId, earns);
        post();
        assertLt(prove(longerCall(0, runOf(0, 8, aliceId))), 1_500_000);
    }

    /// @dev The span is the later one's, and what is before it the earlier one's, who has it all.
    function test_WhenTheSpanIsTheLaterOnes() external {
        lay(0, 3, aliceId, false);
        lay(3, 8, bobId, true);
        post();
        // Bob does not hold it earlier than itself.
        refused(longerCall(1, runOf(0, 8, bobId)), NOT_FALSE);
        assertLt(prove(longerCall(1, runOf(0, 8, aliceId))), 1_500_000);
    }

    /// @dev A run of one document is cut where the document goes on: two pieces, each below the floor or not.
    function test_WhenItIsCutInTwo(uint32 middle, bool first, bool second) external {
        middle = uint32(bound(middle, 1, 7));
        lay(0, middle, aliceId, first);
        lay(middle, 8, aliceId, second);
        post();
        // That bob's goes on says nothing about alice's.
        refused(longerCall(0, runOf(0, 8, bobId)), NOT_FALSE);
        refused(longerCall(1, runOf(0, 8, aliceId)), NOT_FALSE);
        assertLt(prove(longerCall(0, runOf(0, middle + 1, aliceId))), 1_500_000);
    }

    function test_WhenEveryTokenIsSomebodys() external {
        // The prompt has some, an earlier one others.
        lay(0, 2, PROMPT, false);
        lay(2, 3, aliceId, false);
        lay(3, 8, bobId, true);
        post();
        refused(longerCall(2, runOf(0, 8, bobId)), NOT_FALSE);
        again();
        // Apart from its own, cut where another stands between.
        lay(0, 2, aliceId, true);
        lay(2, 4, PROMPT, false);
        lay(4, 8, aliceId, true);
        earn(net, alice, 0);
        vm.roll(block.number + 1);
        refusedAll();
    }

    /// @dev As a view: of a record that need not be in an epoch.
    function refusedAll() private view {
        for (uint256 i; i < 3; ++i) {
            assertFalse(facts.isOmitted(record(0), i, 0, 8, aliceId));
            assertFalse(facts.isOmitted(record(0), i, 0, 8, bobId));
        }
    }

    function test_RevertWhen_TheSpanShowsNothing() external {
        // No credit: that the run is a match is known to nobody.
        lay(1, 7, aliceId, false);
        post();
        refused(longerCall(0, runOf(0, 8, aliceId)), NOT_FALSE);
        assertFalse(facts.isOmitted(record(0), 0, 0, 8, aliceId));
        again();
        lay(1, 4, aliceId, true);
        IRecordTypes.Record memory r = record(0);
        // Of fewer tokens than a match.
        assertFalse(facts.isOmitted(r, 0, 0, 5, aliceId));
        assertTrue(facts.isOmitted(r, 0, 0, 6, aliceId));
        // Not around the span.
        assertFalse(facts.isOmitted(r, 0, 2, 8, aliceId));
        assertFalse(facts.isOmitted(r, 0, 0, 3, aliceId));
        // Beyond what was answered.
        r.answerTokens = 7;
        assertFalse(facts.isOmitted(r, 0, 0, 8, aliceId));
        assertTrue(facts.isOmitted(r, 0, 0, 7, aliceId));
    }

    function test_RevertWhen_TheRunIsElsewhere(uint16 place) external {
        lay(0, 7, aliceId, true);
        post();
        IRecordTypes.Run memory run = runOf(0, 8, aliceId);
        uint256 right = run.place;
        run.place = place;
        if (place == right) run.place = type(uint256).max;
        refused(longerCall(0, run), NOT_FALSE);
        // Without the chunk behind it nobody knows whether the word ends.
        run = runOf(0, 8, bobId);
        (run.excerpt, run.place) = (excerptOf(alices, 0, 1), ALICE_PLACE);
        refused(longerCall(0, run), MISMATCH);
        run.holder = memberOf(aliceId);
        refused(longerCall(0, run), NOT_FALSE);
        // A chunk under another place, of another path, or of another document.
        run = runOf(0, 8, aliceId);
        run.excerpt.first += 1;
        refused(longerCall(0, run), MISMATCH);
        run = runOf(0, 8, aliceId);
        run.excerpt.proofs[1][0] ^= bytes32(uint256(1));
        refused(longerCall(0, run), MISMATCH);
        run = runOf(0, 8, aliceId);
        run.excerpt = excerptOf(BOBS);
        refused(longerCall(0, run), MISMATCH);
        // Of no chunk.
        run.excerpt = excerptOf(BOBS, 0, 0);
        refused(longerCall(0, run), NOT_FALSE);
        // Of somebody who does not count.
        run = runOf(0, 8, aliceId);
        vm.prank(alice);
        datanets.tombstone(aliceId);
        refused(longerCall(0, run), MISMATCH);
    }

    /// @dev Where the last chunk ends, and the text with it, the word does, too; where it is not the last, nobody knows.
    function test_WhenTheTextEndsWithIt() external {
        lay(0, 7, bobId, true);
        post();
        assertEq(bytes(BOBS).length, BOB_PLACE + bytes(WORDS).length);
        assertLt(prove(longerCall(0, runOf(0, 8, bobId))), 1_500_000);
    }

    /// @dev A token beside the span that is a part of a word, or of several, or no word, may not be what the tokenizer makes of it.
    function test_RevertWhen_WhatIsBesideItIsNoWord(uint8 which, uint8 token) external {
        string[5] memory others = ["al", " alpha1", " alpha beta", " ", "\n"];
        // Of alice's words all are whole; another vocabulary says so of other tokens.
        uint256 i = token % 2 == 0 ? 0 : 7;
        vocabulary[i] = bytes(others[which % 5]);
        bytes32[] memory items = new bytes32[](9);
        for (uint256 j; j < 9; ++j) {
            items[j] = keccak256(vocabulary[j]);
        }
        IRecordTypes.Spec memory spec = IRecordTypes.Spec(SPEC, 250_000_000, 6, 64, PlainTree.rootOf(items), 9);
        deployFacts(spec);
        bytes memory words = "bob says";
        for (uint256 j; j < 8; ++j) {
            words = bytes.concat(words, vocabulary[j]);
        }
        string memory text = string.concat(string(words), " ");
        net = createDatanet();
        aliceId = contributeText(alice, text, 1);
        accept(aliceId);
        vm.prank(curator);
        datanets.publishVersion(net, "clusters");
        modelOf = registerModel(modelParams("other", net));
        lay(1, 7, aliceId, true);
        earn(net, alice, PAYMENT);
        postCalls();
        IRecordTypes.Run memory run;
        (run.from, run.to, run.excerpt, run.place) = (0, 8, excerptOf(text), 8);
        run.holder.item = itemOf(aliceId);
        assertTrue(facts.isOmitted(record(0), 0, 0, 8, aliceId));
        refused(longerCall(0, run), NOT_FALSE);
    }

    /*//////////////////////////////////////////////////////////////////////////
                                     SHORT SPANS
    //////////////////////////////////////////////////////////////////////////*/

    /// @dev What a span shorter than a match shows: the tokens of every match around its first token.
    function around(uint32 start) private view returns (IRecordTypes.Tokens memory) {
        uint256 from = start < 5 ? 0 : start - 5;
        uint256 to = start + 6 < 9 ? start + 6 : 9;
        return spelled(from, to - from);
    }

    function shortCall(uint256 id) private view returns (bytes memory) {
        return abi.encodeCall(
            facts.factSpan,
            (opened(0), record(0), 0, itemOf(id), response, around(record(0).spans[0].start), bytes(textOf(id)))
        );
    }

    /// @dev Carol's has the third word and the fourth, and nothing around them: no match that they could be left of.
    function test_WhenNoMatchIsAroundAShortSpan(uint32 start, uint32 end) external {
        start = uint32(bound(start, 2, 3));
        end = uint32(bound(end, start + 1, 4));
        lay(start, end, carolId, false);
        lay(end, 8, bobId, true);
        post();
        assertLt(prove(shortCall(carolId)), 1_500_000);
    }

    function test_RevertWhen_AMatchIsAroundAShortSpan(uint32 start, uint32 end) external {
        start = uint32(bound(start, 0, 7));
        end = uint32(bound(end, start + 1, start + 5 < 8 ? start + 5 : 8));
        lay(start, end, bobId, false);
        post();
        refused(shortCall(bobId), NOT_FALSE);
    }

    function test_WhenAShortSpanIsNotThere() external {
        lay(8, 9, bobId, false);
        post();
        assertLt(prove(shortCall(bobId)), 1_500_000);
    }

    /*//////////////////////////////////////////////////////////////////////////
                                       PROMPTS
    //////////////////////////////////////////////////////////////////////////*/

    function ask(string memory question) private {
        request.messages.push(IRecordTypes.Message("user", question));
    }

    function promptCall(IRecordTypes.Tokens memory tokens) private view returns (bytes memory) {
        return abi.encodeCall(facts.factPrompt, (opened(0), record(0), 0, request, response, tokens));
    }

    function test_WhenThePromptDoesNotHoldIt() external {
        lay(1, 8, PROMPT, false);
        post();
        keep("dispute: prompt", prove(promptCall(spelled(1, 7))));
    }

    function test_RevertWhen_ThePromptHoldsIt() external {
        ask(string.concat("go on:", WORDS, "?"));
        lay(1, 8, PROMPT, false);
        post();
        refused(promptCall(spelled(1, 7)), NOT_FALSE);
        IRecordTypes.Request memory other = request;
        other.seed += 1;
        bytes memory call = abi.encodeCall(facts.factPrompt, (opened(0), record(0), 0, other, response, spelled(1, 7)));
        refused(call, MISMATCH);
        IRecordTypes.Response memory another = response;
        another.version += 1;
        call = abi.encodeCall(facts.factPrompt, (opened(0), record(0), 0, request, another, spelled(1, 7)));
        refused(call, MISMATCH);
        refused(promptCall(spelled(1, 6)), MISMATCH);
        // And no other fact takes the prompt for a document.
        refused(abi.encodeCall(facts.factDocument, (opened(0), record(0), 0)), NOT_FALSE);
        refused(longerCall(0, runOf(0, 8, aliceId)), NOT_FALSE);
        Batches.Item memory none;
        bytes memory text = bytes(CAROLS);
        call = abi.encodeCall(facts.factSpan, (opened(0), record(0), 0, none, response, spelled(1, 7), text));
        (bool ok,) = address(facts).staticcall(call);
        assertFalse(ok);
    }

    /// @dev What the prompt repeats is a match of it, or what earlier matches of it leave.
    function test_WhenThePromptHoldsNoMatchAroundIt(uint32 start) external {
        start = uint32(bound(start, 0, 8));
        ask(" gamma and delta, then");
        lay(start, start + 1, PROMPT, false);
        post();
        assertLt(prove(promptCall(around(start))), 1_500_000);
    }

    function test_RevertWhen_ThePromptHoldsAMatchAroundIt(uint32 start) external {
        start = uint32(bound(start, 1, 7));
        ask(" alpha");
        ask(" beta gamma delta epsilon zeta eta theta");
        lay(start, start + 1, PROMPT, false);
        post();
        refused(promptCall(around(start)), NOT_FALSE);
    }

    function test_RevertWhen_TheSpanIsADocuments() external {
        lay(0, 8, aliceId, true);
        post();
        refused(promptCall(spelled(8)), NOT_FALSE);
    }

    /*//////////////////////////////////////////////////////////////////////////
                                       FOUNDERS
    //////////////////////////////////////////////////////////////////////////*/

    /// @dev By the map that the model was registered with, bob's document is of alice's cluster.
    function founderCall(uint256 founder, uint256 index) private view returns (bytes memory) {
        (, bytes32[] memory proof) = PlainTree.fold(clusterMap(), index);
        return abi.encodeCall(facts.factFounder, (opened(0), record(0), 0, founder, index, 3, proof));
    }

    /// @dev Bob's as its own cluster.
    function test_WhenTheClusterIsLaterThanTheMaps() external {
        addCall(bobId, bobId, bob);
        earn(net, alice, PAYMENT);
        postCalls();
        assertLt(prove(founderCall(aliceId, 1)), 1_500_000);
    }

    /// @dev Carol's in a cluster that it is not near to.
    function test_WhenTheClusterIsEarlierThanTheMaps() external {
        addCall(carolId, aliceId, alice);
        earn(net, alice, PAYMENT);
        postCalls();
        keep("dispute: founder", prove(founderCall(carolId, 2)));
    }

    function test_RevertWhen_TheClusterIsTheMaps() external {
        addCall(bobId, aliceId, alice);
        earn(net, alice, PAYMENT);
        postCalls();
        refused(founderCall(aliceId, 1), NOT_FALSE);
        // Another document's leaf, and one that is none.
        refused(founderCall(carolId, 2), MISMATCH);
        refused(founderCall(carolId, 1), MISMATCH);
        refused(founderCall(bobId, 1), MISMATCH);
    }

    /// @dev Clusters reach over all versions of a model, and so does its map: of a model over two, carol's document is a copy of one
    /// of the other Datanet, which no version's map says.
    function test_WhenTheModelIsOverTwoVersions(bool early) external {
        uint256 second = createDatanet();
        uint256 id = contributeReveal(bob, second, document(42));
        accept(id);
        vm.prank(curator);
        datanets.publishVersion(second, "clusters");
        IModelRegistry.ModelParams memory params = corpusParams("both");
        params.datanets = new IModelRegistry.DatanetRef[](2);
        params.datanets[0] = IModelRegistry.DatanetRef(net, 1);
        params.datanets[1] = IModelRegistry.DatanetRef(second, 1);
        bytes[] memory map = new bytes[](4);
        (map[0], map[1]) = (abi.encode(aliceId, aliceId), abi.encode(bobId, aliceId));
        (map[2], map[3]) = (abi.encode(carolId, carolId), abi.encode(id, carolId));
        bytes32[] memory proof;
        (params.clusterMapRoot, proof) = PlainTree.fold(map, 3);
        modelOf = registerModel(params);
        // Its own cluster, or one of an earlier document that it is not near to.
        addCall(id, early ? aliceId : id, early ? alice : bob);
        earn(net, alice, PAYMENT);
        postCalls();
        // By the version's map nothing is shown.
        refused(founderCall(aliceId, 1), MISMATCH);
        bytes memory call = abi.encodeCall(facts.factFounder, (opened(0), record(0), 0, carolId, 3, 4, proof));
        assertLt(prove(call), 1_500_000);
    }

    /*//////////////////////////////////////////////////////////////////////////
                                     NOBODY'S SPANS
    //////////////////////////////////////////////////////////////////////////*/

    function test_WhenASpanEarnsNothing() external {
        lay(0, 8, bobId, false);
        post();
        // Alice's holds it, but neither of them earns by it.
        IRecordTypes.Run memory run = runOf(0, 8, aliceId);
        refused(
            abi.encodeCall(
                facts.factEarlier, (opened(0), record(0), 0, response, spelled(9), run.holder, run.excerpt, run.place)
            ),
            NOT_FALSE
        );
        IRecordTypes.Record memory r = record(0);
        r.spans[0].creditQ16 = 1;
        assertFalse(facts.isConsistent(r));
        r = record(0);
        r.spans[0].surpriseQ16 = r.floorQ16;
        assertTrue(facts.isConsistent(r));
        r.spans[0].surpriseQ16 = r.floorQ16 + 1;
        assertFalse(facts.isConsistent(r));
        // The prompt earns nothing, has no cluster, and as many tokens as it is said to have.
        (r.spans[0].documentId, r.spans[0].clusterId, r.promptTokens) = (PROMPT, 0, 8);
        assertTrue(facts.isConsistent(r));
        r.spans[0].clusterId = aliceId;
        assertFalse(facts.isConsistent(r));
        (r.spans[0].clusterId, r.promptTokens) = (0, 7);
        assertFalse(facts.isConsistent(r));
        (r.spans[0].creditQ16, r.promptTokens) = (1, 8);
        assertFalse(facts.isConsistent(r));
    }

    /*//////////////////////////////////////////////////////////////////////////
                                      LONG TEXTS
    //////////////////////////////////////////////////////////////////////////*/

    /// @dev What it costs to show that a span is not in a text: all of the text, at 40 gas a byte that is not zero (EIP-7623), or
    /// at 16 with what looking through it costs, where that is more. For a span shorter than a match, all matches around it are.
    function test_LongTextsCostWhatTheyHold() external {
        uint256[4] memory lengths = [uint256(1_000), 10_000, 25_000, 100_000];
        for (uint256 i; i < lengths.length; ++i) {
            for (uint256 short; short < 2; ++short) {
                uint256 state = vm.snapshotState();
                string memory text = prose(lengths[i]);
                net = createDatanet();
                carolId = contributeText(carol, text, 3);
                accept(carolId);
                vm.prank(curator);
                datanets.publishVersion(net, "clusters");
                modelOf = registerModel(modelParams("text", net));
                addCall(carolId, carolId, carol);
                if (short == 1) calls[0].record.spans[0].end = 1;
                earn(net, carol, PAYMENT);
                postCalls();
                IRecordTypes.Tokens memory tokens = short == 1 ? around(0) : spelled(8);
                uint256 gas = prove(
                    abi.encodeCall(
                        facts.factSpan, (opened(0), record(0), 0, itemOf(carolId), response, tokens, bytes(text))
                    )
                );
                vm.revertToState(state);
                string memory name = short == 1 ? "dispute: short span, text of " : "dispute: span, text of ";
                vm.snapshotValue(GROUP, string.concat(name, vm.toString(lengths[i]), " bytes"), gas);
                if (lengths[i] <= 25_000) assertLt(gas, 1_500_000);
            }
        }
    }
}
