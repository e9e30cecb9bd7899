//! What clients send wrong, oddly, or too much of.

use std::sync::Arc;

use super::*;

/// A description that is fine, with one field replaced.
fn with(key: &str, value: serde_json::Value) -> String {
    let mut body: serde_json::Value = serde_json::from_str(JAVA).unwrap();
    body["instance"][key] = value;
    body.to_string()
}

#[tokio::test]
async fn what_breaks_a_limit_or_the_format_gets_its_answer_and_the_registry_stays_as_it_was() {
    let face = start(Options::default()).await;
    assert_eq!(face.post("jqservice", NODE).await.status, 204);
    let before = face.handle.snapshot();
    let (json, xml) = ("Content-Type: application/json\r\n", "Content-Type: application/xml\r\n");
    let keys: serde_json::Map<_, _> = (0..513).map(|n| (format!("k{n}"), "v".into())).collect();
    let laughs = (1..10).map(|n| {
        let part = format!("&l{};", n - 1).repeat(10);
        format!("<!ENTITY l{n} \"{part}\">")
    });
    let laughs = format!(
        "<?xml version=\"1.0\"?><!DOCTYPE x [<!ENTITY l0 \"ha\">{}]><instance><app>&l9;</app></instance>",
        laughs.collect::<String>()
    );
    let outside = "<!DOCTYPE x [<!ENTITY f SYSTEM \"file:///etc/hostname\">]><instance><app>&f;</app></instance>";
    let attributes: String = (0..40_000).map(|n| format!(" a{n}=\"\"")).collect();
    for (headers, body, status, start) in [
        (json, "{\"instance\":".to_owned(), 400, "malformed JSON"),
        (json, "[".repeat(5_000), 400, "malformed JSON"),
        (json, "\u{feff}{}".to_owned(), 400, "malformed JSON"),
        (json, String::new(), 400, "malformed JSON"),
        (json, "{\"instance\":7}".to_owned(), 400, "Malformed body: `instance` must be an object"),
        (json, with("hostName", serde_json::json!([])), 400, "hostName must be a text"),
        (json, with("port", serde_json::json!({"$": "x", "@enabled": "true"})), 400, "port must be a number"),
        (json, with("leaseInfo", 7.into()), 400, "leaseInfo must be an object"),
        (json, with("lastDirtyTimestamp", "soon".into()), 400, "lastDirtyTimestamp must be a number"),
        (json, with("metadata", serde_json::json!({"a": {}})), 400, "metadata.a must be a text"),
        (json, with("metadata", serde_json::json!({"a": "x".repeat(1_000_000)})), 400, "metadata has 1000001 bytes"),
        (json, with("metadata", keys.into()), 400, "metadata has 513 keys"),
        (json, with("metadata", serde_json::json!({"a": "x".repeat(1 << 20)})), 413, ""),
        (json, with("instanceId", "a\u{7}".into()), 400, "`id` has a control character"),
        (json, with("instanceId", "x".repeat(256).into()), 400, "`id` is longer than 255 bytes"),
        (json, with("hostName", "h\r\nx".into()), 400, "`host` has a control character"),
        (json, with("vipAddress", "\u{fffe}".into()), 400, "`aliases` has a control character"),
        (json, with("homePageUrl", "x".repeat(4097).into()), 400, "`home page` is longer than 4096 bytes"),
        (xml, laughs, 400, "malformed XML: a DOCTYPE is refused"),
        (xml, outside.to_owned(), 400, "malformed XML: a DOCTYPE is refused"),
        (xml, "<instance><app>&l9;</app></instance>".to_owned(), 400, "malformed XML: entities are refused"),
        (xml, "<a>".repeat(10_000), 400, "malformed XML: deeper than 16 elements"),
        (xml, format!("<instance{attributes}/>"), 400, "malformed XML: an element with more than 16 attributes"),
        (xml, "<instance><app>ORDERS</instance>".to_owned(), 400, "malformed XML"),
        (xml, "<instance><app>A&#1;B</app></instance>".to_owned(), 400, ""),
    ] {
        let begin = body.chars().take(60).collect::<String>();
        let answer = face.ask("POST /eureka/apps/ORDERS", headers, &body).await;
        assert_eq!(answer.status, status, "{begin}: {}", answer.text());
        assert!(answer.text().starts_with(start), "{begin}: {}", answer.text());
        assert!(Arc::ptr_eq(&before, &face.handle.snapshot()), "{begin}");
        assert_eq!(face.status("PUT /eureka/apps/jqservice/localhost").await, 200, "{begin}");
    }
}

