//! A request that failed is explained afterwards, over every hop it took.

use std::fs;

use madang_testkit::{eventually, get, request};

use crate::{Folder, PATIENCE};

#[test]
fn an_order_that_fails_is_explained_over_both_hops() {
    let folder = Folder::shop();
    let catalog = folder.path().join("catalog/catalog.py");
    let good = fs::read_to_string(&catalog).unwrap();
    let bad = good.replace("self.answer(200, {\"product\": product})", "self.answer(500, {\"error\": \"lost\"})");
    assert_ne!(good, bad, "the catalog has another answer by now");
    fs::write(&catalog, bad).unwrap();
    let shop = folder.up();

    let order = br#"{"product": "tea-bowl", "quantity": 2}"#;
    let headers = [("Content-Type", "application/json")];
    let placed = request(folder.gateway(), "POST", "/api/orders?coupon=secret", &headers, order).unwrap();
    assert_eq!(placed.status, 502, "{}", placed.text());
    let id = placed.header("x-request-id").unwrap();
    let hops = eventually("both hops are kept", PATIENCE, || {
        let hops =
            get(folder.admin(), &format!("/v1/gateway/requests/{id}")).ok().filter(|found| found.status == 200)?;
        hops.json().as_array().filter(|hops| hops.len() == 2).cloned()
    });
    for (hop, expected) in hops.iter().zip([
        [("side", "edge"), ("path", "/api/orders?coupon=…"), ("to", "orders"), ("route", "orders"), ("why", "failed")],
        [
            ("side", "egress"),
            ("path", "/catalog/products/tea-bowl"),
            ("to", "catalog"),
            ("caller", "orders"),
            ("why", "failed"),
        ],
    ]) {
        for (key, value) in expected {
            assert_eq!(hop[key], value, "{hop}");
        }
    }

    let told = shop.ask(&["explain", id]);
    assert!(told.starts_with("POST /api/orders?coupon=… got 502 after "), "{told}");
    for part in [
        "  edge    POST",
        "to orders",
        "  call  orders-",
        "answered 502",
        "  egress  GET /catalog/products/tea-bowl by orders to catalog",
        "  call  catalog-",
        "answered 500",
    ] {
        assert!(told.contains(part), "no `{part}` in\n{told}");
    }
    assert!(!told.contains("secret"), "{told}");
    assert_eq!(serde_json::from_str::<Vec<serde_json::Value>>(&shop.ask(&["explain", id, "--json"])).unwrap(), hops);

    let traffic = get(folder.admin(), "/v1/gateway/traffic").unwrap().json();
    let edges = traffic["edges"].as_array().unwrap();
    let called =
        |from: &str, to: &str| edges.iter().any(|edge| edge["from"] == from && edge["to"] == to && edge["failed"] == 1);
    assert!(called("clients", "orders") && called("orders", "catalog"), "{traffic}");
    let list = get(folder.admin(), "/v1/gateway/requests?limit=1").unwrap().json();
    assert_eq!((list.as_array().unwrap().len(), &list[0]["id"]), (1, &hops[0]["id"]), "{list}");
}

#[test]
fn a_request_that_is_not_kept_says_what_is() {
    let folder = Folder::with("");
    let _house = folder.up();
    let refused = folder.command(&["explain", "e1b2c3d4e5f60718"]).output().unwrap();
    let said = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(1), "{said}");
    let expected = "error: no request `e1b2c3d4e5f60718` is kept\nhint: the last 500 requests that failed or took 1s and more are kept, and there was none since the start\ncode: MD0307 (madang explain MD0307)\n";
    assert_eq!(said, expected);
}
