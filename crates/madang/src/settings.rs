//! The whole of `madang.toml`: reads its own keys and hands the other sections to the parts that own them.
//!
//! Every problem of a file is found in one reading; what is wrong in one section hides nothing in the next.

mod listen;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;

use madang_balance::Member;
use madang_base::{Name, nearest};
use madang_settings::{Fields, Key, Node, Problems, Value, dotted};

use crate::cli::Which;
use crate::codes;
use crate::trickle::Call;
pub(crate) use listen::Listen;

/// What is read here; the parts have lists of their own.
#[rustfmt::skip] // a row is a line
const OURS: &[Key] = &[
    Key::restart("name", "name", "the folder's", "the name of the whole, shown to people"),
    Key::live("try", "text or list", "[]", "lines `madang up` shows to try; `{gateway}`, `{egress}`, `{admin}`, `{eureka}` become URLs"),
    Key::restart("trickle", "text or list", "[]", "what `madang up --trickle` sends in turn: `GET /path`, `POST /path {json}`"),
    Key::restart("listen.gateway", "address, or `off`", "\"127.0.0.1:8080\"", "what browsers and customers reach"),
    Key::restart("listen.admin", "address, or `off`", "\"127.0.0.1:7070\"", "the admin API; off loopback it needs `admin.token`"),
    Key::restart("listen.egress", "loopback address, or `off`", "\"127.0.0.1:7071\"", "where services reach each other: `/<service>/<path>`"),
    Key::restart("listen.eureka", "address, or `off`", "\"127.0.0.1:8761\"", "where services register themselves; off loopback it needs `registry.auth`"),
    Key::live("services.NAME.endpoints", "list of addresses", "", "where it runs already; instead of `command`"),
];

/// Every setting there is, section by section.
pub(crate) fn keys() -> impl Iterator<Item = &'static Key> {
    let all = [OURS, madang_supervise::KEYS, madang_gateway::KEYS, madang_registry::KEYS, madang_admin::KEYS];
    all.into_iter().flatten()
}

/// Checked settings.
#[derive(Clone)]
pub(crate) struct Settings {
    /// The name of the whole, shown to people. Default: the folder's.
    pub(crate) name: Name,
    pub(crate) listen: Listen,
    /// Lines that `madang up` shows as things to try; `{gateway}`, `{egress}`, `{admin}` and `{eureka}` become URLs.
    pub(crate) try_lines: Vec<String>,
    /// What `madang up --trickle` sends to the gateway in turn.
    pub(crate) trickle: Vec<Call>,
    /// Services that Madang runs.
    pub(crate) supervise: madang_supervise::Settings,
    /// Services that something else runs.
    pub(crate) fixed: Vec<Fixed>,
    pub(crate) gateway: madang_gateway::Settings,
    pub(crate) admin: madang_admin::Settings,
    pub(crate) registry: madang_registry::Settings,
}

/// A service with a fixed list of addresses.
#[derive(Debug, Clone)]
pub(crate) struct Fixed {
    pub(crate) name: Name,
    pub(crate) members: Vec<Member>,
}

impl Settings {
    /// Reads all of it. `base` is the folder relative paths count from;
    /// `which` moves listeners.
    ///
    /// None when the top level is no table; otherwise the settings are only to be used when no problem is an error.
    pub(crate) fn read(node: &Node, base: &Path, which: &Which, problems: &mut Problems) -> Option<Self> {
        let mut root = Fields::new(node, "", problems)?;
        let name = root.name("name", problems).unwrap_or_else(|| folder_name(base));
        let listen = Listen::read(&mut root, which, problems);
        let try_lines = root.strings("try", problems).unwrap_or_default();
        let trickle = read_trickle(&mut root, problems);
        let services = Services::read(&mut root, problems);
        let supervise = madang_supervise::Settings::read(&services.commands, base, problems);
        let gateway = madang_gateway::Settings::read(&mut root, &services.names, base, problems);
        let admin = madang_admin::Settings::read(&mut root, listen.admin, problems);
        let registry = madang_registry::Settings::read(&mut root, listen.eureka, problems);
        root.finish(problems);
        Some(Self { name, listen, try_lines, trickle, supervise, fixed: services.fixed, gateway, admin, registry })
    }

    /// Every service there is.
    pub(crate) fn service_names(&self) -> BTreeSet<Name> {
        let run = self.supervise.services.iter().map(|service| &service.name);
        run.chain(self.fixed.iter().map(|service| &service.name)).cloned().collect()
    }
}

