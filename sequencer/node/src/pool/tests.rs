//! Rules one by one, then all of them against random traffic.

use std::collections::BTreeMap;

use alloy_consensus::{SignableTransaction, TxEip1559, TxLegacy};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Bytes, Signature, TxKind};

use primitives::{Recovered, TxEnvelope};
use proptest::prelude::*;

use super::*;

const CHAIN: u64 = 16_120;
const RICH: U256 = U256::from_limbs([u64::MAX, 0, 0, 0]);

fn head() -> Head {
    Head { number: 0, base_fee: 100, gas_limit: 30_000_000, fees: L1Fees::default() }
}

fn config() -> PoolConfig {
    PoolConfig { sender_slots_guaranteed: 2, sender_slots_max: 8, ..PoolConfig::default() }
}

fn pool(config: PoolConfig) -> Pool {
    let pool = Pool::new(config, CHAIN);
    pool.on_block(head(), []);
    pool
}

fn sender(index: u8) -> Address {
    Address::repeat_byte(index + 1)
}

fn transaction(from: u8, nonce: u64, cap: u128, tip: u128) -> PoolTransaction {
    let envelope = TxEnvelope::from(
        TxEip1559 {
            chain_id: CHAIN,
            nonce,
            gas_limit: 21_000,
            max_fee_per_gas: cap,
            max_priority_fee_per_gas: tip,
            to: TxKind::Call(Address::ZERO),
            // Distinguishes senders, whose signatures are all the same here.
            value: U256::from(from),
            ..Default::default()
        }
        .into_signed(Signature::test_signature()),
    );
    let length = envelope.encode_2718_len();
    PoolTransaction::from_parts(
        Recovered::new_unchecked(envelope, sender(from)),
        length,
        100_000_000,
        Vec::new(),
    )
}

/// Everyone has the same account.
struct Everyone(AccountState);

impl AccountReader for Everyone {
    fn account(&self, _: Address) -> Result<AccountState, PoolError> {
        Ok(self.0)
    }
}

fn rich() -> Everyone {
    Everyone(AccountState { nonce: 0, balance: RICH, code: AccountCode::None })
}

fn nonces(transactions: &[Arc<PoolTransaction>]) -> Vec<u64> {
    transactions.iter().map(|transaction| transaction.nonce()).collect()
}

#[test]
fn gapped_transactions_wait_and_are_promoted() {
    let pool = pool(config());
    let mut events = pool.subscribe();
    let (_, placement) = pool.add(transaction(0, 1, 200, 10), &rich()).unwrap();
    assert_eq!(placement, Placement::Queued { next_nonce: 0 });
    assert!(pool.best().next().is_none());
    assert!(events.try_recv().is_err());

    let (_, placement) = pool.add(transaction(0, 0, 200, 10), &rich()).unwrap();
    assert_eq!(placement, Placement::Pending);
    assert_eq!(pool.best().map(|tx| tx.nonce()).collect::<Vec<_>>(), [0, 1]);
    assert_eq!(events.try_recv().unwrap().nonce(), 0);
    assert_eq!(events.try_recv().unwrap().nonce(), 1);
    assert_eq!(pool.next_nonce(&sender(0)), Some(2));
    check_invariants(&pool);
}

#[test]
fn best_first_by_tip_then_arrival_within_nonce_order() {
    let pool = pool(config());
    for (from, nonce, tip) in [(0, 0, 5), (1, 0, 9), (2, 0, 9), (0, 1, 50)] {
        pool.add(transaction(from, nonce, 1_000, tip), &rich()).unwrap();
    }
    let order: Vec<_> = pool.best().map(|tx| (tx.sender(), tx.nonce())).collect();
    assert_eq!(order, [(sender(1), 0), (sender(2), 0), (sender(0), 0), (sender(0), 1)]);

    let mut best = pool.best();
    let _ = (best.next(), best.next(), best.next());
    best.skip_sender();
    assert!(best.next().is_none());
}

#[test]
fn a_fee_cap_below_the_base_fee_waits_in_the_pool() {
    let pool = pool(config());
    let (_, placement) = pool.add(transaction(0, 0, 99, 5), &rich()).unwrap();
    assert_eq!(placement, Placement::Pending);
    assert!(pool.best().next().is_none());
    pool.on_block(Head { number: 1, base_fee: 90, ..head() }, []);
    assert_eq!(pool.best().count(), 1);
}

