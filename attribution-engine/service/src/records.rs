//! `RecordDispute` as typed reads and writes: the payments that a poster owes, and the challenge in which
//! facts are shown: commit, reveal, share. The contract's address is fixed in `AttributionDispute`; a chain
//! need not have it.

use alloy_primitives::{Address, B256, Bytes, TxHash, U256, address, keccak256};
use alloy_provider::{DynProvider, Provider};
use alloy_rpc_types_eth::{Filter, TransactionReceipt};
use alloy_sol_types::{SolEvent, SolValue};
use scores::{claims::Claims, payments::Payments};

use crate::chain::{
    Chain, Result,
    bindings::records::RecordDispute::{self, RecordDisputeInstance},
    call, mined, rpc,
};

/// Where `RecordDispute` stands if a chain has it.
pub const RECORD_DISPUTE: Address = address!("0x4f50454e00000000000000000000000000000014");

/// What a poster has said of an epoch's payments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PaymentsState {
    pub root: B256,
    /// Wei.
    pub total: u128,
    /// Unix seconds; zero if nobody has demanded the payments.
    pub demanded_at: u64,
    /// Unix seconds until which the demand can be answered.
    pub due_at: u64,
}

/// The spec that records are disputed under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    pub engine_spec_hash: B256,
    pub cluster_weight_max: u32,
    pub match_tokens_min: u32,
    pub sketch_matches_min: u32,
}

/// What is to be shared among those who showed a fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pot {
    /// Wei.
    pub amount: U256,
    pub winners: u64,
    /// Unix seconds after which shares are paid; zero if there is nothing to share.
    pub shareable_at: u64,
}

/// A challenge in the making: what was committed to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commitment {
    pub epoch: u64,
    /// Encoded call of a fact.
    pub fact: Bytes,
    pub salt: B256,
    pub transaction: TxHash,
    /// Block of the commitment; the fact is shown in a later one.
    pub block: u64,
}

/// The contract on a chain that has it.
#[derive(Clone, Debug)]
pub struct Records {
    chain: Chain,
    contract: RecordDisputeInstance<DynProvider>,
}

impl Records {
    /// The contract, or nothing where nothing is deployed at its address.
    pub async fn on(chain: &Chain) -> Result<Option<Self>> {
        let what = "reading the code of RecordDispute";
        let provider = chain.provider();
        let code = provider.get_code_at(RECORD_DISPUTE).await.map_err(rpc(what))?;
        let contract = RecordDispute::new(RECORD_DISPUTE, provider.clone());
        Ok((!code.is_empty()).then(|| Self { chain: chain.clone(), contract }))
    }

    pub async fn payments_of(&self, epoch: u64) -> Result<PaymentsState> {
        let what = "reading an epoch's payments";
        let stored = self.contract.paymentsOf(epoch).call().await.map_err(call(what))?;
        Ok(PaymentsState {
            root: stored.root,
            total: stored.total,
            demanded_at: stored.demandedAt,
            due_at: stored.dueAt,
        })
    }

    /// Whether the poster has stated the epoch's payments, be it that there are none.
    pub async fn is_stated(&self, epoch: u64, posted: u64) -> Result<bool> {
        let stated = Filter::new()
            .address(RECORD_DISPUTE)
            .event_signature(RecordDispute::PaymentsCommitted::SIGNATURE_HASH)
            .topic1(U256::from(epoch));
        Ok(!self.chain.logs(stated, posted).await?.is_empty())
    }

    pub async fn limits(&self) -> Result<Limits> {
        let what = "reading the spec of RecordDispute";
        let contract = &self.contract;
        Ok(Limits {
            engine_spec_hash: contract.engineSpecHash().call().await.map_err(call(what))?,
            cluster_weight_max: contract.clusterWeightMax().call().await.map_err(call(what))?,
            match_tokens_min: contract.matchTokensMin().call().await.map_err(call(what))?,
            sketch_matches_min: contract.sketchMatchesMin().call().await.map_err(call(what))?,
        })
    }

