//! The handle everybody holds, and the trait behind it.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::error::StoreError;
use crate::model::{Item, KeyRange, LeaseId, Revision};
use crate::txn::{Op, RangeAnswer, Txn, TxnAnswer};
use crate::watch::Watch;

/// What a backend promises to answer.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// How new a read must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Read {
    /// As new as this process knows; never waits.
    #[default]
    Local,
    /// Shows this write and all before it; waits for them for a while.
    AtLeast(Revision),
}

/// A place that holds keys. One suite (`tests/contract.rs`) says what each has to do; [`Store`] says it in words.
pub trait Backend: Send + Sync + 'static {
    /// See [`Store::range`]; no more than `limit` items, 0 is all.
    fn range(&self, range: KeyRange, limit: usize, read: Read) -> Answer<'_, Result<RangeAnswer, StoreError>>;
    /// See [`Store::txn`].
    fn txn(&self, txn: Txn) -> Answer<'_, Result<TxnAnswer, StoreError>>;
    /// See [`Store::watch`].
    ///
    /// # Errors
    /// [`StoreError::Ended`].
    fn watch(&self, range: KeyRange, from: Revision) -> Result<Watch, StoreError>;
    /// See [`Store::grant`].
    fn grant(&self, ttl: Duration) -> Answer<'_, Result<LeaseId, StoreError>>;
    /// See [`Store::keep_alive`].
    fn keep_alive(&self, lease: LeaseId) -> Answer<'_, Result<Duration, StoreError>>;
    /// See [`Store::revoke`].
    fn revoke(&self, lease: LeaseId) -> Answer<'_, Result<Revision, StoreError>>;
    /// See [`Store::compact`].
    fn compact(&self, to: Revision) -> Answer<'_, Result<(), StoreError>>;
    /// See [`Store::revision`].
    fn revision(&self) -> Revision;
    /// See [`Store::close`].
    fn close(&self) -> Answer<'_, ()>;
}

/// A store. Clones are the same one.
#[derive(Clone)]
pub struct Store(Arc<dyn Backend>);

impl Store {
    /// Over any backend.
    pub fn new(backend: impl Backend) -> Self {
        Self(Arc::new(backend))
    }

    /// All keys of a range, in order, as they are at one revision.
    ///
    /// # Errors
    /// [`StoreError::Behind`] when the revision asked for does not come; a `Local` read does not fail.
    pub async fn range(&self, range: KeyRange, read: Read) -> Result<RangeAnswer, StoreError> {
        self.0.range(range, 0, read).await
    }

    /// The first `limit` keys of a range; 0 is all.
    ///
    /// # Errors
    /// As [`Self::range`].
    pub async fn range_first(&self, range: KeyRange, limit: usize, read: Read) -> Result<RangeAnswer, StoreError> {
        self.0.range(range, limit, read).await
    }

    /// One key.
    ///
    /// # Errors
    /// As [`Self::range`].
    pub async fn get(&self, key: impl Into<Bytes>, read: Read) -> Result<Option<Item>, StoreError> {
        Ok(self.range(KeyRange::key(key), read).await?.items.pop())
    }

    /// Compares and does, all at once; answers when it is on disk and every read shows it. Once it is under way it
    /// happens, also when nobody waits for the answer any more.
    ///
    /// # Errors
    /// A limit it breaks ([`Txn::check`]), [`StoreError::Full`], [`StoreError::NoLease`]: nothing has changed.
    /// [`StoreError::Failed`]: it may be there after the next start.
    pub async fn txn(&self, txn: Txn) -> Result<TxnAnswer, StoreError> {
        self.0.txn(txn).await
    }

    /// Puts one key, whatever it was; the revision is the write's.
    ///
    /// # Errors
    /// As [`Self::txn`].
    pub async fn put(&self, key: impl Into<Bytes>, value: impl Into<Bytes>) -> Result<Revision, StoreError> {
        Ok(self.txn(Txn::new().then(Op::put(key, value))).await?.revision)
    }

    /// Deletes a range; the revision is a new one only when there was something to delete.
    ///
    /// # Errors
    /// As [`Self::txn`].
    pub async fn delete(&self, range: KeyRange) -> Result<Revision, StoreError> {
        Ok(self.txn(Txn::new().then(Op::Delete(range))).await?.revision)
    }

    /// Every change of a key that begins with `prefix`, from the write `from` on, once and in order. Range first, then
    /// watch from the next revision, and nothing is missed.
    ///
    /// # Errors
    /// [`StoreError::Ended`].
    pub fn watch(&self, prefix: impl Into<Bytes>, from: Revision) -> Result<Watch, StoreError> {
        self.0.watch(KeyRange::prefix(prefix), from)
    }

    /// A lease: keys put with it are deleted, in one write, when nobody keeps it alive for `ttl`. Whole seconds,
    /// rounded up, 1 s at least. After a restart it has its full time again.
    ///
    /// # Errors
    /// As [`Self::txn`].
    pub async fn grant(&self, ttl: Duration) -> Result<LeaseId, StoreError> {
        self.0.grant(ttl).await
    }

    /// Gives a lease its full time again, and says how long that is. Needs no disk.
    ///
    /// # Errors
    /// [`StoreError::NoLease`] when it ended or never was.
    pub async fn keep_alive(&self, lease: LeaseId) -> Result<Duration, StoreError> {
        self.0.keep_alive(lease).await
    }

    /// Ends a lease and deletes its keys, in one write.
    ///
    /// # Errors
    /// [`StoreError::NoLease`], and as [`Self::txn`].
    pub async fn revoke(&self, lease: LeaseId) -> Result<Revision, StoreError> {
        self.0.revoke(lease).await
    }

    /// Forgets how the store came to be what it is at `to`; what it is stays. Watches that need it range again. Happens
    /// by itself too.
    ///
    /// # Errors
    /// [`StoreError::Behind`] when there is no such revision yet.
    pub async fn compact(&self, to: Revision) -> Result<(), StoreError> {
        self.0.compact(to).await
    }

    /// The last write this process knows of.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.0.revision()
    }

    /// Does what is under way, ends watches and lets go of the file. Also the last handle does, when it is dropped.
    pub async fn close(&self) {
        self.0.close().await;
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("revision", &self.revision()).finish_non_exhaustive()
    }
}
