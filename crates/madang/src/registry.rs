//! `madang registry ls`, `watch` and `explain`: who is registered, and why it looks as it does.

mod watch;

use std::fmt::Write;

use clap::Subcommand;
use serde_json::Value;

use crate::client::{Client, encoded};
use crate::failure::{Exit, Failure, Report};
use crate::output::{Show, Table};

const SERVICES: &str = "/v1/registry/services";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Lists services, or the instances of one
    #[command(before_help = "Example: madang registry ls orders")]
    Ls {
        /// The service whose instances are listed; all services without one
        service: Option<String>,
        #[command(flatten)]
        show: Show,
    },
    /// Lists what is registered, then prints a line for each change, until Ctrl-C
    #[command(before_help = "Example: madang registry watch orders")]
    Watch {
        /// The service whose instances are watched; all services, with how many are up, without one
        service: Option<String>,
        /// Prints one JSON object per line instead of text
        #[arg(long)]
        json: bool,
    },
    /// Says who registered an instance, how long it stays, and why it has the status it has
    #[command(before_help = "Example: madang registry explain orders/orders-1")]
    Explain {
        /// A service, or one instance of it; the name of a process as in `madang ps` will do
        #[arg(value_name = "SERVICE[/INSTANCE]")]
        what: String,
        #[command(flatten)]
        show: Show,
    },
}

/// Does what `command` says.
pub(crate) fn run(client: &Client, command: &Command) -> Result<Exit, Failure> {
    match command {
        Command::Ls { service: None, show } => show.print(&client.get(SERVICES)?, services),
        Command::Ls { service: Some(service), show } => show.print(&instances_of(client, service)?, instances),
        Command::Watch { service, json } => {
            watch::run(client, service.as_deref(), *json)?;
            Ok(Exit::Done)
        }
        Command::Explain { what, show } => match what.split_once('/') {
            Some((service, name)) => {
                let all = instances_of(client, service)?;
                let id = find(&all, name).unwrap_or_else(|| name.to_owned());
                show.print(&page(client, service, &id)?, explanation)
            }
            None => {
                let all = instances_of(client, what)?;
                let ids = rows(&all).iter().map(|row| text(&row["instance"], "id"));
                let pages: Result<Vec<Value>, Failure> = ids.map(|id| page(client, what, &id)).collect();
                show.print(&Value::Array(pages?), |pages| {
                    rows(pages).iter().map(explanation).collect::<Vec<_>>().join("\n")
                })
            }
        },
    }
}

fn instances_of(client: &Client, service: &str) -> Result<Value, Failure> {
    if service.is_empty() {
        return Err(Report::wrong("the name of the service is empty").hint("for example `orders`").into());
    }
    client.get(&format!("{SERVICES}/{}", encoded(service)))
}

fn page(client: &Client, service: &str, id: &str) -> Result<Value, Failure> {
    client.get(&format!("{SERVICES}/{}/instances/{}", encoded(service), encoded(id)))
}

/// An instance by its id, by the id of its process, or by the name of its process: `orders-1` is `orders-1#7` now.
fn find(all: &Value, name: &str) -> Option<String> {
    let is_process = |id: &str| id.rsplit_once('#').is_some_and(|(process, _)| process == name);
    let is = |row: &&Value| {
        let ids = [row["instance"]["id"].as_str(), row["supervised"].as_str()];
        ids.into_iter().flatten().any(|id| id == name || is_process(id))
    };
    rows(all).iter().find(is).map(|row| text(&row["instance"], "id"))
}

fn text(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or("-").to_owned()
}

