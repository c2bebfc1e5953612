//! The state transition checked two ways on a real store: every built block is re-executed from its
//! parent's state and must give the same header; the incremental root must equal a rebuild; history,
//! proofs and unwinding must agree with what was.

use std::{collections::BTreeMap, sync::Arc};

use alloy_consensus::{
    SignableTransaction, Transaction as _, TxEip1559, TxEip2930, TxEip7702, TxLegacy,
    transaction::Recovered,
};
use alloy_eips::{eip2718::Encodable2718, eip7702::Authorization};
use alloy_primitives::{Address, B64, B256, Bytes, TxKind, U256, address, bytes, keccak256};
use k256::ecdsa::SigningKey;
use op_revm::{L1BlockInfo, OpSpecId, estimate_tx_compressed_size};
use primitives::{
    AccountAllocation, BASE_FEE_VAULT, GenesisL2, Header, L1_BLOCK, L1_FEE_VAULT,
    L2_TO_L1_MESSAGE_PASSER, OPERATOR_FEE_VAULT, PayloadAttributes, SEQUENCER_FEE_VAULT,
};
use primitives::{ReceiptEnvelope, TxDeposit, TxEnvelope};
use proptest::prelude::*;
use revm::database::WrapDatabaseRef;
use sequencer_store::{Store, StoreError, StoreOptions, genesis_header};
use stf::{
    BlockBuilder, BlockError, ChainSpec, Eip1559Parameters, ExecutedBlock, StateChanges,
    TxRejection, execute_block,
};

#[path = "chain/crash.rs"]
mod crash;
#[path = "chain/golden.rs"]
mod golden;
#[path = "chain/snapshot.rs"]
mod snapshot;
#[path = "chain/witness.rs"]
mod witness;

const CHAIN_ID: u64 = 16_120;
const SPEC: ChainSpec = ChainSpec::new(CHAIN_ID);
const ONE: U256 = U256::from_limbs([1_000_000_000_000_000_000, 0, 0, 0]);
/// Stores calldata word 1 at the slot of calldata word 0; reverts if there is no calldata.
const SETTER: Address = address!("00000000000000000000000000000000000c0de1");
const SETTER_CODE: Bytes = bytes!("3615600d5760203560003555005b60006000fd");

fn key(i: u8) -> SigningKey {
    SigningKey::from_slice(keccak256([i, 7]).as_slice()).unwrap()
}

fn user(i: u8) -> Address {
    Address::from_public_key(key(i).verifying_key())
}

fn l1_block_code() -> Bytes {
    let artifact = include_str!("../../../contracts/artifacts/L1Block.json");
    let field = artifact.split("\"deployedBytecode\": \"").nth(1).unwrap();
    field.split('"').next().unwrap().parse().unwrap()
}

fn genesis() -> GenesisL2 {
    let code = |code: Bytes| AccountAllocation { nonce: 1, code, ..Default::default() };
    let mut alloc = BTreeMap::from([
        (L1_BLOCK, code(l1_block_code())),
        (SETTER, code(SETTER_CODE)),
        (L2_TO_L1_MESSAGE_PASSER, code(SETTER_CODE)),
        (
            alloy_eips::eip4788::BEACON_ROOTS_ADDRESS,
            code(alloy_eips::eip4788::BEACON_ROOTS_CODE.clone()),
        ),
        (
            alloy_eips::eip2935::HISTORY_STORAGE_ADDRESS,
            code(alloy_eips::eip2935::HISTORY_STORAGE_CODE.clone()),
        ),
    ]);
    for i in 0..4 {
        let balance = ONE * U256::from(1_000);
        alloc.insert(user(i), AccountAllocation { balance, ..Default::default() });
    }
    GenesisL2 {
        chain_id: CHAIN_ID,
        timestamp: 1_000_000,
        gas_limit: 30_000_000,
        base_fee_per_gas: 1_000_000_000,
        extra_data: Eip1559Parameters { denominator: 250, elasticity: 6, min_base_fee: 1_000 }
            .to_extra_data(),
        alloc,
    }
}

/// Jovian L1 attributes (L2-FACTS: selector, scalars, sequence number, L1 block, fees, hashes).
fn l1_attributes(number: u64) -> TxEnvelope {
    let mut input = vec![0x3d, 0xb6, 0xbe, 0x2b];
    input.extend_from_slice(&1_368_u32.to_be_bytes());
    input.extend_from_slice(&810_949_u32.to_be_bytes());
    input.extend_from_slice(&number.to_be_bytes());
    input.extend_from_slice(&(900_000 + number).to_be_bytes());
    input.extend_from_slice(&(77 + number).to_be_bytes());
    input.extend_from_slice(&U256::from(20_000_000_000_u64).to_be_bytes::<32>());
    input.extend_from_slice(&U256::from(1).to_be_bytes::<32>());
    input.extend_from_slice(keccak256(number.to_be_bytes()).as_slice());
    input.extend_from_slice(B256::ZERO.as_slice());
    input.extend_from_slice(&3_u32.to_be_bytes());
    input.extend_from_slice(&5_u64.to_be_bytes());
    input.extend_from_slice(&400_u16.to_be_bytes());
    assert_eq!(input.len(), 178);
    deposit(TxDeposit {
        source_hash: keccak256(number.to_be_bytes()),
        from: address!("deaddeaddeaddeaddeaddeaddeaddeaddead0001"),
        to: TxKind::Call(L1_BLOCK),
        gas_limit: 1_000_000,
        input: input.into(),
        ..Default::default()
    })
}

fn deposit(deposit: TxDeposit) -> TxEnvelope {
    use alloy_primitives::Sealable;
    TxEnvelope::Deposit(deposit.seal_slow())
}

