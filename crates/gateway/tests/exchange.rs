//! Requests through a real gateway: real sockets on both sides, bytes written by hand.

mod breaker;
mod front;
mod requests;
mod strict;

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::time::{Duration, Instant};

use front::Front;
use madang_testkit::{ScriptedServer, Step, eventually};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

/// A service that answers each request head with the next of `answers`, on one connection.
fn service(answers: &[&str]) -> ScriptedServer {
    let script = answers.iter().flat_map(|answer| [Step::read_until("\r\n\r\n"), Step::write(answer)]);
    ScriptedServer::start(vec![script.chain([Step::ReadToEnd]).collect()])
}

/// A service that reads up to `end` and answers 200, again and again, on every connection.
fn patient(end: &str) -> ScriptedServer {
    ScriptedServer::start(vec![(0..10).flat_map(|_| [Step::read_until(end), Step::write(OK)]).collect()])
}

#[test]
fn a_request_goes_on_with_what_a_gateway_must_change() {
    let service = service(&[OK]);
    let front = Front::to(service.address());
    let answer = front.say(
        "GET /orders/7?x=1 HTTP/1.1\r\nHost: shop.io\r\nAccept: */*\r\nConnection: keep-alive, x-hop\r\nX-Hop: 1\r\n\
         X-Forwarded-For: 6.6.6.6\r\nX-Request-Id: forged\r\nProxy-Authorization: secret\r\n\r\n",
    );
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nDate: "), "{answer}");
    assert!(answer.contains("\r\nVia: 1.1 madang\r\nX-Request-Id: "), "{answer}");
    assert!(answer.ends_with("\r\n\r\nhello"), "{answer}");

    let sent = String::from_utf8(service.received(0)).unwrap();
    let host = service.address();
    assert!(sent.starts_with(&format!("GET /orders/7?x=1 HTTP/1.1\r\nHost: {host}\r\nAccept: */*\r\n")), "{sent}");
    for line in
        ["X-Forwarded-For: 127.0.0.1", "X-Forwarded-Proto: http", "X-Forwarded-Host: shop.io", "Via: 1.1 madang"]
    {
        assert!(sent.contains(&format!("\r\n{line}\r\n")), "{line} in {sent}");
    }
    for absent in ["6.6.6.6", "forged", "X-Hop", "Connection", "secret"] {
        assert!(!sent.contains(absent), "{absent} in {sent}");
    }
}

#[test]
fn a_trusted_peer_is_believed_and_extended() {
    let service = service(&[OK]);
    let front = Front::new(&format!(
        "[gateway]\ntrusted_proxies = [\"127.0.0.0/8\"]\n[[routes]]\nid = \"all\"\nmatch = {{ path = \"/**\" }}\nto = \"http://{}\"\n",
        service.address()
    ));
    front.say("GET / HTTP/1.1\r\nHost: a.io\r\nX-Forwarded-For: 9.9.9.9\r\nX-Forwarded-Proto: https\r\nX-Request-Id: mine-1\r\n\r\n");
    let sent = String::from_utf8(service.received(0)).unwrap();
    for line in ["X-Forwarded-For: 9.9.9.9, 127.0.0.1", "X-Forwarded-Proto: https", "X-Request-Id: mine-1"] {
        assert!(sent.contains(&format!("\r\n{line}\r\n")), "{line} in {sent}");
    }
    assert_eq!(sent.matches("X-Forwarded-Proto").count(), 1, "{sent}");
}

#[test]
fn bodies_pass_in_both_framings_both_ways() {
    for (request, sent_body, answer, body) in [
        ("Content-Length: 4\r\n\r\nabcd", "abcd", OK, "hello"),
        ("Transfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n0\r\n\r\n", "4\r\nabcd\r\n0\r\n\r\n", OK, "hello"),
        (
            "Content-Length: 4\r\n\r\nabcd",
            "abcd",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n",
            "5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n",
        ),
    ] {
        let script = vec![Step::read_until(sent_body), Step::write(answer), Step::ReadToEnd];
        let service = ScriptedServer::start(vec![script]);
        let front = Front::to(service.address());
        let got = front.say_until(&format!("POST / HTTP/1.1\r\nHost: a\r\n{request}"), body);
        assert!(got.starts_with("HTTP/1.1 200 OK\r\n") && got.ends_with(body), "{request:?} gave {got}");
    }
}

