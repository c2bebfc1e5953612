//! The way back: OPEN withdrawn to L1 on a proposal that stands, a proposal that does not stand, and a
//! withdrawal that the sequencer is not asked about.

use alloy_eips::BlockNumberOrTag;
use alloy_network::EthereumWallet;
use alloy_primitives::{Address, B256, U256, keccak256, utils::parse_ether};
use alloy_provider::{Provider, ProviderBuilder, RootProvider};
use alloy_signer_local::PrivateKeySigner;
use alloy_sol_types::SolEvent;
use anyhow::{Context, Result, bail, ensure};
use l1::{
    Initiated, Wait, WithdrawalStatus, Withdrawals,
    contracts::{AnchorStateRegistry, BondVault, DisputeGameFactory, Open, ProofDisputeGame},
    deploy::GAME_TYPE,
};
use serde_json::Value;
use url::Url;

use super::{
    report::{LedgerRow, Report, difference, open},
    wait_for,
};
use crate::{dev::Ready, included::succeeded, keys};

/// Who withdraws, who lies, and who withdraws through L1.
const LEAVER: u32 = 7;
const LIAR: u32 = 8;
const FORCER: u32 = 9;

/// `GameStatus`.
const CHALLENGER_WINS: u8 = 1;
const DEFENDER_WINS: u8 = 2;

/// A chain as people who leave it see it.
pub(super) struct Exit {
    pub(super) withdrawals: Withdrawals,
    l1_url: Url,
    l1: RootProvider,
    pub(super) l2: RootProvider,
    open: Address,
    pub(super) portal: Address,
    factory: Address,
    vault: Address,
    registry: Address,
}

pub async fn run(ready: &Ready, report: &mut Report) -> Result<()> {
    let l1_url: Url = ready.l1_rpc.parse().context("the L1 URL is not a URL")?;
    let l2_url: Url = ready.l2_rpc.parse().context("the L2 URL is not a URL")?;
    let exit = Exit::new(l1_url, l2_url, |name| ready.contract(name))?;
    // The lie is told first: it has to be found out while the withdrawal waits.
    let liar = keys::dev_key(LIAR)?;
    let liar_before = exit.held(liar.address()).await?;
    let lie = exit.lie(&liar).await?;
    let game = step_withdraw(&exit, report).await?;
    step_honest(&exit, game, report).await?;
    step_dishonest(&exit, lie, liar.address(), liar_before, report).await?;
    step_force(&exit, report).await
}

async fn step_withdraw(exit: &Exit, report: &mut Report) -> Result<Address> {
    report.step("Withdraw OPEN to L1");
    let key = keys::dev_key(LEAVER)?;
    let receiver = fresh_receiver(exit, 1).await?;
    let amount = parse_ether("5")?;
    let portal_before = exit.held(exit.portal).await?;
    let receiver_before = exit.held(receiver).await?;
    let initiated = exit.withdrawals.initiate(key.clone(), receiver, amount).await?;
    report.say(format!("account {LEAVER} sent {} off L2", open(amount)));
    report.proof("L2 transaction", initiated.l2_transaction);
    report.proof("withdrawal", initiated.hash);
    let game = exit.prove_and_finalize(&key, &initiated, report).await?;
    let received = difference(receiver_before, exit.held(receiver).await?);
    let rows = vec![
        LedgerRow {
            party: "L1 portal (OPEN locked)".into(),
            wei: difference(portal_before, exit.held(exit.portal).await?),
        },
        LedgerRow { party: format!("{receiver}"), wei: received },
    ];
    ensure!(received == difference(U256::ZERO, amount), "{received} wei arrived");
    report.ledger("The withdrawal on L1", rows)?;
    Ok(game)
}