fn sign<T>(tx: T, by: u8) -> alloy_consensus::Signed<T>
where
    T: SignableTransaction<alloy_primitives::Signature>,
{
    let (signature, recovery) =
        key(by).sign_prehash_recoverable(tx.signature_hash().as_slice()).unwrap();
    tx.into_signed((signature, recovery).into())
}

fn recovered(tx: impl Into<TxEnvelope>, by: u8) -> Recovered<TxEnvelope> {
    Recovered::new_unchecked(tx.into(), user(by))
}

struct Chain {
    store: Arc<Store>,
    genesis: GenesisL2,
    _dir: tempfile::TempDir,
}

impl Chain {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store =
            Store::open(dir.path(), StoreOptions { durable: false, ..Default::default() }).unwrap();
        let genesis = genesis();
        let header = store.init_genesis(&genesis).unwrap();
        assert_eq!(header, genesis_header(&genesis).unwrap());
        Self { store, genesis, _dir: dir }
    }

    fn head(&self) -> Header {
        self.store.header(self.store.heads().unwrap().unsafe_head.number).unwrap().unwrap()
    }

    fn attributes(&self, deposits: &[TxDeposit]) -> PayloadAttributes {
        let head = self.head();
        let mut transactions = vec![l1_attributes(head.number + 1)];
        transactions.extend(deposits.iter().cloned().map(deposit));
        PayloadAttributes {
            timestamp: head.timestamp + 1,
            prev_randao: keccak256(head.number.to_be_bytes()),
            suggested_fee_recipient: SEQUENCER_FEE_VAULT,
            parent_beacon_block_root: B256::repeat_byte(9),
            transactions: transactions.iter().map(|tx| tx.encoded_2718().into()).collect(),
            no_tx_pool: false,
            gas_limit: 30_000_000,
            eip1559_params: B64::from([0, 0, 0, 250, 0, 0, 0, 6]),
            min_base_fee: 1_000,
            l1_origin: Default::default(),
            sequence_number: 0,
        }
    }

    /// Builds, re-executes, compares, commits.
    fn block(
        &self,
        deposits: &[TxDeposit],
        transactions: &[Recovered<TxEnvelope>],
    ) -> (ExecutedBlock, Vec<TxRejection>) {
        let parent = self.head();
        let state = self.store.latest_state().unwrap();
        let roots = self.store.head_roots().unwrap();
        let attributes = self.attributes(deposits);
        let opening = attributes.transactions.iter().map(|raw| {
            let transaction = TxEnvelope::decode_strict(raw).unwrap();
            let sender = transaction.as_deposit().unwrap().from;
            Recovered::new_unchecked(transaction, sender)
        });
        // It hashes in lanes and knows sizes; it is executed again without either.
        let mut builder = BlockBuilder::open(
            &SPEC,
            &parent,
            &attributes,
            opening.collect(),
            state.clone(),
            Some(sequencer_store::keccak::hash_many),
        )
        .unwrap();
        let mut rejections = Vec::new();
        for (index, tx) in transactions.iter().enumerate() {
            let size = estimate_tx_compressed_size(&tx.inner().encoded_2718());
            rejections.extend(builder.execute_estimated(tx, size).err());
            // As a sequencer does that tells of its open block and hashes ahead.
            if index % 2 == 1 {
                let mut changes = StateChanges::default();
                changes.take_in(&builder.take_delta());
                roots.prepare(&changes).unwrap();
            }
        }
        let built = builder.finish(&roots).unwrap();
        let again = execute_block(&SPEC, &parent, &built.block, None, state, &roots).unwrap();
        assert_eq!(again.block, built.block);
        assert_eq!(again.receipts, built.receipts);
        assert_eq!(again.senders, built.senders);
        assert_eq!(again.changes, built.changes);
        self.store.commit(&built).unwrap();
        (built, rejections)
    }

    fn balance(&self, address: Address) -> U256 {
        let account = self.store.latest_state().unwrap().account(address).unwrap();
        account.map(|account| account.balance).unwrap_or_default()
    }

    fn nonce(&self, address: Address) -> u64 {
        let account = self.store.latest_state().unwrap().account(address).unwrap();
        account.map(|account| account.nonce).unwrap_or_default()
    }
}

fn transfer(by: u8, nonce: u64, to: Address, value: U256) -> Recovered<TxEnvelope> {
    let tx = TxEip1559 {
        chain_id: CHAIN_ID,
        nonce,
        gas_limit: 21_000,
        max_fee_per_gas: 5_000_000_000,
        max_priority_fee_per_gas: 1_000_000_000,
        to: TxKind::Call(to),
        value,
        ..Default::default()
    };
    recovered(sign(tx, by), by)
}

fn set(by: u8, nonce: u64, contract: Address, slot: u64, value: u64) -> Recovered<TxEnvelope> {
    let input = [U256::from(slot).to_be_bytes::<32>(), U256::from(value).to_be_bytes::<32>()];
    let tx = TxEip1559 {
        chain_id: CHAIN_ID,
        nonce,
        gas_limit: 100_000,
        max_fee_per_gas: 5_000_000_000,
        max_priority_fee_per_gas: 1,
        to: TxKind::Call(contract),
        input: input.concat().into(),
        ..Default::default()
    };
    recovered(sign(tx, by), by)
}

