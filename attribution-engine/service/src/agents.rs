//! Agents and their purses: an ERC-8004 identity, and the account from which a key buys inference up to a cap per period,
//! from gateways that the agent's owner allows, until the key expires.
//!
//! The purse is the customer in the escrow. Its key signs the purse's API key and, call by call, the vouchers: the gateway
//! takes a key that is not its customer's own if the customer's authorisation names its signer.

use alloy_primitives::{Address, U256, address};
use alloy_provider::{DynProvider, Provider};
use alloy_rpc_types_eth::{TransactionReceipt, TransactionRequest};

use crate::chain::{
    Chain, ChainError, Result,
    bindings::agents::{
        IAgentAccount::{self, IAgentAccountInstance},
        IAgentAccounts::{self, IAgentAccountsInstance},
        IAgentIdentity::{self, IAgentIdentityInstance},
    },
    call, mined, rpc,
};

/// Addresses of the agents' contracts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AgentContracts {
    pub identity: Address,
    pub accounts: Address,
}

impl Default for AgentContracts {
    /// The genesis predeploys.
    fn default() -> Self {
        Self {
            identity: address!("0x4f50454e00000000000000000000000000000021"),
            accounts: address!("0x4f50454e00000000000000000000000000000024"),
        }
    }
}

/// What the key of a purse may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    pub key: Address,
    /// Wei in a period.
    pub cap: u128,
    /// Seconds, at least an hour.
    pub period: u32,
    /// Unix seconds after which the key is good for nothing.
    pub key_expiry: u64,
}

/// What a purse looks like now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Purse {
    pub account: Address,
    pub limits: Limits,
    /// Wei that the key can still lock in the running period.
    pub left_in_period: u128,
    /// Wei that the account holds outside of the escrow.
    pub balance: U256,
}

/// The contracts on a chain.
#[derive(Clone, Debug)]
pub struct Agents {
    chain: Chain,
    identity: IAgentIdentityInstance<DynProvider>,
    accounts: IAgentAccountsInstance<DynProvider>,
}

impl Agents {
    pub fn at(chain: &Chain, contracts: AgentContracts) -> Self {
        let provider = chain.provider();
        Self {
            identity: IAgentIdentity::new(contracts.identity, provider.clone()),
            accounts: IAgentAccounts::new(contracts.accounts, provider.clone()),
            chain: chain.clone(),
        }
    }

    /// Registers an agent of the sender with its registration file, and creates its purse; returns id and purse.
    pub async fn register(&self, uri: &str) -> Result<(u64, Address)> {
        let what = "registering an agent";
        let register = self.identity.register_1(uri.to_owned());
        let sent = {
            let _turn = self.chain.turn().await;
            register.send().await.map_err(call(what))?
        };
        let receipt = mined(what, sent).await?;
        let registered = receipt
            .logs()
            .iter()
            .find_map(|log| log.log_decode::<IAgentIdentity::Registered>().ok());
        let agent = registered
            .and_then(|log| u64::try_from(log.inner.agentId).ok())
            .ok_or(ChainError::Reverted { what, transaction: receipt.transaction_hash })?;
        let create = self.accounts.create(U256::from(agent));
        let sent = {
            let _turn = self.chain.turn().await;
            create.send().await.map_err(call("creating a purse"))?
        };
        mined("creating a purse", sent).await?;
        Ok((agent, self.account_of(agent).await?))
    }

    /// Where the agent's purse is.
    pub async fn account_of(&self, agent: u64) -> Result<Address> {
        let what = "reading an agent's purse";
        self.accounts.accountOf(U256::from(agent)).call().await.map_err(call(what))
    }

    /// The agent of a purse; `None` for any other address.
    pub async fn agent_of(&self, account: Address) -> Result<Option<u64>> {
        let what = "reading a purse's agent";
        let agent = self.accounts.agentOf(account).call().await.map_err(call(what))?;
        Ok(u64::try_from(agent).ok().filter(|agent| *agent != 0))
    }

    pub async fn purse(&self, agent: u64) -> Result<Purse> {
        let what = "reading a purse";
        let account = self.account_of(agent).await?;
        let contract = self.account(account);
        let limits = contract.limits().call().await.map_err(call(what))?;
        let left_in_period = contract.leftInPeriod().call().await.map_err(call(what))?;
        let balance = self.chain.provider().get_balance(account).await.map_err(rpc(what))?;
        let limits = Limits {
            key: limits.key,
            cap: limits.cap,
            period: limits.period,
            key_expiry: limits.keyExpiry,
        };
        Ok(Purse { account, limits, left_in_period, balance })
    }

    /// Pays `amount` wei into a purse. Anyone may.
    pub async fn fund(&self, agent: u64, amount: U256) -> Result<TransactionReceipt> {
        let what = "paying into a purse";
        let to = self.account_of(agent).await?;
        let payment = TransactionRequest::default().to(to).value(amount);
        let payment = payment.from(self.chain.sender().unwrap_or_default());
        let sent = {
            let _turn = self.chain.turn().await;
            self.chain.provider().send_transaction(payment).await.map_err(rpc(what))?
        };
        mined(what, sent).await
    }

    /// Names the purse's key and its limits; the sender owns the agent.
    pub async fn set_limits(&self, agent: u64, limits: Limits) -> Result<TransactionReceipt> {
        let what = "setting a purse's limits";
        let contract = self.account(self.account_of(agent).await?);
        let limits = contract.setLimits(IAgentAccount::Limits {
            key: limits.key,
            cap: limits.cap,
            period: limits.period,
            keyExpiry: limits.key_expiry,
        });
        let sent = {
            let _turn = self.chain.turn().await;
            limits.send().await.map_err(call(what))?
        };
        mined(what, sent).await
    }

    /// Lets the purse pay a gateway, or stops it; the sender owns the agent.
    pub async fn allow(
        &self,
        agent: u64,
        gateway: Address,
        allowed: bool,
    ) -> Result<TransactionReceipt> {
        let what = "allowing a gateway";
        let contract = self.account(self.account_of(agent).await?);
        let allowing = contract.setGateway(gateway, allowed);
        let sent = {
            let _turn = self.chain.turn().await;
            allowing.send().await.map_err(call(what))?
        };
        mined(what, sent).await
    }

    /// Authorises a gateway up to `cap` wei until `expiry`, Unix seconds; the sender is the purse's key.
    pub async fn authorize(
        &self,
        agent: u64,
        gateway: Address,
        cap: u128,
        expiry: u64,
    ) -> Result<TransactionReceipt> {
        let what = "authorising a gateway from a purse";
        let contract = self.account(self.account_of(agent).await?);
        let authorizing = contract.authorize(gateway, cap, expiry);
        let sent = {
            let _turn = self.chain.turn().await;
            authorizing.send().await.map_err(call(what))?
        };
        mined(what, sent).await
    }

    /// Pays what the purse holds, and has free in the escrow, to `to`; the sender owns the agent.
    pub async fn recover(&self, agent: u64, to: Address) -> Result<TransactionReceipt> {
        let what = "recovering a purse";
        let contract = self.account(self.account_of(agent).await?);
        let recovery = contract.recover(to);
        let sent = {
            let _turn = self.chain.turn().await;
            recovery.send().await.map_err(call(what))?
        };
        mined(what, sent).await
    }

    fn account(&self, account: Address) -> IAgentAccountInstance<DynProvider> {
        IAgentAccount::new(account, self.chain.provider().clone())
    }
}
