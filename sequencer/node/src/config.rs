//! Checked configuration of a node. Raw flags become these structs before any task starts; each
//! `validate` refuses a value with which the part could not work.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use alloy_primitives::Address;
use alloy_signer_local::PrivateKeySigner;
use primitives::RollupConfig;
use stf::ChainSpec;
use tokio::sync::watch;

use crate::{error::ConfigError, ethereum::miner::FEE_RECIPIENT, fence::NamedKey, jwt::JwtSecret};

/// Everything [`crate::Node::start`] needs beside the store and the channels.
#[derive(Clone, Debug)]
pub struct NodeConfig {
    pub mode: Mode,
    pub pool: PoolConfig,
    pub rpc: RpcConfig,
    pub verification: VerificationConfig,
    /// Full blocks kept decoded in memory for reads of the newest part of the chain.
    pub recent_blocks: usize,
    /// Whether the pool is kept across restarts, in a file beside the store.
    pub journal_pool: bool,
    /// Where operators of a rollup's node reach it; in Ethereum mode they use the Engine API's port.
    pub admin: Option<AuthConfig>,
    /// Where a sequencer tells what it does.
    pub feed: Option<FeedConfig>,
    /// Whose feeds a follower, or a sequencer that does not sequence, listens to.
    pub follow: Option<FollowConfig>,
    /// JSON-RPC of the sequencer, to which a follower hands transactions.
    pub forward: Option<String>,
    /// Whose signature counts in feeds as L1 was asked, now and then; what L1's blocks say since then counts, too. With
    /// it a sequencer that has a feed publishes only while L1 names its key.
    pub named_key: Option<watch::Receiver<NamedKey>>,
}

/// A feed of one's own.
#[derive(Clone, Debug)]
pub struct FeedConfig {
    /// Port 0 lets the system choose.
    pub listen: SocketAddr,
    /// Signs every message: `SystemConfig.unsafeBlockSigner` on L1.
    pub signer: PrivateKeySigner,
    /// The stand-in, by its own feed's key, that must have each block on its disk before anybody else hears of it.
    pub stand_in: Option<Address>,
    /// Between two parts of the open block.
    pub partial_interval: Duration,
    /// Between two signs of life.
    pub alive_interval: Duration,
    /// Blocks below the head that listeners may begin with.
    pub history_max: u64,
    /// Messages that a listener may be behind before it is dropped.
    pub messages_max: usize,
    /// The same in bytes, all messages together.
    pub bytes_max: usize,
    pub listeners_max: usize,
    /// A listener that does not read a message for so long is dropped.
    pub write_timeout: Duration,
}

impl FeedConfig {
    pub const fn new(listen: SocketAddr, signer: PrivateKeySigner) -> Self {
        Self {
            listen,
            signer,
            stand_in: None,
            partial_interval: Duration::from_millis(100),
            alive_interval: Duration::from_secs(2),
            history_max: 86_400,
            messages_max: 1_024,
            bytes_max: 64 << 20,
            listeners_max: 128,
            write_timeout: Duration::from_secs(10),
        }
    }
}

/// Feeds to listen to.
#[derive(Clone, Debug)]
pub struct FollowConfig {
    /// WebSocket URLs; one at a time is listened to.
    pub urls: Vec<String>,
    /// Whose signature counts; that of whom L1 names ([`NodeConfig::named_key`]) unless given.
    pub signer: Option<Address>,
}

impl FollowConfig {
    /// Whether a feed can be at this URL: WebSocket, with TLS (the system's roots) or without.
    pub fn is_feed(url: &str) -> bool {
        url.starts_with("ws://") || url.starts_with("wss://")
    }

    /// Follows what one key signs, for ever.
    pub const fn of(urls: Vec<String>, signer: Address) -> Self {
        Self { urls, signer: Some(signer) }
    }
}

