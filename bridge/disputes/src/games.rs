//! Games on L1 as the roles see them. Everything is found from the portal, so that one address names a
//! chain.

use alloy_eips::BlockId;
use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_provider::{Provider, RootProvider};
use l1::{
    L1Urls,
    contracts::{
        AnchorStateRegistry, AttestorVerifier, BondVault, DisputeGameFactory, Open, OptimismPortal,
        ProofDisputeGame,
    },
    deploy::GAME_TYPE,
};

use crate::CheckError;

/// Parent index that means the anchor.
pub const FROM_ANCHOR: u32 = u32::MAX;

/// What a proposal says: after L2 block `l2_block`, as the data on L1 up to `l1_head` determine it, the
/// output root is `root`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    pub l2_block: u64,
    pub root: B256,
    /// Number of the L1 block.
    pub l1_head: u64,
}

/// How far a game got (`IProofDisputeGame.ProposalStatus`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    Unchallenged,
    Challenged,
    UnchallengedAndProven,
    ChallengedAndProven,
    Resolved,
}

/// What a game came to (`GameStatus`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    InProgress,
    ChallengerWins,
    DefenderWins,
}

/// A game, with what never changes.
#[derive(Clone, Copy, Debug)]
pub struct Game {
    /// Place in the factory.
    pub index: u64,
    pub address: Address,
    pub creator: Address,
    pub claim: Claim,
    pub parent_index: u32,
    /// Where the claim starts from.
    pub start: (u64, B256),
}

/// What changes in a game.
#[derive(Clone, Copy, Debug)]
pub struct GameState {
    pub progress: Progress,
    pub outcome: Outcome,
    pub challenger: Address,
    pub prover: Address,
    /// Seconds since the Unix epoch: of the challenge, then of the proof.
    pub deadline: u64,
    /// Proven, or out of time.
    pub over: bool,
    /// Seconds since the Unix epoch; 0 before.
    pub resolved_at: u64,
    /// How the bonds are paid is decided.
    pub closed: bool,
}

/// The contracts of one chain's games.
#[derive(Clone, Debug)]
pub struct Games {
    pub(crate) provider: RootProvider,
    pub open: Address,
    pub portal: Address,
    pub registry: Address,
    pub factory: Address,
    pub vault: Address,
    pub verifier: Address,
    /// Wei of OPEN.
    pub proposer_bond: U256,
    /// Wei of OPEN.
    pub challenger_bond: U256,
}

/// `extraData` of a game: block of the claim (32 bytes), parent (4).
pub fn extra_data(l2_block: u64, parent_index: u32) -> Bytes {
    let mut data = U256::from(l2_block).to_be_bytes_vec();
    data.extend_from_slice(&parent_index.to_be_bytes());
    data.into()
}

type Read<T> = Result<T, alloy_contract::Error>;

impl Games {
    /// Finds the contracts that a portal names.
    pub async fn of_portal(l1: impl Into<L1Urls>, portal: Address) -> Read<Self> {
        let provider = l1.into().provider();
        let contract = OptimismPortal::new(portal, &provider);
        let open = contract.open().call().await?;
        let registry = contract.anchorStateRegistry().call().await?;
        let factory =
            AnchorStateRegistry::new(registry, &provider).disputeGameFactory().call().await?;
        let factory_contract = DisputeGameFactory::new(factory, &provider);
        let implementation = factory_contract.gameImpls(GAME_TYPE).call().await?;
        let proposer_bond = factory_contract.initBonds(GAME_TYPE).call().await?;
        let game = ProofDisputeGame::new(implementation, &provider);
        let vault = game.vault().call().await?;
        let verifier = game.verifier().call().await?;
        let challenger_bond = game.challengerBond().call().await?;
        Ok(Self {
            open,
            portal,
            registry,
            factory,
            vault,
            verifier,
            proposer_bond,
            challenger_bond,
            provider,
        })
    }

