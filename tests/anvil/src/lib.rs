//! An L1 node of a test's own: the anvil that `scripts/setup` installs, on a port that it picks itself. And ports for
//! nodes that must know theirs before they start.

use std::{
    io::{BufRead, BufReader},
    net::TcpListener,
    path::{Path, PathBuf},
};

pub use alloy_node_bindings::AnvilInstance;

/// Starts anvil with `args`; it ends when dropped. `None`, with the reason printed, where it is not installed.
pub fn start(args: &[&str]) -> Option<AnvilInstance> {
    let Some(program) = program() else {
        println!("skipped: anvil is missing, run ./scripts/setup");
        return None;
    };
    let anvil = alloy_node_bindings::Anvil::at(program).host("127.0.0.1").args(args);
    let mut anvil = anvil.keep_stdout().try_spawn().expect("anvil starts");
    let lines = BufReader::new(anvil.child_mut().stdout.take().expect("kept")).lines();
    // The pipe must be emptied, or anvil would block on it.
    std::thread::spawn(move || lines.for_each(drop));
    Some(anvil)
}

/// Ports that were free a moment ago, below those that the system gives to whoever asks for any: a node that
/// starts again finds its own free, and who dials one before anybody listens cannot meet itself.
pub fn free_ports<const N: usize>() -> [u16; N] {
    let free = || {
        std::iter::repeat_with(|| rand::random_range(10_000..32_000))
            .find_map(|port: u16| TcpListener::bind(("127.0.0.1", port)).ok())
            .expect("the search has no end")
    };
    // All are held until the last is found, so that no two are the same.
    let held: [TcpListener; N] = std::array::from_fn(|_| free());
    held.map(|listener| listener.local_addr().expect("bound").port())
}

/// The real binary, since npm's wrapper loses the exit status.
fn program() -> Option<PathBuf> {
    // Set by cargo for a test that runs, unlike the path that the build saw.
    let from = std::env::var("CARGO_MANIFEST_DIR").ok()?;
    let modules = Path::new(&from).ancestors().map(|root| root.join("node_modules/@foundry-rs"));
    let packages = modules.into_iter().find_map(|path| std::fs::read_dir(path).ok())?;
    packages.flatten().map(|package| package.path().join("bin/anvil")).find(|path| {
        let package = path.ancestors().nth(2).and_then(Path::file_name);
        package.is_some_and(|name| name.to_string_lossy().starts_with("anvil-")) && path.is_file()
    })
}