#[test]
fn replacement_needs_ten_percent_on_both_fees() {
    let pool = pool(config());
    pool.add(transaction(0, 0, 1_000, 100), &rich()).unwrap();
    for (cap, tip) in [(1_000, 100), (1_099, 110), (1_100, 109)] {
        let expected =
            if cap == 1_000 { PoolError::AlreadyKnown } else { PoolError::ReplacementUnderpriced };
        assert_eq!(pool.add(transaction(0, 0, cap, tip), &rich()).unwrap_err(), expected);
    }
    pool.add(transaction(0, 0, 1_100, 110), &rich()).unwrap();
    assert_eq!(pool.status(), PoolStatus { pending: 1, queued: 0, bytes: pool.status().bytes });
    check_invariants(&pool);
}

#[test]
fn funds_must_cover_all_lower_nonces_and_the_data_fee() {
    let cost = U256::from(21_000_u64 * 200);
    let account = AccountState { nonce: 0, balance: cost * U256::from(2), code: AccountCode::None };
    let all = Everyone(account);
    let pool = pool(config());
    pool.add(transaction(0, 0, 200, 1), &all).unwrap();
    pool.add(transaction(0, 1, 200, 1), &all).unwrap();
    let error = pool.add(transaction(0, 2, 200, 1), &all).unwrap_err();
    assert!(error.to_string().starts_with("insufficient funds for gas * price + value: balance "));

    // The data fee rises: the second can no longer be paid and waits.
    let fees = L1Fees { operator_fee_constant: 1, ..L1Fees::default() };
    pool.on_block(Head { fees, ..head() }, []);
    assert_eq!(pool.status().pending, 1);
    assert_eq!(pool.status().queued, 1);
    check_invariants(&pool);
}

#[test]
fn refuses_what_geth_refuses_with_its_words() {
    let pool = pool(config());
    let used = Everyone(AccountState { nonce: 3, balance: RICH, code: AccountCode::None });
    let error = pool.add(transaction(0, 2, 200, 1), &used).unwrap_err();
    assert_eq!(error.to_string(), "nonce too low: next nonce 3, tx nonce 2");

    let contract = Everyone(AccountState { code: AccountCode::Contract, ..used.0 });
    let error = pool.add(transaction(0, 3, 200, 1), &contract).unwrap_err();
    assert!(error.to_string().starts_with("sender not an eoa"));

    let delegated = Everyone(AccountState { code: AccountCode::Delegation, ..used.0 });
    assert_eq!(
        pool.add(transaction(0, 4, 200, 1), &delegated).unwrap_err(),
        PoolError::DelegatedGap
    );
    pool.add(transaction(0, 3, 200, 1), &delegated).unwrap();
    pool.add(transaction(0, 3, 400, 2), &delegated).unwrap();

    for nonce in 0..8 {
        pool.add(transaction(1, nonce, 200, 1), &rich()).unwrap();
    }
    assert_eq!(
        pool.add(transaction(1, 8, 200, 1), &rich()).unwrap_err(),
        PoolError::SenderSlots(8)
    );
}

#[test]
fn malformed_and_foreign_bytes() {
    let pool = pool(config());
    let decode = |bytes: &[u8]| pool.decode(bytes).unwrap_err().to_string();
    assert_eq!(decode(&[]), "typed transaction too short");
    assert_eq!(decode(&[2]), "typed transaction too short");
    assert_eq!(decode(&[3, 0xc0]), "transaction type not supported");
    assert_eq!(decode(&[0x7e, 0xc0]), "transaction type not supported");
    assert!(decode(&[0xc1, 0x80]).starts_with("rlp: "));
    let limit = pool.config().transaction_bytes_max;
    assert!(decode(&vec![2; limit + 1]).starts_with("oversized data"));

    let legacy = |chain_id, gas_limit| {
        TxEnvelope::from(
            TxLegacy {
                chain_id,
                nonce: 0,
                gas_price: 1_000,
                gas_limit,
                to: TxKind::Call(Address::ZERO),
                value: U256::ZERO,
                input: Bytes::new(),
            }
            .into_signed(Signature::test_signature()),
        )
        .encoded_2718()
    };
    assert_eq!(
        decode(&legacy(None, 21_000)),
        "only replay-protected (EIP-155) transactions allowed over RPC"
    );
    assert_eq!(
        decode(&legacy(Some(1), 21_000)),
        "invalid sender: invalid chain id for signer: have 1 want 16120"
    );
    assert_eq!(
        decode(&legacy(Some(CHAIN), 20_999)),
        "intrinsic gas too low: gas 20999, minimum needed 21000"
    );
    let mut trailing = legacy(Some(CHAIN), 21_000);
    trailing.push(0);
    assert!(pool.decode(&trailing).is_err());

    // Several at once are what each is alone, in their order.
    let good = |gas| legacy(Some(CHAIN), gas);
    let mut all = vec![good(21_000), vec![], good(21_001), legacy(None, 21_000), trailing];
    all.extend((22_000..22_020).map(good));
    let mut unsigned = good(23_000);
    // An s of zero.
    let length = unsigned.len();
    unsigned[length - 32..].fill(0);
    all.insert(9, unsigned);
    let outcome = |decoded: Result<PoolTransaction, PoolError>| match decoded {
        Ok(transaction) => Ok((transaction.hash(), transaction.sender(), transaction.encoded())),
        Err(error) => Err(error.to_string()),
    };
    let together: Vec<_> = pool.decode_all(&all).into_iter().map(outcome).collect();
    let one_by_one: Vec<_> = all.iter().map(|bytes| outcome(pool.decode(bytes))).collect();
    assert_eq!(together, one_by_one);
    assert_eq!(together.iter().flatten().count(), 22);
}