    pub(crate) fn factory(&self) -> DisputeGameFactory::DisputeGameFactoryInstance<&RootProvider> {
        DisputeGameFactory::new(self.factory, &self.provider)
    }

    pub(crate) fn game(
        &self,
        address: Address,
    ) -> ProofDisputeGame::ProofDisputeGameInstance<&RootProvider> {
        ProofDisputeGame::new(address, &self.provider)
    }

    pub(crate) fn registry(
        &self,
    ) -> AnchorStateRegistry::AnchorStateRegistryInstance<&RootProvider> {
        AnchorStateRegistry::new(self.registry, &self.provider)
    }

    pub(crate) fn vault(&self) -> BondVault::BondVaultInstance<&RootProvider> {
        BondVault::new(self.vault, &self.provider)
    }

    pub(crate) fn attestors(&self) -> AttestorVerifier::AttestorVerifierInstance<&RootProvider> {
        AttestorVerifier::new(self.verifier, &self.provider)
    }

    pub(crate) fn open(&self) -> Open::OpenInstance<&RootProvider> {
        Open::new(self.open, &self.provider)
    }

    /// Output root and block of the newest final claim.
    pub async fn anchor(&self) -> Result<(B256, u64), CheckError> {
        let anchor = self.registry().getAnchorRoot().call().await?;
        Ok((anchor.root, saturate(anchor.l2SequenceNumber)))
    }

    pub async fn count(&self) -> Read<u64> {
        Ok(saturate(self.factory().gameCount().call().await?))
    }

    /// The game at a place of the factory; `None` if it is of another type.
    pub async fn at(&self, index: u64) -> Read<Option<Game>> {
        let listed = self.factory().gameAtIndex(U256::from(index)).call().await?;
        if listed.gameType != GAME_TYPE {
            return Ok(None);
        }
        self.read(index, listed.proxy).await.map(Some)
    }

    /// A game by its address.
    pub async fn read(&self, index: u64, address: Address) -> Read<Game> {
        let game = self.game(address);
        let l1_head = game.l1Head().call().await?;
        let head = self
            .provider
            .get_block(BlockId::from(l1_head))
            .await
            .map_err(alloy_contract::Error::TransportError)?;
        let start = game.startingProposal().call().await?;
        Ok(Game {
            index,
            address,
            creator: game.gameCreator().call().await?,
            claim: Claim {
                l2_block: saturate(game.l2SequenceNumber().call().await?),
                root: game.rootClaim().call().await?,
                // SOUNDNESS: an L1 head that is not on this chain supports no claim at all.
                l1_head: head.map_or(0, |block| block.header.number),
            },
            parent_index: game.parentIndex().call().await?,
            start: (saturate(start.l2SequenceNumber), start.root),
        })
    }

    /// Whether the factory made this game.
    pub async fn is_registered(&self, game: Address) -> Read<bool> {
        self.registry().isGameRegistered(game).call().await
    }

    pub async fn state(&self, address: Address) -> Read<GameState> {
        let game = self.game(address);
        let claim = game.claimData().call().await?;
        let progress = match u8::from(claim.status) {
            0 => Progress::Unchallenged,
            1 => Progress::Challenged,
            2 => Progress::UnchallengedAndProven,
            3 => Progress::ChallengedAndProven,
            _ => Progress::Resolved,
        };
        let outcome = match u8::from(game.status().call().await?) {
            0 => Outcome::InProgress,
            1 => Outcome::ChallengerWins,
            _ => Outcome::DefenderWins,
        };
        Ok(GameState {
            progress,
            outcome,
            challenger: claim.counteredBy,
            prover: claim.prover,
            deadline: claim.deadline,
            over: game.gameOver().call().await?,
            resolved_at: game.resolvedAt().call().await?,
            closed: u8::from(game.bondDistributionMode().call().await?) != 0,
        })
    }
}

fn saturate(number: U256) -> u64 {
    number.saturating_to()
}
