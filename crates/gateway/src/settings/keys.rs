//! `[gateway]` and `[[routes]]`, key by key, for people.

use madang_settings::Key;

/// What is read here.
#[rustfmt::skip] // a row is a line
pub const KEYS: &[Key] = &[
    Key::restart("gateway.workers", "1 to 256", "one per core", "threads, each with its own listener and connections"),
    Key::restart("gateway.access_log", "`off`, `stdout` or a file", "\"off\"", "one JSON object per request, without the query"),
    Key::live("gateway.trusted_proxies", "text or list of addresses and networks", "[]", "peers whose forwarded headers are believed"),
    Key::live("gateway.limits.head", "size, 1 KiB to 1 MiB", "\"64KiB\"", "bytes of a request's head; 431 beyond, and 414 when the target takes more than 8 KiB"),
    Key::live("gateway.limits.fields", "8 to 128", "100", "header fields of a request; 431 beyond"),
    Key::live("gateway.limits.body", "size", "\"10MiB\"", "bytes of a request's body; 413 beyond"),
    Key::restart("gateway.limits.connections", "1 to 1000000", "10000", "open client connections; more wait in the kernel's queue"),
    Key::live("gateway.timeouts.idle", "duration, 1 ms to 7 d", "\"75s\"", "wait for the next request on a connection; then it is closed"),
    Key::live("gateway.timeouts.head", "duration, 1 ms to 7 d", "\"10s\"", "wait for the rest of a head; then 408"),
    Key::live("gateway.timeouts.body", "duration, 1 ms to 7 d", "\"60s\"", "wait for the next byte of a body, either way; then the connection is cut"),
    Key::live("gateway.timeouts.tunnel", "duration, 1 ms to 7 d", "\"1h\"", "wait for the next byte after an upgrade, either way"),
    Key::live("gateway.requests.slow", "duration, 1 ms to 1 d", "\"1s\"", "a request that takes longer is kept"),
    Key::live("gateway.requests.keep", "0 to 10000", "500", "so many failed and slow requests are kept"),
    Key::live("routes[].id", "name, unique", "", "what the route is called in logs, metrics and answers"),
    Key::live("routes[].match.path", "pattern", "", "the canonical path: `?`, `*`, `{name}`, and `**` or `{*rest}` at the end"),
    Key::live("routes[].match.host", "text or list: `shop.io`, `*.shop.io`", "any", "the host that was asked for, without its port"),
    Key::live("routes[].match.method", "text or list, in capitals", "any", "the method"),
    Key::live("routes[].match.header", "table: name to `true` or a regular expression", "any", "headers that must be there, with a value that matches whole"),
    Key::live("routes[].match.query", "table: name to `true` or a regular expression", "any", "parameters that must be there, with a value that matches whole"),
    Key::live("routes[].to", "`service://NAME` or `http://HOST:PORT`", "", "where requests go; left out when a filter answers"),
    Key::live("routes[].filters", "list of filters", "[]", "what is done to the request in this order, and to the answer in reverse"),
    Key::live("routes[].policy.timeout", "duration, 1 ms to 1 d", "\"30s\"", "from the request's head to the answer's, all attempts together; then 504"),
    Key::live("routes[].policy.retry.attempts", "0 to 10", "0; 1 when `retry` is there", "tries after the first when the answer's status is one of `on`"),
    Key::live("routes[].policy.retry.on", "list of numbers, 400 to 599", "[502, 503, 504]", "statuses that are tried again"),
    Key::live("routes[].policy.retry.methods", "text or list", "[\"GET\", \"HEAD\", \"PUT\", \"DELETE\", \"OPTIONS\"]", "methods that are tried again"),
    Key::live("routes[].policy.breaker.on", "list of numbers, 400 to 599", "[500, 502, 503, 504]", "statuses that count as failures"),
    Key::live("routes[].policy.breaker.fallback", "`service://NAME`, `http://HOST:PORT` or a table", "none", "what answers when the breaker refuses a call or the call failed"),
    Key::live("routes[].policy.breaker.fallback.status", "200 to 599", "200", "the status of an answer that stands here"),
    Key::live("routes[].policy.breaker.fallback.content_type", "text", "\"text/plain; charset=utf-8\"", "the content type of such an answer"),
    Key::live("routes[].policy.breaker.fallback.body", "text, up to 64 KiB", "\"\"", "the body of such an answer"),
    Key::live("routes[].policy.breaker.window", "duration, 100 ms to 1 d", "\"10s\"", "the calls of so long are judged"),
    Key::live("routes[].policy.breaker.window_calls", "1 to 1000000", "", "instead of `window`: the last so many calls are judged"),
    Key::live("routes[].policy.breaker.minimum_calls", "1 to 1000000", "20", "fewer calls in the window are not judged by a rate"),
    Key::live("routes[].policy.breaker.failure_rate", "percent, 0.01 to 100", "50", "opens when so many of the window's calls failed"),
    Key::live("routes[].policy.breaker.slow_call", "duration, 1 ms to 1 d", "", "a call that took longer is slow"),
    Key::live("routes[].policy.breaker.slow_rate", "percent, 0.01 to 100", "100", "opens when so many of the window's calls were slow"),
    Key::live("routes[].policy.breaker.consecutive_failures", "1 to 1000000", "", "opens after so many failures in a row"),
    Key::live("routes[].policy.breaker.open", "duration, 1 ms to 1 d", "\"5s\"", "how long it stays open the first time"),
    Key::live("routes[].policy.breaker.open_max", "duration, `open` to 1 d", "\"60s\"", "the longest it stays open"),
    Key::live("routes[].policy.breaker.open_factor", "1 to 10", "2", "how much longer it stays open each time a recovery fails"),
    Key::live("routes[].policy.breaker.open_jitter", "percent, 0 to 90", "10", "by up to so much an opening is shortened, so that not all try at once"),
    Key::live("routes[].policy.breaker.trials", "1 to 100", "5", "calls that are let in to learn whether the fault is over"),
    Key::live("routes[].policy.breaker.half_open_longest", "duration, 1 ms to 1 d", "\"30s\"", "how long the trials may take before it is judged without them"),
    Key::live("routes[].policy.breaker.recovery", "duration, 0 to 1 d", "\"10s\"", "after closing, the time until all calls are let in again"),
    Key::live("routes[].policy.breaker.recovery_share", "percent, 0.01 to 100", "10", "the calls that are let in when it has just closed"),
    Key::live("routes[].policy.breaker.seed", "number", "0", "what the jitter is drawn from"),
    Key::live("routes[].policy.breaker.hystrix", "table", "", "instead of the keys above: behave as Hystrix 1.5.18, with its properties"),
    Key::live("routes[].policy.breaker.hystrix-master", "table", "", "instead of the keys above: behave as Hystrix 1.5.12 and its git master, with its properties"),
    Key::live("routes[].policy.breaker.opossum", "table", "", "instead of the keys above: behave as Opossum 10.0.0, with its properties"),
    Key::live("routes[].policy.breaker.pybreaker", "table", "", "instead of the keys above: behave as PyBreaker 1.4.1, with its properties"),
    Key::live("routes[].policy.breaker.resilience4j", "table", "", "instead of the keys above: behave as resilience4j 2.4.0, with its properties"),
    Key::live("routes[].policy.balance", "`peak_ewma`, `round_robin`, `weighted_round_robin`, `random`, `least_request` or `two_choices`", "\"peak_ewma\"", "how the instance is picked"),
];

#[cfg(test)]
mod tests {
    use std::path::Path;

    use madang_breaker::{Profile, Settings, madang};
    use madang_settings::Problems;

    use super::*;

    #[test]
    fn the_defaults_of_a_breaker_are_those_that_are_told() {
        let told = KEYS.iter().filter_map(|key| Some((key.key.strip_prefix("routes[].policy.breaker.")?, key.default)));
        let ours = told.filter(|(key, default)| !default.is_empty() && *key != "on" && !key.starts_with("fallback"));
        let text: String = ours.map(|(key, default)| format!("{key} = {default}\n")).collect();
        let mut problems = Problems::new();
        let node = madang_settings::parse(&text, Path::new("told.toml")).unwrap();
        let read = Settings::read(Profile::Madang, &node, "", &mut problems);
        assert!(problems.is_empty(), "{problems}");
        assert_eq!(read, Settings::Madang(madang::Settings::default()), "{text}");
        assert!(text.lines().count() > 10, "{text}");
    }
}
