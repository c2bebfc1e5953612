//! What a deployment decides, and what of it is refused on a public chain.

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::{Address, U256, utils::parse_ether};
use anyhow::{Context, Result};
use l1::deploy::{AttestorParams, DisputeParams, TimelockParams, VerifierParams};
use primitives::{GenesisL2, L2_CHAIN_ID_DEV, SystemConfig};
use serde::{Deserialize, Serialize};

use super::Kind;
use crate::{
    genesis::{self, BridgeParams, EconomyParams, GenesisParams},
    keys,
    keystore::is_devnet,
    roles,
};

const DAY: u64 = 86_400;
/// Seconds in which others show what is wrong with an epoch after the first did.
const SHARE_WINDOW: u32 = 3_600;
/// Seconds to answer a challenge to content.
const RESPONSE_WINDOW: u32 = 86_400;
/// What users have to find out about a change and to decide, beside what a withdrawal takes.
const NOTICE: u64 = 7 * DAY;
/// Seconds between L1 blocks.
const L1_BLOCK_TIME: u64 = 12;
/// Between two proposals, as the proposer's default is.
const PROPOSAL_INTERVAL: u64 = 3_600;
/// `SystemConfig.PAUSE_DURATION`; pauses begin 28 days apart, so a withdrawal meets one.
const PAUSE: u64 = 7 * DAY;

