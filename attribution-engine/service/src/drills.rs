//! Drills: records that may be false, with a bounty for who says so, so that watching pays also while nobody cheats. A drill
//! is set at `RecordDispute`, which knows the hash of its record alone; the record itself follows the arguments in the call
//! data of the same transaction, where the contract does not look and everybody else can. Whoever finds it false commits in
//! the first half of the drill's time, shows it in the second, and shares the bounty after it.
//!
//! A commitment is to no more than having something to show, so its salt needs no secret: it follows from the drill, and a
//! watcher that is started anew goes on where it was.

use std::collections::BTreeSet;

use alloy_primitives::{Address, B256, TxHash, U256, keccak256};
use alloy_provider::{DynProvider, Provider};
use alloy_rpc_types_eth::{Filter, TransactionReceipt, TransactionRequest};
use alloy_sol_types::{SolCall, SolEvent, SolValue};
use scores::record::{AbiRecord, AttributionRecord, CreditedSpan};

use crate::{
    chain::{
        Chain, ChainError,
        bindings::records::RecordDispute::{
            self, DrillSet, RecordDisputeInstance, closeDrillCall, setDrillCall, solveDrillCall,
        },
        call, mined, rpc,
    },
    challenge::Result,
    record_faults::reshape,
    records::{RECORD_DISPUTE, Records},
};

/// A drill as its transaction has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drill {
    pub id: u64,
    pub setter: Address,
    pub record_hash: B256,
    /// Wei.
    pub bounty: U256,
    /// Unix seconds until which it can be solved; commitments in the first half of its time.
    pub deadline: u64,
    /// The record, if the transaction brought it.
    pub record: Option<AttributionRecord>,
}

/// What was done about a drill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Committed(TxHash),
    Solved(TxHash),
    /// It is over, and the bounty is shared.
    Closed(TxHash),
}

/// Drills on a chain that has them.
#[derive(Clone, Debug)]
pub struct Drills {
    chain: Chain,
    contract: RecordDisputeInstance<DynProvider>,
    window: u64,
    cluster_weight_max: u32,
    /// Of this process; who commits twice has committed once.
    committed: BTreeSet<u64>,
}

impl Drills {
    /// The drills of a chain; nothing where it has no `RecordDispute`.
    pub async fn on(chain: &Chain) -> Result<Option<Self>> {
        let Some(records) = Records::on(chain).await? else { return Ok(None) };
        let contract = RecordDispute::new(RECORD_DISPUTE, chain.provider().clone());
        let window =
            contract.DRILL_WINDOW().call().await.map_err(call("reading a drill's time"))?;
        Ok(Some(Self {
            chain: chain.clone(),
            contract,
            window: window.saturating_to(),
            cluster_weight_max: records.limits().await?.cluster_weight_max,
            committed: BTreeSet::new(),
        }))
    }

    /// What forfeited stakes have left for drills, wei.
    pub async fn bounty(&self) -> Result<U256> {
        Ok(self.contract.bounty().call().await.map_err(call("reading the bounty"))?)
    }

    /// Sets a drill for `value` wei of the sender's and up to half of that from forfeited stakes. Returns its number.
    pub async fn set(
        &self,
        record: &AttributionRecord,
        value: U256,
        from_bounty: U256,
    ) -> Result<u64> {
        let what = "setting a drill";
        let arguments = setDrillCall { recordHash: record.hash(), fromBounty: from_bounty };
        let input = [arguments.abi_encode(), record.canonical_bytes()].concat();
        let receipt = self.send(what, input, value).await?;
        let logs = receipt.logs().iter();
        let set = logs.filter_map(|log| DrillSet::decode_log(&log.inner).ok()).next();
        let missing = ChainError::Reverted { what, transaction: receipt.transaction_hash };
        Ok(set.ok_or(missing)?.drillId.saturating_to())
    }

    /// Drills that were set from block `from` on.
    pub async fn list(&self, from: u64) -> Result<Vec<Drill>> {
        let what = "reading drills";
        let filter =
            Filter::new().address(RECORD_DISPUTE).event_signature(DrillSet::SIGNATURE_HASH);
        let mut drills = Vec::new();
        for log in self.chain.logs(filter, from).await? {
            let set = DrillSet::decode_log(&log.inner)
                .map_err(|source| ChainError::Log { what: "DrillSet", source })?;
            let transaction = match log.transaction_hash {
                Some(hash) => {
                    self.chain.provider().get_transaction_by_hash(hash).await.map_err(rpc(what))?
                }
                None => None,
            };
            let record = transaction.and_then(|transaction| {
                record_in(alloy_consensus::Transaction::input(&transaction), set.recordHash)
            });
            drills.push(Drill {
                id: set.drillId.saturating_to(),
                setter: set.by,
                record_hash: set.recordHash,
                bounty: set.bounty,
                deadline: set.deadline.saturating_to(),
                record,
            });
        }
        Ok(drills)
    }

