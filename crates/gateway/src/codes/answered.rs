//! Answers of the gateway's own, and answers it had to cut. Each title begins with the reason.

use madang_base::Code;

const fn row(id: &'static str, title: &'static str, explanation: &'static str) -> Code {
    Code { id, title, explanation }
}

/// From the client's side to the service's.
#[rustfmt::skip]
pub const ANSWERED: &[&Code] = &[
    &row("MD0360", "no_route: no route takes the request",
        "404. `madang route explain METHOD URL` shows all routes in their order, and why each one did not match. Often it is the host, a slash at the end, or a `strip_prefix` that was meant for another path."),
    &row("MD0361", "bad_path: the path leads out of its root",
        "400. `/../x`, `/..;a/x`, an encoded NUL or a backslash: a service could read the path as another one than the route did. Send the path as it is meant."),
    &row("MD0362", "body_too_large: the body is too large",
        "413. The request's body is longer than `gateway.limits.body`, or than a filter of the route takes. It is counted as it comes, announced or in chunks."),
    &row("MD0363", "request_timeout: the request came too slowly",
        "408. The head did not come within `gateway.timeouts.head`, or a body that a filter waits for not within the route's `timeout`."),
    &row("MD0364", "client_gone: the client left",
        "499 in the log; nobody was there to be answered. The service's connection was closed, so that it can stop working. A client's own timeout that is shorter than the route's is the usual reason."),
    &row("MD0365", "loop: the request goes round in circles",
        "508. It came through a Madang more than 8 times (`Via`). A route leads, directly or through others, back to the gateway itself."),
    &row("MD0366", "no_instance: no instance is ready",
        "503, with `Retry-After`. The service has no instance, or none whose checks pass. `madang ps` and `madang registry explain` say why."),
    &row("MD0367", "connect_failed: no instance could be connected to",
        "502. All of them were tried. They do not listen where they are said to: look at their logs, and at the addresses in `madang ps`."),
    &row("MD0368", "upstream_closed: the service closed without an answer",
        "502. It took the request and closed, or the connection broke. A request that is safe to repeat was repeated before. Look at the service's log at that time: a crash, a limit, a timeout of its own."),
    &row("MD0369", "upstream_invalid: the service's answer is not valid HTTP/1.1",
        "502. What came could be read in two ways (both lengths, a bare line end, a folded field, a repeated or odd Content-Length), is larger than the limits, has no end, or switches to a protocol nobody asked for. The detail says which. The connection to the service was dropped, so that nothing of it can be taken for another answer."),
    &row("MD0370", "upstream_timeout: no answer in time",
        "504. The route's `timeout` passed before the answer began. `madang explain ID` shows how long each call took, and whether a retry took the rest."),
    &row("MD0371", "upstream_cut: the service broke off in its answer",
        "Its body ended before the announced end, or its chunks are broken. The head had been sent by then, so the client's connection was cut: it sees that something is missing, and never a clean end."),
    &row("MD0372", "body_idle: nothing moved for too long",
        "No byte of the body, in either direction, for `gateway.timeouts.body`. The connection was cut."),
    &row("MD0373", "tunnel_idle: nothing moved in a tunnel for too long",
        "After an upgrade no byte came from either side for `gateway.timeouts.tunnel`. Send pings, or raise it."),
    &row("MD0374", "no_target: the route leads nowhere",
        "500. It has no `to`, and none of its filters answered. Give it a `to`, or a filter such as `redirect`."),
    &row("MD0375", "filter_failed: a filter failed",
        "500. A mistake in Madang: please report it with the route's filters."),
    &row("MD0376", "breaker_open: the route's circuit breaker refuses the call",
        "503, with `Retry-After`. Calls of this route kept failing, so nobody waits for its service until a few have tried whether the fault is over. `madang route ls` shows the breaker, `/v1/gateway/routes` says why it is open; look at the service. `policy.breaker.fallback` gives clients something better."),
    &row("MD0377", "fallback: the route's fallback answered",
        "The breaker refused the call, or it failed; what the client got is the fallback of `policy.breaker`. `madang explain` of the request tells which, and what failed."),
];
