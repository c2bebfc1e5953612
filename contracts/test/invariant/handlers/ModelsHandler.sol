// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IModelRegistry} from "../../../src/interfaces/IModelRegistry.sol";
import {EconomyTest} from "../../utils/EconomyTest.sol";

/// @title ModelsHandler
/// @notice Builders who register models of their own, fine-tunes and merges under any licence, over any Datanets, at any
/// price and royalty. What the registry refuses does nothing; what it takes is remembered.
contract ModelsHandler is EconomyTest {
    uint256 public registered;
    uint256 public refused;
    uint256[] public nets;
    mapping(uint256 modelId => string) private _licences;

    function init() external {
        string[5] memory licences = ["CC-BY-4.0", "CC-BY-NC-4.0", "MIT", "CC0-1.0", "LicenseRef-A-SA"];
        for (uint256 i; i < 5; ++i) {
            nets.push(publishedDatanet(licences[i]));
        }
    }

    function licenceOf(uint256 modelId) external view returns (string memory) {
        return _licences[modelId];
    }

    function netCount() external view returns (uint256) {
        return nets.length;
    }

    /// @param sources How many; where they are taken from and how they weigh follows from `seed`.
    function register(uint256 seed, uint256 sources, uint16 royaltyBps, uint256 licence, bool forSale) external {
        IModelRegistry.ModelParams memory p = modelParams(string.concat("model-", vm.toString(registered + refused)));
        p.payee = address(uint160(0xfee000 + registered));
        p.royaltyBps = uint16(bound(royaltyBps, 0, 3_000));
        string[6] memory licences = ["", "MIT", "MIT", "LicenseRef-A-NC", "LicenseRef-A-SA", "LicenseRef-A-ND"];
        p.licence = licences[licence % 6];
        if (!forSale) (p.pricePer1kIn, p.pricePer1kOut) = (0, 0);
        p.sources = drawn(seed, bound(sources, 0, 3));
        if (seed % 3 != 0) {
            p.datanets = new IModelRegistry.DatanetRef[](1);
            p.datanets[0] = IModelRegistry.DatanetRef(nets[seed % nets.length], 1);
        }
        p = withRoots(p);
        vm.prank(builder);
        try models.registerModel(p) returns (uint256 id) {
            ++registered;
            assertEq(id, registered);
            _licences[id] = p.licence;
        } catch {
            ++refused;
        }
    }

    /// @dev Distinct models in ascending order, with weights that sum to one.
    function drawn(uint256 seed, uint256 count) private view returns (IModelRegistry.Source[] memory list) {
        if (count > registered) count = registered;
        list = new IModelRegistry.Source[](count);
        uint256 left = 10_000;
        for (uint256 i; i < count; ++i) {
            // The i-th from the i-th part of all models, so that none is taken twice.
            uint256 from = registered * i / count;
            uint256 to = registered * (i + 1) / count;
            uint256 weight = i + 1 == count ? left : left / 2;
            left -= weight;
            list[i] = IModelRegistry.Source(1 + from + seed % (to - from), uint16(weight));
        }
    }

    function reprice(uint256 which, uint96 price) external {
        if (registered == 0) return;
        vm.prank(builder);
        try models.setPrices(which % registered + 1, price, price) {} catch {}
    }
}
