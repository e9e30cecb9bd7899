//! Services that lie: a client gets 502 or a cut connection, never a wrong answer that looks whole.

use std::io::{Read as _, Write as _};
use std::time::Duration;

use madang_testkit::{ScriptedServer, Step, eventually};

use super::{all_that_comes_after, answers_in, corpus, head, scripted, sent};
use crate::OK;
use crate::front::{self, Front};

#[test]
fn a_head_that_could_be_read_in_two_ways_becomes_502_and_its_connection_is_dropped() {
    let answers = corpus::REFUSED_RESPONSES;
    // What stands behind the head must not be taken for the answer to the next request.
    let behind = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged";
    let scripts = answers
        .iter()
        .map(|(_, bytes, _)| vec![head(), Step::write([bytes, behind.as_bytes()].concat()), Step::ReadToEnd]);
    let service = ScriptedServer::start(scripts.chain([vec![head(), Step::write(OK), Step::ReadToEnd]]).collect());
    let front = Front::to(service.address());
    let mut client = front.connect();
    for (case, ..) in answers {
        client.write_all(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n").unwrap();
        let got = front::read_until(&mut client, "forged");
        assert!(got.starts_with("HTTP/1.1 502 ") && got.contains("\"reason\":\"upstream_invalid\""), "{case}: {got}");
    }
    client.write_all(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n").unwrap();
    assert!(front::read_until(&mut client, "hello").starts_with("HTTP/1.1 200 OK"), "the client's connection lives");
    assert_eq!(service.connections(), answers.len() + 1);
}

#[test]
fn a_body_that_is_not_as_long_as_it_says_is_cut_or_ended_where_it_says() {
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (case, answer, whole) in [
        ("too short", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello".to_owned(), None),
        ("a byte too short", "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello".to_owned(), None),
        ("too long", format!("{OK}HTTP/1.1 200 OK\r\n\r\nforged"), Some("\r\n\r\nhello")),
        ("no last chunk", format!("{chunked}5\r\nhello\r\n"), None),
        ("a chunk too short", format!("{chunked}6\r\nhello\r\n0\r\n\r\n"), None),
        ("a chunk too long", format!("{chunked}4\r\nhello\r\n0\r\n\r\n"), None),
        ("a size that is none", format!("{chunked}0x5\r\nhello\r\n0\r\n\r\n"), None),
        ("a trailer that is none", format!("{chunked}5\r\nhello\r\n0\r\nno trailer\r\n\r\n"), None),
        (
            "bytes behind the last chunk",
            format!("{chunked}5\r\nhello\r\n0\r\n\r\nforged"),
            Some("5\r\nhello\r\n0\r\n\r\n"),
        ),
        ("a body of a 204", "HTTP/1.1 204 No Content\r\nContent-Length: 6\r\n\r\nforged".to_owned(), Some("\r\n\r\n")),
        (
            "a body of a 304",
            "HTTP/1.1 304 Not Modified\r\nContent-Length: 6\r\n\r\nforged".to_owned(),
            Some("\r\n\r\n"),
        ),
    ] {
        let service = ScriptedServer::start(vec![
            vec![head(), Step::write(&answer)],
            vec![head(), Step::write(OK), Step::ReadToEnd],
        ]);
        let front = Front::to(service.address());
        let mut client = front.connect();
        client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        match whole {
            None => {
                let mut got = Vec::new();
                let _ = client.read_to_end(&mut got);
                let got = String::from_utf8_lossy(&got);
                assert!(!got.ends_with("0\r\n\r\n") && !got.contains("Content-Length: 5\r\n"), "{case}: {got}");
                assert_eq!(answers_in(&got), 1, "{case}: {got}");
            }
            Some(end) => {
                let got = front::read_until(&mut client, end);
                assert!(got.ends_with(end) && !got.contains("forged"), "{case}: {got}");
                // Nothing of what stood behind is the answer to the next one.
                client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
                let next = front::read_until(&mut client, "hello");
                assert!(next.starts_with("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n"), "{case}: {next}");
                assert_eq!(service.connections(), 2, "{case}");
            }
        }
    }
}

#[test]
fn an_answer_that_ends_with_its_connection_is_reset_for_a_client_that_could_not_tell() {
    let answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n";
    let service = scripted([head(), Step::write(answer)]);
    let front = Front::to(service.address());
    let mut client = front.connect();
    client.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    let mut got = Vec::new();
    let error = client.read_to_end(&mut got).expect_err("a clean end would say that this was all");
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
}

#[test]
fn a_head_without_end_becomes_502_whatever_it_is_made_of() {
    for (case, part) in [
        ("informational answers", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"),
        (
            "fields",
            "HTTP/1.1 200 OK\r\nX: y\r\nX: y\r\nX: y\r\nX: y\r\nX: y\r\nX: y\r\nX: y\r\nX: y\r\nX: y\r\nX: y\r\n",
        ),
    ] {
        let endless =
            if case == "fields" { format!("{part}{}", "X: y\r\n".repeat(50_000)) } else { part.repeat(50_000) };
        let service = scripted([head(), Step::write(endless), Step::ReadToEnd]);
        let front = Front::to(service.address());
        let got = all_that_comes_after(&front, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", "}\n");
        let last = got.rfind("HTTP/1.1 ").map(|at| &got[at..]).unwrap_or_default();
        assert!(last.starts_with("HTTP/1.1 502 ") && last.contains("upstream_invalid"), "{case}: {last}");
        assert!(got.len() < 100_000, "{case}: {} bytes", got.len());
    }
}

#[test]
fn a_switch_of_protocols_that_nobody_asked_for_becomes_502() {
    let upgrade = "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\n";
    let switch = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n";
    for (case, request, answer) in [
        ("no upgrade asked", "GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), format!("{switch}Upgrade: x\r\n\r\n")),
        ("another protocol", format!("{upgrade}Upgrade: x\r\n\r\n"), format!("{switch}Upgrade: y\r\n\r\n")),
        ("more than asked", format!("{upgrade}Upgrade: x\r\n\r\n"), format!("{switch}Upgrade: x, y\r\n\r\n")),
        ("no protocol", format!("{upgrade}Upgrade: x\r\n\r\n"), format!("{switch}\r\n")),
        ("more HTTP", format!("{upgrade}Upgrade: h2c\r\n\r\n"), format!("{switch}Upgrade: h2c\r\n\r\n")),
        (
            "a POST",
            format!("POST{}Upgrade: x\r\nContent-Length: 0\r\n\r\n", &upgrade[3..]),
            format!("{switch}Upgrade: x\r\n\r\n"),
        ),
        (
            "HTTP/1.0",
            "GET / HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n".to_owned(),
            format!("{switch}Upgrade: x\r\n\r\n"),
        ),
    ] {
        let service = scripted([head(), Step::write(answer), Step::ReadToEnd]);
        let front = Front::to(service.address());
        let got = all_that_comes_after(&front, request.as_bytes(), "}\n");
        assert!(got.starts_with("HTTP/1.1 502 ") && got.contains("upstream_invalid"), "{case}: {got}");
    }
}

#[test]
fn bytes_that_come_between_two_requests_are_no_answer() {
    let forged = Step::write("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged");
    let service = ScriptedServer::start(vec![
        vec![head(), Step::write(OK), head(), forged],
        vec![head(), Step::write(OK), Step::ReadToEnd],
    ]);
    let front = Front::to(service.address());
    let mut client = front.connect();
    // The second answer is one to HEAD with a body behind it, as some servers write it.
    client.write_all(b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    assert!(front::read_until(&mut client, "hello").ends_with("hello"));
    client.write_all(b"HEAD /2 HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    assert!(front::read_until(&mut client, "\r\n\r\n").starts_with("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n"));
    eventually("all that is forged is there", Duration::from_secs(5), || service.has_ended(0).then_some(()));
    client.write_all(b"POST /3 HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n").unwrap();
    assert!(front::read_until(&mut client, "hello").ends_with("\r\n\r\nhello"));
    assert!(sent(&service, 1).contains("/3"), "{}", sent(&service, 1));
}
