//! A user's withdrawal: OPEN leaves L2 through the message passer, and L1 pays it when a proposal that
//! holds it has stood its time. Every step can be taken by anyone who knows the L2 transaction, from any
//! machine; nothing is kept between them.

use alloy_consensus::Sealable;
use alloy_contract::{CallBuilder, CallDecoder};
use alloy_eips::BlockNumberOrTag;
use alloy_network::{Ethereum, EthereumWallet};
use alloy_primitives::{Address, B256, Bytes, TxHash, U64, U256};
use alloy_provider::{Provider, ProviderBuilder, RootProvider};
use alloy_rpc_types_eth::{EIP1186AccountProofResponse, Log, TransactionRequest};
use alloy_sol_types::{SolCall, sol};
use messages::{
    DepositLog, TRANSACTION_DEPOSITED_TOPIC, Withdrawal, decode_deposit, decode_withdrawal,
    withdrawal_storage_key,
};
use primitives::L2_TO_L1_MESSAGE_PASSER;
use serde::Deserialize;
use url::Url;

use crate::{
    InclusionError, L1Urls, RoleSigner, WithdrawalError,
    contracts::{
        AnchorStateRegistry, DisputeGameFactory, OptimismPortal, ProofDisputeGame, RollupHashing,
    },
    deploy::GAME_TYPE,
    inclusion::included,
};

sol! {
    /// Of `L2ToL1MessagePasser`.
    function initiateWithdrawal(address target, uint256 gasLimit, bytes data) external payable;
}

/// L2 gas of a withdrawal that comes as a deposit.
const FORCED_GAS: u64 = 300_000;
/// Games looked at to find one that holds a withdrawal.
const GAMES_LOOKED_AT: u64 = 100;
/// `GameStatus.CHALLENGER_WINS`.
const CHALLENGER_WINS: u8 = 1;
/// `GameStatus.DEFENDER_WINS`.
const DEFENDER_WINS: u8 = 2;

/// A withdrawal that L2 has recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Initiated {
    pub withdrawal: Withdrawal,
    pub hash: B256,
    pub l2_transaction: TxHash,
    pub l2_block: u64,
}

/// A proposal on L1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// Place in the factory.
    pub index: U256,
    pub game: Address,
    pub l2_block: u64,
    pub root: B256,
}

/// Where a withdrawal stands. Times are L1's, seconds since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WithdrawalStatus {
    /// No proposal holds it yet; `newest` is the newest claimed block.
    WaitingToProve {
        newest: Option<u64>,
    },
    ReadyToProve {
        proposal: Proposal,
    },
    /// Proven; nothing is to be done before `until`.
    WaitingToFinalize {
        game: Address,
        until: u64,
        why: Wait,
    },
    /// The claim that it was proven with has lost: prove it again.
    ProvenWithLost {
        game: Address,
    },
    ReadyToFinalize,
    Finalized,
}

/// What a proven withdrawal waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// The time between proof and payment.
    Maturity,
    /// The proposal can still be challenged, or proven.
    Dispute,
    /// The proposal's time is over, but nobody has said so to L1: anyone may (`resolve`).
    Decision,
    /// The time between decision and finality.
    Airgap,
}

