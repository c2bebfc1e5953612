//! Signed L1 transactions that carry frames, in call data or in blobs, and what they pay.

use alloy_consensus::{
    EthereumTxEnvelope, SignableTransaction, Transaction, TxEip1559, TxEip4844,
    TxEip4844WithSidecar, TxEnvelope,
};
use alloy_eips::{
    eip2718::{Decodable2718, Encodable2718},
    eip4844::{Blob, BlobTransactionSidecar, env_settings::EnvKzgSettings},
    eip7594::{BlobTransactionSidecarEip7594, BlobTransactionSidecarVariant},
};
use alloy_primitives::{Address, Bytes, TxHash, TxKind};
use derive::BLOB_SIZE;

use crate::{BatcherError, RoleSigner, journal::PostedTransaction};

/// Gas of a transaction beside its data.
pub(crate) const GAS_BASE: u64 = 21_000;
/// Most that a byte of call data costs: four tokens at the floor price of 10 (EIP-7623).
pub(crate) const GAS_PER_BYTE_MAX: u64 = 40;
/// By how much the fees of a replacement grow, percent. Nodes ask for 10.
const BUMP_PERCENT: u128 = 25;
/// The same of a transaction with blobs. Nodes ask for 100, of each of its three fees.
const BLOB_BUMP_PERCENT: u128 = 100;

/// A transaction with its blobs, as nodes take it.
type BlobEnvelope = EthereumTxEnvelope<TxEip4844WithSidecar<BlobTransactionSidecarVariant>>;

/// Fees of a transaction, wei per gas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fees {
    pub(crate) fee_max: u128,
    pub(crate) priority_fee: u128,
    /// Wei per blob gas; 0 without blobs.
    pub(crate) blob_fee: u128,
}

impl Fees {
    /// Room for the base fee to double (about six full blocks), at most `limit`.
    pub(crate) fn suggested(base_fee: u64, priority_fee: u128, limit: u128) -> Self {
        let priority_fee = priority_fee.max(1).min(limit);
        let fee_max = u128::from(base_fee).saturating_mul(2).saturating_add(priority_fee);
        Self { fee_max: fee_max.min(limit), priority_fee, blob_fee: 0 }
    }

    /// With room for the blob base fee to double, at most `limit`.
    pub(crate) fn with_blobs(self, blob_base_fee: u128, limit: u128) -> Self {
        Self { blob_fee: blob_base_fee.max(1).saturating_mul(2).min(limit), ..self }
    }

    /// What replaces a transaction with these fees: enough for nodes to accept it and for the present
    /// market. `None` if that exceeds `limit`, or `blob_limit` with blobs.
    pub(crate) fn replacement(self, market: Self, limit: u128, blob_limit: u128) -> Option<Self> {
        let percent = if self.blob_fee > 0 { BLOB_BUMP_PERCENT } else { BUMP_PERCENT };
        let bump =
            |fee: u128| fee.saturating_mul(100 + percent).div_ceil(100).max(fee.saturating_add(1));
        let blob_fee = match self.blob_fee {
            0 => 0,
            fee => bump(fee).max(market.blob_fee),
        };
        let fees = Self {
            fee_max: bump(self.fee_max).max(market.fee_max),
            priority_fee: bump(self.priority_fee).max(market.priority_fee),
            blob_fee,
        };
        (fees.fee_max <= limit && fees.blob_fee <= blob_limit).then_some(fees)
    }
}

/// What a transaction carries.
#[derive(Clone, Debug)]
pub(crate) enum Payload {
    Calldata(Bytes),
    Blobs(BlobTransactionSidecarVariant),
}

/// Commitments and proofs for blobs: of cells, as L1 asks for since Osaka (EIP-7594), or of whole blobs
/// before. Work of some hundred milliseconds a blob.
pub(crate) fn sidecar(
    blobs: &[Vec<u8>],
    cell_proofs: bool,
) -> Result<BlobTransactionSidecarVariant, BatcherError> {
    let blobs: Vec<Blob> = blobs
        .iter()
        .map(|blob| Blob::try_from(blob.as_slice()).map_err(|_| BatcherError::Blob))
        .collect::<Result<_, _>>()?;
    let settings = EnvKzgSettings::Default.get();
    let made = match cell_proofs {
        true => BlobTransactionSidecarEip7594::try_from_blobs_with_settings(blobs, settings)
            .map(BlobTransactionSidecarVariant::Eip7594),
        false => BlobTransactionSidecar::try_from_blobs_with_settings(blobs, settings)
            .map(BlobTransactionSidecarVariant::Eip4844),
    };
    made.map_err(|_| BatcherError::Blob)
}

/// What all transactions of one batcher share.
#[derive(Clone, Debug)]
pub(crate) struct Poster {
    pub(crate) signer: RoleSigner,
    pub(crate) chain_id: u64,
    pub(crate) inbox: Address,
}

