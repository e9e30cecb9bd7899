//! Who may use the admin API, and where it listens.

use std::net::SocketAddr;

use madang_serve::Guard;
use madang_settings::{Fields, Key, Problems};

use crate::codes;
use crate::token::Token;

/// `[admin]`, and the address from `[listen]`. All keys are *restart* keys.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settings {
    /// `listen.admin`: the address, or none when it is off.
    pub listen: Option<SocketAddr>,
    /// `admin.token`: what requests must bring as `Authorization: Bearer`, also on loopback. None by default, and
    /// needed when `listen.admin` is not a loopback address.
    pub token: Option<Token>,
    /// `admin.hosts`: further names this API is reached under, `name` or `name:port`. None by default.
    pub hosts: Vec<String>,
}

/// What is read here.
#[rustfmt::skip] // a row is a line
pub const KEYS: &[Key] = &[
    Key::restart("admin.token", "text of 16 characters or more", "", "what requests to the admin API must bring as `Authorization: Bearer`; needed off loopback"),
    Key::restart("admin.hosts", "text or list: `name` or `name:port`", "[]", "further names the admin API is reached under"),
];

impl Settings {
    /// Reads `admin` of the root table; `listen` is the address `listen.admin` gave.
    pub fn read(root: &mut Fields<'_>, listen: Option<SocketAddr>, problems: &mut Problems) -> Self {
        let mut settings = Self { listen, ..Self::default() };
        let mut has_token = false;
        if let Some(mut fields) = root.table("admin", problems) {
            has_token = fields.origin("token").is_some();
            settings.token = read_token(&mut fields, problems);
            settings.hosts = read_hosts(&mut fields, problems);
            fields.finish(problems);
        }
        // A token that cannot be used was reported already.
        if let Some(open) = listen.filter(|listen| !has_token && !listen.ip().to_canonical().is_loopback()) {
            let message = format!("the admin API would be open to the network on {open}, without a token");
            let problem = problems.error(&codes::TOKEN_NEEDED, "listen.admin", message).hint(
                "listen on 127.0.0.1, or set `admin.token` (variable `MADANG_ADMIN__TOKEN`; `openssl rand -hex 32` makes \
                 one)",
            );
            if let Some(node) = root.node("listen").and_then(|listen| listen.get("admin")) {
                problem.at(&node.origin);
            }
        }
        settings
    }
}

fn read_token(fields: &mut Fields<'_>, problems: &mut Problems) -> Option<Token> {
    let text = fields.string("token", problems)?;
    let token = Token::parse(&text);
    if let Err(error) = &token {
        let problem =
            fields.report(&codes::TOKEN_INVALID, "token", format!("`admin.token` cannot be used: {error}"), problems);
        problem.hint("`openssl rand -hex 32` makes a good one");
    }
    token.ok()
}

fn read_hosts(fields: &mut Fields<'_>, problems: &mut Problems) -> Vec<String> {
    let mut hosts = fields.strings("hosts", problems).unwrap_or_default();
    hosts.retain(|host| {
        let is_host = Guard::is_host(host);
        if !is_host {
            let message = format!("`{host}` in `admin.hosts` is not a host");
            let problem = fields.report(&codes::HOST_INVALID, "hosts", message, problems);
            problem.hint("for example `hosts = [\"madang.example.com\"]`, without scheme, path or wildcard");
        }
        is_host
    });
    hosts
}

#[cfg(test)]
mod tests {
    use madang_settings::{Node, Origin, Value};

    use super::*;

    fn node(value: Value) -> Node {
        Node { value, origin: Origin::Flag("--set".to_owned()) }
    }

    fn text(text: &str) -> Node {
        node(Value::String(text.to_owned()))
    }

    /// Reads settings with these keys in `[admin]`; what was wrong, as codes.
    fn read(listen: Option<&str>, admin: Vec<(&str, Node)>) -> (Settings, Vec<&'static str>) {
        let admin = admin.into_iter().map(|(key, node)| (key.to_owned(), node)).collect();
        let root = node(Value::Table(vec![("admin".to_owned(), node(Value::Table(admin)))]));
        let mut problems = Problems::new();
        let mut fields = Fields::new(&root, "", &mut problems).unwrap();
        let settings = Settings::read(&mut fields, listen.map(|listen| listen.parse().unwrap()), &mut problems);
        fields.finish(&mut problems);
        (settings, problems.iter().map(|problem| problem.code.id).collect())
    }

    #[test]
    fn off_loopback_a_token_is_needed() {
        for (listen, token, expected) in [
            (None, None, &[][..]),
            (Some("127.0.0.1:7070"), None, &[]),
            (Some("127.0.0.2:7070"), None, &[]),
            (Some("[::1]:7070"), None, &[]),
            (Some("0.0.0.0:7070"), None, &["MD0403"]),
            (Some("[::]:7070"), None, &["MD0403"]),
            (Some("192.168.1.5:7070"), None, &["MD0403"]),
            (Some("[::ffff:192.168.1.5]:7070"), None, &["MD0403"]),
            (Some("0.0.0.0:7070"), Some("0123456789abcdef"), &[]),
            (Some("0.0.0.0:7070"), Some("short"), &["MD0404"]),
            (Some("127.0.0.1:7070"), Some("with a space in it"), &["MD0404"]),
        ] {
            let admin = token.map(|token| ("token", text(token))).into_iter().collect();
            assert_eq!(read(listen, admin).1, expected, "{listen:?} {token:?}");
        }
    }

    #[test]
    fn hosts_are_names_with_or_without_a_port() {
        for (host, expected) in [
            ("madang.example.com", &[][..]),
            ("10.0.0.7:7070", &[]),
            ("https://madang.example.com", &["MD0405"]),
            ("*.example.com", &["MD0405"]),
            ("", &["MD0405"]),
        ] {
            let (settings, found) = read(None, vec![("hosts", node(Value::Array(vec![text(host)])))]);
            assert_eq!(found, expected, "{host:?}");
            assert_eq!(settings.hosts.len(), usize::from(expected.is_empty()), "{host:?}");
        }
    }

    #[test]
    fn a_token_is_in_no_message() {
        let root = node(Value::Table(vec![(
            "admin".to_owned(),
            node(Value::Table(vec![("token".to_owned(), text("secret"))])),
        )]));
        let mut problems = Problems::new();
        let mut fields = Fields::new(&root, "", &mut problems).unwrap();
        Settings::read(&mut fields, None, &mut problems);
        assert_eq!(problems.len(), 1);
        assert!(!problems.to_string().contains("secret"), "{problems}");
    }
}
