//! Keys of roles: encrypted files (Web3 Secret Storage, as geth and `cast wallet` write them), or signers
//! elsewhere that keep the keys. Secrets come from files or the environment, never from the command line,
//! where every process can read them.

use std::path::{Path, PathBuf};

use alloy_primitives::Address;
use alloy_signer_local::{LocalSigner, PrivateKeySigner};
use anyhow::{Context, Result, bail, ensure};
use clap::{Args as ClapArgs, Subcommand};
use l1::{RemoteSigner, RemoteTls, RoleSigner};
use primitives::L1_CHAIN_ID_DEV;
use serde::Deserialize;
use url::Url;

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
    /// Encrypted key (Web3 Secret Storage), or a JSON file that names a remote signer: url, address, and if
    /// needed roots and identity (PEM files for its HTTPS).
    #[arg(long, value_name = "FILE", conflicts_with_all = ["account", "signer_url"])]
    pub keystore: Option<PathBuf>,
    /// File whose first line is the keystore's password; without it the environment variable
    /// OPENLEDGER_KEYSTORE_PASSWORD.
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
    /// Development account; refused on any L1 but development chains.
    #[arg(long, value_name = "INDEX", value_parser = clap::value_parser!(u32).range(0..100))]
    pub account: Option<u32>,
    /// JSON-RPC of a signer that keeps the key: eth_signTransaction, as web3signer and op-signer have it.
    /// For an attestor eth_signTypedData, too. Its answers are checked.
    #[arg(long, value_name = "URL", requires = "signer_address", conflicts_with = "account")]
    pub signer_url: Option<Url>,
    /// The account that the signer signs for.
    #[arg(long, value_name = "ADDRESS", requires = "signer_url")]
    pub signer_address: Option<Address>,
}

/// A remote signer in a file: its URL can hold a secret.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SignerFile {
    url: Url,
    address: Address,
    /// Certificates (PEM) that the signer's must come from, beside the system's.
    #[serde(default)]
    roots: Option<PathBuf>,
    /// Our certificate and its key (PEM).
    #[serde(default)]
    identity: Option<PathBuf>,
}

impl SignerFile {
    /// `None` if the file is something else, such as an encrypted key.
    fn read(path: &Path) -> Result<Option<Self>> {
        let text =
            std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let value: serde_json::Value = serde_json::from_slice(&text).unwrap_or_default();
        if value.get("url").is_none() {
            return Ok(None);
        }
        let mut file: Self = serde_json::from_value(value)
            .with_context(|| format!("{} does not name a remote signer", path.display()))?;
        // Beside the file, as it is written by hand.
        let directory = path.parent().unwrap_or(Path::new("."));
        for path in [&mut file.roots, &mut file.identity].into_iter().flatten() {
            *path = directory.join(&*path);
        }
        Ok(Some(file))
    }

    async fn connect(self) -> Result<RoleSigner> {
        let tls = RemoteTls { roots: self.roots, identity: self.identity };
        Ok(RemoteSigner::connect(self.url, self.address, &tls).await?.into())
    }
}

impl KeyArgs {
    /// Whether any key is named.
    pub const fn is_given(&self) -> bool {
        self.keystore.is_some() || self.account.is_some() || self.signer_url.is_some()
    }

    /// Who signs transactions on the given L1, or on the L2 above it.
    pub async fn signer(&self, l1_chain_id: u64) -> Result<RoleSigner> {
        if let (Some(url), Some(address)) = (&self.signer_url, self.signer_address) {
            ensure!(
                url.password().is_none(),
                "every process of this machine can read a password in --signer-url: write the URL into a \
                 file {{\"url\": …, \"address\": …}} and name it with --keystore"
            );
            let tls = RemoteTls::default();
            return Ok(RemoteSigner::connect(url.clone(), address, &tls).await?.into());
        }
        match &self.keystore {
            Some(path) => self.from_file(path).await,
            None => Ok(self.load(l1_chain_id)?.into()),
        }
    }

    /// The same, with a development account to fall back on.
    pub async fn signer_or(&self, l1_chain_id: u64, account: u32) -> Result<RoleSigner> {
        let account = self.account.or((!self.is_given()).then_some(account));
        Self { account, ..self.clone() }.signer(l1_chain_id).await
    }

    /// Who signs for a role: by its file in a directory, an encrypted key or a remote signer.
    pub async fn signer_of_role(&self, directory: &Path, role: &str) -> Result<RoleSigner> {
        self.from_file(&directory.join(format!("{role}.json"))).await
    }

