//! A stranger's first minute: everything comes up, one screen, an order.

use std::net::TcpListener;

use madang_testkit::{Child, Signal, eventually, get, request};

use crate::{Folder, PATIENCE};

#[test]
fn one_command_brings_the_shop_up_and_an_order_goes_through_it() {
    let folder = Folder::shop();
    let shop = folder.up();
    assert_eq!(shop.instances().len(), 6);
    let page = shop.get("/");
    assert_eq!(page.status, 200);
    assert!(page.text().contains("<html"), "{}", page.text());

    let order = br#"{"product": "tea-bowl", "quantity": 2}"#;
    let headers = [("Content-Type", "application/json")];
    let placed = request(folder.gateway(), "POST", "/api/orders", &headers, order).unwrap();
    assert_eq!(placed.status, 201, "{}", placed.text());
    // The order crossed all of it: gateway to orders, and orders through egress to catalog.
    let placed = placed.json();
    assert!(placed["order"]["orders"].as_str().unwrap().starts_with("orders-"), "{placed}");
    assert!(placed["order"]["catalog"].as_str().unwrap().starts_with("catalog-"), "{placed}");
    let id = placed["order"]["id"].clone();
    let list = shop.get("/api/orders").json();
    assert!(list["orders"].as_array().unwrap().iter().any(|order| order["id"] == id), "{list}");
    // Its log line arrives behind the screen, with the instance in front.
    shop.child.line_with("| POST /orders 201", PATIENCE);
}

#[test]
fn the_screen_says_what_runs_where_it_is_and_what_to_try() {
    let folder = Folder::shop();
    let shop = folder.up();
    let screen = shop.child.output();
    for part in [
        "shop is up",
        &format!("http://{}", folder.gateway()),
        &format!("madang ps, logs, scale, route, registry --port-offset {}", folder.offset),
        "kill -9 ",
        "${EDITOR:-vi} +",
    ] {
        assert!(screen.contains(part), "no `{part}` in\n{screen}");
    }
    let pid =
        screen.lines().find_map(|line| line.trim().strip_prefix("kill -9 ")?.split(' ').next()?.parse::<u64>().ok());
    assert!(shop.instances().iter().any(|view| view["pid"].as_u64() == pid), "{pid:?} is no instance");
    assert!(!screen.contains('\u{1b}'), "color without a terminal");
}

#[test]
fn what_is_shown_can_be_asked_for_too() {
    let folder = Folder::shop();
    let shop = folder.up();
    let instance = &shop.instances()[0];
    for key in ["service", "instance", "pid", "port", "state", "restarts", "uptime_s"] {
        assert!(!instance[key].is_null(), "{key} is missing in {instance}");
    }
    assert!(shop.ask(&["ps"]).contains("catalog-1"));
    assert!(shop.ask(&["route", "ls"]).contains("service://orders"));
    let taken = shop.ask(&["route", "explain", "POST", "/api/orders"]);
    assert!(taken.starts_with("POST /api/orders takes route `orders` to service://orders (2 of 2"), "{taken}");
    let logs = shop.ask(&["logs", "orders-1"]);
    assert!(logs.starts_with("orders-1") && !logs.contains("orders-2 "), "{logs}");
    assert_eq!(get(folder.admin(), "/health/ready").unwrap().status, 200);
    assert!(get(folder.admin(), "/metrics").unwrap().text().contains("madang_gateway_"));
}

#[test]
fn scale_changes_the_number_of_instances_now() {
    let folder = Folder::shop();
    let shop = folder.up();
    let said = shop.ask(&["scale", "catalog", "3"]);
    assert_eq!(said, "catalog: 3 instances, until the settings say other than 2\n");
    shop.has_healthy("catalog", 3);
    shop.ask(&["scale", "catalog", "1"]);
    shop.has_healthy("catalog", 1);
    assert_eq!(shop.get("/api/catalog/products").status, 200);
}

#[test]
fn fixed_endpoints_are_reached_like_services_that_run_here() {
    let other = madang_testkit::ScriptedServer::start(vec![vec![
        madang_testkit::Step::read_until("\r\n\r\n"),
        madang_testkit::Step::write("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nthere"),
    ]]);
    let folder = Folder::with(&format!(
        "[services.other]\nendpoints = [\"{}\"]\n\n[[routes]]\nid = \"all\"\nmatch = {{ path = \"/**\" }}\nto = \"service://other\"\n",
        other.address()
    ));
    let house = folder.up();
    assert_eq!(house.get("/x").text(), "there");
    assert!(house.child.output().contains("fixed"), "{}", house.child.output());
}

