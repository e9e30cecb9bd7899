//! Request heads: what is refused and why, and what accepted ones mean.

mod corpus;

use madang_h1::{BodyLength, Fault, Form, Known, Limits, Parsed, RequestHead, Version};

fn parse(bytes: &[u8]) -> RequestHead {
    let mut head = RequestHead::default();
    let parsed = head.parse(bytes, &Limits::default());
    assert_eq!(parsed, Ok(Parsed::Complete), "{}", bytes.escape_ascii());
    head
}

fn refusal(bytes: &[u8], limits: &Limits) -> (u16, &'static str) {
    let refused = RequestHead::default().parse(bytes, limits).expect_err("must be refused");
    (refused.status(), refused.reason())
}

#[test]
fn what_could_be_read_in_two_ways_is_refused() {
    for (case, bytes, status, reason) in corpus::REFUSED_REQUESTS {
        match RequestHead::default().parse(bytes, &Limits::default()) {
            Ok(parsed) => panic!("{case}: {parsed:?}"),
            Err(error) => assert_eq!((error.status(), error.reason()), (*status, *reason), "{case}"),
        }
    }
}

#[test]
fn what_is_valid_is_accepted() {
    for (case, bytes) in corpus::ACCEPTED_REQUESTS {
        let parsed = RequestHead::default().parse(bytes, &Limits::default());
        assert_eq!(parsed, Ok(Parsed::Complete), "{case}");
    }
}

#[test]
fn a_head_says_where_everything_is() {
    let bytes = b"\r\nPUT /a/b%20c?d=e HTTP/1.1\r\nHOST:  Shop.Example:81 \r\nx-y:z\r\n\r\nbody";
    let head = parse(bytes);
    assert_eq!(head.method.of(bytes), b"PUT");
    assert_eq!(head.target.of(bytes), b"/a/b%20c?d=e");
    assert_eq!(head.path.of(bytes), b"/a/b%20c");
    assert_eq!(head.query.map(|query| query.of(bytes)), Some(&b"d=e"[..]));
    assert_eq!(head.authority.of(bytes), b"Shop.Example:81");
    assert_eq!((head.version, head.form), (Version::Http11, Form::Origin));
    assert_eq!(&bytes[head.length..], b"body");
    assert_eq!(head.fields.len(), 2);
    let (host, other) = (head.fields[0], head.fields[1]);
    assert_eq!(host.known, Known::Host);
    assert_eq!(host.name.of(bytes), b"HOST");
    assert_eq!(host.value.of(bytes), b"Shop.Example:81");
    assert_eq!(host.line.of(bytes), b"HOST:  Shop.Example:81 \r\n");
    assert_eq!(other.known, Known::Other);
    assert_eq!(other.line.of(bytes), b"x-y:z\r\n");
    assert_eq!(head.fields_named(bytes, "X-Y").count(), 1);
    assert_eq!(head.fields_known(Known::Host).count(), 1);
}

#[test]
fn targets_are_taken_apart() {
    for (target, form, path, query, authority) in [
        ("/", Form::Origin, "/", None, "a"),
        ("/?", Form::Origin, "/", Some(""), "a"),
        ("/b?c?d", Form::Origin, "/b", Some("c?d"), "a"),
        ("//b/c", Form::Origin, "//b/c", None, "a"),
        ("/b?http://c/", Form::Origin, "/b", Some("http://c/"), "a"),
        ("http://A/b?c", Form::Absolute, "/b", Some("c"), "A"),
        ("http://a:80/", Form::Absolute, "/", None, "a:80"),
        ("http://a", Form::Absolute, "/", None, "a"),
        ("http://a?b/c", Form::Absolute, "/", Some("b/c"), "a"),
        ("*", Form::Asterisk, "*", None, "a"),
    ] {
        let bytes = format!("OPTIONS {target} HTTP/1.1\r\nHost: a\r\n\r\n").into_bytes();
        let head = parse(&bytes);
        assert_eq!(head.form, form, "{target}");
        assert_eq!(head.path.of(&bytes), path.as_bytes(), "{target}");
        assert_eq!(head.query.map(|query| query.of(&bytes)), query.map(str::as_bytes), "{target}");
        assert_eq!(head.authority.of(&bytes), authority.as_bytes(), "{target}");
        assert_eq!(head.target.of(&bytes), target.as_bytes(), "{target}");
    }
}