async fn step_honest(exit: &Exit, game: Address, report: &mut Report) -> Result<()> {
    report.step("An honest proposal stands");
    let contract = ProofDisputeGame::new(game, &exit.l1);
    ensure!(u8::from(contract.status().call().await?) == DEFENDER_WINS, "{game} does not stand");
    let number = contract.l2SequenceNumber().call().await?.saturating_to::<u64>();
    let claimed = contract.rootClaim().call().await?;
    ensure!(claimed == exit.output_root(number).await?, "L2 block {number} has another root");
    let proposer = contract.gameCreator().call().await?;
    report.say(format!(
        "{proposer} claimed L2 block {number} after executing it again; nobody could object"
    ));
    report.proof("game", game);
    report.proof("output root", claimed);
    let registry = AnchorStateRegistry::new(exit.registry, &exit.l1);
    let anchor = wait_for("the anchor to reach the proposal", 120, || async {
        let anchor = registry.getAnchorRoot().call().await?;
        Ok((anchor.l2SequenceNumber >= U256::from(number)).then_some(anchor))
    })
    .await?;
    report.say("it became the anchor, which new proposals start from");
    report.proof("anchor", format!("L2 block {}", anchor.l2SequenceNumber));
    let vault = BondVault::new(exit.vault, &exit.l1);
    wait_for("the bond to come back", 120, || async {
        Ok(vault.balanceOf(game).call().await?.is_zero().then_some(()))
    })
    .await?;
    report.say("its bond went back to the proposer");
    Ok(())
}

async fn step_dishonest(
    exit: &Exit,
    game: Address,
    liar: Address,
    liar_before: U256,
    report: &mut Report,
) -> Result<()> {
    report.step("A dishonest proposal is challenged and loses its bond");
    let contract = ProofDisputeGame::new(game, &exit.l1);
    let number = contract.l2SequenceNumber().call().await?.saturating_to::<u64>();
    let claimed = contract.rootClaim().call().await?;
    report.say(format!("account {LIAR} claimed a false output of L2 block {number}"));
    report.proof("game", game);
    report.proof("claimed", claimed);
    report.proof("true", exit.output_root(number).await?);
    let status = wait_for("the false claim to fall", 180, || async {
        let status = u8::from(contract.status().call().await?);
        Ok((status != 0).then_some(status))
    })
    .await?;
    ensure!(status == CHALLENGER_WINS, "the false claim stands");
    let challenger = contract.claimData().call().await?.counteredBy;
    report.say(format!("{challenger} challenged it, and nobody could prove it"));
    let bonds = contract.challengerBond().call().await?;
    let vault = BondVault::new(exit.vault, &exit.l1);
    wait_for("the bonds to be paid", 120, || async {
        Ok(vault.balanceOf(game).call().await?.is_zero().then_some(()))
    })
    .await?;
    let paid: U256 = exit.paid(game, challenger).await?;
    let rows = vec![
        LedgerRow {
            party: format!("account {LIAR}, who lied"),
            wei: difference(liar_before, exit.held(liar).await?),
        },
        LedgerRow { party: "challenger".into(), wei: difference(bonds, paid) },
    ];
    ensure!(paid > bonds, "the challenger gained nothing");
    report.ledger("The bonds of the dishonest proposal", rows)
}

async fn step_force(exit: &Exit, report: &mut Report) -> Result<()> {
    report.step("Withdraw without asking the sequencer");
    let key = keys::dev_key(FORCER)?;
    let receiver = fresh_receiver(exit, 2).await?;
    let amount = parse_ether("2")?;
    let hash = exit.withdrawals.force(key.clone(), receiver, amount).await?;
    report.say(format!(
        "account {FORCER} put the withdrawal of {} on L1; L2 has to take it, or anyone's node goes on \
         without the sequencer when the sequencing window closes",
        open(amount)
    ));
    report.proof("L2 deposit", hash);
    let initiated = wait_for("L2 to derive it", 120, || async {
        exit.withdrawals.find(hash).await.map_err(anyhow::Error::from)
    })
    .await?;
    report.proof("withdrawal", initiated.hash);
    exit.prove_and_finalize(&key, &initiated, report).await?;
    ensure!(exit.held(receiver).await? == amount, "the forced withdrawal was not paid");
    report.say(format!("{} arrived on L1", open(amount)));
    Ok(())
}

impl Exit {
    /// `contract` gives the address of a contract on L1 by its name.
    pub(super) fn new(
        l1_url: Url,
        l2_url: Url,
        contract: impl Fn(&str) -> Result<Address>,
    ) -> Result<Self> {
        let portal = contract("OptimismPortal")?;
        Ok(Self {
            withdrawals: Withdrawals::new(l1_url.clone(), l2_url.clone(), portal),
            l1: RootProvider::new_http(l1_url.clone()),
            l2: RootProvider::new_http(l2_url),
            l1_url,
            open: contract("OPEN")?,
            portal,
            factory: contract("DisputeGameFactory")?,
            vault: contract("BondVault")?,
            registry: contract("AnchorStateRegistry")?,
        })
    }

