//! Bindings of the L1 contracts, made from the committed artifacts.

use alloy_sol_types::sol;

sol!(
    #[sol(rpc)]
    #[allow(missing_docs, clippy::too_many_arguments)]
    Open,
    "../../contracts/artifacts/OPEN.json"
);
sol!(
    #[sol(rpc)]
    #[allow(missing_docs, clippy::too_many_arguments)]
    OptimismPortal,
    "../../contracts/artifacts/OptimismPortal.json"
);
sol!(
    #[sol(rpc)]
    #[allow(missing_docs, clippy::too_many_arguments)]
    SystemConfigContract,
    "../../contracts/artifacts/SystemConfig.json"
);
sol!(
    #[sol(rpc)]
    #[allow(missing_docs, clippy::too_many_arguments)]
    AnchorStateRegistry,
    "../../contracts/artifacts/AnchorStateRegistry.json"
);
sol!(
    #[sol(rpc)]
    #[allow(missing_docs, clippy::too_many_arguments)]
    DisputeGameFactory,
    "../../contracts/artifacts/DisputeGameFactory.json"
);
sol!(
    #[sol(rpc)]
    #[allow(missing_docs, clippy::too_many_arguments)]
    BondVault,
    "../../contracts/artifacts/BondVault.json"
);
sol!(
    #[sol(rpc)]
    #[allow(missing_docs, clippy::too_many_arguments)]
    ProofDisputeGame,
    "../../contracts/artifacts/ProofDisputeGame.json"
);
sol!(
    #[sol(rpc)]
    #[allow(missing_docs, clippy::too_many_arguments)]
    DevnetVerifier,
    "../../contracts/artifacts/DevnetVerifier.json"
);
sol!(
    #[sol(rpc)]
    #[allow(missing_docs, clippy::too_many_arguments)]
    AttestorVerifier,
    "../../contracts/artifacts/AttestorVerifier.json"
);
sol!(
    #[sol(rpc)]
    #[allow(missing_docs, clippy::too_many_arguments)]
    RollupTimelock,
    "../../contracts/artifacts/RollupTimelock.json"
);
sol!(
    #[sol(rpc)]
    #[allow(missing_docs, clippy::too_many_arguments)]
    L1CrossDomainMessenger,
    "../../contracts/artifacts/L1CrossDomainMessenger.json"
);
sol!(
    #[sol(rpc)]
    #[allow(missing_docs, clippy::too_many_arguments)]
    L1StandardBridge,
    "../../contracts/artifacts/L1StandardBridge.json"
);
sol!(
    #[sol(rpc)]
    #[allow(missing_docs, clippy::too_many_arguments)]
    OptimismMintableERC20Factory,
    "../../contracts/artifacts/OptimismMintableERC20Factory.json"
);
