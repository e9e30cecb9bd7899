//! The face as clients see it: over a real socket, with the documents of discovery-wire §9.

use std::io::Read as _;
use std::net::SocketAddr;

use madang_runtime::Scope;
use madang_serve::{Guard, Reuse, bind_tcp, http as serve_http};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;
use crate::handle::{Handle, open};
use crate::settings::Settings;

mod input;
mod server;

const JAVA: &str = r#"{"instance":{"instanceId":"host1:orders:8080","app":"ORDERS","appGroupName":null,"ipAddr":"10.0.0.5","sid":"na","homePageUrl":"http://host1:8080/",
 "statusPageUrl":"http://host1:8080/actuator/info","healthCheckUrl":"http://host1:8080/actuator/health","secureHealthCheckUrl":null,
 "vipAddress":"orders","secureVipAddress":"orders","countryId":1,
 "dataCenterInfo":{"@class":"com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo","name":"MyOwn"},
 "hostName":"host1","status":"UP","overriddenStatus":"UNKNOWN",
 "port":{"$":8080,"@enabled":"true"},"securePort":{"$":443,"@enabled":"false"},
 "leaseInfo":{"renewalIntervalInSecs":30,"durationInSecs":90,"registrationTimestamp":0,"lastRenewalTimestamp":0,"evictionTimestamp":0,"serviceUpTimestamp":0},
 "isCoordinatingDiscoveryServer":"false","lastUpdatedTimestamp":"1763800000000","lastDirtyTimestamp":"1763800000123",
 "actionType":null,"asgName":null,"metadata":{"management.port":"8080"}}}"#;
const NODE: &str = r#"{"instance":{"app":"jqservice","hostName":"localhost","ipAddr":"127.0.0.1","port":8080,"vipAddress":"jq.test.something.com","status":"UP",
 "dataCenterInfo":{"name":"MyOwn"}}}"#;

struct Face8761 {
    address: SocketAddr,
    handle: Handle,
    scope: Scope,
    folder: tempfile::TempDir,
}

async fn start(options: Options) -> Face8761 {
    start_in(tempfile::tempdir().unwrap(), options).await
}

async fn start_in(folder: tempfile::TempDir, options: Options) -> Face8761 {
    start_with(folder, options, Settings::default()).await
}

async fn start_with(folder: tempfile::TempDir, options: Options, settings: Settings) -> Face8761 {
    let scope = Scope::new("test");
    let handle = open(folder.path(), settings, &scope).unwrap();
    let listener = bind_tcp("127.0.0.1:0".parse().unwrap(), Reuse::No).unwrap();
    let address = serve_http::serve(listener, router(handle.clone(), options), Guard::default(), &scope).unwrap();
    Face8761 { address, handle, scope, folder }
}

struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }
}

impl Face8761 {
    async fn ask(&self, request: &str, headers: &str, body: &str) -> Answer {
        let mut stream = tokio::net::TcpStream::connect(self.address).await.unwrap();
        let length = body.len();
        let text = format!(
            "{request} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
        );
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await.unwrap();
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head: head.to_ascii_lowercase(), body: bytes[end + 4..].to_vec() }
    }

    async fn status(&self, request: &str) -> u16 {
        self.ask(request, "", "").await.status
    }

    async fn post(&self, app: &str, body: &str) -> Answer {
        self.ask(&format!("POST /eureka/apps/{app}"), "Content-Type: application/json\r\n", body).await
    }

    async fn json(&self, path: &str) -> serde_json::Value {
        let answer = self.ask(&format!("GET {path}"), "Accept: application/json\r\n", "").await;
        serde_json::from_slice(&answer.body).unwrap_or_else(|error| panic!("{path}: {error}: {}", answer.text()))
    }
}

/// The document with every time the server chose replaced by `T`.
fn timeless(text: &str, listed: &crate::view::Listed) -> String {
    let times = [listed.registered_ms, listed.renewed_ms(), listed.up_ms, listed.updated_ms];
    times.iter().fold(text.to_owned(), |text, time| text.replace(&time.to_string(), "T"))
}

