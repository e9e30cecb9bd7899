//! What is kept of failed and slow requests, how it is told, and who is counted as calling whom.

#![allow(clippy::unwrap_used, clippy::panic, reason = "only tests use it, and a panic is how a test fails")]

use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use madang_gateway::Gateway;
use madang_gateway::api::{RequestView, StoryView, TrafficEdge};
use madang_testkit::{ScriptedServer, Step, eventually};

use crate::front::{self, Front};
use crate::{OK, service};

const PATIENCE: Duration = Duration::from_secs(5);

const SORRY: &str = "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 5\r\n\r\nhello";

/// Waits until that many requests were kept: the record is made when the client has its answer already.
fn kept(gateway: &Gateway, count: u64) -> Vec<RequestView> {
    eventually(&format!("{count} requests are kept"), PATIENCE, || {
        (gateway.kept_total() >= count).then(|| gateway.kept_requests(100))
    })
}

/// The one kept request.
fn only(front: &Front) -> StoryView {
    let [request] = kept(&front.gateway, 1).try_into().unwrap();
    let [story] = front.gateway.story(&request.id).try_into().unwrap();
    assert_eq!(story.request, request);
    story
}

fn header<'a>(answer: &'a str, name: &str) -> &'a str {
    answer.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).unwrap_or_default()
}

/// What a service gets that is called through the egress side.
fn call(front: &Front, head: &str) -> String {
    let mut client = TcpStream::connect(front.egress).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client.write_all(head.as_bytes()).unwrap();
    front::read_until(&mut client, "hello")
}

#[test]
fn a_request_that_failed_is_kept_and_a_good_one_is_not() {
    let service = service(&[OK, SORRY]);
    let front = Front::to(service.address());
    front.say_until("GET /good HTTP/1.1\r\nHost: a\r\n\r\nPOST /a/b?token=secret&page=2 HTTP/1.1\r\nHost: shop.io:80\r\nAuthorization: secret\r\nContent-Length: 6\r\nConnection: close\r\n\r\nsecret", "never");
    let story = only(&front);
    let request = &story.request;
    assert_eq!((&*request.side, &*request.method, &*request.host), ("edge", "POST", "shop.io:80"));
    assert_eq!((&*request.path, request.status, &*request.why), ("/a/b?token=…&page=…", 500, "failed"));
    assert_eq!((request.reason.as_deref(), request.route.as_deref()), (None, Some("all")));
    assert_eq!((request.to.clone(), request.attempts), (format!("http://{}", service.address()), 1));
    assert_eq!((story.request_bytes, story.response_bytes), (6, 5));
    assert_eq!(story.matched, "it matches `/**` (test.toml:1:1)");
    let [call] = story.calls.as_slice() else { panic!("{:?}", story.calls) };
    assert_eq!((&*call.outcome, call.status, &*call.address), ("answered", Some(500), &*service.address().to_string()));
    assert!(call.reused, "{call:?}");
    assert!(call.head_ms.unwrap() <= call.duration_ms && call.duration_ms <= request.duration_ms, "{story:?}");
    for part in [
        "POST /a/b?token=…&page=… came in for host `shop.io:80`.",
        "Route `all` took it to `http://",
        "it answered 500 in",
    ] {
        assert!(story.text.contains(part), "no `{part}` in {}", story.text);
    }
    assert!(!serde_json::to_string(&story).unwrap().contains("secret"), "{story:?}");
}

