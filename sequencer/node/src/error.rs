//! Errors of this crate. A user's bad transaction is a [`PoolError`]; what ends a node is a
//! [`NodeError`].

use std::{io, net::SocketAddr};

use alloy_eips::BlockNumHash;
use alloy_primitives::{Address, B256, U256};
use store::StoreError;

use crate::l1::{L1Gap, NoRewind};

/// A configuration no node can run with.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error(transparent)]
    Rollup(#[from] primitives::ConfigError),
    #[error("{0} must be at least 1")]
    Zero(&'static str),
    #[error("sender_slots_max ({max}) is below sender_slots_guaranteed ({guaranteed})")]
    SenderSlots { guaranteed: usize, max: usize },
    #[error("call_gas_max ({0}) is below the 21000 gas of a transfer")]
    CallGas(u64),
    #[error("the compiler {0} is no file")]
    NoCompiler(std::path::PathBuf),
    #[error("the secret of the Engine API in {path} cannot be read: {reason}")]
    JwtSecret { path: std::path::PathBuf, reason: String },
    #[error(
        "`finalized` trails the head by {finalized} blocks, `safe` by {safe}: nothing is final first"
    )]
    FinalBeforeSafe { safe: u64, finalized: u64 },
    #[error("a chain that makes its own blocks cannot follow a consensus client, too")]
    TwoDrivers,
    #[error("a feed needs a URL that begins with ws:// or wss://, got {0}")]
    FeedUrl(String),
    #[error("the sequencer's URL must begin with http:// or https://, got {0}")]
    ForwardUrl(String),
    #[error("a sequencer's stand-in has another key than its own, {0}")]
    OwnStandIn(Address),
    #[error("only a sequencer has a feed of its own")]
    FeedOfFollower,
    #[error("whose signature counts in feeds is neither given nor asked of L1")]
    NoFeedSigner,
    #[error("fill_budget_permille must be between 1 and 1000, got {0}")]
    FillBudget(u32),
}

/// Why a contract's sources were not accepted. The first two texts are Etherscan's: forge matches on
/// them.
#[derive(Debug, thiserror::Error)]
pub enum VerificationError {
    #[error("Unable to locate ContractCode at {0}")]
    NoCode(Address),
    #[error("Contract source code already verified")]
    AlreadyVerified,
    #[error("verification is off on this node: its operator configured no compiler")]
    Off,
    #[error("compiler {wanted} is not available here; there is {available}")]
    CompilerVersion { wanted: String, available: String },
    #[error("too many verifications are waiting; try again later")]
    QueueFull,
    #[error("{field}: {reason}")]
    Field { field: String, reason: String },
    #[error("sourceCode: over the limit of {limit} bytes")]
    InputTooLarge { limit: usize },
    #[error("the compiler took longer than {} s", .0.as_secs())]
    Timeout(std::time::Duration),
    #[error("the compiler's output is over the limit of {limit} bytes")]
    OutputTooLarge { limit: u64 },
    #[error("the compiler failed: {0}")]
    Compiler(String),
    #[error("the sources do not compile: {0}")]
    Sources(String),
    #[error("the sources have no contract {0}")]
    NoContract(String),
    #[error("several files have a contract {0}: name it as path:{0}")]
    Ambiguous(String),
    #[error("libraries are not linked: give their addresses in settings.libraries")]
    Unlinked,
    #[error("the compiled code differs from the code at the address")]
    CodeDiffers,
    #[error("the compiled creation code differs from the one that created the contract")]
    CreationDiffers,
    #[error("the constructor arguments differ; the contract was created with {0}")]
    ConstructorArguments(alloy_primitives::Bytes),
    /// For the operator only.
    #[error("internal error: {0}")]
    Internal(String),
}

impl From<StoreError> for VerificationError {
    fn from(error: StoreError) -> Self {
        Self::Internal(error.to_string())
    }
}