#[test]
fn a_full_pool_drops_the_worst_last_transaction() {
    let pool = pool(PoolConfig { transactions_max: 3, ..config() });
    pool.add(transaction(0, 0, 1_000, 50), &rich()).unwrap();
    pool.add(transaction(0, 1, 1_000, 5), &rich()).unwrap();
    pool.add(transaction(1, 0, 1_000, 20), &rich()).unwrap();
    // Worse than everything: refused.
    assert_eq!(pool.add(transaction(2, 0, 1_000, 4), &rich()).unwrap_err(), PoolError::Underpriced);
    // Better: the cheap tail of sender 0 goes, its first stays.
    pool.add(transaction(2, 0, 1_000, 30), &rich()).unwrap();
    assert_eq!(nonces(&pool.content(Some(&sender(0))).pending[0].1), [0]);
    // A queued transaction goes before any executable one, whatever it offers.
    assert_eq!(
        pool.add(transaction(3, 7, 9_000, 9_000), &rich()).unwrap_err(),
        PoolError::Underpriced
    );
    check_invariants(&pool);
}

#[test]
fn senders_beyond_their_slots_are_evicted_first() {
    let pool = pool(PoolConfig { transactions_max: 4, ..config() });
    for nonce in 0..4 {
        pool.add(transaction(0, nonce, 1_000, 900), &rich()).unwrap();
    }
    pool.add(transaction(1, 0, 1_000, 1), &rich()).unwrap();
    pool.add(transaction(2, 0, 1_000, 1), &rich()).unwrap();
    assert_eq!(nonces(&pool.content(Some(&sender(0))).pending[0].1), [0, 1]);
    check_invariants(&pool);
}

#[test]
fn included_transactions_leave_and_old_queued_ones_expire() {
    let pool = pool(config());
    for nonce in [0, 1, 3] {
        pool.add(transaction(0, nonce, 1_000, 1), &rich()).unwrap();
    }
    let after = AccountState { nonce: 1, balance: RICH, code: AccountCode::None };
    pool.on_block(Head { number: 1, ..head() }, [(sender(0), after)]);
    assert_eq!(pool.best().map(|tx| tx.nonce()).collect::<Vec<_>>(), [1]);
    assert_eq!(pool.status().queued, 1);

    pool.expire(Instant::now());
    assert_eq!(pool.status().queued, 1);
    pool.expire(Instant::now() + pool.config().queued_lifetime * 2);
    assert_eq!(pool.status().queued, 0);
    check_invariants(&pool);
}

fn check_invariants(pool: &Pool) {
    let inner = pool.inner.read();
    let config = &pool.config;
    assert!(inner.by_hash.len() <= config.transactions_max);
    assert!(inner.bytes <= config.bytes_max);
    let (mut count, mut bytes, mut pending) = (0, 0, 0);
    for (address, sender) in &inner.senders {
        assert!(!sender.transactions.is_empty(), "{address} is kept without transactions");
        assert!(sender.transactions.len() <= config.sender_slots_max);
        let counted = sender.pending;
        let mut again = Sender::new(sender.account);
        again.transactions = sender.transactions.clone();
        again.reprice(&inner.head);
        assert_eq!(counted, again.pending, "the run of {address}");
        assert_eq!(sender.pending_cost, again.pending_cost, "the costs of {address}");
        assert_eq!(sender.total_cost, again.total_cost, "the costs of {address}");
        assert_eq!(sender.least_tip, again.least_tip, "the tip of {address}");
        for (nonce, entry) in &sender.transactions {
            assert_eq!(*nonce, entry.transaction.nonce());
            assert!(*nonce >= sender.account.nonce);
            assert!(inner.by_hash.contains_key(&entry.transaction.hash()));
            bytes += entry.transaction.memory_bytes();
        }
        count += sender.transactions.len();
        pending += sender.pending;
        let rank = sender.eviction_rank(config.sender_slots_guaranteed).unwrap();
        assert!(inner.eviction.contains(&(rank, *address)), "the rank of {address}");
    }
    assert_eq!(inner.eviction.len(), inner.senders.len());
    assert_eq!(inner.ranks.len(), inner.senders.len());
    assert_eq!((count, bytes, pending), (inner.by_hash.len(), inner.bytes, inner.pending));
    drop(inner);
    check_best(pool);
}

