//! Blocks executed twice: on the store that built them, and from their witness alone. Every part of a
//! witness must be needed, and none may be another.

use primitives::{Block, Witness};
use sequencer_store::StoreError as Error;
use stf::{
    RangeVerifier, StateRootOutcome, WitnessError, attempt_stateless, execute_stateless,
    trie::{NodeReader, NodeUpdates, TrieId},
};

use super::*;

/// What happens in one transaction.
#[derive(Clone, Debug)]
enum Deed {
    Transfer {
        to: u8,
        value: u64,
    },
    Set {
        passer: bool,
        slot: u64,
        value: u64,
    },
    /// Init code of one of [`INIT_CODES`].
    Create {
        kind: usize,
        value: u64,
    },
    /// Calls what user `of` created at `nonce`, which may be nothing.
    Call {
        of: u8,
        nonce: u64,
    },
    /// Stores the hash of the block so many back.
    BlockHash {
        back: u8,
    },
}

/// Code that stays, code that ends itself when called, code that ends while it is created, a revert, and
/// one that looks at the size and the hash of another's code.
const INIT_CODES: [Bytes; 5] = [
    bytes!("6001600055600260075560016000f3"),
    bytes!("6133ff6000526002601ef3"),
    bytes!("600160005533ff"),
    bytes!("60006000fd"),
    bytes!(
        "7300000000000000000000000000000000000c0de13b6000557300000000000000000000000000000000000c0de13f60015500"
    ),
];

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        (0_u8..20, 0_u64..3).prop_map(|(to, value)| Deed::Transfer { to, value }),
        (any::<bool>(), 0_u64..12, 0_u64..2).prop_map(|(passer, slot, value)| Deed::Set {
            passer,
            slot,
            value
        }),
        (0..INIT_CODES.len(), 0_u64..2).prop_map(|(kind, value)| Deed::Create { kind, value }),
        (0_u8..4, 0_u64..6).prop_map(|(of, nonce)| Deed::Call { of, nonce }),
        (1_u8..9).prop_map(|back| Deed::BlockHash { back }),
    ]
}

fn transaction(by: u8, nonce: u64, deed: &Deed) -> Recovered<TxEnvelope> {
    let base = TxEip1559 {
        chain_id: CHAIN_ID,
        nonce,
        gas_limit: 300_000,
        max_fee_per_gas: 5_000_000_000,
        max_priority_fee_per_gas: 1,
        ..Default::default()
    };
    let tx = match deed {
        Deed::Transfer { to, value } => {
            TxEip1559 { to: TxKind::Call(user(*to)), value: U256::from(*value), ..base }
        }
        Deed::Set { passer, slot, value } => {
            let contract = if *passer { L2_TO_L1_MESSAGE_PASSER } else { SETTER };
            return set(by, nonce, contract, *slot, *value);
        }
        Deed::Create { kind, value } => TxEip1559 {
            to: TxKind::Create,
            input: INIT_CODES[*kind].clone(),
            value: U256::from(*value),
            ..base
        },
        Deed::Call { of, nonce } => {
            TxEip1559 { to: TxKind::Call(user(*of).create(*nonce)), ..base }
        }
        // NUMBER, PUSH back, SWAP1, SUB, BLOCKHASH, PUSH 0, SSTORE, STOP.
        Deed::BlockHash { back } => {
            let mut input = bytes!("436000900340600055").to_vec();
            input[2] = *back;
            TxEip1559 { to: TxKind::Create, input: input.into(), ..base }
        }
    };
    recovered(sign(tx, by), by)
}

impl Chain {
    /// A block of these deeds, by users in turn, with a mint.
    fn live(&self, deeds: &[(u8, Deed)]) -> ExecutedBlock {
        let mut nonces: Vec<u64> = (0..4).map(|by| self.nonce(user(by))).collect();
        let transactions: Vec<_> = deeds
            .iter()
            .map(|(by, deed)| {
                let nonce = &mut nonces[usize::from(*by)];
                *nonce += 1;
                transaction(*by, *nonce - 1, deed)
            })
            .collect();
        let number = self.head().number;
        let minted = TxDeposit {
            source_hash: keccak256(number.to_be_bytes()),
            from: user(u8::try_from(number % 7).unwrap() + 10),
            to: TxKind::Call(user(u8::try_from(number % 5).unwrap() + 20)),
            mint: 5,
            value: U256::from(number % 9),
            gas_limit: 50_000,
            ..Default::default()
        };
        let (built, rejections) = self.block(&[minted], &transactions);
        assert_eq!(rejections, []);
        built
    }

    fn witness(&self, number: u64) -> Witness {
        self.store.record(&SPEC, number).unwrap().witness
    }