/// Why bytes are not a message of the feed, or not one to be believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FeedError {
    #[error("the message is of another version")]
    Version,
    #[error("messages of kind {0} are not known")]
    Kind(u8),
    #[error("the message is cut or has bytes too many")]
    Length,
    #[error("the message is too long: {0} bytes")]
    TooLong(usize),
    #[error("the signature is none")]
    Signature,
    #[error("the message is signed by {found}; the sequencer's key is {expected}")]
    OtherSigner { expected: Address, found: Address },
    #[error("the message is of chain {found}, not {expected}")]
    Chain { expected: u64, found: u64 },
    #[error("the payload is malformed: {0}")]
    Payload(alloy_rlp::Error),
    #[error("the payload is not what the message says of it")]
    Disagrees,
    #[error("the message cannot be signed: {0}")]
    Signer(String),
}

/// Why the feed cannot be published.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Message(#[from] FeedError),
}

/// Why a block of the feed is not taken.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    #[error("its time is {found}, not {expected}")]
    Timestamp { expected: u64, found: u64 },
    #[error("it does not say of which L1 block it is")]
    Origin(#[from] derive::AttributesError),
    #[error("it cannot be executed: {0}")]
    Execution(#[from] stf::BlockError),
    #[error("its execution gives {found}, it says {expected}")]
    Hash { expected: B256, found: B256 },
}

/// Why the sequencer does not start or stop as asked. The first three texts are op-node's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ControlError {
    #[error("sequencer already running")]
    Running,
    #[error("sequencer not running")]
    NotRunning,
    #[error("block hash does not match: head {head}, received {asked}")]
    OtherHead { head: B256, asked: B256 },
    #[error(
        "another sequencer is live in term {term}, heard {} ms ago: stop it first (admin_stopSequencer there)",
        .silent.as_millis()
    )]
    Live { term: u64, silent: std::time::Duration },
    #[error(
        "the sequencer of term {term} did not resign: if it does not any more, have the guardian name this node on L1 \
         (setUnsafeBlockSigner), and override (admin_overrideLeader)"
    )]
    NotResigned { term: u64 },
    #[error("the sequencer of term {term} resigned with block {}, the head is {}", .resigned.number, .head.number)]
    OtherLast { term: u64, resigned: BlockNumHash, head: BlockNumHash },
    #[error(
        "this sequencer resigned, and a stand-in may have begun: have that one resign, or override \
         (admin_overrideLeader)"
    )]
    Resigned,
    #[error(
        "not ready: L1 was not heard up to block {origin}, the origin of the head: see that this node reaches \
         L1, and start it again"
    )]
    NoOrigin { origin: u64 },
    #[error(
        "refused: this node does not know whom L1 names, so nothing tells whether the other sequencer has stopped: \
         have it resign (admin_stopSequencer there), or run this one with a feed key (--keystore) and without \
         --unsafe-block-signer"
    )]
    Unfenced,
    #[error(
        "L1's SystemConfig names {named}, this node signs with {own}: have the guardian name it \
         (setUnsafeBlockSigner), and start it again"
    )]
    NotNamed { named: Address, own: Address },
    #[error(
        "not ready: L1 was not heard far enough to know since when it names this node: start it again in a while"
    )]
    KeyUnknown,
    #[error(
        "not ready: the newest L1 block heard, {number}, is {} s old: see that this node reaches L1, and start it \
         again",
        .behind.as_secs()
    )]
    L1Old { number: u64, behind: std::time::Duration },
    #[error(
        "the sequencer of term {term} signs with {key}, too, or with a key that is not known, so L1 cannot stop it: \
         give this node a key of its own, start it, and have the guardian name that (setUnsafeBlockSigner)"
    )]
    SharedKey { key: Address, term: u64 },
    #[error(
        "L1 names this node since block {number}, and the sequencer before may not know it for another {} s: start \
         it again then",
        .left.as_secs().saturating_add(1)
    )]
    Wait { number: u64, left: std::time::Duration },
    #[error(
        "this sequencer resigned, and a stand-in may begin on its word for another {} s: start it again then",
        .left.as_secs().saturating_add(1)
    )]
    MayBeFollowed { left: std::time::Duration },
    #[error("the record of who sequences cannot be written: {0}")]
    Record(String),
    #[error(
        "the stand-in did not acknowledge block {0}, so nobody heard of it: wait until it has, or name another one or \
         none (admin_setStandIn), and stop it again"
    )]
    Unacknowledged(u64),
    #[error("{0} is this node's own key: a stand-in has another one")]
    OwnStandIn(Address),
    #[error("this node has no feed (--keystore), so nobody can stand by")]
    NoFeed,
    #[error("this node is no sequencer")]
    NoSequencer,
    #[error("the node is shutting down")]
    Stopping,
}

