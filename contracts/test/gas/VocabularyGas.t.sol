// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {stdJson} from "forge-std/StdJson.sol";

import {IModelRegistry} from "../../src/interfaces/IModelRegistry.sol";
import {IRecordTypes} from "../../src/interfaces/IRecordTypes.sol";
import {RecordTest} from "../utils/RecordTest.sol";

/// @notice Gas of showing an earlier holder with the default model's vocabulary, as the attribution engine exhibits it
/// (tests/vectors/vocabulary.json). Alice's document holds the answer, bob's is credited with it. Kept in
/// contracts/snapshots/VocabularyGas.json; FORGE_SNAPSHOT_CHECK=true compares.
/// forge-config: default.isolate = true
contract VocabularyGasTest is RecordTest {
    using stdJson for string;

    string private constant GROUP = "VocabularyGas";

    string private json;
    string private answer;

    function setUp() public override {
        super.setUp();
        json = vm.readFile("tests/vectors/vocabulary.json");
        answer = json.readString(".text");
        IRecordTypes.Spec memory spec =
            IRecordTypes.Spec(SPEC, 250_000_000, 6, 64, json.readBytes32(".root"), uint32(json.readUint(".size")));
        deployCodeTo(
            "RecordFacts.sol:RecordFacts", abi.encode(settlement, models, datanets, challenges, spec), address(facts)
        );
        net = createDatanet();
        aliceId = contributeText(alice, string.concat("so:", answer, "\n"), 1);
        bobId = contributeText(bob, string.concat("bob says:", answer, "\n"), 2);
        carolId = contributeText(carol, CAROL_TEXT, 3);
        accept(aliceId);
        accept(bobId);
        accept(carolId);
        vm.prank(curator);
        datanets.publishVersion(net, "clusters");
        modelOf = registerModel(modelParams("real", net));
    }

    function shown() private view returns (IRecordTypes.Tokens memory) {
        return IRecordTypes.Tokens(json.readBytesArray(".texts"), json.readBytes32Array(".proof"));
    }

    function earlierCall() private returns (bytes memory) {
        uint256[] memory tokens = json.readUintArray(".tokens");
        delete response.tokens;
        for (uint256 i; i < tokens.length; ++i) {
            response.tokens.push(uint16(tokens[i]));
        }
        response.text = answer;
        addCall(bobId, bobId, bob);
        calls[0].record.answerTokens = uint32(tokens.length);
        calls[0].record.spans[0].end = uint32(tokens.length);
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
}
