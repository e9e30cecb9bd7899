//! The admin API over real sockets.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on stops")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use axum::Router;
use axum::routing::{get, post};
use bytes::Bytes;
use http::{Method, Response};
use madang_admin::{Admin, NotReady, Settings, Status, Token};
use madang_runtime::{Finished, Scope};
use madang_serve::{Problem, Reuse, bind_tcp};

/// Reached only when something is wrong.
const LONG: Duration = Duration::from_secs(30);
const SECRET: &str = "0123456789abcdef";

fn start(admin: Admin, settings: &Settings, scope: &Scope) -> SocketAddr {
    let listener = bind_tcp(([127, 0, 0, 1], 0).into(), Reuse::No).unwrap();
    admin.serve(listener, settings, scope).unwrap()
}

fn with_token() -> Settings {
    Settings { token: Some(Token::parse(SECRET).unwrap()), ..Settings::default() }
}

async fn ask(address: SocketAddr, method: Method, path: &str, headers: &[(&str, &str)]) -> Response<Bytes> {
    let path = path.to_owned();
    let headers: Vec<_> = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let asking = move || {
        let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        madang_testkit::request(address, method.as_str(), &path, &headers, b"")
    };
    let answer = tokio::task::spawn_blocking(asking).await.unwrap().unwrap();
    let mut response = Response::builder().status(answer.status);
    for (name, value) in &answer.headers {
        response = response.header(name, value);
    }
    response.body(Bytes::from(answer.body)).unwrap()
}

async fn look(address: SocketAddr, path: &str) -> Response<Bytes> {
    ask(address, Method::GET, path, &[]).await
}

fn text(response: &Response<Bytes>) -> String {
    String::from_utf8(response.body().to_vec()).unwrap()
}

fn header<'a>(response: &'a Response<Bytes>, name: &str) -> &'a str {
    response.headers().get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
}

fn problem(response: &Response<Bytes>) -> Problem {
    assert_eq!(header(response, "content-type"), "application/problem+json");
    serde_json::from_slice(response.body()).unwrap()
}

#[tokio::test]
async fn the_status_says_which_madang_this_is() {
    let scope = Scope::new("test");
    let address = start(Admin::new("shop", "1.2.3"), &Settings::default(), &scope);
    let status: Status = serde_json::from_slice(look(address, "/v1/status").await.body()).unwrap();
    assert_eq!((&*status.name, &*status.version, status.pid), ("shop", "1.2.3", std::process::id()));
    assert!(status.started.starts_with("20") && status.started.ends_with('Z'), "{}", status.started);
    assert!(status.uptime_s < LONG.as_secs());
    assert_eq!(scope.shutdown(LONG).await, Finished::All);
}

#[tokio::test]
async fn ready_follows_what_it_is_told_and_live_does_not() {
    let scope = Scope::new("test");
    let up = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&up);
    let ready = move || if asked.load(SeqCst) { Ok(()) } else { Err(NotReady("orders is starting".to_owned())) };
    let address = start(Admin::new("shop", "1").ready(ready), &Settings::default(), &scope);
    let refused = look(address, "/health/ready").await;
    assert_eq!(refused.status(), 503);
    assert_eq!((&*problem(&refused).code, &*problem(&refused).detail), ("MD0402", "orders is starting"));
    assert_eq!(look(address, "/health/live").await.status(), 200);
    up.store(true, SeqCst);
    assert_eq!(look(address, "/health/ready").await.status(), 200);
}

#[tokio::test]
async fn metrics_of_all_parts_come_as_one_page() {
    let scope = Scope::new("test");
    let admin = Admin::new("shop", "1")
        .metrics(|out| _ = out.counter("madang_a_total", "A.").sample(&[("x", "1")], 7_u64))
        .metrics(|out| _ = out.gauge("madang_b", "B.").sample(&[], 8_u64));
    let address = start(admin, &Settings::default(), &scope);
    let page = look(address, "/metrics").await;
    assert_eq!(header(&page, "content-type"), "text/plain; version=0.0.4; charset=utf-8");
    let page = text(&page);
    assert!(page.contains("madang_info{name=\"shop\",version=\"1\"} 1\n"), "{page}");
    assert!(page.contains("# TYPE madang_a_total counter\nmadang_a_total{x=\"1\"} 7\n"), "{page}");
    assert!(page.contains("# TYPE madang_b gauge\nmadang_b 8\n"), "{page}");
}

#[tokio::test]
async fn the_console_is_at_the_root_and_names_what_is_here_without_script() {
    let scope = Scope::new("test");
    let admin = Admin::new("shop", "1").link("/v1/<things>", "what runs");
    let address = start(admin, &Settings::default(), &scope);
    let page = look(address, "/").await;
    assert_eq!(header(&page, "content-type"), "text/html; charset=utf-8");
    let html = text(&page);
    for path in ["/health/live", "/health/ready", "/v1/status", "/metrics", "/v1/&lt;things&gt;"] {
        assert!(html.contains(&format!("<a href=\"{path}\">{path}</a>")), "{path} in {html}");
    }
    for (path, media) in [
        ("/console/app.js", "text/javascript; charset=utf-8"),
        ("/console/i18n/ko.js", "text/javascript; charset=utf-8"),
        ("/console/base.css", "text/css; charset=utf-8"),
        ("/console/icon.svg", "image/svg+xml"),
    ] {
        let file = look(address, path).await;
        assert_eq!((file.status().as_u16(), header(&file, "content-type")), (200, media), "{path}");
    }
    for path in ["/console/", "/console/nothing.js", "/console/../Cargo.toml", "/console/%2e%2e/Cargo.toml"] {
        let answer = look(address, path).await;
        assert_eq!((answer.status().as_u16(), &*problem(&answer).code), (404, "MD0108"), "{path}");
    }
}