/// Why a transaction was not taken. The texts are geth's: viem, ethers and web3.py match on them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PoolError {
    #[error("already known")]
    AlreadyKnown,
    #[error("typed transaction too short")]
    TooShort,
    #[error("rlp: {0}")]
    Decode(alloy_rlp::Error),
    #[error("transaction type not supported")]
    TypeNotSupported,
    #[error("oversized data: transaction size {size}, limit {limit}")]
    Oversized { size: usize, limit: usize },
    #[error("max initcode size exceeded: code size {size}, limit {limit}")]
    InitCodeTooLarge { size: usize, limit: usize },
    #[error("exceeds block gas limit")]
    GasLimit,
    #[error("max priority fee per gas higher than max fee per gas")]
    TipAboveFeeCap,
    #[error("invalid sender")]
    InvalidSender,
    #[error("invalid sender: invalid chain id for signer: have {have} want {want}")]
    ChainId { have: u64, want: u64 },
    #[error("only replay-protected (EIP-155) transactions allowed over RPC")]
    NotReplayProtected,
    #[error("intrinsic gas too low: gas {gas}, minimum needed {needed}")]
    IntrinsicGas { gas: u64, needed: u64 },
    #[error("insufficient gas for floor data gas cost: gas {gas}, minimum needed {needed}")]
    FloorDataGas { gas: u64, needed: u64 },
    #[error("transaction underpriced: gas tip cap {tip}, minimum needed {needed}")]
    TipTooLow { tip: u128, needed: u128 },
    #[error("transaction underpriced")]
    Underpriced,
    #[error("replacement transaction underpriced")]
    ReplacementUnderpriced,
    #[error("nonce too low: next nonce {next}, tx nonce {nonce}")]
    NonceTooLow { next: u64, nonce: u64 },
    #[error("nonce has max value")]
    NonceMax,
    #[error(
        "insufficient funds for gas * price + value: balance {balance}, tx cost {cost}, overshot {}",
        cost.saturating_sub(*balance)
    )]
    InsufficientFunds { balance: U256, cost: U256 },
    #[error("sender not an eoa: address {0}")]
    SenderNotEoa(Address),
    #[error("set code tx must have at least one authorization tuple")]
    EmptyAuthorizationList,
    #[error("gapped-nonce tx from delegated accounts")]
    DelegatedGap,
    #[error("in-flight transaction limit reached for delegated accounts")]
    DelegatedInFlight,
    #[error("authority already reserved: {0} has other transactions in the pool")]
    AuthorityReserved(Address),
    #[error("account limit exceeded: {0} transactions of this sender are in the pool")]
    SenderSlots(usize),
    #[error("tx fee ({fee} wei) exceeds the configured cap ({cap} wei)")]
    FeeCap { fee: U256, cap: u128 },
    #[error("{0}")]
    Blobs(&'static str),
    #[error("state is unavailable: {0}")]
    State(String),
}

impl PoolError {
    /// A short, stable word for metrics.
    pub const fn label(&self) -> &'static str {
        match self {
            Self::AlreadyKnown => "already_known",
            Self::TooShort | Self::Decode(_) => "malformed",
            Self::TypeNotSupported => "type",
            Self::Oversized { .. } | Self::InitCodeTooLarge { .. } => "oversized",
            Self::GasLimit => "gas_limit",
            Self::TipAboveFeeCap | Self::TipTooLow { .. } | Self::Underpriced => "underpriced",
            Self::InvalidSender | Self::SenderNotEoa(_) => "sender",
            Self::ChainId { .. } | Self::NotReplayProtected => "chain_id",
            Self::IntrinsicGas { .. } | Self::FloorDataGas { .. } => "intrinsic_gas",
            Self::ReplacementUnderpriced => "replacement",
            Self::NonceTooLow { .. } | Self::NonceMax => "nonce",
            Self::InsufficientFunds { .. } | Self::FeeCap { .. } => "funds",
            Self::EmptyAuthorizationList
            | Self::DelegatedGap
            | Self::DelegatedInFlight
            | Self::AuthorityReserved(_) => "delegation",
            Self::SenderSlots(_) => "sender_slots",
            Self::Blobs(_) => "blobs",
            Self::State(_) => "state",
        }
    }
}

