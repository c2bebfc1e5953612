//! The L1 of a development chain: embedded in this process, an anvil beside it, or somebody else's.

mod anvil;
mod embedded;

use std::{net::TcpListener, ops::Range};

use anyhow::{Context, Result, bail, ensure};
use url::Url;

use super::{
    args::{Args, CHAIN_IDS, ClaimedPorts, L1Kind},
    loopback,
    manifest::{DataDir, L1_CHAIN, L1_STATE, Manifest},
};
use anvil::{Anvil, AnvilConfig};
use embedded::Embedded;

/// Where free ports are looked for, and how often.
const PORTS_CHOSEN: Range<u16> = 10_000..32_000;
const PORTS_TRIED: usize = 1_000;

/// A running L1.
pub struct L1 {
    pub url: Url,
    process: Process,
}

enum Process {
    Embedded(Box<Embedded>),
    Anvil(Anvil),
    /// Not ours.
    Foreign,
}

/// Which L1 a chain lives on, decided before anything is started.
#[derive(Clone, Debug)]
pub enum Choice {
    Own(L1Kind),
    Foreign(Url),
}

impl Choice {
    /// What the flags ask for, if the kept chain lives there, and if it can run.
    pub fn new(args: &Args, stored: Option<&Manifest>) -> Result<Self> {
        if let Some(url) = &args.l1_url {
            if stored.is_some_and(|manifest| manifest.l1_url.is_none()) {
                bail!("this data directory has an L1 of its own; start without --l1-url");
            }
            let url = url.parse().with_context(|| format!("--l1-url {url} is not a URL"))?;
            return Ok(Self::Foreign(url));
        }
        if let Some(url) = stored.and_then(|manifest| manifest.l1_url.as_ref()) {
            bail!("the chain in this data directory lives on the L1 at {url}; start with --l1-url");
        }
        let kind = match (args.l1, stored.map(|manifest| manifest.l1)) {
            (Some(asked), Some(kept)) if asked != kept => bail!(
                "the chain in this data directory lives on its {kept} L1; start without --l1 {asked}"
            ),
            (_, Some(kept)) => kept,
            (asked, None) => asked.unwrap_or(L1Kind::Embedded),
        };
        match kind {
            L1Kind::Anvil => {
                anvil::find_anvil()?;
            }
            L1Kind::Embedded => ensure!(
                args.l1_finalized_lag >= args.l1_safe_lag,
                "L1 blocks are safe before they are finalized: --l1-finalized-lag must be at least \
                 --l1-safe-lag"
            ),
        }
        Ok(Self::Own(kind))
    }

    /// What a new chain's manifest says of it.
    pub const fn kind(&self) -> L1Kind {
        match self {
            Self::Own(kind) => *kind,
            Self::Foreign(_) => L1Kind::Embedded,
        }
    }
}

impl L1 {
    /// Starts the L1, or goes on with the one in the directory.
    pub async fn start(
        choice: Choice,
        args: &Args,
        data: &DataDir,
        stored: Option<&Manifest>,
        ports: ClaimedPorts,
    ) -> Result<Self> {
        let kind = match choice {
            Choice::Foreign(url) => return Ok(Self { url, process: Process::Foreign }),
            Choice::Own(kind) => kind,
        };
        if stored.is_none() {
            data.clear_unfinished()?;
        }
        let block_time = stored.map_or(args.l1_block_time, |manifest| manifest.l1_block_time);
        let (url, process) = match kind {
            L1Kind::Embedded => {
                let config = embedded::Config {
                    directory: data.join(L1_CHAIN),
                    listen: loopback(ports.l1),
                    chain_id: CHAIN_IDS.0,
                    block_time,
                    safe_lag: args.l1_safe_lag,
                    finalized_lag: args.l1_finalized_lag,
                };
                let embedded = Embedded::start(&config, stored.is_some()).await?;
                (embedded.url(), Process::Embedded(Box::new(embedded)))
            }
            L1Kind::Anvil => {
                let anvil = Anvil::start(&AnvilConfig {
                    port: ports.l1,
                    chain_id: CHAIN_IDS.0,
                    block_time,
                    state: data.join(L1_STATE),
                    log: data.join("l1.log"),
                })
                .await?;
                (anvil.url.clone(), Process::Anvil(anvil))
            }
        };
        Ok(Self { url: url.parse().context("the L1 URL is not a URL")?, process })
    }

    /// Where blobs are served in the beacon API's shape; of an L1 that is not ours nobody said so. anvil
    /// serves them beside its JSON-RPC, as the embedded L1 does.
    pub fn beacon(&self) -> Option<String> {
        match self.process {
            Process::Embedded(_) | Process::Anvil(_) => {
                Some(self.url.to_string().trim_end_matches('/').to_owned())
            }
            Process::Foreign => None,
        }
    }

    /// Resolves when the L1 ends by itself, which stops the chain.
    pub async fn wait(&mut self) -> Result<()> {
        match &mut self.process {
            Process::Embedded(embedded) => embedded.wait().await,
            Process::Anvil(anvil) => anvil.wait().await,
            Process::Foreign => std::future::pending().await,
        }
    }

    /// Ends it with everything on disk.
    pub async fn stop(self) {
        match self.process {
            Process::Embedded(embedded) => embedded.stop().await,
            Process::Anvil(anvil) => anvil.stop().await,
            Process::Foreign => {}
        }
    }
}

/// Refuses a taken port before anything is started; port 0 asks for one that is free and not among `claimed`.
pub fn claim_port(port: u16, what: &str, flag: &str, claimed: &[u16]) -> Result<u16> {
    if port == 0 {
        return free_port(claimed);
    }
    TcpListener::bind(("127.0.0.1", port)).with_context(|| {
        format!("port {port} for {what} is taken; stop what uses it or choose another with {flag}")
    })?;
    Ok(port)
}

/// A port that is free now. It lies below those that the system gives to outgoing connections, any of which could
/// have it by the time its service listens.
fn free_port(claimed: &[u16]) -> Result<u16> {
    let is_free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
    (0..PORTS_TRIED)
        .map(|_| rand::random_range(PORTS_CHOSEN))
        .find(|port| !claimed.contains(port) && is_free(*port))
        .with_context(|| format!("none of {PORTS_TRIED} ports of {PORTS_CHOSEN:?} is free"))
}