    /// Waits as it must; returns the game that the withdrawal was proven with.
    pub(super) async fn prove_and_finalize(
        &self,
        key: &PrivateKeySigner,
        initiated: &Initiated,
        report: &mut Report,
    ) -> Result<Address> {
        let who = key.address();
        let proposal = wait_for("a proposal of the withdrawal's block", 180, || async {
            match self.withdrawals.status(initiated, who).await? {
                WithdrawalStatus::ReadyToProve { proposal } => Ok(Some(proposal)),
                WithdrawalStatus::WaitingToProve { .. } => Ok(None),
                status => bail!("unexpectedly {status:?}"),
            }
        })
        .await?;
        let proven = self.withdrawals.prove(key.clone(), initiated, &proposal).await?;
        report.say(format!("proven on L1 in the proposal of L2 block {}", proposal.l2_block));
        report.proof("L1 transaction", proven);
        wait_for("the withdrawal to be payable", 180, || async {
            match self.withdrawals.status(initiated, who).await? {
                WithdrawalStatus::ReadyToFinalize => Ok(Some(())),
                WithdrawalStatus::WaitingToFinalize { why: Wait::Decision, game, .. } => {
                    // The challenger does it, too; whoever is first.
                    if let Err(error) = self.withdrawals.resolve(key.clone(), game).await {
                        tracing::debug!(%error, "somebody else decides the proposal");
                    }
                    Ok(None)
                }
                WithdrawalStatus::WaitingToFinalize { .. } => Ok(None),
                status => bail!("unexpectedly {status:?}"),
            }
        })
        .await?;
        let paid = self.withdrawals.finalize(key.clone(), initiated).await?;
        report.say("paid by L1 from the escrow");
        report.proof("L1 transaction", paid);
        Ok(proposal.game)
    }

    /// Proposes a root that is not L2's.
    async fn lie(&self, key: &PrivateKeySigner) -> Result<Address> {
        let provider = ProviderBuilder::new()
            .wallet(EthereumWallet::from(key.clone()))
            .connect_http(self.l1_url.clone());
        let factory = DisputeGameFactory::new(self.factory, &provider);
        let bond = factory.initBonds(GAME_TYPE).call().await?;
        let token = Open::new(self.open, &provider);
        succeeded("approve the factory", token.approve(self.factory, bond).send().await?).await?;
        // A block that L2 has; another root each time the demo is run.
        let number = self.l2.get_block_number().await?;
        let root = keccak256([&number.to_be_bytes()[..], key.address().as_slice()].concat());
        let extra = disputes::extra_data(number, u32::MAX);
        let call = factory.create(GAME_TYPE, root, extra);
        let receipt = succeeded("propose a false root", call.send().await?).await?;
        receipt
            .logs()
            .iter()
            .find_map(|log| DisputeGameFactory::DisputeGameCreated::decode_log(&log.inner).ok())
            .map(|log| log.data.disputeProxy)
            .context("the factory made no game")
    }

    pub(super) async fn held(&self, account: Address) -> Result<U256> {
        Ok(Open::new(self.open, &self.l1).balanceOf(account).call().await?)
    }

    /// What the vault paid to somebody out of a game's bonds.
    async fn paid(&self, game: Address, to: Address) -> Result<U256> {
        let filter = alloy_rpc_types_eth::Filter::new()
            .address(self.vault)
            .event_signature(BondVault::Withdrawal::SIGNATURE_HASH)
            .topic1(game.into_word())
            .topic2(to.into_word())
            .from_block(BlockNumberOrTag::Earliest);
        let mut paid = U256::ZERO;
        for log in self.l1.get_logs(&filter).await? {
            paid += U256::try_from_be_slice(&log.data().data).context("an amount overflows")?;
        }
        Ok(paid)
    }

    async fn output_root(&self, number: u64) -> Result<B256> {
        let output: Value =
            self.l2.raw_request("optimism_outputAtBlock".into(), (format!("{number:#x}"),)).await?;
        output["outputRoot"]
            .as_str()
            .context("L2 states no output root")?
            .parse()
            .map_err(Into::into)
    }
}

/// An account that holds nothing yet on L1, so that what arrives is all there is.
async fn fresh_receiver(exit: &Exit, salt: u8) -> Result<Address> {
    let head = exit.l1.get_block_number().await?;
    let seed = keccak256([&head.to_be_bytes()[..], &[salt]].concat());
    let receiver = Address::from_slice(&seed[12..]);
    ensure!(exit.held(receiver).await?.is_zero(), "{receiver} holds OPEN already");
    Ok(receiver)
}