    /// Does what is to be done about a drill now, if anything: commits, shows, or closes it once it is over.
    pub async fn tend(&mut self, drill: &Drill) -> Result<Option<Step>> {
        let (_, now) = self.chain.latest_block().await?;
        let half = drill.deadline.saturating_sub(self.window / 2);
        let id = U256::from(drill.id);
        let record = drill.record.as_ref();
        let found = record.filter(|record| !record.is_consistent(self.cluster_weight_max));
        let own = Some(drill.setter) == self.chain.sender();
        if now > drill.deadline && (own || found.is_some()) {
            let close = closeDrillCall { drillId: id };
            let sent = self.send_if_it_holds("closing a drill", close.abi_encode()).await?;
            return Ok(sent.map(Step::Closed));
        }
        // Nobody earns what it set itself.
        let Some(record) = found.filter(|_| !own && now <= drill.deadline) else {
            return Ok(None);
        };
        if now <= half {
            // A block may come in between; then it is too late, which the next look finds out.
            return if self.committed.contains(&drill.id) {
                Ok(None)
            } else {
                let transaction = self.commit(id).await?;
                self.committed.insert(drill.id);
                Ok(Some(Step::Committed(transaction)))
            };
        }
        let record = reshape(&record.to_abi())?;
        let solve = solveDrillCall { drillId: id, record, salt: salt(id) };
        let sent = self.send_if_it_holds("solving a drill", solve.abi_encode()).await?;
        Ok(sent.map(Step::Solved))
    }

    async fn commit(&self, id: U256) -> Result<TxHash> {
        let what = "committing to a drill";
        let solver = self.chain.sender().unwrap_or_default();
        let commitment = self.contract.drillCommitmentOf(id, solver, salt(id));
        let commitment = commitment.call().await.map_err(call(what))?;
        let sent = {
            let _turn = self.chain.turn().await;
            self.contract.commitDrill(id, commitment).send().await.map_err(call(what))?
        };
        Ok(mined(what, sent).await?.transaction_hash)
    }

    /// Sends what the contract accepts as things stand; nothing otherwise: it is done already, or there is nothing to do.
    async fn send_if_it_holds(&self, what: &'static str, input: Vec<u8>) -> Result<Option<TxHash>> {
        let sender = self.chain.sender().unwrap_or_default();
        let asked = TransactionRequest::default().from(sender).to(RECORD_DISPUTE);
        match self.chain.provider().call(asked.input(input.clone().into())).await {
            Ok(_) => Ok(Some(self.send(what, input, U256::ZERO).await?.transaction_hash)),
            Err(error) if error.is_error_resp() => Ok(None),
            Err(error) => Err(rpc(what)(error).into()),
        }
    }

    async fn send(
        &self,
        what: &'static str,
        input: Vec<u8>,
        value: U256,
    ) -> Result<TransactionReceipt> {
        let request = TransactionRequest::default().to(RECORD_DISPUTE).value(value);
        let sent = {
            let _turn = self.chain.turn().await;
            let sending = self.chain.provider().send_transaction(request.input(input.into()));
            sending.await.map_err(rpc(what))?
        };
        Ok(mined(what, sent).await?)
    }
}

/// What is false about a drill's record is in it alone: sums that are not, and nothing that takes documents.
pub fn falsified(record: &AttributionRecord) -> AttributionRecord {
    let mut record = record.clone();
    let spans: &mut [CreditedSpan] = &mut record.spans;
    match (rand::random::<u8>() % 3, spans.first_mut(), record.weights.first_mut()) {
        (0, Some(span), _) => span.credit_q16 = span.credit_q16.saturating_add(1),
        (1, _, Some(weight)) => {
            weight.weight = weight.weight.saturating_add(1);
            record.residual = record.residual.saturating_sub(1);
        }
        _ => record.residual ^= 1,
    }
    record
}

fn salt(id: U256) -> B256 {
    keccak256(("openledger drill", id).abi_encode())
}

/// The record behind the arguments of a call, if it is the one that they name.
fn record_in(input: &[u8], hash: B256) -> Option<AttributionRecord> {
    // A selector and two words.
    let bytes = input.get(4 + 2 * 32..)?;
    let record = AttributionRecord::from_abi(&AbiRecord::abi_decode(bytes).ok()?).ok()?;
    (record.hash() == hash).then_some(record)
}

#[cfg(test)]
mod tests {
    use scores::record::{RECORD_VERSION, WEIGHT_ONE};

    use super::*;

    #[test]
    fn a_falsified_record_is_inconsistent_and_travels_behind_the_arguments() {
        let honest = AttributionRecord {
            version: RECORD_VERSION,
            receipt_hash: B256::ZERO,
            engine_spec_hash: B256::ZERO,
            answer_tokens: 4,
            prompt_tokens: 0,
            total_surprise_q16: 9,
            floor_q16: 1,
            spans: vec![],
            weights: vec![],
            residual: WEIGHT_ONE,
        };
        assert!(honest.is_consistent(WEIGHT_ONE));
        let record = falsified(&honest);
        assert!(!record.is_consistent(WEIGHT_ONE));
        let call = setDrillCall { recordHash: record.hash(), fromBounty: U256::ZERO };
        let mut input = [call.abi_encode(), record.canonical_bytes()].concat();
        assert_eq!(record_in(&input, record.hash()), Some(record.clone()));
        assert_eq!(record_in(&input, honest.hash()), None);
        input.truncate(4 + 2 * 32);
        assert_eq!(record_in(&input, record.hash()), None);
    }
}
