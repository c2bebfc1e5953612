//! The pool against a naive one: a list that is searched from the start for every question.

use std::collections::{BTreeMap, BTreeSet};

use alloy_consensus::{SignableTransaction, TxEip1559, TxEip7702};
use alloy_eips::{eip2718::Encodable2718, eip7702::Authorization};
use alloy_primitives::{Signature, TxKind};
use proptest::{collection::vec, prelude::*};

use super::*;

const CHAIN: u64 = 16_120;
const SENDERS: u8 = 5;
const GAS: u64 = 21_000;

fn address(index: u8) -> Address {
    Address::repeat_byte(index + 1)
}

fn config() -> PoolConfig {
    PoolConfig {
        transactions_max: 12,
        sender_slots_guaranteed: 2,
        sender_slots_max: 6,
        ..PoolConfig::default()
    }
}

#[derive(Clone, Debug)]
struct Offer {
    from: u8,
    nonce: u64,
    cap: u128,
    tip: u128,
    /// Multiples of what a usual transaction costs.
    value: u64,
    authorities: Vec<u8>,
}

impl Offer {
    fn transaction(&self) -> Recovered<TxEnvelope> {
        let value = U256::from(self.value * GAS * 100 + u64::from(self.from));
        let envelope: TxEnvelope = if self.authorities.is_empty() {
            TxEip1559 {
                chain_id: CHAIN,
                nonce: self.nonce,
                gas_limit: GAS,
                max_fee_per_gas: self.cap,
                max_priority_fee_per_gas: self.tip,
                to: TxKind::Call(Address::ZERO),
                value,
                ..Default::default()
            }
            .into_signed(Signature::test_signature())
            .into()
        } else {
            let unsigned = Authorization { chain_id: U256::ZERO, address: Address::ZERO, nonce: 0 };
            TxEip7702 {
                chain_id: CHAIN,
                nonce: self.nonce,
                gas_limit: GAS,
                max_fee_per_gas: self.cap,
                max_priority_fee_per_gas: self.tip,
                value,
                authorization_list: vec![unsigned.into_signed(Signature::test_signature())],
                ..Default::default()
            }
            .into_signed(Signature::test_signature())
            .into()
        };
        Recovered::new_unchecked(envelope, address(self.from))
    }

    fn pooled(&self) -> PoolTransaction {
        let transaction = self.transaction();
        let length = transaction.inner().encode_2718_len();
        let authorities = self.authorities.iter().map(|index| address(*index)).collect();
        PoolTransaction::from_parts(transaction, length, 100_000_000, authorities)
    }
}

/// Everything the naive pool knows.
#[derive(Default)]
struct Naive {
    head: Head,
    accounts: BTreeMap<Address, AccountState>,
    /// With their arrival numbers.
    entries: Vec<(u64, PoolTransaction)>,
    arrivals: u64,
}

impl AccountReader for Naive {
    fn account(&self, address: Address) -> Result<AccountState, PoolError> {
        Ok(self.accounts.get(&address).copied().unwrap_or(AccountState {
            nonce: 0,
            balance: U256::from(10 * GAS * 400),
            code: AccountCode::None,
        }))
    }
}

impl Naive {
    fn state(&self, address: Address) -> AccountState {
        self.account(address).unwrap()
    }

    fn of(&self, sender: Address) -> Vec<&(u64, PoolTransaction)> {
        let mut own: Vec<_> =
            self.entries.iter().filter(|(_, held)| held.sender() == sender).collect();
        own.sort_by_key(|(_, held)| held.nonce());
        own
    }

    fn pending(&self, sender: Address) -> usize {
        let account = self.state(sender);
        let mut cost = U256::ZERO;
        let mut count = 0;
        for (_, held) in self.of(sender) {
            cost += held.total_cost(&self.head.fees);
            let delegated = account.code == AccountCode::Delegation && count == 1;
            if held.nonce() != account.nonce + count as u64 || cost > account.balance || delegated {
                break;
            }
            count += 1;
        }
        count
    }

