//! The chain that every node under test starts with: so many funded accounts, senders among them whose
//! keys are known, and a token that the senders hold.

use std::{
    collections::BTreeMap,
    io::{BufWriter, Write},
    path::Path,
};

use alloy_consensus::{SignableTransaction, TxEip1559};
use alloy_eips::{BlockNumHash, eip2718::Encodable2718};
use alloy_network::TxSignerSync;
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, address, hex, keccak256};
use alloy_signer_local::PrivateKeySigner;
use anyhow::{Context, Result};
use primitives::{AccountAllocation, GenesisL2, RollupConfig, RollupGenesis, SystemConfig};
use serde_json::{Value, json};

pub const CHAIN_ID: u64 = 16_121;
/// WOPEN's code, with balances for the senders.
pub const TOKEN: Address = address!("0x00000000000000000000000000000000000070c3");

/// Hash of an L1 block: L1 is made by hand.
pub fn l1_hash(number: u64) -> B256 {
    keccak256(number.to_be_bytes())
}

/// A transaction that is ready to be sent.
#[derive(Clone, Debug)]
pub struct Signed {
    pub raw: Bytes,
    pub hash: B256,
    /// Index of who sends it.
    pub sender: usize,
}

/// What a transaction does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Native,
    Erc20,
}

/// Senders with their keys, and how far each has come.
#[derive(Debug)]
pub struct World {
    pub senders: Vec<PrivateKeySigner>,
    nonces: Vec<u64>,
    /// Funded accounts beside the senders.
    pub accounts: u64,
    /// Transactions signed so far, so that recipients go on.
    signed: u64,
}

impl World {
    pub fn new(senders: usize, accounts: u64) -> Result<Self> {
        let keys = (0..senders)
            .map(|i| PrivateKeySigner::from_bytes(&keccak256(format!("bench sender {i}"))))
            .collect::<Result<_, _>>()?;
        Ok(Self { senders: keys, nonces: vec![0; senders], accounts, signed: 0 })
    }

    /// The next `count` transactions, the senders in turn, each to another account.
    pub fn sign(&mut self, kind: Kind, count: usize) -> Result<Vec<Signed>> {
        let mut plan = Vec::with_capacity(count);
        for index in 0..count {
            let sender = index % self.senders.len();
            let nonce = self.nonces[sender];
            self.nonces[sender] += 1;
            // An odd step visits accounts all over the tries before it comes back to one.
            let to =
                account(self.signed.wrapping_mul(0x9e37_79b9_7f4a_7c15) % self.accounts.max(1));
            self.signed += 1;
            plan.push((sender, nonce, to));
        }
        let threads = std::thread::available_parallelism().map_or(2, usize::from);
        std::thread::scope(|scope| {
            let parts: Vec<_> = plan
                .chunks(count.div_ceil(threads).max(1))
                .map(|part| {
                    let senders = &self.senders;
                    scope.spawn(move || {
                        let sign = |(sender, nonce, to): &(usize, u64, Address)| {
                            sign(&senders[*sender], *sender, *nonce, *to, kind)
                        };
                        part.iter().map(sign).collect::<Result<Vec<_>>>()
                    })
                })
                .collect();
            let mut all = Vec::with_capacity(count);
            for part in parts {
                all.extend(part.join().map_err(|_| anyhow::anyhow!("signing panicked"))??);
            }
            Ok(all)
        })
    }

    /// Transactions each sender has sent once all that was signed is included.
    pub fn nonces(&self) -> &[u64] {
        &self.nonces
    }

    fn balance() -> U256 {
        U256::from(1_000_000_000_000_000_000_000_u128)
    }

    fn token() -> Result<AccountAllocation> {
        let code = code(include_str!("../../contracts/artifacts/WOPEN.json"))?;
        Ok(AccountAllocation { code, ..Default::default() })
    }

    /// Storage of the token: `_balances` at slot 0, `_totalSupply` at 2 (OpenZeppelin's `ERC20`).
    fn token_storage(&self) -> BTreeMap<B256, B256> {
        let mut storage = BTreeMap::new();
        for sender in &self.senders {
            let slot = keccak256([sender.address().into_word(), B256::ZERO].concat());
            storage.insert(slot, Self::balance().into());
        }
        let supply = Self::balance() * U256::from(self.senders.len());
        storage.insert(B256::with_last_byte(2), supply.into());
        storage
    }