/// Why a node did not start or ended.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("the record of safe heads cannot be opened")]
    SafeHeads(#[source] io::Error),
    #[error("the record of who sequences cannot be read or written")]
    Lead(#[source] io::Error),
    #[error("the feed stopped")]
    Feed(#[from] PublishError),
    #[error("port {} on {} is taken: stop what uses it or choose another port", .0.port(), .0.ip())]
    PortTaken(SocketAddr),
    #[error("cannot listen on {address}")]
    Bind {
        address: SocketAddr,
        #[source]
        error: io::Error,
    },
    #[error("serving RPC on {address} failed")]
    Serve {
        address: SocketAddr,
        #[source]
        error: io::Error,
    },
    #[error(
        "the data directory holds the chain with genesis {found}, the configuration names {expected}"
    )]
    OtherChain { expected: B256, found: B256 },
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the sequencer stopped")]
    Sequencer(#[from] SequencerError),
    #[error("the verifier stopped")]
    Verifier(#[from] VerifierError),
    #[error("the chain's blocks could not be made")]
    Miner(#[from] MinerError),
    #[error("the {task} task panicked")]
    Panicked { task: &'static str },
}

/// Why a block could not be made, or the chain not changed as asked.
#[derive(Debug, thiserror::Error)]
pub enum MinerError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("a block could not be built")]
    Build(#[from] stf::BlockError),
    #[error("the pool could not follow the chain")]
    Pool(#[from] PoolError),
    #[error("the blobs in {path} cannot be {action}")]
    Blobs {
        path: std::path::PathBuf,
        action: &'static str,
        #[source]
        source: io::Error,
    },
    #[error(
        "a reorganisation of depth {depth} is not possible: the chain has {blocks} blocks above genesis"
    )]
    TooDeep { depth: u64, blocks: u64 },
    #[error("at most {max} blocks are mined at once, got {count}")]
    TooMany { count: u64, max: u64 },
    #[error("a block's time must be above its parent's, {parent}; got {timestamp}")]
    TimeBackwards { timestamp: u64, parent: u64 },
    #[error("transaction {index} of the reorganisation is for block {block} of {depth}")]
    NoSuchBlock { index: usize, block: u64, depth: u64 },
    #[error("the thread that makes blocks panicked")]
    Panicked,
}

/// Why an import stopped. The blocks before it are kept.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    #[error("the file cannot be read at byte {offset}")]
    Read {
        offset: u64,
        #[source]
        source: io::Error,
    },
    #[error("the file ends within the block at byte {offset}{}", after(*.previous))]
    Truncated { offset: u64, previous: Option<u64> },
    #[error("what stands at byte {offset}{} is no block in RLP", after(*.previous))]
    NotABlock { offset: u64, previous: Option<u64> },
    #[error("the block at byte {offset}{} would have {length} bytes, at most {max} are read",
        after(*.previous))]
    TooLong { offset: u64, previous: Option<u64>, length: u64, max: u64 },
    #[error("the block at byte {offset}{} is malformed: {error}", after(*.previous))]
    Malformed { offset: u64, previous: Option<u64>, error: alloy_rlp::Error },
    #[error("transaction {index} of block {number} has no valid signature")]
    Signature { number: u64, index: usize },
    #[error("block {found} comes where block {expected} should")]
    Gap { expected: u64, found: u64 },
    #[error("block {number} is {found} in the file, but {stored} in the chain")]
    OtherBlock { number: u64, stored: B256, found: B256 },
    #[error("block {number} is not valid")]
    Block {
        number: u64,
        #[source]
        source: stf::BlockError,
    },
    #[error("ommer {index} of block {number} {reason}")]
    Ommer { number: u64, index: usize, reason: &'static str },
    #[error("block {number} cannot be stored")]
    Store {
        number: u64,
        #[source]
        source: StoreError,
    },
    #[error("the thread that reads the file panicked")]
    ReaderPanicked,
}

