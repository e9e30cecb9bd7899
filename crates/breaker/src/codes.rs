//! The problems this crate reports.

use madang_base::Code;

/// All of them, for `madang explain`.
pub const ALL: &[&Code] = &[&UNKNOWN_PROFILE, &TRACE_LINE, &NOT_HERE];

/// A profile nobody wrote.
pub const UNKNOWN_PROFILE: Code = Code {
    id: "MD0801",
    title: "no such breaker profile",
    explanation: "A profile says whose behavior a circuit breaker has. The name is one of those in the message, in lower \
                  case and without a version: each profile follows one version of its product, which `docs/breakers.md` \
                  names.",
};

/// A line of a trace that cannot be replayed.
pub const TRACE_LINE: Code = Code {
    id: "MD0802",
    title: "a line of a trace makes no sense",
    explanation: "A trace has one JSON object a line, in the order of time. `{\"t\":0,\"ev\":\"call\",\"id\":1}`: at 0 ms call 1 \
                  asks to be made. `{\"t\":12,\"ev\":\"end\",\"id\":1,\"outcome\":\"ok\",\"duration\":12}`: at 12 ms it ends, \
                  after 12 ms. `outcome` is `ok`, `fail`, `timeout` or `ignored`; without a `duration` it is the time \
                  since the call. Every call has an `id` of its own, ends at most once and not before it began.",
};

/// A setting of a product that has no meaning in a settings file.
pub const NOT_HERE: Code = Code {
    id: "MD0803",
    title: "a setting that only a program can use",
    explanation: "The product takes a function or an object of the program here, such as a listener or a storage. A \
                  settings file cannot hold one. Remove the key: what the product does without it is done here.",
};
