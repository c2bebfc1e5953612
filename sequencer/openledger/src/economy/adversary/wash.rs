//! Wash inference: one actor is customer and gateway, and any subset of model owner, contributor and staker, at
//! volumes a thousandfold apart. All of the contributors' share is attributed, the best case for it.

use alloy_primitives::{Address, I256, U256};
use alloy_sol_types::sol;
use anyhow::{Context, Result, ensure};
use scores::{
    eip712::{ModelTotal, PoolTotal},
    epoch::{Shares, shares},
};
use service::chain::bindings::models::IModelRegistry;

use super::{
    Arena, Line, Person, SPLIT, Totals, claim_request, crowd::send_all, event, model_params, signed,
};
use crate::{demo::open, genesis::economy::STAKING};

/// Wei that are washed: 0.01, 1 and 10 OPEN.
const VOLUMES: [u128; 3] =
    [10_000_000_000_000_000, 1_000_000_000_000_000_000, 10_000_000_000_000_000_000];
/// Whether the actor owns the model, and whether it is the contributor.
const ROLES: [[bool; 2]; 4] = [[false, false], [true, false], [false, true], [true, true]];
/// How many people it takes.
pub(super) const WASHERS: usize = VOLUMES.len() * ROLES.len();
/// Least own stake of a listed operator, wei: 1,000 OPEN.
const STAKE: U256 = U256::from_limbs([3_875_820_019_684_212_736, 54, 0, 0]);
/// The first version of the common Datanet.
const VERSION: u32 = 1;
/// `IStaking.Role.Attestor`.
const ATTESTOR: u8 = 0;

sol! {
    #[sol(rpc)]
    interface Staking {
        function enroll(uint8 role, uint16 commissionBps, address evict) external payable;
        function harvest() external returns (uint256 amount);
        function collect(uint8 role, address operator, address account) external returns (uint256 amount);
        function withdraw(address to) external returns (uint256 amount);
    }
}

/// Somebody who washes a volume.
struct Washer<'a> {
    who: &'a Person,
    volume: u128,
    owns_model: bool,
    contributes: bool,
    model: U256,
    shares: Shares,
    before: I256,
}

impl Arena {
    /// Washes every volume in every subset of roles, in one epoch that Mallory posts. All stake is Mallory's: what it
    /// earns is what an actor gets back who is the staker as well.
    pub(super) async fn wash_in_all_roles(&mut self, people: &[Person]) -> Result<Vec<Line>> {
        let mut washers = Vec::new();
        for (who, place) in people.iter().take(WASHERS).zip(0..) {
            let [owns_model, contributes] =
                *ROLES.get(place / VOLUMES.len()).context("too many people")?;
            let volume = *VOLUMES.get(place % VOLUMES.len()).context("no volume")?;
            let (shares, before) =
                (shares(volume, self.platform_bps, SPLIT)?, who.balance().await?);
            let model = U256::ZERO;
            washers.push(Washer { who, volume, owns_model, contributes, model, shares, before });
        }
        ensure!(washers.len() == WASHERS, "too few people");
        self.stake_alone().await?;

        // The fees are paid and the models registered; whatever an actor does not own is Alice's.
        let (gateway, roots) = (self.mallory.address(), self.corpus.roots()?);
        let mut requests = Vec::new();
        for washer in &washers {
            let (owner, registry) = (washer.who, washer.who.l2.models());
            let payee = if washer.owns_model { owner.address() } else { self.alice.address() };
            let name = format!("wash-{}", owner.address());
            let params = model_params(self.datanet, VERSION, name, payee, roots)?;
            let settlement = owner.l2.settlement();
            let fund = settlement.fund(gateway).value(U256::from(washer.volume));
            let register = registry.registerModel(params);
            let own = vec![register.into_transaction_request(), fund.into_transaction_request()];
            requests.push((owner, own));
        }
        let receipts = send_all(requests).await?;
        for (washer, own) in washers.iter_mut().zip(&receipts) {
            let registered = own.first().context("no receipt")?;
            washer.model = event::<IModelRegistry::ModelRegistered>(registered)?.modelId;
        }

        let mut claims = self.claims.clone();
        let mut models: Vec<ModelTotal> = Vec::new();
        let mut attributed = 0_u128;
        for washer in &washers {
            let contributor =
                if washer.contributes { washer.who.address() } else { self.alice.address() };
            claims.add(self.datanet, contributor, washer.shares.contributors)?;
            attributed = attributed.saturating_add(washer.shares.contributors);
            models.push(ModelTotal {
                modelId: washer.model,
                fees: washer.volume,
                attributed: washer.shares.contributors,
            });
        }
        models.sort_by_key(|model| model.modelId);
        let pools = vec![PoolTotal { datanetId: self.datanet.to_u256(), amount: attributed }];
        self.post(&self.mallory, &claims, Totals { models, pools }).await?;
        self.activate(claims).await?;

        // Everybody takes what there is to take.
        let mut requests = Vec::new();
        for washer in &washers {
            let (account, settlement) = (washer.who.address(), washer.who.l2.settlement());
            let mut own = Vec::new();
            if washer.contributes {
                own.push(claim_request(washer.who, &self.claims, self.datanet, account)?);
            }
            if washer.owns_model {
                own.push(settlement.withdraw(account).into_transaction_request());
            }
            requests.push((washer.who, own));
        }
        send_all(requests).await?;
        let staked = self.take_rewards().await?;
        let owed: u128 = washers.iter().map(|washer| washer.shares.stakers).sum();
        // An index loses less than a wei for each staker and epoch.
        let paid = staked <= U256::from(owed)
            && staked.saturating_add(U256::from(WASHERS)) >= U256::from(owed);

        let mut lines = Vec::new();
        for stakes in [false, true] {
            for roles in washers.chunks(VOLUMES.len()) {
                lines.push(line(roles, stakes, paid).await?);
            }
        }
        Ok(lines)
    }