fn rows(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn seconds(value: &Value, key: &str) -> String {
    format!("{} s", value[key].as_u64().unwrap_or_default())
}

fn services(all: &Value) -> String {
    if rows(all).is_empty() {
        return "no instances are registered\n".to_owned();
    }
    let mut table = Table::new(["SERVICE", "INSTANCES", "UP"]);
    for row in rows(all) {
        table.row([text(row, "service"), row["instances"].to_string(), row["up"].to_string()]);
    }
    let mut out = table.to_string();
    for row in rows(all).iter().filter(|row| row["self_preservation"].is_string()) {
        out.push_str(&format!("\n{}: {}\n", text(row, "service"), text(row, "self_preservation")));
    }
    out
}

fn at(instance: &Value) -> String {
    format!("{}:{}", text(instance, "address"), instance["port"]["number"])
}

/// Who registered it; one process that both Madang and itself registered is named by both.
fn registrar(row: &Value) -> String {
    match row["supervised"].as_str() {
        Some(process) => format!("{}, as {process}", text(row, "face")),
        None => text(row, "face"),
    }
}

fn instances(all: &Value) -> String {
    let mut table = Table::new(["INSTANCE", "STATUS", "ADDRESS", "REGISTERED BY"]);
    for row in rows(all) {
        let instance = &row["instance"];
        table.row([text(instance, "id"), text(row, "status"), at(instance), registrar(row)]);
    }
    table.to_string()
}

fn explanation(page: &Value) -> String {
    let why = &page["explanation"];
    let mut out = format!("{}/{} is {}\n", text(why, "service"), text(why, "instance"), text(why, "status"));
    // Writing to a `String` cannot fail.
    for because in rows(&why["because"]).iter().filter_map(Value::as_str) {
        let _ = writeln!(out, "  because {because}");
    }
    for record in rows(&why["records"]) {
        let lease = &record["lease"];
        let stays = match lease["state"].as_str() {
            Some("supervisor") => "stays as long as Madang runs it".to_owned(),
            Some("runs") => format!("lease of {}, {} left", seconds(lease, "duration_s"), seconds(lease, "left_s")),
            Some("expired") if lease["held"] == true => {
                format!("lease ran out {} ago, held by self-preservation", seconds(lease, "since_s"))
            }
            _ => format!("lease ran out {} ago", seconds(lease, "since_s")),
        };
        let restored = if record["restored"] == true { ", restored after a restart" } else { "" };
        let (face, id, address) = (text(record, "face"), text(record, "id"), text(record, "address"));
        let _ = writeln!(out, "  {face}: {id} at {address} says {}; {stays}{restored}", text(record, "says"));
        if record["check"].is_object() {
            let check = &record["check"];
            let asked = format!("checked by {} every {}", text(check, "asks"), seconds(check, "interval_s"));
            let failing = if check["failing"] == true {
                format!(", {} failures in a row", check["failures"])
            } else {
                String::new()
            };
            let last = check["last"].as_str().unwrap_or("no answer yet");
            let _ = writeln!(out, "    {asked}: {last}{failing}");
        }
    }
    for face in rows(&why["faces"]) {
        let _ = writeln!(out, "  shown by {} as {}: {}", text(face, "face"), text(face, "status"), text(face, "shown"));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn services_and_instances_are_tables() {
        let all = json!([
            { "service": "orders", "instances": 3, "up": 2, "self_preservation": null },
            { "service": "pay", "instances": 1, "up": 1, "self_preservation": "self-preservation: 2 of 3 fell silent" },
        ]);
        insta::assert_snapshot!(services(&all), @r"
        SERVICE  INSTANCES  UP
        orders   3          2
        pay      1          1

        pay: self-preservation: 2 of 3 fell silent
        ");
        let address = |port: u16, id: &str| json!({ "id": id, "address": "127.0.0.1", "port": { "number": port, "enabled": true } });
        let all = json!([
            { "status": "up", "face": "eureka", "supervised": "orders-1#7", "instance": address(20001, "host:orders:20001") },
            { "status": "out_of_service", "face": "supervise", "supervised": null, "instance": address(20002, "orders-2#1") },
        ]);
        insta::assert_snapshot!(instances(&all), @r"
        INSTANCE           STATUS          ADDRESS          REGISTERED BY
        host:orders:20001  up              127.0.0.1:20001  eureka, as orders-1#7
        orders-2#1         out_of_service  127.0.0.1:20002  supervise
        ");
        for (name, id) in [
            ("host:orders:20001", Some("host:orders:20001")),
            ("orders-1", Some("host:orders:20001")),
            ("orders-1#7", Some("host:orders:20001")),
            ("orders-2", Some("orders-2#1")),
            ("orders", None),
        ] {
            assert_eq!(find(&all, name).as_deref(), id, "{name}");
        }
        assert_eq!(services(&json!([])), "no instances are registered\n");
    }

    #[test]
    fn an_explanation_says_why_and_who_keeps_which_record() {
        let check =
            json!({ "asks": "GET /health", "interval_s": 10, "failing": true, "failures": 3, "last": "status 503" });
        let record = |face: &str, id: &str, lease: Value, check: Value| json!({ "face": face, "id": id, "says": "up", "address": "127.0.0.1:20001", "lease": lease, "restored": check.is_object(), "check": check });
        let page = json!({ "explanation": {
            "service": "orders", "instance": "host:orders:20001", "status": "up",
            "because": ["the instance says that it is `up`"],
            "records": [
                record("eureka", "host:orders:20001", json!({ "state": "runs", "duration_s": 90, "left_s": 61 }), check),
                record("supervise", "orders-1#7", json!({ "state": "supervisor" }), Value::Null),
            ],
            "faces": [{ "face": "eureka", "status": "UP", "shown": "listed, and clients send requests there" }],
        } });
        insta::assert_snapshot!(explanation(&page), @r"
        orders/host:orders:20001 is up
          because the instance says that it is `up`
          eureka: host:orders:20001 at 127.0.0.1:20001 says up; lease of 90 s, 61 s left, restored after a restart
            checked by GET /health every 10 s: status 503, 3 failures in a row
          supervise: orders-1#7 at 127.0.0.1:20001 says up; stays as long as Madang runs it
          shown by eureka as UP: listed, and clients send requests there
        ");
    }
}
