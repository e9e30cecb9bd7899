//! Why a request meets this rule and not that one, in words.

use std::fmt;

use crate::rule::{Request, Rule};
use crate::table::Table;
use crate::value::ValueTest;

/// What one rule has to say to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Place among the rules given.
    pub rule: usize,
    /// The first reason why the rule does not take the request; none when it does.
    pub missed: Option<Missed>,
}

/// Why a rule does not take a request. `Display` is one sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Missed {
    /// No host pattern matches.
    Host {
        /// Of the request.
        host: String,
        /// Of the rule.
        takes: Vec<String>,
    },
    /// The path pattern does not match.
    Path {
        /// Of the request, canonical.
        path: String,
        /// Of the rule.
        takes: String,
        /// Whether a slash at the end is all that is different.
        only_slash: bool,
    },
    /// Another method.
    Method {
        /// Of the request.
        method: String,
        /// Of the rule.
        takes: Vec<String>,
    },
    /// A header is missing, or no value of it matches. Its value may be a secret and is not repeated.
    Header {
        /// In lower case.
        name: String,
        /// Of the rule; none when it only has to be there or is not.
        takes: Option<String>,
    },
    /// A query parameter is missing, or no value of it matches.
    Query {
        /// Decoded.
        name: String,
        /// Of the rule; none when it only has to be there or is not.
        takes: Option<String>,
    },
}

impl Table {
    /// A verdict for every rule in order of precedence; the first one that did not miss is what [`Table::find`] gives.
    #[must_use]
    pub fn explain(&self, request: &Request<'_>) -> Vec<Verdict> {
        // A rule with several hosts stands where the host that takes the request puts it.
        let mut places: Vec<Option<(bool, usize)>> = vec![None; self.rules().len()];
        for (rank, entry) in self.entries().iter().enumerate() {
            let host = entry.host.map(|host| &self.rules()[entry.rule].hosts[host]);
            let place = (host.is_some_and(|host| !host.matches(request.host)), rank);
            let known = &mut places[entry.rule];
            *known = Some(known.map_or(place, |known| known.min(place)));
        }
        let mut order: Vec<(usize, usize)> =
            places.iter().enumerate().filter_map(|(rule, place)| place.map(|(_, rank)| (rank, rule))).collect();
        order.sort_unstable();
        order.into_iter().map(|(_, rule)| Verdict { rule, missed: missed(&self.rules()[rule], request) }).collect()
    }
}

fn missed(rule: &Rule, request: &Request<'_>) -> Option<Missed> {
    if !rule.hosts.is_empty() && !rule.hosts.iter().any(|host| host.matches(request.host)) {
        let takes = rule.hosts.iter().map(ToString::to_string).collect();
        return Some(Missed::Host { host: request.host.to_owned(), takes });
    }
    if let Some(path) = rule.path.as_ref().filter(|path| !path.matches(request.path)) {
        let other = request.path.strip_suffix('/').map_or_else(|| format!("{}/", request.path), str::to_owned);
        let only_slash = path.matches(&other);
        return Some(Missed::Path { path: request.path.to_owned(), takes: path.to_string(), only_slash });
    }
    if !rule.takes_method(request.method) {
        return Some(Missed::Method { method: request.method.to_owned(), takes: rule.methods.clone() });
    }
    for (name, test) in &rule.headers {
        if !test.accepts_header(request.headers, name) {
            let present = request.headers.any(name, &mut |_| true);
            return Some(Missed::Header { name: name.clone(), takes: expression(test, present) });
        }
    }
    for (name, test) in &rule.queries {
        if !test.accepts_query(request.query, name) {
            let present = ValueTest::Present.accepts_query(request.query, name);
            return Some(Missed::Query { name: name.clone(), takes: expression(test, present) });
        }
    }
    None
}

fn expression(test: &ValueTest, present: bool) -> Option<String> {
    match test {
        ValueTest::Matches(whole) if present => Some(whole.as_str().to_owned()),
        ValueTest::Matches(_) | ValueTest::Present => None,
    }
}

impl fmt::Display for Missed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host { host, takes } if host.is_empty() => {
                write!(f, "the request has no host; the route takes {}", list(takes))
            }
            Self::Host { host, takes } => write!(f, "host is `{host}`; the route takes {}", list(takes)),
            Self::Path { path, takes, only_slash: false } => write!(f, "path is `{path}`; the route takes `{takes}`"),
            Self::Path { path, takes, only_slash: true } => {
                write!(f, "path is `{path}`; the route takes `{takes}`, and a slash at the end counts")
            }
            Self::Method { method, takes } => write!(f, "method is {method}; the route takes {}", takes.join(" or ")),
            Self::Header { name, takes: None } => write!(f, "header `{name}` is missing"),
            Self::Header { name, takes: Some(takes) } => {
                write!(f, "header `{name}` has no value that matches `{takes}`")
            }
            Self::Query { name, takes: None } => write!(f, "query parameter `{name}` is missing"),
            Self::Query { name, takes: Some(takes) } => {
                write!(f, "query parameter `{name}` has no value that matches `{takes}`")
            }
        }
    }
}

fn list(patterns: &[String]) -> String {
    patterns.iter().map(|pattern| format!("`{pattern}`")).collect::<Vec<_>>().join(" or ")
}
