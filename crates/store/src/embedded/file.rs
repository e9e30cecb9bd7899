//! The file: three tables in redb, read whole when it is opened and only written after that.
//!
//! A new file is made under another name, synced and renamed, so that a crash while it is made leaves none that is half
//! made. Every commit saves redb's own state and is done in two phases, so that after a kill the last commit is whole or
//! never was, and damage is told instead of taken for an unfinished commit.

use std::fs::{self, File};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use redb::{
    Builder, Database, DatabaseError, ReadableDatabase as _, ReadableTable as _, StorageBackend, StorageError,
    TableDefinition, TableError,
};

use super::draft::Batch;
use super::owner::beside;
use super::state::Items;
use crate::error::OpenError;
use crate::model::{Item, LeaseId, Revision};

/// The layout this version writes. Earlier ones stay readable.
const LAYOUT: u64 = 1;

/// Numbers by name: [`LAYOUT_KEY`], [`REVISION_KEY`], [`NEXT_LEASE_KEY`].
const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
const LAYOUT_KEY: &str = "layout";
const REVISION_KEY: &str = "revision";
const NEXT_LEASE_KEY: &str = "next_lease";

/// Keys, and rows as `encode` makes them.
const ITEMS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("items");

/// Leases, and their full time in seconds.
const LEASES: TableDefinition<'_, u64, u64> = TableDefinition::new("leases");

/// created, modified, version, lease (0 is none): 8 bytes each, little end first.
const ROW_HEAD: usize = 32;

/// Pages redb keeps: everything is in memory anyway, this is for writing.
const CACHE_BYTES: usize = 16 << 20;

pub(super) struct StoreFile(Database);

/// What a file holds.
#[derive(Debug, Default)]
pub(super) struct Content {
    pub(super) items: Items,
    pub(super) leases: Vec<(LeaseId, Duration)>,
    pub(super) revision: Revision,
    pub(super) next_lease: u64,
}

impl StoreFile {
    /// Opens the file, or makes it.
    pub(super) fn open(path: &Path) -> Result<(Self, Content), OpenError> {
        let trouble = |error: Trouble| error.at(path);
        match fs::symlink_metadata(path) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => make(path).map_err(trouble)?,
            Err(error) => return Err(trouble(error.into())),
        }
        contained(|| Self::load(builder().open(path)?)).map_err(trouble)
    }

    /// Opens what `backend` holds; an empty one is a new store.
    pub(super) fn open_on(backend: impl StorageBackend) -> Result<(Self, Content), OpenError> {
        let opened = contained(|| {
            let is_new = backend.len()? == 0;
            let database = builder().create_with_backend(backend)?;
            if is_new {
                initialize(&database)?;
            }
            Self::load(database)
        });
        opened.map_err(|error| error.at(Path::new("memory")))
    }

    fn load(database: Database) -> Result<(Self, Content), Trouble> {
        let read = database.begin_read()?;
        let meta = read.open_table(META)?;
        let number = |key| meta.get(key).map(|found| found.map(|number| number.value()));
        match number(LAYOUT_KEY)? {
            Some(LAYOUT) => {}
            Some(found) if found > LAYOUT => return Err(Trouble::Newer(found)),
            _ => return Err(Trouble::Damaged("it does not say which layout it has".to_owned())),
        }
        let mut content = Content {
            revision: Revision(number(REVISION_KEY)?.unwrap_or(0)),
            next_lease: number(NEXT_LEASE_KEY)?.unwrap_or(1),
            ..Content::default()
        };
        for row in read.open_table(ITEMS)?.iter()? {
            let (key, row) = row?;
            let item = decode(key.value(), row.value())
                .ok_or_else(|| Trouble::Damaged("a row is shorter than a row can be".to_owned()))?;
            content.items.insert(item.key.clone(), item);
        }
        for row in read.open_table(LEASES)?.iter()? {
            let (lease, seconds) = row?;
            content.leases.push((LeaseId(lease.value()), Duration::from_secs(seconds.value())));
        }
        drop(read);
        Ok((Self(database), content))
    }

    /// Writes all of a batch and waits until it is on disk.
    ///
    /// # Errors
    /// Why it is not known to be, in words.
    pub(super) fn commit(&self, batch: &Batch) -> Result<(), String> {
        contained(|| {
            let mut write = self.0.begin_write()?;
            write.set_quick_repair(true);
            {
                let mut items = write.open_table(ITEMS)?;
                let mut row = Vec::new();
                for (key, item) in &batch.items {
                    match item {
                        Some(item) => {
                            encode(item, &mut row);
                            items.insert(&**key, &*row)?;
                        }
                        None => {
                            items.remove(&**key)?;
                        }
                    }
                }
                let mut leases = write.open_table(LEASES)?;
                for lease in &batch.ended {
                    leases.remove(lease.0)?;
                }
                for (lease, ttl) in &batch.granted {
                    leases.insert(lease.0, ttl.as_secs())?;
                }
                let mut meta = write.open_table(META)?;
                meta.insert(REVISION_KEY, batch.revision.0)?;
                meta.insert(NEXT_LEASE_KEY, batch.next_lease)?;
            }
            write.commit()?;
            Ok(())
        })
        .map_err(|error: Trouble| error.words())
    }
}

