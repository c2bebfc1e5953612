//! A million worthless transactions of every kind beside one honest sender who pays a little more.

use alloy_consensus::{SignableTransaction, TxEip1559};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Bytes, Signature, TxKind};

use super::*;

const CHAIN: u64 = 16_120;
const BASE_FEE: u64 = 100;
const SPAM: u64 = 1_000_000;
const ROUNDS: u64 = 125;
/// Transfers that fit into a block.
const BLOCK_MAX: usize = 500;
/// Blocks the honest sender may wait.
const WAIT_MAX: u64 = 2;

/// Everyone is rich; nonces are what blocks made them.
#[derive(Default)]
struct Accounts(AddressMap<u64>);

impl AccountReader for Accounts {
    fn account(&self, address: Address) -> Result<AccountState, PoolError> {
        Ok(AccountState {
            nonce: self.0.get(&address).copied().unwrap_or_default(),
            balance: U256::MAX >> 1,
            code: AccountCode::None,
        })
    }
}

fn transaction(from: Address, nonce: u64, cap: u128, tip: u128, data: &Bytes) -> PoolTransaction {
    let envelope = TxEnvelope::from(
        TxEip1559 {
            chain_id: CHAIN,
            nonce,
            gas_limit: 21_000,
            max_fee_per_gas: cap,
            max_priority_fee_per_gas: tip,
            to: TxKind::Call(from),
            input: data.clone(),
            ..Default::default()
        }
        .into_signed(Signature::test_signature()),
    );
    let length = envelope.encode_2718_len();
    PoolTransaction::from_parts(
        Recovered::new_unchecked(envelope, from),
        length,
        100_000_000,
        Vec::new(),
    )
}

fn address(kind: u8, number: u64) -> Address {
    let mut bytes = [kind; 20];
    bytes[..8].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    Address::from(bytes)
}

/// The spam numbered `number`, always below the honest tip of 20.
fn spam(number: u64, accounts: &Accounts, large: &Bytes) -> PoolTransaction {
    let small = Bytes::new();
    let tip = u128::from(number % 19 + 1);
    match number % 8 {
        // A new sender each time.
        0 | 1 => transaction(address(1, number), 0, 1_000, tip, &small),
        // Long runs of few senders.
        2 | 3 => {
            let from = address(2, number % 64);
            let used = accounts.0.get(&from).copied().unwrap_or_default();
            transaction(from, used + number / 64 % 1_100, 1_000, tip, &small)
        }
        // Gaps that nobody will ever close, at a price nobody will ever pay.
        4 => transaction(address(4, number % 5_000), 1 + number % 900, 1 << 60, 1 << 50, &small),
        // Below the base fee.
        5 => transaction(address(5, number), 0, 50, 50, &small),
        // The same again and again, each time a little dearer.
        6 => {
            let from = address(6, number % 16);
            let nonce = accounts.0.get(&from).copied().unwrap_or_default();
            transaction(from, nonce, 1_000 + u128::from(number), tip, &small)
        }
        // As large as it may be.
        _ if number % 1_024 == 7 => transaction(address(7, number), 0, 1_000, tip, large),
        // With a nonce that was used.
        _ => transaction(address(2, number % 64), 0, 1_000, tip, &small),
    }
}

#[test]
fn a_million_of_them_neither_grow_the_pool_nor_delay_an_honest_sender() {
    let config = PoolConfig::default();
    let pool = Pool::new(config, CHAIN);
    let mut head =
        Head { number: 0, base_fee: BASE_FEE, gas_limit: 30_000_000, fees: L1Fees::default() };
    pool.on_block(head, []);
    let mut accounts = Accounts::default();
    let large = Bytes::from(vec![1; 100 * 1024]);
    let honest = address(255, 0);
    let (mut sent, mut waits, mut seen) = (0_u64, 0_u64, 0_usize);
    let mut number = 0;
    for round in 0..ROUNDS {
        for _ in 0..SPAM / ROUNDS {
            let _ = pool.add(spam(number, &accounts, &large), &accounts);
            number += 1;
            if number.is_multiple_of(1_000) {
                let status = pool.status();
                let held = status.pending + status.queued;
                assert!(held <= config.transactions_max && status.bytes <= config.bytes_max);
                seen = seen.max(held);
                let inner = pool.inner.read();
                assert!(inner.senders.len() <= held && inner.ranks.len() <= held);
                assert!(inner.eviction.len() <= held && inner.authorities.is_empty());
            }
        }
        // Full of spam: the honest one comes last of all.
        let due = accounts.0.get(&honest).copied().unwrap_or_default();
        if sent < due + 3 {
            pool.add(transaction(honest, sent, 1_000, 20, &Bytes::new()), &accounts)
                .unwrap_or_else(|error| panic!("honest transaction refused in {round}: {error}"));
            sent += 1;
        }
        let included: Vec<_> = pool.best().take(BLOCK_MAX).collect();
        let mut changed = AddressMap::default();
        for transaction in &included {
            changed.insert(transaction.sender(), transaction.nonce() + 1);
        }
        accounts.0.extend(&changed);
        head.number += 1;
        // The fee moves, so that everything is priced again.
        head.base_fee = BASE_FEE + round % 3;
        let changed: Vec<_> = changed
            .into_keys()
            .map(|address| (address, accounts.account(address).unwrap()))
            .collect();
        pool.on_block(head, changed);
        let included = accounts.0.get(&honest).copied().unwrap_or_default();
        waits = if included == sent { 0 } else { waits + 1 };
        assert!(waits < WAIT_MAX, "waited {waits} blocks in round {round}");
    }
    assert_eq!(number, SPAM);
    assert_eq!(accounts.0.get(&honest).copied(), Some(ROUNDS));
    // The pool was as full as its bounds allow, in bytes or in number.
    assert!(seen > 300, "{seen}");
}
