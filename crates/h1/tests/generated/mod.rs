//! Messages by the thousand: grammar with dirt in it, and rows of the corpus with bytes changed.

#![allow(dead_code)] // each test file uses its part

use proptest::collection::vec;
use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop_oneof};
use proptest::sample::{Index, select};
use proptest::test_runner::RngSeed;

use crate::corpus;

/// Mostly the first, sometimes one of the others.
fn mostly(usual: &'static str, others: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop_oneof![9 => Just(usual), 1 => select(others)].prop_map(str::to_owned)
}

fn line_end() -> impl Strategy<Value = String> {
    prop_oneof![60 => Just("\r\n"), 1 => select(&["\n", "\r", "\r\r\n", "\r\n ", "", "\n\n"][..])]
        .prop_map(str::to_owned)
}

fn field_line() -> impl Strategy<Value = String> {
    let name = select(
        &[
            "Host",
            "content-length",
            "Content-Length",
            "Transfer-Encoding",
            "CONNECTION",
            "Upgrade",
            "Expect",
            "Accept",
            "X-A",
            "x-a",
            "Cookie",
            "Content_Length",
            "a_b",
            "",
            "X Y",
            "Keep-Alive",
            "TE",
            "Via",
            "X-Forwarded-For",
        ][..],
    );
    let value = select(
        &[
            "a",
            "a",
            "a:80",
            "5",
            "0",
            "05",
            "+5",
            "5, 5",
            "chunked",
            "Chunked",
            "gzip, chunked",
            "close",
            "keep-alive",
            "upgrade, x-a",
            "x-a",
            "websocket",
            "100-continue",
            "",
            "caf\u{e9}\tx",
            "a\u{1}",
            "a \t",
            "b:c",
            "[::1]",
        ][..],
    );
    let colon = mostly(": ", &[":", ":\t", " : ", "", ":  "]);
    (name, colon, value, line_end()).prop_map(|(name, colon, value, end)| format!("{name}{colon}{value}{end}"))
}

/// Fields that together are often acceptable.
fn fields() -> impl Strategy<Value = String> {
    (mostly("Host: a\r\n", &["", "Host: a\r\nHost: a\r\n", "host:\tA\r\n"]), vec(field_line(), 0..5), any::<bool>())
        .prop_map(|(host, others, first)| if first { host + &others.concat() } else { others.concat() + &host })
}

pub(crate) fn request() -> impl Strategy<Value = Vec<u8>> {
    (
        mostly("", &["\r\n", "\r\n\r\n", " ", "\n"]),
        select(&["GET", "POST", "OPTIONS", "M-SEARCH", "get", "CONNECT", "", "G\u{e4}T"][..]),
        mostly(" ", &["  ", "\t", ""]),
        select(&["/", "/a?b", "*", "http://a/b", "http://a", "/%00", "/a#b", "/\u{e9}", "/a|b", "x"][..]),
        mostly(" HTTP/1.1", &[" HTTP/1.0", " HTTP/1.2", " http/1.1", "", "  HTTP/1.1"]),
        line_end(),
        fields(),
        mostly("\r\n", &["\n", "", "\r"]),
        select(&["", "hello", "GET / HTTP/1.1\r\nHost: a\r\n\r\n"][..]),
    )
        .prop_map(|(lead, method, space, target, version, end, fields, empty, body)| {
            format!("{lead}{method}{space}{target}{version}{end}{fields}{empty}{body}").into_bytes()
        })
}

pub(crate) fn response() -> impl Strategy<Value = Vec<u8>> {
    (
        mostly("HTTP/1.1", &["HTTP/1.0", "HTTP/2.0", "http/1.1", "\r\nHTTP/1.1"]),
        mostly(" 200 OK", &[" 204 ", " 304", " 100 Continue", " 101 x", " 99 x", " 600 x", "200"]),
        line_end(),
        vec(field_line(), 0..5),
        mostly("\r\n", &["\n", "", "\r"]),
    )
        .prop_map(|(version, status, end, fields, empty)| {
            format!("{version}{status}{end}{}{empty}", fields.concat()).into_bytes()
        })
}

/// A row of the corpus with some bytes replaced, removed or doubled.
fn mutated(rows: Vec<&'static [u8]>) -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![select(&b"\r\n\t :,;\0_-/%#\"\\05aA\x7f\x80\xff"[..]), any::<u8>(),];
    (select(rows), vec((any::<Index>(), byte, 0..3_u8), 0..4)).prop_map(|(row, edits)| {
        let mut bytes = row.to_vec();
        for (at, byte, kind) in edits {
            let at = at.index(bytes.len());
            match kind {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ if bytes.len() > 1 => drop(bytes.remove(at)),
                _ => {}
            }
        }
        bytes
    })
}

pub(crate) fn mutated_request() -> impl Strategy<Value = Vec<u8>> {
    let accepted = corpus::ACCEPTED_REQUESTS.iter().map(|(_, bytes)| *bytes);
    mutated(accepted.chain(corpus::REFUSED_REQUESTS.iter().map(|(_, bytes, ..)| *bytes)).collect())
}

pub(crate) fn mutated_response() -> impl Strategy<Value = Vec<u8>> {
    let accepted = corpus::ACCEPTED_RESPONSES.iter().map(|(_, bytes)| *bytes);
    mutated(accepted.chain(corpus::REFUSED_RESPONSES.iter().map(|(_, bytes, ..)| *bytes)).collect())
}

pub(crate) fn chunked() -> impl Strategy<Value = Vec<u8>> {
    let accepted = corpus::ACCEPTED_CHUNKED.iter().map(|(_, bytes, ..)| *bytes);
    mutated(accepted.chain(corpus::REFUSED_CHUNKED.iter().map(|(_, bytes, _)| *bytes)).collect())
}

/// `MADANG_SEED=` repeats a run, `PROPTEST_CASES=` makes it longer.
pub(crate) fn config() -> ProptestConfig {
    let seed = std::env::var("MADANG_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 0));
    // Captured, so that it is seen when the test fails.
    println!("MADANG_SEED={seed} repeats this");
    let default = ProptestConfig::default();
    let cases = default.cases.max(1500);
    ProptestConfig { cases, rng_seed: RngSeed::Fixed(seed), failure_persistence: None, ..default }
}
