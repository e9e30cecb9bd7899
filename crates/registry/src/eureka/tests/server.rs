//! What the server tells about itself, to clients, peers and whoever counts; and what it still knows after a restart.

use super::*;

#[tokio::test]
async fn the_server_describes_itself_as_an_instance_and_is_not_registered() {
    let face = start(Options::default()).await;
    face.post("ORDERS", JAVA).await;
    let status = face.json("/eureka/status").await;
    assert_eq!(status["isHealthy"], true);
    assert_eq!(status["generalStats"]["registered-instances"], "1");
    assert!(status["generalStats"]["server-uptime"].as_str().unwrap().contains(':'), "{status}");
    for key in ["registered-replicas", "available-replicas", "unavailable-replicas"] {
        assert_eq!(status["applicationStats"][key], "", "{key}");
    }
    let own = &status["instanceInfo"];
    assert_eq!((&own["hostName"], &own["app"], &own["status"]), (&"localhost".into(), &"MADANG".into(), &"UP".into()));
    assert_eq!(own["port"], serde_json::json!({"$": 8761, "@enabled": "true"}), "`Host: localhost` names none");
    let xml = face.ask("GET /status", "", "").await.text();
    assert!(xml.contains("<instanceInfo><instanceId>localhost:madang:8761</instanceId>"), "{xml}");
    assert!(xml.ends_with("</instanceInfo><isHealthy>true</isHealthy></com.netflix.eureka.util.StatusInfo>"), "{xml}");
    assert_eq!(face.json("/eureka/apps").await["applications"]["apps__hashcode"], "UP_1_");
}

#[tokio::test]
async fn answers_are_counted_by_operation_and_status() {
    let face = start(Options::default()).await;
    let one = "/eureka/apps/jqservice/localhost";
    face.status(&format!("PUT {one}")).await;
    face.post("jqservice", NODE).await;
    face.post("jqservice", "{").await;
    for _ in 0..2 {
        face.status(&format!("PUT {one}")).await;
        face.status("GET /apps/delta").await;
    }
    for request in ["GET /apps", "GET /apps/x", "GET /nothing", "PATCH /apps", "GET /vips/x", "GET /status"] {
        face.status(request).await;
    }
    face.status(&format!("PUT {one}/status?value=DOWN")).await;
    face.status(&format!("DELETE {one}")).await;
    let mut out = madang_telemetry::Exposition::new();
    face.handle.write_metrics(&mut out);
    let page = out.render();
    let found: Vec<_> = page.lines().filter_map(|line| line.strip_prefix("madang_eureka_requests_total")).collect();
    let expected = [
        "{operation=\"register\",status=\"204\"} 1",
        "{operation=\"register\",status=\"400\"} 1",
        "{operation=\"heartbeat\",status=\"200\"} 2",
        "{operation=\"heartbeat\",status=\"404\"} 1",
        "{operation=\"cancel\",status=\"200\"} 1",
        "{operation=\"override\",status=\"200\"} 1",
        "{operation=\"apps\",status=\"200\"} 1",
        "{operation=\"apps\",status=\"405\"} 1",
        "{operation=\"delta\",status=\"200\"} 2",
        "{operation=\"app\",status=\"404\"} 1",
        "{operation=\"vip\",status=\"200\"} 1",
        "{operation=\"status\",status=\"200\"} 1",
        "{operation=\"other\",status=\"404\"} 1",
    ];
    assert_eq!(found, expected, "{page}");
    // A status set renews as well.
    assert!(page.contains("madang_registry_renewals_total 3\n"), "{page}");
}

