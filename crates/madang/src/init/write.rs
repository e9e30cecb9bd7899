//! The text of a new `madang.toml`: what was found, with the comments a newcomer needs and no more.

use std::fmt::{self, Write};
use std::fs;
use std::path::Path;

use madang_base::Name;

use super::look::{Found, Port, as_name, fallback};

const HEAD: &str = r#"
# Where Madang listens. 127.0.0.1 is reached from this machine only; "off" closes a listener.
[listen]
gateway = "127.0.0.1:8080"      # what browsers and customers reach
admin   = "127.0.0.1:7070"      # what `madang ps`, `logs` and `scale` ask
egress  = "127.0.0.1:7071"      # how services reach each other: $MADANG_EGRESS/<service>/path
"#;

/// The project's name: the folder's.
pub(super) fn project_name(dir: &Path) -> Name {
    let full = fs::canonicalize(dir).ok();
    let last = full.as_deref().and_then(Path::file_name).and_then(|name| name.to_str());
    last.and_then(as_name).unwrap_or_else(|| fallback("project"))
}

/// The whole file.
pub(super) fn settings(project: &Name, found: &[Found]) -> String {
    let mut text = String::new();
    // Writing to a `String` cannot fail.
    let _ = write_all(&mut text, project, found);
    text
}

fn write_all(out: &mut String, project: &Name, found: &[Found]) -> fmt::Result {
    writeln!(
        out,
        "# Settings of Madang, written by `madang init`. `madang check` reads them, `madang up` starts them."
    )?;
    writeln!(out, "name = {}", quoted(project.as_str()))?;
    out.push_str(HEAD);
    for service in found {
        write_service(out, service)?;
    }
    let front = front(found);
    let others = found.iter().filter(|service| service.port != Port::None && Some(&service.name) != front);
    for service in others {
        write_route(
            out,
            service,
            &format!("/{}/**", service.name),
            Some("the service sees the path without its name"),
        )?;
    }
    if let Some(service) = found.iter().find(|service| Some(&service.name) == front) {
        write_route(out, service, "/**", None)?;
    }
    Ok(())
}

/// The service that gets every path no other route has: the one called like a front, else the first that listens.
fn front(found: &[Found]) -> Option<&Name> {
    let listening = || found.iter().filter(|service| service.port != Port::None).map(|service| &service.name);
    let called = |name: &&Name| ["web", "www", "frontend", "front", "ui", "site", "app"].contains(&name.as_str());
    listening().find(called).or_else(|| listening().next())
}

fn write_service(out: &mut String, service: &Found) -> fmt::Result {
    writeln!(out, "\n# From {}.", service.source)?;
    if service.port == Port::ShouldRead {
        writeln!(out, "# It has to listen on the port in its variable PORT: each instance gets another one.")?;
    }
    // Health is a port that answers, so what has none would never count as up.
    let off = match service.port {
        Port::None => {
            writeln!(out, "# It seems to listen nowhere, and Madang counts a service as up when its port answers.")?;
            writeln!(out, "# Remove the `#` once it listens on PORT, if only to say that it is well.")?;
            "# "
        }
        Port::Given | Port::ShouldRead => "",
    };
    writeln!(out, "{off}[services.{}]", key(&service.name))?;
    writeln!(out, "{off}command   = {}", quoted(&service.command))?;
    if !service.folder.as_os_str().is_empty() {
        writeln!(out, "{off}dir       = {}", quoted(&service.folder.display().to_string()))?;
    }
    writeln!(out, "{off}instances = 1")?;
    writeln!(out, "# health  = \"/health\"        # a path that answers 200 when ready; without it a connection counts")
}

fn write_route(out: &mut String, service: &Found, path: &str, strip: Option<&str>) -> fmt::Result {
    writeln!(out, "\n[[routes]]")?;
    writeln!(out, "id      = {}", quoted(service.name.as_str()))?;
    writeln!(out, "match   = {{ path = {} }}", quoted(path))?;
    writeln!(out, "to      = {}", quoted(&format!("service://{}", service.name)))?;
    match strip {
        Some(comment) => writeln!(out, "filters = [{{ strip_prefix = 1 }}]      # {comment}"),
        None => Ok(()),
    }
}

/// A TOML key: names may hold a dot, which would be two keys.
fn key(name: &Name) -> String {
    if name.as_str().contains('.') { quoted(name.as_str()) } else { name.to_string() }
}

/// A TOML basic string.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => quoted.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted + "\""
}
