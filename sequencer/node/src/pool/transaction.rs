//! A transaction on its way into the pool: decoded, checked against everything that needs no
//! state, with its sender recovered once and the sizes that pricing needs computed once.

use std::time::Instant;

use alloy_consensus::{Transaction, Typed2718};
use alloy_eips::{
    eip2718::{Eip2718Error, Encodable2718},
    eip7594::BlobTransactionSidecarVariant,
};
use alloy_primitives::{Address, B256, U256};

use primitives::{Recovered, TxEnvelope};
use revm::{context_interface::cfg::gas::calculate_initial_tx_gas, primitives::hardfork::SpecId};

use super::{BlobRules, Conditions, blobs};
use crate::{config::PoolConfig, error::PoolError, fees::L1Fees, senders};

/// EIP-3860: twice EIP-170's limit of contract code.
const INIT_CODE_BYTES_MAX: usize = 2 * 24_576;
/// Percent by which the fees of a blob transaction must exceed those of one it replaces (geth).
const BLOB_BUMP_PERCENT: u32 = 100;
/// Heap and map overhead counted for each transaction beside its encoded bytes.
const OVERHEAD_BYTES: usize = 768;
/// The same for each authority.
const AUTHORITY_BYTES: usize = 64;
/// The same for each condition.
const CONDITION_BYTES: usize = 128;

/// A checked transaction with its recovered sender. Shared by reference; never copied.
#[derive(Debug)]
pub struct PoolTransaction {
    transaction: Recovered<TxEnvelope>,
    hash: B256,
    /// Length of the EIP-2718 encoding, with the blobs.
    encoded_bytes: usize,
    /// Estimated compressed size, scaled by 10^6 (Fjord).
    size_scaled: u64,
    /// Wei: value plus gas limit times fee cap, without L1 and operator fee.
    execution_cost: U256,
    /// Accounts whose code the transaction may set (EIP-7702), without repetitions.
    authorities: Box<[Address]>,
    conditions: Option<Box<Conditions>>,
    /// The blobs of a blob transaction.
    sidecar: Option<Box<BlobTransactionSidecarVariant>>,
    received: Instant,
}

/// A decoded transaction that passed what needs neither state nor its sender.
#[derive(Debug)]
pub(crate) struct Unsigned {
    envelope: TxEnvelope,
    encoded_bytes: usize,
    size_scaled: u64,
    sidecar: Option<Box<BlobTransactionSidecarVariant>>,
}

impl Unsigned {
    /// Decodes the EIP-2718 bytes a client sent and checks what needs no state.
    pub(super) fn decode(
        bytes: &[u8],
        chain_id: u64,
        limits: &PoolConfig,
    ) -> Result<Self, PoolError> {
        if bytes.len() > limits.transaction_bytes_max {
            return Err(PoolError::Oversized {
                size: bytes.len(),
                limit: limits.transaction_bytes_max,
            });
        }
        Self::checked(decode_envelope(bytes)?, bytes, chain_id, limits)
    }

    /// The same of a blob transaction with its blobs.
    pub(super) fn decode_blobs(
        bytes: &[u8],
        chain_id: u64,
        limits: &PoolConfig,
        rules: &BlobRules,
    ) -> Result<Self, PoolError> {
        let limit = limits.transaction_bytes_max.saturating_add(rules.bytes_max());
        if bytes.len() > limit {
            return Err(PoolError::Oversized { size: bytes.len(), limit });
        }
        let (envelope, sidecar) = blobs::decode(bytes, rules)?;
        let transaction = Self::checked(envelope, bytes, chain_id, limits)?;
        Ok(Self { sidecar: Some(Box::new(sidecar)), ..transaction })
    }

