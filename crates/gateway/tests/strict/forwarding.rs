//! What goes on, and how.

use std::io::Write as _;

use madang_testkit::{ScriptedServer, Step};

use super::{MARKER, all_that_comes, head, scripted, sent};
use crate::OK;
use crate::front::{self, Front};

#[test]
fn trailers_pass_both_ways_without_those_that_frame_route_or_authorize() {
    let forbidden = "Content-Length: 3\r\nTransfer-Encoding: chunked\r\nHost: b\r\nAuthorization: x\r\nContent-Type: y\r\nCookie: z\r\n\
                     Cache-Control: no-store\r\nX-Forwarded-For: 1.2.3.4\r\nContent_Length: 3\r\nSet-Cookie: a=b\r\n";
    let body = format!("5\r\nhello\r\n0\r\n{forbidden}X-Sum: 7\r\n\r\n");
    let answer = format!("HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n{body}");
    let service = scripted([head(), Step::read_until("X-Sum: 7\r\n\r\n"), Step::write(answer), Step::ReadToEnd]);
    let front = Front::to(service.address());
    let mut client = front.connect();
    let request = "POST / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: TE\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n";
    client.write_all(format!("{request}{body}").as_bytes()).unwrap();
    let whole = "5\r\nhello\r\n0\r\nX-Sum: 7\r\n\r\n";
    let got = front::read_until(&mut client, "X-Sum: 7\r\n\r\n");
    assert!(got.contains("\r\nTrailer: X-Sum\r\n") && got.ends_with(&format!("\r\n\r\n{whole}")), "{got}");
    let sent = sent(&service, 0);
    assert!(sent.ends_with(&format!("\r\n\r\n{whole}")), "{sent}");
    for line in ["Trailer: X-Sum", "TE: trailers", "Connection: close\r\nConnection: TE"] {
        assert!(sent.contains(&format!("\r\n{line}\r\n")), "{line} in {sent}");
    }
}

#[test]
fn a_service_is_told_of_trailers_only_when_the_client_reads_them() {
    for (te, told) in [("", false), ("TE: gzip\r\nConnection: te\r\n", false), ("TE: gzip, trailers\r\n", true)] {
        let service = scripted([head(), Step::write(OK), Step::ReadToEnd]);
        Front::to(service.address()).say(&format!("GET / HTTP/1.1\r\nHost: a\r\n{te}\r\n"));
        let sent = sent(&service, 0);
        assert_eq!((sent.contains("TE: trailers\r\n"), sent.contains("gzip")), (told, false), "{te:?}: {sent}");
    }
}

#[test]
fn an_expectation_goes_on_only_where_a_body_waits_for_it() {
    for (request, goes_on) in [
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\nx", true),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nExpect: 100-continue\r\n\r\n", false),
        ("GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n", false),
        ("POST / HTTP/1.0\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\nx", false),
        ("POST / HTTP/1.0\r\nContent-Length: 1\r\nExpect: magic\r\n\r\nx", false),
    ] {
        let service = scripted([head(), Step::write(OK), Step::ReadToEnd]);
        Front::to(service.address()).say(request);
        assert_eq!(sent(&service, 0).contains("Expect:"), goes_on, "{request:?}");
    }
}

