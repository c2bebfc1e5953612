// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IDatanetRegistry} from "../../../src/interfaces/IDatanetRegistry.sol";
import {DatanetRegistry} from "../../../src/l2/DatanetRegistry.sol";
import {Errors} from "../../../src/libraries/Errors.sol";
import {EconomyTest} from "../../utils/EconomyTest.sol";

contract RevealTest is EconomyTest {
    uint256 private datanetId;

    function setUp() public override {
        super.setUp();
        datanetId = createDatanet();
    }

    /// @dev Commits to `r` as alice and moves to the next block.
    function committed(IDatanetRegistry.Reveal memory r) private returns (uint256 id) {
        id = commitAs(alice, datanetId, r);
        nextBlock();
    }

    function test_RevertWhen_Unknown(uint256 id) external {
        vm.expectRevert(abi.encodeWithSelector(Errors.DatanetRegistry_ContributionUnknown.selector, id));
        revealAs(alice, id, document(1));
    }

    function test_RevertWhen_RevealedAlready() external {
        uint256 id = contribute(alice, datanetId, 1);
        vm.expectRevert(
            abi.encodeWithSelector(Errors.DatanetRegistry_StatusInvalid.selector, id, IDatanetRegistry.Status.Revealed)
        );
        revealAs(alice, id, document(1));
    }

    function test_RevertWhen_CallerNotContributor(address caller) external {
        vm.assume(caller != alice);
        uint256 id = committed(document(1));
        vm.expectRevert(abi.encodeWithSelector(Errors.DatanetRegistry_NotContributor.selector, id, caller));
        revealAs(caller, id, document(1));
    }

    function test_RevertWhen_SameBlock() external {
        uint256 id = commitAs(alice, datanetId, document(1));
        vm.expectRevert(abi.encodeWithSelector(Errors.DatanetRegistry_RevealTooEarly.selector, id, vm.getBlockNumber()));
        revealAs(alice, id, document(1));
    }

    function test_RevertWhen_WindowClosed(uint256 late) external {
        uint256 deadline = vm.getBlockTimestamp() + REVEAL_WINDOW;
        uint256 id = committed(document(1));
        vm.warp(deadline + bound(late, 1, 1_000 days));
        vm.expectRevert(abi.encodeWithSelector(Errors.DatanetRegistry_RevealTooLate.selector, id, deadline));
        revealAs(alice, id, document(1));
    }

    function test_WhenTheWindowIsAboutToClose() external {
        uint256 deadline = vm.getBlockTimestamp() + REVEAL_WINDOW;
        uint256 id = committed(document(1));
        vm.warp(deadline);
        revealAs(alice, id, document(1));
    }

    function test_RevertWhen_ContentDiffers(uint8 field, bytes32 other) external {
        IDatanetRegistry.Reveal memory r = document(1);
        vm.assume(other != r.contentHash && other != r.chunkRoot && other != r.sketchHash && other != r.salt);
        uint256 id = committed(r);
        bytes32 commitment = datanets.commitmentOf(datanetId, alice, r);
        field = uint8(bound(field, 0, 3));
        if (field == 0) r.contentHash = other;
        if (field == 1) r.chunkRoot = other;
        if (field == 2) r.sketchHash = other;
        if (field == 3) r.salt = other;
        bytes32 revealed = datanets.commitmentOf(datanetId, alice, r);
        vm.expectRevert(
            abi.encodeWithSelector(Errors.DatanetRegistry_CommitmentMismatch.selector, id, commitment, revealed)
        );
        revealAs(alice, id, r);
    }

    /// @dev A front-runner copies the commitment, or the reveal out of the pool: it hashes to alice's address.
    function test_RevertWhen_CommitmentIsCopied() external {
        IDatanetRegistry.Reveal memory r = document(1);
        committed(r);
        bytes32 copied = datanets.commitmentOf(datanetId, alice, r);
        vm.deal(mallory, BOND);
        vm.prank(mallory);
        uint256 id = datanets.commit{value: BOND}(datanetId, copied);
        nextBlock();
        bytes32 revealed = datanets.commitmentOf(datanetId, mallory, r);
        vm.expectRevert(
            abi.encodeWithSelector(Errors.DatanetRegistry_CommitmentMismatch.selector, id, copied, revealed)
        );
        revealAs(mallory, id, r);
    }

    function test_CommitmentIsBoundToChainContractAndDatanet(uint64 chainId) external {
        vm.assume(chainId != block.chainid);
        IDatanetRegistry.Reveal memory r = document(1);
        bytes32 here = datanets.commitmentOf(datanetId, alice, r);
        assertNotEq(here, datanets.commitmentOf(datanetId + 1, alice, r));
        assertNotEq(here, new DatanetRegistry(sink).commitmentOf(datanetId, alice, r));
        vm.chainId(chainId);
        assertNotEq(here, datanets.commitmentOf(datanetId, alice, r));
    }

    function test_RevertWhen_LicenceDiffers(bytes32 licence) external {
        vm.assume(licence != LICENCE);
        IDatanetRegistry.Reveal memory r = document(1);
        r.licenceHash = licence;
        uint256 id = committed(r);
        vm.expectRevert(abi.encodeWithSelector(Errors.DatanetRegistry_LicenceMismatch.selector, LICENCE, licence));
        revealAs(alice, id, r);
    }

    function test_RevertWhen_HashMissing() external {
        for (uint256 i; i < 3; ++i) {
            IDatanetRegistry.Reveal memory r = document(1);
            if (i == 0) r.contentHash = 0;
            if (i == 1) r.chunkRoot = 0;
            if (i == 2) r.sketchHash = 0;
            uint256 id = committed(r);
            vm.expectRevert(Errors.DatanetRegistry_HashMissing.selector);
            revealAs(alice, id, r);
        }
    }

    function test_RevertWhen_ContentEmpty(uint32 chunks, uint32 length) external {
        vm.assume(chunks == 0 || length < chunks);
        IDatanetRegistry.Reveal memory r = document(1);
        (r.chunkCount, r.byteLength) = (chunks, length);
        uint256 id = committed(r);
        vm.expectRevert(abi.encodeWithSelector(Errors.DatanetRegistry_ContentEmpty.selector, chunks, length));
        revealAs(alice, id, r);
    }

    function test_RevertWhen_ArchiveTooLong() external {
        IDatanetRegistry.Reveal memory r = document(1);
        r.archive = string(new bytes(257));
        uint256 id = committed(r);
        vm.expectRevert(abi.encodeWithSelector(Errors.DatanetRegistry_TextTooLong.selector, 257, 256));
        revealAs(alice, id, r);
    }

    function test_RevertWhen_TooManyEdges() external {
        IDatanetRegistry.Reveal memory r = document(1);
        r.provenance = new uint256[](17);
        uint256 id = committed(r);
        vm.expectRevert(abi.encodeWithSelector(Errors.DatanetRegistry_TooManyEdges.selector, 17, 16));
        revealAs(alice, id, r);
    }

    function test_RevertWhen_ProvenanceUnknown() external {
        uint256 hidden = commitAs(bob, datanetId, document(2));
        IDatanetRegistry.Reveal memory r = document(1);
        uint256 id = committed(r);
        uint256[3] memory sources = [id, hidden, 99];
        for (uint256 i; i < 3; ++i) {
            r.provenance = one(sources[i]);
            vm.expectRevert(abi.encodeWithSelector(Errors.DatanetRegistry_ProvenanceUnknown.selector, sources[i]));
            revealAs(alice, id, r);
        }
        r.provenance = one(contribute(bob, datanetId, 3));
        revealAs(alice, id, r);
    }

    function test_WhenItOpensTheCommitment(IDatanetRegistry.Reveal memory r) external {
        vm.assume(r.contentHash != 0 && r.chunkRoot != 0 && r.sketchHash != 0);
        r.licenceHash = LICENCE;
        r.chunkCount = uint32(bound(r.chunkCount, 1, type(uint32).max));
        r.byteLength = uint32(bound(r.byteLength, r.chunkCount, type(uint32).max));
        r.provenance = new uint256[](0);
        r.archive = "ipfs://content";
        uint256 id = committed(r);

        vm.expectEmit(address(datanets));
        emit IDatanetRegistry.ContributionRevealed(datanetId, id, alice, r);
        revealAs(alice, id, r);

        IDatanetRegistry.Contribution memory c = datanets.contribution(id);
        assertEq(uint8(c.status), uint8(IDatanetRegistry.Status.Revealed));
        assertEq(c.contentHash, r.contentHash);
        assertEq(c.chunkRoot, r.chunkRoot);
        assertEq(c.chunkCount, r.chunkCount);
        assertEq(c.byteLength, r.byteLength);
        assertEq(c.sketchHash, r.sketchHash);
        assertEq(c.bond, BOND);
        assertEq(address(datanets).balance, BOND);
    }

    /// @dev The same content twice: the later committer may reveal first, and is still the later one.
    function test_WhenTheSameContentIsCommittedTwice() external {
        uint256 first = commitAs(alice, datanetId, document(1));
        uint256 second = commitAs(mallory, datanetId, document(1));
        nextBlock();
        revealAs(mallory, second, document(1));
        revealAs(alice, first, document(1));
        assertLt(datanets.contribution(first).sequence, datanets.contribution(second).sequence);
        assertEq(datanets.contribution(first).contentHash, datanets.contribution(second).contentHash);
    }
}
