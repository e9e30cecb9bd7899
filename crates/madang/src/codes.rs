//! The codes of the program itself, and those of every part in one list for `madang explain`.

use madang_base::Code;

pub(crate) const NO_SETTINGS: Code = Code {
    id: "MD0501",
    title: "no settings file",
    explanation: "Madang was pointed at a folder without a `madang.toml`, or at a file that is not there. \
                  `madang init` looks at a folder and writes a commented `madang.toml` for what it finds; \
                  `madang up DIR` and `madang up FILE` name another place.",
};

pub(crate) const SETTINGS_EXIST: Code = Code {
    id: "MD0502",
    title: "a settings file is already there",
    explanation: "`madang init` never overwrites a `madang.toml`: what you wrote is worth more than what it can guess. \
                  Move the file away to see what would be written, or edit it; `madang check` says whether it is right.",
};

pub(crate) const FOLDER_IN_USE: Code = Code {
    id: "MD0503",
    title: "another Madang uses the data folder",
    explanation: "Two Madangs on one data folder would start every service twice and overwrite each other's state. \
                  The one that runs holds a lock on `madang.lock` in that folder; the lock ends with its process, so \
                  a file left behind by a crash is harmless and is never in the way.\n\n\
                  Use the one that runs (`madang ps`), stop it, or give the second one its own folder: another \
                  settings folder for `up`, another `--data` for `serve`.",
};

pub(crate) const NOBODY_ANSWERS: Code = Code {
    id: "MD0505",
    title: "no Madang answers",
    explanation: "`ps`, `logs`, `scale`, `route` and `registry` ask a running Madang through its admin API, on `127.0.0.1:7070` \
                  unless told otherwise. Nothing answers there. Start one with `madang up`; if it was started with \
                  `--port-offset N`, give the same option here; if its settings say another `listen.admin`, name that \
                  address with `--admin`.",
};

pub(crate) const RESTART_KEY: Code = Code {
    id: "MD0506",
    title: "a setting that only a restart applies",
    explanation: "Listeners, the number of gateway workers and the name are fixed while Madang runs: changing them live \
                  would cut connections that wait. The whole edit was refused and the old settings keep serving. Take \
                  the change back, or stop Madang and start it again.",
};

pub(crate) const SERVICE_SOURCE: Code = Code {
    id: "MD0507",
    title: "a service needs a command or endpoints",
    explanation: "A service is either a process that Madang runs (`command = \"node orders.js\"`) or a fixed list of \
                  addresses that something else runs (`endpoints = [\"127.0.0.1:9001\"]`). With neither there is \
                  nothing to call; with both it is unclear who is responsible for it.",
};

pub(crate) const LISTEN_ADDRESS: Code = Code {
    id: "MD0508",
    title: "not an address to listen on",
    explanation: "A listener is `\"off\"` or a whole address such as `\"127.0.0.1:8080\"`. A bare port is refused \
                  because it hides the most important choice: `127.0.0.1` is reachable from this machine only, \
                  `0.0.0.0` from every network it is on.",
};

pub(crate) const LISTEN_TWICE: Code = Code {
    id: "MD0509",
    title: "two listeners on one address",
    explanation: "Each of `listen.gateway`, `listen.admin`, `listen.egress` and `listen.eureka` needs an address of its own. \
                  Choose another port for one of them.",
};

pub(crate) const NOTHING_FOUND: Code = Code {
    id: "MD0510",
    title: "nothing to run was found",
    explanation: "`madang init` looks in a folder and the folders directly inside it for `package.json` with a start \
                  script, `Procfile`, `pyproject.toml`, `requirements.txt`, `app.py`, `manage.py`, `pom.xml`, `mvnw` \
                  and `Cargo.toml`. A `madang.toml` by hand is short: `[services.web]` with `command = \"…\"`, and a \
                  `[[routes]]` that leads to `service://web`.",
};

