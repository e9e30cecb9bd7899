//! Rules that can never be chosen because another one always comes first.

use std::collections::HashMap;

use crate::path::Segment;
use crate::rule::Rule;
use crate::table::Entry;

/// A rule that can never be chosen. A rule with several hosts may need several others for that; then there is one
/// `Shadow` for each of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shadow {
    /// The rule that is never chosen, as its place among the rules given.
    pub rule: usize,
    /// The rule that comes first and takes everything it could take.
    pub by: usize,
}

/// All shadows, in the order of the rules. `entries` are in order of precedence.
///
/// Precedence puts the more specific first, so an entry that comes first and covers a later one has the same host and a
/// path with the same literals. Only such entries are compared, which keeps ten thousand rules cheap.
pub(crate) fn find(rules: &[Rule], entries: &[Entry]) -> Vec<Shadow> {
    let mut groups: HashMap<(Option<String>, String), Vec<usize>> = HashMap::new();
    // By rule: the rules that take its entries; none as soon as one entry is free.
    let mut takers: Vec<Option<Vec<usize>>> = vec![Some(Vec::new()); rules.len()];
    for entry in entries {
        let rule = &rules[entry.rule];
        let host = entry.host.map(|host| rule.hosts[host].to_string());
        let group = groups.entry((host, shape(rule))).or_default();
        let taker = group.iter().copied().find(|&before| covers(&rules[before], rule));
        match (taker, &mut takers[entry.rule]) {
            (Some(by), Some(known)) if !known.contains(&by) => known.push(by),
            (Some(_), _) => {}
            (None, known) => *known = None,
        }
        group.push(entry.rule);
    }
    let shadows = |(rule, takers): (usize, Option<Vec<usize>>)| {
        takers.unwrap_or_default().into_iter().map(move |by| Shadow { rule, by })
    };
    takers.into_iter().enumerate().flat_map(shadows).collect()
}

/// Whether `first` takes every request that `second` takes, hosts aside.
fn covers(first: &Rule, second: &Rule) -> bool {
    let methods = first.methods.is_empty()
        || (!second.methods.is_empty() && second.methods.iter().all(|method| first.methods.contains(method)));
    let path = || match (&first.path, &second.path) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(first), Some(second)) => first.covers(second),
    };
    methods
        && first.headers.iter().all(|test| second.headers.contains(test))
        && first.queries.iter().all(|test| second.queries.contains(test))
        && path()
}

/// The path with its wildcards made alike.
fn shape(rule: &Rule) -> String {
    let Some(path) = &rule.path else { return String::new() };
    let mut shape = String::new();
    for segment in &path.segments {
        shape.push('/');
        // A canonical literal holds neither of the braces.
        match segment {
            Segment::Literal(text) => shape.push_str(text),
            Segment::Mixed(glob) => shape.push_str(&glob.shape()),
            Segment::One | Segment::Last => shape.push_str("{}"),
        }
    }
    if path.rest {
        shape.push_str("/{rest}");
    }
    shape
}

#[cfg(test)]
mod tests;
