//! Who has the store: a lock beside the file, which ends with the process that holds it.

use std::ffi::OsString;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use crate::error::OpenError;

/// The file holds a process id; more is not read.
const MOST_BYTES: u64 = 64;

/// The store is ours until this is dropped.
#[derive(Debug)]
pub(super) struct Owner {
    _lock: File,
}

impl Owner {
    pub(super) fn take(store: &Path) -> Result<Self, OpenError> {
        let unusable = |error: std::io::Error| OpenError::Unusable { path: store.to_owned(), cause: error.to_string() };
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let mut lock = options.open(beside(store, ".owner")).map_err(unusable)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                // The first one may not have signed yet; the message works without its id.
                let _ = lock.take(MOST_BYTES).read_to_string(&mut text);
                return Err(OpenError::InUse { path: store.to_owned(), pid: text.trim().parse().ok() });
            }
            Err(TryLockError::Error(error)) => return Err(unusable(error)),
        }
        let mut sign = || {
            lock.set_len(0)?;
            lock.rewind()?;
            writeln!(lock, "{}", std::process::id())
        };
        match sign() {
            // A full disk must not keep anybody from reading: the lock holds without a name.
            Ok(()) | Err(_) => Ok(Self { _lock: lock }),
        }
    }
}

/// `store.redb` and `.new` are `store.redb.new`.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}