#[test]
fn a_large_body_streams_with_backpressure_and_arrives_whole() {
    let big: Vec<u8> = (0..8_000_000_u32).map(|index| (index % 251) as u8).collect();
    let mut answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", big.len()).into_bytes();
    answer.extend_from_slice(&big);
    let script = vec![Step::read_until("\r\n\r\n"), Step::Read(big.len()), Step::write(&answer), Step::ReadToEnd];
    let service = ScriptedServer::start(vec![script]);
    let front = Front::to(service.address());
    let mut client = front.connect();
    write!(client, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", big.len()).unwrap();
    client.write_all(&big).unwrap();
    let mut got = Vec::new();
    client.read_to_end(&mut got).unwrap();
    assert!(got.ends_with(&big), "{} bytes came back", got.len());
    assert!(service.received(0).ends_with(&big));
}

#[test]
fn two_requests_on_one_connection_use_one_connection_to_the_service() {
    let service = service(&[OK, "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno"]);
    let front = Front::to(service.address());
    // Pipelined: both are sent before the first is answered, and answered in order.
    let got = front.say_until("GET /a HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\n\r\n", "\r\n\r\nno");
    assert!(got.find("200 OK").unwrap() < got.find("404 Not Found").unwrap(), "{got}");
    assert_eq!(service.connections(), 1);
}

#[test]
fn answers_without_a_body_end_with_their_head() {
    for (method, answer, absent) in [
        ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n", "Transfer-Encoding"),
        ("GET", "HTTP/1.1 204 No Content\r\n\r\n", "Content-Length"),
        ("GET", "HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n", "Transfer-Encoding"),
    ] {
        let service = service(&[answer, OK]);
        let front = Front::to(service.address());
        let request = format!("{method} /a HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\n\r\n");
        let got = front.say_until(&request, "\r\n\r\nhello");
        assert!(got.starts_with(answer.lines().next().unwrap()), "{got}");
        assert!(!got[..got.find("HTTP/1.1 200 OK\r\nContent-Length: 5").unwrap()].contains(absent), "{got}");
    }
}

#[test]
fn informational_answers_are_passed_on_before_the_final_one() {
    let hints = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n";
    let service = service(&[&format!("{hints}{OK}")]);
    let got = Front::to(service.address()).say("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(
        got.starts_with("HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\nHTTP/1.1 200 OK\r\n"),
        "{got}"
    );
}

#[test]
fn a_client_that_expects_100_gets_it_from_the_service_and_then_sends() {
    let script = vec![
        Step::read_until("\r\n\r\n"),
        Step::write("HTTP/1.1 100 Continue\r\n\r\n"),
        Step::read_until("data"),
        Step::write(OK),
        Step::ReadToEnd,
    ];
    let service = ScriptedServer::start(vec![script]);
    let front = Front::to(service.address());
    let mut client = front.connect();
    client.write_all(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n").unwrap();
    assert_eq!(front::read_until(&mut client, "\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
    client.write_all(b"data").unwrap();
    assert!(front::read_until(&mut client, "hello").starts_with("HTTP/1.1 200 OK"));
}

#[test]
fn an_early_answer_reaches_the_client_and_ends_the_connection() {
    let refusal = "HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig";
    let service =
        ScriptedServer::start(vec![vec![Step::read_until("\r\n\r\n"), Step::write(refusal), Step::ReadToEnd]]);
    let front = Front::to(service.address());
    let mut client = front.connect();
    client.write_all(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\npart").unwrap();
    let mut got = String::new();
    client.read_to_string(&mut got).unwrap();
    assert!(got.starts_with("HTTP/1.1 413 Content Too Large\r\n"), "{got}");
    assert!(got.contains("\r\nConnection: close\r\n") && got.ends_with("\r\n\r\nbig"), "{got}");
}

#[test]
fn an_upgrade_becomes_a_tunnel_with_the_bytes_that_came_too_early() {
    let script = vec![
        Step::read_until("\r\n\r\n"),
        Step::write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nwelcome"),
        Step::read_until("early,late"),
        Step::write("bye"),
        Step::Finish,
        Step::ReadToEnd,
    ];
    let service = ScriptedServer::start(vec![script]);
    let front = Front::to(service.address());
    let mut client = front.connect();
    // The client does not wait for the 101: its first bytes must not be lost, nor reach the service before it.
    client.write_all(b"GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nearly,").unwrap();
    let head = front::read_until(&mut client, "welcome");
    assert!(
        head.starts_with("HTTP/1.1 101 Switching Protocols\r\n") && head.contains("\r\nUpgrade: echo\r\n"),
        "{head}"
    );
    client.write_all(b"late").unwrap();
    let mut rest = String::new();
    client.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "bye");
    let sent = String::from_utf8(service.received(0)).unwrap();
    assert!(sent.contains("\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nearly,late"), "{sent}");
}

#[test]
fn http_1_0_is_spoken_on_both_sides() {
    let old = "HTTP/1.0 200 OK\r\n\r\nuntil close";
    let service = ScriptedServer::start(vec![vec![Step::read_until("\r\n\r\n"), Step::write(old)]]);
    let front = Front::to(service.address());
    let mut got = String::new();
    let mut client = front.connect();
    client.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    client.read_to_string(&mut got).unwrap();
    assert!(got.starts_with("HTTP/1.1 200 OK\r\n") && got.ends_with("\r\n\r\nuntil close"), "{got}");
    assert!(!got.contains("chunked"), "{got}");

    let got = front.say_until("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "0\r\n\r\n");
    assert!(got.ends_with("\r\n\r\nb\r\nuntil close\r\n0\r\n\r\n"), "{got}");
}

#[test]
fn a_call_that_cannot_connect_goes_to_the_next_endpoint_whatever_its_method() {
    // Nobody listens on port 1; a port that was free a moment ago may be another test's by now.
    let dead = (Ipv4Addr::LOCALHOST, 1).into();
    let alive = patient("order");
    let front = Front::service(&[dead, alive.address()]);
    for _ in 0..6 {
        let got = front.say("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nConnection: close\r\n\r\norder");
        assert!(got.starts_with("HTTP/1.1 200 OK"), "{got}");
    }
}

#[test]
fn a_call_that_broke_off_is_repeated_when_it_is_idempotent_and_only_then() {
    for (request, expected) in [
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 200 OK"),
        ("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\ndata", "HTTP/1.1 200 OK"),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\ndata", "HTTP/1.1 502 Bad Gateway"),
    ] {
        let end = if request.ends_with("data") { "data" } else { "\r\n\r\n" };
        let breaking = ScriptedServer::start(vec![vec![Step::read_until(end), Step::Reset]]);
        let good = patient(end);
        let front =
            Front::service_with(&[breaking.address(), good.address()], "policy = { balance = \"round_robin\" }");
        let answers = [front.say(request), front.say(request)];
        let as_expected = answers.iter().filter(|answer| answer.starts_with(expected)).count();
        assert_eq!(as_expected, if expected.contains("200") { 2 } else { 1 }, "{request:?} gave {answers:?}");
        assert!(breaking.connections() > 0, "{request:?}");
    }
}

#[test]
fn a_status_is_retried_when_the_route_says_so() {
    let busy = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n";
    let service = service(&[busy]);
    let second = patient("\r\n\r\n");
    let front = Front::service_with(
        &[service.address(), second.address()],
        "policy = { retry = { attempts = 1, on = [503] }, balance = \"round_robin\" }",
    );
    for _ in 0..2 {
        let got = front.say("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        assert!(got.starts_with("HTTP/1.1 200 OK"), "{got}");
    }
}

#[test]
fn what_a_service_does_wrong_becomes_a_clear_answer() {
    for (script, status, reason) in [
        (vec![Step::read_until("\r\n\r\n"), Step::write("garbage\r\n\r\n"), Step::ReadToEnd], 502, "upstream_invalid"),
        (vec![Step::read_until("\r\n\r\n")], 502, "upstream_closed"),
        (vec![Step::read_until("\r\n\r\n"), Step::ReadToEnd], 504, "upstream_timeout"),
        (
            vec![
                Step::read_until("\r\n\r\n"),
                Step::write(format!("HTTP/1.1 200 OK\r\nX: {}", "x".repeat(10_000_000))),
            ],
            502,
            "upstream_invalid",
        ),
        (
            vec![
                Step::read_until("\r\n\r\n"),
                Step::write("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\nabc"),
                Step::ReadToEnd,
            ],
            502,
            "upstream_invalid",
        ),
        (
            vec![Step::read_until("\r\n\r\n"), Step::write("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n")],
            502,
            "upstream_invalid",
        ),
    ] {
        let service = ScriptedServer::start(vec![script.clone()]);
        let front = Front::service_with(&[service.address()], "policy = { timeout = \"300ms\" }");
        let got = front.say("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        assert!(got.starts_with(&format!("HTTP/1.1 {status} ")), "{reason}: {got}");
        assert!(got.contains(&format!("\"reason\":\"{reason}\"")), "{reason}: {got}");
    }
}

#[test]
fn an_answer_that_breaks_off_is_cut_and_never_ends_cleanly() {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart\r\n",
    ] {
        let service = ScriptedServer::start(vec![vec![Step::read_until("\r\n\r\n"), Step::write(answer)]]);
        let front = Front::to(service.address());
        let mut client = front.connect();
        client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        let mut got = Vec::new();
        let _ = client.read_to_end(&mut got);
        let got = String::from_utf8_lossy(&got);
        assert!(got.starts_with("HTTP/1.1 200 OK"), "{got}");
        assert!(!got.ends_with("0\r\n\r\n"), "{got}");
    }
}

#[test]
fn what_a_client_does_wrong_gets_its_status_and_the_connection_ends() {
    let service = service(&[OK]);
    let front = Front::to(service.address());
    let long = "x".repeat(10_000_000);
    for (request, status) in [
        ("GET / HTTP/1.1\r\n\r\n".to_owned(), 400),
        (
            "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".to_owned(),
            400,
        ),
        (format!("GET / HTTP/1.1\r\nHost: a\r\nX-Long: {long}\r\n\r\n"), 431),
        (format!("GET /{long} HTTP/1.1\r\nHost: a\r\n\r\n"), 414),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n".to_owned(), 413),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n".to_owned(), 400),
        ("GET /../secret HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), 400),
        ("CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n".to_owned(), 405),
    ] {
        let mut client = front.connect();
        // The gateway may answer and close before everything is written.
        let _ = client.write_all(request.as_bytes());
        let got = front::read_until(&mut client, "}\n");
        assert!(got.starts_with(&format!("HTTP/1.1 {status} ")), "{} gave {got}", &request[..request.len().min(80)]);
        assert!(got.contains("application/problem+json") && got.contains("\"reason\":"), "{got}");
    }
    assert_eq!(
        front.say("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").lines().next(),
        Some("HTTP/1.1 200 OK")
    );
}

#[test]
fn a_client_that_goes_away_frees_the_service() {
    for request in
        ["GET / HTTP/1.1\r\nHost: a\r\n\r\n", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf"]
    {
        let service = ScriptedServer::start(vec![vec![Step::read_until("\r\n\r\n"), Step::ReadToEnd]]);
        let front = Front::to(service.address());
        let mut client = front.connect();
        client.write_all(request.as_bytes()).unwrap();
        eventually("the service has the request", Duration::from_secs(5), || {
            service.received(0).windows(4).any(|end| end == b"\r\n\r\n").then_some(())
        });
        drop(client);
        eventually("the service sees the end", Duration::from_secs(5), || service.has_ended(0).then_some(()));
    }
}

#[test]
fn a_half_sent_head_is_answered_408_in_time() {
    let front = Front::new(
        "[gateway]\ntimeouts = { head = \"200ms\" }\n[[routes]]\nid = \"x\"\nmatch = { path = \"/**\" }\nto = \"http://127.0.0.1:1\"\n",
    );
    let started = Instant::now();
    let got = front.say("GET / HTTP/1.1\r\nHos");
    assert!(got.starts_with("HTTP/1.1 408 Request Timeout\r\n"), "{got}");
    assert!(started.elapsed() >= Duration::from_millis(200));
}

#[test]
fn filters_edit_redirect_and_buffer() {
    let script = vec![Step::read_until("abcd"), Step::write(OK), Step::ReadToEnd];
    let service = ScriptedServer::start(vec![script]);
    let front = Front::new(&format!(
        r#"
        [[routes]]
        id = "old"
        match = {{ path = "/old/**" }}
        filters = [{{ redirect = {{ status = 308, url = "https://new.io/", keep_path = true }} }}]
        [[routes]]
        id = "api"
        match = {{ path = "/api/**" }}
        to = "http://{}"
        filters = [
            {{ strip_prefix = 1 }},
            {{ buffer_request = "1KiB" }},
            {{ delay = "1ms" }},
            {{ set_request_header = {{ X-Team = "shop" }} }},
            {{ remove_request_header = "X-Secret" }},
            {{ set_response_header = {{ Content-Type = "text/plain" }} }},
            {{ add_response_header = {{ X-Served = "1" }} }},
        ]
        "#,
        service.address()
    ));
    let got = front.say("GET /old/a?b=c HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert!(got.starts_with("HTTP/1.1 308 Permanent Redirect\r\nLocation: https://new.io/old/a?b=c\r\n"), "{got}");

    let body = "Transfer-Encoding: chunked\r\nX-Team: other\r\nX-Secret: 1\r\n\r\n2\r\nab\r\n2\r\ncd\r\n0\r\n\r\n";
    let got = front.say(&format!("POST /api/orders HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{body}"));
    assert!(got.contains("\r\nX-Served: 1\r\nContent-Type: text/plain\r\n"), "{got}");
    let sent = String::from_utf8(service.received(0)).unwrap();
    assert!(sent.starts_with("POST /orders HTTP/1.1\r\n"), "{sent}");
    assert!(sent.contains("\r\nContent-Length: 4\r\n") && sent.ends_with("\r\n\r\nabcd"), "{sent}");
    assert!(sent.contains("\r\nX-Team: shop\r\n") && sent.contains("\r\nX-Forwarded-Prefix: /api\r\n"), "{sent}");
    assert!(!sent.contains("other") && !sent.contains("X-Secret"), "{sent}");

    let long = "x".repeat(2_000);
    let got = front.say(&format!("POST /api/orders HTTP/1.1\r\nHost: a\r\nContent-Length: 2000\r\n\r\n{long}"));
    assert!(got.starts_with("HTTP/1.1 413 "), "{got}");
}

#[test]
fn a_drain_ends_what_runs_and_closes_what_waits() {
    let script = vec![Step::read_until("\r\n\r\n"), Step::read_until("go"), Step::write("ello"), Step::ReadToEnd];
    let service = ScriptedServer::start(vec![
        vec![Step::read_until("\r\n\r\n"), Step::write("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nh")]
            .into_iter()
            .chain(script.into_iter().skip(1))
            .collect(),
    ]);
    let front = Front::to(service.address());
    let (mut idle, mut busy) = (front.connect(), front.connect());
    busy.write_all(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n").unwrap();
    front::read_until(&mut busy, "\r\n\r\nh");
    let draining = std::thread::spawn({
        let gateway = front.gateway.clone();
        move || front::block_on(gateway.drain(Duration::from_secs(10)))
    });
    let mut nothing = Vec::new();
    idle.read_to_end(&mut nothing).unwrap();
    assert_eq!(nothing, b"", "an idle connection is closed at once");
    busy.write_all(b"go").unwrap();
    let mut rest = String::new();
    busy.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "ello", "a request in progress ends");
    draining.join().unwrap();
    assert!(TcpStream::connect(front.address).is_err(), "nobody listens anymore");
}

#[test]
fn new_routes_count_from_the_next_request_on_the_same_connection() {
    let service = service(&[OK, OK]);
    let front = Front::to(service.address());
    let mut client = front.connect();
    client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    assert!(front::read_until(&mut client, "hello").starts_with("HTTP/1.1 200 OK"));
    front.commit("[[routes]]\nid = \"other\"\nmatch = { path = \"/other\" }\nto = \"http://127.0.0.1:1\"\n");
    client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    assert!(front::read_until(&mut client, "}\n").starts_with("HTTP/1.1 404 Not Found"));
}

#[test]
fn a_connection_the_service_closed_in_silence_never_costs_a_request() {
    // It answers once per connection and closes without a word.
    let service = ScriptedServer::start(vec![vec![Step::read_until("\r\n\r\n"), Step::write(OK)]]);
    let front = Front::to(service.address());
    let mut client = front.connect();
    for index in 0..50 {
        client.write_all(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n").unwrap();
        let got = front::read_until(&mut client, "hello");
        assert!(got.starts_with("HTTP/1.1 200 OK"), "{got}");
        eventually("the service has closed", Duration::from_secs(5), || service.has_ended(index).then_some(()));
    }
}

#[test]
fn services_reach_each_other_by_name() {
    let service = service(&[OK]);
    let front = Front::service(&[service.address()]);
    let mut client = TcpStream::connect(front.egress).unwrap();
    client.write_all(b"GET /it/orders/7?x=1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
    assert!(front::read_until(&mut client, "hello").starts_with("HTTP/1.1 200 OK"));
    let sent = String::from_utf8(service.received(0)).unwrap();
    assert!(
        sent.starts_with("GET /orders/7?x=1 HTTP/1.1\r\n") && sent.contains("X-Forwarded-Prefix: /it\r\n"),
        "{sent}"
    );
}

#[test]
fn a_request_is_logged_and_counted() {
    let folder = madang_testkit::temp_dir();
    let log = folder.path().join("access.log");
    let service = service(&[OK]);
    let front = Front::new(&format!(
        "[gateway]\naccess_log = {log:?}\n[[routes]]\nid = \"all\"\nmatch = {{ path = \"/**\" }}\nto = \"http://{}\"\n",
        service.address()
    ));
    front.say("GET /a?token=secret HTTP/1.1\r\nHost: shop.io\r\nConnection: close\r\n\r\n");
    let line = eventually("the access log has its line", Duration::from_secs(5), || {
        std::fs::read_to_string(&log).ok().filter(|text| text.ends_with('\n'))
    });
    let entry: serde_json::Value = serde_json::from_str(&line).unwrap();
    for (key, value) in
        [("method", "GET"), ("host", "shop.io"), ("path", "/a"), ("route", "all"), ("client", "127.0.0.1")]
    {
        assert_eq!(entry[key], value, "{line}");
    }
    assert_eq!(
        (entry["status"].as_u64(), entry["bytes"].as_u64(), entry["attempts"].as_u64()),
        (Some(200), Some(5), Some(1))
    );
    assert!(!line.contains("secret"), "{line}");

    let mut out = madang_telemetry::Exposition::new();
    front.gateway.write_metrics(&mut out);
    let metrics = out.render();
    let counted = "madang_gateway_requests_total{route=\"all\",side=\"edge\",class=\"2xx\"} 1\n";
    assert!(metrics.contains(counted), "{metrics}");
}

#[test]
fn a_route_balances_by_any_policy_that_takes_no_key() {
    for policy in ["peak_ewma", "round_robin", "weighted_round_robin", "random", "least_request", "two_choices"] {
        let services = [patient("\r\n\r\n"), patient("\r\n\r\n")];
        let addresses = services.each_ref().map(ScriptedServer::address);
        let front = Front::service_with(&addresses, &format!("policy = {{ balance = \"{policy}\" }}"));
        for _ in 0..40 {
            let answer = front.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
            assert!(answer.starts_with("HTTP/1.1 200 "), "{policy}: {answer}");
        }
        let called = services.iter().filter(|service| service.connections() > 0).count();
        assert_eq!(called, 2, "{policy} picks one of two only");
    }
}

#[test]
fn a_policy_that_is_none_or_needs_a_key_is_refused_with_what_there_is() {
    let said = |policy: &str| {
        front::problems(&format!(
            "[[routes]]\nid = \"all\"\nmatch = {{ path = \"/**\" }}\nto = \"service://it\"\npolicy = {{ balance = \"{policy}\" }}\n"
        ))
    };
    assert!(said("least_requests").contains("`least_request` is near"), "{}", said("least_requests"));
    assert!(said("maglev").contains("decides by a key"), "{}", said("maglev"));
}
