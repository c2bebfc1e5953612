//! An L1 node of a test's own: the anvil that `scripts/setup` installs, on a port that it picks itself.

use std::{
    io::{BufRead, BufReader},
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
