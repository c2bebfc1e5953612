//! Attacks on admission: laundering of a published text, bribed and lazy reviewers. A Datanet whose panels
//! have windows of an hour is reviewed in seconds, because a step ends when all have taken it.

use std::collections::{BTreeMap, BTreeSet};

use alloy_network::TransactionBuilder;
use alloy_primitives::{Address, Bytes, I256, U256, keccak256, utils::parse_ether};
use alloy_rpc_types_eth::TransactionRequest;
use alloy_signer::SignerSync;
use alloy_sol_types::{SolCall, SolValue};
use anyhow::{Context, Result, ensure};
use scores::{document::Document, sketch::Sketch};

use super::{
    BOND, Line, POLL, Person, TEXT,
    bindings::{
        CONTENT_CHALLENGES, CONTRIBUTION_REVIEW, REVIEWER_POOL,
        challenges::{ContentChallenges, IContentChallenges},
        review::{ContributionReview, IContributionReview},
        reviewers::ReviewerPool,
    },
    crowd::{
        MULTICALL3, Multicall3, Offer, contribute, datanet, document, send_all, wait_for_blocks,
    },
    event,
    rows::{item, normal, percent},
    signed,
};
use crate::{demo::open, economy::simulation::Chance};

/// Fee of a panellist, wei: 0.01 OPEN.
const FEE: u64 = 10_000_000_000_000_000;
/// Reviews in which one of five reviewers is lazy.
const CASES: usize = 20;
/// Panels drawn to see how many a briber holds, and how many in a call.
const DRAWS: u64 = 500;
const DRAWS_A_CALL: u64 = 50;
/// Panellists of a review, and of its appeal.
const PANELS: [u64; 2] = [5, 11];
/// What a vote is bought for, wei: twice the fee that it may lose.
const BRIBE: u64 = 2 * FEE;
/// Hundredths of the seats that take bribes, and the documents that each briber submits.
const BRIBED: [usize; 2] = [20, 40];
const BRIBED_CASES: usize = 20;
/// `IDatanetRegistry.Status.Accepted`.
const ACCEPTED: u8 = 3;
/// The score of who does not read.
const LAZY_SCORE: u8 = 70;