#[test]
fn hosts_are_names_or_addresses_with_an_optional_port() {
    let longest = "a".repeat(255);
    let too_long = "a".repeat(256);
    for (host, valid) in [
        ("a", true),
        ("shop.example", true),
        ("shop.example.", true),
        ("my_service:8080", true),
        ("xn--bcher-kva.example", true),
        ("127.0.0.1", true),
        ("127.0.0.1:65535", true),
        ("1:1", true),
        ("[::1]", true),
        ("[2001:db8::1]:443", true),
        ("[::ffff:1.2.3.4]", true),
        (&longest, true),
        (&too_long, false),
        (":80", false),
        ("a:", false),
        ("a:65536", false),
        ("a:000080", false),
        ("a:8x", false),
        ("a:-1", false),
        ("a::80", false),
        ("a:80:80", false),
        ("::1", false),
        ("[::1", false),
        ("::1]", false),
        ("[::1]80", false),
        ("[::1]:", false),
        ("[::1%25eth0]", false),
        ("[v1.a]", false),
        ("[]", false),
        ("[a]", false),
        ("[127.0.0.1]", false),
        ("u@a", false),
        ("a,b", false),
        ("a/b", false),
        ("a?b", false),
        ("a#b", false),
        ("a\\b", false),
        ("a%2eb", false),
        ("a;b", false),
        ("caf\u{e9}", false),
        ("http://a", false),
    ] {
        let bytes = format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n").into_bytes();
        let accepted = RequestHead::default().parse(&bytes, &Limits::default());
        assert_eq!(accepted.is_ok(), valid, "{host}");
        if let Err(error) = accepted {
            assert_eq!(error.fault(), Fault::HostInvalid, "{host}");
        }
    }
}

#[test]
fn framing_is_what_the_fields_say() {
    for (fields, body) in [
        ("", BodyLength::None),
        ("Content-Length: 0\r\n", BodyLength::Length(0)),
        ("content-length:  17 \r\n", BodyLength::Length(17)),
        ("Content-Length: 9223372036854775807\r\n", BodyLength::Length(i64::MAX as u64)),
        ("Transfer-Encoding: chunked\r\n", BodyLength::Chunked),
        ("transfer-encoding:CHUNKED\r\n", BodyLength::Chunked),
    ] {
        for method in ["GET", "HEAD", "OPTIONS", "POST"] {
            let bytes = format!("{method} / HTTP/1.1\r\nHost: a\r\n{fields}\r\n").into_bytes();
            assert_eq!(parse(&bytes).body, body, "{method} {fields}");
        }
    }
}

#[test]
fn a_connection_lives_on_as_its_version_and_options_say() {
    for (version, options, keep_alive) in [
        ("1.1", "", true),
        ("1.1", "Connection: close\r\n", false),
        ("1.1", "connection: CLOSE\r\n", false),
        ("1.1", "Connection: keep-alive\r\n", true),
        ("1.1", "Connection: keep-alive, close\r\n", false),
        ("1.1", "Connection: close\r\nConnection: keep-alive\r\n", false),
        ("1.1", "Connection:\r\n", true),
        ("1.1", "Connection: x-close\r\n", true),
        ("1.0", "", false),
        ("1.0", "Connection: Keep-Alive\r\n", true),
        ("1.0", "Connection: keep-alive, close\r\n", false),
        ("1.0", "Proxy-Connection: keep-alive\r\n", false),
        ("1.0", "Keep-Alive: timeout=5\r\n", false),
    ] {
        let bytes = format!("GET / HTTP/{version}\r\nHost: a\r\n{options}\r\n").into_bytes();
        assert_eq!(parse(&bytes).keep_alive, keep_alive, "HTTP/{version} {options}");
    }
}

