//! A lying engine: it posts an epoch that hands everybody's earnings to itself, signed by as many engines
//! as the settlement asks for, with a bond and money of its own. An ordinary user who recomputes every
//! epoch proves it false before its window closes.

use std::{
    fs,
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use alloy_primitives::{Address, Bytes, I256, U256};
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use anyhow::{Context, Result, bail, ensure};
use scores::{
    DatanetId, ModelId,
    claims::Claims,
    eip712::EpochPost,
    epoch::{EpochInput, SettledReceipt, compute},
};
use serde_json::Value;
use service::{
    chain::{Chain, Contracts, EpochStatus},
    evidence::{EvidenceBundle, EvidenceSource, StoredReceipt},
};
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
};
use url::Url;

use super::{
    report::{LedgerRow, Report, open},
    story::evidence,
    wait_for,
};
use crate::{dev::Ready, included::succeeded, keys};

/// The user account that watches.
pub const WATCHER: u32 = 0;
/// Which of the development engines lies, and which signs whatever it is given.
const LIAR: usize = 2;
const ACCOMPLICE: usize = 1;

/// `openledger attribution watch`, run by somebody who has no part in the epochs.
pub struct Watch {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    /// What the liar publishes.
    published: tempfile::TempDir,
}

impl Watch {
    /// Starts watching. The process recomputes honest epochs meanwhile.
    pub fn start(ready: &Ready) -> Result<Self> {
        let published = tempfile::tempdir().context("cannot create a temporary directory")?;
        let program = std::env::current_exe().context("cannot find this program")?;
        let mut child = Command::new(program)
            .args(["attribution", "watch", "--json", "--account", &WATCHER.to_string()])
            .args(["--l2-rpc", &ready.l2_rpc, "--gateway", &ready.gateway, "--evidence"])
            .arg(published.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("cannot start the watcher")?;
        let stdout = child.stdout.take().context("the watcher has no output")?;
        Ok(Self { child, lines: BufReader::new(stdout).lines(), published })
    }

    /// What the watcher says of an epoch.
    async fn verdict(&mut self, epoch: u64) -> Result<Value> {
        loop {
            let line = self.lines.next_line().await?;
            let line = line.context("the watcher ended")?;
            let verdict: Value = serde_json::from_str(&line).context("the watcher's verdict")?;
            if verdict["epoch"] == epoch {
                return Ok(verdict);
            }
        }
    }
}

/// The lie and its end; `settled` is the last activated epoch, `datanet` the pool that is coveted.
pub async fn run(
    ready: &Ready,
    mut watch: Watch,
    settled: u64,
    datanet: u64,
    report: &mut Report,
) -> Result<()> {
    report.step("Two of three engines post a false epoch; one watcher has it rejected");
    let engines = keys::engine_keys()?;
    let [liar, accomplice] = [LIAR, ACCOMPLICE].map(|index| engines.get(index).cloned());
    let liar = Liar {
        chain: Chain::connect_with_signer(
            ready.l2_rpc.parse::<Url>().context("the L2 URL is not a URL")?,
            Contracts::default(),
            liar.clone().context("no engine to lie")?,
        )
        .await?,
        key: liar.context("no engine to lie")?,
        accomplice: accomplice.context("no engine to help")?,
    };
    let honest = evidence(ready)?.bundle(settled).await?;
    let stolen: u128 = of_datanet(&honest.claims, datanet).map(|claim| claim.cumulative).sum();
    let (epoch, bond) = liar.post(&honest, DatanetId(datanet), watch.published.path()).await?;
    let posted = liar.chain.posted_epoch(epoch).await?;
    report.say(format!(
        "engine {LIAR} posted epoch {epoch}, in which it has earned {} of Datanet {datanet} and the \
         contributors nothing, with a bond of {}",
        open(U256::from(stolen)),
        open(U256::from(bond))
    ));
    report.proof("posted in", posted.transaction);
    report.proof("false claims root", posted.post.claimsRoot);

    let asked = Instant::now();
    let patience = Duration::from_secs(60);
    let verdict = tokio::time::timeout(patience, watch.verdict(epoch))
        .await
        .context("the watcher was silent for 60 s")??;
    tracing::debug!(seconds = asked.elapsed().as_secs_f64(), "the watcher answered");
    ensure!(verdict["ok"] == false, "the watcher believed the false epoch");
    for failed in verdict["failed"].as_array().into_iter().flatten() {
        report.say(format!("recomputed by the watcher: {}", failed.as_str().unwrap_or_default()));
    }
    let won = &verdict["won"];
    ensure!(won.is_object(), "the watcher found no proof: {verdict}");
    let fault = verdict["fault"].as_str().context("a verdict names its fault")?;
    report.say(format!(
        "committed to, then shown to the chain with {} gas, before anybody could copy it: {fault}",
        won["gas"]
    ));
    report.proof("committed in", won["committed"].as_str().unwrap_or_default());
    report.proof("transaction", won["transaction"].as_str().unwrap_or_default());
    let status = liar.chain.epoch(epoch).await?.status;
    ensure!(status == EpochStatus::Rejected, "the false epoch is {status:?}");
    ensure!(liar.chain.last_activated().await? == settled, "another root is in force");
    report.say("the claims of the epoch before stay in force; half of the bond is burned");

    let amount = |name: &str| -> Result<I256> {
        let wei = won[name].as_str().with_context(|| format!("no {name} in {won}"))?;
        Ok(I256::try_from(wei.parse::<U256>()?)?)
    };
    let (reward, burned) = (amount("reward")?, amount("burned")?);
    let paid: U256 = verdict["withdrawn"].as_str().context("nothing was paid")?.parse()?;
    ensure!(I256::try_from(paid)? >= reward, "the watcher was paid {} only", open(paid));
    let loss = I256::try_from(bond)?;
    let rows = vec![
        LedgerRow { party: format!("engine {LIAR}, who lied"), wei: -loss },
        LedgerRow { party: "watcher".into(), wei: reward },
        LedgerRow { party: "burned".into(), wei: burned },
    ];
    report.ledger("The bond of the false epoch", rows)?;
    let _ = watch.child.kill().await;
    Ok(())
}

struct Liar {
    chain: Chain,
    key: PrivateKeySigner,
    accomplice: PrivateKeySigner,
}

impl Liar {
    /// Posts the false epoch; returns its number and the bond, wei.
    async fn post(
        &self,
        honest: &EvidenceBundle,
        datanet: DatanetId,
        publish: &Path,
    ) -> Result<(u64, u128)> {
        let stored = self.receipt(honest).await?;
        let fee = stored.receipt.fee;
        let settlement = self.chain.settlement();
        let funded = settlement.fund(self.key.address()).value(U256::from(fee));
        succeeded("fund the liar's fees", funded.send().await?).await?;
        // Whoever else is posting goes first.
        for _ in 0..5 {
            let next = wait_for("the epoch before to be decided", 120, || async {
                let next = self.chain.next_epoch_id().await?;
                let last = self.chain.epoch(next.saturating_sub(1)).await?.status;
                Ok((last != EpochStatus::Posted).then_some(next))
            })
            .await?;
            let bundle = self.falsify(honest, stored.clone(), datanet, next).await?;
            let path = publish.join(format!("{next}.json"));
            fs::write(&path, serde_json::to_vec(&bundle)?)
                .with_context(|| format!("cannot write {}", path.display()))?;
            let bond = self.chain.bond_for(fee).await?;
            match self.chain.post_epoch(&bundle.post, bundle.signatures, bond).await {
                Ok(_) => return Ok((next, bond)),
                Err(error) => tracing::debug!(%error, "the false epoch was not taken"),
            }
            let _ = fs::remove_file(&path);
        }
        bail!("the false epoch was not taken by the settlement")
    }

