//! What a route asks of a request.

use madang_base::{Code, Name};

use crate::value::ValueTest;
use crate::{HostPattern, PathPattern, codes};

/// The requests one route takes. An absent or empty part takes all.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Id of the route; only shown.
    pub id: Name,
    /// The path has to match it.
    pub path: Option<PathPattern>,
    /// One of these has to match the host.
    pub hosts: Vec<HostPattern>,
    /// The method has to be one of these; see [`check_method`].
    pub methods: Vec<String>,
    /// Each of these headers, by name in lower case, has to pass its test.
    pub headers: Vec<(String, ValueTest)>,
    /// Each of these query parameters, by decoded name, has to pass its test.
    pub queries: Vec<(String, ValueTest)>,
}

impl Rule {
    /// A rule that takes every request.
    #[must_use]
    pub fn new(id: Name) -> Self {
        Self { id, path: None, hosts: Vec::new(), methods: Vec::new(), headers: Vec::new(), queries: Vec::new() }
    }

    pub(crate) fn takes_method(&self, method: &str) -> bool {
        self.methods.is_empty() || self.methods.iter().any(|one| one == method)
    }
}

/// What of a request is looked at. Borrowed: making one costs nothing.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// As sent; methods are case-sensitive.
    pub method: &'a str,
    /// Without a port, in any case.
    pub host: &'a str,
    /// As [`canonical`](crate::canonical) gave it.
    pub path: &'a str,
    /// Without the `?`, as sent.
    pub query: Option<&'a str>,
    /// The header fields.
    pub headers: &'a dyn Headers,
}

/// Header fields as their owner keeps them.
pub trait Headers {
    /// Whether `test` holds for any value of the field `name` (lower case), one call for each field line.
    fn any(&self, name: &str, test: &mut dyn FnMut(&str) -> bool) -> bool;
}

/// A request without header fields.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoHeaders;

impl Headers for NoHeaders {
    fn any(&self, _: &str, _: &mut dyn FnMut(&str) -> bool) -> bool {
        false
    }
}

/// Why a text is not a method a route can name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MethodError {
    /// Nothing was given.
    #[error("a method is empty")]
    Empty,
    /// A character that is not in a token (RFC 9110 §5.6.2).
    #[error("method `{method}` has {found:?}, which is not allowed in a method")]
    Character {
        /// The whole text.
        method: String,
        /// The first character that is not allowed.
        found: char,
    },
    /// Methods are case-sensitive, so this one would match no request.
    #[error("method `{0}` is not in upper case")]
    Case(String),
}

impl MethodError {
    /// The code of the problem.
    #[must_use]
    pub const fn code(&self) -> &'static Code {
        &codes::METHOD
    }

    /// What to do.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::Empty => "leave `method` out to take every method".to_owned(),
            Self::Character { .. } => "write one method per string: `method = [\"GET\", \"POST\"]`".to_owned(),
            Self::Case(method) => format!("write `{}`", method.to_ascii_uppercase()),
        }
    }
}

/// Checks that `method` is a token in upper case.
///
/// # Errors
/// One [`MethodError`] per rule above.
pub fn check_method(method: &str) -> Result<(), MethodError> {
    if method.is_empty() {
        return Err(MethodError::Empty);
    }
    let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    if let Some(found) = method.chars().find(|&c| !token(c)) {
        return Err(MethodError::Character { method: method.to_owned(), found });
    }
    if method.chars().any(|c| c.is_ascii_lowercase()) {
        return Err(MethodError::Case(method.to_owned()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_is_a_token_in_upper_case() {
        for (method, expected) in [
            ("GET", None),
            ("M-SEARCH", None),
            ("", Some(("a method is empty", "leave `method` out to take every method"))),
            ("get", Some(("method `get` is not in upper case", "write `GET`"))),
            (
                "GET,PUT",
                Some((
                    "method `GET,PUT` has ',', which is not allowed in a method",
                    "write one method per string: `method = [\"GET\", \"POST\"]`",
                )),
            ),
        ] {
            let found = check_method(method).err().map(|error| (error.to_string(), error.hint()));
            let found = found.as_ref().map(|(message, hint)| (message.as_str(), hint.as_str()));
            assert_eq!(found, expected, "{method}");
        }
    }
}
