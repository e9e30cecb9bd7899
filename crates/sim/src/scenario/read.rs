//! Reading a scenario file: every problem at once, each with its line.

use std::ops::RangeInclusive;
use std::time::Duration;

use madang_balance::{Ejection, FailurePercentage, Policy, PolicyError};
use madang_settings::{Fields, Node, Problems, Value, codes as problem_codes};

use super::{Arrivals, Clients, Group, Incident, Length, MOST_REQUESTS, MOST_SERVERS, Process, Retry, Scenario, Step};
use crate::{Distribution, codes};

const MICROSECOND: Duration = Duration::from_micros(1);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);
const YEAR: Duration = Duration::from_secs(365 * 86_400);
const DEFAULT_REQUESTS: u64 = 1_000_000;
/// One in this many parts of the run is warm-up, unless it is said otherwise.
const WARMUP_PART: u32 = 10;
const SLOW: RangeInclusive<f64> = 0.001..=100_000.0;
/// Groups of servers.
const MOST_GROUPS: usize = 1_000;
/// Kinds of requests in one distribution.
const MOST_BRANCHES: usize = 100;

impl Scenario {
    /// Reads a scenario; `file_name` is its name unless it has one.
    ///
    /// None, and errors among the problems, when it cannot be run.
    pub fn read(node: &Node, file_name: &str, problems: &mut Problems) -> Option<Self> {
        let mut root = Fields::new(node, "", problems)?;
        let name = root.string("name", problems).unwrap_or_else(|| file_name.to_owned());
        let seed = root.integer("seed", 0..=1_u64 << 53, problems).unwrap_or(1);
        let requests = root.integer("requests", 1..=MOST_REQUESTS, problems);
        let duration = root.duration_in("duration", Duration::from_millis(1)..=YEAR, problems);
        if requests.is_some() && duration.is_some() {
            let message = "`requests` and `duration` both say when the run ends";
            root.report(&problem_codes::BAD_VALUE, "duration", message, problems).hint("remove one of the two");
        }
        let length = match duration {
            Some(span) => Length::Duration(span),
            None => Length::Requests(requests.unwrap_or(DEFAULT_REQUESTS)),
        };
        let warmup = root.duration_in("warmup", Duration::ZERO..=YEAR, problems);
        let policy = read_policy(&mut root, problems);
        let ejection = read_ejection(&mut root, problems);
        let panic_percent = root.integer("panic_percent", 0..=100, problems).unwrap_or(0);
        let balancers = root.integer("balancers", 1..=64_u8, problems).unwrap_or(1);
        let timeout = root.duration_in("timeout", MICROSECOND..=DAY, problems);
        let retry = read_retry(&mut root, problems);
        let groups = read_groups(&mut root, problems);
        let capacity = groups.iter().flatten().map(Group::capacity).sum();
        let arrivals = read_arrivals(&mut root, capacity, problems);
        let scenario = match (policy, groups, arrivals) {
            (Some(policy), Some(groups), Some(arrivals)) => {
                let mut scenario = Self {
                    name,
                    seed,
                    length,
                    warmup: warmup.unwrap_or_default(),
                    policy,
                    ejection,
                    panic_percent,
                    balancers,
                    timeout,
                    retry,
                    arrivals,
                    groups,
                };
                if !problems.has_errors() {
                    check(&mut scenario, warmup, &root, problems);
                }
                Some(scenario)
            }
            _ => None,
        };
        root.finish(problems);
        scenario.filter(|_| !problems.has_errors())
    }
}

/// What can only be judged as a whole.
fn check(scenario: &mut Scenario, warmup: Option<Duration>, root: &Fields<'_>, problems: &mut Problems) {
    if scenario.servers() > MOST_SERVERS {
        let message = format!("{} servers are more than a run can have ({MOST_SERVERS})", scenario.servers());
        root.report(&codes::TOO_MUCH, "servers", message, problems).hint("lower a `count`");
    }
    #[allow(clippy::cast_precision_loss)] // 10^9
    if scenario.requests() > MOST_REQUESTS as f64 * 1.000_001 {
        let message = format!("about {:.0} requests would arrive; {MOST_REQUESTS} are the most", scenario.requests());
        root.report(&codes::TOO_MUCH, "duration", message, problems).hint("shorten the `duration`, or lower the rate");
    }
    let end = scenario.end();
    if end > YEAR {
        let message = "the requests would need more than a year to arrive";
        root.report(&codes::TOO_MUCH, "requests", message, problems).hint("lower `requests`, or raise the rate");
    }
    match warmup {
        Some(span) if span >= end => {
            let message =
                format!("`warmup` lasts as long as the run, {:.3} s: nothing would be measured", end.as_secs_f64());
            root.report(&codes::ORDER, "warmup", message, problems).hint("shorten it, or make the run longer");
        }
        Some(_) => {}
        None => scenario.warmup = end / WARMUP_PART,
    }
    let (rate, capacity) = (scenario.rate(), scenario.capacity());
    if rate >= capacity && scenario.groups.iter().any(|group| group.queue.is_none()) {
        let message = format!(
            "load exceeds capacity: {} requests a second arrive and all servers together can work on {}, so the queues \
             would grow without end",
            figure(rate),
            figure(capacity)
        );
        root.report(&codes::OVERLOAD, "arrivals", message, problems)
            .hint("lower the rate, add servers, or give every group a `queue` limit to see what is refused");
    }
}

