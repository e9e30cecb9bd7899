//! The HTTP service over real sockets: limits, the guard, problems, and the end.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on stops")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use axum::Router;
use axum::extract::Query;
use axum::routing::{get, post};
use madang_runtime::{Finished, Scope};
use madang_serve::{Guard, Problem, Reuse, bind_tcp, http, normalize};
use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, mpsc};

/// Reached only when something is wrong.
const LONG: Duration = Duration::from_secs(30);
const SHORT: Duration = Duration::from_millis(50);

/// Limits that no test reaches by being slow.
fn patient() -> http::Limits {
    http::Limits { head_timeout: LONG, body_timeout: LONG, drain: LONG, ..http::Limits::default() }
}

fn start(router: Router, limits: http::Limits, scope: &Scope) -> SocketAddr {
    let listener = bind_tcp(([127, 0, 0, 1], 0).into(), Reuse::No).unwrap();
    http::serve_within(listener, router, Guard::default(), limits, scope).unwrap()
}

async fn send(address: SocketAddr, text: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    stream
}

/// Everything until the other side closes.
async fn rest(mut stream: TcpStream) -> String {
    let mut bytes = Vec::new();
    let read = tokio::time::timeout(LONG, stream.read_to_end(&mut bytes)).await.expect("the connection stays open");
    // A refusal with bytes unread may end in a reset; what came before it counts.
    let _ = read;
    String::from_utf8(bytes).unwrap()
}

async fn ask(address: SocketAddr, request: &str) -> String {
    rest(send(address, request).await).await
}

fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_else(|| panic!("no status: {answer:?}"))
}

fn problem(answer: &str) -> Problem {
    assert!(answer.contains("content-type: application/problem+json\r\n"), "{answer}");
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    let problem: Problem = serde_json::from_str(body).unwrap();
    assert_eq!(problem.status, status(answer));
    problem
}

/// A router that counts what reaches it.
fn counting() -> (Router, Arc<AtomicUsize>) {
    let calls = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&calls);
    let handler = move |body: String| async move {
        count.fetch_add(1, SeqCst);
        body.len().to_string()
    };
    (Router::new().route("/", get(handler.clone()).post(handler)), calls)
}

#[tokio::test]
async fn a_request_for_us_is_answered() {
    let scope = Scope::new("test");
    let address = start(counting().0, patient(), &scope);
    let answer = ask(address, &format!("GET / HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\n0"), "{answer}");
}

#[tokio::test]
async fn what_the_guard_refuses_reaches_no_handler_whatever_the_method() {
    let scope = Scope::new("test");
    let (router, calls) = counting();
    let address = start(router, patient(), &scope);
    for method in ["GET", "POST", "DELETE", "OPTIONS"] {
        for (headers, expected, code) in [
            ("Host: evil.example", 421, "MD0101"),
            ("Accept: */*", 421, "MD0101"),
            ("Host: localhost\r\nOrigin: http://evil.example", 403, "MD0102"),
            ("Host: localhost\r\nOrigin: null", 403, "MD0102"),
            ("Host: localhost\r\nSec-Fetch-Site: cross-site", 403, "MD0102"),
        ] {
            let answer = ask(address, &format!("{method} / HTTP/1.1\r\n{headers}\r\nConnection: close\r\n\r\n")).await;
            assert_eq!((status(&answer), &*problem(&answer).code), (expected, code), "{method} {headers}");
        }
    }
    assert_eq!(calls.load(SeqCst), 0);
}

#[tokio::test]
async fn a_body_at_the_limit_passes_and_one_above_is_refused() {
    let scope = Scope::new("test");
    let (router, calls) = counting();
    let address = start(router, http::Limits { body_bytes: 8, ..patient() }, &scope);
    for (framing, body, expected) in [
        ("Content-Length: 8", "12345678", 200),
        ("Transfer-Encoding: chunked", "8\r\n12345678\r\n0\r\n\r\n", 200),
        ("Content-Length: 9", "123456789", 413),
        ("Content-Length: 99999999999", "", 413),
        ("Transfer-Encoding: chunked", "9\r\n123456789\r\n0\r\n\r\n", 413),
    ] {
        let calls_before = calls.load(SeqCst);
        let head = format!("POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{framing}\r\n\r\n");
        let answer = ask(address, &(head + body)).await;
        assert_eq!(status(&answer), expected, "{framing}, {body}");
        assert_eq!(calls.load(SeqCst) - calls_before, usize::from(expected == 200), "{framing}, {body}");
        if expected == 413 {
            assert_eq!(problem(&answer).detail, "the body is larger than 8B, the most this takes");
        }
    }
}