/// Which kind of chain a node runs.
#[derive(Clone, Debug)]
pub enum Mode {
    Rollup {
        rollup: RollupConfig,
        role: Role,
    },
    /// Plain Ethereum, by the rules of a genesis file. The chain is what the store has, and grows as a
    /// consensus client says or by its own blocks.
    Ethereum {
        spec: ChainSpec,
        /// How a consensus client reaches the node.
        engine: Option<AuthConfig>,
        /// How the node makes blocks itself. Without it and without a consensus client the chain does not
        /// grow.
        miner: Option<MinerConfig>,
    },
}

impl Mode {
    pub const fn chain_id(&self) -> u64 {
        match self {
            Self::Rollup { rollup, .. } => rollup.l2_chain_id,
            Self::Ethereum { spec, .. } => spec.chain_id,
        }
    }
}

/// A port whose callers show a token.
#[derive(Clone, Debug)]
pub struct AuthConfig {
    /// Port 0 lets the system choose.
    pub listen: SocketAddr,
    pub secret: JwtSecret,
    /// Bytes of one HTTP body.
    pub body_bytes_max: usize,
}

impl AuthConfig {
    pub const fn new(listen: SocketAddr, secret: JwtSecret) -> Self {
        // geth's limit; a block of 8 MiB is twice as long in JSON.
        Self { listen, secret, body_bytes_max: 128 << 20 }
    }
}

/// A chain that makes its own blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MinerConfig {
    /// Between two blocks; `None`: only when asked.
    pub interval: Option<Duration>,
    /// Blocks that `safe` trails the head by.
    pub safe_lag: u64,
    /// Blocks that `finalized` trails the head by; not less than `safe`.
    pub finalized_lag: u64,
    /// How long blobs are kept.
    pub blob_retention: Duration,
    /// Who gets the tips.
    pub fee_recipient: Address,
}

impl Default for MinerConfig {
    fn default() -> Self {
        Self {
            interval: Some(Duration::from_secs(2)),
            safe_lag: 1,
            finalized_lag: 2,
            // 4,096 epochs of 32 slots (EIP-4844's MIN_EPOCHS_FOR_BLOB_SIDECARS_REQUESTS); a slot is a second.
            blob_retention: Duration::from_secs(4_096 * 32),
            fee_recipient: FEE_RECIPIENT,
        }
    }
}

impl MinerConfig {
    /// Refuses what is final before it is safe, and blobs that are gone at once.
    pub fn validate(&self) -> Result<(), ConfigError> {
        if self.finalized_lag < self.safe_lag {
            let (safe, finalized) = (self.safe_lag, self.finalized_lag);
            return Err(ConfigError::FinalBeforeSafe { safe, finalized });
        }
        if self.blob_retention.as_secs() == 0 {
            return Err(ConfigError::Zero("blob_retention"));
        }
        Ok(())
    }
}

/// What drives the chain of a rollup's node.
#[derive(Clone, Debug)]
pub enum Role {
    /// Builds blocks from the pool and L1.
    Sequencer(SequencerConfig),
    /// Follows L1 only: derives, executes and compares.
    Verifier,
}

/// How the sequencer builds.
#[derive(Clone, Debug)]
pub struct SequencerConfig {
    /// L1 blocks that must lie on top of an L1 block before it may become an origin. 0 follows the
    /// L1 tip; on an L1 that reorganises, a few blocks keep the unsafe chain from being replaced.
    pub l1_confirmations: u64,
    /// Share of a slot (1/1000) that may be spent on executing pool transactions.
    pub fill_budget_permille: u32,
    /// Largest sum of estimated compressed transaction sizes in one block, bytes. Keeps a block
    /// within what the batcher can post.
    pub block_da_bytes_max: u64,
    /// Whether a new node waits to be started (`admin_startSequencer`). One that has run goes on as it
    /// was.
    pub stopped: bool,
    /// By how much the clocks of two sequencers may differ: whoever begins in the stead of another waits for so
    /// long beyond its lease.
    pub clock_skew_max: Duration,
    /// For how long after it parted a branch may grow that L1 leaves: so deep must a naming lie.
    pub l1_branch_max: Duration,
}

