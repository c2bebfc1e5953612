// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {SafeTransferLib} from "solady/utils/SafeTransferLib.sol";

import {IAttributionSettlement} from "../../../src/interfaces/IAttributionSettlement.sol";
import {Errors} from "../../../src/libraries/Errors.sol";
import {EconomyTest} from "../../utils/EconomyTest.sol";
import {Door, GasGuzzler, Reentrant, Refuser} from "../../utils/Payees.sol";
import {SumTree} from "../../utils/SumTree.sol";

contract ClaimTest is EconomyTest {
    uint256 private datanetId;
    uint256 private modelId;

    function setUp() public override {
        super.setUp();
        datanetId = publishedDatanet();
        modelId = registerModel(modelParams("m", datanetId));
        fund(gateway, 100 ether);
    }

    /// @dev Settles an epoch of 1 ether that pays `toAlice` and `toBob`, at most 0.475 ether together.
    function settle(uint128 toAlice, uint128 toBob) private {
        if (toAlice != 0) earn(datanetId, alice, toAlice);
        if (toBob != 0) earn(datanetId, bob, toBob);
        settle(onePool(modelId, 1 ether, datanetId, toAlice + toBob));
    }

    function expectProofInvalid(uint256 id, address account, uint128 amount) private {
        vm.expectRevert(abi.encodeWithSelector(Errors.AttributionSettlement_ProofInvalid.selector, id, account, amount));
    }

    function test_RevertWhen_NothingActivated() external {
        earn(datanetId, alice, 1);
        IAttributionSettlement.ProofNode[] memory proof = new IAttributionSettlement.ProofNode[](0);
        expectProofInvalid(datanetId, alice, 1);
        settlement.claim(datanetId, alice, 1, 0, proof);
        expectProofInvalid(0, address(0), 0);
        settlement.claim(0, address(0), 0, 0, proof);
    }

    function test_RevertWhen_ProofForged(uint8 field, uint128 amount, address account) external {
        settle(0.1 ether, 0.2 ether);
        uint256 index = claimIndex(datanetId, alice);
        SumTree.Claim memory c = claims[index];
        IAttributionSettlement.ProofNode[] memory proof = SumTree.proofOf(claims, index);
        vm.assume(account != c.account && amount != c.cumulative && amount < type(uint64).max);
        field = uint8(bound(field, 0, 7));
        if (field == 0) c.account = account;
        if (field == 1) c.datanetId += 1;
        if (field == 2) c.cumulative = amount;
        if (field == 3) index ^= 1;
        if (field == 4) index += 2;
        if (field == 5) proof[0].hash = bytes32(uint256(amount));
        if (field == 6) proof[0].sum = amount;
        if (field == 7) proof = new IAttributionSettlement.ProofNode[](0);
        vm.assume(field != 6 || amount != 0.2 ether);
        expectProofInvalid(c.datanetId, c.account, c.cumulative);
        settlement.claim(c.datanetId, c.account, c.cumulative, index, proof);
        assertEq(settlement.previewClaim(c.datanetId, c.account, c.cumulative, index, proof), 0);
    }

    /// @dev More for oneself, less for the neighbour: the total still holds, the neighbour's leaf does not.
    function test_RevertWhen_MoneyIsMovedWithinTheProof() external {
        settle(0.1 ether, 0.2 ether);
        uint256 index = claimIndex(datanetId, alice);
        IAttributionSettlement.ProofNode[] memory proof = SumTree.proofOf(claims, index);
        proof[0].sum -= 0.05 ether;
        expectProofInvalid(datanetId, alice, 0.15 ether);
        settlement.claim(datanetId, alice, 0.15 ether, index, proof);
    }

    function test_RevertWhen_SumsOverflow() external {
        settle(0.1 ether, 0.2 ether);
        uint256 index = claimIndex(datanetId, alice);
        IAttributionSettlement.ProofNode[] memory proof = SumTree.proofOf(claims, index);
        proof[0].sum = type(uint128).max;
        expectProofInvalid(datanetId, alice, 0.1 ether);
        settlement.claim(datanetId, alice, 0.1 ether, index, proof);
    }

    function test_RevertWhen_PathTooLong() external {
        settle(0.1 ether, 0.2 ether);
        IAttributionSettlement.ProofNode[] memory proof = new IAttributionSettlement.ProofNode[](41);
        expectProofInvalid(datanetId, alice, 0.1 ether);
        settlement.claim(datanetId, alice, 0.1 ether, 0, proof);
    }

    function test_RevertWhen_TheTreeIsPendingOrSuperseded() external {
        settle(0.1 ether, 0.2 ether);
        uint256 index = claimIndex(datanetId, alice);
        IAttributionSettlement.ProofNode[] memory old = SumTree.proofOf(claims, index);
        earn(datanetId, alice, 0.1 ether);
        IAttributionSettlement.EpochPost memory post = onePool(modelId, 1 ether, datanetId, 0.1 ether);
        postEpoch(post);
        IAttributionSettlement.ProofNode[] memory pending = SumTree.proofOf(claims, index);

        expectProofInvalid(datanetId, alice, 0.2 ether);
        settlement.claim(datanetId, alice, 0.2 ether, index, pending);
        // The activated tree stays claimable meanwhile.
        assertEq(settlement.claim(datanetId, alice, 0.1 ether, index, old), 0.1 ether);
        activate(post);
        expectProofInvalid(datanetId, alice, 0.1 ether);
        settlement.claim(datanetId, alice, 0.1 ether, index, old);
        assertEq(settlement.claim(datanetId, alice, 0.2 ether, index, pending), 0.1 ether);
    }

    function test_RevertWhen_EverythingIsPaid() external {
        settle(0.1 ether, 0.2 ether);
        claimFor(datanetId, alice);
        uint256 index = claimIndex(datanetId, alice);
        IAttributionSettlement.ProofNode[] memory proof = SumTree.proofOf(claims, index);
        vm.expectRevert(
            abi.encodeWithSelector(Errors.AttributionSettlement_NothingToClaim.selector, datanetId, alice, 0.1 ether)
        );
        settlement.claim(datanetId, alice, 0.1 ether, index, proof);
        assertEq(settlement.previewClaim(datanetId, alice, 0.1 ether, index, proof), 0);
    }

    /// @dev Engines sign a tree that promises all of the new money to a Datanet which got none of it. The total holds, so it
    /// can be posted; undisputed it activates, and still pays no more from a pool than the pool holds.
    function test_RevertWhen_PoolInsolvent() external {
        settle(0.1 ether, 0.2 ether);
        earn(datanetId + 1, mallory, 0.4 ether);
        settle(onePool(modelId, 1 ether, datanetId, 0.4 ether));
        uint256 index = claimIndex(datanetId + 1, mallory);
        IAttributionSettlement.ProofNode[] memory proof = SumTree.proofOf(claims, index);
        vm.expectRevert(
            abi.encodeWithSelector(Errors.AttributionSettlement_PoolInsolvent.selector, datanetId + 1, 0, 0.4 ether)
        );
        settlement.claim(datanetId + 1, mallory, 0.4 ether, index, proof);
        assertEq(settlement.previewClaim(datanetId + 1, mallory, 0.4 ether, index, proof), 0);
        assertEq(claimFor(datanetId, alice), 0.1 ether);
        assertEq(claimFor(datanetId, bob), 0.2 ether);
    }

    function test_WhenTheAccountRefuses() external {
        address refuser = address(new Refuser());
        earn(datanetId, refuser, 0.1 ether);
        earn(datanetId, bob, 0.2 ether);
        settle(onePool(modelId, 1 ether, datanetId, 0.3 ether));
        uint256 index = claimIndex(datanetId, refuser);
        IAttributionSettlement.ProofNode[] memory proof = SumTree.proofOf(claims, index);
        vm.expectEmit(address(settlement));
        emit IAttributionSettlement.SetAside(datanetId, refuser, 0.1 ether);
        assertEq(settlement.claim(datanetId, refuser, 0.1 ether, index, proof), 0);
        assertEq(settlement.claimedOf(datanetId, refuser), 0.1 ether);
        assertEq(settlement.setAsideOf(datanetId, refuser), 0.1 ether);
        assertEq(settlement.claimedFromPool(datanetId), 0.1 ether);
        assertEq(settlement.unclaimed(), 0.2 ether);
        // Still its own, and still not taken.
        assertEq(settlement.previewClaim(datanetId, refuser, 0.1 ether, index, proof), 0.1 ether);
        assertEq(settlement.claim(datanetId, refuser, 0.1 ether, index, proof), 0);
        assertEq(settlement.setAsideOf(datanetId, refuser), 0.1 ether);
        assertEq(settlement.claimedFromPool(datanetId), 0.1 ether);
        assertEq(settlement.unclaimed(), 0.2 ether);
        assertEq(claimFor(datanetId, bob), 0.2 ether);
        assertEq(settlement.unclaimed(), 0);
    }

    function test_WhenWhatWasSetAsideIsTaken(uint128 early, uint128 late, bool again) external {
        early = uint128(bound(early, 1, 0.4 ether));
        late = again ? uint128(bound(late, 1, 0.4 ether)) : 0;
        Door door = new Door();
        earn(datanetId, address(door), early);
        settle(onePool(modelId, 1 ether, datanetId, early));
        assertEq(claimFor(datanetId, address(door)), 0);
        if (again) {
            earn(datanetId, address(door), late);
            settle(onePool(modelId, 1 ether, datanetId, late));
        }
        assertEq(settlement.unclaimed(), late);
        door.set(true);
        uint256 index = claimIndex(datanetId, address(door));
        IAttributionSettlement.ProofNode[] memory proof = SumTree.proofOf(claims, index);
        vm.expectEmit(address(settlement));
        emit IAttributionSettlement.Claimed(datanetId, address(door), address(door), early + late, early + late);
        assertEq(settlement.claim(datanetId, address(door), early + late, index, proof), early + late);
        assertEq(address(door).balance, early + late);
        assertEq(settlement.setAsideOf(datanetId, address(door)), 0);
        assertEq(settlement.claimedOf(datanetId, address(door)), early + late);
        assertEq(settlement.unclaimed(), 0);
        vm.expectRevert(
            abi.encodeWithSelector(
                Errors.AttributionSettlement_NothingToClaim.selector, datanetId, address(door), early + late
            )
        );
        settlement.claim(datanetId, address(door), early + late, index, proof);
    }

    /// @dev Another leaf of the account will do, so a root that promises it less keeps nothing of it back.
    function test_WhenWhatWasSetAsideIsTakenWithALowerLeaf() external {
        Door door = new Door();
        earn(datanetId, address(door), 0.3 ether);
        settle(onePool(modelId, 1 ether, datanetId, 0.3 ether));
        assertEq(claimFor(datanetId, address(door)), 0);
        claims[claimIndex(datanetId, address(door))].cumulative = 0.1 ether;
        earn(datanetId, bob, 0.3 ether);
        settle(onePool(modelId, 1 ether, datanetId, 0.1 ether));
        door.set(true);
        assertEq(claimFor(datanetId, address(door)), 0.3 ether);
        assertEq(settlement.claimedOf(datanetId, address(door)), 0.3 ether);
    }

    /// @dev Whoever claims for an account with little gas does not get its money set aside: what is left of the gas is too little.
    function test_RevertWhen_TheAccountGetsTooLittleGas(uint256 gas) external {
        Reentrant account = new Reentrant();
        // It takes 100,000 gas or so to be paid.
        account.arm(address(this), abi.encodeCall(this.spend, (20)));
        earn(datanetId, address(account), 0.1 ether);
        earn(datanetId, bob, 0.2 ether);
        settle(onePool(modelId, 1 ether, datanetId, 0.3 ether));
        uint256 index = claimIndex(datanetId, address(account));
        IAttributionSettlement.ProofNode[] memory proof = SumTree.proofOf(claims, index);
        gas = bound(gas, 30_000, 1_000_000);
        bytes memory call = abi.encodeCall(settlement.claim, (datanetId, address(account), 0.1 ether, index, proof));
        (bool done,) = address(settlement).call{gas: gas}(call);
        assertEq(settlement.setAsideOf(datanetId, address(account)), 0);
        assertEq(address(account).balance, done ? 0.1 ether : 0);
    }

    mapping(uint256 => uint256) private spent;

    function spend(uint256 slots) external {
        for (uint256 i; i < slots; ++i) {
            ++spent[i];
        }
    }

    function test_WhenTheAccountBurnsItsGas() external {
        address guzzler = address(new GasGuzzler());
        earn(datanetId, guzzler, 0.1 ether);
        settle(onePool(modelId, 1 ether, datanetId, 0.1 ether));
        uint256 index = claimIndex(datanetId, guzzler);
        IAttributionSettlement.ProofNode[] memory proof = SumTree.proofOf(claims, index);
        assertEq(settlement.claim{gas: 2_000_000}(datanetId, guzzler, 0.1 ether, index, proof), 0);
        assertEq(settlement.setAsideOf(datanetId, guzzler), 0.1 ether);
        assertEq(settlement.unclaimed(), 0);
    }

    function test_WhenTheAccountCallsBack() external {
        Reentrant account = new Reentrant();
        earn(datanetId, address(account), 0.1 ether);
        earn(datanetId, bob, 0.2 ether);
        settle(onePool(modelId, 1 ether, datanetId, 0.3 ether));
        uint256 index = claimIndex(datanetId, address(account));
        IAttributionSettlement.ProofNode[] memory proof = SumTree.proofOf(claims, index);
        bytes memory call = abi.encodeCall(settlement.claim, (datanetId, address(account), 0.1 ether, index, proof));
        account.arm(address(settlement), call);
        assertEq(settlement.claim(datanetId, address(account), 0.1 ether, index, proof), 0.1 ether);
        assertTrue(account.called());
        assertFalse(account.succeeded());
        assertEq(address(account).balance, 0.1 ether);
    }

    function test_WhenTheLeafIsInTheTree(uint128 toAlice, uint128 toBob, address caller) external {
        toAlice = uint128(bound(toAlice, 1, 0.2 ether));
        toBob = uint128(bound(toBob, 1, 0.275 ether));
        settle(toAlice, toBob);
        uint256 index = claimIndex(datanetId, alice);
        IAttributionSettlement.ProofNode[] memory proof = SumTree.proofOf(claims, index);
        assertEq(settlement.previewClaim(datanetId, alice, toAlice, index, proof), toAlice);
        vm.expectEmit(address(settlement));
        emit IAttributionSettlement.Claimed(datanetId, alice, alice, toAlice, toAlice);
        vm.prank(caller);
        assertEq(settlement.claim(datanetId, alice, toAlice, index, proof), toAlice);
        assertEq(alice.balance, toAlice + BOND);
        assertEq(settlement.claimedOf(datanetId, alice), toAlice);
        assertEq(settlement.claimedFromPool(datanetId), toAlice);
        assertEq(settlement.promised(), toAlice + toBob);
        assertEq(claimFor(datanetId, bob), toBob);
    }

    function test_WhenEpochsAreMissed(uint128[6] memory amounts, uint8 claimMask) external {
        uint256 earned;
        uint256 start = alice.balance;
        for (uint256 i; i < 6; ++i) {
            amounts[i] = uint128(bound(amounts[i], 1, 0.4 ether));
            earned += amounts[i];
            settle(amounts[i], 1);
            if (claimMask & (1 << i) != 0) {
                claimFor(datanetId, alice);
                assertEq(alice.balance - start, earned);
            }
        }
        if (claimMask & 32 == 0) claimFor(datanetId, alice);
        assertEq(alice.balance - start, earned);
        assertEq(claimFor(datanetId, bob), 6);
        assertEq(settlement.claimedFromPool(datanetId), settlement.poolFunded(datanetId));
    }

    function test_RevertWhen_WithdrawnWithNothing() external {
        vm.expectRevert(abi.encodeWithSelector(Errors.NothingToWithdraw.selector, mallory));
        vm.prank(mallory);
        settlement.withdraw(payable(mallory));
        vm.expectRevert(Errors.ZeroAddress.selector);
        settlement.withdraw(payable(address(0)));
    }

    function test_WhenThereIsCredit() external {
        settle(0.1 ether, 0.2 ether);
        vm.expectEmit(address(settlement));
        emit IAttributionSettlement.Withdrawn(platform, bob, 0.05 ether);
        vm.prank(platform);
        assertEq(settlement.withdraw(payable(bob)), 0.05 ether);
        assertEq(settlement.credit(platform), 0);
        vm.expectRevert(abi.encodeWithSelector(Errors.NothingToWithdraw.selector, platform));
        vm.prank(platform);
        settlement.withdraw(payable(bob));
    }

    function test_WhenAPayeeRefuses() external {
        settle(0.1 ether, 0.2 ether);
        address refuser = address(new Refuser());
        vm.prank(platform);
        vm.expectRevert(SafeTransferLib.ETHTransferFailed.selector);
        settlement.withdraw(payable(refuser));
        assertEq(settlement.credit(platform), 0.05 ether);
    }
}
