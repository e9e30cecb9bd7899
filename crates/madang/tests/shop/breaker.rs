//! The catalog goes away: its route's breaker opens, the fallback answers, and it closes when the catalog is back.

use madang_testkit::{eventually, get};

use crate::{Folder, PATIENCE};

#[test]
fn a_catalog_that_is_away_is_answered_for_until_it_is_back() {
    let folder = Folder::shop();
    let shop = folder.up();
    let products = || shop.get("/api/catalog/products");
    assert_eq!(products().json()["products"].as_array().unwrap().len(), 6);

    shop.ask(&["scale", "catalog", "0"]);
    let state = || {
        let routes = get(folder.admin(), "/v1/gateway/routes").unwrap().json();
        let catalog = routes.as_array().unwrap().iter().find(|route| route["id"] == "catalog").unwrap();
        catalog["breaker"].clone()
    };
    eventually("the breaker opens", PATIENCE, || {
        products();
        (state()["state"] == "open").then_some(())
    });
    let answer = products();
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")), "{}", answer.text());
    assert_eq!(answer.json()["products"].as_array().unwrap().len(), 0);
    assert!(state()["refused"].as_u64().unwrap() > 0, "{}", state());
    let id = answer.header("x-request-id").unwrap();
    let told = eventually("it is kept", PATIENCE, || {
        let answer = get(folder.admin(), &format!("/v1/gateway/requests/{id}")).ok()?;
        (answer.status == 200).then(|| answer.text())
    });
    assert!(told.contains("The fallback answered 200") && told.contains("the circuit breaker is open"), "{told}");
    let listed = shop.ask(&["route", "ls"]);
    assert!(listed.lines().any(|line| line.starts_with("catalog") && line.contains(" open ")), "{listed}");

    shop.ask(&["scale", "catalog", "2"]);
    eventually("the catalog answers again", PATIENCE, || {
        (products().json()["products"].as_array().unwrap().len() == 6).then_some(())
    });
    eventually("the breaker closes", PATIENCE, || {
        products();
        (state()["state"] == "closed").then_some(())
    });
}