impl Default for SequencerConfig {
    fn default() -> Self {
        Self {
            l1_confirmations: 0,
            fill_budget_permille: 700,
            block_da_bytes_max: 4 << 20,
            stopped: false,
            clock_skew_max: Duration::from_secs(15),
            l1_branch_max: Duration::from_secs(120),
        }
    }
}

impl SequencerConfig {
    /// Refuses a budget outside (0, 1000] and a block that could hold no transaction.
    pub fn validate(&self) -> Result<(), ConfigError> {
        if self.fill_budget_permille == 0 || self.fill_budget_permille > 1_000 {
            return Err(ConfigError::FillBudget(self.fill_budget_permille));
        }
        if self.block_da_bytes_max == 0 {
            return Err(ConfigError::Zero("block_da_bytes_max"));
        }
        Ok(())
    }
}

/// Limits of the transaction pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolConfig {
    /// Transactions in the pool, pending and queued together.
    pub transactions_max: usize,
    /// Memory the pool's transactions may take, bytes.
    pub bytes_max: usize,
    /// Slots each sender keeps when the pool is full (geth's `accountslots`). Transactions beyond
    /// them are the first executable ones to be evicted.
    pub sender_slots_guaranteed: usize,
    /// Slots a sender can take while there is room. A `forge script --broadcast` sends all its
    /// transactions at once, so this is far above the guaranteed 16.
    pub sender_slots_max: usize,
    /// Percent by which both fees must exceed those of the transaction that is replaced.
    pub replacement_bump_percent: u32,
    /// Wei per gas; smaller tips are refused (geth's `pricelimit`).
    pub tip_min: u128,
    /// Bytes of one encoded transaction (geth's `txMaxSize`).
    pub transaction_bytes_max: usize,
    /// How long a transaction that cannot be executed stays.
    pub queued_lifetime: Duration,
}

impl Default for PoolConfig {
    fn default() -> Self {
        Self {
            transactions_max: 20_000,
            bytes_max: 40 << 20,
            sender_slots_guaranteed: 16,
            sender_slots_max: 1_024,
            replacement_bump_percent: 10,
            tip_min: 1,
            transaction_bytes_max: 128 * 1024,
            queued_lifetime: Duration::from_secs(3 * 3_600),
        }
    }
}

impl PoolConfig {
    /// Refuses a pool that could hold nothing.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let positive = [
            ("pool transactions_max", self.transactions_max),
            ("pool bytes_max", self.bytes_max),
            ("pool sender_slots_guaranteed", self.sender_slots_guaranteed),
            ("pool transaction_bytes_max", self.transaction_bytes_max),
        ];
        for (name, value) in positive {
            if value == 0 {
                return Err(ConfigError::Zero(name));
            }
        }
        if self.sender_slots_max < self.sender_slots_guaranteed {
            return Err(ConfigError::SenderSlots {
                guaranteed: self.sender_slots_guaranteed,
                max: self.sender_slots_max,
            });
        }
        Ok(())
    }
}

