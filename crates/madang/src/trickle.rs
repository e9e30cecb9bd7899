//! `madang up --trickle`: a little steady traffic through the gateway, so that the console has something to show.
//!
//! The settings say what is sent, because only they know what is harmless: nothing is guessed from routes. It goes over
//! the gateway's own listener like any client's, one request at a time, and names itself in `User-Agent`.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, USER_AGENT};
use http::{Method, Request, Uri};
use tokio::time::MissedTickBehavior;

/// The time between the starts of two requests, at least.
const PACE: Duration = Duration::from_millis(300);
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// The largest answer that is read.
const MOST_BYTES: usize = 4 << 20;
/// How it is told from real clients in logs.
const NAME: &str = concat!("madang-trickle/", env!("CARGO_PKG_VERSION"));

/// One request of the round: `GET /path`, or `POST /path {json}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Call {
    method: Method,
    path: Uri,
    body: Bytes,
}

/// Why a text is not a [`Call`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidCall {
    #[error("`{0}` is not a method in capital letters")]
    Method(String),
    #[error("`{0}` is not a path that starts with `/`")]
    Path(String),
    #[error("what follows the path is not JSON: {0}")]
    Body(String),
}

impl FromStr for Call {
    type Err = InvalidCall;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (method, rest) = text.trim().split_once(char::is_whitespace).unwrap_or((text.trim(), ""));
        let (path, body) = rest.trim_start().split_once(char::is_whitespace).unwrap_or((rest.trim(), ""));
        let is_method = !method.is_empty() && method.bytes().all(|byte| byte.is_ascii_uppercase());
        let checked = Method::from_bytes(method.as_bytes()).ok().filter(|_| is_method);
        let method = checked.ok_or_else(|| InvalidCall::Method(method.to_owned()))?;
        let checked = path.parse().ok().filter(|_| path.starts_with('/'));
        let path = checked.ok_or_else(|| InvalidCall::Path(path.to_owned()))?;
        if !body.trim().is_empty() {
            let json = serde_json::from_str::<serde::de::IgnoredAny>(body);
            json.map_err(|error| InvalidCall::Body(error.to_string()))?;
        }
        Ok(Self { method, path, body: Bytes::from(body.trim().to_owned()) })
    }
}

impl Call {
    fn request(&self) -> Request<Bytes> {
        let mut request = Request::new(self.body.clone());
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.path.clone();
        let headers = request.headers_mut();
        headers.insert(USER_AGENT, http::HeaderValue::from_static(NAME));
        if !self.body.is_empty() {
            headers.insert(CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
        }
        request
    }
}

/// Sends `calls` round and round, until it is dropped. What is answered is the console's business.
pub(crate) async fn run(gateway: SocketAddr, calls: &[Call]) -> Infallible {
    let mut ticks = tokio::time::interval(PACE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for call in calls.iter().cycle() {
        ticks.tick().await;
        let _ = madang_dial::request(gateway, call.request(), PATIENCE, MOST_BYTES).await;
    }
    // Nothing to send: the settings are checked for that before.
    std::future::pending().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_a_method_a_path_and_perhaps_json() {
        for (text, expected) in [
            ("GET /", Ok(("GET", "/", ""))),
            ("  GET   /a?b=c ", Ok(("GET", "/a?b=c", ""))),
            (r#"POST /orders {"id": 1}"#, Ok(("POST", "/orders", r#"{"id": 1}"#))),
            ("get /", Err(InvalidCall::Method("get".to_owned()))),
            ("", Err(InvalidCall::Method(String::new()))),
            ("GET", Err(InvalidCall::Path(String::new()))),
            ("GET orders", Err(InvalidCall::Path("orders".to_owned()))),
            ("GET http://a/", Err(InvalidCall::Path("http://a/".to_owned()))),
        ] {
            let call = text.parse::<Call>();
            let seen = call.as_ref().map(|call| (call.method.as_str(), call.path.to_string(), call.body.clone()));
            let expected = expected.map(|(method, path, body)| (method, path.to_owned(), Bytes::from(body)));
            assert_eq!(
                seen,
                expected.as_ref().map(|(method, path, body)| (*method, path.clone(), body.clone())),
                "{text:?}"
            );
        }
        assert!(matches!("POST / {".parse::<Call>(), Err(InvalidCall::Body(_))));
    }

    #[test]
    fn a_call_with_a_body_says_that_it_is_json() {
        let with = "POST /orders [1]".parse::<Call>().unwrap().request();
        assert_eq!(
            (with.headers()[CONTENT_TYPE].to_str().unwrap(), &with.body()[..]),
            ("application/json", &b"[1]"[..])
        );
        let without = "GET /".parse::<Call>().unwrap().request();
        assert!(!without.headers().contains_key(CONTENT_TYPE));
        assert!(without.headers()[USER_AGENT].to_str().unwrap().starts_with("madang-trickle/"));
    }
}
