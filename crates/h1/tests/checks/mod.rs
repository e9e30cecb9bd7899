//! What must hold for every input, whatever it is made of.

#![allow(dead_code)] // each test file uses its part

use madang_h1::{
    Asked, BodyDecoder, BodyLength, Field, Known, Limits, Parsed, Piece, RequestHead, ResponseHead, Version,
    write_chunk, write_fields, write_last_chunk, write_request_line, write_status_line,
};
use proptest::prelude::{prop_assert, prop_assert_eq};
use proptest::test_runner::TestCaseError;

/// Ascending places to cut `length` bytes at.
pub(crate) fn places(cuts: &[usize], length: usize) -> Vec<usize> {
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut % (length + 1)).collect();
    places.sort_unstable();
    places.push(length);
    places
}

/// Name in lower case and value of each field.
fn pairs(bytes: &[u8], fields: &[Field]) -> Vec<(Vec<u8>, Vec<u8>)> {
    fields.iter().map(|field| (field.name.of(bytes).to_ascii_lowercase(), field.value.of(bytes).to_vec())).collect()
}

/// Reads an accepted request the plain way, with whole-text operations, and checks every rule that keeps it unambiguous.
fn agrees_with_a_plain_reading(bytes: &[u8], head: &RequestHead) -> Result<(), TestCaseError> {
    let text: String = bytes[..head.length].iter().map(|&byte| byte as char).collect();
    let text = text.trim_start_matches("\r\n");
    let text = text.strip_suffix("\r\n\r\n");
    prop_assert!(text.is_some(), "ends in an empty line");
    let mut lines = text.unwrap_or_default().split("\r\n");
    let first: Vec<&str> = lines.next().unwrap_or_default().split(' ').collect();
    prop_assert_eq!(first.len(), 3);
    prop_assert_eq!(first[0].as_bytes(), head.method.of(bytes));
    prop_assert_eq!(first[1].as_bytes(), head.target.of(bytes));
    prop_assert!(!["CONNECT", "TRACE"].contains(&first[0]));
    prop_assert!(first[1].bytes().all(|byte| byte.is_ascii_graphic() && !b"#\\\"<>`".contains(&byte)));
    prop_assert_eq!(first[2], if head.version == Version::Http11 { "HTTP/1.1" } else { "HTTP/1.0" });

    let fields: Vec<(String, &str)> = lines
        .map(|line| line.split_once(':').unwrap_or_default())
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim_matches([' ', '\t'])))
        .collect();
    prop_assert_eq!(fields.len(), head.fields.len());
    for ((name, value), field) in fields.iter().zip(&head.fields) {
        let separators = b"()<>@,;:\\\"/[]?={}";
        let token = name.bytes().all(|byte| byte.is_ascii_graphic() && !separators.contains(&byte));
        prop_assert!(token && !name.is_empty());
        prop_assert!(value.chars().all(|c| c == '\t' || !c.is_ascii_control()));
        prop_assert_eq!(name.as_bytes(), field.name.of(bytes).to_ascii_lowercase());
        prop_assert_eq!(value.chars().map(|c| c as u8).collect::<Vec<u8>>(), field.value.of(bytes));
    }
    let values = |wanted: &str| -> Vec<&str> {
        fields.iter().filter(|(name, _)| name.replace('_', "-") == wanted).map(|(_, value)| *value).collect()
    };
    let (hosts, lengths, codings) = (values("host"), values("content-length"), values("transfer-encoding"));
    prop_assert!(hosts.len() == 1 || (hosts.is_empty() && head.version == Version::Http10));
    let body = match (&lengths[..], &codings[..]) {
        ([], []) => BodyLength::None,
        ([length], []) => BodyLength::Length(length.parse().unwrap_or(u64::MAX)),
        ([], [coding]) if coding.eq_ignore_ascii_case("chunked") && head.version == Version::Http11 => {
            BodyLength::Chunked
        }
        other => return Err(TestCaseError::fail(format!("ambiguous framing was accepted: {other:?}"))),
    };
    prop_assert_eq!(head.body, body);
    if let [length] = lengths[..] {
        prop_assert_eq!(length.parse::<u64>().map(|number| number.to_string()), Ok(length.to_owned()));
    }
    let options = values("connection").join(",").to_ascii_lowercase();
    let has = |wanted: &str| options.split(',').any(|option| option.trim_matches([' ', '\t']) == wanted);
    prop_assert_eq!(head.keep_alive, !has("close") && (head.version == Version::Http11 || has("keep-alive")));
    Ok(())
}

