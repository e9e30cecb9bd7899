//! Problems the gateway reports: about settings, to those who ask its API, and to clients of services.

mod answered;
mod refused;

use madang_base::Code;

pub use answered::ANSWERED;
pub use refused::REFUSED;

/// The code behind the reason of an answer; the reason begins its title.
pub(crate) fn of_reason(reason: &str) -> Option<&'static Code> {
    let begins = |code: &&&Code| code.title.strip_prefix(reason).is_some_and(|rest| rest.starts_with(": "));
    REFUSED.iter().chain(ANSWERED).find(begins).copied()
}

/// Those about settings and the API. What requests are refused for is in [`REFUSED`], what else the gateway answers in
/// [`ANSWERED`].
pub const ALL: &[&Code] =
    &[&BAD_TARGET, &UNKNOWN_SERVICE, &BAD_FILTER, &BAD_HEADER, &DUPLICATE_ROUTE, &BAD_NETWORK, &NOT_KEPT, &BAD_BREAKER];

/// A route's `to` is neither a service nor a URL.
pub const BAD_TARGET: Code = Code {
    id: "MD0301",
    title: "route target not understood",
    explanation: "A route's `to` is `service://NAME` for a service of this file, or `http://HOST:PORT` for anything \
                  else. The path of the request is what is sent, so a URL has no path of its own; use the filter \
                  `strip_prefix` to change it. `https://` targets are not supported yet.",
};

/// A route leads to a service that the file does not define. A warning.
pub const UNKNOWN_SERVICE: Code = Code {
    id: "MD0302",
    title: "route to a service this file does not define",
    explanation: "The route's `to` names a service that this file does not define. That is fine when its instances \
                  register themselves (by Eureka, on `listen.eureka`): until the first one does, the route answers 503. \
                  Otherwise correct the name, or define the service under `[services.NAME]`, either with a `command` \
                  that Madang runs or with `endpoints` that are already running.",
};

/// A filter is not understood.
pub const BAD_FILTER: Code = Code {
    id: "MD0303",
    title: "filter not understood",
    explanation: "Each entry of `filters` is a table with exactly one key, the filter's name: \
                  `filters = [{ strip_prefix = 1 }, { set_request_header = { X-Team = \"shop\" } }]`. Filters run in \
                  the written order on the request and in reverse on the answer.",
};

/// A header name or value cannot be sent.
pub const BAD_HEADER: Code = Code {
    id: "MD0304",
    title: "header not allowed",
    explanation: "A header name is made of letters, digits and `-`; a value has no line breaks. Headers that delimit \
                  messages or end at the next hop (`Content-Length`, `Transfer-Encoding`, `Connection`, …) belong to \
                  the gateway and cannot be set by a filter.",
};

/// Two routes have the same id.
pub const DUPLICATE_ROUTE: Code = Code {
    id: "MD0305",
    title: "route id used twice",
    explanation: "The `id` of a route names it in logs, metrics and explanations, so each one is used once.",
};

/// A trusted network is not understood.
pub const BAD_NETWORK: Code = Code {
    id: "MD0306",
    title: "network not understood",
    explanation: "`gateway.trusted_proxies` is a list of addresses (`10.1.2.3`) and networks (`10.0.0.0/8`, `fd00::/8`) \
                  whose `X-Forwarded-*` and `X-Request-Id` headers are believed.",
};

/// Nobody remembers that request.
pub const NOT_KEPT: Code = Code {
    id: "MD0307",
    title: "request not kept",
    explanation: "Only requests that failed or were slow are kept, the last `gateway.requests.keep` of them, in memory: \
                  a request that went well, one that newer ones pushed out and one from before the last start cannot \
                  be explained. `gateway.requests.slow` says what is slow. The id of a request is in the header \
                  `X-Request-Id` of its answer.",
};

/// A route's breaker is not understood.
pub const BAD_BREAKER: Code = Code {
    id: "MD0308",
    title: "circuit breaker not understood",
    explanation: "`policy.breaker` is a table: `{ on = [500, 503], fallback = \"service://archive\" }`. Its other keys \
                  are those of Madang's breaker, or one table named after the product it is to behave as, with that \
                  product's own property names. A fallback is a target or an answer: `{ status = 200, body = \"[]\" }`.",
};

#[cfg(test)]
mod tests {
    use madang_h1::Fault;

    use super::*;

    #[test]
    fn every_rule_of_a_request_has_a_code_in_the_same_order() {
        let of_requests = Fault::ALL.iter().filter(|fault| !matches!(fault, Fault::Status | Fault::StatusBody));
        let found: Vec<_> = of_requests.map(|fault| of_reason(fault.reason()).map(|code| code.id)).collect();
        assert_eq!(found, REFUSED.iter().map(|code| Some(code.id)).collect::<Vec<_>>());
    }

    #[test]
    fn a_reason_has_a_code_only_by_its_whole_name() {
        assert_eq!(of_reason("no_route").map(|code| code.id), Some("MD0360"));
        assert_eq!(of_reason("no_rout"), None);
        assert_eq!(of_reason("redirect"), None);
    }
}
