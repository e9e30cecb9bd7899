//! What holds for every input: made of grammar and dirt, of corpus rows with bytes changed, and of plain noise.

mod corpus;

use madang_h1::{
    Asked, BodyDecoder, BodyLength, Edits, Field, Known, Limits, Parsed, Piece, RequestHead, ResponseHead, Version,
    fields_in, reason_phrase, write_chunk, write_fields, write_last_chunk, write_request_line, write_status_line,
};
use proptest::collection::vec;
use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};
use proptest::sample::{Index, select};
use proptest::test_runner::{RngSeed, TestCaseError};

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

fn request() -> impl Strategy<Value = Vec<u8>> {
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

fn response() -> impl Strategy<Value = Vec<u8>> {
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

fn mutated_request() -> impl Strategy<Value = Vec<u8>> {
    let accepted = corpus::ACCEPTED_REQUESTS.iter().map(|(_, bytes)| *bytes);
    mutated(accepted.chain(corpus::REFUSED_REQUESTS.iter().map(|(_, bytes, ..)| *bytes)).collect())
}

fn mutated_response() -> impl Strategy<Value = Vec<u8>> {
    let accepted = corpus::ACCEPTED_RESPONSES.iter().map(|(_, bytes)| *bytes);
    mutated(accepted.chain(corpus::REFUSED_RESPONSES.iter().map(|(_, bytes, ..)| *bytes)).collect())
}

fn chunked() -> impl Strategy<Value = Vec<u8>> {
    let accepted = corpus::ACCEPTED_CHUNKED.iter().map(|(_, bytes, ..)| *bytes);
    mutated(accepted.chain(corpus::REFUSED_CHUNKED.iter().map(|(_, bytes, _)| *bytes)).collect())
}

/// Ascending places to cut `length` bytes at.
fn places(cuts: &[Index], length: usize) -> Vec<usize> {
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(length + 1)).collect();
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

fn check_request(bytes: &[u8], cuts: &[Index]) -> Result<(), TestCaseError> {
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

fn check_response(bytes: &[u8], cuts: &[Index], asked: Asked) -> Result<(), TestCaseError> {
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

type Decoded = Result<(Vec<u8>, Vec<u8>, Option<usize>), &'static str>;

/// Decodes `bytes` in parts that end at `places`: data, trailers, bytes consumed when the body ended.
fn decode(length: BodyLength, bytes: &[u8], places: &[usize]) -> Decoded {
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

fn check_body(length: BodyLength, bytes: &[u8], cuts: &[Index]) -> Result<(), TestCaseError> {
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

fn cuts() -> impl Strategy<Value = Vec<Index>> {
    vec(any::<Index>(), 0..8)
}

fn asked() -> impl Strategy<Value = Asked> {
    select(&[Asked::Other, Asked::Head, Asked::Connect][..])
}

/// `MADANG_SEED=` repeats a run, `PROPTEST_CASES=` makes it longer.
fn config() -> ProptestConfig {
    let seed = std::env::var("MADANG_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 0));
    // Captured, so that it is seen when the test fails.
    println!("MADANG_SEED={seed} repeats this");
    let default = ProptestConfig::default();
    let cases = default.cases.max(1500);
    ProptestConfig { cases, rng_seed: RngSeed::Fixed(seed), failure_persistence: None, ..default }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_request_has_one_meaning(bytes in request(), cuts in cuts()) {
        check_request(&bytes, &cuts)?;
    }

    #[test]
    fn a_changed_request_has_one_meaning(bytes in mutated_request(), cuts in cuts()) {
        check_request(&bytes, &cuts)?;
    }

    #[test]
    fn a_response_has_one_meaning(bytes in response(), cuts in cuts(), asked in asked()) {
        check_response(&bytes, &cuts, asked)?;
    }

    #[test]
    fn a_changed_response_has_one_meaning(bytes in mutated_response(), cuts in cuts(), asked in asked()) {
        check_response(&bytes, &cuts, asked)?;
    }

    #[test]
    fn a_changed_chunked_body_has_one_meaning(bytes in chunked(), cuts in cuts()) {
        check_body(BodyLength::Chunked, &bytes, &cuts)?;
    }

    #[test]
    fn noise_never_panics_and_is_never_read_beyond_its_end(bytes in vec(any::<u8>(), 0..300), cuts in cuts(), length in 0..400_u64) {
        check_request(&bytes, &cuts)?;
        check_response(&bytes, &cuts, Asked::Other)?;
        for length in [BodyLength::Chunked, BodyLength::Length(length), BodyLength::UntilClose, BodyLength::None] {
            check_body(length, &bytes, &cuts)?;
        }
    }

    #[test]
    fn a_written_request_is_read_back(
        method in "[A-Z]{1,10}-?",
        path in "/[a-zA-Z0-9._~!$&'()*+,;=:@|{}^/-]{0,40}",
        query in prop::option::of("[a-zA-Z0-9=&?/%]{0,20}"),
        fields in vec(("X-[A-Za-z0-9!#$%&'*+.^`|~-]{0,20}", "([!-~\u{e9}]([!-~ \t]{0,30}[!-~])?)?"), 0..10),
        dropped in any::<u128>(),
    ) {
        let mut edits = Edits::default();
        edits.add("Host", b"a").unwrap();
        for (name, value) in &fields {
            edits.add(name, value.as_bytes()).unwrap();
        }
        let target = match &query {
            Some(query) => format!("{path}?{query}"),
            None => path.clone(),
        };
        let mut bytes = Vec::new();
        write_request_line(&mut bytes, method.as_bytes(), target.as_bytes());
        bytes.extend_from_slice(edits.added());
        bytes.extend_from_slice(b"\r\n");
        let mut head = RequestHead::default();
        // Whatever our own method generator hits by accident.
        if !["CONNECT", "TRACE"].contains(&method.as_str()) {
            prop_assert_eq!(head.parse(&bytes, &Limits::default()), Ok(Parsed::Complete));
            prop_assert_eq!(head.path.of(&bytes), path.as_bytes());
            prop_assert_eq!(head.query.map(|query| query.of(&bytes)), query.as_deref().map(str::as_bytes));
            let expected: Vec<_> = [("Host".to_owned(), "a".to_owned())].into_iter().chain(fields).collect();
            prop_assert_eq!(head.fields.len(), expected.len());
            for (field, (name, value)) in head.fields.iter().zip(&expected) {
                prop_assert_eq!(field.name.of(&bytes), name.as_bytes());
                prop_assert_eq!(field.value.of(&bytes), value.as_bytes());
            }
            // Dropping is leaving lines out, whatever the pattern.
            let mut out = Vec::new();
            write_fields(&mut out, &bytes, &head.fields, dropped);
            let kept = head.fields.iter().enumerate().filter(|(at, _)| dropped >> at & 1 == 0);
            let lines: Vec<u8> = kept.flat_map(|(_, field)| field.line.of(&bytes).to_vec()).collect();
            prop_assert_eq!(out, lines);
        }
    }

    #[test]
    fn a_written_chunked_body_is_read_back(
        chunks in vec(vec(any::<u8>(), 0..60), 0..8),
        trailers in vec(("X-[a-z]{1,5}", "[!-~]{0,10}"), 0..3),
        cuts in cuts(),
        behind in vec(any::<u8>(), 0..10),
    ) {
        let mut bytes = Vec::new();
        for chunk in &chunks {
            write_chunk(&mut bytes, chunk);
        }
        let trailers: String = trailers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        write_last_chunk(&mut bytes, trailers.as_bytes());
        let end = bytes.len();
        bytes.extend_from_slice(&behind);
        let expected = Ok((chunks.concat(), trailers.into_bytes(), Some(end)));
        prop_assert_eq!(decode(BodyLength::Chunked, &bytes, &places(&cuts, bytes.len())), expected);
    }

    #[test]
    fn a_written_status_line_is_read_back(status in 100..600_u16, close in any::<bool>()) {
        let mut bytes = Vec::new();
        write_status_line(&mut bytes, status, reason_phrase(status).as_bytes());
        let mut edits = Edits::default();
        if close {
            edits.add("Connection", b"close").unwrap();
        }
        bytes.extend_from_slice(edits.added());
        bytes.extend_from_slice(b"\r\n");
        let mut head = ResponseHead::default();
        prop_assert_eq!(head.parse(&bytes, &Limits::default(), Asked::Other), Ok(Parsed::Complete));
        prop_assert_eq!(head.status, status);
        prop_assert_eq!(head.reason.of(&bytes), reason_phrase(status).as_bytes());
        prop_assert_eq!(fields_in(&head.fields, madang_h1::KnownSet::HOP_BY_HOP), u128::from(close));
    }
}
