//! Transactions: compare, then do one list of operations or the other, all at once.
//!
//! The limits are etcd's, on every backend, so that what works on a laptop works on a cluster.

use bytes::Bytes;

use crate::error::StoreError;
use crate::model::{Item, KeyRange, LeaseId, Revision};

/// Most compares, and most operations of either list (etcd: `--max-txn-ops`).
pub const MAX_OPERATIONS: usize = 128;

/// Most bytes of keys and values in one transaction, 1.5 MiB (etcd: `--max-request-bytes`).
pub const MAX_TXN_BYTES: usize = 1536 * 1024;

/// Counted for each compare and operation beside its bytes.
const PART_BYTES: usize = 16;

/// What is asked for as one step. An empty one is fine and changes nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Txn {
    /// All must be true for `then`.
    pub when: Vec<Compare>,
    /// Done when all compares are true.
    pub then: Vec<Op>,
    /// Done when one is false.
    pub or_else: Vec<Op>,
}

impl Txn {
    /// With nothing to compare and nothing to do.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// With one more compare.
    #[must_use]
    pub fn when(mut self, compare: Compare) -> Self {
        self.when.push(compare);
        self
    }

    /// With one more operation for when all compares are true.
    #[must_use]
    pub fn then(mut self, op: Op) -> Self {
        self.then.push(op);
        self
    }

    /// With one more operation for when a compare is false.
    #[must_use]
    pub fn or_else(mut self, op: Op) -> Self {
        self.or_else.push(op);
        self
    }

    /// Bytes of all keys and values, and 16 for each part.
    #[must_use]
    pub fn size(&self) -> usize {
        let compares = self.when.iter().map(|compare| PART_BYTES + compare.key.len() + compare.target.size());
        let ops = self.then.iter().chain(&self.or_else).map(|op| PART_BYTES + op.size());
        compares.chain(ops).sum()
    }

    /// Whether every backend takes it.
    ///
    /// # Errors
    /// The limit it breaks: [`StoreError::TooManyOperations`], [`StoreError::TooLarge`], [`StoreError::EmptyKey`],
    /// [`StoreError::KeyTwice`].
    pub fn check(&self) -> Result<(), StoreError> {
        for count in [self.when.len(), self.then.len(), self.or_else.len()] {
            if count > MAX_OPERATIONS {
                return Err(StoreError::TooManyOperations { count });
            }
        }
        let bytes = self.size();
        if bytes > MAX_TXN_BYTES {
            return Err(StoreError::TooLarge { bytes });
        }
        check_keys(&self.then)?;
        check_keys(&self.or_else)
    }
}

/// A key is written once: two puts of it, or a put and a delete, have no order etcd would promise.
fn check_keys(ops: &[Op]) -> Result<(), StoreError> {
    let mut keys: Vec<&Bytes> = ops.iter().filter_map(Op::put_key).collect();
    keys.sort_unstable();
    if keys.first().is_some_and(|key| key.is_empty()) {
        return Err(StoreError::EmptyKey);
    }
    let twice = |key: &Bytes| StoreError::KeyTwice { key: String::from_utf8_lossy(key).into_owned() };
    if let Some(pair) = keys.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(twice(pair[0]));
    }
    for op in ops {
        let Op::Delete(range) = op else { continue };
        if let Some(key) = keys.iter().find(|key| range.contains(key)) {
            return Err(twice(key));
        }
    }
    Ok(())
}

/// One operation of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// Puts one key.
    Put {
        /// Not empty.
        key: Bytes,
        /// Its new value.
        value: Bytes,
        /// It ends with this lease; none takes it off the lease it had.
        lease: Option<LeaseId>,
    },
    /// Deletes all keys of a range.
    Delete(KeyRange),
    /// Reads a range as it is after the operations before it.
    Range {
        /// Which keys.
        range: KeyRange,
        /// No more than this; 0 is all.
        limit: usize,
    },
}

impl Op {
    /// Puts one key without a lease.
    #[must_use]
    pub fn put(key: impl Into<Bytes>, value: impl Into<Bytes>) -> Self {
        Self::Put { key: key.into(), value: value.into(), lease: None }
    }

    /// Puts one key that ends with `lease`.
    #[must_use]
    pub fn put_leased(key: impl Into<Bytes>, value: impl Into<Bytes>, lease: LeaseId) -> Self {
        Self::Put { key: key.into(), value: value.into(), lease: Some(lease) }
    }

    /// Deletes one key.
    #[must_use]
    pub fn delete(key: impl Into<Bytes>) -> Self {
        Self::Delete(KeyRange::key(key))
    }

    /// Reads a range.
    #[must_use]
    pub const fn range(range: KeyRange) -> Self {
        Self::Range { range, limit: 0 }
    }

    fn put_key(&self) -> Option<&Bytes> {
        match self {
            Self::Put { key, .. } => Some(key),
            Self::Delete(_) | Self::Range { .. } => None,
        }
    }

    fn size(&self) -> usize {
        match self {
            Self::Put { key, value, .. } => key.len() + value.len(),
            Self::Delete(range) | Self::Range { range, .. } => range.size(),
        }
    }
}

/// A question about one key, answered inside the transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compare {
    /// The key asked about.
    pub key: Bytes,
    /// How what is there relates to the target.
    pub relation: Relation,
    /// What it is compared with.
    pub target: Target,
}

