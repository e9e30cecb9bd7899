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
