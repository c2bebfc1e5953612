// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Test} from "forge-std/Test.sol";

import {IOptimismPortal} from "../../src/interfaces/IOptimismPortal.sol";
import {ISystemConfig} from "../../src/interfaces/ISystemConfig.sol";
import {OPEN} from "../../src/l1/OPEN.sol";
import {OptimismPortal} from "../../src/l1/OptimismPortal.sol";
import {SystemConfig} from "../../src/l1/SystemConfig.sol";
import {Predeploys} from "../../src/libraries/Predeploys.sol";

/// @title RollupTest
/// @notice The L1 contracts as a deployment leaves them, and a way to put predeploys where the genesis builder does.
abstract contract RollupTest is Test {
    uint256 internal constant GENESIS_SUPPLY = 1_000e18;
    uint64 internal constant GAS = 100_000;

    address internal immutable owner = makeAddr("owner");
    address internal immutable guardian = makeAddr("guardian");
    address internal immutable treasury = makeAddr("treasury");
    address internal immutable alice;
    uint256 internal immutable aliceKey;

    OPEN internal open;
    SystemConfig internal config;
    OptimismPortal internal portal;

    constructor() {
        (alice, aliceKey) = makeAddrAndKey("alice");
    }

    function setUp() public virtual {
        open = new OPEN(treasury);
        address foreseen = vm.computeCreateAddress(address(this), vm.getNonce(address(this)) + 1);
        config = new SystemConfig(init(foreseen));
        portal = new OptimismPortal(address(open), config, GENESIS_SUPPLY);
        assertEq(address(portal), foreseen);
    }

    function init(address portalAddress) internal view returns (ISystemConfig.Init memory) {
        return ISystemConfig.Init({
            owner: owner,
            guardian: guardian,
            optimismPortal: portalAddress,
            batchInbox: address(0x00a1),
            batcherHash: bytes32(uint256(0xba7c)),
            unsafeBlockSigner: address(0x51),
            l2ChainId: 16_120,
            gasLimit: 60_000_000,
            basefeeScalar: 1_368,
            blobbasefeeScalar: 810_949,
            eip1559Denominator: 250,
            eip1559Elasticity: 6,
            operatorFeeScalar: 0,
            operatorFeeConstant: 0,
            minBaseFee: 1_000_000,
            daFootprintGasScalar: 400
        });
    }

    function lockGenesisSupply() internal {
        vm.startPrank(treasury);
        open.approve(address(portal), GENESIS_SUPPLY);
        portal.lockGenesisSupply();
        vm.stopPrank();
    }

    /// @dev Gives `who` OPEN and lets the portal take it.
    function fund(address who, uint256 amount) internal {
        vm.prank(treasury);
        open.transfer(who, amount);
        vm.prank(who);
        open.approve(address(portal), amount);
    }

    function expectDeposit(address from, address to, bytes memory opaqueData) internal {
        vm.expectEmit(address(portal));
        emit IOptimismPortal.TransactionDeposited(from, to, 0, opaqueData);
    }

    /// @dev Runs a constructor at `where`: what it returns becomes the code.
    function construct(address where, bytes memory creationCode, bytes memory arguments) internal {
        vm.etch(where, bytes.concat(creationCode, arguments));
        (bool ok, bytes memory runtimeCode) = where.call("");
        require(ok, "constructor failed");
        vm.etch(where, runtimeCode);
    }

    /// @dev The packed call that opens every L2 block.
    function attributes(
        uint32 baseFeeScalar,
        uint32 blobBaseFeeScalar,
        uint256 l1BaseFee,
        uint256 l1BlobBaseFee,
        uint32 operatorFeeScalar,
        uint64 operatorFeeConstant
    ) internal pure returns (bytes memory) {
        return bytes.concat(
            abi.encodePacked(bytes4(0x3db6be2b), baseFeeScalar, blobBaseFeeScalar, uint64(1), uint64(2), uint64(3)),
            abi.encodePacked(l1BaseFee, l1BlobBaseFee, bytes32(uint256(4)), bytes32(uint256(5))),
            abi.encodePacked(operatorFeeScalar, operatorFeeConstant, uint16(400))
        );
    }

    function setAttributes(bytes memory callData) internal {
        vm.prank(Predeploys.DEPOSITOR_ACCOUNT);
        (bool ok,) = Predeploys.L1_BLOCK.call(callData);
        assertTrue(ok, "attributes");
    }
}

/// @notice A contract that deposits, and so gets an alias.
contract Depositor {
    function deposit(IOptimismPortal portal, address to, uint256 value, uint64 gasLimit, bytes calldata data) external {
        portal.depositTransaction(to, value, gasLimit, false, data);
    }
}
