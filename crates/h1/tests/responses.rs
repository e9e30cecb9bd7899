//! Response heads: what is refused and why, and what accepted ones mean.

mod corpus;

use madang_h1::{Asked, BodyLength, Limits, Parsed, ResponseHead, Version};

fn parse(bytes: &[u8], asked: Asked) -> ResponseHead {
    let mut head = ResponseHead::default();
    let parsed = head.parse(bytes, &Limits::default(), asked);
    assert_eq!(parsed, Ok(Parsed::Complete), "{}", bytes.escape_ascii());
    head
}

#[test]
fn what_could_be_read_in_two_ways_is_refused() {
    for (case, bytes, reason) in corpus::REFUSED_RESPONSES {
        match ResponseHead::default().parse(bytes, &Limits::default(), Asked::Other) {
            Ok(parsed) => panic!("{case}: {parsed:?}"),
            Err(error) => assert_eq!((error.status(), error.reason()), (502, *reason), "{case}"),
        }
    }
}

#[test]
fn what_is_valid_is_accepted() {
    for (case, bytes) in corpus::ACCEPTED_RESPONSES {
        let parsed = ResponseHead::default().parse(bytes, &Limits::default(), Asked::Other);
        assert_eq!(parsed, Ok(Parsed::Complete), "{case}");
    }
}

#[test]
fn a_head_says_where_everything_is() {
    let bytes = b"HTTP/1.0 404 Not  Found\r\nserver: x\r\n\r\nbody";
    let head = parse(bytes, Asked::Other);
    assert_eq!((head.status, head.version), (404, Version::Http10));
    assert_eq!(head.reason.of(bytes), b"Not  Found");
    assert_eq!(head.fields.len(), 1);
    assert_eq!(head.fields_named(bytes, "Server").count(), 1);
    assert_eq!(&bytes[head.length..], b"body");
}

#[test]
fn body_and_connection_follow_from_version_status_fields_and_request() {
    use Asked::{Connect, Head, Other};
    use BodyLength::{Chunked, Length, None, UntilClose};
    for (start, fields, asked, body, keep_alive) in [
        ("1.1 200", "", Other, UntilClose, false),
        ("1.1 200", "Content-Length: 5\r\n", Other, Length(5), true),
        ("1.1 200", "Content-Length: 0\r\n", Other, Length(0), true),
        ("1.1 200", "Transfer-Encoding: chunked\r\n", Other, Chunked, true),
        ("1.1 200", "Transfer-Encoding: CHUNKED\r\nConnection: close\r\n", Other, Chunked, false),
        ("1.1 200", "Content-Length: 5\r\nConnection: close, x\r\n", Other, Length(5), false),
        ("1.1 500", "Content-Length: 5\r\n", Other, Length(5), true),
        // RFC 9112 §6.3 rule 1.
        ("1.1 200", "Content-Length: 5\r\n", Head, None, true),
        ("1.1 200", "Transfer-Encoding: chunked\r\n", Head, None, true),
        ("1.1 200", "", Head, None, true),
        ("1.1 304", "Content-Length: 5\r\n", Other, None, true),
        ("1.1 304", "Transfer-Encoding: chunked\r\n", Other, None, true),
        ("1.1 204", "", Other, None, true),
        ("1.1 204", "Content-Length: 0\r\n", Other, None, true),
        ("1.1 204", "Content-Length: 4\r\n", Other, None, false),
        ("1.1 204", "Transfer-Encoding: chunked\r\n", Other, None, false),
        ("1.1 100", "", Other, None, true),
        ("1.1 103", "Link: </a>\r\n", Other, None, true),
        // Rule 2 and 101: a tunnel begins.
        ("1.1 101", "Connection: upgrade\r\nUpgrade: websocket\r\n", Other, None, false),
        ("1.1 200", "", Connect, None, false),
        ("1.1 403", "Content-Length: 5\r\n", Connect, Length(5), true),
        // HTTP/1.0.
        ("1.0 200", "", Other, UntilClose, false),
        ("1.0 200", "Connection: keep-alive\r\n", Other, UntilClose, false),
        ("1.0 200", "Content-Length: 5\r\n", Other, Length(5), false),
        ("1.0 200", "Content-Length: 5\r\nConnection: Keep-Alive\r\n", Other, Length(5), true),
    ] {
        let bytes = format!("HTTP/{start} x\r\n{fields}\r\n").into_bytes();
        let head = parse(&bytes, asked);
        assert_eq!((head.body, head.keep_alive), (body, keep_alive), "{start} {fields} {asked:?}");
    }
}

#[test]
fn a_tunnel_cannot_begin_with_a_body() {
    for fields in ["Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n"] {
        let bytes = format!("HTTP/1.1 200 OK\r\n{fields}\r\n").into_bytes();
        let refused = ResponseHead::default().parse(&bytes, &Limits::default(), Asked::Connect);
        assert_eq!(refused.map_err(|error| error.reason()), Err("status_body"), "{fields}");
    }
}

#[test]
fn limits_hold_for_answers_too() {
    let limits = Limits { head_bytes: 40, fields: 1, ..Limits::default() };
    for (bytes, expected) in [
        (&b"HTTP/1.1 200 OK\r\nX: yyyyyyyyyyyyyyyy\r\n\r\n"[..], Ok(Parsed::Complete)),
        (b"HTTP/1.1 200 OK\r\nX: yyyyyyyyyyyyyyyyy\r\n\r\n", Err("head_too_large")),
        (b"HTTP/1.1 200 OOOOOOOOOOOOOOOOOOOOOOOOOOK", Err("head_too_large")),
        (b"HTTP/1.1 200 OK\r\nX: y\r\nZ: z\r\n\r\n", Err("too_many_fields")),
    ] {
        let parsed = ResponseHead::default().parse(bytes, &limits, Asked::Other).map_err(|error| error.reason());
        assert_eq!(parsed, expected, "{}", bytes.escape_ascii());
    }
}

#[test]
fn interim_answers_are_read_one_after_the_other_with_one_head_value() {
    let mut head = ResponseHead::default();
    let limits = Limits::default();
    let stream = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    let mut rest = &stream[..];
    for (status, body) in [(100, BodyLength::None), (103, BodyLength::None), (200, BodyLength::Length(2))] {
        assert_eq!(head.parse(rest, &limits, Asked::Other), Ok(Parsed::Complete));
        assert_eq!((head.status, head.body), (status, body));
        rest = &rest[head.length..];
    }
    assert_eq!(rest, b"ok");
}