#[tokio::test]
async fn a_client_that_sends_half_a_request_is_let_go() {
    let scope = Scope::new("test");
    let (router, calls) = counting();
    let limits = http::Limits { head_timeout: SHORT, body_timeout: SHORT, ..patient() };
    let address = start(router, limits, &scope);
    for sent in ["", "GET / HTTP/1.1\r\nHost: local"] {
        let answer = ask(address, sent).await;
        assert!(answer.is_empty() || status(&answer) == 408, "{sent:?}: {answer}");
    }
    let answer = ask(address, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nhalf").await;
    assert_eq!((status(&answer), &*problem(&answer).code), (408, "MD0111"), "{answer}");
    let answer = ask(address, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert_eq!(status(&answer), 200, "an idle connection closes after its answer: {answer}");
    assert_eq!(calls.load(SeqCst), 1);
}

#[tokio::test]
async fn a_head_above_the_limit_is_refused() {
    let scope = Scope::new("test");
    let address = start(counting().0, patient(), &scope);
    let large = "x".repeat(10 * 1024 * 1024);
    let mut stream = TcpStream::connect(address).await.unwrap();
    // The server may close while we still write.
    let _ = stream.write_all(format!("GET / HTTP/1.1\r\nHost: localhost\r\nX: {large}\r\n\r\n").as_bytes()).await;
    let answer = rest(stream).await;
    assert!(answer.is_empty() || status(&answer) == 431, "{answer}");
}

/// A router whose requests say that they are running and then wait for a permit.
struct Gate {
    entered: mpsc::Receiver<()>,
    open: Arc<Semaphore>,
}

impl Gate {
    fn new() -> (Self, Router) {
        let (enter, entered) = mpsc::channel(16);
        let open = Arc::new(Semaphore::new(0));
        let gate = Arc::clone(&open);
        let handler = move || async move {
            enter.send(()).await.unwrap();
            gate.acquire().await.unwrap().forget();
            "through"
        };
        (Self { entered, open }, Router::new().route("/", get(handler)))
    }

    async fn entered(&mut self) {
        tokio::time::timeout(LONG, self.entered.recv()).await.expect("no request came").unwrap();
    }
}

const CLOSING: &str = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
const KEEPING: &str = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

#[tokio::test]
async fn connections_above_the_limit_wait_until_one_ends() {
    let scope = Scope::new("test");
    let (mut gate, router) = Gate::new();
    let address = start(router, http::Limits { connections: 1, ..patient() }, &scope);
    let first = send(address, CLOSING).await;
    gate.entered().await;
    let second = send(address, CLOSING).await;
    // Later connections to a server with room are answered meanwhile: this one had its chance.
    let other = start(counting().0, patient(), &scope);
    for _ in 0..3 {
        assert_eq!(status(&ask(other, CLOSING).await), 200);
    }
    assert!(gate.entered.is_empty(), "the second connection was let in");
    gate.open.add_permits(1);
    assert_eq!(status(&rest(first).await), 200);
    gate.entered().await;
    gate.open.add_permits(1);
    assert_eq!(status(&rest(second).await), 200);
}

#[tokio::test]
async fn the_end_waits_for_running_requests_and_for_nobody_else() {
    let scope = Scope::new("test");
    let (mut gate, router) = Gate::new();
    let address = start(router, patient(), &scope);
    let silent = send(address, "").await;
    let idle = send(address, KEEPING).await;
    gate.entered().await;
    gate.open.add_permits(1);
    let mut idle_answered = idle;
    let mut first = [0; 15];
    idle_answered.read_exact(&mut first).await.unwrap();
    let running = send(address, KEEPING).await;
    gate.entered().await;

    let ended = scope.clone();
    let ending = Scope::new("outside").spawn("ending", async move { ended.shutdown(LONG).await });
    rest(silent).await;
    rest(idle_answered).await;
    assert!(TcpStream::connect(address).await.is_err(), "nobody is let in any more");
    assert!(!ending.is_finished());
    gate.open.add_permits(1);
    let answer = rest(running).await;
    assert_eq!(status(&answer), 200);
    assert!(answer.ends_with("through"), "{answer}");
    assert_eq!(ending.join().await, Some(Finished::All));
}

#[tokio::test]
async fn a_request_that_does_not_end_is_cut_after_the_drain_time() {
    let scope = Scope::new("test");
    let (mut gate, router) = Gate::new();
    let address = start(router, http::Limits { drain: SHORT, ..patient() }, &scope);
    let stuck = send(address, KEEPING).await;
    gate.entered().await;
    assert_eq!(scope.shutdown(LONG).await, Finished::All);
    assert_eq!(rest(stuck).await, "");
}

#[derive(Deserialize)]
struct Count {
    count: u32,
}

#[tokio::test]
async fn plain_refusals_become_problems_and_others_stay() {
    let scope = Scope::new("test");
    let router = Router::new()
        .route("/things", get(async |Query(Count { count }): Query<Count>| count.to_string()).post("made"))
        .route("/own", post((axum::http::StatusCode::CONFLICT, [("content-type", "text/html")], "<p>no")));
    let address = start(normalize(router), patient(), &scope);
    for (request, expected, code, detail) in [
        ("GET /nowhere", 404, "MD0108", "nothing is served at `/nowhere`"),
        ("PUT /things", 405, "MD0109", "`/things` does not take `PUT`"),
        ("GET /things?count=x", 400, "MD0110", "Failed to deserialize query string"),
    ] {
        let answer = ask(address, &format!("{request} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")).await;
        let problem = problem(&answer);
        assert_eq!((problem.status, &*problem.code), (expected, code), "{request}");
        assert!(problem.detail.starts_with(detail), "{request}: {}", problem.detail);
        assert_eq!(problem.kind, format!("urn:madang:{code}"));
        if expected == 405 {
            assert!(answer.contains("allow: GET,HEAD,POST\r\n"), "{answer}");
            assert_eq!(problem.hint.as_deref(), Some("it takes GET, HEAD, POST"));
        }
    }
    let answer = ask(address, "POST /own HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await;
    assert!(status(&answer) == 409 && answer.ends_with("<p>no"), "{answer}");
    let answer = ask(address, "GET /things?count=3 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await;
    assert!(status(&answer) == 200 && answer.ends_with('3'), "{answer}");
}

/// Reads exactly one answer with a length; the connection stays.
async fn one(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                return text;
            }
        }
        let mut byte = [0];
        tokio::time::timeout(LONG, stream.read_exact(&mut byte)).await.expect("no whole answer").unwrap();
        bytes.extend(byte);
    }
}

/// A router with every way a body can come, and one that gives back what it got.
fn bodies() -> Router {
    let pieces = |count: usize, size: usize| {
        let (sender, receiver) = mpsc::channel(1);
        Scope::new("pieces").spawn("pieces", async move {
            for _ in 0..count {
                let piece = bytes::Bytes::from("p".repeat(size));
                if sender.send(Ok::<_, std::convert::Infallible>(hyper::body::Frame::data(piece))).await.is_err() {
                    return;
                }
            }
        });
        axum::body::Body::new(Pieces(receiver))
    };
    Router::new()
        .route("/echo", post(|body: String| async move { body }))
        .route("/whole", get(|| async { "whole" }))
        .route("/none", get(|| async { axum::http::StatusCode::NO_CONTENT }))
        .route("/pieces", get(move || async move { pieces(3, 5) }))
        .route("/large", get(move || async move { pieces(3, 100_000) }))
        .route("/host", get(|uri: axum::http::Uri| async move { uri.to_string() }))
}

/// Frames from a channel: a body of unknown length.
struct Pieces(mpsc::Receiver<Result<hyper::body::Frame<bytes::Bytes>, std::convert::Infallible>>);

impl hyper::body::Body for Pieces {
    type Data = bytes::Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<bytes::Bytes>, Self::Error>>> {
        self.0.poll_recv(cx)
    }
}

#[tokio::test]
async fn requests_sent_at_once_are_answered_in_order_on_one_connection() {
    let scope = Scope::new("test");
    let address = start(bodies(), patient(), &scope);
    let echo =
        |text: &str| format!("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{text}", text.len());
    let chunked = "POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nth\r\n3;x=y\r\nird\r\n0\r\n\r\n";
    let last = "GET /whole HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let mut stream = send(address, &(echo("first") + &echo("") + chunked + last)).await;
    for expected in ["first", "", "third", "whole"] {
        let answer = one(&mut stream).await;
        assert_eq!((status(&answer), answer.split_once("\r\n\r\n").unwrap().1), (200, expected));
    }
    assert_eq!(rest(stream).await, "");
    // However it is cut, it is the same.
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    for byte in (echo("slowly") + chunked).bytes() {
        stream.write_all(&[byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    assert!(one(&mut stream).await.ends_with("slowly"));
    assert!(one(&mut stream).await.ends_with("third"));
}

#[tokio::test]
async fn a_body_of_unknown_length_is_chunked_and_ends_with_the_connection_for_an_old_client() {
    let scope = Scope::new("test");
    let address = start(bodies(), patient(), &scope);
    for (path, size) in [("/pieces", 5), ("/large", 100_000)] {
        let answer =
            ask(address, &format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.contains("transfer-encoding: chunked") && !head.contains("content-length"), "{head}");
        let chunk = format!("{size:x}\r\n{}\r\n", "p".repeat(size));
        assert!(body == format!("{}0\r\n\r\n", chunk.repeat(3)), "{} bytes of {path}", body.len());
        let answer =
            ask(address, &format!("GET {path} HTTP/1.0\r\nHost: localhost\r\nConnection: keep-alive\r\n\r\n")).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.contains("connection: close") && !head.contains("chunked"), "{head}");
        assert!(body == "p".repeat(size * 3), "{} bytes of {path}", body.len());
    }
    let mut old = send(address, "GET /whole HTTP/1.0\r\nHost: localhost\r\nConnection: keep-alive\r\n\r\n").await;
    assert!(one(&mut old).await.contains("connection: keep-alive\r\n"));
    old.write_all(b"GET /whole HTTP/1.0\r\nHost: localhost\r\n\r\n").await.unwrap();
    assert!(rest(old).await.contains("connection: close\r\n"));
}

#[tokio::test]
async fn an_answer_that_has_no_body_says_so_and_the_next_one_follows() {
    let scope = Scope::new("test");
    let address = start(bodies(), patient(), &scope);
    let mut stream = TcpStream::connect(address).await.unwrap();
    for (request, expected, length) in [
        ("HEAD /whole", 200, Some("content-length: 5\r\n")),
        ("GET /none", 204, None),
        ("HEAD /pieces", 200, None),
        ("GET /whole", 200, Some("content-length: 5\r\n")),
    ] {
        stream.write_all(format!("{request} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes()).await.unwrap();
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap().into());
        }
        assert_eq!(status(&head), expected, "{request}");
        assert_eq!(head.contains("content-length"), length.is_some(), "{head}");
        assert!(length.is_none_or(|length| head.contains(length)), "{head}");
        assert!(head.contains("\r\ndate: ") && !head.contains("chunked"), "{head}");
    }
    stream.shutdown().await.unwrap();
    assert_eq!(rest(stream).await, "whole");
}

#[tokio::test]
async fn a_client_that_asks_first_is_told_to_go_on_only_when_its_body_is_wanted() {
    let scope = Scope::new("test");
    let address = start(bodies(), http::Limits { body_bytes: 8, ..patient() }, &scope);
    let head = |host: &str, length: usize| {
        format!("POST /echo HTTP/1.1\r\nHost: {host}\r\nExpect: 100-continue\r\nContent-Length: {length}\r\n\r\n")
    };
    let mut stream = send(address, &head("localhost", 4)).await;
    assert_eq!(one(&mut stream).await, "HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"body").await.unwrap();
    assert!(one(&mut stream).await.ends_with("\r\n\r\nbody"));
    for (host, length, expected) in [("localhost", 9, 413), ("evil.example", 4, 421)] {
        let answer = ask(address, &head(host, length)).await;
        assert_eq!(status(&answer), expected, "{answer}");
        assert!(answer.contains("connection: close"), "{answer}");
    }
}

#[tokio::test]
async fn what_two_readers_could_read_differently_is_refused_and_the_connection_ends() {
    let scope = Scope::new("test");
    let (router, calls) = counting();
    let address = start(router, patient(), &scope);
    for (request, expected, code) in [
        (
            "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            400,
            "MD0110",
        ),
        ("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400, "MD0110"),
        ("GET / HTTP/1.1\r\nHost : localhost\r\n\r\n", 400, "MD0110"),
        ("GET / HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n", 421, "MD0101"),
        ("GET / HTTP/3.0\r\nHost: localhost\r\n\r\n", 505, "MD0110"),
        ("POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400, "MD0110"),
        ("POST / HTTP/1.1\r\nHost: localhost\r\nExpect: a-lot\r\nContent-Length: 1\r\n\r\n", 417, "MD0110"),
    ] {
        let answer = ask(address, &format!("{request}GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")).await;
        assert_eq!((status(&answer), &*problem(&answer).code), (expected, code), "{request}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "nothing behind it is taken for a request: {answer}");
    }
    assert_eq!(calls.load(SeqCst), 0);
    let answer = ask(
        start(bodies(), patient(), &scope),
        "GET http://127.0.0.1:80/host HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n",
    );
    assert!(answer.await.ends_with("http://127.0.0.1:80/host"));
}

#[tokio::test]
async fn a_client_that_leaves_ends_its_request_and_its_stream() {
    let scope = Scope::new("test");
    let (left, mut seen) = mpsc::channel::<&str>(4);
    /// Says so when it is dropped.
    struct Held(mpsc::Sender<&'static str>, &'static str);
    impl Drop for Held {
        fn drop(&mut self) {
            let _ = self.0.try_send(self.1);
        }
    }
    let (waiting, streaming) = (left.clone(), left.clone());
    let router = Router::new()
        .route(
            "/wait",
            get(move || async move {
                let _held = Held(waiting, "waiting");
                std::future::pending::<&str>().await
            }),
        )
        .route(
            "/stream",
            get(move || async move {
                let held = Held(streaming, "streaming");
                let (sender, receiver) = mpsc::channel(4);
                let first = hyper::body::Frame::data(bytes::Bytes::from_static(b"event"));
                sender.send(Ok(first)).await.unwrap();
                // It is given up together with the body.
                Scope::new("held").spawn("held", async move {
                    sender.closed().await;
                    drop(held);
                });
                axum::body::Body::new(Pieces(receiver))
            }),
        );
    let address = start(router, patient(), &scope);
    let mut stream = send(address, "GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    let mut text = String::new();
    while !text.ends_with("event\r\n") {
        text.push(stream.read_u8().await.unwrap().into());
    }
    drop(stream);
    assert_eq!(tokio::time::timeout(LONG, seen.recv()).await, Ok(Some("streaming")));
    drop(send(address, "GET /wait HTTP/1.1\r\nHost: localhost\r\n\r\n").await);
    assert_eq!(tokio::time::timeout(LONG, seen.recv()).await, Ok(Some("waiting")));
}

#[tokio::test]
async fn an_answer_given_while_everything_ends_is_the_last_of_its_connection() {
    let scope = Scope::new("test");
    let (mut gate, router) = Gate::new();
    let address = start(router, patient(), &scope);
    let running = send(address, &(KEEPING.to_owned() + KEEPING)).await;
    gate.entered().await;
    scope.cancel();
    gate.open.add_permits(2);
    let answer = rest(running).await;
    assert!(answer.contains("connection: close\r\n"), "{answer}");
    assert_eq!(answer.matches("HTTP/1.1 200").count(), 1, "{answer}");
}
