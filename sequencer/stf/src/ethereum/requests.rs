//! Execution requests at the end of a block, since Prague (EIP-7685): deposits from logs (EIP-6110),
//! withdrawals (EIP-7002) and consolidations (EIP-7251) from the contracts' queues.

use alloc::{string::ToString, vec::Vec};

use alloy_eips::{
    eip6110::{DEPOSIT_REQUEST_TYPE, MAINNET_DEPOSIT_CONTRACT_ADDRESS},
    eip7002::{WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS, WITHDRAWAL_REQUEST_TYPE},
    eip7251::{CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS, CONSOLIDATION_REQUEST_TYPE},
    eip7685::Requests,
};
use alloy_evm::eth::eip6110::accumulate_deposits_from_receipts;
use alloy_primitives::Bytes;
use revm::{DatabaseRef, context_interface::result::ExecutionResult};

use super::{EthereumBuilder, ethereum};
use crate::error::BlockError;

impl<S> EthereumBuilder<S>
where
    S: DatabaseRef<Error: core::error::Error + Send + Sync + 'static> + core::fmt::Debug,
{
    pub(super) fn requests(&mut self) -> Result<Requests, BlockError> {
        let contract = ethereum(&self.spec)?
            .config()
            .deposit_contract_address
            .unwrap_or(MAINNET_DEPOSIT_CONTRACT_ADDRESS);
        let mut deposits = Vec::new();
        accumulate_deposits_from_receipts(contract, &self.receipts, &mut deposits)
            .map_err(|error| BlockError::DepositRequest(error.to_string()))?;
        let mut requests = Requests::default();
        if !deposits.is_empty() {
            requests.push_request_with_type(DEPOSIT_REQUEST_TYPE, deposits);
        }
        for (contract, kind) in [
            (WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS, WITHDRAWAL_REQUEST_TYPE),
            (CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS, CONSOLIDATION_REQUEST_TYPE),
        ] {
            let invalid = |reason: &str| BlockError::SystemCall { contract, reason: reason.into() };
            match self.system_call(contract, Bytes::new())? {
                Some(ExecutionResult::Success { output, .. }) => {
                    let data = output.into_data();
                    if !data.is_empty() {
                        requests.push_request_with_type(kind, data);
                    }
                }
                Some(_) => return Err(invalid("the call failed")),
                None => return Err(invalid("there is no contract")),
            }
        }
        Ok(requests)
    }
}
