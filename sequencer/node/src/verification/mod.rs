//! Source code verification in the shape of Etherscan's contract API, as `forge verify-contract` and
//! explorers use it. [`http`] speaks the API, [`request`] reads what was submitted, [`compiler`] runs
//! the operator's compiler within limits, [`matching`] compares its output with the chain.
//!
//! Verifications wait in a bounded queue and are compiled one at a time. What was verified is kept in
//! the store's journal; results of requests are kept in memory only.

mod compiler;
mod creation;
mod http;
mod matching;
mod record;
mod request;
mod results;

use std::sync::Arc;

use alloy_primitives::{Address, Bytes};
use parking_lot::Mutex;
use revm::DatabaseRef;
use store::StoreError;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

pub(crate) use http::routes;

use crate::{
    chain::Chain,
    config::VerificationConfig,
    error::{NodeError, VerificationError},
};
use compiler::{Compiler, Limits};
use creation::Creation;
use matching::{Compiled, Match};
use record::Record;
use request::Submission;
use results::{Outcome, Results};

/// Takes submissions and answers from what was verified.
#[derive(Debug)]
pub struct Verification {
    chain: Arc<Chain>,
    compilers: Vec<Arc<Compiler>>,
    input_bytes_max: usize,
    queue: mpsc::Sender<Job>,
    results: Arc<Mutex<Results>>,
    /// Bounds searches of the chain.
    searches: Semaphore,
}

/// Searches for creations that run at once; more wait.
const SEARCHES_MAX: usize = 2;

/// Compiles and compares what [`Verification`] queued.
#[derive(Debug)]
pub struct Worker {
    chain: Arc<Chain>,
    limits: Limits,
    jobs: mpsc::Receiver<Job>,
    results: Arc<Mutex<Results>>,
}

#[derive(Debug)]
struct Job {
    id: String,
    compiler: Arc<Compiler>,
    submission: Submission,
}

impl Verification {
    /// The two ends. Nothing is compiled until the worker runs.
    pub fn new(chain: Arc<Chain>, config: &VerificationConfig) -> (Self, Worker) {
        let (queue, jobs) = mpsc::channel(config.queue_max);
        let results = Arc::new(Mutex::new(Results::new(config.results_max)));
        let limits = Limits { time: config.compile_time_max, output: config.output_bytes_max };
        let compilers =
            config.compilers.iter().map(|path| Arc::new(Compiler::new(path.clone()))).collect();
        let worker =
            Worker { chain: Arc::clone(&chain), limits, jobs, results: Arc::clone(&results) };
        let input_bytes_max = config.input_bytes_max;
        let searches = Semaphore::new(SEARCHES_MAX);
        (Self { chain, compilers, input_bytes_max, queue, results, searches }, worker)
    }

    /// Queues a verification and names it.
    async fn submit(&self, submission: Submission) -> Result<String, VerificationError> {
        let address = submission.address;
        if code(&self.chain, address)?.is_empty() {
            return Err(VerificationError::NoCode(address));
        }
        if self.record(address)?.is_some_and(|record| record.kind == Match::Full) {
            return Err(VerificationError::AlreadyVerified);
        }
        let compiler = self.compiler(&submission.compiler_version).await?;
        let id = results::new_id();
        let place = self.queue.try_reserve().map_err(|_| VerificationError::QueueFull)?;
        self.results.lock().insert(id.clone());
        place.send(Job { id: id.clone(), compiler, submission });
        Ok(id)
    }

    /// The compiler of a version such as `0.8.37+commit.f401782d`.
    async fn compiler(&self, wanted: &str) -> Result<Arc<Compiler>, VerificationError> {
        let mut available = Vec::new();
        for compiler in &self.compilers {
            let version = compiler.version().await?;
            if version == wanted {
                return Ok(Arc::clone(compiler));
            }
            available.push(format!("v{version}"));
        }
        if available.is_empty() {
            return Err(VerificationError::Off);
        }
        Err(VerificationError::CompilerVersion {
            wanted: format!("v{wanted}"),
            available: available.join(", "),
        })
    }

    fn record(&self, address: Address) -> Result<Option<Record>, VerificationError> {
        Record::load(self.chain.store(), address)
    }

    async fn creation(&self, address: Address) -> Result<Option<Creation>, VerificationError> {
        let _permit = self.searches.acquire().await;
        let chain = Arc::clone(&self.chain);
        let task = tokio::task::spawn_blocking(move || creation::find(&chain, address));
        Ok(task.await.map_err(|error| VerificationError::Internal(error.to_string()))??)
    }
}

impl Worker {
    /// Works until `shutdown`; a compiler that runs then is killed.
    pub async fn run(mut self, shutdown: CancellationToken) -> Result<(), NodeError> {
        while let Some(Some(job)) = shutdown.run_until_cancelled(self.jobs.recv()).await {
            self.results.lock().set(&job.id, Outcome::Running);
            let verified = self.verify(&job.compiler, job.submission);
            let Some(verified) = shutdown.run_until_cancelled(verified).await else { break };
            let (outcome, label) = match verified {
                Ok(()) => (Outcome::Verified, "verified"),
                Err(error) => {
                    tracing::debug!(%error, "a contract was not verified");
                    (Outcome::Failed(error.to_string()), "failed")
                }
            };
            metrics::counter!("contract_verifications_total", "outcome" => label).increment(1);
            self.results.lock().set(&job.id, outcome);
        }
        Ok(())
    }

    async fn verify(
        &self,
        compiler: &Compiler,
        submission: Submission,
    ) -> Result<(), VerificationError> {
        let input = serde_json::to_vec(&submission.input)
            .map_err(|error| VerificationError::Internal(error.to_string()))?;
        let output = compiler.compile(input, self.limits).await?;
        let chain = Arc::clone(&self.chain);
        // Parsing megabytes, searching the chain and waiting for the disk are no work for this thread.
        let task = tokio::task::spawn_blocking(move || {
            let compiled = Compiled::from_output(&output, &submission.target)?;
            check(&chain, &submission, &compiled)?.save(chain.store(), submission.address)
        });
        task.await.map_err(|error| VerificationError::Internal(error.to_string()))?
    }
}

/// Compares what was compiled with what the chain runs and, where it is known, with what created it.
fn check(
    chain: &Chain,
    submission: &Submission,
    compiled: &Compiled,
) -> Result<Record, VerificationError> {
    let address = submission.address;
    let kind =
        compiled.matches(&code(chain, address)?, address).ok_or(VerificationError::CodeDiffers)?;
    let given = submission.constructor_arguments.clone();
    let (arguments, known) = match creation::find(chain, address)? {
        None => (given.unwrap_or_default(), false),
        Some(creation) => {
            let found = compiled
                .constructor_arguments(&creation.init_code)
                .ok_or(VerificationError::CreationDiffers)?;
            if given.is_some_and(|given| given != found) {
                return Err(VerificationError::ConstructorArguments(found));
            }
            (found, true)
        }
    };
    Ok(Record::new(submission, compiled, kind, arguments, known))
}

/// Code at the newest block.
fn code(chain: &Chain, address: Address) -> Result<Bytes, StoreError> {
    code_at(chain, address, chain.heads().unsafe_head.number)
}

fn code_at(chain: &Chain, address: Address, number: u64) -> Result<Bytes, StoreError> {
    let state = chain.state(number)?;
    match state.basic_ref(address)? {
        Some(info) if !info.is_empty_code_hash() => match info.code {
            Some(code) => Ok(code.original_bytes()),
            None => Ok(state.code_by_hash_ref(info.code_hash)?.original_bytes()),
        },
        _ => Ok(Bytes::new()),
    }
}