/// The author publishes a text, and a thief commits to a paraphrase of it before the author does.
pub(super) async fn launder(
    owner: &Person,
    author: &Person,
    thief: &Person,
    notaries: [&Person; 2],
) -> Result<Line> {
    let net = reviewed(owner).await?;
    let contract =
        |who: &Person| ContentChallenges::new(CONTENT_CHALLENGES, who.l2.provider().clone());
    let named = notaries.iter().map(|notary| notary.address()).collect();
    let request = contract(owner).setNotaries(net, named).into_transaction_request();
    send_all(vec![(owner, vec![request])]).await?;
    let before = thief.balance().await?;
    let text = TEXT.replace("every evening", "each night").replace("thirty years", "decades");
    let [stolen, own] = [(thief, text.as_str()), (author, TEXT)];
    let offer =
        |who, text| Ok::<_, anyhow::Error>(Offer { who, datanet: net, reveal: document(text)? });
    let stolen_id = *contribute(&[offer(stolen.0, stolen.1)?]).await?.first().context("no id")?;
    let own_id = *contribute(&[offer(own.0, own.1)?]).await?.first().context("no id")?;

    // Two notaries date what the author published a month before.
    let [stolen, own] = [stolen.1, own.1].map(|text| Document::normalise(text.as_bytes()));
    let (stolen, own) = (stolen?, own?);
    let sketch = Sketch::of(own.text());
    let date = author.l2.latest_block().await?.1.saturating_sub(30 * 86_400);
    let challenges = contract(author);
    let statement = challenges.hashPublication(net, author.address(), sketch.hash(), date);
    let statement = statement.call().await?;
    let mut by_address = notaries;
    by_address.sort_by_key(|notary| notary.address());
    let signatures = by_address
        .iter()
        .map(|notary| Ok(Bytes::from(notary.key.sign_hash_sync(&statement)?.as_bytes())))
        .collect::<Result<_>>()?;
    let accusation = challenges.accuse(
        item(stolen_id, &stolen)?,
        Sketch::of(stolen.text()).to_bytes().into(),
        item(own_id, &own)?,
        sketch.to_bytes().into(),
        IContentChallenges::Evidence { publishedAt: date, signatures },
    );
    let bond = challenges.challengeBond().call().await?;
    let accusation = accusation.value(bond).into_transaction_request();
    let receipts = send_all(vec![(author, vec![accusation])]).await?;
    let accused = receipts.first().and_then(|own| own.first()).context("no receipt")?;
    let case = event::<ContentChallenges::Challenged>(accused)?.caseId;
    let deadline = challenges.caseOf(case).call().await?.deadline.to::<u64>();
    while author.l2.latest_block().await?.1 <= deadline {
        tokio::time::sleep(POLL).await;
    }
    let close = challenges.closeAccusation(case).into_transaction_request();
    let receipts = send_all(vec![(author, vec![close])]).await?;
    let closed = receipts.first().and_then(|own| own.first()).context("no receipt")?;

    let key = |id: U256| keccak256((id, U256::ZERO).abi_encode());
    let first = challenges.representativeOf(key(stolen_id)).call().await?;
    let gain = thief.balance().await?.saturating_sub(before);
    let owed = challenges.credit(thief.address()).call().await?;
    let owed = owed.saturating_add(thief.l2.datanets().credit(thief.address()).call().await?);
    let gain = gain.saturating_add(I256::try_from(owed)?);
    Ok(Line {
        attack: "paraphrase laundering after dispute".into(),
        goal: "net loss",
        holds: first == key(own_id) && gain <= -I256::try_from(BOND)?,
        measured: "priority lost to the author, bond forfeited".into(),
        gas: Some(accused.gas_used.saturating_add(closed.gas_used)),
        gain: Some(gain),
    })
}

/// A Datanet that is admitted to by panels.
async fn reviewed(owner: &Person) -> Result<U256> {
    let net = datanet(owner, "Reviewed").await?;
    let review = ContributionReview::new(CONTRIBUTION_REVIEW, owner.l2.provider());
    let policy = IContributionReview::Policy {
        fee: U256::from(FEE).to(),
        documentBond: U256::from(FEE / 10).to(),
        commitWindow: 3_600,
        revealWindow: 3_600,
        // The shortest there is, as decisions that nobody appeals are waited for.
        appealWindow: 60,
        panel: 5,
        acceptMin: 60,
        faultMax: 20,
        curatorsAccept: true,
    };
    let requests = vec![
        review.setPolicy(net, policy).into_transaction_request(),
        owner.l2.datanets().setAdmission(net, CONTRIBUTION_REVIEW).into_transaction_request(),
    ];
    send_all(vec![(owner, requests)]).await?;
    Ok(net)
}

/// Buys a seat for each.
async fn seat(people: &[Person]) -> Result<()> {
    let requests = people.iter().map(|person| {
        let pool = ReviewerPool::new(REVIEWER_POOL, person.l2.provider());
        let join = pool.join().value(parse_ether("10").unwrap_or_default());
        (person, vec![join.into_transaction_request()])
    });
    send_all(requests.collect()).await?;
    Ok(())
}

/// Lazy review with five seats, then bribery with all of them. `people` hold no seats yet.
pub(super) async fn reviews(
    owner: &Person,
    author: &Person,
    bribers: [&Person; 2],
    people: &[Person],
) -> Result<Vec<Line>> {
    let (five, others) = people.split_at(PANELS[0] as usize);
    seat(five).await?;
    let lazy = lazy(owner, author, five).await?;
    seat(others).await?;
    let mut lines = bribery(people).await?;
    let mut attempts = Vec::new();
    for (briber, hundredths) in bribers.into_iter().zip(BRIBED) {
        attempts.push(attempt(owner, briber, people, hundredths).await?);
    }
    for attempt in attempts {
        lines.push(attempt.outcome(owner, people.len()).await?);
    }
    lines.push(lazy);
    Ok(lines)
}

