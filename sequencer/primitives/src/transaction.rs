//! Transactions and receipts of both kinds of chain: Ethereum's types, blobs included, and the OP
//! Stack's deposits.

use alloy_consensus::{
    Eip658Value, Receipt, ReceiptWithBloom, Sealable, Sealed, Signed, TransactionEnvelope,
    TxEip1559, TxEip2930, TxEip4844, TxEip7702, TxLegacy, TxReceipt, Typed2718,
    crypto::RecoveryError,
    transaction::{SignerRecoverable, TxHashRef},
};
use alloy_eips::eip2718::{Decodable2718, Eip2718Error, Eip2718Result, Encodable2718, IsTyped2718};
use alloy_primitives::{Address, B256, Bloom, Log, Signature, logs_bloom};
use alloy_rlp::{BufMut, Decodable, Encodable};
use op_alloy_consensus::{OpDepositReceipt, OpTransaction, TxDeposit, TxPostExec};

/// A transaction as blocks hold it (EIP-2718). Type 3 is without its sidecar, and occurs on an
/// Ethereum chain only; type 0x7E on a rollup only.
#[derive(Debug, Clone, TransactionEnvelope)]
#[envelope(tx_type_name = TxType, typed = TypedTransaction)]
pub enum TxEnvelope {
    #[envelope(ty = 0)]
    Legacy(Signed<TxLegacy>),
    /// Access lists.
    #[envelope(ty = 1)]
    Eip2930(Signed<TxEip2930>),
    /// Fee caps.
    #[envelope(ty = 2)]
    Eip1559(Signed<TxEip1559>),
    /// Blobs.
    #[envelope(ty = 3)]
    Eip4844(Signed<TxEip4844>),
    /// Delegations of accounts.
    #[envelope(ty = 4)]
    Eip7702(Signed<TxEip7702>),
    /// What L1 puts on L2; unsigned.
    #[envelope(ty = 126)]
    #[serde(serialize_with = "op_alloy_consensus::serde_deposit_tx_rpc")]
    Deposit(Sealed<TxDeposit>),
}

impl TxEnvelope {
    /// Decodes a transaction that came from outside: exactly these bytes, and in the only encoding
    /// that they have.
    ///
    /// SOUNDNESS: the derived decoder takes a bare RLP list for a deposit if it has a deposit's
    /// fields. In a batch, where deposits are known by their type byte and refused, such a list would
    /// mint whatever it says.
    pub fn decode_strict(bytes: &[u8]) -> Eip2718Result<Self> {
        let transaction = Self::decode_2718_exact(bytes)?;
        let deposit = u8::from(TxType::Deposit);
        if transaction.is_deposit() && bytes.first() != Some(&deposit) {
            return Err(Eip2718Error::UnexpectedType(deposit));
        }
        Ok(transaction)
    }

    pub const fn is_deposit(&self) -> bool {
        matches!(self, Self::Deposit(_))
    }

    pub const fn as_deposit(&self) -> Option<&Sealed<TxDeposit>> {
        match self {
            Self::Deposit(deposit) => Some(deposit),
            _ => None,
        }
    }

    pub const fn tx_type(&self) -> TxType {
        match self {
            Self::Legacy(_) => TxType::Legacy,
            Self::Eip2930(_) => TxType::Eip2930,
            Self::Eip1559(_) => TxType::Eip1559,
            Self::Eip4844(_) => TxType::Eip4844,
            Self::Eip7702(_) => TxType::Eip7702,
            Self::Deposit(_) => TxType::Deposit,
        }
    }

    pub fn hash(&self) -> &B256 {
        match self {
            Self::Legacy(tx) => tx.hash(),
            Self::Eip2930(tx) => tx.hash(),
            Self::Eip1559(tx) => tx.hash(),
            Self::Eip4844(tx) => tx.hash(),
            Self::Eip7702(tx) => tx.hash(),
            Self::Deposit(tx) => tx.hash_ref(),
        }
    }

    pub fn tx_hash(&self) -> B256 {
        *self.hash()
    }

    /// Signature and what it signs; a deposit has none.
    pub fn signed(&self) -> Option<(&Signature, B256)> {
        Some(match self {
            Self::Legacy(tx) => (tx.signature(), tx.signature_hash()),
            Self::Eip2930(tx) => (tx.signature(), tx.signature_hash()),
            Self::Eip1559(tx) => (tx.signature(), tx.signature_hash()),
            Self::Eip4844(tx) => (tx.signature(), tx.signature_hash()),
            Self::Eip7702(tx) => (tx.signature(), tx.signature_hash()),
            Self::Deposit(_) => return None,
        })
    }

    pub fn signature(&self) -> Option<&Signature> {
        match self {
            Self::Legacy(tx) => Some(tx.signature()),
            Self::Eip2930(tx) => Some(tx.signature()),
            Self::Eip1559(tx) => Some(tx.signature()),
            Self::Eip4844(tx) => Some(tx.signature()),
            Self::Eip7702(tx) => Some(tx.signature()),
            Self::Deposit(_) => None,
        }
    }
}