#[test]
fn an_answer_of_the_gateways_own_says_how_to_learn_more() {
    let front = Front::new("[[routes]]\nid = \"x\"\nmatch = { path = \"/x\" }\nto = \"http://127.0.0.1:1\"\n");
    let answer = front.say("GET /y HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    let story = only(&front);
    let id = &story.request.id;
    assert_eq!(header(&answer, "X-Request-Id"), id, "{answer}");
    assert!(answer.contains(&format!("\"request_id\":\"{id}\"")), "{answer}");
    assert!(answer.contains(&format!("\"hint\":\"madang explain {id}\"")), "{answer}");
    assert_eq!((story.request.status, story.request.reason.as_deref()), (404, Some("no_route")));
    assert_eq!((&*story.request.to, story.request.route.as_deref()), ("-", None));
    assert_eq!(story.matched, "no route matches it");
    assert!(story.detail.unwrap().starts_with("no route matches GET /y"), "{}", story.text);
    assert_eq!(story.response_bytes, answer.split_once("\r\n\r\n").unwrap().1.len() as u64);
}

#[test]
fn what_is_no_request_is_kept_too() {
    let front = Front::to(([127, 0, 0, 1], 1).into());
    front.say("GET / HTTP/1.1\r\n\r\n");
    let story = only(&front);
    assert_eq!((story.request.status, &*story.request.method), (400, ""));
    assert!(story.text.starts_with("What came in on the edge side was not a request. The gateway"), "{}", story.text);
}

#[test]
fn what_became_of_each_call_is_told() {
    let head = || Step::read_until("\r\n\r\n");
    let partly = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart";
    let cases = [
        ("", vec![head()], 502, Some("upstream_closed"), "no_answer", "it broke after"),
        ("", vec![head(), Step::write("no\r\n\r\n")], 502, Some("upstream_invalid"), "invalid", "what is no answer"),
        ("", vec![head(), Step::ReadToEnd], 504, Some("upstream_timeout"), "timeout", "time ran out"),
        ("", vec![head(), Step::write(partly)], 200, Some("upstream_cut"), "cut", "broke off after"),
        (
            "[gateway.timeouts]\nbody = \"50ms\"\n",
            vec![head(), Step::write(partly), Step::ReadToEnd],
            200,
            Some("body_idle"),
            "timeout",
            "no byte moved for 50ms",
        ),
    ];
    for (settings, script, status, reason, outcome, words) in cases {
        let service = ScriptedServer::start(vec![script]);
        let to = service.address();
        let front = Front::new(&format!(
            "{settings}[[routes]]\nid = \"all\"\nmatch = {{ path = \"/**\" }}\nto = \"http://{to}\"\npolicy = {{ timeout = \"200ms\" }}\n"
        ));
        front.say("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        let story = only(&front);
        assert_eq!((story.request.status, story.request.reason.as_deref()), (status, reason), "{story:?}");
        assert_eq!(story.calls.len(), 1, "{story:?}");
        assert_eq!(story.calls[0].outcome, outcome, "{story:?}");
        assert!(story.text.contains(words), "no `{words}` in {}", story.text);
    }
}

#[test]
fn a_client_that_left_is_kept_as_499() {
    let service = ScriptedServer::start(vec![vec![Step::read_until("\r\n\r\n"), Step::ReadToEnd]]);
    let front = Front::to(service.address());
    let mut client = front.connect();
    client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    eventually("the service has the request", PATIENCE, || service.received(0).ends_with(b"\r\n\r\n").then_some(()));
    drop(client);
    let story = only(&front);
    assert_eq!((story.request.status, story.request.reason.as_deref()), (499, Some("client_gone")));
    assert_eq!(story.calls[0].outcome, "abandoned");
    assert!(story.text.contains("The client left after"), "{}", story.text);
}

#[test]
fn a_retry_and_what_came_before_it_are_both_told() {
    let busy = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n";
    let script = vec![Step::read_until("\r\n\r\n"), Step::write(busy), Step::ReadToEnd];
    let service = ScriptedServer::start(vec![script.clone(), script]);
    let front = Front::service_with(&[service.address()], "policy = { retry = { attempts = 1 } }");
    front.say_until("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "never");
    let story = only(&front);
    let outcomes: Vec<_> = story.calls.iter().map(|call| (&*call.outcome, call.status)).collect();
    assert_eq!(outcomes, [("retried", Some(503)), ("answered", Some(503))]);
    assert!(story.calls[0].started_ms <= story.calls[1].started_ms, "{story:?}");
    assert_eq!((&*story.request.to, story.request.attempts), ("it", 2));
    assert!(story.text.contains("which the route tries again. Call 2 to"), "{}", story.text);
}

#[test]
fn a_good_end_after_a_bad_start_is_no_failure() {
    let good = service(&[OK, OK]);
    let front = Front::service_with(&[dead(1), good.address()], "policy = { balance = \"round_robin\" }");
    let mut client = front.connect();
    for _ in 0..2 {
        client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        assert!(front::read_until(&mut client, "hello").starts_with("HTTP/1.1 200 OK"));
    }
    client.write_all(b"GET /../x HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    front::read_until(&mut client, "never");
    let story = only(&front);
    assert_eq!((story.request.status, story.request.attempts), (400, 0));
    assert_eq!(story.calls, [], "what was noted of the requests before is gone");
}

/// Nobody listens on port 1 of any loopback address.
fn dead(last: u8) -> SocketAddr {
    (Ipv4Addr::new(127, 0, 0, last), 1).into()
}

#[test]
fn of_very_many_calls_the_first_ones_and_the_last_are_kept() {
    let all: Vec<_> = (1..=20).map(dead).collect();
    let front = Front::service(&all);
    front.say("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    let story = only(&front);
    assert_eq!((story.request.attempts, story.calls.len()), (20, 16));
    assert!(story.calls.iter().all(|call| call.outcome == "connect_failed"), "{story:?}");
    assert!(story.text.contains("Calls 16 to 19 are not kept. Call 20 to"), "{}", story.text);
}

#[test]
fn slow_is_what_the_settings_say_now() {
    let service = service(&[OK, OK]);
    let settings = |slow: &str| {
        format!(
            "[gateway.requests]\nslow = \"{slow}\"\n[[routes]]\nid = \"all\"\nmatch = {{ path = \"/**\" }}\nto = \"http://{}\"\nfilters = [{{ delay = \"20ms\" }}]\n",
            service.address()
        )
    };
    let front = Front::new(&settings("1h"));
    let mut client = front.connect();
    client.write_all(b"GET /before HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    front::read_until(&mut client, "hello");
    front.commit(&settings("20ms"));
    client.write_all(b"GET /after HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    front::read_until(&mut client, "hello");
    let story = only(&front);
    assert_eq!((&*story.request.path, &*story.request.why, story.request.status), ("/after", "slow", 200));
    assert!(story.request.duration_ms >= 20.0, "{story:?}");
    assert!(story.calls[0].started_ms >= 20.0, "{story:?}");
    assert!(story.text.contains("filters of the route held it back"), "{}", story.text);
    assert!(story.text.ends_with("20ms and more is slow here."), "{}", story.text);
}

#[test]
fn what_lasts_on_purpose_is_not_slow() {
    let events = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nContent-Length: 5\r\n\r\nhello";
    let upgrade = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nhello";
    let script = |answer| vec![Step::read_until("\r\n\r\n"), Step::write(answer)];
    let service = ScriptedServer::start(vec![script(events), script(upgrade)]);
    let front = Front::new(&format!(
        "[gateway.requests]\nslow = \"1ms\"\n[[routes]]\nid = \"all\"\nmatch = {{ path = \"/**\" }}\nto = \"http://{}\"\nfilters = [{{ delay = \"5ms\" }}]\n",
        service.address()
    ));
    front.say("GET /events HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    front.say("GET /upgrade HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n");
    edges(&front, 2);
    front.say("GET /../x HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(only(&front).request.status, 400);
}

#[test]
fn the_newest_are_kept_as_many_as_the_settings_say_now() {
    let settings = |keep: u32| {
        format!(
            "[gateway.requests]\nkeep = {keep}\n[[routes]]\nid = \"x\"\nmatch = {{ path = \"/x\" }}\nto = \"http://127.0.0.1:1\"\n"
        )
    };
    let front = Front::new(&settings(3));
    let ask = |path: &str| front.say(&format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"));
    let paths = |requests: Vec<RequestView>| requests.into_iter().map(|request| request.path).collect::<Vec<_>>();
    for (count, path) in (1..).zip(["/1", "/2", "/3", "/4"]) {
        ask(path);
        kept(&front.gateway, count);
    }
    assert_eq!(paths(kept(&front.gateway, 4)), ["/4", "/3", "/2"]);
    assert_eq!(paths(front.gateway.kept_requests(1)), ["/4"]);
    front.commit(&settings(2));
    assert_eq!(paths(front.gateway.kept_requests(100)), ["/4", "/3"]);
    ask("/5");
    assert_eq!(paths(kept(&front.gateway, 5)), ["/5", "/4"]);
    front.commit(&settings(0));
    let answer = ask("/6");
    assert!(!answer.contains("hint"), "{answer}");
    assert_eq!(paths(kept(&front.gateway, 6)), Vec::<String>::new());
    assert!(front.gateway.story(header(&answer, "X-Request-Id")).is_empty());
}

#[test]
fn what_is_kept_of_a_long_path_is_short() {
    let front = Front::new("[[routes]]\nid = \"x\"\nmatch = { path = \"/x\" }\nto = \"http://127.0.0.1:1\"\n");
    front.say(&format!("GET /{}?{} HTTP/1.1\r\nHost: a\r\n\r\n", "p".repeat(900), "q=1&".repeat(1_000)));
    let path = only(&front).request.path;
    assert!(path.len() <= 1024 && path.ends_with('…'), "{path}");
}

#[test]
fn an_id_that_a_service_passes_on_finds_both_hops() {
    let service = service(&[OK, SORRY]);
    let front = Front::service(&[service.address()]);
    front.say("GET /edge HTTP/1.1\r\nHost: a\r\nX-Request-Id: forged\r\nConnection: close\r\n\r\n");
    let sent = String::from_utf8(service.received(0)).unwrap();
    let id = header(&sent, "X-Request-Id");
    assert!(id != "forged" && id.len() == 16, "{sent}");

    let head = format!(
        "GET /@it/it/inner HTTP/1.1\r\nHost: e\r\nX-Request-Id: {id}\r\nX-Forwarded-For: 6.6.6.6\r\nConnection: close\r\n\r\n"
    );
    assert_eq!(header(&call(&front, &head), "X-Request-Id"), id);
    let story = only(&front);
    assert_eq!((&*story.request.id, &*story.request.side, &*story.request.path), (id, "egress", "/it/inner"));
    assert_eq!((story.caller.as_deref(), story.request.route.as_deref()), (Some("it"), Some("it")));
    assert!(story.text.starts_with("`it` called GET /it/inner through egress."), "{}", story.text);
    let sent = String::from_utf8(service.received(0)).unwrap();
    assert!(!sent.contains("6.6.6.6"), "only the id of a service is believed: {sent}");
}

#[test]
fn an_id_that_is_none_of_ours_is_replaced_on_egress_too() {
    for bad in ["", "quoted\"", &"x".repeat(65), "with blank"] {
        let service = service(&[OK]);
        let front = Front::service(&[service.address()]);
        let answer = call(&front, &format!("GET /it/ HTTP/1.1\r\nHost: e\r\nX-Request-Id: {bad}\r\n\r\n"));
        let id = header(&answer, "X-Request-Id");
        assert!(id.len() == 16 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{bad:?} gave {answer}");
    }
}

#[test]
fn a_caller_may_be_named_in_front_of_the_path() {
    for (path, sent_path, prefix, from) in [
        ("/it/a?x=1", "/a?x=1", "/it", "services"),
        ("/@it/it/a?x=1", "/a?x=1", "/@it/it", "it"),
        ("/%40it/it", "/", "/%40it/it", "it"),
        ("/@IT/it/", "/", "/@IT/it", "it"),
        ("/@nobody/it/a", "/a", "/@nobody/it", "services"),
        ("/@/it/a", "/a", "/@/it", "services"),
    ] {
        let service = service(&[OK]);
        let front = Front::service(&[service.address()]);
        let answer = call(&front, &format!("GET {path} HTTP/1.1\r\nHost: e\r\nConnection: close\r\n\r\n"));
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{path}: {answer}");
        let sent = String::from_utf8(service.received(0)).unwrap();
        assert!(sent.starts_with(&format!("GET {sent_path} HTTP/1.1\r\n")), "{path}: {sent}");
        assert_eq!(header(&sent, "X-Forwarded-Prefix"), prefix, "{path}");
        let edge = &edges(&front, 1)[0];
        assert_eq!((&*edge.from, &*edge.to), (from, "it"), "{path}");
    }
    let front = Front::service(&[]);
    for path in ["/@it", "/@it/", "/@it/../it/a", "/@it/@it/it/a"] {
        let answer = call(&front, &format!("GET {path} HTTP/1.1\r\nHost: e\r\nConnection: close\r\n\r\n"));
        assert!(answer.starts_with("HTTP/1.1 40"), "{path}: {answer}");
    }
}

/// Waits until that many requests were counted.
fn edges(front: &Front, count: u64) -> Vec<TrafficEdge> {
    eventually(&format!("{count} requests are counted"), PATIENCE, || {
        let edges = front.gateway.traffic().edges;
        (edges.iter().map(|edge| edge.requests).sum::<u64>() >= count).then_some(edges)
    })
}

#[test]
fn traffic_tells_who_calls_whom_and_how_that_goes() {
    let service = service(&[OK, SORRY, OK, SORRY]);
    let front = Front::service(&[service.address()]);
    assert_eq!(front.gateway.traffic().edges, []);
    let mut client = front.connect();
    for _ in 0..2 {
        client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        front::read_until(&mut client, "hello");
    }
    for path in ["/@it/it/", "/it/", "/@it/gone/"] {
        call(&front, &format!("GET {path} HTTP/1.1\r\nHost: e\r\nConnection: close\r\n\r\n"));
    }
    let edges: Vec<_> = edges(&front, 5)
        .into_iter()
        .map(|edge| {
            assert!(edge.duration_ms > 0.0, "{edge:?}");
            (edge.from, edge.to, edge.route, edge.requests, edge.failed)
        })
        .collect();
    let expected = [
        ("clients", "it", Some("all"), 2, 1),
        ("it", "-", None, 1, 0),
        ("it", "it", None, 1, 0),
        ("services", "it", None, 1, 1),
    ];
    let expected = expected.map(|(from, to, route, requests, failed)| {
        (from.to_owned(), to.to_owned(), route.map(str::to_owned), requests, failed)
    });
    assert_eq!(edges, expected);
    let traffic = eventually("only the client's connection is left", PATIENCE, || {
        Some(front.gateway.traffic()).filter(|traffic| traffic.connections == 1)
    });
    assert_eq!(traffic.services.iter().map(|one| (&*one.service, one.in_flight)).collect::<Vec<_>>(), [("it", 0)]);
}

#[test]
fn calls_under_way_are_in_flight() {
    let service = ScriptedServer::start(vec![vec![Step::read_until("\r\n\r\n"), Step::ReadToEnd]]);
    let front = Front::service(&[service.address()]);
    let mut client = front.connect();
    client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let in_flight = |count| (front.gateway.traffic().services[0].in_flight == count).then_some(());
    eventually("the call is in flight", PATIENCE, || in_flight(1));
    drop(client);
    eventually("it is no more", PATIENCE, || in_flight(0));
}
