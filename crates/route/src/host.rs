//! Host patterns: `shop.example.com` and `*.example.com`.

use madang_base::Code;
use std::fmt;

use crate::codes;

/// Longest name DNS can carry, and so the longest host that can match.
pub(crate) const MAX_LENGTH: usize = 253;

/// The hosts a route takes. Case does not matter, nor does one dot at the end.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HostPattern {
    /// Lower case; of `*.example.com` only `example.com`.
    name: Box<str>,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Kind {
    Exact,
    /// Every name below, at any depth, without the name itself.
    Below,
}

/// Why a text is not a [`HostPattern`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// Nothing was given.
    #[error("a host is empty")]
    Empty,
    /// `*` anywhere but as the first label.
    #[error("host `{0}` has a `*` that is not its whole first label")]
    Wildcard(String),
    /// `*` alone.
    #[error("host `*` has nothing after the `*`")]
    OnlyWildcard,
    /// `http://…`.
    #[error("host `{0}` has a scheme")]
    Scheme(String),
    /// `…:8080`.
    #[error("host `{0}` has a port")]
    Port(String),
    /// `/…`.
    #[error("host `{0}` has a path")]
    Path(String),
    /// Two dots in a row or one at the start.
    #[error("host `{0}` has an empty label")]
    EmptyLabel(String),
    /// A character outside letters, digits, `-` and `_`.
    #[error("host `{host}` has {found:?}; letters, digits, `-`, `_` and `.` are allowed")]
    Character {
        /// The whole text.
        host: String,
        /// The first character that is not allowed.
        found: char,
    },
    /// `[` without an IPv6 address and `]`.
    #[error("host `{0}` is not an IPv6 address in brackets")]
    Ipv6(String),
    /// Longer than DNS allows.
    #[error("host `{0}` is longer than {MAX_LENGTH} characters")]
    TooLong(String),
}

impl HostError {
    /// The code of the problem.
    #[must_use]
    pub const fn code(&self) -> &'static Code {
        &codes::HOST_PATTERN
    }

    /// What to do.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Empty | Self::OnlyWildcard => "leave `host` out to take every host",
            Self::Wildcard(_) => "write `*.example.com` for every name below `example.com`",
            Self::Scheme(_) | Self::Port(_) | Self::Path(_) => {
                "write the name alone: scheme, port and path are not part of it"
            }
            Self::EmptyLabel(_) => "remove the dot that is too many",
            Self::Character { found, .. } if !found.is_ascii() => {
                "write an international name as it goes over the wire: `xn--…`"
            }
            Self::Character { .. } => "write a name such as `shop.example.com` or `*.example.com`",
            Self::Ipv6(_) => "write `[::1]`",
            Self::TooLong(_) => "no client can send such a name",
        }
    }
}

impl HostPattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// One [`HostError`] per rule above.
    pub fn parse(text: &str) -> Result<Self, HostError> {
        let owned = || text.to_owned();
        if text.is_empty() {
            return Err(HostError::Empty);
        }
        if text == "*" {
            return Err(HostError::OnlyWildcard);
        }
        if text.contains("://") {
            return Err(HostError::Scheme(owned()));
        }
        if text.contains('/') {
            return Err(HostError::Path(owned()));
        }
        if let Some(inner) = text.strip_prefix('[') {
            return Self::parse_ipv6(text, inner);
        }
        if text.contains(':') {
            return Err(HostError::Port(owned()));
        }
        let (kind, name) = match text.strip_prefix("*.") {
            Some(name) => (Kind::Below, name),
            None => (Kind::Exact, text),
        };
        let name = without_final_dot(name);
        if name.contains('*') {
            return Err(HostError::Wildcard(owned()));
        }
        if let Some(found) = name.chars().find(|&c| !(c.is_ascii_alphanumeric() || "-_.".contains(c))) {
            return Err(HostError::Character { host: owned(), found });
        }
        if name.split('.').any(str::is_empty) {
            return Err(HostError::EmptyLabel(owned()));
        }
        if name.len() > MAX_LENGTH {
            return Err(HostError::TooLong(owned()));
        }
        Ok(Self { name: name.to_ascii_lowercase().into(), kind })
    }

    /// `[::1]`, the only host that may hold a colon.
    fn parse_ipv6(text: &str, inner: &str) -> Result<Self, HostError> {
        let Some((address, after)) = inner.split_once(']') else {
            return Err(HostError::Ipv6(text.to_owned()));
        };
        if after.starts_with(':') {
            return Err(HostError::Port(text.to_owned()));
        }
        if !after.is_empty() || address.parse::<std::net::Ipv6Addr>().is_err() {
            return Err(HostError::Ipv6(text.to_owned()));
        }
        Ok(Self { name: text.to_ascii_lowercase().into(), kind: Kind::Exact })
    }

    /// Whether a request for `host` (no port) is taken.
    #[must_use]
    pub fn matches(&self, host: &str) -> bool {
        let host = without_final_dot(host);
        if host.len() > MAX_LENGTH {
            return false;
        }
        match self.kind {
            Kind::Exact => host.eq_ignore_ascii_case(&self.name),
            Kind::Below => host
                .len()
                .checked_sub(self.name.len() + 1)
                .filter(|&below| below > 0)
                .and_then(|below| host.get(below..))
                .and_then(|end| end.strip_prefix('.'))
                .is_some_and(|end| end.eq_ignore_ascii_case(&self.name)),
        }
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Kind::Exact => f.pad(&self.name),
            Kind::Below => f.pad(&format!("*.{}", self.name)),
        }
    }
}

