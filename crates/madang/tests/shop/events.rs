//! `/v1/events`: whoever reads it sees what happens.

use madang_testkit::{EventStream, Signal, StreamEvent, request};
use serde_json::{Value, json};

use crate::eureka::{STOCK, Stock, ask};
use crate::{Folder, PATIENCE, Running};

impl Running<'_> {
    fn events(&self) -> EventStream {
        EventStream::open(self.folder.admin(), "/v1/events", &[])
    }
}

/// Waits for news of `kind` about `subject` whose text has `part`; gives its level and text.
fn news(stream: &mut EventStream, kind: &str, subject: &str, part: &str) -> (String, String) {
    let data = |event: &StreamEvent| serde_json::from_str::<Value>(&event.data).unwrap();
    let event = stream.wait_for(|event| {
        let data = data(event);
        event.event == kind
            && data["subject"] == subject
            && data["text"].as_str().is_some_and(|text| text.contains(part))
    });
    let data = data(&event);
    assert_eq!((event.id, &data["kind"]), (data["id"].as_u64(), &json!(kind)), "{event:?}");
    (data["level"].as_str().unwrap().to_owned(), data["text"].as_str().unwrap().to_owned())
}

fn changed(stream: &mut EventStream, what: &str) {
    let data = json!({ "what": what }).to_string();
    stream.wait_for(|event| event.event == "changed" && event.data == data && event.id.is_none());
}

#[test]
fn the_life_of_a_shop_is_told_as_it_happens() {
    let folder = Folder::shop();
    let mut shop = folder.up();
    let mut stream = shop.events();
    // Who comes late hears what was.
    let (level, text) = news(&mut stream, "process", "orders/orders-1", "healthy");
    assert!(level == "info" && text.starts_with("healthy, pid "), "{level} {text}");

    // It registers itself as well.
    let mut registered = shop.events();
    news(&mut registered, "registry", "orders/orders-1", "registered by eureka as ");
    let pid = shop.has_healthy("orders", 2)[0];
    assert!(Signal::Kill.send(pid));
    let (level, text) = news(&mut stream, "process", "orders/orders-1", "SIGKILL");
    assert_eq!(level, "warn", "{text}");
    news(&mut stream, "process", "orders/orders-1", "healthy, pid ");
    changed(&mut stream, "processes");
    news(&mut registered, "registry", "orders/orders-1", "removed: its process has ended");
    news(&mut registered, "registry", "orders/orders-1", "registered by eureka as ");

    shop.folder.command(&["scale", "web", "3"]).env("USER", "mina").output().unwrap();
    let said = news(&mut stream, "scale", "web", "");
    assert_eq!(said, ("info".to_owned(), "mina asked for 3 instances instead of 2".to_owned()));
    news(&mut stream, "process", "web/web-3", "healthy, pid ");

    folder.edit("timeout = \"5s\"", "timeout = \"6s\"");
    let (level, text) = news(&mut stream, "settings", "settings", "");
    assert!(level == "info" && text.starts_with("applied: routes."), "{level} {text}");
    changed(&mut stream, "routes");
    folder.edit("timeout = \"6s\"", "timoeut = \"6s\"");
    let (level, text) = news(&mut stream, "settings", "settings", "");
    assert!(text.starts_with("refused as a whole, the old ones keep serving: `timoeut` "), "{text}");
    assert!(level == "error" && text.contains("(madang.toml:"), "{level} {text}");

    shop.child.signal(Signal::Interrupt);
    news(&mut stream, "process", "web/web-3", "stopping");
    assert_eq!(shop.child.wait(PATIENCE).code(), Some(0), "an open stream holds up no stop");
    while stream.next_event().is_some() {}
}

#[test]
fn who_registers_itself_and_who_decides_about_it_is_told() {
    let folder = Folder::with("");
    let mut madang = folder.serve();
    let mut stream = madang.events();
    let stock = Stock::start();
    stock.register(&folder);
    let (subject, instance) = ("stock/stock-from-outside", "/v1/registry/services/stock/instances/stock-from-outside");
    let (level, text) = news(&mut stream, "registry", subject, "");
    assert_eq!((&*level, text), ("info", format!("registered by eureka as `up`, 127.0.0.1:{}", stock.port())));
    changed(&mut stream, "registry");

    let headers = [("Content-Type", "application/json")];
    let body = json!({ "status": "out_of_service", "author": "mina" }).to_string();
    let path = format!("{instance}/override");
    assert_eq!(request(folder.admin(), "PUT", &path, &headers, body.as_bytes()).unwrap().status, 204);
    assert_eq!(news(&mut stream, "override", subject, "").1, "mina set the status to `out_of_service`");
    assert_eq!(request(folder.admin(), "DELETE", &path, &[], b"").unwrap().status, 204);
    assert_eq!(news(&mut stream, "override", subject, "").1, "the override is gone; the status is `up`");

    madang.child.signal(Signal::Kill);
    madang.child.wait(PATIENCE);
    let again = folder.serve();
    let mut stream = again.events();
    let (level, text) = news(&mut stream, "registry", "stock", "");
    assert_eq!(
        (&*level, &*text),
        ("info", "1 of its instances restored from before the start, each with one whole lease")
    );
    assert_eq!(ask(&folder, "DELETE", &format!("{STOCK}/stock-from-outside"), b"").status, 200);
    assert_eq!(news(&mut stream, "registry", subject, "").1, "deregistered");
}

#[test]
fn leases_that_run_out_are_told_and_so_is_a_service_that_preserves_itself() {
    let folder = Folder::with("[registry]\neviction_interval = \"100ms\"\n");
    let madang = folder.serve();
    let mut stream = madang.events();
    let silent = |service: &str, id: &str| {
        let instance = json!({ "instance": {
            "instanceId": id, "app": service, "hostName": "localhost", "ipAddr": "127.0.0.1", "status": "UP",
            "port": { "$": 9001, "@enabled": "true" }, "leaseInfo": { "durationInSecs": 1 },
            "dataCenterInfo": { "@class": "com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo", "name": "MyOwn" },
        } });
        let path = format!("/eureka/apps/{service}");
        assert_eq!(ask(&folder, "POST", &path, instance.to_string().as_bytes()).status, 204);
    };
    ["one", "two", "three"].into_iter().for_each(|id| silent("CROWD", id));
    silent("STOCK", "silent");
    let mut other = madang.events();
    let said = news(&mut stream, "registry", "stock/silent", "removed");
    assert_eq!(said, ("warn".to_owned(), "removed: its lease ran out".to_owned()));
    let (level, text) = news(&mut other, "registry", "crowd", "");
    assert!(level == "warn" && text.starts_with("self-preservation: 3 of 3 instances fell silent"), "{level} {text}");
}

#[test]
fn traffic_and_kept_requests_are_signaled_while_somebody_reads() {
    let folder = Folder::with("[[routes]]\nid = \"dead\"\nmatch = { path = \"/**\" }\nto = \"http://127.0.0.1:9\"\n");
    let madang = folder.serve();
    let mut stream = madang.events();
    let traffic = stream.wait_for(|event| event.event == "traffic");
    let traffic: Value = serde_json::from_str(&traffic.data).unwrap();
    assert_eq!((&traffic["edges"], traffic["at_ms"].is_u64()), (&json!([]), true), "{traffic}");
    assert_eq!(madang.get("/").status, 502);
    changed(&mut stream, "requests");
    stream.wait_for(|event| {
        event.event == "traffic" && event.data.contains("\"from\":\"clients\"") && event.data.contains("\"failed\":1")
    });
}
