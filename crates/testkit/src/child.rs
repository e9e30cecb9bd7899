//! A program under test: its own process group, its output line by line, and no life past the test.

use std::{
    io::{BufRead, BufReader, Read},
    os::unix::process::CommandExt,
    process::{Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use crate::eventually;

/// How many lines of output are kept; a program that writes more is cut there, and keeps running.
const KEPT_LINES: usize = 100_000;

/// What a test may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// What Ctrl-C sends.
    Interrupt,
    /// The polite request to stop.
    Terminate,
    /// The end, at once.
    Kill,
    /// What a closed terminal sends.
    Hangup,
}

impl Signal {
    fn number(self) -> rustix::process::Signal {
        match self {
            Self::Interrupt => rustix::process::Signal::INT,
            Self::Terminate => rustix::process::Signal::TERM,
            Self::Kill => rustix::process::Signal::KILL,
            Self::Hangup => rustix::process::Signal::HUP,
        }
    }

    /// Sends to one process. False when it does not exist (any more).
    pub fn send(self, pid: u32) -> bool {
        raw(pid).is_some_and(|pid| rustix::process::kill_process(pid, self.number()).is_ok())
    }

    /// Sends to all processes of a group.
    fn send_group(self, pid: u32) -> bool {
        raw(pid).is_some_and(|pid| rustix::process::kill_process_group(pid, self.number()).is_ok())
    }
}

fn raw(pid: u32) -> Option<rustix::process::Pid> {
    i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw)
}

/// A running program that leads its own process group. Dropping it kills the whole group.
pub struct Child {
    process: std::process::Child,
    name: String,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Child {
    /// Starts `command` with no input, standard output and error collected together line by line.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn spawn(command: &mut Command) -> Self {
        let name = command.get_program().to_string_lossy().into_owned();
        let spawned =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0).spawn();
        let mut process = match spawned {
            Ok(process) => process,
            Err(error) => panic!("cannot start `{name}`: {error}"),
        };
        let lines = Arc::new(Mutex::new(Vec::new()));
        collect(process.stdout.take().expect("standard output is piped"), &lines);
        collect(process.stderr.take().expect("standard error is piped"), &lines);
        Self { process, name, lines }
    }

    /// Its process id, which is also its group.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Every line it has written so far.
    pub fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Everything it has written so far, for a failure message.
    pub fn output(&self) -> String {
        self.lines().join("\n")
    }

    /// Waits for the first line that holds `part` and returns it.
    ///
    /// # Panics
    /// When none has come within `limit`, with all that was written instead.
    pub fn line_with(&self, part: &str, limit: Duration) -> String {
        let found = self.within(limit, || self.lines().into_iter().find(|line| line.contains(part)));
        found.unwrap_or_else(|| {
            panic!("`{}` wrote no line with `{part}` within {limit:?}, but:\n{}", self.name, self.output())
        })
    }

    /// Sends a signal to the program alone.
    pub fn signal(&self, signal: Signal) -> bool {
        signal.send(self.pid())
    }

    /// Sends a signal to its whole group, as a terminal does.
    pub fn signal_group(&self, signal: Signal) -> bool {
        signal.send_group(self.pid())
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When it still runs after `limit`, with all that it wrote.
    pub fn wait(&mut self, limit: Duration) -> ExitStatus {
        let started = std::time::Instant::now();
        let what = format!("`{}` ends", self.name);
        let ended = eventually(&what, limit + Duration::from_secs(1), || {
            match self.process.try_wait().expect("a child can be waited for") {
                Some(status) => Some(Some(status)),
                None if started.elapsed() >= limit => Some(None),
                None => None,
            }
        });
        ended.unwrap_or_else(|| panic!("`{}` still runs after {limit:?}; it wrote:\n{}", self.name, self.output()))
    }

    /// Its exit status when it has ended.
    pub fn try_wait(&mut self) -> Option<ExitStatus> {
        self.process.try_wait().expect("a child can be waited for")
    }

    fn within<T>(&self, limit: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
        let started = std::time::Instant::now();
        eventually("a look or the limit", limit + Duration::from_secs(1), || match look() {
            Some(value) => Some(Some(value)),
            None if started.elapsed() >= limit => Some(None),
            None => None,
        })
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // The group outlives its leader while any member lives, so its number cannot have been given away: kill even
        // when the leader has ended. An empty group is an error that changes nothing.
        if matches!(self.process.try_wait(), Ok(None)) || self.group_has_members() {
            Signal::Kill.send_group(self.pid());
        }
        let _ = self.process.wait();
    }
}

impl Child {
    fn group_has_members(&self) -> bool {
        crate::processes::in_group(self.pid())
    }
}

fn collect(stream: impl Read + Send + 'static, lines: &Arc<Mutex<Vec<String>>>) {
    let lines = Arc::clone(lines);
    thread::spawn(move || {
        let mut reader = BufReader::new(stream);
        let mut line = Vec::new();
        while matches!(reader.read_until(b'\n', &mut line), Ok(count) if count > 0) {
            let mut kept = lines.lock().unwrap_or_else(PoisonError::into_inner);
            if kept.len() < KEPT_LINES {
                kept.push(String::from_utf8_lossy(&line).trim_end_matches(['\n', '\r']).to_owned());
            }
            drop(kept);
            line.clear();
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::processes_with_variable;

    const SOON: Duration = Duration::from_secs(5);

    #[test]
    fn lines_of_both_streams_are_collected() {
        let mut child = Child::spawn(Command::new("sh").args(["-c", "echo out; echo err >&2; exit 3"]));
        assert_eq!(child.line_with("out", SOON), "out");
        assert_eq!(child.line_with("err", SOON), "err");
        assert_eq!(child.wait(SOON).code(), Some(3));
    }

    #[test]
    fn a_dropped_child_takes_its_group_along() {
        let mark = format!("group-{}", std::process::id());
        let script = "sleep 600 & echo ready; exit 0";
        let mut child = Child::spawn(Command::new("sh").args(["-c", script]).env("MADANG_TESTKIT_MARK", &mark));
        child.line_with("ready", SOON);
        child.wait(SOON);
        assert_eq!(processes_with_variable("MADANG_TESTKIT_MARK", &mark).len(), 1, "the leader's child lives on");
        drop(child);
        eventually("no process of the group is left", SOON, || {
            processes_with_variable("MADANG_TESTKIT_MARK", &mark).is_empty().then_some(())
        });
    }

    #[test]
    fn a_signal_ends_what_does_not_catch_it() {
        let mut child = Child::spawn(Command::new("sleep").arg("600"));
        assert!(child.signal(Signal::Terminate));
        assert_eq!(child.wait(SOON).code(), None);
    }
}
