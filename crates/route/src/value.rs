//! Tests of header and query values.

use madang_base::Code;
use regex::{Regex, RegexBuilder};
use std::borrow::Cow;
use std::fmt;

use crate::codes;
use crate::rule::Headers;

/// Most memory one compiled expression may take, in bytes.
const MAX_COMPILED: usize = 1 << 20;

/// What is asked of a header or a query parameter.
///
/// When there are several values, one that passes is enough, as in Spring Cloud Gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ValueTest {
    /// It has to be there, with any value.
    Present,
    /// A value has to match as a whole.
    Matches(WholeMatch),
}

/// A regular expression that is compared with whole values. Two are equal when their texts are.
#[derive(Debug, Clone)]
pub struct WholeMatch {
    text: Box<str>,
    how: How,
}

#[derive(Debug, Clone)]
enum How {
    /// The expression is a plain word.
    Same,
    Regex(Regex),
}

/// Why a text is not a test.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    /// Not a regular expression.
    #[error("`{expression}` is not a regular expression: {reason}")]
    Syntax {
        /// The whole text.
        expression: String,
        /// What is wrong, one line.
        reason: String,
    },
    /// Compiles to more than 1 MiB.
    #[error("the regular expression `{0}` is too large")]
    TooLarge(String),
}

impl ValueError {
    /// The code of the problem.
    #[must_use]
    pub const fn code(&self) -> &'static Code {
        &codes::VALUE_TEST
    }

    /// What to do.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Syntax { .. } => "a character with a meaning stands for itself after a backslash: `\\.`",
            Self::TooLarge(_) => "lower the counts in `{…}`",
        }
    }
}

impl ValueTest {
    /// A test for values that match `expression` from their first to their last character.
    ///
    /// # Errors
    /// When it is not an expression of the `regex` crate's syntax, or compiles to more than 1 MiB.
    pub fn matching(expression: &str) -> Result<Self, ValueError> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_ /:;,=@".contains(c);
        if expression.chars().all(plain) {
            return Ok(Self::Matches(WholeMatch { text: expression.into(), how: How::Same }));
        }
        let compile = |text: &str| RegexBuilder::new(text).size_limit(MAX_COMPILED).build();
        // First alone: `a)(b` is no expression, but would become one in the group.
        let regex = compile(expression)
            .and_then(|_| compile(&format!(r"\A(?:{expression})\z")))
            .map_err(|error| ValueError::of(expression, &error))?;
        Ok(Self::Matches(WholeMatch { text: expression.into(), how: How::Regex(regex) }))
    }

    pub(crate) fn accepts(&self, value: &str) -> bool {
        match self {
            Self::Present => true,
            Self::Matches(whole) => match &whole.how {
                How::Same => *whole.text == *value,
                How::Regex(regex) => regex.is_match(value),
            },
        }
    }

    /// Whether a field line passes, or one element of the list it holds: `X: a, b` means the same as two lines
    /// (RFC 9110 §5.3).
    fn accepts_line(&self, line: &str) -> bool {
        self.accepts(line)
            || (line.contains(',') && line.split(',').any(|element| self.accepts(element.trim_matches([' ', '\t']))))
    }

    pub(crate) fn accepts_header(&self, headers: &dyn Headers, name: &str) -> bool {
        headers.any(name, &mut |line| self.accepts_line(line))
    }

    pub(crate) fn accepts_query(&self, query: Option<&str>, name: &str) -> bool {
        query
            .is_some_and(|query| pairs(query).any(|(key, value)| decoded(key) == name && self.accepts(&decoded(value))))
    }
}

impl WholeMatch {
    /// The expression as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl PartialEq for WholeMatch {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for WholeMatch {}

impl fmt::Display for WholeMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl ValueError {
    fn of(expression: &str, error: &regex::Error) -> Self {
        match error {
            regex::Error::CompiledTooBig(_) => Self::TooLarge(expression.to_owned()),
            _ => {
                // The crate's message is a drawing over several lines; its last one says what is wrong.
                let message = error.to_string();
                let reason = message.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
                Self::Syntax { expression: expression.to_owned(), reason }
            }
        }
    }
}

/// Names and values as written; a name without `=` has an empty value.
fn pairs(query: &str) -> impl Iterator<Item = (&str, &str)> {
    query.split('&').filter(|pair| !pair.is_empty()).map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

/// Percent escapes and `+` resolved as forms send them; what is not a valid escape stays, bytes that are not UTF-8
/// become U+FFFD. Allocates only when there is something to resolve.
fn decoded(text: &str) -> Cow<'_, str> {
    if !text.bytes().any(|byte| matches!(byte, b'%' | b'+')) {
        return Cow::Borrowed(text);
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut left = text.as_bytes();
    while let [first, rest @ ..] = left {
        left = rest;
        match (first, rest) {
            (b'+', _) => bytes.push(b' '),
            (b'%', [high, low, after @ ..]) if let Some(byte) = escaped(*high, *low) => {
                bytes.push(byte);
                left = after;
            }
            _ => bytes.push(*first),
        }
    }
    Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())
}

/// The byte that `%` and two hex digits stand for.
pub(crate) fn escaped(high: u8, low: u8) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some(digit(high)? << 4 | digit(low)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_matches_whole_values() {
        for (expression, taken, missed) in [
            ("v1", &["v1"][..], &["v10", "av1", "V1", ""][..]),
            ("", &[""], &["a"]),
            ("v1|v2", &["v1", "v2"], &["v1v2", "v12"]),
            ("^v1$", &["v1"], &["v1\n", "v10"]),
            ("(?m)^v1$", &["v1"], &["v1\nx", "x\nv1"]),
            (".*", &["", "abc"], &["a\nb"]),
            (r"1\.0", &["1.0"], &["1x0"]),
        ] {
            let test = ValueTest::matching(expression).unwrap();
            for value in taken {
                assert!(test.accepts(value), "`{expression}` takes {value:?}");
            }
            for value in missed {
                assert!(!test.accepts(value), "`{expression}` does not take {value:?}");
            }
        }
    }

    #[test]
    fn what_is_no_expression_is_refused_in_one_line() {
        for (expression, message) in [
            ("a)(b", "`a)(b` is not a regular expression: unopened group"),
            ("[a", "`[a` is not a regular expression: unclosed character class"),
            (
                "(?=a)",
                "`(?=a)` is not a regular expression: look-around, including look-ahead and look-behind, is not supported",
            ),
            (r"\w{1000}{1000}", r"the regular expression `\w{1000}{1000}` is too large"),
        ] {
            let error = ValueTest::matching(expression).expect_err(expression);
            assert_eq!(error.to_string(), message);
            assert!(!error.hint().is_empty());
        }
    }

    #[test]
    fn tests_with_one_text_are_the_same_test() {
        let test = |text: &str| ValueTest::matching(text).unwrap();
        assert_eq!(test("v.*"), test("v.*"));
        assert_ne!(test("v.*"), test("v.+"));
        assert_ne!(test("v"), ValueTest::Present);
    }
}
