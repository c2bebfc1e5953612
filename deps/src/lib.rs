//! Names every external dependency of the workspace with one feature set, so that building a single
//! crate (`-p X -p deps`) reuses what a build of the whole workspace compiled. Nothing depends on it.