#[tokio::test]
async fn a_peer_that_knows_less_gets_our_newer_copy_and_a_client_does_not() {
    let face = start(Options::default()).await;
    face.post("ORDERS", JAVA).await;
    let beat = |stamp: u64| format!("PUT /eureka/apps/ORDERS/host1:orders:8080?lastDirtyTimestamp={stamp}");
    let peer = "x-netflix-discovery-replication: true\r\nAccept: application/json\r\n";
    for (headers, stamp, status) in [
        ("", 1_763_800_000_122, 200),
        (peer, 1_763_800_000_122, 409),
        ("x-netflix-discovery-replication: TRUE\r\n", 1_763_800_000_122, 200),
        (peer, 1_763_800_000_123, 200),
        (peer, 1_763_800_000_124, 404),
    ] {
        let answer = face.ask(&beat(stamp), headers, "").await;
        assert_eq!(answer.status, status, "{headers}{stamp}");
        if status == 409 {
            let newer: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
            assert_eq!(newer["instance"]["lastDirtyTimestamp"], "1763800000123");
        } else {
            assert!(answer.body.is_empty());
        }
    }
    assert_eq!(face.status("PUT /eureka/apps/ORDERS/nobody/status?value=SLEEPY").await, 404, "unknown before wrong");
}

#[tokio::test]
async fn a_status_set_with_a_newer_stamp_makes_heartbeats_with_that_stamp_no_news() {
    let face = start(Options::default()).await;
    face.post("ORDERS", JAVA).await;
    let one = "/eureka/apps/ORDERS/host1:orders:8080";
    let beat = format!("PUT {one}?lastDirtyTimestamp=1763800000200");
    assert_eq!(face.status(&beat).await, 404, "newer than what is known");
    let set = format!("PUT {one}/status?value=OUT_OF_SERVICE&lastDirtyTimestamp=");
    assert_eq!(face.status(&format!("{set}1763800000200")).await, 200);
    assert_eq!(face.status(&beat).await, 200);
    assert_eq!(face.json(one).await["instance"]["lastDirtyTimestamp"], "1763800000200");
    assert_eq!(face.status(&format!("DELETE {one}/status?value=UP")).await, 200);
    assert_eq!(face.status(&format!("{set}7")).await, 200);
    assert_eq!(face.json(one).await["instance"]["lastDirtyTimestamp"], "1763800000200", "never an older one");
}

#[tokio::test]
async fn vips_are_found_by_each_of_their_names_with_its_case() {
    let face = start(Options::default()).await;
    let body = JAVA.replace("\"vipAddress\":\"orders\"", "\"vipAddress\":\"orders,Shop\"");
    face.post("ORDERS", &body).await;
    face.post("jqservice", NODE).await;
    for (path, found) in [
        ("/vips/orders", 1),
        ("/vips/Shop", 1),
        ("/vips/shop", 0),
        ("/vips/orders,Shop", 0),
        ("/vips/jq.test.something.com", 1),
        ("/svips/orders", 1),
        ("/svips/Shop", 0),
    ] {
        let all = face.json(&format!("/eureka/v2{path}")).await;
        assert_eq!(all["applications"]["application"].as_array().unwrap().len(), found, "{path}");
    }
    face.status("DELETE /eureka/apps/ORDERS/host1:orders:8080").await;
    assert_eq!(face.json("/vips/Shop").await["applications"]["apps__hashcode"], "");
}

#[tokio::test]
async fn what_an_override_was_cleared_to_is_there_after_a_restart() {
    let one = "/eureka/apps/jqservice/localhost";
    for (clear, shown, heartbeat) in [("", "UNKNOWN", 404), ("?value=DOWN", "DOWN", 200), ("?value=UP", "UP", 200)] {
        let face = start(Options::default()).await;
        face.post("jqservice", NODE).await;
        face.status(&format!("PUT {one}/status?value=OUT_OF_SERVICE")).await;
        assert_eq!(face.status(&format!("DELETE {one}/status{clear}")).await, 200);
        face.scope.shutdown(std::time::Duration::from_secs(5)).await;
        let face = start_in(face.folder, Options::default()).await;
        let seen = face.json(one).await;
        assert_eq!(
            (&seen["instance"]["status"], &seen["instance"]["overriddenStatus"]),
            (&shown.into(), &"UNKNOWN".into())
        );
        assert_eq!(face.status(&format!("PUT {one}")).await, heartbeat, "{clear}");
        assert_eq!(face.post("jqservice", NODE).await.status, 204);
        assert_eq!(face.json(one).await["instance"]["status"], "UP", "its own word is newer");
    }
}
