//! The API as the command line and scripts use it: over a real socket.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod common;

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::{SocketAddr, TcpStream},
};

use common::{House, LIMIT, service, stop, wait_healthy, with_instances};
use madang_serve::{Guard, Reuse, bind_tcp, http};
use madang_supervise::{Handle, LogLine, api};
use madang_testkit::{Response, eventually, get, request};
use serde_json::{Value, json};

async fn serve(house: &House, handle: &Handle) -> SocketAddr {
    let listener = bind_tcp(([127, 0, 0, 1], 0).into(), Reuse::No).unwrap();
    let address = listener.local_addr().unwrap();
    http::serve(listener, madang_serve::normalize(api::router(handle.clone())), Guard::default(), &house.scope)
        .unwrap();
    address
}

fn scale(address: SocketAddr, service: &str, body: &Value) -> Response {
    let path = format!("/v1/supervise/services/{service}/scale");
    request(address, "POST", &path, &[("Content-Type", "application/json")], body.to_string().as_bytes()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn instances_and_services_are_shown_and_scaled() {
    let house = House::new();
    let handle = house.start(vec![with_instances(service("orders", &[]), 1)]).await;
    let view = wait_healthy(&handle, 1).await[0].clone();
    let address = serve(&house, &handle).await;
    let shown = get(address, "/v1/supervise/instances").unwrap().json();
    assert_eq!(
        shown,
        json!([{
            "service": "orders", "instance": "orders-1", "generation": view.generation, "pid": view.pid,
            "port": view.port, "state": "healthy", "restarts": 0, "uptime_s": shown[0]["uptime_s"], "reason": null,
            "cpu_ms": shown[0]["cpu_ms"], "memory_bytes": shown[0]["memory_bytes"],
        }])
    );
    assert!(shown[0]["uptime_s"].is_u64() && shown[0]["cpu_ms"].is_u64(), "{shown}");
    let memory = shown[0]["memory_bytes"].as_u64().unwrap();
    assert!((100 << 10..1 << 30).contains(&memory), "a small program has {memory} bytes");

    let answer = scale(address, "orders", &json!({ "instances": 2, "author": "ann" }));
    assert_eq!((answer.status, answer.text().as_str()), (204, ""));
    let services = eventually("both instances are healthy", LIMIT, || {
        let services = get(address, "/v1/supervise/services").unwrap().json();
        (services[0]["healthy"] == 2).then_some(services)
    });
    let overlay = &services[0]["overlay"];
    assert_eq!((&overlay["instances"], &overlay["author"]), (&json!(2), &json!("ann")));
    assert_eq!((&services[0]["wanted"], &services[0]["in_file"]), (&json!(2), &json!(1)));

    for (service, body, status, code, hint) in [
        ("order", json!({ "instances": 2 }), 404, Some("MD0210"), Some("did you mean `orders`?")),
        ("orders", json!({ "instances": 501 }), 422, Some("MD0211"), Some("ask for 500 or fewer")),
        ("orders", json!({ "instances": -1 }), 422, None, None),
        ("orders", json!({ "instance": 1 }), 422, None, None),
    ] {
        let answer = scale(address, service, &body);
        let problem = answer.json();
        assert_eq!((answer.status, &problem["status"]), (status, &json!(status)), "{service} {body}: {problem}");
        assert!(code.is_none_or(|code| problem["code"] == code), "{problem}");
        assert!(hint.is_none_or(|hint| problem["hint"].as_str().unwrap().contains(hint)), "{problem}");
    }
    stop(&handle).await;
    let answer = scale(address, "orders", &json!({ "instances": 1 }));
    assert_eq!((answer.status, &answer.json()["code"]), (503, &json!("MD0212")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logs_are_lines_of_json_past_and_live() {
    let house = House::new();
    let handle = house.start(vec![service("a", &["--say", "one"]), service("b", &["--say", "two"])]).await;
    wait_healthy(&handle, 2).await;
    let address = serve(&house, &handle).await;
    let lines = |path: &str| -> Vec<(String, String)> {
        let answer = get(address, path).unwrap();
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/x-ndjson")));
        let text = answer.text();
        text.lines()
            .map(|line| serde_json::from_str::<LogLine>(line).unwrap())
            .map(|line| (line.instance, line.line))
            .collect()
    };
    // An instance may be healthy before its first line was read.
    eventually("both have said their line", LIMIT, || (lines("/v1/supervise/logs").len() == 2).then_some(()));
    assert_eq!(lines("/v1/supervise/logs?service=a"), [("a-1".to_owned(), "one".to_owned())]);
    assert_eq!(lines("/v1/supervise/logs?instance=b-1"), [("b-1".to_owned(), "two".to_owned())]);
    assert_eq!(lines("/v1/supervise/logs?lines=1").len(), 1);
    assert_eq!(lines("/v1/supervise/logs?lines=0"), []);
    let unknown = get(address, "/v1/supervise/logs?service=c").unwrap();
    assert_eq!((unknown.status, &unknown.json()["code"]), (404, &json!("MD0210")));

    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    write!(stream, "GET /v1/supervise/logs?service=b&follow=true HTTP/1.1\r\nHost: {address}\r\n\r\n").unwrap();
    let mut followed = BufReader::new(stream).lines().map(|line| line.unwrap());
    assert!(followed.any(|line| line.contains(r#""line":"two""#)), "the past comes first");
    handle.scale("b", 2, "test").await.unwrap();
    let live = followed.find(|line| line.contains("b-2")).unwrap();
    let line: LogLine = serde_json::from_str(&live).unwrap();
    assert_eq!((line.service.as_str(), line.line.as_str()), ("b", "two"));
    stop(&handle).await;
}
