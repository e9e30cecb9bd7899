//! `[services.NAME]` with a `command`: what to run, how many, how to tell that it works, how it stops.
//!
//! Everything is *live*: a changed command, folder or environment replaces the instances one after the other, the rest
//! applies to those that run.

mod command;
mod keys;

use std::{
    ops::RangeInclusive,
    path::{Path, PathBuf},
    time::Duration,
};

use madang_base::Name;
use madang_settings::{Fields, Node, Origin, Problems, Value, dotted};

pub use self::command::CommandError;
use self::command::split;
pub use self::keys::KEYS;
use crate::{codes, keeper::protocol::OnLoss};

/// The most instances of one service.
pub const MAX_INSTANCES: u32 = 500;

/// Variables that every instance gets from Madang; nobody else may set them.
pub(crate) const GIVEN: [&str; 4] = ["PORT", "MADANG_SERVICE", "MADANG_INSTANCE", crate::keeper::MARK];

const MILLISECOND: Duration = Duration::from_millis(1);
const HOUR: Duration = Duration::from_secs(3600);

/// All services that Madang runs.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// In written order, which is also the order of starting; stopping goes backwards.
    pub services: Vec<Service>,
}

impl Settings {
    /// Reads the table `services`, in which every entry has a `command`. `base` is the folder relative paths count
    /// from: that of the settings file.
    pub fn read(services: &Node, base: &Path, problems: &mut Problems) -> Self {
        let mut all = Vec::new();
        let Some(mut fields) = Fields::new(services, "services", problems) else { return Self::default() };
        let mut seen: Vec<(Name, &Node)> = Vec::new();
        let entries: Vec<_> = fields.entries().collect();
        for (name, node) in entries {
            match Name::parse(name) {
                Ok(name) => {
                    // Names are folded: `Orders` and `orders` are two keys and one service.
                    if let Some((_, first)) = seen.iter().find(|(other, _)| *other == name) {
                        let problem = problems.error(
                            &codes::SERVICE,
                            dotted("services", name.as_str()),
                            format!("service `{name}` is there twice"),
                        );
                        problem
                            .at(&node.origin)
                            .related("first here", &first.origin)
                            .hint("upper and lower case are the same name; rename one");
                        continue;
                    }
                    seen.push((name.clone(), node));
                    all.extend(Service::read(&name, node, base, problems));
                }
                Err(error) => {
                    let problem = problems.error(
                        &codes::SERVICE,
                        dotted("services", name),
                        format!("not a service name: {error}"),
                    );
                    problem.at(&node.origin).hint("for example `orders`");
                }
            }
        }
        Self { services: all }
    }
}

/// One service that Madang runs.
#[derive(Debug, Clone)]
pub struct Service {
    /// Its name, unique.
    pub name: Name,
    /// Program and arguments; run without a shell. A text is split at blanks outside of quotes.
    pub command: Vec<String>,
    /// Where it runs, and where a program with a `/` in its name is looked for. Default: the folder of the settings file.
    pub dir: PathBuf,
    /// How many instances. A number, or `{ min = 2, max = 6 }` of which `min` run. Default 1; 0 to 500.
    pub instances: Instances,
    /// Variables added to Madang's own environment.
    pub env: Vec<(String, String)>,
    /// How to tell that an instance works. Default: its port accepts connections.
    pub health: Health,
    /// How it is stopped.
    pub stop: Stop,
    /// How long to wait before an instance that ended is started again.
    pub restart: Restart,
    /// Its log files.
    pub logs: Logs,
    /// What becomes of it when Madang itself is killed. Default: `up` stops it, `serve` keeps it.
    pub on_loss: Option<OnLoss>,
    /// Where `command` was written.
    pub origin: Origin,
}

/// How many instances a service has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instances {
    /// As many run.
    pub min: u32,
    /// The most that scaling may ask for.
    pub max: u32,
}