/// `best` against picking the best head again and again.
fn check_best(pool: &Pool) {
    let inner = pool.inner.read();
    let base_fee = inner.head.base_fee;
    let mut runs: BTreeMap<Address, Vec<Entry>> = inner
        .senders
        .iter()
        .map(|(address, sender)| (*address, sender.pending().cloned().collect()))
        .collect();
    let mut expected = Vec::new();
    loop {
        let best = runs
            .iter()
            .filter_map(|(address, run)| {
                let first = run.first()?;
                let tip = first.transaction.effective_tip(base_fee)?;
                Some((tip, u64::MAX - first.arrival, *address))
            })
            .max();
        let Some((_, _, address)) = best else { break };
        expected.push(runs.get_mut(&address).unwrap().remove(0).transaction.hash());
    }
    drop(inner);
    let got: Vec<B256> = pool.best().map(|transaction| transaction.hash()).collect();
    assert_eq!(got, expected);
}

#[derive(Clone, Debug)]
enum Step {
    Add { from: u8, nonce: u64, cap: u128, tip: u128 },
    Remove { from: u8, nonce: u64 },
    Block { base_fee: u64, fee: u64, changed: Vec<(u8, u64, u64)> },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0_u8..5, 0_u64..10, 1_u128..400, 1_u128..400)
            .prop_map(|(from, nonce, cap, tip)| Step::Add { from, nonce, cap, tip: tip.min(cap) }),
        1 => (0_u8..5, 0_u64..10).prop_map(|(from, nonce)| Step::Remove { from, nonce }),
        2 => (50_u64..200, 0_u64..3, prop::collection::vec((0_u8..5, 0_u64..4, 0_u64..6), 0..4))
            .prop_map(|(base_fee, fee, changed)| Step::Block { base_fee, fee, changed }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn invariants_hold_under_random_traffic(steps in prop::collection::vec(step(), 1..120)) {
        let pool = pool(PoolConfig { transactions_max: 12, ..config() });
        let mut accounts: BTreeMap<Address, AccountState> = BTreeMap::new();
        struct Known<'a>(&'a BTreeMap<Address, AccountState>);
        impl AccountReader for Known<'_> {
            fn account(&self, address: Address) -> Result<AccountState, PoolError> {
                Ok(self.0.get(&address).copied().unwrap_or(AccountState {
                    nonce: 0,
                    balance: RICH,
                    code: AccountCode::None,
                }))
            }
        }
        let mut number = 0;
        for step in steps {
            match step {
                Step::Add { from, nonce, cap, tip } => {
                    let transaction = transaction(from, nonce, cap, tip);
                    let hash = transaction.hash();
                    let before = pool.status().pending + pool.status().queued;
                    match pool.add(transaction, &Known(&accounts)) {
                        Ok(_) => prop_assert!(pool.get(&hash).is_some()),
                        Err(PoolError::AlreadyKnown) => {}
                        Err(_) => {
                            prop_assert!(pool.get(&hash).is_none());
                            prop_assert!(pool.status().pending + pool.status().queued <= before);
                        }
                    }
                }
                Step::Remove { from, nonce } => {
                    let hash = {
                        let inner = pool.inner.read();
                        inner.senders.get(&sender(from))
                            .and_then(|sender| sender.transactions.get(&nonce))
                            .map(|entry| entry.transaction.hash())
                    };
                    if let Some(hash) = hash {
                        pool.remove(hash);
                    }
                }
                Step::Block { base_fee, fee, changed } => {
                    number += 1;
                    let mut changes = Vec::new();
                    for (from, used, funds) in changed {
                        let account = accounts.entry(sender(from)).or_insert(AccountState {
                            nonce: 0,
                            balance: RICH,
                            code: AccountCode::None,
                        });
                        account.nonce += used;
                        account.balance = U256::from(funds * 21_000 * 300);
                        changes.push((sender(from), *account));
                    }
                    let fees = L1Fees { operator_fee_constant: fee, ..L1Fees::default() };
                    pool.on_block(
                        Head { number, base_fee, gas_limit: 30_000_000, fees },
                        changes,
                    );
                }
            }
            check_invariants(&pool);
        }
    }
}
