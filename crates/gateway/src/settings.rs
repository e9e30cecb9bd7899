//! What an operator sets: `[gateway]` and `[[routes]]`.

mod keys;

use std::collections::BTreeSet;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use madang_balance::{Member, Policy as Balance};
use madang_base::Name;
use madang_h1::Limits as HeadLimits;
use madang_route::{HostPattern, PathPattern, Rule, Table, ValueTest};
use madang_settings::{Fields, Node, Origin, Problems, Value};
use madang_upstream::{Directory, Watch};

use crate::breaker::BreakerSettings;
use crate::codes;
use crate::filter::{self, Filter};
use crate::forward::Trusted;
pub use keys::KEYS;

/// Checked settings of the gateway.
#[derive(Clone)]
pub struct Settings {
    /// `gateway.workers`: threads that serve requests; 1 to 256, by default one per core. *Restart.*
    pub workers: usize,
    /// `gateway.access_log`: where one JSON line per request goes; `"off"` by default. *Restart.*
    pub access_log: AccessLog,
    /// `gateway.trusted_proxies`: peers whose forwarded headers are believed; none by default.
    pub trusted: Trusted,
    /// `gateway.limits`
    pub limits: Limits,
    /// `gateway.timeouts`
    pub timeouts: Timeouts,
    /// `gateway.requests`
    pub requests: KeptRequests,
    /// `routes`, as written.
    pub routes: Vec<RouteSettings>,
}

/// Where the access log goes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum AccessLog {
    /// Nowhere.
    #[default]
    Off,
    /// To standard output.
    Stdout,
    /// Appended to this file.
    File(PathBuf),
}

/// What a client can make large.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// `head` (64KiB) and `fields` (100): a request's head. Beyond: 431. The target may take 8 KiB: 414.
    pub head: HeadLimits,
    /// `body` (10MiB): a request's body, counted as it comes. Beyond: 413.
    pub body_bytes: u64,
    /// `connections` (10000): open client connections, shared evenly by the workers. Beyond: new ones wait. *Restart.*
    pub connections: usize,
}

/// How long the gateway waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeouts {
    /// `idle` (75s): for the next request on a connection; then it is closed silently.
    pub idle: Duration,
    /// `head` (10s): for a request's head once its first byte came; then 408.
    pub head: Duration,
    /// `body` (60s): for the next byte of a body, either way; then the connection is cut.
    pub body_idle: Duration,
    /// `tunnel` (1h): for the next byte after an upgrade, either way.
    pub tunnel_idle: Duration,
}

/// Which requests can be explained afterwards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptRequests {
    /// `slow` (1s): a request that takes this long, from its head to the last byte of its answer, is kept as those that
    /// failed are. 1ms to 1d. Upgraded connections and server-sent events are never slow.
    pub slow: Duration,
    /// `keep` (500): failed and slow requests kept in memory, shared evenly by the workers; the newest stay. 0 to 10000.
    pub keep: usize,
}

/// One route.
#[derive(Clone)]
pub struct RouteSettings {
    /// What it matches, and its id.
    pub rule: Rule,
    /// Where it stands.
    pub origin: Origin,
    /// `to`; absent only when a filter answers.
    pub to: Option<To>,
    pub(crate) filters: Vec<Arc<dyn Filter>>,
    /// `policy`
    pub policy: Policy,
}

/// Where a route leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum To {
    /// `service://NAME`
    Service(Name),
    /// `http://HOST:PORT`, looked up when the settings were read.
    Url {
        /// As written.
        text: String,
        /// What the name stood for.
        addresses: Vec<SocketAddr>,
    },
}

/// How the call of a route is made.
#[derive(Debug, Clone)]
pub struct Policy {
    /// `timeout` (30s): from the request's head to the answer's, all attempts together; then 504.
    pub timeout: Duration,
    /// `retry`: answers that are tried again.
    pub retry: Retry,
    /// `balance`: `"peak_ewma"` (default) or another policy of `balance` that takes no key.
    pub balance: Balance,
    /// `breaker`: cuts calls off that keep failing; none by default.
    pub breaker: Option<BreakerSettings>,
}

/// Which answers are tried again, and how often. Failed connections need no policy: they always go elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retry {
    /// `attempts` (0): tries after the first.
    pub attempts: u32,
    /// `on` (502, 503, 504): statuses.
    pub statuses: Vec<u16>,
    /// `methods` (GET, HEAD, PUT, DELETE, OPTIONS).
    pub methods: Vec<String>,
}

impl std::fmt::Display for To {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Service(name) => write!(f, "service://{name}"),
            Self::Url { text, .. } => f.write_str(text),
        }
    }
}

