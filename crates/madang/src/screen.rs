//! The one screen `madang up` shows when everything runs: what runs, where it is reached, three things to try.

use std::fmt::Write;
use std::net::SocketAddr;
use std::path::Path;

use madang_settings::{Node, Origin, Value};
use madang_supervise::{InstanceView, State};

use crate::output::{Color, Table};
use crate::settings::{Listen, Settings};

/// What the screen is about.
pub(crate) struct Screen<'a> {
    pub(crate) settings: &'a Settings,
    /// The addresses that are really listened on.
    pub(crate) listen: &'a Listen,
    pub(crate) port_offset: u16,
    pub(crate) instances: &'a [InstanceView],
    /// The command that opens the first route in an editor.
    pub(crate) route: Option<String>,
    pub(crate) color: Color,
}

impl Screen<'_> {
    /// The whole screen.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a `String` cannot fail.
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        writeln!(out)?;
        writeln!(out, "{}", self.color.paint("1", &self.headline()))?;
        writeln!(out)?;
        for line in self.instances().to_string().lines() {
            writeln!(out, "  {line}")?;
        }
        writeln!(out)?;
        let admin = format!("the console; madang ps, logs, scale, route, registry{}", self.offset());
        for (name, address, what) in [
            ("gateway", self.listen.gateway, "browsers and customers"),
            ("egress", self.listen.egress, "services reach each other: /<service>/<path>"),
            ("eureka", self.listen.eureka, "services register themselves: /eureka"),
            ("admin", self.listen.admin, &admin),
        ] {
            if let Some(address) = address {
                writeln!(out, "  {name:<8} {:<24} {what}", url(address))?;
            }
        }
        writeln!(out)?;
        writeln!(out, "  {}", self.color.paint("1", "Try"))?;
        for line in self.try_lines() {
            writeln!(out, "    {line}")?;
        }
        writeln!(out)?;
        writeln!(out, "  {}", self.color.paint("2", "Ctrl-C stops everything in order. Logs follow."))
    }

    fn headline(&self) -> String {
        let healthy = self.instances.iter().filter(|instance| instance.state == State::Healthy).count();
        let all = self.instances.len();
        let name = &self.settings.name;
        if healthy == all {
            format!("{name} is up")
        } else {
            format!("{name} is up, {healthy} of {all} instances are healthy")
        }
    }

    fn instances(&self) -> Table<4> {
        let mut table = Table::new(["INSTANCE", "PORT", "PID", "STATE"]);
        for instance in self.instances {
            let pid = instance.pid.map_or_else(|| "-".to_owned(), |pid| pid.to_string());
            let port = instance.port.map_or_else(|| "-".to_owned(), |port| port.to_string());
            table.row([instance.instance.to_string(), port, pid, instance.state.as_str().to_owned()]);
        }
        for service in &self.settings.fixed {
            for member in &service.members {
                table.row([service.name.to_string(), member.address.to_string(), "-".into(), "fixed".into()]);
            }
        }
        table
    }

    fn try_lines(&self) -> Vec<String> {
        let comment = |text: &str| self.color.paint("2", &format!("# {text}"));
        let mut lines: Vec<String> = self.settings.try_lines.iter().map(|line| self.filled(line)).collect();
        if let (true, Some(gateway)) = (lines.is_empty(), self.listen.gateway) {
            lines.push(format!("curl -i {}/", url(gateway)));
        }
        if let Some((instance, pid)) = self.expendable() {
            let back = comment(&format!("{instance} comes back, no request is lost"));
            lines.push(format!("kill -9 {pid}    {back}"));
        }
        if let Some(edit) = &self.route {
            lines.push(format!("{edit}    {}", comment("change a route: it applies when you save")));
        }
        lines
    }

    /// What commands need to find this Madang and not the one at the usual ports.
    fn offset(&self) -> String {
        match self.port_offset {
            0 => String::new(),
            offset => format!(" --port-offset {offset}"),
        }
    }

    fn filled(&self, line: &str) -> String {
        let mut line = line.to_owned();
        for (name, address) in self.listen.named() {
            if let Some(address) = address {
                line = line.replace(&format!("{{{name}}}"), &url(address));
            }
        }
        line
    }

    /// A running instance whose service has another one.
    fn expendable(&self) -> Option<(&str, u32)> {
        let healthy = || self.instances.iter().filter(|instance| instance.state == State::Healthy);
        let spare =
            healthy().find(|one| healthy().any(|other| other.service == one.service && other.instance != one.instance));
        let one = spare.or_else(|| healthy().next())?;
        Some((&one.instance, one.pid?))
    }
}

/// The command that opens the first route in an editor.
pub(crate) fn first_route(node: &Node) -> Option<String> {
    let routes = node.get("routes")?;
    let first = match &routes.value {
        Value::Array(items) => items.first()?,
        _ => routes,
    };
    match &first.origin {
        Origin::File { path, line, .. } => Some(edit(path, *line)),
        Origin::Variable(_) | Origin::Flag(_) => None,
    }
}

/// `+LINE` is understood by vi, nano, emacs and most others.
fn edit(path: &Path, line: u32) -> String {
    format!("${{EDITOR:-vi}} +{line} {}", path.display())
}

/// `0.0.0.0` is no place a browser can go to.
fn url(address: SocketAddr) -> String {
    if address.ip().is_unspecified() {
        format!("http://localhost:{}", address.port())
    } else {
        format!("http://{address}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Which;
    use madang_settings::{Problems, parse};

    fn screen(text: &str, port_offset: u16) -> String {
        let node = parse(text, Path::new("shop/madang.toml")).unwrap();
        let which = Which { admin: None, port_offset };
        let mut problems = Problems::new();
        let settings = Settings::read(&node, Path::new("."), &which, &mut problems).unwrap();
        assert!(!problems.has_errors(), "{problems}");
        let (listen, route) = (&settings.listen, first_route(&node));
        Screen { settings: &settings, listen, port_offset, instances: &[], route, color: Color::Off }.text()
    }

    #[test]
    fn what_to_try_comes_from_the_settings_with_real_addresses() {
        let settings = r#"
name = "shop"
try  = ["curl -d '{\"product\": \"tea-bowl\"}' {gateway}/api/orders", "open {gateway}"]

[listen]
gateway = "0.0.0.0:8080"
egress  = "off"

[services.old]
endpoints = ["10.0.0.7:80"]

[[routes]]
id    = "all"
match = { path = "/**" }
to    = "service://old"
"#;
        insta::assert_snapshot!(screen(settings, 1000).trim(), @r#"
        shop is up

          INSTANCE  PORT         PID  STATE
          old       10.0.0.7:80  -    fixed

          gateway  http://localhost:9080    browsers and customers
          eureka   http://127.0.0.1:9761    services register themselves: /eureka
          admin    http://127.0.0.1:8070    the console; madang ps, logs, scale, route, registry --port-offset 1000

          Try
            curl -d '{"product": "tea-bowl"}' http://localhost:9080/api/orders
            open http://localhost:9080
            ${EDITOR:-vi} +12 shop/madang.toml    # change a route: it applies when you save

          Ctrl-C stops everything in order. Logs follow.
        "#);
    }

    #[test]
    fn without_anything_to_try_the_gateway_is_asked() {
        assert!(screen("", 0).contains("    curl -i http://127.0.0.1:8080/\n"));
        assert!(!screen("[listen]\ngateway = \"off\"\n", 0).contains("curl"));
    }
}