/// A question asked again and again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// What is asked.
    pub probe: Probe,
    /// Between two checks of an instance that was healthy once. Default 2 s; 10 ms to 1 h. Until then it is every 100 ms.
    pub interval: Duration,
    /// How long an answer may take. Default 1 s; 1 ms to 1 h.
    pub timeout: Duration,
    /// After this time without a success an instance counts as unhealthy and says why. Default 30 s; 1 ms to 1 h.
    pub start_timeout: Duration,
    /// So many failures in a row make a healthy instance unhealthy. Default 3; 1 to 100.
    pub failures: u32,
}

/// What a check asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probe {
    /// Does the port accept a connection?
    Tcp,
    /// Does `GET` of this path answer 2xx or 3xx?
    Http(String),
}

/// How a service is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stop {
    /// Between the polite request (TERM) and the end (KILL), both to the whole process group. Default 10 s; 0 to 1 h.
    pub grace: Duration,
}

/// How an instance that ended is started again: soon, and later each time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Restart {
    /// Before the first restart, at most. Default 100 ms; 1 ms to 1 h. It doubles each time, less up to half by chance.
    pub first: Duration,
    /// Before any restart, at most. Default 30 s; 1 ms to 1 h.
    pub most: Duration,
    /// After so much time healthy, the next restart is a first one again. Default 10 s; 0 to 1 h.
    pub reset_after: Duration,
}

/// Log files of each instance, in the data folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Logs {
    /// A file that would grow beyond this is put aside. Default 10 MiB; 1 KiB to 16 GiB.
    pub max_size: u64,
    /// So many files put aside are kept. Default 3; 0 to 100.
    pub keep: u32,
}

impl Default for Instances {
    fn default() -> Self {
        Self { min: 1, max: MAX_INSTANCES }
    }
}

impl Default for Health {
    fn default() -> Self {
        Self {
            probe: Probe::Tcp,
            interval: Duration::from_secs(2),
            timeout: Duration::from_secs(1),
            start_timeout: Duration::from_secs(30),
            failures: 3,
        }
    }
}

impl Default for Stop {
    fn default() -> Self {
        Self { grace: Duration::from_secs(10) }
    }
}

impl Default for Restart {
    fn default() -> Self {
        Self { first: Duration::from_millis(100), most: Duration::from_secs(30), reset_after: Duration::from_secs(10) }
    }
}

impl Default for Logs {
    fn default() -> Self {
        Self { max_size: 10 << 20, keep: 3 }
    }
}

impl Service {
    /// A service with defaults everywhere, as one line in the settings would make it.
    #[must_use]
    pub fn new(name: Name, command: Vec<String>, dir: PathBuf, origin: Origin) -> Self {
        Self {
            name,
            command,
            dir,
            instances: Instances::default(),
            env: Vec::new(),
            health: Health::default(),
            stop: Stop::default(),
            restart: Restart::default(),
            logs: Logs::default(),
            on_loss: None,
            origin,
        }
    }

    /// Reads `services.NAME`. None when it has no usable command; what else is wrong is reported and has its default.
    pub fn read(name: &Name, node: &Node, base: &Path, problems: &mut Problems) -> Option<Self> {
        let key = dotted("services", name.as_str());
        let mut fields = Fields::new(node, &key, problems)?;
        let command = read_command(&mut fields, problems);
        let origin = fields.origin("command").unwrap_or(fields.table_origin()).clone();
        let dir = fields.string("dir", problems).map_or_else(|| base.to_owned(), |dir| base.join(dir));
        let dir = std::path::absolute(&dir).unwrap_or(dir);
        let service = Self {
            instances: read_instances(&mut fields, problems),
            env: read_env(&mut fields, problems),
            health: read_health(&mut fields, problems),
            stop: read_stop(&mut fields, problems),
            restart: read_restart(&mut fields, problems),
            logs: read_logs(&mut fields, problems),
            on_loss: fields.choice("on_loss", &[("stop", OnLoss::Stop), ("keep", OnLoss::Keep)], problems),
            ..Self::new(name.clone(), command.clone().unwrap_or_default(), dir, origin)
        };
        fields.finish(problems);
        command.map(|_| service)
    }

