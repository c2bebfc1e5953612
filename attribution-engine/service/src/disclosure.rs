//! `EpochDisclosure` as typed reads and writes: pieces of an epoch's trees that somebody demands of its poster, the poster's
//! answers, and what a watcher who is shown nothing else learns from them. The contract's address is fixed as that of
//! `RecordDispute` is; a chain need not have it.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, Bytes, U256, address};
use alloy_provider::{DynProvider, Provider};
use alloy_rpc_types_eth::{Filter, Log};
use alloy_sol_types::{SolEvent, SolValue};
use scores::{
    ScoresError,
    claims::{Claims, SumNode},
    eip712::InferenceReceipt,
    epoch::SettledReceipt,
    merkle,
    payments::Payments,
};

use crate::{
    chain::{
        Chain,
        bindings::{
            disclosure::{
                EpochDisclosure::{self, EpochDisclosureInstance},
                IAttributionSettlement as exhibits, IEpochDisclosure,
            },
            records::RecordDispute,
        },
        call, mined, rpc,
    },
    challenge::Result,
    disclosed::Logged,
    evidence::{EvidenceBundle, StoredReceipt},
    records::RECORD_DISPUTE,
};

/// Where `EpochDisclosure` stands if a chain has it.
pub const EPOCH_DISCLOSURE: Address = address!("0x4f50454e00000000000000000000000000000016");

/// Leaves of a piece, and its levels.
pub(crate) const PIECE: usize = 1 << PIECE_LEVELS;
const PIECE_LEVELS: usize = 8;
/// Pieces in one demand at most.
const PLACES_MAX: usize = 256;

/// Answers that a poster has room for in each second of a quarter of the window (`Disclosures.ANSWERS_PER_SECOND`).
const ANSWERS_PER_SECOND: usize = 8;

/// Most answers that an epoch may need whose challenge window is so many seconds (`Disclosures.answersMax`).
pub(crate) fn answers_max(window: u32) -> usize {
    ANSWERS_PER_SECOND * window.div_ceil(4) as usize
}

/// Answers that disclose all of an epoch of so many receipts (`Disclosures.answersOf`).
pub(crate) fn answers_of(receipts: usize, payments: &Payments, claims: &Claims) -> usize {
    let pieces = |depth: usize| 1_usize << depth.saturating_sub(PIECE_LEVELS).min(63);
    let claims_depth = claims.width().max(1).trailing_zeros() as usize;
    receipts.saturating_add(pieces(payments.depth().into())).saturating_add(pieces(claims_depth))
}

/// The trees of an epoch, as the contract numbers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Tree {
    Receipts = 0,
    Payments = 1,
    Claims = 2,
}

impl Tree {
    pub const ALL: [Self; 3] = [Self::Receipts, Self::Payments, Self::Claims];

    fn of(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|tree| *tree as u8 == number)
    }
}

/// What one answer discloses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Piece {
    pub tree: Tree,
    /// Of a receipt its place in the epoch, of leaves the number of their 256.
    pub place: u64,
}

/// The contract on a chain that has it.
#[derive(Clone, Debug)]
pub struct Disclosures {
    chain: Chain,
    contract: EpochDisclosureInstance<DynProvider>,
}

impl Disclosures {
    /// The contract, or nothing where nothing is deployed at its address.
    pub async fn on(chain: &Chain) -> Result<Option<Self>> {
        let what = "reading the code of EpochDisclosure";
        let provider = chain.provider();
        let code = provider.get_code_at(EPOCH_DISCLOSURE).await.map_err(rpc(what))?;
        let contract = EpochDisclosure::new(EPOCH_DISCLOSURE, provider.clone());
        Ok((!code.is_empty()).then(|| Self { chain: chain.clone(), contract }))
    }

    /// What was demanded of an epoch, and whether it is disclosed. `block` is that of the post.
    pub async fn demands(&self, epoch: u64, block: u64) -> Result<BTreeMap<Piece, bool>> {
        let mut demands = BTreeMap::new();
        for log in self.logs(epoch, block).await? {
            let log = &log.inner;
            if let Ok(event) = EpochDisclosure::PieceDemanded::decode_log(log) {
                demands.extend(piece(event.tree, event.place).map(|piece| (piece, false)));
            } else if let Ok(event) = EpochDisclosure::EntriesDisclosed::decode_log(log) {
                demands.extend(piece(event.tree, event.place).map(|piece| (piece, true)));
            } else if let Ok(event) = EpochDisclosure::ReceiptDisclosed::decode_log(log) {
                let of = piece(Tree::Receipts as u8, event.place);
                demands.extend(of.map(|piece| (piece, true)));
            }
        }
        Ok(demands)
    }

    /// What was disclosed of an epoch. `block` is that of the post.
    pub async fn logged(&self, epoch: u64, block: u64) -> Result<Logged> {
        let mut logged = Logged::default();
        for log in self.logs(epoch, block).await? {
            let log = &log.inner;
            if let Ok(event) = EpochDisclosure::EntriesDisclosed::decode_log(log) {
                logged.entries(&event)?;
            } else if let Ok(event) = EpochDisclosure::ReceiptDisclosed::decode_log(log) {
                logged.receipt(&event)?;
            }
        }
        Ok(logged)
    }