/// Limits of the JSON-RPC server. Defaults follow geth and reth.
#[derive(Clone, Debug)]
pub struct RpcConfig {
    /// Where HTTP and WebSocket listen; port 0 lets the system choose.
    pub listen: SocketAddr,
    /// Bytes of one HTTP body or WebSocket message.
    pub body_bytes_max: usize,
    /// Bytes of one answer; a batch that grows beyond it is cut with an error per remaining call.
    pub response_bytes_max: usize,
    /// Calls in one batch.
    pub batch_max: usize,
    /// Open TCP connections, HTTP and WebSocket together.
    pub connections_max: usize,
    /// Open TCP connections of one IP address; more are closed at once.
    pub peer_connections_max: usize,
    /// A connection that sends nothing for so long after it was opened is closed. Clients open some ahead of
    /// need, and take it for a failure of the node if theirs closes as they first use it: as long as geth's.
    pub first_byte_max: Duration,
    /// A connection without any traffic for so long is closed.
    pub idle_max: Duration,
    /// A peer that reads nothing of what is sent to it for so long is closed.
    pub write_timeout: Duration,
    /// HTTP requests in progress.
    pub requests_max: usize,
    /// Calls that execute or scan (eth_call, eth_getLogs, …) in progress; the rest wait.
    pub blocking_calls_max: usize,
    /// Seconds after which an HTTP request is given up.
    pub request_timeout: Duration,
    /// Time of one call that executes or scans; beyond it the call ends with an error.
    pub call_time_max: Duration,
    /// Gas of one simulated call.
    pub call_gas_max: u64,
    /// Blocks one `eth_getLogs` may look through without the index: with a filter that names
    /// neither an address nor a topic. Other filters may span any number of blocks.
    pub log_blocks_max: u64,
    /// Logs one `eth_getLogs` may return.
    pub logs_max: usize,
    /// Installed filters; the oldest unused is dropped for a new one.
    pub filters_max: usize,
    /// A filter that is not polled for so long is removed.
    pub filter_lifetime: Duration,
    /// Subscriptions of one WebSocket connection.
    pub subscriptions_max: usize,
    /// Messages waiting for a WebSocket client; a client that falls further behind is closed.
    pub websocket_buffer: usize,
    /// Bytes of messages waiting for a WebSocket client. Answers wait for room, events beyond it
    /// close the connection.
    pub websocket_buffer_bytes: usize,
    /// Longest wait of `eth_sendRawTransactionSync`.
    pub sync_wait_max: Duration,
    /// Wei; a transaction whose execution fee could exceed it is refused (geth's
    /// `rpc.txfeecap`). `None` accepts any.
    pub fee_cap: Option<u128>,
    /// Wei per gas; the least tip that `eth_maxPriorityFeePerGas` suggests.
    pub suggested_tip_min: u128,
}

impl Default for RpcConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            body_bytes_max: 5 << 20,
            response_bytes_max: 64 << 20,
            batch_max: 1_000,
            connections_max: 1_024,
            peer_connections_max: 512,
            first_byte_max: Duration::from_secs(30),
            idle_max: Duration::from_secs(120),
            write_timeout: Duration::from_secs(30),
            requests_max: 512,
            blocking_calls_max: 8,
            request_timeout: Duration::from_secs(60),
            call_time_max: Duration::from_secs(5),
            call_gas_max: 50_000_000,
            log_blocks_max: 100_000,
            logs_max: 20_000,
            filters_max: 4_096,
            filter_lifetime: Duration::from_secs(300),
            subscriptions_max: 256,
            websocket_buffer: 4_096,
            websocket_buffer_bytes: 16 << 20,
            sync_wait_max: Duration::from_secs(30),
            fee_cap: None,
            suggested_tip_min: 1_000_000,
        }
    }
}

impl RpcConfig {
    /// Refuses a server that could answer nothing.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let positive = [
            ("rpc body_bytes_max", self.body_bytes_max),
            ("rpc response_bytes_max", self.response_bytes_max),
            ("rpc batch_max", self.batch_max),
            ("rpc connections_max", self.connections_max),
            ("rpc requests_max", self.requests_max),
            ("rpc blocking_calls_max", self.blocking_calls_max),
            ("rpc filters_max", self.filters_max),
            ("rpc websocket_buffer", self.websocket_buffer),
            ("rpc websocket_buffer_bytes", self.websocket_buffer_bytes),
            ("rpc peer_connections_max", self.peer_connections_max),
        ];
        for (name, value) in positive {
            if value == 0 {
                return Err(ConfigError::Zero(name));
            }
        }
        if self.call_gas_max < 21_000 {
            return Err(ConfigError::CallGas(self.call_gas_max));
        }
        Ok(())
    }
}

/// Verification of contracts' sources. Off without a compiler: then it only answers from what was
/// verified before.
#[derive(Clone, Debug)]
pub struct VerificationConfig {
    /// Compilers that take standard JSON as `solc --standard-json` does; one for each version.
    pub compilers: Vec<PathBuf>,
    /// Bytes of one submission's sources.
    pub input_bytes_max: usize,
    /// Bytes of a compiler's output.
    pub output_bytes_max: usize,
    /// How long one compilation may take.
    pub compile_time_max: Duration,
    /// Submissions that wait; more are refused.
    pub queue_max: usize,
    /// Outcomes that are kept for those who ask.
    pub results_max: usize,
}