    fn add(&mut self, offered: PoolTransaction) -> Result<(), PoolError> {
        let sender = offered.sender();
        let account = self.state(sender);
        let nonce = offered.nonce();
        let own = self.of(sender);
        if own.iter().any(|(_, held)| held.hash() == offered.hash()) {
            return Err(PoolError::AlreadyKnown);
        }
        if account.code == AccountCode::Contract {
            return Err(PoolError::SenderNotEoa(sender));
        }
        if nonce < account.nonce {
            return Err(PoolError::NonceTooLow { next: account.nonce, nonce });
        }
        let cost = own
            .iter()
            .filter(|(_, held)| held.nonce() != nonce)
            .fold(offered.total_cost(&self.head.fees), |cost, (_, held)| {
                cost + held.total_cost(&self.head.fees)
            });
        if cost > account.balance {
            return Err(PoolError::InsufficientFunds { balance: account.balance, cost });
        }
        let old = own.iter().find(|(_, held)| held.nonce() == nonce);
        if old.is_some_and(|(_, old)| !offered.outbids(old, 10)) {
            return Err(PoolError::ReplacementUnderpriced);
        }
        for authority in offered.authorities() {
            let mut after = self.of(*authority).len();
            if *authority == sender && old.is_none() {
                after += 1;
            }
            if after > 1 {
                return Err(PoolError::AuthorityReserved(*authority));
            }
        }
        if old.is_none() {
            let reserved =
                self.entries.iter().any(|(_, held)| held.authorities().contains(&sender));
            if account.code == AccountCode::Delegation || reserved {
                if nonce != account.nonce {
                    return Err(PoolError::DelegatedGap);
                }
                if !own.is_empty() {
                    return Err(PoolError::DelegatedInFlight);
                }
            }
            if own.len() >= config().sender_slots_max {
                return Err(PoolError::SenderSlots(own.len()));
            }
        }
        let hash = offered.hash();
        self.entries.retain(|(_, held)| held.sender() != sender || held.nonce() != nonce);
        self.entries.push((self.arrivals, offered));
        self.arrivals += 1;
        while self.entries.len() > config().transactions_max {
            self.evict();
        }
        if self.entries.iter().any(|(_, held)| held.hash() == hash) {
            Ok(())
        } else {
            Err(PoolError::Underpriced)
        }
    }

    /// The worst last transaction goes: queued before executable, then by the least tip on the way
    /// to it, then the youngest.
    fn evict(&mut self) {
        let senders: BTreeSet<Address> =
            self.entries.iter().map(|(_, held)| held.sender()).collect();
        let worst = senders
            .into_iter()
            .map(|sender| {
                let own = self.of(sender);
                let class = if self.pending(sender) < own.len() {
                    0
                } else if own.len() > config().sender_slots_guaranteed {
                    1
                } else {
                    2
                };
                let tip = own
                    .iter()
                    .map(|(_, held)| held.effective_tip(self.head.base_fee).unwrap_or(0))
                    .min();
                let (arrival, last) = own.last().unwrap();
                (class, tip, u64::MAX - arrival, last.hash())
            })
            .min()
            .unwrap();
        self.entries.retain(|(_, held)| held.hash() != worst.3);
    }

    fn remove(&mut self, hash: B256) {
        self.entries.retain(|(_, held)| held.hash() != hash);
    }

    fn drop_used(&mut self) {
        let accounts = std::mem::take(&mut self.accounts);
        self.entries.retain(|(_, held)| {
            accounts.get(&held.sender()).is_none_or(|account| held.nonce() >= account.nonce)
        });
        self.accounts = accounts;
    }
}

#[derive(Clone, Debug)]
enum Step {
    Add(Offer),
    Remove {
        from: u8,
        nonce: u64,
    },
    Block {
        base_fee: u64,
        fee: u64,
        changed: Vec<(u8, u64, u64, bool)>,
    },
    /// Nonces fall back; what blocks held comes again.
    Reorg {
        base_fee: u64,
        back: Vec<(u8, u64)>,
        dropped: Vec<Offer>,
    },
}

fn offer() -> impl Strategy<Value = Offer> {
    let authorities = prop_oneof![5 => Just(Vec::new()), 1 => vec(0..SENDERS, 1..3)];
    (0..SENDERS, 0_u64..7, 1_u128..400, 1_u128..400, 0_u64..3, authorities).prop_map(
        |(from, nonce, cap, tip, value, mut authorities)| {
            authorities.sort_unstable();
            authorities.dedup();
            Offer { from, nonce, cap, tip: tip.min(cap), value, authorities }
        },
    )
}

fn step() -> impl Strategy<Value = Step> {
    let changed = (0..SENDERS, 0_u64..3, 0_u64..30, prop::bool::weighted(0.15));
    prop_oneof![
        12 => offer().prop_map(Step::Add),
        1 => (0..SENDERS, 0_u64..7).prop_map(|(from, nonce)| Step::Remove { from, nonce }),
        3 => (50_u64..200, 0_u64..3, vec(changed, 0..4))
            .prop_map(|(base_fee, fee, changed)| Step::Block { base_fee, fee, changed }),
        1 => (50_u64..200, vec((0..SENDERS, 0_u64..4), 0..4), vec(offer(), 0..6))
            .prop_map(|(base_fee, back, mut dropped)| {
                // Authorities are recovered from signatures there, and these have none.
                dropped.retain(|offer| offer.authorities.is_empty());
                Step::Reorg { base_fee, back, dropped }
            }),
    ]
}