#[tokio::test]
async fn the_whole_registry_reads_as_eureka_writes_it_in_json_and_xml() {
    let face = start(Options::default()).await;
    let empty = face.ask("GET /eureka/apps", "Accept: application/json\r\n", "").await;
    assert_eq!(empty.text(), r#"{"applications":{"versions__delta":"1","apps__hashcode":"","application":[]}}"#);
    let empty = face.ask("GET /eureka/apps", "", "").await;
    assert_eq!(
        empty.text(),
        "<applications><versions__delta>1</versions__delta><apps__hashcode></apps__hashcode></applications>"
    );

    let registered = face.post("ORDERS", JAVA).await;
    assert_eq!((registered.status, registered.text().as_str()), (204, ""));
    let snapshot = face.handle.snapshot();
    let listed = &snapshot.service("orders").unwrap().instances[0];
    let json = face.ask("GET /eureka/apps/", "Accept: application/json\r\n", "").await;
    assert_eq!(
        timeless(&json.text(), listed),
        r#"{"applications":{"versions__delta":"1","apps__hashcode":"UP_1_","application":[{"name":"ORDERS","instance":[{"instanceId":"host1:orders:8080","hostName":"host1","app":"ORDERS","ipAddr":"10.0.0.5","status":"UP","overriddenStatus":"UNKNOWN","port":{"$":8080,"@enabled":"true"},"securePort":{"$":443,"@enabled":"false"},"countryId":1,"dataCenterInfo":{"@class":"com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo","name":"MyOwn"},"leaseInfo":{"renewalIntervalInSecs":30,"durationInSecs":90,"registrationTimestamp":T,"lastRenewalTimestamp":T,"evictionTimestamp":0,"serviceUpTimestamp":T},"metadata":{"management.port":"8080"},"homePageUrl":"http://host1:8080/","statusPageUrl":"http://host1:8080/actuator/info","healthCheckUrl":"http://host1:8080/actuator/health","vipAddress":"orders","secureVipAddress":"orders","isCoordinatingDiscoveryServer":"false","lastUpdatedTimestamp":"T","lastDirtyTimestamp":"1763800000123","actionType":"ADDED"}]}]}}"#
    );
    let xml = face.ask("GET /eureka/apps", "", "").await;
    assert!(xml.head.contains("content-type: application/xml"), "{}", xml.head);
    assert_eq!(
        timeless(&xml.text(), listed),
        "<applications><versions__delta>1</versions__delta><apps__hashcode>UP_1_</apps__hashcode><application><name>ORDERS</name><instance>\
<instanceId>host1:orders:8080</instanceId><hostName>host1</hostName><app>ORDERS</app><ipAddr>10.0.0.5</ipAddr><status>UP</status>\
<overriddenstatus>UNKNOWN</overriddenstatus><port enabled=\"true\">8080</port><securePort enabled=\"false\">443</securePort><countryId>1</countryId>\
<dataCenterInfo class=\"com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo\"><name>MyOwn</name></dataCenterInfo>\
<leaseInfo><renewalIntervalInSecs>30</renewalIntervalInSecs><durationInSecs>90</durationInSecs><registrationTimestamp>T</registrationTimestamp>\
<lastRenewalTimestamp>T</lastRenewalTimestamp><evictionTimestamp>0</evictionTimestamp><serviceUpTimestamp>T</serviceUpTimestamp></leaseInfo>\
<metadata><management.port>8080</management.port></metadata><homePageUrl>http://host1:8080/</homePageUrl>\
<statusPageUrl>http://host1:8080/actuator/info</statusPageUrl><healthCheckUrl>http://host1:8080/actuator/health</healthCheckUrl>\
<vipAddress>orders</vipAddress><secureVipAddress>orders</secureVipAddress><isCoordinatingDiscoveryServer>false</isCoordinatingDiscoveryServer>\
<lastUpdatedTimestamp>T</lastUpdatedTimestamp><lastDirtyTimestamp>1763800000123</lastDirtyTimestamp><actionType>ADDED</actionType>\
</instance></application></applications>"
    );
}

#[tokio::test]
async fn an_instance_lives_through_heartbeat_override_metadata_and_cancel() {
    let face = start(Options::default()).await;
    let id = "/eureka/v2/apps/JqService/localhost";
    assert_eq!(face.status(&format!("PUT {id}")).await, 404, "unknown");
    assert_eq!(face.post("jqservice", NODE).await.status, 204);
    let beat = face.ask(&format!("PUT {id}"), "", "").await;
    assert_eq!((beat.status, beat.text().as_str(), beat.head.contains("content-type")), (200, "", false));
    assert_eq!(face.status(&format!("PUT {id}?lastDirtyTimestamp=99999999999999")).await, 404, "newer than ours");
    assert_eq!(face.status(&format!("PUT {id}/status?value=SLEEPY")).await, 500);
    assert_eq!(face.status(&format!("PUT {id}/status?value=OUT_OF_SERVICE")).await, 200);
    let seen = &face.json("/eureka/apps/JQSERVICE").await["application"]["instance"][0];
    assert_eq!((&seen["status"], &seen["overriddenStatus"]), (&"OUT_OF_SERVICE".into(), &"OUT_OF_SERVICE".into()));
    assert_eq!(seen["metadata"]["@class"], "java.util.Collections$EmptyMap");
    assert_eq!(face.json("/eureka/serverinfo/statusoverrides").await["localhost"], "OUT_OF_SERVICE");
    let delta = face.json("/eureka/apps/delta").await;
    assert_eq!(delta["applications"]["apps__hashcode"], "OUT_OF_SERVICE_1_");
    assert_eq!(delta["applications"]["application"][0]["instance"][0]["actionType"], "MODIFIED");
    assert_eq!(face.status(&format!("DELETE {id}/status?value=UP")).await, 200);
    assert_eq!(face.json("/instances/localhost").await["instance"]["status"], "UP");
    assert_eq!(face.status(&format!("PUT {id}/metadata?zone=a%20b&zone=c")).await, 200);
    assert_eq!(face.json("/instances/localhost").await["instance"]["metadata"]["zone"], "a b");
    let vips = face.json("/eureka/vips/jq.test.something.com?regions=x").await;
    assert_eq!(vips["applications"]["versions__delta"], "-1");
    assert_eq!(vips["applications"]["apps__hashcode"], "UP_1_");
    assert_eq!(face.json("/svips/none").await["applications"]["application"], serde_json::json!([]));
    assert_eq!(face.status(&format!("DELETE {id}")).await, 200);
    assert_eq!(face.status(&format!("DELETE {id}")).await, 404);
    let delta = face.json("/eureka/apps/delta").await;
    let gone = &delta["applications"]["application"][0]["instance"][0];
    assert_eq!((&gone["actionType"], &gone["hostName"]), (&"DELETED".into(), &"localhost".into()));
}

#[tokio::test]
async fn a_status_cleared_without_a_value_is_unknown_until_the_client_registers_again() {
    let face = start(Options::default()).await;
    face.post("jqservice", NODE).await;
    let id = "/eureka/apps/jqservice/localhost";
    face.status(&format!("PUT {id}/status?value=OUT_OF_SERVICE")).await;
    assert_eq!(face.status(&format!("DELETE {id}/status")).await, 200);
    assert_eq!(face.json("/instances/localhost").await["instance"]["status"], "UNKNOWN");
    assert_eq!(face.status(&format!("PUT {id}")).await, 404);
    assert_eq!(face.post("jqservice", NODE).await.status, 204);
    assert_eq!(face.status(&format!("PUT {id}")).await, 200);
}

#[tokio::test]
async fn an_instance_registered_in_xml_reads_the_same() {
    let face = start(Options::default()).await;
    let body = "<instance><instanceId>x:1</instanceId><hostName>h</hostName><app>PAY</app><ipAddr>10.0.0.7</ipAddr><status>STARTING</status>\
        <port enabled=\"true\">81</port><securePort enabled=\"false\">443</securePort><dataCenterInfo class=\"x\"><name>MyOwn</name></dataCenterInfo>\
        <metadata><a__b>1 &lt; 2</a__b></metadata></instance>";
    let answer = face.ask("POST //eureka//apps/PAY/", "Content-Type: application/xml\r\n", body).await;
    assert_eq!(answer.status, 204, "{}", answer.text());
    let seen = face.json("/eureka/apps/pay/x%3A1").await;
    let seen = &seen["instance"];
    assert_eq!((&seen["status"], &seen["port"]["$"]), (&"STARTING".into(), &81.into()));
    assert_eq!(seen["metadata"]["a_b"], "1 < 2");
    let xml = face.ask("GET /eureka/apps/PAY", "", "").await.text();
    assert!(xml.contains("<metadata><a__b>1 &lt; 2</a__b></metadata>"), "{xml}");
}

#[tokio::test]
async fn bad_input_gets_a_400_and_changes_nothing() {
    let face = start(Options::default()).await;
    let without = |key: &str| {
        let mut body: serde_json::Value = serde_json::from_str(JAVA).unwrap();
        body["instance"].as_object_mut().unwrap().remove(key);
        body.to_string()
    };
    let setting = |key: &str, value: serde_json::Value| {
        let mut body: serde_json::Value = serde_json::from_str(JAVA).unwrap();
        body["instance"][key] = value;
        body.to_string()
    };
    for (body, expected) in [
        ("{".to_owned(), "malformed JSON"),
        ("[]".to_owned(), "Malformed body"),
        ("{\"instance\":{}}".to_owned(), "Missing instanceId"),
        (without("hostName"), "Missing hostname"),
        (without("ipAddr"), "Missing ip address"),
        (without("app"), "Missing appName"),
        (setting("app", "pay".into()), "Mismatched appName, expecting ORDERS but was PAY"),
        (without("dataCenterInfo"), "Missing dataCenterInfo"),
        (setting("dataCenterInfo", serde_json::json!({})), "Missing dataCenterInfo Name"),
        (setting("port", serde_json::json!({"$": 99999})), "port must be"),
        (setting("leaseInfo", serde_json::json!([])), "leaseInfo must be"),
        (setting("metadata", serde_json::json!({"a": "x".repeat(70_000)})), "metadata has 70001 bytes"),
        (setting("metadata", serde_json::json!({"a": "\u{0}"})), "`metadata.a` has a control character"),
    ] {
        let answer = face.post("ORDERS", &body).await;
        assert_eq!(answer.status, 400, "{expected}");
        assert!(answer.text().starts_with(expected), "{expected}: {}", answer.text());
    }
    let bomb = "<!DOCTYPE a [<!ENTITY b \"bb\">]><instance>&b;</instance>";
    assert_eq!(face.ask("POST /apps/A", "Content-Type: application/xml\r\n", bomb).await.status, 400);
    assert!(face.handle.snapshot().is_empty());
}

#[tokio::test]
async fn a_client_gets_the_coding_shape_and_credentials_it_asks_for() {
    let auth = crate::settings::Credentials::parse("user:pw");
    let face = start(Options { auth, admin: Some("http://127.0.0.1:7070/".to_owned()) }).await;
    let basic = "Authorization: Basic dXNlcjpwdw==\r\n";
    assert_eq!(face.status("GET /eureka/apps").await, 401);
    assert_eq!(face.ask("GET /eureka/apps", "Authorization: Basic dXNlcjpwZA==\r\n", "").await.status, 401);
    assert_eq!(face.ask("POST /eureka/apps/ORDERS", basic, JAVA).await.status, 204);
    let zipped = face.ask("GET /eureka/apps", &format!("{basic}Accept-Encoding: gzip\r\n"), "").await;
    assert!(zipped.head.contains("content-encoding: gzip"), "{}", zipped.head);
    let mut text = String::new();
    flate2::read::GzDecoder::new(&*zipped.body).read_to_string(&mut text).unwrap();
    assert!(text.starts_with("<applications>"), "{text}");
    let compact = format!("{basic}Accept: application/json\r\nX-Eureka-Accept: compact\r\n");
    let compact = face.ask("GET /eureka/apps", &compact, "").await.text();
    for (key, kept) in
        [("leaseInfo", false), ("metadata", false), ("countryId", false), ("vipAddress", true), ("port", true)]
    {
        assert_eq!(compact.contains(&format!("\"{key}\"")), kept, "{key} in {compact}");
    }
    let home = face.ask("GET /", basic, "").await;
    assert_eq!((home.status, home.head.contains("location: http://127.0.0.1:7070/")), (302, true));
    assert_eq!(face.ask("GET /eureka/status", basic, "").await.status, 200);
    assert_eq!(face.ask("PATCH /eureka/apps", basic, "").await.status, 405);
    assert_eq!(face.ask("GET /eureka/nothing", basic, "").await.status, 404);
}

#[tokio::test]
async fn what_was_registered_is_there_after_a_restart() {
    let face = start(Options::default()).await;
    face.post("ORDERS", JAVA).await;
    face.post("jqservice", NODE).await;
    face.status("PUT /apps/ORDERS/host1:orders:8080/status?value=OUT_OF_SERVICE").await;
    face.status("DELETE /apps/jqservice/localhost").await;
    face.scope.shutdown(std::time::Duration::from_secs(5)).await;
    let face = start_in(face.folder, Options::default()).await;
    let all = face.json("/eureka/apps").await;
    assert_eq!(all["applications"]["apps__hashcode"], "OUT_OF_SERVICE_1_", "{all}");
    assert_eq!(face.status("PUT /eureka/apps/ORDERS/host1:orders:8080?lastDirtyTimestamp=1763800000123").await, 200);
}

#[tokio::test]
async fn our_own_api_explains_and_overrides() {
    let mut face = start(Options::default()).await;
    let handle = face.handle.clone();
    let listener = bind_tcp("127.0.0.1:0".parse().unwrap(), Reuse::No).unwrap();
    let api = crate::api::router(handle.clone());
    face.address = serve_http::serve(listener, api, Guard::default(), &face.scope).unwrap();
    let mut watch = handle.watch();
    let instance = crate::instance::testing::instance("a:1", 80);
    handle.register(&madang_base::Name::parse("orders").unwrap(), FACE, instance).unwrap();
    watch.changed().await.unwrap();
    let one = "/v1/registry/services/ORDERS/instances/a:1";
    let over = format!("{one}/override");
    for (method, path, body, status, part) in [
        ("GET", "/v1/registry/services", "", 200, "\"up\":1"),
        ("GET", "/v1/registry/services/order", "", 404, "did you mean `orders`?"),
        ("GET", "/v1/registry/services/orders", "", 200, "\"face\":\"eureka\""),
        ("GET", "/v1/registry/services/orders/instances/b", "", 404, "MD0605"),
        ("PUT", &over, "{\"status\":\"sleepy\"}", 422, "MD0606"),
        ("PUT", &over, "{\"status\":\"OUT_OF_SERVICE\",\"author\":\"kim\"}", 204, ""),
        ("GET", one, "", 200, "kim set the status to `out_of_service`"),
        ("DELETE", &over, "", 204, ""),
        ("GET", one, "", 200, "the instance says that it is `up`"),
    ] {
        let answer = face.ask(&format!("{method} {path}"), "Content-Type: application/json\r\n", body).await;
        assert_eq!(answer.status, status, "{method} {path}");
        assert!(answer.text().contains(part), "{method} {path}: {}", answer.text());
    }
    let mut out = madang_telemetry::Exposition::new();
    handle.write_metrics(&mut out);
    assert!(out.render().contains("madang_registry_instances{status=\"up\"} 1\n"));
}

#[tokio::test]
async fn ten_thousand_instances_fit_one_document() {
    let face = start(Options::default()).await;
    for n in 0..10_000_u32 {
        let service = madang_base::Name::parse(&format!("s{}", n % 50)).unwrap();
        let instance = crate::instance::testing::instance(&format!("i{n}"), 80);
        face.handle.register(&service, FACE, instance).unwrap();
    }
    let all = face.json("/eureka/apps").await;
    assert_eq!(all["applications"]["apps__hashcode"], "UP_10000_");
    assert_eq!(all["applications"]["application"].as_array().unwrap().len(), 50);
}

#[tokio::test]
async fn a_peer_s_batch_is_answered_item_by_item() {
    let face = start(Options::default()).await;
    face.post("ORDERS", JAVA).await;
    let pay = r#"{"instanceId":"p1","hostName":"h","app":"PAY","ipAddr":"10.0.0.9","status":"UP","dataCenterInfo":{"name":"MyOwn"},"lastDirtyTimestamp":"1763800009999"}"#;
    let beat = |stamp: u64| {
        format!(
            r#"{{"appName":"ORDERS","id":"host1:orders:8080","lastDirtyTimestamp":{stamp},"overriddenStatus":"UNKNOWN","status":"UP","instanceInfo":null,"action":"Heartbeat"}}"#
        )
    };
    let items = [
        (
            r#"{"appName":"ORDERS","id":"nobody","lastDirtyTimestamp":1,"status":"UP","action":"Heartbeat"}"#
                .to_owned(),
            404,
        ),
        (
            format!(
                r#"{{"appName":"PAY","id":"p1","lastDirtyTimestamp":1763800009999,"status":"UP","instanceInfo":{pay},"action":"Register"}}"#
            ),
            200,
        ),
        (beat(1_763_800_000_123), 200),
        (beat(1_763_800_000_124), 404),
        (beat(1_763_800_000_122), 409),
        (r#"{"appName":"PAY","id":"p1","status":"OUT_OF_SERVICE","action":"StatusUpdate"}"#.to_owned(), 200),
        (r#"{"appName":"PAY","id":"p1","action":"Dance"}"#.to_owned(), 500),
        (r#"{"appName":"PAY","id":"p2","action":"Cancel"}"#.to_owned(), 404),
        ("[]".to_owned(), 500),
    ];
    let list = items.iter().map(|(item, _)| item.as_str()).collect::<Vec<_>>().join(",");
    let body = format!("{{\"replicationList\":[{list}]}}");
    let headers = "Content-Type: application/json\r\nx-netflix-discovery-replication: true\r\n";
    let answer = face.ask("POST /eureka/peerreplication/batch/", headers, &body).await;
    assert_eq!(answer.status, 200);
    let answer: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    let answers = answer["responseList"].as_array().unwrap();
    let found: Vec<_> = answers.iter().map(|one| one["statusCode"].as_u64().unwrap()).collect();
    assert_eq!(found, items.iter().map(|(_, status)| *status).collect::<Vec<u64>>());
    assert_eq!(answers[4]["responseEntity"]["instanceId"], "host1:orders:8080");
    assert_eq!(face.json("/instances/p1").await["instance"]["status"], "OUT_OF_SERVICE");
    assert_eq!(face.ask("POST /eureka/peerreplication/batch/", headers, "{}").await.status, 400);
}

#[tokio::test]
async fn an_instance_that_asks_for_a_check_is_checked_at_its_own_port() {
    let face = start(Options::default()).await;
    let port = face.address.port();
    let body = |path: &str, port: u16| {
        NODE.replace("8080", &port.to_string()).replace(
            "\"status\"",
            &format!("\"metadata\":{{\"madang.check\":\"{path}\",\"madang.check.interval\":\"1s\"}},\"status\""),
        )
    };
    let service = madang_base::Name::parse("jqservice").unwrap();
    // The face itself is a server that answers 200 and 404; a third kind of answer is none.
    let closed = madang_testkit::free_port();
    for (path, port, expected) in [
        ("tcp", port, "ok"),
        ("/eureka/apps", port, "ok"),
        ("/eureka/nothing", port, "GET /eureka/nothing answered 404 Not Found"),
        ("tcp", closed, &format!("127.0.0.1:{closed} refused the connection")),
    ] {
        let answer = face.post("jqservice", &body(path, port)).await;
        assert_eq!(answer.status, 204, "{}", answer.text());
        let check = loop {
            let explanation = face.handle.explain(&service, "localhost").unwrap();
            let check = explanation.records[0].check.clone().unwrap();
            if check.last.is_some() {
                break check;
            }
            tokio::task::yield_now().await;
        };
        assert_eq!(check.last.as_deref(), Some(expected), "{path}");
    }
    for wrong in ["http://10.0.0.1/", "health"] {
        let answer = face.post("jqservice", &body(wrong, port)).await;
        assert_eq!(answer.status, 400, "{wrong}");
        assert!(answer.text().starts_with("metadata `madang.check` must be `tcp` or a path"), "{}", answer.text());
    }
}

#[tokio::test]
async fn a_watch_tells_the_state_now_and_then_each_change_of_its_service() {
    use tokio::io::{AsyncBufReadExt as _, BufReader};
    let mut face = start(Options::default()).await;
    let listener = bind_tcp("127.0.0.1:0".parse().unwrap(), Reuse::No).unwrap();
    let api = crate::api::router(face.handle.clone());
    face.address = serve_http::serve(listener, api, Guard::default(), &face.scope).unwrap();
    let follow = async |path: &str| {
        let mut stream = tokio::net::TcpStream::connect(face.address).await.unwrap();
        stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes()).await.unwrap();
        BufReader::new(stream).lines()
    };
    let mut one = follow("/v1/registry/services/orders/watch").await;
    let mut all = follow("/v1/registry/watch").await;
    let next = async |lines: &mut tokio::io::Lines<BufReader<tokio::net::TcpStream>>| -> serde_json::Value {
        loop {
            let line = lines.next_line().await.unwrap().unwrap();
            if line.starts_with('{') {
                break serde_json::from_str(&line).unwrap();
            }
        }
    };
    assert_eq!(next(&mut one).await, serde_json::json!({"service": "orders", "instances": []}));
    let register = |service: &str| {
        let instance = crate::instance::testing::instance("a:1", 80);
        face.handle.register(&madang_base::Name::parse(service).unwrap(), FACE, instance).unwrap();
    };
    register("pay");
    assert_eq!(next(&mut all).await["service"], "pay");
    register("orders");
    // Had the change of `pay` been told here, it would stand first.
    assert_eq!(next(&mut one).await["instances"][0]["instance"]["id"], "a:1");
    assert_eq!(next(&mut all).await["service"], "orders");
    face.handle.cancel(&madang_base::Name::parse("orders").unwrap(), &FACE, "a:1").unwrap();
    assert_eq!(next(&mut one).await["instances"], serde_json::json!([]));
    assert_eq!(next(&mut all).await["service"], "orders");
    register("orders");
    assert_eq!(next(&mut all).await["instances"], 1);
    face.handle.cancel(&madang_base::Name::parse("pay").unwrap(), &FACE, "a:1").unwrap();
    let gone = next(&mut all).await;
    assert_eq!((&gone["service"], &gone["instances"]), (&"pay".into(), &0.into()));
    let explained = face.json("/v1/registry/services/orders/instances/a:1/explain").await;
    assert_eq!(explained["faces"][0]["status"], "UP", "{explained}");
}

#[tokio::test]
async fn every_change_is_in_the_next_answer_also_when_it_is_zipped() {
    let face = start(Options::default()).await;
    let read = async |path: &str, format: &str| {
        let answer =
            face.ask(&format!("GET {path}"), &format!("Accept: {format}\r\nAccept-Encoding: gzip\r\n"), "").await;
        let mut text = String::new();
        flate2::read::GzDecoder::new(&*answer.body).read_to_string(&mut text).unwrap();
        text
    };
    for n in 1..=20 {
        let instance = crate::instance::testing::instance(&format!("i{n}"), 80);
        let service = madang_base::Name::parse(&format!("s{}", n % 3)).unwrap();
        face.handle.register(&service, FACE, instance).unwrap();
        let (id, hash) = (format!("i{n}"), format!("UP_{n}_"));
        for path in ["/apps", "/apps/delta", &format!("/apps/{service}")] {
            let text = read(path, "application/json").await;
            let json: serde_json::Value = serde_json::from_str(&text).unwrap();
            assert!(text.contains(&format!("\"instanceId\":\"{id}\"")), "{path} {n}");
            let whole = &json["applications"]["apps__hashcode"];
            assert!(whole.is_null() || *whole == *hash, "{path} {n}: {whole}");
            assert!(
                read(path, "application/xml").await.contains(&format!("<instanceId>{id}</instanceId>")),
                "{path} {n}"
            );
        }
    }
}

#[tokio::test]
async fn an_instance_that_changes_again_is_shown_as_it_is_now() {
    let face = start(Options::default()).await;
    let service = madang_base::Name::parse("orders").unwrap();
    for port in 1..=3 {
        face.handle.register(&service, FACE, crate::instance::testing::instance("a", port)).unwrap();
        for path in ["/apps", "/apps/delta"] {
            let all = face.json(path).await;
            let shown = &all["applications"]["application"][0]["instance"][0]["port"]["$"];
            assert_eq!(*shown, port, "{path}");
        }
    }
}

#[tokio::test]
async fn a_disk_that_hangs_delays_a_registration_and_refuses_none() {
    let face = start(Options::default()).await;
    face.handle.stall_journal();
    let before = std::time::Instant::now();
    assert_eq!(face.post("ORDERS", JAVA).await.status, 204);
    assert!(before.elapsed() >= crate::journal::PATIENCE, "the append comes before the answer");
    assert_eq!(face.status("PUT /eureka/apps/ORDERS/host1:orders:8080").await, 200);
    assert_eq!(face.json("/eureka/apps").await["applications"]["apps__hashcode"], "UP_1_");
}
