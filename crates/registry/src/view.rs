//! What readers see: immutable views, shared, made when somebody reads after a change.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

use madang_base::Name;

use crate::instance::{Face, Instance, Status};
use crate::registry::Override;

/// What happened to a listed instance last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Registered, perhaps again.
    Added,
    /// Its status, override or metadata changed.
    Modified,
    /// Cancelled or evicted.
    Deleted,
}

/// One instance as listed: a record, or two merged ones.
#[derive(Debug)]
pub struct Listed {
    /// Its service.
    pub service: Name,
    /// As its registrar describes it.
    pub instance: Arc<Instance>,
    /// Who described it.
    pub face: Face,
    /// Its supervised record when that is the same process.
    pub supervised: Option<Arc<Instance>>,
    /// The status that counts.
    pub status: Status,
    /// What an operator decided.
    pub overridden: Option<Override>,
    /// When it was registered, in Unix milliseconds.
    pub registered_ms: u64,
    /// When it was first up, in Unix milliseconds; 0 when it never was.
    pub up_ms: u64,
    /// When this view of it changed, in Unix milliseconds.
    pub updated_ms: u64,
    /// What happened last.
    pub kind: Kind,
    /// The revision of its last change.
    pub revision: u64,
    /// Shared with the registry, so that heartbeats publish nothing.
    pub(crate) renewed: Arc<AtomicU64>,
}

impl Listed {
    /// When its last news came, in Unix milliseconds. Moves on without a new snapshot.
    #[must_use]
    pub fn renewed_ms(&self) -> u64 {
        self.renewed.load(Relaxed)
    }

    /// Whether `id` is its id, or that of its supervised record.
    #[must_use]
    pub fn is(&self, id: &str) -> bool {
        self.instance.id.as_str() == id || self.supervised.as_ref().is_some_and(|other| other.id.as_str() == id)
    }
}

/// One instance as it was listed, and as it is.
pub type Changed<'a> = (Option<&'a Arc<Listed>>, Option<&'a Arc<Listed>>);

/// All listed instances of one service, sorted by id.
#[derive(Debug, Default)]
pub struct ServiceView {
    /// The instances.
    pub instances: Vec<Arc<Listed>>,
    /// How many have each status, in the order of [`Status::ALL`].
    pub counts: [usize; 5],
    /// Every alias that one of them has: who asks for one need not look at the instances of other services.
    /// Made at the first question.
    aliases: OnceLock<Aliases>,
    secure_aliases: OnceLock<Aliases>,
    /// Whether one of them is two records.
    merged: bool,
}

/// Names beside the service's own; few, and mostly one.
#[derive(Debug, Default)]
struct Aliases(BTreeSet<Box<str>>);

impl Aliases {
    /// `texts` are lists as they were registered, comma-separated; instances of one service mostly say the same.
    fn of<'a>(texts: impl Iterator<Item = Option<&'a String>>) -> Self {
        let mut all = BTreeSet::new();
        let mut last = None;
        for text in texts.flatten().filter(|text| last.replace(*text) != Some(*text)) {
            all.extend(text.split(',').map(Box::from));
        }
        Self(all)
    }
}

/// Which port an alias is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Alias {
    Plain,
    Secure,
}

impl Alias {
    fn text(self, listed: &Listed) -> Option<&String> {
        match self {
            Self::Plain => listed.instance.aliases.as_ref(),
            Self::Secure => listed.instance.secure_aliases.as_ref(),
        }
    }
}

impl ServiceView {
    pub(crate) fn new(instances: Vec<Arc<Listed>>) -> Self {
        let mut counts = [0; 5];
        for listed in &instances {
            counts[listed.status.index()] += 1;
        }
        let merged = instances.iter().any(|listed| listed.supervised.is_some());
        Self { aliases: OnceLock::new(), secure_aliases: OnceLock::new(), instances, counts, merged }
    }