impl To {
    /// The endpoints it stands for, always current; `route` leads there.
    pub(crate) fn watch(&self, directory: &Directory, route: &Name) -> Watch {
        match self {
            Self::Service(name) => directory.watch(name),
            Self::Url { text, addresses } => {
                // Always ready, because nobody tells us otherwise.
                let members = addresses.iter().map(|address| Member::new(address.to_string(), *address));
                directory.fixed(text, route, members.collect())
            }
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { head: HeadLimits::default(), body_bytes: 10 * 1024 * 1024, connections: 10_000 }
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            idle: Duration::from_secs(75),
            head: Duration::from_secs(10),
            body_idle: Duration::from_secs(60),
            tunnel_idle: Duration::from_secs(3_600),
        }
    }
}

impl Default for KeptRequests {
    fn default() -> Self {
        Self { slow: Duration::from_secs(1), keep: 500 }
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self { timeout: Duration::from_secs(30), retry: Retry::default(), balance: Balance::default(), breaker: None }
    }
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            attempts: 0,
            statuses: vec![502, 503, 504],
            methods: ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"].map(str::to_owned).to_vec(),
        }
    }
}

impl Retry {
    pub(crate) fn covers(&self, method: &str, status: u16) -> bool {
        self.statuses.contains(&status) && self.methods.iter().any(|covered| covered == method)
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            workers: std::thread::available_parallelism().map_or(1, usize::from),
            access_log: AccessLog::Off,
            trusted: Trusted::default(),
            limits: Limits::default(),
            timeouts: Timeouts::default(),
            requests: KeptRequests::default(),
            routes: Vec::new(),
        }
    }
}

impl Settings {
    /// Reads `gateway` and `routes` of the root table. `services` are the names a route may lead to; a relative
    /// path of the access log is below `base`.
    pub fn read(root: &mut Fields<'_>, services: &BTreeSet<Name>, base: &Path, problems: &mut Problems) -> Self {
        let mut settings = Self::default();
        if let Some(mut gateway) = root.table("gateway", problems) {
            settings.read_gateway(&mut gateway, base, problems);
            gateway.finish(problems);
        }
        for (key, node) in root.items("routes") {
            if let Some(mut fields) = Fields::new(node, &key, problems) {
                let route = RouteSettings::read(&mut fields, services, problems);
                fields.finish(problems);
                settings.routes.extend(route);
            }
        }
        settings.check_routes(problems);
        settings
    }

    fn read_gateway(&mut self, gateway: &mut Fields<'_>, base: &Path, problems: &mut Problems) {
        set(&mut self.workers, gateway.integer("workers", 1..=256, problems));
        if let Some(text) = gateway.string("access_log", problems) {
            self.access_log = match text.as_str() {
                "off" => AccessLog::Off,
                "stdout" => AccessLog::Stdout,
                path => AccessLog::File(base.join(path)),
            };
        }
        if let Some(networks) = gateway.strings("trusted_proxies", problems) {
            match Trusted::parse(&networks) {
                Ok(trusted) => self.trusted = trusted,
                Err(text) => {
                    let message = format!("`{text}` is neither an address nor a network");
                    gateway
                        .report(&codes::BAD_NETWORK, "trusted_proxies", message, problems)
                        .hint("for example `trusted_proxies = [\"10.0.0.0/8\"]`");
                }
            }
        }
        if let Some(mut limits) = gateway.table("limits", problems) {
            let head = limits.size_in("head", 1_024..=1_048_576, problems);
            set(&mut self.limits.head.head_bytes, head.and_then(|bytes| usize::try_from(bytes).ok()));
            set(&mut self.limits.head.fields, limits.integer("fields", 8..=128, problems));
            set(&mut self.limits.body_bytes, limits.size("body", problems));
            set(&mut self.limits.connections, limits.integer("connections", 1..=1_000_000, problems));
            limits.finish(problems);
        }
        if let Some(mut timeouts) = gateway.table("timeouts", problems) {
            let range = Duration::from_millis(1)..=Duration::from_secs(7 * 86_400);
            set(&mut self.timeouts.idle, timeouts.duration_in("idle", range.clone(), problems));
            set(&mut self.timeouts.head, timeouts.duration_in("head", range.clone(), problems));
            set(&mut self.timeouts.body_idle, timeouts.duration_in("body", range.clone(), problems));
            set(&mut self.timeouts.tunnel_idle, timeouts.duration_in("tunnel", range, problems));
            timeouts.finish(problems);
        }
        if let Some(mut requests) = gateway.table("requests", problems) {
            let range = Duration::from_millis(1)..=Duration::from_secs(86_400);
            set(&mut self.requests.slow, requests.duration_in("slow", range, problems));
            set(&mut self.requests.keep, requests.integer("keep", 0..=10_000, problems));
            requests.finish(problems);
        }
    }

