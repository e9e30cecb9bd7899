//! `registry.log`: registrations as they happen, so that a restart lists what was listed.
//!
//! Appended before the answer and not fsynced: it survives `kill -9`, and may lose the last moments with the power.
//! A thread of its own does the writing (`writer`): a disk that hangs stops no registration.
//!
//! Both files begin with a magic word, a version and a generation; then come frames: length, CRC-32, JSON, the numbers
//! little-endian. A log belongs to the snapshot of its generation; one of an earlier generation is already in the
//! snapshot. An end that is cut off, or that the file system never filled (zeros), is dropped;
//! anything else that is wrong is an error, and the files stay untouched.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flate2::Crc;
use madang_base::{Code, Name};
use serde::{Deserialize, Serialize};

use crate::codes;
use crate::instance::{Face, Instance, InstanceId, Status};
use crate::registry::Override;

mod writer;

#[cfg(test)]
pub(crate) use writer::PATIENCE;
pub(crate) use writer::{GROUP, Ticket, Writer};

const MAGIC: &[u8; 8] = b"MADANGRG";
const VERSION: u32 = 1;
/// Magic, version, generation.
const HEADER: usize = 8 + 4 + 8;
const FRAME: usize = 8;
/// No entry is larger: an instance has at most 64 KiB of metadata, and texts with limits.
const MAX_ENTRY: usize = 1 << 20;
/// The log is compacted when it is larger than this, and than twice the snapshot.
const COMPACT_BYTES: u64 = 4 << 20;

/// One entry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "do")]
pub(crate) enum Entry {
    Register {
        service: String,
        face: Face,
        #[serde(with = "shared")]
        instance: Arc<Instance>,
        registered_ms: u64,
        up_ms: u64,
        /// The last word about its status, when that is not its own.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        word: Option<Status>,
    },
    Cancel {
        service: String,
        face: Face,
        id: InstanceId,
    },
    Override {
        service: String,
        id: InstanceId,
        overridden: Option<Override>,
        /// The word about its status that came with it. Without one, an override that is set leaves the word as it is,
        /// and one that is cleared gives the instance its own back.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        word: Option<Status>,
    },
}

/// A shared description as if it were not shared; serde's own way is a feature for one field.
mod shared {
    use super::{Arc, Deserialize, Instance, Serialize};

    pub(super) fn serialize<S: serde::Serializer>(one: &Arc<Instance>, serializer: S) -> Result<S::Ok, S::Error> {
        Instance::serialize(one, serializer)
    }

    pub(super) fn deserialize<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Arc<Instance>, D::Error> {
        Instance::deserialize(deserializer).map(Arc::new)
    }
}

/// A record of an earlier run.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Kept {
    pub(crate) service: Name,
    pub(crate) face: Face,
    pub(crate) instance: Arc<Instance>,
    pub(crate) registered_ms: u64,
    pub(crate) up_ms: u64,
    pub(crate) word: Option<Status>,
}

/// Why the registrations of an earlier run cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Not what we wrote.
    #[error("`{path}` is damaged at byte {at}; move it away and start again: living services register again")]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// Where.
        at: usize,
    },
    /// Written by a newer Madang.
    #[error("`{path}` has format {found}, this Madang knows up to {VERSION}; start the newer Madang or move it away")]
    Newer {
        /// Which file.
        path: PathBuf,
        /// Its version.
        found: u32,
    },
    /// The system refuses.
    #[error("cannot use `{path}`: {source}; check its owner and the disk")]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

impl OpenError {
    /// What explains it.
    #[must_use]
    pub const fn code(&self) -> &'static Code {
        match self {
            Self::Damaged { .. } => &codes::JOURNAL_DAMAGED,
            Self::Newer { .. } => &codes::JOURNAL_NEWER,
            Self::Io { .. } => &codes::JOURNAL_UNUSABLE,
        }
    }
}