    async fn from_file(&self, path: &Path) -> Result<RoleSigner> {
        match SignerFile::read(path)? {
            Some(signer) => signer.connect().await,
            None => Ok(self.decrypt(path)?.into()),
        }
    }

    /// The key itself, for transactions on the given L1 or on the L2 above it, and for what no remote signer
    /// is asked for.
    pub fn load(&self, l1_chain_id: u64) -> Result<PrivateKeySigner> {
        ensure!(self.signer_url.is_none(), "a remote signer cannot serve here; give --keystore");
        match (&self.keystore, self.account) {
            (Some(path), _) => self.decrypt(path),
            (None, Some(_)) if !is_devnet(l1_chain_id) => bail!(
                "development accounts are refused on L1 chain {l1_chain_id}: their keys are public. \
                 Use --keystore"
            ),
            (None, Some(account)) => keys::dev_key(account),
            (None, None) => {
                bail!("no key: give --keystore, --signer-url, or --account on a development chain")
            }
        }
    }

    /// The key of a role among the encrypted keys of a directory.
    pub fn of_role(&self, directory: &Path, role: &str) -> Result<PrivateKeySigner> {
        self.decrypt(&directory.join(format!("{role}.json")))
    }

    fn decrypt(&self, path: &Path) -> Result<PrivateKeySigner> {
        ensure!(
            SignerFile::read(path)?.is_none(),
            "{} names a remote signer, which cannot serve here",
            path.display()
        );
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

pub(crate) fn new(path: &Path, password: &str) -> Result<PrivateKeySigner> {
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
            ..KeyArgs::default()
        };
        // On any chain: this key is nobody's else.
        assert_eq!(args.load(1).unwrap().address(), key.address());
        std::fs::write(&password_file, "open barley\n").unwrap();
        assert!(args.load(1).is_err());
    }

    #[tokio::test]
    async fn development_keys_stay_on_development_chains() {
        let args = KeyArgs { account: Some(3), ..KeyArgs::default() };
        assert!(args.load(L1_CHAIN_ID_DEV).is_ok());
        for public in [1, 11_155_111, 17_000] {
            let error = args.load(public).unwrap_err().to_string();
            assert!(error.contains("refused on L1 chain"), "{error}");
            assert!(KeyArgs::default().signer_or(public, 0).await.is_err());
        }
    }

    #[tokio::test]
    async fn a_remote_signer_is_named_by_flags_or_by_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("batcher.json");
        let of_role = async |text: &str| {
            std::fs::write(&path, text).unwrap();
            let signer = KeyArgs::default().signer_of_role(dir.path(), "batcher").await;
            format!("{:#}", signer.unwrap_err())
        };
        let address = Address::repeat_byte(7);
        // Nobody is there: the start fails, and says where.
        let text = format!(r#"{{"url": "http://u:secret@127.0.0.1:1", "address": "{address}"}}"#);
        let error = of_role(&text).await;
        assert!(error.contains("signer at http://127.0.0.1:1 does not answer"), "{error}");
        assert!(!error.contains("secret"), "{error}");
        let error = of_role(r#"{"url": "http://127.0.0.1:1"}"#).await;
        assert!(error.contains("does not name a remote signer"), "{error}");
        let text = text.replace("}", r#", "identity": "client.pem"}"#);
        let error = of_role(&text).await;
        assert!(error.contains(&*dir.path().join("client.pem").to_string_lossy()), "{error}");
        // Where a key must sign in this process, a file that names a signer is not taken for a damaged key.
        let args = KeyArgs { keystore: Some(path.clone()), ..KeyArgs::default() };
        assert!(format!("{:#}", args.load(1).unwrap_err()).contains("names a remote signer"));

        let flags = |url: &str| KeyArgs {
            signer_url: Some(url.parse().unwrap()),
            signer_address: Some(address),
            ..KeyArgs::default()
        };
        let error = flags("http://u:secret@127.0.0.1:1").signer(1).await.unwrap_err().to_string();
        assert!(error.contains("can read a password in --signer-url"), "{error}");
        let error = flags("http://127.0.0.1:1").signer(1).await.unwrap_err().to_string();
        assert!(error.contains("does not answer"), "{error}");
        assert!(flags("http://127.0.0.1:1").load(1).is_err());
    }
}
