//! Span batches: a run of L2 blocks in columns, so that what repeats stands together (OP Stack, Delta and
//! Isthmus). Read here; written by [`crate::SpanEncoder`].

use alloy_consensus::{
    SignableTransaction, TxEip1559, TxEip2930, TxEip7702, TxEnvelope as EthereumEnvelope, TxLegacy,
};
use alloy_eips::{eip2718::Encodable2718, eip2930::AccessList, eip7702::SignedAuthorization};
use alloy_primitives::{Address, Bytes, Signature, TxKind, U256};
use alloy_rlp::{Decodable, Header};

use crate::{BatchError, columns::Columns};

/// Blocks or transactions of a span, at most.
pub const SPAN_ELEMENTS_MAX: u64 = 10_000_000;

/// A run of L2 blocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpanBatch {
    /// Seconds from the L2 genesis to the first block.
    pub relative_timestamp: u64,
    /// Beginning of the hash of the block before the first.
    pub parent_check: [u8; 20],
    /// Beginning of the hash of the last block's L1 origin.
    pub origin_check: [u8; 20],
    /// The first block is also the first of its L1 origin. Derivation does not ask.
    pub begins_epoch: bool,
    /// At least one.
    pub blocks: Vec<SpanBlock>,
}

/// A block of a span.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpanBlock {
    /// Number of its L1 origin.
    pub epoch: u64,
    /// Encoded (EIP-2718), without deposits.
    pub transactions: Vec<Bytes>,
}

impl SpanBatch {
    /// Reads what follows the type byte. Transactions do not name their chain: it is `chain_id`.
    pub(crate) fn decode(bytes: &[u8], chain_id: u64) -> Result<Self, BatchError> {
        let mut columns = Columns::new(bytes);
        let relative_timestamp = columns.uvarint()?;
        let last_epoch = columns.uvarint()?;
        let parent_check = columns.take()?;
        let origin_check = columns.take()?;
        let count = bounded(columns.uvarint()?)?;
        if count == 0 {
            return Err(BatchError::NoBlocks);
        }
        let new_origin = columns.bits(count)?;
        let counts = columns.uvarints(count)?;
        let total = counts.iter().try_fold(0_u64, |sum, count| {
            let sum = sum.checked_add(*count)?;
            (sum <= SPAN_ELEMENTS_MAX).then_some(sum)
        });
        let total = bounded(total.ok_or(BatchError::TooManyElements)?)?;
        let mut transactions = transactions(&mut columns, total, chain_id)?.into_iter();
        columns.finish()?;

        // Epochs are counted back from the last one.
        let mut epoch = last_epoch;
        let mut blocks = Vec::with_capacity(count);
        for (index, (new, count)) in new_origin.iter().zip(&counts).enumerate().rev() {
            blocks.push((epoch, *count));
            if *new && index > 0 {
                epoch = epoch.checked_sub(1).ok_or(BatchError::Epoch)?;
            }
        }
        blocks.reverse();
        let blocks = blocks.into_iter().map(|(epoch, count)| SpanBlock {
            epoch,
            transactions: transactions.by_ref().take(usize::try_from(count).unwrap_or(0)).collect(),
        });
        Ok(Self {
            relative_timestamp,
            parent_check,
            origin_check,
            begins_epoch: new_origin.first().copied().unwrap_or_default(),
            blocks: blocks.collect(),
        })
    }

    /// L1 origin of the first block.
    pub(crate) fn first_epoch(&self) -> u64 {
        self.blocks.first().map_or(0, |block| block.epoch)
    }

    /// L1 origin of the last block.
    pub(crate) fn last_epoch(&self) -> u64 {
        self.blocks.last().map_or(0, |block| block.epoch)
    }
}

fn bounded(count: u64) -> Result<usize, BatchError> {
    match usize::try_from(count) {
        Ok(size) if count <= SPAN_ELEMENTS_MAX => Ok(size),
        _ => Err(BatchError::TooManyElements),
    }
}

/// What the column of data holds of a transaction.
enum Data {
    Legacy { value: U256, gas_price: u128, input: Bytes },
    Eip2930 { value: U256, gas_price: u128, input: Bytes, access_list: AccessList },
    Eip1559(Dynamic),
    Eip7702(Dynamic, Vec<SignedAuthorization>),
}

struct Dynamic {
    value: U256,
    priority_fee: u128,
    fee: u128,
    input: Bytes,
    access_list: AccessList,
}