#[test]
fn only_a_bodiless_get_over_http_1_1_that_asks_in_both_fields_upgrades() {
    let both = "Connection: Upgrade\r\nUpgrade: websocket\r\n";
    for (line, fields, upgrade) in [
        ("GET / HTTP/1.1", both.to_owned(), true),
        ("GET / HTTP/1.1", "Upgrade: websocket\r\nConnection: keep-alive,upgrade\r\n".to_owned(), true),
        ("GET / HTTP/1.1", format!("{both}Content-Length: 0\r\n"), true),
        ("GET / HTTP/1.0", both.to_owned(), false),
        ("POST / HTTP/1.1", both.to_owned(), false),
        ("GET / HTTP/1.1", format!("{both}Content-Length: 1\r\n"), false),
        ("GET / HTTP/1.1", format!("{both}Transfer-Encoding: chunked\r\n"), false),
        ("GET / HTTP/1.1", "Upgrade: websocket\r\n".to_owned(), false),
        ("GET / HTTP/1.1", "Connection: upgrade\r\n".to_owned(), false),
        ("GET / HTTP/1.1", "Connection: upgrade\r\nUpgrade:\r\n".to_owned(), false),
        // More HTTP, which nobody here would see.
        ("GET / HTTP/1.1", "Connection: upgrade, http2-settings\r\nUpgrade: h2c\r\n".to_owned(), false),
        ("GET / HTTP/1.1", "Connection: upgrade\r\nUpgrade: websocket, H2C\r\n".to_owned(), false),
        ("GET / HTTP/1.1", format!("{both}Upgrade: HTTP/2.0\r\n"), false),
        ("GET / HTTP/1.1", "Connection: upgrade\r\nUpgrade: TLS/1.0\r\n".to_owned(), false),
        ("GET / HTTP/1.1", "Connection: keep-alive\r\nUpgrade: websocket\r\n".to_owned(), false),
    ] {
        let bytes = format!("{line}\r\nHost: a\r\n{fields}\r\n").into_bytes();
        assert_eq!(parse(&bytes).upgrade, upgrade, "{line} {fields}");
    }
}

#[test]
fn an_expectation_counts_only_where_there_is_a_body_to_wait_for() {
    for (version, fields, expect) in [
        ("1.1", "Expect: 100-continue\r\nContent-Length: 5\r\n", true),
        ("1.1", "Expect: 100-CONTINUE\r\nTransfer-Encoding: chunked\r\n", true),
        ("1.1", "Expect: 100-continue\r\n", false),
        ("1.1", "Expect: 100-continue\r\nContent-Length: 0\r\n", false),
        ("1.0", "Expect: 100-continue\r\nContent-Length: 5\r\n", false),
    ] {
        let bytes = format!("POST / HTTP/{version}\r\nHost: a\r\n{fields}\r\n").into_bytes();
        assert_eq!(parse(&bytes).expect_continue, expect, "HTTP/{version} {fields}");
    }
}

#[test]
fn a_client_that_reads_trailers_says_so_in_te() {
    for (fields, trailers) in [
        ("TE: trailers\r\n", true),
        ("te:TRAILERS\r\n", true),
        ("TE: gzip\r\nTE: trailers\r\n", true),
        ("TE: gzip;q=0.5, trailers\r\n", true),
        ("TE: gzip, x-trailers\r\n", false),
        ("", false),
    ] {
        let bytes = format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n").into_bytes();
        assert_eq!(parse(&bytes).takes_trailers, trailers, "{fields}");
    }
}

#[test]
fn connection_names_fields_but_not_those_a_gateway_owns() {
    let bytes = b"GET / HTTP/1.1\r\nHost: a\r\nX-A: 1\r\nx-b: 2\r\nX-A: 3\r\nX-Forwarded-For: 10.0.0.1\r\nVia: 1.1 b\r\n\
        Content-Length: 0\r\nConnection: x-A, close, Host, X-Forwarded-For, via, content-length, x\r\nKeep-Alive: 5\r\n\r\n";
    assert_eq!(parse(bytes).connection_named, 0b1010);
}

