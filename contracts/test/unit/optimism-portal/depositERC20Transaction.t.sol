// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

import {IOptimismPortal} from "../../../src/interfaces/IOptimismPortal.sol";
import {OptimismPortal} from "../../../src/l1/OptimismPortal.sol";
import {SystemConfig} from "../../../src/l1/SystemConfig.sol";
import {RollupTest} from "../../utils/RollupTest.sol";

contract DepositERC20TransactionTest is RollupTest {
    function setUp() public override {
        super.setUp();
        lockGenesisSupply();
    }

    function testFuzz_Mint(uint256 mint, uint256 value, address to, bytes memory data) external {
        mint = bound(mint, 1, 1_000_000e18);
        vm.assume(data.length < 1_000);
        fund(alice, mint);
        uint256 escrowed = portal.escrowed();

        expectDeposit(alice, to, abi.encodePacked(mint, value, GAS, false, data));
        vm.prank(alice, alice);
        portal.depositERC20Transaction(to, mint, value, GAS, false, data);

        assertEq(open.balanceOf(alice), 0);
        assertEq(portal.escrowed(), escrowed + mint);
        assertEq(open.balanceOf(address(portal)), portal.escrowed());
    }

    function test_RevertWhen_Paused() external {
        fund(alice, 2);
        vm.prank(guardian);
        config.pause();

        vm.startPrank(alice, alice);
        vm.expectRevert(IOptimismPortal.OptimismPortal_Paused.selector);
        portal.depositERC20Transaction(alice, 1, 1, GAS, false, "");
        portal.depositERC20Transaction(alice, 0, 1, GAS, false, "");

        skip(config.PAUSE_DURATION() - 1);
        vm.expectRevert(IOptimismPortal.OptimismPortal_Paused.selector);
        portal.depositERC20Transaction(alice, 1, 1, GAS, false, "");
        skip(1);
        portal.depositERC20Transaction(alice, 1, 1, GAS, false, "");
        vm.stopPrank();
        assertEq(portal.escrowed(), GENESIS_SUPPLY + 1);
    }

    function test_RevertWhen_ApprovalMissing() external {
        vm.prank(alice, alice);
        vm.expectRevert(abi.encodeWithSelector(IERC20Errors.ERC20InsufficientAllowance.selector, address(portal), 0, 1));
        portal.depositERC20Transaction(alice, 1, 1, GAS, false, "");
    }

    function test_RevertWhen_TokenTakesAFee() external {
        TokenWithFee token = new TokenWithFee();
        OptimismPortal other = portalFor(address(token), 0);
        token.approve(address(other), 100);
        vm.expectRevert(abi.encodeWithSelector(IOptimismPortal.OptimismPortal_InexactTransfer.selector, 100, 99));
        other.depositERC20Transaction(alice, 100, 0, GAS, false, "");
    }

    function test_RevertWhen_GenesisSupplyNotLocked() external {
        OptimismPortal other = portalFor(address(open), 1);
        fund(alice, 1);
        vm.startPrank(alice, alice);
        open.approve(address(other), 1);
        vm.expectRevert(IOptimismPortal.OptimismPortal_GenesisSupplyNotLocked.selector);
        other.depositERC20Transaction(alice, 1, 1, GAS, false, "");
        other.depositTransaction(alice, 1, GAS, false, "");
        vm.stopPrank();
    }

    // Permit

    function test_Permit() external {
        (uint8 v, bytes32 r, bytes32 s) = permit(5, block.timestamp);
        vm.prank(alice, alice);
        portal.depositERC20TransactionWithPermit(alice, 5, 5, GAS, false, "", block.timestamp, v, r, s);
        assertEq(portal.escrowed(), GENESIS_SUPPLY + 5);
    }

    function test_PermitUsedBySomebodyElse() external {
        (uint8 v, bytes32 r, bytes32 s) = permit(5, block.timestamp);
        open.permit(alice, address(portal), 5, block.timestamp, v, r, s);
        vm.prank(alice, alice);
        portal.depositERC20TransactionWithPermit(alice, 5, 5, GAS, false, "", block.timestamp, v, r, s);
        assertEq(portal.escrowed(), GENESIS_SUPPLY + 5);
    }

    function test_RevertWhen_PermitBad() external {
        (uint8 v, bytes32 r, bytes32 s) = permit(5, block.timestamp);
        vm.prank(alice, alice);
        vm.expectRevert(abi.encodeWithSelector(IERC20Errors.ERC20InsufficientAllowance.selector, address(portal), 0, 6));
        portal.depositERC20TransactionWithPermit(alice, 6, 5, GAS, false, "", block.timestamp, v, r, s);
    }

    /// @dev The permit of one account cannot be spent by another.
    function test_RevertWhen_PermitOfAnother() external {
        (uint8 v, bytes32 r, bytes32 s) = permit(5, block.timestamp);
        vm.prank(treasury, treasury);
        vm.expectRevert(abi.encodeWithSelector(IERC20Errors.ERC20InsufficientAllowance.selector, address(portal), 0, 5));
        portal.depositERC20TransactionWithPermit(alice, 5, 5, GAS, false, "", block.timestamp, v, r, s);
    }

    // Genesis supply

    function test_LockGenesisSupply() external view {
        assertEq(portal.genesisSupply(), GENESIS_SUPPLY);
        assertEq(portal.escrowed(), GENESIS_SUPPLY);
        assertEq(open.balanceOf(address(portal)), GENESIS_SUPPLY);
        assertEq(open.balanceOf(treasury), open.SUPPLY() - GENESIS_SUPPLY);
    }

    function test_RevertWhen_GenesisSupplyLockedTwice() external {
        vm.expectRevert(IOptimismPortal.OptimismPortal_GenesisSupplyLocked.selector);
        portal.lockGenesisSupply();
    }

    function test_RevertWhen_ThereIsNoGenesisSupply() external {
        OptimismPortal other = portalFor(address(open), 0);
        vm.expectRevert(IOptimismPortal.OptimismPortal_GenesisSupplyLocked.selector);
        other.lockGenesisSupply();
    }

    function test_RevertWhen_ConfigOfAnotherPortal() external {
        vm.expectRevert(
            abi.encodeWithSelector(IOptimismPortal.OptimismPortal_ConfigOfAnotherPortal.selector, address(portal))
        );
        new OptimismPortal(address(open), config, 0, registry, MATURITY);
    }

    /// @dev A plain transfer is no deposit.
    function test_TransferIsNotCounted() external {
        vm.prank(treasury);
        open.transfer(address(portal), 7);
        assertEq(portal.escrowed(), GENESIS_SUPPLY);
    }

    function permit(uint256 amount, uint256 deadline) private returns (uint8 v, bytes32 r, bytes32 s) {
        vm.prank(treasury);
        open.transfer(alice, amount);
        bytes32 structHash = keccak256(
            abi.encode(
                keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"),
                alice,
                address(portal),
                amount,
                0,
                deadline
            )
        );
        return vm.sign(aliceKey, keccak256(abi.encodePacked(hex"1901", open.DOMAIN_SEPARATOR(), structHash)));
    }

    function portalFor(address token, uint256 supply) private returns (OptimismPortal) {
        address foreseen = vm.computeCreateAddress(address(this), vm.getNonce(address(this)) + 1);
        SystemConfig otherConfig = new SystemConfig(init(foreseen));
        return new OptimismPortal(token, otherConfig, supply, registry, MATURITY);
    }
}

contract TokenWithFee is ERC20("Fee", "FEE") {
    constructor() {
        _mint(msg.sender, 1e18);
    }

    function _update(address from, address to, uint256 value) internal override {
        super._update(from, to, value);
        if (from != address(0) && to != address(0)) super._update(to, address(0), value / 100);
    }
}