#[test]
fn every_transaction_type_is_included_and_money_is_conserved() {
    let chain = Chain::new();
    let fresh = Address::repeat_byte(0xaa);
    let legacy = TxLegacy {
        chain_id: Some(CHAIN_ID),
        nonce: 0,
        gas_price: 3_000_000_000,
        gas_limit: 21_000,
        to: TxKind::Call(fresh),
        value: U256::from(1),
        ..Default::default()
    };
    let access = TxEip2930 {
        chain_id: CHAIN_ID,
        nonce: 0,
        gas_price: 3_000_000_000,
        gas_limit: 21_000,
        to: TxKind::Call(fresh),
        value: U256::from(2),
        ..Default::default()
    };
    let authorization = Authorization { chain_id: U256::from(CHAIN_ID), address: SETTER, nonce: 1 };
    let (signature, recovery) =
        key(3).sign_prehash_recoverable(authorization.signature_hash().as_slice()).unwrap();
    let delegation = TxEip7702 {
        chain_id: CHAIN_ID,
        nonce: 0,
        gas_limit: 200_000,
        max_fee_per_gas: 3_000_000_000,
        max_priority_fee_per_gas: 1,
        to: fresh,
        value: U256::from(3),
        authorization_list: vec![authorization.into_signed((signature, recovery).into())],
        ..Default::default()
    };
    let minted = TxDeposit {
        source_hash: B256::repeat_byte(1),
        from: user(9),
        to: TxKind::Call(fresh),
        mint: 5_000,
        value: U256::from(4_000),
        gas_limit: 50_000,
        ..Default::default()
    };
    let parties = [
        user(0),
        user(1),
        user(2),
        user(3),
        user(9),
        fresh,
        SEQUENCER_FEE_VAULT,
        BASE_FEE_VAULT,
        L1_FEE_VAULT,
        OPERATOR_FEE_VAULT,
    ];
    let before: U256 = parties.iter().map(|party| chain.balance(*party)).sum();
    let (built, rejections) = chain.block(
        &[minted],
        &[
            recovered(sign(legacy, 0), 0),
            recovered(sign(access, 1), 1),
            transfer(2, 0, fresh, U256::from(4)),
            recovered(sign(delegation, 3), 3),
        ],
    );
    assert_eq!(rejections, []);
    assert_eq!(built.receipts.len(), 6);
    assert!(built.receipts.iter().all(ReceiptEnvelope::status));
    let after: U256 = parties.iter().map(|party| chain.balance(*party)).sum();
    assert_eq!(after, before + U256::from(5_000), "only the mint is new money");
    let mut state = WrapDatabaseRef(chain.store.latest_state().unwrap());
    let mut l1 = L1BlockInfo::try_fetch(&mut state, U256::from(1), OpSpecId::JOVIAN).unwrap();
    let fees = built.block.body.transactions.iter().map(|transaction| {
        l1.clear_tx_l1_cost();
        l1.calculate_tx_l1_cost(&transaction.encoded_2718(), OpSpecId::JOVIAN)
    });
    let fees: U256 = fees.sum();
    assert!(fees > U256::ZERO);
    assert_eq!(chain.balance(L1_FEE_VAULT), fees, "the L1 fees are paid");
    assert!(chain.balance(OPERATOR_FEE_VAULT) > U256::ZERO, "the operator fee is paid");
    assert!(chain.balance(BASE_FEE_VAULT) > U256::ZERO, "the base fee is not burned");
    assert_eq!(chain.balance(fresh), U256::from(4_010));
    assert_eq!(chain.nonce(user(3)), 2);
    assert!(built.block.header.blob_gas_used.unwrap() > 0, "the DA footprint is counted");
}

