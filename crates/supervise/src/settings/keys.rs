//! `[services.NAME]` with a `command`, key by key, for people.

use madang_settings::Key;

/// What is read here.
#[rustfmt::skip] // a row is a line
pub const KEYS: &[Key] = &[
    Key::live("services.NAME.command", "text, or list of words", "", "program and arguments, run without a shell; it listens on 127.0.0.1 at `PORT`"),
    Key::live("services.NAME.dir", "path", "the folder of the settings file", "where it runs"),
    Key::live("services.NAME.instances", "0 to 500, or a table", "1", "how many instances run"),
    Key::live("services.NAME.instances.min", "0 to 500", "1", "as many run"),
    Key::live("services.NAME.instances.max", "0 to 500", "500", "the most that scaling may ask for"),
    Key::live("services.NAME.env", "table: name to text, number or flag", "{}", "variables, beside those Madang itself has"),
    Key::live("services.NAME.health", "`tcp`, a path, or a table", "\"tcp\"", "how to tell that an instance works: its port accepts, or GET of the path answers 2xx or 3xx"),
    Key::live("services.NAME.health.path", "path", "", "what is asked for"),
    Key::live("services.NAME.health.tcp", "true", "true", "the port accepts a connection"),
    Key::live("services.NAME.health.interval", "duration, 10 ms to 1 h", "\"2s\"", "between two checks of an instance that was healthy once; 100 ms until then"),
    Key::live("services.NAME.health.timeout", "duration, 1 ms to 1 h", "\"1s\"", "how long an answer may take"),
    Key::live("services.NAME.health.start_timeout", "duration, 1 ms to 1 h", "\"30s\"", "after this time without a success it counts as unhealthy"),
    Key::live("services.NAME.health.failures", "1 to 100", "3", "so many failures in a row make it unhealthy"),
    Key::live("services.NAME.stop.grace", "duration, 0 to 1 h", "\"10s\"", "between SIGTERM and SIGKILL, both to the process group"),
    Key::live("services.NAME.restart.first", "duration, 1 ms to 1 h", "\"100ms\"", "the wait before the first restart; it doubles with each, less up to half by chance"),
    Key::live("services.NAME.restart.most", "duration, 1 ms to 1 h", "\"30s\"", "the longest wait before a restart"),
    Key::live("services.NAME.restart.reset_after", "duration, 0 to 1 h", "\"10s\"", "after so much time healthy the next restart is a first one again"),
    Key::live("services.NAME.logs.max_size", "size, 1 KiB to 16 GiB", "\"10MiB\"", "a log file that would grow beyond is put aside"),
    Key::live("services.NAME.logs.keep", "0 to 100", "3", "so many files put aside are kept"),
    Key::live("services.NAME.on_loss", "`stop` or `keep`", "`stop` under `up`, `keep` under `serve`", "what becomes of it when Madang itself is killed"),
];
