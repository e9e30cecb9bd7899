//! Path patterns in the style of Spring's `PathPattern`, read into segments.
//!
//! Patterns and paths are compared in canonical form, one character at a time, where an escape (`%2F`) is one
//! character. Letters are case-sensitive.

mod glob;
mod parse;

use madang_base::Code;
use std::cmp::Ordering;
use std::fmt;

use crate::codes;
pub(crate) use glob::Glob;

/// Longest pattern in bytes.
const MAX_LENGTH: usize = 1024;

/// Most segments in a pattern; it bounds how deep a search goes.
const MAX_SEGMENTS: usize = 64;

/// The paths a route takes.
///
/// | pattern | takes | not |
/// |---|---|---|
/// | `/orders` | `/orders` | `/orders/` |
/// | `/orders/*` | `/orders/7`, `/orders/` | `/orders/7/lines`, `/orders` |
/// | `/orders/{id}` | `/orders/7` | `/orders/` |
/// | `/orders/*/lines` | `/orders/7/lines` | `/orders//lines` |
/// | `/v?/{name}.json` | `/v1/list.json` | `/v10/list.json`, `/v1/.json` |
/// | `/orders/**`, `/orders/{*rest}` | `/orders`, `/orders/`, `/orders/7/lines` | `/ordersx` |
///
/// A `*` at the end may stand for nothing, one before the end may not; that is Spring's rule too.
#[derive(Debug, Clone)]
pub struct PathPattern {
    text: Box<str>,
    pub(crate) segments: Vec<Segment>,
    /// `**` or `{*rest}` follows: any further segments, also none.
    pub(crate) rest: bool,
}

/// What is between two slashes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Segment {
    /// In canonical form; empty between two slashes and after a last one.
    Literal(Box<str>),
    /// Literal parts and wildcards.
    Mixed(Glob),
    /// `{name}`, or `*` before the end: anything but nothing.
    One,
    /// `*` at the end: anything.
    Last,
}

/// Why a text is not a [`PathPattern`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("path `{pattern}`, character {at}: {fault}")]
pub struct PathPatternError {
    /// The whole text.
    pub pattern: String,
    /// Where reading stopped; the first character is 1.
    pub at: usize,
    /// What is wrong there.
    pub fault: PathFault,
}

/// What can be wrong in a path pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathFault {
    /// No `/` at the start.
    #[error("a path starts with `/`")]
    NotAbsolute,
    /// `**` or `{*name}` before the end.
    #[error("`**` is only allowed as the last segment")]
    RestNotLast,
    /// `a**`.
    #[error("`**` is a segment of its own")]
    RestInSegment,
    /// `{` without `}`.
    #[error("`{{` has no `}}` in its segment")]
    Unclosed,
    /// `}` without `{`.
    #[error("`}}` has no `{{` before it")]
    Unopened,
    /// A name that is empty or no identifier.
    #[error("`{0}` is not a name for a variable")]
    VariableName(String),
    /// The same name twice.
    #[error("the variable `{0}` stands here for the second time")]
    VariableTwice(String),
    /// `{name:regex}`.
    #[error("a variable cannot hold a regular expression")]
    VariableRegex,
    /// `{a}{b}`, `*{a}`.
    #[error("nothing separates two wildcards")]
    Unseparated,
    /// `.` or `..`.
    #[error("`{0}` is never part of a path, it is resolved before paths are compared")]
    DotSegment(String),
    /// A broken `%` escape.
    #[error("`%` needs two hex digits")]
    Escape,
    /// A character or escape with which every request is refused.
    #[error("{0} cannot be part of a path")]
    Forbidden(String),
    /// `?name=value`.
    #[error("a path has no query")]
    Query,
    /// Too long.
    #[error("a path pattern has at most {MAX_LENGTH} bytes")]
    TooLong,
    /// Too many slashes.
    #[error("a path pattern has at most {MAX_SEGMENTS} segments")]
    TooManySegments,
}

