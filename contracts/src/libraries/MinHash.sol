// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @title MinHash
/// @notice The sketch of docs/formats/attribution.md where a dispute needs it on chain: comparing two sketches, and
/// recomputing one number of a sketch from the text. Word rules are those of the document, over UTF-8.
library MinHash {
    /// Numbers of a sketch, and its bytes.
    uint256 internal constant LENGTH = 128;
    uint256 internal constant BYTES = 512;
    /// Words of a shingle.
    uint256 internal constant SHINGLE = 3;

    /// Bit c is set for the ASCII characters 0-9, A-Z and a-z, and for A-Z.
    uint256 private constant WORD_ASCII = 0x07fffffe07fffffe03ff000000000000;
    uint256 private constant UPPER_ASCII = 0x07fffffe0000000000000000;

    uint256 private constant PRIME = (1 << 61) - 1;
    uint256 private constant MASK32 = 0xFFFFFFFF;
    uint256 private constant MASK64 = 0xFFFFFFFFFFFFFFFF;
    uint256 private constant SEED = 0x4f50454e6c656467;
    uint256 private constant GOLDEN = 0x9E3779B97F4A7C15;

    /// A word while the text is read: where it begins and ends.
    struct Words {
        uint256 first;
        uint256 second;
        uint256 third;
        uint256 firstEnd;
        uint256 secondEnd;
        uint256 thirdEnd;
        uint256 count;
    }

    /// @notice In how many places two sketches of 512 bytes agree; a place that no shingle reached agrees with nothing.
    function matches(bytes memory a, bytes memory b) internal pure returns (uint256 count) {
        assembly ("memory-safe") {
            // Eight numbers a word.
            for { let i := 0x20 } lt(i, 0x220) { i := add(i, 0x20) } {
                let x := mload(add(a, i))
                let y := xor(x, mload(add(b, i)))
                for { let j := 0 } lt(j, 8) { j := add(j, 1) } {
                    count := add(count, and(iszero(and(y, 0xffffffff)), lt(and(x, 0xffffffff), 0xffffffff)))
                    x := shr(32, x)
                    y := shr(32, y)
                }
            }
        }
    }

    /// @notice Number `position` of a sketch.
    function valueAt(bytes memory sketch, uint256 position) internal pure returns (uint32 value) {
        assembly ("memory-safe") {
            value := shr(224, mload(add(add(sketch, 0x20), mul(position, 4))))
        }
    }

    /// @notice Number `position` of the sketch of `text`: the least permuted hash over its shingles, 2^32 - 1 without words.
    /// Costs about 520 gas a byte of English text.
    function minimum(bytes memory text, uint256 position) internal pure returns (uint32) {
        (uint256 a, uint256 b) = constantsOf(position);
        // Lowered in a copy, so that a shingle is a run of memory once its words are joined.
        bytes memory lowered = bytes.concat(text);
        bytes memory joined = new bytes(text.length + SHINGLE);
        uint256 least = MASK32;
        Words memory w;
        uint256 i;
        while (i < lowered.length) {
            (uint256 start, uint256 end, uint256 next) = _nextWord(lowered, i);
            i = next;
            if (start == end) break;
            (w.first, w.firstEnd) = (w.second, w.secondEnd);
            (w.second, w.secondEnd) = (w.third, w.thirdEnd);
            (w.third, w.thirdEnd) = (start, end);
            if (++w.count < SHINGLE) continue;
            uint256 value = permuted(_hashShingle(lowered, joined, w), a, b);
            if (value < least) least = value;
        }
        // A text of fewer words has one shingle of all of them.
        if (w.count != 0 && w.count < SHINGLE) least = permuted(_hashShingle(lowered, joined, w), a, b);
        // forge-lint: disable-next-line(unsafe-typecast)
        return uint32(least);
    }

    /// @notice `((a x + b) mod (2^61 - 1)) mod 2^32`.
    function permuted(uint256 x, uint256 a, uint256 b) internal pure returns (uint256) {
        return ((a * x + b) % PRIME) & MASK32;
    }

    /// @notice Constants of one place: outputs 2i and 2i + 1 of SplitMix64, which counts, so any place is reached at once.
    function constantsOf(uint256 position) internal pure returns (uint256 a, uint256 b) {
        a = _splitMix(2 * position) % PRIME;
        if (a == 0) a = 1;
        b = _splitMix(2 * position + 1) % PRIME;
    }

    function _splitMix(uint256 n) private pure returns (uint256 z) {
        unchecked {
            z = (SEED + (n + 1) * GOLDEN) & MASK64;
            z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK64;
            z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK64;
            z = z ^ (z >> 31);
        }
    }

    /// @dev First 8 bytes of the hash of the words joined by single spaces. Words that are not there have no length.
    function _hashShingle(bytes memory text, bytes memory joined, Words memory w) private pure returns (uint256 x) {
        uint256 length;
        if (w.count >= 3) length = _append(text, joined, length, w.first, w.firstEnd);
        if (w.count >= 2) length = _append(text, joined, length, w.second, w.secondEnd);
        length = _append(text, joined, length, w.third, w.thirdEnd);
        assembly ("memory-safe") {
            x := shr(192, keccak256(add(joined, 0x20), length))
        }
    }

    function _append(bytes memory text, bytes memory joined, uint256 at_, uint256 start, uint256 end)
        private
        pure
        returns (uint256 length)
    {
        assembly ("memory-safe") {
            if at_ {
                mstore8(add(add(joined, 0x20), at_), 0x20)
                at_ := add(at_, 1)
            }
            mcopy(add(add(joined, 0x20), at_), add(add(text, 0x20), start), sub(end, start))
            length := add(at_, sub(end, start))
        }
    }

    /// @dev The next word from `i`, lowered in place; empty at the end. `next` is where to go on. Nothing overflows: all
    /// are places in `text`.
    function _nextWord(bytes memory text, uint256 i) private pure returns (uint256 start, uint256 end, uint256 next) {
        uint256 length = text.length;
        bool inside;
        start = i;
        unchecked {
            while (i < length) {
                uint256 c;
                assembly ("memory-safe") {
                    c := byte(0, mload(add(add(text, 0x20), i)))
                }
                uint256 size = 1;
                bool part;
                if (c < 0x80) {
                    part = (WORD_ASCII >> c) & 1 == 1;
                    if ((UPPER_ASCII >> c) & 1 == 1) {
                        assembly ("memory-safe") {
                            mstore8(add(add(text, 0x20), i), or(c, 0x20))
                        }
                    }
                } else {
                    uint256 kind;
                    (kind, size) = _classify(text, i, c);
                    // A character that is a word by itself ends the word before it.
                    if (kind == 2) return inside ? (start, i, i) : (i, i + size, i + size);
                    part = kind == 1;
                }
                if (part) {
                    if (!inside) (start, inside) = (i, true);
                } else if (inside) {
                    return (start, i, i + size);
                }
                i += size;
            }
        }
        return inside ? (start, length, length) : (length, length, length);
    }

    /// @dev 0 separates, 1 is part of a word, 2 is a word by itself; and the bytes of the character that begins with `c`,
    /// which is beyond ASCII.
    function _classify(bytes memory text, uint256 i, uint256 c) private pure returns (uint256 kind, uint256 size) {
        size = c >= 0xF0 ? 4 : (c >= 0xE0 ? 3 : 2);
        // The bits of the first byte that are the character's.
        c &= size == 2 ? 0x1F : (size == 3 ? 0x0F : 0x07);
        for (uint256 j = 1; j < size; ++j) {
            // Text that ends inside a character reads as if zeros followed.
            c = (c << 6) | (i + j < text.length ? uint8(text[i + j]) & 0x3F : 0);
        }
        if (i + size > text.length) size = text.length - i;
        if (c >= 0x2000 && c <= 0x206F) return (0, size);
        if (c <= 0x2E7F) return (1, size);
        return (c >= 0x3000 && c <= 0x303F ? 0 : 2, size);
    }
}
