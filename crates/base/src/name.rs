//! Names that are safe in a URL, in DNS, in a metric label and in a file name.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

/// 1 to 63 of `a-z`, `0-9`, `-`, `_` and `.`, starting with a letter or digit.
///
/// Upper case is folded: the systems that are case-insensitive about names disagree about which case is shown.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Arc<str>);

/// Why a text is not a [`Name`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing was given.
    #[error("a name is empty")]
    Empty,
    /// Longer than 63 bytes.
    #[error("name `{0}` is longer than 63 characters")]
    TooLong(String),
    /// A character outside the set.
    #[error("name `{name}` has `{found}`; letters, digits, `-`, `_` and `.` are allowed")]
    Character {
        /// The whole text.
        name: String,
        /// The first character that is not allowed.
        found: char,
    },
    /// The first character is `-`, `_` or `.`.
    #[error("name `{0}` must start with a letter or a digit")]
    Start(String),
}

impl Name {
    const MAX_LENGTH: usize = 63;

    /// Checks `text` and folds it to lower case.
    ///
    /// # Errors
    /// One [`NameError`] per rule above.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let Some(first) = text.chars().next() else { return Err(NameError::Empty) };
        if let Some(found) = text.chars().find(|&c| !(c.is_ascii_alphanumeric() || "-_.".contains(c))) {
            return Err(NameError::Character { name: text.to_owned(), found });
        }
        if !first.is_ascii_alphanumeric() {
            return Err(NameError::Start(text.to_owned()));
        }
        if text.len() > Self::MAX_LENGTH {
            return Err(NameError::TooLong(text.to_owned()));
        }
        Ok(Self(text.to_ascii_lowercase().into()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl AsRef<str> for Name {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_checked_and_folded() {
        for (text, expected) in [
            ("orders", Ok("orders")),
            ("Orders-2.v1_x", Ok("orders-2.v1_x")),
            ("", Err(NameError::Empty)),
            ("-x", Err(NameError::Start("-x".into()))),
            ("a b", Err(NameError::Character { name: "a b".into(), found: ' ' })),
            ("a/b", Err(NameError::Character { name: "a/b".into(), found: '/' })),
        ] {
            assert_eq!(Name::parse(text).as_ref().map(Name::as_str), expected.as_ref().map(|text| *text), "{text:?}");
        }
        assert!(matches!(Name::parse(&"x".repeat(64)), Err(NameError::TooLong(_))));
    }
}
