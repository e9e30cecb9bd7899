//! The codes of this crate: MD0600 to MD0699.

use madang_base::Code;

/// Every code of this crate.
pub const ALL: &[&Code] =
    &[&JOURNAL_DAMAGED, &JOURNAL_NEWER, &JOURNAL_UNUSABLE, &UNKNOWN_SERVICE, &UNKNOWN_INSTANCE, &BAD_STATUS, &AUTH];

/// A registration file cannot be read.
pub const JOURNAL_DAMAGED: Code = Code {
    id: "MD0601",
    title: "registrations damaged",
    explanation: "A file with registrations in the data folder (`registry.log` or `registry.snapshot`) is not what Madang wrote. \
        An end cut off by a crash is repaired by itself; this is something else, so nothing was overwritten. Move the file away and \
        start again: services that are alive register again within their next heartbeat.",
};

/// A registration file of a newer version.
pub const JOURNAL_NEWER: Code = Code {
    id: "MD0602",
    title: "registrations of a newer Madang",
    explanation: "A file with registrations in the data folder was written by a newer Madang, and this one does not understand it. \
        Nothing was overwritten. Start the newer version, or move `registry.log` and `registry.snapshot` away: services that are alive \
        register again within their next heartbeat.",
};

/// A registration file cannot be opened.
pub const JOURNAL_UNUSABLE: Code = Code {
    id: "MD0603",
    title: "registrations unusable",
    explanation: "The files with registrations in the data folder cannot be read or written when Madang starts. Check who owns the \
        folder and whether the disk is full or read-only. Once Madang runs, a failing disk refuses nobody: it is logged and counted.",
};

/// No such service.
pub const UNKNOWN_SERVICE: Code = Code {
    id: "MD0604",
    title: "service not registered",
    explanation: "No instance of this service is registered at the moment. Names are compared without regard to case. \
        `/v1/registry/services` lists what is.",
};

/// No such instance.
pub const UNKNOWN_INSTANCE: Code = Code {
    id: "MD0605",
    title: "instance not registered",
    explanation: "The service has no instance of this id at the moment. Ids are compared exactly, with their case. It may have \
        cancelled its registration, or its lease ran out. `/v1/registry/services/SERVICE` lists what is there.",
};

/// Not a status.
pub const BAD_STATUS: Code = Code {
    id: "MD0606",
    title: "not a status",
    explanation: "A status is one of `up`, `down`, `starting`, `out_of_service` and `unknown`. An override takes an instance out \
        (`out_of_service`) or puts it back (`up`) until it is cleared.",
};

/// The Eureka face would be open, or its credentials cannot be used.
pub const AUTH: Code = Code {
    id: "MD0607",
    title: "Eureka face needs auth",
    explanation: "Whoever reaches the Eureka face can register and remove instances. Off loopback it needs `registry.auth = \"user:password\"` \
        (clients put it into the URL: `http://user:password@host:8761/eureka/`), or the explicit word `\"none\"` when the network itself is \
        trusted. Keep it out of the file with the variable `MADANG_REGISTRY__AUTH`.",
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_in_order_and_belong_to_this_crate() {
        assert!(ALL.windows(2).all(|pair| pair[0].id < pair[1].id));
        assert!(ALL.iter().all(|code| code.id.starts_with("MD06") && code.explanation.ends_with('.')));
    }
}
