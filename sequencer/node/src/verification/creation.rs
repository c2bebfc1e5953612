//! The transaction that created a contract, when it did so directly: as a creation, or through the
//! deterministic deployer that Foundry uses for CREATE2.

use alloy_consensus::Transaction;
use alloy_primitives::{Address, B256, Bytes, address};
use primitives::ReceiptEnvelope;
use store::StoreError;

use super::code_at;
use crate::chain::{Chain, SealedBlock};

/// Arachnid's deployer: its input is a salt and init code.
const DETERMINISTIC_DEPLOYER: Address = address!("4e59b44847b379578588920cA78FbF26c0B4956C");

/// How a contract came to be.
#[derive(Clone, Debug)]
pub(super) struct Creation {
    pub sender: Address,
    pub transaction: B256,
    /// Creation code and constructor arguments.
    pub init_code: Bytes,
}

/// `None` for predeploys, and for contracts that other contracts created.
pub(super) fn find(chain: &Chain, address: Address) -> Result<Option<Creation>, StoreError> {
    let has_code =
        |number| -> Result<bool, StoreError> { Ok(!code_at(chain, address, number)?.is_empty()) };
    let mut without = chain.genesis_number();
    let mut with = chain.heads().unsafe_head.number;
    if has_code(without)? || !has_code(with)? {
        return Ok(None);
    }
    // Ends at a block in which code appeared, however often it came and went.
    while with - without > 1 {
        let middle = without + (with - without) / 2;
        if has_code(middle)? {
            with = middle;
        } else {
            without = middle;
        }
    }
    Ok(chain.block(with)?.and_then(|block| within(&block, address)))
}

fn within(block: &SealedBlock, address: Address) -> Option<Creation> {
    let transactions = block.transactions().iter().zip(block.senders()).zip(block.receipts());
    transactions.into_iter().find_map(|((transaction, sender), receipt)| {
        let nonce = match receipt {
            ReceiptEnvelope::Deposit(deposit) => deposit.receipt.deposit_nonce?,
            _ => transaction.nonce(),
        };
        let init_code = match transaction.to() {
            None if sender.create(nonce) == address => transaction.input().clone(),
            Some(DETERMINISTIC_DEPLOYER) => {
                let (salt, init_code) = transaction.input().split_at_checked(32)?;
                let created =
                    DETERMINISTIC_DEPLOYER.create2_from_code(B256::from_slice(salt), init_code);
                (created == address).then(|| Bytes::copy_from_slice(init_code))?
            }
            _ => return None,
        };
        Some(Creation { sender: *sender, transaction: transaction.tx_hash(), init_code })
    })
}
