// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Test} from "forge-std/Test.sol";

import {MinHash} from "../../../src/libraries/MinHash.sol";

/// @dev Where texts end, and what separates words: the corners that the texts of `tests/vectors` do not turn.
contract MinHashTest is Test {
    /// @dev What a text gives that has one shingle, of these bytes.
    function only(bytes memory shingle, uint256 position) private pure returns (uint32) {
        (uint256 a, uint256 b) = MinHash.constantsOf(position);
        return uint32(MinHash.permuted(uint64(bytes8(keccak256(shingle))), a, b));
    }

    function check(bytes memory text, bytes memory shingle) private pure {
        for (uint256 position; position < 128; position += 31) {
            assertEq(MinHash.minimum(text, position), only(shingle, position));
        }
    }

    function test_FewerWordsThanAShingleAreOne() external pure {
        check("Harbour", "harbour");
        check("  The   lamp. ", "the lamp");
        check("a b c", "a b c");
    }

    function test_NoWordsAreNoShingle(uint256 position) external pure {
        position = bound(position, 0, 127);
        assertEq(MinHash.minimum("", position), type(uint32).max);
        assertEq(MinHash.minimum(" .,;- ", position), type(uint32).max);
        assertEq(MinHash.minimum(unicode"\u2014\u2019\u3000", position), type(uint32).max);
    }

    function test_TheLeastOfAllShinglesCounts(uint256 position) external pure {
        position = bound(position, 0, 127);
        uint32 first = only("a b c", position);
        uint32 second = only("b c d", position);
        assertEq(MinHash.minimum("a b c d", position), first < second ? first : second);
    }

    function test_BeyondAscii() external pure {
        // General punctuation and CJK punctuation separate.
        check(unicode"the\u2014lamp\u2026", "the lamp");
        check(unicode"the\u3001lamp", "the lamp");
        // Letters of two and three bytes are part of a word, and stay as they are.
        check(unicode"Caf\u00e9 na\u1e17ve", unicode"caf\u00e9 na\u1e17ve");
        // An ideograph is a word by itself, also within one; so is what takes four bytes.
        check(unicode"\u706f\u5854", unicode"\u706f \u5854");
        check(unicode"lamp\u706f", unicode"lamp \u706f");
        check(bytes.concat("x", hex"f09f9880"), bytes.concat("x ", hex"f09f9880"));
    }

    /// @dev Text that is cut within a character reads as if zeros followed, and never beyond its end.
    function test_CutWithinACharacter() external pure {
        // E2 80 begins general punctuation, C3 a letter, E7 an ideograph.
        check(bytes.concat("lamp", hex"e280"), "lamp");
        check(bytes.concat("lamp", hex"c3"), bytes.concat("lamp", hex"c3"));
        check(bytes.concat("lamp ", hex"e7"), bytes.concat("lamp ", hex"e7"));
        check(bytes.concat("lamp ", hex"f09f98"), bytes.concat("lamp ", hex"f09f98"));
    }

    /// @dev The places of two sketches that agree, those that no shingle reached aside.
    function test_Matches(uint256 changed) external pure {
        changed = bound(changed, 0, 128);
        bytes memory a = new bytes(512);
        bytes memory b = new bytes(512);
        for (uint256 i; i < 512; ++i) {
            a[i] = bytes1(uint8(i));
            b[i] = i < 4 * changed ? bytes1(uint8(i + 1)) : a[i];
        }
        assertEq(MinHash.matches(a, b), 128 - changed);
        for (uint256 i; i < 512; ++i) {
            a[i] = b[i] = 0xff;
        }
        assertEq(MinHash.matches(a, b), 0);
    }
}
