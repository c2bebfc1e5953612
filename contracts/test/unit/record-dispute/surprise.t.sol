// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {stdJson} from "forge-std/StdJson.sol";

import {IDatanetRegistry} from "../../../src/interfaces/IDatanetRegistry.sol";
import {IModelRegistry} from "../../../src/interfaces/IModelRegistry.sol";
import {IRecordTypes} from "../../../src/interfaces/IRecordTypes.sol";
import {RecordErrors} from "../../../src/libraries/RecordErrors.sol";
import {PlainTree} from "../../utils/PlainTree.sol";
import {RecordTest} from "../../utils/RecordTest.sol";

/// @notice Facts that need surprises. Alice's document holds the first eight of the answer's nine words, bob's later one as well,
/// carol's none.
/// forge-config: default.isolate = true
/// forge-config: default.fuzz.runs = 64
contract RecordSurpriseTest is RecordTest {
    using stdJson for string;

    string private constant GROUP = "RecordDisputeGas";
    bytes4 private constant MISMATCH = RecordErrors.RecordDispute_ExhibitMismatch.selector;
    bytes4 private constant NOT_FALSE = RecordErrors.RecordDispute_NotFalse.selector;
    uint256 private constant ANSWER = type(uint256).max;
    uint256 private constant PROMPT = 0;
    uint256 private constant ALICE_PLACE = 12;
    uint256 private constant BOB_PLACE = 26;

    /*//////////////////////////////////////////////////////////////////////////
                                       RECORDS
    //////////////////////////////////////////////////////////////////////////*/

    function surpriseOf(uint256 from, uint256 to) private view returns (uint64 sum) {
        for (uint256 i = from; i < to; ++i) {
            sum += surpriseValues[response.tokens[i]];
        }
    }

    /// @dev A record of no spans.
    function blank() private {
        delete calls;
        addCall(aliceId, aliceId, alice);
        IRecordTypes.Record storage r = calls[0].record;
        r.answerTokens = uint32(response.tokens.length);
        (r.totalSurpriseQ16, r.floorQ16) = (surpriseOf(0, response.tokens.length), floorQ16);
        r.spans.pop();
        r.weights.pop();
        r.residual = 1_000_000_000;
    }

    /// @dev Adds a span with a surprise; its credit and weight follow.
    function lay(uint32 start, uint32 end, uint256 id, uint64 surprise) private {
        IRecordTypes.Record storage r = calls[0].record;
        uint64 credit = id == PROMPT || surprise <= r.floorQ16 ? 0 : surprise - r.floorQ16;
        r.spans.push(IRecordTypes.Span(start, end, id, id, 0, surprise, credit));
        if (id == PROMPT) r.promptTokens += end - start;
        if (credit == 0) return;
        uint256 weight = uint256(credit) * 1_000_000_000 / r.totalSurpriseQ16;
        if (weight > 250_000_000) weight = 250_000_000;
        address who = id == aliceId ? alice : id == bobId ? bob : carol;
        r.weights.push(IRecordTypes.Weight(id, net, who, credit, uint32(weight)));
        r.residual -= uint32(weight);
    }

    function lay(uint32 start, uint32 end, uint256 id) private {
        lay(start, end, id, surpriseOf(start, end));
    }

    function post() private {
        assertTrue(facts.isConsistent(record(0)));
        earn(net, alice, PAYMENT);
        postCalls();
    }

    function surpriseCall(uint256 span, IRecordTypes.Surprises memory s) private view returns (bytes memory) {
        return abi.encodeCall(surpriseFacts.factSurprise, (opened(0), record(0), span, response, s));
    }

    function surpriseCall(uint256 span) private view returns (bytes memory) {
        (uint256 from, uint256 to) = (0, record(0).answerTokens);
        if (span != ANSWER) (from, to) = (record(0).spans[span].start, record(0).spans[span].end);
        return surpriseCall(span, surprisesOf(from, to - from));
    }

    function runOf(uint32 from, uint32 to, uint256 id) private view returns (IRecordTypes.Run memory run) {
        (run.from, run.to, run.holder) = (from, to, member(id, id - aliceId));
        run.excerpt = excerptOf(id == aliceId ? ALICE_TEXT : id == bobId ? BOB_TEXT : CAROL_TEXT);
        run.place = id == aliceId ? ALICE_PLACE : BOB_PLACE;
        for (uint256 i; i < from; ++i) {
            run.place += vocabulary[response.tokens[i]].length;
        }
    }

    function missedCall(IRecordTypes.Run memory run, IRecordTypes.Surprises memory s)
        private
        view
        returns (bytes memory)
    {
        uint256 end = run.to < response.tokens.length ? run.to + 1 : run.to;
        IRecordTypes.Tokens memory tokens = spelled(run.from, end - run.from);
        return abi.encodeCall(surpriseFacts.factMissed, (opened(0), record(0), response, tokens, s, run));
    }

    function missedCall(IRecordTypes.Run memory run) private view returns (bytes memory) {
        return missedCall(run, surprisesOf(run.from, run.to - run.from));
    }

    function keep(string memory name, uint256 gas) private {
        vm.snapshotValue(GROUP, name, gas);
        assertLt(gas, 1_500_000);
    }

    function refused(bytes memory call, bytes4 why) private view {
        (bool ok, bytes memory reason) = address(surpriseFacts).staticcall(call);
        assertFalse(ok);
        assertEq(bytes4(reason), why);
    }

    /*//////////////////////////////////////////////////////////////////////////
                                       SURPRISE
    //////////////////////////////////////////////////////////////////////////*/

    function test_WhenASpansSurpriseIsWrong(uint32 start, uint32 end, bool prompts, uint64 said) external {
        start = uint32(bound(start, 0, 8));
        end = uint32(bound(end, start + 1, 9));
        said = uint64(bound(said, 0, 4_000_000));
        vm.assume(said != surpriseOf(start, end));
        blank();
        lay(start, end, prompts ? PROMPT : aliceId, said);
        post();
        refused(surpriseCall(ANSWER), NOT_FALSE);
        assertLt(prove(surpriseCall(0)), 1_500_000);
    }

    function test_WhenASpansSurpriseIsOneTooSmall() external {
        blank();
        lay(0, 8, aliceId, surpriseOf(0, 8) - 1);
        post();
        keep("dispute: surprise", prove(surpriseCall(0)));
    }

    /// @dev The second span's, beside one that is right.
    function test_WhenOneOfTwoIsWrong() external {
        blank();
        lay(0, 2, PROMPT);
        lay(2, 8, aliceId, surpriseOf(2, 8) + 1);
        post();
        refused(surpriseCall(0), NOT_FALSE);
        prove(surpriseCall(1));
    }

    /// @dev A floor too high keeps credit from everybody, one too low gives it for chance.
    function test_WhenTheFloorIsAnother(uint64 floor, bool all) external {
        floor = uint64(bound(floor, 0, 4_000_000));
        vm.assume(floor != floorQ16);
        blank();
        calls[0].record.floorQ16 = floor;
        lay(0, 8, aliceId);
        post();
        assertLt(prove(surpriseCall(all ? ANSWER : 0)), 1_500_000);
    }

    function test_WhenTheTotalIsWrong(uint64 said) external {
        said = uint64(bound(said, 1_000_000, type(uint64).max));
        blank();
        vm.assume(said != calls[0].record.totalSurpriseQ16);
        calls[0].record.totalSurpriseQ16 = said;
        lay(0, 8, aliceId);
        post();
        refused(surpriseCall(0), NOT_FALSE);
        assertLt(prove(surpriseCall(ANSWER)), 1_500_000);
    }

    /// @dev Of a record without a span, too.
    function test_WhenTheTotalIsWrongByOne() external {
        blank();
        calls[0].record.totalSurpriseQ16 += 1;
        post();
        keep("dispute: surprise of the answer", prove(surpriseCall(ANSWER)));
    }

    function test_WhenMoreTokensAreTheAnswerThanThereAre() external {
        blank();
        calls[0].record.answerTokens = 10;
        post();
        IRecordTypes.Surprises memory none;
        prove(surpriseCall(ANSWER, none));
    }

    function test_RevertWhen_ItIsRight(uint32 start, uint32 end, bool prompts) external {
        start = uint32(bound(start, 0, 8));
        end = uint32(bound(end, start + 1, 9));
        blank();
        lay(start, end, prompts ? PROMPT : aliceId);
        post();
        refused(surpriseCall(0), NOT_FALSE);
        refused(surpriseCall(ANSWER), NOT_FALSE);
    }

    /// @dev A stop string has cut the text, so fewer tokens than there are count; or none.
    function test_RevertWhen_TheAnswerIsCutShort(uint32 seen) external {
        seen = uint32(bound(seen, 0, 8));
        blank();
        calls[0].record.answerTokens = seen;
        calls[0].record.totalSurpriseQ16 = surpriseOf(0, seen);
        if (seen > 0) lay(0, seen, aliceId);
        post();
        refused(surpriseCall(ANSWER), NOT_FALSE);
        if (seen > 0) refused(surpriseCall(0), NOT_FALSE);
        // With all that was generated, it is no longer the same tokens.
        refused(surpriseCall(ANSWER, surprisesOf(0, 9)), MISMATCH);
    }

    function test_WhenTokensComeAgain(uint8[9] calldata which, bool right) external {
        for (uint256 i; i < 9; ++i) {
            response.tokens[i] = which[i] % 9;
        }
        blank();
        lay(0, 6, aliceId);
        if (!right) calls[0].record.totalSurpriseQ16 += 1;
        earn(net, alice, PAYMENT);
        postCalls();
        refused(surpriseCall(0), NOT_FALSE);
        if (right) refused(surpriseCall(ANSWER), NOT_FALSE);
        else assertLt(prove(surpriseCall(ANSWER)), 1_500_000);
    }

    /// @dev Or ends before it begins. `factSpan`, `factPrompt` and `factSums` show these.
    function test_RevertWhen_ASpanGoesBeyondTheResponse(bool backwards) external {
        blank();
        calls[0].record.answerTokens = 10;
        lay(4, 9, aliceId);
        calls[0].record.spans[0].end = backwards ? 3 : 10;
        earn(net, alice, PAYMENT);
        postCalls();
        refused(surpriseCall(0, surprisesOf(4, backwards ? 0 : 5)), MISMATCH);
        // No such span.
        (bool ok,) = address(surpriseFacts).staticcall(surpriseCall(1, surprisesOf(4, 5)));
        assertFalse(ok);
    }

    function test_RevertWhen_TheExhibitIsAnother(uint256 which, uint64 value) external {
        blank();
        lay(0, 8, aliceId, surpriseOf(0, 8) + 1);
        post();
        IRecordTypes.Surprises memory s = surprisesOf(0, 8);
        uint256 i = which % 8;
        vm.assume(value != s.values[i]);
        s.values[i] = value;
        refused(surpriseCall(0, s), MISMATCH);
        s = surprisesOf(0, 8);
        s.floor += 1;
        refused(surpriseCall(0, s), MISMATCH);
        s = surprisesOf(0, 8);
        s.proof[which % s.proof.length] ^= bytes32(uint256(1));
        refused(surpriseCall(0, s), MISMATCH);
        // Fewer tokens than the span has, more, and others.
        refused(surpriseCall(0, surprisesOf(0, 7)), MISMATCH);
        refused(surpriseCall(0, surprisesOf(0, 9)), MISMATCH);
        refused(surpriseCall(0, surprisesOf(1, 8)), MISMATCH);
        refused(surpriseCall(0, surprisesOf(0, 0)), MISMATCH);
        s = surprisesOf(0, 8);
        s.proof = new bytes32[](0);
        refused(surpriseCall(0, s), MISMATCH);
        // Another response.
        bytes memory call = surpriseCall(0);
        response.version += 1;
        refused(surpriseCall(0), MISMATCH);
        response.version -= 1;
        prove(call);
    }

    /// @dev The tree is of the receipt's model; a model over no documents has none.
    function test_RevertWhen_TheModelIsAnother(bool none) external {
        uint256 other = registerModel(none ? modelParams("other") : modelParams("other", net));
        blank();
        calls[0].receipt.modelId = other;
        calls[0].record.totalSurpriseQ16 += 1;
        post();
        refused(surpriseCall(ANSWER), MISMATCH);
        refused(missedCall(runOf(0, 8, aliceId)), MISMATCH);
    }

    function test_RevertWhen_TheSpecIsAnother() external {
        blank();
        calls[0].record.engineSpecHash = "another";
        earn(net, alice, PAYMENT);
        postCalls();
        refused(surpriseCall(ANSWER), RecordErrors.RecordDispute_SpecMismatch.selector);
        refused(missedCall(runOf(0, 8, aliceId)), RecordErrors.RecordDispute_SpecMismatch.selector);
    }

    /// @dev Trees of tests/vectors/surprise.json, which the engine makes.
    function test_TreesOfTheVectors() external {
        string memory json = vm.readFile("tests/vectors/surprise.json");
        IModelRegistry.ModelParams memory params = modelParams("vectors", net);
        params.surpriseRoot = json.readBytes32(".root");
        modelOf = registerModel(params);
        floorQ16 = uint64(json.readUint(".floor_q16"));
        assertEq(json.readUint(".size"), 65_537);
        uint256 count;
        while (vm.keyExistsJson(json, string.concat(".runs[", vm.toString(count), "]"))) ++count;
        assertGt(count, 3);
        for (uint256 i; i < count; ++i) {
            string memory path = string.concat(".runs[", vm.toString(i), "]");
            uint256[] memory tokens = json.readUintArray(string.concat(path, ".tokens"));
            delete response.tokens;
            for (uint256 j; j < tokens.length; ++j) {
                response.tokens.push(uint16(tokens[j]));
            }
            delete calls;
            addCall(aliceId, aliceId, alice);
            IRecordTypes.Record storage r = calls[0].record;
            r.answerTokens = uint32(tokens.length);
            r.floorQ16 = floorQ16;
            r.totalSurpriseQ16 = uint64(json.readUint(string.concat(path, ".surprise_q16")));
            r.spans[0].end = r.answerTokens;
            r.spans[0].surpriseQ16 = r.totalSurpriseQ16 + 1;
            earn(net, alice, PAYMENT);
            postCalls();
            IRecordTypes.Surprises memory s;
            uint256[] memory values = json.readUintArray(string.concat(path, ".values"));
            s.values = new uint64[](values.length);
            for (uint256 j; j < values.length; ++j) {
                s.values[j] = uint64(values[j]);
            }
            (s.floor, s.proof) = (floorQ16, json.readBytes32Array(string.concat(path, ".proof")));
            refused(surpriseCall(ANSWER, s), NOT_FALSE);
            prove(surpriseCall(0, s));
            claims.pop();
        }
    }

    /*//////////////////////////////////////////////////////////////////////////
                                  MATCHES LEFT OUT
    //////////////////////////////////////////////////////////////////////////*/

    /// @dev The record says of nothing that it is anybody's.
    function test_WhenAMatchIsLeftOut(uint32 from, uint32 to, bool bobs) external {
        from = uint32(bound(from, 0, 2));
        to = uint32(bound(to, from + 6, 8));
        blank();
        post();
        assertLt(prove(missedCall(runOf(from, to, bobs ? bobId : aliceId))), 1_500_000);
    }

    function test_WhenAMatchIsLeftOutAsAWhole() external {
        blank();
        post();
        keep("dispute: missed", prove(missedCall(runOf(0, 8, aliceId))));
    }

    /// @dev One token is nobody's, and no span beside it has credit.
    function test_WhenATokenIsNobodys(uint32 which, bool prompts) external {
        which = uint32(bound(which, 0, 7));
        blank();
        // Below the floor each, so that only surprise tells.
        for (uint32 i; i < 8; ++i) {
            if (i != which) lay(i, i + 1, prompts ? PROMPT : aliceId);
        }
        assertEq(calls[0].record.weights.length, 0);
        post();
        prove(missedCall(runOf(0, 8, aliceId)));
    }

    /// @dev Bob's is later, so what both hold is alice's.
    function test_WhenATokenIsALaterOnes(uint32 start, uint32 end) external {
        start = uint32(bound(start, 0, 7));
        end = uint32(bound(end, start + 1, 8));
        blank();
        if (start > 0) lay(0, start, PROMPT);
        lay(start, end, bobId);
        if (end < 8) lay(end, 8, PROMPT);
        post();
        refused(missedCall(runOf(0, 8, bobId)), NOT_FALSE);
        prove(missedCall(runOf(0, 8, aliceId)));
    }

    /// @dev The floor that counts is the model's, whatever the record says.
    function test_WhenTheRecordSaysAHigherFloor() external {
        blank();
        calls[0].record.floorQ16 = 4_000_000;
        post();
        prove(missedCall(runOf(0, 8, aliceId)));
    }

    function test_RevertWhen_EveryTokenIsSomebodys(uint32 a, uint32 b) external {
        a = uint32(bound(a, 1, 7));
        b = uint32(bound(b, a, 8));
        blank();
        lay(0, a, PROMPT);
        if (b > a) lay(a, b, aliceId);
        if (b < 8) lay(b, 8, bobId);
        post();
        refused(missedCall(runOf(0, 8, bobId)), NOT_FALSE);
        if (b == 8) refused(missedCall(runOf(0, 8, aliceId)), NOT_FALSE);
    }

    function test_RevertWhen_TheRunIsNoMatch(uint32 from, uint32 to) external {
        from = uint32(bound(from, 0, 7));
        to = uint32(bound(to, from, from + 5 < 8 ? from + 5 : 8));
        blank();
        post();
        refused(missedCall(runOf(from, to, aliceId)), NOT_FALSE);
        IRecordTypes.Run memory run = runOf(0, 8, aliceId);
        (run.from, run.to) = (8, 0);
        bytes memory call = abi.encodeCall(
            surpriseFacts.factMissed, (opened(0), record(0), response, spelled(9), surprisesOf(0, 8), run)
        );
        refused(call, NOT_FALSE);
    }

    /// @dev A match reaches the floor; one less, and it is chance.
    function test_WhenItReachesTheFloor(uint64 missing) external {
        missing = uint64(bound(missing, 0, 3));
        floorQ16 = surpriseOf(0, 8) + missing;
        modelOf = registerModel(corpusParams("floor"));
        blank();
        post();
        if (missing == 0) prove(missedCall(runOf(0, 8, aliceId)));
        else refused(missedCall(runOf(0, 8, aliceId)), NOT_FALSE);
    }

    /// @dev What a stop string has cut off is no answer, though the response has its tokens.
    function test_RevertWhen_ItGoesBeyondTheAnswer(uint32 seen) external {
        seen = uint32(bound(seen, 0, 8));
        blank();
        calls[0].record.answerTokens = seen;
        calls[0].record.totalSurpriseQ16 = surpriseOf(0, seen);
        post();
        if (seen < 8) refused(missedCall(runOf(0, seen + 1 < 6 ? 6 : seen + 1, aliceId)), NOT_FALSE);
        // Up to there it is, with the first token that is not shown behind it.
        if (seen >= 6) prove(missedCall(runOf(0, seen, aliceId)));
    }

    /// @dev Another vocabulary, with alice's text of its own.
    function write(string[9] memory words, string memory before, string memory behind) private returns (uint256 place) {
        bytes32[] memory items = new bytes32[](9);
        bytes memory text = bytes(before);
        place = text.length;
        for (uint256 i; i < 9; ++i) {
            vocabulary[i] = bytes(words[i]);
            items[i] = keccak256(vocabulary[i]);
            if (i < 8) text = bytes.concat(text, vocabulary[i]);
        }
        deployFacts(IRecordTypes.Spec(SPEC, 250_000_000, 6, 64, PlainTree.rootOf(items), 9));
        net = createDatanet();
        aliceId = contributeText(alice, string.concat(string(text), behind), 1);
        accept(aliceId);
        vm.prank(curator);
        datanets.publishVersion(net, "clusters");
        modelOf = registerModel(corpusParams("other"));
        blank();
        post();
    }

    function writtenCall(string memory text, uint256 place) private view returns (bytes memory) {
        IRecordTypes.Run memory run;
        (run.from, run.to, run.excerpt, run.place) = (0, 8, excerptOf(text), place);
        run.holder.item = itemOf(aliceId);
        return missedCall(run);
    }

    /// @dev Bytes of a word that the model wrote in two tokens, or with what is no letter, stand in the text, and the tokenizer makes
    /// other tokens of them; or nobody knows.
    function test_RevertWhen_ATokenIsNoWord(uint8 which, uint8 token) external {
        string[9] memory words =
            [" alpha", " beta", " gamma", " delta", " epsilon", " zeta", " eta", " theta", " omega"];
        string[10] memory others = ["al", " alpha1", " alpha beta", " ", "\n", "", "a", unicode" é", ", b", "  alpha"];
        words[token % 8] = others[which % 10];
        uint256 place = write(words, "so:", " ");
        string memory text = "so:";
        for (uint256 i; i < 8; ++i) {
            text = string.concat(text, words[i]);
        }
        refused(writtenCall(string.concat(text, " "), place), NOT_FALSE);
    }

    /// @dev As the one before, but that each token is a word.
    function test_WhenEachTokenIsAWord(uint8 behind) external {
        string[9] memory words = [" a", " beta", " gamma", " delta", " epsilon", " zeta", " eta", " Theta", " omega"];
        string[4] memory borders = [" ", "\n", "\tx", ""];
        string memory border = borders[behind % 4];
        uint256 place = write(words, "so:", border);
        prove(writtenCall(string.concat("so: a beta gamma delta epsilon zeta eta Theta", border), place));
    }

    /// @dev In the text the last word goes on, or what follows is no white space; or the answer's does.
    function test_RevertWhen_TheWordGoesOn(uint8 behind) external {
        string[9] memory words =
            [" alpha", " beta", " gamma", " delta", " epsilon", " zeta", " eta", " theta", " omega"];
        string[4] memory others = ["s", ", ", unicode"é ", "1"];
        uint256 place = write(words, "so:", others[behind % 4]);
        string memory text = "so: alpha beta gamma delta epsilon zeta eta theta";
        refused(writtenCall(string.concat(text, others[behind % 4]), place), NOT_FALSE);
    }

    function test_RevertWhen_TheAnswersWordGoesOn(uint8 behind) external {
        string[9] memory words = [" alpha", " beta", " gamma", " delta", " epsilon", " zeta", " eta", " theta", ""];
        string[4] memory others = ["s", ",", "", unicode"é"];
        words[8] = others[behind % 4];
        uint256 place = write(words, "so:", " ");
        string memory text = "so: alpha beta gamma delta epsilon zeta eta theta ";
        refused(writtenCall(text, place), NOT_FALSE);
    }

    /// @dev Nothing is behind the answer's last token.
    function test_WhenTheRunEndsTheResponse() external {
        response.tokens.pop();
        blank();
        post();
        prove(missedCall(runOf(0, 8, aliceId)));
    }

    function test_RevertWhen_TheTextHasItElsewhere(uint16 place) external {
        blank();
        post();
        vm.assume(place != ALICE_PLACE);
        IRecordTypes.Run memory run = runOf(0, 8, aliceId);
        run.place = place;
        refused(missedCall(run), NOT_FALSE);
        run.place = type(uint256).max;
        refused(missedCall(run), NOT_FALSE);
        // In carol's text it is nowhere; as another's it is no exhibit.
        run = runOf(0, 8, aliceId);
        run.holder = member(carolId, 2);
        refused(missedCall(run), MISMATCH);
        run.excerpt = excerptOf(CAROL_TEXT);
        refused(missedCall(run), NOT_FALSE);
    }

    function test_RevertWhen_TheExhibitOfAMissedMatchIsAnother() external {
        blank();
        post();
        IRecordTypes.Run memory run = runOf(0, 8, aliceId);
        IRecordTypes.Surprises memory s = surprisesOf(0, 8);
        s.floor -= 1;
        refused(missedCall(run, s), MISMATCH);
        s = surprisesOf(0, 8);
        s.values[3] += 1;
        refused(missedCall(run, s), MISMATCH);
        refused(missedCall(run, surprisesOf(0, 9)), MISMATCH);
        refused(missedCall(run, surprisesOf(0, 7)), MISMATCH);
        IRecordTypes.Tokens memory tokens = spelled(9);
        tokens.texts[0] = " beta";
        bytes memory call =
            abi.encodeCall(surpriseFacts.factMissed, (opened(0), record(0), response, tokens, surprisesOf(0, 8), run));
        refused(call, MISMATCH);
        response.version += 1;
        call = missedCall(run);
        refused(call, MISMATCH);
    }

    function test_RevertWhen_TheDocumentDoesNotCount() external {
        // Accepted after the version; of a Datanet that the model is not over.
        uint256 late = contributeText(bob, ALICE_TEXT, 7);
        accept(late);
        uint256 elsewhere = net;
        net = createDatanet();
        uint256 other = contributeText(bob, ALICE_TEXT, 8);
        accept(other);
        vm.prank(curator);
        datanets.publishVersion(net, "clusters");
        net = elsewhere;
        blank();
        post();
        IRecordTypes.Run memory run = runOf(0, 8, aliceId);
        run.holder.item = itemOf(late);
        refused(missedCall(run), MISMATCH);
        run.holder.item = itemOf(other);
        (run.holder.index, run.holder.proof) = (0, new bytes32[](0));
        refused(missedCall(run), MISMATCH);
        // Withdrawn.
        run = runOf(0, 8, aliceId);
        bytes memory call = missedCall(run);
        uint256 state = vm.snapshotState();
        vm.prank(alice);
        datanets.tombstone(aliceId);
        refused(call, MISMATCH);
        vm.revertToState(state);
        // Ruled out.
        vm.mockCall(address(challenges), abi.encodeWithSelector(challenges.isSound.selector), abi.encode(false));
        refused(call, MISMATCH);
        vm.clearMockedCalls();
        prove(call);
    }
}
