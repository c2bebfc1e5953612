// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @title Licences
/// @notice The terms of a licence that matter to a model, read from its SPDX identifier: the Creative Commons family
/// names them in segments between hyphens (CC-BY-NC-ND-4.0), and an owner's own licence can do the same
/// (LicenseRef-House-NC). Identifiers without such a segment grant both.
library Licences {
    /// @notice False if a segment is `ND` (no derivatives) or `NC` (no commercial use), in upper case as SPDX writes them.
    function termsOf(bytes memory spdx) internal pure returns (bool derivatives, bool commercial) {
        (derivatives, commercial) = (true, true);
        uint256 start;
        for (uint256 i; i <= spdx.length; ++i) {
            if (i != spdx.length && spdx[i] != "-") continue;
            if (i - start == 2 && spdx[start] == "N") {
                if (spdx[start + 1] == "D") derivatives = false;
                if (spdx[start + 1] == "C") commercial = false;
            }
            start = i + 1;
        }
    }

    /// @notice The terms of a model's licence for what derives from it; also true for `shareAlike` if a segment is `SA`. Of an
    /// empty identifier: everything is allowed.
    function termsOfModel(bytes memory spdx)
        internal
        pure
        returns (bool derivatives, bool commercial, bool shareAlike)
    {
        (derivatives, commercial) = termsOf(spdx);
        uint256 start;
        for (uint256 i; i <= spdx.length; ++i) {
            if (i != spdx.length && spdx[i] != "-") continue;
            if (i - start == 2 && spdx[start] == "S" && spdx[start + 1] == "A") shareAlike = true;
            start = i + 1;
        }
    }
}