/// Writes an accepted request again and reads that: the meaning is the same.
fn request_survives_encoding(bytes: &[u8], head: &RequestHead) -> Result<(), TestCaseError> {
    let mut out = Vec::new();
    write_request_line(&mut out, head.method.of(bytes), head.target.of(bytes));
    write_fields(&mut out, bytes, &head.fields, 0);
    out.extend_from_slice(b"\r\n");
    let mut again = RequestHead::default();
    let parsed = again.parse(&out, &Limits::default());
    // We write HTTP/1.1 always; there a missing Host, a body that is waited for and `keep-alive` mean something else.
    if head.version == Version::Http10 {
        return Ok(());
    }
    prop_assert_eq!(parsed, Ok(Parsed::Complete));
    prop_assert_eq!(again.length, out.len());
    prop_assert_eq!(pairs(&out, &again.fields), pairs(bytes, &head.fields));
    prop_assert_eq!(again.method.of(&out), head.method.of(bytes));
    prop_assert_eq!(again.path.of(&out), head.path.of(bytes));
    prop_assert_eq!(again.query.map(|query| query.of(&out)), head.query.map(|query| query.of(bytes)));
    prop_assert_eq!(again.authority.of(&out), head.authority.of(bytes));
    prop_assert_eq!(
        (again.body, again.keep_alive, again.upgrade, again.expect_continue, again.connection_named, again.form),
        (head.body, head.keep_alive, head.upgrade, head.expect_continue, head.connection_named, head.form)
    );
    Ok(())
}

pub(crate) fn check_request(bytes: &[u8], cuts: &[usize]) -> Result<(), TestCaseError> {
    // A fault in an unfinished line may be reported with the line's end: give it one.
    let bytes = &[bytes, b"\n"].concat()[..];
    let limits = Limits { head_bytes: 200, fields: 4, target_bytes: 30, ..Limits::default() };
    for limits in [Limits::default(), limits] {
        let mut whole = RequestHead::default();
        let verdict = whole.parse(bytes, &limits);
        if verdict == Ok(Parsed::Complete) {
            prop_assert!(whole.length <= bytes.len());
            agrees_with_a_plain_reading(bytes, &whole)?;
            request_survives_encoding(bytes, &whole)?;
        }
        let (mut head, mut outcome) = (RequestHead::default(), Ok(Parsed::Partial));
        for end in places(cuts, bytes.len()) {
            outcome = head.parse(&bytes[..end], &limits);
            if outcome != Ok(Parsed::Partial) {
                break;
            }
        }
        prop_assert_eq!(outcome, verdict);
        if verdict == Ok(Parsed::Complete) {
            prop_assert_eq!(format!("{head:?}"), format!("{whole:?}"));
        }
    }
    Ok(())
}

pub(crate) fn check_response(bytes: &[u8], cuts: &[usize], asked: Asked) -> Result<(), TestCaseError> {
    let bytes = &[bytes, b"\n"].concat()[..];
    let limits = Limits::default();
    let mut whole = ResponseHead::default();
    let verdict = whole.parse(bytes, &limits, asked);
    let (mut head, mut outcome) = (ResponseHead::default(), Ok(Parsed::Partial));
    for end in places(cuts, bytes.len()) {
        outcome = head.parse(&bytes[..end], &limits, asked);
        if outcome != Ok(Parsed::Partial) {
            break;
        }
    }
    prop_assert_eq!(outcome, verdict);
    if verdict != Ok(Parsed::Complete) {
        return Ok(());
    }
    prop_assert_eq!(format!("{head:?}"), format!("{whole:?}"));
    prop_assert!(whole.length <= bytes.len());
    let count = |known| whole.fields_known(known).count();
    prop_assert!(count(Known::ContentLength) + count(Known::TransferEncoding) <= 1);

    let mut out = Vec::new();
    write_status_line(&mut out, whole.status, whole.reason.of(bytes));
    write_fields(&mut out, bytes, &whole.fields, 0);
    out.extend_from_slice(b"\r\n");
    let mut again = ResponseHead::default();
    let parsed = again.parse(&out, &limits, asked);
    if whole.version == Version::Http11 {
        prop_assert_eq!(parsed, Ok(Parsed::Complete));
        prop_assert_eq!(pairs(&out, &again.fields), pairs(bytes, &whole.fields));
        prop_assert_eq!(again.reason.of(&out), whole.reason.of(bytes));
        prop_assert_eq!(
            (again.status, again.body, again.keep_alive, again.connection_named, again.length),
            (whole.status, whole.body, whole.keep_alive, whole.connection_named, out.len())
        );
    }
    Ok(())
}

pub(crate) type Decoded = Result<(Vec<u8>, Vec<u8>, Option<usize>), &'static str>;

/// Decodes `bytes` in parts that end at `places`: data, trailers, bytes consumed when the body ended.
pub(crate) fn decode(length: BodyLength, bytes: &[u8], places: &[usize]) -> Decoded {
    let limits = Limits { extension_bytes: 20, trailer_bytes: 100, ..Limits::default() };
    let mut decoder = BodyDecoder::new(length, &limits);
    let (mut data, mut at) = (Vec::new(), 0);
    for &end in places {
        while at < end && !decoder.is_done() {
            match decoder.next(&bytes[at..end]).map_err(|error| error.reason())? {
                Piece::Data { skip, length } => {
                    data.extend_from_slice(&bytes[at + skip..at + skip + length]);
                    at += skip + length;
                }
                Piece::Skip(consumed) | Piece::End { consumed } => at += consumed,
                Piece::NeedMore => return Err("need more of what is there"),
            }
            if at > end {
                return Err("consumed more than there is");
            }
        }
    }
    Ok((data, decoder.trailers().to_vec(), decoder.is_done().then_some(at)))
}

