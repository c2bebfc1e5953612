//! Attacks by many rows: noise, copies of others' and of one's own, one dataset under many names. The rows are
//! contributed with real transactions, in batches, and paid by one epoch. What copies and cut-up datasets get
//! is what the engines' own code makes of the texts; for noise, scores are drawn.

use std::f64::consts::TAU;

use alloy_primitives::{Address, B256, I256, U256, keccak256};
use alloy_sol_types::SolValue;
use anyhow::{Context, Result, ensure};
use models::ModelError;
use scores::{
    ContributionId, DatanetId, Sequence,
    document::{Document, DocumentCommitment},
    eip712::{ModelTotal, PoolTotal},
    epoch::{payments, receipt_pool},
    merkle,
    record::{AttributionRecord, WEIGHT_ONE},
    sketch::Sketch,
    spec::EngineSpec,
};
use service::{
    chain::{Contribution, CorpusRoots, bindings::datanets::IDatanetRegistry::Reveal},
    clusters::{Corpus, CorpusDocument, TokenCodec},
    pinned,
};

use super::{
    Arena, Line, Person, SPLIT, TEXT, Totals,
    bindings::{
        CONTENT_CHALLENGES,
        challenges::{Batches, ContentChallenges},
    },
    claim_request,
    crowd::{Batch, Offer, accept, contribute, datanet, document, send_all},
    reentrancy::{PRIZE, contracts_of},
    signed,
};
use crate::{demo::open, economy::simulation::Chance};

/// Fee of each answer, wei: 1 OPEN.
const FEE: u128 = 1_000_000_000_000_000_000;
/// Rows of noise in a batch, and batches.
const BATCH: usize = 1_000;
const NOISE_BATCHES: usize = 10;
/// Honest rows, and those of them that an answer draws on.
const HONEST: usize = 1_000;
const RELEVANT: usize = 20;
/// Effect of a relevant row, standard deviations of the noise.
const EFFECT: f64 = 6.0;
/// Answers that are scored.
const ANSWERS: u64 = 20;
/// Copies that are made of a row, of another's and of one's own.
const COPIES: [usize; 3] = [1, 10, 1_000];
/// Identities among which a dataset of as many rows is split.
pub(super) const IDENTITIES: usize = 100;

/// Who plays here. Nobody has an account in the claims yet.
pub(super) struct Cast<'a> {
    /// Owns the honest rows.
    pub honest: &'a Person,
    pub noise: &'a Person,
    pub copier: &'a Person,
    /// Copy their own row, each as often as [`COPIES`] says.
    pub own: [&'a Person; COPIES.len()],
    /// Owns a dataset that `parts` own a row each of.
    pub whole: &'a Person,
    /// Commits to a challenge of an honest epoch.
    pub griefer: &'a Person,
    /// Has a claim for a contract that calls again while it is paid.
    pub robber: &'a Person,
    pub parts: &'a [Person],
}

/// Addresses of those who are paid, or not.
#[derive(Clone)]
struct Names {
    alice: Address,
    honest: Address,
    noise: Address,
    copier: Address,
    own: [Address; COPIES.len()],
    whole: Address,
    parts: Vec<Address>,
}

/// All rows, and what the engines make of them. The Datanets are numbered: the common one, that of one name, that
/// of many names.
struct Plan {
    honest: Batch,
    noise: Vec<Batch>,
    /// Of [`COPIES`].
    copies: Vec<Batch>,
    /// Of [`COPIES`].
    own_copies: Vec<Batch>,
    whole: Batch,
    /// The rows of `whole`.
    dataset: Vec<String>,
    paid: Vec<(usize, Address, u128)>,
    to_honest: u128,
    /// What each one's own row earns without copies.
    alone: Vec<u128>,
}

