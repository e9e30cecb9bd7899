//! Hyper as a judge: what we accept it accepts too, and means the same by it: method, target, fields, the body and where it
//! ends. What it alone accepts is a list of refusals that are meant.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a panic is how a test fails")]

mod corpus;
mod generated;

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use generated::{config, mutated_request, request};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use madang_h1::{BodyDecoder, Form, Limits, Parsed, Piece, RequestHead, Version};
use proptest::prelude::{TestCaseError, prop_assert_eq, proptest};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const MARKER: &[u8] = b"GET /marker HTTP/1.1\r\nHost: a\r\n\r\n";

/// Rows of the corpus that we refuse and hyper takes. Each has its reason in `docs/errors/gateway.md`; hyper is no gateway,
/// and what it reads nobody behind it reads again.
#[rustfmt::skip]
const ONLY_HYPER_TAKES: &[&str] = &[
    "host missing",
    "host missing, no fields",
    "host twice, same",
    "host twice, different",
    "host twice in HTTP/1.0",
    "host empty",
    "host with path",
    "host with userinfo",
    "host list",
    "host with space",
    "asterisk with GET",
    "fragment",
    "userinfo in the target",
    "other scheme",
    "authority form without CONNECT",
    "TE twice",
    "non-ASCII target",
    "quote in the target",
    "long method",
    "CL then TE",
    "TE then CL",
    "CL.TE with a smuggled GET",
    "TE.CL with a smuggled HEAD",
    "CL and TE with trailing space",
    "CL and TE in capitals",
    "TE with leading comma",
    "CL 0 and TE",
    "bare LF after the request line",
    "bare LF after a field",
    "bare LF ends the head",
    "bare LF first",
    "CL with leading zero",
    "CL 00",
    "CL twice, equal",
    "TE chunked, chunked",
    "absolute target and host differ",
    "absolute target and host differ in port",
    "tab before the CL",
    "tab behind the CL",
    "tab before the TE",
    "encoded CR LF in the path",
    "encoded LF in the path",
    "encoded NUL in the path",
    "backslash",
    "CONNECT",
    "TRACE",
    "unknown expectation",
    "expectation list",
    "three leading line ends",
    "connection is no list of tokens",
    "connection names too much",
    "Content_Length",
    "Transfer_Encoding",
    "x_forwarded_for",
    "Transfer_Encoding beside CL",
    "bare semicolon",
    "extension with NUL",
    "extension with a bad token",
    "extension without value",
    "extension without name",
    "extension with open quote",
    "extension goes on behind quotes",
    "space before the semicolon",
    "space behind the semicolon",
    "trailing space",
    "trailing tab",
    "size of 17 digits",
];

/// A request as anybody would write it down.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Meaning {
    method: String,
    target: String,
    version: Version,
    /// Names in lower case, sorted: hyper gives those of one name in order, but not those of all.
    fields: Vec<(String, Vec<u8>)>,
    /// `None` when it does not end.
    body: Option<Vec<u8>>,
}

/// What hyper makes of a connection that brings `bytes` and ends: its requests, until something is wrong.
fn hyper(bytes: &[u8]) -> Vec<Meaning> {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let (mut client, server) = tokio::io::duplex(1 << 20);
        client.write_all(bytes).await.unwrap();
        client.shutdown().await.unwrap();
        let service = service_fn(|request| take(request, Arc::clone(&seen)));
        let mut http = hyper::server::conn::http1::Builder::new();
        let (_, _) = tokio::join!(http.half_close(true).serve_connection(TokioIo::new(server), service), async {
            let mut answers = Vec::new();
            client.read_to_end(&mut answers).await
        });
    });
    let seen = seen.lock().unwrap();
    seen.clone()
}

async fn take(
    request: hyper::Request<Incoming>,
    seen: Arc<Mutex<Vec<Meaning>>>,
) -> Result<hyper::Response<Empty<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let mut fields: Vec<_> =
        head.headers.iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())).collect();
    fields.sort();
    let version = if head.version == hyper::Version::HTTP_10 { Version::Http10 } else { Version::Http11 };
    let place = seen.lock().unwrap().len();
    let meaning =
        Meaning { method: head.method.to_string(), target: head.uri.to_string(), version, fields, body: None };
    seen.lock().unwrap().push(meaning);
    if let Ok(body) = body.collect().await {
        seen.lock().unwrap()[place].body = Some(body.to_bytes().to_vec());
    }
    Ok(hyper::Response::new(Empty::new()))
}