fn compare(pool: &Pool, naive: &Naive) -> Result<(), TestCaseError> {
    let held: BTreeSet<B256> = naive.entries.iter().map(|(_, held)| held.hash()).collect();
    let inner: BTreeSet<B256> = pool.inner.read().by_hash.keys().copied().collect();
    prop_assert_eq!(&inner, &held);
    let mut pending = 0;
    for index in 0..SENDERS {
        let sender = address(index);
        let count = naive.pending(sender);
        pending += count;
        let executable: Vec<B256> =
            naive.of(sender).iter().take(count).map(|(_, held)| held.hash()).collect();
        let content = pool.content(Some(&sender));
        let got: Vec<B256> =
            content.pending.iter().flat_map(|(_, all)| all).map(|held| held.hash()).collect();
        prop_assert_eq!(got, executable);
        let expected =
            (!naive.of(sender).is_empty()).then(|| naive.state(sender).nonce + count as u64);
        prop_assert_eq!(pool.next_nonce(&sender), expected);
    }
    let bytes = naive.entries.iter().map(|(_, held)| held.memory_bytes()).sum::<usize>();
    let expected = PoolStatus { pending, queued: held.len() - pending, bytes };
    prop_assert_eq!(pool.status(), expected);
    let mut order: Vec<_> = naive.entries.iter().map(|(at, held)| (*at, held.hash())).collect();
    order.sort_unstable();
    let order: Vec<B256> = order.into_iter().map(|(_, hash)| hash).collect();
    let got: Vec<B256> = pool.by_arrival().iter().map(|held| held.hash()).collect();
    prop_assert_eq!(got, order);
    Ok(())
}

/// What went beside what was replaced: of each sender, only what stood last.
fn check_evicted(
    before: &[Arc<PoolTransaction>],
    pool: &Pool,
    added: Option<(Address, u64)>,
) -> Result<(), TestCaseError> {
    for gone in before.iter().filter(|held| pool.get(&held.hash()).is_none()) {
        if added == Some((gone.sender(), gone.nonce())) {
            continue;
        }
        let content = pool.content(Some(&gone.sender()));
        let left = content.pending.iter().chain(&content.queued).flat_map(|(_, held)| held);
        for left in left {
            prop_assert!(left.nonce() < gone.nonce());
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(384))]

    #[test]
    fn does_what_the_naive_pool_does(steps in vec(step(), 1..150)) {
        let pool = Pool::new(config(), CHAIN);
        let mut naive = Naive {
            head: Head { number: 0, base_fee: 100, gas_limit: 30_000_000, fees: L1Fees::default() },
            ..Naive::default()
        };
        pool.on_block(naive.head, []);
        for step in steps {
            match step {
                Step::Add(offer) => {
                    let before = pool.by_arrival();
                    let expected = naive.add(offer.pooled());
                    let got = pool.add(offer.pooled(), &naive).map(|_| ());
                    prop_assert_eq!(&got, &expected, "{:?}", offer);
                    let added = got.is_ok().then(|| (address(offer.from), offer.nonce));
                    check_evicted(&before, &pool, added)?;
                }
                Step::Remove { from, nonce } => {
                    let hash = naive.of(address(from)).into_iter()
                        .find(|(_, held)| held.nonce() == nonce)
                        .map(|(_, held)| held.hash());
                    if let Some(hash) = hash {
                        naive.remove(hash);
                        pool.remove(hash);
                    }
                }
                Step::Block { base_fee, fee, changed } => {
                    naive.head.number += 1;
                    naive.head.base_fee = base_fee;
                    naive.head.fees = L1Fees { operator_fee_constant: fee, ..L1Fees::default() };
                    let mut changes = Vec::new();
                    for (from, used, funds, delegated) in changed {
                        let mut account = naive.state(address(from));
                        account.nonce += used;
                        account.balance = U256::from(funds * GAS * 200);
                        account.code =
                            if delegated { AccountCode::Delegation } else { AccountCode::None };
                        naive.accounts.insert(address(from), account);
                        changes.push((address(from), account));
                    }
                    naive.drop_used();
                    pool.on_block(naive.head, changes);
                }
                Step::Reorg { base_fee, back, dropped } => {
                    naive.head.base_fee = base_fee;
                    for (from, nonces) in back {
                        let mut account = naive.state(address(from));
                        account.nonce = account.nonce.saturating_sub(nonces);
                        naive.accounts.insert(address(from), account);
                    }
                    naive.drop_used();
                    let mut expected = Reinjected::default();
                    for offer in &dropped {
                        let again =
                            PoolTransaction::from_dropped_block(offer.transaction(), CHAIN).unwrap();
                        match naive.add(again) {
                            Ok(()) => expected.taken += 1,
                            Err(_) => expected.refused += 1,
                        }
                    }
                    let dropped = dropped.iter().map(Offer::transaction);
                    prop_assert_eq!(pool.reinject(naive.head, dropped, &naive).unwrap(), expected);
                }
            }
            compare(&pool, &naive)?;
        }
    }
}