    /// The instances that have this alias; compared with its case.
    pub(crate) fn named<'a>(&'a self, kind: Alias, alias: &'a str) -> impl Iterator<Item = &'a Arc<Listed>> {
        let known = match kind {
            Alias::Plain => &self.aliases,
            Alias::Secure => &self.secure_aliases,
        };
        let known = known.get_or_init(|| Aliases::of(self.instances.iter().map(|listed| kind.text(listed))));
        let instances = if known.0.contains(alias) { self.instances.as_slice() } else { &[] };
        let has = move |text: &String| text.split(',').any(|one| one == alias);
        instances.iter().filter(move |listed| kind.text(listed).is_some_and(has))
    }

    /// Each instance that is not listed as it was in `before`, by id: as it was, and as it is. Rows that did not change are
    /// shared, so this is a walk over pointers.
    pub fn changes_since<'a>(&'a self, before: &'a Self) -> impl Iterator<Item = Changed<'a>> {
        let (mut before, mut now) = (before.instances.iter().peekable(), self.instances.iter().peekable());
        std::iter::from_fn(move || {
            loop {
                let order = match (before.peek(), now.peek()) {
                    (Some(old), Some(new)) if Arc::ptr_eq(old, new) => {
                        before.next();
                        now.next();
                        continue;
                    }
                    (Some(old), Some(new)) => old.instance.id.cmp(&new.instance.id),
                    (Some(_), None) => Ordering::Less,
                    (None, Some(_)) => Ordering::Greater,
                    (None, None) => return None,
                };
                let old = if order.is_le() { before.next() } else { None };
                let new = if order.is_ge() { now.next() } else { None };
                return Some((old, new));
            }
        })
    }

    /// One instance by the id of one of its records.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<&Arc<Listed>> {
        let at = self.instances.binary_search_by(|listed| listed.instance.id.as_str().cmp(id));
        let merged = if self.merged { self.instances.as_slice() } else { &[] };
        at.ok().and_then(|at| self.instances.get(at)).or_else(|| merged.iter().find(|listed| listed.is(id)))
    }
}

/// The whole registry at one revision.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// The revision; grows with every change, also over restarts.
    pub revision: u64,
    pub(crate) services: BTreeMap<Name, Arc<ServiceView>>,
}

impl Snapshot {
    /// All services that list an instance, by name.
    pub fn services(&self) -> impl Iterator<Item = (&Name, &Arc<ServiceView>)> {
        self.services.iter()
    }

    /// One service.
    #[must_use]
    pub fn service(&self, name: &str) -> Option<&Arc<ServiceView>> {
        self.services.get(name)
    }

    /// Services that are not as they were in `before`, also those that left: views of services that did not change are
    /// shared.
    #[must_use]
    pub fn changed_since<'a>(&'a self, before: &'a Self) -> BTreeSet<&'a Name> {
        let same = |name: &Name| match (self.services.get(name), before.services.get(name)) {
            (Some(now), Some(before)) => Arc::ptr_eq(now, before),
            (now, before) => now.is_none() && before.is_none(),
        };
        self.services.keys().chain(before.services.keys()).filter(|name| !same(name)).collect()
    }

    /// How many instances have each status, in the order of [`Status::ALL`].
    #[must_use]
    pub fn counts(&self) -> [usize; 5] {
        let mut counts = [0; 5];
        for view in self.services.values() {
            for (sum, count) in counts.iter_mut().zip(view.counts) {
                *sum += count;
            }
        }
        counts
    }

    /// How many instances are listed.
    #[must_use]
    pub fn len(&self) -> usize {
        self.services.values().map(|view| view.instances.len()).sum()
    }

    /// Whether nothing is listed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.services.is_empty()
    }
}

/// One change of the last minutes.
#[derive(Debug, Clone)]
pub struct Change {
    /// What happened.
    pub kind: Kind,
    /// The instance: as it is now, or as it was last.
    pub listed: Arc<Listed>,
}