impl Poster {
    /// A transaction to the inbox, of type 2 or, with blobs, 3.
    pub(crate) async fn sign(
        &self,
        nonce: u64,
        fees: Fees,
        payload: Payload,
    ) -> Result<PostedTransaction, BatcherError> {
        let (hash, raw) = match payload {
            Payload::Calldata(data) => self.sign_calldata(nonce, fees, data).await?,
            Payload::Blobs(sidecar) => self.sign_blobs(nonce, fees, sidecar).await?,
        };
        Ok(PostedTransaction {
            nonce,
            fee_max: fees.fee_max,
            priority_fee: fees.priority_fee,
            blob_fee: fees.blob_fee,
            hash,
            raw,
            replaced: Vec::new(),
        })
    }

    /// The same transaction with other fees.
    pub(crate) async fn replace(
        &self,
        old: &PostedTransaction,
        fees: Fees,
    ) -> Result<PostedTransaction, BatcherError> {
        self.substitute(old, fees, payload(old)?).await
    }

    /// A transaction that takes the nonce of another and carries no frame. Of the same type: nodes take
    /// no other in its place.
    pub(crate) async fn cancel(
        &self,
        old: &PostedTransaction,
        fees: Fees,
    ) -> Result<PostedTransaction, BatcherError> {
        let nothing = match payload(old)? {
            Payload::Calldata(_) => Payload::Calldata(Bytes::new()),
            Payload::Blobs(full) => {
                let cell_proofs = full.is_eip7594();
                Payload::Blobs(sidecar(&[vec![0; BLOB_SIZE]], cell_proofs)?)
            }
        };
        self.substitute(old, fees, nothing).await
    }

    async fn substitute(
        &self,
        old: &PostedTransaction,
        fees: Fees,
        payload: Payload,
    ) -> Result<PostedTransaction, BatcherError> {
        let mut new = self.sign(old.nonce, fees, payload).await?;
        new.replaced = old.replaced.clone();
        new.replaced.push(old.hash);
        Ok(new)
    }

    async fn sign_calldata(
        &self,
        nonce: u64,
        fees: Fees,
        data: Bytes,
    ) -> Result<(TxHash, Bytes), BatcherError> {
        let bytes = u64::try_from(data.len()).unwrap_or(u64::MAX);
        let transaction = TxEip1559 {
            chain_id: self.chain_id,
            nonce,
            gas_limit: GAS_BASE.saturating_add(bytes.saturating_mul(GAS_PER_BYTE_MAX)),
            max_fee_per_gas: fees.fee_max,
            max_priority_fee_per_gas: fees.priority_fee,
            to: TxKind::Call(self.inbox),
            input: data,
            ..Default::default()
        };
        let envelope = TxEnvelope::from(self.signed(transaction).await?);
        Ok((*envelope.tx_hash(), envelope.encoded_2718().into()))
    }

    async fn sign_blobs(
        &self,
        nonce: u64,
        fees: Fees,
        sidecar: BlobTransactionSidecarVariant,
    ) -> Result<(TxHash, Bytes), BatcherError> {
        let transaction = TxEip4844 {
            chain_id: self.chain_id,
            nonce,
            gas_limit: GAS_BASE,
            max_fee_per_gas: fees.fee_max,
            max_priority_fee_per_gas: fees.priority_fee,
            max_fee_per_blob_gas: fees.blob_fee,
            blob_versioned_hashes: sidecar.versioned_hashes().collect(),
            to: self.inbox,
            ..Default::default()
        };
        let with_sidecar = TxEip4844WithSidecar::from_tx_and_sidecar(transaction, sidecar);
        let envelope = BlobEnvelope::Eip4844(self.signed(with_sidecar).await?);
        Ok((*envelope.tx_hash(), envelope.encoded_2718().into()))
    }

    async fn signed<T: SignableTransaction<alloy_primitives::Signature>>(
        &self,
        transaction: T,
    ) -> Result<alloy_consensus::Signed<T>, BatcherError> {
        let signature = self
            .signer
            .sign(&transaction)
            .await
            .map_err(|source| BatcherError::Signer { account: self.signer.address(), source })?;
        Ok(transaction.into_signed(signature))
    }
}

/// What a transaction of the journal carries.
fn payload(posted: &PostedTransaction) -> Result<Payload, BatcherError> {
    let envelope = BlobEnvelope::decode_2718(&mut posted.raw.as_ref()).map_err(|_| {
        BatcherError::JournalEntry {
            key: format!("nonce {}", posted.nonce),
            source: alloy_rlp::Error::Custom("not a transaction"),
        }
    })?;
    Ok(match envelope {
        BlobEnvelope::Eip4844(signed) => Payload::Blobs(signed.strip_signature().into_parts().1),
        other => Payload::Calldata(other.input().clone()),
    })
}

