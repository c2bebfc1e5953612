//! Keys of roles: encrypted files (Web3 Secret Storage, as geth and `cast wallet` write them). Secrets
//! come from files or the environment, never from the command line, where every process can read them.

use std::path::{Path, PathBuf};

use alloy_signer_local::{LocalSigner, PrivateKeySigner};
use anyhow::{Context, Result, bail, ensure};
use clap::{Args as ClapArgs, Subcommand};
use primitives::L1_CHAIN_ID_DEV;

use crate::keys;

/// Environment variable that holds a keystore's password where no file does.
const PASSWORD_VARIABLE: &str = "OPENLEDGER_KEYSTORE_PASSWORD";
/// Chain id of anvil without further flags.
const L1_CHAIN_ID_ANVIL: u64 = 31_337;

/// Whether development keys and settings are allowed on this L1.
pub const fn is_devnet(l1_chain_id: u64) -> bool {
    l1_chain_id == L1_CHAIN_ID_DEV || l1_chain_id == L1_CHAIN_ID_ANVIL
}

/// Which key signs.
#[derive(Clone, Debug, Default, ClapArgs)]
pub struct KeyArgs {
    /// Encrypted key (Web3 Secret Storage).
    #[arg(long, value_name = "FILE", conflicts_with = "account")]
    pub keystore: Option<PathBuf>,
    /// File whose first line is the keystore's password; without it the environment variable
    /// OPENLEDGER_KEYSTORE_PASSWORD.
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
    /// Development account; refused on any L1 but development chains.
    #[arg(long, value_name = "INDEX", value_parser = clap::value_parser!(u32).range(0..100))]
    pub account: Option<u32>,
}

impl KeyArgs {
    /// The key for transactions on the given L1, or on the L2 above it.
    pub fn load(&self, l1_chain_id: u64) -> Result<PrivateKeySigner> {
        match (&self.keystore, self.account) {
            (Some(path), _) => self.decrypt(path),
            (None, Some(_)) if !is_devnet(l1_chain_id) => bail!(
                "development accounts are refused on L1 chain {l1_chain_id}: their keys are public. \
                 Use --keystore"
            ),
            (None, Some(account)) => keys::dev_key(account),
            (None, None) => bail!("no key: give --keystore, or --account on a development chain"),
        }
    }

    /// The same, with a development account to fall back on.
    pub fn load_or(&self, l1_chain_id: u64, account: u32) -> Result<PrivateKeySigner> {
        let account = self.account.or((self.keystore.is_none()).then_some(account));
        Self { account, ..self.clone() }.load(l1_chain_id)
    }

    /// The key of a role among the encrypted keys of a directory.
    pub fn of_role(&self, directory: &Path, role: &str) -> Result<PrivateKeySigner> {
        self.decrypt(&directory.join(format!("{role}.json")))
    }

    fn decrypt(&self, path: &Path) -> Result<PrivateKeySigner> {
        let password = password(self.password_file.as_deref())?;
        LocalSigner::decrypt_keystore(path, password)
            .with_context(|| format!("cannot decrypt the keystore {}", path.display()))
    }
}

fn password(file: Option<&Path>) -> Result<String> {
    let text = match file {
        Some(path) => std::fs::read_to_string(path)
            .with_context(|| format!("cannot read the password file {}", path.display()))?,
        None => std::env::var(PASSWORD_VARIABLE)
            .with_context(|| format!("no password: give --password-file or {PASSWORD_VARIABLE}"))?,
    };
    let password = text.lines().next().unwrap_or_default().to_owned();
    ensure!(!password.is_empty(), "the keystore's password is empty");
    Ok(password)
}

/// Encrypted keys of roles.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a key and write it encrypted.
    New(NewArgs),
    /// Print the address of an encrypted key.
    Address(KeyArgs),
}

#[derive(Debug, ClapArgs)]
pub struct NewArgs {
    /// File to write; it must not exist.
    #[arg(long, value_name = "FILE")]
    keystore: PathBuf,
    /// File whose first line is the password.
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
}

pub fn run(command: Command) -> Result<()> {
    match command {
        Command::New(args) => {
            let key = new(&args.keystore, &password(args.password_file.as_deref())?)?;
            println!("{}", key.address());
        }
        Command::Address(args) => println!("{}", args.load(L1_CHAIN_ID_DEV)?.address()),
    }
    Ok(())
}

fn new(path: &Path, password: &str) -> Result<PrivateKeySigner> {
    ensure!(!path.exists(), "{} exists already", path.display());
    let directory = match path.parent() {
        Some(directory) if !directory.as_os_str().is_empty() => directory,
        _ => Path::new("."),
    };
    let name = path.file_name().and_then(|name| name.to_str()).context("not a file name")?;
    let mut random = k256::elliptic_curve::rand_core::OsRng;
    let (key, _) = LocalSigner::new_keystore(directory, &mut random, password, Some(name))
        .with_context(|| format!("cannot write {}", path.display()))?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_encrypted_and_come_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("proposer.json");
        let key = new(&path, "open sesame").unwrap();
        let stored = std::fs::read_to_string(&path).unwrap();
        assert!(!stored.contains(&alloy_primitives::hex::encode(key.to_bytes())));
        assert!(new(&path, "open sesame").is_err(), "an existing key was overwritten");

        let password_file = dir.path().join("password");
        std::fs::write(&password_file, "open sesame\n").unwrap();
        let args = KeyArgs {
            keystore: Some(path),
            password_file: Some(password_file.clone()),
            account: None,
        };
        // On any chain: this key is nobody's else.
        assert_eq!(args.load(1).unwrap().address(), key.address());
        std::fs::write(&password_file, "open barley\n").unwrap();
        assert!(args.load(1).is_err());
    }

    #[test]
    fn development_keys_stay_on_development_chains() {
        let args = KeyArgs { account: Some(3), ..KeyArgs::default() };
        assert!(args.load(L1_CHAIN_ID_DEV).is_ok());
        for public in [1, 11_155_111, 17_000] {
            let error = args.load(public).unwrap_err().to_string();
            assert!(error.contains("refused on L1 chain"), "{error}");
            assert!(KeyArgs::default().load_or(public, 0).is_err());
        }
    }
}