    fn checked(
        envelope: TxEnvelope,
        bytes: &[u8],
        chain_id: u64,
        limits: &PoolConfig,
    ) -> Result<Self, PoolError> {
        check_shape(&envelope, chain_id)?;
        if envelope.priority_fee_or_price() < limits.tip_min {
            return Err(PoolError::TipTooLow {
                tip: envelope.priority_fee_or_price(),
                needed: limits.tip_min,
            });
        }
        // Blobs exist where data costs nothing beside gas.
        let size_scaled = match &envelope {
            TxEnvelope::Eip4844(_) => 0,
            _ => op_revm::estimate_tx_compressed_size(bytes),
        };
        Ok(Self { envelope, encoded_bytes: bytes.len(), size_scaled, sidecar: None })
    }

    pub(super) const fn envelope(&self) -> &TxEnvelope {
        &self.envelope
    }

    /// With its sender, if there is one.
    pub(super) fn signed_by(
        self,
        sender: Option<Address>,
        chain_id: u64,
    ) -> Result<PoolTransaction, PoolError> {
        let sender = sender.ok_or(PoolError::InvalidSender)?;
        let authorities = authorities(&self.envelope, chain_id);
        let transaction = Recovered::new_unchecked(self.envelope, sender);
        let Self { encoded_bytes, size_scaled, sidecar, .. } = self;
        let transaction =
            PoolTransaction::from_parts(transaction, encoded_bytes, size_scaled, authorities);
        Ok(PoolTransaction { sidecar, ..transaction })
    }
}

impl PoolTransaction {
    /// Decodes the EIP-2718 bytes a client sent, checks what needs no state and recovers the
    /// sender. Costs about one signature recovery; call it off the async threads for batches.
    pub fn decode(bytes: &[u8], chain_id: u64, limits: &PoolConfig) -> Result<Self, PoolError> {
        let unsigned = Unsigned::decode(bytes, chain_id, limits)?;
        let sender = senders::recover(&unsigned.envelope);
        unsigned.signed_by(sender, chain_id)
    }

    /// A transaction that a block held which is no longer part of the chain. `None` for one that no
    /// user sent.
    pub fn from_dropped_block(transaction: Recovered<TxEnvelope>, chain_id: u64) -> Option<Self> {
        if !matches!(transaction.ty(), 0 | 1 | 2 | 4) {
            return None;
        }
        let bytes = transaction.inner().encoded_2718();
        let size_scaled = op_revm::estimate_tx_compressed_size(&bytes);
        let authorities = authorities(transaction.inner(), chain_id);
        Some(Self::from_parts(transaction, bytes.len(), size_scaled, authorities))
    }

    /// Wraps a transaction that was checked before.
    pub(super) fn from_parts(
        transaction: Recovered<TxEnvelope>,
        encoded_bytes: usize,
        size_scaled: u64,
        authorities: Vec<Address>,
    ) -> Self {
        let gas_cost = U256::from(transaction.gas_limit())
            .saturating_mul(U256::from(transaction.max_fee_per_gas()));
        let blob_cost = U256::from(transaction.blob_gas_used().unwrap_or_default())
            .saturating_mul(U256::from(transaction.max_fee_per_blob_gas().unwrap_or_default()));
        Self {
            hash: transaction.tx_hash(),
            encoded_bytes,
            size_scaled,
            execution_cost: gas_cost.saturating_add(blob_cost).saturating_add(transaction.value()),
            authorities: authorities.into_boxed_slice(),
            conditions: None,
            sidecar: None,
            received: Instant::now(),
            transaction,
        }
    }

    /// The transaction with its sender, as block building takes it.
    pub const fn recovered(&self) -> &Recovered<TxEnvelope> {
        &self.transaction
    }

    pub const fn hash(&self) -> B256 {
        self.hash
    }

    pub const fn sender(&self) -> Address {
        self.transaction.signer()
    }

    pub fn nonce(&self) -> u64 {
        self.transaction.nonce()
    }

    pub fn gas_limit(&self) -> u64 {
        self.transaction.gas_limit()
    }

