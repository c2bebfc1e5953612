// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IAttributionDispute} from "../../../src/interfaces/IAttributionDispute.sol";
import {IAttributionSettlement} from "../../../src/interfaces/IAttributionSettlement.sol";
import {IDatanetRegistry} from "../../../src/interfaces/IDatanetRegistry.sol";
import {IInferenceEscrow} from "../../../src/interfaces/IInferenceEscrow.sol";
import {IModelRegistry} from "../../../src/interfaces/IModelRegistry.sol";
import {Shares} from "../../../src/libraries/Shares.sol";
import {EconomyTest} from "../../utils/EconomyTest.sol";
import {Door, Forcer} from "../../utils/Payees.sol";
import {SumTree} from "../../utils/SumTree.sol";
import {EconomyStore} from "../stores/EconomyStore.sol";

/// @title EconomyHandler
/// @notice What people do, at random. No call reverts: an action for which there is no occasion does nothing.
contract EconomyHandler is EconomyTest {
    EconomyStore public immutable store;
    address public immutable watcher = makeAddr("watcher");

    address[3] private customers;
    uint256[3] private customerKeys;
    address[2] private gateways;
    address[3] private contributors;
    Door private immutable door;
    uint256[] private datanetIds;
    uint256[] private modelIds;

    /// The tree that is claimed from; `claims` is the one of the last honest post.
    SumTree.Claim[] private active;
    /// The tree of a lying post, while it is pending.
    SumTree.Claim[] private lie;
    /// Which lie is pending: 0 none, 1 decrease, 2 omission, 3 overpromise.
    uint256 private lieKind;
    bytes private pendingPost;

    modifier counted(bytes32 action) {
        store.addCall(action);
        _;
    }

    constructor(EconomyStore store_) {
        store = store_;
        makePeople();
        for (uint256 i; i < 3; ++i) {
            (customers[i], customerKeys[i]) = makeAddrAndKey(string.concat("customer ", vm.toString(i)));
            contributors[i] = makeAddr(string.concat("contributor ", vm.toString(i)));
        }
        // Takes money at times.
        door = new Door();
        door.set(true);
        contributors[2] = address(door);
        gateways = [makeAddr("gateway 0"), makeAddr("gateway 1")];
    }

    /// @notice Two Datanets with a version each, a model over the first and one over both, and their people.
    function init() external {
        for (uint256 i; i < 2; ++i) {
            uint256 id = createDatanet();
            datanetIds.push(id);
            store.addDatanet(id);
            commitTo(contributors[i], id, 1_000 + i);
            nextBlock();
            revealAs(contributors[i], i + 1, document(1_000 + i));
            acceptOne(i + 1, id);
            publishOne(id);
        }
        IModelRegistry.ModelParams memory params = modelParams("one", datanetIds[0]);
        params.royaltyBps = 2_777;
        modelIds.push(registerModel(params));
        params = modelParams("both", datanetIds[1]);
        params.sources = derived(modelIds[0]);
        params.split = IModelRegistry.Split({modelBps: 3_333, contributorsBps: 6_000, stakersBps: 667});
        params.payee = makeAddr("payee 2");
        modelIds.push(registerModel(params));
        address[] memory c = new address[](3);
        address[] memory g = new address[](2);
        address[] memory d = new address[](3);
        address[] memory p = new address[](7);
        for (uint256 i; i < 3; ++i) {
            (c[i], d[i]) = (customers[i], contributors[i]);
        }
        (g[0], g[1]) = (gateways[0], gateways[1]);
        (p[0], p[1], p[2], p[3], p[4], p[5], p[6]) = (platform, stakers, sink, payee, params.payee, poster, watcher);
        store.addPeople(c, g, d, p);
    }

    /*//////////////////////////////////////////////////////////////////////////
                                    CONTRIBUTIONS
    //////////////////////////////////////////////////////////////////////////*/

    function commit(uint256 who, uint256 where, uint256 seed) external counted("commit") {
        commitTo(contributors[who % 3], datanetIds[where % 2], seed % 8);
    }

    function commitTo(address who, uint256 datanetId, uint256 seed) private {
        uint256 id = commitAs(who, datanetId, document(seed));
        store.addIn(BOND);
        store.addCommitment(id, datanetId, who, seed);
        nextBlock();
    }

    function reveal(uint256 pick) external counted("reveal") {
        uint256 id = find(pick, IDatanetRegistry.Status.Committed);
        if (id == 0) return;
        (,, address who, uint256 seed) = store.commitments(id - 1);
        if (vm.getBlockTimestamp() > datanets.contribution(id).committedAt + REVEAL_WINDOW) datanets.expire(id);
        else revealAs(who, id, document(seed));
    }

    function review(uint256 pick, uint8 verdict) external counted("review") {
        uint256 id = find(pick, IDatanetRegistry.Status.Revealed);
        if (id == 0) return;
        (, uint256 datanetId, address who,) = store.commitments(id - 1);
        if (verdict % 4 < 2) return acceptOne(id, datanetId);
        uint256 before = who.balance;
        if (verdict % 4 == 2) {
            vm.prank(curator);
            datanets.reject(id, "off topic");
        } else {
            vm.prank(who);
            datanets.tombstone(id);
        }
        store.addOut(who.balance - before);
    }

    function acceptOne(uint256 id, uint256 datanetId) private {
        (,, address who,) = store.commitments(id - 1);
        uint256 before = who.balance;
        accept(id);
        store.addOut(who.balance - before);
        store.addAccepted(datanetId, datanets.leafOf(id));
    }

    function tombstone(uint256 pick) external counted("tombstone") {
        uint256 id = find(pick, IDatanetRegistry.Status.Accepted);
        if (id <= 2) return;
        (,, address who,) = store.commitments(id - 1);
        vm.prank(who);
        datanets.tombstone(id);
    }

    function publish(uint256 where) external counted("publish") {
        publishOne(datanetIds[where % 2]);
    }

    function publishOne(uint256 datanetId) private {
        vm.prank(curator);
        uint32 number = datanets.publishVersion(datanetId, keccak256("clusters"));
        IDatanetRegistry.Version memory v = datanets.version(datanetId, number);
        store.addPublication(datanetId, number, v.contributionCount, v.contributionsRoot);
    }

    function withdrawForfeited() external counted("withdrawForfeited") {
        if (datanets.credit(sink) == 0) return;
        vm.prank(sink);
        store.addOut(datanets.withdraw(payable(sink)));
    }

    /// @dev The first contribution in this status from `pick` on, around; zero when there is none.
    function find(uint256 pick, IDatanetRegistry.Status status) private view returns (uint256) {
        uint256 count = store.commitmentCount();
        for (uint256 i; i < count; ++i) {
            uint256 id = (pick % count + i) % count + 1;
            if (datanets.contribution(id).status == status) return id;
        }
        return 0;
    }

    /*//////////////////////////////////////////////////////////////////////////
                                       ESCROW
    //////////////////////////////////////////////////////////////////////////*/

    function fundEscrow(uint256 who, uint256 amount) external counted("fundEscrow") {
        amount = bound(amount, 1, 100 ether);
        deposit(customers[who % 3], amount);
        store.addIn(amount);
    }

    function withdrawEscrow(uint256 who, uint256 amount) external counted("withdrawEscrow") {
        address c = customers[who % 3];
        (uint256 free,) = escrow.balanceOf(c);
        if (free == 0) return;
        amount = bound(amount, 1, free);
        uint256 before = c.balance;
        vm.prank(c);
        escrow.withdraw(payable(c), amount);
        store.addOut(c.balance - before);
    }

    function authorizeGateway(uint256 who, uint256 where, uint256 cap, uint256 expiry)
        external
        counted("authorizeGateway")
    {
        address c = customers[who % 3];
        address g = gateways[where % 2];
        uint256 time = vm.getBlockTimestamp();
        expiry = bound(expiry, time + 1, time + 2 hours);
        (uint256 free,) = escrow.balanceOf(c);
        IInferenceEscrow.Authorization memory a = escrow.authorization(c, g);
        if (a.nonce != 0 && a.expiry >= time) {
            cap = bound(cap, a.cap, a.cap + free);
            if (expiry < a.expiry) expiry = a.expiry;
        } else {
            free += a.cap - a.redeemed;
            if (free == 0) return;
            cap = bound(cap, 1, free);
        }
        vm.prank(c);
        escrow.authorize(g, c, uint128(cap), uint64(expiry));
    }

    function releaseRest(uint256 who, uint256 where) external counted("releaseRest") {
        address c = customers[who % 3];
        address g = gateways[where % 2];
        IInferenceEscrow.Authorization memory a = escrow.authorization(c, g);
        if (a.cap == a.redeemed || a.expiry >= vm.getBlockTimestamp()) return;
        escrow.release(c, g);
    }

    function redeemVoucher(uint256 who, uint256 where, uint256 cumulative) external counted("redeemVoucher") {
        address c = customers[who % 3];
        address g = gateways[where % 2];
        IInferenceEscrow.Authorization memory a = escrow.authorization(c, g);
        if (a.nonce == 0 || a.expiry < vm.getBlockTimestamp()) return;
        IInferenceEscrow.Voucher memory v =
            IInferenceEscrow.Voucher(c, g, a.nonce, uint128(bound(cumulative, 0, a.cap)));
        store.addRedeemed(redeem(v, signVoucher(v, customerKeys[who % 3])));
    }

    /*//////////////////////////////////////////////////////////////////////////
                                       EPOCHS
    //////////////////////////////////////////////////////////////////////////*/

    function postHonest(uint256 where, uint256 feeSeed, uint256 weightSeed) external counted("postHonest") {
        if (pendingPost.length != 0) return;
        weightSeed %= 1e36;
        address g = gateways[where % 2];
        (uint256 available,) = settlement.fundsOf(g);
        (IAttributionSettlement.ModelTotal[] memory m, uint128[2] memory pools) =
            attribute(bound(feeSeed, 0, available), weightSeed);
        for (uint256 i; i < 2; ++i) {
            // One part each for two of the contributors, the second taking the rest.
            uint128 part = uint128(pools[i] * (weightSeed % 1_000) / 1_000);
            credit(datanetIds[i], contributors[weightSeed % 3], part);
            credit(datanetIds[i], contributors[(weightSeed + 1) % 3], pools[i] - part);
        }
        send(g, m, pools, uint32(weightSeed % 1_000) + 1, claims);
    }

    function credit(uint256 datanetId, address account, uint128 amount) private {
        if (amount == 0) return;
        earn(datanetId, account, amount);
        store.addEarned(datanetId, account, amount);
    }

    /// @dev Splits fees over the models and weighs a part of the contributors' shares into the two pools.
    function attribute(uint256 fees, uint256 weightSeed)
        private
        view
        returns (IAttributionSettlement.ModelTotal[] memory m, uint128[2] memory pools)
    {
        (uint16 platformBps,,,,,,) = settlement.parameters();
        m = new IAttributionSettlement.ModelTotal[](2);
        uint256 first = fees * (weightSeed % 101) / 100;
        for (uint256 i; i < 2; ++i) {
            m[i].modelId = modelIds[i];
            m[i].fees = uint128(i == 0 ? first : fees - first);
            (IModelRegistry.Split memory split,) = models.splitOf(modelIds[i]);
            Shares.Split memory s = Shares.split(m[i].fees, platformBps, split.modelBps, split.stakersBps);
            uint256 weight = uint256(keccak256(abi.encode(weightSeed, i))) % 1_000_000_001;
            m[i].attributed = uint128(uint256(s.contributors) * weight / 1e9);
        }
        // The first model has the first Datanet only.
        uint128 over = uint128(uint256(m[1].attributed) * (weightSeed % 7) / 7);
        pools[0] = m[0].attributed + over;
        pools[1] = m[1].attributed - over;
    }

    function send(
        address g,
        IAttributionSettlement.ModelTotal[] memory m,
        uint128[2] memory pools,
        uint32 receiptCount,
        SumTree.Claim[] memory tree
    ) private {
        uint256 count = (pools[0] == 0 ? 0 : 1) + (pools[1] == 0 ? 0 : 1);
        IAttributionSettlement.PoolTotal[] memory p = new IAttributionSettlement.PoolTotal[](count);
        if (pools[0] != 0) p[0] = IAttributionSettlement.PoolTotal(datanetIds[0], pools[0]);
        if (pools[1] != 0) p[count - 1] = IAttributionSettlement.PoolTotal(datanetIds[1], pools[1]);
        IAttributionSettlement.EpochPost memory post = postOf(m, p);
        post.gateway = g;
        post.firstReceipt = settlement.nextReceiptOf(g);
        post.receiptCount = receiptCount;
        (post.claimsRoot, post.claimsTotal) = SumTree.rootOf(tree);
        postEpoch(post);
        store.addIn(settlement.epoch(post.epochId).bond);
        pendingPost = abi.encode(post);
        nextBlock();
    }

    /// @dev Engines that collude post a tree with a true total: an account loses money, is left out, or money goes to a
    /// Datanet that has no pool.
    function postLie(uint256 where, uint256 kind, uint256 victim) external counted("postLie") {
        if (pendingPost.length != 0 || active.length < 2) return;
        kind = kind % 3 + 1;
        victim = victim % (active.length - 1);
        SumTree.Claim memory v = active[victim];
        if (v.cumulative < 2) return;
        delete lie;
        for (uint256 i; i < active.length; ++i) {
            if (kind == 2 && i == victim) continue;
            lie.push(active[i]);
        }
        uint128 stolen = kind == 2 ? v.cumulative : 1;
        if (kind != 2) lie[victim].cumulative -= stolen;
        if (kind == 3) lie.push(SumTree.Claim(99, mallory, stolen));
        else lie[lie.length - 1].cumulative += stolen;
        lieKind = kind;
        IAttributionSettlement.ModelTotal[] memory m = new IAttributionSettlement.ModelTotal[](1);
        m[0].modelId = modelIds[0];
        uint128[2] memory pools;
        send(gateways[where % 2], m, pools, 1, lie);
        store.addLie(true, false);
    }

    /// @dev The watcher looks at every epoch before it can be activated.
    function finish(uint256 wait) external counted("finish") {
        if (pendingPost.length == 0) return;
        IAttributionSettlement.EpochPost memory post = abi.decode(pendingPost, (IAttributionSettlement.EpochPost));
        if (lieKind != 0) return expose(post);
        uint256 end = settlement.epoch(post.epochId).deadline + bound(wait, 1, 1 hours);
        if (vm.getBlockTimestamp() < end) vm.warp(end);
        settlement.activate(post);
        uint256 fees;
        uint256 attributed;
        for (uint256 i; i < post.models.length; ++i) {
            fees += post.models[i].fees;
            attributed += post.models[i].attributed;
        }
        store.addEpoch(post.gateway, post.receiptCount, fees, attributed);
        delete active;
        for (uint256 i; i < claims.length; ++i) {
            active.push(claims[i]);
        }
        delete pendingPost;
    }

    function expose(IAttributionSettlement.EpochPost memory post) private {
        uint256 i;
        while (i < lie.length && same(active[i], lie[i])) ++i;
        uint256 bond = settlement.epoch(post.epochId).bond;
        SumTree.Claim[] memory pending = lie;
        vm.startPrank(watcher);
        if (lieKind == 2) {
            IAttributionDispute.Slot[] memory slots = new IAttributionDispute.Slot[](i == 0 ? 1 : 2);
            slots[slots.length - 1] = slotOf(pending, i);
            if (i != 0) slots[0] = slotOf(pending, i - 1);
            dispute.disputeOmission(post.epochId, leafOf(active, i), slots);
        } else if (lieKind == 1) {
            dispute.disputeDecrease(post.epochId, leafOf(active, i), leafOf(pending, i));
        } else {
            IAttributionDispute.Leaf memory over = leafOf(pending, pending.length - 1);
            dispute.disputeOverpromise(post, over, over);
        }
        vm.stopPrank();
        store.addBurned(bond - bond / 2);
        bool rejected = settlement.epoch(post.epochId).status == IAttributionSettlement.EpochStatus.Rejected;
        store.addLie(false, rejected);
        lieKind = 0;
        delete pendingPost;
    }

    function same(SumTree.Claim memory a, SumTree.Claim memory b) private pure returns (bool) {
        return a.datanetId == b.datanetId && a.account == b.account && a.cumulative == b.cumulative;
    }

    function leafOf(SumTree.Claim[] memory tree, uint256 i) private pure returns (IAttributionDispute.Leaf memory) {
        return
            IAttributionDispute.Leaf(
                tree[i].datanetId, tree[i].account, tree[i].cumulative, i, SumTree.proofOf(tree, i)
            );
    }

    function slotOf(SumTree.Claim[] memory tree, uint256 i) private pure returns (IAttributionDispute.Slot memory s) {
        return IAttributionDispute.Slot(
            false, tree[i].datanetId, tree[i].account, tree[i].cumulative, i, SumTree.proofOf(tree, i)
        );
    }

    function setPlatformShare(uint16 bps, uint32 window) external counted("setPlatformShare") {
        IAttributionSettlement.Parameters memory p = defaultParameters();
        p.platformBps = bps % 1_501;
        p.challengeWindow = uint32(bound(window, CHALLENGE_WINDOW_MIN, 1 hours));
        vm.prank(governance);
        settlement.setParameters(p);
    }

    /*//////////////////////////////////////////////////////////////////////////
                                      PAYMENTS
    //////////////////////////////////////////////////////////////////////////*/

    function claim(uint256 pick) external counted("claim") {
        if (active.length == 0) return;
        uint256 i = pick % active.length;
        SumTree.Claim memory c = active[i];
        IAttributionSettlement.ProofNode[] memory proof = SumTree.proofOf(active, i);
        if (settlement.previewClaim(c.datanetId, c.account, c.cumulative, i, proof) == 0) return;
        uint256 before = c.account.balance;
        settlement.claim(c.datanetId, c.account, c.cumulative, i, proof);
        store.addPaid(c.datanetId, c.account, c.account.balance - before);
    }

    function moveDoor(bool open) external counted("moveDoor") {
        door.set(open);
    }

    /// @dev Somebody raises bonds in the only way that is left.
    function force(uint256 amount) external counted("force") {
        amount = bound(amount, 1, 1 ether);
        vm.deal(address(this), amount);
        new Forcer{value: amount}(payable(address(settlement)));
        store.addIn(amount);
        store.addForced(amount);
    }

    function skim() external counted("skim") {
        if (store.forced() == 0) return;
        store.subForced(settlement.skim(datanetIds));
    }

    function withdrawCredit(uint256 pick) external counted("withdrawCredit") {
        (,,, address[] memory payees) = store.people();
        address who = payees[pick % payees.length];
        if (settlement.credit(who) == 0) return;
        uint256 before = who.balance;
        vm.prank(who);
        settlement.withdraw(payable(who));
        store.addOut(who.balance - before);
    }

    function passTime(uint256 time) external counted("passTime") {
        vm.warp(vm.getBlockTimestamp() + bound(time, 1, 1 hours));
        vm.roll(vm.getBlockNumber() + 1);
    }
}