/// The open log.
#[derive(Debug)]
pub(crate) struct Journal {
    folder: PathBuf,
    log: File,
    generation: u64,
    /// Bytes of the log that are whole.
    length: u64,
    snapshot_bytes: u64,
    /// An entry is missing on disk: only a compaction makes it true again.
    behind: bool,
    buffer: Vec<u8>,
}

impl Journal {
    /// Opens or creates the files in `folder`. Gives all entries, oldest first.
    pub(crate) fn open(folder: &Path) -> Result<(Self, Vec<Entry>), OpenError> {
        let (log_path, snapshot_path) = (folder.join("registry.log"), folder.join("registry.snapshot"));
        let (mut entries, mut generation, mut snapshot_bytes) = (Vec::new(), 0, 0);
        if let Some(bytes) = read(&snapshot_path)? {
            generation = header(&bytes, &snapshot_path)?;
            // A snapshot was whole before it got its name.
            let end = frames(&bytes, &snapshot_path, &mut entries)?;
            if end != bytes.len() {
                return Err(OpenError::Damaged { path: snapshot_path, at: end });
            }
            snapshot_bytes = bytes.len() as u64;
        }
        let mut length = 0;
        // A log shorter than its header was cut off while it was made: there was nothing in it.
        if let Some(bytes) = read(&log_path)?.filter(|bytes| bytes.len() >= HEADER || !is_torn_header(bytes)) {
            let of = header(&bytes, &log_path)?;
            if of > generation {
                return Err(OpenError::Damaged { path: log_path, at: 12 });
            }
            if of == generation {
                length = frames(&bytes, &log_path, &mut entries)? as u64;
            } else {
                // Its content is in the snapshot; it still must be ours to be replaced.
                frames(&bytes, &log_path, &mut Vec::new())?;
            }
        }
        let failed = |source| OpenError::Io { path: log_path.clone(), source };
        let mut log =
            OpenOptions::new().create(true).truncate(false).read(true).write(true).open(&log_path).map_err(failed)?;
        log.set_len(length).map_err(failed)?;
        if length == 0 {
            log.write_all(&head(generation)).map_err(failed)?;
            length = HEADER as u64;
        }
        log.seek(SeekFrom::Start(length)).map_err(failed)?;
        let folder = folder.to_owned();
        Ok((Self { folder, log, generation, length, snapshot_bytes, behind: false, buffer: Vec::new() }, entries))
    }

    /// Appends entries in one write. After a failure entries are skipped until a compaction has written everything again.
    pub(crate) fn append(&mut self, entries: &[Entry]) -> io::Result<()> {
        if self.behind {
            return Err(io::Error::other("an earlier registration is not on disk yet"));
        }
        self.buffer.clear();
        self.buffer.shrink_to(MAX_ENTRY);
        entries.iter().for_each(|entry| push(&mut self.buffer, entry));
        let written = self.log.write_all(&self.buffer);
        match &written {
            Ok(()) => self.length += self.buffer.len() as u64,
            Err(_) => {
                self.behind = true;
                let _ = self.log.set_len(self.length).and_then(|()| self.log.seek(SeekFrom::Start(self.length)));
            }
        }
        written
    }

    /// Whether it is time for [`Self::compact`].
    pub(crate) fn wants_compaction(&self) -> bool {
        self.behind || self.length > COMPACT_BYTES.max(2 * self.snapshot_bytes)
    }

    /// Writes everything into a new snapshot and begins a new log.
    pub(crate) fn compact(&mut self, entries: impl Iterator<Item = Entry>) -> io::Result<()> {
        let generation = self.generation + 1;
        let (_, snapshot_bytes) = self.replace("registry.snapshot", generation, entries)?;
        // From here on the old log counts as part of the snapshot, so nothing may go there.
        (self.generation, self.snapshot_bytes, self.behind) = (generation, snapshot_bytes, true);
        (self.log, self.length) = self.replace("registry.log", generation, std::iter::empty())?;
        self.behind = false;
        Ok(())
    }