    async fn logs(&self, epoch: u64, block: u64) -> Result<Vec<Log>> {
        let filter = Filter::new()
            .address(EPOCH_DISCLOSURE)
            .event_signature(vec![
                EpochDisclosure::PieceDemanded::SIGNATURE_HASH,
                EpochDisclosure::EntriesDisclosed::SIGNATURE_HASH,
                EpochDisclosure::ReceiptDisclosed::SIGNATURE_HASH,
            ])
            .topic1(U256::from(epoch));
        Ok(self.chain.logs(filter, block).await?)
    }

    /// Levels of an epoch's payments tree and of its claims tree, as its poster has stated them.
    pub async fn depths(&self, epoch: u64) -> Result<(u8, u8)> {
        let what = "reading the depths of an epoch's trees";
        let records = RecordDispute::new(RECORD_DISPUTE, self.chain.provider().clone());
        let stored = records.depthsOf(epoch).call().await.map_err(call(what))?;
        Ok((stored.payments, stored.claims))
    }

    /// What was demanded of an epoch and is not disclosed yet, whether there is still time or not.
    pub async fn open(&self, epoch: u64, block: u64) -> Result<Vec<Piece>> {
        let demands = self.demands(epoch, block).await?;
        Ok(demands
            .into_iter()
            .filter(|(_, disclosed)| !disclosed)
            .map(|(piece, _)| piece)
            .collect())
    }

    /// Unix second until which a demanded piece can be disclosed.
    pub async fn due_at(&self, epoch: u64, piece: Piece) -> Result<u64> {
        let what = "reading a demand";
        let demand = self.contract.demandOf(epoch, piece.tree as u8, U256::from(piece.place));
        Ok(demand.call().await.map_err(call(what))?.dueAt)
    }

    /// Who demanded a piece, unless its stake was returned.
    pub async fn demander(&self, epoch: u64, piece: Piece) -> Result<Option<Address>> {
        let what = "reading a demand";
        let demand = self.contract.demandOf(epoch, piece.tree as u8, U256::from(piece.place));
        let by = demand.call().await.map_err(call(what))?.by;
        Ok((!by.is_zero()).then_some(by))
    }

    /// All pieces that an epoch has by now: those of its sum trees once their depth is stated.
    pub async fn pieces(&self, epoch: u64) -> Result<Vec<Piece>> {
        let mut pieces = Vec::new();
        for tree in Tree::ALL {
            let what = "counting an epoch's pieces";
            let count =
                self.contract.pieceCount(epoch, tree as u8).call().await.map_err(call(what))?;
            pieces.extend((0..count.saturating_to()).map(|place| Piece { tree, place }));
        }
        Ok(pieces)
    }

    /// Demands all pieces of these trees that nobody has demanded yet; returns those.
    pub async fn demand_missing(
        &self,
        epoch: u64,
        block: u64,
        trees: &[Tree],
    ) -> Result<Vec<Piece>> {
        let before = self.demands(epoch, block).await?;
        let mut pieces = self.pieces(epoch).await?;
        pieces.retain(|piece| trees.contains(&piece.tree) && !before.contains_key(piece));
        self.demand(epoch, &pieces).await?;
        Ok(pieces)
    }

    /// Demands pieces, each with its stake. None may have been demanded before.
    pub async fn demand(&self, epoch: u64, pieces: &[Piece]) -> Result<()> {
        let what = "demanding what an epoch commits to";
        for tree in Tree::ALL {
            let places = pieces.iter().filter(|piece| piece.tree == tree);
            let places: Vec<U256> = places.map(|piece| U256::from(piece.place)).collect();
            for places in places.chunks(PLACES_MAX) {
                let stake = self.contract.stake().call().await.map_err(call(what))?;
                // The base fee may rise until the demand is in a block.
                let value = stake.saturating_mul(U256::from(2 * places.len()));
                let demand = self.contract.demand(epoch, tree as u8, places.to_vec()).value(value);
                let sent = {
                    let _turn = self.chain.turn().await;
                    demand.send().await.map_err(call(what))?
                };
                mined(what, sent).await?;
            }
        }
        Ok(())
    }

    /// Discloses a piece of an epoch as its evidence has it.
    pub async fn disclose(
        &self,
        piece: Piece,
        bundle: &EvidenceBundle,
        payments: &Payments,
    ) -> Result<()> {
        let what = "disclosing a piece of an epoch";
        let epoch = bundle.post.epochId;
        let sent = if piece.tree == Tree::Receipts {
            let answer = ReceiptAnswer::of(bundle, piece.place)?;
            let ReceiptAnswer { receipt, record, response, proof } = answer;
            let _turn = self.chain.turn().await;
            let answer = self.contract.discloseReceipt(epoch, receipt, record, response, proof);
            answer.send().await.map_err(call(what))?
        } else {
            let (entries, path) = leaves_of(piece, &bundle.claims, payments)?;
            let (tree, place) = (piece.tree as u8, U256::from(piece.place));
            let _turn = self.chain.turn().await;
            let answer = self.contract.discloseEntries(epoch, tree, place, entries, path);
            answer.send().await.map_err(call(what))?
        };
        mined(what, sent).await?;
        Ok(())
    }

