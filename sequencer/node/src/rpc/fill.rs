//! `eth_fillTransaction`: what a wallet would leave out of a transaction (geth).

use alloy_eips::{BlockId, eip2718::Encodable2718};
use alloy_primitives::TxKind;
use alloy_rpc_types_eth::{FillTransaction, TransactionRequest};
use primitives::TxEnvelope;

use super::{Api, error::RpcError, simulate};

impl Api {
    /// Nonce from the pool, gas estimated, fees for two more full blocks. The transaction and its bytes
    /// have an empty signature.
    pub(super) fn fill_transaction(
        &self,
        mut request: TransactionRequest,
    ) -> Result<FillTransaction<TxEnvelope>, RpcError> {
        let from = request.from.unwrap_or_default();
        let no_input = request.input.input.is_none() && request.input.data.is_none();
        if request.to.unwrap_or(TxKind::Create).is_create() && no_input {
            return Err(RpcError::server("contract creation without any data provided"));
        }
        let head = self.chain.head().map_err(|error| RpcError::internal(&error))?;
        let base_fee = head.header().base_fee_per_gas;
        match base_fee {
            Some(base_fee) if request.gas_price.is_none() => {
                let tip = match request.max_priority_fee_per_gas {
                    Some(tip) => tip,
                    // No more than the cap that is offered.
                    None => {
                        let tip: u128 = self.suggested_tip()?.saturating_to();
                        tip.min(request.max_fee_per_gas.unwrap_or(u128::MAX))
                    }
                };
                let cap = request
                    .max_fee_per_gas
                    .unwrap_or(tip.saturating_add(u128::from(base_fee).saturating_mul(2)));
                if cap < tip {
                    return Err(RpcError::server(format!(
                        "maxFeePerGas ({cap}) < maxPriorityFeePerGas ({tip})"
                    )));
                }
                request.max_priority_fee_per_gas = Some(tip);
                request.max_fee_per_gas = Some(cap);
            }
            Some(_) if request.gas_price == Some(0) => {
                return Err(RpcError::server("gasPrice must be non-zero after london fork"));
            }
            None if request.gas_price.is_none() => {
                request.gas_price = Some(self.gas_price()?.saturating_to());
            }
            _ => {}
        }
        if request.blob_versioned_hashes.is_some() && request.max_fee_per_blob_gas.is_none() {
            let price: u128 = self.blob_base_fee()?.saturating_to();
            request.max_fee_per_blob_gas = Some(price.saturating_mul(2));
        }
        let nonce = match request.nonce {
            Some(nonce) => nonce,
            None => self.transaction_count(from, BlockId::pending())?.to(),
        };
        let gas = match request.gas {
            Some(gas) => gas,
            None => {
                let gas = self.estimate_gas(request.clone(), BlockId::pending(), None, None)?;
                gas.saturating_to()
            }
        };
        let tx = simulate::unsigned(self.chain.spec(), request, gas, nonce, base_fee)?;
        Ok(FillTransaction { raw: tx.encoded_2718().into(), tx })
    }
}
