//! Engines that leave a match out as a whole: an answer is Alice's words, and what they sign says that it is nobody's. No span of
//! the record says anything false, but the model's surprises are committed to, and her document is on chain.

use alloy_primitives::{B256, Bytes};
use anyhow::{Context, Result, ensure};
use scores::{
    ModelId,
    eip712::{InferenceReceipt, ModelTotal},
    epoch::SettledReceipt,
    exchange::{CanonicalMessage, CanonicalRequest, CanonicalResponse},
    merkle,
    record::WEIGHT_ONE,
};
use service::{challenge, evidence::StoredReceipt, pinned};

use super::{Arena, FEES, Line, TEXT, Totals};

impl Arena {
    pub(super) async fn leave_out(&self) -> Result<Line> {
        let stored = self.nobodys_answer().await?;
        let totals = Totals {
            models: vec![ModelTotal { modelId: self.model, fees: FEES, attributed: 0 }],
            pools: Vec::new(),
        };
        let before = self.at_stake().await?;
        let mut post = self.next_post(&self.mallory, &self.claims, totals).await?;
        let settled =
            SettledReceipt { receipt: stored.receipt.clone(), record: stored.record.clone() };
        post.receiptsRoot = merkle::root_of([settled.leaf()])?;
        let epoch = self.submit(&self.mallory, post).await?;
        let source = self.published(epoch, self.claims.clone(), vec![stored]).await?;
        let chain = &self.watcher.l2;
        let fault = challenge::find_record_fault(chain, epoch, &source, &self.tokenizer).await?;
        let fault = fault.context("nothing is wrong with a record that leaves all out")?;
        let won = challenge::prove(chain, epoch, &fault).await?;
        let what = "leave out: a match as a whole, so that nobody is paid";
        self.fallen(what, epoch, before, fault.rule(), won.gas).await
    }

    /// An answer of Alice's words with the record that credits nobody.
    async fn nobodys_answer(&self) -> Result<StoredReceipt> {
        let text = TEXT.trim_end().to_owned();
        let tokens = self.tokenizer.encode(&text)?;
        let (model, gateway) = (ModelId::try_from(self.model)?, self.mallory.address());
        let request = CanonicalRequest {
            version: 1,
            modelId: model.to_u256(),
            messages: vec![CanonicalMessage {
                role: "user".into(),
                content: "Who lights the lamp?".into(),
            }],
            maxTokens: 256,
            temperatureMillionths: 0,
            topPMillionths: 1_000_000,
            seed: 1,
            stop: Vec::new(),
        };
        let tokens_out = u32::try_from(tokens.len())?;
        let response = CanonicalResponse { version: 1, tokens, text, finishReason: "stop".into() };
        let receipt = InferenceReceipt {
            number: self.mallory.l2.next_receipt_of(gateway).await?,
            modelId: model.to_u256(),
            customer: gateway,
            gateway,
            requestHash: request.hash(),
            responseHash: response.hash(),
            tokensIn: 1,
            tokensOut: tokens_out,
            fee: FEES,
            timestamp: 1,
            engineSpecHash: pinned::engine_spec().hash()?,
            adapterSetHash: B256::ZERO,
            retrievalRoot: B256::ZERO,
        };
        let mut record = self.corpus.record_of(&receipt, &request, &response, &self.tokenizer)?;
        ensure!(record.weight_sum() > 0, "the answer is not Alice's");
        record.spans.clear();
        record.weights.clear();
        record.residual = WEIGHT_ONE;
        Ok(StoredReceipt {
            receipt,
            signature: Bytes::new(),
            request,
            response,
            retrieved: Vec::new(),
            record,
        })
    }
}
