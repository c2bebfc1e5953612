//! Re-entrancy with a contract of the attacker's: whoever is paid calls again before the payment is over.

use alloy_network::TransactionBuilder;
use alloy_primitives::{Address, Bytes, I256, U256};
use alloy_provider::Provider;
use alloy_rpc_types_eth::TransactionRequest;
use alloy_sol_types::SolCall;
use anyhow::{Context, Result, ensure};
use service::chain::bindings::escrow::IInferenceEscrow::withdrawCall;

use super::{
    Arena, Line, Person, claim_request,
    crowd::{mined, send_all},
};

/// What the attacker's contract has in the escrow and may claim, wei: 0.1 OPEN each.
pub(super) const PRIZE: u128 = 100_000_000_000_000_000;
/// Where it counts the calls of its own that failed and that succeeded.
const FAILED: U256 = U256::from_limbs([1, 0, 0, 0]);
const SUCCEEDED: U256 = U256::from_limbs([2, 0, 0, 0]);

/// Code that makes one call to `target`, whoever calls it and with whatever, and counts how it ended: a transaction
/// starts it, and the payment that follows starts it again within itself.
fn robber(target: Address, call: &[u8]) -> Result<Bytes> {
    let length = u16::try_from(call.len()).context("the call is too long")?.to_be_bytes();
    let body = |offset: u16| {
        let offset = offset.to_be_bytes();
        let mut code = Vec::new();
        // codecopy(0, offset, length)
        code.extend([0x61, length[0], length[1], 0x61, offset[0], offset[1], 0x5f, 0x39]);
        // call(gas(), target, 0, 0, length, 0, 0)
        code.extend([0x5f, 0x5f, 0x61, length[0], length[1], 0x5f, 0x5f, 0x73]);
        code.extend(target.as_slice());
        code.extend([0x5a, 0xf1]);
        // sstore(1 + success, 1 + sload(1 + success)); stop()
        code.extend([0x60, 0x01, 0x01, 0x80, 0x54, 0x60, 0x01, 0x01, 0x90, 0x55, 0x00]);
        code
    };
    let size = u16::try_from(body(0).len())?;
    let runtime = [body(size), call.to_vec()].concat();
    let whole = u16::try_from(runtime.len())?.to_be_bytes();
    // codecopy(0, 10, size); return(0, size): the runtime follows these ten bytes
    let start = vec![0x61, whole[0], whole[1], 0x80, 0x60, 10, 0x5f, 0x39, 0x5f, 0xf3];
    Ok([start, runtime].concat().into())
}

/// The contracts that `robber` deploys: one claims again while it is paid a claim, one withdraws again from the escrow.
pub(super) fn contracts_of(robber: &Person) -> [Address; 2] {
    [0, 1].map(|nonce| robber.address().create(nonce))
}

impl Arena {
    /// The claim of the first contract is in the tree in force.
    pub(super) async fn reenter(&self, thief: &Person) -> Result<Line> {
        let [claimant, customer] = contracts_of(thief);
        let claim = claim_request(thief, &self.claims, self.datanet, claimant)?;
        let claim = claim.input.input().context("a claim without data")?.clone();
        let withdraw = withdrawCall { to: customer, amount: U256::from(PRIZE) }.abi_encode();
        let (settlement, escrow) = (*thief.l2.settlement().address(), *thief.l2.escrow().address());
        let before = thief.balance().await?;
        let deposit = thief.l2.escrow();
        let deposit = deposit.deposit(customer).value(U256::from(PRIZE));
        let deploy = |code| TransactionRequest::default().with_deploy_code(code);
        let deployments = vec![
            deploy(robber(settlement, &claim)?),
            deploy(robber(escrow, &withdraw)?),
            deposit.into_transaction_request(),
        ];
        send_all(vec![(thief, deployments)]).await?;
        // Others have money in both, which is what such a contract is after.
        let held = [self.held(settlement).await?, self.held(escrow).await?];
        ensure!(held.iter().all(|held| *held > U256::from(2 * PRIZE)), "nothing to rob: {held:?}");
        let (mut once, mut taken, mut gas) = (true, U256::ZERO, 0_u64);
        for contract in [claimant, customer] {
            // With gas of its own choice: an estimate would stop where the outer call still fails.
            let start = TransactionRequest::default().with_to(contract);
            let receipt = mined(thief, start).await?;
            once &= receipt.status();
            gas = gas.max(receipt.gas_used);
            let provider = thief.l2.provider();
            let failed = provider.get_storage_at(contract, FAILED).await?;
            let succeeded = provider.get_storage_at(contract, SUCCEEDED).await?;
            once &= failed == U256::ONE && succeeded == U256::ONE;
            taken = taken.saturating_add(self.held(contract).await?);
        }
        // What the contracts have is the thief's; it had put one prize into the escrow, and earned the other.
        let gain = thief.balance().await?.saturating_sub(before);
        let gain = gain.saturating_add(I256::try_from(taken)?).saturating_sub(prize()?);
        Ok(Line {
            attack: "re-entrancy: contracts that claim and withdraw again while they are paid"
                .into(),
            goal: "paid once, the call within refused",
            holds: once && taken == U256::from(2 * PRIZE) && gain < I256::ZERO,
            measured: "each was paid once; its call from within was refused".into(),
            gas: Some(gas),
            gain: Some(gain),
        })
    }

    async fn held(&self, account: Address) -> Result<U256> {
        Ok(self.alice.l2.provider().get_balance(account).await?)
    }
}

fn prize() -> Result<I256> {
    Ok(I256::try_from(PRIZE)?)
}