fn read_trickle(root: &mut Fields<'_>, problems: &mut Problems) -> Vec<Call> {
    let texts = root.strings("trickle", problems).unwrap_or_default();
    let calls = texts.iter().filter_map(|text| {
        let call = text.parse();
        if let Err(error) = &call {
            let problem =
                root.report(&codes::TRICKLE, "trickle", format!("`{text}` cannot be sent: {error}"), problems);
            problem.hint("for example `trickle = [\"GET /\"]`");
        }
        call.ok()
    });
    calls.collect()
}

/// `[services.*]`, sorted by who is responsible for them.
struct Services {
    /// All names, also of those with problems: a route to one is not wrong on top of that.
    names: BTreeSet<Name>,
    /// The table with only those that have a `command`, for the supervisor.
    commands: Node,
    fixed: Vec<Fixed>,
}

impl Services {
    fn read(root: &mut Fields<'_>, problems: &mut Problems) -> Self {
        let table = root.table("services", problems);
        let mut names = BTreeSet::new();
        let mut commands = Vec::new();
        let mut fixed = Vec::new();
        for (name, node) in table.into_iter().flat_map(|mut table| table.entries().collect::<Vec<_>>()) {
            let key = dotted("services", name);
            let Some(checked) = service_name(name, &key, node, problems) else { continue };
            names.insert(checked.clone());
            match (node.get("command"), node.get("endpoints")) {
                (Some(_), None) => commands.push((name.to_owned(), node.clone())),
                (None, Some(_)) => fixed.extend(Fixed::read(checked, &key, node, problems)),
                (Some(_), Some(second)) => {
                    commands.push((name.to_owned(), without(node, "endpoints")));
                    let message = format!("`{key}` has both a `command` and `endpoints`");
                    let hint = "keep `command` when Madang runs it, `endpoints` when something else does";
                    problems
                        .error(&codes::SERVICE_SOURCE, dotted(&key, "endpoints"), message)
                        .at(&second.origin)
                        .hint(hint);
                }
                (None, None) if matches!(node.value, Value::Table(_)) => {
                    let message = format!("`{key}` has neither a `command` nor `endpoints`");
                    let problem = problems.error(&codes::SERVICE_SOURCE, key.as_str(), message);
                    match misspelt(node) {
                        Some((wrote, meant)) => problem
                            .at(&wrote.1.origin)
                            .hint(format!("`{}` is no setting; did you mean `{meant}`?", wrote.0)),
                        None => problem
                            .at(&node.origin)
                            .hint("for example `command = \"node orders.js\"` or `endpoints = [\"127.0.0.1:9001\"]`"),
                    };
                    if let Some((wrote, "command")) = misspelt(node) {
                        commands.push((name.to_owned(), renamed(node, &wrote.0, "command")));
                    }
                }
                (None, None) => _ = Fields::new(node, &key, problems),
            }
        }
        let origin = root.origin("services").unwrap_or(root.table_origin()).clone();
        Self { names, commands: Node { value: Value::Table(commands), origin }, fixed }
    }
}

impl Fixed {
    fn read(name: Name, key: &str, node: &Node, problems: &mut Problems) -> Option<Self> {
        let mut fields = Fields::new(node, key, problems)?;
        let texts = fields.strings("endpoints", problems).unwrap_or_default();
        let mut members: Vec<Member> = Vec::with_capacity(texts.len());
        for text in &texts {
            match text.parse::<SocketAddr>() {
                Ok(address) if members.iter().any(|member| member.address == address) => {
                    let message = format!("`{key}.endpoints` has {address} twice");
                    fields.report(&codes::ENDPOINT, "endpoints", message, problems).hint("take one of them out");
                }
                Ok(address) if address.port() != 0 => members.push(member(text, address)),
                Ok(_) | Err(_) => {
                    let message = format!("`{text}` is not an IP address and a port");
                    let hint = "for example `endpoints = [\"127.0.0.1:9001\"]`";
                    fields.report(&codes::ENDPOINT, "endpoints", message, problems).hint(hint);
                }
            }
        }
        fields.finish(problems);
        Some(Self { name, members })
    }
}

/// So that what else is wrong with it is found too.
fn without(node: &Node, key: &str) -> Node {
    match &node.value {
        Value::Table(entries) => {
            let rest = entries.iter().filter(|(name, _)| name != key).cloned().collect();
            Node { value: Value::Table(rest), origin: node.origin.clone() }
        }
        _ => node.clone(),
    }
}

