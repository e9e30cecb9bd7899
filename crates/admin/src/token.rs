//! The token of the admin API, and comparing it without telling how much was right.

use std::fmt;
use std::hint::black_box;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{AUTHORIZATION, HeaderValue, WWW_AUTHENTICATE};
use http::{HeaderMap, StatusCode};
use madang_serve::Problem;

use crate::health;
use crate::{codes, console};

/// A secret of 16 to 512 visible ASCII characters. Shown nowhere, also not by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(Arc<str>);

/// Why a text is not a [`Token`]. The text itself is not in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Too easy to guess.
    #[error("the token has {0} characters; at least {min} are needed", min = Token::MIN_LENGTH)]
    Short(usize),
    /// More than a header should hold.
    #[error("the token has {0} characters; {max} are the most", max = Token::MAX_LENGTH)]
    Long(usize),
    /// A space, a control character or a letter outside ASCII.
    #[error("the token has a character that is not visible ASCII, at position {0}")]
    Character(usize),
}

impl Token {
    /// The fewest characters.
    pub const MIN_LENGTH: usize = 16;
    /// The most characters.
    pub const MAX_LENGTH: usize = 512;

    /// Checks `text`.
    ///
    /// # Errors
    /// One [`TokenError`] per rule.
    pub fn parse(text: &str) -> Result<Self, TokenError> {
        if let Some(at) = text.chars().position(|c| !c.is_ascii_graphic()) {
            return Err(TokenError::Character(at + 1));
        }
        match text.len() {
            length if length < Self::MIN_LENGTH => Err(TokenError::Short(length)),
            length if length > Self::MAX_LENGTH => Err(TokenError::Long(length)),
            _ => Ok(Self(text.into())),
        }
    }

    /// Whether a request brings this token (RFC 6750 §2.1).
    fn admits(&self, headers: &HeaderMap) -> bool {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let (Some(value), None) = (values.next(), values.next()) else { return false };
        let Some((scheme, given)) = value.as_bytes().split_at_checked("Bearer ".len()) else { return false };
        scheme.eq_ignore_ascii_case(b"Bearer ") && same(self.0.as_bytes(), given)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// Compares in a time that depends on the length of `given` alone.
fn same(secret: &[u8], given: &[u8]) -> bool {
    let mut difference = secret.len() ^ given.len();
    for (at, byte) in given.iter().enumerate() {
        // The index wraps so that every byte given costs the same. A token is never empty.
        difference |= usize::from(byte ^ secret[at % secret.len()]);
        // Keeps the compiler from leaving at the first difference.
        difference = black_box(difference);
    }
    difference == 0
}

/// Lets a request through that brings the token, or that asks for the health or a file of the console alone.
pub(crate) async fn require(State(token): State<Token>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    if health::PATHS.contains(&path) || console::is_open(path) || token.admits(request.headers()) {
        return next.run(request).await;
    }
    let mut response =
        Problem::new(StatusCode::UNAUTHORIZED, &codes::UNAUTHORIZED, "this needs the token of the admin API")
            .hint("send it as `Authorization: Bearer TOKEN`; it is `admin.token` of the settings")
            .into_response();
    response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"madang\""));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "0123456789abcdef";

    #[test]
    fn a_token_is_long_enough_and_fits_a_header() {
        for (text, expected) in [
            (SECRET.to_owned(), Ok(())),
            ("short".to_owned(), Err(TokenError::Short(5))),
            (String::new(), Err(TokenError::Short(0))),
            ("x".repeat(513), Err(TokenError::Long(513))),
            ("0123456789 abcdef".to_owned(), Err(TokenError::Character(11))),
            ("0123456789abcdeé".to_owned(), Err(TokenError::Character(16))),
        ] {
            assert_eq!(Token::parse(&text).map(drop), expected, "{text:?}");
        }
    }

    #[test]
    fn only_the_whole_token_admits() {
        let token = Token::parse(SECRET).unwrap();
        for (values, expected) in [
            (&["Bearer 0123456789abcdef"][..], true),
            (&["bearer 0123456789abcdef"], true),
            (&["Bearer 0123456789abcdeF"], false),
            (&["Bearer 0123456789abcde"], false),
            (&["Bearer 0123456789abcdef0"], false),
            (&["Bearer 0123456789abcdef0123456789abcdef"], false),
            (&["Bearer "], false),
            (&["Bearer"], false),
            (&["Basic 0123456789abcdef"], false),
            (&["0123456789abcdef"], false),
            (&["Bearer 0123456789abcdef", "Bearer 0123456789abcdef"], false),
            (&[], false),
        ] {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(AUTHORIZATION, value.parse().unwrap());
            }
            assert_eq!(token.admits(&headers), expected, "{values:?}");
        }
    }

    #[test]
    fn a_token_does_not_show_itself() {
        let token = Token::parse(SECRET).unwrap();
        assert_eq!(format!("{token:?}"), "Token(…)");
    }
}
