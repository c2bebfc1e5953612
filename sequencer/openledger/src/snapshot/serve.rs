//! Snapshots of a node that runs: it holds its store alone, so it is asked for the file over a socket beside
//! the store that only its own user can open.
//!
//! The question is a block number, u64 big-endian; [`SAFE`] is the safe head. The answer is the snapshot in
//! frames, each a length u32 big-endian and that many bytes; a frame of length zero; then one byte, 0 for a whole
//! snapshot and 1 for none, and text: what is in it, or why there is none.

use std::{
    fs::{self, Permissions},
    io::{self, BufWriter, Read, Write},
    os::unix::{
        fs::PermissionsExt,
        net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use store::Store;
use tokio_util::sync::CancellationToken;

/// Asks for the safe head, whichever that is.
pub const SAFE: u64 = u64::MAX;
/// How long the other side may neither send nor take anything. A snapshot keeps what the database could
/// reuse, so nobody may hold one for ever.
const PATIENCE: Duration = Duration::from_secs(15);
/// How often a listener looks whether the node ends.
const POLL: Duration = Duration::from_millis(200);
const FRAME_BYTES: usize = 1 << 20;
/// Longest text at the end of an answer.
const TEXT_BYTES_MAX: u64 = 64 << 10;

/// Where a store's node answers.
pub fn socket(store: &Path) -> PathBuf {
    super::with_suffix(store, ".sock")
}

/// Answers one request after another until `shutdown`.
#[derive(Debug)]
pub struct Server {
    store: Arc<Store>,
    window: u64,
    listener: UnixListener,
    socket: PathBuf,
}

impl Server {
    /// `window` is the chain's sequencing window. Whoever holds the store has the socket: one that lies
    /// there is of a node that was killed.
    pub fn bind(store: Arc<Store>, window: u64) -> io::Result<Self> {
        let socket = socket(store.path());
        match fs::remove_file(&socket) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(&socket)?;
        fs::set_permissions(&socket, Permissions::from_mode(0o600))?;
        listener.set_nonblocking(true)?;
        Ok(Self { store, window, listener, socket })
    }

    /// Blocks its thread.
    pub fn run(self, shutdown: &CancellationToken) {
        while !shutdown.is_cancelled() {
            match self.listener.accept() {
                Ok((stream, _)) => {
                    if let Err(error) = self.answer(stream) {
                        tracing::warn!(error = format!("{error:#}"), "a snapshot was not fetched");
                    }
                }
                Err(_) => std::thread::sleep(POLL),
            }
        }
        let _ = fs::remove_file(&self.socket);
    }

    fn answer(&self, mut stream: UnixStream) -> Result<()> {
        stream.set_nonblocking(false)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let mut number = [0; 8];
        stream.read_exact(&mut number)?;
        let block = Some(u64::from_be_bytes(number)).filter(|number| *number != SAFE);
        let mut frames = BufWriter::with_capacity(FRAME_BYTES, Frames(&stream));
        let exported = super::pick(&self.store, block).and_then(|number| {
            let summary = self.store.export_snapshot(number, self.window, &mut frames)?;
            Ok(super::describe(&summary))
        });
        frames.flush()?;
        drop(frames);
        let (flag, text) = match exported {
            Ok(text) => (0, text),
            Err(error) => (1, format!("{error:#}")),
        };
        stream.write_all(&[&[0, 0, 0, 0, flag], text.as_bytes()].concat())?;
        Ok(())
    }
}

/// Each write is a frame.
struct Frames<'a>(&'a UnixStream);

impl Write for Frames<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.get(..bytes.len().min(FRAME_BYTES)).unwrap_or_default();
        if !taken.is_empty() {
            let length = u32::try_from(taken.len()).unwrap_or(u32::MAX);
            self.0.write_all(&length.to_be_bytes())?;
            self.0.write_all(taken)?;
        }
        Ok(taken.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Asks the node that holds a store; `None` if there is none. Gives what is in the snapshot.
pub fn fetch(store: &Path, block: Option<u64>, out: &mut impl Write) -> Result<Option<String>> {
    let mut stream = match UnixStream::connect(socket(store)) {
        Ok(stream) => stream,
        Err(error) => {
            return match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => Ok(None),
                _ => Err(error).context("cannot ask the node that runs on the store"),
            };
        }
    };
    stream.write_all(&block.unwrap_or(SAFE).to_be_bytes())?;
    let mut frame = Vec::new();
    loop {
        let mut length = [0; 4];
        stream.read_exact(&mut length).context("the node broke off")?;
        let length = u32::from_be_bytes(length);
        if length == 0 {
            break;
        }
        frame.clear();
        Read::by_ref(&mut stream).take(length.into()).read_to_end(&mut frame)?;
        ensure!(u32::try_from(frame.len()).ok() == Some(length), "the node broke off");
        out.write_all(&frame)?;
    }
    let mut flag = [1];
    stream.read_exact(&mut flag).context("the node broke off")?;
    let mut text = String::new();
    stream.take(TEXT_BYTES_MAX).read_to_string(&mut text)?;
    match flag {
        [0] => Ok(Some(text)),
        _ => bail!(text),
    }
}

#[cfg(test)]
mod tests {
    use primitives::GenesisL2;
    use store::StoreOptions;

    use super::*;

    #[test]
    fn a_node_that_runs_gives_the_file_that_its_store_gives() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("l2");
        let mut out = Vec::new();
        // Nobody there.
        assert_eq!(fetch(&path, None, &mut out).unwrap(), None);
        let store = Store::open(&path, StoreOptions::default()).unwrap();
        let genesis = GenesisL2 {
            chain_id: 16_120,
            timestamp: 7,
            gas_limit: 30_000_000,
            base_fee_per_gas: 1,
            extra_data: vec![1, 0, 0, 0, 250, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0].into(),
            alloc: Default::default(),
        };
        store.init_genesis(&genesis).unwrap();
        let mut expected = Vec::new();
        let summary = store.export_snapshot(0, 100, &mut expected).unwrap();
        // One that was killed left its socket.
        drop(UnixListener::bind(socket(&path)).unwrap());
        assert_eq!(fetch(&path, None, &mut out).unwrap(), None);

        let server = Server::bind(Arc::clone(&store), 100).unwrap();
        let mode = fs::metadata(socket(&path)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let shutdown = CancellationToken::new();
        let stopping = shutdown.clone();
        let running = std::thread::spawn(move || server.run(&stopping));
        let text = fetch(&path, Some(0), &mut out).unwrap().unwrap();
        assert_eq!((text, &out), (super::super::describe(&summary), &expected));
        out.clear();
        assert!(fetch(&path, None, &mut out).unwrap().is_some());
        assert_eq!(out, expected);
        let error = fetch(&path, Some(1), &mut Vec::new()).unwrap_err().to_string();
        assert!(error.contains("block 1 is not safe"), "{error}");
        // Somebody who goes away in the middle keeps nobody from it.
        drop(UnixStream::connect(socket(&path)).unwrap());
        assert!(fetch(&path, Some(0), &mut Vec::new()).unwrap().is_some());
        shutdown.cancel();
        running.join().unwrap();
        assert!(!socket(&path).exists());
    }
}