    /// Whether a process started for `other` is a process of this service too. Everything else changes in place.
    #[must_use]
    pub fn same_process(&self, other: &Self) -> bool {
        self.command == other.command && self.dir == other.dir && self.env == other.env
    }
}

fn read_command(fields: &mut Fields<'_>, problems: &mut Problems) -> Option<Vec<String>> {
    const EXAMPLE: &str = "\"node orders.js\"";
    let Some(node) = fields.node("command") else {
        fields.missing("command", EXAMPLE, problems);
        return None;
    };
    if matches!(node.value, Value::Array(_)) {
        let words = fields.strings("command", problems)?;
        if words.first().is_none_or(String::is_empty) {
            let problem = fields.report(&codes::COMMAND, "command", CommandError::Empty.to_string(), problems);
            problem.hint(format!("for example `command = {EXAMPLE}`"));
            return None;
        }
        return Some(words);
    }
    let text = fields.string("command", problems)?;
    match split(&text) {
        Ok(words) => Some(words),
        Err(error) => {
            let hint = match &error {
                CommandError::Shell(_) => {
                    "run one on purpose: `command = [\"sh\", \"-c\", \"exec …\"]`, with `exec` before the service itself"
                }
                CommandError::Quote(_) | CommandError::Escape => {
                    "close it, or write the words as a list: `command = [\"node\", \"orders.js\"]`"
                }
                CommandError::Empty => "for example `command = \"node orders.js\"`",
            };
            fields.report(&codes::COMMAND, "command", error.to_string(), problems).hint(hint);
            None
        }
    }
}

fn read_instances(fields: &mut Fields<'_>, problems: &mut Problems) -> Instances {
    const RANGE: RangeInclusive<u32> = 0..=MAX_INSTANCES;
    if let Some(Node { value: Value::Table(_), .. }) = fields.node("instances") {
        let Some(mut table) = fields.table("instances", problems) else { return Instances::default() };
        let min = table.integer("min", RANGE, problems);
        let max = table.integer("max", RANGE, problems);
        let min = min.unwrap_or_else(|| max.map_or(1, |max| max.min(1)));
        let max = max.unwrap_or(MAX_INSTANCES);
        if max < min {
            let message = format!("`{}` is {max} and less than `min`, which is {min}", table.key("max"));
            table.report(&codes::SERVICE, "max", message, problems).hint(format!("write `max = {min}` or more"));
        }
        table.finish(problems);
        return Instances { min, max: max.max(min) };
    }
    // A count by hand is no promise about the future: `scale` may go anywhere.
    let min = fields.integer("instances", RANGE, problems);
    min.map_or_else(Instances::default, |min| Instances { min, ..Instances::default() })
}

fn read_env(fields: &mut Fields<'_>, problems: &mut Problems) -> Vec<(String, String)> {
    let mut env = Vec::new();
    let Some(mut table) = fields.table("env", problems) else { return env };
    let entries: Vec<_> = table.entries().collect();
    for (name, node) in entries {
        let value = match &node.value {
            Value::String(text) => text.clone(),
            // A variable is text in the end; a number or a flag can only mean one text.
            Value::Integer(number) => number.to_string(),
            Value::Bool(value) => value.to_string(),
            Value::Float(_) | Value::Array(_) | Value::Table(_) => {
                let message = format!("`{}` must be a text", table.key(name));
                let problem = problems.error(&madang_settings::codes::WRONG_TYPE, table.key(name), message);
                problem.at(&node.origin).hint(format!("for example `{name} = \"text\"`"));
                continue;
            }
        };
        if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
            let message = format!("`{}` cannot be in an environment", name.escape_debug());
            let problem = problems.error(&codes::SERVICE, table.key(name), message);
            problem
                .at(&node.origin)
                .hint("a name is not empty and has no `=`; neither name nor value have a zero byte");
            continue;
        }
        if GIVEN.contains(&name) {
            let problem = problems.error(
                &codes::SERVICE,
                table.key(name),
                format!("`{name}` is given by Madang, each instance has its own"),
            );
            problem
                .at(&node.origin)
                .hint("take it out; a service with a fixed address has `endpoints` instead of a `command`");
            continue;
        }
        env.push((name.to_owned(), value));
    }
    env
}

