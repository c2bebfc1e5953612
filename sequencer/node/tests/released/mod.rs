//! Stores of nodes that have ended. Both test programs restart nodes on their directories.

use std::{path::Path, sync::Arc, time::Duration};

use store::{Store, StoreError, StoreOptions};

/// Opens a store once the ended node that had it has let go: it may still answer somebody for a moment.
pub fn open(directory: &Path) -> Arc<Store> {
    for _ in 0..200 {
        match Store::open(directory, StoreOptions::default()) {
            Err(StoreError::InUse(_)) => std::thread::sleep(Duration::from_millis(50)),
            opened => return opened.unwrap(),
        }
    }
    panic!("{} has been in use for ten seconds", directory.display());
}
