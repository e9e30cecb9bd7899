//! What can go wrong: opening, asking, watching.

use std::path::PathBuf;

use madang_base::Code;

use crate::codes;
use crate::model::{LeaseId, Revision};
use crate::txn::{MAX_OPERATIONS, MAX_TXN_BYTES};

/// Why a store's file is not opened. Nothing in it was changed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process, or another store of this one, has it.
    #[error("{} has the store `{}` open", owner(*.pid), .path.display())]
    InUse {
        /// The file.
        path: PathBuf,
        /// Who, when that can be known.
        pid: Option<u32>,
    },
    /// It is not what was written.
    #[error("the store `{}` is damaged: {cause}", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        cause: String,
    },
    /// A later version wrote it.
    #[error("the store `{}` has layout {found}, this Madang knows layouts up to {known}", .path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// The layout it has.
        found: u64,
        /// The last one that is known.
        known: u64,
    },
    /// The system refuses.
    #[error("cannot use the store `{}`: {cause}", .path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// The system's words.
        cause: String,
    },
}

fn owner(pid: Option<u32>) -> String {
    pid.map_or_else(|| "another Madang".to_owned(), |pid| format!("another Madang (pid {pid})"))
}

impl OpenError {
    /// What explains it.
    #[must_use]
    pub const fn code(&self) -> &'static Code {
        match self {
            Self::InUse { .. } => &codes::IN_USE,
            Self::Damaged { .. } => &codes::DAMAGED,
            Self::Newer { .. } => &codes::NEWER,
            Self::Unusable { .. } => &codes::UNUSABLE,
        }
    }

    /// What to do.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::InUse { pid: Some(pid), .. } => format!("use the one that runs, or stop it (`kill {pid}`)"),
            Self::InUse { pid: None, .. } => "use the one that runs, or stop it".to_owned(),
            Self::Damaged { path, .. } => {
                format!("put back a copy, or move `{}` away to begin with an empty store", path.display())
            }
            Self::Newer { .. } => "start the version of Madang that wrote it, or a later one".to_owned(),
            Self::Unusable { .. } => "give it to the user Madang runs as, and see whether the disk is full".to_owned(),
        }
    }
}

/// Why something asked of a store was not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Too many compares or operations.
    #[error("a transaction of {count} operations; {MAX_OPERATIONS} is the most")]
    TooManyOperations {
        /// As many.
        count: usize,
    },
    /// Too many bytes.
    #[error("a transaction of {bytes} bytes; {MAX_TXN_BYTES} is the most")]
    TooLarge {
        /// As many.
        bytes: usize,
    },
    /// A key is written twice.
    #[error("a transaction writes the key `{key}` twice")]
    KeyTwice {
        /// Which.
        key: String,
    },
    /// A key of no bytes.
    #[error("a transaction puts an empty key")]
    EmptyKey,
    /// No room.
    #[error("the store is full: {bytes} bytes would be held, {cap} is the most")]
    Full {
        /// What would be held with the write.
        bytes: u64,
        /// The most.
        cap: u64,
    },
    /// No such lease.
    #[error("there is no lease {lease}")]
    NoLease {
        /// Which.
        lease: LeaseId,
    },
    /// The revision asked for is not known here.
    #[error("revision {wanted} is not known here; the last one is {known}")]
    Behind {
        /// As asked for.
        wanted: Revision,
        /// The last one.
        known: Revision,
    },
    /// Writing failed, now or before; reads go on.
    #[error("the store takes no more writes: {cause}")]
    Failed {
        /// What happened.
        cause: String,
    },
    /// It was closed.
    #[error("the store is closed")]
    Ended,
}

impl StoreError {
    /// What explains it.
    #[must_use]
    pub const fn code(&self) -> &'static Code {
        match self {
            Self::TooManyOperations { .. } => &codes::TOO_MANY_OPERATIONS,
            Self::TooLarge { .. } => &codes::TOO_LARGE,
            Self::KeyTwice { .. } => &codes::KEY_TWICE,
            Self::EmptyKey => &codes::EMPTY_KEY,
            Self::Full { .. } => &codes::FULL,
            Self::NoLease { .. } => &codes::NO_LEASE,
            Self::Behind { .. } => &codes::BEHIND,
            Self::Failed { .. } => &codes::FAILED,
            Self::Ended => &codes::ENDED,
        }
    }
}

/// Why a watch gives no more changes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WatchError {
    /// What it needs is forgotten: range again, and watch from the next revision.
    #[error("changes up to revision {compacted} are forgotten; read the range again")]
    Compacted {
        /// The last revision whose changes are gone.
        compacted: Revision,
    },
    /// The store was closed.
    #[error("the store is closed")]
    Ended,
}

impl WatchError {
    /// What explains it.
    #[must_use]
    pub const fn code(&self) -> &'static Code {
        match self {
            Self::Compacted { .. } => &codes::COMPACTED,
            Self::Ended => &codes::ENDED,
        }
    }
}
