//! The values everybody shares: keys, ranges of keys, revisions, and what changed.
//!
//! Keys and values are bytes; clones of them share memory.

use std::fmt;
use std::ops::Bound;

use bytes::Bytes;

/// The state of the store after one write. The first write makes revision 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Revision(pub u64);

impl Revision {
    /// The revision of the next write: where a watch goes on after a range.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A lease; its number is never given away again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeaseId(pub u64);

impl fmt::Display for LeaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A key with what is known about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// The key.
    pub key: Bytes,
    /// Its value.
    pub value: Bytes,
    /// The write that made it; a key that was deleted and put again is made again.
    pub created: Revision,
    /// The last write that put it.
    pub modified: Revision,
    /// How often it was put since it was made, from 1 on.
    pub version: u64,
    /// The lease it ends with.
    pub lease: Option<LeaseId>,
}

/// What one write did, as far as a watch asked for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The write.
    pub revision: Revision,
    /// In the order of the operations; each key once.
    pub events: Vec<Event>,
}

/// What became of one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// It was put.
    Put(Item),
    /// It was deleted, or its lease ended.
    Delete {
        /// The key.
        key: Bytes,
    },
}

impl Event {
    /// The key.
    #[must_use]
    pub const fn key(&self) -> &Bytes {
        match self {
            Self::Put(item) => &item.key,
            Self::Delete { key } => key,
        }
    }
}

/// Keys from one on and before another, in the order of their bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRange {
    start: Bytes,
    /// None is no end.
    end: Option<Bytes>,
}

impl KeyRange {
    /// One key.
    #[must_use]
    pub fn key(key: impl Into<Bytes>) -> Self {
        let start = key.into();
        let end = [&start, &b"\0"[..]].concat();
        Self { start, end: Some(end.into()) }
    }

    /// All keys that begin so; the empty prefix is every key.
    #[must_use]
    pub fn prefix(prefix: impl Into<Bytes>) -> Self {
        let start = prefix.into();
        // The next text of that length; a prefix of 0xFF has none and goes on to the end.
        let kept = start.iter().rposition(|byte| *byte != u8::MAX);
        let end = kept.map(|last| {
            let mut end = start[..=last].to_vec();
            end[last] += 1;
            end.into()
        });
        Self { start, end }
    }

    /// From `start` on and before `end`; nothing when `end` is not after `start`.
    #[must_use]
    pub fn between(start: impl Into<Bytes>, end: impl Into<Bytes>) -> Self {
        Self { start: start.into(), end: Some(end.into()) }
    }

    /// Every key.
    #[must_use]
    pub const fn all() -> Self {
        Self { start: Bytes::new(), end: None }
    }

    /// The first key that may be in it.
    #[must_use]
    pub const fn start(&self) -> &Bytes {
        &self.start
    }

    /// The first key behind it; none when it has no end.
    #[must_use]
    pub const fn end(&self) -> Option<&Bytes> {
        self.end.as_ref()
    }

    /// Whether `key` is in it.
    #[must_use]
    pub fn contains(&self, key: &[u8]) -> bool {
        key >= &*self.start && self.end.as_ref().is_none_or(|end| key < &**end)
    }

    /// Whether no key can be in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.end.as_ref().is_some_and(|end| *end <= self.start)
    }

    pub(crate) fn bounds(&self) -> (Bound<&Bytes>, Bound<&Bytes>) {
        (Bound::Included(&self.start), self.end.as_ref().map_or(Bound::Unbounded, Bound::Excluded))
    }

    pub(crate) fn size(&self) -> usize {
        self.start.len() + self.end.as_ref().map_or(0, Bytes::len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_hold_what_their_names_say() {
        let byte = |byte: &'static [u8]| Bytes::from_static(byte);
        for (range, key, expected) in [
            (KeyRange::key("a"), "a", true),
            (KeyRange::key("a"), "a/", false),
            (KeyRange::prefix("a/"), "a/", true),
            (KeyRange::prefix("a/"), "a/\u{7f}", true),
            (KeyRange::prefix("a/"), "a0", false),
            (KeyRange::prefix("a/"), "a", false),
            (KeyRange::prefix(""), "", true),
            (KeyRange::prefix(byte(b"\xFF\xFF")), "z", false),
            (KeyRange::between("b", "d"), "c", true),
            (KeyRange::between("b", "d"), "d", false),
            (KeyRange::between("d", "b"), "c", false),
            (KeyRange::all(), "anything", true),
        ] {
            assert_eq!(range.contains(key.as_bytes()), expected, "{key:?} in {range:?}");
        }
        assert!(KeyRange::prefix(byte(b"\xFF")).contains(b"\xFF\xFF"));
        assert!(KeyRange::prefix(byte(b"a\xFF")).contains(b"a\xFF\x01"));
        assert!(!KeyRange::prefix(byte(b"a\xFF")).contains(b"b"));
        assert!(KeyRange::between("d", "b").is_empty() && !KeyRange::key("").is_empty());
    }
}