    /// Our chain, beginning at `timestamp`.
    pub fn genesis(&self, timestamp: u64, gas_limit: u64) -> Result<(GenesisL2, RollupConfig)> {
        let system_config = SystemConfig {
            batcher_address: Address::repeat_byte(0xba),
            gas_limit,
            ..Default::default()
        };
        // Jovian: version 1, denominator, elasticity, minimum base fee.
        let mut extra = vec![1];
        extra.extend(system_config.eip1559_denominator.to_be_bytes());
        extra.extend(system_config.eip1559_elasticity.to_be_bytes());
        extra.extend(system_config.min_base_fee.to_be_bytes());
        let mut genesis = GenesisL2 {
            chain_id: CHAIN_ID,
            timestamp,
            gas_limit,
            base_fee_per_gas: 1_000_000_000,
            extra_data: extra.into(),
            alloc: BTreeMap::new(),
        };
        let funded = AccountAllocation { balance: Self::balance(), ..Default::default() };
        for sender in &self.senders {
            genesis.alloc.insert(sender.address(), funded.clone());
        }
        for index in 0..self.accounts {
            genesis.alloc.insert(account(index), funded.clone());
        }
        let token = AccountAllocation { storage: self.token_storage(), ..Self::token()? };
        genesis.alloc.insert(TOKEN, token);
        for (address, artifact) in [
            (primitives::L1_BLOCK, include_str!("../../contracts/artifacts/L1Block.json")),
            (
                primitives::L2_TO_L1_MESSAGE_PASSER,
                include_str!("../../contracts/artifacts/L2ToL1MessagePasser.json"),
            ),
        ] {
            let code = code(artifact)?;
            genesis.alloc.insert(address, AccountAllocation { code, ..Default::default() });
        }
        let header = store::genesis_header(&genesis)?;
        let hash = primitives::Sealable::hash_slow(&header);
        let rollup = RollupConfig {
            genesis: RollupGenesis {
                l1: BlockNumHash { number: 0, hash: l1_hash(0) },
                l2: BlockNumHash { number: 0, hash },
                l2_time: timestamp,
                system_config,
            },
            block_time: 1,
            max_sequencer_drift: 1_800,
            seq_window_size: 3_600,
            channel_timeout: 300,
            l1_chain_id: CHAIN_ID + 1,
            l2_chain_id: CHAIN_ID,
            batch_inbox_address: Address::repeat_byte(0xff),
            deposit_contract_address: Address::repeat_byte(0xdd),
            l1_system_config_address: Address::repeat_byte(0xcc),
        };
        Ok((genesis, rollup))
    }

    /// The same accounts as geth's genesis file, for other nodes.
    pub fn write_genesis(&self, path: &Path, gas_limit: u64) -> Result<()> {
        let mut out = BufWriter::new(std::fs::File::create(path)?);
        let config = json!({
            "chainId": CHAIN_ID, "homesteadBlock": 0, "eip150Block": 0, "eip155Block": 0, "eip158Block": 0,
            "byzantiumBlock": 0, "constantinopleBlock": 0, "petersburgBlock": 0, "istanbulBlock": 0,
            "berlinBlock": 0, "londonBlock": 0, "terminalTotalDifficulty": 0, "shanghaiTime": 0,
            "cancunTime": 0, "pragueTime": 0,
            "depositContractAddress": "0x00000000219ab540356cbb839cbe05303d7705fa",
        });
        write!(
            out,
            r#"{{"config":{config},"nonce":"0x0","timestamp":"0x0","extraData":"0x","gasLimit":"{gas_limit:#x}","difficulty":"0x0","mixHash":"{}","coinbase":"{}","alloc":{{"#,
            B256::ZERO,
            Address::ZERO
        )?;
        let balance = Self::balance();
        for address in self.senders.iter().map(PrivateKeySigner::address) {
            write!(out, r#""{address:?}":{{"balance":"{balance:#x}"}},"#)?;
        }
        for index in 0..self.accounts {
            write!(out, r#""{:?}":{{"balance":"{balance:#x}"}},"#, account(index))?;
        }
        let storage = serde_json::to_string(&self.token_storage())?;
        let code = Self::token()?.code;
        write!(out, r#""{TOKEN:?}":{{"balance":"0x0","code":"{code}","storage":{storage}}}}}}}"#)?;
        Ok(out.flush()?)
    }
}

/// A funded account nobody has the key of.
pub fn account(index: u64) -> Address {
    Address::from_slice(&keccak256(index.to_be_bytes())[..20])
}

fn code(artifact: &str) -> Result<Bytes> {
    let artifact: Value = serde_json::from_str(artifact)?;
    let code = artifact["deployedBytecode"].as_str().context("an artifact without code")?;
    Ok(code.parse()?)
}

fn sign(
    signer: &PrivateKeySigner,
    sender: usize,
    nonce: u64,
    to: Address,
    kind: Kind,
) -> Result<Signed> {
    let (gas_limit, to, value, input) = match kind {
        Kind::Native => (21_000, to, U256::from(1), Bytes::new()),
        Kind::Erc20 => {
            let mut input = hex!("a9059cbb").to_vec();
            input.extend(to.into_word());
            input.extend(B256::with_last_byte(1));
            (100_000, TOKEN, U256::ZERO, input.into())
        }
    };
    let mut tx = TxEip1559 {
        chain_id: CHAIN_ID,
        nonce,
        gas_limit,
        max_fee_per_gas: 50_000_000_000,
        max_priority_fee_per_gas: 1_000_000,
        to: TxKind::Call(to),
        value,
        input,
        ..Default::default()
    };
    let signature = signer.sign_transaction_sync(&mut tx)?;
    let signed = tx.into_signed(signature);
    Ok(Signed { hash: *signed.hash(), raw: signed.encoded_2718().into(), sender })
}
