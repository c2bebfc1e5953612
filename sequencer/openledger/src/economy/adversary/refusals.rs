//! Griefing, dust and replays: transactions that are mined, fail, and cost their sender gas.

use alloy_primitives::{Address, Bytes, I256, U256, keccak256};
use alloy_signer::SignerSync;
use alloy_sol_types::Eip712Domain;
use anyhow::{Context, Result};
use scores::eip712::Voucher;
use service::{
    chain::bindings::{
        datanets::IDatanetRegistry::DatanetParams, escrow::IInferenceEscrow,
        records::RecordDispute, settlement::IAttributionSettlement::ClaimOrder,
    },
    records::RECORD_DISPUTE,
};

use super::{
    Arena, FEES, Line, Person, claim_request,
    crowd::{self, refused, send_all},
    path,
};

impl Arena {
    /// A commitment to a challenge of the pending epoch, behind which there is no fact.
    pub(super) async fn commit_to_nothing(&self, griefer: &Person) -> Result<()> {
        let records = RecordDispute::new(RECORD_DISPUTE, griefer.l2.provider());
        let epoch = griefer.l2.next_epoch_id().await?.saturating_sub(1);
        let request = records.commitChallenge(epoch, keccak256("nothing"));
        let request = request.value(records.STAKE().call().await?).into_transaction_request();
        send_all(vec![(griefer, vec![request])]).await?;
        Ok(())
    }

    /// What became of that commitment, and of transactions that ask for more than a block should do.
    pub(super) async fn griefing(&self, griefer: &Person, before: I256) -> Result<Line> {
        let records = RecordDispute::new(RECORD_DISPUTE, griefer.l2.provider());
        let stake = records.STAKE().call().await?;
        let epoch = griefer.l2.last_activated().await?;
        let bounty = records.bounty().call().await?;
        let forfeit = records.forfeit(epoch, griefer.address()).into_transaction_request();
        send_all(vec![(&self.watcher, vec![forfeit])]).await?;
        let taken = records.bounty().call().await?.saturating_sub(bounty);
        let registry = griefer.l2.datanets();
        let curators = (1..=17).map(Address::with_last_byte).collect();
        let crowded = DatanetParams { curators, ..crowd::datanet_params("Crowded") };
        let long = [
            registry.accept(vec![self.contributions[0]; 65]).into_transaction_request(),
            registry.createDatanet(crowded).into_transaction_request(),
            // Money of nobody's, for a leaf that is not there.
            griefer
                .l2
                .settlement()
                .claim(self.datanet.to_u256(), griefer.address(), 1, U256::ZERO, Vec::new())
                .into_transaction_request(),
        ];
        let (count, mut failed) = (long.len(), 0);
        for request in long {
            failed += usize::from(refused(griefer, request).await?);
        }
        let gain = griefer.balance().await?.saturating_sub(before);
        Ok(Line {
            attack:
                "griefing: a challenge without a fact, lists beyond their bounds, a claim of dust"
                    .into(),
            goal: "refused, and the stake lost",
            holds: failed == count && taken == stake && gain <= -I256::try_from(stake)?,
            measured: format!("the epoch stood; {failed} of {count} refused"),
            gas: None,
            gain: Some(gain),
        })
    }

