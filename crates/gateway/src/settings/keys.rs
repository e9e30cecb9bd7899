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
    Key::live("routes[].policy.balance", "`peak_ewma` or `round_robin`", "\"peak_ewma\"", "how the instance is picked"),
];
