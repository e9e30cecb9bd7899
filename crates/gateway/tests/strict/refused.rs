//! Requests that get no further than here.

use std::io::{Read as _, Write as _};
use std::time::Duration;

use madang_testkit::{Step, eventually};

use super::{MARKER, all_that_comes, answers_in, corpus, head, scripted, sent};
use crate::OK;
use crate::front::Front;

/// A gateway before a service that answers everything, and waits for a 408 no longer than a test should.
fn front(to: std::net::SocketAddr) -> Front {
    Front::new(&format!(
        "[gateway.timeouts]\nhead = \"200ms\"\n[[routes]]\nid = \"all\"\nmatch = {{ path = \"/**\" }}\nto = \"http://{to}\"\n"
    ))
}

#[test]
fn a_refused_head_gets_its_status_and_reason_and_nothing_behind_it_is_a_request() {
    let service = scripted([head(), Step::write(OK), Step::ReadToEnd]);
    let front = front(service.address());
    for (case, bytes, status, reason) in corpus::REFUSED_REQUESTS {
        let got = all_that_comes(&front, &[bytes, MARKER.as_bytes()].concat());
        assert!(got.starts_with(&format!("HTTP/1.1 {status} ")), "{case}: {got}");
        assert!(got.contains(&format!("\"reason\":\"{reason}\"")), "{case}: {reason} in {got}");
        assert!(got.contains("\r\nConnection: close\r\n"), "{case}: {got}");
        assert_eq!(answers_in(&got), 1, "{case} is answered once: {got}");
        assert_eq!(got.contains("\r\nAllow: GET, HEAD, "), *status == 405, "{case}: {got}");
    }
    assert_eq!(service.connections(), 0, "nothing of it reached the service");
}

#[test]
fn a_refused_head_request_gets_no_body() {
    let front = Front::to(([127, 0, 0, 1], 1).into());
    for bytes in [
        "HEAD / HTTP/1.1\r\n\r\n",
        "\r\nHEAD /a%0db HTTP/1.1\r\nHost: a\r\n\r\n",
        "HEAD /../a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    ] {
        let got = all_that_comes(&front, bytes.as_bytes());
        assert!(got.starts_with("HTTP/1.1 400 ") && got.ends_with("\r\n\r\n"), "{bytes:?}: {got}");
    }
}

#[test]
fn an_accepted_head_reaches_the_service() {
    for (case, bytes) in corpus::ACCEPTED_REQUESTS {
        // What a service does with these is told elsewhere, or nobody sends 8 EiB.
        if ["asterisk", "upgrade", "largest length"].contains(case) {
            continue;
        }
        let service =
            scripted([head(), Step::write("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello")]);
        let front = Front::to(service.address());
        let mut client = front.connect();
        client.write_all(bytes).unwrap();
        let got = crate::front::read_until(&mut client, "hello");
        assert!(got.starts_with("HTTP/1.1 200 OK\r\n"), "{case}: {got}");
        let request = sent(&service, 0);
        let (method, _) = request.split_once(' ').unwrap();
        let start = bytes.escape_ascii().to_string();
        assert!(start.trim_start_matches("\\r\\n").starts_with(method), "{case}: {request}");
        assert!(request.split("\r\n").next().unwrap().ends_with(" HTTP/1.1"), "{case}: {request}");
    }
}