    /// The roots of a block and what becomes of the tries are the same. A block that was built in parts may
    /// name more places, but only with what they had before.
    fn same_roots(&self, again: &StateRootOutcome, built: &StateRootOutcome, number: u64) {
        assert_eq!(again.state_root, built.state_root);
        assert_eq!(again.withdrawals_root, built.withdrawals_root);
        assert_eq!(again.updates.storage_roots, built.updates.storage_roots);
        let before = self.store.tries_at(number - 1).unwrap();
        let same = |trie, again: &NodeUpdates, built: &NodeUpdates| {
            for (position, node) in built.iter() {
                let expected = again.get(position).map_or_else(
                    || before.node(trie, position, B256::ZERO).unwrap(),
                    |node| node.map(<[u8]>::to_vec),
                );
                assert_eq!(node.map(<[u8]>::to_vec), expected, "{trie:?} at {position:?}");
            }
            for (position, _) in again.iter() {
                assert!(built.get(position).is_some(), "{trie:?} at {position:?} is left out");
            }
        };
        let (again, built) = (&again.updates, &built.updates);
        same(TrieId::Accounts, &again.accounts, &built.accounts);
        assert!(again.storages.keys().eq(built.storages.keys()));
        for (owner, nodes) in &built.storages {
            same(TrieId::Storage(*owner), &again.storages[owner], nodes);
        }
    }
}

fn refusal(block: &Block, witness: &Witness) -> BlockError {
    match execute_stateless(&SPEC, block, witness) {
        Ok(_) => panic!("a witness that is not the block's was taken"),
        Err(error) => error,
    }
}

