//! Attacks on admission: laundering of a published text, bribed and lazy reviewers. A Datanet whose panels
//! have windows of an hour is reviewed in seconds, because a step ends when all have taken it.

use std::collections::BTreeSet;

use alloy_primitives::{Address, B256, Bytes, I256, U256, keccak256, utils::parse_ether};
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
};
use crate::economy::simulation::Chance;

/// Fee of a panellist, wei: 0.01 OPEN.
const FEE: u64 = 10_000_000_000_000_000;
/// Reviews in which one of five reviewers is lazy.
const CASES: usize = 20;
/// Panels drawn to see how many a briber holds, and how many in a call.
const DRAWS: u64 = 500;
const DRAWS_A_CALL: u64 = 50;
/// Panellists of a review, and of its appeal.
const PANELS: [u64; 2] = [5, 11];
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
        appealWindow: 3_600,
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
    people: &[Person],
) -> Result<Vec<Line>> {
    let (five, others) = people.split_at(PANELS[0] as usize);
    seat(five).await?;
    let lazy = lazy(owner, author, five).await?;
    seat(others).await?;
    let mut lines = bribery(people).await?;
    lines.push(lazy);
    Ok(lines)
}

/// Qualities: seven of ten contributions 60 to 100, three 0 to 40, uniform. Honest scores are the quality and
/// N(0, 8); the lazy reviewer votes 70 unread.
async fn lazy(owner: &Person, author: &Person, panel: &[Person]) -> Result<Line> {
    let net = reviewed(owner).await?;
    let offers = (0..CASES).map(|case| {
        let reveal =
            document(&format!("What the {case}th keeper of the lamp wrote down, in order."))?;
        Ok(Offer { who: author, datanet: net, reveal })
    });
    let cases = contribute(&offers.collect::<Result<Vec<_>>>()?).await?;
    let by_author = ContributionReview::new(CONTRIBUTION_REVIEW, author.l2.provider());
    let fees = U256::from(FEE).saturating_mul(U256::from(panel.len()));
    let each = async |request: &dyn Fn(U256) -> TransactionRequest| {
        send_all(vec![(author, cases.iter().map(|case| request(*case)).collect())]).await
    };
    each(&|case| by_author.openReview(case).value(fees).into_transaction_request()).await?;
    wait_for_blocks(author, 3).await?;
    each(&|case| by_author.draw(case).into_transaction_request()).await?;
    let mut chance = Chance(1);
    let mut votes = Vec::new();
    for case in &cases {
        let good = chance.below(10) < 7;
        let quality = if good { 60 + chance.below(41) } else { chance.below(41) };
        for (place, reviewer) in panel.iter().enumerate() {
            let honest = (quality as f64 + 8.0 * normal(&mut chance)).clamp(0.0, 100.0) as u8;
            let score = if place == 0 { LAZY_SCORE } else { honest };
            let salt = keccak256((*case, reviewer.address(), reviewer.key.to_bytes()).abi_encode());
            votes.push((place, *case, score, salt));
        }
    }
    let vote = async |request: &dyn Fn(&Person, U256, u8, B256) -> TransactionRequest| {
        let own = panel.iter().enumerate().map(|(place, reviewer)| {
            let own = votes.iter().filter(|vote| vote.0 == place);
            (
                reviewer,
                own.map(|(_, case, score, salt)| request(reviewer, *case, *score, *salt)).collect(),
            )
        });
        send_all(own.collect()).await
    };
    vote(&|reviewer, case, score, salt| {
        let ballot = (
            (U256::from(reviewer.l2.chain_id()), CONTRIBUTION_REVIEW, case, U256::ZERO),
            (reviewer.address(), U256::from(score), salt),
        );
        ContributionReview::new(CONTRIBUTION_REVIEW, reviewer.l2.provider())
            .commitScore(case, keccak256(ballot.abi_encode()))
            .into_transaction_request()
    })
    .await?;
    vote(&|reviewer, case, score, salt| {
        ContributionReview::new(CONTRIBUTION_REVIEW, reviewer.l2.provider())
            .revealScore(case, score, salt)
            .into_transaction_request()
    })
    .await?;
    each(&|case| by_author.tally(case).into_transaction_request()).await?;
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
