//! A call of a simulation as a transaction, and what is checked before it runs.

use alloy_consensus::{SignableTransaction, TxEip1559, TxEip4844, TxEip7702, TxLegacy};
use alloy_eips::eip4844::DATA_GAS_PER_BLOB;
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256};
use alloy_rpc_types_eth::{AccessList, TransactionRequest};
use primitives::TxEnvelope;
use revm::{
    context::{TxEnv, either::Either},
    context_interface::result::{EVMError, InvalidTransaction},
    state::AccountInfo,
};
use stf::{CallTx, ChainSpec};

use super::super::{
    error::{
        INSUFFICIENT_FUNDS, INTERNAL, INTRINSIC_GAS, MAX_INIT_CODE_SIZE, NONCE_TOO_HIGH,
        NONCE_TOO_LOW, RpcError,
    },
    execution,
};

/// A call with everything filled in.
#[derive(Debug)]
pub(super) struct Call {
    from: Address,
    to: TxKind,
    nonce: u64,
    gas: u64,
    value: U256,
    input: Bytes,
    chain_id: u64,
    fees: Fees,
    access_list: AccessList,
    blobs: Option<Blobs>,
    authorizations: Option<Vec<alloy_eips::eip7702::SignedAuthorization>>,
}

/// Wei per gas.
#[derive(Clone, Copy, Debug)]
enum Fees {
    Legacy { price: u128 },
    Dynamic { cap: u128, tip: u128 },
}

#[derive(Debug)]
struct Blobs {
    hashes: Vec<B256>,
    fee_cap: u128,
}

impl Call {
    /// `nonce` is the sender's, `gas` the limit; fees that are not given are zero.
    pub(super) fn new(
        spec: &ChainSpec,
        request: TransactionRequest,
        gas: u64,
        nonce: u64,
        base_fee: Option<u64>,
    ) -> Result<Self, RpcError> {
        let dynamic =
            request.max_fee_per_gas.is_some() || request.max_priority_fee_per_gas.is_some();
        if request.gas_price.is_some() && dynamic {
            return Err(RpcError::server(
                "both gasPrice and (maxFeePerGas or maxPriorityFeePerGas) specified",
            ));
        }
        if let Some(have) = request.chain_id
            && have != spec.chain_id
        {
            return Err(RpcError::server(format!(
                "chainId does not match node's (have={have}, want={})",
                spec.chain_id
            )));
        }
        let fees = match (request.gas_price, base_fee) {
            (None, Some(_)) => Fees::Dynamic {
                cap: request.max_fee_per_gas.unwrap_or_default(),
                tip: request.max_priority_fee_per_gas.unwrap_or_default(),
            },
            (price, _) => Fees::Legacy { price: price.unwrap_or_default() },
        };
        let to = request.to.unwrap_or(TxKind::Create);
        let blobs = request.blob_versioned_hashes.map(|hashes| Blobs {
            hashes,
            fee_cap: request.max_fee_per_blob_gas.unwrap_or_default(),
        });
        if to.is_create() && (blobs.is_some() || request.authorization_list.is_some()) {
            return Err(RpcError::invalid_params(
                "a transaction with blobs or authorizations cannot create a contract",
            ));
        }
        if blobs.is_some() && spec.as_ethereum().is_none() {
            return Err(RpcError::invalid_params("there are no blobs on a rollup"));
        }
        let input = request
            .input
            .try_into_unique_input()
            .map_err(|error| RpcError::invalid_params(error.to_string()))?;
        Ok(Self {
            from: request.from.unwrap_or_default(),
            to,
            nonce: request.nonce.unwrap_or(nonce),
            gas,
            value: request.value.unwrap_or_default(),
            input: input.unwrap_or_default(),
            chain_id: spec.chain_id,
            fees,
            access_list: request.access_list.unwrap_or_default(),
            blobs,
            authorizations: request.authorization_list,
        })
    }

    pub(super) const fn is_create(&self) -> bool {
        self.to.is_create()
    }

    /// Whether no price is offered.
    pub(super) const fn is_free(&self) -> bool {
        matches!(self.fees, Fees::Legacy { price: 0 } | Fees::Dynamic { cap: 0, tip: 0 })
    }

    const fn fee_cap(&self) -> u128 {
        match self.fees {
            Fees::Legacy { price } => price,
            Fees::Dynamic { cap, .. } => cap,
        }
    }