/// A ballot of a running round.
struct Vote<'a> {
    reviewer: &'a Person,
    case: U256,
    round: u8,
    score: u8,
}

/// Casts all ballots: commitments first, openings once all are in blocks.
async fn vote(votes: &[Vote<'_>]) -> Result<()> {
    let salt = |vote: &Vote<'_>| {
        let key = vote.reviewer.key.to_bytes();
        keccak256((vote.case, vote.reviewer.address(), key).abi_encode())
    };
    let cast = async |request: &dyn Fn(&Vote<'_>) -> TransactionRequest| {
        let mut own: BTreeMap<Address, (&Person, Vec<TransactionRequest>)> = BTreeMap::new();
        for vote in votes {
            let entry = own.entry(vote.reviewer.address());
            entry.or_insert((vote.reviewer, Vec::new())).1.push(request(vote));
        }
        send_all(own.into_values().collect()).await
    };
    cast(&|vote| {
        let ballot = (
            (U256::from(vote.reviewer.l2.chain_id()), CONTRIBUTION_REVIEW, vote.case),
            (U256::from(vote.round), vote.reviewer.address(), U256::from(vote.score), salt(vote)),
        );
        ContributionReview::new(CONTRIBUTION_REVIEW, vote.reviewer.l2.provider())
            .commitScore(vote.case, keccak256(ballot.abi_encode()))
            .into_transaction_request()
    })
    .await?;
    cast(&|vote| {
        ContributionReview::new(CONTRIBUTION_REVIEW, vote.reviewer.l2.provider())
            .revealScore(vote.case, vote.score, salt(vote))
            .into_transaction_request()
    })
    .await?;
    Ok(())
}

/// An honest reading of something of this quality.
fn reading(quality: f64, chance: &mut Chance) -> u8 {
    (quality + 8.0 * normal(chance)).clamp(0.0, 100.0) as u8
}

/// Sends one person's transactions, one for each case.
async fn each(
    who: &Person,
    cases: &[U256],
    request: impl Fn(U256) -> TransactionRequest,
) -> Result<()> {
    send_all(vec![(who, cases.iter().map(|case| request(*case)).collect())]).await?;
    Ok(())
}

/// Qualities: seven of ten contributions 60 to 100, three 0 to 40, uniform. Honest scores are the quality and
/// N(0, 8); the lazy reviewer votes 70 unread.
async fn lazy(owner: &Person, author: &Person, panel: &[Person]) -> Result<Line> {
    let cases = submit(owner, author, CASES, "What a keeper of the lamp wrote down").await?;
    let by_author = ContributionReview::new(CONTRIBUTION_REVIEW, author.l2.provider());
    let mut chance = Chance(1);
    let mut votes = Vec::new();
    for case in &cases {
        let good = chance.below(10) < 7;
        let quality = if good { 60 + chance.below(41) } else { chance.below(41) };
        for (place, reviewer) in panel.iter().enumerate() {
            let honest = reading(quality as f64, &mut chance);
            let score = if place == 0 { LAZY_SCORE } else { honest };
            votes.push(Vote { reviewer, case: *case, round: 0, score });
        }
    }
    vote(&votes).await?;
    each(author, &cases, |case| by_author.tally(case).into_transaction_request()).await?;
    let mut earned = Vec::new();
    for reviewer in panel {
        earned.push(by_author.credit(reviewer.address()).call().await?.to::<u128>());
    }
    let (lazy, honest) = earned.split_first().context("no reviewers")?;
    let honest = honest.iter().sum::<u128>() / honest.len().max(1) as u128;
    let all = u128::from(FEE) * CASES as u128;
    Ok(Line {
        attack: format!("lazy review, {CASES} cases, always {LAZY_SCORE}"),
        goal: "paid less than an honest reviewer",
        holds: *lazy < honest,
        measured: format!(
            "{} of the fees, an honest one {}",
            percent(*lazy, all),
            percent(honest, all)
        ),
        gas: None,
        // Against what the same seat earns by reading.
        gain: Some(I256::try_from(*lazy)?.saturating_sub(I256::try_from(honest)?)),
    })
}