/// How what is there relates to what is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    /// The same.
    Equal,
    /// Another.
    NotEqual,
    /// What is there is less.
    Less,
    /// What is there is more.
    Greater,
}

/// What of a key is compared, and with what. A key that is not there has version and revisions 0, and no value: a
/// compare of its value is false, whatever the relation (etcd does so too).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// How often it was put.
    Version(u64),
    /// The write that made it.
    Created(Revision),
    /// The last write that put it.
    Modified(Revision),
    /// Its value, compared byte by byte.
    Value(Bytes),
}

impl Target {
    fn size(&self) -> usize {
        match self {
            Self::Version(_) | Self::Created(_) | Self::Modified(_) => 0,
            Self::Value(value) => value.len(),
        }
    }
}

impl Compare {
    /// `key` is there.
    #[must_use]
    pub fn exists(key: impl Into<Bytes>) -> Self {
        Self { key: key.into(), relation: Relation::Greater, target: Target::Version(0) }
    }

    /// `key` is not there.
    #[must_use]
    pub fn absent(key: impl Into<Bytes>) -> Self {
        Self { key: key.into(), relation: Relation::Equal, target: Target::Version(0) }
    }

    /// `key` was last put by this write, and not since.
    #[must_use]
    pub fn modified_at(key: impl Into<Bytes>, revision: Revision) -> Self {
        Self { key: key.into(), relation: Relation::Equal, target: Target::Modified(revision) }
    }

    /// `key` has this value.
    #[must_use]
    pub fn value_is(key: impl Into<Bytes>, value: impl Into<Bytes>) -> Self {
        Self { key: key.into(), relation: Relation::Equal, target: Target::Value(value.into()) }
    }

    /// Whether it is true of `item`, which is what its key is now.
    #[must_use]
    pub fn holds(&self, item: Option<&Item>) -> bool {
        let order = match &self.target {
            Target::Version(asked) => item.map_or(0, |item| item.version).cmp(asked),
            Target::Created(asked) => item.map_or(Revision(0), |item| item.created).cmp(asked),
            Target::Modified(asked) => item.map_or(Revision(0), |item| item.modified).cmp(asked),
            Target::Value(asked) => match item {
                Some(item) => item.value.cmp(asked),
                None => return false,
            },
        };
        match self.relation {
            Relation::Equal => order.is_eq(),
            Relation::NotEqual => order.is_ne(),
            Relation::Less => order.is_lt(),
            Relation::Greater => order.is_gt(),
        }
    }
}

/// What came of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TxnAnswer {
    /// Whether all compares were true.
    pub succeeded: bool,
    /// The store's revision after it. A new one only when something was put or deleted.
    pub revision: Revision,
    /// One for each operation of the list that was done.
    pub answers: Vec<OpAnswer>,
}

/// What came of one operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OpAnswer {
    /// It was put.
    Put,
    /// So many keys were deleted.
    Deleted(usize),
    /// What was read.
    Range(RangeAnswer),
}

/// What was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RangeAnswer {
    /// The store's revision it shows. A watch from the next one misses nothing.
    pub revision: Revision,
    /// In the order of the keys.
    pub items: Vec<Item>,
    /// How many keys the range has, also those beyond the limit.
    pub count: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_that_breaks_a_limit_is_told_which() {
        let puts = |count: usize| (0..count).map(|number| Op::put(format!("k{number}"), "v")).collect::<Vec<_>>();
        let compares = |count| vec![Compare::exists("a"); count];
        for (txn, expected) in [
            (Txn::new(), None),
            (Txn { when: compares(128), then: puts(128), or_else: puts(128) }, None),
            (Txn { then: puts(129), ..Txn::new() }, Some("MD0707")),
            (Txn { or_else: puts(129), ..Txn::new() }, Some("MD0707")),
            (Txn { when: compares(129), ..Txn::new() }, Some("MD0707")),
            (Txn::new().then(Op::put("a", vec![0; MAX_TXN_BYTES - 1 - PART_BYTES])), None),
            (Txn::new().then(Op::put("a", vec![0; MAX_TXN_BYTES - PART_BYTES])), Some("MD0708")),
            (Txn::new().then(Op::put("a", "1")).then(Op::put("a", "2")), Some("MD0709")),
            (Txn::new().then(Op::put("a", "1")).or_else(Op::put("a", "2")), None),
            (Txn::new().then(Op::put("a/b", "1")).then(Op::Delete(KeyRange::prefix("a/"))), Some("MD0709")),
            (Txn::new().then(Op::delete("a")).then(Op::Delete(KeyRange::prefix("a"))), None),
            (Txn::new().then(Op::put("", "1")), Some("MD0710")),
        ] {
            let found = txn.check().err().map(|error| error.code().id);
            assert_eq!(found, expected, "{} operations", txn.then.len() + txn.or_else.len());
        }
    }

    #[test]
    fn compares_of_a_missing_key_are_as_in_etcd() {
        for (relation, version, value) in [
            (Relation::Equal, true, false),
            (Relation::NotEqual, false, false),
            (Relation::Less, false, false),
            (Relation::Greater, false, false),
        ] {
            let of = |target| Compare { key: "a".into(), relation, target }.holds(None);
            assert_eq!(of(Target::Version(0)), version, "{relation:?}");
            assert_eq!(of(Target::Modified(Revision(0))), version, "{relation:?}");
            assert_eq!(of(Target::Value("".into())), value, "{relation:?}");
        }
    }
}
