//! The problems this crate reports.

use madang_base::Code;

/// All of them, for `madang explain`.
pub const ALL: &[&Code] = &[
    &HOST_REFUSED,
    &CROSS_SITE,
    &BODY_TOO_LARGE,
    &PORT_TAKEN,
    &PORT_DENIED,
    &ADDRESS_NOT_LOCAL,
    &CANNOT_LISTEN,
    &NOT_FOUND,
    &METHOD_NOT_ALLOWED,
    &REQUEST_INVALID,
    &BODY_TIMEOUT,
];

/// `Host` names somebody else.
pub const HOST_REFUSED: Code = Code {
    id: "MD0101",
    title: "host not served here",
    explanation: "The request's `Host` is not a name this listener answers to. It answers to loopback names \
        (`localhost`, `127.0.0.1`, `[::1]`, any port), to the address the connection came in on, and to the names \
        listed in the settings (`admin.hosts` for the admin API).\n\n\
        The check keeps a page in a browser from reaching Madang through a name of its own that it lets point here \
        (DNS rebinding). If you come through a proxy or a name of your own, add that name to the list; a proxy should \
        pass `Host` on unchanged.",
};

/// A page of another site sent it.
pub const CROSS_SITE: Code = Code {
    id: "MD0102",
    title: "cross-site request",
    explanation: "A browser sent this request for a page of another origin: `Origin` is not the place the request went \
        to, or `Sec-Fetch-Site` says `cross-site`. Madang refuses these whatever the method, also on loopback, so that \
        no web page can drive it.\n\n\
        Scripts and tools do not send these headers and are not affected. If the page is yours and is served under \
        another name, add that name, with its port, to the listed hosts (`admin.hosts` for the admin API). A link \
        from another site is refused too: type the address or use a bookmark.",
};

/// More body than allowed.
pub const BODY_TOO_LARGE: Code = Code {
    id: "MD0103",
    title: "request body too large",
    explanation: "The body of the request is larger than this listener takes (1 MiB on the admin API). Nothing of it \
        was applied. Send less, or in several requests.",
};

/// Somebody else has the port.
pub const PORT_TAKEN: Code = Code {
    id: "MD0104",
    title: "port taken",
    explanation: "Madang cannot listen on an address because another program does. The error names the program when the \
        system lets Madang see it: a program of another user stays unnamed unless Madang runs as root; \
        `ss -ltnp` as root shows it.\n\n\
        Stop that program, or choose another address in the `[listen]` section, or move all ports of this Madang at \
        once with `--port-offset 1000`. If the owner is `madang` itself, an earlier one is still running: `madang ps` \
        shows what it runs.",
};

/// The system does not allow it.
pub const PORT_DENIED: Code = Code {
    id: "MD0105",
    title: "port not allowed",
    explanation: "The system does not let this user listen on the port. On Linux ports below 1024 need root, the \
        capability `CAP_NET_BIND_SERVICE` (`AmbientCapabilities=` in a systemd unit), or a lower \
        `net.ipv4.ip_unprivileged_port_start`. Choose a port from 1024 on, or give Madang the right.",
};

/// Not an address of this machine.
pub const ADDRESS_NOT_LOCAL: Code = Code {
    id: "MD0106",
    title: "address not local",
    explanation: "The address to listen on belongs to no network interface of this machine. Listen on `127.0.0.1` for \
        this machine only, on `0.0.0.0` for all its addresses, or on one that `ip address` shows. An address that \
        comes up later needs `net.ipv4.ip_nonlocal_bind`.",
};

/// Any other reason.
pub const CANNOT_LISTEN: Code = Code {
    id: "MD0107",
    title: "cannot listen",
    explanation: "The system refused to open a listener for a reason without a code of its own; the message holds the \
        system's words. Often the limit of open files is reached (`ulimit -n`), or IPv6 is off and the address is an \
        IPv6 one.",
};

/// No such path.
pub const NOT_FOUND: Code = Code {
    id: "MD0108",
    title: "no such path",
    explanation: "Nothing is served under the path of the request. The page at `/` of the admin address lists what is.",
};

/// The path exists for other methods.
pub const METHOD_NOT_ALLOWED: Code = Code {
    id: "MD0109",
    title: "method not allowed",
    explanation: "The path exists, but not for the method of the request. The `Allow` header of the answer lists the \
        methods it has.",
};

/// The request cannot be understood.
pub const REQUEST_INVALID: Code = Code {
    id: "MD0110",
    title: "request not understood",
    explanation: "The path exists, but a part of the request is not what it takes: a query parameter, the content type \
        (`application/json` is expected), or the JSON of the body. The detail says which.",
};

/// The body stopped coming.
pub const BODY_TIMEOUT: Code = Code {
    id: "MD0111",
    title: "request body too slow",
    explanation: "The body of the request did not arrive in time (30 s on the admin API). Nothing of it was applied; \
        the connection is closed.",
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_in_order_and_belong_to_this_crate() {
        assert!(ALL.windows(2).all(|pair| pair[0].id < pair[1].id));
        for code in ALL {
            assert!(code.id.starts_with("MD01") && code.id.len() == 6, "{code}");
            assert!(code.explanation.len() > 80 && code.explanation.ends_with('.'), "{code}");
        }
    }
}
