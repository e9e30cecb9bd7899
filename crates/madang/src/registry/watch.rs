//! `madang registry watch`: what is registered as a list, then each change as one line.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{SERVICES, at, registrar, rows, text};
use crate::client::{Client, encoded};
use crate::failure::Failure;
use crate::output::print;

/// Prints until Ctrl-C, or until Madang ends.
pub(super) fn run(client: &Client, service: Option<&str>, json: bool) -> Result<(), Failure> {
    let path = match service {
        Some(service) => format!("{SERVICES}/{}/watch", encoded(service)),
        None => "/v1/registry/watch".to_owned(),
    };
    let mut seen = Seen::default();
    client.lines(&path, |line| {
        match serde_json::from_str::<Value>(line) {
            Ok(row) if !json => print(&seen.changes(&row)),
            // A line this program does not understand is shown as it came.
            Ok(_) | Err(_) => print(&format!("{line}\n")),
        }
    })
}

/// What was printed of the one service that is watched: id to the rest of the line.
#[derive(Default)]
struct Seen(BTreeMap<String, String>);

impl Seen {
    fn changes(&mut self, row: &Value) -> String {
        let Some(instances) = row.get("instances").filter(|instances| instances.is_array()) else {
            return format!("{}  {} of {} up\n", text(row, "service"), row["up"], row["instances"]);
        };
        let now: BTreeMap<String, String> =
            rows(instances).iter().map(|row| (text(&row["instance"], "id"), told(row))).collect();
        let mut out = String::new();
        for (id, told) in &now {
            match self.0.get(id) {
                Some(before) if before == told => {}
                Some(_) => out.push_str(&format!("~ {id}  {told}\n")),
                None => out.push_str(&format!("+ {id}  {told}\n")),
            }
        }
        for id in self.0.keys().filter(|id| !now.contains_key(*id)) {
            out.push_str(&format!("- {id}\n"));
        }
        self.0 = now;
        out
    }
}

fn told(row: &Value) -> String {
    format!("{}  {}  {}", text(row, "status"), at(&row["instance"]), registrar(row))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_what_changed_is_a_line() {
        let row = |id: &str, status: &str| {
            let port = json!({ "number": 9001, "enabled": true });
            let instance = json!({ "id": id, "address": "127.0.0.1", "port": port });
            json!({ "status": status, "face": "eureka", "supervised": null, "instance": instance })
        };
        let mut seen = Seen::default();
        for (instances, expected) in [
            (json!([]), ""),
            (json!([row("a", "starting")]), "+ a  starting  127.0.0.1:9001  eureka\n"),
            (
                json!([row("a", "up"), row("b", "up")]),
                "~ a  up  127.0.0.1:9001  eureka\n+ b  up  127.0.0.1:9001  eureka\n",
            ),
            (json!([row("b", "up")]), "- a\n"),
        ] {
            assert_eq!(seen.changes(&json!({ "service": "orders", "instances": instances })), expected);
        }
    }

    #[test]
    fn of_all_services_counts_are_told() {
        let row = json!({ "service": "orders", "instances": 3, "up": 2, "self_preservation": null });
        assert_eq!(Seen::default().changes(&row), "orders  2 of 3 up\n");
    }
}