impl Plan {
    /// `pool` is the contributors' of an answer, wei.
    fn of(names: &Names, pool: u128) -> Result<Self> {
        let dataset = rows("harbour log", IDENTITIES);
        let noise = (0..NOISE_BATCHES).map(|n| Batch::of(&rows(&format!("noise {n}"), BATCH)));
        let (to_honest, to_noise) = noise_payments(pool)?;
        let mut paid = vec![(0, names.honest, to_honest), (0, names.noise, to_noise)];
        let of = |owner: Address, texts: Vec<String>| texts.into_iter().map(move |t| (owner, t));
        let first = (names.alice, TEXT.to_owned());
        for count in COPIES {
            let texts = of(names.copier, copies(TEXT, count));
            let texts: Vec<_> = std::iter::once(first.clone()).chain(texts).collect();
            paid.extend(pay(0, &record_of(&texts, TEXT)?, pool)?);
        }
        let (mut own_copies, mut alone) = (Vec::new(), Vec::new());
        for (owner, count) in names.own.into_iter().zip(COPIES) {
            let row = own_row(count);
            let mut texts = vec![(owner, row.clone())];
            alone.push(pay(0, &record_of(&texts, &row)?, pool)?.iter().map(|paid| paid.2).sum());
            let copied = copies(&row, count);
            own_copies.push(Batch::of(&copied)?);
            texts.extend(of(owner, copied));
            paid.extend(pay(0, &record_of(&texts, &row)?, pool)?);
        }
        let answer = dataset.concat();
        let by_one: Vec<_> = of(names.whole, dataset.clone()).collect();
        let by_many: Vec<_> = names.parts.iter().copied().zip(dataset.clone()).collect();
        paid.extend(pay(1, &record_of(&by_one, &answer)?, pool)?);
        paid.extend(pay(2, &record_of(&by_many, &answer)?, pool)?);
        Ok(Self {
            honest: Batch::of(&rows("honest", HONEST))?,
            noise: noise.collect::<Result<_>>()?,
            copies: COPIES.iter().map(|n| Batch::of(&copies(TEXT, *n))).collect::<Result<_>>()?,
            own_copies,
            whole: Batch::of(&dataset)?,
            dataset,
            paid,
            to_honest,
            alone,
        })
    }
}

