//! The compiled table: rules in order of precedence, and a tree of paths for each host.

use std::cmp::Ordering;

use crate::host::{self, Kind, without_final_dot};
use crate::rule::{Request, Rule};
use crate::shadow::{self, Shadow};
use crate::tree::{TextMap, Tree};

/// All rules, ready to be asked. Immutable and shared freely between threads.
#[derive(Debug)]
pub struct Table {
    rules: Vec<Rule>,
    /// In order of precedence; the place is the rank.
    entries: Vec<Entry>,
    exact: TextMap<Tree>,
    below: TextMap<Tree>,
    /// Length of the longest name in `below`.
    longest_below: usize,
    hostless: Tree,
    shadows: Vec<Shadow>,
}

/// A rule under one of its hosts: a rule with two hosts can come at two places.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry {
    pub(crate) rule: usize,
    /// Place in the rule's `hosts`.
    pub(crate) host: Option<usize>,
}

impl Table {
    /// Sorts the rules and builds the trees. Rules can be of any number; this takes about a microsecond for each.
    #[must_use]
    pub fn compile(rules: Vec<Rule>) -> Self {
        let mut entries: Vec<Entry> = Vec::with_capacity(rules.len());
        for (rule, one) in rules.iter().enumerate() {
            if one.hosts.is_empty() {
                entries.push(Entry { rule, host: None });
            }
            entries.extend((0..one.hosts.len()).map(|host| Entry { rule, host: Some(host) }));
        }
        entries.sort_by(|a, b| precedence(&rules, *a, *b));
        let mut table = Self {
            shadows: shadow::find(&rules, &entries),
            rules,
            entries,
            exact: TextMap::default(),
            below: TextMap::default(),
            longest_below: 0,
            hostless: Tree::default(),
        };
        for (rank, entry) in (0_u32..).zip(&table.entries) {
            let rule = &table.rules[entry.rule];
            let tree = match entry.host.map(|host| &rule.hosts[host]) {
                None => &mut table.hostless,
                Some(host) if host.kind() == Kind::Exact => table.exact.entry(host.name().into()).or_default(),
                Some(host) => {
                    table.longest_below = table.longest_below.max(host.name().len());
                    table.below.entry(host.name().into()).or_default()
                }
            };
            tree.insert(rule.path.as_ref(), rank);
        }
        table
    }

    /// The rules as they were given.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Rules that can never be chosen.
    #[must_use]
    pub fn shadows(&self) -> &[Shadow] {
        &self.shadows
    }

    /// The rule that takes `request`, as its place among the rules given.
    ///
    /// Allocates only to decode a query with escapes that a rule tests.
    #[must_use]
    pub fn find(&self, request: &Request<'_>) -> Option<usize> {
        let rank = self.find_by_host(request).or_else(|| self.find_in(&self.hostless, request))?;
        Some(self.entries[rank as usize].rule)
    }

    fn find_by_host(&self, request: &Request<'_>) -> Option<u32> {
        if self.exact.is_empty() && self.below.is_empty() {
            return None;
        }
        let mut lower = [0; host::MAX_LENGTH];
        let host = folded(without_final_dot(request.host), &mut lower)?;
        if let Some(tree) = self.exact.get(host)
            && let Some(rank) = self.find_in(tree, request)
        {
            return Some(rank);
        }
        // The longest name first: one label less each time. A name needs at least one character below it.
        let mut left = host;
        while let Some((_, parent)) = left.split_once('.') {
            if parent.len() <= self.longest_below
                && parent.len() + 1 < host.len()
                && let Some(tree) = self.below.get(parent)
                && let Some(rank) = self.find_in(tree, request)
            {
                return Some(rank);
            }
            left = parent;
        }
        None
    }

    fn find_in(&self, tree: &Tree, request: &Request<'_>) -> Option<u32> {
        tree.find(request.path, |rank| {
            let rule = &self.rules[self.entries[rank as usize].rule];
            rule.takes_method(request.method)
                && rule.headers.iter().all(|(name, test)| test.accepts_header(request.headers, name))
                && rule.queries.iter().all(|(name, test)| test.accepts_query(request.query, name))
        })
    }

    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }
}

/// The order of the crate's documentation.
fn precedence(rules: &[Rule], a: Entry, b: Entry) -> Ordering {
    let host = |entry: Entry| match entry.host.map(|host| &rules[entry.rule].hosts[host]) {
        Some(host) if host.kind() == Kind::Exact => (0, 0),
        Some(host) => (1, usize::MAX - host.name().len()),
        None => (2, 0),
    };
    let (ours, theirs) = (&rules[a.rule], &rules[b.rule]);
    let path = match (&ours.path, &theirs.path) {
        (Some(ours), Some(theirs)) => ours.compare(theirs),
        (ours, theirs) => ours.is_none().cmp(&theirs.is_none()),
    };
    host(a)
        .cmp(&host(b))
        .then(path)
        .then_with(|| ours.methods.is_empty().cmp(&theirs.methods.is_empty()))
        .then_with(|| theirs.headers.len().cmp(&ours.headers.len()))
        .then_with(|| theirs.queries.len().cmp(&ours.queries.len()))
        .then_with(|| a.rule.cmp(&b.rule))
}

/// `host` in lower case, in `lower` when it is not already; none when it is longer than any name.
fn folded<'a>(host: &'a str, lower: &'a mut [u8; host::MAX_LENGTH]) -> Option<&'a str> {
    let lower = lower.get_mut(..host.len())?;
    if !host.bytes().fold(false, |upper, byte| upper | byte.is_ascii_uppercase()) {
        return Some(host);
    }
    lower.copy_from_slice(host.as_bytes());
    lower.make_ascii_lowercase();
    std::str::from_utf8(lower).ok()
}

#[cfg(test)]
pub(crate) mod tests;
