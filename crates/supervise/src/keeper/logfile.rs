//! The log file of one instance: appended to, put aside when it is large, and never waited for.
//!
//! `orders-1.log` is the newest, `orders-1.log.1` the one before. A file that cannot be written loses lines, which are
//! counted; it is tried again a second later, and the service never notices.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// How long a file that failed is left alone.
const RETRY: Duration = Duration::from_secs(1);

/// Lines that were not written, and why.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Trouble {
    pub(super) lines: u64,
    pub(super) error: String,
}

#[derive(Debug)]
pub(super) struct LogFile {
    path: PathBuf,
    file: Option<File>,
    size: u64,
    max_size: u64,
    keep: u32,
    lost: u64,
    error: String,
    retry_at: Option<Instant>,
}

impl LogFile {
    pub(super) fn new(path: PathBuf, max_size: u64, keep: u32) -> Self {
        Self { path, file: None, size: 0, max_size, keep, lost: 0, error: String::new(), retry_at: None }
    }

    /// New limits for the same file; they count from the next line on.
    pub(super) fn set_limits(&mut self, max_size: u64, keep: u32) {
        self.max_size = max_size;
        self.keep = keep;
    }

    /// Writes whole lines, given with their ends.
    pub(super) fn append(&mut self, bytes: &[u8], lines: u64, now: Instant) {
        if self.retry_at.is_some_and(|at| now < at) {
            self.lost += lines;
            return;
        }
        match self.try_append(bytes) {
            Ok(()) => self.retry_at = None,
            Err(error) => {
                self.lost += lines;
                self.error = error.to_string();
                self.retry_at = Some(now + RETRY);
                // Perhaps the folder was removed under us: open afresh next time.
                self.file = None;
            }
        }
    }

    /// What was lost since the last call, at most once per [`RETRY`] while the trouble lasts.
    pub(super) fn take_trouble(&mut self, now: Instant) -> Option<Trouble> {
        let waiting = self.retry_at.is_some_and(|at| now < at);
        (self.lost > 0 && !waiting)
            .then(|| Trouble { lines: std::mem::take(&mut self.lost), error: self.error.clone() })
    }

    fn try_append(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.file.is_none() {
            self.open()?;
        }
        if self.size > 0 && self.size + bytes.len() as u64 > self.max_size {
            self.file = None;
            rotate(&self.path, self.keep)?;
            self.open()?;
        }
        let Some(file) = &mut self.file else { return Ok(()) };
        file.write_all(bytes)?;
        self.size += bytes.len() as u64;
        Ok(())
    }

    fn open(&mut self) -> io::Result<()> {
        if let Some(folder) = self.path.parent() {
            fs::create_dir_all(folder)?;
        }
        let file = OpenOptions::new().append(true).create(true).mode(0o600).open(&self.path)?;
        self.size = file.metadata()?.len();
        self.file = Some(file);
        Ok(())
    }
}

/// Puts `path` aside as `path.1`, and moves those before one further; the oldest beyond `keep` is removed.
fn rotate(path: &Path, keep: u32) -> io::Result<()> {
    let aside = |number: u32| {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{number}"));
        PathBuf::from(name)
    };
    if keep == 0 {
        return absent_is_fine(fs::remove_file(path));
    }
    absent_is_fine(fs::remove_file(aside(keep)))?;
    for number in (1..keep).rev() {
        absent_is_fine(fs::rename(aside(number), aside(number + 1)))?;
    }
    absent_is_fine(fs::rename(path, aside(1)))
}

fn absent_is_fine(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contents(folder: &Path) -> Vec<(String, String)> {
        let mut files: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .flatten()
            .map(|entry| {
                (entry.file_name().into_string().unwrap(), fs::read_to_string(entry.path()).unwrap().replace('\n', " "))
            })
            .collect();
        files.sort();
        files
    }

    #[test]
    fn a_full_file_is_put_aside_and_the_oldest_goes() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = LogFile::new(folder.path().join("a.log"), 8, 2);
        for number in 0..8 {
            log.append(format!("l{number}\n").as_bytes(), 1, Instant::now());
        }
        let files = contents(folder.path());
        let files: Vec<_> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        assert_eq!(files, [("a.log", "l6 l7 "), ("a.log.1", "l4 l5 "), ("a.log.2", "l2 l3 ")]);
    }

    #[test]
    fn a_file_that_is_there_is_appended_to_and_counts() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a.log"), "before\n").unwrap();
        let mut log = LogFile::new(folder.path().join("a.log"), 10, 0);
        log.append(b"x\n", 1, Instant::now());
        assert_eq!(contents(folder.path()), [("a.log".to_owned(), "before x ".to_owned())]);
        log.append(b"yy\n", 1, Instant::now());
        assert_eq!(
            contents(folder.path()),
            [("a.log".to_owned(), "yy ".to_owned())],
            "`keep = 0` keeps only the newest"
        );
    }

    #[test]
    fn a_file_that_cannot_be_written_loses_lines_counts_them_and_is_tried_again() {
        let folder = tempfile::tempdir().unwrap();
        let blocked = folder.path().join("logs");
        fs::write(&blocked, "a file where a folder should be").unwrap();
        let mut log = LogFile::new(blocked.join("a.log"), 1 << 20, 1);
        let start = Instant::now();
        log.append(b"one\n", 1, start);
        log.append(b"two\nthree\n", 2, start);
        assert_eq!(log.take_trouble(start), None, "told once, when it is tried again");
        let later = start + RETRY;
        assert_eq!(log.take_trouble(later).map(|trouble| trouble.lines), Some(3));
        fs::remove_file(&blocked).unwrap();
        log.append(b"four\n", 1, later);
        assert_eq!(fs::read_to_string(blocked.join("a.log")).unwrap(), "four\n");
        assert_eq!(log.take_trouble(later), None);
    }
}