fn after(previous: Option<u64>) -> String {
    previous.map_or_else(String::new, |number| format!(" (after block {number})"))
}

/// Why block building cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum SequencerError {
    #[error("the term cannot be ended")]
    Resign(#[source] ControlError),
    #[error("the term cannot be begun")]
    Begin(#[source] std::io::Error),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the reference of block {0} is missing from the store")]
    MissingReference(u64),
    #[error(transparent)]
    L1Gap(#[from] L1Gap),
    #[error("L1 events ended")]
    L1Closed,
    #[error("the head's L1 origin {expected:?} is not canonical on L1: block {found} is")]
    OriginReplaced { expected: BlockNumHash, found: B256 },
    #[error("L1 block {0:?}, with which this chain begins, is not on this L1")]
    GenesisReplaced(BlockNumHash),
    #[error(transparent)]
    NoRewind(#[from] NoRewind),
    #[error("blocks could not be taken away: {0}")]
    Unwind(#[from] UnwindError),
    #[error("a derived block could not be taken over: {0}")]
    Adopt(#[source] Box<VerifierError>),
    #[error("another sequencer's blocks could not be followed")]
    Follow(#[source] Box<VerifierError>),
    #[error(
        "the chain derived from L1 differs from the built one: derived {derived:?}, built {built:?}"
    )]
    SafeMismatch { built: BlockNumHash, derived: BlockNumHash },
    #[error(
        "the chain derived from L1 is ahead of the built one: derived {derived:?}, head {head:?}"
    )]
    SafeAhead { derived: BlockNumHash, head: BlockNumHash },
    #[error("payload attributes could not be made")]
    Attributes(#[from] derive::AttributesError),
    #[error("a block could not be built")]
    Build(#[from] stf::BlockError),
    #[error("state cannot be read: {0}")]
    State(String),
    #[error("block {number} would not be what was preconfirmed: {what} changed; nothing is sealed")]
    PromiseBroken { number: u64, what: &'static str },
    #[error(
        "the system clock says {clock}, {} s before the newest block ({head}): set the clock right and \
         start again",
        head.saturating_sub(*clock)
    )]
    ClockBehind { clock: u64, head: u64 },
    #[error("the thread of the sequencer could not be started")]
    Thread(#[source] io::Error),
    #[error("the thread that builds blocks panicked")]
    BuilderPanicked,
}

/// Why blocks could not be taken away.
#[derive(Debug, thiserror::Error)]
pub enum UnwindError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("state cannot be read: {0}")]
    State(String),
}

/// Why derivation cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum VerifierError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the reference of block {0} is missing from the store")]
    MissingReference(u64),
    #[error(transparent)]
    L1Gap(#[from] L1Gap),
    #[error("L1 events ended")]
    L1Closed,
    #[error("L1 block {0:?}, with which this chain begins, is not on this L1")]
    GenesisReplaced(BlockNumHash),
    #[error(transparent)]
    NoRewind(#[from] NoRewind),
    #[error("blocks could not be taken away: {0}")]
    Unwind(#[from] UnwindError),
    #[error("the record of safe heads: {0}")]
    SafeHeads(#[from] io::Error),
    #[error("the record of who sequences cannot be written")]
    Lead(#[source] io::Error),
    #[error("the system configuration could not be read from the head block")]
    SystemConfig(#[from] derive::AttributesError),
    #[error("derivation failed")]
    Derivation(#[from] derive::PipelineError),
    #[error("a derived block could not be executed, not even with deposits only")]
    Execution(#[from] stf::BlockError),
    #[error("the thread that executes blocks panicked")]
    ExecutorPanicked,
}