    /// Takes the stake of a demand back that nobody answered, from an epoch that is decided.
    pub async fn reclaim(&self, epoch: u64, piece: Piece) -> Result<()> {
        let what = "reclaiming the stake of a demand";
        let reclaim = self.contract.reclaim(epoch, piece.tree as u8, U256::from(piece.place));
        let sent = {
            let _turn = self.chain.turn().await;
            reclaim.send().await.map_err(call(what))?
        };
        mined(what, sent).await?;
        Ok(())
    }

    /// Pays the sender what it is owed here, if anything: stakes of answers, and stakes returned. Returns it, wei.
    pub async fn collect(&self) -> Result<U256> {
        let what = "withdrawing stakes of demands";
        let account = self.chain.sender().unwrap_or_default();
        let owed = self.contract.credit(account).call().await.map_err(call(what))?;
        if !owed.is_zero() {
            let sent = {
                let _turn = self.chain.turn().await;
                self.contract.withdraw(account).send().await.map_err(call(what))?
            };
            mined(what, sent).await?;
        }
        Ok(owed)
    }
}

fn piece(tree: u8, place: U256) -> Option<Piece> {
    Some(Piece { tree: Tree::of(tree)?, place: u64::try_from(place).ok()? })
}

/// A receipt with the bytes that its hashes are of.
struct ReceiptAnswer {
    receipt: exhibits::InferenceReceipt,
    record: Bytes,
    response: Bytes,
    proof: Vec<B256>,
}

impl ReceiptAnswer {
    fn of(bundle: &EvidenceBundle, place: u64) -> Result<Self> {
        let leaf = |StoredReceipt { receipt, record, .. }: &StoredReceipt| {
            let settled = SettledReceipt { receipt: receipt.clone(), record: record.clone() };
            merkle::leaf_hash(settled.leaf().as_slice())
        };
        let leaves: Vec<B256> = bundle.receipts.iter().map(leaf).collect();
        let index = usize::try_from(place).map_err(|_| ScoresError::Overflow { what: "places" })?;
        let proof = merkle::proof(&leaves, index)?;
        let stored = bundle.receipts.get(index);
        let count = u64::try_from(leaves.len()).unwrap_or(u64::MAX);
        let stored = stored.ok_or(ScoresError::NoSuchLeaf { index: place, count })?;
        Ok(Self {
            receipt: receipt_of(&stored.receipt),
            record: stored.record.canonical_bytes().into(),
            response: stored.response.abi_encode().into(),
            proof,
        })
    }
}

fn receipt_of(receipt: &InferenceReceipt) -> exhibits::InferenceReceipt {
    exhibits::InferenceReceipt {
        number: receipt.number,
        modelId: receipt.modelId,
        customer: receipt.customer,
        gateway: receipt.gateway,
        requestHash: receipt.requestHash,
        responseHash: receipt.responseHash,
        tokensIn: receipt.tokensIn,
        tokensOut: receipt.tokensOut,
        fee: receipt.fee,
        timestamp: receipt.timestamp,
        engineSpecHash: receipt.engineSpecHash,
        adapterSetHash: receipt.adapterSetHash,
        retrievalRoot: receipt.retrievalRoot,
    }
}

/// The leaves of a piece of a sum tree, and the path above them.
fn leaves_of(
    piece: Piece,
    claims: &Claims,
    payments: &Payments,
) -> Result<(Vec<IEpochDisclosure::Entry>, Vec<exhibits::ProofNode>)> {
    let first = usize::try_from(piece.place).unwrap_or(usize::MAX).saturating_mul(PIECE);
    let entries = if piece.tree == Tree::Claims {
        let own = claims.as_slice().iter().skip(first).take(PIECE);
        own.map(|claim| IEpochDisclosure::Entry {
            datanetId: claim.datanet.to_u256(),
            account: claim.account,
            receipt: 0,
            amount: claim.cumulative,
        })
        .collect()
    } else {
        let own = payments.as_slice().iter().skip(first).take(PIECE);
        own.map(|payment| IEpochDisclosure::Entry {
            datanetId: payment.datanet.to_u256(),
            account: payment.account,
            receipt: payment.receipt,
            amount: payment.amount,
        })
        .collect()
    };
    let path = if piece.tree == Tree::Claims {
        claims.slot(first)?.map(|slot| slot.proof)
    } else {
        payments.slot(first)?.map(|slot| slot.proof)
    };
    let above = path.unwrap_or_default().into_iter().skip(PIECE_LEVELS);
    let node = |SumNode { hash, sum }: SumNode| exhibits::ProofNode { hash, sum };
    Ok((entries, above.map(node).collect()))
}