#[test]
fn a_gateway_that_wants_the_body_itself_asks_for_it() {
    let service = scripted([Step::read_until("data"), Step::write(OK), Step::ReadToEnd]);
    let front = Front::new(&format!(
        "[[routes]]\nid = \"all\"\nmatch = {{ path = \"/**\" }}\nto = \"http://{}\"\nfilters = [{{ buffer_request = \"1KiB\" }}]\n",
        service.address()
    ));
    let mut client = front.connect();
    client.write_all(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n").unwrap();
    assert_eq!(front::read_until(&mut client, "\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
    client.write_all(b"data").unwrap();
    assert!(front::read_until(&mut client, "hello").starts_with("HTTP/1.1 200 OK"));
    assert!(!sent(&service, 0).contains("Expect"), "{}", sent(&service, 0));
}

#[test]
fn a_final_answer_to_an_expectation_ends_the_connection_because_nobody_knows_what_follows() {
    let refusal = "HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig";
    let service = scripted([head(), Step::write(refusal), Step::ReadToEnd]);
    let front = Front::to(service.address());
    let request = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99\r\nExpect: 100-continue\r\n\r\n";
    let got = all_that_comes(&front, format!("{request}{MARKER}").as_bytes());
    assert!(got.starts_with("HTTP/1.1 413 ") && got.contains("\r\nConnection: close\r\n"), "{got}");
    assert!(got.ends_with("\r\n\r\nbig"), "{got}");
}

#[test]
fn all_informational_answers_are_passed_on_but_not_to_http_1_0() {
    let answers = format!(
        "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\nConnection: x-a\r\nX-A: 1\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n{OK}"
    );
    let service = scripted([head(), Step::write(answers), Step::ReadToEnd]);
    let front = Front::to(service.address());
    let got = front.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let expected = "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n";
    assert!(got.starts_with(expected), "{got}");
    drop(front);
    let front = Front::to(service.address());
    assert!(front.say("GET / HTTP/1.0\r\n\r\n").starts_with("HTTP/1.1 200 OK\r\n"));
}

#[test]
fn pipelined_requests_are_answered_in_order_whatever_becomes_of_each() {
    let answers = [
        OK,
        "HTTP/1.1 204 No Content\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n",
        "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n",
    ];
    let script = answers.iter().flat_map(|answer| [head(), Step::write(answer)]);
    let service = ScriptedServer::start(vec![script.chain([Step::ReadToEnd]).collect()]);
    let front = Front::to(service.address());
    let end = "GET /marker HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n";
    let requests = format!(
        "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /../2 HTTP/1.1\r\nHost: a\r\n\r\nPUT /3 HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n\
         HEAD /4 HTTP/1.1\r\nHost: a\r\n\r\nGET /5 HTTP/1.1\r\nHost: a\r\n\r\n{end}{MARKER}"
    );
    let got = all_that_comes(&front, requests.as_bytes());
    let statuses: Vec<&str> = got.split("HTTP/1.1 ").skip(1).map(|answer| &answer[..3]).collect();
    assert_eq!(statuses, ["200", "400", "204", "200", "304", "400"], "{got}");
    assert!(got.contains("\"reason\":\"bad_path\"") && got.contains("\"reason\":\"host_repeated\""), "{got}");
}

#[test]
fn connection_takes_away_what_it_names_but_nothing_that_frames_or_routes() {
    let service = scripted([Step::read_until("data"), Step::write(OK), Step::ReadToEnd]);
    let front = Front::new(&format!(
        "[[routes]]\nid = \"all\"\nmatch = {{ path = \"/**\" }}\nto = \"http://{}\"\nfilters = [{{ set_request_header = {{ X-Team = \"shop\" }} }}]\n",
        service.address()
    ));
    front.say(
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nX-A: secret\r\nx-b: secret\r\nX-Team: forged\r\nx_team: forged\r\n\
         Connection: x-a, X-Team, Content-Length, Host, Via, X-Forwarded-For, X-Request-Id\r\nConnection: X-B\r\nVia: 1.0 fred\r\n\r\ndata",
    );
    let sent = sent(&service, 0);
    for line in ["Content-Length: 4", "Via: 1.0 fred", "Via: 1.1 madang", "X-Forwarded-For: 127.0.0.1", "X-Team: shop"]
    {
        assert!(sent.contains(&format!("\r\n{line}\r\n")), "{line} in {sent}");
    }
    for absent in ["secret", "forged"] {
        assert!(!sent.contains(absent), "{absent} in {sent}");
    }
    assert_eq!(sent.matches("\r\nHost: ").count(), 1, "{sent}");
}

#[test]
fn targets_go_on_in_origin_form_with_the_host_they_name() {
    for (line, host, expected) in [
        ("GET http://Shop.io/a/b?c=d HTTP/1.1", "shop.io", "GET /a/b?c=d HTTP/1.1"),
        ("GET HTTP://shop.io HTTP/1.1", "shop.io:80", "GET / HTTP/1.1"),
        ("GET http://shop.io?x HTTP/1.1", "shop.io", "GET /?x HTTP/1.1"),
        ("OPTIONS http://shop.io HTTP/1.1", "shop.io", "OPTIONS * HTTP/1.1"),
        ("OPTIONS http://shop.io/ HTTP/1.1", "shop.io", "OPTIONS / HTTP/1.1"),
        ("OPTIONS http://shop.io?x HTTP/1.1", "shop.io", "OPTIONS /?x HTTP/1.1"),
        ("OPTIONS * HTTP/1.1", "shop.io", "OPTIONS * HTTP/1.1"),
        ("GET /a%2Fb/%7e;c=d//e?%0d%0a HTTP/1.1", "shop.io", "GET /a%2Fb/%7e;c=d//e?%0d%0a HTTP/1.1"),
    ] {
        let service = scripted([head(), Step::write(OK), Step::ReadToEnd]);
        // By method, not by path: `*` is none.
        let front = Front::new(&format!(
            "[[routes]]\nid = \"all\"\nmatch = {{ method = [\"GET\", \"OPTIONS\"] }}\nto = \"http://{}\"\n",
            service.address()
        ));
        let got = front.say(&format!("{line}\r\nHost: {host}\r\n\r\n"));
        assert!(got.starts_with("HTTP/1.1 200 OK"), "{line}: {got}");
        let sent = sent(&service, 0);
        assert!(sent.starts_with(&format!("{expected}\r\n")), "{line}: {sent}");
        assert!(sent.to_lowercase().contains("\r\nx-forwarded-host: shop.io"), "{line}: {sent}");
    }
}

#[test]
fn names_with_underscore_go_on_as_they_are_unless_they_imitate_what_a_filter_sets() {
    let service = scripted([head(), Step::write(OK), Step::ReadToEnd]);
    Front::to(service.address()).say("GET / HTTP/1.1\r\nHost: a\r\nmy_tenant: 1\r\n\r\n");
    let sent = sent(&service, 0);
    assert!(sent.contains("\r\nmy_tenant: 1\r\n") && !sent.contains("my-tenant"), "{sent}");
}

#[test]
fn an_upgrade_that_is_refused_leaves_a_connection_for_requests() {
    let refusal = "HTTP/1.1 426 Upgrade Required\r\nSec-WebSocket-Version: 13\r\nUpgrade: websocket\r\nConnection: upgrade\r\nContent-Length: 3\r\n\r\nno!";
    let service = scripted([head(), Step::write(refusal), head(), Step::write(OK), Step::ReadToEnd]);
    let front = Front::to(service.address());
    let mut client = front.connect();
    let upgrade =
        "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 8\r\n\r\n";
    // What the client sends too early is a request like any other.
    client.write_all(format!("{upgrade}GET /next HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes()).unwrap();
    let got = front::read_until(&mut client, "hello");
    assert!(got.starts_with("HTTP/1.1 426 ") && got.contains("\r\nUpgrade: websocket\r\n"), "{got}");
    assert!(got.contains("no!HTTP/1.1 200 OK"), "{got}");
    let sent = sent(&service, 0);
    assert!(sent.contains("\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nGET /next "), "{sent}");
}

#[test]
fn an_upgrade_to_more_http_is_a_plain_request() {
    for upgrade in ["Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__", "Upgrade: websocket, h2c", "Upgrade: TLS/1.0"] {
        let service = scripted([head(), Step::write(OK), Step::ReadToEnd]);
        let got = Front::to(service.address())
            .say(&format!("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade, http2-settings\r\n{upgrade}\r\n\r\n"));
        assert!(got.starts_with("HTTP/1.1 200 OK"), "{upgrade}: {got}");
        let sent = sent(&service, 0);
        assert!(!sent.contains("Upgrade") && !sent.contains("HTTP2-Settings"), "{upgrade}: {sent}");
    }
}

#[test]
fn options_counts_its_hops() {
    for (field, status, goes_on) in [
        ("Max-Forwards: 0", "200", None),
        ("Max-Forwards: 1", "200", Some("Max-Forwards: 0")),
        ("Max-Forwards: 10", "200", Some("Max-Forwards: 9")),
        ("Max-Forwards: many", "200", Some("Max-Forwards: many")),
    ] {
        let service = scripted([head(), Step::write(OK), Step::ReadToEnd]);
        let front = Front::to(service.address());
        let got = all_that_comes(
            &front,
            format!("OPTIONS / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{field}\r\n\r\n").as_bytes(),
        );
        assert!(got.starts_with(&format!("HTTP/1.1 {status} ")), "{field}: {got}");
        match goes_on {
            Some(line) => assert!(sent(&service, 0).contains(&format!("\r\n{line}\r\n")), "{}", sent(&service, 0)),
            None => assert!(got.contains("\r\nAllow: GET, ") && service.connections() == 0, "{got}"),
        }
    }
}

#[test]
fn options_of_the_whole_server_are_ours_unless_a_route_wants_them() {
    let front = Front::to(([127, 0, 0, 1], 1).into());
    let got = all_that_comes(&front, b"OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert!(
        got.starts_with("HTTP/1.1 200 OK\r\nAllow: GET, HEAD, ") && got.contains("\r\nContent-Length: 0\r\n"),
        "{got}"
    );
}

#[test]
fn an_answer_keeps_the_order_of_its_fields_and_loses_those_of_its_hop() {
    let answer = "HTTP/1.1 200 Fine\r\nSet-Cookie: a=1\r\nKeep-Alive: 5\r\nX-B: 1\r\nSet-Cookie: b=2\r\nConnection: keep-alive, x-hop\r\n\
                  X-Hop: secret\r\nProxy-Authenticate: Basic\r\nTrailer: X-B\r\nContent-Length: 5\r\nX-B: 2\r\n\r\nhello";
    let service = scripted([head(), Step::write(answer), Step::ReadToEnd]);
    let got = Front::to(service.address()).say("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let expected = "HTTP/1.1 200 Fine\r\nSet-Cookie: a=1\r\nX-B: 1\r\nSet-Cookie: b=2\r\nTrailer: X-B\r\nContent-Length: 5\r\nX-B: 2\r\nDate: ";
    assert!(got.starts_with(expected), "{got}");
    assert!(!got.contains("secret") && !got.contains("Basic") && !got.contains("Keep-Alive"), "{got}");
}

#[test]
fn the_version_a_request_came_in_is_told_in_via() {
    let service = scripted([head(), Step::write(OK), Step::ReadToEnd]);
    Front::to(service.address()).say("GET / HTTP/1.0\r\n\r\n");
    assert!(sent(&service, 0).contains("\r\nVia: 1.0 madang\r\n"), "{}", sent(&service, 0));
}

#[test]
fn a_request_that_came_through_here_too_often_goes_no_further() {
    let front = Front::to(([127, 0, 0, 1], 1).into());
    for (via, expected) in [
        ("1.1 madang, ".repeat(9) + "1.1 other", "508"),
        ("1.1 madang\r\nVia: ".repeat(9) + "1.0 madang", "508"),
        ("1.1 madang, ".repeat(8) + "1.1 madang.example", "502"),
    ] {
        let got = all_that_comes(
            &front,
            format!("GET / HTTP/1.1\r\nHost: a\r\nVia: {via}\r\nConnection: close\r\n\r\n").as_bytes(),
        );
        assert!(got.starts_with(&format!("HTTP/1.1 {expected} ")), "{via}: {got}");
    }
}
