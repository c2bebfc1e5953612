// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @title Licences
/// @notice The terms of a licence that matter to a model, read from its SPDX identifier: the Creative Commons family
/// names them in segments between hyphens (CC-BY-NC-ND-4.0), and an owner's own licence can do the same
/// (LicenseRef-House-NC). Identifiers without such a segment grant everything, as does an empty one.
library Licences {
    /// @notice False if a segment is `ND` (no derivatives) or `NC` (no commercial use), and true for `shareAlike` if one is `SA`, in
    /// upper case as SPDX writes them.
    function termsOf(bytes memory spdx) internal pure returns (bool derivatives, bool commercial, bool shareAlike) {
        (derivatives, commercial) = (true, true);
        uint256 start;
        for (uint256 i; i <= spdx.length; ++i) {
            if (i != spdx.length && spdx[i] != "-") continue;
            if (i - start == 2) {
                bytes2 segment = bytes2(bytes.concat(spdx[start], spdx[start + 1]));
                if (segment == "ND") derivatives = false;
                if (segment == "NC") commercial = false;
                if (segment == "SA") shareAlike = true;
            }
            start = i + 1;
        }
    }
}