#[test]
fn failed_deposits_keep_their_mint() {
    let chain = Chain::new();
    let base = TxDeposit {
        source_hash: B256::repeat_byte(1),
        from: user(8),
        mint: 100,
        gas_limit: 60_000,
        ..Default::default()
    };
    let revert = TxDeposit { to: TxKind::Call(SETTER), ..base.clone() };
    let beyond_balance = TxDeposit {
        source_hash: B256::repeat_byte(2),
        to: TxKind::Call(user(7)),
        value: U256::from(1_000_000),
        ..base.clone()
    };
    let too_little_gas = TxDeposit {
        source_hash: B256::repeat_byte(3),
        to: TxKind::Call(user(7)),
        gas_limit: 20_000,
        ..base
    };
    let (built, _) = chain.block(&[revert, beyond_balance, too_little_gas], &[]);
    let nonces: Vec<_> = built.receipts[1..]
        .iter()
        .map(|receipt| match receipt {
            ReceiptEnvelope::Deposit(deposit) => {
                assert!(!receipt.status());
                assert_eq!(deposit.receipt.deposit_receipt_version, Some(1));
                deposit.receipt.deposit_nonce.unwrap()
            }
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(nonces, [0, 1, 2]);
    assert_eq!(chain.balance(user(8)), U256::from(300), "each mint stays");
    assert_eq!(chain.balance(user(7)), U256::ZERO);
    // A deposit that cannot run at all uses its whole gas limit.
    let used = |i: usize| {
        built.receipts[i].cumulative_gas_used() - built.receipts[i - 1].cumulative_gas_used()
    };
    assert_eq!((used(2), used(3)), (60_000, 20_000));
}

#[test]
fn rejected_transactions_leave_the_block_as_it_was() {
    let chain = Chain::new();
    let unprotected = TxLegacy {
        chain_id: None,
        gas_price: 3_000_000_000,
        gas_limit: 21_000,
        to: TxKind::Call(user(1)),
        ..Default::default()
    };
    let other_chain = TxEip1559 {
        chain_id: 1,
        gas_limit: 21_000,
        max_fee_per_gas: 3_000_000_000,
        to: TxKind::Call(user(1)),
        ..Default::default()
    };
    let (built, rejections) = chain.block(
        &[],
        &[
            recovered(sign(unprotected, 0), 0),
            recovered(sign(other_chain, 0), 0),
            transfer(0, 5, user(1), ONE),
            transfer(0, 0, user(1), U256::MAX >> 1),
            recovered(l1_attributes(1), 0),
        ],
    );
    assert_eq!(built.receipts.len(), 1, "only the L1 attributes are in");
    assert_eq!(rejections.len(), 5);
    assert_eq!(rejections[0], TxRejection::NotReplayProtected);
    assert!(rejections[2].is_temporary() && !rejections[3].is_temporary());
    assert_eq!(rejections[4], TxRejection::Deposit);
}

#[test]
fn rejections_between_transactions_change_nothing() {
    // op-revm keeps the L1 fee of a transaction between its checks and its execution; a rejected one
    // must not leave its own behind for the next.
    let poor = TxEip1559 {
        chain_id: CHAIN_ID,
        gas_limit: 100_000,
        max_fee_per_gas: 3_000_000_000,
        to: TxKind::Call(user(1)),
        input: vec![0xab; 1_500].into(),
        value: ONE * U256::from(999_999),
        ..Default::default()
    };
    let cheap = TxEip1559 { max_fee_per_gas: 1, value: U256::ZERO, ..poor.clone() };
    let replayed = transfer(0, 0, user(1), ONE);
    let accepted =
        [transfer(0, 0, user(1), ONE), transfer(0, 1, user(2), ONE), transfer(1, 0, user(0), ONE)];
    let with_rejections = [
        recovered(sign(poor.clone(), 2), 2),
        accepted[0].clone(),
        recovered(sign(poor, 2), 2),
        replayed,
        accepted[1].clone(),
        recovered(sign(cheap, 2), 2),
        accepted[2].clone(),
    ];
    let (mixed, rejections) = Chain::new().block(&[], &with_rejections);
    let (plain, none) = Chain::new().block(&[], &accepted);
    assert_eq!((rejections.len(), none.len()), (4, 0));
    assert!(rejections[3].is_temporary(), "a low fee may do later: {}", rejections[3]);
    assert_eq!(mixed.block, plain.block);
    assert_eq!(mixed.changes, plain.changes);
}

#[test]
fn a_block_takes_no_more_than_its_gas_and_its_da_footprint() {
    let chain = Chain::new();
    let parent = chain.head();
    let state = chain.store.latest_state().unwrap();
    let attributes = PayloadAttributes { gas_limit: 1_100_000, ..chain.attributes(&[]) };
    let mut builder = BlockBuilder::new(&SPEC, &parent, &attributes, state).unwrap();
    let sized = |nonce: u64, bytes: u32, gas_limit: u64| {
        // Bytes that do not compress, so that the footprint follows the size.
        let noise = |i: u32| keccak256(i.to_be_bytes()).0;
        let tx = TxEip1559 {
            chain_id: CHAIN_ID,
            nonce,
            gas_limit,
            max_fee_per_gas: 5_000_000_000,
            to: TxKind::Call(user(1)),
            input: (0..bytes / 32).flat_map(noise).collect::<Vec<u8>>().into(),
            ..Default::default()
        };
        recovered(sign(tx, 0), 0)
    };
    let available = builder.gas_left();
    assert_eq!(
        builder.execute(&sized(0, 0, available + 1)),
        Err(TxRejection::GasExceedsBlock { gas_limit: available + 1, available })
    );
    // 400 gas of footprint per byte: 2 kB of noise are more than 1.1 M gas three times over.
    let mut nonce = 0;
    let rejection = loop {
        match builder.execute(&sized(nonce, 1_024, 200_000)) {
            Ok(_) => nonce += 1,
            Err(rejection) => break rejection,
        }
    };
    assert_eq!(nonce, 2);
    assert!(
        matches!(rejection, TxRejection::DaFootprintExceedsBlock { footprint, available }
            if footprint > available && available == 1_100_000 - builder.da_footprint()),
        "{rejection}"
    );
    assert!(rejection.is_temporary());
    let footprint = builder.da_footprint();
    let built = builder.finish(&chain.store.head_roots().unwrap()).unwrap();
    assert_eq!(built.block.header.blob_gas_used, Some(footprint));
    chain.store.commit(&built).unwrap();
    let parameters = Eip1559Parameters::from_extra_data(&built.block.header.extra_data);
    assert_eq!((parameters.denominator, parameters.elasticity), (250, 6));
    // The footprint is far above the target and alone makes the next block dearer.
    let (next, _) = chain.block(&[], &[]);
    assert!(next.block.header.base_fee_per_gas > built.block.header.base_fee_per_gas);
}

#[test]
fn a_deposit_creates_a_contract_at_its_account_nonce() {
    let chain = Chain::new();
    let creation = |init: Bytes, source: u8| TxDeposit {
        source_hash: B256::repeat_byte(source),
        from: user(8),
        to: TxKind::Create,
        mint: 50,
        value: U256::from(50),
        gas_limit: 200_000,
        input: init,
        ..Default::default()
    };
    // Returns one byte 0x00 as code; the second one reverts.
    let (built, _) = chain.block(
        &[
            creation(bytes!("60016000f3"), 1),
            creation(bytes!("60006000fd"), 2),
            creation(bytes!("60016000f3"), 3),
        ],
        &[],
    );
    let statuses: Vec<bool> = built.receipts[1..].iter().map(ReceiptEnvelope::status).collect();
    assert_eq!(statuses, [true, false, true]);
    for (nonce, balance) in [(0, 50), (1, 0), (2, 50)] {
        assert_eq!(chain.balance(user(8).create(nonce)), U256::from(balance));
    }
    assert_eq!((chain.nonce(user(8)), chain.balance(user(8))), (3, U256::from(50)));
}

#[test]
fn a_contract_that_lives_for_one_transaction_leaves_no_trace() {
    let chain = Chain::new();
    // Init code: SSTORE(0, 1); SELFDESTRUCT(caller). Its storage must not outlive it (EIP-6780).
    let tx = TxEip1559 {
        chain_id: CHAIN_ID,
        gas_limit: 300_000,
        max_fee_per_gas: 5_000_000_000,
        to: TxKind::Create,
        value: U256::from(7),
        input: bytes!("600160005533ff"),
        ..Default::default()
    };
    let (built, rejections) = chain.block(&[], &[recovered(sign(tx, 0), 0)]);
    assert_eq!(rejections, []);
    assert!(built.receipts[1].status());
    let gone = user(0).create(0);
    let state = chain.store.latest_state().unwrap();
    assert_eq!(state.account(gone).unwrap(), None);
    assert_eq!(state.storage(gone, U256::ZERO).unwrap(), U256::ZERO);
    assert!(!built.changes.accounts.contains_key(&gone));
    assert_eq!(
        built.block.header.state_root,
        rebuilt_root(
            &chain,
            &[
                SEQUENCER_FEE_VAULT,
                BASE_FEE_VAULT,
                L1_FEE_VAULT,
                OPERATOR_FEE_VAULT,
                address!("deaddeaddeaddeaddeaddeaddeaddeaddead0001")
            ],
            &[]
        )
    );
}

#[test]
fn bad_attributes_are_named() {
    let chain = Chain::new();
    let parent = chain.head();
    let build = |attributes: &PayloadAttributes| {
        BlockBuilder::new(&SPEC, &parent, attributes, chain.store.latest_state().unwrap())
            .map(|_| ())
            .unwrap_err()
    };
    let good = chain.attributes(&[]);
    let with = |transactions: Vec<Bytes>| PayloadAttributes { transactions, ..good.clone() };
    assert_eq!(build(&with(vec![])), BlockError::NoL1Attributes);
    let first = good.transactions[0].clone();
    let garbage = build(&with(vec![first.clone(), bytes!("02ff")]));
    assert_eq!(garbage, BlockError::Undecodable { index: 1 });
    assert!(garbage.is_invalid_payload());
    // Cause: a deposit without its type byte decoded as one, so a batch could mint.
    let mint =
        TxDeposit { mint: 1_000_000, from: user(0), gas_limit: 100_000, ..Default::default() };
    let untagged = build(&with(vec![first.clone(), alloy_rlp::encode(mint).into()]));
    assert_eq!(untagged, BlockError::Undecodable { index: 1 });
    assert!(untagged.is_invalid_payload());
    let transaction: Bytes = transfer(0, 9, user(1), ONE).inner().encoded_2718().into();
    let gapped = build(&with(vec![first.clone(), transaction]));
    assert!(gapped.is_invalid_payload(), "{gapped}");
    let transaction: Bytes = transfer(0, 0, user(1), ONE).inner().encoded_2718().into();
    let late = build(&with(vec![first.clone(), transaction, first]));
    assert_eq!(late, BlockError::DepositOutOfOrder { index: 2 });
    let early = build(&PayloadAttributes { timestamp: parent.timestamp, ..good });
    assert!(matches!(early, BlockError::TimestampNotAboveParent { .. }));
}

#[test]
fn an_altered_block_is_refused_whatever_field_it_is() {
    let chain = Chain::new();
    let parent = chain.head();
    let state = chain.store.latest_state().unwrap();
    let roots = chain.store.head_roots().unwrap();
    let mut builder =
        BlockBuilder::new(&SPEC, &parent, &chain.attributes(&[]), state.clone()).unwrap();
    builder.execute(&transfer(0, 0, user(1), ONE)).unwrap();
    let built = builder.finish(&roots).unwrap();
    let alterations: [fn(&mut Header); 8] = [
        |header| header.state_root.0[0] ^= 1,
        |header| header.receipts_root.0[0] ^= 1,
        |header| header.gas_used += 1,
        |header| header.withdrawals_root = Some(B256::ZERO),
        |header| header.base_fee_per_gas = Some(7),
        |header| header.blob_gas_used = Some(0),
        |header| header.logs_bloom.0[0] ^= 1,
        |header| header.extra_data = Bytes::new(),
    ];
    for alter in alterations {
        let mut block = built.block.clone();
        alter(&mut block.header);
        block.hash = block.header.hash_slow();
        let result = execute_block(&SPEC, &parent, &block, None, state.clone(), &roots);
        let error = result.map(|executed| executed.block.hash).unwrap_err();
        assert!(matches!(error, BlockError::Mismatch { .. }), "{error}");
    }
}

#[test]
fn reopening_continues_and_other_chains_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("l2");
    let genesis = genesis();
    let store = Store::open(&path, StoreOptions::default()).unwrap();
    store.init_genesis(&genesis).unwrap();
    let head = store.heads().unwrap();
    // A second opening is refused while the first lives.
    let second = Store::open(&path, StoreOptions::default()).map(|_| ());
    assert!(matches!(second, Err(StoreError::InUse(_))), "{second:?}");
    store.journal_put("batcher", b"1", b"one").unwrap();
    store.journal_put("batcher", b"0", b"zero").unwrap();
    store.journal_put("batchers", b"x", b"other").unwrap();
    drop(store);
    let store = Store::open(&path, StoreOptions::default()).unwrap();
    assert_eq!(store.heads().unwrap(), head);
    assert_eq!(
        store.journal_all("batcher").unwrap(),
        [(b"0".to_vec(), b"zero".to_vec()), (b"1".to_vec(), b"one".to_vec())]
    );
    store.journal_delete("batcher", b"0").unwrap();
    assert_eq!(store.journal_get("batcher", b"0").unwrap(), None);
    let other = GenesisL2 { timestamp: 5, ..genesis.clone() };
    assert!(matches!(store.init_genesis(&other), Err(StoreError::OtherGenesis { .. })));
    // The chain id is in no genesis header.
    let other = GenesisL2 { chain_id: 5, ..genesis.clone() };
    let error = store.init_genesis(&other).unwrap_err();
    assert!(matches!(error, StoreError::OtherChain { stored: CHAIN_ID, configured: 5 }), "{error}");
    store.init_genesis(&genesis).unwrap();
}

/// Everything the store tells of a chain, block by block.
fn everything(store: &Arc<Store>) -> Vec<String> {
    let head = store.heads().unwrap().unsafe_head.number;
    (0..=head)
        .map(|number| {
            let block = store.block(number).unwrap().unwrap();
            assert_eq!(block.hash, block.header.hash_slow());
            assert_eq!(store.block_number(block.hash).unwrap(), Some(number));
            for (index, tx) in block.body.transactions.iter().enumerate() {
                assert_eq!(store.transaction_location(*tx.hash()).unwrap(), Some((number, index)));
            }
            let state = store.state_at(number).unwrap();
            let accounts: Vec<_> = (0..10).map(|i| state.account(user(i)).unwrap()).collect();
            let slots: Vec<_> =
                (0..8).map(|i| state.storage(SETTER, U256::from(i)).unwrap()).collect();
            format!(
                "{block:?} {:?} {:?} {:?} {accounts:?} {slots:?}",
                store.receipts(number).unwrap(),
                store.senders(number).unwrap(),
                store.l2_block_ref(number).unwrap(),
            )
        })
        .collect()
}

#[test]
fn a_reopened_store_tells_the_same() {
    let mut chain = Chain::new();
    for number in 0..5 {
        let transactions = [
            set(0, number * 2, SETTER, number, number + 1),
            transfer(0, number * 2 + 1, user(1), ONE),
        ];
        let (_, rejections) = chain.block(&[], &transactions);
        assert_eq!(rejections, []);
    }
    let id = chain.store.l2_block_ref(3).unwrap().unwrap().id();
    chain.store.set_safe(id).unwrap();
    let wrong = alloy_eips::BlockNumHash { number: 3, hash: B256::ZERO };
    assert!(matches!(chain.store.set_finalized(wrong), Err(StoreError::OtherBlock { .. })));
    // Built but not committed: not there.
    let state = chain.store.latest_state().unwrap();
    let roots = chain.store.head_roots().unwrap();
    let builder = BlockBuilder::new(&SPEC, &chain.head(), &chain.attributes(&[]), state).unwrap();
    let uncommitted = builder.finish(&roots).unwrap();
    let (before, heads) = (everything(&chain.store), chain.store.heads().unwrap());
    drop(roots);
    let path = chain._dir.path().to_path_buf();
    let placeholder = tempfile::tempdir().unwrap();
    chain.store =
        Store::open(placeholder.path(), StoreOptions { durable: false, ..Default::default() })
            .unwrap();
    chain.store = Store::open(&path, StoreOptions::default()).unwrap();
    assert_eq!(chain.store.heads().unwrap(), heads);
    assert_eq!(everything(&chain.store), before);
    assert_eq!(chain.store.block_number(uncommitted.block.hash).unwrap(), None);
    // It still fits, and only once.
    chain.store.commit(&uncommitted).unwrap();
    assert!(matches!(chain.store.commit(&uncommitted), Err(StoreError::NotOnHead { .. })));
    chain.block(&[], &[set(0, 10, SETTER, 0, 0)]);
}

#[test]
fn what_is_not_our_database_is_refused_with_a_way_out() {
    let open = |path: &std::path::Path| {
        Store::open(path, StoreOptions::default()).map(|_| ()).unwrap_err()
    };
    let filled = || {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), StoreOptions::default()).unwrap();
        store.init_genesis(&genesis()).unwrap();
        drop(store);
        let file = dir.path().join("mdbx.dat");
        (dir, file)
    };

    let (dir, file) = filled();
    std::fs::write(&file, b"this is no database").unwrap();
    let error = open(dir.path()).to_string();
    assert!(error.contains("corrupt") && error.contains("delete the directory"), "{error}");

    let (dir, file) = filled();
    std::fs::write(&file, vec![0x5a; 1 << 20]).unwrap();
    let error = open(dir.path());
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");

    // Cut inside the data, behind the three meta pages.
    let (dir, file) = filled();
    let data = std::fs::read(&file).unwrap();
    std::fs::write(&file, &data[..4 * 4_096]).unwrap();
    let error = open(dir.path());
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");

    // Written by a later version.
    let (dir, _) = filled();
    {
        use libmdbx::{Database, NoWriteMap, WriteFlags};
        let database = Database::<NoWriteMap>::open(dir.path()).unwrap();
        let txn = database.begin_rw_txn().unwrap();
        {
            let tree = txn.open_table(None).unwrap();
            txn.put(&tree, b"\x00schema", 77_u64.to_be_bytes(), WriteFlags::UPSERT).unwrap();
        }
        txn.commit().unwrap();
    }
    let error = open(dir.path());
    assert!(matches!(error, StoreError::Schema { found: 77, .. }), "{error}");

    // A file where the directory should be.
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("l2");
    std::fs::write(&path, b"").unwrap();
    assert!(matches!(open(&path), StoreError::Create { .. }));
}