/// With three digits behind the point when it is small.
fn figure(rate: f64) -> String {
    if rate >= 100.0 { format!("{rate:.0}") } else { format!("{rate:.3}") }
}

/// A name, or a table with it and the settings of the policy.
fn read_policy(root: &mut Fields<'_>, problems: &mut Problems) -> Option<Policy> {
    let words: Vec<(&str, Policy)> = Policy::all().iter().map(|policy| (policy.name(), *policy)).collect();
    let Some(node) = root.node("policy") else { return Some(Policy::default()) };
    if !matches!(node.value, Value::Table(_)) {
        return root.choice("policy", &words, problems);
    }
    let mut fields = Fields::new(node, "policy", problems)?;
    let chosen = fields.choice("name", &words, problems);
    if fields.origin("name").is_none() {
        fields.missing("name", "\"peak_ewma\"", problems);
    }
    // Keys of a policy nobody knows are not wrong on top of that.
    let mut policy = chosen?;
    for (key, node) in fields.entries().filter(|(key, _)| *key != "name") {
        let text = match &node.value {
            Value::String(text) => text.clone(),
            Value::Integer(number) => number.to_string(),
            Value::Float(number) => number.to_string(),
            Value::Bool(_) | Value::Array(_) | Value::Table(_) => "?".to_owned(),
        };
        if let Err(error) = policy.set(key, &text) {
            let (code, hint) = match &error {
                PolicyError::UnknownSetting { nearest: Some(meant), .. } => {
                    (&problem_codes::UNKNOWN_KEY, format!("did you mean `{meant}`?"))
                }
                PolicyError::Unknown { .. } | PolicyError::UnknownSetting { .. } => {
                    let keys: Vec<&str> = policy.settings().iter().map(|setting| setting.key).collect();
                    let all = if keys.is_empty() {
                        "nothing can be set of it".to_owned()
                    } else {
                        format!("its settings are {}", keys.join(", "))
                    };
                    (&problem_codes::UNKNOWN_KEY, all)
                }
                PolicyError::BadValue { key, .. } => {
                    let default = policy
                        .settings()
                        .iter()
                        .find(|setting| setting.key == *key)
                        .map_or("", |setting| setting.default);
                    (&problem_codes::BAD_VALUE, format!("for example `{key} = \"{default}\"`"))
                }
            };
            fields.report(code, key, error.to_string(), problems).hint(hint);
        }
    }
    Some(policy)
}

/// None without the table: nobody rests.
fn read_ejection(root: &mut Fields<'_>, problems: &mut Problems) -> Option<Ejection> {
    let mut fields = root.table("ejection", problems)?;
    let default = Ejection::default();
    let time = Duration::from_millis(1)..=DAY;
    let consecutive = fields.integer("consecutive_failures", 0..=u16::MAX, problems);
    let interval = fields.duration_in("interval", Duration::from_millis(1)..=HOUR, problems);
    let success_rate = fields.boolean("success_rate", problems).unwrap_or(true);
    let percentage = fields.integer("failure_percentage", 0..=100_u8, problems).unwrap_or(0);
    let base_time = fields.duration_in("base_time", time.clone(), problems).unwrap_or(default.base_time);
    let max_time = fields.duration_in("max_time", time, problems).unwrap_or(default.max_time.max(base_time));
    if max_time < base_time {
        let message = "`ejection.max_time` is shorter than `base_time`";
        fields.report(&problem_codes::OUT_OF_RANGE, "max_time", message, problems).hint("make it at least as long");
    }
    let max_percent = fields.integer("max_percent", 0..=100, problems).unwrap_or(default.max_percent);
    fields.finish(problems);
    Some(Ejection {
        consecutive_failures: consecutive.or(default.consecutive_failures).filter(|&failures| failures > 0),
        interval: interval.unwrap_or(default.interval),
        success_rate: default.success_rate.filter(|_| success_rate),
        failure_percentage: (percentage > 0)
            .then(|| FailurePercentage { threshold: percentage, ..FailurePercentage::default() }),
        base_time,
        max_time,
        max_percent,
    })
}

