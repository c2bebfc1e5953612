//! A user's deposit: OPEN locked in the portal on L1, minted on L2.

use alloy_consensus::Sealable;
use alloy_network::EthereumWallet;
use alloy_primitives::{Address, B256, Bytes, TxHash, U256};
use alloy_provider::ProviderBuilder;
use messages::{DepositLog, TRANSACTION_DEPOSITED_TOPIC, decode_deposit};

use crate::{
    DepositError, L1Urls, RoleSigner,
    contracts::{Open, OptimismPortal},
};

/// L2 gas of a plain transfer with room for a contract that receives it.
const GAS_LIMIT_DEFAULT: u64 = 100_000;

/// What is deposited.
#[derive(Clone, Debug)]
pub struct Deposit {
    pub open: Address,
    pub optimism_portal: Address,
    /// Who receives it on L2.
    pub to: Address,
    /// Wei of OPEN.
    pub amount: U256,
}

/// A deposit that is in an L1 block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DepositReceipt {
    pub l1_transaction: TxHash,
    pub l1_block: u64,
    /// Hash of the transaction that the deposit becomes on L2.
    pub l2_transaction: B256,
}

/// Approves the portal if needed and deposits; returns when L1 has included it.
pub async fn deposit(
    l1: impl Into<L1Urls>,
    key: impl Into<RoleSigner>,
    deposit: &Deposit,
) -> Result<DepositReceipt, DepositError> {
    let key = key.into();
    let account = key.address();
    let provider =
        ProviderBuilder::new().wallet(EthereumWallet::from(key)).connect_client(l1.into().client());
    let open = Open::new(deposit.open, &provider);
    let portal = OptimismPortal::new(deposit.optimism_portal, &provider);
    let held = open.balanceOf(account).call().await?;
    if held < deposit.amount {
        return Err(DepositError::Balance { account, held, needed: deposit.amount });
    }
    if open.allowance(account, deposit.optimism_portal).call().await? < deposit.amount {
        let approval = open.approve(deposit.optimism_portal, deposit.amount).send().await?;
        let receipt = approval.get_receipt().await?;
        if !receipt.status() {
            let hash = receipt.transaction_hash;
            return Err(DepositError::Failed { what: "approve the portal", hash });
        }
    }
    let call = portal.depositERC20Transaction(
        deposit.to,
        deposit.amount,
        deposit.amount,
        GAS_LIMIT_DEFAULT,
        false,
        Bytes::new(),
    );
    // What the portal's fee market burns depends on the deposits before this one in its L1 block,
    // which an estimate cannot know.
    let estimate = call.estimate_gas().await?;
    let sent = call.gas(estimate.saturating_add(estimate / 2)).send().await?;
    let receipt = sent.get_receipt().await?;
    let hash = receipt.transaction_hash;
    if !receipt.status() {
        return Err(DepositError::Failed { what: "deposit", hash });
    }
    let log = receipt.logs().iter().find(|log| {
        log.address() == deposit.optimism_portal
            && log.topic0() == Some(&TRANSACTION_DEPOSITED_TOPIC)
    });
    let place = log.and_then(|log| {
        Some(DepositLog {
            data: log.data(),
            l1_block_hash: log.block_hash?,
            log_index: log.log_index?,
        })
    });
    let place = place.ok_or(DepositError::NoDeposit(hash))?;
    let l2 = decode_deposit(place).map_err(|source| DepositError::Decode { hash, source })?;
    Ok(DepositReceipt {
        l1_transaction: hash,
        l1_block: receipt.block_number.ok_or(DepositError::NoDeposit(hash))?,
        l2_transaction: l2.hash_slow(),
    })
}
