//! `openledger bridge`: OPEN from L1 to L2 and back. A withdrawal takes three transactions, with
//! waiting between them: it is made on L2, proven on L1 in a proposal, and paid by L1.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use alloy_primitives::{Address, Bytes, TxHash, U256, utils::parse_ether};
use alloy_provider::{Provider, ProviderBuilder};
use alloy_signer_local::PrivateKeySigner;
use anyhow::{Context, Result, bail, ensure};
use clap::{Args as ClapArgs, Subcommand};
use l1::{
    Deposit, DepositReceipt, Initiated, L1Urls, RoleSigner, Wait, WithdrawalStatus, Withdrawals,
    contracts::OptimismPortal,
};
use url::Url;

use crate::{demo::open, dev::Ready, keystore::KeyArgs, roles};

/// Time between two looks at the layers.
const POLL: Duration = Duration::from_millis(500);
const DEPOSIT_POLL: Duration = Duration::from_millis(200);
/// A running sequencer takes a deposit as soon as it sees L1's block.
const DEPOSIT_WAIT_MAX: Duration = Duration::from_secs(60);

/// Move OPEN between the layers.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Lock OPEN in the portal on L1; the same amount is minted on L2.
    Deposit(DepositArgs),
    /// Send OPEN off L2; L1 pays it after it was proven and its proposal has stood its time.
    Withdraw(WithdrawArgs),
    /// Prove a withdrawal on L1, as soon as a proposal holds it.
    Prove(StepArgs),
    /// Have L1 pay a proven withdrawal, as soon as it may.
    Finalize(StepArgs),
    /// Say where a withdrawal stands.
    Status(StepArgs),
}

/// Deposit OPEN.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  \
    openledger bridge deposit --amount 25\n  \
    openledger bridge deposit --amount 0.5 --account 3 --to 0x70997970C51812dc3A010C7d01b50e0d17dc79C8\n  \
    openledger bridge deposit --amount 0.1 --to REGISTRY --data 0x… --gas 300000    a call that the sequencer cannot refuse\n  \
    openledger bridge deposit --amount 5 --l1-rpc URL,URL --l2-rpc URL --portal ADDRESS --keystore user.json")]
pub struct DepositArgs {
    /// OPEN to move, in whole tokens with up to 18 decimals; 0 only with --data.
    #[arg(long)]
    amount: String,
    /// Receiver on L2; the payer if not given.
    #[arg(long)]
    to: Option<Address>,
    /// Call the receiver with this from the payer's own address, forced in by L1: contributions, claims and
    /// challenges that the sequencer does not take. If the call fails, --amount is the payer's on L2.
    #[arg(long, value_name = "HEX", requires = "to")]
    data: Option<Bytes>,
    /// OPEN that goes with the call, of what the payer has on L2; --amount if not given.
    #[arg(long, value_name = "OPEN", requires = "data")]
    value: Option<String>,
    /// L2 gas of the call.
    #[arg(long, default_value_t = 500_000, requires = "data")]
    gas: u64,
    #[command(flatten)]
    chain: ChainArgs,
}

/// Which chain, and whose key.
#[derive(Debug, ClapArgs)]
pub struct ChainArgs {
    /// Ready file of the running `openledger dev`.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["l1_rpc", "l2_rpc", "portal"])]
    ready: Option<PathBuf>,
    /// JSON-RPC of an L1 node; that of the running `openledger dev` if not given. Of several (again, or after a
    /// comma) the next is asked when one is out.
    #[arg(long, value_name = "URL", value_delimiter = ',', requires_all = ["l2_rpc", "portal"])]
    l1_rpc: Vec<Url>,
    /// JSON-RPC of an L2 node; for withdrawals one that serves proofs.
    #[arg(long, value_name = "URL", requires = "l1_rpc")]
    l2_rpc: Option<Url>,
    /// `OptimismPortal` on L1.
    #[arg(long, value_name = "ADDRESS", requires = "l1_rpc")]
    portal: Option<Address>,
    #[command(flatten)]
    key: KeyArgs,
}

/// Withdraw OPEN.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  \
    openledger bridge withdraw --amount 5            then prove and finalize, which wait as needed\n  \
    openledger bridge withdraw --amount 5 --wait     all three steps")]
