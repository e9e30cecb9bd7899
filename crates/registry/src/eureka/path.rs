//! From a path to what is asked: any prefix, doubled and trailing slashes, percent-encoded segments.

use http::Method;

/// What a path names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    Home,
    Applications,
    Delta,
    Application(String),
    Instance(String, String),
    Status(String, String),
    Metadata(String, String),
    AnyInstance(String),
    Vip(String),
    SecureVip(String),
    Asg,
    ServerStatus,
    Overrides,
    Batch,
}

/// What of a path names nothing here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PathError {
    NotFound,
    Encoding,
}

impl Target {
    /// Reads a raw path.
    pub(super) fn parse(path: &str) -> Result<Self, PathError> {
        let segments: Vec<String> = path
            .split('/')
            .filter(|segment| !segment.is_empty())
            .map(decode)
            .collect::<Option<_>>()
            .ok_or(PathError::Encoding)?;
        let mut rest: &[String] = &segments;
        // discovery-wire §1.1: the version is any word, and the servlet's context may stand before it.
        if let [context, after @ ..] = rest
            && context == "eureka"
        {
            rest = after;
        }
        if let [version, after @ ..] = rest
            && !begins(rest)
            && (is_version(version) || begins(after))
        {
            rest = after;
        }
        let words: Vec<&str> = rest.iter().map(String::as_str).collect();
        let owned = str::to_owned;
        Ok(match words.as_slice() {
            [] => Self::Home,
            ["apps"] => Self::Applications,
            ["apps", "delta"] => Self::Delta,
            ["apps", app] => Self::Application(owned(app)),
            ["apps", app, id] => Self::Instance(owned(app), owned(id)),
            ["apps", app, id, "status"] => Self::Status(owned(app), owned(id)),
            ["apps", app, id, "metadata"] => Self::Metadata(owned(app), owned(id)),
            ["instances", id] => Self::AnyInstance(owned(id)),
            ["vips", vip] => Self::Vip(owned(vip)),
            ["svips", vip] => Self::SecureVip(owned(vip)),
            ["asg", _, "status"] => Self::Asg,
            ["status"] => Self::ServerStatus,
            ["serverinfo", "statusoverrides"] => Self::Overrides,
            ["peerreplication", "batch"] => Self::Batch,
            _ => return Err(PathError::NotFound),
        })
    }

    /// The methods it takes.
    pub(super) fn allow(&self) -> &'static [Method] {
        const READ: &[Method] = &[Method::GET, Method::HEAD];
        const PUT: &[Method] = &[Method::PUT];
        match self {
            Self::Application(_) => &[Method::GET, Method::HEAD, Method::POST],
            Self::Instance(..) => &[Method::GET, Method::HEAD, Method::PUT, Method::DELETE],
            Self::Status(..) => &[Method::PUT, Method::DELETE],
            Self::Metadata(..) | Self::Asg => PUT,
            Self::Batch => &[Method::POST],
            _ => READ,
        }
    }
}

/// The versions in use; with nothing behind them they are the home page.
fn is_version(word: &str) -> bool {
    let number = word.strip_prefix('v').unwrap_or_default();
    word == "eureka" || (!number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Whether these segments are the path itself, without a prefix.
fn begins(segments: &[String]) -> bool {
    /// The words that paths begin with, and how many segments they may have.
    const WORDS: [(&str, std::ops::RangeInclusive<usize>); 8] = [
        ("apps", 1..=4),
        ("instances", 2..=2),
        ("vips", 2..=2),
        ("svips", 2..=2),
        ("asg", 3..=3),
        ("status", 1..=1),
        ("serverinfo", 2..=2),
        ("peerreplication", 2..=2),
    ];
    let is_ours = |(word, lengths): &(&str, std::ops::RangeInclusive<usize>)| {
        segments.first().is_some_and(|first| first == word) && lengths.contains(&segments.len())
    };
    WORDS.iter().any(is_ours)
}

/// Percent-decodes; `None` for a broken escape or bytes that are not UTF-8.
pub(super) fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let [high, low, after @ ..] = rest else { return None };
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        bytes.push(digit(*high)? << 4 | digit(*low)?);
        rest = after;
    }
    String::from_utf8(bytes).ok()
}

/// The pairs of a query, in order; broken escapes stay as they are.
pub(super) fn pairs(query: &str) -> Vec<(String, String)> {
    let plain = |text: &str| {
        let spaced = text.replace('+', " ");
        decode(&spaced).unwrap_or(spaced)
    };
    let parts = query.split('&').filter(|part| !part.is_empty());
    parts
        .map(|part| part.split_once('=').unwrap_or((part, "")))
        .map(|(key, value)| (plain(key), plain(value)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_prefix_and_slash_leads_to_the_same_place() {
        let instance = Target::Instance("ORDERS".to_owned(), "10.0.0.5:orders:8080".to_owned());
        for prefix in ["", "/eureka", "/eureka/v2", "/v2", "/eureka/", "//eureka//v2/", "/eureka/eureka"] {
            for (path, expected) in [
                ("/apps", Ok(Target::Applications)),
                ("//apps/", Ok(Target::Applications)),
                ("/apps/delta", Ok(Target::Delta)),
                ("/apps/ORDERS/10.0.0.5%3Aorders%3A8080", Ok(instance.clone())),
                ("/apps/ORDERS//10.0.0.5:orders:8080/", Ok(instance.clone())),
                ("/apps/a/b/status", Ok(Target::Status("a".to_owned(), "b".to_owned()))),
                ("/apps/a/b%2Fc", Ok(Target::Instance("a".to_owned(), "b/c".to_owned()))),
                ("/apps/a/%zz", Err(PathError::Encoding)),
                ("/apps/a/b/c", Err(PathError::NotFound)),
                ("/nothing", Err(PathError::NotFound)),
                ("/", Ok(Target::Home)),
            ] {
                assert_eq!(Target::parse(&format!("{prefix}{path}")), expected, "{prefix} {path}");
            }
        }
        for (path, expected) in [
            ("/discovery/apps", Ok(Target::Applications)),
            ("/eureka/discovery/apps/A", Ok(Target::Application("A".to_owned()))),
            ("/apps/apps", Ok(Target::Application("apps".to_owned()))),
            ("/eureka/apps/apps/apps/status", Ok(Target::Status("apps".to_owned(), "apps".to_owned()))),
            ("/status", Ok(Target::ServerStatus)),
            ("/eureka/v2/peerreplication/batch/", Ok(Target::Batch)),
            ("/discovery", Err(PathError::NotFound)),
            ("/a/b/apps", Err(PathError::NotFound)),
        ] {
            assert_eq!(Target::parse(path), expected, "{path}");
        }
    }
}
