//! The operator's compiler as a child process: standard JSON in, standard JSON out.
//!
//! It runs in an empty directory, without the node's environment, told not to read files for the
//! sources, with bounds on time and output. It is killed with all it started when it goes over.

use std::{path::PathBuf, process::Stdio, time::Duration};

use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::Command,
    sync::OnceCell,
};

use crate::error::VerificationError;

/// Time in which a compiler must tell its version.
const VERSION_TIME_MAX: Duration = Duration::from_secs(20);

/// Most bytes of a compiler's complaints that are kept.
const COMPLAINT_MAX: u64 = 4 << 10;

/// Bounds of one run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub time: Duration,
    /// Bytes of standard output.
    pub output: usize,
}

/// One installed compiler.
#[derive(Debug)]
pub(super) struct Compiler {
    path: PathBuf,
    version: OnceCell<String>,
}

impl Compiler {
    pub(super) fn new(path: PathBuf) -> Self {
        // It will be started in another directory.
        let path = std::path::absolute(&path).unwrap_or(path);
        Self { path, version: OnceCell::new() }
    }

    /// Such as `0.8.37+commit.f401782d`: what Etherscan's API calls the version, without the `v`.
    pub(super) async fn version(&self) -> Result<&str, VerificationError> {
        let version = self.version.get_or_try_init(|| async {
            let limits = Limits { time: VERSION_TIME_MAX, output: 64 << 10 };
            let output = self.run(&["--version"], Vec::new(), limits).await?;
            parse_version(&String::from_utf8_lossy(&output)).ok_or_else(|| {
                VerificationError::Compiler("it does not tell its version as solc does".to_owned())
            })
        });
        version.await.map(String::as_str)
    }

    pub(super) async fn compile(
        &self,
        input: Vec<u8>,
        limits: Limits,
    ) -> Result<Vec<u8>, VerificationError> {
        self.run(&["--no-import-callback", "--standard-json"], input, limits).await
    }

    async fn run(
        &self,
        arguments: &[&str],
        input: Vec<u8>,
        limits: Limits,
    ) -> Result<Vec<u8>, VerificationError> {
        let failed = |error: std::io::Error| {
            VerificationError::Compiler(format!("{}: {error}", self.path.display()))
        };
        let directory = tempfile::tempdir().map_err(failed)?;
        let mut child = Command::new(&self.path)
            .args(arguments)
            .current_dir(directory.path())
            .env_clear()
            // For compilers that are scripts of an interpreter.
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(failed)?;
        let mut group = Group(child.id().and_then(|id| i32::try_from(id).ok()));
        let (stdin, stdout, stderr) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let work = async {
            let feed = async move {
                if let Some(mut stdin) = stdin {
                    // One that stops reading says why elsewhere.
                    let _ = stdin.write_all(&input).await;
                }
                Ok(())
            };
            let read = async {
                let limit = limits.output as u64;
                let mut output = Vec::new();
                if let Some(stdout) = stdout {
                    let mut limited = stdout.take(limit + 1);
                    limited.read_to_end(&mut output).await.map_err(failed)?;
                }
                if output.len() as u64 > limit {
                    return Err(VerificationError::OutputTooLarge { limit });
                }
                Ok(output)
            };
            let listen = async {
                let mut complaint = Vec::new();
                if let Some(mut stderr) = stderr {
                    let mut limited = (&mut stderr).take(COMPLAINT_MAX);
                    limited.read_to_end(&mut complaint).await.map_err(failed)?;
                    // The rest is thrown away, so that the compiler does not wait for a reader.
                    tokio::io::copy(&mut stderr, &mut tokio::io::sink()).await.map_err(failed)?;
                }
                Ok(complaint)
            };
            let ((), output, complaint) = tokio::try_join!(feed, read, listen)?;
            let status = child.wait().await.map_err(failed)?;
            Ok::<_, VerificationError>((status, output, complaint))
        };
        let (status, output, complaint) = tokio::time::timeout(limits.time, work)
            .await
            .map_err(|_| VerificationError::Timeout(limits.time))??;
        group.0 = None;
        if !status.success() {
            let complaint = String::from_utf8_lossy(&complaint).trim().to_owned();
            return Err(VerificationError::Compiler(format!("{status}: {complaint}")));
        }
        Ok(output)
    }
}

/// Kills a process group when dropped, unless its leader was waited for.
#[derive(Debug)]
struct Group(Option<i32>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(id) = self.0
            && let Err(error) = killpg(Pid::from_raw(id), Signal::SIGKILL)
        {
            tracing::debug!(%error, "the compiler's processes could not be killed");
        }
    }
}

