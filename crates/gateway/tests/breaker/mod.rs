//! What clients of a route with a circuit breaker get, and what its service gets to see.

#![allow(clippy::unwrap_used, clippy::panic, reason = "only tests use it, and a panic is how a test fails")]

use std::time::Duration;

use madang_testkit::{ScriptedServer, eventually};

use crate::front::Front;
use crate::{OK, service};

const SORRY: &str = "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 5\r\n\r\nhello";
const MISSING: &str = "HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\nhello";

const GET: &str = "GET /7 HTTP/1.1\r\nHost: a\r\n\r\n";

/// A gateway whose only route leads to `service`, with this breaker.
fn guarded(service: &ScriptedServer, breaker: &str) -> Front {
    Front::new(&settings(service, breaker))
}

fn settings(service: &ScriptedServer, breaker: &str) -> String {
    let address = service.address();
    format!(
        "[[routes]]\nid = \"all\"\nmatch = {{ path = \"/**\" }}\nto = \"http://{address}\"\npolicy = {{ breaker = {{ {breaker} }} }}\n"
    )
}

/// The statuses of that many requests, one after the other.
fn statuses(front: &Front, count: usize) -> Vec<String> {
    (0..count).map(|_| front.say(GET)).map(|answer| answer[9..12].to_owned()).collect()
}

fn requests(service: &ScriptedServer) -> usize {
    let count = |index| String::from_utf8(service.received(index)).unwrap().matches("HTTP/1.1\r\n").count();
    (0..service.connections()).map(count).sum()
}

#[test]
fn an_open_breaker_answers_at_once_and_says_when_to_come_again() {
    let service = service(&[SORRY, SORRY]);
    let front = guarded(&service, "consecutive_failures = 2, open = \"90s\", open_jitter = 0");
    assert_eq!(statuses(&front, 2), ["500", "500"]);
    let answer = front.say(GET);
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    // Whole seconds, rounded up.
    assert!(["90", "91"].iter().any(|after| answer.contains(&format!("\r\nRetry-After: {after}\r\n"))), "{answer}");
    assert!(answer.contains("\"reason\":\"breaker_open\"") && answer.contains("breaker is open"), "{answer}");
    assert_eq!(requests(&service), 2);
}

#[test]
fn only_the_listed_statuses_count_as_failures() {
    let service = service(&[SORRY, MISSING, SORRY, MISSING, OK]);
    let front = guarded(&service, "on = [404], pybreaker = { fail_max = 2 }");
    assert_eq!(statuses(&front, 4), ["500", "404", "500", "404"]);
    // The 500 between them was a success, so they were not in a row.
    assert_eq!(statuses(&front, 1), ["200"]);
}

#[test]
fn a_fallback_answers_for_a_failed_call_and_for_a_refused_one_and_is_explained() {
    let service = service(&[SORRY]);
    let fallback = "{ body = '[\"nothing today\"]', content_type = \"application/json\" }";
    let front = guarded(&service, &format!("fallback = {fallback}, pybreaker = {{ fail_max = 1 }}"));
    for _ in 0..2 {
        let answer = front.say_until(GET, "today\"]");
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"), "{answer}");
        assert!(answer.ends_with("\r\n\r\n[\"nothing today\"]"), "{answer}");
    }
    assert_eq!(requests(&service), 1);
    let kept = eventually("both are kept", Duration::from_secs(5), || {
        Some(front.gateway.kept_requests(9)).filter(|kept| kept.len() == 2)
    });
    let stories: Vec<String> = kept.iter().map(|request| front.gateway.story(&request.id)[0].text.clone()).collect();
    assert!(stories[1].contains("it answered 500 in"), "{stories:?}");
    assert!(stories[1].contains("which counts as a failure here. The fallback answered 200 after"), "{stories:?}");
    assert!(
        stories[0].contains("route `all` refused the call: the circuit breaker is open; it lets a call try again in"),
        "{stories:?}"
    );
}

#[test]
fn a_fallback_target_gets_the_same_request() {
    let (broken, other) = (service(&[SORRY]), service(&[OK]));
    let fallback = format!("fallback = \"http://{}\", pybreaker = {{}}", other.address());
    let front = guarded(&broken, &fallback);
    let answer = front.say("POST /7?x=1 HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nabcd");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    for service in [&broken, &other] {
        let sent = eventually("the body came", Duration::from_secs(5), || {
            Some(String::from_utf8(service.received(0)).unwrap()).filter(|sent| sent.ends_with("abcd"))
        });
        assert!(sent.starts_with("POST /7?x=1 HTTP/1.1\r\n"), "{sent}");
    }
}

#[test]
fn a_service_that_is_not_there_is_a_failure_and_its_fallback_says_what_the_client_gets() {
    let gone = "http://127.0.0.1:1";
    let front = Front::new(&format!(
        "[[routes]]\nid = \"all\"\nmatch = {{ path = \"/**\" }}\nto = \"{gone}\"\npolicy = {{ breaker = {{ fallback = \"{gone}\", pybreaker = {{ fail_max = 2 }} }} }}\n"
    ));
    // The fallback fails as well: its error is told.
    assert_eq!(statuses(&front, 3), ["502", "502", "502"]);
    let mut out = madang_telemetry::Exposition::default();
    front.gateway.write_metrics(&mut out);
    let text = out.render();
    for line in [
        "madang_gateway_breaker_state{route=\"all\"} 2",
        "madang_gateway_breaker_refused_total{route=\"all\"} 1",
        "madang_gateway_fallbacks_total{route=\"all\"} 3",
    ] {
        assert!(text.contains(line), "no {line} in {text}");
    }
}

#[test]
fn a_breaker_stays_open_when_other_settings_change() {
    let service = service(&[SORRY]);
    let breaker = "pybreaker = { fail_max = 1 }";
    let front = guarded(&service, breaker);
    assert_eq!(statuses(&front, 2), ["500", "503"]);
    front.commit(&settings(&service, &format!("{breaker}, on = [500]")));
    assert_eq!(statuses(&front, 1), ["503"]);
    assert_eq!(requests(&service), 1);
}

#[test]
fn a_fallback_that_cannot_have_a_body_is_refused() {
    for status in [204, 205, 304] {
        let breaker = format!("fallback = {{ status = {status}, body = \"x\" }}");
        let said = crate::front::problems(&settings(&service(&[OK]), &breaker));
        assert!(said.contains(&format!("{status} has no body, so it cannot be a fallback")), "{said}");
    }
}
