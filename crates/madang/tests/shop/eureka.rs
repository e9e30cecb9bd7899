//! Services that register themselves through the Eureka face, and are called like those Madang runs.

use std::path::Path;
use std::process::Command;

use madang_testkit::{Child, Response, Signal, eventually, free_port, get, request};
use serde_json::json;

use crate::{Folder, PATIENCE, Running};

/// Where requests go to the service that comes from outside.
const ROUTE: &str = "[[routes]]\nid = \"stock\"\nmatch = { path = \"/products\" }\nto = \"service://stock\"\n";
pub(crate) const STOCK: &str = "/eureka/apps/STOCK";

/// A service that Madang did not start.
pub(crate) struct Stock {
    port: u16,
    child: Child,
}

impl Stock {
    pub(crate) fn start() -> Self {
        let port = free_port();
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/shop/catalog/catalog.py");
        let child = Child::spawn(Command::new("python3").arg(program).env("PORT", port.to_string()));
        child.line_with("listens on", PATIENCE);
        Self { port, child }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn register(&self, folder: &Folder) {
        let instance = json!({ "instance": {
            "instanceId": "stock-from-outside", "app": "STOCK", "hostName": "127.0.0.1", "ipAddr": "127.0.0.1",
            "status": "UP", "vipAddress": "stock", "port": { "$": self.port, "@enabled": "true" },
            "dataCenterInfo": { "@class": "com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo", "name": "MyOwn" },
        } });
        assert_eq!(ask(folder, "POST", STOCK, instance.to_string().as_bytes()).status, 204);
    }
}

pub(crate) fn ask(folder: &Folder, method: &str, path: &str, body: &[u8]) -> Response {
    let headers = [("Content-Type", "application/json"), ("Accept", "application/json")];
    request(folder.eureka(), method, path, &headers, body).unwrap()
}

/// Waits until the gateway answers with `status`.
fn answers(madang: &Running<'_>, status: u16) {
    eventually(&format!("the route answers {status}"), PATIENCE, || {
        (madang.get("/products").status == status).then_some(())
    });
}

#[test]
fn what_registers_itself_is_called_by_name_until_it_leaves() {
    let folder = Folder::with(ROUTE);
    let madang = folder.serve();
    let stock = Stock::start();
    assert_eq!(madang.get("/products").status, 503);

    stock.register(&folder);
    let shown = ask(&folder, "GET", STOCK, b"").json();
    assert_eq!(shown["application"]["instance"][0]["port"]["$"], stock.port, "the next request sees it: {shown}");
    answers(&madang, 200);
    let egress = ([127, 0, 0, 1], 7071 + folder.offset).into();
    eventually("egress leads to it, too", PATIENCE, || {
        (get(egress, "/stock/products").unwrap().status == 200).then_some(())
    });
    assert!(madang.ask(&["registry", "ls"]).contains("stock    1          1"));

    assert_eq!(ask(&folder, "DELETE", &format!("{STOCK}/stock-from-outside"), b"").status, 200);
    assert_eq!(ask(&folder, "GET", STOCK, b"").status, 404);
    answers(&madang, 503);
}

#[test]
fn an_operator_takes_an_instance_out_and_back() {
    let folder = Folder::with(ROUTE);
    let madang = folder.serve();
    let stock = Stock::start();
    stock.register(&folder);
    answers(&madang, 200);
    let status = format!("{STOCK}/stock-from-outside/status?value=OUT_OF_SERVICE");
    assert_eq!(ask(&folder, "PUT", &status, b"").status, 200);
    answers(&madang, 503);
    let why = madang.ask(&["registry", "explain", "stock/stock-from-outside"]);
    assert!(why.starts_with("stock/stock-from-outside is out_of_service\n"), "{why}");
    assert!(why.contains("because"), "{why}");
    assert_eq!(ask(&folder, "DELETE", &status.replace("OUT_OF_SERVICE", "UP"), b"").status, 200);
    answers(&madang, 200);
}

#[test]
fn a_watch_tells_each_change() {
    let folder = Folder::with("");
    let madang = folder.serve();
    let watch = Child::spawn(&mut folder.command(&["registry", "watch", "stock"]));
    let stock = Stock::start();
    stock.register(&folder);
    let line = watch.line_with("+ stock-from-outside", PATIENCE);
    assert_eq!(line, format!("+ stock-from-outside  up  127.0.0.1:{}  eureka", stock.port));
    assert_eq!(ask(&folder, "DELETE", &format!("{STOCK}/stock-from-outside"), b"").status, 200);
    watch.line_with("- stock-from-outside", PATIENCE);
    drop(madang);
}

#[test]
fn what_registered_itself_is_there_at_once_after_a_kill() {
    let folder = Folder::with(ROUTE);
    let mut first = folder.serve();
    let stock = Stock::start();
    stock.register(&folder);
    answers(&first, 200);
    first.child.signal(Signal::Kill);
    first.child.wait(PATIENCE);

    let second = folder.start(&["serve"]);
    let first_answer = eventually("the face answers", PATIENCE, || get(folder.eureka(), "/eureka/apps").ok());
    assert!(first_answer.text().contains("stock-from-outside"), "{}", first_answer.text());
    assert_eq!(second.get("/products").status, 200, "and so does the first request through the gateway");
    let why = second.ask(&["registry", "explain", "stock"]);
    assert!(why.contains("restored after a restart"), "{why}");
    assert_eq!(ask(&folder, "PUT", &format!("{STOCK}/stock-from-outside"), b"").status, 200, "its heartbeat counts");
    drop(stock.child);
}

#[test]
fn a_process_that_registers_itself_too_is_one_instance_and_goes_with_its_process() {
    let folder = Folder::shop();
    let shop = folder.up();
    let orders = || -> Vec<String> {
        let all = ask(&folder, "GET", "/eureka/apps/ORDERS", b"").json();
        let instances = all["application"]["instance"].as_array().unwrap().iter();
        instances.map(|instance| instance["instanceId"].as_str().unwrap().to_owned()).collect()
    };
    let both = ["orders-1", "orders-2"];
    eventually("both registered themselves", PATIENCE, || (orders() == both).then_some(()));
    let listed = shop.ask(&["registry", "ls", "orders"]);
    assert_eq!(listed.matches("eureka, as orders-").count(), 2, "{listed}");

    let before = shop.has_healthy("orders", 2);
    assert!(Signal::Kill.send(before[0]));
    eventually("it is back, and registered again", PATIENCE, || {
        let now = shop.healthy("orders");
        (now.len() == 2 && !now.contains(&before[0]) && orders() == both).then_some(())
    });

    shop.ask(&["scale", "orders", "0"]);
    eventually("nothing of it is listed", PATIENCE, || {
        (ask(&folder, "GET", "/eureka/apps/ORDERS", b"").status == 404).then_some(())
    });
}