fn read_retry(root: &mut Fields<'_>, problems: &mut Problems) -> Retry {
    let Some(mut fields) = root.table("retry", problems) else { return Retry::default() };
    let attempts = fields.integer("attempts", 0..=10, problems).unwrap_or(1);
    let backoff = fields.duration_in("backoff", Duration::ZERO..=HOUR, problems).unwrap_or_default();
    fields.finish(problems);
    Retry { attempts, backoff }
}

fn read_arrivals(root: &mut Fields<'_>, capacity: f64, problems: &mut Problems) -> Option<Arrivals> {
    let Some(mut fields) = root.table("arrivals", problems) else {
        if root.origin("arrivals").is_none() {
            root.missing("arrivals", "{ rate = \"900/s\" }", problems);
        }
        return None;
    };
    let words = [("poisson", Process::Poisson), ("constant", Process::Constant), ("bursts", Process::Bursts(0))];
    let process = fields.choice("process", &words, problems).unwrap_or(Process::Poisson);
    let burst = fields.integer("burst", 1..=1_000_000, problems);
    let process = match (process, burst) {
        (Process::Bursts(_), size) => Process::Bursts(size.unwrap_or(10)),
        (other, None) => other,
        (other, Some(_)) => {
            let message = "`burst` has no meaning without `process = \"bursts\"`";
            fields.report(&problem_codes::BAD_VALUE, "burst", message, problems).hint("add that, or remove it");
            other
        }
    };
    let count = fields.integer("clients", 1..=1_000_000, problems).unwrap_or(10_000);
    let clients = Clients { count, skew: fields.float("client_skew", 0.0..=5.0, problems).unwrap_or(0.0) };
    let mut steps: Vec<Step> = Vec::new();
    if let Some(rate) = read_rate(&mut fields, capacity, problems) {
        steps.push(Step { at: Duration::ZERO, rate });
    }
    for (key, node) in fields.items("steps") {
        let Some(mut one) = Fields::new(node, &key, problems) else { continue };
        let at = one.duration_in("at", Duration::ZERO..=YEAR, problems);
        if one.origin("at").is_none() {
            one.missing("at", "\"10s\"", problems);
        }
        let rate = read_rate(&mut one, capacity, problems);
        if let (Some(at), Some(rate)) = (at, rate) {
            if steps.last().is_some_and(|last| at <= last.at) {
                let message = format!("`{key}` does not come after the step before it");
                one.report(&codes::ORDER, "at", message, problems)
                    .hint("write steps in the order of `at`, the first above 0");
            }
            steps.push(Step { at, rate });
        }
        one.finish(problems);
    }
    fields.finish(problems);
    (!steps.is_empty()).then_some(Arrivals { process, steps, clients })
}

/// `rate`, or `load` times the capacity.
fn read_rate(fields: &mut Fields<'_>, capacity: f64, problems: &mut Problems) -> Option<f64> {
    let text = fields.string("rate", problems);
    let load = fields.float("load", 0.000_001..=100.0, problems);
    let written = (fields.origin("rate").is_some(), fields.origin("load").is_some());
    match (written, text) {
        ((true, true), _) => {
            let message = format!("`{}` has both a `rate` and a `load`", fields.table_key());
            fields.report(&codes::RATE, "load", message, problems).hint("remove one of the two");
            None
        }
        ((false, false), _) => {
            let message = format!("`{}` has neither a `rate` nor a `load`", fields.table_key());
            fields
                .report(&codes::RATE, "rate", message, problems)
                .hint("for example `rate = \"900/s\"`, or `load = 0.7` of what all servers can work on");
            None
        }
        ((true, false), Some(text)) => match parse_rate(&text) {
            Ok(rate) => Some(rate),
            Err(why) => {
                let message = format!("`{}` must be a rate: {why}", fields.key("rate"));
                fields.report(&codes::RATE, "rate", message, problems).hint("for example `rate = \"900/s\"`");
                None
            }
        },
        // Without servers the load means nothing yet, and that they are missing is said elsewhere.
        ((false, true), _) => load.map(|load| load * capacity).filter(|&rate| rate > 0.0),
        ((true, false), None) => None,
    }
}

