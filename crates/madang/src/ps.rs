//! `madang ps`: every instance, its process, port, state, restarts, and what it uses.
//!
//! One look cannot tell what a process uses now, so AVG CPU is its whole life: 100% is one core since it started.

use std::time::Duration;

use madang_base::{format_duration, format_size};
use serde_json::Value;

use crate::client::Client;
use crate::failure::{Exit, Failure};
use crate::output::{Show, Table};

/// Shows what runs.
pub(crate) fn run(client: &Client, show: &Show) -> Result<Exit, Failure> {
    let instances = client.get("/v1/supervise/instances")?;
    show.print(&instances, |instances| table(instances.as_array().map(Vec::as_slice).unwrap_or_default()))
}

fn table(instances: &[Value]) -> String {
    if instances.is_empty() {
        return "no instances run here\n".to_owned();
    }
    let mut table =
        Table::new(["SERVICE", "INSTANCE", "PID", "PORT", "STATE", "RESTARTS", "UPTIME", "AVG CPU", "MEMORY"]);
    for instance in instances {
        let number = |key: &str| instance[key].as_u64().map_or_else(|| "-".to_owned(), |number| number.to_string());
        let text = |key: &str| instance[key].as_str().unwrap_or("-").to_owned();
        let uptime_s = instance["uptime_s"].as_u64().unwrap_or_default();
        let memory = instance["memory_bytes"].as_u64().map_or_else(|| "-".to_owned(), format_size);
        table.row([
            text("service"),
            text("instance"),
            number("pid"),
            number("port"),
            text("state"),
            number("restarts"),
            format_duration(Duration::from_secs(uptime_s)),
            instance["cpu_ms"].as_u64().map_or_else(|| "-".to_owned(), |cpu_ms| average(cpu_ms, uptime_s)),
            memory,
        ]);
    }
    let mut text = table.to_string();
    for instance in instances.iter().filter(|instance| instance["state"] != "healthy") {
        if let (Some(name), Some(reason)) = (instance["instance"].as_str(), instance["reason"].as_str()) {
            text.push_str(&format!("\n{name}: {reason}\n"));
        }
    }
    text
}

/// Percent of one core.
fn average(cpu_ms: u64, uptime_s: u64) -> String {
    // Seconds are cut off: on average half of one is missing.
    #[allow(clippy::cast_precision_loss, reason = "three digits are shown")]
    let share = cpu_ms as f64 / (uptime_s * 1000 + 500) as f64;
    format!("{:.1}%", share * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn instances_are_a_table_and_what_is_wrong_follows() {
        let instances = json!([
            { "service": "orders", "instance": "orders-1", "pid": 4121, "port": 20001, "state": "healthy", "restarts": 0, "uptime_s": 75,
              "cpu_ms": 1510, "memory_bytes": 45_000_000 },
            { "service": "web", "instance": "web-1", "pid": null, "port": null, "state": "backoff", "restarts": 3, "uptime_s": 0,
              "cpu_ms": null, "memory_bytes": null, "reason": "exited with code 1 after 20ms\n| no such file" },
        ]);
        insta::assert_snapshot!(table(instances.as_array().unwrap()), @r"
        SERVICE  INSTANCE  PID   PORT   STATE    RESTARTS  UPTIME  AVG CPU  MEMORY
        orders   orders-1  4121  20001  healthy  0         1.25m   2.0%     42.92MiB
        web      web-1     -     -      backoff  3         0s      -        -

        web-1: exited with code 1 after 20ms
        | no such file
        ");
        assert_eq!(table(&[]), "no instances run here\n");
    }
}