    /// The poster's commitment to its epoch's payments, asked for or not, with the depth of both sum trees, by
    /// which pieces of them are demanded.
    pub async fn commit_payments(
        &self,
        epoch: u64,
        payments: &Payments,
        claims: &Claims,
    ) -> Result<TransactionReceipt> {
        let what = "committing to payments";
        let (root, depth) = (payments.root()?, payments.depth());
        let levels = claims.width().max(1).trailing_zeros();
        let claims_depth = u8::try_from(levels).unwrap_or(u8::MAX);
        let sent = self.contract.commitPayments(epoch, root.hash, root.sum, depth, claims_depth);
        let sent = {
            let _turn = self.chain.turn().await;
            sent.send().await.map_err(call(what))?
        };
        mined(what, sent).await
    }

    /// Demands an epoch's payments of its poster, with the stake.
    pub async fn demand_payments(&self, epoch: u64) -> Result<TransactionReceipt> {
        let what = "demanding payments";
        let sent = self.contract.demandPayments(epoch).value(self.stake().await?);
        let sent = sent.send().await.map_err(call(what))?;
        mined(what, sent).await
    }

    /// Takes the stake of a demand back from an epoch that fell because nobody answered it.
    pub async fn reclaim_demand(&self, epoch: u64) -> Result<TransactionReceipt> {
        let what = "reclaiming the stake of a demand";
        let sent = self.contract.reclaimDemand(epoch).send().await.map_err(call(what))?;
        mined(what, sent).await
    }

    /// Commits the sender to showing `fact`, an encoded call, with the stake.
    pub async fn commit(&self, epoch: u64, fact: Bytes) -> Result<Commitment> {
        let what = "committing to a challenge";
        let salt = B256::from(rand::random::<[u8; 32]>());
        let challenger = self.chain.sender().unwrap_or_default();
        let commitment = commitment_of(self.chain.chain_id(), epoch, challenger, &fact, salt);
        let sent = self.contract.commitChallenge(epoch, commitment).value(self.stake().await?);
        let sent = sent.send().await.map_err(call(what))?;
        let receipt = mined(what, sent).await?;
        let block = receipt.block_number.unwrap_or_default();
        Ok(Commitment { epoch, fact, salt, transaction: receipt.transaction_hash, block })
    }

    /// Shows what was committed to. The first such call rejects the epoch.
    pub async fn reveal(&self, commitment: &Commitment) -> Result<TransactionReceipt> {
        let what = "showing a fact";
        let Commitment { epoch, fact, salt, .. } = commitment;
        let sent = self.contract.revealChallenge(*epoch, fact.clone(), *salt);
        let sent = sent.send().await.map_err(call(what))?;
        mined(what, sent).await
    }

    pub async fn pot(&self, epoch: u64) -> Result<Pot> {
        let stored = self.contract.potOf(epoch).call().await.map_err(call("reading a pot"))?;
        Ok(Pot {
            amount: stored.amount,
            winners: stored.winners.saturating_to(),
            shareable_at: stored.shareableAt,
        })
    }

    /// Takes the sender's part of the pot, after the share window.
    pub async fn take_share(&self, epoch: u64) -> Result<TransactionReceipt> {
        let what = "taking a share";
        let sent = self.contract.takeShare(epoch).send().await.map_err(call(what))?;
        mined(what, sent).await
    }

    /// What the contract owes an account, wei: stakes and shares.
    pub async fn credit(&self, account: Address) -> Result<U256> {
        self.contract.credit(account).call().await.map_err(call("reading a credit"))
    }

    /// Pays the sender's credit to `to`.
    pub async fn withdraw(&self, to: Address) -> Result<TxHash> {
        let what = "withdrawing a credit";
        let sent = self.contract.withdraw(to).send().await.map_err(call(what))?;
        Ok(mined(what, sent).await?.transaction_hash)
    }

    async fn stake(&self) -> Result<U256> {
        self.contract.STAKE().call().await.map_err(call("reading the stake"))
    }
}

/// `RecordDispute.commitmentOf`, computed here: a node that is asked could tell what is about to be shown.
fn commitment_of(chain_id: u64, epoch: u64, challenger: Address, fact: &[u8], salt: B256) -> B256 {
    keccak256(
        (
            U256::from(chain_id),
            RECORD_DISPUTE,
            U256::from(epoch),
            challenger,
            keccak256(fact),
            salt,
        )
            .abi_encode(),
    )
}