    /// An answered call of the honest gateway as if it had been the liar's own.
    async fn receipt(&self, honest: &EvidenceBundle) -> Result<StoredReceipt> {
        let mut stored = honest.receipts.first().context("the epoch has no receipts")?.clone();
        stored.receipt.gateway = self.key.address();
        stored.receipt.number = self.chain.next_receipt_of(self.key.address()).await?;
        let digest = stored.receipt.digest(&self.chain.settlement_domain());
        stored.signature = Bytes::from(self.key.sign_hash_sync(&digest)?.as_bytes());
        stored.record.receipt_hash = stored.receipt.receipt_hash();
        Ok(stored)
    }

    /// An epoch in which everything holds but the claims.
    async fn falsify(
        &self,
        honest: &EvidenceBundle,
        stored: StoredReceipt,
        datanet: DatanetId,
        epoch_id: u64,
    ) -> Result<EvidenceBundle> {
        let model = ModelId::try_from(stored.receipt.modelId)?;
        let splits = [(model, self.chain.model(model).await?.split)].into();
        let settled =
            [SettledReceipt { receipt: stored.receipt.clone(), record: stored.record.clone() }];
        let epoch = compute(&EpochInput {
            epoch_id,
            gateway: self.key.address(),
            engine_spec_hash: honest.post.engineSpecHash,
            receipts: &settled,
            splits: &splits,
            platform_bps: self.chain.settlement_parameters().await?.platform_bps,
            previous: &honest.claims,
        })?;
        let claims = grab(&epoch.claims, datanet, self.key.address())?;
        let root = claims.root()?;
        let post = EpochPost { claimsRoot: root.hash, claimsTotal: root.sum, ..epoch.post };
        let corpora =
            honest.corpora.iter().filter(|corpus| corpus.model == model).cloned().collect();
        let digest = post.digest(&self.chain.settlement_domain());
        let mut signers = [&self.key, &self.accomplice];
        signers.sort_by_key(|signer| signer.address());
        let signatures = signers
            .into_iter()
            .map(|signer| Ok(Bytes::from(signer.sign_hash_sync(&digest)?.as_bytes())))
            .collect::<Result<_>>()?;
        Ok(EvidenceBundle {
            post,
            signatures,
            receipts: vec![stored],
            corpora,
            previous_claims: honest.claims.clone(),
            claims,
            ..honest.clone()
        })
    }
}

/// The same claims, with all that a Datanet's contributors have earned in one hand.
fn grab(claims: &Claims, datanet: DatanetId, hand: Address) -> Result<Claims> {
    let others = claims.as_slice().iter().filter(|claim| claim.datanet != datanet);
    let mut grabbed = Claims::new(others.copied().collect())?;
    for claim in of_datanet(claims, datanet.0) {
        grabbed.add(datanet, hand, claim.cumulative)?;
    }
    Ok(grabbed)
}

fn of_datanet(claims: &Claims, datanet: u64) -> impl Iterator<Item = &scores::claims::Claim> {
    claims.as_slice().iter().filter(move |claim| claim.datanet == DatanetId(datanet))
}