fn read_health(fields: &mut Fields<'_>, problems: &mut Problems) -> Health {
    let mut health = Health::default();
    match fields.node("health") {
        None => {}
        Some(Node { value: Value::Table(_), .. }) => {
            let Some(mut table) = fields.table("health", problems) else { return health };
            let path = table.string("path", problems);
            let tcp = table.boolean("tcp", problems);
            match (path, tcp) {
                (Some(_), Some(true)) => {
                    let message = "a check is either `path` or `tcp`";
                    table.report(&codes::SERVICE, "tcp", message, problems).hint("take one of the two out");
                }
                (Some(path), _) => health.probe = read_probe(&path, &table, "path", problems),
                (None, Some(false)) => {
                    let message = "`tcp = false` leaves nothing to check";
                    table.report(&codes::SERVICE, "tcp", message, problems).hint("for example `path = \"/health\"`");
                }
                (None, _) => {}
            }
            let range = MILLISECOND..=HOUR;
            health.interval =
                table.duration_in("interval", MILLISECOND * 10..=HOUR, problems).unwrap_or(health.interval);
            health.timeout = table.duration_in("timeout", range.clone(), problems).unwrap_or(health.timeout);
            health.start_timeout = table.duration_in("start_timeout", range, problems).unwrap_or(health.start_timeout);
            health.failures = table.integer("failures", 1..=100, problems).unwrap_or(health.failures);
            table.finish(problems);
        }
        Some(_) => {
            if let Some(text) = fields.string("health", problems) {
                health.probe = read_probe(&text, fields, "health", problems);
            }
        }
    }
    health
}

fn read_probe(text: &str, fields: &Fields<'_>, name: &str, problems: &mut Problems) -> Probe {
    if text == "tcp" && name == "health" {
        return Probe::Tcp;
    }
    let valid = text.starts_with('/') && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
    if !valid {
        let message = format!("`{}` is neither a path nor `tcp`", text.escape_debug());
        let problem = fields.report(&codes::HEALTH, name, message, problems);
        problem.hint(format!("for example `{name} = \"/health\"`; a blank in it is `%20`"));
        return Probe::Tcp;
    }
    Probe::Http(text.to_owned())
}

fn read_stop(fields: &mut Fields<'_>, problems: &mut Problems) -> Stop {
    let mut stop = Stop::default();
    if let Some(mut table) = fields.table("stop", problems) {
        stop.grace = table.duration_in("grace", Duration::ZERO..=HOUR, problems).unwrap_or(stop.grace);
        table.finish(problems);
    }
    stop
}

fn read_restart(fields: &mut Fields<'_>, problems: &mut Problems) -> Restart {
    let mut restart = Restart::default();
    if let Some(mut table) = fields.table("restart", problems) {
        restart.first = table.duration_in("first", MILLISECOND..=HOUR, problems).unwrap_or(restart.first);
        restart.most =
            table.duration_in("most", MILLISECOND..=HOUR, problems).unwrap_or(restart.most.max(restart.first));
        restart.reset_after =
            table.duration_in("reset_after", Duration::ZERO..=HOUR, problems).unwrap_or(restart.reset_after);
        if restart.most < restart.first {
            let message = "`most` is shorter than `first`";
            table.report(&codes::SERVICE, "most", message, problems).hint("`first` doubles until it reaches `most`");
        }
        table.finish(problems);
    }
    restart
}

fn read_logs(fields: &mut Fields<'_>, problems: &mut Problems) -> Logs {
    let mut logs = Logs::default();
    if let Some(mut table) = fields.table("logs", problems) {
        logs.max_size = table.size_in("max_size", 1 << 10..=16 << 30, problems).unwrap_or(logs.max_size);
        logs.keep = table.integer("keep", 0..=100, problems).unwrap_or(logs.keep);
        table.finish(problems);
    }
    logs
}

#[cfg(test)]
mod tests;
