//! A network without anybody in it: the API's server asks for one.

use std::{net::Ipv4Addr, sync::Arc};

use anyhow::{Result, anyhow};
use ethrex_blockchain::Blockchain;
use ethrex_common::{H256, H512};
use ethrex_p2p::{
    network::P2PContext,
    peer_handler::PeerHandler,
    peer_table::{PeerTableServer, TARGET_PEERS},
    rlpx::initiator::RLPxInitiator,
    sync::SyncMode,
    sync_manager::SyncManager,
    types::{NetworkConfig, Node, NodeRecord},
};
use ethrex_storage::Store;
use secp256k1::{PublicKey, SECP256K1, SecretKey};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Milliseconds between two broadcasts of transactions, as in ethrex's own binary.
const BROADCAST_MS: u64 = 1_000;
/// Milliseconds between two searches for peers.
const LOOKUP_MS: f64 = 60_000.0;

pub struct Network {
    pub node: Node,
    pub record: NodeRecord,
    pub peers: PeerHandler,
    pub syncer: SyncManager,
}

impl Network {
    pub async fn new(
        storage: &Store,
        blockchain: &Arc<Blockchain>,
        cancel: CancellationToken,
    ) -> Result<Self> {
        let signer = SecretKey::from_byte_array(&[0xcd; 32])?;
        let public = PublicKey::from_secret_key(SECP256K1, &signer).serialize_uncompressed();
        let node = Node::new(Ipv4Addr::LOCALHOST.into(), 0, 0, H512::from_slice(&public[1..]));
        let record =
            NodeRecord::from_node(&node, 1, &signer).map_err(|error| anyhow!("{error:?}"))?;
        let table = PeerTableServer::spawn(H256::repeat_byte(1), TARGET_PEERS, storage.clone());
        let context = P2PContext::new(
            node.clone(),
            NetworkConfig::from_node(&node),
            TaskTracker::default(),
            signer,
            table.clone(),
            storage.clone(),
            blockchain.clone(),
            String::new(),
            None,
            BROADCAST_MS,
            LOOKUP_MS,
        )
        .map_err(|error| anyhow!("{error:?}"))?;
        let peers = PeerHandler::new(table, RLPxInitiator::spawn_on_thread(context));
        let syncer = SyncManager::new(
            peers.clone(),
            &SyncMode::Full,
            cancel,
            blockchain.clone(),
            storage.clone(),
            ".".into(),
        )
        .await;
        Ok(Self { node, record, peers, syncer })
    }
}