    /// What was signed once is good once, on one chain, for one contract.
    pub(super) async fn replays(&self) -> Result<Line> {
        let (mallory, settlement) = (&self.mallory, self.mallory.l2.settlement());
        let last = mallory.l2.last_activated().await?;
        let posted = mallory.l2.posted_epoch(last).await?;
        let event = settlement.EpochPosted_filter().topic1(U256::from(last)).from_block(0);
        let event = event.query().await?.into_iter().next().context("no post")?.0;
        let before = mallory.balance().await?;
        let mut failed = Vec::new();

        // The epoch again.
        let bond = U256::from(mallory.l2.bond_for(FEES).await?);
        let again = settlement.postEpoch(event.post.clone(), posted.signatures.clone());
        failed.push(refused(mallory, again.value(bond).into_transaction_request()).await?);
        // The next epoch, which attributes nothing: with the signatures of that one, and as the same engines would sign
        // it for another chain and for another contract.
        let (mut next, mut post) = (event.post, posted.post);
        (next.epochId, next.firstReceipt) =
            (mallory.l2.next_epoch_id().await?, mallory.l2.next_receipt_of(next.gateway).await?);
        next.models.iter_mut().for_each(|model| model.attributed = 0);
        next.pools.clear();
        (post.epochId, post.firstReceipt) = (next.epochId, next.firstReceipt);
        post.models.iter_mut().for_each(|model| model.attributed = 0);
        post.pools.clear();
        let domain = mallory.l2.settlement_domain();
        let elsewhere = Eip712Domain {
            chain_id: domain.chain_id.map(|id| id.saturating_add(U256::ONE)),
            ..domain.clone()
        };
        let contract = Some(*mallory.l2.escrow().address());
        let another = Eip712Domain { verifying_contract: contract, ..domain };
        for signatures in [
            posted.signatures,
            self.signatures(&post, &elsewhere)?,
            self.signatures(&post, &another)?,
        ] {
            let request = settlement.postEpoch(next.clone(), signatures).value(bond);
            failed.push(refused(mallory, request.into_transaction_request()).await?);
        }
        failed.extend(self.claims_again().await?);
        failed.push(self.voucher_of_another().await?);
        let (count, failed) = (failed.len(), failed.iter().filter(|failed| **failed).count());
        let gain = mallory.balance().await?.saturating_sub(before);
        Ok(Line {
            attack:
                "replays: posts, claims, orders and vouchers, on other chains, contracts, epochs"
                    .into(),
            goal: "refused",
            holds: failed == count && gain < I256::ZERO,
            measured: format!("{failed} of {count} refused"),
            gas: None,
            gain: Some(gain),
        })
    }

    /// Alice's order to claim is brought twice, and then her claim once more.
    async fn claims_again(&self) -> Result<[bool; 2]> {
        let (mallory, settlement) = (&self.mallory, self.mallory.l2.settlement());
        let proof = self.claims.proof(self.datanet, self.alice.address())?;
        let proof = proof.context("Alice has no claim")?;
        let order = ClaimOrder {
            datanetId: self.datanet.to_u256(),
            account: self.alice.address(),
            cumulative: proof.claim.cumulative,
            to: self.alice.address(),
            fee: 0,
            deadline: u64::MAX,
        };
        let digest = settlement.hashOrder(order.clone()).call().await?;
        let signature = Bytes::from(self.alice.key.sign_hash_sync(&digest)?.as_bytes());
        let nodes = path(&proof);
        let bring = || {
            settlement
                .claimFor(order.clone(), signature.clone(), U256::from(proof.index), nodes.clone())
                .into_transaction_request()
        };
        send_all(vec![(&self.watcher, vec![bring()])]).await?;
        let again = claim_request(mallory, &self.claims, self.datanet, self.alice.address())?;
        Ok([refused(mallory, bring()).await?, refused(mallory, again).await?])
    }

    /// A voucher for one gateway, redeemed by another in its own name.
    async fn voucher_of_another(&self) -> Result<bool> {
        let (alice, gateway) = (&self.alice, self.gateway.address());
        let (escrow, cap) = (alice.l2.escrow(), FEES);
        let expiry = alice.l2.latest_block().await?.1.saturating_add(3_600);
        let requests = vec![
            escrow.deposit(alice.address()).value(U256::from(2 * cap)).into_transaction_request(),
            escrow.authorize(gateway, alice.address(), cap, expiry).into_transaction_request(),
            escrow
                .authorize(self.mallory.address(), alice.address(), cap, expiry)
                .into_transaction_request(),
        ];
        send_all(vec![(alice, requests)]).await?;
        let nonce = alice.l2.authorization(alice.address(), gateway).await?.nonce;
        let voucher = Voucher { customer: alice.address(), gateway, nonce, cumulative: cap };
        let digest = voucher.digest(&alice.l2.escrow_domain());
        let signature = Bytes::from(alice.key.sign_hash_sync(&digest)?.as_bytes());
        let mallorys = alice.l2.authorization(alice.address(), self.mallory.address()).await?.nonce;
        let stolen = IInferenceEscrow::Voucher {
            customer: alice.address(),
            gateway: self.mallory.address(),
            nonce: mallorys,
            cumulative: cap,
        };
        let escrow = self.mallory.l2.escrow();
        let request = escrow.redeem(vec![stolen], vec![signature]);
        refused(&self.mallory, request.into_transaction_request()).await
    }
}
