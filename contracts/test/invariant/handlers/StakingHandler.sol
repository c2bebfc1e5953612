// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IStaking} from "../../../src/interfaces/IStaking.sol";
import {StakingTest} from "../../utils/StakingTest.sol";

/// @title StakingHandler
/// @notice What stakers do, at random, with ghost totals of what went in and out. No call reverts: an action without
/// occasion does nothing.
contract StakingHandler is StakingTest {
    address[4] public operators;
    address[5] public accounts;
    uint256[] public exits;

    uint256 public paidIn;
    uint256 public paidOut;
    uint256 public donated;
    uint256 public slashed;
    uint256 public burned;
    uint256 public faultCount;
    /// Exits paid before their time, or with more than was asked for: never.
    uint256 public earlyExits;

    mapping(uint256 exitId => uint256) private asked;

    constructor() {
        for (uint256 i; i < 4; ++i) {
            operators[i] = makeAddr(string.concat("operator ", vm.toString(i)));
            accounts[i] = operators[i];
        }
        accounts[4] = makeAddr("delegator");
    }

    function roleOf(uint256 i) public pure returns (IStaking.Role) {
        return i % 4 == 3 ? AGENT : ATTESTOR;
    }

    function enroll(uint256 who, uint256 amount, uint16 commission) external {
        who %= 4;
        IStaking.Role role = roleOf(who);
        if (staking.operatorOf(role, operators[who]).shares != 0 || staking.operatorOf(role, operators[who]).retired) {
            return;
        }
        amount = bound(amount, SELF_MIN, 50_000 ether);
        vm.deal(operators[who], amount);
        vm.prank(operators[who]);
        try staking.enroll{value: amount}(role, uint16(bound(commission, 0, 2_000)), address(0)) {
            paidIn += amount;
        } catch {
            // Enrolled before and left: it stakes again instead.
            vm.prank(operators[who]);
            staking.stake{value: amount}(role, operators[who]);
            paidIn += amount;
        }
    }

    function relist(uint256 who) external {
        who %= 4;
        IStaking.Operator memory o = staking.operatorOf(roleOf(who), operators[who]);
        if (o.listed || o.retired || o.selfTokens < SELF_MIN) return;
        vm.prank(operators[who]);
        staking.list(roleOf(who), address(0));
    }

    function stake(uint256 who, uint256 account, uint256 amount) external {
        who %= 4;
        account %= 5;
        IStaking.Operator memory o = staking.operatorOf(roleOf(who), operators[who]);
        if (o.retired || o.shares == 0) return;
        uint256 room = uint256(o.selfTokens) * 10;
        if (room > POOL_FLOOR) room = POOL_FLOOR;
        if (room < uint256(o.tokens) + 1e12) return;
        amount = bound(amount, 1e12, room - o.tokens);
        stakeAs(roleOf(who), operators[who], accounts[account], amount);
        paidIn += amount;
    }

    function exit(uint256 who, uint256 account, uint256 shares) external {
        who %= 4;
        account %= 5;
        uint256 held = staking.sharesOf(roleOf(who), operators[who], accounts[account]);
        if (held == 0) return;
        shares = bound(shares, held / 10 + 1, held);
        uint256 before = staking.operatorOf(roleOf(who), operators[who]).tokens;
        if (before == 0) return;
        uint256 id = exitAs(roleOf(who), operators[who], accounts[account], shares);
        asked[id] = before - staking.operatorOf(roleOf(who), operators[who]).tokens;
        exits.push(id);
    }

    function finish(uint256 which, uint256 wait) external {
        if (exits.length == 0) return;
        uint256 index = which % exits.length;
        uint256 id = exits[index];
        IStaking.Exit memory e = staking.exitOf(id);
        vm.warp(vm.getBlockTimestamp() + bound(wait, 0, 30 days));
        uint256 time = vm.getBlockTimestamp();
        vm.prank(e.account);
        try staking.finishExit(id, payable(e.account)) returns (uint256 amount) {
            if (time < e.maturesAt || amount > asked[id] + 1e6) ++earlyExits;
            paidOut += amount;
            exits[index] = exits[exits.length - 1];
            exits.pop();
        } catch {}
    }

    function pay(uint256 amount) external {
        amount = bound(amount, 1, 1e5 ether);
        donate(amount);
        paidIn += amount;
        donated += amount;
    }

    function collect(uint256 who, uint256 account) external {
        if (staking.operatorOf(roleOf(who % 4), operators[who % 4]).shares == 0) return;
        staking.collect(roleOf(who % 4), operators[who % 4], accounts[account % 5]);
    }

    function withdraw(uint256 account) external {
        account %= 6;
        address who = account == 5 ? bob : accounts[account];
        if (staking.credit(who) == 0) return;
        vm.prank(who);
        paidOut += staking.withdraw(payable(who));
    }

    function slash(uint256 who, uint256 bps) external {
        who %= 4;
        if (staking.operatorOf(roleOf(who), operators[who]).shares == 0) return;
        bps = bps % 8 == 0 ? 10_000 : bound(bps, 1, 5_000);
        uint256 amount = slashBy(roleOf(who), operators[who], bps, bytes32(++faultCount));
        slashed += amount;
        burned += amount - amount / 2;
    }

    function exitCount() external view returns (uint256) {
        return exits.length;
    }
}