    /// Writes a whole file under another name, then gives it its own. Entry by entry: a registry has many megabytes.
    fn replace(&self, name: &str, generation: u64, entries: impl Iterator<Item = Entry>) -> io::Result<(File, u64)> {
        let fresh = self.folder.join(format!("{name}.new"));
        let mut out = BufWriter::new(File::create(&fresh)?);
        let mut frame = head(generation);
        out.write_all(&frame)?;
        let mut length = frame.len() as u64;
        for entry in entries {
            frame.clear();
            push(&mut frame, &entry);
            out.write_all(&frame)?;
            length += frame.len() as u64;
        }
        let file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
        // The name must not reach the disk before the bytes: a snapshot that is not whole is an error.
        file.sync_data()?;
        fs::rename(&fresh, self.folder.join(name))?;
        Ok((file, length))
    }
}

fn read(path: &Path) -> Result<Option<Vec<u8>>, OpenError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(OpenError::Io { path: path.to_owned(), source }),
    }
}

fn head(generation: u64) -> Vec<u8> {
    [MAGIC.as_slice(), &VERSION.to_le_bytes(), &generation.to_le_bytes()].concat()
}

/// Whether this is the begin of a header of ours, and of nothing else.
fn is_torn_header(bytes: &[u8]) -> bool {
    let start = [MAGIC.as_slice(), &VERSION.to_le_bytes()].concat();
    bytes.len() < HEADER && bytes.iter().zip(&start).all(|(found, expected)| found == expected)
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn header(bytes: &[u8], path: &Path) -> Result<u64, OpenError> {
    let damaged = |at| OpenError::Damaged { path: path.to_owned(), at };
    if !bytes.starts_with(MAGIC) {
        return Err(damaged(0));
    }
    let version = word(bytes, 8).ok_or_else(|| damaged(8))?;
    if version > VERSION {
        return Err(OpenError::Newer { path: path.to_owned(), found: version });
    }
    let generation = bytes.get(12..HEADER).and_then(|bytes| bytes.try_into().ok()).map(u64::from_le_bytes);
    generation.filter(|_| version == VERSION).ok_or_else(|| damaged(8))
}

/// Reads frames up to the end, or up to one that is cut off. Gives where that is.
fn frames(bytes: &[u8], path: &Path, entries: &mut Vec<Entry>) -> Result<usize, OpenError> {
    let mut at = HEADER;
    // An entry ends in `}`. Zeros at the end are space that was given and, when the power went, not yet filled.
    let filled = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let bytes = bytes.get(..filled.max(HEADER)).unwrap_or(bytes);
    while let (Some(length), Some(sum)) = (word(bytes, at), word(bytes, at + 4)) {
        let damaged = || OpenError::Damaged { path: path.to_owned(), at };
        if length as usize > MAX_ENTRY {
            return Err(damaged());
        }
        let Some(payload) = bytes.get(at + FRAME..at + FRAME + length as usize) else { return Ok(at) };
        if checksum(payload) != sum {
            return Err(damaged());
        }
        entries.push(serde_json::from_slice(payload).map_err(|_| damaged())?);
        at += FRAME + payload.len();
    }
    Ok(at)
}

fn push(out: &mut Vec<u8>, entry: &Entry) {
    let start = out.len();
    out.extend([0; FRAME]);
    // Texts and numbers always fit into JSON.
    let _ = serde_json::to_writer(&mut *out, entry);
    let Some((frame, payload)) = out.get_mut(start..).and_then(|new| new.split_first_chunk_mut::<FRAME>()) else {
        return;
    };
    let (length, sum) = (u32::try_from(payload.len()).unwrap_or(u32::MAX), checksum(payload));
    *frame = (u64::from(sum) << 32 | u64::from(length)).to_le_bytes();
}

fn checksum(payload: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(payload);
    crc.sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instance::testing::instance;

    fn register(id: &str) -> Entry {
        let instance = Arc::new(instance(id, 80));
        Entry::Register {
            service: "orders".to_owned(),
            face: Face::new("eureka"),
            instance,
            registered_ms: 1,
            up_ms: 2,
            word: None,
        }
    }

    fn written(entries: &[Entry]) -> (tempfile::TempDir, Vec<u8>) {
        let folder = tempfile::tempdir().unwrap();
        let (mut journal, _) = Journal::open(folder.path()).unwrap();
        entries.iter().for_each(|entry| journal.append(std::slice::from_ref(entry)).unwrap());
        let bytes = fs::read(folder.path().join("registry.log")).unwrap();
        (folder, bytes)
    }

    #[test]
    fn a_log_torn_at_any_byte_opens_with_the_entries_before() {
        let all = [register("a"), register("b")];
        let (folder, bytes) = written(&all);
        let second = HEADER + written(&all[..1]).1.len() - HEADER;
        for cut in 0..=bytes.len() {
            fs::write(folder.path().join("registry.log"), &bytes[..cut]).unwrap();
            let (mut journal, found) = Journal::open(folder.path()).unwrap();
            let expected = if cut == bytes.len() { 2 } else { usize::from(cut >= second) };
            assert_eq!(found, all[..expected], "cut at {cut}");
            journal.append(&[register("c")]).unwrap();
            let (_, found) = Journal::open(folder.path()).unwrap();
            assert_eq!(found.len(), expected + 1, "cut at {cut}, and written on");
        }
    }

    #[test]
    fn a_tail_of_zeros_is_a_torn_one() {
        let (folder, bytes) = written(&[register("a"), register("b")]);
        let first = written(&[register("a")]).1.len();
        for (kept, expected) in
            [(bytes.len(), 2), (bytes.len() - 1, 1), (first + 6, 1), (first, 1), (HEADER + 9, 0), (HEADER, 0)]
        {
            let mut padded = bytes[..kept].to_vec();
            padded.resize(bytes.len() + 4096, 0);
            fs::write(folder.path().join("registry.log"), &padded).unwrap();
            let (mut journal, found) = Journal::open(folder.path()).unwrap();
            assert_eq!(found.len(), expected, "{kept} bytes kept");
            journal.append(&[register("c")]).unwrap();
            assert_eq!(
                Journal::open(folder.path()).unwrap().1.len(),
                expected + 1,
                "{kept} bytes kept, and written on"
            );
        }
    }

    #[test]
    fn a_damaged_or_newer_file_is_refused_and_stays() {
        let (folder, bytes) = written(&[register("a")]);
        for (at, code) in
            [(0, "MD0601"), (8, "MD0602"), (HEADER + 3, "MD0601"), (HEADER + 5, "MD0601"), (HEADER + 20, "MD0601")]
        {
            for name in ["registry.log", "registry.snapshot"] {
                let mut changed = bytes.clone();
                changed[at] ^= 0x7f;
                fs::remove_file(folder.path().join("registry.snapshot")).ok();
                fs::write(folder.path().join("registry.log"), &bytes).unwrap();
                fs::write(folder.path().join(name), &changed).unwrap();
                assert_eq!(Journal::open(folder.path()).unwrap_err().code().id, code, "{name} at {at}");
                assert_eq!(fs::read(folder.path().join(name)).unwrap(), changed, "{name} at {at}");
            }
        }
    }

    #[test]
    fn a_crash_between_snapshot_and_log_loses_and_doubles_nothing() {
        let (folder, old_log) = written(&[register("a"), register("b")]);
        let (mut journal, entries) = Journal::open(folder.path()).unwrap();
        journal.compact(entries.into_iter()).unwrap();
        fs::write(folder.path().join("registry.log"), old_log).unwrap();
        let (_, found) = Journal::open(folder.path()).unwrap();
        assert_eq!(found, [register("a"), register("b")]);
    }
}