#[test]
fn views_hold_their_block_while_others_are_committed_and_unwound() {
    let chain = Chain::new();
    let is_done = std::sync::atomic::AtomicBool::new(false);
    let checked = std::thread::scope(|scope| {
        let readers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let mut checked = 0_u64;
                    while !is_done.load(std::sync::atomic::Ordering::Relaxed) {
                        let view = chain.store.latest_state().unwrap();
                        let number = view.number();
                        for _ in 0..20 {
                            let slot = view.storage(SETTER, U256::ZERO).unwrap();
                            assert_eq!(slot, U256::from(number));
                            let account = view.account(user(0)).unwrap().unwrap();
                            assert_eq!(account.nonce, number);
                            checked += 1;
                        }
                    }
                    checked
                })
            })
            .collect();
        for number in 0..150 {
            chain.block(&[], &[set(0, number, SETTER, 0, number + 1)]);
        }
        is_done.store(true, std::sync::atomic::Ordering::Relaxed);
        readers.into_iter().map(|reader| reader.join().unwrap()).sum::<u64>()
    });
    assert!(checked > 0);
    for number in [0, 70, 149, 150] {
        let view = chain.store.state_at(number).unwrap();
        assert_eq!(view.storage(SETTER, U256::ZERO).unwrap(), U256::from(number));
    }
    chain.store.unwind_to(70).unwrap();
    let view = chain.store.latest_state().unwrap();
    assert_eq!(view.storage(SETTER, U256::ZERO).unwrap(), U256::from(70));
    chain.block(&[], &[set(0, 70, SETTER, 0, 7)]);
    let view = chain.store.latest_state().unwrap();
    assert_eq!(view.storage(SETTER, U256::ZERO).unwrap(), U256::from(7));
}