impl Default for VerificationConfig {
    fn default() -> Self {
        Self {
            compilers: Vec::new(),
            input_bytes_max: 2 << 20,
            output_bytes_max: 16 << 20,
            compile_time_max: Duration::from_secs(60),
            queue_max: 16,
            results_max: 1_024,
        }
    }
}

impl VerificationConfig {
    /// Refuses a compiler that is not there, and limits within which nothing could be verified.
    pub fn validate(&self) -> Result<(), ConfigError> {
        if let Some(missing) = self.compilers.iter().find(|path| !path.is_file()) {
            return Err(ConfigError::NoCompiler(missing.clone()));
        }
        let positive = [
            ("verification input_bytes_max", self.input_bytes_max),
            ("verification output_bytes_max", self.output_bytes_max),
            ("verification queue_max", self.queue_max),
            ("verification results_max", self.results_max),
        ];
        for (name, value) in positive {
            if value == 0 {
                return Err(ConfigError::Zero(name));
            }
        }
        Ok(())
    }
}

impl NodeConfig {
    /// A rollup's node of the given role with default limits.
    pub fn new(rollup: RollupConfig, role: Role) -> Self {
        Self::with_mode(Mode::Rollup { rollup, role })
    }

    /// A node of an Ethereum chain with default limits.
    pub fn ethereum(spec: ChainSpec) -> Self {
        Self::with_mode(Mode::Ethereum { spec, engine: None, miner: None })
    }

    /// A node of an Ethereum chain that makes its own blocks, with default limits.
    pub fn mining(spec: ChainSpec, miner: MinerConfig) -> Self {
        Self::with_mode(Mode::Ethereum { spec, engine: None, miner: Some(miner) })
    }

    fn with_mode(mode: Mode) -> Self {
        Self {
            mode,
            pool: PoolConfig::default(),
            rpc: RpcConfig::default(),
            verification: VerificationConfig::default(),
            recent_blocks: 128,
            journal_pool: true,
            admin: None,
            feed: None,
            follow: None,
            forward: None,
            named_key: None,
        }
    }

    /// Checks every part.
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.pool.validate()?;
        self.rpc.validate()?;
        self.verification.validate()?;
        if let Some(follow) = &self.follow {
            if follow.urls.is_empty() {
                return Err(ConfigError::Zero("feeds to follow"));
            }
            if let Some(url) = follow.urls.iter().find(|url| !FollowConfig::is_feed(url)) {
                return Err(ConfigError::FeedUrl(url.clone()));
            }
            if follow.signer.is_none() && self.named_key.is_none() {
                return Err(ConfigError::NoFeedSigner);
            }
        }
        if let Some(url) = &self.forward
            && !(url.starts_with("http://") || url.starts_with("https://"))
        {
            return Err(ConfigError::ForwardUrl(url.clone()));
        }
        let sequences = matches!(self.mode, Mode::Rollup { role: Role::Sequencer(_), .. });
        if let Some(FeedConfig { signer, stand_in: Some(stand_in), .. }) = &self.feed
            && signer.address() == *stand_in
        {
            return Err(ConfigError::OwnStandIn(*stand_in));
        }
        if self.feed.is_some() && !sequences {
            return Err(ConfigError::FeedOfFollower);
        }
        match &self.mode {
            Mode::Rollup { rollup, role } => {
                rollup.validate()?;
                if let Role::Sequencer(sequencer) = role {
                    sequencer.validate()?;
                }
            }
            Mode::Ethereum { engine: Some(_), miner: Some(_), .. } => {
                return Err(ConfigError::TwoDrivers);
            }
            Mode::Ethereum { miner, .. } => {
                if let Some(miner) = miner {
                    miner.validate()?;
                }
            }
        }
        Ok(())
    }
}