#[test]
fn a_service_that_never_becomes_healthy_shows_what_it_answered_and_its_last_words() {
    let folder = Folder::with(
        "[services.sick]\ncommand = \"python3 sick.py\"\nhealth = { path = \"/health\", start_timeout = \"4s\" }\n",
    );
    folder.write(
        "sick.py",
        r#"
import http.server, os
print("no database at 127.0.0.1:5432", flush=True)
class Sick(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_error(503, "no database")
    def log_message(self, *_):
        pass
http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Sick).serve_forever()
"#,
    );
    let house = folder.up();
    let said = house.child.output();
    for part in
        ["error: sick-1 is not healthy", "/health answered 503", "| no database at 127.0.0.1:5432", "madang logs sick"]
    {
        assert!(said.contains(part), "no `{part}` in\n{said}");
    }
    assert_eq!(get(folder.admin(), "/health/ready").unwrap().status, 503);
}

#[test]
fn a_crash_loop_backs_off_and_says_why() {
    let folder = Folder::with("[services.loop]\ncommand = \"sh -c 'echo no such file >&2; exit 3'\"\n");
    let house = folder.up();
    let said = house.child.output();
    for part in ["error: loop-1 is not healthy", "exited with code 3", "| no such file"] {
        assert!(said.contains(part), "no `{part}` in\n{said}");
    }
    eventually("the crash loop is called one", PATIENCE, || house.ask(&["ps"]).contains("crash loop").then_some(()));
}

#[test]
fn a_reader_that_leaves_ends_it_cleanly() {
    let folder = Folder::with("");
    let mut command = std::process::Command::new("sh");
    let line = format!("'{}' up --port-offset {} | head -n 1", env!("CARGO_BIN_EXE_madang"), folder.offset);
    let mut pipe = Child::spawn(command.args(["-c", &line]).current_dir(folder.path()));
    // There is nothing to log; each edit is one line, and the first one after `head` has gone finds the pipe closed.
    let mut edits = 0;
    eventually("it notices that nobody reads", PATIENCE, || {
        edits += 1;
        folder.write("madang.toml", &format!("[services.a]\nendpoints = [\"127.0.0.1:{edits}\"]\n"));
        pipe.try_wait()
    });
    folder.is_empty_within(PATIENCE);
    drop(TcpListener::bind(folder.gateway()).unwrap());
}

#[test]
fn logs_can_be_followed_until_it_all_stops() {
    let folder = Folder::shop();
    let mut shop = folder.up();
    let mut follower = Child::spawn(&mut folder.command(&["logs", "-f", "catalog", "-n", "1"]));
    follower.line_with("catalog-", PATIENCE);
    assert_eq!(shop.get("/api/catalog/products").status, 200);
    follower.line_with("GET /products 200", PATIENCE);
    shop.child.signal(Signal::Interrupt);
    assert_eq!(shop.child.wait(PATIENCE).code(), Some(0));
    assert_eq!(follower.wait(PATIENCE).code(), Some(0), "{}", follower.output());
    assert!(!follower.output().contains("orders-"), "{}", follower.output());
}

#[test]
fn what_becomes_of_an_instance_is_told_in_the_log() {
    let folder = Folder::shop();
    let shop = folder.up();
    let pid = shop.has_healthy("web", 2)[0];
    Signal::Kill.send(pid);
    let told = shop.child.line_with("ended by SIGKILL", PATIENCE);
    assert!(told.starts_with("web-"), "{told}");
    shop.child.line_with("| healthy, pid ", PATIENCE);
}

#[test]
fn an_unknown_service_gets_the_nearest_name() {
    let folder = Folder::shop();
    let _shop = folder.up();
    for words in [["scale", "catlog", "3"].as_slice(), &["logs", "catlog"]] {
        let refused = folder.command(words).output().unwrap();
        let said = String::from_utf8(refused.stderr).unwrap();
        assert_eq!(refused.status.code(), Some(1), "{said}");
        assert!(said.contains("runs no service `catlog`\nhint: did you mean `catalog`?"), "{said}");
    }
}
