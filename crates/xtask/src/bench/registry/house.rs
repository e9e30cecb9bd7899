//! The instances of the benchmark: a hundred services of a hundred, described as Spring applications describe
//! themselves.

use super::client::Connection;
use anyhow::{Result, ensure};

pub(super) const SERVICES: usize = 100;
pub(super) const PER_SERVICE: usize = 100;
pub(super) const INSTANCES: usize = SERVICES * PER_SERVICE;

/// The application one instance belongs to.
pub(super) fn app(number: usize) -> String {
    format!("SERVICE-{:02}", number % SERVICES)
}

pub(super) fn id(number: usize) -> String {
    format!("host-{number}.example.internal:{}:8080", app(number).to_lowercase())
}

/// What a Spring application of today sends.
fn body(number: usize, stamp_ms: u64) -> String {
    let (app, id) = (app(number), id(number));
    let name = app.to_lowercase();
    let address = format!("10.{}.{}.{}", number >> 16, number >> 8 & 255, number & 255);
    let host = format!("host-{number}.example.internal");
    format!(
        r#"{{"instance":{{"instanceId":"{id}","app":"{app}","appGroupName":null,"ipAddr":"{address}","sid":"na","homePageUrl":"http://{host}:8080/","statusPageUrl":"http://{host}:8080/actuator/info","healthCheckUrl":"http://{host}:8080/actuator/health","secureHealthCheckUrl":null,"vipAddress":"{name}","secureVipAddress":"{name}","countryId":1,"dataCenterInfo":{{"@class":"com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo","name":"MyOwn"}},"hostName":"{host}","status":"UP","overriddenStatus":"UNKNOWN","port":{{"$":8080,"@enabled":"true"}},"securePort":{{"$":443,"@enabled":"false"}},"leaseInfo":{{"renewalIntervalInSecs":30,"durationInSecs":90,"registrationTimestamp":0,"lastRenewalTimestamp":0,"evictionTimestamp":0,"serviceUpTimestamp":0}},"isCoordinatingDiscoveryServer":"false","lastUpdatedTimestamp":"{stamp_ms}","lastDirtyTimestamp":"{stamp_ms}","actionType":"ADDED","asgName":null,"metadata":{{"management.port":"8080","zone":"eu-1"}}}}}}"#
    )
}

/// Registers one instance; anything but 204 is an error.
pub(super) fn register(connection: &mut Connection, number: usize, stamp_ms: u64) -> Result<()> {
    let target = format!("/eureka/apps/{}", app(number));
    let headers = "Content-Type: application/json\r\nAccept: application/json\r\n";
    let answer = connection.ask("POST", &target, headers, &body(number, stamp_ms))?;
    ensure!(answer.status == 204, "{target} answered {}: {}", answer.status, String::from_utf8_lossy(&answer.body));
    Ok(())
}

/// Sends one heartbeat; anything but 200 is an error.
pub(super) fn renew(connection: &mut Connection, number: usize, stamp_ms: u64) -> Result<()> {
    let target = format!(
        "/eureka/apps/{}/{}?status=UP&lastDirtyTimestamp={stamp_ms}",
        app(number),
        id(number).replace(':', "%3A")
    );
    let answer = connection.ask("PUT", &target, "Accept: application/json\r\n", "")?;
    ensure!(answer.status == 200, "{target} answered {}", answer.status);
    Ok(())
}