    /// The blobs, if it has some.
    pub fn sidecar(&self) -> Option<&BlobTransactionSidecarVariant> {
        self.sidecar.as_deref()
    }

    /// The bytes a client sends: EIP-2718's, of a blob transaction with its blobs.
    pub fn encoded(&self) -> Vec<u8> {
        match (self.transaction.inner(), &self.sidecar) {
            (TxEnvelope::Eip4844(signed), Some(sidecar)) => {
                blobs::encode(signed, sidecar.as_ref().clone())
            }
            (other, _) => other.encoded_2718(),
        }
    }

    /// The bytes of a block's blob transaction as a client sent them; `None` of another transaction.
    pub(crate) fn encode_with_blobs(
        transaction: &TxEnvelope,
        sidecar: BlobTransactionSidecarVariant,
    ) -> Option<Vec<u8>> {
        match transaction {
            TxEnvelope::Eip4844(signed) => Some(blobs::encode(signed, sidecar)),
            _ => None,
        }
    }

    /// Length of the encoding as it came, bytes.
    pub const fn encoded_bytes(&self) -> usize {
        self.encoded_bytes
    }

    /// Estimated compressed size, scaled by 10^6.
    pub const fn size_scaled(&self) -> u64 {
        self.size_scaled
    }

    /// Accounts whose code the transaction may set (EIP-7702): those that signed one of its
    /// authorisations for this chain.
    pub fn authorities(&self) -> &[Address] {
        &self.authorities
    }

    /// To be included only while the conditions hold.
    #[must_use]
    pub fn with_conditions(mut self, conditions: Conditions) -> Self {
        self.conditions = Some(Box::new(conditions));
        self
    }

    /// What must hold when a block takes it.
    pub fn conditions(&self) -> Option<&Conditions> {
        self.conditions.as_deref()
    }

    /// When this node first saw it.
    pub const fn received(&self) -> Instant {
        self.received
    }

    /// Memory this transaction is counted with, bytes.
    pub fn memory_bytes(&self) -> usize {
        let conditions = self.conditions().map_or(0, Conditions::cost);
        self.encoded_bytes
            + OVERHEAD_BYTES
            + self.authorities.len() * AUTHORITY_BYTES
            + conditions * CONDITION_BYTES
    }

    /// Most wei the sender can lose by it: value, gas at the fee cap, L1 data fee and operator fee.
    pub fn total_cost(&self, fees: &L1Fees) -> U256 {
        self.execution_cost
            .saturating_add(fees.data_fee(self.size_scaled))
            .saturating_add(fees.operator_fee(self.gas_limit()))
    }

    /// Wei per gas for the sequencer at `base_fee`; `None` when the fee cap is below the base fee.
    pub fn effective_tip(&self, base_fee: u64) -> Option<u128> {
        self.transaction.effective_tip_per_gas(base_fee)
    }

    /// Whether this may take the place of `old`, both fees being `bump_percent` higher (geth's
    /// rule: each at least the bumped one, and strictly higher).
    pub fn outbids(&self, old: &Self, bump_percent: u32) -> bool {
        // A blob transaction is dear to pass on: geth's pool wants twice the price for another.
        let (blob, old_blob) =
            (self.transaction.max_fee_per_blob_gas(), old.transaction.max_fee_per_blob_gas());
        let has_blobs = blob.or(old_blob).is_some();
        let bump_percent =
            if has_blobs { bump_percent.max(BLOB_BUMP_PERCENT) } else { bump_percent };
        let bumped = |fee: u128| {
            fee.saturating_add(fee / 100 * u128::from(bump_percent))
                .saturating_add((fee % 100 * u128::from(bump_percent)).div_ceil(100))
        };
        let (cap, old_cap) =
            (self.transaction.max_fee_per_gas(), old.transaction.max_fee_per_gas());
        let (tip, old_tip) =
            (self.transaction.priority_fee_or_price(), old.transaction.priority_fee_or_price());
        let blob_pays = old_blob.is_none_or(|old| blob.is_some_and(|new| new >= bumped(old)));
        cap > old_cap
            && tip > old_tip
            && cap >= bumped(old_cap)
            && tip >= bumped(old_tip)
            && blob_pays
    }
}