#[test]
fn a_limit_is_reached_exactly() {
    let limits = Limits { head_bytes: 60, fields: 2, target_bytes: 10, ..Limits::default() };
    let request = |target: usize, value: usize| {
        format!("GET /{} HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "t".repeat(target - 1), "v".repeat(value)).into_bytes()
    };
    let frame = request(10, 0).len();
    let fits = request(10, 60 - frame);
    assert_eq!(fits.len(), 60);
    assert_eq!(RequestHead::default().parse(&fits, &limits), Ok(Parsed::Complete));
    assert_eq!(refusal(&request(10, 61 - frame), &limits), (431, "head_too_large"));
    assert_eq!(refusal(&request(11, 0), &limits), (414, "target_long"));
    let third = b"GET / HTTP/1.1\r\nHost: a\r\nX: b\r\nY: c\r\n\r\n";
    assert_eq!(refusal(third, &limits), (431, "too_many_fields"));
    // An endless name, value or target is refused without its end, at the limit and not before.
    let endless = format!("GET / HTTP/1.1\r\n{}", "n".repeat(60));
    assert_eq!(refusal(endless.as_bytes(), &limits), (431, "head_too_large"));
    assert_eq!(refusal(b"GET /tttttttttt", &limits), (414, "target_long"));
    assert_eq!(RequestHead::default().parse(b"GET /ttttttttt", &limits), Ok(Parsed::Partial));
}

#[test]
fn a_target_without_an_end_is_refused_long_before_the_head_is_full() {
    let limits = Limits::default();
    let bytes = format!("GET /{}", "t".repeat(60_000)).into_bytes();
    let mut head = RequestHead::default();
    let refused = (1..bytes.len()).find_map(|end| head.parse(&bytes[..end], &limits).err().map(|error| (end, error)));
    let (end, error) = refused.unwrap();
    assert_eq!(error.fault(), Fault::TargetLong);
    assert!((limits.target_bytes..limits.target_bytes + 100).contains(&end), "at {end}");
}

#[test]
fn more_than_128_fields_are_never_taken() {
    let limits = Limits { fields: 1000, ..Limits::default() };
    let head = |fields: usize| format!("GET / HTTP/1.0\r\n{}\r\n", "A: b\r\n".repeat(fields)).into_bytes();
    assert_eq!(RequestHead::default().parse(&head(128), &limits), Ok(Parsed::Complete));
    assert_eq!(refusal(&head(129), &limits), (431, "too_many_fields"));
}

#[test]
fn a_long_but_legal_target_passes_and_methods_have_up_to_32_bytes() {
    let target = format!("/{}", "a".repeat(8191));
    parse(format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
    parse(format!("{} / HTTP/1.1\r\nHost: a\r\n\r\n", "M".repeat(32)).as_bytes());
    let long = format!("{} / HTTP/1.1\r\nHost: a\r\n\r\n", "M".repeat(33));
    assert_eq!(refusal(long.as_bytes(), &Limits::default()), (400, "method_long"));
}

#[test]
fn pipelined_requests_are_read_one_after_the_other_with_one_head_value() {
    let mut head = RequestHead::default();
    let limits = Limits::default();
    let stream = b"POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcGET /2 HTTP/1.1\r\nHost: b\r\n\r\n";
    assert_eq!(head.parse(stream, &limits), Ok(Parsed::Complete));
    assert_eq!((head.path.of(stream), head.body), (&b"/1"[..], BodyLength::Length(3)));
    let rest = &stream[head.length + 3..];
    assert_eq!(head.parse(rest, &limits), Ok(Parsed::Complete));
    assert_eq!((head.path.of(rest), head.body, head.fields.len()), (&b"/2"[..], BodyLength::None, 1));
    assert_eq!(head.length, rest.len());
}

#[test]
fn a_head_given_up_is_forgotten_by_clear_and_an_error_clears_by_itself() {
    let mut head = RequestHead::default();
    let limits = Limits::default();
    let good = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    assert_eq!(head.parse(b"POST /long HTTP/1.1\r\nHost: b\r\nX: y\r\nZ", &limits), Ok(Parsed::Partial));
    head.clear();
    assert_eq!(head.parse(good, &limits), Ok(Parsed::Complete));
    assert_eq!((head.method.of(good), head.fields.len()), (&b"GET"[..], 1));
    assert!(head.parse(b"GET / HTTP/1.1\r\nHost: a\r\nbad line\r\n", &limits).is_err());
    assert_eq!(head.parse(good, &limits), Ok(Parsed::Complete));
    assert_eq!(head.fields.len(), 1);
}