impl SignerRecoverable for TxEnvelope {
    fn recover_signer(&self) -> Result<Address, RecoveryError> {
        match (self, self.signed()) {
            (Self::Deposit(deposit), _) => Ok(deposit.from),
            (_, Some((signature, hash))) => {
                alloy_consensus::crypto::secp256k1::recover_signer(signature, hash)
            }
            (_, None) => Err(RecoveryError::new()),
        }
    }

    fn recover_signer_unchecked(&self) -> Result<Address, RecoveryError> {
        match (self, self.signed()) {
            (Self::Deposit(deposit), _) => Ok(deposit.from),
            (_, Some((signature, hash))) => {
                alloy_consensus::crypto::secp256k1::recover_signer_unchecked(signature, hash)
            }
            (_, None) => Err(RecoveryError::new()),
        }
    }
}

impl TxHashRef for TxEnvelope {
    fn tx_hash(&self) -> &B256 {
        self.hash()
    }
}

impl OpTransaction for TxEnvelope {
    fn is_deposit(&self) -> bool {
        self.is_deposit()
    }

    fn as_deposit(&self) -> Option<&Sealed<TxDeposit>> {
        self.as_deposit()
    }

    fn as_post_exec(&self) -> Option<&Sealed<TxPostExec>> {
        None
    }
}

macro_rules! from_signed {
    ($($kind:ident($inner:ty)),*) => {$(
        impl From<Signed<$inner>> for TxEnvelope {
            fn from(tx: Signed<$inner>) -> Self {
                Self::$kind(tx)
            }
        }
    )*};
}

from_signed!(
    Legacy(TxLegacy),
    Eip2930(TxEip2930),
    Eip1559(TxEip1559),
    Eip4844(TxEip4844),
    Eip7702(TxEip7702)
);

impl From<TxDeposit> for TxEnvelope {
    fn from(deposit: TxDeposit) -> Self {
        Self::Deposit(deposit.seal_slow())
    }
}

/// A receipt with its bloom, as the receipts root commits to it. Before Byzantium its status is the
/// state root after the transaction (EIP-658).
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "type")]
pub enum ReceiptEnvelope<T = Log> {
    #[serde(rename = "0x0", alias = "0x00")]
    Legacy(ReceiptWithBloom<Receipt<T>>),
    #[serde(rename = "0x1", alias = "0x01")]
    Eip2930(ReceiptWithBloom<Receipt<T>>),
    #[serde(rename = "0x2", alias = "0x02")]
    Eip1559(ReceiptWithBloom<Receipt<T>>),
    #[serde(rename = "0x3", alias = "0x03")]
    Eip4844(ReceiptWithBloom<Receipt<T>>),
    #[serde(rename = "0x4", alias = "0x04")]
    Eip7702(ReceiptWithBloom<Receipt<T>>),
    #[serde(rename = "0x7e", alias = "0x7E")]
    Deposit(ReceiptWithBloom<OpDepositReceipt<T>>),
}

impl ReceiptEnvelope {
    /// A receipt of a transaction type; the last two are a deposit's alone.
    pub fn new(
        kind: TxType,
        receipt: Receipt,
        deposit_nonce: Option<u64>,
        deposit_receipt_version: Option<u64>,
    ) -> Self {
        let bloom = logs_bloom(&receipt.logs);
        Self::with_bloom(kind, receipt, bloom, deposit_nonce, deposit_receipt_version)
    }

    /// The same, of whose logs the bloom is known.
    pub fn with_bloom(
        kind: TxType,
        receipt: Receipt,
        logs_bloom: Bloom,
        deposit_nonce: Option<u64>,
        deposit_receipt_version: Option<u64>,
    ) -> Self {
        let ethereum = |receipt| ReceiptWithBloom { receipt, logs_bloom };
        match kind {
            TxType::Legacy => Self::Legacy(ethereum(receipt)),
            TxType::Eip2930 => Self::Eip2930(ethereum(receipt)),
            TxType::Eip1559 => Self::Eip1559(ethereum(receipt)),
            TxType::Eip4844 => Self::Eip4844(ethereum(receipt)),
            TxType::Eip7702 => Self::Eip7702(ethereum(receipt)),
            TxType::Deposit => Self::Deposit(ReceiptWithBloom {
                receipt: OpDepositReceipt {
                    inner: receipt,
                    deposit_nonce,
                    deposit_receipt_version,
                },
                logs_bloom,
            }),
        }
    }
}

impl<T> ReceiptEnvelope<T> {
    pub const fn as_receipt(&self) -> &Receipt<T> {
        match self {
            Self::Legacy(r)
            | Self::Eip2930(r)
            | Self::Eip1559(r)
            | Self::Eip4844(r)
            | Self::Eip7702(r) => &r.receipt,
            Self::Deposit(r) => &r.receipt.inner,
        }
    }

    pub const fn logs_bloom(&self) -> &Bloom {
        match self {
            Self::Legacy(r)
            | Self::Eip2930(r)
            | Self::Eip1559(r)
            | Self::Eip4844(r)
            | Self::Eip7702(r) => &r.logs_bloom,
            Self::Deposit(r) => &r.logs_bloom,
        }
    }