/// `"900/s"` as requests a second.
fn parse_rate(text: &str) -> Result<f64, String> {
    let Some((number, unit)) = text.split_once('/') else {
        return Err(format!("`{text}` has no unit; use one of /ms, /s, /m, /h"));
    };
    let seconds = match unit.trim() {
        "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3_600.0,
        other => return Err(format!("`/{other}` is not a unit; use one of /ms, /s, /m, /h")),
    };
    let number: f64 = number.trim().parse().map_err(|_| format!("`{}` is not a number", number.trim()))?;
    if !number.is_finite() || number <= 0.0 {
        return Err(format!("`{text}` is not above 0"));
    }
    let rate = number / seconds;
    if !(1e-6..=1e9).contains(&rate) {
        return Err(format!("`{text}` is not from 0.000001 to 1,000,000,000 a second"));
    }
    Ok(rate)
}

/// None when there is no group at all that could be read.
fn read_groups(root: &mut Fields<'_>, problems: &mut Problems) -> Option<Vec<Group>> {
    let table = root.table("servers", problems);
    let is_table = table.is_some();
    let entries: Vec<(&str, &Node)> =
        table.into_iter().flat_map(|mut table| table.entries().collect::<Vec<_>>()).collect();
    if entries.is_empty() && (is_table || root.origin("servers").is_none()) {
        root.report(&codes::NO_SERVERS, "servers", "the scenario has no servers", problems)
            .hint("for example `[servers.web]` with `count = 10` and `service = { mean = \"10ms\" }`");
    }
    if entries.len() > MOST_GROUPS {
        let message = format!("{} groups are more than {MOST_GROUPS}", entries.len());
        root.report(&codes::TOO_MUCH, "servers", message, problems)
            .hint("servers that are alike are one group with a `count`");
        return None;
    }
    let groups: Vec<Group> = entries.into_iter().filter_map(|(name, node)| read_group(name, node, problems)).collect();
    (!groups.is_empty()).then_some(groups)
}

fn read_group(name: &str, node: &Node, problems: &mut Problems) -> Option<Group> {
    let key = madang_settings::dotted("servers", name);
    let mut fields = Fields::new(node, &key, problems)?;
    let count = fields.integer("count", 1..=MOST_SERVERS, problems).unwrap_or(1);
    let concurrency = fields.integer("concurrency", 1..=1_000_000, problems).unwrap_or(1);
    let queue = fields.integer("queue", 0..=10_000_000, problems);
    let weight = fields.integer("weight", 1..=1_000_000, problems).unwrap_or(1);
    let service = match fields.table("service", problems) {
        Some(mut inner) => {
            let service = read_service(&mut inner, problems);
            inner.finish(problems);
            service
        }
        None => {
            if fields.origin("service").is_none() {
                fields.missing("service", "{ distribution = \"exponential\", mean = \"10ms\" }", problems);
            }
            None
        }
    };
    let slow = fields.float("slow", SLOW, problems).unwrap_or(1.0);
    let failing = fields.float("failing", 0.0..=1.0, problems).unwrap_or(0.0);
    let failing_time = fields.duration_in("failing_time", Duration::ZERO..=DAY, problems);
    let items = fields.items("incidents");
    let incidents = items.iter().filter_map(|(key, node)| read_incident(key, node, count, problems)).collect();
    fields.finish(problems);
    let name = name.to_owned();
    Some(Group { name, count, concurrency, queue, weight, service: service?, slow, failing, failing_time, incidents })
}

fn read_incident(key: &str, node: &Node, servers: u32, problems: &mut Problems) -> Option<Incident> {
    let mut fields = Fields::new(node, key, problems)?;
    let from = fields.duration_in("from", Duration::ZERO..=YEAR, problems);
    if fields.origin("from").is_none() {
        fields.missing("from", "\"10s\"", problems);
    }
    let to = fields.duration_in("to", Duration::ZERO..=YEAR, problems);
    if let (Some(from), Some(to)) = (from, to)
        && to <= from
    {
        let message = format!("`{key}` ends before it begins");
        fields
            .report(&codes::ORDER, "to", message, problems)
            .hint("`to` is later than `from`, counted from the start of the run");
    }
    let count = fields.integer("count", 1..=servers, problems).unwrap_or(servers);
    let slow = fields.float("slow", SLOW, problems).unwrap_or(1.0);
    let failing = fields.float("failing", 0.0..=1.0, problems).unwrap_or(0.0);
    let down = fields.boolean("down", problems).unwrap_or(false);
    let says = ["slow", "failing", "down"].iter().any(|name| fields.origin(name).is_some());
    if !says {
        let message = format!("`{key}` changes nothing");
        fields
            .report(&problem_codes::MISSING_KEY, "slow", message, problems)
            .hint("say what happens: `slow = 5.0`, `failing = 0.5` or `down = true`");
    }
    fields.finish(problems);
    Some(Incident { from: from?, to, count, slow, failing, down })
}

