// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Script} from "forge-std/Script.sol";
import {Box} from "../src/Box.sol";

/// Three transactions: a deployment, a call, and a CREATE2 deployment through the deterministic deployer.
contract DeployBox is Script {
    function run() external {
        vm.startBroadcast();
        Box box = new Box();
        box.set(11);
        Box twin = new Box{salt: bytes32(uint256(1))}();
        vm.stopBroadcast();
        require(box.value() == 11 && twin.value() == 0, "deployed boxes do not answer");
    }
}