/// Who signed the authorisations that can have an effect. One recovery each; their number is bounded
/// by the intrinsic gas.
fn authorities(envelope: &TxEnvelope, chain_id: u64) -> Vec<Address> {
    let mut authorities: Vec<Address> = envelope
        .authorization_list()
        .unwrap_or_default()
        .iter()
        .filter(|authorization| {
            authorization.chain_id.is_zero() || authorization.chain_id == U256::from(chain_id)
        })
        .filter_map(|authorization| authorization.recover_authority().ok())
        .collect();
    authorities.sort_unstable();
    authorities.dedup();
    authorities
}

fn decode_envelope(bytes: &[u8]) -> Result<TxEnvelope, PoolError> {
    match bytes {
        [] => return Err(PoolError::TooShort),
        // Below 0xc0 stands a type byte; of those only 1, 2 and 4 may come from outside.
        [kind, rest @ ..] if *kind < 0xc0 => {
            if !matches!(kind, 1 | 2 | 4) {
                return Err(PoolError::TypeNotSupported);
            }
            if rest.is_empty() {
                return Err(PoolError::TooShort);
            }
        }
        _ => {}
    }
    TxEnvelope::decode_strict(bytes).map_err(|error| match error {
        Eip2718Error::RlpError(error) => PoolError::Decode(error),
        // The type byte is known to be right: it is the legacy list that is broken.
        _ => PoolError::Decode(alloy_rlp::Error::Custom("malformed legacy transaction")),
    })
}

/// Everything that holds for all time on one chain, in geth's order.
fn check_shape(envelope: &TxEnvelope, chain_id: u64) -> Result<(), PoolError> {
    if !matches!(envelope.ty(), 0..=4) {
        return Err(PoolError::TypeNotSupported);
    }
    if envelope.is_create() && envelope.input().len() > INIT_CODE_BYTES_MAX {
        return Err(PoolError::InitCodeTooLarge {
            size: envelope.input().len(),
            limit: INIT_CODE_BYTES_MAX,
        });
    }
    match envelope.chain_id() {
        None => return Err(PoolError::NotReplayProtected),
        Some(have) if have != chain_id => {
            return Err(PoolError::ChainId { have, want: chain_id });
        }
        Some(_) => {}
    }
    if envelope.nonce() == u64::MAX {
        return Err(PoolError::NonceMax);
    }
    if envelope.max_priority_fee_per_gas().is_some_and(|tip| tip > envelope.max_fee_per_gas()) {
        return Err(PoolError::TipAboveFeeCap);
    }
    if envelope.authorization_list().is_some_and(<[_]>::is_empty) {
        return Err(PoolError::EmptyAuthorizationList);
    }
    check_intrinsic_gas(envelope)
}

fn check_intrinsic_gas(envelope: &TxEnvelope) -> Result<(), PoolError> {
    let (accounts, slots) = envelope.access_list().map_or((0, 0), |list| {
        let slots: usize = list.iter().map(|item| item.storage_keys.len()).sum();
        (list.len(), slots)
    });
    let needed = calculate_initial_tx_gas(
        SpecId::PRAGUE,
        envelope.input(),
        envelope.is_create(),
        accounts as u64,
        slots as u64,
        envelope.authorization_list().map_or(0, <[_]>::len) as u64,
    );
    let gas = envelope.gas_limit();
    if gas < needed.initial_total_gas {
        return Err(PoolError::IntrinsicGas { gas, needed: needed.initial_total_gas });
    }
    if gas < needed.floor_gas {
        return Err(PoolError::FloorDataGas { gas, needed: needed.floor_gas });
    }
    Ok(())
}
