//! An edit applies as a whole within a second, or is refused as a whole.

use std::time::{Duration, Instant};

use madang_testkit::{Signal, eventually, get};

use crate::{Folder, PATIENCE};

const ROUTE: &str = r#"
[[routes]]
id      = "now"
match   = { path = "/now/**" }
to      = "service://catalog"
filters = [{ strip_prefix = 1 }]
"#;

#[test]
fn an_edited_route_applies_within_a_second() {
    let folder = Folder::shop();
    let shop = folder.up();
    assert_eq!(shop.get("/now/products").status, 404);
    let saved = Instant::now();
    folder.edit("[[routes]]\nid    = \"home\"", &format!("{ROUTE}\n[[routes]]\nid    = \"home\""));
    eventually("the route is there", PATIENCE, || (shop.get("/now/products").status == 200).then_some(()));
    assert!(saved.elapsed() < Duration::from_secs(1), "it took {:?}", saved.elapsed());
    shop.child.line_with("madang | settings applied: routes.", PATIENCE);
}

#[test]
fn an_edited_number_of_instances_applies() {
    let folder = Folder::shop();
    let shop = folder.up();
    folder.edit(
        "command   = \"node orders/orders.js\"\ninstances = 2",
        "command   = \"node orders/orders.js\"\ninstances = 3",
    );
    shop.has_healthy("orders", 3);
    let said = shop.child.line_with("madang | settings applied", PATIENCE);
    assert_eq!(said, "madang | settings applied: services.orders.instances");
}

#[test]
fn an_edit_with_a_mistake_is_refused_as_a_whole_and_the_old_settings_serve_on() {
    let folder = Folder::shop();
    let shop = folder.up();
    folder.edit("timeout = \"5s\"", "timoeut = \"5s\"");
    folder.edit("instances = 2", "instances = 1");
    shop.child.line_with("settings refused as a whole", PATIENCE);
    let said = shop.child.output();
    for part in ["`timoeut`", "--> madang.toml:", "did you mean `timeout`?", "code: MD0"] {
        assert!(said.contains(part), "no `{part}` in\n{said}");
    }
    assert_eq!(shop.get("/").status, 200);
    assert_eq!(shop.instances().len(), 6, "no part of the edit was applied");
    // And taken back, it is as if nothing had been.
    folder.edit("timoeut", "timeout");
    let said = shop.child.line_with("madang | settings applied", PATIENCE);
    assert!(said.contains("services.catalog.instances"), "{said}");
}

#[test]
fn what_only_a_restart_applies_is_refused_by_name() {
    let folder = Folder::shop();
    let shop = folder.up();
    folder.edit("gateway = \"127.0.0.1:8080\"", "gateway = \"127.0.0.1:8090\"");
    shop.child.line_with("error: `listen.gateway` cannot change while Madang runs", PATIENCE);
    shop.child.line_with("settings refused as a whole", PATIENCE);
    assert_eq!(shop.get("/").status, 200);
}

#[test]
fn a_command_whose_program_is_missing_is_refused_too() {
    let folder = Folder::shop();
    let shop = folder.up();
    folder.edit("node orders/orders.js", "no-such-program-7f orders.js");
    shop.child.line_with("`no-such-program-7f` is not installed", PATIENCE);
    shop.child.line_with("settings refused as a whole", PATIENCE);
    assert_eq!(shop.healthy("orders").len(), 2);
}

#[test]
fn serve_reads_its_settings_again_on_hangup() {
    let folder = Folder::with("[services.a]\nendpoints = [\"127.0.0.1:9\"]\n");
    let house = folder.serve();
    let before = house.child.lines().len();
    // Nothing changed: it looks, and goes on.
    house.child.signal(Signal::Hangup);
    folder.edit("127.0.0.1:9", "127.0.0.1:10");
    house.child.line_with("settings applied", PATIENCE);
    assert!(house.child.lines().len() > before);
    assert_eq!(get(folder.admin(), "/health/live").unwrap().status, 200);
}