impl Arena {
    /// Contributes all rows, settles the answers in one epoch, and has everybody claim.
    pub(super) async fn rows(&mut self, cast: &Cast<'_>) -> Result<Vec<Line>> {
        let Cast { honest, noise, copier, own, whole, griefer, robber, parts } = *cast;
        let parts: Vec<&Person> = parts.iter().take(IDENTITIES).collect();
        let pool = receipt_pool(FEE, self.platform_bps, SPLIT)?;
        let names = Names {
            alice: self.alice.address(),
            honest: honest.address(),
            noise: noise.address(),
            copier: copier.address(),
            own: own.map(|owner| owner.address()),
            whole: whole.address(),
            parts: parts.iter().map(|part| part.address()).collect(),
        };
        // Seconds of work, in which nobody else here should stand still.
        let plan = tokio::task::spawn_blocking(move || Plan::of(&names, pool)).await??;
        let here = self.datanet.to_u256();
        let nets = [
            datanet(&self.curator, "One name").await?,
            datanet(&self.curator, "Many names").await?,
        ];
        let noise_before = balance_of(&[noise]).await?;
        let copier_before = balance_of(&[copier]).await?;
        let mut own_before = Vec::new();
        for owner in own {
            own_before.push(owner.balance().await?);
        }
        let split_before = (balance_of(&[whole]).await?, balance_of(&parts).await?);

        // What there was, then what attackers add.
        let offer = |who, datanet, reveal: &Reveal| Offer { who, datanet, reveal: reveal.clone() };
        let mut offers = vec![
            offer(honest, here, &plan.honest.reveal),
            offer(whole, nets[0], &plan.whole.reveal),
        ];
        for (owner, count) in own.into_iter().zip(COPIES) {
            offers.push(offer(owner, here, &document(&own_row(count))?));
        }
        let first = contribute(&offers).await?;
        let mut offers: Vec<_> =
            plan.noise.iter().map(|batch| offer(noise, here, &batch.reveal)).collect();
        offers.extend(plan.copies.iter().map(|batch| offer(copier, here, &batch.reveal)));
        for (owner, batch) in own.into_iter().zip(&plan.own_copies) {
            offers.push(offer(owner, here, &batch.reveal));
        }
        for (text, part) in plan.dataset.iter().zip(&parts) {
            offers.push(offer(*part, nets[1], &document(text)?));
        }
        let added = contribute(&offers).await?;
        accept(&self.curator, &[first, added.clone()].concat()).await?;
        let mut models = vec![(self.datanet, self.model)];
        // No honest engine would serve these, and none is asked.
        let roots =
            CorpusRoots { surprises: keccak256("surprises"), clusters: keccak256("clusters") };
        for net in nets {
            let net = DatanetId::try_from(net)?;
            models.push((net, self.register(net, roots).await?));
        }
        let mut paid = Vec::new();
        for (place, account, amount) in plan.paid {
            paid.push((models.get(place).context("no such Datanet")?.0, account, amount));
        }
        paid.push((self.datanet, contracts_of(robber)[0], PRIZE));
        let (whole_net, to_honest, alone) = (models[1].0, plan.to_honest, plan.alone);

        // One epoch of nine answers.
        let mut claims = self.claims.clone();
        for (net, account, amount) in paid.iter().filter(|(_, _, amount)| *amount > 0) {
            claims.add(*net, *account, *amount)?;
        }
        let total = |net: DatanetId| paid.iter().filter(|p| p.0 == net).map(|p| p.2).sum::<u128>();
        let fees = [7 * FEE, FEE, FEE];
        let totals = models.iter().zip(fees).map(|((net, model), fees)| ModelTotal {
            modelId: *model,
            fees,
            attributed: total(*net),
        });
        let pools = models
            .iter()
            .map(|(net, _)| PoolTotal { datanetId: net.to_u256(), amount: total(*net) });
        let totals = Totals { models: totals.collect(), pools: pools.collect() };
        self.post(&self.gateway, &claims, totals).await?;
        let griefer_before = balance_of(&[griefer]).await?;
        self.commit_to_nothing(griefer).await?;
        self.activate(claims).await?;

        let claimants: Vec<&Person> =
            [vec![honest, noise, copier, whole], own.to_vec(), parts.clone()].concat();
        self.claim_all(&claimants).await?;

        let settled = |net, who: &Person| claimed(self, net, who.address());
        let (honest_got, noise_got) =
            (settled(self.datanet, honest).await?, settled(self.datanet, noise).await?);
        let mut lines = vec![Line {
            attack: format!("{} noise rows against {HONEST} honest", NOISE_BATCHES * BATCH),
            goal: "attacker's share of the pool below 0.1 %",
            holds: noise_got.saturating_mul(1_000) < pool
                && honest_got == to_honest
                && to_honest > 0,
            measured: format!(
                "attacker {}, honest {} of the pool, the rest residual",
                percent(noise_got, pool),
                percent(honest_got, pool)
            ),
            gas: None,
            gain: Some(balance_of(&[noise]).await?.saturating_sub(noise_before)),
        }];
        let copier_ids = added.get(NOISE_BATCHES..).context("no copies")?;
        let copier_got = settled(self.datanet, copier).await?;
        for ((count, batch), id) in COPIES.into_iter().zip(&plan.copies).zip(copier_ids) {
            let gas = self.show_copy(*id, count, batch).await?;
            lines.push(Line {
                attack: format!("{} of another's row", near_copies(count)),
                goal: "gain 0",
                holds: copier_got == 0 && gas < 1_500_000,
                measured: "paid 0; shown to be copies of the first".into(),
                gas: Some(gas),
                gain: Some(I256::ZERO),
            });
        }
        // Gas of all copies together is the last line's.
        if let Some(line) = lines.last_mut() {
            line.gain = Some(balance_of(&[copier]).await?.saturating_sub(copier_before));
        }
        for (((owner, count), before), alone) in
            own.into_iter().zip(COPIES).zip(own_before).zip(alone)
        {
            let got = settled(self.datanet, owner).await?;
            let gain = owner.balance().await?.saturating_sub(before);
            let gain = gain.saturating_sub(I256::try_from(alone)?);
            lines.push(Line {
                attack: format!("{} of one's own row", near_copies(count)),
                goal: "gain at most 0",
                holds: got == alone && alone > 0 && gain <= I256::ZERO,
                measured: format!("paid {}, as without copies", open(U256::from(got))),
                gas: None,
                gain: Some(gain),
            });
        }
        let one_gain = balance_of(&[whole]).await?.saturating_sub(split_before.0);
        let many_gain = balance_of(&parts).await?.saturating_sub(split_before.1);
        let whole_got = settled(whole_net, whole).await?;
        let gain = many_gain.saturating_sub(one_gain);
        lines.push(Line {
            attack: format!("one dataset split over {IDENTITIES} identities"),
            goal: "gain at most 1 %",
            holds: gain <= I256::try_from(whole_got / 100)? && whole_got > 0,
            measured: format!("one name earns {}, many {}", signed(one_gain), signed(many_gain)),
            gas: None,
            gain: Some(gain),
        });
        lines.push(self.griefing(griefer, griefer_before).await?);
        Ok(lines)
    }