    /// What geth checks before a message is applied, in its order.
    pub(super) fn check(
        &self,
        sender: &AccountInfo,
        base_fee: Option<u64>,
        blob_fee: Option<u128>,
        validation: bool,
    ) -> Result<(), RpcError> {
        let from = self.from;
        if validation {
            let (tx, state) = (self.nonce, sender.nonce);
            let text = format!("address {from}, tx: {tx} state: {state}");
            if tx > state {
                return Err(self.error(NONCE_TOO_HIGH, format!("nonce too high: {text}")));
            }
            if tx < state {
                return Err(self.error(NONCE_TOO_LOW, format!("nonce too low: {text}")));
            }
            if tx == u64::MAX {
                let text = format!("nonce has max value: address {from}, nonce: {tx}");
                return Err(self.error(INTERNAL, text));
            }
        }
        let cap = self.fee_cap();
        if let Some(base_fee) = base_fee
            && (validation || !self.is_free())
        {
            if let Fees::Dynamic { tip, .. } = self.fees
                && tip > cap
            {
                return Err(RpcError::invalid_params(format!(
                    "err: max priority fee per gas higher than max fee per gas: address {from}, \
                     maxPriorityFeePerGas: {tip}, maxFeePerGas: {cap}"
                )));
            }
            if cap < u128::from(base_fee) {
                return Err(RpcError::invalid_params(format!(
                    "err: max fee per gas less than block base fee: address {from}, \
                     maxFeePerGas: {cap}, baseFee: {base_fee}"
                )));
            }
        }
        let mut need =
            U256::from(self.gas).saturating_mul(U256::from(cap)).saturating_add(self.value);
        if let Some(blobs) = &self.blobs {
            let price = blob_fee.unwrap_or_default();
            if blobs.fee_cap < price {
                let text = format!("max fee per blob gas less than block blob gas fee: {price}");
                return Err(self.error(INTERNAL, text));
            }
            let gas = DATA_GAS_PER_BLOB.saturating_mul(blobs.hashes.len() as u64);
            need = need.saturating_add(U256::from(gas).saturating_mul(U256::from(blobs.fee_cap)));
        }
        if sender.balance < need {
            let text = format!(
                "insufficient funds for gas * price + value: address {from} have {} want {need}",
                sender.balance
            );
            return Err(self.error(INSUFFICIENT_FUNDS, text));
        }
        Ok(())
    }

    /// Why the EVM does not run it.
    pub(super) fn refused<E: std::error::Error + 'static>(
        &self,
        error: EVMError<E, InvalidTransaction>,
    ) -> RpcError {
        use InvalidTransaction as Reason;
        let code = match &error {
            EVMError::Transaction(
                Reason::CallGasCostMoreThanGasLimit { .. }
                | Reason::GasFloorMoreThanGasLimit { .. },
            ) => INTRINSIC_GAS,
            EVMError::Transaction(
                Reason::LackOfFundForMaxFee { .. } | Reason::OverflowPaymentInTransaction,
            ) => INSUFFICIENT_FUNDS,
            EVMError::Transaction(Reason::CreateInitCodeSizeLimit) => MAX_INIT_CODE_SIZE,
            _ => INTERNAL,
        };
        let reason = execution::execution_error(error);
        self.error(code, reason.message.into_owned())
    }

    fn error(&self, code: i64, text: String) -> RpcError {
        RpcError::new(code, format!("err: {text} (supplied gas {})", self.gas))
    }

    /// As the EVM takes it.
    pub(super) fn to_evm(&self) -> CallTx {
        let (gas_price, tip) = match self.fees {
            Fees::Legacy { price } => (price, None),
            Fees::Dynamic { cap, tip } => (cap, Some(tip)),
        };
        let tx_type = if self.authorizations.is_some() {
            4
        } else if self.blobs.is_some() {
            3
        } else if tip.is_some() {
            2
        } else if self.access_list.is_empty() {
            0
        } else {
            1
        };
        let authorizations = self.authorizations.iter().flatten().cloned();
        stf::call_tx(TxEnv {
            tx_type,
            caller: self.from,
            gas_limit: self.gas,
            gas_price,
            kind: self.to,
            value: self.value,
            data: self.input.clone(),
            // Compared before, if at all.
            nonce: 0,
            chain_id: Some(self.chain_id),
            access_list: self.access_list.clone(),
            gas_priority_fee: tip,
            blob_hashes: self.blobs.as_ref().map(|all| all.hashes.clone()).unwrap_or_default(),
            max_fee_per_blob_gas: self.blobs.as_ref().map_or(0, |all| all.fee_cap),
            authorization_list: authorizations.map(Either::Left).collect(),
        })
    }

    /// As a block holds it, with an empty signature.
    pub(super) fn into_transaction(self) -> TxEnvelope {
        let signature = Signature::new(U256::ZERO, U256::ZERO, false);
        let Self { to, nonce, gas: gas_limit, value, input, chain_id, access_list, .. } = self;
        let (cap, tip) = match self.fees {
            Fees::Legacy { price } => {
                let chain_id = None;
                let gas_price = price;
                return TxLegacy { chain_id, nonce, gas_price, gas_limit, to, value, input }
                    .into_signed(signature)
                    .into();
            }
            Fees::Dynamic { cap, tip } => (cap, tip),
        };
        let address = to.to().copied().unwrap_or_default();
        if let Some(authorization_list) = self.authorizations {
            return TxEip7702 {
                chain_id,
                nonce,
                gas_limit,
                max_fee_per_gas: cap,
                max_priority_fee_per_gas: tip,
                to: address,
                value,
                access_list,
                authorization_list,
                input,
            }
            .into_signed(signature)
            .into();
        }
        if let Some(blobs) = self.blobs {
            return TxEip4844 {
                chain_id,
                nonce,
                gas_limit,
                max_fee_per_gas: cap,
                max_priority_fee_per_gas: tip,
                to: address,
                value,
                access_list,
                blob_versioned_hashes: blobs.hashes,
                max_fee_per_blob_gas: blobs.fee_cap,
                input,
            }
            .into_signed(signature)
            .into();
        }
        TxEip1559 {
            chain_id,
            nonce,
            gas_limit,
            max_fee_per_gas: cap,
            max_priority_fee_per_gas: tip,
            to,
            value,
            access_list,
            input,
        }
        .into_signed(signature)
        .into()
    }
}
