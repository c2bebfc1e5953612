// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {stdJson} from "forge-std/StdJson.sol";
import {Test} from "forge-std/Test.sol";

/// @title AccessTable
/// @notice Who may write what, a row for every function that is not a view. A contract that gains or loses one fails until
/// its row is written. Rows with a role carry a call, which is made as a stranger and must meet the refusal it names.
abstract contract AccessTable is Test {
    using stdJson for string;

    struct Row {
        string signature;
        bytes4 refusal;
        bytes call;
        uint256 value;
    }

    Row[] private rows;

    /// @dev Open to all: acts on the sender's own account, or does the same whoever sends it.
    function anyone(string memory signature) internal {
        rows.push(Row(signature, 0, "", 0));
    }

    function only(string memory signature, bytes4 refusal, bytes memory call) internal {
        rows.push(Row(signature, refusal, call, 0));
    }

    function onlyPaid(string memory signature, bytes4 refusal, bytes memory call, uint256 value) internal {
        rows.push(Row(signature, refusal, call, value));
    }

    /// @dev Compares the rows with what was compiled, makes the calls as `stranger`, and starts a new table.
    function check(string memory name, address target, address stranger) internal {
        string memory json = vm.readFile(string.concat("contracts/out/", name, ".sol/", name, ".json"));
        string[] memory signatures = vm.parseJsonKeys(json, ".methodIdentifiers");
        uint256 writers;
        for (uint256 i; i < signatures.length; ++i) {
            if (isView(json, signatures[i])) continue;
            ++writers;
            bool found;
            for (uint256 j; j < rows.length && !found; ++j) {
                found = keccak256(bytes(rows[j].signature)) == keccak256(bytes(signatures[i]));
            }
            assertTrue(found, string.concat(name, " has no row for ", signatures[i]));
        }
        assertEq(rows.length, writers, string.concat(name, " has a row too many"));
        for (uint256 i; i < rows.length; ++i) {
            if (rows[i].refusal == 0) continue;
            assertEq(bytes4(rows[i].call), bytes4(keccak256(bytes(rows[i].signature))), rows[i].signature);
            vm.deal(stranger, rows[i].value);
            vm.prank(stranger);
            (bool ok, bytes memory reason) = target.call{value: rows[i].value}(rows[i].call);
            assertFalse(ok, rows[i].signature);
            assertEq(bytes4(reason), rows[i].refusal, rows[i].signature);
        }
        delete rows;
    }

    function isView(string memory json, string memory signature) private pure returns (bool) {
        string memory name = vm.split(signature, "(")[0];
        // Names with several signatures, which the query below cannot tell apart.
        if (keccak256(bytes(name)) == keccak256("quorumNumerator")) return true;
        if (keccak256(bytes(name)) == keccak256("register")) return false;
        if (keccak256(bytes(name)) == keccak256("safeTransferFrom")) return false;
        bytes32 kind = keccak256(bytes(json.readString(string.concat(".abi[?(@.name=='", name, "')].stateMutability"))));
        return kind == keccak256("view") || kind == keccak256("pure");
    }
}
