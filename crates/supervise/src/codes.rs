//! The codes of this crate: MD0200 to MD0299.

use madang_base::Code;

/// Every code of this crate.
pub const ALL: &[&Code] = &[
    &FOLDER_BUSY,
    &KEEPER_START,
    &KEEPER_VERSION,
    &FOLDER_UNUSABLE,
    &COMMAND_MISSING,
    &COMMAND,
    &SERVICE,
    &HEALTH,
    &DIR_MISSING,
    &UNKNOWN_SERVICE,
    &SCALE_RANGE,
    &ENDED,
    &KEEPER_LOST,
    &INSTANCE_ENDED,
    &INSTANCE_UNHEALTHY,
];

/// Another Madang runs the services of this folder.
pub const FOLDER_BUSY: Code = Code {
    id: "MD0201",
    title: "data folder in use",
    explanation: "Another Madang runs the services of this data folder, and two would start everything twice. Use the one that runs \
        (`madang ps`), stop it, or give this one a data folder of its own.",
};

/// The keeper did not come up.
pub const KEEPER_START: Code = Code {
    id: "MD0202",
    title: "keeper did not start",
    explanation: "Madang starts a small helper, the keeper, that is the parent of all service processes. It did not come up. The message \
        says why; `keeper.log` in the data folder may say more. Most often the data folder is on a file system without unix sockets \
        or locks: move it to a local disk.",
};

/// The keeper that runs was started by another version.
pub const KEEPER_VERSION: Code = Code {
    id: "MD0203",
    title: "keeper of another version",
    explanation: "Services of an earlier Madang are still running under its keeper, and this version cannot talk to that keeper. Stop \
        them with the Madang that started them, or end the keeper (its process id is in `keeper.lock`, in the data folder); the \
        services end when Madang starts again.",
};

/// The data folder cannot be used.
pub const FOLDER_UNUSABLE: Code = Code {
    id: "MD0204",
    title: "data folder unusable",
    explanation: "Madang keeps logs of services and the keeper's socket in its data folder, `.madang` beside the settings unless told \
        otherwise. It could not be created or written. Check who owns it and whether the disk is full or read-only.",
};

/// A command's program is not there.
pub const COMMAND_MISSING: Code = Code {
    id: "MD0205",
    title: "program not found",
    explanation: "The first word of a service's `command` is a program, looked for in the folders of PATH, or, when it has a `/`, from \
        the service's `dir`. It is not there or may not be executed. Install it, write its whole path, or add its folder to PATH in \
        the service's `env`.",
};

/// A command cannot be understood.
pub const COMMAND: Code = Code {
    id: "MD0206",
    title: "command not usable",
    explanation: "A `command` is split into words at blanks; quotes keep words together. It runs without a shell, so that the process \
        Madang watches is the service itself; pipes, redirections, `&&` and `$VARIABLES` need one. Where you want a shell, say so: \
        `command = [\"sh\", \"-c\", \"exec node app.js > out.txt\"]`.",
};

/// Something else in a service's settings contradicts itself.
pub const SERVICE: Code = Code {
    id: "MD0207",
    title: "service settings not usable",
    explanation: "Something in `[services.NAME]` is of the right kind and still cannot be meant. The message names it and what to write \
        instead.",
};

/// A health check cannot be understood.
pub const HEALTH: Code = Code {
    id: "MD0208",
    title: "health check not usable",
    explanation: "`health` is a path that answers 2xx or 3xx when the instance works (`\"/health\"`), or `\"tcp\"`: its port accepts \
        connections. With more to say it is a table: `{ path = \"/health\", interval = \"2s\", timeout = \"1s\", start_timeout = \
        \"30s\", failures = 3 }`.",
};

/// A service's folder is not there.
pub const DIR_MISSING: Code = Code {
    id: "MD0209",
    title: "working folder missing",
    explanation: "`dir` is where a service runs, counted from the folder of the settings file. It does not exist or is a file.",
};

/// Nobody knows the service.
pub const UNKNOWN_SERVICE: Code = Code {
    id: "MD0210",
    title: "unknown service",
    explanation: "Madang runs no service of this name. `madang ps` lists those it runs. A service with `endpoints` is run by somebody \
        else: Madang sends requests to it and has neither its processes nor its logs.",
};

/// More instances than allowed.
pub const SCALE_RANGE: Code = Code {
    id: "MD0211",
    title: "number of instances out of range",
    explanation: "A service has 0 to 500 instances, or up to its own `instances = { max = … }`.",
};

/// The supervisor has ended.
pub const ENDED: Code = Code {
    id: "MD0212",
    title: "Madang is stopping",
    explanation: "Madang is on its way out and takes no changes to services any more.",
};

/// The keeper died.
pub const KEEPER_LOST: Code = Code {
    id: "MD0213",
    title: "keeper lost",
    explanation: "The keeper, the parent of all service processes, ended although nobody asked it to: it was killed, or the machine ran \
        out of memory. Madang killed what it left behind, and starts a new keeper and the services again. `keeper.log` in the data \
        folder may say more.",
};

/// An instance ended by itself.
pub const INSTANCE_ENDED: Code = Code {
    id: "MD0214",
    title: "instance ended",
    explanation: "A service is meant to run until it is stopped; one that ends is started again, after a pause that doubles each time \
        (`restart` in its settings) until it stays healthy for a while. The reason shows its exit code or signal and its last log \
        lines. SIGKILL without anybody killing it is most often the machine running out of memory (`dmesg` says so).",
};

/// An instance does not answer its checks.
pub const INSTANCE_UNHEALTHY: Code = Code {
    id: "MD0215",
    title: "instance unhealthy",
    explanation: "The instance runs and does not answer its health check, so it gets no requests; checking goes on, and it is back with \
        the first good answer. A service must listen on the port in its environment variable `PORT` (on 127.0.0.1 or all addresses) \
        and answer the path in `health`. One that takes long to start has `health = { start_timeout = \"2m\" }`.",
};