    /// What can only be said about all routes together.
    fn check_routes(&self, problems: &mut Problems) {
        let mut seen: Vec<&RouteSettings> = Vec::new();
        for (index, route) in self.routes.iter().enumerate() {
            if let Some(first) = seen.iter().find(|first| first.rule.id == route.rule.id) {
                problems
                    .error(
                        &codes::DUPLICATE_ROUTE,
                        format!("routes.{index}.id"),
                        format!("route id `{}` is used twice", route.rule.id),
                    )
                    .at(&route.origin)
                    .related("the first one", &first.origin)
                    .hint("give each route an id of its own");
                return;
            }
            seen.push(route);
        }
        let table = Table::compile(self.routes.iter().map(|route| route.rule.clone()).collect());
        for shadow in table.shadows() {
            let (route, by) = (&self.routes[shadow.rule], &self.routes[shadow.by]);
            problems
                .warning(
                    &madang_route::codes::SHADOWED,
                    format!("routes.{}", shadow.rule),
                    format!(
                        "route `{}` is never chosen: `{}` matches everything it does and comes first",
                        route.rule.id, by.rule.id
                    ),
                )
                .at(&route.origin)
                .related(format!("`{}`", by.rule.id), &by.origin)
                .hint("make one of them more specific, or remove one");
        }
    }
}

impl RouteSettings {
    fn read(fields: &mut Fields<'_>, services: &BTreeSet<Name>, problems: &mut Problems) -> Option<Self> {
        let origin = fields.table_origin().clone();
        let id = fields.name("id", problems);
        if fields.origin("id").is_none() {
            fields.missing("id", "\"orders\"", problems);
        }
        let mut rule = Rule::new(id.unwrap_or_else(|| Name::parse("unnamed").expect("a valid name")));
        if let Some(mut tests) = fields.table("match", problems) {
            read_match(&mut rule, &mut tests, problems);
            tests.finish(problems);
        } else if fields.origin("match").is_none() {
            fields.missing("match", "{ path = \"/orders/**\" }", problems);
        }
        let filters: Vec<_> =
            fields.items("filters").iter().filter_map(|(key, node)| filter::read(node, key, problems)).collect();
        let to = match fields.string("to", problems) {
            Some(text) => read_to("to", &text, fields, services, problems),
            None => {
                if fields.origin("to").is_none() && !filters.iter().any(|filter| filter.answers()) {
                    fields.missing("to", "\"service://orders\"", problems);
                }
                None
            }
        };
        let mut policy = Policy::default();
        if let Some(mut fields) = fields.table("policy", problems) {
            read_policy(&mut policy, &mut fields, services, problems);
            fields.finish(problems);
        }
        Some(Self { rule, origin, to, filters, policy })
    }
}

fn read_match(rule: &mut Rule, tests: &mut Fields<'_>, problems: &mut Problems) {
    if let Some(text) = tests.string("path", problems) {
        match PathPattern::parse(&text) {
            Ok(pattern) => rule.path = Some(pattern),
            Err(error) => {
                tests.report(error.code(), "path", error.to_string(), problems).hint(error.hint());
            }
        }
    }
    for text in tests.strings("host", problems).unwrap_or_default() {
        match HostPattern::parse(&text) {
            Ok(pattern) => rule.hosts.push(pattern),
            Err(error) => {
                tests.report(error.code(), "host", error.to_string(), problems).hint(error.hint());
            }
        }
    }
    for method in tests.strings("method", problems).unwrap_or_default() {
        if let Err(error) = madang_route::check_method(&method) {
            tests.report(error.code(), "method", error.to_string(), problems).hint(error.hint());
        }
        rule.methods.push(method);
    }
    rule.headers = read_values("header", tests, str::to_ascii_lowercase, problems);
    rule.queries = read_values("query", tests, str::to_owned, problems);
}

/// A table of names; `true` asks for presence, a text is a regular expression for the whole value.
fn read_values(
    key: &'static str,
    tests: &mut Fields<'_>,
    fold: impl Fn(&str) -> String,
    problems: &mut Problems,
) -> Vec<(String, ValueTest)> {
    let mut values = Vec::new();
    let Some(mut table) = tests.table(key, problems) else { return values };
    let entries: Vec<(&str, &Node)> = table.entries().collect();
    for (name, node) in entries {
        let test = match &node.value {
            Value::Bool(true) => Ok(ValueTest::Present),
            Value::String(pattern) => ValueTest::matching(pattern).map_err(|error| error.to_string()),
            _ => Err("a test is `true` (present) or a regular expression in quotes".to_owned()),
        };
        match test {
            Ok(test) => values.push((fold(name), test)),
            Err(message) => {
                problems
                    .error(&madang_route::codes::VALUE_TEST, table.key(name), message)
                    .at(&node.origin)
                    .hint(format!("for example `{key} = {{ {name} = \"yes|no\" }}`"));
            }
        }
    }
    values
}