    /// Shows that the last document of a batch is a near-copy of Alice's; returns the gas.
    async fn show_copy(&self, id: U256, count: usize, batch: &Batch) -> Result<u64> {
        let last = count.saturating_sub(1);
        let commitment = batch.documents.get(last).context("an empty batch")?;
        let index = u32::try_from(last)?;
        let text = copies(TEXT, count).pop().context("no copies")?;
        let alices = Document::normalise(TEXT.as_bytes())?;
        let later = Batches::Item {
            contributionId: id,
            index,
            document: exhibit(commitment),
            proof: merkle::proof(&batch.leaves, last)?,
        };
        let earlier = item(self.contributions[0], &alices)?;
        let provider = self.watcher.l2.provider();
        let contract = ContentChallenges::new(CONTENT_CHALLENGES, provider);
        let request = contract.proveCopy(
            earlier,
            Sketch::of(alices.text()).to_bytes().into(),
            later,
            Sketch::of(Document::normalise(text.as_bytes())?.text()).to_bytes().into(),
        );
        let receipts =
            send_all(vec![(&self.watcher, vec![request.into_transaction_request()])]).await?;
        let key = |id: U256, index: u32| keccak256((id, U256::from(index)).abi_encode());
        let first = contract.representativeOf(key(id, index)).call().await?;
        ensure!(first == key(self.contributions[0], 0), "the copy has another representative");
        Ok(receipts.first().and_then(|own| own.first()).context("no receipt")?.gas_used)
    }

    /// Has each person claim what it has under the root in force, and withdraw nothing else.
    pub(super) async fn claim_all(&self, people: &[&Person]) -> Result<()> {
        let mut requests = Vec::new();
        for person in people {
            let own = self.claims.as_slice().iter();
            for claim in own.filter(|claim| claim.account == person.address()) {
                let request = claim_request(person, &self.claims, claim.datanet, claim.account)?;
                requests.push((*person, vec![request]));
            }
        }
        send_all(requests).await?;
        Ok(())
    }
}

/// A document of its own, as challenges name it.
pub(super) fn item(id: U256, document: &Document) -> Result<Batches::Item> {
    Ok(Batches::Item {
        contributionId: id,
        index: 0,
        document: exhibit(&DocumentCommitment::of(document)?),
        proof: Vec::new(),
    })
}

fn exhibit(commitment: &DocumentCommitment) -> Batches::Document {
    Batches::Document {
        contentHash: commitment.content_hash,
        chunkRoot: commitment.chunk_root,
        chunkCount: commitment.chunk_count,
        byteLength: commitment.byte_length,
        sketchHash: commitment.sketch_hash,
    }
}

async fn claimed(arena: &Arena, net: DatanetId, account: Address) -> Result<u128> {
    Ok(arena.alice.l2.settlement().claimedOf(net.to_u256(), account).call().await?)
}

async fn balance_of(people: &[&Person]) -> Result<I256> {
    let mut sum = I256::ZERO;
    for person in people {
        sum = sum.saturating_add(person.balance().await?);
    }
    Ok(sum)
}

/// Distinct rows of invented words; the same name gives the same rows.
fn rows(name: &str, count: usize) -> Vec<String> {
    let seed = keccak256(name);
    let mut chance = Chance(seed.first_chunk::<8>().map_or(0, |head| u64::from_be_bytes(*head)));
    let mut row = || {
        let word = |chance: &mut Chance| {
            let letters = 4 + chance.below(5);
            (0..letters).map(|_| char::from(b'a' + chance.below(26) as u8)).collect::<String>()
        };
        let words: Vec<String> = (0..12).map(|_| word(&mut chance)).collect();
        format!("{}.\n", words.join(" "))
    };
    (0..count).map(|_| row()).collect()
}

fn near_copies(count: usize) -> String {
    format!("{count} near-{}", if count == 1 { "copy" } else { "copies" })
}

