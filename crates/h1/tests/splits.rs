//! However the input is cut, the outcome is the same: every row of the corpus, at every place, and byte by byte.
//!
//! A fault in an unfinished line may be reported as late as the line's end, so heads get one more line feed behind them.

mod corpus;

use madang_h1::{
    Asked, BodyDecoder, BodyError, BodyLength, Limits, Parsed, Piece, RequestError, RequestHead, ResponseError,
    ResponseHead,
};

/// Parses `bytes` as they grow to each of `cuts`, then whole.
fn request(bytes: &[u8], cuts: impl Iterator<Item = usize>, limits: &Limits) -> Result<Option<String>, RequestError> {
    let mut head = RequestHead::default();
    for end in cuts.chain([bytes.len()]) {
        // A fresh copy each time: buffers move.
        let moved = bytes[..end].to_vec();
        if head.parse(&moved, limits)? == Parsed::Complete {
            assert!(head.length <= end, "never reads beyond its input");
            return Ok(Some(format!("{head:?}")));
        }
    }
    Ok(None)
}

fn response(bytes: &[u8], cuts: impl Iterator<Item = usize>) -> Result<Option<String>, ResponseError> {
    let mut head = ResponseHead::default();
    for end in cuts.chain([bytes.len()]) {
        let moved = bytes[..end].to_vec();
        if head.parse(&moved, &Limits::default(), Asked::Other)? == Parsed::Complete {
            return Ok(Some(format!("{head:?}")));
        }
    }
    Ok(None)
}

/// Feeds `bytes` in parts that end at `cuts`: data, trailers, and how much was consumed when the body ended.
type Decoded = (Vec<u8>, Vec<u8>, Option<usize>);

fn body(bytes: &[u8], cuts: impl Iterator<Item = usize>, limits: &Limits) -> Result<Decoded, BodyError> {
    let mut decoder = BodyDecoder::new(BodyLength::Chunked, limits);
    let (mut data, mut at) = (Vec::new(), 0);
    for end in cuts.chain([bytes.len()]) {
        while at < end && !decoder.is_done() {
            match decoder.next(&bytes[at..end])? {
                Piece::Data { skip, length } => {
                    data.extend_from_slice(&bytes[at + skip..at + skip + length]);
                    at += skip + length;
                }
                Piece::Skip(consumed) => {
                    assert_eq!(at + consumed, end, "a skip takes the whole input");
                    at = end;
                }
                Piece::End { consumed } => at += consumed,
                Piece::NeedMore => unreachable!("there is input"),
            }
            assert!(at <= end, "never consumes beyond its input");
        }
    }
    Ok((data, decoder.trailers().to_vec(), decoder.is_done().then_some(at)))
}

#[test]
fn request_heads_mean_the_same_wherever_they_are_cut() {
    let accepted = corpus::ACCEPTED_REQUESTS.iter().map(|(case, bytes)| (case, *bytes));
    let refused = corpus::REFUSED_REQUESTS.iter().map(|(case, bytes, ..)| (case, *bytes));
    for (case, bytes) in accepted.chain(refused) {
        let bytes = &[bytes, b"\n"].concat()[..];
        let whole = request(bytes, [].into_iter(), &Limits::default());
        for at in 0..bytes.len() {
            assert_eq!(request(bytes, [at].into_iter(), &Limits::default()), whole, "{case}, cut at {at}");
        }
        assert_eq!(request(bytes, 0..bytes.len(), &Limits::default()), whole, "{case}, byte by byte");
    }
}

#[test]
fn limits_mean_the_same_wherever_a_head_is_cut() {
    for limits in [
        Limits { head_bytes: 40, ..Limits::default() },
        Limits { target_bytes: 8, ..Limits::default() },
        Limits { fields: 1, ..Limits::default() },
    ] {
        for bytes in [
            &b"GET /12345678901234567890 HTTP/1.1\r\nHost: a\r\n\r\n"[..],
            b"GET /12345%00 HTTP/1.1\r\nHost: a\r\n\r\n",
            b"GET /123456%00 HTTP/1.1\r\nHost: a\r\n\r\n",
            b"GET /1234%0a HTTP/1.1\r\nHost: a\r\n\r\n",
            b"GET /123456\" HTTP/1.1\r\nHost: a\r\n\r\n",
            b"GET /1234567\" HTTP/1.1\r\nHost: a\r\n\r\n",
            b"GET /12345678\" HTTP/1.1\r\nHost: a\r\n\r\n",
            b"GET /12345678901234567890123456789012345678901234567890",
            b"GET / HTTP/1.1\r\nHost: a\r\nX: 1234567890\0\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\r\nX: 123456789012345\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\r\nXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX",
            b"GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n",
        ] {
            let bytes = &[bytes, b"\n"].concat()[..];
            let whole = request(bytes, [].into_iter(), &limits);
            for at in 0..bytes.len() {
                assert_eq!(request(bytes, [at].into_iter(), &limits), whole, "{} at {at}", bytes.escape_ascii());
            }
            assert_eq!(request(bytes, 0..bytes.len(), &limits), whole, "{} byte by byte", bytes.escape_ascii());
        }
    }
}

#[test]
fn response_heads_mean_the_same_wherever_they_are_cut() {
    let accepted = corpus::ACCEPTED_RESPONSES.iter().map(|(case, bytes)| (case, *bytes));
    let refused = corpus::REFUSED_RESPONSES.iter().map(|(case, bytes, _)| (case, *bytes));
    for (case, bytes) in accepted.chain(refused) {
        let bytes = &[bytes, b"\n"].concat()[..];
        let whole = response(bytes, [].into_iter());
        for at in 0..bytes.len() {
            assert_eq!(response(bytes, [at].into_iter()), whole, "{case}, cut at {at}");
        }
        assert_eq!(response(bytes, 0..bytes.len()), whole, "{case}, byte by byte");
    }
}

#[test]
fn a_trailer_section_of_just_the_limit_passes_wherever_its_last_line_is_cut() {
    let bytes = b"0\r\nX: 34567\r\n\r\n";
    let limits = Limits { trailer_bytes: 10, ..Limits::default() };
    let whole = body(bytes, [].into_iter(), &limits);
    assert_eq!(whole, Ok((vec![], b"X: 34567\r\n".to_vec(), Some(bytes.len()))));
    for at in 0..bytes.len() {
        assert_eq!(body(bytes, [at].into_iter(), &limits), whole, "cut at {at}");
    }
    assert!(body(bytes, [].into_iter(), &Limits { trailer_bytes: 9, ..limits }).is_err());
}

#[test]
fn chunked_bodies_mean_the_same_wherever_they_are_cut() {
    let accepted = corpus::ACCEPTED_CHUNKED.iter().map(|(case, bytes, ..)| (case, *bytes));
    let refused = corpus::REFUSED_CHUNKED.iter().map(|(case, bytes, _)| (case, *bytes));
    let tight = Limits { extension_bytes: 3, trailer_bytes: 12, fields: 1, ..Limits::default() };
    for (case, bytes) in accepted.chain(refused) {
        for limits in [Limits::default(), tight] {
            let whole = body(bytes, [].into_iter(), &limits);
            for first in 0..bytes.len() {
                assert_eq!(body(bytes, [first].into_iter(), &limits), whole, "{case}, cut at {first}");
                for second in first..bytes.len() {
                    assert_eq!(
                        body(bytes, [first, second].into_iter(), &limits),
                        whole,
                        "{case}, cut at {first}, {second}"
                    );
                }
            }
            assert_eq!(body(bytes, 0..bytes.len(), &limits), whole, "{case}, byte by byte");
        }
    }
}
