// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {stdJson} from "forge-std/StdJson.sol";
import {LibSort} from "solady/utils/LibSort.sol";

import {IModelRegistry} from "../../src/interfaces/IModelRegistry.sol";
import {IRecordTypes} from "../../src/interfaces/IRecordTypes.sol";
import {Merkle} from "../../src/libraries/Merkle.sol";
import {SparseTree} from "../utils/SparseTree.sol";
import {RecordTest} from "../utils/RecordTest.sol";

/// @notice Gas of facts with the default model's vocabulary, tokens as the attribution engine exhibits them
/// (tests/vectors/vocabulary.json), and a table of surprises of full size. Alice's document holds the answer, bob's is credited with
/// it. Kept in contracts/snapshots/VocabularyGas.json; FORGE_SNAPSHOT_CHECK=true compares.
/// forge-config: default.isolate = true
contract VocabularyGasTest is RecordTest {
    using stdJson for string;

    string private constant GROUP = "VocabularyGas";
    /// Words that the text begins with, before its first comma, but for the one right before it.
    uint32 private constant WORDS = 12;

    string private json;
    string private answer;
    /// The answer's different tokens, ascending, and their bytes.
    uint256[] private different;
    bytes[] private bytesOf;

    function setUp() public override {
        super.setUp();
        json = vm.readFile("tests/vectors/vocabulary.json");
        answer = json.readString(".text");
        IRecordTypes.Spec memory spec =
            IRecordTypes.Spec(SPEC, 250_000_000, 6, 64, json.readBytes32(".root"), uint32(json.readUint(".size")));
        deployFacts(spec);
        uint256[] memory tokens = json.readUintArray(".tokens");
        delete response.tokens;
        delete surpriseValues;
        for (uint256 i; i < tokens.length; ++i) {
            response.tokens.push(uint16(tokens[i]));
        }
        response.text = answer;
        LibSort.sort(tokens);
        LibSort.uniquifySorted(tokens);
        different = tokens;
        for (uint256 i; i < tokens.length; ++i) {
            // Two to sixteen bits, as of a corpus of sixty thousand tokens; the floor is 32 above its logarithm.
            surpriseValues.push(uint64(131_072 + uint256(keccak256(abi.encode(tokens[i]))) % 917_504));
        }
        floorQ16 = 48 * 65_536;
        bytesOf = json.readBytesArray(".texts");
        net = createDatanet();
        aliceId = contributeText(alice, string.concat("so:", answer, "\n"), 1);
        bobId = contributeText(bob, string.concat("bob says:", answer, "\n"), 2);
        carolId = contributeText(carol, CAROL_TEXT, 3);
        accept(aliceId);
        accept(bobId);
        accept(carolId);
        vm.prank(curator);
        datanets.publishVersion(net, "clusters");
        modelOf = registerModel(corpusParams("real"));
    }

    function surprisePlaces() internal view override returns (uint256[] memory) {
        return different;
    }

    function shown() private view returns (IRecordTypes.Tokens memory) {
        return IRecordTypes.Tokens(json.readBytesArray(".texts"), json.readBytes32Array(".proof"));
    }

    function addBobs() private {
        addCall(bobId, bobId, bob);
        calls[0].record.answerTokens = uint32(response.tokens.length);
        calls[0].record.spans[0].end = uint32(response.tokens.length);
    }

    function earlierCall() private returns (bytes memory) {
        addBobs();
        earn(net, bob, PAYMENT);
        postCalls();
        string memory text = string.concat("so:", answer, "\n");
        return abi.encodeCall(
            facts.factEarlier, (opened(0), record(0), 0, response, shown(), member(aliceId, 0), excerptOf(text), 3)
        );
    }

    function test_Gas_EarlierHolderOfTheDefaultModelsTokens() external {
        bytes memory call = earlierCall();
        uint256 count = response.tokens.length;
        uint256 gas = prove(call);
        assertLt(gas, 1_500_000);
        vm.snapshotValue(GROUP, string.concat("dispute: earlier holder of ", vm.toString(count), " tokens"), gas);
    }

    function keep(string memory what, uint256 count, uint256 gas) private {
        assertLt(gas, 1_500_000);
        vm.snapshotValue(GROUP, string.concat("dispute: ", what, " of ", vm.toString(count), " tokens"), gas);
    }

    /// @dev The customer saw all, and the record leaves the last token out.
    function test_Gas_TokensOfTheAnswer() external {
        addBobs();
        uint256 count = response.tokens.length;
        calls[0].record.answerTokens = uint32(count - 1);
        earn(net, bob, PAYMENT);
        postCalls();
        bytes memory call = abi.encodeCall(surpriseFacts.factAnswer, (opened(0), record(0), response, shown(), count));
        keep("answer", count, prove(call));
    }

    /// @dev Of a span that is all of the answer, and of the answer.
    function test_Gas_SurpriseOfTheDefaultModelsTokens() external {
        addBobs();
        earn(net, bob, PAYMENT);
        postCalls();
        uint256 count = response.tokens.length;
        IRecordTypes.Surprises memory s = surprisesOf(0, count);
        uint256 state = vm.snapshotState();
        for (uint256 i; i < 2; ++i) {
            uint256 span = i == 0 ? type(uint256).max : 0;
            bytes memory call = abi.encodeCall(surpriseFacts.factSurprise, (opened(0), record(0), span, response, s));
            keep(i == 0 ? "surprise of the answer" : "surprise", count, prove(call));
            vm.revertToState(state);
        }
    }

    /// @dev The record names nobody; alice's document has the words that the answer begins with.
    function test_Gas_AMatchLeftOut() external {
        bytes32[] memory leaves = new bytes32[](different.length);
        bool[] memory shown_ = new bool[](different.length);
        uint256 used;
        IRecordTypes.Tokens memory tokens;
        tokens.texts = new bytes[](WORDS + 1);
        for (uint256 i; i < different.length; ++i) {
            leaves[i] = Merkle.hashLeaf(keccak256(bytesOf[i]));
            for (uint256 j; j <= WORDS; ++j) {
                if (response.tokens[j] == different[i]) shown_[i] = true;
            }
            if (shown_[i]) tokens.texts[used++] = bytesOf[i];
        }
        bytes[] memory texts = tokens.texts;
        assembly ("memory-safe") {
            mstore(texts, used)
        }
        // A tree as deep as the tokenizer's.
        bytes32 root;
        uint32 size = uint32(json.readUint(".size"));
        (root, tokens.proof) = SparseTree.fold(different, leaves, size, shown_);
        deployFacts(IRecordTypes.Spec(SPEC, 250_000_000, 6, 64, root, size));
        addBobs();
        calls[0].record.spans.pop();
        earn(net, bob, PAYMENT);
        postCalls();
        IRecordTypes.Run memory run =
            IRecordTypes.Run(0, WORDS, member(aliceId, 0), excerptOf(string.concat("so:", answer, "\n")), 3);
        bytes memory call = abi.encodeCall(
            surpriseFacts.factMissed, (opened(0), record(0), response, tokens, surprisesOf(0, WORDS), run)
        );
        keep("missed match", WORDS, prove(call));
    }

    /// @dev A long answer: a thousand tokens, some four hundred different.
    function test_Gas_SurpriseOfALongAnswer() external {
        delete response.tokens;
        delete surpriseValues;
        uint256[] memory some = new uint256[](400);
        for (uint256 i; i < 400; ++i) {
            some[i] = uint256(keccak256(abi.encode("token", i))) % json.readUint(".size");
        }
        for (uint256 i; i < 1_000; ++i) {
            response.tokens.push(uint16(some[i < 400 ? i : uint256(keccak256(abi.encode(i))) % 400]));
        }
        LibSort.sort(some);
        LibSort.uniquifySorted(some);
        different = some;
        for (uint256 i; i < some.length; ++i) {
            surpriseValues.push(uint64(131_072 + i * 2_000));
        }
        modelOf = registerModel(corpusParams("long-answers"));
        addBobs();
        earn(net, bob, PAYMENT);
        postCalls();
        IRecordTypes.Surprises memory s = surprisesOf(0, 1_000);
        uint256 gas =
            prove(abi.encodeCall(surpriseFacts.factSurprise, (opened(0), record(0), type(uint256).max, response, s)));
        assertLt(gas, 30_000_000);
        vm.snapshotValue(GROUP, "dispute: surprise of the answer of 1000 tokens", gas);
    }
}