    /// Mallory becomes the only staker, and takes what waited for the first one.
    async fn stake_alone(&self) -> Result<()> {
        let staking = Staking::new(STAKING, self.mallory.l2.provider());
        let enroll = staking.enroll(ATTESTOR, 0, Address::ZERO).value(STAKE);
        send_all(vec![(&self.mallory, vec![enroll.into_transaction_request()])]).await?;
        self.take_rewards().await?;
        Ok(())
    }

    /// What the stakers' share has come to since this was called last, wei.
    async fn take_rewards(&self) -> Result<U256> {
        let (mallory, account) = (&self.mallory, self.mallory.address());
        let staking = Staking::new(STAKING, mallory.l2.provider());
        let harvest = staking.harvest().into_transaction_request();
        send_all(vec![(mallory, vec![harvest])]).await?;
        let earned = staking.collect(ATTESTOR, account, account).call().await?;
        let collect = staking.collect(ATTESTOR, account, account).into_transaction_request();
        let withdraw = staking.withdraw(account).into_transaction_request();
        let requests = if earned.is_zero() { vec![] } else { vec![collect, withdraw] };
        send_all(vec![(mallory, requests)]).await?;
        Ok(earned)
    }
}

/// One subset of roles at all volumes.
async fn line(washers: &[Washer<'_>], stakes: bool, rewards_paid: bool) -> Result<Line> {
    let first = washers.first().context("nobody washes")?;
    let mut roles = vec!["customer", "gateway"];
    roles.extend(first.owns_model.then_some("model owner"));
    roles.extend(first.contributes.then_some("contributor"));
    roles.extend(stakes.then_some("only staker"));
    let (mut holds, mut measured, mut total) = (rewards_paid, Vec::new(), I256::ZERO);
    for washer in washers {
        let returned = if stakes { washer.shares.stakers } else { 0 };
        let gain = washer.who.balance().await?.saturating_sub(washer.before);
        let gain = gain.saturating_add(I256::try_from(returned)?);
        // The platform's share, and those of others; gas comes on top.
        let mut lost = washer.shares.platform;
        lost = lost.saturating_add(if first.owns_model { 0 } else { washer.shares.model });
        lost = lost.saturating_add(if first.contributes { 0 } else { washer.shares.contributors });
        lost = lost.saturating_add(if stakes { 0 } else { washer.shares.stakers });
        holds &= gain < -I256::try_from(lost)?;
        total = total.saturating_add(gain);
        measured.push(format!("{} of {}", signed(-gain), open(U256::from(washer.volume))));
    }
    Ok(Line {
        attack: format!("wash inference as {}", roles.join(", ")),
        goal: "loss of the platform's share, those of others, and gas, at any volume",
        holds,
        measured: format!("loses {}", measured.join("; ")),
        gas: None,
        gain: Some(total),
    })
}