/// Where the process below writes; unset in an ordinary run.
const CRASH_DIRECTORY: &str = "STORE_TEST_CRASH_DIRECTORY";

/// The part of the next test that is killed: commits blocks without end.
#[test]
fn commits_until_killed() {
    let Some(path) = std::env::var_os(CRASH_DIRECTORY) else { return };
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(path.as_ref(), StoreOptions::default()).unwrap();
    let genesis = genesis();
    store.init_genesis(&genesis).unwrap();
    let chain = Chain { store, genesis, _dir: dir };
    loop {
        let nonce = chain.nonce(user(0));
        chain.block(&[], &[set(0, nonce, SETTER, nonce % 40, nonce % 3)]);
        println!("committed {}", chain.head().number);
    }
}

#[test]
fn a_killed_process_loses_no_committed_block() {
    use std::io::{BufRead, BufReader};
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("l2");
    let mut committed = 0_u64;
    for run in 1..=3 {
        let mut child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "commits_until_killed", "--nocapture"])
            .env(CRASH_DIRECTORY, &path)
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let numbers =
            lines.filter_map(|line| line.unwrap().split("committed ").nth(1)?.parse::<u64>().ok());
        for number in numbers {
            committed = number;
            if number >= run * 15 {
                break;
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let store = Store::open(&path, StoreOptions::default()).unwrap();
        let head = store.heads().unwrap().unsafe_head.number;
        assert!(head >= committed, "{head} < {committed}");
        everything(&store);
        let genesis = genesis();
        let chain = Chain { store, genesis, _dir: tempfile::tempdir().unwrap() };
        let vaults = [SEQUENCER_FEE_VAULT, BASE_FEE_VAULT, L1_FEE_VAULT, OPERATOR_FEE_VAULT];
        let mut accounts = vaults.to_vec();
        accounts.push(address!("deaddeaddeaddeaddeaddeaddeaddeaddead0001"));
        let slots: Vec<u64> = (0..40).collect();
        assert_eq!(chain.head().state_root, rebuilt_root(&chain, &accounts, &slots));
    }
    assert!(committed >= 45);
}