/// The columns of all transactions, put together to their encodings.
fn transactions(
    columns: &mut Columns<'_>,
    total: usize,
    chain_id: u64,
) -> Result<Vec<Bytes>, BatchError> {
    let creates = columns.bits(total)?;
    let parities = columns.bits(total)?;
    let signatures = columns.many(total, |columns| {
        let r = U256::from_be_bytes(columns.take::<32>()?);
        let s = U256::from_be_bytes(columns.take::<32>()?);
        Ok((r, s))
    })?;
    let calls = creates.iter().filter(|creates| !**creates).count();
    let mut targets =
        columns.many(calls, |columns| Ok(Address::from(columns.take()?)))?.into_iter();
    let data = columns.many(total, |columns| Data::decode(columns.rest()))?;
    let nonces = columns.uvarints(total)?;
    let gas_limits = columns.uvarints(total)?;
    let legacy = data.iter().filter(|data| matches!(data, Data::Legacy { .. })).count();
    let mut protected = columns.bits(legacy)?.into_iter();

    let rows = creates.into_iter().zip(parities).zip(signatures).zip(data).zip(nonces);
    rows.zip(gas_limits)
        .map(|(((((creates, parity), (r, s)), data), nonce), gas_limit)| {
            let to = match creates {
                true => TxKind::Create,
                false => TxKind::Call(targets.next().ok_or(BatchError::TooManyElements)?),
            };
            let protects = match &data {
                Data::Legacy { .. } => protected.next().unwrap_or_default(),
                _ => true,
            };
            let frame = Frame { chain_id: protects.then_some(chain_id), nonce, gas_limit, to };
            data.transaction(frame, Signature::new(r, s, parity))
        })
        .collect()
}

/// What the other columns hold of a transaction.
struct Frame {
    chain_id: Option<u64>,
    nonce: u64,
    gas_limit: u64,
    to: TxKind,
}

impl Data {
    /// Takes one off the front: a list, behind a type byte unless it is a legacy transaction's.
    fn decode(rest: &mut &[u8]) -> Result<Self, BatchError> {
        let first = *rest.first().ok_or(BatchError::Truncated)?;
        let kind = if first <= 0x7f { first } else { 0 };
        if kind == first {
            *rest = rest.get(1..).unwrap_or_default();
        }
        let mut fields = Header::decode_bytes(rest, true)?;
        let fields = &mut fields;
        // The type byte 0 is no legacy transaction's: those have none.
        let data = match kind {
            0 if first > 0x7f => Self::Legacy {
                value: U256::decode(fields)?,
                gas_price: u128::decode(fields)?,
                input: Bytes::decode(fields)?,
            },
            1 => Self::Eip2930 {
                value: U256::decode(fields)?,
                gas_price: u128::decode(fields)?,
                input: Bytes::decode(fields)?,
                access_list: AccessList::decode(fields)?,
            },
            2 => Self::Eip1559(Dynamic::decode(fields)?),
            4 => Self::Eip7702(Dynamic::decode(fields)?, Vec::decode(fields)?),
            kind => return Err(BatchError::TransactionType(kind)),
        };
        match fields.is_empty() {
            true => Ok(data),
            false => Err(BatchError::Trailing(fields.len())),
        }
    }

    fn transaction(self, frame: Frame, signature: Signature) -> Result<Bytes, BatchError> {
        let Frame { chain_id, nonce, gas_limit, to } = frame;
        let chain = chain_id.unwrap_or_default();
        let envelope = match self {
            Self::Legacy { value, gas_price, input } => EthereumEnvelope::from(
                TxLegacy { chain_id, nonce, gas_price, gas_limit, to, value, input }
                    .into_signed(signature),
            ),
            Self::Eip2930 { value, gas_price, input, access_list } => EthereumEnvelope::from(
                TxEip2930 {
                    chain_id: chain,
                    nonce,
                    gas_price,
                    gas_limit,
                    to,
                    value,
                    access_list,
                    input,
                }
                .into_signed(signature),
            ),
            Self::Eip1559(data) => EthereumEnvelope::from(
                TxEip1559 {
                    chain_id: chain,
                    nonce,
                    gas_limit,
                    max_fee_per_gas: data.fee,
                    max_priority_fee_per_gas: data.priority_fee,
                    to,
                    value: data.value,
                    access_list: data.access_list,
                    input: data.input,
                }
                .into_signed(signature),
            ),
            Self::Eip7702(data, authorization_list) => EthereumEnvelope::from(
                TxEip7702 {
                    chain_id: chain,
                    nonce,
                    gas_limit,
                    max_fee_per_gas: data.fee,
                    max_priority_fee_per_gas: data.priority_fee,
                    // Such a transaction cannot create a contract.
                    to: to.into_to().ok_or(BatchError::TransactionType(4))?,
                    value: data.value,
                    access_list: data.access_list,
                    authorization_list,
                    input: data.input,
                }
                .into_signed(signature),
            ),
        };
        Ok(envelope.encoded_2718().into())
    }
}

impl Dynamic {
    fn decode(fields: &mut &[u8]) -> Result<Self, BatchError> {
        Ok(Self {
            value: U256::decode(fields)?,
            priority_fee: u128::decode(fields)?,
            fee: u128::decode(fields)?,
            input: Bytes::decode(fields)?,
            access_list: AccessList::decode(fields)?,
        })
    }
}
