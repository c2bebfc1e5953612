//! First OPEN for newcomers, through `SponsorPool`: a sponsor pays in, its key signs a grant for an account, and anyone
//! brings the grant. The contract bounds it: once for each account, at most one OPEN, at most the sponsor's daily
//! allowance. What a grant is given for is the sponsor's decision and not made here.

use alloy_primitives::{Address, Bytes, Signature, U256, address};
use alloy_provider::DynProvider;
use alloy_rpc_types_eth::TransactionReceipt;
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use alloy_sol_types::{Eip712Domain, SolStruct};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    chain::{
        Chain, Result,
        bindings::sponsors::ISponsorPool::{self, ISponsorPoolInstance},
        call, mined,
    },
    typed_data::{Unsigned, typed_data},
};

/// Where `SponsorPool` stands in genesis.
pub const SPONSOR_POOL: Address = address!("0x4f50454e0000000000000000000000000000000f");

/// Most that one grant gives, wei; `SponsorPool.GRANT_MAX`.
pub const GRANT_MAX: u128 = 1_000_000_000_000_000_000;

mod signed {
    alloy_sol_types::sol! {
        /// As `SponsorPool` hashes it.
        struct Grant {
            address sponsor;
            address account;
            uint128 amount;
            uint64 deadline;
        }
    }
}

/// A grant that anyone may bring.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SignedGrant {
    pub sponsor: Address,
    pub account: Address,
    /// Wei.
    #[serde(with = "decimal")]
    pub amount: u128,
    /// Unix seconds.
    pub deadline: u64,
    pub signature: Bytes,
}

impl SignedGrant {
    /// With the signature of the sponsor's signer.
    pub fn signed(self, signature: &Signature) -> Self {
        Self { signature: Bytes::from(signature.as_bytes()), ..self }
    }
}

/// What a sponsor has and allows itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sponsor {
    /// Wei.
    pub balance: u128,
    /// Wei a day.
    pub per_day: u128,
    pub signer: Address,
}

/// The contract on a chain.
#[derive(Clone, Debug)]
pub struct Sponsors {
    chain: Chain,
    contract: ISponsorPoolInstance<DynProvider>,
}

impl Sponsors {
    pub fn at(chain: &Chain, pool: Address) -> Self {
        let contract = ISponsorPool::new(pool, chain.provider().clone());
        Self { chain: chain.clone(), contract }
    }

    pub async fn sponsor(&self, sponsor: Address) -> Result<Sponsor> {
        let what = "reading a sponsor";
        let stored = self.contract.sponsorOf(sponsor).call().await.map_err(call(what))?;
        Ok(Sponsor { balance: stored.balance, per_day: stored.perDay, signer: stored.signer })
    }

    /// Whether the account had its grant, from whomever.
    pub async fn is_sponsored(&self, account: Address) -> Result<bool> {
        let what = "reading whether an account is sponsored";
        self.contract.isSponsored(account).call().await.map_err(call(what))
    }

    /// Adds `amount` wei to the sender's balance as a sponsor.
    pub async fn deposit(&self, amount: U256) -> Result<TransactionReceipt> {
        let what = "paying in as a sponsor";
        let deposit = self.contract.deposit().value(amount);
        let sent = {
            let _turn = self.chain.turn().await;
            deposit.send().await.map_err(call(what))?
        };
        mined(what, sent).await
    }

    /// Sets who signs the sender's grants, and what they may come to in a day.
    pub async fn set_limits(&self, signer: Address, per_day: u128) -> Result<TransactionReceipt> {
        let what = "setting a sponsor's limits";
        let limits = self.contract.setLimits(signer, per_day);
        let sent = {
            let _turn = self.chain.turn().await;
            limits.send().await.map_err(call(what))?
        };
        mined(what, sent).await
    }

    /// Takes `amount` wei of the sender's balance back.
    pub async fn withdraw(&self, amount: u128) -> Result<TransactionReceipt> {
        let what = "withdrawing as a sponsor";
        let withdrawal = self.contract.withdraw(self.chain.sender().unwrap_or_default(), amount);
        let sent = {
            let _turn = self.chain.turn().await;
            withdrawal.send().await.map_err(call(what))?
        };
        mined(what, sent).await
    }

    /// A grant for the sponsor's signer to sign. Nothing is sent.
    pub fn grant(
        &self,
        sponsor: Address,
        account: Address,
        amount: u128,
        deadline: u64,
    ) -> Unsigned<SignedGrant> {
        let domain = self.domain();
        let grant = signed::Grant { sponsor, account, amount, deadline };
        let fields = [
            ("sponsor", "address"),
            ("account", "address"),
            ("amount", "uint128"),
            ("deadline", "uint64"),
        ];
        let message = json!({
            "sponsor": sponsor,
            "account": account,
            "amount": amount.to_string(),
            "deadline": deadline.to_string(),
        });
        Unsigned {
            content: SignedGrant { sponsor, account, amount, deadline, signature: Bytes::new() },
            digest: grant.eip712_signing_hash(&domain),
            typed_data: typed_data("Grant", &fields, &domain, message),
        }
    }

    /// The same, signed with a key.
    pub fn sign(
        &self,
        signer: &PrivateKeySigner,
        sponsor: Address,
        account: Address,
        amount: u128,
        deadline: u64,
    ) -> std::result::Result<SignedGrant, alloy_signer::Error> {
        let grant = self.grant(sponsor, account, amount, deadline);
        Ok(grant.content.signed(&signer.sign_hash_sync(&grant.digest)?))
    }

    /// Brings a grant to the contract, which pays its account.
    pub async fn bring(&self, grant: &SignedGrant) -> Result<TransactionReceipt> {
        let what = "bringing a grant";
        let SignedGrant { sponsor, account, amount, deadline, signature } = grant.clone();
        let grant = ISponsorPool::Grant { sponsor, account, amount, deadline };
        let granting = self.contract.grant(grant, signature);
        let sent = {
            let _turn = self.chain.turn().await;
            granting.send().await.map_err(call(what))?
        };
        mined(what, sent).await
    }

    fn domain(&self) -> Eip712Domain {
        Eip712Domain::new(
            Some("SponsorPool".into()),
            Some("1".into()),
            Some(U256::from(self.chain.chain_id())),
            Some(*self.contract.address()),
            None,
        )
    }
}

/// Wei as decimal strings: JSON readers round large numbers.
mod decimal {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(value: &u128, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u128, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}
