//! The problems this crate reports.

use madang_base::Code;

/// All of them, for `madang explain`.
pub const ALL: &[&Code] = &[&UNAUTHORIZED, &NOT_READY, &TOKEN_NEEDED, &TOKEN_INVALID, &HOST_INVALID, &READERS];

/// The token is missing or wrong.
pub const UNAUTHORIZED: Code = Code {
    id: "MD0401",
    title: "token needed",
    explanation: "The admin API of this Madang has a token (`admin.token` in the settings), and the request brought \
        none or another one. Send it as `Authorization: Bearer TOKEN`. Only `/health/live`, \
        `/health/ready` and the files of the console answer without it.",
};

/// Not everything is up.
pub const NOT_READY: Code = Code {
    id: "MD0402",
    title: "not ready",
    explanation: "Madang runs, but not everything it should offer is up yet, or it is about to stop. The detail says \
        what is missing. `/health/ready` answers 503 with this code until then, so that a balancer in front sends \
        nothing; `/health/live` answers 200 all the time.",
};

/// The admin API would be open to the network.
pub const TOKEN_NEEDED: Code = Code {
    id: "MD0403",
    title: "admin needs a token",
    explanation: "The admin API can start and stop processes, so off loopback it is never open: `listen.admin` names an \
        address other machines can reach, and `admin.token` is not set. Either listen on `127.0.0.1`, or set a token \
        of at least 16 characters. Keep it out of the settings file with the variable `MADANG_ADMIN__TOKEN`; \
        `openssl rand -hex 32` makes a good one.",
};

/// The token cannot be used.
pub const TOKEN_INVALID: Code = Code {
    id: "MD0404",
    title: "token not usable",
    explanation: "`admin.token` must be 16 to 512 visible ASCII characters without spaces, because it travels in an \
        HTTP header and must not be guessed. `openssl rand -hex 32` makes a good one. The token itself is never shown \
        or logged.",
};

/// A host that cannot be one.
pub const HOST_INVALID: Code = Code {
    id: "MD0405",
    title: "not a host",
    explanation: "An entry of `admin.hosts` is not a host: it is `name` (any port) or `name:port`, without scheme, path or \
        wildcard, as a browser shows it in its address bar: `madang.example.com`, `10.0.0.7:7070`.",
};

/// Too many follow the events.
pub const READERS: Code = Code {
    id: "MD0406",
    title: "too many readers of events",
    explanation: "Every open console and every `curl` of `/v1/events` is one reader, and 64 can read at once. A reader's place \
        is free again as soon as its connection ends. Close what nobody looks at; one program that tells many is better than \
        many readers.",
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_in_order_and_belong_to_this_crate() {
        assert!(ALL.windows(2).all(|pair| pair[0].id < pair[1].id));
        for code in ALL {
            assert!(code.id.starts_with("MD04") && code.id.len() == 6, "{code}");
            assert!(code.explanation.len() > 80 && code.explanation.ends_with(['.']), "{code}");
        }
    }
}