pub struct WithdrawArgs {
    /// OPEN to move, in whole tokens with up to 18 decimals.
    #[arg(long)]
    amount: String,
    /// Receiver on L1; the payer if not given.
    #[arg(long)]
    to: Option<Address>,
    /// Go on to prove and finalize.
    #[arg(long)]
    wait: bool,
    /// Through L1, as a deposit: L2 has to take it, whatever the sequencer wants.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    chain: ChainArgs,
}

/// One step of a withdrawal.
#[derive(Debug, ClapArgs)]
pub struct StepArgs {
    /// The L2 transaction that withdraws, also one that came as a deposit.
    #[arg(long, value_name = "HASH")]
    tx: TxHash,
    #[command(flatten)]
    chain: ChainArgs,
}

/// Where a chain is, and a key for it.
struct Chain {
    l1: L1Urls,
    l2: Url,
    portal: Address,
    key: RoleSigner,
}

/// A chain and a key for it, for withdrawals.
struct Session {
    withdrawals: Withdrawals,
    key: RoleSigner,
}

impl ChainArgs {
    async fn find(&self) -> Result<Chain> {
        let (l1, l2, portal) = match (&self.l2_rpc, self.portal) {
            (Some(l2), Some(portal)) => (L1Urls::from(self.l1_rpc.clone()), l2.clone(), portal),
            _ => {
                let path = self.ready.clone().unwrap_or_else(Ready::default_path);
                let ready = Ready::read(&path)?;
                let l1: Url = ready.l1_rpc.parse().context("the L1 URL is not a URL")?;
                let l2 = ready.l2_rpc.parse().context("the L2 URL is not a URL")?;
                (l1.into(), l2, ready.contract("OptimismPortal")?)
            }
        };
        let key = self.key.signer_or(roles::l1_chain_id(&l1).await?, 0).await?;
        Ok(Chain { l1, l2, portal, key })
    }

    async fn open(&self) -> Result<Session> {
        let Chain { l1, l2, portal, key } = self.find().await?;
        Ok(Session { withdrawals: Withdrawals::new(l1, l2, portal), key })
    }
}

pub async fn run(command: Command) -> Result<()> {
    match command {
        Command::Deposit(args) => run_deposit(args).await,
        Command::Withdraw(args) => {
            let session = args.chain.open().await?;
            let amount = amount(&args.amount)?;
            let to = args.to.unwrap_or_else(|| session.key.address());
            println!("sending {} off L2 …", open(amount));
            let initiated = match args.force {
                true => session.force(to, amount).await?,
                false => session.withdrawals.initiate(session.key.clone(), to, amount).await?,
            };
            println!("L2 transaction  {}", initiated.l2_transaction);
            println!("L2 block        {}", initiated.l2_block);
            println!("withdrawal      {}", initiated.hash);
            if !args.wait {
                println!("next: openledger bridge prove --tx {}", initiated.l2_transaction);
                return Ok(());
            }
            session.prove(&initiated).await?;
            session.finalize(&initiated).await
        }
        Command::Prove(args) => {
            let session = args.chain.open().await?;
            let initiated = session.find(args.tx).await?;
            session.prove(&initiated).await
        }
        Command::Finalize(args) => {
            let session = args.chain.open().await?;
            let initiated = session.find(args.tx).await?;
            session.finalize(&initiated).await
        }
        Command::Status(args) => {
            let session = args.chain.open().await?;
            let initiated = session.find(args.tx).await?;
            let withdrawal = &initiated.withdrawal;
            println!("{} for {}", open(withdrawal.value), withdrawal.target);
            println!("withdrawal      {}", initiated.hash);
            println!("L2 block        {}", initiated.l2_block);
            let status = session.status(&initiated).await?;
            println!("{}", session.describe(&initiated, &status).await?);
            Ok(())
        }
    }
}

impl Session {
    async fn find(&self, transaction: TxHash) -> Result<Initiated> {
        let found = self.withdrawals.find(transaction).await?;
        found.with_context(|| format!("L2 has no transaction {transaction}"))
    }