/// So many documents of `author` in a Datanet of `owner` that panels admit to, each with its panel drawn.
async fn submit(owner: &Person, author: &Person, count: usize, name: &str) -> Result<Vec<U256>> {
    let net = reviewed(owner).await?;
    let offers = (0..count).map(|number| {
        let reveal = document(&format!("{name}, the {number}th of {count}, in order."))?;
        Ok(Offer { who: author, datanet: net, reveal })
    });
    let cases = contribute(&offers.collect::<Result<Vec<_>>>()?).await?;
    let review = ContributionReview::new(CONTRIBUTION_REVIEW, author.l2.provider());
    let fees = U256::from(FEE).saturating_mul(U256::from(PANELS[0]));
    each(author, &cases, |case| review.openReview(case).value(fees).into_transaction_request())
        .await?;
    draw(author, &cases).await?;
    Ok(cases)
}

/// Draws panels once the blocks that decide them are there.
async fn draw(who: &Person, cases: &[U256]) -> Result<()> {
    let review = ContributionReview::new(CONTRIBUTION_REVIEW, who.l2.provider());
    wait_for_blocks(who, 3).await?;
    each(who, cases, |case| review.draw(case).into_transaction_request()).await
}

/// What became of rounds in which a briber bought whoever it could.
#[derive(Default)]
struct Bought {
    /// Cases whose panel it held.
    cases: Vec<U256>,
    /// Wei.
    paid: U256,
}

/// Documents that a briber has submitted and bought panels for.
struct Attempt<'a> {
    briber: &'a Person,
    /// Of the seats, those that take bribes.
    hundredths: usize,
    /// Its balance before, wei.
    before: I256,
    cases: Vec<U256>,
    panels: Bought,
    appeals: Bought,
}

/// A briber submits what deserves nothing. It has an understanding with the holders of some seats: wherever they are
/// most of a panel they vote 100, and are paid for it once their ballots are open; elsewhere they read, as that pays
/// better. Whatever is accepted so is appealed by the Datanet's owner, who pays for the larger panel.
async fn attempt<'a>(
    owner: &Person,
    briber: &'a Person,
    people: &[Person],
    hundredths: usize,
) -> Result<Attempt<'a>> {
    let bribable: BTreeSet<Address> =
        people.iter().take(people.len() * hundredths / 100).map(Person::address).collect();
    let before = briber.balance().await?;
    let name = format!("Nothing that anybody asked for ({hundredths})");
    let cases = submit(owner, briber, BRIBED_CASES, &name).await?;
    let review = ContributionReview::new(CONTRIBUTION_REVIEW, briber.l2.provider());
    let mut chance = Chance(hundredths as u64);
    let panels = buy(briber, people, &bribable, &cases, 0, &mut chance).await?;
    each(briber, &cases, |case| review.tally(case).into_transaction_request()).await?;

    let owners = ContributionReview::new(CONTRIBUTION_REVIEW, owner.l2.provider());
    let fees = U256::from(FEE).saturating_mul(U256::from(PANELS[1]));
    let mut appeals = Bought::default();
    if !panels.cases.is_empty() {
        let held = &panels.cases;
        let appeal = |case| owners.appeal(case).value(fees).into_transaction_request();
        each(owner, held, appeal).await?;
        draw(owner, held).await?;
        appeals = buy(briber, people, &bribable, held, 1, &mut chance).await?;
        each(owner, held, |case| owners.tally(case).into_transaction_request()).await?;
    }
    Ok(Attempt { briber, hundredths, before, cases, panels, appeals })
}