pub(crate) const EXPOSED: Code = Code {
    id: "MD0511",
    title: "a listener would be open to the network",
    explanation: "Whoever reaches `listen.egress` can call every service past all routes, and it asks for no key, so it \
                  only listens on loopback addresses (`127.0.0.1`, `[::1]`). It is for the services Madang runs on \
                  this machine. What others may call gets a route.",
};

pub(crate) const FILE_UNREADABLE: Code = Code {
    id: "MD0512",
    title: "a file or folder cannot be used",
    explanation: "The operating system refused to read, write or create the file or folder that is named; its own words \
                  follow. Usually the permissions or the path are wrong, or the disk is full.",
};

pub(crate) const ENDPOINT: Code = Code {
    id: "MD0513",
    title: "not an endpoint",
    explanation: "`endpoints` is a list of IP addresses with a port, each once: `[\"127.0.0.1:9001\", \"10.0.0.7:80\"]`. \
                  Host names are not looked up: write the address. A service Madang runs itself has a `command` \
                  and no endpoints; its ports are chosen for it.",
};

pub(crate) const SERVICE_NAME: Code = Code {
    id: "MD0514",
    title: "not a service name",
    explanation: "The name of a service becomes part of URLs (`service://orders`), of variables and of file names, so it \
                  is 1 to 63 letters, digits, `-`, `_` and `.`, and starts with a letter or digit. Upper and lower \
                  case are the same.",
};

pub(crate) const TRICKLE: Code = Code {
    id: "MD0515",
    title: "nothing to trickle",
    explanation: "`madang up --trickle` sends the requests of `trickle` to the gateway in turn, one every 0.3 s, so that \
                  the console has something to show. Each is a method, a path and, if it has a body, JSON: \
                  `trickle = [\"GET /\", \"POST /orders {\\\"id\\\": 1}\"]`, at the top of the settings file. Nothing is \
                  guessed from routes: only you know which requests do no harm. `listen.gateway` must not be off.",
};

const OURS: &[&Code] = &[
    &NO_SETTINGS,
    &SETTINGS_EXIST,
    &FOLDER_IN_USE,
    &NOBODY_ANSWERS,
    &RESTART_KEY,
    &SERVICE_SOURCE,
    &LISTEN_ADDRESS,
    &LISTEN_TWICE,
    &NOTHING_FOUND,
    &EXPOSED,
    &FILE_UNREADABLE,
    &ENDPOINT,
    &SERVICE_NAME,
    &TRICKLE,
];

const PARTS: &[&[&Code]] = &[
    madang_settings::codes::ALL,
    madang_serve::codes::ALL,
    madang_supervise::codes::ALL,
    madang_gateway::codes::ALL,
    madang_gateway::codes::REFUSED,
    madang_gateway::codes::ANSWERED,
    madang_route::codes::ALL,
    madang_admin::codes::ALL,
    madang_registry::codes::ALL,
    madang_sim::codes::ALL,
    madang_store::codes::ALL,
    madang_breaker::codes::ALL,
    OURS,
];

/// The code whose title begins with the reason of an answer: `host_missing`.
pub(crate) fn of_reason(reason: &str) -> Option<&'static Code> {
    all().find(|code| code.title.split_once(": ").is_some_and(|(start, _)| start == reason))
}

/// Every code of every part, by id.
pub(crate) fn all() -> impl Iterator<Item = &'static Code> {
    let mut all: Vec<&'static Code> = PARTS.iter().flat_map(|part| part.iter().copied()).collect();
    all.sort_by_key(|code| code.id);
    all.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_unique_and_explained() {
        let all: Vec<_> = all().collect();
        for pair in all.windows(2) {
            assert_ne!(pair[0].id, pair[1].id, "two codes share an id");
        }
        for code in all {
            assert!(code.id.len() == 6 && code.id.starts_with("MD"), "{}", code.id);
            assert!(code.explanation.len() > 60, "{} explains too little", code.id);
            assert!(!code.title.ends_with('.') && !code.title.is_empty(), "{}", code.id);
        }
    }
}