#[tokio::test]
async fn one_more_than_the_cap_is_refused_with_the_reason_and_everybody_else_is_served() {
    let settings = Settings { max_instances: 2, ..Settings::default() };
    let face = start_with(tempfile::tempdir().unwrap(), Options::default(), settings).await;
    let body = |id: &str| with("instanceId", id.into());
    assert_eq!(face.post("ORDERS", &body("a")).await.status, 204);
    assert_eq!(face.post("ORDERS", &body("b")).await.status, 204);
    let refused = face.post("ORDERS", &body("c")).await;
    assert_eq!(refused.status, 503);
    assert!(refused.text().contains("the most this registry takes (`registry.max_instances`)"), "{}", refused.text());
    assert_eq!(face.json("/eureka/apps").await["applications"]["apps__hashcode"], "UP_2_");
    assert_eq!(face.status("PUT /eureka/apps/ORDERS/a").await, 200);
    assert_eq!(face.post("ORDERS", &body("b")).await.status, 204, "known ones register again");
    assert_eq!(face.status("DELETE /eureka/apps/ORDERS/a").await, 200);
    assert_eq!(face.post("ORDERS", &body("c")).await.status, 204);
}

#[tokio::test]
async fn odd_values_that_clients_send_are_taken() {
    let face = start(Options::default()).await;
    for (key, value, field, shown) in [
        (
            "lastDirtyTimestamp",
            serde_json::json!("1763800000123.75"),
            "lastDirtyTimestamp",
            serde_json::json!("1763800000123"),
        ),
        (
            "lastDirtyTimestamp",
            serde_json::json!(1_763_800_000_124.5),
            "lastDirtyTimestamp",
            serde_json::json!("1763800000124"),
        ),
        (
            "securePort",
            serde_json::json!({"$": -1, "@enabled": "false"}),
            "securePort",
            serde_json::json!({"$": 0, "@enabled": "false"}),
        ),
        ("port", serde_json::json!("81"), "port", serde_json::json!({"$": 81, "@enabled": "true"})),
        (
            "port",
            serde_json::json!({"$": "82", "@enabled": true}),
            "port",
            serde_json::json!({"$": 82, "@enabled": "true"}),
        ),
        ("status", serde_json::json!("sleepy"), "status", serde_json::json!("UNKNOWN")),
        ("status", serde_json::json!("up"), "status", serde_json::json!("UP")),
        ("countryId", serde_json::json!("49"), "countryId", serde_json::json!(49)),
        (
            "isCoordinatingDiscoveryServer",
            serde_json::json!(true),
            "isCoordinatingDiscoveryServer",
            serde_json::json!("true"),
        ),
        (
            "metadata",
            serde_json::json!({"@class": "java.util.Collections$EmptyMap"}),
            "metadata",
            serde_json::json!({"@class": "java.util.Collections$EmptyMap"}),
        ),
        (
            "metadata",
            serde_json::json!({"n": 1, "b": true, "none": null}),
            "metadata",
            serde_json::json!({"n": "1", "b": "true"}),
        ),
        (
            "dataCenterInfo",
            serde_json::json!({"name": "Netflix"}),
            "dataCenterInfo",
            serde_json::json!({"@class": "com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo", "name": "Netflix"}),
        ),
        ("never heard of", serde_json::json!({"a": []}), "hostName", serde_json::json!("host1")),
    ] {
        face.status("DELETE /eureka/apps/ORDERS/host1:orders:8080").await;
        let answer = face.post("ORDERS", &with(key, value.clone())).await;
        assert_eq!(answer.status, 204, "{key} {value}: {}", answer.text());
        let seen = face.json("/eureka/apps/ORDERS/host1:orders:8080").await;
        assert_eq!(seen["instance"][field], shown, "{key} {value}");
    }
}

#[tokio::test]
async fn an_application_may_have_any_name_and_is_found_and_shown_by_it() {
    let face = start(Options::default()).await;
    let long = "x".repeat(100);
    for (app, path, shown) in [
        ("MY_SERVICE", "my_service", "MY_SERVICE"),
        ("my service", "My%20Service", "MY SERVICE"),
        ("a.b-c", "A.B-C", "A.B-C"),
        ("größe <1>", "gr%C3%B6%C3%9Fe%20%3C1%3E", "GRÖSSE <1>"),
        (long.as_str(), long.as_str(), &long.to_uppercase()),
    ] {
        let answer = face.post(path, &with("app", app.into())).await;
        assert_eq!(answer.status, 204, "{app}: {}", answer.text());
        let all = face.json(&format!("/eureka/apps/{path}")).await;
        assert_eq!(all["application"]["name"], shown);
        assert_eq!(all["application"]["instance"][0]["app"], shown);
        let one = format!("/eureka/apps/{path}/host1:orders:8080");
        assert_eq!(face.status(&format!("PUT {one}")).await, 200, "{app}");
        assert_eq!(face.json(&one).await["instance"]["app"], shown);
        let xml = face.ask(&format!("GET /eureka/apps/{path}"), "", "").await.text();
        let escaped = shown.replace('<', "&lt;").replace('>', "&gt;");
        assert!(xml.starts_with(&format!("<application><name>{escaped}</name>")), "{xml}");
        let delta = face.json("/eureka/apps/delta").await;
        let names: Vec<_> = delta["applications"]["application"].as_array().unwrap().iter().collect();
        assert!(names.iter().any(|one| one["name"] == shown), "{delta}");
        assert_eq!(face.status(&format!("DELETE {one}")).await, 200, "{app}");
    }
}