impl Attempt<'_> {
    /// Carries all decisions out, and counts what the briber has in the end.
    async fn outcome(self, owner: &Person, seats: usize) -> Result<Line> {
        let Self { briber, hundredths, before, cases, panels, appeals } = self;
        let owners = ContributionReview::new(CONTRIBUTION_REVIEW, owner.l2.provider());
        let mut deadline = 0;
        for case in &cases {
            deadline = deadline.max(owners.caseOf(*case).call().await?.deadline.to::<u64>());
        }
        while owner.l2.latest_block().await?.1 <= deadline {
            tokio::time::sleep(POLL).await;
        }
        each(owner, &cases, |case| owners.execute(case).into_transaction_request()).await?;

        let (review, registry) = (
            ContributionReview::new(CONTRIBUTION_REVIEW, briber.l2.provider()),
            briber.l2.datanets(),
        );
        let mut accepted = 0_u64;
        for case in &cases {
            let status = registry.contribution(*case).call().await?.status;
            accepted += u64::from(status == ACCEPTED);
        }
        // Its own money comes back: bonds of what was accepted, and fees that nobody earned.
        let mut withdrawals = Vec::new();
        if !review.credit(briber.address()).call().await?.is_zero() {
            withdrawals.push(review.withdraw(briber.address()).into_transaction_request());
        }
        if !registry.credit(briber.address()).call().await?.is_zero() {
            withdrawals.push(registry.withdraw(briber.address()).into_transaction_request());
        }
        send_all(vec![(briber, withdrawals)]).await?;

        let gain = briber.balance().await?.saturating_sub(before);
        let bribes = panels.paid.saturating_add(appeals.paid);
        let refused = (BRIBED_CASES as u64).saturating_sub(accepted);
        let lost = U256::from(refused).saturating_mul(BOND);
        // Bonds come back where a panel found no fault, so what is lost for certain are bribes and its own panels' fees.
        let fees = U256::from(FEE).saturating_mul(U256::from(PANELS[0] * BRIBED_CASES as u64));
        let spent = I256::try_from(bribes.saturating_add(fees))?;
        let price = match i128::from(accepted) {
            0 => "none stays".to_owned(),
            stay => format!(
                "{accepted} stay, for {} each",
                signed((-gain).checked_div(I256::try_from(stay)?).unwrap_or_default())
            ),
        };
        Ok(Line {
            attack: format!(
                "bribes to {hundredths} % of {seats} seats for {BRIBED_CASES} worthless documents"
            ),
            goal: "loss of bribes, fees and bonds; a fifth of the seats keeps at most one of them",
            holds: gain <= -spent && (hundredths > 20 || accepted <= 1),
            measured: format!(
                "{} panels held, and {} of their appeals; bribes {}, bonds lost {}; {price}",
                panels.cases.len(),
                appeals.cases.len(),
                open(bribes),
                open(lost)
            ),
            gas: None,
            gain: Some(gain),
        })
    }
}

