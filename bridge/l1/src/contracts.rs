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
