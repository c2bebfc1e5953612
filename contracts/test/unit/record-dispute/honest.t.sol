// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IDatanetRegistry} from "../../../src/interfaces/IDatanetRegistry.sol";
import {IRecordTypes} from "../../../src/interfaces/IRecordTypes.sol";
import {PlainTree} from "../../utils/PlainTree.sol";
import {RecordTest} from "../../utils/RecordTest.sol";

/// @notice Records as the credit rule makes them, token by token and from its definition, of random answers, documents and
/// prompts: nothing can be shown about one, and of whatever is taken from somebody the loss can be. Two of the nine tokens make a
/// word together that is also a token, as a model can write it and no tokenizer does.
/// forge-config: default.isolate = true
/// forge-config: default.fuzz.runs = 48
contract HonestRecordTest is RecordTest {
    uint256 private constant ANSWER = type(uint256).max;
    uint256 private constant LEAST = 6;
    uint256 private constant NOBODY = type(uint256).max;
    uint256 private constant DOCUMENTS = 3;
    uint256 private constant LENGTH = 14;
    /// Tokens of an answer; one more can be behind what the customer saw.
    uint256 private constant TOKENS = 12;

    /// Tokens of the documents, and of the prompt's one message.
    uint16[][4] private texts;
    uint256[] private ids;
    /// How many of the answer's tokens the customer saw.
    uint256 private seen;

    function setUp() public override {
        super.setUp();
        string[9] memory words = [" alpha", " beta", " gamma", " delta", " ep", "si", " eta", " epsi", " omega"];
        bytes32[] memory items = new bytes32[](9);
        for (uint256 i; i < 9; ++i) {
            vocabulary[i] = bytes(words[i]);
            items[i] = keccak256(vocabulary[i]);
            surpriseValues[i] = uint64(20_000 + 7_000 * i);
        }
        floorQ16 = 280_000;
        deployFacts(IRecordTypes.Spec(SPEC, 250_000_000, 6, 64, PlainTree.rootOf(items), 9));
    }

    /*//////////////////////////////////////////////////////////////////////////
                                        TEXTS
    //////////////////////////////////////////////////////////////////////////*/

    /// @dev Documents are pieces of one text, so that they hold matches of each other and of the answer. Where the tokenizer would make
    /// one token of two, it does.
    function draw(uint256 seed, bool anyTokens) private {
        uint16[] memory common = new uint16[](40);
        for (uint256 i; i < 40; ++i) {
            common[i] = wordOf(uint256(keccak256(abi.encode(seed, i))));
        }
        for (uint256 d; d < 4; ++d) {
            delete texts[d];
            uint256 first = uint256(keccak256(abi.encode(seed, "first", d))) % 12;
            uint256 length = d == 3 ? uint256(keccak256(abi.encode(seed, "prompt"))) % 9 : LENGTH;
            for (uint256 i; i < length; ++i) {
                uint256 random = uint256(keccak256(abi.encode(seed, d, i)));
                texts[d].push(random % 16 == 0 ? wordOf(random / 16) : common[first + i]);
            }
        }
        delete response.tokens;
        uint256 from = uint256(keccak256(abi.encode(seed, "answer"))) % 12;
        for (uint256 i; i < TOKENS; ++i) {
            uint256 random = uint256(keccak256(abi.encode(seed, "answer", i)));
            uint16 token = random % 16 == 0 ? wordOf(random / 16) : common[from + i];
            // The model writes a word in other tokens.
            if (anyTokens && token == 7 && random % 3 == 0) {
                response.tokens.push(4);
                token = 5;
            } else if (anyTokens && random % 24 == 1) {
                token = uint16(random / 24 % 9);
            }
            response.tokens.push(token);
        }
        seen = response.tokens.length - uint256(keccak256(abi.encode(seed, "seen"))) % 3;
        see(uint256(keccak256(abi.encode(seed, "cut"))));
        publish();
    }

    /// @dev The customer saw the tokens that count and, of the one behind them, a part.
    function see(uint256 random) private {
        bytes memory text = spell(seen);
        if (seen < response.tokens.length) {
            bytes memory behind = vocabulary[response.tokens[seen]];
            for (uint256 i; i < random % behind.length; ++i) {
                text = bytes.concat(text, behind[i]);
            }
        }
        response.text = string(text);
    }

    function spell(uint256 count) private view returns (bytes memory text) {
        for (uint256 i; i < count; ++i) {
            text = bytes.concat(text, vocabulary[response.tokens[i]]);
        }
    }

    /// @dev A word that is one token.
    function wordOf(uint256 random) private pure returns (uint16) {
        uint16[7] memory whole = [uint16(0), 1, 2, 3, 6, 7, 8];
        return whole[random % 7];
    }

    function textOf(uint256 d) private view returns (string memory) {
        bytes memory text;
        for (uint256 i; i < texts[d].length; ++i) {
            text = bytes.concat(text, vocabulary[texts[d][i]]);
        }
        return string(bytes.concat(text, "\n"));
    }

    /// @dev One document of each of three, in the order of their commitments; each is a cluster of its own.
    function publish() private {
        net = createDatanet();
        delete ids;
        address[3] memory people = [alice, bob, carol];
        for (uint256 d; d < DOCUMENTS; ++d) {
            ids.push(contributeText(people[d], textOf(d), 10 + d));
            accept(ids[d]);
        }
        (aliceId, bobId, carolId) = (ids[0], ids[1], ids[2]);
        vm.prank(curator);
        datanets.publishVersion(net, "clusters");
        modelOf = registerModel(corpusParams("honest"));
    }

    /*//////////////////////////////////////////////////////////////////////////
                                   THE CREDIT RULE
    //////////////////////////////////////////////////////////////////////////*/

    function surpriseOf(uint256 from, uint256 to) private view returns (uint64 sum) {
        for (uint256 i = from; i < to; ++i) {
            sum += surpriseValues[response.tokens[i]];
        }
    }

    function isMatch(uint256 from, uint256 to) private view returns (bool) {
        return to >= from + LEAST && surpriseOf(from, to) >= floorQ16;
    }

    function holds(uint256 d, uint256 from, uint256 to) private view returns (bool) {
        uint16[] storage text = texts[d];
        for (uint256 first; first + (to - from) <= text.length; ++first) {
            uint256 i;
            while (i < to - from && text[first + i] == response.tokens[from + i]) ++i;
            if (i == to - from) return true;
        }
        return false;
    }

    /// @dev The prompt is zero, documents are one to three.
    function owners() private view returns (uint256[] memory owner) {
        owner = new uint256[](seen);
        for (uint256 i; i < seen; ++i) {
            owner[i] = NOBODY;
        }
        for (uint256 from; from < seen; ++from) {
            for (uint256 to = from + LEAST; to <= seen; ++to) {
                if (!isMatch(from, to)) continue;
                for (uint256 d; d < 4; ++d) {
                    if (!holds(d == 0 ? 3 : d - 1, from, to)) continue;
                    for (uint256 i = from; i < to; ++i) {
                        if (d < owner[i]) owner[i] = d;
                    }
                    break;
                }
            }
        }
    }

    function lay(uint256 owner, uint256 start, uint256 end) private {
        IRecordTypes.Record storage r = calls[0].record;
        uint256 id = owner == 0 ? 0 : ids[owner - 1];
        uint64 surprise = surpriseOf(start, end);
        uint64 credit = owner == 0 || surprise <= r.floorQ16 ? 0 : surprise - r.floorQ16;
        r.spans.push(IRecordTypes.Span(uint32(start), uint32(end), id, id, 0, surprise, credit));
        if (owner == 0) r.promptTokens += uint32(end - start);
    }

    function cut(uint256[] memory owner) private {
        IRecordTypes.Record storage r = calls[0].record;
        uint256 start;
        while (start < seen) {
            uint256 run = start;
            while (run < seen && owner[run] == owner[start]) ++run;
            while (start < run && owner[start] != NOBODY) {
                uint256 end = run;
                while (!holds(owner[start] == 0 ? 3 : owner[start] - 1, start, end)) --end;
                lay(owner[start], start, end);
                start = end;
            }
            start = run;
        }
        for (uint256 d; d < DOCUMENTS; ++d) {
            uint64 credit;
            for (uint256 i; i < r.spans.length; ++i) {
                if (r.spans[i].documentId == ids[d]) credit += r.spans[i].creditQ16;
            }
            if (credit == 0) continue;
            uint256 weight = uint256(credit) * 1_000_000_000 / r.totalSurpriseQ16;
            if (weight > 250_000_000) weight = 250_000_000;
            address[3] memory people = [alice, bob, carol];
            r.weights.push(IRecordTypes.Weight(ids[d], net, people[d], credit, uint32(weight)));
            r.residual -= uint32(weight);
        }
    }

    /// @dev The record of the answer, with these owners.
    function write(uint256[] memory owner) private {
        delete calls;
        request.messages[0].content = textOf(3);
        addCall(ids[0], ids[0], alice);
        IRecordTypes.Record storage r = calls[0].record;
        r.answerTokens = uint32(seen);
        (r.totalSurpriseQ16, r.floorQ16) = (surpriseOf(0, seen), floorQ16);
        r.spans.pop();
        r.weights.pop();
        r.residual = 1_000_000_000;
        cut(owner);
    }

    function post() private {
        assertTrue(facts.isConsistent(record(0)));
        earn(net, alice, PAYMENT);
        postCalls();
    }

    /*//////////////////////////////////////////////////////////////////////////
                                      EXHIBITS
    //////////////////////////////////////////////////////////////////////////*/

    function isShown(address judge, bytes memory call) private view returns (bool ok) {
        (ok,) = judge.staticcall(call);
    }

    /// @dev Whatever of a document's text has a run's bytes, with every place where it has them.
    function isMissed(uint256 d, bytes memory text, uint256 from, uint256 to) private view returns (bool) {
        bytes memory piece;
        for (uint256 i = from; i < to; ++i) {
            piece = bytes.concat(piece, vocabulary[response.tokens[i]]);
        }
        for (uint256 place; place + piece.length <= text.length; ++place) {
            bytes32 here;
            assembly ("memory-safe") {
                here := keccak256(add(add(text, 0x20), place), mload(piece))
            }
            if (here == keccak256(piece) && isMissedAt(d, from, to, place)) return true;
        }
        return false;
    }

    function isMissedAt(uint256 d, uint256 from, uint256 to, uint256 place) private view returns (bool) {
        IRecordTypes.Run memory run;
        (run.from, run.to, run.place) = (uint32(from), uint32(to), place);
        (run.holder, run.excerpt) = (member(ids[d], d), excerptOf(textOf(d)));
        return isShown(address(surpriseFacts), missedCall(run));
    }

    function missedCall(IRecordTypes.Run memory run) private view returns (bytes memory) {
        uint256 count = run.to - run.from;
        IRecordTypes.Tokens memory tokens = spelled(run.from, run.to < response.tokens.length ? count + 1 : count);
        IRecordTypes.Surprises memory s = surprisesOf(run.from, count);
        return abi.encodeCall(surpriseFacts.factMissed, (opened(0), record(0), response, tokens, s, run));
    }

    /// @dev With runs from one token less than a match on.
    function isAnythingMissed() private view returns (bool) {
        for (uint256 d; d < DOCUMENTS; ++d) {
            bytes memory text = bytes(textOf(d));
            for (uint256 from; from < seen; ++from) {
                for (uint256 to = from + LEAST - 1; to <= response.tokens.length; ++to) {
                    if (isMissed(d, text, from, to)) return true;
                }
            }
        }
        return false;
    }

    function isSurpriseFalse() private view returns (bool) {
        uint256 spans = record(0).spans.length;
        for (uint256 i; i <= spans; ++i) {
            (uint256 from, uint256 to) = (0, seen);
            if (i < spans) (from, to) = (record(0).spans[i].start, record(0).spans[i].end);
            bytes memory call = abi.encodeCall(
                surpriseFacts.factSurprise,
                (opened(0), record(0), i < spans ? i : ANSWER, response, surprisesOf(from, to - from))
            );
            if (isShown(address(surpriseFacts), call)) return true;
        }
        return false;
    }

    function isAnotherAnswerShown() private view returns (bool) {
        for (uint256 count = 1; count <= response.tokens.length; ++count) {
            bytes memory call =
                abi.encodeCall(surpriseFacts.factAnswer, (opened(0), record(0), response, spelled(count), count));
            if (isShown(address(surpriseFacts), call)) return true;
        }
        return false;
    }

    /*//////////////////////////////////////////////////////////////////////////
                                        TESTS
    //////////////////////////////////////////////////////////////////////////*/

    function testFuzz_NothingIsShownAboutThem(uint256 seed, bool anyTokens) external {
        draw(seed, anyTokens);
        write(owners());
        post();
        assertFalse(isAnythingMissed());
        assertFalse(isSurpriseFalse());
        assertFalse(isAnotherAnswerShown());
    }

    /// @dev More tokens count, or fewer, than the customer saw.
    function testFuzz_AnotherAnswerIsShown(uint256 seed, bool anyTokens, uint256 said) external {
        draw(seed, anyTokens);
        said = bound(said, 0, response.tokens.length);
        vm.assume(said != seen);
        write(owners());
        calls[0].record.answerTokens = uint32(said);
        earn(net, alice, PAYMENT);
        postCalls();
        assertTrue(isAnotherAnswerShown());
    }

    /// @dev A token is given to nobody or to somebody later. Words are one token each, so that who holds it can show it.
    function testFuzz_WhatIsTakenIsShown(uint256 seed, uint256 which, uint256 to) external {
        draw(seed, false);
        uint256[] memory owner = owners();
        uint256 token;
        uint256 documents;
        for (uint256 i; i < seen; ++i) {
            if (owner[i] != NOBODY && owner[i] != 0) ++documents;
        }
        vm.assume(documents != 0);
        for (uint256 left = which % documents + 1;; ++token) {
            if (owner[token] != NOBODY && owner[token] != 0 && --left == 0) break;
        }
        uint256 later = owner[token] + 1 + to % 3;
        if (later > DOCUMENTS || !holds(later - 1, token, token + 1)) later = NOBODY;
        owner[token] = later;
        write(owner);
        post();
        assertTrue(isAnythingMissed());
        assertFalse(isSurpriseFalse());
    }

    /// @dev Everything is nobody's.
    function testFuzz_WhatIsLeftOutAsAWholeIsShown(uint256 seed) external {
        draw(seed, false);
        uint256[] memory owner = owners();
        bool any;
        for (uint256 i; i < seen; ++i) {
            if (owner[i] != NOBODY) (any, owner[i]) = (any || owner[i] != 0, NOBODY);
        }
        vm.assume(any);
        write(owner);
        post();
        assertTrue(isAnythingMissed());
    }

    function testFuzz_AnotherSurpriseIsShown(uint256 seed, uint8 what) external {
        draw(seed, true);
        write(owners());
        IRecordTypes.Record storage r = calls[0].record;
        if (what % 3 == 0) r.floorQ16 += 1;
        else if (what % 3 == 1 || r.spans.length == 0) r.totalSurpriseQ16 += 1;
        else r.spans[what % r.spans.length].surpriseQ16 += 1;
        earn(net, alice, PAYMENT);
        postCalls();
        assertTrue(isSurpriseFalse());
    }

    /// @dev The drawn are of every sort: matches of documents and of prompts, and bytes in a document that are other tokens there.
    function test_TheDrawnAreOfEverySort() external {
        uint256[3] memory found;
        for (uint256 seed; seed < 12; ++seed) {
            uint256 state = vm.snapshotState();
            draw(seed, true);
            uint256[] memory owner = owners();
            uint256[3] memory now_;
            for (uint256 i; i < seen; ++i) {
                if (owner[i] == 0) now_[0] = 1;
                else if (owner[i] != NOBODY) now_[1] = 1;
            }
            for (uint256 d; d < DOCUMENTS; ++d) {
                if (isWrittenOtherwise(d)) now_[2] = 1;
            }
            vm.revertToState(state);
            for (uint256 i; i < 3; ++i) {
                found[i] += now_[i];
            }
        }
        for (uint256 i; i < 3; ++i) {
            assertGt(found[i], 0);
        }
    }

    /// @dev A run that would be a match has its bytes in the document, and not its tokens.
    function isWrittenOtherwise(uint256 d) private returns (bool) {
        string memory text = textOf(d);
        for (uint256 from; from + LEAST <= seen; ++from) {
            for (uint256 to = from + LEAST; to <= seen; ++to) {
                bytes memory piece;
                for (uint256 i = from; i < to; ++i) {
                    piece = bytes.concat(piece, vocabulary[response.tokens[i]]);
                }
                if (isMatch(from, to) && !holds(d, from, to) && vm.contains(text, string(piece))) return true;
            }
        }
        return false;
    }
}