impl PostedTransaction {
    pub(crate) const fn fees(&self) -> Fees {
        Fees { fee_max: self.fee_max, priority_fee: self.priority_fee, blob_fee: self.blob_fee }
    }
}

#[cfg(test)]
mod tests {
    use alloy_signer_local::PrivateKeySigner;
    use derive::{decode_blob, encode_blob};

    use super::*;

    const NO_LIMIT: u128 = u128::MAX;

    fn fees(fee_max: u128, priority_fee: u128, blob_fee: u128) -> Fees {
        Fees { fee_max, priority_fee, blob_fee }
    }

    fn poster() -> Poster {
        Poster {
            signer: PrivateKeySigner::from_bytes(&[1; 32].into()).unwrap().into(),
            chain_id: 5,
            inbox: Address::repeat_byte(9),
        }
    }

    #[test]
    fn fees_leave_room_and_stay_bounded() {
        assert_eq!(Fees::suggested(100, 7, 1_000), fees(207, 7, 0));
        assert_eq!(Fees::suggested(600, 7, 1_000).fee_max, 1_000);
        let cheap = fees(1, 1, 0);
        assert_eq!(fees(207, 7, 0).replacement(cheap, 1_000, 0), Some(fees(259, 9, 0)));
        let dear = fees(900, 50, 0);
        assert_eq!(fees(207, 7, 0).replacement(dear, 1_000, 0), Some(dear));
        assert_eq!(fees(207, 7, 0).replacement(dear, 899, 0), None);
        // Even the smallest fee grows.
        assert_eq!(cheap.replacement(cheap, 1_000, 0), Some(fees(2, 2, 0)));
    }

    #[test]
    fn with_blobs_every_fee_doubles() {
        let first = Fees::suggested(100, 7, 1_000).with_blobs(3, 1_000);
        assert_eq!(first, fees(207, 7, 6));
        assert_eq!(first.replacement(first, NO_LIMIT, NO_LIMIT), Some(fees(414, 14, 12)));
        let dear = fees(100, 7, 50);
        assert_eq!(first.replacement(dear, NO_LIMIT, NO_LIMIT), Some(fees(414, 14, 50)));
        assert_eq!(first.replacement(dear, NO_LIMIT, 49), None);
        assert_eq!(Fees::suggested(1, 1, 9).with_blobs(0, 9).blob_fee, 2);
    }

    #[tokio::test]
    async fn replacements_remember_what_they_replace() {
        let data = Bytes::from(vec![1; 1_000]);
        let first =
            poster().sign(3, fees(10, 1, 0), Payload::Calldata(data.clone())).await.unwrap();
        let second = poster().replace(&first, fees(20, 2, 0)).await.unwrap();
        assert_eq!(second.replaced, [first.hash]);
        let envelope = TxEnvelope::decode_2718(&mut second.raw.as_ref()).unwrap();
        assert_eq!((envelope.nonce(), envelope.max_fee_per_gas()), (3, 20));
        assert_eq!((envelope.gas_limit(), envelope.input()), (61_000, &data));
        assert_eq!(envelope.to(), Some(Address::repeat_byte(9)));
        let nothing = poster().cancel(&second, fees(40, 4, 0)).await.unwrap();
        let envelope = TxEnvelope::decode_2718(&mut nothing.raw.as_ref()).unwrap();
        assert!(envelope.input().is_empty());
    }

    #[tokio::test]
    async fn blobs_are_kept_when_fees_grow_and_emptied_when_cancelled() {
        let blob = encode_blob(b"frames").unwrap();
        for cell_proofs in [false, true] {
            let sidecar = sidecar(&[blob.clone(), blob.clone()], cell_proofs).unwrap();
            let first = poster().sign(3, fees(10, 1, 7), Payload::Blobs(sidecar)).await.unwrap();
            let second = poster().replace(&first, fees(20, 2, 14)).await.unwrap();
            assert_eq!(second.replaced, [first.hash]);
            let BlobEnvelope::Eip4844(signed) =
                BlobEnvelope::decode_2718(&mut second.raw.as_ref()).unwrap()
            else {
                panic!("it has blobs");
            };
            assert_eq!((*signed.hash(), signed.tx().tx.max_fee_per_blob_gas), (second.hash, 14));
            assert_eq!(signed.tx().sidecar.is_eip7594(), cell_proofs);
            assert_eq!(signed.tx().sidecar.blobs().len(), 2);
            for blob in signed.tx().sidecar.blobs() {
                assert_eq!(decode_blob(blob.as_slice()).unwrap(), b"frames");
            }
            let nothing = poster().cancel(&second, fees(40, 4, 28)).await.unwrap();
            let Payload::Blobs(empty) = payload(&nothing).unwrap() else { panic!("it has a blob") };
            assert!(
                empty.blobs().iter().all(|blob| decode_blob(blob.as_slice()).unwrap().is_empty())
            );
        }
    }
}