/// Everything that a deployment decides. Times are in seconds, amounts in wei of OPEN.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Plan {
    pub l2_chain_id: u64,
    /// Seconds between L2 blocks.
    pub block_time: u64,
    pub max_sequencer_drift: u64,
    /// L1 blocks.
    pub sequencing_window: u64,
    /// L1 blocks.
    pub channel_timeout: u64,
    pub gas_limit: u64,
    /// Owns what has an owner on L1. Without one the deployer does, which only a development chain may.
    pub timelock: Option<Timelock>,
    /// Gets what of OPEN is neither on L2 nor granted. Without one it stays with the deployer.
    pub treasury: Option<Address>,
    /// May at once, without the timelock: pause for a bounded time, declare games void, and replace the
    /// keys of batcher and unsafe blocks.
    pub guardian: Address,
    pub batcher: Address,
    pub unsafe_block_signer: Address,
    pub withdrawals: Windows,
    pub attestors: Attestors,
    pub economy: Economy,
    /// OPEN on L2 from block 0; its sum is locked in the portal.
    pub balances: BTreeMap<Address, U256>,
    /// OPEN handed out on L1.
    pub grants: BTreeMap<Address, U256>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Timelock {
    pub delay: u64,
    /// May schedule and cancel changes.
    pub proposers: Vec<Address>,
    /// May carry out what is due; empty: anyone.
    pub executors: Vec<Address>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Windows {
    pub proof_maturity: u64,
    pub finality: u64,
    pub challenge: u64,
    pub prove: u64,
    pub bond: u64,
    pub proposer_bond: U256,
    pub challenger_bond: U256,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Attestors {
    pub attestors: Vec<Address>,
    pub threshold: u64,
    pub min_stake: U256,
    pub unbonding: u64,
    pub rotation_delay: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Economy {
    pub governance: Address,
    pub platform_bps: u16,
    pub engines: Vec<Address>,
    pub threshold: u8,
    pub challenge_window: u32,
    pub challenge_window_min: u32,
    pub bond_min: U256,
    pub platform: Address,
    pub sink: Address,
}

impl Plan {
    /// A plan whose addresses are still to be filled in, or a development chain's.
    pub(super) fn template(kind: Kind) -> Result<Self> {
        let role = |role| anyhow::Ok(keys::role_key(role)?.address());
        let public = kind == Kind::Public;
        let or_zero = |address: Address| if public { Address::ZERO } else { address };
        let attestors = match public {
            true => vec![Address::ZERO; 5],
            false => keys::addresses(&keys::attestor_keys()?),
        };
        let verifier = VerifierParams::Attestors(AttestorParams::devnet(attestors.clone()));
        let disputes = match kind {
            Kind::Devnet => DisputeParams::devnet(verifier),
            Kind::Public => DisputeParams::public(verifier),
        };
        let governance = or_zero(role(keys::Role::Governance)?);
        let users = keys::addresses(&keys::user_keys()?);
        let balances = match public {
            true => BTreeMap::new(),
            false => users
                .iter()
                .map(|user| anyhow::Ok((*user, parse_ether("10000")?)))
                .collect::<Result<_>>()?,
        };
        let grants = match public {
            true => BTreeMap::new(),
            false => roles::dev_accounts()?
                .into_iter()
                .chain(users)
                .map(|account| anyhow::Ok((account, parse_ether("100000")?)))
                .collect::<Result<_>>()?,
        };
        Ok(Self {
            l2_chain_id: if public { 0 } else { L2_CHAIN_ID_DEV },
            block_time: 1,
            max_sequencer_drift: 1_800,
            sequencing_window: 3_600,
            channel_timeout: if public { 50 } else { 300 },
            gas_limit: 60_000_000,
            // More than the least with the windows below: 12 days and a half to leave without a pause.
            timelock: public.then(|| Timelock {
                delay: 30 * DAY,
                proposers: vec![Address::ZERO],
                executors: Vec::new(),
            }),
            treasury: public.then_some(Address::ZERO),
            guardian: governance,
            batcher: or_zero(role(keys::Role::Batcher)?),
            unsafe_block_signer: or_zero(role(keys::Role::Batcher)?),
            withdrawals: Windows {
                proof_maturity: disputes.proof_maturity_delay,
                finality: disputes.finality_delay,
                challenge: disputes.challenge_window,
                prove: disputes.prove_window,
                bond: disputes.bond_delay,
                proposer_bond: disputes.proposer_bond,
                challenger_bond: disputes.challenger_bond,
            },
            attestors: Attestors {
                threshold: if public { 4 } else { 2 },
                min_stake: if public { parse_ether("100000")? } else { parse_ether("10")? },
                unbonding: 2 * disputes.dispute_seconds() + DAY,
                rotation_delay: if public { 37 * DAY } else { 60 },
                attestors,
            },
            economy: Economy {
                governance,
                platform_bps: 500,
                engines: if public { Vec::new() } else { keys::addresses(&keys::engine_keys()?) },
                threshold: keys::ENGINE_THRESHOLD,
                challenge_window: if public { 3 * 86_400 } else { 10 },
                challenge_window_min: if public { 86_400 } else { 1 },
                bond_min: if public { parse_ether("1000")? } else { parse_ether("1")? },
                platform: or_zero(role(keys::Role::Platform)?),
                sink: or_zero(role(keys::Role::Sink)?),
            },
            balances,
            grants,
        })
    }

    pub(super) fn timelock(&self) -> Option<TimelockParams> {
        let Timelock { delay, proposers, executors } = self.timelock.clone()?;
        Some(TimelockParams { delay, proposers, executors })
    }

    /// Longest time from the wish to leave to the payment on L1, seconds: forced in at the end of the
    /// sequencing window, proposed, challenged and proven, or as old as its proof must be, with a pause in
    /// between.
    fn withdrawal_seconds(&self) -> u64 {
        let windows = &self.withdrawals;
        let dispute =
            windows.challenge.saturating_add(windows.prove).saturating_add(windows.finality);
        self.sequencing_window
            .saturating_mul(L1_BLOCK_TIME)
            .saturating_add(PROPOSAL_INTERVAL + PAUSE)
            .saturating_add(dispute.max(windows.proof_maturity))
    }

    /// What is wrong with the plan on a given L1; empty if nothing.
    pub(super) fn faults(&self, l1_chain_id: u64, deployer: Address) -> Result<Vec<String>> {
        let mut faults = Vec::new();
        let named = [
            ("guardian", self.guardian),
            ("batcher", self.batcher),
            ("unsafeBlockSigner", self.unsafe_block_signer),
            ("economy.governance", self.economy.governance),
            ("economy.platform", self.economy.platform),
            ("economy.sink", self.economy.sink),
        ];
        for (name, address) in named {
            if address.is_zero() {
                faults.push(format!("{name} is not filled in"));
            }
        }
        let set: BTreeSet<_> = self.attestors.attestors.iter().collect();
        if set.len() != self.attestors.attestors.len() || set.contains(&Address::ZERO) {
            faults.push("attestors must be filled in and differ".to_owned());
        }
        if let Some(timelock) = &self.timelock
            && (timelock.proposers.is_empty() || timelock.proposers.contains(&Address::ZERO))
        {
            faults.push("timelock.proposers must be filled in".to_owned());
        }
        if self.treasury.is_some_and(|treasury| treasury.is_zero()) {
            faults.push("treasury is not filled in".to_owned());
        }
        if self.l2_chain_id == 0 || self.l2_chain_id == l1_chain_id {
            faults.push("l2ChainId must be the chain's own".to_owned());
        }
        if is_devnet(l1_chain_id) {
            return Ok(faults);
        }

        // From here on: what only a development chain may do.
        if self.l2_chain_id == L2_CHAIN_ID_DEV {
            faults.push(format!("l2ChainId {L2_CHAIN_ID_DEV} is that of development chains"));
        }
        self.ownership_faults(deployer, &named, &mut faults);
        let least = [
            ("withdrawals.proofMaturity", self.withdrawals.proof_maturity, 7 * DAY),
            ("withdrawals.finality", self.withdrawals.finality, 7 * DAY / 2),
            ("withdrawals.challenge", self.withdrawals.challenge, 7 * DAY / 2),
            ("withdrawals.prove", self.withdrawals.prove, DAY),
            ("withdrawals.bond", self.withdrawals.bond, DAY),
            // Longer than a user needs to leave after being told.
            ("attestors.rotationDelay", self.attestors.rotation_delay, 30 * DAY),
        ];
        for (name, given, least) in least {
            if given < least {
                faults.push(format!("{name} is {given} s, at least {least} on a public chain"));
            }
        }
        if self.withdrawals.proposer_bond.is_zero() || self.withdrawals.challenger_bond.is_zero() {
            faults.push("bonds must not be zero".to_owned());
        }
        if self.attestors.attestors.len() < 3 {
            faults.push("fewer than three attestors".to_owned());
        }
        if self.sequencing_window < 300 {
            faults.push(format!(
                "sequencingWindow of {} L1 blocks is a window of a devnet",
                self.sequencing_window
            ));
        }
        let public: BTreeSet<Address> =
            (0..100).map(|i| Ok(keys::dev_key(i)?.address())).collect::<Result<_>>()?;
        let holders = named
            .iter()
            .map(|(_, address)| address)
            .chain(&self.attestors.attestors)
            .chain(&self.economy.engines)
            .chain(self.balances.keys())
            .chain(self.grants.keys())
            .chain(self.timelock.iter().flat_map(|timelock| &timelock.proposers))
            .chain(&self.treasury)
            .chain([&deployer]);
        for address in holders.filter(|address| public.contains(*address)).collect::<BTreeSet<_>>()
        {
            faults.push(format!("{address} is a development account: its key is public"));
        }
        Ok(faults)
    }

    /// What would stay with the key that deploys, or could be changed before users have left.
    fn ownership_faults(
        &self,
        deployer: Address,
        named: &[(&str, Address)],
        faults: &mut Vec<String>,
    ) {
        match &self.timelock {
            None => faults.push(
                "timelock is missing: on a public chain a timelock must own what has an owner on L1"
                    .to_owned(),
            ),
            Some(timelock) => {
                let least = self.withdrawal_seconds().saturating_add(NOTICE);
                if timelock.delay < least {
                    faults.push(format!(
                        "timelock.delay is {} s, at least {least} with these windows: 7 days and the \
                         longest withdrawal",
                        timelock.delay
                    ));
                }
                let roles = [
                    ("timelock.proposers", &timelock.proposers),
                    ("timelock.executors", &timelock.executors),
                ];
                for (name, accounts) in roles {
                    if accounts.contains(&deployer) {
                        faults.push(format!("{name} must not name the deployer {deployer}"));
                    }
                }
            }
        }
        if self.treasury.is_none() {
            faults.push(
                "treasury is missing: the rest of OPEN would stay with the deployer".to_owned(),
            );
        }
        let treasury = self.treasury.map(|treasury| ("treasury", treasury));
        for (name, address) in named.iter().copied().chain(treasury) {
            if address == deployer {
                faults.push(format!("{name} must not be the deployer {deployer}"));
            }
        }
    }

    pub(super) fn genesis(&self, timestamp: u64, bridge: BridgeParams) -> Result<GenesisL2> {
        let economy = &self.economy;
        genesis::build(&GenesisParams {
            chain_id: self.l2_chain_id,
            timestamp,
            base_fee: 1_000_000_000,
            system_config: self.system_config(),
            governance: economy.governance,
            economy: EconomyParams {
                platform_bps: economy.platform_bps,
                engines: economy.engines.clone(),
                threshold: economy.threshold,
                challenge_window: economy.challenge_window,
                challenge_window_min: economy.challenge_window_min,
                bond_min: economy.bond_min.try_into().context("economy.bondMin is too large")?,
                share_window: SHARE_WINDOW,
                response_window: RESPONSE_WINDOW,
                platform: economy.platform,
                sink: economy.sink,
            },
            bridge,
            balances: self.balances.clone(),
        })
    }

    pub(super) fn system_config(&self) -> SystemConfig {
        SystemConfig {
            batcher_address: self.batcher,
            gas_limit: self.gas_limit,
            ..SystemConfig::default()
        }
    }

    pub(super) fn disputes(&self) -> DisputeParams {
        let windows = &self.withdrawals;
        let attestors = &self.attestors;
        DisputeParams {
            proof_maturity_delay: windows.proof_maturity,
            finality_delay: windows.finality,
            challenge_window: windows.challenge,
            prove_window: windows.prove,
            bond_delay: windows.bond,
            proposer_bond: windows.proposer_bond,
            challenger_bond: windows.challenger_bond,
            ..DisputeParams::public(VerifierParams::Attestors(AttestorParams {
                attestors: attestors.attestors.clone(),
                threshold: attestors.threshold,
                min_stake: attestors.min_stake,
                unbonding: attestors.unbonding,
                rotation_delay: attestors.rotation_delay,
            }))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAINNET: u64 = 1;

    /// A public plan, filled in.
    fn public() -> Plan {
        let mut plan = Plan::template(Kind::Public).unwrap();
        let named = |byte: u8| Address::repeat_byte(byte);
        plan.l2_chain_id = 777_777;
        (plan.guardian, plan.batcher, plan.unsafe_block_signer) = (named(1), named(2), named(3));
        plan.attestors.attestors = (10..15).map(named).collect();
        plan.timelock.as_mut().unwrap().proposers = vec![named(7)];
        plan.treasury = Some(named(8));
        let economy = &mut plan.economy;
        (economy.governance, economy.platform, economy.sink) = (named(4), named(5), named(6));
        plan
    }

    #[track_caller]
    fn check(change: impl FnOnce(&mut Plan), expected: &str) {
        let mut plan = public();
        change(&mut plan);
        let faults = plan.faults(MAINNET, Address::repeat_byte(9)).unwrap().join("; ");
        assert!(faults.contains(expected), "\"{faults}\" does not say \"{expected}\"");
    }

    #[test]
    fn shortcuts_are_refused_off_development_chains() {
        let owner = Address::repeat_byte(9);
        assert_eq!(public().faults(MAINNET, owner).unwrap(), Vec::<String>::new());
        let devnet = Plan::template(Kind::Devnet).unwrap();
        assert_eq!(devnet.faults(16_121, owner).unwrap(), Vec::<String>::new());
        assert!(devnet.faults(MAINNET, owner).unwrap().len() > 10);
        assert!(!Plan::template(Kind::Public).unwrap().faults(MAINNET, owner).unwrap().is_empty());

        check(|plan| plan.l2_chain_id = L2_CHAIN_ID_DEV, "that of development chains");
        check(|plan| plan.withdrawals.proof_maturity = 7 * DAY - 1, "withdrawals.proofMaturity");
        check(|plan| plan.withdrawals.finality = 0, "withdrawals.finality");
        check(|plan| plan.withdrawals.challenge = 3_600, "withdrawals.challenge");
        check(|plan| plan.withdrawals.prove = 60, "withdrawals.prove");
        check(|plan| plan.withdrawals.proposer_bond = U256::ZERO, "bonds");
        check(|plan| plan.attestors.attestors.truncate(2), "three attestors");
        check(|plan| plan.attestors.rotation_delay = 60, "attestors.rotationDelay");
        check(|plan| plan.sequencing_window = 60, "sequencingWindow");
        check(|plan| plan.batcher = keys::dev_key(10).unwrap().address(), "its key is public");
        let user = keys::dev_key(0).unwrap().address();
        check(
            |plan| {
                plan.balances.insert(user, U256::from(1));
            },
            "its key is public",
        );
        check(|plan| plan.guardian = Address::ZERO, "guardian is not filled in");
    }

    #[test]
    fn nothing_stays_with_the_deployer_off_development_chains() {
        fn timelock(plan: &mut Plan) -> &mut Timelock {
            plan.timelock.as_mut().unwrap()
        }
        let deployer = Address::repeat_byte(9);
        check(|plan| plan.timelock = None, "timelock is missing");
        check(|plan| timelock(plan).proposers.clear(), "timelock.proposers must be filled in");
        check(|plan| timelock(plan).proposers.push(Address::ZERO), "proposers must be filled in");
        check(
            |plan| timelock(plan).proposers.push(deployer),
            "proposers must not name the deployer",
        );
        check(
            |plan| timelock(plan).executors.push(deployer),
            "executors must not name the deployer",
        );
        let known = keys::dev_key(0).unwrap().address();
        check(|plan| timelock(plan).proposers.push(known), "its key is public");
        check(|plan| plan.treasury = None, "treasury is missing");
        check(|plan| plan.treasury = Some(Address::ZERO), "treasury is not filled in");
        check(|plan| plan.treasury = Some(deployer), "treasury must not be the deployer");
        check(|plan| plan.guardian = deployer, "guardian must not be the deployer");
        check(|plan| plan.batcher = deployer, "batcher must not be the deployer");
        check(|plan| plan.economy.governance = deployer, "governance must not be the deployer");

        // A development chain may do without, or wait for seconds; a timelock that nobody can use is none.
        let mut devnet = Plan::template(Kind::Devnet).unwrap();
        assert!(devnet.timelock.is_none());
        devnet.timelock =
            Some(Timelock { delay: 1, proposers: vec![deployer], executors: Vec::new() });
        assert_eq!(devnet.faults(16_121, deployer).unwrap(), Vec::<String>::new());
        timelock(&mut devnet).proposers.clear();
        assert_eq!(devnet.faults(16_121, deployer).unwrap().len(), 1);
    }

    /// 7 days of notice, 12 h of sequencing window, 1 h to a proposal, 10 days of dispute, 7 of a pause.
    #[test]
    fn the_timelock_outlasts_the_longest_withdrawal() {
        let least = 24 * DAY + 12 * 3_600 + 3_600;
        let set = |plan: &mut Plan, delay: u64| plan.timelock.as_mut().unwrap().delay = delay;
        check(|plan| set(plan, least - 1), "timelock.delay");
        let mut plan = public();
        set(&mut plan, least);
        assert_eq!(plan.faults(MAINNET, Address::repeat_byte(9)).unwrap(), Vec::<String>::new());
        // Longer windows ask for a longer delay, whichever of the two is the longer way.
        plan.withdrawals.proof_maturity = 11 * DAY;
        assert!(
            plan.faults(MAINNET, Address::repeat_byte(9)).unwrap()[0].contains("timelock.delay")
        );
        plan.withdrawals.proof_maturity = 7 * DAY;
        plan.sequencing_window += 1;
        assert!(
            plan.faults(MAINNET, Address::repeat_byte(9)).unwrap()[0].contains("timelock.delay")
        );
    }

    #[test]
    fn plans_survive_their_file() {
        for kind in [Kind::Devnet, Kind::Public] {
            let text = serde_json::to_string(&Plan::template(kind).unwrap()).unwrap();
            let plan: Plan = serde_json::from_str(&text).unwrap();
            assert_eq!(serde_json::to_string(&plan).unwrap(), text);
            assert!(serde_json::from_str::<Plan>(&text.replacen('{', "{\"windw\":1,", 1)).is_err());
        }
    }
}
