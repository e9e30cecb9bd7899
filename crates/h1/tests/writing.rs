//! Writing and editing, by example.

use madang_h1::{
    EditError, Edits, Known, KnownSet, Limits, RequestHead, fields_in, write_chunk, write_chunk_start, write_fields,
    write_last_chunk, write_number, write_request_line, write_status_line,
};

#[test]
fn a_forwarded_head_keeps_every_byte_that_is_not_edited() {
    let bytes = b"GET http://a/x?y HTTP/1.1\r\nHost:  a\r\nAccept:*/*\r\nTE: trailers\r\nconnection: x-hop\r\nX-Hop: 1\r\nUser-Agent: \tu \r\n\r\n";
    let mut head = RequestHead::default();
    head.parse(bytes, &Limits::default()).unwrap();
    let mut edits = Edits::default();
    edits.dropped = fields_in(&head.fields, KnownSet::HOP_BY_HOP) | head.connection_named;
    edits.add("Via", b"1.1 madang").unwrap();

    let mut out = Vec::new();
    write_request_line(&mut out, head.method.of(bytes), b"/x?y");
    write_fields(&mut out, bytes, &head.fields, edits.dropped);
    out.extend_from_slice(edits.added());
    out.extend_from_slice(b"\r\n");
    let expected = "GET /x?y HTTP/1.1\r\nHost:  a\r\nAccept:*/*\r\nUser-Agent: \tu \r\nVia: 1.1 madang\r\n\r\n";
    assert_eq!(String::from_utf8_lossy(&out), expected);
}

#[test]
fn dropped_bits_beyond_the_fields_change_nothing() {
    let bytes = b"GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n";
    let mut head = RequestHead::default();
    head.parse(bytes, &Limits::default()).unwrap();
    for (dropped, expected) in [
        (0, "Host: a\r\nX: y\r\n"),
        (0b01, "X: y\r\n"),
        (0b10, "Host: a\r\n"),
        (0b11, ""),
        (1 << 127, "Host: a\r\nX: y\r\n"),
        (u128::MAX, ""),
    ] {
        let mut out = Vec::new();
        write_fields(&mut out, bytes, &head.fields, dropped);
        assert_eq!(String::from_utf8_lossy(&out), expected, "{dropped:b}");
    }
    let mut out = Vec::new();
    write_fields(&mut out, bytes, &[], 0);
    assert!(out.is_empty());
}

#[test]
fn an_added_field_cannot_end_its_line() {
    let mut edits = Edits::default();
    for (name, value, expected) in [
        ("X-A", &b"b"[..], Ok(())),
        ("X-Empty", b"", Ok(())),
        ("X-Tab", b"a\tb\xff", Ok(())),
        ("", b"a", Err(EditError::Name)),
        ("X A", b"a", Err(EditError::Name)),
        ("X:", b"a", Err(EditError::Name)),
        ("X\r\nY", b"a", Err(EditError::Name)),
        ("X", b"a\r\nY: b", Err(EditError::Value)),
        ("X", b"a\nb", Err(EditError::Value)),
        ("X", b"a\0", Err(EditError::Value)),
        ("X", b"\x7f", Err(EditError::Value)),
    ] {
        assert_eq!(edits.add(name, value), expected, "{name:?} {}", value.escape_ascii());
    }
    assert_eq!(edits.added(), b"X-A: b\r\nX-Empty: \r\nX-Tab: a\tb\xff\r\n");
    edits.drop_field(3);
    edits.drop_field(128);
    assert_eq!(edits.dropped, 0b1000);
    edits.clear();
    assert_eq!((edits.dropped, edits.added()), (0, &b""[..]));
}

#[test]
fn lines_and_numbers_are_written_as_the_grammar_wants_them() {
    let mut out = Vec::new();
    write_status_line(&mut out, 404, b"Not Found");
    write_status_line(&mut out, 599, b"");
    write_number(&mut out, 0);
    out.push(b' ');
    write_number(&mut out, 1024);
    out.push(b' ');
    write_number(&mut out, u64::MAX);
    assert_eq!(String::from_utf8_lossy(&out), "HTTP/1.1 404 Not Found\r\nHTTP/1.1 599 \r\n0 1024 18446744073709551615");
}

#[test]
fn chunks_carry_their_size_in_plain_hexadecimal() {
    let mut out = Vec::new();
    write_chunk(&mut out, b"");
    write_chunk(&mut out, b"0123456789abcdef!");
    write_last_chunk(&mut out, b"X-Sum: 1\r\n");
    assert_eq!(String::from_utf8_lossy(&out), "11\r\n0123456789abcdef!\r\n0\r\nX-Sum: 1\r\n\r\n");
    for (length, expected) in
        [(1, "1\r\n"), (15, "f\r\n"), (16, "10\r\n"), (65_536, "10000\r\n"), (0xabcdef, "abcdef\r\n")]
    {
        let mut out = Vec::new();
        write_chunk_start(&mut out, length);
        assert_eq!(String::from_utf8_lossy(&out), expected);
    }
}

#[test]
fn sets_of_known_names_hold_exactly_what_they_were_made_of() {
    let set = KnownSet::of(&[Known::Host, Known::Other]).and(KnownSet::of(&[Known::Via]));
    for (name, inside) in [(Known::Host, true), (Known::Via, true), (Known::Other, true), (Known::Te, false)] {
        assert_eq!(set.contains(name), inside, "{name:?}");
    }
    assert!(!KnownSet::HOP_BY_HOP.contains(Known::Trailer));
    assert!(!KnownSet::HOP_BY_HOP.contains(Known::Other));
}