    /// Sends it through L1 and waits until the L2 node has derived it.
    async fn force(&self, to: Address, amount: U256) -> Result<Initiated> {
        let hash = self.withdrawals.force(self.key.clone(), to, amount).await?;
        println!("in L1; waiting for L2 to derive {hash} …");
        loop {
            if let Some(initiated) = self.withdrawals.find(hash).await? {
                return Ok(initiated);
            }
            tokio::time::sleep(POLL).await;
        }
    }

    async fn status(&self, initiated: &Initiated) -> Result<WithdrawalStatus> {
        Ok(self.withdrawals.status(initiated, self.key.address()).await?)
    }

    /// Waits for a proposal and proves.
    async fn prove(&self, initiated: &Initiated) -> Result<()> {
        let mut shown = String::new();
        loop {
            let status = self.status(initiated).await?;
            match &status {
                WithdrawalStatus::ReadyToProve { proposal } => {
                    println!("proposal of L2 block {}: {}", proposal.l2_block, proposal.game);
                    let key = self.key.clone();
                    let hash = self.withdrawals.prove(key, initiated, proposal).await?;
                    println!("proven          {hash}");
                    return Ok(());
                }
                WithdrawalStatus::WaitingToProve { .. } => {}
                WithdrawalStatus::ProvenWithLost { game } => bail!(
                    "it was proven with {game}, which has lost; prove it again from another account \
                     or when a proposal stands"
                ),
                _ => {
                    println!("{}", self.describe(initiated, &status).await?);
                    return Ok(());
                }
            }
            self.show(initiated, &status, &mut shown).await?;
            tokio::time::sleep(POLL).await;
        }
    }

    /// Waits for L1's delays and has it pay.
    async fn finalize(&self, initiated: &Initiated) -> Result<()> {
        let mut shown = String::new();
        loop {
            let status = self.status(initiated).await?;
            match &status {
                WithdrawalStatus::ReadyToFinalize => {
                    let hash = self.withdrawals.finalize(self.key.clone(), initiated).await?;
                    let withdrawal = &initiated.withdrawal;
                    println!("paid            {hash}");
                    println!("{} arrived at {}", open(withdrawal.value), withdrawal.target);
                    return Ok(());
                }
                WithdrawalStatus::Finalized => {
                    println!("it was paid before");
                    return Ok(());
                }
                WithdrawalStatus::WaitingToFinalize { game, why: Wait::Decision, .. } => {
                    // Nobody has to do it, so we do; another may be faster.
                    println!("the proposal's time is over: deciding it …");
                    match self.withdrawals.resolve(self.key.clone(), *game).await {
                        Ok(hash) => println!("decided         {hash}"),
                        Err(error) => tracing::debug!(%error, "somebody else decides it"),
                    }
                }
                WithdrawalStatus::WaitingToFinalize { .. } => {}
                _ => bail!(
                    "it is not proven by {}: openledger bridge prove --tx {}",
                    self.key.address(),
                    initiated.l2_transaction
                ),
            }
            self.show(initiated, &status, &mut shown).await?;
            tokio::time::sleep(POLL).await;
        }
    }

    /// Prints what is waited for when it changes.
    async fn show(
        &self,
        initiated: &Initiated,
        status: &WithdrawalStatus,
        shown: &mut String,
    ) -> Result<()> {
        let line = self.describe(initiated, status).await?;
        if line != *shown {
            println!("{line}");
            *shown = line;
        }
        Ok(())
    }

    async fn describe(&self, initiated: &Initiated, status: &WithdrawalStatus) -> Result<String> {
        Ok(match status {
            WithdrawalStatus::WaitingToProve { newest } => match newest {
                None => format!("waiting for a proposal of L2 block {}", initiated.l2_block),
                Some(newest) => format!(
                    "waiting for a proposal of L2 block {}; the newest is of block {newest}",
                    initiated.l2_block
                ),
            },
            WithdrawalStatus::ReadyToProve { proposal } => {
                format!("ready to be proven with the proposal of L2 block {}", proposal.l2_block)
            }
            WithdrawalStatus::WaitingToFinalize { until, why, .. } => {
                let left = until.saturating_sub(self.withdrawals.now().await?);
                let what = match why {
                    Wait::Maturity => "until the proof is old enough",
                    Wait::Dispute => "in which the proposal can be disputed",
                    Wait::Decision => "until the proposal can be decided",
                    Wait::Airgap => "until the decision is final",
                };
                format!("waiting {} {what}", duration(left))
            }
            WithdrawalStatus::ProvenWithLost { game } => {
                format!("proven with {game}, which has lost: prove it again")
            }
            WithdrawalStatus::ReadyToFinalize => "ready to be paid".to_owned(),
            WithdrawalStatus::Finalized => "paid".to_owned(),
        })
    }
}