impl PathPatternError {
    /// The code of the problem.
    #[must_use]
    pub const fn code(&self) -> &'static Code {
        &codes::PATH_PATTERN
    }

    /// What to do.
    #[must_use]
    pub fn hint(&self) -> String {
        match &self.fault {
            PathFault::NotAbsolute => format!("write `/{}`", self.pattern),
            PathFault::RestNotLast => "use `*` or `{name}` for one segment, and `**` at the end".to_owned(),
            PathFault::RestInSegment => "use `*` within a segment, or `/**` for all that follows".to_owned(),
            PathFault::Unclosed | PathFault::Unopened => {
                "write a variable as `{name}`; a brace itself is `%7B`".to_owned()
            }
            PathFault::VariableName(_) => "use letters, digits, `_` and `-`, starting with a letter".to_owned(),
            PathFault::VariableTwice(_) => "give each variable its own name".to_owned(),
            PathFault::VariableRegex => "write `{name}` alone; query and header tests take expressions".to_owned(),
            PathFault::Unseparated => "put a character between them, or leave one out".to_owned(),
            PathFault::DotSegment(_) => "write the path that is left when it is resolved".to_owned(),
            PathFault::Escape => "the character `%` itself is `%25`".to_owned(),
            PathFault::Forbidden(_) => "remove it: requests that hold it are refused".to_owned(),
            PathFault::Query => "test it with `query`; in a path `?` stands for one character".to_owned(),
            PathFault::TooLong | PathFault::TooManySegments => "use `**` for the rest of the path".to_owned(),
        }
    }
}

impl PathPattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// One [`PathFault`] with its place.
    pub fn parse(text: &str) -> Result<Self, PathPatternError> {
        parse::pattern(text).map_err(|(byte, fault)| PathPatternError {
            pattern: text.to_owned(),
            at: text.get(..byte).map_or(1, |before| before.chars().count() + 1),
            fault,
        })
    }

    /// The pattern as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the canonical `path` is taken.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        let Some(path) = path.strip_prefix('/') else { return false };
        let mut left = path.split('/');
        let all_match = self.segments.iter().all(|segment| left.next().is_some_and(|text| segment.matches(text)));
        all_match && (self.rest || left.next().is_none())
    }

    /// Whether every path that `other` takes is taken by this one. Sound: never `true` when it is not so.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        let enough = match (self.rest, other.rest) {
            (true, _) => other.segments.len() >= self.segments.len(),
            (false, true) => false,
            (false, false) => other.segments.len() == self.segments.len(),
        };
        enough && self.segments.iter().zip(&other.segments).all(|(ours, theirs)| ours.glob().covers(&theirs.glob()))
    }

    /// The more specific first; equal ones have the same shape and maybe different literals.
    pub(crate) fn compare(&self, other: &Self) -> Ordering {
        self.ranks().cmp(other.ranks())
    }

    fn ranks(&self) -> impl Iterator<Item = Rank> {
        let end = if self.rest { Rank::Rest } else { Rank::End };
        self.segments.iter().map(Segment::rank).chain([end])
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

/// How specific one segment is, the most specific first; the order of step 2 of the crate's precedence.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Literal,
    /// Fewer characters that are not in the literal start, then fewer that are not literal, then wildcards.
    Mixed {
        not_in_start: usize,
        not_literal: usize,
        wildcards: usize,
    },
    Wildcard,
    End,
    Rest,
}

impl Segment {
    fn matches(&self, text: &str) -> bool {
        match self {
            Self::Literal(literal) => **literal == *text,
            Self::Mixed(glob) => glob.matches(text),
            Self::One => !text.is_empty(),
            Self::Last => true,
        }
    }

    fn rank(&self) -> Rank {
        match self {
            Self::Literal(_) => Rank::Literal,
            Self::Mixed(glob) => Rank::Mixed {
                not_in_start: usize::MAX - glob.literal_start(),
                not_literal: usize::MAX - glob.literals(),
                wildcards: glob.wildcards(),
            },
            Self::One | Self::Last => Rank::Wildcard,
        }
    }

    /// The segment as a glob, to compare any two.
    fn glob(&self) -> Glob {
        match self {
            Self::Literal(text) => Glob::literal(text),
            Self::Mixed(glob) => glob.clone(),
            Self::One => Glob::some(),
            Self::Last => Glob::any(),
        }
    }
}

#[cfg(test)]
mod tests;