pub(crate) fn check_body(length: BodyLength, bytes: &[u8], cuts: &[usize]) -> Result<(), TestCaseError> {
    let whole = decode(length, bytes, &[bytes.len()]);
    prop_assert_eq!(&decode(length, bytes, &places(cuts, bytes.len())), &whole);
    let Ok((data, trailers, end)) = whole else { return Ok(()) };
    prop_assert!(data.len() <= bytes.len());
    let (BodyLength::Chunked, Some(end)) = (length, end) else { return Ok(()) };
    prop_assert!(end <= bytes.len());
    // What is accepted and written again is read the same.
    let mut out = Vec::new();
    write_chunk(&mut out, &data);
    write_last_chunk(&mut out, &trailers);
    prop_assert_eq!(decode(length, &out, &[out.len()]), Ok((data, trailers, Some(out.len()))));
    Ok(())
}

/// Reads a whole connection as a gateway does, request after request, and forwards it: what it writes is read as the same
/// requests, in their order and no more of them.
pub(crate) fn check_connection(bytes: &[u8], cuts: &[usize]) -> Result<(), TestCaseError> {
    let limits = Limits::default();
    let (seen, forwarded) = connection(bytes, &places(cuts, bytes.len()), &limits);
    let (whole, _) = connection(bytes, &[bytes.len()], &limits);
    prop_assert_eq!(&seen, &whole, "where reads split changes nothing");
    // A gateway adds fields.
    let limits = Limits { fields: limits.fields + 2, head_bytes: limits.head_bytes + 100, ..limits };
    let (again, _) = connection(&forwarded, &[forwarded.len()], &limits);
    prop_assert_eq!(again, seen, "what is forwarded means the same");
    Ok(())
}

/// Method, target and body of each request that is wholly there.
type Requests = Vec<(Vec<u8>, Vec<u8>, Vec<u8>)>;

/// The requests of a connection whose bytes come in parts that end at `places`, and what a gateway sends on of them.
fn connection(bytes: &[u8], places: &[usize], limits: &Limits) -> (Requests, Vec<u8>) {
    let (mut requests, mut out, mut at) = (Vec::new(), Vec::new(), 0);
    let mut places = places.iter().copied();
    let mut end = 0;
    loop {
        let mut head = RequestHead::default();
        loop {
            match head.parse(&bytes[at..end], limits) {
                Ok(Parsed::Complete) => break,
                Ok(Parsed::Partial) => match places.next() {
                    Some(next) => end = next,
                    None => return (requests, out),
                },
                Err(_) => return (requests, out),
            }
        }
        let start = at;
        at += head.length;
        let mut body = BodyDecoder::new(head.body, limits);
        let mut data = Vec::new();
        loop {
            match body.next(&bytes[at..end]) {
                Ok(Piece::Data { skip, length }) => {
                    data.extend_from_slice(&bytes[at + skip..at + skip + length]);
                    at += skip + length;
                }
                Ok(Piece::Skip(count)) => at += count,
                Ok(Piece::End { consumed }) => {
                    at += consumed;
                    break;
                }
                Ok(Piece::NeedMore) => match places.next() {
                    Some(next) => end = next,
                    None => return (requests, out),
                },
                Err(_) => return (requests, out),
            }
        }
        let head_bytes = &bytes[start..];
        requests.push((head.method.of(head_bytes).to_vec(), head.target.of(head_bytes).to_vec(), data.clone()));
        forward(&mut out, head_bytes, &head, &data, body.trailers());
        // A connection that is to end takes nothing more; HTTP/1.0 is written as 1.1 and so would go on.
        if !head.keep_alive || head.version == Version::Http10 {
            return (requests, out);
        }
    }
}

fn forward(out: &mut Vec<u8>, bytes: &[u8], head: &RequestHead, data: &[u8], trailers: &[u8]) {
    write_request_line(out, head.method.of(bytes), head.target.of(bytes));
    let anew = |field: &Field| matches!(field.known, Known::ContentLength | Known::TransferEncoding | Known::Expect);
    let mut dropped = head.connection_named;
    for (at, field) in head.fields.iter().enumerate() {
        dropped |= u128::from(anew(field)) << at;
    }
    write_fields(out, bytes, &head.fields, dropped);
    if !head.fields.iter().any(|field| field.known == Known::Host) {
        out.extend_from_slice(b"Host: a\r\n");
    }
    match head.body {
        BodyLength::Chunked => {
            out.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n");
            write_chunk(out, data);
            write_last_chunk(out, trailers);
        }
        _ => {
            out.extend_from_slice(format!("Content-Length: {}\r\n\r\n", data.len()).as_bytes());
            out.extend_from_slice(data);
        }
    }
}