/// Seconds for people.
fn duration(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds.div_ceil(60)),
        7_200..172_800 => format!("{} h", seconds.div_ceil(3_600)),
        _ => format!("{} days", seconds.div_ceil(86_400)),
    }
}

fn amount(text: &str) -> Result<U256> {
    let wei = amount_or_nothing(text)?;
    ensure!(!wei.is_zero(), "nothing to move");
    Ok(wei)
}

fn amount_or_nothing(text: &str) -> Result<U256> {
    parse_ether(text).with_context(|| format!("\"{text}\" is not an amount of OPEN"))
}

async fn run_deposit(args: DepositArgs) -> Result<()> {
    let mint = match &args.data {
        Some(_) => amount_or_nothing(&args.amount)?,
        None => amount(&args.amount)?,
    };
    let Chain { l1, l2, portal, key } = args.chain.find().await?;
    let to = args.to.unwrap_or_else(|| key.address());
    let provider = ProviderBuilder::new().connect_client(l1.clone().client());
    let token = OptimismPortal::new(portal, provider).open().call().await;
    let token = token.with_context(|| format!("{portal} is no portal of this L1"))?;
    let mut deposit = Deposit::transfer(token, portal, to, mint);
    if let Some(data) = args.data {
        deposit.value = args.value.as_deref().map_or(Ok(mint), amount_or_nothing)?;
        deposit.data = data;
        deposit.gas_limit = args.gas;
    }
    println!("locking {} on L1 …", open(mint));
    let calls = !deposit.data.is_empty();
    let payer = key.address();
    let deposit = l1::deposit(l1, key, &deposit).await?;
    println!("L1 transaction  {}", deposit.l1_transaction);
    println!("waiting for L2 to derive it (its first block after that L1 block) …");
    // Without its sequencer L2 takes deposits when the sequencing window is over.
    wait_on(l2, deposit.l2_transaction, None).await?;
    println!("L2 transaction  {}", deposit.l2_transaction);
    match calls {
        true => println!("{payer} called {to}"),
        false => println!("{} arrived at {to}", open(mint)),
    }
    Ok(())
}

/// Approves if needed and deposits.
pub async fn deposit(
    ready: &Ready,
    key: PrivateKeySigner,
    to: Address,
    amount: U256,
) -> Result<DepositReceipt> {
    let (token, portal) = (ready.contract("OPEN")?, ready.contract("OptimismPortal")?);
    let deposit = Deposit::transfer(token, portal, to, amount);
    let url: Url = ready.l1_rpc.parse().context("the L1 URL is not a URL")?;
    Ok(l1::deposit(url, key, &deposit).await?)
}

/// Waits until a deposit is executed on L2 and checks that it succeeded.
pub async fn wait_on_l2(ready: &Ready, transaction: TxHash) -> Result<()> {
    let l2 = ready.l2_rpc.parse().context("the L2 URL is not a URL")?;
    wait_on(l2, transaction, Some(DEPOSIT_WAIT_MAX)).await
}

async fn wait_on(l2: Url, transaction: TxHash, limit: Option<Duration>) -> Result<()> {
    let provider = ProviderBuilder::new().connect_http(l2);
    let begun = Instant::now();
    loop {
        // The receipt of a deposit has fields that plain Ethereum types lack.
        let receipt: serde_json::Value =
            provider.raw_request("eth_getTransactionReceipt".into(), (transaction,)).await?;
        if let Some(status) = receipt["status"].as_str() {
            ensure!(status == "0x1", "the deposit {transaction} failed on L2");
            return Ok(());
        }
        ensure!(
            limit.is_none_or(|limit| begun.elapsed() < limit),
            "the deposit {transaction} did not reach L2 in time; does L2 follow L1?"
        );
        tokio::time::sleep(DEPOSIT_POLL).await;
    }
}