#[tokio::test]
async fn a_browser_keeps_the_console_and_asks_whether_it_is_still_the_same() {
    let scope = Scope::new("test");
    let address = start(Admin::new("shop", "1"), &Settings::default(), &scope);
    for path in ["/", "/console/app.js"] {
        let first = look(address, path).await;
        assert_eq!(header(&first, "cache-control"), "no-cache", "{path}");
        let (tag, weak) = (header(&first, "etag").to_owned(), format!("\"x\", W/{}", header(&first, "etag")));
        for (known, status) in [(&*tag, 304), (&weak, 304), ("\"other\"", 200)] {
            let again = ask(address, Method::GET, path, &[("if-none-match", known)]).await;
            assert_eq!((again.status().as_u16(), again.body().is_empty()), (status, status == 304), "{path} {known}");
            assert_eq!(header(&again, "etag"), tag, "{path} {known}");
        }
    }
}

#[tokio::test]
async fn every_answer_keeps_browsers_strict() {
    let scope = Scope::new("test");
    let address = start(Admin::new("shop", "1"), &Settings::default(), &scope);
    for path in ["/", "/console/app.js", "/v1/status", "/metrics", "/nowhere"] {
        let answer = look(address, path).await;
        assert!(header(&answer, "content-security-policy").starts_with("default-src 'none'"), "{path}");
        assert!(header(&answer, "content-security-policy").contains("frame-ancestors 'none'"), "{path}");
        assert_eq!(header(&answer, "x-content-type-options"), "nosniff", "{path}");
        let keeps = if path == "/" || path.starts_with("/console/") { "no-cache" } else { "no-store" };
        assert_eq!(header(&answer, "cache-control"), keeps, "{path}");
    }
}

#[tokio::test]
async fn mounted_parts_are_reached_and_unknown_paths_are_problems() {
    let scope = Scope::new("test");
    let part = Router::new().route("/v1/things/{id}", post(async || "done"));
    let address = start(Admin::new("shop", "1").mount(part), &Settings::default(), &scope);
    assert_eq!(text(&ask(address, Method::POST, "/v1/things/7", &[]).await), "done");
    for (method, path, status, code) in [
        (Method::GET, "/v1/things/7", 405, "MD0109"),
        (Method::GET, "/v1/things", 404, "MD0108"),
        (Method::POST, "/v1/status", 405, "MD0109"),
    ] {
        let answer = ask(address, method.clone(), path, &[]).await;
        assert_eq!((answer.status().as_u16(), &*problem(&answer).code), (status, code), "{method} {path}");
    }
}

#[tokio::test]
async fn a_page_of_another_site_changes_nothing() {
    let scope = Scope::new("test");
    let changed = Arc::new(AtomicBool::new(false));
    let change = Arc::clone(&changed);
    let part = Router::new().route("/v1/change", post(async move || change.store(true, SeqCst)));
    let settings = Settings { hosts: vec!["madang.example.com".to_owned()], ..Settings::default() };
    let address = start(Admin::new("shop", "1").mount(part), &settings, &scope);
    let own = format!("http://{address}");
    for (headers, expected) in [
        (&[("origin", "http://evil.example")][..], 403),
        // Another program on this machine.
        (&[("origin", "http://127.0.0.1:1")], 403),
        (&[("sec-fetch-site", "cross-site")], 403),
        (&[("host", "evil.example")], 421),
    ] {
        let answer = ask(address, Method::POST, "/v1/change", headers).await;
        assert_eq!(answer.status().as_u16(), expected, "{headers:?}");
        assert!(!changed.load(SeqCst), "{headers:?}");
    }
    for headers in [
        &[][..],
        &[("origin", &*own), ("sec-fetch-site", "same-origin")],
        &[("host", "madang.example.com"), ("origin", "https://madang.example.com")],
    ] {
        changed.store(false, SeqCst);
        let answer = ask(address, Method::POST, "/v1/change", headers).await;
        assert_eq!(answer.status(), 200, "{headers:?}");
        assert!(changed.load(SeqCst), "{headers:?}");
    }
}

#[tokio::test]
async fn with_a_token_only_the_health_and_the_console_are_open() {
    let scope = Scope::new("test");
    let part = Router::new().route("/v1/things", get(async || "things"));
    let address = start(Admin::new("shop", "1").mount(part), &with_token(), &scope);
    let right = format!("Bearer {SECRET}");
    for path in ["/v1/status", "/v1/things", "/metrics", "/nowhere", "/health/live/x", "/console", "//"] {
        for headers in [&[][..], &[("authorization", "Bearer 0123456789abcdeX")]] {
            let answer = ask(address, Method::GET, path, headers).await;
            assert_eq!((answer.status().as_u16(), &*problem(&answer).code), (401, "MD0401"), "{path} {headers:?}");
            assert_eq!(header(&answer, "www-authenticate"), "Bearer realm=\"madang\"");
        }
        let answer = ask(address, Method::GET, path, &[("authorization", &right)]).await;
        assert_ne!(answer.status(), 401, "{path}");
    }
    for path in ["/health/live", "/health/ready", "/", "/console/app.js"] {
        assert_eq!(look(address, path).await.status(), 200, "{path}");
    }
}