#[test]
fn a_chunked_body_that_could_be_read_in_two_ways_is_refused_and_never_ends_at_the_service() {
    for (case, bytes, reason) in corpus::REFUSED_CHUNKED {
        let service = scripted([Step::ReadToEnd]);
        let front = Front::to(service.address());
        let request =
            [b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", *bytes, MARKER.as_bytes()].concat();
        let got = all_that_comes(&front, &request);
        assert!(got.starts_with("HTTP/1.1 400 ") && got.contains(&format!("\"reason\":\"{reason}\"")), "{case}: {got}");
        assert_eq!(answers_in(&got), 1, "{case} is answered once: {got}");
        eventually("the service sees the end", Duration::from_secs(5), || {
            (service.connections() == 0 || service.has_ended(0)).then_some(())
        });
        let request = sent(&service, 0);
        assert!(!request.ends_with("0\r\n\r\n") && !request.contains("marker"), "{case}: {request}");
    }
}

#[test]
fn chunks_are_written_anew_without_extensions_and_the_next_request_begins_behind_them() {
    for (case, bytes, data, trailers) in corpus::ACCEPTED_CHUNKED {
        let service =
            scripted([head(), Step::read_until("0\r\n"), Step::read_until("\r\n"), Step::write(OK), Step::ReadToEnd]);
        let front = Front::to(service.address());
        let body = bytes.strip_suffix(b"GET").unwrap();
        let request = [b"POST /first HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", body].concat();
        let mut client = front.connect();
        client.write_all(&request).unwrap();
        if case.contains("line ends as data") {
            continue; // what looks like an end inside data is no step for the script
        }
        let got = crate::front::read_until(&mut client, "hello");
        assert!(got.starts_with("HTTP/1.1 200 OK"), "{case}: {got}");
        let request = service.received(0);
        let (_, sent_body) = request.split_at(request.windows(4).position(|end| end == b"\r\n\r\n").unwrap() + 4);
        let text = String::from_utf8_lossy(sent_body).into_owned();
        assert!(!text.contains(';'), "{case}: {text}");
        assert!(text.ends_with(&format!("0\r\n{}\r\n", String::from_utf8_lossy(trailers))), "{case}: {text}");
        let size = |part: &[u8]| format!("{:x}\r\n{}", part.len(), String::from_utf8_lossy(part));
        assert!(
            data.is_empty() || text.starts_with(&size(data)) || *case == "many chunks" || data.len() > 10,
            "{case}: {text}"
        );
        // The connection goes on: the next request is one of its own.
        client.write_all(b"GET /../x HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        assert!(crate::front::read_until(&mut client, "}\n").starts_with("HTTP/1.1 400 "), "{case}");
    }
}

#[test]
fn a_body_that_never_ends_is_cut_for_the_service_too() {
    for (body, framing) in [
        ("4\r\npart\r\n", "Transfer-Encoding: chunked"),
        ("4\r\npa", "Transfer-Encoding: chunked"),
        ("part", "Content-Length: 5"),
    ] {
        let service = scripted([Step::ReadToEnd]);
        let front = Front::to(service.address());
        let mut client = front.connect();
        write!(client, "POST / HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n{body}").unwrap();
        eventually("the service has the part", Duration::from_secs(5), || {
            sent(&service, 0).contains("pa").then_some(())
        });
        client.shutdown(std::net::Shutdown::Write).unwrap();
        let mut got = String::new();
        let _ = client.read_to_string(&mut got);
        assert_eq!(got, "", "nobody is there to be answered");
        eventually("the service sees the end", Duration::from_secs(5), || service.has_ended(0).then_some(()));
        assert!(!sent(&service, 0).ends_with("0\r\n\r\n"), "{}", sent(&service, 0));
    }
}

#[test]
fn the_bytes_of_a_body_are_never_a_request() {
    let smuggled = "GET /marker HTTP/1.1\r\nHost: a\r\n\r\n";
    let length = smuggled.len();
    for method in ["GET", "HEAD", "OPTIONS", "DELETE", "POST"] {
        for expect in ["", "Expect: 100-continue\r\n"] {
            // It answers without a look at the body, as some do, and reads what is left as it likes.
            let answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
            let service = scripted([Step::read_until("marker HTTP/1.1\r\n"), Step::write(answer), Step::ReadToEnd]);
            let front = Front::to(service.address());
            let mut client = front.connect();
            write!(client, "{method} / HTTP/1.1\r\nHost: a\r\n{expect}Content-Length: {length}\r\n\r\n{smuggled}")
                .unwrap();
            let got = crate::front::read_until(&mut client, "\r\n\r\n");
            assert!(got.starts_with("HTTP/1.1 200 OK"), "{method}: {got}");
            // A next request of anybody goes elsewhere, unless the method is one whose body every server reads.
            client.write_all(b"POST /next HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n").unwrap();
            let is_apart = method != "POST" || !expect.is_empty();
            eventually("the next request is at the service", Duration::from_secs(5), || {
                sent(&service, usize::from(is_apart)).contains("/next").then_some(())
            });
            assert_eq!(sent(&service, 0).contains("\r\nConnection: close\r\n"), is_apart, "{method} {expect}");
        }
    }
}

#[test]
fn a_connection_that_is_to_end_takes_no_further_request() {
    let service = crate::patient("\r\n\r\n");
    let front = Front::to(service.address());
    for first in [
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: x, CLOSE\r\n\r\n",
        "GET / HTTP/1.0\r\n\r\n",
    ] {
        let got = all_that_comes(&front, format!("{first}{MARKER}").as_bytes());
        assert!(got.contains("\r\nConnection: close\r\n") && got.ends_with("\r\n\r\nhello"), "{first:?}: {got}");
        assert_eq!(answers_in(&got), 1, "{first:?}: {got}");
    }
    assert!(!(0..service.connections()).any(|index| sent(&service, index).contains("marker")));
}

#[test]
fn a_refusal_is_in_the_log_and_kept_with_its_reason() {
    let folder = madang_testkit::temp_dir();
    let log = folder.path().join("access.log");
    let front = Front::new(&format!(
        "[gateway]\naccess_log = {log:?}\n[[routes]]\nid = \"all\"\nmatch = {{ path = \"/**\" }}\nto = \"http://127.0.0.1:1\"\n"
    ));
    let head = "POST / HTTP/1.1\r\nHost: a\r\n";
    for (request, reason) in [
        (format!("{head}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"), "length_and_coding"),
        (format!("{head}Content-Length: 0\r\n\r\nGET / HTTP/1.1\r\n\r\n"), "host_missing"),
    ] {
        let before = std::fs::read_to_string(&log).unwrap_or_default().len();
        let got = all_that_comes(&front, request.as_bytes());
        let code = got.rsplit("\"code\":\"").next().and_then(|rest| rest.split('"').next()).unwrap_or_default();
        assert!(madang_gateway::codes::REFUSED.iter().any(|known| known.id == code), "{reason}: {got}");
        eventually("the log has its line", Duration::from_secs(5), || {
            let text = std::fs::read_to_string(&log).ok()?;
            text[before..].contains(&format!("\"reason\":\"{reason}\"")).then_some(())
        });
        let kept = front.gateway.kept_requests(100);
        assert!(kept.iter().any(|request| request.reason.as_deref() == Some(reason)), "{reason}: {kept:?}");
    }
}