fn builder() -> Builder {
    let mut builder = Builder::new();
    // Without the check a damaged file is trusted, or ends the process. The whole file is read anyway.
    builder.set_cache_size(CACHE_BYTES).set_check_integrity_on_open(true);
    builder
}

/// A new file, whole or not at all.
fn make(path: &Path) -> Result<(), Trouble> {
    let new = beside(path, ".new");
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    contained(|| {
        let database = builder().create(&new)?;
        initialize(&database)?;
        database.close()?;
        Ok(())
    })?;
    fs::rename(&new, path)?;
    let folder = match path.parent() {
        Some(parent) if parent != Path::new("") => parent.to_owned(),
        _ => PathBuf::from("."),
    };
    File::open(folder)?.sync_all()?;
    Ok(())
}

fn initialize(database: &Database) -> Result<(), Trouble> {
    let mut write = database.begin_write()?;
    write.set_quick_repair(true);
    write.open_table(META)?.insert(LAYOUT_KEY, LAYOUT)?;
    write.open_table(ITEMS)?;
    write.open_table(LEASES)?;
    write.commit()?;
    Ok(())
}

fn encode(item: &Item, row: &mut Vec<u8>) {
    row.clear();
    for number in [item.created.0, item.modified.0, item.version, item.lease.map_or(0, |lease| lease.0)] {
        row.extend_from_slice(&number.to_le_bytes());
    }
    row.extend_from_slice(&item.value);
}

fn decode(key: &[u8], row: &[u8]) -> Option<Item> {
    let (head, value) = row.split_at_checked(ROW_HEAD)?;
    let mut numbers = head.chunks_exact(8).filter_map(|bytes| Some(u64::from_le_bytes(bytes.try_into().ok()?)));
    let mut number = || numbers.next();
    Some(Item {
        key: Bytes::copy_from_slice(key),
        created: Revision(number()?),
        modified: Revision(number()?),
        version: number()?,
        lease: Some(number()?).filter(|lease| *lease != 0).map(LeaseId),
        value: Bytes::copy_from_slice(value),
    })
}

/// What the file did not do.
enum Trouble {
    InUse,
    Damaged(String),
    Newer(u64),
    System(String),
}

impl Trouble {
    fn at(self, path: &Path) -> OpenError {
        let path = path.to_owned();
        match self {
            // The owner's lock is taken before: whoever this is, it is not a store that left its name.
            Self::InUse => OpenError::InUse { path, pid: None },
            Self::Damaged(cause) => OpenError::Damaged { path, cause },
            Self::Newer(found) => OpenError::Newer { path, found, known: LAYOUT },
            Self::System(cause) => OpenError::Unusable { path, cause },
        }
    }

    fn words(self) -> String {
        match self {
            Self::InUse => "another process has the file".to_owned(),
            Self::Newer(found) => format!("it has layout {found}"),
            Self::Damaged(cause) | Self::System(cause) => cause,
        }
    }
}

/// A damaged page may make redb panic where it could answer; that is damage, not the end of Madang.
fn contained<T>(work: impl FnOnce() -> Result<T, Trouble>) -> Result<T, Trouble> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(Trouble::Damaged("a page of it makes no sense".to_owned())))
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            // How redb says that it is no file of its own, or is too short.
            io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => Self::Damaged(error.to_string()),
            _ => Self::System(error.to_string()),
        }
    }
}

impl From<StorageError> for Trouble {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::Io(error) => error.into(),
            StorageError::Corrupted(cause) => Self::Damaged(cause),
            other => Self::System(other.to_string()),
        }
    }
}

impl From<DatabaseError> for Trouble {
    fn from(error: DatabaseError) -> Self {
        match error {
            DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => Self::InUse,
            DatabaseError::RepairAborted | DatabaseError::UpgradeRequired(_) => Self::Damaged(error.to_string()),
            DatabaseError::Storage(error) => error.into(),
            other => Self::System(other.to_string()),
        }
    }
}

impl From<TableError> for Trouble {
    fn from(error: TableError) -> Self {
        match error {
            TableError::Storage(error) => error.into(),
            other => Self::Damaged(other.to_string()),
        }
    }
}

impl From<redb::TransactionError> for Trouble {
    fn from(error: redb::TransactionError) -> Self {
        match error {
            redb::TransactionError::Storage(error) => error.into(),
            other => Self::System(other.to_string()),
        }
    }
}

impl From<redb::CommitError> for Trouble {
    fn from(error: redb::CommitError) -> Self {
        match error {
            redb::CommitError::Storage(error) => error.into(),
            other => Self::System(other.to_string()),
        }
    }
}
