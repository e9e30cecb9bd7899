//! Exchanges with servers that answer well, badly, or not at all.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on stops")]

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use madang_dial::{DialError, Failure, Lines, Step as Waiting, Stream, request, stream_lines};
use madang_testkit::{ScriptedServer, Step, eventually};

/// Reached only when something is wrong.
const LONG: Duration = Duration::from_secs(30);

fn get(target: &str) -> Request<Bytes> {
    Request::get(target).body(Bytes::new()).unwrap()
}

/// A server that waits for a head and then plays `steps`.
fn server(steps: Vec<Step>) -> ScriptedServer {
    ScriptedServer::start(vec![[vec![Step::read_until("\r\n\r\n")], steps].concat()])
}

fn answering(answer: &str) -> ScriptedServer {
    server(vec![Step::write(answer)])
}

async fn failure(address: SocketAddr, max_body: usize) -> DialError {
    request(address, get("/"), LONG, max_body).await.unwrap_err()
}

#[tokio::test]
async fn an_answer_comes_whole_whatever_its_status_and_framing() {
    for (answer, status, body) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", 200, "hi"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nh\r\n1\r\ni\r\n0\r\n\r\n", 200, "hi"),
        ("HTTP/1.0 200 OK\r\n\r\nuntil the end", 200, "until the end"),
        ("HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n", 302, ""),
        ("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nbusy", 503, "busy"),
    ] {
        let server = answering(answer);
        let response = request(server.address(), get("/"), LONG, 1024).await.unwrap();
        assert_eq!((response.status().as_u16(), &**response.body()), (status, body.as_bytes()), "{answer:?}");
    }
}

#[tokio::test]
async fn the_request_names_the_address_and_stays_in_origin_form() {
    let server = answering("HTTP/1.1 204 No Content\r\n\r\n");
    let address = server.address();
    request(address, get("http://somewhere.example/a?b=c"), LONG, 1024).await.unwrap();
    let sent = String::from_utf8(server.received(0)).unwrap().to_lowercase();
    assert!(sent.starts_with("get /a?b=c http/1.1\r\n"), "{sent}");
    assert!(sent.contains(&format!("host: {address}\r\n")), "{sent}");
    assert!(!sent.contains("connection:"), "{sent}");
}

#[tokio::test]
async fn a_host_and_a_body_of_the_caller_are_sent_as_given() {
    let server = ScriptedServer::start(vec![vec![
        Step::read_until("\r\n\r\nhello"),
        Step::write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
    ]]);
    let message = Request::post("/x").header("host", "orders").body(Bytes::from_static(b"hello")).unwrap();
    assert_eq!(request(server.address(), message, LONG, 0).await.unwrap().status(), StatusCode::OK);
    let sent = String::from_utf8(server.received(0)).unwrap().to_lowercase();
    assert!(sent.contains("host: orders\r\n") && sent.contains("content-length: 5\r\n"), "{sent}");
    assert_eq!(sent.matches("host:").count(), 1, "{sent}");
}

#[tokio::test]
async fn a_body_above_the_limit_is_refused_and_one_at_it_is_not() {
    let server = answering("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n12345678");
    assert!(request(server.address(), get("/"), LONG, 8).await.is_ok());
    let error = failure(server.address(), 7).await;
    assert!(matches!(error.failure, Failure::TooLarge { limit: 7 }), "{error:?}");
    assert_eq!(error.to_string(), format!("{} answered with more than 7B", server.address()));
}

#[tokio::test]
async fn what_is_no_answer_is_said_to_be_none() {
    for (steps, expected) in [
        (vec![], "closed the connection before the answer was complete"),
        (vec![Step::Reset], "reset the connection"),
        (vec![Step::write("HTTP/1.1 200 OK\r\nContent-Le")], "closed the connection before the answer was complete"),
        (
            vec![Step::write("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort")],
            "closed the connection before the answer was complete",
        ),
        (vec![Step::write("SSH-2.0-OpenSSH_9.2\r\n\r\n")], "did not answer in HTTP/1: "),
    ] {
        let server = server(steps.clone());
        let message = failure(server.address(), 1024).await.to_string();
        let expected = format!("{} {expected}", server.address());
        assert!(message.starts_with(&expected), "{steps:?}: {message}");
    }
}

#[tokio::test]
async fn a_head_without_end_is_refused() {
    let endless = format!("HTTP/1.1 200 OK\r\nx: {}", "x".repeat(1024 * 1024));
    let server = server(vec![Step::write(endless), Step::ReadToEnd]);
    let error = failure(server.address(), 1024).await;
    assert!(matches!(error.failure, Failure::Protocol(_)), "{error:?}");
}

#[tokio::test]
async fn silence_ends_with_the_timeout_wherever_it_begins() {
    for steps in
        [vec![Step::ReadToEnd], vec![Step::write("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort"), Step::ReadToEnd]]
    {
        let server = server(steps.clone());
        let error = request(server.address(), get("/"), Duration::from_millis(50), 1024).await.unwrap_err();
        assert!(matches!(error.failure, Failure::Timeout { step: Waiting::Answer, .. }), "{steps:?}: {error:?}");
        assert_eq!(error.to_string(), format!("{} did not answer within 50ms", server.address()));
        eventually("the connection to be closed", LONG, || server.has_ended(0).then_some(()));
    }
}

async fn lines(server: &ScriptedServer, max_line: usize) -> Lines {
    match stream_lines(server.address(), get("/logs"), LONG, max_line).await.unwrap() {
        Stream::Lines(lines) => lines,
        Stream::Refused(response) => panic!("{response:?}"),
    }
}

#[tokio::test]
async fn lines_come_one_by_one_until_the_answer_ends() {
    let answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
                  5\r\none\nt\r\n3\r\nwo\n\r\n9\r\na line to\r\n1\r\n\n\r\n1\r\n!\r\n0\r\n\r\n";
    let server = answering(answer);
    let mut lines = lines(&server, 6).await;
    for expected in ["one", "two", "a line", "!"] {
        assert_eq!(lines.next().await.unwrap().unwrap(), expected);
    }
    assert!(lines.next().await.is_none());
    assert!(lines.next().await.is_none());
}

#[tokio::test]
async fn a_line_comes_before_the_answer_ends_and_a_broken_answer_is_an_error() {
    let server = ScriptedServer::start(vec![vec![
        Step::read_until("\r\n\r\n"),
        Step::write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\none\n\r\n"),
        Step::ReadToEnd,
    ]]);
    let mut waiting = lines(&server, 64).await;
    assert_eq!(waiting.next().await.unwrap().unwrap(), "one");
    drop(waiting);
    eventually("the connection to be closed", LONG, || server.has_ended(0).then_some(()));

    let server = answering("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\none\ntw");
    let mut broken = lines(&server, 64).await;
    assert_eq!(broken.next().await.unwrap().unwrap(), "one");
    let error = broken.next().await.unwrap().unwrap_err();
    assert!(matches!(error.failure, Failure::Closed), "{error:?}");
    assert!(broken.next().await.is_none());
}

#[tokio::test]
async fn a_stream_that_is_refused_gives_the_reason() {
    let server = answering("HTTP/1.1 404 Not Found\r\nContent-Length: 7\r\n\r\nno logs");
    let stream = stream_lines(server.address(), get("/logs"), LONG, 64).await.unwrap();
    let Stream::Refused(response) = stream else { panic!("{stream:?}") };
    assert_eq!((response.status(), &**response.body()), (StatusCode::NOT_FOUND, &b"no logs"[..]));
}
