// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IGOPEN} from "../../../src/interfaces/IGOPEN.sol";
import {IInferencePayments} from "../../../src/interfaces/IInferencePayments.sol";
import {ISponsorPool} from "../../../src/interfaces/ISponsorPool.sol";
import {GOPEN} from "../../../src/l2/governance/GOPEN.sol";
import {InferencePayments} from "../../../src/l2/payments/InferencePayments.sol";
import {SponsorPool} from "../../../src/l2/payments/SponsorPool.sol";
import {WOPEN} from "../../../src/l2/predeploys/WOPEN.sol";
import {Predeploys} from "../../../src/libraries/Predeploys.sol";
import {EconomyTest} from "../../utils/EconomyTest.sol";

/// @title PaymentsHandler
/// @notice Voters who lock, delegate and leave; customers who pay by signature, gateways that capture, refund or sleep; and a
/// sponsor. No call reverts: an action without occasion does nothing.
contract PaymentsHandler is EconomyTest {
    WOPEN private constant wopen = WOPEN(payable(Predeploys.WOPEN));
    bytes32 private constant RECEIVE = keccak256(
        "ReceiveWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"
    );

    GOPEN public immutable votes;
    InferencePayments public immutable payments;
    SponsorPool public immutable pool;
    address public immutable sponsor = makeAddr("sponsor");
    address[3] public voters;

    uint256[] public unlocks;
    uint256 public leaving;
    uint256 public earlyUnlocks;

    bytes32[] public open;
    uint256 public paid;
    uint256 public captured;
    uint256 public refunded;
    uint256 private salt;

    uint256 public sponsored;
    uint256 public granted;
    uint256 public grantedToday;
    uint256 public grantedInADayMax;
    uint256 private day;

    constructor(GOPEN votes_, InferencePayments payments_, SponsorPool pool_) {
        makePeople();
        (votes, payments, pool) = (votes_, payments_, pool_);
        for (uint256 i; i < 3; ++i) {
            voters[i] = makeAddr(string.concat("voter ", vm.toString(i)));
        }
        vm.prank(sponsor);
        pool_.setLimits(customer, 2 ether);
    }

    // Voters

    function lock(uint256 who, uint256 amount, uint32 notice) external {
        address voter = voters[who % 3];
        amount = bound(amount, 1, 1e6 ether);
        uint32 least = votes.noticeOf(voter) > votes.noticeMin() ? votes.noticeOf(voter) : votes.noticeMin();
        notice = uint32(bound(notice, least, votes.NOTICE_MAX()));
        vm.deal(voter, amount);
        vm.prank(voter);
        votes.lockNative{value: amount}(notice);
    }

    function raise(uint256 who, uint32 notice) external {
        address voter = voters[who % 3];
        if (votes.balanceOf(voter) == 0) return;
        notice = uint32(bound(notice, votes.noticeOf(voter), votes.NOTICE_MAX()));
        vm.prank(voter);
        votes.raiseNotice(notice);
    }

    function delegate(uint256 who, uint256 to) external {
        vm.prank(voters[who % 3]);
        votes.delegate(voters[to % 3]);
    }

    function ask(uint256 who, uint128 amount) external {
        address voter = voters[who % 3];
        uint256 locked = votes.balanceOf(voter);
        if (locked == 0) return;
        amount = uint128(bound(amount, 1, locked));
        vm.prank(voter);
        unlocks.push(votes.requestUnlock(amount));
        leaving += amount;
    }

    function unlock(uint256 which, uint256 wait) external {
        if (unlocks.length == 0) return;
        which %= unlocks.length;
        IGOPEN.Unlock memory u = votes.unlockOf(unlocks[which]);
        vm.warp(vm.getBlockTimestamp() + bound(wait, 0, 400 days));
        vm.prank(u.account);
        try votes.unlock(unlocks[which], u.account) {
            if (vm.getBlockTimestamp() < u.availableAt) ++earlyUnlocks;
            leaving -= u.amount;
            unlocks[which] = unlocks[unlocks.length - 1];
            unlocks.pop();
        } catch {}
    }

    // Customers and gateways

    function pay(uint128 amount) external {
        amount = uint128(bound(amount, 1, 100 ether));
        vm.deal(customer, amount);
        vm.prank(customer);
        wopen.deposit{value: amount}();
        IInferencePayments.Terms memory terms =
            IInferencePayments.Terms(customer, gateway, 1, "request", bytes32(++salt));
        bytes32 id = payments.paymentIdOf(terms);
        uint256 before = vm.getBlockTimestamp() + 60;
        bytes32 hash = keccak256(abi.encode(RECEIVE, customer, payments, uint256(amount), 0, before, id));
        (uint8 v, bytes32 r, bytes32 s) =
            vm.sign(customerKey, keccak256(abi.encodePacked("\x19\x01", wopen.DOMAIN_SEPARATOR(), hash)));
        payments.pay(terms, IInferencePayments.Authorization(amount, 0, before, v, r, s));
        open.push(id);
        paid += amount;
    }

    function capture(uint256 which, uint128 amount) external {
        if (open.length == 0) return;
        which %= open.length;
        IInferencePayments.Payment memory p = payments.paymentOf(open[which]);
        if (vm.getBlockTimestamp() > p.expiry) return;
        (bytes32[] memory ids, uint128[] memory amounts) = (new bytes32[](1), new uint128[](1));
        (ids[0], amounts[0]) = (open[which], uint128(bound(amount, 1, p.amount)));
        vm.prank(gateway);
        payments.capture(ids, amounts);
        captured += amounts[0];
        refunded += p.amount - amounts[0];
        close(which);
    }

    function refund(uint256 which) external {
        if (open.length == 0) return;
        which %= open.length;
        IInferencePayments.Payment memory p = payments.paymentOf(open[which]);
        if (vm.getBlockTimestamp() <= p.expiry) vm.prank(gateway);
        payments.refund(open[which]);
        refunded += p.amount;
        close(which);
    }

    function close(uint256 which) private {
        open[which] = open[open.length - 1];
        open.pop();
    }

    // Sponsors

    function sponsorMore(uint256 amount) external {
        amount = bound(amount, 1, 10 ether);
        vm.deal(sponsor, amount);
        vm.prank(sponsor);
        pool.deposit{value: amount}();
        sponsored += amount;
    }

    function grant(uint160 account, uint128 amount) external {
        account = uint160(bound(account, 0xa000, 0xa040));
        amount = uint128(bound(amount, 1, 1 ether));
        ISponsorPool.Grant memory g = ISponsorPool.Grant(sponsor, address(account), amount, type(uint64).max);
        bytes memory signature = sign(customerKey, pool.hashGrant(g));
        try pool.grant(g, signature) {
            uint256 today = vm.getBlockTimestamp() / 1 days;
            if (today != day) (day, grantedToday) = (today, 0);
            granted += amount;
            grantedToday += amount;
            if (grantedToday > grantedInADayMax) grantedInADayMax = grantedToday;
        } catch {}
    }
}