/// Votes a round of each case and pays for what was bought. Who is not bought scores a quality of 5.
async fn buy(
    briber: &Person,
    people: &[Person],
    bribable: &BTreeSet<Address>,
    cases: &[U256],
    round: u8,
    chance: &mut Chance,
) -> Result<Bought> {
    let review = ContributionReview::new(CONTRIBUTION_REVIEW, briber.l2.provider());
    let by_address: BTreeMap<Address, &Person> =
        people.iter().map(|person| (person.address(), person)).collect();
    let (mut votes, mut bribed, mut bought) = (Vec::new(), Vec::new(), Bought::default());
    for case in cases {
        let panel = review.panelOf(*case, round).call().await?;
        let friends = panel.iter().filter(|member| bribable.contains(*member)).count();
        let held = friends * 2 > panel.len();
        if held {
            bought.cases.push(*case);
        }
        for member in panel {
            let reviewer = *by_address.get(&member).context("a panellist of nobody's")?;
            let paid = held && bribable.contains(&member);
            let score = if paid { 100 } else { reading(5.0, chance) };
            votes.push(Vote { reviewer, case: *case, round, score });
            if paid {
                bribed.push(member);
            }
        }
    }
    vote(&votes).await?;
    let gift = |member: &Address| {
        TransactionRequest::default().with_to(*member).with_value(U256::from(BRIBE))
    };
    bought.paid = U256::from(BRIBE).saturating_mul(U256::from(bribed.len()));
    if !bribed.is_empty() {
        send_all(vec![(briber, bribed.iter().map(gift).collect())]).await?;
    }
    Ok(bought)
}

/// Panels of the real pool, and of the appeal where a briber holds the first.
async fn bribery(people: &[Person]) -> Result<Vec<Line>> {
    let anybody = people.first().context("nobody")?;
    let count = ReviewerPool::new(REVIEWER_POOL, anybody.l2.provider()).seatCount().call().await?;
    ensure!(count == U256::from(people.len()), "{count} seats for {} people", people.len());
    let first = (0..DRAWS).map(|seed| (seed, PANELS[0], Vec::new())).collect::<Vec<_>>();
    let panels = draws(anybody, &first).await?;
    let mut lines = Vec::new();
    for hundredths in [10_usize, 20, 30, 40] {
        let bribed: BTreeSet<Address> =
            people.iter().take(people.len() * hundredths / 100).map(Person::address).collect();
        let held = |panel: &Vec<Address>| {
            panel.iter().filter(|member| bribed.contains(*member)).count() * 2 > panel.len()
        };
        let lost: Vec<_> = panels.iter().filter(|panel| held(panel)).collect();
        let appeals = (DRAWS..).zip(&lost).map(|(seed, panel)| (seed, PANELS[1], (*panel).clone()));
        let appeals = draws(anybody, &appeals.collect::<Vec<_>>()).await?;
        let both = appeals.iter().filter(|panel| held(panel)).count();
        let part = |count: usize| percent(count as u128, u128::from(DRAWS));
        lines.push(Line {
            attack: format!("reviewer bribery, {hundredths} % of {} seats", people.len()),
            goal: "a fifth of the seats outlasts an appeal in less than 1 %",
            holds: hundredths > 20 || both * 100 < DRAWS as usize,
            measured: format!(
                "a panel of 5 in {}, its appeal too in {}",
                part(lost.len()),
                part(both)
            ),
            gas: None,
            gain: None,
        });
    }
    Ok(lines)
}

/// Panels that the pool draws by these seeds, of so many, without those.
async fn draws(anybody: &Person, wanted: &[(u64, u64, Vec<Address>)]) -> Result<Vec<Vec<Address>>> {
    let multicall = Multicall3::new(MULTICALL3, anybody.l2.provider());
    let mut panels = Vec::with_capacity(wanted.len());
    for part in wanted.chunks(DRAWS_A_CALL as usize) {
        let calls = part.iter().map(|(seed, count, excluded)| Multicall3::Call3 {
            target: REVIEWER_POOL,
            allowFailure: false,
            callData: ReviewerPool::drawCall {
                seed: keccak256(U256::from(*seed).abi_encode()),
                count: U256::from(*count),
                excluded: excluded.clone(),
            }
            .abi_encode()
            .into(),
        });
        for result in multicall.aggregate3(calls.collect()).call().await? {
            panels.push(ReviewerPool::drawCall::abi_decode_returns(&result.returnData)?);
        }
    }
    Ok(panels)
}
