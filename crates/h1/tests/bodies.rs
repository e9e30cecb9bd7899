//! Bodies: which bytes are data, where they end, what is refused.

mod corpus;

use madang_h1::{BodyDecoder, BodyLength, Limits, Piece};

/// Data, trailers, and how many bytes were consumed when the body ended.
type Decoded = (Vec<u8>, Vec<u8>, Option<usize>);

/// Everything a decoder says about `input` given at once, or the reason of the refusal.
fn decode(length: BodyLength, input: &[u8], limits: &Limits) -> Result<Decoded, &'static str> {
    let mut decoder = BodyDecoder::new(length, limits);
    let (mut data, mut at) = (Vec::new(), 0);
    loop {
        match decoder.next(&input[at..]).map_err(|error| error.reason())? {
            Piece::Data { skip, length } => {
                assert!(length > 0, "data is never empty");
                data.extend_from_slice(&input[at + skip..at + skip + length]);
                at += skip + length;
            }
            Piece::Skip(skip) => at += skip,
            Piece::NeedMore => return Ok((data, Vec::new(), None)),
            Piece::End { consumed } => {
                assert!(decoder.is_done());
                assert_eq!(decoder.next(&input[at + consumed..]), Ok(Piece::End { consumed: 0 }), "the end stays");
                return Ok((data, decoder.trailers().to_vec(), Some(at + consumed)));
            }
        }
    }
}

#[test]
fn a_chunked_body_gives_its_data_and_leaves_the_next_message() {
    for (case, bytes, data, trailers) in corpus::ACCEPTED_CHUNKED {
        let end = bytes.len() - b"GET".len();
        let expected = Ok((data.to_vec(), trailers.to_vec(), Some(end)));
        assert_eq!(decode(BodyLength::Chunked, bytes, &Limits::default()), expected, "{case}");
    }
}

#[test]
fn a_chunked_body_that_could_be_read_in_two_ways_is_refused() {
    for (case, bytes, reason) in corpus::REFUSED_CHUNKED {
        assert_eq!(decode(BodyLength::Chunked, bytes, &Limits::default()), Err(*reason), "{case}");
    }
}

#[test]
fn a_body_with_a_length_ends_there() {
    let limits = Limits::default();
    assert_eq!(decode(BodyLength::Length(5), b"helloGET", &limits), Ok((b"hello".to_vec(), vec![], Some(5))));
    assert_eq!(decode(BodyLength::Length(5), b"hell", &limits), Ok((b"hell".to_vec(), vec![], None)));
    for length in [BodyLength::Length(0), BodyLength::None] {
        assert_eq!(decode(length, b"GET", &limits), Ok((vec![], vec![], Some(0))));
        assert!(BodyDecoder::new(length, &limits).is_done(), "without a single byte");
    }
}

#[test]
fn a_length_above_the_address_space_is_only_counted() {
    let mut decoder = BodyDecoder::new(BodyLength::Length(i64::MAX as u64), &Limits::default());
    assert_eq!(decoder.next(b"abc"), Ok(Piece::Data { skip: 0, length: 3 }));
    assert!(!decoder.is_done());
}

#[test]
fn the_end_of_input_ends_only_a_body_that_waits_for_it() {
    for (length, input, fine) in [
        (BodyLength::UntilClose, &b"hello"[..], true),
        (BodyLength::UntilClose, b"", true),
        (BodyLength::None, b"", true),
        (BodyLength::Length(5), b"hello", true),
        (BodyLength::Length(5), b"hell", false),
        (BodyLength::Length(5), b"", false),
        (BodyLength::Chunked, b"", false),
        (BodyLength::Chunked, b"5\r\nhello\r\n", false),
        (BodyLength::Chunked, b"5\r\nhello\r\n0\r\n", false),
        (BodyLength::Chunked, b"5\r\nhello\r\n0\r\n\r", false),
        (BodyLength::Chunked, b"5\r\nhello\r\n0\r\n\r\n", true),
    ] {
        let mut decoder = BodyDecoder::new(length, &Limits::default());
        let mut rest = input;
        while !rest.is_empty() {
            match decoder.next(rest).unwrap() {
                Piece::Data { skip, length } => rest = &rest[skip + length..],
                Piece::Skip(consumed) | Piece::End { consumed } => rest = &rest[consumed..],
                Piece::NeedMore => unreachable!("there is input"),
            }
        }
        let ended = decoder.end_of_input();
        assert_eq!(ended.is_ok(), fine, "{length:?} {}", input.escape_ascii());
        assert_eq!(decoder.is_done(), fine);
        if let Err(error) = ended {
            assert_eq!(error.reason(), "body_truncated");
            assert_eq!(decoder.next(b"0\r\n\r\n"), Err(error), "an error stays");
        }
    }
}

#[test]
fn an_error_stays_and_shows_no_trailers() {
    let mut decoder = BodyDecoder::new(BodyLength::Chunked, &Limits::default());
    assert_eq!(decoder.next(b"0\r\nX-A: 1\r\n"), Ok(Piece::Skip(11)));
    assert!(decoder.trailers().is_empty(), "not before the end");
    let error = decoder.next(b"nonsense\r\n").unwrap_err();
    assert_eq!(error.reason(), "field_colon");
    assert_eq!(decoder.next(b"\r\n"), Err(error));
    assert_eq!(decoder.end_of_input(), Err(error));
    assert!(decoder.trailers().is_empty() && !decoder.is_done());
}

#[test]
fn limits_on_extensions_and_trailers_count_over_the_whole_message() {
    let limits = Limits { extension_bytes: 4, trailer_bytes: 12, fields: 2, ..Limits::default() };
    for (bytes, refused) in [
        (&b"1;a\r\nx\r\n1;b\r\ny\r\n0\r\n\r\n"[..], None),
        (b"1;ab\r\nx\r\n1;b\r\ny\r\n0\r\n\r\n", Some("chunk_extensions_large")),
        (b"1;abcd\r\nx\r\n", Some("chunk_extensions_large")),
        (b"0\r\nA: b\r\nC: d\r\n\r\n", None),
        (b"0\r\nA: b\r\nC: de\r\n\r\n", Some("trailers_large")),
        // What is left out counts too.
        (b"0\r\nTE: b\r\nC: d\r\n\r\n", Some("trailers_large")),
        (b"0\r\nA:\r\nB:\r\nC:\r\n\r\n", Some("too_many_fields")),
        (b"0\r\nAAAAAAAAAAAAA", Some("trailers_large")),
    ] {
        assert_eq!(decode(BodyLength::Chunked, bytes, &limits).err(), refused, "{}", bytes.escape_ascii());
    }
}

#[test]
fn one_piece_covers_the_end_of_one_chunk_and_the_start_of_the_next() {
    let mut decoder = BodyDecoder::new(BodyLength::Chunked, &Limits::default());
    assert_eq!(decoder.next(b"5\r\nhello\r\n3\r\nabc\r\n0\r\n\r\n"), Ok(Piece::Data { skip: 3, length: 5 }));
    assert_eq!(decoder.next(b"\r\n3\r\nabc\r\n0\r\n\r\n"), Ok(Piece::Data { skip: 5, length: 3 }));
    assert_eq!(decoder.next(b"\r\n0\r\n\r\n"), Ok(Piece::End { consumed: 7 }));
}
