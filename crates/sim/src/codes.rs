//! The codes of this crate: MD0901 to MD0949.

use madang_base::Code;

/// Every code of this crate.
pub const ALL: &[&Code] = &[&OVERLOAD, &RATE, &SERVICE_TIME, &TOO_MUCH, &ORDER, &NO_SERVERS];

/// More arrives than can be worked on.
pub const OVERLOAD: Code = Code {
    id: "MD0901",
    title: "load exceeds capacity",
    explanation: "More requests arrive than all servers of the scenario together can work on, and the queues have no limit: they would \
        grow for as long as the run lasts, and every number would only say how long it was. The capacity is, over all groups, \
        `count` × `concurrency` / (mean service time × `slow`).\n\n\
        To look at an overload on purpose, give the servers a `queue` limit: what does not fit is refused and counted.",
};

/// A rate that is not one.
pub const RATE: Code = Code {
    id: "MD0902",
    title: "not a rate",
    explanation: "Requests arrive at a rate above 0, written with its unit: `\"900/s\"`, `\"30/m\"`, `\"2/ms\"`, `\"100/h\"`. `load = 0.7` \
        instead of a rate means 70 % of what all servers together can work on. A scenario needs one of the two.",
};

/// A distribution with impossible numbers.
pub const SERVICE_TIME: Code = Code {
    id: "MD0903",
    title: "not a service time",
    explanation: "How long a server works on a request is one of: `exponential` and `constant` (`mean`), `uniform` (`min`, `max`), \
        `lognormal` (`mean`, `sigma`), `pareto` (`mean`, `alpha` above 1: the smaller, the heavier the tail), `hyperexponential` \
        (`branches`, each with the `share` of the requests and their `mean`; the shares add up to 1). A distribution takes its own \
        keys and no others.",
};

/// A run that is too long.
pub const TOO_MUCH: Code = Code {
    id: "MD0904",
    title: "too large a run",
    explanation: "A run has at most 1,000,000,000 requests and 100,000 servers; the rate times the duration counts, too. This keeps a \
        slip of the pen from running for days. A million requests are plenty for a 99.9th percentile.",
};

/// Moments in the wrong order.
pub const ORDER: Code = Code {
    id: "MD0905",
    title: "moments out of order",
    explanation: "Steps of the rate are written in the order of their `at`, an incident ends (`to`) after it begins (`from`), and the \
        `warmup` ends before the run does. All moments count from the start of the run, the warm-up included.",
};

/// Nothing to send requests to.
pub const NO_SERVERS: Code = Code {
    id: "MD0906",
    title: "no servers",
    explanation: "A scenario needs at least one group of servers, `[servers.NAME]`, with the time it takes for a request: \
        `service = { distribution = \"exponential\", mean = \"10ms\" }`.",
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_explained() {
        let mut ids: Vec<&str> = ALL.iter().map(|code| code.id).collect();
        ids.dedup();
        assert_eq!(ids.len(), ALL.len());
        for code in ALL {
            assert!(code.id.starts_with("MD09") && code.explanation.len() > 150, "{code} explains too little");
        }
    }
}