/// Of `Version: 0.8.37+commit.f401782d.Emscripten.clang`, the version and the commit.
fn parse_version(text: &str) -> Option<String> {
    let version = text.lines().find_map(|line| line.trim().strip_prefix("Version: "))?;
    let (number, build) = version.split_once("+commit.")?;
    let commit = build.split('.').next().filter(|commit| !commit.is_empty())?;
    Some(format!("{number}+commit.{commit}"))
}

#[cfg(test)]
mod tests {
    use std::{os::unix::fs::PermissionsExt, time::Instant};

    use super::*;

    const LIMITS: Limits = Limits { time: Duration::from_secs(20), output: 1 << 20 };

    /// A shell script in the compiler's place.
    fn fake(directory: &std::path::Path, script: &str) -> Compiler {
        let path = directory.join("solc");
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        Compiler::new(path)
    }

    #[tokio::test]
    async fn input_goes_in_and_output_comes_out() {
        let directory = tempfile::tempdir().unwrap();
        let compiler = fake(directory.path(), "echo \"$@\"; cat");
        // More than pipes hold, so that reading and writing must go on together.
        let input = vec![b'x'; 900_000];
        let output = compiler.compile(input.clone(), LIMITS).await.unwrap();
        let (first, rest) = output.split_at("--no-import-callback --standard-json\n".len());
        assert_eq!(first, b"--no-import-callback --standard-json\n");
        assert!(rest == input);
    }

    #[tokio::test]
    async fn it_sees_neither_environment_nor_files() {
        let directory = tempfile::tempdir().unwrap();
        let compiler = fake(directory.path(), "env | cut -d= -f1 | sort; ls -A; pwd");
        let output = compiler.compile(Vec::new(), LIMITS).await.unwrap();
        let output = String::from_utf8(output).unwrap();
        let lines: Vec<&str> = output.lines().collect();
        // The shell sets some itself.
        let own = ["PATH", "PWD", "OLDPWD", "SHLVL", "_"];
        let (place, variables) = lines.split_last().unwrap();
        assert!(variables.iter().all(|name| own.contains(name)), "{variables:?}");
        assert_ne!(*place, std::env::current_dir().unwrap().to_str().unwrap());
        assert!(!std::path::Path::new(place).exists(), "the directory is gone afterwards");
    }

    #[tokio::test]
    async fn a_slow_one_is_killed_with_its_children() {
        let directory = tempfile::tempdir().unwrap();
        let pid = directory.path().join("pid");
        let script = format!("sleep 600 & echo $! > {}; wait", pid.display());
        let compiler = fake(directory.path(), &script);
        // The version's limit is not this one's: the run is bounded by what is asked for.
        let limits = Limits { time: Duration::from_millis(1_500), ..LIMITS };
        let error = compiler.compile(Vec::new(), limits).await.unwrap_err();
        assert!(matches!(error, VerificationError::Timeout(_)), "{error}");
        let child: i32 = std::fs::read_to_string(pid).unwrap().trim().parse().unwrap();
        // Orphaned, it is init's to wait for: at worst a zombie remains for a moment.
        let alive = || {
            std::fs::read_to_string(format!("/proc/{child}/stat"))
                .is_ok_and(|stat| !stat.contains(") Z"))
        };
        let start = Instant::now();
        while alive() && start.elapsed() < Duration::from_secs(10) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert!(!alive(), "the compiler's child still runs");
    }

    #[tokio::test]
    async fn a_talkative_one_is_cut_off() {
        let directory = tempfile::tempdir().unwrap();
        let compiler = fake(directory.path(), "yes");
        let limits = Limits { output: 100_000, ..LIMITS };
        let error = compiler.compile(Vec::new(), limits).await.unwrap_err();
        assert!(matches!(error, VerificationError::OutputTooLarge { limit: 100_000 }), "{error}");
    }

    #[tokio::test]
    async fn its_complaint_is_passed_on() {
        let directory = tempfile::tempdir().unwrap();
        let compiler =
            fake(directory.path(), "echo no such thing >&2; head -c 300000 /dev/zero >&2; exit 3");
        let error = compiler.compile(vec![0; 500_000], LIMITS).await.unwrap_err().to_string();
        assert!(error.contains("no such thing") && error.contains('3'), "{error}");
        let missing = Compiler::new(directory.path().join("none"));
        let error = missing.version().await.unwrap_err().to_string();
        assert!(error.contains("none"), "{error}");
    }

    #[tokio::test]
    async fn versions_are_read() {
        let text = "solc, the solidity compiler commandline interface\n\
                    Version: 0.8.37+commit.f401782d.Emscripten.clang\n";
        assert_eq!(parse_version(text).unwrap(), "0.8.37+commit.f401782d");
        assert_eq!(parse_version("Version: 0.8.37"), None);
        let directory = tempfile::tempdir().unwrap();
        let compiler = fake(directory.path(), "echo Version: 0.8.1+commit.abc.Linux.g++");
        assert_eq!(compiler.version().await.unwrap(), "0.8.1+commit.abc");
    }
}
