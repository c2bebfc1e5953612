//! Development keys: every account of a `dev` chain comes from anvil's well-known mnemonic, so that a
//! wallet which knows anvil knows these. They protect nothing; chains other than the development
//! ones refuse them.

use alloy_primitives::{Address, B256};
use alloy_signer_local::{MnemonicBuilder, PrivateKeySigner, coins_bip39::English};
use anyhow::{Context, Result};

/// The mnemonic that anvil and hardhat print.
pub const DEV_MNEMONIC: &str = "test test test test test test test test test test test junk";

/// Number of user accounts that `dev` prints.
pub const USER_ACCOUNTS: u32 = 10;

/// Who holds which derivation index above the user accounts.
#[derive(Clone, Copy, Debug)]
pub enum Role {
    Batcher = 10,
    Governance = 12,
    Gateway = 13,
    EngineFirst = 14,
    Platform = 17,
    Sink = 19,
    Proposer = 20,
    Challenger = 21,
    AttestorFirst = 22,
}

/// Engines of a development chain and how many of them must sign an epoch.
pub const ENGINES: u32 = 3;
pub const ENGINE_THRESHOLD: u8 = 2;

/// Attestors of a development chain, by the names of their directories.
pub const ATTESTOR_NAMES: [&str; 3] = ["attestor-1", "attestor-2", "attestor-3"];

/// Key at `m/44'/60'/0'/0/index`.
pub fn dev_key(index: u32) -> Result<PrivateKeySigner> {
    MnemonicBuilder::<English>::default()
        .phrase(DEV_MNEMONIC)
        .index(index)
        .and_then(|builder| builder.build())
        .with_context(|| format!("cannot derive development key {index}"))
}

/// Key of a role.
pub fn role_key(role: Role) -> Result<PrivateKeySigner> {
    dev_key(role as u32)
}

/// Keys of the attribution engines in index order.
pub fn engine_keys() -> Result<Vec<PrivateKeySigner>> {
    (0..ENGINES).map(|i| dev_key(Role::EngineFirst as u32 + i)).collect()
}

/// Keys of the attestors in index order.
pub fn attestor_keys() -> Result<Vec<PrivateKeySigner>> {
    (Role::AttestorFirst as u32..).zip(ATTESTOR_NAMES).map(|(index, _)| dev_key(index)).collect()
}

/// The ten user accounts.
pub fn user_keys() -> Result<Vec<PrivateKeySigner>> {
    (0..USER_ACCOUNTS).map(dev_key).collect()
}

/// A printable private key.
pub fn private_key_hex(key: &PrivateKeySigner) -> B256 {
    key.to_bytes()
}

/// Addresses of several keys.
pub fn addresses(keys: &[PrivateKeySigner]) -> Vec<Address> {
    keys.iter().map(PrivateKeySigner::address).collect()
}