/// For the same reason: read as what was probably meant.
fn renamed(node: &Node, from: &str, to: &str) -> Node {
    let mut node = node.clone();
    if let Value::Table(entries) = &mut node.value {
        entries.iter_mut().filter(|(name, _)| name == from).for_each(|(name, _)| to.clone_into(name));
    }
    node
}

/// An entry that was probably meant as one of the two a service needs.
fn misspelt(node: &Node) -> Option<(&(String, Node), &'static str)> {
    let Value::Table(entries) = &node.value else { return None };
    entries.iter().find_map(|entry| Some((entry, nearest(&entry.0, ["command", "endpoints"])?)))
}

fn member(text: &str, address: SocketAddr) -> Member {
    Member::new(text, address)
}

fn service_name(name: &str, key: &str, node: &Node, problems: &mut Problems) -> Option<Name> {
    let checked = Name::parse(name);
    if let Err(error) = &checked {
        let problem = problems.error(&codes::SERVICE_NAME, key, format!("not a service name: {error}"));
        problem.at(&node.origin).hint("it becomes part of URLs, variables and file names; for example `orders`");
    }
    checked.ok()
}

fn folder_name(base: &Path) -> Name {
    let full = std::fs::canonicalize(base).ok();
    let last = full.as_deref().and_then(Path::file_name).and_then(|name| name.to_str());
    last.and_then(|name| Name::parse(name).ok()).unwrap_or_else(|| Name::parse("madang").expect("a name"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tables of the settings, as the keys that are listed make them: `routes[].match` and its like.
    fn tables() -> BTreeSet<&'static str> {
        keys().filter_map(|key| key.key.rsplit_once('.')).map(|(table, _)| table).collect()
    }

    /// A file that has a key nobody knows in `table`, with all that must be there.
    fn file_with_a_stranger_in(table: &str) -> String {
        let place = table.replace("routes[]", "route").replace("NAME", "orders");
        let written: Vec<&str> = place.split('.').collect();
        let (head, inner) = match written.as_slice() {
            ["route", inner @ ..] => ("[[routes]]\nid = \"a\"\nto = \"service://a\"\n".to_owned(), inner),
            ["services", name, inner @ ..] => (format!("[services.{name}]\ncommand = \"true\"\n"), inner),
            ["", ..] => (String::new(), &[][..]),
            [section, inner @ ..] => (format!("[{section}]\n"), inner),
            [] => (String::new(), &[][..]),
        };
        let dots = inner.iter().map(|part| format!("{part}.")).collect::<String>();
        format!("{head}{dots}zzzzzzzzzzzzzzzz = 1\n")
    }

    /// The keys the reading of `table` asks for: they are in the hint of the key nobody knows.
    fn read_in(table: &str) -> BTreeSet<String> {
        let node = madang_settings::parse(&file_with_a_stranger_in(table), "madang.toml".as_ref()).unwrap();
        let mut problems = Problems::new();
        let which = Which { admin: None, port_offset: 0 };
        Settings::read(&node, Path::new("."), &which, &mut problems);
        let stranger = problems.iter().find(|problem| problem.key.ends_with("zzzzzzzzzzzzzzzz"));
        let hint = stranger.and_then(|problem| problem.hint.clone()).unwrap_or_else(|| panic!("{table}: {problems}"));
        let keys = hint.strip_prefix("settings here are ").unwrap_or_else(|| panic!("{table}: {hint}"));
        keys.split(", ").map(|key| key.trim_matches('`').to_owned()).collect()
    }

    #[test]
    fn what_is_listed_is_what_is_read() {
        for table in tables().into_iter().chain([""]) {
            let inside = |key: &Key| {
                let rest = if table.is_empty() { key.key } else { key.key.strip_prefix(table)?.strip_prefix('.')? };
                Some(rest.split(['.', '[']).next().unwrap_or_default().to_owned())
            };
            let mut listed: BTreeSet<String> = keys().filter_map(inside).collect();
            if table == "services.NAME" {
                // It is `endpoints` or `command`, each read by its own part.
                listed.remove("endpoints");
            }
            assert_eq!(read_in(table), listed, "keys of `{table}`");
        }
    }

    #[test]
    fn keys_are_listed_once_and_in_one_voice() {
        let mut seen = BTreeSet::new();
        for key in keys() {
            assert!(seen.insert(key.key), "{} is listed twice", key.key);
            assert!(!key.meaning.ends_with('.') && key.meaning.len() > 8, "{}: {}", key.key, key.meaning);
            assert!(!key.kind.is_empty(), "{} has no kind", key.key);
        }
    }
}