/// A target as the text of `key`.
pub(crate) fn read_to(
    key: &'static str,
    text: &str,
    fields: &Fields<'_>,
    services: &BTreeSet<Name>,
    problems: &mut Problems,
) -> Option<To> {
    if let Some(name) = text.strip_prefix("service://") {
        let name = name.trim_end_matches('/');
        if let Some(service) = services.iter().find(|service| service.as_str().eq_ignore_ascii_case(name)) {
            return Some(To::Service(service.clone()));
        }
        let Ok(service) = Name::parse(name) else {
            let message = format!("`{name}` is not the name of a service");
            fields
                .report(&codes::BAD_TARGET, key, message, problems)
                .hint("1 to 63 letters, digits, `-`, `_` and `.`, as in `service://orders`");
            return None;
        };
        // It may register itself, so it is no error.
        let hint = match madang_base::nearest(name, services.iter().map(Name::as_str)) {
            Some(meant) => {
                format!("did you mean `service://{meant}`? if not, it answers 503 until one registers itself")
            }
            None => format!("it answers 503 until one registers itself; or define it under `[services.{name}]`"),
        };
        let message = format!("this file has no service `{name}`");
        let problem = problems.warning(&codes::UNKNOWN_SERVICE, fields.key(key), message).hint(hint);
        if let Some(origin) = fields.origin(key) {
            problem.at(origin);
        }
        return Some(To::Service(service));
    }
    let mut refuse = |message: String, hint: &str| {
        fields.report(&codes::BAD_TARGET, key, message, problems).hint(hint);
        None
    };
    let Some(authority) = text.strip_prefix("http://") else {
        let hint = "write `service://NAME` or `http://HOST:PORT`";
        return refuse(format!("`{text}` is not a target the gateway can call"), hint);
    };
    let authority = authority.strip_suffix('/').unwrap_or(authority);
    if authority.contains(['/', '?', '#', '@']) || authority.is_empty() {
        return refuse(
            format!("`{text}` has more than a host and a port"),
            "the request's own path is sent; change it with the filter `strip_prefix`",
        );
    }
    let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let with_port = if has_port { authority.to_owned() } else { format!("{authority}:80") };
    match with_port.to_socket_addrs() {
        Ok(addresses) => {
            let mut addresses: Vec<SocketAddr> = addresses.collect();
            addresses.dedup();
            Some(To::Url { text: text.to_owned(), addresses })
        }
        Err(error) => {
            refuse(format!("`{authority}` cannot be looked up: {error}"), "check the name, or use an address")
        }
    }
}

fn read_policy(policy: &mut Policy, fields: &mut Fields<'_>, services: &BTreeSet<Name>, problems: &mut Problems) {
    let range = Duration::from_millis(1)..=Duration::from_secs(86_400);
    set(&mut policy.timeout, fields.duration_in("timeout", range, problems));
    if let Some(name) = fields.string("balance", problems) {
        match Balance::parse(&name) {
            Ok(balance) if balance.takes_key() => {
                let message = format!("`{name}` decides by a key, which the gateway does not give it yet");
                fields
                    .report(&madang_settings::codes::BAD_VALUE, "balance", message, problems)
                    .hint("for example `least_request`");
            }
            Ok(balance) => policy.balance = balance,
            Err(error) => {
                fields.report(&madang_settings::codes::BAD_VALUE, "balance", error.to_string(), problems);
            }
        }
    }
    if let Some(mut retry) = fields.table("retry", problems) {
        policy.retry.attempts = retry.integer("attempts", 0..=10, problems).unwrap_or(1);
        set(&mut policy.retry.statuses, read_statuses("on", &mut retry, problems));
        set(&mut policy.retry.methods, retry.strings("methods", problems));
        retry.finish(problems);
    }
    if let Some(mut breaker) = fields.table("breaker", problems) {
        policy.breaker = Some(BreakerSettings::read(&mut breaker, services, problems));
        breaker.finish(problems);
    }
}

/// A list of statuses, if it is written.
pub(crate) fn read_statuses(name: &'static str, fields: &mut Fields<'_>, problems: &mut Problems) -> Option<Vec<u16>> {
    fields.node(name)?;
    Some(fields.items(name).iter().filter_map(|(key, node)| read_status(key, node, problems)).collect())
}

fn read_status(key: &str, node: &Node, problems: &mut Problems) -> Option<u16> {
    let status = match node.value {
        Value::Integer(number) => u16::try_from(number).ok().filter(|status| (400..=599).contains(status)),
        _ => None,
    };
    if status.is_none() {
        problems
            .error(&madang_settings::codes::BAD_VALUE, key, "a failing status is a number from 400 to 599".to_owned())
            .at(&node.origin)
            .hint("for example `on = [502, 503]`");
    }
    status
}

pub(crate) fn set<T>(slot: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *slot = value;
    }
}
