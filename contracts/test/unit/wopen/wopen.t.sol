// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {ERC3009} from "@openzeppelin/contracts/token/ERC20/extensions/draft-ERC3009.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";

import {WOPEN} from "../../../src/l2/predeploys/WOPEN.sol";
import {Predeploys} from "../../../src/libraries/Predeploys.sol";
import {RollupTest} from "../../utils/RollupTest.sol";

contract WOPENTest is RollupTest {
    WOPEN private constant wopen = WOPEN(payable(Predeploys.WOPEN));

    function setUp() public override {
        construct(Predeploys.WOPEN, type(WOPEN).creationCode, "");
        // Storage of the constructor's run stays at the address: the name is there.
        assertEq(wopen.name(), "Wrapped OPEN");
        assertEq(wopen.symbol(), "WOPEN");
        assertEq(wopen.decimals(), 18);
    }

    function testFuzz_DepositAndWithdraw(uint128 amount, uint128 back) external {
        back = uint128(bound(back, 0, amount));
        vm.deal(alice, amount);
        vm.startPrank(alice);
        vm.expectEmit(address(wopen));
        emit WOPEN.Deposit(alice, amount);
        wopen.deposit{value: amount}();
        assertEq(wopen.balanceOf(alice), amount);

        vm.expectEmit(address(wopen));
        emit WOPEN.Withdrawal(alice, back);
        wopen.withdraw(back);
        vm.stopPrank();
        assertEq(alice.balance, back);
        assertEq(wopen.totalSupply(), amount - back);
        assertEq(address(wopen).balance, wopen.totalSupply());
    }

    function testFuzz_Receive(uint128 amount) external {
        vm.deal(alice, amount);
        vm.prank(alice);
        (bool ok,) = address(wopen).call{value: amount}("");
        assertTrue(ok);
        assertEq(wopen.balanceOf(alice), amount);
    }

    function testFuzz_RevertWhen_WithdrawingMoreThanWrapped(uint128 amount) external {
        wrap(alice, amount);
        vm.prank(alice);
        vm.expectRevert(
            abi.encodeWithSelector(IERC20Errors.ERC20InsufficientBalance.selector, alice, amount, uint256(amount) + 1)
        );
        wopen.withdraw(uint256(amount) + 1);
    }

    function test_RevertWhen_ReceiverRefuses() external {
        wrap(alice, 1);
        vm.etch(alice, hex"5f5ffd");
        vm.prank(alice);
        vm.expectRevert(abi.encodeWithSelector(WOPEN.WOPEN_TransferFailed.selector, alice));
        wopen.withdraw(1);
    }

    function test_TransferFrom() external {
        wrap(alice, 10);
        vm.startPrank(alice);
        wopen.transferFrom(alice, owner, 1);
        wopen.approve(owner, type(uint256).max);
        vm.stopPrank();
        vm.startPrank(owner);
        wopen.transferFrom(alice, owner, 2);
        assertEq(wopen.allowance(alice, owner), type(uint256).max);
        vm.stopPrank();
        assertEq(wopen.balanceOf(owner), 3);

        vm.prank(guardian);
        vm.expectRevert(abi.encodeWithSelector(IERC20Errors.ERC20InsufficientAllowance.selector, guardian, 0, 1));
        wopen.transferFrom(alice, guardian, 1);
    }

    /// @dev WETH9's fallback made `permit` on it pass silently, which has cost users of other contracts their tokens.
    function testFuzz_RevertWhen_FunctionDoesNotExist(bytes4 selector, uint8 amount) external {
        string[20] memory known = [
            "name()",
            "symbol()",
            "decimals()",
            "totalSupply()",
            "balanceOf(address)",
            "transfer(address,uint256)",
            "allowance(address,address)",
            "approve(address,uint256)",
            "transferFrom(address,address,uint256)",
            "deposit()",
            "withdraw(uint256)",
            "permit(address,address,uint256,uint256,uint8,bytes32,bytes32)",
            "nonces(address)",
            "DOMAIN_SEPARATOR()",
            "eip712Domain()",
            "authorizationState(address,bytes32)",
            "transferWithAuthorization(address,address,uint256,uint256,uint256,bytes32,uint8,bytes32,bytes32)",
            "receiveWithAuthorization(address,address,uint256,uint256,uint256,bytes32,uint8,bytes32,bytes32)",
            "cancelAuthorization(address,bytes32,uint8,bytes32,bytes32)",
            "deposit()"
        ];
        for (uint256 i; i < known.length; ++i) {
            vm.assume(selector != bytes4(keccak256(bytes(known[i]))));
        }
        vm.deal(alice, amount);
        vm.prank(alice);
        (bool ok,) = address(wopen).call{value: amount}(abi.encodePacked(selector));
        assertFalse(ok);
    }

    function testFuzz_Permit(uint256 amount) external {
        bytes32 digest = typed(
            keccak256(
                abi.encode(
                    keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"),
                    alice,
                    owner,
                    amount,
                    0,
                    block.timestamp
                )
            )
        );
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(aliceKey, digest);
        wopen.permit(alice, owner, amount, block.timestamp, v, r, s);
        assertEq(wopen.allowance(alice, owner), amount);
        vm.expectPartialRevert(ERC20Permit.ERC2612InvalidSigner.selector);
        wopen.permit(alice, owner, amount, block.timestamp, v, r, s);
    }

    function testFuzz_TransferWithAuthorization(uint128 amount, bytes32 nonce) external {
        wrap(alice, amount);
        uint256 validBefore = block.timestamp + 10;
        bytes32 digest = typed(
            keccak256(
                abi.encode(
                    keccak256(
                        "TransferWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"
                    ),
                    alice,
                    owner,
                    amount,
                    0,
                    validBefore,
                    nonce
                )
            )
        );
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(aliceKey, digest);
        uint256 snapshot = vm.snapshotState();
        skip(10);
        vm.expectPartialRevert(ERC3009.ERC3009InvalidAuthorizationTime.selector);
        wopen.transferWithAuthorization(alice, owner, amount, 0, validBefore, nonce, v, r, s);
        vm.revertToState(snapshot);

        wopen.transferWithAuthorization(alice, owner, amount, 0, validBefore, nonce, v, r, s);
        assertEq(wopen.balanceOf(owner), amount);
        assertTrue(wopen.authorizationState(alice, nonce));
        vm.expectRevert(abi.encodeWithSelector(ERC3009.ERC3009UsedAuthorization.selector, alice, nonce));
        wopen.transferWithAuthorization(alice, owner, amount, 0, validBefore, nonce, v, r, s);
    }

    function wrap(address who, uint256 amount) private {
        vm.deal(who, amount);
        vm.prank(who);
        wopen.deposit{value: amount}();
    }

    function typed(bytes32 structHash) private view returns (bytes32) {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("Wrapped OPEN"),
                keccak256("1"),
                block.chainid,
                address(wopen)
            )
        );
        assertEq(wopen.DOMAIN_SEPARATOR(), domain);
        return keccak256(abi.encodePacked(hex"1901", domain, structHash));
    }
}
