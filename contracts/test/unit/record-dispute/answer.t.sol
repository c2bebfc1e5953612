// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {stdJson} from "forge-std/StdJson.sol";

import {IRecordTypes} from "../../../src/interfaces/IRecordTypes.sol";
import {RecordErrors} from "../../../src/libraries/RecordErrors.sol";
import {PlainTree} from "../../utils/PlainTree.sol";
import {RecordTest} from "../../utils/RecordTest.sol";

/// @notice How many of the tokens are the answer. The answer has nine, " alpha" to " omega".
/// forge-config: default.isolate = true
contract RecordAnswerTest is RecordTest {
    using stdJson for string;

    string private constant GROUP = "RecordDisputeGas";

    /// @dev A record of no spans, of so many tokens.
    function post(uint256 said) private {
        addCall(aliceId, aliceId, alice);
        IRecordTypes.Record storage r = calls[0].record;
        r.spans.pop();
        r.weights.pop();
        (r.answerTokens, r.residual) = (uint32(said), 1_000_000_000);
        earn(net, alice, PAYMENT);
        postCalls();
    }

    /// @dev Cuts the text; the tokens that are left whole.
    function cut(uint256 length) private returns (uint256 seen) {
        bytes memory text = bytes(response.text);
        assembly ("memory-safe") {
            mstore(text, length)
        }
        response.text = string(text);
        for (uint256 end; seen < 9 && end + vocabulary[seen].length <= length; ++seen) {
            end += vocabulary[seen].length;
        }
    }

    function answerCall(uint256 count) private view returns (bytes memory) {
        return abi.encodeCall(surpriseFacts.factAnswer, (opened(0), record(0), response, spelled(count), count));
    }

    function refused(bytes memory call, bytes4 why) private view {
        (bool ok, bytes memory reason) = address(surpriseFacts).staticcall(call);
        assertFalse(ok);
        assertEq(bytes4(reason), why);
    }

    function refusedAll() private view {
        for (uint256 count = 1; count <= response.tokens.length; ++count) {
            refused(answerCall(count), RecordErrors.RecordDispute_NotFalse.selector);
        }
    }

    /// @dev Other bytes for the vocabulary's first tokens.
    function respell(bytes[] memory words) private {
        bytes32[] memory items = new bytes32[](9);
        for (uint256 i; i < 9; ++i) {
            if (i < words.length) vocabulary[i] = words[i];
            items[i] = keccak256(vocabulary[i]);
        }
        deployFacts(IRecordTypes.Spec(SPEC, 250_000_000, 6, 64, PlainTree.rootOf(items), 9));
    }

    function respell(bytes memory first, bytes memory second, bytes memory third) private {
        bytes[] memory words = new bytes[](3);
        (words[0], words[1], words[2]) = (first, second, third);
        respell(words);
    }

    function test_WhenFewerTokensCountThanWereSeen(uint256 said) external {
        said = bound(said, 0, 8);
        post(said);
        if (said != 0) refused(answerCall(said), RecordErrors.RecordDispute_NotFalse.selector);
        uint256 gas = prove(answerCall(said + 1));
        assertLt(gas, 1_500_000);
    }

    function test_WhenTheLastTokenIsLeftOut() external {
        post(8);
        uint256 gas = prove(answerCall(9));
        assertLt(gas, 1_500_000);
        vm.snapshotValue(GROUP, "dispute: answer", gas);
    }

    /// @dev A stop string has cut the text, in a token or between two.
    function test_WhenMoreTokensCountThanWereSeen(uint256 length, uint256 said) external {
        uint256 seen = cut(bound(length, 0, bytes(response.text).length - 1));
        said = bound(said, seen + 1, 10);
        post(said);
        if (seen != 0) refused(answerCall(seen), RecordErrors.RecordDispute_NotFalse.selector);
        prove(answerCall(seen + 1));
    }

    /// @dev Whatever was generated, the customer was shown something else.
    function test_WhenTheTextIsAnother(uint256 place, bytes1 other) external {
        bytes memory text = bytes(response.text);
        place = bound(place, 0, text.length - 1);
        vm.assume(other != text[place] && uint8(other) < 0x80);
        text[place] = other;
        response.text = string(text);
        post(9);
        prove(answerCall(9));
    }

    function test_RevertWhen_ItIsRight(uint256 length) external {
        uint256 seen = cut(bound(length, 0, bytes(response.text).length));
        post(seen);
        refusedAll();
    }

    /// @dev A character of two bytes of which the first token has one: an engine reads it as U+FFFD and counts no token, though
    /// the text begins with its bytes.
    function test_RevertWhen_ATokenEndsInACharacter() external {
        respell(bytes(hex"c3"), bytes(hex"a9"), bytes("x"));
        response.text = unicode"é";
        post(2);
        refusedAll();
    }

    function test_RevertWhen_TheTextEndsInACharacterOfTheNextToken() external {
        respell(bytes("a"), bytes(hex"c3"), bytes(hex"a9"));
        response.text = unicode"aé beta";
        post(1);
        refused(answerCall(2), RecordErrors.RecordDispute_NotFalse.selector);
    }

    /// @dev Bytes that are no character are U+FFFD in the text, which has more bytes and others.
    function test_RevertWhen_BytesAreNoCharacter() external {
        respell(bytes(hex"ff"), bytes("a"), bytes(hex"efbf61"));
        response.text = unicode"�a�a delta";
        post(3);
        refusedAll();
    }

    function test_RevertWhen_TheExhibitIsAnother() external {
        post(8);
        IRecordTypes.Tokens memory tokens = spelled(9);
        tokens.texts[3] = " gamma";
        bytes4 mismatch = RecordErrors.RecordDispute_ExhibitMismatch.selector;
        refused(abi.encodeCall(surpriseFacts.factAnswer, (opened(0), record(0), response, tokens, 9)), mismatch);
        refused(abi.encodeCall(surpriseFacts.factAnswer, (opened(0), record(0), response, spelled(8), 9)), mismatch);
        // Of no token there is nothing to show.
        refused(answerCall(0), mismatch);
        // More than the response has.
        (bool ok,) = address(surpriseFacts)
            .staticcall(abi.encodeCall(surpriseFacts.factAnswer, (opened(0), record(0), response, spelled(9), 10)));
        assertFalse(ok);
        bytes memory call = answerCall(9);
        response.text = "another";
        refused(answerCall(9), mismatch);
        response.text = " alpha beta gamma delta epsilon zeta eta theta omega";
        prove(call);
    }

    function test_RevertWhen_TheSpecIsAnother() external {
        addCall(aliceId, aliceId, alice);
        calls[0].record.answerTokens = 8;
        calls[0].record.engineSpecHash = "another";
        earn(net, alice, PAYMENT);
        postCalls();
        refused(answerCall(9), RecordErrors.RecordDispute_SpecMismatch.selector);
    }

    /// @dev What tests/vectors/answers.json says, which who looks for false records reads as well.
    function test_AnswersOfTheVectors() external {
        string memory json = vm.readFile("tests/vectors/answers.json");
        uint256 cases;
        for (string memory path = ".answers[0]"; vm.keyExistsJson(json, path);) {
            bytes[] memory words = json.readBytesArray(string.concat(path, ".words"));
            respell(words);
            delete response.tokens;
            for (uint16 i; i < words.length; ++i) {
                response.tokens.push(i);
            }
            response.text = string(json.readBytes(string.concat(path, ".text")));
            checkVector(json.readUintArray(string.concat(path, ".shown")));
            path = string.concat(".answers[", vm.toString(++cases), "]");
        }
        assertGt(cases, 8);
    }

    /// @dev By how many tokens it is shown first, for each number that a record can say; zero where it is not.
    function checkVector(uint256[] memory shown) private {
        for (uint256 said; said < shown.length; ++said) {
            uint256 state = vm.snapshotState();
            post(said);
            uint256 first;
            for (uint256 count = 1; first == 0 && count <= response.tokens.length; ++count) {
                (bool ok,) = address(surpriseFacts).staticcall(answerCall(count));
                if (ok) first = count;
            }
            assertEq(first, shown[said]);
            vm.revertToState(state);
        }
    }
}
