//! A user's deposit: OPEN locked in the portal on L1 and minted on L2, and a call on L2 that the sequencer cannot
//! leave out.

use alloy_consensus::Sealable;
use alloy_network::EthereumWallet;
use alloy_primitives::{Address, B256, Bytes, TxHash, U256};
use alloy_provider::ProviderBuilder;
use messages::{DepositLog, TRANSACTION_DEPOSITED_TOPIC, decode_deposit};

use crate::{
    DepositError, L1Urls, RoleSigner,
    contracts::{Open, OptimismPortal},
    inclusion::included,
};

/// L2 gas of a plain transfer with room for a contract that receives it.
const GAS_LIMIT_DEFAULT: u64 = 100_000;

/// What is deposited.
#[derive(Clone, Debug)]
pub struct Deposit {
    pub open: Address,
    pub optimism_portal: Address,
    /// Wei of OPEN that are locked on L1, and minted to the depositor on L2 whatever becomes of the call.
    pub mint: U256,
    /// Whom the depositor calls on L2.
    pub to: Address,
    /// Wei of OPEN that go along, of what the depositor has on L2 then.
    pub value: U256,
    pub data: Bytes,
    /// L2 gas, paid for on L1.
    pub gas_limit: u64,
}

impl Deposit {
    /// OPEN for somebody on L2.
    pub const fn transfer(
        open: Address,
        optimism_portal: Address,
        to: Address,
        amount: U256,
    ) -> Self {
        Self {
            open,
            optimism_portal,
            mint: amount,
            to,
            value: amount,
            data: Bytes::new(),
            gas_limit: GAS_LIMIT_DEFAULT,
        }
    }
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
    if held < deposit.mint {
        return Err(DepositError::Balance { account, held, needed: deposit.mint });
    }
    if open.allowance(account, deposit.optimism_portal).call().await? < deposit.mint {
        let approval = open.approve(deposit.optimism_portal, deposit.mint).send().await?;
        included("approve the portal", approval).await?;
    }
    let call = portal.depositERC20Transaction(
        deposit.to,
        deposit.mint,
        deposit.value,
        deposit.gas_limit,
        false,
        deposit.data.clone(),
    );
    // What the portal's fee market burns depends on the deposits before this one in its L1 block,
    // which an estimate cannot know.
    let estimate = call.estimate_gas().await?;
    let sent = call.gas(estimate.saturating_add(estimate / 2)).send().await?;
    let receipt = included("deposit", sent).await?;
    let hash = receipt.transaction_hash;
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
