//! What holds for every input: made of grammar and dirt, of corpus rows with bytes changed, and of plain noise.

mod checks;
mod corpus;
mod generated;

use checks::{check_body, check_request, check_response, decode, places};
use generated::{chunked, config, mutated_request, mutated_response, request, response};
use madang_h1::{
    Asked, BodyLength, Edits, Limits, Parsed, RequestHead, ResponseHead, fields_in, reason_phrase, write_chunk,
    write_fields, write_last_chunk, write_request_line, write_status_line,
};
use proptest::collection::vec;
use proptest::prelude::{Strategy, any, prop, prop_assert_eq, proptest};
use proptest::sample::select;

fn cuts() -> impl Strategy<Value = Vec<usize>> {
    vec(any::<usize>(), 0..8)
}

fn asked() -> impl Strategy<Value = Asked> {
    select(&[Asked::Other, Asked::Head, Asked::Connect][..])
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