/// `example.com.` is the same name as `example.com`.
pub(crate) fn without_final_dot(host: &str) -> &str {
    host.strip_suffix('.').unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_name_or_everything_below_one() {
        for (text, shown, taken, missed) in [
            ("Shop.io", "shop.io", &["shop.io", "SHOP.IO", "shop.io."][..], &["x.shop.io", "shop.ioo", ""][..]),
            (
                "*.Shop.io.",
                "*.shop.io",
                &["a.shop.io", "A.B.SHOP.IO"],
                &["shop.io", ".shop.io", "ashop.io", "\u{e9}hop.io"],
            ),
            ("127.0.0.1", "127.0.0.1", &["127.0.0.1"], &["127.0.0.2"]),
            ("[::1]", "[::1]", &["[::1]"], &["::1", "[::2]"]),
            ("my_host", "my_host", &["my_host"], &["my-host"]),
        ] {
            let pattern = HostPattern::parse(text).unwrap();
            assert_eq!(pattern.to_string(), shown);
            for host in taken {
                assert!(pattern.matches(host), "`{text}` takes `{host}`");
            }
            for host in missed {
                assert!(!pattern.matches(host), "`{text}` does not take `{host}`");
            }
        }
    }

    #[test]
    fn a_host_longer_than_any_name_is_not_below_one() {
        let pattern = HostPattern::parse("*.io").unwrap();
        assert!(pattern.matches(&format!("{}.io", "a".repeat(250))));
        assert!(!pattern.matches(&format!("{}.io", "a".repeat(251))));
    }

    #[test]
    fn what_is_no_host_is_refused_with_a_way_out() {
        let long = "a".repeat(254);
        for (text, message, hint) in [
            ("", "a host is empty", "leave `host` out"),
            ("*", "host `*` has nothing after the `*`", "leave `host` out"),
            ("a.*.io", "host `a.*.io` has a `*` that is not its whole first label", "write `*.example.com`"),
            ("*a.io", "host `*a.io` has a `*` that is not its whole first label", "write `*.example.com`"),
            ("*.*.io", "host `*.*.io` has a `*` that is not its whole first label", "write `*.example.com`"),
            ("http://a.io", "host `http://a.io` has a scheme", "write the name alone"),
            ("a.io:80", "host `a.io:80` has a port", "write the name alone"),
            ("[::1]:80", "host `[::1]:80` has a port", "write the name alone"),
            ("a.io/x", "host `a.io/x` has a path", "write the name alone"),
            ("a..io", "host `a..io` has an empty label", "remove the dot"),
            (".a.io", "host `.a.io` has an empty label", "remove the dot"),
            ("*.", "host `*.` has an empty label", "remove the dot"),
            ("a b", "host `a b` has ' '; letters, digits, `-`, `_` and `.` are allowed", "write a name such as"),
            ("\u{e9}.io", "host `\u{e9}.io` has '\u{e9}'; letters, digits, `-`, `_` and `.` are allowed", "xn--"),
            ("[x]", "host `[x]` is not an IPv6 address in brackets", "write `[::1]`"),
            ("[::1", "host `[::1` is not an IPv6 address in brackets", "write `[::1]`"),
            (&long, &format!("host `{long}` is longer than 253 characters"), "no client can send"),
        ] {
            let error = HostPattern::parse(text).expect_err(text);
            assert_eq!(error.to_string(), message);
            assert!(error.hint().contains(hint), "{text}: {}", error.hint());
        }
    }
}