/// Withdrawals of one chain.
#[derive(Clone, Debug)]
pub struct Withdrawals {
    l1_urls: L1Urls,
    l1: RootProvider,
    l2_url: Url,
    l2: RootProvider,
    portal: Address,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct L2Receipt {
    status: U64,
    block_number: U64,
    logs: Vec<Log>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct L2Header {
    hash: B256,
    state_root: B256,
}

type Result<T> = std::result::Result<T, WithdrawalError>;

impl Withdrawals {
    /// The node at `l2_url` must serve proofs of the blocks that proposals claim.
    pub fn new(l1: impl Into<L1Urls>, l2_url: Url, portal: Address) -> Self {
        let l1_urls = l1.into();
        let l1 = l1_urls.provider();
        let l2 = RootProvider::new_http(l2_url.clone());
        Self { l1_urls, l1, l2_url, l2, portal }
    }

    /// Sends OPEN off L2; returns when L2 has it in a block.
    pub async fn initiate(
        &self,
        key: impl Into<RoleSigner>,
        target: Address,
        amount: U256,
    ) -> Result<Initiated> {
        let key = key.into();
        let account = key.address();
        let held = self.l2.get_balance(account).await?;
        if held <= amount {
            return Err(WithdrawalError::Balance { account, held, needed: amount });
        }
        let provider = ProviderBuilder::new()
            .wallet(EthereumWallet::from(key))
            .connect_http(self.l2_url.clone());
        let call = initiateWithdrawalCall { target, gasLimit: U256::ZERO, data: Bytes::new() };
        let request = TransactionRequest::default()
            .to(L2_TO_L1_MESSAGE_PASSER)
            .value(amount)
            .input(call.abi_encode().into());
        let sent = provider.send_transaction(request).await?;
        let hash = *sent.tx_hash();
        included("withdraw", sent).await?;
        self.find(hash).await?.ok_or(WithdrawalError::NoWithdrawal(hash))
    }

    /// The same without the sequencer: L1 forces it into L2 as a deposit. Returns the hash that the
    /// transaction has on L2 once a node has derived it.
    pub async fn force(
        &self,
        key: impl Into<RoleSigner>,
        target: Address,
        amount: U256,
    ) -> Result<TxHash> {
        let call = initiateWithdrawalCall { target, gasLimit: U256::ZERO, data: Bytes::new() };
        let provider = self.l1_with(key);
        let portal = OptimismPortal::new(self.portal, &provider);
        let deposit = portal.depositTransaction(
            L2_TO_L1_MESSAGE_PASSER,
            amount,
            FORCED_GAS,
            false,
            call.abi_encode().into(),
        );
        // What the portal's fee market burns depends on the deposits before this one.
        let estimate = deposit.estimate_gas().await?;
        let pending = deposit.gas(estimate.saturating_add(estimate / 2)).send().await?;
        let receipt = included("force the withdrawal into L2", pending).await?;
        let hash = receipt.transaction_hash;
        let log = receipt.logs().iter().find(|log| {
            log.address() == self.portal && log.topic0() == Some(&TRANSACTION_DEPOSITED_TOPIC)
        });
        let place = log.and_then(|log| {
            Some(DepositLog {
                data: log.data(),
                l1_block_hash: log.block_hash?,
                log_index: log.log_index?,
            })
        });
        let place = place.ok_or(WithdrawalError::NoWithdrawal(hash))?;
        Ok(decode_deposit(place)?.hash_slow())
    }

    /// The withdrawal of an L2 transaction, be it one on L2 or a deposit from L1; `None` while L2 has
    /// no such transaction.
    pub async fn find(&self, transaction: TxHash) -> Result<Option<Initiated>> {
        // The receipt of a deposit has fields that plain Ethereum types lack.
        let receipt: Option<L2Receipt> =
            self.l2.raw_request("eth_getTransactionReceipt".into(), (transaction,)).await?;
        let Some(receipt) = receipt else { return Ok(None) };
        if receipt.status.is_zero() {
            return Err(InclusionError::Failed { what: "withdraw", hash: transaction }.into());
        }
        let passed = receipt.logs.iter().find(|log| {
            log.address() == L2_TO_L1_MESSAGE_PASSER
                && log.topic0() == Some(&messages::MESSAGE_PASSED_TOPIC)
        });
        let passed = passed.ok_or(WithdrawalError::NoWithdrawal(transaction))?;
        let (withdrawal, hash) = decode_withdrawal(passed.data())?;
        Ok(Some(Initiated {
            withdrawal,
            hash,
            l2_transaction: transaction,
            l2_block: receipt.block_number.to(),
        }))
    }

    /// Where it stands, for who proved it.
    pub async fn status(&self, initiated: &Initiated, prover: Address) -> Result<WithdrawalStatus> {
        let portal = OptimismPortal::new(self.portal, &self.l1);
        if portal.finalizedWithdrawals(initiated.hash).call().await? {
            return Ok(WithdrawalStatus::Finalized);
        }
        let proven = portal.provenWithdrawals(initiated.hash, prover).call().await?;
        if proven.timestamp == 0 {
            return self.proposal(initiated.l2_block).await;
        }
        let game = proven.disputeGameProxy;
        if portal.checkWithdrawal(initiated.hash, prover).call().await.is_ok() {
            return Ok(WithdrawalStatus::ReadyToFinalize);
        }
        let contract = ProofDisputeGame::new(game, &self.l1);
        let now = self.now().await?;
        let waiting = |until: u64, why| WithdrawalStatus::WaitingToFinalize { game, until, why };
        let status = u8::from(contract.status().call().await?);
        if status == CHALLENGER_WINS {
            return Ok(WithdrawalStatus::ProvenWithLost { game });
        }
        if status != DEFENDER_WINS {
            let deadline = contract.claimData().call().await?.deadline;
            let over = contract.gameOver().call().await?;
            // The deadline itself still counts.
            let why = if over { Wait::Decision } else { Wait::Dispute };
            return Ok(waiting(deadline.saturating_add(1), why));
        }
        let maturity = portal.proofMaturityDelaySeconds().call().await?.saturating_to::<u64>();
        let mature = proven.timestamp.saturating_add(maturity).saturating_add(1);
        if now < mature {
            return Ok(waiting(mature, Wait::Maturity));
        }
        let airgap = portal.disputeGameFinalityDelaySeconds().call().await?.saturating_to::<u64>();
        let resolved = contract.resolvedAt().call().await?;
        let until = resolved.saturating_add(airgap).saturating_add(1);
        if now >= until {
            // Neither time nor the game: paused, blacklisted or retired.
            portal.checkWithdrawal(initiated.hash, prover).call().await?;
        }
        Ok(waiting(until, Wait::Airgap))
    }

    /// The newest proposal that holds L2 block `l2_block` and is what the L2 node says, too.
    async fn proposal(&self, l2_block: u64) -> Result<WithdrawalStatus> {
        let portal = OptimismPortal::new(self.portal, &self.l1);
        let factory = DisputeGameFactory::new(portal.disputeGameFactory().call().await?, &self.l1);
        let count = factory.gameCount().call().await?;
        let now = self.now().await?;
        let mut newest = None;
        if count.is_zero() {
            return Ok(WithdrawalStatus::WaitingToProve { newest });
        }
        let last = count - U256::from(1);
        let looked_at = U256::from(GAMES_LOOKED_AT);
        let found = factory.findLatestGames(GAME_TYPE, last, looked_at).call().await?;
        for listed in found {
            // Type, time and address; the contract's own packing.
            let game = Address::from_slice(&listed.metadata[12..]);
            let contract = ProofDisputeGame::new(game, &self.l1);
            let claimed: u64 = contract.l2SequenceNumber().call().await?.saturating_to();
            if u8::from(contract.status().call().await?) == CHALLENGER_WINS {
                continue;
            }
            newest = newest.max(Some(claimed));
            // L1 takes no proof in the block of the proposal itself.
            if claimed < l2_block || listed.timestamp >= now {
                continue;
            }
            // A false claim may stand for a while: who proves with it proves again.
            let Some((_, _, root)) = self.output(claimed).await? else { continue };
            if root != listed.rootClaim {
                continue;
            }
            let (index, root) = (listed.index, listed.rootClaim);
            let proposal = Proposal { index, game, l2_block: claimed, root };
            return Ok(WithdrawalStatus::ReadyToProve { proposal });
        }
        Ok(WithdrawalStatus::WaitingToProve { newest })
    }

    /// State root and hash of an L2 block with its output root; `None` if the node has no such block.
    async fn output(&self, number: u64) -> Result<Option<(L2Header, B256, B256)>> {
        let number = BlockNumberOrTag::Number(number);
        let header: Option<L2Header> =
            self.l2.raw_request("eth_getBlockByNumber".into(), (number, false)).await?;
        let Some(header) = header else { return Ok(None) };
        let account: EIP1186AccountProofResponse = self
            .l2
            .raw_request(
                "eth_getProof".into(),
                (L2_TO_L1_MESSAGE_PASSER, Vec::<B256>::new(), number),
            )
            .await?;
        let root = messages::output_root(header.state_root, account.storage_hash, header.hash);
        Ok(Some((header, account.storage_hash, root)))
    }

    /// Shows L1 that the withdrawal is in a proposal. It starts the clock of [`Wait::Maturity`].
    pub async fn prove(
        &self,
        key: impl Into<RoleSigner>,
        initiated: &Initiated,
        proposal: &Proposal,
    ) -> Result<TxHash> {
        let provider = self.l1_with(key);
        let number = proposal.l2_block;
        let (header, storage_root, root) =
            self.output(number).await?.ok_or(WithdrawalError::NoBlock(number))?;
        if root != proposal.root {
            let claimed = proposal.root;
            return Err(WithdrawalError::FalseProposal { l2_block: number, claimed, found: root });
        }
        let slot = withdrawal_storage_key(initiated.hash);
        let proof: EIP1186AccountProofResponse = self
            .l2
            .raw_request(
                "eth_getProof".into(),
                (L2_TO_L1_MESSAGE_PASSER, vec![slot], BlockNumberOrTag::Number(number)),
            )
            .await?;
        let nodes = match proof.storage_proof.first() {
            Some(storage) if storage.value == U256::from(1) => storage.proof.clone(),
            _ => return Err(WithdrawalError::NotInProposal { l2_block: number }),
        };
        let portal = OptimismPortal::new(self.portal, &provider);
        let output = RollupHashing::OutputRootProof {
            version: B256::ZERO,
            stateRoot: header.state_root,
            messagePasserStorageRoot: storage_root,
            latestBlockhash: header.hash,
        };
        let call = portal.proveWithdrawalTransaction(
            transaction(&initiated.withdrawal),
            proposal.index,
            output,
            nodes,
        );
        sent(call, "prove the withdrawal").await
    }

    /// Tells L1 that the proposal's time is over; anyone may.
    pub async fn resolve(&self, key: impl Into<RoleSigner>, game: Address) -> Result<TxHash> {
        let provider = self.l1_with(key);
        sent(ProofDisputeGame::new(game, &provider).resolve(), "decide the proposal").await
    }

    /// Has L1 pay.
    pub async fn finalize(
        &self,
        key: impl Into<RoleSigner>,
        initiated: &Initiated,
    ) -> Result<TxHash> {
        let provider = self.l1_with(key);
        let portal = OptimismPortal::new(self.portal, &provider);
        let call = portal.finalizeWithdrawalTransaction(transaction(&initiated.withdrawal));
        sent(call, "finalize the withdrawal").await
    }

    /// Time of the newest L1 block, seconds since the Unix epoch.
    pub async fn now(&self) -> Result<u64> {
        let latest = self.l1.get_block_by_number(BlockNumberOrTag::Latest).await?;
        Ok(latest.map_or(0, |block| block.header.timestamp))
    }

    /// Where anchors and delays are read.
    pub async fn registry(&self) -> Result<Address> {
        Ok(OptimismPortal::new(self.portal, &self.l1).anchorStateRegistry().call().await?)
    }

    /// The newest final claim: its output root and block.
    pub async fn anchor(&self) -> Result<(B256, u64)> {
        let registry = self.registry().await?;
        let anchor = AnchorStateRegistry::new(registry, &self.l1).getAnchorRoot().call().await?;
        Ok((anchor.root, anchor.l2SequenceNumber.saturating_to()))
    }

    fn l1_with<K: Into<RoleSigner>>(&self, key: K) -> impl Provider<Ethereum> + Clone + use<K> {
        let wallet = EthereumWallet::from(key.into());
        ProviderBuilder::new().wallet(wallet).connect_client(self.l1_urls.client())
    }
}

fn transaction(withdrawal: &Withdrawal) -> RollupHashing::Withdrawal {
    RollupHashing::Withdrawal {
        nonce: withdrawal.nonce,
        sender: withdrawal.sender,
        target: withdrawal.target,
        value: withdrawal.value,
        gasLimit: withdrawal.gas_limit,
        data: withdrawal.data.clone(),
    }
}

async fn sent<P: Provider, D: CallDecoder>(
    call: CallBuilder<P, D>,
    what: &'static str,
) -> Result<TxHash> {
    let estimate = call.estimate_gas().await?;
    let sent = call.gas(estimate.saturating_add(estimate / 4)).send().await?;
    Ok(included(what, sent).await?.transaction_hash)
}