/// What we make of the first request in `bytes`, and where it ends, if it does. `None` when it is refused or cut.
fn ours(bytes: &[u8]) -> Option<(Meaning, RequestHead, Option<usize>)> {
    let mut head = RequestHead::default();
    if head.parse(bytes, &Limits::default()) != Ok(Parsed::Complete) {
        return None;
    }
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let field =
        |field: &madang_h1::Field| (text(field.name.of(bytes)).to_ascii_lowercase(), field.value.of(bytes).to_vec());
    let mut fields: Vec<_> = head.fields.iter().map(field).collect();
    fields.sort();
    let (data, end) = body(&head, bytes)?;
    let meaning = Meaning {
        method: text(head.method.of(bytes)),
        target: text(head.target.of(bytes)),
        version: head.version,
        fields,
        body: end.map(|_| data),
    };
    Some((meaning, head, end))
}

/// The data behind a head and where it ends; `None` when it is refused.
fn body(head: &RequestHead, bytes: &[u8]) -> Option<(Vec<u8>, Option<usize>)> {
    let mut decoder = BodyDecoder::new(head.body, &Limits::default());
    let (mut data, mut at) = (Vec::new(), head.length);
    loop {
        match decoder.next(&bytes[at..]).ok()? {
            Piece::Data { skip, length } => {
                data.extend_from_slice(&bytes[at + skip..at + skip + length]);
                at += skip + length;
            }
            Piece::Skip(count) => at += count,
            Piece::NeedMore => return Some((data, None)),
            Piece::End { consumed } => return Some((data, Some(at + consumed))),
        }
    }
}

/// Checks one input; says nothing about those we refuse.
fn agrees(bytes: &[u8]) -> Result<(), TestCaseError> {
    let Some((mut meaning, head, end)) = ours(bytes) else { return Ok(()) };
    if head.form == Form::Absolute {
        // It writes the scheme in lower case, and a slash where there is no path.
        meaning.target = hyper::Uri::try_from(&meaning.target).unwrap().to_string();
    }
    let input = match end {
        Some(end) => [&bytes[..end], MARKER].concat(),
        None => bytes.to_vec(),
    };
    let seen = hyper(&input);
    prop_assert_eq!(seen.first(), Some(&meaning), "{}", input.escape_ascii());
    let next: Vec<&str> = seen.iter().skip(1).map(|meaning| &*meaning.target).collect();
    // After an upgrade that was not granted hyper reads on as well.
    let expected: &[&str] = if end.is_some() && head.keep_alive { &["/marker"] } else { &[] };
    prop_assert_eq!(next, expected, "{}", input.escape_ascii());
    Ok(())
}

#[test]
fn hyper_takes_every_accepted_row_and_means_the_same() {
    for (case, bytes) in corpus::ACCEPTED_REQUESTS {
        agrees(bytes).unwrap_or_else(|error| panic!("{case}: {error}"));
    }
    let head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (case, bytes, ..) in corpus::ACCEPTED_CHUNKED {
        agrees(&[head, *bytes].concat()).unwrap_or_else(|error| panic!("{case}: {error}"));
    }
}

#[test]
fn what_hyper_alone_takes_is_a_list_of_refusals_that_are_meant() {
    let head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    let heads = corpus::REFUSED_REQUESTS.iter().map(|(case, bytes, ..)| (*case, bytes.to_vec()));
    let bodies = corpus::REFUSED_CHUNKED.iter().map(|(case, bytes, _)| (*case, [head, *bytes].concat()));
    let takes = |(case, bytes): (&'static str, Vec<u8>)| {
        let takes = hyper(&bytes).first().is_some_and(|request| request.body.is_some());
        takes.then_some(case)
    };
    let found: Vec<&str> = heads.chain(bodies).filter_map(takes).collect();
    assert_eq!(found, ONLY_HYPER_TAKES);
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn hyper_means_the_same_by_a_request(bytes in request()) {
        agrees(&bytes)?;
    }

    #[test]
    fn hyper_means_the_same_by_a_changed_request(bytes in mutated_request()) {
        agrees(&bytes)?;
    }
}
