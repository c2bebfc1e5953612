//! libFuzzer over one target, named by `FUZZ_TARGET`; `scripts/fuzz` builds it with coverage and runs it. The
//! target's seeds are put beside what the corpus in `FUZZ_CORPUS` holds.

#![no_main]

use std::{fs, path::PathBuf, sync::LazyLock};

use fuzz_targets::{TARGETS, Target};

static TARGET: LazyLock<&Target> = LazyLock::new(|| {
    let name = std::env::var("FUZZ_TARGET").expect("FUZZ_TARGET names a target");
    let target = TARGETS.iter().find(|target| target.name == name);
    target.unwrap_or_else(|| panic!("no fuzz target is called {name}"))
});

fn write_seeds() {
    let corpus = PathBuf::from(std::env::var_os("FUZZ_CORPUS").expect("FUZZ_CORPUS is a folder"));
    fs::create_dir_all(&corpus).expect("the corpus can be written to");
    for (index, seed) in (TARGET.seeds)().iter().enumerate() {
        fs::write(corpus.join(format!("seed-{index}")), seed)
            .expect("the corpus can be written to");
    }
}

libfuzzer_sys::fuzz_target!(init: write_seeds(), |data: &[u8]| (TARGET.run)(data));