/// A service time, with the keys of its distribution alone.
fn read_service(fields: &mut Fields<'_>, problems: &mut Problems) -> Option<Distribution> {
    #[derive(Clone, Copy)]
    enum Kind {
        Exponential,
        Constant,
        Uniform,
        Lognormal,
        Pareto,
        Hyperexponential,
    }
    let words = [
        ("exponential", Kind::Exponential),
        ("constant", Kind::Constant),
        ("uniform", Kind::Uniform),
        ("lognormal", Kind::Lognormal),
        ("pareto", Kind::Pareto),
        ("hyperexponential", Kind::Hyperexponential),
    ];
    let written = fields.origin("distribution").is_some();
    let kind = match fields.choice("distribution", &words, problems) {
        Some(kind) => kind,
        None if !written => Kind::Exponential,
        None => {
            // Keys of a distribution nobody knows are not wrong on top of that.
            fields.entries().for_each(drop);
            return None;
        }
    };
    match kind {
        Kind::Exponential => Some(Distribution::Exponential { mean: read_time("mean", fields, problems)? }),
        Kind::Constant => Some(Distribution::Constant { mean: read_time("mean", fields, problems)? }),
        Kind::Uniform => {
            let (least, most) = (read_time("min", fields, problems), read_time("max", fields, problems));
            let (least, most) = (least?, most?);
            if most < least {
                let message = format!("`{}` is above `max`", fields.key("min"));
                fields.report(&codes::SERVICE_TIME, "min", message, problems).hint("exchange the two");
            }
            Some(Distribution::Uniform { least, most })
        }
        Kind::Lognormal => {
            let mean = read_time("mean", fields, problems);
            let sigma = fields.float("sigma", 0.0..=5.0, problems).unwrap_or(1.0);
            Some(Distribution::Lognormal { mean: mean?, sigma })
        }
        Kind::Pareto => {
            let mean = read_time("mean", fields, problems);
            let alpha = fields.float("alpha", 1.01..=100.0, problems).unwrap_or(2.5);
            Some(Distribution::Pareto { mean: mean?, alpha })
        }
        Kind::Hyperexponential => read_branches(fields, problems),
    }
}

fn read_branches(fields: &mut Fields<'_>, problems: &mut Problems) -> Option<Distribution> {
    const EXAMPLE: &str = "[{ share = 0.9, mean = \"5ms\" }, { share = 0.1, mean = \"100ms\" }]";
    let items = fields.items("branches");
    if items.is_empty() {
        fields.missing("branches", EXAMPLE, problems);
        return None;
    }
    if items.len() > MOST_BRANCHES {
        let message = format!("`{}` has more than {MOST_BRANCHES} entries", fields.key("branches"));
        fields.report(&codes::SERVICE_TIME, "branches", message, problems).hint("bring those that are alike together");
    }
    let branches = items.iter().map(|(key, node)| {
        let mut one = Fields::new(node, key, problems)?;
        let share = one.float("share", 0.0..=1.0, problems);
        if one.origin("share").is_none() {
            one.missing("share", "0.5", problems);
        }
        let mean = read_time("mean", &mut one, problems);
        one.finish(problems);
        Some((share?, mean?))
    });
    let branches: Vec<(f64, f64)> = branches.collect::<Vec<_>>().into_iter().collect::<Option<_>>()?;
    let sum: f64 = branches.iter().map(|(share, _)| share).sum();
    if (sum - 1.0).abs() > 1e-6 {
        let message = format!("the shares of `{}` add up to {sum}, not to 1", fields.key("branches"));
        fields
            .report(&codes::SERVICE_TIME, "branches", message, problems)
            .hint(format!("for example `branches = {EXAMPLE}`"));
    }
    Some(Distribution::Hyperexponential { branches })
}

/// A time that must be there, in nanoseconds.
fn read_time(name: &'static str, fields: &mut Fields<'_>, problems: &mut Problems) -> Option<f64> {
    let span = fields.duration_in(name, MICROSECOND..=DAY, problems);
    if fields.origin(name).is_none() {
        fields.missing(name, "\"10ms\"", problems);
    }
    #[allow(clippy::cast_precision_loss)] // a day is exact
    Some(span?.as_nanos() as f64)
}

#[cfg(test)]
mod tests;