/// Every way to leave out or to change one part, and all are refused for the right reason.
fn all_parts_are_needed(block: &Block, witness: &Witness) {
    for index in 0..witness.nodes.len() {
        let mut less = witness.clone();
        let node = less.nodes.remove(index);
        let error = refusal(block, &less).to_string();
        let name = keccak256(&node).to_string();
        assert!(error.contains(&name) && error.contains("is missing"), "{error}");

        let mut other = node.to_vec();
        let at = index * 31 % other.len();
        other[at] ^= 1;
        less.nodes.insert(index, other.into());
        let error = refusal(block, &less).to_string();
        assert!(error.contains(&name) && error.contains("is missing"), "{error}");
    }
    for index in 0..witness.codes.len() {
        let mut less = witness.clone();
        let code = less.codes.remove(index);
        let missing = WitnessError::MissingCode(keccak256(&code)).to_string();
        let error = refusal(block, &less).to_string();
        assert!(error.contains(&missing), "{error}");
        less.codes.push([code.as_ref(), &[0]].concat().into());
        assert!(refusal(block, &less).to_string().contains(&missing));
    }
    for index in 0..witness.headers.len() {
        let mut less = witness.clone();
        let header = less.headers.remove(index);
        let is_last = index == witness.headers.len() - 1;
        let error = refusal(block, &less);
        match index {
            _ if is_last && index == 0 => {
                assert_eq!(error, WitnessError::NoParent(block.header.parent_hash).into());
            }
            0 => {
                let missing = WitnessError::MissingHeader(header.number).to_string();
                assert!(error.to_string().contains(&missing), "{error}");
            }
            _ => assert!(
                matches!(error, BlockError::Witness(WitnessError::ForeignHeader { .. })),
                "{error}"
            ),
        }
        let mut other = header;
        other.gas_used ^= 1;
        less.headers.insert(index, other);
        let error = refusal(block, &less);
        assert!(
            matches!(error, BlockError::Witness(WitnessError::ForeignHeader { .. })),
            "{error}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn a_block_and_its_witness_give_what_the_state_gives(
        blocks in proptest::collection::vec(
            proptest::collection::vec((0_u8..4, deed()), 0..8), 2..6,
        )
    ) {
        let chain = Chain::new();
        let mut known = Vec::new();
        for deeds in &blocks {
            let built = chain.live(deeds);
            let witness = chain.witness(built.block.header.number);
            let encoded = Bytes::from(witness.encode());
            prop_assert_eq!(&Witness::decode(&encoded).unwrap(), &witness);

            let again = execute_stateless(&SPEC, &built.block, &witness).unwrap();
            prop_assert_eq!(&again.block, &built.block);
            prop_assert_eq!(&again.receipts, &built.receipts);
            prop_assert_eq!(&again.senders, &built.senders);
            prop_assert_eq!(&again.changes, &built.changes);
            chain.same_roots(&again.roots, &built.roots, built.block.header.number);
            known.push((built.block, witness));
        }
        let (block, witness) = known.last().unwrap();
        all_parts_are_needed(block, witness);
        // Of another block it is no witness.
        let error = refusal(&known[0].0, witness);
        let is_foreign = matches!(error, BlockError::Witness(WitnessError::ForeignHeader { .. }));
        prop_assert!(is_foreign, "{}", error);

        // Recorded later, one by one or in a row, a block's witness is the same.
        let mut tries = chain.store.tries_at(0).unwrap();
        for (block, witness) in &known {
            prop_assert_eq!(&chain.witness(block.header.number), witness);
            let (_, recording) = tries.record_next(&SPEC).unwrap();
            prop_assert_eq!(&recording.witness, witness);
        }
        prop_assert_eq!(tries.number(), known.len() as u64);
    }
}

/// A branch with one child left takes that child's place and needs its bytes, though no transaction
/// came near it.
#[test]
fn a_cleared_slot_brings_its_sibling() {
    let chain = Chain::new();
    // Slots whose hashed keys differ in the first nibble, so that the storage trie is a branch with two
    // leaves.
    let nibble = |slot: u64| keccak256(U256::from(slot).to_be_bytes::<32>())[0] >> 4;
    let (first, second) = (1, (2..).find(|slot| nibble(*slot) != nibble(1)).unwrap());
    let put = |nonce, slot, value| set(0, nonce, SETTER, slot, value);
    chain.block(&[], &[put(0, first, 7), put(1, second, 9)]);
    let slot = B256::from(U256::from(second));
    let proof = chain.store.proof(SETTER, &[slot], 1).unwrap();
    let [branch, sibling] = proof.storage[0].nodes.as_slice() else {
        panic!("a branch and a leaf: {proof:?}")
    };
    let (changed, _) = chain.block(&[], &[put(2, first, 8)]);
    let witness = chain.witness(2);
    assert!(!witness.nodes.contains(sibling), "a change needs no sibling");
    execute_stateless(&SPEC, &changed.block, &witness).unwrap();

    let (cleared, _) = chain.block(&[], &[put(3, first, 0)]);
    let witness = chain.witness(3);
    assert!(witness.nodes.contains(sibling));
    assert!(!witness.nodes.contains(branch), "the branch is another by now");
    execute_stateless(&SPEC, &cleared.block, &witness).unwrap();
    all_parts_are_needed(&cleared.block, &witness);
    // Cleared to the end, the trie is empty.
    let (emptied, _) = chain.block(&[], &[put(4, second, 0)]);
    execute_stateless(&SPEC, &emptied.block, &chain.witness(4)).unwrap();
}

/// Hashing ahead, as [`Chain::block`] does, sees what a later transaction of the block takes back: here
/// two leaves of the storage trie, of which the first goes again. Their places are then named without
/// need, and the state is the same.
#[test]
fn nodes_that_come_and_go_in_one_block_change_nothing() {
    let chain = Chain::new();
    let set = |slot, value| (0, Deed::Set { passer: true, slot, value });
    chain.live(&[set(10, 1)]);
    let built = chain.live(&[set(0, 1), (0, Deed::Transfer { to: 0, value: 0 }), set(10, 0)]);
    let again = execute_stateless(&SPEC, &built.block, &chain.witness(2)).unwrap();
    assert_ne!(again.roots, built.roots, "nothing came and went");
    chain.same_roots(&again.roots, &built.roots, 2);
}

/// A block that claims what did not happen is refused, however good its witness.
#[test]
fn a_false_claim_does_not_follow_from_its_witness() {
    let chain = Chain::new();
    let built = chain.live(&[(0, Deed::Transfer { to: 9, value: 1 })]);
    let witness = chain.witness(1);
    let mut block = built.block;
    block.header.state_root.0[0] ^= 1;
    block.hash = block.header.hash_slow();
    let error = refusal(&block, &witness);
    assert!(matches!(error, BlockError::Mismatch { field: "state_root", .. }), "{error}");
}

#[test]
fn what_has_no_block_before_or_is_not_there_has_no_witness() {
    let chain = Chain::new();
    chain.block(&[], &[]);
    for number in [0, 2, u64::MAX] {
        let error = chain.store.record(&SPEC, number).unwrap_err();
        assert!(matches!(error, Error::MissingBlock(_)), "{number}: {error}");
    }
}

/// Blocks in a row: none may be left out, come twice, or be of another chain.
#[test]
fn a_range_is_verified_block_by_block() {
    let chain = Chain::new();
    let trusted = chain.head().hash_slow();
    let blocks: Vec<(Block, Witness)> = (1..=3)
        .map(|number| {
            let built = chain.live(&[(0, Deed::Transfer { to: 9, value: number })]);
            (built.block, chain.witness(number))
        })
        .collect();
    let mut range = RangeVerifier::new(SPEC, trusted);
    for (at, (block, witness)) in blocks.iter().enumerate() {
        for (_, (block, witness)) in blocks.iter().enumerate().filter(|(other, _)| *other != at) {
            let error = range.verify(block, witness).map(|_| ()).unwrap_err();
            assert!(matches!(error, BlockError::WrongParent { .. }), "{error}");
        }
        let verified = range.verify(block, witness).unwrap();
        assert_eq!(range.last(), block.hash);
        // Version 0, state root, message passer's storage root, block hash.
        let passer = chain.store.state_at(block.header.number).unwrap();
        let words = [
            B256::ZERO,
            block.header.state_root,
            passer.storage_root(L2_TO_L1_MESSAGE_PASSER).unwrap(),
            block.hash,
        ];
        assert_eq!(verified.output_root, keccak256(words.concat()));
    }
}

/// What makes a payload one that cannot be executed.
#[derive(Clone, Copy, Debug)]
enum Fault {
    NonceGap,
    NoFunds,
    Undecodable,
    BadSignature,
    LateDeposit,
}

impl Fault {
    const ALL: [Self; 5] =
        [Self::NonceGap, Self::NoFunds, Self::Undecodable, Self::BadSignature, Self::LateDeposit];

    fn transaction(self, chain: &Chain) -> Bytes {
        let nonce = chain.nonce(user(3));
        let encoded = |tx: &Recovered<TxEnvelope>| tx.inner().encoded_2718();
        match self {
            Self::NonceGap => encoded(&transfer(3, nonce + 1, user(1), U256::ONE)).into(),
            Self::NoFunds => encoded(&transfer(3, nonce, user(1), U256::MAX >> 1)).into(),
            Self::Undecodable => bytes!("02c0"),
            Self::BadSignature => {
                let mut raw = encoded(&transfer(3, nonce, user(1), U256::ONE));
                let end = raw.len();
                raw[end - 65..end - 33].fill(0xff);
                raw.into()
            }
            Self::LateDeposit => deposit(TxDeposit::default()).encoded_2718().into(),
        }
    }

    fn is(self, error: &BlockError) -> bool {
        matches!(
            (self, error),
            (Self::NonceGap | Self::NoFunds, BlockError::InvalidTransaction { .. })
                | (Self::Undecodable, BlockError::Undecodable { .. })
                | (Self::BadSignature, BlockError::BadSignature { .. })
                | (Self::LateDeposit, BlockError::DepositOutOfOrder { .. })
        )
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    /// A stranger sees from the attempt's witness that a payload cannot be executed, and why; with less than
    /// all of it nothing is seen. Of a payload that can be executed the witness gives the block.
    #[test]
    fn a_payload_that_cannot_be_executed_is_shown_to_be_one(
        before in proptest::collection::vec((0_u8..3, deed()), 0..6),
        inside in proptest::collection::vec((0_u8..3, 0_u64..12, 1_u64..5), 1..5),
    ) {
        let chain = Chain::new();
        chain.live(&before);
        let (parent, number) = (chain.head().hash_slow(), chain.head().number);
        let mut attributes = chain.attributes(&[]);
        attributes.no_tx_pool = true;
        let mut nonces: Vec<u64> = (0..3).map(|by| chain.nonce(user(by))).collect();
        for (by, slot, value) in inside {
            let nonce = &mut nonces[usize::from(by)];
            let tx = set(by, *nonce, SETTER, slot, value);
            attributes.transactions.push(tx.inner().encoded_2718().into());
            *nonce += 1;
        }
        let tries = chain.store.tries_at(number).unwrap();
        let (executed, recording) = tries.record_attempt(&SPEC, &attributes).unwrap();
        let executed = executed.unwrap();
        let again = attempt_stateless(&SPEC, parent, &attributes, &recording.witness);
        prop_assert_eq!(&again.unwrap().unwrap().block, &executed.block);
        let whole = execute_stateless(&SPEC, &executed.block, &recording.witness).unwrap();
        prop_assert_eq!(whole.block, executed.block);

        for fault in Fault::ALL {
            let mut attributes = attributes.clone();
            attributes.transactions.push(fault.transaction(&chain));
            let (attempt, recording) = tries.record_attempt(&SPEC, &attributes).unwrap();
            let reason = attempt.unwrap_err();
            prop_assert!(fault.is(&reason), "{fault:?}: {reason}");
            let witness = recording.witness;
            let again = attempt_stateless(&SPEC, parent, &attributes, &witness).unwrap();
            prop_assert_eq!(again.unwrap_err(), reason);
            for index in 0..witness.nodes.len() {
                let mut less = witness.clone();
                less.nodes.remove(index);
                let unanswered = attempt_stateless(&SPEC, parent, &attributes, &less);
                prop_assert!(unanswered.is_err(), "{fault:?} without node {index}");
            }
            let foreign = attempt_stateless(&SPEC, B256::ZERO, &attributes, &witness);
            prop_assert!(foreign.is_err(), "after another parent");
        }
    }
}