    pub const fn tx_type(&self) -> TxType {
        match self {
            Self::Legacy(_) => TxType::Legacy,
            Self::Eip2930(_) => TxType::Eip2930,
            Self::Eip1559(_) => TxType::Eip1559,
            Self::Eip4844(_) => TxType::Eip4844,
            Self::Eip7702(_) => TxType::Eip7702,
            Self::Deposit(_) => TxType::Deposit,
        }
    }

    /// Whether the transaction succeeded; true where the receipt holds a state root instead.
    pub const fn status(&self) -> bool {
        self.as_receipt().status.coerce_status()
    }

    pub fn logs(&self) -> &[T] {
        &self.as_receipt().logs
    }

    /// Gas of the block up to and including this transaction.
    pub const fn cumulative_gas_used(&self) -> u64 {
        self.as_receipt().cumulative_gas_used
    }

    /// The nonce a deposit's sender had.
    pub const fn deposit_nonce(&self) -> Option<u64> {
        match self {
            Self::Deposit(r) => r.receipt.deposit_nonce,
            _ => None,
        }
    }

    pub const fn deposit_receipt_version(&self) -> Option<u64> {
        match self {
            Self::Deposit(r) => r.receipt.deposit_receipt_version,
            _ => None,
        }
    }

    /// The same receipt with other logs.
    pub fn map_logs<U>(self, f: impl FnMut(T) -> U) -> ReceiptEnvelope<U> {
        match self {
            Self::Legacy(r) => ReceiptEnvelope::Legacy(r.map_logs(f)),
            Self::Eip2930(r) => ReceiptEnvelope::Eip2930(r.map_logs(f)),
            Self::Eip1559(r) => ReceiptEnvelope::Eip1559(r.map_logs(f)),
            Self::Eip4844(r) => ReceiptEnvelope::Eip4844(r.map_logs(f)),
            Self::Eip7702(r) => ReceiptEnvelope::Eip7702(r.map_logs(f)),
            Self::Deposit(r) => ReceiptEnvelope::Deposit(r.map_receipt(|r| r.map_logs(f))),
        }
    }
}

impl<T> TxReceipt for ReceiptEnvelope<T>
where
    T: Clone + core::fmt::Debug + PartialEq + Eq + Send + Sync,
{
    type Log = T;

    fn status_or_post_state(&self) -> Eip658Value {
        self.as_receipt().status
    }

    fn status(&self) -> bool {
        self.status()
    }

    fn bloom(&self) -> Bloom {
        *self.logs_bloom()
    }

    fn bloom_cheap(&self) -> Option<Bloom> {
        Some(self.bloom())
    }

    fn cumulative_gas_used(&self) -> u64 {
        self.cumulative_gas_used()
    }

    fn logs(&self) -> &[T] {
        self.logs()
    }
}

impl<T> Typed2718 for ReceiptEnvelope<T> {
    fn ty(&self) -> u8 {
        self.tx_type().into()
    }
}

impl<T> IsTyped2718 for ReceiptEnvelope<T> {
    fn is_type(type_id: u8) -> bool {
        <TxType as IsTyped2718>::is_type(type_id)
    }
}

impl Encodable2718 for ReceiptEnvelope {
    fn encode_2718_len(&self) -> usize {
        let length = match self {
            Self::Legacy(r)
            | Self::Eip2930(r)
            | Self::Eip1559(r)
            | Self::Eip4844(r)
            | Self::Eip7702(r) => r.length(),
            Self::Deposit(r) => r.length(),
        };
        length.saturating_add(usize::from(!self.is_legacy()))
    }

    fn encode_2718(&self, out: &mut dyn BufMut) {
        if let Some(kind) = self.type_flag() {
            out.put_u8(kind);
        }
        match self {
            Self::Legacy(r)
            | Self::Eip2930(r)
            | Self::Eip1559(r)
            | Self::Eip4844(r)
            | Self::Eip7702(r) => r.encode(out),
            Self::Deposit(r) => r.encode(out),
        }
    }
}

impl Decodable2718 for ReceiptEnvelope {
    fn typed_decode(kind: u8, buf: &mut &[u8]) -> Eip2718Result<Self> {
        Ok(match kind.try_into().map_err(|_| Eip2718Error::UnexpectedType(kind))? {
            TxType::Legacy => return Err(Eip2718Error::UnexpectedType(kind)),
            TxType::Eip2930 => Self::Eip2930(Decodable::decode(buf)?),
            TxType::Eip1559 => Self::Eip1559(Decodable::decode(buf)?),
            TxType::Eip4844 => Self::Eip4844(Decodable::decode(buf)?),
            TxType::Eip7702 => Self::Eip7702(Decodable::decode(buf)?),
            TxType::Deposit => Self::Deposit(Decodable::decode(buf)?),
        })
    }

    fn fallback_decode(buf: &mut &[u8]) -> Eip2718Result<Self> {
        Ok(Self::Legacy(Decodable::decode(buf)?))
    }
}
