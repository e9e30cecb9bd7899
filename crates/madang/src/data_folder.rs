//! The data folder and its lock: one Madang at a time.
//!
//! The lock is the operating system's (`flock`), so it ends with the process however that ends, and a file left behind
//! by a crash is in nobody's way. The file's text only tells the second one who the first one is.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::codes;
use crate::failure::Report;

const LOCK: &str = "madang.lock";
/// The version of the folder's layout, kept in the file `version`.
const LAYOUT: &str = "1\n";
/// A lock file holds a process id; more is not read.
const MOST_BYTES: u64 = 64;

/// A data folder that is ours until this is dropped.
#[derive(Debug)]
pub(crate) struct DataFolder {
    path: PathBuf,
    _lock: File,
}

impl DataFolder {
    /// Creates the folder when it is missing and locks it.
    ///
    /// # Errors
    /// When another Madang holds it, or when it cannot be written.
    pub(crate) fn open(path: &Path) -> Result<Self, Report> {
        // Logs are in there: nobody else's business.
        let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
        made.map_err(|error| unusable(path, &error))?;
        let mut lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path.join(LOCK))
            .map_err(|error| unusable(path, &error))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(in_use(path, &mut lock)),
            Err(TryLockError::Error(error)) => return Err(unusable(path, &error)),
        }
        sign(&mut lock).map_err(|error| unusable(path, &error))?;
        let version = path.join("version");
        if !version.exists() {
            fs::write(&version, LAYOUT).map_err(|error| unusable(path, &error))?;
        }
        // Services are started with it in their environment and work in other folders.
        let path = fs::canonicalize(path).map_err(|error| unusable(path, &error))?;
        Ok(Self { path, _lock: lock })
    }

    /// The whole path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

fn sign(lock: &mut File) -> std::io::Result<()> {
    lock.set_len(0)?;
    lock.rewind()?;
    writeln!(lock, "{}", std::process::id())
}

fn in_use(path: &Path, lock: &mut File) -> Report {
    let mut text = String::new();
    // The first one may not have signed yet; the message works without its id.
    let _ = lock.take(MOST_BYTES).read_to_string(&mut text);
    let place = path.display();
    let (who, stop) = match text.trim().parse::<u32>() {
        Ok(pid) => (format!("another Madang (pid {pid})"), format!("stop it (`kill {pid}`)")),
        Err(_) => ("another Madang".to_owned(), "stop it".to_owned()),
    };
    Report::could_not(format!("{who} already runs with the data folder `{place}`"))
        .hint(format!("use the one that runs (`madang ps`), or {stop}"))
        .code(&codes::FOLDER_IN_USE)
}

fn unusable(path: &Path, error: &std::io::Error) -> Report {
    Report::could_not(format!("cannot use the data folder `{}`: {error}", path.display()))
        .hint("give it to the user Madang runs as, or choose another one with `madang serve --data DIR`")
        .code(&codes::FILE_UNREADABLE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_one_learns_who_is_there_and_gets_in_when_the_first_has_gone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("data");
        let first = DataFolder::open(&path).unwrap();
        let report = DataFolder::open(&path).unwrap_err().to_string();
        let pid = std::process::id();
        assert!(report.contains(&format!("another Madang (pid {pid})")), "{report}");
        assert!(report.contains("MD0503"), "{report}");
        drop(first);
        DataFolder::open(&path).unwrap();
    }

    #[test]
    fn what_a_crash_left_behind_is_in_nobodys_way() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(LOCK), "999999999999 and more text than a pid has\n").unwrap();
        DataFolder::open(dir.path()).unwrap();
        let text = fs::read_to_string(dir.path().join(LOCK)).unwrap();
        assert_eq!(text, format!("{}\n", std::process::id()));
    }
}