#[derive(Clone, Debug)]
enum Action {
    Transfer { by: u8, to: u8, value: u64 },
    Set { by: u8, slot: u64, value: u64 },
    Mint { to: u8, value: u64 },
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        (0_u8..4, 0_u8..30, any::<u64>()).prop_map(|(by, to, value)| Action::Transfer {
            by,
            to,
            value
        }),
        (0_u8..4, 0_u64..40, 0_u64..3).prop_map(|(by, slot, value)| Action::Set {
            by,
            slot,
            value
        }),
        (0_u8..30, any::<u64>()).prop_map(|(to, value)| Action::Mint { to, value }),
    ]
}

/// Root of the whole state by a rebuild from the plain values.
fn rebuilt_root(chain: &Chain, accounts: &[Address], slots: &[u64]) -> B256 {
    use alloy_trie::TrieAccount;
    let state = chain.store.latest_state().unwrap();
    let mut all: Vec<Address> = chain.genesis.alloc.keys().copied().collect();
    all.extend_from_slice(accounts);
    all.sort_unstable();
    all.dedup();
    let leaves = all.into_iter().filter_map(|address| {
        let account = state.account(address).unwrap()?;
        let number = chain.head().number;
        let mut candidates: Vec<U256> = slots.iter().map(|slot| U256::from(*slot)).collect();
        // L1Block's slots, and what the two system contracts write.
        candidates.extend((0_u64..10).map(U256::from));
        candidates.extend((0..=number + 1).map(|n| U256::from(n % 8_191)));
        for time in 1_000_000..=1_000_000 + number {
            candidates.push(U256::from(time % 8_191));
            candidates.push(U256::from(time % 8_191 + 8_191));
        }
        candidates.sort_unstable();
        candidates.dedup();
        let storage: Vec<(B256, U256)> = candidates
            .into_iter()
            .map(|slot| (B256::from(slot), state.storage(address, slot).unwrap()))
            .filter(|(_, value)| !value.is_zero())
            .collect();
        let leaf = TrieAccount {
            nonce: account.nonce,
            balance: account.balance,
            storage_root: alloy_trie::root::storage_root_unhashed(storage),
            code_hash: account.code_hash,
        };
        Some((address, leaf))
    });
    alloy_trie::root::state_root_unhashed(leaves)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn any_chain_agrees_with_a_rebuild_its_history_and_its_unwinding(
        blocks in proptest::collection::vec(proptest::collection::vec(action(), 0..8), 1..8),
        trie_cache_bytes in prop_oneof![Just(0), Just(8_000), Just(1 << 20)],
    ) {
        let chain = Chain::new();
        chain.store.set_trie_cache_bytes(trie_cache_bytes);
        let target = |i: u8| Address::repeat_byte(i + 1);
        let mut accounts: Vec<Address> = (0..30).map(target).collect();
        accounts.extend([SEQUENCER_FEE_VAULT, BASE_FEE_VAULT, L1_FEE_VAULT, OPERATOR_FEE_VAULT]);
        accounts.extend([user(9), address!("deaddeaddeaddeaddeaddeaddeaddeaddead0001")]);
        let slots: Vec<u64> = (0..40).collect();
        let mut seen = Vec::new();
        for (number, actions) in blocks.iter().enumerate() {
            let mut nonces: Vec<u64> = (0..4).map(|i| chain.nonce(user(i))).collect();
            let mut deposits = Vec::new();
            let mut transactions = Vec::new();
            for action in actions {
                match action.clone() {
                    Action::Transfer { by, to, value } => {
                        let nonce = &mut nonces[usize::from(by)];
                        transactions.push(transfer(by, *nonce, target(to), U256::from(value)));
                        *nonce += 1;
                    }
                    Action::Set { by, slot, value } => {
                        let contract =
                            if slot % 3 == 0 { L2_TO_L1_MESSAGE_PASSER } else { SETTER };
                        let nonce = &mut nonces[usize::from(by)];
                        transactions.push(set(by, *nonce, contract, slot, value));
                        *nonce += 1;
                    }
                    Action::Mint { to, value } => deposits.push(TxDeposit {
                        source_hash: keccak256([number as u8, to]),
                        from: user(9),
                        to: TxKind::Call(target(to)),
                        mint: value.into(),
                        value: U256::from(value),
                        gas_limit: 50_000,
                        ..Default::default()
                    }),
                }
            }
            let (built, rejections) = chain.block(&deposits, &transactions);
            prop_assert_eq!(rejections, []);
            prop_assert_eq!(built.block.header.state_root, rebuilt_root(&chain, &accounts, &slots));
            let state = chain.store.latest_state().unwrap();
            let values: Vec<U256> = slots
                .iter()
                .map(|slot| state.storage(SETTER, U256::from(*slot)).unwrap())
                .collect();
            let balances: Vec<U256> = accounts.iter().map(|a| chain.balance(*a)).collect();
            seen.push((built.block, values, balances));
        }
        // History and proofs, from the head back.
        for (block, values, balances) in &seen {
            let number = block.header.number;
            let state = chain.store.state_at(number).unwrap();
            for (slot, value) in slots.iter().zip(values) {
                prop_assert_eq!(state.storage(SETTER, U256::from(*slot)).unwrap(), *value);
            }
            for (account, balance) in accounts.iter().zip(balances) {
                let got = state.account(*account).unwrap().map(|a| a.balance).unwrap_or_default();
                prop_assert_eq!(got, *balance);
            }
            let asked = [B256::from(U256::from(1)), B256::from(U256::from(39))];
            let proof = chain.store.proof(SETTER, &asked, number).unwrap();
            let leaf = alloy_trie::TrieAccount {
                nonce: proof.nonce,
                balance: proof.balance,
                storage_root: proof.storage_root,
                code_hash: proof.code_hash,
            };
            alloy_trie::proof::verify_proof(
                block.header.state_root,
                alloy_trie::Nibbles::unpack(keccak256(SETTER)),
                Some(alloy_rlp::encode(leaf)),
                &proof.nodes,
            ).unwrap();
            for (slot, storage) in asked.iter().zip(&proof.storage) {
                let expected = (!storage.value.is_zero()).then(|| alloy_rlp::encode(storage.value));
                alloy_trie::proof::verify_proof(
                    proof.storage_root,
                    alloy_trie::Nibbles::unpack(keccak256(slot)),
                    expected,
                    &storage.nodes,
                ).unwrap();
            }
        }
        // Unwinding to the middle and going on from there.
        let middle = seen.len() / 2;
        let expected = if middle == 0 {
            chain.store.header(0).unwrap().unwrap().state_root
        } else {
            seen[middle - 1].0.header.state_root
        };
        chain.store.unwind_to(middle as u64).unwrap();
        prop_assert_eq!(chain.head().state_root, expected);
        prop_assert_eq!(rebuilt_root(&chain, &accounts, &slots), expected);
        let gone = seen.last().unwrap().0.body.transactions.last().unwrap();
        prop_assert_eq!(
            chain.store.transaction_location(*gone.hash()).unwrap().is_none(),
            middle < seen.len()
        );
        let (next, _) = chain.block(&[], &[transfer(0, chain.nonce(user(0)), target(0), ONE)]);
        prop_assert_eq!(next.block.header.number, middle as u64 + 1);
        prop_assert_eq!(
            next.block.header.state_root,
            rebuilt_root(&chain, &accounts, &slots)
        );
        let _ = next.block.body.transactions[0].input();
    }
}