/// What is copied `count` times by its own author.
fn own_row(count: usize) -> String {
    rows(&format!("a row of one's own, {count}"), 3).concat().replace('\n', " ")
}

/// A text `count` times, each with another word in place of one of its own.
fn copies(text: &str, count: usize) -> Vec<String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    (0..count)
        .map(|number| {
            let mut copy: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            if let Some(word) = copy.get_mut(number % words.len().max(1)) {
                *word = format!("otherwise{number}");
            }
            copy.join(" ")
        })
        .collect()
}

/// Scores N(0, 1) of every row, and an effect on top for the relevant ones; credit for what is above
/// sqrt(2 ln N), over a fixed denominator. What honest and noise rows get of the pool, over all answers.
fn noise_payments(pool: u128) -> Result<(u128, u128)> {
    let noise = NOISE_BATCHES * BATCH;
    let threshold = (2.0 * ((noise + HONEST) as f64).ln()).sqrt();
    let (mut honest_sum, mut noise_sum) = (0.0, 0.0);
    for answer in 0..ANSWERS {
        let mut chance = Chance(answer);
        for row in 0..HONEST {
            let effect = if row < RELEVANT { EFFECT } else { 0.0 };
            honest_sum += (normal(&mut chance) + effect - threshold).max(0.0);
        }
        for _ in 0..noise {
            noise_sum += (normal(&mut chance) - threshold).max(0.0);
        }
    }
    let denominator = ANSWERS as f64 * RELEVANT as f64 * EFFECT;
    let part = |sum: f64| {
        let weight = (sum / denominator * f64::from(WEIGHT_ONE)) as u128;
        pool.saturating_mul(weight).checked_div(WEIGHT_ONE.into()).context("no weights")
    };
    Ok((part(honest_sum)?, part(noise_sum)?))
}

/// A standard normal draw (Box and Muller).
pub(super) fn normal(chance: &mut Chance) -> f64 {
    let uniform = |chance: &mut Chance| ((chance.below(1 << 53) + 1) as f64) / (1_u64 << 53) as f64;
    let (radius, angle) = (uniform(chance), uniform(chance));
    (-2.0 * radius.ln()).sqrt() * (TAU * angle).cos()
}

/// Bytes as tokens: attribution by text does not depend on how a tokenizer cuts it.
struct ByteTokens;

impl TokenCodec for ByteTokens {
    fn fingerprint(&self) -> B256 {
        keccak256("bytes")
    }

    fn encode(&self, text: &str) -> Result<Vec<u16>, ModelError> {
        Ok(text.bytes().map(u16::from).collect())
    }

    fn decode(&self, tokens: &[u16]) -> String {
        tokens.iter().map(|token| char::from(*token as u8)).collect()
    }
}

/// The engines' record of an answer over documents in the order of their commitments.
fn record_of(documents: &[(Address, String)], answer: &str) -> Result<AttributionRecord> {
    let spec = EngineSpec { tokenizer_hash: ByteTokens.fingerprint(), ..pinned::engine_spec() };
    let documents = documents
        .iter()
        .zip(1_u64..)
        .map(|((contributor, text), place)| {
            let document = Document::normalise(text.as_bytes())?;
            let contribution = Contribution {
                id: ContributionId(place),
                datanet: DatanetId(1),
                contributor: *contributor,
                sequence: Sequence(place),
                commitment: DocumentCommitment::of(&document)?,
                place: None,
            };
            Ok(CorpusDocument { contribution, document })
        })
        .collect::<Result<Vec<_>>>()?;
    let corpus = Corpus::build(&spec, documents, &ByteTokens, None)?;
    Ok(corpus.attribute(B256::ZERO, spec.hash()?, &ByteTokens.encode(answer)?, &[])?)
}

/// What a record pays of an answer's pool, to accounts of the Datanet with this number.
fn pay(net: usize, record: &AttributionRecord, pool: u128) -> Result<Vec<(usize, Address, u128)>> {
    let paid = payments(record, pool)?.into_iter();
    Ok(paid.map(|payment| (net, payment.payee, payment.amount)).collect())
}

pub(super) fn percent(part: u128, whole: u128) -> String {
    let ppm = part.saturating_mul(1_000_000).checked_div(whole).unwrap_or_default();
    format!("{}.{:04} %", ppm / 10_000, ppm % 10_000)
}
